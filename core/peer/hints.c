#include "core/peer/hints.h"

#include "core/base/err.h"

#include <string.h>

#define MAGIC       "warrenh1"
#define MAGIC_LEN   8
#define HEADER_LEN  (MAGIC_LEN + 8 + 4)
#define COUNT_AT    (MAGIC_LEN + 8)
#define LABEL       "warren hints v1"
#define ADDRESS_LEN 16

static void mac_of(
	uint8_t out[MAC_LEN], const uint8_t *data, size_t len, const struct handshake_identity *id)
{
	uint8_t key[KEY_LEN];
	prim_hash(key, sizeof key, id->secret, KEY_LEN,
		PRIM_PARTS({LABEL, sizeof LABEL - 1}, {id->network_id, KEY_LEN}));
	prim_hash(out, MAC_LEN, key, sizeof key, PRIM_PARTS({data, len}));
	prim_wipe(key, sizeof key);
}

/* ---- Reading -------------------------------------------------------------------------------- */

static bool read_hint(struct reader *r, struct hint *out)
{
	uint8_t bytes[ADDRESS_LEN];
	memset(out, 0, sizeof *out);
	read_copy(r, out->key, sizeof out->key);
	uint8_t family = read_u8(r);
	uint8_t zero = read_u8(r);
	out->at.port = read_u16(r);
	read_copy(r, bytes, sizeof bytes);
	read_copy(r, out->timestamp, sizeof out->timestamp);
	out->expires_s = read_u64(r);
	if (r->failed || addr_size(family) == 0)
		return false;
	out->at.addr = addr_from_bytes(family, bytes);
	for (size_t i = addr_size(family); i < sizeof bytes; i++)
		zero |= bytes[i];
	return zero == 0 && out->at.port != 0 &&
		(addr_is_unicast(&out->at.addr) || addr_is_loopback(&out->at.addr));
}

int hints_decode(const void *data, size_t len, struct hints *out)
{
	struct reader r = reader_of(data, len);
	struct hint hint;
	memset(out, 0, sizeof *out);
	const uint8_t *magic = read_bytes(&r, MAGIC_LEN);
	if (magic && memcmp(magic, MAGIC, MAGIC_LEN) != 0)
		return ERR_VERSION;
	uint64_t saved_s = read_u64(&r);
	uint32_t count = read_u32(&r);
	if (r.failed)
		return ERR_TRUNCATED;
	if (count > HINTS_MAX)
		return ERR_MALFORMED;
	struct reader entries = read_sub(&r, (size_t)count * HINT_SIZE);
	read_bytes(&r, MAC_LEN);
	if (r.failed)
		return ERR_TRUNCATED;
	if (reader_left(&r) != 0)
		return ERR_MALFORMED;
	struct reader look = entries;
	for (uint32_t i = 0; i < count; i++)
		if (!read_hint(&look, &hint))
			return ERR_MALFORMED;
	*out = (struct hints){.saved_s = saved_s, .left = count, .entries = entries};
	return 0;
}

bool hints_next(struct hints *h, struct hint *out)
{
	if (h->left == 0)
		return false;
	h->left--;
	return read_hint(&h->entries, out);
}

bool hints_verify(const void *data, size_t len, const struct handshake_identity *id)
{
	uint8_t mac[MAC_LEN];
	if (len < HINTS_OVERHEAD)
		return false;
	mac_of(mac, data, len - MAC_LEN, id);
	return prim_equal(mac, (const uint8_t *)data + len - MAC_LEN, MAC_LEN);
}

/* ---- Writing -------------------------------------------------------------------------------- */

void hints_begin(struct writer *w, uint8_t *out, size_t cap, uint64_t saved_s)
{
	*w = writer_of(out, cap);
	write_bytes(w, MAGIC, MAGIC_LEN);
	write_u64(w, saved_s);
	write_u32(w, 0); /* known at the end */
}

void hints_add(struct writer *w, const struct hint *hint)
{
	size_t size = addr_size(hint->at.addr.family);
	write_bytes(w, hint->key, sizeof hint->key);
	write_u8(w, hint->at.addr.family);
	write_u8(w, 0);
	write_u16(w, hint->at.port);
	write_bytes(w, hint->at.addr.bytes, size);
	write_zeros(w, ADDRESS_LEN - size);
	write_bytes(w, hint->timestamp, sizeof hint->timestamp);
	write_u64(w, hint->expires_s);
}

int hints_seal(struct writer *w, const struct handshake_identity *id)
{
	uint8_t mac[MAC_LEN];
	if (w->failed)
		return ERR_NO_SPACE;
	store_u32(w->start + COUNT_AT, (uint32_t)((writer_len(w) - HEADER_LEN) / HINT_SIZE));
	mac_of(mac, w->start, writer_len(w), id);
	write_bytes(w, mac, sizeof mac);
	return w->failed ? ERR_NO_SPACE : (int)writer_len(w);
}
