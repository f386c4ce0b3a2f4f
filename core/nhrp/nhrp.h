#ifndef WARREN_NHRP_NHRP_H
#define WARREN_NHRP_NHRP_H

#include "core/peer/peer.h"
#include "core/route/fib.h"
#include "core/wire/nhrp.h"

/*
 * NHRP between members (RFC 2332 with Cisco's traffic indication), inside sealed sessions: the session's
 * certificate is the authority, addresses in the packets are claims. Interop mode is the exception.
 *
 *   dispatch.c      decoding, counting, sending; what the other modules share
 *   error.c         error indications: sent, passed on, received
 *   nhc.c           client: registers with every hub, learns routes from the replies
 *   nhs.c           server: bindings
 *   refusal.c       registrations refused, by us or to us
 *   transit.c       hub: forwards resolutions, adding what it sees
 *   resolve.c       client: asks for a destination, waits for the direct path
 *   egress.c        answers for what is behind us
 *   shortcut.c      life of a shortcut
 *   redirect.c      traffic indications, both sides
 *   purge.c         withdrawals
 *   foreign.c       what is different in plaintext: members of interop mode
 *   kernel.c        which of our routes stand in the kernel
 */
#define NHRP_RESOLUTIONS  256
#define NHRP_SHORTCUTS    1024
#define NHRP_REFUSALS     64
#define NHRP_TOLD         4096
#define NHRP_REDIRECTS    4096
#define NHRP_HOLDING_MIN  30
#define NHRP_HOLDING_MAX  7200
#define NHRP_PREFIX_LINES 16
#define NHRP_ORDERS_PER_S 20 /* punches that one node is made to begin, burst the same */
/* Bindings of one client: twice what a config can name, for the old ones go after the new ones came. */
#define NHRP_CLIENT_MAX (2 * (CERT_ADDRESSES_MAX + NHRP_PREFIX_LINES))
#define NHRP_NONE       UINT32_MAX

struct nhrp_config {
	uint16_t holding_time_s;
	bool redirect, shortcut, install_routes, host_candidates;
	uint8_t n_prefixes, n_advertise, n_routes;
	struct prefix prefixes[NHRP_PREFIX_LINES];
	struct prefix advertise[NHRP_PREFIX_LINES];
	struct prefix routes[NHRP_PREFIX_LINES];
};

struct nhrp_ops {
	void *ctx;
	/* Kernel route by the TUN; gateway family 0 = on link. */
	void (*kernel_route)(
		void *ctx, const struct prefix *p, const struct ip_addr *gateway, bool add);
	/* Has user data for dst gone by way of a hub in the last 10 s? */
	bool (*sent_recently)(void *ctx, const struct ip_addr *dst, uint64_t now);
};

/* ---- Server: what a client has registered --------------------------------------------------- */

struct binding {
	bool used;
	bool silent; /* the client's path is dead: another's binding of the same prefix comes first */
	struct prefix prefix;
	struct ip_addr gateway; /* the client's own address of this family */
	struct ip_addr nbma_claimed;
	uint32_t peer, next; /* next binding of the same peer */
	uint64_t since, expires;
};

struct nhs_client {
	uint32_t first; /* binding; NHRP_NONE */
	struct timer expiry;
	uint64_t run_ns;    /* of the peer, when these were noted: */
	uint32_t newest[2]; /* request id of its last registration, IPv4 and IPv6 */
	bool have_newest[2];
	struct bucket requests;  /* resolutions it may ask */
	struct bucket orders;    /* resolutions that make it punch */
	struct bucket redirects; /* traffic indications to it */
	struct bucket errors;    /* error indications about what it sends */
};

struct refusal {
	uint8_t code; /* 0 = free */
	struct prefix prefix;
	char name[64]; /* hub: of the client; spoke: of the hub */
	uint64_t at;
};

/* Who was told of whom, to be purged when that changes. */
struct told {
	uint32_t requester, egress; /* peer ids; egress PEER_NONE: of ourselves */
	struct prefix prefix;
	struct ip_addr gateway; /* of our route then; family 0 = on link */
	uint64_t until;
};

