#ifndef WARREN_ROUTE_MULTICAST_H
#define WARREN_ROUTE_MULTICAST_H

#include "core/route/lpm.h"
#include "core/wire/ip.h"

/*
 * Which multicast crosses the overlay, in either direction:
 *
 *   link scope   224.0.0.0/24, ff02::/16: what routing protocols speak. Always.
 *   beyond it    the groups that the config names, and no others.
 *
 * Not mDNS, LLMNR and SSDP of any scope, which would make every node talk to every other, unless a config
 * line names that very address; and never router solicitations, nor IPv6 groups of interface scope or less.
 */
#define MULTICAST_GROUPS_MAX 16

enum multicast_kind {
	MULTICAST_LINK,
	MULTICAST_BEYOND,
	MULTICAST_KINDS, /* of what is carried */
	MULTICAST_FILTERED = MULTICAST_KINDS,
};

/* Read by workers, like the FIB; written by the control loop. */
struct multicast_groups {
	struct lpm groups;
	unsigned n;
	struct prefix v[MULTICAST_GROUPS_MAX];
};

/* ERR_NO_SPACE. */
int multicast_init(struct multicast_groups *g, struct epoch *epoch);
void multicast_fini(struct multicast_groups *g);
/* These are the groups from now on; more than MULTICAST_GROUPS_MAX are ignored. */
void multicast_set(struct multicast_groups *g, const struct prefix *v, unsigned n);

/* May this multicast packet cross the overlay, and as what? */
enum multicast_kind multicast_classify(
	const struct multicast_groups *g, const uint8_t *ip, const struct ip_view *view);

#endif
