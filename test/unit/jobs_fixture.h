#ifndef WARREN_TEST_JOBS_FIXTURE_H
#define WARREN_TEST_JOBS_FIXTURE_H

/* A control loop in a thread of its own, which answers jobs. */
#include "core/daemon/jobs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct jobs jobs;
static uv_loop_t loop;
static uv_async_t wake, stop;
static uv_thread_t thread;

static inline void on_stop(uv_async_t *async)
{
	uv_close((uv_handle_t *)async, NULL);
	uv_close((uv_handle_t *)&wake, NULL);
}

static inline void run(void *arg)
{
	uv_run(arg, UV_RUN_DEFAULT);
}

static inline void jobs_fixture_start(uv_async_cb on_wake)
{
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(uv_async_init(&loop, &wake, on_wake), 0);
	assert_int_equal(uv_async_init(&loop, &stop, on_stop), 0);
	assert_int_equal(jobs_init(&jobs, &wake), 0);
	assert_int_equal(uv_thread_create(&thread, run, &loop), 0);
}

static inline void jobs_fixture_stop(void)
{
	uv_async_send(&stop);
	uv_thread_join(&thread);
	jobs_fini(&jobs);
	assert_int_equal(uv_loop_close(&loop), 0);
}

#endif
