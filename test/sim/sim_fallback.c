/* The direct path dies, the hub dies, addresses change: traffic goes on. */
#include "test/sim/run.h"
#include "test/sim/world.h"

#include "core/crypto/primitives.h"
#include "core/engine/node.h"

#include <string.h>

#define RTT MS(40)

struct trio {
	struct world *w;
	struct node *hub, *alice, *bob;
	struct flow *f; /* alice pings bob each 10 ms, directly since a second */
};

static struct trio trio_direct(struct sim *s, enum nat_kind alice, enum nat_kind bob)
{
	struct trio t = {.w = world_new(s, RTT)};
	t.w->families = 4;
	t.hub = world_hub(t.w, "hub", "10.0.0.1/24");
	t.alice = world_spoke(t.w, "alice", "10.0.0.11/24", alice);
	t.bob = world_spoke(t.w, "bob", "10.0.0.12/24", bob);
	world_up(t.w);
	t.f = flow_ping(t.alice, t.bob, 4, MS(10), 0);
	sim_run(s, S(2));
	CHECK(s, node_direct(t.alice, t.bob));
	CHECK_EQ(s, flow_lost_between(t.f, 0, s->now - RTT - MS(1)), 0);
	return t;
}

/*
 * A firewall appears between the two. A flow that breaks off: PING, and after 0.7 s the path is dead and
 * the hub carries on. Later the firewall goes: a new attempt finds the way again.
 */
static void direct_path_blocked_then_unblocked(struct sim *s)
{
	struct trio t = trio_direct(s, NAT_PORT_RESTRICTED, NAT_PORT_RESTRICTED);
	net_block(t.alice->host, t.bob->host, true);
	uint64_t cut = s->now;
	sim_run(s, S(10));
	/* Lost only in a window of 1 s (and what was on its way). */
	uint64_t window = S(1);
	uint32_t lost = flow_lost_between(t.f, 0, TS_NEVER);
	CHECK_EQ(s, flow_lost_between(t.f, 0, cut - RTT - MS(1)), 0);
	CHECK_EQ(s, flow_lost_between(t.f, cut + window, s->now - 2 * RTT - MS(1)), 0);
	sim_note(s, "%u packets of 10 ms lost", lost);
	struct peer_view v;
	CHECK(s, !node_direct(t.alice, t.bob));
	if (node_peer(t.alice, "bob", &v))
		CHECK(s, strcmp(v.path_state, "direct") != 0);

	net_block(t.alice->host, t.bob->host, false);
	uint64_t open = s->now;
	WAIT_FOR(s, S(90), node_direct(t.alice, t.bob));
	sim_note(s, "direct again %.1f s after unblocking", (double)(s->now - open) / 1e9);
	sim_run(s, S(5));
	CHECK(s, flow_direct_since(t.f, s->now - S(2)) > 100);
	CHECK_EQ(s, flow_lost_between(t.f, cut + window, s->now - 2 * RTT - MS(1)), 0);
}

/* Only one direction is cut: it counts as dead all the same. */
static void direct_path_blocked_one_way(struct sim *s)
{
	struct trio t = trio_direct(s, NAT_PORT_RESTRICTED, NAT_PORT_RESTRICTED);
	t.bob->host->blocked |= UINT64_C(1) << t.alice->host->id;
	uint64_t cut = s->now;
	sim_run(s, S(15));
	CHECK_EQ(s, flow_lost_between(t.f, cut + S(4), s->now - 2 * RTT - MS(1)), 0);
}

/* Shortcuts do not depend on the hub: not one packet is missing while it is away. */
static void hub_killed_under_a_shortcut(struct sim *s)
{
	struct trio t = trio_direct(s, NAT_PORT_RESTRICTED, NAT_PORT_RESTRICTED);
	node_crash(t.hub);
	sim_run(s, S(400)); /* over three rekeys */
	CHECK_EQ(s, flow_lost_between(t.f, 0, s->now - 2 * RTT), 0);
	CHECK(s, node_direct(t.alice, t.bob));
	world_start_node(t.w, t.hub);
	sim_run(s, S(75));
	CHECK_EQ(s, node_nhrp_count(t.hub, "binding"), 2);
	flow_finish(t.f);
	CHECK_EQ(s, flow_lost(t.f), 0);
}

