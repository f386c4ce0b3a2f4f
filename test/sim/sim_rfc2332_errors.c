/* RFC 2332, sections 5.2.7 and 5.3: error indications and extensions. docs/rfc2332.md names these cases. */
#include "test/sim/rfc2332.h"
#include "test/sim/run.h"

#include "core/base/cursor.h"
#include "core/engine/node.h"
#include "core/wire/ip.h"

/* ---- 5.2.7 Error indication --------------------------------------------------------------------- */

static void error_indication(struct trio *t, struct node *from, const struct nhrp_packet *about,
	uint8_t quote[EAR_BYTES], struct nhrp_packet *out)
{
	ear_begin(from, from == t->hub ? t->alice : t->hub, NHRP_ERROR_INDICATION, out);
	out->dst_proto = node_address(t->alice, 4);
	out->error_code = NHRP_ERROR_PROTOCOL;
	out->payload = quote;
	out->payload_len = (uint16_t)nhrp_encode(about, quote, EAR_BYTES);
}

/* Not when it is broken, has no hops left, nowhere to go, or something compulsory. */
static void never_an_error_about_an_error(struct sim *s)
{
	struct trio t = trio_new(s);
	uint8_t quote[EAR_BYTES], bytes[EAR_BYTES];
	struct nhrp_packet p = resolution(&t, "10.0.0.12"), e;
	for (unsigned i = 0; i < 6; i++) {
		error_indication(&t, t.bob, &p, quote, &e);
		if (i == 0)
			e.hop_count = 0;
		else if (i == 1)
			e.dst_proto = addr(s, "10.0.0.99");
		else if (i == 2)
			add_unknown(&e, true);
		int len = nhrp_encode(&e, bytes, sizeof bytes);
		if (i == 3) {
			bytes[13] ^= 1;
		} else if (i >= 4) {
			bytes[i == 4 ? 16 : 20] = 9; /* version, length of the source */
			store_u16(bytes + 12, 0);
			store_u16(bytes + 12, ip_checksum(bytes, (size_t)len));
		}
		ear_say_bytes(t.bob, t.hub, bytes, (size_t)len);
		sim_run(s, S(1));
		CHECK_EQ(s, ear_count(t.bob, NHRP_ERROR_INDICATION), 0);
		/* What is only strange gets where it was to go. */
		CHECK_EQ(s, ear_count(t.alice, NHRP_ERROR_INDICATION), i >= 2);
	}
	/* Nor if somebody in here wanted it. */
	error_indication(&t, t.bob, &p, quote, &e);
	nhrp_error(&t.hub->engine->nhrp, peer_find(&t.hub->engine->peers, t.bob->cert.static_key),
		NHRP_ERROR_LOOP, 0, bytes, 20, &e, node_now(t.hub));
	node_settle(t.hub);
	sim_run(s, S(1));
	CHECK_EQ(s, ear_count(t.bob, NHRP_ERROR_INDICATION), 0);
}

/* Passed on to whom it is for; not in another's name, and not when it has come back to who sent it. */
static void error_is_forwarded(struct sim *s)
{
	struct trio t = trio_new(s);
	uint8_t quote[EAR_BYTES];
	struct nhrp_packet p = resolution(&t, "10.0.0.12"), e;
	error_indication(&t, t.bob, &p, quote, &e);
	say(t.bob, t.hub, &e);
	CHECK_EQ(s, heard(t.alice, NHRP_ERROR_INDICATION)->hop_count, 254);
	CHECK_EQ(s, heard(t.alice, NHRP_ERROR_INDICATION)->payload_len, e.payload_len);
	e.src_proto = node_address(t.hub, 4);
	say(t.bob, t.hub, &e);
	e.src_proto = addr(s, "10.0.0.99");
	say(t.bob, t.hub, &e);
	CHECK_EQ(s, ear_count(t.alice, NHRP_ERROR_INDICATION), 1);
}

