#include "platform/platform.h"
#include "test/platform/linux_mirror.h"

#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* Kernel routes are changed by ip(8), and the mirror follows. */

static void test_dump(void **state)
{
	(void)state;
	mirror_expect("10.1.0.0/24", 254, 0, NULL, "a0", ROUTE_UNICAST);
	mirror_expect("10.1.0.1/32", 255, 0, NULL, "a0", ROUTE_LOCAL);
	mirror_expect("10.1.0.255/32", 255, 0, NULL, "a0", ROUTE_LOCAL);
	mirror_expect("fd01::/64", 254, 256, NULL, "a0", ROUTE_UNICAST);
	mirror_expect("fd01::1/128", 255, 0, NULL, "a0", ROUTE_LOCAL);
	mirror_expect("127.0.0.0/8", 255, 0, NULL, "lo", ROUTE_LOCAL);
	assert_null(mirror_look("fe80::/64", 254, 256));
	assert_null(mirror_look("ff00::/8", 255, 256));
	bool found = false;
	struct ip_addr want = mirror_addr("10.1.0.1");
	for (unsigned i = 0; i < mirror.n_addresses; i++)
		found |= addr_equal(&mirror.addresses[i].addr, &want) &&
			mirror.addresses[i].len == 24 &&
			mirror.address_ifindex[i] == if_nametoindex("a0");
	assert_true(found);
	mirror_expect_true("dump");
}

static void test_changes(void **state)
{
	(void)state;
	lab_run("ip route add 192.0.2.0/24 via 10.1.0.9");
	mirror_expect("192.0.2.0/24", 254, 0, "10.1.0.9", "a0", ROUTE_UNICAST);
	lab_run("ip route replace 192.0.2.0/24 via 10.2.0.9");
	mirror_expect("192.0.2.0/24", 254, 0, "10.2.0.9", "b0", ROUTE_UNICAST);
	lab_run("ip route add 192.0.2.0/24 via 10.1.0.7 metric 5");
	mirror_expect("192.0.2.0/24", 254, 5, "10.1.0.7", "a0", ROUTE_UNICAST);
	lab_run("ip route del 192.0.2.0/24 metric 0");
	assert_null(mirror_look("192.0.2.0/24", 254, 0));
	mirror_expect("192.0.2.0/24", 254, 5, "10.1.0.7", "a0", ROUTE_UNICAST);
	lab_run("ip route add default via 10.1.0.254");
	mirror_expect("0.0.0.0/0", 254, 0, "10.1.0.254", "a0", ROUTE_UNICAST);
	lab_run("ip -6 route add default via fd01::9");
	mirror_expect("::/0", 254, 1024, "fd01::9", "a0", ROUTE_UNICAST);
	lab_run("ip -6 route add 2001:db8::/32 via fe80::1 dev b0");
	mirror_expect("2001:db8::/32", 254, 1024, "fe80::1", "b0", ROUTE_UNICAST);
	lab_run("ip -6 route replace 2001:db8::/32 via fd01::7");
	mirror_expect("2001:db8::/32", 254, 1024, "fd01::7", "a0", ROUTE_UNICAST);
	lab_run("ip -6 route del 2001:db8::/32");
	assert_null(mirror_look("2001:db8::/32", 254, 1024));
	/* Only the tables asked for. */
	lab_run("ip route add 192.0.2.0/24 via 10.1.0.6 table %d", MIRROR_TABLE);
	mirror_expect("192.0.2.0/24", MIRROR_TABLE, 0, "10.1.0.6", "a0", ROUTE_UNICAST);
	lab_run("ip route add 192.0.2.0/24 via 10.1.0.6 table 4000");
	assert_null(mirror_look("192.0.2.0/24", 4000, 0));
	lab_run("ip route flush table 4000");
	assert_int_equal(mirror.resets, 1);
	mirror_expect_true("changes");
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
		mirror_expect(text, 254, 9, NULL, NULL, ROUTE_REJECT);
		snprintf(text, sizeof text, "2001:db8:%u::/48", i);
		mirror_expect(text, 254, 9, NULL, NULL, ROUTE_REJECT);
	}
	lab_run("ip -6 route del prohibit 2001:db8:2::/48 metric 9");
	assert_null(mirror_look("2001:db8:2::/48", 254, 9));
	lab_run("ip route add multicast 239.0.0.0/8 dev a0 table main");
	assert_null(mirror_look("239.0.0.0/8", 254, 0));
	lab_run("ip route add 203.0.113.0/24 via inet6 fd01::5 dev a0");
	mirror_expect("203.0.113.0/24", 254, 0, "fd01::5", "a0", ROUTE_UNICAST);
	lab_run("ip route add 203.0.113.0/24 via 10.1.0.3 tos 8");
	mirror_expect("203.0.113.0/24", 254, 0, "fd01::5", "a0", ROUTE_UNICAST);
	lab_run("ip -6 route add 2001:db8:9::/48 from 2001:db8:8::/48 via fd01::5");
	assert_null(mirror_look("2001:db8:9::/48", 254, 1024));
	mirror_expect_true("kinds");
}

