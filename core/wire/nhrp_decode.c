#include "core/wire/nhrp.h"
#include "core/base/err.h"
#include "core/wire/ip.h"
#include "core/wire/nhrp_private.h"

#include <string.h>

/*
 * One pass over the packet with three cursors that cannot leave their part: fixed part, mandatory
 * part, extensions. Lists and extensions get cursors of their own inside those. What is wrong with
 * a packet is told by the return value; how to answer it, by error_code and error_offset.
 */

struct fixed {
	uint16_t afn, proto_type;
	uint16_t packet_len, ext_offset; /* ext_offset 0: no extensions */
	uint8_t version, type;
	uint8_t nbma_len, sub_len;
	uint16_t wrong; /* offset of the field that is */
};

enum offset {
	OFFSET_AFN = 0,
	OFFSET_PROTOCOL = 2,
	OFFSET_LENGTH = 10,
	OFFSET_CHECKSUM = 12,
	OFFSET_EXTENSIONS = 14,
	OFFSET_VERSION = 16,
	OFFSET_TYPE = 17,
};

static uint8_t family_of(uint16_t value, uint16_t v4, uint16_t v6)
{
	return value == v4 ? 4 : value == v6 ? 6 : 0;
}

static int read_fixed(const uint8_t *data, size_t len, struct nhrp_packet *out, struct fixed *fixed)
{
	struct reader r = reader_of(data, len);
	fixed->afn = read_u16(&r);
	fixed->proto_type = read_u16(&r);
	read_bytes(&r, 5); /* SNAP, of no meaning with an Ethertype */
	out->hop_count = read_u8(&r);
	fixed->packet_len = read_u16(&r);
	read_u16(&r); /* checksum */
	fixed->ext_offset = read_u16(&r);
	fixed->version = read_u8(&r);
	fixed->type = read_u8(&r);
	fixed->nbma_len = read_u8(&r) & NHRP_LEN_MASK;
	fixed->sub_len = read_u8(&r) & NHRP_LEN_MASK;
	return r.failed ? ERR_TRUNCATED : 0;
}

static int is_wrong(struct fixed *fixed, enum offset at, int rc)
{
	fixed->wrong = (uint16_t)at;
	return rc;
}

/* What kind of packet it is: one that we know? */
static int decode_kind(struct nhrp_packet *out, struct fixed *fixed)
{
	out->nbma_family = family_of(fixed->afn, NHRP_AFN_IPV4, NHRP_AFN_IPV6);
	out->proto_family = family_of(fixed->proto_type, NHRP_ETHER_IPV4, NHRP_ETHER_IPV6);
	if (!out->nbma_family)
		return is_wrong(fixed, OFFSET_AFN, ERR_UNSUPPORTED);
	if (!out->proto_family)
		return is_wrong(fixed, OFFSET_PROTOCOL, ERR_UNSUPPORTED);
	if (fixed->type < NHRP_RESOLUTION_REQUEST || fixed->type > NHRP_TRAFFIC_INDICATION)
		return is_wrong(fixed, OFFSET_TYPE, ERR_UNSUPPORTED);
	out->type = (enum nhrp_type)fixed->type;
	return 0;
}

static int decode_fixed(
	const uint8_t *data, size_t len, struct nhrp_packet *out, struct fixed *fixed)
{
	if (read_fixed(data, len, out, fixed) < 0)
		return ERR_TRUNCATED;
	if (fixed->version != NHRP_VERSION)
		return is_wrong(fixed, OFFSET_VERSION, ERR_VERSION);
	if (fixed->packet_len > len)
		return ERR_TRUNCATED;
	if (fixed->packet_len < NHRP_HEADER_LEN)
		return is_wrong(fixed, OFFSET_LENGTH, ERR_MALFORMED);
	if (ip_checksum(data, fixed->packet_len) != 0)
		return is_wrong(fixed, OFFSET_CHECKSUM, ERR_MALFORMED);
	if (fixed->ext_offset != 0 &&
		(fixed->ext_offset < NHRP_HEADER_LEN || fixed->ext_offset > fixed->packet_len))
		return is_wrong(fixed, OFFSET_EXTENSIONS, ERR_MALFORMED);
	return decode_kind(out, fixed);
}

