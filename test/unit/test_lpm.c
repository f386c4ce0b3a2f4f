/* The trie against a slow obvious twin, and its pool under churn. */
#include "core/route/lpm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define TWIN_MAX 300

struct twin {
	struct prefix prefix[TWIN_MAX];
	uint32_t value[TWIN_MAX];
	unsigned n;
};

static uint32_t twin_match(const struct twin *t, const struct ip_addr *a, uint8_t *len)
{
	uint32_t best = LPM_NONE;
	int best_len = -1;
	for (unsigned i = 0; i < t->n; i++)
		if (prefix_contains(&t->prefix[i], a) && t->prefix[i].len > best_len) {
			best = t->value[i];
			best_len = t->prefix[i].len;
		}
	*len = (uint8_t)best_len;
	return best;
}

static unsigned twin_find(const struct twin *t, const struct prefix *p)
{
	unsigned i = 0;
	while (i < t->n && !prefix_equal(&t->prefix[i], p))
		i++;
	return i;
}

static struct ip_addr random_addr(void)
{
	struct ip_addr a = {.family = rand() % 2 ? 4 : 6};
	/* Few distinct bytes, so that prefixes nest and collide. */
	for (size_t i = 0; i < addr_size(a.family); i++)
		a.bytes[i] = (uint8_t)(rand() % 4 * 0x55);
	return a;
}

static struct prefix random_prefix(void)
{
	struct prefix p = {.addr = random_addr()};
	p.len = (uint8_t)(rand() % (addr_bits(p.addr.family) + 1));
	return prefix_masked(p);
}

static void count_inside(void *ctx, const struct prefix *p, uint32_t value)
{
	(void)p;
	(void)value;
	++*(unsigned *)ctx;
}

static void agrees_with_its_twin(void **state)
{
	(void)state;
	struct epoch epoch;
	struct lpm t;
	struct twin *twin = calloc(1, sizeof *twin);
	epoch_init(&epoch);
	assert_int_equal(lpm_init(&t, TWIN_MAX, &epoch), 0);
	srand(1);
	for (unsigned step = 0; step < 20000; step++) {
		struct prefix p = random_prefix();
		unsigned at = twin_find(twin, &p);
		if (rand() % 2 && (at < twin->n || twin->n < TWIN_MAX)) {
			assert_int_equal(lpm_put(&t, &p, step), 0);
			twin->prefix[at] = p;
			twin->value[at] = step;
			twin->n += at == twin->n;
		} else {
			uint32_t expected = at < twin->n ? twin->value[at] : LPM_NONE;
			assert_int_equal(lpm_remove(&t, &p), expected);
			if (at < twin->n) {
				twin->n--;
				twin->prefix[at] = twin->prefix[twin->n];
				twin->value[at] = twin->value[twin->n];
			}
		}
		assert_int_equal(t.entries, twin->n);
		struct ip_addr a = random_addr();
		struct lpm_view view = lpm_snapshot(&t);
		uint8_t len = 0xff, twin_len;
		assert_int_equal(lpm_match(&view, &a, &len), twin_match(twin, &a, &twin_len));
		assert_int_equal(len, twin_len);
		unsigned inside = 0, twin_inside = 0;
		lpm_each_inside(&t, &p, count_inside, &inside);
		for (unsigned i = 0; i < twin->n; i++)
			twin_inside += prefix_covers(&p, &twin->prefix[i]);
		assert_int_equal(inside, twin_inside);
	}
	free(twin);
	lpm_fini(&t);
}

static void keeps_nodes_that_a_worker_may_read(void **state)
{
	(void)state;
	struct epoch epoch;
	struct lpm t;
	epoch_init(&epoch);
	assert_int_equal(lpm_init(&t, 8, &epoch), 0);
	struct prefix p;
	assert_true(prefix_parse("10.0.0.0/8", &p));
	assert_int_equal(lpm_put(&t, &p, 1), 0);
	epoch_enter(&epoch, 0);
	struct lpm_view old = lpm_snapshot(&t);
	/* However often the writer changes its mind, the reader's view stays whole. */
	for (unsigned changes = 0; changes < 500; changes++)
		assert_int_equal(lpm_put(&t, &p, 2), 0);
	uint8_t len;
	assert_int_equal(lpm_match(&old, &p.addr, &len), 1);
	epoch_leave(&epoch, 0);
	assert_int_equal(lpm_put(&t, &p, 3), 0);
	struct lpm_view view = lpm_snapshot(&t);
	assert_int_equal(lpm_match(&view, &p.addr, &len), 3);
	lpm_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_its_twin),
		cmocka_unit_test(keeps_nodes_that_a_worker_may_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
