#include "platform/linux/netmon.h"

#include "core/base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/*
 * The mirror's source. Announcements are a hint that keeps it fresh, a dump is the truth: whenever
 * something is lost or the kernel is known to change routes without a word (an interface that goes
 * down, a nexthop object that goes), everything is dumped anew, inside one call, and compared with what
 * was told before: the mirror above hears of the difference alone, and forwards by it all the time.
 */

#define LISTEN_BUFFER (4 * 1024 * 1024)
#define READ_MAX      256    /* datagrams in one netmon_read */
#define DRAIN_MAX     100000 /* datagrams thrown away before a dump: the size of a flood */
#define DUMP_TRIES    3

static bool wanted_table(const struct netmon *m, uint32_t table)
{
	for (unsigned i = 0; i < m->n_tables; i++)
		if (m->tables[i] == table)
			return true;
	return false;
}

static void take_route(struct netmon *m, const struct nlmsghdr *nlh)
{
	struct routemsg msg;
	char text[PREFIX_TEXT_MAX];
	struct routeset_route told;
	if (!routemsg_decode(nlh, &msg) || !wanted_table(m, msg.route.table))
		return;
	if (msg.n_hops == 0 && !msg.deleted && !nexthop_resolve(&m->requests, &msg))
		return; /* gone already, which is announced next */
	if (msg.cut && !m->told_cut) {
		m->told_cut = true; /* once: it is a property of the network, not an event */
		env_log(&m->env, LOG_WARN, "%s has more next hops than the %d that are followed",
			prefix_format(&msg.route.prefix, text), ROUTEMSG_HOPS);
	}
	if (m->dumping) {
		routeset_apply(&m->fresh, &msg, &told, &m->resync);
		return;
	}
	switch (routeset_apply(&m->routes, &msg, &told, &m->resync)) {
	case ROUTESET_SAME:
		break;
	case ROUTESET_SET:
		m->events.route(m->events.ctx, &told.route, &told.legs, false);
		break;
	case ROUTESET_GONE:
		m->events.route(m->events.ctx, &told.route, &told.legs, true);
		break;
	}
}

static void take_address(struct netmon *m, const struct nlmsghdr *nlh)
{
	uint32_t ifindex;
	struct prefix address;
	bool deleted;
	if (!routemsg_decode_address(nlh, &ifindex, &address, &deleted))
		return;
	m->events.address(m->events.ctx, ifindex, &address, deleted);
	if (deleted && address.addr.family == 4)
		m->resync = true; /* routes with it as their source go, before 6.6 unannounced */
}

static void tell_link(struct netmon *m, const struct nlmsghdr *nlh, const struct ifinfomsg *header)
{
	const struct nlattr *tb[IFLA_MTU + 1];
	struct kernel_link link = {
		.ifindex = (uint32_t)header->ifi_index, .up = header->ifi_flags & IFF_UP};
	rtnl_attributes(nlh, sizeof *header, tb, IFLA_MTU);
	if (nlh->nlmsg_type == RTM_DELLINK || !rtnl_has(tb[IFLA_IFNAME], 1) ||
		!rtnl_has(tb[IFLA_MTU], sizeof(uint32_t)))
		return;
	snprintf(link.name, sizeof link.name, "%.*s",
		(int)mnl_attr_get_payload_len(tb[IFLA_IFNAME]), mnl_attr_get_str(tb[IFLA_IFNAME]));
	link.mtu = mnl_attr_get_u32(tb[IFLA_MTU]);
	m->events.link(m->events.ctx, &link);
}

/* Has it come or gone? What a kernel may do with routes then (ignore_routes_with_linkdown) is not announced. */
static bool carrier_turned(struct netmon *m, const struct ifinfomsg *header)
{
	uint32_t at = (uint32_t)header->ifi_index % NETMON_LINKS;
	uint64_t bit = UINT64_C(1) << at % 64, *word = &m->carrier[at / 64];
	bool now = header->ifi_flags & IFF_RUNNING;
	if (now == ((*word & bit) != 0))
		return false;
	*word ^= bit;
	return !m->dumping && routeset_uses_link(&m->routes, (uint32_t)header->ifi_index);
}

