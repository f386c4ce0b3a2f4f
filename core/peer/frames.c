#include "core/peer/peer.h"

#include "core/base/err.h"
#include "core/wire/control.h"

#include <string.h>

#define CHALLENGE_NS  (3 * NS_PER_S)
#define MOVE_GAP_NS   NS_PER_S
#define MOVES_NS      (10 * NS_PER_S) /* six changes of endpoint a minute */
#define MOVES         6
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

/*
 * To a place that has not shown itself no more than it has paid for: `credit` bytes, of which this is
 * taken. NULL: the proven path.
 */
static void send_frame(struct peers *t, struct peer *p, const struct endpoint *to,
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
	send_frame(t, p, &p->endpoint, &p->local, NULL, frame, now);
}

void frames_close(struct peers *t, struct peer *p, uint8_t reason, uint64_t now)
{
	struct control_frame frame = {.type = CONTROL_CLOSE, .u.close = {.reason = reason}};
	reply(t, p, &frame, now);
}

/* ---- Path validation ------------------------------------------------------------------------ */

static uint64_t challenge_gap(const struct peer *p)
{
	return p->rtt_ns ? p->rtt_ns * 2 : NS_PER_S / 2;
}

static void ask(struct peers *t, struct peer *p, uint64_t now)
{
	struct challenge *c = &p->challenge;
	struct control_frame frame = {.type = CONTROL_PATH_CHALLENGE};
	memcpy(frame.u.path.token, c->token, sizeof frame.u.path.token);
	c->asked = now;
	send_frame(t, p, &c->to, &c->from, &c->credit, &frame, now);
}

/* Not more often than this does anybody move for good reasons. */
static bool may_move(const struct peer *p, uint64_t now)
{
	struct bucket look = p->moves;
	return p->up_due || p->path == PATH_NONE ||
		((p->moved == 0 || now - p->moved >= MOVE_GAP_NS) &&
			bucket_take(&look, MOVES_NS, MOVES, now));
}

void frames_challenge(struct peers *t, struct peer *p, const struct endpoint *from,
	const struct ip_addr *local, size_t len, uint64_t now)
{
	struct challenge *c = &p->challenge;
	if ((p->path != PATH_NONE && endpoint_equal(from, &p->endpoint)) ||
		t->ops.is_overlay(t->ops.ctx, &from->addr) || !may_move(p, now))
		return;
	bool same = c->active && now - c->started < CHALLENGE_NS && endpoint_equal(from, &c->to);
	if (!same) {
		*c = (struct challenge){.active = true, .to = *from, .started = now};
		t->env->random(t->env->ctx, c->token, sizeof c->token);
	}
	c->from = *local;
	c->credit +=
		(uint64_t)len * 3 / 2; /* the other half is for answers: three for one in all */
	if (!same || now - c->asked >= challenge_gap(p))
		ask(t, p, now);
	if (!timer_armed(&p->timer) || p->timer.deadline > now + challenge_gap(p))
		timer_arm(t->timers, &p->timer, now + challenge_gap(p));
}

bool frames_challenge_tick(struct peers *t, struct peer *p, uint64_t now, uint64_t *next)
{
	struct challenge *c = &p->challenge;
	if (!c->active)
		return true;
	if (now - c->started >= CHALLENGE_NS) {
		/* It stays where it was; the next packet from there starts over. */
		c->active = false;
		bool nowhere = p->up_due && p->path == PATH_NONE;
		if (nowhere)
			peer_drop(t, p, "no answer to the path challenge", now);
		return !nowhere;
	}
	if (now - c->asked >= challenge_gap(p))
		ask(t, p, now);
	uint64_t at = c->asked + challenge_gap(p), end = c->started + CHALLENGE_NS;
	at = at < end ? at : end;
	*next = at < *next ? at : *next;
	return true;
}

static void path_response(struct peers *t, struct peer *p, const uint8_t token[8],
	const struct endpoint *from, const struct ip_addr *local, uint64_t now)
{
	char name[64], old[ENDPOINT_TEXT_MAX], new[ENDPOINT_TEXT_MAX];
	struct challenge *c = &p->challenge;
	if (!c->active || now - c->started > CHALLENGE_NS || !endpoint_equal(from, &c->to) ||
		!prim_equal(token, c->token, sizeof c->token) || !may_move(p, now))
		return;
	bool up_due = p->up_due;
	c->active = p->up_due = false;
	if (!up_due) {
		bucket_take(&p->moves, MOVES_NS, MOVES, now);
		p->moved = now;
		env_log(t->env, LOG_INFO, "%s: moved from %s to %s", peer_name(p, name),
			endpoint_format(&p->endpoint, old), endpoint_format(from, new));
	}
	peer_set_endpoint(t, p, from, local);
	peer_set_path(t, p, PATH_UP, "", now);
	if (up_due)
		t->ops.up(t->ops.ctx, p, false, now);
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
		/* Back where it came from: a PONG proves the very path that was asked about. */
		send_frame(t, p, from, local, credit, f, now);
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
		f->type = CONTROL_PATH_RESPONSE;
		send_frame(t, p, from, local, credit, f, now);
		break;
	case CONTROL_PATH_RESPONSE:
		path_response(t, p, f->u.path.token, from, local, now);
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
	/* Answers go back where the packet came from: by credit, when that is not the path. */
	uint64_t once = on_the_wire(t, p, len) * 3 / 2;
	bool proven = p->path != PATH_NONE && endpoint_equal(from, &p->endpoint);
	while (control_next(&r, &frame) > 0)
		if (!receive_frame(t, p, &frame, from, local, proven ? NULL : &once, now))
			return;
}
