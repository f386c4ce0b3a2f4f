#ifndef WARREN_BASE_EPOCH_H
#define WARREN_BASE_EPOCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * When may the control loop reuse what workers could still be reading? A worker stands inside a batch
 * or outside; what was unpublished before every worker's current batch began is free. Entering and
 * leaving cost a few atomic operations per batch. One writer retires, up to EPOCH_WORKERS read.
 */
#define EPOCH_WORKERS 16

struct epoch {
	_Atomic uint64_t now;                   /* grows with every retirement, from 1 */
	_Atomic uint64_t inside[EPOCH_WORKERS]; /* epoch seen when the batch began, 0 = outside */
};

static inline void epoch_init(struct epoch *e)
{
	atomic_init(&e->now, 1);
	for (int i = 0; i < EPOCH_WORKERS; i++)
		atomic_init(&e->inside[i], 0);
}

/*
 * Around each batch, by the worker. Adding nothing to `now` puts it in one order with the retirements:
 * either the worker's loads see what the writer had unpublished, or the writer sees the worker inside.
 */
static inline void epoch_enter(struct epoch *e, unsigned worker)
{
	atomic_store_explicit(&e->inside[worker], atomic_load(&e->now), memory_order_release);
	atomic_fetch_add(&e->now, 0);
}

static inline void epoch_leave(struct epoch *e, unsigned worker)
{
	atomic_store_explicit(&e->inside[worker], 0, memory_order_release);
}

/* By the writer, after it has unpublished something: the stamp to wait for. */
static inline uint64_t epoch_retire(struct epoch *e)
{
	return atomic_fetch_add(&e->now, 1) + 1;
}

/* Have all workers passed a batch boundary since that stamp? */
static inline bool epoch_passed(struct epoch *e, uint64_t stamp)
{
	for (int i = 0; i < EPOCH_WORKERS; i++) {
		uint64_t seen = atomic_load(&e->inside[i]);
		if (seen != 0 && seen < stamp)
			return false;
	}
	return true;
}

/*
 * Waits for that. A batch is short and never blocks, so this is a matter of microseconds, or of a time
 * slice when the kernel has stopped a worker; it happens only when a pool has run dry of what
 * waits to be reused. Never to be called inside a batch.
 */
static inline void epoch_wait(struct epoch *e, uint64_t stamp)
{
	while (!epoch_passed(e, stamp))
		;
}

#endif
