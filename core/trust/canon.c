#include "core/trust/canon.h"

#include "core/base/err.h"

#include <stdlib.h>
#include <string.h>

#define EXTENSION_CRITICAL 0x80

bool canon_ascends(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
	return order < 0 || (order == 0 && a_len < b_len);
}

static size_t net_size(enum canon_net kind, uint8_t family, uint8_t plen)
{
	return kind == CANON_ADDRESS ? addr_size(family) : (plen + 7U) / 8;
}

/* Nobody on the overlay can own what never leaves a host or a link. */
static bool net_valid(enum canon_net kind, const struct prefix *net)
{
	const struct ip_addr *a = &net->addr;
	if (a->family == 6 && addr_is_link_local(a))
		return false;
	if (kind == CANON_ADDRESS)
		return net->len > 0 && addr_is_unicast(a);
	struct prefix masked = prefix_masked(*net);
	return prefix_equal(&masked, net) && !addr_is_multicast(a) && !addr_is_loopback(a);
}

static int read_net(struct reader *r, enum canon_net kind, struct prefix *out)
{
	*out = (struct prefix){0};
	out->addr.family = read_u8(r);
	out->len = read_u8(r);
	if (r->failed)
		return ERR_TRUNCATED;
	if (addr_size(out->addr.family) == 0 || out->len > addr_bits(out->addr.family))
		return ERR_MALFORMED;
	read_copy(r, out->addr.bytes, net_size(kind, out->addr.family, out->len));
	if (r->failed)
		return ERR_TRUNCATED;
	return net_valid(kind, out) ? 0 : ERR_MALFORMED;
}

int canon_read_nets(
	struct reader *r, enum canon_net kind, struct prefix *out, uint8_t *n, uint8_t max)
{
	const uint8_t *last = NULL;
	size_t last_len = 0;

	*n = read_u8(r);
	if (*n > max) {
		*n = 0;
		return ERR_MALFORMED;
	}
	for (uint8_t i = 0; i < *n; i++) {
		const uint8_t *start = r->at;
		int err = read_net(r, kind, &out[i]);
		if (err)
			return err;
		size_t len = (size_t)(r->at - start);
		if (last && !canon_ascends(last, last_len, start, len))
			return ERR_MALFORMED;
		last = start;
		last_len = len;
	}
	return r->failed ? ERR_TRUNCATED : 0;
}

void canon_write_nets(struct writer *w, enum canon_net kind, const struct prefix *nets, uint8_t n)
{
	write_u8(w, n);
	for (uint8_t i = 0; i < n; i++) {
		write_u8(w, nets[i].addr.family);
		write_u8(w, nets[i].len);
		size_t size = net_size(kind, nets[i].addr.family, nets[i].len);
		write_bytes(w, nets[i].addr.bytes, size < 16 ? size : 16);
	}
}

static int compare_nets(const void *a, const void *b)
{
	const struct prefix *x = a, *y = b;
	if (x->addr.family != y->addr.family)
		return x->addr.family - y->addr.family;
	if (x->len != y->len)
		return x->len - y->len;
	return memcmp(x->addr.bytes, y->addr.bytes, sizeof x->addr.bytes);
}

void canon_sort_nets(struct prefix *nets, uint8_t *n)
{
	uint8_t kept = 0;
	qsort(nets, *n, sizeof *nets, compare_nets);
	for (uint8_t i = 0; i < *n; i++)
		if (kept == 0 || !prefix_equal(&nets[kept - 1], &nets[i]))
			nets[kept++] = nets[i];
	*n = kept;
}

bool canon_same_nets(const struct prefix *a, const struct prefix *b, uint8_t n)
{
	for (uint8_t i = 0; i < n; i++)
		if (!prefix_equal(&a[i], &b[i]))
			return false;
	return true;
}

int canon_read_text(struct reader *r, char *out, size_t max)
{
	uint8_t len = read_u8(r);
	out[0] = '\0';
	if (r->failed)
		return ERR_TRUNCATED;
	if (len == 0 || len > max)
		return ERR_MALFORMED;
	read_copy(r, out, len);
	out[len] = '\0';
	if (r->failed)
		return ERR_TRUNCATED;
	return strlen(out) == len ? 0 : ERR_MALFORMED;
}

void canon_write_text(struct writer *w, const char *text)
{
	size_t len = strlen(text);
	write_u8(w, (uint8_t)len);
	write_bytes(w, text, len);
}

int canon_skip_extensions(struct reader *r, uint16_t *ext_len)
{
	const uint8_t *last = NULL;
	size_t last_len = 0;

	*ext_len = read_u16(r);
	struct reader ext = read_sub(r, *ext_len);
	while (!ext.failed && reader_left(&ext) > 0) {
		const uint8_t *start = ext.at;
		uint8_t type = read_u8(&ext);
		uint8_t zero = read_u8(&ext);
		read_bytes(&ext, read_u16(&ext));
		if (ext.failed || zero != 0)
			return ERR_MALFORMED;
		if (type & EXTENSION_CRITICAL)
			return ERR_VERSION;
		size_t len = (size_t)(ext.at - start);
		if (last && !canon_ascends(last, last_len, start, len))
			return ERR_MALFORMED;
		last = start;
		last_len = len;
	}
	return r->failed ? ERR_TRUNCATED : 0;
}
