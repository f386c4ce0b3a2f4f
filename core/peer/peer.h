#ifndef WARREN_PEER_PEER_H
#define WARREN_PEER_PEER_H

#include "core/base/bucket.h"
#include "core/base/hashmap.h"
#include "core/base/pkt.h"
#include "core/base/timer.h"
#include "core/crypto/cookie.h"
#include "core/crypto/handshake.h"
#include "core/crypto/probe.h"
#include "core/crypto/reset.h"
#include "core/peer/admit.h"
#include "core/peer/plain.h"
#include "core/peer/session.h"
#include "core/trust/trust.h"
#include "core/wire/control.h"
#include "core/wire/gre.h"

/*
 * Everybody we have keys with, or try to. A peer is a static key; its certificate, sessions and path
 * come and go. The control loop's: workers know peers by the slots of session.h alone.
 *
 *   peer.c      the table, sending, coming and going of sessions
 *   connect.c   handshakes of both roles, cookies, RESET
 *   admit.c     how much of that strangers may ask for
 *   liveness.c  timers of one peer: retransmission, rekey, keepalive, dead-peer detection
 *   frames.c    control frames: PING, CLOSE, the bundle's transfer
 *   roam.c      where the peer is now: PATH_CHALLENGE, moves
 *   punch.c     candidates, probes
 *   hubs.c      the hubs of the bundle: who they are, which one is preferred
 *   plain.c     members of interop mode, without keys
 *   resume.c    after a sleep, and when our own addresses change
 *   hints.c     the file with whom we knew, for the next start
 */
#define PEER_NONE          UINT32_MAX
#define PEER_ENDPOINTS_MAX 8
#define PEER_FORMER        4
#define PUNCH_CANDIDATES   8
#define PUNCH_MAX          256
#define HALF_OPEN_NS       (10 * NS_PER_S)

enum path_state {
	PATH_NONE,      /* no proven endpoint */
	PATH_UP,        /* proven; a direct peer's user data goes there */
	PATH_SUSPENDED, /* was proven, does not answer: user data goes by the hub */
};

/* A handshake of ours in progress. */
struct initiation {
	bool active;
	struct handshake hs;
	uint32_t session; /* slot that waits for the answer */
	struct endpoint to;
	struct ip_addr from;
	uint16_t len; /* of message, GRE header included */
	uint8_t message[GRE_PLAIN_LEN + 1232];
	unsigned tries;
	uint64_t until, next;  /* given up then; the next copy */
	struct bucket answers; /* RESPONSEs that may cost a DH */
	/* where copies have gone: an answer from there proves the place */
	unsigned n_sent;
	struct endpoint sent[PEER_ENDPOINTS_MAX];
};

/*
 * A place where the newest packet of a lane came from, and which is not the path's: it is asked to answer
 * from there. Until it does, it gets no more than three bytes for one.
 */
struct challenge {
	bool active;
	uint8_t token[8], path_token[8]; /* the second: for the path itself, when it is asked too */
	struct endpoint to;
	struct ip_addr from;
	uint64_t started, asked; /* when it was first and last asked */
	uint64_t credit;         /* bytes that may still be sent there */
	uint64_t answered;       /* when it was first; 0 = not yet */
	bool from_there;         /* an answer came from the very port */
	bool path_answered;
};

struct peer {
	bool used;
	uint32_t id;         /* slot; also that of its struct path */
	uint32_t generation; /* grows when the slot is used anew */
	uint32_t next_free;
	uint8_t key[KEY_LEN];   /* static public key */
	struct cert cert;       /* of the newest confirmed session */
	bool known;             /* cert is there */
	bool hub;               /* the bundle lists it */
	unsigned hub_rank;      /* its place in the bundle: lower is preferred */
	bool lost_us;           /* it said so by a RESET: the next session is a new one */
	bool restarting;        /* it will be back in seconds: its routes wait for it */
	bool plain;             /* interop mode: no keys, and none of what follows from them */
	bool natted, ousted;    /* plain: behind a NAT; a session has come to its address */
	uint8_t section;        /* plain: of struct plain */
	uint64_t kept_until;    /* plain: forgotten then */
	struct ip_addr seen_as; /* plain hub: our address, where it sees another than we say */
	uint32_t lost_index;    /* of the session that the RESET was about */

