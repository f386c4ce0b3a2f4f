/*
 * INITIATION and RESPONSE between two identities:
 *
 *   a (initiator)                              b (responder)
 *   handshake_initiate  -- INITIATION -->      check_mac1, begin, offer
 *   check_mac1, finish  <-- RESPONSE --        respond
 *   traffic keys                               traffic keys
 */
#include "core/crypto/handshake.h"

#include "core/base/err.h"
#include "core/crypto/aead.h"
#include "core/crypto/cookie.h"
#include "core/crypto/reset.h"
#include "core/crypto/sealed.h"
#include "crypto_fixture.h"

#define A_INDEX 0x0abcde1
#define B_INDEX 0x0123459

static uint8_t certificate[HANDSHAKE_CERTIFICATE_MAX] = {0xc0, 0xff, 0xee};

struct pair {
	struct handshake_identity a, b;
	struct handshake ha, hb;
	struct fixture_random random;
	struct env env;
	struct handshake_offer offer, offered;
	struct handshake_answer answer, answered;
	uint8_t initiation[MESSAGE_INITIATION_MAX], response[MESSAGE_RESPONSE_MAX];
	size_t initiation_len, response_len;
};

static void pair_init(struct pair *p)
{
	*p = (struct pair){.random = {.state = 42}};
	p->env = fixture_env(&p->random);
	fixture_identity(&p->a, 0xa1, NULL);
	fixture_identity(&p->b, 0xb2, NULL);
	p->offer = (struct handshake_offer){
		.index = A_INDEX,
		.ciphers = 0x07,
		.preferred = AEAD_AES_256_GCM,
		.flags = HANDSHAKE_REKEY | HANDSHAKE_AFTER_PUNCH,
		.features = 0x80000001,
		.max_udp = 1452,
		.lanes = 3,
		.certificate = certificate,
		.certificate_len = 200,
		.build = "warren test",
	};
	handshake_timestamp(p->offer.timestamp, 1700000000, 5);
	p->answer = (struct handshake_answer){
		.index = B_INDEX,
		.cipher = AEAD_AES_256_GCM,
		.ciphers = 0x03,
		.features = 0x40000000,
		.max_udp = 1400,
		.lanes = 16,
		.unix_s = 1700000001,
		.certificate = certificate,
		.certificate_len = 180,
		.build = "warren test",
	};
	assert_true(endpoint_parse("192.0.2.1:4754", 0, &p->answer.seen));
}

static void pair_initiate(struct pair *p)
{
	int len = handshake_initiate(&p->ha, &p->a, &p->env, p->b.public_key, NULL, &p->offer,
		p->initiation, sizeof p->initiation);

	assert_true(len >= MESSAGE_INITIATION_MIN && len <= MESSAGE_INITIATION_MAX);
	p->initiation_len = (size_t)len;
}

/* b reads the INITIATION from a copy, as a datagram is read once. */
static int pair_receive(struct pair *p)
{
	static uint8_t copy[MESSAGE_INITIATION_MAX]; /* lives on for the borrowed certificate */
	uint8_t initiator[KEY_LEN];

	memcpy(copy, p->initiation, sizeof copy);
	int rc = handshake_begin(&p->hb, &p->b, copy, p->initiation_len, initiator);
	if (rc)
		assert_true(fixture_is_zero(initiator, sizeof initiator));
	else
		assert_memory_equal(initiator, p->a.public_key, KEY_LEN);
	return rc ? rc : handshake_offer(&p->hb, &p->offered);
}

static void pair_respond(struct pair *p)
{
	int len = handshake_respond(
		&p->hb, &p->env, NULL, &p->answer, p->response, sizeof p->response);

	assert_true(len >= MESSAGE_RESPONSE_MIN && len <= MESSAGE_RESPONSE_MAX);
	p->response_len = (size_t)len;
}

static int pair_finish(struct pair *p)
{
	static uint8_t copy[MESSAGE_RESPONSE_MAX];

	memcpy(copy, p->response, sizeof copy);
	return handshake_finish(&p->ha, copy, p->response_len, &p->answered);
}

/* Up to a RESPONSE that waits to be read. */
static void pair_to_response(struct pair *p)
{
	pair_init(p);
	pair_initiate(p);
	assert_int_equal(pair_receive(p), 0);
	pair_respond(p);
}

