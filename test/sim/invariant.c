#include "test/sim/invariant.h"

#include "core/engine/node.h"
#include "core/peer/linklocal.h"
#include "core/wire/ip.h"
#include "test/sim/node.h"

#include <stdlib.h>
#include <string.h>

#define AMPLIFICATION    3
#define PROBES           5
#define INITIATION_TRIES 10 /* copies in a burst of 20 s, when all intervals are short */

#define BROKEN(n, ...) sim_fail((n)->sim, __FILE__, __LINE__, __VA_ARGS__)

static uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t x = (a ^ b * UINT64_C(0x9e3779b97f4a7c15)) + UINT64_C(0x632be59bd9b4e019);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static uint64_t mix_endpoint(uint64_t seed, const struct endpoint *e)
{
	uint64_t words[2];
	memcpy(words, e->addr.bytes, sizeof words);
	if (e->addr.family == 4) {
		words[0] = load_u32(e->addr.bytes);
		words[1] = 0;
	}
	return mix(mix(mix(seed, words[0]), words[1]), (uint64_t)e->addr.family << 16 | e->port);
}

/* False: it is there already. */
static bool set_add(struct invariant_set *t, uint64_t number)
{
	if (t->n * 2 >= t->cap) {
		struct invariant_set bigger = {.cap = t->cap ? t->cap * 2 : 256};
		bigger.v = calloc(bigger.cap, sizeof *bigger.v);
		if (!bigger.v)
			abort();
		for (uint32_t i = 0; i < t->cap; i++)
			if (t->v[i])
				set_add(&bigger, t->v[i]);
		free(t->v);
		*t = bigger;
	}
	number += number == 0;
	uint32_t i = (uint32_t)number & (t->cap - 1);
	for (; t->v[i]; i = (i + 1) & (t->cap - 1))
		if (t->v[i] == number)
			return false;
	t->v[i] = number;
	t->n++;
	return true;
}

static struct invariant_end *find_end(struct invariants *v, const struct endpoint *at)
{
	if (v->n_ends * 2 >= v->cap_ends) {
		struct invariants old = *v;
		v->cap_ends = old.cap_ends ? old.cap_ends * 2 : 64;
		v->ends = calloc(v->cap_ends, sizeof *v->ends);
		if (!v->ends)
			abort();
		v->n_ends = 0;
		for (uint32_t i = 0; i < old.cap_ends; i++)
			if (old.ends[i].at.addr.family)
				*find_end(v, &old.ends[i].at) = old.ends[i];
		free(old.ends);
	}
	uint32_t i = (uint32_t)mix_endpoint(1, at) & (v->cap_ends - 1);
	for (; v->ends[i].at.addr.family; i = (i + 1) & (v->cap_ends - 1))
		if (endpoint_equal(&v->ends[i].at, at))
			return &v->ends[i];
	v->n_ends++;
	v->ends[i].at = *at;
	return &v->ends[i];
}

/* ---- Who is who ----------------------------------------------------------------------------- */

static const struct node *node_at(const struct node *n, unsigned i)
{
	const struct net *net = n->host->device.net;
	return i < net->n_hosts ? net->hosts[i]->owner : NULL;
}

static const struct node *node_of_key(const struct node *n, const uint8_t key[KEY_LEN])
{
	const struct net *net = n->host->device.net;
	for (unsigned i = 0; i < net->n_hosts; i++) {
		const struct node *m = node_at(n, i);
		if (m &&
			(memcmp(m->cert.static_key, key, KEY_LEN) == 0 ||
				memcmp(m->former.static_key, key, KEY_LEN) == 0))
			return m;
	}
	return NULL;
}

static const struct node *node_of_address(const struct node *n, const struct ip_addr *a)
{
	const struct net *net = n->host->device.net;
	for (unsigned i = 0; i < net->n_hosts; i++) {
		const struct node *m = node_at(n, i);
		for (unsigned k = 0; m && k < m->cert.n_addresses; k++)
			if (addr_equal(&m->cert.addresses[k].addr, a))
				return m;
	}
	return NULL;
}

