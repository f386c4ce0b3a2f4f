#ifndef WARREN_BASE_ADDR_H
#define WARREN_BASE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Addresses of both families through one type: the width is data. `family` is 4 or 6, 0 = none.
 * Bytes are in network order; an IPv4 address fills the first 4, the other 12 are zero, so that
 * memcmp of the whole struct compares addresses.
 */
struct ip_addr {
	uint8_t family;
	uint8_t bytes[16];
};

struct prefix {
	struct ip_addr addr; /* host bits are zero, unless the prefix is an interface address */
	uint8_t len;         /* in bits */
};

/* An underlay address and UDP port (host order). */
struct endpoint {
	struct ip_addr addr;
	uint16_t port;
};

#define ADDR_TEXT_MAX     46 /* an address with its NUL */
#define PREFIX_TEXT_MAX   50
#define ENDPOINT_TEXT_MAX 56 /* "[v6]:port" with its NUL */

/* Bytes in an address of this family: 4, 16, or 0 for anything else. */
static inline size_t addr_size(uint8_t family)
{
	return family == 4 ? 4 : family == 6 ? 16 : 0;
}

static inline uint8_t addr_bits(uint8_t family)
{
	return (uint8_t)(addr_size(family) * 8);
}

static inline struct ip_addr addr_from_bytes(uint8_t family, const uint8_t *bytes)
{
	struct ip_addr a = {.family = family};
	/* Fixed lengths, which compilers turn into moves: this runs several times a packet. */
	if (family == 4)
		memcpy(a.bytes, bytes, 4);
	else if (family == 6)
		memcpy(a.bytes, bytes, 16);
	return a;
}
static inline struct ip_addr addr_v4(const uint8_t *bytes)
{
	return addr_from_bytes(4, bytes);
}
static inline bool addr_equal(const struct ip_addr *a, const struct ip_addr *b)
{
	return memcmp(a, b, sizeof *a) == 0;
}
/* <0, 0, >0: IPv4 before IPv6, then bytewise. */
int addr_compare(const struct ip_addr *a, const struct ip_addr *b);
bool addr_is_multicast(const struct ip_addr *a);
bool addr_is_loopback(const struct ip_addr *a);
bool addr_is_link_local(const struct ip_addr *a);  /* 169.254/16, fe80::/10 */
bool addr_is_unspecified(const struct ip_addr *a); /* 0.0.0.0, ::, or family 0 */
bool addr_is_broadcast(const struct ip_addr *a);   /* 255.255.255.255 */
bool addr_is_private(const struct ip_addr *a);     /* RFC 1918, RFC 6598, fc00::/7 */
/* A usable unicast destination: none of multicast, loopback, broadcast, unspecified, 0/8, 240/4. */
bool addr_is_unicast(const struct ip_addr *a);

bool prefix_contains(const struct prefix *p, const struct ip_addr *a);
/* Is inner equal to or inside outer? */
bool prefix_covers(const struct prefix *outer, const struct prefix *inner);
bool prefix_equal(const struct prefix *a, const struct prefix *b);
/* The prefix with its host bits cleared; the address as a host prefix (/32, /128). */
struct prefix prefix_masked(struct prefix p);
struct prefix prefix_host(const struct ip_addr *a);
static inline bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && addr_equal(&a->addr, &b->addr);
}

/* Text. The formatters return buf, which must have the _TEXT_MAX above. */
const char *addr_format(const struct ip_addr *a, char *buf);
const char *prefix_format(const struct prefix *p, char *buf);
const char *endpoint_format(const struct endpoint *e, char *buf);
/* "10.0.0.1", "2001:db8::1" */
bool addr_parse(const char *text, struct ip_addr *out);
/* "10.0.0.0/8"; without "/len" a host prefix. Host bits are kept; mask with prefix_masked. */
bool prefix_parse(const char *text, struct prefix *out);
/* "192.0.2.1:4754", "[2001:db8::1]:4754"; without a port default_port is taken. */
bool endpoint_parse(const char *text, uint16_t default_port, struct endpoint *out);

#endif
