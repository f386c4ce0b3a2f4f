/*
 * The data path. Each direction has two passes over a batch: the first decides about every packet and
 * notes in `plan` which session it is to be sealed for; the second seals runs of packets of one session,
 * with one reservation of sequence numbers a run.
 */
#include "core/engine/data.h"

#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/engine/plane.h"
#include "core/route/multicast.h"
#include "core/wire/gre.h"
#include "core/wire/icmp.h"

#include <string.h>

#define PROTO_UDP 17

static void count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
		memory_order_relaxed);
}

static void drop(struct worker *w, struct pkt *p, enum drop_reason why)
{
	pkt_drop(p, why);
	count(&w->counters.dropped[why], 1);
}

/* ---- Events --------------------------------------------------------------------------------- */

static struct event *event_new(struct worker *w, enum event_type type, const struct pkt *p)
{
	struct event *ev = ring_reserve(&w->events);
	if (!ev) {
		count(&w->counters.dropped[DROP_RING_FULL], 1);
		return NULL;
	}
	ev->type = (uint8_t)type;
	ev->protocol = 0;
	ev->len = 0;
	ev->session = SESSION_NONE;
	ev->local_index = 0;
	ev->remote = p->remote;
	ev->local = p->local;
	return ev;
}

static void event_data(struct event *ev, const uint8_t *data, size_t len)
{
	ev->len = (uint16_t)(len < sizeof ev->data ? len : sizeof ev->data);
	memcpy(ev->data, data, ev->len);
}

/* At most one event of this kind and subject per interval; a collision only makes one more. */
static bool limit_pass(struct worker *w, enum event_type type, const void *subject, size_t len,
	uint64_t interval_ns, uint64_t now)
{
	uint64_t key = siphash(w->seed, subject, len) + type;
	size_t at = key % WORKER_LIMITS;
	if (w->limits[at].key == key && now < w->limits[at].until)
		return false;
	w->limits[at].key = key;
	w->limits[at].until = now + interval_ns;
	return true;
}

/* ---- Sealing -------------------------------------------------------------------------------- */

static void seal_one(struct worker *w, struct session *s, struct pkt *p, uint32_t sequence)
{
	uint8_t *plain = p->data - GRE_PLAIN_LEN;
	p->tos = ecn_encap(ip_tos(p->data));
	gre_inner_write(plain, p->data[0] >> 4 == 6 ? GRE_PROTO_IPV6 : GRE_PROTO_IPV4);
	struct sealed_header header = {
		.index = s->remote_index, .lane = w->lane, .sequence = sequence};
	p->len = (uint32_t)sealed_seal(&s->tx, &header, plain, p->len + GRE_PLAIN_LEN);
	p->data = plain - SEALED_HEADER_LEN;
	p->ttl = 0;
	p->verdict = PKT_SEND_UDP;
}

static void seal_run(
	struct worker *w, struct pkt_batch *b, unsigned from, unsigned to, uint64_t now)
{
	struct session *s = session_at(&w->plane->sessions, w->plan[from]);
	struct path *path = &w->plane->sessions.paths[s->peer];
	uint64_t blocks = 0, bytes = 0;
	uint32_t sequence;
	struct endpoint remote;
	struct ip_addr local;
	for (unsigned i = from; i < to; i++) {
		blocks += aead_blocks(b->v[i].len + GRE_PLAIN_LEN);
		bytes += b->v[i].len;
	}
	if (!session_reserve(s, w->lane, to - from, blocks, &sequence)) {
		for (unsigned i = from; i < to; i++)
			drop(w, &b->v[i], DROP_KEY_EXPIRED);
		return;
	}
	path_get_endpoint(&w->plane->sessions, s->peer, &remote, &local);
	for (unsigned i = from; i < to; i++) {
		seal_one(w, s, &b->v[i], sequence++);
		b->v[i].remote = remote;
		b->v[i].local = local;
		count(&w->counters.udp_tx_bytes, b->v[i].len);
	}
	count(&w->counters.udp_tx_packets, to - from);
	atomic_store_explicit(&path->last_data_tx_ns, now, memory_order_relaxed);
	atomic_fetch_add_explicit(&path->tx_packets, to - from, memory_order_relaxed);
	atomic_fetch_add_explicit(&path->tx_bytes, bytes, memory_order_relaxed);
}

