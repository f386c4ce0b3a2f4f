#include "core/trust/cert.h"

#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/crypto/primitives.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t network_id[32] = {1, 2, 3};
static const uint8_t static_key[32] = {9, 8, 7};
static uint8_t secret[SIGN_SECRET_LEN], issuer_key[32];

static int set_up(void **state)
{
	static const uint8_t seed[32] = {42};
	(void)state;
	if (prim_init() != 0)
		return -1;
	prim_sign_keypair(secret, issuer_key, seed);
	return 0;
}

static struct prefix net(const char *text)
{
	struct prefix p;
	assert_true(prefix_parse(text, &p));
	return p;
}

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;
	assert_true(addr_parse(text, &a));
	return a;
}

/* A spoke with a bit of everything, its lists out of order and with a duplicate. */
static struct cert example(void)
{
	struct cert c = {
		.serial = 0x0102030405060708,
		.not_before = 1000,
		.not_after = 2000,
		.role = CERT_SPOKE,
		.name = "spoke-1.example",
		.n_addresses = 2,
		.n_prefixes = 3,
		.n_groups = 3,
		.groups = {"ops", "Sales_1", "ops"},
	};
	c.addresses[0] = net("2001:db8::1/64");
	c.addresses[1] = net("10.9.0.1/16");
	c.prefixes[0] = net("192.168.7.0/24");
	c.prefixes[1] = net("10.64.0.0/10");
	c.prefixes[2] = net("2001:db8:7::/48");
	memcpy(c.static_key, static_key, sizeof static_key);
	return c;
}

static size_t sign_example(uint8_t out[CERT_MAX])
{
	struct cert c = example();
	int len = cert_sign(&c, network_id, secret, out, CERT_MAX);
	assert_true(len > 0);
	return (size_t)len;
}

/* The bytes that docs/protocol.md asks for, written out by hand. */
static void test_layout(void **state)
{
	static const uint8_t head[] = {1, 2, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 3,
		0xe8, 0, 0, 0, 0, 0, 0, 7, 0xd0};
	static const uint8_t tail[] = {15, 's', 'p', 'o', 'k', 'e', '-', '1', '.', 'e', 'x', 'a',
		'm', 'p', 'l', 'e', 2, 4, 16, 10, 9, 0, 1, 6, 64, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 1, 3, 4, 10, 10, 64, 4, 24, 192, 168, 7, 6, 48, 0x20, 1, 0xd,
		0xb8, 0, 7, 2, 3, 'o', 'p', 's', 7, 'S', 'a', 'l', 'e', 's', '_', '1', 0, 0};
	uint8_t bytes[CERT_MAX], id[8], hash[32];
	(void)state;

	size_t len = sign_example(bytes);
	assert_int_equal(len, sizeof head + 8 + sizeof tail + 64);
	assert_memory_equal(bytes, head, sizeof head);
	prim_hash(hash, 32, NULL, 0, PRIM_PARTS({issuer_key, 32}));
	cert_issuer_id(issuer_key, id);
	assert_memory_equal(id, hash, 8);
	assert_memory_equal(bytes + sizeof head, id, 8);
	assert_memory_equal(bytes + sizeof head + 8, tail, sizeof tail);
	assert_true(prim_verify(bytes + len - 64, issuer_key,
		PRIM_PARTS({"warren cert v1", 15}, {network_id, 32}, {static_key, 32},
			{bytes, len - 64})));
}

static void test_round_trip(void **state)
{
	uint8_t bytes[CERT_MAX], again[CERT_MAX];
	struct cert c;
	(void)state;

	size_t len = sign_example(bytes);
	assert_int_equal(cert_decode(bytes, len, &c), 0);
	assert_int_equal(c.serial, 0x0102030405060708);
	assert_string_equal(c.name, "spoke-1.example");
	assert_int_equal(c.n_addresses, 2);
	struct prefix first = net("10.9.0.1/16"); /* host bits kept */
	assert_true(prefix_equal(&c.addresses[0], &first));
	assert_int_equal(c.n_groups, 2);
	assert_true(cert_in_group(&c, "ops") && cert_in_group(&c, "Sales_1"));
	assert_false(cert_in_group(&c, "sales_1"));
	assert_int_equal(cert_encode(&c, again, sizeof again), len - 64);
	assert_memory_equal(again, bytes, len - 64);
	for (size_t cap = 0; cap < len - 64; cap++)
		assert_int_equal(cert_encode(&c, again, cap), ERR_NO_SPACE);
	for (size_t cap = len - 64; cap < len; cap++)
		assert_int_equal(cert_sign(&c, network_id, secret, again, cap), ERR_NO_SPACE);
}