/* Several routes under one key. */
static void test_same_key(void **state)
{
	(void)state;
	lab_run("ip addr add 10.1.0.2/24 dev b0"); /* the subnet of a0 on b0 too */
	mirror_expect("10.1.0.0/24", 254, 0, NULL, "a0", ROUTE_UNICAST);
	lab_run("ip addr del 10.1.0.1/24 dev a0");
	mirror_expect("10.1.0.0/24", 254, 0, NULL, "b0", ROUTE_UNICAST);
	lab_run("ip -6 route add 2001:db8::/32 via fd01::5");
	lab_run("ip -6 route append 2001:db8::/32 via fd02::5");
	mirror_expect("2001:db8::/32", 254, 1024, "fd01::5", "a0", ROUTE_UNICAST);
	lab_run("ip -6 route del 2001:db8::/32 via fd01::5");
	mirror_expect("2001:db8::/32", 254, 1024, "fd02::5", "b0", ROUTE_UNICAST);
	lab_run("ip -6 route add 2001:db8:1::/48 dev a0 metric 7");
	lab_run("ip -6 route append 2001:db8:1::/48 dev b0 metric 7");
	lab_run("ip -6 route del 2001:db8:1::/48 dev b0 metric 7");
	mirror_expect("2001:db8:1::/48", 254, 7, NULL, "a0", ROUTE_UNICAST);
	mirror_expect_true("same key");
}

static void test_multipath(void **state)
{
	(void)state;
	lab_run("ip route add 192.0.2.0/24 nexthop via 10.1.0.9 nexthop via 10.2.0.9");
	mirror_expect("192.0.2.0/24", 254, 0, "10.1.0.9", "a0", ROUTE_UNICAST);
	lab_run("ip -6 route add 2001:db8::/32 nexthop via fd01::9 nexthop via fd02::9");
	mirror_expect("2001:db8::/32", 254, 1024, "fd01::9", "a0", ROUTE_UNICAST);
	lab_run("ip link set a0 down");
	mirror_expect("192.0.2.0/24", 254, 0, "10.2.0.9", "b0", ROUTE_UNICAST);
	mirror_expect("2001:db8::/32", 254, 1024, "fd02::9", "b0", ROUTE_UNICAST);
	lab_run("ip link set a0 up");
	mirror_expect("192.0.2.0/24", 254, 0, "10.1.0.9", "a0", ROUTE_UNICAST);
	lab_run("ip -6 route replace 2001:db8::/32 nexthop via fd02::7 nexthop via fd02::8");
	mirror_expect("2001:db8::/32", 254, 1024, "fd02::7", "b0", ROUTE_UNICAST);
	mirror_expect_true("replace");
	lab_run("ip -6 route del 2001:db8::/32 via fd02::7");
	mirror_expect("2001:db8::/32", 254, 1024, "fd02::8", "b0", ROUTE_UNICAST);
	lab_run("ip route del 192.0.2.0/24");
	lab_run("ip -6 route del 2001:db8::/32");
	assert_null(mirror_look("192.0.2.0/24", 254, 0));
	assert_null(mirror_look("2001:db8::/32", 254, 1024));
	mirror_expect_true("multipath");
}

