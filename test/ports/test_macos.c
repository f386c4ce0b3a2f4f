/* platform/macos and platform/bsd, compiled for macOS, on a kernel of macOS's that is played: fake_darwin.c. */
#include "platform/platform.h"
#include "test/ports/fake_darwin.h"

#include "core/base/err.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct {
	char text[4096];
	size_t len;
} told, logged;

static void on_log(void *ctx, enum log_level level, const char *line)
{
	(void)ctx, (void)level;
	logged.len += (size_t)snprintf(
		logged.text + logged.len, sizeof logged.text - logged.len, "%s\n", line);
}

static void draw(void *ctx, void *out, size_t len)
{
	(void)ctx;
	memset(out, 1, len);
}

static const struct env env = {.log = on_log, .random = draw};

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
	char prefix[PREFIX_TEXT_MAX], gateway[ADDR_TEXT_MAX] = "-";
	(void)ctx, (void)legs;
	if (route->kind == ROUTE_LOCAL)
		return;
	if (route->gateway.family)
		addr_format(&route->gateway, gateway);
	tell("%s %s %s if%u%s\n", deleted ? "del" : "set", prefix_format(&route->prefix, prefix),
		gateway, route->ifindex, route->protocol == ROUTE_PROTOCOL_WARREN ? " ours" : "");
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
	tell("link %s %s %u\n", link->name, link->up ? "up" : "down", link->mtu);
}

static const struct netmon_events events = {.reset = on_reset,
	.route = on_route,
	.address = on_address,
	.synced = on_synced,
	.link = on_link};

static int setup(void **state)
{
	(void)state;
	fake_darwin_reset();
	told.len = logged.len = 0;
	told.text[0] = logged.text[0] = '\0';
	return 0;
}

static struct tun *open_tun(const char *name)
{
	struct tun *tun;
	struct tun_config config = {.mtu = 1400, .queues = 4, .offloads = ~0u, .n_addresses = 3};
	strcpy(config.name, name);
	prefix_parse("10.77.0.11/24", &config.addresses[0]);
	prefix_parse("fd00:77::11/64", &config.addresses[1]);
	prefix_parse("fe80::5efe:a4d:b/64", &config.addresses[2]);
	assert_int_equal(tun_open(&tun, &config, &env), 0);
	return tun;
}

static bool readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	return poll(&p, 1, 0) == 1;
}

/* ---- TUN -------------------------------------------------------------------------------------- */

static void test_utun(void **state)
{
	(void)state;
	char text[PREFIX_TEXT_MAX];
	struct tun *tun = open_tun("warren0");
	assert_string_equal(tun_name(tun), "utun4"); /* the first free one, whatever is wanted */
	assert_non_null(strstr(logged.text, "names its devices itself"));
	assert_int_equal(tun_queues(tun), 1);
	assert_int_equal(tun_offloads(tun), 0);
	assert_int_equal(tun_ifindex(tun), fake_darwin.utun.ifindex);
	assert_int_equal(fake_darwin.utun.mtu, 1400);
	assert_int_equal(fake_darwin.utun.n_addresses, 3);
	assert_string_equal(prefix_format(&fake_darwin.utun.addresses[0], text), "10.77.0.11/24");
	assert_string_equal(
		prefix_format(&fake_darwin.utun.addresses[2], text), "fe80::5efe:a4d:b/64");
	/* Subnets are routes of their own here; those of link-local addresses are not. */
	assert_int_equal(fake_darwin.n_routes, 2);
	assert_string_equal(prefix_format(&fake_darwin.routes[0].prefix, text), "10.77.0.0/24");
	assert_string_equal(prefix_format(&fake_darwin.routes[1].prefix, text), "fd00:77::/64");
	tun_close(tun);
	assert_int_equal(fake_darwin.n_routes, 0);
}

static void test_utun_by_number(void **state)
{
	(void)state;
	struct tun *tun = open_tun("utun12");
	assert_string_equal(tun_name(tun), "utun12");
	tun_close(tun);
	struct tun_config config = {.name = "utun8", .mtu = 1400};
	assert_int_equal(tun_open(&tun, &config, &env), ERR_SYSTEM);
	assert_non_null(strstr(logged.text, "in use by another"));
}