static void take_link(struct netmon *m, const struct nlmsghdr *nlh)
{
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(struct ifinfomsg))
		return;
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(nlh);
	if (header->ifi_family != AF_UNSPEC) /* a bridge's port */
		return;
	tell_link(m, nlh, header);
	/* All ones is not a change but a new interface. */
	bool turned = (header->ifi_change & IFF_UP) && header->ifi_change != UINT32_MAX;
	if (carrier_turned(m, header))
		m->resync = true;
	if (nlh->nlmsg_type == RTM_DELLINK || (turned && !(header->ifi_flags & IFF_UP)))
		m->resync = true; /* its routes go, IPv4's unannounced */
	else if (turned && m->routes.dead_hops)
		m->resync = true; /* and the legs of multipath routes come back */
}

static void take_nexthop(struct netmon *m, const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[NHA_ID + 1];
	rtnl_attributes(nlh, sizeof(struct nhmsg), tb, NHA_ID);
	/* Routes through it have changed, or gone, and not all are announced. */
	if (rtnl_has(tb[NHA_ID], sizeof(uint32_t)) &&
		routeset_uses_nexthop(&m->routes, mnl_attr_get_u32(tb[NHA_ID])))
		m->resync = true;
}

void netmon_take(void *ctx, const struct nlmsghdr *nlh)
{
	struct netmon *m = ctx;
	switch (nlh->nlmsg_type) {
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		take_route(m, nlh);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		take_address(m, nlh);
		break;
	case RTM_NEWLINK:
	case RTM_DELLINK:
		take_link(m, nlh);
		break;
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
		take_nexthop(m, nlh);
		break;
	default:
		break;
	}
}

/* Throws away what was announced before the dump: with a gap in it, it would mislead. */
static void drain(struct netmon *m)
{
	char byte;
	int fd = mnl_socket_get_fd(m->listen.nl);
	for (unsigned i = 0; i < DRAIN_MAX; i++)
		if (recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno != ENOBUFS && errno != EINTR)
			return;
}

/*
 * The kernel announces an interface's or address's end first and removes the routes then, and a
 * dump takes no lock. But this request does, the one under which all that happens.
 */
static void settle(struct netmon *m)
{
	struct rtnl_request request;
	struct nlmsghdr *nlh = rtnl_begin(&request, RTM_GETLINK, 0);
	struct ifinfomsg *header = mnl_nlmsg_put_extra_header(nlh, sizeof *header);
	header->ifi_index = 1; /* the loopback interface; its answer does not matter */
	rtnl_call(&m->requests, nlh, NULL, NULL);
}

/* All families at once: asked for IPv6 alone, a kernel without it answers with IPv4's again. */
static int dump(struct netmon *m, uint16_t type, size_t header)
{
	struct rtnl_request request;
	struct nlmsghdr *nlh = rtnl_begin(&request, type, NLM_F_DUMP);
	mnl_nlmsg_put_extra_header(nlh, header);
	return rtnl_call(&m->dumps, nlh, netmon_take, m);
}

/* Everything into m->fresh. 0 or -errno. */
static int dump_fresh(struct netmon *m)
{
	int result = -EINTR;
	m->dumping = true;
	for (unsigned i = 0; i < DUMP_TRIES && result == -EINTR; i++) {
		routeset_clear(&m->fresh);
		m->resync = false;
		m->events.reset(m->events.ctx);
		result = dump(m, RTM_GETLINK, sizeof(struct ifinfomsg));
		if (result == 0)
			result = dump(m, RTM_GETADDR, sizeof(struct ifaddrmsg));
		if (result == 0)
			result = dump(m, RTM_GETROUTE, sizeof(struct rtmsg));
	}
	m->dumping = false;
	return result;
}

/* Told while both are at hand: the callee may ask for other things, but not of us. */
static void adopt_fresh(struct netmon *m)
{
	struct routeset old = m->routes;
	m->routes = m->fresh;
	m->fresh = old;
	routeset_compare(&m->fresh, &m->routes, m->events.route, m->events.ctx);
	routeset_clear(&m->fresh);
}

