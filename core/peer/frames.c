#include "core/peer/peer.h"

#include "core/base/err.h"
#include "core/wire/control.h"

#include <string.h>

#define DATAGRAM_NS   UINT64_C(50000) /* a bundle for all goes out at 20,000 datagrams a second */
#define REPEAT_NS     NS_PER_S
#define REPEAT_MAX_NS (8 * NS_PER_S)
#define ASSEMBLY_NS   (5 * NS_PER_S) /* without a chunk: another peer may begin */

/* Bytes of UDP payload that a control packet of this length makes. */
static uint64_t on_the_wire(const struct peers *t, const struct peer *p, size_t len)
{
	const struct session *s = session_at(t->sessions, p->current);
	size_t tag = s ? s->tx.aead->tag_len : AEAD_TAG_MAX;
	return (uint64_t)(SEALED_HEADER_LEN + GRE_PLAIN_LEN + len + tag);
}

void frames_send(struct peers *t, struct peer *p, const struct endpoint *to,
	const struct ip_addr *from, uint64_t *credit, const struct control_frame *frame,
	uint64_t now)
{
	uint8_t bytes[CONTROL_HDR_LEN + CONTROL_OBJECT_HDR_LEN + CONTROL_CHUNK_MAX];
	int len = control_encode(frame, bytes, sizeof bytes);
	if (len <= 0)
		return;
	uint64_t cost = on_the_wire(t, p, (size_t)len);
	if (credit && *credit < cost)
		return;
	if (credit)
		*credit -= cost;
	peer_send_to(t, p, to, from, GRE_PROTO_CONTROL, bytes, (size_t)len, now);
}

static void reply(struct peers *t, struct peer *p, const struct control_frame *frame, uint64_t now)
{
	frames_send(t, p, &p->endpoint, &p->local, NULL, frame, now);
}

void frames_close(struct peers *t, struct peer *p, uint8_t reason, uint64_t now)
{
	struct control_frame frame = {.type = CONTROL_CLOSE, .u.close = {.reason = reason}};
	reply(t, p, &frame, now);
}

/* ---- The bundle's transfer ------------------------------------------------------------------ */

void frames_send_bundle(struct peers *t, struct peer *p, uint64_t now)
{
	const struct trust *trust = t->trust;
	if (!trust->bundle || !peer_has_session(p)) {
		p->bundle_due = false;
		return;
	}
	for (size_t at = 0; at < trust->bundle_len; at += CONTROL_CHUNK_MAX) {
		size_t left = trust->bundle_len - at;
		struct control_frame frame = {.type = CONTROL_OBJECT,
			.u.object = {.kind = CONTROL_OBJECT_BUNDLE,
				.id = (uint32_t)trust->bundle->number,
				.offset = (uint32_t)at,
				.total = (uint32_t)trust->bundle_len,
				.len = (uint16_t)(left < CONTROL_CHUNK_MAX ? left
									   : CONTROL_CHUNK_MAX),
				.bytes = trust->bundle_bytes + at}};
		reply(t, p, &frame, now);
	}
	p->bundle_gap = !p->bundle_due || !p->bundle_gap ? REPEAT_NS
		: p->bundle_gap < REPEAT_MAX_NS          ? p->bundle_gap * 2
							 : REPEAT_MAX_NS;
	p->bundle_due = true;
	p->bundle_at = now + p->bundle_gap;
	if (!timer_armed(&p->timer) || p->timer.deadline > p->bundle_at)
		timer_arm(t->timers, &p->timer, p->bundle_at);
}

uint64_t frames_queue_bundle(struct peers *t, struct peer *p, uint64_t at)
{
	p->bundle_due = true;
	p->bundle_gap = 0;
	p->bundle_at = at;
	if (!timer_armed(&p->timer) || p->timer.deadline > at)
		timer_arm(t->timers, &p->timer, at);
	return (t->trust->bundle_len + CONTROL_CHUNK_MAX - 1) / CONTROL_CHUNK_MAX * DATAGRAM_NS;
}

static void acknowledge(struct peers *t, struct peer *p, uint32_t id, uint64_t now)
{
	struct control_frame frame = {
		.type = CONTROL_ACK, .u.ack = {.kind = CONTROL_OBJECT_BUNDLE, .id = id}};
	reply(t, p, &frame, now);
}

static void accept_bundle(struct peers *t, struct peer *p, uint64_t now)
{
	struct assembly *a = &t->assembly;
	char name[64];
	uint32_t id = a->id;
	int err = trust_update_bundle(t->trust, a->bytes, a->total);
	a->peer = PEER_NONE;
	if (err && err != ERR_DUPLICATE) {
		env_log(t->env, LOG_WARN, "%s: its bundle is refused: %s", peer_name(p, name),
			err_name(err));
		return;
	}
	acknowledge(t, p, id, now);
	if (err)
		return;
	env_log(t->env, LOG_INFO, "bundle %llu accepted from %s",
		(unsigned long long)t->trust->bundle->number, peer_name(p, name));
	t->ops.bundle(t->ops.ctx, now); /* may drop p: revoked */
}

