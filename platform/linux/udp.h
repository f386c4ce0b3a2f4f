#ifndef WARREN_PLATFORM_LINUX_UDP_H
#define WARREN_PLATFORM_LINUX_UDP_H

#include "platform/platform.h"

/* One member of the socket group: a descriptor a family, -1 = closed. */
struct udp_socket {
	int fd4, fd6;
	uint32_t drops4, drops6; /* the kernel's counts when we asked last */
};

struct udp {
	struct env env;
	uint16_t port;
	uint32_t offloads;                   /* UDP_* that the kernel knows */
	_Atomic uint64_t trains_again_ns[2]; /* IPv4, IPv6: none are sent before */
	_Atomic uint64_t lost;               /* datagrams of trains that found no room in a batch */
	unsigned n;                          /* sockets: 1 + workers */
	struct udp_socket sockets[];         /* n + 1: the last is the sink */
};

/* Are trains sent to this family, now? */
bool udp_sends_trains(const struct udp *udp, uint8_t family);

#endif
