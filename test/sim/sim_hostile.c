/* Members who ask for too much, or for what is not theirs. Their engines and sessions are real. */
#include "test/sim/run.h"
#include "test/sim/world.h"

#include "core/engine/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RTT MS(40)

struct bed {
	struct world *w;
	struct node *hub, *liar, *bob;
};

static struct bed bed_new(struct sim *s)
{
	struct bed b = {.w = world_new(s, RTT)};
	b.w->families = 4;
	b.hub = world_hub(b.w, "hub", "10.0.0.1/24 fd00::1/64");
	b.liar = world_spoke(b.w, "liar", "10.0.0.66/24 fd00::66/64", NAT_NONE);
	b.bob = world_spoke(b.w, "bob", "10.0.0.12/24 fd00::12/64", NAT_NONE);
	return b;
}

static struct peer *peer_of(const struct node *at, const struct node *who)
{
	struct peer *p = peer_find(&at->engine->peers, who->cert.static_key);
	CHECK(at->sim, p != NULL);
	return p;
}

static void say(struct node *from, struct node *to, struct nhrp_packet *packet)
{
	CHECK_EQ(from->sim,
		nhrp_send(&from->engine->nhrp, peer_of(from, to), packet, node_now(from)), 0);
	node_settle(from);
}

/* ---- What is not theirs ------------------------------------------------------------------------ */

static struct ip_addr random_address(struct sim *s, uint8_t family)
{
	struct ip_addr a = {.family = family};
	rng_fill(&s->rng, a.bytes, family == 4 ? 4 : 16);
	return a;
}

/* An address or prefix in one of many ways not the liar's. */
static struct nhrp_cie foreign(struct bed *b, uint8_t family)
{
	struct sim *s = b->w->sim;
	uint8_t bits = family == 4 ? 32 : 128;
	struct ip_addr own = node_address(b->liar, family);
	struct nhrp_cie cie = {.holding_time_s = (uint16_t)rng_next(&s->rng), .prefix_len = bits};
	struct prefix p;
	do {
		switch (rng_below(&s->rng, 8)) {
		case 0: /* another member's address, or the hub's */
			cie.proto = node_address(rng_below(&s->rng, 2) ? b->bob : b->hub, family);
			break;
		case 1: /* another member's prefix, whole or in part */
			CHECK(s, addr_parse(family == 4 ? "192.168.2.0" : "fd02::", &cie.proto));
			cie.prefix_len = (uint8_t)rng_between(&s->rng, family == 4 ? 24 : 64, bits);
			break;
		case 2: /* around its own address or its own prefix */
			cie.proto = own;
			cie.prefix_len = (uint8_t)rng_between(&s->rng, 1, bits - 1u);
			break;
		case 3:
			CHECK(s, addr_parse(family == 4 ? "192.168.66.0" : "fd66::", &cie.proto));
			cie.prefix_len = (uint8_t)rng_between(&s->rng, 1, family == 4 ? 23 : 63);
			break;
		case 4: /* the neighbour */
			cie.proto = own;
			cie.proto.bytes[bits / 8 - 1] ^= (uint8_t)rng_between(&s->rng, 1, 255);
			break;
		case 5: /* everything */
			memset(&cie.proto, 0, sizeof cie.proto);
			cie.proto.family = family;
			cie.prefix_len = 0;
			break;
		case 6: /* half of everything, with and without host bits */
			cie.proto = random_address(s, family);
			cie.prefix_len = (uint8_t)rng_between(&s->rng, 1, 8);
			break;
		default:
			cie.proto = random_address(s, family);
			cie.prefix_len = (uint8_t)rng_between(&s->rng, 1, bits);
		}
		p = prefix_masked((struct prefix){.addr = cie.proto, .len = cie.prefix_len});
	} while (cie.prefix_len && cert_covers_prefix(&b->liar->cert, &p));
	if (rng_below(&s->rng, 2))
		cie.nbma = random_address(s, 4);
	return cie;
}

