/* Which route wins, which shortcut beats it, and who is behind a next hop. */
#include "test/unit/fib_fixture.h"

static struct fib_route route(const char *prefix, const char *gateway, enum fib_source source,
	uint32_t table, uint32_t metric, enum fib_type type)
{
	struct fib_route r = {.prefix = fixture_prefix(prefix),
		.source = (uint8_t)source,
		.table = table,
		.metric = metric,
		.type = (uint8_t)type};
	if (gateway)
		r.gateway = fixture_addr(gateway);
	return r;
}

static void put(const char *prefix, const char *gateway, enum fib_source source, uint32_t table,
	uint32_t metric, enum fib_type type)
{
	struct fib_route r = route(prefix, gateway, source, table, metric, type);
	assert_int_equal(fib_route_put(&fib, &r), 0);
}

static void take(const char *prefix, const char *gateway, enum fib_source source, uint32_t table,
	uint32_t metric)
{
	struct fib_route r = route(prefix, gateway, source, table, metric, FIB_OVERLAY);
	assert_int_equal(fib_route_remove(&fib, &r), 0);
}

static struct fib_hop look(const char *dst, bool expected)
{
	struct fib_hop hop = {0};
	struct fib_view view = fib_snapshot(&fib);
	struct ip_addr a = fixture_addr(dst);
	assert_int_equal(fib_lookup(&view, &a, &hop), expected);
	return hop;
}

static void expect_hop(const char *dst, enum fib_type type, const char *next_hop)
{
	char text[ADDR_TEXT_MAX];
	struct fib_hop hop = look(dst, true);
	assert_int_equal(hop.type, type);
	if (next_hop)
		assert_string_equal(addr_format(&hop.next_hop, text), next_hop);
}

static void the_kernels_order_for_one_prefix(void **state)
{
	(void)state;
	look("10.0.0.1", false);
	put("10.0.0.0/8", "10.77.0.2", FIB_KERNEL, 254, 100, FIB_OVERLAY);
	put("10.0.0.0/8", "10.77.0.1", FIB_KERNEL, 254, 50, FIB_OVERLAY);
	expect_hop("10.0.0.1", FIB_OVERLAY, "10.77.0.1");
	put("10.0.0.0/8", NULL, FIB_KERNEL, 255, 900, FIB_LOCAL);
	expect_hop("10.0.0.1", FIB_LOCAL, NULL);
	take("10.0.0.0/8", NULL, FIB_KERNEL, 255, 900);
	take("10.0.0.0/8", NULL, FIB_KERNEL, 254, 50);
	expect_hop("10.0.0.1", FIB_OVERLAY, "10.77.0.2");
	/* The same key again replaces: the kernel says no more than NEW then. */
	put("10.0.0.0/8", "10.77.0.9", FIB_KERNEL, 254, 100, FIB_OVERLAY);
	expect_hop("10.0.0.1", FIB_OVERLAY, "10.77.0.9");
	assert_int_equal(fib.used, 1);
}

/* A route for one type of service is not the one for all packets, however good its metric. */
static void routes_for_a_type_of_service_stand_behind(void **state)
{
	(void)state;
	struct fib_route r = route("10.0.0.0/8", "10.77.0.8", FIB_KERNEL, 254, 1, FIB_OVERLAY);
	r.tos = 8;
	assert_int_equal(fib_route_put(&fib, &r), 0);
	expect_hop("10.0.0.1", FIB_OVERLAY, "10.77.0.8");
	put("10.0.0.0/8", "10.77.0.1", FIB_KERNEL, 254, 100, FIB_OVERLAY);
	expect_hop("10.0.0.1", FIB_OVERLAY, "10.77.0.1");
	take("10.0.0.0/8", NULL, FIB_KERNEL, 254, 100);
	expect_hop("10.0.0.1", FIB_OVERLAY, "10.77.0.8");
}

static void any_kernel_route_wins_over_ours_and_standby_takes_over(void **state)
{
	(void)state;
	put("192.168.1.0/24", "10.77.0.11", FIB_REGISTERED, 0, 4096, FIB_OVERLAY);
	put("192.168.1.0/24", "10.77.0.12", FIB_REGISTERED, 0, 4096, FIB_OVERLAY);
	expect_hop("192.168.1.5", FIB_OVERLAY, "10.77.0.11");
	put("192.168.1.0/24", NULL, FIB_KERNEL, 254, 9999, FIB_OTHER);
	expect_hop("192.168.1.5", FIB_OTHER, NULL);
	struct prefix p = fixture_prefix("192.168.1.0/24");
	struct ip_addr first = fixture_addr("10.77.0.11");
	assert_true(addr_equal(&fib_own(&fib, &p)->gateway, &first));
	take("192.168.1.0/24", NULL, FIB_KERNEL, 254, 9999);
	take("192.168.1.0/24", "10.77.0.11", FIB_REGISTERED, 0, 4096);
	expect_hop("192.168.1.5", FIB_OVERLAY, "10.77.0.12");
	take("192.168.1.0/24", "10.77.0.12", FIB_REGISTERED, 0, 4096);
	look("192.168.1.5", false);
}

