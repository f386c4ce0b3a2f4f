#include "core/route/fib.h"

#include "core/base/err.h"

#include <stdlib.h>
#include <string.h>

int fib_init(struct fib *f, uint32_t max_routes, uint32_t max_shortcuts, uint32_t max_neighbours,
	struct epoch *epoch, const struct env *env)
{
	*f = (struct fib){.cap = max_routes * 2, .free_head = FIB_NONE, .epoch = epoch};
	f->entries = calloc(f->cap, sizeof *f->entries);
	f->retired = calloc(f->cap, sizeof *f->retired);
	if (!f->entries || !f->retired || lpm_init(&f->routes, max_routes, epoch) ||
		lpm_init(&f->shortcuts, max_shortcuts, epoch) ||
		lpm_init(&f->neighbours, max_neighbours, epoch) ||
		hashmap_init(&f->by_prefix, max_routes, sizeof(struct prefix), env)) {
		fib_fini(f);
		return ERR_NO_SPACE;
	}
	return 0;
}

void fib_fini(struct fib *f)
{
	free(f->entries);
	free(f->retired);
	lpm_fini(&f->routes);
	lpm_fini(&f->shortcuts);
	lpm_fini(&f->neighbours);
	hashmap_fini(&f->by_prefix);
	memset(f, 0, sizeof *f);
}

/* The kernel's own order for one prefix: table local, then the lower metric; ours come behind. */
static int preference(const struct fib_route *a, const struct fib_route *b)
{
	const uint32_t local_table = 255;
	if (a->source != b->source)
		return a->source < b->source ? -1 : 1;
	if ((a->table == local_table) != (b->table == local_table))
		return a->table == local_table ? -1 : 1;
	/* Routes for some type of service alone: when there is no other one, we see no others' packets. */
	if ((a->tos != 0) != (b->tos != 0))
		return a->tos == 0 ? -1 : 1;
	if (a->metric != b->metric)
		return a->metric < b->metric ? -1 : 1;
	return 0;
}

static bool same_key(const struct fib_route *a, const struct fib_route *b)
{
	return a->source == b->source && a->table == b->table && a->metric == b->metric &&
		a->tos == b->tos &&
		(a->source == FIB_KERNEL || addr_equal(&a->gateway, &b->gateway));
}

static bool same_forwarding(const struct fib *f, uint32_t a, uint32_t b)
{
	for (; a != FIB_NONE && b != FIB_NONE; a = f->entries[a].leg, b = f->entries[b].leg) {
		const struct fib_route *x = &f->entries[a].route, *y = &f->entries[b].route;
		if (x->type != y->type || x->elsewhere != y->elsewhere || x->weight != y->weight ||
			!addr_equal(&x->gateway, &y->gateway))
			return false;
	}
	return a == b;
}

static uint32_t take(struct fib *f)
{
	/* There are twice as many entries as routes: when none is free, some wait to be reused. */
	if (f->free_head == FIB_NONE && f->n_fresh == f->cap && f->retired_count)
		epoch_wait(f->epoch, f->retired[f->retired_head].stamp);
	while (f->retired_count && epoch_passed(f->epoch, f->retired[f->retired_head].stamp)) {
		uint32_t i = f->retired[f->retired_head].entry;
		f->entries[i].next = f->free_head;
		f->free_head = i;
		f->retired_head = (f->retired_head + 1) % f->cap;
		f->retired_count--;
	}
	if (f->retired_count == 0)
		f->retired_head = 0; /* so that of a large table no more is touched than is used */
	uint32_t i = f->free_head;
	if (i != FIB_NONE)
		f->free_head = f->entries[i].next;
	else if (f->n_fresh < f->cap)
		i = f->n_fresh++;
	f->used += i != FIB_NONE;
	return i;
}

/* Back to the free ones: nobody has seen it. */
static void give_back(struct fib *f, uint32_t i)
{
	f->entries[i].used = false;
	f->entries[i].next = f->free_head;
	f->free_head = i;
	f->used--;
}

/* To be called after the route has left the trie: its entry, with its legs. */
static void retire(struct fib *f, uint32_t i)
{
	uint64_t stamp = epoch_retire(f->epoch);
	for (; i != FIB_NONE; i = f->entries[i].leg) {
		f->entries[i].used = false;
		f->used--;
		f->retired[(f->retired_head + f->retired_count++) % f->cap] =
			(struct fib_retired){.entry = i, .stamp = stamp};
	}
}

/* The entries of a route, the first one's number. FIB_NONE: there are not so many. */
static uint32_t make(
	struct fib *f, const struct fib_route *route, const struct route_leg *legs, unsigned n)
{
	uint32_t first = FIB_NONE;
	for (unsigned k = n; k-- > 0;) {
		uint32_t i = take(f);
		if (i == FIB_NONE) {
			for (uint32_t next; first != FIB_NONE; first = next) {
				next = f->entries[first].leg;
				give_back(f, first);
			}
			return FIB_NONE;
		}
		f->entries[i] = (struct fib_entry){
			.route = *route, .leg = first, .used = true, .is_leg = k > 0};
		f->entries[i].route.gateway = legs[k].gateway;
		f->entries[i].route.weight = legs[k].weight ? legs[k].weight : 1;
		first = i;
	}
	return first;
}

