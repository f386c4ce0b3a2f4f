/* Hashes, HMAC and HKDF, sealing, passwords, base64, locked memory. */
#include "core/crypto/primitives.h"

#include "core/base/err.h"
#include "core/crypto/hkdf.h"
#include "crypto_fixture.h"

static void hashes_agree_with_another_library(void **state)
{
	uint8_t out[64], expected[64], key[32];

	(void)state;
	prim_hash(out, 32, NULL, 0, PRIM_PARTS({"a", 1}, {NULL, 0}, {"bc", 2}));
	fixture_hex("bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319", expected,
		sizeof expected);
	assert_memory_equal(out, expected, 32);
	prim_hash8(out, "abc", 3);
	assert_memory_equal(out, expected, 8);
	memset(key, 'k', sizeof key);
	prim_hash(out, 16, key, sizeof key, PRIM_PARTS({"abc", 3}));
	fixture_hex("c741392fb3956d217ba181c601bfd493", expected, sizeof expected);
	assert_memory_equal(out, expected, 16);
}

static void hmac_agrees_with_another_library(void **state)
{
	static const char text[] = "The quick brown fox jumps over the lazy dog";
	uint8_t out[HKDF_HASH_LEN], expected[HKDF_HASH_LEN], key[64];

	(void)state;
	hkdf_hmac(out, (const uint8_t *)"key", 3, (const uint8_t *)text, sizeof text - 1);
	fixture_hex("92294f92c0dfb9b00ec9ae8bd94d7e7d8a036b885a499f149dfe2fd2199394aa"
		    "af6b8894a1730cccb2cd050f9bcf5062a38b51b0dab33207f8ef35ae2c9df51b",
		expected, sizeof expected);
	assert_memory_equal(out, expected, sizeof out);
	for (size_t i = 0; i < sizeof key; i++)
		key[i] = (uint8_t)i;
	hkdf_hmac(out, key, sizeof key, NULL, 0);
	fixture_hex("ea1896ab7c8319a824482f757c038b70089765501b1f8bdb78153d195915bd33"
		    "0bde7a8c0fb6dbf3de09277662ba661fde80017dc277309eedfe05bdf5b27e18",
		expected, sizeof expected);
	assert_memory_equal(out, expected, sizeof out);
}

/* Noise s.4.3, written out. */
static void hkdf_is_a_chain_of_hmacs(void **state)
{
	uint8_t ck[HKDF_HASH_LEN] = {1}, out[3][HKDF_HASH_LEN], temp[HKDF_HASH_LEN];
	uint8_t expected[HKDF_HASH_LEN], input[HKDF_HASH_LEN + 1];

	(void)state;
	hkdf_derive(out[0], 3, ck, (const uint8_t *)"input", 5);
	hkdf_hmac(temp, ck, sizeof ck, (const uint8_t *)"input", 5);
	hkdf_hmac(expected, temp, sizeof temp, (const uint8_t *)"\1", 1);
	assert_memory_equal(out[0], expected, sizeof expected);
	for (uint8_t i = 1; i < 3; i++) {
		memcpy(input, out[i - 1], HKDF_HASH_LEN);
		input[HKDF_HASH_LEN] = i + 1;
		hkdf_hmac(expected, temp, sizeof temp, input, sizeof input);
		assert_memory_equal(out[i], expected, sizeof expected);
	}
}

static void what_is_sealed_opens_once_unchanged(void **state)
{
	static const uint8_t key[KEY_LEN] = {1}, nonce[PRIM_NONCE_LEN] = {2};
	uint8_t box[20 + PRIM_TAG_LEN], out[20];

	(void)state;
	memset(box, 'p', 20);
	prim_seal(box, box, 20, "aad", 3, nonce, key);
	assert_true(prim_open(out, box, sizeof box, "aad", 3, nonce, key));
	for (size_t i = 0; i < sizeof out; i++)
		assert_int_equal(out[i], 'p');
	assert_false(prim_open(out, box, sizeof box, "aae", 3, nonce, key));
	assert_true(fixture_is_zero(out, sizeof out));
	for (size_t i = 0; i < sizeof box; i++) {
		box[i] ^= 1;
		assert_false(prim_open(out, box, sizeof box, "aad", 3, nonce, key));
		box[i] ^= 1;
	}
	for (size_t len = 0; len < sizeof box; len++)
		assert_false(prim_open(out, box, len, "aad", 3, nonce, key));
}