static void shortcuts_win_ties_and_lose_to_what_is_narrower(void **state)
{
	(void)state;
	struct prefix p = fixture_prefix("192.168.2.0/24");
	put("192.168.0.0/16", "10.77.0.1", FIB_KERNEL, 254, 0, FIB_OVERLAY);
	put("192.168.2.0/24", "10.77.0.1", FIB_KERNEL, 254, 0, FIB_OVERLAY);
	assert_int_equal(fib_shortcut_put(&fib, &p, 7), 0);
	struct fib_hop hop = look("192.168.2.5", true);
	assert_true(hop.shortcut && hop.peer == 7);
	put("192.168.2.0/28", NULL, FIB_KERNEL, 254, 0, FIB_OTHER);
	expect_hop("192.168.2.5", FIB_OTHER, NULL);
	assert_true(look("192.168.2.99", true).shortcut);
	fib_shortcut_remove(&fib, &p);
	expect_hop("192.168.2.99", FIB_OVERLAY, "10.77.0.1");
}

static void neighbours_are_behind_next_hops(void **state)
{
	(void)state;
	struct ip_addr hub = fixture_addr("10.77.0.1"), far = fixture_addr("10.77.0.12");
	struct ip_addr link_local = fixture_addr("fe80::5efe:a4d:c");
	put("10.77.0.0/24", NULL, FIB_KERNEL, 254, 0, FIB_OVERLAY);
	put("192.168.2.0/24", "10.77.0.12", FIB_KERNEL, 254, 0, FIB_OVERLAY);
	fib_neighbour_put(&fib, &hub, 1);
	fib_neighbour_put(&fib, &far, 2);
	fib_neighbour_put(&fib, &link_local, 2);
	assert_int_equal(look("10.77.0.1", true).peer, 1);
	assert_int_equal(look("192.168.2.9", true).peer, 2);
	assert_int_equal(look("10.77.0.99", true).peer, FIB_NONE);
	assert_int_equal(look("fe80::5efe:a4d:c", true).peer, 2); /* without any route */
	fib_neighbour_remove(&fib, &far, 1);                      /* not his */
	assert_int_equal(fib_neighbour(&fib, &far), 2);
	fib_neighbour_remove(&fib, &far, 2);
	assert_int_equal(look("192.168.2.9", true).peer, FIB_NONE);
}

static void covering(void **state)
{
	(void)state;
	struct prefix wide = fixture_prefix("10.0.0.0/8"), mid = fixture_prefix("10.1.0.0/16");
	put("0.0.0.0/0", NULL, FIB_KERNEL, 254, 0, FIB_OTHER);
	put("10.1.0.0/16", "10.77.0.1", FIB_KERNEL, 254, 0, FIB_OVERLAY);
	assert_int_equal(fib_covering(&fib, &wide)->prefix.len, 0);
	assert_int_equal(fib_covering(&fib, &mid)->prefix.len, 16);
	struct prefix v6 = fixture_prefix("fd00::/8");
	assert_null(fib_covering(&fib, &v6));
}

static bool is_type(const void *type, const struct fib_route *r)
{
	return r->type == *(const uint8_t *)type;
}

static void the_widest_that_goes_one_way(void **state)
{
	(void)state;
	static const uint8_t overlay = FIB_OVERLAY, other = FIB_OTHER;
	static const struct {
		const char *target, *expected; /* NULL: none */
		const uint8_t *type;
		uint8_t least;
	} cases[] = {
		{"10.1.0.1", "10.1.0.0/17", &other, 1},       /* not 10.1.200.0/24 */
		{"10.1.0.1", "10.1.0.0/20", &other, 20},      /* no wider than asked */
		{"10.1.0.1", NULL, &overlay, 1},              /* itself goes elsewhere */
		{"10.1.200.5", "10.1.200.0/29", &overlay, 1}, /* not .9, which comes back */
		{"10.1.200.9", "10.1.200.9/32", &other, 1},
		{"10.1.201.1", "10.1.201.0/24", &other, 1},
		{"10.2.0.1", "10.2.0.0/15", &other, 1}, /* 10.0.0.0/8 but for 10.1.200.0/24 */
		{"172.16.0.1", NULL, &other, 1},        /* no route */
	};
	put("10.0.0.0/8", NULL, FIB_KERNEL, 254, 0, FIB_OTHER);
	put("10.1.0.0/16", NULL, FIB_KERNEL, 254, 0, FIB_OTHER);
	put("10.1.200.0/24", "10.77.0.1", FIB_KERNEL, 254, 0, FIB_OVERLAY);
	put("10.1.200.9/32", NULL, FIB_KERNEL, 254, 0, FIB_OTHER);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct ip_addr target;
		struct prefix got;
		char text[PREFIX_TEXT_MAX];
		assert_true(addr_parse(cases[i].target, &target));
		bool found =
			fib_widest(&fib, &target, cases[i].least, is_type, cases[i].type, &got);
		assert_string_equal(found ? prefix_format(&got, text) : "none",
			cases[i].expected ? cases[i].expected : "none");
	}
}

