/*
 * Trains for the TUN: each rule by its case. Whatever the case, what leaves must be what came, and an
 * undone batch must be the batch it was.
 */
#include "core/wire/coalesce.h"
#include "test/unit/trains_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

#define SLOT 2048

struct bench {
	struct pkt_batch batch;
	struct shape shapes[PKT_BATCH];
	struct original originals[PKT_BATCH];
	uint8_t *copies;
};

static int setup(void **state)
{
	struct bench *t = calloc(1, sizeof *t);
	t->copies = malloc(PKT_BATCH * SLOT);
	assert_int_equal(pkt_batch_init(&t->batch, PKT_BATCH), 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct bench *t = *state;
	pkt_batch_fini(&t->batch);
	free(t->copies);
	free(t);
	return 0;
}

static void restart(struct bench *t)
{
	t->batch.n = 0;
}

/* Notes the packet as it now is to be the original. */
static void keep(struct bench *t, uint16_t i)
{
	struct pkt *p = &t->batch.v[i];
	uint8_t *copy = t->copies + (size_t)i * SLOT;
	memcpy(copy, p->data, p->len);
	t->originals[i] = (struct original){.shape = &t->shapes[i], .data = copy, .len = p->len};
}

static struct pkt *add(struct bench *t, const struct shape *s)
{
	uint16_t i = t->batch.n++;
	struct pkt *p = pkt_reset(&t->batch, i);
	t->shapes[i] = *s;
	p->len = (uint32_t)shape_build(s, p->data);
	p->verdict = PKT_WRITE_TUN;
	keep(t, i);
	return p;
}

/* The packet that comes after this one in its flow. */
static void advance(struct shape *s)
{
	s->id++;
	s->seq += s->payload;
}

static struct pkt *add_next(struct bench *t, struct shape *s)
{
	struct pkt *p = add(t, s);
	advance(s);
	return p;
}

/* Changes a byte of the last packet, without anybody's knowledge. */
static void spoil(struct bench *t, size_t at, uint8_t with)
{
	uint16_t i = t->batch.n - 1;
	t->batch.v[i].data[at] ^= with;
	keep(t, i);
}

/* Coalesces; wanted: how many packets each thing that goes to the TUN holds, in order, ended by 0. */
static void expect(struct bench *t, bool tcp, bool udp, const unsigned *wanted)
{
	unsigned counts[PKT_BATCH], n;
	coalesce(&t->batch, tcp, udp);
	assert_true(batch_is_true(&t->batch, t->originals, counts, &n));
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(counts[i], wanted[i]);
	assert_int_equal(wanted[n], 0);
	coalesce_undo(&t->batch);
	assert_true(batch_is_original(&t->batch, t->originals));
	restart(t);
}

#define EXPECT(t, ...) expect(t, true, true, (const unsigned[]){__VA_ARGS__, 0})

static struct shape shape_of(bool v6, bool udp)
{
	return (struct shape){
		.v6 = v6,
		.udp = udp,
		.src = 1,
		.dst = 2,
		.sport = 443,
		.dport = 40000,
		.tos = 2,
		.ttl = 63,
		.label = 0x54321,
		.id = 0xFFFE,
		.fragment = 0x4000,
		.seq = 0xFFFFF000,
		.ack = 99,
		.window = 1000,
		.flags = TCP_ACK,
		.payload = 1400,
	};
}

/* All four kinds, with and without options. */
#define KINDS 6
static struct shape kind_of(int kind)
{
	struct shape s = shape_of(kind & 1, kind & 2);
	if (kind >= 4)
		s.timestamp = 0x11223344;
	return s;
}

static void neighbours_make_a_train(void **state)
{
	struct bench *t = *state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct shape s = kind_of(kind);
		for (int i = 0; i < 5; i++)
			add_next(t, &s);
		EXPECT(t, 5);
	}
}

static void one_packet_is_left_alone(void **state)
{
	struct bench *t = *state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct shape s = kind_of(kind);
		add_next(t, &s);
		EXPECT(t, 1);
	}
}

static void what_the_head_says(void **state)
{
	struct bench *t = *state;
	struct shape s = shape_of(false, false);
	s.timestamp = 1;
	s.payload = 1000;
	for (int i = 0; i < 3; i++)
		add_next(t, &s);
	s.payload = 10;
	s.flags |= TCP_PSH;
	add_next(t, &s);
	coalesce(&t->batch, true, false);
	const struct pkt *v = t->batch.v;
	assert_true(v[0].verdict == PKT_WRITE_TUN && v[0].gso_type == PKT_TCP);
	assert_int_equal(v[0].gso_size, 1000);
	assert_int_equal(v[0].len, 52 + 1000);
	assert_int_equal(v[0].hdr_len, 52);
	assert_int_equal(v[0].l4_off, 20);
	assert_int_equal(v[0].csum_off, TCP_CHECKSUM);
	assert_int_equal(v[0].flags, PKT_CSUM_PARTIAL);
	assert_int_equal(load_u16(v[0].data + IP4_LENGTH), 52 + 3010);
	assert_int_equal(v[0].data[20 + TCP_FLAGS], TCP_ACK | TCP_PSH);
	for (uint16_t i = 0; i < 4; i++)
		assert_int_equal(v[i].next, i < 3 ? i + 1 : 0);
	for (uint16_t i = 1; i < 4; i++) {
		assert_int_equal(v[i].verdict, PKT_MERGED);
		assert_ptr_equal(v[i].data, t->batch.bytes + i * PKT_SLOT + PKT_HEADROOM + 52);
		assert_int_equal(v[i].len, i < 3 ? 1000 : 10);
		/* Its headers stand where they stood. */
		assert_memory_equal(v[i].data - 52, t->originals[i].data, 52);
	}
	coalesce_undo(&t->batch);
	assert_true(batch_is_original(&t->batch, t->originals));
	restart(t);
}

