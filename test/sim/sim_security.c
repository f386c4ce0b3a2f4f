/* What members and strangers may send, and what must not come of it. */
#include "test/sim/run.h"
#include "test/sim/world.h"

#include "core/crypto/primitives.h"
#include "core/engine/node.h"
#include "core/wire/gre.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RTT  MS(40)
#define KEPT 64

/* Everything that is delivered, up to KEPT datagrams a kind and receiver. */
struct recorder {
	bool on;
	struct host *to; /* whose; NULL = anybody's */
	enum gre_kind kind;
	bool data_lanes; /* sealed: lanes of workers only */
	uint8_t type;    /* handshake: of this type */
	unsigned n;
	struct {
		struct endpoint src, dst;
		size_t len;
		uint8_t data[NET_DGRAM_MAX];
	} v[KEPT];
};

static bool record(void *ctx, struct host *to, struct dgram *d)
{
	struct recorder *r = ctx;
	if (!r->on || (r->to && r->to != to) || r->n == KEPT || !d->origin ||
		gre_classify(d->data, d->len) != r->kind)
		return true;
	if (r->kind == GRE_HANDSHAKE && d->data[4] != r->type)
		return true;
	if (r->kind == GRE_SEALED && r->data_lanes && (d->data[7] & 15) == 0)
		return true;
	r->v[r->n].src = d->src;
	r->v[r->n].dst = d->dst;
	r->v[r->n].len = d->len;
	memcpy(r->v[r->n].data, d->data, d->len);
	r->n++;
	return true;
}

struct bed {
	struct world *w;
	struct node *hub, *alice, *bob;
	struct host *mallory; /* on the Internet, without keys */
	struct recorder *r;
};

static struct bed bed_new(struct sim *s)
{
	struct bed b = {.w = world_new(s, RTT)};
	b.w->families = 4;
	b.hub = world_hub(b.w, "hub", "10.0.0.1/24");
	b.alice = world_spoke(b.w, "alice", "10.0.0.11/24", NAT_NONE);
	b.bob = world_spoke(b.w, "bob", "10.0.0.12/24", NAT_NONE);
	b.mallory = net_host(&b.w->net, "mallory", 4754);
	struct ip_addr a;
	CHECK(s, addr_parse("192.0.2.66", &a));
	iface_attach(&b.mallory->iface, &b.mallory->device, b.w->internet);
	iface_add(&b.mallory->iface, &a);
	b.r = calloc(1, sizeof *b.r);
	if (!b.r)
		abort();
	sim_defer(s, free, b.r);
	b.w->net.tap = record;
	b.w->net.tap_ctx = b.r;
	return b;
}

static struct endpoint endpoint_of(const struct host *h)
{
	return (struct endpoint){.addr = h->iface.addrs[0], .port = h->port};
}

static void inject(
	struct bed *b, const struct endpoint *from, struct node *to, const void *data, size_t len)
{
	struct endpoint dst = endpoint_of(to->host);
	net_inject(b->w->internet, from, &dst, data, len);
}

/* ---- Replays -------------------------------------------------------------------------------- */

/* A recorded INITIATION, from its own source and from mallory's: answered, but nothing changes. */
static void replayed_initiation(struct sim *s)
{
	struct bed b = bed_new(s);
	b.r->to = b.hub->host;
	b.r->kind = GRE_HANDSHAKE;
	b.r->type = 1;
	b.r->on = true;
	world_up(b.w);
	CHECK_RANGE(s, b.r->n, 2, KEPT);
	struct flow *f = flow_ping(b.alice, b.hub, 4, MS(20), 0);
	struct flow *g = flow_ping(b.bob, b.hub, 4, MS(20), 0);
	sim_run(s, S(1));
	uint64_t before = node_digest(b.hub);
	struct endpoint mallory = endpoint_of(b.mallory);
	for (unsigned i = 0; i < 200; i++) {
		unsigned k = i % b.r->n;
		inject(&b, i & 1 ? &mallory : &b.r->v[k].src, b.hub, b.r->v[k].data, b.r->v[k].len);
		sim_run(s, MS(50));
	}
	CHECK_EQ(s, node_digest(b.hub), before);
	flow_stop(f);
	flow_finish(g);
	CHECK_EQ(s, flow_lost(f), 0);
	CHECK_EQ(s, flow_lost(g), 0);
}

