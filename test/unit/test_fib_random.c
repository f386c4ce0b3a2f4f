/* The FIB against a slow obvious twin, and its writer beside a worker that stands still. */
#include "test/unit/fib_fixture.h"

#include <pthread.h>
#include <sched.h>

#define TWIN_MAX 40

static struct {
	struct fib_route v[TWIN_MAX];
	unsigned age[TWIN_MAX]; /* when its key first came */
	unsigned n;
} twin;

static bool twin_same_key(const struct fib_route *x, const struct fib_route *y)
{
	return prefix_equal(&x->prefix, &y->prefix) && x->source == y->source &&
		x->table == y->table && x->metric == y->metric && x->tos == y->tos &&
		(x->source == FIB_KERNEL || addr_equal(&x->gateway, &y->gateway));
}

/* Does x stand before y? Longest prefix, kernel first, table local, metric, age. */
static bool twin_before(unsigned x, unsigned y)
{
	const struct fib_route *a = &twin.v[x], *b = &twin.v[y];
	if (a->prefix.len != b->prefix.len)
		return a->prefix.len > b->prefix.len;
	if (a->source != b->source)
		return a->source < b->source;
	if ((a->table == 255) != (b->table == 255))
		return a->table == 255;
	if (a->metric != b->metric)
		return a->metric < b->metric;
	return twin.age[x] < twin.age[y];
}

static const struct fib_route *twin_look(const struct ip_addr *dst)
{
	unsigned best = TWIN_MAX;
	for (unsigned i = 0; i < twin.n; i++)
		if (prefix_contains(&twin.v[i].prefix, dst) &&
			(best == TWIN_MAX || twin_before(i, best)))
			best = i;
	return best == TWIN_MAX ? NULL : &twin.v[best];
}

static struct fib_route random_route(void)
{
	static const char *const prefixes[] = {"0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/9",
		"10.128.0.0/9", "10.0.0.0/32", "::/0", "fd00::/8", "fd00::/64"};
	static const char *const gateways[] = {NULL, "10.77.0.1", "10.77.0.2"};
	static const uint32_t tables[] = {254, 255};
	uint8_t source = (uint8_t)(rand() % 4);
	bool kernel = source == FIB_KERNEL;
	struct fib_route r = {.prefix = fixture_prefix(prefixes[rand() % 8]),
		.source = source,
		.table = kernel ? tables[rand() % 2] : 0,
		.metric = kernel ? (uint32_t)rand() % 2 : 0,
		.type = kernel ? (uint8_t)(rand() % 4) : (uint8_t)FIB_OVERLAY};
	const char *gateway = gateways[rand() % 3];
	if (gateway)
		r.gateway = fixture_addr(gateway);
	return r;
}

static void agrees_with_its_twin(void **state)
{
	(void)state;
	srand(1);
	twin.n = 0;
	for (unsigned step = 0; step < 20000; step++) {
		struct fib_route r = random_route();
		unsigned at = 0;
		while (at < twin.n && !twin_same_key(&twin.v[at], &r))
			at++;
		if (rand() % 3 && at < TWIN_MAX) {
			assert_int_equal(fib_route_put(&fib, &r), 0);
			twin.v[at] = r;
			if (at == twin.n)
				twin.age[twin.n++] = step;
		} else if (at < TWIN_MAX) {
			assert_int_equal(
				fib_route_remove(&fib, &r), at < twin.n ? 0 : ERR_NOT_FOUND);
			if (at < twin.n) {
				twin.n--;
				twin.v[at] = twin.v[twin.n];
				twin.age[at] = twin.age[twin.n];
			}
		}
		assert_int_equal(fib.used, twin.n);
		static const char *const dsts[] = {
			"10.0.0.0", "10.0.0.1", "10.200.0.1", "8.8.8.8", "fd00::1", "fdff::1"};
		struct ip_addr dst = fixture_addr(dsts[step % 6]);
		const struct fib_route *best = twin_look(&dst);
		struct fib_view view = fib_snapshot(&fib);
		struct fib_hop hop;
		assert_int_equal(fib_lookup(&view, &dst, &hop), best != NULL);
		if (!best)
			continue;
		assert_int_equal(hop.type, best->type);
		if (best->type == FIB_OVERLAY)
			assert_true(addr_equal(
				&hop.next_hop, best->gateway.family ? &best->gateway : &dst));
	}
	while (twin.n > 0)
		assert_int_equal(fib_route_remove(&fib, &twin.v[--twin.n]), 0);
	assert_int_equal(fib.used, 0);
	assert_int_equal(fib.routes.entries, 0);
}

/* Changes the same few routes again and again; *progress says how often. */
static void *churn(void *progress)
{
	struct fib_route r = {.prefix = fixture_prefix("10.0.0.0/8"), .type = FIB_OVERLAY};
	struct fib_route narrow = {.prefix = fixture_prefix("10.0.0.0/24"), .type = FIB_REJECT};
	for (unsigned n = 0; n < 2000; n++) {
		r.gateway.family = 4;
		r.gateway.bytes[3] = (uint8_t)n;
		if (fib_route_put(&fib, &r) != 0 || fib_route_put(&fib, &narrow) != 0 ||
			fib_route_remove(&fib, &narrow) != 0)
			break;
		atomic_fetch_add((_Atomic unsigned *)progress, 1);
	}
	return NULL;
}

/* The pools run dry while a worker stands in its batch: the writer waits, and fails at nothing. */
static void a_stalled_worker_delays_the_writer_and_no_more(void **state)
{
	(void)state;
	_Atomic unsigned progress = 0;
	pthread_t writer;
	struct fib_route r = {.prefix = fixture_prefix("10.0.0.0/8"), .type = FIB_OTHER};
	struct ip_addr dst = fixture_addr("10.0.0.1");
	struct fib_hop hop;
	assert_int_equal(fib_route_put(&fib, &r), 0);
	epoch_enter(&epoch, 0);
	struct fib_view view = fib_snapshot(&fib);
	assert_int_equal(pthread_create(&writer, NULL, churn, &progress), 0);
	while (atomic_load(&progress) < 20)
		sched_yield();
	for (unsigned look = 0; look < 50; look++) {
		assert_true(fib_lookup(&view, &dst, &hop));
		assert_int_equal(hop.type, FIB_OTHER);
		sched_yield();
	}
	assert_true(atomic_load(&progress) < 2000); /* it stands */
	epoch_leave(&epoch, 0);
	pthread_join(writer, NULL);
	assert_int_equal(progress, 2000);
	assert_int_equal(fib.used, 1);
	view = fib_snapshot(&fib);
	assert_true(fib_lookup(&view, &dst, &hop));
	assert_int_equal(hop.next_hop.bytes[3], 1999 % 256);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(agrees_with_its_twin),
		CASE(a_stalled_worker_delays_the_writer_and_no_more),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
