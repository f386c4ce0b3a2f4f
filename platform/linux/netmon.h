#ifndef WARREN_PLATFORM_LINUX_NETMON_H
#define WARREN_PLATFORM_LINUX_NETMON_H

#include "platform/linux/routeset.h"
#include "platform/linux/rtnl.h"

#define NETMON_TABLES 16 /* local and main among them */
#define NETMON_LINKS  4096

struct netmon {
	struct env env;
	struct netmon_events events;
	struct rtnl listen; /* subscribed; never asked anything */
	struct rtnl dumps;
	struct rtnl requests; /* changes and questions, also in the middle of a dump */
	struct routeset routes;
	struct routeset fresh; /* a dump in progress: takes the place of routes when complete */
	bool dumping;
	bool told_cut; /* a route has more next hops than are followed: said once */
	uint32_t tables[NETMON_TABLES];
	unsigned n_tables;
	uint64_t carrier[NETMON_LINKS / 64]; /* a bit for each interface index, by its remainder */
	bool resync; /* what we know is not to be trusted: dump again before returning */
};

/* One message of the kernel's, asked for or not; ctx is the netmon. What it makes of it goes to the events. */
void netmon_take(void *ctx, const struct nlmsghdr *nlh);

/*
 * Fills in the hops of a route that names a nexthop object and nothing else (which they all do with
 * the sysctl nexthop_compat_mode = 0). A group's members are taken in its order. False = not known,
 * or without a hop that we could use.
 */
bool nexthop_resolve(struct rtnl *rtnl, struct routemsg *m);

#endif
