/* X25519 and Ed25519: the RFCs' vectors, points of low order, keys as text. */
#include "core/crypto/primitives.h"

#include "core/base/err.h"
#include "crypto_fixture.h"

/* RFC 7748 s.6.1 */
static void diffie_hellman_agrees_with_the_rfc(void **state)
{
	uint8_t a[KEY_LEN], b[KEY_LEN], a_public[KEY_LEN], b_public[KEY_LEN], expected[KEY_LEN];
	uint8_t shared[KEY_LEN];

	(void)state;
	fixture_hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a", a, KEY_LEN);
	fixture_hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", b, KEY_LEN);
	prim_dh_public(a_public, a);
	fixture_hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a", expected,
		KEY_LEN);
	assert_memory_equal(a_public, expected, KEY_LEN);
	prim_dh_public(b_public, b);
	fixture_hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742", expected,
		KEY_LEN);
	assert_true(prim_dh(shared, a, b_public));
	assert_memory_equal(shared, expected, KEY_LEN);
	assert_true(prim_dh(shared, b, a_public));
	assert_memory_equal(shared, expected, KEY_LEN);
}

/*
 * All encodings of the points of order 1, 2, 4 and 8 on the curve and its twist, the non-canonical
 * ones and those with the ignored top bit set included.
 */
static void points_of_low_order_are_refused(void **state)
{
	static const char *const low[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"0000000000000000000000000000000000000000000000000000000000000080",
		"0100000000000000000000000000000000000000000000000000000000000080",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b880",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f11d7",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	};
	static const uint8_t secret[KEY_LEN] = {0x77, 1, 2, 3};

	(void)state;
	for (size_t i = 0; i < sizeof low / sizeof *low; i++) {
		uint8_t key[KEY_LEN], shared[KEY_LEN];
		fixture_hex(low[i], key, sizeof key);
		memset(shared, 0xff, sizeof shared);
		assert_false(prim_dh(shared, secret, key));
		assert_true(fixture_is_zero(shared, sizeof shared));
	}
}

/* RFC 8032 s.7.1, tests 1 and 2, and one of 2000 bytes that goes through the heap. */
static void signatures_agree_with_the_rfc(void **state)
{
	static uint8_t longer[2000];
	static const uint8_t r = 0x72;
	const struct {
		const char *seed, *signature;
		const uint8_t *message;
		size_t len;
	} cases[] = {
		{"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
			"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590"
			"a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
			NULL, 0},
		{"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
			"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e"
			"15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
			&r, 1},
		{"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
			"090531f854783fcf747ffacb0ee4edd19cd89128acc5799f815c9158afe38a7bd27c14977b"
			"2c9c3552d269f79da0088af34d3178eea3fab19f7e8dcce5ba2007",
			longer, sizeof longer},
	};

	(void)state;
	for (size_t i = 0; i < sizeof longer; i++)
		longer[i] = (uint8_t)(3 * i);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint8_t seed[KEY_LEN], secret[SIGN_SECRET_LEN], key[KEY_LEN];
		uint8_t signature[SIGNATURE_LEN], expected[SIGNATURE_LEN];
		size_t half = cases[i].len / 2;
		fixture_hex(cases[i].seed, seed, sizeof seed);
		fixture_hex(cases[i].signature, expected, sizeof expected);
		prim_sign_keypair(secret, key, seed);
		assert_int_equal(prim_sign(signature, secret,
					 PRIM_PARTS({cases[i].message, half},
						 {half ? cases[i].message + half : cases[i].message,
							 cases[i].len - half})),
			0);
		assert_memory_equal(signature, expected, SIGNATURE_LEN);
		assert_true(
			prim_verify(signature, key, PRIM_PARTS({cases[i].message, cases[i].len})));
		assert_false(prim_verify(
			signature, key, PRIM_PARTS({cases[i].message, cases[i].len}, {"x", 1})));
		for (size_t byte = 0; byte < SIGNATURE_LEN; byte++) {
			signature[byte] ^= 1;
			assert_false(prim_verify(
				signature, key, PRIM_PARTS({cases[i].message, cases[i].len})));
			signature[byte] ^= 1;
		}
	}
}

/* With such a key, and R and S zero, a verifier that does not look accepts many messages. */
static void signing_keys_of_low_order_are_refused(void **state)
{
	static const uint8_t keys[][KEY_LEN] = {{0}, {1}};
	uint8_t signature[SIGNATURE_LEN] = {1};

	(void)state;
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		for (uint8_t message = 0; message < 64; message++)
			assert_false(prim_verify(signature, keys[i], PRIM_PARTS({&message, 1})));
}

static void keys_travel_as_text(void **state)
{
	static const char *const bad[] = {
		"",
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",    /* no padding */
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==",   /* 31 bytes */
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g",   /* 33 */
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=",   /* a bit set behind the end */
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n", /* a line end */
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh -",
		"!AECAwQFBgcICQoLDA0ODxAREhMUFRYX",
	};
	static const char text[] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
	uint8_t key[KEY_LEN];
	char out[KEY_TEXT_SIZE];

	(void)state;
	assert_int_equal(sizeof text, KEY_TEXT_SIZE);
	assert_int_equal(prim_key_parse(key, text), 0);
	for (size_t i = 0; i < KEY_LEN; i++)
		assert_int_equal(key[i], i);
	assert_string_equal(prim_base64_encode(out, key, KEY_LEN), text);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		memset(key, 0xff, sizeof key);
		assert_int_equal(prim_key_parse(key, bad[i]), ERR_MALFORMED);
		assert_true(fixture_is_zero(key, sizeof key));
	}
}

static void a_psk_has_a_name(void **state)
{
	uint8_t psk[KEY_LEN] = {0};
	struct handshake_identity id;

	(void)state;
	assert_int_equal(handshake_psk_id(psk), 0);
	psk[31] = 1;
	assert_int_not_equal(handshake_psk_id(psk), 0);
	fixture_identity(&id, 1, psk);
	assert_int_equal(id.psk.id, handshake_psk_id(psk));
	handshake_identity_wipe(&id);
	assert_true(fixture_is_zero(&id, sizeof id));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(diffie_hellman_agrees_with_the_rfc),
		cmocka_unit_test(points_of_low_order_are_refused),
		cmocka_unit_test(signatures_agree_with_the_rfc),
		cmocka_unit_test(signing_keys_of_low_order_are_refused),
		cmocka_unit_test(keys_travel_as_text),
		cmocka_unit_test(a_psk_has_a_name),
	};

	if (prim_init() != 0)
		return 1;
	return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
