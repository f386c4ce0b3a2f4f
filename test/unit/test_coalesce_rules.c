/* Which packets may travel in a train, and which of them together: each rule by its case. */
#include "test/unit/coalesce_fixture.h"

static void only_ack_and_push_travel(void **state)
{
	struct fixture *t = *state;
	for (unsigned bit = 0; bit < 8; bit++) {
		if (1u << bit == TCP_PSH)
			continue;
		struct shape s = shape_of(bit & 1, false);
		add_next(t, &s);
		s.flags ^= (uint8_t)(1u << bit); /* without ACK, or with another */
		add_next(t, &s);
		add_next(t, &s);
		s.flags = TCP_ACK;
		add_next(t, &s);
		add_next(t, &s);
		EXPECT(t, 1, 1, 1, 2);
	}
	/* And the four bits before them, reserved or AccECN's. */
	struct shape s = shape_of(true, false);
	for (int i = 0; i < 2; i++) {
		add(t, &s);
		uint8_t *ip = t->batch.v[i].data;
		ip[40 + TCP_OFFSET] |= 1;
		twin_finish(ip, t->batch.v[i].len, 40, false);
		keep(t, (uint16_t)i);
		advance(&s);
	}
	EXPECT(t, 1, 1);
}

static void pure_acknowledgements_do_not_travel(void **state)
{
	struct fixture *t = *state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct shape s = kind_of(kind);
		add_next(t, &s);
		add_next(t, &s);
		s.payload = 0;
		add_next(t, &s);
		add_next(t, &s);
		s.payload = 1400;
		add_next(t, &s);
		add_next(t, &s);
		EXPECT(t, 2, 1, 1, 2);
	}
}

/* One field differs: it does not join, but what comes after joins it. */
static void one_differs(struct fixture *t, const struct shape *first, const struct shape *second)
{
	struct shape s = *first;
	add(t, &s);
	s = *second;
	s.id = (uint16_t)(first->id + 1);
	s.seq = second->seq + first->payload;
	add_next(t, &s);
	add_next(t, &s);
	EXPECT(t, 1, 2);
}

static void headers_must_be_the_same(void **state)
{
	struct fixture *t = *state;
	for (int kind = 0; kind < KINDS; kind++) {
		const struct shape s = kind_of(kind);
		struct shape other;
#define DIFFERS(field, value)                                                                      \
	do {                                                                                       \
		other = s;                                                                         \
		other.field = (value);                                                             \
		one_differs(t, &s, &other);                                                        \
	} while (0)
		DIFFERS(src, 3);
		DIFFERS(dst, 3);
		DIFFERS(sport, 444);
		DIFFERS(dport, 40001);
		DIFFERS(tos, 3); /* CE instead of ECT(0) */
		DIFFERS(tos, 0xBA);
		DIFFERS(ttl, 62);
		if (s.v6)
			DIFFERS(label, 0x44321);
		else
			DIFFERS(fragment, 0);
		if (s.udp)
			continue;
		DIFFERS(seq, s.seq + 1);
		DIFFERS(seq, s.seq - 1);
		DIFFERS(seq, s.seq - 1400);
		DIFFERS(ack, 100);
		DIFFERS(window, 1001);
		DIFFERS(urgent, 1);
		DIFFERS(timestamp, s.timestamp ? 0x11223345 : 1);
#undef DIFFERS
	}
}

static void other_options_of_the_same_length(void **state)
{
	struct fixture *t = *state;
	struct shape s = shape_of(false, false);
	s.timestamp = 7;
	for (uint16_t i = 0; i < 2; i++) {
		add_next(t, &s);
		uint8_t *ip = t->batch.v[i].data;
		ip[51] ^= (uint8_t)i; /* the last byte of the options */
		twin_finish(ip, t->batch.v[i].len, 20, false);
		keep(t, i);
	}
	EXPECT(t, 1, 1);
}

