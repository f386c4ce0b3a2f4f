/* IP headers: the strict look, a router's edits, checksums, MSS clamping, ICMP errors. */
#include "core/wire/ip.h"
#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/wire/icmp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

#define ROUTER4 "192.0.2.254"
#define ROUTER6 "2001:db8::fe"

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;
	assert_true(addr_parse(text, &a));
	return a;
}

/* A packet of either family around a payload, with a right header checksum. */
static size_t build(uint8_t *ip, const char *src, const char *dst, uint8_t proto,
	const void *payload, size_t len)
{
	struct ip_addr s = addr(src), d = addr(dst);
	size_t hdr = s.family == 4 ? IP4_HDR_LEN : IP6_HDR_LEN;
	memset(ip, 0, hdr);
	if (s.family == 4) {
		ip[0] = 0x45;
		store_u16(ip + 2, (uint16_t)(hdr + len));
		ip[8] = 64;
		ip[9] = proto;
		memcpy(ip + 12, s.bytes, 4);
		memcpy(ip + 16, d.bytes, 4);
		store_u16(ip + 10, ip_checksum(ip, hdr));
	} else {
		ip[0] = 0x60;
		store_u16(ip + 4, (uint16_t)len);
		ip[6] = proto;
		ip[7] = 64;
		memcpy(ip + 8, s.bytes, 16);
		memcpy(ip + 24, d.bytes, 16);
	}
	if (len > 0)
		memcpy(ip + hdr, payload, len);
	return hdr + len;
}

static void fix_header(uint8_t *ip)
{
	store_u16(ip + 10, 0);
	store_u16(ip + 10, ip_checksum(ip, (ip[0] & 15) * 4u));
}

static void peek_both_families(void **state)
{
	(void)state;
	uint8_t ip[128];
	struct ip_view v;
	size_t len = build(ip, "10.1.2.3", "10.4.5.6", IP_PROTO_UDP, "12345678", 8);
	ip[1] = 0xB9;
	store_u16(ip + 6, 0x4000);
	assert_int_equal(ip_peek(ip, len + 20, &v), 0);
	struct ip_addr src = addr("10.1.2.3"), dst = addr("10.4.5.6");
	assert_true(addr_equal(&v.src, &src) && addr_equal(&v.dst, &dst));
	assert_true(v.version == 4 && v.proto == IP_PROTO_UDP && v.ttl == 64 && v.tos == 0xB9);
	assert_true(v.total_len == 28 && v.hdr_len == 20 && v.df && !v.fragment);

	len = build(ip, "2001:db8::1", "2001:db8::2", IP_PROTO_TCP, "12345678", 8);
	ip[0] = 0x6B;
	ip[1] = 0x9F;
	assert_int_equal(ip_peek(ip, len, &v), 0);
	src = addr("2001:db8::1");
	dst = addr("2001:db8::2");
	assert_true(addr_equal(&v.src, &src) && addr_equal(&v.dst, &dst));
	assert_true(v.version == 6 && v.proto == IP_PROTO_TCP && v.ttl == 64 && v.tos == 0xB9);
	assert_true(v.total_len == 48 && v.hdr_len == 40 && v.df && !v.fragment);
}

static void peek_fragments(void **state)
{
	(void)state;
	static const struct {
		uint16_t field;
		bool fragment, df;
	} rows[] = {{0x0000, false, false}, {0x4000, false, true}, {0x2000, true, false},
		{0x0001, true, false}, {0x3FFF, true, false}, {0x8000, false, false}};
	uint8_t ip[128];
	struct ip_view v;
	size_t len = build(ip, "10.1.2.3", "10.4.5.6", IP_PROTO_UDP, "12345678", 8);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		store_u16(ip + 6, rows[i].field);
		assert_int_equal(ip_peek(ip, len, &v), 0);
		assert_int_equal(v.fragment, rows[i].fragment);
		assert_int_equal(v.df, rows[i].df);
	}
	/* Behind a hop-by-hop header, and the first fragment too. */
	static const uint8_t chain[] = {
		44, 0, 1, 4, 0, 0, 0, 0, 17, 0, 0, 1, 0, 0, 0, 9, 1, 2, 3, 4};
	len = build(ip, "2001:db8::1", "2001:db8::2", 0, chain, sizeof chain);
	assert_int_equal(ip_peek(ip, len, &v), 0);
	assert_true(v.fragment && v.proto == 0);
}

