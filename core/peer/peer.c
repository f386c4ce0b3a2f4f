#include "core/peer/peer.h"

#include "core/base/err.h"
#include "core/peer/linklocal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An INITIATION is repeated for 20 s and what answers it waits for 10: no crossing takes longer. */
#define SIMULTANEOUS_NS (30 * NS_PER_S)

int peers_init(struct peers *t, uint32_t max, struct sessions *sessions, struct plain *plain,
	struct handshake_identity *id, struct trust *trust, const uint8_t *certificate,
	size_t certificate_len, const struct cert *self, struct timer_heap *timers,
	const struct env *env, const struct peer_ops *ops, uint64_t now)
{
	memset(t, 0, sizeof *t);
	t->max = max;
	t->free_head = PEER_NONE;
	t->sessions = sessions;
	t->plain = plain;
	t->id = id;
	t->trust = trust;
	t->certificate = certificate;
	t->certificate_len = certificate_len;
	t->self = *self;
	t->is_hub = (self->role & CERT_HUB) != 0;
	t->timers = timers;
	t->env = env;
	t->ops = *ops;
	t->v = calloc(max, sizeof *t->v);
	t->assembly.bytes = malloc(BUNDLE_MAX);
	t->assembly.peer = PEER_NONE;
	if (!t->v || !t->assembly.bytes || admit_init(&t->admission, env) != 0 ||
		hashmap_init(&t->by_key, max, KEY_LEN, env)) {
		peers_fini(t);
		return ERR_NO_SPACE;
	}
	cookie_jar_init(&t->cookies, env, now);
	return 0;
}

void peers_fini(struct peers *t)
{
	for (uint32_t i = 0; t->v && i < t->n_fresh; i++)
		if (t->v[i].used)
			handshake_wipe(&t->v[i].init.hs);
	cookie_jar_wipe(&t->cookies);
	prim_wipe(t->punches, sizeof t->punches);
	free(t->v);
	admit_fini(&t->admission);
	free(t->assembly.bytes);
	hashmap_fini(&t->by_key);
	t->v = NULL;
	t->assembly.bytes = NULL;
}

struct peer *peer_find(const struct peers *t, const uint8_t key[KEY_LEN])
{
	uint32_t id = hashmap_get(&t->by_key, key);
	return id == HASHMAP_NONE ? NULL : &t->v[id];
}

struct peer *peer_at(const struct peers *t, uint32_t id)
{
	return id < t->n_fresh && t->v[id].used ? &t->v[id] : NULL;
}

struct peer *peer_find_text(const struct peers *t, const char *who)
{
	struct ip_addr a = {0};
	bool is_addr = addr_parse(who, &a);
	for (uint32_t i = 0; i < t->n_fresh; i++) {
		struct peer *p = &t->v[i];
		if (p->used && p->known &&
			(is_addr ? cert_owns_address(&p->cert, &a)
				 : strcmp(p->cert.name, who) == 0))
			return p;
	}
	return NULL;
}

const char *peer_name(const struct peer *p, char *buf)
{
	if (p->known || p->cert.name[0])
		return p->cert.name;
	snprintf(buf, 64, "key %02x%02x%02x%02x", p->key[0], p->key[1], p->key[2], p->key[3]);
	return buf;
}

struct peer *peer_obtain(struct peers *t, const uint8_t key[KEY_LEN], uint64_t now)
{
	struct peer *p = peer_find(t, key);
	if (p || t->count == t->max || memcmp(key, t->id->public_key, KEY_LEN) == 0)
		return p;
	uint32_t id = t->free_head;
	if (id == PEER_NONE)
		id = t->n_fresh++;
	else
		t->free_head = t->v[id].next_free;
	p = &t->v[id];
	*p = (struct peer){
		.used = true,
		.id = id,
		.generation = p->generation + 1,
		.current = SESSION_NONE,
		.previous = SESSION_NONE,
		.next = SESSION_NONE,
		.init.session = SESSION_NONE,
		.retry_at = TS_NEVER,
		.reason = "",
		.keepalive_gap = env_jitter(t->env, 20 * NS_PER_S, 10),
		.last_tick = now,
		.last_recheck = now,
		.timer = {.fire = liveness_fire, .owner = t},
	};
	memcpy(p->key, key, KEY_LEN);
	path_clear(t->sessions, id);
	hashmap_put(&t->by_key, key, id);
	t->count++;
	return p;
}

static void end_session(struct peers *t, uint32_t *slot)
{
	struct session *s = session_at(t->sessions, *slot);
	*slot = SESSION_NONE;
	if (s)
		session_end(t->sessions, s);
}

/* Which session the workers use for user data: the current one, while the path is up. */
static void publish_path(struct peers *t, struct peer *p)
{
	atomic_store_explicit(&t->sessions->paths[p->id].session,
		p->path == PATH_UP ? p->current : SESSION_NONE, memory_order_release);
}

