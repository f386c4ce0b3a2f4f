/* Hubs restart, clocks are wrong, papers run out, places change: how long until all is well again. */
#include "test/sim/run.h"
#include "test/sim/world.h"

#include "core/engine/node.h"
#include "core/wire/gre.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RTT    MS(40)
#define SPOKES 50
#define YEAR   INT64_C(31536000)
/* When the program was released: long before the scenario's time. */
#define RELEASE (SIM_WALL_START - 3 * (uint64_t)YEAR)

static double seconds(uint64_t ns)
{
	return (double)ns / 1e9;
}

/* ---- A hub restarts ------------------------------------------------------------------------- */

struct site {
	struct world *w;
	struct node *hub, *spokes[SPOKES];
	struct flow *f; /* between two of them, direct */
};

static struct site site_up(struct sim *s)
{
	struct site t = {.w = world_new(s, RTT)};
	t.w->families = 4;
	t.hub = world_hub(t.w, "hub", "10.0.0.1/24");
	for (unsigned i = 0; i < SPOKES; i++) {
		char name[16], address[24];
		snprintf(name, sizeof name, "s%u", i);
		snprintf(address, sizeof address, "10.0.0.%u/24", 10 + i);
		t.spokes[i] = world_spoke(t.w, name, address,
			(enum nat_kind)(i % 3 == 0   ? NAT_PORT_RESTRICTED
					: i % 3 == 1 ? NAT_SYMMETRIC
						     : NAT_NONE));
	}
	world_up(t.w);
	t.f = flow_ping(t.spokes[0], t.spokes[3], 4, MS(10), 0);
	sim_run(s, S(40)); /* the file is written each 30 s */
	CHECK(s, node_direct(t.spokes[0], t.spokes[3]));
	CHECK(s, t.hub->hints_saved > 0);
	CHECK_EQ(s, flow_lost_between(t.f, 0, s->now - 2 * RTT), 0);
	return t;
}

/* Killed, and back at once. Returns when everybody was registered again. */
static uint64_t restart(struct sim *s, struct site *t, uint64_t limit)
{
	node_crash(t->hub);
	sim_run(s, MS(200));
	world_start_node(t->w, t->hub);
	uint64_t back = s->now;
	CHECK_EQ(s, node_nhrp_count(t->hub, "binding"), 0);
	WAIT_FOR(s, limit, node_nhrp_count(t->hub, "binding") == SPOKES);
	return s->now - back;
}

static void finish(struct sim *s, struct site *t, unsigned bindings)
{
	sim_run(s, S(60));
	CHECK_EQ(s, node_nhrp_count(t->hub, "binding"), bindings);
	CHECK(s, node_direct(t->spokes[0], t->spokes[3]));
	flow_finish(t->f);
	CHECK_EQ(s, flow_lost(t->f), 0); /* a shortcut does not need the hub */
}

/* With its file: everybody idle, and all registered within 3 s. */
static void hub_restarts_with_its_file(struct sim *s)
{
	struct site t = site_up(s);
	uint64_t took = restart(s, &t, S(3));
	sim_note(s, "%u spokes registered %.2f s after the hub came back", SPOKES, seconds(took));
	finish(s, &t, SPOKES);
}

/* Without: keepalives and RESET, within 25 s. */
static void hub_restarts_without_a_file(struct sim *s)
{
	struct site t = site_up(s);
	free(t.hub->saved_hints);
	t.hub->saved_hints = NULL;
	uint64_t took = restart(s, &t, S(25));
	sim_note(s, "%u spokes registered %.2f s after the hub came back", SPOKES, seconds(took));
	finish(s, &t, SPOKES);
}

