#ifndef WARREN_TEST_TRAINS_FIXTURE_H
#define WARREN_TEST_TRAINS_FIXTURE_H

#include "core/base/cursor.h"
#include "core/base/pkt.h"
#include "core/wire/ip.h"
#include "core/wire/l4.h"
#include "core/wire/split.h"

#include <string.h>

/*
 * TCP and UDP packets to order, and the slow, obvious twin of what takes trains apart: packet by packet,
 * on copies, with checksums summed word by word.
 */
#define SHAPE_MAX (66 * 1024)

struct shape {
	bool v6, udp;
	uint8_t src, dst; /* last byte of the addresses, in 10.77.0.0/24 or fd00::/64 */
	uint16_t sport, dport;
	uint8_t tos, ttl;
	uint32_t label;     /* IPv6 flow label */
	uint16_t id;        /* IPv4 */
	uint16_t fragment;  /* IPv4: flags and offset as they stand; 0x4000 = DF */
	uint8_t ip_options; /* IPv4: bytes of NOPs, of four; IPv6: of a Destination Options header */
	uint8_t routing;    /* IPv6: a Routing header to this last byte, with one segment left */
	uint32_t seq, ack;
	uint16_t window, urgent;
	uint8_t flags;
	uint32_t timestamp; /* TCP: with a timestamps option of this value */
	uint16_t payload;   /* bytes, a function of seq and `fill` */
	uint8_t fill;
};

static inline uint16_t twin_checksum(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum > 0xFFFF)
		sum = (sum >> 16) + (sum & 0xFFFF);
	return (uint16_t)~sum;
}

/* Not complemented: what an L4 header's field holds with PKT_CSUM_PARTIAL. */
static inline uint16_t twin_pseudo(const uint8_t *ip, uint8_t proto, size_t l4_len)
{
	uint8_t pseudo[40] = {0};
	bool v6 = ip[0] >> 4 == 6;
	memcpy(pseudo, ip + (v6 ? 8 : 12), v6 ? 32 : 8);
	pseudo[34] = (uint8_t)(l4_len >> 8);
	pseudo[35] = (uint8_t)l4_len;
	pseudo[39] = proto;
	return (uint16_t)~twin_checksum(0, pseudo, sizeof pseudo);
}

/* Fills in the IPv4 header's checksum and the L4 header's. */
static inline void twin_finish(uint8_t *ip, size_t len, size_t l4, bool udp)
{
	if (ip[0] >> 4 == 4) {
		store_u16(ip + 10, 0);
		store_u16(ip + 10, twin_checksum(0, ip, (ip[0] & 15) * 4u));
	}
	uint8_t *field = ip + l4 + (udp ? 6 : 16);
	store_u16(field, 0);
	uint16_t sum = twin_pseudo(ip, udp ? IP_PROTO_UDP : IP_PROTO_TCP, len - l4);
	uint16_t checksum = twin_checksum(sum, ip + l4, len - l4);
	store_u16(field, udp && checksum == 0 ? 0xFFFF : checksum);
}

static inline void twin_set_length(uint8_t *ip, size_t len, size_t l4, bool udp)
{
	store_u16(ip + (ip[0] >> 4 == 4 ? 2 : 4), (uint16_t)(ip[0] >> 4 == 4 ? len : len - 40));
	if (udp)
		store_u16(ip + l4 + 4, (uint16_t)(len - l4));
}

static inline size_t twin_segments(size_t len, size_t headers, size_t gso)
{
	size_t n = 1;
	for (size_t at = headers + gso; at < len; at += gso)
		n++;
	return n;
}

/* The urgent pointer of a packet so many bytes further on. */
static inline void twin_urgent(uint8_t *tcp, size_t further)
{
	uint16_t urgent = load_u16(tcp + 18);
	if (further == 0 || !(tcp[13] & 0x20))
		return;
	if (urgent <= further)
		tcp[13] &= 0xDF;
	store_u16(tcp + 18, urgent > further ? (uint16_t)(urgent - further) : 0);
}

