#ifndef WARREN_CRYPTO_CHACHA_H
#define WARREN_CRYPTO_CHACHA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * ChaCha20-Poly1305 as RFC 8439 has it, byte for byte what crypto_aead_chacha20poly1305_ietf_* gives,
 * put together from libsodium's stream cipher and authenticator: faster for packets.
 *
 * Where libsodium has AVX2, it takes 512 bytes at a time, or 256; what is left over goes by single
 * blocks of 64 bytes, of which three cost as much as 512 bytes together. A packet leaves over up to
 * seven, and the authenticator's key, block 0, is one more of its own. Here block 0 and the packet are
 * one run, rounded up to what goes at once: from 0.7 (68 bytes) to 0.64 (1436 bytes) of the time, 0.67 in
 * the mean of all lengths and 0.95 at worst, with 1.0.18 and with 1.0.22 (test/bench/micro.c).
 *
 * dst may be src, in place; else they do not overlap. aad has 12 bytes, nonce 12.
 */
#define CHACHA_TAG_LEN 16
#define CHACHA_AAD_LEN 12
#define CHACHA_LEN_MAX 2048 /* of the plaintext: longer ones go to crypto_aead_* */

struct chacha_key {
	uint8_t key[32];
	bool composed; /* false: everything goes to crypto_aead_* */
};

/*
 * Makes a key ready. secret has 32 bytes. Composed only if that is faster on this CPU, and if two
 * packets come out as crypto_aead_* has them: some 4 us, of the several hundred that a handshake takes.
 */
void chacha_init(struct chacha_key *key, const uint8_t *secret);

/* Writes len bytes of ciphertext and CHACHA_TAG_LEN of tag to dst. */
void chacha_seal(const struct chacha_key *key, uint8_t *dst, const uint8_t *src, size_t len,
	const uint8_t *aad, const uint8_t *nonce);

/*
 * Opens len bytes, ciphertext and tag. False: too short, or the tag is wrong; dst holds nothing of the
 * plaintext then.
 */
bool chacha_open(const struct chacha_key *key, uint8_t *dst, const uint8_t *src, size_t len,
	const uint8_t *aad, const uint8_t *nonce);

#endif
