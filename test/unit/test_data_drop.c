/* The data path's refusals: what is sealed but no packet, what is too big, too old, or for nobody. */
#include "test/unit/data_fixture.h"

static struct session *session_to(struct fixture_node *f, uint32_t peer)
{
	return session_at(&f->plane.sessions, atomic_load(&f->plane.sessions.paths[peer].session));
}

/* One datagram from a to the hub with any plaintext, inner GRE header included. */
static struct pkt *sealed(const void *plain, size_t len)
{
	struct session *s = session_to(a, HUB);
	struct sealed_header header = {.index = s->remote_index, .lane = 1};
	struct pkt *p = pkt_reset(&batch, 0);
	batch.n = 1;
	if (!session_reserve(s, 1, 1, 1, &header.sequence))
		abort();
	p->len = (uint32_t)sealed_seal(&s->tx, &header, p->data, plain, len);
	p->verdict = PKT_SEND_UDP;
	return p;
}

static uint64_t dropped(const struct fixture_node *f, enum drop_reason why)
{
	return atomic_load(&f->workers[0].counters.dropped[why]);
}

static void what_opens_must_be_a_packet(void **state)
{
	(void)state;
	static const struct {
		const char *plain;
		uint8_t len;
		uint8_t verdict;
	} cases[] = {
		{"", 0, PKT_DROP},
		{"\0\0\x08", 3, PKT_DROP},                             /* no inner header */
		{"\0\0\x08\0", 4, PKT_DROP},                           /* no packet behind it */
		{"\x20\0\x08\0\0\0\0\0", 8, PKT_DROP},                 /* inner flags */
		{"\0\0\x12\x34....", 8, PKT_DROP},                     /* a protocol of nobody's */
		{"\0\0\x08\0\x60\0\0\0", 8, PKT_DROP},                 /* IPv6 said to be IPv4 */
		{"\0\0\x86\xdd\x45\0\0\x14", 8, PKT_DROP},             /* and the other way round */
		{"\0\0\x08\0\x45\0\0\x14\0\0\0\0@\x11", 14, PKT_DROP}, /* cut */
		{"\0\0\x88\xb5....", 8, PKT_DROP},                     /* sealed within sealed */
		{"\0\0\0\0\0\0\0\0\0\0\0\0", 12, PKT_CONSUMED},        /* keepalive */
		{"\0\0\x20\x01nhrp", 8, PKT_CONSUMED},
		{"\0\0\x88\xb6\1\0\0\0", 8, PKT_CONSUMED},
	};
	uint64_t bad = 0;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct pkt *p = sealed(cases[i].plain, cases[i].len);
		deliver(hub, SPOKE_A);
		assert_int_equal(p->verdict, cases[i].verdict);
		bad += p->verdict == PKT_DROP;
		assert_int_equal(dropped(hub, DROP_BAD_INNER), bad);
	}
}

static void padding_behind_a_packet_is_cut_off(void **state)
{
	(void)state;
	uint8_t plain[4 + 60] = {0, 0, 8, 0};
	packet("10.77.0.11", "10.77.0.1", 64, 50);
	memcpy(plain + 4, batch.v[0].data, 50);
	struct pkt *p = sealed(plain, sizeof plain);
	deliver(hub, SPOKE_A);
	assert_int_equal(p->verdict, PKT_WRITE_TUN);
	assert_int_equal(p->len, 50);
}

static void destinations_that_a_peer_may_name(void **state)
{
	(void)state;
	static const struct {
		const char *dst;
		uint8_t verdict;
		enum drop_reason why;
	} cases[] = {
		{"10.77.0.1", PKT_WRITE_TUN, DROP_NONE},
		{"224.0.0.5", PKT_WRITE_TUN, DROP_NONE},
		{"224.0.0.251", PKT_DROP, DROP_MULTICAST_FILTERED},
		{"239.1.2.3", PKT_DROP, DROP_MULTICAST_FILTERED},
		{"255.255.255.255", PKT_DROP, DROP_MULTICAST_FILTERED},
		{"172.30.0.1", PKT_SEND_UDP, DROP_NO_ROUTE}, /* answered by ICMP */
		{"172.31.0.1", PKT_SEND_UDP, DROP_NO_ROUTE},
		{"192.168.12.1", PKT_SEND_UDP, DROP_NONE},
		{"192.168.11.1", PKT_DROP, DROP_HAIRPIN_REFUSED},
	};
	fixture_route(hub, "172.31.0.0/16", NULL, FIB_REJECT, FIB_KERNEL);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint64_t before = dropped(hub, cases[i].why);
		uint8_t plain[4 + 100] = {0, 0, 8, 0};
		packet("10.77.0.11", cases[i].dst, 64, 100);
		memcpy(plain + 4, batch.v[0].data, 100);
		struct pkt *p = sealed(plain, sizeof plain);
		deliver(hub, SPOKE_A);
		assert_int_equal(p->verdict, cases[i].verdict);
		assert_int_equal(dropped(hub, cases[i].why) - before, cases[i].why != DROP_NONE);
	}
}

