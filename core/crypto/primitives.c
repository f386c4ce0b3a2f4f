#include "core/crypto/primitives.h"

#include "core/base/err.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(KEY_LEN == crypto_scalarmult_BYTES, "X25519 keys");
_Static_assert(KEY_LEN == crypto_sign_PUBLICKEYBYTES, "Ed25519 keys");
_Static_assert(KEY_LEN == crypto_sign_SEEDBYTES, "Ed25519 seeds");
_Static_assert(SIGN_SECRET_LEN == crypto_sign_SECRETKEYBYTES, "Ed25519 secrets");
_Static_assert(SIGNATURE_LEN == crypto_sign_BYTES, "Ed25519 signatures");
_Static_assert(PRIM_HASH_MAX == crypto_generichash_BYTES_MAX, "BLAKE2b");
_Static_assert(PRIM_NONCE_LEN == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "nonce");
_Static_assert(PRIM_TAG_LEN == crypto_aead_xchacha20poly1305_ietf_ABYTES, "tag");
_Static_assert(PRIM_SALT_LEN == crypto_pwhash_argon2id_SALTBYTES, "salt");

#define LOCKED_ALIGN 64
#define JOIN_STACK   1024 /* a certificate with its prefix fits; only bundles go to the heap */

int prim_init(void)
{
	return sodium_init() < 0 ? ERR_SYSTEM : 0;
}

const char *prim_version(void)
{
	return sodium_version_string();
}

void prim_wipe(void *data, size_t len)
{
	if (len)
		sodium_memzero(data, len);
}

bool prim_equal(const void *a, const void *b, size_t len)
{
	return sodium_memcmp(a, b, len) == 0;
}

void prim_random(void *out, size_t len)
{
	randombytes_buf(out, len);
}

void prim_hash(uint8_t *out, size_t out_len, const uint8_t *key, size_t key_len,
	const struct prim_part *parts, size_t n_parts)
{
	crypto_generichash_state state;

	assert(out_len >= crypto_generichash_BYTES_MIN && out_len <= PRIM_HASH_MAX);
	assert(key_len == 0 ||
		(key_len >= crypto_generichash_KEYBYTES_MIN &&
			key_len <= crypto_generichash_KEYBYTES_MAX));
	crypto_generichash_init(&state, key, key_len, out_len);
	for (size_t i = 0; i < n_parts; i++)
		if (parts[i].len)
			crypto_generichash_update(&state, parts[i].data, parts[i].len);
	crypto_generichash_final(&state, out, out_len);
	sodium_memzero(&state, sizeof state);
}

void prim_hash8(uint8_t out[8], const void *data, size_t len)
{
	uint8_t digest[32];

	prim_hash(digest, sizeof digest, NULL, 0, PRIM_PARTS({data, len}));
	memcpy(out, digest, 8);
}

void prim_dh_public(uint8_t public_key[KEY_LEN], const uint8_t secret[KEY_LEN])
{
	crypto_scalarmult_base(public_key, secret);
}

bool prim_dh(uint8_t out[KEY_LEN], const uint8_t secret[KEY_LEN], const uint8_t public_key[KEY_LEN])
{
	if (crypto_scalarmult(out, secret, public_key) == 0)
		return true;
	sodium_memzero(out, KEY_LEN);
	return false;
}

void prim_sign_keypair(
	uint8_t secret[SIGN_SECRET_LEN], uint8_t public_key[KEY_LEN], const uint8_t seed[KEY_LEN])
{
	crypto_sign_seed_keypair(public_key, secret, seed);
}

/*
 * The parts in a row: in small, or on the heap when they do not fit (freed by join_end), or NULL.
 * Plain Ed25519 reads its message twice, so the parts cannot be streamed.
 */
static const uint8_t *join(
	uint8_t small[JOIN_STACK], const struct prim_part *parts, size_t n_parts, size_t *len)
{
	uint8_t *all = small;
	size_t total = 0;

	for (size_t i = 0; i < n_parts; i++)
		total += parts[i].len;
	if (total > JOIN_STACK)
		all = malloc(total);
	if (!all)
		return NULL;
	*len = 0;
	for (size_t i = 0; i < n_parts; i++) {
		if (parts[i].len)
			memcpy(all + *len, parts[i].data, parts[i].len);
		*len += parts[i].len;
	}
	return all;
}

static void join_end(const uint8_t *all, const uint8_t *small)
{
	if (all != small)
		free((void *)(uintptr_t)all);
}