	uint64_t run_ns; /* sessions made before are of a life of the peer that is over */
	uint32_t current, previous, next;                /* sessions; SESSION_NONE */
	uint8_t timestamp[HANDSHAKE_TIMESTAMP_LEN];      /* of its last confirmed INITIATION */
	uint8_t next_timestamp[HANDSHAKE_TIMESTAMP_LEN]; /* of the one that made `next` */
	uint8_t answered_mac1[MAC_LEN];
	uint16_t response_len;
	uint8_t response[GRE_PLAIN_LEN + 640]; /* to answer a repeated INITIATION with */
	uint64_t next_until;                   /* `next` is forgotten then */
	bool next_is_new;                      /* its INITIATION was no rekey */
	struct endpoint answered[2];           /* where the first and the last RESPONSE went */
	bool kept;              /* `current` stayed when `previous` came, see peer_follow */
	uint64_t kept_heard[2]; /* under the two, at the last look */
	uint32_t next_after;    /* the peer had confirmed this session of ours before; 0 */
	struct bucket stale;    /* INITIATIONs with an old timestamp and a valid mac2 */

	struct initiation init;
	uint8_t cookie[MAC_LEN];
	uint64_t cookie_until;
	uint64_t retry_at; /* hub: when to begin the next burst; TS_NEVER */

	/* hub: where to look for it, from the bundle's host names */
	struct endpoint seen; /* hub: ourselves as it sees us; family 0 = unknown */
	struct endpoint hint; /* where it was last, for when its name does not resolve */
	unsigned n_endpoints, endpoint_at;
	struct endpoint endpoints[PEER_ENDPOINTS_MAX];
	unsigned resolving; /* answers awaited */
	uint64_t resolved_at;

	enum path_state path;
	const char *reason;       /* why the path is as it is; a constant text */
	struct endpoint endpoint; /* proven */
	uint64_t up_since;
	struct ip_addr local;
	struct challenge challenge;
	struct endpoint beside; /* the port that it sends from, while we stay; family 0 = none */
	uint64_t stays_until;   /* until then it is not looked at again */
	struct endpoint former[PEER_FORMER]; /* where we have sent to before, newest first */
	/* When it last challenged us, which it does while it sees us elsewhere than where it sends; 0 = never. */
	uint64_t asked;
	uint64_t warmed; /* when the former places were last sent to for that reason */
	bool up_due;     /* keys are there, but no path yet */
	uint64_t moved;  /* when its endpoint changed last */
	bool yielded;    /* then we went after it, though the path worked */
	struct bucket moves;

	uint64_t control_tx_ns; /* last sealed packet sent by the control loop */
	uint64_t keepalive_gap; /* jittered */
	uint64_t rekey_at, rekey_retry;
	struct bucket rekeys_asked;    /* by engine_rekey */
	uint64_t unanswered;           /* since when we send user data without any answer; 0 */
	uint64_t doubted, doubt_until; /* since when an answer is waited for, and how long; 0 */
	uint64_t last_tick;
	unsigned pings;   /* sent since `unanswered`, or since suspension */
	uint64_t ping_at; /* when the last one was sent; 0 = answered */
	uint8_t ping_token[8];
	unsigned ping_copies; /* sent with this token */
	uint64_t rtt_ns;
	uint64_t suspended_at; /* 0 = not suspended, nor until just now */
	uint64_t user_data_ns; /* counts as used at that time, without user data */
	bool user_ping;        /* a `warren ping` waits */
	uint32_t user_ping_token;
	uint64_t user_ping_sent, user_ping_until;
	uint8_t user_ping_echo[8];

	/* the bundle on its way to this peer */
	bool bundle_due;
	uint64_t bundle_at, bundle_gap;
	struct bucket resets; /* handshakes that its RESETs may start */
	uint32_t rekeys;
	uint64_t last_recheck;
	struct timer timer;
};

/* One punch: a token, a key, and where to knock. */
struct punch {
	bool used;
	uint32_t token_id;
	uint8_t key[KEY_LEN];
	uint8_t peer_key[KEY_LEN];
	unsigned n, step;
	struct endpoint to[PUNCH_CANDIDATES];
	uint8_t nonce[PUNCH_CANDIDATES][7];
	bool answered;
	unsigned answers_left; /* probes that we still answer */
	uint64_t started, until;
	struct timer timer;
	struct peers *owner;
};

