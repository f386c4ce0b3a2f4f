/*
 * Addresses, prefixes and endpoints as text: what parses is written and parses to the same again; what is
 * written is the one canonical form. Byte 0: the rest is text, or an address in binary to write.
 */
#include "core/base/addr.h"
#include "test/fuzz/fuzz.h"

#include <string.h>

#define TEXT_MAX 80

static void check_addr(const struct ip_addr *a)
{
	char text[ADDR_TEXT_MAX], again[ADDR_TEXT_MAX];
	struct ip_addr b;
	must(addr_size(a->family) != 0);
	must(addr_parse(addr_format(a, text), &b) && addr_equal(a, &b));
	must(strcmp(addr_format(&b, again), text) == 0);
	must(memcmp(a, &b, sizeof b) == 0); /* as addr.h promises */
	must(addr_compare(a, &b) == 0);
	must(!addr_is_unicast(a) ||
		!(addr_is_multicast(a) || addr_is_loopback(a) || addr_is_broadcast(a) ||
			addr_is_unspecified(a)));
}

static void check_prefix(const struct prefix *p)
{
	char text[PREFIX_TEXT_MAX];
	struct prefix q, masked = prefix_masked(*p), host = prefix_host(&p->addr);
	must(p->len <= addr_bits(p->addr.family));
	must(prefix_parse(prefix_format(p, text), &q) && prefix_equal(p, &q));
	must(prefix_contains(&masked, &p->addr) && prefix_covers(&masked, &host));
	must(prefix_covers(&masked, &masked));
	struct prefix twice = prefix_masked(masked);
	must(prefix_equal(&masked, &twice));
}

static void check_text(const char *text)
{
	char out[ENDPOINT_TEXT_MAX];
	struct ip_addr a;
	struct prefix p;
	struct endpoint e, f;
	bool is_addr = addr_parse(text, &a);
	if (is_addr)
		check_addr(&a);
	if (prefix_parse(text, &p))
		check_prefix(&p);
	else
		must(!is_addr);
	if (endpoint_parse(text, 4754, &e)) {
		check_addr(&e.addr);
		must(endpoint_parse(endpoint_format(&e, out), 1, &f) && endpoint_equal(&e, &f));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[TEXT_MAX];
	if (size == 0 || size > sizeof text)
		return 0;
	if (data[0] == 0xff) {
		uint8_t bytes[18] = {0};
		memcpy(bytes, data + 1, size - 1 < sizeof bytes ? size - 1 : sizeof bytes);
		struct prefix p = {.addr = addr_from_bytes(bytes[0] & 1 ? 4 : 6, bytes + 2)};
		p.len = (uint8_t)(bytes[1] % (addr_bits(p.addr.family) + 1));
		check_addr(&p.addr);
		check_prefix(&p);
		return 0;
	}
	memcpy(text, data, size);
	text[size - 1] = '\0';
	check_text(text);
	return 0;
}
