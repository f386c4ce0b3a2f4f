/* Strangers in great numbers: who still gets in, and what stays bounded. */
#include "test/sim/pen.h"
#include "test/sim/run.h"

#include "core/crypto/cookie.h"
#include "core/engine/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RTT       MS(40)
#define NEWCOMERS 40

/* ---- Half-open handshakes ------------------------------------------------------------------------ */

static uint32_t count_half_open(const struct node *n)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < n->engine->peers.n_fresh; i++) {
		const struct peer *p = peer_at(&n->engine->peers, i);
		count += p && p->next != SESSION_NONE;
	}
	return count;
}

/*
 * 6,000 members begin and do not go on: 4,096 wait at most, the oldest ones give way, and a real spoke
 * comes in all the same. Ten seconds later all is as it was.
 */
static void half_open_handshakes_are_bounded(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	struct node *hub = world_hub(w, "hub", "10.0.0.1/8");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/8", NAT_NONE);
	struct node *bob = world_spoke(w, "bob", "10.0.0.12/8", NAT_NONE);
	hub->config.max_peers = 8192;
	world_sign(w);
	world_start_node(w, hub);
	world_start_node(w, alice);
	WAIT_FOR(s, S(1), node_ready(alice));
	struct pen *pen = pen_new(w, hub);
	static struct member m;
	unsigned answered = 0, most = 0;
	for (unsigned i = 0; i < 6000; i++) {
		pen_member(pen, &m, i, true);
		answered += pen_send_member(pen, &m);
		if (i % 500 == 0) {
			uint32_t waiting = count_half_open(hub);
			most = waiting > most ? waiting : most;
		}
		if (i == 4500)
			world_start_node(w, bob);
		if (i & 1)
			sim_run(s, MS(1));
	}
	CHECK_EQ(s, answered, 6000);
	CHECK_RANGE(s, count_half_open(hub), ADMIT_HALF_OPEN - 1, ADMIT_HALF_OPEN); /* bob's */
	CHECK(s, node_ready(bob));
	CHECK(s, node_up(hub, alice));
	CHECK_RANGE(s, node_status(hub).peers, ADMIT_HALF_OPEN, ADMIT_HALF_OPEN + 2);
	sim_run(s, S(12));
	CHECK_EQ(s, count_half_open(hub), 0);
	CHECK_EQ(s, node_status(hub).peers, 2);
	CHECK(s, most > 4000);
}

/* The peer table full, by members who confirm nothing: the refusal has a name and ends with its cause. */
static void the_peer_table_says_that_it_is_full(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	struct node *hub = world_hub(w, "hub", "10.0.0.1/8");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/8", NAT_NONE);
	hub->config.max_peers = 64;
	world_sign(w);
	world_start_node(w, hub);
	struct pen *pen = pen_new(w, hub);
	static struct member m;
	for (unsigned i = 0; i < 100; i++) {
		pen_member(pen, &m, i, true);
		CHECK_EQ(s, pen_send_member(pen, &m), i < 64);
		sim_run(s, MS(5));
	}
	CHECK_EQ(s, node_dropped(hub, DROP_TABLE_FULL), 36);
	world_start_node(w, alice);
	sim_run(s, S(1));
	CHECK(s, !node_ready(alice));
	sim_run(s, S(13));
	CHECK(s, node_ready(alice));
}

/* ---- Joining and staying in while 20,000 a second arrive ----------------------------------------- */

struct flood {
	struct world *w;
	struct node *to;
	bool on;
	unsigned per_ms;
	uint8_t message[GRE_PLAIN_LEN + 1300]; /* right mac1; the rest is a recording */
	size_t len;
	const struct ip_addr *forged; /* the source of some of them; NULL: none */
	unsigned forged_per_s;
};

static void flood_step(void *ctx, void *arg)
{
	struct flood *f = ctx;
	(void)arg;
	if (!f->on)
		return;
	struct endpoint to = {.addr = f->to->host->iface.addrs[0], .port = f->to->host->port};
	for (unsigned i = 0; i < f->per_ms; i++) {
		struct endpoint from = pen_anywhere(f->w->sim, 4);
		/* Each is another message: nobody recognises a repetition. */
		rng_fill(&f->w->sim->rng, f->message + 12, 32);
		uint8_t key[KEY_LEN];
		cookie_mac1_key(key, f->to->cert.static_key);
		cookie_stamp_mac1(f->message + GRE_PLAIN_LEN, f->len - GRE_PLAIN_LEN, key);
		if (f->forged && rng_below(&f->w->sim->rng, f->per_ms * 1000) < f->forged_per_s)
			from.addr = *f->forged;
		net_inject(f->w->internet, &from, &to, f->message, f->len);
	}
	sim_at(f->w->sim, f->w->sim->now + NS_PER_MS, flood_step, f, NULL);
}

