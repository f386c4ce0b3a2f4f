#ifndef WARREN_CLI_TABLE_H
#define WARREN_CLI_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* JSON for humans: a value as a few characters, an array of objects as aligned columns. */
enum cell {
	CELL_TEXT,     /* string or number; null is "-" */
	CELL_LIST,     /* array of strings, with commas */
	CELL_HOPS,     /* array of next hops: "10.0.0.2*3,10.0.0.4", by weight */
	CELL_FLAG,     /* yes or no */
	CELL_BYTES,    /* "1.5K", by 1024 */
	CELL_DURATION, /* ns: "850us", "1.20ms", "12.0s", "3h05m" */
	CELL_DATE,     /* unix seconds: "2027-01-31 12:00 UTC" */
};

struct column {
	const char *title;
	const char *key; /* member of the object */
	enum cell cell;
};

#define CELL_MAX 128 /* characters of a cell with its NUL */

/* Returns out. */
const char *table_cell(enum cell kind, const json_t *value, char out[CELL_MAX]);
/* A header line and a line per object of rows. */
void table_print(FILE *f, const struct column *columns, unsigned n, const json_t *rows);

#endif
