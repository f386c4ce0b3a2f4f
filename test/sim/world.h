#ifndef WARREN_SIM_WORLD_H
#define WARREN_SIM_WORLD_H

#include "core/trust/bundle.h"
#include "test/sim/flow.h"

/*
 * A network as a scenario speaks of it: a CA, hubs with public addresses, spokes behind boxes.
 *
 *   hubs   203.0.113.1, .2 ..  2001:db8:113::1 ..      on "internet"
 *   spoke  198.51.100.10 ..    2001:db8:100:1::10 ..   there too (its own, or its box's outside)
 *   LANs   172.16.1.0/24 ..    behind a box: gateway .1, spokes .10, .11 ..
 *
 * Delays are on the internet alone, so the round trip between any two nodes is the one given. Crossing
 * it takes 6 hops.
 */
#define WORLD_HOPS 6

struct world {
	struct sim *sim;
	struct net net;
	struct traffic traffic;
	struct segment *internet;
	uint64_t rtt;
	uint8_t families; /* underlay: 4, 6, or 0 = both */
	uint8_t network_id[32], root_key[32], root_secret[64];
	uint64_t serial;
	struct bundle bundle;
	uint8_t *bundle_bytes;
	size_t bundle_len;
	uint8_t revoked[BUNDLE_REVOKED_SIZE * 8];
	bool named_hubs; /* the bundle names hubs "NAME.example" instead of by address */
	struct node *nodes[NET_HOSTS]; /* by host id */
	unsigned n_nodes, n_sites;
};

struct world *world_new(struct sim *s, uint64_t rtt_ns);

/*
 * Made, not yet started. addresses: "10.0.0.1/24 fd00::1/64", the certificate's. The config has
 * redirect, shortcut and install_routes on; change n->config, n->cert and routes before world_start.
 */
struct node *world_hub(struct world *w, const char *name, const char *addresses);
struct node *world_spoke(
	struct world *w, const char *name, const char *addresses, enum nat_kind nat);
/* The same with a box of its own making. */
struct node *world_spoke_behind(
	struct world *w, const char *name, const char *addresses, const struct nat_config *nat);
/* On the LAN of another spoke that is behind a box; with a random port. */
struct node *world_spoke_beside(
	struct world *w, const char *name, const char *addresses, struct node *other);

/* Puts the boxes of these spokes behind one more box of their provider (IPv4 only): double NAT. */
struct nat *world_provider_nat(
	struct world *w, const struct nat_config *nat, struct node **nodes, unsigned count);

/* A LAN behind the node, all of whose addresses answer: in its certificate, and an `other` route. */
void world_lan(struct world *w, struct node *n, const char *prefix);
/* Adds a prefix to the certificate alone. */
void world_grant(struct node *n, const char *prefix);
/* Adds a `prefix =` line. */
void world_register(struct node *n, const char *prefix);

/* One of its overlay addresses becomes another one, from its next start on. */
void world_renumber(struct node *n, const char *from, const char *to);

/* Signs certificate and bundle and starts one node, or all, hubs first. */
void world_start_node(struct world *w, struct node *n);
void world_start(struct world *w);
/* Makes certificates and bundle without starting anybody. */
void world_sign(struct world *w);
/* Starts everybody and runs until all spokes are ready; fails the case after 10 s. */
void world_up(struct world *w);
/* Everybody dies; for cases that build several worlds one after the other. */
void world_down(struct world *w);
/* Signs w->bundle as it stands; its number is the caller's. */
void world_sign_bundle(struct world *w);
/* Signs the next bundle, with this node's certificate as the only revoked one. */
void world_revoke(struct world *w, const struct node *n);

/* The spoke's datagrams leave from here: its box's outside or its own address. */
struct ip_addr world_public_address(const struct node *n, uint8_t family);
/* A host moves: its address on the Internet changes, and its kernel tells the engine. */
void world_move(struct world *w, struct node *n, const char *address);
/* True when everyone that runs is ready. */
bool world_ready(void *world);

#define MS(n) ((uint64_t)((n)*NS_PER_MS))
#define S(n)  ((uint64_t)((n)*NS_PER_S))

/* Waits for a condition on nodes; SIM_FAILs when `limit` passes. The expression may use w and nodes. */
#define WAIT_FOR(s, limit, cond)                                                                   \
	do {                                                                                       \
		uint64_t wait_begin = (s)->now;                                                    \
		while (!(cond)) {                                                                  \
			if ((s)->now - wait_begin >= (limit))                                      \
				SIM_FAIL(                                                          \
					s, "not within %.3f s: %s", (double)(limit) / 1e9, #cond); \
			sim_run(s, NS_PER_MS);                                                     \
		}                                                                                  \
	} while (0)

#endif
