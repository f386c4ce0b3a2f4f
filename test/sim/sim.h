#ifndef WARREN_SIM_SIM_H
#define WARREN_SIM_SIM_H

#include "core/base/env.h"
#include "test/sim/rng.h"

#include <setjmp.h>
#include <stdnoreturn.h>

/*
 * The virtual clock and its event queue. Everything in the simulator happens as an event at a moment
 * in ns; equal moments run in the order in which they were scheduled, so a run is a function of its
 * seed. A scenario adds to the clock, it never sleeps.
 *
 *   run.c    the cases of one program, --seed, --trace
 *   sim.c    clock and queue                      world.c  CA, hubs, spokes: what scenarios say
 *   net.c    segments, hosts, loss, delay, TTL    node.c   an engine with its TUN and routes
 *   nat.c    NAT boxes                            flow.c   user traffic and what became of it
 */
#define SIM_TAIL 40

/* Why a run failed, and what came last before that. */
struct sim_report {
	const char *file;
	int line;
	char text[256];
	unsigned n; /* lines of trace ever; the last SIM_TAIL are kept */
	char tail[SIM_TAIL][240];
};

struct sim {
	uint64_t now;   /* ns; every node sees it with an offset of its own */
	uint64_t start; /* now at the beginning of the case */
	uint64_t seed;
	bool trace;
	struct rng rng;      /* the network's and the scenario's chance; nodes have their own */
	const char *program; /* for the line that says how to run it again */
	const char *case_name;
	jmp_buf failed;            /* sim_fail's way out */
	const void *input;         /* what the case is to do, if it takes that from outside */
	struct sim_report *report; /* failure and trace go there instead of being printed */

	struct sim_event *heap;
	uint32_t n, cap;
	uint64_t order; /* of the next event */
	struct sim_cleanup *cleanups;
	void *in_hand; /* arg of the event that is happening, until somebody takes or frees it */
};

/* Unix time at sim->start. */
#define SIM_WALL_START UINT64_C(1900000000)

void sim_init(struct sim *s, uint64_t seed, bool trace);
/* Runs the cleanups, last one first, and drops what is still in the queue. */
void sim_fini(struct sim *s);
/* free(ctx)-like functions to run at the end, also when the case fails. */
void sim_defer(struct sim *s, void (*cleanup)(void *ctx), void *ctx);

/*
 * At `when` (or now, when that is past) fire(ctx, arg) runs and owns arg: it gives it to another event
 * or to sim_free. An event that never fires, or whose firing fails the case, has its arg freed.
 */
void sim_at(struct sim *s, uint64_t when, void (*fire)(void *ctx, void *arg), void *ctx, void *arg);
void sim_free(struct sim *s, void *arg);
/* The clock moves to `until` and everything due happens. */
void sim_run_until(struct sim *s, uint64_t until);
void sim_run(struct sim *s, uint64_t duration);
/* Runs in steps of 1 ms until done(ctx), at most for `limit`. The time it took, or TS_NEVER. */
uint64_t sim_wait(struct sim *s, uint64_t limit, bool (*done)(void *ctx), void *ctx);

/* ns since the start of the case. */
static inline uint64_t sim_elapsed(const struct sim *s)
{
	return s->now - s->start;
}

static inline uint64_t sim_wall_s(const struct sim *s)
{
	return SIM_WALL_START + sim_elapsed(s) / NS_PER_S;
}

/* With --trace: one line with the time in front. */
__attribute__((format(printf, 2, 3))) void sim_trace(struct sim *s, const char *format, ...);
/* A line that is always printed: a measured figure of the case. */
__attribute__((format(printf, 2, 3))) void sim_note(struct sim *s, const char *format, ...);
/* Prints place, time, seed and the command that repeats the run, and leaves the case. */
__attribute__((format(printf, 4, 5))) noreturn void sim_fail(
	struct sim *s, const char *file, int line, const char *format, ...);

#define SIM_FAIL(s, ...) sim_fail(s, __FILE__, __LINE__, __VA_ARGS__)
#define CHECK(s, cond)                                                                             \
	do {                                                                                       \
		if (!(cond))                                                                       \
			SIM_FAIL(s, "expected: %s", #cond);                                        \
	} while (0)
#define CHECK_EQ(s, got, want) CHECK_RANGE(s, got, want, want)
/* low <= got <= high, as unsigned 64-bit numbers. */
#define CHECK_RANGE(s, got, low, high)                                                             \
	do {                                                                                       \
		uint64_t check_got = (uint64_t)(got);                                              \
		uint64_t check_low = (uint64_t)(low), check_high = (uint64_t)(high);               \
		if (check_got < check_low || check_got > check_high)                               \
			SIM_FAIL(s, "%s is %llu, expected %llu .. %llu", #got,                     \
				(unsigned long long)check_got, (unsigned long long)check_low,      \
				(unsigned long long)check_high);                                   \
	} while (0)

#endif