/* The same beyond the holding time: renewed directly, since no hub can be reached. */
static void hub_killed_for_longer_than_the_holding_time(struct sim *s)
{
	struct trio t = trio_direct(s, NAT_PORT_RESTRICTED, NAT_PORT_RESTRICTED);
	t.f->interval_ns = MS(200);
	node_crash(t.hub);
	sim_run(s, S(1300));
	CHECK(s, node_direct(t.alice, t.bob));
	flow_finish(t.f);
	CHECK_EQ(s, flow_lost(t.f), 0);
}

static const struct nat_mapping *hub_mapping(const struct trio *t)
{
	const struct nat *nat = t->alice->nat;
	for (unsigned i = 0; i < nat->n_mappings; i++)
		for (unsigned k = 0; k < nat->mappings[i].n_peers; k++)
			if (addr_equal(&nat->mappings[i].peers[k].to.addr,
				    &t->hub->host->iface.addrs[0]))
				return &nat->mappings[i];
	SIM_FAIL(t->w->sim, "alice's box has no mapping towards the hub");
}

/* alice's box restarts: her packets come from another port, bob and the hub follow. */
static void rebinding_of_a_spoke(struct sim *s)
{
	struct trio t = trio_direct(s, NAT_PORT_RESTRICTED, NAT_FULL_CONE);
	uint64_t then = s->now;
	nat_rebind(t.alice->nat);
	sim_run(s, S(30));
	uint32_t lost = flow_lost_between(t.f, 0, s->now - 2 * RTT - MS(1));
	sim_note(s, "%u packets of 10 ms lost over a rebinding", lost);
	CHECK_EQ(s, flow_lost_between(t.f, then + S(4), s->now - 2 * RTT - MS(1)), 0);
	CHECK(s, node_ready(t.alice));
	struct peer_view v;
	CHECK(s, node_peer(t.hub, "alice", &v));
	CHECK_EQ(s, v.endpoint.port, hub_mapping(&t)->outside.port);
	/* She cannot know that the box has another port for her until a hub tells her so. */
	sim_run(s, S(120));
	struct endpoint seen = node_status(t.alice).public_endpoint;
	CHECK(s, endpoint_equal(&v.endpoint, &seen));
}

/* The same behind a strict box on the other side: at worst by the hub, never silence. */
static void rebinding_behind_strict_boxes(struct sim *s)
{
	struct trio t = trio_direct(s, NAT_PORT_RESTRICTED, NAT_PORT_RESTRICTED);
	uint64_t then = s->now;
	nat_rebind(t.alice->nat);
	sim_run(s, S(90));
	CHECK_EQ(s, flow_lost_between(t.f, then + S(1), s->now - 2 * RTT - MS(1)), 0);
	CHECK(s, node_direct(t.alice, t.bob));
}

/* A public spoke gets another address (a new DHCP lease): same key, same binding, new endpoint. */
static void spoke_roams(struct sim *s)
{
	struct trio t = trio_direct(s, NAT_NONE, NAT_PORT_RESTRICTED);
	uint64_t then = s->now;
	world_move(t.w, t.alice, "198.51.100.200");
	sim_run(s, S(60));
	CHECK_EQ(s, flow_lost_between(t.f, then + S(5), s->now - 2 * RTT - MS(1)), 0);
	struct ip_addr fresh = world_public_address(t.alice, 4);
	struct endpoint seen = node_status(t.alice).public_endpoint;
	CHECK(s, addr_equal(&seen.addr, &fresh));
	CHECK_EQ(s, node_nhrp_count(t.hub, "binding"), 2);
}

/* Both boxes symmetric: no way through. The hub carries everything, and status says why. */
static void symmetric_on_both_sides(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	w->families = 4;
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_SYMMETRIC);
	struct node *bob = world_spoke(w, "bob", "10.0.0.12/24", NAT_SYMMETRIC);
	world_up(w);
	struct flow *f = flow_ping(alice, bob, 4, MS(20), 0);
	sim_run(s, S(100));
	CHECK_EQ(s, flow_direct_since(f, 0), 0);
	CHECK(s, node_counters(hub).hairpin_packets > 1000);
	struct peer_view v;
	CHECK(s, node_peer(alice, "bob", &v));
	CHECK(s, !v.direct);
	CHECK(s, v.path_reason[0] != '\0');
	sim_note(s, "alice says of bob: \"%s\", \"%s\"", v.path_state, v.path_reason);
	flow_finish(f);
	CHECK_EQ(s, flow_lost(f), 0);
}

