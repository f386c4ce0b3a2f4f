#include "test/fuzz/network.h"

#include "core/base/err.h"
#include "core/engine/data_private.h"
#include "core/peer/linklocal.h"
#include "core/wire/ip.h"
#include "test/fuzz/arena.h"
#include "test/fuzz/fuzz.h"

#include <stdio.h>
#include <string.h>

#define START   (1000 * NS_PER_S)
#define WALL    UINT64_C(1700000000)
#define BUDGET  200 /* datagrams and timer calls of one run */
#define NETWORK 0x4e
#define ROOT    0x52
#define LIFE_S  100000
#define PORT    4754

static struct network *net; /* in the arena */

/* ---- Environment ----------------------------------------------------------------------------- */

static void env_random(void *ctx, void *out, size_t len)
{
	struct net_node *n = ctx;
	for (size_t i = 0; i < len; i++) {
		n->random =
			n->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		((uint8_t *)out)[i] = (uint8_t)(n->random >> 33);
	}
}

static uint64_t env_wall(void *ctx)
{
	(void)ctx;
	return WALL + (net->now - START) / NS_PER_S;
}

/* FUZZ_TRACE=1 in the environment shows what the nodes have to say about an input. */
static void env_line(void *ctx, enum log_level level, const char *line)
{
	static int trace = -1;
	const struct net_node *n = ctx;
	(void)level;
	must(strlen(line) < 1024);
	if (trace < 0)
		trace = getenv("FUZZ_TRACE") != NULL;
	if (trace)
		fprintf(stderr, "%9.3f %s: %s\n", (double)(net->now - START) / (double)NS_PER_S,
			n->name, line);
}

struct endpoint network_elsewhere(uint8_t n)
{
	return (struct endpoint){
		.addr = {.family = 4, .bytes = {203, 0, 113, n}}, .port = (uint16_t)(1024 + n)};
}

/* ---- Who there is ---------------------------------------------------------------------------- */

static struct prefix prefix_of(const char *format, unsigned n)
{
	char text[64];
	struct prefix p;
	snprintf(text, sizeof text, format, n);
	must(prefix_parse(text, &p));
	return p;
}

static const uint8_t *network_id(void)
{
	static uint8_t id[KEY_LEN];
	memset(id, NETWORK, sizeof id);
	return id;
}

static void root_keys(uint8_t secret[SIGN_SECRET_LEN], uint8_t public_key[KEY_LEN])
{
	uint8_t seed[KEY_LEN];
	memset(seed, ROOT, sizeof seed);
	prim_sign_keypair(secret, public_key, seed);
}

static void secret_of(unsigned n, uint8_t out[KEY_LEN])
{
	memset(out, (int)n, KEY_LEN);
}

/* Key n gets 10.77.0.number, fd77::number, 192.168.number.0/24; a hub 10.99.0.0/16 besides. */
static size_t make_certificate(unsigned n, unsigned number, bool hub, uint8_t out[CERT_MAX])
{
	uint8_t root[SIGN_SECRET_LEN], public_key[KEY_LEN], secret[KEY_LEN];
	struct cert c = {.role = hub ? CERT_HUB : CERT_SPOKE,
		.serial = n,
		.not_before = WALL - 1000,
		.not_after = WALL + LIFE_S,
		.n_addresses = 2,
		.n_prefixes = 1};
	snprintf(c.name, sizeof c.name, "node%u", n);
	c.addresses[0] = prefix_of("10.77.0.%u/24", number);
	c.addresses[1] = prefix_of("fd77::%u/64", number);
	c.prefixes[0] = prefix_of("192.168.%u.0/24", number);
	if (hub)
		c.prefixes[c.n_prefixes++] = prefix_of("10.%u.0.0/16", 99);
	secret_of(n, secret);
	prim_dh_public(c.static_key, secret);
	root_keys(root, public_key);
	int len = cert_sign(&c, network_id(), root, out, CERT_MAX);
	must(len > 0);
	return (size_t)len;
}

static const unsigned numbers[NET_NODES] = {1, 11, 12};

