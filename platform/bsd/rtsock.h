#ifndef WARREN_PLATFORM_BSD_RTSOCK_H
#define WARREN_PLATFORM_BSD_RTSOCK_H

#include "platform/platform.h"

/*
 * Messages of the routing socket (route(4)) as plain structs, and back. No I/O, and no header of the
 * system: what differs between systems is data, so that this code runs, and is tested and fuzzed, on
 * every system with the messages of all of them. layout_*.c hold the systems' own numbers against these.
 *
 * A message is a header, in the host's byte order, and behind it the sockaddrs that its `addrs` bits
 * name, in the order of the bits, each at a multiple of `round`.
 */
struct rtsock_abi {
	uint8_t version;        /* of the messages, RTM_VERSION */
	uint8_t round;          /* 4 on macOS, 8 where it is sizeof(long) */
	bool announces_links;   /* RTSOCK_LINK_COMES_OR_GOES is what its name says */
	uint8_t af_inet6;       /* AF_INET is 2 and AF_LINK 18 everywhere */
	uint16_t route_len;     /* sizeof(struct rt_msghdr) */
	uint16_t address_len;   /* sizeof(struct ifa_msghdr) */
	uint16_t link_len;      /* sizeof(struct if_msghdr) */
	uint16_t link_mtu;      /* where in if_msghdr ifm_data.ifi_mtu is, u32 */
	uint32_t skip_flags;    /* RTF_*: of routes that are no business of a mirror */
	uint32_t link_sockaddr; /* sizeof(struct sockaddr_dl) */
};

extern const struct rtsock_abi rtsock_macos;   /* xnu 11417, arm64 and x86_64 */
extern const struct rtsock_abi rtsock_freebsd; /* 13 and later, 64 bits */

enum rtsock_type {
	RTSOCK_ROUTE_ADD = 1,
	RTSOCK_ROUTE_DELETE = 2,
	RTSOCK_ROUTE_CHANGE = 3,
	RTSOCK_ROUTE_GET = 4,
	RTSOCK_ADDRESS_NEW = 0x0C,
	RTSOCK_ADDRESS_DELETE = 0x0D,
	RTSOCK_LINK = 0x0E,
	RTSOCK_LINK_COMES_OR_GOES = 0x11, /* FreeBSD; multicast's on macOS, which is left out */
};

/* Bits of `flags` in a message about a route, the same everywhere. */
#define RTSOCK_UP        0x1
#define RTSOCK_GATEWAY   0x2
#define RTSOCK_HOST      0x4
#define RTSOCK_REJECT    0x8
#define RTSOCK_STATIC    0x800
#define RTSOCK_BLACKHOLE 0x1000
#define RTSOCK_OURS      0x4000 /* RTF_PROTO2: 1 is what routing daemons use, 3 is macOS's own */
#define RTSOCK_LOCAL     0x200000
#define RTSOCK_BROADCAST 0x400000

/* One message. What a type does not have is zero. */
struct rtsock_message {
	uint8_t type; /* enum rtsock_type */
	uint32_t ifindex;
	/* routes */
	uint32_t flags;
	int32_t pid, seq, error; /* of an answer: who asked, errno */
	struct prefix
		prefix; /* destination, host bits cleared; addresses: with its subnet's length */
	struct ip_addr gateway; /* family 0 = on link */
	/* links */
	char name[16]; /* with its NUL; "" = not told */
	uint32_t mtu;
	bool up, gone;
};

/*
 * Takes the first message of len bytes. *used: its length, with which the next one begins; 0 = no whole
 * message is there, and nothing behind can be trusted. False: of a type, version or family that we do not
 * look at, or malformed; go on behind it. In a dump (sysctl's NET_RT_DUMP) macOS calls routes RTM_GET.
 */
bool rtsock_parse(const struct rtsock_abi *abi, const void *data, size_t len, size_t *used,
	struct rtsock_message *out);

/*
 * A request about a route by an interface: RTSOCK_ROUTE_ADD or _DELETE; `ours` marks it. gateway NULL or of
 * family 0: by the interface itself. Returns its length, 0 when cap is too small.
 */
size_t rtsock_build_route(const struct rtsock_abi *abi, enum rtsock_type type, bool ours,
	int32_t seq, const struct prefix *prefix, const struct ip_addr *gateway, uint32_t ifindex,
	void *out, size_t cap);

/* What a mirror makes of a route; false: nothing. Its table, metric and tos are zero: there are none. */
bool rtsock_kernel_route(
	const struct rtsock_abi *abi, const struct rtsock_message *m, struct kernel_route *out);

#endif
