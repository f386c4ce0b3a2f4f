#ifndef WARREN_PLATFORM_BSD_TUN_H
#define WARREN_PLATFORM_BSD_TUN_H

#include "platform/platform.h"

/*
 * A TUN device of one queue, with four bytes in front of each packet: its address family in network order.
 * tun_io.c reads and writes; each system opens it in its own way.
 */
#define TUN_HEADER_LEN 4

struct tun {
	struct env env;
	char name[16];
	unsigned ifindex;
	int fd;
};

/* "what: words of errno", logged. ERR_SYSTEM. */
int tun_complain(const struct tun *tun, const char *what);
/* MTU by SIOCSIFMTU. ERR_SYSTEM, logged. */
int tun_set_mtu(const struct tun *tun, uint16_t mtu);
/*
 * Has the subnet of an address lead to the device, where the system does not see to that itself. Not
 * marked as ours: it is part of the address, and to be mirrored. ERR_SYSTEM, logged.
 */
int tun_add_subnet(const struct tun *tun, const struct prefix *address);
/* A prefix length as a netmask in network order; IPv4's is the first 4 bytes. */
void tun_make_mask(uint8_t len, uint8_t out[16]);

#endif