static void make_bundles(struct network *n)
{
	static struct bundle b;
	uint8_t root[SIGN_SECRET_LEN], public_key[KEY_LEN], secret[KEY_LEN], revoked[KEY_LEN];
	root_keys(root, public_key);
	secret_of(numbers[NET_B], secret);
	prim_dh_public(revoked, secret);
	for (unsigned i = 0; i < NET_BUNDLES; i++) {
		b = (struct bundle){.number = i + 1,
			.not_after = WALL + LIFE_S,
			.ciphers = i == 1 ? 1 : 7,
			.n_hubs = i < 2};
		strcpy(b.hubs[0].name, "node1");
		secret_of(numbers[NET_HUB], secret);
		prim_dh_public(b.hubs[0].keys[0], secret);
		b.hubs[0].n_keys = b.hubs[0].n_endpoints = 1;
		strcpy(b.hubs[0].endpoints[0].host, "hub.example");
		b.hubs[0].endpoints[0].port = PORT;
		b.n_revoked_keys = i == 1;
		b.revoked_keys = revoked;
		int len = bundle_sign(&b, network_id(), root, n->bundles[i], sizeof n->bundles[i]);
		must(len > 0);
		n->bundle_lens[i] = (size_t)len;
	}
}

static void add_route(struct engine *e, struct prefix p, enum route_type type)
{
	struct route_update u = {.prefix = prefix_masked(p), .table = 254, .type = (uint8_t)type};
	engine_route(e, &u, false, net->now);
}

static void make_node(struct network *n, enum network_node i)
{
	struct net_node *node = &n->nodes[i];
	uint8_t certificate[CERT_MAX], root[SIGN_SECRET_LEN];
	bool hub = i == NET_HUB;
	static const char *const names[NET_NODES] = {"node1", "node11", "node12"};
	static const char *const at[NET_NODES] = {"192.0.2.1", "198.51.100.11", "198.51.100.12"};
	struct engine_config config = {
		.certificate = certificate,
		.bundle = n->bundles[0],
		.bundle_len = n->bundle_lens[0],
		.port = PORT,
		.mtu = 1400,
		.workers = 1,
		.max_peers = 6,
		.max_routes = 64,
		.redirect = true,
		.shortcut = true,
		.install_routes = true,
		.host_candidates = true,
		.n_advertise = hub,
		.n_groups = 1,
	};
	config.groups[0] = prefix_of("239.1.0.0/%u", 16);
	config.certificate_len = make_certificate(numbers[i], numbers[i], hub, certificate);
	config.advertise[0] = prefix_of("10.%u.0.0/16", 99);
	secret_of(numbers[i], config.static_secret);
	memcpy(config.network_id, network_id(), KEY_LEN);
	root_keys(root, config.root_key);
	must(endpoint_parse(at[i], PORT, &node->at));
	node->name = names[i];
	node->random = numbers[i];
	node->env = (struct env){
		.ctx = node, .random = env_random, .wall_s = env_wall, .log = env_line};
	node->lan = prefix_of("192.168.%u.0/24", numbers[i]);
	must(engine_new(&node->engine, &config, &node->env, n->now) == 0);
	engine_address(node->engine, &node->at.addr, false, n->now);
	add_route(node->engine, prefix_of("10.77.0.0/%u", 24), ROUTE_TYPE_OVERLAY);
	add_route(node->engine, prefix_of("fd77::/%u", 64), ROUTE_TYPE_OVERLAY);
	add_route(node->engine, prefix_of("10.77.0.%u", numbers[i]), ROUTE_TYPE_LOCAL);
	add_route(node->engine, prefix_of("fd77::%u", numbers[i]), ROUTE_TYPE_LOCAL);
	add_route(node->engine, prefix_of("0.0.0.0/%u", 0), ROUTE_TYPE_OTHER);
	add_route(node->engine, node->lan, ROUTE_TYPE_OTHER);
	engine_routes_synced(node->engine, n->now);
	engine_start(node->engine, n->now);
}