/* Segment k of a train; returns its length. */
static inline size_t twin_segment(const uint8_t *train, size_t len, size_t l4, size_t headers,
	bool udp, size_t gso, size_t k, uint8_t *out)
{
	size_t n = twin_segments(len, headers, gso), from = headers + k * gso;
	size_t payload = k + 1 < n ? gso : len - from;
	memcpy(out, train, headers);
	memcpy(out + headers, train + from, payload);
	if (out[0] >> 4 == 4)
		store_u16(out + 4, (uint16_t)(load_u16(out + 4) + k));
	if (!udp) {
		store_u32(out + l4 + 4, load_u32(out + l4 + 4) + (uint32_t)(k * gso));
		if (k > 0)
			out[l4 + 13] &= 0x7F; /* CWR */
		if (k + 1 < n)
			out[l4 + 13] &= 0xF6; /* FIN, PSH */
		twin_urgent(out + l4, k * gso);
	}
	twin_set_length(out, headers + payload, l4, udp);
	twin_finish(out, headers + payload, l4, udp);
	return headers + payload;
}

static inline size_t shape_l4(const struct shape *s)
{
	return (s->v6 ? 40u : 20u) + s->ip_options + (s->routing ? 24 : 0);
}

static inline size_t shape_headers(const struct shape *s)
{
	return shape_l4(s) + (s->udp ? 8u : 20u + (s->timestamp ? 12 : 0));
}

static inline size_t shape_len(const struct shape *s)
{
	return shape_headers(s) + s->payload;
}

static inline void shape_ip4(const struct shape *s, uint8_t *ip)
{
	ip[0] = (uint8_t)(0x45 + s->ip_options / 4);
	ip[1] = s->tos;
	store_u16(ip + 4, s->id);
	store_u16(ip + 6, s->fragment);
	ip[8] = s->ttl;
	ip[9] = s->udp ? IP_PROTO_UDP : IP_PROTO_TCP;
	memcpy(ip + 12, (uint8_t[]){10, 77, 0, s->src, 10, 77, 0, s->dst}, 8);
	memset(ip + 20, 1, s->ip_options);
}

static inline void shape_ip6(const struct shape *s, uint8_t *ip)
{
	uint8_t proto = s->udp ? IP_PROTO_UDP : IP_PROTO_TCP;
	uint8_t *next = &ip[6], *at = ip + 40;
	store_u32(ip, 0x60000000 | (uint32_t)s->tos << 20 | (s->label & 0xFFFFF));
	ip[7] = s->ttl;
	ip[8] = ip[24] = 0xfd;
	ip[23] = s->src;
	ip[39] = s->dst;
	if (s->routing) {
		memcpy(at, (uint8_t[]){0, 2, 2, 1, 0, 0, 0, 0, 0xfd}, 9);
		at[23] = s->routing;
		*next = 43;
		next = at;
		at += 24;
	}
	if (s->ip_options) {
		memcpy(at, (uint8_t[]){0, (uint8_t)(s->ip_options / 8 - 1)}, 2);
		*next = 60;
		next = at;
		for (unsigned i = 2; i < s->ip_options; i++)
			at[i] = 0; /* Pad1 */
	}
	*next = proto;
}

/* Byte i of its payload. */
static inline uint8_t shape_byte(const struct shape *s, size_t i)
{
	return (uint8_t)((s->seq + i + s->fill) * 0x9E3779B1u >> 24);
}

