#include "platform/platform.h"
#include "test/platform/linux_lab.h"

#include "core/base/err.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

/*
 * The lab: two veth pairs, of which a0 and b0 are "our" interfaces.
 *
 *   a0 10.1.0.1/24 fd01::1/64 ---- a1        b0 10.2.0.1/24 fd02::1/64 ---- b1
 *
 * Kernel routes are changed by ip(8); a mirror fed by netmon is compared with what is expected, or
 * with a mirror that has been dumped afresh.
 */

#define MIRROR_MAX 8192
#define TABLE      77

struct mirror {
	struct netmon *netmon;
	unsigned n, n_addresses, resets, synced;
	struct kernel_route routes[MIRROR_MAX];
	struct prefix addresses[64];
	uint32_t address_ifindex[64];
};

static struct mirror mirror, fresh;

/* ---- The mirror: as simple as can be, by the key that platform.h gives ------------------------ */

static struct kernel_route *find(struct mirror *m, const struct kernel_route *key)
{
	for (unsigned i = 0; i < m->n; i++) {
		struct kernel_route *r = &m->routes[i];
		if (r->table == key->table && r->metric == key->metric && r->tos == key->tos &&
			prefix_equal(&r->prefix, &key->prefix))
			return r;
	}
	return NULL;
}

static void on_reset(void *ctx)
{
	struct mirror *m = ctx;
	m->n = m->n_addresses = 0;
	m->resets++;
}

static void on_synced(void *ctx)
{
	((struct mirror *)ctx)->synced++;
}

static void on_route(void *ctx, const struct kernel_route *route, bool deleted)
{
	struct mirror *m = ctx;
	struct kernel_route *r = find(m, route);
	if (deleted) {
		assert_non_null(r);
		*r = m->routes[--m->n];
		return;
	}
	assert_true(m->n < MIRROR_MAX);
	if (!r)
		r = &m->routes[m->n++];
	*r = *route;
}

static void on_address(void *ctx, uint32_t ifindex, const struct prefix *address, bool deleted)
{
	struct mirror *m = ctx;
	unsigned i = 0;
	while (i < m->n_addresses && (m->address_ifindex[i] != ifindex ||
					     !prefix_equal(&m->addresses[i], address)))
		i++;
	if (deleted) {
		if (i < m->n_addresses) {
			m->addresses[i] = m->addresses[--m->n_addresses];
			m->address_ifindex[i] = m->address_ifindex[m->n_addresses];
		}
		return;
	}
	assert_true(i < 64);
	m->addresses[i] = *address;
	m->address_ifindex[i] = ifindex;
	if (i == m->n_addresses)
		m->n_addresses++;
}

static void open_mirror(struct mirror *m)
{
	static const uint32_t tables[] = {TABLE, RT_TABLE_MAIN};
	struct netmon_events events = {m, on_reset, on_route, on_address, on_synced};
	*m = (struct mirror){0};
	assert_int_equal(netmon_open(&m->netmon, tables, 2, &events, lab_env()), 0);
	assert_int_equal(m->synced, 1);
}

static void update(void)
{
	do
		netmon_read(mirror.netmon);
	while (recv(netmon_fd(mirror.netmon), NULL, 0, MSG_PEEK | MSG_DONTWAIT) >= 0);
}

static unsigned route_text(const struct kernel_route *r, char *out, size_t cap)
{
	char prefix[PREFIX_TEXT_MAX], gateway[ADDR_TEXT_MAX];
	return (unsigned)snprintf(out, cap, "%s via %s if %u table %u metric %u tos %u proto %u kind %u",
		prefix_format(&r->prefix, prefix), addr_format(&r->gateway, gateway), r->ifindex,
		r->table, r->metric, r->tos, r->protocol, r->kind);
}

/* ---- Expectations --------------------------------------------------------------------------- */

static struct ip_addr addr(const char *text)
{
	struct ip_addr a = {0};
	assert_true(!text || addr_parse(text, &a));
	return a;
}

static const struct kernel_route *look(const char *prefix, uint32_t table, uint32_t metric)
{
	struct kernel_route key = {.table = table, .metric = metric};
	assert_true(prefix_parse(prefix, &key.prefix));
	update();
	return find(&mirror, &key);
}