/* The far spoke crashes and returns: its RESET, or the hub's answer, brings the traffic back. */
static void far_spoke_restarts(struct sim *s)
{
	struct trio t = trio_direct(s, NAT_PORT_RESTRICTED, NAT_PORT_RESTRICTED);
	node_crash(t.bob);
	sim_run(s, S(1));
	world_start_node(t.w, t.bob);
	uint64_t back = s->now;
	sim_run(s, S(30));
	CHECK_EQ(s, flow_lost_between(t.f, back + S(5), s->now - 2 * RTT - MS(1)), 0);
	CHECK(s, node_direct(t.alice, t.bob));
}

/* The far spoke says good-bye: shortcut and session go at once, the hub says unreachable. */
static void far_spoke_stops(struct sim *s)
{
	struct trio t = trio_direct(s, NAT_PORT_RESTRICTED, NAT_PORT_RESTRICTED);
	node_stop(t.bob);
	sim_run(s, S(1));
	CHECK(s, !node_up(t.alice, t.bob));
	sim_run(s, S(2));
	CHECK(s, t.alice->icmp_errors > 0);
}

/*
 * A laptop's lid is closed: nothing runs, nothing is heard, the clock goes on. Opened again, it is back
 * with its hub, and with its friend, within seconds: keys too old to use are not waited for.
 */
static void sleeps_and_resumes(struct sim *s)
{
	static const unsigned naps_s[] = {8, 40, 130, 185, 400, 3600, 30000};
	struct trio t = trio_direct(s, NAT_PORT_RESTRICTED, NAT_PORT_RESTRICTED);
	flow_stop(t.f);
	for (size_t i = 0; i < sizeof naps_s / sizeof *naps_s; i++) {
		node_sleep(t.alice);
		sim_run(s, S(naps_s[i]));
		node_wake(t.alice);
		uint64_t woke = s->now;
		struct flow *f = flow_ping(t.alice, t.bob, 4, MS(50), 0);
		WAIT_FOR(s, S(10), f->replied > 0);
		sim_note(s, "%u s asleep: first answer after %.2f s", naps_s[i],
			(double)(s->now - woke) / 1e9);
		CHECK(s, s->now - woke < S(2));
		sim_run(s, S(10));
		CHECK_EQ(s, flow_lost_between(f, woke + S(2), s->now - S(1)), 0);
		CHECK(s, node_ready(t.alice));
		flow_finish(f);
	}
}

/* Asleep, its box restarts or it is carried elsewhere: nobody finds it, so it has to find everybody. */
static void sleeps_and_wakes_elsewhere(struct sim *s)
{
	static const unsigned naps_s[] = {8, 100, 3600};
	for (size_t i = 0; i < 2 * sizeof naps_s / sizeof *naps_s; i++) {
		bool moves = i & 1;
		struct trio t =
			trio_direct(s, moves ? NAT_NONE : NAT_PORT_RESTRICTED, NAT_PORT_RESTRICTED);
		flow_stop(t.f);
		node_sleep(t.alice);
		sim_run(s, S(naps_s[i / 2]));
		node_wake(t.alice);
		if (moves)
			world_move(t.w, t.alice, "198.51.100.200");
		else
			nat_rebind(t.alice->nat);
		uint64_t woke = s->now;
		struct flow *f = flow_ping(t.alice, t.hub, 4, MS(50), 0);
		struct flow *g = flow_ping(t.alice, t.bob, 4, MS(50), 0);
		WAIT_FOR(s, S(2), f->replied > 0 && g->replied > 0);
		sim_note(s, "%u s asleep, %s: first answers after %.2f s", naps_s[i / 2],
			moves ? "then elsewhere" : "a new port", (double)(s->now - woke) / 1e9);
		sim_run(s, S(20));
		CHECK_EQ(s, flow_lost_between(f, woke + S(2), s->now - S(1)), 0);
		CHECK_EQ(s, flow_lost_between(g, woke + S(5), s->now - S(1)), 0);
		flow_stop(g);
		flow_finish(f);
		world_down(t.w);
	}
}

