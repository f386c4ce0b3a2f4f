/* Strangers in great numbers: who still gets in, what they can make a node send, what stays bounded. */
#include "test/sim/run.h"
#include "test/sim/world.h"

#include "core/crypto/cookie.h"
#include "core/crypto/handshake.h"
#include "core/engine/node.h"
#include "core/wire/gre.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RTT       MS(40)
#define NEWCOMERS 40

/* ---- A stranger with a pen: datagrams straight into an engine ----------------------------------- */

struct pen {
	struct world *w;
	struct node *to;
	struct pkt_batch batch;
	struct env env;
	uint8_t reply[1600]; /* the last datagram that came back */
	size_t reply_len;
	uint64_t in, out; /* bytes of UDP payload */
};

static void pen_free(void *ctx)
{
	struct pen *pen = ctx;
	pkt_batch_fini(&pen->batch);
	free(pen);
}

static void pen_random(void *ctx, void *out, size_t len)
{
	rng_fill(&((struct pen *)ctx)->w->sim->rng, out, len);
}

static struct pen *pen_new(struct world *w, struct node *to)
{
	struct pen *pen = calloc(1, sizeof *pen);
	if (!pen || pkt_batch_init(&pen->batch, 1) != 0)
		abort();
	pen->w = w;
	pen->to = to;
	pen->env = (struct env){.ctx = pen, .random = pen_random};
	sim_defer(w->sim, pen_free, pen);
	return pen;
}

/* A random source, or one of few. */
static struct endpoint anywhere(struct sim *s, uint8_t family)
{
	struct endpoint e = {
		.addr = {.family = family}, .port = (uint16_t)rng_between(&s->rng, 1024, 65535)};
	rng_fill(&s->rng, e.addr.bytes, family == 4 ? 4 : 16);
	e.addr.bytes[0] = family == 4 ? 100 : 0x2a;
	return e;
}

/* One datagram in; what it made the node send at once, which is all for its source. Returns that length. */
static size_t pen_write(struct pen *pen, const struct endpoint *from, const uint8_t *data,
	size_t len, bool by_worker)
{
	struct sim *s = pen->w->sim;
	struct action a;
	size_t out = 0;
	struct pkt *p = pkt_reset(&pen->batch, 0);
	pen->batch.n = 1;
	memcpy(p->data, data, len);
	p->len = (uint32_t)len;
	p->remote = *from;
	if (by_worker) {
		data_from_udp(pen->to->worker, &pen->batch, node_now(pen->to));
		while (engine_drain(pen->to->engine, node_now(pen->to)))
			;
	} else {
		engine_receive(pen->to->engine, p, node_now(pen->to));
	}
	CHECK(s, p->verdict == PKT_CONSUMED || p->verdict == PKT_DROP);
	while (engine_next_action(pen->to->engine, &a)) {
		CHECK_EQ(s, a.type, ACTION_SEND);
		CHECK(s, endpoint_equal(&a.send.to, from));
		memcpy(pen->reply, a.send.data, a.send.len);
		pen->reply_len = a.send.len;
		out += a.send.len;
	}
	pen->in += len;
	pen->out += out;
	node_settle(pen->to);
	return out;
}

/* ---- Members that are made by the thousand ------------------------------------------------------ */

struct member {
	struct handshake_identity id;
	struct handshake hs;
	struct endpoint at;
	uint8_t message[GRE_PLAIN_LEN + 1300];
	size_t len;
};

