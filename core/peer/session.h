#ifndef WARREN_PEER_SESSION_H
#define WARREN_PEER_SESSION_H

#include "core/base/bucket.h"
#include "core/base/epoch.h"
#include "core/crypto/primitives.h"
#include "core/crypto/replay.h"
#include "core/crypto/sealed.h"
#include "core/trust/cert.h"

#include <stdatomic.h>

/*
 * What workers need of a peer, in slots of fixed number: sessions (keys, limits, replay windows) and
 * paths (which session to send on, and where to). The control loop is the one writer; it publishes a
 * session by its index and takes a slot back only after every worker has passed a batch boundary.
 *
 * A session index is random, and drawn until its bucket of the index table is empty: so looking one up
 * is one load, without probing.
 */
#define SESSION_NONE UINT32_MAX

enum session_state {
	SESSION_FREE,
	SESSION_UNCONFIRMED, /* responder's, before the first packet that opened: receive only */
	SESSION_LIVE,
	SESSION_ENDED, /* found no more; waits for the workers to move on */
};

/* Replay window of one of the peer's lanes; taken for a run of packets. */
struct lane {
	atomic_flag busy;
	struct replay_window window;
};

struct session {
	/* written before publication, constant until the slot is taken back */
	uint32_t id;
	uint32_t local_index, remote_index;
	uint32_t peer; /* peer id */
	bool initiator;
	bool plain; /* interop mode: no keys, and no index by which a sealed packet could find it */
	bool have_gre_key;
	uint32_t gre_key;
	uint8_t peer_lanes;    /* lanes that the peer announced */
	uint16_t peer_max_udp; /* largest UDP payload it accepts */
	uint64_t created_ns;
	uint8_t reset_token[MAC_LEN]; /* that the peer would prove, for remote_index */
	struct aead_key tx, rx;
	struct cert cert;          /* the peer's, as verified for this session */
	struct ip_addr link_local; /* the peer's on the overlay */
	struct lane *lanes[SEALED_LANES_MAX];

	/* written by everybody, relaxed */
	_Atomic uint8_t state;                            /* enum session_state */
	_Atomic uint32_t next_sequence[SEALED_LANES_MAX]; /* ours; each lane has one writer */
	_Atomic uint64_t tx_messages, tx_blocks, failed_opens;
	/* limits on what the peer may make us do: NHRP and control packets, multicast of two kinds, ICMP errors */
	struct shared_bucket control, multicast[2], icmp;

	/* the control loop's own */
	uint64_t ended_stamp;
	uint32_t next_free;   /* also: the next one that has ended */
	uint32_t next_remote; /* with the same bucket of remote_index */
};

/* What workers know of a peer. */
struct path {
	_Atomic uint32_t session; /* to send user data on; SESSION_NONE = not here: by the hub */
	/* a sequence lock around the endpoint: odd while it is being written */
	_Atomic uint32_t version;
	_Atomic uint64_t words[5]; /* struct endpoint and local address, packed */
	/* what happened, ns or sums; relaxed */
	_Atomic uint64_t last_rx_ns;      /* anything that opened */
	_Atomic uint64_t last_data_tx_ns; /* user data sent */
	_Atomic uint64_t last_data_rx_ns;
	_Atomic uint64_t tx_packets, tx_bytes, rx_packets, rx_bytes;
};

struct sessions {
	struct session *slots;
	uint32_t n_slots, free_head;
	uint32_t n_fresh;          /* slots from here on have never been used */
	_Atomic uint32_t *buckets; /* slot id by index & mask; SESSION_NONE = empty */
	uint32_t *by_remote;       /* likewise by remote_index, as chains: the control loop's */
	uint32_t bucket_mask;
	struct lane *lanes; /* pool */
	uint32_t *free_lanes;
	uint32_t n_lanes, n_free_lanes;
	uint32_t plain_made; /* plaintext slots so far: their number in place of an index */
	uint32_t ended_head, ended_tail; /* slots waiting to be taken back, oldest first */
	struct path *paths;              /* by peer id */
	uint32_t n_paths;
	struct epoch *epoch;
};

/* ERR_NO_SPACE. Key material lies in the slots; pages come into being when first used. */
int sessions_init(
	struct sessions *t, uint32_t max_sessions, uint32_t max_peers, struct epoch *epoch);
void sessions_fini(struct sessions *t);
/*
 * A free slot with a fresh local index and windows for peer_lanes lanes, not yet published; NULL when full.
 * An initiator learns the number of lanes from the answer only: 0 here, session_set_lanes then.
 */
struct session *session_new(struct sessions *t, uint8_t peer_lanes, const struct env *env);
/* A slot for a plaintext member: nothing can be sealed or opened with it. NULL when full. */
struct session *session_new_plain(struct sessions *t);
/* Takes windows from the pool, once. ERR_NO_SPACE; ERR_MALFORMED: not 1 .. 16. */
int session_set_lanes(struct sessions *t, struct session *s, uint8_t peer_lanes);
/* The index that the peer has chosen, once: session_by_remote finds it from now on. */
void session_set_remote(struct sessions *t, struct session *s, uint32_t remote_index);
/* The sessions with this remote index: the first one after `last`, NULL = the first of all. */
struct session *session_by_remote(
	const struct sessions *t, uint32_t remote_index, const struct session *last);
/* From now on session_find and the workers see it. */
void session_publish(struct sessions *t, struct session *s, enum session_state state);
/* Unpublishes; keys are wiped and the slot is free once the workers have moved on. */
void session_end(struct sessions *t, struct session *s);
/* Takes back what can be taken back. Cheap when nothing waits. */
void sessions_reclaim(struct sessions *t);
/* The published session with this index of ours, or NULL. For workers and control loop alike. */
struct session *session_find(const struct sessions *t, uint32_t local_index);
/* The session with this index of ours, published or not, or NULL. The control loop's. */
struct session *session_with_index(const struct sessions *t, uint32_t local_index);
static inline struct session *session_at(const struct sessions *t, uint32_t id)
{
	return id < t->n_slots ? &t->slots[id] : NULL;
}

/* Where a peer's path leads. from family 0 = let the system choose. */
void path_set_endpoint(
	struct sessions *t, uint32_t peer, const struct endpoint *to, const struct ip_addr *from);
void path_get_endpoint(
	const struct sessions *t, uint32_t peer, struct endpoint *to, struct ip_addr *from);
/* Resets everything for a new peer in this slot. */
void path_clear(struct sessions *t, uint32_t peer);

/*
 * Reserves n messages of len_total bytes of plaintext on a lane of ours: false when a limit of the key
 * forbids it. *sequence is the first one.
 */
bool session_reserve(
	struct session *s, uint8_t lane, uint32_t n, uint64_t blocks, uint32_t *sequence);
/* Grows with every new sequence number of the peer's that opened under it; 0 = none yet. */
uint64_t session_heard(const struct session *s);
/* Has the key come so far that somebody should start a handshake? */
bool session_wants_rekey(const struct session *s);

#endif
