#include "platform/linux/routeset.h"

#include "core/base/err.h"
#include "core/base/hashmap.h"

#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 256

static bool same_key(const struct kernel_route *a, const struct kernel_route *b)
{
	return a->table == b->table && a->metric == b->metric && a->tos == b->tos &&
		prefix_equal(&a->prefix, &b->prefix);
}

static uint32_t *chain(const struct routeset *s, const struct kernel_route *route)
{
	uint8_t key[27];
	memcpy(key, &route->table, 4);
	memcpy(key + 4, &route->metric, 4);
	key[8] = route->tos;
	key[9] = route->prefix.len;
	key[10] = route->prefix.addr.family;
	memcpy(key + 11, route->prefix.addr.bytes, 16);
	return &s->heads[siphash(s->seed, key, sizeof key) & (s->cap - 1)];
}

/* Puts the entries from this one on ahead of those that are free. */
static void link_free(struct routeset *s, uint32_t from)
{
	for (uint32_t i = from; i < s->cap; i++)
		s->entries[i].next = i + 1 < s->cap ? i + 1 : s->free;
	s->free = from;
}

int routeset_init(struct routeset *s, const struct env *env)
{
	*s = (struct routeset){.cap = FIRST_CAP};
	env->random(env->ctx, s->seed, sizeof s->seed);
	s->entries = malloc(s->cap * sizeof *s->entries);
	s->heads = malloc(s->cap * sizeof *s->heads);
	if (!s->entries || !s->heads) {
		routeset_fini(s);
		return ERR_NO_SPACE;
	}
	routeset_clear(s);
	return 0;
}

void routeset_fini(struct routeset *s)
{
	free(s->entries);
	free(s->heads);
	*s = (struct routeset){0};
}

void routeset_clear(struct routeset *s)
{
	memset(s->heads, 0xff, s->cap * sizeof *s->heads);
	s->free = ROUTESET_END;
	link_free(s, 0);
	memset(s->nexthops, 0, sizeof s->nexthops);
	s->n = 0;
	s->dead_hops = false;
}

/* Where the chain ends, or where the first entry of this key stands. */
static uint32_t *find_key(const struct routeset *s, uint32_t *at, const struct kernel_route *route)
{
	while (*at != ROUTESET_END && !same_key(&s->entries[*at].route, route))
		at = &s->entries[*at].next;
	return at;
}

static int grow(struct routeset *s)
{
	uint32_t old = s->cap;
	if (old > UINT32_MAX / 4)
		return ERR_NO_SPACE;
	uint32_t *heads = malloc(2 * (size_t)old * sizeof *heads);
	struct routeset_entry *entries =
		heads ? realloc(s->entries, 2 * (size_t)old * sizeof *entries) : NULL;
	if (!entries) {
		free(heads);
		return ERR_NO_SPACE;
	}
	uint32_t *from = s->heads;
	s->entries = entries;
	s->heads = heads;
	s->cap = 2 * old;
	memset(heads, 0xff, s->cap * sizeof *heads);
	for (uint32_t c = 0; c < old; c++) {
		for (uint32_t i = from[c], next; i != ROUTESET_END; i = next) {
			next = entries[i].next;
			uint32_t *at = chain(s, &entries[i].route);
			while (*at != ROUTESET_END) /* at the end: the order counts */
				at = &entries[*at].next;
			entries[i].next = ROUTESET_END;
			*at = i;
		}
	}
	free(from);
	link_free(s, old);
	return 0;
}

/* Counts an entry's nexthop objects in or out. */
static void count_nexthops(struct routeset *s, const struct routeset_entry *e, uint32_t by)
{
	if (e->nexthop_id)
		s->nexthops[e->nexthop_id % ROUTESET_NEXTHOPS] += by;
	if (e->member)
		s->nexthops[e->member % ROUTESET_NEXTHOPS] += by;
}

static void unlink_entry(struct routeset *s, uint32_t *at)
{
	uint32_t i = *at;
	count_nexthops(s, &s->entries[i], UINT32_MAX);
	*at = s->entries[i].next;
	s->entries[i].next = s->free;
	s->free = i;
	s->n--;
}

