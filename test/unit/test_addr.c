/* Addresses, prefixes and endpoints of both families: text, kinds, and containment against a twin. */
#include "core/base/addr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define N(a) (sizeof(a) / sizeof *(a))

static struct ip_addr addr_of(const char *text)
{
	struct ip_addr a;
	if (!addr_parse(text, &a))
		fail_msg("%s does not parse", text);
	return a;
}

static struct prefix prefix_of(const char *text)
{
	struct prefix p;
	if (!prefix_parse(text, &p))
		fail_msg("%s does not parse", text);
	return p;
}

static void addresses_survive_text(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out; /* out NULL: refused */
		uint8_t family;
	} cases[] = {
		{"0.0.0.0", "0.0.0.0", 4},
		{"10.0.0.1", "10.0.0.1", 4},
		{"255.255.255.255", "255.255.255.255", 4},
		{"::", "::", 6},
		{"::1", "::1", 6},
		{"2001:DB8:0:0:0:0:0:1", "2001:db8::1", 6},
		{"fe80::5efe:10.0.0.1", "fe80::5efe:a00:1", 6},
		{"::ffff:1.2.3.4", "::ffff:1.2.3.4", 6},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
			"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 6},
		{"", NULL, 0},
		{"10.0.0", NULL, 0},
		{"10.0.0.256", NULL, 0},
		{"10.0.0.1.", NULL, 0},
		{"10.0.0.1 ", NULL, 0},
		{" 10.0.0.1", NULL, 0},
		{"10.0.0.0/8", NULL, 0},
		{"2001:db8:::1", NULL, 0},
		{"12345::", NULL, 0},
		{"fe80::1%eth0", NULL, 0},
		{"[::1]", NULL, 0},
		{"localhost", NULL, 0},
	};
	for (size_t i = 0; i < N(cases); i++) {
		struct ip_addr a;
		char text[ADDR_TEXT_MAX];
		assert_int_equal(addr_parse(cases[i].in, &a), cases[i].out != NULL);
		if (!cases[i].out)
			continue;
		assert_int_equal(a.family, cases[i].family);
		assert_string_equal(addr_format(&a, text), cases[i].out);
		struct ip_addr again = addr_from_bytes(a.family, a.bytes);
		assert_true(addr_equal(&a, &again));
	}
	struct ip_addr none = {0};
	char text[ADDR_TEXT_MAX];
	assert_string_equal(addr_format(&none, text), "-");
}

static void prefixes_survive_text(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out, *masked;
	} cases[] = {
		{"10.1.2.3/8", "10.1.2.3/8", "10.0.0.0/8"},
		{"10.1.2.3", "10.1.2.3/32", "10.1.2.3/32"},
		{"255.255.255.255/0", "255.255.255.255/0", "0.0.0.0/0"},
		{"192.168.255.255/17", "192.168.255.255/17", "192.168.128.0/17"},
		{"192.168.255.255/31", "192.168.255.255/31", "192.168.255.254/31"},
		{"2001:db8::1", "2001:db8::1/128", "2001:db8::1/128"},
		{"2001:db8:ffff::/33", "2001:db8:ffff::/33", "2001:db8:8000::/33"},
		{"::/0", "::/0", "::/0"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
			"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
			"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"},
		{"10.0.0.0/33", NULL, NULL},
		{"::/129", NULL, NULL},
		{"10.0.0.0/", NULL, NULL},
		{"10.0.0.0/-1", NULL, NULL},
		{"10.0.0.0/8 ", NULL, NULL},
		{"10.0.0.0/+8", NULL, NULL},
		{"10.0.0.0/8/8", NULL, NULL},
		{"/8", NULL, NULL},
		{"", NULL, NULL},
		{"10.0.0.0/4294967304", NULL, NULL},
		{"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/1280", NULL, NULL},
	};
	for (size_t i = 0; i < N(cases); i++) {
		struct prefix p;
		char text[PREFIX_TEXT_MAX];
		assert_int_equal(prefix_parse(cases[i].in, &p), cases[i].out != NULL);
		if (!cases[i].out)
			continue;
		assert_string_equal(prefix_format(&p, text), cases[i].out);
		struct prefix masked = prefix_masked(p);
		assert_string_equal(prefix_format(&masked, text), cases[i].masked);
	}
}

