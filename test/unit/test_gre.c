/* GRE headers: what each outer packet is taken for, and the round trips. */
#include "core/wire/gre.h"
#include "core/base/err.h"
#include "core/wire/ip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

static const struct {
	uint32_t word;
	size_t len;
	enum gre_kind kind;
} kinds[] = {
	{0x300088B5, 32, GRE_SEALED}, /* 12 header, 4 inner header, 16 tag */
	{0x300088B5, 31, GRE_BAD},
	{0x300088B5, 40, GRE_SEALED}, /* a keepalive */
	{0x000088B6, 8, GRE_HANDSHAKE},
	{0x000088B6, 7, GRE_BAD},
	{0x000088B5, 64, GRE_BAD}, /* sealed without key and sequence */
	{0x200088B5, 64, GRE_BAD},
	{0x300188B5, 64, GRE_BAD},
	{0xB00088B5, 64, GRE_BAD},
	{0x300088B6, 64, GRE_BAD}, /* handshakes have no options */
	{0x00000800, 4, GRE_PLAIN},
	{0x00000800, 3, GRE_BAD},
	{0x00002001, 24, GRE_PLAIN},
	{0x20002001, 8, GRE_PLAIN},
	{0x20002001, 7, GRE_BAD},
	{0x30002001, 12, GRE_PLAIN},
	{0x30002001, 11, GRE_BAD},
	{0xB0002001, 16, GRE_PLAIN},
	{0xB0002001, 15, GRE_BAD},
	{0x40000800, 64, GRE_BAD},   /* routing */
	{0x08000800, 64, GRE_BAD},   /* strict source route */
	{0x04000800, 64, GRE_BAD},   /* recursion */
	{0x00010800, 64, GRE_BAD},   /* version 1: PPTP */
	{0x02000800, 64, GRE_PLAIN}, /* bits 6 to 12 are ignored */
	{0x00000000, 4, GRE_PLAIN},
};

static void outer_kinds(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		uint8_t data[64] = {0};
		store_u32(data, kinds[i].word);
		if (gre_classify(data, kinds[i].len) != kinds[i].kind)
			fail_msg("%08x, %zu bytes", kinds[i].word, kinds[i].len);
	}
	assert_int_equal(gre_classify(NULL, 0), GRE_BAD);
}

static void sealed_header(void **state)
{
	(void)state;
	static const uint8_t expected[GRE_SEALED_LEN] = {
		0x30, 0x00, 0x88, 0xB5, 0x12, 0x34, 0x56, 0x7F, 0xDE, 0xAD, 0xBE, 0xEF};
	uint8_t out[GRE_SEALED_LEN];
	gre_sealed_write(out, 0x1234567, 15, 0xDEADBEEF);
	assert_memory_equal(out, expected, sizeof out);

	static const uint32_t indices[] = {1, 0x8000000, GRE_INDEX_MAX};
	for (size_t i = 0; i < 3; i++)
		for (uint8_t lane = 0; lane < GRE_LANES; lane++) {
			uint32_t index, seq;
			uint8_t got;
			gre_sealed_write(out, indices[i], lane, ~indices[i]);
			gre_sealed_read(out, &index, &got, &seq);
			assert_int_equal(index, indices[i]);
			assert_int_equal(got, lane);
			assert_int_equal(seq, ~indices[i]);
		}
}

static void inner_header(void **state)
{
	(void)state;
	uint8_t out[GRE_PLAIN_LEN];
	uint16_t protocol = 1;
	gre_inner_write(out, GRE_PROTO_NHRP);
	assert_memory_equal(out, "\x00\x00\x20\x01", 4);
	assert_true(gre_inner_read(out, 4, &protocol));
	assert_int_equal(protocol, GRE_PROTO_NHRP);
	assert_false(gre_inner_read(out, 3, &protocol));
	out[0] = 0x20;
	assert_false(gre_inner_read(out, 4, &protocol));
	out[0] = 0;
	out[1] = 1;
	assert_false(gre_inner_read(out, 4, &protocol));
	gre_handshake_write(out);
	assert_memory_equal(out, "\x00\x00\x88\xB6", 4);
}

static void plain_header(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 4; bits++) {
		uint8_t out[GRE_PLAIN_MAX];
		struct gre_plain back,
			in = {.protocol = GRE_PROTO_NHRP,
				.have_key = bits & 1,
				.have_seq = bits & 2,
				.key = bits & 1 ? 42 : 0,
				.seq = bits & 2 ? 7 : 0};
		size_t len = gre_plain_write(out, &in);
		assert_int_equal(len, 4 + (bits & 1) * 4 + (bits & 2) * 2);
		assert_int_equal(gre_plain_read(out, len, &back), 0);
		assert_int_equal(back.protocol, in.protocol);
		assert_int_equal(back.key, in.key);
		assert_int_equal(back.seq, in.seq);
		assert_int_equal(back.hdr_len, len);
		for (size_t cut = 0; cut < len; cut++)
			assert_int_equal(gre_plain_read(out, cut, &back), ERR_TRUNCATED);
	}
}

/* With a key, as Cisco and FRR send it. */
static void plain_key(void **state)
{
	(void)state;
	static const uint8_t data[] = {0x20, 0, 0x20, 0x01, 0, 0, 0, 2, 0xAA};
	struct gre_plain out;
	assert_int_equal(gre_plain_read(data, sizeof data, &out), 0);
	assert_true(out.have_key && !out.have_seq && !out.have_checksum);
	assert_int_equal(out.key, 2);
	assert_int_equal(out.hdr_len, 8);
}

static void plain_checksum(void **state)
{
	(void)state;
	uint8_t data[32] = {0x80, 0, 0x08, 0};
	struct gre_plain out;
	for (size_t i = 8; i < sizeof data; i++)
		data[i] = (uint8_t)(17 * i);
	store_u16(data + 4, ip_checksum(data, sizeof data));
	assert_int_equal(gre_plain_read(data, sizeof data, &out), 0);
	assert_true(out.have_checksum);
	assert_int_equal(out.hdr_len, 8);
	data[31] ^= 1;
	assert_int_equal(gre_plain_read(data, sizeof data, &out), ERR_MALFORMED);
}

static void plain_refused(void **state)
{
	(void)state;
	uint8_t data[16] = {0, 0, 8, 0};
	struct gre_plain out;
	data[1] = 1;
	assert_int_equal(gre_plain_read(data, sizeof data, &out), ERR_VERSION);
	data[1] = 0;
	static const uint8_t refused[] = {0x40, 0x08, 0x04};
	for (size_t i = 0; i < sizeof refused; i++) {
		data[0] = refused[i];
		assert_int_equal(gre_plain_read(data, sizeof data, &out), ERR_UNSUPPORTED);
	}
	data[0] = 0x03;
	data[1] = 0xF8;
	assert_int_equal(gre_plain_read(data, sizeof data, &out), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outer_kinds),
		cmocka_unit_test(sealed_header),
		cmocka_unit_test(inner_header),
		cmocka_unit_test(plain_header),
		cmocka_unit_test(plain_key),
		cmocka_unit_test(plain_checksum),
		cmocka_unit_test(plain_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