/* A bundle that a peer is sending, in chunks of 1 KiB. One at a time. */
struct assembly {
	uint32_t peer, id, total; /* peer id; PEER_NONE = none */
	uint64_t at;              /* last chunk */
	unsigned missing;         /* chunks */
	uint8_t *bytes;           /* BUNDLE_MAX */
	bool have[BUNDLE_MAX / 1024];
};

struct peers;

/* What peers want done or made known. */
struct peer_ops {
	void *ctx;
	void (*send)(void *ctx, const struct endpoint *to, const struct ip_addr *from, uint8_t ttl,
		const void *data, size_t len);
	/* A new session is confirmed; rekey = it replaces a live one. */
	void (*up)(void *ctx, struct peer *p, bool rekey, uint64_t now);
	/* The path became usable, or stopped being so. */
	void (*path)(void *ctx, struct peer *p, uint64_t now);
	/* Its last session ended. p goes away after the call, unless it is a hub of ours. */
	void (*down)(void *ctx, struct peer *p, const char *why, uint64_t now);
	void (*resolve)(void *ctx, const char *host, uint16_t port, uint32_t token);
	void (*bundle)(void *ctx, uint64_t now); /* a new one was accepted */
	void (*pong)(void *ctx, uint32_t token, bool answered, bool direct, uint64_t rtt_ns);
	/* Does the best route to this address lead through the overlay? */
	bool (*is_overlay)(void *ctx, const struct ip_addr *a);
	/* How many bytes to seal: by the control loop's lane. */
	int (*seal)(void *ctx, struct session *s, uint16_t protocol, uint8_t *payload, size_t len);
	/* The workers are to know the plaintext member at this address; PEER_NONE: none any more. */
	void (*plain_member)(void *ctx, const struct ip_addr *nbma, uint32_t peer);
};

struct peers {
	struct peer *v;
	uint32_t max, count;
	struct hashmap by_key;
	uint32_t n_fresh;   /* slots from here on have never been used */
	uint32_t free_head; /* chain of the others that are free; PEER_NONE */
	uint32_t hubs[BUNDLE_HUBS_MAX * BUNDLE_HUB_KEYS_MAX +
		PLAIN_SECTIONS_MAX]; /* ids of those that are hubs of ours */
	unsigned n_hubs;
	struct sessions *sessions;
	struct plain *plain; /* sections of interop mode; none: n = 0 */
	struct handshake_identity *id;
	struct trust *trust;
	const uint8_t *certificate;
	size_t certificate_len;
	struct cert self;
	bool is_hub;
	bool strict;     /* no new sessions once the bundle has expired */
	bool changed;    /* something that the hint file holds */
	uint8_t ciphers; /* allowed here */
	uint8_t lanes;   /* ours, lane 0 counted */
	uint8_t stamp[HANDSHAKE_TIMESTAMP_LEN];
	struct cookie_jar cookies;
	struct timer_heap *timers;
	const struct env *env;
	struct peer_ops ops;
	struct admission admission;   /* limits on what strangers make us do */
	uint64_t dropped[DROP_COUNT]; /* by the control loop, by reason */
	struct punch punches[PUNCH_MAX];
	struct assembly assembly;
	struct ip_addr own[32]; /* interface addresses, underlay */
	unsigned n_own;
	uint16_t port;
};

int peers_init(struct peers *t, uint32_t max, struct sessions *sessions, struct plain *plain,
	struct handshake_identity *id, struct trust *trust, const uint8_t *certificate,
	size_t certificate_len, const struct cert *self, struct timer_heap *timers,
	const struct env *env, const struct peer_ops *ops, uint64_t now);
void peers_fini(struct peers *t);