static void test_packets(void **state)
{
	(void)state;
	struct tun *tun = open_tun("");
	struct pkt_batch b;
	uint8_t bytes[64];
	static const uint8_t v4[] = "\0\0\0\2\x45packet", v6[] = "\0\0\0\36\x60packet";
	assert_int_equal(pkt_batch_init(&b, 8), 0);
	assert_int_equal(tun_read(tun, 0, &b, SIZE_MAX), 0);
	assert_int_equal(write(fake_darwin.utun.kernel_fd, v4, sizeof v4 - 1), sizeof v4 - 1);
	assert_int_equal(write(fake_darwin.utun.kernel_fd, v6, sizeof v6 - 1), sizeof v6 - 1);
	assert_true(readable(tun_fd(tun, 0)));
	assert_int_equal(tun_read(tun, 0, &b, SIZE_MAX), 2);
	assert_int_equal(b.v[0].len, 7);
	assert_memory_equal(b.v[0].data, "\x45packet", 7);
	assert_memory_equal(b.v[1].data, "\x60packet", 7);
	/* And back, each with its family in front. */
	b.v[0].verdict = b.v[1].verdict = PKT_WRITE_TUN;
	assert_int_equal(tun_write(tun, 0, &b), 0);
	assert_int_equal(b.v[1].verdict, PKT_CONSUMED);
	assert_int_equal(read(fake_darwin.utun.kernel_fd, bytes, sizeof bytes), sizeof v4 - 1);
	assert_memory_equal(bytes, v4, sizeof v4 - 1);
	assert_int_equal(read(fake_darwin.utun.kernel_fd, bytes, sizeof bytes), sizeof v6 - 1);
	assert_memory_equal(bytes, v6, sizeof v6 - 1);
	pkt_batch_fini(&b);
	tun_close(tun);
}

/* ---- Routes ----------------------------------------------------------------------------------- */

static void test_mirror(void **state)
{
	(void)state;
	struct netmon *m;
	fake_darwin_address(1, "192.0.2.9/24", true);
	fake_darwin_route("0.0.0.0/0", "192.0.2.1", 1, true);
	struct tun *tun = open_tun("");
	assert_int_equal(netmon_open(&m, NULL, 0, &events, &env), 0);
	assert_told("reset\nlink en0 up 1500\nlink utun4 up 1400\n"
		    "address 192.0.2.9/24 if1\naddress 10.77.0.11/24 if7\n"
		    "address fd00:77::11/64 if7\naddress fe80::5efe:a4d:b/64 if7\n"
		    "set 0.0.0.0/0 192.0.2.1 if1\nset 10.77.0.0/24 - if7\n"
		    "set fd00:77::/64 - if7\nsynced\n");
	fake_darwin_route("192.168.2.0/24", "10.77.0.12", 7, true);
	assert_true(readable(netmon_fd(m)));
	assert_int_equal(netmon_read(m), 0);
	assert_told("set 192.168.2.0/24 10.77.0.12 if7\n");
	fake_darwin_route("192.168.2.0/24", NULL, 0, false);
	fake_darwin_address(1, "198.51.100.1/24", true);
	assert_int_equal(netmon_read(m), 0);
	assert_told("del 192.168.2.0/24 10.77.0.12 if7\naddress 198.51.100.1/24 if1\n");
	netmon_close(m);
	tun_close(tun);
}

