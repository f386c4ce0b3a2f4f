#include "core/wire/coalesce.h"
#include "test/fuzz/fuzz.h"
#include "test/unit/trains_fixture.h"

/*
 * A batch of some flows. Each packet is four bytes of input: which flow, what about it is out of the
 * ordinary, and by how much. What comes out, taken apart by the twin, must be what went in, each flow in
 * its order; and so must the batch when it is undone.
 */
#define FLOWS   40
#define PACKETS 64
#define SLOT    2048

struct bench {
	struct pkt_batch batch;
	struct pkt packets[PACKETS];
	struct shape flows[FLOWS], shapes[PACKETS];
	struct original originals[PACKETS];
	uint8_t *copies[PACKETS];
};

static void start_flow(struct shape *s, unsigned i)
{
	*s = (struct shape){
		.v6 = i & 1,
		.udp = i & 2,
		.src = (uint8_t)(i & 4),
		.dst = 1,
		.sport = (uint16_t)(i / 8),
		.dport = 443,
		.ttl = 64,
		.id = 0xFFF0,
		.fragment = i & 8 ? 0 : 0x4000,
		.timestamp = i & 16 ? 5 : 0,
		.seq = 0xFFFFFF00,
		.flags = TCP_ACK,
		.payload = 64,
	};
}

/* What may be the matter with a packet: with it alone, or with its flow from here on. */
static void bend(struct shape *once, struct shape *flow, uint8_t what, uint8_t by)
{
	switch (what) {
	case 1:
		once->flags ^= by;
		break;
	case 2:
		once->payload = by;
		break;
	case 3:
		flow->payload = once->payload = (uint16_t)(by * 7);
		break;
	case 4:
		flow->id = once->id = (uint16_t)(once->id - 1 + by % 4);
		break;
	case 5:
		flow->seq = once->seq += (uint32_t)(int8_t)by;
		break;
	case 6:
		once->ip_options = (uint8_t)(by % 3 * 8);
		break;
	case 7:
		once->fragment = (uint16_t)(by << 8 | by % 2);
		break;
	case 8:
		once->tos = by;
		break;
	case 9:
		once->ack += by;
		break;
	case 10:
		once->window += by;
		break;
	case 11:
		once->timestamp += by;
		break;
	case 12:
		once->urgent = by;
		break;
	case 13:
		once->ttl = by;
		break;
	default:
		break; /* nothing, or the bytes themselves: see spoil */
	}
}

/*
 * A byte of the headers changes, its checksum does not; or bytes go or come. It may be of any flow then,
 * or of none, so nothing is known of its order.
 */
static void spoil(struct pkt *p, struct shape *s, uint8_t what, uint8_t where, uint8_t by)
{
	if (what == 14)
		p->data[where % p->len] ^= by;
	else if (what == 15)
		p->len = by & 1 ? p->len + by % 8 : p->len - by % p->len;
	if (what >= 14)
		s->src = 255;
}

static void add(struct bench *t, struct reader *r)
{
	uint8_t which = read_u8(r), what = read_u8(r), by = read_u8(r), where = read_u8(r);
	uint16_t i = t->batch.n++;
	struct shape *flow = &t->flows[which % FLOWS], *s = &t->shapes[i];
	struct pkt *p = &t->packets[i];
	uint8_t bytes[SLOT + 8] = {0};
	*s = *flow;
	bend(s, flow, what % 16, by);
	*p = (struct pkt){.verdict = PKT_WRITE_TUN, .len = (uint32_t)shape_build(s, bytes)};
	if (s->udp && what & 0x80)
		store_u16(bytes + shape_l4(s) + UDP_CHECKSUM, 0);
	p->data = bytes;
	spoil(p, s, what % 16, where, by);
	flow->id++;
	flow->seq += s->payload;
	/* The packet in a place of its own length, and a copy to compare with. */
	p->data = malloc(p->len + 1u);
	t->copies[i] = malloc(p->len + 1u);
	must(p->data && t->copies[i]);
	memcpy(p->data, bytes, p->len);
	memcpy(t->copies[i], bytes, p->len);
	t->originals[i] = (struct original){.shape = s, .data = t->copies[i], .len = p->len};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct bench t;
	static unsigned counts[PACKETS];
	unsigned n;
	struct reader r = reader_of(data, size);
	uint8_t how = read_u8(&r);
	t.batch = (struct pkt_batch){.v = t.packets, .cap = PACKETS};
	for (unsigned i = 0; i < FLOWS; i++)
		start_flow(&t.flows[i], i);
	while (t.batch.n < PACKETS && reader_left(&r) >= 4)
		add(&t, &r);
	coalesce(&t.batch, !(how & 1), !(how & 2));
	must(batch_is_true(&t.batch, t.originals, counts, &n));
	must((how & 3) != 3 || n == t.batch.n);
	coalesce_undo(&t.batch);
	must(batch_is_original(&t.batch, t.originals));
	for (uint16_t i = 0; i < t.batch.n; i++) {
		free(t.packets[i].data);
		free(t.copies[i]);
	}
	return 0;
}