/* All next hops, with their weights, and what becomes of them. */
static void test_legs(void **state)
{
	(void)state;
	lab_run("ip route add 192.0.2.0/24 nexthop via 10.1.0.9 nexthop via 10.2.0.9 weight 3 "
		"nexthop dev b0");
	mirror_expect_legs("192.0.2.0/24", 254, 0, "10.1.0.9 a0 1, 10.2.0.9 b0 3, - b0 1");
	lab_run("ip route append 192.0.2.0/24 via 10.1.0.7"); /* another route, never used */
	mirror_expect_legs("192.0.2.0/24", 254, 0, "10.1.0.9 a0 1, 10.2.0.9 b0 3, - b0 1");
	lab_run("ip route prepend 192.0.2.0/24 nexthop via 10.1.0.6 nexthop via 10.2.0.6");
	mirror_expect_legs("192.0.2.0/24", 254, 0, "10.1.0.6 a0 1, 10.2.0.6 b0 1");
	mirror_expect_true("append and prepend");
	lab_run("ip route del 192.0.2.0/24 nexthop via 10.1.0.6 nexthop via 10.2.0.6");
	mirror_expect_legs("192.0.2.0/24", 254, 0, "10.1.0.9 a0 1, 10.2.0.9 b0 3, - b0 1");
	lab_run("ip route del 192.0.2.0/24 via 10.1.0.7");
	lab_run("ip route replace 192.0.2.0/24 nexthop via 10.1.0.9 weight 200 nexthop via "
		"10.2.0.9");
	mirror_expect_legs("192.0.2.0/24", 254, 0, "10.1.0.9 a0 200, 10.2.0.9 b0 1");
	lab_run("ip route replace 192.0.2.0/24 nexthop via inet6 fd01::5 dev a0 nexthop via "
		"10.2.0.9");
	mirror_expect_legs("192.0.2.0/24", 254, 0, "fd01::5 a0 1, 10.2.0.9 b0 1");
	lab_run("ip -6 route add 2001:db8::/32 nexthop via fd01::9 weight 2 nexthop via fd02::9");
	mirror_expect_legs("2001:db8::/32", 254, 1024, "fd01::9 a0 2, fd02::9 b0 1");
	lab_run("ip -6 route append 2001:db8::/32 via fd02::7");
	mirror_expect_legs("2001:db8::/32", 254, 1024, "fd01::9 a0 2, fd02::9 b0 1, fd02::7 b0 1");
	lab_run("ip -6 route del 2001:db8::/32 via fd02::9");
	mirror_expect_legs("2001:db8::/32", 254, 1024, "fd01::9 a0 2, fd02::7 b0 1");
	mirror_expect_true("legs");
	lab_run("ip link set b0 down");
	mirror_expect_legs("192.0.2.0/24", 254, 0, "fd01::5 a0 1");
	mirror_expect_legs("2001:db8::/32", 254, 1024, "fd01::9 a0 2");
	lab_run("ip link set b0 up");
	mirror_expect_legs("192.0.2.0/24", 254, 0, "fd01::5 a0 1, 10.2.0.9 b0 1");
	mirror_expect_true("up again");
	/* More than are followed. */
	lab_run("ip route add 198.51.100.0/24 $(for i in $(seq 1 20); do echo nexthop via "
		"10.1.0.$((i + 1)); done)");
	assert_non_null(mirror_look("198.51.100.0/24", 254, 0));
	assert_non_null(strstr(lab_log, "198.51.100.0/24 has more next hops than the 16"));
	lab_run("ip route del 198.51.100.0/24");
	assert_null(mirror_look("198.51.100.0/24", 254, 0));
	mirror_expect_true("many");
}

