#include "core/trust/cert.h"

#include "core/base/err.h"
#include "core/crypto/primitives.h"
#include "core/trust/canon.h"

#include <stdlib.h>
#include <string.h>

#define CERT_VERSION 1
#define CERT_ROLES   (CERT_HUB | CERT_SPOKE | CERT_DEFAULT)
#define BODY_MAX     (CERT_MAX - CERT_SIGNATURE_SIZE)
#define LABEL        "warren cert v1" /* its NUL is signed too */

_Static_assert(sizeof LABEL == 15, "the label of docs/protocol.md section 3");

bool cert_name_valid(const char *name)
{
	size_t len = strlen(name);
	return len >= 1 && len <= CERT_NAME_MAX &&
		strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") == len;
}

bool cert_group_valid(const char *group)
{
	size_t len = strlen(group);
	for (size_t i = 0; i < len; i++)
		if (group[i] <= ' ' || group[i] > '~')
			return false;
	return len >= 1 && len <= CERT_GROUP_MAX;
}

static int read_head(struct reader *r, struct cert *out)
{
	uint8_t version = read_u8(r);
	out->role = read_u8(r);
	uint16_t must_understand = read_u16(r);
	if (r->failed)
		return ERR_TRUNCATED;
	if (version != CERT_VERSION || must_understand != 0 || (out->role & ~CERT_ROLES))
		return ERR_VERSION;
	out->serial = read_u64(r);
	out->not_before = read_u64(r);
	out->not_after = read_u64(r);
	read_copy(r, out->issuer_id, sizeof out->issuer_id);
	if (r->failed)
		return ERR_TRUNCATED;
	if (!(out->role & (CERT_HUB | CERT_SPOKE)) || out->not_after < out->not_before)
		return ERR_MALFORMED;
	int err = canon_read_text(r, out->name, CERT_NAME_MAX);
	if (err)
		return err;
	return cert_name_valid(out->name) ? 0 : ERR_MALFORMED;
}

static int read_groups(struct reader *r, struct cert *out)
{
	const uint8_t *last = NULL;
	size_t last_len = 0;

	uint8_t n = read_u8(r);
	if (n > CERT_GROUPS_MAX)
		return ERR_MALFORMED;
	for (out->n_groups = 0; out->n_groups < n; out->n_groups++) {
		char *group = out->groups[out->n_groups];
		const uint8_t *start = r->at;
		int err = canon_read_text(r, group, CERT_GROUP_MAX);
		if (err)
			return err;
		size_t len = (size_t)(r->at - start);
		if (!cert_group_valid(group) ||
			(last && !canon_ascends(last, last_len, start, len)))
			return ERR_MALFORMED;
		last = start;
		last_len = len;
	}
	return r->failed ? ERR_TRUNCATED : 0;
}

/* Only with the role's bit may a prefix be a default route. */
static bool defaults_allowed(const struct cert *cert)
{
	for (uint8_t i = 0; i < cert->n_prefixes; i++)
		if (cert->prefixes[i].len == 0 && !(cert->role & CERT_DEFAULT))
			return false;
	return true;
}

static int decode_body(const uint8_t *data, size_t len, struct cert *out)
{
	struct reader r = reader_of(data, len);
	int err = read_head(&r, out);
	if (!err)
		err = canon_read_nets(
			&r, CANON_ADDRESS, out->addresses, &out->n_addresses, CERT_ADDRESSES_MAX);
	if (!err)
		err = canon_read_nets(
			&r, CANON_PREFIX, out->prefixes, &out->n_prefixes, CERT_PREFIXES_MAX);
	if (!err)
		err = read_groups(&r, out);
	if (!err)
		err = canon_skip_extensions(&r, &out->ext_len);
	if (!err && (reader_left(&r) != 0 || out->n_addresses == 0 || !defaults_allowed(out)))
		err = ERR_MALFORMED;
	return err;
}

int cert_decode(const void *data, size_t len, struct cert *out)
{
	*out = (struct cert){0};
	if (len > CERT_MAX)
		return ERR_MALFORMED;
	if (len < CERT_SIGNATURE_SIZE)
		return ERR_TRUNCATED;
	int err = decode_body(data, len - CERT_SIGNATURE_SIZE, out);
	if (err)
		*out = (struct cert){0};
	return err;
}

static void write_body(struct writer *w, const struct cert *cert)
{
	write_u8(w, CERT_VERSION);
	write_u8(w, cert->role);
	write_u16(w, 0);
	write_u64(w, cert->serial);
	write_u64(w, cert->not_before);
	write_u64(w, cert->not_after);
	write_bytes(w, cert->issuer_id, sizeof cert->issuer_id);
	canon_write_text(w, cert->name);
	canon_write_nets(w, CANON_ADDRESS, cert->addresses, cert->n_addresses);
	canon_write_nets(w, CANON_PREFIX, cert->prefixes, cert->n_prefixes);
	write_u8(w, cert->n_groups);
	for (uint8_t i = 0; i < cert->n_groups; i++)
		canon_write_text(w, cert->groups[i]);
	write_u16(w, 0); /* no extensions */
}

