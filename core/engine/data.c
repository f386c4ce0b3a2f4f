#include "core/engine/data_private.h"

#include "core/base/err.h"
#include "core/engine/data.h"
#include "core/route/flow.h"
#include "core/wire/gre.h"
#include "core/wire/ip.h"
#include "core/wire/split.h"

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

uint8_t *data_room(struct worker *w, size_t len)
{
	if (len > WORKER_ARENA - w->arena_used)
		return NULL;
	uint8_t *room = w->arena + w->arena_used;
	w->arena_used += len;
	return room;
}

static size_t datagram_len(const struct session *s, size_t ip_len)
{
	return SEALED_HEADER_LEN + GRE_PLAIN_LEN + ip_len + s->tx.aead->tag_len;
}

/* What a packet, or each of its train's, needs of the key. False: it cannot be sent, and is dropped. */
static bool measure(struct worker *w, const struct session *s, struct pkt *p, uint32_t *messages,
	uint64_t *blocks)
{
	uint32_t n = 1;
	size_t longest = p->len;
	if (p->gso_size) {
		struct split split;
		if (split_begin(&split, p) < 0) {
			data_drop(w, p, DROP_MALFORMED);
			return false;
		}
		n = split_count(&split);
		longest = split_longest(&split);
	}
	if (datagram_len(s, longest) > s->peer_max_udp) {
		data_drop(w, p, DROP_TOO_BIG);
		return false;
	}
	*messages += n;
	*blocks += n * aead_blocks(longest + GRE_PLAIN_LEN);
	return true;
}

/* Seals an IP packet to out; returns the datagram's length. */
static size_t seal_one(struct session *s, const struct sealed_header *header, uint8_t *out,
	uint8_t *ip, uint32_t len)
{
	uint8_t *plain = ip - GRE_PLAIN_LEN;
	gre_inner_write(plain, ip[0] >> 4 == 6 ? GRE_PROTO_IPV6 : GRE_PROTO_IPV4);
	return sealed_seal(&s->tx, header, out, plain, len + GRE_PLAIN_LEN);
}

/* Seals the packets of a train, one behind the other; returns how many, 0 = there is no room. */
static uint32_t seal_train(struct worker *w, struct session *s, struct pkt *p, uint8_t tos,
	struct sealed_header *header)
{
	struct split split;
	uint8_t *ip;
	uint32_t len, n = 0;
	split_begin(&split, p);
	size_t size = datagram_len(s, split_longest(&split));
	uint8_t *out = data_room(w, size * split_count(&split)), *at = out;
	if (!out)
		return 0;
	for (; (ip = split_next(&split, &len)); n++, header->sequence++)
		at += seal_one(s, header, at, ip, len);
	*p = (struct pkt){.data = out,
		.len = (uint32_t)(at - out),
		.gso_size = n > 1 ? (uint16_t)size : 0,
		.tos = tos,
		.verdict = PKT_SEND_UDP};
	w->arena_used = (size_t)(at - w->arena);
	return n;
}

static uint32_t seal_packet(struct worker *w, struct session *s, struct pkt *p, uint32_t sequence)
{
	struct sealed_header header = {
		.index = s->remote_index, .lane = w->lane, .sequence = sequence};
	uint8_t tos = ecn_encap(ip_tos(p->data));
	if (p->gso_size)
		return seal_train(w, s, p, tos, &header);
	uint8_t *out = data_room(w, datagram_len(s, p->len));
	if (!out)
		return 0;
	size_t len = seal_one(s, &header, out, p->data, p->len);
	*p = (struct pkt){.data = out, .len = (uint32_t)len, .tos = tos, .verdict = PKT_SEND_UDP};
	return 1;
}

void data_count_sent(struct worker *w, struct path *path, uint64_t packets, uint64_t bytes,
	uint64_t sent, uint64_t now)
{
	if (packets == 0)
		return;
	data_count(&w->counters.udp_tx_packets, packets);
	data_count(&w->counters.udp_tx_bytes, sent);
	atomic_store_explicit(&path->last_data_tx_ns, now, memory_order_relaxed);
	atomic_fetch_add_explicit(&path->tx_packets, packets, memory_order_relaxed);
	atomic_fetch_add_explicit(&path->tx_bytes, bytes, memory_order_relaxed);
}

