#include "core/route/multicast.h"

#include <string.h>

#define PROTO_ICMPV6               58
#define ICMPV6_ROUTER_SOLICITATION 133

int multicast_init(struct multicast_groups *g, struct epoch *epoch)
{
	g->n = 0;
	/* While one list takes the place of another, both are there. */
	return lpm_init(&g->groups, 2 * MULTICAST_GROUPS_MAX, epoch);
}

void multicast_fini(struct multicast_groups *g)
{
	lpm_fini(&g->groups);
}

static bool has(const struct prefix *v, unsigned n, const struct prefix *p)
{
	for (unsigned i = 0; i < n; i++)
		if (prefix_equal(&v[i], p))
			return true;
	return false;
}

void multicast_set(struct multicast_groups *g, const struct prefix *v, unsigned n)
{
	n = n < MULTICAST_GROUPS_MAX ? n : MULTICAST_GROUPS_MAX;
	for (unsigned i = 0; i < n; i++)
		lpm_put(&g->groups, &v[i], 0);
	for (unsigned i = 0; i < g->n; i++)
		if (!has(v, n, &g->v[i]))
			lpm_remove(&g->groups, &g->v[i]);
	if (n > 0)
		memcpy(g->v, v, n * sizeof *v);
	g->n = n;
}

/* IANA: mDNS .251, LLMNR .252 (RFC 6762, RFC 4795), SSDP; IPv6 the same in each scope. */
static bool is_chatter(const struct ip_addr *group)
{
	static const uint8_t v4[][4] = {{224, 0, 0, 251}, {224, 0, 0, 252}, {239, 255, 255, 250}};
	static const uint8_t v6[][14] = {{[13] = 0xfb}, {[11] = 1, [13] = 3}, {[13] = 0x0c}};
	for (unsigned i = 0; i < 3; i++) {
		if (group->family == 4 && memcmp(group->bytes, v4[i], 4) == 0)
			return true;
		if (group->family == 6 && group->bytes[1] < 0x10 &&
			memcmp(group->bytes + 2, v6[i], 14) == 0)
			return true;
	}
	return false;
}

static bool is_router_solicitation(const uint8_t *ip, const struct ip_view *view)
{
	uint8_t proto;
	size_t offset;
	return view->version == 6 && ip_transport(ip, view->total_len, &proto, &offset) &&
		proto == PROTO_ICMPV6 && offset < view->total_len &&
		ip[offset] == ICMPV6_ROUTER_SOLICITATION;
}

enum multicast_kind multicast_classify(
	const struct multicast_groups *g, const uint8_t *ip, const struct ip_view *view)
{
	const uint8_t *group = view->dst.bytes;
	bool v4 = view->version == 4;
	bool link = v4 ? memcmp(group, "\xe0\x00\x00", 3) == 0 : (group[1] & 0x0f) == 2;
	bool well_known = link && (v4 || group[1] == 2);
	if (!v4 && ((group[1] & 0x0f) < 2 || is_router_solicitation(ip, view)))
		return MULTICAST_FILTERED;
	uint8_t len;
	struct lpm_view groups = lpm_snapshot(&g->groups);
	bool named = lpm_match(&groups, &view->dst, &len) != LPM_NONE;
	if (is_chatter(&view->dst) ? !named || len != addr_bits(view->dst.family)
				   : !named && !well_known)
		return MULTICAST_FILTERED;
	return link ? MULTICAST_LINK : MULTICAST_BEYOND;
}
