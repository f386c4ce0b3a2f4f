/* Keys change every two minutes under full traffic, and nobody notices. */
#include "test/sim/run.h"
#include "test/sim/world.h"

#include "core/base/err.h"
#include "core/engine/node.h"
#include "core/peer/linklocal.h"
#include "core/wire/gre.h"

#include <stdlib.h>
#include <string.h>

#define RTT MS(40)

struct trio {
	struct world *w;
	struct node *hub, *alice, *bob;
};

static struct trio trio_new(struct sim *s, enum nat_kind alice, enum nat_kind bob)
{
	struct trio t = {.w = world_new(s, RTT)};
	t.w->families = 4;
	t.hub = world_hub(t.w, "hub", "10.0.0.1/24");
	t.alice = world_spoke(t.w, "alice", "10.0.0.11/24", alice);
	t.bob = world_spoke(t.w, "bob", "10.0.0.12/24", bob);
	world_up(t.w);
	return t;
}

static uint32_t rekeys(const struct node *n, const char *peer)
{
	struct peer_view v;
	return node_peer(n, peer, &v) ? v.rekeys : 0;
}

/* 10 min: keys of 120 s +-10 % change at least four times, on the hub's session and on the direct one. */
static void ten_minutes(struct sim *s, struct trio *t)
{
	struct flow *f = flow_ping(t->alice, t->bob, 4, MS(20), 0);
	struct flow *g = flow_ping(t->bob, t->hub, 4, MS(20), 0);
	f->size = 600;
	sim_run(s, S(600));
	flow_stop(f);
	flow_finish(g);
	CHECK_EQ(s, flow_lost(f), 0);
	CHECK_EQ(s, flow_lost(g), 0);
	CHECK_RANGE(s, rekeys(t->alice, "hub"), 4, 6);
	CHECK_RANGE(s, rekeys(t->alice, "bob"), 4, 6);
	CHECK(s, flow_last_relayed(f) < S(1));
}

/*
 * A member gets a certificate with a further address, that its link-local one is made of, and restarts. With
 * the new keys the old link-local address leads nowhere at the other end of the direct path.
 */
static void another_address(struct sim *s)
{
	struct trio t = trio_new(s, NAT_PORT_RESTRICTED, NAT_PORT_RESTRICTED);
	struct flow *f = flow_ping(t.bob, t.alice, 4, MS(100), 0);
	WAIT_FOR(s, S(10), node_direct(t.bob, t.alice));
	struct cert *c = &t.alice->cert;
	struct ip_addr old = linklocal_of(c->addresses, c->n_addresses, c->static_key);
	const struct fib *bob = &t.bob->engine->plane.fib;
	CHECK(s, fib_neighbour(bob, &old) != FIB_NONE);

	node_crash(t.alice);
	c->addresses[c->n_addresses++] = c->addresses[0];
	CHECK(s, prefix_parse("10.0.0.5/24", &c->addresses[0]));
	c->serial = ++t.w->serial;
	t.alice->cert_len = 0; /* signed when it starts */
	world_start_node(t.w, t.alice);
	struct ip_addr now = linklocal_of(c->addresses, c->n_addresses, c->static_key);
	WAIT_FOR(s, S(60), fib_neighbour(bob, &now) != FIB_NONE);
	CHECK(s, !addr_equal(&old, &now));
	CHECK(s, fib_neighbour(bob, &old) == FIB_NONE);
	flow_stop(f);
}

static void nothing_lost_over_rekeys(struct sim *s)
{
	struct trio t = trio_new(s, NAT_PORT_RESTRICTED, NAT_PORT_RESTRICTED);
	ten_minutes(s, &t);
}

/* Packets overtake each other by up to 60 ms, under old and new keys mixed; some come twice. */
static void nothing_lost_with_reordering(struct sim *s)
{
	struct trio t = trio_new(s, NAT_PORT_RESTRICTED, NAT_PORT_RESTRICTED);
	t.w->internet->jitter_ns = MS(15);
	t.w->internet->reorder_ppm = 100000;
	t.w->internet->reorder_ns = MS(60);
	t.w->internet->dup_ppm = 20000;
	ten_minutes(s, &t);
}

