/* Trains and partial checksums from the TUN, against the twin of trains_fixture.h. */
#include "core/wire/split.h"
#include "core/base/err.h"
#include "test/unit/trains_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

#define GRE 4

static const struct shape tcp4 = {
	.src = 1,
	.dst = 2,
	.sport = 40000,
	.dport = 443,
	.tos = 0x2A,
	.ttl = 64,
	.id = 0xFFFE,
	.fragment = 0x4000,
	.seq = 0xFFFFF000,
	.ack = 77,
	.window = 501,
	.flags = TCP_ACK,
};

static struct shape shape_of(bool v6, bool udp, uint16_t payload)
{
	struct shape s = tcp4;
	s.v6 = v6;
	s.udp = udp;
	s.label = 0x12345;
	s.payload = payload;
	return s;
}

struct memory {
	uint8_t *train, *copy, *wanted; /* train has a TUN packet's headroom */
};

static int setup(void **state)
{
	struct memory *m = calloc(1, sizeof *m);
	m->train = (uint8_t *)malloc(PKT_HEADROOM + SHAPE_MAX) + PKT_HEADROOM;
	m->copy = malloc(SHAPE_MAX);
	m->wanted = malloc(SHAPE_MAX);
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	struct memory *m = *state;
	free(m->train - PKT_HEADROOM);
	free(m->copy);
	free(m->wanted);
	free(m);
	return 0;
}

/* Splits p and compares each packet with the twin's; writes a GRE header before each as a sealer does. */
static void check_like_twin(
	struct memory *m, const struct shape *s, const struct pkt *p, uint16_t gso)
{
	size_t n = twin_segments(p->len, shape_headers(s), gso);
	struct split split;
	uint32_t len;
	memcpy(m->copy, p->data, p->len);
	assert_int_equal(split_begin(&split, p), 0);
	assert_int_equal(split_count(&split), n);
	for (size_t k = 0; k < n; k++) {
		size_t wanted = twin_segment(
			m->copy, p->len, shape_l4(s), shape_headers(s), s->udp, gso, k, m->wanted);
		uint8_t *ip = split_next(&split, &len);
		assert_non_null(ip);
		assert_ptr_equal(ip, p->data + k * gso);
		assert_int_equal(len, wanted);
		assert_memory_equal(ip, m->wanted, len);
		memset(ip - GRE, 0xEE, GRE);
	}
	assert_null(split_next(&split, &len));
	assert_null(split_next(&split, &len));
}

static void check_train(struct memory *m, struct shape s, uint16_t gso)
{
	struct pkt p = shape_from_tun(&s, m->train, gso);
	check_like_twin(m, &s, &p, gso);
	/* And one whose checksum is complete, with nothing said of its L4 header. */
	p = shape_from_tun(&s, m->train, gso);
	shape_build(&s, m->train);
	p.flags = 0;
	p.l4_off = p.csum_off = 0;
	check_like_twin(m, &s, &p, gso);
}

static void trains_of_both_families_and_protocols(void **state)
{
	for (int kind = 0; kind < 4; kind++) {
		bool v6 = kind & 1, udp = kind & 2;
		check_train(*state, shape_of(v6, udp, 64000), 1400);
		check_train(*state, shape_of(v6, udp, 2800), 1400);
		check_train(*state, shape_of(v6, udp, 2801), 1400);
		check_train(*state, shape_of(v6, udp, 2799), 1400);
		check_train(*state, shape_of(v6, udp, 1001), 333);
		/* Headers reach back over several packets before. */
		check_train(*state, shape_of(v6, udp, 100), 1);
		check_train(*state, shape_of(v6, udp, 99), 7);
	}
}

static void longest_trains(void **state)
{
	check_train(*state, shape_of(false, false, 65535 - 40), 1400);
	check_train(*state, shape_of(false, true, 65535 - 28), 1400);
	check_train(*state, shape_of(true, false, 65535 - 20), 1400);
	check_train(*state, shape_of(true, true, 65535 - 8), 1400);
	check_train(*state, shape_of(false, false, 60000), 65535);
}