static void seal_run(
	struct worker *w, struct pkt_batch *b, unsigned from, unsigned to, uint64_t now)
{
	struct session *s = session_at(&w->plane->sessions, w->plan[from]);
	struct path *path = &w->plane->sessions.paths[s->peer];
	uint64_t blocks = 0, packets = 0, bytes = 0, sent = 0;
	uint32_t messages = 0, sequence;
	struct endpoint remote;
	struct ip_addr local;
	for (unsigned i = from; i < to; i++)
		if (!measure(w, s, &b->v[i], &messages, &blocks))
			w->plan[i] = SESSION_NONE;
	bool expired = ts_since(s->created_ns, now) > SEALED_REJECT_NS ||
		!session_reserve(s, w->lane, messages, blocks, &sequence);
	path_get_endpoint(&w->plane->sessions, s->peer, &remote, &local);
	for (unsigned i = from; i < to; i++) {
		struct pkt *p = &b->v[i];
		if (w->plan[i] == SESSION_NONE)
			continue;
		uint32_t len = p->len, n = expired ? 0 : seal_packet(w, s, p, sequence);
		if (n == 0) {
			if (expired)
				data_drop(w, p, DROP_KEY_EXPIRED);
			else
				pkt_drop(p, DROP_SEND_FAILED); /* counted behind the I/O */
			continue;
		}
		p->remote = remote;
		p->local = local;
		sequence += n;
		packets += n;
		bytes += len;
		sent += p->len;
	}
	data_count_sent(w, path, packets, bytes, sent, now);
}

void data_seal_planned(struct worker *w, struct pkt_batch *b, uint64_t now)
{
	for (unsigned from = 0, to; from < b->n; from = to) {
		for (to = from + 1; to < b->n && w->plan[to] == w->plan[from]; to++)
			;
		if (w->plan[from] == SESSION_NONE)
			continue;
		if (session_at(&w->plane->sessions, w->plan[from])->plain)
			data_frame_run(w, b, from, to, now);
		else
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

struct sender {
	const struct worker *worker;
	uint32_t peer;
};

static bool is_usable(const void *ctx, uint32_t peer)
{
	const struct sender *from = ctx;
	return peer != from->peer && data_direct_session(from->worker, peer);
}

void data_choose(const struct worker *w, const struct fib_view *fib, const struct pkt *p,
	const struct ip_view *ip, uint32_t from, struct fib_hop *hop, struct ip_addr *wanted)
{
	struct sender sender = {.worker = w, .peer = from};
	*wanted = hop->next_hop;
	if (hop->legs != FIB_NONE)
		fib_choose(fib, &ip->dst, flow_hash(w->plane->flow_seed, p->data, ip), is_usable,
			&sender, hop, wanted);
}

const struct ip_addr *data_own_address(const struct plane *plane, uint8_t family)
{
	for (unsigned i = 0; i < plane->self.n_addresses; i++)
		if (plane->self.addresses[i].addr.family == family)
			return &plane->self.addresses[i].addr;
	return NULL;
}

bool data_answer_icmp(struct worker *w, struct pkt *p, const struct ip_addr *from,
	enum icmp_kind kind, uint32_t mtu)
{
	uint8_t *room = data_room(w, GRE_PLAIN_LEN + ICMP6_ERROR_MAX);
	if (!room)
		return false;
	uint8_t *answer = room + GRE_PLAIN_LEN;
	int len = icmp_error(answer, ICMP6_ERROR_MAX, p->data, p->len, kind, mtu, from);
	if (len < 0)
		return false;
	*p = (struct pkt){.data = answer, .len = (uint32_t)len};
	return true;
}

void data_count_failed(struct worker *w, const struct pkt_batch *b)
{
	uint64_t failed = 0;
	for (unsigned i = 0; i < b->n; i++) {
		const struct pkt *p = &b->v[i];
		if (p->verdict != PKT_DROP || p->drop != DROP_SEND_FAILED)
			continue;
		for (failed++; p->next != 0; failed++) /* and the pieces of its train */
			p = &b->v[p->next];
	}
	data_count(&w->counters.dropped[DROP_SEND_FAILED], failed);
}

bool data_wants_control(const struct worker *w)
{
	return ring_peek((struct ring *)&w->events) != NULL;
}
