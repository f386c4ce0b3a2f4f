#include "core/crypto/handshake.h"

#include "core/base/err.h"
#include "core/crypto/cookie.h"
#include "core/crypto/payload.h"
#include "core/crypto/reset.h"

#include <string.h>

/*
 * INITIATION  0 header, sender index 8 | e 32 | enc(s) 48 | enc(payload1) P+16 | mac1, mac2 32
 * RESPONSE    0 header, both indices 12 | e 32 | enc(payload2) Q+16 | mac1, mac2 32
 */
#define INITIATION_CLEAR    8
#define INITIATION_PAYLOAD  (INITIATION_CLEAR + KEY_LEN + KEY_LEN + NOISE_TAG_LEN)
#define INITIATION_OVERHEAD (INITIATION_PAYLOAD + NOISE_TAG_LEN + COOKIE_MACS_LEN)
#define RESPONSE_CLEAR      12
#define RESPONSE_PAYLOAD    (RESPONSE_CLEAR + KEY_LEN)
#define RESPONSE_OVERHEAD   (RESPONSE_PAYLOAD + NOISE_TAG_LEN + COOKIE_MACS_LEN)

_Static_assert(
	INITIATION_PAYLOAD == 88 && RESPONSE_PAYLOAD == 44, "layout of protocol.md section 2");
_Static_assert(MESSAGE_RESPONSE_MIN == RESPONSE_OVERHEAD + PAYLOAD_ANSWER_FIXED, "least RESPONSE");

static const char prologue_label[10] = "warren v1"; /* with its NUL */
static const char traffic_label[] = "warren traffic v1";

uint32_t handshake_psk_id(const uint8_t psk[KEY_LEN])
{
	static const uint8_t zero[KEY_LEN];
	uint8_t digest[8];

	if (prim_equal(psk, zero, KEY_LEN))
		return 0;
	prim_hash8(digest, psk, KEY_LEN);
	uint32_t id = load_u32(digest);
	return id ? id : 1;
}

void handshake_identity_init(struct handshake_identity *id, const uint8_t secret[KEY_LEN],
	const uint8_t network_id[KEY_LEN], const uint8_t *psk)
{
	memset(id, 0, sizeof *id);
	memcpy(id->secret, secret, KEY_LEN);
	prim_dh_public(id->public_key, id->secret);
	memcpy(id->network_id, network_id, KEY_LEN);
	if (psk) {
		memcpy(id->psk.key, psk, KEY_LEN);
		id->psk.id = handshake_psk_id(psk);
	}
	cookie_mac1_key(id->mac1_key, id->public_key);
	cookie_seal_key(id->cookie_key, id->public_key);
	reset_key(id->reset_key, id->secret);
}

void handshake_identity_wipe(struct handshake_identity *id)
{
	prim_wipe(id, sizeof *id);
}

bool handshake_check_mac1(const struct handshake_identity *id, const uint8_t *msg, size_t len)
{
	return cookie_check_mac1(msg, len, id->mac1_key);
}

void handshake_wipe(struct handshake *hs)
{
	prim_wipe(hs, sizeof *hs);
}

/* Passes an error on, after forgetting everything. */
static int fail(struct handshake *hs, int err)
{
	handshake_wipe(hs);
	return err;
}

/* The prologue binds version, network, and the clear part of the INITIATION to the transcript. */
static int begin_noise(struct handshake *hs, const uint8_t initiation[INITIATION_CLEAR],
	const uint8_t *remote_static)
{
	const struct handshake_identity *id = hs->id;

	return noise_begin(&hs->noise, &noise_ikpsk2, hs->initiator, id->secret, id->public_key,
		remote_static,
		PRIM_PARTS({prologue_label, sizeof prologue_label}, {id->network_id, KEY_LEN},
			{initiation, INITIATION_CLEAR}));
}

static bool was_offered(const struct handshake *hs, uint8_t cipher)
{
	return cipher < 8 && hs->offered >> cipher & 1;
}

static void draw_ephemeral(struct handshake *hs, const struct env *env)
{
	uint8_t secret[KEY_LEN];

	env->random(env->ctx, secret, sizeof secret);
	noise_set_ephemeral(&hs->noise, secret);
	prim_wipe(secret, sizeof secret);
}

/* noise_write, then the MACs for the peer whose static key is rs. Returns the message's length. */
static int finish_message(struct handshake *hs, struct writer *w, const struct writer *payload)
{
	uint8_t mac1_key[KEY_LEN];
	int rc = noise_write(&hs->noise, w, payload->start, writer_len(payload));

	if (rc)
		return rc;
	if (!write_space(w, COOKIE_MACS_LEN))
		return ERR_NO_SPACE;
	cookie_mac1_key(mac1_key, hs->noise.rs);
	cookie_stamp_mac1(w->start, writer_len(w), mac1_key);
	memcpy(hs->mac1, cookie_mac1_of(w->start, writer_len(w)), MAC_LEN);
	return (int)writer_len(w);
}