static void trains_of_one(void **state)
{
	for (int kind = 0; kind < 4; kind++) {
		bool v6 = kind & 1, udp = kind & 2;
		check_train(*state, shape_of(v6, udp, 1400), 1400);
		check_train(*state, shape_of(v6, udp, 17), 1400);
		check_train(*state, shape_of(v6, udp, 0), 1400);
	}
}

static void options_and_extension_headers_are_repeated(void **state)
{
	for (int kind = 0; kind < 4; kind++) {
		struct shape s = shape_of(kind & 1, kind & 2, 5000);
		s.ip_options = kind & 1 ? 24 : 40;
		s.timestamp = 0x01020304;
		check_train(*state, s, 1200);
	}
	struct shape s = shape_of(true, false, 600);
	s.ip_options = 248;
	s.timestamp = 1;
	check_train(*state, s, 200);
}

static void flags_go_where_they_belong(void **state)
{
	struct memory *m = *state;
	static const uint8_t flags[3] = {
		TCP_ACK | TCP_CWR | 0x40, TCP_ACK | 0x40, TCP_ACK | 0x40 | TCP_FIN | TCP_PSH};
	struct shape s = shape_of(false, false, 3000);
	s.flags = TCP_ACK | TCP_CWR | TCP_FIN | TCP_PSH | 0x40; /* ECE on all */
	check_train(m, s, 1000);
	struct pkt p = shape_from_tun(&s, m->train, 1000);
	struct split split;
	uint32_t len;
	assert_int_equal(split_begin(&split, &p), 0);
	for (int k = 0; k < 3; k++) {
		const uint8_t *ip = split_next(&split, &len);
		assert_int_equal(ip[20 + TCP_FLAGS], flags[k]);
		assert_int_equal(load_u32(ip + 20 + TCP_SEQ), 0xFFFFF000 + (uint32_t)k * 1000);
		assert_int_equal(load_u16(ip + IP4_ID), (uint16_t)(0xFFFE + k));
		assert_int_equal(ip_tos(ip), 0x2A);
	}
	/* A packet that stays one keeps them all, even those that no train may have. */
	s.flags |= TCP_URG;
	check_train(m, s, 3000);
}

/* Those up to the urgent data say where it ends, each from its own first byte. */
static void urgent_pointers(void **state)
{
	struct memory *m = *state;
	static const uint16_t pointers[] = {0, 1, 999, 1000, 1001, 2000, 2001, 2999, 3000, 0xFFFF};
	struct shape s = shape_of(false, false, 3000);
	for (size_t i = 0; i < sizeof pointers / sizeof *pointers; i++) {
		s.urgent = pointers[i];
		s.flags = TCP_ACK; /* nothing is meant by it */
		check_train(m, s, 1000);
		s.flags = TCP_ACK | TCP_URG;
		check_train(m, s, 1000);
	}
	static const uint16_t wanted[3] = {1500, 500, 0};
	s.urgent = 1500;
	struct pkt p = shape_from_tun(&s, m->train, 1000);
	struct split split;
	uint32_t len;
	assert_int_equal(split_begin(&split, &p), 0);
	for (int k = 0; k < 3; k++) {
		const uint8_t *ip = split_next(&split, &len);
		assert_int_equal(load_u16(ip + 20 + TCP_URGENT), wanted[k]);
		assert_int_equal(ip[20 + TCP_FLAGS], TCP_ACK | (wanted[k] ? TCP_URG : 0));
	}
}

static void ecn_is_kept(void **state)
{
	for (uint8_t ecn = 0; ecn < 4; ecn++) {
		struct shape s = shape_of(ecn & 1, ecn & 2, 3000);
		s.tos = 0xB8 | ecn;
		check_train(*state, s, 1000);
	}
}

