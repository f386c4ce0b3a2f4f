#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/wire/icmp.h"
#include "core/wire/ip.h"
#include "test/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

/* What an edit must not change: whether a checksum is right, or how wrong. 0xFFFF is the other zero. */
static uint16_t residue(uint16_t checksum)
{
	return checksum == 0xFFFF ? 0 : checksum;
}

static uint16_t transport_checksum(const uint8_t *ip, const struct ip_view *v, size_t offset)
{
	return residue(ip_checksum_transport(
		&v->src, &v->dst, IP_PROTO_TCP, ip + offset, v->total_len - offset));
}

static uint16_t header_checksum(const uint8_t *ip, const struct ip_view *v)
{
	return v->version == 4 ? residue(ip_checksum(ip, v->hdr_len)) : 0;
}

static void check_edits(uint8_t *ip, size_t len, const struct ip_view *v)
{
	struct ip_view now;
	uint16_t before = header_checksum(ip, v);
	must(ip_ttl_decrement(ip) == (v->ttl > 1));
	must(header_checksum(ip, v) == before);
	ip_set_tos(ip, (uint8_t)(v->tos ^ 0xA5));
	must(ip_tos(ip) == (v->tos ^ 0xA5) && header_checksum(ip, v) == before);
	for (uint8_t outer = 0; outer < 4; outer++) {
		int rc = ecn_decap(outer, ip);
		must(rc == 0 || (outer == IP_ECN_CE && (ip_tos(ip) & IP_ECN_MASK) == 0));
	}
	must(header_checksum(ip, v) == before && ip_peek(ip, len, &now) == 0);
	must(now.total_len == v->total_len && now.proto == v->proto && now.fragment == v->fragment);
}

static void check_clamp(uint8_t *ip, size_t len, const struct ip_view *v)
{
	uint8_t proto;
	size_t offset;
	bool tcp = ip_transport(ip, len, &proto, &offset) && proto == IP_PROTO_TCP;
	uint16_t before = tcp ? transport_checksum(ip, v, offset) : 0;
	if (!ip_mss_clamp(ip, len, 1400))
		return;
	must(tcp && !v->fragment && transport_checksum(ip, v, offset) == before);
	must(!ip_mss_clamp(ip, len, 1400));
}

static void check_icmp(const uint8_t *ip, size_t len, const struct ip_view *v, uint8_t kind)
{
	uint8_t out[ICMP6_ERROR_MAX];
	struct ip_addr source;
	struct ip_view error;
	addr_parse(v->version == 4 ? "10.0.0.1" : "fd00::1", &source);
	int n = icmp_error(out, sizeof out, ip, len, (enum icmp_kind)(kind % 5), 1280, &source);
	if (n < 0) {
		must(n == ERR_FORBIDDEN);
		return;
	}
	must(n <= (v->version == 4 ? ICMP4_ERROR_MAX : ICMP6_ERROR_MAX));
	must(ip_peek(out, (size_t)n, &error) == 0 && error.total_len == (uint32_t)n);
	must(addr_equal(&error.src, &source) && addr_equal(&error.dst, &v->src));
	if (v->version == 4)
		must(ip_checksum(out, 20) == 0 && ip_checksum(out + 20, (size_t)n - 20) == 0);
	else
		must(ip_checksum_transport(&error.src, &error.dst, IP_PROTO_ICMPV6, out + 40,
			     (size_t)n - 40) == 0);
	/* An error about the error must not happen. */
	must(icmp_error(out, sizeof out, out, (size_t)n, ICMP_TOO_BIG, 1280, &v->src) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t copy[4096];
	struct ip_view v;
	if (size > sizeof copy || ip_peek(data, size, &v) < 0)
		return 0;
	must(v.total_len <= size && v.hdr_len <= v.total_len);
	/* A copy on the heap of the packet's own length, so that reads behind it are seen. */
	uint8_t *exact = malloc(v.total_len);
	must(exact != NULL);
	memcpy(exact, data, v.total_len);
	check_icmp(exact, v.total_len, &v, v.ttl);
	check_clamp(exact, v.total_len, &v);
	memcpy(copy, data, size);
	check_edits(copy, size, &v);
	free(exact);
	return 0;
}
