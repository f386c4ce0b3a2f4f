/* Spokes and hubs find each other: handshake, NHRP registration, refresh, refusal, restart. */
#include "test/sim/run.h"
#include "test/sim/world.h"

#include "core/engine/node.h"
#include "core/wire/gre.h"

#include <stdlib.h>
#include <string.h>

#define RTT MS(40)

/* registration.in[type] of nhrp_counters */
#define REGISTRATION_REQUEST 3
#define REGISTRATION_REPLY   4

static uint64_t requests_at(const struct node *hub)
{
	return node_nhrp_counters(hub).in[REGISTRATION_REQUEST];
}

/*
 *   spoke                                 hub
 *     INITIATION            ->                      t = 0
 *                           <-   RESPONSE           half a round trip
 *     Registration Request  ->                      1 RTT, the first sealed packet
 *                           <-   Registration Reply, bundle
 *   registered at 2 RTT
 */
static void comes_up_in_two_round_trips(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	world_start(w);
	CHECK(s, node_ready(hub));
	sim_run(s, 2 * RTT - MS(1));
	CHECK(s, !node_ready(alice));
	WAIT_FOR(s, MS(50), node_ready(alice));
	sim_note(s, "registered after %.1f ms at an RTT of %.0f ms", (double)sim_elapsed(s) / 1e6,
		(double)RTT / 1e6);

	CHECK(s, node_up(alice, hub));
	CHECK(s, node_up(hub, alice));
	CHECK_EQ(s, requests_at(hub), 1);
	CHECK_EQ(s, node_nhrp_counters(alice).in[REGISTRATION_REPLY], 1);
	struct nhrp_view v;
	CHECK(s, node_nhrp(hub, "binding", "10.0.0.11/32", &v));
	CHECK(s, strcmp(v.peer, "alice") == 0);
	CHECK(s, strcmp(v.state, "registered") == 0);
	CHECK_RANGE(s, v.expires_ns, S(590), S(600));
	CHECK(s, node_nhrp(alice, "registration", NULL, &v));
	CHECK_EQ(s, v.code, 0);
}

static void both_families_are_registered(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24 fd00:77::1/64");
	world_spoke(w, "alice", "10.0.0.11/24 fd00:77::11/64", NAT_PORT_RESTRICTED);
	world_up(w);
	struct nhrp_view v;
	CHECK(s, node_nhrp(hub, "binding", "10.0.0.11/32", &v));
	CHECK(s, node_nhrp(hub, "binding", "fd00:77::11/128", &v));
	CHECK_EQ(s, requests_at(hub), 2); /* one a family */
}

/* The hub is known by name: the daemon is asked to resolve it, and again when that fails. */
static void hub_by_name(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	w->named_hubs = true;
	world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	alice->broken_dns = true;
	world_start(w);
	sim_run(s, S(5));
	CHECK(s, !node_ready(alice));
	alice->broken_dns = false;
	WAIT_FOR(s, S(60), node_ready(alice));
}

/* The reply's NAT extension: the address and port that the hub sees. */
static void spoke_learns_its_public_endpoint(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	w->families = 4;
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	struct node *bob = world_spoke(w, "bob", "10.0.0.12/24", NAT_NONE);
	world_up(w);
	struct endpoint seen = node_status(alice).public_endpoint;
	struct ip_addr public = world_public_address(alice, 4);
	CHECK(s, addr_equal(&seen.addr, &public));
	CHECK_EQ(s, seen.port, alice->nat->mappings[0].outside.port);
	CHECK(s, seen.port != 4754);
	struct peer_view v;
	CHECK(s, node_peer(hub, "alice", &v));
	CHECK(s, endpoint_equal(&v.endpoint, &seen));
	seen = node_status(bob).public_endpoint;
	public = world_public_address(bob, 4);
	CHECK(s, addr_equal(&seen.addr, &public));
	CHECK_EQ(s, seen.port, 4754);
}

