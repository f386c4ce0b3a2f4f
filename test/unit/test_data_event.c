/* What workers tell the control loop, what they count, and how a mixed batch is taken apart. */
#include "test/unit/data_fixture.h"

#define MS NS_PER_MS

static struct session *session_to(struct fixture_node *f, uint32_t peer)
{
	return session_at(&f->plane.sessions, atomic_load(&f->plane.sessions.paths[peer].session));
}

/* The event that f's worker pushed, which must be the only one; NULL for none. Valid until the next. */
static const struct event *only_event(struct fixture_node *f)
{
	struct ring *r = &f->workers[0].events;
	assert_int_equal(data_wants_control(&f->workers[0]), ring_peek(r) != NULL);
	const struct event *ev = ring_peek(r);
	if (ev)
		ring_pop(r);
	assert_null(ring_peek(r));
	return ev;
}

/* A packet of a's arrives at the hub from this endpoint. */
static void arrive(const char *from, uint64_t now)
{
	packet("10.77.0.11", "10.77.0.1", 64, 100);
	from_tun(a);
	assert_true(endpoint_parse(from, 0, &batch.v[0].remote));
	data_from_udp(&hub->workers[0], &batch, now);
	assert_int_equal(batch.v[0].verdict, PKT_WRITE_TUN);
}

static void a_responders_session_is_confirmed_by_what_opens(void **state)
{
	(void)state;
	struct session *s = session_to(hub, SPOKE_A);
	session_publish(&hub->plane.sessions, s, SESSION_UNCONFIRMED);
	packet("8.8.8.8", "192.168.11.5", 64, 100);
	from_tun(hub); /* receive only, until then */
	assert_int_equal(atomic_load(&hub->workers[0].counters.dropped[DROP_NO_SESSION]), 1);
	assert_null(only_event(hub));
	for (int i = 0; i < 2; i++) { /* said until the control loop has heard it */
		arrive("198.51.100.7:999", FIXTURE_NOW);
		const struct event *ev = only_event(hub);
		assert_non_null(ev);
		assert_int_equal(ev->type, EVENT_CONFIRMED);
		assert_int_equal(ev->session, s->id);
		assert_int_equal(ev->local_index, s->local_index);
		assert_int_equal(ev->remote.port, 999);
	}
	session_publish(&hub->plane.sessions, s, SESSION_LIVE);
	arrive("192.0.2.11:4754", FIXTURE_NOW);
	assert_null(only_event(hub));
}

static void a_new_endpoint_is_reported_now_and_then(void **state)
{
	(void)state;
	static const struct {
		const char *from;
		uint64_t after;
		bool reported;
	} cases[] = {
		{"192.0.2.11:4754", 0, false}, /* the path's own */
		{"192.0.2.11:4755", 0, true},
		{"192.0.2.11:4755", 1 * MS, false},
		{"192.0.2.99:4754", 99 * MS, false},
		{"192.0.2.99:4754", 100 * MS, true},
		{"192.0.2.11:4754", 200 * MS, false},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		arrive(cases[i].from, FIXTURE_NOW + cases[i].after);
		const struct event *ev = only_event(hub);
		assert_int_equal(ev != NULL, cases[i].reported);
		assert_true(!ev || ev->type == EVENT_PATH);
		assert_true(!ev || endpoint_equal(&ev->remote, &batch.v[0].remote));
	}
	/* A late packet says nothing about where the peer is now. */
	uint8_t late[256];
	struct pkt *p = packet("10.77.0.11", "10.77.0.1", 64, 100);
	from_tun(a);
	uint32_t len = p->len;
	memcpy(late, p->data, len);
	arrive("192.0.2.11:4754", FIXTURE_NOW + 300 * MS);
	p = pkt_reset(&batch, 0);
	memcpy(p->data, late, len);
	p->len = len;
	p->remote.port = 1;
	data_from_udp(&hub->workers[0], &batch, FIXTURE_NOW + 400 * MS);
	assert_int_equal(p->verdict, PKT_WRITE_TUN);
	assert_null(only_event(hub));
}

