/*
 * A responder under load:
 *
 *   a -- INITIATION, mac2 zero -->  b     mac1 is right, mac2 is not
 *   a <-- COOKIE --                 b     nothing kept
 *   a -- the same, mac2 -->         b     goes on
 */
#include "core/crypto/cookie.h"

#include "core/base/err.h"
#include "crypto_fixture.h"

#define START (1000 * NS_PER_S)

struct scene {
	struct handshake_identity a, b;
	struct fixture_random random;
	struct env env;
	struct cookie_jar jar;
	struct endpoint source;
	struct handshake hs;
	uint8_t msg[MESSAGE_INITIATION_MAX];
	size_t len;
};

static void scene_init(struct scene *s)
{
	static const uint8_t certificate[100];
	struct handshake_offer offer = {
		.index = 0x1234,
		.ciphers = 1,
		.lanes = 1,
		.certificate = certificate,
		.certificate_len = sizeof certificate,
	};

	*s = (struct scene){.random = {.state = 7}};
	s->env = fixture_env(&s->random);
	fixture_identity(&s->a, 1, NULL);
	fixture_identity(&s->b, 2, NULL);
	cookie_jar_init(&s->jar, &s->env, START);
	assert_true(endpoint_parse("198.51.100.7:40000", 0, &s->source));
	s->len = (size_t)handshake_initiate(
		&s->hs, &s->a, &s->env, s->b.public_key, NULL, &offer, s->msg, sizeof s->msg);
}

static bool mac2_good(struct scene *s, const char *source, uint64_t now)
{
	struct endpoint from;

	assert_true(endpoint_parse(source, 0, &from));
	return cookie_check_mac2(&s->jar, &s->env, s->msg, s->len, &from, now);
}

/* b's COOKIE, consumed by a and stamped. */
static void scene_get_cookie(struct scene *s, uint64_t now)
{
	uint8_t reply[MESSAGE_COOKIE_LEN], cookie[MAC_LEN], seal_key[KEY_LEN];
	struct message_header header;

	assert_int_equal(cookie_build(&s->jar, &s->env, s->b.cookie_key, s->msg, s->len, &s->source,
				 reply, now),
		0);
	assert_int_equal(message_peek(reply, sizeof reply, &header), 0);
	assert_int_equal(header.type, MESSAGE_COOKIE);
	assert_int_equal(header.receiver, 0x1234);
	cookie_seal_key(seal_key, s->b.public_key);
	assert_int_equal(cookie_consume(reply, sizeof reply, s->hs.mac1, seal_key, cookie), 0);
	cookie_stamp_mac2(s->msg, s->len, cookie);
}

static void a_cookie_makes_mac2_valid(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	assert_false(mac2_good(&s, "198.51.100.7:40000", START));
	scene_get_cookie(&s, START);
	assert_true(handshake_check_mac1(&s.b, s.msg, s.len));
	assert_true(mac2_good(&s, "198.51.100.7:40000", START));
	assert_false(mac2_good(&s, "198.51.100.7:40001", START));
	assert_false(mac2_good(&s, "198.51.100.8:40000", START));
	assert_false(mac2_good(&s, "[::ffff:c633:6407]:40000", START));
	s.msg[100] ^= 1;
	assert_false(mac2_good(&s, "198.51.100.7:40000", START));
	s.msg[100] ^= 1;
	s.msg[s.len - 1] ^= 1;
	assert_false(mac2_good(&s, "198.51.100.7:40000", START));
}

