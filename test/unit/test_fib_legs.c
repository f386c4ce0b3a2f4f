/* Routes with several next hops: which flow goes where, and what moves when one of them dies. */
#include "core/route/flow.h"
#include "test/unit/fib_fixture.h"

#define FLOWS 20000
#define DEAD  UINT64_C(1)

/* To 10.77.0.1, .2, ... with these weights; neighbour i + 1 is behind gateway i. */
static struct fib_route put(const char *prefix, const uint16_t *weights, unsigned n)
{
	struct fib_route r = {.prefix = fixture_prefix(prefix), .table = 254, .type = FIB_OVERLAY};
	struct route_leg legs[ROUTE_LEGS];
	for (unsigned i = 0; i < n; i++) {
		char text[32];
		snprintf(text, sizeof text, "10.77.0.%u", i + 1);
		legs[i] = (struct route_leg){.gateway = fixture_addr(text), .weight = weights[i]};
		fib_neighbour_put(&fib, &legs[i].gateway, i + 1);
	}
	assert_int_equal(fib_route_put_legs(&fib, &r, legs, n), 0);
	return r;
}

/* *ctx: a bit for each peer that is dead. */
static bool is_alive(const void *ctx, uint32_t peer)
{
	const uint64_t *dead = ctx;
	return !(*dead & UINT64_C(1) << peer);
}

static uint32_t choose(const char *dst, uint32_t hash, uint64_t dead, uint32_t *wanted)
{
	struct fib_hop hop;
	struct fib_view view = fib_snapshot(&fib);
	struct ip_addr a = fixture_addr(dst), first;
	assert_true(fib_lookup(&view, &a, &hop));
	assert_int_not_equal(hop.legs, FIB_NONE);
	fib_choose(&view, &a, hash, is_alive, &dead, &hop, &first);
	*wanted = first.bytes[3];
	return hop.peer;
}

static uint32_t hash_of(uint32_t flow)
{
	static const uint64_t key[2] = {1, 2};
	return (uint32_t)siphash(key, &flow, sizeof flow);
}

/* Within a tenth of what the weights say, which chance exceeds once in a billion. */
static void expect_share(unsigned got, unsigned weight, unsigned total)
{
	unsigned fair = FLOWS * weight / total;
	if (got < fair - fair / 10 || got > fair + fair / 10)
		fail_msg("%u flows where %u would be fair", got, fair);
}

static void flows_go_by_weight(void **state)
{
	(void)state;
	static const uint16_t weights[] = {1, 3, 2, 4};
	put("192.168.0.0/16", weights, 4);
	unsigned got[5] = {0};
	for (uint32_t flow = 0; flow < FLOWS; flow++) {
		uint32_t wanted, peer = choose("192.168.1.5", hash_of(flow), 0, &wanted);
		assert_int_equal(peer, wanted);
		assert_int_equal(
			peer, choose("192.168.1.5", hash_of(flow), 0, &wanted)); /* stays */
		got[peer]++;
	}
	for (unsigned i = 0; i < 4; i++)
		expect_share(got[i + 1], weights[i], 10);
}

static void only_a_dead_ones_flows_move(void **state)
{
	(void)state;
	static const uint16_t weights[] = {1, 3, 2, 4};
	put("192.168.0.0/16", weights, 4);
	unsigned moved[5] = {0}, n = 0;
	for (uint32_t flow = 0; flow < FLOWS * 4; flow++) {
		uint32_t wanted, before = choose("192.168.1.5", hash_of(flow), 0, &wanted);
		uint32_t after = choose("192.168.1.5", hash_of(flow), DEAD << 4, &wanted);
		assert_int_equal(wanted, before);
		if (before != 4) {
			assert_int_equal(after, before);
			continue;
		}
		moved[after]++;
		n++;
	}
	/* And they are spread over the others by weight. */
	assert_int_equal(moved[4], 0);
	for (unsigned i = 0; i < 3; i++)
		expect_share((unsigned)((uint64_t)moved[i + 1] * FLOWS / n), weights[i], 6);
	uint32_t wanted;
	for (uint32_t flow = 0; flow < 100; flow++) /* none is better than another one */
		assert_int_equal(choose("192.168.1.5", hash_of(flow), UINT64_MAX, &wanted),
			choose("192.168.1.5", hash_of(flow), 0, &wanted));
}

static void the_ends_of_the_range(void **state)
{
	(void)state;
	static const uint16_t weights[ROUTE_LEGS] = {
		UINT16_MAX, UINT16_MAX, 0, UINT16_MAX, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, UINT16_MAX};
	uint32_t wanted;
	struct fib_route r = put("192.168.0.0/16", weights, ROUTE_LEGS);
	assert_int_equal(choose("192.168.1.5", 0, 0, &wanted), 1);
	assert_int_equal(choose("192.168.1.5", UINT32_MAX, 0, &wanted), 16);
	assert_int_equal(fib.used, ROUTE_LEGS);
	assert_int_equal(fib_route_remove(&fib, &r), 0);
	assert_int_equal(fib.used, 0);
}

static void one_next_hop_needs_no_choice(void **state)
{
	(void)state;
	static const uint16_t weight = 7;
	struct fib_hop hop;
	put("192.168.0.0/16", &weight, 1);
	struct fib_view view = fib_snapshot(&fib);
	struct ip_addr a = fixture_addr("192.168.1.5");
	assert_true(fib_lookup(&view, &a, &hop));
	assert_int_equal(hop.legs, FIB_NONE);
	assert_int_equal(hop.peer, 1);
}

