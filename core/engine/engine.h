#ifndef WARREN_ENGINE_ENGINE_H
#define WARREN_ENGINE_ENGINE_H

#include "core/base/addr.h"
#include "core/base/env.h"
#include "core/base/pkt.h"
#include "core/route/leg.h"

/*
 * The facade: one node's whole behaviour as a pure state machine. Bytes, routes and `now` come in;
 * verdicts (data path, data.h) and actions (a bounded queue) go out. No sockets, no clock, no threads:
 * the daemon drives it from libuv, the simulator from a virtual clock, with the same calls.
 *
 * One writer: every function here belongs to the control loop. Workers call data.h only, and speak to the
 * control loop through their rings, which engine_drain empties.
 */

#define ENGINE_KEY_LEN      32
#define ENGINE_MAX_PREFIXES 16     /* prefix =, advertise =, route =, group = lines, each */
#define ENGINE_MAX_WORKERS  15     /* data lanes 1 .. 15 */
#define ENGINE_ROUTES       262144 /* prefixes; memory is used when they come */
#define ENGINE_MAX_INTEROP  16     /* [interop NAME] sections */
#define ENGINE_MAX_ALLOW    16     /* allow = lines of one */

/* With whom we talk in plaintext GRE, docs/protocol.md section 9. */
struct engine_interop {
	char name[16];
	bool hub;               /* what the other side is */
	bool raw;               /* IP protocol 47, else UDP port 4754 */
	struct prefix underlay; /* its NBMA addresses; of a hub, one */
	bool have_key;
	uint32_t key; /* GRE key */
	char word[9]; /* authentication, "" = none */
	uint8_t n_allow;
	struct prefix allow[ENGINE_MAX_ALLOW]; /* of a hub, its own address of a family first */
};

/* Everything a node is told. Borrowed for engine_new only; copied. */
struct engine_config {
	/* identity, see core/trust */
	uint8_t static_secret[ENGINE_KEY_LEN];
	uint8_t network_id[ENGINE_KEY_LEN];
	uint8_t root_key[ENGINE_KEY_LEN]; /* the network's Ed25519 root */
	uint8_t psk[ENGINE_KEY_LEN];      /* zero = none */
	const uint8_t *certificate;       /* our own, encoded */
	size_t certificate_len;
	const uint8_t *bundle; /* newest one known, encoded; NULL = none yet */
	size_t bundle_len;
	uint64_t time_s; /* unix: it is at least so late; 0 = nothing known */

	uint16_t port;   /* UDP port that the socket really has */
	uint16_t mtu;    /* of the TUN */
	uint8_t workers; /* data workers, 1 .. ENGINE_MAX_WORKERS: lanes 1 .. workers */
	uint8_t ciphers; /* bit mask allowed, 0 = all that the machine has */

	uint32_t max_peers;      /* 0 = 1024 on a spoke, 16384 on a hub */
	uint32_t max_routes;     /* prefixes in the FIB, 0 = ENGINE_ROUTES */
	uint16_t holding_time_s; /* 0 = 600 */
	bool redirect;           /* hub: send traffic indications */
	bool shortcut;           /* spoke: act on them, and resolve next hops */
	bool install_routes;     /* registered prefixes and advertised routes go to the kernel */
	bool relay_kernel;       /* hairpin through the host's own forwarding */
	bool host_candidates;    /* offer own interface addresses as candidates */
	bool strict;             /* no new sessions once the bundle has expired */

	uint32_t multicast_rate; /* packets per second beyond link scope, 0 = 100 */

	uint8_t n_prefixes, n_advertise, n_routes, n_groups;
	struct prefix
		prefixes[ENGINE_MAX_PREFIXES]; /* spoke: registered; none = derived from routes */
	struct prefix advertise[ENGINE_MAX_PREFIXES]; /* hub: told to spokes */
	struct prefix routes[ENGINE_MAX_PREFIXES];    /* spoke: routed to the hub besides */

	uint8_t n_interop; /* 0: no plaintext, ever */
	struct engine_interop interop[ENGINE_MAX_INTEROP];
	bool relay_plaintext; /* between sealed and plaintext members */
	struct prefix
		groups[ENGINE_MAX_PREFIXES]; /* multicast that is carried besides link scope */
};

struct engine;

/* ERR_*: certificate or bundle does not verify, key does not match, or memory. Logs what it was. */
int engine_new(struct engine **out, const struct engine_config *config, const struct env *env,
	uint64_t now);
