#include "core/wire/split.h"

#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/wire/ip.h"
#include "core/wire/l4.h"

#include <string.h>

/*
 * The headers are kept once, with zeros where packets differ, and so are their sums: what a packet
 * costs is a copy of the headers, a few words, and the sum of its payload.
 */

static bool is_train(const struct pkt *p)
{
	return p->gso_size != 0 && (p->gso_type == PKT_TCP || p->gso_type == PKT_UDP);
}

/* Does the field of a single packet's partial checksum lie behind its IP header and within it? */
static bool field_fits(const struct pkt *p, const struct ip_view *ip)
{
	return p->csum_off != 0 && p->l4_off >= ip->hdr_len &&
		p->l4_off + p->csum_off + 2u <= p->len;
}

/* The field holds the pseudo header's sum. UDP, alone with its offset, writes 0xFFFF for 0 (RFC 768). */
static void finish_field(uint8_t *l4, size_t l4_len, uint16_t csum_off)
{
	uint16_t checksum = ip_checksum(l4, l4_len);
	store_u16(l4 + csum_off, checksum == 0 && csum_off == UDP_CHECKSUM ? 0xFFFF : checksum);
}

static int begin_single(struct split *s, const struct pkt *p, const struct ip_view *ip)
{
	bool partial = p->flags & PKT_CSUM_PARTIAL;
	if (partial && !field_fits(p, ip))
		return ERR_MALFORMED;
	s->next = p->data;
	s->left = p->len;
	s->count = 1;
	s->size = 0;
	s->l4_off = p->l4_off;
	s->csum_off = partial ? p->csum_off : 0;
	return 0;
}

/* Finds the L4 header of a train: its offset, and its length or 0. */
static size_t find_l4(const struct pkt *p, const struct ip_view *ip, size_t *offset)
{
	uint8_t proto, want = p->gso_type == PKT_TCP ? IP_PROTO_TCP : IP_PROTO_UDP;
	if (ip->fragment || !ip_transport(p->data, p->len, &proto, offset) || proto != want)
		return 0;
	if (p->flags & PKT_CSUM_PARTIAL && p->l4_off != *offset)
		return 0;
	const uint8_t *l4 = p->data + *offset;
	size_t left = p->len - *offset;
	if (proto == IP_PROTO_UDP)
		return left >= UDP_HDR_LEN && load_u16(l4 + UDP_LENGTH) == left ? UDP_HDR_LEN : 0;
	if (left < TCP_HDR_LEN || tcp_hdr_len(l4) < TCP_HDR_LEN || tcp_hdr_len(l4) > left)
		return 0;
	return tcp_hdr_len(l4);
}

/*
 * The sum of the pseudo header without a length. Behind a Routing header the final destination is not
 * the one in the IP header (RFC 8200 s.8.1), so a sum that the sender left counts before our own.
 */
static uint32_t pseudo_sum(const struct pkt *p, const struct ip_view *ip, const uint8_t *field,
	size_t l4_len, uint8_t proto)
{
	if (p->flags & PKT_CSUM_PARTIAL)
		return load_u16(field) + (uint32_t)(uint16_t)~l4_len;
	return ip_sum_pseudo(0, &ip->src, &ip->dst, proto, 0);
}

static void clear_ip(struct split *s)
{
	uint8_t *ip = s->headers;
	if (s->version == 6) {
		store_u16(ip + IP6_LENGTH, 0);
		return;
	}
	s->id = load_u16(ip + IP4_ID);
	store_u16(ip + IP4_LENGTH, 0);
	store_u16(ip + IP4_ID, 0);
	store_u16(ip + IP4_CHECKSUM, 0);
}

static void clear_l4(struct split *s)
{
	uint8_t *l4 = s->headers + s->l4_off;
	if (s->proto == IP_PROTO_UDP) {
		store_u16(l4 + UDP_LENGTH, 0);
		store_u16(l4 + UDP_CHECKSUM, 0);
		return;
	}
	s->seq = load_u32(l4 + TCP_SEQ);
	s->tcp_flags = l4[TCP_FLAGS];
	s->urgent = load_u16(l4 + TCP_URGENT);
	store_u32(l4 + TCP_SEQ, 0);
	l4[TCP_FLAGS] = 0;
	store_u16(l4 + TCP_CHECKSUM, 0);
	store_u16(l4 + TCP_URGENT, 0);
}

