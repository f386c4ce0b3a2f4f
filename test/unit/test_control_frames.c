/* Control frames: known bytes, bounds, several in one payload, unknown types. */
#include "core/wire/control.h"
#include "core/base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

static const uint8_t chunk[CONTROL_CHUNK_MAX + 1];

static const struct {
	const char *name;
	struct control_frame frame;
	const char *bytes; /* the first `known` of them */
	size_t known, len;
} frames[] = {
	{"ping", {.type = CONTROL_PING, .u.ping.echo = "ABCDEFGH"}, "\1\0\0\10ABCDEFGH", 12, 12},
	{"padded ping",
		{.type = CONTROL_PING, .flags = CONTROL_FLAG_PAD_ANSWER, .u.ping = {"ABCDEFGH", 3}},
		"\1\1\0\13ABCDEFGH\0\0\0", 15, 15},
	{"pong", {.type = CONTROL_PONG, .u.ping.echo = "ABCDEFGH"}, "\2\0\0\10ABCDEFGH", 12, 12},
	{"close", {.type = CONTROL_CLOSE, .u.close = {CONTROL_REASON_RESTARTING, 2, "hi"}},
		"\3\0\0\3\2hi", 7, 7},
	{"close without text", {.type = CONTROL_CLOSE}, "\3\0\0\1\0", 5, 5},
	{"object",
		{.type = CONTROL_OBJECT,
			.u.object = {1, 0x01020304, 5, 8, 3, (const uint8_t *)"xyz"}},
		"\4\0\0\20\1\1\2\3\4\0\0\0\5\0\0\0\10xyz", 20, 20},
	{"largest object",
		{.type = CONTROL_OBJECT,
			.u.object = {1, 9, 0xFFFFFBFF, 0xFFFFFFFF, CONTROL_CHUNK_MAX, chunk}},
		"\4\0\4\15\1\0\0\0\11\xFF\xFF\xFB\xFF\xFF\xFF\xFF\xFF\0", 18,
		CONTROL_HDR_LEN + CONTROL_OBJECT_HDR_LEN + CONTROL_CHUNK_MAX},
	{"ack", {.type = CONTROL_ACK, .u.ack = {1, 0x01020304}}, "\5\0\0\5\1\1\2\3\4", 9, 9},
	{"challenge", {.type = CONTROL_PATH_CHALLENGE, .u.path.token = "12345678"},
		"\6\0\0\10"
		"12345678",
		12, 12},
	{"response", {.type = CONTROL_PATH_RESPONSE, .u.path.token = "12345678"},
		"\7\0\0\10"
		"12345678",
		12, 12},
};

static void same_frame(const struct control_frame *a, const struct control_frame *b)
{
	uint8_t x[2048], y[2048];
	int len = control_encode(a, x, sizeof x);
	assert_int_equal(control_encode(b, y, sizeof y), len);
	assert_true(len > 0);
	assert_memory_equal(x, y, (size_t)len);
}

static void known_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
		uint8_t out[2048];
		struct control_frame back;
		int len = control_encode(&frames[i].frame, out, sizeof out);
		if (len != (int)frames[i].len || memcmp(out, frames[i].bytes, frames[i].known) != 0)
			fail_msg("%s", frames[i].name);
		struct reader r = reader_of(out, (size_t)len);
		assert_int_equal(control_next(&r, &back), 1);
		same_frame(&frames[i].frame, &back);
		assert_int_equal(control_next(&r, &back), 0);
		for (int cap = 0; cap < len; cap++)
			assert_int_equal(
				control_encode(&frames[i].frame, out, (size_t)cap), ERR_NO_SPACE);
	}
}

static void every_truncation(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
		uint8_t out[2048];
		struct control_frame back;
		int len = control_encode(&frames[i].frame, out, sizeof out);
		for (int cut = 1; cut < len; cut++) {
			struct reader r = reader_of(out, (size_t)cut);
			assert_int_equal(control_next(&r, &back), ERR_TRUNCATED);
			assert_int_equal(reader_left(&r), 0);
		}
	}
}

static void several_in_a_payload(void **state)
{
	(void)state;
	uint8_t out[4096];
	struct control_frame back;
	struct writer w = writer_of(out, sizeof out);
	size_t n = sizeof frames / sizeof *frames;
	for (size_t i = 0; i < n; i++) {
		control_write(&w, &frames[i].frame);
		/* Unknown types, also those reserved for later, are passed over. */
		write_bytes(&w, "\x2A\x7F\0\3abc\11\0\0\0", 11);
	}
	assert_false(w.failed);
	struct reader r = reader_of(out, writer_len(&w));
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(control_next(&r, &back), 1);
		same_frame(&frames[i].frame, &back);
	}
	assert_int_equal(control_next(&r, &back), 0);
}

