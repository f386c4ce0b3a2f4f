#include "test/fake/platform_fake.h"

#include "core/base/err.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct env env; /* never looked at */

static bool readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	return poll(&p, 1, 0) == 1;
}

static int teardown(void **state)
{
	(void)state;
	tun_close(fake.tun);
	udp_close(fake.udp);
	netmon_close(fake.netmon);
	fake_reset();
	return 0;
}

static void test_tun(void **state)
{
	(void)state;
	struct tun *tun;
	struct pkt_batch b;
	struct fake_packet packet;
	struct tun_config config = {.name = "w0", .mtu = 1400, .queues = 2};
	assert_int_equal(pkt_batch_init(&b, 4), 0);
	assert_int_equal(tun_open(&tun, &config, &env), 0);
	assert_ptr_equal(fake.tun, tun);
	assert_false(readable(tun_fd(tun, 1)));
	for (unsigned i = 0; i < 6; i++)
		fake_tun_feed(tun, 1, "abcdef", i);
	assert_true(readable(tun_fd(tun, 1)));
	assert_false(readable(tun_fd(tun, 0)));
	assert_int_equal(tun_read(tun, 1, &b, SIZE_MAX), 4);
	assert_int_equal(b.v[3].len, 3);
	assert_int_equal(tun_read(tun, 1, &b, 4), 1); /* the budget is spent */
	assert_int_equal(tun_read(tun, 1, &b, SIZE_MAX), 1);
	assert_false(readable(tun_fd(tun, 1)));
	assert_int_equal(tun_read(tun, 1, &b, SIZE_MAX), 0);
	for (uint16_t i = 0; i < 3; i++) {
		pkt_reset(&b, i)->verdict = i == 0 ? PKT_SEND_UDP : PKT_WRITE_TUN;
		b.v[i].len = i;
	}
	b.n = 3;
	fake.fail_sends = 1;
	tun_write(tun, 0, &b);
	assert_int_equal(b.v[1].drop, DROP_SEND_FAILED);
	assert_true(fake_tun_take(tun, &packet));
	assert_int_equal(packet.len, 2);
	assert_false(fake_tun_take(tun, &packet));
	pkt_batch_fini(&b);
}

static void test_trains(void **state)
{
	(void)state;
	struct tun *tun;
	struct pkt_batch b;
	struct fake_packet packet = {.gso_size = 900,
		.gso_type = PKT_UDP,
		.flags = PKT_CSUM_PARTIAL,
		.l4_off = 20,
		.csum_off = 6,
		.len = PKT_TRAIN};
	struct tun_config config = {.mtu = 1400, .queues = 1, .offloads = TUN_OFFLOADS};
	assert_int_equal(pkt_batch_init_sized(&b, 8, 3 * 65536), 0);
	assert_int_equal(tun_open(&tun, &config, &env), 0);
	assert_int_equal(tun_offloads(tun), TUN_OFFLOADS);
	for (unsigned i = 0; i < 3; i++)
		fake_tun_feed_train(tun, 0, &packet);
	assert_int_equal(tun_read(tun, 0, &b, SIZE_MAX), 2); /* no room for a third */
	assert_int_equal(b.v[1].gso_size, 900);
	assert_int_equal(b.v[1].gso_type, PKT_UDP);
	assert_int_equal(b.v[1].flags, PKT_CSUM_PARTIAL);
	assert_true(b.v[1].l4_off == 20 && b.v[1].csum_off == 6 && b.v[1].len == PKT_TRAIN);
	assert_int_equal(tun_read(tun, 0, &b, SIZE_MAX), 1);

	/* Pieces in, one packet out. */
	for (uint16_t i = 0; i < 3; i++) {
		pkt_place(&b, i, 100 * i)->len = 10;
		memset(b.v[i].data, 'a' + i, 10);
		b.v[i].verdict = i == 0 ? PKT_WRITE_TUN : PKT_MERGED;
		b.v[i].next = (uint16_t)((i + 1) % 3);
	}
	b.n = 3;
	b.v[0].gso_size = 8;
	b.v[0].gso_type = PKT_TCP;
	assert_int_equal(tun_write(tun, 0, &b), 0);
	assert_int_equal(b.v[0].verdict, PKT_CONSUMED);
	assert_true(fake_tun_take(tun, &packet));
	assert_int_equal(packet.len, 30);
	assert_int_equal(packet.gso_size, 8);
	assert_memory_equal(packet.data, "aaaaaaaaaabbbbbbbbbbcccccccccc", 30);

	fake.refuse_trains = true;
	b.v[0].verdict = PKT_WRITE_TUN;
	assert_int_equal(tun_write(tun, 0, &b), 1);
	assert_int_equal(b.v[0].verdict, PKT_WRITE_TUN);
	assert_int_equal(tun_offloads(tun), TUN_OFFLOADS & ~TUN_COALESCE_TCP);
	assert_false(fake_tun_take(tun, &packet));
	pkt_batch_fini(&b);
}

