#ifndef WARREN_BASE_HASHMAP_H
#define WARREN_BASE_HASHMAP_H

#include "core/base/env.h"

/*
 * A bounded map from fixed-length keys to 32-bit values, for keys that peers choose: SipHash-2-4 with
 * a random key each start, so nobody can aim at one bucket. Open addressing with linear probing and
 * backward-shift deletion; sized at start for `max` entries at a load of one half, never allocates
 * again. One writer, one reader: the control loop.
 */
#define HASHMAP_NONE UINT32_MAX

struct hashmap {
	uint64_t seed[2];
	uint8_t *keys;    /* slots * key_len bytes */
	uint32_t *values; /* plus one; 0 = empty */
	uint32_t slots;   /* a power of two */
	uint32_t count, max;
	uint32_t key_len;
};

/* ERR_NO_SPACE. */
int hashmap_init(struct hashmap *m, uint32_t max, uint32_t key_len, const struct env *env);
void hashmap_fini(struct hashmap *m);
uint32_t hashmap_get(const struct hashmap *m, const void *key);
/* Adds or replaces; value must not be HASHMAP_NONE. ERR_NO_SPACE when full. */
int hashmap_put(struct hashmap *m, const void *key, uint32_t value);
/* The value removed, or HASHMAP_NONE. */
uint32_t hashmap_remove(struct hashmap *m, const void *key);

/* SipHash-2-4 (Aumasson, Bernstein 2012), key as two little-endian words. */
uint64_t siphash(const uint64_t key[2], const void *data, size_t len);

#endif
