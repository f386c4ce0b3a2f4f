#include "core/wire/ip.h"
#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/wire/l4.h"

#include <string.h>

/*
 * User packets are looked at as a router does: the fixed header decides everything. What lies above
 * is read only for MSS clamping and to find out whether an ICMP error would be about an ICMP error.
 */

#define IP4_MORE_FRAGMENTS 0x2000
#define IP4_OFFSET_MASK    0x1FFF

#define IP6_HOP_BY_HOP   0
#define IP6_ROUTING      43
#define IP6_FRAGMENT     44
#define IP6_AH           51
#define IP6_DEST_OPTIONS 60
#define IP6_HEADERS_MAX  8 /* longer chains do not occur; this bounds the work of a packet */

#define TCP_OPT_END 0
#define TCP_OPT_NOP 1
#define TCP_OPT_MSS 2

struct chain {
	uint8_t proto;   /* of the header at offset */
	size_t offset;   /* from the start of the packet; may be past its end */
	bool fragment;   /* a Fragment header was passed */
	bool first_part; /* its offset was 0, or there was none */
};

/* Walks over the extension headers that ip_transport names. len >= IP6_HDR_LEN. */
static struct chain ip6_walk(const uint8_t *ip, size_t len)
{
	struct chain c = {.proto = ip[IP6_NEXT], .offset = IP6_HDR_LEN, .first_part = true};
	for (int n = 0; n < IP6_HEADERS_MAX && c.first_part; n++) {
		bool fragment = c.proto == IP6_FRAGMENT, ah = c.proto == IP6_AH;
		bool options = c.proto == IP6_HOP_BY_HOP || c.proto == IP6_ROUTING ||
			c.proto == IP6_DEST_OPTIONS;
		if (!fragment && !ah && !options)
			return c;
		if (c.offset + 8 > len)
			break;
		const uint8_t *header = ip + c.offset;
		if (fragment) {
			c.fragment = true;
			c.first_part = (load_u16(header + 2) & 0xFFF8) == 0;
			c.offset += 8;
		} else {
			c.offset += ah ? (header[1] + 2u) * 4u : (header[1] + 1u) * 8u;
		}
		c.proto = header[0];
	}
	c.offset = len + 1;
	return c;
}

static int peek4(const uint8_t *ip, size_t len, struct ip_view *out)
{
	if (len < IP4_HDR_LEN)
		return ERR_TRUNCATED;
	uint16_t frag = load_u16(ip + IP4_FRAGMENT);
	*out = (struct ip_view){
		.version = 4,
		.src = addr_from_bytes(4, ip + IP4_SOURCE),
		.dst = addr_from_bytes(4, ip + IP4_DESTINATION),
		.proto = ip[IP4_PROTOCOL],
		.ttl = ip[IP4_TTL],
		.tos = ip[1],
		.total_len = load_u16(ip + IP4_LENGTH),
		.hdr_len = (uint16_t)((ip[0] & 15) * 4),
		.fragment = (frag & (IP4_MORE_FRAGMENTS | IP4_OFFSET_MASK)) != 0,
		.df = (frag & IP4_DF) != 0,
	};
	if (out->hdr_len < IP4_HDR_LEN || out->total_len < out->hdr_len)
		return ERR_MALFORMED;
	return out->total_len > len ? ERR_TRUNCATED : 0;
}

static int peek6(const uint8_t *ip, size_t len, struct ip_view *out)
{
	if (len < IP6_HDR_LEN)
		return ERR_TRUNCATED;
	*out = (struct ip_view){
		.version = 6,
		.src = addr_from_bytes(6, ip + IP6_SOURCE),
		.dst = addr_from_bytes(6, ip + IP6_DESTINATION),
		.proto = ip[IP6_NEXT],
		.ttl = ip[IP6_HOPS],
		.tos = ip_tos(ip),
		.total_len = IP6_HDR_LEN + (uint32_t)load_u16(ip + IP6_LENGTH),
		.hdr_len = IP6_HDR_LEN,
		.df = true,
	};
	if (out->total_len > len)
		return ERR_TRUNCATED;
	out->fragment = ip6_walk(ip, out->total_len).fragment;
	return 0;
}

int ip_peek(const uint8_t *ip, size_t len, struct ip_view *out)
{
	if (len == 0)
		return ERR_TRUNCATED;
	switch (ip[0] >> 4) {
	case 4:
		return peek4(ip, len, out);
	case 6:
		return peek6(ip, len, out);
	default:
		return ERR_VERSION;
	}
}

