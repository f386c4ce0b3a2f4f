/* Which boxes can be punched through, and what happens where they cannot. */
#include "test/sim/run.h"
#include "test/sim/world.h"

#include <stdio.h>
#include <string.h>

#define RTT MS(40)

enum expect {
	HUB,
	DIRECT,
	EITHER,
};

/*
 * A symmetric box sends each probe from a port that nobody has seen. Whoever filters by port never
 * lets it in; whoever filters by address, or not at all, does, and answers to the port it sees.
 */
static bool filters_by_port(enum nat_kind kind)
{
	return kind == NAT_PORT_RESTRICTED || kind == NAT_LINUX || kind == NAT_SYMMETRIC ||
		kind == NAT_TRAP;
}

static enum expect expected(enum nat_kind a, enum nat_kind b)
{
	if ((a == NAT_SYMMETRIC && filters_by_port(b)) ||
		(b == NAT_SYMMETRIC && filters_by_port(a)))
		return HUB;
	if ((a == NAT_TRAP && filters_by_port(b)) || (b == NAT_TRAP && filters_by_port(a)))
		return EITHER;
	return DIRECT;
}

/* Direct after this time (TS_NEVER: not within 20 s). Fails when a packet is lost. */
static uint64_t try_pair(struct sim *s, enum nat_kind a, enum nat_kind b)
{
	struct world *w = world_new(s, RTT);
	w->families = 4;
	world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", a);
	struct node *bob = world_spoke(w, "bob", "10.0.0.12/24", b);
	world_up(w);
	struct flow *f = flow_ping(alice, bob, 4, MS(50), 0);
	sim_run(s, S(20));
	flow_finish(f);
	if (flow_lost(f) != 0)
		SIM_FAIL(s, "%s x %s: %u packets lost", nat_kind_name(a), nat_kind_name(b),
			flow_lost(f));
	/* Nobody probes a private address that cannot be near. */
	CHECK_EQ(s, w->net.fates[NET_NO_ROUTE], 0);
	world_down(w);
	return flow_first_direct(f);
}

/* One row of the matrix. */
static void row(struct sim *s, enum nat_kind a)
{
	char line[256];
	int at = 0;
	for (unsigned b = 0; b < NAT_KIND_COUNT; b++) {
		uint64_t direct = try_pair(s, a, (enum nat_kind)b);
		enum expect want = expected(a, (enum nat_kind)b);
		if (direct == TS_NEVER)
			at += snprintf(line + at, sizeof line - (size_t)at, "  %s: hub",
				nat_kind_name((enum nat_kind)b));
		else
			at += snprintf(line + at, sizeof line - (size_t)at, "  %s: %.0f ms",
				nat_kind_name((enum nat_kind)b), (double)direct / 1e6);
		if (want != EITHER && (want == DIRECT) != (direct != TS_NEVER))
			SIM_FAIL(s, "%s x %s: expected %s", nat_kind_name(a),
				nat_kind_name((enum nat_kind)b), want == DIRECT ? "direct" : "hub");
		if (want == DIRECT)
			CHECK_RANGE(s, direct, 0, S(1));
	}
	sim_note(s, "%s", line);
}

static void row_none(struct sim *s)
{
	row(s, NAT_NONE);
}

static void row_full_cone(struct sim *s)
{
	row(s, NAT_FULL_CONE);
}

static void row_address_restricted(struct sim *s)
{
	row(s, NAT_ADDRESS_RESTRICTED);
}

static void row_port_restricted(struct sim *s)
{
	row(s, NAT_PORT_RESTRICTED);
}

static void row_linux(struct sim *s)
{
	row(s, NAT_LINUX);
}

static void row_symmetric(struct sim *s)
{
	row(s, NAT_SYMMETRIC);
}

/* Poisoned conntrack on this side: whatever comes of it, nothing is lost. */
static void row_trap(struct sim *s)
{
	row(s, NAT_TRAP);
}

/* Two spokes on one LAN: their boxes' hairpin is not needed, the private addresses are near. */
static void beside_each_other(struct sim *s, enum nat_kind kind)
{
	struct world *w = world_new(s, RTT);
	w->families = 4;
	world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", kind);
	struct node *bob = world_spoke_beside(w, "bob", "10.0.0.12/24", alice);
	world_up(w);
	struct flow *f = flow_ping(alice, bob, 4, MS(10), 500);
	sim_run(s, S(7));
	CHECK_EQ(s, flow_lost(f), 0);
	CHECK(s, node_direct(alice, bob));
	struct peer_view v;
	CHECK(s, node_peer(alice, "bob", &v));
	CHECK(s, addr_equal(&v.endpoint.addr, &bob->host->iface.addrs[0]));
	CHECK_EQ(s, flow_rtt(f, 499), 0); /* the LAN has no delay */
	CHECK(s, flow_first_direct(f) < S(1));
}

