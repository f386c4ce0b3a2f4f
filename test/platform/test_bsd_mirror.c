/* From the routing socket's messages to netmon_events: what is told, once, and what is not. */
#include "platform/bsd/mirror.h"
#include "test/platform/bsd_messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* All events as text, one a line. */
static struct {
	char text[4096];
	size_t len;
} told;

static void tell(const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	told.len +=
		(size_t)vsnprintf(told.text + told.len, sizeof told.text - told.len, format, ap);
	va_end(ap);
}

static void assert_told(const char *text)
{
	assert_string_equal(told.text, text);
	told.len = 0;
	told.text[0] = '\0';
}

static void on_reset(void *ctx)
{
	(void)ctx;
	tell("reset\n");
}

static void on_route(
	void *ctx, const struct kernel_route *route, const struct kernel_legs *legs, bool deleted)
{
	static const char *const kinds[] = {"", " local", " reject"};
	char prefix[PREFIX_TEXT_MAX], gateway[ADDR_TEXT_MAX] = "-";
	(void)ctx;
	assert_int_equal(legs->n, deleted ? 0 : 1);
	if (route->gateway.family)
		addr_format(&route->gateway, gateway);
	tell("%s %s %s if%u%s%s\n", deleted ? "del" : "set", prefix_format(&route->prefix, prefix),
		gateway, route->ifindex, kinds[route->kind],
		route->protocol == ROUTE_PROTOCOL_WARREN ? " ours" : "");
}

static void on_address(void *ctx, uint32_t ifindex, const struct prefix *address, bool deleted)
{
	char text[PREFIX_TEXT_MAX];
	(void)ctx;
	tell("%saddress %s if%u\n", deleted ? "no " : "", prefix_format(address, text), ifindex);
}

static void on_synced(void *ctx)
{
	(void)ctx;
	tell("synced\n");
}

static void on_link(void *ctx, const struct kernel_link *link)
{
	(void)ctx;
	tell("link %s %s\n", link->name, link->up ? "up" : "down");
}

static void name_of(void *ctx, uint32_t ifindex, char out[16])
{
	(void)ctx;
	snprintf(out, 16, "en%u", ifindex);
}

static void free_again(
	void *ctx, const struct prefix *prefix, const struct ip_addr *gateway, uint32_t ifindex)
{
	char text[PREFIX_TEXT_MAX];
	(void)ctx, (void)gateway;
	tell("again %s if%u\n", prefix_format(prefix, text), ifindex);
}

static void draw(void *ctx, void *out, size_t len)
{
	(void)ctx;
	memset(out, 1, len);
}

static const struct env env = {.random = draw};
static struct mirror mirror;

static int setup(void **state)
{
	(void)state;
	memset(&mirror, 0, sizeof mirror);
	mirror.events = (struct netmon_events){.reset = on_reset,
		.route = on_route,
		.address = on_address,
		.synced = on_synced,
		.link = on_link};
	mirror.name = name_of;
	mirror.free_again = free_again;
	told.len = 0;
	told.text[0] = '\0';
	return mirror_init(&mirror, &rtsock_freebsd, &env);
}

static int teardown(void **state)
{
	(void)state;
	mirror_fini(&mirror);
	return 0;
}

static void take(struct bsd_message *m)
{
	struct rtsock_message message;
	size_t used;
	bsd_end(m);
	assert_true(rtsock_parse(m->abi, m->bytes, m->len, &used, &message));
	mirror_take(&mirror, &message);
}

static void route(uint8_t type, const char *dst, uint8_t bits, const char *gateway,
	uint16_t ifindex, uint32_t flags)
{
	struct bsd_message m;
	bsd_begin(&m, &rtsock_freebsd, type, ifindex,
		RTSOCK_UP | flags | (gateway ? RTSOCK_GATEWAY : 0));
	bsd_address(&m, BSD_DST, dst);
	if (gateway)
		bsd_address(&m, BSD_GATEWAY, gateway);
	else
		bsd_link(&m, BSD_GATEWAY, ifindex, "x");
	bsd_mask(&m, 4, bits);
	take(&m);
}

static void address(uint8_t type, const char *text, uint8_t bits, uint16_t ifindex)
{
	struct bsd_message m;
	bsd_begin(&m, &rtsock_freebsd, type, ifindex, 0);
	bsd_mask(&m, 4, bits);
	bsd_address(&m, BSD_IFA, text);
	take(&m);
}

static void link_message(uint16_t ifindex, bool up)
{
	struct bsd_message m;
	bsd_begin(&m, &rtsock_freebsd, RTSOCK_LINK, ifindex, up);
	take(&m);
}

