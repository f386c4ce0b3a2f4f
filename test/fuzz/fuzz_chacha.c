/*
 * ChaCha20-Poly1305, composed, beside libsodium's own. 32 bytes of key, 12 of nonce, 12 of AAD, one that
 * says what is done; the rest is plaintext, or what is to be opened.
 */
#include "core/base/cursor.h"
#include "core/crypto/chacha.h"
#include "core/crypto/primitives.h"
#include "test/fuzz/fuzz.h"

#include <sodium.h>
#include <string.h>

struct input {
	struct chacha_key key;
	uint8_t nonce[12], aad[CHACHA_AAD_LEN], how;
	const uint8_t *data;
	size_t len;
};

enum how {
	HOW_OPEN = 1,     /* data is ciphertext and tag */
	HOW_IN_PLACE = 2, /* else from one buffer to another */
};

static bool open_by_sodium(const struct input *in, uint8_t *dst, const uint8_t *src, size_t len)
{
	return crypto_aead_chacha20poly1305_ietf_decrypt(dst, NULL, NULL, src, len, in->aad,
		       sizeof in->aad, in->nonce, in->key.key) == 0;
}

/* Blocks of exactly the length that may be written, for AddressSanitizer to watch. */
static uint8_t *block_of(const uint8_t *data, size_t len, size_t room)
{
	uint8_t *block = calloc(1, room ? room : 1);

	must(block);
	if (len)
		memcpy(block, data, len);
	return block;
}

static void seal_both(const struct input *in)
{
	size_t sealed = in->len + CHACHA_TAG_LEN;
	bool in_place = in->how & HOW_IN_PLACE;
	uint8_t *out = block_of(in->data, in_place ? in->len : 0, sealed);
	uint8_t *expected = block_of(NULL, 0, sealed), *plain = block_of(NULL, 0, in->len);

	crypto_aead_chacha20poly1305_ietf_encrypt(expected, NULL, in->data, in->len, in->aad,
		sizeof in->aad, NULL, in->nonce, in->key.key);
	chacha_seal(&in->key, out, in_place ? out : in->data, in->len, in->aad, in->nonce);
	must(memcmp(out, expected, sealed) == 0);
	must(chacha_open(&in->key, plain, out, sealed, in->aad, in->nonce));
	must(in->len == 0 || memcmp(plain, in->data, in->len) == 0);
	must(open_by_sodium(in, plain, out, sealed));
	/* One bit of it changed, which one the data says. */
	out[(size_t)in->nonce[0] * sealed / 256] ^= (uint8_t)(1 << in->nonce[1] % 8);
	must(!chacha_open(&in->key, plain, out, sealed, in->aad, in->nonce));
	free(plain);
	free(expected);
	free(out);
}

/* Both open it, or neither does. */
static void open_both(const struct input *in)
{
	uint8_t *src = block_of(in->data, in->len, in->len);
	uint8_t *out = block_of(NULL, 0, in->len), *expected = block_of(NULL, 0, in->len);
	bool good = open_by_sodium(in, expected, src, in->len);
	uint8_t *dst = in->how & HOW_IN_PLACE ? src : out;

	must(chacha_open(&in->key, dst, src, in->len, in->aad, in->nonce) == good);
	if (good)
		must(memcmp(dst, expected, in->len - CHACHA_TAG_LEN) == 0);
	free(expected);
	free(out);
	free(src);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader r = reader_of(data, size);
	struct input in = {.key.composed = true};

	read_copy(&r, in.key.key, sizeof in.key.key);
	read_copy(&r, in.nonce, sizeof in.nonce);
	read_copy(&r, in.aad, sizeof in.aad);
	in.how = read_u8(&r);
	if (r.failed || prim_init() != 0)
		return 0;
	in.len = reader_left(&r);
	in.data = data + size - in.len;
	if (in.how & HOW_OPEN)
		open_both(&in);
	else
		seal_both(&in);
	return 0;
}
