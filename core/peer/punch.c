#include "core/peer/peer.h"
#include "core/wire/nhrp.h"

#include <string.h>

#define TOKEN_NS (30 * NS_PER_S)
#define SHORT_TTL                                                                                  \
	4          /* dies before the far side's NAT, so it cannot take our mapping's place there */
#define ANSWERS 80 /* to one token */

/* When the probes of a burst go out. */
static const uint64_t schedule[] = {
	0, 50 * NS_PER_MS, 150 * NS_PER_MS, 350 * NS_PER_MS, 750 * NS_PER_MS};
#define STEPS (sizeof schedule / sizeof *schedule)

unsigned punch_candidates(const struct peers *t, struct candidate out[PUNCH_CANDIDATES])
{
	unsigned n = 0, global6 = 0;
	for (unsigned i = 0; i < t->n_own && n < PUNCH_CANDIDATES - 2; i++) {
		const struct ip_addr *a = &t->own[i];
		if (!addr_is_unicast(a) || addr_is_link_local(a) ||
			(a->family == 6 && !addr_is_private(a) && global6++ >= 2))
			continue;
		out[n].kind = NHRP_CANDIDATE_HOST;
		out[n++].endpoint = (struct endpoint){.addr = *a, .port = t->port};
	}
	return n;
}

static bool shares_public_address(const struct peers *t, const struct candidate *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; v[i].kind == NHRP_CANDIDATE_SEEN && k < t->n_hubs; k++)
			if (addr_equal(&v[i].endpoint.addr, &t->v[t->hubs[k]].seen.addr))
				return true;
	return false;
}

static bool observed(const struct candidate *v, unsigned n, const struct ip_addr *a)
{
	for (unsigned i = 0; i < n; i++)
		if (v[i].kind == NHRP_CANDIDATE_SEEN && addr_equal(&v[i].endpoint.addr, a))
			return true;
	return false;
}

static bool may_probe(const struct peers *t, const struct candidate *v, unsigned n,
	const struct candidate *c, bool neighbours, unsigned *global6)
{
	const struct ip_addr *a = &c->endpoint.addr;
	if (c->endpoint.port == 0 || !addr_is_unicast(a) || addr_is_link_local(a) ||
		t->ops.is_overlay(t->ops.ctx, a))
		return false;
	for (unsigned i = 0; i < t->n_own; i++)
		if (addr_equal(a, &t->own[i]) && c->endpoint.port == t->port)
			return false;
	if (addr_is_private(a))
		return neighbours || observed(v, n, a);
	if (a->family == 6)
		return (*global6)++ < 2;
	return observed(v, n, a); /* any port of an address that a hub has seen */
}

unsigned punch_filter(const struct peers *t, struct candidate *v, unsigned n)
{
	struct candidate kept[PUNCH_CANDIDATES];
	unsigned n_kept = 0, global6 = 0;
	bool neighbours = shares_public_address(t, v, n);
	for (unsigned i = 0; i < n && n_kept < PUNCH_CANDIDATES; i++)
		if (may_probe(t, v, n, &v[i], neighbours, &global6))
			kept[n_kept++] = v[i];
	memcpy(v, kept, n_kept * sizeof *v);
	return n_kept;
}

static struct punch *find_token(struct peers *t, uint32_t token_id)
{
	for (unsigned i = 0; i < PUNCH_MAX; i++)
		if (t->punches[i].used && t->punches[i].token_id == token_id)
			return &t->punches[i];
	return NULL;
}

static void finish(struct punch *u)
{
	timer_disarm(u->owner->timers, &u->timer);
	prim_wipe(u->key, sizeof u->key);
	u->used = false;
}

static void knock(struct punch *u, unsigned i, uint8_t ttl)
{
	static const struct ip_addr any;
	struct peers *t = u->owner;
	uint8_t out[GRE_PLAIN_LEN + MESSAGE_PROBE_LEN];
	struct probe probe = {.token_id = u->token_id};
	memcpy(probe.nonce, u->nonce[i], sizeof probe.nonce);
	gre_handshake_write(out);
	probe_build(out + GRE_PLAIN_LEN, &probe, u->key);
	t->ops.send(t->ops.ctx, &u->to[i], &any, ttl, out, sizeof out);
}