static void make_members(struct network *n)
{
	uint8_t secret[KEY_LEN];
	for (unsigned i = 0; i < NET_MEMBERS; i++) {
		struct net_member *m = &n->members[i];
		unsigned number = 20 + i;
		secret_of(number, secret);
		handshake_identity_init(&m->id, secret, network_id(), NULL);
		m->at = network_elsewhere((uint8_t)(200 + i));
		for (unsigned k = 0; k < 2; k++)
			m->certificate_lens[k] = make_certificate(
				number, number + 20 * k, i == 0, m->certificates[k]);
	}
}

/* ---- The underlay ---------------------------------------------------------------------------- */

static void member_seal(
	struct network *n, struct net_member *m, const uint8_t *plain, size_t len, uint8_t fault)
{
	struct net_dgram d = {.from = m->at, .to = n->nodes[m->node].at};
	if (m->state != MEMBER_UP || len > NET_DGRAM - SEALED_HEADER_LEN - AEAD_TAG_MAX ||
		n->n_queue == NET_HELD)
		return;
	struct sealed_header header = {.index = m->remote_index, .sequence = m->sequence++};
	d.len = sealed_seal(&m->tx, &header, d.data, plain, len);
	if (fault)
		d.data[fault % d.len] ^= 1;
	n->queue[n->n_queue++] = d;
}

/* A RESPONSE for a member that waits for one. */
static void answer_member(
	struct network *n, const struct endpoint *to, const uint8_t *data, size_t len)
{
	static const uint8_t keepalive[GRE_PLAIN_LEN + 8];
	uint8_t message[MESSAGE_RESPONSE_MAX], tx[KEY_LEN], rx[KEY_LEN];
	struct handshake_answer answer;
	struct net_member *m = n->members;
	while (m < n->members + NET_MEMBERS && !endpoint_equal(&m->at, to))
		m++;
	if (m == n->members + NET_MEMBERS || m->state != MEMBER_WAITS ||
		gre_classify(data, len) != GRE_HANDSHAKE || data[GRE_PLAIN_LEN] != MESSAGE_RESPONSE)
		return;
	len -= GRE_PLAIN_LEN;
	must(len <= sizeof message);
	memcpy(message, data + GRE_PLAIN_LEN, len);
	if (handshake_finish(&m->hs, message, len, &answer) != 0)
		return;
	must(handshake_traffic_keys(&m->hs, answer.cipher, tx, rx) == 0);
	must(aead_key_init(&m->tx, answer.cipher, tx) == 0);
	m->remote_index = answer.index;
	m->sequence = 0;
	m->state = MEMBER_UP;
	member_seal(n, m, keepalive, sizeof keepalive, 0);
}

static void send_datagram(struct network *n, const struct net_node *node, const struct endpoint *to,
	const uint8_t *data, size_t len)
{
	enum gre_kind kind = gre_classify(data, len);
	must(kind == GRE_SEALED || kind == GRE_HANDSHAKE);
	must(len <= NET_DGRAM);
	if (endpoint_equal(to, &n->stranger))
		n->earned += len;
	answer_member(n, to, data, len);
	enum net_fate fate = (enum net_fate)(n->fate & 3);
	n->fate = n->fate >> 2;
	struct net_dgram d = {.from = node->at, .to = *to, .len = len};
	memcpy(d.data, data, len);
	n->held[n->n_seen++ % NET_HELD] = d;
	if (fate == FATE_HOLD) {
		n->n_held = n->n_held < NET_HELD ? n->n_held + 1 : NET_HELD;
		return;
	}
	for (unsigned copies = fate == FATE_TWICE ? 2 : fate == FATE_DELIVER; copies; copies--)
		if (n->n_queue < NET_HELD)
			n->queue[n->n_queue++] = d;
}

static void kernel_route(struct network *n, struct net_node *node, const struct action *a)
{
	struct route_update u = {.prefix = a->route.prefix,
		.gateway = a->route.gateway,
		.table = 254,
		.metric = 4096,
		.type = ROUTE_TYPE_OVERLAY};
	engine_route(node->engine, &u, a->type == ACTION_ROUTE_DEL, n->now);
}