static int verify(const uint8_t *bytes, size_t len)
{
	struct cert c;
	int err = cert_decode(bytes, len, &c);
	memcpy(c.static_key, static_key, sizeof static_key);
	return err ? err : cert_verify(bytes, len, &c, network_id, issuer_key);
}

static void test_tampered(void **state)
{
	uint8_t bytes[CERT_MAX];
	(void)state;

	size_t len = sign_example(bytes);
	assert_int_equal(verify(bytes, len), 0);
	for (size_t i = 0; i < len; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			bytes[i] ^= (uint8_t)(1 << bit);
			assert_int_not_equal(verify(bytes, len), 0);
			bytes[i] ^= (uint8_t)(1 << bit);
		}
	for (size_t cut = 0; cut < len; cut++)
		assert_int_not_equal(verify(bytes, cut), 0);
	bytes[len] = 0;
	assert_int_not_equal(verify(bytes, len + 1), 0);
}

static void test_bound_to_key_and_network(void **state)
{
	uint8_t bytes[CERT_MAX], other[32] = {0}, a[32], b[32];
	struct cert c;
	(void)state;

	size_t len = sign_example(bytes);
	assert_int_equal(cert_decode(bytes, len, &c), 0);
	assert_int_equal(cert_verify(bytes, len, &c, network_id, issuer_key), ERR_AUTH);
	memcpy(c.static_key, static_key, 32);
	assert_int_equal(cert_verify(bytes, len, &c, network_id, issuer_key), 0);
	assert_int_equal(cert_verify(bytes, len, &c, other, issuer_key), ERR_AUTH);
	assert_int_equal(cert_verify(bytes, len, &c, network_id, other), ERR_AUTH);
	assert_int_equal(cert_verify(bytes, 63, &c, network_id, issuer_key), ERR_AUTH);

	cert_fingerprint(bytes, len, static_key, network_id, a);
	bytes[len - 1] ^= 1; /* the signature is no part of it */
	cert_fingerprint(bytes, len, static_key, network_id, b);
	assert_memory_equal(a, b, 32);
	cert_fingerprint(bytes, len, other, network_id, b);
	assert_memory_not_equal(a, b, 32);
}

/* A certificate out of raw pieces, for encodings that no encoder makes. */
struct raw {
	const char *what;
	int expected;
	const char *head;      /* version, role, must-understand: 4 bytes */
	const char *name;      /* with its length */
	const char *addresses; /* with its count, as the following */
	const char *prefixes;
	const char *groups;
	const char *ext;
	uint8_t head_len, name_len, addresses_len, prefixes_len, groups_len, ext_len;
	bool backwards; /* not_after before not_before */
};

#define PIECE(field, text) .field = text, .field##_len = sizeof text - 1
#define A4                 "\4\x18\xa\x9\0\1"