/* Does the kernel tell of this route as a whole? */
static bool is_whole(const struct routemsg *m)
{
	return m->route.prefix.addr.family == 4 || m->nexthop_id != 0;
}

static bool is_hop(const struct routeset_entry *e, const struct routemsg *m, unsigned hop)
{
	return e->route.ifindex == m->hops[hop].ifindex &&
		addr_equal(&e->route.gateway, &m->hops[hop].gateway);
}

/* Is this entry the first of a route with these very hops? */
static bool is_route(const struct routeset *s, uint32_t i, const struct routemsg *m)
{
	const struct routeset_entry *e = &s->entries[i];
	if (e->more || !same_key(&e->route, &m->route) || e->route.kind != m->route.kind ||
		e->route.protocol != m->route.protocol)
		return false;
	for (unsigned hop = 0; hop < m->n_hops; hop++, i = e->next) {
		if (i == ROUTESET_END)
			return false;
		e = &s->entries[i];
		if ((hop > 0 && !e->more) || !is_hop(e, m, hop) || e->weight != m->hops[hop].weight)
			return false;
	}
	return i == ROUTESET_END || !s->entries[i].more;
}

/* Where this very route begins, or the chain's end. */
static uint32_t *find_route(const struct routeset *s, const struct routemsg *m)
{
	uint32_t *at = chain(s, &m->route);
	while (*at != ROUTESET_END && !is_route(s, *at, m))
		at = &s->entries[*at].next;
	return at;
}

/*
 * The entry of this leg of an IPv6 route, or the chain's end. All legs are announced under one protocol,
 * whoever added them, so that tells nothing.
 */
static uint32_t *find_leg(const struct routeset *s, const struct routemsg *m, unsigned hop)
{
	uint32_t *at = chain(s, &m->route);
	for (; *at != ROUTESET_END; at = &s->entries[*at].next) {
		const struct routeset_entry *e = &s->entries[*at];
		if (e->nexthop_id == 0 && same_key(&e->route, &m->route) &&
			e->route.kind == m->route.kind && is_hop(e, m, hop))
			break;
	}
	return at;
}

/* IPv4 puts a further route of a key ahead of the others unless asked to append, IPv6 never. */
static bool goes_behind(const struct routemsg *m)
{
	return m->append || m->dumped || m->route.prefix.addr.family == 6;
}

/* Where a new route of this key belongs: ahead of or behind the others. */
static uint32_t *place(struct routeset *s, const struct routemsg *m)
{
	uint32_t *at = chain(s, &m->route);
	if (!goes_behind(m))
		return find_key(s, at, &m->route);
	while (*at != ROUTESET_END) /* the chain's end is behind all of its key */
		at = &s->entries[*at].next;
	return at;
}

static void fill(struct routeset *s, uint32_t i, const struct routemsg *m, unsigned hop)
{
	struct routeset_entry *e = &s->entries[i];
	e->route = m->route;
	e->route.gateway = m->hops[hop].gateway;
	e->route.ifindex = m->hops[hop].ifindex;
	e->nexthop_id = m->nexthop_id;
	e->member = m->hops[hop].member;
	e->weight = m->hops[hop].weight;
	e->dead = m->hops[hop].dead;
	s->dead_hops |= e->dead;
	count_nexthops(s, e, 1);
}

/* A new entry for this hop at that place, which then is the one behind it. There is a free one. */
static uint32_t *insert(struct routeset *s, uint32_t *at, const struct routemsg *m, unsigned hop)
{
	uint32_t i = s->free;
	s->free = s->entries[i].next;
	s->entries[i] = (struct routeset_entry){.next = *at};
	fill(s, i, m, hop);
	*at = i;
	s->n++;
	return &s->entries[i].next;
}

/* Room for so many more. */
static bool have_free(struct routeset *s, unsigned n)
{
	return s->cap - s->n >= n || grow(s) == 0;
}

static bool add_route(struct routeset *s, const struct routemsg *m)
{
	uint32_t i = *find_route(s, m);
	if (i != ROUTESET_END) {
		s->entries[i].twice = true;
		return goes_behind(m); /* else it may be ahead of some that stand between the two */
	}
	if (!have_free(s, m->n_hops))
		return false;
	uint32_t *at = place(s, m);
	for (unsigned hop = 0; hop < m->n_hops; hop++) {
		uint32_t *next = insert(s, at, m, hop);
		s->entries[*at].more = hop > 0;
		at = next;
	}
	return true;
}

