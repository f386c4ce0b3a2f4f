/* Building and changing NHRP packets: order of extensions, bounds, round trips. */
#include "nhrp_fixture.h"
#include "test/vectors/nhrp_random.h"
#include "test/vectors/nhrp_same.h"

/* Each list one longer than its bound. */
static void full_lists(void **state)
{
	(void)state;
	static const enum nhrp_ext_type types[] = {
		NHRP_EXT_RESPONDER, NHRP_EXT_FORWARD, NHRP_EXT_REVERSE, NHRP_EXT_NAT};
	static const uint8_t bounds[] = {1, NHRP_TRANSIT_MAX, NHRP_TRANSIT_MAX, NHRP_NAT_MAX};
	struct nhrp_cie cie = {.holding_time_s = 600};
	struct nhrp_packet p, back;
	uint8_t data[FIXTURE_MAX];
	for (size_t i = 0; i < 4; i++) {
		nhrp_init(&p, NHRP_RESOLUTION_REQUEST, 6, 4);
		for (uint8_t n = 0; n < bounds[i]; n++)
			assert_int_equal(nhrp_ext_add_cie(&p, types[i], &cie), 0);
		assert_int_equal(nhrp_ext_add_cie(&p, types[i], &cie), ERR_NO_SPACE);
		int len = nhrp_encode(&p, data, sizeof data);
		assert_int_equal(nhrp_decode(data, (size_t)len, &back), 0);
		assert_true(same_packet(&p, &back));
		/* One more by hand, in front of End. */
		memset(data + len - 4, 0, 12);
		memcpy(data + len + 8, "\x80\0\0\0", 4);
		store_u16(data + 30, (uint16_t)(load_u16(data + 30) + 12));
		len += 12;
		store_u16(data + 10, (uint16_t)len);
		fixture_fix_checksum(data, (size_t)len);
		assert_int_equal(nhrp_decode(data, (size_t)len, &back), ERR_NO_SPACE);
		assert_int_equal(back.error_code, NHRP_ERROR_INVALID_EXTENSION);
	}
	nhrp_init(&p, NHRP_RESOLUTION_REQUEST, 6, 4);
	for (unsigned n = 0; n < NHRP_CIES_MAX; n++)
		assert_int_equal(nhrp_add_cie(&p, &cie), 0);
	assert_int_equal(nhrp_add_cie(&p, &cie), ERR_NO_SPACE);
	int len = nhrp_encode(&p, data, sizeof data);
	assert_int_equal(len, 28 + 12 * NHRP_CIES_MAX);
	memset(data + len, 0, 12);
	store_u16(data + 10, (uint16_t)(len + 12));
	fixture_fix_checksum(data, (size_t)len + 12);
	assert_int_equal(nhrp_decode(data, (size_t)len + 12, &back), ERR_NO_SPACE);
}

static void random_round_trips(void **state)
{
	(void)state;
	uint64_t seed = 20;
	for (int round = 0; round < 500; round++)
		for (int type = NHRP_RESOLUTION_REQUEST; type <= NHRP_TRAFFIC_INDICATION; type++) {
			uint8_t bytes[80], data[FIXTURE_MAX];
			struct nhrp_packet p, back;
			random_packet(&seed, (enum nhrp_type)type, &p, bytes);
			int len = nhrp_encode(&p, data, sizeof data);
			assert_true(len > 0);
			assert_int_equal(nhrp_decode(data, (size_t)len, &back), 0);
			if (!same_packet(&p, &back))
				fail_msg("round %d, type %d", round, type);
			int cap = (int)random_below(&seed, (uint32_t)len);
			assert_int_equal(nhrp_encode(&p, data, (size_t)cap), ERR_NO_SPACE);
		}
}

/* What a hub does to a request that it passes on, Cisco's order of extensions kept. */
static void transit_keeps_the_order(void **state)
{
	(void)state;
	uint8_t data[FIXTURE_MAX], out[FIXTURE_MAX], expected[FIXTURE_MAX];
	struct nhrp_packet p;
	size_t len = fixture_load("synthetic/res-req", data);
	assert_int_equal(nhrp_decode(data, len, &p), 0);
	p.hop_count--;
	struct nhrp_cie hub = {.mtu = 1400,
		.holding_time_s = 7200,
		.nbma = fixture_addr("203.0.113.1"),
		.proto = fixture_addr("10.255.0.1")};
	struct nhrp_cie seen = {.prefix_len = 32,
		.mtu = 1400,
		.nbma = fixture_addr("192.0.2.77"),
		.proto = fixture_addr("10.255.0.11")};
	assert_int_equal(nhrp_ext_add_cie(&p, NHRP_EXT_FORWARD, &hub), 0);
	assert_int_equal(nhrp_ext_add_cie(&p, NHRP_EXT_NAT, &seen), 0);
	len = fixture_load("synthetic/res-req-fwd-by-hub", expected);
	assert_int_equal(nhrp_encode(&p, out, sizeof out), len);
	assert_memory_equal(out, expected, len);

	/* FRR has another order, 4 5 3 9 7; authentication is replaced where it stands. */
	len = fixture_load("packets/resolution-request-auth", data);
	assert_int_equal(nhrp_decode(data, len, &p), 0);
	expect_exts(&p, "4 5 3 9 7 ");
	nhrp_ext_remove(&p, NHRP_EXT_AUTH);
	expect_exts(&p, "4 5 3 9 ");
	assert_true(p.auth_len == 0 && p.auth_spi == 0);
	nhrp_ext_remove(&p, NHRP_EXT_AUTH);
	assert_int_equal(nhrp_ext_add(&p, NHRP_EXT_AUTH), 0);
	expect_exts(&p, "4 5 3 9 7 ");
	nhrp_ext_remove(&p, NHRP_EXT_FORWARD);
	assert_int_equal(nhrp_ext_add_cie(&p, NHRP_EXT_FORWARD, &hub), 0);
	expect_exts(&p, "5 3 9 7 4 ");
}

