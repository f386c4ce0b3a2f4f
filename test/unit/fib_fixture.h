#ifndef WARREN_TEST_FIB_FIXTURE_H
#define WARREN_TEST_FIB_FIXTURE_H

/* A small FIB of its own for each case. */
#include "core/route/fib.h"

#include "core/base/err.h"
#include "test/unit/plane_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct epoch epoch;
static struct fib fib;
static uint64_t seed;
static const struct env env = {.ctx = &seed, .random = fixture_random};

static inline int set_up(void **state)
{
	(void)state;
	epoch_init(&epoch);
	return fib_init(&fib, 64, 16, 16, &epoch, &env);
}

static inline int tear_down(void **state)
{
	(void)state;
	fib_fini(&fib);
	return 0;
}

#endif