static void peek_refuses(void **state)
{
	(void)state;
	uint8_t ip[128];
	struct ip_view v;
	size_t len = build(ip, "10.1.2.3", "10.4.5.6", IP_PROTO_UDP, "12345678", 8);
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(ip_peek(ip, cut, &v), ERR_TRUNCATED);
	ip[0] = 0x44;
	assert_int_equal(ip_peek(ip, len, &v), ERR_MALFORMED);
	ip[0] = 0x48; /* header of 32 bytes in a packet of 28 */
	assert_int_equal(ip_peek(ip, len + 8, &v), ERR_MALFORMED);
	ip[0] = 0x45;
	store_u16(ip + 2, 19);
	assert_int_equal(ip_peek(ip, len, &v), ERR_MALFORMED);
	store_u16(ip + 2, 29);
	assert_int_equal(ip_peek(ip, len, &v), ERR_TRUNCATED);
	static const uint8_t versions[] = {0x00, 0x15, 0x55, 0x75, 0xF5};
	for (size_t i = 0; i < sizeof versions; i++) {
		ip[0] = versions[i];
		assert_int_equal(ip_peek(ip, len, &v), ERR_VERSION);
	}
	len = build(ip, "2001:db8::1", "2001:db8::2", IP_PROTO_UDP, "12345678", 8);
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(ip_peek(ip, cut, &v), ERR_TRUNCATED);
}

static void transport_behind_extensions(void **state)
{
	(void)state;
	static const uint8_t chain[] = {60, 0, 1, 4, 0, 0, 0, 0,  /* hop-by-hop */
		43, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* destination options */
		51, 0, 0, 0, 0, 0, 0, 0,                          /* routing */
		44, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* AH */
		17, 0, 0, 0, 0, 0, 0, 1, /* fragment, the only one */
		1, 2, 3, 4, 5, 6, 7, 8};
	uint8_t ip[256], proto;
	size_t offset = 0, len = build(ip, "2001:db8::1", "2001:db8::2", 0, chain, sizeof chain);
	assert_true(ip_transport(ip, len, &proto, &offset));
	assert_int_equal(proto, IP_PROTO_UDP);
	assert_int_equal(offset, 40 + sizeof chain - 8);
	/* Cut in the chain, at its very end, and a fragment in the middle. */
	store_u16(ip + 4, sizeof chain - 17);
	assert_false(ip_transport(ip, len, &proto, &offset));
	store_u16(ip + 4, sizeof chain - 8);
	assert_true(ip_transport(ip, len, &proto, &offset));
	store_u16(ip + 4, sizeof chain);
	store_u16(ip + 40 + 58, 8);
	assert_false(ip_transport(ip, len, &proto, &offset));

	len = build(ip, "10.1.2.3", "10.4.5.6", IP_PROTO_TCP, chain, 24);
	assert_true(ip_transport(ip, len, &proto, &offset));
	assert_true(proto == IP_PROTO_TCP && offset == 20);
	store_u16(ip + 6, 0x2000);
	assert_true(ip_transport(ip, len, &proto, &offset));
	store_u16(ip + 6, 0x2001);
	assert_false(ip_transport(ip, len, &proto, &offset));
}

/* A chain longer than any real one is not followed for ever. */
static void endless_chain(void **state)
{
	(void)state;
	uint8_t ip[400], options[320] = {0}, proto;
	size_t offset;
	for (size_t i = 0; i < sizeof options; i += 8)
		options[i] = 60;
	size_t len = build(ip, "2001:db8::1", "2001:db8::2", 60, options, sizeof options);
	assert_false(ip_transport(ip, len, &proto, &offset));
}

static void ttl(void **state)
{
	(void)state;
	uint8_t ip[64];
	build(ip, "10.1.2.3", "10.4.5.6", IP_PROTO_UDP, NULL, 0);
	for (unsigned value = 255; value > 1; value--) {
		ip[8] = (uint8_t)value;
		fix_header(ip);
		assert_true(ip_ttl_decrement(ip));
		assert_int_equal(ip[8], value - 1);
		assert_int_equal(ip_checksum(ip, 20), 0);
	}
	for (uint8_t value = 0; value < 2; value++) {
		ip[8] = value;
		assert_false(ip_ttl_decrement(ip));
		assert_int_equal(ip[8], value);
	}
	build(ip, "2001:db8::1", "2001:db8::2", IP_PROTO_UDP, NULL, 0);
	assert_true(ip_ttl_decrement(ip));
	assert_int_equal(ip[7], 63);
	ip[7] = 1;
	assert_false(ip_ttl_decrement(ip));
}