static void seal_planned(struct worker *w, struct pkt_batch *b, uint64_t now)
{
	for (unsigned from = 0, to; from < b->n; from = to) {
		for (to = from + 1; to < b->n && w->plan[to] == w->plan[from]; to++)
			;
		if (w->plan[from] != SESSION_NONE)
			seal_run(w, b, from, to, now);
	}
}

int worker_seal(
	struct worker *w, struct session *s, uint16_t protocol, uint8_t *payload, size_t len)
{
	uint8_t *plain = payload - GRE_PLAIN_LEN;
	struct sealed_header header = {.index = s->remote_index, .lane = w->lane};
	if (!session_reserve(s, w->lane, 1, aead_blocks(len + GRE_PLAIN_LEN), &header.sequence))
		return ERR_EXPIRED;
	gre_inner_write(plain, protocol);
	return (int)sealed_seal(&s->tx, &header, plain, len + GRE_PLAIN_LEN);
}

/* ---- Deciding ------------------------------------------------------------------------------- */

static struct session *live_session(const struct sessions *t, uint32_t id)
{
	struct session *s = session_at(t, id);
	return s && atomic_load_explicit(&s->state, memory_order_acquire) == SESSION_LIVE ? s
											  : NULL;
}

/* The session for user data to this peer, NULL when its direct path is not up. */
static struct session *direct_session(const struct worker *w, uint32_t peer)
{
	if (peer == FIB_NONE)
		return NULL;
	const struct sessions *t = &w->plane->sessions;
	return live_session(t, atomic_load_explicit(&t->paths[peer].session, memory_order_acquire));
}

static const struct ip_addr *own_address(const struct plane *plane, uint8_t family)
{
	for (unsigned i = 0; i < plane->self.n_addresses; i++)
		if (plane->self.addresses[i].addr.family == family)
			return &plane->self.addresses[i].addr;
	return NULL;
}

/* Turns the packet into an ICMP error about itself. False: none may or can be sent. */
static bool answer_icmp(
	struct worker *w, struct pkt *p, enum icmp_kind kind, uint32_t mtu, uint64_t now)
{
	const struct ip_addr *from = own_address(w->plane, p->data[0] >> 4 == 6 ? 6 : 4);
	if (!from || !bucket_take(&w->icmp, NS_PER_S / 100, 50, now))
		return false;
	int len = icmp_error(p->data, PKT_ROOM, p->data, p->len, kind, mtu, from);
	if (len < 0)
		return false;
	p->len = (uint32_t)len;
	return true;
}

static uint64_t destination_tag(const struct worker *w, const struct ip_addr *dst)
{
	return siphash(w->seed, dst, sizeof *dst);
}

static void note_recent(struct worker *w, const struct ip_addr *dst, uint64_t now)
{
	uint64_t tag = destination_tag(w, dst);
	uint64_t value = (tag & 0xffffffff00000000) | (uint32_t)(now / NS_PER_S);
	_Atomic uint64_t *slot = &w->recent[tag % WORKER_RECENT];
	if (atomic_load_explicit(slot, memory_order_relaxed) != value)
		atomic_store_explicit(slot, value, memory_order_relaxed);
}

bool worker_sent_recently(const struct worker *w, const struct ip_addr *dst, uint64_t now)
{
	uint64_t tag = destination_tag(w, dst);
	uint64_t value =
		atomic_load_explicit(&w->recent[tag % WORKER_RECENT], memory_order_relaxed);
	return value >> 32 == tag >> 32 && (uint32_t)(now / NS_PER_S) - (uint32_t)value <= 10;
}

static void want_resolution(
	struct worker *w, const struct pkt *p, const struct ip_addr *next_hop, uint64_t now)
{
	if (!atomic_load_explicit(&w->plane->shortcut, memory_order_relaxed) ||
		!limit_pass(w, EVENT_RESOLVE, next_hop, sizeof *next_hop, NS_PER_S, now))
		return;
	struct event *ev = event_new(w, EVENT_RESOLVE, p);
	if (ev) {
		ev->addr = *next_hop;
		ring_push(&w->events);
	}
}

/* Our own datagram, routed into the tunnel that it carries. */
static bool is_own_datagram(const struct worker *w, const struct fib_view *fib, const struct pkt *p,
	const struct ip_view *ip)
{
	struct fib_hop hop;
	return ip->proto == PROTO_UDP && !ip->fragment && p->len >= ip->hdr_len + 8u &&
		load_u16(p->data + ip->hdr_len) == w->plane->port &&
		fib_lookup(fib, &ip->src, &hop) && hop.type == FIB_LOCAL;
}

