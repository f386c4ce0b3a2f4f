/*
 * Where does a packet go? 10,000 IPv4 prefixes, of the lengths that networks have, each over one of 256
 * gateways whose peers are known. Hot: one destination again and again; random: another each time.
 */
#include "test/bench/micro.h"

#include "core/route/fib.h"

#include <stdlib.h>

#define PREFIXES     10000
#define GATEWAYS     256
#define DESTINATIONS 4096 /* a power of two */

struct table {
	struct epoch epoch;
	struct fib fib;
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

static void look_up(void *ctx, unsigned n)
{
	const struct lookups *l = ctx;
	struct fib_view view = fib_snapshot(&l->table->fib);
	struct fib_hop hop;
	for (unsigned i = 0; i < n; i++)
		if (!fib_lookup(&view, &l->table->destinations[i & l->mask], &hop) ||
			hop.peer == FIB_NONE)
			abort();
}

static void no_secret(void *ctx, void *out, size_t len)
{
	uint8_t *p = out;
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)micro_random(ctx);
}

/* Destination i lies within prefix number i, so that all have a route. */
static void fill(struct table *t)
{
	static uint64_t seed, numbers = 1;
	static const struct env env = {.ctx = &seed, .random = no_secret};

	epoch_init(&t->epoch);
	if (fib_init(&t->fib, PREFIXES, 64, GATEWAYS, &t->epoch, &env) != 0)
		abort();
	for (uint32_t i = 0; i < GATEWAYS; i++) {
		struct ip_addr gateway = addr_of(UINT32_C(0x0a4d0001) + i);
		if (fib_neighbour_put(&t->fib, &gateway, i) != 0)
			abort();
	}
	for (uint32_t i = 0; i < PREFIXES; i++) {
		uint32_t v4 = micro_random(&numbers);
		struct fib_route route = {
			.prefix = prefix_masked((struct prefix){.addr = addr_of(v4),
				.len = (uint8_t)(16 + micro_random(&numbers) % 13)}),
			.gateway = addr_of(UINT32_C(0x0a4d0001) + i % GATEWAYS),
			.type = FIB_OVERLAY,
		};
		if (fib_route_put(&t->fib, &route) != 0)
			abort();
		t->destinations[i % DESTINATIONS] = addr_of(v4);
	}
}

void micro_route(struct micro *m)
{
	static const struct {
		const char *match, *look_up;
		unsigned mask;
	} patterns[] = {
		{"LPM, hot", "FIB, hot", 0}, {"LPM, random", "FIB, random", DESTINATIONS - 1}};
	struct table *t = micro_alloc(sizeof *t);

	fill(t);
	for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
		struct lookups *l = micro_alloc(sizeof *l);
		l->table = t;
		l->mask = patterns[i].mask;
		micro_add(m,
			&(struct micro_row){
				"route, 10,000 prefixes", patterns[i].match, 0, match, l});
		micro_add(m,
			&(struct micro_row){
				"route, 10,000 prefixes", patterns[i].look_up, 0, look_up, l});
	}
}
