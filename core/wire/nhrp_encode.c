#include "core/wire/nhrp.h"
#include "core/base/err.h"
#include "core/wire/ip.h"
#include "core/wire/nhrp_private.h"

/*
 * Writes what nhrp_decode reads. Lack of room is the writer's sticky error; a struct that breaks a
 * rule makes `malformed` stick likewise, so that the code runs straight through and looks once.
 */
struct encoder {
	struct writer w;
	const struct nhrp_packet *p;
	bool malformed;
};

/* Bytes that the address takes, 0 for none; the wrong family is an error. */
static uint8_t addr_len(struct encoder *e, const struct ip_addr *a, uint8_t family)
{
	if (a->family != 0 && a->family != family)
		e->malformed = true;
	return (uint8_t)addr_size(a->family);
}

static void encode_addr(struct encoder *e, const struct ip_addr *a)
{
	write_bytes(&e->w, a->bytes, addr_size(a->family));
}

static void encode_fixed(struct encoder *e)
{
	const struct nhrp_packet *p = e->p;
	if ((p->nbma_family != 4 && p->nbma_family != 6) ||
		(p->proto_family != 4 && p->proto_family != 6))
		e->malformed = true;
	write_u16(&e->w, p->nbma_family == 4 ? NHRP_AFN_IPV4 : NHRP_AFN_IPV6);
	write_u16(&e->w, p->proto_family == 4 ? NHRP_ETHER_IPV4 : NHRP_ETHER_IPV6);
	write_zeros(&e->w, 5);
	write_u8(&e->w, p->hop_count);
	write_zeros(&e->w, 6); /* length, checksum, extension offset: see finish */
	write_u8(&e->w, NHRP_VERSION);
	write_u8(&e->w, (uint8_t)p->type);
	write_u8(&e->w, addr_len(e, &p->src_nbma, p->nbma_family));
	write_u8(&e->w, 0);
}

static void encode_cies(struct encoder *e, const struct nhrp_cies *list, uint8_t max)
{
	if (list->n > max) {
		e->malformed = true;
		return;
	}
	for (unsigned i = 0; i < list->n; i++) {
		const struct nhrp_cie *cie = &list->v[i];
		write_u8(&e->w, cie->code);
		write_u8(&e->w, cie->prefix_len);
		write_u16(&e->w, 0);
		write_u16(&e->w, cie->mtu);
		write_u16(&e->w, cie->holding_time_s);
		write_u8(&e->w, addr_len(e, &cie->nbma, e->p->nbma_family));
		write_u8(&e->w, 0);
		write_u8(&e->w, addr_len(e, &cie->proto, e->p->proto_family));
		write_u8(&e->w, cie->preference);
		encode_addr(e, &cie->nbma);
		encode_addr(e, &cie->proto);
	}
}

static void encode_mandatory(struct encoder *e)
{
	const struct nhrp_packet *p = e->p;
	bool indication = p->type == NHRP_ERROR_INDICATION || p->type == NHRP_TRAFFIC_INDICATION;
	write_u8(&e->w, addr_len(e, &p->src_proto, p->proto_family));
	write_u8(&e->w, addr_len(e, &p->dst_proto, p->proto_family));
	write_u16(&e->w, indication ? 0 : p->flags);
	if (p->type == NHRP_ERROR_INDICATION) {
		write_u16(&e->w, p->error_code);
		write_u16(&e->w, p->error_offset);
	} else if (p->type == NHRP_TRAFFIC_INDICATION) {
		write_u16(&e->w, p->traffic_code);
		write_u16(&e->w, 0);
	} else {
		write_u32(&e->w, p->request_id);
	}
	encode_addr(e, &p->src_nbma);
	encode_addr(e, &p->src_proto);
	encode_addr(e, &p->dst_proto);
	if (indication)
		write_bytes(&e->w, p->payload, p->payload_len);
	else
		encode_cies(e, &p->cies, NHRP_CIES_MAX);
}

