/*
 * The Noise core against the published vectors (test/vectors/noise), and what it does with input
 * that is wrong. The patterns other than IKpsk2 are here to prove the interpreter.
 */
#include "core/crypto/noise.h"

#include "core/base/err.h"
#include "crypto_fixture.h"

#include <jansson.h>
#include <sodium.h> /* Noise's transport messages have no AAD, ours always have: made by hand */

#define MESSAGE_MAX 512

static const struct noise_pattern patterns[] = {
	{
		.name = "Noise_XX_25519_ChaChaPoly_BLAKE2b",
		.n_messages = 3,
		.messages = {{NOISE_E}, {NOISE_E, NOISE_EE, NOISE_S, NOISE_ES},
			{NOISE_S, NOISE_SE}},
	},
	{
		.name = "Noise_XXpsk3_25519_ChaChaPoly_BLAKE2b",
		.n_messages = 3,
		.messages = {{NOISE_E}, {NOISE_E, NOISE_EE, NOISE_S, NOISE_ES},
			{NOISE_S, NOISE_SE, NOISE_PSK}},
	},
	{
		.name = "Noise_IK_25519_ChaChaPoly_BLAKE2b",
		.responder_known = true,
		.n_messages = 2,
		.messages = {{NOISE_E, NOISE_ES, NOISE_S, NOISE_SS}, {NOISE_E, NOISE_EE, NOISE_SE}},
	},
	{
		.name = "Noise_IKpsk1_25519_ChaChaPoly_BLAKE2b",
		.responder_known = true,
		.n_messages = 2,
		.messages = {{NOISE_E, NOISE_ES, NOISE_S, NOISE_SS, NOISE_PSK},
			{NOISE_E, NOISE_EE, NOISE_SE}},
	},
	{
		.name = "Noise_IKpsk0+psk2_25519_ChaChaPoly_BLAKE2b",
		.responder_known = true,
		.n_messages = 2,
		.messages = {{NOISE_PSK, NOISE_E, NOISE_ES, NOISE_S, NOISE_SS},
			{NOISE_E, NOISE_EE, NOISE_SE, NOISE_PSK}},
	},
};

static const struct noise_pattern *find_pattern(const char *name)
{
	if (strcmp(name, noise_ikpsk2.name) == 0)
		return &noise_ikpsk2;
	for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
		if (strcmp(name, patterns[i].name) == 0)
			return &patterns[i];
	return NULL;
}

/* One side of a vector. */
struct side {
	struct noise noise;
	uint8_t secret[KEY_LEN], public_key[KEY_LEN];
	uint8_t tx[KEY_LEN], rx[KEY_LEN];
	uint64_t tx_nonce, rx_nonce;
	json_t *psks;
	size_t psks_used;
};

static size_t hex_member(
	json_t *object, const char *side, const char *key, uint8_t *out, size_t cap)
{
	char name[64];

	snprintf(name, sizeof name, "%s_%s", side, key);
	const char *hex = json_string_value(json_object_get(object, name));
	return hex ? fixture_hex(hex, out, cap) : 0;
}

static void side_begin(
	struct side *s, const struct noise_pattern *pattern, json_t *vector, bool init)
{
	const char *who = init ? "init" : "resp";
	uint8_t prologue[64], ephemeral[KEY_LEN], remote[KEY_LEN];
	char psks[16];

	*s = (struct side){0};
	assert_int_equal(hex_member(vector, who, "static", s->secret, KEY_LEN), KEY_LEN);
	assert_int_equal(hex_member(vector, who, "ephemeral", ephemeral, KEY_LEN), KEY_LEN);
	prim_dh_public(s->public_key, s->secret);
	size_t prologue_len = hex_member(vector, who, "prologue", prologue, sizeof prologue);
	bool known = hex_member(vector, who, "remote_static", remote, KEY_LEN) == KEY_LEN;
	assert_int_equal(known, init && pattern->responder_known);
	assert_int_equal(noise_begin(&s->noise, pattern, init, s->secret, s->public_key,
				 known ? remote : NULL, PRIM_PARTS({prologue, prologue_len})),
		0);
	noise_set_ephemeral(&s->noise, ephemeral);
	snprintf(psks, sizeof psks, "%s_psks", who);
	s->psks = json_object_get(vector, psks);
}

/* Each psk token takes the next psk of the list. */
static void side_next_psk(struct side *s)
{
	uint8_t psk[KEY_LEN];

	if (s->noise.has_psk || s->psks_used >= json_array_size(s->psks))
		return;
	const char *hex = json_string_value(json_array_get(s->psks, s->psks_used++));
	assert_int_equal(fixture_hex(hex, psk, sizeof psk), KEY_LEN);
	noise_set_psk(&s->noise, psk);
}

