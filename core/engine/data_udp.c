/* The data path from peers to the TUN, and from one peer to another. */
#include "core/engine/data.h"

#include "core/engine/data_private.h"
#include "core/route/multicast.h"
#include "core/wire/control.h"
#include "core/wire/gre.h"
#include "core/wire/ip.h"

/* What one member may ask of the control loop. */
#define CONTROL_PER_S 1000
#define CONTROL_BURST 256 /* a bundle is 128 packets */

_Static_assert(
	sizeof((struct session *)0)->multicast == MULTICAST_KINDS * sizeof(struct shared_bucket),
	"a limit for each kind");

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
		return !cert_owns_address(&plane->self, src) && data_plain_allows(s, src);
	/* Who it is must be known: else the rule for neighbours would not hold. */
	if (s->plain && s->cert.n_addresses == 0)
		return false;
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
		!data_limit(w, EVENT_REDIRECT, &subject, sizeof subject, NS_PER_S, now))
		return;
	struct event *ev = data_event(w, EVENT_REDIRECT, p, s);
	if (ev) {
		data_event_bytes(ev, p->data, p->len < 128 ? p->len : 128);
		ring_push(&w->events);
	}
}

/*
 * A client is answered in its own session. What a hub passed on is answered by the route to its source:
 * by the hub it might come back to us, in our own name, when the two of us are part of a loop.
 */
static struct session *way_back(struct worker *w, const struct session *s, const struct pkt *p)
{
	struct fib_hop hop;
	struct fib_view fib = fib_snapshot(&w->plane->fib);
	struct ip_view ip;
	if (s->cert.role & CERT_HUB && ip_peek(p->data, p->len, &ip) == 0 &&
		fib_lookup(&fib, &ip.src, &hop) && hop.type == FIB_OVERLAY) {
		struct session *out = data_direct_session(w, hop.peer);
		if (out)
			return out;
	}
	return data_direct_session(w, s->peer);
}

static void icmp_to_peer(struct worker *w, struct session *s, struct pkt *p, enum icmp_kind kind,
	uint32_t mtu, enum drop_reason why, uint32_t *plan, uint64_t now)
{
	/* Each peer has its own measure, so that one does not use up what tells others of their path. */
	struct session *back = way_back(w, s, p);
	const struct ip_addr *own = data_own_address(w->plane, p->data[0] >> 4 == 6 ? 6 : 4);
	if (!back || !own ||
		!bucket_take_shared(&s->icmp, NS_PER_S / ICMP_PER_S, ICMP_BURST, now) ||
		!data_answer_icmp(w, p, own, kind, mtu)) {
		data_drop(w, p, why);
		return;
	}
	data_count(&w->counters.dropped[why], 1);
	*plan = back->id;
}

/* It has a shortcut that ought to be gone, whatever became of the word that took it back. */
static void misled(struct worker *w, const struct session *s, const struct pkt *p,
	const struct ip_view *ip, uint64_t now)
{
	struct event *ev;
	if (w->plane->hub || (s->cert.role & CERT_HUB) ||
		!data_limit(w, EVENT_MISLED, &s->peer, sizeof s->peer, 100 * NS_PER_MS, now) ||
		!(ev = data_event(w, EVENT_MISLED, p, s)))
		return;
	ev->addr = ip->dst;
	ring_push(&w->events);
}

