/* The routing socket's messages of macOS and FreeBSD, made by hand, on whatever system this runs. */
#include "test/platform/bsd_messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct rtsock_abi *const systems[] = {&rtsock_macos, &rtsock_freebsd};
#define EACH_SYSTEM(abi) (unsigned i_ = 0; i_ < 2 && ((abi) = systems[i_]); i_++)

static struct rtsock_message parse(struct bsd_message *m)
{
	struct rtsock_message out;
	size_t used;
	bsd_end(m);
	assert_true(rtsock_parse(m->abi, m->bytes, m->len, &used, &out));
	assert_int_equal(used, m->len);
	return out;
}

static void assert_prefix(const struct prefix *p, const char *text)
{
	char buf[PREFIX_TEXT_MAX];
	assert_string_equal(prefix_format(p, buf), text);
}

static void assert_address(const struct ip_addr *a, const char *text)
{
	char buf[ADDR_TEXT_MAX];
	assert_string_equal(addr_format(a, buf), text);
}

static void test_routes(void **state)
{
	(void)state;
	struct bsd_message m;
	const struct rtsock_abi *abi;
	for
		EACH_SYSTEM(abi)
		{
			bsd_begin(&m, abi, RTSOCK_ROUTE_ADD, 7,
				RTSOCK_UP | RTSOCK_GATEWAY | RTSOCK_STATIC);
			bsd_address(&m, BSD_DST, "10.1.0.0");
			bsd_address(&m, BSD_GATEWAY, "10.0.0.2");
			bsd_mask(&m, 4, 20);
			struct rtsock_message out = parse(&m);
			assert_int_equal(out.type, RTSOCK_ROUTE_ADD);
			assert_int_equal(out.ifindex, 7);
			assert_prefix(&out.prefix, "10.1.0.0/20");
			assert_address(&out.gateway, "10.0.0.2");

			bsd_begin(&m, abi, RTSOCK_ROUTE_DELETE, 3, RTSOCK_UP | RTSOCK_HOST);
			bsd_address(&m, BSD_DST, "2001:db8::7");
			bsd_link(&m, BSD_GATEWAY, 3, "tun3");
			out = parse(&m);
			assert_prefix(&out.prefix, "2001:db8::7/128");
			assert_int_equal(out.gateway.family, 0); /* by the interface */
		}
}

/* The mask of a default route has no length, and takes up a place. */
static void test_default_route(void **state)
{
	(void)state;
	struct bsd_message m;
	const struct rtsock_abi *abi;
	for
		EACH_SYSTEM(abi)
		{
			bsd_begin(&m, abi, RTSOCK_ROUTE_ADD, 1, RTSOCK_UP | RTSOCK_GATEWAY);
			bsd_address(&m, BSD_DST, "0.0.0.0");
			bsd_address(&m, BSD_GATEWAY, "192.0.2.1");
			bsd_mask(&m, 4, 0);
			bsd_link(&m, BSD_IFP, 1, "em0");
			bsd_address(&m, BSD_IFA, "192.0.2.9");
			struct rtsock_message out = parse(&m);
			assert_prefix(&out.prefix, "0.0.0.0/0");
			assert_address(&out.gateway, "192.0.2.1");
		}
}

static void test_ipv6(void **state)
{
	(void)state;
	struct bsd_message m;
	const struct rtsock_abi *abi;
	for
		EACH_SYSTEM(abi)
		{
			bsd_begin(&m, abi, RTSOCK_ROUTE_ADD, 4, RTSOCK_UP | RTSOCK_GATEWAY);
			bsd_address(&m, BSD_DST, "2001:db8:4::");
			bsd_address(&m, BSD_GATEWAY, "fe80:4::1"); /* the interface is in it */
			bsd_mask(&m, 6, 47);
			struct rtsock_message out = parse(&m);
			assert_prefix(&out.prefix, "2001:db8:4::/47");
			assert_address(&out.gateway, "fe80::1");
		}
}

/* A gateway of the other family (RFC 5549). */
static void test_gateway_of_other_family(void **state)
{
	(void)state;
	struct bsd_message m;
	bsd_begin(&m, &rtsock_freebsd, RTSOCK_ROUTE_ADD, 4, RTSOCK_UP | RTSOCK_GATEWAY);
	bsd_address(&m, BSD_DST, "10.9.0.0");
	bsd_address(&m, BSD_GATEWAY, "2001:db8::1");
	bsd_mask(&m, 4, 16);
	struct rtsock_message out = parse(&m);
	assert_prefix(&out.prefix, "10.9.0.0/16");
	assert_address(&out.gateway, "2001:db8::1");
}

