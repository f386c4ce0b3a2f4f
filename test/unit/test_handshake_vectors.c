/*
 * The protocol's own messages against test/vectors/noise/warren-v1.json, which a second
 * implementation made (warren_vectors.py there): both roles must give and take exactly these bytes.
 */
#include "core/crypto/handshake.h"

#include "core/crypto/aead.h"
#include "core/crypto/cookie.h"
#include "core/crypto/sealed.h"
#include "crypto_fixture.h"

#include <jansson.h>

static size_t hex_of(json_t *vector, const char *key, uint8_t *out, size_t cap)
{
	return fixture_hex(json_string_value(json_object_get(vector, key)), out, cap);
}

static uint32_t int_of(json_t *vector, const char *key)
{
	return (uint32_t)json_integer_value(json_object_get(vector, key));
}

/* What one vector says, decoded. */
struct vector {
	struct handshake_identity a, b;
	uint8_t a_ephemeral[KEY_LEN], b_ephemeral[KEY_LEN];
	uint8_t a_certificate[HANDSHAKE_CERTIFICATE_MAX], b_certificate[HANDSHAKE_CERTIFICATE_MAX];
	uint8_t initiation[MESSAGE_INITIATION_MAX], response[MESSAGE_RESPONSE_MAX];
	size_t initiation_len, response_len;
	uint8_t cookie[MAC_LEN], hash[NOISE_HASH_LEN];
	struct handshake_offer offer;
	struct handshake_answer answer;
};

static void vector_load(struct vector *v, json_t *json)
{
	uint8_t secret[KEY_LEN], network[KEY_LEN], psk[KEY_LEN], address[16] = {0};

	memset(v, 0, sizeof *v);
	hex_of(json, "network_id", network, sizeof network);
	hex_of(json, "psk", psk, sizeof psk);
	hex_of(json, "initiator_static", secret, sizeof secret);
	handshake_identity_init(&v->a, secret, network, psk);
	hex_of(json, "responder_static", secret, sizeof secret);
	handshake_identity_init(&v->b, secret, network, psk);
	assert_int_equal(v->a.psk.id, int_of(json, "psk_id"));
	hex_of(json, "initiator_ephemeral", v->a_ephemeral, KEY_LEN);
	hex_of(json, "responder_ephemeral", v->b_ephemeral, KEY_LEN);
	hex_of(json, "cookie_for_response", v->cookie, MAC_LEN);
	hex_of(json, "handshake_hash", v->hash, NOISE_HASH_LEN);
	v->initiation_len = hex_of(json, "initiation", v->initiation, sizeof v->initiation);
	v->response_len = hex_of(json, "response", v->response, sizeof v->response);

	v->offer = (struct handshake_offer){
		.index = int_of(json, "initiator_index"),
		.ciphers = 7,
		.preferred = 1,
		.flags = HANDSHAKE_REKEY,
		.features = 0x01020304,
		.max_udp = 1400,
		.lanes = 3,
		.certificate = v->a_certificate,
		.enrol = json_is_true(json_object_get(json, "enrol")),
		.build = "warren 0.1",
	};
	handshake_timestamp(v->offer.timestamp, 1700000000, 0x05abcdef);
	for (size_t i = 0; v->offer.enrol && i < HANDSHAKE_ENROL_LEN; i++)
		v->offer.enrol_id[i] = (uint8_t)(0x33 + i);
	v->offer.certificate_len = (uint16_t)hex_of(
		json, "initiator_certificate", v->a_certificate, sizeof v->a_certificate);

	v->answer = (struct handshake_answer){
		.index = int_of(json, "responder_index"),
		.cipher = 1,
		.ciphers = 3,
		.max_udp = 1452,
		.lanes = 16,
		.unix_s = 1700000001,
		.seen.port = (uint16_t)int_of(json, "seen_port"),
		.certificate = v->b_certificate,
		.build = "warren 0.1",
	};
	hex_of(json, "seen_address", address, sizeof address);
	v->answer.seen.addr = addr_from_bytes((uint8_t)int_of(json, "seen_family"), address);
	v->answer.certificate_len = (uint16_t)hex_of(
		json, "responder_certificate", v->b_certificate, sizeof v->b_certificate);
}

