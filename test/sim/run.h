#ifndef WARREN_SIM_RUN_H
#define WARREN_SIM_RUN_H

#include "test/sim/sim.h"

/* One scenario: builds its world on the given clock, runs it, checks. Named after the exchange. */
struct sim_case {
	const char *name;
	void (*run)(struct sim *s);
};

/*
 * One run of a case with an input of its own, silently. False: it failed, and report says why and, with
 * trace, what came before.
 */
bool sim_try(const struct sim_case *c, uint64_t seed, const void *input, bool trace,
	struct sim_report *report);
/*
 * The main of a scenario program: sim_NAME [--seed N] [--count N] [--jobs N] [--case TEXT] [--trace]
 * [--list]. Seeds are shared out to N processes.
 * Every case whose name contains TEXT runs once for each of the seeds N .. N + count - 1. Exit status
 * 0: all passed, 1: some failed, 2: usage.
 */
int sim_main(int argc, char **argv, const struct sim_case *cases, size_t n, unsigned default_count);

#define SIM_MAIN(cases, count)                                                                     \
	int main(int argc, char **argv)                                                            \
	{                                                                                          \
		return sim_main(argc, argv, cases, sizeof(cases) / sizeof *(cases), count);        \
	}

#endif