static struct flood *flood_start(struct world *w, struct node *to, unsigned per_s)
{
	struct flood *f = calloc(1, sizeof *f);
	if (!f)
		abort();
	sim_defer(w->sim, free, f);
	f->w = w;
	f->to = to;
	f->per_ms = per_s / 1000;
	f->len = GRE_PLAIN_LEN + 700;
	rng_fill(&w->sim->rng, f->message, f->len);
	gre_handshake_write(f->message);
	store_u32(f->message + 4, 0x01010000);
	store_u32(f->message + 8, 77);
	f->on = true;
	flood_step(f, NULL);
	return f;
}

static int by_time(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

/* n spokes come one after the other. How long each took, sorted. */
static void join_all(
	struct sim *s, unsigned per_s, uint32_t loss_ppm, unsigned n, uint64_t took[NEWCOMERS])
{
	struct world *w = world_new(s, RTT);
	w->families = 4;
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24"), *v[NEWCOMERS];
	struct node *old = world_spoke(w, "old", "10.0.0.2/24", NAT_NONE);
	for (unsigned i = 0; i < n; i++) {
		char name[16], address[32];
		snprintf(name, sizeof name, "s%u", i);
		snprintf(address, sizeof address, "10.0.0.%u/24", 10 + i);
		v[i] = world_spoke(w, name, address, i % 2 ? NAT_PORT_RESTRICTED : NAT_NONE);
	}
	world_sign(w);
	world_start_node(w, hub);
	world_start_node(w, old);
	sim_run(s, S(1));
	struct flow *f = flow_ping(old, hub, 4, MS(20), 0);
	struct flood *flood = flood_start(w, hub, per_s);
	sim_run(s, S(2));
	w->internet->loss_ppm = loss_ppm;
	for (unsigned i = 0; i < n; i++) {
		uint64_t began = s->now;
		world_start_node(w, v[i]);
		WAIT_FOR(s, S(20), node_ready(v[i]));
		took[i] = s->now - began;
	}
	w->internet->loss_ppm = 0;
	qsort(took, n, sizeof *took, by_time);
	sim_note(s,
		"%u a second, %.0f %% lost each way: joined after %.3f s (median), %.3f s (most)",
		per_s, loss_ppm / 1e4, (double)took[n / 2] / 1e9, (double)took[n - 1] / 1e9);
	flood->on = false;
	flow_finish(f);
	if (loss_ppm == 0)
		CHECK_EQ(s, flow_lost(f), 0);
	/* The flood earned nothing but COOKIEs. */
	CHECK(s, node_dropped(hub, DROP_HANDSHAKE_REFUSED) < 400);
}

static void joins_while_20000_a_second_arrive(struct sim *s)
{
	uint64_t took[NEWCOMERS];
	join_all(s, 20000, 0, NEWCOMERS, took);
	CHECK(s, took[NEWCOMERS - 1] <= S(2));
}

/* With 2 % lost each way, beside the flood: a repetition more here and there. */
static void joins_while_20000_a_second_arrive_with_loss(struct sim *s)
{
	uint64_t took[NEWCOMERS];
	join_all(s, 20000, 20000, NEWCOMERS, took);
	CHECK(s, took[NEWCOMERS * 9 / 10] <= S(2));
	CHECK(s, took[NEWCOMERS - 1] <= S(5));
}

/* More than COOKIEs are sent for: a newcomer needs luck, a member does not. */
static void joins_while_100000_a_second_arrive(struct sim *s)
{
	uint64_t took[NEWCOMERS];
	join_all(s, 100000, 0, 8, took);
	CHECK(s, took[4] <= S(2));
}

/* A flood of more than COOKIEs are sent for, over the moment at which each member changes its keys. */
static void rekeys_under_a_flood(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	w->families = 4;
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_NONE);
	struct node *bob = world_spoke(w, "bob", "10.0.0.12/24", NAT_SYMMETRIC);
	world_up(w);
	struct flow *f = flow_ping(alice, hub, 4, MS(100), 0),
		    *g = flow_ping(bob, hub, 4, MS(100), 0);
	sim_run(s, S(106));
	struct flood *flood = flood_start(w, hub, 60000); /* more than all COOKIEs */
	sim_run(s, S(28));
	flood->on = false;
	struct peer_view v;
	for (unsigned i = 0; i < 2; i++) {
		struct node *n = i ? bob : alice;
		CHECK(s, node_peer(n, "hub", &v));
		CHECK_RANGE(s, v.rekeys, 1, 2);
		CHECK(s, v.session_age_ns < S(28));
	}
	flow_finish(f);
	flow_finish(g);
	CHECK_EQ(s, flow_lost(f), 0);
	CHECK_EQ(s, flow_lost(g), 0);
}