/* One lie. How many CIEs of it must be refused. */
static unsigned lie(struct bed *b)
{
	struct sim *s = b->w->sim;
	struct nhrp_packet packet;
	uint8_t family = rng_below(&s->rng, 2) ? 4 : 6;
	struct ip_addr own = node_address(b->liar, family);
	struct nhrp_cie mine = {
		.holding_time_s = 600, .proto = own, .prefix_len = family == 4 ? 32 : 128};
	unsigned n = (unsigned)rng_between(&s->rng, 1, NHRP_CIES_MAX - 2), false_ones = 0;
	nhrp_begin(&b->liar->engine->nhrp, &packet, NHRP_REGISTRATION_REQUEST,
		peer_of(b->liar, b->hub), family);
	nhrp_ext_standard(&packet, rng_below(&s->rng, 2), rng_below(&s->rng, 2));
	packet.flags = NHRP_FLAG_NAT;
	packet.dst_proto = node_address(b->hub, family);
	bool honest_first = rng_below(&s->rng, 2);
	if (honest_first) {
		nhrp_add_cie(&packet, &mine); /* what is its own, and besides that ... */
		CHECK(s, addr_parse("192.168.66.0", &mine.proto));
		mine.prefix_len = 24;
		if (family == 4)
			nhrp_add_cie(&packet, &mine);
	} else {
		struct nhrp_cie cie;
		struct prefix host;
		do {
			cie = foreign(b, family);
			cie.prefix_len = mine.prefix_len;
			host = prefix_host(&cie.proto);
		} while (cert_covers_prefix(&b->liar->cert, &host));
		packet.src_proto = rng_below(&s->rng, 2) ? cie.proto : own;
		nhrp_add_cie(&packet, &cie); /* somebody else; what follows falls with it */
		false_ones++;
	}
	n += packet.cies.n;
	while (packet.cies.n < n && packet.cies.n < NHRP_CIES_MAX) {
		struct nhrp_cie cie = foreign(b, family);
		nhrp_add_cie(&packet, &cie);
		false_ones++;
	}
	say(b->liar, b->hub, &packet);
	return false_ones;
}

/* What the hub believes: bindings and routes, in one text. */
static void believed(const struct node *n, char *out, size_t cap)
{
	char prefix[PREFIX_TEXT_MAX];
	size_t len = 0;
	uint32_t cursor = 0;
	struct nhrp_view v;
	struct route_view r;
	out[0] = '\0';
	while (engine_view_nhrp(n->engine, &cursor, &v, node_now(n)) && len < cap)
		if (strcmp(v.kind, "binding") == 0)
			len += (size_t)snprintf(out + len, cap - len, "%s %s\n",
				prefix_format(&v.prefix, prefix), v.peer);
	cursor = 0;
	while (engine_view_route(n->engine, &cursor, &r) && len < cap)
		len += (size_t)snprintf(out + len, cap - len, "%s %s %s %d\n",
			prefix_format(&r.prefix, prefix), r.source, r.peer, r.active);
	CHECK(n->sim, len < cap);
}

/* Every lie is refused with 4 or 14; nothing of it is ever bound, routed or delivered. */
static void ten_thousand_foreign_registrations(struct sim *s)
{
	struct bed b = bed_new(s);
	world_lan(b.w, b.bob, "192.168.2.0/24");
	world_lan(b.w, b.bob, "fd02::/64");
	world_lan(b.w, b.liar, "192.168.66.0/24");
	world_lan(b.w, b.liar, "fd66::/64");
	world_register(b.bob, "192.168.2.0/24");
	world_register(b.liar, "192.168.66.0/24");
	b.hub->config.redirect = false; /* all by the hub: what it believes is what happens */
	world_up(b.w);
	sim_run(s, S(1));
	struct node *carol = b.hub;
	struct flow *f = flow_ping(carol, b.bob, 4, MS(10), 0);
	struct flow *g = flow_start(carol, b.bob, INNER_ECHO, "10.0.0.1", "192.168.2.7", MS(10), 0);
	struct flow *h = flow_ping(carol, b.bob, 6, MS(10), 0);
	const struct nhrp *n = &b.hub->engine->nhrp;
	unsigned bindings = node_nhrp_count(b.hub, "binding"), routes = b.hub->n_installed,
		 codes[256] = {0};
	char at_first[4096], at_last[4096];
	believed(b.hub, at_first, sizeof at_first);
	uint64_t before = node_nhrp_counters(b.hub).naks_sent, lies = 0;
	uint64_t in = node_nhrp_counters(b.hub).in[NHRP_REGISTRATION_REQUEST];
	for (unsigned i = 0; i < 10000; i++) {
		unsigned refused = n->n_refusals;
		lies += lie(&b);
		sim_run(s, MS(2));
		for (unsigned k = refused; k < n->n_refusals && k < refused + NHRP_REFUSALS; k++)
			codes[n->refusals[k % NHRP_REFUSALS].code]++;
		/* What is its own stays, so only the liar's own bindings may be there. */
		if (n->n_bindings != bindings)
			SIM_FAIL(s, "after lie %u: %u bindings", i, n->n_bindings);
	}
	sim_run(s, MS(100));
	CHECK_RANGE(s, node_nhrp_counters(b.hub).in[NHRP_REGISTRATION_REQUEST] - in, 10000, 10010);
	CHECK_EQ(s, node_nhrp_counters(b.hub).naks_sent - before, lies);
	believed(b.hub, at_last, sizeof at_last);
	CHECK(s, strcmp(at_first, at_last) == 0);
	CHECK_EQ(s, b.hub->n_installed, routes);
	for (unsigned code = 0; code < 256; code++)
		CHECK(s,
			codes[code] == 0 || code == NHRP_CODE_PROHIBITED ||
				code == NHRP_CODE_ALREADY_REGISTERED);
	sim_note(s,
		"10000 requests, %llu foreign CIEs: all refused (%u different ones with 4, %u with "
		"14)",
		(unsigned long long)lies, codes[NHRP_CODE_PROHIBITED],
		codes[NHRP_CODE_ALREADY_REGISTERED]);
	flow_finish(f);
	flow_finish(g);
	flow_finish(h);
	/* Whoever was delivered anything not for him would have failed the case. */
	CHECK_EQ(s, flow_lost(f) + flow_lost(g) + flow_lost(h), 0);
}