static void multicast_from_tun(struct worker *w, struct pkt *p, const struct ip_view *ip)
{
	if (!multicast_permitted(p->data, ip)) {
		drop(w, p, DROP_MULTICAST_FILTERED);
		return;
	}
	struct event *ev = event_new(w, EVENT_MULTICAST, p);
	if (!ev) {
		pkt_drop(p, DROP_RING_FULL);
		return;
	}
	event_data(ev, p->data, p->len);
	ring_push(&w->events);
	p->verdict = PKT_CONSUMED;
}

static void unreachable_to_tun(
	struct worker *w, struct pkt *p, enum icmp_kind kind, enum drop_reason why, uint64_t now)
{
	if (!answer_icmp(w, p, kind, 0, now)) {
		drop(w, p, why);
		return;
	}
	count(&w->counters.dropped[why], 1);
	p->verdict = PKT_WRITE_TUN;
}

static void decide_from_tun(
	struct worker *w, const struct fib_view *fib, struct pkt *p, uint32_t *plan, uint64_t now)
{
	struct ip_view ip;
	struct fib_hop hop;
	if (ip_peek(p->data, p->len, &ip) < 0 || ip.total_len != p->len) {
		drop(w, p, DROP_MALFORMED);
		return;
	}
	if (addr_is_multicast(&ip.dst)) {
		multicast_from_tun(w, p, &ip);
		return;
	}
	if (addr_is_broadcast(&ip.dst) || is_own_datagram(w, fib, p, &ip)) {
		drop(w, p, addr_is_broadcast(&ip.dst) ? DROP_MULTICAST_FILTERED : DROP_OWN_PACKET);
		return;
	}
	if (!fib_lookup(fib, &ip.dst, &hop) || hop.type == FIB_REJECT) {
		unreachable_to_tun(w, p, ICMP_NET_UNREACHABLE, DROP_NO_ROUTE, now);
		return;
	}
	if (hop.type != FIB_OVERLAY) {
		drop(w, p, DROP_NOT_OVERLAY);
		return;
	}
	struct session *s = direct_session(w, hop.peer);
	if (!s && !w->plane->hub) {
		s = live_session(&w->plane->sessions,
			atomic_load_explicit(&w->plane->hub_session, memory_order_acquire));
		if (!hop.shortcut && (!s || s->peer != hop.peer) &&
			!addr_is_link_local(&hop.next_hop))
			want_resolution(w, p, &hop.next_hop, now);
	}
	if (!s) {
		unreachable_to_tun(w, p, ICMP_HOST_UNREACHABLE, DROP_NO_SESSION, now);
		return;
	}
	if (!w->plane->hub && !hop.shortcut)
		note_recent(w, &ip.dst, now);
	ip_mss_clamp(p->data, p->len, w->plane->mtu);
	*plan = s->id;
}

void data_from_tun(struct worker *w, struct pkt_batch *b, uint64_t now)
{
	uint64_t bytes = 0;
	epoch_enter(&w->plane->epoch, w->number);
	struct fib_view fib = fib_snapshot(&w->plane->fib);
	for (unsigned i = 0; i < b->n; i++) {
		w->plan[i] = SESSION_NONE;
		bytes += b->v[i].len;
		decide_from_tun(w, &fib, &b->v[i], &w->plan[i], now);
	}
	count(&w->counters.tun_rx_packets, b->n);
	count(&w->counters.tun_rx_bytes, bytes);
	seal_planned(w, b, now);
	epoch_leave(&w->plane->epoch, w->number);
}

/* ---- From a peer ---------------------------------------------------------------------------- */

static bool source_allowed(
	const struct plane *plane, const struct session *s, const struct ip_addr *src)
{
	if (addr_is_unspecified(src) || !addr_is_unicast(src))
		return false;
	if (src->family == 6 && addr_is_link_local(src)) {
		struct ip_addr own = s->link_local;
		return addr_equal(src, &own);
	}
	if (s->cert.role & CERT_HUB)
		return !cert_owns_address(&plane->self, src);
	return cert_covers_source(&s->cert, src);
}

