/* The data path, packet by packet: verdicts, drop reasons, and what is written into the packet. */
#include "test/unit/data_fixture.h"

static void spoke_to_spoke_by_the_hub(void **state)
{
	(void)state;
	struct pkt *p = packet("192.168.11.5", "192.168.12.5", 64, 600);
	uint8_t before[600];
	memcpy(before, p->data, sizeof before);
	from_tun(a);
	assert_int_equal(p->len, 600 + 16 + 16);
	assert_memory_equal(p->data, "\x30\x00\x88\xb5", 4);
	assert_int_equal(p->remote.port, 4754);
	deliver(hub, SPOKE_A);
	deliver(b, HUB);
	assert_int_equal(p->verdict, PKT_WRITE_TUN);
	assert_int_equal(p->len, 600);
	assert_int_equal(p->data[8], 63); /* the hub is a router */
	assert_int_equal(ip_checksum(p->data, 20), 0);
	assert_memory_equal(p->data + 12, before + 12, 588);
	/* The hub tells a of the shorter way, once a second at most. */
	struct event *ev = ring_peek(&hub->workers[0].events);
	assert_non_null(ev);
	assert_int_equal(ev->type, EVENT_REDIRECT);
	struct ip_addr dst = fixture_addr("192.168.12.5");
	assert_true(worker_sent_recently(&a->workers[0], &dst, FIXTURE_NOW));
	assert_false(worker_sent_recently(&a->workers[0], &dst, FIXTURE_NOW + 12 * NS_PER_S));
}

static void what_the_tun_may_not_send(void **state)
{
	(void)state;
	struct pkt *p = packet("192.168.11.5", "10.77.0.12", 64, 100);
	p->data[0] = 0x55;
	from_tun(a);
	expect_drop(a, DROP_MALFORMED);
	packet("192.168.11.5", "192.168.11.9", 64, 100);
	from_tun(a);
	expect_drop(a, DROP_NOT_OVERLAY);
	packet("10.77.0.11", "239.255.255.250", 1, 100);
	from_tun(a);
	expect_drop(a, DROP_MULTICAST_FILTERED);
	p = packet("10.77.0.11", "10.77.0.12", 64, 100);
	store_u16(p->data + 20, 4754);
	from_tun(a);
	expect_drop(a, DROP_OWN_PACKET);
	p = packet("192.168.11.5", "172.31.0.1", 64, 100);
	from_tun(a);
	assert_int_equal(p->verdict, PKT_WRITE_TUN);
	expect_icmp(a, DROP_NO_ROUTE, 3);
	atomic_store(&a->plane.sessions.paths[HUB].session, SESSION_NONE);
	atomic_store(&a->plane.hub_session, SESSION_NONE);
	p = packet("192.168.11.5", "192.168.12.5", 64, 100);
	from_tun(a);
	assert_int_equal(p->verdict, PKT_WRITE_TUN);
	expect_icmp(a, DROP_NO_SESSION, 3);
}

static void a_source_must_be_the_senders(void **state)
{
	(void)state;
	static const char *const bad[] = {"10.77.0.12", "192.168.12.5", "8.8.8.8", "10.77.0.1",
		"0.0.0.0", "127.0.0.1", "224.0.0.5"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		packet(bad[i], "10.77.0.1", 64, 100);
		from_tun(a);
		deliver(hub, SPOKE_A);
		assert_int_equal(batch.v[0].verdict, PKT_DROP);
		assert_int_equal(batch.v[0].drop, DROP_BAD_SOURCE);
	}
	static const char *const good[] = {"10.77.0.11", "192.168.11.77"};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		packet(good[i], "10.77.0.1", 64, 100);
		from_tun(a);
		deliver(hub, SPOKE_A);
		assert_int_equal(batch.v[0].verdict, PKT_WRITE_TUN);
	}
	/* A hub passes on anybody's packets, but none of ours. */
	packet("8.8.8.8", "192.168.11.5", 64, 100);
	from_tun(hub);
	deliver(a, HUB);
	assert_int_equal(batch.v[0].verdict, PKT_WRITE_TUN);
	packet("10.77.0.11", "192.168.11.5", 64, 100);
	from_tun(hub);
	deliver(a, HUB);
	expect_drop(a, DROP_BAD_SOURCE);
}

