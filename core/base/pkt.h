#ifndef WARREN_BASE_PKT_H
#define WARREN_BASE_PKT_H

#include "core/base/addr.h"

/*
 * One packet, or one train of equal packets, on its way through the data path: bytes with headroom
 * and tailroom plus offload metadata. The memory is the batch's as the packet arrives, and the worker's
 * when the data path has sealed it (data.h), which moves `data` and `len` and leaves a verdict.
 *
 *                       data                      data + len
 *    |--- headroom ------|======== bytes ==========|------ tailroom -----|
 */
#define PKT_HEADROOM 64    /* writable bytes before a packet that was read from the TUN */
#define PKT_TAILROOM 64    /* writable bytes behind it */
#define PKT_BATCH    512   /* most packets in a batch */
#define PKT_TRAIN    65535 /* most bytes in a train */

/* A batch without trains is cut into slots. */
#define PKT_SLOT 2048
#define PKT_ROOM (PKT_SLOT - PKT_HEADROOM - PKT_TAILROOM) /* longest packet outside a train */

/* Why a packet was dropped: the error, the counter and the status key. One row each. */
#define DROP_REASONS(X)                                                                            \
	X(NONE, "none")                                                                            \
	X(MALFORMED, "malformed")             /* not an IP packet, or a header that lies */        \
	X(BAD_OUTER, "bad_outer")             /* not a GRE header of ours */                       \
	X(UNKNOWN_INDEX, "unknown_index")     /* sealed data for no session of ours */             \
	X(BAD_LANE, "bad_lane")               /* a lane that the sender did not announce */        \
	X(BAD_TAG, "bad_tag")                 /* does not open */                                  \
	X(REPLAY, "replay")                   /* seen before, or older than the window */          \
	X(KEY_EXPIRED, "key_expired")         /* session past its time or count limit */           \
	X(BAD_SOURCE, "bad_source")           /* inner source outside the sender's certificate */  \
	X(BAD_INNER, "bad_inner")             /* opened, but no packet that we know */             \
	X(NO_ROUTE, "no_route")               /* no route, or a reject route */                    \
	X(NO_SESSION, "no_session")           /* next hop without a session, and no hub */         \
	X(NOT_OVERLAY, "not_overlay")         /* its route does not lead through the overlay */    \
	X(TTL_EXCEEDED, "ttl_exceeded")       /* hairpin: answered by ICMP where allowed */        \
	X(TOO_BIG, "too_big")                 /* longer than the path: answered by ICMP */         \
	X(HAIRPIN_REFUSED, "hairpin_refused") /* a spoke does not relay; or back to its sender */  \
	X(MULTICAST_FILTERED, "multicast_filtered")                                                \
	X(MULTICAST_LIMITED, "multicast_limited") /* more than this source may have carried */     \
	X(OWN_PACKET, "own_packet")               /* our own UDP, routed back into the tunnel */   \
	X(RATE_LIMITED, "rate_limited")                                                            \
	X(RING_FULL, "ring_full")       /* the control loop is behind */                           \
	X(RECEIVE_FULL, "receive_full") /* the system had no room in the socket's buffer */        \
	X(ECN_ILLEGAL, "ecn_illegal")   /* outer CE on an inner not-ECT packet (RFC 6040) */       \
	X(SEND_FAILED, "send_failed")   /* the socket or the TUN refused it */                     \
	X(BAD_MAC, "bad_mac")           /* handshake: not by one who knows our key */              \
	X(COOKIE_ASKED, "cookie_asked") /* handshake: it is to show its address first */           \
	X(HANDSHAKE_REFUSED,                                                                       \
		"handshake_refused")            /* certificate, psk, age, or no handshake open */  \
	X(TABLE_FULL, "table_full")             /* no room for one more peer or session */         \
	X(PLAIN_KEY, "plaintext_key")           /* interop: another GRE key than its section's */  \
	X(PLAIN_STRANGER, "plaintext_stranger") /* interop: listed, but no member (yet) */         \
	X(PLAIN_AUTH, "plaintext_auth") /* interop: another authentication word, or none */        \
	X(PLAIN_REFUSED,                                                                           \
		"plaintext_refused") /* interop: between sealed and plain, or not allowed */