bool ip_transport(const uint8_t *ip, size_t len, uint8_t *proto, size_t *offset)
{
	struct ip_view view;
	if (ip_peek(ip, len, &view) < 0)
		return false;
	struct chain c = {.proto = view.proto, .offset = view.hdr_len};
	if (view.version == 4)
		c.first_part = (load_u16(ip + IP4_FRAGMENT) & IP4_OFFSET_MASK) == 0;
	else
		c = ip6_walk(ip, view.total_len);
	if (!c.first_part || c.offset > view.total_len)
		return false;
	*proto = c.proto;
	*offset = c.offset;
	return true;
}

uint16_t ip_checksum_adjust(uint16_t checksum, uint16_t old, uint16_t now)
{
	uint32_t sum = (uint16_t)~checksum + (uint32_t)(uint16_t)~old + now;
	return ip_sum_finish(sum);
}

static void adjust_at(uint8_t *field, uint16_t old, uint16_t now)
{
	store_u16(field, ip_checksum_adjust(load_u16(field), old, now));
}

bool ip_ttl_decrement(uint8_t *ip)
{
	if (ip[0] >> 4 == 6) {
		if (ip[IP6_HOPS] <= 1)
			return false;
		ip[IP6_HOPS]--;
		return true;
	}
	if (ip[IP4_TTL] <= 1)
		return false;
	uint16_t old = load_u16(ip + IP4_TTL);
	ip[IP4_TTL]--;
	adjust_at(ip + IP4_CHECKSUM, old, load_u16(ip + IP4_TTL));
	return true;
}

void ip_set_tos(uint8_t *ip, uint8_t tos)
{
	if (ip[0] >> 4 == 6) {
		ip[0] = (uint8_t)(0x60 | tos >> 4);
		ip[1] = (uint8_t)(tos << 4 | (ip[1] & 15));
		return;
	}
	uint16_t old = load_u16(ip);
	ip[1] = tos;
	adjust_at(ip + IP4_CHECKSUM, old, load_u16(ip));
}

int ecn_decap(uint8_t outer_tos, uint8_t *ip)
{
	uint8_t tos = ip_tos(ip);
	uint8_t outer = outer_tos & IP_ECN_MASK, inner = tos & IP_ECN_MASK;
	if (inner == IP_ECN_NOT_ECT)
		return outer == IP_ECN_CE ? ERR_MALFORMED : 0;
	uint8_t result = inner;
	if (outer == IP_ECN_CE)
		result = IP_ECN_CE;
	else if (outer == IP_ECN_ECT1 && inner == IP_ECN_ECT0)
		result = IP_ECN_ECT1;
	if (result != inner)
		ip_set_tos(ip, (uint8_t)((tos & ~IP_ECN_MASK) | result));
	return 0;
}

/* A sum of 64-bit words as they lie in memory, and its carries, which are added at the end. */
struct sum64 {
	uint64_t words, carries;
};

static inline void sum64_add(struct sum64 *s, uint64_t word)
{
	s->words += word;
	s->carries += s->words < word;
}

/* The sum of the up to seven bytes behind the last whole word. */
static uint64_t sum_rest(const uint8_t *p, size_t len)
{
	uint64_t sum = 0;
	if (len & 4) {
		uint32_t word;
		memcpy(&word, p, sizeof word);
		sum += word;
		p += 4;
	}
	if (len & 2) {
		uint16_t word;
		memcpy(&word, p, sizeof word);
		sum += word;
		p += 2;
	}
	if (len & 1) {
		uint8_t padded[2] = {p[0], 0};
		uint16_t word;
		memcpy(&word, padded, sizeof word);
		sum += word;
	}
	return sum;
}

/* To 16 bits: as 2^16 is 1 in these sums, parts may be added to each other. */
static uint32_t fold(uint64_t sum)
{
	sum = (sum >> 32) + (sum & 0xFFFFFFFFu);
	sum = (sum >> 32) + (sum & 0xFFFFFFFFu);
	sum = (sum >> 16) + (sum & 0xFFFFu);
	return (uint32_t)((sum >> 16) + (sum & 0xFFFFu));
}

/*
 * Wide words in the machine's own byte order (RFC 1071 s.2 (A), (B)): 2^64 is 1 in these sums too, and a
 * sum of swapped words is the swapped sum. Of the two chains of additions each waits for itself only.
 */
