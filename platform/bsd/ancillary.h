#ifndef WARREN_PLATFORM_BSD_ANCILLARY_H
#define WARREN_PLATFORM_BSD_ANCILLARY_H

#include "platform/platform.h"

#include <sys/socket.h>

/*
 * What goes with a datagram besides its bytes: our own address, TOS, hop limit. IPv6 is RFC 3542's
 * everywhere (ancillary6.c); for IPv4 each system has its own way (ancillary_SYSTEM.c).
 */
struct ancillary {
	_Alignas(struct cmsghdr) char bytes[128];
};

/* Has them told, and lets the system fragment. 0 or -1 with errno. */
int ancillary_ask(int fd, uint8_t family);
/* p->local and p->tos of what was received. */
void ancillary_read(struct msghdr *msg, struct pkt *p);
/*
 * For sending: p's source if `source`; IPv6's traffic class and hop limit. IPv4's TOS and TTL are the
 * socket's.
 */
void ancillary_write(
	struct msghdr *msg, struct ancillary *control, const struct pkt *p, bool source);

/* ---- Between the two files -------------------------------------------------------------------- */

void ancillary_put(struct msghdr *msg, struct ancillary *control, int level, int type,
	const void *data, size_t len);
int ancillary4_ask(int fd);
/* One control message of level IPPROTO_IP. */
void ancillary4_read(const struct cmsghdr *c, struct pkt *p);
void ancillary4_write(struct msghdr *msg, struct ancillary *control, const struct ip_addr *source);

#endif
