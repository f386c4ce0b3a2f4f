/*
 * Interop mode against what FRR really says: a hub and spokes made of the captured packets in
 * test/vectors/nhrp, on the addresses that they were captured with. Underlay 10.99.0.0/24: hub .10, spokes
 * .11 and .12, a NAT's outside .200; overlay 10.0.0.0/24: hub .1, spoke N .N, 192.168.N.0/24 behind it.
 */
#include "core/base/cursor.h"
#include "core/engine/node.h"
#include "core/wire/gre.h"
#include "core/wire/ip.h"
#include "test/sim/run.h"
#include "test/sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PACKET_MAX 1500
#define HEARD_MAX  64

struct heard {
	struct ip_addr from, to;
	struct gre_plain gre;
	size_t len;
	uint8_t bytes[PACKET_MAX];
};

/* We, and all others of that network, who are hosts without a node. */
struct bed {
	struct sim *sim;
	struct world *w;
	struct node *we;
	unsigned n;
	struct heard heard[HEARD_MAX]; /* by the others */
};

static struct ip_addr address(const char *text)
{
	struct ip_addr a;
	if (!addr_parse(text, &a))
		abort();
	return a;
}

static bool listen(void *ctx, struct host *to, struct dgram *d)
{
	struct bed *b = ctx;
	if (to->owner)
		return true;
	struct heard *h = &b->heard[b->n++ % HEARD_MAX];
	*h = (struct heard){.from = d->src.addr, .to = d->dst.addr};
	CHECK(b->sim, d->dst.port == 4754 || d->dst.addr.bytes[3] == 200);
	CHECK_EQ(b->sim, gre_plain_read(d->data, d->len, &h->gre), 0);
	h->len = d->len - h->gre.hdr_len;
	memcpy(h->bytes, d->data + h->gre.hdr_len, h->len);
	return false;
}

static struct bed *bed_new(struct sim *s, const char *nbma, const char *overlay, const char *word,
	uint32_t key, bool hub)
{
	static const char *const others[] = {
		"10.99.0.1", "10.99.0.10", "10.99.0.11", "10.99.0.12", "10.99.0.200"};
	struct bed *b = calloc(1, sizeof *b);
	if (!b)
		abort();
	sim_defer(s, free, b);
	b->sim = s;
	b->w = world_new(s, MS(10));
	b->w->families = 4;
	struct node *bundled = hub ? NULL : world_hub(b->w, "sealed", "10.0.0.99/24");
	b->we = hub ? world_hub(b->w, "we", overlay) : world_spoke(b->w, "we", overlay, NAT_NONE);
	(void)bundled;
	b->we->host->iface.addrs[0] = address(nbma);
	struct host *crowd = net_host(&b->w->net, "others", 4754);
	iface_attach(&crowd->iface, &crowd->device, b->w->internet);
	unsigned n = 0;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (strcmp(others[i], nbma) != 0)
			crowd->iface.addrs[n++] = address(others[i]);
	crowd->iface.n_addrs = n;
	b->w->net.tap = listen;
	b->w->net.tap_ctx = b;
	struct engine_interop *hubs = &b->we->config.interop[0], *spokes = hubs + !hub;
	*hubs = (struct engine_interop){.name = "hub", .hub = true, .n_allow = 3};
	prefix_parse("10.99.0.10", &hubs->underlay);
	prefix_parse("10.0.0.1", &hubs->allow[0]);
	prefix_parse("10.0.0.0/24", &hubs->allow[1]);
	prefix_parse("192.168.0.0/16", &hubs->allow[2]);
	*spokes = (struct engine_interop){.name = "spokes", .n_allow = 2};
	prefix_parse("10.99.0.0/24", &spokes->underlay);
	prefix_parse("10.0.0.0/24", &spokes->allow[0]);
	prefix_parse("192.168.0.0/16", &spokes->allow[1]);
	b->we->config.n_interop = hub ? 1 : 2;
	for (unsigned i = 0; i < b->we->config.n_interop; i++) {
		strcpy(b->we->config.interop[i].word, word);
		b->we->config.interop[i].have_key = key != 0;
		b->we->config.interop[i].key = key;
	}
	return b;
}