/* Holding time 600 s: a request at once and one every 200 s; the binding never runs out. */
static void refresh_at_a_third(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	world_spoke(w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	world_up(w);
	for (unsigned third = 1; third <= 6; third++) {
		uint64_t due = s->start + third * S(200);
		sim_run_until(s, due - S(22));
		CHECK_EQ(s, requests_at(hub), third);
		sim_run_until(s, due + S(22));
		CHECK_EQ(s, requests_at(hub), third + 1);
		struct nhrp_view v;
		CHECK(s, node_nhrp(hub, "binding", "10.0.0.11/32", &v));
		CHECK_RANGE(s, v.expires_ns, S(550), S(600));
	}
}

static void binding_of_a_dead_spoke_expires(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	world_up(w);
	node_crash(alice);
	sim_run(s, S(605));
	struct nhrp_view v;
	CHECK(s, !node_nhrp(hub, "binding", "10.0.0.11/32", &v));
	CHECK(s, !node_up(hub, alice));
}

/* Purge and CLOSE: the hub forgets a spoke that stops in good order within a round trip. */
static void graceful_stop_purges(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	world_lan(w, alice, "192.168.1.0/24");
	world_up(w);
	struct nhrp_view v;
	CHECK(s, node_nhrp(hub, "binding", "192.168.1.0/24", &v));
	CHECK(s, node_installed(hub, "192.168.1.0/24", "10.0.0.11"));
	node_stop(alice);
	sim_run(s, RTT);
	CHECK(s, !node_nhrp(hub, "binding", "10.0.0.11/32", &v));
	CHECK(s, !node_nhrp(hub, "binding", "192.168.1.0/24", &v));
	CHECK(s, !node_up(hub, alice));
	CHECK(s, !node_installed(hub, "192.168.1.0/24", NULL));
}

/*
 * The hub dies and comes back with empty hands:
 *   spoke: sealed data -> hub: RESET with the index's token -> spoke: INITIATION -> ... -> registered
 */
static void hub_restart_with_traffic(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	world_up(w);
	struct flow *f = flow_ping(alice, hub, 4, MS(100), 0);
	sim_run(s, S(30));
	CHECK_EQ(s, flow_lost_between(f, 0, s->now - S(1)), 0);
	node_crash(hub);
	sim_run(s, MS(200));
	world_start_node(w, hub);
	uint64_t back = s->now;
	CHECK_EQ(s, node_nhrp_count(hub, "binding"), 0);
	WAIT_FOR(s, S(2), node_nhrp_count(hub, "binding") == 1);
	sim_note(s, "registered again %.0f ms after the hub came back",
		(double)(s->now - back) / 1e6);
	sim_run(s, S(5));
	CHECK_EQ(s, flow_lost_between(f, back + S(2), s->now - S(1)), 0);
	flow_finish(f);
}

/* Nothing to send: a keepalive or PING finds out. */
static void hub_restart_while_idle(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	world_up(w);
	sim_run(s, S(33));
	node_crash(hub);
	world_start_node(w, hub);
	uint64_t back = s->now;
	WAIT_FOR(s, S(23), node_nhrp_count(hub, "binding") == 1);
	sim_note(s, "registered again %.1f s after the hub came back",
		(double)(s->now - back) / 1e9);
	CHECK(s, node_up(alice, hub));
}

/* The hub is away for minutes: the spoke keeps trying and is back soon after it. */
static void hub_away_for_long(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	world_up(w);
	node_crash(hub);
	sim_run(s, S(300));
	CHECK(s, !node_ready(alice));
	world_start_node(w, hub);
	WAIT_FOR(s, S(14), node_ready(alice));
	CHECK_EQ(s, node_nhrp_count(hub, "binding"), 1);
}

struct held {
	struct node *from;
	bool holding;
	unsigned n;
	struct dgram *v[8];
};

/* Somebody on the way keeps what the control loop of one node seals. */
static bool hold(void *ctx, struct host *to, struct dgram *d)
{
	struct held *h = ctx;
	(void)to;
	if (!h->holding || d->origin != h->from->host || h->n == 8 ||
		gre_classify(d->data, d->len) != GRE_SEALED || (d->data[7] & 15) != 0)
		return true;
	h->v[h->n++] = net_copy(d);
	return false;
}

static void let_go(struct world *w, struct held *h)
{
	h->holding = false;
	for (; h->n > 0; h->n--) {
		struct dgram *d = h->v[h->n - 1];
		net_inject(w->internet, &d->src, &d->dst, d->data, d->len);
		free(d);
	}
	sim_run(w->sim, S(1));
}

/*
 * What was said first and arrives last does not count: a registration without the LAN that one with it
 * has overtaken, the purge and CLOSE of a daemon that has been started again.
 */
static void late_words_undo_nothing(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	w->families = 4;
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_FULL_CONE);
	struct held held = {.from = alice};
	struct nhrp_view v;
	world_lan(w, alice, "192.168.1.0/24");
	world_up(w);
	w->net.tap = hold;
	w->net.tap_ctx = &held;

	held.holding = true;
	node_unroute(alice, "192.168.1.0/24");
	sim_run(s, MS(100));
	CHECK(s, held.n > 0);
	held.holding = false;
	node_route(alice, "192.168.1.0/24", NULL, ROUTE_TYPE_OTHER);
	sim_run(s, MS(100));
	let_go(w, &held);
	CHECK(s, node_nhrp(hub, "binding", "192.168.1.0/24", &v));

	held.holding = true;
	node_stop(alice);
	sim_run(s, MS(100));
	CHECK(s, held.n >= 2);
	held.holding = false;
	world_start_node(w, alice);
	WAIT_FOR(s, S(1), node_ready(alice));
	let_go(w, &held);
	CHECK(s, node_up(hub, alice));
	CHECK(s, node_nhrp(hub, "binding", "10.0.0.11/32", &v));
	CHECK(s, node_nhrp(hub, "binding", "192.168.1.0/24", &v));
}

