#include "platform/linux/routeset.h"
#include "platform/linux/rtnl.h"
#include "test/platform/linux_lab.h"

#include <stdio.h>
#include <string.h>

/* The part of the mirror's source that needs no kernel. */

static struct routeset set;
static struct routeset_route told;

static int setup(void **state)
{
	(void)state;
	return routeset_init(&set, lab_env());
}

static int teardown(void **state)
{
	(void)state;
	routeset_fini(&set);
	return 0;
}

/* An announcement with one hop on this interface. */
static struct routemsg message(const char *prefix, uint32_t ifindex)
{
	struct routemsg m = {.n_hops = 1};
	assert_true(prefix_parse(prefix, &m.route.prefix));
	m.route.table = 254;
	m.hops[0].ifindex = ifindex;
	m.hops[0].weight = 1;
	return m;
}

static bool lost; /* by the last one */

static enum routeset_change add(struct routemsg m)
{
	lost = false;
	return routeset_apply(&set, &m, &told, &lost);
}

static enum routeset_change del(struct routemsg m)
{
	m.deleted = true;
	lost = false;
	return routeset_apply(&set, &m, &told, &lost);
}

static void test_order(void **state)
{
	(void)state;
	struct routemsg one = message("10.0.0.0/8", 1), two = message("10.0.0.0/8", 2);
	assert_int_equal(add(one), ROUTESET_SET);
	two.append = true;
	assert_int_equal(add(two), ROUTESET_SAME); /* behind */
	assert_int_equal(del(one), ROUTESET_SET);
	assert_int_equal(told.route.ifindex, 2);
	assert_int_equal(add(one), ROUTESET_SET); /* ahead */
	assert_int_equal(told.route.ifindex, 1);
	assert_int_equal(del(two), ROUTESET_SAME);
	assert_int_equal(del(one), ROUTESET_GONE);
	assert_int_equal(told.route.ifindex, 1);
	del(one);
	assert_true(lost);
	assert_int_equal(set.n, 0);
}

static void test_keys(void **state)
{
	(void)state;
	struct routemsg m = message("10.0.0.0/8", 1);
	assert_int_equal(add(m), ROUTESET_SET);
	m.route.metric = 1;
	assert_int_equal(add(m), ROUTESET_SET);
	m.route.tos = 8;
	assert_int_equal(add(m), ROUTESET_SET);
	m.route.table = 255;
	assert_int_equal(add(m), ROUTESET_SET);
	assert_int_equal(add(message("10.0.0.0/9", 1)), ROUTESET_SET);
	assert_int_equal(add(message("a00::/8", 1)), ROUTESET_SET);
	assert_int_equal(set.n, 6);
	routeset_clear(&set);
	assert_int_equal(set.n, 0);
	assert_int_equal(add(m), ROUTESET_SET);
}

/* IPv4: all hops of a route come and go together, and another one of its key is another one. */
static void test_multipath(void **state)
{
	(void)state;
	struct routemsg m = message("10.0.0.0/8", 1), one = message("10.0.0.0/8", 1);
	m.n_hops = 3;
	for (unsigned i = 0; i < 3; i++)
		m.hops[i] = (struct routemsg_hop){.ifindex = 1 + i, .weight = (uint16_t)(1 + i)};
	assert_int_equal(add(m), ROUTESET_SET);
	assert_int_equal(told.legs.n, 3);
	assert_int_equal(told.legs.v[2].weight, 3);
	one.append = true;
	assert_int_equal(add(one), ROUTESET_SAME); /* behind, and no leg of the first */
	assert_int_equal(del(m), ROUTESET_SET);
	assert_int_equal(told.legs.n, 1);
	assert_int_equal(add(m), ROUTESET_SET); /* ahead, its hops together */
	assert_int_equal(told.legs.n, 3);
	assert_int_equal(del(one), ROUTESET_SAME);
	m.hops[1].weight = 9;
	m.replaces = true;
	assert_int_equal(add(m), ROUTESET_SET); /* nothing but a weight */
	assert_int_equal(told.legs.v[1].weight, 9);
	m.hops[0].dead = true;
	assert_int_equal(add(m), ROUTESET_SET);
	assert_int_equal(told.legs.n, 2);
	assert_int_equal(told.route.ifindex, 2);
	assert_int_equal(del(m), ROUTESET_GONE);
	assert_int_equal(told.legs.n, 0);
	assert_int_equal(set.n, 0);
}

