#include "core/cli/table.h"

#include <string.h>
#include <time.h>

#define COLUMNS_MAX 16
#define GAP         2 /* blanks between columns */

static void format_text(const json_t *value, char *out)
{
	if (json_is_string(value) && *json_string_value(value))
		snprintf(out, CELL_MAX, "%s", json_string_value(value));
	else if (json_is_integer(value))
		snprintf(out, CELL_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else
		strcpy(out, "-");
}

static void format_list(const json_t *value, char *out)
{
	size_t len = 0;
	for (size_t i = 0; i < json_array_size(value) && len < CELL_MAX; i++) {
		const char *text = json_string_value(json_array_get(value, i));
		len += (size_t)snprintf(
			out + len, CELL_MAX - len, "%s%s", i ? "," : "", text ? text : "-");
	}
	if (len == 0)
		strcpy(out, "-");
}

static void format_hops(const json_t *value, char *out)
{
	size_t len = 0;
	for (size_t i = 0; i < json_array_size(value) && len < CELL_MAX; i++) {
		const json_t *hop = json_array_get(value, i);
		const char *gateway = json_string_value(json_object_get(hop, "gateway"));
		json_int_t weight = json_integer_value(json_object_get(hop, "weight"));
		len += (size_t)snprintf(
			out + len, CELL_MAX - len, "%s%s", i ? "," : "", gateway ? gateway : "-");
		if (weight > 1 && len < CELL_MAX)
			len += (size_t)snprintf(
				out + len, CELL_MAX - len, "*%" JSON_INTEGER_FORMAT, weight);
	}
}

static void format_bytes(double bytes, char *out)
{
	static const char units[] = "KMGTPE";
	if (bytes < 1024) {
		snprintf(out, CELL_MAX, "%.0f", bytes);
		return;
	}
	int unit = -1;
	for (; bytes >= 1024 && units[unit + 1]; unit++)
		bytes /= 1024;
	snprintf(out, CELL_MAX, "%.1f%c", bytes, units[unit]);
}

static void format_duration(unsigned long long ns, char *out)
{
	unsigned long long s = ns / 1000000000;
	if (ns < 1000000)
		snprintf(out, CELL_MAX, "%lluus", ns / 1000);
	else if (ns < 1000000000)
		snprintf(out, CELL_MAX, "%.2fms", (double)ns / 1e6);
	else if (s < 60)
		snprintf(out, CELL_MAX, "%.1fs", (double)ns / 1e9);
	else if (s < 3600)
		snprintf(out, CELL_MAX, "%llum%02llus", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, CELL_MAX, "%lluh%02llum", s / 3600, s / 60 % 60);
	else
		snprintf(out, CELL_MAX, "%llud%02lluh", s / 86400, s / 3600 % 24);
}

static void format_date(time_t when, char *out)
{
	struct tm tm;
	if (!gmtime_r(&when, &tm) || strftime(out, CELL_MAX, "%Y-%m-%d %H:%M UTC", &tm) == 0)
		strcpy(out, "-");
}

const char *table_cell(enum cell kind, const json_t *value, char out[CELL_MAX])
{
	bool number = json_is_integer(value);
	strcpy(out, "-");
	switch (kind) {
	case CELL_TEXT:
		format_text(value, out);
		break;
	case CELL_LIST:
		format_list(value, out);
		break;
	case CELL_HOPS:
		format_hops(value, out);
		break;
	case CELL_FLAG:
		strcpy(out, json_is_true(value) ? "yes" : "no");
		break;
	case CELL_BYTES:
		if (number)
			format_bytes((double)json_integer_value(value), out);
		break;
	case CELL_DURATION:
		if (number)
			format_duration((unsigned long long)json_integer_value(value), out);
		break;
	case CELL_DATE:
		if (number)
			format_date((time_t)json_integer_value(value), out);
		break;
	}
	return out;
}

static const char *cell_of(const struct column *column, const json_t *row, char out[CELL_MAX])
{
	return table_cell(column->cell, json_object_get(row, column->key), out);
}

/* The last column is not padded. */
static void print_cell(FILE *f, const char *text, size_t width, bool last)
{
	if (last)
		fprintf(f, "%s\n", text);
	else
		fprintf(f, "%-*s", (int)width + GAP, text);
}

void table_print(FILE *f, const struct column *columns, unsigned n, const json_t *rows)
{
	size_t widths[COLUMNS_MAX];
	char text[CELL_MAX];
	for (unsigned c = 0; c < n; c++) {
		widths[c] = strlen(columns[c].title);
		for (size_t r = 0; r < json_array_size(rows); r++) {
			size_t len = strlen(cell_of(&columns[c], json_array_get(rows, r), text));
			widths[c] = len > widths[c] ? len : widths[c];
		}
	}
	for (unsigned c = 0; c < n; c++)
		print_cell(f, columns[c].title, widths[c], c == n - 1);
	for (size_t r = 0; r < json_array_size(rows); r++)
		for (unsigned c = 0; c < n; c++)
			print_cell(f, cell_of(&columns[c], json_array_get(rows, r), text),
				widths[c], c == n - 1);
}
