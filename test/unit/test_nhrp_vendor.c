/* Our Vendor-Private extension: its bytes, and everything that the decoder takes no other way. */
#include "nhrp_fixture.h"
#include "test/vectors/nhrp_same.h"

#define EXT_AT 36 /* of the extension's value in a packet of fixture_packet */

/* An NHRP packet without addresses that has this vendor extension: head and the given TLVs. */
static size_t fixture_packet(uint8_t *out, const char *head, const void *tlvs, size_t len)
{
	uint8_t *p = out;
	memset(out, 0, 28);
	store_u16(out, NHRP_AFN_IPV4);
	store_u16(out + 2, 0x0800);
	out[9] = 255;
	store_u16(out + 10, (uint16_t)(28 + 8 + len + 4));
	store_u16(out + 14, 28);
	out[16] = 1;
	out[17] = NHRP_REGISTRATION_REQUEST;
	p += 28;
	store_u16(p, NHRP_EXT_VENDOR);
	store_u16(p + 2, (uint16_t)(4 + len));
	memcpy(p + 4, head, 4);
	if (len > 0)
		memcpy(p + 8, tlvs, len);
	memcpy(p + 8 + len, "\x80\0\0\0", 4);
	fixture_fix_checksum(out, 28 + 8 + len + 4);
	return 28 + 8 + len + 4;
}

/* Every field, written down by hand from the layout. */
static void known_bytes(void **state)
{
	(void)state;
	static const uint8_t expected[] = {
		1,
		0,
		0,
		40, /* candidates */
		0,
		4,
		0x12,
		0x92,
		192,
		0,
		2,
		77,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0, /* seen */
		1,
		6,
		0xFF,
		0xFF,
		0x20,
		1,
		0x0D,
		0xB8,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		1, /* host */
		2,
		0,
		0,
		36,
		0xDE,
		0xAD,
		0xBE,
		0xEF, /* punch */
		0xAA,
		0xAA,
		0xAA,
		0xAA,
		0xAA,
		0xAA,
		0xAA,
		0xAA,
		0xAA,
		0xAA,
		0xAA,
		0xAA,
		0xAA,
		0xAA,
		0xAA,
		0xAA,
		0xAA,
		0xAA,
		0xAA,
		0xAA,
		0xAA,
		0xAA,
		0xAA,
		0xAA,
		0xAA,
		0xAA,
		0xAA,
		0xAA,
		0xAA,
		0xAA,
		0xAA,
		0xAA,
		3,
		0,
		0,
		32, /* static key */
		0xBB,
		0xBB,
		0xBB,
		0xBB,
		0xBB,
		0xBB,
		0xBB,
		0xBB,
		0xBB,
		0xBB,
		0xBB,
		0xBB,
		0xBB,
		0xBB,
		0xBB,
		0xBB,
		0xBB,
		0xBB,
		0xBB,
		0xBB,
		0xBB,
		0xBB,
		0xBB,
		0xBB,
		0xBB,
		0xBB,
		0xBB,
		0xBB,
		0xBB,
		0xBB,
		0xBB,
		0xBB,
		4,
		0,
		0,
		6,
		's',
		'p',
		'o',
		'k',
		'e',
		'1',
		5,
		0,
		0,
		4,
		'g',
		'o',
		'l',
		'd',
		6,
		0,
		0,
		20, /* prefixes */
		4,
		23,
		192,
		168,
		22,
		4,
		0,
		6,
		33,
		0x20,
		1,
		0x0D,
		0xB8,
		0x80,
		4,
		32,
		10,
		0,
		0,
		1,
	};
	struct nhrp_packet p, back;
	struct nhrp_vendor *v = &p.vendor;
	uint8_t out[FIXTURE_MAX], whole[FIXTURE_MAX];
	nhrp_init(&p, NHRP_REGISTRATION_REQUEST, 4, 4);
	nhrp_ext_add(&p, NHRP_EXT_VENDOR);
	v->n_candidates = 2;
	v->candidates[0].kind = NHRP_CANDIDATE_SEEN;
	assert_true(endpoint_parse("192.0.2.77:4754", 0, &v->candidates[0].endpoint));
	v->candidates[1].kind = NHRP_CANDIDATE_HOST;
	assert_true(endpoint_parse("[2001:db8::1]:65535", 0, &v->candidates[1].endpoint));
	v->have_punch = v->have_static_key = true;
	v->token_id = 0xDEADBEEF;
	memset(v->punch_key, 0xAA, sizeof v->punch_key);
	memset(v->static_key, 0xBB, sizeof v->static_key);
	strcpy(v->name, "spoke1");
	strcpy(v->group, "gold");
	static const char *const prefixes[] = {
		"192.168.22.0/23", "0.0.0.0/0", "2001:db8:8000::/33", "10.0.0.1/32"};
	for (size_t i = 0; i < 4; i++)
		assert_true(prefix_parse(prefixes[i], &v->prefixes[i]));
	v->n_prefixes = 4;
	int len = nhrp_encode(&p, out, sizeof out);
	assert_int_equal(len, EXT_AT + sizeof expected + 4);
	assert_memory_equal(out + EXT_AT, expected, sizeof expected);
	assert_int_equal(fixture_packet(whole, "\x56\x52\x4e\1", expected, sizeof expected), len);
	assert_memory_equal(out, whole, (size_t)len);
	assert_int_equal(nhrp_decode(out, (size_t)len, &back), 0);
	assert_true(same_packet(&p, &back));
}

