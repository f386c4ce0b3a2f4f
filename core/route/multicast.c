#include "core/route/multicast.h"

#include <string.h>

#define PROTO_ICMPV6               58
#define ICMPV6_ROUTER_SOLICITATION 133

bool multicast_permitted(const uint8_t *ip, const struct ip_view *view)
{
	const uint8_t *group = view->dst.bytes;
	if (view->version == 4)
		return memcmp(group, "\xe0\x00\x00", 3) == 0 && group[3] != 251 && group[3] != 252;
	if (group[0] != 0xff || group[1] != 0x02)
		return false;
	static const uint8_t llmnr[14] = {
		[11] = 1, [13] = 3}; /* ff02::1:3 behind its first 2 bytes */
	static const uint8_t zeros[13];
	if (memcmp(group + 2, zeros, 13) == 0 && (group[15] == 0xfb || group[15] == 0x0c))
		return false;
	if (memcmp(group + 2, llmnr, sizeof llmnr) == 0)
		return false;
	uint8_t proto;
	size_t offset;
	return !(ip_transport(ip, view->total_len, &proto, &offset) && proto == PROTO_ICMPV6 &&
		offset < view->total_len && ip[offset] == ICMPV6_ROUTER_SOLICITATION);
}