static void our_order(void **state)
{
	(void)state;
	struct nhrp_packet p;
	uint8_t out[FIXTURE_MAX];
	nhrp_init(&p, NHRP_REGISTRATION_REQUEST, 4, 4);
	assert_int_equal(p.hop_count, 255);
	assert_int_equal(nhrp_encode(&p, out, sizeof out), 28);
	nhrp_ext_standard(&p, false, true);
	expect_exts(&p, "3 4 5 9 8 ");
	int len = nhrp_encode(&p, out, sizeof out);
	assert_int_equal(len, 28 + 5 * 4 + 4 + 4);
	assert_memory_equal(out + 28,
		"\x80\3\0\0\x80\4\0\0\x80\5\0\0\0\11\0\0\0\10\0\4\x56\x52\x4e\1\x80\0\0\0", 28);
	assert_false(nhrp_ext_find(&p, NHRP_EXT_VENDOR)->compulsory);
	assert_false(nhrp_ext_find(&p, NHRP_EXT_NAT)->compulsory);
	assert_null(nhrp_ext_find(&p, NHRP_EXT_AUTH));
	nhrp_ext_standard(&p, true, false);
	expect_exts(&p, "3 4 5 7 9 ");
	assert_int_equal(nhrp_ext_add(&p, NHRP_EXT_NAT), 0);
	expect_exts(&p, "3 4 5 7 9 ");
	assert_int_equal(nhrp_ext_add(&p, NHRP_EXT_END), ERR_UNSUPPORTED);
	assert_int_equal(nhrp_ext_add_cie(&p, NHRP_EXT_AUTH, &p.cies.v[0]), ERR_UNSUPPORTED);
}

/* Extension 9 with 8 bytes is RFC 2735's device capabilities: passed on, no NAT list. */
static void device_capabilities(void **state)
{
	(void)state;
	struct nhrp_packet p, back;
	uint8_t out[FIXTURE_MAX];
	nhrp_init(&p, NHRP_RESOLUTION_REQUEST, 4, 4);
	p.exts[0] = (struct nhrp_ext){.type = 9,
		.compulsory = true,
		.raw = true,
		.len = 8,
		.data = (const uint8_t *)"12345678"};
	p.n_exts = 1;
	p.have_end = true;
	int len = nhrp_encode(&p, out, sizeof out);
	assert_true(len > 0);
	assert_int_equal(nhrp_decode(out, (size_t)len, &back), 0);
	assert_true(same_packet(&p, &back));
	assert_null(nhrp_ext_find(&back, NHRP_EXT_NAT));
	assert_int_equal(nhrp_ext_add(&back, NHRP_EXT_NAT), 0);
	assert_int_equal(nhrp_encode(&back, out, sizeof out), ERR_MALFORMED);
}