static void test_replaced(void **state)
{
	(void)state;
	struct routemsg one = message("10.0.0.0/8", 1), two = message("10.0.0.0/8", 2);
	add(one);
	two.replaces = true;
	assert_int_equal(add(two), ROUTESET_SET);
	assert_int_equal(told.route.ifindex, 2);
	assert_int_equal(set.n, 1);
	assert_int_equal(add(two), ROUTESET_SAME);
	two.route.protocol = 99; /* another's now */
	assert_int_equal(add(two), ROUTESET_SET);
	add(one);
	add(two);
	assert_true(lost); /* which of the two? */
}

static void test_twice(void **state)
{
	(void)state;
	struct routemsg one = message("10.0.0.0/8", 1);
	one.append = true;
	assert_int_equal(add(one), ROUTESET_SET);
	assert_int_equal(add(one), ROUTESET_SAME);
	del(one);
	assert_true(lost); /* is there still one? */
}

static void test_legs(void **state)
{
	(void)state;
	struct routemsg m = message("2001:db8::/32", 1), leg;
	m.n_hops = 3;
	for (unsigned i = 0; i < 3; i++) {
		m.hops[i] = (struct routemsg_hop){.ifindex = 1 + i, .weight = 1};
		assert_true(addr_parse("fe80::1", &m.hops[i].gateway));
	}
	m.hops[0].dead = true;
	assert_int_equal(add(m), ROUTESET_SET);
	assert_int_equal(told.route.ifindex, 2);
	assert_true(set.dead_hops);
	leg = m;
	leg.n_hops = 1;
	leg.hops[0] = m.hops[1];
	assert_int_equal(del(leg), ROUTESET_SET);
	assert_int_equal(told.route.ifindex, 3);
	leg.hops[0] = m.hops[2];
	assert_int_equal(del(leg), ROUTESET_GONE); /* the one left is dead */
	m.replaces = true;
	m.hops[0].dead = false;
	assert_int_equal(add(m), ROUTESET_SET);
	assert_int_equal(set.n, 3);
	assert_int_equal(del(m), ROUTESET_GONE);
	assert_int_equal(set.n, 0);
}

/* One of two hops is not known: so that route is not, and the one that is stays until a dump says more. */
static void test_half_known(void **state)
{
	(void)state;
	struct routemsg m = message("10.0.0.0/8", 1);
	assert_int_equal(add(m), ROUTESET_SET);
	m.n_hops = 2;
	m.hops[1].ifindex = 2;
	assert_int_equal(del(m), ROUTESET_SAME);
	assert_true(lost);
	assert_int_equal(set.n, 1);
}

static void test_nexthop(void **state)
{
	(void)state;
	struct routemsg m = message("10.0.0.0/8", 1), other = message("10.0.0.0/8", 9);
	m.nexthop_id = 5;
	m.n_hops = 2;
	m.hops[1].ifindex = 2;
	m.hops[1].member = 77;
	add(other);
	add(m);
	assert_true(routeset_uses_nexthop(&set, 5));
	assert_false(routeset_uses_nexthop(&set, 6));
	assert_false(routeset_uses_nexthop(&set, 5 + ROUTESET_NEXTHOPS)); /* the same remainder */
	assert_true(routeset_uses_nexthop(&set, 77));                     /* a group's member */
	m.n_hops = 0; /* the object is gone, so its hops are not known */
	assert_int_equal(del(m), ROUTESET_SET);
	assert_int_equal(told.route.ifindex, 9);
	assert_false(routeset_uses_nexthop(&set, 5));
	assert_false(routeset_uses_nexthop(&set, 77));
	del(m);
	assert_true(lost);
	assert_int_equal(set.n, 1);
}

