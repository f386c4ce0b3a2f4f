/* The token bucket against one that counts tokens in fractions. */
#include "core/base/bucket.h"
#include "core/base/env.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

static void a_zeroed_bucket_is_full(void **state)
{
	(void)state;
	static const struct {
		uint64_t interval;
		unsigned burst;
		uint64_t now;
	} cases[] = {{NS_PER_S, 1, 0}, {NS_PER_S, 1, 5}, {NS_PER_S / 100, 50, 0},
		{NS_PER_S / 100, 50, 12345678901}, {1, 100, 7}, {NS_PER_S * 600, 3, NS_PER_S}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct bucket b = {0};
		uint64_t now = cases[i].now, interval = cases[i].interval;
		for (unsigned k = 0; k < cases[i].burst; k++)
			assert_true(bucket_take(&b, interval, cases[i].burst, now));
		assert_false(bucket_take(&b, interval, cases[i].burst, now));
		assert_false(bucket_take(&b, interval, cases[i].burst, now + interval - 1));
		assert_true(bucket_take(&b, interval, cases[i].burst, now + interval));
		assert_false(bucket_take(&b, interval, cases[i].burst, now + interval));
		/* However long the pause, no more than the burst. */
		now += interval * 1000;
		for (unsigned k = 0; k < cases[i].burst; k++)
			assert_true(bucket_take(&b, interval, cases[i].burst, now));
		assert_false(bucket_take(&b, interval, cases[i].burst, now));
	}
}

static void agrees_with_its_twin(void **state)
{
	(void)state;
	srand(1);
	for (unsigned round = 0; round < 50; round++) {
		struct bucket b = {0};
		uint64_t interval = 1 + (uint64_t)rand() % 1000, now = (uint64_t)rand(), last = now;
		unsigned burst = 1 + (unsigned)rand() % 20;
		uint64_t level = burst * interval; /* tokens, in fractions of 1 / interval */
		for (unsigned step = 0; step < 2000; step++) {
			now += (uint64_t)rand() % (interval * 2);
			level += now - last;
			level = level > burst * interval ? burst * interval : level;
			last = now;
			bool expected = level >= interval;
			level -= expected ? interval : 0;
			assert_int_equal(bucket_take(&b, interval, burst, now), expected);
		}
	}
}

/* Two threads' clocks differ a little: a step back gives nothing and breaks nothing. */
static void time_that_steps_back_gives_nothing(void **state)
{
	(void)state;
	struct bucket b = {0};
	assert_true(bucket_take(&b, 10, 2, 1000));
	assert_true(bucket_take(&b, 10, 2, 1000));
	assert_false(bucket_take(&b, 10, 2, 900));
	assert_false(bucket_take(&b, 10, 2, 1009));
	assert_true(bucket_take(&b, 10, 2, 1010));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_zeroed_bucket_is_full),
		cmocka_unit_test(agrees_with_its_twin),
		cmocka_unit_test(time_that_steps_back_gives_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
