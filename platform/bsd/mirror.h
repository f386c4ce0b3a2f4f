#ifndef WARREN_PLATFORM_BSD_MIRROR_H
#define WARREN_PLATFORM_BSD_MIRROR_H

#include "core/base/hashmap.h"
#include "platform/bsd/rtsock.h"

/*
 * The kernel's routes, addresses and interfaces as the routing socket tells of them, and the netmon_events
 * that follow. No I/O: netmon.c feeds it. These systems have one route for a prefix, without metrics; of
 * several (multipath) the first is told. They do not list their own addresses as routes everywhere: each
 * address is told as a local route, of a table of its own as on Linux.
 */
#define MIRROR_LINKS       256
#define MIRROR_ADDRESSES   1024
#define MIRROR_TABLE_LOCAL 255

struct mirror_entry {
	bool used, seen; /* seen: in the dump that is under way */
	bool waits;      /* ours is to be there when this one has gone */
	uint32_t twins;  /* others of this prefix, not kept */
	uint32_t next;   /* of the free ones */
	struct kernel_route route;
	struct ip_addr our_gateway; /* with `waits` */
	uint32_t our_ifindex;
};

struct mirror {
	const struct rtsock_abi *abi;
	struct netmon_events events;
	struct env env;
	void *ctx; /* of the two below */
	/* The name of an interface, which few messages tell; "" = it has gone. */
	void (*name)(void *ctx, uint32_t ifindex, char out[16]);
	/* What stood in the way of our route has gone. */
	void (*free_again)(void *ctx, const struct prefix *prefix, const struct ip_addr *gateway,
		uint32_t ifindex);
	struct mirror_entry *v;
	struct hashmap by_prefix;
	uint32_t cap, n, n_fresh, free;
	struct {
		uint32_t ifindex;
		bool up;
	} links[MIRROR_LINKS];
	unsigned n_links;
	struct mirror_address {
		uint32_t ifindex;
		struct prefix address;
		bool seen;
	} addresses[MIRROR_ADDRESSES];
	unsigned n_addresses;
	bool dumping;
	bool lost; /* what is here may differ from what the kernel has: dump again */
};

/* The caller sets events, ctx, name and free_again first. ERR_NO_SPACE. */
int mirror_init(struct mirror *m, const struct rtsock_abi *abi, const struct env *env);
void mirror_fini(struct mirror *m);
/* One message, of the socket or of a dump. */
void mirror_take(struct mirror *m, const struct rtsock_message *message);
/* Around a dump of everything: what it has not told of is gone. Calls reset and synced. */
void mirror_dump_begin(struct mirror *m);
void mirror_dump_end(struct mirror *m);
/* Tells all routes again. */
void mirror_tell(const struct mirror *m);
/*
 * We have asked for a route of ours: it was added, or one of this prefix was there. Another's has precedence,
 * and ours waits for its end.
 */
void mirror_order(struct mirror *m, const struct prefix *prefix, const struct ip_addr *gateway,
	uint32_t ifindex, bool added);
/* It is wanted no more. False: it did not wait. */
bool mirror_forget(struct mirror *m, const struct prefix *prefix);

#endif