static void act(struct network *n, struct net_node *node, const struct action *a)
{
	switch (a->type) {
	case ACTION_SEND:
		send_datagram(n, node, &a->send.to, a->send.data, a->send.len);
		break;
	case ACTION_ROUTE_ADD:
	case ACTION_ROUTE_DEL:
		kernel_route(n, node, a);
		break;
	case ACTION_RESOLVE:
		must(memchr(a->resolve.host, '\0', BUNDLE_HOST_MAX + 1) != NULL);
		engine_resolved(node->engine, a->resolve.token, &n->nodes[NET_HUB].at, 1, n->now);
		break;
	case ACTION_SAVE_BUNDLE:
		must(a->save.len > 0 && a->save.data != NULL);
		break;
	case ACTION_SAVE_HINTS:
		must(hints_verify(a->save.data, a->save.len, node->engine->identity));
		break;
	case ACTION_SAVE_TIME:
	case ACTION_PONG:
		break;
	}
}

static bool act_all(struct network *n)
{
	bool any = false;
	for (unsigned i = 0; i < NET_NODES; i++) {
		struct action a;
		while (engine_next_action(n->nodes[i].engine, &a)) {
			any = true;
			act(n, &n->nodes[i], &a);
		}
	}
	return any;
}

/* May what this session delivers come out of the TUN? */
static void check_source(const struct engine *e, const struct session *s, const struct ip_view *ip)
{
	bool own = cert_owns_address(&e->self, &ip->src);
	bool link_local = addr_is_link_local(&ip->src) && ip->src.family == 6;
	must(!addr_is_multicast(&ip->src) && !addr_is_unspecified(&ip->src));
	if (link_local)
		must(addr_equal(&ip->src, &s->link_local));
	else if (s->cert.role & CERT_HUB)
		must(!own);
	else
		must(cert_covers_source(&s->cert, &ip->src));
}

static void check_verdict(struct network *n, struct net_node *node, const struct pkt *p,
	const struct session *s, const uint8_t *slot, size_t len)
{
	struct ip_view ip;
	must(p->verdict <= PKT_MERGED && p->drop < DROP_COUNT);
	must((p->verdict == PKT_DROP) == (p->drop != DROP_NONE));
	/* What was opened stays where it is; the rest lies in the worker's own memory. */
	if (p->verdict == PKT_WRITE_TUN && p->data >= slot &&
		p->data < slot + PKT_HEADROOM + len + PKT_TAILROOM)
		must(p->data + p->len <= slot + PKT_HEADROOM + len + PKT_TAILROOM);
	if (p->verdict == PKT_WRITE_TUN) {
		must(ip_peek(p->data, p->len, &ip) == 0 && ip.total_len == p->len);
		if (s)
			check_source(node->engine, s, &ip);
	}
	if (p->verdict == PKT_SEND_UDP)
		send_datagram(n, node, &p->remote, p->data, p->len);
}

/* A slot of exactly the room that the data path is promised, so that a byte more is seen. */
static uint8_t *slot_of(struct pkt *p, const uint8_t *data, size_t len)
{
	uint8_t *slot = malloc(PKT_HEADROOM + len + PKT_TAILROOM);
	must(slot != NULL);
	*p = (struct pkt){.data = slot + PKT_HEADROOM, .len = (uint32_t)len};
	if (len)
		memcpy(p->data, data, len);
	return slot;
}

static void drain(struct network *n, struct engine *e)
{
	while (engine_drain(e, n->now))
		;
}

static void receive(struct network *n, struct net_node *node, const struct endpoint *from,
	const uint8_t *data, size_t len, bool worker)
{
	struct pkt p;
	struct pkt_batch one = {.n = 1, .cap = 1, .v = &p};
	struct sealed_header header;
	struct session *s = NULL;
	if (len > PKT_ROOM)
		return;
	if (sealed_parse(data, len, &header))
		s = session_find(&node->engine->plane.sessions, header.index);
	/* It may end in the course of this. */
	static struct session as_it_was;
	if (s) {
		as_it_was.cert = s->cert;
		as_it_was.link_local = s->link_local;
	}
	uint8_t *slot = slot_of(&p, data, len);
	p.remote = *from;
	p.local = node->at.addr;
	if (worker)
		data_from_udp(&node->engine->workers[0], &one, n->now);
	else
		engine_receive(node->engine, &p, n->now);
	check_verdict(n, node, &p, s ? &as_it_was : NULL, slot, len);
	free(slot);
	drain(n, node->engine);
}