/* It ends the request that it quotes, and no other. */
static void error_ends_the_request(struct sim *s)
{
	struct trio t = trio_new(s);
	struct nhrp_view v;
	uint8_t quote[EAR_BYTES];
	struct nhrp_packet e;
	ear_deafen(t.hub, NHRP_RESOLUTION_REQUEST, 10);
	struct flow *f = flow_ping(t.alice, t.bob, 4, MS(100), 20);
	sim_run(s, MS(500));
	struct nhrp_packet asked = ear_at(t.hub, NHRP_RESOLUTION_REQUEST, 0)->packet;
	asked.request_id++;
	error_indication(&t, t.hub, &asked, quote, &e);
	say(t.hub, t.alice, &e);
	CHECK(s, node_nhrp(t.alice, "resolution", "10.0.0.12/32", &v));
	CHECK(s, strcmp(v.state, "pending") == 0);
	asked.request_id--;
	error_indication(&t, t.hub, &asked, quote, &e);
	e.payload_len = 40; /* no more than the addresses */
	say(t.hub, t.alice, &e);
	CHECK(s, node_nhrp(t.alice, "resolution", "10.0.0.12/32", &v));
	CHECK(s, strcmp(v.state, "negative") == 0);
	CHECK_EQ(s, v.code, NHRP_CODE_NO_RESOURCES);
	sim_run(s, S(3));
	CHECK_EQ(s, flow_lost(f), 0);
	/* A registration likewise; it is tried again later. */
	ear_deafen(t.hub, NHRP_REGISTRATION_REQUEST, 100);
	sim_run(s, S(200));
	struct nhrp_packet registering = *heard_from(t.hub, NHRP_REGISTRATION_REQUEST, t.alice);
	registering.request_id++;
	error_indication(&t, t.hub, &registering, quote, &e);
	say(t.hub, t.alice, &e);
	CHECK(s, node_nhrp(t.alice, "registration", NULL, &v));
	CHECK_EQ(s, v.code, 0);
	registering.request_id--;
	error_indication(&t, t.hub, &registering, quote, &e);
	ear_deafen(t.hub, NHRP_REGISTRATION_REQUEST, 0);
	ear_say(t.hub, t.alice, &e);
	sim_run(s, MS(100));
	CHECK(s, node_nhrp(t.alice, "registration", NULL, &v));
	CHECK_EQ(s, v.code, NHRP_CODE_NO_RESOURCES);
	sim_run(s, S(30));
	CHECK(s, node_nhrp(t.alice, "registration", NULL, &v));
	CHECK_EQ(s, v.code, 0);
}

/* A reply for somebody whom nobody knows. */
static void reply_without_a_way_is_unreachable(struct sim *s)
{
	struct trio t = trio_new(s);
	struct nhrp_packet p = resolution(&t, "10.0.0.12");
	p = reply_of_bob(&t, &p);
	p.src_proto = addr(s, "10.0.0.99");
	say(t.bob, t.hub, &p);
	the_error(t.bob, NHRP_ERROR_UNREACHABLE, 0);
}

/* Too long with one more entry in it, or too many entries: nobody cuts it. */
static void no_room_for_the_record(struct sim *s)
{
	static uint8_t filler[NHRP_PACKET_MAX] = {0xAA, 0xBB, 0xCC};
	struct trio t = trio_new(s);
	struct nhrp_packet p = resolution(&t, "10.0.0.12");
	uint8_t bytes[EAR_BYTES];
	p.exts[p.n_exts++] =
		(struct nhrp_ext){.type = NHRP_EXT_VENDOR, .raw = true, .data = filler};
	int empty = nhrp_encode(&p, bytes, sizeof bytes);
	p.exts[p.n_exts - 1].len = (uint16_t)(NHRP_PACKET_MAX - 10 - empty);
	say(t.alice, t.hub, &p);
	the_error(t.alice, NHRP_ERROR_SDU_SIZE, 0);
	CHECK_EQ(s, ear_count(t.bob, NHRP_RESOLUTION_REQUEST), 0);
	ear_forget();
	p = resolution(&t, "10.0.0.12");
	struct nhrp_cie other = {.proto = addr(s, "10.9.9.9")};
	for (unsigned i = 0; i < NHRP_TRANSIT_MAX; i++)
		nhrp_ext_add_cie(&p, NHRP_EXT_FORWARD, &other);
	say(t.alice, t.hub, &p);
	the_error(t.alice, NHRP_ERROR_SDU_SIZE, 0);
	CHECK_EQ(s, ear_count(t.bob, NHRP_RESOLUTION_REQUEST), 0);
}

/* ---- 5.3 Extensions ----------------------------------------------------------------------------- */

/* The responder says so, with the place of the extension, and does nothing else. */
static void unknown_compulsory_extension(struct sim *s)
{
	struct trio t = trio_new(s);
	struct nhrp_packet v[] = {
		resolution(&t, "10.0.0.99"), registration(&t), purge(&t, "10.0.0.11")};
	uint64_t before = node_digest(t.hub);
	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		ear_forget();
		add_unknown(&v[i], true);
		ear_say(t.alice, t.hub, &v[i]);
		sim_run(s, S(1));
		CHECK_EQ(s, ear_count(t.alice, (enum nhrp_type)(v[i].type + 1)), 0);
		const struct nhrp_packet *said = heard(t.hub, v[i].type);
		the_error(t.alice, NHRP_ERROR_UNRECOGNIZED_EXTENSION,
			said->exts[v[i].n_exts - 1].offset);
	}
	CHECK_EQ(s, node_digest(t.hub), before);
}