static void test_refused(void **state)
{
	static const struct raw rows[] = {
		{.what = "plain", .expected = 0},
		{.what = "version 2", .expected = ERR_VERSION, PIECE(head, "\2\2\0\0")},
		{.what = "version 0", .expected = ERR_VERSION, PIECE(head, "\0\2\0\0")},
		{.what = "relay role", .expected = ERR_VERSION, PIECE(head, "\1\6\0\0")},
		{.what = "must understand", .expected = ERR_VERSION, PIECE(head, "\1\2\0\1")},
		{.what = "no role", .expected = ERR_MALFORMED, PIECE(head, "\1\0\0\0")},
		{.what = "default role alone", .expected = ERR_MALFORMED, PIECE(head, "\1\x8\0\0")},
		{.what = "hub and spoke", .expected = 0, PIECE(head, "\1\3\0\0")},
		{.what = "backwards", .expected = ERR_MALFORMED, .backwards = true},
		{.what = "empty name", .expected = ERR_MALFORMED, PIECE(name, "\0")},
		{.what = "upper case name", .expected = ERR_MALFORMED, PIECE(name, "\1X")},
		{.what = "NUL in name", .expected = ERR_MALFORMED, PIECE(name, "\3a\0b")},
		{.what = "escape in name", .expected = ERR_MALFORMED, PIECE(name, "\2\x1b[")},
		{.what = "name of 64",
			.expected = ERR_MALFORMED,
			PIECE(name,
				"\x40"
				"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"
				"f")},
		{.what = "no address", .expected = ERR_MALFORMED, PIECE(addresses, "\0")},
		{.what = "five addresses",
			.expected = ERR_MALFORMED,
			PIECE(addresses,
				"\5\4\x18\1\0\0\1\4\x18\1\0\0\2\4\x18\1\0\0\3\4\x18\1\0\0\4\4"
				"\x18\1\0\0\5")},
		{.what = "family 5",
			.expected = ERR_MALFORMED,
			PIECE(addresses, "\1\5\x18\xa\x9\0\1")},
		{.what = "plen 33",
			.expected = ERR_MALFORMED,
			PIECE(addresses, "\1\4\x21\xa\x9\0\1")},
		{.what = "address plen 0",
			.expected = ERR_MALFORMED,
			PIECE(addresses, "\1\4\0\xa\x9\0\1")},
		{.what = "same address twice",
			.expected = ERR_MALFORMED,
			PIECE(addresses, "\2" A4 A4)},
		{.what = "descending addresses",
			.expected = ERR_MALFORMED,
			PIECE(addresses, "\2\4\x18\xa\x9\0\2" A4)},
		{.what = "multicast address",
			.expected = ERR_MALFORMED,
			PIECE(addresses, "\1\4\x18\xe0\0\0\5")},
		{.what = "loopback address",
			.expected = ERR_MALFORMED,
			PIECE(addresses, "\1\4\x8\x7f\0\0\1")},
		{.what = "0.0.0.0",
			.expected = ERR_MALFORMED,
			PIECE(addresses, "\1\4\x18\0\0\0\0")},
		{.what = "link-local IPv6",
			.expected = ERR_MALFORMED,
			PIECE(addresses, "\1\6\x40\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\1")},
		{.what = "prefix", .expected = 0, PIECE(prefixes, "\1\4\x9\xa\x80")},
		{.what = "host bits", .expected = ERR_MALFORMED, PIECE(prefixes, "\1\4\x9\xa\x81")},
		{.what = "17 prefixes", .expected = ERR_MALFORMED, PIECE(prefixes, "\x11")},
		{.what = "descending prefixes",
			.expected = ERR_MALFORMED,
			PIECE(prefixes, "\2\4\x8\xb\4\x8\xa")},
		{.what = "ascending by length first",
			.expected = 0,
			PIECE(prefixes, "\2\4\x8\xb\4\x10\xa\1")},
		{.what = "default without the role",
			.expected = ERR_MALFORMED,
			PIECE(prefixes, "\1\4\0")},
		{.what = "default with the role",
			.expected = 0,
			PIECE(head, "\1\xa\0\0"),
			PIECE(prefixes, "\1\4\0")},
		{.what = "multicast prefix",
			.expected = ERR_MALFORMED,
			PIECE(prefixes, "\1\4\x8\xe0")},
		{.what = "loopback prefix",
			.expected = ERR_MALFORMED,
			PIECE(prefixes, "\1\4\x8\x7f")},
		{.what = "groups", .expected = 0, PIECE(groups, "\2\1b\2aa")},
		{.what = "descending groups",
			.expected = ERR_MALFORMED,
			PIECE(groups, "\2\2aa\1b")},
		{.what = "same group twice", .expected = ERR_MALFORMED, PIECE(groups, "\2\1b\1b")},
		{.what = "empty group", .expected = ERR_MALFORMED, PIECE(groups, "\1\0")},
		{.what = "blank in group", .expected = ERR_MALFORMED, PIECE(groups, "\1\3a b")},
		{.what = "nine groups",
			.expected = ERR_MALFORMED,
			PIECE(groups, "\x9\1a\1b\1c\1d\1e\1f\1g\1h\1i")},
		{.what = "group of 32",
			.expected = ERR_MALFORMED,
			PIECE(groups,
				"\1\x20"
				"0123456789abcdef0123456789abcdef")},
		{.what = "unknown extension", .expected = 0, PIECE(ext, "\0\5\1\0\0\1x")},
		{.what = "two extensions", .expected = 0, PIECE(ext, "\0\x9\1\0\0\1x\2\0\0\0")},
		{.what = "descending extensions",
			.expected = ERR_MALFORMED,
			PIECE(ext, "\0\x9\2\0\0\1x\1\0\0\0")},
		{.what = "critical extension",
			.expected = ERR_VERSION,
			PIECE(ext, "\0\5\x81\0\0\1x")},
		{.what = "extension past its list",
			.expected = ERR_MALFORMED,
			PIECE(ext, "\0\5\1\0\0\2x")},
		{.what = "extension's zero byte",
			.expected = ERR_MALFORMED,
			PIECE(ext, "\0\5\1\1\0\1x")},
		{.what = "list shorter than said",
			.expected = ERR_TRUNCATED,
			PIECE(ext, "\0\6\1\0\0\1x")},
		{.what = "trailing byte", .expected = ERR_MALFORMED, PIECE(ext, "\0\0\0")},
	};
	(void)state;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct raw *row = &rows[i];
		uint8_t bytes[600];
		struct writer w = writer_of(bytes, sizeof bytes);
		struct cert c;
#define PUT(field, otherwise)                                                                      \
	do {                                                                                       \
		if (row->field)                                                                    \
			write_bytes(&w, row->field, row->field##_len);                             \
		else                                                                               \
			write_bytes(&w, otherwise, sizeof otherwise - 1);                          \
	} while (0)
		PUT(head, "\1\2\0\0");
		write_u64(&w, 1);
		write_u64(&w, row->backwards ? 8 : 7);
		write_u64(&w, 7);
		write_zeros(&w, 8);
		PUT(name, "\1x");
		PUT(addresses, "\1" A4);
		PUT(prefixes, "\0");
		PUT(groups, "\0");
		PUT(ext, "\0\0");
		write_zeros(&w, 64);
		int got = cert_decode(bytes, writer_len(&w), &c);
		if (got != row->expected)
			fail_msg("%s: %d, expected %d", row->what, got, row->expected);
		if (got == 0 && row->ext_len)
			assert_int_equal(c.ext_len, row->ext_len - 2);
	}
}

