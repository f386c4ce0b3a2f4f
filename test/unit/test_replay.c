/*
 * The replay window against a twin that keeps a list of all it has seen and applies the rule as
 * written: a sequence is new, and its word of 64 is at most 31 words behind the newest's.
 */
#include "core/crypto/replay.h"

#include "crypto_fixture.h"

#include <stdlib.h>

#define STEPS 4000

struct twin {
	uint32_t seen[STEPS];
	size_t n;
	uint64_t newest;
};

static bool twin_check(const struct twin *t, uint32_t sequence)
{
	if (t->n && sequence / 64 + 32 <= t->newest / 64)
		return false;
	for (size_t i = 0; i < t->n; i++)
		if (t->seen[i] == sequence)
			return false;
	return true;
}

static void twin_update(struct twin *t, uint32_t sequence)
{
	t->seen[t->n++] = sequence;
	if (sequence > t->newest)
		t->newest = sequence;
}

static uint32_t draw32(struct fixture_random *r)
{
	uint32_t v;
	fixture_draw(r, &v, sizeof v);
	return v;
}

/* Where the next sequence comes from: around the newest, with jumps, never past the last u32. */
static uint32_t next_sequence(struct fixture_random *r, uint64_t newest, uint32_t spread)
{
	uint64_t next = newest + draw32(r) % spread;

	if (draw32(r) % 4)
		next = next > spread ? next - draw32(r) % spread : draw32(r) % spread;
	if (draw32(r) % 500 == 0)
		next += 10000;
	return next > UINT32_MAX ? UINT32_MAX : (uint32_t)next;
}

static void it_decides_as_its_twin(void **state)
{
	static const uint32_t spreads[] = {2, 40, 64, 700, 1984, 2048, 2112, 5000, 1000000};
	static const uint32_t starts[] = {0, 1, 63, 64, 2047, 0x7fffff00, UINT32_MAX - 3000};

	(void)state;
	for (size_t i = 0; i < sizeof spreads / sizeof *spreads; i++) {
		for (size_t s = 0; s < sizeof starts / sizeof *starts; s++) {
			struct fixture_random random = {.state = i * 100 + s};
			struct replay_window w;
			static struct twin twin;
			twin = (struct twin){0};
			replay_init(&w);
			for (size_t step = 0; step < STEPS; step++) {
				uint32_t sequence = step
					? next_sequence(&random, twin.newest, spreads[i])
					: starts[s];
				bool expected = twin_check(&twin, sequence);
				bool newest = twin.n == 0 || sequence > twin.newest;
				assert_int_equal(replay_is_newest(&w, sequence), newest);
				assert_int_equal(replay_check(&w, sequence), expected);
				if (draw32(&random) % 8 == 0)
					continue; /* it did not open */
				assert_int_equal(replay_update(&w, sequence), expected);
				if (expected)
					twin_update(&twin, sequence);
			}
		}
	}
}

static void sequence_zero_counts(void **state)
{
	struct replay_window w;

	(void)state;
	replay_init(&w);
	assert_true(replay_check(&w, 0));
	assert_true(replay_update(&w, 0));
	assert_false(replay_check(&w, 0));
	assert_false(replay_update(&w, 0));
	assert_false(replay_is_newest(&w, 0));
	assert_true(replay_is_newest(&w, 1));
}

static void the_window_reaches_back_1984_at_least(void **state)
{
	struct replay_window w;

	(void)state;
	replay_init(&w);
	assert_true(replay_update(&w, 64 * 100)); /* the first of its word: the least reach */
	assert_true(replay_check(&w, 64 * 100 - 1984));
	assert_false(replay_check(&w, 64 * 100 - 1985));
	assert_true(replay_update(&w, 64 * 100 + 63)); /* the last of its word: the most */
	assert_true(replay_check(&w, 64 * 100 + 63 - 2047));
	assert_false(replay_check(&w, 64 * 100 + 63 - 2048));
}

static void the_last_sequence_of_all_is_taken_once(void **state)
{
	struct replay_window w;

	(void)state;
	replay_init(&w);
	assert_true(replay_update(&w, 5));
	assert_true(replay_update(&w, UINT32_MAX));
	assert_false(replay_check(&w, UINT32_MAX));
	assert_true(replay_update(&w, UINT32_MAX - 1));
	assert_false(replay_check(&w, 5));
	assert_false(replay_check(&w, 0));
}

/* A jump over exactly one lap, or many, leaves no bit of the old words behind. */
static void jumps_clear_what_they_pass(void **state)
{
	static const uint32_t jumps[] = {64, 1984, 2047, 2048, 2049, 4096, 1u << 20, 1u << 31};

	(void)state;
	for (size_t i = 0; i < sizeof jumps / sizeof *jumps; i++) {
		struct replay_window w;
		replay_init(&w);
		for (uint32_t s = 0; s < 2048; s++)
			assert_true(replay_update(&w, s));
		uint32_t top = 2047 + jumps[i];
		assert_true(replay_update(&w, top));
		for (uint32_t back = 1; back <= 1984; back++)
			assert_int_equal(replay_check(&w, top - back), top - back > 2047);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_decides_as_its_twin),
		cmocka_unit_test(sequence_zero_counts),
		cmocka_unit_test(the_window_reaches_back_1984_at_least),
		cmocka_unit_test(the_last_sequence_of_all_is_taken_once),
		cmocka_unit_test(jumps_clear_what_they_pass),
	};

	return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