/* Damaged, cut short, another node's, of long ago: a line in the log, and the same as without. */
static void hub_restarts_with_a_bad_file(struct sim *s)
{
	struct site t = site_up(s);
	uint8_t *good = malloc(t.hub->saved_hints_len);
	size_t len = t.hub->saved_hints_len;
	if (!good)
		abort();
	sim_defer(s, free, good);
	memcpy(good, t.hub->saved_hints, len);
	for (unsigned kind = 0; kind < 5; kind++) {
		struct node *n = t.hub;
		free(n->saved_hints);
		n->saved_hints = malloc(len);
		if (!n->saved_hints)
			abort();
		memcpy(n->saved_hints, good, len);
		n->saved_hints_len = len;
		if (kind == 0)
			n->saved_hints[len / 2] ^= 4;
		else if (kind == 1)
			n->saved_hints_len = len / 2;
		else if (kind == 2)
			n->saved_hints_len = 1;
		else if (kind == 3)
			rng_fill(&s->rng, n->saved_hints, len);
		else
			n->saved_hints[len - 1] ^= 1; /* as of another key */
		restart(s, &t, S(25));
	}
	finish(s, &t, SPOKES);
}

/*
 * The spokes are gone for good. The hub looks for each of them, a few copies of an INITIATION, and then
 * forgets them: no session, no binding, nobody in its table.
 */
static void hints_are_no_more_than_that(struct sim *s)
{
	struct site t = site_up(s);
	flow_stop(t.f);
	node_crash(t.hub);
	for (unsigned i = 0; i < SPOKES; i++)
		node_crash(t.spokes[i]);
	uint64_t sent = t.hub->host->datagrams_out;
	world_start_node(t.w, t.hub);
	sim_run(s, S(10));
	sent = t.hub->host->datagrams_out - sent;
	CHECK_RANGE(s, sent, SPOKES, 5 * SPOKES);
	CHECK_EQ(s, node_nhrp_count(t.hub, "binding"), 0);
	CHECK_EQ(s, node_status(t.hub).peers_up, 0);
	CHECK_EQ(s, node_status(t.hub).peers, 0);
	uint64_t before = t.hub->host->datagrams_out;
	sim_run(s, S(700));
	CHECK_EQ(s, t.hub->host->datagrams_out, before);
	/* What it would look for after another restart is too old by now. */
	node_crash(t.hub);
	world_start_node(t.w, t.hub);
	sim_run(s, S(5));
	CHECK_EQ(s, t.hub->host->datagrams_out, before);
}

/* Somebody else lives where a spoke was, and a revoked one is still there: neither gets in. */
static void hints_of_the_revoked(struct sim *s)
{
	struct site t = site_up(s);
	world_revoke(t.w, t.spokes[7]);
	node_crash(t.hub);
	node_start(t.hub, t.w->bundle_bytes, t.w->bundle_len);
	sim_run(s, S(5));
	CHECK_EQ(s, node_nhrp_count(t.hub, "binding"), SPOKES - 1);
	CHECK(s, !node_up(t.hub, t.spokes[7]));
	finish(s, &t, SPOKES - 1);
}

/* CLOSE "restarting": routes by the hub stay for 10 s, and no longer. */
static void graceful_stop_keeps_the_routes(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	struct node *bob = world_spoke(w, "bob", "10.0.0.12/24", NAT_PORT_RESTRICTED);
	world_lan(w, bob, "192.168.2.0/24");
	prefix_parse("192.168.0.0/16", &hub->config.advertise[0]);
	hub->config.n_advertise = 1;
	world_up(w);
	CHECK(s, node_installed(alice, "192.168.0.0/16", "10.0.0.1"));
	unsigned deleted = alice->routes_deleted;
	node_stop(hub);
	sim_run(s, S(4));
	CHECK(s, !node_up(alice, hub));
	CHECK(s, node_installed(alice, "192.168.0.0/16", "10.0.0.1"));
	world_start_node(w, hub);
	uint64_t back = s->now;
	WAIT_FOR(s, S(3), node_ready(alice));
	sim_note(s, "registered %.2f s after the hub came back", seconds(s->now - back));
	sim_run(s, S(20));
	CHECK_EQ(s, alice->routes_deleted, deleted); /* nothing flapped */
	CHECK(s, node_installed(alice, "192.168.0.0/16", "10.0.0.1"));
	node_stop(hub);
	sim_run(s, S(9));
	CHECK(s, node_installed(alice, "192.168.0.0/16", "10.0.0.1"));
	sim_run(s, S(2));
	CHECK(s, !node_installed(alice, "192.168.0.0/16", NULL));
	world_start_node(w, hub);
	WAIT_FOR(s, S(75), node_installed(alice, "192.168.0.0/16", "10.0.0.1"));
}

