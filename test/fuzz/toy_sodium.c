/*
 * A toy libsodium: the functions that core/crypto calls, with the same shapes and none of the strength.
 * What must agree at both ends agrees, what was tampered with is refused, and all of it costs next to
 * nothing, so that a fuzzer, or a simulator that runs thousands of networks, spends its time behind the
 * cryptography instead of in it. Linked into fuzz targets and sim_random alone, in front of the real library.
 *
 * Tags are compared with memcmp, which libFuzzer watches: it learns the bytes that a message needs.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define DH_BASE   0x5c
#define SIGN_BASE 0xa7

/* ---- A hash ---------------------------------------------------------------------------------- */

struct toy_hash {
	uint64_t h, word;
	unsigned filled; /* bytes in word */
};

_Static_assert(sizeof(struct toy_hash) <= sizeof(crypto_generichash_state), "state fits");

static uint64_t stir(uint64_t h, uint64_t word)
{
	h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 29;
}

static void absorb(struct toy_hash *t, const void *data, size_t len)
{
	const unsigned char *p = data;
	while (len > 0) {
		if (t->filled == 0 && len >= 8) {
			uint64_t word;
			memcpy(&word, p, 8);
			t->h = stir(t->h, word);
			p += 8;
			len -= 8;
			continue;
		}
		t->word = t->word << 8 | *p++;
		len--;
		if (++t->filled < 8)
			continue;
		/* The same as eight bytes at once, whatever the pieces were. */
		t->h = stir(t->h, __builtin_bswap64(t->word));
		t->word = 0;
		t->filled = 0;
	}
}

static void squeeze(const struct toy_hash *t, unsigned char *out, size_t len)
{
	uint64_t h = stir(stir(t->h, t->word), t->filled + 1);
	for (size_t i = 0; i < len; i += 8) {
		h = stir(h, i);
		if (len - i >= 8)
			memcpy(out + i, &h, 8);
		else
			memcpy(out + i, &h, len - i);
	}
}

int crypto_generichash_init(crypto_generichash_state *state, const unsigned char *key,
	const size_t keylen, const size_t outlen)
{
	struct toy_hash *t = (struct toy_hash *)(void *)state;
	*t = (struct toy_hash){.h = stir(keylen, outlen)};
	if (keylen)
		absorb(t, key, keylen);
	return 0;
}

int crypto_generichash_update(
	crypto_generichash_state *state, const unsigned char *in, unsigned long long inlen)
{
	absorb((struct toy_hash *)(void *)state, in, inlen);
	return 0;
}

int crypto_generichash_final(
	crypto_generichash_state *state, unsigned char *out, const size_t outlen)
{
	squeeze((struct toy_hash *)(void *)state, out, outlen);
	return 0;
}

/* ---- Keys ------------------------------------------------------------------------------------ */

int crypto_scalarmult_base(unsigned char *q, const unsigned char *n)
{
	for (unsigned i = 0; i < crypto_scalarmult_BYTES; i++)
		q[i] = n[i] ^ DH_BASE;
	return 0;
}

/* Commutes. The key of zeros stands for those of low order. */
int crypto_scalarmult(unsigned char *q, const unsigned char *n, const unsigned char *p)
{
	static const unsigned char zero[crypto_scalarmult_BYTES];
	unsigned char both[crypto_scalarmult_BYTES];
	struct toy_hash t = {.h = 1};
	if (memcmp(p, zero, sizeof zero) == 0)
		return -1;
	for (unsigned i = 0; i < sizeof both; i++)
		both[i] = n[i] ^ p[i] ^ DH_BASE;
	absorb(&t, both, sizeof both);
	squeeze(&t, q, crypto_scalarmult_BYTES);
	return 0;
}

int crypto_sign_seed_keypair(unsigned char *pk, unsigned char *sk, const unsigned char *seed)
{
	for (unsigned i = 0; i < crypto_sign_PUBLICKEYBYTES; i++)
		pk[i] = seed[i] ^ SIGN_BASE;
	memcpy(sk, seed, crypto_sign_SEEDBYTES);
	memcpy(sk + crypto_sign_SEEDBYTES, pk, crypto_sign_PUBLICKEYBYTES);
	return 0;
}

static void signature_of(
	unsigned char *sig, const unsigned char *m, size_t mlen, const unsigned char *pk)
{
	struct toy_hash t = {.h = 2};
	absorb(&t, pk, crypto_sign_PUBLICKEYBYTES);
	absorb(&t, m, mlen);
	squeeze(&t, sig, crypto_sign_BYTES);
}