static void test_udp(void **state)
{
	(void)state;
	struct udp *udp;
	struct pkt_batch b;
	struct fake_packet packet = {.len = 3, .data = "in", .tos = 7};
	struct udp_config config = {.port = 4754, .workers = 2, .offloads = UDP_OFFLOADS};
	assert_int_equal(pkt_batch_init(&b, 4), 0);
	assert_int_equal(udp_open(&udp, &config, &env), 0);
	assert_int_equal(udp_offloads(udp), UDP_OFFLOADS);
	assert_int_equal(udp_port(udp), 4754);
	assert_true(endpoint_parse("[2001:db8::1]:99", 0, &packet.remote));
	fake_udp_feed(udp, 2, &packet);
	assert_true(readable(udp_fd(udp, 2, 6)));
	assert_int_equal(udp_recv(udp, 2, 4, &b), 0);
	assert_int_equal(udp_recv(udp, 2, 6, &b), 1);
	assert_int_equal(b.v[0].tos, 7);
	assert_true(endpoint_equal(&b.v[0].remote, &packet.remote));
	b.v[0].verdict = PKT_SEND_UDP;
	b.v[0].gso_size = 2;
	udp_send(udp, 1, &b);
	assert_true(fake_udp_take(udp, &packet) && packet.len == 2 && packet.queue == 1);
	assert_true(fake_udp_take(udp, &packet) && packet.len == 1);
	assert_int_equal(udp_send_one(udp, &packet.remote, NULL, 4, "x", 1), 0);
	assert_true(fake_udp_take(udp, &packet) && packet.ttl == 4 && packet.queue == 0);
	assert_false(fake_udp_take(udp, &packet));
	assert_int_equal(udp_fd(udp, 3, 4), -1);
	pkt_batch_fini(&b);
}

struct heard {
	unsigned resets, routes, deleted, addresses, synced;
	struct kernel_route last;
};

static void on_reset(void *ctx)
{
	((struct heard *)ctx)->resets++;
}

static void on_synced(void *ctx)
{
	((struct heard *)ctx)->synced++;
}

static void on_route(
	void *ctx, const struct kernel_route *route, const struct kernel_legs *legs, bool deleted)
{
	struct heard *h = ctx;
	assert_int_equal(legs->n, deleted ? 0 : 1);
	h->routes++;
	h->deleted += deleted;
	h->last = *route;
}

static void on_address(void *ctx, uint32_t ifindex, const struct prefix *address, bool deleted)
{
	(void)ifindex, (void)address, (void)deleted;
	((struct heard *)ctx)->addresses++;
}

static void on_link(void *ctx, const struct kernel_link *link)
{
	(void)ctx, (void)link;
}

static void test_netmon(void **state)
{
	(void)state;
	struct netmon *m;
	struct heard h = {0};
	struct prefix p;
	struct netmon_events events = {&h, on_reset, on_route, on_address, on_synced, on_link};
	assert_int_equal(netmon_open(&m, NULL, 0, &events, &env), 0);
	assert_true(h.resets == 1 && h.synced == 1);
	assert_true(prefix_parse("192.0.2.0/24", &p));
	assert_int_equal(route_add(m, &p, NULL, FAKE_IFINDEX, ROUTE_METRIC_WARREN), 0);
	fake_announce_address(m, 3, &p, false);
	assert_int_equal(h.routes, 0); /* not before it is read */
	assert_true(readable(netmon_fd(m)));
	netmon_read(m);
	assert_true(h.routes == 1 && h.addresses == 1);
	assert_int_equal(h.last.protocol, ROUTE_PROTOCOL_WARREN);
	assert_int_equal(fake.n_routes, 1);
	assert_int_equal(route_delete(m, &p, NULL, FAKE_IFINDEX, 1), 0); /* another one */
	assert_int_equal(fake.n_routes, 1);
	netmon_resync(m);
	assert_true(h.resets == 2 && h.routes == 2);
	assert_int_equal(route_delete(m, &p, NULL, FAKE_IFINDEX, ROUTE_METRIC_WARREN), 0);
	netmon_read(m);
	assert_true(h.deleted == 1 && fake.n_routes == 0);
}

static void test_the_rest(void **state)
{
	(void)state;
	struct udp *udp;
	struct udp_config config = {0};
	fake.now_ns = 5;
	assert_int_equal(os_now_ns(), 5);
	fake.fail_opens = true;
	assert_int_equal(udp_open(&udp, &config, &env), ERR_SYSTEM);
	assert_null(udp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_tun, teardown),
		cmocka_unit_test_teardown(test_trains, teardown),
		cmocka_unit_test_teardown(test_udp, teardown),
		cmocka_unit_test_teardown(test_netmon, teardown),
		cmocka_unit_test_teardown(test_the_rest, teardown),
	};
	return cmocka_run_group_tests_name("platform fake", tests, NULL, NULL);
}
