#include "platform/linux/netmon.h"

#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

/* What RTM_GETNEXTHOP said about one object. */
struct answer {
	struct routemsg_hop hop; /* of an object that is no group */
	bool found, blackhole;
	bool cut; /* the group has more members */
	unsigned n_members;
	struct {
		uint32_t id;
		uint16_t weight;
	} members[ROUTEMSG_HOPS];
};

/* Told less one. The high byte is since 6.12, whose name for it differs; before, it was zero. */
static uint16_t weight_of(const struct nexthop_grp *member)
{
	uint32_t weight = (uint32_t)((const uint8_t *)&member->weight)[1] << 8 | member->weight;
	return weight < UINT16_MAX ? (uint16_t)(weight + 1) : UINT16_MAX;
}

static void decode_group(const struct nlattr *group, struct answer *out)
{
	struct nexthop_grp member;
	const char *at = mnl_attr_get_payload(group);
	size_t left = mnl_attr_get_payload_len(group);
	for (; left >= sizeof member && out->n_members < ROUTEMSG_HOPS; left -= sizeof member) {
		memcpy(&member, at, sizeof member);
		out->members[out->n_members].id = member.id;
		out->members[out->n_members++].weight = weight_of(&member);
		at += sizeof member;
	}
	out->cut = left >= sizeof member;
}

static void decode(void *ctx, const struct nlmsghdr *nlh)
{
	struct answer *out = ctx;
	if (nlh->nlmsg_type != RTM_NEWNEXTHOP ||
		mnl_nlmsg_get_payload_len(nlh) < sizeof(struct nhmsg))
		return;
	const struct nhmsg *header = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[NHA_MAX + 1];
	rtnl_attributes(nlh, sizeof *header, tb, NHA_MAX);
	out->found = true;
	out->blackhole = tb[NHA_BLACKHOLE] != NULL;
	out->hop.dead = header->nh_flags & RTNH_F_DEAD;
	if (tb[NHA_GROUP])
		decode_group(tb[NHA_GROUP], out);
	if (rtnl_has(tb[NHA_OIF], sizeof(uint32_t)))
		out->hop.ifindex = mnl_attr_get_u32(tb[NHA_OIF]);
	uint8_t family = header->nh_family == AF_INET6 ? 6 : 4;
	if (rtnl_has(tb[NHA_GATEWAY], addr_size(family)))
		out->hop.gateway = addr_from_bytes(family, mnl_attr_get_payload(tb[NHA_GATEWAY]));
}

static bool ask(struct rtnl *rtnl, uint32_t id, struct answer *out)
{
	struct rtnl_request request;
	*out = (struct answer){0};
	struct nlmsghdr *nlh = rtnl_begin(&request, RTM_GETNEXTHOP, 0);
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct nhmsg));
	mnl_attr_put_u32(nlh, NHA_ID, id);
	return rtnl_call(rtnl, nlh, decode, out) == 0 && out->found;
}

bool nexthop_resolve(struct rtnl *rtnl, struct routemsg *m)
{
	struct answer object, member;
	if (!ask(rtnl, m->nexthop_id, &object))
		return false;
	if (object.blackhole) {
		routemsg_reject(m);
		return true;
	}
	if (object.n_members == 0) {
		object.hop.weight = 1;
		m->hops[m->n_hops++] = object.hop;
		return object.hop.ifindex != 0;
	}
	m->cut = object.cut;
	for (unsigned i = 0; i < object.n_members; i++) {
		if (!ask(rtnl, object.members[i].id, &member) || member.hop.ifindex == 0)
			continue;
		member.hop.member = object.members[i].id;
		member.hop.weight = object.members[i].weight;
		m->hops[m->n_hops++] = member.hop;
	}
	return m->n_hops > 0;
}
