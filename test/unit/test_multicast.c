/* Which groups may cross the overlay. */
#include "core/base/cursor.h"
#include "core/route/multicast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static bool permitted(const char *dst, uint8_t proto, const uint8_t *payload, size_t len)
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
	return multicast_permitted(ip, &view);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups),
		cmocka_unit_test(router_solicitations_stay_at_home),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
