/* Which candidates may be probed: the rules that keep a node from being made a reflector. */
#include "core/peer/peer.h"
#include "core/wire/nhrp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct peers *peers;
static struct peer hub;

static bool is_overlay(void *ctx, const struct ip_addr *a)
{
	(void)ctx;
	return a->family == 4 && a->bytes[0] == 10 && a->bytes[1] == 77;
}

static int set_up(void **state)
{
	(void)state;
	peers = calloc(1, sizeof *peers);
	hub = (struct peer){.used = true, .hub = true};
	peers->v = &hub;
	peers->n_hubs = 1;
	peers->hubs[0] = 0;
	peers->port = 4754;
	peers->ops.is_overlay = is_overlay;
	addr_parse("192.168.1.10", &peers->own[peers->n_own++]);
	addr_parse("2001:db8:1::10", &peers->own[peers->n_own++]);
	endpoint_parse("198.51.100.1:4754", 0, &hub.seen); /* we, as the hub sees us */
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(peers);
	return 0;
}

/* "kind endpoint" lists in, what is left out. */
static void check(const char *const *in, const char *const *expected)
{
	struct candidate v[PUNCH_CANDIDATES];
	unsigned n = 0, k = 0;
	for (; in[n]; n++) {
		v[n].kind = (uint8_t)(in[n][0] - '0');
		assert_true(endpoint_parse(in[n] + 2, 0, &v[n].endpoint));
	}
	n = punch_filter(peers, v, n);
	for (; expected[k]; k++) {
		char text[ENDPOINT_TEXT_MAX];
		assert_true(k < n);
		assert_string_equal(endpoint_format(&v[k].endpoint, text), expected[k] + 2);
	}
	assert_int_equal(n, k);
}

#define LIST(...)                                                                                  \
	(const char *const[])                                                                      \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}
#define NOTHING ((const char *const[]){NULL})

static void a_public_address_must_have_been_seen(void **state)
{
	(void)state;
	check(LIST("0 203.0.113.5:4754", "1 203.0.113.5:9999"),
		LIST("0 203.0.113.5:4754", "1 203.0.113.5:9999"));
	check(LIST("0 203.0.113.5:4754", "1 203.0.113.6:4754", "2 203.0.113.7:4754"),
		LIST("0 203.0.113.5:4754"));
	check(LIST("1 203.0.113.5:4754"), NOTHING);
}

static void private_addresses_are_for_those_behind_one_nat(void **state)
{
	(void)state;
	check(LIST("0 203.0.113.5:4754", "1 192.168.1.20:4754", "1 10.1.2.3:4754"),
		LIST("0 203.0.113.5:4754"));
	check(LIST("0 198.51.100.1:4755", "1 192.168.1.20:4754", "1 10.1.2.3:4754"),
		LIST("0 198.51.100.1:4755", "1 192.168.1.20:4754", "1 10.1.2.3:4754"));
	/* A hub that is itself inside saw it. */
	check(LIST("0 192.168.5.20:4754"), LIST("0 192.168.5.20:4754"));
	check(LIST("0 203.0.113.5:4754", "1 [fd00::1]:4754", "1 100.64.0.1:4754"),
		LIST("0 203.0.113.5:4754"));
}

static void two_global_ipv6_addresses_at_most(void **state)
{
	(void)state;
	check(LIST("1 [2001:db8::1]:4754", "1 [2001:db8::2]:4754", "1 [2001:db8::3]:4754"),
		LIST("1 [2001:db8::1]:4754", "1 [2001:db8::2]:4754"));
}

static void what_nobody_should_be_sent(void **state)
{
	(void)state;
	check(LIST("0 127.0.0.1:4754", "0 224.0.0.5:4754", "0 255.255.255.255:4754",
		      "0 0.0.0.0:4754", "0 169.254.1.1:4754", "0 10.77.0.12:4754",
		      "0 192.168.1.10:4754", "0 203.0.113.5:0"),
		NOTHING);
	check(LIST("0 [::1]:4754", "0 [ff02::1]:4754", "0 [fe80::1]:4754", "0 [::]:4754",
		      "0 [::ffff:127.0.0.1]:4754", "0 [2001:db8:1::10]:4754"),
		NOTHING);
}

static void our_own_candidates(void **state)
{
	(void)state;
	struct candidate own[PUNCH_CANDIDATES];
	addr_parse("fe80::1", &peers->own[peers->n_own++]);
	addr_parse("127.0.0.1", &peers->own[peers->n_own++]);
	for (int i = 2; i < 6; i++) {
		char text[] = "2001:db8:1::X";
		text[12] = (char)('0' + i);
		addr_parse(text, &peers->own[peers->n_own++]);
	}
	unsigned n = punch_candidates(peers, own);
	assert_int_equal(n, 3); /* one private, two global */
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(own[i].kind, NHRP_CANDIDATE_HOST);
		assert_int_equal(own[i].endpoint.port, 4754);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_public_address_must_have_been_seen, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			private_addresses_are_for_those_behind_one_nat, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			two_global_ipv6_addresses_at_most, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_nobody_should_be_sent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(our_own_candidates, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
