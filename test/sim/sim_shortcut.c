/* Spoke to spoke: through the hub first, then directly, by resolution of the next hop or by redirect. */
#include "test/sim/run.h"
#include "test/sim/world.h"

#include <string.h>

#define RESOLUTION_REQUEST 1
#define TRAFFIC_INDICATION 8

struct trio {
	struct world *w;
	struct node *hub, *alice, *bob;
};

/* A hub and two spokes behind port-restricted boxes. */
static struct trio trio_new(struct sim *s, uint64_t rtt)
{
	struct trio t = {.w = world_new(s, rtt)};
	t.hub = world_hub(t.w, "hub", "10.0.0.1/24");
	t.alice = world_spoke(t.w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	t.bob = world_spoke(t.w, "bob", "10.0.0.12/24", NAT_PORT_RESTRICTED);
	return t;
}

/* The same; bob has 192.168.2.0/24, which alice's routing points at the given gateway. */
static struct trio trio_with_lan(struct sim *s, const char *gateway)
{
	struct trio t = trio_new(s, MS(40));
	world_lan(t.w, t.bob, "192.168.2.0/24");
	node_route(t.alice, "192.168.2.0/24", gateway, ROUTE_TYPE_OVERLAY);
	return t;
}

static struct flow *ping_lan(struct trio *t, uint64_t interval)
{
	return flow_start(t->alice, t->bob, INNER_ECHO, "10.0.0.11", "192.168.2.7", interval, 0);
}

static uint64_t resolutions(const struct node *n)
{
	return node_nhrp_counters(n).out[RESOLUTION_REQUEST];
}

/*
 *   alice              hub               bob              t, with one-way delay d = RTT / 2
 *     echo 1     ->        ->      (relayed)              0
 *     Resolution Request -> -> forwarded                  d, 2d: the order to punch
 *                              <- Reply, PROBEs           2d
 *     PROBEs     ->                                       4d: both boxes are open; full TTL at +150 ms
 *     INITIATION <-> RESPONSE, first sealed packet        the path is proven
 */
static void direct_within(struct sim *s, uint64_t rtt)
{
	struct trio t = {.w = world_new(s, rtt)};
	t.w->families = 4; /* IPv6 needs no probes with a short TTL, and would be faster */
	t.hub = world_hub(t.w, "hub", "10.0.0.1/24");
	t.alice = world_spoke(t.w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	t.bob = world_spoke(t.w, "bob", "10.0.0.12/24", NAT_PORT_RESTRICTED);
	world_up(t.w);
	struct flow *f = flow_ping(t.alice, t.bob, 4, MS(10), 500);
	sim_run(s, S(7));
	CHECK_EQ(s, f->n, 500);
	CHECK_EQ(s, flow_lost(f), 0);
	CHECK_RANGE(s, flow_rtt(f, 0), 2 * rtt, 2 * rtt + MS(1)); /* by the hub */
	uint64_t direct = flow_first_direct(f);
	sim_note(s, "RTT %.0f ms: first direct echo at %.0f ms, last relayed at %.0f ms",
		(double)rtt / 1e6, (double)direct / 1e6, (double)flow_last_relayed(f) / 1e6);
	CHECK_RANGE(s, direct, 2 * rtt, MS(300) + 3 * rtt);
	CHECK_RANGE(s, flow_last_relayed(f), 0, MS(300) + 3 * rtt);
	CHECK_RANGE(s, flow_rtt(f, 499), rtt, rtt + MS(1));

	CHECK(s, node_direct(t.alice, t.bob));
	CHECK(s, node_direct(t.bob, t.alice));
	struct peer_view v;
	CHECK(s, node_peer(t.alice, "bob", &v));
	CHECK(s, strcmp(v.path_state, "direct") == 0);
	/* From here on the hub sees none of it. */
	uint64_t relayed = node_counters(t.hub).hairpin_packets;
	struct flow *g = flow_ping(t.bob, t.alice, 4, MS(10), 200);
	sim_run(s, S(3));
	CHECK_EQ(s, flow_lost(g), 0);
	CHECK_EQ(s, node_counters(t.hub).hairpin_packets, relayed);
}

static void direct_path_rtt_10(struct sim *s)
{
	direct_within(s, MS(10));
}

static void direct_path_rtt_40(struct sim *s)
{
	direct_within(s, MS(40));
}

static void direct_path_rtt_70(struct sim *s)
{
	direct_within(s, MS(70));
}

/* Phase 2: routing names the far spoke as next hop; the hub sends no redirect. */
static void phase_2_without_redirect(struct sim *s)
{
	struct trio t = trio_with_lan(s, "10.0.0.12");
	t.hub->config.redirect = false;
	world_up(t.w);
	struct flow *f = ping_lan(&t, MS(20));
	sim_run(s, S(5));
	flow_finish(f);
	CHECK_EQ(s, flow_lost(f), 0);
	CHECK_EQ(s, node_nhrp_counters(t.hub).out[TRAFFIC_INDICATION], 0);
	CHECK_RANGE(s, flow_first_direct(f), 0, MS(300) + 3 * MS(40));
	CHECK(s, node_direct(t.alice, t.bob));
}

/* Phase 3: routing points at the hub; its indication makes alice ask for the destination. */
static void phase_3_prefix_behind_a_spoke(struct sim *s)
{
	struct trio t = trio_with_lan(s, "10.0.0.1");
	world_up(t.w);
	struct flow *f = ping_lan(&t, MS(10));
	sim_run(s, S(5));
	CHECK_RANGE(s, node_nhrp_counters(t.hub).out[TRAFFIC_INDICATION], 1, 2);
	CHECK_RANGE(s, flow_first_direct(f), 0, MS(300) + 4 * MS(40));
	CHECK(s, node_shortcut(t.alice, "192.168.2.0/24")); /* the widest, not the host */
	struct route_view r;
	CHECK(s, node_route_view(t.alice, "shortcut", "192.168.2.0/24", &r));
	CHECK(s, r.active);
	CHECK(s, strcmp(r.peer, "bob") == 0);
	/* Another host of that LAN needs no second question. */
	uint64_t asked = resolutions(t.alice);
	struct flow *g =
		flow_start(t.alice, t.bob, INNER_ECHO, "10.0.0.11", "192.168.2.200", MS(50), 20);
	sim_run(s, S(3));
	CHECK_EQ(s, flow_lost(g), 0);
	CHECK_EQ(s, flow_direct_since(g, 0), 20);
	CHECK_EQ(s, resolutions(t.alice), asked);
	flow_finish(f);
	CHECK_EQ(s, flow_lost(f), 0);
}

/* LAN to LAN: each side learns the other's prefix. */
static void phase_3_between_two_lans(struct sim *s)
{
	struct trio t = trio_with_lan(s, "10.0.0.1");
	world_lan(t.w, t.alice, "192.168.1.0/24");
	node_route(t.bob, "192.168.1.0/24", "10.0.0.1", ROUTE_TYPE_OVERLAY);
	world_up(t.w);
	struct flow *f =
		flow_start(t.alice, t.bob, INNER_ECHO, "192.168.1.7", "192.168.2.7", MS(10), 500);
	sim_run(s, S(7));
	CHECK_EQ(s, flow_lost(f), 0);
	CHECK(s, node_shortcut(t.alice, "192.168.2.0/24"));
	CHECK(s, node_shortcut(t.bob, "192.168.1.0/24"));
	CHECK(s, flow_last_relayed(f) < S(1));
}

static void phase_1_stays_on_the_hub(struct sim *s)
{
	struct trio t = trio_new(s, MS(40));
	t.alice->config.shortcut = t.bob->config.shortcut = false;
	world_up(t.w);
	struct flow *f = flow_ping(t.alice, t.bob, 4, MS(50), 200);
	sim_run(s, S(12));
	CHECK_EQ(s, flow_lost(f), 0);
	CHECK_EQ(s, flow_direct_since(f, 0), 0);
	CHECK_EQ(s, resolutions(t.alice), 0);
}

static void no_redirect_no_shortcut(struct sim *s)
{
	struct trio t = trio_with_lan(s, "10.0.0.1");
	t.hub->config.redirect = false;
	world_up(t.w);
	struct flow *f = ping_lan(&t, MS(50));
	sim_run(s, S(10));
	flow_finish(f);
	CHECK_EQ(s, flow_lost(f), 0);
	CHECK_EQ(s, flow_direct_since(f, 0), 0);
}

/* Two thirds of 600 s: alice asks again, by way of the hub, because the shortcut is used. */
static void used_shortcut_is_renewed(struct sim *s)
{
	struct trio t = trio_with_lan(s, "10.0.0.1");
	world_up(t.w);
	struct flow *f = ping_lan(&t, MS(500));
	sim_run(s, S(10));
	CHECK(s, node_shortcut(t.alice, "192.168.2.0/24"));
	uint64_t asked = resolutions(t.alice);
	sim_run(s, S(330));
	CHECK_EQ(s, resolutions(t.alice), asked);
	sim_run(s, S(130));
	CHECK(s, resolutions(t.alice) > asked);
	struct nhrp_view v;
	CHECK(s, node_nhrp(t.alice, "shortcut", "192.168.2.0/24", &v));
	CHECK(s, v.expires_ns > S(400));
	sim_run(s, S(800));
	CHECK(s, node_shortcut(t.alice, "192.168.2.0/24"));
	CHECK(s, flow_last_relayed(f) < S(5));
	flow_finish(f);
	CHECK_EQ(s, flow_lost(f), 0);
}

/* 300 s without user data: the direct path is closed and the shortcut is gone, on both sides. */
static void idle_shortcut_goes(struct sim *s)
{
	struct trio t = trio_with_lan(s, "10.0.0.1");
	world_up(t.w);
	struct flow *f = ping_lan(&t, MS(100));
	sim_run(s, S(20));
	flow_finish(f);
	CHECK_EQ(s, flow_lost(f), 0);
	sim_run(s, S(270));
	CHECK(s, node_shortcut(t.alice, "192.168.2.0/24"));
	CHECK(s, node_direct(t.alice, t.bob));
	sim_run(s, S(45));
	struct nhrp_view v;
	CHECK(s, !node_nhrp(t.alice, "shortcut", "192.168.2.0/24", &v));
	CHECK(s, !node_up(t.alice, t.bob));
	CHECK(s, !node_up(t.bob, t.alice));
	/* And it comes back when it is wanted. */
	f = ping_lan(&t, MS(20));
	sim_run(s, S(3));
	CHECK(s, node_shortcut(t.alice, "192.168.2.0/24"));
	flow_finish(f);
	CHECK_EQ(s, flow_lost(f), 0);
}

/* The covering route goes: so does the shortcut, at once. */
static void withdrawn_with_the_covering_route(struct sim *s)
{
	struct trio t = trio_with_lan(s, "10.0.0.1");
	world_up(t.w);
	struct flow *f = ping_lan(&t, MS(100));
	sim_run(s, S(3));
	CHECK(s, node_shortcut(t.alice, "192.168.2.0/24"));
	flow_stop(f);
	node_unroute(t.alice, "192.168.2.0/24");
	sim_run(s, MS(100));
	struct nhrp_view v;
	CHECK(s, !node_nhrp(t.alice, "shortcut", "192.168.2.0/24", &v));
	struct route_view r;
	CHECK(s, !node_route_view(t.alice, "shortcut", "192.168.2.0/24", &r));
}

/* No wider than the route it overrides: bob answers a /24, alice's routing only speaks of a /25. */
static void capped_by_the_covering_route(struct sim *s)
{
	struct trio t = trio_new(s, MS(40));
	world_lan(t.w, t.bob, "192.168.2.0/24");
	node_route(t.alice, "192.168.2.0/25", "10.0.0.1", ROUTE_TYPE_OVERLAY);
	world_up(t.w);
	struct flow *f = ping_lan(&t, MS(20));
	sim_run(s, S(3));
	flow_finish(f);
	CHECK_EQ(s, flow_lost(f), 0);
	CHECK(s, node_shortcut(t.alice, "192.168.2.0/25"));
	CHECK(s, !node_shortcut(t.alice, "192.168.2.0/24"));
}

/* The egress has a /16, but a /25 of it lies elsewhere: it answers what is its own without holes. */
static void answer_without_foreign_holes(struct sim *s)
{
	struct trio t = trio_new(s, MS(40));
	world_lan(t.w, t.bob, "192.168.0.0/16");
	node_route(t.bob, "192.168.2.128/25", "10.0.0.1", ROUTE_TYPE_OVERLAY);
	node_route(t.alice, "192.168.0.0/16", "10.0.0.1", ROUTE_TYPE_OVERLAY);
	world_up(t.w);
	struct flow *f = ping_lan(&t, MS(20));
	sim_run(s, S(3));
	flow_finish(f);
	CHECK_EQ(s, flow_lost(f), 0);
	CHECK(s, node_shortcut(t.alice, "192.168.2.0/25"));
}

/*
 * A host of bob's LAN moves to carol, who registers it. bob knows nothing of that, the hub does: it takes
 * back the shortcut that covers both, and the next answer leaves room for carol's host.
 */
static void a_host_of_the_prefix_moves(struct sim *s)
{
	struct trio t = trio_new(s, MS(40));
	struct node *carol = world_spoke(t.w, "carol", "10.0.0.13/24", NAT_PORT_RESTRICTED);
	struct nhrp_view v;
	world_lan(t.w, t.bob, "192.168.2.0/24");
	world_grant(carol, "192.168.2.200/32");
	node_route(t.alice, "192.168.0.0/16", "10.0.0.1", ROUTE_TYPE_OVERLAY);
	world_up(t.w);
	struct flow *f = ping_lan(&t, MS(20));
	WAIT_FOR(s, S(3), node_nhrp(t.alice, "shortcut", "192.168.2.0/24", &v));

	node_own(carol, "192.168.2.200/32");
	node_route(carol, "192.168.2.200/32", NULL, ROUTE_TYPE_OTHER);
	WAIT_FOR(s, S(1), !node_nhrp(t.alice, "shortcut", "192.168.2.0/24", &v));
	struct flow *g =
		flow_start(t.alice, carol, INNER_ECHO, "10.0.0.11", "192.168.2.200", MS(20), 100);
	sim_run(s, S(15));
	flow_finish(f);
	CHECK_EQ(s, flow_lost(f), 0);
	CHECK_EQ(s, flow_lost(g), 0);
	CHECK(s, node_shortcut(t.alice, "192.168.2.0/25"));
	CHECK(s, node_shortcut(t.alice, "192.168.2.200/32"));

	/* It moves back. */
	node_unroute(carol, "192.168.2.200/32");
	WAIT_FOR(s, S(1), !node_nhrp(t.alice, "shortcut", "192.168.2.200/32", &v));
	g = flow_start(t.alice, t.bob, INNER_ECHO, "10.0.0.11", "192.168.2.200", MS(20), 100);
	sim_run(s, S(3));
	CHECK_EQ(s, flow_lost(g), 0);
}

/* The egress loses the prefix: whoever was told is told again. */
static void purged_when_the_egress_loses_it(struct sim *s)
{
	struct trio t = trio_with_lan(s, "10.0.0.1");
	world_up(t.w);
	struct flow *f = ping_lan(&t, MS(100));
	sim_run(s, S(3));
	flow_finish(f);
	CHECK(s, node_shortcut(t.alice, "192.168.2.0/24"));
	node_unroute(t.bob, "192.168.2.0/24");
	sim_run(s, S(3));
	struct nhrp_view v;
	CHECK(s, !node_nhrp(t.alice, "shortcut", "192.168.2.0/24", &v));
}

/* The same, but the hub has been restarted and forgot whom it told: alice's packets tell bob. */
static void misled_after_the_hub_forgot(struct sim *s)
{
	struct trio t = trio_with_lan(s, "10.0.0.1");
	struct nhrp_view v;
	world_up(t.w);
	struct flow *f = ping_lan(&t, MS(100));
	WAIT_FOR(s, S(3), node_nhrp(t.alice, "shortcut", "192.168.2.0/24", &v));
	node_crash(t.hub);
	world_start_node(t.w, t.hub);
	sim_run(s, S(30));
	CHECK(s, node_shortcut(t.alice, "192.168.2.0/24"));
	CHECK_EQ(s, flow_lost(f), 0);
	node_unroute(t.bob, "192.168.2.0/24");
	node_route(t.bob, "192.168.2.0/24", "10.0.0.1", ROUTE_TYPE_OVERLAY);
	WAIT_FOR(s, MS(500), !node_nhrp(t.alice, "shortcut", "192.168.2.0/24", &v));
	flow_finish(f);
}

/* ---- What must not become a shortcut -------------------------------------------------------- */

/*
 * bob is the way out to the Internet, by a default route. alice's default points at the hub, the hub's
 * route to 8.8.8.0/24 at bob: redirect, resolution, and bob answers NAK 4 since defaults do not count.
 */
static struct trio trio_with_default(struct sim *s)
{
	struct trio t = {.w = world_new(s, MS(40))};
	t.w->families = 4;
	t.hub = world_hub(t.w, "hub", "10.0.0.1/24");
	t.alice = world_spoke(t.w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	t.bob = world_spoke(t.w, "bob", "10.0.0.12/24", NAT_PORT_RESTRICTED);
	t.bob->cert.role |= CERT_DEFAULT;
	world_grant(t.bob, "0.0.0.0/0");
	node_own(t.bob, "0.0.0.0/0");
	node_route(t.alice, "203.0.113.0/24", "172.16.1.1", ROUTE_TYPE_OTHER);
	node_route(t.alice, "198.51.100.0/24", "172.16.1.1", ROUTE_TYPE_OTHER);
	node_route(t.alice, "0.0.0.0/0", "10.0.0.1", ROUTE_TYPE_OVERLAY);
	node_route(t.hub, "8.8.8.0/24", "10.0.0.12", ROUTE_TYPE_OVERLAY);
	world_up(t.w);
	return t;
}

static void no_shortcut_for_a_default_route(struct sim *s)
{
	struct trio t = trio_with_default(s);
	struct flow *f = flow_start(t.alice, t.bob, INNER_ECHO, "10.0.0.11", "8.8.8.8", MS(100), 0);
	sim_run(s, S(20));
	CHECK(s, node_nhrp_counters(t.hub).out[TRAFFIC_INDICATION] >= 1);
	CHECK(s, resolutions(t.alice) >= 1);
	struct route_view r;
	CHECK(s, !node_route_view(t.alice, "shortcut", "0.0.0.0/0", &r));
	CHECK(s, !node_route_view(t.alice, "shortcut", "8.8.8.8/32", &r));
	CHECK(s, !node_route_view(t.alice, "shortcut", "8.8.8.0/24", &r));
	flow_finish(f);
	CHECK_EQ(s, flow_lost(f), 0);
}

/* Refused: asked again after 30 s, doubling to 10 min, however much traffic there is. */
static void refused_resolution_backs_off(struct sim *s)
{
	struct trio t = trio_with_default(s);
	uint64_t base = resolutions(t.alice);
	struct flow *f = flow_start(t.alice, t.bob, INNER_ECHO, "10.0.0.11", "8.8.8.8", MS(500), 0);
	uint64_t begin = s->now;
	/* Not before 30, 90, 210, 450, 1050, 1650 s. */
	static const struct {
		unsigned at_s, least, most;
	} plan[] = {{29, 1, 1}, {85, 1, 2}, {205, 2, 3}, {440, 3, 4}, {1000, 4, 5}, {1600, 4, 6}};
	for (size_t i = 0; i < sizeof plan / sizeof *plan; i++) {
		sim_run_until(s, begin + S(plan[i].at_s));
		CHECK_RANGE(s, resolutions(t.alice) - base, plan[i].least, plan[i].most);
	}
	/* The hub's own redirects thin out too. */
	CHECK_RANGE(s, node_nhrp_counters(t.hub).out[TRAFFIC_INDICATION], 4, 80);
	flow_finish(f);
	CHECK_EQ(s, flow_lost(f), 0);
}

/* bob's certificate covers only half of what bob has a route for: that half is answered. */
static void answer_stays_inside_the_certificate(struct sim *s)
{
	struct trio t = trio_new(s, MS(40));
	world_grant(t.bob, "192.168.2.0/25");
	world_register(t.bob, "192.168.2.0/25");
	node_own(t.bob, "192.168.2.0/24");
	node_route(t.bob, "192.168.2.0/24", NULL, ROUTE_TYPE_OTHER);
	node_route(t.alice, "192.168.2.0/24", "10.0.0.1", ROUTE_TYPE_OVERLAY);
	world_up(t.w);
	struct flow *f = ping_lan(&t, MS(20));
	sim_run(s, S(3));
	flow_finish(f);
	CHECK_EQ(s, flow_lost(f), 0);
	CHECK(s, node_shortcut(t.alice, "192.168.2.0/25"));
}

/* Nobody has that address: the hub says so (NAK 12, ICMP unreachable), nothing is forwarded. */
static void unknown_destination_is_unreachable(struct sim *s)
{
	struct trio t = trio_new(s, MS(40));
	world_up(t.w);
	struct flow *f =
		flow_start(t.alice, t.bob, INNER_UDP, "10.0.0.11", "10.0.0.99", MS(200), 20);
	sim_run(s, S(6));
	CHECK_EQ(s, f->delivered, 0);
	CHECK(s, t.alice->icmp_errors >= 1);
	CHECK(s, !node_shortcut(t.alice, "10.0.0.99/32"));
}

/* ---- Families ------------------------------------------------------------------------------- */

static void mix(struct sim *s, uint8_t overlay, uint8_t underlay)
{
	struct world *w = world_new(s, MS(40));
	w->families = underlay;
	bool v4 = overlay == 4;
	struct node *hub = world_hub(w, "hub", v4 ? "10.0.0.1/24" : "fd00:77::1/64");
	struct node *alice = world_spoke(
		w, "alice", v4 ? "10.0.0.11/24" : "fd00:77::11/64", NAT_PORT_RESTRICTED);
	struct node *bob =
		world_spoke(w, "bob", v4 ? "10.0.0.12/24" : "fd00:77::12/64", NAT_PORT_RESTRICTED);
	const char *lan = v4 ? "192.168.2.0/24" : "fd00:2::/64";
	world_lan(w, bob, lan);
	node_route(alice, lan, v4 ? "10.0.0.1" : "fd00:77::1", ROUTE_TYPE_OVERLAY);
	world_up(w);
	struct flow *f = flow_ping(alice, bob, overlay, MS(10), 300);
	struct flow *g = flow_start(alice, bob, INNER_UDP, v4 ? "10.0.0.11" : "fd00:77::11",
		v4 ? "192.168.2.7" : "fd00:2::7", MS(10), 300);
	g->size = 1400;
	sim_run(s, S(5));
	CHECK_EQ(s, flow_lost(f), 0);
	CHECK_EQ(s, flow_lost(g), 0);
	CHECK_RANGE(s, flow_first_direct(f), 0, MS(300) + 3 * MS(40));
	CHECK(s, node_shortcut(alice, lan));
	CHECK(s, node_direct(alice, bob));
	struct peer_view v;
	CHECK(s, node_peer(alice, "bob", &v));
	CHECK_EQ(s, v.endpoint.addr.family, underlay);
	(void)hub;
}

static void overlay_v4_over_v4(struct sim *s)
{
	mix(s, 4, 4);
}

static void overlay_v4_over_v6(struct sim *s)
{
	mix(s, 4, 6);
}

static void overlay_v6_over_v4(struct sim *s)
{
	mix(s, 6, 4);
}

static void overlay_v6_over_v6(struct sim *s)
{
	mix(s, 6, 6);
}

/* ---- Hairpin -------------------------------------------------------------------------------- */

/* relay = kernel: the host forwards between overlay and overlay, and the path becomes direct as well. */
static void relay_by_the_kernel(struct sim *s)
{
	struct trio t = trio_new(s, MS(40));
	t.hub->config.relay_kernel = true;
	t.hub->forwards = true;
	world_up(t.w);
	struct flow *f = flow_ping(t.alice, t.bob, 4, MS(20), 200);
	sim_run(s, S(6));
	CHECK_EQ(s, flow_lost(f), 0);
	CHECK_EQ(s, node_counters(t.hub).hairpin_packets, 0);
	CHECK(s, flow_first_direct(f) < S(1));
}

/* Through the hub a packet loses one hop; with none left its sender gets time exceeded. */
static void hairpin_costs_one_hop(struct sim *s)
{
	struct trio t = trio_new(s, MS(40));
	t.alice->config.shortcut = t.bob->config.shortcut = false;
	world_up(t.w);
	struct flow *f = flow_ping(t.alice, t.bob, 4, MS(100), 3);
	f->ttl = 1;
	sim_run(s, S(2));
	CHECK_EQ(s, f->delivered, 0);
	CHECK(s, t.alice->icmp_errors >= 1);
	struct flow *g = flow_ping(t.alice, t.bob, 4, MS(100), 3);
	g->ttl = 2;
	sim_run(s, S(2));
	CHECK_EQ(s, flow_lost(g), 0);
}

/* A routing protocol's multicast: spoke to hub, hub to all spokes, never further. */
static void multicast_is_replicated_once(struct sim *s)
{
	struct trio t = trio_new(s, MS(40));
	struct node *carol = world_spoke(t.w, "carol", "10.0.0.13/24", NAT_LINUX);
	world_up(t.w);
	struct flow *up =
		flow_start(t.alice, NULL, INNER_UDP, "10.0.0.11", "224.0.0.5", MS(100), 10);
	struct flow *down =
		flow_start(t.hub, NULL, INNER_UDP, "10.0.0.1", "224.0.0.5", MS(100), 10);
	sim_run(s, S(3));
	uint64_t hub = UINT64_C(1) << t.hub->host->id, a = UINT64_C(1) << t.alice->host->id;
	uint64_t b = UINT64_C(1) << t.bob->host->id, c = UINT64_C(1) << carol->host->id;
	for (unsigned i = 0; i < 10; i++) {
		CHECK_EQ(s, up->packets[i].seen, hub);
		CHECK_EQ(s, down->packets[i].seen, a | b | c);
	}
}

static const struct sim_case cases[] = {
	{"direct-path-rtt-10", direct_path_rtt_10},
	{"direct-path-rtt-40", direct_path_rtt_40},
	{"direct-path-rtt-70", direct_path_rtt_70},
	{"phase-1-stays-on-the-hub", phase_1_stays_on_the_hub},
	{"phase-2-without-redirect", phase_2_without_redirect},
	{"phase-3-prefix-behind-a-spoke", phase_3_prefix_behind_a_spoke},
	{"phase-3-between-two-lans", phase_3_between_two_lans},
	{"no-redirect-no-shortcut", no_redirect_no_shortcut},
	{"used-shortcut-is-renewed", used_shortcut_is_renewed},
	{"idle-shortcut-goes", idle_shortcut_goes},
	{"withdrawn-with-the-covering-route", withdrawn_with_the_covering_route},
	{"capped-by-the-covering-route", capped_by_the_covering_route},
	{"answer-without-foreign-holes", answer_without_foreign_holes},
	{"answer-stays-inside-the-certificate", answer_stays_inside_the_certificate},
	{"a-host-of-the-prefix-moves", a_host_of_the_prefix_moves},
	{"purged-when-the-egress-loses-it", purged_when_the_egress_loses_it},
	{"misled-after-the-hub-forgot", misled_after_the_hub_forgot},
	{"no-shortcut-for-a-default-route", no_shortcut_for_a_default_route},
	{"refused-resolution-backs-off", refused_resolution_backs_off},
	{"unknown-destination-is-unreachable", unknown_destination_is_unreachable},
	{"overlay-v4-over-v4", overlay_v4_over_v4},
	{"overlay-v4-over-v6", overlay_v4_over_v6},
	{"overlay-v6-over-v4", overlay_v6_over_v4},
	{"overlay-v6-over-v6", overlay_v6_over_v6},
	{"relay-by-the-kernel", relay_by_the_kernel},
	{"hairpin-costs-one-hop", hairpin_costs_one_hop},
	{"multicast-is-replicated-once", multicast_is_replicated_once},
};

SIM_MAIN(cases, 1)