static void redirect(struct worker *w, const struct session *s, const struct pkt *p,
	const struct ip_view *ip, uint64_t now)
{
	struct {
		struct ip_addr src, dst;
		uint8_t zero[2]; /* no padding: the bytes are hashed */
		uint32_t peer;
	} subject = {.src = ip->src, .dst = ip->dst, .peer = s->peer};
	if (!atomic_load_explicit(&w->plane->redirect, memory_order_relaxed) ||
		!limit_pass(w, EVENT_REDIRECT, &subject, sizeof subject, NS_PER_S, now))
		return;
	struct event *ev = event_new(w, EVENT_REDIRECT, p);
	if (ev) {
		ev->session = s->id;
		ev->local_index = s->local_index;
		event_data(ev, p->data, p->len < 128 ? p->len : 128);
		ring_push(&w->events);
	}
}

/* Answers the sender, by the session that the packet came in. */
static void icmp_to_peer(struct worker *w, const struct session *s, struct pkt *p,
	enum icmp_kind kind, uint32_t mtu, enum drop_reason why, uint32_t *plan, uint64_t now)
{
	struct session *back = direct_session(w, s->peer);
	if (!back || !answer_icmp(w, p, kind, mtu, now)) {
		drop(w, p, why);
		return;
	}
	count(&w->counters.dropped[why], 1);
	*plan = back->id;
}

/* Overlay in, overlay out: what a router does, without the kernel. */
static void hairpin(struct worker *w, const struct session *s, struct pkt *p,
	const struct ip_view *ip, const struct fib_hop *hop, uint32_t *plan, uint64_t now)
{
	if (!w->plane->hub || hop->peer == s->peer) {
		drop(w, p, DROP_HAIRPIN_REFUSED);
		return;
	}
	if (atomic_load_explicit(&w->plane->relay_kernel, memory_order_relaxed)) {
		redirect(w, s, p, ip, now);
		p->verdict = PKT_WRITE_TUN;
		return;
	}
	struct session *out = direct_session(w, hop->peer);
	if (!out) {
		icmp_to_peer(w, s, p, ICMP_HOST_UNREACHABLE, 0, DROP_NO_SESSION, plan, now);
		return;
	}
	if (ip->ttl <= 1) {
		icmp_to_peer(w, s, p, ICMP_TIME_EXCEEDED, 0, DROP_TTL_EXCEEDED, plan, now);
		return;
	}
	if (p->len > w->plane->mtu) {
		icmp_to_peer(w, s, p, ICMP_TOO_BIG, w->plane->mtu, DROP_TOO_BIG, plan, now);
		return;
	}
	redirect(w, s, p, ip, now);
	ip_ttl_decrement(p->data);
	ip_mss_clamp(p->data, p->len, w->plane->mtu);
	count(&w->counters.hairpin_packets, 1);
	count(&w->counters.hairpin_bytes, p->len);
	*plan = out->id;
}

static void decide_from_peer(struct worker *w, const struct fib_view *fib, const struct session *s,
	struct pkt *p, uint32_t *plan, uint64_t now)
{
	struct ip_view ip;
	struct fib_hop hop;
	if (ip_peek(p->data, p->len, &ip) < 0) {
		drop(w, p, DROP_BAD_INNER);
		return;
	}
	p->len = ip.total_len; /* a relay may have padded */
	if (!source_allowed(w->plane, s, &ip.src)) {
		drop(w, p, DROP_BAD_SOURCE);
		return;
	}
	if (ecn_decap(p->tos, p->data) < 0) {
		drop(w, p, DROP_ECN_ILLEGAL);
		return;
	}
	if (addr_is_multicast(&ip.dst)) {
		if (multicast_permitted(p->data, &ip))
			p->verdict = PKT_WRITE_TUN;
		else
			drop(w, p, DROP_MULTICAST_FILTERED);
		return;
	}
	if (ip.dst.family == 6 && addr_is_link_local(&ip.dst)) {
		if (addr_equal(&ip.dst, &w->plane->link_local))
			p->verdict = PKT_WRITE_TUN;
		else
			drop(w, p, DROP_HAIRPIN_REFUSED);
		return;
	}
	if (!fib_lookup(fib, &ip.dst, &hop) || hop.type == FIB_REJECT) {
		icmp_to_peer(w, s, p, ICMP_NET_UNREACHABLE, 0, DROP_NO_ROUTE, plan, now);
		return;
	}
	if (hop.type == FIB_OVERLAY) {
		hairpin(w, s, p, &ip, &hop, plan, now);
		return;
	}
	ip_mss_clamp(p->data, p->len, w->plane->mtu);
	p->verdict = PKT_WRITE_TUN;
}

