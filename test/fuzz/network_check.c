#include "core/peer/linklocal.h"
#include "test/fuzz/arena.h"
#include "test/fuzz/fuzz.h"
#include "test/fuzz/network.h"

#include <string.h>

/* ---- Sessions: each slot has one use --------------------------------------------------------- */

#define SLOTS_MAX 64

static void own(uint8_t used[SLOTS_MAX], const struct sessions *t, uint32_t id)
{
	must(id < t->n_fresh && id < SLOTS_MAX && !used[id]);
	used[id] = 1;
}

static void own_session(uint8_t used[SLOTS_MAX], const struct sessions *t, const struct peer *p,
	uint32_t id, enum session_state state)
{
	if (id == SESSION_NONE)
		return;
	own(used, t, id);
	must(t->slots[id].peer == p->id && atomic_load(&t->slots[id].state) == state);
}

static void check_sessions(const struct engine *e)
{
	const struct sessions *t = &e->plane.sessions;
	uint8_t used[SLOTS_MAX] = {0};
	uint32_t n = 0, lanes = 0;
	must(e->peers.n_fresh <= e->peers.max && t->n_fresh <= t->n_slots);
	for (uint32_t i = 0; i < e->peers.n_fresh; i++) {
		const struct peer *p = peer_at(&e->peers, i);
		uint32_t path = atomic_load(&t->paths[i].session);
		must(path == SESSION_NONE || (p && p->path == PATH_UP && path == p->current));
		if (!p)
			continue;
		n++;
		must(p->id == i && peer_find(&e->peers, p->key) == p);
		must(!p->init.active || p->init.session != SESSION_NONE);
		own_session(used, t, p, p->current, SESSION_LIVE);
		own_session(used, t, p, p->previous, SESSION_LIVE);
		own_session(used, t, p, p->next, SESSION_UNCONFIRMED);
		own_session(used, t, p, p->init.session, SESSION_FREE);
	}
	must(n == e->peers.count && n == e->peers.by_key.count);
	for (uint32_t id = t->free_head; id != SESSION_NONE; id = t->slots[id].next_free)
		own(used, t, id);
	for (uint32_t id = t->ended_head; id != SESSION_NONE; id = t->slots[id].next_free)
		own(used, t, id);
	for (uint32_t id = 0; id < t->n_fresh; id++) {
		must(used[id]); /* none is lost */
		lanes += t->slots[id].peer_lanes;
	}
	must(lanes + t->n_free_lanes == t->n_lanes);
}

/* ---- NHRP ------------------------------------------------------------------------------------ */

static void check_bindings(const struct engine *e)
{
	const struct nhrp *t = &e->nhrp;
	uint32_t count = 0;
	for (uint32_t i = 0; i < e->peers.max; i++) {
		const struct peer *p = peer_at(&e->peers, i);
		uint32_t id = t->clients[i].first;
		must(id == NHRP_NONE || p);
		for (; id != NHRP_NONE; id = t->bindings[id].next) {
			must(id < t->max_bindings && ++count <= t->max_bindings);
			must(t->bindings[id].used && t->bindings[id].peer == i);
			must(cert_covers_prefix(&p->cert, &t->bindings[id].prefix));
		}
	}
	must(count == t->n_bindings);
}

static void check_shortcuts(const struct engine *e)
{
	const struct nhrp *t = &e->nhrp;
	uint32_t left = e->plane.fib.shortcuts.entries;
	for (unsigned i = 0; i < NHRP_SHORTCUTS && left > 0; i++) {
		const struct shortcut *s = &t->shortcuts[i];
		if (!s->used)
			continue;
		const struct peer *p = peer_at(&e->peers, s->peer);
		left--;
		must(p && s->prefix.len > 0);
		must(p->hub || cert_covers_prefix(&p->cert, &s->prefix));
		must(timer_armed(&s->timer));
	}
	must(left == 0);
}

/* A next hop leads to a peer that is there and whose certificate, as it is now, has the address. */
static void check_neighbour(void *ctx, const struct prefix *prefix, uint32_t value)
{
	const struct engine *e = ctx;
	const struct peer *p = peer_at(&e->peers, value);
	must(prefix->len == addr_bits(prefix->addr.family));
	must(p && peer_has_session(p));
	struct ip_addr own = linklocal_of(p->cert.addresses, p->cert.n_addresses, p->key);
	must(addr_equal(&own, &prefix->addr) || cert_covers_prefix(&p->cert, prefix));
}

static void check_neighbours(struct engine *e)
{
	const struct prefix all[] = {{.addr = {.family = 4}}, {.addr = {.family = 6}}};
	for (unsigned i = 0; i < 2; i++)
		lpm_each_inside(&e->plane.fib.neighbours, &all[i], check_neighbour, e);
}

/* Nobody stands in for another's address. */
static void check_next_hops(const struct network *n, const struct engine *e)
{
	struct fib_view view = fib_snapshot(&e->plane.fib);
	for (unsigned i = 0; i < NET_NODES; i++) {
		const struct engine *other = n->nodes[i].engine;
		const struct ip_addr *a = &other->self.addresses[0].addr;
		struct fib_hop hop;
		struct prefix host = prefix_host(a);
		if (other == e || !fib_lookup(&view, a, &hop) || hop.type != FIB_OVERLAY ||
			hop.peer == FIB_NONE)
			continue;
		bool on_link = hop.shortcut || addr_equal(&hop.next_hop, a);
		const struct peer *p = peer_at(&e->peers, hop.peer);
		must(p &&
			(!on_link || p->cert.role & CERT_HUB ||
				cert_covers_prefix(&p->cert, &host)));
	}
}

/* ---- The rest -------------------------------------------------------------------------------- */

static void check_timers(const struct timer_heap *h, uint64_t now)
{
	must(h->n <= h->cap);
	for (uint32_t i = 1; i <= h->n; i++) {
		must(h->v[i]->position == i && h->v[i]->fire != NULL);
		must(i == 1 || h->v[i / 2]->deadline <= h->v[i]->deadline);
		must(h->v[i]->deadline <= now + 86400 * NS_PER_S);
	}
}

static void check_views(const struct engine *e, uint64_t now)
{
	static struct peer_view peer;
	static struct nhrp_view nhrp;
	static struct route_view route;
	static struct node_view node;
	uint32_t cursor = 0, n = 0;
	engine_view_node(e, &node);
	must(node.peers_up <= node.peers && node.hubs_up <= node.hubs);
	while (engine_view_peer(e, &cursor, &peer, now))
		n++;
	/* Those that could not be reached are listed besides. */
	must(n >= node.peers && n <= node.peers + NHRP_RESOLUTIONS);
	for (cursor = 0; engine_view_route(e, &cursor, &route);)
		must(route.prefix.len <= addr_bits(route.prefix.addr.family));
	for (cursor = 0; engine_view_nhrp(e, &cursor, &nhrp, now);)
		must(nhrp.kind && nhrp.state);
}

void network_end(struct network *n)
{
	for (unsigned i = 0; i < NET_NODES; i++) {
		struct engine *e = n->nodes[i].engine;
		check_sessions(e);
		check_neighbours(e);
		check_bindings(e);
		check_shortcuts(e);
		check_next_hops(n, e);
		check_timers(&e->timers, n->now);
		if (n->fate & UINT32_C(0x80000000))
			check_views(e, n->now);
	}
	arena_close();
}
