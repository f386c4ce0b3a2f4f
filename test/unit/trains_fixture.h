#ifndef WARREN_TEST_TRAINS_FIXTURE_H
#define WARREN_TEST_TRAINS_FIXTURE_H

#include "core/base/cursor.h"
#include "core/base/pkt.h"
#include "core/wire/ip.h"
#include "core/wire/l4.h"

#include <string.h>

/*
 * TCP and UDP packets to order, and the slow, obvious twin of what takes trains apart: packet by packet,
 * on copies, with checksums summed word by word.
 */
#define SHAPE_MAX (66 * 1024)

struct shape {
	bool v6, udp;
	uint8_t src, dst; /* last byte of the addresses */
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
	memcpy(ip + 12, (uint8_t[]){10, 0, 0, s->src, 10, 0, 0, s->dst}, 8);
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
		ip[headers + i] = (uint8_t)((s->seq + i + s->fill) * 0x9E3779B1u >> 24);
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

#endif