/* The same against a hub that has just restarted, with alice gone: no session, no binding. */
static void replayed_initiation_after_restart(struct sim *s)
{
	struct bed b = bed_new(s);
	b.r->to = b.hub->host;
	b.r->kind = GRE_HANDSHAKE;
	b.r->type = 1;
	b.r->on = true;
	world_up(b.w);
	node_crash(b.alice);
	node_crash(b.bob);
	node_crash(b.hub);
	world_start_node(b.w, b.hub);
	uint64_t before = node_digest(b.hub);
	for (unsigned i = 0; i < 100; i++) {
		unsigned k = i % b.r->n;
		inject(&b, &b.r->v[k].src, b.hub, b.r->v[k].data, b.r->v[k].len);
		sim_run(s, MS(100));
	}
	CHECK(s, !node_up(b.hub, b.alice));
	CHECK_EQ(s, node_nhrp_count(b.hub, "binding"), 0);
	CHECK_EQ(s, node_status(b.hub).peers_up, 0);
	sim_run(s, S(30));
	CHECK_EQ(s, node_digest(b.hub), before);
	/* And the real alice gets in, whatever the replays left behind. */
	world_start_node(b.w, b.alice);
	WAIT_FOR(s, S(1), node_ready(b.alice));
}

/* Sealed data once more, from the same and from another source: each is counted as a replay. */
static void replayed_data(struct sim *s)
{
	struct bed b = bed_new(s);
	world_up(b.w);
	b.r->to = b.hub->host;
	b.r->kind = GRE_SEALED;
	b.r->data_lanes = true;
	b.r->on = true;
	struct flow *f = flow_ping(b.alice, b.hub, 4, MS(20), 0);
	sim_run(s, S(2));
	CHECK_EQ(s, b.r->n, KEPT);
	uint64_t before = node_digest(b.hub), replays = node_dropped(b.hub, DROP_REPLAY);
	struct endpoint mallory = endpoint_of(b.mallory);
	for (unsigned i = 0; i < KEPT; i++) {
		inject(&b, &b.r->v[i].src, b.hub, b.r->v[i].data, b.r->v[i].len);
		inject(&b, &mallory, b.hub, b.r->v[i].data, b.r->v[i].len);
	}
	sim_run(s, S(1));
	CHECK_EQ(s, node_dropped(b.hub, DROP_REPLAY), replays + 2 * KEPT);
	CHECK_EQ(s, node_digest(b.hub), before);
	flow_finish(f);
	CHECK_EQ(s, flow_lost(f), 0); /* a second delivery would have failed already */
}

/* On the way between two spokes: user data seems to come from another port at times, and what is sent there is passed on. */
struct shifter {
	struct sim *s;
	struct node *n[2];
	unsigned shifted, passed;
};

#define SHIFTED_PORT 6666

static bool shift(void *ctx, struct host *to, struct dgram *d)
{
	struct shifter *x = ctx;
	bool between = (d->origin == x->n[0]->host && to == x->n[1]->host) ||
		(d->origin == x->n[1]->host && to == x->n[0]->host);
	if (!between || gre_classify(d->data, d->len) != GRE_SEALED)
		return true;
	if (d->dst.port == SHIFTED_PORT) {
		d->dst.port = to->port;
		x->passed++;
	} else if ((d->data[7] & 15) != 0 && rng_chance(&x->s->rng, 200000)) {
		d->src.port = SHIFTED_PORT;
		x->shifted++;
	}
	return true;
}