/* Its own prefix in ever more pieces, all at the same moment: so many, then code 5, and room again later. */
static void one_client_has_so_many_bindings(struct sim *s)
{
	struct bed b = bed_new(s);
	world_grant(b.liar, "10.66.0.0/16");
	world_up(b.w);
	unsigned before = node_nhrp_count(b.hub, "binding");
	struct nhrp_packet packet;
	for (unsigned i = 0; i < 20; i++) {
		nhrp_begin(&b.liar->engine->nhrp, &packet, NHRP_REGISTRATION_REQUEST,
			peer_of(b.liar, b.hub), 4);
		packet.dst_proto = node_address(b.hub, 4);
		struct nhrp_cie cie = {
			.holding_time_s = 600, .proto = node_address(b.liar, 4), .prefix_len = 32};
		nhrp_add_cie(&packet, &cie);
		for (unsigned k = 1; k < NHRP_CIES_MAX; k++) {
			CHECK(s, addr_parse("10.66.0.1", &cie.proto));
			cie.proto.bytes[2] = (uint8_t)i;
			cie.proto.bytes[3] = (uint8_t)k;
			nhrp_add_cie(&packet, &cie);
		}
		say(b.liar, b.hub, &packet);
	}
	sim_run(s, MS(100));
	unsigned now = node_nhrp_count(b.hub, "binding");
	CHECK_RANGE(s, now - before, NHRP_CLIENT_MAX - 4, NHRP_CLIENT_MAX);
	struct nhrp_view v;
	CHECK(s, node_nhrp(b.hub, "refused", NULL, &v));
	CHECK_EQ(s, v.code, NHRP_CODE_NO_RESOURCES);
	/* At another moment: there is no room, but those that are named no more go. Then there is. */
	for (unsigned i = 0; i < 2; i++) {
		say(b.liar, b.hub, &packet);
		sim_run(s, MS(100));
	}
	CHECK_RANGE(s, node_nhrp_count(b.hub, "binding") - before, 19, 20);
	CHECK(s, node_ready(b.bob));
}

/* ---- Full tables -------------------------------------------------------------------------------- */

static struct ip_addr numbered(const char *base, unsigned i)
{
	struct ip_addr a;
	if (!addr_parse(base, &a))
		abort();
	a.bytes[2] = (uint8_t)(i >> 8);
	a.bytes[3] = (uint8_t)i;
	return a;
}

static uint64_t full(const struct node *n)
{
	return n->engine->peers.dropped[DROP_TABLE_FULL];
}