/* A bundle names a second hub, later no more the first: everybody follows without a restart. */
static void hubs_change_by_bundle(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	w->families = 4;
	struct node *hub1 = world_hub(w, "hub1", "10.0.0.1/24");
	struct node *hub2 = world_hub(w, "hub2", "10.0.0.2/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_LINUX);
	struct node *bob = world_spoke(w, "bob", "10.0.0.12/24", NAT_SYMMETRIC);
	world_sign(w);
	struct bundle_hub second = w->bundle.hubs[1];
	w->bundle.n_hubs = 1;
	world_sign_bundle(w);
	world_start_node(w, hub1);
	world_start_node(w, alice);
	world_start_node(w, bob);
	struct flow *f = flow_ping(alice, bob, 4, MS(50), 0);
	WAIT_FOR(s, S(5), f->replied > 0);
	uint64_t begin = s->now;

	w->bundle.hubs[w->bundle.n_hubs++] = second;
	w->bundle.number++;
	world_sign_bundle(w);
	CHECK_EQ(s, node_set_bundle(hub1, w->bundle_bytes, w->bundle_len), 0);
	world_start_node(w, hub2);
	WAIT_FOR(s, S(10), node_up(alice, hub2) && node_up(bob, hub2) && node_up(hub1, hub2));

	sim_run(s, S(1));
	CHECK_EQ(s, flow_lost_between(f, begin, s->now - S(1)), 0);

	w->bundle.hubs[0] = second;
	w->bundle.n_hubs = 1;
	w->bundle.number++;
	world_sign_bundle(w);
	uint64_t removed = s->now;
	CHECK_EQ(s, node_set_bundle(hub2, w->bundle_bytes, w->bundle_len), 0);
	WAIT_FOR(s, S(10), !node_up(alice, hub1) && !node_up(bob, hub1));
	/* Nothing of it is left that another peer's slot could stand for. */
	CHECK_EQ(s, node_nhrp_count(alice, "registration"), 1);
	CHECK_EQ(s, node_nhrp_count(bob, "registration"), 1);
	node_crash(hub1);
	sim_run(s, S(30));
	CHECK(s, node_ready(alice));
	CHECK(s, node_ready(bob));
	flow_finish(f);
	/* What the old hub had in its hands may be gone, and no more. */
	CHECK_EQ(s, flow_lost_between(f, begin, removed - 2 * RTT), 0);
	CHECK_EQ(s, flow_lost_between(f, removed + 4 * RTT, s->now), 0);
}

/*
 * The hub gets another key: a bundle names both, the hub starts with the new one, a later bundle names
 * that alone. The spokes dial the key that they know, and at the latest 12 s later the traffic is back.
 */
static void hub_key_rotates(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	w->families = 4;
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_LINUX);
	struct node *bob = world_spoke(w, "bob", "10.0.0.12/24", NAT_SYMMETRIC);
	world_up(w);
	struct flow *f = flow_ping(alice, bob, 4, MS(50), 0);
	struct bundle_hub *entry = &w->bundle.hubs[0];
	uint8_t fresh[KEY_LEN];
	rng_fill(&s->rng, fresh, sizeof fresh);
	memcpy(entry->keys[1], entry->keys[0], KEY_LEN);
	prim_dh_public(entry->keys[0], fresh);
	entry->n_keys = 2;
	w->bundle.number++;
	world_sign_bundle(w);
	CHECK_EQ(s, node_set_bundle(hub, w->bundle_bytes, w->bundle_len), 0);
	WAIT_FOR(s, S(5), alice->bundles_saved && bob->bundles_saved);
	sim_run(s, S(5));
	CHECK_EQ(s, flow_lost_between(f, 0, s->now - S(1)), 0);

	node_stop(hub);
	hub->former = hub->cert;
	memcpy(hub->config.static_secret, fresh, sizeof fresh);
	memcpy(hub->cert.static_key, entry->keys[0], KEY_LEN);
	hub->cert_len = 0;
	world_start_node(w, hub);
	uint64_t back = s->now;
	sim_run(s, S(20));
	sim_note(s, "%u echoes of 50 ms lost when the hub's key changed",
		flow_lost_between(f, back - S(1), s->now - S(1)));
	CHECK_EQ(s, flow_lost_between(f, back + S(12), s->now - S(1)), 0);

	entry->n_keys = 1;
	w->bundle.number++;
	world_sign_bundle(w);
	CHECK_EQ(s, node_set_bundle(hub, w->bundle_bytes, w->bundle_len), 0);
	sim_run(s, S(10));
	CHECK_EQ(s, alice->engine->peers.n_hubs, 1);
	CHECK_EQ(s, bob->engine->peers.n_hubs, 1);
	CHECK_EQ(s, flow_lost_between(f, back + S(12), s->now - S(1)), 0);
	flow_finish(f);
}