static void endpoints_survive_text(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"192.0.2.1:4754", "192.0.2.1:4754"},
		{"192.0.2.1", "192.0.2.1:77"},
		{"192.0.2.1:65535", "192.0.2.1:65535"},
		{"[2001:db8::1]:1", "[2001:db8::1]:1"},
		{"[2001:db8::1]", "[2001:db8::1]:77"},
		{"2001:db8::1", "[2001:db8::1]:77"},
		{"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
			"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
		{"192.0.2.1:", NULL},
		{"192.0.2.1:65536", NULL},
		{"192.0.2.1:99999999999", NULL},
		{"192.0.2.1:http", NULL},
		{":4754", NULL},
		{"", NULL},
		{"[]:4754", NULL},
		{"[2001:db8::1", NULL},
		{"[2001:db8::1]4754", NULL},
		{"[2001:db8::1]:", NULL},
		{"2001:db8::1]:4754", NULL},
		{"hub.example.org:4754", NULL},
		{"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:6553500", NULL},
	};
	for (size_t i = 0; i < N(cases); i++) {
		struct endpoint e;
		char text[ENDPOINT_TEXT_MAX];
		assert_int_equal(endpoint_parse(cases[i].in, 77, &e), cases[i].out != NULL);
		if (cases[i].out)
			assert_string_equal(endpoint_format(&e, text), cases[i].out);
	}
}

enum kind {
	MULTICAST = 1,
	LOOPBACK = 2,
	LINK_LOCAL = 4,
	UNSPECIFIED = 8,
	BROADCAST = 16,
	PRIVATE = 32,
	UNICAST = 64,
};

static void every_address_has_its_kinds(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int kinds;
	} cases[] = {
		{"0.0.0.0", UNSPECIFIED},
		{"0.0.0.1", 0},
		{"1.0.0.0", UNICAST},
		{"9.255.255.255", UNICAST},
		{"10.0.0.0", UNICAST | PRIVATE},
		{"10.255.255.255", UNICAST | PRIVATE},
		{"11.0.0.0", UNICAST},
		{"100.63.255.255", UNICAST},
		{"100.64.0.0", UNICAST | PRIVATE},
		{"100.127.255.255", UNICAST | PRIVATE},
		{"100.128.0.0", UNICAST},
		{"126.255.255.255", UNICAST},
		{"127.0.0.0", LOOPBACK},
		{"127.255.255.255", LOOPBACK},
		{"128.0.0.0", UNICAST},
		{"169.253.255.255", UNICAST},
		{"169.254.0.0", UNICAST | LINK_LOCAL},
		{"169.255.0.0", UNICAST},
		{"172.15.255.255", UNICAST},
		{"172.16.0.0", UNICAST | PRIVATE},
		{"172.31.255.255", UNICAST | PRIVATE},
		{"172.32.0.0", UNICAST},
		{"192.167.255.255", UNICAST},
		{"192.168.0.0", UNICAST | PRIVATE},
		{"223.255.255.255", UNICAST},
		{"224.0.0.0", MULTICAST},
		{"239.255.255.255", MULTICAST},
		{"240.0.0.0", 0},
		{"255.255.255.254", 0},
		{"255.255.255.255", BROADCAST},
		{"::", UNSPECIFIED},
		{"::1", LOOPBACK},
		{"::2", UNICAST},
		{"::ffff:127.0.0.1", LOOPBACK},
		{"::ffff:10.0.0.1", UNICAST},
		{"2001:db8::", UNICAST},
		{"fbff::", UNICAST},
		{"fc00::", UNICAST | PRIVATE},
		{"fdff::", UNICAST | PRIVATE},
		{"fe7f::", UNICAST},
		{"fe80::", UNICAST | LINK_LOCAL},
		{"febf::", UNICAST | LINK_LOCAL},
		{"fec0::", UNICAST},
		{"feff::", UNICAST},
		{"ff00::", MULTICAST},
		{"ff02::1", MULTICAST},
	};
	for (size_t i = 0; i < N(cases); i++) {
		struct ip_addr a = addr_of(cases[i].text);
		int kinds = addr_is_multicast(&a) * MULTICAST | addr_is_loopback(&a) * LOOPBACK |
			addr_is_link_local(&a) * LINK_LOCAL |
			addr_is_unspecified(&a) * UNSPECIFIED | addr_is_broadcast(&a) * BROADCAST |
			addr_is_private(&a) * PRIVATE | addr_is_unicast(&a) * UNICAST;
		if (kinds != cases[i].kinds)
			fail_msg("%s is %#x, not %#x", cases[i].text, (unsigned)kinds,
				(unsigned)cases[i].kinds);
	}
	/* No family, whatever stands in the bytes. */
	struct ip_addr none = {.bytes = {10, 0, 0, 1}};
	assert_true(addr_is_unspecified(&none));
	assert_false(addr_is_unicast(&none) || addr_is_multicast(&none) || addr_is_loopback(&none));
	assert_int_equal(addr_size(0), 0);
	assert_int_equal(addr_size(5), 0);
	assert_int_equal(addr_bits(4), 32);
	assert_int_equal(addr_bits(6), 128);
}

