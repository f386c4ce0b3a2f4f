#ifndef WARREN_PLATFORM_LINUX_ROUTESET_H
#define WARREN_PLATFORM_LINUX_ROUTESET_H

#include "platform/linux/routemsg.h"

/*
 * What the kernel has under each key (table, prefix, metric, tos), because a key alone does not
 * name a route: two interfaces in one subnet, router advertisements of two routers and the legs of
 * an IPv6 multipath route come and go under the same key. Of these the mirror above sees one, the
 * first that is alive with the legs that it has, and an announcement only when that changes. No I/O.
 *
 * There is an entry for each hop. IPv4 routes, and those by a nexthop object, come and go as a whole: their
 * hops stand one behind the other. The legs of other IPv6 routes come and go one by one.
 *
 * The set is as large as the kernel's tables are and grows with them.
 */
struct routeset_entry {
	struct kernel_route route;
	uint32_t nexthop_id,
		member; /* nexthop object of the route; in a group, also that of the hop */
	uint32_t next;  /* in its chain or in the free list, ROUTESET_END = none */
	uint16_t weight;
	bool dead;
	bool twice; /* two that differ in what we do not look at, such as a source hint */
	bool more;  /* belongs to the same route as the entry before it */
};

/* What the mirror above sees of a key. */
struct routeset_route {
	struct kernel_route route;
	struct kernel_legs legs;
};

#define ROUTESET_NEXTHOPS 4096 /* a power of two */

#define ROUTESET_END UINT32_MAX

struct routeset {
	struct routeset_entry *entries;
	uint32_t *heads; /* cap chains, each in the order in which the kernel looks at its routes */
	uint32_t cap;    /* a power of two */
	uint32_t n, free;
	uint64_t seed[2];
	uint32_t nexthops
		[ROUTESET_NEXTHOPS]; /* how many entries name an object with this remainder */
	bool dead_hops; /* some hop was dead: it may come back to life without an announcement */
};

enum routeset_change {
	ROUTESET_SAME, /* nothing to tell */
	ROUTESET_SET,  /* *route is now the one of its key */
	ROUTESET_GONE, /* *route was the last one of its key; no legs */
};

/* ERR_NO_SPACE. */
int routeset_init(struct routeset *s, const struct env *env);
void routeset_fini(struct routeset *s);
void routeset_clear(struct routeset *s);
/*
 * Takes the message in and says what follows for the one route of its key. *lost becomes true when the
 * message does not agree with what the set knows: dump again. What has changed is said all the same, since
 * a dump is compared with the set.
 */
enum routeset_change routeset_apply(
	struct routeset *s, const struct routemsg *m, struct routeset_route *route, bool *lost);
/* Tells the routes in which `now` differs from `old`, new and changed ones first. */
typedef void routeset_change_fn(
	void *ctx, const struct kernel_route *route, const struct kernel_legs *legs, bool deleted);
void routeset_compare(const struct routeset *old, const struct routeset *now,
	routeset_change_fn *tell, void *ctx);
/* Tells all of them, as new ones. */
void routeset_each(const struct routeset *s, routeset_change_fn *tell, void *ctx);
/* Does any route lead out of this interface? Looks at all. */
bool routeset_uses_link(const struct routeset *s, uint32_t ifindex);
/* Does any route use this nexthop object, as far as the set knows? Looks at all only if one may. */
bool routeset_uses_nexthop(const struct routeset *s, uint32_t nexthop_id);

#endif
