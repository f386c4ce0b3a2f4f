/*
 * What RFC 2332 asks of the messages themselves, sections 5.1 to 5.2.4: docs/rfc2332.md names these cases.
 */
#include "test/sim/rfc2332.h"
#include "test/sim/run.h"

#include "core/base/cursor.h"
#include "core/wire/ip.h"

/* ---- 5.1 Fixed header ------------------------------------------------------------------------- */

static void hop_count_zero_is_not_forwarded(struct sim *s)
{
	struct trio t = trio_new(s);
	struct nhrp_packet p = resolution(&t, "10.0.0.12");
	uint8_t bytes[EAR_BYTES];
	p.hop_count = 0;
	int len = nhrp_encode(&p, bytes, sizeof bytes);
	say(t.alice, t.hub, &p);
	CHECK_EQ(s, ear_count(t.bob, NHRP_RESOLUTION_REQUEST), 0);
	const struct nhrp_packet *e = the_error(t.alice, NHRP_ERROR_HOP_COUNT, 9);
	/* It quotes what was sent, from who found it to who sent it. */
	CHECK_EQ(s, e->payload_len, len);
	CHECK(s, memcmp(e->payload, bytes, (size_t)len) == 0);
	struct ip_addr hub = node_address(t.hub, 4), alice = node_address(t.alice, 4);
	CHECK(s, addr_equal(&e->src_proto, &hub));
	CHECK(s, addr_equal(&e->dst_proto, &alice));
	/* Where it ends, zero is as good as any. */
	ear_forget();
	p = resolution(&t, "10.0.0.12");
	p.hop_count = 1;
	say(t.alice, t.hub, &p);
	CHECK_EQ(s, heard(t.bob, NHRP_RESOLUTION_REQUEST)->hop_count, 0);
	CHECK_EQ(s, ear_count(t.alice, NHRP_RESOLUTION_REPLY), 1);
	/* A reply with none left on its way back. */
	ear_forget();
	p = resolution(&t, "10.0.0.12");
	p = reply_of_bob(&t, &p);
	p.hop_count = 0;
	say(t.bob, t.hub, &p);
	CHECK_EQ(s, ear_count(t.alice, NHRP_RESOLUTION_REPLY), 0);
	the_error(t.bob, NHRP_ERROR_HOP_COUNT, 9);
}

/* The reply has the hop count of a packet of its own; a repeated request has its id. */
static void reply_is_made_of_the_request(struct sim *s)
{
	struct trio t = trio_new(s);
	struct nhrp_packet p = resolution(&t, "192.168.2.9");
	p.hop_count = 17;
	p.request_id = 0xFEDCBA98;
	say(t.alice, t.hub, &p);
	CHECK_EQ(s, heard(t.bob, NHRP_RESOLUTION_REQUEST)->hop_count, 16);
	const struct nhrp_packet *r = heard(t.alice, NHRP_RESOLUTION_REPLY);
	CHECK_EQ(s, r->hop_count, 254);
	CHECK_EQ(s, r->request_id, 0xFEDCBA98);
	CHECK(s, addr_equal(&r->src_proto, &p.src_proto));
	CHECK(s, addr_equal(&r->dst_proto, &p.dst_proto));
	CHECK(s, addr_equal(&r->src_nbma, &p.src_nbma));
	CHECK_EQ(s, r->nbma_family, p.nbma_family);
}

/* Version, type, checksum: answered as a protocol error, which names the field. */
static void protocol_error_names_the_field(struct sim *s)
{
	static const struct {
		uint8_t at, value;
		uint16_t offset;
	} bad[] = {{16, 2, 16}, {17, 99, 17}, {0, 7, 0}, {2, 9, 2}, {13, 0, 12}};
	struct trio t = trio_new(s);
	struct nhrp_packet p = purge(&t, "10.0.0.11");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		uint8_t bytes[EAR_BYTES];
		int len = nhrp_encode(&p, bytes, sizeof bytes);
		if (bad[i].at == 13) {
			bytes[13] ^= 1;
		} else {
			bytes[bad[i].at] = bad[i].value;
			store_u16(bytes + 12, 0);
			store_u16(bytes + 12, ip_checksum(bytes, (size_t)len));
		}
		ear_forget();
		ear_say_bytes(t.alice, t.hub, bytes, (size_t)len);
		sim_run(s, S(1));
		the_error(t.alice, NHRP_ERROR_PROTOCOL, bad[i].offset);
		CHECK_EQ(s, ear_count(t.alice, NHRP_PURGE_REPLY), 0);
	}
}