static void test_addresses_and_links(void **state)
{
	(void)state;
	struct bsd_message m;
	const struct rtsock_abi *abi;
	for
		EACH_SYSTEM(abi)
		{
			bsd_begin(&m, abi, RTSOCK_ADDRESS_NEW, 5, 0);
			bsd_mask(&m, 4, 24);
			bsd_link(&m, BSD_IFP, 5, "en5");
			bsd_address(&m, BSD_IFA, "198.51.100.7");
			struct rtsock_message out = parse(&m);
			assert_int_equal(out.ifindex, 5);
			assert_prefix(&out.prefix, "198.51.100.7/24");

			bsd_begin(&m, abi, RTSOCK_LINK, 6, 1);
			uint32_t mtu = 1400;
			memcpy(m.bytes + 24, &mtu, sizeof mtu);
			bsd_link(&m, BSD_IFP, 6, "utun6");
			out = parse(&m);
			assert_true(out.up);
			assert_int_equal(out.mtu, 1400);
			assert_string_equal(out.name, "utun6");
		}
}

static void test_interface_leaves(void **state)
{
	(void)state;
	struct rtsock_message out;
	size_t used;
	uint8_t bytes[24] = {[2] = 5, [3] = 0x11};
	uint16_t len = 24, index = 9, what = 1;
	memcpy(bytes, &len, 2);
	memcpy(bytes + 4, &index, 2);
	memcpy(bytes + 6, "tun9", 4);
	memcpy(bytes + 22, &what, 2);
	assert_true(rtsock_parse(&rtsock_freebsd, bytes, 24, &used, &out));
	assert_true(out.gone);
	assert_int_equal(out.ifindex, 9);
	assert_string_equal(out.name, "tun9");
	/* On macOS this type says something about multicast. */
	assert_false(rtsock_parse(&rtsock_macos, bytes, 24, &used, &out));
	assert_int_equal(used, 24);
}

static void test_what_a_mirror_leaves_out(void **state)
{
	(void)state;
	static const struct {
		const char *dst;
		uint32_t flags;
		bool macos, freebsd; /* of these it makes a route */
	} cases[] = {
		{"10.1.0.0", RTSOCK_UP, true, true},
		{"10.1.0.0", RTSOCK_UP | 0x400, false, false},    /* a neighbour */
		{"10.1.0.0", RTSOCK_UP | 0x20000, false, true},   /* cloned */
		{"10.1.0.0", RTSOCK_UP | 0x1000000, false, true}, /* of one interface */
		{"10.1.0.0", RTSOCK_UP | 0x800000, false, false}, /* multicast */
		{"224.0.0.0", RTSOCK_UP, false, false},
		{"fe80::", RTSOCK_UP, false, false},
	};
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
		for (unsigned s = 0; s < 2; s++) {
			struct bsd_message m;
			struct kernel_route route;
			bsd_begin(&m, systems[s], RTSOCK_ROUTE_ADD, 2, cases[i].flags);
			bsd_address(&m, BSD_DST, cases[i].dst);
			bsd_link(&m, BSD_GATEWAY, 2, "en0");
			struct rtsock_message out = parse(&m);
			assert_int_equal(rtsock_kernel_route(systems[s], &out, &route),
				s == 0 ? cases[i].macos : cases[i].freebsd);
		}
}

static void test_kinds(void **state)
{
	(void)state;
	static const struct {
		uint32_t flags;
		uint8_t kind, protocol;
		uint32_t ifindex;
	} cases[] = {
		{RTSOCK_UP, ROUTE_UNICAST, 0, 2},
		{RTSOCK_UP | RTSOCK_OURS, ROUTE_UNICAST, ROUTE_PROTOCOL_WARREN, 2},
		{RTSOCK_UP | RTSOCK_BLACKHOLE, ROUTE_REJECT, 0, 0},
		{RTSOCK_UP | RTSOCK_REJECT, ROUTE_REJECT, 0, 0},
		{RTSOCK_UP | RTSOCK_LOCAL, ROUTE_LOCAL, 0, 2},
		{RTSOCK_UP | RTSOCK_BROADCAST, ROUTE_LOCAL, 0, 2},
	};
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct bsd_message m;
		struct kernel_route route;
		bsd_begin(&m, &rtsock_freebsd, RTSOCK_ROUTE_ADD, 2, cases[i].flags);
		bsd_address(&m, BSD_DST, "10.1.0.0");
		bsd_link(&m, BSD_GATEWAY, 2, "em0");
		bsd_mask(&m, 4, 16);
		struct rtsock_message out = parse(&m);
		assert_true(rtsock_kernel_route(&rtsock_freebsd, &out, &route));
		assert_int_equal(route.kind, cases[i].kind);
		assert_int_equal(route.protocol, cases[i].protocol);
		assert_int_equal(route.ifindex, cases[i].ifindex);
	}
}