static void deliver(struct network *n, const struct net_dgram *d)
{
	for (unsigned i = 0; i < NET_NODES; i++)
		if (endpoint_equal(&d->to, &n->nodes[i].at))
			receive(n, &n->nodes[i], &d->from, d->data, d->len, d->data[7] & 15);
}

void network_settle(struct network *n)
{
	while (act_all(n) || n->n_queue > 0) {
		if (n->n_queue == 0)
			continue;
		struct net_dgram first = n->queue[0];
		memmove(n->queue, n->queue + 1, --n->n_queue * sizeof first);
		if (n->budget == 0)
			continue;
		n->budget--;
		deliver(n, &first);
	}
}

/* ---- What happens ---------------------------------------------------------------------------- */

void network_arrive(struct network *n, enum network_node to, const struct endpoint *from,
	const uint8_t *data, size_t len, bool worker)
{
	receive(n, &n->nodes[to], from, data, len, worker);
	network_settle(n);
}

void network_stranger(struct network *n, uint8_t who, uint8_t *data, size_t len)
{
	enum network_node to = (enum network_node)(who % NET_NODES);
	bool handshake = gre_classify(data, len) == GRE_HANDSHAKE && len > GRE_PLAIN_LEN;
	uint8_t type = handshake ? data[GRE_PLAIN_LEN] : 0;
	if ((type == MESSAGE_INITIATION || type == MESSAGE_RESPONSE) &&
		len > GRE_PLAIN_LEN + COOKIE_MACS_LEN)
		cookie_stamp_mac1(data + GRE_PLAIN_LEN, len - GRE_PLAIN_LEN,
			n->nodes[to].engine->identity->mac1_key);
	n->stranger = network_elsewhere(who);
	n->earned = 0;
	network_arrive(n, to, &n->stranger, data, len, who & 0x80);
	/* Who knows a punch's key may earn an INITIATION by it. */
	must(type == MESSAGE_PROBE || n->earned <= len);
	n->stranger = (struct endpoint){0};
}

void network_tun(struct network *n, enum network_node at, const uint8_t *ip, size_t len)
{
	struct net_node *node = &n->nodes[at];
	struct pkt p;
	struct pkt_batch one = {.n = 1, .cap = 1, .v = &p};
	if (len > PKT_ROOM)
		return;
	uint8_t *slot = slot_of(&p, ip, len);
	data_from_tun(&node->engine->workers[0], &one, n->now);
	check_verdict(n, node, &p, NULL, slot, len);
	free(slot);
	drain(n, node->engine);
	network_settle(n);
}

void network_sealed(struct network *n, enum network_node from, enum network_node to, uint8_t lane,
	const uint8_t *plain, size_t len, uint8_t fault)
{
	uint8_t datagram[SEALED_HEADER_LEN + NET_DGRAM + AEAD_TAG_MAX];
	struct peers *t = &n->nodes[from].engine->peers;
	struct peer *p = peer_find(t, n->nodes[to].engine->identity->public_key);
	struct session *s = p ? session_at(t->sessions, p->current) : NULL;
	if (!s || len > PKT_ROOM - SEALED_HEADER_LEN - AEAD_TAG_MAX)
		return;
	struct sealed_header header = {.index = s->remote_index, .lane = lane & 1};
	if (!session_reserve(s, header.lane, 1, aead_blocks(len), &header.sequence))
		return;
	size_t total = sealed_seal(&s->tx, &header, datagram, plain, len);
	if (fault)
		datagram[fault % total] ^= 1;
	network_arrive(n, to, &n->nodes[from].at, datagram, total, lane & 2);
}