static uint32_t chain_head(const struct fib *f, const struct prefix *p)
{
	uint32_t head = hashmap_get(&f->by_prefix, p);
	return head == HASHMAP_NONE ? FIB_NONE : head;
}

/* head is the chain of p from now on, and its first entry the one in the trie. Cannot fail. */
static void set_head(struct fib *f, const struct prefix *p, uint32_t old, uint32_t head)
{
	if (head == FIB_NONE) {
		hashmap_remove(&f->by_prefix, p);
		lpm_remove(&f->routes, p);
		f->generation++;
		return;
	}
	hashmap_put(&f->by_prefix, p, head);
	if (head != old)
		lpm_put(&f->routes, p, head);
	if (old == FIB_NONE || !same_forwarding(f, old, head))
		f->generation++;
}

int fib_route_put(struct fib *f, const struct fib_route *route)
{
	struct route_leg only = {.gateway = route->gateway, .weight = 1};
	return fib_route_put_legs(f, route, &only, 1);
}

int fib_route_put_legs(
	struct fib *f, const struct fib_route *route, const struct route_leg *legs, unsigned n)
{
	uint32_t head = chain_head(f, &route->prefix), old = head, replaced = FIB_NONE;
	uint32_t *place = &head;
	/* A new prefix needs room in the trie; all that follows cannot fail. */
	if (head == FIB_NONE && f->routes.entries == f->routes.max_entries)
		return ERR_NO_SPACE;
	uint32_t i = make(f, route, legs, n);
	if (i == FIB_NONE)
		return ERR_NO_SPACE;
	/* In the place of what it replaces, whose preference is the same; else behind its equals. */
	for (uint32_t *link = &head; *link != FIB_NONE; link = &f->entries[*link].next) {
		if (same_key(&f->entries[*link].route, route)) {
			replaced = *link;
			place = link;
			break;
		}
		if (preference(&f->entries[*link].route, route) <= 0)
			place = &f->entries[*link].next;
	}
	f->entries[i].next = replaced != FIB_NONE ? f->entries[replaced].next : *place;
	*place = i;
	set_head(f, &route->prefix, old, head);
	if (replaced != FIB_NONE)
		retire(f, replaced);
	return 0;
}

int fib_route_remove(struct fib *f, const struct fib_route *route)
{
	uint32_t head = chain_head(f, &route->prefix), old = head;
	for (uint32_t *link = &head; *link != FIB_NONE; link = &f->entries[*link].next) {
		uint32_t i = *link;
		if (!same_key(&f->entries[i].route, route))
			continue;
		*link = f->entries[i].next;
		set_head(f, &route->prefix, old, head);
		retire(f, i);
		return 0;
	}
	return ERR_NOT_FOUND;
}

const struct fib_route *fib_covering(const struct fib *f, const struct prefix *p)
{
	uint32_t i = lpm_cover(&f->routes, p);
	return i == LPM_NONE ? NULL : &f->entries[i].route;
}

const struct fib_route *fib_own(const struct fib *f, const struct prefix *p)
{
	uint32_t i = chain_head(f, p);
	while (i != FIB_NONE && f->entries[i].route.source == FIB_KERNEL)
		i = f->entries[i].next;
	return i == FIB_NONE ? NULL : &f->entries[i].route;
}

const struct fib_route *fib_route_at(const struct fib *f, uint32_t i, bool *active)
{
	if (i >= f->n_fresh || !f->entries[i].used || f->entries[i].is_leg)
		return NULL;
	*active = chain_head(f, &f->entries[i].route.prefix) == i;
	return &f->entries[i].route;
}

unsigned fib_legs_at(const struct fib *f, uint32_t i, struct route_leg legs[ROUTE_LEGS])
{
	unsigned n = 0;
	for (; i != FIB_NONE && n < ROUTE_LEGS; i = f->entries[i].leg)
		legs[n++] = (struct route_leg){.gateway = f->entries[i].route.gateway,
			.weight = f->entries[i].route.weight};
	return n;
}

struct inside {
	const struct fib *f;
	bool (*same)(const void *ctx, const struct fib_route *route);
	const void *ctx;
	bool all;
};

static void look_inside(void *ctx, const struct prefix *p, uint32_t value)
{
	struct inside *in = ctx;
	(void)p;
	in->all = in->all && in->same(in->ctx, &in->f->entries[value].route);
}

bool fib_widest(const struct fib *f, const struct ip_addr *target, uint8_t least_len,
	bool (*same)(const void *ctx, const struct fib_route *route), const void *ctx,
	struct prefix *out)
{
	for (unsigned len = least_len; len <= addr_bits(target->family); len++) {
		*out = prefix_masked((struct prefix){.addr = *target, .len = (uint8_t)len});
		const struct fib_route *r = fib_covering(f, out);
		struct inside in = {.f = f, .same = same, .ctx = ctx, .all = r && same(ctx, r)};
		if (in.all)
			lpm_each_inside(&f->routes, out, look_inside, &in);
		if (in.all)
			return true;
	}
	return false;
}

