/* The payloads' codec on its own: what a peer with valid keys, but odd ideas, may send. */
#include "core/crypto/payload.h"

#include "core/base/err.h"
#include "crypto_fixture.h"

#define MIN_OFFER 504

static const uint8_t certificate[HANDSHAKE_CERTIFICATE_MAX] = {1, 2, 3};

static struct handshake_offer sample_offer(void)
{
	return (struct handshake_offer){
		.ciphers = 1,
		.lanes = 1,
		.certificate = certificate,
		.certificate_len = 10,
	};
}

static struct handshake_answer sample_answer(void)
{
	return (struct handshake_answer){
		.index = 1,
		.lanes = 1,
		.certificate = certificate,
		.certificate_len = 10,
	};
}

/* Any length is reached or passed by at most 3 bytes, and all of the padding is zero. */
static void offers_are_padded(void **state)
{
	(void)state;
	for (uint16_t len = 1; len <= HANDSHAKE_CERTIFICATE_MAX; len++) {
		uint8_t data[1092];
		struct writer w = writer_of(data, sizeof data);
		struct handshake_offer offer = sample_offer(), out = {0};
		size_t bare = PAYLOAD_OFFER_FIXED + len;
		offer.certificate_len = len;
		assert_int_equal(payload_write_offer(&w, &offer, MIN_OFFER), 0);
		assert_in_range(writer_len(&w), MIN_OFFER > bare ? MIN_OFFER : bare,
			MIN_OFFER > bare ? MIN_OFFER + 3 : bare);
		assert_int_equal(payload_read_offer(data, writer_len(&w), &out), 0);
		assert_int_equal(out.certificate_len, len);
		assert_true(fixture_is_zero(data + bare + 4, MIN_OFFER - bare - 4));
	}
}

/* Bytes written over a good payload: offset, values. */
struct change {
	size_t at;
	uint8_t bytes[4];
	size_t len;
	int rc;
};

static void offers_that_break_rules_are_refused(void **state)
{
	static const struct change changes[] = {
		{12, {0x01}, 1, 0}, {12, {0x06}, 1, ERR_MALFORMED}, /* no ChaCha20-Poly1305 */
		{12, {0xff}, 1, 0},                                 /* ciphers of the future */
		{13, {2}, 1, 0}, {13, {3}, 1, ERR_MALFORMED},
		{14, {0xff, 0xff}, 2, 0}, /* flags and features of the future */
		{20, {0xff, 0xff, 0xff, 0xff}, 4, 0}, {26, {0}, 1, ERR_MALFORMED}, /* lanes */
		{26, {16}, 1, 0}, {26, {17}, 1, ERR_MALFORMED},
		{44, {0, 0}, 2, ERR_TRUNCATED}, /* the certificate read as TLVs */
		{44, {0x01, 0xc3}, 2, ERR_MALFORMED}, {44, {0xff, 0xff}, 2, ERR_TRUNCATED},
		{56, {1}, 1, ERR_MALFORMED}, /* PAD turned into an ENROL of the wrong length */
		{56, {9}, 1, 0},             /* an unknown TLV */
		{58, {0xff, 0xff}, 2, ERR_TRUNCATED},
		{58, {0, 1}, 2, 0}, /* the rest reads as more TLVs of type 0 */
	};

	(void)state;
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		uint8_t data[1092];
		struct writer w = writer_of(data, sizeof data);
		struct handshake_offer offer = sample_offer(), out = {0};
		/* a PAD of 445 zeros: what is left of it after a shift is whole TLV headers */
		assert_int_equal(payload_write_offer(&w, &offer, MIN_OFFER + 1), 0);
		memcpy(data + changes[i].at, changes[i].bytes, changes[i].len);
		assert_int_equal(payload_read_offer(data, writer_len(&w), &out), changes[i].rc);
	}
}

static void every_truncation_is_found(void **state)
{
	uint8_t data[640];
	struct writer w = writer_of(data, sizeof data);
	struct handshake_offer offer = sample_offer();
	struct handshake_answer answer = sample_answer();
	uint32_t receiver;

	(void)state;
	offer.enrol = true;
	assert_int_equal(payload_write_offer(&w, &offer, 0), 0);
	size_t bare = PAYLOAD_OFFER_FIXED + offer.certificate_len;
	for (size_t len = 0; len < writer_len(&w); len++) {
		struct handshake_offer out = {0};
		/* Between two TLVs a payload may end. */
		assert_int_equal(
			payload_read_offer(data, len, &out), len == bare ? 0 : ERR_TRUNCATED);
	}
	w = writer_of(data, sizeof data);
	assert_int_equal(payload_write_answer(&w, &answer, 2), 0);
	for (size_t len = 0; len < writer_len(&w); len++) {
		struct handshake_answer out = {0};
		assert_int_equal(payload_read_answer(data, len, &out, &receiver), ERR_TRUNCATED);
	}
}

