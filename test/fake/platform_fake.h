#ifndef WARREN_TEST_PLATFORM_FAKE_H
#define WARREN_TEST_PLATFORM_FAKE_H

#include "platform/platform.h"

/*
 * platform.h in memory, so that what stands above it runs without root. The test plays the system:
 * it feeds packets, takes those that were sent, moves the clock and announces routes. Descriptors
 * are pipes, readable while there is something to read. Data workers may use it from their threads;
 * the rest of this header belongs to one thread.
 */
struct fake_packet {
	struct endpoint remote; /* UDP only, like local, tos and ttl: as in struct pkt */
	struct ip_addr local;
	uint8_t tos, ttl;
	unsigned queue;    /* TUN queue or UDP socket that it went out by */
	uint16_t gso_size; /* of a train, TUN only, like the rest but len; pieces have become one */
	uint8_t gso_type, flags;
	uint16_t l4_off, csum_off;
	uint32_t len;
	uint8_t data[PKT_TRAIN];
};

struct fake_route { /* one that route_add installed */
	struct prefix prefix;
	struct ip_addr gateway;
	uint32_t ifindex, metric;
};

#define FAKE_ROUTES  256
#define FAKE_IFINDEX 77 /* of the TUN */

struct fake {
	_Atomic uint64_t now_ns, wall_s, asleep_ns;
	_Atomic unsigned fail_sends; /* so many packets fail next, to UDP or TUN */
	bool fail_opens;             /* while set, opening anything fails */
	bool refuse_trains;          /* while set, the TUN takes none */
	/* Opened last and not closed, or NULL. */
	struct tun *tun;
	struct udp *udp;
	struct netmon *netmon;
	unsigned n_routes;
	struct fake_route routes[FAKE_ROUTES];
};

extern struct fake fake;

/* As at start; what is open must have been closed. */
void fake_reset(void);

/* A packet that the system routes into the TUN, or a train; or a datagram from `remote` to `local`. */
void fake_tun_feed(struct tun *tun, unsigned queue, const void *data, size_t len);
void fake_tun_feed_train(struct tun *tun, unsigned queue, const struct fake_packet *train);
void fake_udp_feed(struct udp *udp, unsigned socket, const struct fake_packet *packet);
/* The next packet that was written or sent; false = none. */
bool fake_tun_take(struct tun *tun, struct fake_packet *out);
bool fake_udp_take(struct udp *udp, struct fake_packet *out);

/* Announced at the next netmon_read, as what route_add and route_delete do is. */
void fake_announce_route(struct netmon *m, const struct kernel_route *route, bool deleted);
void fake_announce_address(
	struct netmon *m, uint32_t ifindex, const struct prefix *address, bool deleted);

#endif
