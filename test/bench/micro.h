#ifndef WARREN_BENCH_MICRO_H
#define WARREN_BENCH_MICRO_H

#include <stddef.h>
#include <stdint.h>

/*
 * What the data path does to each packet, one thing at a time, without a kernel. A theme is a file that
 * adds rows; a row is a function that does one thing n times.
 */
struct micro_row {
	const char *theme, *name;
	size_t bytes; /* that one operation goes through; 0: says nothing */
	void (*run)(void *ctx, unsigned n);
	void *ctx; /* lives as long as the program */
};

struct micro;

/* Copies the row; the order is that of the table. */
void micro_add(struct micro *m, const struct micro_row *row);
/* Zeroed, for ctx; ends the program where there is none. */
void *micro_alloc(size_t size);
/* The next number of a sequence that is the same in each run. */
uint32_t micro_random(uint64_t *state);

/* The themes. */
void micro_crypto(struct micro *m);
void micro_route(struct micro *m);
void micro_replay(struct micro *m);
void micro_path(struct micro *m);
void micro_trains(struct micro *m);

#endif
