/* Readers and writers at their edges: one byte too few, one byte too many, and after a failure. */
#include "core/base/cursor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const uint8_t digits[] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc};

/* What a read of `width` bytes yields, for each amount of input. */
static uint64_t read_width(struct reader *r, unsigned width)
{
	switch (width) {
	case 1:
		return read_u8(r);
	case 2:
		return read_u16(r);
	case 4:
		return read_u32(r);
	default:
		return read_u64(r);
	}
}

static void reads_big_endian_or_fails(void **state)
{
	(void)state;
	static const struct {
		unsigned width;
		uint64_t value;
	} cases[] = {{1, 0x01}, {2, 0x0123}, {4, 0x01234567}, {8, 0x0123456789abcdef}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (unsigned len = 0; len <= sizeof digits; len++) {
			uint8_t *exact =
				malloc(len + 1); /* a sanitizer sees the byte read too far */
			memcpy(exact, digits, len);
			struct reader r = reader_of(exact, len);
			bool enough = len >= cases[i].width;
			assert_int_equal(
				read_width(&r, cases[i].width), enough ? cases[i].value : 0);
			assert_int_equal(r.failed, !enough);
			assert_int_equal(reader_left(&r), enough ? len - cases[i].width : len);
			free(exact);
		}
}

static void a_failed_reader_stays_failed(void **state)
{
	(void)state;
	uint8_t out[4] = {9, 9, 9, 9};
	struct reader r = reader_of(digits, 3);
	assert_null(read_bytes(&r, 4));
	assert_true(r.failed);
	assert_int_equal(read_u8(&r), 0);
	assert_null(read_bytes(&r, 0));
	read_copy(&r, out, sizeof out);
	assert_memory_equal(out, "\0\0\0\0", 4);
	struct reader sub = read_sub(&r, 1);
	assert_true(sub.failed);
	assert_int_equal(reader_left(&sub), 0);
	assert_int_equal(read_u16(&sub), 0);
}

static void a_sub_reader_cannot_look_outside(void **state)
{
	(void)state;
	struct reader r = reader_of(digits, sizeof digits);
	struct reader sub = read_sub(&r, 3);
	assert_int_equal(read_u16(&sub), 0x0123);
	assert_int_equal(read_u16(&sub), 0);
	assert_true(sub.failed);
	assert_false(r.failed);
	assert_int_equal(read_u8(&r), 0x67);
	struct reader rest = read_sub(&r, reader_left(&r));
	assert_int_equal(reader_left(&rest), sizeof digits - 4);
	struct reader none = read_sub(&r, 0);
	assert_false(none.failed);
	assert_false(r.failed);
	struct reader beyond = read_sub(&r, 1);
	assert_true(beyond.failed);
	assert_true(r.failed);
}

static void a_length_near_the_top_does_not_wrap(void **state)
{
	(void)state;
	uint8_t room[4];
	struct reader r = reader_of(digits, sizeof digits);
	assert_null(read_bytes(&r, SIZE_MAX));
	struct writer w = writer_of(room, sizeof room);
	assert_null(write_space(&w, SIZE_MAX));
}

static void writes_what_readers_read(void **state)
{
	(void)state;
	uint8_t out[32];
	struct writer w = writer_of(out, sizeof out);
	write_u8(&w, 0x01);
	write_u16(&w, 0x0203);
	write_u32(&w, 0x04050607);
	write_u64(&w, 0x08090a0b0c0d0e0f);
	write_bytes(&w, digits, 3);
	write_zeros(&w, 2);
	write_u16_at(&w, 1, 0xaabb);
	assert_false(w.failed);
	assert_int_equal(writer_len(&w), 20);
	static const uint8_t expected[] = {
		1, 0xaa, 0xbb, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x01, 0x23, 0x45, 0, 0};
	assert_memory_equal(out, expected, sizeof expected);
}

static void a_full_writer_writes_nothing_more(void **state)
{
	(void)state;
	for (size_t cap = 0; cap < 4; cap++) {
		uint8_t *exact = malloc(cap + 1);
		memset(exact, 0x55, cap + 1);
		struct writer w = writer_of(exact, cap);
		write_u32(&w, 0xffffffff);
		assert_true(w.failed);
		assert_null(write_space(&w, 0));
		write_u8(&w, 0xee);
		write_zeros(&w, 1);
		write_bytes(&w, digits, 1);
		write_u16_at(&w, 0, 0xdddd);
		assert_int_equal(writer_len(&w), 0);
		for (size_t i = 0; i <= cap; i++)
			assert_int_equal(exact[i], 0x55);
		free(exact);
	}
}

static void patches_only_what_was_written(void **state)
{
	(void)state;
	uint8_t out[6];
	memset(out, 0x55, sizeof out);
	struct writer w = writer_of(out, sizeof out);
	write_u32(&w, 0);
	write_u16_at(&w, 3, 0xffff); /* one byte past what stands there */
	write_u16_at(&w, 4, 0xffff);
	assert_memory_equal(out, "\0\0\0\0\x55\x55", 6);
	write_u16_at(&w, 2, 0x1234);
	assert_memory_equal(out, "\0\0\x12\x34\x55\x55", 6);
	assert_false(w.failed);
}

static void loads_and_stores(void **state)
{
	(void)state;
	uint8_t p[4];
	static const uint32_t values[] = {0, 1, 0x80, 0x8000, 0x80000000, 0xffffffff, 0x01234567};
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		store_u32(p, values[i]);
		assert_int_equal(load_u32(p), values[i]);
		assert_int_equal(p[0], values[i] >> 24);
		store_u16(p, (uint16_t)values[i]);
		assert_int_equal(load_u16(p), (uint16_t)values[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_big_endian_or_fails),
		cmocka_unit_test(a_failed_reader_stays_failed),
		cmocka_unit_test(a_sub_reader_cannot_look_outside),
		cmocka_unit_test(a_length_near_the_top_does_not_wrap),
		cmocka_unit_test(writes_what_readers_read),
		cmocka_unit_test(a_full_writer_writes_nothing_more),
		cmocka_unit_test(patches_only_what_was_written),
		cmocka_unit_test(loads_and_stores),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