static void take_down(struct peers *t, struct peer *p, const char *why, uint64_t now)
{
	connect_abandon(t, p);
	p->path = PATH_NONE;
	p->reason = why;
	publish_path(t, p);
	t->ops.down(t->ops.ctx, p, why, now);
	end_session(t, &p->next);
	end_session(t, &p->current);
	end_session(t, &p->previous);
	if (t->assembly.peer == p->id)
		t->assembly.peer = PEER_NONE;
	if (p->user_ping)
		t->ops.pong(t->ops.ctx, p->user_ping_token, false, false, 0);
	p->user_ping = false;
	p->challenge.active = p->up_due = p->restarting = false;
	p->unanswered = 0;
	p->bundle_due = false;
	t->changed = true;
}

void peer_forget(struct peers *t, struct peer *p, const char *why, uint64_t now)
{
	take_down(t, p, why, now); /* as what it was: a hub's routes go with it */
	if (p->plain)
		plain_gone(t, p);
	timer_disarm(t->timers, &p->timer);
	hashmap_remove(&t->by_key, p->key);
	p->hub = p->plain = false;
	p->used = false;
	p->next_free = t->free_head;
	t->free_head = p->id;
	t->count--;
}

void peer_drop(struct peers *t, struct peer *p, const char *why, uint64_t now)
{
	if (!p->hub) {
		peer_forget(t, p, why, now);
		return;
	}
	take_down(t, p, why, now);
	p->retry_at = now; /* a hub of ours is sought at once, and for ever */
	peer_wake(t, p, now);
}

void peer_close(struct peers *t, struct peer *p, uint8_t reason, const char *why, uint64_t now)
{
	frames_close(t, p, reason, now);
	peer_drop(t, p, why, now);
}

int peer_send_to(struct peers *t, struct peer *p, const struct endpoint *to,
	const struct ip_addr *from, uint16_t protocol, const void *payload, size_t len,
	uint64_t now)
{
	uint8_t buffer[SEALED_HEADER_LEN + GRE_PLAIN_LEN + PKT_ROOM + AEAD_TAG_MAX];
	uint8_t *room = buffer + SEALED_HEADER_LEN + GRE_PLAIN_LEN;
	struct session *s = session_at(t->sessions, p->current);
	if (!s || p->plain || to->addr.family == 0)
		return ERR_NOT_FOUND;
	if (len > PKT_ROOM ||
		SEALED_HEADER_LEN + GRE_PLAIN_LEN + len + s->tx.aead->tag_len > s->peer_max_udp)
		return ERR_NO_SPACE;
	memcpy(room, payload, len);
	int total = t->ops.seal(t->ops.ctx, s, protocol, room, len);
	if (total < 0)
		return total;
	t->ops.send(t->ops.ctx, to, from, 0, buffer, (size_t)total);
	p->control_tx_ns = now;
	return 0;
}

int peer_send(struct peers *t, struct peer *p, uint16_t protocol, const void *payload, size_t len,
	uint64_t now)
{
	if (p->plain)
		return plain_send(t, p, protocol, payload, len);
	return peer_send_to(t, p, &p->endpoint, &p->local, protocol, payload, len, now);
}

void peer_set_endpoint(
	struct peers *t, struct peer *p, const struct endpoint *to, const struct ip_addr *from)
{
	t->changed |= !endpoint_equal(&p->endpoint, to);
	roam_leave(p, to);
	p->endpoint = *to;
	p->local = *from;
	if (p->hub)
		p->hint = *to;
	path_set_endpoint(t->sessions, p->id, to, from);
	if (!p->plain)
		plain_yield(t, &to->addr);
}

void peer_set_path(
	struct peers *t, struct peer *p, enum path_state state, const char *reason, uint64_t now)
{
	bool changed = p->path != state;
	p->path = state;
	p->reason = reason;
	publish_path(t, p);
	if (!changed)
		return;
	p->pings = 0;
	p->unanswered = 0;
	if (state == PATH_SUSPENDED)
		p->suspended_at = now;
	else
		p->up_since = p->user_data_ns = now; /* it is given its time to be used */
	t->ops.path(t->ops.ctx, p, now);
	if (state == PATH_UP)
		p->suspended_at = 0;
}

void peer_wake(struct peers *t, struct peer *p, uint64_t now)
{
	timer_arm(t->timers, &p->timer, now);
}

/* The peer began its handshake before it had confirmed `old`: it did not know. */
static bool crossed(const struct peer *p, const struct session *old, uint64_t now)
{
	return p->next_after != old->local_index && now - old->created_ns <= SIMULTANEOUS_NS;
}

/*
 * Of two sessions that both ends made at once, both must send on the same one: that of the initiator with
 * the lower static key. True if ours stays.
 */