static void test_many(void **state)
{
	(void)state;
	char text[32];
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 20000; i++) {
			snprintf(text, sizeof text, "10.%u.%u.0/24", i >> 8, i & 255);
			struct routemsg m = message(text, 1), n = message(text, 2);
			n.append = true;
			assert_int_equal(add(m), ROUTESET_SET);
			assert_int_equal(add(n), ROUTESET_SAME);
		}
		assert_int_equal(set.n, 40000);
		for (unsigned i = 0; i < 20000; i++) {
			snprintf(text, sizeof text, "10.%u.%u.0/24", i >> 8, i & 255);
			assert_int_equal(del(message(text, 1)), ROUTESET_SET);
			assert_int_equal(del(message(text, 2)), ROUTESET_GONE);
		}
		assert_int_equal(set.n, 0);
	}
	assert_int_equal(set.cap, 65536);
}

/* A length over 2 GiB is no small one. */
static void test_length(void **state)
{
	(void)state;
	struct nlmsghdr nlh = {.nlmsg_len = sizeof nlh};
	assert_true(rtnl_ok(&nlh, sizeof nlh));
	assert_false(rtnl_ok(&nlh, sizeof nlh - 1));
	nlh.nlmsg_len = sizeof nlh + 1;
	assert_false(rtnl_ok(&nlh, sizeof nlh));
	nlh.nlmsg_len = UINT32_C(0xdcdcdc2a);
	assert_false(rtnl_ok(&nlh, sizeof nlh));
}

static struct {
	unsigned set, gone;
	uint32_t ifindex[8]; /* in the order in which they were told */
} changes;

static void on_change(
	void *ctx, const struct kernel_route *route, const struct kernel_legs *legs, bool deleted)
{
	(void)ctx;
	assert_int_equal(legs->n, !deleted);
	changes.ifindex[changes.set + changes.gone] = route->ifindex;
	if (deleted)
		changes.gone++;
	else
		changes.set++;
	assert_true(changes.gone == 0 || deleted); /* what goes is told last */
}

static void test_compare(void **state)
{
	(void)state;
	struct routeset old;
	add(message("10.0.0.0/16", 1)); /* stays */
	add(message("10.1.0.0/16", 1)); /* moves */
	add(message("10.2.0.0/16", 1)); /* goes */
	add(message("10.3.0.0/16", 1)); /* its second one remains */
	struct routemsg second = message("10.3.0.0/16", 3);
	second.append = true;
	add(second);
	old = set;
	assert_int_equal(routeset_init(&set, lab_env()), 0);
	add(message("10.0.0.0/16", 1));
	add(message("10.1.0.0/16", 2));
	add(message("10.3.0.0/16", 3));
	add(message("10.4.0.0/16", 4)); /* comes */
	memset(&changes, 0, sizeof changes);
	routeset_compare(&old, &set, on_change, NULL);
	assert_true(changes.set == 3 && changes.gone == 1);
	assert_int_equal(changes.ifindex[0] + changes.ifindex[1] + changes.ifindex[2], 2 + 3 + 4);
	assert_int_equal(changes.ifindex[3], 1);
	memset(&changes, 0, sizeof changes);
	routeset_compare(&set, &set, on_change, NULL);
	assert_true(changes.set == 0 && changes.gone == 0);
	routeset_fini(&old);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(test_multipath, setup, teardown),
		cmocka_unit_test_setup_teardown(test_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(test_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(test_legs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_half_known, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nexthop, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
		cmocka_unit_test(test_length),
		cmocka_unit_test_setup_teardown(test_compare, setup, teardown),
	};
	return cmocka_run_group_tests_name("linux routeset", tests, NULL, NULL);
}
