#ifndef WARREN_CRYPTO_AEAD_H
#define WARREN_CRYPTO_AEAD_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The ciphers of sealed data, one row each: nonce layout, tag length and limits are the row's.
 * Adding one is adding a row and a bit in the handshake. The AAD is always the 12 bytes of the GRE
 * header, the counter is lane << 56 | sequence. dst may be src, in place; else they do not overlap.
 */
#define AEAD_AAD_LEN 12
#define AEAD_TAG_MAX 32

enum aead_id {
	AEAD_CHACHA20_POLY1305 = 0,
	AEAD_AES_256_GCM = 1,
	AEAD_AEGIS_256 = 2,
};

struct aead;

/* A key made ready for its cipher: the raw key, or the expanded key schedule of AES-GCM. */
struct aead_key {
	alignas(16) uint8_t state[512];
	const struct aead *aead; /* NULL = no key */
};

/*
 * Per key, all lanes together. Blocks have 16 bytes; the AAD counts as one. A new handshake is
 * started at rekey_*; nothing is sealed any more at stop_*.
 */
struct aead_limits {
	uint64_t rekey_messages, stop_messages;
	uint64_t rekey_blocks, stop_blocks;
};

struct aead {
	uint8_t id;       /* enum aead_id, on the wire */
	const char *name; /* "aes-256-gcm" */
	uint8_t tag_len;  /* bytes behind the ciphertext */
	struct aead_limits limits;
	bool (*available)(void); /* on this CPU */
	void (*init)(struct aead_key *key, const uint8_t secret[32]);
	void (*seal)(const struct aead_key *key, uint8_t *dst, const uint8_t *src, size_t len,
		const uint8_t aad[AEAD_AAD_LEN], uint64_t counter);
	bool (*open)(const struct aead_key *key, uint8_t *dst, const uint8_t *src, size_t len,
		const uint8_t aad[AEAD_AAD_LEN], uint64_t counter);
};

/* The row of an id, or NULL: unknown, not compiled in, or not available here. */
const struct aead *aead_find(uint8_t id);
/* The ciphers that work here: bits 1 << id. Bit 0 is always set. */
uint8_t aead_offer(void);
/*
 * The responder's choice: AEGIS-256 if both bit masks have it, else AES-256-GCM, else
 * ChaCha20-Poly1305, which nobody can refuse. allowed is what works here and policy lets be used.
 */
uint8_t aead_choose(uint8_t offered, uint8_t allowed);

/* Makes a key ready. secret has 32 bytes. 0, or ERR_UNSUPPORTED (the key is empty then). */
int aead_key_init(struct aead_key *key, uint8_t id, const uint8_t secret[32]);
void aead_key_wipe(struct aead_key *key);

/* Blocks that a message with len bytes of plaintext uses up. */
static inline uint64_t aead_blocks(size_t len)
{
	return 1 + ((uint64_t)len + 15) / 16;
}

/* Encrypts len bytes of src to dst and writes the tag (key->aead->tag_len bytes) at dst + len. */
static inline void aead_seal(const struct aead_key *key, uint8_t *dst, const uint8_t *src,
	size_t len, const uint8_t aad[AEAD_AAD_LEN], uint64_t counter)
{
	key->aead->seal(key, dst, src, len, aad, counter);
}

/*
 * Decrypts len bytes of src, ciphertext and tag; the plaintext has len - tag_len bytes. False: too
 * short, or the tag is wrong; dst holds nothing of the plaintext then.
 */
static inline bool aead_open(const struct aead_key *key, uint8_t *dst, const uint8_t *src,
	size_t len, const uint8_t aad[AEAD_AAD_LEN], uint64_t counter)
{
	return key->aead->open(key, dst, src, len, aad, counter);
}

#endif
