/* The data path from the TUN to peers. */
#include "core/engine/data.h"

#include "core/base/cursor.h"
#include "core/engine/data_private.h"
#include "core/route/multicast.h"
#include "core/wire/split.h"

#include <string.h>

#define PROTO_UDP 17

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
	return value >> 32 == tag >> 32 &&
		(int32_t)((uint32_t)(now / NS_PER_S) - (uint32_t)value) <= 10;
}

static void want_resolution(
	struct worker *w, const struct pkt *p, const struct ip_addr *next_hop, uint64_t now)
{
	if (!atomic_load_explicit(&w->plane->shortcut, memory_order_relaxed) ||
		!data_limit(w, EVENT_RESOLVE, next_hop, sizeof *next_hop, NS_PER_S, now))
		return;
	struct event *ev = data_event(w, EVENT_RESOLVE, p, NULL);
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

static void replicate(struct worker *w, struct pkt *p, enum multicast_kind kind)
{
	struct event *ev = data_event(w, EVENT_MULTICAST, p, NULL);
	if (!ev) {
		pkt_drop(p, DROP_RING_FULL);
		return;
	}
	ev->kind = (uint8_t)kind;
	data_event_bytes(ev, p->data, p->len);
	ring_push(&w->events);
	p->verdict = PKT_CONSUMED;
}

/*
 * Limited here already: a flood of it must not fill the ring to the control loop, of which streams leave a
 * half to what routing protocols say.
 */
static bool may_replicate(struct worker *w, enum multicast_kind kind, uint64_t now)
{
	struct multicast_limit limit = plane_multicast_limit(w->plane, kind);
	return (kind == MULTICAST_LINK || ring_room(&w->events) > WORKER_EVENTS_KEPT) &&
		bucket_take(&w->multicast[kind], limit.interval_ns, limit.burst, now);
}

static void multicast_from_tun(
	struct worker *w, struct pkt *p, const struct ip_view *ip, uint64_t now)
{
	struct split split;
	enum multicast_kind kind = multicast_classify(&w->plane->multicast, p->data, ip);
	if (kind == MULTICAST_FILTERED) {
		data_drop(w, p, DROP_MULTICAST_FILTERED);
		return;
	}
	if (split_begin(&split, p) < 0) {
		data_drop(w, p, DROP_MALFORMED);
		return;
	}
	for (struct pkt one = *p; (one.data = split_next(&split, &one.len));) {
		if (may_replicate(w, kind, now))
			replicate(w, &one, kind);
		else
			data_drop(w, &one, DROP_MULTICAST_LIMITED);
		p->verdict = one.verdict;
		p->drop = one.drop;
	}
}

/*
 * The destination is named as the one who says so: a kernel takes no packet from outside that claims to
 * come from its own address.
 */
static void unreachable_to_tun(struct worker *w, struct pkt *p, const struct ip_view *ip,
	enum icmp_kind kind, enum drop_reason why, uint64_t now)
{
	if (!bucket_take(&w->icmp, NS_PER_S / ICMP_PER_S, ICMP_BURST, now) ||
		!data_answer_icmp(w, p, &ip->dst, kind, 0)) {
		data_drop(w, p, why);
		return;
	}
	data_count(&w->counters.dropped[why], 1);
	p->verdict = PKT_WRITE_TUN;
}

static void decide_from_tun(
	struct worker *w, const struct fib_view *fib, struct pkt *p, uint32_t *plan, uint64_t now)
{
	struct ip_view ip;
	struct fib_hop hop;
	struct ip_addr wanted;
	if (ip_peek(p->data, p->len, &ip) < 0 || ip.total_len != p->len ||
		!split_finish_checksum(p)) {
		data_drop(w, p, DROP_MALFORMED);
		return;
	}
	if (addr_is_multicast(&ip.dst)) {
		multicast_from_tun(w, p, &ip, now);
		return;
	}
	if (addr_is_broadcast(&ip.dst) || is_own_datagram(w, fib, p, &ip)) {
		data_drop(w, p,
			addr_is_broadcast(&ip.dst) ? DROP_MULTICAST_FILTERED : DROP_OWN_PACKET);
		return;
	}
	if (!fib_lookup(fib, &ip.dst, &hop) || hop.type == FIB_REJECT) {
		unreachable_to_tun(w, p, &ip, ICMP_NET_UNREACHABLE, DROP_NO_ROUTE, now);
		return;
	}
	if (hop.type != FIB_OVERLAY) {
		data_drop(w, p, DROP_NOT_OVERLAY);
		return;
	}
	data_choose(w, fib, p, &ip, FIB_NONE, &hop, &wanted);
	struct session *s = data_direct_session(w, hop.peer);
	if (s && !w->plane->hub && !addr_equal(&wanted, &hop.next_hop) &&
		!addr_is_link_local(&wanted))
		want_resolution(w, p, &wanted, now); /* its flows have moved to another meanwhile */
	if (!s && !w->plane->hub && !(ip.version == 6 && addr_is_link_local(&ip.dst))) {
		s = data_live_session(&w->plane->sessions,
			atomic_load_explicit(&w->plane->hub_session, memory_order_acquire));
		/* Link-local addresses are not registered: what is asked for is what lies behind. */
		if (!hop.shortcut && (!s || s->peer != hop.peer))
			want_resolution(w, p,
				addr_is_link_local(&hop.next_hop) ? &ip.dst : &hop.next_hop, now);
	}
	if (s && !data_plain_allows(s, &ip.dst)) {
		unreachable_to_tun(w, p, &ip, ICMP_NET_UNREACHABLE, DROP_PLAIN_REFUSED, now);
		return;
	}
	if (!s) {
		unreachable_to_tun(w, p, &ip, ICMP_HOST_UNREACHABLE, DROP_NO_SESSION, now);
		return;
	}
	if (!w->plane->hub && !hop.shortcut)
		note_recent(w, &ip.dst, now);
	if (p->gso_size == 0)
		ip_mss_clamp(p->data, p->len, w->plane->mtu);
	*plan = s->id;
}

void data_from_tun(struct worker *w, struct pkt_batch *b, uint64_t now)
{
	uint64_t bytes = 0;
	w->arena_used = 0;
	epoch_enter(&w->plane->epoch, w->number);
	struct fib_view fib = fib_snapshot(&w->plane->fib);
	for (unsigned i = 0; i < b->n; i++) {
		w->plan[i] = SESSION_NONE;
		bytes += b->v[i].len;
		decide_from_tun(w, &fib, &b->v[i], &w->plan[i], now);
	}
	data_count(&w->counters.tun_rx_packets, b->n);
	data_count(&w->counters.tun_rx_bytes, bytes);
	data_seal_planned(w, b, now);
	epoch_leave(&w->plane->epoch, w->number);
}