/* ---- 5.2.0.1 Mandatory part --------------------------------------------------------------------- */

/* The same id when a request is sent again, another for another; the answer ends it. */
static void request_id_stays_when_repeated(struct sim *s)
{
	struct trio t = trio_new(s);
	ear_deafen(t.hub, NHRP_REGISTRATION_REQUEST, 3);
	struct ip_addr another = addr(s, "172.16.77.1");
	engine_address(t.alice->engine, &another, false, node_now(t.alice));
	node_settle(t.alice);
	sim_run(s, S(5));
	CHECK_EQ(s, ear_count(t.hub, NHRP_REGISTRATION_REQUEST), 4);
	uint32_t id = ear_at(t.hub, NHRP_REGISTRATION_REQUEST, 0)->packet.request_id;
	for (unsigned i = 1; i < 4; i++)
		CHECK_EQ(s, ear_at(t.hub, NHRP_REGISTRATION_REQUEST, i)->packet.request_id, id);
	CHECK_EQ(s, heard(t.alice, NHRP_REGISTRATION_REPLY)->request_id, id);
	/* The refresh, after a third of the holding time, is a new request. */
	ear_forget();
	sim_run(s, S(200));
	uint32_t next = heard_from(t.hub, NHRP_REGISTRATION_REQUEST, t.alice)->request_id;
	CHECK_RANGE(s, next - id, 1, 1000);

	ear_forget();
	ear_deafen(t.hub, NHRP_RESOLUTION_REQUEST, 2);
	struct flow *f = flow_ping(t.alice, t.bob, 4, MS(100), 100);
	sim_run(s, S(9));
	flow_finish(f);
	CHECK_EQ(s, ear_count(t.hub, NHRP_RESOLUTION_REQUEST), 3);
	id = ear_at(t.hub, NHRP_RESOLUTION_REQUEST, 0)->packet.request_id;
	CHECK_EQ(s, ear_at(t.hub, NHRP_RESOLUTION_REQUEST, 0)->packet.flags, 0xC802);
	CHECK_EQ(s, ear_at(t.hub, NHRP_RESOLUTION_REQUEST, 1)->packet.request_id, id);
	CHECK_EQ(s, heard(t.hub, NHRP_RESOLUTION_REQUEST)->request_id, id);
	CHECK_EQ(s, heard(t.alice, NHRP_RESOLUTION_REPLY)->request_id, id);
	CHECK(s, node_direct(t.alice, t.bob));
}

/* After a restart the ids start anywhere: the session tells the hub that it is another life. */
static void restart_begins_with_other_ids(struct sim *s)
{
	struct trio t = trio_new(s);
	struct nhrp_view v;
	ear_forget();
	for (unsigned i = 0; i < 5; i++) {
		node_crash(t.alice);
		sim_run(s, S(1));
		world_start_node(t.w, t.alice);
		WAIT_FOR(s, S(10), node_ready(t.alice));
		CHECK(s, node_nhrp(t.hub, "binding", "10.0.0.11/32", &v));
		CHECK(s, v.age_ns > 0 || i == 0);
	}
	/* Some of five random starts are below their predecessor. */
	unsigned n = ear_count(t.hub, NHRP_REGISTRATION_REQUEST), accepted = 0;
	CHECK_EQ(s, ear_count(t.alice, NHRP_REGISTRATION_REPLY), n);
	for (unsigned i = 0; i < n; i++)
		accepted += ear_at(t.alice, NHRP_REGISTRATION_REPLY, i)->packet.cies.v[0].code == 0;
	CHECK_EQ(s, accepted, n);
}

static void check_own_cie(struct sim *s, const struct nhrp_cie *cie, uint8_t prefix_len)
{
	CHECK_EQ(s, cie->code | cie->mtu | cie->preference, 0);
	CHECK_EQ(s, cie->prefix_len, prefix_len);
	CHECK_EQ(s, cie->holding_time_s, 600);
}

