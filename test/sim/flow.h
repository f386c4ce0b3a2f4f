#ifndef WARREN_SIM_FLOW_H
#define WARREN_SIM_FLOW_H

#include "test/sim/node.h"

/*
 * User traffic and what became of each packet of it: when it was sent, delivered and answered, and
 * whether it came straight from its sender or through somebody. Delivery to the wrong machine, a second
 * delivery of the same packet and a changed address fail the case on the spot.
 */
struct flow_packet {
	uint64_t sent, delivered, replied; /* 0 = not */
	uint64_t seen;                     /* hosts that got it, by id */
	bool direct, reply_direct;
};

struct flow {
	struct traffic *traffic;
	uint32_t id;
	struct node *from, *to; /* to NULL: multicast */
	struct ip_addr src, dst;
	enum inner_kind kind;
	uint16_t size;
	uint8_t ttl;
	uint64_t interval_ns, started;
	uint64_t offset_ns; /* the first packet waits for so long */
	uint32_t limit;     /* packets, 0 = until flow_stop */
	bool stopped;
	struct flow_packet *packets;
	uint32_t n, cap;
	uint32_t delivered, replied;
};

struct traffic {
	struct sim *sim;
	struct flow **flows;
	uint32_t n, cap;
};

void traffic_init(struct traffic *t, struct sim *s);
void traffic_fini(struct traffic *t);
/* A packet came out of n's TUN for an address of its own; origin sent the datagram it came in. */
void traffic_deliver(
	struct traffic *t, struct node *n, const struct inner *p, const struct host *origin);

/* Echoes between the two nodes' first overlay addresses of the family, the first one now. */
struct flow *flow_ping(
	struct node *from, struct node *to, uint8_t family, uint64_t interval_ns, uint32_t count);
/* Any kind between any addresses (texts); what is 0 afterwards may still be set. */
struct flow *flow_start(struct node *from, struct node *to, enum inner_kind kind, const char *src,
	const char *dst, uint64_t interval_ns, uint32_t count);
void flow_stop(struct flow *f);
/* Stops it and lets what is on the way arrive. */
void flow_finish(struct flow *f);

/* Echoes without an answer, other packets without delivery, that were sent in [from, until). */
uint32_t flow_lost_between(const struct flow *f, uint64_t from, uint64_t until);
/* When the last of those was sent; 0 = none was lost. */
uint64_t flow_last_lost(const struct flow *f, uint64_t from, uint64_t until);
uint32_t flow_lost(const struct flow *f);
/* Of the last packets sent: has number n - 1 - back been answered (delivered)? */
bool flow_packet_ok(const struct flow *f, uint32_t number);
/* When the first packet was sent that went, and was answered, directly; after start. TS_NEVER. */
uint64_t flow_first_direct(const struct flow *f);
/* When the last packet was sent that was relayed in either direction; after start. 0 = none. */
uint64_t flow_last_relayed(const struct flow *f);
/* How many packets sent since `from` came directly in both directions. */
uint32_t flow_direct_since(const struct flow *f, uint64_t from);
/* How long the n-th echo took. TS_NEVER: it is still out. */
uint64_t flow_rtt(const struct flow *f, uint32_t number);

#endif
