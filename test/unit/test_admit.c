/* What strangers may make a node do, and that nothing they use up is missed by members. */
#include "core/peer/admit.h"

#include "test/unit/plane_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define START (1000 * NS_PER_S)

static struct admission a;
static uint64_t seed, chance;

static int set_up(void **state)
{
	(void)state;
	static const struct env env = {.ctx = &seed, .random = fixture_random};
	seed = chance = 7;
	return admit_init(&a, &env);
}

static int tear_down(void **state)
{
	(void)state;
	admit_fini(&a);
	return 0;
}

static struct ip_addr anybody(uint8_t family)
{
	struct ip_addr x = {.family = family};
	fixture_random(&chance, x.bytes, family == 4 ? 4 : 16);
	return x;
}

static unsigned ask(
	const struct ip_addr *from, bool proven, unsigned n, enum admit answer, uint64_t now)
{
	unsigned count = 0;
	for (unsigned i = 0; i < n; i++)
		count += admit_initiation(&a, from, proven, now) == answer;
	return count;
}

/* At the 251st at once, or the 501st of a second, each has to show its address; a second of rest ends it. */
static void cookies_are_asked_for_under_load(void **state)
{
	(void)state;
	uint64_t now = START;
	for (unsigned i = 0; i < 250; i++) {
		struct ip_addr x = anybody(4);
		assert_int_equal(admit_initiation(&a, &x, false, now), ADMIT_YES);
	}
	struct ip_addr late = anybody(4);
	assert_int_equal(admit_initiation(&a, &late, false, now), ADMIT_COOKIE);
	assert_true(admit_loaded(&a, now));
	assert_int_equal(admit_initiation(&a, &late, true, now), ADMIT_YES);
	assert_true(admit_loaded(&a, now + NS_PER_S - 1));
	assert_false(admit_loaded(&a, now + NS_PER_S));
	now += 2 * NS_PER_S;
	assert_int_equal(admit_initiation(&a, &late, false, now), ADMIT_YES);
	/* A steady flood never gets a handshake for nothing once it is known. */
	unsigned begun = 0;
	for (unsigned i = 0; i < 100000; i++, now += NS_PER_S / 20000) {
		struct ip_addr x = anybody(4);
		begun += admit_initiation(&a, &x, false, now) == ADMIT_YES;
	}
	assert_in_range(begun, 200, 300);
}

/* Whoever forges an address uses up what is for unproven ones; its owner shows a cookie and comes in. */
static void a_forged_source_does_not_lock_out_its_owner(void **state)
{
	(void)state;
	struct ip_addr victim = fixture_addr("198.51.100.7");
	uint64_t now = START;
	for (unsigned i = 0; i < 1000; i++, now += 10 * NS_PER_MS) {
		enum admit answer = admit_initiation(&a, &victim, false, now);
		assert_int_not_equal(answer, ADMIT_NO);
		if (i % 20 == 19) { /* the owner, with one of its own between them */
			assert_true(admit_cookie(&a, &victim, now));
			assert_int_equal(admit_initiation(&a, &victim, true, now), ADMIT_YES);
		}
	}
	assert_false(admit_loaded(&a, now));
	assert_true(ask(&victim, false, 50, ADMIT_COOKIE, now) >= 30);
}

static void sources_have_their_rates(void **state)
{
	(void)state;
	struct ip_addr x = fixture_addr("192.0.2.1"), y = fixture_addr("2001:db8::1");
	struct ip_addr z = fixture_addr("2001:db8::ffff:0:0:1"); /* the same /64 as y */
	struct ip_addr other = fixture_addr("2001:db8:0:1::1");
	assert_int_equal(ask(&x, false, 40, ADMIT_YES, START), 20);
	assert_int_equal(ask(&x, true, 200, ADMIT_YES, START), 100);
	assert_int_equal(ask(&y, false, 20, ADMIT_YES, START), 20);
	assert_int_equal(ask(&z, false, 20, ADMIT_YES, START), 0);
	assert_int_equal(ask(&other, false, 20, ADMIT_YES, START), 20);
	assert_int_equal(ask(&x, true, 200, ADMIT_YES, START + NS_PER_S), 20);
	admit_member(&a, &x, START + NS_PER_S); /* a site with members behind one address */
	assert_int_equal(ask(&x, true, 300, ADMIT_YES, START + 10 * NS_PER_S), 100);
	assert_int_equal(ask(&x, true, 300, ADMIT_YES, START + 11 * NS_PER_S), 100);
}

