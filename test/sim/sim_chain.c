/*
 * Several hubs in a row, that route for each other:
 *
 *   alice -- a -- b -- c -- bob (192.168.2.0/24)
 *
 * a and c have no session, alice reaches no hub but a, bob none but c; alice and bob could talk directly.
 * What leads where is in the hubs' kernel routes.
 */
#include "test/sim/ear.h"
#include "test/sim/run.h"

#include <string.h>

#define LAN "192.168.2.0/24"

struct chain {
	struct world *w;
	struct node *a, *b, *c, *alice, *bob;
};

static struct chain chain_new(struct sim *s)
{
	struct chain t = {.w = world_new(s, MS(40))};
	t.w->families = 4;
	t.a = world_hub(t.w, "a", "10.0.0.1/24");
	t.b = world_hub(t.w, "b", "10.0.0.2/24");
	t.c = world_hub(t.w, "c", "10.0.0.3/24");
	t.alice = world_spoke(t.w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	t.bob = world_spoke(t.w, "bob", "10.0.0.12/24", NAT_PORT_RESTRICTED);
	world_lan(t.w, t.bob, LAN);
	net_block(t.a->host, t.c->host, true);
	net_block(t.alice->host, t.b->host, true);
	net_block(t.alice->host, t.c->host, true);
	net_block(t.bob->host, t.a->host, true);
	net_block(t.bob->host, t.b->host, true);
	node_route(t.a, "10.0.0.12/32", "10.0.0.2", ROUTE_TYPE_OVERLAY);
	node_route(t.b, "10.0.0.12/32", "10.0.0.3", ROUTE_TYPE_OVERLAY);
	node_route(t.b, "10.0.0.11/32", "10.0.0.1", ROUTE_TYPE_OVERLAY);
	node_route(t.c, "10.0.0.11/32", "10.0.0.2", ROUTE_TYPE_OVERLAY);
	node_route(t.alice, LAN, "10.0.0.1", ROUTE_TYPE_OVERLAY);
	node_route(t.a, LAN, "10.0.0.2", ROUTE_TYPE_OVERLAY);
	node_route(t.b, LAN, "10.0.0.3", ROUTE_TYPE_OVERLAY);
	world_up(t.w);
	sim_run(s, S(2));
	ear_open(t.w);
	CHECK(s, node_up(t.a, t.b) && node_up(t.b, t.c) && !node_up(t.a, t.c));
	CHECK(s, !node_up(t.alice, t.b) && !node_up(t.alice, t.c) && !node_up(t.bob, t.a));
	return t;
}

static uint64_t sent(const struct node *n, enum nhrp_type type)
{
	return node_nhrp_counters(n).out[type];
}

static uint64_t relayed(const struct node *n)
{
	return node_counters(n).hairpin_packets;
}

static void check_list(struct sim *s, const struct nhrp_cies *list, const struct node *const who[3])
{
	CHECK_EQ(s, list->n, 3);
	for (unsigned i = 0; i < 3; i++) {
		struct ip_addr own = node_address(who[i], 4);
		CHECK(s, addr_equal(&list->v[i].proto, &own));
	}
}

/* The first candidate is where the nearest hub sees the node. */
static void check_seen(struct sim *s, const struct nhrp_packet *p, const struct node *who)
{
	struct ip_addr public = world_public_address(who, 4);
	CHECK(s, p->vendor.n_candidates > 0);
	CHECK_EQ(s, p->vendor.candidates[0].kind, NHRP_CANDIDATE_SEEN);
	CHECK(s, addr_equal(&p->vendor.candidates[0].endpoint.addr, &public));
}

/*
 *   alice           a           b           c           bob
 *     Request 255 ->  254 [a] ->  253 [a b] -> 252 [a b c] ->     and punches
 *     <- 252 [c b a]  <- 253 [c b]  <- 254 [c]  <- Reply 255
 */
static void resolution_through_three_hubs(struct sim *s)
{
	struct chain t = chain_new(s);
	const struct node *there[3] = {t.a, t.b, t.c}, *back[3] = {t.c, t.b, t.a};
	t.bob->config.shortcut = false;
	struct flow *f = flow_ping(t.alice, t.bob, 4, MS(20), 250);
	sim_run(s, S(6));
	CHECK_EQ(s, f->n, 250);
	CHECK_EQ(s, flow_lost(f), 0);
	const struct nhrp_packet *q = &ear_at(t.bob, NHRP_RESOLUTION_REQUEST, 0)->packet;
	CHECK_EQ(s, q->hop_count, 252);
	check_list(s, &q->forward, there);
	CHECK_EQ(s, q->reverse.n, 0);
	check_seen(s, q, t.alice);
	const struct nhrp_packet *r = &ear_at(t.alice, NHRP_RESOLUTION_REPLY, 0)->packet;
	CHECK_EQ(s, r->hop_count, 252);
	check_list(s, &r->forward, there);
	check_list(s, &r->reverse, back);
	check_seen(s, r, t.bob);
	struct ip_addr bob = node_address(t.bob, 4);
	CHECK(s, addr_equal(&r->responder.v[0].proto, &bob));
	/* First by all three, then by none of them. */
	uint64_t first = flow_first_direct(f);
	CHECK_RANGE(s, first, MS(100), S(1));
	CHECK(s, node_direct(t.alice, t.bob));
	for (unsigned i = 0; i < 3; i++)
		CHECK_RANGE(s, relayed(there[i]), 2, 100);
	uint64_t before = relayed(t.b);
	struct flow *g = flow_ping(t.bob, t.alice, 4, MS(20), 100);
	sim_run(s, S(3));
	CHECK_EQ(s, flow_lost(g), 0);
	CHECK_EQ(s, relayed(t.b), before);
	sim_note(s, "first direct echo after %.0f ms", (double)first / 1e6);
}

/* The prefix behind bob: only the hub that alice sends to tells her, once. */
static void redirect_and_shortcut_through_three_hubs(struct sim *s)
{
	struct chain t = chain_new(s);
	struct flow *f =
		flow_start(t.alice, t.bob, INNER_ECHO, "10.0.0.11", "192.168.2.7", MS(20), 250);
	sim_run(s, S(6));
	CHECK_EQ(s, flow_lost(f), 0);
	CHECK(s, node_shortcut(t.alice, LAN));
	CHECK_EQ(s, sent(t.a, NHRP_TRAFFIC_INDICATION), 1);
	CHECK_EQ(s, sent(t.b, NHRP_TRAFFIC_INDICATION), 0);
	CHECK(s, flow_last_relayed(f) < S(1));
	/* Nobody but alice asks for it, and bob for her; each hub passes it on once. */
	CHECK_EQ(s, ear_count(t.a, NHRP_RESOLUTION_REQUEST), 2);
	CHECK_EQ(s, ear_count(t.b, NHRP_RESOLUTION_REQUEST), 2);
	CHECK_EQ(s, ear_count(t.c, NHRP_RESOLUTION_REQUEST), 2);
}

static unsigned purges(const struct chain *t)
{
	return ear_count(t->a, NHRP_PURGE_REQUEST) + ear_count(t->b, NHRP_PURGE_REQUEST) +
		ear_count(t->c, NHRP_PURGE_REQUEST) + ear_count(t->alice, NHRP_PURGE_REQUEST);
}

/* bob loses the prefix: from hub to hub, each to whom it told, and once. */
static void purge_reaches_everyone(struct sim *s)
{
	struct chain t = chain_new(s);
	struct flow *f =
		flow_start(t.alice, t.bob, INNER_ECHO, "10.0.0.11", "192.168.2.7", MS(50), 60);
	sim_run(s, S(4));
	flow_finish(f);
	CHECK(s, node_shortcut(t.alice, LAN));
	CHECK_EQ(s, purges(&t), 0);
	node_unroute(t.bob, LAN);
	sim_run(s, MS(200));
	CHECK(s, !node_shortcut(t.alice, LAN));
	CHECK_EQ(s, ear_count(t.c, NHRP_PURGE_REQUEST), 1);
	CHECK_EQ(s, ear_count(t.b, NHRP_PURGE_REQUEST), 1);
	CHECK_EQ(s, ear_count(t.a, NHRP_PURGE_REQUEST), 1);
	CHECK_EQ(s, ear_count(t.alice, NHRP_PURGE_REQUEST), 1);
	sim_run(s, S(60));
	CHECK_EQ(s, purges(&t), 4);
}

/* bob leaves in good order: his hub tells the next one, and so on to alice. */
static void good_bye_reaches_everyone(struct sim *s)
{
	struct chain t = chain_new(s);
	struct flow *f =
		flow_start(t.alice, t.bob, INNER_ECHO, "10.0.0.11", "192.168.2.7", MS(50), 60);
	sim_run(s, S(4));
	flow_finish(f);
	CHECK(s, node_shortcut(t.alice, LAN));
	net_block(t.alice->host, t.bob->host, true); /* she is not to hear it from him */
	node_stop(t.bob);
	sim_run(s, MS(300));
	CHECK(s, !node_shortcut(t.alice, LAN));
	CHECK(s, ear_count(t.alice, NHRP_PURGE_REQUEST) >= 1);
	unsigned n = purges(&t);
	sim_run(s, S(60));
	CHECK_EQ(s, purges(&t), n);
}

/* The hub in the middle dies: the direct path lives on. It comes back: all is as it was. */
static void direct_path_outlives_the_chain(struct sim *s)
{
	struct chain t = chain_new(s);
	struct flow *f =
		flow_start(t.alice, t.bob, INNER_ECHO, "10.0.0.11", "192.168.2.7", MS(50), 0);
	sim_run(s, S(4));
	CHECK(s, node_shortcut(t.alice, LAN));
	uint64_t died = s->now;
	node_crash(t.b);
	sim_run(s, S(120));
	CHECK(s, node_shortcut(t.alice, LAN));
	CHECK_EQ(s, flow_lost_between(f, died, s->now - S(1)), 0);
	world_start_node(t.w, t.b);
	WAIT_FOR(s, S(40), node_up(t.a, t.b) && node_up(t.b, t.c));
	struct flow *g = flow_ping(t.alice, t.bob, 4, MS(100), 20);
	sim_run(s, S(4));
	CHECK_EQ(s, flow_lost(g), 0);
	flow_finish(f);
}

/* ---- Loops -------------------------------------------------------------------------------------- */

/* All NHRP that anybody has heard. */
static unsigned all(const struct chain *t)
{
	const struct node *who[] = {t->a, t->b, t->c, t->alice, t->bob};
	unsigned n = 0;
	for (unsigned i = 0; i < 5; i++)
		for (unsigned type = 1; type <= 8; type++)
			n += ear_count(who[i], (enum nhrp_type)type);
	return n;
}

/* a -> b -> c -> a for a prefix that nobody has. */
static struct chain ring_new(struct sim *s)
{
	struct chain t = chain_new(s);
	net_block(t.a->host, t.c->host, false);
	WAIT_FOR(s, S(60), node_up(t.a, t.c) && node_up(t.c, t.a));
	node_route(t.a, "192.168.9.0/24", "10.0.0.2", ROUTE_TYPE_OVERLAY);
	node_route(t.b, "192.168.9.0/24", "10.0.0.3", ROUTE_TYPE_OVERLAY);
	node_route(t.c, "192.168.9.0/24", "10.0.0.1", ROUTE_TYPE_OVERLAY);
	node_route(t.alice, "192.168.9.0/24", "10.0.0.1", ROUTE_TYPE_OVERLAY);
	sim_run(s, S(1));
	ear_forget();
	return t;
}

/* The hub that has seen the request before says so, to the requester, and that is all. */
static void routing_loop_ends_with_an_error(struct sim *s)
{
	struct chain t = ring_new(s);
	struct nhrp_view v;
	struct flow *f =
		flow_start(t.alice, t.bob, INNER_UDP, "10.0.0.11", "192.168.9.9", MS(100), 200);
	sim_run(s, S(3));
	const struct nhrp_packet *e = &ear_last(t.alice, NHRP_ERROR_INDICATION)->packet;
	struct ip_addr a = node_address(t.a, 4);
	CHECK_EQ(s, e->error_code, NHRP_ERROR_LOOP);
	CHECK(s, addr_equal(&e->src_proto, &a));
	CHECK(s, node_nhrp(t.alice, "resolution", "192.168.9.9/32", &v));
	CHECK(s, strcmp(v.state, "negative") == 0);
	CHECK_EQ(s, ear_count(t.b, NHRP_RESOLUTION_REQUEST), 1);
	CHECK_EQ(s, ear_count(t.c, NHRP_RESOLUTION_REQUEST), 1);
	CHECK_EQ(s, ear_count(t.a, NHRP_RESOLUTION_REQUEST), 2);
	CHECK_EQ(s, ear_count(t.alice, NHRP_ERROR_INDICATION), 1);
	/* The packets go round until their TTL is over: she is told so. */
	CHECK(s, t.alice->icmp_errors >= 1);
	sim_run(s, S(25));
	CHECK_EQ(s, f->delivered, 0);
	CHECK_RANGE(s, all(&t), 4, 20);
}

/* Without a record there is nothing but the hop count. */
static void loop_without_a_record_ends_with_the_hop_count(struct sim *s)
{
	struct chain t = ring_new(s);
	struct nhrp_packet p;
	struct nhrp_cie cie = {.holding_time_s = 600};
	ear_begin(t.alice, t.a, NHRP_RESOLUTION_REQUEST, &p);
	CHECK(s, addr_parse("192.168.9.9", &p.dst_proto));
	nhrp_add_cie(&p, &cie);
	p.hop_count = 20;
	ear_say(t.alice, t.a, &p);
	sim_run(s, S(3));
	const struct nhrp_packet *e = &ear_last(t.alice, NHRP_ERROR_INDICATION)->packet;
	CHECK_EQ(s, e->error_code, NHRP_ERROR_HOP_COUNT);
	CHECK_EQ(s,
		ear_count(t.a, NHRP_RESOLUTION_REQUEST) + ear_count(t.b, NHRP_RESOLUTION_REQUEST) +
			ear_count(t.c, NHRP_RESOLUTION_REQUEST),
		21);
	CHECK_EQ(s, ear_count(t.alice, NHRP_ERROR_INDICATION), 1);
}

/* Two that point at each other: what would go back where it came from is not forwarded. */
static void two_hubs_that_point_at_each_other(struct sim *s)
{
	struct chain t = chain_new(s);
	node_route(t.a, "192.168.9.0/24", "10.0.0.2", ROUTE_TYPE_OVERLAY);
	node_route(t.b, "192.168.9.0/24", "10.0.0.1", ROUTE_TYPE_OVERLAY);
	node_route(t.alice, "192.168.9.0/24", "10.0.0.1", ROUTE_TYPE_OVERLAY);
	sim_run(s, S(1));
	ear_forget();
	struct flow *f =
		flow_start(t.alice, t.bob, INNER_UDP, "10.0.0.11", "192.168.9.9", MS(100), 100);
	sim_run(s, S(12));
	struct nhrp_view v;
	CHECK(s, node_nhrp(t.alice, "resolution", "192.168.9.9/32", &v));
	CHECK_EQ(s, v.code, NHRP_CODE_NO_BINDING);
	CHECK_EQ(s, f->delivered, 0);
	CHECK_RANGE(s, all(&t), 4, 12);
}

/* The way back is broken: the answer does not go round, and its sender hears of it. */
static void reply_without_a_way_back(struct sim *s)
{
	struct chain t = chain_new(s);
	node_unroute(t.b, "10.0.0.11/32");
	node_route(t.b, "10.0.0.11/32", "10.0.0.3", ROUTE_TYPE_OVERLAY);
	t.bob->config.shortcut = false;
	sim_run(s, MS(100));
	ear_forget();
	struct flow *f =
		flow_start(t.alice, t.bob, INNER_UDP, "10.0.0.11", "10.0.0.12", MS(200), 50);
	sim_run(s, MS(500));
	const struct nhrp_packet *e = &ear_last(t.bob, NHRP_ERROR_INDICATION)->packet;
	struct ip_addr b = node_address(t.b, 4);
	CHECK_EQ(s, e->error_code, NHRP_ERROR_UNREACHABLE);
	CHECK(s, addr_equal(&e->src_proto, &b));
	CHECK_EQ(s, ear_count(t.alice, NHRP_RESOLUTION_REPLY), 0);
	sim_run(s, S(20));
	CHECK_EQ(s, flow_lost(f), 0); /* one way is enough for these */
	CHECK_RANGE(s, all(&t), 4, 50);
}

/* What the far end has to say about a request gets back to who asked. */
static void error_finds_its_way_back(struct sim *s)
{
	struct chain t = chain_new(s);
	struct nhrp_packet p;
	struct nhrp_cie cie = {.holding_time_s = 600};
	ear_begin(t.alice, t.a, NHRP_RESOLUTION_REQUEST, &p);
	p.dst_proto = node_address(t.bob, 4);
	nhrp_add_cie(&p, &cie);
	nhrp_ext_standard(&p, false, false);
	p.exts[p.n_exts++] = (struct nhrp_ext){.type = 0x3FFF, .compulsory = true, .raw = true};
	ear_say(t.alice, t.a, &p);
	sim_run(s, S(1));
	const struct nhrp_packet *e = &ear_last(t.alice, NHRP_ERROR_INDICATION)->packet;
	struct ip_addr bob = node_address(t.bob, 4);
	CHECK_EQ(s, e->error_code, NHRP_ERROR_UNRECOGNIZED_EXTENSION);
	CHECK(s, addr_equal(&e->src_proto, &bob));
	CHECK_EQ(s, e->hop_count, 252);
	CHECK_EQ(s, ear_last(t.bob, NHRP_RESOLUTION_REQUEST)->packet.forward.n, 0);
}

/* b hears its own error again, for bob: it has gone round. Another's it passes on. */
static void own_error_that_comes_back_is_dropped(struct sim *s)
{
	struct chain t = chain_new(s);
	struct nhrp_packet e;
	ear_begin(t.a, t.b, NHRP_ERROR_INDICATION, &e);
	e.dst_proto = node_address(t.bob, 4);
	e.error_code = NHRP_ERROR_PROTOCOL;
	ear_say(t.a, t.b, &e);
	sim_run(s, MS(200));
	CHECK_EQ(s, ear_count(t.bob, NHRP_ERROR_INDICATION), 1);
	e.src_proto = node_address(t.b, 4);
	ear_say(t.a, t.b, &e);
	sim_run(s, MS(200));
	CHECK_EQ(s, ear_count(t.b, NHRP_ERROR_INDICATION), 2);
	CHECK_EQ(s, ear_count(t.bob, NHRP_ERROR_INDICATION), 1);
}

static const struct sim_case cases[] = {
	{"resolution-through-three-hubs", resolution_through_three_hubs},
	{"redirect-and-shortcut-through-three-hubs", redirect_and_shortcut_through_three_hubs},
	{"purge-reaches-everyone", purge_reaches_everyone},
	{"good-bye-reaches-everyone", good_bye_reaches_everyone},
	{"direct-path-outlives-the-chain", direct_path_outlives_the_chain},
	{"routing-loop-ends-with-an-error", routing_loop_ends_with_an_error},
	{"loop-without-a-record-ends-with-the-hop-count",
		loop_without_a_record_ends_with_the_hop_count},
	{"two-hubs-that-point-at-each-other", two_hubs_that_point_at_each_other},
	{"reply-without-a-way-back", reply_without_a_way_back},
	{"error-finds-its-way-back", error_finds_its_way_back},
	{"own-error-that-comes-back-is-dropped", own_error_that_comes_back_is_dropped},
};

SIM_MAIN(cases, 1)