static void passwords_make_keys(void **state)
{
	uint8_t salt[PRIM_SALT_LEN] = {3}, first[KEY_LEN], key[KEY_LEN];

	(void)state;
	assert_int_equal(prim_password_key(first, "secret", 6, salt, 1, 64), 0);
	assert_int_equal(prim_password_key(key, "secret", 6, salt, 1, 64), 0);
	assert_memory_equal(first, key, KEY_LEN);
	assert_int_equal(prim_password_key(key, "secreT", 6, salt, 1, 64), 0);
	assert_memory_not_equal(first, key, KEY_LEN);
	assert_int_equal(prim_password_key(key, "secret", 6, salt, 2, 64), 0);
	assert_memory_not_equal(first, key, KEY_LEN);
	assert_int_equal(prim_password_key(key, "secret", 6, salt, 1, 128), 0);
	assert_memory_not_equal(first, key, KEY_LEN);
	salt[0]++;
	assert_int_equal(prim_password_key(key, "secret", 6, salt, 1, 64), 0);
	assert_memory_not_equal(first, key, KEY_LEN);
	/* Costs come from a file: no value may hang or crash the reader. */
	assert_int_equal(prim_password_key(key, "secret", 6, salt, 0, 64), ERR_MALFORMED);
	assert_int_equal(prim_password_key(key, "secret", 6, salt, 65, 64), ERR_MALFORMED);
	assert_int_equal(prim_password_key(key, "secret", 6, salt, 1, 7), ERR_MALFORMED);
	assert_int_equal(prim_password_key(key, "secret", 6, salt, 1, UINT32_MAX), ERR_MALFORMED);
	assert_true(fixture_is_zero(key, sizeof key));
}

/* RFC 4648 s.10, and what is not canonical. */
static void base64_is_strict(void **state)
{
	static const struct {
		const char *plain, *text;
	} good[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="},
		{"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
	static const char *const bad[] = {"Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm9v\n",
		"Zm 9v", " Zm9", "Zm9v====", "====", "=Zg=", "Zm-_", "Zg==Zg=="};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		char text[16];
		uint8_t plain[8];
		int len = (int)strlen(good[i].plain);
		prim_base64_encode(text, (const uint8_t *)good[i].plain, (size_t)len);
		assert_string_equal(text, good[i].text);
		assert_int_equal(prim_base64_decode(plain, (size_t)len, text), len);
		assert_memory_equal(plain, good[i].plain, (size_t)len);
		if (len > 0)
			assert_int_equal(
				prim_base64_decode(plain, (size_t)len - 1, text), ERR_NO_SPACE);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		uint8_t plain[16];
		assert_int_equal(prim_base64_decode(plain, sizeof plain, bad[i]), ERR_MALFORMED);
	}
	/* No byte above 127 stands for one of the alphabet, wherever it is. */
	for (unsigned c = 0x80; c < 0x100; c++) {
		for (unsigned at = 0; at < 4; at++) {
			uint8_t plain[3];
			char text[] = "AAAA";
			text[at] = (char)c;
			assert_int_equal(
				prim_base64_decode(plain, sizeof plain, text), ERR_MALFORMED);
		}
	}
}

static void locked_memory_is_zero_and_aligned(void **state)
{
	static const size_t lens[] = {0, 1, 32, 100, 5000};

	(void)state;
	for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
		uint8_t *data = prim_alloc_locked(lens[i]);
		assert_non_null(data);
		assert_int_equal((uintptr_t)data % 64, 0);
		assert_true(fixture_is_zero(data, lens[i]));
		memset(data, 0xff, lens[i]);
		prim_free_locked(data);
	}
	assert_null(prim_alloc_locked(SIZE_MAX));
	prim_free_locked(NULL);
}

static void the_rest_does_what_it_says(void **state)
{
	uint8_t a[64] = {1, 2, 3}, b[64] = {1, 2, 3};

	(void)state;
	assert_true(prim_equal(a, b, sizeof a));
	b[63] = 1;
	assert_false(prim_equal(a, b, sizeof a));
	prim_random(a, sizeof a);
	prim_random(b, sizeof b);
	assert_false(prim_equal(a, b, sizeof a));
	prim_wipe(a, sizeof a);
	assert_true(fixture_is_zero(a, sizeof a));
	prim_wipe(NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_agree_with_another_library),
		cmocka_unit_test(hmac_agrees_with_another_library),
		cmocka_unit_test(hkdf_is_a_chain_of_hmacs),
		cmocka_unit_test(what_is_sealed_opens_once_unchanged),
		cmocka_unit_test(passwords_make_keys),
		cmocka_unit_test(base64_is_strict),
		cmocka_unit_test(locked_memory_is_zero_and_aligned),
		cmocka_unit_test(the_rest_does_what_it_says),
	};

	if (prim_init() != 0)
		return 1;
	return cmocka_run_group_tests_name("primitives", tests, NULL, NULL);
}
