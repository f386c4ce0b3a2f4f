#ifndef WARREN_PLATFORM_LINUX_ROUTEMSG_H
#define WARREN_PLATFORM_LINUX_ROUTEMSG_H

#include "platform/platform.h"

#include <libmnl/libmnl.h>

/* Rtnetlink's messages as plain structs. No I/O. */

#define ROUTEMSG_HOPS KERNEL_LEGS /* of a multipath route; those behind are left out */

struct routemsg_hop {
	struct ip_addr gateway;
	uint32_t ifindex;
	uint32_t member; /* nexthop object that this hop comes from, in a group; 0 = not known */
	uint16_t weight; /* > 0 */
	bool dead;       /* the kernel does not use it at present */
};

/* A route as the kernel announces it: one kernel_route with all its next hops. */
struct routemsg {
	struct kernel_route route; /* gateway and ifindex are not set: see hops */
	uint32_t nexthop_id;       /* nexthop object, 0 = none */
	unsigned n_hops;           /* 0 = only the nexthop object knows; 1 empty one in a reject */
	struct routemsg_hop hops[ROUTEMSG_HOPS];
	bool cut; /* there are more hops */
	bool deleted;
	bool replaces; /* takes the place of one with the same key, whose end is not announced */
	bool append;   /* asked to stand behind those with the same key */
	bool dumped;   /* not a change: one of all, in order */
};

/*
 * Decodes RTM_NEWROUTE and RTM_DELROUTE. False = nothing for a mirror: malformed, of another
 * family, a cache entry, multicast, one that looks at the source too, or an IPv6 link-local prefix,
 * which every interface has and which tells nothing about the others.
 */
bool routemsg_decode(const struct nlmsghdr *nlh, struct routemsg *out);

/* Makes it a reject route, which has one empty hop. */
void routemsg_reject(struct routemsg *m);

/*
 * Decodes RTM_NEWADDR and RTM_DELADDR. False = malformed, of another family, or still checked for
 * duplicates (announced again when it is done). *deleted is also set for an address that failed.
 */
bool routemsg_decode_address(
	const struct nlmsghdr *nlh, uint32_t *ifindex, struct prefix *out, bool *deleted);

#endif