static void sealed_data_that_is_not_good(void **state)
{
	(void)state;
	uint8_t copy[256];
	struct pkt *p = packet("10.77.0.11", "10.77.0.1", 64, 100);
	from_tun(a);
	uint32_t len = p->len;
	memcpy(copy, p->data, len);
	deliver(hub, SPOKE_A);
	assert_int_equal(p->verdict, PKT_WRITE_TUN);
	static const struct {
		enum drop_reason why;
		unsigned at; /* byte changed; 0 = none */
	} cases[] = {
		{DROP_REPLAY, 0},
		{DROP_BAD_LANE, 7},      /* lane 15 of 16 announced ones: see below */
		{DROP_UNKNOWN_INDEX, 5}, /* index */
		{DROP_BAD_TAG, 11},      /* sequence */
		{DROP_BAD_OUTER, 1},
	};
	session_find(&hub->plane.sessions, load_u32(copy + 4) >> 4)->peer_lanes = 2;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		p = pkt_reset(&batch, 0);
		memcpy(p->data, copy, len);
		p->len = len;
		if (cases[i].at)
			p->data[cases[i].at] ^= cases[i].at == 7 ? 0x0e : 0x40;
		p->verdict = PKT_SEND_UDP;
		deliver(hub, SPOKE_A);
		expect_drop(hub, cases[i].why);
	}
	/* Cut anywhere: dropped, and nothing is read behind its end. */
	for (uint32_t cut = 0; cut < len; cut++) {
		p = pkt_reset(&batch, 0);
		memcpy(p->data, copy, cut);
		p->len = cut;
		p->verdict = PKT_SEND_UDP;
		deliver(hub, SPOKE_A);
		assert_int_equal(p->verdict, PKT_DROP);
	}
	p = pkt_reset(&batch, 0);
	memcpy(p->data, copy, len);
	p->len = len;
	p->data[11] ^= 0x40;
	data_from_udp(&hub->workers[0], &batch, FIXTURE_NOW + SEALED_REJECT_NS + 1);
	expect_drop(hub, DROP_KEY_EXPIRED);
}

static void a_hub_that_cannot_pass_it_on_says_so(void **state)
{
	(void)state;
	packet("192.168.11.5", "192.168.12.5", 1, 100);
	from_tun(a);
	deliver(hub, SPOKE_A);
	deliver(a, HUB); /* the answer goes back, sealed */
	assert_int_equal(batch.v[0].verdict, PKT_WRITE_TUN);
	expect_icmp(hub, DROP_TTL_EXCEEDED, 11);
	packet("192.168.11.5", "192.168.12.5", 64, 1401);
	store_u16(batch.v[0].data + 6, 0x4000); /* don't fragment */
	from_tun(a);
	deliver(hub, SPOKE_A);
	deliver(a, HUB);
	expect_icmp(hub, DROP_TOO_BIG, 3);
	assert_int_equal(load_u16(batch.v[0].data + 26), 1400);
	packet("192.168.11.5", "10.77.0.99", 64, 100);
	from_tun(a);
	deliver(hub, SPOKE_A);
	deliver(a, HUB);
	expect_icmp(hub, DROP_NO_SESSION, 3);
	/* Never back to where it came from, and a spoke relays nothing. */
	packet("192.168.11.5", "10.77.0.11", 64, 100);
	struct prefix own = fixture_prefix("10.77.0.11/32");
	struct fib_route r = {.prefix = own, .type = FIB_LOCAL, .source = FIB_KERNEL};
	fib_route_remove(&a->plane.fib, &r);
	from_tun(a);
	deliver(hub, SPOKE_A);
	expect_drop(hub, DROP_HAIRPIN_REFUSED);
	packet("8.8.8.8", "192.168.99.1", 64, 100);
	fixture_route(hub, "192.168.99.0/24", "10.77.0.11", FIB_OVERLAY, FIB_REGISTERED);
	from_tun(hub);
	deliver(a, HUB);
	expect_drop(a, DROP_HAIRPIN_REFUSED);
}

static void a_shortcut_is_taken_while_its_path_is_up(void **state)
{
	(void)state;
	struct prefix p = fixture_prefix("192.168.12.0/24");
	fixture_connect(a, SPOKE_B, b, SPOKE_A);
	fib_shortcut_put(&a->plane.fib, &p, SPOKE_B);
	packet("192.168.11.5", "192.168.12.5", 64, 100);
	from_tun(a);
	assert_int_equal(batch.v[0].remote.addr.bytes[3], SPOKE_B);
	deliver(b, SPOKE_A);
	assert_int_equal(batch.v[0].verdict, PKT_WRITE_TUN);
	assert_int_equal(batch.v[0].data[8], 64);
	atomic_store(&a->plane.sessions.paths[SPOKE_B].session, SESSION_NONE); /* suspended */
	packet("192.168.11.5", "192.168.12.5", 64, 100);
	from_tun(a);
	assert_int_equal(batch.v[0].remote.addr.bytes[3], HUB);
}

static void dscp_and_ecn_cross_the_tunnel(void **state)
{
	(void)state;
	static const struct {
		uint8_t inner, outer, expected; /* ECN after RFC 6040 figure 4; 0xff = dropped */
	} cases[] = {{0xb8, 0xb8, 0xb8}, {0x02, 0x03, 0x03}, {0x01, 0x03, 0x03}, {0x00, 0x03, 0xff},
		{0x03, 0x02, 0x03}, {0x02, 0x01, 0x01}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct pkt *p = packet("10.77.0.11", "10.77.0.1", 64, 100);
		ip_set_tos(p->data, cases[i].inner);
		from_tun(a);
		assert_int_equal(p->tos, cases[i].inner);
		p->tos = cases[i].outer;
		deliver(hub, SPOKE_A);
		if (cases[i].expected == 0xff) {
			expect_drop(hub, DROP_ECN_ILLEGAL);
			continue;
		}
		assert_int_equal(p->verdict, PKT_WRITE_TUN);
		assert_int_equal(ip_tos(p->data), cases[i].expected);
	}
}

