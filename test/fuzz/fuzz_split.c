#include "core/base/err.h"
#include "core/wire/split.h"
#include "test/fuzz/fuzz.h"
#include "test/unit/trains_fixture.h"

/*
 * What a kernel may hand over. The first byte says how the rest is read: as the packet itself, with whatever
 * its metadata claims, or as the shape of a good train, which has to come apart as the twin takes it apart.
 */

/* A packet on the heap with a TUN packet's rooms, so that a step outside is seen. */
static uint8_t *place(const uint8_t *data, size_t len)
{
	uint8_t *room = malloc(4 + len);
	must(room != NULL);
	memcpy(room + 4, data, len);
	return room + 4;
}

static void unplace(uint8_t *packet)
{
	free(packet - 4);
}

/* Packets are whole, lie where they should, and hold the payload in order. */
static void check_any(const struct pkt *p)
{
	struct split s;
	struct ip_view ip;
	uint32_t len;
	size_t payload = 0;
	int rc = split_begin(&s, p);
	must(rc == 0 || rc == ERR_MALFORMED);
	if (rc < 0)
		return;
	uint8_t *original = place(p->data, p->len);
	unsigned n = 0, count = split_count(&s);
	size_t headers = s.size ? s.hdr_len : 0;
	for (uint8_t *at = split_next(&s, &len); at; at = split_next(&s, &len), n++) {
		must(at == p->data + payload && at + len <= p->data + p->len);
		must(ip_peek(at, len, &ip) == 0 && ip.total_len == len);
		must(!headers || ip.version == 6 || ip_checksum(at, ip.hdr_len) == 0);
		must(!headers ||
			memcmp(at + headers, original + headers + payload, len - headers) == 0);
		payload += len - headers;
		memset(at - 4, 0xEE, 4);
	}
	must(n == count && payload + headers == p->len);
	unplace(original);
}

static void fuzz_any(struct reader *r)
{
	struct pkt p = {.gso_type = read_u8(r)};
	p.flags = read_u8(r);
	p.gso_size = read_u16(r);
	p.l4_off = read_u16(r);
	p.csum_off = read_u16(r);
	p.len = (uint32_t)reader_left(r);
	if (r->failed)
		return;
	p.data = place(r->at, p.len);
	struct pkt copy = p;
	if (copy.flags & PKT_CSUM_PARTIAL && split_finish_checksum(&copy))
		must((copy.gso_size != 0 && copy.gso_type != 0) ||
			!(copy.flags & PKT_CSUM_PARTIAL));
	check_any(&p);
	unplace(p.data);
}

static struct shape read_shape(struct reader *r)
{
	uint8_t bits = read_u8(r);
	struct shape s = {
		.v6 = bits & 1,
		.udp = bits & 2,
		.src = 1,
		.dst = 2,
		.timestamp = bits & 4 ? 1 : 0,
		.ip_options = bits & 8 ? (bits & 1 ? 16 : 12) : 0,
		.fragment = bits & 16 ? 0x4000 : 0,
		.ttl = 64,
	};
	s.tos = read_u8(r);
	s.id = read_u16(r);
	s.sport = read_u16(r);
	s.dport = read_u16(r);
	s.seq = read_u32(r);
	s.ack = read_u32(r);
	s.window = read_u16(r);
	s.urgent = s.window;
	s.flags = read_u8(r) & (uint8_t) ~(TCP_SYN | TCP_RST);
	s.fill = read_u8(r);
	s.payload = read_u16(r);
	return s;
}

static void fuzz_train(struct reader *r, bool partial)
{
	static uint8_t train[SHAPE_MAX], segment[SHAPE_MAX];
	struct shape shape = read_shape(r);
	uint16_t gso = read_u16(r) % 2000;
	uint16_t most = (uint16_t)(PKT_TRAIN - shape_headers(&shape));
	if (r->failed)
		return;
	/* Few trains of many, and many of few, so that the twin has time for them. */
	if (shape.payload > most || gso < 16)
		shape.payload %= 512;
	struct pkt p = shape_from_tun(&shape, train, gso);
	if (!partial) {
		shape_build(&shape, train);
		p.flags = 0;
		p.l4_off = p.csum_off = 0;
	}
	p.data = place(train, p.len);
	struct split s;
	uint32_t len;
	must(split_begin(&s, &p) == 0);
	size_t size = gso ? gso : SHAPE_MAX;
	size_t n = twin_segments(p.len, shape_headers(&shape), size);
	must(split_count(&s) == n);
	for (size_t k = 0; k < n; k++) {
		size_t twin_len = twin_segment(train, p.len, shape_l4(&shape),
			shape_headers(&shape), shape.udp, size, k, segment);
		uint8_t *ip = split_next(&s, &len);
		must(ip && len == twin_len && memcmp(ip, segment, len) == 0);
		memset(ip - 4, 0xEE, 4);
	}
	must(!split_next(&s, &len));
	unplace(p.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader r = reader_of(data, size);
	uint8_t how = read_u8(&r);
	if (how & 1)
		fuzz_train(&r, how & 2);
	else
		fuzz_any(&r);
	return 0;
}
