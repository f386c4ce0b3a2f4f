/* What a reader may still see is not reused; what nobody can see any more is. */
#include "core/base/epoch.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#define READERS 3
#define BOXES   8
#define CHANGES 20000

static void waits_for_batches_that_began_before(void **state)
{
	(void)state;
	struct epoch e;
	epoch_init(&e);
	uint64_t free = epoch_retire(&e);
	assert_true(epoch_passed(&e, free)); /* nobody is inside */
	epoch_enter(&e, 0);
	epoch_enter(&e, EPOCH_WORKERS - 1);
	uint64_t first = epoch_retire(&e), second = epoch_retire(&e);
	assert_true(epoch_passed(&e, free));
	assert_false(epoch_passed(&e, first));
	assert_false(epoch_passed(&e, second));
	epoch_leave(&e, 0);
	assert_false(epoch_passed(&e, first)); /* the other one is still inside */
	epoch_enter(&e, 0);                    /* a batch that began afterwards does not count */
	epoch_leave(&e, EPOCH_WORKERS - 1);
	assert_true(epoch_passed(&e, first));
	assert_true(epoch_passed(&e, second));
	uint64_t third = epoch_retire(&e);
	assert_false(epoch_passed(&e, third));
	assert_true(epoch_passed(&e, second));
	epoch_leave(&e, 0);
	assert_true(epoch_passed(&e, third));
}

/*
 * One writer publishes boxes in turn and fills a box anew once its epoch has passed. The boxes are
 * plain memory: a box that is filled too early is a data race and a wrong sum.
 */
struct box {
	uint64_t a, b; /* b = a * 7 while published */
};

struct shelf {
	struct epoch epoch;
	struct box boxes[BOXES];
	_Atomic uint32_t published;
	atomic_bool stop;
	_Atomic uint64_t torn, looks;
	_Atomic uint32_t ready;
};

static void *reader(void *arg)
{
	struct shelf *s = arg;
	unsigned number = atomic_fetch_add(&s->ready, 1);
	while (!atomic_load(&s->stop)) {
		epoch_enter(&s->epoch, number);
		uint32_t at = atomic_load_explicit(&s->published, memory_order_acquire);
		for (int look = 0; look < 20; look++) { /* as long as the batch lasts */
			const struct box *box = &s->boxes[at];
			if (box->a * 7 != box->b)
				atomic_fetch_add(&s->torn, 1);
		}
		epoch_leave(&s->epoch, number);
		atomic_fetch_add_explicit(&s->looks, 1, memory_order_relaxed);
		if (number == 0)
			sched_yield();
	}
	return NULL;
}

static void boxes_are_not_filled_under_a_reader(void **state)
{
	(void)state;
	static struct shelf s;
	uint64_t stamps[BOXES] = {0}, waited = 0;
	pthread_t threads[READERS];
	epoch_init(&s.epoch);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, reader, &s), 0);
	while (atomic_load(&s.ready) < READERS)
		sched_yield();
	for (uint64_t change = 1; change <= CHANGES; change++) {
		uint32_t old = (uint32_t)((change - 1) % BOXES), next = (uint32_t)(change % BOXES);
		while (!epoch_passed(&s.epoch, stamps[next])) {
			waited++;
			sched_yield();
		}
		s.boxes[next].a = change;
		s.boxes[next].b = change * 7;
		atomic_store_explicit(&s.published, next, memory_order_release);
		stamps[old] = epoch_retire(&s.epoch);
	}
	atomic_store(&s.stop, true);
	for (int i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(s.torn, 0);
	assert_true(s.looks > READERS);
	print_message("%d changes, %llu looks, %llu waits\n", CHANGES, (unsigned long long)s.looks,
		(unsigned long long)waited);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_for_batches_that_began_before),
		cmocka_unit_test(boxes_are_not_filled_under_a_reader),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