/* A botnet has real addresses, and shows cookies. Members have a share that it does not reach. */
static void a_botnet_does_not_use_up_the_members_share(void **state)
{
	(void)state;
	struct ip_addr member = fixture_addr("203.0.113.9");
	uint64_t now = START;
	unsigned begun = 0, refused = 0;
	admit_member(&a, &member, now);
	for (unsigned i = 0; i < 40000; i++, now += NS_PER_S / 10000) {
		struct ip_addr bot = {.family = 4, .bytes = {10, 0, (uint8_t)(i >> 8), (uint8_t)i}};
		begun += admit_initiation(&a, &bot, true, now) == ADMIT_YES;
		if (i % 100 == 99) /* 100 rekeys a second, all from one site */
			refused += admit_initiation(&a, &member, true, now) != ADMIT_YES;
	}
	assert_in_range(begun, 4 * 1900, 4 * 2000 + 500);
	assert_int_equal(refused, 0);
}

/* COOKIEs to anybody have a budget; members get theirs besides. */
static void cookies_have_a_budget(void **state)
{
	(void)state;
	struct ip_addr member = fixture_addr("203.0.113.9");
	uint64_t now = START;
	unsigned sent = 0;
	admit_member(&a, &member, now);
	for (unsigned i = 0; i < 200000; i++, now += NS_PER_S / 200000) {
		struct ip_addr x = anybody(i & 1 ? 6 : 4);
		sent += admit_cookie(&a, &x, now);
		if (i % 5000 == 0)
			assert_true(admit_cookie(&a, &member, now));
	}
	assert_in_range(sent, 49000, 55001);
}

/* A hundred times as many sources as there is room for: no growth, and those of members stay. */
static void the_table_is_bounded_and_keeps_members(void **state)
{
	(void)state;
	struct ip_addr members[1000];
	uint64_t now = START;
	for (unsigned i = 0; i < 1000; i++) {
		members[i] = anybody(4);
		admit_member(&a, &members[i], now);
	}
	for (unsigned i = 0; i < 100 * ADMIT_SOURCES; i++, now += 10000) {
		struct ip_addr x = anybody(i & 1 ? 6 : 4);
		admit_initiation(&a, &x, true, now);
	}
	a.cookies.full_at = TS_NEVER / 2; /* nothing left for strangers */
	for (unsigned i = 0; i < 1000; i++)
		assert_true(admit_cookie(&a, &members[i], now));
	/* The oldest gives way: a stranger that came last is still known. */
	struct ip_addr x = fixture_addr("192.0.2.77");
	assert_int_equal(ask(&x, true, 100, ADMIT_YES, now + NS_PER_S), 100);
	for (unsigned i = 0; i < 100; i++) {
		struct ip_addr y = anybody(4);
		admit_initiation(&a, &y, true, now + NS_PER_S);
	}
	assert_int_equal(ask(&x, true, 100, ADMIT_YES, now + NS_PER_S), 0);
	/* Where a source lies cannot be known from outside. */
	struct admission b;
	uint64_t other = 8;
	const struct env env = {.ctx = &other, .random = fixture_random};
	assert_int_equal(admit_init(&b, &env), 0);
	assert_memory_not_equal(a.initiators.seed, b.initiators.seed, sizeof b.initiators.seed);
	admit_fini(&b);
}

/* One who repeats himself does not use up what is for all; all together have a limit. */
static void resets_once_a_second_and_source(void **state)
{
	(void)state;
	struct ip_addr x = fixture_addr("192.0.2.1"), y = fixture_addr("192.0.2.2");
	unsigned sent = 0;
	for (unsigned i = 0; i < 5000; i++)
		sent += admit_reset(&a, &x, START);
	assert_int_equal(sent, 1);
	assert_true(admit_reset(&a, &y, START));
	assert_false(admit_reset(&a, &x, START + NS_PER_S - 1));
	assert_true(admit_reset(&a, &x, START + NS_PER_S));
	sent = 0;
	for (unsigned i = 0; i < 50000; i++) {
		struct ip_addr z = anybody(6);
		sent += admit_reset(&a, &z, START + 10 * NS_PER_S + i * (NS_PER_S / 50000));
	}
	assert_in_range(sent, 1000, 1101);
}

static void the_oldest_half_open_one_gives_way(void **state)
{
	(void)state;
	struct half_open old;
	for (uint32_t i = 0; i < 3 * ADMIT_HALF_OPEN; i++) {
		admit_half_open(&a, &(struct half_open){.peer = i, .session = i, .index = i}, &old);
		assert_int_equal(old.peer, i < ADMIT_HALF_OPEN ? UINT32_MAX : i - ADMIT_HALF_OPEN);
	}
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(cookies_are_asked_for_under_load),
		CASE(a_forged_source_does_not_lock_out_its_owner),
		CASE(sources_have_their_rates),
		CASE(a_botnet_does_not_use_up_the_members_share),
		CASE(cookies_have_a_budget),
		CASE(the_table_is_bounded_and_keeps_members),
		CASE(resets_once_a_second_and_source),
		CASE(the_oldest_half_open_one_gives_way),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