static bool keep_old(
	const struct peers *t, const struct peer *p, const struct session *s, uint64_t now)
{
	const struct session *old = session_at(t->sessions, p->current);
	return old && old->initiator && !s->initiator && crossed(p, old, now) &&
		old->local_index != p->lost_index && memcmp(t->id->public_key, p->key, KEY_LEN) < 0;
}

/* Keys are one thing, where to send is another: see docs/protocol.md section 3.10. */
static void settle_path(struct peers *t, struct peer *p, const struct endpoint *from,
	const struct ip_addr *local, bool proven, size_t len, bool rekey, uint64_t now)
{
	/* A handshake tells nothing new of a port that is known, and beside the path. */
	if (p->path == PATH_UP && endpoint_equal(from, &p->beside))
		proven = false;
	if (proven || (p->path != PATH_NONE && endpoint_equal(from, &p->endpoint))) {
		peer_set_endpoint(t, p, from, local);
		p->challenge.active = false;
		peer_set_path(t, p, PATH_UP, "", now);
	} else {
		roam_challenge(t, p, from, local, len, now);
	}
	p->up_due = p->path != PATH_UP;
	if (p->up_due)
		p->user_data_ns = now; /* it has its time to answer */
	else
		t->ops.up(t->ops.ctx, p, rekey, now);
}

static void note_heard(const struct peers *t, struct peer *p)
{
	p->kept_heard[0] = session_heard(session_at(t->sessions, p->current));
	p->kept_heard[1] = session_heard(session_at(t->sessions, p->previous));
}

void peer_follow(struct peers *t, struct peer *p)
{
	uint64_t before[2] = {p->kept_heard[0], p->kept_heard[1]};
	p->kept = p->kept && p->current != SESSION_NONE && p->previous != SESSION_NONE;
	if (!p->kept)
		return;
	note_heard(t, p);
	if (p->kept_heard[0] != before[0] || p->kept_heard[1] == before[1])
		return;
	uint32_t id = p->current;
	p->current = p->previous;
	p->previous = id;
	p->cert = session_at(t->sessions, p->current)->cert;
	publish_path(t, p);
	note_heard(t, p);
}

static bool same_addresses(const struct cert *a, const struct cert *b)
{
	bool same = a->n_addresses == b->n_addresses;
	for (unsigned i = 0; same && i < a->n_addresses; i++)
		same = prefix_equal(&a->addresses[i], &b->addresses[i]);
	return same;
}

void peer_install(struct peers *t, struct peer *p, struct session *s, const struct endpoint *from,
	const struct ip_addr *local, bool proven, size_t len, uint64_t now)
{
	const struct session *old = session_at(t->sessions, p->current);
	/* Who asks for new keys without having any has lost us; both at once is no such case. */
	bool forgot = !s->initiator && p->next_is_new && old && !crossed(p, old, now);
	/* New keys alone change nothing; a session after a silence or a restart is a new one. */
	bool rekey = old && p->path == PATH_UP && !p->lost_us && !forgot;
	assert(s->peer == p->id);
	session_publish(t->sessions, s, SESSION_LIVE);
	if (p->next == s->id)
		p->next = SESSION_NONE;
	if (keep_old(t, p, s, now)) {
		end_session(t, &p->previous);
		p->previous = s->id;
		p->kept = true;
		note_heard(t, p);
		/* Which keys is one question, which path another. */
		if (p->path != PATH_UP)
			settle_path(t, p, from, local, proven, len, false, now);
		return;
	}
	/* It has restarted, and `old` and what is older are of its former life. */
	if (old && (forgot || old->local_index == p->lost_index))
		p->run_ns = s->created_ns <= old->created_ns ? s->created_ns : old->created_ns + 1;
	p->lost_us = p->kept = false;
	connect_abandon(t, p); /* whatever it was to bring is there */
	if (p->known && !same_addresses(&p->cert, &s->cert)) {
		/* Renumbered: what was known of the old addresses ends with them. */
		t->ops.down(t->ops.ctx, p, "has other addresses now", now);
		rekey = false;
	}
	end_session(t, &p->previous);
	p->previous = p->current;
	p->current = s->id;
	p->cert = s->cert;
	p->known = true;
	p->rekey_at = now +
		env_jitter(t->env, s->initiator ? SEALED_REKEY_NS : SEALED_REKEY_RESPONDER_NS,
			s->initiator ? 10 : 3);
	p->rekey_retry = 0;
	p->retry_at = TS_NEVER;
	p->rekeys += rekey;
	p->unanswered = 0;
	t->changed |= t->is_hub; /* its timestamp is another one */
	atomic_store_explicit(&t->sessions->paths[p->id].last_rx_ns, now, memory_order_relaxed);
	publish_path(t, p);
	settle_path(t, p, from, local, proven, len, rekey, now);
	if (s->initiator) /* confirm at once, so that the other side may send */
		peer_send(t, p, GRE_PROTO_KEEPALIVE, (const uint8_t[8]){0}, 8, now);
	peer_wake(t, p, now);
}
