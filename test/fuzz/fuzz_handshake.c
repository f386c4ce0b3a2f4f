/*
 * Handshake messages from strangers and from members. The first byte chooses what the rest is:
 *
 *   0 a message as it comes from the wire, to everything that takes one
 *   1 payload1 inside an INITIATION that is otherwise right, to a responder that answers
 *   2 payload2 inside a RESPONSE that is otherwise right, to an initiator
 *   3 an answer to write: its lengths and cipher, checked against what may be sent
 *
 * A fuzzer cannot guess MACs, so 1 and 2 seal its bytes with the Noise core.
 */
#include "core/crypto/cookie.h"
#include "core/crypto/handshake.h"
#include "core/crypto/payload.h"
#include "core/crypto/probe.h"
#include "core/crypto/reset.h"
#include "test/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t certificate[HANDSHAKE_CERTIFICATE_MAX];

static void draw(void *ctx, void *out, size_t len)
{
	uint8_t *next = ctx;
	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = (*next)++;
}

/* An initiator that has sent its INITIATION, and the responder. */
struct world {
	struct handshake_identity a, b;
	uint8_t next;
	struct env env;
	struct handshake ha, hb;
	uint8_t initiation[MESSAGE_INITIATION_MAX];
	size_t len;
};

static void world_init(struct world *w)
{
	const struct handshake_offer offer = {
		.index = 0x55,
		.ciphers = 7,
		.lanes = 2,
		.certificate = certificate,
		.certificate_len = 64,
	};
	uint8_t a[KEY_LEN] = {1}, b[KEY_LEN] = {2}, network[KEY_LEN] = {3};

	memset(w, 0, sizeof *w);
	handshake_identity_init(&w->a, a, network, NULL);
	handshake_identity_init(&w->b, b, network, NULL);
	w->env = (struct env){.ctx = &w->next, .random = draw};
	int len = handshake_initiate(&w->ha, &w->a, &w->env, w->b.public_key, NULL, &offer,
		w->initiation, sizeof w->initiation);
	must(len >= MESSAGE_INITIATION_MIN);
	w->len = (size_t)len;
}

static void respond(struct world *w)
{
	const struct handshake_answer answer = {
		.index = 0x66,
		.lanes = 16,
		.certificate = certificate,
		.certificate_len = sizeof certificate,
		.build = "a build string of 32 characters.",
	};
	uint8_t out[MESSAGE_RESPONSE_MAX];

	int len = handshake_respond(&w->hb, &w->env, NULL, &answer, out, sizeof out);
	must(len < 0 || (size_t)len <= w->len);
}

static void from_the_wire(struct world *w, const uint8_t *data, size_t size)
{
	uint8_t *msg = malloc(size ? size : 1), key[KEY_LEN] = {0}, out[KEY_LEN];
	const struct endpoint source = {.addr = {.family = 4}, .port = 1};
	uint8_t cookie_out[MESSAGE_COOKIE_LEN];
	struct message_header header;
	struct cookie_jar jar;
	struct handshake_offer offer;
	struct handshake_answer answer;
	struct probe probe;

	must(msg);
	memcpy(msg, data, size);
	message_peek(msg, size, &header);
	handshake_check_mac1(&w->b, msg, size);
	cookie_jar_init(&jar, &w->env, 0);
	cookie_check_mac2(&jar, &w->env, msg, size, &source, 0); /* toy MACs can be forged */
	cookie_build(&jar, &w->env, w->b.cookie_key, msg, size, &source, cookie_out, 0);
	cookie_consume(msg, size, key, w->b.cookie_key, out);
	must(probe_open(msg, size, key, &probe) != 0 || size == MESSAGE_PROBE_LEN);
	must(!reset_check(msg, size, key) || size == MESSAGE_RESET_LEN);
	bool finished = handshake_finish(&w->ha, msg, size, &answer) == 0;
	must(w->ha.stage == (finished ? HANDSHAKE_DONE : HANDSHAKE_SENT));
	if (handshake_begin(&w->hb, &w->b, msg, size, out) == 0 &&
		handshake_offer(&w->hb, &offer) == 0)
		respond(w);
	free(msg);
}