static bool add_legs(struct routeset *s, const struct routemsg *m)
{
	if (!have_free(s, m->n_hops))
		return false;
	for (unsigned hop = 0; hop < m->n_hops; hop++) {
		uint32_t i = *find_leg(s, m, hop);
		if (i == ROUTESET_END) {
			insert(s, place(s, m), m, hop);
			continue;
		}
		/* When a leg is announced again, another one has been added and all are told. */
		s->entries[i].twice = m->dumped;
		count_nexthops(s, &s->entries[i], UINT32_MAX);
		fill(s, i, m, hop);
	}
	return true;
}

/* The entry whose route the kernel would use, or the end. */
static uint32_t first_alive(const struct routeset *s, const struct kernel_route *key)
{
	uint32_t i = *chain(s, key);
	while (i != ROUTESET_END && (s->entries[i].dead || !same_key(&s->entries[i].route, key)))
		i = s->entries[i].next;
	return i;
}

/* One of several with its key that the kernel takes as one multipath route. */
static bool is_leg(const struct routeset_entry *e)
{
	return e->route.prefix.addr.family == 6 && e->nexthop_id == 0 &&
		e->route.kind == ROUTE_UNICAST && e->route.gateway.family != 0 &&
		e->route.protocol != RTPROT_RA;
}

static void add_leg(struct kernel_legs *legs, const struct routeset_entry *e)
{
	if (legs->n < KERNEL_LEGS && !e->dead)
		legs->v[legs->n++] = (struct kernel_leg){.gateway = e->route.gateway,
			.ifindex = e->route.ifindex,
			.weight = e->weight};
}

/* The route that the kernel would use, with its legs. False: there is none. */
static bool best(
	const struct routeset *s, const struct kernel_route *key, struct routeset_route *out)
{
	uint32_t i = first_alive(s, key);
	if (i == ROUTESET_END)
		return false;
	const struct routeset_entry *first = &s->entries[i], *e;
	out->route = first->route;
	out->legs.n = 0;
	add_leg(&out->legs, first);
	if (is_leg(first)) {
		for (i = first->next; i != ROUTESET_END; i = e->next) {
			e = &s->entries[i];
			if (is_leg(e) && same_key(&e->route, key))
				add_leg(&out->legs, e);
		}
		return true;
	}
	for (i = first->next; i != ROUTESET_END && s->entries[i].more; i = s->entries[i].next)
		add_leg(&out->legs, &s->entries[i]);
	return true;
}

/*
 * Which of several routes with one key was replaced is not announced. Legs of an IPv6 multipath
 * route, which all have gateways, go together; anything else is left to a new dump.
 */
static bool take_replaced(struct routeset *s, const struct routemsg *m)
{
	uint32_t *at = find_key(s, chain(s, &m->route), &m->route);
	bool legs = m->route.prefix.addr.family == 6 && m->hops[0].gateway.family != 0;
	for (unsigned routes = 0; *at != ROUTESET_END;) {
		const struct routeset_entry *e = &s->entries[*at];
		legs &= e->route.gateway.family != 0;
		routes += !e->more;
		if ((routes > 1 && !legs) || e->twice)
			return false;
		unlink_entry(s, at);
		at = find_key(s, at, &m->route);
	}
	return true;
}

static bool take_in(struct routeset *s, const struct routemsg *m)
{
	if (m->replaces && !take_replaced(s, m))
		return false;
	return is_whole(m) ? add_route(s, m) : add_legs(s, m);
}

/* A deleted route whose hops are not told: those of its nexthop object. */
static bool take_out_nexthop(struct routeset *s, const struct routemsg *m)
{
	bool found = false;
	uint32_t *at = find_key(s, chain(s, &m->route), &m->route);
	while (*at != ROUTESET_END) {
		if (s->entries[*at].nexthop_id == m->nexthop_id) {
			unlink_entry(s, at);
			found = true;
		} else {
			at = &s->entries[*at].next;
		}
		at = find_key(s, at, &m->route);
	}
	return found;
}

