#ifndef WARREN_BASE_TIMER_H
#define WARREN_BASE_TIMER_H

#include "core/base/env.h"

/*
 * A binary heap of timers that live inside the objects they belong to. Arming an armed timer moves it;
 * a timer that is not armed costs nothing. The heap holds pointers, so an object must disarm its
 * timers before it goes away.
 */
struct timer {
	uint64_t deadline; /* ns; valid while armed */
	uint32_t position; /* 1-based place in the heap, 0 = not armed */
	void (*fire)(void *owner, struct timer *t, uint64_t now);
	void *owner;
};

struct timer_heap {
	struct timer **v;
	uint32_t n, cap;
};

/* cap = the most timers ever armed at once. ERR_NO_SPACE. */
int timer_heap_init(struct timer_heap *h, uint32_t cap);
void timer_heap_fini(struct timer_heap *h);
/* The heap is sized for every timer there is; a full heap is a bug of ours and asserted. */
void timer_arm(struct timer_heap *h, struct timer *t, uint64_t deadline);
void timer_disarm(struct timer_heap *h, struct timer *t);
/* Earliest deadline, TS_NEVER when none. */
uint64_t timer_next(const struct timer_heap *h);
/* Fires the earliest one. False: none is due. */
bool timer_run_one(struct timer_heap *h, uint64_t now);
/* Fires every timer due at now, earliest first; each is disarmed before its function runs. */
void timer_run(struct timer_heap *h, uint64_t now);

static inline bool timer_armed(const struct timer *t)
{
	return t->position != 0;
}

#endif