/* The fields of what warren asks by itself. */
static void requests_of_ours(struct sim *s)
{
	struct trio t = trio_new(s);
	struct ip_addr alice = node_address(t.alice, 4), hub = node_address(t.hub, 4);
	struct flow *f = flow_ping(t.alice, t.bob, 4, MS(100), 5);
	sim_run(s, S(1));
	flow_finish(f);
	const struct nhrp_packet *q = heard_from(t.hub, NHRP_RESOLUTION_REQUEST, t.alice);
	CHECK_EQ(s, q->flags, 0xC802); /* Q, A, S, no U */
	CHECK_EQ(s, q->hop_count, 255);
	CHECK_EQ(s, q->cies.n, 1);
	check_own_cie(s, &q->cies.v[0], 0);
	CHECK_EQ(s, q->cies.v[0].nbma.family | q->cies.v[0].proto.family, 0);

	sim_run(s, S(200));
	q = heard_from(t.hub, NHRP_REGISTRATION_REQUEST, t.alice);
	CHECK_EQ(s, q->flags, NHRP_FLAG_NAT);
	CHECK(s, addr_equal(&q->src_proto, &alice));
	CHECK(s, addr_equal(&q->dst_proto, &hub));
	check_own_cie(s, &q->cies.v[0], 32);
	CHECK(s, addr_equal(&q->cies.v[0].proto, &alice));
}

/* bob's answer is good for 40 s, and once more when it was used; nothing renews what is not used. */
static void shortcut_ends_with_its_holding_time(struct sim *s)
{
	struct trio t = trio_new(s);
	struct nhrp_view v;
	t.bob->config.holding_time_s = 40;
	node_stop(t.bob);
	world_start_node(t.w, t.bob);
	WAIT_FOR(s, S(10), node_ready(t.bob));
	struct flow *f =
		flow_start(t.alice, t.bob, INNER_ECHO, "10.0.0.11", "192.168.2.7", MS(50), 20);
	sim_run(s, S(2));
	flow_finish(f);
	for (unsigned i = 0; i < 2; i++) {
		CHECK(s, node_nhrp(t.alice, "shortcut", "192.168.2.0/24", &v));
		CHECK_RANGE(s, v.expires_ns, S(25), S(40));
		sim_run(s, i ? v.expires_ns - S(1) : S(30));
	}
	CHECK(s, node_nhrp(t.alice, "shortcut", "192.168.2.0/24", &v));
	sim_run(s, S(2));
	CHECK(s, !node_nhrp(t.alice, "shortcut", "192.168.2.0/24", &v));
	CHECK(s, node_direct(t.alice, t.bob)); /* it was not for want of a path */
}

/* What comes is compared by id, source and destination, not believed. */
static void reply_to_another_request_is_ignored(struct sim *s)
{
	struct trio t = trio_new(s);
	struct nhrp_view v;
	ear_deafen(t.hub, NHRP_RESOLUTION_REQUEST, 1);
	struct flow *f = flow_ping(t.alice, t.bob, 4, MS(100), 2);
	sim_run(s, MS(100));
	struct nhrp_packet p = reply_of_bob(&t, heard(t.hub, NHRP_RESOLUTION_REQUEST));
	p.request_id++;
	say(t.hub, t.alice, &p);
	CHECK(s, node_nhrp(t.alice, "resolution", "10.0.0.12/32", &v));
	CHECK(s, strcmp(v.state, "pending") == 0);
	flow_finish(f);
	/* While a registration is waited for. */
	ear_forget();
	ear_deafen(t.hub, NHRP_REGISTRATION_REQUEST, 100);
	sim_run(s, S(202));
	struct nhrp_packet q = *heard_from(t.hub, NHRP_REGISTRATION_REQUEST, t.alice);
	q.type = NHRP_REGISTRATION_REPLY;
	q.cies.v[0].code = NHRP_CODE_PROHIBITED;
	q.request_id++;
	say(t.hub, t.alice, &q);
	CHECK(s, node_nhrp(t.alice, "registration", NULL, &v));
	CHECK(s, strcmp(v.state, "registered") == 0);
	q.request_id--;
	q.src_proto = node_address(t.bob, 4);
	say(t.hub, t.alice, &q);
	CHECK(s, node_nhrp(t.alice, "registration", NULL, &v));
	CHECK(s, strcmp(v.state, "registered") == 0);
	q.src_proto = node_address(t.alice, 4);
	say(t.hub, t.alice, &q);
	CHECK(s, node_nhrp(t.alice, "registration", NULL, &v));
	CHECK_EQ(s, v.code, NHRP_CODE_PROHIBITED);
}