/* A plaintext member has no key; it is whoever lives at its address. */
static const struct node *node_of_peer(const struct node *n, const struct peer *p)
{
	const struct net *net = n->host->device.net;
	if (!p->plain)
		return node_of_key(n, p->key);
	for (unsigned i = 0; i < net->n_hosts; i++) {
		const struct node *m = node_at(n, i);
		if (m && iface_owns(&m->host->iface, &p->endpoint.addr))
			return m;
	}
	return NULL;
}

static bool covers(const struct cert *cert, const struct prefix *p)
{
	for (unsigned i = 0; i < cert->n_addresses; i++) {
		struct prefix host = prefix_host(&cert->addresses[i].addr);
		if (prefix_equal(&host, p))
			return true;
	}
	for (unsigned i = 0; i < cert->n_prefixes; i++)
		if (prefix_covers(&cert->prefixes[i], p))
			return true;
	return false;
}

/* Granted by the CA: one of its addresses, or inside one of its prefixes. */
static bool granted(const struct node *m, const struct prefix *p)
{
	return m && (covers(&m->cert, p) || covers(&m->former, p));
}

/* One without a node is a foreign implementation: what its section allows it. */
static bool peer_granted(const struct node *n, const struct peer *p, const struct prefix *prefix)
{
	const struct node *m = node_of_peer(n, p);
	return p->plain && !m ? plain_allows(plain_section_of(&n->engine->peers, p), &prefix->addr)
			      : granted(m, prefix);
}

static bool source_granted(const struct cert *cert, const struct ip_addr *src)
{
	bool own_subnet = false;
	if (src->family == 6 && addr_is_link_local(src)) {
		struct ip_addr own =
			linklocal_of(cert->addresses, cert->n_addresses, cert->static_key);
		return addr_equal(&own, src);
	}
	for (unsigned i = 0; i < cert->n_addresses; i++) {
		if (addr_equal(&cert->addresses[i].addr, src))
			return true;
		own_subnet |= prefix_contains(&cert->addresses[i], src);
	}
	for (unsigned i = 0; i < cert->n_prefixes && !own_subnet; i++)
		if (prefix_contains(&cert->prefixes[i], src))
			return true;
	return false;
}

/* ---- Sealing -------------------------------------------------------------------------------- */

/* Stands in the way of all that the control loop seals. */
static int checked_seal(
	void *ctx, struct session *s, uint16_t protocol, uint8_t *payload, size_t len)
{
	struct engine *e = ctx;
	struct node *n = e->env.ctx;
	struct peer *p = peer_at(&e->peers, s->peer);
	if (atomic_load(&s->state) != SESSION_LIVE || !p || p->current != s->id)
		BROKEN(n, "%s seals under a session that is not confirmed", n->name);
	return n->invariants.seal(ctx, s, protocol, payload, len);
}

static bool session_leads_there(
	const struct engine *e, const struct peer *p, uint32_t id, uint32_t index)
{
	const struct session *s = session_at(&e->plane.sessions, id);
	return s && s->remote_index == index && s->peer == p->id &&
		atomic_load(&s->state) == SESSION_LIVE;
}

static void check_user_data(struct node *n, const uint8_t *data)
{
	const struct engine *e = n->engine;
	uint32_t index, sequence;
	uint8_t lane;
	gre_sealed_read(data, &index, &lane, &sequence);
	for (uint32_t i = 0; i < e->peers.n_fresh; i++) {
		const struct peer *p = peer_at(&e->peers, i);
		/* The one before, if the very packet that caused it confirmed a new one. */
		if (p &&
			(session_leads_there(e, p, p->current, index) ||
				session_leads_there(e, p, p->previous, index)))
			return;
	}
	BROKEN(n, "%s sends user data without a confirmed session", n->name);
}

/* ---- Plaintext ------------------------------------------------------------------------------ */

static bool is_listed_plain(
	const struct node *n, const struct endpoint *at, const uint8_t *data, size_t len)
{
	struct gre_plain header;
	if (n->config.n_interop == 0 || gre_plain_read(data, len, &header) < 0)
		return false;
	const struct plain_section *s =
		plain_section_for(&n->engine->plane.plain, &at->addr, at->port == 0);
	return s && header.have_key == s->have_key && header.key == s->key;
}