/* Overlay in, overlay out: what a router does, without the kernel. */
static void hairpin(struct worker *w, struct session *s, struct pkt *p, const struct ip_view *ip,
	const struct fib_hop *hop, uint32_t *plan, uint64_t now)
{
	if (!w->plane->hub || hop->peer == s->peer) {
		misled(w, s, p, ip, now);
		data_drop(w, p, DROP_HAIRPIN_REFUSED);
		return;
	}
	struct session *out = data_direct_session(w, hop->peer);
	bool crossing = out && out->plain != s->plain; /* which shall not know of each other */
	if (out && ((crossing && !w->plane->plain.relay) || !data_plain_allows(out, &ip->dst))) {
		data_drop(w, p, DROP_PLAIN_REFUSED);
		return;
	}
	if (atomic_load_explicit(&w->plane->relay_kernel, memory_order_relaxed)) {
		if (!crossing)
			redirect(w, s, p, ip, now);
		p->verdict = PKT_WRITE_TUN;
		return;
	}
	if (!out) {
		icmp_to_peer(w, s, p, ICMP_HOST_UNREACHABLE, 0, DROP_NO_SESSION, plan, now);
		return;
	}
	if (ip->ttl <= 1) {
		icmp_to_peer(w, s, p, ICMP_TIME_EXCEEDED, 0, DROP_TTL_EXCEEDED, plan, now);
		return;
	}
	if (p->len > w->plane->mtu && ip->df) {
		icmp_to_peer(w, s, p, ICMP_TOO_BIG, w->plane->mtu, DROP_TOO_BIG, plan, now);
		return;
	}
	if (!crossing)
		redirect(w, s, p, ip, now);
	ip_ttl_decrement(p->data);
	ip_mss_clamp(p->data, p->len, w->plane->mtu);
	data_count(&w->counters.hairpin_packets, 1);
	data_count(&w->counters.hairpin_bytes, p->len);
	*plan = out->id;
}

static void multicast_from_peer(
	struct worker *w, struct session *s, struct pkt *p, const struct ip_view *ip, uint64_t now)
{
	enum multicast_kind kind = multicast_classify(&w->plane->multicast, p->data, ip);
	if (kind == MULTICAST_FILTERED) {
		data_drop(w, p, DROP_MULTICAST_FILTERED);
		return;
	}
	struct multicast_limit limit = plane_multicast_limit(w->plane, kind);
	if (!bucket_take_shared(&s->multicast[kind], limit.interval_ns, limit.burst, now)) {
		data_drop(w, p, DROP_MULTICAST_LIMITED);
		return;
	}
	data_count(&w->counters.multicast_rx_packets, 1);
	p->verdict = PKT_WRITE_TUN;
}

void data_decide(struct worker *w, const struct fib_view *fib, struct session *s, struct pkt *p,
	uint32_t *plan, uint64_t now)
{
	struct ip_view ip;
	struct fib_hop hop;
	struct ip_addr wanted;
	if (ip_peek(p->data, p->len, &ip) < 0) {
		data_drop(w, p, DROP_BAD_INNER);
		return;
	}
	p->len = ip.total_len; /* a relay may have padded */
	if (!source_allowed(w->plane, s, &ip.src)) {
		data_drop(w, p, DROP_BAD_SOURCE);
		return;
	}
	if (ecn_decap(p->tos, p->data) < 0) {
		data_drop(w, p, DROP_ECN_ILLEGAL);
		return;
	}
	if (addr_is_multicast(&ip.dst)) {
		multicast_from_peer(w, s, p, &ip, now);
		return;
	}
	if (ip.dst.family == 6 && addr_is_link_local(&ip.dst)) {
		if (addr_equal(&ip.dst, &w->plane->link_local))
			p->verdict = PKT_WRITE_TUN;
		else
			data_drop(w, p, DROP_HAIRPIN_REFUSED);
		return;
	}
	if (addr_is_broadcast(&ip.dst)) {
		data_drop(w, p, DROP_MULTICAST_FILTERED);
		return;
	}
	if (!fib_lookup(fib, &ip.dst, &hop) || hop.type == FIB_REJECT) {
		misled(w, s, p, &ip, now);
		icmp_to_peer(w, s, p, ICMP_NET_UNREACHABLE, 0, DROP_NO_ROUTE, plan, now);
		return;
	}
	data_choose(w, fib, p, &ip, s->peer, &hop, &wanted);
	if (hop.type == FIB_OVERLAY && !hop.elsewhere) { /* else the kernel decides which way */
		hairpin(w, s, p, &ip, &hop, plan, now);
		return;
	}
	ip_mss_clamp(p->data, p->len, w->plane->mtu);
	p->verdict = PKT_WRITE_TUN;
}

