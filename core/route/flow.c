#include "core/route/flow.h"

#include "core/base/hashmap.h"

#include <string.h>

#define PROTO_DCCP    33
#define PROTO_SCTP    132
#define PROTO_UDPLITE 136

struct tuple {
	struct ip_addr src, dst;
	uint8_t proto;
	uint8_t ports[4]; /* bytes only: there is no padding to be hashed */
};

/* Source and destination port stand first in all of these. */
static bool has_ports(uint8_t proto)
{
	return proto == IP_PROTO_TCP || proto == IP_PROTO_UDP || proto == PROTO_SCTP ||
		proto == PROTO_DCCP || proto == PROTO_UDPLITE;
}

uint32_t flow_hash(const uint64_t seed[2], const uint8_t *ip, const struct ip_view *view)
{
	struct tuple tuple = {.src = view->src, .dst = view->dst};
	uint8_t proto;
	size_t at;
	if (!view->fragment && ip_transport(ip, view->total_len, &proto, &at)) {
		tuple.proto = proto;
		if (has_ports(proto) && at + sizeof tuple.ports <= view->total_len)
			memcpy(tuple.ports, ip + at, sizeof tuple.ports);
	}
	return (uint32_t)siphash(seed, &tuple, sizeof tuple);
}

uint32_t flow_hash_pair(
	const uint64_t seed[2], const struct ip_addr *src, const struct ip_addr *dst)
{
	struct tuple tuple = {.src = *src, .dst = *dst};
	return (uint32_t)siphash(seed, &tuple, sizeof tuple);
}
