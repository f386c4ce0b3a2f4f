/* Trains from the TUN: one decision for all of it, a datagram for each segment. */
#include "core/wire/gre.h"
#include "core/wire/ip.h"
#include "test/unit/data_fixture.h"
#include "test/unit/trains_fixture.h"

#define HDR     (IP4_HDR_LEN + 20)
#define SEGMENT 1000

static const struct shape shape = {
	.src = 11,
	.sport = 443,
	.dport = 40000,
	.ttl = 64,
	.seq = 5000,
	.flags = TCP_ACK | TCP_PSH,
};
static struct pkt_batch train, arrived;

static int set_up_trains(void **state)
{
	if (set_up(state) != 0)
		return -1;
	return pkt_batch_init_sized(&train, 4, 2 * PKT_TRAIN) || pkt_batch_init(&arrived, 128);
}

static int tear_down_trains(void **state)
{
	pkt_batch_fini(&train);
	pkt_batch_fini(&arrived);
	return tear_down(state);
}

/* A train of TCP from spoke a to 10.77.0.dst. */
static struct pkt *tcp_train(uint8_t dst, uint16_t i, uint16_t payload)
{
	struct pkt *p = pkt_place(&train, i, i * (size_t)PKT_TRAIN + PKT_HEADROOM);
	struct shape s = shape;
	s.dst = dst;
	s.payload = payload;
	*p = shape_from_tun(&s, p->data, SEGMENT);
	train.n = (uint16_t)(i + 1);
	return p;
}

/* What a platform does: sends each datagram of a train by itself. */
static void arrive(struct fixture_node *at)
{
	arrived.n = 0;
	for (unsigned i = 0; i < train.n; i++) {
		const struct pkt *t = &train.v[i];
		assert_int_equal(t->verdict, PKT_SEND_UDP);
		uint32_t step = t->gso_size ? t->gso_size : t->len;
		for (uint32_t done = 0; done < t->len; done += step) {
			struct pkt *p = pkt_reset(&arrived, arrived.n++);
			p->len = t->len - done < step ? t->len - done : step;
			memcpy(p->data, t->data + done, p->len);
			p->tos = t->tos;
			p->remote = t->remote;
		}
	}
	data_from_udp(&at->workers[0], &arrived, FIXTURE_NOW);
}

/* The datagrams from..to hold the payload of a train, in order and whole. */
static void expect_stream(unsigned from, unsigned to, size_t payload)
{
	size_t at = 0;
	for (unsigned i = from; i < to; i++) {
		const struct pkt *p = &arrived.v[i];
		assert_int_equal(p->verdict, PKT_WRITE_TUN);
		struct ip_view ip;
		assert_int_equal(ip_peek(p->data, p->len, &ip), 0);
		assert_int_equal(ip.total_len, p->len);
		assert_int_equal(ip_checksum(p->data, IP4_HDR_LEN), 0);
		const uint8_t *tcp = p->data + IP4_HDR_LEN;
		assert_int_equal(ip_checksum_transport(
					 &ip.src, &ip.dst, IP_PROTO_TCP, tcp, p->len - IP4_HDR_LEN),
			0);
		assert_int_equal(load_u32(tcp + 4), shape.seq + at);
		bool last = i + 1 == to;
		assert_int_equal(tcp[13], last ? TCP_ACK | TCP_PSH : TCP_ACK);
		for (size_t k = HDR; k < p->len; k++, at++)
			assert_int_equal(p->data[k], shape_byte(&shape, at));
	}
	assert_int_equal(at, payload);
}

static void a_train_becomes_datagrams_of_one_size(void **state)
{
	(void)state;
	struct pkt *p = tcp_train(1, 0, 3 * SEGMENT + 500);
	data_from_tun(&a->workers[0], &train, FIXTURE_NOW);
	assert_int_equal(p->verdict, PKT_SEND_UDP);
	uint32_t overhead = SEALED_HEADER_LEN + GRE_PLAIN_LEN + HDR + 16;
	assert_int_equal(p->gso_size, overhead + SEGMENT);
	assert_int_equal(p->len, 4 * overhead + 3 * SEGMENT + 500);
	struct session *s = session_at(&a->plane.sessions, a->workers[0].plan[0]);
	assert_int_equal(atomic_load(&s->tx_messages), 4);
	assert_int_equal(atomic_load(&a->workers[0].counters.udp_tx_packets), 4);
	arrive(hub);
	assert_int_equal(arrived.n, 4);
	expect_stream(0, 4, 3 * SEGMENT + 500);
}

static void the_longest_trains_and_what_comes_behind(void **state)
{
	(void)state;
	size_t most = PKT_TRAIN - 1 - HDR;
	tcp_train(1, 0, most);
	tcp_train(1, 1, 2 * SEGMENT);
	data_from_tun(&a->workers[0], &train, FIXTURE_NOW);
	arrive(hub);
	assert_int_equal(arrived.n, 66 + 2);
	expect_stream(0, 66, most);
	expect_stream(66, 68, 2 * SEGMENT);
}

