#include "platform/linux/routemsg.h"

#include "platform/linux/rtnl.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

static uint8_t family_of(unsigned af)
{
	return af == AF_INET ? 4 : af == AF_INET6 ? 6 : 0;
}

static bool get_address(uint8_t family, const struct nlattr *attr, struct ip_addr *out)
{
	if (!rtnl_has(attr, addr_size(family)))
		return false;
	*out = addr_from_bytes(family, mnl_attr_get_payload(attr));
	return true;
}

static uint32_t get_u32(const struct nlattr *attr, uint32_t otherwise)
{
	return rtnl_has(attr, sizeof(uint32_t)) ? mnl_attr_get_u32(attr) : otherwise;
}

/* RTA_VIA: a gateway of the other family, as routes of RFC 8950 have it. */
static void get_via(const struct nlattr *attr, struct ip_addr *out)
{
	uint16_t af;
	if (!rtnl_has(attr, sizeof af))
		return;
	const uint8_t *via = mnl_attr_get_payload(attr);
	memcpy(&af, via, sizeof af);
	uint8_t family = family_of(af);
	if (family != 0 && rtnl_has(attr, sizeof af + addr_size(family)))
		*out = addr_from_bytes(family, via + sizeof af);
}

static void add_hop(struct routemsg *m, const struct nlattr **tb, uint32_t ifindex, unsigned flags,
	uint16_t weight)
{
	struct routemsg_hop *hop = &m->hops[m->n_hops++];
	hop->ifindex = ifindex;
	hop->weight = weight;
	hop->dead = flags & RTNH_F_DEAD;
	if (!get_address(m->route.prefix.addr.family, tb[RTA_GATEWAY], &hop->gateway))
		get_via(tb[RTA_VIA], &hop->gateway);
}

static void decode_multipath(struct routemsg *m, const struct nlattr *multipath)
{
	const char *at = mnl_attr_get_payload(multipath);
	size_t left = mnl_attr_get_payload_len(multipath);
	struct rtnexthop nh;
	while (left >= sizeof nh) {
		memcpy(&nh, at, sizeof nh);
		if (nh.rtnh_len < sizeof nh || nh.rtnh_len > left)
			return;
		m->cut = m->n_hops == ROUTEMSG_HOPS;
		if (m->cut)
			return;
		const struct nlattr *tb[RTA_MAX + 1];
		rtnl_collect(at + sizeof nh, nh.rtnh_len - sizeof nh, tb, RTA_MAX);
		/* The kernel tells a weight less one. */
		add_hop(m, tb, (uint32_t)nh.rtnh_ifindex, nh.rtnh_flags, nh.rtnh_hops + 1);
		size_t step = RTNH_ALIGN(nh.rtnh_len);
		if (step >= left)
			return;
		at += step;
		left -= step;
	}
}

void routemsg_reject(struct routemsg *m)
{
	m->route.kind = ROUTE_REJECT;
	m->n_hops = 1;
	m->hops[0] = (struct routemsg_hop){.weight = 1};
}

static bool decode_kind(uint8_t type, uint8_t *kind)
{
	switch (type) {
	case RTN_UNICAST:
		*kind = ROUTE_UNICAST;
		return true;
	case RTN_LOCAL:
	case RTN_BROADCAST:
	case RTN_ANYCAST:
		*kind = ROUTE_LOCAL;
		return true;
	case RTN_BLACKHOLE:
	case RTN_UNREACHABLE:
	case RTN_PROHIBIT:
	case RTN_THROW:
		*kind = ROUTE_REJECT;
		return true;
	default:
		return false;
	}
}

/* The destination; a default route has none. */
static bool decode_prefix(const struct rtmsg *header, const struct nlattr *dst, struct prefix *out)
{
	out->addr.family = family_of(header->rtm_family);
	out->len = header->rtm_dst_len;
	if (out->addr.family == 0 || out->len > addr_bits(out->addr.family))
		return false;
	if (!get_address(out->addr.family, dst, &out->addr) && out->len != 0)
		return false;
	*out = prefix_masked(*out);
	return true;
}

bool routemsg_decode(const struct nlmsghdr *nlh, struct routemsg *out)
{
	*out = (struct routemsg){0};
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(struct rtmsg))
		return false;
	const struct rtmsg *header = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[RTA_MAX + 1];
	rtnl_attributes(nlh, sizeof *header, tb, RTA_MAX);
	struct kernel_route *route = &out->route;
	if (!decode_prefix(header, tb[RTA_DST], &route->prefix) ||
		!decode_kind(header->rtm_type, &route->kind))
		return false;
	if ((header->rtm_flags & RTM_F_CLONED) || header->rtm_src_len != 0 ||
		addr_is_multicast(&route->prefix.addr) ||
		(route->kind == ROUTE_UNICAST && route->prefix.addr.family == 6 &&
			addr_is_link_local(&route->prefix.addr)))
		return false;
	route->table = get_u32(tb[RTA_TABLE], header->rtm_table);
	route->metric = get_u32(tb[RTA_PRIORITY], 0);
	route->tos = header->rtm_tos;
	route->protocol = header->rtm_protocol;
	out->nexthop_id = get_u32(tb[RTA_NH_ID], 0);
	out->deleted = nlh->nlmsg_type == RTM_DELROUTE;
	out->replaces = nlh->nlmsg_flags & NLM_F_REPLACE;
	out->append = nlh->nlmsg_flags & NLM_F_APPEND;
	out->dumped = nlh->nlmsg_flags & NLM_F_MULTI;
	if (route->kind == ROUTE_REJECT)
		routemsg_reject(out); /* IPv6 says "dev lo" here */
	else if (tb[RTA_MULTIPATH])
		decode_multipath(out, tb[RTA_MULTIPATH]);
	else if (tb[RTA_OIF])
		add_hop(out, tb, get_u32(tb[RTA_OIF], 0), header->rtm_flags, 1);
	return out->n_hops > 0 || out->nexthop_id != 0;
}

bool routemsg_decode_address(
	const struct nlmsghdr *nlh, uint32_t *ifindex, struct prefix *out, bool *deleted)
{
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(struct ifaddrmsg))
		return false;
	const struct ifaddrmsg *header = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[IFA_FLAGS + 1];
	rtnl_attributes(nlh, sizeof *header, tb, IFA_FLAGS);
	uint8_t family = family_of(header->ifa_family);
	/* With a peer's address IFA_LOCAL is ours and IFA_ADDRESS the peer's. */
	if (family == 0 || header->ifa_prefixlen > addr_bits(family) ||
		(!get_address(family, tb[IFA_LOCAL], &out->addr) &&
			!get_address(family, tb[IFA_ADDRESS], &out->addr)))
		return false;
	out->len = header->ifa_prefixlen;
	*ifindex = header->ifa_index;
	uint32_t flags = get_u32(tb[IFA_FLAGS], header->ifa_flags);
	*deleted = nlh->nlmsg_type == RTM_DELADDR || (flags & IFA_F_DADFAILED);
	return *deleted || !(flags & IFA_F_TENTATIVE) || (flags & IFA_F_OPTIMISTIC);
}