static void multicast_and_next_hops_go_to_the_control_loop(void **state)
{
	(void)state;
	packet("10.77.0.11", "224.0.0.5", 1, 100);
	from_tun(a);
	assert_int_equal(batch.v[0].verdict, PKT_CONSUMED);
	struct event *ev = ring_peek(&a->workers[0].events);
	assert_int_equal(ev->type, EVENT_MULTICAST);
	assert_int_equal(ev->len, 100);
	ring_pop(&a->workers[0].events);
	packet("192.168.11.5", "10.77.0.12", 64, 100); /* phase 2: a next hop without a path */
	from_tun(a);
	assert_int_equal(batch.v[0].remote.addr.bytes[3], HUB);
	ev = ring_peek(&a->workers[0].events);
	assert_int_equal(ev->type, EVENT_RESOLVE);
	assert_int_equal(ev->addr.bytes[3], 12);
	ring_pop(&a->workers[0].events);
	packet("192.168.11.5", "10.77.0.12", 64, 100);
	from_tun(a);
	assert_null(ring_peek(&a->workers[0].events));  /* once a second */
	for (uint64_t i = 0; i <= WORKER_EVENTS; i++) { /* slowly, and nobody reads it */
		packet("10.77.0.11", "224.0.0.5", 1, 100);
		data_from_tun(&a->workers[0], &batch, FIXTURE_NOW + i * NS_PER_S);
	}
	expect_drop(a, DROP_RING_FULL);
}

static void ipv6_and_link_local(void **state)
{
	(void)state;
	char text[ADDR_TEXT_MAX];
	struct ip_addr ll_a = a->plane.link_local, ll_hub = hub->plane.link_local;
	assert_string_equal(addr_format(&ll_a, text), "fe80::5efe:a4d:b");
	fib_neighbour_put(&a->plane.fib, &ll_hub, HUB);
	packet("fe80::5efe:a4d:b", "fe80::5efe:a4d:1", 1, 100);
	from_tun(a);
	deliver(hub, SPOKE_A);
	assert_int_equal(batch.v[0].verdict, PKT_WRITE_TUN);
	/* Somebody else's link-local source; and a link-local destination is never relayed. */
	packet("fe80::5efe:a4d:c", "fe80::5efe:a4d:1", 1, 100);
	from_tun(a);
	deliver(hub, SPOKE_A);
	expect_drop(hub, DROP_BAD_SOURCE);
	struct ip_addr ll_b = b->plane.link_local;
	fib_neighbour_put(&a->plane.fib, &ll_b, HUB);
	packet("fe80::5efe:a4d:b", "fe80::5efe:a4d:c", 64, 100);
	from_tun(a);
	deliver(hub, SPOKE_A);
	expect_drop(hub, DROP_HAIRPIN_REFUSED);
	packet("fd77::11", "ff02::5", 1, 100);
	from_tun(a);
	assert_int_equal(batch.v[0].verdict, PKT_CONSUMED);
}

static void a_batch_of_several_sessions(void **state)
{
	(void)state;
	static const char *const to[] = {
		"192.168.11.5", "192.168.12.5", "10.77.0.11", "10.77.0.99"};
	batch.n = 4;
	for (uint16_t i = 0; i < 4; i++)
		fixture_packet(pkt_reset(&batch, i), "8.8.8.8", to[i], UDP, 64, 100 + i);
	from_tun(hub);
	assert_int_equal(batch.v[0].remote.addr.bytes[3], SPOKE_A);
	assert_int_equal(batch.v[1].remote.addr.bytes[3], SPOKE_B);
	assert_int_equal(batch.v[2].remote.addr.bytes[3], SPOKE_A);
	assert_int_equal(batch.v[3].verdict, PKT_WRITE_TUN); /* ICMP: nobody there */
	for (uint16_t i = 0; i < 3; i++)
		assert_int_equal(batch.v[i].len, 100 + i + 32);
	/* Two to a: consecutive sequences of lane 1. */
	assert_int_equal(load_u32(batch.v[0].data + 8), 0);
	assert_int_equal(load_u32(batch.v[2].data + 8), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(spoke_to_spoke_by_the_hub),
		CASE(what_the_tun_may_not_send),
		CASE(a_source_must_be_the_senders),
		CASE(sealed_data_that_is_not_good),
		CASE(a_hub_that_cannot_pass_it_on_says_so),
		CASE(a_shortcut_is_taken_while_its_path_is_up),
		CASE(dscp_and_ecn_cross_the_tunnel),
		CASE(multicast_and_next_hops_go_to_the_control_loop),
		CASE(ipv6_and_link_local),
		CASE(a_batch_of_several_sessions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