/* The newest packets come from another port of the right address, and who is asked there answers: not from there. */
static void another_port_steers_nobody(struct sim *s)
{
	struct world *w = world_new(s, RTT);
	w->families = 4;
	world_hub(w, "hub", "10.0.0.1/24");
	struct shifter x = {.s = s};
	x.n[0] = world_spoke(w, "alice", "10.0.0.11/24", NAT_NONE);
	x.n[1] = world_spoke(w, "bob", "10.0.0.12/24", NAT_NONE);
	world_up(w);
	struct flow *f = flow_ping(x.n[0], x.n[1], 4, MS(20), 0);
	sim_run(s, S(3));
	struct peer_view before[2], v;
	for (unsigned i = 0; i < 2; i++)
		CHECK(s, node_peer(x.n[i], x.n[!i]->name, &before[i]));
	w->net.tap = shift;
	w->net.tap_ctx = &x;
	for (unsigned ms = 0; ms < 60000; ms += 10) {
		sim_run(s, MS(10));
		for (unsigned i = 0; i < 2; i++) {
			CHECK(s, node_peer(x.n[i], x.n[!i]->name, &v));
			CHECK(s, endpoint_equal(&v.endpoint, &before[i].endpoint));
		}
	}
	CHECK(s, x.shifted > 500);
	CHECK(s, x.passed > 10);
	flow_finish(f);
	CHECK_EQ(s, flow_lost(f), 0);
}

/* ---- Members who lie ------------------------------------------------------------------------ */

static void send_spoofed(struct node *n, const char *src, const char *dst)
{
	/* Flow 0: if it comes out anywhere, the case fails there. */
	struct inner p = {.kind = INNER_UDP, .ttl = 64};
	if (!addr_parse(src, &p.src) || !addr_parse(dst, &p.dst))
		SIM_FAIL(n->sim, "%s or %s is no address", src, dst);
	uint8_t ip[INNER_MAX];
	node_send_packet(n, ip, inner_build(ip, &p));
	sim_run(n->sim, MS(100));
}

/* A spoke's inner sources are those of its certificate; the receiver decides. */
static void spoofed_inner_source(struct sim *s)
{
	struct bed b = bed_new(s);
	world_lan(b.w, b.alice, "192.168.1.0/24");
	node_route(b.bob, "192.168.1.0/24", "10.0.0.1", ROUTE_TYPE_OVERLAY);
	world_up(b.w);
	static const char *const sources[] = {
		"10.0.0.12", "10.0.0.99", "10.0.0.1", "192.168.2.1", "8.8.8.8", "0.0.0.0"};
	unsigned n = sizeof sources / sizeof *sources;
	for (unsigned i = 0; i < n; i++) {
		uint64_t before = node_dropped(b.hub, DROP_BAD_SOURCE);
		send_spoofed(b.alice, sources[i], "10.0.0.1");
		/* The sender's own engine may have stopped it; the hub must, if it gets there. */
		uint64_t own = node_dropped(b.alice, DROP_BAD_SOURCE);
		CHECK(s, own > 0 || node_dropped(b.hub, DROP_BAD_SOURCE) == before + 1);
	}
	/* The same on the direct path. */
	struct flow *f = flow_ping(b.alice, b.bob, 4, MS(20), 0);
	sim_run(s, S(2));
	CHECK(s, node_direct(b.alice, b.bob));
	for (unsigned i = 1; i < n; i++) {
		uint64_t before = node_dropped(b.bob, DROP_BAD_SOURCE);
		send_spoofed(b.alice, sources[i], "10.0.0.12");
		uint64_t own = node_dropped(b.alice, DROP_BAD_SOURCE);
		CHECK(s, own > 0 || node_dropped(b.bob, DROP_BAD_SOURCE) == before + 1);
	}
	/* What the certificate covers passes. */
	struct flow *g =
		flow_start(b.alice, b.bob, INNER_ECHO, "192.168.1.77", "10.0.0.12", MS(20), 50);
	sim_run(s, S(3));
	CHECK_EQ(s, flow_lost(g), 0);
	flow_finish(f);
	CHECK_EQ(s, flow_lost(f), 0);
}

/* A certificate by another CA for the same network: it never gets a session. */
static void certificate_of_another_root(struct sim *s)
{
	struct bed b = bed_new(s);
	world_sign(b.w);
	struct node *eve = world_spoke(b.w, "eve", "10.0.0.66/24", NAT_NONE);
	uint8_t seed[32], secret[64];
	rng_fill(&s->rng, seed, sizeof seed);
	prim_sign_keypair(secret, eve->config.root_key, seed);
	int len = cert_sign(&eve->cert, b.w->network_id, secret, eve->cert_bytes, CERT_MAX);
	CHECK(s, len > 0);
	eve->cert_len = (size_t)len;
	uint8_t *bundle = malloc(BUNDLE_MAX);
	if (!bundle)
		abort();
	sim_defer(s, free, bundle);
	len = bundle_sign(&b.w->bundle, b.w->network_id, secret, bundle, BUNDLE_MAX);
	CHECK(s, len > 0);
	world_start_node(b.w, b.hub);
	world_start_node(b.w, b.alice);
	uint64_t before = node_status(b.hub).peers_up;
	node_start(eve, bundle, (size_t)len);
	sim_run(s, S(60));
	CHECK(s, !node_ready(eve));
	CHECK(s, !node_up(b.hub, eve));
	CHECK_EQ(s, node_status(b.hub).peers_up, before + 1); /* alice */
	struct flow *f = flow_ping(b.alice, b.hub, 4, MS(20), 50);
	sim_run(s, S(3));
	CHECK_EQ(s, flow_lost(f), 0);
}