/* One in twenty datagrams is lost, handshakes too: never a gap longer than a second. */
static void no_gap_with_loss(struct sim *s)
{
	struct trio t = trio_new(s, NAT_PORT_RESTRICTED, NAT_PORT_RESTRICTED);
	struct flow *f = flow_ping(t.alice, t.hub, 4, MS(20), 0);
	t.w->internet->loss_ppm = 50000;
	sim_run(s, S(600));
	t.w->internet->loss_ppm = 0;
	flow_finish(f);
	uint64_t last = f->started;
	for (uint32_t i = 0; i < f->n; i++) {
		if (!flow_packet_ok(f, i))
			continue;
		CHECK_RANGE(s, f->packets[i].sent - last, 0, S(1));
		last = f->packets[i].sent;
	}
	/* Two crossings at 5 %: 9.75 % of the echoes. */
	CHECK_RANGE(s, (uint64_t)flow_lost(f) * 1000 / f->n, 85, 110);
}

/* Idle between rekeys: the first packet after a long silence is not lost either. */
static void first_packet_after_silence(struct sim *s)
{
	struct trio t = trio_new(s, NAT_PORT_RESTRICTED, NAT_PORT_RESTRICTED);
	static const unsigned pauses_s[] = {30, 100, 130, 170, 181, 240, 545, 700};
	for (size_t i = 0; i < sizeof pauses_s / sizeof *pauses_s; i++) {
		sim_run(s, S(pauses_s[i]));
		struct flow *f = flow_ping(t.alice, t.hub, 4, MS(20), 5);
		struct flow *g = flow_ping(t.hub, t.bob, 4, MS(20), 5);
		sim_run(s, S(2));
		CHECK_EQ(s, flow_lost(f), 0);
		CHECK_EQ(s, flow_lost(g), 0);
	}
}

/*
 * Both sides start at the same instant, again and again:
 *   alice: INITIATION ->  <- INITIATION :bob
 *   each answers the other's; both sessions confirm, and both agree on one to send on.
 */
static void simultaneous_initiations(struct sim *s)
{
	struct trio t = trio_new(s, NAT_NONE, NAT_NONE);
	struct flow *f = flow_ping(t.alice, t.bob, 4, MS(10), 0);
	struct flow *g = flow_ping(t.bob, t.alice, 4, MS(10), 0);
	sim_run(s, S(400));
	flow_stop(f);
	flow_finish(g);
	CHECK_EQ(s, flow_lost(f), 0);
	CHECK_EQ(s, flow_lost(g), 0);
	CHECK(s, flow_last_relayed(f) < S(1));
	CHECK(s, flow_last_relayed(g) < S(1));
	/* No storm of handshakes afterwards: a rekey per two minutes. */
	CHECK_RANGE(s, rekeys(t.alice, "bob"), 2, 6);
	CHECK(s, node_same_keys(t.alice, t.bob));
}

/*
 * Soon after the first session one side finds its path dead and makes another:
 *   first:  INITIATION, RESPONSE, packets    second: INITIATION, RESPONSE
 * That is not a crossing of two beginnings, so both go on with the new one, whoever has the lower key; at
 * the next rekey nothing is lost.
 */
static void a_second_session_soon_after(struct sim *s)
{
	for (unsigned turn = 0; turn < 8; turn++) {
		struct trio t = trio_new(s, NAT_NONE, NAT_NONE);
		struct flow *f = flow_ping(t.alice, t.bob, 4, MS(10), 0);
		WAIT_FOR(s, S(2), node_direct(t.alice, t.bob) && node_direct(t.bob, t.alice));
		sim_run(s, S(1));
		struct node *n = turn % 2 ? t.alice : t.bob, *far = turn % 2 ? t.bob : t.alice;
		struct peers *peers = &n->engine->peers;
		struct peer *p = peer_find(peers, far->cert.static_key);
		peer_set_path(peers, p, PATH_SUSPENDED, "test", node_now(n));
		connect_start(peers, p, &p->endpoint, &p->local, 0, node_now(n));
		node_settle(n);
		sim_run(s, S(3));
		CHECK(s, node_same_keys(t.alice, t.bob));
		sim_run(s, S(140));
		flow_finish(f);
		CHECK_EQ(s, flow_lost(f), 0);
		world_down(t.w);
	}
}

/* ---- Old keys ------------------------------------------------------------------------------- */

struct recorder {
	struct node *to;
	struct endpoint src, dst;
	size_t len;
	uint8_t data[NET_DGRAM_MAX];
};

/* Keeps the first sealed user datagram for `to`. */
static bool record_first(void *ctx, struct host *to, struct dgram *d)
{
	struct recorder *r = ctx;
	if (r->len == 0 && to == r->to->host && gre_classify(d->data, d->len) == GRE_SEALED &&
		(d->data[7] & 15) != 0) {
		r->src = d->src;
		r->dst = d->dst;
		r->len = d->len;
		memcpy(r->data, d->data, d->len);
	}
	return true;
}