/*
 * An INITIATION on its way to a hub is answered by the next life of that hub:
 *   alice: INITIATION (rekey) ->  lost; the hub dies and comes back; INITIATION again -> RESPONSE
 * The RESPONSE says that there was no session, so alice registers anew.
 */
static void a_rekey_meets_a_hub_that_has_restarted(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	w->families = 4;
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_NONE);
	struct nhrp_view v;
	world_up(w);
	struct peers *peers = &alice->engine->peers;
	struct peer *p = peer_find(peers, hub->cert.static_key);
	net_block(alice->host, hub->host, true);
	connect_start(peers, p, &p->endpoint, &p->local, HANDSHAKE_REKEY, node_now(alice));
	node_settle(alice);
	node_crash(hub);
	free(hub->saved_hints);
	hub->saved_hints = NULL;
	hub->saved_hints_len = 0;
	world_start_node(w, hub);
	net_block(alice->host, hub->host, false);
	sim_run(s, S(1));
	CHECK(s, node_up(alice, hub));
	CHECK(s, node_nhrp(hub, "binding", "10.0.0.11/32", &v));
}

/* What a member's FIB says of an overlay address: the name of who is behind it, or "". */
static const char *neighbour(const struct node *n, const char *address)
{
	struct ip_addr a;
	if (!addr_parse(address, &a))
		return "?";
	uint32_t id = fib_neighbour(&n->engine->plane.fib, &a);
	return id == FIB_NONE ? "" : peer_at(&n->engine->peers, id)->cert.name;
}