static void receive_object(
	struct peers *t, struct peer *p, const struct control_frame *f, uint64_t now)
{
	struct assembly *a = &t->assembly;
	uint32_t offset = f->u.object.offset, total = f->u.object.total, len = f->u.object.len;
	if (f->u.object.kind != CONTROL_OBJECT_BUNDLE || total > BUNDLE_MAX || total == 0 ||
		offset % CONTROL_CHUNK_MAX != 0 ||
		(len != CONTROL_CHUNK_MAX && offset + len != total))
		return;
	if (t->trust->bundle && (uint32_t)t->trust->bundle->number == f->u.object.id) {
		acknowledge(t, p, f->u.object.id, now); /* we have it */
		return;
	}
	if (a->peer != p->id || a->id != f->u.object.id || a->total != total) {
		if (a->peer != PEER_NONE && a->peer != p->id && now - a->at < ASSEMBLY_NS)
			return; /* it will be repeated */
		a->peer = p->id;
		a->id = f->u.object.id;
		a->total = total;
		a->missing = (total + CONTROL_CHUNK_MAX - 1) / CONTROL_CHUNK_MAX;
		memset(a->have, 0, sizeof a->have);
	}
	a->at = now;
	if (a->have[offset / CONTROL_CHUNK_MAX])
		return;
	a->have[offset / CONTROL_CHUNK_MAX] = true;
	memcpy(a->bytes + offset, f->u.object.bytes, len);
	if (--a->missing == 0)
		accept_bundle(t, p, now);
}

static void receive_ack(struct peers *t, struct peer *p, const struct control_frame *f)
{
	if (f->u.ack.kind == CONTROL_OBJECT_BUNDLE && t->trust->bundle &&
		f->u.ack.id == (uint32_t)t->trust->bundle->number)
		p->bundle_due = false;
}

/* ---- Receiving ------------------------------------------------------------------------------ */

/*
 * Back where the question came from: a PONG proves the very path that was asked about. But not to another
 * port of the path's address: a box that maps by port would show us at another port for that, see roam.c.
 */
static void answer(struct peers *t, struct peer *p, const struct endpoint *from,
	const struct ip_addr *local, uint64_t *credit, const struct control_frame *frame,
	uint64_t now)
{
	if (roam_is_beside(t, p, from))
		reply(t, p, frame, now);
	else
		frames_send(t, p, from, local, credit, frame, now);
}

/* False: the peer is gone. */
static bool receive_frame(struct peers *t, struct peer *p, struct control_frame *f,
	const struct endpoint *from, const struct ip_addr *local, uint64_t *credit, uint64_t now)
{
	uint32_t generation = p->generation;
	switch ((enum control_type)f->type) {
	case CONTROL_PING:
		f->type = CONTROL_PONG;
		if (!(f->flags & CONTROL_FLAG_PAD_ANSWER))
			f->u.ping.padding = 0;
		f->flags = 0;
		answer(t, p, from, local, credit, f, now);
		break;
	case CONTROL_PONG:
		liveness_pong(t, p, f->u.ping.echo, now);
		break;
	case CONTROL_CLOSE:
		p->restarting = p->hub && f->u.close.reason == CONTROL_REASON_RESTARTING;
		peer_drop(t, p,
			f->u.close.reason == CONTROL_REASON_IDLE ? "closed: idle" : "closed by it",
			now);
		p->retry_at = now + NS_PER_S; /* a hub that restarts needs a moment */
		return false;
	case CONTROL_OBJECT:
		receive_object(t, p, f, now);
		break;
	case CONTROL_ACK:
		receive_ack(t, p, f);
		break;
	case CONTROL_PATH_CHALLENGE:
		p->asked = now;
		f->type = CONTROL_PATH_RESPONSE;
		answer(t, p, from, local, credit, f, now);
		break;
	case CONTROL_PATH_RESPONSE:
		roam_response(t, p, f->u.path.token, from, local, now);
		break;
	case CONTROL_ENROL:
	case CONTROL_KEM:
		break;
	}
	return p->used && p->generation == generation && peer_has_session(p);
}

void frames_receive(struct peers *t, struct peer *p, const uint8_t *payload, size_t len,
	const struct endpoint *from, const struct ip_addr *local, uint64_t now)
{
	struct reader r = reader_of(payload, len);
	struct control_frame frame;
	/* What is answered elsewhere than on the path is answered by credit. */
	uint64_t once = on_the_wire(t, p, len) * 3 / 2;
	bool proven = p->path != PATH_NONE && endpoint_equal(from, &p->endpoint);
	while (control_next(&r, &frame) > 0)
		if (!receive_frame(t, p, &frame, from, local, proven ? NULL : &once, now))
			return;
}