/* ---- 5.2.1, 5.2.2 Resolution -------------------------------------------------------------------- */

static void reply_flags(struct sim *s)
{
	struct trio t = trio_new(s);
	struct nhrp_packet p = resolution(&t, "192.168.2.9");
	p.flags |= 0x0001; /* unused */
	say(t.alice, t.hub, &p);
	/* Q, S and NAT as asked, A and D: the LAN is on a link of bob's. */
	CHECK_EQ(s, heard(t.alice, NHRP_RESOLUTION_REPLY)->flags, 0xE802);
	CHECK_EQ(s, heard(t.alice, NHRP_RESOLUTION_REPLY)->cies.n, 1);
	p = resolution(&t, "10.0.0.12");
	p.flags = NHRP_RES_AUTHORITATIVE;
	say(t.alice, t.hub, &p);
	CHECK_EQ(s, heard(t.alice, NHRP_RESOLUTION_REPLY)->flags, 0x6000);
	/* Behind another router: not stable. */
	node_unroute(t.bob, "192.168.2.0/24");
	node_route(t.bob, "192.168.2.0/24", "172.16.1.77", ROUTE_TYPE_OTHER);
	sim_run(s, MS(100));
	p = resolution(&t, "192.168.2.9");
	say(t.alice, t.hub, &p);
	CHECK_EQ(s, heard(t.alice, NHRP_RESOLUTION_REPLY)->flags, 0xC802);
	CHECK_EQ(s, heard(t.alice, NHRP_RESOLUTION_REPLY)->cies.v[0].code, 0);
}

/* Code 13, unless the binding is one address's own: then one CIE of length 255, with the flag. */
static void unique_is_an_address_of_its_own(struct sim *s)
{
	struct trio t = trio_new(s);
	struct nhrp_packet p = resolution(&t, "192.168.2.9");
	p.flags |= NHRP_RES_UNIQUE;
	p.cies.v[0].prefix_len = NHRP_PREFIX_HOST;
	say(t.alice, t.hub, &p);
	const struct nhrp_packet *r = heard(t.alice, NHRP_RESOLUTION_REPLY);
	CHECK_EQ(s, r->cies.v[0].code, NHRP_CODE_NOT_UNIQUE);
	CHECK_EQ(s, r->flags & (NHRP_RES_UNIQUE | NHRP_RES_AUTHORITATIVE), 0);
	p = resolution(&t, "10.0.0.12");
	p.flags |= NHRP_RES_UNIQUE;
	p.cies.v[0].prefix_len = NHRP_PREFIX_HOST;
	say(t.alice, t.hub, &p);
	r = heard(t.alice, NHRP_RESOLUTION_REPLY);
	CHECK_EQ(s, r->cies.n, 1);
	CHECK_EQ(s, r->cies.v[0].code, 0);
	CHECK_EQ(s, r->cies.v[0].prefix_len, 255);
	CHECK(s, r->flags & NHRP_RES_UNIQUE);
}

/* The requester may say how wide the answer may be. */
static void widest_acceptable_prefix(struct sim *s)
{
	static const struct {
		uint8_t asked, answered;
	} lens[] = {{0, 24}, {16, 24}, {24, 24}, {27, 27}, {32, 24}, {255, 24}};
	struct trio t = trio_new(s);
	for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
		struct nhrp_packet p = resolution(&t, "192.168.2.9");
		p.cies.v[0].prefix_len = lens[i].asked;
		say(t.alice, t.hub, &p);
		const struct nhrp_packet *r = heard(t.alice, NHRP_RESOLUTION_REPLY);
		CHECK_EQ(s, r->cies.v[0].code, 0);
		CHECK_EQ(s, r->cies.v[0].prefix_len, lens[i].answered);
	}
}