static void each_protocol_has_its_switch(void **state)
{
	struct bench *t = *state;
	for (int on = 0; on < 4; on++) {
		for (int udp = 0; udp < 2; udp++) {
			struct shape s = shape_of(on & 1, udp);
			add_next(t, &s);
			add_next(t, &s);
			bool merged = udp ? on & 2 : on & 1;
			expect(t, on & 1, on & 2,
				merged ? (const unsigned[]){2, 0} : (const unsigned[]){1, 1, 0});
		}
	}
}

static void a_shorter_one_closes(void **state)
{
	struct bench *t = *state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct shape s = kind_of(kind);
		add_next(t, &s);
		add_next(t, &s);
		s.payload = 1399;
		add_next(t, &s);
		add_next(t, &s);
		add_next(t, &s);
		EXPECT(t, 3, 2);
	}
}

static void a_longer_one_begins_anew(void **state)
{
	struct bench *t = *state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct shape s = kind_of(kind);
		s.payload = 1000;
		add_next(t, &s);
		add_next(t, &s);
		s.payload = 1001;
		add_next(t, &s);
		add_next(t, &s);
		EXPECT(t, 2, 2);
	}
}

static void push_closes(void **state)
{
	struct bench *t = *state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct shape s = shape_of(v6, false);
		add_next(t, &s);
		add_next(t, &s);
		s.flags |= TCP_PSH;
		add_next(t, &s);
		/* One that begins with PSH is whole by itself. */
		add_next(t, &s);
		s.flags &= (uint8_t)~TCP_PSH;
		add_next(t, &s);
		add_next(t, &s);
		EXPECT(t, 3, 1, 2);
	}
}

static void only_ack_and_push_travel(void **state)
{
	struct bench *t = *state;
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
	struct bench *t = *state;
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
static void one_differs(struct bench *t, const struct shape *first, const struct shape *second)
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
	struct bench *t = *state;
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
	struct bench *t = *state;
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
	struct bench *t = *state;
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
	struct bench *t = *state;
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
	struct bench *t = *state;
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
	struct bench *t = *state;
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
	struct bench *t = *state;
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
	struct bench *t = *state;
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
	struct bench *t = *state;
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
	struct bench *t = *state;
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
	struct bench *t = *state;
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
	struct bench *t = *state;
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

static void trains_are_at_most_65535_long(void **state)
{
	struct bench *t = *state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct shape s = kind_of(kind);
		unsigned fit = (unsigned)(PKT_TRAIN - shape_headers(&s)) / 1400;
		for (unsigned i = 0; i < fit; i++)
			add_next(t, &s);
		/* A short one fills it to the last byte, or is a byte too long. */
		s.payload = (uint16_t)(PKT_TRAIN - shape_headers(&s) - fit * 1400);
		for (int longer = 0; longer < 2; longer++) {
			struct shape first = kind_of(kind), last = s;
			restart(t);
			for (unsigned i = 0; i < fit; i++)
				add_next(t, &first);
			last.payload += (uint16_t)longer;
			add_next(t, &last);
			if (longer)
				EXPECT(t, fit, 1);
			else
				EXPECT(t, fit + 1);
		}
	}
}

static void udp_trains_have_at_most_64_segments(void **state)
{
	struct bench *t = *state;
	for (int kind = 0; kind < 4; kind++) {
		struct shape s = kind_of(kind);
		s.payload = 100;
		for (int i = 0; i < 130; i++)
			add_next(t, &s);
		if (s.udp)
			EXPECT(t, 64, 64, 2);
		else
			EXPECT(t, 130);
	}
}

static void a_whole_batch(void **state)
{
	struct bench *t = *state;
	struct shape s = shape_of(false, false);
	s.payload = 1;
	for (int i = 0; i < PKT_BATCH; i++)
		add_next(t, &s);
	EXPECT(t, PKT_BATCH);
}

static void flows_interleave(void **state)
{
	struct bench *t = *state;
	struct shape flows[8];
	for (int f = 0; f < 8; f++) {
		flows[f] = kind_of(f % KINDS);
		flows[f].dport += (uint16_t)f;
	}
	for (int i = 0; i < 40; i++)
		for (int f = 0; f < 8; f++)
			add_next(t, &flows[f]);
	EXPECT(t, 40, 40, 40, 40, 40, 40, 40, 40);
}