/* A kernel would not take the error from its own address, so it comes from the destination. */
static void errors_to_the_tun_come_from_the_destination(void **state)
{
	(void)state;
	static const char *const pairs[][2] = {
		{"10.77.0.11", "172.31.0.9"}, {"fd77::11", "fd99::9"}};
	for (size_t i = 0; i < 2; i++) {
		struct pkt *p = packet(pairs[i][0], pairs[i][1], 64, 100);
		struct ip_addr src = fixture_addr(pairs[i][0]), dst = fixture_addr(pairs[i][1]);
		from_tun(a);
		struct ip_view ip;
		assert_int_equal(p->verdict, PKT_WRITE_TUN);
		assert_int_equal(ip_peek(p->data, p->len, &ip), 0);
		assert_true(addr_equal(&ip.src, &dst) && addr_equal(&ip.dst, &src));
		assert_int_equal(ip.proto, i ? IP_PROTO_ICMPV6 : IP_PROTO_ICMP);
		const uint8_t *icmp = p->data + ip.hdr_len;
		size_t len = p->len - ip.hdr_len;
		assert_int_equal(i ? ip_checksum_transport(&ip.src, &ip.dst, ip.proto, icmp, len)
				   : ip_checksum(icmp, len),
			0);
	}
	assert_int_equal(dropped(a, DROP_NO_ROUTE), 2);
}

static void icmp_has_a_limit_and_no_answer_to_errors(void **state)
{
	(void)state;
	unsigned answered = 0;
	for (unsigned i = 0; i < 200; i++) {
		packet("10.77.0.11", "172.31.0.9", 64, 100);
		from_tun(a);
		answered += batch.v[0].verdict == PKT_WRITE_TUN;
	}
	assert_int_equal(answered, 50);
	assert_int_equal(dropped(a, DROP_NO_ROUTE), 200);
	packet("10.77.0.11", "172.31.0.9", 64, 100);
	data_from_tun(&a->workers[0], &batch, FIXTURE_NOW + NS_PER_S / 100);
	assert_int_equal(batch.v[0].verdict, PKT_WRITE_TUN);
	struct pkt *p = packet("10.77.0.11", "172.31.0.9", 64, 100);
	p->data[9] = ICMP;
	p->data[20] = 3; /* itself an error */
	data_from_tun(&a->workers[0], &batch, FIXTURE_NOW + NS_PER_S);
	assert_int_equal(p->verdict, PKT_DROP);
	assert_int_equal(p->drop, DROP_NO_ROUTE);
}

static void link_local_goes_to_its_owner_or_nowhere(void **state)
{
	(void)state;
	packet("fe80::5efe:a4d:b", "fe80::5efe:a4d:c", 64, 100);
	from_tun(a); /* b has no session with a, and the hub does not relay it */
	assert_int_equal(dropped(a, DROP_NO_SESSION), 1);
	assert_int_not_equal(batch.v[0].verdict, PKT_SEND_UDP);
	assert_null(ring_peek(&a->workers[0].events));
	struct ip_addr ll_b = b->plane.link_local;
	fixture_connect(a, SPOKE_B, b, SPOKE_A);
	fib_neighbour_put(&a->plane.fib, &ll_b, SPOKE_B);
	packet("fe80::5efe:a4d:b", "fe80::5efe:a4d:c", 64, 100);
	from_tun(a);
	deliver(b, SPOKE_A);
	assert_int_equal(batch.v[0].verdict, PKT_WRITE_TUN);
}

static void only_what_may_not_be_fragmented_is_too_big(void **state)
{
	(void)state;
	static const struct {
		const char *src, *dst;
		uint16_t len, flags; /* the IPv4 header's */
		bool too_big;
	} cases[] = {
		{"192.168.11.5", "192.168.12.5", 1400, 0x4000, false},
		{"192.168.11.5", "192.168.12.5", 1401, 0x4000, true},
		{"192.168.11.5", "192.168.12.5", 1401, 0, false},
		{"fd77::11", "fd77::12", 1400, 0, false},
		{"fd77::11", "fd77::12", 1401, 0, true},
	};
	struct ip_addr far = fixture_addr("fd77::12");
	fixture_route(hub, "fd77::/64", NULL, FIB_OVERLAY, FIB_KERNEL);
	fib_neighbour_put(&hub->plane.fib, &far, SPOKE_B);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint64_t before = dropped(hub, DROP_TOO_BIG);
		packet(cases[i].src, cases[i].dst, 64, cases[i].len);
		if (cases[i].src[0] == '1')
			store_u16(batch.v[0].data + 6, cases[i].flags);
		from_tun(a);
		deliver(hub, SPOKE_A);
		assert_int_equal(batch.v[0].verdict, PKT_SEND_UDP); /* it, or the error */
		assert_int_equal(dropped(hub, DROP_TOO_BIG) - before, cases[i].too_big);
		assert_int_equal(
			batch.v[0].remote.addr.bytes[3], cases[i].too_big ? SPOKE_A : SPOKE_B);
	}
}

