/* The cipher table: known answers, nonce layouts, tampering, the choice. */
#include "core/crypto/aead.h"

#include "core/base/err.h"
#include "core/crypto/primitives.h"
#include "crypto_fixture.h"

#define COUNTER UINT64_C(0x0102030405060708)

/*
 * Key 00 01 .. 1f, AAD 30 31 .. 3b, plaintext byte i = 7 i, made from the nonce layouts of
 * protocol.md section 2.2 by the second implementation that test/vectors/noise/README.md speaks of.
 */
static const struct {
	uint8_t id;
	size_t len;
	const char *sealed;
} known[] = {
	{AEAD_CHACHA20_POLY1305, 0, "7fbc1e2eac7acdaba02c86ab47563463"},
	{AEAD_CHACHA20_POLY1305, 1, "f04e2c6dd6e8b7077d909e2cfaed971c51"},
	{AEAD_CHACHA20_POLY1305, 37,
		"f04ea3f1b71ac0295c946c81272303d190718c4104d7df3fff9a11e02dc97504b99bee482e7355d82e"
		"0557d67dcb1d57c8ea18dd50"},
	{AEAD_AES_256_GCM, 0, "dd7299112d8de9532850e0594b08eded"},
	{AEAD_AES_256_GCM, 1, "04d8e0c10639a46c261abd2308b7541cf5"},
	{AEAD_AES_256_GCM, 37,
		"04566b1bc1c223af3ba0bba24a3c5b990a8e22475b46d2cd4154e2edaffc0d14cfcff66d66725a8e6e"
		"97e0829a3815c17229f0f7cd"},
	{AEAD_AEGIS_256, 0, "09a89d8fd70ac1e42a247ae6767b65b2fdd26e86000fb7429ed99ab3b7f773ef"},
	{AEAD_AEGIS_256, 1, "dce5028396f23b027c8420e55650655d2ffe95a53fee41d39743695a51ab8494c5"},
	{AEAD_AEGIS_256, 37,
		"dc8ae889805b963b757d298a5f90d63608d14b7ef00dfad4e58ed001e14d4615bf8cfee31f64f22762"
		"a44ebc6db86f66f3a96fca5b20f0f55f159c196b95601c317f109ea0"},
};

static void inputs(uint8_t key[32], uint8_t aad[AEAD_AAD_LEN], uint8_t *plain, size_t len)
{
	for (size_t i = 0; i < 32; i++)
		key[i] = (uint8_t)i;
	for (size_t i = 0; i < AEAD_AAD_LEN; i++)
		aad[i] = (uint8_t)(0x30 + i);
	for (size_t i = 0; i < len; i++)
		plain[i] = (uint8_t)(7 * i);
}

static void known_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		uint8_t secret[32], aad[AEAD_AAD_LEN], data[128], expected[128];
		struct aead_key key;
		if (!aead_find(known[i].id))
			continue;
		inputs(secret, aad, data, known[i].len);
		assert_int_equal(aead_key_init(&key, known[i].id, secret), 0);
		size_t len = fixture_hex(known[i].sealed, expected, sizeof expected);
		assert_int_equal(len, known[i].len + key.aead->tag_len);
		aead_seal(&key, data, data, known[i].len, aad, COUNTER);
		assert_memory_equal(data, expected, len);
		assert_true(aead_open(&key, data, data, len, aad, COUNTER));
	}
}

/* In place and elsewhere, for every length around the block sizes, and for the longest of a slot. */
static void what_is_sealed_opens(void **state)
{
	(void)state;
	for (uint8_t id = 0; id <= AEAD_AEGIS_256; id++) {
		struct aead_key key;
		uint8_t secret[32], aad[AEAD_AAD_LEN];
		static uint8_t plain[2048], data[2048 + AEAD_TAG_MAX], other[2048 + AEAD_TAG_MAX];
		inputs(secret, aad, plain, sizeof plain);
		if (aead_key_init(&key, id, secret) != 0)
			continue;
		for (size_t len = 0; len <= sizeof plain; len += len < 300 ? 1 : 97) {
			memcpy(data, plain, len);
			size_t sealed = len + key.aead->tag_len;
			aead_seal(&key, data, data, len, aad, len);
			aead_seal(&key, other, plain, len, aad, len);
			assert_memory_equal(other, data, sealed);
			if (len >= 16)
				assert_memory_not_equal(data, plain, len);
			assert_true(aead_open(&key, other, data, sealed, aad, len));
			assert_memory_equal(other, plain, len);
			assert_true(aead_open(&key, data, data, sealed, aad, len));
			assert_memory_equal(data, plain, len);
		}
	}
}

