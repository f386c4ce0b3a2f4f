#ifndef WARREN_CRYPTO_HKDF_H
#define WARREN_CRYPTO_HKDF_H

#include <stddef.h>
#include <stdint.h>

/*
 * HMAC (RFC 2104) and Noise's HKDF (s.4.3) over BLAKE2b-512. libsodium has neither; BLAKE2's own
 * keyed mode is something else and would not interoperate.
 */
#define HKDF_HASH_LEN  64
#define HKDF_BLOCK_LEN 128
#define HKDF_OUT_MAX   3

/* HMAC-BLAKE2b-512 with a key of at most 128 bytes. */
void hkdf_hmac(uint8_t out[HKDF_HASH_LEN], const uint8_t *key, size_t key_len, const uint8_t *data,
	size_t len);

/*
 * HKDF(ck, input, n_out), 1 .. 3 outputs of 64 bytes in a row in out. ck has 64 bytes and may be
 * the first output.
 */
void hkdf_derive(uint8_t *out, size_t n_out, const uint8_t ck[HKDF_HASH_LEN], const uint8_t *input,
	size_t len);

#endif