/* An address of len bytes, which is 0 or what the family needs. */
static int decode_addr(struct reader *r, uint8_t len, uint8_t family, struct ip_addr *out)
{
	*out = (struct ip_addr){0};
	if (len != 0 && len != addr_size(family))
		return ERR_MALFORMED;
	const uint8_t *bytes = read_bytes(r, len);
	if (!bytes)
		return ERR_TRUNCATED;
	if (len != 0)
		*out = addr_from_bytes(family, bytes);
	return 0;
}

static int decode_cie(struct reader *r, const struct nhrp_packet *p, struct nhrp_cie *out)
{
	out->code = read_u8(r);
	out->prefix_len = read_u8(r);
	read_u16(r); /* unused */
	out->mtu = read_u16(r);
	out->holding_time_s = read_u16(r);
	uint8_t nbma_len = read_u8(r) & NHRP_LEN_MASK;
	uint8_t sub_len = read_u8(r) & NHRP_LEN_MASK;
	uint8_t proto_len = read_u8(r);
	out->preference = read_u8(r);
	if (r->failed)
		return ERR_TRUNCATED;
	int rc = decode_addr(r, nbma_len, p->nbma_family, &out->nbma);
	if (rc < 0)
		return rc;
	read_bytes(r, sub_len);
	return decode_addr(r, proto_len, p->proto_family, &out->proto);
}

static int decode_cies(
	struct reader *r, const struct nhrp_packet *p, struct nhrp_cies *out, uint8_t max)
{
	while (reader_left(r) > 0) {
		if (out->n >= max)
			return ERR_NO_SPACE;
		int rc = decode_cie(r, p, &out->v[out->n]);
		if (rc < 0)
			return rc;
		out->n++;
	}
	return 0;
}

/* The mandatory part up to and with the addresses. */
static int decode_header(struct reader *r, struct nhrp_packet *out, const struct fixed *fixed)
{
	uint8_t src_len = read_u8(r);
	uint8_t dst_len = read_u8(r);
	uint16_t first = read_u16(r);
	uint32_t second = read_u32(r);
	if (out->type == NHRP_ERROR_INDICATION) {
		out->error_code = (uint16_t)(second >> 16);
		out->error_offset = (uint16_t)second;
	} else if (out->type == NHRP_TRAFFIC_INDICATION) {
		out->traffic_code = (uint16_t)(second >> 16);
	} else {
		out->flags = first;
		out->request_id = second;
	}
	int rc = decode_addr(r, fixed->nbma_len, out->nbma_family, &out->src_nbma);
	if (rc < 0)
		return rc;
	read_bytes(r, fixed->sub_len);
	if ((rc = decode_addr(r, src_len, out->proto_family, &out->src_proto)) < 0)
		return rc;
	return decode_addr(r, dst_len, out->proto_family, &out->dst_proto);
}

static int decode_body(struct reader *r, struct nhrp_packet *out)
{
	if (out->type != NHRP_ERROR_INDICATION && out->type != NHRP_TRAFFIC_INDICATION)
		return decode_cies(r, out, &out->cies, NHRP_CIES_MAX);
	out->payload_len = (uint16_t)reader_left(r);
	out->payload = out->payload_len ? read_bytes(r, out->payload_len) : NULL;
	return 0;
}

static int decode_auth(struct reader *r, struct nhrp_packet *out)
{
	read_u16(r); /* reserved */
	out->auth_spi = read_u16(r);
	if (r->failed)
		return ERR_TRUNCATED;
	if (reader_left(r) > NHRP_AUTH_MAX)
		return ERR_NO_SPACE;
	out->auth_len = (uint16_t)reader_left(r);
	out->auth = out->auth_len ? read_bytes(r, out->auth_len) : NULL;
	return 0;
}

/* Only Vendor-Private may repeat (s.5.3), and ours may not. */
static bool is_duplicate(const struct nhrp_packet *p, const struct nhrp_ext *ext)
{
	for (unsigned i = 0; i < p->n_exts; i++)
		if (p->exts[i].type == ext->type &&
			(ext->type != NHRP_EXT_VENDOR || (!ext->raw && !p->exts[i].raw)))
			return true;
	return false;
}