void invariant_plaintext(struct node *n, const struct endpoint *to, const uint8_t *data, size_t len)
{
	char text[ENDPOINT_TEXT_MAX];
	endpoint_format(to, text);
	if (!is_listed_plain(n, to, data, len))
		BROKEN(n, "%s sends plaintext to %s, which is not listed", n->name, text);
	for (uint32_t i = 0; i < n->engine->peers.n_fresh; i++) {
		const struct peer *p = peer_at(&n->engine->peers, i);
		if (p && !p->plain && peer_has_session(p) &&
			addr_equal(&p->endpoint.addr, &to->addr))
			BROKEN(n, "%s sends plaintext to %s, where %s has a session", n->name, text,
				p->cert.name);
	}
}

/* ---- Strangers ------------------------------------------------------------------------------ */

static bool is_proven(struct node *n, struct invariant_end *end)
{
	for (uint32_t i = 0; !end->proven && i < n->engine->peers.n_fresh; i++) {
		const struct peer *p = peer_at(&n->engine->peers, i);
		end->proven = p && peer_has_session(p) && endpoint_equal(&p->endpoint, &end->at);
		for (unsigned k = 0; p && k < PEER_FORMER; k++)
			end->proven |= endpoint_equal(&p->former[k], &end->at);
	}
	return end->proven;
}

/* A hub's endpoint by the bundle, or where somebody was before a restart. */
static bool is_listed(struct node *n, struct invariant_end *end)
{
	struct hints hints;
	struct hint hint;
	if (n->saved_hints && hints_decode(n->saved_hints, n->saved_hints_len, &hints) == 0)
		while (!end->listed && hints_next(&hints, &hint))
			end->listed = endpoint_equal(&hint.at, &end->at);
	for (uint32_t i = 0; !end->listed && i < n->engine->peers.n_fresh; i++) {
		const struct peer *p = peer_at(&n->engine->peers, i);
		for (unsigned k = 0; p && p->hub && k < p->n_endpoints; k++)
			end->listed |= endpoint_equal(&p->endpoints[k], &end->at);
	}
	return end->listed;
}

static bool is_type(const uint8_t *data, size_t len, enum message_type type)
{
	return gre_classify(data, len) == GRE_HANDSHAKE && data[GRE_PLAIN_LEN] == type;
}

static void check_probe(struct node *n, const struct endpoint *to, const uint8_t *message)
{
	/* A token lives 30 s. A copy of the request that arrives later than that begins anew. */
	uint64_t life = node_now(n) / (30 * NS_PER_S);
	uint64_t number = mix(mix_endpoint(load_u32(message + 4), to), life);
	unsigned sent = 0;
	while (!set_add(&n->invariants.probes, mix(number, sent)))
		sent++;
	if (sent >= PROBES)
		BROKEN(n, "%s sends a probe too many for one token", n->name);
}

void invariant_departure(
	struct node *n, const struct endpoint *to, const uint8_t *data, size_t len, bool user)
{
	struct invariants *v = &n->invariants;
	char text[ENDPOINT_TEXT_MAX];
	if (user)
		check_user_data(n, data);
	if (v->arrival.active && endpoint_equal(to, &v->arrival.from))
		v->arrival.answered += len;
	if (is_type(data, len, MESSAGE_PROBE) && data[GRE_PLAIN_LEN + 15] == 0) {
		check_probe(n, to, data + GRE_PLAIN_LEN);
		return;
	}
	struct invariant_end *end = find_end(v, to);
	if (is_proven(n, end))
		return;
	if (is_type(data, len, MESSAGE_INITIATION)) {
		end->initiations++;
		if (!is_listed(n, end) && end->initiations > INITIATION_TRIES * end->probes)
			BROKEN(n, "%s: %u INITIATIONs to %s, which sent %u good probes", n->name,
				end->initiations, endpoint_format(to, text), end->probes);
		return;
	}
	end->out += len;
	if (end->out > AMPLIFICATION * end->in)
		BROKEN(n, "%s: %llu bytes to %s, which sent %llu and has not shown itself", n->name,
			(unsigned long long)end->out, endpoint_format(to, text),
			(unsigned long long)end->in);
}