/* The network demands a psk; who has another one, or none, stays outside. */
static void wrong_psk(struct sim *s)
{
	struct bed b = bed_new(s);
	memset(b.hub->config.psk, 0x55, sizeof b.hub->config.psk);
	memset(b.alice->config.psk, 0x55, sizeof b.alice->config.psk);
	memset(b.bob->config.psk, 0x56, sizeof b.bob->config.psk);
	struct node *carol = world_spoke(b.w, "carol", "10.0.0.13/24", NAT_NONE);
	world_start(b.w);
	sim_run(s, S(30));
	CHECK(s, node_ready(b.alice));
	CHECK(s, !node_ready(b.bob));
	CHECK(s, !node_ready(carol));
	CHECK_EQ(s, node_nhrp_count(b.hub, "binding"), 1);
}

/* More spokes than the hub has room for: those that are in stay in, the others come when there is room. */
static void full_table(struct sim *s)
{
	struct bed b = bed_new(s);
	b.hub->config.max_peers = 8;
	struct node *more[12];
	for (unsigned i = 0; i < 12; i++) {
		char name[16], address[32];
		snprintf(name, sizeof name, "s%u", i);
		snprintf(address, sizeof address, "10.0.0.%u/24", 20 + i);
		more[i] = world_spoke(b.w, name, address, NAT_NONE);
	}
	world_sign(b.w);
	world_start_node(b.w, b.hub);
	world_start_node(b.w, b.alice);
	sim_run(s, S(1));
	struct flow *f = flow_ping(b.alice, b.hub, 4, MS(100), 0);
	unsigned ready = 0;
	for (unsigned i = 0; i < 12; i++)
		world_start_node(b.w, more[i]);
	sim_run(s, S(200));
	for (unsigned i = 0; i < 12; i++)
		ready += node_ready(more[i]);
	CHECK_RANGE(s, ready, 5, 7);
	CHECK(s, node_ready(b.alice));
	for (unsigned i = 0; i < 12; i++)
		if (node_ready(more[i]))
			node_stop(more[i]);
	sim_run(s, S(75));
	unsigned now_ready = 0;
	for (unsigned i = 0; i < 12; i++)
		now_ready += node_ready(more[i]);
	CHECK_EQ(s, now_ready, 12 - ready);
	flow_finish(f);
	CHECK_EQ(s, flow_lost(f), 0);
}

/* A certificate that runs out: after its leeway the session ends, at the latest with the next keys. */
static void certificate_expires(struct sim *s)
{
	struct bed b = bed_new(s);
	b.alice->cert.not_after = SIM_WALL_START + 60;
	world_up(b.w);
	sim_run(s, S(200));
	CHECK(s, node_up(b.hub, b.alice)); /* 60 s and a leeway of 300 s */
	sim_run(s, S(360));
	CHECK(s, !node_up(b.hub, b.alice));
	CHECK(s, node_up(b.hub, b.bob));
}

/*
 * Revoked: the operator gives the hub a new bundle, the hub pushes it, and everybody online has
 * dropped the sessions of that spoke within 5 s.
 */
