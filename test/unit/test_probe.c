/* PROBE: layout, MAC, directions. */
#include "core/crypto/probe.h"

#include "core/base/err.h"
#include "crypto_fixture.h"

static const uint8_t key[KEY_LEN] = {0x9c, 1};
static const struct probe sample = {0xdeadbeef, {1, 2, 3, 4, 5, 6, 7}, true};

static void a_probe_is_laid_out_as_written(void **state)
{
	static const uint8_t head[16] = {
		5, 1, 0, 0, 0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4, 5, 6, 7, 1};
	uint8_t msg[MESSAGE_PROBE_LEN], mac[MAC_LEN];

	(void)state;
	probe_build(msg, &sample, key);
	assert_memory_equal(msg, head, sizeof head);
	prim_hash(mac, sizeof mac, key, KEY_LEN, PRIM_PARTS({head, sizeof head}));
	assert_memory_equal(msg + 16, mac, sizeof mac);
}

static void both_directions_open(void **state)
{
	(void)state;
	for (int answer = 0; answer < 2; answer++) {
		uint8_t msg[MESSAGE_PROBE_LEN];
		struct probe probe = sample, out;
		struct message_header header;
		probe.answer = answer;
		probe_build(msg, &probe, key);
		assert_int_equal(message_peek(msg, sizeof msg, &header), 0);
		assert_int_equal(header.type, MESSAGE_PROBE);
		assert_int_equal(header.token_id, sample.token_id);
		assert_int_equal(probe_open(msg, sizeof msg, key, &out), 0);
		assert_int_equal(out.token_id, sample.token_id);
		assert_memory_equal(out.nonce, sample.nonce, PROBE_NONCE_LEN);
		assert_int_equal(out.answer, answer);
	}
}

static void every_changed_byte_fails(void **state)
{
	uint8_t msg[MESSAGE_PROBE_LEN], other[KEY_LEN] = {0x9c, 2};
	struct probe out;

	(void)state;
	probe_build(msg, &sample, key);
	for (size_t i = 0; i < sizeof msg; i++) {
		msg[i] ^= 2;
		memset(&out, 0xff, sizeof out);
		assert_int_not_equal(probe_open(msg, sizeof msg, key, &out), 0);
		assert_int_equal(out.token_id, 0);
		msg[i] ^= 2;
	}
	assert_int_equal(probe_open(msg, sizeof msg, other, &out), ERR_AUTH);
	for (size_t len = 0; len < sizeof msg; len++)
		assert_int_equal(probe_open(msg, len, key, &out), ERR_TRUNCATED);
}

/* With a right MAC, but neither probe nor answer. */
static void a_third_direction_is_refused(void **state)
{
	uint8_t msg[MESSAGE_PROBE_LEN];
	struct probe out;

	(void)state;
	probe_build(msg, &sample, key);
	msg[15] = 2;
	prim_hash(msg + 16, MAC_LEN, key, KEY_LEN, PRIM_PARTS({msg, 16}));
	assert_int_equal(probe_open(msg, sizeof msg, key, &out), ERR_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_probe_is_laid_out_as_written),
		cmocka_unit_test(both_directions_open),
		cmocka_unit_test(every_changed_byte_fails),
		cmocka_unit_test(a_third_direction_is_refused),
	};

	if (prim_init() != 0)
		return 1;
	return cmocka_run_group_tests_name("probe", tests, NULL, NULL);
}