static void a_train_by_the_hub(void **state)
{
	(void)state;
	tcp_train(12, 0, 2 * SEGMENT + 2);
	data_from_tun(&a->workers[0], &train, FIXTURE_NOW);
	arrive(hub);
	assert_int_equal(arrived.n, 3);
	train.n = arrived.n;
	memcpy(train.v, arrived.v, arrived.n * sizeof *arrived.v);
	for (unsigned i = 0; i < train.n; i++)
		assert_int_equal(train.v[i].verdict, PKT_SEND_UDP);
	arrive(b);
	expect_stream(0, 3, 2 * SEGMENT + 2);
}

static void segments_that_the_peer_cannot_take(void **state)
{
	(void)state;
	struct pkt *p = tcp_train(1, 0, 3 * SEGMENT);
	p->gso_size = PKT_ROOM;
	data_from_tun(&a->workers[0], &train, FIXTURE_NOW);
	assert_int_equal(p->verdict, PKT_DROP);
	assert_int_equal(p->drop, DROP_TOO_BIG);
	/* The key is charged for nothing, and the next one goes. */
	p = tcp_train(1, 0, 10);
	data_from_tun(&a->workers[0], &train, FIXTURE_NOW);
	assert_int_equal(p->verdict, PKT_SEND_UDP);
	assert_int_equal(p->gso_size, 0);
	struct session *s = session_at(&a->plane.sessions, a->workers[0].plan[0]);
	assert_int_equal(atomic_load(&s->tx_messages), 1);
}

static void trains_that_lie(void **state)
{
	(void)state;
	struct pkt *p = tcp_train(1, 0, 3 * SEGMENT);
	p->gso_type = PKT_UDP;
	data_from_tun(&a->workers[0], &train, FIXTURE_NOW);
	assert_int_equal(p->verdict, PKT_DROP);
	assert_int_equal(p->drop, DROP_MALFORMED);
	p = tcp_train(1, 0, 3 * SEGMENT);
	p->data[IP4_HDR_LEN + 12] = 0x10; /* a TCP header of 4 bytes */
	data_from_tun(&a->workers[0], &train, FIXTURE_NOW);
	assert_int_equal(p->verdict, PKT_DROP);
}

static void multicast_trains_go_one_by_one(void **state)
{
	(void)state;
	struct pkt *p = pkt_place(&train, 0, PKT_HEADROOM);
	size_t hdr = IP4_HDR_LEN + 8;
	fixture_packet(p, "10.77.0.11", "224.0.0.5", IP_PROTO_UDP, 64, hdr + 250);
	store_u16(p->data + IP4_HDR_LEN + 4, 8 + 250);
	p->gso_size = 100;
	p->gso_type = PKT_UDP;
	p->flags = PKT_CSUM_PARTIAL;
	p->l4_off = IP4_HDR_LEN;
	train.n = 1;
	data_from_tun(&a->workers[0], &train, FIXTURE_NOW);
	assert_int_equal(p->verdict, PKT_CONSUMED);
	static const size_t lens[] = {100, 100, 50};
	for (size_t i = 0; i < 3; i++) {
		struct event *ev = ring_peek(&a->workers[0].events);
		assert_non_null(ev);
		assert_int_equal(ev->type, EVENT_MULTICAST);
		assert_int_equal(ev->len, hdr + lens[i]);
		assert_int_equal(load_u16(ev->data + 2), hdr + lens[i]);
		ring_pop(&a->workers[0].events);
	}
	assert_null(ring_peek(&a->workers[0].events));
}

static void what_fails_is_counted_by_the_packet(void **state)
{
	(void)state;
	struct pkt v[4] = {
		{.verdict = PKT_DROP, .drop = DROP_SEND_FAILED, .next = 2},
		{.verdict = PKT_DROP, .drop = DROP_SEND_FAILED},
		{.verdict = PKT_MERGED, .next = 3},
		{.verdict = PKT_MERGED},
	};
	struct pkt_batch failed = {.n = 4, .cap = 4, .v = v};
	data_count_failed(&a->workers[0], &failed);
	assert_int_equal(atomic_load(&a->workers[0].counters.dropped[DROP_SEND_FAILED]), 4);
}

#define TRAIN(f) cmocka_unit_test_setup_teardown(f, set_up_trains, tear_down_trains)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TRAIN(a_train_becomes_datagrams_of_one_size),
		TRAIN(the_longest_trains_and_what_comes_behind),
		TRAIN(a_train_by_the_hub),
		TRAIN(segments_that_the_peer_cannot_take),
		TRAIN(trains_that_lie),
		TRAIN(multicast_trains_go_one_by_one),
		TRAIN(what_fails_is_counted_by_the_packet),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