/* The good-byes of a hub reach all of its spokes, not only as many as a queue holds. */
static void graceful_stop_tells_everybody(struct sim *s)
{
	struct site t = site_up(s);
	node_stop(t.hub);
	sim_run(s, RTT);
	for (unsigned i = 0; i < SPOKES; i++)
		CHECK(s, !node_up(t.spokes[i], t.hub));
	CHECK(s, t.hub->hints_saved >= 2); /* once more at the end */
	world_start_node(t.w, t.hub);
	uint64_t back = s->now;
	WAIT_FOR(s, S(3), node_nhrp_count(t.hub, "binding") == SPOKES);
	sim_note(s, "%u spokes registered %.2f s after a clean restart", SPOKES,
		seconds(s->now - back));
	finish(s, &t, SPOKES);
}

/* A spoke starts while names do not resolve: it remembers where its hub was. */
static void names_do_not_resolve(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	w->named_hubs = true;
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	world_up(w);
	sim_run(s, S(40));
	CHECK(s, alice->saved_hints_len > HINTS_OVERHEAD);
	alice->broken_dns = true;
	node_crash(alice);
	world_start_node(w, alice);
	WAIT_FOR(s, S(2), node_ready(alice));
	/* The same while it runs: the hub is away for minutes, and so are the names. */
	node_crash(hub);
	sim_run(s, S(300));
	world_start_node(w, hub);
	WAIT_FOR(s, S(75), node_ready(alice));
}

/* ---- Clocks --------------------------------------------------------------------------------- */

struct pair {
	struct world *w;
	struct node *hub, *alice;
};