int fib_shortcut_put(struct fib *f, const struct prefix *p, uint32_t peer)
{
	return lpm_put(&f->shortcuts, p, peer);
}

void fib_shortcut_remove(struct fib *f, const struct prefix *p)
{
	lpm_remove(&f->shortcuts, p);
}

int fib_neighbour_put(struct fib *f, const struct ip_addr *a, uint32_t peer)
{
	struct prefix host = prefix_host(a);
	return lpm_put(&f->neighbours, &host, peer);
}

void fib_neighbour_remove(struct fib *f, const struct ip_addr *a, uint32_t peer)
{
	struct prefix host = prefix_host(a);
	if (lpm_get(&f->neighbours, &host) == peer)
		lpm_remove(&f->neighbours, &host);
}

uint32_t fib_neighbour(const struct fib *f, const struct ip_addr *a)
{
	struct prefix host = prefix_host(a);
	return lpm_get(&f->neighbours, &host);
}

struct fib_view fib_snapshot(const struct fib *f)
{
	return (struct fib_view){
		.routes = lpm_snapshot(&f->routes),
		.shortcuts = lpm_snapshot(&f->shortcuts),
		.neighbours = lpm_snapshot(&f->neighbours),
		.entries = f->entries,
	};
}

static void go_by(const struct fib_view *v, const struct ip_addr *dst,
	const struct fib_route *route, struct fib_hop *hop)
{
	uint8_t len;
	hop->next_hop = route->gateway.family != 0 ? route->gateway : *dst;
	hop->peer = lpm_match(&v->neighbours, &hop->next_hop, &len);
}

bool fib_lookup(const struct fib_view *v, const struct ip_addr *dst, struct fib_hop *hop)
{
	uint8_t route_len = 0, shortcut_len = 0, neighbour_len;
	*hop = (struct fib_hop){.peer = FIB_NONE, .next_hop = *dst, .legs = FIB_NONE};
	if (dst->family == 6 && addr_is_link_local(dst)) {
		hop->type = FIB_OVERLAY;
		hop->peer = lpm_match(&v->neighbours, dst, &neighbour_len);
		return true;
	}
	uint32_t i = lpm_match(&v->routes, dst, &route_len);
	uint32_t shortcut = lpm_match(&v->shortcuts, dst, &shortcut_len);
	if (shortcut != LPM_NONE && (i == LPM_NONE || shortcut_len >= route_len)) {
		hop->type = FIB_OVERLAY;
		hop->shortcut = true;
		hop->peer = shortcut;
		return true;
	}
	if (i == LPM_NONE)
		return false;
	const struct fib_entry *entry = &v->entries[i];
	hop->type = entry->route.type;
	hop->elsewhere = entry->route.elsewhere;
	if (entry->route.type != FIB_OVERLAY)
		return true;
	if (entry->leg != FIB_NONE)
		hop->legs = i;
	go_by(v, dst, &entry->route, hop);
	return true;
}

/* Which of them this hash falls to; n when no weight is left. */
static unsigned by_weight(const uint32_t *weights, unsigned n, uint32_t hash)
{
	uint32_t total = 0;
	for (unsigned i = 0; i < n; i++)
		total += weights[i];
	uint32_t at = (uint32_t)((uint64_t)hash * total >> 32);
	for (unsigned i = 0; i < n; i++) {
		if (at < weights[i])
			return i;
		at -= weights[i];
	}
	return n;
}

void fib_choose(const struct fib_view *v, const struct ip_addr *dst, uint32_t hash,
	fib_usable_fn *usable, const void *ctx, struct fib_hop *hop, struct ip_addr *wanted)
{
	const struct fib_route *legs[ROUTE_LEGS] = {NULL};
	uint32_t weights[ROUTE_LEGS];
	uint32_t i = hop->legs; /* there is one at least */
	unsigned n = 0;
	do {
		legs[n] = &v->entries[i].route;
		weights[n] = legs[n]->weight;
		n++;
		i = v->entries[i].leg;
	} while (i != FIB_NONE && n < ROUTE_LEGS);
	unsigned first = by_weight(weights, n, hash);
	go_by(v, dst, legs[first], hop);
	*wanted = hop->next_hop;
	if (usable(ctx, hop->peer))
		return;
	for (unsigned k = 0; k < n; k++) {
		go_by(v, dst, legs[k], hop);
		if (!usable(ctx, hop->peer))
			weights[k] = 0;
	}
	/* Spread anew: by the same order of hashes all would go to the one that stands behind. */
	unsigned chosen = by_weight(weights, n, hash * UINT32_C(0x9e3779b1));
	go_by(v, dst, legs[chosen < n ? chosen : first], hop);
}
