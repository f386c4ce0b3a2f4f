/*
 * Interop mode: a hub and a spoke with sections, without the cryptography that others would have to get past.
 * The input is a sequence of operations; whatever they are, what leaves goes to listed addresses with
 * the listed key, or is no plaintext, and never is anybody a member who is not listed.
 *
 *   flags 1 { op 1 | from 1 | length 2 | bytes } ...      flags: 1 = the spoke, 2 = with a word
 */
#include "core/base/cursor.h"
#include "core/engine/node.h"
#include "core/wire/ip.h"
#include "test/fuzz/fuzz.h"

#include <string.h>

#define KEY     42
#define MAX_LEN 1500
#define WALL    1700000000
#define START   (1000 * NS_PER_S)

enum op {
	OP_DATAGRAM, /* any UDP payload */
	OP_GRE,      /* behind a right GRE header: IPv4, IPv6 or NHRP by the upper bits of `from` */
	OP_NHRP,     /* the same, with the checksum made right */
	OP_RAW,      /* as OP_GRE, by IP protocol 47 */
	OP_TUN,      /* an IP packet from the TUN */
	OP_ANSWER,   /* as OP_NHRP, with the number of our last request */
	OP_TIME,     /* so many seconds pass */
	OPS
};

struct fixture {
	struct engine *e;
	struct env env;
	uint64_t now, seed;
	bool spoke;
	uint32_t request_id; /* of the last request that went out */
};

static struct pkt_batch batch;

static void next_random(void *ctx, void *out, size_t len)
{
	struct fixture *f = ctx;
	for (size_t i = 0; i < len; i++) {
		f->seed = f->seed * 6364136223846793005u + 1442695040888963407u;
		((uint8_t *)out)[i] = (uint8_t)(f->seed >> 33);
	}
}

static uint64_t wall(void *ctx)
{
	(void)ctx;
	return WALL;
}

static void log_line(void *ctx, enum log_level level, const char *line)
{
	(void)ctx, (void)level;
	must(strlen(line) < 1024);
}

static struct prefix prefix_of(const char *text)
{
	struct prefix p;
	must(prefix_parse(text, &p));
	return p;
}

/* ---- What leaves ----------------------------------------------------------------------------- */

static void check_plaintext(
	struct fixture *f, const struct endpoint *to, const uint8_t *data, size_t len)
{
	struct gre_plain header;
	struct nhrp_packet packet;
	enum gre_kind kind = gre_classify(data, len);
	if (to->port != 0 && (kind == GRE_SEALED || kind == GRE_HANDSHAKE))
		return;
	must(gre_plain_read(data, len, &header) == 0);
	must(header.have_key && header.key == KEY);
	const struct plain_section *s =
		plain_section_for(&f->e->plane.plain, &to->addr, to->port == 0);
	must(s != NULL);
	if (header.protocol != GRE_PROTO_NHRP)
		return;
	must(nhrp_decode(data + header.hdr_len, len - header.hdr_len, &packet) == 0);
	must(!nhrp_ext_find(&packet, NHRP_EXT_VENDOR));
	must((packet.auth_len == s->word_len) || packet.type == NHRP_ERROR_INDICATION);
	if (packet.type == NHRP_RESOLUTION_REQUEST || packet.type == NHRP_REGISTRATION_REQUEST)
		f->request_id = packet.request_id;
}

static void settle(struct fixture *f)
{
	struct action a;
	while (engine_drain(f->e, f->now))
		;
	while (engine_next_action(f->e, &a))
		if (a.type == ACTION_SEND)
			check_plaintext(f, &a.send.to, a.send.data, a.send.len);
	for (uint32_t i = 0; i < f->e->peers.n_fresh; i++) {
		const struct peer *p = peer_at(&f->e->peers, i);
		if (!p || !p->plain)
			continue;
		must(p->current != SESSION_NONE);
		const struct session *s = session_at(&f->e->plane.sessions, p->current);
		must(s->plain && !session_find(&f->e->plane.sessions, s->local_index));
		must(prefix_contains(
			&plain_section_of(&f->e->peers, p)->underlay, &p->endpoint.addr));
		for (unsigned k = 0; k < p->cert.n_addresses; k++)
			must(plain_allows(
				plain_section_of(&f->e->peers, p), &p->cert.addresses[k].addr));
	}
}