static void same_lan_port_restricted(struct sim *s)
{
	beside_each_other(s, NAT_PORT_RESTRICTED);
}

static void same_lan_symmetric(struct sim *s)
{
	beside_each_other(s, NAT_SYMMETRIC);
}

static void same_lan_linux(struct sim *s)
{
	beside_each_other(s, NAT_LINUX);
}

/*
 * Double NAT: home boxes behind the provider's. To somebody elsewhere that is one box more; two customers of
 * one provider reach each other only if its box can hairpin.
 */
static void behind_a_provider(struct sim *s, bool hairpin)
{
	struct world *w = world_new(s, RTT);
	w->families = 4;
	world_hub(w, "hub", "10.0.0.1/24");
	struct node *n[3] = {world_spoke(w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED),
		world_spoke(w, "bob", "10.0.0.12/24", NAT_LINUX),
		world_spoke(w, "carol", "10.0.0.13/24", NAT_PORT_RESTRICTED)};
	struct nat_config provider = nat_preset(NAT_PORT_RESTRICTED);
	provider.hairpin = hairpin;
	struct nat *box = world_provider_nat(w, &provider, n, 2);
	world_up(w);
	struct endpoint seen = node_status(n[0]).public_endpoint;
	CHECK(s, addr_equal(&seen.addr, iface_address(&box->outside, 4)));
	struct flow *far = flow_ping(n[0], n[2], 4, MS(50), 100);
	struct flow *near = flow_ping(n[0], n[1], 4, MS(50), 100);
	sim_run(s, S(7));
	CHECK_EQ(s, flow_lost(far), 0);
	CHECK_EQ(s, flow_lost(near), 0);
	CHECK(s, node_direct(n[0], n[2]));
	CHECK(s, flow_first_direct(far) < S(1));
	CHECK_EQ(s, node_direct(n[0], n[1]), hairpin);
}

static void provider_nat_with_hairpin(struct sim *s)
{
	behind_a_provider(s, true);
}

static void provider_nat_without_hairpin(struct sim *s)
{
	behind_a_provider(s, false);
}