int crypto_sign_detached(unsigned char *sig, unsigned long long *siglen_p, const unsigned char *m,
	unsigned long long mlen, const unsigned char *sk)
{
	signature_of(sig, m, mlen, sk + crypto_sign_SEEDBYTES);
	if (siglen_p)
		*siglen_p = crypto_sign_BYTES;
	return 0;
}

int crypto_sign_verify_detached(const unsigned char *sig, const unsigned char *m,
	unsigned long long mlen, const unsigned char *pk)
{
	unsigned char good[crypto_sign_BYTES];
	signature_of(good, m, mlen, pk);
	return memcmp(sig, good, sizeof good) == 0 ? 0 : -1;
}

int crypto_pwhash(unsigned char *const out, unsigned long long outlen, const char *const passwd,
	unsigned long long passwdlen, const unsigned char *const salt, unsigned long long opslimit,
	size_t memlimit, int alg)
{
	struct toy_hash t = {.h = stir(opslimit, memlimit + (unsigned)alg)};
	absorb(&t, salt, crypto_pwhash_SALTBYTES);
	absorb(&t, passwd, passwdlen);
	squeeze(&t, out, outlen);
	return 0;
}

/* ---- Ciphers --------------------------------------------------------------------------------- */

#define TAG_LEN_MAX 32

static uint64_t stream_of(const unsigned char *key, const unsigned char *nonce, size_t nonce_len)
{
	struct toy_hash t = {.h = 3};
	absorb(&t, key, 32);
	absorb(&t, nonce, nonce_len);
	return stir(t.h, t.word);
}

static void crypt(unsigned char *out, const unsigned char *in, size_t len, uint64_t stream)
{
	size_t i = 0;
	for (; i + 8 <= len; i += 8) {
		uint64_t word;
		memcpy(&word, in + i, 8);
		word ^= stream + i;
		memcpy(out + i, &word, 8);
	}
	for (; i < len; i++)
		out[i] = in[i] ^ (unsigned char)(stream >> i % 8 * 8);
}

static void tag_of(unsigned char *tag, size_t tag_len, const unsigned char *ciphertext, size_t len,
	const unsigned char *ad, size_t adlen, uint64_t stream)
{
	struct toy_hash t = {.h = stream};
	absorb(&t, ad, adlen);
	absorb(&t, ciphertext, len);
	squeeze(&t, tag, tag_len);
}

static int seal(unsigned char *c, unsigned long long *clen, const unsigned char *m, size_t mlen,
	const unsigned char *ad, size_t adlen, uint64_t stream, size_t tag_len)
{
	crypt(c, m, mlen, stream);
	tag_of(c + mlen, tag_len, c, mlen, ad, adlen, stream);
	if (clen)
		*clen = mlen + tag_len;
	return 0;
}

static int open_(unsigned char *m, unsigned long long *mlen, const unsigned char *c, size_t clen,
	const unsigned char *ad, size_t adlen, uint64_t stream, size_t tag_len)
{
	unsigned char tag[TAG_LEN_MAX];
	if (mlen)
		*mlen = 0;
	if (clen < tag_len)
		return -1;
	tag_of(tag, tag_len, c, clen - tag_len, ad, adlen, stream);
	if (memcmp(c + clen - tag_len, tag, tag_len) != 0) {
		if (m)
			memset(m, 0, clen - tag_len);
		return -1;
	}
	crypt(m, c, clen - tag_len, stream);
	if (mlen)
		*mlen = clen - tag_len;
	return 0;
}

int crypto_aead_chacha20poly1305_ietf_encrypt(unsigned char *c, unsigned long long *clen_p,
	const unsigned char *m, unsigned long long mlen, const unsigned char *ad,
	unsigned long long adlen, const unsigned char *nsec, const unsigned char *npub,
	const unsigned char *k)
{
	(void)nsec;
	return seal(c, clen_p, m, mlen, ad, adlen, stream_of(k, npub, 12),
		crypto_aead_chacha20poly1305_ietf_ABYTES);
}

int crypto_aead_chacha20poly1305_ietf_decrypt(unsigned char *m, unsigned long long *mlen_p,
	unsigned char *nsec, const unsigned char *c, unsigned long long clen,
	const unsigned char *ad, unsigned long long adlen, const unsigned char *npub,
	const unsigned char *k)
{
	(void)nsec;
	return open_(m, mlen_p, c, clen, ad, adlen, stream_of(k, npub, 12),
		crypto_aead_chacha20poly1305_ietf_ABYTES);
}