/* A group whose members no route names by itself. */
static void groups(void)
{
	lab_run("ip nexthop add id 1 via 10.1.0.9 dev a0 && ip nexthop add id 2 via 10.2.0.9 dev "
		"b0 && ip nexthop add id 4 group 1,2/2,5");
	lab_run("ip nexthop add id 6 via fd01::9 dev a0 && ip nexthop add id 7 via fd02::9 dev b0 "
		"&& ip nexthop add id 8 group 6,3/7");
	lab_run("ip route add 198.51.100.0/24 nhid 4 && ip -6 route add 2001:db8::/32 nhid 8");
	mirror_expect_legs("198.51.100.0/24", 254, 0, "10.1.0.9 a0 2, 10.2.0.9 b0 5");
	mirror_expect_legs("2001:db8::/32", 254, 1024, "fd01::9 a0 3, fd02::9 b0 1");
	mirror_expect_true("groups");
	lab_run("ip nexthop replace id 2 via 10.2.0.7 dev b0");
	lab_run("ip nexthop replace id 7 via fd02::7 dev b0");
	mirror_expect_legs("198.51.100.0/24", 254, 0, "10.1.0.9 a0 2, 10.2.0.7 b0 5");
	mirror_expect_legs("2001:db8::/32", 254, 1024, "fd01::9 a0 3, fd02::7 b0 1");
	lab_run("ip nexthop replace id 4 group 1,1/2,1");
	mirror_expect_legs("198.51.100.0/24", 254, 0, "10.1.0.9 a0 1, 10.2.0.7 b0 1");
	mirror_expect_true("replaced");
	lab_run("ip nexthop del id 1");
	mirror_expect_legs("198.51.100.0/24", 254, 0, "10.2.0.7 b0 1");
	lab_run("ip nexthop del id 7");
	mirror_expect_legs("2001:db8::/32", 254, 1024, "fd01::9 a0 3");
	mirror_expect_true("members gone");
	lab_run("ip nexthop del id 4 && ip nexthop del id 8");
	assert_null(mirror_look("198.51.100.0/24", 254, 0));
	assert_null(mirror_look("2001:db8::/32", 254, 1024));
	lab_run("ip nexthop flush");
	mirror_expect_true("groups gone");
}

static void nexthops(void)
{
	lab_run("ip nexthop add id 1 via 10.1.0.9 dev a0 && ip nexthop add id 2 via 10.2.0.9 dev "
		"b0");
	lab_run("ip nexthop add id 3 blackhole && ip nexthop add id 4 group 1/2");
	lab_run("ip nexthop add id 6 via fd01::9 dev a0");
	lab_run("ip route add 192.0.2.0/24 nhid 1 && ip route add 198.51.100.0/24 nhid 4");
	lab_run("ip route add 203.0.113.0/24 nhid 3 && ip -6 route add 2001:db8::/32 nhid 6");
	mirror_expect("192.0.2.0/24", 254, 0, "10.1.0.9", "a0", ROUTE_UNICAST);
	mirror_expect("198.51.100.0/24", 254, 0, "10.1.0.9", "a0", ROUTE_UNICAST);
	mirror_expect("203.0.113.0/24", 254, 0, NULL, NULL, ROUTE_REJECT);
	mirror_expect("2001:db8::/32", 254, 1024, "fd01::9", "a0", ROUTE_UNICAST);
	mirror_expect_true("nexthops");
	lab_run("ip nexthop replace id 1 via 10.1.0.8 dev a0");
	mirror_expect("192.0.2.0/24", 254, 0, "10.1.0.8", "a0", ROUTE_UNICAST);
	mirror_expect("198.51.100.0/24", 254, 0, "10.1.0.8", "a0", ROUTE_UNICAST);
	lab_run("ip route del 203.0.113.0/24");
	assert_null(mirror_look("203.0.113.0/24", 254, 0));
	lab_run("ip nexthop del id 1");
	assert_null(mirror_look("192.0.2.0/24", 254, 0));
	mirror_expect("198.51.100.0/24", 254, 0, "10.2.0.9", "b0", ROUTE_UNICAST);
	lab_run("ip nexthop del id 6");
	assert_null(mirror_look("2001:db8::/32", 254, 1024));
	lab_run("ip nexthop add id 9 via fd01::7 dev a0 && ip route add 192.0.2.0/24 nhid 9");
	mirror_expect("192.0.2.0/24", 254, 0, "fd01::7", "a0", ROUTE_UNICAST); /* RTA_VIA */
	mirror_expect_true("nexthops gone");
	lab_run("ip nexthop flush");
	mirror_expect_true("nexthops flushed");
}

static void test_nexthops(void **state)
{
	(void)state;
	nexthops();
	groups();
	lab_run("sysctl -w net.ipv4.nexthop_compat_mode=0");
	nexthops();
	groups();
	lab_run("sysctl -w net.ipv4.nexthop_compat_mode=1");
}