/* The hub comes back with a certificate for another overlay address; so does a spoke. */
static void members_are_renumbered(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_LINUX);
	world_up(w);
	CHECK(s, strcmp(neighbour(alice, "10.0.0.1"), "hub") == 0);
	CHECK(s, strcmp(neighbour(alice, "fe80::5efe:a00:1"), "hub") == 0);
	CHECK(s, strcmp(neighbour(hub, "10.0.0.11"), "alice") == 0);
	CHECK(s, strcmp(neighbour(hub, "fe80::5efe:a00:b"), "alice") == 0);
	node_crash(hub);
	world_renumber(hub, "10.0.0.1", "10.0.0.9/24");
	world_start_node(w, hub);
	WAIT_FOR(s, S(14), *neighbour(alice, "10.0.0.9"));
	CHECK(s, strcmp(neighbour(alice, "10.0.0.1"), "") == 0);
	CHECK(s, strcmp(neighbour(alice, "fe80::5efe:a00:1"), "") == 0);
	CHECK(s, strcmp(neighbour(alice, "fe80::5efe:a00:9"), "hub") == 0);
	node_crash(alice);
	world_renumber(alice, "10.0.0.11", "10.0.0.12/24");
	world_start_node(w, alice);
	WAIT_FOR(s, S(2), *neighbour(hub, "10.0.0.12"));
	CHECK(s, strcmp(neighbour(hub, "10.0.0.11"), "") == 0);
	CHECK(s, strcmp(neighbour(hub, "fe80::5efe:a00:b"), "") == 0);
	CHECK(s, strcmp(neighbour(hub, "fe80::5efe:a00:c"), "alice") == 0);
	struct flow *f = flow_ping(alice, hub, 4, MS(10), 10);
	flow_finish(f);
	CHECK_EQ(s, flow_lost(f), 0);
}

/* A restarted spoke has a new session; its binding is the same, since the key is. */
static void spoke_restart(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	world_up(w);
	sim_run(s, S(30));
	CHECK(s, alice->saved_bundle_len > 0 || alice->config.bundle_len > 0);
	node_crash(alice);
	sim_run(s, MS(500));
	world_start_node(w, alice);
	WAIT_FOR(s, 2 * RTT + MS(50), node_ready(alice));
	CHECK_EQ(s, node_nhrp_count(hub, "binding"), 1);
	struct flow *f = flow_ping(hub, alice, 4, MS(20), 50);
	sim_run(s, S(3));
	CHECK_EQ(s, flow_lost(f), 0);
}

/*
 * A board without a battery for its clock comes back an hour in the past. Its INITIATION looks old, so the
 * hub answers COOKIE; with mac2 it is let in.
 */
static void restart_with_an_old_clock(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	world_up(w);
	static const int64_t skews_s[] = {-3600, 600, -4000};
	for (size_t i = 0; i < sizeof skews_s / sizeof *skews_s; i++) {
		node_crash(alice);
		alice->wall_skew_s = skews_s[i];
		world_start_node(w, alice);
		WAIT_FOR(s, S(3), node_ready(alice));
		CHECK_EQ(s, node_nhrp_count(hub, "binding"), 1);
		struct flow *f = flow_ping(hub, alice, 4, MS(20), 50);
		sim_run(s, S(150)); /* over a rekey */
		CHECK_EQ(s, flow_lost(f), 0);
		CHECK(s, node_up(alice, hub));
	}
}

/* A bundle of many chunks arrives in spite of loss, at everybody. */
static void large_bundle_with_loss(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	struct node *bob = world_spoke(w, "bob", "10.0.0.12/24", NAT_LINUX);
	world_up(w);
	static uint8_t keys[1000][CERT_KEY_SIZE];
	for (unsigned i = 0; i < 1000; i++) {
		memset(keys[i], 0xEE, CERT_KEY_SIZE);
		keys[i][0] = (uint8_t)(i >> 8);
		keys[i][1] = (uint8_t)i;
	}
	w->bundle.revoked_keys = keys[0];
	w->bundle.n_revoked_keys = 1000;
	w->bundle.number = 2;
	world_sign_bundle(w);
	CHECK(s, w->bundle_len > 32000);
	w->internet->loss_ppm = 100000;
	w->internet->reorder_ppm = 100000;
	CHECK_EQ(s, node_set_bundle(hub, w->bundle_bytes, w->bundle_len), 0);
	WAIT_FOR(s, S(30),
		node_status(alice).bundle_number == 2 && node_status(bob).bundle_number == 2);
	CHECK_EQ(s, alice->saved_bundle_len, w->bundle_len);
	w->internet->loss_ppm = 0;
	sim_run(s, S(60)); /* an acknowledgement may have been lost */
	uint64_t sent = hub->host->bytes_out;
	sim_run(s, S(120));
	CHECK(s, hub->host->bytes_out - sent < 20000); /* acknowledged: not sent again */
}

