#ifndef WARREN_SIM_PLAN_H
#define WARREN_SIM_PLAN_H

#include "test/sim/nat.h"

/*
 * What a random run does, made from its seed before it begins: which nodes there are, and a list of what
 * happens to them when. Parts of it can be switched off, so that a failing run can be shrunk.
 */
#define PLAN_NODES 12
#define PLAN_ACTS  230

#define ACT_KINDS(X)                                                                               \
	X(POWER, "crashes, or returns")                                                            \
	X(WIPE, "crashes and returns without its disk")                                            \
	X(STOP, "stops")                                                                           \
	X(REBIND, "its box restarts")                                                              \
	X(BLOCK, "blocked from, or no longer")                                                     \
	X(DEAF, "deaf to, or no longer")                                                           \
	X(PARTITION, "partition")                                                                  \
	X(ONE_WAY, "one-way partition")                                                            \
	X(WEATHER, "no partition, other loss and delays")                                          \
	X(SLEEP, "sleeps, or wakes")                                                               \
	X(CLOCK, "its wall clock jumps")                                                           \
	X(EXPIRE, "restarts with a certificate that runs out")                                     \
	X(RENEW, "restarts with a new certificate")                                                \
	X(REVOKE, "its certificate is revoked, it restarts with a new one")                        \
	X(BUNDLE, "gets, as everybody does, a bundle that runs out")                               \
	X(REROUTE, "has a route of its own by the hub, or no longer, to")                          \
	X(FLOOD, "is flooded by a stranger")                                                       \
	X(ODD, "sends odd packets to")                                                             \
	X(FORGE, "forges NHRP, if it is hostile, about")                                           \
	X(CHATTER, "sends some packets to")

enum act_kind {
#define ACT_ENUM(id, text) ACT_##id,
	ACT_KINDS(ACT_ENUM)
#undef ACT_ENUM
		ACT_COUNT
};

struct act {
	uint64_t at; /* ns after the start */
	uint8_t kind, node, other;
	uint64_t chance; /* seeds whatever else there is to choose */
};

struct plan_node {
	enum nat_kind nat;
	bool own_box; /* instead, one of its own making: */
	struct nat_config box;
	bool beside;  /* on the LAN of the last one before that has a box */
	bool lan;     /* has 192.168.NODE.0/24 behind it */
	bool hostile; /* registers what is not its own, and forges */
	uint64_t slack_ns;
};

enum plan_part { PLAN_WEATHER, PLAN_WIRE, PLAN_FIRST_NODE };

struct plan {
	uint64_t seed, rtt_ns, weather;
	unsigned hubs, total, n_acts;
	bool v6;
	uint8_t underlay; /* family; 0 = both */
	struct plan_node nodes[PLAN_NODES];
	struct act acts[PLAN_ACTS];
	/* By part: the first weather, the man on the wire, nodes but the first hub, acts. */
	bool off[PLAN_FIRST_NODE + PLAN_NODES + PLAN_ACTS];
};

void plan_make(struct plan *p, uint64_t seed, uint64_t duration_ns);
static inline bool plan_has_node(const struct plan *p, unsigned node)
{
	return node < p->total && (node == 0 || !p->off[PLAN_FIRST_NODE + node]);
}
static inline bool plan_has_act(const struct plan *p, unsigned act)
{
	return !p->off[PLAN_FIRST_NODE + PLAN_NODES + act] && plan_has_node(p, p->acts[act].node) &&
		plan_has_node(p, p->acts[act].other);
}
/* "hub1", "s3". buf: 16 bytes. */
const char *plan_node_name(const struct plan *p, unsigned node, char *buf);
const char *act_name(enum act_kind kind);
/* What is left of it, for a reader. */
void plan_print(const struct plan *p);

#endif
