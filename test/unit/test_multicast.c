/* Which groups may cross the overlay. */
#include "core/base/cursor.h"
#include "core/route/multicast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct epoch epoch;
static struct multicast_groups named;

static int setup(void **state)
{
	(void)state;
	epoch_init(&epoch);
	return multicast_init(&named, &epoch);
}

static int teardown(void **state)
{
	(void)state;
	multicast_fini(&named);
	return 0;
}

static void name(const char *const *texts)
{
	struct prefix v[MULTICAST_GROUPS_MAX];
	unsigned n = 0;
	for (; texts[n]; n++)
		assert_true(prefix_parse(texts[n], &v[n]));
	multicast_set(&named, v, n);
}

static enum multicast_kind kind_of(
	const char *dst, uint8_t proto, const uint8_t *payload, size_t len)
{
	uint8_t ip[128] = {0};
	struct ip_addr to;
	struct ip_view view;
	assert_true(addr_parse(dst, &to));
	if (to.family == 4) {
		ip[0] = 0x45;
		store_u16(ip + 2, (uint16_t)(20 + len));
		ip[9] = proto;
		memcpy(ip + 16, to.bytes, 4);
		memcpy(ip + 20, payload, len);
	} else {
		ip[0] = 0x60;
		store_u16(ip + 4, (uint16_t)len);
		ip[6] = proto;
		memcpy(ip + 24, to.bytes, 16);
		memcpy(ip + 40, payload, len);
	}
	assert_int_equal(ip_peek(ip, (to.family == 4 ? 20 : 40) + len, &view), 0);
	return multicast_classify(&named, ip, &view);
}

static bool permitted(const char *dst, uint8_t proto, const uint8_t *payload, size_t len)
{
	return kind_of(dst, proto, payload, len) != MULTICAST_FILTERED;
}

static enum multicast_kind udp_to(const char *group)
{
	static const uint8_t datagram[8];
	return kind_of(group, 17, datagram, sizeof datagram);
}

