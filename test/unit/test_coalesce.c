/* Trains for the TUN: where they begin and end, what they look like, and how they are undone. */
#include "test/unit/coalesce_fixture.h"

static void neighbours_make_a_train(void **state)
{
	struct fixture *t = *state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct shape s = kind_of(kind);
		for (int i = 0; i < 5; i++)
			add_next(t, &s);
		EXPECT(t, 5);
	}
}

static void one_packet_is_left_alone(void **state)
{
	struct fixture *t = *state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct shape s = kind_of(kind);
		add_next(t, &s);
		EXPECT(t, 1);
	}
}

static void what_the_head_says(void **state)
{
	struct fixture *t = *state;
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
	struct fixture *t = *state;
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
	struct fixture *t = *state;
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
	struct fixture *t = *state;
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
	struct fixture *t = *state;
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

static void trains_are_at_most_65535_long(void **state)
{
	struct fixture *t = *state;
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
	struct fixture *t = *state;
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
	struct fixture *t = *state;
	struct shape s = shape_of(false, false);
	s.payload = 1;
	for (int i = 0; i < PKT_BATCH; i++)
		add_next(t, &s);
	EXPECT(t, PKT_BATCH);
}

static void flows_interleave(void **state)
{
	struct fixture *t = *state;
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
	struct fixture *t = *state;
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
	struct fixture *t = *state;
	struct shape s = shape_of(false, false);
	add_next(t, &s);
	for (uint8_t verdict = PKT_DROP; verdict <= PKT_MERGED; verdict++) {
		if (verdict == PKT_WRITE_TUN)
			continue;
		add(t, &s)->verdict = verdict;
	}
	add_next(t, &s);
	coalesce(&t->batch, true, true);
	assert_int_equal(t->batch.v[0].next, 6);
	assert_int_equal(t->batch.v[6].verdict, PKT_MERGED);
	for (uint16_t i = 1; i < 6; i++) {
		assert_int_not_equal(t->batch.v[i].verdict, PKT_WRITE_TUN);
		assert_int_equal(t->batch.v[i].next, 0);
		assert_memory_equal(t->batch.v[i].data, t->originals[i].data, t->originals[i].len);
	}
	restart(t);
}

static void trains_and_partial_checksums_are_left_alone(void **state)
{
	struct fixture *t = *state;
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
	struct fixture *t = *state;
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