/* The secret changes at 120 s; the one before is good for 5 s more, and never again after. */
static void cookies_end_with_their_secret(void **state)
{
	static const struct {
		unsigned made_s, used_ms;
		bool good;
	} cases[] = {
		{0, 0, true},
		{0, 119999, true},
		{0, 120000, true},
		{0, 124999, true},
		{0, 125000, false},
		{119, 124999, true},
		{119, 125000, false},
		{0, 3600000, false}, /* a quiet hour does not revive it */
		{120, 239999, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct scene s;
		scene_init(&s);
		scene_get_cookie(&s, START + cases[i].made_s * NS_PER_S);
		assert_int_equal(
			mac2_good(&s, "198.51.100.7:40000", START + cases[i].used_ms * NS_PER_MS),
			cases[i].good);
	}
}

static void two_changes_end_a_cookie(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	scene_get_cookie(&s, START);
	assert_true(mac2_good(&s, "198.51.100.7:40000", START + 121 * NS_PER_S));
	assert_false(mac2_good(&s, "198.51.100.7:40000", START + 241 * NS_PER_S));
	assert_false(mac2_good(&s, "198.51.100.7:40000", START + 242 * NS_PER_S));
}

static void a_cookie_is_for_one_message_and_one_responder(void **state)
{
	struct scene s;
	uint8_t reply[MESSAGE_COOKIE_LEN], cookie[MAC_LEN], key[KEY_LEN], mac1[MAC_LEN];

	(void)state;
	scene_init(&s);
	cookie_build(&s.jar, &s.env, s.b.cookie_key, s.msg, s.len, &s.source, reply, START);
	cookie_seal_key(key, s.b.public_key);
	memcpy(mac1, s.hs.mac1, sizeof mac1);
	mac1[0] ^= 1;
	assert_int_equal(cookie_consume(reply, sizeof reply, mac1, key, cookie), ERR_AUTH);
	cookie_seal_key(key, s.a.public_key);
	assert_int_equal(cookie_consume(reply, sizeof reply, s.hs.mac1, key, cookie), ERR_AUTH);
	cookie_seal_key(key, s.b.public_key);
	for (size_t i = 8; i < sizeof reply; i++) {
		reply[i] ^= 1;
		memset(cookie, 0xff, sizeof cookie);
		assert_int_equal(
			cookie_consume(reply, sizeof reply, s.hs.mac1, key, cookie), ERR_AUTH);
		assert_true(fixture_is_zero(cookie, sizeof cookie));
		reply[i] ^= 1;
	}
	for (size_t len = 0; len < sizeof reply; len++)
		assert_int_not_equal(cookie_consume(reply, len, s.hs.mac1, key, cookie), 0);
	assert_int_equal(cookie_consume(s.msg, s.len, s.hs.mac1, key, cookie), ERR_MALFORMED);
	assert_int_equal(cookie_consume(reply, sizeof reply, s.hs.mac1, key, cookie), 0);
}

static void only_handshakes_are_answered(void **state)
{
	struct scene s;
	uint8_t reply[MESSAGE_COOKIE_LEN], again[MESSAGE_COOKIE_LEN];

	(void)state;
	scene_init(&s);
	cookie_build(&s.jar, &s.env, s.b.cookie_key, s.msg, s.len, &s.source, reply, START);
	assert_int_equal(cookie_build(&s.jar, &s.env, s.b.cookie_key, reply, sizeof reply,
				 &s.source, again, START),
		ERR_MALFORMED);
	assert_int_equal(
		cookie_build(&s.jar, &s.env, s.b.cookie_key, s.msg, 100, &s.source, again, START),
		ERR_MALFORMED);
}

static void short_messages_have_no_macs(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	for (size_t len = 0; len < 36; len++) {
		assert_false(cookie_check_mac1(s.msg, len, s.b.mac1_key));
		assert_false(cookie_check_mac2(&s.jar, &s.env, s.msg, len, &s.source, START));
	}
	cookie_jar_wipe(&s.jar);
	assert_true(fixture_is_zero(&s.jar, sizeof s.jar));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cookie_makes_mac2_valid),
		cmocka_unit_test(cookies_end_with_their_secret),
		cmocka_unit_test(two_changes_end_a_cookie),
		cmocka_unit_test(a_cookie_is_for_one_message_and_one_responder),
		cmocka_unit_test(only_handshakes_are_answered),
		cmocka_unit_test(short_messages_have_no_macs),
	};

	if (prim_init() != 0)
		return 1;
	return cmocka_run_group_tests_name("cookie", tests, NULL, NULL);
}
