/* Equal cost multipath on the data path: a flow keeps to one next hop that can be reached. */
#include "test/unit/data_fixture.h"

#define SPOKE_C 13
#define FLOWS   400

static struct fixture_node *c;

/* A LAN behind both b and c. */
static void put_legs(struct fixture_node *f, bool elsewhere, uint16_t b_weight, uint16_t c_weight)
{
	struct fib_route r = {.prefix = fixture_prefix("192.168.77.0/24"),
		.type = FIB_OVERLAY,
		.elsewhere = elsewhere};
	struct route_leg legs[] = {
		{fixture_addr("10.77.0.12"), b_weight}, {fixture_addr("10.77.0.13"), c_weight}};
	assert_int_equal(fib_route_put_legs(&f->plane.fib, &r, legs, 2), 0);
}

static void know(struct fixture_node *f, const char *address, uint32_t peer)
{
	struct ip_addr at = fixture_addr(address);
	fib_neighbour_put(&f->plane.fib, &at, peer);
}

static int set_up_legs(void **state)
{
	if (set_up(state) != 0)
		return -1;
	c = fixture_node(SPOKE_C, CERT_SPOKE, 1);
	fixture_connect(c, HUB, hub, SPOKE_C);
	fixture_connect(a, SPOKE_B, b, SPOKE_A);
	fixture_connect(a, SPOKE_C, c, SPOKE_A);
	know(a, "10.77.0.12", SPOKE_B);
	know(a, "10.77.0.13", SPOKE_C);
	know(hub, "10.77.0.13", SPOKE_C);
	return 0;
}

static int tear_down_legs(void **state)
{
	fixture_free(c);
	return tear_down(state);
}

static struct pkt *flow(const char *src, uint16_t port)
{
	struct pkt *p = packet(src, "192.168.77.5", 64, 100);
	store_u16(p->data + 20, 5000);
	store_u16(p->data + 22, port);
	return p;
}

/* Where a flow of a's goes: the last byte of the endpoint. */
static uint8_t way(uint16_t port)
{
	flow("192.168.11.5", port);
	from_tun(a);
	assert_int_equal(batch.v[0].verdict, PKT_SEND_UDP);
	return batch.v[0].remote.addr.bytes[3];
}

static void suspend(struct fixture_node *f, uint32_t peer, uint32_t *kept)
{
	*kept = atomic_load(&f->plane.sessions.paths[peer].session);
	atomic_store(&f->plane.sessions.paths[peer].session, SESSION_NONE);
}

static void flows_are_shared_and_move_when_one_dies(void **state)
{
	(void)state;
	static uint8_t before[FLOWS];
	unsigned at_c = 0;
	uint32_t session;
	put_legs(a, false, 1, 3);
	for (uint16_t i = 0; i < FLOWS; i++) {
		before[i] = way(i);
		assert_true(before[i] == SPOKE_B || before[i] == SPOKE_C);
		assert_int_equal(way(i), before[i]);
		at_c += before[i] == SPOKE_C;
	}
	assert_in_range(at_c, FLOWS * 2 / 3, FLOWS * 5 / 6);
	assert_null(ring_peek(&a->workers[0].events));
	suspend(a, SPOKE_C, &session);
	for (uint16_t i = 0; i < FLOWS; i++)
		assert_int_equal(way(i), SPOKE_B);
	/* It is asked for, so that its flows can come back. */
	struct event *ev = ring_peek(&a->workers[0].events);
	assert_non_null(ev);
	assert_int_equal(ev->type, EVENT_RESOLVE);
	assert_int_equal(ev->addr.bytes[3], SPOKE_C);
	ring_pop(&a->workers[0].events);
	assert_null(ring_peek(&a->workers[0].events)); /* once a second */
	atomic_store(&a->plane.sessions.paths[SPOKE_C].session, session);
	for (uint16_t i = 0; i < FLOWS; i++)
		assert_int_equal(way(i), before[i]);
}