static void test_too_long(void **state)
{
	uint8_t bytes[2 * CERT_MAX] = {0};
	struct cert c = example();
	(void)state;

	/* 445 bytes: sixteen of the longest prefixes still fit, a longer name does not. */
	c.n_prefixes = CERT_PREFIXES_MAX;
	for (uint8_t i = 0; i < CERT_PREFIXES_MAX; i++) {
		c.prefixes[i] = net("2001:db8::/128");
		c.prefixes[i].addr.bytes[15] = i;
	}
	assert_int_equal(cert_sign(&c, network_id, secret, bytes, sizeof bytes), 445);
	memcpy(c.name, "a-name-too-long-for-it", sizeof "a-name-too-long-for-it");
	assert_int_equal(cert_sign(&c, network_id, secret, bytes, sizeof bytes), ERR_NO_SPACE);
	assert_int_equal(cert_decode(bytes, CERT_MAX + 1, &c), ERR_MALFORMED);
}

/* A struct that breaks a rule is not encoded, whoever filled it in. */
static void test_encode_refuses(void **state)
{
	uint8_t bytes[CERT_MAX];
	struct cert c = example();
	(void)state;

	assert_int_equal(cert_encode(&c, bytes, sizeof bytes), ERR_MALFORMED); /* not sorted */
	cert_sort(&c);
	assert_true(cert_encode(&c, bytes, sizeof bytes) > 0);
	c.prefixes[0].len = 9;
	assert_int_equal(cert_encode(&c, bytes, sizeof bytes), ERR_MALFORMED);
	c = example();
	c.prefixes[0] = net("192.168.7.1/24"); /* host bits, which the encoding has no room for */
	assert_int_equal(cert_sign(&c, network_id, secret, bytes, sizeof bytes), ERR_MALFORMED);
	c = example();
	c.name[0] = '\0';
	assert_int_equal(cert_sign(&c, network_id, secret, bytes, sizeof bytes), ERR_MALFORMED);
	c = example();
	cert_sort(&c);
	c.n_groups = CERT_GROUPS_MAX + 1;
	assert_int_equal(cert_encode(&c, bytes, sizeof bytes), ERR_MALFORMED);
	c = example();
	c.prefixes[0] = net("0.0.0.0/0");
	assert_int_equal(cert_sign(&c, network_id, secret, bytes, sizeof bytes), ERR_MALFORMED);
}

