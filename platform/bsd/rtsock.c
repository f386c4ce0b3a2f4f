#include "platform/bsd/rtsock.h"

#include <string.h>

/*
 * Offsets that all systems share: struct rt_msghdr, if_msghdr, ifa_msghdr and if_announcemsghdr begin
 * with length u16, version u8, type u8.
 */
#define MSG_VERSION     2
#define MSG_TYPE        3
#define MSG_COMMON      4
#define ROUTE_INDEX     4
#define ROUTE_FLAGS     8
#define ROUTE_ADDRS     12
#define ROUTE_PID       16
#define ROUTE_SEQ       20
#define ROUTE_ERRNO     24
#define ROUTE_FIXED     28
#define LINK_ADDRS      4 /* of addresses, too */
#define LINK_FLAGS      8
#define LINK_INDEX      12
#define ANNOUNCE_INDEX  4
#define ANNOUNCE_NAME   6
#define ANNOUNCE_WHAT   22
#define ANNOUNCE_LEN    24
#define ANNOUNCE_LEAVES 1

#define IFF_UP_BIT 1

/* sockaddrs: length u8, family u8, then */
#define SA_LEN      0
#define SA_FAMILY   1
#define SA_ADDRESS4 4
#define SA_ADDRESS6 8
#define SIN_LEN     16
#define SIN6_LEN    28
#define SDL_INDEX   2
#define SDL_NAMELEN 5
#define SDL_NAME    8
#define AF_INET4    2
#define AF_LINKS    18

enum { /* RTA_*: which sockaddrs there are, by bit */
	RTA_DST_BIT,
	RTA_GATEWAY_BIT,
	RTA_NETMASK_BIT,
	RTA_GENMASK_BIT,
	RTA_IFP_BIT,
	RTA_IFA_BIT,
	RTA_BITS = 8,
};

/* RTF_*: multicast; macOS: neighbours, what was cloned from a route, scoped to one interface. */
#define FLAG_MULTICAST 0x800000
#define MACOS_LLINFO   0x400
#define MACOS_CLONED   0x20000
#define MACOS_SCOPED   0x1000000
#define FREEBSD_LLDATA 0x400

const struct rtsock_abi rtsock_macos = {
	.version = 5,
	.round = 4,
	.af_inet6 = 30,
	.route_len = 92,
	.address_len = 20,
	.link_len = 112,
	.link_mtu = 24,
	.skip_flags = FLAG_MULTICAST | MACOS_LLINFO | MACOS_CLONED | MACOS_SCOPED,
	.link_sockaddr = 20,
};

const struct rtsock_abi rtsock_freebsd = {
	.version = 5,
	.round = 8,
	.announces_links = true,
	.af_inet6 = 28,
	.route_len = 152,
	.address_len = 20,
	.link_len = 168,
	.link_mtu = 24,
	.skip_flags = FLAG_MULTICAST | FREEBSD_LLDATA,
	.link_sockaddr = 54,
};

static uint16_t get16(const uint8_t *p)
{
	uint16_t v;
	memcpy(&v, p, sizeof v);
	return v;
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof v);
	return v;
}

static void put16(uint8_t *p, uint16_t v)
{
	memcpy(p, &v, sizeof v);
}

static void put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof v);
}

/* ---- Sockaddrs -------------------------------------------------------------------------------- */

struct sockaddrs {
	const uint8_t *v[RTA_BITS]; /* NULL = absent */
	uint8_t len[RTA_BITS];      /* as it says of itself, and no longer than what is there */
};

/* One without a length takes up a place all the same: it is the mask of a default route. */
static size_t rounded(const struct rtsock_abi *abi, size_t len)
{
	return len == 0 ? abi->round : (len + abi->round - 1) / abi->round * abi->round;
}