int crypto_aead_xchacha20poly1305_ietf_encrypt(unsigned char *c, unsigned long long *clen_p,
	const unsigned char *m, unsigned long long mlen, const unsigned char *ad,
	unsigned long long adlen, const unsigned char *nsec, const unsigned char *npub,
	const unsigned char *k)
{
	(void)nsec;
	return seal(c, clen_p, m, mlen, ad, adlen, stream_of(k, npub, 24),
		crypto_aead_xchacha20poly1305_ietf_ABYTES);
}

int crypto_aead_xchacha20poly1305_ietf_decrypt(unsigned char *m, unsigned long long *mlen_p,
	unsigned char *nsec, const unsigned char *c, unsigned long long clen,
	const unsigned char *ad, unsigned long long adlen, const unsigned char *npub,
	const unsigned char *k)
{
	(void)nsec;
	return open_(m, mlen_p, c, clen, ad, adlen, stream_of(k, npub, 24),
		crypto_aead_xchacha20poly1305_ietf_ABYTES);
}

int crypto_aead_aes256gcm_is_available(void)
{
	return 1;
}

int crypto_aead_aes256gcm_beforenm(crypto_aead_aes256gcm_state *ctx, const unsigned char *k)
{
	memset(ctx, 0, sizeof *ctx);
	memcpy(ctx, k, 32);
	return 0;
}

int crypto_aead_aes256gcm_encrypt_afternm(unsigned char *c, unsigned long long *clen_p,
	const unsigned char *m, unsigned long long mlen, const unsigned char *ad,
	unsigned long long adlen, const unsigned char *nsec, const unsigned char *npub,
	const crypto_aead_aes256gcm_state *ctx)
{
	(void)nsec;
	return seal(c, clen_p, m, mlen, ad, adlen, ~stream_of((const void *)ctx, npub, 12),
		crypto_aead_aes256gcm_ABYTES);
}

int crypto_aead_aes256gcm_decrypt_afternm(unsigned char *m, unsigned long long *mlen_p,
	unsigned char *nsec, const unsigned char *c, unsigned long long clen,
	const unsigned char *ad, unsigned long long adlen, const unsigned char *npub,
	const crypto_aead_aes256gcm_state *ctx)
{
	(void)nsec;
	return open_(m, mlen_p, c, clen, ad, adlen, ~stream_of((const void *)ctx, npub, 12),
		crypto_aead_aes256gcm_ABYTES);
}

#ifdef crypto_aead_aegis256_KEYBYTES
int crypto_aead_aegis256_encrypt(unsigned char *c, unsigned long long *clen_p,
	const unsigned char *m, unsigned long long mlen, const unsigned char *ad,
	unsigned long long adlen, const unsigned char *nsec, const unsigned char *npub,
	const unsigned char *k)
{
	(void)nsec;
	return seal(
		c, clen_p, m, mlen, ad, adlen, stream_of(k, npub, 32), crypto_aead_aegis256_ABYTES);
}

int crypto_aead_aegis256_decrypt(unsigned char *m, unsigned long long *mlen_p, unsigned char *nsec,
	const unsigned char *c, unsigned long long clen, const unsigned char *ad,
	unsigned long long adlen, const unsigned char *npub, const unsigned char *k)
{
	(void)nsec;
	return open_(
		m, mlen_p, c, clen, ad, adlen, stream_of(k, npub, 32), crypto_aead_aegis256_ABYTES);
}
#endif

/* ---- The rest -------------------------------------------------------------------------------- */

int sodium_init(void)
{
	return 0;
}

/* ChaCha20-Poly1305 is not composed of the real primitives then, but the toy above. */
int sodium_runtime_has_avx2(void)
{
	return 0;
}

void sodium_memzero(void *const pnt, const size_t len)
{
	memset(pnt, 0, len);
}

int sodium_memcmp(const void *const b1, const void *const b2, size_t len)
{
	return memcmp(b1, b2, len) == 0 ? 0 : -1;
}

void randombytes_buf(void *const buf, const size_t size)
{
	struct toy_hash t = {.h = size};
	squeeze(&t, buf, size);
}

void *sodium_malloc(const size_t size)
{
	return calloc(1, size);
}

void sodium_free(void *ptr)
{
	free(ptr);
}