static void handshake_message(struct side *from, struct side *to, const uint8_t *payload,
	size_t payload_len, const uint8_t *expected, size_t expected_len)
{
	uint8_t out[MESSAGE_MAX];
	struct writer w = writer_of(out, sizeof out);

	side_next_psk(from);
	side_next_psk(to);
	assert_int_equal(noise_write(&from->noise, &w, payload, payload_len), 0);
	assert_int_equal(writer_len(&w), expected_len);
	assert_memory_equal(out, expected, expected_len);

	uint8_t opened[MESSAGE_MAX];
	struct reader r = reader_of(expected, expected_len);
	assert_int_equal(noise_read_payload(&to->noise, &r, opened), payload_len);
	assert_memory_equal(opened, payload, payload_len);
}

static void transport_nonce(uint8_t nonce[12], uint64_t n)
{
	memset(nonce, 0, 12);
	nonce[4] = (uint8_t)n; /* vectors have a handful of messages */
}

static void transport_message(struct side *from, struct side *to, const uint8_t *payload,
	size_t payload_len, const uint8_t *expected, size_t expected_len)
{
	uint8_t out[MESSAGE_MAX], nonce[12];
	unsigned long long len;

	transport_nonce(nonce, from->tx_nonce++);
	crypto_aead_chacha20poly1305_ietf_encrypt(
		out, &len, payload, payload_len, NULL, 0, NULL, nonce, from->tx);
	assert_int_equal(len, expected_len);
	assert_memory_equal(out, expected, expected_len);
	transport_nonce(nonce, to->rx_nonce++);
	assert_int_equal(crypto_aead_chacha20poly1305_ietf_decrypt(
				 out, &len, NULL, expected, expected_len, NULL, 0, nonce, to->rx),
		0);
	assert_memory_equal(out, payload, payload_len);
}

static void check_hash(const struct side *sides, json_t *vector)
{
	uint8_t hash[NOISE_HASH_LEN];
	const char *hex = json_string_value(json_object_get(vector, "handshake_hash"));

	assert_memory_equal(sides[0].noise.h, sides[1].noise.h, NOISE_HASH_LEN);
	if (!hex)
		return;
	assert_int_equal(fixture_hex(hex, hash, sizeof hash), sizeof hash);
	assert_memory_equal(sides[0].noise.h, hash, sizeof hash);
}

static void run_vector(json_t *vector)
{
	const char *name = json_string_value(json_object_get(vector, "protocol_name"));
	if (!name)
		name = json_string_value(json_object_get(vector, "name"));
	const struct noise_pattern *pattern = find_pattern(name);
	assert_non_null(pattern);
	struct side sides[2]; /* initiator, responder */
	side_begin(&sides[0], pattern, vector, true);
	side_begin(&sides[1], pattern, vector, false);

	json_t *message;
	size_t i;
	json_array_foreach(json_object_get(vector, "messages"), i, message)
	{
		uint8_t payload[MESSAGE_MAX], expected[MESSAGE_MAX];
		size_t payload_len =
			fixture_hex(json_string_value(json_object_get(message, "payload")), payload,
				sizeof payload);
		size_t expected_len =
			fixture_hex(json_string_value(json_object_get(message, "ciphertext")),
				expected, sizeof expected);
		struct side *from = &sides[i % 2], *to = &sides[1 - i % 2];
		if (i < pattern->n_messages)
			handshake_message(from, to, payload, payload_len, expected, expected_len);
		else
			transport_message(from, to, payload, payload_len, expected, expected_len);
		if (i + 1 != pattern->n_messages)
			continue;
		check_hash(sides, vector);
		for (size_t s = 0; s < 2; s++) {
			assert_true(noise_is_done(&sides[s].noise));
			assert_int_equal(noise_split(&sides[s].noise, sides[s].tx, sides[s].rx), 0);
		}
	}
	assert_true(i > pattern->n_messages);
}

static void published_vectors_pass(void **state)
{
	static const char *const files[] = {"cacophony", "snow", "noise-c"};
	size_t run = 0;

	(void)state;
	for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
		char path[512];
		snprintf(path, sizeof path, "%s/noise/%s-25519-ChaChaPoly-BLAKE2b.json",
			TEST_VECTORS, files[f]);
		json_t *root = json_load_file(path, 0, NULL), *vector;
		size_t i;
		assert_non_null(root);
		json_array_foreach(json_object_get(root, "vectors"), i, vector)
		{
			run_vector(vector);
			run++;
		}
		json_decref(root);
	}
	assert_int_equal(run, 10);
}