static void orders_by_family_then_bytes(void **state)
{
	(void)state;
	static const char *const ascending[] = {"0.0.0.0", "9.0.0.1", "10.0.0.0", "10.0.0.1",
		"255.255.255.255", "::", "::1", "1::", "ffff::"};
	for (size_t i = 0; i < N(ascending); i++)
		for (size_t j = 0; j < N(ascending); j++) {
			struct ip_addr a = addr_of(ascending[i]), b = addr_of(ascending[j]);
			int order = addr_compare(&a, &b);
			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
			assert_int_equal(addr_equal(&a, &b), i == j);
		}
}

static bool bit(const struct ip_addr *a, unsigned i)
{
	return a->bytes[i / 8] >> (7 - i % 8) & 1;
}

/* The slow way: bit for bit. */
static bool twin_contains(const struct prefix *p, const struct ip_addr *a)
{
	for (unsigned i = 0; i < p->len; i++)
		if (bit(&p->addr, i) != bit(a, i))
			return false;
	return p->addr.family == a->family;
}

static struct ip_addr random_near(const struct ip_addr *base)
{
	struct ip_addr a = *base;
	unsigned flip = (unsigned)rand() % addr_bits(a.family);
	a.bytes[flip / 8] ^= (uint8_t)(0x80 >> flip % 8);
	return a;
}

static void containment_agrees_with_its_twin(void **state)
{
	(void)state;
	srand(1);
	for (int round = 0; round < 50000; round++) {
		struct prefix p = {.addr.family = rand() % 2 ? 4 : 6};
		for (size_t i = 0; i < addr_size(p.addr.family); i++)
			p.addr.bytes[i] = (uint8_t)rand();
		p.len = (uint8_t)(rand() % (addr_bits(p.addr.family) + 1));
		struct ip_addr a = random_near(&p.addr);
		assert_int_equal(prefix_contains(&p, &a), twin_contains(&p, &a));
		struct prefix masked = prefix_masked(p);
		assert_true(prefix_contains(&masked, &p.addr));
		for (unsigned i = 0; i < addr_bits(p.addr.family); i++)
			assert_int_equal(bit(&masked.addr, i), i < p.len && bit(&p.addr, i));
		struct prefix inner = {
			.addr = a, .len = (uint8_t)(rand() % (addr_bits(a.family) + 1))};
		assert_int_equal(
			prefix_covers(&p, &inner), p.len <= inner.len && twin_contains(&p, &a));
	}
}

static void families_do_not_mix(void **state)
{
	(void)state;
	struct prefix v4 = prefix_of("0.0.0.0/0"), v6 = prefix_of("::/0");
	struct ip_addr a4 = addr_of("0.0.0.0"), a6 = addr_of("::");
	assert_true(prefix_contains(&v4, &a4) && prefix_contains(&v6, &a6));
	assert_false(prefix_contains(&v4, &a6) || prefix_contains(&v6, &a4));
	assert_false(prefix_covers(&v4, &v6) || prefix_equal(&v4, &v6));
	struct prefix host4 = prefix_host(&a4), host6 = prefix_host(&a6);
	assert_int_equal(host4.len, 32);
	assert_int_equal(host6.len, 128);
	struct endpoint e = {.addr = a4, .port = 1}, f = e;
	assert_true(endpoint_equal(&e, &f));
	f.port = 2;
	assert_false(endpoint_equal(&e, &f));
	f = (struct endpoint){.addr = a6, .port = 1};
	assert_false(endpoint_equal(&e, &f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_survive_text),
		cmocka_unit_test(prefixes_survive_text),
		cmocka_unit_test(endpoints_survive_text),
		cmocka_unit_test(every_address_has_its_kinds),
		cmocka_unit_test(orders_by_family_then_bytes),
		cmocka_unit_test(containment_agrees_with_its_twin),
		cmocka_unit_test(families_do_not_mix),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
