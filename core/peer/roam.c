/*
 * Where a peer is now. A packet of its from another place makes that place a candidate; a challenge that
 * is answered makes it the path.
 *
 * Two spokes may sit behind boxes that choose a port for each destination but let more in than what was
 * sent to (RFC 4787: filtering laxer than mapping). Then our port there depends on where we send, and the
 * peer's on where it sends: if both followed what they see, each move would cause the next, for ever. There
 * is no pair of ports that answer each other. So between spokes, and for ports of one address:
 *
 *   - whoever has a path answers on it, wherever the question came from: then it is seen at one place, and
 *     a challenge is answered from the port that the peer sends from;
 *   - an answer proves the place that was asked, whichever port it comes from (as RFC 9000 s.8.2.3 has it);
 *   - the end with the lower static key stays where it is as long as that works, and is asked to, together
 *     with the new place. So its own port stays, and the other end, which follows, comes to rest;
 *   - what it sends to is a mapping that the other one made by sending to a former place of its: who is
 *     asked keeps such places warm.
 */
#include "core/peer/peer.h"

#include <string.h>

#define CHALLENGE_NS (3 * NS_PER_S)
#define MOVE_GAP_NS  NS_PER_S
#define MOVES_NS     (10 * NS_PER_S) /* six changes of endpoint a minute */
#define MOVES        6
/* After we have yielded a new port may be no more than the effect: two keepalives later at most. */
#define SETTLE_NS (60 * NS_PER_S)
#define ASKED_NS  (60 * NS_PER_S) /* who stays asks at least with each keepalive that it gets */
#define STAY_NS   NS_PER_S
#define GRACE_NS  (20 * NS_PER_MS) /* for the path, once the new place has answered */
#define GRACE_KNOWN_NS                                                                             \
	(NS_PER_S / 2) /* the same, when both had answered before: losses are likelier */

static bool between_spokes(const struct peers *t, const struct peer *p)
{
	return !t->is_hub && !p->hub;
}

bool roam_is_beside(const struct peers *t, const struct peer *p, const struct endpoint *e)
{
	return between_spokes(t, p) && p->path == PATH_UP &&
		addr_equal(&e->addr, &p->endpoint.addr) && !endpoint_equal(e, &p->endpoint);
}

static uint64_t challenge_gap(const struct peer *p)
{
	return p->rtt_ns ? p->rtt_ns * 2 : NS_PER_S / 2;
}

static void wake_by(struct peers *t, struct peer *p, uint64_t at)
{
	if (!timer_armed(&p->timer) || p->timer.deadline > at)
		timer_arm(t->timers, &p->timer, at);
}

static void ask(struct peers *t, struct peer *p, uint64_t now)
{
	struct challenge *c = &p->challenge;
	struct control_frame frame = {.type = CONTROL_PATH_CHALLENGE};
	c->asked = now;
	/* The path first: it is to have its chance. */
	if (!c->path_answered && roam_is_beside(t, p, &c->to)) {
		memcpy(frame.u.path.token, c->path_token, sizeof frame.u.path.token);
		frames_send(t, p, &p->endpoint, &p->local, NULL, &frame, now);
	}
	memcpy(frame.u.path.token, c->token, sizeof frame.u.path.token);
	if (c->answered == 0)
		frames_send(t, p, &c->to, &c->from, &c->credit, &frame, now);
}

/* Not more often than this does anybody move for good reasons. */
static bool may_move(const struct peer *p, uint64_t now)
{
	struct bucket look = p->moves;
	return p->up_due || p->path == PATH_NONE ||
		((p->moved == 0 || now - p->moved >= MOVE_GAP_NS) &&
			bucket_take(&look, MOVES_NS, MOVES, now));
}

/*
 * While a port of this address is being asked, others of it wait: they may be no more than what our asking
 * has caused.
 */
static bool is_busy(
	const struct peers *t, const struct peer *p, const struct endpoint *from, uint64_t now)
{
	const struct challenge *c = &p->challenge;
	return c->active && between_spokes(t, p) && addr_equal(&from->addr, &c->to.addr) &&
		now - c->started < (p->rtt_ns ? challenge_gap(p) : CHALLENGE_NS);
}

void roam_challenge(struct peers *t, struct peer *p, const struct endpoint *from,
	const struct ip_addr *local, size_t len, uint64_t now)
{
	struct challenge *c = &p->challenge;
	if ((p->path != PATH_NONE && endpoint_equal(from, &p->endpoint)) ||
		t->ops.is_overlay(t->ops.ctx, &from->addr) || !may_move(p, now) ||
		(endpoint_equal(from, &p->beside) && now < p->stays_until))
		return;
	bool same = c->active && now - c->started < CHALLENGE_NS && endpoint_equal(from, &c->to);
	if (!same && is_busy(t, p, from, now))
		return;
	if (!same) {
		*c = (struct challenge){.active = true, .to = *from, .started = now};
		t->env->random(t->env->ctx, c->token, sizeof c->token);
		t->env->random(t->env->ctx, c->path_token, sizeof c->path_token);
	}
	c->from = *local;
	c->credit +=
		(uint64_t)len * 3 / 2; /* the other half is for answers: three for one in all */
	if (!same || now - c->asked >= challenge_gap(p))
		ask(t, p, now);
	wake_by(t, p, now + challenge_gap(p));
}

