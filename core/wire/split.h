#ifndef WARREN_WIRE_SPLIT_H
#define WARREN_WIRE_SPLIT_H

#include "core/base/pkt.h"

/*
 * What the TUN hands over is taken apart, in place, into packets that can go out on a wire: a train
 * (TCP: TSO, UDP: USO) into one packet per gso_size bytes of payload, and a checksum that was left to
 * us (PKT_CSUM_PARTIAL) is completed. What the kernel says of a packet is checked against the packet.
 *
 * A train needs nothing but its own headers: hdr_len is not read, l4_off only with PKT_CSUM_PARTIAL.
 * For a single packet l4_off and csum_off decide, whatever the protocol: the field may be that of a
 * packet within the packet.
 */
#define SPLIT_HEADERS 512 /* most bytes of IP and L4 headers of a train */

struct split {
	uint8_t *next;        /* payload of the next packet; a single packet's first byte */
	uint32_t left;        /* bytes from there to the end */
	unsigned count, done; /* packets in all; given out */
	uint16_t size;        /* payload of a packet, the last one's may be less; 0 = single */
	uint16_t l4_off;
	uint16_t csum_off; /* single: 0 = the checksum is complete */
	uint16_t hdr_len;
	uint8_t version, proto;
	uint8_t tcp_flags;
	uint16_t id;     /* IPv4 id of the first packet */
	uint16_t urgent; /* TCP urgent pointer of the next packet */
	uint32_t seq;    /* TCP sequence number of the next packet */
	/* The headers with zeros in what differs by packet, and their sums; L4: with the pseudo header. */
	uint32_t ip_sum, l4_sum;
	uint8_t headers[SPLIT_HEADERS];
};

/*
 * ERR_MALFORMED: headers, lengths or offsets contradict each other, or the headers are longer than
 * SPLIT_HEADERS. A packet that is no train is a train of one. The packet's memory is borrowed until
 * the last split_next; p is not.
 */
int split_begin(struct split *s, const struct pkt *p);

/* Packets in all, at least one. */
static inline unsigned split_count(const struct split *s)
{
	return s->count;
}

/* Bytes of the longest packet, which is each but the last; to be asked before split_next. */
static inline uint32_t split_longest(const struct split *s)
{
	uint32_t payload = s->size && s->left > s->size ? s->size : s->left;
	return s->size ? s->hdr_len + payload : s->left;
}

/*
 * The next packet, complete: lengths, IPv4 id (counting up) and checksum, TCP sequence number and flags
 * (CWR on the first only, RFC 3168 s.6.1.2; FIN and PSH on the last only; URG up to the urgent data, with
 * a pointer of its own each), L4 checksum. NULL: that was the last.
 *
 * Its payload stays where it lay and its headers are put in front, so that they and what is written into
 * the 4 bytes before them overwrite the packet before, which the caller has used up by now.
 */
uint8_t *split_next(struct split *s, uint32_t *len);

/*
 * Completes the checksum of a single packet and clears PKT_CSUM_PARTIAL, so that it may be edited like
 * any other. Without the flag, and of a train, nothing is changed. False: the offsets lie outside.
 */
bool split_finish_checksum(struct pkt *p);

#endif
