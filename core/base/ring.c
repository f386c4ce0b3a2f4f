#include "core/base/ring.h"

#include "core/base/err.h"

#include <stdlib.h>

int ring_init(struct ring *r, uint32_t n, size_t entry_size)
{
	r->entries = calloc(n, entry_size);
	r->entry_size = entry_size;
	r->mask = n - 1;
	atomic_init(&r->head, 0);
	atomic_init(&r->tail, 0);
	return r->entries ? 0 : ERR_NO_SPACE;
}

void ring_fini(struct ring *r)
{
	free(r->entries);
	r->entries = NULL;
}

static void *entry_at(const struct ring *r, uint32_t i)
{
	return r->entries + (size_t)(i & r->mask) * r->entry_size;
}

void *ring_reserve(struct ring *r)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
	return head - tail > r->mask ? NULL : entry_at(r, head);
}

uint32_t ring_room(struct ring *r)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
	return r->mask + 1 - (head - tail);
}

void ring_push(struct ring *r)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	atomic_store_explicit(&r->head, head + 1, memory_order_release);
}

void *ring_peek(struct ring *r)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	uint32_t head = atomic_load_explicit(&r->head, memory_order_acquire);
	return head == tail ? NULL : entry_at(r, tail);
}

void ring_pop(struct ring *r)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
}
