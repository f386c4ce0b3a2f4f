/*
 * Where does a packet go? IPv4 prefixes, of the lengths that networks have, each over one of 256
 * gateways whose peers are known. Hot: one destination again and again; random: another each time, over
 * so many that neither they nor their prefixes stay in a cache. Shared: each route has four next hops,
 * of which one is chosen.
 */
#include "test/bench/micro.h"

#include "core/route/fib.h"

#include <stdio.h>
#include <stdlib.h>

#define GATEWAYS     256
#define LEGS         4
#define DESTINATIONS 65536 /* a power of two */

struct table {
	struct epoch epoch;
	struct fib fib;
	char name[64];
	struct ip_addr destinations[DESTINATIONS];
};

struct lookups {
	const struct table *table;
	unsigned mask; /* of the destinations: 0 = the first alone */
};

static struct ip_addr addr_of(uint32_t v4)
{
	return addr_v4((uint8_t[]){
		(uint8_t)(v4 >> 24), (uint8_t)(v4 >> 16), (uint8_t)(v4 >> 8), (uint8_t)v4});
}

static void match(void *ctx, unsigned n)
{
	const struct lookups *l = ctx;
	struct lpm_view view = lpm_snapshot(&l->table->fib.routes);
	uint8_t len;
	for (unsigned i = 0; i < n; i++)
		if (lpm_match(&view, &l->table->destinations[i & l->mask], &len) == LPM_NONE)
			abort();
}

static bool is_known(const void *ctx, uint32_t peer)
{
	(void)ctx;
	return peer != FIB_NONE;
}

static void look_up(void *ctx, unsigned n)
{
	const struct lookups *l = ctx;
	struct fib_view view = fib_snapshot(&l->table->fib);
	struct fib_hop hop;
	struct ip_addr wanted;
	for (unsigned i = 0; i < n; i++) {
		const struct ip_addr *dst = &l->table->destinations[i & l->mask];
		if (!fib_lookup(&view, dst, &hop))
			abort();
		if (hop.legs != FIB_NONE)
			fib_choose(&view, dst, i * UINT32_C(0x9e3779b1), is_known, NULL, &hop,
				&wanted);
		if (hop.peer == FIB_NONE)
			abort();
	}
}

static void no_secret(void *ctx, void *out, size_t len)
{
	uint8_t *p = out;
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)micro_random(ctx);
}

/* Each destination lies within one of the prefixes, so that all have a route. */
static struct table *fill(uint32_t prefixes, unsigned legs)
{
	static uint64_t seed, numbers = 1;
	static const struct env env = {.ctx = &seed, .random = no_secret};
	struct table *t = micro_alloc(sizeof *t);

	epoch_init(&t->epoch);
	if (fib_init(&t->fib, prefixes * legs, 64, GATEWAYS, &t->epoch, &env) != 0)
		abort();
	for (uint32_t i = 0; i < GATEWAYS; i++) {
		struct ip_addr gateway = addr_of(UINT32_C(0x0a4d0001) + i);
		if (fib_neighbour_put(&t->fib, &gateway, i) != 0)
			abort();
	}
	for (uint32_t i = 0; i < prefixes || i < DESTINATIONS; i++) {
		uint32_t v4 = micro_random(&numbers);
		struct route_leg to[LEGS];
		struct fib_route route = {
			.prefix = prefix_masked((struct prefix){.addr = addr_of(v4),
				.len = (uint8_t)(16 + micro_random(&numbers) % 13)}),
			.type = FIB_OVERLAY,
		};
		for (unsigned k = 0; k < legs; k++)
			to[k] = (struct route_leg){
				addr_of(UINT32_C(0x0a4d0001) + (i + k) % GATEWAYS), 1};
		if (i >= prefixes)
			t->destinations[i % DESTINATIONS] = t->destinations[i % prefixes];
		else if (fib_route_put_legs(&t->fib, &route, to, legs) != 0)
			abort();
		else
			t->destinations[i % DESTINATIONS] = addr_of(v4);
	}
	return t;
}

static void add(struct micro *m, const struct table *t, const char *what, unsigned mask,
	void (*run)(void *ctx, unsigned n))
{
	struct lookups *l = micro_alloc(sizeof *l);
	l->table = t;
	l->mask = mask;
	micro_add(m, &(struct micro_row){t->name, what, 0, run, l});
}

void micro_route(struct micro *m)
{
	static const uint32_t sizes[] = {10000, 100000};
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct table *t = fill(sizes[i], 1), *shared = fill(sizes[i], LEGS);
		snprintf(t->name, sizeof t->name, "route, %u,000 prefixes", sizes[i] / 1000);
		snprintf(shared->name, sizeof shared->name, "%s", t->name);
		add(m, t, "LPM, hot", 0, match);
		add(m, t, "FIB, hot", 0, look_up);
		add(m, t, "LPM, random", DESTINATIONS - 1, match);
		add(m, t, "FIB, random", DESTINATIONS - 1, look_up);
		add(m, shared, "FIB, random, shared", DESTINATIONS - 1, look_up);
	}
}