/* ---- Client: our registration with one hub, for one family ---------------------------------- */

enum registration_state {
	REGISTRATION_IDLE,
	REGISTRATION_PENDING,
	REGISTRATION_DONE,
	REGISTRATION_REFUSED,
};

struct registration {
	uint32_t peer; /* hub; PEER_NONE = free */
	uint8_t family;
	enum registration_state state;
	uint8_t code; /* why refused */
	uint32_t request_id;
	unsigned tries;
	uint64_t next, expires, since, gap;
	unsigned n_prefixes; /* asked for */
	struct prefix prefixes[NHRP_PREFIX_LINES];
	unsigned n_learned; /* the hub's advertise list */
	struct prefix learned[NHRP_PREFIXES_MAX];
};

/* ---- Resolutions and shortcuts -------------------------------------------------------------- */

enum resolution_state {
	RESOLUTION_FREE,
	RESOLUTION_PENDING,  /* asked */
	RESOLUTION_PUNCHING, /* answered; waits for the direct path */
	RESOLUTION_NEGATIVE, /* not now: the hub carries the traffic */
};

struct resolution {
	enum resolution_state state;
	struct ip_addr target;
	uint32_t request_id, token_id;
	uint8_t punch_key[KEY_LEN];
	uint32_t asked; /* peer id of who was asked */
	unsigned tries;
	uint64_t started, gap; /* gap: back-off of the next failure */
	uint8_t code;          /* why negative */
	const char *why;       /* the same in words; a constant text */
	uint32_t refused_by;   /* hubs that know no binding: bits of their rank */
	/* the answer */
	struct prefix prefix;
	uint8_t peer_key[KEY_LEN];
	char name[64];
	uint16_t holding_time_s;
	struct timer timer;
};

struct shortcut {
	bool used;
	struct prefix prefix;
	struct ip_addr target; /* what was asked for */
	uint32_t peer;
	bool neighbour;            /* prefix is the peer's own address: also a next hop */
	struct fib_route covering; /* by which route traffic would go without it */
	uint64_t since, expires;
	uint64_t lasts; /* from the last answer to expires */
	bool refreshed; /* its renewal has been asked for */
	struct timer timer;
};

struct nhrp {
	struct peers *peers;
	struct fib *fib;
	const struct env *env;
	struct timer_heap *timers;
	struct nhrp_ops ops;
	struct nhrp_config config;
	struct cert self;
	bool hub, stopping;
	uint32_t next_request_id;

	struct binding *bindings;
	uint32_t max_bindings, n_bindings, binding_hint;
	uint32_t n_registered;      /* of them, those that are routes */
	struct nhs_client *clients; /* by peer id */
	struct refusal refusals[NHRP_REFUSALS];
	unsigned n_refusals;
	struct told *told;
	uint32_t n_told;

	struct registration
		registrations[(BUNDLE_HUBS_MAX * BUNDLE_HUB_KEYS_MAX + PLAIN_SECTIONS_MAX) * 2];
	struct timer registration_timer;

	struct resolution resolutions[NHRP_RESOLUTIONS];
	struct shortcut shortcuts[NHRP_SHORTCUTS];
	struct timer routes_timer; /* looks at shortcuts and prefixes after routes changed */
	uint64_t routes_seen;      /* fib generation looked at */
	bool addresses_changed;

	struct {
		uint64_t key, next, gap;
	} * redirects;
	uint64_t redirect_seed[2];
	struct bucket punches; /* punches: begun at somebody else's wish */

	struct hashmap installed; /* prefix -> index below */
	struct {
		struct prefix prefix;
		struct ip_addr gateway;
		bool used;
	} * kernel;
	uint32_t max_kernel;

	uint64_t in[9], out[9], naks_sent, naks_received;
};