/* One that only passes it on does that and no more; the error of the responder finds its way back. */
static void transit_ignores_an_unknown_extension(struct sim *s)
{
	struct trio t = trio_new(s);
	struct nhrp_packet p = resolution(&t, "10.0.0.12");
	add_unknown(&p, true);
	say(t.alice, t.hub, &p);
	const struct nhrp_packet *q = heard(t.bob, NHRP_RESOLUTION_REQUEST);
	CHECK_EQ(s, q->forward.n, 0);
	CHECK_EQ(s, q->exts[q->n_exts - 1].type, 0x3801);
	CHECK(s, q->exts[q->n_exts - 1].compulsory);
	const struct nhrp_packet *e = the_error(
		t.alice, NHRP_ERROR_UNRECOGNIZED_EXTENSION, q->exts[q->n_exts - 1].offset);
	struct ip_addr bob = node_address(t.bob, 4);
	CHECK(s, addr_equal(&e->src_proto, &bob));
	/* A reply with one: no entry of ours, and no memory of it. */
	p = resolution(&t, "10.0.0.12");
	p = reply_of_bob(&t, &p);
	add_unknown(&p, true);
	say(t.bob, t.hub, &p);
	CHECK_EQ(s, heard(t.alice, NHRP_RESOLUTION_REPLY)->reverse.n, 0);
	struct nhrp_cie cie = {.prefix_len = 32, .proto = addr(s, "10.0.0.12")};
	ear_begin(t.bob, t.hub, NHRP_PURGE_REQUEST, &p);
	nhrp_add_cie(&p, &cie);
	say(t.bob, t.hub, &p);
	CHECK_EQ(s, ear_count(t.alice, NHRP_PURGE_REQUEST), 0);
}

/* Unknown ones that may be ignored come back unchanged, and all in the order in which they went out. */
static void extensions_come_back_in_order(struct sim *s)
{
	static const uint8_t other[] = {0xAA, 0xBB, 0xCC, 1, 2, 3, 4};
	static const char *const targets[] = {"10.0.0.12", "10.0.0.99"};
	struct trio t = trio_new(s);
	for (unsigned i = 0; i < 2; i++) {
		struct nhrp_packet p = resolution(&t, targets[i]);
		p.n_exts = 0;
		nhrp_ext_add(&p, NHRP_EXT_VENDOR);
		add_unknown(&p, false);
		nhrp_ext_add(&p, NHRP_EXT_REVERSE);
		p.exts[p.n_exts++] = (struct nhrp_ext){
			.type = NHRP_EXT_VENDOR, .raw = true, .len = sizeof other, .data = other};
		nhrp_ext_add(&p, NHRP_EXT_FORWARD);
		say(t.alice, t.hub, &p);
		const struct nhrp_packet *last[] = {heard(t.alice, NHRP_RESOLUTION_REPLY),
			heard(t.hub, NHRP_RESOLUTION_REQUEST),
			heard(t.bob, NHRP_RESOLUTION_REQUEST)};
		for (unsigned k = 0; k < 3; k++) {
			const struct nhrp_packet *q = last[k];
			CHECK_EQ(s, q->n_exts, p.n_exts);
			for (unsigned x = 0; x < p.n_exts; x++) {
				CHECK_EQ(s, q->exts[x].type, p.exts[x].type);
				CHECK_EQ(s, q->exts[x].compulsory, p.exts[x].compulsory);
			}
			CHECK(s, q->exts[1].len == 3 && memcmp(q->exts[1].data, "\1\2\3", 3) == 0);
			CHECK(s,
				q->exts[3].len == sizeof other &&
					memcmp(q->exts[3].data, other, sizeof other) == 0);
		}
		/* No others: what was not asked for is not in the reply. */
		CHECK_EQ(s, last[0]->responder.n, 0);
	}
}

/* A known one that cannot be read, or one twice. */
static void broken_extension_is_invalid(struct sim *s)
{
	struct trio t = trio_new(s);
	struct nhrp_packet p = purge(&t, "10.0.0.11");
	uint8_t bytes[EAR_BYTES];
	int len = nhrp_encode(&p, bytes, sizeof bytes);
	uint16_t at = load_u16(bytes + 14);
	store_u16(bytes + at + 4, 0x8003); /* the second is like the first */
	store_u16(bytes + 12, 0);
	store_u16(bytes + 12, ip_checksum(bytes, (size_t)len));
	ear_say_bytes(t.alice, t.hub, bytes, (size_t)len);
	sim_run(s, MS(200));
	the_error(t.alice, NHRP_ERROR_INVALID_EXTENSION, at + 4);
	struct nhrp_view v;
	CHECK(s, node_nhrp(t.hub, "binding", "10.0.0.11/32", &v));
}

