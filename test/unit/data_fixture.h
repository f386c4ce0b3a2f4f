#ifndef WARREN_TEST_DATA_FIXTURE_H
#define WARREN_TEST_DATA_FIXTURE_H

/* A hub with two spokes, and one packet at a time between them. */
#include "core/engine/data.h"

#include "test/unit/plane_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define HUB     1
#define SPOKE_A 11
#define SPOKE_B 12
#define UDP     17
#define ICMP    1

/* At each spoke the hub is peer 1, at the hub a spoke is peer 11 or 12. */
static struct fixture_node *hub, *a, *b;
static struct pkt_batch batch;

static inline void spoke_routes(struct fixture_node *f, unsigned n)
{
	char own[32], lan[32];
	snprintf(own, sizeof own, "10.77.0.%u/32", n);
	snprintf(lan, sizeof lan, "192.168.%u.0/24", n);
	fixture_route(f, own, NULL, FIB_LOCAL, FIB_KERNEL);
	fixture_route(f, "10.77.0.0/24", NULL, FIB_OVERLAY, FIB_KERNEL);
	fixture_route(f, "fd77::/64", NULL, FIB_OVERLAY, FIB_KERNEL);
	fixture_route(f, lan, NULL, FIB_OTHER, FIB_KERNEL);
	fixture_route(f, "192.168.0.0/16", "10.77.0.1", FIB_OVERLAY, FIB_KERNEL);
	fixture_route(f, "172.31.0.0/16", NULL, FIB_REJECT, FIB_KERNEL);
	struct ip_addr at_hub = fixture_addr("10.77.0.1");
	fib_neighbour_put(&f->plane.fib, &at_hub, HUB);
}

static inline int set_up(void **state)
{
	(void)state;
	hub = fixture_node(HUB, CERT_HUB, 1);
	a = fixture_node(SPOKE_A, CERT_SPOKE, 1);
	b = fixture_node(SPOKE_B, CERT_SPOKE, 1);
	fixture_connect(a, HUB, hub, SPOKE_A);
	fixture_connect(b, HUB, hub, SPOKE_B);
	spoke_routes(a, SPOKE_A);
	spoke_routes(b, SPOKE_B);
	fixture_route(hub, "10.77.0.0/24", NULL, FIB_OVERLAY, FIB_KERNEL);
	fixture_route(hub, "10.77.0.1/32", NULL, FIB_LOCAL, FIB_KERNEL);
	for (unsigned n = SPOKE_A; n <= SPOKE_B; n++) {
		char address[32], lan[32];
		snprintf(address, sizeof address, "10.77.0.%u", n);
		snprintf(lan, sizeof lan, "192.168.%u.0/24", n);
		struct ip_addr at = fixture_addr(address);
		fib_neighbour_put(&hub->plane.fib, &at, n);
		fixture_route(hub, lan, address, FIB_OVERLAY, FIB_REGISTERED);
	}
	uint32_t to_hub = atomic_load(&a->plane.sessions.paths[HUB].session);
	atomic_store(&a->plane.hub_session, to_hub);
	return pkt_batch_init(&batch, 4);
}

static inline int tear_down(void **state)
{
	(void)state;
	fixture_free(hub);
	fixture_free(a);
	fixture_free(b);
	pkt_batch_fini(&batch);
	return 0;
}

static inline struct pkt *packet(const char *src, const char *dst, uint8_t ttl, size_t len)
{
	struct pkt *p = pkt_reset(&batch, 0);
	batch.n = 1;
	fixture_packet(p, src, dst, UDP, ttl, len);
	return p;
}

static inline void from_tun(struct fixture_node *f)
{
	data_from_tun(&f->workers[0], &batch, FIXTURE_NOW);
}

/* What f sent arrives at `at`, from the endpoint that it knows. */
static inline void deliver(struct fixture_node *at, uint32_t peer)
{
	struct pkt *p = &batch.v[0];
	assert_int_equal(p->verdict, PKT_SEND_UDP);
	struct ip_addr any;
	path_get_endpoint(&at->plane.sessions, peer, &p->remote, &any);
	data_from_udp(&at->workers[0], &batch, FIXTURE_NOW);
}

static inline void expect_drop(const struct fixture_node *f, enum drop_reason why)
{
	assert_int_equal(batch.v[0].verdict, PKT_DROP);
	assert_string_equal(drop_name(batch.v[0].drop), drop_name(why));
	assert_int_equal(atomic_load(&f->workers[0].counters.dropped[why]), 1);
}

static inline void expect_icmp(const struct fixture_node *f, enum drop_reason why, uint8_t type)
{
	assert_int_equal(batch.v[0].data[9], ICMP);
	assert_int_equal(batch.v[0].data[20], type);
	assert_int_equal(atomic_load(&f->workers[0].counters.dropped[why]), 1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