/* A NAK has one CIE, in which nothing but the code is there, and what came with the request. */
static void nak_is_one_empty_cie(struct sim *s)
{
	static const struct {
		const char *target;
		uint8_t code;
	} naks[] = {{"10.0.0.99", NHRP_CODE_NO_BINDING}, {"172.31.0.1", NHRP_CODE_PROHIBITED}};
	struct trio t = trio_new(s);
	for (size_t i = 0; i < sizeof naks / sizeof *naks; i++) {
		struct nhrp_packet p = resolution(&t, naks[i].target);
		p.cies.v[0].mtu = 1400;
		say(t.alice, t.hub, &p);
		const struct nhrp_packet *r = heard(t.alice, NHRP_RESOLUTION_REPLY);
		CHECK_EQ(s, r->cies.n, 1);
		const struct nhrp_cie *c = &r->cies.v[0];
		CHECK_EQ(s, c->code, naks[i].code);
		CHECK_EQ(s, c->prefix_len | c->mtu | c->holding_time_s | c->preference, 0);
		CHECK_EQ(s, c->nbma.family | c->proto.family, 0);
		CHECK_EQ(s, r->flags, 0x8802);
		CHECK_EQ(s, r->n_exts, p.n_exts);
	}
	/* In somebody else's name: prohibited. */
	struct nhrp_packet p = resolution(&t, "10.0.0.12");
	p.src_proto = node_address(t.bob, 4);
	say(t.alice, t.hub, &p);
	CHECK_EQ(s, heard(t.alice, NHRP_RESOLUTION_REPLY)->cies.v[0].code, NHRP_CODE_PROHIBITED);
	CHECK_EQ(s, ear_count(t.bob, NHRP_RESOLUTION_REQUEST), 0);
	/* More than a hub will do for one client: no resources. */
	p = resolution(&t, "10.0.0.99");
	for (unsigned i = 0; i < 60; i++)
		ear_say(t.alice, t.hub, &p);
	sim_run(s, MS(200));
	CHECK_EQ(s, heard(t.alice, NHRP_RESOLUTION_REPLY)->cies.v[0].code, NHRP_CODE_NO_RESOURCES);
}

/* An answer to what was never asked is an error; a second answer to what was asked is not. */
static void unsolicited_reply_is_an_error(struct sim *s)
{
	struct trio t = trio_new(s);
	struct flow *f = flow_ping(t.alice, t.bob, 4, MS(100), 10);
	sim_run(s, S(2));
	flow_finish(f);
	const struct heard *h = ear_last(t.alice, NHRP_RESOLUTION_REPLY);
	ear_say_bytes(t.hub, t.alice, h->bytes, h->len);
	sim_run(s, MS(200));
	CHECK_EQ(s, ear_count(t.hub, NHRP_ERROR_INDICATION), 0);
	struct nhrp_packet p = resolution(&t, "10.0.0.12");
	p = reply_of_bob(&t, &p);
	say(t.bob, t.hub, &p);
	/* It goes to who answered. */
	const struct nhrp_packet *e = the_error(t.bob, NHRP_ERROR_INVALID_REPLY, 0);
	struct ip_addr bob = node_address(t.bob, 4), alice = node_address(t.alice, 4);
	CHECK(s, addr_equal(&e->dst_proto, &bob));
	CHECK(s, addr_equal(&e->src_proto, &alice));
	CHECK_EQ(s, e->hop_count, 254);
}

/* Nobody learns from a request or a reply that passes: each request gets to who answers for it. */
static void nothing_is_cached_on_the_way(struct sim *s)
{
	struct trio t = trio_new(s);
	for (unsigned i = 1; i <= 5; i++) {
		struct nhrp_packet p = resolution(&t, "192.168.2.9");
		p.flags &= (uint16_t)~NHRP_RES_AUTHORITATIVE;
		say(t.alice, t.hub, &p);
		CHECK_EQ(s, ear_count(t.bob, NHRP_RESOLUTION_REQUEST), i);
	}
	CHECK_EQ(s, node_nhrp_count(t.hub, "shortcut"), 0);
	CHECK_EQ(s, node_nhrp_count(t.bob, "shortcut"), 0);
	CHECK_EQ(s, node_nhrp_count(t.bob, "resolution"), 0);
}

/* ---- 5.2.3, 5.2.4 Registration ------------------------------------------------------------------ */