static void test_our_routes(void **state)
{
	(void)state;
	struct netmon *m;
	struct prefix p;
	struct ip_addr gateway;
	struct tun *tun = open_tun("");
	prefix_parse("192.168.3.0/24", &p);
	addr_parse("10.77.0.12", &gateway);
	assert_int_equal(netmon_open(&m, NULL, 0, &events, &env), 0);
	told.len = 0;
	assert_int_equal(route_add(m, &p, &gateway, 7, ROUTE_METRIC_WARREN), 0);
	assert_int_equal(netmon_read(m), 0);
	assert_told("set 192.168.3.0/24 10.77.0.12 if7 ours\n");
	/* Again: it is there, and that is well. Deleted, and once more. */
	assert_int_equal(route_add(m, &p, &gateway, 7, ROUTE_METRIC_WARREN), 0);
	assert_int_equal(route_delete(m, &p, &gateway, 7, ROUTE_METRIC_WARREN), 0);
	assert_int_equal(route_delete(m, &p, &gateway, 7, ROUTE_METRIC_WARREN), 0);
	assert_int_equal(netmon_read(m), 0);
	assert_told("del 192.168.3.0/24 10.77.0.12 if7 ours\n");
	assert_string_equal(logged.text, "");
	/* What the kernel does not want is said. */
	fake_darwin.fail_next = 51;
	assert_int_equal(route_add(m, &p, &gateway, 7, ROUTE_METRIC_WARREN), ERR_SYSTEM);
	assert_non_null(strstr(logged.text, "192.168.3.0/24: macOS's errno 51"));
	netmon_close(m);
	tun_close(tun);
}

/* Another's route for the prefix has precedence; ours takes its place when it goes. */
static void test_another_wins(void **state)
{
	(void)state;
	struct netmon *m;
	struct prefix p;
	struct tun *tun = open_tun("");
	prefix_parse("192.168.3.0/24", &p);
	fake_darwin_route("192.168.3.0/24", "192.0.2.1", 1, true);
	assert_int_equal(netmon_open(&m, NULL, 0, &events, &env), 0);
	told.len = 0;
	assert_int_equal(route_add(m, &p, NULL, 7, ROUTE_METRIC_WARREN), 0);
	fake_darwin_route("192.168.3.0/24", NULL, 1, false);
	assert_int_equal(netmon_read(m), 0);
	assert_int_equal(netmon_read(m), 0);
	assert_told("del 192.168.3.0/24 192.0.2.1 if1\nset 192.168.3.0/24 - if7 ours\n");
	netmon_close(m);
	tun_close(tun);
}

/* What was lost in an overrun is made good by a dump, and so is what a link takes with it in silence. */
static void test_lost_messages(void **state)
{
	(void)state;
	struct netmon *m;
	fake_darwin_route("10.1.0.0/16", "192.0.2.1", 1, true);
	fake_darwin_route("10.2.0.0/16", "192.0.2.1", 1, true);
	assert_int_equal(netmon_open(&m, NULL, 0, &events, &env), 0);
	told.len = 0;
	fake_darwin_route_silently("10.1.0.0/16", NULL, 1, false);
	fake_darwin.overrun = true;
	assert_int_equal(netmon_read(m), 0);
	assert_told("reset\nlink en0 up 1500\ndel 10.1.0.0/16 192.0.2.1 if1\nsynced\n");
	fake_darwin_route_silently("10.2.0.0/16", NULL, 1, false);
	fake_darwin_link(1, false);
	assert_int_equal(netmon_read(m), 0);
	assert_told("link en0 down 1500\nreset\nlink en0 down 1500\n"
		    "del 10.2.0.0/16 192.0.2.1 if1\nsynced\n");
	netmon_close(m);
}

/* ---- UDP -------------------------------------------------------------------------------------- */