static void unknown_indices_are_reported_with_a_limit(void **state)
{
	(void)state;
	unsigned events = 0;
	for (unsigned i = 0; i < 300; i++) {
		struct pkt *p = pkt_reset(&batch, 0);
		batch.n = 1;
		p->len = 40 + i;
		gre_sealed_write(p->data, 0, 0, i); /* nobody has index 0 */
		p->remote.addr = (struct ip_addr){.family = 4, .bytes = {192, 0, 2, (uint8_t)i}};
		p->remote.addr.bytes[2] = (uint8_t)(i >> 8); /* each from somewhere else */
		data_from_udp(&hub->workers[0], &batch, FIXTURE_NOW);
		assert_int_equal(p->drop, DROP_UNKNOWN_INDEX);
		const struct event *ev = only_event(hub);
		events += ev != NULL;
		assert_true(!ev ||
			(ev->type == EVENT_UNKNOWN && ev->local_index == 0 && ev->len == 40 + i &&
				ev->session == SESSION_NONE));
	}
	assert_int_equal(events, 100);
	assert_int_equal(atomic_load(&hub->workers[0].counters.dropped[DROP_UNKNOWN_INDEX]), 300);
}

static void handshakes_and_control_packets_are_passed_on_whole(void **state)
{
	(void)state;
	struct pkt *p = pkt_reset(&batch, 0);
	batch.n = 1;
	p->len = 640;
	memset(p->data, 0x5a, p->len);
	gre_handshake_write(p->data);
	data_from_udp(&hub->workers[0], &batch, FIXTURE_NOW);
	assert_int_equal(p->verdict, PKT_CONSUMED);
	const struct event *ev = only_event(hub);
	assert_int_equal(ev->type, EVENT_DATAGRAM);
	assert_int_equal(ev->len, 640);
	assert_memory_equal(ev->data, p->data, 640);
	static const uint16_t protocols[] = {GRE_PROTO_NHRP, GRE_PROTO_CONTROL};
	for (size_t i = 0; i < 2; i++) {
		p = pkt_reset(&batch, 0);
		uint8_t *room = p->data + SEALED_HEADER_LEN + GRE_PLAIN_LEN;
		memset(room, 0xa5, 300);
		int len = worker_seal(&a->workers[0], session_to(a, HUB), protocols[i], room, 300);
		assert_int_equal(len, 300 + 32);
		p->len = (uint32_t)len;
		data_from_udp(&hub->workers[0], &batch, FIXTURE_NOW);
		assert_int_equal(p->verdict, PKT_CONSUMED);
		/* The first one also came from nowhere: the path is another. */
		ev = ring_peek(&hub->workers[0].events);
		if (ev->type == EVENT_PATH) {
			ring_pop(&hub->workers[0].events);
			ev = ring_peek(&hub->workers[0].events);
		}
		assert_int_equal(ev->type, EVENT_PACKET);
		assert_int_equal(ev->protocol, protocols[i]);
		assert_int_equal(ev->session, session_to(hub, SPOKE_A)->id);
		assert_int_equal(ev->len, 300);
		assert_int_equal(ev->data[0], 0xa5);
		assert_int_equal(ev->data[299], 0xa5);
		ring_pop(&hub->workers[0].events);
	}
	/* Control is no user data. */
	assert_int_equal(atomic_load(&hub->workers[0].counters.udp_rx_packets), 0);
	assert_int_equal(atomic_load(&hub->plane.sessions.paths[SPOKE_A].last_data_rx_ns), 0);
	assert_true(atomic_load(&hub->plane.sessions.paths[SPOKE_A].last_rx_ns) == FIXTURE_NOW);
}

static const struct event *hairpinned(const char *dst, uint64_t after)
{
	packet("192.168.11.5", dst, 64, 300);
	from_tun(a);
	struct ip_addr any;
	path_get_endpoint(&hub->plane.sessions, SPOKE_A, &batch.v[0].remote, &any);
	data_from_udp(&hub->workers[0], &batch, FIXTURE_NOW + after);
	return only_event(hub);
}