/* The value of an extension that is not raw. */
static void encode_fields(struct encoder *e, uint16_t type)
{
	const struct nhrp_packet *p = e->p;
	switch (type) {
	case NHRP_EXT_RESPONDER:
		encode_cies(e, &p->responder, 1);
		break;
	case NHRP_EXT_FORWARD:
		encode_cies(e, &p->forward, NHRP_TRANSIT_MAX);
		break;
	case NHRP_EXT_REVERSE:
		encode_cies(e, &p->reverse, NHRP_TRANSIT_MAX);
		break;
	case NHRP_EXT_NAT:
		encode_cies(e, &p->nat, NHRP_NAT_MAX);
		break;
	case NHRP_EXT_AUTH:
		if (p->auth_len > NHRP_AUTH_MAX)
			e->malformed = true;
		write_u16(&e->w, 0);
		write_u16(&e->w, p->auth_spi);
		write_bytes(&e->w, p->auth, p->auth_len);
		break;
	case NHRP_EXT_VENDOR:
		if (nhrp_vendor_encode(&e->w, &p->vendor) < 0)
			e->malformed = true;
		break;
	default:
		e->malformed = true;
		break;
	}
}

static void encode_ext(struct encoder *e, const struct nhrp_ext *ext)
{
	if (ext->type == NHRP_EXT_END || ext->type > NHRP_TYPE_MASK)
		e->malformed = true;
	write_u16(&e->w, (uint16_t)(ext->type | (ext->compulsory ? NHRP_COMPULSORY : 0)));
	size_t len_at = writer_len(&e->w);
	write_u16(&e->w, 0);
	if (ext->raw) {
		/* It must come back as what it is. */
		if (!nhrp_ext_is_raw(ext->type, ext->data, ext->len))
			e->malformed = true;
		write_bytes(&e->w, ext->data, ext->len);
	} else {
		encode_fields(e, ext->type);
	}
	if (!e->w.failed)
		write_u16_at(&e->w, len_at, (uint16_t)(writer_len(&e->w) - len_at - 2));
}

static bool has_duplicates(const struct nhrp_packet *p)
{
	for (unsigned i = 1; i < p->n_exts; i++)
		for (unsigned j = 0; j < i; j++) {
			const struct nhrp_ext *a = &p->exts[i], *b = &p->exts[j];
			if (a->type == b->type &&
				(a->type != NHRP_EXT_VENDOR || (!a->raw && !b->raw)))
				return true;
		}
	return false;
}

/* Returns the extension offset. */
static uint16_t encode_exts(struct encoder *e)
{
	const struct nhrp_packet *p = e->p;
	if (p->n_exts == 0 && !p->have_end)
		return 0;
	uint16_t offset = (uint16_t)writer_len(&e->w);
	if (p->n_exts > NHRP_EXTS_MAX || has_duplicates(p)) {
		e->malformed = true;
		return offset;
	}
	for (unsigned i = 0; i < p->n_exts; i++)
		encode_ext(e, &p->exts[i]);
	write_u16(&e->w, NHRP_COMPULSORY | NHRP_EXT_END);
	write_u16(&e->w, 0);
	return offset;
}

int nhrp_encode(const struct nhrp_packet *in, void *out, size_t cap)
{
	struct encoder e = {
		.w = writer_of(out, cap < UINT16_MAX ? cap : UINT16_MAX),
		.p = in,
		.malformed =
			in->type < NHRP_RESOLUTION_REQUEST || in->type > NHRP_TRAFFIC_INDICATION,
	};
	encode_fixed(&e);
	encode_mandatory(&e);
	uint16_t ext_offset = encode_exts(&e);
	if (e.malformed)
		return ERR_MALFORMED;
	if (e.w.failed)
		return ERR_NO_SPACE;
	size_t len = writer_len(&e.w);
	write_u16_at(&e.w, 10, (uint16_t)len);
	write_u16_at(&e.w, 14, ext_offset);
	write_u16_at(&e.w, 12, ip_checksum(out, len));
	return (int)len;
}