static void tos(void **state)
{
	(void)state;
	uint8_t ip[64];
	build(ip, "10.1.2.3", "10.4.5.6", IP_PROTO_UDP, NULL, 0);
	for (unsigned value = 0; value < 256; value++) {
		ip_set_tos(ip, (uint8_t)value);
		assert_int_equal(ip_tos(ip), value);
		assert_int_equal(ip_checksum(ip, 20), 0);
	}
	build(ip, "2001:db8::1", "2001:db8::2", IP_PROTO_UDP, NULL, 0);
	store_u32(ip, 0x600ABCDE); /* the flow label stays */
	ip_set_tos(ip, 0xB9);
	assert_int_equal(load_u32(ip), 0x6B9ABCDE);
	assert_int_equal(ip_tos(ip), 0xB9);
}

/* RFC 6040 figure 4: rows inner, columns outer, in the order not-ECT, ECT(1), ECT(0), CE. */
static void ecn_table(void **state)
{
	(void)state;
	static const int table[4][4] = {
		{0, 0, 0, -1},
		{1, 1, 1, 3},
		{2, 1, 2, 3},
		{3, 3, 3, 3},
	};
	for (uint8_t inner = 0; inner < 4; inner++)
		for (uint8_t outer = 0; outer < 4; outer++)
			for (int v6 = 0; v6 < 2; v6++) {
				uint8_t ip[64];
				build(ip, v6 ? "2001:db8::1" : "10.1.2.3",
					v6 ? "2001:db8::2" : "10.4.5.6", 17, NULL, 0);
				ip_set_tos(ip, 0xB8 | inner);
				int rc = ecn_decap(0x40 | outer, ip);
				int expected = table[inner][outer];
				assert_int_equal(rc, expected < 0 ? ERR_MALFORMED : 0);
				assert_int_equal(
					ip_tos(ip), 0xB8 | (expected < 0 ? inner : expected));
				if (!v6)
					assert_int_equal(ip_checksum(ip, 20), 0);
			}
	for (unsigned value = 0; value < 256; value++)
		assert_int_equal(ecn_encap((uint8_t)value), value);
}

/* RFC 1071 section 3 has this example; the rest against a slow sum. */
static void checksums(void **state)
{
	(void)state;
	static const uint8_t example[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
	assert_int_equal(ip_checksum(example, sizeof example), (uint16_t)~0xddf2);
	assert_int_equal(ip_checksum(example, 0), 0xFFFF);
	static uint8_t data[65535];
	uint32_t seed = 1;
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 24);
	for (size_t len = 0; len <= sizeof data; len = len < 70 ? len + 1 : len * 3 + 1) {
		uint32_t sum = 0;
		for (size_t i = 0; i < len; i++) {
			sum += i & 1 ? data[i] : (uint32_t)data[i] << 8;
			sum = (sum >> 16) + (sum & 0xFFFF);
		}
		assert_int_equal(ip_checksum(data, len), (uint16_t)~sum);
	}
	/* At any address, in parts, and on top of any sum. */
	for (size_t at = 0; at < 16; at++) {
		for (size_t len = 1; len < 100; len++) {
			uint32_t head = ip_sum(0xFFFFFFFF, data + at, len & ~1u);
			memcpy(data + 1000, data + at, 200);
			uint16_t whole = ip_checksum(data + 1000, (len & ~1u) + len);
			assert_int_equal(
				ip_sum_finish(ip_sum(head, data + at + (len & ~1u), len)), whole);
		}
	}
	memset(data, 0xFF, sizeof data);
	assert_int_equal(ip_checksum(data, 65534), 0);
}

static void adjusted_checksums(void **state)
{
	(void)state;
	uint32_t seed = 7;
	for (int i = 0; i < 20000; i++) {
		uint8_t data[12];
		for (size_t k = 0; k < sizeof data; k++)
			data[k] = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 24);
		uint16_t before = ip_checksum(data, sizeof data), old = load_u16(data + 4);
		uint16_t now = i % 3 ? (uint16_t)(seed >> 8) : i % 2 ? 0 : 0xFFFF;
		store_u16(data + 4, now);
		assert_int_equal(
			ip_checksum_adjust(before, old, now), ip_checksum(data, sizeof data));
	}
}