static bool collect(const struct rtsock_abi *abi, const uint8_t *at, size_t left, uint32_t addrs,
	struct sockaddrs *out)
{
	memset(out, 0, sizeof *out);
	for (unsigned bit = 0; bit < RTA_BITS; bit++) {
		if (!(addrs & (1u << bit)))
			continue;
		if (left == 0 || at[SA_LEN] > left)
			return false;
		out->v[bit] = at;
		out->len[bit] = at[SA_LEN];
		size_t step = rounded(abi, at[SA_LEN]);
		if (step > left)
			step = left; /* the last one may end without its padding */
		at += step;
		left -= step;
	}
	return true;
}

static uint8_t family_of(const struct rtsock_abi *abi, const struct sockaddrs *s, unsigned bit)
{
	if (!s->v[bit] || s->len[bit] < 2)
		return 0;
	uint8_t family = s->v[bit][SA_FAMILY];
	return family == AF_INET4 ? 4 : family == abi->af_inet6 ? 6 : 0;
}

/*
 * The bytes of an address of this family; those that the sockaddr does not reach are zero. The kernel
 * keeps a link-local address's interface in its second two bytes.
 */
static struct ip_addr address_of(const struct sockaddrs *s, unsigned bit, uint8_t family)
{
	struct ip_addr a = {.family = family};
	size_t offset = family == 4 ? SA_ADDRESS4 : SA_ADDRESS6;
	size_t there = s->len[bit] > offset ? s->len[bit] - offset : 0;
	memcpy(a.bytes, s->v[bit] + offset, there < addr_size(family) ? there : addr_size(family));
	if (family == 6 && addr_is_link_local(&a))
		a.bytes[2] = a.bytes[3] = 0;
	return a;
}

/* Masks are cut behind their last byte that is not zero, and their family may be anything. */
static bool mask_length(const struct sockaddrs *s, uint8_t family, uint8_t *out)
{
	struct ip_addr mask = address_of(s, RTA_NETMASK_BIT, family);
	uint8_t bits = 0;
	while (bits < addr_bits(family) && mask.bytes[bits / 8] & (0x80 >> bits % 8))
		bits++;
	struct prefix rest = {.addr = mask, .len = bits};
	for (unsigned i = bits; i < addr_bits(family); i++)
		if (rest.addr.bytes[i / 8] & (0x80 >> i % 8))
			return false; /* holes */
	*out = bits;
	return true;
}

static bool get_name(const struct sockaddrs *s, unsigned bit, char out[16])
{
	const uint8_t *dl = s->v[bit];
	if (!dl || s->len[bit] < SDL_NAME || dl[SA_FAMILY] != AF_LINKS)
		return false;
	size_t len = dl[SDL_NAMELEN];
	if (len > 15 || SDL_NAME + len > s->len[bit])
		return false;
	memcpy(out, dl + SDL_NAME, len);
	out[len] = '\0';
	return true;
}

/* ---- Messages --------------------------------------------------------------------------------- */

static bool parse_route(
	const struct rtsock_abi *abi, const uint8_t *msg, size_t len, struct rtsock_message *out)
{
	struct sockaddrs s;
	if (len < abi->route_len)
		return false;
	out->ifindex = get16(msg + ROUTE_INDEX);
	out->flags = get32(msg + ROUTE_FLAGS);
	out->pid = (int32_t)get32(msg + ROUTE_PID);
	out->seq = (int32_t)get32(msg + ROUTE_SEQ);
	out->error = (int32_t)get32(msg + ROUTE_ERRNO);
	if (!collect(abi, msg + abi->route_len, len - abi->route_len, get32(msg + ROUTE_ADDRS), &s))
		return false;
	uint8_t family = family_of(abi, &s, RTA_DST_BIT);
	if (family == 0)
		return false;
	out->prefix = (struct prefix){
		.addr = address_of(&s, RTA_DST_BIT, family), .len = addr_bits(family)};
	if (!(out->flags & RTSOCK_HOST) && s.v[RTA_NETMASK_BIT] &&
		!mask_length(&s, family, &out->prefix.len))
		return false;
	out->prefix = prefix_masked(out->prefix);
	/* With the flag the next hop; without it the interface, or the address that we have there. */
	uint8_t hop = family_of(abi, &s, RTA_GATEWAY_BIT);
	if (out->flags & RTSOCK_GATEWAY && hop != 0)
		out->gateway = address_of(&s, RTA_GATEWAY_BIT, hop);
	return true;
}