/* Certificates for decades, so that a clock years ahead still finds them valid. */
static struct pair pair_new(struct sim *s)
{
	struct pair p = {.w = world_new(s, RTT)};
	p.w->families = 4;
	p.hub = world_hub(p.w, "hub", "10.0.0.1/24");
	p.alice = world_spoke(p.w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	p.hub->build_s = p.alice->build_s = RELEASE;
	return p;
}

static void set_clock(struct sim *s, struct node *n, uint64_t unix_s)
{
	n->wall_skew_s = (int64_t)(unix_s - sim_wall_s(s));
}

/* No battery: 1970. Its certificate and the hub's were made after its program. */
static void spoke_at_1970(struct sim *s)
{
	struct pair p = pair_new(s);
	set_clock(s, p.alice, 0);
	world_start(p.w);
	uint64_t began = s->now;
	WAIT_FOR(s, S(2), node_ready(p.alice));
	sim_note(s, "ready %.2f s after its start", seconds(s->now - began));
	CHECK(s, engine_clock_suspect(p.alice->engine, node_now(p.alice)));
	CHECK_RANGE(s, engine_time_s(p.alice->engine, node_now(p.alice)), SIM_WALL_START,
		SIM_WALL_START + 2);
	struct flow *f = flow_ping(p.alice, p.hub, 4, MS(50), 0);
	sim_run(s, S(400)); /* over rekeys by either side */
	/* It restarts, and is 1970 again: the hub remembers its timestamp. */
	node_crash(p.alice);
	sim_run(s, S(1));
	set_clock(s, p.alice, 0);
	world_start_node(p.w, p.alice);
	began = s->now;
	CHECK(s, p.alice->saved_time_s > SIM_WALL_START);
	WAIT_FOR(s, S(2), node_ready(p.alice));
	sim_note(s, "and %.2f s after its next", seconds(s->now - began));
	flow_stop(f);
	CHECK_EQ(s, flow_lost_between(f, 0, began - S(2)), 0);
	/* NTP at last. */
	p.alice->wall_skew_s = 0;
	CHECK(s, !engine_clock_suspect(p.alice->engine, node_now(p.alice)));
	struct flow *g = flow_ping(p.alice, p.hub, 4, MS(50), 0);
	sim_run(s, S(300));
	flow_finish(g);
	CHECK_EQ(s, flow_lost(g), 0);
}

/* Its clock was in 2038 once, when the hub confirmed its timestamp. Set right, it is not locked out. */
static void timestamp_poisoned_to_2038(struct sim *s)
{
	struct pair p = pair_new(s);
	p.hub->cert.not_after = p.alice->cert.not_after = SIM_WALL_START + 20 * (uint64_t)YEAR;
	set_clock(s, p.alice, UINT64_C(2147483000));
	world_up(p.w);
	sim_run(s, S(200));
	CHECK(s, node_up(p.hub, p.alice));
	/* Restarted with the right time. */
	node_crash(p.alice);
	p.alice->wall_skew_s = 0;
	world_start_node(p.w, p.alice);
	uint64_t began = s->now;
	WAIT_FOR(s, S(2), node_ready(p.alice));
	sim_note(s, "ready %.2f s after its start", seconds(s->now - began));
	/* The wrong time has not become the floor of this start. */
	CHECK_RANGE(s, engine_time_s(p.alice->engine, node_now(p.alice)), sim_wall_s(s),
		sim_wall_s(s) + 1);
	struct flow *f = flow_ping(p.alice, p.hub, 4, MS(50), 0);
	sim_run(s, S(300));
	flow_finish(f);
	CHECK_EQ(s, flow_lost(f), 0);
}

/* A hub without a battery: the time it has stored keeps out who has expired meanwhile. */
static void hub_at_1970(struct sim *s)
{
	struct pair p = pair_new(s);
	struct node *bob = world_spoke(p.w, "bob", "10.0.0.12/24", NAT_NONE);
	bob->cert.not_after = SIM_WALL_START + 60;
	world_up(p.w);
	sim_run(s, S(3700)); /* stored each hour */
	CHECK(s, !node_up(p.hub, bob));
	node_crash(p.hub);
	set_clock(s, p.hub, 0);
	world_start_node(p.w, p.hub);
	WAIT_FOR(s, S(3), node_ready(p.alice) && node_up(p.hub, p.alice));
	sim_run(s, S(60));
	CHECK(s, !node_up(p.hub, bob));
	CHECK(s, engine_clock_suspect(p.hub->engine, node_now(p.hub)));
	/* Nobody goes by the clock of a hub that doubts it itself. */
	node_crash(p.alice);
	p.alice->saved_time_s = 0;
	set_clock(s, p.alice, 0);
	world_start_node(p.w, p.alice);
	sim_run(s, S(10));
	CHECK_RANGE(s, engine_time_s(p.alice->engine, node_now(p.alice)), RELEASE, RELEASE + 20);
}

/* ---- Papers --------------------------------------------------------------------------------- */

/* The bundle runs out: who is not strict goes on, also with newcomers. */
static void bundle_expires(struct sim *s)
{
	struct pair p = pair_new(s);
	p.w->bundle.not_after = SIM_WALL_START + 60;
	world_up(p.w);
	struct flow *f = flow_ping(p.alice, p.hub, 4, MS(50), 0);
	sim_run(s, S(700)); /* 60 s, a leeway of 300 s, and rekeys */
	flow_finish(f);
	CHECK_EQ(s, flow_lost(f), 0);
	node_crash(p.alice);
	world_start_node(p.w, p.alice);
	WAIT_FOR(s, S(2), node_ready(p.alice));
}

/* Strict: sessions that are there go on, new ones are refused, until there is a new bundle. */
static void bundle_expires_where_it_matters(struct sim *s)
{
	struct pair p = pair_new(s);
	p.w->bundle.not_after = SIM_WALL_START + 60;
	p.hub->config.strict = true;
	world_up(p.w);
	struct flow *f = flow_ping(p.alice, p.hub, 4, MS(50), 0);
	sim_run(s, S(700));
	flow_finish(f);
	CHECK_EQ(s, flow_lost(f), 0);
	node_crash(p.alice);
	sim_run(s, S(200)); /* the hub forgets it */
	world_start_node(p.w, p.alice);
	sim_run(s, S(30));
	CHECK(s, !node_ready(p.alice));
	CHECK(s, !node_up(p.hub, p.alice));
	p.w->bundle.not_after = SIM_WALL_START + 86400;
	p.w->bundle.number++;
	world_sign_bundle(p.w);
	CHECK_EQ(s, node_set_bundle(p.hub, p.w->bundle_bytes, p.w->bundle_len), 0);
	WAIT_FOR(s, S(75), node_ready(p.alice));
	sim_run(s, S(5));
	CHECK_EQ(s, node_status(p.alice).bundle_number, 2);
}

/* The bundle arrives at the hub; how long until nobody hears the revoked one any more. */
static void revocation_takes_effect(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	w->families = 4;
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	struct node *bob = world_spoke(w, "bob", "10.0.0.12/24", NAT_PORT_RESTRICTED);
	world_up(w);
	struct flow *f = flow_ping(bob, alice, 4, MS(10), 0);
	sim_run(s, S(3));
	CHECK(s, node_direct(alice, bob));
	world_revoke(w, bob);
	w->internet->loss_ppm = 100000;
	uint64_t given = s->now;
	CHECK_EQ(s, node_set_bundle(hub, w->bundle_bytes, w->bundle_len), 0);
	CHECK(s, !node_up(hub, bob)); /* at once */
	WAIT_FOR(s, S(5), !node_up(alice, bob));
	sim_note(s, "cut off %.0f ms after the hub had the bundle, at a loss of 10 %%",
		(double)(s->now - given) / 1e6);
	w->internet->loss_ppm = 0;
	uint32_t delivered = f->delivered;
	sim_run(s, S(30));
	CHECK_EQ(s, f->delivered, delivered);
	flow_stop(f);
}

/* A large bundle for many: everybody has it soon, and the hub's queue held all of it. */
static void bundle_for_many(struct sim *s)
{
	struct site t = site_up(s);
	static uint8_t keys[1000][CERT_KEY_SIZE];
	for (unsigned i = 0; i < 1000; i++) {
		memset(keys[i], 0xEE, CERT_KEY_SIZE);
		keys[i][0] = (uint8_t)(i >> 8);
		keys[i][1] = (uint8_t)i;
	}
	t.w->bundle.revoked_keys = keys[0];
	t.w->bundle.n_revoked_keys = 1000;
	t.w->bundle.number = 2;
	world_sign_bundle(t.w);
	uint64_t lost = t.hub->engine->actions.lost, given = s->now;
	CHECK_EQ(s, node_set_bundle(t.hub, t.w->bundle_bytes, t.w->bundle_len), 0);
	for (unsigned i = 0; i < SPOKES; i++)
		WAIT_FOR(s, S(1), node_status(t.spokes[i]).bundle_number == 2);
	sim_note(s, "%zu bytes at %u spokes after %.0f ms", t.w->bundle_len, SPOKES,
		(double)(s->now - given) / 1e6);
	CHECK_EQ(s, t.hub->engine->actions.lost, lost);
	finish(s, &t, SPOKES);
}

/* ---- Places --------------------------------------------------------------------------------- */

/* The box gives another port, traffic in both directions: nothing of alice's is lost. */
static void rebinding_under_traffic(struct sim *s)
{
	struct pair p = pair_new(s);
	world_up(p.w);
	struct flow *there =
		flow_start(p.alice, p.hub, INNER_UDP, "10.0.0.11", "10.0.0.1", MS(10), 0);
	struct flow *back =
		flow_start(p.hub, p.alice, INNER_UDP, "10.0.0.1", "10.0.0.11", MS(10), 0);
	sim_run(s, S(5));
	struct peer_view old, v;
	CHECK(s, node_peer(p.hub, "alice", &old));
	nat_rebind(p.alice->nat);
	uint64_t then = s->now;
	WAIT_FOR(s, S(1),
		node_peer(p.hub, "alice", &v) && !endpoint_equal(&v.endpoint, &old.endpoint));
	sim_note(s, "the hub had the new place after %.0f ms", (double)(s->now - then) / 1e6);
	sim_run(s, S(5));
	CHECK_EQ(s, flow_lost_between(there, 0, s->now - RTT), 0);
	/* alice's next packet, half a round trip to the hub; its challenge and the answer: one more. */
	uint64_t seen = then + MS(10) + RTT / 2;
	CHECK_EQ(s, flow_lost_between(back, seen + RTT + MS(50), s->now - RTT), 0);
	CHECK_EQ(s, flow_lost_between(back, 0, then - RTT), 0);
	flow_stop(there);
	flow_finish(back);
}

/* Far away, a round trip of 1.2 s: longer than a challenge waits before it is repeated. */
static void rebinding_far_away(struct sim *s)
{
	struct world *w = world_new(s, MS(1200));
	w->families = 4;
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	world_up(w);
	struct flow *f = flow_ping(alice, hub, 4, MS(50), 0);
	sim_run(s, S(5));
	struct peer_view old, v;
	CHECK(s, node_peer(hub, "alice", &old));
	nat_rebind(alice->nat);
	WAIT_FOR(s, S(3),
		node_peer(hub, "alice", &v) && !endpoint_equal(&v.endpoint, &old.endpoint));
	flow_stop(f);
}

/* A box that changes its mind all the time: the hub follows once a second and six times a minute. */
static void flapping_place(struct sim *s)
{
	struct pair p = pair_new(s);
	world_up(p.w);
	struct flow *f = flow_ping(p.alice, p.hub, 4, MS(20), 0);
	struct peer_view v, last;
	unsigned changes = 0;
	uint64_t last_change = 0;
	CHECK(s, node_peer(p.hub, "alice", &last));
	for (unsigned ms = 0; ms < 20000; ms++) {
		if (ms % 300 == 0)
			nat_rebind(p.alice->nat);
		sim_run(s, MS(1));
		if (!node_peer(p.hub, "alice", &v) || endpoint_equal(&v.endpoint, &last.endpoint))
			continue;
		CHECK(s, last_change == 0 || s->now - last_change >= S(1));
		last_change = s->now;
		last = v;
		changes++;
	}
	sim_note(s, "%u changes in 20 s", changes);
	CHECK_RANGE(s, changes, 4, 8);
	uint64_t calm = s->now;
	sim_run(s, S(40));
	CHECK_EQ(s, flow_lost_between(f, calm + S(15), s->now - S(1)), 0);
	flow_finish(f);
}

/* bob's box forgets alice, and bob has nothing to say: within 5 s her packets arrive again. */
static void mapping_lost_on_the_silent_side(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	w->families = 4;
	world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	struct node *bob = world_spoke(w, "bob", "10.0.0.12/24", NAT_PORT_RESTRICTED);
	world_up(w);
	struct flow *f = flow_start(alice, bob, INNER_UDP, "10.0.0.11", "10.0.0.12", MS(10), 0);
	sim_run(s, S(4));
	CHECK(s, node_direct(alice, bob));
	sim_run(s, S(30));
	nat_rebind(bob->nat);
	uint64_t then = s->now, worst = then;
	sim_run(s, S(60));
	for (uint32_t i = 0; i < f->n; i++)
		if (f->packets[i].sent >= then && f->packets[i].sent < s->now - S(1) &&
			!flow_packet_ok(f, i))
			worst = f->packets[i].sent;
	sim_note(s, "the last packet was lost %.2f s after it", seconds(worst - then));
	CHECK_RANGE(s, worst - then, 0, S(5));
	CHECK(s, node_direct(alice, bob));
	flow_finish(f);
}

/* Somebody on the way sends the hub's RESPONSE on from his own address. */
struct forwarder {
	struct endpoint as;
	struct host *to;
	unsigned left;
};

static bool change_source(void *ctx, struct host *to, struct dgram *d)
{
	struct forwarder *f = ctx;
	if (f->left > 0 && to == f->to && gre_classify(d->data, d->len) == GRE_HANDSHAKE &&
		d->data[GRE_PLAIN_LEN] == MESSAGE_RESPONSE) {
		f->left--;
		d->src = f->as;
	}
	return true;
}

/* The RESPONSE does not come from where the INITIATION went: keys, but no path to there. */
static void response_from_elsewhere(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	w->families = 4;
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_NONE);
	struct forwarder f = {.to = alice->host, .left = 1};
	CHECK(s, endpoint_parse("192.0.2.66:4754", 0, &f.as));
	w->net.tap = change_source;
	w->net.tap_ctx = &f;
	world_start(w);
	uint64_t began = s->now;
	while (!node_ready(alice) && s->now - began < S(10)) {
		struct peer_view v;
		sim_run(s, MS(1));
		if (node_peer(alice, "hub", &v))
			CHECK(s, !endpoint_equal(&v.endpoint, &f.as));
	}
	CHECK_EQ(s, f.left, 0);
	CHECK(s, node_ready(alice));
	sim_note(s, "ready %.2f s after its start all the same", seconds(s->now - began));
	/* The same at a rekey: the path stays what it is, and nothing is lost. */
	struct flow *g = flow_ping(alice, hub, 4, MS(20), 0);
	f.left = 3;
	sim_run(s, S(420));
	CHECK_EQ(s, f.left, 0);
	flow_finish(g);
	CHECK_EQ(s, flow_lost(g), 0);
}