void engine_free(struct engine *e);

/* ---- What the daemon feeds in --------------------------------------------------------------- */

/* Begin: talk to the hubs. Kernel routes and addresses may come before or after. */
void engine_start(struct engine *e, uint64_t now);
/*
 * After the start, once: the hint file that ACTION_SAVE_HINTS wrote before. A hub looks for those in it,
 * some 2,000 a second; a spoke knows where its hubs were. How many are looked for; or ERR_TRUNCATED,
 * ERR_VERSION, ERR_MALFORMED, ERR_AUTH (damaged, or another node's), ERR_NO_SPACE: logged, and no harm.
 */
int engine_load_hints(struct engine *e, const void *data, size_t len, uint64_t now);
/* An ACTION_SAVE_* came to nothing: try again. */
void engine_save_failed(struct engine *e);
/*
 * Say good-bye: purge, CLOSE. Drain the actions afterwards. True: there are more to be told, call again.
 * Then engine_free.
 */
bool engine_stop(struct engine *e, uint64_t now);
/* The machine has slept, or our timers were late by seconds: nothing of before is sure. */
void engine_resumed(struct engine *e, uint64_t now);
/*
 * A datagram that came to the control socket. Sealed ones are accepted too, and leave a verdict in p like
 * the data path: PKT_WRITE_TUN, PKT_SEND_UDP and PKT_SEND_GRE are for the caller to carry out. Data is scratch.
 */
void engine_receive(struct engine *e, struct pkt *p, uint64_t now);
/*
 * Read from the workers' rings, so much as makes one turn of the loop. Call when a worker rang, and after
 * each batch in the simulator. True: there is more; see to timers and actions, then call again.
 */
bool engine_drain(struct engine *e, uint64_t now);
/* Earliest moment at which engine_timer wants to run. TS_NEVER = none. */
uint64_t engine_deadline(const struct engine *e);
void engine_timer(struct engine *e, uint64_t now);

/* The kernel's view, see platform.h's netmon. overlay = the route leads out of our own TUN. */
enum route_type {
	ROUTE_TYPE_OVERLAY,
	ROUTE_TYPE_LOCAL,
	ROUTE_TYPE_OTHER,
	ROUTE_TYPE_REJECT,
};

struct route_update {
	struct prefix prefix;
	struct ip_addr gateway; /* family 0 = on link */
	uint32_t table, metric; /* part of the key with prefix and tos */
	uint8_t tos;
	uint8_t type; /* enum route_type */
	/* Overlay: several next hops, in the place of the gateway; 0 = one, by that. */
	uint8_t n_legs;
	bool elsewhere; /* and there are more, out of other interfaces */
	struct route_leg legs[ROUTE_LEGS];
};

void engine_route(struct engine *e, const struct route_update *route, bool deleted, uint64_t now);
/* An address on an interface other than our TUN: a candidate. */
void engine_address(struct engine *e, const struct ip_addr *address, bool deleted, uint64_t now);
/* A new dump begins: all addresses follow, and of the routes those that have changed. */
void engine_addresses_reset(struct engine *e, uint64_t now);
/* A dump is complete; until the first one the engine registers no derived prefixes. */
void engine_routes_synced(struct engine *e, uint64_t now);
/*
 * To be asked now and then. True: some kernel routes found the table full, and all are to be told again
 * now, those that have not changed too. Until then packets for them follow wider routes, or none.
 */
bool engine_routes_again(struct engine *e, uint64_t now);
/* The answer to ACTION_RESOLVE; n = 0: failed. */
void engine_resolved(struct engine *e, uint32_t token, const struct endpoint *endpoints, unsigned n,
	uint64_t now);
/* Replace the bundle (from disk, on reload). ERR_*; the old one stays. */
int engine_set_bundle(struct engine *e, const uint8_t *bundle, size_t len, uint64_t now);
/* The time that certificates are judged by (unix s), and whether the system's clock is behind it. */
uint64_t engine_time_s(const struct engine *e, uint64_t now);
bool engine_clock_suspect(const struct engine *e, uint64_t now);
/*
 * Change what may change while running: prefixes, advertise, routes and their installation, redirect,
 * shortcut, relay, holding time, strict, multicast groups and their rate.
 */
void engine_reconfigure(struct engine *e, const struct engine_config *config, uint64_t now);

/* ---- What it wants done --------------------------------------------------------------------- */

