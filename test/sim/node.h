#ifndef WARREN_SIM_NODE_H
#define WARREN_SIM_NODE_H

#include "core/engine/data.h"
#include "core/engine/engine.h"
#include "core/trust/cert.h"
#include "test/sim/inner.h"
#include "test/sim/invariant.h"
#include "test/sim/nat.h"

/*
 * One machine: an engine with one data worker, the kernel routes it would see, and a TUN behind which a
 * small host stack answers echoes. What the daemon does with libuv and platform.h happens here with
 * events: datagrams, timers, actions. Each node has its own random numbers and its own clock offset.
 *
 * Watched at all times: nothing leaves in the clear but to whom interop mode lists, nothing broken or misaddressed comes out of the
 * TUN, timers do not spin, and everything in invariant.h.
 */
#define NODE_ROUTES    48
#define NODE_OWN       16
#define NODE_INSTALLED 64
#define NODE_NOTICE_NS NS_PER_S /* within this time a daemon notices that it has slept */

struct traffic;

/* Who receives what; engines have to cope with all of it. */
enum node_sockets {
	NODE_STEERED, /* workers get sealed data, the control loop the rest: Linux */
	NODE_CONTROL, /* everything comes to the control loop: one socket */
	NODE_WORKER,  /* everything comes to the worker */
	NODE_SOCKET_KINDS
};

struct installed_route {
	struct prefix prefix;
	struct ip_addr gateway;
};

struct node {
	struct sim *sim;
	struct host *host;
	struct traffic *traffic;
	struct nat *nat;  /* the box in front of it, or NULL */
	const char *name; /* host's */
	bool hub;
	struct rng rng;
	struct env env;

	/* What survives a crash: config, certificate, the saved bundle. */
	struct cert cert;
	struct cert
		former; /* granted before, for other addresses or another key; others may go by it still */
	uint8_t cert_bytes[CERT_MAX];
	size_t cert_len;
	struct engine_config config; /* certificate and bundle are set at start */
	uint8_t *saved_bundle;
	size_t saved_bundle_len;
	uint8_t *saved_hints;
	size_t saved_hints_len;
	uint64_t saved_time_s, build_s; /* what it knows of the time when it starts */
	unsigned (*resolve)(
		void *ctx, const char *host, uint16_t port, struct endpoint *out, unsigned max);
	void *resolve_ctx;
	uint64_t resolve_ns; /* how long a name takes */
	bool broken_dns;

	/* The running daemon. */
	struct engine *engine; /* NULL: down */
	struct worker *worker;
	unsigned incarnation;
	uint64_t clock_base; /* its monotonic clock minus the simulator's */
	uint64_t timer_slack_ns;
	int64_t wall_skew_s; /* how wrong its wall clock is */
	bool asleep;
	uint64_t armed_at; /* TS_NEVER: no timer event is pending that counts */
	uint64_t spin_at;
	unsigned spins;
	enum node_sockets sockets;
	struct pkt_batch batch;
	struct invariants invariants;

	/* Its machine. */
	struct route_update routes[NODE_ROUTES];
	unsigned n_routes;
	struct prefix
		own[NODE_OWN]; /* destinations that this machine, or a LAN behind it, answers for */
	unsigned n_own;
	bool forwards; /* the kernel forwards between overlay and overlay (relay = kernel) */
	struct installed_route installed[NODE_INSTALLED]; /* by ACTION_ROUTE_ADD */
	unsigned n_installed;
	unsigned bundles_saved, hints_saved, icmp_errors, routes_added, routes_deleted;
	unsigned sent_on; /* packets that came out of the TUN and left by another interface */
	struct {
		unsigned count;
		bool answered, direct;
		uint64_t rtt_ns;
	} pong;
};

/* Heap object, freed by the simulator. host: one without owner yet. */
struct node *node_new(struct sim *s, struct host *host, struct traffic *traffic);
/* Certificate, config and routes are set; bundle: NULL = the saved one, or none. */
void node_start(struct node *n, const uint8_t *bundle, size_t bundle_len);
/* Says good-bye. */
void node_stop(struct node *n);
/* Dies on the spot. node_start brings it back. */
void node_crash(struct node *n);
/* The lid is closed: nothing runs and nothing is heard, but its clocks go on. */
void node_sleep(struct node *n);
void node_wake(struct node *n);
static inline bool node_running(const struct node *n)
{
	return n->engine != NULL;
}
/* Its own clock. */
uint64_t node_now(const struct node *n);

/* A packet from this machine or its LAN enters the TUN. */
void node_send_packet(struct node *n, const uint8_t *ip, size_t len);
/* Several, as one read of the TUN. Each is INNER_MAX bytes apart in ips. */
void node_send_batch(struct node *n, const uint8_t *ips, const size_t *lens, unsigned count);
bool node_owns(const struct node *n, const struct ip_addr *a);
void node_own(struct node *n, const char *prefix);
/* Its overlay address of a family: the certificate's. Fails the case when it has none. */
struct ip_addr node_address(const struct node *n, uint8_t family);

/* Kernel routes; they are told to a running engine and again after a restart. */
void node_route(struct node *n, const char *prefix, const char *gateway, enum route_type type);
/* One with several next hops on the overlay, each of weight 1. */
void node_route_legs(
	struct node *n, const char *prefix, const char *const *gateways, unsigned count);
void node_unroute(struct node *n, const char *prefix);
bool node_has_route(const struct node *n, const char *prefix);
/* Where its kernel would send a packet for dst: enum route_type, -1 = nowhere. */
int node_kernel_type(const struct node *n, const struct ip_addr *dst);
/* Has the daemon been told to add this route to the kernel? gateway NULL: any. */
bool node_installed(const struct node *n, const char *prefix, const char *gateway);

/* The running engine gets another bundle, as from disk. ERR_*. */
int node_set_bundle(struct node *n, const uint8_t *bundle, size_t len);
/* After direct calls of engine_*: drains what they caused. */
void node_settle(struct node *n);

/* ---- Views ---------------------------------------------------------------------------------- */

struct node_view node_status(const struct node *n);
struct data_counters node_counters(const struct node *n);
struct nhrp_counters node_nhrp_counters(const struct node *n);
uint64_t node_dropped(const struct node *n, enum drop_reason why);
bool node_ready(const struct node *n);
/* By node name. False: no such peer. */
bool node_peer(const struct node *n, const char *name, struct peer_view *out);
bool node_up(const struct node *n, const struct node *peer);
bool node_direct(const struct node *n, const struct node *peer);
/* Both send under keys of the same handshake, or they have none, or one changed a second ago. */
bool node_same_keys(const struct node *n, const struct node *peer);
/* First row of this kind ("shortcut", ...) and prefix (NULL = any). False: none. */
bool node_nhrp(const struct node *n, const char *kind, const char *prefix, struct nhrp_view *out);
/* Rows of this kind. */
unsigned node_nhrp_count(const struct node *n, const char *kind);
/* A short-cut that is in use for this prefix. */
bool node_shortcut(const struct node *n, const char *prefix);
bool node_route_view(
	const struct node *n, const char *source, const char *prefix, struct route_view *out);
/* With --trace: all its peers and NHRP rows. */
void node_trace(const struct node *n);
/* A hash over what must not change when nothing happens: peers, paths, bindings, routes. */
uint64_t node_digest(const struct node *n);

#endif