/* A key, a certificate of the CA (or none that holds) and an INITIATION to the pen's node. */
static void member_make(struct pen *pen, struct member *m, unsigned number, bool signed_by_ca)
{
	struct world *w = pen->w;
	struct sim *s = w->sim;
	uint8_t secret[KEY_LEN], cert_bytes[CERT_MAX];
	struct cert cert = pen->to->cert;
	rng_fill(&s->rng, secret, sizeof secret);
	handshake_identity_init(&m->id, secret, w->network_id, NULL);
	snprintf(cert.name, sizeof cert.name, "m%u", number);
	cert.role = CERT_SPOKE;
	cert.serial = 100000 + number;
	cert.n_prefixes = 0;
	cert.n_addresses = 1;
	CHECK(s, prefix_parse("10.0.0.0/8", &cert.addresses[0]));
	store_u32(cert.addresses[0].addr.bytes, 0x0a800000 + number);
	memcpy(cert.static_key, m->id.public_key, KEY_LEN);
	int len = cert_sign(&cert, w->network_id, w->root_secret, cert_bytes, sizeof cert_bytes);
	CHECK(s, len > 0);
	if (!signed_by_ca)
		cert_bytes[len - 1] ^= 1;
	struct handshake_offer offer = {.index = number + 1,
		.ciphers = 1,
		.max_udp = 1400,
		.lanes = 2,
		.certificate = cert_bytes,
		.certificate_len = (uint16_t)len};
	handshake_timestamp(offer.timestamp, sim_wall_s(s), 0);
	gre_handshake_write(m->message);
	len = handshake_initiate(&m->hs, &m->id, &pen->env, pen->to->cert.static_key, NULL, &offer,
		m->message + GRE_PLAIN_LEN, sizeof m->message - GRE_PLAIN_LEN);
	CHECK(s, len > 0);
	m->len = (size_t)len + GRE_PLAIN_LEN;
	m->at = anywhere(s, 4);
}

static bool is_type(const struct pen *pen, size_t out, uint8_t type)
{
	return out > GRE_PLAIN_LEN && pen->reply[GRE_PLAIN_LEN] == type;
}

/* As a member does: with mac2 once more, if it is asked for a cookie. True: answered by a RESPONSE. */
static bool member_send(struct pen *pen, struct member *m)
{
	size_t out = pen_write(pen, &m->at, m->message, m->len, false);
	if (is_type(pen, out, MESSAGE_COOKIE)) {
		uint8_t cookie[MAC_LEN], key[KEY_LEN];
		cookie_seal_key(key, pen->to->cert.static_key);
		CHECK_EQ(pen->w->sim,
			cookie_consume(pen->reply + GRE_PLAIN_LEN, out - GRE_PLAIN_LEN, m->hs.mac1,
				key, cookie),
			0);
		cookie_stamp_mac2(m->message + GRE_PLAIN_LEN, m->len - GRE_PLAIN_LEN, cookie);
		out = pen_write(pen, &m->at, m->message, m->len, false);
	}
	return is_type(pen, out, MESSAGE_RESPONSE);
}

/* ---- Amplification ------------------------------------------------------------------------------ */

struct kind {
	const char *name;
	uint64_t datagrams, in, out;
	size_t largest; /* answer */
};

static void measure(struct pen *pen, struct kind *k, const uint8_t *data, size_t len)
{
	struct sim *s = pen->w->sim;
	for (unsigned i = 0; i < 4; i++) { /* both families, both ways in */
		struct endpoint from = anywhere(s, i & 1 ? 6 : 4);
		size_t out = pen_write(pen, &from, data, len, i & 2);
		if (out > len)
			SIM_FAIL(s, "%s: %zu bytes for %zu", k->name, out, len);
		k->datagrams++;
		k->in += len;
		k->out += out;
		k->largest = out > k->largest ? out : k->largest;
	}
}

static void report(struct sim *s, const struct kind *k, bool answered)
{
	sim_note(s, "%-34s %7llu datagrams, factor %.3f, longest answer %zu", k->name,
		(unsigned long long)k->datagrams, k->in ? (double)k->out / (double)k->in : 0.0,
		k->largest);
	CHECK(s, k->out <= k->in);
	CHECK_EQ(s, k->out > 0, answered);
}