/* The payload as a member would seal it. Returns the INITIATION's length, 0 if it is none. */
static size_t seal_initiation(struct world *w, const uint8_t *payload, size_t size)
{
	const struct prim_part prologue[] = {
		{"warren v1", 10}, {w->b.network_id, KEY_LEN}, {w->initiation, 8}};
	struct noise noise;
	struct writer out = writer_of(w->initiation, sizeof w->initiation);
	uint8_t e[KEY_LEN] = {9};

	message_write_header(&out, MESSAGE_INITIATION);
	write_u32(&out, 0x55);
	noise_begin(&noise, &noise_ikpsk2, true, w->a.secret, w->a.public_key, w->b.public_key,
		prologue, 3);
	noise_set_ephemeral(&noise, e);
	if (noise_write(&noise, &out, payload, size) != 0)
		return 0;
	write_zeros(&out, COOKIE_MACS_LEN);
	return out.failed ? 0 : writer_len(&out);
}

static void to_a_responder(struct world *w, const uint8_t *data, size_t size)
{
	struct handshake_offer offer;
	uint8_t initiator[KEY_LEN];

	w->len = seal_initiation(w, data, size);
	if (w->len < MESSAGE_INITIATION_MIN)
		return;
	must(handshake_begin(&w->hb, &w->b, w->initiation, w->len, initiator) == 0);
	if (handshake_offer(&w->hb, &offer) != 0)
		return;
	must(offer.certificate_len <= HANDSHAKE_CERTIFICATE_MAX);
	must(offer.lanes >= 1 && offer.lanes <= HANDSHAKE_LANES_MAX);
	must(strlen(offer.build) <= HANDSHAKE_BUILD_MAX);
	for (size_t i = 0, x = 0; i < offer.certificate_len; i++)
		must((x += offer.certificate[i]) <= 255u * 448); /* each byte may be read */
	respond(w);
}

static void to_an_initiator(struct world *w, const uint8_t *data, size_t size)
{
	struct handshake_offer offer;
	struct handshake_answer answer;
	uint8_t initiator[KEY_LEN], msg[MESSAGE_RESPONSE_MAX], e[KEY_LEN] = {8};
	struct writer out = writer_of(msg, sizeof msg);

	must(handshake_begin(&w->hb, &w->b, w->initiation, w->len, initiator) == 0);
	must(handshake_offer(&w->hb, &offer) == 0);
	message_write_header(&out, MESSAGE_RESPONSE);
	write_u32(&out, 0x66);
	write_u32(&out, 0x55);
	noise_set_ephemeral(&w->hb.noise, e);
	noise_set_psk(&w->hb.noise, w->b.psk.key);
	if (noise_write(&w->hb.noise, &out, data, size) != 0)
		return;
	write_zeros(&out, COOKIE_MACS_LEN);
	if (out.failed || writer_len(&out) < MESSAGE_RESPONSE_MIN)
		return;
	if (handshake_finish(&w->ha, msg, writer_len(&out), &answer) != 0) {
		must(w->ha.stage == HANDSHAKE_SENT);
		return;
	}
	must(answer.index == 0x66 && answer.cipher <= 2);
	must(answer.certificate_len <= HANDSHAKE_CERTIFICATE_MAX);
	must(strlen(answer.build) <= HANDSHAKE_BUILD_MAX);
}

/* An answer of odd contents is refused or fits. */
static void from_a_responder(struct world *w, const uint8_t *data, size_t size)
{
	struct reader r = reader_of(data, size);
	struct handshake_offer offer;
	struct handshake_answer answer = {.certificate = certificate}, got;
	uint8_t initiator[KEY_LEN], msg[MESSAGE_RESPONSE_MAX];

	answer.index = read_u32(&r);
	answer.cipher = read_u8(&r);
	answer.lanes = read_u8(&r);
	answer.certificate_len = read_u16(&r);
	answer.seen.addr.family = read_u8(&r);
	size_t cap = read_u16(&r);
	read_copy(&r, answer.build, reader_left(&r) < 32 ? reader_left(&r) : 32);
	if (answer.seen.addr.family != 4 && answer.seen.addr.family != 6)
		answer.seen.addr.family = 0;
	must(handshake_begin(&w->hb, &w->b, w->initiation, w->len, initiator) == 0);
	must(handshake_offer(&w->hb, &offer) == 0);
	if (cap > sizeof msg)
		cap = sizeof msg;
	int len = handshake_respond(&w->hb, &w->env, NULL, &answer, msg, cap);
	if (len < 0)
		return;
	must((size_t)len <= cap && handshake_finish(&w->ha, msg, (size_t)len, &got) == 0);
	must(got.cipher == answer.cipher && got.certificate_len == answer.certificate_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const modes[])(struct world *, const uint8_t *, size_t) = {
		from_the_wire, to_a_responder, to_an_initiator, from_a_responder};
	struct world world;

	if (size == 0 || data[0] > 3 || prim_init() != 0)
		return 0;
	world_init(&world);
	modes[data[0]](&world, data + 1, size - 1);
	return 0;
}