/* A new address: cached sources are forgotten, hubs and direct peers see the new place at once. */
static void own_address_changes(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	w->families = 4;
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_NONE);
	struct node *bob = world_spoke(w, "bob", "10.0.0.12/24", NAT_NONE);
	world_up(w);
	struct flow *f = flow_ping(bob, alice, 4, MS(10), 0);
	struct flow *g = flow_ping(hub, alice, 4, MS(10), 0);
	sim_run(s, S(3));
	CHECK(s, node_direct(bob, alice));
	/* From here on alice herself is silent but for answers; nobody could know where she is. */
	world_move(w, alice, "198.51.100.200");
	uint64_t then = s->now;
	sim_run(s, S(10));
	/* Her PING, half a round trip; the challenge and its answer, one more. */
	uint64_t by = then + RTT / 2 + RTT + MS(50);
	CHECK_EQ(s, flow_lost_between(f, by, s->now - RTT), 0);
	CHECK_EQ(s, flow_lost_between(g, by, s->now - RTT), 0);
	sim_note(s, "%u and %u echoes of 10 ms lost", flow_lost_between(f, 0, s->now - RTT),
		flow_lost_between(g, 0, s->now - RTT));
	struct ip_addr fresh = world_public_address(alice, 4);
	struct endpoint seen = node_status(alice).public_endpoint;
	CHECK(s, addr_equal(&seen.addr, &fresh));
	flow_stop(f);
	flow_finish(g);
}