static void groups(void **state)
{
	(void)state;
	static const struct {
		const char *group;
		bool permitted;
	} cases[] = {
		{"224.0.0.0", true}, {"224.0.0.1", true}, {"224.0.0.5", true}, /* OSPF */
		{"224.0.0.9", true},                                           /* RIP */
		{"224.0.0.10", true},                                          /* EIGRP */
		{"224.0.0.250", true}, {"224.0.0.251", false},                 /* mDNS */
		{"224.0.0.252", false},                                        /* LLMNR */
		{"224.0.0.253", true}, {"224.0.0.255", true}, {"224.0.1.0", false},
		{"224.1.0.5", false}, {"225.0.0.5", false}, {"239.255.255.250", false}, /* SSDP */
		{"ff02::1", true}, {"ff02::5", true},                                   /* OSPFv3 */
		{"ff02::9", true},                                                      /* RIPng */
		{"ff02::1:6", true},                                                    /* Babel */
		{"ff02::16", true},                                                     /* MLDv2 */
		{"ff02::1:ff00:1", true}, {"ff02::fb", false},                          /* mDNS */
		{"ff02::1:fb", true}, {"ff02::c", false},                               /* SSDP */
		{"ff02::1:3", false},                                                   /* LLMNR */
		{"ff02::1:2", true}, {"ff01::5", false}, {"ff05::5", false}, {"ff0e::5", false},
		{"ff12::5", false}, /* not of the well-known ones */
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (permitted(cases[i].group, 89, (const uint8_t *)"ospf", 4) != cases[i].permitted)
			fail_msg("%s", cases[i].group);
}

static void router_solicitations_stay_at_home(void **state)
{
	(void)state;
	static const struct {
		uint8_t proto;
		uint8_t payload[16];
		uint8_t len;
		bool permitted;
	} cases[] = {
		{58, {133}, 8, false}, {58, {134}, 8, true}, {58, {143}, 8, true},
		{17, {133}, 8, true}, {58, {133}, 1, false},
		{58, {0}, 0, true},                             /* no type at all */
		{0, {58, 0, 0, 0, 0, 0, 0, 0, 133}, 16, false}, /* behind hop-by-hop options */
		{0, {58, 0, 0, 0, 0, 0, 0, 0, 143}, 16, true},
		{0, {58, 9, 0, 0, 0, 0, 0, 0, 133}, 16, true}, /* options that end nowhere */
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_int_equal(
			permitted("ff02::2", cases[i].proto, cases[i].payload, cases[i].len),
			cases[i].permitted);
	/* In IPv4 the same bytes mean nothing. */
	assert_true(permitted("224.0.0.2", 58, (const uint8_t *)"\x85", 1));
}

static void those_that_the_config_names(void **state)
{
	(void)state;
	static const struct {
		const char *group;
		enum multicast_kind kind;
	} cases[] = {
		{"239.1.2.3", MULTICAST_BEYOND},
		{"239.2.0.1", MULTICAST_FILTERED},
		{"239.255.255.250", MULTICAST_FILTERED}, /* SSDP, within a wider one */
		{"239.255.255.249", MULTICAST_BEYOND},
		{"224.0.0.5", MULTICAST_LINK},
		{"224.0.0.251", MULTICAST_LINK}, /* mDNS, by its name */
		{"224.0.0.252", MULTICAST_FILTERED},
		{"ff05::1", MULTICAST_BEYOND},
		{"ff05::fb", MULTICAST_FILTERED},
		{"ff05::1:3", MULTICAST_FILTERED},
		{"ff08::1", MULTICAST_FILTERED},
		{"ff12::7", MULTICAST_LINK},
		{"ff01::1", MULTICAST_FILTERED},
		{"ff02::fb", MULTICAST_FILTERED},
		{"ff02::c", MULTICAST_LINK},
	};
	name((const char *[]){"239.1.0.0/16", "239.255.0.0/16", "224.0.0.251/32", "ff05::/16",
		"ff12::/16", "ff01::/16", "ff02::c/128", NULL});
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (udp_to(cases[i].group) != cases[i].kind)
			fail_msg("%s: %d", cases[i].group, udp_to(cases[i].group));
	/* Everything: the fixed rules stand, even so. */
	name((const char *[]){"224.0.0.0/4", "ff00::/8", NULL});
	assert_int_equal(udp_to("239.2.0.1"), MULTICAST_BEYOND);
	assert_int_equal(udp_to("224.0.0.251"), MULTICAST_FILTERED);
	assert_int_equal(udp_to("ff0e::5"), MULTICAST_BEYOND);
	assert_int_equal(udp_to("ff01::5"), MULTICAST_FILTERED);
	assert_int_equal(udp_to("ff00::5"), MULTICAST_FILTERED);
	assert_false(permitted("ff02::2", 58, (const uint8_t[8]){133}, 8));
}

/* Another list takes the place of the one before, with nothing of it left. */
static void lists_replace_one_another(void **state)
{
	(void)state;
	char text[MULTICAST_GROUPS_MAX][20];
	const char *list[MULTICAST_GROUPS_MAX + 1] = {NULL};
	for (unsigned round = 0; round < 50; round++) {
		for (unsigned i = 0; i < MULTICAST_GROUPS_MAX; i++) {
			snprintf(text[i], sizeof text[i], "239.%u.%u.0/24", round, i);
			list[i] = text[i];
		}
		name(list);
		assert_int_equal(named.groups.entries, MULTICAST_GROUPS_MAX);
		epoch_enter(&epoch, 0);
		epoch_leave(&epoch, 0);
	}
	assert_int_equal(udp_to("239.49.3.1"), MULTICAST_BEYOND);
	assert_int_equal(udp_to("239.48.3.1"), MULTICAST_FILTERED);
	name((const char *[]){NULL});
	assert_int_equal(udp_to("239.49.3.1"), MULTICAST_FILTERED);
	assert_int_equal(named.groups.entries, 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(groups),
		CASE(router_solicitations_stay_at_home),
		CASE(those_that_the_config_names),
		CASE(lists_replace_one_another),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