/* Resolutions, punches and shortcuts of a spoke: each to the brim and over, and what is freed is used again. */
static void tables_of_a_spoke_fill_and_recover(struct sim *s)
{
	struct bed b = bed_new(s);
	node_route(b.liar, "192.168.0.0/16", "10.0.0.1", ROUTE_TYPE_OVERLAY);
	world_up(b.w);
	sim_run(s, S(1));
	struct nhrp *n = &b.liar->engine->nhrp;
	struct peers *t = &b.liar->engine->peers;
	/* Resolutions: all asked at one moment, when no answer has come. */
	for (unsigned i = 0; i < NHRP_RESOLUTIONS + 10; i++) {
		struct ip_addr target = numbered("192.168.0.0", i + 1);
		nhrp_want(n, &target, node_now(b.liar));
	}
	CHECK_EQ(s, full(b.liar), 10);
	node_settle(b.liar);
	sim_run(s, S(30)); /* refused, or not answered: these give way */
	struct ip_addr later = numbered("192.168.0.0", 5000);
	uint64_t asked = node_nhrp_counters(b.liar).out[NHRP_RESOLUTION_REQUEST];
	nhrp_want(n, &later, node_now(b.liar));
	node_settle(b.liar);
	CHECK_EQ(s, full(b.liar), 10);
	CHECK_EQ(s, node_nhrp_counters(b.liar).out[NHRP_RESOLUTION_REQUEST], asked + 1);
	/* Punches: the oldest gives way, and half a minute later all are over. */
	struct candidate at = {.endpoint = {.addr = b.bob->host->iface.addrs[0], .port = 4754}};
	uint8_t key[KEY_LEN] = {1};
	for (unsigned i = 0; i < 2 * PUNCH_MAX; i++) {
		struct action a;
		punch_start(t, 1000 + i, key, b.bob->cert.static_key, &at, 1, node_now(b.liar));
		while (engine_next_action(b.liar->engine, &a))
			;
	}
	unsigned used = 0, newest = 0;
	for (unsigned i = 0; i < PUNCH_MAX; i++) {
		used += t->punches[i].used;
		newest += t->punches[i].used && t->punches[i].token_id >= 1000 + PUNCH_MAX;
	}
	CHECK_EQ(s, used, PUNCH_MAX);
	CHECK(s, newest > 0);
	node_settle(b.liar);
	sim_run(s, S(31));
	for (unsigned i = 0; i < PUNCH_MAX; i++)
		CHECK(s, !t->punches[i].used);
	/* Shortcuts. */
	struct peer *hub = peer_of(b.liar, b.hub);
	unsigned before = node_nhrp_count(b.liar, "shortcut");
	for (unsigned i = 0; i < NHRP_SHORTCUTS + 10; i++) {
		struct ip_addr target = numbered("192.168.0.0", i + 1);
		struct prefix host = prefix_host(&target);
		shortcut_install(n, &host, &target, hub, 600, node_now(b.liar));
	}
	CHECK_EQ(s, node_nhrp_count(b.liar, "shortcut"), NHRP_SHORTCUTS);
	CHECK_EQ(s, full(b.liar), 20 + before);
	shortcut_remove(n, &n->shortcuts[77], "to make room", node_now(b.liar));
	struct prefix host = prefix_host(&later);
	shortcut_install(n, &host, &later, hub, 600, node_now(b.liar));
	CHECK(s, shortcut_for(n, &later) != NULL);
	CHECK_EQ(s, full(b.liar), 20 + before);
	node_crash(b.liar); /* nobody granted these shortcuts */
}

/* A registry of eight peers has room for 32 bindings: code 5, until somebody goes. */
static void a_full_registry_says_so_and_recovers(struct sim *s)
{
	struct bed b = bed_new(s);
	world_grant(b.liar, "10.66.0.0/16");
	world_grant(b.bob, "10.67.0.0/16");
	for (unsigned i = 0; i < 12; i++) {
		char prefix[32];
		snprintf(prefix, sizeof prefix, "10.66.%u.0/24", i);
		world_register(b.liar, prefix);
		snprintf(prefix, sizeof prefix, "10.67.%u.0/24", i);
		world_register(b.bob, prefix);
	}
	b.hub->config.max_peers = 4; /* 16 bindings */
	world_sign(b.w);
	world_start_node(b.w, b.hub);
	world_start_node(b.w, b.liar);
	sim_run(s, S(1));
	world_start_node(b.w, b.bob);
	sim_run(s, S(1));
	CHECK_EQ(s, node_nhrp_count(b.hub, "binding"), 16);
	struct nhrp_view v;
	CHECK(s, node_nhrp(b.hub, "refused", NULL, &v));
	CHECK_EQ(s, v.code, NHRP_CODE_NO_RESOURCES);
	CHECK(s, node_up(b.hub, b.bob));
	node_stop(b.liar);
	sim_run(s, S(250)); /* its next registration */
	CHECK_EQ(s, node_nhrp_count(b.hub, "binding"), 14);
}