static void begin(struct bed *b)
{
	world_sign(b->w);
	node_start(b->we, b->we->hub ? b->w->bundle_bytes : NULL, b->w->bundle_len);
}

/* ---- Speaking ------------------------------------------------------------------------------- */

static size_t vector(const char *name, uint8_t out[PACKET_MAX])
{
	char path[512];
	snprintf(path, sizeof path, TEST_VECTORS "/nhrp/packets/%s.hex", name);
	FILE *f = fopen(path, "r");
	size_t len = 0;
	unsigned byte;
	if (!f)
		abort();
	while (len < PACKET_MAX && fscanf(f, "%2x", &byte) == 1)
		out[len++] = (uint8_t)byte;
	fclose(f);
	return len;
}

static void say(struct bed *b, const char *from, uint16_t protocol, uint32_t key,
	const uint8_t *bytes, size_t len)
{
	uint8_t datagram[GRE_PLAIN_MAX + PACKET_MAX];
	struct gre_plain header = {.protocol = protocol, .have_key = key != 0, .key = key};
	size_t header_len = gre_plain_write(datagram, &header);
	struct endpoint src = {.addr = address(from), .port = 4754};
	struct endpoint dst = {.addr = b->we->host->iface.addrs[0], .port = 4754};
	memcpy(datagram + header_len, bytes, len);
	net_inject(b->w->internet, &src, &dst, datagram, header_len + len);
	sim_run(b->sim, MS(50));
}

/* A captured packet as it is. */
static void say_vector(struct bed *b, const char *from, uint32_t key, const char *name)
{
	uint8_t bytes[PACKET_MAX];
	say(b, from, GRE_PROTO_NHRP, key, bytes, vector(name, bytes));
}

/* The same as the answer to a request of ours: with its number, and nothing else changed. */
static void say_answer(struct bed *b, const char *from, const char *name, uint32_t request_id)
{
	uint8_t bytes[PACKET_MAX];
	size_t len = vector(name, bytes);
	store_u32(bytes + 24, request_id);
	store_u16(bytes + 12, 0);
	store_u16(bytes + 12, ip_checksum(bytes, len));
	say(b, from, GRE_PROTO_NHRP, 0, bytes, len);
}

/* ---- Hearing -------------------------------------------------------------------------------- */

/* The last NHRP packet of this type to this address; NULL: none. It borrows. */
static const struct heard *last(
	struct bed *b, const char *to, enum nhrp_type type, struct nhrp_packet *out)
{
	struct ip_addr a = address(to);
	for (unsigned i = b->n; i-- > 0 && b->n - i < HEARD_MAX;) {
		struct heard *h = &b->heard[i % HEARD_MAX];
		if (h->gre.protocol == GRE_PROTO_NHRP && addr_equal(&h->to, &a) &&
			nhrp_decode(h->bytes, h->len, out) == 0 && out->type == type)
			return h;
	}
	return NULL;
}

static bool same_cies(const struct nhrp_cies *a, const struct nhrp_cies *b)
{
	bool same = a->n == b->n;
	for (unsigned i = 0; same && i < a->n; i++)
		same = a->v[i].code == b->v[i].code && addr_equal(&a->v[i].nbma, &b->v[i].nbma) &&
			addr_equal(&a->v[i].proto, &b->v[i].proto);
	return same;
}