static void test_routes_come_and_go(void **state)
{
	(void)state;
	route(RTSOCK_ROUTE_ADD, "10.1.0.0", 16, "10.0.0.2", 3, 0);
	assert_told("set 10.1.0.0/16 10.0.0.2 if3\n");
	route(RTSOCK_ROUTE_ADD, "10.1.0.0", 16, "10.0.0.2", 3, 0); /* told again */
	assert_told("");
	route(RTSOCK_ROUTE_CHANGE, "10.1.0.0", 16, "10.0.0.9", 3, 0);
	assert_told("set 10.1.0.0/16 10.0.0.9 if3\n");
	route(RTSOCK_ROUTE_DELETE, "10.1.0.0", 16, "10.0.0.9", 3, 0);
	assert_told("del 10.1.0.0/16 10.0.0.9 if3\n");
	route(RTSOCK_ROUTE_DELETE, "10.1.0.0", 16, "10.0.0.9", 3, 0);
	assert_told("");
	assert_false(mirror.lost);
}

/* Of several routes of one prefix the first is told; when it goes, only a dump knows what is left. */
static void test_multipath(void **state)
{
	(void)state;
	route(RTSOCK_ROUTE_ADD, "10.1.0.0", 16, "10.0.0.2", 3, 0);
	route(RTSOCK_ROUTE_ADD, "10.1.0.0", 16, "10.0.0.3", 3, 0);
	assert_told("set 10.1.0.0/16 10.0.0.2 if3\n");
	route(RTSOCK_ROUTE_DELETE, "10.1.0.0", 16, "10.0.0.2", 3, 0);
	assert_told("del 10.1.0.0/16 10.0.0.2 if3\n");
	assert_true(mirror.lost);
	mirror_dump_begin(&mirror);
	route(RTSOCK_ROUTE_GET, "10.1.0.0", 16, "10.0.0.3", 3, 0);
	mirror_dump_end(&mirror);
	assert_told("reset\nset 10.1.0.0/16 10.0.0.3 if3\nsynced\n");
	assert_false(mirror.lost);
}

static void test_dump_tells_what_changed(void **state)
{
	(void)state;
	route(RTSOCK_ROUTE_ADD, "10.1.0.0", 16, "10.0.0.2", 3, 0);
	route(RTSOCK_ROUTE_ADD, "10.2.0.0", 16, "10.0.0.2", 3, 0);
	route(RTSOCK_ROUTE_ADD, "10.3.0.0", 16, "10.0.0.2", 3, 0);
	address(RTSOCK_ADDRESS_NEW, "192.0.2.1", 24, 1);
	told.len = 0;
	mirror_dump_begin(&mirror);
	link_message(1, true);
	route(RTSOCK_ROUTE_GET, "10.1.0.0", 16, "10.0.0.2", 3, 0); /* same */
	route(RTSOCK_ROUTE_GET, "10.2.0.0", 16, "10.0.0.7", 3, 0); /* another hop */
	route(RTSOCK_ROUTE_GET, "10.4.0.0", 16, NULL, 3, 0);       /* new; and 10.3 is gone */
	mirror_dump_end(&mirror);
	assert_told("reset\nlink en1 up\nset 10.2.0.0/16 10.0.0.7 if3\nset 10.4.0.0/16 - if3\n"
		    "no address 192.0.2.1/24 if1\ndel 192.0.2.1/32 - if0 local\n"
		    "del 10.3.0.0/16 10.0.0.2 if3\nsynced\n");
}

static void test_all_are_told_again(void **state)
{
	(void)state;
	route(RTSOCK_ROUTE_ADD, "10.1.0.0", 16, "10.0.0.2", 3, 0);
	route(RTSOCK_ROUTE_ADD, "10.2.0.0", 16, "10.0.0.2", 3, 0);
	route(RTSOCK_ROUTE_ADD, "10.3.0.0", 16, "10.0.0.3", 3, 0);
	route(RTSOCK_ROUTE_DELETE, "10.2.0.0", 16, "10.0.0.2", 3, 0);
	told.len = 0;
	mirror_tell(&mirror);
	assert_told("set 10.1.0.0/16 10.0.0.2 if3\nset 10.3.0.0/16 10.0.0.3 if3\n");
}

static void test_addresses_are_local_routes(void **state)
{
	(void)state;
	address(RTSOCK_ADDRESS_NEW, "192.0.2.1", 24, 1);
	assert_told("address 192.0.2.1/24 if1\nset 192.0.2.1/32 - if0 local\n");
	/* The kernel's own route of this address is another one. */
	route(RTSOCK_ROUTE_ADD, "192.0.2.1", 32, NULL, 9, 0);
	assert_told("set 192.0.2.1/32 - if9\n");
	address(RTSOCK_ADDRESS_NEW, "192.0.2.1", 32, 2);
	assert_told("address 192.0.2.1/32 if2\n");
	address(RTSOCK_ADDRESS_DELETE, "192.0.2.1", 24, 1);
	assert_told("no address 192.0.2.1/24 if1\n");
	address(RTSOCK_ADDRESS_DELETE, "192.0.2.1", 32, 2);
	assert_told("no address 192.0.2.1/32 if2\ndel 192.0.2.1/32 - if0 local\n");
}

