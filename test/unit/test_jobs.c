#include "test/unit/jobs_fixture.h"

#include "core/base/env.h"
#include "core/base/err.h"

#include <string.h>

/* The control loop answers as the job's id tells it. */
#define ANSWER REQUEST_STATUS /* at once */
#define PARK   REQUEST_PING   /* when the next ANSWER comes */
#define IGNORE REQUEST_NONE   /* parks it under a token that never comes */

static void on_wake(uv_async_t *async)
{
	(void)async;
	struct job *job;
	while ((job = jobs_next(&jobs))) {
		if (job->id == PARK) {
			jobs_park(&jobs, job, 7);
			continue;
		}
		if (job->id == IGNORE) {
			jobs_park(&jobs, job, 8);
			continue;
		}
		struct job *parked = jobs_unpark(&jobs, 7);
		if (parked) {
			parked->status = 201;
			jobs_finish(&jobs, parked);
		}
		job->status = 200;
		jobs_finish(&jobs, job);
	}
}

static int setup(void **state)
{
	(void)state;
	jobs_fixture_start(on_wake);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	jobs_fixture_stop();
	return 0;
}

static int ask(enum request_id id, uint64_t timeout_ns, int *status)
{
	struct job job = {.id = id};
	int rc = jobs_ask(&jobs, &job, timeout_ns);
	*status = job.status;
	return rc;
}

static void test_answer(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		int status;
		assert_int_equal(ask(ANSWER, 10 * NS_PER_S, &status), 0);
		assert_int_equal(status, 200);
	}
}

static void test_timeout(void **state)
{
	(void)state;
	int status;
	assert_int_equal(ask(IGNORE, NS_PER_MS, &status), ERR_BUSY);
	assert_null(jobs_unpark(&jobs, 8)); /* the asker has taken it away */
}

static void ask_parked(void *arg)
{
	int status, *out = arg;
	*out = ask(PARK, 10 * NS_PER_S, &status) == 0 ? status : -1;
}

static void test_parked(void **state)
{
	(void)state;
	uv_thread_t asker;
	int parked = 0, status;
	assert_int_equal(uv_thread_create(&asker, ask_parked, &parked), 0);
	for (bool there = false; !there;) {
		uv_mutex_lock(&jobs.lock);
		there = jobs.parked != NULL;
		uv_mutex_unlock(&jobs.lock);
	}
	assert_int_equal(ask(ANSWER, 10 * NS_PER_S, &status), 0);
	uv_thread_join(&asker);
	assert_int_equal(parked, 201);
}

static void test_closed(void **state)
{
	(void)state;
	uv_thread_t asker;
	int parked = 0, status;
	assert_int_equal(uv_thread_create(&asker, ask_parked, &parked), 0);
	jobs_close(&jobs);
	uv_thread_join(&asker); /* before, or after it had been parked */
	assert_int_equal(parked, -1);
	assert_int_equal(ask(ANSWER, 10 * NS_PER_S, &status), ERR_EXPIRED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timeout, setup, teardown),
		cmocka_unit_test_setup_teardown(test_parked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_closed, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
