/* The time that certificates are judged by, with clocks that are wrong in every way. */
#include "core/trust/clock.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define FLOOR UINT64_C(1793491200)
#define NOW   (7 * NS_PER_S)
#define YEAR  UINT64_C(31536000)

static uint64_t wall;

static uint64_t wall_s(void *ctx)
{
	(void)ctx;
	return wall;
}

static const struct env env = {.wall_s = wall_s};

static void a_good_clock_is_taken_as_it_is(void **state)
{
	struct trust_clock c;
	(void)state;
	clock_init(&c, FLOOR, NOW);
	wall = FLOOR + YEAR;
	assert_int_equal(clock_now_s(&c, &env, NOW), wall);
	assert_false(clock_suspect(&c, &env, NOW));
	/* A hub that says otherwise is not believed, in neither direction. */
	assert_false(clock_hear(&c, &env, FLOOR + 2 * YEAR, NOW));
	assert_int_equal(clock_now_s(&c, &env, NOW), wall);
	assert_false(clock_hear(&c, &env, FLOOR, NOW));
	assert_int_equal(clock_now_s(&c, &env, NOW), wall);
}

static void a_clock_behind_the_floor_goes_by_it_and_by_a_hub(void **state)
{
	struct trust_clock c;
	(void)state;
	clock_init(&c, FLOOR, NOW);
	wall = 100; /* 1970 */
	assert_true(clock_suspect(&c, &env, NOW));
	assert_int_equal(clock_now_s(&c, &env, NOW), FLOOR);
	assert_int_equal(clock_now_s(&c, &env, NOW + 90 * NS_PER_S), FLOOR + 90);
	assert_true(clock_hear(&c, &env, FLOOR + YEAR, NOW));
	assert_int_equal(clock_now_s(&c, &env, NOW + 5 * NS_PER_S), FLOOR + YEAR + 5);
	assert_true(clock_suspect(&c, &env, NOW));
	/* Never back again. */
	assert_false(clock_hear(&c, &env, FLOOR, NOW + NS_PER_S));
	assert_int_equal(clock_now_s(&c, &env, NOW + 5 * NS_PER_S), FLOOR + YEAR + 5);
	/* Set right at last. */
	wall = FLOOR + YEAR + 1000;
	assert_false(clock_suspect(&c, &env, NOW));
	assert_int_equal(clock_now_s(&c, &env, NOW), wall);
}

static void only_what_others_confirm_is_stored(void **state)
{
	struct trust_clock c;
	uint64_t limit = FLOOR + 2 * YEAR;
	(void)state;
	clock_init(&c, FLOOR, NOW);
	wall = FLOOR + YEAR;
	assert_int_equal(clock_good_s(&c, &env, limit, false, NOW), 0); /* nobody asked yet */
	assert_int_equal(clock_good_s(&c, &env, limit, true, NOW), wall);
	clock_hear(&c, &env, FLOOR + 7, NOW);
	assert_int_equal(clock_good_s(&c, &env, limit, false, NOW), FLOOR + 7);
	clock_hear(&c, &env, FLOOR + YEAR + 7, NOW);
	assert_int_equal(clock_good_s(&c, &env, limit, false, NOW + NS_PER_S), wall);
	/* A clock of the far future, and a hub that lies along with it. */
	wall = UINT64_C(2147483647);
	clock_hear(&c, &env, wall, NOW);
	assert_int_equal(clock_good_s(&c, &env, limit, false, NOW), 0);
	assert_int_equal(clock_good_s(&c, &env, limit, true, NOW), 0);
	/* In doubt and alone: nothing is good. */
	clock_init(&c, FLOOR, NOW);
	wall = 0;
	assert_int_equal(clock_good_s(&c, &env, limit, true, NOW), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_clock_is_taken_as_it_is),
		cmocka_unit_test(a_clock_behind_the_floor_goes_by_it_and_by_a_hub),
		cmocka_unit_test(only_what_others_confirm_is_stored),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