/* UDP's zero says that there is none, so a checksum of zero is sent as 0xFFFF (RFC 768); TCP's is sent. */
static void zero_checksums(void **state)
{
	struct memory *m = *state;
	for (int kind = 0; kind < 4; kind++) {
		bool udp = kind & 1, met = false;
		struct shape s = shape_of(false, udp, 2);
		/* One of all the words there are makes it zero. */
		for (unsigned word = 0; word < 0x10000; word++) {
			struct pkt p = shape_from_tun(&s, m->train, kind & 2 ? 2 : 0);
			struct split split;
			uint32_t len;
			store_u16(m->train + shape_headers(&s), (uint16_t)word);
			assert_int_equal(split_begin(&split, &p), 0);
			const uint8_t *ip = split_next(&split, &len);
			uint16_t checksum = load_u16(ip + 20 + p.csum_off);
			assert_int_not_equal(checksum, udp ? 0 : 0xFFFF);
			met |= checksum == (udp ? 0xFFFF : 0);
		}
		assert_true(met);
	}
}

/* With a segment left to visit, the pseudo header has an address that the IP header has not. */
static void a_routing_header_is_believed(void **state)
{
	struct memory *m = *state;
	struct shape s = shape_of(true, false, 2000);
	s.routing = 99;
	struct pkt p = shape_from_tun(&s, m->train, 1000);
	struct split split;
	uint32_t len;
	assert_int_equal(split_begin(&split, &p), 0);
	for (int k = 0; k < 2; k++) {
		uint8_t *ip = split_next(&split, &len);
		size_t l4 = shape_l4(&s);
		uint8_t field[2];
		memcpy(field, ip + l4 + TCP_CHECKSUM, 2);
		memcpy(m->wanted, ip, len);
		m->wanted[39] = 99;
		twin_finish(m->wanted, len, l4, false);
		assert_memory_equal(m->wanted + l4 + TCP_CHECKSUM, field, 2);
	}
}

static void single_packets(void **state)
{
	struct memory *m = *state;
	for (int kind = 0; kind < 4; kind++) {
		struct shape s = shape_of(kind & 1, kind & 2, 1001);
		struct pkt p = shape_from_tun(&s, m->train, 0);
		struct split split;
		uint32_t len;
		for (int complete = 0; complete < 2; complete++) {
			/* The second time it is complete, and stays what it is. */
			assert_int_equal(split_begin(&split, &p), 0);
			assert_int_equal(split_count(&split), 1);
			assert_ptr_equal(split_next(&split, &len), m->train);
			assert_int_equal(len, p.len);
			assert_null(split_next(&split, &len));
			assert_int_equal(shape_build(&s, m->wanted), len);
			assert_memory_equal(m->train, m->wanted, len);
			p.flags = 0;
		}
		/* A size without a kind that is known, and a kind without a size, make no train. */
		p.gso_size = 100;
		assert_int_equal(split_begin(&split, &p), 0);
		assert_int_equal(split_count(&split), 1);
		p.gso_type = 7;
		assert_int_equal(split_begin(&split, &p), 0);
		assert_int_equal(split_count(&split), 1);
		p.gso_size = 0;
		p.gso_type = PKT_TCP;
		assert_int_equal(split_begin(&split, &p), 0);
		assert_int_equal(split_count(&split), 1);
	}
}