static void revocation_is_pushed(struct sim *s)
{
	struct bed b = bed_new(s);
	world_up(b.w);
	struct flow *f = flow_ping(b.alice, b.bob, 4, MS(20), 0);
	struct flow *g = flow_ping(b.alice, b.hub, 4, MS(20), 0);
	sim_run(s, S(3));
	CHECK(s, node_direct(b.alice, b.bob));
	world_revoke(b.w, b.bob);
	CHECK_EQ(s, node_set_bundle(b.hub, b.w->bundle_bytes, b.w->bundle_len), 0);
	sim_run(s, S(5));
	CHECK(s, !node_up(b.hub, b.bob));
	CHECK(s, !node_up(b.alice, b.bob));
	struct nhrp_view v;
	CHECK(s, !node_nhrp(b.hub, "binding", "10.0.0.12/32", &v));
	CHECK(s, !node_shortcut(b.alice, "10.0.0.12/32"));
	uint32_t delivered = f->delivered;
	sim_run(s, S(60));
	CHECK_EQ(s, f->delivered, delivered);
	CHECK(s, !node_up(b.hub, b.bob));
	/* A restart with an old bundle does not help the revoked one; nor does one of the hub. */
	node_crash(b.bob);
	b.w->bundle.number--;
	b.w->bundle.n_revoked = 0;
	world_sign_bundle(b.w);
	node_start(b.bob, b.w->bundle_bytes, b.w->bundle_len);
	sim_run(s, S(30));
	CHECK(s, !node_up(b.hub, b.bob));
	node_crash(b.hub);
	world_start_node(b.w, b.hub); /* from what it saved */
	sim_run(s, S(30));
	CHECK(s, node_up(b.hub, b.alice));
	CHECK(s, !node_up(b.hub, b.bob));
	CHECK_EQ(s, f->delivered, delivered);
	flow_stop(f);
	flow_finish(g);
}

/* ---- Strangers ------------------------------------------------------------------------------ */

