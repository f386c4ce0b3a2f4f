#ifndef WARREN_TEST_FUZZ_NETWORK_H
#define WARREN_TEST_FUZZ_NETWORK_H

#include "core/engine/node.h"

/*
 * A hub and two spokes as whole engines in one arena, with an underlay of function calls between them. Made
 * once, up to the point where both are registered and have a direct path to each other; each run of a
 * target begins there. Six more members have keys and certificates, and no engine.
 *
 * Whatever happens is checked as it happens: verdicts, what goes to the TUN, what leaves for whom.
 */
enum network_node { NET_HUB, NET_A, NET_B, NET_NODES };

#define NET_MEMBERS 6
#define NET_HELD    16
#define NET_DGRAM   1500
#define NET_BUNDLES 3

struct net_node {
	struct engine *engine;
	struct env env;
	uint64_t random;
	struct endpoint at;
	const char *name;
	struct prefix lan;
};

/* A member without an engine: it shakes hands and seals what it is given. */
struct net_member {
	struct handshake_identity id;
	uint8_t certificates[2][CERT_MAX]; /* the second one gives it other addresses */
	size_t certificate_lens[2];
	struct endpoint at;
	enum network_node node; /* whom it talks to */
	enum { MEMBER_ALONE, MEMBER_WAITS, MEMBER_UP } state;
	struct handshake hs;
	struct aead_key tx;
	uint32_t remote_index, sequence;
};

struct net_dgram {
	struct endpoint from, to;
	size_t len;
	uint8_t data[NET_DGRAM];
};

struct network {
	uint64_t now;
	struct net_node nodes[NET_NODES];
	struct net_member members[NET_MEMBERS];
	uint8_t bundles[NET_BUNDLES][1024]; /* numbers 1 .. : all good, a spoke revoked, no hub */
	size_t bundle_lens[NET_BUNDLES];
	/* on the way; and the newest ones that were held back or merely seen */
	struct net_dgram queue[NET_HELD], held[NET_HELD];
	unsigned n_queue, n_held, n_seen;
	uint32_t fate; /* of the next datagrams, two bits each: enum net_fate */
	unsigned budget;
	/* a stranger's datagram is being handled: what it may earn */
	struct endpoint stranger;
	size_t earned;
};

enum net_fate { FATE_DELIVER, FATE_LOSE, FATE_TWICE, FATE_HOLD };

/* Makes it on the first call, and puts it back to that state on each. */
struct network *network_begin(void);
/* Checks the tables of all engines. */
void network_end(struct network *n);

/* A datagram arrives now, on the control socket or on the worker's; then all that follows at once. */
void network_arrive(struct network *n, enum network_node to, const struct endpoint *from,
	const uint8_t *data, size_t len, bool worker);
/* An endpoint where nobody of the network is. */
struct endpoint network_elsewhere(uint8_t n);
/*
 * A datagram from there to node who % NET_NODES (by the worker's socket if bit 7 is set); mac1 of an
 * INITIATION or RESPONSE is made right. It must earn no more bytes than it has.
 */
void network_stranger(struct network *n, uint8_t who, uint8_t *data, size_t len);
/* A packet is read from the TUN. */
void network_tun(struct network *n, enum network_node at, const uint8_t *ip, size_t len);
/* Sealed by `from` in its session with `to`, if it has one; plain: GRE header and what is behind it. */
void network_sealed(struct network *n, enum network_node from, enum network_node to, uint8_t lane,
	const uint8_t *plain, size_t len, uint8_t fault);
/* Member i begins a handshake; when it is answered, it confirms at once. */
void network_member(
	struct network *n, unsigned i, enum network_node to, unsigned certificate, uint16_t flags);
/* As network_sealed, by a member in its session. */
void network_member_sealed(
	struct network *n, unsigned i, const uint8_t *plain, size_t len, uint8_t fault);
/* Time passes, timers fire. */
void network_pass(struct network *n, uint64_t ns);
/* Actions are carried out, datagrams delivered. Follows every call of an engine. */
void network_settle(struct network *n);
/* Delivers what was held, the newest first; with a copy: what was seen of late. */
void network_release(struct network *n);

#endif