/* The bundle is pushed in-session, saved, and enough to start with the next time. */
static void newer_bundle_is_pushed_and_kept(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	world_up(w);
	CHECK_EQ(s, node_status(alice).bundle_number, 1);
	w->bundle.number = 7;
	world_sign_bundle(w);
	CHECK_EQ(s, node_set_bundle(hub, w->bundle_bytes, w->bundle_len), 0);
	sim_run(s, S(5));
	CHECK_EQ(s, node_status(alice).bundle_number, 7);
	CHECK(s, alice->saved_bundle_len == w->bundle_len);
	CHECK(s, memcmp(alice->saved_bundle, w->bundle_bytes, w->bundle_len) == 0);
	node_crash(alice);
	node_start(alice, NULL, 0);
	CHECK_EQ(s, node_status(alice).bundle_number, 7);
	WAIT_FOR(s, S(1), node_ready(alice));
}

/* Registration Reply with CIE code 4 for the prefix, 0 for the address; nothing is installed. */
static void prefix_outside_the_certificate(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	world_register(alice, "172.30.0.0/16");
	world_up(w);
	struct nhrp_view v;
	CHECK(s, node_nhrp(hub, "binding", "10.0.0.11/32", &v));
	CHECK(s, !node_nhrp(hub, "binding", "172.30.0.0/16", &v));
	struct route_view r;
	CHECK(s, !node_route_view(hub, "registered", "172.30.0.0/16", &r));
	CHECK(s, !node_installed(hub, "172.30.0.0/16", NULL));
	CHECK(s, node_nhrp(hub, "refused", "172.30.0.0/16", &v));
	CHECK_EQ(s, v.code, 4);
	CHECK(s, node_nhrp_counters(alice).naks_received >= 1);
	CHECK(s, node_nhrp_counters(hub).naks_sent >= 1);
	CHECK(s, node_ready(alice));
}

/* Derived prefixes: those of the certificate that are exactly a local or other route here. */
static void prefixes_derived_from_routes(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	world_lan(w, alice, "192.168.1.0/24");
	world_grant(alice, "192.168.7.0/24"); /* granted, but nothing of it is here */
	world_up(w);
	struct nhrp_view v;
	CHECK(s, node_nhrp(hub, "binding", "192.168.1.0/24", &v));
	CHECK(s, !node_nhrp(hub, "binding", "192.168.7.0/24", &v));
	/* A route that comes later is registered at once: "and on any change". */
	node_own(alice, "192.168.7.0/24");
	node_route(alice, "192.168.7.0/24", NULL, ROUTE_TYPE_OTHER);
	WAIT_FOR(s, S(2), node_nhrp(hub, "binding", "192.168.7.0/24", &v));
	CHECK(s, node_installed(hub, "192.168.7.0/24", "10.0.0.11"));
	struct flow *f = flow_start(hub, alice, INNER_ECHO, "10.0.0.1", "192.168.7.9", MS(50), 10);
	sim_run(s, S(2));
	CHECK_EQ(s, flow_lost(f), 0);
	node_unroute(alice, "192.168.7.0/24");
	WAIT_FOR(s, S(2), !node_nhrp(hub, "binding", "192.168.7.0/24", &v));
}

