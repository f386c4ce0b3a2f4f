#ifndef WARREN_TEST_COALESCE_FIXTURE_H
#define WARREN_TEST_COALESCE_FIXTURE_H

#include "core/wire/coalesce.h"
#include "test/unit/trains_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

/*
 * A batch for the TUN, packet by packet, and what must become of it. Whatever the case, what leaves must be
 * what came, and an undone batch must be the batch it was.
 */
#define SLOT 2048

struct fixture {
	struct pkt_batch batch;
	struct shape shapes[PKT_BATCH];
	struct original originals[PKT_BATCH];
	uint8_t *copies;
};

static inline int setup(void **state)
{
	struct fixture *t = calloc(1, sizeof *t);
	t->copies = malloc(PKT_BATCH * SLOT);
	assert_int_equal(pkt_batch_init(&t->batch, PKT_BATCH), 0);
	*state = t;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *t = *state;
	pkt_batch_fini(&t->batch);
	free(t->copies);
	free(t);
	return 0;
}

static inline void restart(struct fixture *t)
{
	t->batch.n = 0;
}

/* Notes the packet as it now is to be the original. */
static inline void keep(struct fixture *t, uint16_t i)
{
	struct pkt *p = &t->batch.v[i];
	uint8_t *copy = t->copies + (size_t)i * SLOT;
	memcpy(copy, p->data, p->len);
	t->originals[i] = (struct original){.shape = &t->shapes[i], .data = copy, .len = p->len};
}

static inline struct pkt *add(struct fixture *t, const struct shape *s)
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
static inline void advance(struct shape *s)
{
	s->id++;
	s->seq += s->payload;
}

static inline struct pkt *add_next(struct fixture *t, struct shape *s)
{
	struct pkt *p = add(t, s);
	advance(s);
	return p;
}

/* Changes a byte of the last packet, without anybody's knowledge. */
static inline void spoil(struct fixture *t, size_t at, uint8_t with)
{
	uint16_t i = t->batch.n - 1;
	t->batch.v[i].data[at] ^= with;
	keep(t, i);
}

/* Coalesces; wanted: how many packets each thing that goes to the TUN holds, in order, ended by 0. */
static inline void expect(struct fixture *t, bool tcp, bool udp, const unsigned *wanted)
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

static inline struct shape shape_of(bool v6, bool udp)
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
static inline struct shape kind_of(int kind)
{
	struct shape s = shape_of(kind & 1, kind & 2);
	if (kind >= 4)
		s.timestamp = 0x11223344;
	return s;
}

#endif