/* There is room for 32 flows; one more makes a train of another end early, and nothing else. */
static void more_flows_than_room(void **state)
{
	struct bench *t = *state;
	struct shape flows[33];
	for (int f = 0; f < 33; f++) {
		flows[f] = kind_of(f % 4);
		flows[f].dport += (uint16_t)f;
	}
	for (int f = 0; f < 32; f++) {
		add_next(t, &flows[f]);
		add_next(t, &flows[f]);
	}
	for (int i = 0; i < 6; i++)
		add_next(t, &flows[32]);
	for (int f = 31; f >= 0; f--)
		add_next(t, &flows[f]);
	unsigned wanted[40] = {2};
	for (int f = 1; f < 32; f++)
		wanted[f] = 3;
	wanted[32] = 6;
	wanted[33] = 1;
	expect(t, true, true, wanted);
}

static void what_is_not_for_the_tun_is_not_seen(void **state)
{
	struct bench *t = *state;
	struct shape s = shape_of(false, false);
	add_next(t, &s);
	for (uint8_t verdict = PKT_DROP; verdict <= PKT_MERGED; verdict++) {
		if (verdict == PKT_WRITE_TUN)
			continue;
		add(t, &s)->verdict = verdict;
	}
	add_next(t, &s);
	coalesce(&t->batch, true, true);
	assert_int_equal(t->batch.v[0].next, 5);
	assert_int_equal(t->batch.v[5].verdict, PKT_MERGED);
	for (uint16_t i = 1; i < 5; i++) {
		assert_int_not_equal(t->batch.v[i].verdict, PKT_WRITE_TUN);
		assert_int_equal(t->batch.v[i].next, 0);
		assert_memory_equal(t->batch.v[i].data, t->originals[i].data, t->originals[i].len);
	}
	restart(t);
}

static void trains_and_partial_checksums_are_left_alone(void **state)
{
	struct bench *t = *state;
	for (int gso = 0; gso < 2; gso++) {
		struct shape s = shape_of(false, true);
		add_next(t, &s);
		struct pkt *p = add_next(t, &s);
		p->gso_size = gso ? 700 : 0;
		p->gso_type = gso ? PKT_UDP : PKT_PLAIN;
		p->flags = gso ? 0 : PKT_CSUM_PARTIAL;
		add_next(t, &s);
		coalesce(&t->batch, true, true);
		assert_true(t->batch.v[0].next == 0 && t->batch.v[1].verdict == PKT_WRITE_TUN);
		/* It has not been made here, so it is not undone here either. */
		coalesce_undo(&t->batch);
		for (uint16_t i = 0; i < 3; i++) {
			assert_int_equal(t->batch.v[i].verdict, PKT_WRITE_TUN);
			assert_int_equal(t->batch.v[i].next, 0);
			assert_memory_equal(
				t->batch.v[i].data, t->originals[i].data, t->originals[i].len);
		}
		assert_int_equal(t->batch.v[1].gso_size, gso ? 700 : 0);
		restart(t);
	}
}

static void only_refused_trains_are_undone(void **state)
{
	struct bench *t = *state;
	struct shape tcp = shape_of(false, false), udp = shape_of(true, true);
	for (int i = 0; i < 3; i++) {
		add_next(t, &tcp);
		add_next(t, &udp);
	}
	coalesce(&t->batch, true, true);
	struct pkt *v = t->batch.v;
	assert_true(v[0].next == 2 && v[2].next == 4 && v[1].next == 3 && v[3].next == 5);
	v[0].verdict = PKT_CONSUMED;
	coalesce_undo(&t->batch);
	for (uint16_t i = 0; i < 6; i++) {
		if (i % 2 == 0) {
			assert_int_equal(v[i].verdict, i == 0 ? PKT_CONSUMED : PKT_MERGED);
			continue;
		}
		assert_int_equal(v[i].verdict, PKT_WRITE_TUN);
		assert_int_equal(v[i].len, t->originals[i].len);
		assert_memory_equal(v[i].data, t->originals[i].data, v[i].len);
	}
	/* What was undone may be coalesced again. */
	coalesce(&t->batch, false, true);
	assert_true(v[1].next == 3 && v[3].next == 5 && v[5].verdict == PKT_MERGED);
	restart(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neighbours_make_a_train),
		cmocka_unit_test(one_packet_is_left_alone),
		cmocka_unit_test(what_the_head_says),
		cmocka_unit_test(each_protocol_has_its_switch),
		cmocka_unit_test(a_shorter_one_closes),
		cmocka_unit_test(a_longer_one_begins_anew),
		cmocka_unit_test(push_closes),
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
		cmocka_unit_test(trains_are_at_most_65535_long),
		cmocka_unit_test(udp_trains_have_at_most_64_segments),
		cmocka_unit_test(a_whole_batch),
		cmocka_unit_test(flows_interleave),
		cmocka_unit_test(more_flows_than_room),
		cmocka_unit_test(what_is_not_for_the_tun_is_not_seen),
		cmocka_unit_test(trains_and_partial_checksums_are_left_alone),
		cmocka_unit_test(only_refused_trains_are_undone),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
