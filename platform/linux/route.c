#include "core/base/err.h"
#include "platform/linux/netmon.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

static int af_of(const struct ip_addr *addr)
{
	return addr->family == 6 ? AF_INET6 : AF_INET;
}

static void put_gateway(struct nlmsghdr *nlh, const struct prefix *prefix, const struct ip_addr *gw)
{
	size_t size = addr_size(gw->family);
	if (gw->family == prefix->addr.family) {
		mnl_attr_put(nlh, RTA_GATEWAY, size, gw->bytes);
		return;
	}
	struct { /* struct rtvia, whose flexible end C does not let us fill */
		uint16_t family;
		uint8_t bytes[16];
	} via = {.family = (uint16_t)af_of(gw)};
	memcpy(via.bytes, gw->bytes, size);
	mnl_attr_put(nlh, RTA_VIA, sizeof via.family + size, &via);
}

static struct nlmsghdr *build(struct rtnl_request *request, uint16_t type, uint16_t flags,
	const struct prefix *prefix, const struct ip_addr *gateway, uint32_t ifindex,
	uint32_t metric)
{
	struct nlmsghdr *nlh = rtnl_begin(request, type, flags);
	struct rtmsg *header = mnl_nlmsg_put_extra_header(nlh, sizeof *header);
	header->rtm_family = (uint8_t)af_of(&prefix->addr);
	header->rtm_dst_len = prefix->len;
	header->rtm_table = RT_TABLE_MAIN;
	header->rtm_protocol = ROUTE_PROTOCOL_WARREN;
	header->rtm_type = RTN_UNICAST;
	header->rtm_scope = gateway || prefix->addr.family == 6 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
	if (type == RTM_DELROUTE)
		header->rtm_scope = RT_SCOPE_NOWHERE; /* any */
	mnl_attr_put(nlh, RTA_DST, addr_size(prefix->addr.family), prefix->addr.bytes);
	mnl_attr_put_u32(nlh, RTA_OIF, ifindex);
	mnl_attr_put_u32(nlh, RTA_PRIORITY, metric);
	if (gateway)
		put_gateway(nlh, prefix, gateway);
	return nlh;
}

static int complain(struct netmon *m, const char *what, const struct prefix *prefix, int error)
{
	char text[PREFIX_TEXT_MAX];
	env_log(&m->env, LOG_WARN, "cannot %s route %s: %s%s", what, prefix_format(prefix, text),
		strerror(error), m->requests.words);
	return ERR_SYSTEM;
}

int route_add(struct netmon *m, const struct prefix *prefix, const struct ip_addr *gateway,
	uint32_t ifindex, uint32_t metric)
{
	struct rtnl_request request;
	if (gateway && gateway->family == 0)
		gateway = NULL;
	uint16_t flags = NLM_F_CREATE | NLM_F_REPLACE;
	struct nlmsghdr *nlh =
		build(&request, RTM_NEWROUTE, flags, prefix, gateway, ifindex, metric);
	int result = rtnl_call(&m->requests, nlh, NULL, NULL);
	if (gateway && (result == -ENETUNREACH || result == -EHOSTUNREACH || result == -EINVAL)) {
		/* No route leads to the gateway, but on this interface it needs none. */
		nlh = build(&request, RTM_NEWROUTE, flags, prefix, gateway, ifindex, metric);
		((struct rtmsg *)mnl_nlmsg_get_payload(nlh))->rtm_flags = RTNH_F_ONLINK;
		result = rtnl_call(&m->requests, nlh, NULL, NULL);
	}
	return result < 0 ? complain(m, "add", prefix, -result) : 0;
}

int route_delete(struct netmon *m, const struct prefix *prefix, const struct ip_addr *gateway,
	uint32_t ifindex, uint32_t metric)
{
	struct rtnl_request request;
	if (gateway && gateway->family == 0)
		gateway = NULL;
	struct nlmsghdr *nlh = build(&request, RTM_DELROUTE, 0, prefix, gateway, ifindex, metric);
	int result = rtnl_call(&m->requests, nlh, NULL, NULL);
	/* It went with its interface, or somebody else removed it. */
	if (result == 0 || result == -ESRCH || result == -ENODEV || result == -ENOENT)
		return 0;
	return complain(m, "delete", prefix, -result);
}