static void check_offer_arrived(const struct pair *p)
{
	const struct handshake_offer *sent = &p->offer, *got = &p->offered;
	uint8_t token[MAC_LEN];

	assert_int_equal(got->index, A_INDEX);
	assert_memory_equal(got->timestamp, sent->timestamp, HANDSHAKE_TIMESTAMP_LEN);
	assert_int_equal(got->ciphers, sent->ciphers);
	assert_int_equal(got->preferred, sent->preferred);
	assert_int_equal(got->flags, sent->flags);
	assert_int_equal(got->psk_id, 0);
	assert_int_equal(got->features, sent->features);
	assert_int_equal(got->max_udp, sent->max_udp);
	assert_int_equal(got->lanes, sent->lanes);
	reset_token(token, p->a.reset_key, A_INDEX);
	assert_memory_equal(got->reset_token, token, MAC_LEN);
	assert_int_equal(got->certificate_len, sent->certificate_len);
	assert_memory_equal(got->certificate, certificate, got->certificate_len);
	assert_false(got->enrol);
	assert_string_equal(got->build, sent->build);
}

static void check_answer_arrived(const struct pair *p)
{
	const struct handshake_answer *sent = &p->answer, *got = &p->answered;
	uint8_t token[MAC_LEN];

	assert_int_equal(got->index, B_INDEX);
	assert_int_equal(got->cipher, sent->cipher);
	assert_int_equal(got->ciphers, sent->ciphers);
	assert_int_equal(got->flags, 0);
	assert_int_equal(got->features, sent->features);
	assert_int_equal(got->max_udp, sent->max_udp);
	assert_int_equal(got->lanes, sent->lanes);
	assert_int_equal(got->unix_s, sent->unix_s);
	reset_token(token, p->b.reset_key, B_INDEX);
	assert_memory_equal(got->reset_token, token, MAC_LEN);
	assert_true(endpoint_equal(&got->seen, &sent->seen));
	assert_int_equal(got->certificate_len, sent->certificate_len);
	assert_memory_equal(got->certificate, certificate, got->certificate_len);
	assert_string_equal(got->build, sent->build);
}

static void both_sides_agree(void **state)
{
	struct pair p;
	uint8_t a_tx[KEY_LEN], a_rx[KEY_LEN], b_tx[KEY_LEN], b_rx[KEY_LEN];

	(void)state;
	pair_init(&p);
	pair_initiate(&p);
	assert_true(handshake_check_mac1(&p.b, p.initiation, p.initiation_len));
	assert_false(handshake_check_mac1(&p.a, p.initiation, p.initiation_len));
	assert_int_equal(pair_receive(&p), 0);
	check_offer_arrived(&p);
	pair_respond(&p);
	assert_true(handshake_check_mac1(&p.a, p.response, p.response_len));
	assert_int_equal(pair_finish(&p), 0);
	check_answer_arrived(&p);

	assert_int_equal(p.ha.local_index, A_INDEX);
	assert_int_equal(p.ha.remote_index, B_INDEX);
	assert_int_equal(p.hb.local_index, B_INDEX);
	assert_int_equal(p.hb.remote_index, A_INDEX);
	assert_memory_equal(p.hb.noise.rs, p.a.public_key, KEY_LEN);
	uint8_t before[KEY_LEN] = {0};
	for (uint8_t cipher = 0; cipher <= AEAD_AEGIS_256; cipher++) {
		assert_int_equal(handshake_traffic_keys(&p.ha, cipher, a_tx, a_rx), 0);
		assert_int_equal(handshake_traffic_keys(&p.hb, cipher, b_tx, b_rx), 0);
		assert_memory_equal(a_tx, b_rx, KEY_LEN);
		assert_memory_equal(a_rx, b_tx, KEY_LEN);
		assert_memory_not_equal(a_tx, a_rx, KEY_LEN);
		assert_memory_not_equal(a_tx, before, KEY_LEN); /* each cipher its own */
		memcpy(before, a_tx, KEY_LEN);
	}
	handshake_wipe(&p.ha);
	assert_true(fixture_is_zero(&p.ha, sizeof p.ha));
	assert_int_equal(handshake_traffic_keys(&p.ha, 0, a_tx, a_rx), ERR_MALFORMED);
	assert_true(fixture_is_zero(a_tx, KEY_LEN));
}