static void burst(void *owner, struct timer *timer, uint64_t now)
{
	struct punch *u = (struct punch *)((char *)timer - offsetof(struct punch, timer));
	char name[64];
	(void)owner;
	if (now >= u->until) {
		struct peer *p = peer_find(u->owner, u->peer_key);
		if (p && !u->answered && p->path != PATH_UP)
			env_log(u->owner->env, LOG_INFO,
				"%s: no answer to probes, traffic stays on the hub",
				peer_name(p, name));
		finish(u);
		return;
	}
	if (u->answered || u->step >= STEPS) {
		timer_arm(u->owner->timers, &u->timer, u->until);
		return;
	}
	for (unsigned i = 0; i < u->n; i++) {
		const struct ip_addr *a = &u->to[i].addr;
		bool far = a->family == 4 && !addr_is_private(a);
		knock(u, i, far && u->step < 2 ? SHORT_TTL : 0);
	}
	u->step++;
	timer_arm(u->owner->timers, &u->timer,
		u->step < STEPS ? u->started + schedule[u->step] : u->until);
}

static struct punch *free_punch(struct peers *t)
{
	struct punch *oldest = &t->punches[0];
	for (unsigned i = 0; i < PUNCH_MAX; i++) {
		if (!t->punches[i].used)
			return &t->punches[i];
		if (t->punches[i].until < oldest->until)
			oldest = &t->punches[i];
	}
	finish(oldest);
	return oldest;
}

void punch_start(struct peers *t, uint32_t token_id, const uint8_t key[KEY_LEN],
	const uint8_t peer_key[KEY_LEN], const struct candidate *v, unsigned n, uint64_t now)
{
	struct punch *u = find_token(t, token_id);
	if (!u) {
		u = free_punch(t);
		*u = (struct punch){.used = true,
			.token_id = token_id,
			.started = now,
			.until = now + TOKEN_NS,
			.answers_left = ANSWERS,
			.owner = t,
			.timer = {.fire = burst}};
		memcpy(u->key, key, KEY_LEN);
		memcpy(u->peer_key, peer_key, KEY_LEN);
	} else if (!prim_equal(u->key, key, KEY_LEN) ||
		memcmp(u->peer_key, peer_key, KEY_LEN) != 0) {
		return; /* somebody else's token */
	}
	for (unsigned i = 0; i < n && u->n < PUNCH_CANDIDATES; i++) {
		unsigned k = 0;
		while (k < u->n && !endpoint_equal(&u->to[k], &v[i].endpoint))
			k++;
		if (k < u->n)
			continue;
		u->to[u->n] = v[i].endpoint;
		t->env->random(t->env->ctx, u->nonce[u->n], sizeof u->nonce[0]);
		u->n++;
	}
	burst(t, &u->timer, now);
}

static bool was_named(const struct punch *u, const struct ip_addr *a)
{
	for (unsigned i = 0; i < u->n; i++)
		if (addr_equal(&u->to[i].addr, a))
			return true;
	return false;
}

/* An answer is one only to a probe of ours. */
static bool sent_nonce(const struct punch *u, const uint8_t nonce[7])
{
	for (unsigned i = 0; i < u->n; i++)
		if (memcmp(u->nonce[i], nonce, sizeof u->nonce[i]) == 0)
			return true;
	return false;
}

void punch_receive(struct peers *t, const uint8_t *msg, size_t len, const struct endpoint *from,
	const struct ip_addr *local, uint64_t now)
{
	struct message_header header;
	struct probe probe;
	if (message_peek(msg, len, &header) < 0)
		return;
	struct punch *u = find_token(t, header.token_id);
	if (!u || now >= u->until || t->ops.is_overlay(t->ops.ctx, &from->addr)) {
		t->dropped[DROP_HANDSHAKE_REFUSED]++;
		return;
	}
	if (probe_open(msg, len, u->key, &probe) < 0 ||
		(probe.answer && !sent_nonce(u, probe.nonce))) {
		t->dropped[DROP_BAD_MAC]++;
		return;
	}
	bool answer = probe.answer;
	if (!answer) {
		uint8_t out[GRE_PLAIN_LEN + MESSAGE_PROBE_LEN];
		if (u->answers_left == 0) {
			t->dropped[DROP_RATE_LIMITED]++;
			return;
		}
		u->answers_left--;
		probe.answer = true;
		gre_handshake_write(out);
		probe_build(out + GRE_PLAIN_LEN, &probe, u->key);
		t->ops.send(t->ops.ctx, from, local, 0, out, sizeof out);
	}
	/*
	 * A handshake is longer than a probe, and a probe may have been recorded and sent on with a forged
	 * source: only an address that was named is called. Anybody else hears our answer, and calls us.
	 */
	if (!answer && !was_named(u, &from->addr))
		return;
	struct peer *p = peer_obtain(t, u->peer_key, now);
	if (!p || p->hub)
		return;
	u->answered = true;
	if (p->path == PATH_UP || p->init.active)
		return;
	connect_start(t, p, from, local, HANDSHAKE_AFTER_PUNCH, now);
}