#define TLV(bytes) bytes, sizeof bytes - 1
#define ZERO8      "\0\0\0\0\0\0\0\0"

static const struct {
	const char *what, *bytes;
	size_t len;
	int expected;
} rows[] = {
	{"nothing", TLV(""), 0},
	{"no candidates", TLV("\1\0\0\0"), 0},
	{"candidate", TLV("\1\0\0\24\2\4\0\1\1\2\3\4" ZERO8 "\0\0\0\0"), 0},
	{"candidate of an unknown kind", TLV("\1\0\0\24\377\4\0\1\1\2\3\4" ZERO8 "\0\0\0\0"), 0},
	{"candidate of family 0", TLV("\1\0\0\24\2\0\0\1\1\2\3\4" ZERO8 "\0\0\0\0"), ERR_MALFORMED},
	{"candidate of family 5", TLV("\1\0\0\24\2\5\0\1\1\2\3\4" ZERO8 "\0\0\0\0"), ERR_MALFORMED},
	{"IPv4 with more behind it", TLV("\1\0\0\24\2\4\0\1\1\2\3\4" ZERO8 "\0\0\0\1"),
		ERR_MALFORMED},
	{"candidate cut", TLV("\1\0\0\23\2\4\0\1\1\2\3\4" ZERO8 "\0\0\0"), ERR_TRUNCATED},
	{"candidates twice", TLV("\1\0\0\0\1\0\0\0"), ERR_DUPLICATE},
	{"punch cut", TLV("\2\0\0\43" ZERO8 ZERO8 ZERO8 ZERO8 "\0\0\0"), ERR_MALFORMED},
	{"punch", TLV("\2\0\0\44" ZERO8 ZERO8 ZERO8 ZERO8 "\0\0\0\0"), 0},
	{"punch with more", TLV("\2\0\0\45" ZERO8 ZERO8 ZERO8 ZERO8 "\0\0\0\0\0"), ERR_MALFORMED},
	{"key of 31", TLV("\3\0\0\37" ZERO8 ZERO8 ZERO8 "\0\0\0\0\0\0\0"), ERR_MALFORMED},
	{"key", TLV("\3\0\0\40" ZERO8 ZERO8 ZERO8 ZERO8), 0},
	{"key of 33", TLV("\3\0\0\41" ZERO8 ZERO8 ZERO8 ZERO8 "\0"), ERR_MALFORMED},
	{"name", TLV("\4\0\0\5a-0.z"), 0},
	{"empty name", TLV("\4\0\0\0"), ERR_MALFORMED},
	{"capital in the name", TLV("\4\0\0\1A"), ERR_MALFORMED},
	{"underscore in the name", TLV("\4\0\0\1_"), ERR_MALFORMED},
	{"NUL in the name", TLV("\4\0\0\3a\0b"), ERR_MALFORMED},
	{"group", TLV("\5\0\0\7Gold \303\234"), 0},
	{"escape in the group", TLV("\5\0\0\1\33"), ERR_MALFORMED},
	{"newline in the group", TLV("\5\0\0\2a\n"), ERR_MALFORMED},
	{"prefix", TLV("\6\0\0\3\4\10\12"), 0},
	{"host bits", TLV("\6\0\0\3\4\7\13"), ERR_MALFORMED},
	{"prefix of 33", TLV("\6\0\0\7\4\41\1\2\3\4\0"), ERR_MALFORMED},
	{"prefix of 129", TLV("\6\0\0\23\6\201" ZERO8 ZERO8 "\0"), ERR_MALFORMED},
	{"prefix of family 1", TLV("\6\0\0\3\1\10\12"), ERR_MALFORMED},
	{"prefix cut", TLV("\6\0\0\2\4\10"), ERR_TRUNCATED},
	{"prefix without length", TLV("\6\0\0\1\4"), ERR_TRUNCATED},
	{"any order", TLV("\6\0\0\3\4\10\12\4\0\0\1a"), 0},
	{"type 0", TLV("\0\0\0\0"), ERR_MALFORMED},
	{"unknown type", TLV("\7\0\0\2xy"), 0},
	{"unknown types repeat", TLV("\7\0\0\2xy\7\0\0\0\377\0\0\1z"), 0},
	{"five unknown", TLV("\7\0\0\0\7\0\0\0\7\0\0\0\7\0\0\0\7\0\0\0"), ERR_NO_SPACE},
	{"second byte", TLV("\4\1\0\1a"), ERR_MALFORMED},
	{"cut in the head", TLV("\4\0\0"), ERR_TRUNCATED},
	{"cut in the value", TLV("\4\0\0\2a"), ERR_TRUNCATED},
};

