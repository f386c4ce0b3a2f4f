#ifndef WARREN_CRYPTO_PRIMITIVES_H
#define WARREN_CRYPTO_PRIMITIVES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The few cryptographic primitives of the project in its own words, so that core/crypto is the only
 * directory that includes sodium.h. Nothing here chooses a protocol: what is hashed, signed or
 * sealed is the caller's business. Inputs are borrowed for the call; no function keeps a pointer.
 */
#define KEY_LEN         32 /* X25519, symmetric, Ed25519 public keys and seeds, network_id */
#define MAC_LEN         16 /* mac1, mac2, cookie, reset token */
#define SIGN_SECRET_LEN 64 /* Ed25519: seed and public key */
#define SIGNATURE_LEN   64
#define PRIM_HASH_MAX   64

/* Must succeed once before anything else in core/crypto is used. Thread-safe. 0 or ERR_SYSTEM. */
int prim_init(void);
/* libsodium's, of the one that runs: "1.0.18". */
const char *prim_version(void);

/* Zeroes memory in a way that the compiler keeps. NULL with len 0 is allowed. */
void prim_wipe(void *data, size_t len);
/* Compares in time that depends on len alone. */
bool prim_equal(const void *a, const void *b, size_t len);
/* Strong random bytes from the OS. For implementations of struct env; the core uses env->random. */
void prim_random(void *out, size_t len);

/* A piece of a message that is hashed or signed as if all pieces stood in a row. */
struct prim_part {
	const void *data; /* may be NULL when len is 0 */
	size_t len;
};

/* The last two arguments of the functions below: PRIM_PARTS({a, a_len}, {b, b_len}). */
#define PRIM_PARTS(...)                                                                            \
	(const struct prim_part[]){__VA_ARGS__},                                                   \
		sizeof((const struct prim_part[]){__VA_ARGS__}) / sizeof(struct prim_part)

/*
 * BLAKE2b (RFC 7693) over the parts. out_len 16 .. 64 bytes; key_len 0 (unkeyed, key may be NULL)
 * or 16 .. 64.
 */
void prim_hash(uint8_t *out, size_t out_len, const uint8_t *key, size_t key_len,
	const struct prim_part *parts, size_t n_parts);
/* The first 8 bytes of an unkeyed BLAKE2b-256: issuer ids and the like. */
void prim_hash8(uint8_t out[8], const void *data, size_t len);

/*
 * X25519. Any 32 random bytes are a secret key. prim_dh is false, and out is zero, when the result
 * is all zero (the other key is of low order); the exchange has failed then.
 */
void prim_dh_public(uint8_t public_key[KEY_LEN], const uint8_t secret[KEY_LEN]);
bool prim_dh(
	uint8_t out[KEY_LEN], const uint8_t secret[KEY_LEN], const uint8_t public_key[KEY_LEN]);

/* Ed25519 (RFC 8032, no pre-hash). Any 32 random bytes are a seed. */
void prim_sign_keypair(
	uint8_t secret[SIGN_SECRET_LEN], uint8_t public_key[KEY_LEN], const uint8_t seed[KEY_LEN]);
/*
 * Signs, or verifies a signature over, the parts in a row. Above 1 KiB in all they are joined on
 * the heap. Signing gives 0 or ERR_NO_SPACE (no memory); a bad signature, a key of low order and no
 * memory are all false.
 */
int prim_sign(uint8_t signature[SIGNATURE_LEN], const uint8_t secret[SIGN_SECRET_LEN],
	const struct prim_part *parts, size_t n_parts);
bool prim_verify(const uint8_t signature[SIGNATURE_LEN], const uint8_t public_key[KEY_LEN],
	const struct prim_part *parts, size_t n_parts);

/*
 * XChaCha20-Poly1305 with a nonce of 24 bytes that may be random. prim_seal writes len + 16 bytes;
 * prim_open takes len bytes of ciphertext and tag and writes len - 16. out may be in. A false
 * prim_open leaves nothing of the plaintext in out.
 */
#define PRIM_NONCE_LEN 24
#define PRIM_TAG_LEN   16
void prim_seal(uint8_t *out, const uint8_t *in, size_t len, const void *aad, size_t aad_len,
	const uint8_t nonce[PRIM_NONCE_LEN], const uint8_t key[KEY_LEN]);
bool prim_open(uint8_t *out, const uint8_t *in, size_t len, const void *aad, size_t aad_len,
	const uint8_t nonce[PRIM_NONCE_LEN], const uint8_t key[KEY_LEN]);

/*
 * A key from a password: Argon2id13 with 1 .. 64 passes over 8 KiB .. 1 GiB of memory. The salt is
 * random and stored, with both costs, beside what the key seals. 0, ERR_MALFORMED for a cost out of
 * range, ERR_NO_SPACE when there is not that much memory.
 */
#define PRIM_SALT_LEN         16
#define PRIM_PASSWORD_PASSES  3
#define PRIM_PASSWORD_MEM_KIB 262144
int prim_password_key(uint8_t key[KEY_LEN], const char *password, size_t password_len,
	const uint8_t salt[PRIM_SALT_LEN], uint32_t passes, uint32_t mem_kib);

/* Standard base64 with padding. Characters needed for n bytes, with the NUL. */
#define PRIM_BASE64_SIZE(n) (((n) + 2) / 3 * 4 + 1)
#define KEY_TEXT_SIZE       PRIM_BASE64_SIZE(KEY_LEN)
/* Returns out, which must have PRIM_BASE64_SIZE(len). Constant time. */
char *prim_base64_encode(char *out, const uint8_t *data, size_t len);
/*
 * Bytes decoded (0 .. cap). ERR_MALFORMED: not canonical base64 to its end, blanks included;
 * ERR_NO_SPACE: more than cap.
 */
int prim_base64_decode(uint8_t *out, size_t cap, const char *text);
/* A key's text: exactly 32 bytes. 0 or ERR_MALFORMED. */
int prim_key_parse(uint8_t key[KEY_LEN], const char *text);

/*
 * Zeroed memory, aligned to 64 bytes, between guard pages, kept out of swap and core files as far
 * as the OS lets us. Costs at least four pages: one slab for many secrets. NULL when there is none.
 * Freeing wipes; NULL is allowed.
 */
void *prim_alloc_locked(size_t len);
void prim_free_locked(void *data);

#endif
