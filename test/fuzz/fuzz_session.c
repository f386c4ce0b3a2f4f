/*
 * A hub and two spokes that know each other, and a fuzzer that has all their keys: what is behind the
 * authentication. The input is a sequence of operations; see enum op. Each run begins in the same
 * state (network.h).
 *
 *   fates 4 { op 1 | who 1 | ... } ...
 */
#include "core/base/cursor.h"
#include "core/wire/ip.h"
#include "test/fuzz/fuzz.h"
#include "test/fuzz/network.h"

#include <string.h>

#define OPS_MAX 24

enum op {
	OP_NHRP,      /* sealed: an NHRP packet, with its checksum made right */
	OP_CONTROL,   /* sealed: control frames */
	OP_PACKET,    /* sealed: an IP packet */
	OP_PLAIN,     /* sealed: any inner GRE header and what is behind it */
	OP_SPOILT,    /* as OP_PLAIN, and a bit flips on the way */
	OP_TUN,       /* an IP packet from a node's TUN */
	OP_RAW,       /* a datagram from nowhere */
	OP_HANDSHAKE, /* a handshake message from nowhere, with its mac1 made right */
	OP_MEMBER,    /* another member shakes hands */
	OP_AGAIN,   /* one of the datagrams seen of late, perhaps from elsewhere, perhaps spoilt */
	OP_TIME,    /* time passes */
	OP_FATE,    /* of the next 16 datagrams: arrive, are lost, arrive twice, are held back */
	OP_RELEASE, /* those held back arrive, the newest first */
	OP_ROUTE,   /* a kernel route comes or goes */
	OP_ADDRESS, /* an underlay address comes or goes; or the node is seen from another one */
	OP_VERB,    /* what an operator may do: ping, rekey, reload, a new bundle, a restart */
	OPS
};

/* The bytes of this operation: length u16, then so many, or what is left. */
static size_t take(struct reader *r, uint8_t *out, size_t cap)
{
	size_t len = read_u16(r) % cap;
	if (r->failed)
		return 0;
	len = len < reader_left(r) ? len : reader_left(r);
	read_copy(r, out, len);
	return len;
}

/* ---- Sealed ---------------------------------------------------------------------------------- */

static void fix_checksum(uint8_t *data, size_t size)
{
	size_t len = size < 20 ? 0 : load_u16(data + 10);
	if (len < 20 || len > size)
		return;
	store_u16(data + 12, 0);
	store_u16(data + 12, ip_checksum(data, len));
}

static void seal(struct network *n, uint8_t who, const uint8_t *plain, size_t len, uint8_t fault)
{
	enum network_node from = (enum network_node)(who % NET_NODES);
	enum network_node to = (enum network_node)((from + 1 + (who >> 4) % 2) % NET_NODES);
	if (who & 0x80)
		network_member_sealed(n, who % NET_MEMBERS, plain, len, fault);
	else
		network_sealed(n, from, to, who >> 5, plain, len, fault);
}

static void sealed(struct network *n, enum op op, uint8_t who, struct reader *r)
{
	uint8_t plain[GRE_PLAIN_LEN + 1400], *inner = plain + GRE_PLAIN_LEN;
	uint8_t fault = op == OP_SPOILT ? read_u8(r) : 0;
	if (op == OP_PLAIN || op == OP_SPOILT) {
		size_t len = take(r, plain, sizeof plain);
		seal(n, who, plain, len, fault);
		return;
	}
	size_t len = take(r, inner, 1400);
	if (op == OP_NHRP)
		fix_checksum(inner, len);
	gre_inner_write(plain,
		op == OP_NHRP                       ? GRE_PROTO_NHRP
			: op == OP_CONTROL          ? GRE_PROTO_CONTROL
			: len && inner[0] >> 4 == 6 ? GRE_PROTO_IPV6
						    : GRE_PROTO_IPV4);
	seal(n, who, plain, GRE_PLAIN_LEN + len, 0);
}

/* ---- Strangers ------------------------------------------------------------------------------- */

static void stranger(struct network *n, enum op op, uint8_t who, struct reader *r)
{
	uint8_t data[NET_DGRAM];
	size_t len = 0;
	if (op == OP_HANDSHAKE) {
		gre_handshake_write(data);
		len = GRE_PLAIN_LEN;
	}
	len += take(r, data + len, NET_DGRAM - len);
	network_stranger(n, who, data, len);
}

static void again(struct network *n, uint8_t who, struct reader *r)
{
	uint8_t from = read_u8(r);
	uint16_t flip = read_u16(r);
	if (n->n_seen == 0)
		return;
	unsigned back = who % (n->n_seen < NET_HELD ? n->n_seen : NET_HELD);
	struct net_dgram d = n->held[(n->n_seen - 1 - back) % NET_HELD];
	struct endpoint source = from ? network_elsewhere(from) : d.from;
	if (flip)
		d.data[flip % d.len] ^= (uint8_t)(1 << (flip >> 12 & 7));
	for (unsigned i = 0; i < NET_NODES; i++)
		if (endpoint_equal(&d.to, &n->nodes[i].at))
			network_arrive(n, (enum network_node)i, &source, d.data, d.len, who & 0x80);
}

/* ---- The machine around a node --------------------------------------------------------------- */