static void no_datagram_is_longer_than_the_peer_takes(void **state)
{
	(void)state;
	session_to(a, HUB)->peer_max_udp = 500;
	batch.n = 4; /* only what is sent is counted and takes a number */
	static const uint16_t lens[] = {468, 469, 100, 1400};
	for (uint16_t i = 0; i < 4; i++)
		fixture_packet(pkt_reset(&batch, i), "10.77.0.11", "10.77.0.1", UDP, 64, lens[i]);
	from_tun(a);
	for (uint16_t i = 0; i < 4; i++) {
		assert_int_equal(batch.v[i].verdict, i % 2 ? PKT_DROP : PKT_SEND_UDP);
		assert_int_equal(batch.v[i].drop, i % 2 ? DROP_TOO_BIG : DROP_NONE);
	}
	assert_int_equal(batch.v[0].len, 500);
	assert_int_equal(load_u32(batch.v[2].data + 8), 1);
	const struct worker_counters *c = &a->workers[0].counters;
	assert_int_equal(atomic_load(&c->udp_tx_packets), 2);
	assert_int_equal(atomic_load(&c->udp_tx_bytes), 500 + 132);
	assert_int_equal(atomic_load(&c->tun_rx_packets), 4);
	assert_int_equal(atomic_load(&a->plane.sessions.paths[HUB].tx_packets), 2);
	assert_int_equal(atomic_load(&a->plane.sessions.paths[HUB].tx_bytes), 568);
}

static void a_key_at_its_end_seals_nothing(void **state)
{
	(void)state;
	struct session *s = session_to(a, HUB);
	packet("10.77.0.11", "10.77.0.1", 64, 100);
	data_from_tun(&a->workers[0], &batch, FIXTURE_NOW + SEALED_REJECT_NS);
	assert_int_equal(batch.v[0].verdict, PKT_SEND_UDP);
	packet("10.77.0.11", "10.77.0.1", 64, 100);
	data_from_tun(&a->workers[0], &batch, FIXTURE_NOW + SEALED_REJECT_NS + 1);
	expect_drop(a, DROP_KEY_EXPIRED);
	atomic_store(&s->next_sequence[1], (uint32_t)SEALED_SEQUENCE_STOP);
	packet("10.77.0.11", "10.77.0.1", 64, 100);
	from_tun(a);
	assert_int_equal(batch.v[0].verdict, PKT_DROP);
	assert_int_equal(dropped(a, DROP_KEY_EXPIRED), 2);
	/* A stamp from another thread that is a little later than this batch's now is not old age. */
	s->created_ns = FIXTURE_NOW + 1;
	atomic_store(&s->next_sequence[1], 0);
	packet("10.77.0.11", "10.77.0.1", 64, 100);
	from_tun(a);
	assert_int_equal(batch.v[0].verdict, PKT_SEND_UDP);
}

static void what_the_platform_refused_is_counted(void **state)
{
	(void)state;
	batch.n = 3;
	for (uint16_t i = 0; i < 3; i++)
		fixture_packet(pkt_reset(&batch, i), "10.77.0.11", i ? "10.77.0.1" : "172.31.0.1",
			UDP, 64, 100);
	from_tun(a);
	pkt_drop(&batch.v[2], DROP_SEND_FAILED);
	data_count_failed(&a->workers[0], &batch);
	assert_int_equal(dropped(a, DROP_SEND_FAILED), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_opens_must_be_a_packet),
		CASE(padding_behind_a_packet_is_cut_off),
		CASE(destinations_that_a_peer_may_name),
		CASE(errors_to_the_tun_come_from_the_destination),
		CASE(icmp_has_a_limit_and_no_answer_to_errors),
		CASE(link_local_goes_to_its_owner_or_nowhere),
		CASE(only_what_may_not_be_fragmented_is_too_big),
		CASE(no_datagram_is_longer_than_the_peer_takes),
		CASE(a_key_at_its_end_seals_nothing),
		CASE(what_the_platform_refused_is_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
