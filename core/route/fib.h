#ifndef WARREN_ROUTE_FIB_H
#define WARREN_ROUTE_FIB_H

#include "core/base/hashmap.h"
#include "core/route/leg.h"
#include "core/route/lpm.h"

/*
 * The forwarding table: where does a packet for this destination go? Three tries of one kind.
 *
 *   routes      mirrored kernel routes, registered prefixes, the hub's and the config's routes
 *   shortcuts   prefix -> peer; wins a tie with a route, loses to a more specific one
 *   neighbours  overlay address -> peer: who is behind a next hop
 *
 * Routes of one prefix stand in a chain ordered by preference; the first one is in the trie. A route
 * with several next hops has an entry for each: its legs hang behind the first one. Readers
 * (workers) take a view a batch; an entry that a worker may still see is not reused.
 */
enum fib_type {
	FIB_OVERLAY, /* leads out of our own TUN */
	FIB_LOCAL,   /* an address of this host */
	FIB_OTHER,   /* another interface */
	FIB_REJECT,  /* blackhole, unreachable, prohibit */
};

enum fib_source { /* in order of preference for one prefix */
	FIB_KERNEL,
	FIB_REGISTERED, /* hub: a client's prefix */
	FIB_HUB,        /* spoke: told by a hub */
	FIB_CONFIG,     /* spoke: `route =` */
};

#define FIB_NONE UINT32_MAX

struct fib_route {
	struct prefix prefix;
	struct ip_addr gateway; /* family 0 = on link */
	uint32_t table, metric; /* kernel routes; zero otherwise */
	uint8_t tos;
	uint8_t source;  /* enum fib_source */
	uint8_t type;    /* enum fib_type */
	bool elsewhere;  /* overlay: other next hops of it lead out of other interfaces */
	uint16_t weight; /* of this leg, where there are several */
};

struct fib_entry {
	struct fib_route route;
	uint32_t next; /* of the same prefix, less preferred; or free */
	uint32_t leg;  /* next leg of the same route; FIB_NONE */
	bool used;
	bool is_leg; /* not the first one */
};

struct fib {
	struct lpm routes, shortcuts, neighbours;
	struct fib_entry *entries;
	uint32_t cap, used, free_head;
	uint32_t n_fresh; /* entries from here on have never been used */
	struct fib_retired {
		uint32_t entry;
		uint64_t stamp;
	} * retired; /* circular, oldest first */
	uint32_t retired_head, retired_count;
	struct hashmap by_prefix; /* first entry of each chain */
	struct epoch *epoch;
	uint64_t generation; /* grows with every change of a best route */
};

/* ERR_NO_SPACE. */
int fib_init(struct fib *f, uint32_t max_routes, uint32_t max_shortcuts, uint32_t max_neighbours,
	struct epoch *epoch, const struct env *env);
void fib_fini(struct fib *f);

/* Adds, or replaces the one with the same prefix, source, table, metric, tos and (not kernel) gateway. */
int fib_route_put(struct fib *f, const struct fib_route *route);
/* The same with these legs in the place of the route's gateway, 1 .. ROUTE_LEGS of them. */
int fib_route_put_legs(
	struct fib *f, const struct fib_route *route, const struct route_leg *legs, unsigned n);
/* ERR_NOT_FOUND. */
int fib_route_remove(struct fib *f, const struct fib_route *route);
/* The best route that covers the whole prefix, shortcuts left aside; NULL if none. */
const struct fib_route *fib_covering(const struct fib *f, const struct prefix *p);
/* Our own best route of exactly this prefix: kernel routes left aside. NULL if none. */
const struct fib_route *fib_own(const struct fib *f, const struct prefix *p);
/*
 * Entry i of 0 .. cap - 1 for listings, NULL when free or a further leg; *active = it is the one forwarding
 * uses.
 */
const struct fib_route *fib_route_at(const struct fib *f, uint32_t i, bool *active);
/* The legs of that entry's route: how many, at least one. */
unsigned fib_legs_at(const struct fib *f, uint32_t i, struct route_leg legs[ROUTE_LEGS]);
/*
 * The widest prefix around target, of at least this length, all of which goes one way: by best routes for
 * which `same` says true, both the one that covers it and those inside. False: there is none.
 */
bool fib_widest(const struct fib *f, const struct ip_addr *target, uint8_t least_len,
	bool (*same)(const void *ctx, const struct fib_route *route), const void *ctx,
	struct prefix *out);

/* peer = a peer slot. ERR_NO_SPACE. */
int fib_shortcut_put(struct fib *f, const struct prefix *p, uint32_t peer);
void fib_shortcut_remove(struct fib *f, const struct prefix *p);
int fib_neighbour_put(struct fib *f, const struct ip_addr *a, uint32_t peer);
/* Only if it points to this peer. */
void fib_neighbour_remove(struct fib *f, const struct ip_addr *a, uint32_t peer);
/* FIB_NONE if there is none. */
uint32_t fib_neighbour(const struct fib *f, const struct ip_addr *a);

/* ---- Readers -------------------------------------------------------------------------------- */

struct fib_view {
	struct lpm_view routes, shortcuts, neighbours;
	const struct fib_entry *entries;
};

struct fib_view fib_snapshot(const struct fib *f);

struct fib_hop {
	uint8_t type;   /* enum fib_type */
	bool shortcut;  /* peer comes from a shortcut */
	bool elsewhere; /* the route's other next hops lead out of other interfaces */
	uint32_t
		legs; /* what follows is the first of several next hops: fib_choose; else FIB_NONE */
	struct ip_addr
		next_hop; /* FIB_OVERLAY without shortcut: the gateway, or the destination itself */
	uint32_t peer;    /* FIB_OVERLAY: who is behind next_hop; FIB_NONE = unknown */
};

/* False: no route at all. Link-local IPv6 is always overlay, on link. */
bool fib_lookup(const struct fib_view *v, const struct ip_addr *dst, struct fib_hop *hop);

/* May traffic be sent to this peer (FIB_NONE = unknown) now? */
typedef bool fib_usable_fn(const void *ctx, uint32_t peer);
/*
 * Of a route's several next hops the one for a flow with this hash: by weight between all of them. If that one
 * is not usable, by weight between those that are, so that only its flows move; if none is, the same one
 * after all. *wanted = where the flow would go if all were usable.
 */
void fib_choose(const struct fib_view *v, const struct ip_addr *dst, uint32_t hash,
	fib_usable_fn *usable, const void *ctx, struct fib_hop *hop, struct ip_addr *wanted);

#endif
