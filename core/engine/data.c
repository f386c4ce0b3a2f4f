#include "core/engine/data_private.h"

#include "core/base/err.h"
#include "core/engine/data.h"
#include "core/wire/gre.h"
#include "core/wire/ip.h"

#include <string.h>

/* ---- Events --------------------------------------------------------------------------------- */

struct event *data_event(
	struct worker *w, enum event_type type, const struct pkt *p, const struct session *s)
{
	struct event *ev = ring_reserve(&w->events);
	if (!ev) {
		data_count(&w->counters.dropped[DROP_RING_FULL], 1);
		return NULL;
	}
	ev->type = (uint8_t)type;
	ev->protocol = 0;
	ev->len = 0;
	ev->session = s ? s->id : SESSION_NONE;
	ev->local_index = s ? s->local_index : 0;
	ev->remote = p->remote;
	ev->local = p->local;
	return ev;
}

void data_event_bytes(struct event *ev, const uint8_t *data, size_t len)
{
	ev->len = (uint16_t)(len < sizeof ev->data ? len : sizeof ev->data);
	memcpy(ev->data, data, ev->len);
}

void data_consume(struct worker *w, enum event_type type, struct pkt *p, const struct session *s,
	uint16_t protocol)
{
	struct event *ev = data_event(w, type, p, s);
	if (!ev) {
		pkt_drop(p, DROP_RING_FULL);
		return;
	}
	ev->protocol = protocol;
	data_event_bytes(ev, p->data, p->len);
	ring_push(&w->events);
	p->verdict = PKT_CONSUMED;
}

bool data_limit(struct worker *w, enum event_type type, const void *subject, size_t len,
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
	p->data = plain - SEALED_HEADER_LEN;
	p->len = (uint32_t)sealed_seal(&s->tx, &header, p->data, plain, p->len + GRE_PLAIN_LEN);
	p->ttl = 0;
	p->verdict = PKT_SEND_UDP;
}

static void seal_run(
	struct worker *w, struct pkt_batch *b, unsigned from, unsigned to, uint64_t now)
{
	struct session *s = session_at(&w->plane->sessions, w->plan[from]);
	struct path *path = &w->plane->sessions.paths[s->peer];
	uint64_t blocks = 0, packets = 0, bytes = 0;
	uint32_t sequence;
	struct endpoint remote;
	struct ip_addr local;
	for (unsigned i = from; i < to; i++)
		blocks += aead_blocks(b->v[i].len + GRE_PLAIN_LEN);
	if (ts_since(s->created_ns, now) > SEALED_REJECT_NS ||
		!session_reserve(s, w->lane, to - from, blocks, &sequence)) {
		for (unsigned i = from; i < to; i++)
			data_drop(w, &b->v[i], DROP_KEY_EXPIRED);
		return;
	}
	path_get_endpoint(&w->plane->sessions, s->peer, &remote, &local);
	size_t room = s->peer_max_udp - SEALED_HEADER_LEN - GRE_PLAIN_LEN - s->tx.aead->tag_len;
	for (unsigned i = from; i < to; i++) {
		if (b->v[i].len > room) {
			data_drop(w, &b->v[i], DROP_TOO_BIG);
			continue;
		}
		packets++;
		bytes += b->v[i].len;
		seal_one(w, s, &b->v[i], sequence++);
		b->v[i].remote = remote;
		b->v[i].local = local;
		data_count(&w->counters.udp_tx_bytes, b->v[i].len);
	}
	if (packets == 0)
		return;
	data_count(&w->counters.udp_tx_packets, packets);
	atomic_store_explicit(&path->last_data_tx_ns, now, memory_order_relaxed);
	atomic_fetch_add_explicit(&path->tx_packets, packets, memory_order_relaxed);
	atomic_fetch_add_explicit(&path->tx_bytes, bytes, memory_order_relaxed);
}

void data_seal_planned(struct worker *w, struct pkt_batch *b, uint64_t now)
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
	return (int)sealed_seal(
		&s->tx, &header, plain - SEALED_HEADER_LEN, plain, len + GRE_PLAIN_LEN);
}

/* ---- Sessions and answers ------------------------------------------------------------------- */

struct session *data_live_session(const struct sessions *t, uint32_t id)
{
	struct session *s = session_at(t, id);
	return s && atomic_load_explicit(&s->state, memory_order_acquire) == SESSION_LIVE ? s
											  : NULL;
}

struct session *data_direct_session(const struct worker *w, uint32_t peer)
{
	if (peer == FIB_NONE)
		return NULL;
	const struct sessions *t = &w->plane->sessions;
	return data_live_session(
		t, atomic_load_explicit(&t->paths[peer].session, memory_order_acquire));
}

const struct ip_addr *data_own_address(const struct plane *plane, uint8_t family)
{
	for (unsigned i = 0; i < plane->self.n_addresses; i++)
		if (plane->self.addresses[i].addr.family == family)
			return &plane->self.addresses[i].addr;
	return NULL;
}

bool data_answer_icmp(struct pkt *p, const struct ip_addr *from, enum icmp_kind kind, uint32_t mtu)
{
	int len = icmp_error(p->data, PKT_ROOM, p->data, p->len, kind, mtu, from);
	if (len < 0)
		return false;
	p->len = (uint32_t)len;
	return true;
}

void data_count_failed(struct worker *w, const struct pkt_batch *b)
{
	for (unsigned i = 0; i < b->n; i++)
		if (b->v[i].verdict == PKT_DROP && b->v[i].drop == DROP_SEND_FAILED)
			data_count(&w->counters.dropped[DROP_SEND_FAILED], 1);
}

bool data_wants_control(const struct worker *w)
{
	return ring_peek((struct ring *)&w->events) != NULL;
}
