#ifndef WARREN_WIRE_IP_H
#define WARREN_WIRE_IP_H

#include "core/base/addr.h"

/*
 * The IP headers of user packets: a strict look, the few in-place edits that a router makes, and
 * checksums. Pointers are to the first byte of an IP packet; the editing functions want one that
 * ip_peek has accepted. No function here changes a packet's length. ICMP errors are in icmp.h.
 */
#define IP_PROTO_ICMP   1
#define IP_PROTO_TCP    6
#define IP_PROTO_UDP    17
#define IP_PROTO_ICMPV6 58

#define IP4_HDR_LEN 20
#define IP6_HDR_LEN 40

/* Offsets of header fields: RFC 791 s.3.1, RFC 8200 s.3. */
#define IP4_LENGTH      2
#define IP4_ID          4
#define IP4_FRAGMENT    6
#define IP4_TTL         8
#define IP4_PROTOCOL    9
#define IP4_CHECKSUM    10
#define IP4_SOURCE      12
#define IP4_DESTINATION 16
#define IP4_DF          0x4000 /* in the word at IP4_FRAGMENT */

#define IP6_LENGTH      4
#define IP6_NEXT        6
#define IP6_HOPS        7
#define IP6_SOURCE      8
#define IP6_DESTINATION 24

#define IP_ECN_MASK    3 /* RFC 3168 s.5 */
#define IP_ECN_NOT_ECT 0
#define IP_ECN_ECT1    1
#define IP_ECN_ECT0    2
#define IP_ECN_CE      3

struct ip_view {
	uint8_t version; /* 4 or 6 */
	struct ip_addr src, dst;
	uint8_t proto;      /* IPv4 Protocol, or the fixed IPv6 header's Next Header as it stands */
	uint8_t ttl;        /* TTL or Hop Limit */
	uint8_t tos;        /* DSCP << 2 | ECN */
	uint32_t total_len; /* header and payload, <= len; more bytes may follow in the buffer */
	uint16_t hdr_len;   /* IPv4 header with its options; IPv6: 40 */
	bool fragment;      /* any fragment, the first included; IPv6: a Fragment header is there */
	bool df; /* IPv4 Don't Fragment; always true for IPv6, which routers never fragment */
};

/*
 * Reads the header of a packet of len bytes. Strict: version, header length, total length; IPv6
 * jumbograms and IPv4 header checksums are not looked at. Nothing above IP is read, except the IPv6
 * extension headers in search of a Fragment header. ERR_TRUNCATED: len is shorter than a header or
 * than the total length; ERR_MALFORMED: the lengths contradict each other; ERR_VERSION.
 */
int ip_peek(const uint8_t *ip, size_t len, struct ip_view *out);

/*
 * The protocol above IPv6 extension headers (hop-by-hop, routing, destination options, fragment, AH)
 * and the offset of its header. For IPv4 the same from the fixed header. False when the chain ends
 * outside len or when this is a fragment other than the first; *offset is then not set.
 */
bool ip_transport(const uint8_t *ip, size_t len, uint8_t *proto, size_t *offset);

/* Subtracts one hop and corrects the IPv4 checksum (RFC 1141). False, and no change, at 1 and 0. */
bool ip_ttl_decrement(uint8_t *ip);

static inline uint8_t ip_tos(const uint8_t *ip)
{
	return ip[0] >> 4 == 6 ? (uint8_t)(ip[0] << 4 | ip[1] >> 4) : ip[1];
}

/* Sets DSCP and ECN, and corrects the IPv4 checksum (RFC 1624). */
void ip_set_tos(uint8_t *ip, uint8_t tos);

/* The outer TOS for an inner one: RFC 6040 s.4.1 normal mode, DSCP copied too (RFC 2983 uniform). */
static inline uint8_t ecn_encap(uint8_t inner_tos)
{
	return inner_tos;
}

/*
 * RFC 6040 s.4.2, figure 4: combines the outer ECN field with the inner packet's and writes the result
 * into the inner header. The inner DSCP stays. ERR_MALFORMED, and no change: outer CE on an inner
 * not-ECT packet, to be dropped (DROP_ECN_ILLEGAL).
 */
int ecn_decap(uint8_t outer_tos, uint8_t *ip);

/* --- RFC 1071 checksums. Sums are of big-endian words, host order, not complemented. */

/* Adds len bytes to a sum; only the last piece of a sum may have an odd length. */
uint32_t ip_sum(uint32_t sum, const void *data, size_t len);
/* Adds the pseudo header (RFC 9293 s.3.1, RFC 8200 s.8.1); l4_len: transport header and payload. */
uint32_t ip_sum_pseudo(uint32_t sum, const struct ip_addr *src, const struct ip_addr *dst,
	uint8_t proto, uint32_t l4_len);
/* Folds and complements: the value of a checksum field. */
uint16_t ip_sum_finish(uint32_t sum);
/* The checksum of len bytes; 0 when they hold their own, correct checksum. */
uint16_t ip_checksum(const void *data, size_t len);
/*
 * The checksum of a transport header with its payload. With the field filled in: 0 when correct. UDP
 * senders turn a computed 0 into 0xFFFF themselves.
 */
uint16_t ip_checksum_transport(const struct ip_addr *src, const struct ip_addr *dst, uint8_t proto,
	const void *l4, size_t l4_len);
/* A checksum field after one of its 16-bit words went from old to now (RFC 1624 eqn. 3). */
uint16_t ip_checksum_adjust(uint16_t checksum, uint16_t old, uint16_t now);

/*
 * Lowers the MSS option of a TCP SYN to what fits in mtu (mtu - 40, IPv6 mtu - 60), with the TCP
 * checksum corrected; never raises it, never invents one. Anything that is not an unfragmented SYN
 * with a well-formed MSS option passes unchanged. True when the packet was changed. The TCP checksum
 * must be complete: see split_finish_checksum for one that is not.
 */
bool ip_mss_clamp(uint8_t *ip, size_t len, uint16_t mtu);

#endif