static void cie_meaning(void **state)
{
	(void)state;
	static const struct {
		uint8_t family, prefix_len, bits;
		bool host;
	} rows[] = {{4, 0, 32, true}, {4, 255, 32, true}, {4, 32, 32, true}, {4, 33, 32, true},
		{4, 31, 31, false}, {4, 1, 1, false}, {6, 0, 128, true}, {6, 255, 128, true},
		{6, 128, 128, true}, {6, 127, 127, false}, {6, 32, 32, false}};
	struct nhrp_packet p;
	struct nhrp_cie cie = {0};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		nhrp_init(&p, NHRP_REGISTRATION_REQUEST, 4, rows[i].family);
		cie.prefix_len = rows[i].prefix_len;
		assert_int_equal(nhrp_cie_is_host(&p, &cie), rows[i].host);
		assert_int_equal(nhrp_cie_bits(&p, &cie), rows[i].bits);
	}
	cie.prefix_len = 0;
	cie.proto = fixture_addr("0.0.0.0"); /* the default route */
	nhrp_init(&p, NHRP_REGISTRATION_REQUEST, 4, 4);
	assert_false(nhrp_cie_is_host(&p, &cie));
	assert_int_equal(nhrp_cie_bits(&p, &cie), 0);
	cie.proto = (struct ip_addr){0};
	p.src_nbma = fixture_addr("198.51.100.11");
	p.src_proto = fixture_addr("10.0.0.1");
	assert_ptr_equal(nhrp_cie_proto(&p, &cie), &p.src_proto);
	assert_ptr_equal(nhrp_cie_nbma(&p, &cie), &p.src_nbma);
	cie.proto = fixture_addr("10.0.0.2");
	cie.nbma = fixture_addr("198.51.100.12");
	assert_ptr_equal(nhrp_cie_proto(&p, &cie), &cie.proto);
	assert_ptr_equal(nhrp_cie_nbma(&p, &cie), &cie.nbma);
	struct ip_addr v6 = fixture_addr("2001:db8::1");
	assert_int_equal(nhrp_nbma(&p, &v6).family, 0);
	assert_int_equal(nhrp_nbma(&p, &cie.nbma).family, 4);
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(nhrp_type_name(NHRP_TRAFFIC_INDICATION), "traffic-indication");
	assert_string_equal(nhrp_type_name(0), "unknown");
	assert_string_equal(nhrp_code_name(NHRP_CODE_ALREADY_REGISTERED), "already-registered");
	assert_string_equal(nhrp_code_name(11), "no-binding");
	assert_string_equal(nhrp_code_name(200), "unknown");
	assert_string_equal(nhrp_error_name(15), "hop-count-exceeded");
	assert_string_equal(nhrp_error_name(2), "loop-detected");
	assert_string_equal(nhrp_error_name(999), "unknown");
	assert_true(nhrp_code_is_no_binding(11) && nhrp_code_is_no_binding(12));
	assert_true(nhrp_error_is_loop(2) && nhrp_error_is_loop(3) && !nhrp_error_is_loop(1));
	assert_true(
		nhrp_type_is_request(NHRP_PURGE_REQUEST) && nhrp_type_is_reply(NHRP_PURGE_REPLY));
	assert_false(nhrp_type_is_request(NHRP_ERROR_INDICATION));
	assert_false(nhrp_type_is_reply(NHRP_TRAFFIC_INDICATION));
}

/* Structs that no decoder would give out. */
static void unencodable(void **state)
{
	(void)state;
	static const uint8_t zeros[NHRP_AUTH_MAX + 1];
	uint8_t out[FIXTURE_MAX];
	struct ip_addr v6 = fixture_addr("2001:db8::1");
	for (int row = 0; row < 14; row++) {
		struct nhrp_packet p;
		nhrp_init(&p, NHRP_RESOLUTION_REQUEST, 4, 4);
		nhrp_ext_standard(&p, true, true);
		p.cies.n = p.nat.n = 1;
		assert_true(nhrp_encode(&p, out, sizeof out) > 0);
		switch (row) {
		case 0:
			p.src_nbma = v6;
			break;
		case 1:
			p.src_proto = v6;
			break;
		case 2:
			p.dst_proto = v6;
			break;
		case 3:
			p.cies.v[0].nbma = v6;
			break;
		case 4:
			p.cies.v[0].proto = v6;
			break;
		case 5:
			p.nat.v[0].nbma = v6;
			break;
		case 6:
			p.cies.n = NHRP_CIES_MAX + 1;
			break;
		case 7:
			p.responder.n = 2;
			break;
		case 8:
			p.n_exts = NHRP_EXTS_MAX + 1;
			break;
		case 9:
			p.nbma_family = 5;
			break;
		case 10:
			p.type = (enum nhrp_type)9;
			break;
		case 11:
			p.auth_len = NHRP_AUTH_MAX + 1;
			p.auth = zeros;
			break;
		case 12:
			p.exts[1].type = NHRP_EXT_RESPONDER;
			break;
		case 13:
			p.exts[0].type = NHRP_EXT_END;
			break;
		}
		assert_int_equal(nhrp_encode(&p, out, sizeof out), ERR_MALFORMED);
	}
}

/* More extensions than there is room for in the struct. */
static void many_extensions(void **state)
{
	(void)state;
	uint8_t data[256];
	struct nhrp_packet p;
	nhrp_init(&p, NHRP_RESOLUTION_REQUEST, 4, 4);
	for (p.n_exts = 0; p.n_exts < NHRP_EXTS_MAX; p.n_exts++)
		p.exts[p.n_exts] =
			(struct nhrp_ext){.type = (uint16_t)(100 + p.n_exts), .raw = true};
	assert_int_equal(nhrp_ext_add(&p, NHRP_EXT_NAT), ERR_NO_SPACE);
	int len = nhrp_encode(&p, data, sizeof data);
	assert_int_equal(nhrp_decode(data, (size_t)len, &p), 0);
	memcpy(data + len - 4, "\x30\0\0\0\x80\0\0\0", 8);
	store_u16(data + 10, (uint16_t)(len + 4));
	fixture_fix_checksum(data, (size_t)len + 4);
	assert_int_equal(nhrp_decode(data, (size_t)len + 4, &p), ERR_NO_SPACE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_lists),
		cmocka_unit_test(random_round_trips),
		cmocka_unit_test(transit_keeps_the_order),
		cmocka_unit_test(our_order),
		cmocka_unit_test(device_capabilities),
		cmocka_unit_test(cie_meaning),
		cmocka_unit_test(names),
		cmocka_unit_test(unencodable),
		cmocka_unit_test(many_extensions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