static void a_hairpin_is_indicated_once_a_second_and_destination(void **state)
{
	(void)state;
	const struct event *ev = hairpinned("192.168.12.5", 0);
	assert_non_null(ev);
	assert_int_equal(ev->type, EVENT_REDIRECT);
	assert_int_equal(ev->session, session_to(hub, SPOKE_A)->id);
	assert_int_equal(ev->len, 128); /* the start of the packet, as it came */
	assert_int_equal(ev->data[8], 64);
	assert_null(hairpinned("192.168.12.5", 999 * MS));
	assert_non_null(hairpinned("192.168.12.6", 999 * MS));
	assert_non_null(hairpinned("192.168.12.5", 1000 * MS));
	atomic_store(&hub->plane.redirect, false);
	assert_null(hairpinned("192.168.12.7", 2000 * MS));
	assert_int_equal(batch.v[0].verdict, PKT_SEND_UDP);
	assert_int_equal(atomic_load(&hub->workers[0].counters.hairpin_packets), 5);
	assert_int_equal(atomic_load(&hub->workers[0].counters.hairpin_bytes), 1500);
}

/* b comes to a directly with this; the event that follows. */
static const struct event *misled(const char *dst, uint64_t after)
{
	struct prefix to = fixture_prefix(dst);
	fib_shortcut_put(&b->plane.fib, &to, SPOKE_A);
	packet("192.168.12.5", dst, 64, 100);
	from_tun(b);
	fib_shortcut_remove(&b->plane.fib, &to);
	struct ip_addr any;
	path_get_endpoint(&a->plane.sessions, SPOKE_B, &batch.v[0].remote, &any);
	data_from_udp(&a->workers[0], &batch, FIXTURE_NOW + after);
	return only_event(a);
}

static void what_a_shortcut_brings_to_the_wrong_spoke_is_told(void **state)
{
	(void)state;
	struct ip_addr lan = fixture_addr("192.168.99.5");
	fixture_connect(a, SPOKE_B, b, SPOKE_A);
	const struct event *ev = misled("192.168.99.5", 0); /* by the hub, says its routing */
	assert_non_null(ev);
	assert_int_equal(ev->type, EVENT_MISLED);
	assert_int_equal(ev->session, session_to(a, SPOKE_B)->id);
	assert_true(addr_equal(&ev->addr, &lan));
	expect_drop(a, DROP_HAIRPIN_REFUSED);
	assert_null(misled("192.168.99.6", 99 * MS));    /* one word takes it all back */
	assert_non_null(misled("172.31.0.1", 100 * MS)); /* a reject route */
	assert_null(misled("192.168.11.5", 300 * MS));
	assert_int_equal(batch.v[0].verdict, PKT_WRITE_TUN);
	/* A hub knows its own mistakes. */
	packet("192.168.12.5", "192.168.99.5", 64, 100);
	fixture_route(hub, "192.168.99.0/24", "10.77.0.11", FIB_OVERLAY, FIB_REGISTERED);
	from_tun(hub);
	deliver(a, HUB);
	assert_int_equal(batch.v[0].drop, DROP_HAIRPIN_REFUSED);
	assert_null(only_event(a));
}

static void relay_by_the_kernel_leaves_the_packet_alone(void **state)
{
	(void)state;
	atomic_store(&hub->plane.relay_kernel, true);
	assert_int_equal(hairpinned("192.168.12.5", 0)->type, EVENT_REDIRECT);
	assert_int_equal(batch.v[0].verdict, PKT_WRITE_TUN);
	assert_int_equal(batch.v[0].data[8], 64); /* the kernel counts the hop */
	assert_int_equal(atomic_load(&hub->workers[0].counters.hairpin_packets), 0);
}

