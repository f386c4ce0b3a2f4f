/*
 * Both ends of each handshake live in this process, so every Diffie-Hellman result is wanted twice and
 * every certificate is looked at by everybody. What the real functions said is kept, and said again when
 * exactly the same is asked: half of a random run's time is saved, and nothing is assumed. Linked in
 * with --wrap; keys are random, so their first bytes do for a hash.
 */
#include "core/crypto/primitives.h"

#include <string.h>

#define ENTRIES 16384

bool __real_prim_dh(uint8_t *out, const uint8_t *secret, const uint8_t *public_key);
bool __wrap_prim_dh(uint8_t *out, const uint8_t *secret, const uint8_t *public_key);
void __real_prim_dh_public(uint8_t *public_key, const uint8_t *secret);
void __wrap_prim_dh_public(uint8_t *public_key, const uint8_t *secret);
bool __real_prim_verify(const uint8_t *signature, const uint8_t *public_key,
	const struct prim_part *parts, size_t n_parts);
bool __wrap_prim_verify(const uint8_t *signature, const uint8_t *public_key,
	const struct prim_part *parts, size_t n_parts);

static size_t slot(const uint8_t *a)
{
	uint64_t word;
	memcpy(&word, a, sizeof word);
	return word % ENTRIES;
}

static struct own_key {
	bool used;
	uint8_t secret[KEY_LEN], public_key[KEY_LEN];
} own_keys[ENTRIES];

static struct exchange {
	bool used, good;
	uint8_t low[KEY_LEN], high[KEY_LEN], shared[KEY_LEN];
} exchanges[ENTRIES];

static struct verdict {
	bool used, good;
	uint8_t digest[32]; /* of signature, key and message */
} verdicts[ENTRIES];

void __wrap_prim_dh_public(uint8_t *public_key, const uint8_t *secret)
{
	struct own_key *k = &own_keys[slot(secret)];
	if (!k->used || memcmp(k->secret, secret, KEY_LEN) != 0) {
		memcpy(k->secret, secret, KEY_LEN);
		__real_prim_dh_public(k->public_key, secret);
		k->used = true;
	}
	memcpy(public_key, k->public_key, KEY_LEN);
}

bool __wrap_prim_dh(uint8_t *out, const uint8_t *secret, const uint8_t *public_key)
{
	const struct own_key *own = &own_keys[slot(secret)];
	if (!own->used || memcmp(own->secret, secret, KEY_LEN) != 0)
		return __real_prim_dh(out, secret, public_key);
	bool first = memcmp(own->public_key, public_key, KEY_LEN) < 0;
	const uint8_t *low = first ? own->public_key : public_key;
	const uint8_t *high = first ? public_key : own->public_key;
	struct exchange *x = &exchanges[(slot(low) + slot(high) * 31) % ENTRIES];
	if (!x->used || memcmp(x->low, low, KEY_LEN) != 0 || memcmp(x->high, high, KEY_LEN) != 0) {
		memcpy(x->low, low, KEY_LEN);
		memcpy(x->high, high, KEY_LEN);
		x->good = __real_prim_dh(x->shared, secret, public_key);
		x->used = true;
	}
	memcpy(out, x->shared, KEY_LEN);
	return x->good;
}

bool __wrap_prim_verify(const uint8_t *signature, const uint8_t *public_key,
	const struct prim_part *parts, size_t n_parts)
{
	uint8_t message[32], digest[32];
	prim_hash(message, sizeof message, NULL, 0, parts, n_parts);
	prim_hash(digest, sizeof digest, NULL, 0,
		PRIM_PARTS({signature, SIGNATURE_LEN}, {public_key, KEY_LEN},
			{message, sizeof message}));
	struct verdict *v = &verdicts[slot(digest)];
	if (!v->used || memcmp(v->digest, digest, sizeof digest) != 0) {
		memcpy(v->digest, digest, sizeof digest);
		v->good = __real_prim_verify(signature, public_key, parts, n_parts);
		v->used = true;
	}
	return v->good;
}