void network_member(
	struct network *n, unsigned i, enum network_node to, unsigned certificate, uint16_t flags)
{
	uint8_t data[GRE_PLAIN_LEN + MESSAGE_INITIATION_MAX];
	struct net_member *m = &n->members[i];
	const struct engine *e = n->nodes[to].engine;
	struct handshake_offer offer = {.index = 1000 + i,
		.ciphers = flags & 1 ? 1 : 7,
		.flags = flags,
		.max_udp = PKT_ROOM,
		.lanes = 2,
		.certificate = m->certificates[certificate],
		.certificate_len = (uint16_t)m->certificate_lens[certificate]};
	offer.timestamp[0] = 0x40;
	store_u32(offer.timestamp + 4, (uint32_t)(n->now / NS_PER_MS));
	store_u32(offer.timestamp + 8, ++m->sequence);
	m->state = MEMBER_WAITS;
	m->node = to;
	gre_handshake_write(data);
	int len = handshake_initiate(&m->hs, &m->id, &n->nodes[to].env, e->identity->public_key,
		NULL, &offer, data + GRE_PLAIN_LEN, sizeof data - GRE_PLAIN_LEN);
	must(len > 0);
	network_arrive(n, to, &m->at, data, (size_t)len + GRE_PLAIN_LEN, false);
}

void network_member_sealed(
	struct network *n, unsigned i, const uint8_t *plain, size_t len, uint8_t fault)
{
	member_seal(n, &n->members[i], plain, len, fault);
	network_settle(n);
}

void network_pass(struct network *n, uint64_t ns)
{
	uint64_t until = n->now + ns;
	while (n->budget > 0) {
		struct engine *next = n->nodes[0].engine;
		for (unsigned i = 1; i < NET_NODES; i++)
			if (engine_deadline(n->nodes[i].engine) < engine_deadline(next))
				next = n->nodes[i].engine;
		uint64_t deadline = engine_deadline(next);
		if (deadline > until)
			break;
		n->budget--;
		n->now = deadline > n->now ? deadline : n->now;
		engine_timer(next, n->now);
		drain(n, next);
		network_settle(n);
	}
	n->now = until;
}

void network_release(struct network *n)
{
	unsigned count = n->n_held;
	n->n_held = 0;
	for (unsigned i = 0; i < count && n->n_seen > i; i++) {
		struct net_dgram d = n->held[(n->n_seen - 1 - i) % NET_HELD];
		if (n->n_queue < NET_HELD)
			n->queue[n->n_queue++] = d;
	}
	network_settle(n);
}

/* ---- Beginning and end ----------------------------------------------------------------------- */

static struct peer *peer_of(struct network *n, enum network_node at, enum network_node other)
{
	return peer_find(&n->nodes[at].engine->peers, n->nodes[other].engine->identity->public_key);
}

static void make(void)
{
	uint8_t ip[28] = {
		0x45, [3] = sizeof ip, [8] = 64, [9] = 17, [12] = 10, 77, 0, 11, 10, 77, 0, 12};
	must(prim_init() == 0);
	arena_open();
	net = calloc(1, sizeof *net);
	net->now = START;
	net->budget = UINT32_MAX;
	make_bundles(net);
	make_members(net);
	for (unsigned i = 0; i < NET_NODES; i++)
		make_node(net, (enum network_node)i);
	network_settle(net);
	network_pass(net, 10 * NS_PER_S);
	store_u16(ip + 10, ip_checksum(ip, 20));
	network_tun(net, NET_A, ip, sizeof ip);
	network_pass(net, 5 * NS_PER_S);
	must(nhrp_registered(&net->nodes[NET_A].engine->nhrp));
	must(nhrp_registered(&net->nodes[NET_B].engine->nhrp));
	must(peer_of(net, NET_A, NET_B) && peer_of(net, NET_A, NET_B)->path == PATH_UP);
	network_tun(net, NET_A, ip, sizeof ip);
	net->budget = BUDGET;
	arena_snapshot();
}

struct network *network_begin(void)
{
	if (!net)
		make();
	else
		arena_restore();
	arena_open();
	return net;
}