static bool parse_address(
	const struct rtsock_abi *abi, const uint8_t *msg, size_t len, struct rtsock_message *out)
{
	struct sockaddrs s;
	if (len < abi->address_len)
		return false;
	out->ifindex = get16(msg + LINK_INDEX);
	if (!collect(abi, msg + abi->address_len, len - abi->address_len, get32(msg + LINK_ADDRS),
		    &s))
		return false;
	uint8_t family = family_of(abi, &s, RTA_IFA_BIT);
	if (family == 0)
		return false;
	out->prefix = (struct prefix){
		.addr = address_of(&s, RTA_IFA_BIT, family), .len = addr_bits(family)};
	return !s.v[RTA_NETMASK_BIT] || mask_length(&s, family, &out->prefix.len);
}

static bool parse_link(
	const struct rtsock_abi *abi, const uint8_t *msg, size_t len, struct rtsock_message *out)
{
	struct sockaddrs s;
	if (len < abi->link_len)
		return false;
	out->ifindex = get16(msg + LINK_INDEX);
	out->up = get32(msg + LINK_FLAGS) & IFF_UP_BIT;
	out->mtu = get32(msg + abi->link_mtu);
	if (collect(abi, msg + abi->link_len, len - abi->link_len, get32(msg + LINK_ADDRS), &s))
		get_name(&s, RTA_IFP_BIT, out->name);
	return true;
}

static bool parse_announcement(
	const struct rtsock_abi *abi, const uint8_t *msg, size_t len, struct rtsock_message *out)
{
	if (!abi->announces_links || len < ANNOUNCE_LEN)
		return false;
	out->ifindex = get16(msg + ANNOUNCE_INDEX);
	memcpy(out->name, msg + ANNOUNCE_NAME, sizeof out->name - 1);
	out->gone = get16(msg + ANNOUNCE_WHAT) == ANNOUNCE_LEAVES;
	return true;
}

bool rtsock_parse(const struct rtsock_abi *abi, const void *data, size_t len, size_t *used,
	struct rtsock_message *out)
{
	const uint8_t *msg = data;
	*out = (struct rtsock_message){0};
	*used = 0;
	if (len < MSG_COMMON || get16(msg) < MSG_COMMON || get16(msg) > len)
		return false;
	*used = len = get16(msg);
	if (msg[MSG_VERSION] != abi->version)
		return false;
	out->type = msg[MSG_TYPE];
	switch (out->type) {
	case RTSOCK_ROUTE_ADD:
	case RTSOCK_ROUTE_DELETE:
	case RTSOCK_ROUTE_CHANGE:
	case RTSOCK_ROUTE_GET:
		return parse_route(abi, msg, len, out);
	case RTSOCK_ADDRESS_NEW:
	case RTSOCK_ADDRESS_DELETE:
		return parse_address(abi, msg, len, out);
	case RTSOCK_LINK:
		return parse_link(abi, msg, len, out);
	case RTSOCK_LINK_COMES_OR_GOES:
		return parse_announcement(abi, msg, len, out);
	default:
		return false;
	}
}

bool rtsock_kernel_route(
	const struct rtsock_abi *abi, const struct rtsock_message *m, struct kernel_route *out)
{
	const struct ip_addr *a = &m->prefix.addr;
	if (m->flags & abi->skip_flags || m->error != 0 || addr_is_multicast(a) ||
		(a->family == 6 && addr_is_link_local(a)))
		return false;
	bool reject = m->flags & (RTSOCK_REJECT | RTSOCK_BLACKHOLE);
	bool local = m->flags & (RTSOCK_LOCAL | RTSOCK_BROADCAST);
	*out = (struct kernel_route){
		.prefix = m->prefix,
		.gateway = m->gateway,
		.ifindex = reject ? 0 : m->ifindex,
		.protocol = m->flags & RTSOCK_OURS ? ROUTE_PROTOCOL_WARREN : 0,
		.kind = reject  ? ROUTE_REJECT
			: local ? ROUTE_LOCAL
				: ROUTE_UNICAST,
	};
	return true;
}