static void test_links(void **state)
{
	(void)state;
	lab_run("ip route add 192.0.2.0/24 via 10.1.0.9");
	for (unsigned i = 0; i < 20; i++) {
		lab_run("ip link set a0 down");
		assert_null(mirror_look("192.0.2.0/24", 254, 0));
		assert_null(mirror_look("10.1.0.0/24", 254, 0));
		mirror_expect_true("down");
		lab_run("ip link set a0 up && ip route add 192.0.2.0/24 via 10.1.0.9");
		mirror_expect("192.0.2.0/24", 254, 0, "10.1.0.9", "a0", ROUTE_UNICAST);
	}
	mirror_expect_true("up");
	lab_run("ip link add c0 type veth peer name c1 && ip link set c0 up");
	lab_run("ip addr add 10.3.0.1/24 dev c0");
	mirror_expect("10.3.0.0/24", 254, 0, NULL, "c0", ROUTE_UNICAST);
	lab_run("ip link del c0");
	assert_null(mirror_look("10.3.0.0/24", 254, 0));
	mirror_expect_true("link gone");
	/* A route goes with the address that it is to have as its source. */
	lab_run("ip addr add 10.1.0.5/32 dev a0 && ip route add 198.51.100.0/24 dev b0 src "
		"10.1.0.5");
	mirror_expect("198.51.100.0/24", 254, 0, NULL, "b0", ROUTE_UNICAST);
	lab_run("ip addr del 10.1.0.5/32 dev a0");
	assert_null(mirror_look("198.51.100.0/24", 254, 0));
	mirror_expect_true("address gone");
}

/* The kernel tells of a carrier when it finds the time, within a second. */
static void await_interface(const char *prefix, const char *interface)
{
	for (unsigned i = 0; i < 30; i++) {
		const struct kernel_route *r = mirror_look(prefix, 254, 0);
		if (r && r->ifindex == if_nametoindex(interface))
			return;
		lab_readable(netmon_fd(mirror.netmon));
	}
	fail_msg("%s does not go to %s", prefix, interface);
}

/* An interface without carrier keeps its routes, and the kernel may be told not to use them. */
static void test_carrier(void **state)
{
	(void)state;
	lab_run("ip route add 192.0.2.0/24 via 10.1.0.9 && ip route append 192.0.2.0/24 via "
		"10.2.0.9");
	lab_run("ip -6 route add 2001:db8::/32 nexthop via fd01::9 nexthop via fd02::9");
	lab_run("ip link set a1 down");
	mirror_expect("192.0.2.0/24", 254, 0, "10.1.0.9", "a0", ROUTE_UNICAST);
	lab_run("ip link set a1 up");
	lab_run("sysctl -w net.ipv4.conf.a0.ignore_routes_with_linkdown=1");
	lab_run("sysctl -w net.ipv6.conf.a0.ignore_routes_with_linkdown=1");
	for (unsigned i = 0; i < 3; i++) {
		lab_run("ip link set a1 down");
		await_interface("192.0.2.0/24", "b0");
		mirror_expect_legs("2001:db8::/32", 254, 1024, "fd02::9 b0 1");
		mirror_expect_true("no carrier");
		lab_run("ip link set a1 up");
		await_interface("192.0.2.0/24", "a0");
		mirror_expect_legs("2001:db8::/32", 254, 1024, "fd01::9 a0 1, fd02::9 b0 1");
		mirror_expect_true("carrier again");
	}
}

static void test_addresses(void **state)
{
	(void)state;
	unsigned before = mirror.n_addresses;
	lab_run("ip addr add 10.5.0.1/24 dev a0 && ip -6 addr add fd05::1/64 dev a0 nodad");
	mirror_update();
	assert_int_equal(mirror.n_addresses, before + 2);
	lab_run("ip addr add 10.6.0.1 peer 10.6.0.2/32 dev a0");
	mirror_update();
	struct ip_addr want = mirror_addr("10.6.0.1");
	assert_true(addr_equal(&mirror.addresses[before + 2].addr, &want));
	lab_run("ip addr del 10.5.0.1/24 dev a0 && ip -6 addr del fd05::1/64 dev a0");
	mirror_update();
	assert_int_equal(mirror.n_addresses, before + 1);
	lab_run("ip -6 addr add fd06::1/64 dev a0"); /* with duplicate address detection */
	for (unsigned i = 0; i < 30 && mirror.n_addresses == before + 1; i++)
		if (lab_readable(netmon_fd(mirror.netmon)))
			mirror_update();
	assert_int_equal(mirror.n_addresses, before + 2);
}