static bool probe_is_good(const struct node *n, const uint8_t *message, size_t len)
{
	const struct peers *t = &n->engine->peers;
	struct message_header header;
	struct probe probe;
	if (message_peek(message, len, &header) < 0)
		return false;
	for (unsigned i = 0; i < PUNCH_MAX; i++)
		if (t->punches[i].used && t->punches[i].token_id == header.token_id)
			return probe_open(message, len, t->punches[i].key, &probe) == 0;
	return false;
}

static void arrival_sealed(struct node *n, const uint8_t *data)
{
	struct invariants *v = &n->invariants;
	uint32_t index, sequence;
	uint8_t lane;
	gre_sealed_read(data, &index, &lane, &sequence);
	const struct session *s = session_find(&n->engine->plane.sessions, index);
	v->arrival.sealed = true;
	if (!s)
		return;
	v->arrival.number = mix(mix(s->created_ns, (uint64_t)index << 4 | lane), sequence);
	v->arrival.cert = s->cert;
}

void invariant_arrival(struct node *n, const struct endpoint *from, const uint8_t *data, size_t len)
{
	struct invariants *v = &n->invariants;
	enum gre_kind kind = gre_classify(data, len);
	v->arrival.active = true;
	v->arrival.sealed = v->arrival.opened = v->arrival.probe_ok = false;
	v->arrival.type = kind == GRE_HANDSHAKE ? data[GRE_PLAIN_LEN] : 0;
	v->arrival.from = *from;
	v->arrival.len = len;
	v->arrival.answered = 0;
	v->arrival.unlisted =
		kind != GRE_SEALED && kind != GRE_HANDSHAKE && !is_listed_plain(n, from, data, len);
	v->arrival.number = 0;
	struct invariant_end *end = find_end(v, from);
	end->in += len;
	if (kind == GRE_SEALED)
		arrival_sealed(n, data);
	if (v->arrival.type == MESSAGE_PROBE)
		v->arrival.probe_ok = probe_is_good(n, data + GRE_PLAIN_LEN, len - GRE_PLAIN_LEN);
	end->probes += v->arrival.probe_ok;
}

static void check_source(struct node *n, const struct pkt *p)
{
	const struct cert *cert = &n->invariants.arrival.cert;
	const struct node *sender = node_of_key(n, cert->static_key);
	struct ip_view ip;
	char src[ADDR_TEXT_MAX];
	if (!sender || strcmp(sender->cert.name, cert->name) != 0)
		BROKEN(n, "%s has a session with nobody that the CA knows", n->name);
	if (ip_peek(p->data, p->len, &ip) < 0)
		BROKEN(n, "%s accepts what is no IP packet", n->name);
	bool good = cert->role & CERT_HUB
		? addr_is_unicast(&ip.src) && node_of_address(n, &ip.src) != n
		: source_granted(&sender->cert, &ip.src) ||
			source_granted(&sender->former, &ip.src);
	if (!good)
		BROKEN(n, "%s accepts a packet of %s from %s", n->name, addr_format(&ip.src, src),
			cert->name);
}

static bool dropped_after_opening(uint8_t why)
{
	return why == DROP_NO_SESSION || why == DROP_NO_ROUTE || why == DROP_BAD_SOURCE ||
		why == DROP_BAD_INNER || why == DROP_HAIRPIN_REFUSED || why == DROP_TTL_EXCEEDED ||
		why == DROP_TOO_BIG || why == DROP_MULTICAST_FILTERED ||
		why == DROP_MULTICAST_LIMITED || why == DROP_ECN_ILLEGAL;
}