static void sealed_data_flows_with_each_cipher(void **state)
{
	(void)state;
	for (uint8_t cipher = 0; cipher <= AEAD_AEGIS_256; cipher++) {
		struct pair p;
		struct aead_key seal, open;
		uint8_t tx[KEY_LEN], rx[KEY_LEN], datagram[128];
		if (!aead_find(cipher)) {
			print_message("cipher %u is not available here\n", cipher);
			continue;
		}
		pair_init(&p);
		p.answer.cipher = cipher;
		pair_initiate(&p);
		assert_int_equal(pair_receive(&p), 0);
		pair_respond(&p);
		assert_int_equal(pair_finish(&p), 0);

		handshake_traffic_keys(&p.ha, p.answered.cipher, tx, rx);
		assert_int_equal(aead_key_init(&seal, p.answered.cipher, tx), 0);
		handshake_traffic_keys(&p.hb, p.answer.cipher, tx, rx);
		assert_int_equal(aead_key_init(&open, cipher, rx), 0);
		const struct sealed_header header = {p.ha.remote_index, 1, 0};
		size_t len =
			sealed_seal(&seal, &header, datagram, (const uint8_t *)"keep alive", 10);
		struct sealed_header parsed;
		assert_true(sealed_parse(datagram, len, &parsed));
		assert_int_equal(parsed.index, p.hb.local_index);
		uint8_t plain[10];
		assert_int_equal(sealed_open(&open, &parsed, plain, datagram, len), 10);
		assert_memory_equal(plain, "keep alive", 10);
	}
}

/* Whatever the certificates: INITIATION 640 .. 1228, RESPONSE no longer than it and than 640. */
static void lengths_hold_for_every_certificate(void **state)
{
	(void)state;
	for (uint16_t len = 1; len <= HANDSHAKE_CERTIFICATE_MAX; len++) {
		struct pair p;
		pair_init(&p);
		p.offer.certificate_len = len;
		p.answer.certificate_len = HANDSHAKE_CERTIFICATE_MAX + 1 - len;
		memset(p.offer.build, 'x', HANDSHAKE_BUILD_MAX);
		memset(p.answer.build, 'x', HANDSHAKE_BUILD_MAX);
		pair_initiate(&p);
		assert_int_equal(pair_receive(&p), 0);
		assert_int_equal(p.offered.certificate_len, len);
		pair_respond(&p);
		assert_true(p.response_len <= p.initiation_len);
		assert_int_equal(pair_finish(&p), 0);
		assert_int_equal(p.answered.certificate_len, p.answer.certificate_len);
	}
}

/* The longest certificate leaves 30 bytes: a build string of 26 fits, one of 27 stays at home. */
static void the_build_string_is_sent_only_if_it_fits(void **state)
{
	(void)state;
	for (size_t len = 26; len <= 27; len++) {
		struct pair p;
		pair_init(&p);
		p.answer.certificate_len = HANDSHAKE_CERTIFICATE_MAX;
		memset(p.answer.build, 0, sizeof p.answer.build);
		memset(p.answer.build, 'x', len);
		pair_initiate(&p);
		assert_int_equal(pair_receive(&p), 0);
		pair_respond(&p);
		assert_int_equal(pair_finish(&p), 0);
		assert_int_equal(strlen(p.answered.build), len == 26 ? 26 : 0);
	}
}

