/* No stranger is answered with more bytes than he sent, whatever it is. */
#include "test/sim/pen.h"
#include "test/sim/run.h"

#include "core/crypto/cookie.h"
#include "core/engine/node.h"

#include <string.h>

#define RTT MS(40)

struct kind {
	const char *name;
	uint64_t datagrams, in, out;
	size_t largest; /* answer */
};

static void measure(struct pen *pen, struct kind *k, const uint8_t *data, size_t len)
{
	struct sim *s = pen->w->sim;
	for (unsigned i = 0; i < 4; i++) { /* both families, both ways in */
		struct endpoint from = pen_anywhere(s, i & 1 ? 6 : 4);
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
			pen_member(pen, &m, 1000 * i + k, true);
			measure(pen, &fresh, m.message, m.len);
			measure(pen, &again, m.message, m.len);
			pen_member(pen, &m, 5000 + k, false);
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
	struct endpoint from = pen_anywhere(s, 4);
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
		struct endpoint from = pen_anywhere(s, 4);
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

static const struct sim_case cases[] = {
	{"amplification", amplification},
	{"amplification-of-known-indices", amplification_of_known_indices},
	{"probes", probes},
	{"forged-responses", forged_responses},
};

SIM_MAIN(cases, 1)