static void move(struct peers *t, struct peer *p, uint64_t now)
{
	char name[64], old[ENDPOINT_TEXT_MAX], new[ENDPOINT_TEXT_MAX];
	struct challenge *c = &p->challenge;
	bool up_due = p->up_due;
	c->active = p->up_due = false;
	if (!up_due) {
		bucket_take(&p->moves, MOVES_NS, MOVES, now);
		p->moved = now;
		env_log(t->env, LOG_INFO, "%s: moved from %s to %s", peer_name(p, name),
			endpoint_format(&p->endpoint, old), endpoint_format(&c->to, new));
	}
	peer_set_endpoint(t, p, &c->to, &c->from);
	peer_set_path(t, p, PATH_UP, "", now);
	if (up_due)
		t->ops.up(t->ops.ctx, p, false, now);
}

static bool is_known(const struct peer *p)
{
	return endpoint_equal(&p->challenge.to, &p->beside);
}

/* Until when an answer of the path itself is waited for. */
static uint64_t grace_ends(const struct peer *p)
{
	return p->challenge.answered + (is_known(p) ? GRACE_KNOWN_NS : GRACE_NS);
}

/* Does the peer send from there, and is it we who go after it? */
static bool follows(const struct peers *t, const struct peer *p, uint64_t now)
{
	bool lower = memcmp(t->id->public_key, p->key, KEY_LEN) < 0;
	bool effect = p->yielded && now - p->moved < SETTLE_NS;
	return p->challenge.from_there && (!lower || (!effect && !is_known(p)));
}

/* The new place has answered: to go there, to stay, or to wait for what the path says. */
static void decide(struct peers *t, struct peer *p, uint64_t now)
{
	struct challenge *c = &p->challenge;
	if (!c->answered || !may_move(p, now))
		return;
	bool beside = roam_is_beside(t, p, &c->to);
	if (!beside || follows(t, p, now)) {
		p->yielded = beside;
		move(t, p, now);
	} else if (c->path_answered) {
		c->active = false;
		if (!c->from_there)
			return;
		p->beside = c->to;
		p->stays_until = now + STAY_NS;
	} else if (now >= grace_ends(p)) {
		p->yielded = false;
		move(t, p, now);
	}
}

void roam_response(struct peers *t, struct peer *p, const uint8_t token[8],
	const struct endpoint *from, const struct ip_addr *local, uint64_t now)
{
	struct challenge *c = &p->challenge;
	bool there = endpoint_equal(from, &c->to);
	if (!c->active || now - c->started > CHALLENGE_NS ||
		!(there || (between_spokes(t, p) && addr_equal(&from->addr, &c->to.addr))))
		return;
	if (prim_equal(token, c->token, sizeof c->token)) {
		c->answered = c->answered ? c->answered : now;
		c->from_there |= there;
		if (there)
			c->from = *local;
	} else if (prim_equal(token, c->path_token, sizeof c->path_token)) {
		c->path_answered = true;
	} else {
		return;
	}
	decide(t, p, now);
	if (c->active && c->answered)
		wake_by(t, p, grace_ends(p));
}

bool roam_tick(struct peers *t, struct peer *p, uint64_t now, uint64_t *next)
{
	struct challenge *c = &p->challenge;
	if (c->active)
		decide(t, p, now);
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
	if (c->answered && grace_ends(p) > now && grace_ends(p) < at)
		at = grace_ends(p);
	*next = at < *next ? at : *next;
	return true;
}

void roam_leave(struct peer *p, const struct endpoint *to)
{
	if (p->endpoint.addr.family == 0 || endpoint_equal(&p->endpoint, to))
		return;
	if (!addr_equal(&p->endpoint.addr, &to->addr))
		p->beside = (struct endpoint){0};
	memmove(p->former + 1, p->former, sizeof p->former - sizeof p->former[0]);
	p->former[0] = p->endpoint;
}

bool roam_keeps_warm(const struct peers *t, const struct peer *p, uint64_t now)
{
	return between_spokes(t, p) && p->path == PATH_UP && p->asked && now - p->asked < ASKED_NS;
}

void roam_warm(struct peers *t, struct peer *p, uint64_t now)
{
	struct control_frame frame = {.type = CONTROL_PATH_CHALLENGE};
	t->env->random(t->env->ctx, frame.u.path.token, sizeof frame.u.path.token);
	p->warmed = now;
	for (unsigned i = 0; i < PEER_FORMER; i++)
		if (roam_is_beside(t, p, &p->former[i]))
			frames_send(t, p, &p->former[i], &p->local, NULL, &frame, now);
}