/* ICMPv6, and a TCP packet in a packet: the field is where the kernel says. */
static void other_checksum_fields(void **state)
{
	struct memory *m = *state;
	uint8_t *ip = m->train;
	memset(ip, 0, 40);
	memcpy(ip, (uint8_t[]){0x60, 0, 0, 0, 0, 13, 58, 64}, 8);
	ip[23] = 1;
	ip[39] = 2;
	memcpy(ip + 40, (uint8_t[]){128, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 13);
	store_u16(ip + 42, twin_pseudo(ip, 58, 13));
	uint16_t wanted = twin_checksum(0, ip + 40, 13);
	struct pkt p = {
		.data = ip, .len = 53, .flags = PKT_CSUM_PARTIAL, .l4_off = 40, .csum_off = 2};
	assert_true(split_finish_checksum(&p));
	assert_int_equal(load_u16(ip + 42), wanted);

	struct shape s = shape_of(false, false, 100);
	p = shape_from_tun(&s, ip + 20, 0);
	memcpy(ip, ip + 20, 20);
	store_u16(ip + 2, (uint16_t)(20 + p.len));
	ip[9] = 4;
	p.data = ip;
	p.len += 20;
	p.l4_off += 20;
	assert_true(split_finish_checksum(&p));
	shape_build(&s, m->wanted);
	assert_memory_equal(ip + 20, m->wanted, p.len - 20);
}

static void finishing_alone(void **state)
{
	struct memory *m = *state;
	struct shape s = shape_of(false, false, 333);
	struct pkt p = shape_from_tun(&s, m->train, 0);
	assert_true(split_finish_checksum(&p));
	assert_int_equal(p.flags, 0);
	shape_build(&s, m->wanted);
	assert_memory_equal(m->train, m->wanted, p.len);
	assert_true(split_finish_checksum(&p));
	assert_memory_equal(m->train, m->wanted, p.len);
	/* A train's is completed when it is split. */
	p = shape_from_tun(&s, m->train, 100);
	memcpy(m->wanted, m->train, p.len);
	assert_true(split_finish_checksum(&p));
	assert_int_equal(p.flags, PKT_CSUM_PARTIAL);
	assert_memory_equal(m->train, m->wanted, p.len);
}

static void offsets_of_single_packets(void **state)
{
	struct memory *m = *state;
	struct shape s = shape_of(false, true, 2);
	static const struct {
		uint16_t l4_off, csum_off;
		bool good;
	} cases[] = {
		{20, 6, true},
		{20, 8, true},
		{20, 9, false}, /* a byte too far */
		{29, 0, false},
		{20, 0, false}, /* not said */
		{19, 6, false}, /* within the IP header */
		{0, 26, false},
		{65535, 65535, false},
		{30, 65535, false},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct pkt p = shape_from_tun(&s, m->train, 0);
		struct split split;
		p.l4_off = cases[i].l4_off;
		p.csum_off = cases[i].csum_off;
		assert_int_equal(split_begin(&split, &p), cases[i].good ? 0 : ERR_MALFORMED);
		assert_int_equal(split_finish_checksum(&p), cases[i].good);
		assert_int_equal(p.flags, cases[i].good ? 0 : PKT_CSUM_PARTIAL);
	}
}

static void assert_malformed(const struct pkt *p)
{
	struct split split;
	assert_int_equal(split_begin(&split, p), ERR_MALFORMED);
}

static void contradictions_of_trains(void **state)
{
	struct memory *m = *state;
	for (int kind = 0; kind < 4; kind++) {
		bool v6 = kind & 1, udp = kind & 2;
		const struct shape s = shape_of(v6, udp, 3000);
		size_t l4 = shape_l4(&s);
		struct pkt good = shape_from_tun(&s, m->train, 1000), p = good;
		struct split split;
		assert_int_equal(split_begin(&split, &good), 0);

		p.l4_off += 4;
		assert_malformed(&p);
		p = good;
		p.gso_type = udp ? PKT_TCP : PKT_UDP;
		assert_malformed(&p);
		p = good;
		p.len--; /* the IP header says more */
		assert_malformed(&p);
		p.len += 2;
		assert_malformed(&p);
		p.len = 0;
		assert_malformed(&p);

		m->train[0] ^= 0x20; /* 4 is 6, 6 is 4 */
		assert_malformed(&good);
		m->train[0] ^= 0x20;
		m->train[v6 ? 6 : 9] = IP_PROTO_ICMP;
		assert_malformed(&good);
		m->train[v6 ? 6 : 9] = udp ? IP_PROTO_UDP : IP_PROTO_TCP;
		if (udp) {
			m->train[l4 + UDP_LENGTH + 1]--;
			assert_malformed(&good);
			continue;
		}
		m->train[l4 + TCP_OFFSET] = 0x40;
		assert_malformed(&good);
	}
}

static void headers_that_do_not_fit(void **state)
{
	struct memory *m = *state;
	for (int kind = 0; kind < 4; kind++) {
		struct shape s = shape_of(kind & 1, kind & 2, 0);
		struct pkt p = shape_from_tun(&s, m->train, 1000);
		/* Cut off within the L4 header, for all that the IP header knows. */
		p.len--;
		twin_set_length(p.data, p.len, p.l4_off, s.udp);
		assert_malformed(&p);
		if (!s.udp) {
			p = shape_from_tun(&s, m->train, 1000);
			m->train[p.l4_off + TCP_OFFSET] = 0xF0;
			assert_malformed(&p);
		}
	}
	struct shape s = shape_of(true, true, 3000);
	s.ip_options = 248;
	struct pkt p = shape_from_tun(&s, m->train, 1000);
	struct split split;
	assert_int_equal(split_begin(&split, &p), 0);
	/* One header of 464 bytes is the longest that is kept with the two others. */
	m->train[41] = 464 / 8 - 1;
	p.l4_off = 40 + 464;
	store_u16(m->train + p.l4_off + UDP_LENGTH, (uint16_t)(p.len - p.l4_off));
	assert_int_equal(split_begin(&split, &p), 0);
	m->train[41]++;
	p.l4_off += 8;
	store_u16(m->train + p.l4_off + UDP_LENGTH, (uint16_t)(p.len - p.l4_off));
	assert_malformed(&p);
}

static void fragments_are_no_trains(void **state)
{
	struct memory *m = *state;
	static const uint16_t fields[] = {0x2000, 0x2004, 0x0004, 0x6000};
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		struct shape s = shape_of(false, true, 3000);
		s.fragment = fields[i];
		struct pkt p = shape_from_tun(&s, m->train, 1000);
		assert_malformed(&p);
	}
	struct shape s = shape_of(true, true, 3000);
	s.ip_options = 8;
	struct pkt p = shape_from_tun(&s, m->train, 1000);
	m->train[6] = 44; /* the options are a Fragment header now: offset 0, no more */
	memset(m->train + 41, 0, 7);
	assert_malformed(&p);
}