/* max_peers as of peers. ERR_NO_SPACE. */
int nhrp_init_node(struct nhrp *n, struct peers *peers, struct fib *fib, const struct cert *self,
	const struct nhrp_config *config, struct timer_heap *timers, const struct env *env,
	const struct nhrp_ops *ops);
void nhrp_fini_node(struct nhrp *n);
/* Most timers that this module ever has armed. */
uint32_t nhrp_timers(uint32_t max_peers);
void nhrp_reconfigure(struct nhrp *n, const struct nhrp_config *config, uint64_t now);

/* A packet that arrived in p's session, in a datagram from this endpoint. */
void nhrp_receive(struct nhrp *n, struct peer *p, const uint8_t *data, size_t len,
	const struct endpoint *from, uint64_t now);
/* Peers come and go. */
void nhrp_peer_up(struct nhrp *n, struct peer *p, bool rekey, uint64_t now);
void nhrp_peer_path(struct nhrp *n, struct peer *p, uint64_t now);
void nhrp_peer_down(struct nhrp *n, struct peer *p, uint64_t now);
/* The FIB may have changed. Cheap when it has not. */
void nhrp_routes_changed(struct nhrp *n, uint64_t now);
/* An underlay address of ours came or went: hubs are to see where we are now. */
void nhrp_addresses_changed(struct nhrp *n, uint64_t now);
/* Spoke: a packet left for this next hop by way of the hub. */
void nhrp_want(struct nhrp *n, const struct ip_addr *target, uint64_t now);
/* Hub: this packet of p's went back into the overlay. */
void nhrp_hairpin(struct nhrp *n, struct peer *p, const uint8_t *ip, size_t len, uint64_t now);
/* Spoke: p sends us directly what is for this destination, which we would not answer for. */
void nhrp_misled(struct nhrp *n, struct peer *p, const struct ip_addr *dst, uint64_t now);
/* We are going away: withdraw what we told others. */
void nhrp_stop(struct nhrp *n, uint64_t now);
/* The kernel routes that we want to be there. *cursor = 0 to begin; false at the end. */
bool nhrp_installed_at(
	const struct nhrp *n, uint32_t *cursor, struct prefix *prefix, struct ip_addr *gateway);
bool nhrp_installed(const struct nhrp *n, const struct prefix *prefix, struct ip_addr *gateway);
/* Is any registration in place? */
bool nhrp_registered(const struct nhrp *n);

/* ---- Between the modules of this directory -------------------------------------------------- */

/* Encodes and sends in the peer's session. Counts. */
int nhrp_send(struct nhrp *n, struct peer *p, const struct nhrp_packet *packet, uint64_t now);
/* There is no room for one more: counted, logged. */
void nhrp_full(struct nhrp *n, const char *what, const struct ip_addr *target);
/* Our overlay address of this family, NULL if we have none. */
const struct ip_addr *nhrp_own_address(const struct nhrp *n, uint8_t family);
/* A CIE about ourselves. */
struct nhrp_cie nhrp_own_cie(const struct nhrp *n, const struct nhrp_packet *packet,
	const struct ip_addr *proto, const struct peer *towards);
/*
 * Starts a packet of ours: families by the path to p, our addresses; a request's id is a new one, to be
 * replaced when it is only sent again.
 */
void nhrp_begin(struct nhrp *n, struct nhrp_packet *packet, enum nhrp_type type, struct peer *p,
	uint8_t proto_family);
/* Turns a request into its reply: type, hop count, responder extension. */
void nhrp_make_reply(
	struct nhrp *n, struct nhrp_packet *packet, enum nhrp_type type, struct peer *p);
/*
 * An error indication about a packet of len bytes that came from p (RFC 2332 s.5.2.7), as far as it was
 * decoded. Never about an error indication; not for code 0; so many a second.
 */
void nhrp_error(struct nhrp *n, struct peer *p, uint16_t code, uint16_t offset, const uint8_t *data,
	size_t len, const struct nhrp_packet *about, uint64_t now);
