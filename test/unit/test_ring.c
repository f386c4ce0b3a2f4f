/* The ring alone, against a counter, and between two threads. */
#include "core/base/ring.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define MESSAGES 200000

struct message {
	uint32_t number;
	uint32_t words[6]; /* each a function of number: torn entries show */
};

static bool produce(struct ring *r, uint32_t number)
{
	struct message *m = ring_reserve(r);
	if (!m)
		return false;
	m->number = number;
	for (uint32_t i = 0; i < 6; i++)
		m->words[i] = number * (i + 3);
	ring_push(r);
	return true;
}

/* Takes the next message; it must be the expected one, whole. */
static bool consume(struct ring *r, uint32_t expected, bool *good)
{
	const struct message *m = ring_peek(r);
	if (!m)
		return false;
	*good = *good && m->number == expected;
	for (uint32_t i = 0; i < 6; i++)
		*good = *good && m->words[i] == expected * (i + 3);
	ring_pop(r);
	return true;
}

static void full_refuses_and_order_is_kept(void **state)
{
	(void)state;
	static const uint32_t sizes[] = {1, 2, 8};
	for (size_t s = 0; s < 3; s++)
		/* Also where the counters wrap. */
		for (uint32_t start = 0; start < 2; start++) {
			struct ring r;
			uint32_t in = 0, out = 0;
			bool good = true;
			assert_int_equal(ring_init(&r, sizes[s], sizeof(struct message)), 0);
			atomic_store(&r.head, start ? UINT32_MAX - 3 : 0);
			atomic_store(&r.tail, start ? UINT32_MAX - 3 : 0);
			srand(1);
			for (int step = 0; step < 1000; step++) {
				if (rand() % 2) {
					bool room = in - out < sizes[s];
					assert_int_equal(produce(&r, in), room);
					in += room;
				} else {
					bool some = in != out;
					assert_int_equal(consume(&r, out, &good), some);
					out += some;
				}
				assert_int_equal(ring_peek(&r) != NULL, in != out);
				assert_int_equal(ring_reserve(&r) == NULL, in - out == sizes[s]);
			}
			assert_true(good);
			assert_true(out > 100);
			ring_fini(&r);
		}
}

/* What was reserved and not pushed does not exist for the consumer. */
static void reserved_is_not_pushed(void **state)
{
	(void)state;
	struct ring r;
	assert_int_equal(ring_init(&r, 4, sizeof(struct message)), 0);
	void *entry = ring_reserve(&r);
	assert_null(ring_peek(&r));
	assert_ptr_equal(ring_reserve(&r), entry);
	ring_push(&r);
	assert_ptr_equal(ring_peek(&r), entry);
	assert_ptr_equal(ring_peek(&r), entry);
	ring_pop(&r);
	assert_null(ring_peek(&r));
	ring_fini(&r);
}

static void *producer(void *arg)
{
	for (uint32_t n = 0; n < MESSAGES;)
		if (produce(arg, n))
			n++;
		else
			sched_yield();
	return NULL;
}

static void two_threads_lose_and_tear_nothing(void **state)
{
	(void)state;
	struct ring r;
	pthread_t thread;
	bool good = true;
	assert_int_equal(ring_init(&r, 16, sizeof(struct message)), 0);
	assert_int_equal(pthread_create(&thread, NULL, producer, &r), 0);
	for (uint32_t n = 0; n < MESSAGES;)
		if (consume(&r, n, &good))
			n++;
		else
			sched_yield();
	pthread_join(thread, NULL);
	assert_true(good);
	assert_null(ring_peek(&r));
	ring_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_refuses_and_order_is_kept),
		cmocka_unit_test(reserved_is_not_pushed),
		cmocka_unit_test(two_threads_lose_and_tear_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
