#ifndef WARREN_TEST_CRYPTO_FIXTURE_H
#define WARREN_TEST_CRYPTO_FIXTURE_H

#include "core/base/env.h"
#include "core/crypto/handshake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/*
 * What the tests of core/crypto share: hex, an env whose randomness is a seeded sequence, or bytes
 * laid out before it, and two identities of one network.
 */
struct fixture_random {
	uint64_t state;
	const uint8_t *fixed; /* handed out first */
	size_t fixed_len;
};

static inline void fixture_draw(void *ctx, void *out, size_t len)
{
	struct fixture_random *r = ctx;
	uint8_t *p = out;

	for (size_t i = 0; i < len; i++) {
		if (r->fixed_len) {
			p[i] = *r->fixed++;
			r->fixed_len--;
			continue;
		}
		r->state = r->state * UINT64_C(6364136223846793005) + 1442695040888963407;
		p[i] = (uint8_t)(r->state >> 56);
	}
}

static inline struct env fixture_env(struct fixture_random *r)
{
	return (struct env){.ctx = r, .random = fixture_draw};
}

/* Decodes hex to out (cap bytes). Returns its length; fails the test if it is none or too long. */
static inline size_t fixture_hex(const char *hex, uint8_t *out, size_t cap)
{
	size_t len = strlen(hex) / 2;

	assert_int_equal(strlen(hex) % 2, 0);
	assert_true(len <= cap);
	for (size_t i = 0; i < len; i++) {
		unsigned byte;
		assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
		out[i] = (uint8_t)byte;
	}
	return len;
}

static inline bool fixture_is_zero(const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		if (p[i])
			return false;
	return true;
}

static inline void fixture_identity(struct handshake_identity *id, uint8_t fill, const uint8_t *psk)
{
	uint8_t secret[KEY_LEN], network[KEY_LEN];

	memset(secret, fill, sizeof secret);
	memset(network, 0x4e, sizeof network);
	handshake_identity_init(id, secret, network, psk);
}

#endif
