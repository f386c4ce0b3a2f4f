#ifndef WARREN_BASE_BUCKET_H
#define WARREN_BASE_BUCKET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* A token bucket with time passed in. A zeroed bucket is full. */
struct bucket {
	uint64_t full_at; /* ns: when it will have been filled to the brim */
};

/*
 * Takes one token: at most burst at once, one more each interval_ns. False when there is none, and
 * then nothing is taken. The state is the moment of fullness alone, so no remainder is ever lost.
 */
static inline bool bucket_take(struct bucket *b, uint64_t interval_ns, unsigned burst, uint64_t now)
{
	uint64_t base = b->full_at > now ? b->full_at : now;
	if (base - now > interval_ns * (burst - 1))
		return false;
	b->full_at = base + interval_ns;
	return true;
}

/*
 * A bucket that several threads take from, without a lock: two that do so at the same moment may get one
 * token for both. A limit on floods loses nothing by that.
 */
struct shared_bucket {
	_Atomic uint64_t full_at;
};

static inline bool bucket_take_shared(
	struct shared_bucket *b, uint64_t interval_ns, unsigned burst, uint64_t now)
{
	struct bucket copy = {atomic_load_explicit(&b->full_at, memory_order_relaxed)};
	if (!bucket_take(&copy, interval_ns, burst, now))
		return false;
	atomic_store_explicit(&b->full_at, copy.full_at, memory_order_relaxed);
	return true;
}

#endif