/* Three behind one box, and one far away who talks to all of them. */
static void many_behind_one_box(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	w->families = 4;
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *n[4];
	n[0] = world_spoke(w, "a", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	n[1] = world_spoke_beside(w, "b", "10.0.0.12/24", n[0]);
	n[2] = world_spoke_beside(w, "c", "10.0.0.13/24", n[0]);
	n[3] = world_spoke(w, "d", "10.0.0.14/24", NAT_LINUX);
	world_up(w);
	CHECK_EQ(s, node_nhrp_count(hub, "binding"), 4);
	struct flow *flows[6];
	unsigned k = 0;
	for (unsigned i = 0; i < 4; i++)
		for (unsigned j = i + 1; j < 4; j++)
			flows[k++] = flow_ping(n[i], n[j], 4, MS(50), 100);
	sim_run(s, S(8));
	for (unsigned i = 0; i < 6; i++) {
		CHECK_EQ(s, flow_lost(flows[i]), 0);
		CHECK(s, flow_first_direct(flows[i]) < S(1));
	}
}

/* Boxes that forget after 30 s: keepalives hold the hub's path for good, the direct one while in use. */
static void short_mapping_timeouts(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	w->families = 4;
	struct nat_config box = nat_preset(NAT_PORT_RESTRICTED);
	box.timeout_ns = S(30);
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke_behind(w, "alice", "10.0.0.11/24", &box);
	struct node *bob = world_spoke_behind(w, "bob", "10.0.0.12/24", &box);
	world_up(w);
	sim_run(s, S(600));
	struct flow *f = flow_ping(hub, alice, 4, MS(50), 20);
	sim_run(s, S(2));
	CHECK_EQ(s, flow_lost(f), 0);
	struct endpoint before = node_status(alice).public_endpoint;
	f = flow_ping(alice, bob, 4, MS(50), 40);
	sim_run(s, S(4));
	CHECK_EQ(s, flow_lost(f), 0);
	CHECK(s, node_direct(alice, bob));
	sim_run(s, S(200)); /* idle, but not for 300 s */
	f = flow_ping(bob, alice, 4, MS(50), 20);
	sim_run(s, S(2));
	CHECK_EQ(s, flow_lost(f), 0);
	CHECK_EQ(s, flow_direct_since(f, 0), 20);
	struct endpoint after = node_status(alice).public_endpoint;
	CHECK(s, endpoint_equal(&before, &after));
}

/* ---- Filtering that is laxer than the mapping ------------------------------------------------ */

/*
 * A port for each destination (or each address), and more let in than was sent to: what one end sends to
 * decides where the other one sees it. Two such boxes by port have no pair of ports that answer each other.
 */
static const struct lax {
	const char *name;
	enum nat_behaviour mapping, filtering;
} lax[] = {
	{"address/any", NAT_ADDRESS_DEPENDENT, NAT_ENDPOINT_INDEPENDENT},
	{"port/any", NAT_ADDRESS_AND_PORT_DEPENDENT, NAT_ENDPOINT_INDEPENDENT},
	{"port/address", NAT_ADDRESS_AND_PORT_DEPENDENT, NAT_ADDRESS_DEPENDENT},
};

struct lax_pair {
	struct world *w;
	struct node *n[2];
	struct peer_view at[2]; /* where each has the other one */
	unsigned moves[2];
};

static struct lax_pair lax_up(struct sim *s, const struct lax *a, const struct lax *b)
{
	struct lax_pair p = {.w = world_new(s, RTT)};
	const struct lax *kinds[] = {a, b};
	static const char *const names[] = {"alice", "bob"};
	static const char *const addresses[] = {"10.0.0.11/24", "10.0.0.12/24"};
	p.w->families = 4;
	world_hub(p.w, "hub", "10.0.0.1/24");
	for (unsigned i = 0; i < 2; i++) {
		struct nat_config box = {.mapping = kinds[i]->mapping,
			.filtering = kinds[i]->filtering,
			.timeout_ns = S(30)};
		p.n[i] = world_spoke_behind(p.w, names[i], addresses[i], &box);
	}
	world_up(p.w);
	return p;
}

static void lax_run(struct sim *s, struct lax_pair *p, uint64_t ns)
{
	for (uint64_t end = s->now + ns; s->now < end;) {
		sim_run(s, MS(10));
		for (unsigned i = 0; i < 2; i++) {
			struct peer_view v;
			if (!node_peer(p->n[i], p->n[!i]->name, &v) ||
				endpoint_equal(&v.endpoint, &p->at[i].endpoint))
				continue;
			p->moves[i] += p->at[i].endpoint.port != 0;
			p->at[i] = v;
		}
	}
}

/* Only what is let in by address alone cannot be opened: no port towards the other end is known. */
static bool lax_opens(const struct lax *a, const struct lax *b)
{
	return strcmp(a->name, "port/address") != 0 || strcmp(b->name, "port/address") != 0;
}

/* Over rekeys, and longer than the boxes remember: direct, at rest, and nothing lost. */
static void lax_boxes(struct sim *s)
{
	for (unsigned i = 0; i < 9; i++) {
		const struct lax *a = &lax[i / 3], *b = &lax[i % 3];
		struct lax_pair p = lax_up(s, a, b);
		struct flow *f = flow_ping(p.n[0], p.n[1], 4, MS(50), 0);
		struct flow *g = flow_ping(p.n[1], p.n[0], 4, MS(50), 0);
		lax_run(s, &p, S(10));
		unsigned early = p.moves[0] + p.moves[1];
		lax_run(s, &p, S(390));
		unsigned moves = p.moves[0] + p.moves[1];
		CHECK_EQ(s, node_direct(p.n[0], p.n[1]), lax_opens(a, b));
		CHECK_EQ(s, node_direct(p.n[1], p.n[0]), lax_opens(a, b));
		unsigned boxes = nat_count(p.n[0]->nat) + nat_count(p.n[1]->nat);
		flow_stop(f);
		flow_finish(g);
		sim_note(s, "%s x %s: %u moves in 10 s, %u in 400 s, %u lost, %u mappings", a->name,
			b->name, early, moves, flow_lost(f) + flow_lost(g), boxes);
		CHECK_EQ(s, flow_lost(f), 0);
		CHECK_EQ(s, flow_lost(g), 0);
		CHECK_RANGE(s, early, 0, 4);
		CHECK_EQ(s, moves, early);
		CHECK_RANGE(s, boxes, 2, 12);
		if (lax_opens(a, b))
			CHECK_RANGE(s, flow_first_direct(f), 0, S(1));
		world_down(p.w);
	}
}

/* Packets now and then, and one way: what nobody sends to must be kept open all the same. */
static void lax_boxes_idle(struct sim *s)
{
	for (unsigned i = 0; i < 18; i++) {
		const struct lax *a = &lax[i / 2 / 3], *b = &lax[i / 2 % 3];
		if (!lax_opens(a, b))
			continue;
		struct lax_pair p = lax_up(s, a, b);
		struct node *from = p.n[i % 2], *to = p.n[!(i % 2)];
		struct flow *f = flow_ping(from, to, 4, S(45), 0);
		lax_run(s, &p, S(300));
		flow_stop(f);
		f = flow_start(from, to, INNER_UDP, i % 2 ? "10.0.0.12" : "10.0.0.11",
			i % 2 ? "10.0.0.11" : "10.0.0.12", MS(50), 0);
		lax_run(s, &p, S(100));
		flow_finish(f);
		sim_note(s, "%s x %s: %u and %u moves, %u lost", a->name, b->name, p.moves[0],
			p.moves[1], flow_lost(f));
		CHECK_EQ(s, flow_lost(f), 0);
		CHECK(s, node_direct(from, to));
		CHECK_RANGE(s, p.moves[0] + p.moves[1], 0, 6);
		world_down(p.w);
	}
}

/* Either box restarts: what it had mapped is dead, and the far end is there as soon as it has asked. */
static void lax_box_rebinds(struct sim *s)
{
	for (unsigned i = 0; i < 18; i++) {
		const struct lax *a = &lax[i / 2 / 3], *b = &lax[i / 2 % 3];
		if (!lax_opens(a, b))
			continue;
		struct lax_pair p = lax_up(s, a, b);
		struct flow *f =
			flow_start(p.n[0], p.n[1], INNER_UDP, "10.0.0.11", "10.0.0.12", MS(10), 0);
		struct flow *g =
			flow_start(p.n[1], p.n[0], INNER_UDP, "10.0.0.12", "10.0.0.11", MS(10), 0);
		lax_run(s, &p, S(20));
		nat_rebind(p.n[i % 2]->nat);
		uint64_t then = s->now;
		lax_run(s, &p, S(100));
		flow_stop(f);
		flow_finish(g);
		/*
		 * The first packet from the new place, the question and its answer. New places are looked
		 * at each 100 ms, and the port that one has decided not to follow is one of them.
		 */
		uint64_t by = then + MS(10) + RTT / 2 + MS(100) + RTT + MS(50);
		uint64_t last = flow_last_lost(f, 0, s->now), last_g = flow_last_lost(g, 0, s->now);
		last = last > last_g ? last : last_g;
		sim_note(s, "%s x %s: lost until %.0f ms after it, %u and %u moves", a->name,
			b->name, last ? (double)(last - then) / 1e6 : 0.0, p.moves[0], p.moves[1]);
		CHECK_RANGE(s, last, 0, by);
		CHECK_RANGE(s, p.moves[0] + p.moves[1], 0, 8);
		CHECK(s, node_direct(p.n[0], p.n[1]));
		CHECK(s, node_direct(p.n[1], p.n[0]));
		world_down(p.w);
	}
}

static const struct sim_case cases[] = {
	{"matrix-none", row_none},
	{"matrix-full-cone", row_full_cone},
	{"matrix-address-restricted", row_address_restricted},
	{"matrix-port-restricted", row_port_restricted},
	{"matrix-linux", row_linux},
	{"matrix-symmetric", row_symmetric},
	{"matrix-conntrack-trap", row_trap},
	{"same-lan-port-restricted", same_lan_port_restricted},
	{"same-lan-symmetric", same_lan_symmetric},
	{"same-lan-linux", same_lan_linux},
	{"provider-nat-with-hairpin", provider_nat_with_hairpin},
	{"provider-nat-without-hairpin", provider_nat_without_hairpin},
	{"many-behind-one-box", many_behind_one_box},
	{"short-mapping-timeouts", short_mapping_timeouts},
	{"lax-boxes", lax_boxes},
	{"lax-boxes-idle", lax_boxes_idle},
	{"lax-box-rebinds", lax_box_rebinds},
};

SIM_MAIN(cases, 1)
