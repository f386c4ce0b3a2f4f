#include "core/trust/bundle.h"

#include "core/base/err.h"
#include "core/crypto/primitives.h"
#include "core/trust/canon.h"

#include <string.h>

#define BUNDLE_FORMAT 1
#define BUNDLE_FLAGS  BUNDLE_PSK_REQUIRED
#define ISSUER_ROLES  (CERT_HUB | CERT_SPOKE | CERT_DEFAULT)
#define LABEL         "warren bundle v1" /* its NUL is signed too */

_Static_assert(sizeof LABEL == 17, "the label of docs/protocol.md section 3");

bool bundle_host_valid(const char *host)
{
	size_t len = strlen(host);
	return len >= 1 && len <= BUNDLE_HOST_MAX &&
		strspn(host,
			"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:_-") ==
		len;
}

static int read_head(struct reader *r, struct bundle *out)
{
	uint8_t format = read_u8(r);
	uint8_t zeros[3];
	read_copy(r, zeros, sizeof zeros);
	out->number = read_u64(r);
	out->not_after = read_u64(r);
	out->ciphers = read_u8(r);
	out->flags = read_u8(r);
	if (r->failed)
		return ERR_TRUNCATED;
	if (format != BUNDLE_FORMAT || (out->flags & ~BUNDLE_FLAGS))
		return ERR_VERSION;
	return (zeros[0] | zeros[1] | zeros[2]) || out->ciphers == 0 ? ERR_MALFORMED : 0;
}

static int read_issuer(struct reader *r, struct bundle_issuer *out)
{
	read_copy(r, out->key, sizeof out->key);
	cert_issuer_id(out->key, out->id);
	out->roles = read_u8(r);
	out->max_life_s = read_u32(r);
	int err = canon_read_nets(r, CANON_PREFIX, out->pools, &out->n_pools, BUNDLE_POOLS_MAX);
	if (err)
		return err;
	return out->roles & ~ISSUER_ROLES ? ERR_VERSION : 0;
}

static int read_issuers(struct reader *r, struct bundle *out)
{
	out->n_issuers = read_u8(r);
	if (out->n_issuers > BUNDLE_ISSUERS_MAX)
		return ERR_MALFORMED;
	for (uint8_t i = 0; i < out->n_issuers; i++) {
		int err = read_issuer(r, &out->issuers[i]);
		if (err)
			return err;
		if (i > 0 && memcmp(out->issuers[i - 1].key, out->issuers[i].key, KEY_LEN) >= 0)
			return ERR_MALFORMED;
		/* Two keys with one id would make it unclear which of them is meant. */
		for (uint8_t j = 0; j < i; j++)
			if (memcmp(out->issuers[j].id, out->issuers[i].id, CERT_ID_SIZE) == 0)
				return ERR_MALFORMED;
	}
	return r->failed ? ERR_TRUNCATED : 0;
}

static int read_endpoints(struct reader *r, struct bundle_hub *out)
{
	out->n_endpoints = read_u8(r);
	if (out->n_endpoints > BUNDLE_ENDPOINTS_MAX)
		return ERR_MALFORMED;
	for (uint8_t i = 0; i < out->n_endpoints; i++) {
		struct bundle_endpoint *endpoint = &out->endpoints[i];
		int err = canon_read_text(r, endpoint->host, BUNDLE_HOST_MAX);
		if (err)
			return err;
		endpoint->port = read_u16(r);
		if (r->failed)
			return ERR_TRUNCATED;
		if (!bundle_host_valid(endpoint->host) || endpoint->port == 0)
			return ERR_MALFORMED;
		for (uint8_t j = 0; j < i; j++)
			if (out->endpoints[j].port == endpoint->port &&
				strcmp(out->endpoints[j].host, endpoint->host) == 0)
				return ERR_MALFORMED;
	}
	return r->failed ? ERR_TRUNCATED : 0;
}

static int read_hub(struct reader *r, struct bundle_hub *out)
{
	int err = canon_read_text(r, out->name, CERT_NAME_MAX);
	if (err)
		return err;
	out->n_keys = read_u8(r);
	if (r->failed)
		return ERR_TRUNCATED;
	if (!cert_name_valid(out->name) || out->n_keys == 0 || out->n_keys > BUNDLE_HUB_KEYS_MAX)
		return ERR_MALFORMED;
	for (uint8_t i = 0; i < out->n_keys; i++)
		read_copy(r, out->keys[i], KEY_LEN);
	return read_endpoints(r, out);
}

static bool hubs_share_key(const struct bundle_hub *a, const struct bundle_hub *b)
{
	for (uint8_t i = 0; i < a->n_keys; i++)
		for (uint8_t j = 0; j < b->n_keys; j++)
			if ((a != b || i != j) && memcmp(a->keys[i], b->keys[j], KEY_LEN) == 0)
				return true;
	return false;
}