static void expect(const char *prefix, uint32_t table, uint32_t metric, const char *gateway,
	const char *interface, enum route_kind kind)
{
	const struct kernel_route *r = look(prefix, table, metric);
	struct ip_addr gw = addr(gateway);
	if (!r)
		fail_msg("no %s", prefix);
	if (!addr_equal(&r->gateway, &gw) || r->kind != kind ||
		r->ifindex != (interface ? if_nametoindex(interface) : 0)) {
		char text[256];
		route_text(r, text, sizeof text);
		fail_msg("not as expected: %s", text);
	}
}

static void expect_none(const char *prefix, uint32_t table, uint32_t metric)
{
	assert_null(look(prefix, table, metric));
}

static bool same(const struct kernel_route *a, const struct kernel_route *b)
{
	char x[256], y[256];
	route_text(a, x, sizeof x);
	route_text(b, y, sizeof y);
	return strcmp(x, y) == 0;
}

/* Is the mirror, kept by announcements, what a dump says now? */
static void expect_true_to_kernel(const char *after)
{
	char text[256] = "";
	update();
	open_mirror(&fresh);
	for (unsigned i = 0; i < fresh.n; i++) {
		const struct kernel_route *have = find(&mirror, &fresh.routes[i]);
		if (have && same(have, &fresh.routes[i]))
			continue;
		route_text(&fresh.routes[i], text, sizeof text);
		fprintf(stderr, "kernel: %s\n", text);
		if (have)
			route_text(have, text, sizeof text);
		fail_msg("after %s: mirror has %s", after, have ? text : "nothing");
	}
	for (unsigned i = 0; i < mirror.n; i++) {
		if (find(&fresh, &mirror.routes[i]))
			continue;
		route_text(&mirror.routes[i], text, sizeof text);
		fail_msg("after %s: mirror still has %s", after, text);
	}
	assert_int_equal(mirror.n_addresses, fresh.n_addresses);
	netmon_close(fresh.netmon);
}

/* ---- Setup ---------------------------------------------------------------------------------- */

static int setup(void **state)
{
	(void)state;
	for (const char *i = "ab"; *i; i++) {
		lab_run("ip link add %c0 type veth peer name %c1", *i, *i);
		/* No link-local addresses, which turn up whenever they have been checked. */
		lab_run("ip link set %c0 addrgenmode none && ip link set %c1 addrgenmode none", *i,
			*i);
		lab_run("ip link set %c0 up && ip link set %c1 up", *i, *i);
		lab_run("ip addr add 10.%d.0.1/24 dev %c0", *i - 'a' + 1, *i);
		lab_run("ip addr add fd0%d::1/64 dev %c0 nodad", *i - 'a' + 1, *i);
	}
	open_mirror(&mirror);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	netmon_close(mirror.netmon);
	lab_run("ip link del a0 && ip link del b0");
	lab_run("ip route flush table %d; ip -6 route flush table %d; ip nexthop flush; "
		"ip route flush proto static; ip route flush proto boot; true",
		TABLE, TABLE);
	lab_run("ip -6 route flush proto boot; ip route flush proto 141; true");
	return 0;
}

/* ---- Tests ---------------------------------------------------------------------------------- */

static void test_dump(void **state)
{
	(void)state;
	expect("10.1.0.0/24", 254, 0, NULL, "a0", ROUTE_UNICAST);
	expect("10.1.0.1/32", 255, 0, NULL, "a0", ROUTE_LOCAL);
	expect("10.1.0.255/32", 255, 0, NULL, "a0", ROUTE_LOCAL);
	expect("fd01::/64", 254, 256, NULL, "a0", ROUTE_UNICAST);
	expect("fd01::1/128", 255, 0, NULL, "a0", ROUTE_LOCAL);
	expect("127.0.0.0/8", 255, 0, NULL, "lo", ROUTE_LOCAL);
	expect_none("fe80::/64", 254, 256);
	expect_none("ff00::/8", 255, 256);
	bool found = false;
	struct ip_addr want = addr("10.1.0.1");
	for (unsigned i = 0; i < mirror.n_addresses; i++)
		found |= addr_equal(&mirror.addresses[i].addr, &want) &&
			mirror.addresses[i].len == 24 &&
			mirror.address_ifindex[i] == if_nametoindex("a0");
	assert_true(found);
	expect_true_to_kernel("dump");
}

