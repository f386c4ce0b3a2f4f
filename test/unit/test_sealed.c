/* Sealed data on the wire, and what the counts of a key allow. */
#include "core/crypto/sealed.h"

#include "core/base/err.h"
#include "core/crypto/primitives.h"
#include "crypto_fixture.h"

static void key_of(struct aead_key *key, uint8_t id)
{
	uint8_t secret[32] = {0x5e, 0xa1, id};
	assert_int_equal(aead_key_init(key, id, secret), 0);
}

static void the_header_is_gre_with_key_and_sequence(void **state)
{
	static const uint8_t expected[SEALED_HEADER_LEN] = {
		0x30, 0x00, 0x88, 0xb5, 0xab, 0xcd, 0xef, 0x1f, 0x80, 0x00, 0x00, 0x02};
	const struct sealed_header header = {0xabcdef1, 15, 0x80000002};
	uint8_t datagram[64];
	struct aead_key key;

	(void)state;
	key_of(&key, AEAD_CHACHA20_POLY1305);
	size_t len = sealed_seal(&key, &header, datagram, (const uint8_t[12]){0}, 12);
	assert_int_equal(len, 40); /* a keepalive */
	assert_memory_equal(datagram, expected, sizeof expected);
}

static void what_is_sealed_opens(void **state)
{
	const struct sealed_header headers[] = {
		{1, 0, 0}, {0xfffffff, 15, UINT32_MAX}, {0x1234567, 3, 77}};

	(void)state;
	for (uint8_t id = 0; id <= AEAD_AEGIS_256; id++) {
		if (!aead_find(id))
			continue;
		struct aead_key key;
		key_of(&key, id);
		for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
			uint8_t datagram[256], plain[100];
			memset(plain, 0x5a, sizeof plain);
			size_t len = sealed_seal(&key, &headers[i], datagram, plain, 100);
			memset(plain, 0, sizeof plain);
			assert_int_equal(len, SEALED_HEADER_LEN + 100 + key.aead->tag_len);
			struct sealed_header parsed;
			assert_true(sealed_parse(datagram, len, &parsed));
			assert_int_equal(parsed.index, headers[i].index);
			assert_int_equal(parsed.lane, headers[i].lane);
			assert_int_equal(parsed.sequence, headers[i].sequence);
			assert_int_equal(sealed_open(&key, &parsed, plain, datagram, len), 100);
			for (size_t b = 0; b < 100; b++)
				assert_int_equal(plain[b], 0x5a);
		}
	}
}

/* Index and lane are covered too: another lane's nonce and another session's index do not open. */
static void every_changed_byte_fails(void **state)
{
	const struct sealed_header header = {0x1234567, 3, 77};
	uint8_t sealed[64], datagram[64], plain[20] = {0};
	struct aead_key key;

	(void)state;
	key_of(&key, AEAD_CHACHA20_POLY1305);
	size_t len = sealed_seal(&key, &header, sealed, plain, sizeof plain);
	for (size_t i = 0; i < len; i++) {
		struct sealed_header parsed;
		memcpy(datagram, sealed, len);
		datagram[i] ^= 1;
		bool shaped = sealed_parse(datagram, len, &parsed);
		assert_int_equal(shaped, i >= 4);
		if (!shaped)
			assert_true(parsed.index == 0 && parsed.lane == 0 && parsed.sequence == 0);
		assert_int_equal(sealed_open(&key, &parsed, plain, datagram, len), ERR_AUTH);
	}
}

static void short_datagrams_are_refused(void **state)
{
	uint8_t datagram[64] = {0x30, 0x00, 0x88, 0xb5};
	struct sealed_header parsed;
	struct aead_key key;

	(void)state;
	key_of(&key, AEAD_CHACHA20_POLY1305);
	for (size_t len = 0; len < SEALED_HEADER_LEN; len++)
		assert_false(sealed_parse(datagram, len, &parsed));
	for (size_t len = 0; len < SEALED_HEADER_LEN + 16; len++)
		assert_int_equal(
			sealed_open(&key, &parsed, datagram + SEALED_HEADER_LEN, datagram, len),
			ERR_AUTH);
}

static void counts_end_a_key(void **state)
{
	const struct aead *chacha = aead_find(AEAD_CHACHA20_POLY1305);
	const struct aead *gcm = aead_find(AEAD_AES_256_GCM);
	const struct {
		const struct aead *aead;
		uint64_t messages, blocks, sequence;
		enum sealed_life life;
	} cases[] = {
		{chacha, 0, 0, 0, SEALED_FRESH},
		{chacha, UINT64_C(1) << 40, UINT64_C(1) << 50, 5, SEALED_FRESH},
		{chacha, 1, 1, (UINT64_C(1) << 31) - 1, SEALED_FRESH},
		{chacha, 1, 1, UINT64_C(1) << 31, SEALED_REKEY},
		{chacha, 1, 1, (UINT64_C(1) << 32) - 8193, SEALED_REKEY},
		{chacha, 1, 1, (UINT64_C(1) << 32) - 8192, SEALED_STOP},
		{gcm, (UINT64_C(1) << 26) - 1, 0, 0, SEALED_FRESH},
		{gcm, UINT64_C(1) << 26, 0, 0, SEALED_REKEY},
		{gcm, (UINT64_C(1) << 27) - 1, 0, 0, SEALED_REKEY},
		{gcm, UINT64_C(1) << 27, 0, 0, SEALED_STOP},
		{gcm, 0, (UINT64_C(1) << 32) - 1, 0, SEALED_FRESH},
		{gcm, 0, UINT64_C(1) << 32, 0, SEALED_REKEY},
		{gcm, 0, UINT64_C(1) << 33, 0, SEALED_STOP},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (cases[i].aead)
			assert_int_equal(sealed_life(cases[i].aead, cases[i].messages,
						 cases[i].blocks, cases[i].sequence),
				cases[i].life);
	assert_int_equal(sealed_life_failed((UINT64_C(1) << 35) - 1), SEALED_FRESH);
	assert_int_equal(sealed_life_failed(UINT64_C(1) << 35), SEALED_REKEY);
	assert_int_equal(sealed_life_failed(UINT64_C(1) << 36), SEALED_STOP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_header_is_gre_with_key_and_sequence),
		cmocka_unit_test(what_is_sealed_opens),
		cmocka_unit_test(every_changed_byte_fails),
		cmocka_unit_test(short_datagrams_are_refused),
		cmocka_unit_test(counts_end_a_key),
	};

	if (prim_init() != 0)
		return 1;
	return cmocka_run_group_tests_name("sealed", tests, NULL, NULL);
}