/* ---- What comes ------------------------------------------------------------------------------ */

static struct pkt *fill(const uint8_t *data, size_t len)
{
	struct pkt *p = pkt_reset(&batch, 0);
	batch.n = 1;
	memcpy(p->data, data, len);
	p->len = (uint32_t)len;
	return p;
}

static void arrive(struct fixture *f, uint8_t from, bool raw, const uint8_t *data, size_t len)
{
	struct pkt *p = fill(data, len);
	/* Of 16: most are listed, .10 is the hub, one is elsewhere. */
	p->remote = (struct endpoint){
		.addr = {.family = 4, .bytes = {10, (from & 15) == 15 ? 98 : 99, 0, from & 15}},
		.port = raw ? 0 : 4754};
	p->local = (struct ip_addr){.family = 4, .bytes = {10, 99, 0, 1}};
	p->flags = raw ? PKT_GRE : 0;
	if (from & 0x20)
		engine_receive(f->e, p, f->now);
	else
		data_from_udp(engine_worker(f->e, 0), &batch, f->now);
	must(p->verdict != PKT_SEND_GRE || p->remote.port == 0);
	if (p->verdict == PKT_SEND_UDP || p->verdict == PKT_SEND_GRE)
		check_plaintext(f, &p->remote, p->data, p->len);
}

static void arrive_framed(
	struct fixture *f, uint8_t from, bool raw, bool nhrp, bool ours, uint8_t *bytes, size_t len)
{
	static const uint16_t protocols[] = {
		GRE_PROTO_IPV4, GRE_PROTO_IPV6, GRE_PROTO_NHRP, 0x6558};
	uint8_t datagram[GRE_PLAIN_MAX + MAX_LEN];
	struct gre_plain header = {.protocol = nhrp ? GRE_PROTO_NHRP : protocols[from >> 6],
		.have_key = !(from & 0x10),
		.key = from & 0x10 ? 0 : KEY};
	if (nhrp && len >= 28) {
		if (ours)
			store_u32(bytes + 24, f->request_id);
		store_u16(bytes + 10, (uint16_t)len);
		store_u16(bytes + 12, 0);
		store_u16(bytes + 12, ip_checksum(bytes, len));
	}
	size_t header_len = gre_plain_write(datagram, &header);
	memcpy(datagram + header_len, bytes, len);
	arrive(f, from, raw, datagram, header_len + len);
}

static void from_tun(struct fixture *f, const uint8_t *bytes, size_t len)
{
	struct pkt *p = fill(bytes, len);
	data_from_tun(engine_worker(f->e, 0), &batch, f->now);
	if (p->verdict == PKT_SEND_UDP || p->verdict == PKT_SEND_GRE)
		check_plaintext(f, &p->remote, p->data, p->len);
}

static void operate(struct fixture *f, uint8_t op, uint8_t from, uint8_t *bytes, size_t len)
{
	switch ((enum op)(op % OPS)) {
	case OP_DATAGRAM:
		arrive(f, from, false, bytes, len);
		break;
	case OP_GRE:
	case OP_RAW:
		arrive_framed(f, from, op % OPS == OP_RAW, false, false, bytes, len);
		break;
	case OP_NHRP:
	case OP_ANSWER:
		arrive_framed(f, from, false, true, op % OPS == OP_ANSWER, bytes, len);
		break;
	case OP_TUN:
		from_tun(f, bytes, len);
		break;
	case OP_TIME:
		f->now += from * NS_PER_S;
		for (unsigned i = 0; i < 100 && engine_deadline(f->e) <= f->now; i++)
			engine_timer(f->e, f->now);
		break;
	case OPS:
		break;
	}
	settle(f);
}

