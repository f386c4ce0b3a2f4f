/* Prefixes that spokes register: who holds one that two have, and what becomes of refusals. */
#include "test/sim/run.h"
#include "test/sim/world.h"

#include <string.h>

#define RTT MS(40)

struct pair {
	struct world *w;
	struct node *hub, *alice, *bob, *carol;
};

/* alice and bob both have 192.168.9.0/24; alice came first. */
static struct pair pair_up(struct sim *s)
{
	struct pair p = {.w = world_new(s, RTT)};
	p.w->families = 4;
	p.hub = world_hub(p.w, "hub", "10.0.0.1/24");
	p.alice = world_spoke(p.w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	p.bob = world_spoke(p.w, "bob", "10.0.0.12/24", NAT_PORT_RESTRICTED);
	p.carol = world_spoke(p.w, "carol", "10.0.0.13/24", NAT_PORT_RESTRICTED);
	world_lan(p.w, p.alice, "192.168.9.0/24");
	world_lan(p.w, p.bob, "192.168.9.0/24");
	node_route(p.carol, "192.168.9.0/24", "10.0.0.1", ROUTE_TYPE_OVERLAY);
	world_sign(p.w);
	world_start_node(p.w, p.hub);
	world_start_node(p.w, p.alice);
	WAIT_FOR(s, S(2), node_ready(p.alice));
	world_start_node(p.w, p.bob);
	world_start_node(p.w, p.carol);
	WAIT_FOR(s, S(2), node_ready(p.bob) && node_ready(p.carol));
	return p;
}

static bool holds(const struct pair *p, const struct node *who)
{
	char gateway[ADDR_TEXT_MAX];
	struct ip_addr a = node_address(who, 4);
	return node_installed(p->hub, "192.168.9.0/24", addr_format(&a, gateway));
}

static void goes_over_with_a_good_bye(struct sim *s)
{
	struct pair p = pair_up(s);
	CHECK(s, holds(&p, p.alice));
	node_stop(p.alice);
	WAIT_FOR(s, MS(50), holds(&p, p.bob));
	/* Who comes back waits. */
	world_start_node(p.w, p.alice);
	sim_run(s, S(3));
	CHECK(s, holds(&p, p.bob));
}

/* alice is cut off, and traffic finds it out: bob has it within 3 s and a bit, and keeps it. */
static void goes_over_with_silence(struct sim *s)
{
	struct pair p = pair_up(s);
	struct flow *f = flow_start(p.hub, p.bob, INNER_ECHO, "10.0.0.1", "192.168.9.7", MS(50), 0);
	net_block(p.alice->host, p.hub->host, true);
	WAIT_FOR(s, S(4), holds(&p, p.bob));
	sim_run(s, S(1));
	net_block(p.alice->host, p.hub->host, false);
	sim_run(s, S(10));
	CHECK(s, node_up(p.hub, p.alice));
	CHECK(s, holds(&p, p.bob));
	flow_finish(f);
	/* And the other way round: alice is bob's standby. */
	net_block(p.bob->host, p.hub->host, true);
	f = flow_start(p.hub, p.alice, INNER_ECHO, "10.0.0.1", "192.168.9.7", MS(50), 0);
	WAIT_FOR(s, S(4), holds(&p, p.alice));
	flow_finish(f);
}

/* Nobody else has it: it stays, and works as soon as its holder answers again. */
static void silence_alone_changes_nothing(struct sim *s)
{
	struct pair p = pair_up(s);
	node_stop(p.bob);
	sim_run(s, S(1));
	unsigned deleted = p.hub->routes_deleted;
	net_block(p.alice->host, p.hub->host, true);
	struct flow *f =
		flow_start(p.hub, p.alice, INNER_ECHO, "10.0.0.1", "192.168.9.7", MS(50), 0);
	struct peer_view v;
	WAIT_FOR(s, S(4), node_peer(p.hub, "alice", &v) && strcmp(v.path_state, "direct") != 0);
	net_block(p.alice->host, p.hub->host, false);
	WAIT_FOR(s, S(12), node_peer(p.hub, "alice", &v) && strcmp(v.path_state, "direct") == 0);
	flow_finish(f);
	f = flow_start(p.hub, p.alice, INNER_ECHO, "10.0.0.1", "192.168.9.7", MS(50), 20);
	sim_run(s, S(2));
	CHECK_EQ(s, flow_lost(f), 0);
	CHECK_EQ(s, p.hub->routes_deleted, deleted);
}

/* What was refused is forgotten, on both sides, once it is no longer asked for. */
static void refusals_end(struct sim *s)
{
	struct pair p = pair_up(s);
	struct nhrp_view v;
	p.carol->config.n_prefixes = 2;
	addr_parse("172.30.0.0", &p.carol->config.prefixes[0].addr);
	p.carol->config.prefixes[0].len = 16;
	addr_parse("0.0.0.0", &p.carol->config.prefixes[1].addr);
	engine_reconfigure(p.carol->engine, &p.carol->config, node_now(p.carol));
	node_settle(p.carol);
	sim_run(s, MS(200));
	CHECK(s, node_nhrp(p.carol, "refused", "172.30.0.0/16", &v));
	CHECK(s, node_nhrp(p.hub, "refused", "0.0.0.0/0", &v));
	p.carol->config.n_prefixes = 0;
	engine_reconfigure(p.carol->engine, &p.carol->config, node_now(p.carol));
	node_settle(p.carol);
	sim_run(s, MS(200));
	CHECK_EQ(s, node_nhrp_count(p.carol, "refused"), 0);
	CHECK_EQ(s, node_nhrp_count(p.hub, "refused"), 0);
}

static const struct sim_case cases[] = {
	{"goes-over-with-a-good-bye", goes_over_with_a_good_bye},
	{"goes-over-with-silence", goes_over_with_silence},
	{"silence-alone-changes-nothing", silence_alone_changes_nothing},
	{"refusals-end", refusals_end},
};

SIM_MAIN(cases, 1)