/*
 * Somebody forges the address of a spoke that is about to come, slowly enough not to look like a flood, and
 * fast enough to use up what that address is given.
 */
static void a_forged_source_does_not_keep_its_owner_out(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	w->families = 4;
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_NONE);
	world_sign(w);
	world_start_node(w, hub);
	struct ip_addr victim = world_public_address(alice, 4);
	struct flood *flood = flood_start(w, hub, 1000);
	flood->forged = &victim;
	flood->forged_per_s = 1000;
	flood->per_ms = 1;
	sim_run(s, S(5));
	uint64_t began = s->now;
	world_start_node(w, alice);
	WAIT_FOR(s, S(2), node_ready(alice));
	sim_note(s, "joined after %.3f s", (double)(s->now - began) / 1e9);
	flood->on = false;
}

/* The hub has restarted and everybody's data is unknown to it, and so is that of a flood. */
static void resets_under_a_flood_of_unknown_data(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	w->families = 4;
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_NONE);
	world_up(w);
	struct flow *f = flow_ping(alice, hub, 4, MS(20), 0);
	sim_run(s, S(2));
	node_crash(hub);
	world_start_node(w, hub);
	uint64_t began = s->now, sent = hub->host->bytes_out;
	struct endpoint to = {.addr = hub->host->iface.addrs[0], .port = hub->host->port};
	uint8_t data[200];
	while (!node_ready(alice) || !node_up(hub, alice)) {
		for (unsigned i = 0; i < 20; i++) {
			/* One that repeats himself, and many that are nobody. */
			struct endpoint from = pen_anywhere(s, 4);
			if (i & 1)
				CHECK(s, addr_parse("192.0.2.66", &from.addr));
			rng_fill(&s->rng, data, sizeof data);
			gre_sealed_write(data, 1 + (uint32_t)rng_below(&s->rng, 1 << 28), 1, 1);
			net_inject(w->internet, &from, &to, data, sizeof data);
		}
		sim_run(s, MS(1));
		CHECK(s, s->now - began < S(13));
	}
	double seconds = (double)(s->now - began) / 1e9;
	sim_note(s, "together again after %.3f s", seconds);
	CHECK(s, (double)(hub->host->bytes_out - sent) < 36 * (1100 * (seconds + 1)) + 10000);
	flow_finish(f);
}

/* ---- More peers than the queue of actions has room for ------------------------------------------- */

/* A registered spoke with keys, made without a handshake; nobody is at the other end. */
static struct session *fabricate(struct engine *e, unsigned number, uint64_t now)
{
	struct sessions *t = &e->plane.sessions;
	uint8_t key[KEY_LEN] = {(uint8_t)(number >> 8), (uint8_t)number, 1};
	struct peer *p = peer_obtain(&e->peers, key, now);
	struct session *s = session_new(t, 1, &e->env);
	struct endpoint at = {.addr = {.family = 4, .bytes = {100, 0, key[0], key[1]}}, .port = 1};
	static const struct ip_addr any;
	if (!p || !s || aead_key_init(&s->tx, 0, key) || aead_key_init(&s->rx, 0, key))
		abort();
	s->peer = p->id;
	s->created_ns = now;
	s->peer_max_udp = 1400;
	session_publish(t, s, SESSION_LIVE);
	p->cert = e->self; /* one that the CA has signed */
	p->cert.role = CERT_SPOKE;
	p->known = true;
	p->current = s->id;
	p->path = PATH_UP;
	p->rekey_at = now + S(100);
	peer_set_endpoint(&e->peers, p, &at, &any);
	atomic_store(&t->paths[p->id].last_rx_ns, now);
	e->nhrp.clients[p->id].first = 0; /* something is bound */
	return s;
}