static void test_changes(void **state)
{
	(void)state;
	lab_run("ip route add 192.0.2.0/24 via 10.1.0.9");
	expect("192.0.2.0/24", 254, 0, "10.1.0.9", "a0", ROUTE_UNICAST);
	lab_run("ip route replace 192.0.2.0/24 via 10.2.0.9");
	expect("192.0.2.0/24", 254, 0, "10.2.0.9", "b0", ROUTE_UNICAST);
	lab_run("ip route add 192.0.2.0/24 via 10.1.0.7 metric 5");
	expect("192.0.2.0/24", 254, 5, "10.1.0.7", "a0", ROUTE_UNICAST);
	lab_run("ip route del 192.0.2.0/24 metric 0");
	expect_none("192.0.2.0/24", 254, 0);
	expect("192.0.2.0/24", 254, 5, "10.1.0.7", "a0", ROUTE_UNICAST);
	lab_run("ip route add default via 10.1.0.254");
	expect("0.0.0.0/0", 254, 0, "10.1.0.254", "a0", ROUTE_UNICAST);
	lab_run("ip -6 route add default via fd01::9");
	expect("::/0", 254, 1024, "fd01::9", "a0", ROUTE_UNICAST);
	lab_run("ip -6 route add 2001:db8::/32 via fe80::1 dev b0");
	expect("2001:db8::/32", 254, 1024, "fe80::1", "b0", ROUTE_UNICAST);
	lab_run("ip -6 route replace 2001:db8::/32 via fd01::7");
	expect("2001:db8::/32", 254, 1024, "fd01::7", "a0", ROUTE_UNICAST);
	lab_run("ip -6 route del 2001:db8::/32");
	expect_none("2001:db8::/32", 254, 1024);
	/* Only the tables asked for. */
	lab_run("ip route add 192.0.2.0/24 via 10.1.0.6 table %d", TABLE);
	expect("192.0.2.0/24", TABLE, 0, "10.1.0.6", "a0", ROUTE_UNICAST);
	lab_run("ip route add 192.0.2.0/24 via 10.1.0.6 table 4000");
	expect_none("192.0.2.0/24", 4000, 0);
	lab_run("ip route flush table 4000");
	assert_int_equal(mirror.resets, 1);
	expect_true_to_kernel("changes");
}

static void test_kinds(void **state)
{
	(void)state;
	static const char *const kinds[] = {"blackhole", "unreachable", "prohibit", "throw"};
	for (unsigned i = 0; i < 4; i++) {
		lab_run("ip route add %s 198.51.%u.0/24 metric 9", kinds[i], i);
		lab_run("ip -6 route add %s 2001:db8:%u::/48 metric 9", kinds[i], i);
		char text[64];
		snprintf(text, sizeof text, "198.51.%u.0/24", i);
		expect(text, 254, 9, NULL, NULL, ROUTE_REJECT);
		snprintf(text, sizeof text, "2001:db8:%u::/48", i);
		expect(text, 254, 9, NULL, NULL, ROUTE_REJECT);
	}
	lab_run("ip -6 route del prohibit 2001:db8:2::/48 metric 9");
	expect_none("2001:db8:2::/48", 254, 9);
	lab_run("ip route add multicast 239.0.0.0/8 dev a0 table main");
	expect_none("239.0.0.0/8", 254, 0);
	lab_run("ip route add 203.0.113.0/24 via inet6 fd01::5 dev a0");
	expect("203.0.113.0/24", 254, 0, "fd01::5", "a0", ROUTE_UNICAST);
	lab_run("ip route add 203.0.113.0/24 via 10.1.0.3 tos 8");
	expect("203.0.113.0/24", 254, 0, "fd01::5", "a0", ROUTE_UNICAST);
	lab_run("ip -6 route add 2001:db8:9::/48 from 2001:db8:8::/48 via fd01::5");
	expect_none("2001:db8:9::/48", 254, 1024);
	expect_true_to_kernel("kinds");
}