/* What clients register does not crowd out the hub's own routes. */
static void clients_take_half_of_the_routes(struct sim *s)
{
	struct bed b = bed_new(s);
	world_grant(b.liar, "10.66.0.0/16");
	for (unsigned i = 0; i < 16; i++) {
		char prefix[32];
		snprintf(prefix, sizeof prefix, "10.66.%u.0/24", i);
		world_register(b.liar, prefix);
	}
	b.hub->config.max_routes = 24;
	world_up(b.w);
	sim_run(s, S(1));
	CHECK_EQ(s, b.hub->engine->nhrp.n_registered, 12);
	struct nhrp_view v;
	CHECK(s, node_nhrp(b.hub, "refused", NULL, &v));
	CHECK_EQ(s, v.code, NHRP_CODE_NO_RESOURCES);
	struct route_view r;
	node_route(b.hub, "172.20.0.0/16", NULL, ROUTE_TYPE_OTHER);
	CHECK(s, node_route_view(b.hub, "kernel", "172.20.0.0/16", &r));
	node_stop(b.liar);
	sim_run(s, S(1));
	CHECK_EQ(s, b.hub->engine->nhrp.n_registered, 0);
}

/* ---- Too much ----------------------------------------------------------------------------------- */

static void ask_for(struct node *liar, struct node *hub, const struct ip_addr *target)
{
	struct nhrp_packet packet;
	struct nhrp *n = &liar->engine->nhrp;
	nhrp_begin(n, &packet, NHRP_RESOLUTION_REQUEST, peer_of(liar, hub), 4);
	packet.dst_proto = *target;
	packet.flags = NHRP_RES_AUTHORITATIVE | NHRP_RES_SOURCE_STABLE | NHRP_FLAG_NAT;
	struct nhrp_cie cie = {.holding_time_s = 600};
	nhrp_add_cie(&packet, &cie);
	nhrp_ext_standard(&packet, false, true);
	packet.vendor.have_punch = packet.vendor.have_static_key = true;
	packet.vendor.token_id = env_random_u32(n->env);
	n->env->random(n->env->ctx, packet.vendor.punch_key, KEY_LEN);
	memcpy(packet.vendor.static_key, n->peers->id->public_key, KEY_LEN);
	say(liar, hub, &packet);
}

/* 100 questions a second from one: 10 a second and 50 at once go on, the rest gets code 5. */
static void resolutions_of_one_spoke(struct sim *s)
{
	struct bed b = bed_new(s);
	world_up(b.w);
	struct ip_addr target = node_address(b.bob, 4);
	uint64_t before = node_nhrp_counters(b.hub).out[NHRP_RESOLUTION_REQUEST];
	uint64_t naks = node_nhrp_counters(b.hub).naks_sent;
	for (unsigned i = 0; i < 1000; i++) {
		ask_for(b.liar, b.hub, &target);
		sim_run(s, MS(10));
	}
	sim_run(s, S(1));
	uint64_t passed = node_nhrp_counters(b.hub).out[NHRP_RESOLUTION_REQUEST] - before;
	/* 50 at once would be more than bob is made to punch for. */
	CHECK_RANGE(s, passed, 110, 150);
	CHECK_EQ(s, node_nhrp_counters(b.hub).naks_sent - naks, 1000 - passed);
	/* An honest one is still served. */
	struct flow *f = flow_ping(b.bob, b.hub, 4, MS(20), 20);
	sim_run(s, S(1));
	CHECK_EQ(s, flow_lost(f), 0);
}

