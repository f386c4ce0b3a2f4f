/*
 * The data path of a node that has a session with each of two peers. The input is a number of packets: raw
 * datagrams, plaintexts that a peer seals as it should (or nearly), and packets from the TUN. Whatever they
 * are: each ends with a verdict and a reason, within the room that its slot has or in the worker's own,
 * what goes to the TUN is one whole IP packet, and what is sent opens at the other end.
 *
 *   flags 1 { kind 1 | length 2 | bytes } ...
 */
#include "core/base/cursor.h"
#include "test/fuzz/fuzz.h"
#include "test/unit/plane_fixture.h"

#define NODE    1
#define PEER_A  11
#define PEER_B  12
#define MAX_LEN 1500
#define QUEUE   16

enum kind {
	DATAGRAM, /* raw */
	SEALED,   /* by a: inner GRE header and what is behind it */
	PACKET,   /* by a: an IP packet, with the inner header that its version wants */
	TUN,      /* a packet, or with one of the upper four bits set what sizes[] says */
	SPOILT,   /* as PACKET, with the byte changed that the first one names */
	AGAIN,    /* the last one that was sealed */
	PACKET_B, /* as PACKET, by b */
	LATER,    /* the clock goes on by so many ms */
	KINDS
};

struct world {
	struct fixture_node *node, *a, *b;
	uint64_t now;
	struct pkt queue[QUEUE];
	uint8_t *slot[QUEUE];
	uint16_t n;
	bool from_tun; /* what the queue holds */
	uint8_t last[MAX_LEN + 64];
	size_t last_len;
};

static void read_events(struct fixture_node *f)
{
	struct ring *r = &f->workers[0].events;
	for (const struct event *ev; (ev = ring_peek(r)); ring_pop(r)) {
		must(ev->type <= EVENT_MULTICAST && ev->len <= PKT_SLOT);
		must(ev->session == SESSION_NONE ||
			session_at(&f->plane.sessions, ev->session)->local_index ==
				ev->local_index);
	}
}

static void open_one(struct world *w, struct fixture_node *to, struct pkt *p)
{
	struct pkt_batch one = {.n = 1, .cap = 1, .v = p};
	data_from_udp(&to->workers[0], &one, w->now);
	must(p->verdict == PKT_WRITE_TUN || p->verdict == PKT_SEND_UDP ||
		(p->verdict == PKT_DROP && p->drop != DROP_BAD_TAG && p->drop != DROP_REPLAY &&
			p->drop != DROP_UNKNOWN_INDEX && p->drop != DROP_BAD_INNER));
	read_events(to);
}

/* What the node sent is for one of the two, who can open it. */
static void open_there(struct world *w, const struct pkt *p)
{
	struct fixture_node *to = p->remote.addr.bytes[3] == PEER_A ? w->a : w->b;
	uint32_t step = p->gso_size ? p->gso_size : p->len;
	must(to == w->a || p->remote.addr.bytes[3] == PEER_B);
	for (uint32_t at = 0; at < p->len; at += step) {
		struct pkt one = *p;
		one.data += at;
		one.len = p->len - at < step ? p->len - at : step;
		one.gso_size = 0;
		open_one(w, to, &one);
	}
}

static bool in_arena(const struct worker *w, const struct pkt *p)
{
	return p->data >= w->arena && p->data + p->len <= w->arena + w->arena_used;
}

static void check(struct world *w, struct pkt *p, const uint8_t *slot, uint32_t len)
{
	struct ip_view ip;
	must(p->verdict <= PKT_MERGED && p->drop < DROP_COUNT);
	must((p->verdict == PKT_DROP) == (p->drop != DROP_NONE));
	must(in_arena(&w->node->workers[0], p) ||
		(p->data >= slot && p->data + p->len <= slot + PKT_HEADROOM + len + PKT_TAILROOM));
	must(p->verdict != PKT_SEND_UDP || in_arena(&w->node->workers[0], p));
	if (p->verdict == PKT_WRITE_TUN)
		must(ip_peek(p->data, p->len, &ip) == 0 && ip.total_len == p->len);
	if (p->verdict == PKT_SEND_UDP)
		open_there(w, p);
}