int handshake_initiate(struct handshake *hs, const struct handshake_identity *id,
	const struct env *env, const uint8_t remote_static[KEY_LEN],
	const struct handshake_psk *psk, const struct handshake_offer *offer, uint8_t *out,
	size_t cap)
{
	uint8_t plain[MESSAGE_INITIATION_MAX - INITIATION_OVERHEAD];
	struct writer payload = writer_of(plain, sizeof plain);
	struct writer w =
		writer_of(out, cap < MESSAGE_INITIATION_MAX ? cap : MESSAGE_INITIATION_MAX);
	struct handshake_offer filled = *offer;

	handshake_wipe(hs);
	if (!message_index_valid(offer->index))
		return ERR_MALFORMED;
	if (!psk)
		psk = &id->psk;
	hs->id = id;
	hs->initiator = true;
	hs->offered = offer->ciphers;
	hs->local_index = offer->index;
	hs->psk_id = psk->id;

	filled.psk_id = psk->id;
	reset_token(filled.reset_token, id->reset_key, offer->index);
	int rc = payload_write_offer(
		&payload, &filled, MESSAGE_INITIATION_MIN - INITIATION_OVERHEAD);
	if (rc)
		goto out;
	message_write_header(&w, MESSAGE_INITIATION);
	write_u32(&w, offer->index);
	rc = w.failed ? ERR_NO_SPACE : begin_noise(hs, out, remote_static);
	if (rc)
		goto out;
	/* e, es, s, ss; the psk is for the answer */
	draw_ephemeral(hs, env);
	noise_set_psk(&hs->noise, psk->key);
	rc = finish_message(hs, &w, &payload);
	hs->stage = HANDSHAKE_SENT;
out:
	prim_wipe(plain, sizeof plain);
	return rc < 0 ? fail(hs, rc) : rc;
}

int handshake_begin(struct handshake *hs, const struct handshake_identity *id, uint8_t *msg,
	size_t len, uint8_t initiator_static[KEY_LEN])
{
	struct message_header header;

	handshake_wipe(hs);
	memset(initiator_static, 0, KEY_LEN);
	int rc = message_peek(msg, len, &header);
	if (rc)
		return rc;
	if (header.type != MESSAGE_INITIATION)
		return ERR_MALFORMED;

	hs->id = id;
	hs->remote_index = header.sender;
	hs->msg = msg;
	hs->msg_len = (uint16_t)len;
	rc = begin_noise(hs, msg, NULL);
	/* e, es, s; ss is left for handshake_offer */
	struct reader r = reader_of(msg + INITIATION_CLEAR, INITIATION_PAYLOAD - INITIATION_CLEAR);
	if (rc == 0)
		rc = noise_read_tokens(&hs->noise, &r, NOISE_S);
	if (rc)
		return fail(hs, rc);
	memcpy(initiator_static, hs->noise.rs, KEY_LEN);
	hs->stage = HANDSHAKE_BEGUN;
	return 0;
}

int handshake_offer(struct handshake *hs, struct handshake_offer *out)
{
	*out = (struct handshake_offer){0};
	if (hs->stage != HANDSHAKE_BEGUN)
		return fail(hs, ERR_MALFORMED);

	/* ss, payload1 */
	uint8_t *payload = hs->msg + INITIATION_PAYLOAD;
	struct reader r = reader_of(payload, hs->msg_len - INITIATION_PAYLOAD - COOKIE_MACS_LEN);
	int rc = noise_read_payload(&hs->noise, &r, payload);
	if (rc >= 0)
		rc = payload_read_offer(payload, (size_t)rc, out);
	if (rc) {
		*out = (struct handshake_offer){0};
		return fail(hs, rc);
	}
	out->index = hs->remote_index;
	hs->offered = out->ciphers;
	hs->psk_id = out->psk_id;
	hs->msg = NULL;
	hs->stage = HANDSHAKE_OFFERED;
	return 0;
}

/* Never longer than what it answers: no amplification towards a forged source. */
static size_t response_max(const struct handshake *hs, size_t cap)
{
	size_t max = hs->msg_len < MESSAGE_RESPONSE_MAX ? hs->msg_len : MESSAGE_RESPONSE_MAX;
	return cap < max ? cap : max;
}

