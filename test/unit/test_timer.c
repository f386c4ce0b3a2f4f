/* The heap against a slow obvious twin, and timers that arm and disarm one another while they fire. */
#include "core/base/timer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define TIMERS 60

struct world {
	struct timer_heap heap;
	struct timer timers[TIMERS];
	uint64_t twin[TIMERS]; /* deadline, TS_NEVER = not armed */
	uint64_t last;         /* deadline of the one that fired before */
	unsigned fired;
};

static unsigned index_of(struct world *w, struct timer *t)
{
	return (unsigned)(t - w->timers);
}

static void check_fire(void *owner, struct timer *t, uint64_t now)
{
	struct world *w = owner;
	unsigned i = index_of(w, t);
	assert_false(timer_armed(t));
	assert_true(w->twin[i] <= now);
	assert_true(w->twin[i] >= w->last);
	for (unsigned j = 0; j < TIMERS; j++)
		assert_true(w->twin[j] >= w->twin[i]);
	w->last = w->twin[i];
	w->twin[i] = TS_NEVER;
	w->fired++;
	if (rand() % 4 == 0) { /* some come again, later than now */
		w->twin[i] = now + 1 + (uint64_t)(rand() % 100);
		timer_arm(&w->heap, t, w->twin[i]);
	}
	if (rand() % 4 == 0) { /* some take another with them */
		unsigned other = (unsigned)rand() % TIMERS;
		w->twin[other] = TS_NEVER;
		timer_disarm(&w->heap, &w->timers[other]);
	}
}

static uint64_t twin_next(const struct world *w)
{
	uint64_t next = TS_NEVER;
	for (unsigned i = 0; i < TIMERS; i++)
		next = w->twin[i] < next ? w->twin[i] : next;
	return next;
}

static void agrees_with_its_twin(void **state)
{
	(void)state;
	struct world w = {0};
	uint64_t now = 1000;
	srand(1);
	assert_int_equal(timer_heap_init(&w.heap, TIMERS), 0);
	for (unsigned i = 0; i < TIMERS; i++) {
		w.timers[i] = (struct timer){.fire = check_fire, .owner = &w};
		w.twin[i] = TS_NEVER;
	}
	for (unsigned step = 0; step < 50000; step++) {
		unsigned i = (unsigned)rand() % TIMERS;
		switch (rand() % 4) {
		case 0:
		case 1: /* few distinct deadlines, so that there are ties */
			w.twin[i] = now + (uint64_t)(rand() % 50);
			timer_arm(&w.heap, &w.timers[i], w.twin[i]);
			break;
		case 2:
			w.twin[i] = TS_NEVER;
			timer_disarm(&w.heap, &w.timers[i]);
			break;
		default:
			now += (uint64_t)(rand() % 10);
			w.last = 0;
			timer_run(&w.heap, now);
			assert_true(timer_next(&w.heap) > now);
		}
		assert_true(timer_next(&w.heap) == twin_next(&w));
		for (unsigned j = 0; j < TIMERS; j++)
			assert_int_equal(timer_armed(&w.timers[j]), w.twin[j] != TS_NEVER);
	}
	assert_true(w.fired > 1000);
	timer_heap_fini(&w.heap);
}

static void counts(void *owner, struct timer *t, uint64_t now)
{
	(void)t;
	(void)now;
	++*(unsigned *)owner;
}

static void edges(void **state)
{
	(void)state;
	struct timer_heap h;
	unsigned fired = 0;
	struct timer a = {.fire = counts, .owner = &fired}, b = a;
	assert_int_equal(timer_heap_init(&h, 2), 0);
	assert_true(timer_next(&h) == TS_NEVER);
	timer_disarm(&h, &a); /* never armed: nothing */
	timer_run(&h, TS_NEVER);
	assert_int_equal(fired, 0);
	timer_arm(&h, &a, 10);
	timer_arm(&h, &b, 20);
	timer_arm(&h, &a, 30); /* moves; takes no second place in a full heap */
	assert_true(timer_next(&h) == 20);
	timer_run(&h, 19);
	assert_int_equal(fired, 0);
	timer_run(&h, 20);
	assert_int_equal(fired, 1);
	assert_true(timer_armed(&a) && !timer_armed(&b));
	timer_arm(&h, &a, TS_NEVER);
	assert_true(timer_next(&h) == TS_NEVER);
	timer_disarm(&h, &a);
	timer_disarm(&h, &a);
	assert_false(timer_armed(&a));
	timer_heap_fini(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_its_twin),
		cmocka_unit_test(edges),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