static void one_way_to_say_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint8_t data[FIXTURE_MAX], out[FIXTURE_MAX];
		struct nhrp_packet p, back;
		size_t len = fixture_packet(data, "\x56\x52\x4e\1", rows[i].bytes, rows[i].len);
		int rc = nhrp_decode(data, len, &p);
		if (rc != rows[i].expected)
			fail_msg("%s: %s", rows[i].what, err_name(rc));
		if (rc < 0) {
			assert_int_equal(p.error_code, NHRP_ERROR_INVALID_EXTENSION);
			continue;
		}
		int n = nhrp_encode(&p, out, sizeof out);
		assert_int_equal(nhrp_decode(out, (size_t)n, &back), 0);
		assert_true(same_packet(&p, &back));
	}
}

/* Too many of each, one byte too long of each. */
static void bounds(void **state)
{
	(void)state;
	uint8_t tlv[FIXTURE_MAX] = {0}, data[FIXTURE_MAX];
	struct nhrp_packet p;
	for (unsigned n = NHRP_CANDIDATES_MAX; n <= NHRP_CANDIDATES_MAX + 1; n++) {
		tlv[0] = 1;
		store_u16(tlv + 2, (uint16_t)(20 * n));
		for (unsigned i = 0; i < n; i++)
			tlv[4 + 20 * i + 1] = 6;
		size_t len = fixture_packet(data, "\x56\x52\x4e\1", tlv, 4 + 20 * n);
		assert_int_equal(
			nhrp_decode(data, len, &p), n > NHRP_CANDIDATES_MAX ? ERR_NO_SPACE : 0);
	}
	for (unsigned n = NHRP_PREFIXES_MAX; n <= NHRP_PREFIXES_MAX + 1; n++) {
		memset(tlv, 0, sizeof tlv);
		tlv[0] = 6;
		store_u16(tlv + 2, (uint16_t)(2 * n));
		for (unsigned i = 0; i < n; i++)
			tlv[4 + 2 * i] = 4;
		size_t len = fixture_packet(data, "\x56\x52\x4e\1", tlv, 4 + 2 * n);
		assert_int_equal(
			nhrp_decode(data, len, &p), n > NHRP_PREFIXES_MAX ? ERR_NO_SPACE : 0);
	}
	for (uint8_t type = 4; type <= 5; type++)
		for (uint16_t n = NHRP_NAME_MAX; n <= NHRP_NAME_MAX + 1; n++) {
			memset(tlv, 'a', sizeof tlv);
			store_u16(tlv, (uint16_t)(type << 8));
			store_u16(tlv + 2, n);
			size_t len = fixture_packet(data, "\x56\x52\x4e\1", tlv, 4u + n);
			assert_int_equal(
				nhrp_decode(data, len, &p), n > NHRP_NAME_MAX ? ERR_MALFORMED : 0);
		}
}