static int begin_train(struct split *s, const struct pkt *p, const struct ip_view *ip)
{
	size_t offset, l4_hdr = find_l4(p, ip, &offset);
	if (l4_hdr == 0 || offset + l4_hdr > SPLIT_HEADERS)
		return ERR_MALFORMED;
	s->l4_off = (uint16_t)offset;
	s->hdr_len = (uint16_t)(offset + l4_hdr);
	s->version = ip->version;
	s->proto = p->gso_type == PKT_TCP ? IP_PROTO_TCP : IP_PROTO_UDP;
	s->size = p->gso_size;
	s->next = p->data + s->hdr_len;
	s->left = p->len - s->hdr_len;
	s->count = s->left > 0 ? (s->left - 1) / s->size + 1 : 1;
	const uint8_t *l4 = p->data + offset;
	const uint8_t *field = l4 + (s->proto == IP_PROTO_TCP ? TCP_CHECKSUM : UDP_CHECKSUM);
	/* What these mean belongs to one sequence number, not to each packet's. */
	if (s->proto == IP_PROTO_TCP && s->count > 1 && l4[TCP_FLAGS] & (TCP_SYN | TCP_RST))
		return ERR_MALFORMED;

	memcpy(s->headers, p->data, s->hdr_len);
	clear_ip(s);
	clear_l4(s);
	s->ip_sum = ip_sum(0, s->headers, ip->hdr_len);
	s->l4_sum = pseudo_sum(p, ip, field, p->len - offset, s->proto);
	s->l4_sum = ip_sum(s->l4_sum, s->headers + offset, l4_hdr);
	return 0;
}

int split_begin(struct split *s, const struct pkt *p)
{
	struct ip_view ip;
	if (ip_peek(p->data, p->len, &ip) < 0 || ip.total_len != p->len)
		return ERR_MALFORMED;
	s->done = 0;
	return is_train(p) ? begin_train(s, p, &ip) : begin_single(s, p, &ip);
}

static void fill_ip(const struct split *s, uint8_t *ip, uint32_t len)
{
	if (s->version == 6) {
		store_u16(ip + IP6_LENGTH, (uint16_t)(len - IP6_HDR_LEN));
		return;
	}
	uint16_t id = (uint16_t)(s->id + s->done);
	store_u16(ip + IP4_LENGTH, (uint16_t)len);
	store_u16(ip + IP4_ID, id);
	store_u16(ip + IP4_CHECKSUM, ip_sum_finish(s->ip_sum + len + id));
}

static uint8_t flags_of_next(const struct split *s)
{
	uint8_t flags = s->tcp_flags;
	if (s->done > 0)
		flags &= (uint8_t)~TCP_CWR;
	if (s->done + 1 < s->count)
		flags &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	return flags;
}

static void fill_tcp(const struct split *s, uint8_t *tcp, uint32_t sum)
{
	uint8_t flags = flags_of_next(s);
	store_u32(tcp + TCP_SEQ, s->seq);
	tcp[TCP_FLAGS] = flags;
	store_u16(tcp + TCP_URGENT, s->urgent);
	sum += (s->seq >> 16) + (s->seq & 0xFFFF) + flags + s->urgent;
	store_u16(tcp + TCP_CHECKSUM, ip_sum_finish(sum));
}

/* The urgent pointer counts from a packet's own sequence number (RFC 9293 s.3.1). */
static void pass_urgent(struct split *s, uint32_t payload)
{
	if (!(s->tcp_flags & TCP_URG))
		return;
	if (s->urgent <= payload)
		s->tcp_flags &= (uint8_t)~TCP_URG;
	s->urgent = s->urgent > payload ? (uint16_t)(s->urgent - payload) : 0;
}

static void fill_udp(uint8_t *udp, uint32_t l4_len, uint32_t sum)
{
	/* The length counts twice: in the pseudo header and in this one. */
	uint16_t checksum = ip_sum_finish(sum + l4_len);
	store_u16(udp + UDP_LENGTH, (uint16_t)l4_len);
	store_u16(udp + UDP_CHECKSUM, checksum ? checksum : 0xFFFF);
}

uint8_t *split_next(struct split *s, uint32_t *len)
{
	if (s->done == s->count)
		return NULL;
	if (s->size == 0) {
		if (s->csum_off != 0)
			finish_field(s->next + s->l4_off, s->left - s->l4_off, s->csum_off);
		s->done++;
		*len = s->left;
		return s->next;
	}
	uint32_t payload = s->left < s->size ? s->left : s->size;
	uint8_t *ip = s->next - s->hdr_len;
	*len = s->hdr_len + payload;
	uint32_t l4_len = *len - s->l4_off;
	uint32_t sum = ip_sum(s->l4_sum + l4_len, s->next, payload);
	memcpy(ip, s->headers, s->hdr_len);
	fill_ip(s, ip, *len);
	if (s->proto == IP_PROTO_TCP)
		fill_tcp(s, ip + s->l4_off, sum);
	else
		fill_udp(ip + s->l4_off, l4_len, sum);
	s->next += payload;
	s->left -= payload;
	s->seq += payload;
	pass_urgent(s, payload);
	s->done++;
	return ip;
}

bool split_finish_checksum(struct pkt *p)
{
	struct ip_view ip;
	if (!(p->flags & PKT_CSUM_PARTIAL) || is_train(p))
		return true;
	if (ip_peek(p->data, p->len, &ip) < 0 || !field_fits(p, &ip))
		return false;
	finish_field(p->data + p->l4_off, p->len - p->l4_off, p->csum_off);
	p->flags &= (uint8_t)~PKT_CSUM_PARTIAL;
	return true;
}
