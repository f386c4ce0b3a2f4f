#ifndef WARREN_PEER_LINKLOCAL_H
#define WARREN_PEER_LINKLOCAL_H

#include "core/base/addr.h"

/*
 * The link-local IPv6 address of a node on the overlay, which everybody can compute from its
 * certificate: fe80::5efe:a.b.c.d of its first IPv4 address (the form of RFC 5214 s.6.1), else fe80::
 * and the first 8 bytes of the hash of its static key. Routing protocols use it as next hop.
 */
struct ip_addr linklocal_of(
	const struct prefix *addresses, unsigned n, const uint8_t static_key[32]);

#endif