/* What we say is what FRR said: addresses, CIEs, the lists of the extensions, the word. */
static void expect_like(struct bed *b, const struct nhrp_packet *ours, const char *name)
{
	static uint8_t bytes[PACKET_MAX];
	struct nhrp_packet frr;
	CHECK_EQ(b->sim, nhrp_decode(bytes, vector(name, bytes), &frr), 0);
	CHECK_EQ(b->sim, ours->type, frr.type);
	CHECK(b->sim, addr_equal(&ours->src_nbma, &frr.src_nbma));
	CHECK(b->sim, addr_equal(&ours->src_proto, &frr.src_proto));
	CHECK(b->sim, addr_equal(&ours->dst_proto, &frr.dst_proto));
	CHECK(b->sim, same_cies(&ours->cies, &frr.cies));
	CHECK(b->sim, same_cies(&ours->responder, &frr.responder));
	CHECK(b->sim, same_cies(&ours->forward, &frr.forward));
	CHECK(b->sim, same_cies(&ours->nat, &frr.nat));
	CHECK_EQ(b->sim, ours->auth_len, frr.auth_len);
	CHECK(b->sim, ours->auth_len == 0 || memcmp(ours->auth, frr.auth, frr.auth_len) == 0);
	CHECK(b->sim, !nhrp_ext_find(ours, NHRP_EXT_VENDOR));
	CHECK(b->sim, ours->hop_count >= 1);
}

/* ---- We are the hub ------------------------------------------------------------------------- */

static void register_as(
	struct bed *b, const char *from, uint32_t key, const char *request, const char *reply)
{
	struct nhrp_packet p;
	say_vector(b, from, key, request);
	const struct heard *h = last(b, from, NHRP_REGISTRATION_REPLY, &p);
	CHECK(b->sim, h != NULL);
	CHECK(b->sim, h->gre.have_key == (key != 0) && h->gre.key == key);
	expect_like(b, &p, reply);
}

static void registers(struct sim *s)
{
	struct bed *b = bed_new(s, "10.99.0.10", "10.0.0.1/24", "", 0, true);
	begin(b);
	register_as(b, "10.99.0.11", 0, "registration-request-fou", "registration-reply");
	register_as(b, "10.99.0.11", 0, "registration-request-renewal", "registration-reply");
	CHECK_EQ(s, node_nhrp_count(b->we, "binding"), 1);
	/* It lives as long as it said, 60 s, and is nobody then. */
	sim_run(s, S(61));
	CHECK_EQ(s, node_nhrp_count(b->we, "binding"), 0);
	CHECK_EQ(s, node_status(b->we).peers, 0);
}

static void registers_unique_with_key(struct sim *s)
{
	struct bed *b = bed_new(s, "10.99.0.10", "10.0.0.1/24", "", 42, true);
	begin(b);
	register_as(
		b, "10.99.0.11", 42, "registration-request-unique", "registration-reply-unique");
	/* From another address while the first one is alive. */
	struct nhrp_packet p;
	say_vector(b, "10.99.0.12", 42, "registration-request-unique");
	CHECK(s, last(b, "10.99.0.12", NHRP_REGISTRATION_REPLY, &p) != NULL);
	CHECK_EQ(s, p.cies.v[0].code, NHRP_CODE_ALREADY_REGISTERED);
	/* Without the key nothing happens at all. */
	say_vector(b, "10.99.0.200", 0, "registration-request-nat");
	CHECK(s, !last(b, "10.99.0.200", NHRP_REGISTRATION_REPLY, &p));
	CHECK_EQ(s, node_dropped(b->we, DROP_PLAIN_KEY), 1);
}

static void registers_with_the_word(struct sim *s)
{
	struct bed *b = bed_new(s, "10.99.0.10", "10.0.0.1/24", "s3cret42", 0, true);
	struct nhrp_packet p;
	begin(b);
	register_as(b, "10.99.0.11", 0, "registration-request-auth", "registration-reply-auth");
	say_vector(b, "10.99.0.12", 0, "registration-request-fou");
	CHECK(s, !last(b, "10.99.0.12", NHRP_REGISTRATION_REPLY, &p));
	CHECK(s, last(b, "10.99.0.12", NHRP_ERROR_INDICATION, &p) != NULL);
	CHECK_EQ(s, p.error_code, NHRP_ERROR_AUTHENTICATION);
	CHECK_EQ(s, p.n_exts, 0);
	CHECK_EQ(s, node_dropped(b->we, DROP_PLAIN_AUTH), 1);
	/* An error about ours has no word, and gets no answer. */
	unsigned n = b->n;
	say_vector(b, "10.99.0.12", 0, "error-indication-auth");
	CHECK_EQ(s, b->n, n);
}