static void route(struct network *n, uint8_t who, struct reader *r)
{
	static const uint8_t lens[] = {0, 8, 16, 24, 25, 32, 48, 64, 128};
	struct net_node *node = &n->nodes[who % NET_NODES];
	uint8_t what = read_u8(r), which = read_u8(r);
	struct route_update u = {.table = 254, .metric = what >> 5, .type = what & 3};
	u.prefix.len = lens[which % sizeof lens];
	u.prefix.addr.family = what & 4 ? 6 : 4;
	if (u.prefix.len > addr_bits(u.prefix.addr.family))
		u.prefix.len = addr_bits(u.prefix.addr.family);
	read_copy(r, u.prefix.addr.bytes, 4);
	if (what & 8)
		u.gateway = n->nodes[which / 16 % NET_NODES].engine->self.addresses[0].addr;
	engine_route(node->engine, &u, what & 16, n->now);
	if (which == 0xff) {
		engine_addresses_reset(node->engine, n->now);
		engine_routes_synced(node->engine, n->now);
	}
	network_settle(n);
}

static void address(struct network *n, uint8_t who, struct reader *r)
{
	struct net_node *node = &n->nodes[who % NET_NODES];
	uint8_t what = read_u8(r);
	struct endpoint at = network_elsewhere(what);
	if (who & 0x40)
		at.addr.bytes[0] = 10;
	if (who & 0x80)
		node->at = at;
	else
		engine_address(node->engine, &at.addr, what & 1, n->now);
	network_settle(n);
}

static void load_hints(struct network *n, struct engine *e, struct reader *r)
{
	uint8_t file[HINTS_OVERHEAD + 4 * HINT_SIZE];
	struct writer w;
	hints_begin(&w, file, sizeof file, n->now / NS_PER_S);
	for (uint8_t left = read_u8(r) % 5; left; left--) {
		struct hint h = {.at = network_elsewhere(read_u8(r)),
			.expires_s = UINT64_C(1700000000) + read_u16(r)};
		memcpy(h.key, n->members[left % NET_MEMBERS].id.public_key, KEY_LEN);
		read_copy(r, h.timestamp, 2);
		hints_add(&w, &h);
	}
	int len = hints_seal(&w, e->identity);
	must(len > 0);
	file[read_u8(r) % len] ^= read_u8(r);
	engine_load_hints(e, file, (size_t)len, n->now);
}

static void restart(struct network *n, struct engine *e, uint8_t how, struct reader *r)
{
	switch (how & 3) {
	case 0:
		engine_resumed(e, n->now);
		break;
	case 1:
		engine_save_failed(e);
		break;
	case 2:
		load_hints(n, e, r);
		break;
	default:
		while (engine_stop(e, n->now))
			network_settle(n);
	}
}

static void verb(struct network *n, uint8_t who, struct reader *r)
{
	struct net_node *node = &n->nodes[who % NET_NODES];
	uint8_t what = read_u8(r);
	const char *whom = n->nodes[what >> 3 & 3 ? (what >> 3 & 3) - 1 : 0].name;
	struct engine_config config = {.holding_time_s = (uint16_t)(what * 10),
		.redirect = what & 8,
		.shortcut = what & 16,
		.install_routes = what & 32,
		.host_candidates = what & 64,
		.relay_kernel = what & 128,
		.n_prefixes = who >> 4 & 1,
		.n_routes = who >> 5 & 1,
		.n_groups = who >> 6 & 1,
		.groups = {{.addr = {.family = 6, .bytes = {0xff, 5}}, .len = 16}},
		.prefixes = {node->lan}};
	unsigned bundle = what / 8 % NET_BUNDLES;
	switch (what & 3) {
	case 0:
		if (what & 4)
			engine_rekey(node->engine, whom, n->now);
		else
			engine_ping(node->engine, whom, what, NS_PER_S, n->now);
		break;
	case 1:
		engine_reconfigure(node->engine, &config, n->now);
		break;
	case 2:
		engine_set_bundle(node->engine, n->bundles[bundle], n->bundle_lens[bundle], n->now);
		break;
	default:
		restart(n, node->engine, what >> 2, r);
	}
	network_settle(n);
}

static void pass(struct network *n, uint8_t who)
{
	static const uint64_t units[] = {NS_PER_MS, 50 * NS_PER_MS, NS_PER_S, 30 * NS_PER_S};
	network_pass(n, (who & 63u) * units[who >> 6]);
}

static void run(struct network *n, enum op op, uint8_t who, struct reader *r)
{
	uint8_t packet[1400];
	switch (op) {
	case OP_NHRP:
	case OP_CONTROL:
	case OP_PACKET:
	case OP_PLAIN:
	case OP_SPOILT:
		sealed(n, op, who, r);
		break;
	case OP_TUN:
		network_tun(n, (enum network_node)(who % NET_NODES), packet,
			take(r, packet, sizeof packet));
		break;
	case OP_RAW:
	case OP_HANDSHAKE:
		stranger(n, op, who, r);
		break;
	case OP_MEMBER:
		network_member(n, who / NET_NODES % NET_MEMBERS,
			(enum network_node)(who % NET_NODES), who >> 5 & 1, who >> 6);
		break;
	case OP_AGAIN:
		again(n, who, r);
		break;
	case OP_TIME:
		pass(n, who);
		break;
	case OP_FATE:
		n->fate = read_u32(r);
		break;
	case OP_RELEASE:
		network_release(n);
		break;
	case OP_ROUTE:
		route(n, who, r);
		break;
	case OP_ADDRESS:
		address(n, who, r);
		break;
	case OP_VERB:
		verb(n, who, r);
		break;
	case OPS:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct network *n = network_begin();
	struct reader r = reader_of(data, size);
	n->fate = read_u32(&r);
	for (unsigned i = 0; i < OPS_MAX && reader_left(&r) >= 2; i++) {
		enum op op = (enum op)(read_u8(&r) % OPS);
		run(n, op, read_u8(&r), &r);
	}
	network_end(n);
	return 0;
}