static void test_covers_source(void **state)
{
	static const struct {
		const char *source;
		bool expected;
	} rows[] = {
		{"10.9.0.1", true},         /* its own address */
		{"10.9.0.2", false},        /* a neighbour, though 10.0.0.0/8 is its prefix */
		{"10.9.255.255", false},    /* likewise */
		{"10.10.0.2", true},        /* in a prefix, outside of the overlay subnet */
		{"192.168.7.255", true},    /* in a prefix */
		{"192.168.8.1", false},     /* nowhere */
		{"2001:db8::1", true},      /* its own address */
		{"2001:db8::2", false},     /* a neighbour */
		{"2001:db8:7::1", true},    /* in a prefix */
		{"2001:db8:8::1", false},   /* nowhere */
		{"0.0.0.0", false},         /* never */
		{"::", false},              /* never */
		{"224.0.0.5", false},       /* not unicast */
		{"255.255.255.255", false}, /* not unicast */
		{"fe80::1", false},         /* bound by another rule */
	};
	struct cert c = example();
	(void)state;

	c.prefixes[1] = net("10.0.0.0/8");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct ip_addr a = addr(rows[i].source);
		if (cert_covers_source(&c, &a) != rows[i].expected)
			fail_msg("%s", rows[i].source);
	}
	/* A default router: everything but its neighbours and what is no unicast source. */
	c.prefixes[1] = net("0.0.0.0/0");
	struct ip_addr far = addr("203.0.113.1"), near = addr("10.9.0.2"), none = addr("0.0.0.0");
	assert_true(cert_covers_source(&c, &far));
	assert_false(cert_covers_source(&c, &near));
	assert_false(cert_covers_source(&c, &none));
	struct ip_addr family0 = {0};
	assert_false(cert_covers_source(&c, &family0));
}

static void test_covers_prefix(void **state)
{
	static const struct {
		const char *prefix;
		bool expected;
	} rows[] = {
		{"10.9.0.1/32", true},
		{"10.9.0.2/32", false},
		{"10.9.0.0/16", false}, /* an address is its host alone */
		{"2001:db8::1/128", true},
		{"2001:db8::/64", false},
		{"10.64.0.0/10", true},
		{"10.65.0.0/16", true},
		{"10.0.0.0/9", false},
		{"192.168.7.0/24", true},
		{"192.168.6.0/23", false},
		{"0.0.0.0/0", false},
		{"::/0", false},
	};
	struct cert c = example();
	(void)state;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct prefix p = net(rows[i].prefix);
		if (cert_covers_prefix(&c, &p) != rows[i].expected)
			fail_msg("%s", rows[i].prefix);
	}
	/* A default route needs both: the prefix and the role. */
	struct prefix all4 = net("0.0.0.0/0"), all6 = net("::/0"), some = net("1.0.0.0/8");
	c.role |= CERT_DEFAULT;
	assert_false(cert_covers_prefix(&c, &all4));
	c.prefixes[0] = all4;
	assert_true(cert_covers_prefix(&c, &all4));
	assert_true(cert_covers_prefix(&c, &some));
	assert_false(cert_covers_prefix(&c, &all6));
	c.role = CERT_SPOKE;
	assert_false(cert_covers_prefix(&c, &all4));
	struct prefix family0 = {0};
	assert_false(cert_covers_prefix(&c, &family0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_tampered),
		cmocka_unit_test(test_bound_to_key_and_network),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_encode_refuses),
		cmocka_unit_test(test_covers_source),
		cmocka_unit_test(test_covers_prefix),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