/* A complete packet with right lengths and checksums; returns its length. */
static inline size_t shape_build(const struct shape *s, uint8_t *ip)
{
	size_t l4 = shape_l4(s), headers = shape_headers(s), len = shape_len(s);
	memset(ip, 0, headers);
	if (s->v6)
		shape_ip6(s, ip);
	else
		shape_ip4(s, ip);
	store_u16(ip + l4, s->sport);
	store_u16(ip + l4 + 2, s->dport);
	if (!s->udp) {
		store_u32(ip + l4 + 4, s->seq);
		store_u32(ip + l4 + 8, s->ack);
		ip[l4 + 12] = s->timestamp ? 0x80 : 0x50;
		ip[l4 + 13] = s->flags;
		store_u16(ip + l4 + 14, s->window);
		store_u16(ip + l4 + 18, s->urgent);
	}
	if (!s->udp && s->timestamp) {
		store_u32(ip + l4 + 20, 0x0101080A);
		store_u32(ip + l4 + 24, s->timestamp);
		store_u32(ip + l4 + 28, ~s->timestamp);
	}
	for (size_t i = 0; i < s->payload; i++)
		ip[headers + i] = shape_byte(s, i);
	twin_set_length(ip, len, l4, s->udp);
	twin_finish(ip, len, l4, s->udp);
	return len;
}

/* The same packet as a kernel hands it over: a train when gso is not 0, the checksum left to us. */
static inline struct pkt shape_from_tun(const struct shape *s, uint8_t *ip, uint16_t gso)
{
	size_t len = shape_build(s, ip), l4 = shape_l4(s);
	uint8_t addressed[SHAPE_MAX];
	memcpy(addressed, ip, len);
	if (s->routing)
		addressed[39] = s->routing;
	uint16_t sum = twin_pseudo(addressed, s->udp ? IP_PROTO_UDP : IP_PROTO_TCP, len - l4);
	store_u16(ip + l4 + (s->udp ? 6 : 16), sum);
	return (struct pkt){
		.data = ip,
		.len = (uint32_t)len,
		.gso_size = gso,
		.gso_type = gso == 0 ? PKT_PLAIN
			: s->udp     ? PKT_UDP
				     : PKT_TCP,
		.flags = PKT_CSUM_PARTIAL,
		.l4_off = (uint16_t)l4,
		.csum_off = s->udp ? 6 : 16,
	};
}

/* Packet i as it was before a batch was coalesced. */
struct original {
	const struct shape *shape;
	const uint8_t *data;
	size_t len;
};

/* A source of 255 is nobody's flow. */
static inline bool original_same_flow(const struct original *one, const struct original *other)
{
	const struct shape *x = one->shape, *y = other->shape;
	return x->src != 255 && x->v6 == y->v6 && x->udp == y->udp && x->src == y->src &&
		x->dst == y->dst && x->sport == y->sport && x->dport == y->dport;
}

/* Does packet k of a train equal what it was? An IPv4 id that did not count up comes back as if it had. */
static inline bool original_equals(
	const struct original *o, const uint8_t *head, const uint8_t *ip, size_t len)
{
	uint8_t same_id[2048];
	if (o->len != len || len > sizeof same_id)
		return false;
	memcpy(same_id, ip, len);
	if (ip[0] >> 4 == 4 && (ip[6] & 0x40) && memcmp(o->data + 4, head + 4, 2) == 0) {
		memcpy(same_id + 4, head + 4, 2);
		store_u16(same_id + 10, 0);
		store_u16(same_id + 10, twin_checksum(0, same_id, 20));
	}
	return memcmp(same_id, o->data, len) == 0;
}

/* The bytes of a train, one behind the other; its pieces' places in the batch. */
static inline size_t train_gather(
	const struct pkt_batch *joined, uint16_t head, uint8_t *out, uint16_t *pieces, unsigned *n)
{
	size_t len = 0;
	*n = 0;
	for (uint16_t i = head;; i = joined->v[i].next) {
		memcpy(out + len, joined->v[i].data, joined->v[i].len);
		len += joined->v[i].len;
		pieces[(*n)++] = i;
		if (joined->v[i].next == 0)
			return len;
	}
}

