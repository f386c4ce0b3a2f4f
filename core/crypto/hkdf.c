#include "core/crypto/hkdf.h"

#include "core/crypto/primitives.h"

#include <assert.h>
#include <string.h>

void hkdf_hmac(uint8_t out[HKDF_HASH_LEN], const uint8_t *key, size_t key_len, const uint8_t *data,
	size_t len)
{
	uint8_t pad[HKDF_BLOCK_LEN] = {0}, inner[HKDF_HASH_LEN];

	assert(key_len <= sizeof pad);
	memcpy(pad, key, key_len);
	for (size_t i = 0; i < sizeof pad; i++)
		pad[i] ^= 0x36;
	prim_hash(inner, sizeof inner, NULL, 0, PRIM_PARTS({pad, sizeof pad}, {data, len}));
	for (size_t i = 0; i < sizeof pad; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	prim_hash(
		out, HKDF_HASH_LEN, NULL, 0, PRIM_PARTS({pad, sizeof pad}, {inner, sizeof inner}));
	prim_wipe(pad, sizeof pad);
	prim_wipe(inner, sizeof inner);
}

void hkdf_derive(uint8_t *out, size_t n_out, const uint8_t ck[HKDF_HASH_LEN], const uint8_t *input,
	size_t len)
{
	uint8_t temp[HKDF_HASH_LEN], last[HKDF_HASH_LEN + 1]; /* the output before, its number */
	size_t last_len = 0;

	assert(n_out <= HKDF_OUT_MAX);
	hkdf_hmac(temp, ck, HKDF_HASH_LEN, input, len);
	for (size_t i = 0; i < n_out; i++) {
		last[last_len] = (uint8_t)(i + 1);
		hkdf_hmac(out, temp, sizeof temp, last, last_len + 1);
		memcpy(last, out, HKDF_HASH_LEN);
		last_len = HKDF_HASH_LEN;
		out += HKDF_HASH_LEN;
	}
	prim_wipe(temp, sizeof temp);
	prim_wipe(last, sizeof last);
}