/* ---- Both at once --------------------------------------------------------------------------- */

/* Loses handshake messages and what confirms them, towards one side or both. */
struct breaker {
	struct sim *s;
	uint64_t to; /* mask of hosts */
	uint64_t until;
	uint32_t ppm;
};

static bool lose(void *ctx, struct host *to, struct dgram *d)
{
	struct breaker *b = ctx;
	bool small = gre_classify(d->data, d->len) == GRE_HANDSHAKE || d->len < 64;
	return !(b->to >> to->id & 1) || b->s->now >= b->until || !small ||
		!rng_chance(&b->s->rng, b->ppm);
}

/*
 * alice and bob begin at the same instant, and of the four messages and two confirmations any may be
 * lost, towards alice, towards bob, or both. Once they get through, both send on keys that the other has.
 */
static void simultaneous_with_loss(struct sim *s)
{
	for (unsigned round = 0; round < 12; round++) {
		struct world *w = world_new(s, RTT);
		w->families = 4;
		world_hub(w, "hub", "10.0.0.1/24");
		struct node *n[2];
		n[round & 1] = world_spoke(w, "alice", "10.0.0.11/24", NAT_NONE);
		n[!(round & 1)] = world_spoke(w, "bob", "10.0.0.12/24", NAT_NONE);
		world_up(w);
		struct breaker b = {.s = s, .until = s->now + S(2), .ppm = 500000};
		for (unsigned i = 0; i < 2; i++)
			b.to |= (round / 2 % 3 == i ? 0 : UINT64_C(1)) << n[i]->host->id;
		w->net.tap = lose;
		w->net.tap_ctx = &b;
		struct flow *f = flow_ping(n[0], n[1], 4, MS(20), 0);
		struct flow *g = flow_ping(n[1], n[0], 4, MS(20), 0);
		sim_run(s, S(8));
		CHECK(s, node_direct(n[0], n[1]));
		CHECK(s, node_direct(n[1], n[0]));
		uint64_t settled = s->now;
		sim_run(s, S(280)); /* two rekeys */
		flow_stop(f);
		flow_finish(g);
		CHECK_EQ(s, flow_lost_between(f, settled, s->now), 0);
		CHECK_EQ(s, flow_lost_between(g, settled, s->now), 0);
		CHECK_RANGE(s, flow_last_relayed(f), 0, S(8));
		CHECK_RANGE(s, flow_last_relayed(g), 0, S(8));
		world_down(w);
	}
}