static void replay(struct trio *t, const struct recorder *r)
{
	net_inject(t->w->internet, &r->src, &r->dst, r->data, r->len);
	sim_run(t->w->sim, S(1));
}

/* A datagram of the first key: a replay while that key lives, an unknown index when it is erased. */
static void old_keys_are_erased(struct sim *s)
{
	struct trio t = trio_new(s, NAT_NONE, NAT_NONE);
	struct recorder r = {.to = t.hub};
	t.w->net.tap = record_first;
	t.w->net.tap_ctx = &r;
	struct flow *f = flow_ping(t.alice, t.hub, 4, MS(100), 0);
	sim_run(s, S(5));
	CHECK(s, r.len > 0);
	uint64_t replays = node_dropped(t.hub, DROP_REPLAY);
	replay(&t, &r);
	CHECK_EQ(s, node_dropped(t.hub, DROP_REPLAY), replays + 1);
	sim_run(s, S(600));
	replays = node_dropped(t.hub, DROP_REPLAY);
	uint64_t unknown = node_dropped(t.hub, DROP_UNKNOWN_INDEX);
	replay(&t, &r);
	CHECK_EQ(s, node_dropped(t.hub, DROP_REPLAY), replays);
	CHECK_EQ(s, node_dropped(t.hub, DROP_UNKNOWN_INDEX), unknown + 1);
	flow_finish(f);
	CHECK_EQ(s, flow_lost(f), 0);
}

/* ChaCha20-Poly1305 on one side alone: both use it. */
static void cipher_is_agreed(struct sim *s)
{
	struct trio t = {.w = world_new(s, RTT)};
	t.hub = world_hub(t.w, "hub", "10.0.0.1/24");
	t.alice = world_spoke(t.w, "alice", "10.0.0.11/24", NAT_NONE);
	t.bob = world_spoke(t.w, "bob", "10.0.0.12/24", NAT_NONE);
	t.alice->config.ciphers = 1;
	world_up(t.w);
	struct flow *f = flow_ping(t.alice, t.bob, 4, MS(20), 100);
	sim_run(s, S(4));
	CHECK_EQ(s, flow_lost(f), 0);
	struct peer_view a, b;
	CHECK(s, node_peer(t.alice, "bob", &a));
	CHECK(s, node_peer(t.bob, "alice", &b));
	CHECK(s, strcasestr(a.cipher, "chacha20") != NULL);
	CHECK(s, strcmp(a.cipher, b.cipher) == 0);
}

/* By engine_rekey, as fast as it lets us: nothing is lost, and no more than ten a second. */
static void on_demand(struct sim *s)
{
	struct trio t = trio_new(s, NAT_PORT_RESTRICTED, NAT_PORT_RESTRICTED);
	struct flow *f = flow_ping(t.alice, t.bob, 4, MS(5), 0);
	sim_run(s, S(2));
	CHECK_EQ(s, engine_rekey(t.alice->engine, "nobody", node_now(t.alice)), ERR_NOT_FOUND);
	unsigned asked = 0;
	for (unsigned i = 0; i < 1000; i++) {
		int rc = engine_rekey(t.alice->engine, "bob", node_now(t.alice));
		CHECK(s, rc == 0 || rc == ERR_BUSY);
		asked += rc == 0;
		node_settle(t.alice);
		sim_run(s, MS(10));
	}
	flow_finish(f);
	CHECK_EQ(s, flow_lost(f), 0);
	CHECK_RANGE(s, asked, 90, 101);
	CHECK_RANGE(s, rekeys(t.alice, "bob"), asked, asked + 1);
}

static const struct sim_case cases[] = {
	{"on-demand", on_demand},
	{"another-address", another_address},
	{"nothing-lost-over-rekeys", nothing_lost_over_rekeys},
	{"nothing-lost-with-reordering", nothing_lost_with_reordering},
	{"no-gap-with-loss", no_gap_with_loss},
	{"first-packet-after-silence", first_packet_after_silence},
	{"simultaneous-initiations", simultaneous_initiations},
	{"a-second-session-soon-after", a_second_session_soon_after},
	{"old-keys-are-erased", old_keys_are_erased},
	{"cipher-is-agreed", cipher_is_agreed},
};

SIM_MAIN(cases, 1)