/* False: a compulsory extension that we do not know forbids us to answer, and p has been told. */
bool nhrp_understood(struct nhrp *n, struct peer *p, const struct nhrp_packet *request,
	const uint8_t *data, size_t len, uint64_t now);
void error_receive(struct nhrp *n, struct peer *p, struct nhrp_packet *packet, uint64_t now);
/* Our candidates into the vendor extension. */
void nhrp_add_candidates(struct nhrp *n, struct nhrp_packet *packet);

void nhc_peer_up(struct nhrp *n, struct peer *hub, bool rekey, uint64_t now);
void nhc_peer_down(struct nhrp *n, struct peer *hub, uint64_t now);
void nhc_reply(struct nhrp *n, struct peer *hub, const struct nhrp_packet *reply, uint64_t now);
/* An error indication quotes this request. */
void nhc_error(struct nhrp *n, struct peer *hub, const struct nhrp_packet *about, uint64_t now);
/* The list of prefixes may have changed: registers anew where it did, or always. */
void nhc_update(struct nhrp *n, bool always, uint64_t now);
/* The config's `route =` lines, on or off for every hub that we are registered with. */
void nhc_config_routes(struct nhrp *n, bool on);
void nhc_init(struct nhrp *n);

void nhs_register(struct nhrp *n, struct peer *p, struct nhrp_packet *request,
	const struct endpoint *from, uint64_t now);
void nhs_peer_down(struct nhrp *n, struct peer *p, uint64_t now);
/* Its path went silent, or answers again. */
void nhs_peer_path(struct nhrp *n, struct peer *p);
/* Its certificate may be a new one: bindings that it does not cover go. */
void nhs_recheck(struct nhrp *n, struct peer *p, uint64_t now);
/* Removes p's bindings inside the prefix. */
void nhs_unbind(
	struct nhrp *n, struct peer *p, const struct prefix *prefix, const char *why, uint64_t now);
void refusal_note(struct nhrp *n, struct peer *p, const struct prefix *prefix, uint8_t code,
	bool by_us, uint64_t now);
/* A registration of this family is through: those refused before and not now are no longer asked for. */
void refusal_settle(struct nhrp *n, const struct peer *p, uint8_t family, uint64_t now);

void nhs_init_client(struct nhrp *n, uint32_t peer);
/* May this client be given work? 10 times a second, burst 50. */
bool nhs_may_ask(struct nhrp *n, const struct peer *p, uint64_t now);

void transit_request(struct nhrp *n, struct peer *p, struct nhrp_packet *request,
	const uint8_t *data, size_t len, const struct endpoint *from, uint64_t now);
void transit_reply(struct nhrp *n, struct peer *p, struct nhrp_packet *reply, const uint8_t *data,
	size_t len, const struct endpoint *from, uint64_t now);
/*
 * Hub: whose session leads to this overlay address, the node's own or that of the next hub on the route.
 * NULL: nobody's.
 */
struct peer *transit_towards(const struct nhrp *n, const struct ip_addr *dst);

/* The widest prefix around target, of at least this length, that our routes send by one gateway. */
bool transit_prefix(const struct nhrp *n, const struct ip_addr *target, uint8_t least_len,
	const struct ip_addr *gateway, struct prefix *out);

void egress_answer(struct nhrp *n, struct peer *p, struct nhrp_packet *request, uint64_t now);
/* The widest prefix around target that we may answer for. */
bool egress_prefix(const struct nhrp *n, const struct ip_addr *target, struct prefix *out);

void resolve_start(struct nhrp *n, const struct ip_addr *target, uint64_t now);
void resolve_reply(struct nhrp *n, struct peer *p, const struct nhrp_packet *reply,
	const uint8_t *data, size_t len, uint64_t now);
/* An error indication quotes this request. */
void resolve_error(struct nhrp *n, struct peer *p, const struct nhrp_packet *about, uint16_t code,
	uint64_t now);
void resolve_path(struct nhrp *n, struct peer *p, uint64_t now);
void resolve_fire(void *owner, struct timer *timer, uint64_t now);

