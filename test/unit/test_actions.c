/* The queue of what the engine wants done: bounded, with a reserve for what must not be lost. */
#include "core/engine/actions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct actions q;

static int set_up(void **state)
{
	(void)state;
	return actions_init(&q);
}

static int tear_down(void **state)
{
	(void)state;
	actions_fini(&q);
	return 0;
}

static unsigned add(enum action_type type, unsigned n, bool reserve)
{
	unsigned added = 0;
	for (unsigned i = 0; i < n; i++)
		added += actions_add(&q, type, reserve) != NULL;
	return added;
}

static void datagrams_leave_room_for_routes(void **state)
{
	(void)state;
	struct action a;
	assert_int_equal(add(ACTION_SEND, 5000, false), ACTIONS_MAX - ACTIONS_RESERVE);
	assert_int_equal(q.lost, 5000 - (ACTIONS_MAX - ACTIONS_RESERVE));
	assert_int_equal(add(ACTION_ROUTE_ADD, 5000, true), ACTIONS_RESERVE);
	assert_int_equal(q.lost, 10000 - ACTIONS_MAX);
	/* In order, and then there is room for all again. */
	for (unsigned i = 0; i < ACTIONS_MAX; i++) {
		assert_true(actions_next(&q, &a));
		assert_int_equal(
			a.type, i < ACTIONS_MAX - ACTIONS_RESERVE ? ACTION_SEND : ACTION_ROUTE_ADD);
	}
	assert_false(actions_next(&q, &a));
	assert_int_equal(add(ACTION_SEND, 5000, false), ACTIONS_MAX - ACTIONS_RESERVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(datagrams_leave_room_for_routes, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