static void ids_count_up(void **state)
{
	struct fixture *t = *state;
	/* What the second and third add to the id; what becomes of it with DF, and without. */
	static const struct {
		uint16_t second, third;
		unsigned df[4], no_df[4];
	} cases[] = {
		{1, 1, {3, 0}, {3, 0}},
		{0, 0, {3, 0}, {1, 1, 1, 0}},
		{1, 0, {2, 1, 0}, {2, 1, 0}},
		{0, 1, {2, 1, 0}, {1, 2, 0}},
		{2, 2, {1, 1, 1, 0}, {1, 1, 1, 0}},
		{1, 2, {2, 1, 0}, {2, 1, 0}},
		{0xFFFF, 0xFFFF, {1, 1, 1, 0}, {1, 1, 1, 0}},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		for (int udp = 0; udp < 2; udp++) {
			for (int df = 0; df < 2; df++) {
				struct shape s = shape_of(false, udp);
				s.fragment = df ? 0x4000 : 0;
				add(t, &s);
				s.seq += s.payload;
				s.id += cases[i].second;
				add(t, &s);
				s.seq += s.payload;
				s.id += cases[i].third;
				add(t, &s);
				expect(t, true, true, df ? cases[i].df : cases[i].no_df);
			}
		}
	}
}

static void wrong_checksums_do_not_travel(void **state)
{
	struct fixture *t = *state;
	for (int kind = 0; kind < KINDS; kind++) {
		for (unsigned wrong = 0; wrong < 3; wrong++) {
			static const unsigned wanted[3][4] = {{1, 2, 0}, {1, 1, 1, 0}, {2, 1, 0}};
			for (int header = 0; header < 2; header++) {
				struct shape s = kind_of(kind);
				if (header && s.v6)
					continue;
				for (unsigned i = 0; i < 3; i++) {
					add_next(t, &s);
					if (i == wrong)
						spoil(t, header ? 10 : 1000, 1);
				}
				expect(t, true, true, wanted[wrong]);
			}
		}
	}
}

/*
 * 0xFFFF verifies where 0 does. Each checksum has one of them that everybody writes; the other could not be
 * told from it when the train is taken apart, and in UDP it means that there is none.
 */
static void the_other_zero_does_not_travel(void **state)
{
	struct fixture *t = *state;
	static const struct {
		bool udp;
		size_t field, word; /* the checksum, and a word that is made to bring it to zero */
		uint16_t usual;
	} zeros[] = {{false, 10, 14, 0}, {false, 36, 40, 0}, {true, 26, 28, 0xFFFF}};
	for (size_t z = 0; z < 3; z++) {
		for (int other = 0; other < 2; other++) {
			struct shape s = shape_of(false, zeros[z].udp);
			for (uint16_t i = 0; i < 2; i++) {
				struct pkt *p = add(t, &s);
				uint8_t *field = p->data + zeros[z].field;
				uint8_t *word = p->data + zeros[z].word;
				uint32_t sum = load_u16(word) + (uint32_t)load_u16(field);
				store_u16(word, (uint16_t)((sum >> 16) + sum));
				twin_finish(p->data, p->len, 20, s.udp);
				assert_int_equal(load_u16(field), zeros[z].usual);
				if (other)
					store_u16(field, (uint16_t)~zeros[z].usual);
				keep(t, i);
				s.seq += s.payload; /* the id stays, so that the header does */
			}
			if (other)
				EXPECT(t, 1, 1);
			else
				EXPECT(t, 2);
		}
	}
}

static void udp_without_checksum_does_not_travel(void **state)
{
	struct fixture *t = *state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct shape s = shape_of(v6, true);
		for (uint16_t i = 0; i < 3; i++) {
			add_next(t, &s);
			store_u16(t->batch.v[i].data + shape_l4(&s) + UDP_CHECKSUM, 0);
			keep(t, i);
		}
		EXPECT(t, 1, 1, 1);
	}
}

static void udp_lengths_must_agree(void **state)
{
	struct fixture *t = *state;
	struct shape s = shape_of(false, true);
	for (uint16_t i = 0; i < 2; i++) {
		add_next(t, &s);
		uint8_t *ip = t->batch.v[i].data;
		store_u16(ip + 20 + UDP_LENGTH, 1000);
		twin_finish(ip, t->batch.v[i].len, 20, true);
		keep(t, i);
	}
	EXPECT(t, 1, 1);
}

