/*
 * For the bench alone: in warrend-copy the linker puts these in the place of libsodium's AES-256-GCM and
 * AEGIS-256 (--wrap), so that sealing costs what a copy costs, and the throughput is that of everything
 * else. Nothing is kept secret and nobody is kept out. The handshake's cipher is the real one.
 */
#include <sodium.h>
#include <string.h>

#define TAG 0x5a

static int seal(unsigned char *c, const unsigned char *m, size_t len, unsigned char *tag,
	unsigned long long *tag_len_p, size_t tag_len)
{
	memmove(c, m, len);
	memset(tag, TAG, tag_len);
	if (tag_len_p)
		*tag_len_p = tag_len;
	return 0;
}

static int open_(unsigned char *m, const unsigned char *c, size_t len, const unsigned char *tag,
	size_t tag_len)
{
	for (size_t i = 0; i < tag_len; i++)
		if (tag[i] != TAG)
			return -1;
	memmove(m, c, len);
	return 0;
}

/*
 * The four calls of a cipher, as sodium.h declares them: the tag behind the ciphertext, or apart. KEY is how
 * its last parameter is declared.
 */
#define COPY_CIPHER(encrypt, decrypt, encrypt_detached, decrypt_detached, KEY, TAG_LEN)            \
	__typeof__(encrypt) __wrap_##encrypt;                                                      \
	__typeof__(decrypt) __wrap_##decrypt;                                                      \
	__typeof__(encrypt_detached) __wrap_##encrypt_detached;                                    \
	__typeof__(decrypt_detached) __wrap_##decrypt_detached;                                    \
	int __wrap_##encrypt(unsigned char *c, unsigned long long *clen_p, const unsigned char *m, \
		unsigned long long mlen, const unsigned char *ad, unsigned long long adlen,        \
		const unsigned char *nsec, const unsigned char *npub, KEY)                         \
	{                                                                                          \
		(void)ad, (void)adlen, (void)nsec, (void)npub, (void)k;                            \
		if (clen_p)                                                                        \
			*clen_p = mlen + (TAG_LEN);                                                \
		return seal(c, m, mlen, c + mlen, NULL, TAG_LEN);                                  \
	}                                                                                          \
	int __wrap_##decrypt(unsigned char *m, unsigned long long *mlen_p, unsigned char *nsec,    \
		const unsigned char *c, unsigned long long clen, const unsigned char *ad,          \
		unsigned long long adlen, const unsigned char *npub, KEY)                          \
	{                                                                                          \
		(void)ad, (void)adlen, (void)nsec, (void)npub, (void)k;                            \
		if (clen < (TAG_LEN))                                                              \
			return -1;                                                                 \
		size_t len = (size_t)clen - (TAG_LEN);                                             \
		if (mlen_p)                                                                        \
			*mlen_p = len;                                                             \
		return open_(m, c, len, c + len, TAG_LEN);                                         \
	}                                                                                          \
	int __wrap_##encrypt_detached(unsigned char *c, unsigned char *mac,                        \
		unsigned long long *maclen_p, const unsigned char *m, unsigned long long mlen,     \
		const unsigned char *ad, unsigned long long adlen, const unsigned char *nsec,      \
		const unsigned char *npub, KEY)                                                    \
	{                                                                                          \
		(void)ad, (void)adlen, (void)nsec, (void)npub, (void)k;                            \
		return seal(c, m, mlen, mac, maclen_p, TAG_LEN);                                   \
	}                                                                                          \
	int __wrap_##decrypt_detached(unsigned char *m, unsigned char *nsec,                       \
		const unsigned char *c, unsigned long long clen, const unsigned char *mac,         \
		const unsigned char *ad, unsigned long long adlen, const unsigned char *npub, KEY) \
	{                                                                                          \
		(void)ad, (void)adlen, (void)nsec, (void)npub, (void)k;                            \
		return open_(m, c, clen, mac, TAG_LEN);                                            \
	}

COPY_CIPHER(crypto_aead_aes256gcm_encrypt_afternm, crypto_aead_aes256gcm_decrypt_afternm,
	crypto_aead_aes256gcm_encrypt_detached_afternm,
	crypto_aead_aes256gcm_decrypt_detached_afternm, const crypto_aead_aes256gcm_state *k,
	crypto_aead_aes256gcm_ABYTES)

#ifdef crypto_aead_aegis256_KEYBYTES
COPY_CIPHER(crypto_aead_aegis256_encrypt, crypto_aead_aegis256_decrypt,
	crypto_aead_aegis256_encrypt_detached, crypto_aead_aegis256_decrypt_detached,
	const unsigned char *k, crypto_aead_aegis256_ABYTES)
#endif