static void next_hops_are_resolved_unless_there_is_a_reason_not_to(void **state)
{
	(void)state;
	struct prefix lan = fixture_prefix("192.168.12.0/24");
	packet("10.77.0.11", "192.168.99.5", 64, 100); /* the next hop is the hub itself */
	from_tun(a);
	assert_null(only_event(a));
	fib_shortcut_put(&a->plane.fib, &lan, SPOKE_B);
	packet("10.77.0.11", "192.168.12.5", 64, 100); /* a shortcut whose path is down */
	from_tun(a);
	assert_int_equal(batch.v[0].verdict, PKT_SEND_UDP);
	assert_null(only_event(a));
	atomic_store(&a->plane.shortcut, false);
	packet("10.77.0.11", "10.77.0.12", 64, 100);
	from_tun(a);
	assert_null(only_event(a));
	atomic_store(&a->plane.shortcut, true);
	packet("10.77.0.11", "10.77.0.12", 64, 100);
	from_tun(a);
	assert_int_equal(only_event(a)->type, EVENT_RESOLVE);
}

/* Nobody registers a link-local address, so the hub is asked about what lies behind it. */
static void behind_a_link_local_next_hop_the_destination_is_resolved(void **state)
{
	(void)state;
	struct ip_addr behind = fixture_addr("fd77:0:0:2::5"), ll_b = b->plane.link_local;
	fixture_route(a, "fd77:0:0:2::/64", "fe80::5efe:a4d:c", FIB_OVERLAY, FIB_KERNEL);
	packet("fd77::11", "fd77:0:0:2::5", 64, 100);
	from_tun(a);
	assert_int_equal(batch.v[0].remote.addr.bytes[3], HUB);
	const struct event *ev = only_event(a);
	assert_int_equal(ev->type, EVENT_RESOLVE);
	assert_true(addr_equal(&ev->addr, &behind));
	/* A packet to the neighbour itself goes to nobody else, and asks for nothing. */
	packet("fe80::5efe:a4d:b", "fe80::5efe:a4d:c", 64, 100);
	from_tun(a);
	assert_int_not_equal(batch.v[0].verdict, PKT_SEND_UDP);
	assert_null(only_event(a));
	/* Once there is a session with who has it, it is the next hop. */
	fixture_connect(a, SPOKE_B, b, SPOKE_A);
	fib_neighbour_put(&a->plane.fib, &ll_b, SPOKE_B);
	packet("fd77::11", "fd77:0:0:2::5", 64, 100);
	from_tun(a);
	assert_int_equal(batch.v[0].remote.addr.bytes[3], SPOKE_B);
	assert_null(only_event(a));
}

static void fill_syn(struct pkt *p, const char *src, const char *dst, uint16_t mss)
{
	bool v4 = src[0] == '1';
	size_t hdr = v4 ? 20 : 40;
	struct ip_addr from = fixture_addr(src), to = fixture_addr(dst);
	fixture_packet(p, src, dst, IP_PROTO_TCP, 64, hdr + 24);
	uint8_t *tcp = p->data + hdr;
	memset(tcp, 0, 24);
	tcp[12] = 6 << 4;
	tcp[13] = 2;
	tcp[20] = 2;
	tcp[21] = 4;
	store_u16(tcp + 22, mss);
	store_u16(tcp + 16, ip_checksum_transport(&from, &to, IP_PROTO_TCP, tcp, 24));
}

static void mss_is_clamped_to_the_tunnel(void **state)
{
	(void)state;
	static const struct {
		const char *src, *dst;
		uint16_t mss, expected;
	} cases[] = {{"10.77.0.11", "10.77.0.1", 1460, 1360},
		{"10.77.0.11", "10.77.0.1", 1360, 1360}, {"10.77.0.11", "10.77.0.1", 536, 536},
		{"fd77::11", "fd77::1", 1440, 1340}};
	struct ip_addr far = fixture_addr("fd77::1");
	fib_neighbour_put(&a->plane.fib, &far, HUB);
	fixture_route(hub, "fd77::1/128", NULL, FIB_LOCAL, FIB_KERNEL);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct pkt *p = pkt_reset(&batch, 0);
		batch.n = 1;
		fill_syn(p, cases[i].src, cases[i].dst, cases[i].mss);
		from_tun(a);
		deliver(hub, SPOKE_A);
		assert_int_equal(p->verdict, PKT_WRITE_TUN);
		struct ip_view ip;
		assert_int_equal(ip_peek(p->data, p->len, &ip), 0);
		const uint8_t *tcp = p->data + ip.hdr_len;
		assert_int_equal(load_u16(tcp + 22), cases[i].expected);
		assert_int_equal(ip_checksum_transport(&ip.src, &ip.dst, IP_PROTO_TCP, tcp, 24), 0);
	}
}