/* Several routes under one key. */
static void test_same_key(void **state)
{
	(void)state;
	lab_run("ip addr add 10.1.0.2/24 dev b0"); /* the subnet of a0 on b0 too */
	expect("10.1.0.0/24", 254, 0, NULL, "a0", ROUTE_UNICAST);
	lab_run("ip addr del 10.1.0.1/24 dev a0");
	expect("10.1.0.0/24", 254, 0, NULL, "b0", ROUTE_UNICAST);
	lab_run("ip -6 route add 2001:db8::/32 via fd01::5");
	lab_run("ip -6 route append 2001:db8::/32 via fd02::5");
	expect("2001:db8::/32", 254, 1024, "fd01::5", "a0", ROUTE_UNICAST);
	lab_run("ip -6 route del 2001:db8::/32 via fd01::5");
	expect("2001:db8::/32", 254, 1024, "fd02::5", "b0", ROUTE_UNICAST);
	lab_run("ip -6 route add 2001:db8:1::/48 dev a0 metric 7");
	lab_run("ip -6 route append 2001:db8:1::/48 dev b0 metric 7");
	lab_run("ip -6 route del 2001:db8:1::/48 dev b0 metric 7");
	expect("2001:db8:1::/48", 254, 7, NULL, "a0", ROUTE_UNICAST);
	expect_true_to_kernel("same key");
}

static void test_multipath(void **state)
{
	(void)state;
	lab_run("ip route add 192.0.2.0/24 nexthop via 10.1.0.9 nexthop via 10.2.0.9");
	expect("192.0.2.0/24", 254, 0, "10.1.0.9", "a0", ROUTE_UNICAST);
	lab_run("ip -6 route add 2001:db8::/32 nexthop via fd01::9 nexthop via fd02::9");
	expect("2001:db8::/32", 254, 1024, "fd01::9", "a0", ROUTE_UNICAST);
	lab_run("ip link set a0 down");
	expect("192.0.2.0/24", 254, 0, "10.2.0.9", "b0", ROUTE_UNICAST);
	expect("2001:db8::/32", 254, 1024, "fd02::9", "b0", ROUTE_UNICAST);
	lab_run("ip link set a0 up");
	expect("192.0.2.0/24", 254, 0, "10.1.0.9", "a0", ROUTE_UNICAST);
	lab_run("ip -6 route replace 2001:db8::/32 nexthop via fd02::7 nexthop via fd02::8");
	expect("2001:db8::/32", 254, 1024, "fd02::7", "b0", ROUTE_UNICAST);
	expect_true_to_kernel("replace");
	lab_run("ip -6 route del 2001:db8::/32 via fd02::7");
	expect("2001:db8::/32", 254, 1024, "fd02::8", "b0", ROUTE_UNICAST);
	lab_run("ip route del 192.0.2.0/24");
	lab_run("ip -6 route del 2001:db8::/32");
	expect_none("192.0.2.0/24", 254, 0);
	expect_none("2001:db8::/32", 254, 1024);
	expect_true_to_kernel("multipath");
}

static void nexthops(void)
{
	lab_run("ip nexthop add id 1 via 10.1.0.9 dev a0 && ip nexthop add id 2 via 10.2.0.9 dev b0");
	lab_run("ip nexthop add id 3 blackhole && ip nexthop add id 4 group 1/2");
	lab_run("ip nexthop add id 6 via fd01::9 dev a0");
	lab_run("ip route add 192.0.2.0/24 nhid 1 && ip route add 198.51.100.0/24 nhid 4");
	lab_run("ip route add 203.0.113.0/24 nhid 3 && ip -6 route add 2001:db8::/32 nhid 6");
	expect("192.0.2.0/24", 254, 0, "10.1.0.9", "a0", ROUTE_UNICAST);
	expect("198.51.100.0/24", 254, 0, "10.1.0.9", "a0", ROUTE_UNICAST);
	expect("203.0.113.0/24", 254, 0, NULL, NULL, ROUTE_REJECT);
	expect("2001:db8::/32", 254, 1024, "fd01::9", "a0", ROUTE_UNICAST);
	expect_true_to_kernel("nexthops");
	lab_run("ip nexthop replace id 1 via 10.1.0.8 dev a0");
	expect("192.0.2.0/24", 254, 0, "10.1.0.8", "a0", ROUTE_UNICAST);
	expect("198.51.100.0/24", 254, 0, "10.1.0.8", "a0", ROUTE_UNICAST);
	lab_run("ip route del 203.0.113.0/24");
	expect_none("203.0.113.0/24", 254, 0);
	lab_run("ip nexthop del id 1");
	expect_none("192.0.2.0/24", 254, 0);
	expect("198.51.100.0/24", 254, 0, "10.2.0.9", "b0", ROUTE_UNICAST);
	lab_run("ip nexthop del id 6");
	expect_none("2001:db8::/32", 254, 1024);
	expect_true_to_kernel("nexthops gone");
	lab_run("ip nexthop flush");
	expect_true_to_kernel("nexthops flushed");
}