static void answers_that_break_rules_are_refused(void **state)
{
	static const struct change changes[] = {
		{8, {2}, 1, 0},
		{8, {3}, 1, ERR_MALFORMED}, /* cipher */
		{22, {0}, 1, ERR_MALFORMED},
		{22, {17}, 1, ERR_MALFORMED},
		{48, {4, 0, 0x12, 0x34}, 4, 0}, /* family of the endpoint seen */
		{48, {6}, 1, 0},
		{48, {5}, 1, ERR_MALFORMED},
		{68, {0, 11}, 2, ERR_TRUNCATED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		uint8_t data[640];
		struct writer w = writer_of(data, sizeof data);
		struct handshake_answer answer = sample_answer(), out = {0};
		uint32_t receiver;
		assert_int_equal(payload_write_answer(&w, &answer, 2), 0);
		memcpy(data + changes[i].at, changes[i].bytes, changes[i].len);
		assert_int_equal(
			payload_read_answer(data, writer_len(&w), &out, &receiver), changes[i].rc);
		if (changes[i].rc == 0)
			assert_int_equal(receiver, 2);
	}
}

static void endpoints_of_both_families_arrive(void **state)
{
	static const char *const seen[] = {"192.0.2.1:1", "[2001:db8::7]:65535"};

	(void)state;
	for (size_t i = 0; i < sizeof seen / sizeof *seen; i++) {
		uint8_t data[640];
		struct writer w = writer_of(data, sizeof data);
		struct handshake_answer answer = sample_answer(), out = {0};
		uint32_t receiver;
		assert_true(endpoint_parse(seen[i], 0, &answer.seen));
		assert_int_equal(payload_write_answer(&w, &answer, 2), 0);
		assert_int_equal(payload_read_answer(data, writer_len(&w), &out, &receiver), 0);
		assert_true(endpoint_equal(&out.seen, &answer.seen));
	}
}

/* A build string goes to logs: control bytes do not, and it ends after 32. */
static void build_strings_are_made_harmless(void **state)
{
	static const uint8_t tlv[] = {2, 0, 0, 40, 'a', 0x1b, '[', 0x00, 'b', '\n', 0xff, 'c'};
	uint8_t data[640];
	struct writer w = writer_of(data, sizeof data);
	struct handshake_offer offer = sample_offer(), out = {0};

	(void)state;
	assert_int_equal(payload_write_offer(&w, &offer, 0), 0);
	write_bytes(&w, tlv, sizeof tlv);
	write_zeros(&w, 44 - sizeof tlv);
	assert_int_equal(payload_read_offer(data, writer_len(&w), &out), 0);
	assert_int_equal(strlen(out.build), HANDSHAKE_BUILD_MAX);
	assert_memory_equal(out.build, "a?[?b??c", 8);
}

/* 2^62 + 10 is TAI's name for 1970; the low 24 bits of the ns are zero; labels only grow. */
static void timestamps_only_grow(void **state)
{
	static const uint8_t expected[HANDSHAKE_TIMESTAMP_LEN] = {
		0x40, 0, 0, 0, 0, 0, 0, 10 + 5, 0x01, 0, 0, 0};
	static const struct {
		uint64_t s;
		uint32_t ns;
	} clocks[] = {{5, 0x01ffffff}, {5, 0x01ffffff}, {5, 0x03000000}, {5, 999999999},
		{5, 999999999}, {6, 0}, {1, 0}, {1, 0}, {7, 0}};
	uint8_t stamp[HANDSHAKE_TIMESTAMP_LEN] = {0}, before[HANDSHAKE_TIMESTAMP_LEN];

	(void)state;
	handshake_timestamp(stamp, 5, 0x01ffffff);
	assert_memory_equal(stamp, expected, sizeof stamp);
	for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++) {
		memcpy(before, stamp, sizeof before);
		handshake_timestamp(stamp, clocks[i].s, clocks[i].ns);
		assert_true(memcmp(stamp, before, sizeof stamp) > 0);
		assert_true(load_u32(stamp + 8) < NS_PER_S);
		assert_int_equal(load_u32(stamp + 8) & 0xffffff, 0);
	}
	assert_int_equal(stamp[7], 10 + 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offers_are_padded),
		cmocka_unit_test(offers_that_break_rules_are_refused),
		cmocka_unit_test(every_truncation_is_found),
		cmocka_unit_test(answers_that_break_rules_are_refused),
		cmocka_unit_test(endpoints_of_both_families_arrive),
		cmocka_unit_test(build_strings_are_made_harmless),
		cmocka_unit_test(timestamps_only_grow),
	};

	return cmocka_run_group_tests_name("payload", tests, NULL, NULL);
}
