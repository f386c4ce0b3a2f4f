#ifndef WARREN_WIRE_ICMP_H
#define WARREN_WIRE_ICMP_H

#include "core/base/addr.h"

/*
 * ICMP errors of both families about a packet that could not be forwarded (RFC 792, RFC 1812
 * s.4.3.2, RFC 1191 s.4, RFC 4443).
 */
#define ICMP4_ERROR_MAX 576  /* RFC 1812 s.4.3.2.3 */
#define ICMP6_ERROR_MAX 1280 /* RFC 4443 s.2.4(c) */

enum icmp_kind {
	ICMP_TIME_EXCEEDED,    /* 11/0; v6 3/0 */
	ICMP_TOO_BIG,          /* 3/4 with the next-hop MTU; v6 2/0 */
	ICMP_NET_UNREACHABLE,  /* 3/0; v6 1/0 no route */
	ICMP_HOST_UNREACHABLE, /* 3/1; v6 1/3 */
	ICMP_ADMIN_PROHIBITED, /* 3/13; v6 1/1 */
};

/*
 * Builds in out the IP packet that tells orig's sender what happened. orig: orig_len bytes with a
 * whole IP packet; the longest quotation that keeps within the maximum above is taken. mtu: bytes, for
 * ICMP_TOO_BIG only. source: our address, of orig's family. out may overlap orig.
 * Returns the packet's length. ERR_FORBIDDEN: an error must not be sent about this packet (an ICMP
 * error or redirect, a fragment other than the first, a source that is no single host, a multicast
 * or broadcast destination); ERR_UNSUPPORTED: source is unspecified or of the other family;
 * ERR_NO_SPACE: cap; ERR_TRUNCATED, ERR_MALFORMED, ERR_VERSION: orig, as ip_peek. The caller limits the
 * rate.
 */
int icmp_error(uint8_t *out, size_t cap, const uint8_t *orig, size_t orig_len, enum icmp_kind kind,
	uint32_t mtu, const struct ip_addr *source);

#endif