void shortcut_install(struct nhrp *n, const struct prefix *prefix, const struct ip_addr *target,
	struct peer *p, uint16_t holding_time_s, uint64_t now);
/*
 * Traffic for target goes by this hub, which is not the preferred one but the one that knows it. Ends
 * soon, or when a direct path is found.
 */
void shortcut_by_hub(struct nhrp *n, const struct ip_addr *target, struct peer *hub, uint64_t now);
/* The shortcut that traffic for a uses, or NULL. */
struct shortcut *shortcut_for(struct nhrp *n, const struct ip_addr *a);
void shortcut_remove(struct nhrp *n, struct shortcut *s, const char *why, uint64_t now);
void shortcut_peer(struct nhrp *n, struct peer *p, bool gone, uint64_t now);
/* Its certificate may be a new one: shortcuts that it does not cover go. */
void shortcut_recheck(struct nhrp *n, struct peer *p, uint64_t now);
void shortcut_check_routes(struct nhrp *n, uint64_t now);
void shortcut_fire(void *owner, struct timer *timer, uint64_t now);

void redirect_receive(
	struct nhrp *n, struct peer *p, const struct nhrp_packet *packet, uint64_t now);

void purge_receive(struct nhrp *n, struct peer *p, struct nhrp_packet *request, uint64_t now);
/* Tells everyone who was told that this peer answers for something that overlaps with the prefix. */
void purge_told(struct nhrp *n, uint32_t egress, const struct prefix *prefix, uint64_t now);
void purge_remember(struct nhrp *n, uint32_t requester, uint32_t egress,
	const struct prefix *prefix, const struct ip_addr *gateway, uint64_t until);
/*
 * Routes have changed: tells everyone who was told of a prefix that no longer goes there, as a whole, or
 * is no longer ours to answer for.
 */
void purge_check_routes(struct nhrp *n, uint64_t now);
void purge_own(struct nhrp *n, struct peer *p, uint64_t now);

/* A plaintext packet came from a listed address: finds or makes the member, then nhrp_receive. */
void foreign_receive(struct nhrp *n, const uint8_t *data, size_t len, const struct endpoint *from,
	const struct ip_addr *local, uint64_t now);
/* Of the plaintext member p: takes out what is hop by hop. False: the word is wrong, which was answered. */
bool foreign_admit(struct nhrp *n, struct peer *p, struct nhrp_packet *packet, const uint8_t *data,
	size_t len, uint64_t now);
/* Makes of a packet what goes to a plaintext member: without our extension, with the word. */
void foreign_dress(const struct nhrp *n, const struct peer *p, struct nhrp_packet *packet);
/* Makes of a registration request what a plaintext hub gets; takes from the reply how it sees us. */
void foreign_registration(const struct peer *hub, struct nhrp_packet *request);
/* True: the request claimed another address of ours than the one that we answer at, as is known now. */
bool foreign_reply(struct nhrp *n, struct peer *hub, const struct nhrp_packet *reply);
/* Fills the NAT extension: with how the plaintext hub p sees us; with how we see its member p. */
void foreign_add_ours(const struct nhrp *n, const struct peer *p, struct nhrp_packet *packet);
void foreign_add_theirs(
	const struct peer *p, struct nhrp_packet *packet, const struct ip_addr *proto);
/* A plaintext request came by p and was answered: its source may be talked to, and may talk to us. */
void foreign_asked(
	struct nhrp *n, const struct peer *p, const struct nhrp_packet *request, uint64_t now);
/* The member that a positive plaintext answer names; NULL: it is not listed, or may not be it. */
struct peer *foreign_answerer(struct nhrp *n, const struct peer *p, const struct nhrp_packet *reply,
	uint16_t holding_time_s, uint64_t now);
/* The plaintext hub that routes to the target lead to, or NULL. */
struct peer *foreign_hub_for(const struct nhrp *n, const struct ip_addr *target);

/* Makes the kernel have our best route of this prefix, or none. */
void kernel_sync(struct nhrp *n, const struct prefix *prefix);

#endif