void invariant_verdict(struct node *n, const struct pkt *p)
{
	struct invariants *v = &n->invariants;
	/* The control loop takes for a handshake, and drops, what is none. */
	if (v->arrival.unlisted && p->verdict != PKT_DROP && p->verdict != PKT_CONSUMED)
		BROKEN(n, "%s accepts plaintext from who is not listed", n->name);
	if (!v->arrival.sealed || (p->verdict == PKT_DROP && !dropped_after_opening(p->drop)))
		return;
	v->arrival.opened = true;
	if (v->arrival.number == 0)
		BROKEN(n, "%s accepts a packet without a session", n->name);
	if (!set_add(&v->accepted, v->arrival.number))
		BROKEN(n, "%s accepts a sealed packet twice", n->name);
	if (p->verdict == PKT_WRITE_TUN)
		check_source(n, p);
}

void invariant_arrived(struct node *n)
{
	struct invariants *v = &n->invariants;
	struct invariant_end *end = find_end(v, &v->arrival.from);
	char text[ENDPOINT_TEXT_MAX];
	v->arrival.active = false;
	/* It may have proved its place just now, and be gone before the next thing is sent there. */
	if (n->engine && v->arrival.opened)
		is_proven(n, end);
	if (!n->engine || v->arrival.opened || v->arrival.answered <= v->arrival.len)
		return;
	/* More than it sent: only to a member that showed itself. */
	bool known = (v->arrival.type == MESSAGE_RESPONSE || v->arrival.type == MESSAGE_RESET) &&
		is_proven(n, end);
	if (!known && !v->arrival.probe_ok)
		BROKEN(n, "%s: %zu bytes in answer to %zu of %s", n->name, v->arrival.answered,
			v->arrival.len, endpoint_format(&v->arrival.from, text));
}

/* ---- Tables --------------------------------------------------------------------------------- */

enum owner { OWNER_NONE, OWNER_PEER, OWNER_FREE, OWNER_ENDED };

static void own(struct node *n, uint32_t id, enum owner owner)
{
	const struct sessions *t = &n->engine->plane.sessions;
	if (id >= t->n_fresh || n->invariants.owners[id] != OWNER_NONE)
		BROKEN(n, "%s: session slot %u is used for two things", n->name, id);
	n->invariants.owners[id] = (uint8_t)owner;
}

static void own_session(struct node *n, const struct peer *p, uint32_t id, enum session_state state)
{
	const struct session *s = session_at(&n->engine->plane.sessions, id);
	if (!s)
		return;
	own(n, id, OWNER_PEER);
	if (s->peer != p->id || atomic_load(&s->state) != state)
		BROKEN(n, "%s: a session of %s is in state %u, expected %u", n->name, p->cert.name,
			atomic_load(&s->state), state);
}

static void check_sessions(struct node *n)
{
	const struct engine *e = n->engine;
	const struct sessions *t = &e->plane.sessions;
	uint32_t used = 0, lanes = 0;
	memset(n->invariants.owners, 0, t->n_fresh);
	for (uint32_t i = 0; i < e->peers.n_fresh; i++) {
		const struct peer *p = peer_at(&e->peers, i);
		if (!p)
			continue;
		used++;
		own_session(n, p, p->current, SESSION_LIVE);
		own_session(n, p, p->previous, SESSION_LIVE);
		own_session(n, p, p->next, SESSION_UNCONFIRMED);
		own_session(n, p, p->init.session, SESSION_FREE);
		if (p->known && !p->plain && !node_of_key(n, p->key))
			BROKEN(n, "%s: a peer that the CA does not know", n->name);
	}
	if (used != e->peers.count || used > e->peers.max)
		BROKEN(n, "%s: %u peers, counted as %u", n->name, used, e->peers.count);
	for (uint32_t id = t->free_head; id != SESSION_NONE && t->n_fresh;) {
		own(n, id, OWNER_FREE);
		id = t->slots[id].next_free;
	}
	for (uint32_t id = t->ended_head; id != SESSION_NONE; id = t->slots[id].next_free)
		own(n, id, OWNER_ENDED);
	for (uint32_t id = 0; id < t->n_fresh; id++) {
		if (n->invariants.owners[id] == OWNER_NONE)
			BROKEN(n, "%s: session slot %u is lost", n->name, id);
		if (n->invariants.owners[id] != OWNER_FREE)
			lanes += t->slots[id].peer_lanes;
	}
	if (lanes + t->n_free_lanes != t->n_lanes)
		BROKEN(n, "%s: %u lanes in use, %u free, of %u", n->name, lanes, t->n_free_lanes,
			t->n_lanes);
}