static void a_psk_is_named_and_must_match(void **state)
{
	static const uint8_t key[KEY_LEN] = {0x5e, 0xc1};
	struct pair p;

	(void)state;
	/* The network's psk on both sides. */
	pair_init(&p);
	fixture_identity(&p.a, 0xa1, key);
	fixture_identity(&p.b, 0xb2, key);
	pair_initiate(&p);
	assert_int_equal(pair_receive(&p), 0);
	assert_int_equal(p.offered.psk_id, handshake_psk_id(key));
	assert_int_not_equal(p.offered.psk_id, 0);
	pair_respond(&p);
	assert_int_equal(pair_finish(&p), 0);
	assert_int_equal(p.answered.psk_id, p.offered.psk_id);

	/* b has none: it cannot answer. */
	fixture_identity(&p.b, 0xb2, NULL);
	pair_initiate(&p);
	assert_int_equal(pair_receive(&p), 0);
	assert_int_equal(
		handshake_respond(&p.hb, &p.env, NULL, &p.answer, p.response, sizeof p.response),
		ERR_AUTH);
	assert_true(fixture_is_zero(&p.hb, sizeof p.hb));

	/* b has another under the same name: a finds out. */
	struct handshake_psk wrong = {.id = handshake_psk_id(key), .key = {0xbb}};
	assert_int_equal(pair_receive(&p), 0);
	assert_true(handshake_respond(
			    &p.hb, &p.env, &wrong, &p.answer, p.response, sizeof p.response) > 0);
	assert_int_equal(pair_finish(&p), ERR_AUTH);
}

static void an_enrolment_has_no_certificate(void **state)
{
	struct pair p;
	struct handshake_psk psk = {.id = 77, .key = {1, 2, 3}};

	(void)state;
	pair_init(&p);
	p.offer.certificate_len = 0;
	assert_int_equal(handshake_initiate(&p.ha, &p.a, &p.env, p.b.public_key, &psk, &p.offer,
				 p.initiation, sizeof p.initiation),
		ERR_MALFORMED);
	p.offer.enrol = true;
	memset(p.offer.enrol_id, 0xe1, sizeof p.offer.enrol_id);
	p.initiation_len = (size_t)handshake_initiate(&p.ha, &p.a, &p.env, p.b.public_key, &psk,
		&p.offer, p.initiation, sizeof p.initiation);
	assert_int_equal(p.initiation_len, MESSAGE_INITIATION_MIN);
	assert_int_equal(pair_receive(&p), 0);
	assert_true(p.offered.enrol);
	assert_memory_equal(p.offered.enrol_id, p.offer.enrol_id, HANDSHAKE_ENROL_LEN);
	assert_int_equal(p.offered.psk_id, 77);
	assert_int_equal(p.offered.certificate_len, 0);
	p.response_len = (size_t)handshake_respond(
		&p.hb, &p.env, &psk, &p.answer, p.response, sizeof p.response);
	assert_int_equal(pair_finish(&p), 0);
}

static void another_network_or_responder_fails(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p);
	p.b.network_id[31] ^= 1;
	pair_initiate(&p);
	assert_int_equal(pair_receive(&p), ERR_AUTH);
	pair_init(&p);
	pair_initiate(&p);
	fixture_identity(&p.b, 0xb3, NULL);
	assert_int_equal(pair_receive(&p), ERR_AUTH);
}

/* Even for somebody who can make mac1 anew: a change anywhere before the MACs is found. */
static void every_changed_byte_of_an_initiation_fails(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p);
	pair_initiate(&p);
	for (size_t i = 0; i < p.initiation_len; i++) {
		p.initiation[i] ^= 0x20;
		bool mac2 = i >= p.initiation_len - MAC_LEN;
		assert_int_equal(handshake_check_mac1(&p.b, p.initiation, p.initiation_len), mac2);
		bool mac = i >= p.initiation_len - COOKIE_MACS_LEN;
		int rc = pair_receive(&p);
		assert_int_equal(rc == 0, mac);
		if (!mac) {
			assert_true(fixture_is_zero(&p.offered, sizeof p.offered));
			assert_true(fixture_is_zero(&p.hb, sizeof p.hb));
			assert_int_equal(handshake_respond(&p.hb, &p.env, NULL, &p.answer,
						 p.response, sizeof p.response),
				ERR_MALFORMED);
		}
		memset(&p.offered, 0, sizeof p.offered);
		p.initiation[i] ^= 0x20;
	}
	assert_int_equal(pair_receive(&p), 0);
}

