/* RESET: the token of the handshake is the token of the message, before and after a restart. */
#include "core/crypto/reset.h"

#include "crypto_fixture.h"

#define INDEX 0x0badcaf

static void the_token_is_laid_out_as_written(void **state)
{
	static const uint8_t secret[KEY_LEN] = {7};
	static const uint8_t index[4] = {0x00, 0xba, 0xdc, 0xaf};
	uint8_t key[KEY_LEN], expected[KEY_LEN], token[MAC_LEN];

	(void)state;
	reset_key(key, secret);
	prim_hash(expected, KEY_LEN, secret, KEY_LEN, PRIM_PARTS({"warren reset v1", 15}));
	assert_memory_equal(key, expected, KEY_LEN);
	reset_token(token, key, INDEX);
	prim_hash(expected, MAC_LEN, key, KEY_LEN, PRIM_PARTS({index, 4}));
	assert_memory_equal(token, expected, MAC_LEN);
}

static void a_restarted_node_is_believed(void **state)
{
	struct handshake_identity before, after;
	struct fixture_random random = {.state = 3};
	struct env env = fixture_env(&random);
	uint8_t token[MAC_LEN], msg[MESSAGE_RESET_LEN], other[MAC_LEN];
	struct message_header header;

	(void)state;
	fixture_identity(&before, 5, NULL);
	reset_token(token, before.reset_key, INDEX);
	fixture_identity(&after, 5, NULL);
	reset_build(msg, &env, after.reset_key, INDEX);
	assert_int_equal(message_peek(msg, sizeof msg, &header), 0);
	assert_int_equal(header.type, MESSAGE_RESET);
	assert_int_equal(header.sender, INDEX);
	assert_true(reset_check(msg, sizeof msg, token));
	reset_token(other, before.reset_key, INDEX + 1);
	assert_false(reset_check(msg, sizeof msg, other));
	fixture_identity(&after, 6, NULL);
	reset_token(other, after.reset_key, INDEX);
	assert_false(reset_check(msg, sizeof msg, other));
}

static void changed_or_short_messages_are_refused(void **state)
{
	struct fixture_random random = {.state = 3};
	struct env env = fixture_env(&random);
	uint8_t key[KEY_LEN] = {1}, token[MAC_LEN], msg[MESSAGE_RESET_LEN];

	(void)state;
	reset_token(token, key, INDEX);
	reset_build(msg, &env, key, INDEX);
	for (size_t i = 16; i < sizeof msg; i++) {
		msg[i] ^= 1;
		assert_false(reset_check(msg, sizeof msg, token));
		msg[i] ^= 1;
	}
	for (size_t len = 0; len < sizeof msg; len++)
		assert_false(reset_check(msg, len, token));
	msg[0] = MESSAGE_PROBE;
	assert_false(reset_check(msg, sizeof msg, token));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_token_is_laid_out_as_written),
		cmocka_unit_test(a_restarted_node_is_believed),
		cmocka_unit_test(changed_or_short_messages_are_refused),
	};

	if (prim_init() != 0)
		return 1;
	return cmocka_run_group_tests_name("reset", tests, NULL, NULL);
}