/* Each length from nothing to 1300, with this GRE word in front and `type` behind it, otherwise noise. */
static void every_length(
	struct pen *pen, const char *name, uint32_t word, uint8_t type, bool answered)
{
	struct kind k = {.name = name};
	uint8_t data[1300];
	for (size_t len = 0; len <= sizeof data; len++) {
		rng_fill(&pen->w->sim->rng, data, sizeof data);
		store_u32(data, word);
		if (type)
			store_u32(data + 4, (uint32_t)type << 24 | 0x010000);
		measure(pen, &k, data, len);
		/* RESETs and COOKIEs have budgets, which are not to be what keeps the factor down. */
		sim_run(pen->w->sim, MS(5));
	}
	report(pen->w->sim, &k, answered);
}

static void valid_mac1(struct pen *pen, const char *name, bool loaded)
{
	struct kind k = {.name = name};
	uint8_t data[GRE_PLAIN_LEN + 1300], key[KEY_LEN];
	cookie_mac1_key(key, pen->to->cert.static_key);
	for (size_t len = MESSAGE_INITIATION_MIN; len <= MESSAGE_INITIATION_MAX; len++) {
		rng_fill(&pen->w->sim->rng, data, sizeof data);
		gre_handshake_write(data);
		store_u32(data + 4, 0x01010000);
		store_u32(data + 8, 1 + (uint32_t)len);
		cookie_stamp_mac1(data + GRE_PLAIN_LEN, len, key);
		if (len & 1) /* a mac2 that is none */
			rng_fill(&pen->w->sim->rng, data + GRE_PLAIN_LEN + len - MAC_LEN, MAC_LEN);
		measure(pen, &k, data, len + GRE_PLAIN_LEN);
		sim_run(pen->w->sim, loaded ? MS(1) : MS(10));
	}
	report(pen->w->sim, &k, loaded);
}

static void amplification(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	struct node *hub = world_hub(w, "hub", "10.0.0.1/8");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/8", NAT_NONE);
	hub->config.max_peers = alice->config.max_peers = 1024;
	world_up(w);
	/* A hub and a spoke have the same duties. */
	for (unsigned i = 0; i < 2; i++) {
		struct pen *pen = pen_new(w, i ? alice : hub);
		static const char *const names[] = {"noise", "INITIATION of noise",
			"RESPONSE of noise", "COOKIE of noise", "type 4 of noise", "PROBE of noise",
			"RESET of noise", "type 7 of noise"};
		for (uint8_t type = 0; type < 8; type++)
			every_length(pen, names[type], GRE_HANDSHAKE_WORD, type, false);
		every_length(pen, "sealed, unknown index", GRE_SEALED_WORD, 0, true);
		every_length(pen, "IPv4 in plain GRE", 0x00000800, 0, false);
		every_length(pen, "IPv4 in plain GRE with key", 0x20000800, 0, false);
		every_length(pen, "NHRP in plain GRE", 0x00002001, 0, false);
		every_length(pen, "no GRE", 0xffffffff, 0, false);
		valid_mac1(pen, "INITIATION, right mac1, then noise", false);
		valid_mac1(pen, "the same under load", true);

		struct kind fresh = {.name = "INITIATION of a member, first"};
		struct kind again = {.name = "the same again"};
		struct kind forged = {.name = "INITIATION, forged certificate"};
		sim_run(s, S(3)); /* the load is over */
		for (unsigned k = 0; k < 200; k++) {
			static struct member m;
			member_make(pen, &m, 1000 * i + k, true);
			measure(pen, &fresh, m.message, m.len);
			measure(pen, &again, m.message, m.len);
			member_make(pen, &m, 5000 + k, false);
			measure(pen, &forged, m.message, m.len);
			sim_run(s, MS(50));
		}
		report(s, &fresh, true);
		report(s, &again, true);
		report(s, &forged, false);
		sim_note(s, "%s: all kinds together %.3f", i ? "spoke" : "hub",
			(double)pen->out / (double)pen->in);
		CHECK(s, pen->out <= pen->in);
	}
}