/* Eight liars, each within his rate, at one victim: it is made to punch 20 times a second. */
static void punch_orders_for_one_target(struct sim *s)
{
	struct bed b = bed_new(s);
	struct node *liars[8];
	for (unsigned i = 0; i < 8; i++) {
		char name[16], address[32];
		snprintf(name, sizeof name, "liar%u", i);
		snprintf(address, sizeof address, "10.0.0.%u/24", 70 + i);
		liars[i] = world_spoke(b.w, name, address, NAT_NONE);
	}
	world_up(b.w);
	struct ip_addr target = node_address(b.bob, 4);
	uint64_t before = node_nhrp_counters(b.bob).in[NHRP_RESOLUTION_REQUEST];
	uint64_t sent = b.bob->host->bytes_out;
	for (unsigned i = 0; i < 1000; i++) {
		for (unsigned k = 0; k < 8; k++)
			if (i % 10 == k)
				ask_for(liars[k], b.hub, &target);
		sim_run(s, MS(10));
	}
	sim_run(s, S(1));
	uint64_t orders = node_nhrp_counters(b.bob).in[NHRP_RESOLUTION_REQUEST] - before;
	CHECK_RANGE(s, orders, 190, 221);
	sim_note(s, "800 asked for in 10 s: %llu orders, %llu KiB sent by the target",
		(unsigned long long)orders,
		(unsigned long long)(b.bob->host->bytes_out - sent) >> 10);
	CHECK(s, node_ready(b.bob));
	/* Another target is not concerned. */
	struct ip_addr other = node_address(b.liar, 4);
	before = node_nhrp_counters(b.liar).in[NHRP_RESOLUTION_REQUEST];
	ask_for(liars[0], b.hub, &other);
	sim_run(s, S(1));
	CHECK_EQ(s, node_nhrp_counters(b.liar).in[NHRP_RESOLUTION_REQUEST], before + 1);
}

/* Somebody who tries every address behind the hub is told of 10 a second, not of each. */
static void redirects_to_one_spoke(struct sim *s)
{
	struct bed b = bed_new(s);
	world_lan(b.w, b.bob, "192.168.0.0/16");
	world_register(b.bob, "192.168.0.0/16");
	b.liar->config.shortcut = false; /* it does not act on them */
	node_route(b.liar, "192.168.0.0/16", "10.0.0.1", ROUTE_TYPE_OVERLAY);
	world_up(b.w);
	uint64_t before = node_nhrp_counters(b.hub).out[NHRP_TRAFFIC_INDICATION];
	for (unsigned i = 0; i < 5000; i++) {
		char dst[32];
		snprintf(dst, sizeof dst, "192.168.%u.%u", i >> 8, i & 255);
		flow_start(b.liar, b.bob, INNER_UDP, "10.0.0.66", dst, S(1), 1);
		sim_run(s, MS(2));
	}
	sim_run(s, MS(100));
	uint64_t told = node_nhrp_counters(b.hub).out[NHRP_TRAFFIC_INDICATION] - before;
	CHECK_RANGE(s, told, 100, 152);
}

/* The same destination again and again, the indication ignored: ever more rarely. */
static void redirects_that_are_ignored(struct sim *s)
{
	struct bed b = bed_new(s);
	b.liar->config.shortcut = false;
	world_up(b.w);
	uint64_t before = node_nhrp_counters(b.hub).out[NHRP_TRAFFIC_INDICATION];
	struct flow *f = flow_start(b.liar, b.bob, INNER_UDP, "10.0.0.66", "10.0.0.12", MS(10), 0);
	sim_run(s, S(9));
	CHECK_EQ(s, node_nhrp_counters(b.hub).out[NHRP_TRAFFIC_INDICATION] - before, 1);
	sim_run(s, S(300));
	/* After 10, 30, 70, 150 s. */
	CHECK_EQ(s, node_nhrp_counters(b.hub).out[NHRP_TRAFFIC_INDICATION] - before, 5);
	flow_finish(f);
	CHECK_EQ(s, flow_lost(f), 0);
}

static const struct sim_case cases[] = {
	{"ten-thousand-foreign-registrations", ten_thousand_foreign_registrations},
	{"one-client-has-so-many-bindings", one_client_has_so_many_bindings},
	{"tables-of-a-spoke-fill-and-recover", tables_of_a_spoke_fill_and_recover},
	{"a-full-registry-says-so-and-recovers", a_full_registry_says_so_and_recovers},
	{"clients-take-half-of-the-routes", clients_take_half_of_the_routes},
	{"resolutions-of-one-spoke", resolutions_of_one_spoke},
	{"punch-orders-for-one-target", punch_orders_for_one_target},
	{"redirects-to-one-spoke", redirects_to_one_spoke},
	{"redirects-that-are-ignored", redirects_that_are_ignored},
};

SIM_MAIN(cases, 1)