uint32_t ip_sum(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;
	struct sum64 a = {0}, b = {0};
	for (; len >= 32; p += 32, len -= 32) {
		sum64_add(&a, load_native64(p));
		sum64_add(&b, load_native64(p + 8));
		sum64_add(&a, load_native64(p + 16));
		sum64_add(&b, load_native64(p + 24));
	}
	for (; len >= 8; p += 8, len -= 8)
		sum64_add(&a, load_native64(p));
	sum64_add(&b, sum_rest(p, len));
	sum64_add(&a, b.words);
	uint16_t native = (uint16_t)fold((uint64_t)fold(a.words) + a.carries + b.carries);
	uint8_t bytes[2];
	memcpy(bytes, &native, sizeof native);
	return (sum >> 16) + (sum & 0xFFFFu) + load_u16(bytes);
}

uint32_t ip_sum_pseudo(uint32_t sum, const struct ip_addr *src, const struct ip_addr *dst,
	uint8_t proto, uint32_t l4_len)
{
	sum = ip_sum(sum, src->bytes, addr_size(src->family));
	sum = ip_sum(sum, dst->bytes, addr_size(dst->family));
	return sum + proto + (l4_len >> 16) + (l4_len & 0xFFFFu);
}

uint16_t ip_sum_finish(uint32_t sum)
{
	sum = (sum >> 16) + (sum & 0xFFFFu);
	sum = (sum >> 16) + (sum & 0xFFFFu);
	return (uint16_t)~sum;
}

uint16_t ip_checksum(const void *data, size_t len)
{
	return ip_sum_finish(ip_sum(0, data, len));
}

uint16_t ip_checksum_transport(const struct ip_addr *src, const struct ip_addr *dst, uint8_t proto,
	const void *l4, size_t l4_len)
{
	uint32_t sum = ip_sum_pseudo(0, src, dst, proto, (uint32_t)l4_len);
	return ip_sum_finish(ip_sum(sum, l4, l4_len));
}

/* The header of an unfragmented TCP SYN with its options, or NULL. */
static uint8_t *find_syn(uint8_t *ip, size_t len, size_t *tcp_len)
{
	struct ip_view view;
	uint8_t proto;
	size_t offset;
	if (ip_peek(ip, len, &view) < 0 || view.fragment)
		return NULL;
	if (!ip_transport(ip, len, &proto, &offset) || proto != IP_PROTO_TCP)
		return NULL;
	if (view.total_len - offset < TCP_HDR_LEN)
		return NULL;
	uint8_t *tcp = ip + offset;
	*tcp_len = tcp_hdr_len(tcp);
	if (*tcp_len < TCP_HDR_LEN || *tcp_len > view.total_len - offset ||
		!(tcp[TCP_FLAGS] & TCP_SYN))
		return NULL;
	return tcp;
}

/* The offset of the value of the next MSS option at or behind `at`, or 0. */
static size_t find_mss(const uint8_t *tcp, size_t tcp_len, size_t at)
{
	while (at < tcp_len && tcp[at] != TCP_OPT_END) {
		if (tcp[at] == TCP_OPT_NOP) {
			at++;
			continue;
		}
		if (at + 2 > tcp_len || tcp[at + 1] < 2 || at + tcp[at + 1] > tcp_len)
			return 0;
		if (tcp[at] == TCP_OPT_MSS && tcp[at + 1] == 4)
			return at + 2;
		at += tcp[at + 1];
	}
	return 0;
}

static uint16_t swapped_if(bool odd, uint16_t v)
{
	return odd ? (uint16_t)(v << 8 | v >> 8) : v;
}

bool ip_mss_clamp(uint8_t *ip, size_t len, uint16_t mtu)
{
	size_t tcp_len;
	uint8_t *tcp = find_syn(ip, len, &tcp_len);
	if (!tcp)
		return false;
	uint16_t headers = TCP_HDR_LEN + (ip[0] >> 4 == 6 ? IP6_HDR_LEN : IP4_HDR_LEN);
	uint16_t most = mtu > headers ? (uint16_t)(mtu - headers) : 0;
	bool changed = false;
	/* Whichever of several options the receiver takes, it is low enough. */
	for (size_t at = TCP_HDR_LEN; most && (at = find_mss(tcp, tcp_len, at)); at += 2) {
		uint16_t old = load_u16(tcp + at);
		if (old <= most)
			continue;
		store_u16(tcp + at, most);
		/* At an odd offset the two bytes count the other way round. */
		adjust_at(tcp + TCP_CHECKSUM, swapped_if(at & 1, old), swapped_if(at & 1, most));
		changed = true;
	}
	return changed;
}