static int read_hubs(struct reader *r, struct bundle *out)
{
	out->n_hubs = read_u8(r);
	if (out->n_hubs > BUNDLE_HUBS_MAX)
		return ERR_MALFORMED;
	for (uint8_t i = 0; i < out->n_hubs; i++) {
		int err = read_hub(r, &out->hubs[i]);
		if (err)
			return err;
		for (uint8_t j = 0; j <= i; j++)
			if (hubs_share_key(&out->hubs[i], &out->hubs[j]) ||
				(j < i && strcmp(out->hubs[i].name, out->hubs[j].name) == 0))
				return ERR_MALFORMED;
	}
	return r->failed ? ERR_TRUNCATED : 0;
}

/* A list with its count (u16) of records of equal size, strictly ascending, left where it is. */
static int read_records(
	struct reader *r, size_t size, uint16_t max, const uint8_t **out, uint16_t *n)
{
	*n = read_u16(r);
	if (*n > max)
		return ERR_MALFORMED;
	*out = read_bytes(r, *n * size);
	if (r->failed)
		return ERR_TRUNCATED;
	for (size_t i = 1; i < *n; i++)
		if (memcmp(*out + (i - 1) * size, *out + i * size, size) >= 0)
			return ERR_MALFORMED;
	return 0;
}

static int decode_body(const uint8_t *data, size_t len, struct bundle *out)
{
	struct reader r = reader_of(data, len);
	int err = read_head(&r, out);
	if (!err)
		err = read_issuers(&r, out);
	if (!err)
		err = read_hubs(&r, out);
	if (!err)
		err = read_records(&r, BUNDLE_REVOKED_SIZE, BUNDLE_REVOKED_MAX, &out->revoked,
			&out->n_revoked);
	if (!err)
		err = read_records(&r, CERT_KEY_SIZE, BUNDLE_REVOKED_KEYS_MAX, &out->revoked_keys,
			&out->n_revoked_keys);
	if (!err)
		err = canon_skip_extensions(&r, &out->ext_len);
	if (!err && reader_left(&r) != 0)
		err = ERR_MALFORMED;
	return err;
}

int bundle_decode(const void *data, size_t len, struct bundle *out)
{
	memset(out, 0, sizeof *out);
	if (len > BUNDLE_MAX)
		return ERR_MALFORMED;
	if (len < CERT_SIGNATURE_SIZE)
		return ERR_TRUNCATED;
	int err = decode_body(data, len - CERT_SIGNATURE_SIZE, out);
	if (err)
		memset(out, 0, sizeof *out);
	return err;
}

static void write_hub(struct writer *w, const struct bundle_hub *hub)
{
	canon_write_text(w, hub->name);
	write_u8(w, hub->n_keys);
	for (uint8_t i = 0; i < hub->n_keys; i++)
		write_bytes(w, hub->keys[i], KEY_LEN);
	write_u8(w, hub->n_endpoints);
	for (uint8_t i = 0; i < hub->n_endpoints; i++) {
		canon_write_text(w, hub->endpoints[i].host);
		write_u16(w, hub->endpoints[i].port);
	}
}

static void write_body(struct writer *w, const struct bundle *b)
{
	write_u8(w, BUNDLE_FORMAT);
	write_zeros(w, 3);
	write_u64(w, b->number);
	write_u64(w, b->not_after);
	write_u8(w, b->ciphers);
	write_u8(w, b->flags);
	write_u8(w, b->n_issuers);
	for (uint8_t i = 0; i < b->n_issuers; i++) {
		const struct bundle_issuer *issuer = &b->issuers[i];
		write_bytes(w, issuer->key, KEY_LEN);
		write_u8(w, issuer->roles);
		write_u32(w, issuer->max_life_s);
		canon_write_nets(w, CANON_PREFIX, issuer->pools, issuer->n_pools);
	}
	write_u8(w, b->n_hubs);
	for (uint8_t i = 0; i < b->n_hubs; i++)
		write_hub(w, &b->hubs[i]);
	write_u16(w, b->n_revoked);
	write_bytes(w, b->revoked, (size_t)b->n_revoked * BUNDLE_REVOKED_SIZE);
	write_u16(w, b->n_revoked_keys);
	write_bytes(w, b->revoked_keys, (size_t)b->n_revoked_keys * CERT_KEY_SIZE);
	write_u16(w, 0); /* no extensions */
}

/* The counts are inside their arrays, so that encoding may walk them. */
static bool counts_valid(const struct bundle *b)
{
	if (b->n_issuers > BUNDLE_ISSUERS_MAX || b->n_hubs > BUNDLE_HUBS_MAX)
		return false;
	for (uint8_t i = 0; i < b->n_issuers; i++)
		if (b->issuers[i].n_pools > BUNDLE_POOLS_MAX)
			return false;
	for (uint8_t i = 0; i < b->n_hubs; i++)
		if (b->hubs[i].n_keys > BUNDLE_HUB_KEYS_MAX ||
			b->hubs[i].n_endpoints > BUNDLE_ENDPOINTS_MAX)
			return false;
	return true;
}