static void test_nexthops(void **state)
{
	(void)state;
	nexthops();
	lab_run("sysctl -w net.ipv4.nexthop_compat_mode=0");
	nexthops();
	lab_run("sysctl -w net.ipv4.nexthop_compat_mode=1");
}

static void test_links(void **state)
{
	(void)state;
	lab_run("ip route add 192.0.2.0/24 via 10.1.0.9");
	for (unsigned i = 0; i < 20; i++) {
		lab_run("ip link set a0 down");
		expect_none("192.0.2.0/24", 254, 0);
		expect_none("10.1.0.0/24", 254, 0);
		expect_true_to_kernel("down");
		lab_run("ip link set a0 up && ip route add 192.0.2.0/24 via 10.1.0.9");
		expect("192.0.2.0/24", 254, 0, "10.1.0.9", "a0", ROUTE_UNICAST);
	}
	expect_true_to_kernel("up");
	lab_run("ip link add c0 type veth peer name c1 && ip link set c0 up");
	lab_run("ip addr add 10.3.0.1/24 dev c0");
	expect("10.3.0.0/24", 254, 0, NULL, "c0", ROUTE_UNICAST);
	lab_run("ip link del c0");
	expect_none("10.3.0.0/24", 254, 0);
	expect_true_to_kernel("link gone");
	/* A route goes with the address that it is to have as its source. */
	lab_run("ip addr add 10.1.0.5/32 dev a0 && ip route add 198.51.100.0/24 dev b0 src 10.1.0.5");
	expect("198.51.100.0/24", 254, 0, NULL, "b0", ROUTE_UNICAST);
	lab_run("ip addr del 10.1.0.5/32 dev a0");
	expect_none("198.51.100.0/24", 254, 0);
	expect_true_to_kernel("address gone");
}

static void test_addresses(void **state)
{
	(void)state;
	unsigned before = mirror.n_addresses;
	lab_run("ip addr add 10.5.0.1/24 dev a0 && ip -6 addr add fd05::1/64 dev a0 nodad");
	update();
	assert_int_equal(mirror.n_addresses, before + 2);
	lab_run("ip addr add 10.6.0.1 peer 10.6.0.2/32 dev a0");
	update();
	struct ip_addr want = addr("10.6.0.1");
	assert_true(addr_equal(&mirror.addresses[before + 2].addr, &want));
	lab_run("ip addr del 10.5.0.1/24 dev a0 && ip -6 addr del fd05::1/64 dev a0");
	update();
	assert_int_equal(mirror.n_addresses, before + 1);
	lab_run("ip -6 addr add fd06::1/64 dev a0"); /* with duplicate address detection */
	for (unsigned i = 0; i < 30 && mirror.n_addresses == before + 1; i++)
		if (lab_readable(netmon_fd(mirror.netmon)))
			update();
	assert_int_equal(mirror.n_addresses, before + 2);
}

static void test_overrun(void **state)
{
	(void)state;
	int few = 2048;
	assert_int_equal(setsockopt(netmon_fd(mirror.netmon), SOL_SOCKET, SO_RCVBUFFORCE, &few,
				 sizeof few),
		0);
	lab_run("for i in $(seq 0 255); do echo route add 172.16.$i.0/24 via 10.1.0.9; "
		"echo route add 2001:db8:$i::/48 via fd01::9; done | ip -batch -");
	lab_run("for i in $(seq 1 2 255); do echo route del 172.16.$i.0/24; done | ip -batch -");
	assert_int_equal(mirror.resets, 1);
	expect("172.16.4.0/24", 254, 0, "10.1.0.9", "a0", ROUTE_UNICAST);
	expect_none("172.16.5.0/24", 254, 0);
	assert_true(mirror.resets >= 2);
	assert_int_equal(mirror.synced, mirror.resets);
	expect_true_to_kernel("overrun");
	unsigned before = mirror.resets;
	netmon_resync(mirror.netmon);
	assert_int_equal(mirror.resets, before + 1);
	expect_true_to_kernel("resync");
}