static void to_control(struct worker *w, const struct session *s, struct pkt *p, uint16_t protocol)
{
	struct event *ev = event_new(w, EVENT_PACKET, p);
	if (!ev) {
		pkt_drop(p, DROP_RING_FULL);
		return;
	}
	ev->session = s->id;
	ev->local_index = s->local_index;
	ev->protocol = protocol;
	event_data(ev, p->data, p->len);
	ring_push(&w->events);
	p->verdict = PKT_CONSUMED;
}

static void dispatch_opened(struct worker *w, const struct fib_view *fib, const struct session *s,
	struct pkt *p, uint32_t *plan, uint64_t now)
{
	uint16_t protocol;
	if (!gre_inner_read(p->data, p->len, &protocol)) {
		drop(w, p, DROP_BAD_INNER);
		return;
	}
	p->data += GRE_PLAIN_LEN;
	p->len -= GRE_PLAIN_LEN;
	switch (protocol) {
	case GRE_PROTO_IPV4:
	case GRE_PROTO_IPV6:
		if (p->len == 0 || (p->data[0] >> 4 == 6) != (protocol == GRE_PROTO_IPV6))
			drop(w, p, DROP_BAD_INNER);
		else
			decide_from_peer(w, fib, s, p, plan, now);
		break;
	case GRE_PROTO_NHRP:
	case GRE_PROTO_CONTROL:
		to_control(w, s, p, protocol);
		break;
	case GRE_PROTO_KEEPALIVE:
		p->verdict = PKT_CONSUMED;
		break;
	default:
		drop(w, p, DROP_BAD_INNER);
	}
}

/* Opens a run of datagrams of one session and lane under its window's lock. */
static void open_run(struct worker *w, struct session *s, uint8_t lane_number, struct pkt_batch *b,
	unsigned from, unsigned to, struct pkt **newest)
{
	struct lane *lane = s->lanes[lane_number];
	while (atomic_flag_test_and_set_explicit(&lane->busy, memory_order_acquire))
		;
	for (unsigned i = from; i < to; i++) {
		struct pkt *p = &b->v[i];
		struct sealed_header header;
		size_t len;
		sealed_parse(p->data, p->len, &header);
		if (!replay_check(&lane->window, header.sequence)) {
			drop(w, p, DROP_REPLAY);
			continue;
		}
		uint8_t *plain = sealed_open(&s->rx, p->data, p->len, &header, &len);
		if (!plain) {
			atomic_fetch_add_explicit(&s->failed_opens, 1, memory_order_relaxed);
			drop(w, p, DROP_BAD_TAG);
			continue;
		}
		if (replay_is_newest(&lane->window, header.sequence))
			*newest = p;
		replay_update(&lane->window, header.sequence);
		p->data = plain;
		p->len = (uint32_t)len;
		p->verdict = PKT_WRITE_TUN; /* opened; decided about below */
	}
	atomic_flag_clear_explicit(&lane->busy, memory_order_release);
}

/* What the control loop must know of a run: the first packet of a session, a new endpoint. */
static void report_run(struct worker *w, struct session *s, const struct pkt *newest, uint64_t now)
{
	struct event *ev;
	if (atomic_load_explicit(&s->state, memory_order_relaxed) == SESSION_UNCONFIRMED) {
		ev = event_new(w, EVENT_CONFIRMED, newest);
	} else {
		struct endpoint remote;
		struct ip_addr local;
		path_get_endpoint(&w->plane->sessions, s->peer, &remote, &local);
		if (endpoint_equal(&remote, &newest->remote) ||
			!limit_pass(w, EVENT_PATH, &s->local_index, sizeof s->local_index,
				100 * NS_PER_MS, now))
			return;
		ev = event_new(w, EVENT_PATH, newest);
	}
	if (ev) {
		ev->session = s->id;
		ev->local_index = s->local_index;
		ring_push(&w->events);
	}
}

