#include "core/crypto/chacha.h"

#include <sodium.h>
#include <stdalign.h>
#include <string.h>

#define BLOCK    64 /* of ChaCha20; block 0 gives the Poly1305 key, the packet begins with block 1 */
#define POLY     16 /* of Poly1305 */
#define POLY_KEY 32

_Static_assert(CHACHA_TAG_LEN == crypto_aead_chacha20poly1305_ietf_ABYTES, "tag");
_Static_assert(POLY_KEY == crypto_onetimeauth_poly1305_KEYBYTES, "key");
_Static_assert(POLY_KEY + POLY <= BLOCK, "the padded AAD stands behind the key in block 0");

/*
 * Block 0, the packet and what the authenticator reads behind it, or what the rounding adds: in one
 * piece, so that each primitive is called once. What Poly1305 reads (RFC 8439 s.2.8) begins within
 * block 0, 16 bytes before the packet: the AAD padded, ciphertext padded, both lengths.
 *
 *   0          32        48             64
 *   Poly key   (unused)  AAD, padding   ciphertext, padding, lengths
 */
struct scratch {
	alignas(64) uint8_t bytes[BLOCK + CHACHA_LEN_MAX + POLY];
};

static size_t padded(size_t len)
{
	return (len + POLY - 1) & ~(size_t)(POLY - 1);
}

/* Up to what libsodium takes at once. Never past the scratch: 2048 + 64 needs no rounding. */
static size_t rounded(size_t len)
{
	size_t tail = len % 512;
	if (tail == 0)
		return len;
	return len - tail + (tail <= 64 ? 64 : tail <= 256 ? 256 : 512);
}

_Static_assert((BLOCK + CHACHA_LEN_MAX) % 512 == 64, "rounding stays within the scratch");

/* Encrypts or decrypts block 0 and len bytes behind it: out then begins with the Poly1305 key. */
static void crypt(struct scratch *out, const struct scratch *in, size_t len, const uint8_t *nonce,
	const uint8_t *key)
{
	crypto_stream_chacha20_ietf_xor_ic(
		out->bytes, in->bytes, rounded(BLOCK + len), nonce, 0, key);
}

static void store_len(uint8_t *p, size_t len)
{
	for (size_t i = 0; i < 8; i++)
		p[i] = (uint8_t)((uint64_t)len >> 8 * i);
}

/* The tag of len bytes of ciphertext in s, around which AAD, padding and lengths are written. */
static void tag_of(uint8_t tag[CHACHA_TAG_LEN], struct scratch *s, size_t len, const uint8_t *aad,
	const uint8_t poly_key[POLY_KEY])
{
	uint8_t *from = s->bytes + BLOCK - POLY, *end = s->bytes + BLOCK + padded(len);

	memset(from, 0, POLY);
	memcpy(from, aad, CHACHA_AAD_LEN);
	memset(s->bytes + BLOCK + len, 0, padded(len) - len);
	store_len(end, CHACHA_AAD_LEN);
	store_len(end + 8, len);
	crypto_onetimeauth_poly1305(tag, from, (size_t)(end + POLY - from), poly_key);
}

/*
 * Of the scratch only the Poly1305 key is wiped. The rest is ciphertext, or the plaintext that the
 * packet's own buffer holds just as long, and wiping that would cost 2 % of the whole.
 */
static void wipe(struct scratch *s)
{
	sodium_memzero(s->bytes, POLY_KEY);
}

void chacha_seal(const struct chacha_key *key, uint8_t *dst, const uint8_t *src, size_t len,
	const uint8_t *aad, const uint8_t *nonce)
{
	struct scratch s;

	if (!key->composed || len > CHACHA_LEN_MAX) {
		crypto_aead_chacha20poly1305_ietf_encrypt(
			dst, NULL, src, len, aad, CHACHA_AAD_LEN, NULL, nonce, key->key);
		return;
	}
	memset(s.bytes, 0, BLOCK);
	if (len)
		memcpy(s.bytes + BLOCK, src, len);
	crypt(&s, &s, len, nonce, key->key);
	tag_of(dst + len, &s, len, aad, s.bytes);
	memcpy(dst, s.bytes + BLOCK, len);
	wipe(&s);
}

bool chacha_open(const struct chacha_key *key, uint8_t *dst, const uint8_t *src, size_t len,
	const uint8_t *aad, const uint8_t *nonce)
{
	struct scratch sealed, plain;
	uint8_t tag[CHACHA_TAG_LEN];

	if (!key->composed || len > CHACHA_LEN_MAX + CHACHA_TAG_LEN)
		return crypto_aead_chacha20poly1305_ietf_decrypt(dst, NULL, NULL, src, len, aad,
			       CHACHA_AAD_LEN, nonce, key->key) == 0;
	if (len < CHACHA_TAG_LEN)
		return false;
	len -= CHACHA_TAG_LEN;
	memset(sealed.bytes, 0, BLOCK);
	memcpy(sealed.bytes + BLOCK, src, len);
	crypt(&plain, &sealed, len, nonce, key->key);
	tag_of(tag, &sealed, len, aad, plain.bytes);
	bool good = crypto_verify_16(tag, src + len) == 0;
	if (good && len)
		memcpy(dst, plain.bytes + BLOCK, len);
	wipe(&plain);
	return good;
}

/* Seals as crypto_aead_* does, opens that, and refuses it changed. */
static bool agrees(const struct chacha_key *key, size_t len)
{
	static const uint8_t nonce[12] = {1}, aad[CHACHA_AAD_LEN] = {2};
	uint8_t plain[460], expected[sizeof plain + CHACHA_TAG_LEN], out[sizeof expected];
	size_t sealed = len + CHACHA_TAG_LEN;

	for (size_t i = 0; i < len; i++)
		plain[i] = (uint8_t)(i * i);
	crypto_aead_chacha20poly1305_ietf_encrypt(
		expected, NULL, plain, len, aad, CHACHA_AAD_LEN, NULL, nonce, key->key);
	chacha_seal(key, out, plain, len, aad, nonce);
	if (memcmp(out, expected, sealed) != 0 || !chacha_open(key, out, out, sealed, aad, nonce) ||
		memcmp(out, plain, len) != 0)
		return false;
	expected[0] ^= 1;
	return !chacha_open(key, out, expected, sealed, aad, nonce);
}

void chacha_init(struct chacha_key *key, const uint8_t *secret)
{
	/* Not the secret: what is tried must never be a packet under its nonces. */
	const struct chacha_key trial = {.key = "a key for the trial", .composed = true};

	memcpy(key->key, secret, sizeof key->key);
	/* With block 0 the one goes as 256 bytes, the other as 512 and 64. */
	key->composed = sodium_runtime_has_avx2() && agrees(&trial, 68) && agrees(&trial, 460);
}