static void install(const char *prefix, const char *gateway, const char *shown)
{
	struct prefix p;
	struct ip_addr gw = addr(gateway);
	uint32_t a0 = if_nametoindex("a0");
	const char *family = strchr(prefix, ':') ? "-6" : "-4";
	assert_true(prefix_parse(prefix, &p));
	for (unsigned i = 0; i < 2; i++) /* twice is once */
		assert_int_equal(route_add(mirror.netmon, &p, gateway ? &gw : NULL, a0,
					 ROUTE_METRIC_WARREN),
			0);
	if (!lab_shows(shown, "ip %s route show proto 141 %s", family, prefix))
		fail_msg("no %s", shown);
	expect(prefix, 254, ROUTE_METRIC_WARREN, gateway, "a0", ROUTE_UNICAST);
	assert_int_equal(look(prefix, 254, ROUTE_METRIC_WARREN)->protocol, ROUTE_PROTOCOL_WARREN);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(route_delete(mirror.netmon, &p, &gw, a0, ROUTE_METRIC_WARREN), 0);
	expect_none(prefix, 254, ROUTE_METRIC_WARREN);
}

static void test_install(void **state)
{
	(void)state;
	install("192.0.2.0/24", "10.1.0.9", "192.0.2.0/24 via 10.1.0.9 dev a0 metric 4096");
	install("192.0.2.0/24", NULL, "192.0.2.0/24 dev a0 scope link metric 4096");
	install("192.0.2.1/32", "10.99.0.1", "via 10.99.0.1 dev a0 metric 4096 onlink");
	install("192.0.2.0/24", "fd01::9", "via inet6 fd01::9 dev a0 metric 4096");
	install("0.0.0.0/0", "10.1.0.9", "default via 10.1.0.9 dev a0 metric 4096");
	install("2001:db8::/32", "fd01::9", "2001:db8::/32 via fd01::9 dev a0 metric 4096");
	install("2001:db8::/32", "fe80::5efe:a01:9", "via fe80::5efe:a01:9 dev a0 metric 4096");
	install("2001:db8::/32", "fd99::1", "via fd99::1 dev a0 metric 4096 onlink");
	install("2001:db8::1/128", NULL, "2001:db8::1 dev a0 metric 4096");
	struct prefix p;
	uint32_t a0 = if_nametoindex("a0");
	struct ip_addr one = addr("10.1.0.7"), two = addr("10.1.0.8"), self = addr("10.1.0.1");
	assert_true(prefix_parse("192.0.2.0/24", &p));
	/* Another's route stays. */
	lab_run("ip route add 192.0.2.0/24 via 10.1.0.7 metric 4096 proto static");
	assert_int_equal(route_delete(mirror.netmon, &p, &one, a0, 4096), 0);
	expect("192.0.2.0/24", 254, 4096, "10.1.0.7", "a0", ROUTE_UNICAST);
	lab_run("ip route del 192.0.2.0/24 metric 4096");
	/* A changed gateway takes the place of the one before, and that one's end is no harm. */
	assert_int_equal(route_add(mirror.netmon, &p, &one, a0, 4096), 0);
	assert_int_equal(route_add(mirror.netmon, &p, &two, a0, 4096), 0);
	expect("192.0.2.0/24", 254, 4096, "10.1.0.8", "a0", ROUTE_UNICAST);
	assert_int_equal(route_delete(mirror.netmon, &p, &one, a0, 4096), 0);
	expect("192.0.2.0/24", 254, 4096, "10.1.0.8", "a0", ROUTE_UNICAST);
	assert_true(prefix_parse("2001:db8::/32", &p));
	struct ip_addr v6 = addr("fd01::7");
	assert_int_equal(route_add(mirror.netmon, &p, &v6, a0, 4096), 0);
	v6 = addr("fd01::8");
	assert_int_equal(route_add(mirror.netmon, &p, &v6, a0, 4096), 0);
	expect("2001:db8::/32", 254, 4096, "fd01::8", "a0", ROUTE_UNICAST);
	assert_false(lab_shows("fd01::7", "ip -6 route"));
	/* And back to on link, and a gateway again. */
	assert_int_equal(route_add(mirror.netmon, &p, NULL, a0, 4096), 0);
	expect_true_to_kernel("on link");
	assert_false(lab_shows("fd01::8", "ip -6 route"));
	assert_int_equal(route_add(mirror.netmon, &p, &v6, a0, 4096), 0);
	expect("2001:db8::/32", 254, 4096, "fd01::8", "a0", ROUTE_UNICAST);
	/* What the kernel refuses. */
	assert_int_equal(route_add(mirror.netmon, &p, &self, a0, 4096), ERR_SYSTEM);
	assert_non_null(strstr(lab_log, "2001:db8::/32"));
	assert_int_equal(route_add(mirror.netmon, &p, &v6, 9999, 4096), ERR_SYSTEM);
	assert_int_equal(route_delete(mirror.netmon, &p, &v6, 9999, 4096), 0);
	expect_true_to_kernel("install");
}