static void check_entry(struct sim *s, const struct nhrp_cies *list, const struct node *who)
{
	CHECK_EQ(s, list->n, 1);
	struct ip_addr own = node_address(who, 4);
	CHECK(s, addr_equal(&list->v[0].proto, &own));
	CHECK_EQ(s, list->v[0].prefix_len, 0);
	CHECK_EQ(s, list->v[0].code, 0);
	CHECK(s, list->v[0].holding_time_s > 0);
	CHECK_EQ(s, list->v[0].nbma.family, 4); /* they carry traffic: also where */
}

/* Empty when asked; each hub on the way adds itself, the responder only to its own. */
static void records_of_the_way(struct sim *s)
{
	struct trio t = trio_new(s);
	struct nhrp_packet p = resolution(&t, "10.0.0.12");
	say(t.alice, t.hub, &p);
	const struct nhrp_packet *q = heard(t.bob, NHRP_RESOLUTION_REQUEST);
	check_entry(s, &q->forward, t.hub);
	CHECK_EQ(s, q->reverse.n | q->responder.n, 0);
	const struct nhrp_packet *r = heard(t.alice, NHRP_RESOLUTION_REPLY);
	check_entry(s, &r->forward, t.hub);
	check_entry(s, &r->reverse, t.hub);
	check_entry(s, &r->responder, t.bob);
	/* The hub's own answers name it as the responder, and nobody else. */
	p = resolution(&t, "10.0.0.99");
	say(t.alice, t.hub, &p);
	r = heard(t.alice, NHRP_RESOLUTION_REPLY);
	check_entry(s, &r->responder, t.hub);
	CHECK_EQ(s, r->forward.n | r->reverse.n, 0);
	/* Requests of ours ask for all three, empty. */
	ear_forget();
	struct flow *f = flow_ping(t.alice, t.bob, 4, MS(100), 3);
	sim_run(s, S(1));
	flow_finish(f);
	q = heard(t.hub, NHRP_RESOLUTION_REQUEST);
	CHECK(s,
		nhrp_ext_find(q, NHRP_EXT_RESPONDER) && nhrp_ext_find(q, NHRP_EXT_FORWARD) &&
			nhrp_ext_find(q, NHRP_EXT_REVERSE));
	CHECK_EQ(s, q->responder.n | q->forward.n | q->reverse.n, 0);
}

static void loop_is_detected(struct sim *s)
{
	struct trio t = trio_new(s);
	struct nhrp_cie hub = {.proto = node_address(t.hub, 4)};
	struct nhrp_cie other = {.proto = addr(s, "10.0.0.2")};
	struct nhrp_packet p = resolution(&t, "10.0.0.12");
	nhrp_ext_add_cie(&p, NHRP_EXT_FORWARD, &hub);
	nhrp_ext_add_cie(&p, NHRP_EXT_FORWARD, &other);
	say(t.alice, t.hub, &p);
	CHECK_EQ(s, ear_count(t.bob, NHRP_RESOLUTION_REQUEST), 0);
	the_error(t.alice, NHRP_ERROR_LOOP, heard(t.hub, NHRP_RESOLUTION_REQUEST)->exts[1].offset);
	for (unsigned i = 0; i < 2; i++) {
		ear_forget();
		p = resolution(&t, "10.0.0.12");
		p = reply_of_bob(&t, &p);
		if (i)
			p.responder.v[0] = hub;
		else
			nhrp_ext_add_cie(&p, NHRP_EXT_REVERSE, &hub);
		say(t.bob, t.hub, &p);
		CHECK_EQ(s, ear_count(t.alice, NHRP_RESOLUTION_REPLY), 0);
		the_error(t.bob, NHRP_ERROR_LOOP,
			heard(t.hub, NHRP_RESOLUTION_REPLY)->exts[i ? 0 : 2].offset);
	}
}

static const struct sim_case cases[] = {
	{"never-an-error-about-an-error", never_an_error_about_an_error},
	{"error-is-forwarded", error_is_forwarded},
	{"error-ends-the-request", error_ends_the_request},
	{"reply-without-a-way-is-unreachable", reply_without_a_way_is_unreachable},
	{"no-room-for-the-record", no_room_for_the_record},
	{"unknown-compulsory-extension", unknown_compulsory_extension},
	{"transit-ignores-an-unknown-extension", transit_ignores_an_unknown_extension},
	{"extensions-come-back-in-order", extensions_come_back_in_order},
	{"broken-extension-is-invalid", broken_extension_is_invalid},
	{"records-of-the-way", records_of_the_way},
	{"loop-is-detected", loop_is_detected},
};

SIM_MAIN(cases, 1)