/* Carries out what the engine wants, as the daemon does. How many datagrams that were. */
static unsigned drain(struct engine *e)
{
	struct action a;
	unsigned sent = 0;
	while (engine_next_action(e, &a))
		sent += a.type == ACTION_SEND;
	return sent;
}

/* The same over as many turns as it takes, each of them with its share of copies. */
static unsigned turns(struct sim *s, struct engine *e, uint64_t now)
{
	enum { MOST = 256 + 16 };
	unsigned sent = 0, got;
	do {
		sent += got = drain(e);
		CHECK_RANGE(s, got, 0, MOST);
		engine_timer(e, now);
	} while (e->fanout.n > 0 && engine_deadline(e) <= now);
	return sent + drain(e);
}

/* 3,000 registered spokes: each gets the hub's multicast, and a new bundle, though the queue holds 768. */
static void everybody_is_sent_what_is_for_everybody(struct sim *s)
{
	enum { N = 3000, WAIT = FANOUT_COPIES / N + 1 };
	static struct session *v[N];
	struct world *w = world_new(s, RTT);
	struct node *hub = world_hub(w, "hub", "10.0.0.1/8");
	hub->config.max_peers = 4096;
	world_up(w);
	struct engine *e = hub->engine;
	uint64_t now = node_now(hub);
	for (unsigned i = 0; i < N; i++)
		v[i] = fabricate(e, i, now);
	struct pen *pen = pen_new(w, hub);
	struct inner hello = {.kind = INNER_UDP, .ttl = 1, .src = node_address(hub, 4)};
	CHECK(s, addr_parse("224.0.0.5", &hello.dst));
	unsigned packets = 0;
	for (; packets < WAIT + 4; packets++) { /* more than wait: those have a name */
		struct pkt *p = pkt_reset(&pen->batch, 0);
		pen->batch.n = 1;
		p->len = (uint32_t)inner_build(p->data, &hello);
		data_from_tun(hub->worker, &pen->batch, now);
		while (engine_drain(e, now))
			;
	}
	CHECK_EQ(s, e->peers.dropped[DROP_MULTICAST_LIMITED], 4);
	clock_t began = clock();
	CHECK_EQ(s, turns(s, e, now), WAIT * N);
	sim_note(s,
		"a hello to 1,000 of them: %.2f ms of the control loop, without the system's part",
		(double)(clock() - began) * 1000 / CLOCKS_PER_SEC / WAIT / N * 1000);
	for (unsigned i = 0; i < N; i++)
		CHECK_EQ(s, v[i]->next_sequence[0], WAIT);
	/* Room again. */
	struct pkt *p = pkt_reset(&pen->batch, 0);
	p->len = (uint32_t)inner_build(p->data, &hello);
	data_from_tun(hub->worker, &pen->batch, now);
	engine_drain(e, now);
	CHECK_EQ(s, turns(s, e, now), N);

	w->bundle.number++;
	world_sign_bundle(w);
	CHECK_EQ(s, engine_set_bundle(e, w->bundle_bytes, w->bundle_len, now), 0);
	drain(e);
	/* It is paced; a revocation that is in it has 5 s. */
	for (uint64_t end = now + S(5); engine_deadline(e) <= end;) {
		now = engine_deadline(e) > now ? engine_deadline(e) : now;
		engine_timer(e, now);
		drain(e);
	}
	for (unsigned i = 0; i < N; i++)
		CHECK(s, v[i]->next_sequence[0] > WAIT + 1);
	CHECK_EQ(s, e->actions.lost, 0);
	node_crash(hub);
}

static const struct sim_case cases[] = {
	{"half-open-handshakes-are-bounded", half_open_handshakes_are_bounded},
	{"the-peer-table-says-that-it-is-full", the_peer_table_says_that_it_is_full},
	{"joins-while-20000-a-second-arrive", joins_while_20000_a_second_arrive},
	{"joins-while-20000-a-second-arrive-with-loss",
		joins_while_20000_a_second_arrive_with_loss},
	{"joins-while-100000-a-second-arrive", joins_while_100000_a_second_arrive},
	{"rekeys-under-a-flood", rekeys_under_a_flood},
	{"a-forged-source-does-not-keep-its-owner-out",
		a_forged_source_does_not_keep_its_owner_out},
	{"everybody-is-sent-what-is-for-everybody", everybody_is_sent_what_is_for_everybody},
	{"resets-under-a-flood-of-unknown-data", resets_under_a_flood_of_unknown_data},
};

SIM_MAIN(cases, 1)