/* One datagram that might be anything: noise, or a real one cut, flipped or with another header. */
static size_t make_garbage(struct sim *s, const struct recorder *r, uint8_t *out)
{
	size_t len;
	if (r->n == 0 || rng_below(&s->rng, 4) == 0) {
		len = rng_below(&s->rng, 1400);
		rng_fill(&s->rng, out, len);
		if (len >= 4 && rng_below(&s->rng, 2))
			store_u32(
				out, rng_below(&s->rng, 2) ? GRE_SEALED_WORD : GRE_HANDSHAKE_WORD);
		if (len >= 8 && rng_below(&s->rng, 2))
			store_u32(out + 4, (uint32_t)rng_between(&s->rng, 1, 6) << 24 | 0x010000);
		return len;
	}
	unsigned k = (unsigned)rng_below(&s->rng, r->n);
	len = r->v[k].len;
	memcpy(out, r->v[k].data, len);
	if (rng_below(&s->rng, 2)) {
		len = rng_below(&s->rng, len);
	} else {
		unsigned flips = (unsigned)rng_between(&s->rng, 1, 3);
		while (flips-- > 0) {
			uint64_t bit = rng_below(&s->rng, len * 8);
			out[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
	return len;
}

static void garbage(struct sim *s, enum gre_kind kind, uint8_t type, bool spoof)
{
	struct bed b = bed_new(s);
	b.r->kind = kind;
	b.r->type = type;
	b.r->on = true;
	world_up(b.w);
	struct flow *f = flow_ping(b.alice, b.bob, 4, MS(20), 0);
	struct flow *g = flow_ping(b.alice, b.hub, 4, MS(20), 0);
	sim_run(s, S(3));
	CHECK(s, node_direct(b.alice, b.bob));
	struct node *const targets[] = {b.hub, b.alice, b.bob};
	uint64_t before[3], sent = 0, back = b.w->net.fates[NET_CLOSED];
	for (unsigned i = 0; i < 3; i++)
		before[i] = node_digest(targets[i]);
	struct endpoint mallory = endpoint_of(b.mallory);
	uint64_t packets = 0;
	for (unsigned i = 0; i < 10000; i++) {
		uint8_t data[NET_DGRAM_MAX];
		size_t len = make_garbage(s, b.r, data);
		struct node *to = targets[rng_below(&s->rng, 3)];
		struct endpoint from = mallory;
		if (spoof && b.r->n > 0)
			from = b.r->v[rng_below(&s->rng, b.r->n)].src;
		inject(&b, &from, to, data, len);
		sent += len;
		packets++;
		if (i % 10 == 9)
			sim_run(s, MS(2));
	}
	sim_run(s, S(1));
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(s, node_digest(targets[i]), before[i]);
	/* Mallory's socket is not open: what comes back to him is counted there. */
	back = b.w->net.fates[NET_CLOSED] - back;
	CHECK(s, back <= packets / 10);
	sim_run(s, S(140)); /* over the next rekey */
	flow_stop(f);
	flow_finish(g);
	CHECK_EQ(s, flow_lost(f), 0);
	CHECK_EQ(s, flow_lost(g), 0);
	CHECK(s, sent > 0);
}

static void garbage_like_data(struct sim *s)
{
	garbage(s, GRE_SEALED, 0, false);
}

static void garbage_like_data_spoofed(struct sim *s)
{
	garbage(s, GRE_SEALED, 0, true);
}

static void garbage_like_initiations(struct sim *s)
{
	garbage(s, GRE_HANDSHAKE, 1, false);
}

static void garbage_like_responses_spoofed(struct sim *s)
{
	garbage(s, GRE_HANDSHAKE, 2, true);
}

static void garbage_like_probes_spoofed(struct sim *s)
{
	garbage(s, GRE_HANDSHAKE, 5, true);
}

/*
 * 4000 INITIATIONs a second with a valid mac1 from everywhere: the hub asks for cookies and answers no more
 * than it gets; its members notice nothing, and a newcomer gets in.
 */
static void joins_under_a_flood(struct sim *s)
{
	struct bed b = bed_new(s);
	b.r->to = b.hub->host;
	b.r->kind = GRE_HANDSHAKE;
	b.r->type = 1;
	b.r->on = true;
	struct node *carol = world_spoke(b.w, "carol", "10.0.0.13/24", NAT_PORT_RESTRICTED);
	world_sign(b.w);
	world_start_node(b.w, b.hub);
	world_start_node(b.w, b.alice);
	world_start_node(b.w, b.bob);
	sim_run(s, S(1));
	struct flow *f = flow_ping(b.alice, b.hub, 4, MS(20), 0);
	unsigned n = b.r->n;
	CHECK(s, n >= 2);
	uint64_t in = 0, out = b.hub->host->bytes_out;
	for (unsigned ms = 0; ms < 8000; ms++) {
		for (unsigned k = 0; k < 4; k++) {
			struct endpoint from = endpoint_of(b.mallory);
			rng_fill(&s->rng, from.addr.bytes, 3);
			from.addr.bytes[0] = 100;
			const unsigned at = (unsigned)rng_below(&s->rng, n);
			inject(&b, &from, b.hub, b.r->v[at].data, b.r->v[at].len);
			in += b.r->v[at].len;
		}
		if (ms == 3000)
			world_start_node(b.w, carol);
		sim_run(s, MS(1));
	}
	CHECK(s, node_ready(carol));
	out = b.hub->host->bytes_out - out;
	sim_note(s, "%llu KiB in, %llu KiB out", (unsigned long long)(in >> 10),
		(unsigned long long)(out >> 10));
	CHECK(s, out < in / 2);
	flow_finish(f);
	CHECK_EQ(s, flow_lost(f), 0);
}

/* ---- RESET ---------------------------------------------------------------------------------- */

/* Counts the INITIATIONs that reach the hub. */
struct counter {
	struct recorder *r;
	struct host *hub;
	unsigned initiations;
};

static bool count_initiations(void *ctx, struct host *to, struct dgram *d)
{
	struct counter *c = ctx;
	c->initiations += to == c->hub && gre_classify(d->data, d->len) == GRE_HANDSHAKE &&
		d->data[GRE_PLAIN_LEN] == 1;
	return record(c->r, to, d);
}

/*
 * The hub crashes, comes back, and tells alice so by a RESET, which mallory keeps:
 *   the genuine one again and again: its index is of yesterday, nothing happens;
 *   the same for the index of today, with the token of yesterday, or any other: nothing happens.
 * All of them from the hub's own address.
 */
static void resets_forged_and_replayed(struct sim *s)
{
	struct bed b = bed_new(s);
	struct counter c = {.r = b.r, .hub = b.hub->host};
	b.w->net.tap = count_initiations;
	b.w->net.tap_ctx = &c;
	b.r->to = b.alice->host;
	b.r->kind = GRE_HANDSHAKE;
	b.r->type = 6;
	b.r->on = true;
	world_up(b.w);
	struct flow *f = flow_ping(b.alice, b.hub, 4, MS(20), 0);
	sim_run(s, S(3));
	node_crash(b.hub);
	world_start_node(b.w, b.hub);
	WAIT_FOR(s, S(2), node_nhrp_count(b.hub, "binding") >= 1);
	CHECK(s, b.r->n > 0);
	sim_run(s, S(25)); /* bob, who has nothing to say, has found out by then, too */
	uint64_t then = s->now, before = node_digest(b.alice);
	unsigned initiations = c.initiations;
	const struct peer *hub = peer_find(&b.alice->engine->peers, b.hub->cert.static_key);
	CHECK(s, hub != NULL);
	uint8_t reset[NET_DGRAM_MAX];
	size_t len = b.r->v[0].len;
	for (unsigned i = 0; i < 300; i++) {
		memcpy(reset, b.r->v[0].data, len);
		if (i % 3 > 0)
			store_u32(reset + 8,
				session_at(&b.alice->engine->plane.sessions, hub->current)
					->remote_index);
		if (i % 3 > 1)
			rng_fill(&s->rng, reset + len - MAC_LEN, MAC_LEN);
		inject(&b, &b.r->v[0].src, b.alice, reset, len);
		sim_run(s, MS(20));
	}
	CHECK_EQ(s, c.initiations, initiations);
	CHECK_EQ(s, node_digest(b.alice), before);
	sim_run(s, S(1));
	CHECK_EQ(s, flow_lost_between(f, then, s->now - S(1)), 0);
	flow_stop(f);
}

/*
 * Mallory sits on the path, takes alice's packets away and sends them on from his own address. They
 * are newest and genuine, so the hub challenges his address; he passes nothing back, so the path stays.
 */
struct thief {
	struct bed *b;
	bool active;
};

static bool steal(void *ctx, struct host *to, struct dgram *d)
{
	struct thief *t = ctx;
	if (!t->active || to != t->b->hub->host || d->origin != t->b->alice->host)
		return true;
	struct endpoint mallory = endpoint_of(t->b->mallory);
	inject(t->b, &mallory, t->b->hub, d->data, d->len);
	return false;
}

static void endpoint_is_not_stolen(struct sim *s)
{
	struct bed b = bed_new(s);
	world_up(b.w);
	struct thief t = {.b = &b};
	b.w->net.tap = steal;
	b.w->net.tap_ctx = &t;
	struct flow *f = flow_ping(b.alice, b.hub, 4, MS(20), 0);
	sim_run(s, S(2));
	t.active = true;
	sim_run(s, MS(500));
	t.active = false;
	uint64_t then = s->now;
	sim_run(s, S(10));
	struct peer_view v;
	CHECK(s, node_peer(b.hub, "alice", &v));
	struct endpoint alice = endpoint_of(b.alice->host);
	CHECK(s, endpoint_equal(&v.endpoint, &alice));
	CHECK_EQ(s, flow_lost_between(f, then + S(1), s->now - S(1)), 0);
}

static const struct sim_case cases[] = {
	{"replayed-initiation", replayed_initiation},
	{"replayed-initiation-after-restart", replayed_initiation_after_restart},
	{"replayed-data", replayed_data},
	{"another-port-steers-nobody", another_port_steers_nobody},
	{"spoofed-inner-source", spoofed_inner_source},
	{"certificate-of-another-root", certificate_of_another_root},
	{"wrong-psk", wrong_psk},
	{"full-table", full_table},
	{"certificate-expires", certificate_expires},
	{"revocation-is-pushed", revocation_is_pushed},
	{"garbage-like-data", garbage_like_data},
	{"garbage-like-data-spoofed", garbage_like_data_spoofed},
	{"garbage-like-initiations", garbage_like_initiations},
	{"garbage-like-responses-spoofed", garbage_like_responses_spoofed},
	{"garbage-like-probes-spoofed", garbage_like_probes_spoofed},
	{"joins-under-a-flood", joins_under_a_flood},
	{"resets-forged-and-replayed", resets_forged_and_replayed},
	{"endpoint-is-not-stolen", endpoint_is_not_stolen},
};

SIM_MAIN(cases, 1)
