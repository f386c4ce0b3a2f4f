/*
 * The whole data path of two spokes in one process: a train of TCP is read from the TUN of the one, sealed,
 * taken apart as a socket would, opened by the other and made a train again. What is more than the
 * cipher's own two rows is what warren costs.
 */
#include "test/bench/micro.h"

#include "core/engine/data.h"
#include "core/wire/coalesce.h"
#include "test/unit/plane_fixture.h"
#include "test/unit/trains_fixture.h"

#define A       11
#define B       12
#define HEADERS (IP4_HDR_LEN + 32) /* TCP with time stamps */

struct link {
	struct fixture_node *a, *b;
	struct pkt_batch train, datagrams;
	struct pkt from_tun;
	uint8_t headers[HEADERS]; /* of from_tun, which are overwritten */
};

static void set_cipher(struct fixture_node *f, uint32_t peer, uint8_t cipher, bool first)
{
	static const uint8_t secrets[2][32] = {{1}, {2}};
	struct sessions *t = &f->plane.sessions;
	struct session *s = session_at(t, atomic_load(&t->paths[peer].session));
	if (aead_key_init(&s->tx, cipher, secrets[!first]) != 0 ||
		aead_key_init(&s->rx, cipher, secrets[first]) != 0)
		abort();
}

static void spoke(struct fixture_node *f, unsigned own, unsigned other)
{
	char text[32];
	snprintf(text, sizeof text, "10.77.0.%u", other);
	struct ip_addr there = fixture_addr(text);
	snprintf(text, sizeof text, "10.77.0.%u/32", own);
	fixture_route(f, text, NULL, FIB_LOCAL, FIB_KERNEL);
	fixture_route(f, "10.77.0.0/24", NULL, FIB_OVERLAY, FIB_KERNEL);
	fib_neighbour_put(&f->plane.fib, &there, other);
}

static struct link *make(uint8_t cipher, unsigned packets, uint16_t segment)
{
	struct link *l = micro_alloc(sizeof *l);
	l->a = fixture_node(A, CERT_SPOKE, 1);
	l->b = fixture_node(B, CERT_SPOKE, 1);
	fixture_connect(l->a, B, l->b, A);
	set_cipher(l->a, B, cipher, true);
	set_cipher(l->b, A, cipher, false);
	spoke(l->a, A, B);
	spoke(l->b, B, A);
	if (pkt_batch_init_sized(&l->train, 1, 2 * PKT_TRAIN) != 0 ||
		pkt_batch_init_sized(&l->datagrams, PKT_BATCH, 1) != 0)
		abort();
	uint8_t *ip = pkt_place(&l->train, 0, PKT_HEADROOM)->data;
	const struct shape shape = {
		.src = A,
		.dst = B,
		.ttl = 64,
		.fragment = 0x4000,
		.timestamp = 1,
		.flags = TCP_ACK,
		.payload = (uint16_t)(packets * segment),
	};
	l->from_tun = shape_from_tun(&shape, ip, segment);
	memcpy(l->headers, ip, HEADERS);
	return l;
}

/* A train there and out of the other TUN. Time stands still, so that the keys do not age. */
static void cross(struct link *l)
{
	struct pkt *p = pkt_place(&l->train, 0, PKT_HEADROOM);
	*p = l->from_tun;
	memcpy(p->data, l->headers, HEADERS);
	l->train.n = 1;
	data_from_tun(&l->a->workers[0], &l->train, FIXTURE_NOW);
	if (p->verdict != PKT_SEND_UDP)
		abort();
	uint32_t step = p->gso_size ? p->gso_size : p->len;
	l->datagrams.n = 0;
	for (uint32_t at = 0; at < p->len; at += step) {
		struct pkt *d = &l->datagrams.v[l->datagrams.n++];
		*d = (struct pkt){.data = p->data + at,
			.len = p->len - at < step ? p->len - at : step,
			.remote = p->remote};
		d->remote.addr.bytes[3] = A; /* the path it has */
	}
	data_from_udp(&l->b->workers[0], &l->datagrams, FIXTURE_NOW);
	coalesce(&l->datagrams, true, true);
	if (l->datagrams.v[0].verdict != PKT_WRITE_TUN)
		abort();
}

static void run(void *ctx, unsigned n)
{
	struct link *l = ctx;
	for (unsigned done = 0; done < n; done += l->datagrams.n)
		cross(l);
}

void micro_path(struct micro *m)
{
	static const struct {
		uint8_t cipher;
		const char *train, *single;
	} rows[] = {
		{AEAD_CHACHA20_POLY1305, "TUN to TUN, trains of 45, chacha20-poly1305",
			"TUN to TUN, single, chacha20-poly1305"},
		{AEAD_AES_256_GCM, "TUN to TUN, trains of 45, aes-256-gcm",
			"TUN to TUN, single, aes-256-gcm"},
		{AEAD_AEGIS_256, "TUN to TUN, trains of 45, aegis-256",
			"TUN to TUN, single, aegis-256"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (!aead_find(rows[i].cipher))
			continue;
		micro_add(m,
			&(struct micro_row){"path", rows[i].train, 1400, run,
				make(rows[i].cipher, 45, 1400 - HEADERS)});
		micro_add(m,
			&(struct micro_row){"path", rows[i].single, 1400, run,
				make(rows[i].cipher, 1, 1400 - HEADERS)});
	}
}
