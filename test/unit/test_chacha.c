/* ChaCha20-Poly1305, composed, against libsodium's own and RFC 8439. */
#include "core/crypto/chacha.h"

#include "core/crypto/primitives.h"
#include "crypto_fixture.h"

#include <sodium.h>

#define LEN_MAX 2100 /* more than is composed */

static uint8_t secret[32], nonce[12], aad[CHACHA_AAD_LEN], plain[LEN_MAX];
static const struct chacha_key *composed, *not_composed;

static int fill(void **state)
{
	static struct chacha_key keys[2];
	struct fixture_random random = {.state = 0xc4ac4a};

	(void)state;
	fixture_draw(&random, secret, sizeof secret);
	fixture_draw(&random, nonce, sizeof nonce);
	fixture_draw(&random, aad, sizeof aad);
	fixture_draw(&random, plain, sizeof plain);
	for (unsigned i = 0; i < 2; i++) {
		memcpy(keys[i].key, secret, sizeof secret);
		keys[i].composed = i;
	}
	not_composed = &keys[0];
	composed = &keys[1];
	return 0;
}

static size_t sealed_by_sodium(uint8_t *out, size_t len)
{
	unsigned long long out_len;
	crypto_aead_chacha20poly1305_ietf_encrypt(
		out, &out_len, plain, len, aad, sizeof aad, NULL, nonce, secret);
	assert_int_equal(out_len, len + CHACHA_TAG_LEN);
	return len + CHACHA_TAG_LEN;
}

/* Both kinds, in place and elsewhere, and not a byte more than the length says. */
static void check(const struct chacha_key *key, size_t len)
{
	uint8_t expected[LEN_MAX + CHACHA_TAG_LEN], out[LEN_MAX + CHACHA_TAG_LEN + 1] = {0};
	size_t sealed = sealed_by_sodium(expected, len);

	chacha_seal(key, out, plain, len, aad, nonce);
	assert_memory_equal(out, expected, sealed);
	assert_int_equal(out[sealed], 0);
	memcpy(out, plain, len);
	chacha_seal(key, out, out, len, aad, nonce);
	assert_memory_equal(out, expected, sealed);
	assert_true(chacha_open(key, out, out, sealed, aad, nonce));
	assert_memory_equal(out, plain, len);
	assert_memory_equal(out + len, expected + len, CHACHA_TAG_LEN);
	memset(out, 0, sizeof out);
	assert_true(chacha_open(key, out, expected, sealed, aad, nonce));
	assert_memory_equal(out, plain, len);
	assert_int_equal(out[len], 0);
}

static void every_length_is_as_libsodium_has_it(void **state)
{
	(void)state;
	for (size_t len = 0; len <= LEN_MAX; len++) {
		check(composed, len);
		check(not_composed, len);
	}
}

/* Where the tag is wrong, whatever was changed, the output is not touched or zeroed. */
static void what_is_changed_does_not_open(void **state)
{
	static const size_t lengths[] = {0, 1, 15, 16, 64, 188, 1404, 2048, 2049};

	(void)state;
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		uint8_t sealed[LEN_MAX + CHACHA_TAG_LEN], out[LEN_MAX] = {0};
		size_t len = sealed_by_sodium(sealed, lengths[i]);
		for (size_t bit = 0; bit < 8 * len; bit += bit < 128 ? 1 : 61) {
			sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_false(chacha_open(composed, out, sealed, len, aad, nonce));
			sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		for (size_t bit = 0; bit < 8 * sizeof aad; bit++) {
			uint8_t other[CHACHA_AAD_LEN], later[12];
			memcpy(other, aad, sizeof other);
			memcpy(later, nonce, sizeof later);
			other[bit / 8] ^= (uint8_t)(1 << bit % 8);
			later[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_false(chacha_open(composed, out, sealed, len, other, nonce));
			assert_false(chacha_open(composed, out, sealed, len, aad, later));
		}
		for (size_t cut = 0; cut < len; cut += cut < 40 ? 1 : 97)
			assert_false(chacha_open(composed, out, sealed, cut, aad, nonce));
		assert_true(fixture_is_zero(out, sizeof out));
	}
}

/* RFC 8439 s.2.8.2: its AAD has 12 bytes too. */
static void the_vector_of_the_rfc(void **state)
{
	static const char text[] = "Ladies and Gentlemen of the class of '99: If I could offer you "
				   "only one tip for the future, sunscreen would be it.";
	struct chacha_key key = {.composed = true};
	uint8_t iv[12], ad[12], expected[130], out[130];

	(void)state;
	for (unsigned i = 0; i < 32; i++)
		key.key[i] = (uint8_t)(0x80 + i);
	fixture_hex("070000004041424344454647", iv, sizeof iv);
	fixture_hex("50515253c0c1c2c3c4c5c6c7", ad, sizeof ad);
	size_t len = fixture_hex(
		"d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282"
		"fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab3"
		"24e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e"
		"902ecbd0600691",
		expected, sizeof expected);
	assert_int_equal(len, strlen(text) + CHACHA_TAG_LEN);
	chacha_seal(&key, out, (const uint8_t *)text, strlen(text), ad, iv);
	assert_memory_equal(out, expected, len);
}

/* Composed on each CPU that has AVX2: the trial does not fail for a reason of its own. */
static void a_key_is_composed_where_that_is_faster(void **state)
{
	struct chacha_key key;

	(void)state;
	chacha_init(&key, secret);
	assert_memory_equal(key.key, secret, sizeof secret);
	assert_int_equal(key.composed, sodium_runtime_has_avx2());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_length_is_as_libsodium_has_it),
		cmocka_unit_test(what_is_changed_does_not_open),
		cmocka_unit_test(the_vector_of_the_rfc),
		cmocka_unit_test(a_key_is_composed_where_that_is_faster),
	};

	if (prim_init() != 0)
		return 1;
	return cmocka_run_group_tests_name("chacha", tests, fill, NULL);
}