static int decode_ext(struct reader value, struct nhrp_packet *out, struct nhrp_ext *ext)
{
	ext->raw = nhrp_ext_is_raw(ext->type, value.at, (uint16_t)reader_left(&value));
	if (is_duplicate(out, ext))
		return ERR_DUPLICATE;
	if (out->n_exts >= NHRP_EXTS_MAX)
		return ERR_NO_SPACE;
	int rc = 0;
	uint8_t max;
	struct nhrp_cies *list;
	if (ext->raw) {
		ext->len = (uint16_t)reader_left(&value);
		ext->data = ext->len ? value.at : NULL;
	} else if (ext->type == NHRP_EXT_AUTH) {
		rc = decode_auth(&value, out);
	} else if (ext->type == NHRP_EXT_VENDOR) {
		read_u32(&value);
		rc = nhrp_vendor_decode(&value, &out->vendor);
	} else if ((list = nhrp_ext_cies(out, ext->type, &max))) {
		rc = decode_cies(&value, out, list, max);
	}
	if (rc == 0)
		out->exts[out->n_exts++] = *ext;
	return rc;
}

/* Leaves r at the extension that is wrong. Whatever stands behind End is ignored. */
static int decode_exts(struct reader *r, const uint8_t *begin, struct nhrp_packet *out)
{
	while (!out->have_end) {
		struct reader next = *r;
		uint16_t head = read_u16(&next);
		struct reader value = read_sub(&next, read_u16(&next));
		if (next.failed)
			return ERR_TRUNCATED;
		struct nhrp_ext ext = {.type = head & NHRP_TYPE_MASK,
			.compulsory = (head & NHRP_COMPULSORY) != 0,
			.offset = (uint16_t)(r->at - begin)};
		if (ext.type == NHRP_EXT_END) {
			if (reader_left(&value) > 0)
				return ERR_MALFORMED;
			out->have_end = true;
		} else {
			int rc = decode_ext(value, out, &ext);
			if (rc < 0)
				return rc;
		}
		*r = next;
	}
	return 0;
}

/* at: of the field that is wrong. What may itself be an error indication is not answered. */
static int refuse(
	int rc, enum nhrp_error code, size_t at, const struct fixed *fixed, struct nhrp_packet *out)
{
	bool answer = fixed->type != NHRP_ERROR_INDICATION;
	out->error_code = answer ? (uint16_t)code : NHRP_ERROR_NONE;
	out->error_offset = answer ? (uint16_t)at : 0;
	return rc;
}

int nhrp_decode(const void *data, size_t len, struct nhrp_packet *out)
{
	struct fixed fixed = {0};
	memset(out, 0, sizeof *out);
	int rc = decode_fixed(data, len, out, &fixed);
	if (rc < 0)
		return refuse(rc, rc == ERR_TRUNCATED ? NHRP_ERROR_NONE : NHRP_ERROR_PROTOCOL,
			fixed.wrong, &fixed, out);
	const uint8_t *begin = data;
	struct reader r = reader_of(data, fixed.packet_len);
	read_bytes(&r, NHRP_FIXED_LEN);
	size_t end = fixed.ext_offset ? fixed.ext_offset : fixed.packet_len;
	struct reader mandatory = read_sub(&r, end - NHRP_FIXED_LEN);
	if ((rc = decode_header(&mandatory, out, &fixed)) < 0 ||
		(rc = decode_body(&mandatory, out)) < 0)
		return refuse(rc, NHRP_ERROR_PROTOCOL, (size_t)(mandatory.at - begin), &fixed, out);
	if (fixed.ext_offset && (rc = decode_exts(&r, begin, out)) < 0)
		return refuse(
			rc, NHRP_ERROR_INVALID_EXTENSION, (size_t)(r.at - begin), &fixed, out);
	return 0;
}

int nhrp_decode_quoted(const void *data, size_t len, struct nhrp_packet *out)
{
	struct fixed fixed = {0};
	memset(out, 0, sizeof *out);
	int rc = read_fixed(data, len, out, &fixed);
	if (rc < 0)
		return rc;
	if (fixed.version != NHRP_VERSION)
		return ERR_VERSION;
	if ((rc = decode_kind(out, &fixed)) < 0)
		return rc;
	struct reader r = reader_of(data, len);
	read_bytes(&r, NHRP_FIXED_LEN);
	return decode_header(&r, out, &fixed);
}