enum action_type {
	ACTION_SEND,      /* datagram from the control socket */
	ACTION_ROUTE_ADD, /* kernel route: prefix via gateway (family 0: on link) on the TUN */
	ACTION_ROUTE_DEL,
	ACTION_RESOLVE,     /* look up a host name, answer with engine_resolved */
	ACTION_SAVE_BUNDLE, /* persist these bytes: the newest bundle */
	ACTION_SAVE_HINTS,  /* persist these bytes, for engine_load_hints */
	ACTION_SAVE_TIME,   /* persist this time, for engine_config.time_s */
	ACTION_PONG,        /* a ping's result */
};

struct action {
	enum action_type type;
	union {
		struct {
			struct endpoint to;  /* port 0: not UDP but IP protocol 47 */
			struct ip_addr from; /* sticky source, family 0 = any */
			uint8_t ttl;         /* 0 = default */
			const uint8_t *data; /* valid until the next engine call */
			size_t len;
		} send;
		struct {
			struct prefix prefix;
			struct ip_addr gateway;
		} route;
		struct {
			const char *host; /* valid until the next engine call */
			uint16_t port;
			uint32_t token;
		} resolve;
		struct {
			const uint8_t *data; /* valid until the next engine call */
			size_t len;
		} save; /* SAVE_BUNDLE, SAVE_HINTS */
		struct {
			uint64_t unix_s;
		} time;
		struct {
			uint32_t token;
			bool answered; /* false: timed out */
			bool direct;   /* by the direct path, not relayed */
			uint64_t rtt_ns;
		} pong;
	};
};

/* The next action, or false. Drain after every call above. */
bool engine_next_action(struct engine *e, struct action *out);

/* ---- Control verbs -------------------------------------------------------------------------- */

/*
 * PING a peer by node name or overlay address; one ACTION_PONG with token comes back within timeout.
 * ERR_NOT_FOUND: no such peer here (a spoke knows its hubs and its direct peers).
 */
int engine_ping(
	struct engine *e, const char *who, uint32_t token, uint64_t timeout_ns, uint64_t now);

/*
 * Makes new keys with a peer at once, by node name or overlay address; traffic goes on with the old ones
 * until they are there. ERR_NOT_FOUND: no session with such a peer; ERR_BUSY: a handshake is in progress,
 * or there were ten a second.
 */
int engine_rekey(struct engine *e, const char *who, uint64_t now);

/* ---- Views for status ----------------------------------------------------------------------- */

struct node_view {
	char name[64];
	bool hub;
	uint8_t static_key[ENGINE_KEY_LEN];
	unsigned n_addresses;
	struct prefix addresses[4];
	uint64_t cert_not_after; /* unix s */
	uint64_t bundle_number;  /* 0 = none */
	uint64_t bundle_not_after;
	uint64_t started_ns;
	uint32_t peers, peers_up, hubs, hubs_up, bindings, shortcuts;
	uint32_t interop, plaintext_peers; /* sections; members */
	bool relay_plaintext;
	uint32_t routes, routes_max;     /* prefixes in the FIB, and for how many there is room */
	uint32_t routes_left_out;        /* kernel routes for which there was none */
	uint32_t route_dumps;            /* how often the kernel's routes were read as a whole */
	bool ready;                      /* hub: always; spoke: registered with at least one hub */
	bool relay_in_daemon;            /* hairpin bypasses the host's firewall */
	bool redirect;                   /* hub: tells spokes of shorter ways */
	bool shortcut;                   /* spoke: takes them */
	const char *ciphers;             /* "AES-256-GCM ChaCha20-Poly1305" */
	struct endpoint public_endpoint; /* as a hub sees us; family 0 = unknown */
};
void engine_view_node(const struct engine *e, struct node_view *out);

/* The sections of interop mode. *cursor = 0 to begin; false at the end. */
struct interop_view {
	char name[16];
	bool hub; /* the other side */
	bool raw, have_key, authentication;
	struct prefix underlay;
	uint32_t members; /* now */
};
bool engine_view_interop(const struct engine *e, uint32_t *cursor, struct interop_view *out);
/* Who gets a copy stands in engine_view_nhrp, as kind "multicast". */
struct multicast_view {
	uint32_t receivers; /* of copies of what we send */
	uint32_t rate;      /* packets per second beyond link scope */
	uint64_t sent_packets, sent_copies, received_packets;
	uint64_t filtered, limited; /* in either direction */
	unsigned n_groups;
	struct prefix groups[ENGINE_MAX_PREFIXES];
};
void engine_view_multicast(const struct engine *e, struct multicast_view *out);

