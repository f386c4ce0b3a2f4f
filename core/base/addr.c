#include "core/base/addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int addr_compare(const struct ip_addr *a, const struct ip_addr *b)
{
	return memcmp(a, b, sizeof *a);
}

bool addr_is_multicast(const struct ip_addr *a)
{
	return a->family == 4 ? (a->bytes[0] & 0xf0) == 0xe0
			      : a->family == 6 && a->bytes[0] == 0xff;
}

bool addr_is_loopback(const struct ip_addr *a)
{
	static const uint8_t loopback6[16] = {[15] = 1};
	static const uint8_t mapped_loopback[13] = {[10] = 0xff, [11] = 0xff, [12] = 127};
	if (a->family == 4)
		return a->bytes[0] == 127;
	return a->family == 6 &&
		(memcmp(a->bytes, loopback6, 16) == 0 ||
			memcmp(a->bytes, mapped_loopback, sizeof mapped_loopback) == 0);
}

bool addr_is_link_local(const struct ip_addr *a)
{
	if (a->family == 4)
		return a->bytes[0] == 169 && a->bytes[1] == 254;
	return a->family == 6 && a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

bool addr_is_unspecified(const struct ip_addr *a)
{
	static const uint8_t zero[16];
	return addr_size(a->family) == 0 || memcmp(a->bytes, zero, sizeof zero) == 0;
}

bool addr_is_broadcast(const struct ip_addr *a)
{
	return a->family == 4 && memcmp(a->bytes, "\xff\xff\xff\xff", 4) == 0;
}

bool addr_is_private(const struct ip_addr *a)
{
	const uint8_t *b = a->bytes;
	if (a->family == 4)
		return b[0] == 10 || (b[0] == 172 && (b[1] & 0xf0) == 16) ||
			(b[0] == 192 && b[1] == 168) || (b[0] == 100 && (b[1] & 0xc0) == 64);
	return a->family == 6 && (b[0] & 0xfe) == 0xfc;
}

bool addr_is_unicast(const struct ip_addr *a)
{
	if (addr_size(a->family) == 0 || addr_is_multicast(a) || addr_is_loopback(a) ||
		addr_is_unspecified(a))
		return false;
	return a->family == 6 || (a->bytes[0] != 0 && a->bytes[0] < 240);
}

bool prefix_contains(const struct prefix *p, const struct ip_addr *a)
{
	if (p->addr.family != a->family)
		return false;
	size_t whole = p->len / 8;
	if (memcmp(p->addr.bytes, a->bytes, whole) != 0)
		return false;
	uint8_t mask = (uint8_t)(0xff00 >> (p->len % 8));
	return p->len % 8 == 0 || ((p->addr.bytes[whole] ^ a->bytes[whole]) & mask) == 0;
}

bool prefix_covers(const struct prefix *outer, const struct prefix *inner)
{
	return outer->len <= inner->len && prefix_contains(outer, &inner->addr);
}

bool prefix_equal(const struct prefix *a, const struct prefix *b)
{
	return a->len == b->len && addr_equal(&a->addr, &b->addr);
}

struct prefix prefix_masked(struct prefix p)
{
	for (size_t i = 0; i < addr_size(p.addr.family); i++) {
		int keep = (int)p.len - (int)i * 8;
		if (keep <= 0)
			p.addr.bytes[i] = 0;
		else if (keep < 8)
			p.addr.bytes[i] &= (uint8_t)(0xff00 >> keep);
	}
	return p;
}

struct prefix prefix_host(const struct ip_addr *a)
{
	return (struct prefix){.addr = *a, .len = addr_bits(a->family)};
}

const char *addr_format(const struct ip_addr *a, char *buf)
{
	if (addr_size(a->family) == 0)
		return strcpy(buf, "-");
	inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->bytes, buf, ADDR_TEXT_MAX);
	return buf;
}

const char *prefix_format(const struct prefix *p, char *buf)
{
	addr_format(&p->addr, buf);
	size_t len = strlen(buf);
	snprintf(buf + len, PREFIX_TEXT_MAX - len, "/%u", p->len);
	return buf;
}

const char *endpoint_format(const struct endpoint *e, char *buf)
{
	char text[ADDR_TEXT_MAX];
	addr_format(&e->addr, text);
	snprintf(buf, ENDPOINT_TEXT_MAX, e->addr.family == 6 ? "[%s]:%u" : "%s:%u", text, e->port);
	return buf;
}

bool addr_parse(const char *text, struct ip_addr *out)
{
	*out = (struct ip_addr){0};
	bool v6 = strchr(text, ':') != NULL;
	if (inet_pton(v6 ? AF_INET6 : AF_INET, text, out->bytes) != 1)
		return false;
	out->family = v6 ? 6 : 4;
	return true;
}

static bool parse_number(const char *text, unsigned max, unsigned *out)
{
	*out = 0;
	if (!*text || strlen(text) > 5)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		*out = *out * 10 + (unsigned)(*text - '0');
	}
	return *out <= max;
}

bool prefix_parse(const char *text, struct prefix *out)
{
	char copy[PREFIX_TEXT_MAX];
	if (strlen(text) >= sizeof copy)
		return false;
	strcpy(copy, text);
	char *slash = strchr(copy, '/');
	if (slash)
		*slash = '\0';
	if (!addr_parse(copy, &out->addr))
		return false;
	unsigned len = addr_bits(out->addr.family);
	if (slash && !parse_number(slash + 1, len, &len))
		return false;
	out->len = (uint8_t)len;
	return true;
}

bool endpoint_parse(const char *text, uint16_t default_port, struct endpoint *out)
{
	char copy[ENDPOINT_TEXT_MAX];
	if (strlen(text) >= sizeof copy)
		return false;
	strcpy(copy, text);
	char *host = copy, *port = NULL;
	if (*copy == '[') {
		char *bracket = strchr(copy, ']');
		if (!bracket || (bracket[1] && bracket[1] != ':'))
			return false;
		host = copy + 1;
		port = bracket[1] ? bracket + 2 : NULL;
		*bracket = '\0';
	} else {
		char *colon = strchr(copy, ':');
		if (colon && !strchr(colon + 1, ':')) { /* two colons: a bare IPv6 address */
			*colon = '\0';
			port = colon + 1;
		}
	}
	unsigned number = default_port;
	if (!addr_parse(host, &out->addr) || (port && !parse_number(port, 65535, &number)))
		return false;
	out->port = (uint16_t)number;
	return true;
}