/* ---- Making a node ---------------------------------------------------------------------------- */

static void sections(struct engine_config *c, bool word)
{
	for (unsigned i = 0; i < 3; i++) {
		struct engine_interop *s = &c->interop[i];
		*s = (struct engine_interop){.hub = i == 0,
			.raw = i == 2,
			.underlay = prefix_of(i == 0 ? "10.99.0.10" : "10.99.0.0/24"),
			.have_key = true,
			.key = KEY,
			.n_allow = 3};
		s->name[0] = (char)('a' + i);
		strcpy(s->word, word ? "s3cret42" : "");
		s->allow[0] = prefix_of("10.0.0.10");
		s->allow[1] = prefix_of("10.0.0.0/24");
		s->allow[2] = prefix_of("192.168.0.0/16");
	}
	c->n_interop = 3;
}

static void add_route(
	struct fixture *f, const char *prefix, const char *gateway, enum route_type type)
{
	struct route_update r = {.prefix = prefix_of(prefix), .table = 254, .type = (uint8_t)type};
	if (gateway)
		must(addr_parse(gateway, &r.gateway));
	engine_route(f->e, &r, false, f->now);
}

static void begin(struct fixture *f, uint8_t flags)
{
	static struct engine_config c;
	uint8_t secret[SIGN_SECRET_LEN], seed[KEY_LEN] = {1}, certificate[CERT_MAX];
	struct cert cert = {.role = flags & 1 ? CERT_SPOKE : CERT_HUB,
		.serial = 1,
		.not_before = WALL - 1000,
		.not_after = WALL + 100000,
		.name = "we",
		.n_addresses = 1,
		.addresses = {prefix_of("10.0.0.1/24")},
		.n_prefixes = 1,
		.prefixes = {prefix_of("192.168.1.0/24")}};
	*f = (struct fixture){.now = START, .seed = 1, .spoke = flags & 1};
	f->env = (struct env){.ctx = f, .random = next_random, .wall_s = wall, .log = log_line};
	c = (struct engine_config){.port = 4754,
		.mtu = 1400,
		.workers = 1,
		.max_peers = 64,
		.max_routes = 64,
		.redirect = true,
		.shortcut = true,
		.static_secret = {2}};
	must(prim_init() == 0);
	prim_sign_keypair(secret, c.root_key, seed);
	prim_dh_public(cert.static_key, c.static_secret);
	int len = cert_sign(&cert, c.network_id, secret, certificate, sizeof certificate);
	must(len > 0);
	c.certificate = certificate;
	c.certificate_len = (size_t)len;
	sections(&c, flags & 2);
	must(engine_new(&f->e, &c, &f->env, f->now) == 0);
	engine_start(f->e, f->now);
	add_route(f, "10.0.0.0/24", NULL, ROUTE_TYPE_OVERLAY);
	add_route(f, "10.0.0.1/32", NULL, ROUTE_TYPE_LOCAL);
	add_route(f, "192.168.1.0/24", NULL, ROUTE_TYPE_OTHER);
	add_route(f, "192.168.0.0/16", flags & 1 ? "10.0.0.10" : "10.0.0.11", ROUTE_TYPE_OVERLAY);
	engine_routes_synced(f->e, f->now);
	settle(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader r = reader_of(data, size);
	uint8_t bytes[MAX_LEN];
	struct fixture f;
	if (batch.cap == 0)
		must(pkt_batch_init(&batch, 1) == 0);
	begin(&f, read_u8(&r));
	while (reader_left(&r) >= 4) {
		uint8_t op = read_u8(&r), from = read_u8(&r);
		size_t len = read_u16(&r) % (MAX_LEN + 1);
		len = len < reader_left(&r) ? len : reader_left(&r);
		read_copy(&r, bytes, len);
		operate(&f, op, from, bytes, len);
	}
	engine_free(f.e);
	return 0;
}
