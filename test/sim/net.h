#ifndef WARREN_SIM_NET_H
#define WARREN_SIM_NET_H

#include "core/base/addr.h"
#include "test/sim/sim.h"

/*
 * The underlay: hosts and NAT boxes with interfaces on segments. A segment is a LAN, or a whole path
 * of routers such as the Internet: it has a delay, faults, and a number of hops that it takes from the
 * TTL. A datagram goes to the interface on its segment that owns the destination, else to the one
 * that the destination's prefix is routed to, else to the segment's gateway. Fragments do not exist.
 */
#define NET_HOSTS       64 /* ids fit in a 64-bit mask */
#define NET_ADDRS       4
#define NET_DEFAULT_TTL 64
#define NET_DGRAM_MAX   1472 /* UDP payload on 1500 with IPv4 */

/* What became of a datagram, for the trace and the counters. */
#define NET_FATES(X)                                                                               \
	X(DELIVERED, "ok")                                                                         \
	X(LOST, "lost")                                                                            \
	X(NO_ROUTE, "no route")                                                                    \
	X(TTL, "ttl exhausted")                                                                    \
	X(BLOCKED, "blocked")                                                                      \
	X(FILTERED, "filtered by nat")                                                             \
	X(NO_HAIRPIN, "no hairpin")                                                                \
	X(CLOSED, "nobody listens")                                                                \
	X(TAPPED, "taken by the test")

enum net_fate {
#define NET_FATE_ENUM(id, text) NET_##id,
	NET_FATES(NET_FATE_ENUM)
#undef NET_FATE_ENUM
		NET_FATE_COUNT
};

struct host;
struct device;
struct segment;

struct dgram {
	struct endpoint src, dst;  /* as they are now */
	struct endpoint first_dst; /* as its sender wrote it */
	struct endpoint first_src;
	struct host *origin; /* NULL: injected by the test */
	uint64_t sent;       /* when it left origin */
	uint8_t ttl, tos;
	bool copy;    /* made by a duplicating segment */
	bool damaged; /* on the way */
	size_t len;
	uint8_t data[];
};

/* One device's attachment to a segment. */
struct iface {
	struct device *device;
	struct segment *segment;
	struct iface *next; /* on the segment */
	unsigned n_addrs;
	struct ip_addr addrs[NET_ADDRS];
	struct prefix routed; /* family 0: none; what lies behind this interface */
};

struct device {
	struct net *net;
	char name[32];
	/* Owns d. */
	void (*receive)(struct device *dev, struct iface *in, struct dgram *d);
};

struct segment {
	struct net *net;
	struct segment *next;
	char name[32];
	uint64_t delay_ns, jitter_ns; /* one way; jitter is added, and reorders by itself */
	uint32_t loss_ppm, dup_ppm, reorder_ppm;
	uint32_t corrupt_ppm; /* a bit flips, and nobody's checksum notices */
	uint64_t reorder_ns;  /* extra delay of the chosen ones, up to */
	uint8_t hops;         /* routers inside */
	struct iface *ifaces;
	struct iface *gateway;
};

struct host {
	struct device device;
	struct iface iface;
	unsigned id;
	bool up;
	uint16_t port; /* the one UDP socket; what is for port 0 is IP protocol 47 without UDP */
	void *owner;
	/* Borrowed d. */
	void (*deliver)(void *owner, const struct dgram *d);
	uint64_t blocked;                /* mask of origins whose datagrams do not get here */
	uint64_t sealed_from[NET_HOSTS]; /* sealed datagrams that arrived, by origin */
	uint64_t bytes_out, datagrams_out;
};

/*
 * The test's hand on the wire: sees each datagram that is about to be delivered. False: it is taken
 * away. The tap may change d's bytes.
 */
typedef bool net_tap(void *ctx, struct host *to, struct dgram *d);

struct net {
	struct sim *sim;
	struct segment *segments;
	struct host *hosts[NET_HOSTS];
	unsigned n_hosts;
	uint64_t fates[NET_FATE_COUNT];
	net_tap *tap;
	void *tap_ctx;
};

void net_init(struct net *net, struct sim *sim);
/* Frees segments and hosts; NAT boxes are nat.c's and free themselves. */
void net_fini(struct net *net);

struct segment *net_segment(struct net *net, const char *name, uint64_t delay_ns, uint8_t hops);
struct host *net_host(struct net *net, const char *name, uint16_t port);

void iface_attach(struct iface *i, struct device *device, struct segment *segment);
void iface_detach(struct iface *i);
void iface_add(struct iface *i, const struct ip_addr *address);
bool iface_owns(const struct iface *i, const struct ip_addr *address);
/* Its address of this family, or NULL. */
const struct ip_addr *iface_address(const struct iface *i, uint8_t family);

/* Sends a copy of data from the host's socket. from: family 0 = the interface's own. ttl 0 = 64. */
void net_send(struct host *h, const struct endpoint *to, const struct ip_addr *from, uint8_t ttl,
	uint8_t tos, const void *data, size_t len);
/* Puts a datagram with any source on a segment, as an attacker would. */
void net_inject(struct segment *segment, const struct endpoint *from, const struct endpoint *to,
	const void *data, size_t len);
/* Carries d on from an interface over its segment; owns d. Used by devices that forward. */
void net_forward(struct iface *from, struct dgram *d);
/* Frees d after counting and tracing its end. */
void net_end(struct net *net, struct dgram *d, enum net_fate fate, const char *where);
struct dgram *net_copy(const struct dgram *d);

/* Both ways between two hosts, wherever their datagrams pass. */
void net_block(struct host *a, struct host *b, bool blocked);
/* Cuts the hosts whose bit is set in `side` off from all others; 0 heals everything. */
void net_partition(struct net *net, uint64_t side);
/* "INITIATION", "sealed 1/42", "reset": what a datagram is, for a reader. Returns buf. */
const char *net_describe(const void *data, size_t len, char *buf, size_t cap);

#endif