/* The pseudo headers of both families, by hand. */
static void transport_checksums(void **state)
{
	(void)state;
	static const uint8_t udp[] = {0x13, 0x88, 0x17, 0x70, 0x00, 0x09, 0x00, 0x00, 0x61};
	struct ip_addr a = addr("192.0.2.1"), b = addr("198.51.100.2");
	/* c000 0201 c633 6402 0011 0009 1388 1770 0009 6100 */
	assert_int_equal(ip_checksum_transport(&a, &b, IP_PROTO_UDP, udp, sizeof udp), 0x87AC);
	a = addr("2001:db8::1");
	b = addr("2001:db8::2");
	/* 2 * (2001 0db8) 0001 0002 0011 0009 1388 1770 0009 6100 */
	assert_int_equal(ip_checksum_transport(&a, &b, IP_PROTO_UDP, udp, sizeof udp), 0x186F);
}

static const struct {
	const char *name;
	uint8_t flags, options[12];
	size_t options_len;
	uint16_t mtu4;        /* for IPv6 20 more */
	uint8_t expected[12]; /* of the options */
} clamps[] = {
	{"alone", 2, {2, 4, 5, 180}, 4, 1400, {2, 4, 5, 80}},
	{"SYN ACK", 0x12, {2, 4, 5, 180}, 4, 1400, {2, 4, 5, 80}},
	{"odd offset", 2, {1, 2, 4, 5, 180, 3, 3, 7}, 8, 1400, {1, 2, 4, 5, 80, 3, 3, 7}},
	{"behind another", 2, {3, 3, 7, 2, 4, 5, 180, 0}, 8, 1400, {3, 3, 7, 2, 4, 5, 80, 0}},
	{"twice", 2, {2, 4, 5, 180, 2, 4, 255, 255}, 8, 1400, {2, 4, 5, 80, 2, 4, 5, 80}},
	{"never raised", 2, {2, 4, 5, 80}, 4, 1500, {2, 4, 5, 80}},
	{"just right", 2, {2, 4, 5, 80}, 4, 1400, {2, 4, 5, 80}},
	{"no SYN", 0x10, {2, 4, 5, 180}, 4, 1400, {2, 4, 5, 180}},
	{"behind End", 2, {0, 1, 1, 1, 2, 4, 5, 180}, 8, 1400, {0, 1, 1, 1, 2, 4, 5, 180}},
	{"length 0", 2, {3, 0, 2, 4, 5, 180, 1, 1}, 8, 1400, {3, 0, 2, 4, 5, 180, 1, 1}},
	{"length 1", 2, {3, 1, 2, 4, 5, 180, 1, 1}, 8, 1400, {3, 1, 2, 4, 5, 180, 1, 1}},
	{"longer than the header", 2, {1, 1, 2, 4}, 4, 1400, {1, 1, 2, 4}},
	{"odd MSS length", 2, {2, 3, 5, 180}, 4, 1400, {2, 3, 5, 180}},
	{"kind at the end", 2, {1, 1, 1, 2}, 4, 1400, {1, 1, 1, 2}},
	{"empty option at the end", 2, {1, 1, 3, 2}, 4, 1400, {1, 1, 3, 2}},
	{"absurd MTU", 2, {2, 4, 5, 180}, 4, 40, {2, 4, 5, 180}},
	{"no options", 2, {0}, 0, 1400, {0}},
};

static size_t build_tcp(uint8_t *ip, bool v6, uint8_t flags, const uint8_t *options, size_t len)
{
	uint8_t tcp[32] = {0x9C, 0x40, 0x01, 0xBB};
	const char *src = v6 ? "2001:db8::1" : "10.1.2.3", *dst = v6 ? "2001:db8::2" : "10.4.5.6";
	struct ip_addr s = addr(src), d = addr(dst);
	tcp[12] = (uint8_t)((20 + len) / 4 << 4);
	tcp[13] = flags;
	memcpy(tcp + 20, options, len);
	store_u16(tcp + 16, ip_checksum_transport(&s, &d, IP_PROTO_TCP, tcp, 20 + len));
	return build(ip, src, dst, IP_PROTO_TCP, tcp, 20 + len);
}

