#include "core/wire/nhrp_private.h"
#include "core/base/err.h"

#include <string.h>

/*
 * Our Vendor-Private extension. There is one correct encoding of each value and the decoder takes no
 * other (apart from the order of the TLVs), since both ends are ours.
 *
 *	56 52 4E | version 1 | { type u8 | zero u8 | len u16 | value } ...
 */
enum tlv_type {
	TLV_CANDIDATES = 1,
	TLV_PUNCH = 2,
	TLV_STATIC_KEY = 3,
	TLV_NAME = 4,
	TLV_GROUP = 5,
	TLV_PREFIXES = 6,
};

#define TLV_KNOWN_MAX 6

static int decode_candidates(struct reader *r, struct nhrp_vendor *out)
{
	while (reader_left(r) > 0) {
		if (out->n_candidates >= NHRP_CANDIDATES_MAX)
			return ERR_NO_SPACE;
		struct nhrp_candidate *c = &out->candidates[out->n_candidates];
		c->kind = read_u8(r);
		uint8_t family = read_u8(r);
		c->endpoint.port = read_u16(r);
		size_t size = addr_size(family);
		if (size == 0)
			return ERR_MALFORMED;
		const uint8_t *bytes = read_bytes(r, 16);
		if (!bytes)
			return ERR_TRUNCATED;
		for (size_t i = size; i < 16; i++)
			if (bytes[i] != 0)
				return ERR_MALFORMED;
		c->endpoint.addr = addr_from_bytes(family, bytes);
		out->n_candidates++;
	}
	return 0;
}

static int decode_prefixes(struct reader *r, struct nhrp_vendor *out)
{
	while (reader_left(r) > 0) {
		if (out->n_prefixes >= NHRP_PREFIXES_MAX)
			return ERR_NO_SPACE;
		struct prefix *p = &out->prefixes[out->n_prefixes];
		uint8_t family = read_u8(r);
		uint8_t len = read_u8(r);
		if (addr_size(family) == 0 || len > addr_bits(family))
			return ERR_MALFORMED;
		uint8_t bytes[16] = {0};
		read_copy(r, bytes, (len + 7u) / 8u);
		if (r->failed)
			return ERR_TRUNCATED;
		*p = (struct prefix){.addr = addr_from_bytes(family, bytes), .len = len};
		struct prefix masked = prefix_masked(*p);
		if (!prefix_equal(p, &masked))
			return ERR_MALFORMED;
		out->n_prefixes++;
	}
	return 0;
}

static bool is_name_byte(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
}

/* Groups go into logs and status like names, but may be written in any script. */
static bool is_group_byte(uint8_t c)
{
	return c >= 0x20 && c != 0x7F;
}

static bool is_text(enum tlv_type type, const char *text, size_t len)
{
	if (len == 0 || len > NHRP_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!(type == TLV_NAME ? is_name_byte : is_group_byte)((uint8_t)text[i]))
			return false;
	return true;
}

static int decode_text(struct reader *r, enum tlv_type type, char out[NHRP_NAME_MAX + 1])
{
	size_t len = reader_left(r);
	const uint8_t *text = read_bytes(r, len);
	if (!text || !is_text(type, (const char *)text, len))
		return ERR_MALFORMED;
	memcpy(out, text, len);
	return 0;
}

static int decode_known(struct reader *r, enum tlv_type type, struct nhrp_vendor *out)
{
	switch (type) {
	case TLV_CANDIDATES:
		return decode_candidates(r, out);
	case TLV_PUNCH:
		out->have_punch = true;
		out->token_id = read_u32(r);
		read_copy(r, out->punch_key, sizeof out->punch_key);
		break;
	case TLV_STATIC_KEY:
		out->have_static_key = true;
		read_copy(r, out->static_key, sizeof out->static_key);
		break;
	case TLV_NAME:
		return decode_text(r, type, out->name);
	case TLV_GROUP:
		return decode_text(r, type, out->group);
	case TLV_PREFIXES:
		return decode_prefixes(r, out);
	}
	return r->failed || reader_left(r) > 0 ? ERR_MALFORMED : 0;
}

static int keep_other(struct reader *r, uint8_t type, struct nhrp_vendor *out)
{
	if (out->n_others >= NHRP_VENDOR_OTHERS_MAX)
		return ERR_NO_SPACE;
	struct nhrp_vendor_tlv *other = &out->others[out->n_others++];
	other->type = type;
	other->len = (uint16_t)reader_left(r);
	other->data = other->len ? r->at : NULL;
	return 0;
}