struct peer *peer_find(const struct peers *t, const uint8_t key[KEY_LEN]);
/* By node name or overlay address; NULL. */
struct peer *peer_find_text(const struct peers *t, const char *who);
struct peer *peer_at(const struct peers *t, uint32_t id);
/* Finds it, or makes one. NULL: the table is full, or it is our own key. */
struct peer *peer_obtain(struct peers *t, const uint8_t key[KEY_LEN], uint64_t now);
/* Ends its sessions, tells (ops.down), forgets it unless it is a hub of ours. */
void peer_drop(struct peers *t, struct peer *p, const char *why, uint64_t now);
/* The same for one that is a hub of ours no more: its slot is free then. */
void peer_forget(struct peers *t, struct peer *p, const char *why, uint64_t now);
/* Says CLOSE first. */
void peer_close(struct peers *t, struct peer *p, uint8_t reason, const char *why, uint64_t now);
static inline bool peer_has_session(const struct peer *p)
{
	return p->current != SESSION_NONE;
}

/* For logs: its name, or the start of its key. buf: 64 bytes. */
const char *peer_name(const struct peer *p, char *buf);

/*
 * Sends payload (at most PKT_ROOM bytes) sealed on the current session to the proven endpoint, or framed to a
 * plaintext member. ERR_NOT_FOUND: no session; ERR_EXPIRED: its key may not be used any more.
 */
int peer_send(struct peers *t, struct peer *p, uint16_t protocol, const void *payload, size_t len,
	uint64_t now);
/* The same to another endpoint: path validation. Sealed only. */
int peer_send_to(struct peers *t, struct peer *p, const struct endpoint *to,
	const struct ip_addr *from, uint16_t protocol, const void *payload, size_t len,
	uint64_t now);

/*
 * A session is good: ours on its RESPONSE, the peer's on the first packet that opened. proven: what went
 * to `from` before was answered, so it may become the path; otherwise it is challenged first, at the
 * expense of the len bytes that came from there.
 */
void peer_install(struct peers *t, struct peer *p, struct session *s, const struct endpoint *from,
	const struct ip_addr *local, bool proven, size_t len, uint64_t now);
/* Where `current` was kept although another session came: send as the peer does, should it not agree. */
void peer_follow(struct peers *t, struct peer *p);
void peer_set_path(
	struct peers *t, struct peer *p, enum path_state state, const char *reason, uint64_t now);
/* Moves a proven path to another endpoint. */
void peer_set_endpoint(
	struct peers *t, struct peer *p, const struct endpoint *to, const struct ip_addr *from);
/* Have its timer looked at soon (now) because something changed. */
void peer_wake(struct peers *t, struct peer *p, uint64_t now);

/* ---- connect.c ------------------------------------------------------------------------------ */

/* Starts a handshake with this endpoint, unless one is in progress. flags: HANDSHAKE_*. */
void connect_start(struct peers *t, struct peer *p, const struct endpoint *to,
	const struct ip_addr *from, uint16_t flags, uint64_t now);
void connect_resend(struct peers *t, struct peer *p, uint64_t now);
void connect_abandon(struct peers *t, struct peer *p);
/* A datagram of GRE type 0x88B6. Scratch: it is opened in place. */
void connect_receive(struct peers *t, uint8_t *data, size_t len, const struct endpoint *from,
	const struct ip_addr *local, uint64_t now);
/* Sealed data for an index that is not ours, len bytes of UDP payload. */
void connect_unknown(struct peers *t, uint32_t index, size_t len, const struct endpoint *from,
	const struct ip_addr *local, uint64_t now);

/* ---- liveness.c ----------------------------------------------------------------------------- */

void liveness_fire(void *owner, struct timer *timer, uint64_t now);
/* Something says that the path is dead: it must answer at once, or is suspended. */
void liveness_doubt(struct peers *t, struct peer *p, uint64_t now);
/* Something of the peer's opened. */
void liveness_heard(struct peers *t, struct peer *p, uint64_t now);
void liveness_ping(struct peers *t, struct peer *p, uint64_t now);
void liveness_pong(struct peers *t, struct peer *p, const uint8_t echo[8], uint64_t now);

/* ---- frames.c ------------------------------------------------------------------------------- */

void frames_receive(struct peers *t, struct peer *p, const uint8_t *payload, size_t len,
	const struct endpoint *from, const struct ip_addr *local, uint64_t now);
/*
 * Seals and sends a frame to a place that has not shown itself: no more than it has paid for, `credit`
 * bytes, of which this is taken. NULL: a proven place.
 */
