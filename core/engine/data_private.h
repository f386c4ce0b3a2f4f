#ifndef WARREN_ENGINE_DATA_PRIVATE_H
#define WARREN_ENGINE_DATA_PRIVATE_H

#include "core/engine/plane.h"
#include "core/wire/icmp.h"
#include "core/wire/ip.h"

/*
 * What both directions of the data path share. Each has two passes over a batch: the first decides about
 * every packet and notes in worker.plan which session it is to be sealed for; the second seals runs
 * of packets of one session, with one reservation of sequence numbers a run. What goes to plaintext
 * members is framed instead.
 */
static inline void data_count(_Atomic uint64_t *counter, uint64_t n)
{
	/* One writer: no atomic addition is needed, only that readers see whole values. */
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
		memory_order_relaxed);
}

static inline void data_drop(struct worker *w, struct pkt *p, enum drop_reason why)
{
	pkt_drop(p, why);
	data_count(&w->counters.dropped[why], 1);
}

/*
 * A new event to be filled and ring_push'ed, with the packet's endpoints and the session, if any; NULL
 * when the ring is full, which is counted.
 */
struct event *data_event(
	struct worker *w, enum event_type type, const struct pkt *p, const struct session *s);
/* The packet itself goes to the control loop: PKT_CONSUMED, or PKT_DROP when the ring is full. */
void data_consume(struct worker *w, enum event_type type, struct pkt *p, const struct session *s,
	uint16_t protocol);
void data_event_bytes(struct event *ev, const uint8_t *data, size_t len);
/* At most one event of this kind and subject per interval; a collision only makes one more. */
bool data_limit(struct worker *w, enum event_type type, const void *subject, size_t len,
	uint64_t interval_ns, uint64_t now);

/* The session of this id if it may be sent on, or NULL. */
struct session *data_live_session(const struct sessions *t, uint32_t id);
/* The session for user data to this peer, NULL when its direct path is not up. */
struct session *data_direct_session(const struct worker *w, uint32_t peer);
/*
 * Of a route's several next hops the one for this packet's flow, usable ones first and never the peer that it
 * came from (FIB_NONE: none). *wanted = the one that the flow belongs to when all can be reached.
 */
void data_choose(const struct worker *w, const struct fib_view *fib, const struct pkt *p,
	const struct ip_view *ip, uint32_t from, struct fib_hop *hop, struct ip_addr *wanted);
/* Our first address of a family, or NULL. */
const struct ip_addr *data_own_address(const struct plane *plane, uint8_t family);
/* len bytes of the worker's own memory, until the next batch. NULL: this batch has used it all up. */
uint8_t *data_room(struct worker *w, size_t len);
/* Turns the packet into an ICMP error about itself, from `from`. False: none may or can be sent. */
bool data_answer_icmp(struct worker *w, struct pkt *p, const struct ip_addr *from,
	enum icmp_kind kind, uint32_t mtu);
/* Decides about an IP packet that came from this peer: verdict, or *plan. */
void data_decide(struct worker *w, const struct fib_view *fib, struct session *s, struct pkt *p,
	uint32_t *plan, uint64_t now);
/* A run of plaintext datagrams from one address (data_plain.c). */
void data_plain_run(struct worker *w, const struct fib_view *fib, struct pkt_batch *b,
	unsigned from, unsigned to, uint64_t now);
/* User data that has come by this path and goes on. */
void data_count_received(
	struct worker *w, struct path *path, uint64_t packets, uint64_t bytes, uint64_t now);
/* May a packet for dst go by this session? A plaintext member gets what its section allows. */
bool data_plain_allows(const struct session *s, const struct ip_addr *dst);
/* A run has been made ready to go: packets with so many bytes, which became `sent` bytes of datagrams. */
void data_count_sent(struct worker *w, struct path *path, uint64_t packets, uint64_t bytes,
	uint64_t sent, uint64_t now);
/* The second pass for a run of a plaintext member's packets. */
void data_frame_run(
	struct worker *w, struct pkt_batch *b, unsigned from, unsigned to, uint64_t now);
/* The second pass. */
void data_seal_planned(struct worker *w, struct pkt_batch *b, uint64_t now);

#endif