int cert_encode(const struct cert *cert, uint8_t *out, size_t cap)
{
	if (cert->n_addresses > CERT_ADDRESSES_MAX || cert->n_prefixes > CERT_PREFIXES_MAX ||
		cert->n_groups > CERT_GROUPS_MAX)
		return ERR_MALFORMED;
	struct writer w = writer_of(out, cap < BODY_MAX ? cap : BODY_MAX);
	write_body(&w, cert);
	if (w.failed)
		return ERR_NO_SPACE;

	/* The decoder is the one place that knows all rules. */
	struct cert check = {0};
	if (decode_body(out, writer_len(&w), &check) != 0 ||
		!canon_same_nets(check.prefixes, cert->prefixes, cert->n_prefixes))
		return ERR_MALFORMED;
	return (int)writer_len(&w);
}

static int compare_groups(const void *a, const void *b)
{
	size_t x = strlen(a), y = strlen(b);
	if (x != y)
		return x < y ? -1 : 1;
	return memcmp(a, b, x);
}

void cert_sort(struct cert *cert)
{
	uint8_t kept = 0;
	canon_sort_nets(cert->addresses, &cert->n_addresses);
	canon_sort_nets(cert->prefixes, &cert->n_prefixes);
	qsort(cert->groups, cert->n_groups, sizeof cert->groups[0], compare_groups);
	for (uint8_t i = 0; i < cert->n_groups; i++) {
		if (kept > 0 && strcmp(cert->groups[kept - 1], cert->groups[i]) == 0)
			continue;
		if (kept != i)
			memcpy(cert->groups[kept], cert->groups[i], sizeof cert->groups[0]);
		kept++;
	}
	cert->n_groups = kept;
}

/* What is signed or hashed: label, network, static key, body. */
#define SIGNED_PARTS(network_id, static_key, body, len)                                            \
	PRIM_PARTS({LABEL, sizeof LABEL}, {network_id, CERT_KEY_SIZE},                             \
		{static_key, CERT_KEY_SIZE}, {body, len})

int cert_sign(struct cert *cert, const uint8_t network_id[CERT_KEY_SIZE], const uint8_t secret[64],
	uint8_t *out, size_t cap)
{
	cert_sort(cert);
	cert_issuer_id(secret + SIGN_SECRET_LEN - KEY_LEN, cert->issuer_id);
	int len = cert_encode(cert, out, cap);
	if (len < 0)
		return len;
	if (cap - (size_t)len < CERT_SIGNATURE_SIZE)
		return ERR_NO_SPACE;
	int err = prim_sign(
		out + len, secret, SIGNED_PARTS(network_id, cert->static_key, out, (size_t)len));
	return err ? err : len + CERT_SIGNATURE_SIZE;
}

int cert_verify(const uint8_t *bytes, size_t len, const struct cert *cert,
	const uint8_t network_id[CERT_KEY_SIZE], const uint8_t issuer_key[CERT_KEY_SIZE])
{
	if (len < CERT_SIGNATURE_SIZE)
		return ERR_AUTH;
	size_t body = len - CERT_SIGNATURE_SIZE;
	bool good = prim_verify(
		bytes + body, issuer_key, SIGNED_PARTS(network_id, cert->static_key, bytes, body));
	return good ? 0 : ERR_AUTH;
}

void cert_fingerprint(const uint8_t *bytes, size_t len, const uint8_t static_key[CERT_KEY_SIZE],
	const uint8_t network_id[CERT_KEY_SIZE], uint8_t out[32])
{
	size_t body = len < CERT_SIGNATURE_SIZE ? 0 : len - CERT_SIGNATURE_SIZE;
	prim_hash(out, 32, NULL, 0, SIGNED_PARTS(network_id, static_key, bytes, body));
}

void cert_issuer_id(const uint8_t issuer_key[CERT_KEY_SIZE], uint8_t out[CERT_ID_SIZE])
{
	prim_hash8(out, issuer_key, CERT_KEY_SIZE);
}

bool cert_owns_address(const struct cert *cert, const struct ip_addr *a)
{
	for (uint8_t i = 0; i < cert->n_addresses; i++)
		if (addr_equal(&cert->addresses[i].addr, a))
			return true;
	return false;
}

bool cert_covers_source(const struct cert *cert, const struct ip_addr *source)
{
	if (!addr_is_unicast(source) || (source->family == 6 && addr_is_link_local(source)))
		return false;
	if (cert_owns_address(cert, source))
		return true;
	/* A neighbour on the overlay: no prefix, however wide, lets one node speak as another. */
	for (uint8_t i = 0; i < cert->n_addresses; i++)
		if (prefix_contains(&cert->addresses[i], source))
			return false;
	for (uint8_t i = 0; i < cert->n_prefixes; i++)
		if (prefix_contains(&cert->prefixes[i], source))
			return true;
	return false;
}

bool cert_covers_prefix(const struct cert *cert, const struct prefix *p)
{
	if (p->len == 0 && !(cert->role & CERT_DEFAULT))
		return false;
	for (uint8_t i = 0; i < cert->n_prefixes; i++)
		if (prefix_covers(&cert->prefixes[i], p))
			return true;
	return addr_size(p->addr.family) > 0 && p->len == addr_bits(p->addr.family) &&
		cert_owns_address(cert, &p->addr);
}

bool cert_in_group(const struct cert *cert, const char *group)
{
	for (uint8_t i = 0; i < cert->n_groups; i++)
		if (strcmp(cert->groups[i], group) == 0)
			return true;
	return false;
}