static void test_overrun(void **state)
{
	(void)state;
	int few = 2048;
	assert_int_equal(
		setsockopt(netmon_fd(mirror.netmon), SOL_SOCKET, SO_RCVBUFFORCE, &few, sizeof few),
		0);
	lab_run("for i in $(seq 0 255); do echo route add 172.16.$i.0/24 via 10.1.0.9; "
		"echo route add 2001:db8:$i::/48 via fd01::9; done | ip -batch -");
	lab_run("for i in $(seq 1 2 255); do echo route del 172.16.$i.0/24; done | ip -batch -");
	assert_int_equal(mirror.resets, 1);
	mirror_expect("172.16.4.0/24", 254, 0, "10.1.0.9", "a0", ROUTE_UNICAST);
	assert_null(mirror_look("172.16.5.0/24", 254, 0));
	assert_true(mirror.resets >= 2);
	assert_int_equal(mirror.synced, mirror.resets);
	mirror_expect_true("overrun");
	unsigned before = mirror.resets;
	netmon_resync(mirror.netmon);
	assert_int_equal(mirror.resets, before + 1);
	mirror_expect_true("resync");
	mirror.n = 0;
	netmon_tell_routes(mirror.netmon);
	assert_int_equal(mirror.resets, before + 1);
	mirror_expect_true("told again");
}

/* Runs a command and reads announcements while they come, not when all is over. */
static void while_running(const char *command)
{
	FILE *f = popen(command, "r");
	assert_non_null(f);
	struct pollfd p[] = {{.fd = netmon_fd(mirror.netmon), .events = POLLIN},
		{.fd = fileno(f), .events = POLLIN}};
	do {
		assert_true(poll(p, 2, 5000) > 0);
		if (p[0].revents)
			netmon_read(mirror.netmon);
	} while (!p[1].revents);
	assert_int_equal(pclose(f), 0);
}

/* The kernel tells of a link's or address's end before it removes the routes. */
static void test_race(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 30; i++) {
		lab_run("for i in $(seq 1 100); do echo route add 172.16.$i.0/24 via 10.1.0.9; "
			"done "
			"| ip -batch -");
		mirror_update();
		while_running(i % 2 ? "ip link set a0 down" : "ip addr del 10.1.0.1/24 dev a0");
		mirror_expect_true("link down");
		lab_try("ip link set a0 up; ip route flush root 172.16.0.0/16");
		lab_try("ip addr add 10.1.0.1/24 dev a0");
	}
}

int main(void)
{
	int skip = lab_enter();
	if (skip)
		return skip;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_dump, mirror_setup, mirror_teardown),
		cmocka_unit_test_setup_teardown(test_changes, mirror_setup, mirror_teardown),
		cmocka_unit_test_setup_teardown(test_kinds, mirror_setup, mirror_teardown),
		cmocka_unit_test_setup_teardown(test_same_key, mirror_setup, mirror_teardown),
		cmocka_unit_test_setup_teardown(test_multipath, mirror_setup, mirror_teardown),
		cmocka_unit_test_setup_teardown(test_legs, mirror_setup, mirror_teardown),
		cmocka_unit_test_setup_teardown(test_nexthops, mirror_setup, mirror_teardown),
		cmocka_unit_test_setup_teardown(test_links, mirror_setup, mirror_teardown),
		cmocka_unit_test_setup_teardown(test_carrier, mirror_setup, mirror_teardown),
		cmocka_unit_test_setup_teardown(test_addresses, mirror_setup, mirror_teardown),
		cmocka_unit_test_setup_teardown(test_overrun, mirror_setup, mirror_teardown),
		cmocka_unit_test_setup_teardown(test_race, mirror_setup, mirror_teardown),
	};
	return cmocka_run_group_tests_name("linux netmon", tests, NULL, NULL);
}