enum drop_reason {
#define DROP_ENUM(id, name) DROP_##id,
	DROP_REASONS(DROP_ENUM)
#undef DROP_ENUM
		DROP_COUNT
};

/* "bad_tag" */
const char *drop_name(enum drop_reason reason);

enum pkt_verdict {
	PKT_DROP,     /* drop says why */
	PKT_SEND_UDP, /* a datagram for `remote` */
	PKT_SEND_GRE, /* the same without UDP: IP protocol 47 */
	PKT_WRITE_TUN,
	PKT_CONSUMED, /* handed to the control loop, or answered */
	PKT_MERGED,   /* its bytes travel in the train of a packet before it */
};

enum pkt_gso {
	PKT_PLAIN,
	PKT_TCP,
	PKT_UDP,
};

/* The L4 checksum field, at l4_off + csum_off, holds the pseudo header's sum only, not complemented. */
#define PKT_CSUM_PARTIAL 0x01
/* It came without UDP, as IP protocol 47; the port of `remote` is 0. */
#define PKT_GRE 0x02

struct pkt {
	uint8_t *data;     /* first byte: IP header (TUN) or UDP payload (socket) */
	uint32_t len;      /* bytes at data: of all segments together, unless `next` says more */
	uint16_t gso_size; /* L4 payload (TUN) or UDP payload (socket) of a segment; 0 = single */
	uint16_t l4_off;   /* with PKT_CSUM_PARTIAL: where the L4 header begins */
	uint16_t csum_off; /* likewise: where in that header the checksum is */
	uint16_t hdr_len;  /* of a train for the TUN: IP and L4 headers together; as read, 0 */
	uint8_t gso_type;  /* enum pkt_gso */
	uint8_t flags;     /* PKT_CSUM_PARTIAL, PKT_GRE */
	uint8_t tos;       /* socket side: DSCP and ECN of the outer header, in and out */
	uint8_t ttl;       /* socket side, out: outer TTL, 0 = the system's default */
	uint8_t verdict;   /* enum pkt_verdict */
	uint8_t drop;      /* enum drop_reason, when the verdict is PKT_DROP */
	/*
	 * A train for the TUN may lie in pieces: this packet's bytes, then those of v[next], and so on;
	 * 0 = the last piece. `len` is then each piece's own, and the headers' lengths are the train's.
	 * The pieces behind the first hold L4 payload only and are PKT_MERGED.
	 */
	uint16_t next;
	struct endpoint remote; /* socket side: source in, destination out */
	struct ip_addr
		local; /* socket side: our own address it came to; out: sticky source, or none */
};

/* n packets, somewhere in one run of memory; room for cap. */
struct pkt_batch {
	uint16_t n, cap;
	struct pkt *v;
	uint8_t *bytes;
	size_t size; /* of bytes; pages of it come into being when first used */
};

/* A batch that is cut into slots. ERR_NO_SPACE. */
int pkt_batch_init(struct pkt_batch *b, uint16_t cap);
/* A batch of size bytes, for a platform to lay trains out in. ERR_NO_SPACE. */
int pkt_batch_init_sized(struct pkt_batch *b, uint16_t cap, size_t size);
void pkt_batch_fini(struct pkt_batch *b);
/* Packet i made empty, with its data at this offset. */
struct pkt *pkt_place(struct pkt_batch *b, uint16_t i, size_t offset);
/* Packet i made empty, in slot i behind the headroom: it may become PKT_ROOM bytes long. */
struct pkt *pkt_reset(struct pkt_batch *b, uint16_t i);

static inline enum pkt_verdict pkt_drop(struct pkt *p, enum drop_reason why)
{
	p->verdict = PKT_DROP;
	p->drop = (uint8_t)why;
	return PKT_DROP;
}

#endif