/* ---- Requests --------------------------------------------------------------------------------- */

struct request {
	uint8_t *bytes;
	size_t len, cap;
};

/* Room for a sockaddr of this length behind the others; NULL when there is none. */
static uint8_t *add(const struct rtsock_abi *abi, struct request *r, uint8_t len, uint8_t family)
{
	size_t step = rounded(abi, len);
	if (r->len + step > r->cap)
		return NULL;
	uint8_t *at = r->bytes + r->len;
	memset(at, 0, step);
	at[SA_LEN] = len;
	at[SA_FAMILY] = family;
	r->len += step;
	return at;
}

static bool add_address(
	const struct rtsock_abi *abi, struct request *r, uint8_t family, const uint8_t *bytes)
{
	uint8_t *at =
		family == 4 ? add(abi, r, SIN_LEN, AF_INET4) : add(abi, r, SIN6_LEN, abi->af_inet6);
	if (at)
		memcpy(at + (family == 4 ? SA_ADDRESS4 : SA_ADDRESS6), bytes, addr_size(family));
	return at;
}

static bool add_link(const struct rtsock_abi *abi, struct request *r, uint32_t ifindex)
{
	uint8_t *at = add(abi, r, (uint8_t)abi->link_sockaddr, AF_LINKS);
	if (at)
		put16(at + SDL_INDEX, (uint16_t)ifindex);
	return at;
}

static bool add_mask(const struct rtsock_abi *abi, struct request *r, const struct prefix *p)
{
	uint8_t mask[16] = {0};
	for (unsigned i = 0; i < p->len; i++)
		mask[i / 8] |= (uint8_t)(0x80 >> i % 8);
	return add_address(abi, r, p->addr.family, mask);
}

size_t rtsock_build_route(const struct rtsock_abi *abi, enum rtsock_type type, bool ours,
	int32_t seq, const struct prefix *prefix, const struct ip_addr *gateway, uint32_t ifindex,
	void *out, size_t cap)
{
	struct request r = {.bytes = out, .len = abi->route_len, .cap = cap};
	bool by_gateway = gateway && gateway->family != 0;
	bool host = prefix->len == addr_bits(prefix->addr.family);
	if (cap < abi->route_len || ifindex > UINT16_MAX)
		return 0;
	memset(r.bytes, 0, abi->route_len);
	bool fits = add_address(abi, &r, prefix->addr.family, prefix->addr.bytes) &&
		(by_gateway ? add_address(abi, &r, gateway->family, gateway->bytes)
			    : add_link(abi, &r, ifindex)) &&
		(host || add_mask(abi, &r, prefix));
	if (!fits)
		return 0;
	put16(r.bytes, (uint16_t)r.len);
	r.bytes[MSG_VERSION] = abi->version;
	r.bytes[MSG_TYPE] = (uint8_t)type;
	put16(r.bytes + ROUTE_INDEX, (uint16_t)ifindex);
	put32(r.bytes + ROUTE_FLAGS,
		RTSOCK_UP | RTSOCK_STATIC | (ours ? RTSOCK_OURS : 0) |
			(by_gateway ? RTSOCK_GATEWAY : 0) | (host ? RTSOCK_HOST : 0));
	put32(r.bytes + ROUTE_ADDRS,
		1u << RTA_DST_BIT | 1u << RTA_GATEWAY_BIT | (host ? 0 : 1u << RTA_NETMASK_BIT));
	put32(r.bytes + ROUTE_SEQ, (uint32_t)seq);
	return r.len;
}