static void registration_reply_is_made_of_the_request(struct sim *s)
{
	struct trio t = trio_new(s);
	struct nhrp_packet p = registration(&t);
	p.flags = NHRP_FLAG_NAT | 0x0100; /* an unused bit */
	struct nhrp_cie foreign = {.holding_time_s = 600,
		.prefix_len = 24,
		.mtu = 1400,
		.proto = addr(s, "192.168.2.0")};
	nhrp_add_cie(&p, &foreign);
	say(t.alice, t.hub, &p);
	const struct nhrp_packet *r = heard(t.alice, NHRP_REGISTRATION_REPLY);
	CHECK_EQ(s, r->request_id, p.request_id);
	CHECK_EQ(s, r->flags, NHRP_FLAG_NAT);
	CHECK_EQ(s, r->cies.n, 2);
	CHECK_EQ(s, r->cies.v[0].code, 0);
	CHECK_EQ(s, r->cies.v[0].holding_time_s, 600);
	/* A refused one: its code, no holding time, the rest as it was. */
	CHECK_EQ(s, r->cies.v[1].code, NHRP_CODE_PROHIBITED);
	CHECK_EQ(s, r->cies.v[1].holding_time_s, 0);
	CHECK_EQ(s, r->cies.v[1].mtu, 1400);
	CHECK(s, addr_equal(&r->cies.v[1].proto, &foreign.proto));
	struct ip_addr hub = node_address(t.hub, 4);
	CHECK(s, addr_equal(&r->responder.v[0].proto, &hub));
	CHECK_EQ(s, r->responder.v[0].prefix_len, 0);
}

/* All lengths zero: the addresses of the common header. To the hub, or to oneself: the same. */
static void registration_of_the_header_addresses(struct sim *s)
{
	struct trio t = trio_new(s);
	for (unsigned i = 0; i < 2; i++) {
		struct nhrp_packet p = registration(&t);
		p.cies.v[0] = (struct nhrp_cie){.holding_time_s = 300};
		if (i)
			p.dst_proto = p.src_proto;
		say(t.alice, t.hub, &p);
		const struct nhrp_packet *r = heard(t.alice, NHRP_REGISTRATION_REPLY);
		CHECK_EQ(s, r->cies.v[0].code, 0);
		CHECK_EQ(s, r->cies.v[0].holding_time_s, 300);
		struct nhrp_view v;
		CHECK(s, node_nhrp(t.hub, "binding", "10.0.0.11/32", &v));
		CHECK_RANGE(s, v.expires_ns, S(299), S(300));
	}
	/* To a third one: not here. */
	struct nhrp_packet p = registration(&t);
	p.dst_proto = node_address(t.bob, 4);
	say(t.alice, t.hub, &p);
	CHECK_EQ(s, heard(t.alice, NHRP_REGISTRATION_REPLY)->cies.v[0].code, NHRP_CODE_PROHIBITED);
	CHECK_EQ(s, ear_count(t.bob, NHRP_REGISTRATION_REQUEST), 0);
}

static const struct sim_case cases[] = {
	{"hop-count-zero-is-not-forwarded", hop_count_zero_is_not_forwarded},
	{"reply-is-made-of-the-request", reply_is_made_of_the_request},
	{"protocol-error-names-the-field", protocol_error_names_the_field},
	{"request-id-stays-when-repeated", request_id_stays_when_repeated},
	{"restart-begins-with-other-ids", restart_begins_with_other_ids},
	{"requests-of-ours", requests_of_ours},
	{"shortcut-ends-with-its-holding-time", shortcut_ends_with_its_holding_time},
	{"reply-to-another-request-is-ignored", reply_to_another_request_is_ignored},
	{"reply-flags", reply_flags},
	{"unique-is-an-address-of-its-own", unique_is_an_address_of_its_own},
	{"widest-acceptable-prefix", widest_acceptable_prefix},
	{"nak-is-one-empty-cie", nak_is_one_empty_cie},
	{"unsolicited-reply-is-an-error", unsolicited_reply_is_an_error},
	{"nothing-is-cached-on-the-way", nothing_is_cached_on_the_way},
	{"registration-reply-is-made-of-the-request", registration_reply_is_made_of_the_request},
	{"registration-of-the-header-addresses", registration_of_the_header_addresses},
};

SIM_MAIN(cases, 1)