static void flags_that_no_train_has(void **state)
{
	struct memory *m = *state;
	static const uint8_t flags[] = {TCP_SYN, TCP_RST};
	for (size_t i = 0; i < sizeof flags; i++) {
		struct shape s = shape_of(false, false, 3000);
		s.flags |= flags[i];
		struct pkt p = shape_from_tun(&s, m->train, 1000);
		assert_malformed(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trains_of_both_families_and_protocols),
		cmocka_unit_test(longest_trains),
		cmocka_unit_test(trains_of_one),
		cmocka_unit_test(options_and_extension_headers_are_repeated),
		cmocka_unit_test(flags_go_where_they_belong),
		cmocka_unit_test(urgent_pointers),
		cmocka_unit_test(ecn_is_kept),
		cmocka_unit_test(zero_checksums),
		cmocka_unit_test(a_routing_header_is_believed),
		cmocka_unit_test(single_packets),
		cmocka_unit_test(other_checksum_fields),
		cmocka_unit_test(finishing_alone),
		cmocka_unit_test(offsets_of_single_packets),
		cmocka_unit_test(contradictions_of_trains),
		cmocka_unit_test(headers_that_do_not_fit),
		cmocka_unit_test(fragments_are_no_trains),
		cmocka_unit_test(flags_that_no_train_has),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