static void receive_run(struct worker *w, const struct fib_view *fib,
	const struct sealed_header *header, struct pkt_batch *b, unsigned from, unsigned to,
	uint64_t now)
{
	struct session *s = session_find(&w->plane->sessions, header->index);
	struct pkt *newest = NULL;
	enum drop_reason why = !s                        ? DROP_UNKNOWN_INDEX
		: header->lane >= s->peer_lanes          ? DROP_BAD_LANE
		: now - s->created_ns > SEALED_REJECT_NS ? DROP_KEY_EXPIRED
							 : DROP_NONE;
	if (why != DROP_NONE) {
		for (unsigned i = from; i < to; i++)
			drop(w, &b->v[i], why);
		struct event *ev;
		if (!s && bucket_take(&w->unknown, NS_PER_S / 1000, 100, now) &&
			(ev = event_new(w, EVENT_UNKNOWN, &b->v[from]))) {
			ev->local_index = header->index;
			ev->len = (uint16_t)b->v[from].len;
			ring_push(&w->events);
		}
		return;
	}
	open_run(w, s, header->lane, b, from, to, &newest);
	if (newest)
		report_run(w, s, newest, now);
	struct path *path = &w->plane->sessions.paths[s->peer];
	uint64_t packets = 0, bytes = 0;
	for (unsigned i = from; i < to; i++) {
		if (b->v[i].verdict == PKT_DROP)
			continue;
		uint32_t len = b->v[i].len;
		dispatch_opened(w, fib, s, &b->v[i], &w->plan[i], now);
		if (b->v[i].verdict == PKT_WRITE_TUN || w->plan[i] != SESSION_NONE) {
			packets++;
			bytes += len - GRE_PLAIN_LEN;
		}
		atomic_store_explicit(&path->last_rx_ns, now, memory_order_relaxed);
	}
	if (packets) {
		atomic_store_explicit(&path->last_data_rx_ns, now, memory_order_relaxed);
		atomic_fetch_add_explicit(&path->rx_packets, packets, memory_order_relaxed);
		atomic_fetch_add_explicit(&path->rx_bytes, bytes, memory_order_relaxed);
		count(&w->counters.udp_rx_packets, packets);
		count(&w->counters.udp_rx_bytes, bytes);
	}
}

static void unsealed(struct worker *w, struct pkt *p)
{
	if (gre_classify(p->data, p->len) != GRE_HANDSHAKE) {
		drop(w, p, DROP_BAD_OUTER);
		return;
	}
	struct event *ev = event_new(w, EVENT_DATAGRAM, p);
	if (!ev) {
		pkt_drop(p, DROP_RING_FULL);
		return;
	}
	event_data(ev, p->data, p->len);
	ring_push(&w->events);
	p->verdict = PKT_CONSUMED;
}

void data_from_udp(struct worker *w, struct pkt_batch *b, uint64_t now)
{
	epoch_enter(&w->plane->epoch, w->number);
	struct fib_view fib = fib_snapshot(&w->plane->fib);
	for (unsigned i = 0; i < b->n; i++)
		w->plan[i] = SESSION_NONE;
	for (unsigned from = 0, to; from < b->n; from = to) {
		struct sealed_header header, next;
		to = from + 1;
		if (!sealed_parse(b->v[from].data, b->v[from].len, &header)) {
			unsealed(w, &b->v[from]);
			continue;
		}
		while (to < b->n && sealed_parse(b->v[to].data, b->v[to].len, &next) &&
			next.index == header.index && next.lane == header.lane)
			to++;
		receive_run(w, &fib, &header, b, from, to, now);
	}
	seal_planned(w, b, now);
	uint64_t packets = 0, bytes = 0;
	for (unsigned i = 0; i < b->n; i++)
		if (b->v[i].verdict == PKT_WRITE_TUN) {
			packets++;
			bytes += b->v[i].len;
		}
	count(&w->counters.tun_tx_packets, packets);
	count(&w->counters.tun_tx_bytes, bytes);
	epoch_leave(&w->plane->epoch, w->number);
}

void data_count_failed(struct worker *w, const struct pkt_batch *b)
{
	for (unsigned i = 0; i < b->n; i++)
		if (b->v[i].verdict == PKT_DROP && b->v[i].drop == DROP_SEND_FAILED)
			count(&w->counters.dropped[DROP_SEND_FAILED], 1);
}

bool data_wants_control(const struct worker *w)
{
	return ring_peek((struct ring *)&w->events) != NULL;
}
