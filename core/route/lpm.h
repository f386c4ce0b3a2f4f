#ifndef WARREN_ROUTE_LPM_H
#define WARREN_ROUTE_LPM_H

#include "core/base/addr.h"
#include "core/base/epoch.h"

/*
 * Longest-prefix match for both families: a path-compressed binary trie whose nodes never change once
 * published. The writer copies the path from the root to the change, then swings the roots by one
 * atomic store; readers take one snapshot a batch and walk without a lock. Replaced nodes wait in a
 * queue until every worker has passed a batch boundary. Nodes come from a pool sized at start.
 */
#define LPM_NONE UINT32_MAX

struct lpm_node {
	uint8_t bits[16];
	uint8_t len;       /* prefix length in bits */
	uint32_t child[2]; /* by the bit behind the prefix; LPM_NONE */
	uint32_t value;    /* LPM_NONE: a fork without an entry */
};

struct lpm {
	struct lpm_node *nodes;
	_Atomic uint64_t roots; /* IPv4 root index << 32 | IPv6 root index */
	struct epoch *epoch;
	uint32_t max_entries, entries, node_cap;
	uint32_t free_head; /* chain through child[0] */
	uint32_t n_fresh;   /* nodes from here on have never been used */
	struct lpm_retired {
		uint32_t node;
		uint64_t stamp;
	} * retired; /* a circular queue, oldest first */
	uint32_t retired_head, retired_count;
};

/* A consistent view for one batch. */
struct lpm_view {
	const struct lpm_node *nodes;
	uint32_t root[2]; /* IPv4, IPv6 */
};

/* Room for max_entries prefixes of both families together. ERR_NO_SPACE. */
int lpm_init(struct lpm *t, uint32_t max_entries, struct epoch *epoch);
void lpm_fini(struct lpm *t);
/*
 * Adds or replaces the value of a prefix (host bits must be zero). ERR_NO_SPACE: max_entries are there.
 * Replacing one never fails, nor does removing.
 */
int lpm_put(struct lpm *t, const struct prefix *p, uint32_t value);
/* The value removed, or LPM_NONE. */
uint32_t lpm_remove(struct lpm *t, const struct prefix *p);
/* Exactly this prefix. Writer's side. */
uint32_t lpm_get(const struct lpm *t, const struct prefix *p);

struct lpm_view lpm_snapshot(const struct lpm *t);
/* The value of the longest prefix that contains a, LPM_NONE if there is none; *len = its length. */
uint32_t lpm_match(const struct lpm_view *v, const struct ip_addr *a, uint8_t *len);
/* Writer's side: the value of the longest prefix that covers p; LPM_NONE if there is none. */
uint32_t lpm_cover(const struct lpm *t, const struct prefix *p);
/* Calls fn for every entry inside p (p itself included). Writer's side; fn must not change t. */
void lpm_each_inside(const struct lpm *t, const struct prefix *p,
	void (*fn)(void *ctx, const struct prefix *prefix, uint32_t value), void *ctx);

#endif