int nhrp_vendor_decode(struct reader *r, struct nhrp_vendor *out)
{
	unsigned seen = 0;
	while (reader_left(r) > 0) {
		uint8_t type = read_u8(r);
		uint8_t zero = read_u8(r);
		struct reader value = read_sub(r, read_u16(r));
		if (r->failed)
			return ERR_TRUNCATED;
		if (type == 0 || zero != 0)
			return ERR_MALFORMED;
		if (type <= TLV_KNOWN_MAX && seen & 1u << type)
			return ERR_DUPLICATE;
		int rc = type <= TLV_KNOWN_MAX ? decode_known(&value, (enum tlv_type)type, out)
					       : keep_other(&value, type, out);
		if (rc < 0)
			return rc;
		if (type <= TLV_KNOWN_MAX)
			seen |= 1u << type;
	}
	return 0;
}

/* Starts a TLV and returns where its length goes. */
static size_t tlv_begin(struct writer *w, uint8_t type)
{
	write_u8(w, type);
	write_u8(w, 0);
	write_u16(w, 0);
	return writer_len(w);
}

static void tlv_end(struct writer *w, size_t begin)
{
	if (!w->failed)
		write_u16_at(w, begin - 2, (uint16_t)(writer_len(w) - begin));
}

static int encode_candidates(struct writer *w, const struct nhrp_vendor *in)
{
	if (in->n_candidates > NHRP_CANDIDATES_MAX)
		return ERR_MALFORMED;
	if (in->n_candidates == 0)
		return 0;
	size_t begin = tlv_begin(w, TLV_CANDIDATES);
	for (unsigned i = 0; i < in->n_candidates; i++) {
		const struct nhrp_candidate *c = &in->candidates[i];
		size_t size = addr_size(c->endpoint.addr.family);
		if (size == 0)
			return ERR_MALFORMED;
		write_u8(w, c->kind);
		write_u8(w, c->endpoint.addr.family);
		write_u16(w, c->endpoint.port);
		write_bytes(w, c->endpoint.addr.bytes, size);
		write_zeros(w, 16 - size);
	}
	tlv_end(w, begin);
	return 0;
}

static int encode_prefixes(struct writer *w, const struct nhrp_vendor *in)
{
	if (in->n_prefixes > NHRP_PREFIXES_MAX)
		return ERR_MALFORMED;
	if (in->n_prefixes == 0)
		return 0;
	size_t begin = tlv_begin(w, TLV_PREFIXES);
	for (unsigned i = 0; i < in->n_prefixes; i++) {
		const struct prefix *p = &in->prefixes[i];
		if (addr_size(p->addr.family) == 0 || p->len > addr_bits(p->addr.family))
			return ERR_MALFORMED;
		struct prefix masked = prefix_masked(*p);
		if (!prefix_equal(p, &masked))
			return ERR_MALFORMED;
		write_u8(w, p->addr.family);
		write_u8(w, p->len);
		write_bytes(w, p->addr.bytes, (p->len + 7u) / 8u);
	}
	tlv_end(w, begin);
	return 0;
}

static int encode_text(struct writer *w, enum tlv_type type, const char text[NHRP_NAME_MAX + 1])
{
	size_t len = strnlen(text, NHRP_NAME_MAX + 1);
	if (len == 0)
		return 0;
	if (!is_text(type, text, len))
		return ERR_MALFORMED;
	size_t begin = tlv_begin(w, (uint8_t)type);
	write_bytes(w, text, len);
	tlv_end(w, begin);
	return 0;
}

static void encode_keys(struct writer *w, const struct nhrp_vendor *in)
{
	if (in->have_punch) {
		size_t begin = tlv_begin(w, TLV_PUNCH);
		write_u32(w, in->token_id);
		write_bytes(w, in->punch_key, sizeof in->punch_key);
		tlv_end(w, begin);
	}
	if (in->have_static_key) {
		size_t begin = tlv_begin(w, TLV_STATIC_KEY);
		write_bytes(w, in->static_key, sizeof in->static_key);
		tlv_end(w, begin);
	}
}

static int encode_others(struct writer *w, const struct nhrp_vendor *in)
{
	if (in->n_others > NHRP_VENDOR_OTHERS_MAX)
		return ERR_MALFORMED;
	for (unsigned i = 0; i < in->n_others; i++) {
		if (in->others[i].type <= TLV_KNOWN_MAX)
			return ERR_MALFORMED;
		size_t begin = tlv_begin(w, in->others[i].type);
		write_bytes(w, in->others[i].data, in->others[i].len);
		tlv_end(w, begin);
	}
	return 0;
}

int nhrp_vendor_encode(struct writer *w, const struct nhrp_vendor *in)
{
	write_u32(w, NHRP_VENDOR_HEAD);
	int rc = encode_candidates(w, in);
	if (rc < 0)
		return rc;
	encode_keys(w, in);
	if ((rc = encode_text(w, TLV_NAME, in->name)) < 0)
		return rc;
	if ((rc = encode_text(w, TLV_GROUP, in->group)) < 0)
		return rc;
	if ((rc = encode_prefixes(w, in)) < 0)
		return rc;
	return encode_others(w, in);
}