static void mss_clamp(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof clamps / sizeof *clamps; i++)
		for (int v6 = 0; v6 < 2; v6++) {
			uint8_t ip[128], expected[128];
			size_t n = clamps[i].options_len;
			uint16_t mtu = (uint16_t)(clamps[i].mtu4 + (v6 ? 20 : 0));
			bool change = memcmp(clamps[i].options, clamps[i].expected, n) != 0;
			size_t len = build_tcp(ip, v6, clamps[i].flags, clamps[i].options, n);
			build_tcp(expected, v6, clamps[i].flags, clamps[i].expected, n);
			if (ip_mss_clamp(ip, len, mtu) != change || memcmp(ip, expected, len) != 0)
				fail_msg("%s, IPv%d", clamps[i].name, v6 ? 6 : 4);
		}
}

static void mss_clamp_leaves_alone(void **state)
{
	(void)state;
	static const uint8_t options[] = {2, 4, 5, 180};
	uint8_t ip[128], copy[128];
	size_t len = build_tcp(ip, false, 2, options, sizeof options);
	static const uint16_t fragments[] = {0x2000, 0x0001, 0x2001};
	for (size_t i = 0; i < 3; i++) {
		store_u16(ip + 6, fragments[i]);
		assert_false(ip_mss_clamp(ip, len, 1000));
	}
	store_u16(ip + 6, 0);
	memcpy(copy, ip, len);
	for (size_t cut = 0; cut < len; cut++)
		assert_false(ip_mss_clamp(copy, cut, 1000));
	for (uint8_t words = 0; words < 16; words++) {
		memcpy(copy, ip, len);
		copy[32] = (uint8_t)(words << 4);
		assert_int_equal(ip_mss_clamp(copy, len, 1000), words == 6);
	}
	ip[9] = IP_PROTO_UDP;
	assert_false(ip_mss_clamp(ip, len, 1000));
	len = build(ip, "10.1.2.3", "10.4.5.6", IP_PROTO_TCP, options, sizeof options);
	assert_false(ip_mss_clamp(ip, len, 1000)); /* shorter than a TCP header */
	assert_false(ip_mss_clamp(ip, 0, 1000));
}

static const struct {
	enum icmp_kind kind;
	uint8_t type4, code4, type6, code6;
} kinds[] = {
	{ICMP_TIME_EXCEEDED, 11, 0, 3, 0},
	{ICMP_TOO_BIG, 3, 4, 2, 0},
	{ICMP_NET_UNREACHABLE, 3, 0, 1, 0},
	{ICMP_HOST_UNREACHABLE, 3, 1, 1, 3},
	{ICMP_ADMIN_PROHIBITED, 3, 13, 1, 1},
};

static void icmp4_errors(void **state)
{
	(void)state;
	struct ip_addr router = addr(ROUTER4), sender = addr("10.1.2.3");
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		uint8_t ip[64], out[576];
		struct ip_view v;
		size_t len = build(ip, "10.1.2.3", "10.4.5.6", IP_PROTO_UDP, "12345678", 8);
		int n = icmp_error(out, sizeof out, ip, len, kinds[i].kind, 1400, &router);
		assert_int_equal(n, 20 + 8 + 28);
		assert_int_equal(ip_peek(out, (size_t)n, &v), 0);
		assert_true(addr_equal(&v.src, &router) && addr_equal(&v.dst, &sender));
		assert_true(v.total_len == 56 && v.proto == IP_PROTO_ICMP && v.ttl == 64);
		assert_int_equal(ip_checksum(out, 20), 0);
		assert_int_equal(ip_checksum(out + 20, 36), 0);
		assert_int_equal(out[20], kinds[i].type4);
		assert_int_equal(out[21], kinds[i].code4);
		assert_int_equal(load_u32(out + 24), kinds[i].kind == ICMP_TOO_BIG ? 1400 : 0);
		assert_memory_equal(out + 28, ip, len);
	}
}