static const struct sim_case cases[] = {
	{"hub-restarts-with-its-file", hub_restarts_with_its_file},
	{"hub-restarts-without-a-file", hub_restarts_without_a_file},
	{"hub-restarts-with-a-bad-file", hub_restarts_with_a_bad_file},
	{"hints-are-no-more-than-that", hints_are_no_more_than_that},
	{"hints-of-the-revoked", hints_of_the_revoked},
	{"graceful-stop-keeps-the-routes", graceful_stop_keeps_the_routes},
	{"graceful-stop-tells-everybody", graceful_stop_tells_everybody},
	{"names-do-not-resolve", names_do_not_resolve},
	{"spoke-at-1970", spoke_at_1970},
	{"timestamp-poisoned-to-2038", timestamp_poisoned_to_2038},
	{"hub-at-1970", hub_at_1970},
	{"bundle-expires", bundle_expires},
	{"bundle-expires-where-it-matters", bundle_expires_where_it_matters},
	{"revocation-takes-effect", revocation_takes_effect},
	{"bundle-for-many", bundle_for_many},
	{"rebinding-under-traffic", rebinding_under_traffic},
	{"rebinding-far-away", rebinding_far_away},
	{"flapping-place", flapping_place},
	{"mapping-lost-on-the-silent-side", mapping_lost_on_the_silent_side},
	{"response-from-elsewhere", response_from_elsewhere},
	{"own-address-changes", own_address_changes},
	{"simultaneous-with-loss", simultaneous_with_loss},
};

SIM_MAIN(cases, 1)