/* Two senders, rubbish and a handshake in turn: each is judged as if it were alone. */
static void a_mixed_batch_is_taken_apart(void **state)
{
	(void)state;
	static const uint8_t kinds[] = {'a', 'b', 'a', 'x', 'h', 'b', 'b', 'a', 's', 'a'};
	struct pkt_batch mixed;
	assert_int_equal(pkt_batch_init(&mixed, PKT_BATCH), 0);
	mixed.n = sizeof kinds;
	for (uint16_t i = 0; i < mixed.n; i++) {
		struct pkt *p = pkt_reset(&mixed, i);
		struct fixture_node *from = kinds[i] == 'b' ? b : a;
		packet(from == a ? "10.77.0.11" : "10.77.0.12",
			kinds[i] == 's' ? "8.8.8.8" : "10.77.0.1", 64, (size_t)100 + i);
		if (kinds[i] == 's') /* a source that is not a's */
			fixture_packet(&batch.v[0], "10.77.0.12", "10.77.0.1", UDP, 64, 100);
		from_tun(from);
		p->len = batch.v[0].len;
		memcpy(p->data, batch.v[0].data, p->len);
		if (kinds[i] == 'x')
			p->data[p->len - 1] ^= 1;
		if (kinds[i] == 'h')
			gre_handshake_write(p->data);
	}
	data_from_udp(&hub->workers[0], &mixed, FIXTURE_NOW);
	uint64_t bytes = 0;
	for (uint16_t i = 0; i < mixed.n; i++) {
		const struct pkt *p = &mixed.v[i];
		bool good = kinds[i] == 'a' || kinds[i] == 'b';
		assert_int_equal(p->verdict,
			good                      ? PKT_WRITE_TUN
				: kinds[i] == 'h' ? PKT_CONSUMED
						  : PKT_DROP);
		assert_true(!good ||
			(p->len == 100u + i && p->data[19] == 1 &&
				p->data[15] == (kinds[i] == 'a' ? 11 : 12)));
		assert_int_equal(p->drop,
			kinds[i] == 'x'           ? DROP_BAD_TAG
				: kinds[i] == 's' ? DROP_BAD_SOURCE
						  : 0);
		bytes += good ? p->len : 0;
	}
	const struct worker_counters *c = &hub->workers[0].counters;
	assert_int_equal(atomic_load(&c->udp_rx_packets), 7);
	assert_int_equal(atomic_load(&c->udp_rx_bytes), bytes);
	assert_int_equal(atomic_load(&c->tun_tx_packets), 7);
	assert_int_equal(atomic_load(&c->tun_tx_bytes), bytes);
	assert_int_equal(atomic_load(&hub->plane.sessions.paths[SPOKE_A].rx_packets), 4);
	assert_int_equal(atomic_load(&hub->plane.sessions.paths[SPOKE_B].rx_packets), 3);
	assert_int_equal(atomic_load(&session_to(hub, SPOKE_A)->failed_opens), 1);
	pkt_batch_fini(&mixed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_responders_session_is_confirmed_by_what_opens),
		CASE(a_new_endpoint_is_reported_now_and_then),
		CASE(unknown_indices_are_reported_with_a_limit),
		CASE(handshakes_and_control_packets_are_passed_on_whole),
		CASE(a_hairpin_is_indicated_once_a_second_and_destination),
		CASE(what_a_shortcut_brings_to_the_wrong_spoke_is_told),
		CASE(relay_by_the_kernel_leaves_the_packet_alone),
		CASE(next_hops_are_resolved_unless_there_is_a_reason_not_to),
		CASE(behind_a_link_local_next_hop_the_destination_is_resolved),
		CASE(mss_is_clamped_to_the_tunnel),
		CASE(a_mixed_batch_is_taken_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