static void icmp6_errors(void **state)
{
	(void)state;
	struct ip_addr router = addr(ROUTER6), sender = addr("2001:db8::1");
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		uint8_t ip[64], out[1280];
		struct ip_view v;
		size_t len = build(ip, "2001:db8::1", "2001:db8::2", IP_PROTO_UDP, "12345678", 8);
		int n = icmp_error(out, sizeof out, ip, len, kinds[i].kind, 1400, &router);
		assert_int_equal(n, 40 + 8 + 48);
		assert_int_equal(ip_peek(out, (size_t)n, &v), 0);
		assert_true(addr_equal(&v.src, &router) && addr_equal(&v.dst, &sender));
		assert_true(v.total_len == 96 && v.proto == IP_PROTO_ICMPV6 && v.ttl == 64);
		assert_int_equal(
			ip_checksum_transport(&v.src, &v.dst, IP_PROTO_ICMPV6, out + 40, 56), 0);
		assert_int_equal(out[40], kinds[i].type6);
		assert_int_equal(out[41], kinds[i].code6);
		assert_int_equal(load_u32(out + 44), kinds[i].kind == ICMP_TOO_BIG ? 1400 : 0);
		assert_memory_equal(out + 48, ip, len);
	}
}

/* As much as fits is quoted; the error may be built where the packet is, and next to it. */
static void icmp_in_place(void **state)
{
	(void)state;
	static const size_t sizes[] = {0, 1, 547, 548, 549, 1231, 1232, 1233, 1400};
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		for (int v6 = 0; v6 < 2; v6++)
			for (int shift = -28; shift <= 28; shift += 28) {
				uint8_t payload[1400], room[1600], out[1280];
				struct ip_addr router = addr(v6 ? ROUTER6 : ROUTER4);
				for (size_t k = 0; k < sizeof payload; k++)
					payload[k] = (uint8_t)(k * 7);
				uint8_t *ip = room + 64;
				size_t len = build(ip, v6 ? "2001:db8::1" : "10.1.2.3",
					v6 ? "2001:db8::2" : "10.4.5.6", IP_PROTO_UDP, payload,
					sizes[i]);
				int n = icmp_error(
					out, sizeof out, ip, len, ICMP_TOO_BIG, 1280, &router);
				size_t hdr = v6 ? 48 : 28, max = v6 ? 1280 : 576;
				assert_int_equal(n, hdr + len < max ? hdr + len : max);
				assert_memory_equal(out + hdr, ip, (size_t)n - hdr);
				assert_int_equal(icmp_error(ip + shift, (size_t)n - 1, ip, len,
							 ICMP_TOO_BIG, 1280, &router),
					ERR_NO_SPACE);
				assert_int_equal(icmp_error(ip + shift, (size_t)n, ip, len,
							 ICMP_TOO_BIG, 1280, &router),
					n);
				assert_memory_equal(ip + shift, out, (size_t)n);
			}
}

static const struct {
	const char *src, *dst;
	uint8_t proto;
	const char *payload;
	size_t len;
	uint16_t fragment; /* IPv4 */
	bool allowed;
} subjects[] = {
	{"10.1.2.3", "10.4.5.6", 1, "\10\0", 2, 0, true}, /* echo request */
	{"10.1.2.3", "10.4.5.6", 1, "\0\0", 2, 0, true},
	{"10.1.2.3", "10.4.5.6", 1, "\15\0", 2, 0, true}, /* timestamp */
	{"10.1.2.3", "10.4.5.6", 1, "\3\1", 2, 0, false},
	{"10.1.2.3", "10.4.5.6", 1, "\4\0", 2, 0, false},
	{"10.1.2.3", "10.4.5.6", 1, "\5\0", 2, 0, false},
	{"10.1.2.3", "10.4.5.6", 1, "\13\0", 2, 0, false},
	{"10.1.2.3", "10.4.5.6", 1, "\14\0", 2, 0, false},
	{"10.1.2.3", "10.4.5.6", 1, "", 0, 0, false}, /* type not there */
	{"10.1.2.3", "10.4.5.6", 17, "12", 2, 0x2000, true},
	{"10.1.2.3", "10.4.5.6", 17, "12", 2, 0x2001, false},
	{"10.1.2.3", "10.4.5.6", 17, "12", 2, 0x0001, false},
	{"10.1.2.3", "224.0.0.5", 17, "12", 2, 0, false},
	{"10.1.2.3", "255.255.255.255", 17, "12", 2, 0, false},
	{"0.0.0.0", "10.4.5.6", 17, "12", 2, 0, false},
	{"127.0.0.1", "10.4.5.6", 17, "12", 2, 0, false},
	{"224.0.0.5", "10.4.5.6", 17, "12", 2, 0, false},
	{"255.255.255.255", "10.4.5.6", 17, "12", 2, 0, false},
	{"240.0.0.1", "10.4.5.6", 17, "12", 2, 0, false},
	{"10.1.2.3", "10.4.5.6", 58, "\1\0", 2, 0, true}, /* 58 means nothing in IPv4 */
	{"2001:db8::1", "2001:db8::2", 58, "\200\0", 2, 0, true},
	{"2001:db8::1", "2001:db8::2", 58, "\1\0", 2, 0, false},
	{"2001:db8::1", "2001:db8::2", 58, "\2\0", 2, 0, false},
	{"2001:db8::1", "2001:db8::2", 58, "\177\0", 2, 0, false},
	{"2001:db8::1", "2001:db8::2", 58, "\211\0", 2, 0, false}, /* redirect */
	{"2001:db8::1", "2001:db8::2", 58, "", 0, 0, false},
	{"2001:db8::1", "2001:db8::2", 1, "\3\0", 2, 0, true},
	{"2001:db8::1", "2001:db8::2", 0, "12", 2, 0, false}, /* a chain that ends nowhere */
	{"2001:db8::1", "ff02::5", 17, "12", 2, 0, false},
	{"::", "2001:db8::2", 17, "12", 2, 0, false},
	{"::1", "2001:db8::2", 17, "12", 2, 0, false},
	{"ff02::1", "2001:db8::2", 17, "12", 2, 0, false},
	{"fe80::1", "2001:db8::2", 17, "12", 2, 0, true},
};