static void registers_behind_nat(struct sim *s)
{
	struct bed *b = bed_new(s, "10.99.0.10", "10.0.0.1/24", "", 0, true);
	begin(b);
	register_as(b, "10.99.0.200", 0, "registration-request-nat", "registration-reply-nat");
}

/* Data from 11 for what is behind 12: relayed, told of; then the request, passed on and answered. */
static void redirects_and_passes_on(struct sim *s)
{
	struct bed *b = bed_new(s, "10.99.0.10", "10.0.0.1/24", "", 0, true);
	uint8_t bytes[PACKET_MAX];
	struct nhrp_packet p;
	node_route(b->we, "192.168.12.0/24", "10.0.0.12", ROUTE_TYPE_OVERLAY);
	begin(b);
	say_vector(b, "10.99.0.11", 0, "registration-request-fou");
	/* 12's is 11's with another last byte in both addresses, whose sum is the same as before. */
	size_t len = vector("registration-request-fou", bytes);
	bytes[31] = bytes[35] = bytes[39] = 12;
	store_u16(bytes + 12, 0);
	store_u16(bytes + 12, ip_checksum(bytes, len));
	say(b, "10.99.0.12", GRE_PROTO_NHRP, 0, bytes, len);
	CHECK_EQ(s, node_nhrp_count(b->we, "binding"), 2);

	struct inner echo = {.kind = INNER_ECHO,
		.src = address("192.168.11.1"),
		.dst = address("192.168.12.1"),
		.ttl = 64,
		.flow = INNER_LOOSE};
	len = inner_build(bytes, &echo);
	say(b, "10.99.0.11", GRE_PROTO_IPV4, 0, bytes, len);
	CHECK(s, last(b, "10.99.0.11", NHRP_TRAFFIC_INDICATION, &p) != NULL);
	struct ip_addr told = address("192.168.11.1"), hub = address("10.0.0.1");
	CHECK(s, addr_equal(&p.dst_proto, &told) && addr_equal(&p.src_proto, &hub));
	CHECK_EQ(s, p.n_exts, 0);
	CHECK(s, p.payload_len >= 28);

	say_vector(b, "10.99.0.11", 0, "resolution-request");
	CHECK(s, last(b, "10.99.0.12", NHRP_RESOLUTION_REQUEST, &p) != NULL);
	CHECK_EQ(s, p.hop_count, 63);
	CHECK_EQ(s, p.forward.n, 1);
	CHECK(s, addr_equal(&p.forward.v[0].proto, &hub));
	CHECK_EQ(s, p.nat.n, 0);
}

/* ---- We are a spoke ------------------------------------------------------------------------- */

static struct bed *spoke_of_frr(struct sim *s, const char *nbma, const char *overlay)
{
	struct bed *b = bed_new(s, nbma, overlay, "", 0, false);
	struct nhrp_packet p;
	char lan[32];
	snprintf(lan, sizeof lan, "192.168.%u.0/24", address(nbma).bytes[3]);
	world_lan(b->w, b->we, lan);
	node_route(b->we, "192.168.0.0/16", "10.0.0.1", ROUTE_TYPE_OVERLAY);
	begin(b);
	sim_run(s, MS(50));
	CHECK(s, last(b, "10.99.0.10", NHRP_REGISTRATION_REQUEST, &p) != NULL);
	/* As FRR's own, but for the next hop server, which it does not know, and we do. */
	CHECK_EQ(s, p.cies.n, 1);
	CHECK(s, p.cies.v[0].nbma.family == 0 && p.cies.v[0].proto.family == 0);
	CHECK_EQ(s, p.cies.v[0].prefix_len, 32);
	CHECK_EQ(s, p.flags, NHRP_FLAG_NAT);
	CHECK(s, !nhrp_ext_find(&p, NHRP_EXT_VENDOR));
	CHECK_EQ(s, p.nat.n, 1);
	struct ip_addr hub = address("10.0.0.1"), at = address("10.99.0.10");
	CHECK(s, addr_equal(&p.nat.v[0].nbma, &at) && addr_equal(&p.nat.v[0].proto, &hub));
	CHECK(s, addr_equal(&p.dst_proto, &hub));
	return b;
}