/* What failed is told, too, with its error. */
static void test_failed_request(void **state)
{
	(void)state;
	struct bsd_message m;
	struct kernel_route route;
	int32_t error = 17;
	bsd_begin(&m, &rtsock_macos, RTSOCK_ROUTE_ADD, 2, RTSOCK_UP);
	bsd_address(&m, BSD_DST, "10.1.0.0");
	memcpy(m.bytes + 24, &error, sizeof error);
	struct rtsock_message out = parse(&m);
	assert_int_equal(out.error, 17);
	assert_false(rtsock_kernel_route(&rtsock_macos, &out, &route));
}

/* At every length: never a byte behind it, and never a whole message. */
static void test_truncated(void **state)
{
	(void)state;
	struct bsd_message m;
	const struct rtsock_abi *abi;
	for
		EACH_SYSTEM(abi)
		{
			bsd_begin(&m, abi, RTSOCK_ROUTE_ADD, 7, RTSOCK_UP | RTSOCK_GATEWAY);
			bsd_address(&m, BSD_DST, "10.1.0.0");
			bsd_address(&m, BSD_GATEWAY, "10.0.0.2");
			bsd_end(&m);
			for (size_t len = 0; len < m.len; len++) {
				struct rtsock_message out;
				size_t used;
				uint8_t copy[512];
				memcpy(copy, m.bytes, len);
				assert_false(rtsock_parse(abi, copy, len, &used, &out));
				assert_int_equal(used, 0);
				if (len < 4)
					continue;
				uint16_t says = (uint16_t)len; /* and one that says so itself */
				memcpy(copy, &says, sizeof says);
				if (rtsock_parse(abi, copy, len, &used, &out))
					assert_true(out.gateway.family == 4);
				assert_int_equal(used, len);
			}
		}
}

static void test_wrong_version(void **state)
{
	(void)state;
	struct bsd_message m;
	struct rtsock_message out;
	size_t used;
	bsd_begin(&m, &rtsock_macos, RTSOCK_ROUTE_ADD, 7, RTSOCK_UP);
	bsd_address(&m, BSD_DST, "10.1.0.0");
	bsd_end(&m);
	m.bytes[2] = 4;
	assert_false(rtsock_parse(&rtsock_macos, m.bytes, m.len, &used, &out));
	assert_int_equal(used, m.len);
}

static void test_mask_with_a_hole(void **state)
{
	(void)state;
	struct bsd_message m;
	struct rtsock_message out;
	size_t used;
	bsd_begin(&m, &rtsock_macos, RTSOCK_ROUTE_ADD, 7, RTSOCK_UP);
	bsd_address(&m, BSD_DST, "10.1.0.0");
	bsd_link(&m, BSD_GATEWAY, 7, "en0");
	bsd_raw(&m, BSD_NETMASK, "\x07\x02\0\0\xff\x00\xff", 7);
	bsd_end(&m);
	assert_false(rtsock_parse(&rtsock_macos, m.bytes, m.len, &used, &out));
}

/* What we ask for reads back as what we meant. */
static void test_requests(void **state)
{
	(void)state;
	static const char *const prefixes[] = {"10.0.0.0/8", "0.0.0.0/0", "10.1.2.3/32",
		"2001:db8::/33", "::/0", "2001:db8::1/128"};
	const struct rtsock_abi *abi;
	for
		EACH_SYSTEM(abi)
	for (unsigned i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
		for (unsigned by_gateway = 0; by_gateway < 2; by_gateway++) {
			uint8_t bytes[512];
			struct prefix p;
			struct ip_addr gateway;
			struct rtsock_message out;
			size_t used;
			prefix_parse(prefixes[i], &p);
			addr_parse(p.addr.family == 4 ? "10.0.0.1" : "2001:db8::9", &gateway);
			size_t len = rtsock_build_route(abi, RTSOCK_ROUTE_ADD, true, 12, &p,
				by_gateway ? &gateway : NULL, 300, bytes, sizeof bytes);
			assert_true(rtsock_parse(abi, bytes, len, &used, &out));
			assert_int_equal(used, len);
			assert_int_equal(out.seq, 12);
			assert_int_equal(out.ifindex, 300);
			assert_true(out.flags & RTSOCK_OURS);
			assert_prefix(&out.prefix, prefixes[i]);
			assert_int_equal(out.gateway.family, by_gateway ? p.addr.family : 0);
			for (size_t cap = 0; cap < len; cap++)
				assert_int_equal(
					rtsock_build_route(abi, RTSOCK_ROUTE_ADD, true, 12, &p,
						by_gateway ? &gateway : NULL, 300, bytes, cap),
					0);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_default_route),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_gateway_of_other_family),
		cmocka_unit_test(test_addresses_and_links),
		cmocka_unit_test(test_interface_leaves),
		cmocka_unit_test(test_what_a_mirror_leaves_out),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_failed_request),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_wrong_version),
		cmocka_unit_test(test_mask_with_a_hole),
		cmocka_unit_test(test_requests),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