static void check_traffic(json_t *json, const struct handshake *ha, const struct handshake *hb)
{
	uint8_t i2r[KEY_LEN], r2i[KEY_LEN], tx[KEY_LEN], rx[KEY_LEN];
	json_t *keys;
	size_t cipher;

	json_array_foreach(json_object_get(json, "traffic_keys"), cipher, keys)
	{
		fixture_hex(json_string_value(json_array_get(keys, 0)), i2r, KEY_LEN);
		fixture_hex(json_string_value(json_array_get(keys, 1)), r2i, KEY_LEN);
		assert_int_equal(handshake_traffic_keys(ha, (uint8_t)cipher, tx, rx), 0);
		assert_memory_equal(tx, i2r, KEY_LEN);
		assert_memory_equal(rx, r2i, KEY_LEN);
		assert_int_equal(handshake_traffic_keys(hb, (uint8_t)cipher, tx, rx), 0);
		assert_memory_equal(rx, i2r, KEY_LEN);
		assert_memory_equal(tx, r2i, KEY_LEN);
	}
	assert_int_equal(cipher, 3);
}

/* Sealed data from a to b under the ciphers that the second implementation has. */
static void check_sealed(json_t *json, const struct handshake *ha)
{
	json_t *text;
	size_t cipher;

	json_array_foreach(json_object_get(json, "sealed"), cipher, text)
	{
		uint8_t tx[KEY_LEN], rx[KEY_LEN], plain[64], expected[128], datagram[128];
		struct aead_key key;
		struct sealed_header header = {
			.index = ha->remote_index,
			.lane = (uint8_t)int_of(json, "lane"),
			.sequence = int_of(json, "sequence"),
		};
		handshake_traffic_keys(ha, (uint8_t)cipher, tx, rx);
		if (aead_key_init(&key, (uint8_t)cipher, tx) != 0)
			continue;
		size_t expected_len =
			fixture_hex(json_string_value(text), expected, sizeof expected);
		size_t len = hex_of(json, "plaintext", plain, sizeof plain);
		assert_int_equal(sealed_seal(&key, &header, datagram, plain, len), expected_len);
		assert_memory_equal(datagram, expected, expected_len);
	}
}

static void run_vector(json_t *json)
{
	struct vector v;
	struct handshake ha, hb;
	struct handshake_offer offer;
	struct handshake_answer answer;
	uint8_t out[MESSAGE_INITIATION_MAX], initiator[KEY_LEN];

	vector_load(&v, json);
	struct fixture_random random = {.fixed = v.a_ephemeral, .fixed_len = KEY_LEN};
	struct env env = fixture_env(&random);
	int len = handshake_initiate(
		&ha, &v.a, &env, v.b.public_key, NULL, &v.offer, out, sizeof out);
	assert_int_equal(len, v.initiation_len);
	assert_memory_equal(out, v.initiation, v.initiation_len);

	assert_true(handshake_check_mac1(&v.b, v.initiation, v.initiation_len));
	assert_int_equal(handshake_begin(&hb, &v.b, v.initiation, v.initiation_len, initiator), 0);
	assert_int_equal(handshake_offer(&hb, &offer), 0);
	assert_int_equal(offer.enrol, v.offer.enrol);

	random = (struct fixture_random){.fixed = v.b_ephemeral, .fixed_len = KEY_LEN};
	len = handshake_respond(&hb, &env, NULL, &v.answer, out, sizeof out);
	assert_int_equal(len, v.response_len);
	cookie_stamp_mac2(out, (size_t)len, v.cookie);
	assert_memory_equal(out, v.response, v.response_len);
	assert_int_equal(handshake_finish(&ha, v.response, v.response_len, &answer), 0);
	assert_true(endpoint_equal(&answer.seen, &v.answer.seen));
	assert_memory_equal(ha.noise.h, v.hash, NOISE_HASH_LEN);
	assert_memory_equal(hb.noise.h, v.hash, NOISE_HASH_LEN);
	check_traffic(json, &ha, &hb);
	check_sealed(json, &ha);
}

static void our_messages_are_as_written_down(void **state)
{
	json_t *root = json_load_file(TEST_VECTORS "/noise/warren-v1.json", 0, NULL), *vector;
	size_t i;

	(void)state;
	assert_non_null(root);
	json_array_foreach(json_object_get(root, "vectors"), i, vector) run_vector(vector);
	assert_int_equal(i, 3);
	json_decref(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_messages_are_as_written_down),
	};

	if (prim_init() != 0)
		return 1;
	return cmocka_run_group_tests_name("handshake_vectors", tests, NULL, NULL);
}