/* A forged RESPONSE is refused and does not end the handshake: the true one is still taken. */
static void every_changed_byte_of_a_response_fails(void **state)
{
	struct pair p;
	uint8_t tx[KEY_LEN], rx[KEY_LEN];

	(void)state;
	pair_to_response(&p);
	for (size_t i = 0; i < p.response_len - COOKIE_MACS_LEN; i++) {
		p.response[i] ^= 0x20;
		assert_false(handshake_check_mac1(&p.a, p.response, p.response_len));
		memset(&p.answered, 0xff, sizeof p.answered);
		assert_int_not_equal(pair_finish(&p), 0);
		assert_true(fixture_is_zero(&p.answered, sizeof p.answered));
		assert_int_equal(handshake_traffic_keys(&p.ha, 0, tx, rx), ERR_MALFORMED);
		p.response[i] ^= 0x20;
	}
	for (size_t cut = 0; cut < p.response_len; cut++) {
		size_t len = p.response_len;
		p.response_len = cut;
		assert_int_not_equal(pair_finish(&p), 0);
		p.response_len = len;
	}
	assert_int_equal(pair_finish(&p), 0);
	assert_int_equal(pair_finish(&p), ERR_MALFORMED); /* once only */
	assert_int_equal(handshake_traffic_keys(&p.ha, 0, tx, rx), 0);
}

/* The RESPONSE to one INITIATION is nothing to another. */
static void a_response_answers_one_initiation_only(void **state)
{
	struct pair p;

	(void)state;
	pair_to_response(&p);
	pair_initiate(&p);
	assert_int_equal(pair_finish(&p), ERR_AUTH);
	p.offer.index = 5;
	pair_initiate(&p);
	assert_int_equal(pair_finish(&p), ERR_MALFORMED);
}

static void an_initiation_replayed_gives_other_keys(void **state)
{
	struct pair p;
	uint8_t first_tx[KEY_LEN], again_tx[KEY_LEN], rx[KEY_LEN];

	(void)state;
	pair_to_response(&p);
	handshake_traffic_keys(&p.hb, 0, first_tx, rx);
	assert_int_equal(pair_receive(&p), 0);
	pair_respond(&p);
	handshake_traffic_keys(&p.hb, 0, again_tx, rx);
	assert_memory_not_equal(first_tx, again_tx, KEY_LEN);
}

static void bad_offers_and_answers_are_refused_when_sent(void **state)
{
	struct pair p;
	const struct handshake_offer bad_offers[] = {
		{.index = 0, .ciphers = 1, .lanes = 1, .certificate_len = 1},
		{.index = 1u << 28, .ciphers = 1, .lanes = 1, .certificate_len = 1},
		{.index = 1, .ciphers = 6, .lanes = 1, .certificate_len = 1},
		{.index = 1, .ciphers = 1, .lanes = 0, .certificate_len = 1},
		{.index = 1, .ciphers = 1, .lanes = 17, .certificate_len = 1},
		{.index = 1, .ciphers = 1, .lanes = 1, .certificate_len = 449},
		{.index = 1, .ciphers = 1, .lanes = 1, .preferred = 3, .certificate_len = 1},
	};
	const struct handshake_answer bad_answers[] = {
		{.index = 0, .lanes = 1},
		{.index = 1u << 28, .lanes = 1},
		{.index = 1, .lanes = 0},
		{.index = 1, .lanes = 17},
		{.index = 1, .lanes = 1, .certificate_len = 449},
		{.index = 1, .lanes = 1, .cipher = 2}, /* not offered */
		{.index = 1, .lanes = 1, .cipher = 3},
		{.index = 1, .lanes = 1, .cipher = 200},
	};

	(void)state;
	pair_init(&p);
	for (size_t i = 0; i < sizeof bad_offers / sizeof *bad_offers; i++) {
		struct handshake_offer offer = bad_offers[i];
		offer.certificate = certificate;
		assert_int_equal(handshake_initiate(&p.ha, &p.a, &p.env, p.b.public_key, NULL,
					 &offer, p.initiation, sizeof p.initiation),
			ERR_MALFORMED);
		assert_true(fixture_is_zero(&p.ha, sizeof p.ha));
	}
	for (size_t i = 0; i < sizeof bad_answers / sizeof *bad_answers; i++) {
		struct handshake_answer answer = bad_answers[i];
		answer.certificate = certificate;
		pair_init(&p);
		p.offer.ciphers = 0x03;
		pair_initiate(&p);
		assert_int_equal(pair_receive(&p), 0);
		assert_int_equal(handshake_respond(&p.hb, &p.env, NULL, &answer, p.response,
					 sizeof p.response),
			ERR_MALFORMED);
		assert_true(fixture_is_zero(&p.hb, sizeof p.hb));
	}
}

