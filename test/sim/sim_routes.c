/* The kernel's routes: several next hops, and more of them than there is room for. */
#include "test/sim/run.h"
#include "test/sim/world.h"

#include <stdio.h>
#include <string.h>

#define RTT   MS(40)
#define FLOWS 40

/* alice reaches bob's LAN by two hubs; there is never a direct path. */
struct shared {
	struct world *w;
	struct node *hubs[2], *alice, *bob;
	struct flow *flows[FLOWS]; /* each to another address of the LAN */
};

static struct shared shared_new(struct sim *s)
{
	struct shared t = {.w = world_new(s, RTT)};
	t.w->families = 4;
	t.hubs[0] = world_hub(t.w, "hub1", "10.0.0.1/24");
	t.hubs[1] = world_hub(t.w, "hub2", "10.0.0.2/24");
	t.alice = world_spoke(t.w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	t.bob = world_spoke(t.w, "bob", "10.0.0.12/24", NAT_PORT_RESTRICTED);
	t.alice->config.shortcut = t.bob->config.shortcut = false;
	world_lan(t.w, t.bob, "192.168.2.0/24");
	world_register(t.bob, "192.168.2.0/24");
	static const char *const gateways[] = {"10.0.0.1", "10.0.0.2"};
	node_route_legs(t.alice, "192.168.2.0/24", gateways, 2);
	world_up(t.w);
	sim_run(s, S(2));
	for (unsigned i = 0; i < FLOWS; i++) {
		char dst[32];
		snprintf(dst, sizeof dst, "192.168.2.%u", i + 1);
		t.flows[i] = flow_start(t.alice, t.bob, INNER_ECHO, "10.0.0.11", dst, MS(100), 0);
	}
	return t;
}

static uint64_t relayed(const struct node *hub)
{
	return node_counters(hub).hairpin_packets;
}

/*
 *   alice -> hub1 (some flows), hub2 (the others) -> bob; answers by bob's preferred hub
 *     hub1 dies: its flows go by hub2 as soon as alice knows
 *     hub1 is back: so are they
 */
static void two_hubs_share_the_flows(struct sim *s)
{
	struct shared t = shared_new(s);
	sim_run(s, S(10));
	for (unsigned i = 0; i < FLOWS; i++)
		CHECK_EQ(s, flow_lost_between(t.flows[i], 0, s->now - S(1)), 0);
	/* Bob's answers go all by one of them. */
	uint64_t all = FLOWS * 100, one = relayed(t.hubs[0]), two = relayed(t.hubs[1]);
	sim_note(s, "%llu by hub1, %llu by hub2, answers among them", (unsigned long long)one,
		(unsigned long long)two);
	CHECK(s, one > all / 5 && two > all / 5);
	CHECK(s, one + two > 2 * all - 4 * FLOWS);

	node_crash(t.hubs[1]);
	uint64_t died = s->now;
	sim_run(s, S(20));
	uint64_t window = S(3) + RTT;
	for (unsigned i = 0; i < FLOWS; i++)
		CHECK_EQ(s, flow_lost_between(t.flows[i], died + window, s->now - S(1)), 0);
	CHECK(s, relayed(t.hubs[0]) > one + all);
	world_start_node(t.w, t.hubs[1]);
	uint64_t back = s->now;
	sim_run(s, S(60));
	for (unsigned i = 0; i < FLOWS; i++)
		CHECK_EQ(s, flow_lost_between(t.flows[i], back, s->now - S(1)), 0);
	CHECK(s, relayed(t.hubs[1]) > all / 5);
}

static void tell_all(struct node *n)
{
	for (unsigned i = 0; i < n->n_routes; i++)
		engine_route(n->engine, &n->routes[i], false, node_now(n));
}

static struct node_view view_of(const struct node *n)
{
	struct node_view view;
	engine_view_node(n->engine, &view);
	return view;
}

/* More kernel routes than fit are counted; when some go, the others come in when all are told again. */
static void a_full_table_recovers(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	alice->config.max_routes = 24;
	world_up(w);
	CHECK_EQ(s, view_of(alice).routes_left_out, 0);
	CHECK_EQ(s, engine_routes_again(alice->engine, node_now(alice)), false);
	char prefix[32];
	unsigned before = view_of(alice).routes;
	for (unsigned i = 0; i < 30; i++) {
		snprintf(prefix, sizeof prefix, "172.20.%u.0/24", i);
		node_route(alice, prefix, "10.0.0.1", ROUTE_TYPE_OVERLAY);
	}
	CHECK_EQ(s, view_of(alice).routes, 24);
	CHECK_EQ(s, view_of(alice).routes_left_out, before + 30 - 24);
	/* One that is not there goes, and some that are. */
	node_unroute(alice, "172.20.29.0/24");
	CHECK_EQ(s, view_of(alice).routes_left_out, before + 29 - 24);
	for (unsigned i = 0; i < 15; i++) {
		snprintf(prefix, sizeof prefix, "172.20.%u.0/24", i);
		node_unroute(alice, prefix);
	}
	struct route_view r;
	CHECK(s, !node_route_view(alice, "kernel", "172.20.28.0/24", &r));
	CHECK_EQ(s, engine_routes_again(alice->engine, node_now(alice)), false); /* not at once */
	sim_run(s, S(31));
	CHECK(s, engine_routes_again(alice->engine, node_now(alice)));
	tell_all(alice);
	CHECK_EQ(s, view_of(alice).routes_left_out, 0);
	CHECK(s, node_route_view(alice, "kernel", "172.20.28.0/24", &r));
	sim_run(s, S(1000));
	CHECK_EQ(s, engine_routes_again(alice->engine, node_now(alice)), false);
	CHECK_EQ(s, view_of(alice).routes, before + 14);
}

static const struct sim_case cases[] = {
	{"two-hubs-share-the-flows", two_hubs_share_the_flows},
	{"a-full-table-recovers", a_full_table_recovers},
};

SIM_MAIN(cases, 1)