struct data_counters { /* sums over all workers */
	uint64_t tun_rx_packets, tun_rx_bytes, tun_tx_packets, tun_tx_bytes; /* inner packets */
	uint64_t udp_rx_packets, udp_rx_bytes, udp_tx_packets,
		udp_tx_bytes; /* datagrams of user data */
	uint64_t hairpin_packets, hairpin_bytes;
	uint64_t dropped[DROP_COUNT];
};
void engine_view_counters(const struct engine *e, struct data_counters *out);
/* n datagrams that the system dropped for us. reason: enum drop_reason. */
void engine_count_drops(struct engine *e, uint8_t reason, uint64_t n);

struct peer_view {
	char name[64]; /* "" until a certificate is known */
	uint8_t static_key[ENGINE_KEY_LEN];
	bool hub;
	unsigned n_addresses;
	struct prefix addresses[4];
	bool up;                  /* has a live session */
	bool direct;              /* user data goes straight to it (always so for a hub) */
	const char *path_state;   /* "direct", "hub", "punching", "down" */
	const char *path_reason;  /* why it is so: "no answer to probes", "" */
	struct endpoint endpoint; /* family 0 = none */
	const char *cipher;       /* "" without a session; "none (plaintext)" in interop mode */
	bool plaintext;           /* interop mode */
	uint64_t session_age_ns;
	uint64_t last_received_ns; /* ago; TS_NEVER = never */
	uint64_t rtt_ns;           /* 0 = not measured */
	uint64_t tx_bytes, rx_bytes, tx_packets, rx_packets;
	uint32_t rekeys;
};
/* *cursor = 0 to begin; false at the end. Peers in no particular order, stable while none comes or goes. */
bool engine_view_peer(
	const struct engine *e, uint32_t *cursor, struct peer_view *out, uint64_t now);

struct route_view {
	struct prefix prefix;
	const char *source;     /* "shortcut", "kernel", "registered", "hub", "config" */
	const char *type;       /* "overlay", "local", "other", "reject" */
	struct ip_addr gateway; /* family 0 = on link; the first of its next hops */
	char peer[64];          /* shortcut: node name; else "" */
	uint32_t table, metric; /* kernel routes */
	bool active;            /* it is the one that forwarding uses for its prefix */
	bool elsewhere;         /* it has other next hops, out of other interfaces */
	unsigned n_hops;        /* none of a shortcut; else at least one */
	struct hop_view {
		struct ip_addr gateway; /* family 0 = on link */
		uint32_t weight;
		char peer[64]; /* who is there; "" = not known */
	} hops[ROUTE_LEGS];
};
bool engine_view_route(const struct engine *e, uint32_t *cursor, struct route_view *out);

/* The routes that ACTION_ROUTE_ADD has asked for. *cursor = 0 to begin; false at the end. */
bool engine_view_installed(
	const struct engine *e, uint32_t *cursor, struct prefix *prefix, struct ip_addr *gateway);
/* Is this one of them, and by which gateway? */
bool engine_installed(const struct engine *e, const struct prefix *prefix, struct ip_addr *gateway);

/*
 * NHRP cache: bindings (hub: registered clients), registrations (spoke), resolutions, shortcuts; and to whom
 * multicast is replicated: "dynamic" to who is registered here, "nhs" to hubs.
 */
struct nhrp_view {
	const char *
		kind; /* "binding", "registration", "resolution", "shortcut", "refused", "multicast" */
	struct prefix prefix;
	char peer[64];        /* node name */
	struct endpoint nbma; /* claimed address and port seen; family 0 = none */
	const char *state;    /* "registered", "standby", "pending", "active", "negative", "nak" */
	int code;             /* NAK code, 0 = none */
	uint64_t expires_ns;  /* from now; TS_NEVER = does not */
	uint64_t age_ns;
};
bool engine_view_nhrp(
	const struct engine *e, uint32_t *cursor, struct nhrp_view *out, uint64_t now);

/* NHRP message counters, in and out by type (1 .. 8), index 0 = malformed. */
struct nhrp_counters {
	uint64_t in[9], out[9];
	uint64_t naks_sent, naks_received;
};
void engine_view_nhrp_counters(const struct engine *e, struct nhrp_counters *out);

#endif