static void check_bindings(struct node *n)
{
	const struct nhrp *t = &n->engine->nhrp;
	uint32_t count = 0;
	char text[PREFIX_TEXT_MAX];
	for (uint32_t i = 0; i < n->engine->peers.max && t->n_bindings; i++) {
		uint32_t id = t->clients[i].first;
		const struct peer *p = peer_at(&n->engine->peers, i);
		if (id != NHRP_NONE && !p)
			BROKEN(n, "%s: bindings of nobody", n->name);
		for (; id != NHRP_NONE && count <= t->max_bindings; id = t->bindings[id].next) {
			const struct binding *b = &t->bindings[id];
			count++;
			if (!b->used || b->peer != i)
				BROKEN(n, "%s: a binding of another in a list", n->name);
			if (!peer_granted(n, p, &b->prefix))
				BROKEN(n, "%s binds %s to %s", n->name,
					prefix_format(&b->prefix, text), p->cert.name);
		}
	}
	if (count != t->n_bindings || count > t->max_bindings)
		BROKEN(n, "%s: %u bindings, counted as %u", n->name, count, t->n_bindings);
}

static void check_shortcuts(struct node *n)
{
	const struct nhrp *t = &n->engine->nhrp;
	char text[PREFIX_TEXT_MAX];
	uint32_t left = n->engine->plane.fib.shortcuts.entries;
	for (unsigned i = 0; i < NHRP_SHORTCUTS && left > 0; i++) {
		const struct shortcut *s = &t->shortcuts[i];
		const struct peer *p = s->used ? peer_at(&n->engine->peers, s->peer) : NULL;
		if (!s->used)
			continue;
		left--;
		prefix_format(&s->prefix, text);
		if (!p)
			BROKEN(n, "%s: shortcut %s to nobody", n->name, text);
		if (s->prefix.len == 0 ||
			(!p->hub &&
				(!peer_granted(n, p, &s->prefix) ||
					!cert_covers_prefix(&p->cert, &s->prefix))))
			BROKEN(n, "%s: shortcut %s to %s", n->name, text, p->cert.name);
	}
	if (left > 0)
		BROKEN(n, "%s forwards by shortcuts that do not exist", n->name);
}

/* Where packets for everybody's addresses would go. */
static void check_next_hops(struct node *n)
{
	const struct engine *e = n->engine;
	const struct net *net = n->host->device.net;
	struct fib_view view = fib_snapshot(&e->plane.fib);
	struct fib_hop hop;
	char text[ADDR_TEXT_MAX];
	for (unsigned i = 0; i < net->n_hosts; i++) {
		const struct node *m = node_at(n, i);
		for (unsigned k = 0; m && m != n && k < m->cert.n_addresses; k++) {
			const struct ip_addr *a = &m->cert.addresses[k].addr;
			if (!fib_lookup(&view, a, &hop) || hop.type != FIB_OVERLAY ||
				hop.peer == FIB_NONE)
				continue;
			const struct peer *p = peer_at(&e->peers, hop.peer);
			if (!p)
				BROKEN(n, "%s: the next hop to %s is nobody", n->name,
					addr_format(a, text));
			struct prefix host = prefix_host(a);
			if (!(p->cert.role & CERT_HUB) && !peer_granted(n, p, &host))
				BROKEN(n, "%s sends to %s what is for %s of %s", n->name,
					p->cert.name, addr_format(a, text), m->name);
		}
	}
}

static void check_kernel(struct node *n)
{
	char text[PREFIX_TEXT_MAX];
	for (unsigned i = 0; i < n->n_installed; i++) {
		const struct installed_route *r = &n->installed[i];
		const struct node *m = node_of_address(n, &r->gateway);
		if (m && (m->hub || (n->hub && granted(m, &r->prefix))))
			continue;
		BROKEN(n, "%s routes %s by %s", n->name, prefix_format(&r->prefix, text),
			m ? m->name : "nobody");
	}
}