/* Reload: prefix lines come and go, the session stays. */
static void reconfigured_while_running(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	world_grant(alice, "192.168.0.0/16");
	world_up(w);
	struct nhrp_view v;
	struct flow *f = flow_ping(alice, hub, 4, MS(20), 0);
	world_register(alice, "192.168.5.0/24");
	engine_reconfigure(alice->engine, &alice->config, node_now(alice));
	node_settle(alice);
	WAIT_FOR(s, S(1), node_nhrp(hub, "binding", "192.168.5.0/24", &v));
	CHECK(s, node_installed(hub, "192.168.5.0/24", "10.0.0.11"));
	alice->config.n_prefixes = 0;
	world_register(alice, "192.168.6.0/24");
	engine_reconfigure(alice->engine, &alice->config, node_now(alice));
	node_settle(alice);
	WAIT_FOR(s, S(1), node_nhrp(hub, "binding", "192.168.6.0/24", &v));
	CHECK(s, !node_nhrp(hub, "binding", "192.168.5.0/24", &v));
	CHECK(s, !node_installed(hub, "192.168.5.0/24", NULL));
	struct peer_view p;
	CHECK(s, node_peer(alice, "hub", &p));
	CHECK_EQ(s, p.rekeys, 0);
	prefix_parse("192.168.200.0/24", &hub->config.advertise[0]);
	hub->config.n_advertise = 1;
	engine_reconfigure(hub->engine, &hub->config, node_now(hub));
	node_settle(hub);
	sim_run(s, S(205)); /* told with the next refresh at the latest */
	CHECK(s, node_installed(alice, "192.168.200.0/24", "10.0.0.1"));
	flow_finish(f);
	CHECK_EQ(s, flow_lost(f), 0);
}

/* The hub's advertise list: routes by the hub on the spoke. */
static void advertised_routes(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	prefix_parse("192.168.100.0/24", &hub->config.advertise[0]);
	hub->config.n_advertise = 1;
	node_own(hub, "192.168.100.0/24");
	node_route(hub, "192.168.100.0/24", NULL, ROUTE_TYPE_OTHER);
	prefix_parse("192.168.101.0/24", &alice->config.routes[0]);
	alice->config.n_routes = 1;
	world_up(w);
	CHECK(s, node_installed(alice, "192.168.100.0/24", "10.0.0.1"));
	CHECK(s, node_installed(alice, "192.168.101.0/24", "10.0.0.1"));
	struct flow *f =
		flow_start(alice, hub, INNER_ECHO, "10.0.0.11", "192.168.100.5", MS(50), 10);
	sim_run(s, S(2));
	CHECK_EQ(s, flow_lost(f), 0);
}

/*
 * Two certificates name one address. The second key gets NAK 14 while the first lives (the hub PINGs
 * it); once the first is dead the second takes over, whatever holding time was left.
 */