/* A changed byte of ciphertext, tag, AAD or counter: false, and no plaintext is left. */
static void what_is_changed_does_not_open(void **state)
{
	(void)state;
	for (uint8_t id = 0; id <= AEAD_AEGIS_256; id++) {
		struct aead_key key;
		uint8_t secret[32], aad[AEAD_AAD_LEN], plain[40], sealed[40 + AEAD_TAG_MAX];
		inputs(secret, aad, plain, sizeof plain);
		if (aead_key_init(&key, id, secret) != 0)
			continue;
		size_t len = sizeof plain + key.aead->tag_len;
		aead_seal(&key, sealed, plain, sizeof plain, aad, COUNTER);
		for (size_t i = 0; i < len + AEAD_AAD_LEN + 8; i++) {
			uint8_t data[sizeof sealed], other_aad[AEAD_AAD_LEN];
			uint64_t counter = COUNTER;
			memcpy(data, sealed, len);
			memcpy(other_aad, aad, sizeof aad);
			if (i < len)
				data[i] ^= 1;
			else if (i < len + AEAD_AAD_LEN)
				other_aad[i - len] ^= 0x80;
			else
				counter ^= UINT64_C(1) << 8 * (i - len - AEAD_AAD_LEN);
			assert_false(aead_open(&key, data, data, len, other_aad, counter));
			assert_memory_not_equal(data, plain, sizeof plain);
		}
		for (size_t cut = 0; cut < len; cut++) {
			uint8_t data[sizeof sealed];
			memcpy(data, sealed, len);
			assert_false(aead_open(&key, data, data, cut, aad, COUNTER));
		}
	}
}

static void the_best_common_cipher_is_chosen(void **state)
{
	static const struct {
		uint8_t offered, allowed, chosen;
	} cases[] = {
		{1, 1, 0},
		{7, 7, 2},
		{3, 7, 1},
		{7, 3, 1},
		{5, 3, 0},
		{5, 7, 2},
		{7, 0, 0}, /* ChaCha20-Poly1305 cannot be refused */
		{0xf9, 0xff, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_int_equal(aead_choose(cases[i].offered, cases[i].allowed), cases[i].chosen);
}

static void the_offer_is_what_can_be_found(void **state)
{
	uint8_t offer = aead_offer();

	(void)state;
	assert_true(offer & 1);
	for (unsigned id = 0; id < 256; id++) {
		const struct aead *aead = aead_find((uint8_t)id);
		assert_int_equal(aead != NULL, id < 8 && offer >> id & 1);
		if (!aead)
			continue;
		assert_int_equal(aead->id, id);
		assert_true(aead->tag_len <= AEAD_TAG_MAX);
		assert_true(aead->limits.rekey_messages < aead->limits.stop_messages);
		assert_true(aead->limits.rekey_blocks <= aead->limits.stop_blocks);
	}
}

static void keys_are_wiped_and_refused(void **state)
{
	struct aead_key key;
	uint8_t secret[32] = {1};

	(void)state;
	assert_int_equal(aead_key_init(&key, 0, secret), 0);
	aead_key_wipe(&key);
	assert_true(fixture_is_zero(&key, sizeof key));
	assert_int_equal(aead_key_init(&key, 3, secret), ERR_UNSUPPORTED);
	assert_null(key.aead);
}

static void blocks_count_the_aad(void **state)
{
	(void)state;
	assert_int_equal(aead_blocks(0), 1);
	assert_int_equal(aead_blocks(1), 2);
	assert_int_equal(aead_blocks(16), 2);
	assert_int_equal(aead_blocks(17), 3);
	assert_int_equal(aead_blocks(1404), 89);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_answers),
		cmocka_unit_test(what_is_sealed_opens),
		cmocka_unit_test(what_is_changed_does_not_open),
		cmocka_unit_test(the_best_common_cipher_is_chosen),
		cmocka_unit_test(the_offer_is_what_can_be_found),
		cmocka_unit_test(keys_are_wiped_and_refused),
		cmocka_unit_test(blocks_count_the_aad),
	};

	if (prim_init() != 0)
		return 1;
	return cmocka_run_group_tests_name("aead", tests, NULL, NULL);
}