int bundle_encode(const struct bundle *bundle, uint8_t *out, size_t cap)
{
	if (!counts_valid(bundle))
		return ERR_MALFORMED;
	struct writer w = writer_of(out, cap);
	write_body(&w, bundle);
	if (w.failed)
		return ERR_NO_SPACE;

	/* The decoder is the one place that knows all rules. */
	struct bundle check;
	memset(&check, 0, sizeof check);
	if (decode_body(out, writer_len(&w), &check) != 0)
		return ERR_MALFORMED;
	for (uint8_t i = 0; i < bundle->n_issuers; i++)
		if (!canon_same_nets(check.issuers[i].pools, bundle->issuers[i].pools,
			    bundle->issuers[i].n_pools))
			return ERR_MALFORMED;
	return (int)writer_len(&w);
}

int bundle_sign(const struct bundle *bundle, const uint8_t network_id[CERT_KEY_SIZE],
	const uint8_t root_secret[64], uint8_t *out, size_t cap)
{
	int len = bundle_encode(bundle, out, cap);
	if (len < 0)
		return len;
	if (cap - (size_t)len < CERT_SIGNATURE_SIZE)
		return ERR_NO_SPACE;
	int err = prim_sign(out + len, root_secret,
		PRIM_PARTS({LABEL, sizeof LABEL}, {network_id, KEY_LEN}, {out, (size_t)len}));
	return err ? err : len + CERT_SIGNATURE_SIZE;
}

int bundle_verify(const uint8_t *bytes, size_t len, const uint8_t network_id[CERT_KEY_SIZE],
	const uint8_t root_key[CERT_KEY_SIZE])
{
	if (len < CERT_SIGNATURE_SIZE)
		return ERR_AUTH;
	size_t body = len - CERT_SIGNATURE_SIZE;
	bool good = prim_verify(bytes + body, root_key,
		PRIM_PARTS({LABEL, sizeof LABEL}, {network_id, KEY_LEN}, {bytes, body}));
	return good ? 0 : ERR_AUTH;
}

/* Is record among n ascending records of this size? */
static bool find_record(const uint8_t *records, size_t n, size_t size, const uint8_t *record)
{
	size_t low = 0, high = n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = memcmp(records + middle * size, record, size);
		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

bool bundle_revokes(const struct bundle *bundle, const uint8_t issuer_id[CERT_ID_SIZE],
	uint64_t serial, const uint8_t static_key[CERT_KEY_SIZE])
{
	uint8_t record[BUNDLE_REVOKED_SIZE];
	struct writer w = writer_of(record, sizeof record);
	write_bytes(&w, issuer_id, CERT_ID_SIZE);
	write_u64(&w, serial);
	return find_record(bundle->revoked, bundle->n_revoked, BUNDLE_REVOKED_SIZE, record) ||
		find_record(
			bundle->revoked_keys, bundle->n_revoked_keys, CERT_KEY_SIZE, static_key);
}

const struct bundle_issuer *bundle_find_issuer(
	const struct bundle *bundle, const uint8_t issuer_id[CERT_ID_SIZE])
{
	for (uint8_t i = 0; i < bundle->n_issuers; i++)
		if (memcmp(bundle->issuers[i].id, issuer_id, CERT_ID_SIZE) == 0)
			return &bundle->issuers[i];
	return NULL;
}

const struct bundle_hub *bundle_find_hub(
	const struct bundle *bundle, const uint8_t static_key[CERT_KEY_SIZE])
{
	for (uint8_t i = 0; i < bundle->n_hubs; i++)
		for (uint8_t j = 0; j < bundle->hubs[i].n_keys; j++)
			if (memcmp(bundle->hubs[i].keys[j], static_key, KEY_LEN) == 0)
				return &bundle->hubs[i];
	return NULL;
}

const struct bundle_hub *bundle_find_hub_name(const struct bundle *bundle, const char *name)
{
	for (uint8_t i = 0; i < bundle->n_hubs; i++)
		if (strcmp(bundle->hubs[i].name, name) == 0)
			return &bundle->hubs[i];
	return NULL;
}

static bool in_pools(const struct bundle_issuer *issuer, const struct prefix *p)
{
	for (uint8_t i = 0; i < issuer->n_pools; i++)
		if (prefix_covers(&issuer->pools[i], p))
			return true;
	return false;
}

bool bundle_issuer_allows(const struct bundle_issuer *issuer, const struct cert *cert)
{
	if ((cert->role & ~issuer->roles) ||
		cert->not_after - cert->not_before > issuer->max_life_s)
		return false;
	for (uint8_t i = 0; i < cert->n_addresses; i++) {
		struct prefix host = prefix_host(&cert->addresses[i].addr);
		if (!in_pools(issuer, &host))
			return false;
	}
	for (uint8_t i = 0; i < cert->n_prefixes; i++)
		if (!in_pools(issuer, &cert->prefixes[i]))
			return false;
	return true;
}
