/* The hint file: what was written is read; nothing else is. */
#include "core/peer/hints.h"

#include "core/base/err.h"

#include "crypto_fixture.h"

#define N     3
#define SAVED UINT64_C(1900000000)

static struct handshake_identity id;
static struct hint written[N];
static uint8_t file[HINTS_OVERHEAD + N * HINT_SIZE];

static int setup(void **state)
{
	static const char *const places[N] = {
		"198.51.100.7:4754", "[2001:db8::7]:40000", "127.0.0.1:1"};
	struct writer w;
	(void)state;
	fixture_identity(&id, 5, NULL);
	memset(written, 0, sizeof written);
	hints_begin(&w, file, sizeof file, SAVED);
	for (unsigned i = 0; i < N; i++) {
		memset(written[i].key, (int)(0xa0 + i), KEY_LEN);
		memset(written[i].timestamp, (int)i, sizeof written[i].timestamp);
		written[i].expires_s = SAVED + i;
		endpoint_parse(places[i], 0, &written[i].at);
		hints_add(&w, &written[i]);
	}
	return hints_seal(&w, &id) == (int)sizeof file ? 0 : -1;
}

static void what_was_written_is_read(void **state)
{
	struct hints h;
	struct hint hint;
	(void)state;
	assert_int_equal(hints_decode(file, sizeof file, &h), 0);
	assert_true(hints_verify(file, sizeof file, &id));
	assert_int_equal(h.saved_s, SAVED);
	assert_int_equal(h.left, N);
	for (unsigned i = 0; i < N; i++) {
		assert_true(hints_next(&h, &hint));
		assert_memory_equal(hint.key, written[i].key, KEY_LEN);
		assert_true(endpoint_equal(&hint.at, &written[i].at));
		assert_memory_equal(hint.timestamp, written[i].timestamp, sizeof hint.timestamp);
		assert_int_equal(hint.expires_s, SAVED + i);
	}
	assert_false(hints_next(&h, &hint));
}

static void an_empty_one_is_a_file(void **state)
{
	struct hints h;
	struct hint hint;
	struct writer w;
	uint8_t empty[HINTS_OVERHEAD];
	(void)state;
	hints_begin(&w, empty, sizeof empty, SAVED);
	assert_int_equal(hints_seal(&w, &id), HINTS_OVERHEAD);
	assert_int_equal(hints_decode(empty, sizeof empty, &h), 0);
	assert_true(hints_verify(empty, sizeof empty, &id));
	assert_false(hints_next(&h, &hint));
	/* One entry that has no room. */
	hints_begin(&w, empty, sizeof empty, SAVED);
	hints_add(&w, &written[0]);
	assert_int_equal(hints_seal(&w, &id), ERR_NO_SPACE);
}

static void cut_short_anywhere(void **state)
{
	struct hints h;
	(void)state;
	for (size_t len = 0; len < sizeof file; len++) {
		assert_int_equal(hints_decode(file, len, &h), ERR_TRUNCATED);
		assert_int_equal(h.left, 0);
		assert_false(hints_verify(file, len, &id));
	}
	uint8_t longer[sizeof file + 1] = {0};
	memcpy(longer, file, sizeof file);
	assert_int_equal(hints_decode(longer, sizeof longer, &h), ERR_MALFORMED);
}

static void every_flipped_bit_shows(void **state)
{
	struct hints h;
	(void)state;
	for (size_t bit = 0; bit < sizeof file * 8; bit++) {
		file[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(hints_decode(file, sizeof file, &h) == 0 &&
			hints_verify(file, sizeof file, &id));
		file[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void of_another_node_or_kind(void **state)
{
	struct handshake_identity other;
	struct hints h;
	(void)state;
	fixture_identity(&other, 6, NULL);
	assert_false(hints_verify(file, sizeof file, &other));
	file[7] = '2';
	assert_int_equal(hints_decode(file, sizeof file, &h), ERR_VERSION);
}

static void places_that_cannot_be(void **state)
{
	static const char *const places[] = {"0.0.0.0:4754", "224.0.0.1:4754",
		"255.255.255.255:4754", "[ff02::1]:4754", "[::]:4754", "198.51.100.7:0"};
	struct hints h;
	struct writer w;
	(void)state;
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		struct hint hint = written[0];
		if (!endpoint_parse(places[i], 0, &hint.at)) {
			hint.at = written[0].at;
			hint.at.port = 0;
		}
		hints_begin(&w, file, sizeof file, SAVED);
		hints_add(&w, &hint);
		int len = hints_seal(&w, &id);
		assert_int_equal(len, HINTS_OVERHEAD + HINT_SIZE);
		assert_int_equal(hints_decode(file, (size_t)len, &h), ERR_MALFORMED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_was_written_is_read, setup),
		cmocka_unit_test_setup(an_empty_one_is_a_file, setup),
		cmocka_unit_test_setup(cut_short_anywhere, setup),
		cmocka_unit_test_setup(every_flipped_bit_shows, setup),
		cmocka_unit_test_setup(of_another_node_or_kind, setup),
		cmocka_unit_test_setup(places_that_cannot_be, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