static void one_address_two_keys(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *first = world_spoke(w, "first", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	struct node *second = world_spoke(w, "second", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	world_sign(w);
	world_start_node(w, hub);
	world_start_node(w, first);
	sim_run(s, S(5));
	world_start_node(w, second);
	sim_run(s, S(10));
	struct nhrp_view v;
	CHECK(s, node_nhrp(hub, "binding", "10.0.0.11/32", &v));
	CHECK(s, strcmp(v.peer, "first") == 0);
	CHECK(s, node_nhrp(second, "registration", NULL, &v));
	CHECK_EQ(s, v.code, 14);
	CHECK(s, !node_ready(second));
	CHECK(s, node_ready(first));

	node_crash(first);
	uint64_t died = s->now;
	WAIT_FOR(s, S(60),
		node_nhrp(hub, "binding", "10.0.0.11/32", &v) && strcmp(v.peer, "second") == 0);
	sim_note(s, "replaced %.1f s after the first died", (double)(s->now - died) / 1e9);
	sim_run(s, S(1));
	CHECK(s, node_ready(second));
	struct flow *f = flow_ping(hub, second, 4, MS(50), 10);
	sim_run(s, S(2));
	CHECK_EQ(s, flow_lost(f), 0);
}

/* Two hubs: registered with both at once, ready with one. */
static void two_hubs(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	struct node *hub1 = world_hub(w, "hub1", "10.0.0.1/24");
	struct node *hub2 = world_hub(w, "hub2", "10.0.0.2/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	struct node *bob = world_spoke(w, "bob", "10.0.0.12/24", NAT_SYMMETRIC);
	world_up(w);
	struct nhrp_view v;
	CHECK(s, node_nhrp(hub1, "binding", "10.0.0.11/32", &v));
	CHECK(s, node_nhrp(hub2, "binding", "10.0.0.11/32", &v));
	CHECK_EQ(s, node_status(alice).hubs_up, 2);
	/* Hubs register with each other. */
	CHECK(s, node_up(hub1, hub2));
	CHECK(s, node_up(hub2, hub1));
	struct flow *f = flow_ping(hub1, hub2, 4, MS(50), 10);
	struct flow *g = flow_ping(alice, bob, 4, MS(50), 100);
	sim_run(s, S(2));
	CHECK_EQ(s, flow_lost(f), 0);
	/* One hub dies: the other carries within 3 s. */
	node_crash(hub1);
	sim_run(s, S(4));
	uint64_t then = s->now;
	struct flow *h = flow_ping(alice, bob, 4, MS(50), 100);
	sim_run(s, S(8));
	CHECK_EQ(s, flow_lost_between(h, then, s->now), 0);
	CHECK(s, node_ready(alice));
	(void)g;
}

/* warren ping: the hub answers by name and by address; an unknown name is an error. */
static void ping_verb(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	world_up(w);
	static const char *const targets[] = {"hub", "10.0.0.1"};
	for (unsigned i = 0; i < 2; i++) {
		CHECK_EQ(s, engine_ping(alice->engine, targets[i], i, S(1), node_now(alice)), 0);
		node_settle(alice);
		sim_run(s, S(2));
		CHECK_EQ(s, alice->pong.count, i + 1);
		CHECK(s, alice->pong.answered);
		CHECK_RANGE(s, alice->pong.rtt_ns, RTT, RTT + MS(2));
	}
	CHECK(s, engine_ping(alice->engine, "nobody", 9, S(1), node_now(alice)) < 0);
	node_crash(hub);
	CHECK_EQ(s, engine_ping(alice->engine, "hub", 3, S(1), node_now(alice)), 0);
	node_settle(alice);
	sim_run(s, S(2));
	CHECK_EQ(s, alice->pong.count, 3);
	CHECK(s, !alice->pong.answered);
}

static const struct sim_case cases[] = {
	{"comes-up-in-two-round-trips", comes_up_in_two_round_trips},
	{"both-families-are-registered", both_families_are_registered},
	{"hub-by-name", hub_by_name},
	{"spoke-learns-its-public-endpoint", spoke_learns_its_public_endpoint},
	{"refresh-at-a-third", refresh_at_a_third},
	{"binding-of-a-dead-spoke-expires", binding_of_a_dead_spoke_expires},
	{"graceful-stop-purges", graceful_stop_purges},
	{"hub-restart-with-traffic", hub_restart_with_traffic},
	{"hub-restart-while-idle", hub_restart_while_idle},
	{"hub-away-for-long", hub_away_for_long},
	{"a-rekey-meets-a-hub-that-has-restarted", a_rekey_meets_a_hub_that_has_restarted},
	{"late-words-undo-nothing", late_words_undo_nothing},
	{"members-are-renumbered", members_are_renumbered},
	{"spoke-restart", spoke_restart},
	{"restart-with-an-old-clock", restart_with_an_old_clock},
	{"large-bundle-with-loss", large_bundle_with_loss},
	{"newer-bundle-is-pushed-and-kept", newer_bundle_is_pushed_and_kept},
	{"prefix-outside-the-certificate", prefix_outside_the_certificate},
	{"prefixes-derived-from-routes", prefixes_derived_from_routes},
	{"advertised-routes", advertised_routes},
	{"reconfigured-while-running", reconfigured_while_running},
	{"one-address-two-keys", one_address_two_keys},
	{"two-hubs", two_hubs},
	{"ping-verb", ping_verb},
};

SIM_MAIN(cases, 1)
