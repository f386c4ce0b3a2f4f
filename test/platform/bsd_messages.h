#ifndef WARREN_TEST_BSD_MESSAGES_H
#define WARREN_TEST_BSD_MESSAGES_H

#include "platform/bsd/rtsock.h"

/*
 * Messages of the routing socket as a kernel makes them, by hand: offsets and lengths are written out here
 * once more, so that a slip in rtsock.c does not meet its like.
 */
struct bsd_message {
	const struct rtsock_abi *abi;
	size_t len;
	uint32_t addrs;
	uint8_t bytes[512];
};

/* The fixed part: of a route, an address or an interface, by the type. */
void bsd_begin(struct bsd_message *m, const struct rtsock_abi *abi, uint8_t type, uint16_t ifindex,
	uint32_t flags);
/* The next sockaddr, RTA_ bit 0 .. 7, ascending. len bytes of sockaddr, the first of which is that length. */
void bsd_raw(struct bsd_message *m, unsigned bit, const void *sockaddr, size_t len);
void bsd_address(struct bsd_message *m, unsigned bit, const char *address);
/* A mask as kernels keep it: cut behind its last byte that is not zero. */
void bsd_mask(struct bsd_message *m, uint8_t family, uint8_t bits);
void bsd_link(struct bsd_message *m, unsigned bit, uint16_t ifindex, const char *name);
void bsd_end(struct bsd_message *m);

#define BSD_DST     0
#define BSD_GATEWAY 1
#define BSD_NETMASK 2
#define BSD_IFP     4
#define BSD_IFA     5

#endif
