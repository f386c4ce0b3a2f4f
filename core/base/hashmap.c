#include "core/base/hashmap.h"

#include "core/base/err.h"

#include <stdlib.h>
#include <string.h>

#define EMPTY 0 /* values are kept plus one: a new map is zeros, and costs no memory until used */

static uint64_t rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

static uint64_t load_le64(const uint8_t *p, size_t len)
{
	uint64_t v = 0;
	for (size_t i = 0; i < len; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

uint64_t siphash(const uint64_t key[2], const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t v[4] = {
		key[0] ^ 0x736f6d6570736575,
		key[1] ^ 0x646f72616e646f6d,
		key[0] ^ 0x6c7967656e657261,
		key[1] ^ 0x7465646279746573,
	};
	for (size_t left = len;; left -= 8, p += 8) {
		uint64_t word = load_le64(p, left < 8 ? left : 8);
		if (left < 8)
			word |= (uint64_t)len << 56;
		v[3] ^= word;
		sip_round(v);
		sip_round(v);
		v[0] ^= word;
		if (left < 8)
			break;
	}
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

int hashmap_init(struct hashmap *m, uint32_t max, uint32_t key_len, const struct env *env)
{
	*m = (struct hashmap){.slots = 8, .max = max, .key_len = key_len};
	while (m->slots < max * 2)
		m->slots *= 2;
	env->random(env->ctx, m->seed, sizeof m->seed);
	m->keys = calloc(m->slots, key_len);
	m->values = calloc(m->slots, sizeof *m->values);
	if (!m->keys || !m->values) {
		hashmap_fini(m);
		return ERR_NO_SPACE;
	}
	return 0;
}

void hashmap_fini(struct hashmap *m)
{
	free(m->keys);
	free(m->values);
	memset(m, 0, sizeof *m);
}

static uint8_t *key_at(const struct hashmap *m, uint32_t slot)
{
	return m->keys + (size_t)slot * m->key_len;
}

static uint32_t home_of(const struct hashmap *m, const void *key)
{
	return (uint32_t)siphash(m->seed, key, m->key_len) & (m->slots - 1);
}

/* The slot that holds key, or the empty one where it would go. */
static uint32_t find(const struct hashmap *m, const void *key)
{
	uint32_t slot = home_of(m, key);
	while (m->values[slot] != EMPTY && memcmp(key_at(m, slot), key, m->key_len) != 0)
		slot = (slot + 1) & (m->slots - 1);
	return slot;
}

uint32_t hashmap_get(const struct hashmap *m, const void *key)
{
	return m->values[find(m, key)] - 1; /* an empty one is HASHMAP_NONE */
}

int hashmap_put(struct hashmap *m, const void *key, uint32_t value)
{
	uint32_t slot = find(m, key);
	if (m->values[slot] == EMPTY) {
		if (m->count == m->max)
			return ERR_NO_SPACE;
		m->count++;
		memcpy(key_at(m, slot), key, m->key_len);
	}
	m->values[slot] = value + 1;
	return 0;
}

uint32_t hashmap_remove(struct hashmap *m, const void *key)
{
	uint32_t hole = find(m, key);
	uint32_t value = m->values[hole] - 1;
	if (value == HASHMAP_NONE)
		return HASHMAP_NONE;
	m->count--;
	/* Move back every follower of the chain that may stand in the hole, so no tombstone stays. */
	for (uint32_t slot = hole;;) {
		slot = (slot + 1) & (m->slots - 1);
		if (m->values[slot] == EMPTY)
			break;
		uint32_t home = home_of(m, key_at(m, slot));
		if (((slot - home) & (m->slots - 1)) >= ((slot - hole) & (m->slots - 1))) {
			memcpy(key_at(m, hole), key_at(m, slot), m->key_len);
			m->values[hole] = m->values[slot];
			hole = slot;
		}
	}
	m->values[hole] = EMPTY;
	return value;
}
