#include "platform/platform.h"
#include "test/platform/linux_mirror.h"

#include "core/base/err.h"

#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Routes that we install, and a soak of the mirror (SEED=n for another run). */

static void install(const char *prefix, const char *gateway, const char *shown)
{
	struct prefix p;
	struct ip_addr gw = mirror_addr(gateway);
	uint32_t a0 = if_nametoindex("a0");
	const char *family = strchr(prefix, ':') ? "-6" : "-4";
	assert_true(prefix_parse(prefix, &p));
	for (unsigned i = 0; i < 2; i++) /* twice is once */
		assert_int_equal(
			route_add(mirror.netmon, &p, gateway ? &gw : NULL, a0, ROUTE_METRIC_WARREN),
			0);
	if (!lab_shows(shown, "ip %s route show proto 141 %s", family, prefix))
		fail_msg("no %s", shown);
	mirror_expect(prefix, 254, ROUTE_METRIC_WARREN, gateway, "a0", ROUTE_UNICAST);
	assert_int_equal(
		mirror_look(prefix, 254, ROUTE_METRIC_WARREN)->protocol, ROUTE_PROTOCOL_WARREN);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(route_delete(mirror.netmon, &p, &gw, a0, ROUTE_METRIC_WARREN), 0);
	assert_null(mirror_look(prefix, 254, ROUTE_METRIC_WARREN));
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
	struct ip_addr one = mirror_addr("10.1.0.7"), two = mirror_addr("10.1.0.8"),
		       self = mirror_addr("10.1.0.1");
	assert_true(prefix_parse("192.0.2.0/24", &p));
	/* Another's route stays. */
	lab_run("ip route add 192.0.2.0/24 via 10.1.0.7 metric 4096 proto static");
	assert_int_equal(route_delete(mirror.netmon, &p, &one, a0, 4096), 0);
	mirror_expect("192.0.2.0/24", 254, 4096, "10.1.0.7", "a0", ROUTE_UNICAST);
	lab_run("ip route del 192.0.2.0/24 metric 4096");
	/* A changed gateway takes the place of the one before, and that one's end is no harm. */
	assert_int_equal(route_add(mirror.netmon, &p, &one, a0, 4096), 0);
	assert_int_equal(route_add(mirror.netmon, &p, &two, a0, 4096), 0);
	mirror_expect("192.0.2.0/24", 254, 4096, "10.1.0.8", "a0", ROUTE_UNICAST);
	assert_int_equal(route_delete(mirror.netmon, &p, &one, a0, 4096), 0);
	mirror_expect("192.0.2.0/24", 254, 4096, "10.1.0.8", "a0", ROUTE_UNICAST);
	assert_true(prefix_parse("2001:db8::/32", &p));
	struct ip_addr v6 = mirror_addr("fd01::7");
	assert_int_equal(route_add(mirror.netmon, &p, &v6, a0, 4096), 0);
	v6 = mirror_addr("fd01::8");
	assert_int_equal(route_add(mirror.netmon, &p, &v6, a0, 4096), 0);
	mirror_expect("2001:db8::/32", 254, 4096, "fd01::8", "a0", ROUTE_UNICAST);
	assert_false(lab_shows("fd01::7", "ip -6 route"));
	/* And back to on link, and a gateway again. */
	assert_int_equal(route_add(mirror.netmon, &p, NULL, a0, 4096), 0);
	mirror_expect_true("on link");
	assert_false(lab_shows("fd01::8", "ip -6 route"));
	assert_int_equal(route_add(mirror.netmon, &p, &v6, a0, 4096), 0);
	mirror_expect("2001:db8::/32", 254, 4096, "fd01::8", "a0", ROUTE_UNICAST);
	/* What the kernel refuses. */
	assert_int_equal(route_add(mirror.netmon, &p, &self, a0, 4096), ERR_SYSTEM);
	assert_non_null(strstr(lab_log, "2001:db8::/32"));
	assert_int_equal(route_add(mirror.netmon, &p, &v6, 9999, 4096), ERR_SYSTEM);
	assert_int_equal(route_delete(mirror.netmon, &p, &v6, 9999, 4096), 0);
	mirror_expect_true("install");
}

/*
 * A random change of a few routes that get in each other's way. Except that IPv6 legs of a
 * multipath route keep to a metric of their own, and to one protocol: the kernel's dumps leave out
 * what stands between two legs, and tell one protocol for all.
 */
static void random_command(char *out, size_t cap)
{
	static const char *const verbs[] = {"add", "append", "prepend", "replace", "del", "del"};
	static const char *const gateways[] = {"10.%d.0.%ld", "fd0%d::%ld"};
	char hop[128], gw[32], gw2[32];
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
		snprintf(hop, sizeof hop, "nexthop via %s weight %ld nexthop via %s", gw,
			1 + random() % 2, gw2);
		break;
	case 2:
		hop[0] = '\0';
		type = "blackhole ";
		break;
	default:
		snprintf(hop, sizeof hop, "via %s%s", gw, v6 || random() % 4 ? "" : " proto 99");
	}
	snprintf(out, cap, "ip %s route %s %s%s %s metric %ld%s", v6 ? "-6" : "-4",
		verbs[random() % 6], type, v6 ? "2001:db8::/32" : "192.0.2.0/24", hop, 10 + metric,
		random() % 5 ? "" : " table 77");
}

/* Anything in any order, and the mirror is never wrong. */
static void test_random(void **state)
{
	(void)state;
	const char *given = getenv("SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : 1, done = 0;
	char command[256];
	srandom(seed);
	printf("SEED=%u\n", seed);
	for (unsigned i = 0; i < 300; i++) {
		random_command(command, sizeof command);
		bool ok = lab_try("%s", command) == 0;
		if (getenv("LAB_VERBOSE"))
			fprintf(stderr, "%s %s\n", command, ok ? "" : "(refused)");
		done += ok;
		if (random() % 3)
			mirror_expect_true(command);
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
		cmocka_unit_test_setup_teardown(test_install, mirror_setup, mirror_teardown),
		cmocka_unit_test_setup_teardown(test_random, mirror_setup, mirror_teardown),
	};
	return cmocka_run_group_tests_name("linux routes", tests, NULL, NULL);
}
