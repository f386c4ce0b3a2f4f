/* What one member, or any stranger, may cost the control loop and those who hear its multicast. */
#include "test/unit/data_fixture.h"

static struct session *session_to(struct fixture_node *f, uint32_t peer)
{
	return session_at(&f->plane.sessions, atomic_load(&f->plane.sessions.paths[peer].session));
}

static uint64_t dropped(enum drop_reason why)
{
	return atomic_load(&hub->workers[0].counters.dropped[why]);
}

/* What is in the hub's ring is read, and counted by type. */
static unsigned events_of(struct fixture_node *f, enum event_type type)
{
	struct ring *r = &f->workers[0].events;
	unsigned n = 0;
	for (const struct event *ev; (ev = ring_peek(r)); ring_pop(r))
		n += ev->type == type;
	return n;
}

static unsigned events(enum event_type type)
{
	return events_of(hub, type);
}

static void from_source(struct pkt *p, unsigned i)
{
	p->remote.addr =
		(struct ip_addr){.family = 4, .bytes = {198, 51, (uint8_t)(i >> 8), (uint8_t)i}};
	p->remote.port = 4754;
	data_from_udp(&hub->workers[0], &batch, FIXTURE_NOW);
}

static void handshake_from(unsigned i)
{
	struct pkt *p = pkt_reset(&batch, 0);
	batch.n = 1;
	p->len = 700;
	gre_handshake_write(p->data);
	from_source(p, i);
}

static void control_packet(struct fixture_node *from, uint32_t peer, uint64_t now)
{
	struct pkt *p = pkt_reset(&batch, 0);
	batch.n = 1;
	uint8_t *room = p->data + SEALED_HEADER_LEN + GRE_PLAIN_LEN;
	memset(room, 0, 20);
	int len =
		worker_seal(&from->workers[0], session_to(from, HUB), GRE_PROTO_CONTROL, room, 20);
	assert_true(len > 0);
	p->len = (uint32_t)len;
	struct ip_addr any;
	path_get_endpoint(&hub->plane.sessions, peer, &p->remote, &any);
	data_from_udp(&hub->workers[0], &batch, now);
}

/* As if its routes sent the packet to the hub. */
static void from_tun_by_hub(struct fixture_node *f)
{
	fixture_route(f, "8.8.8.0/24", "10.77.0.1", FIB_OVERLAY, FIB_KERNEL);
	from_tun(f);
}

/* A flood of handshakes that comes by the workers: half of the ring stays free for what opened. */
static void strangers_do_not_fill_the_ring(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		handshake_from(i);
	assert_int_equal(batch.v[0].drop, DROP_RING_FULL);
	assert_int_equal(dropped(DROP_RING_FULL), 1000 - WORKER_EVENTS_KEPT);
	for (unsigned i = 0; i < WORKER_EVENTS_KEPT; i++) {
		control_packet(i & 1 ? a : b, i & 1 ? SPOKE_A : SPOKE_B, FIXTURE_NOW);
		assert_int_equal(batch.v[0].verdict, PKT_CONSUMED);
	}
	/* Full now: the refusal has a name, and there is room again when the loop has read. */
	control_packet(a, SPOKE_A, FIXTURE_NOW);
	assert_int_equal(batch.v[0].drop, DROP_RING_FULL);
	assert_int_equal(ring_room(&hub->workers[0].events), 0);
	assert_int_equal(events(EVENT_PACKET), WORKER_EVENTS_KEPT);
	handshake_from(1);
	assert_int_equal(batch.v[0].verdict, PKT_CONSUMED);
	control_packet(a, SPOKE_A, FIXTURE_NOW);
	assert_int_equal(batch.v[0].verdict, PKT_CONSUMED);
}

/* A member that sends nothing but PINGs is cut; another one is not. */
static void a_member_may_ask_so_much_of_the_control_loop(void **state)
{
	(void)state;
	unsigned passed = 0;
	for (unsigned i = 0; i < 20000; i++) {
		control_packet(a, SPOKE_A, FIXTURE_NOW + i * (NS_PER_S / 10000));
		passed += batch.v[0].verdict == PKT_CONSUMED;
		if (i % 1000 == 0) {
			control_packet(b, SPOKE_B, FIXTURE_NOW + i * (NS_PER_S / 10000));
			assert_int_equal(batch.v[0].verdict, PKT_CONSUMED);
		}
		if (i % 50 == 0)
			events(EVENT_PACKET);
	}
	assert_in_range(passed, 2200, 2257);
	assert_int_equal(dropped(DROP_RATE_LIMITED), 20000 - passed);
	assert_int_equal(dropped(DROP_RING_FULL), 0);
}