/* What struct pkt says of a train agrees with its headers, and these with each other. */
static inline bool train_agrees(const struct pkt *p, const uint8_t *train, size_t len)
{
	bool v6 = train[0] >> 4 == 6, udp = p->gso_type == PKT_UDP;
	size_t l4 = v6 ? 40 : 20, l4_hdr = udp ? 8 : (train[l4 + 12] >> 4) * 4u;
	uint8_t proto = udp ? IP_PROTO_UDP : IP_PROTO_TCP;
	return (udp || p->gso_type == PKT_TCP) && p->flags == PKT_CSUM_PARTIAL && p->l4_off == l4 &&
		p->hdr_len == l4 + l4_hdr && p->csum_off == (udp ? 6 : 16) &&
		p->gso_size == p->len - p->hdr_len && len <= PKT_TRAIN &&
		load_u16(train + (v6 ? 4 : 2)) == (v6 ? len - 40 : len) &&
		(!udp || load_u16(train + l4 + 4) == len - l4) &&
		(v6 || twin_checksum(0, train, 20) == 0) &&
		load_u16(train + l4 + p->csum_off) == twin_pseudo(train, proto, len - l4);
}

/* A train taken apart, by the twin and by split_next, is the packets that it was made of. */
static inline bool train_is_true(const struct pkt_batch *joined, const struct original *originals,
	const uint16_t *pieces, unsigned n, const uint8_t *train, size_t len)
{
	static uint8_t apart[PKT_HEADROOM + SHAPE_MAX];
	uint8_t twin[2048];
	struct pkt whole = joined->v[pieces[0]];
	struct split split;
	uint32_t split_len;
	if (!train_agrees(&whole, train, len))
		return false;
	whole.data = apart + PKT_HEADROOM;
	whole.len = (uint32_t)len;
	whole.next = 0;
	memcpy(whole.data, train, len);
	if (split_begin(&split, &whole) < 0 || split_count(&split) != n ||
		twin_segments(len, whole.hdr_len, whole.gso_size) != n)
		return false;
	for (unsigned k = 0; k < n; k++) {
		size_t twin_len = twin_segment(train, len, whole.l4_off, whole.hdr_len,
			whole.gso_type == PKT_UDP, whole.gso_size, k, twin);
		const uint8_t *ip = split_next(&split, &split_len);
		if (!ip || split_len != twin_len || memcmp(ip, twin, twin_len) != 0 ||
			!original_equals(&originals[pieces[k]], train, twin, twin_len))
			return false;
	}
	return true;
}

/*
 * A coalesced batch whose packets were all for the TUN: each of them leaves once, as it was, and none
 * before one of its own flow that came earlier. counts: of each packet and train, in order, how many it holds.
 */
static inline bool batch_is_true(const struct pkt_batch *joined, const struct original *originals,
	unsigned *counts, unsigned *n_counts)
{
	static uint8_t train[SHAPE_MAX];
	uint16_t order[PKT_BATCH];
	unsigned n_order = 0;
	*n_counts = 0;
	for (uint16_t i = 0; i < joined->n; i++) {
		const struct pkt *p = &joined->v[i];
		unsigned n;
		if (p->verdict == PKT_MERGED)
			continue;
		size_t len = train_gather(joined, i, train, order + n_order, &n);
		const struct original *o = &originals[i];
		if (n == 1 &&
			(p->gso_size != 0 || p->flags != 0 || len != o->len ||
				memcmp(train, o->data, len) != 0))
			return false;
		if (n > 1 && !train_is_true(joined, originals, order + n_order, n, train, len))
			return false;
		n_order += n;
		counts[(*n_counts)++] = n;
	}
	for (unsigned later = 0; later < n_order; later++)
		for (unsigned i = 0; i < later; i++)
			if (order[i] >= order[later] &&
				original_same_flow(&originals[order[i]], &originals[order[later]]))
				return false;
	return n_order == joined->n;
}

/* Nothing is left of coalescing. */
static inline bool batch_is_original(
	const struct pkt_batch *joined, const struct original *originals)
{
	for (uint16_t i = 0; i < joined->n; i++) {
		const struct pkt *p = &joined->v[i];
		if (p->verdict != PKT_WRITE_TUN || p->gso_size || p->gso_type || p->flags ||
			p->next || p->l4_off || p->hdr_len || p->csum_off ||
			p->len != originals[i].len ||
			memcmp(p->data, originals[i].data, p->len) != 0)
			return false;
	}
	return true;
}

#endif