/* A known index with a tag that does not fit, from anywhere: nothing comes back, nor is the path doubted. */
static void amplification_of_known_indices(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	struct node *hub = world_hub(w, "hub", "10.0.0.1/8");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/8", NAT_NONE);
	world_up(w);
	struct pen *pen = pen_new(w, hub);
	struct peer *p = peer_find(&hub->engine->peers, alice->cert.static_key);
	CHECK(s, p != NULL);
	uint32_t index = session_at(&hub->engine->plane.sessions, p->current)->local_index;
	struct kind k = {.name = "sealed, known index, wrong tag"};
	uint8_t data[1300];
	uint64_t before = node_digest(hub);
	for (size_t len = SEALED_HEADER_LEN; len <= sizeof data; len++) {
		rng_fill(&s->rng, data, sizeof data);
		gre_sealed_write(data, index, (uint8_t)(len & 1), (uint32_t)len);
		measure(pen, &k, data, len);
	}
	report(s, &k, false);
	CHECK_EQ(s, node_digest(hub), before);
}

static size_t write_probe(struct pen *pen, const struct endpoint *from, const struct probe *probe,
	const uint8_t key[KEY_LEN])
{
	uint8_t data[GRE_PLAIN_LEN + MESSAGE_PROBE_LEN];
	gre_handshake_write(data);
	probe_build(data + GRE_PLAIN_LEN, probe, key);
	return pen_write(pen, from, data, sizeof data, false);
}

/*
 * PROBEs of a punch that is going on. Who does not know its key gets nothing; an answer to no probe of ours is
 * none; probes are answered by as many bytes, and not for ever.
 */
static void probes(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	world_hub(w, "hub", "10.0.0.1/8");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/8", NAT_NONE);
	struct node *bob = world_spoke(w, "bob", "10.0.0.12/8", NAT_NONE);
	world_up(w);
	struct pen *pen = pen_new(w, alice);
	struct peers *t = &alice->engine->peers;
	uint8_t key[KEY_LEN] = {7}, wrong[KEY_LEN] = {8};
	struct candidate at = {.endpoint = {.addr = bob->host->iface.addrs[0], .port = 4754}};
	/* Bob is away: whoever answers is somebody else. */
	node_crash(bob);
	punch_start(t, 99, key, bob->cert.static_key, &at, 1, node_now(alice));
	node_settle(alice);
	struct endpoint from = anywhere(s, 4);
	struct probe probe = {.token_id = 98};
	uint64_t refused = t->dropped[DROP_HANDSHAKE_REFUSED], bad = t->dropped[DROP_BAD_MAC];
	CHECK_EQ(s, write_probe(pen, &from, &probe, key), 0); /* another token */
	CHECK_EQ(s, t->dropped[DROP_HANDSHAKE_REFUSED], refused + 1);
	probe.token_id = 99;
	CHECK_EQ(s, write_probe(pen, &from, &probe, wrong), 0);
	probe.answer = true;
	CHECK_EQ(s, write_probe(pen, &from, &probe, wrong), 0);
	CHECK_EQ(s, write_probe(pen, &from, &probe, key), 0); /* to a nonce that was never sent */
	CHECK_EQ(s, t->dropped[DROP_BAD_MAC], bad + 3);
	CHECK(s, !peer_find(t, bob->cert.static_key));
	/* With the key, but from where nobody was said to be: an answer, and no more. */
	probe.answer = false;
	size_t out = write_probe(pen, &from, &probe, key);
	CHECK_EQ(s, out, GRE_PLAIN_LEN + MESSAGE_PROBE_LEN);
	CHECK(s, !peer_find(t, bob->cert.static_key));
	unsigned answered = 1;
	for (unsigned i = 0; i < 200; i++) {
		out = write_probe(pen, &from, &probe, key);
		CHECK(s, out == 0 || out == GRE_PLAIN_LEN + MESSAGE_PROBE_LEN);
		answered += out > 0;
	}
	CHECK_EQ(s, answered, 80);
	/* From there, with whatever port: the handshake that it is for, once. */
	punch_start(t, 100, key, bob->cert.static_key, &at, 1, node_now(alice));
	node_settle(alice);
	probe.token_id = 100;
	from = at.endpoint;
	from.port++;
	CHECK_RANGE(s, write_probe(pen, &from, &probe, key), 36 + 644, 36 + 1232);
	CHECK_EQ(s, write_probe(pen, &from, &probe, key), GRE_PLAIN_LEN + MESSAGE_PROBE_LEN);
}