static void no_room_is_an_error(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p);
	for (size_t cap = 0; cap < MESSAGE_INITIATION_MIN; cap++)
		assert_int_equal(handshake_initiate(&p.ha, &p.a, &p.env, p.b.public_key, NULL,
					 &p.offer, p.initiation, cap),
			ERR_NO_SPACE);
	pair_to_response(&p);
	size_t build = 4 + strlen(p.answer.build);
	for (size_t cap = 0; cap < p.response_len - build; cap += 7) {
		assert_int_equal(pair_receive(&p), 0);
		assert_int_equal(handshake_respond(&p.hb, &p.env, NULL, &p.answer, p.response, cap),
			ERR_NO_SPACE);
		assert_true(fixture_is_zero(&p.hb, sizeof p.hb));
	}
}

/* Known points of small order on the curve and its twist; X25519 with them gives zero. */
static void peers_of_low_order_are_refused(void **state)
{
	static const char *const low[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	};
	struct pair p;

	(void)state;
	pair_init(&p);
	for (size_t i = 0; i < sizeof low / sizeof *low; i++) {
		uint8_t key[KEY_LEN];
		fixture_hex(low[i], key, sizeof key);
		assert_int_equal(handshake_initiate(&p.ha, &p.a, &p.env, key, NULL, &p.offer,
					 p.initiation, sizeof p.initiation),
			ERR_AUTH);
		pair_initiate(&p);
		memcpy(p.initiation + 8, key, KEY_LEN);
		assert_int_equal(pair_receive(&p), ERR_AUTH);
		pair_to_response(&p);
		memcpy(p.response + 12, key, KEY_LEN);
		assert_int_equal(pair_finish(&p), ERR_AUTH);
	}
}

static void steps_out_of_order_fail(void **state)
{
	struct pair p;
	uint8_t initiator[KEY_LEN];

	(void)state;
	pair_init(&p);
	pair_initiate(&p);
	assert_int_equal(handshake_offer(&p.hb, &p.offered), ERR_MALFORMED);
	assert_int_equal(pair_finish(&p), ERR_TRUNCATED);
	assert_int_equal(
		handshake_begin(&p.hb, &p.b, p.initiation, p.initiation_len, initiator), 0);
	assert_int_equal(
		handshake_respond(&p.hb, &p.env, NULL, &p.answer, p.response, sizeof p.response),
		ERR_MALFORMED);
	assert_int_equal(handshake_offer(&p.hb, &p.offered), ERR_MALFORMED);
	pair_to_response(&p);
	assert_int_equal(
		handshake_begin(&p.hb, &p.b, p.response, p.response_len, initiator), ERR_MALFORMED);
	assert_int_equal(handshake_finish(&p.ha, p.initiation, p.initiation_len, &p.answered),
		ERR_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_sides_agree),
		cmocka_unit_test(sealed_data_flows_with_each_cipher),
		cmocka_unit_test(lengths_hold_for_every_certificate),
		cmocka_unit_test(the_build_string_is_sent_only_if_it_fits),
		cmocka_unit_test(a_psk_is_named_and_must_match),
		cmocka_unit_test(an_enrolment_has_no_certificate),
		cmocka_unit_test(another_network_or_responder_fails),
		cmocka_unit_test(every_changed_byte_of_an_initiation_fails),
		cmocka_unit_test(every_changed_byte_of_a_response_fails),
		cmocka_unit_test(a_response_answers_one_initiation_only),
		cmocka_unit_test(an_initiation_replayed_gives_other_keys),
		cmocka_unit_test(bad_offers_and_answers_are_refused_when_sent),
		cmocka_unit_test(no_room_is_an_error),
		cmocka_unit_test(peers_of_low_order_are_refused),
		cmocka_unit_test(steps_out_of_order_fail),
	};

	if (prim_init() != 0)
		return 1;
	return cmocka_run_group_tests_name("handshake", tests, NULL, NULL);
}