static void check_losses(struct node *n)
{
	const struct engine *e = n->engine;
	if (e->actions.lost)
		BROKEN(n, "%s: the action queue was full", n->name);
	if (e->timers.n > e->timers.cap)
		BROKEN(n, "%s: more timers than there is room for", n->name);
	for (unsigned i = 0; i <= e->n_workers; i++)
		if (atomic_load(&e->workers[i].counters.dropped[DROP_RING_FULL]))
			BROKEN(n, "%s: a ring was full", n->name);
}

/* Of what changes whenever sessions and peers do. */
static uint64_t digest_sessions(const struct engine *e)
{
	const struct sessions *t = &e->plane.sessions;
	uint64_t h = (uint64_t)t->n_fresh << 40 ^ (uint64_t)t->free_head << 20 ^ t->ended_head;
	h = mix(h, (uint64_t)e->peers.count << 32 | t->n_free_lanes);
	h = mix(h, atomic_load_explicit(&e->plane.epoch.now, memory_order_relaxed));
	return mix(h, (uint64_t)e->timers.n << 32 | e->actions.n) | 1;
}

/* Of what changes whenever it is decided anew who is where. */
static uint64_t digest_authority(const struct engine *e, uint64_t sessions)
{
	const struct fib *f = &e->plane.fib;
	uint64_t h = mix(sessions, f->generation);
	h = mix(h, (uint64_t)f->shortcuts.entries << 32 | f->neighbours.entries);
	for (unsigned i = 0; i < 9; i++)
		h += e->nhrp.in[i];
	return mix(h, e->nhrp.n_bindings) | 1;
}

void invariant_step(struct node *n)
{
	struct invariants *v = &n->invariants;
	if (!n->engine)
		return;
	uint64_t sessions = digest_sessions(n->engine);
	uint64_t authority = digest_authority(n->engine, sessions);
	if (sessions != v->sessions_seen) {
		check_sessions(n);
		check_losses(n);
	}
	if (authority != v->authority_seen) {
		check_bindings(n);
		check_shortcuts(n);
		check_next_hops(n);
		check_kernel(n);
	}
	v->sessions_seen = sessions;
	v->authority_seen = authority;
}

void invariant_alone(struct node *n)
{
	const struct engine *e = n->engine;
	const struct sessions *t = &e->plane.sessions;
	n->invariants.sessions_seen = n->invariants.authority_seen = 0;
	invariant_step(n);
	for (uint32_t i = 0; i < e->peers.n_fresh; i++) {
		const struct peer *p = peer_at(&e->peers, i);
		if (p && (!p->hub || peer_has_session(p)))
			BROKEN(n, "%s still has %s, which is gone", n->name, p->cert.name);
	}
	for (uint32_t id = 0; id < t->n_fresh; id++)
		if (n->invariants.owners[id] == OWNER_PEER && t->slots[id].peer_lanes)
			BROKEN(n, "%s: a session is left, and nobody there", n->name);
	if (t->n_free_lanes != t->n_lanes)
		BROKEN(n, "%s: lanes are not given back", n->name);
	if (e->nhrp.n_bindings || node_nhrp_count(n, "shortcut"))
		BROKEN(n, "%s: bindings or shortcuts are left, and nobody there", n->name);
}

/* ---- Life ----------------------------------------------------------------------------------- */

void invariant_fini(struct node *n)
{
	struct invariants *v = &n->invariants;
	free(v->ends);
	free(v->accepted.v);
	free(v->probes.v);
	free(v->owners);
	*v = (struct invariants){0};
}

void invariant_start(struct node *n)
{
	invariant_fini(n); /* a machine that starts anew trusts nobody's endpoint */
	n->invariants.owners = calloc(n->engine->plane.sessions.n_slots, 1);
	if (!n->invariants.owners)
		abort();
	n->invariants.seal = n->engine->peers.ops.seal;
	n->engine->peers.ops.seal = checked_seal;
}