static void flush(struct world *w)
{
	struct pkt_batch batch = {.n = w->n, .cap = QUEUE, .v = w->queue};
	struct worker *worker = &w->node->workers[0];
	uint32_t lens[QUEUE];
	for (uint16_t i = 0; i < w->n; i++)
		lens[i] = w->queue[i].len;
	if (w->from_tun)
		data_from_tun(worker, &batch, w->now);
	else
		data_from_udp(worker, &batch, w->now);
	for (uint16_t i = 0; i < w->n; i++) {
		check(w, &w->queue[i], w->slot[i], lens[i]);
		free(w->slot[i]);
	}
	read_events(w->node);
	w->n = 0;
}

/* A slot of exactly the room that the data path is promised, so that a byte more is seen. */
static struct pkt *add(struct world *w, bool from_tun, const uint8_t *data, size_t len)
{
	if (w->n == QUEUE || (w->n && w->from_tun != from_tun))
		flush(w);
	w->from_tun = from_tun;
	struct pkt *p = &w->queue[w->n];
	w->slot[w->n] = malloc(PKT_HEADROOM + len + PKT_TAILROOM);
	must(w->slot[w->n] != NULL);
	*p = (struct pkt){.data = w->slot[w->n++] + PKT_HEADROOM, .len = (uint32_t)len};
	if (len)
		memcpy(p->data, data, len);
	return p;
}

static void add_sealed(struct world *w, struct fixture_node *by, const uint8_t *plain, size_t len)
{
	struct session *s = session_at(
		&by->plane.sessions, atomic_load(&by->plane.sessions.paths[NODE].session));
	struct sealed_header header = {.index = s->remote_index, .lane = 1};
	if (!session_reserve(s, 1, 1, 1, &header.sequence))
		return;
	w->last_len = sealed_seal(&s->tx, &header, w->last, plain, len);
	struct pkt *p = add(w, false, w->last, w->last_len);
	uint8_t peer = by == w->a ? PEER_A : PEER_B;
	p->remote =
		(struct endpoint){.addr = {.family = 4, .bytes = {192, 0, 2, peer}}, .port = 4754};
}

static void add_packet(struct world *w, struct fixture_node *by, const uint8_t *ip, size_t len)
{
	uint8_t plain[GRE_PLAIN_LEN + MAX_LEN];
	gre_inner_write(plain, len && ip[0] >> 4 == 6 ? GRE_PROTO_IPV6 : GRE_PROTO_IPV4);
	if (len)
		memcpy(plain + GRE_PLAIN_LEN, ip, len);
	add_sealed(w, by, plain, len + GRE_PLAIN_LEN);
}

/* As the kernel tells of trains, and of packets whose checksum it leaves to us. */
static void make_train(struct pkt *p, uint8_t how)
{
	static const uint16_t sizes[] = {0, 1, 7, 48, 100, 536, 1000, 1400};
	bool tcp = how & 1;
	if (how == 0)
		return;
	p->gso_size = sizes[how >> 1];
	p->gso_type = p->gso_size == 0 ? PKT_PLAIN : tcp ? PKT_TCP : PKT_UDP;
	p->flags = PKT_CSUM_PARTIAL;
	p->l4_off = p->len && p->data[0] >> 4 == 6 ? IP6_HDR_LEN : IP4_HDR_LEN;
	p->csum_off = tcp ? 16 : 6;
}

static void feed(struct world *w, uint8_t kind, const uint8_t *bytes, size_t len)
{
	struct pkt *p;
	switch ((enum kind)(kind % KINDS)) {
	case DATAGRAM:
		add(w, false, bytes, len);
		break;
	case SEALED:
		add_sealed(w, w->a, bytes, len);
		break;
	case PACKET:
		add_packet(w, w->a, bytes, len);
		break;
	case PACKET_B:
		add_packet(w, w->b, bytes, len);
		break;
	case TUN:
		make_train(add(w, true, bytes, len), kind >> 4);
		break;
	case SPOILT:
		add_packet(w, w->a, bytes, len);
		p = &w->queue[w->n - 1];
		p->data[len ? bytes[0] % p->len : 0] ^= 0x10;
		break;
	case AGAIN:
		add(w, false, w->last, w->last_len);
		break;
	case LATER:
		flush(w);
		w->now += len * NS_PER_MS;
		return;
	case KINDS:
		return;
	}
	w->queue[w->n - 1].tos = kind >> 4; /* outer DSCP and ECN */
}