/* Two hubs, and two spokes that never find a direct path. */
struct relayed {
	struct world *w;
	struct node *hub1, *hub2, *alice, *bob;
};

static struct relayed two_hubs(struct sim *s)
{
	struct relayed r = {.w = world_new(s, RTT)};
	r.w->families = 4;
	r.hub1 = world_hub(r.w, "hub1", "10.0.0.1/24");
	r.hub2 = world_hub(r.w, "hub2", "10.0.0.2/24");
	r.alice = world_spoke(r.w, "alice", "10.0.0.11/24", NAT_SYMMETRIC);
	r.bob = world_spoke(r.w, "bob", "10.0.0.12/24", NAT_SYMMETRIC);
	world_up(r.w);
	return r;
}

/*
 * Two hubs, no direct path. The preferred one dies: with traffic the other carries on within 3 s. It comes
 * back, and so does the traffic, without a loss. It leaves in good order: a matter of a round trip.
 */
static void hub_failover_under_relayed_traffic(struct sim *s)
{
	struct relayed r = two_hubs(s);
	struct world *w = r.w;
	struct node *hub1 = r.hub1, *hub2 = r.hub2, *alice = r.alice, *bob = r.bob;
	struct flow *f = flow_ping(alice, bob, 4, MS(10), 0);
	sim_run(s, S(20));
	CHECK_EQ(s, flow_lost_between(f, 0, s->now - S(1)), 0);
	uint64_t by_1 = node_counters(hub1).hairpin_packets;
	CHECK(s, by_1 > 1000);

	node_crash(hub1);
	uint64_t died = s->now;
	sim_run(s, S(20));
	uint64_t window = S(3) + RTT; /* dead 3 s after the last answer; what was on its way */
	sim_note(s, "%u echoes of 10 ms lost when the hub died",
		flow_lost_between(f, died - S(1), s->now - S(1)));
	CHECK_EQ(s, flow_lost_between(f, died + window, s->now - S(1)), 0);
	CHECK(s, node_counters(hub2).hairpin_packets > 1000);

	world_start_node(w, hub1);
	uint64_t back = s->now;
	sim_run(s, S(120));
	CHECK_EQ(s, flow_lost_between(f, back, s->now - S(1)), 0);
	CHECK(s, node_counters(hub1).hairpin_packets > 1000);

	node_stop(hub1);
	uint64_t left = s->now;
	sim_run(s, S(20));
	sim_note(s, "%u echoes of 10 ms lost when it left in good order",
		flow_lost_between(f, left - S(1), s->now - S(1)));
	CHECK_EQ(s, flow_lost_between(f, left + 4 * RTT, s->now - S(1)), 0);
	flow_finish(f);
}