static void a_full_table_refuses_and_recovers(void **state)
{
	(void)state;
	char text[32];
	unsigned n = 0;
	struct fib_route r;
	do {
		snprintf(text, sizeof text, "172.16.%u.0/24", n++);
		r = route(text, NULL, FIB_KERNEL, 254, 0, FIB_OTHER);
	} while (fib_route_put(&fib, &r) == 0 && n < 1000);
	assert_int_equal(n, 65);
	look("172.16.64.1", false);
	assert_int_equal(fib_route_remove(&fib, &r), ERR_NOT_FOUND);
	for (unsigned round = 0; round < 500; round++) { /* replaced slots come back */
		put("172.16.0.0/24", round % 2 ? "10.77.0.1" : "10.77.0.2", FIB_KERNEL, 254, 0,
			FIB_OVERLAY);
	}
	expect_hop("172.16.0.1", FIB_OVERLAY, "10.77.0.1");
	uint64_t generation = fib.generation;
	put("172.16.0.0/24", "10.77.0.1", FIB_KERNEL, 254, 0, FIB_OVERLAY);
	assert_int_equal(fib.generation, generation); /* nothing has changed for forwarding */
}

/* Two hubs tell the same prefix again and again: the traffic stays with the one that was first. */
static void a_renewal_keeps_its_place(void **state)
{
	(void)state;
	put("192.168.1.0/24", "10.77.0.1", FIB_HUB, 0, 0, FIB_OVERLAY);
	put("192.168.1.0/24", "10.77.0.2", FIB_HUB, 0, 0, FIB_OVERLAY);
	put("192.168.1.0/24", "10.77.0.3", FIB_HUB, 0, 0, FIB_OVERLAY);
	uint64_t generation = fib.generation;
	for (unsigned round = 0; round < 6; round++) {
		static const char *const hubs[] = {"10.77.0.1", "10.77.0.3", "10.77.0.2"};
		put("192.168.1.0/24", hubs[round % 3], FIB_HUB, 0, 0, FIB_OVERLAY);
		expect_hop("192.168.1.5", FIB_OVERLAY, "10.77.0.1");
	}
	assert_int_equal(fib.generation, generation);
	assert_int_equal(fib.used, 3);
	take("192.168.1.0/24", "10.77.0.1", FIB_HUB, 0, 0);
	expect_hop("192.168.1.5", FIB_OVERLAY, "10.77.0.2");
	assert_int_equal(fib.generation, generation + 1);
}

/* What a worker's batch began with stays as it was, whatever the writer does meanwhile. */
static void a_batch_keeps_what_it_began_with(void **state)
{
	(void)state;
	struct ip_addr dst = fixture_addr("10.0.0.1"), expected = fixture_addr("10.77.0.1");
	put("10.0.0.0/8", "10.77.0.1", FIB_KERNEL, 254, 0, FIB_OVERLAY);
	epoch_enter(&epoch, 3);
	struct fib_view view = fib_snapshot(&fib);
	for (unsigned n = 0; n < 30; n++) {
		put("10.0.0.0/8", n % 2 ? "10.77.0.2" : "10.77.0.3", FIB_KERNEL, 254, 0,
			FIB_OVERLAY);
		put("10.0.0.0/24", NULL, FIB_KERNEL, 254, 0, FIB_REJECT);
		take("10.0.0.0/24", NULL, FIB_KERNEL, 254, 0);
	}
	struct fib_hop hop;
	assert_true(fib_lookup(&view, &dst, &hop));
	assert_int_equal(hop.type, FIB_OVERLAY);
	assert_true(addr_equal(&hop.next_hop, &expected));
	epoch_leave(&epoch, 3);
	expect_hop("10.0.0.1", FIB_OVERLAY, "10.77.0.2");
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(the_kernels_order_for_one_prefix),
		CASE(routes_for_a_type_of_service_stand_behind),
		CASE(any_kernel_route_wins_over_ours_and_standby_takes_over),
		CASE(shortcuts_win_ties_and_lose_to_what_is_narrower),
		CASE(neighbours_are_behind_next_hops),
		CASE(covering),
		CASE(the_widest_that_goes_one_way),
		CASE(a_full_table_refuses_and_recovers),
		CASE(a_renewal_keeps_its_place),
		CASE(a_batch_keeps_what_it_began_with),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
