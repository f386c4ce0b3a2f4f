#include "test/sim/inner.h"

#include "core/base/cursor.h"
#include "core/wire/ip.h"

#include <string.h>

#define L4_LEN      8  /* ICMP echo and UDP headers */
#define PAYLOAD_MIN 16 /* magic, flow, seq */
#define UDP_PORT    7  /* echo; nobody answers */

static size_t header_len(uint8_t family)
{
	return family == 4 ? IP4_HDR_LEN : IP6_HDR_LEN;
}

static uint8_t filler(const struct inner *in, size_t at)
{
	return (uint8_t)(in->seq * 7 + in->flow * 13 + at);
}

static void write_header(struct writer *w, const struct inner *in, uint8_t proto, size_t len)
{
	if (in->src.family == 4) {
		write_u16(w, 0x4500);
		write_u16(w, (uint16_t)len);
		write_u32(w, (in->seq & 0xFFFF) << 16);
		write_u8(w, in->ttl);
		write_u8(w, proto);
		write_u16(w, 0);
		write_bytes(w, in->src.bytes, 4);
		write_bytes(w, in->dst.bytes, 4);
		store_u16(w->start + 10, ip_checksum(w->start, IP4_HDR_LEN));
	} else {
		write_u32(w, 0x60000000);
		write_u16(w, (uint16_t)(len - IP6_HDR_LEN));
		write_u8(w, proto);
		write_u8(w, in->ttl);
		write_bytes(w, in->src.bytes, 16);
		write_bytes(w, in->dst.bytes, 16);
	}
}

static void write_l4(struct writer *w, const struct inner *in, uint8_t proto, size_t l4_len)
{
	if (proto == IP_PROTO_UDP) {
		write_u16(w, UDP_PORT);
		write_u16(w, UDP_PORT);
		write_u16(w, (uint16_t)l4_len);
		write_u16(w, 0);
		return;
	}
	bool request = in->kind == INNER_ECHO;
	write_u8(w, in->src.family == 4 ? (request ? 8 : 0) : (request ? 128 : 129));
	write_u8(w, 0);
	write_u16(w, 0);
	write_u16(w, (uint16_t)in->flow);
	write_u16(w, (uint16_t)in->seq);
}

static uint8_t proto_of(const struct inner *in)
{
	if (in->kind == INNER_UDP)
		return IP_PROTO_UDP;
	return in->src.family == 4 ? IP_PROTO_ICMP : IP_PROTO_ICMPV6;
}

size_t inner_build(uint8_t *out, const struct inner *in)
{
	size_t header = header_len(in->src.family), len = header + L4_LEN + PAYLOAD_MIN;
	if (in->size > len)
		len = in->size;
	struct writer w = writer_of(out, INNER_MAX);
	uint8_t proto = proto_of(in);
	write_header(&w, in, proto, len);
	write_l4(&w, in, proto, len - header);
	write_bytes(&w, INNER_MAGIC, 8);
	write_u32(&w, in->flow);
	write_u32(&w, in->seq);
	for (size_t i = writer_len(&w); i < len; i++)
		out[i] = filler(in, i);
	uint8_t *l4 = out + header;
	uint16_t sum = proto == IP_PROTO_ICMP
		? ip_checksum(l4, len - header)
		: ip_checksum_transport(&in->src, &in->dst, proto, l4, len - header);
	store_u16(l4 + (proto == IP_PROTO_UDP ? 6 : 2),
		sum == 0 && proto == IP_PROTO_UDP ? 0xFFFF : sum);
	return len;
}

static const char *parse_payload(const uint8_t *ip, size_t len, size_t at, struct inner *out)
{
	struct reader r = reader_of(ip + at, len - at);
	const uint8_t *magic = read_bytes(&r, 8);
	out->flow = read_u32(&r);
	out->seq = read_u32(&r);
	if (r.failed || memcmp(magic, INNER_MAGIC, 8) != 0)
		return "payload is not ours";
	for (size_t i = at + PAYLOAD_MIN; i < len; i++)
		if (ip[i] != filler(out, i))
			return "payload is damaged";
	return NULL;
}

static const char *parse_icmp(const uint8_t *l4, struct inner *out)
{
	bool v4 = out->src.family == 4;
	out->icmp_type = l4[0];
	out->icmp_code = l4[1];
	if (l4[0] == (v4 ? 8 : 128))
		out->kind = INNER_ECHO;
	else if (l4[0] == (v4 ? 0 : 129))
		out->kind = INNER_ECHO_REPLY;
	else if (v4 ? l4[0] == 3 || l4[0] == 11 : l4[0] >= 1 && l4[0] <= 3)
		out->kind = INNER_ERROR;
	else
		return "unexpected ICMP type";
	return NULL;
}

const char *inner_parse(const uint8_t *ip, size_t len, struct inner *out)
{
	struct ip_view v;
	if (ip_peek(ip, len, &v) < 0 || v.total_len != len)
		return "no IP packet";
	*out = (struct inner){.src = v.src, .dst = v.dst, .ttl = v.ttl, .size = (uint16_t)len};
	if (v.version == 4 && ip_checksum(ip, v.hdr_len) != 0)
		return "IPv4 header checksum";
	const uint8_t *l4 = ip + v.hdr_len;
	size_t l4_len = len - v.hdr_len;
	if (l4_len < L4_LEN)
		return "short transport header";
	uint16_t sum = v.proto == IP_PROTO_ICMP
		? ip_checksum(l4, l4_len)
		: ip_checksum_transport(&v.src, &v.dst, v.proto, l4, l4_len);
	if (sum != 0)
		return "transport checksum";
	if (v.proto == IP_PROTO_UDP) {
		out->kind = INNER_UDP;
	} else if (v.proto == (v.version == 4 ? IP_PROTO_ICMP : IP_PROTO_ICMPV6)) {
		const char *wrong = parse_icmp(l4, out);
		if (wrong || out->kind == INNER_ERROR)
			return wrong;
	} else {
		return "unexpected protocol";
	}
	return parse_payload(ip, len, (size_t)(v.hdr_len + L4_LEN), out);
}
