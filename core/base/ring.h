#ifndef WARREN_BASE_RING_H
#define WARREN_BASE_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A bounded ring of fixed-size entries from one worker to the control loop (one producer, one
 * consumer, no lock). A full ring refuses: the caller counts the loss.
 */
struct ring {
	uint8_t *entries;
	size_t entry_size;
	uint32_t mask;
	_Atomic uint32_t head; /* next to write; producer's */
	_Atomic uint32_t tail; /* next to read; consumer's */
};

/* n is a power of two. ERR_NO_SPACE. */
int ring_init(struct ring *r, uint32_t n, size_t entry_size);
void ring_fini(struct ring *r);
/* The entry to fill, or NULL when full; visible to the consumer after ring_push. */
void *ring_reserve(struct ring *r);
void ring_push(struct ring *r);
/* How many more entries there is room for, at least. Producer's. */
uint32_t ring_room(struct ring *r);
/* The oldest entry, or NULL when empty; it may be reused by the producer after ring_pop. */
void *ring_peek(struct ring *r);
void ring_pop(struct ring *r);

#endif