/* Other vendors, and other versions of ours, are passed on as they are. */
static void foreign(void **state)
{
	(void)state;
	static const char *const heads[] = {"\x56\x52\x4e\2", "\x56\x52\x4e\0", "\x56\x52\x4f\1"};
	for (size_t i = 0; i < 3; i++) {
		uint8_t data[FIXTURE_MAX], out[FIXTURE_MAX];
		struct nhrp_packet p;
		size_t len = fixture_packet(data, heads[i], "\0\0junk", 6);
		assert_int_equal(nhrp_decode(data, len, &p), 0);
		assert_true(p.n_exts == 1 && p.exts[0].raw && p.exts[0].len == 10);
		assert_null(nhrp_ext_find(&p, NHRP_EXT_VENDOR));
		assert_int_equal(nhrp_encode(&p, out, sizeof out), len);
		assert_memory_equal(out, data, len);
		/* Ours next to it, once. */
		assert_int_equal(nhrp_ext_add(&p, NHRP_EXT_VENDOR), 0);
		strcpy(p.vendor.name, "hub");
		int n = nhrp_encode(&p, out, sizeof out);
		assert_int_equal(nhrp_decode(out, (size_t)n, &p), 0);
		assert_true(p.n_exts == 2 && nhrp_ext_find(&p, NHRP_EXT_VENDOR) == &p.exts[1]);
		assert_string_equal(p.vendor.name, "hub");
		nhrp_ext_remove(&p, NHRP_EXT_VENDOR);
		assert_true(p.n_exts == 1 && p.vendor.name[0] == '\0');
	}
}

static void ours_twice(void **state)
{
	(void)state;
	struct nhrp_packet p;
	uint8_t data[FIXTURE_MAX];
	size_t len = fixture_packet(data, "\x56\x52\x4e\1", "\0\10\0\4\x56\x52\x4e\1", 8);
	store_u16(data + 30, 4);
	fixture_fix_checksum(data, len);
	assert_int_equal(nhrp_decode(data, len, &p), ERR_DUPLICATE);
	/* Too short for a head: somebody else's. */
	data[38] = 0;
	data[39] = 3;
	memmove(data + 43, data + 44, 4);
	store_u16(data + 10, (uint16_t)(len - 1));
	fixture_fix_checksum(data, len - 1);
	assert_int_equal(nhrp_decode(data, len - 1, &p), 0);
	assert_true(p.n_exts == 2 && p.exts[1].raw && !p.exts[0].raw);
}

static void unencodable(void **state)
{
	(void)state;
	for (int row = 0; row < 10; row++) {
		struct nhrp_packet p;
		uint8_t out[FIXTURE_MAX];
		nhrp_init(&p, NHRP_REGISTRATION_REQUEST, 4, 4);
		nhrp_ext_add(&p, NHRP_EXT_VENDOR);
		struct nhrp_vendor *v = &p.vendor;
		switch (row) {
		case 0:
			v->n_candidates = NHRP_CANDIDATES_MAX + 1;
			break;
		case 1:
			v->n_candidates = 1; /* family 0 */
			break;
		case 2:
			v->n_prefixes = NHRP_PREFIXES_MAX + 1;
			break;
		case 3:
			v->n_prefixes = 1; /* family 0 */
			break;
		case 4:
			v->n_prefixes = 1;
			v->prefixes[0] = (struct prefix){fixture_addr("10.0.0.1"), 24};
			break;
		case 5:
			v->n_prefixes = 1;
			v->prefixes[0] = (struct prefix){fixture_addr("10.0.0.1"), 33};
			break;
		case 6:
			strcpy(v->name, "Upper");
			break;
		case 7:
			memset(v->name, 'a', sizeof v->name); /* no NUL */
			break;
		case 8:
			strcpy(v->group, "a\tb");
			break;
		case 9:
			v->n_others = 1;
			v->others[0].type = 6;
			break;
		}
		assert_int_equal(nhrp_encode(&p, out, sizeof out), ERR_MALFORMED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_bytes),
		cmocka_unit_test(one_way_to_say_it),
		cmocka_unit_test(bounds),
		cmocka_unit_test(foreign),
		cmocka_unit_test(ours_twice),
		cmocka_unit_test(unencodable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
