#ifndef WARREN_ENGINE_PLANE_H
#define WARREN_ENGINE_PLANE_H

#include "core/base/bucket.h"
#include "core/base/ring.h"
#include "core/engine/data.h"
#include "core/engine/engine.h"
#include "core/peer/plain.h"
#include "core/peer/session.h"
#include "core/route/fib.h"
#include "core/route/multicast.h"

/*
 * What the data path reads (published by the control loop) and what it reports back. One plane a node,
 * one worker a thread. Not for the daemon: data.h is its door.
 */
struct plane {
	struct epoch epoch;
	struct sessions sessions;
	struct fib fib;
	struct cert self;          /* our own certificate: constant */
	struct ip_addr link_local; /* ours */
	struct plain plain;        /* interop mode: sections, constant; none by default */
	struct lpm plain_members;  /* NBMA address of each plaintext member -> peer */
	struct multicast_groups multicast;
	_Atomic uint32_t multicast_rate; /* packets per second beyond link scope */
	uint16_t port, mtu;
	bool hub;
	_Atomic bool relay_kernel;
	_Atomic bool redirect, shortcut;
	uint64_t
		flow_seed[2]; /* the same for all workers: a flow that changes between them stays */
	/* Where a spoke sends what has no direct path: a session, even of a hub that is silent. */
	_Atomic uint32_t hub_session; /* SESSION_NONE */
};

enum event_type {
	EVENT_CONFIRMED, /* first packet that opened under a responder's session */
	EVENT_PACKET,    /* opened: NHRP or control frames */
	EVENT_PATH,      /* newest packet of its lane came from another endpoint than the path's */
	EVENT_UNKNOWN,   /* sealed data for an index that is not ours: earn a RESET */
	EVENT_PLAIN,     /* interop: NHRP in plaintext, from a member (session) or from none */
	EVENT_DATAGRAM,  /* not sealed: a handshake message on a worker's socket */
	EVENT_REDIRECT,  /* hub: this packet was sent back into the overlay */
	EVENT_RESOLVE,   /* spoke: no direct path to this next hop */
	EVENT_MISLED,    /* spoke: a member came directly for this destination, which is not here */
	EVENT_MULTICAST, /* read from the TUN, permitted: replicate */
};

struct event {
	uint8_t type;         /* enum event_type */
	bool asks;            /* PATH: the packet is a PATH_CHALLENGE */
	uint8_t kind;         /* MULTICAST: enum multicast_kind */
	uint16_t protocol;    /* PACKET, PLAIN: GRE protocol */
	uint16_t len;         /* of data; CONFIRMED, PATH, UNKNOWN: bytes of UDP payload, no data */
	uint32_t session;     /* id of the session, where there is one */
	uint32_t local_index; /* its index, to know a reused slot; UNKNOWN: the index seen */
	struct endpoint remote;
	struct ip_addr local;
	struct ip_addr addr; /* RESOLVE: the next hop; MISLED: the destination */
	uint8_t data
		[PKT_SLOT]; /* PACKET, PLAIN: payload; REDIRECT, MULTICAST: the IP packet or its start */
};

#define WORKER_RECENT      1024 /* destinations remembered as sent to by way of the hub */
#define WORKER_LIMITS      256
#define WORKER_EVENTS      256
#define ICMP_PER_S         100 /* ICMP errors to one peer, or to our own TUN by one worker */
#define ICMP_BURST         50
#define WORKER_EVENTS_KEPT (WORKER_EVENTS / 2) /* for events that a session vouches for */
/* A batch of trains of TCP's shortest segments grows to half of it. */
#define WORKER_ARENA (2 << 20)

struct worker_counters { /* written by the worker, read by anybody */
	_Atomic uint64_t tun_rx_packets, tun_rx_bytes, tun_tx_packets, tun_tx_bytes;
	_Atomic uint64_t udp_rx_packets, udp_rx_bytes, udp_tx_packets, udp_tx_bytes;
	_Atomic uint64_t hairpin_packets, hairpin_bytes;
	_Atomic uint64_t multicast_rx_packets; /* from peers, to the TUN */
	_Atomic uint64_t dropped[DROP_COUNT];
};

struct worker {
	struct plane *plane;
	unsigned number;
	uint8_t lane;
	struct ring events;
	struct worker_counters counters;
	/* tag of the destination << 32 | second it was last sent to by way of the hub */
	_Atomic uint64_t recent[WORKER_RECENT];
	struct {
		uint64_t key, until;
	} limits[WORKER_LIMITS]; /* direct-mapped: an event of this key not before until */
	struct bucket icmp, unknown, strangers;
	struct bucket multicast[MULTICAST_KINDS]; /* read from the TUN */
	uint64_t seed[2];                         /* of the hashes above */
	uint32_t plan[PKT_BATCH]; /* per packet: session to seal it for, or SESSION_NONE */
	/* what the packets of this batch become: sealed trains, ICMP errors */
	uint8_t *arena;
	size_t arena_used;
};

/* How much multicast of a kind one source may have: one packet each interval, burst at once. */
struct multicast_limit {
	uint64_t interval_ns;
	unsigned burst;
};
struct multicast_limit plane_multicast_limit(const struct plane *p, enum multicast_kind kind);

int plane_init(struct plane *p, const struct engine_config *config, const struct cert *self,
	const struct env *env);
void plane_fini(struct plane *p);
/* lane 0 with number = workers is the control loop's own. ERR_NO_SPACE. */
int worker_init(
	struct worker *w, struct plane *p, unsigned number, uint8_t lane, const struct env *env);
void worker_fini(struct worker *w);
/* Has any packet for this destination gone by way of the hub within the last 10 s? Control loop. */
bool worker_sent_recently(const struct worker *w, const struct ip_addr *dst, uint64_t now);
/*
 * Seals len bytes of payload (GRE_PLAIN_LEN + SEALED_HEADER_LEN bytes of room in front, a tag's behind) in
 * place on this worker's lane; the datagram begins 16 bytes in front. Its length, or ERR_EXPIRED.
 */
int worker_seal(
	struct worker *w, struct session *s, uint16_t protocol, uint8_t *payload, size_t len);

#endif
