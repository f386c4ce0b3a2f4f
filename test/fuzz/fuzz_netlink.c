/*
 * Datagrams of rtnetlink: the input is a run of its messages, taken as announcements by the mirror of the
 * kernel's routes. What the mirror tells is kept in a list of its own, and the two agree at the end.
 */
#include "platform/linux/netmon.h"
#include "test/fuzz/fuzz.h"

#include <linux/rtnetlink.h>
#include <string.h>

#define TOLD_MAX 256

struct told {
	unsigned n;
	struct kernel_route v[TOLD_MAX];
};

static bool same_key(const struct kernel_route *a, const struct kernel_route *b)
{
	return a->table == b->table && a->metric == b->metric && a->tos == b->tos &&
		prefix_equal(&a->prefix, &b->prefix);
}

/* A key is told to come, perhaps again, and to go only if it is there. */
static void on_route(
	void *ctx, const struct kernel_route *route, const struct kernel_legs *legs, bool deleted)
{
	struct told *told = ctx;
	must(deleted ? legs->n == 0 : legs->n > 0 && legs->n <= KERNEL_LEGS);
	for (unsigned i = 0; i < legs->n; i++)
		must(legs->v[i].weight > 0);
	struct prefix masked = prefix_masked(route->prefix);
	must(addr_size(route->prefix.addr.family) != 0);
	must(route->prefix.len <= addr_bits(route->prefix.addr.family));
	must(prefix_equal(&masked, &route->prefix));
	unsigned i = 0;
	while (i < told->n && !same_key(&told->v[i], route))
		i++;
	must(!deleted || i < told->n);
	if (deleted) {
		told->v[i] = told->v[--told->n];
		return;
	}
	must(i < TOLD_MAX);
	told->v[i] = *route;
	told->n += i == told->n;
}

static void on_address(void *ctx, uint32_t ifindex, const struct prefix *address, bool deleted)
{
	(void)ctx;
	(void)ifindex;
	(void)deleted;
	must(addr_size(address->addr.family) != 0);
	must(address->len <= addr_bits(address->addr.family));
}

static void on_link(void *ctx, const struct kernel_link *link)
{
	(void)ctx;
	must(memchr(link->name, '\0', sizeof link->name) != NULL);
}

static void draw(void *ctx, void *out, size_t len)
{
	(void)ctx;
	memset(out, 1, len);
}

/* Would it have to ask the kernel what a nexthop object is? */
static bool asks(const struct nlmsghdr *nlh)
{
	struct routemsg m;
	return (nlh->nlmsg_type == RTM_NEWROUTE || nlh->nlmsg_type == RTM_DELROUTE) &&
		routemsg_decode(nlh, &m) && m.n_hops == 0 && !m.deleted;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static _Alignas(struct nlmsghdr) uint8_t copy[4096];
	static struct netmon m;
	static struct told told;
	if (size > sizeof copy)
		return 0;
	if (!m.routes.entries) {
		m.env.random = draw;
		must(routeset_init(&m.routes, &m.env) == 0);
		m.events.ctx = &told;
		m.events.route = on_route;
		m.events.address = on_address;
		m.events.link = on_link;
		m.tables[m.n_tables++] = RT_TABLE_LOCAL;
		m.tables[m.n_tables++] = RT_TABLE_MAIN;
	}
	routeset_clear(&m.routes);
	m.resync = false;
	told.n = 0;
	if (size)
		memcpy(copy, data, size);
	int left = (int)size;
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)copy;
	for (; rtnl_ok(nlh, left) && told.n < TOLD_MAX; nlh = mnl_nlmsg_next(nlh, &left))
		if (!asks(nlh))
			netmon_take(&m, nlh);
	must(told.n <= m.routes.n);
	return 0;
}
