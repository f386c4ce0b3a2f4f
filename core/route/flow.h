#ifndef WARREN_ROUTE_FLOW_H
#define WARREN_ROUTE_FLOW_H

#include "core/wire/ip.h"

/*
 * What keeps the packets of one flow on one way: a keyed hash of addresses, protocol and ports; of the
 * addresses alone for fragments, all of which must go the same way, and protocols without ports have
 * none. ip is the packet that view was read from.
 */
uint32_t flow_hash(const uint64_t seed[2], const uint8_t *ip, const struct ip_view *view);
/* The same of two addresses alone. */
uint32_t flow_hash_pair(
	const uint64_t seed[2], const struct ip_addr *src, const struct ip_addr *dst);

#endif