/* FRR's reply, made out to us; then a word with it. */
static void is_registered(struct bed *b)
{
	struct nhrp_packet p;
	CHECK(b->sim, last(b, "10.99.0.10", NHRP_REGISTRATION_REQUEST, &p) != NULL);
	say_answer(b, "10.99.0.10", "registration-reply", p.request_id);
	CHECK(b->sim, node_ready(b->we));
}

static void send_to_12(struct bed *b)
{
	uint8_t bytes[PACKET_MAX];
	struct inner echo = {.kind = INNER_ECHO,
		.src = address("192.168.11.1"),
		.dst = address("192.168.12.1"),
		.ttl = 64,
		.flow = INNER_LOOSE};
	node_send_packet(b->we, bytes, inner_build(bytes, &echo));
	sim_run(b->sim, MS(50));
}

static const struct heard *last_data(struct bed *b)
{
	for (unsigned i = b->n; i-- > 0 && b->n - i < HEARD_MAX;)
		if (b->heard[i % HEARD_MAX].gre.protocol == GRE_PROTO_IPV4)
			return &b->heard[i % HEARD_MAX];
	return NULL;
}

/* Told by the hub, asking it, answered by the very spoke, whom we have never met. */
static void resolves_and_goes_directly(struct sim *s)
{
	struct bed *b = spoke_of_frr(s, "10.99.0.11", "10.0.0.11/24");
	struct ip_addr hub = address("10.99.0.10"), other = address("10.99.0.12");
	struct nhrp_packet p;
	is_registered(b);
	send_to_12(b);
	CHECK(s, last_data(b) && addr_equal(&last_data(b)->to, &hub));
	say_vector(b, "10.99.0.10", 0, "traffic-indication");
	CHECK(s, last(b, "10.99.0.10", NHRP_RESOLUTION_REQUEST, &p) != NULL);
	struct ip_addr target = address("192.168.12.1");
	CHECK(s, addr_equal(&p.dst_proto, &target) || node_nhrp_count(b->we, "resolution") > 0);

	/* Not by that number; not from who is not listed. */
	say_answer(b, "10.99.0.12", "resolution-reply-forwarded", p.request_id + 1);
	CHECK_EQ(s, node_nhrp_count(b->we, "shortcut"), 0);
	say_answer(b, "10.98.0.12", "resolution-reply-forwarded", p.request_id);
	CHECK_EQ(s, node_nhrp_count(b->we, "shortcut"), 0);
	say_answer(b, "10.99.0.12", "resolution-reply-forwarded", p.request_id);
	CHECK(s, node_shortcut(b->we, "192.168.12.0/24"));
	send_to_12(b);
	CHECK(s, last_data(b) && addr_equal(&last_data(b)->to, &other));
}

