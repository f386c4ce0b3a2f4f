#include "core/wire/icmp.h"
#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/wire/ip.h"

#include <string.h>

#define ICMP_HDR_LEN 8
#define ICMP_TTL     64
#define ICMP_TOS     0xC0 /* internetwork control, RFC 1812 s.4.3.2.5 */

#define ICMP6_REDIRECT 137

struct icmp_code {
	uint8_t type, code;
};

static struct icmp_code code_of(enum icmp_kind kind, uint8_t version)
{
	static const struct icmp_code v4[] = {
		[ICMP_TIME_EXCEEDED] = {11, 0},
		[ICMP_TOO_BIG] = {3, 4},
		[ICMP_NET_UNREACHABLE] = {3, 0},
		[ICMP_HOST_UNREACHABLE] = {3, 1},
		[ICMP_ADMIN_PROHIBITED] = {3, 13},
	};
	static const struct icmp_code v6[] = {
		[ICMP_TIME_EXCEEDED] = {3, 0},
		[ICMP_TOO_BIG] = {2, 0},
		[ICMP_NET_UNREACHABLE] = {1, 0},
		[ICMP_HOST_UNREACHABLE] = {1, 3},
		[ICMP_ADMIN_PROHIBITED] = {1, 1},
	};
	return version == 4 ? v4[kind] : v6[kind];
}

/* The ICMPv4 messages that report errors; redirects are among them (RFC 1122 s.3.2.2). */
static bool is_icmp4_error(uint8_t type)
{
	return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

static bool is_icmp6_error(uint8_t type)
{
	return type < 128 || type == ICMP6_REDIRECT;
}

/* RFC 1812 s.4.3.2.7, RFC 4443 s.2.4(e). */
static bool may_report(const uint8_t *orig, const struct ip_view *view)
{
	uint8_t proto;
	size_t offset;
	if (!addr_is_unicast(&view->src) || addr_is_multicast(&view->dst) ||
		addr_is_broadcast(&view->dst))
		return false;
	/* Also false when the upper protocol cannot be found, and so might be ICMP. */
	if (!ip_transport(orig, view->total_len, &proto, &offset))
		return false;
	bool icmp4 = view->version == 4 && proto == IP_PROTO_ICMP;
	bool icmp6 = view->version == 6 && proto == IP_PROTO_ICMPV6;
	if (!icmp4 && !icmp6)
		return true;
	if (offset >= view->total_len)
		return false;
	return icmp4 ? !is_icmp4_error(orig[offset]) : !is_icmp6_error(orig[offset]);
}

static void write_ip4(uint8_t *ip, size_t len, const struct ip_addr *src, const struct ip_addr *dst)
{
	memset(ip, 0, IP4_HDR_LEN);
	ip[0] = 0x45;
	ip[1] = ICMP_TOS;
	store_u16(ip + IP4_LENGTH, (uint16_t)len);
	store_u16(ip + IP4_FRAGMENT, IP4_DF);
	ip[IP4_TTL] = ICMP_TTL;
	ip[IP4_PROTOCOL] = IP_PROTO_ICMP;
	memcpy(ip + IP4_SOURCE, src->bytes, 4);
	memcpy(ip + IP4_DESTINATION, dst->bytes, 4);
	store_u16(ip + IP4_CHECKSUM, ip_checksum(ip, IP4_HDR_LEN));
}

static void write_ip6(uint8_t *ip, size_t len, const struct ip_addr *src, const struct ip_addr *dst)
{
	memset(ip, 0, IP6_HDR_LEN);
	ip[0] = 0x60;
	ip_set_tos(ip, ICMP_TOS);
	store_u16(ip + IP6_LENGTH, (uint16_t)(len - IP6_HDR_LEN));
	ip[IP6_NEXT] = IP_PROTO_ICMPV6;
	ip[IP6_HOPS] = ICMP_TTL;
	memcpy(ip + IP6_SOURCE, src->bytes, 16);
	memcpy(ip + IP6_DESTINATION, dst->bytes, 16);
}

int icmp_error(uint8_t *out, size_t cap, const uint8_t *orig, size_t orig_len, enum icmp_kind kind,
	uint32_t mtu, const struct ip_addr *source)
{
	struct ip_view view;
	int rc = ip_peek(orig, orig_len, &view);
	if (rc < 0)
		return rc;
	if (source->family != view.version || addr_is_unspecified(source))
		return ERR_UNSUPPORTED;
	if (!may_report(orig, &view))
		return ERR_FORBIDDEN;
	bool v4 = view.version == 4;
	size_t hdr_len = v4 ? IP4_HDR_LEN : IP6_HDR_LEN;
	size_t max = v4 ? ICMP4_ERROR_MAX : ICMP6_ERROR_MAX;
	size_t quoted = max - hdr_len - ICMP_HDR_LEN;
	if (quoted > view.total_len)
		quoted = view.total_len;
	size_t len = hdr_len + ICMP_HDR_LEN + quoted;
	if (cap < len)
		return ERR_NO_SPACE;

	/* The quotation first: out may be where orig is. */
	uint8_t *icmp = out + hdr_len;
	memmove(icmp + ICMP_HDR_LEN, orig, quoted);
	struct icmp_code code = code_of(kind, view.version);
	memset(icmp, 0, ICMP_HDR_LEN);
	icmp[0] = code.type;
	icmp[1] = code.code;
	if (kind == ICMP_TOO_BIG && v4)
		store_u16(icmp + 6, (uint16_t)(mtu < UINT16_MAX ? mtu : UINT16_MAX));
	else if (kind == ICMP_TOO_BIG)
		store_u32(icmp + 4, mtu);
	if (v4) {
		write_ip4(out, len, source, &view.src);
		store_u16(icmp + 2, ip_checksum(icmp, len - hdr_len));
	} else {
		write_ip6(out, len, source, &view.src);
		store_u16(icmp + 2,
			ip_checksum_transport(
				source, &view.src, IP_PROTO_ICMPV6, icmp, len - hdr_len));
	}
	return (int)len;
}