static void icmp_subjects(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) {
		uint8_t ip[128], out[1280];
		size_t len = build(ip, subjects[i].src, subjects[i].dst, subjects[i].proto,
			subjects[i].payload, subjects[i].len);
		bool v6 = ip[0] >> 4 == 6;
		if (!v6)
			store_u16(ip + 6, subjects[i].fragment);
		struct ip_addr router = addr(v6 ? ROUTER6 : ROUTER4);
		int n = icmp_error(out, sizeof out, ip, len, ICMP_TIME_EXCEEDED, 0, &router);
		if (subjects[i].allowed ? n < 0 : n != ERR_FORBIDDEN)
			fail_msg("row %zu: %d", i, n);
	}
}

static void icmp_refusals(void **state)
{
	(void)state;
	uint8_t ip[128], out[1280];
	size_t len = build(ip, "10.1.2.3", "10.4.5.6", IP_PROTO_UDP, "12345678", 8);
	struct ip_addr router6 = addr(ROUTER6), router4 = addr(ROUTER4), none = {0};
	struct ip_addr unspecified = addr("0.0.0.0");
	const struct ip_addr *bad[] = {&router6, &none, &unspecified};
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(icmp_error(out, sizeof out, ip, len, ICMP_TOO_BIG, 1, bad[i]),
			ERR_UNSUPPORTED);
	assert_int_equal(
		icmp_error(out, sizeof out, ip, len - 1, ICMP_TOO_BIG, 1, &router4), ERR_TRUNCATED);
	assert_int_equal(
		icmp_error(out, sizeof out, ip, 0, ICMP_TOO_BIG, 1, &router4), ERR_TRUNCATED);
	/* An MTU that has no room in the IPv4 field. */
	int n = icmp_error(out, sizeof out, ip, len, ICMP_TOO_BIG, 70000, &router4);
	assert_true(n > 0 && load_u16(out + 26) == 65535);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(peek_both_families),
		cmocka_unit_test(peek_fragments),
		cmocka_unit_test(peek_refuses),
		cmocka_unit_test(transport_behind_extensions),
		cmocka_unit_test(endless_chain),
		cmocka_unit_test(ttl),
		cmocka_unit_test(tos),
		cmocka_unit_test(ecn_table),
		cmocka_unit_test(checksums),
		cmocka_unit_test(adjusted_checksums),
		cmocka_unit_test(transport_checksums),
		cmocka_unit_test(mss_clamp),
		cmocka_unit_test(mss_clamp_leaves_alone),
		cmocka_unit_test(icmp4_errors),
		cmocka_unit_test(icmp6_errors),
		cmocka_unit_test(icmp_in_place),
		cmocka_unit_test(icmp_subjects),
		cmocka_unit_test(icmp_refusals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