/* Phase 2 at its begin: nobody is known, each next hop is asked for, and the hub carries. */
static void each_next_hop_gets_resolved(void **state)
{
	(void)state;
	uint32_t kept;
	unsigned asked = 0;
	struct event *ev;
	put_legs(a, false, 1, 1);
	suspend(a, SPOKE_B, &kept);
	suspend(a, SPOKE_C, &kept);
	for (uint16_t i = 0; i < FLOWS; i++)
		assert_int_equal(way(i), HUB);
	for (; (ev = ring_peek(&a->workers[0].events)); ring_pop(&a->workers[0].events)) {
		assert_int_equal(ev->type, EVENT_RESOLVE);
		asked |= 1u << (ev->addr.bytes[3] - SPOKE_B);
	}
	assert_int_equal(asked, 3);
}

static void all_workers_agree(void **state)
{
	(void)state;
	struct fixture_node *two = fixture_node(SPOKE_A, CERT_SPOKE, 2);
	spoke_routes(two, SPOKE_A);
	fixture_connect(two, SPOKE_B, b, SPOKE_A);
	fixture_connect(two, SPOKE_C, c, SPOKE_A);
	know(two, "10.77.0.12", SPOKE_B);
	know(two, "10.77.0.13", SPOKE_C);
	put_legs(two, false, 1, 1);
	for (uint16_t i = 0; i < FLOWS; i++) {
		uint8_t to[2];
		for (unsigned w = 0; w < 2; w++) {
			flow("192.168.11.5", i);
			data_from_tun(&two->workers[w], &batch, FIXTURE_NOW);
			to[w] = batch.v[0].remote.addr.bytes[3];
		}
		assert_int_equal(to[0], to[1]);
	}
	fixture_free(two);
}

/* A hub passes on by flow, and never back to where it came from. */
static void hairpin_by_flow(void **state)
{
	(void)state;
	unsigned got[2] = {0};
	put_legs(hub, false, 1, 1);
	for (unsigned from_b = 0; from_b < 2; from_b++)
		for (uint16_t i = 0; i < 64; i++) {
			flow(from_b ? "192.168.12.5" : "192.168.11.5", i);
			atomic_store(&a->plane.sessions.paths[SPOKE_B].session, SESSION_NONE);
			from_tun(from_b ? b : a);
			fixture_route(a, "192.168.77.0/24", "10.77.0.1", FIB_OVERLAY, FIB_KERNEL);
			deliver(hub, from_b ? SPOKE_B : SPOKE_A);
			assert_int_equal(batch.v[0].verdict, PKT_SEND_UDP);
			uint8_t to = batch.v[0].remote.addr.bytes[3];
			if (from_b)
				assert_int_equal(to, SPOKE_C);
			else
				got[to == SPOKE_C]++;
		}
	assert_in_range(got[0], 16, 48);
	assert_int_equal(got[0] + got[1], 64);
}

/* Some next hops are out of other interfaces: the kernel decides, except for what it gave to our TUN. */
static void a_leg_elsewhere_is_not_ours(void **state)
{
	(void)state;
	put_legs(hub, true, 1, 1);
	flow("192.168.11.5", 1);
	from_tun(a);
	deliver(hub, SPOKE_A);
	assert_int_equal(batch.v[0].verdict, PKT_WRITE_TUN);
	flow("10.77.0.1", 1);
	from_tun(hub);
	assert_int_equal(batch.v[0].verdict, PKT_SEND_UDP);
	assert_in_range(batch.v[0].remote.addr.bytes[3], SPOKE_B, SPOKE_C);
}

#undef CASE
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up_legs, tear_down_legs)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(flows_are_shared_and_move_when_one_dies),
		CASE(each_next_hop_gets_resolved),
		CASE(all_workers_agree),
		CASE(hairpin_by_flow),
		CASE(a_leg_elsewhere_is_not_ours),
	};
	return cmocka_run_group_tests_name("data legs", tests, NULL, NULL);
}