static void multicast_has_a_rate_per_member(void **state)
{
	(void)state;
	unsigned passed = 0;
	for (unsigned i = 0; i < 10000; i++) {
		uint64_t now = FIXTURE_NOW + i * NS_PER_MS;
		struct pkt *p = packet("10.77.0.11", "224.0.0.5", 1, 100);
		/* As if the control loop had replicated it. */
		int len = 0;
		memmove(p->data + SEALED_HEADER_LEN + GRE_PLAIN_LEN, p->data, p->len);
		len = worker_seal(&a->workers[0], session_to(a, HUB), GRE_PROTO_IPV4,
			p->data + SEALED_HEADER_LEN + GRE_PLAIN_LEN, p->len);
		p->len = (uint32_t)len;
		data_from_udp(&hub->workers[0], &batch, now);
		passed += p->verdict == PKT_WRITE_TUN;
		assert_true(p->verdict == PKT_WRITE_TUN || p->drop == DROP_MULTICAST_LIMITED);
	}
	assert_in_range(passed, 1190, 1201); /* 10 s at 100, and 200 at once */
}

/* A flood from the TUN stays in the worker: the ring to the control loop is for others, too. */
static void multicast_of_our_own_has_a_rate(void **state)
{
	(void)state;
	struct prefix group;
	unsigned hellos = 0, beyond = 0;
	assert_true(prefix_parse("239.1.0.0/16", &group));
	multicast_set(&a->plane.multicast, &group, 1);
	atomic_store(&a->plane.multicast_rate, 1000);
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t now = FIXTURE_NOW + i * (NS_PER_MS / 2);
		packet("10.77.0.11", "239.1.2.3", 16, 100);
		data_from_tun(&a->workers[0], &batch, now);
		beyond += batch.v[0].verdict == PKT_CONSUMED;
		packet("10.77.0.11", "224.0.0.5", 1, 100);
		data_from_tun(&a->workers[0], &batch, now);
		hellos += batch.v[0].verdict == PKT_CONSUMED;
		while (ring_peek(&a->workers[0].events))
			ring_pop(&a->workers[0].events);
	}
	/* 10 s, and 2 s' worth at once; neither takes from the other. */
	assert_in_range(hellos, 1190, 1201);
	assert_in_range(beyond, 11990, 12001);
	/* Nobody reads: a stream takes half of the ring, a hello finds room. */
	for (unsigned i = 0; i < WORKER_EVENTS; i++) {
		packet("10.77.0.11", "239.1.2.3", 16, 100);
		data_from_tun(&a->workers[0], &batch, FIXTURE_NOW + 50 * NS_PER_S);
	}
	assert_int_equal(batch.v[0].drop, DROP_MULTICAST_LIMITED);
	packet("10.77.0.11", "224.0.0.5", 1, 100);
	data_from_tun(&a->workers[0], &batch, FIXTURE_NOW + 50 * NS_PER_S);
	assert_int_equal(batch.v[0].verdict, PKT_CONSUMED);
	assert_int_equal(events_of(a, EVENT_MULTICAST), WORKER_EVENTS_KEPT + 1);
	multicast_set(&a->plane.multicast, NULL, 0);
	packet("10.77.0.11", "239.1.2.3", 16, 100);
	data_from_tun(&a->workers[0], &batch, FIXTURE_NOW + 100 * NS_PER_S);
	assert_int_equal(batch.v[0].drop, DROP_MULTICAST_FILTERED);
}

/* One who repeats himself earns one RESET a second; he does not use up what others get. */
static void unknown_data_of_one_source_once_a_second(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		struct pkt *p = pkt_reset(&batch, 0);
		batch.n = 1;
		p->len = 100;
		gre_sealed_write(p->data, 0, 0, i);
		from_source(p, 1);
	}
	assert_int_equal(events(EVENT_UNKNOWN), 1);
	struct pkt *p = pkt_reset(&batch, 0);
	p->len = 100;
	gre_sealed_write(p->data, 0, 0, 0);
	from_source(p, 2);
	assert_int_equal(events(EVENT_UNKNOWN), 1);
}

/* One that earns ICMP errors without end does not keep others from hearing of theirs. */
static void icmp_errors_have_a_rate_per_member(void **state)
{
	(void)state;
	unsigned answered = 0;
	for (unsigned i = 0; i < 200; i++) {
		packet("10.77.0.11", "8.8.8.8", 64, 100);
		from_tun_by_hub(a);
		deliver(hub, SPOKE_A);
		answered += batch.v[0].verdict == PKT_SEND_UDP;
	}
	assert_int_equal(answered, ICMP_BURST);
	packet("10.77.0.12", "8.8.8.8", 64, 100);
	from_tun_by_hub(b);
	deliver(hub, SPOKE_B);
	assert_int_equal(batch.v[0].verdict, PKT_SEND_UDP);
	/* Nor our own programs. */
	packet("10.77.0.1", "8.8.8.8", 64, 100);
	from_tun(hub);
	assert_int_equal(batch.v[0].verdict, PKT_WRITE_TUN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(strangers_do_not_fill_the_ring),
		CASE(a_member_may_ask_so_much_of_the_control_loop),
		CASE(multicast_has_a_rate_per_member),
		CASE(multicast_of_our_own_has_a_rate),
		CASE(icmp_errors_have_a_rate_per_member),
		CASE(unknown_data_of_one_source_once_a_second),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