int handshake_respond(struct handshake *hs, const struct env *env, const struct handshake_psk *psk,
	const struct handshake_answer *answer, uint8_t *out, size_t cap)
{
	uint8_t plain[MESSAGE_RESPONSE_MAX - RESPONSE_OVERHEAD];
	struct handshake_answer filled = *answer;
	struct writer w = writer_of(out, response_max(hs, cap));

	if (hs->stage != HANDSHAKE_OFFERED || !message_index_valid(answer->index) ||
		!was_offered(hs, answer->cipher))
		return fail(hs, ERR_MALFORMED);
	if (!psk)
		psk = &hs->id->psk;
	if (psk->id != hs->psk_id)
		return fail(hs, ERR_AUTH);
	if ((size_t)(w.end - w.at) < MESSAGE_RESPONSE_MIN)
		return fail(hs, ERR_NO_SPACE);

	filled.psk_id = psk->id;
	reset_token(filled.reset_token, hs->id->reset_key, answer->index);
	struct writer payload = writer_of(plain, (size_t)(w.end - w.at) - RESPONSE_OVERHEAD);
	int rc = payload_write_answer(&payload, &filled, hs->remote_index);
	if (rc)
		goto out;
	message_write_header(&w, MESSAGE_RESPONSE);
	write_u32(&w, answer->index);
	write_u32(&w, hs->remote_index);
	/* e, ee, se, psk */
	draw_ephemeral(hs, env);
	noise_set_psk(&hs->noise, psk->key);
	rc = finish_message(hs, &w, &payload);
	if (rc < 0)
		goto out;
	int split = noise_split(&hs->noise, hs->tx, hs->rx);
	rc = split ? split : rc;
	hs->local_index = answer->index;
	hs->stage = HANDSHAKE_DONE;
out:
	prim_wipe(plain, sizeof plain);
	return rc < 0 ? fail(hs, rc) : rc;
}

/* Opens payload2 with noise, a copy of the state, and compares it with what was asked and sent. */
static int read_response(const struct handshake *hs, struct noise *noise,
	const struct message_header *header, uint8_t *msg, size_t len, struct handshake_answer *out)
{
	uint32_t receiver;
	struct reader r = reader_of(msg + RESPONSE_CLEAR, len - RESPONSE_CLEAR - COOKIE_MACS_LEN);

	/* e, ee, se, psk, payload2 */
	int rc = noise_read_payload(noise, &r, msg + RESPONSE_PAYLOAD);
	if (rc >= 0)
		rc = payload_read_answer(msg + RESPONSE_PAYLOAD, (size_t)rc, out, &receiver);
	if (rc)
		return rc;
	/* The clear indices are in no hash: the sealed copies speak for them. */
	if (out->index != header->sender || receiver != hs->local_index)
		return ERR_AUTH;
	if (out->psk_id != hs->psk_id || !was_offered(hs, out->cipher))
		return ERR_MALFORMED;
	return 0;
}

int handshake_finish(struct handshake *hs, uint8_t *msg, size_t len, struct handshake_answer *out)
{
	struct message_header header;
	struct noise noise = hs->noise;

	*out = (struct handshake_answer){0};
	int rc = message_peek(msg, len, &header);
	if (rc)
		goto out;
	rc = ERR_MALFORMED;
	if (hs->stage != HANDSHAKE_SENT || header.type != MESSAGE_RESPONSE ||
		header.receiver != hs->local_index)
		goto out;
	rc = read_response(hs, &noise, &header, msg, len, out);
	if (rc) {
		*out = (struct handshake_answer){0};
		goto out;
	}
	rc = noise_split(&noise, hs->tx, hs->rx);
	hs->noise = noise;
	hs->remote_index = header.sender;
	hs->stage = HANDSHAKE_DONE;
out:
	noise_wipe(&noise);
	return rc;
}

int handshake_traffic_keys(
	const struct handshake *hs, uint8_t cipher, uint8_t tx[KEY_LEN], uint8_t rx[KEY_LEN])
{
	memset(tx, 0, KEY_LEN);
	memset(rx, 0, KEY_LEN);
	if (hs->stage != HANDSHAKE_DONE)
		return ERR_MALFORMED;
	const struct prim_part parts[] = {
		{traffic_label, sizeof traffic_label - 1},
		{&cipher, 1},
		{hs->noise.h, NOISE_HASH_LEN},
	};
	prim_hash(tx, KEY_LEN, hs->tx, KEY_LEN, parts, 3);
	prim_hash(rx, KEY_LEN, hs->rx, KEY_LEN, parts, 3);
	return 0;
}

/*
 * TAI64N: 2^62 + TAI seconds, then nanoseconds. TAI is taken as UTC + 10 s, as everybody does: the
 * labels are compared with those of the same sender only. The low bits of the ns would tell about
 * our clock and load.
 */
void handshake_timestamp(uint8_t stamp[HANDSHAKE_TIMESTAMP_LEN], uint64_t unix_s, uint32_t ns)
{
	const uint32_t step = UINT32_C(1) << 24;
	uint8_t label[HANDSHAKE_TIMESTAMP_LEN];
	struct writer w = writer_of(label, sizeof label);

	write_u64(&w, (UINT64_C(1) << 62) + 10 + unix_s);
	write_u32(&w, ns & ~(step - 1));
	if (memcmp(label, stamp, sizeof label) <= 0) {
		struct reader r = reader_of(stamp, HANDSHAKE_TIMESTAMP_LEN);
		uint64_t seconds = read_u64(&r);
		uint32_t fraction = read_u32(&r) + step;
		if (fraction >= NS_PER_S) {
			fraction = 0;
			seconds++;
		}
		w = writer_of(label, sizeof label);
		write_u64(&w, seconds);
		write_u32(&w, fraction);
	}
	memcpy(stamp, label, sizeof label);
}