static void exchange(uint8_t family)
{
	struct udp *a, *b;
	struct pkt_batch batch;
	struct udp_config config = {.workers = 1};
	struct endpoint to;
	addr_parse(family == 4 ? "127.0.0.1" : "::1", &config.address);
	assert_int_equal(pkt_batch_init(&batch, 8), 0);
	assert_int_equal(udp_open(&a, &config, &env), 0);
	assert_int_equal(udp_open(&b, &config, &env), 0);
	to = (struct endpoint){.addr = config.address, .port = udp_port(b)};
	assert_int_equal(udp_fd(b, 0, family), -1);
	assert_true(udp_fd(b, 1, family) >= 0);
	assert_int_equal(udp_fd(b, 1, family == 4 ? 6 : 4), -1);

	/* A train is cut; TOS, source and port arrive. */
	struct pkt *p = pkt_reset(&batch, 0);
	memcpy(p->data, "firstsecond3", 12);
	p->len = 12;
	p->gso_size = 5;
	p->tos = 0xb8;
	p->remote = to;
	p->local = config.address;
	p->verdict = PKT_SEND_UDP;
	batch.n = 1;
	udp_send(a, 1, &batch);
	assert_int_equal(batch.v[0].verdict, PKT_SEND_UDP);
	assert_int_equal(udp_send_one(a, &to, NULL, 0, "one", 3), 0);
	assert_int_equal(udp_recv(b, 1, family, &batch), 4);
	assert_memory_equal(batch.v[0].data, "first", 5);
	assert_memory_equal(batch.v[1].data, "secon", 5);
	assert_int_equal(batch.v[2].len, 2);
	assert_int_equal(batch.v[0].tos, 0xb8);
	assert_int_equal(batch.v[3].tos, 0);
	assert_int_equal(batch.v[0].remote.port, udp_port(a));
	assert_true(addr_equal(&batch.v[0].local, &config.address));
	assert_int_equal(udp_recv(b, 1, family, &batch), 0);

	/* Longer than a packet may be: no bytes of it. */
	static uint8_t large[PKT_ROOM + 1];
	assert_int_equal(udp_send_one(a, &to, NULL, 7, large, sizeof large), 0);
	assert_int_equal(udp_recv(b, 1, family, &batch), 1);
	assert_int_equal(batch.v[0].len, 0);

	/* A source address that has left this host: the system's choice does. */
	p = pkt_reset(&batch, 0);
	p->len = 1;
	p->remote = to;
	addr_parse(family == 4 ? "192.0.2.77" : "2001:db8::77", &p->local);
	p->verdict = PKT_SEND_UDP;
	batch.n = 1;
	udp_send(a, 1, &batch);
	assert_int_equal(batch.v[0].verdict, PKT_SEND_UDP);
	assert_int_equal(udp_recv(b, 1, family, &batch), 1);
	udp_close(a);
	udp_close(b);
	pkt_batch_fini(&batch);
}

static void test_udp4(void **state)
{
	(void)state;
	exchange(4);
}

static void test_udp6(void **state)
{
	(void)state;
	exchange(6);
}

static void test_udp_refusals(void **state)
{
	(void)state;
	struct udp *a, *b;
	struct udp_config config = {.workers = 2};
	assert_int_equal(udp_open(&a, &config, &env), ERR_UNSUPPORTED);
	config.workers = 1;
	assert_int_equal(udp_open(&a, &config, &env), 0);
	config.port = udp_port(a);
	assert_int_equal(udp_open(&b, &config, &env), ERR_SYSTEM);
	assert_non_null(strstr(logged.text, "macOS's errno 48"));
	assert_true(udp_fd(a, 1, 4) >= 0 && udp_fd(a, 1, 6) >= 0);
	udp_close(a);
}

static void test_clocks(void **state)
{
	(void)state;
	uint64_t awake = os_awake_ns(), now = os_now_ns();
	assert_true(now >= awake && os_now_ns() >= now && os_wall_s() > 1700000000);
	os_harden(&env);
	assert_true(fake_darwin.tracing_denied);
	assert_true(os_descriptors_left() > 0);
	int pair[2];
	unsigned uid, gid;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(os_peer_credentials(pair[0], &uid, &gid), 0);
	assert_int_equal(uid, getuid());
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_utun, setup),
		cmocka_unit_test_setup(test_utun_by_number, setup),
		cmocka_unit_test_setup(test_packets, setup),
		cmocka_unit_test_setup(test_mirror, setup),
		cmocka_unit_test_setup(test_our_routes, setup),
		cmocka_unit_test_setup(test_another_wins, setup),
		cmocka_unit_test_setup(test_lost_messages, setup),
		cmocka_unit_test_setup(test_udp4, setup),
		cmocka_unit_test_setup(test_udp6, setup),
		cmocka_unit_test_setup(test_udp_refusals, setup),
		cmocka_unit_test_setup(test_clocks, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