/* What shows no ports may be of any flow between its addresses, and closes all of these. */
static void options_and_extension_headers_do_not_travel(void **state)
{
	struct fixture *t = *state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct shape s = kind_of(kind), other = s, elsewhere = s;
		other.sport = 1;
		elsewhere.src = 9;
		for (int i = 0; i < 2; i++) {
			add_next(t, &s);
			add_next(t, &other);
			add_next(t, &elsewhere);
		}
		s.ip_options = 8;
		add_next(t, &s);
		add_next(t, &s);
		s.ip_options = 0;
		for (int i = 0; i < 2; i++) {
			add_next(t, &s);
			add_next(t, &other);
			add_next(t, &elsewhere);
		}
		EXPECT(t, 2, 2, 4, 1, 1, 2, 2);
	}
}

static void fragments_do_not_travel(void **state)
{
	struct fixture *t = *state;
	static const uint16_t fields[] = {0x2000, 0x2001, 0x0001, 0x8000, 0x6000};
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		for (int udp = 0; udp < 2; udp++) {
			struct shape s = shape_of(false, udp);
			s.fragment = 0;
			add_next(t, &s);
			add_next(t, &s);
			s.fragment = fields[i];
			add_next(t, &s);
			add_next(t, &s);
			s.fragment = 0;
			add_next(t, &s);
			add_next(t, &s);
			EXPECT(t, 2, 1, 1, 2);
		}
	}
}

static void lengths_must_agree(void **state)
{
	struct fixture *t = *state;
	for (int kind = 0; kind < KINDS; kind++) {
		/* Padding behind the packet. */
		struct shape s = kind_of(kind);
		for (uint16_t i = 0; i < 2; i++) {
			add_next(t, &s);
			t->batch.v[i].data[t->batch.v[i].len++] = 0;
			keep(t, i);
		}
		EXPECT(t, 1, 1);
		/* A packet that is cut off anywhere; and none at all. */
		s = kind_of(kind);
		for (uint32_t len = 0; len <= shape_headers(&s); len++) {
			for (uint16_t i = 0; i < 2; i++) {
				add(t, &s);
				t->batch.v[i].len = len;
				if (len >= 40)
					twin_set_length(
						t->batch.v[i].data, len, shape_l4(&s), false);
				keep(t, i);
			}
			EXPECT(t, 1, 1);
		}
	}
}

/* The L4 checksums are right for what the buffer holds, so nothing but the length speaks against it. */
static void ip_lengths_must_agree(void **state)
{
	struct fixture *t = *state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct shape s = shape_of(v6, false);
		for (uint16_t i = 0; i < 2; i++) {
			struct pkt *p = add_next(t, &s);
			twin_set_length(p->data, p->len - 2, shape_l4(&s), false);
			if (!v6) {
				store_u16(p->data + IP4_CHECKSUM, 0);
				store_u16(p->data + IP4_CHECKSUM, twin_checksum(0, p->data, 20));
			}
			keep(t, i);
		}
		EXPECT(t, 1, 1);
	}
}

static void tcp_header_lengths_must_fit(void **state)
{
	struct fixture *t = *state;
	for (int longer = 0; longer < 2; longer++) {
		struct shape s = shape_of(false, false);
		s.payload = 20;
		for (uint16_t i = 0; i < 2; i++) {
			struct pkt *p = add(t, &s);
			p->data[20 + TCP_OFFSET] = longer ? 0xF0 : 0x40;
			memset(p->data + 40, 0, s.payload);
			twin_finish(p->data, p->len, 20, false);
			keep(t, i);
			s.id++;
			s.seq += p->len - 20 - (longer ? 60 : 16);
		}
		EXPECT(t, 1, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_ack_and_push_travel),
		cmocka_unit_test(pure_acknowledgements_do_not_travel),
		cmocka_unit_test(headers_must_be_the_same),
		cmocka_unit_test(other_options_of_the_same_length),
		cmocka_unit_test(ids_count_up),
		cmocka_unit_test(wrong_checksums_do_not_travel),
		cmocka_unit_test(the_other_zero_does_not_travel),
		cmocka_unit_test(udp_without_checksum_does_not_travel),
		cmocka_unit_test(udp_lengths_must_agree),
		cmocka_unit_test(options_and_extension_headers_do_not_travel),
		cmocka_unit_test(fragments_do_not_travel),
		cmocka_unit_test(lengths_must_agree),
		cmocka_unit_test(ip_lengths_must_agree),
		cmocka_unit_test(tcp_header_lengths_must_fit),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