/* An IKpsk2 pair with fixed keys, at its beginning. */
static void pair_begin(struct side *initiator, struct side *responder)
{
	static const uint8_t psk[KEY_LEN] = {9};

	memset(initiator, 0, sizeof *initiator);
	memset(responder, 0, sizeof *responder);
	memset(initiator->secret, 1, KEY_LEN);
	memset(responder->secret, 2, KEY_LEN);
	prim_dh_public(initiator->public_key, initiator->secret);
	prim_dh_public(responder->public_key, responder->secret);
	assert_int_equal(noise_begin(&initiator->noise, &noise_ikpsk2, true, initiator->secret,
				 initiator->public_key, responder->public_key, NULL, 0),
		0);
	assert_int_equal(noise_begin(&responder->noise, &noise_ikpsk2, false, responder->secret,
				 responder->public_key, NULL, NULL, 0),
		0);
	noise_set_psk(&initiator->noise, psk);
	noise_set_psk(&responder->noise, psk);
	noise_set_ephemeral(&initiator->noise, (const uint8_t[KEY_LEN]){3});
	noise_set_ephemeral(&responder->noise, (const uint8_t[KEY_LEN]){4});
}

static size_t pair_first(struct side *initiator, uint8_t out[MESSAGE_MAX])
{
	struct writer w = writer_of(out, MESSAGE_MAX);

	assert_int_equal(noise_write(&initiator->noise, &w, (const uint8_t *)"hello", 5), 0);
	return writer_len(&w);
}

static void reading_stops_after_the_static_key(void **state)
{
	struct side initiator, responder;
	uint8_t message[MESSAGE_MAX], payload[MESSAGE_MAX];

	(void)state;
	pair_begin(&initiator, &responder);
	size_t len = pair_first(&initiator, message);
	struct reader r = reader_of(message, len);
	assert_int_equal(noise_read_tokens(&responder.noise, &r, NOISE_S), 0);
	assert_int_equal(reader_left(&r), 5 + NOISE_TAG_LEN);
	assert_true(responder.noise.has_rs);
	assert_memory_equal(responder.noise.rs, initiator.public_key, KEY_LEN);
	assert_int_equal(responder.noise.message, 0);
	assert_int_equal(noise_read_payload(&responder.noise, &r, payload), 5);
	assert_memory_equal(payload, "hello", 5);
}

static void failed_noise_is_wiped(const struct noise *n)
{
	assert_true(fixture_is_zero(n, sizeof *n));
}

static void every_truncation_fails(void **state)
{
	struct side initiator, responder;
	uint8_t message[MESSAGE_MAX], payload[MESSAGE_MAX];

	(void)state;
	pair_begin(&initiator, &responder);
	size_t len = pair_first(&initiator, message);
	for (size_t cut = 0; cut < len; cut++) {
		struct side unused;
		pair_begin(&unused, &responder);
		struct reader r = reader_of(message, cut);
		int rc = noise_read_payload(&responder.noise, &r, payload);
		assert_true(rc == ERR_TRUNCATED || rc == ERR_AUTH);
		failed_noise_is_wiped(&responder.noise);
	}
}

static void every_changed_byte_fails(void **state)
{
	struct side initiator, responder;
	uint8_t message[MESSAGE_MAX];

	(void)state;
	pair_begin(&initiator, &responder);
	size_t len = pair_first(&initiator, message);
	for (size_t i = 0; i < len; i++) {
		struct side unused;
		uint8_t payload[MESSAGE_MAX] = {0};
		pair_begin(&unused, &responder);
		message[i] ^= 0x40;
		struct reader r = reader_of(message, len);
		assert_int_equal(noise_read_payload(&responder.noise, &r, payload), ERR_AUTH);
		assert_true(fixture_is_zero(payload, sizeof payload));
		failed_noise_is_wiped(&responder.noise);
		struct reader again = reader_of(message, len);
		assert_int_equal(
			noise_read_payload(&responder.noise, &again, payload), ERR_MALFORMED);
		message[i] ^= 0x40;
	}
}

static void an_ephemeral_of_low_order_fails(void **state)
{
	struct side initiator, responder;
	uint8_t message[MESSAGE_MAX], payload[MESSAGE_MAX];

	(void)state;
	pair_begin(&initiator, &responder);
	size_t len = pair_first(&initiator, message);
	memset(message, 0, KEY_LEN);
	struct reader r = reader_of(message, len);
	assert_int_equal(noise_read_tokens(&responder.noise, &r, NOISE_ES), ERR_AUTH);
	failed_noise_is_wiped(&responder.noise);
	assert_int_equal(noise_read_payload(&responder.noise, &r, payload), ERR_MALFORMED);
}

static void a_remote_static_of_low_order_fails(void **state)
{
	struct side initiator, responder;
	uint8_t message[MESSAGE_MAX];
	static const uint8_t low[KEY_LEN] = {1};
	struct writer w = writer_of(message, sizeof message);

	(void)state;
	pair_begin(&initiator, &responder);
	assert_int_equal(noise_begin(&initiator.noise, &noise_ikpsk2, true, initiator.secret,
				 initiator.public_key, low, NULL, 0),
		0);
	noise_set_ephemeral(&initiator.noise, (const uint8_t[KEY_LEN]){3});
	assert_int_equal(noise_write(&initiator.noise, &w, NULL, 0), ERR_AUTH);
	failed_noise_is_wiped(&initiator.noise);
}

