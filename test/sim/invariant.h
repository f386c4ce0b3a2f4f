#ifndef WARREN_SIM_INVARIANT_H
#define WARREN_SIM_INVARIANT_H

#include "core/base/pkt.h"
#include "core/peer/session.h"
#include "test/sim/net.h"

/*
 * What must be true of every node after every step of every run, whatever happens to it. The watcher
 * knows everything: it looks into the engine's tables and compares them with what the CA really
 * granted to whom.
 *
 *   sealing    only under a confirmed session; user data only under one of the peer it goes to
 *   opening    no sealed datagram is accepted twice; its inner source is in the sender's certificate
 *   strangers  an endpoint that has not shown itself gets at most 3 bytes for each one that came
 *              from there, 5 probes a token and its life, no INITIATION but after a probe with a good MAC; no
 *              single datagram of a stranger is answered with more bytes than it has
 *   plaintext  only to and from an address that a section of interop mode lists, with its key, and never
 *              where a session is
 *   tables     counters agree with what they count, each session has one owner, lanes are conserved,
 *              the action queue and the rings lose nothing
 *   authority  bindings, shortcuts, next hops and kernel routes lead to who was granted them
 */
struct node;

/* What came from an endpoint and went to it before it showed itself. */
struct invariant_end {
	struct endpoint at; /* family 0: free */
	bool proven;        /* was the endpoint of a peer with keys */
	bool listed;        /* the bundle says that a hub is there */
	uint64_t in, out;
	uint32_t probes, initiations; /* probes that came with a good MAC; INITIATIONs that went */
};

struct invariant_set { /* of numbers but 0, open addressing */
	uint64_t *v;
	uint32_t n, cap;
};

struct invariants {
	struct invariant_end *ends;
	uint32_t n_ends, cap_ends;
	struct invariant_set accepted;          /* hashes of index, lane, sequence */
	struct invariant_set probes;            /* hashes of token, endpoint, number of the probe */
	uint8_t *owners;                        /* scratch: of each session slot */
	uint64_t sessions_seen, authority_seen; /* digests of what has been looked at */
	int (*seal)(void *ctx, struct session *s, uint16_t protocol, uint8_t *payload, size_t len);
	struct { /* the datagram that is being dealt with */
		bool active, sealed, opened, probe_ok, unlisted;
		uint8_t type; /* of a handshake message */
		struct endpoint from;
		size_t len, answered; /* bytes that went back to `from` */
		uint64_t number;      /* sealed: what `accepted` will hold; 0 = no session */
		struct cert cert;     /* sealed: of the session's peer */
	} arrival;
};

void invariant_fini(struct node *n);
/* A new engine, not yet started. */
void invariant_start(struct node *n);
/* Around a datagram: before the engine sees it, when its verdict is known, when all is settled. */
void invariant_arrival(
	struct node *n, const struct endpoint *from, const uint8_t *data, size_t len);
void invariant_verdict(struct node *n, const struct pkt *p);
void invariant_arrived(struct node *n);
/* The node sends; user: it is a verdict of the data path. */
void invariant_departure(
	struct node *n, const struct endpoint *to, const uint8_t *data, size_t len, bool user);
/* The node sends something that is neither sealed nor a handshake message. */
void invariant_plaintext(
	struct node *n, const struct endpoint *to, const uint8_t *data, size_t len);
/* After each step. */
void invariant_step(struct node *n);
/* Everybody else is gone for good: nothing of them is left. */
void invariant_alone(struct node *n);

#endif