/* The request that FRR's hub has passed on to us: our answer is the one that FRR's spoke gave. */
static void answers_like_frr(struct sim *s)
{
	struct bed *b = spoke_of_frr(s, "10.99.0.11", "10.0.0.11/24");
	struct nhrp_packet p;
	is_registered(b);
	say_vector(b, "10.99.0.10", 0, "resolution-request-forwarded");
	CHECK(s, last(b, "10.99.0.10", NHRP_RESOLUTION_REPLY, &p) != NULL);
	expect_like(b, &p, "resolution-reply");
	CHECK_EQ(s, p.cies.v[0].prefix_len, 24);
	/* Who asked may now talk to us: 12 has never been heard before. */
	uint8_t bytes[PACKET_MAX];
	struct inner echo = {.kind = INNER_ECHO,
		.src = address("10.0.0.12"),
		.dst = address("192.168.11.1"),
		.ttl = 64,
		.flow = INNER_LOOSE};
	say(b, "10.99.0.12", GRE_PROTO_IPV4, 0, bytes, inner_build(bytes, &echo));
	/* Our answer goes by the hub as yet: nobody has told us a shorter way. */
	struct ip_addr hub = address("10.99.0.10");
	CHECK(s, last_data(b) && addr_equal(&last_data(b)->to, &hub));
	/* As 12, and as nobody else. */
	echo.src = address("10.0.0.13");
	say(b, "10.99.0.12", GRE_PROTO_IPV4, 0, bytes, inner_build(bytes, &echo));
	CHECK_EQ(s, node_dropped(b->we, DROP_BAD_SOURCE), 1);
	echo.src = address("10.0.0.13");
	say(b, "10.99.0.200", GRE_PROTO_IPV4, 0, bytes, inner_build(bytes, &echo));
	CHECK_EQ(s, node_dropped(b->we, DROP_PLAIN_STRANGER), 1);
}

/* Answered by one behind a NAT: the address to go to is that in the NAT extension. */
static void goes_to_the_outside_of_a_nat(struct sim *s)
{
	struct bed *b = spoke_of_frr(s, "10.99.0.12", "10.0.0.12/24");
	uint8_t bytes[PACKET_MAX];
	struct nhrp_packet p;
	CHECK(s, last(b, "10.99.0.10", NHRP_REGISTRATION_REQUEST, &p) != NULL);
	size_t len = vector("registration-reply", bytes);
	bytes[31] = bytes[35] = 12;
	store_u32(bytes + 24, p.request_id);
	store_u16(bytes + 12, 0);
	store_u16(bytes + 12, ip_checksum(bytes, len));
	say(b, "10.99.0.10", GRE_PROTO_NHRP, 0, bytes, len);
	CHECK(s, node_ready(b->we));
	struct inner echo = {.kind = INNER_ECHO,
		.src = address("192.168.12.1"),
		.dst = address("192.168.21.1"),
		.ttl = 64,
		.flow = INNER_LOOSE};
	node_send_packet(b->we, bytes, inner_build(bytes, &echo));
	sim_run(s, MS(50));
	nhrp_want(&b->we->engine->nhrp, &echo.dst, node_now(b->we));
	node_settle(b->we);
	sim_run(s, MS(50));
	CHECK(s, last(b, "10.99.0.10", NHRP_RESOLUTION_REQUEST, &p) != NULL);
	say_answer(b, "10.99.0.10", "resolution-reply-nat", p.request_id);
	CHECK(s, node_shortcut(b->we, "192.168.21.0/24"));
	node_send_packet(b->we, bytes, inner_build(bytes, &echo));
	sim_run(s, MS(50));
	struct ip_addr outside = address("10.99.0.200");
	CHECK(s, last_data(b) && addr_equal(&last_data(b)->to, &outside));
}

static const struct sim_case cases[] = {
	{"registers", registers},
	{"registers-unique-with-key", registers_unique_with_key},
	{"registers-with-the-word", registers_with_the_word},
	{"registers-behind-nat", registers_behind_nat},
	{"redirects-and-passes-on", redirects_and_passes_on},
	{"resolves-and-goes-directly", resolves_and_goes_directly},
	{"answers-like-frr", answers_like_frr},
	{"goes-to-the-outside-of-a-nat", goes_to_the_outside_of_a_nat},
};

SIM_MAIN(cases, 2)
