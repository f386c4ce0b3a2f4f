#ifndef WARREN_SIM_NAT_H
#define WARREN_SIM_NAT_H

#include "test/sim/net.h"

/*
 * NAT boxes, in the words of RFC 4787 (section 4 mapping, section 5 filtering). IPv6 is never
 * translated: there the box is a stateful firewall with the same filtering (RFC 6092).
 */
enum nat_behaviour {
	NAT_ENDPOINT_INDEPENDENT,
	NAT_ADDRESS_DEPENDENT,
	NAT_ADDRESS_AND_PORT_DEPENDENT,
};

struct nat_config {
	enum nat_behaviour mapping, filtering;
	bool port_preserving; /* takes the inside port when it is free; else a random one */
	bool hairpin;
	/*
	 * A Linux masquerade without a drop of unsolicited input: such a datagram makes a conntrack
	 * entry that owns its tuple, so that a later mapping towards that very remote gets another
	 * source port. Each further one keeps the entry alive.
	 */
	bool conntrack_trap;
	uint64_t timeout_ns; /* of a mapping without traffic; 0 = 120 s (RFC 4787 REQ-5) */
	uint64_t trap_ns;    /* of a conntrack entry without reply; 0 = 30 s */
};

/* The boxes that scenarios name. NONE: the spoke has a public address of its own. */
#define NAT_KINDS(X)                                                                               \
	X(NONE, "none")                                                                            \
	X(FULL_CONE, "full-cone")                                                                  \
	X(ADDRESS_RESTRICTED, "address-restricted")                                                \
	X(PORT_RESTRICTED, "port-restricted")                                                      \
	X(LINUX, "linux")                                                                          \
	X(SYMMETRIC, "symmetric")                                                                  \
	X(TRAP, "conntrack-trap")

enum nat_kind {
#define NAT_KIND_ENUM(id, text) NAT_##id,
	NAT_KINDS(NAT_KIND_ENUM)
#undef NAT_KIND_ENUM
		NAT_KIND_COUNT
};

#define NAT_PEERS 32

struct nat_mapping {
	struct endpoint inside, outside;
	struct endpoint key; /* remote address or endpoint that it is for; family 0: all */
	uint64_t used;
	unsigned n_peers;
	struct {
		struct endpoint to;
		uint64_t at;
	} peers[NAT_PEERS]; /* whom the inside has sent to, newest kept */
};

struct nat_trap {
	uint16_t port;
	struct endpoint remote;
	uint64_t expires;
};

struct nat {
	struct device device;
	struct iface inside, outside;
	struct nat_config config;
	struct nat_mapping *mappings;
	struct nat_trap *traps;
	unsigned n_mappings, cap_mappings, n_traps, cap_traps;
};

struct nat_config nat_preset(enum nat_kind kind);
const char *nat_kind_name(enum nat_kind kind);
/* A box between a LAN, whose gateway it becomes, and the outside. Freed by the simulator. */
struct nat *nat_new(struct net *net, const char *name, const struct nat_config *config,
	struct segment *inside, struct segment *outside);
/* A restart: all mappings are gone, and new ones get other ports. */
void nat_rebind(struct nat *nat);
/* Live mappings now. */
unsigned nat_count(struct nat *nat);

#endif