/* Calls out of order are refused, and end the handshake. */
static void misuse_fails(void **state)
{
	struct side initiator, responder;
	uint8_t message[MESSAGE_MAX], tx[KEY_LEN], rx[KEY_LEN];
	struct writer w = writer_of(message, sizeof message);
	struct reader r = reader_of(message, sizeof message);

	(void)state;
	pair_begin(&initiator, &responder);
	assert_int_equal(noise_write(&responder.noise, &w, NULL, 0), ERR_MALFORMED);
	failed_noise_is_wiped(&responder.noise);
	pair_begin(&initiator, &responder);
	assert_int_equal(noise_read_tokens(&initiator.noise, &r, NOISE_END), ERR_MALFORMED);
	pair_begin(&initiator, &responder);
	memset(tx, 0xff, sizeof tx);
	assert_int_equal(noise_split(&initiator.noise, tx, rx), ERR_MALFORMED);
	assert_true(fixture_is_zero(tx, sizeof tx));
	failed_noise_is_wiped(&initiator.noise);

	pair_begin(&initiator, &responder);
	initiator.noise.has_e = false;
	assert_int_equal(noise_write(&initiator.noise, &w, NULL, 0), ERR_MALFORMED);
	assert_int_equal(noise_begin(&initiator.noise, &noise_ikpsk2, true, initiator.secret,
				 initiator.public_key, NULL, NULL, 0),
		ERR_MALFORMED);
	for (size_t cap = 0; cap < KEY_LEN + KEY_LEN + 2 * NOISE_TAG_LEN; cap++) {
		pair_begin(&initiator, &responder);
		w = writer_of(message, cap);
		assert_int_equal(noise_write(&initiator.noise, &w, NULL, 0), ERR_NO_SPACE);
		failed_noise_is_wiped(&initiator.noise);
	}
}

static void a_wrong_or_missing_psk_fails(void **state)
{
	static const uint8_t other[KEY_LEN] = {8};

	(void)state;
	for (int missing = 0; missing < 2; missing++) {
		struct side initiator, responder;
		uint8_t message[MESSAGE_MAX], payload[MESSAGE_MAX];
		pair_begin(&initiator, &responder);
		struct reader r = reader_of(message, pair_first(&initiator, message));
		assert_int_equal(noise_read_payload(&responder.noise, &r, payload), 5);
		struct writer w = writer_of(message, sizeof message);
		assert_int_equal(noise_write(&responder.noise, &w, NULL, 0), 0);
		if (missing)
			initiator.noise.has_psk = false;
		else
			noise_set_psk(&initiator.noise, other);
		r = reader_of(message, writer_len(&w));
		assert_int_equal(noise_read_payload(&initiator.noise, &r, payload),
			missing ? ERR_MALFORMED : ERR_AUTH);
		failed_noise_is_wiped(&initiator.noise);
	}
}

static void split_forgets_the_key_material(void **state)
{
	struct side initiator, responder;
	uint8_t message[MESSAGE_MAX], payload[MESSAGE_MAX];

	(void)state;
	pair_begin(&initiator, &responder);
	struct reader r = reader_of(message, pair_first(&initiator, message));
	noise_read_payload(&responder.noise, &r, payload);
	struct writer w = writer_of(message, sizeof message);
	noise_write(&responder.noise, &w, NULL, 0);
	assert_int_equal(noise_split(&responder.noise, responder.tx, responder.rx), 0);
	assert_true(fixture_is_zero(responder.noise.ck, NOISE_HASH_LEN));
	assert_true(fixture_is_zero(responder.noise.k, KEY_LEN));
	assert_true(fixture_is_zero(responder.noise.e_secret, KEY_LEN));
	assert_true(fixture_is_zero(responder.noise.psk, KEY_LEN));
	assert_false(fixture_is_zero(responder.noise.h, NOISE_HASH_LEN));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_vectors_pass),
		cmocka_unit_test(reading_stops_after_the_static_key),
		cmocka_unit_test(every_truncation_fails),
		cmocka_unit_test(every_changed_byte_fails),
		cmocka_unit_test(an_ephemeral_of_low_order_fails),
		cmocka_unit_test(a_remote_static_of_low_order_fails),
		cmocka_unit_test(misuse_fails),
		cmocka_unit_test(a_wrong_or_missing_psk_fails),
		cmocka_unit_test(split_forgets_the_key_material),
	};

	if (prim_init() != 0)
		return 1;
	return cmocka_run_group_tests_name("noise", tests, NULL, NULL);
}