static void dispatch_opened(struct worker *w, const struct fib_view *fib, struct session *s,
	struct pkt *p, uint32_t *plan, uint64_t now)
{
	uint16_t protocol;
	if (!gre_inner_read(p->data, p->len, &protocol)) {
		data_drop(w, p, DROP_BAD_INNER);
		return;
	}
	p->data += GRE_PLAIN_LEN;
	p->len -= GRE_PLAIN_LEN;
	switch (protocol) {
	case GRE_PROTO_IPV4:
	case GRE_PROTO_IPV6:
		if (p->len == 0 || (p->data[0] >> 4 == 6) != (protocol == GRE_PROTO_IPV6))
			data_drop(w, p, DROP_BAD_INNER);
		else
			data_decide(w, fib, s, p, plan, now);
		break;
	case GRE_PROTO_NHRP:
	case GRE_PROTO_CONTROL:
		if (bucket_take_shared(&s->control, NS_PER_S / CONTROL_PER_S, CONTROL_BURST, now))
			data_consume(w, EVENT_PACKET, p, s, protocol);
		else
			data_drop(w, p, DROP_RATE_LIMITED);
		break;
	case GRE_PROTO_KEEPALIVE:
		p->verdict = PKT_CONSUMED;
		break;
	default:
		data_drop(w, p, DROP_BAD_INNER);
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
		uint8_t *plain = p->data + SEALED_HEADER_LEN;
		sealed_parse(p->data, p->len, &header);
		if (!replay_check(&lane->window, header.sequence)) {
			data_drop(w, p, DROP_REPLAY);
			continue;
		}
		int len = sealed_open(&s->rx, &header, plain, p->data, p->len);
		if (len < 0) {
			atomic_fetch_add_explicit(&s->failed_opens, 1, memory_order_relaxed);
			data_drop(w, p, DROP_BAD_TAG);
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

static bool is_challenge(const struct pkt *p)
{
	uint16_t protocol;
	return gre_inner_read(p->data, p->len, &protocol) && protocol == GRE_PROTO_CONTROL &&
		p->len > GRE_PLAIN_LEN && p->data[GRE_PLAIN_LEN] == CONTROL_PATH_CHALLENGE;
}

/* What the control loop must know of a run: the first packet of a session, a new endpoint. */
static void report_run(struct worker *w, struct session *s, const struct pkt *newest, uint64_t now)
{
	struct event *ev;
	if (atomic_load_explicit(&s->state, memory_order_relaxed) == SESSION_UNCONFIRMED) {
		ev = data_event(w, EVENT_CONFIRMED, newest, s);
	} else {
		struct endpoint remote;
		struct ip_addr local;
		path_get_endpoint(&w->plane->sessions, s->peer, &remote, &local);
		if (endpoint_equal(&remote, &newest->remote) ||
			!data_limit(w, EVENT_PATH, &s->local_index, sizeof s->local_index,
				100 * NS_PER_MS, now))
			return;
		ev = data_event(w, EVENT_PATH, newest, s);
	}
	if (!ev)
		return;
	ev->asks = is_challenge(newest);
	ev->len = (uint16_t)(SEALED_HEADER_LEN + newest->len + s->rx.aead->tag_len);
	ring_push(&w->events);
}

/* Once a second and source, so that one who repeats himself does not use up what is for all. */
static void report_unknown(struct worker *w, uint32_t index, const struct pkt *p, uint64_t now)
{
	const struct ip_addr *source = &p->remote.addr;
	struct event *ev;
	if (ring_room(&w->events) <= WORKER_EVENTS_KEPT ||
		!data_limit(w, EVENT_UNKNOWN, source, sizeof *source, NS_PER_S, now) ||
		!bucket_take(&w->unknown, NS_PER_S / 1000, 100, now) ||
		!(ev = data_event(w, EVENT_UNKNOWN, p, NULL)))
		return;
	ev->local_index = index;
	ev->len = (uint16_t)p->len;
	ring_push(&w->events);
}

void data_count_received(
	struct worker *w, struct path *path, uint64_t packets, uint64_t bytes, uint64_t now)
{
	atomic_store_explicit(&path->last_data_rx_ns, now, memory_order_relaxed);
	atomic_fetch_add_explicit(&path->rx_packets, packets, memory_order_relaxed);
	atomic_fetch_add_explicit(&path->rx_bytes, bytes, memory_order_relaxed);
	data_count(&w->counters.udp_rx_packets, packets);
	data_count(&w->counters.udp_rx_bytes, bytes);
}

static void receive_run(struct worker *w, const struct fib_view *fib,
	const struct sealed_header *header, struct pkt_batch *b, unsigned from, unsigned to,
	uint64_t now)
{
	struct session *s = session_find(&w->plane->sessions, header->index);
	struct pkt *newest = NULL;
	enum drop_reason why = !s                                 ? DROP_UNKNOWN_INDEX
		: header->lane >= s->peer_lanes                   ? DROP_BAD_LANE
		: ts_since(s->created_ns, now) > SEALED_REJECT_NS ? DROP_KEY_EXPIRED
								  : DROP_NONE;
	if (why != DROP_NONE) {
		for (unsigned i = from; i < to; i++)
			data_drop(w, &b->v[i], why);
		if (!s)
			report_unknown(w, header->index, &b->v[from], now);
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
	if (packets)
		data_count_received(w, path, packets, bytes, now);
}

/* Without a section of interop mode nothing is. */
static bool is_plain(const struct worker *w, const struct pkt *p)
{
	return w->plane->plain.n && gre_classify(p->data, p->len) == GRE_PLAIN;
}

static bool same_source(const struct pkt *a, const struct pkt *b)
{
	return addr_equal(&a->remote.addr, &b->remote.addr) &&
		(a->flags & PKT_GRE) == (b->flags & PKT_GRE);
}

static void unsealed(struct worker *w, struct pkt *p)
{
	if (gre_classify(p->data, p->len) != GRE_HANDSHAKE || (p->flags & PKT_GRE)) {
		data_drop(w, p, DROP_BAD_OUTER);
		return;
	}
	/* Strangers may fill half of the ring: the rest is for what opened. */
	if (ring_room(&w->events) > WORKER_EVENTS_KEPT)
		data_consume(w, EVENT_DATAGRAM, p, NULL, 0);
	else
		data_drop(w, p, DROP_RING_FULL);
}

void data_from_udp(struct worker *w, struct pkt_batch *b, uint64_t now)
{
	w->arena_used = 0;
	epoch_enter(&w->plane->epoch, w->number);
	struct fib_view fib = fib_snapshot(&w->plane->fib);
	for (unsigned i = 0; i < b->n; i++)
		w->plan[i] = SESSION_NONE;
	for (unsigned from = 0, to; from < b->n; from = to) {
		struct sealed_header header, next;
		to = from + 1;
		if (is_plain(w, &b->v[from])) {
			while (to < b->n && is_plain(w, &b->v[to]) &&
				same_source(&b->v[from], &b->v[to]))
				to++;
			data_plain_run(w, &fib, b, from, to, now);
			continue;
		}
		if ((b->v[from].flags & PKT_GRE) ||
			!sealed_parse(b->v[from].data, b->v[from].len, &header)) {
			unsealed(w, &b->v[from]);
			continue;
		}
		while (to < b->n && sealed_parse(b->v[to].data, b->v[to].len, &next) &&
			next.index == header.index && next.lane == header.lane)
			to++;
		receive_run(w, &fib, &header, b, from, to, now);
	}
	data_seal_planned(w, b, now);
	uint64_t packets = 0, bytes = 0;
	for (unsigned i = 0; i < b->n; i++)
		if (b->v[i].verdict == PKT_WRITE_TUN) {
			packets++;
			bytes += b->v[i].len;
		}
	data_count(&w->counters.tun_tx_packets, packets);
	data_count(&w->counters.tun_tx_bytes, bytes);
	epoch_leave(&w->plane->epoch, w->number);
}
