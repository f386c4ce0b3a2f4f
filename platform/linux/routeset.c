#include "platform/linux/routeset.h"

#include "core/base/err.h"
#include "core/base/hashmap.h"

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

static void link_free(struct routeset *s, uint32_t from)
{
	for (uint32_t i = from; i < s->cap; i++)
		s->entries[i].next = i + 1 < s->cap ? i + 1 : ROUTESET_END;
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
	link_free(s, 0);
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

static void unlink_entry(struct routeset *s, uint32_t *at)
{
	uint32_t i = *at;
	*at = s->entries[i].next;
	s->entries[i].next = s->free;
	s->free = i;
	s->n--;
}

/*
 * The entry of this very hop, or the chain's end. IPv6 announces all legs under one protocol,
 * whoever added them, so there it tells nothing.
 */
static uint32_t *find_hop(const struct routeset *s, const struct routemsg *m, unsigned hop)
{
	uint32_t *at = chain(s, &m->route);
	bool v6 = m->route.prefix.addr.family == 6;
	for (; *at != ROUTESET_END; at = &s->entries[*at].next) {
		const struct kernel_route *have = &s->entries[*at].route;
		if (same_key(have, &m->route) && have->kind == m->route.kind &&
			(v6 || have->protocol == m->route.protocol) &&
			have->ifindex == m->hops[hop].ifindex &&
			addr_equal(&have->gateway, &m->hops[hop].gateway))
			break;
	}
	return at;
}

/* IPv4 puts a further route of a key ahead of the others unless asked to append, IPv6 never. */
static bool goes_behind(const struct routemsg *m)
{
	return m->append || m->dumped || m->route.prefix.addr.family == 6;
}

/* A new entry for this hop, ahead of or behind those of its key. NULL = out of memory. */
static struct routeset_entry *insert(struct routeset *s, const struct routemsg *m, unsigned hop)
{
	if (s->free == ROUTESET_END && grow(s) < 0)
		return NULL;
	uint32_t *at = chain(s, &m->route);
	if (goes_behind(m) || hop > 0) /* the chain's end is behind all of its key */
		while (*at != ROUTESET_END)
			at = &s->entries[*at].next;
	else
		at = find_key(s, at, &m->route);
	uint32_t i = s->free;
	s->free = s->entries[i].next;
	s->entries[i] = (struct routeset_entry){.next = *at};
	*at = i;
	s->n++;
	return &s->entries[i];
}

static bool add_hop(struct routeset *s, const struct routemsg *m, unsigned hop)
{
	uint32_t i = *find_hop(s, m, hop);
	struct routeset_entry *e = i == ROUTESET_END ? insert(s, m, hop) : &s->entries[i];
	if (!e)
		return false;
	/* When IPv6 announces a leg again, another one has been added and all are told. */
	e->twice = i != ROUTESET_END && (m->dumped || m->route.prefix.addr.family == 4);
	if (e->twice && !goes_behind(m)) /* it may be ahead of some that stand between the two */
		return false;
	e->route = m->route;
	e->route.gateway = m->hops[hop].gateway;
	e->route.ifindex = m->hops[hop].ifindex;
	e->nexthop_id = m->nexthop_id;
	e->dead = m->hops[hop].dead;
	s->dead_hops |= e->dead;
	return true;
}

/* The one that the kernel would use, or NULL. */
static const struct kernel_route *best(const struct routeset *s, const struct kernel_route *key)
{
	for (uint32_t i = *chain(s, key); i != ROUTESET_END; i = s->entries[i].next)
		if (!s->entries[i].dead && same_key(&s->entries[i].route, key))
			return &s->entries[i].route;
	return NULL;
}

/*
 * Which of several routes with one key was replaced is not announced. Legs of an IPv6 multipath
 * route, which all have gateways, go together; anything else is left to a new dump.
 */
static bool take_replaced(struct routeset *s, const struct routemsg *m)
{
	uint32_t *at = find_key(s, chain(s, &m->route), &m->route);
	bool legs = m->route.prefix.addr.family == 6 && m->hops[0].gateway.family != 0;
	for (unsigned n = 0; *at != ROUTESET_END; n++) {
		legs &= s->entries[*at].route.gateway.family != 0;
		if ((n > 0 && !legs) || s->entries[*at].twice)
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
	for (unsigned i = 0; i < m->n_hops; i++)
		if (!add_hop(s, m, i))
			return false;
	return true;
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
	for (unsigned i = 0; i < m->n_hops; i++) {
		uint32_t *at = find_hop(s, m, i);
		if (*at == ROUTESET_END || s->entries[*at].twice)
			return false;
		unlink_entry(s, at);
	}
	return true;
}

static bool same_route(const struct kernel_route *a, const struct kernel_route *b)
{
	return a->ifindex == b->ifindex && a->protocol == b->protocol && a->kind == b->kind &&
		addr_equal(&a->gateway, &b->gateway);
}

enum routeset_change routeset_apply(
	struct routeset *s, const struct routemsg *m, struct kernel_route *route, bool *lost)
{
	const struct kernel_route *before = best(s, &m->route);
	struct kernel_route old = before ? *before : (struct kernel_route){0};
	if (m->deleted ? !take_out(s, m) : !take_in(s, m))
		*lost = true;
	const struct kernel_route *after = best(s, &m->route);
	if (after) {
		*route = *after;
		return before && same_route(&old, after) ? ROUTESET_SAME : ROUTESET_SET;
	}
	*route = old;
	return before ? ROUTESET_GONE : ROUTESET_SAME;
}

/* Those that are the one of their key in `in` and not the same one in `other`. */
static void tell_difference(const struct routeset *in, const struct routeset *other, bool deleted,
	routeset_change_fn *tell, void *ctx)
{
	for (uint32_t c = 0; c < in->cap; c++)
		for (uint32_t i = in->heads[c]; i != ROUTESET_END; i = in->entries[i].next) {
			const struct kernel_route *route = &in->entries[i].route;
			if (best(in, route) != route)
				continue;
			const struct kernel_route *there = best(other, route);
			if (deleted ? !there : !there || !same_route(there, route))
				tell(ctx, route, deleted);
		}
}

void routeset_compare(
	const struct routeset *old, const struct routeset *now, routeset_change_fn *tell, void *ctx)
{
	tell_difference(now, old, false, tell, ctx);
	tell_difference(old, now, true, tell, ctx);
}

bool routeset_uses_nexthop(const struct routeset *s, uint32_t nexthop_id)
{
	for (uint32_t c = 0; c < s->cap; c++)
		for (uint32_t i = s->heads[c]; i != ROUTESET_END; i = s->entries[i].next)
			if (s->entries[i].nexthop_id == nexthop_id)
				return true;
	return false;
}
