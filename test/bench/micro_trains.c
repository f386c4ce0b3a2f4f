/* Checksums; trains from the TUN taken apart, and put together for it. */
#include "test/bench/micro.h"

#include "core/wire/coalesce.h"
#include "test/unit/trains_fixture.h"

#include <stdlib.h>

#define TRAIN_SEGMENT 1400 /* payload */
#define FLOW_PACKETS  44   /* of one flow in a batch: what a datagram train of 64 KiB holds */
#define FLOW_PAYLOAD  1388 /* 1440 bytes with headers and timestamps */
#define FLOWS_MAX     8

static const struct shape shape = {
	.src = 1,
	.dst = 2,
	.sport = 40000,
	.dport = 443,
	.ttl = 64,
	.fragment = 0x4000,
	.timestamp = 1,
	.flags = TCP_ACK,
	.payload = FLOW_PAYLOAD,
};

static void checksum(void *ctx, unsigned n)
{
	uint32_t sum = 0;
	for (unsigned i = 0; i < n; i++)
		sum = ip_sum(sum, ctx, 1420);
	if (sum == 0)
		abort();
}

struct apart {
	struct pkt train;
	struct split split;
	uint8_t headers[52]; /* the train's, which its first packet's overwrite */
	uint8_t bytes[PKT_HEADROOM + PKT_TRAIN];
};

static void split_train(void *ctx, unsigned n)
{
	struct apart *a = ctx;
	uint32_t len;
	for (unsigned i = 0; i < n;) {
		if (split_next(&a->split, &len)) {
			i++;
			continue;
		}
		memcpy(a->train.data, a->headers, sizeof a->headers);
		if (split_begin(&a->split, &a->train) < 0)
			abort();
	}
}

struct together {
	struct pkt_batch batch;
	struct pkt before[PKT_BATCH];
	unsigned flows;
	uint8_t heads[FLOWS_MAX][52];
};

static void coalesce_batch(void *ctx, unsigned n)
{
	struct together *t = ctx;
	for (unsigned i = 0; i < n; i += t->batch.n) {
		memcpy(t->batch.v, t->before, t->batch.n * sizeof *t->before);
		for (unsigned f = 0; f < t->flows; f++)
			memcpy(t->batch.v[f].data, t->heads[f], sizeof t->heads[f]);
		coalesce(&t->batch, true, true);
		if (t->batch.v[0].gso_size != FLOW_PAYLOAD)
			abort();
	}
}

static uint8_t *make_bytes(void)
{
	uint64_t seed = 1;
	uint8_t *bytes = micro_alloc(1420);
	for (unsigned i = 0; i < 1420; i++)
		bytes[i] = (uint8_t)micro_random(&seed);
	return bytes;
}

static struct apart *make_train(void)
{
	struct apart *a = micro_alloc(sizeof *a);
	struct shape s = shape;
	s.payload = PKT_TRAIN - 52;
	a->train = shape_from_tun(&s, a->bytes + PKT_HEADROOM, TRAIN_SEGMENT);
	memcpy(a->headers, a->train.data, sizeof a->headers);
	if (split_begin(&a->split, &a->train) < 0)
		abort();
	return a;
}

static struct together *make_batch(unsigned flows)
{
	struct together *t = micro_alloc(sizeof *t);
	struct shape s = shape;
	if (pkt_batch_init(&t->batch, PKT_BATCH) < 0)
		abort();
	t->flows = flows;
	for (unsigned i = 0; i < FLOW_PACKETS; i++) {
		for (unsigned f = 0; f < flows; f++) {
			struct pkt *p = pkt_reset(&t->batch, t->batch.n++);
			s.dport = (uint16_t)(shape.dport + f);
			p->len = (uint32_t)shape_build(&s, p->data);
			p->verdict = PKT_WRITE_TUN;
		}
		s.id++;
		s.seq += s.payload;
	}
	memcpy(t->before, t->batch.v, t->batch.n * sizeof *t->before);
	for (unsigned f = 0; f < flows; f++)
		memcpy(t->heads[f], t->batch.v[f].data, sizeof t->heads[f]);
	return t;
}

void micro_trains(struct micro *m)
{
	struct micro_row rows[] = {
		{"trains", "checksum", 1420, checksum, make_bytes()},
		{"trains", "a packet of a train of 64 KiB", 52 + TRAIN_SEGMENT, split_train,
			make_train()},
		{"trains", "a packet joins a train, one flow", 52 + FLOW_PAYLOAD, coalesce_batch,
			make_batch(1)},
		{"trains", "a packet joins a train, 8 flows in turn", 52 + FLOW_PAYLOAD,
			coalesce_batch, make_batch(8)},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		micro_add(m, &rows[i]);
}