/*
 * A random change of a few routes that get in each other's way. Except that IPv6 legs of a multipath
 * route keep to a metric of their own, and to one protocol: the kernel's dumps leave out what stands
 * between two legs, and tell one protocol for all.
 */
static void random_command(char *out, size_t cap)
{
	static const char *const verbs[] = {"add", "append", "prepend", "replace", "del", "del"};
	static const char *const gateways[] = {"10.%d.0.%ld", "fd0%d::%ld"};
	char hop[96], gw[32], gw2[32];
	long r = random(), v6 = r & 1;
	int net = 1 + (r >> 1 & 1);
	if (random() % 16 == 0) {
		snprintf(out, cap, "ip link set %c0 %s", "ab"[net - 1], r & 4 ? "down" : "up");
		return;
	}
	snprintf(gw, sizeof gw, gateways[v6], net, 5 + (r >> 2 & 1));
	snprintf(gw2, sizeof gw2, gateways[v6], 3 - net, 5 + (r >> 3 & 1));
	const char *type = "";
	long metric = random() % 2, what = random() % 6;
	if (v6)
		what = metric ? what % 2 * 2 : what | 1;
	switch (what) {
	case 0:
		snprintf(hop, sizeof hop, "dev %c0", "ab"[net - 1]);
		break;
	case 1:
		snprintf(hop, sizeof hop, "nexthop via %s nexthop via %s", gw, gw2);
		break;
	case 2:
		hop[0] = '\0';
		type = "blackhole ";
		break;
	default:
		snprintf(hop, sizeof hop, "via %s%s", gw, v6 || random() % 4 ? "" : " proto 99");
	}
	snprintf(out, cap, "ip %s route %s %s%s %s metric %ld%s", v6 ? "-6" : "-4",
		verbs[random() % 6], type, v6 ? "2001:db8::/32" : "192.0.2.0/24", hop,
		10 + metric, random() % 5 ? "" : " table 77");
}

/* Anything in any order, and the mirror is never wrong. */
static void test_random(void **state)
{
	(void)state;
	unsigned seed, done = 0;
	char command[256];
	assert_int_equal(getrandom(&seed, sizeof seed, 0), sizeof seed);
	if (getenv("SEED"))
		seed = (unsigned)strtoul(getenv("SEED"), NULL, 10);
	srandom(seed);
	printf("SEED=%u\n", seed);
	for (unsigned i = 0; i < 300; i++) {
		random_command(command, sizeof command);
		bool ok = lab_try("%s", command) == 0;
		if (getenv("LAB_VERBOSE"))
			fprintf(stderr, "%s %s\n", command, ok ? "" : "(refused)");
		done += ok;
		if (random() % 3)
			expect_true_to_kernel(command);
		if (random() % 8 == 0)
			lab_run("ip link set a0 up && ip link set b0 up");
	}
	printf("%u of 300 changes, %u dumps\n", done, mirror.resets);
}

int main(void)
{
	int skip = lab_enter();
	if (skip)
		return skip;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_dump, setup, teardown),
		cmocka_unit_test_setup_teardown(test_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kinds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_same_key, setup, teardown),
		cmocka_unit_test_setup_teardown(test_multipath, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nexthops, setup, teardown),
		cmocka_unit_test_setup_teardown(test_links, setup, teardown),
		cmocka_unit_test_setup_teardown(test_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overrun, setup, teardown),
		cmocka_unit_test_setup_teardown(test_install, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random, setup, teardown),
	};
	return cmocka_run_group_tests_name("linux routes", tests, NULL, NULL);
}