static void a_change_of_legs_is_a_change(void **state)
{
	(void)state;
	static const uint16_t two[] = {1, 1}, weighted[] = {1, 2}, three[] = {1, 2, 1};
	put("192.168.0.0/16", two, 2);
	uint64_t before = fib.generation;
	put("192.168.0.0/16", two, 2);
	assert_int_equal(fib.generation, before);
	put("192.168.0.0/16", weighted, 2);
	assert_int_equal(fib.generation, before + 1);
	put("192.168.0.0/16", three, 3);
	assert_int_equal(fib.generation, before + 2);
	put("192.168.0.0/16", weighted, 2);
	assert_int_equal(fib.generation, before + 3);
	assert_int_equal(fib.used, 2);
	struct route_leg legs[ROUTE_LEGS];
	unsigned shown = 0;
	bool active;
	for (uint32_t i = 0; i < fib.cap; i++) {
		if (!fib_route_at(&fib, i, &active))
			continue;
		shown++;
		assert_true(active);
		assert_int_equal(fib_legs_at(&fib, i, legs), 2);
		assert_int_equal(legs[1].weight, 2);
	}
	assert_int_equal(shown, 1); /* a route, not a leg */
}

/* What a batch began with keeps its legs, and nothing is lost when entries run out. */
static void legs_come_from_the_same_pool(void **state)
{
	(void)state;
	static const uint16_t many[ROUTE_LEGS] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
	struct ip_addr dst = fixture_addr("192.168.0.5"), wanted;
	struct fib_hop hop;
	uint64_t dead = 0;
	put("192.168.0.0/24", many, 3);
	epoch_enter(&epoch, 0);
	struct fib_view view = fib_snapshot(&fib);
	for (unsigned i = 0; i < 4; i++)
		put("192.168.0.0/24", many, 2 + i);
	assert_true(fib_lookup(&view, &dst, &hop));
	fib_choose(&view, &dst, UINT32_MAX, is_alive, &dead, &hop, &wanted);
	assert_int_equal(hop.peer, 3);
	epoch_leave(&epoch, 0);
	unsigned n = 0;
	for (struct fib_route r = {.table = 254, .type = FIB_OVERLAY}; n < 100; n++) {
		struct route_leg legs[ROUTE_LEGS] = {{.weight = 1}};
		char text[32];
		snprintf(text, sizeof text, "192.168.%u.0/24", n + 1);
		r.prefix = fixture_prefix(text);
		if (fib_route_put_legs(&fib, &r, legs, ROUTE_LEGS) != 0)
			break;
	}
	assert_int_equal(n, (2 * 64 - 5) / ROUTE_LEGS);
	assert_int_equal(fib.used, 5 + n * ROUTE_LEGS);
	put("172.16.0.0/24", many, 2); /* what a refused one had taken is there again */
}

static struct pkt_batch batch;

static uint32_t hash_packet(
	const char *src, const char *dst, uint8_t proto, uint32_t ports, uint16_t fragment)
{
	static const uint64_t key[2] = {3, 4};
	struct ip_view view;
	struct pkt *p = pkt_reset(&batch, 0);
	fixture_packet(p, src, dst, proto, 64, 100);
	if (p->data[0] >> 4 == 4) {
		store_u16(p->data + IP4_FRAGMENT, fragment);
		store_u32(p->data + IP4_HDR_LEN, ports);
	} else {
		store_u32(p->data + IP6_HDR_LEN, ports);
	}
	assert_int_equal(ip_peek(p->data, p->len, &view), 0);
	return flow_hash(key, p->data, &view);
}

static void what_makes_a_flow(void **state)
{
	(void)state;
	const char *v4[] = {"10.0.0.1", "10.0.0.2"}, *v6[] = {"fd00::1", "fd00::2"};
	assert_int_equal(pkt_batch_init(&batch, 1), 0);
	for (int family = 0; family < 2; family++) {
		const char **a = family ? v6 : v4;
		uint32_t tcp = hash_packet(a[0], a[1], IP_PROTO_TCP, 7, 0);
		assert_int_equal(hash_packet(a[0], a[1], IP_PROTO_TCP, 7, 0), tcp);
		assert_int_not_equal(hash_packet(a[0], a[1], IP_PROTO_TCP, 8, 0), tcp);
		assert_int_not_equal(hash_packet(a[0], a[1], IP_PROTO_UDP, 7, 0), tcp);
		assert_int_not_equal(hash_packet(a[1], a[0], IP_PROTO_TCP, 7, 0), tcp);
		uint8_t esp = 50; /* has no ports there */
		assert_int_equal(
			hash_packet(a[0], a[1], esp, 7, 0), hash_packet(a[0], a[1], esp, 8, 0));
	}
	/* All fragments of a datagram: the first, which has ports, goes with those behind. */
	uint32_t first = hash_packet(v4[0], v4[1], IP_PROTO_UDP, 7, 0x2000);
	assert_int_equal(hash_packet(v4[0], v4[1], IP_PROTO_UDP, 9, 0x2010), first);
	assert_int_equal(hash_packet(v4[0], v4[1], IP_PROTO_UDP, 9, 0x0010), first);
	pkt_batch_fini(&batch);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(flows_go_by_weight),
		CASE(only_a_dead_ones_flows_move),
		CASE(the_ends_of_the_range),
		CASE(one_next_hop_needs_no_choice),
		CASE(a_change_of_legs_is_a_change),
		CASE(legs_come_from_the_same_pool),
		CASE(what_makes_a_flow),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