static int dump_all(struct netmon *m)
{
	drain(m);
	settle(m);
	int result = dump_fresh(m);
	/* Torn each time: what it missed has been announced since, and is still to be read. */
	if ((result < 0 && result != -EINTR) || m->resync) {
		env_log(&m->env, LOG_ERROR, "cannot read the kernel's routes: %s%s",
			m->resync ? "out of memory" : strerror(-result), m->dumps.words);
		m->resync = false; /* not in a loop */
		return ERR_SYSTEM;
	}
	adopt_fresh(m);
	m->events.synced(m->events.ctx);
	return 0;
}

static int subscribe(struct netmon *m)
{
	static const unsigned groups[] = {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
		RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_NEXTHOP};
	int error = rtnl_open(&m->listen);
	if (error < 0)
		return error;
	int fd = mnl_socket_get_fd(m->listen.nl), size = LISTEN_BUFFER;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	for (unsigned i = 0; i < sizeof groups / sizeof *groups; i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			    sizeof *groups) < 0 &&
			groups[i] != RTNLGRP_NEXTHOP) /* since 5.3 */
			return -errno;
	return 0;
}

static int set_tables(struct netmon *m, const uint32_t *tables, unsigned n)
{
	m->tables[m->n_tables++] = RT_TABLE_LOCAL;
	m->tables[m->n_tables++] = RT_TABLE_MAIN;
	for (unsigned i = 0; i < n; i++) {
		if (wanted_table(m, tables[i]))
			continue;
		if (m->n_tables == NETMON_TABLES) {
			env_log(&m->env, LOG_ERROR,
				"too many routing tables: at most %d besides local and main",
				NETMON_TABLES - 2);
			return ERR_NO_SPACE;
		}
		m->tables[m->n_tables++] = tables[i];
	}
	return 0;
}

int netmon_open(struct netmon **out, const uint32_t *tables, unsigned n_tables,
	const struct netmon_events *events, const struct env *env)
{
	*out = NULL;
	struct netmon *m = calloc(1, sizeof *m);
	if (!m || routeset_init(&m->routes, env) < 0 || routeset_init(&m->fresh, env) < 0) {
		if (m)
			routeset_fini(&m->routes);
		free(m);
		return ERR_NO_SPACE;
	}
	m->env = *env;
	m->events = *events;
	int result = set_tables(m, tables, n_tables);
	if (result == 0) {
		int error = subscribe(m);
		if (error == 0)
			error = rtnl_open(&m->dumps);
		if (error == 0)
			error = rtnl_open(&m->requests);
		if (error < 0) {
			env_log(env, LOG_ERROR, "cannot listen to rtnetlink: %s", strerror(-error));
			result = ERR_SYSTEM;
		}
	}
	if (result == 0) {
		*out = m; /* the events may want it */
		result = dump_all(m);
	}
	if (result < 0) {
		*out = NULL;
		netmon_close(m);
	}
	return result;
}

void netmon_close(struct netmon *m)
{
	if (!m)
		return;
	rtnl_close(&m->listen);
	rtnl_close(&m->dumps);
	rtnl_close(&m->requests);
	routeset_fini(&m->routes);
	routeset_fini(&m->fresh);
	free(m);
}

int netmon_fd(const struct netmon *m)
{
	return mnl_socket_get_fd(m->listen.nl);
}

/* One datagram. False = no more. */
static bool read_one(struct netmon *m)
{
	_Alignas(struct nlmsghdr) char buf[RTNL_ANSWER_MAX];
	ssize_t n = mnl_socket_recvfrom(m->listen.nl, buf, sizeof buf);
	if (n < 0 && errno == EINTR)
		return true;
	if (n < 0 && errno != EAGAIN)
		m->resync = true; /* ENOBUFS, or ENOSPC: one that was cut off */
	if (n <= 0)
		return false;
	int len = (int)n;
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)buf;
	for (; rtnl_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len))
		netmon_take(m, nlh);
	return true;
}

int netmon_read(struct netmon *m)
{
	for (unsigned i = 0; i < READ_MAX && !m->resync; i++)
		if (!read_one(m))
			break;
	return m->resync ? dump_all(m) : 0;
}

void netmon_tell_routes(struct netmon *m)
{
	routeset_each(&m->routes, m->events.route, m->events.ctx);
}

int netmon_resync(struct netmon *m)
{
	return dump_all(m);
}