static const struct {
	const char *bytes;
	size_t len;
	int expected;
} refused[] = {
	{"\x2A\x80\0\0", 4, ERR_VERSION},
	{"\10\xFF\0\1x", 5, ERR_VERSION},            /* ENROL that must be understood */
	{"\1\0\0\7ABCDEFG", 11, ERR_MALFORMED},      /* PING too short */
	{"\3\0\0\0", 4, ERR_MALFORMED},              /* CLOSE without reason */
	{"\5\0\0\4\1\0\0\0", 8, ERR_MALFORMED},      /* ACK too short */
	{"\5\0\0\6\1\0\0\0\0\0", 10, ERR_MALFORMED}, /* ACK too long */
	{"\6\0\0\11ABCDEFGHI", 13, ERR_MALFORMED},   /* token too long */
	{"\4\0\0\15\1\0\0\0\1\0\0\0\0\0\0\0\1", 17, ERR_MALFORMED},  /* OBJECT without bytes */
	{"\4\0\0\16\1\0\0\0\1\0\0\0\1\0\0\0\1x", 18, ERR_MALFORMED}, /* behind its total */
	{"\4\0\0\16\1\0\0\0\1\xFF\xFF\xFF\xFF\0\0\0\1x", 18, ERR_MALFORMED},
	{"\4\0\0\14\1\0\0\0\1\0\0\0\0\0\0\0", 16, ERR_MALFORMED},
	{"\1\0\xFF\xFF", 4, ERR_TRUNCATED},
	{"\1", 1, ERR_TRUNCATED},
};

static void bad_frames(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		struct control_frame back;
		struct reader r = reader_of(refused[i].bytes, refused[i].len);
		if (control_next(&r, &back) != refused[i].expected || reader_left(&r) != 0)
			fail_msg("row %zu", i);
	}
}

static void object_too_long(void **state)
{
	(void)state;
	uint8_t data[CONTROL_HDR_LEN + CONTROL_OBJECT_HDR_LEN + CONTROL_CHUNK_MAX + 1];
	struct control_frame back;
	memset(data, 0, sizeof data);
	data[0] = CONTROL_OBJECT;
	store_u16(data + 2, sizeof data - CONTROL_HDR_LEN);
	store_u32(data + 13, 1 << 20);
	struct reader r = reader_of(data, sizeof data);
	assert_int_equal(control_next(&r, &back), ERR_MALFORMED);
}

/* A text longer than we keep is cut, not refused: the peer goes away whatever we think of it. */
static void close_with_long_text(void **state)
{
	(void)state;
	uint8_t data[CONTROL_HDR_LEN + 1 + 300] = {CONTROL_CLOSE, 0, 301 >> 8, 301 & 255, 3};
	struct control_frame back;
	struct reader r = reader_of(data, sizeof data);
	assert_int_equal(control_next(&r, &back), 1);
	assert_int_equal(back.u.close.reason, CONTROL_REASON_IDLE);
	assert_int_equal(back.u.close.text_len, CONTROL_CLOSE_TEXT_MAX);
	assert_ptr_equal(back.u.close.text, data + 5);
}

static void unwritable_frames(void **state)
{
	(void)state;
	static const struct control_frame bad[] = {
		{.type = 0},
		{.type = CONTROL_ENROL},
		{.type = CONTROL_OBJECT, .u.object = {1, 1, 0, 8, 0, chunk}},
		{.type = CONTROL_OBJECT, .u.object = {1, 1, 6, 8, 3, chunk}},
		{.type = CONTROL_OBJECT, .u.object = {1, 1, 9, 8, 1, chunk}},
		{.type = CONTROL_OBJECT, .u.object = {1, 1, 0, 9999, CONTROL_CHUNK_MAX + 1, chunk}},
		{.type = CONTROL_PING, .u.ping.padding = 65528},
	};
	uint8_t out[128];
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct writer w = writer_of(out, sizeof out);
		assert_int_equal(control_encode(&bad[i], out, sizeof out), ERR_MALFORMED);
		control_write(&w, &bad[i]);
		assert_true(w.failed);
		assert_int_equal(writer_len(&w), 0);
	}
}

/* When a frame does not fit, what was written before stays whole. */
static void no_room_for_the_second(void **state)
{
	(void)state;
	uint8_t out[20];
	struct control_frame frame = {.type = CONTROL_PING}, back;
	struct writer w = writer_of(out, sizeof out);
	control_write(&w, &frame);
	control_write(&w, &frame);
	assert_true(w.failed);
	assert_int_equal(writer_len(&w), 12);
	struct reader r = reader_of(out, writer_len(&w));
	assert_int_equal(control_next(&r, &back), 1);
	assert_int_equal(control_next(&r, &back), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_bytes),
		cmocka_unit_test(every_truncation),
		cmocka_unit_test(several_in_a_payload),
		cmocka_unit_test(bad_frames),
		cmocka_unit_test(object_too_long),
		cmocka_unit_test(close_with_long_text),
		cmocka_unit_test(unwritable_frames),
		cmocka_unit_test(no_room_for_the_second),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