void frames_send(struct peers *t, struct peer *p, const struct endpoint *to,
	const struct ip_addr *from, uint64_t *credit, const struct control_frame *frame,
	uint64_t now);
void frames_send_bundle(struct peers *t, struct peer *p, uint64_t now);
/*
 * To be sent at that time. How long the next peer is to wait after it, so that thousands of them do not
 * ask for more datagrams at once than a queue holds.
 */
uint64_t frames_queue_bundle(struct peers *t, struct peer *p, uint64_t at);
void frames_close(struct peers *t, struct peer *p, uint8_t reason, uint64_t now);

/* ---- roam.c --------------------------------------------------------------------------------- */

/* The newest packet of its lane, of len bytes, came from elsewhere: asks that place to answer. */
void roam_challenge(struct peers *t, struct peer *p, const struct endpoint *from,
	const struct ip_addr *local, size_t len, uint64_t now);
void roam_response(struct peers *t, struct peer *p, const uint8_t token[8],
	const struct endpoint *from, const struct ip_addr *local, uint64_t now);
/*
 * Asks again, decides, or gives up; *next: when to look again. False: the peer is gone, it had no other
 * path.
 */
bool roam_tick(struct peers *t, struct peer *p, uint64_t now, uint64_t *next);
/* Another port of the address where a direct path leads, and that path is up? */
bool roam_is_beside(const struct peers *t, const struct peer *p, const struct endpoint *e);
/* Its endpoint is about to become another one. */
void roam_leave(struct peer *p, const struct endpoint *to);
/* Does it send to one of the mappings that we made by sending to its former places? */
bool roam_keeps_warm(const struct peers *t, const struct peer *p, uint64_t now);
/* Sends there, so that they stay open. */
void roam_warm(struct peers *t, struct peer *p, uint64_t now);

/* ---- resume.c ------------------------------------------------------------------------------- */

/* The machine has slept: what is too old goes, hubs are dialled at once, direct paths must answer. */
void peers_resumed(struct peers *t, uint64_t now);
/* An underlay address of ours is gone: nobody sends from it any more. */
void peers_forget_source(struct peers *t, const struct ip_addr *address);
/* Our addresses have changed: direct peers are shown where we are now. */
void peers_show_place(struct peers *t, uint64_t now);

/* ---- punch.c -------------------------------------------------------------------------------- */

struct candidate {
	uint8_t kind; /* enum nhrp_candidate_kind */
	struct endpoint endpoint;
};

/* Our own candidates: interface addresses, what hubs saw. Returns how many. */
unsigned punch_candidates(const struct peers *t, struct candidate out[PUNCH_CANDIDATES]);
/* Keeps of v what may be probed, by PROTOCOL 5; returns how many. */
unsigned punch_filter(const struct peers *t, struct candidate *v, unsigned n);
/*
 * Fires at the candidates. The same token again only adds candidates. peer_key is whom a handshake is
 * to be made with when somebody answers.
 */
void punch_start(struct peers *t, uint32_t token_id, const uint8_t key[KEY_LEN],
	const uint8_t peer_key[KEY_LEN], const struct candidate *v, unsigned n, uint64_t now);
void punch_receive(struct peers *t, const uint8_t *msg, size_t len, const struct endpoint *from,
	const struct ip_addr *local, uint64_t now);

/* ---- hubs.c --------------------------------------------------------------------------------- */

/* Makes peers of the bundle's hubs, and starts looking for them. Again after each new bundle. */
void hubs_update(struct peers *t, uint64_t now);
void hubs_resolved(
	struct peers *t, uint32_t token, const struct endpoint *v, unsigned n, uint64_t now);
/* Starts a handshake with where it is known to be, and looks its names up anew when they are old. */
void hubs_retry(struct peers *t, struct peer *p, uint64_t now);
/* In the midst of a burst of INITIATIONs: looks names up anew that are old; the burst goes where they say. */
void hubs_refresh(struct peers *t, struct peer *p, uint64_t now);
/* The hub that user data goes to, NULL if none has a session. without: bits of ranks left aside. */
struct peer *hubs_preferred(const struct peers *t, uint32_t without, uint64_t now);

#endif