static bool take_out(struct routeset *s, const struct routemsg *m)
{
	if (m->n_hops == 0)
		return take_out_nexthop(s, m);
	uint32_t *at = find_route(s, m);
	for (unsigned i = 0; i < m->n_hops; i++) {
		if (!is_whole(m))
			at = find_leg(s, m, i);
		if (*at == ROUTESET_END || s->entries[*at].twice)
			return false;
		unlink_entry(s, at);
	}
	return true;
}

static bool same_legs(const struct kernel_legs *a, const struct kernel_legs *b)
{
	for (unsigned i = 0; i < a->n && i < b->n; i++)
		if (a->v[i].ifindex != b->v[i].ifindex || a->v[i].weight != b->v[i].weight ||
			!addr_equal(&a->v[i].gateway, &b->v[i].gateway))
			return false;
	return a->n == b->n;
}

static bool same_route(const struct routeset_route *a, const struct routeset_route *b)
{
	return a->route.protocol == b->route.protocol && a->route.kind == b->route.kind &&
		same_legs(&a->legs, &b->legs);
}

enum routeset_change routeset_apply(
	struct routeset *s, const struct routemsg *m, struct routeset_route *route, bool *lost)
{
	struct routeset_route old;
	bool before = best(s, &m->route, &old);
	if (m->deleted ? !take_out(s, m) : !take_in(s, m))
		*lost = true;
	if (best(s, &m->route, route))
		return before && same_route(&old, route) ? ROUTESET_SAME : ROUTESET_SET;
	if (!before)
		return ROUTESET_SAME;
	route->route = old.route;
	route->legs.n = 0;
	return ROUTESET_GONE;
}

/* Those that are the one of their key in `in` and not the same one in `other`. */
static void tell_difference(const struct routeset *in, const struct routeset *other, bool deleted,
	routeset_change_fn *tell, void *ctx)
{
	static const struct kernel_legs none;
	struct routeset_route here, there;
	for (uint32_t c = 0; c < in->cap; c++)
		for (uint32_t i = in->heads[c]; i != ROUTESET_END; i = in->entries[i].next) {
			const struct kernel_route *route = &in->entries[i].route;
			if (first_alive(in, route) != i)
				continue;
			bool found = best(other, route, &there);
			if (deleted) {
				if (!found)
					tell(ctx, route, &none, true);
				continue;
			}
			best(in, route, &here);
			if (!found || !same_route(&there, &here))
				tell(ctx, &here.route, &here.legs, false);
		}
}

void routeset_compare(
	const struct routeset *old, const struct routeset *now, routeset_change_fn *tell, void *ctx)
{
	tell_difference(now, old, false, tell, ctx);
	tell_difference(old, now, true, tell, ctx);
}

void routeset_each(const struct routeset *s, routeset_change_fn *tell, void *ctx)
{
	struct routeset_route here;
	for (uint32_t c = 0; c < s->cap; c++)
		for (uint32_t i = s->heads[c]; i != ROUTESET_END; i = s->entries[i].next)
			if (first_alive(s, &s->entries[i].route) == i &&
				best(s, &s->entries[i].route, &here))
				tell(ctx, &here.route, &here.legs, false);
}

bool routeset_uses_link(const struct routeset *s, uint32_t ifindex)
{
	for (uint32_t c = 0; c < s->cap; c++)
		for (uint32_t i = s->heads[c]; i != ROUTESET_END; i = s->entries[i].next)
			if (s->entries[i].route.ifindex == ifindex)
				return true;
	return false;
}

bool routeset_uses_nexthop(const struct routeset *s, uint32_t nexthop_id)
{
	if (s->nexthops[nexthop_id % ROUTESET_NEXTHOPS] == 0)
		return false;
	for (uint32_t c = 0; c < s->cap; c++)
		for (uint32_t i = s->heads[c]; i != ROUTESET_END; i = s->entries[i].next)
			if (s->entries[i].nexthop_id == nexthop_id ||
				s->entries[i].member == nexthop_id)
				return true;
	return false;
}