int prim_sign(uint8_t signature[SIGNATURE_LEN], const uint8_t secret[SIGN_SECRET_LEN],
	const struct prim_part *parts, size_t n_parts)
{
	uint8_t small[JOIN_STACK] = {0};
	size_t len;
	const uint8_t *message = join(small, parts, n_parts, &len);

	if (!message)
		return ERR_NO_SPACE;
	crypto_sign_detached(signature, NULL, message, len, secret);
	join_end(message, small);
	return 0;
}

bool prim_verify(const uint8_t signature[SIGNATURE_LEN], const uint8_t public_key[KEY_LEN],
	const struct prim_part *parts, size_t n_parts)
{
	uint8_t small[JOIN_STACK] = {0};
	size_t len;
	const uint8_t *message = join(small, parts, n_parts, &len);

	if (!message)
		return false;
	bool good = crypto_sign_verify_detached(signature, message, len, public_key) == 0;
	join_end(message, small);
	return good;
}

void prim_seal(uint8_t *out, const uint8_t *in, size_t len, const void *aad, size_t aad_len,
	const uint8_t nonce[PRIM_NONCE_LEN], const uint8_t key[KEY_LEN])
{
	crypto_aead_xchacha20poly1305_ietf_encrypt(
		out, NULL, in, len, aad, aad_len, NULL, nonce, key);
}

bool prim_open(uint8_t *out, const uint8_t *in, size_t len, const void *aad, size_t aad_len,
	const uint8_t nonce[PRIM_NONCE_LEN], const uint8_t key[KEY_LEN])
{
	return crypto_aead_xchacha20poly1305_ietf_decrypt(
		       out, NULL, NULL, in, len, aad, aad_len, nonce, key) == 0;
}

int prim_password_key(uint8_t key[KEY_LEN], const char *password, size_t password_len,
	const uint8_t salt[PRIM_SALT_LEN], uint32_t passes, uint32_t mem_kib)
{
	sodium_memzero(key, KEY_LEN);
	if (passes < 1 || passes > 64 || mem_kib < 8 || mem_kib > 1024 * 1024)
		return ERR_MALFORMED;
	int rc = crypto_pwhash(key, KEY_LEN, password, password_len, salt, passes,
		(size_t)mem_kib * 1024, crypto_pwhash_ALG_ARGON2ID13);
	return rc == 0 ? 0 : ERR_NO_SPACE;
}

char *prim_base64_encode(char *out, const uint8_t *data, size_t len)
{
	return sodium_bin2base64(
		out, PRIM_BASE64_SIZE(len), data, len, sodium_base64_VARIANT_ORIGINAL);
}

int prim_base64_decode(uint8_t *out, size_t cap, const char *text)
{
	size_t text_len = strlen(text), len;
	size_t padding = 0;
	unsigned char bits = 0;

	/* libsodium takes some bytes above 127, as negative characters, for others of the alphabet. */
	for (size_t i = 0; i < text_len; i++)
		bits |= (unsigned char)text[i];
	if (bits & 0x80)
		return ERR_MALFORMED;
	/* The length is judged first: libsodium does not tell a full buffer from bad text. */
	while (padding < 2 && padding < text_len && text[text_len - 1 - padding] == '=')
		padding++;
	if (text_len % 4 != 0)
		return ERR_MALFORMED;
	if (text_len / 4 * 3 - padding > cap)
		return ERR_NO_SPACE;
	if (sodium_base642bin(out, cap, text, text_len, NULL, &len, NULL,
		    sodium_base64_VARIANT_ORIGINAL) != 0)
		return ERR_MALFORMED;
	return (int)len;
}

int prim_key_parse(uint8_t key[KEY_LEN], const char *text)
{
	if (prim_base64_decode(key, KEY_LEN, text) == KEY_LEN)
		return 0;
	sodium_memzero(key, KEY_LEN);
	return ERR_MALFORMED;
}

void *prim_alloc_locked(size_t len)
{
	/* libsodium puts the block's end at a page's end: a rounded length aligns its start. */
	size_t rounded = (len + LOCKED_ALIGN - 1) / LOCKED_ALIGN * LOCKED_ALIGN;

	if (rounded < len)
		return NULL;
	void *data = sodium_malloc(rounded);
	if (data)
		sodium_memzero(data, rounded);
	return data;
}

void prim_free_locked(void *data)
{
	sodium_free(data);
}