static void set_up(struct world *w)
{
	w->node = fixture_node(NODE, CERT_SPOKE, 1);
	w->a = fixture_node(PEER_A, CERT_SPOKE, 1);
	w->b = fixture_node(PEER_B, CERT_SPOKE, 1);
	struct plane *plane = &w->node->plane;
	fixture_route(w->node, "10.77.0.0/24", NULL, FIB_OVERLAY, FIB_KERNEL);
	fixture_route(w->node, "10.77.0.1/32", NULL, FIB_LOCAL, FIB_KERNEL);
	fixture_route(w->node, "fd77::/64", NULL, FIB_OVERLAY, FIB_KERNEL);
	fixture_route(w->node, "fd77::1/128", NULL, FIB_LOCAL, FIB_KERNEL);
	fixture_route(w->node, "192.168.1.0/24", NULL, FIB_OTHER, FIB_KERNEL);
	fixture_route(w->node, "192.168.12.0/24", "10.77.0.12", FIB_OVERLAY, FIB_REGISTERED);
	fixture_route(w->node, "172.31.0.0/16", NULL, FIB_REJECT, FIB_KERNEL);
	for (unsigned peer = PEER_A; peer <= PEER_B; peer++) {
		const struct plane *other = peer == PEER_A ? &w->a->plane : &w->b->plane;
		fib_neighbour_put(&plane->fib, &other->self.addresses[0].addr, peer);
		fib_neighbour_put(&plane->fib, &other->self.addresses[1].addr, peer);
		fib_neighbour_put(&plane->fib, &other->link_local, peer);
	}
}

/* As if it had just been made: no sessions, no limits reached, the same random numbers. */
static void reset(struct fixture_node *f, bool hub)
{
	static const uint32_t peers[] = {NODE, PEER_A, PEER_B}; /* nobody else ever has a path */
	struct sessions *t = &f->plane.sessions;
	for (unsigned i = 0; i < 3; i++) {
		uint32_t peer = peers[i], id = atomic_load(&t->paths[peer].session);
		path_clear(t, peer);
		if (id != SESSION_NONE && session_at(t, id)->state == SESSION_LIVE)
			session_end(t, session_at(t, id));
	}
	struct worker *worker = &f->workers[0];
	memset(worker->limits, 0, sizeof worker->limits);
	worker->icmp = worker->unknown = (struct bucket){0};
	f->plane.hub = hub;
	f->plane.self.role = hub ? CERT_HUB : CERT_SPOKE;
	f->seed = f->plane.self.static_key[0];
}

static void begin(struct world *w, uint8_t flags)
{
	struct plane *plane = &w->node->plane;
	struct prefix lan = fixture_prefix("192.168.12.0/24");
	struct prefix group = fixture_prefix("239.1.0.0/16");
	w->now = FIXTURE_NOW;
	w->last_len = 0;
	reset(w->node, flags & 1);
	reset(w->a, flags & 2);
	reset(w->b, false);
	fixture_connect(w->a, NODE, w->node, PEER_A);
	fixture_connect(w->b, NODE, w->node, PEER_B);
	atomic_store(&plane->hub_session,
		flags & 2 ? atomic_load(&plane->sessions.paths[PEER_A].session) : SESSION_NONE);
	if (flags & 4)
		fib_shortcut_put(&plane->fib, &lan, PEER_B);
	else
		fib_shortcut_remove(&plane->fib, &lan);
	multicast_set(&plane->multicast, &group, flags >> 4 & 1);
	atomic_store(&plane->redirect, flags & 1);
	atomic_store(&plane->relay_kernel, (flags & 8) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w; /* what is reachable from here is no leak */
	struct reader r = reader_of(data, size);
	if (!w.node)
		set_up(&w);
	begin(&w, read_u8(&r));
	while (reader_left(&r) >= 3) {
		uint8_t kind = read_u8(&r);
		size_t len = read_u16(&r) % (MAX_LEN + 1);
		if (kind % KINDS == LATER) {
			feed(&w, kind, NULL, len);
			continue;
		}
		len = len < reader_left(&r) ? len : reader_left(&r);
		feed(&w, kind, r.at, len);
		read_bytes(&r, len);
	}
	flush(&w);
	return 0;
}
