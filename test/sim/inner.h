#ifndef WARREN_SIM_INNER_H
#define WARREN_SIM_INNER_H

#include "core/base/addr.h"

/*
 * The packets that users send: ICMP echoes and UDP of both families, carrying which flow they belong
 * to and their number in it. Everything is built with correct checksums and checked when it comes out
 * at the other end, byte for byte.
 */
#define INNER_MAX   1400
#define INNER_MAGIC "warren-s" /* must never be seen on the underlay */

#define INNER_LOOSE UINT32_MAX /* a flow of no account: nobody asks what became of it */

enum inner_kind {
	INNER_ECHO,
	INNER_ECHO_REPLY,
	INNER_UDP,
	INNER_ERROR, /* an ICMP error; flow and seq are 0 */
};

struct inner {
	enum inner_kind kind;
	struct ip_addr src, dst;
	uint8_t ttl;
	uint16_t size; /* of the whole packet; 0 = the smallest */
	uint32_t flow, seq;
	uint8_t icmp_type, icmp_code; /* INNER_ERROR */
};

/* The packet's length. out needs INNER_MAX bytes; kinds other than INNER_ERROR. */
size_t inner_build(uint8_t *out, const struct inner *in);
/* NULL, or what is wrong with the packet. */
const char *inner_parse(const uint8_t *ip, size_t len, struct inner *out);

#endif