/* The preferred one dies while nothing is sent: known within 13 s, back 30 s after it is. */
static void failover_while_idle(struct sim *s)
{
	struct relayed r = two_hubs(s);
	struct world *w = r.w;
	struct node *hub1 = r.hub1, *hub2 = r.hub2, *alice = r.alice, *bob = r.bob;
	sim_run(s, S(60));
	struct engine *e = alice->engine;
	const struct peer *first = peer_find(&e->peers, hub1->cert.static_key);
	node_crash(hub1);
	uint64_t died = s->now;
	WAIT_FOR(s, S(13), hubs_preferred(&e->peers, 0, node_now(alice)) != first);
	sim_note(s, "idle: known after %.1f s", (double)(s->now - died) / 1e9);
	WAIT_FOR(s, S(13), !node_up(bob, hub1) || !node_direct(bob, hub1));
	struct flow *f = flow_ping(alice, bob, 4, MS(10), 0);
	sim_run(s, S(20));
	CHECK_EQ(s, flow_lost_between(f, 0, s->now - S(1)), 0);
	world_start_node(w, hub1);
	WAIT_FOR(s, S(75), node_up(alice, hub1) && node_up(bob, hub1));
	uint64_t back = s->now;
	CHECK(s, hubs_preferred(&e->peers, 0, node_now(alice)) != first);
	WAIT_FOR(s, S(31), hubs_preferred(&e->peers, 0, node_now(alice)) == first);
	CHECK_RANGE(s, s->now - back, S(25), S(31));
	sim_note(s, "preferred again %.1f s after it was back", (double)(s->now - back) / 1e9);
	sim_run(s, S(10));
	flow_finish(f);
	CHECK_EQ(s, flow_lost(f), 0);
	CHECK(s, node_up(alice, hub2));
}

/* Underlay trouble of 60 s for everybody; all is as before some seconds later. */
static void partition_heals(struct sim *s)
{
	struct trio t = trio_direct(s, NAT_PORT_RESTRICTED, NAT_PORT_RESTRICTED);
	net_partition(&t.w->net, UINT64_C(1) << t.alice->host->id);
	sim_run(s, S(60));
	net_partition(&t.w->net, 0);
	uint64_t healed = s->now;
	sim_run(s, S(60));
	CHECK_EQ(s, flow_lost_between(t.f, healed + S(30), s->now - 2 * RTT - MS(1)), 0);
	CHECK(s, node_ready(t.alice));
}

/* The hub has no binding for bob, who reaches only the other hub: the spoke tries its next one. */
static void destination_registered_at_the_other_hub(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	w->families = 4;
	struct node *hub1 = world_hub(w, "hub1", "10.0.0.1/24");
	struct node *hub2 = world_hub(w, "hub2", "10.0.0.2/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_SYMMETRIC);
	struct node *bob = world_spoke(w, "bob", "10.0.0.12/24", NAT_SYMMETRIC);
	net_block(hub1->host, bob->host, true);
	world_up(w);
	CHECK(s, !node_up(hub1, bob));
	CHECK(s, node_up(hub2, bob));
	struct flow *f = flow_ping(alice, bob, 4, MS(50), 0);
	sim_run(s, S(20));
	CHECK_EQ(s, flow_lost_between(f, s->now - S(14), s->now - S(1)), 0);
}

static const struct sim_case cases[] = {
	{"direct-path-blocked-then-unblocked", direct_path_blocked_then_unblocked},
	{"direct-path-blocked-one-way", direct_path_blocked_one_way},
	{"hub-killed-under-a-shortcut", hub_killed_under_a_shortcut},
	{"hub-killed-beyond-holding-time", hub_killed_for_longer_than_the_holding_time},
	{"rebinding-of-a-spoke", rebinding_of_a_spoke},
	{"rebinding-behind-strict-boxes", rebinding_behind_strict_boxes},
	{"spoke-roams", spoke_roams},
	{"symmetric-on-both-sides", symmetric_on_both_sides},
	{"far-spoke-restarts", far_spoke_restarts},
	{"far-spoke-stops", far_spoke_stops},
	{"sleeps-and-resumes", sleeps_and_resumes},
	{"sleeps-and-wakes-elsewhere", sleeps_and_wakes_elsewhere},
	{"hub-key-rotates", hub_key_rotates},
	{"hubs-change-by-bundle", hubs_change_by_bundle},
	{"hub-failover-under-relayed-traffic", hub_failover_under_relayed_traffic},
	{"failover-while-idle", failover_while_idle},
	{"partition-heals", partition_heals},
	{"destination-at-the-other-hub", destination_registered_at_the_other_hub},
};

SIM_MAIN(cases, 1)