/*
 * Somebody who saw a spoke's INITIATION, and knows its key, answers it a thousand times a second: 20 of those
 * are looked into, and the hub's own answer counts when it comes.
 */
static void forged_responses(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	struct node *hub = world_hub(w, "hub", "10.0.0.1/8");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/8", NAT_NONE);
	world_sign(w);
	world_start_node(w, alice);
	struct peers *t = &alice->engine->peers;
	struct peer *p = peer_find(t, hub->cert.static_key);
	WAIT_FOR(s, S(1), p->init.active);
	struct pen *pen = pen_new(w, alice);
	uint8_t data[GRE_PLAIN_LEN + 300], key[KEY_LEN];
	cookie_mac1_key(key, alice->cert.static_key);
	for (unsigned i = 0; i < 3000; i++) {
		struct endpoint from = anywhere(s, 4);
		rng_fill(&s->rng, data, sizeof data);
		gre_handshake_write(data);
		store_u32(data + 4, 0x02010000);
		store_u32(data + 8, i + 1);
		store_u32(data + 12, p->init.hs.local_index);
		cookie_stamp_mac1(data + GRE_PLAIN_LEN, sizeof data - GRE_PLAIN_LEN, key);
		CHECK_EQ(s, pen_write(pen, &from, data, sizeof data, false), 0);
		sim_run(s, MS(1));
	}
	CHECK_RANGE(s, t->dropped[DROP_HANDSHAKE_REFUSED], 60, 82);
	CHECK_EQ(s, t->dropped[DROP_RATE_LIMITED], 3000 - t->dropped[DROP_HANDSHAKE_REFUSED]);
	world_start_node(w, hub);
	WAIT_FOR(s, S(6), node_ready(alice));
}

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
		member_make(pen, &m, i, true);
		answered += member_send(pen, &m);
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
		member_make(pen, &m, i, true);
		CHECK_EQ(s, member_send(pen, &m), i < 64);
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
		struct endpoint from = anywhere(f->w->sim, 4);
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
			struct endpoint from = anywhere(s, 4);
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

/* 3,000 registered spokes: each gets the hub's multicast, and a new bundle, though the queue holds 768. */
static void everybody_is_sent_what_is_for_everybody(struct sim *s)
{
	enum { N = 3000 };
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
	for (; packets < FANOUT_MAX + 4; packets++) { /* more than wait: those have a name */
		struct pkt *p = pkt_reset(&pen->batch, 0);
		pen->batch.n = 1;
		p->len = (uint32_t)inner_build(p->data, &hello);
		data_from_tun(hub->worker, &pen->batch, now);
		while (engine_drain(e, now))
			;
	}
	CHECK_EQ(s, e->peers.dropped[DROP_RATE_LIMITED], 4);
	CHECK_EQ(s, drain(e), FANOUT_MAX * N);
	for (unsigned i = 0; i < N; i++)
		CHECK_EQ(s, v[i]->next_sequence[0], FANOUT_MAX);
	/* Room again. */
	struct pkt *p = pkt_reset(&pen->batch, 0);
	p->len = (uint32_t)inner_build(p->data, &hello);
	data_from_tun(hub->worker, &pen->batch, now);
	engine_drain(e, now);
	CHECK_EQ(s, drain(e), N);

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
		CHECK(s, v[i]->next_sequence[0] > FANOUT_MAX + 1);
	CHECK_EQ(s, e->actions.lost, 0);
	node_crash(hub);
}

static const struct sim_case cases[] = {
	{"amplification", amplification},
	{"amplification-of-known-indices", amplification_of_known_indices},
	{"probes", probes},
	{"forged-responses", forged_responses},
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