/* Another's route for our prefix wins while it is there. */
static void test_ours_waits(void **state)
{
	(void)state;
	struct prefix p;
	prefix_parse("10.1.0.0/16", &p);
	route(RTSOCK_ROUTE_ADD, "10.1.0.0", 16, "192.0.2.1", 1, 0);
	mirror_order(&mirror, &p, NULL, 3, false);
	told.len = 0;
	route(RTSOCK_ROUTE_DELETE, "10.1.0.0", 16, "192.0.2.1", 1, 0);
	assert_told("del 10.1.0.0/16 192.0.2.1 if1\nagain 10.1.0.0/16 if3\n");
	route(RTSOCK_ROUTE_ADD, "10.1.0.0", 16, NULL, 3, RTSOCK_OURS);
	assert_told("set 10.1.0.0/16 - if3 ours\n");
	assert_false(mirror_forget(&mirror, &p));
}

/* The kernel has it by the interface; when it goes, it is told with the gateway that we had in mind. */
static void test_ours_has_a_gateway(void **state)
{
	(void)state;
	struct prefix p;
	struct ip_addr a, b;
	prefix_parse("10.1.0.0/16", &p);
	addr_parse("10.0.0.2", &a);
	addr_parse("10.0.0.3", &b);
	mirror_order(&mirror, &p, &a, 3, true);
	assert_told("set 10.1.0.0/16 10.0.0.2 if3 ours\n");
	route(RTSOCK_ROUTE_ADD, "10.1.0.0", 16, NULL, 3, RTSOCK_OURS);
	mirror_order(&mirror, &p, &b, 3, false); /* it is there already, and serves */
	assert_told("");
	assert_false(mirror_forget(&mirror, &p));
	route(RTSOCK_ROUTE_DELETE, "10.1.0.0", 16, NULL, 3, RTSOCK_OURS);
	assert_told("del 10.1.0.0/16 10.0.0.3 if3 ours\n");
	assert_false(mirror.lost);
	mirror_order(&mirror, &p, &b, 3, false); /* somebody's that we have not heard of yet */
	assert_true(mirror.lost);
}

static void test_wanted_no_more(void **state)
{
	(void)state;
	struct prefix p;
	prefix_parse("10.1.0.0/16", &p);
	route(RTSOCK_ROUTE_ADD, "10.1.0.0", 16, "192.0.2.1", 1, 0);
	mirror_order(&mirror, &p, NULL, 3, false);
	assert_true(mirror_forget(&mirror, &p));
	told.len = 0;
	route(RTSOCK_ROUTE_DELETE, "10.1.0.0", 16, "192.0.2.1", 1, 0);
	assert_told("del 10.1.0.0/16 192.0.2.1 if1\n");
}

/* An interface that goes down takes routes with it that nobody announces. */
static void test_links(void **state)
{
	(void)state;
	mirror_dump_begin(&mirror);
	link_message(3, true);
	mirror_dump_end(&mirror);
	told.len = 0;
	link_message(3, true);
	assert_told("link en3 up\n");
	assert_false(mirror.lost);
	link_message(3, false);
	assert_told("link en3 down\n");
	assert_true(mirror.lost);
}

static void test_answers_to_others(void **state)
{
	(void)state;
	route(RTSOCK_ROUTE_GET, "10.1.0.0", 16, "10.0.0.2", 3, 0);
	assert_told("");
}

static void test_growth(void **state)
{
	(void)state;
	char dst[32];
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(dst, sizeof dst, "10.%u.%u.0", i / 256, i % 256);
		route(RTSOCK_ROUTE_ADD, dst, 24, "10.0.0.2", 3, 0);
		told.len = 0;
	}
	assert_int_equal(mirror.n, 5000);
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(dst, sizeof dst, "10.%u.%u.0", i / 256, i % 256);
		route(RTSOCK_ROUTE_DELETE, dst, 24, "10.0.0.2", 3, 0);
		assert_memory_equal(told.text, "del", 3);
		told.len = 0;
	}
	assert_int_equal(mirror.n, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_routes_come_and_go),
		TEST(test_multipath),
		TEST(test_dump_tells_what_changed),
		TEST(test_all_are_told_again),
		TEST(test_addresses_are_local_routes),
		TEST(test_ours_waits),
		TEST(test_ours_has_a_gateway),
		TEST(test_wanted_no_more),
		TEST(test_links),
		TEST(test_answers_to_others),
		TEST(test_growth),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
