#include "core/wire/nhrp.h"
#include "core/base/err.h"
#include "core/wire/nhrp_private.h"

#include <string.h>

/*
 * The parts of the NHRP codec that touch no bytes: building packets, their list of extensions, the
 * meaning of CIE fields, names. The codec proper is nhrp_decode.c, nhrp_encode.c, nhrp_vendor.c.
 */

void nhrp_init(
	struct nhrp_packet *p, enum nhrp_type type, uint8_t nbma_family, uint8_t proto_family)
{
	memset(p, 0, sizeof *p);
	p->type = type;
	p->nbma_family = nbma_family;
	p->proto_family = proto_family;
	p->hop_count = NHRP_HOP_COUNT;
}

struct nhrp_cies *nhrp_ext_cies(struct nhrp_packet *p, uint16_t type, uint8_t *max)
{
	switch (type) {
	case NHRP_EXT_RESPONDER:
		*max = 1;
		return &p->responder;
	case NHRP_EXT_FORWARD:
		*max = NHRP_TRANSIT_MAX;
		return &p->forward;
	case NHRP_EXT_REVERSE:
		*max = NHRP_TRANSIT_MAX;
		return &p->reverse;
	case NHRP_EXT_NAT:
		*max = NHRP_NAT_MAX;
		return &p->nat;
	default:
		return NULL;
	}
}

bool nhrp_ext_has_fields(uint16_t type)
{
	return type == NHRP_EXT_RESPONDER || type == NHRP_EXT_FORWARD || type == NHRP_EXT_REVERSE ||
		type == NHRP_EXT_AUTH || type == NHRP_EXT_VENDOR || type == NHRP_EXT_NAT;
}

bool nhrp_ext_is_raw(uint16_t type, const uint8_t *data, uint16_t len)
{
	if (type == NHRP_EXT_VENDOR)
		return len < 4 || load_u32(data) != NHRP_VENDOR_HEAD;
	if (type == NHRP_EXT_NAT)
		return len == NHRP_CAPS_2735;
	return !nhrp_ext_has_fields(type);
}

void nhrp_ext_standard(struct nhrp_packet *p, bool with_auth, bool with_vendor)
{
	p->n_exts = 0;
	nhrp_ext_add(p, NHRP_EXT_RESPONDER);
	nhrp_ext_add(p, NHRP_EXT_FORWARD);
	nhrp_ext_add(p, NHRP_EXT_REVERSE);
	if (with_auth)
		nhrp_ext_add(p, NHRP_EXT_AUTH);
	nhrp_ext_add(p, NHRP_EXT_NAT);
	if (with_vendor)
		nhrp_ext_add(p, NHRP_EXT_VENDOR);
}

int nhrp_ext_add(struct nhrp_packet *p, enum nhrp_ext_type type)
{
	if (!nhrp_ext_has_fields((uint16_t)type))
		return ERR_UNSUPPORTED;
	if (nhrp_ext_find(p, type))
		return 0;
	if (p->n_exts >= NHRP_EXTS_MAX)
		return ERR_NO_SPACE;
	/* These two are for those who know them; a compulsory stranger would end in an error. */
	bool compulsory = type != NHRP_EXT_VENDOR && type != NHRP_EXT_NAT;
	p->exts[p->n_exts++] = (struct nhrp_ext){.type = (uint16_t)type, .compulsory = compulsory};
	p->have_end = true;
	return 0;
}

const struct nhrp_ext *nhrp_ext_find(const struct nhrp_packet *p, enum nhrp_ext_type type)
{
	for (unsigned i = 0; i < p->n_exts; i++)
		if (p->exts[i].type == type && !p->exts[i].raw)
			return &p->exts[i];
	return NULL;
}

void nhrp_ext_remove(struct nhrp_packet *p, enum nhrp_ext_type type)
{
	const struct nhrp_ext *found = nhrp_ext_find(p, type);
	if (!found)
		return;
	size_t at = (size_t)(found - p->exts);
	p->n_exts--;
	memmove(&p->exts[at], &p->exts[at + 1], (p->n_exts - at) * sizeof p->exts[0]);
	uint8_t max;
	struct nhrp_cies *list = nhrp_ext_cies(p, (uint16_t)type, &max);
	if (list) {
		list->n = 0;
	} else if (type == NHRP_EXT_AUTH) {
		p->auth_spi = p->auth_len = 0;
		p->auth = NULL;
	} else if (type == NHRP_EXT_VENDOR) {
		memset(&p->vendor, 0, sizeof p->vendor);
	}
}

const struct nhrp_ext *nhrp_ext_unknown(const struct nhrp_packet *p)
{
	for (unsigned i = 0; i < p->n_exts; i++)
		if (p->exts[i].compulsory && !nhrp_ext_has_fields(p->exts[i].type))
			return &p->exts[i];
	return NULL;
}

static int add_to_list(struct nhrp_cies *list, uint8_t max, const struct nhrp_cie *cie)
{
	if (list->n >= max)
		return ERR_NO_SPACE;
	list->v[list->n++] = *cie;
	return 0;
}

int nhrp_add_cie(struct nhrp_packet *p, const struct nhrp_cie *cie)
{
	return add_to_list(&p->cies, NHRP_CIES_MAX, cie);
}

int nhrp_ext_add_cie(struct nhrp_packet *p, enum nhrp_ext_type type, const struct nhrp_cie *cie)
{
	uint8_t max;
	struct nhrp_cies *list = nhrp_ext_cies(p, (uint16_t)type, &max);
	if (!list)
		return ERR_UNSUPPORTED;
	if (list->n >= max)
		return ERR_NO_SPACE;
	int rc = nhrp_ext_add(p, type);
	return rc < 0 ? rc : add_to_list(list, max, cie);
}

bool nhrp_cie_is_host(const struct nhrp_packet *p, const struct nhrp_cie *cie)
{
	if (cie->prefix_len == 0)
		return !(cie->proto.family && addr_is_unspecified(&cie->proto));
	return cie->prefix_len >= addr_bits(p->proto_family);
}

uint8_t nhrp_cie_bits(const struct nhrp_packet *p, const struct nhrp_cie *cie)
{
	return nhrp_cie_is_host(p, cie) ? addr_bits(p->proto_family) : cie->prefix_len;
}

const struct ip_addr *nhrp_cie_proto(const struct nhrp_packet *p, const struct nhrp_cie *cie)
{
	return cie->proto.family ? &cie->proto : &p->src_proto;
}

const struct ip_addr *nhrp_cie_nbma(const struct nhrp_packet *p, const struct nhrp_cie *cie)
{
	return cie->nbma.family ? &cie->nbma : &p->src_nbma;
}

struct ip_addr nhrp_nbma(const struct nhrp_packet *p, const struct ip_addr *addr)
{
	return addr->family == p->nbma_family ? *addr : (struct ip_addr){0};
}

struct named {
	uint16_t value;
	const char *name;
};

static const char *find_name(const struct named *table, size_t n, uint16_t value)
{
	for (size_t i = 0; i < n; i++)
		if (table[i].value == value)
			return table[i].name;
	return "unknown";
}

#define FIND_NAME(table, value) find_name(table, sizeof(table) / sizeof((table)[0]), value)

const char *nhrp_type_name(uint8_t type)
{
	static const struct named names[] = {
		{NHRP_RESOLUTION_REQUEST, "resolution-request"},
		{NHRP_RESOLUTION_REPLY, "resolution-reply"},
		{NHRP_REGISTRATION_REQUEST, "registration-request"},
		{NHRP_REGISTRATION_REPLY, "registration-reply"},
		{NHRP_PURGE_REQUEST, "purge-request"},
		{NHRP_PURGE_REPLY, "purge-reply"},
		{NHRP_ERROR_INDICATION, "error-indication"},
		{NHRP_TRAFFIC_INDICATION, "traffic-indication"},
	};
	return FIND_NAME(names, type);
}

const char *nhrp_code_name(uint8_t code)
{
	static const struct named names[] = {
		{NHRP_CODE_SUCCESS, "success"},
		{NHRP_CODE_PROHIBITED, "prohibited"},
		{NHRP_CODE_NO_RESOURCES, "no-resources"},
		{NHRP_CODE_NO_BINDING_LEGACY, "no-binding"},
		{NHRP_CODE_NO_BINDING, "no-binding"},
		{NHRP_CODE_NOT_UNIQUE, "not-unique"},
		{NHRP_CODE_ALREADY_REGISTERED, "already-registered"},
	};
	return FIND_NAME(names, code);
}

const char *nhrp_error_name(uint16_t code)
{
	static const struct named names[] = {
		{NHRP_ERROR_NONE, "none"},
		{NHRP_ERROR_UNRECOGNIZED_EXTENSION, "unrecognized-extension"},
		{NHRP_ERROR_LOOP_LEGACY, "loop-detected"},
		{NHRP_ERROR_LOOP, "loop-detected"},
		{NHRP_ERROR_UNREACHABLE, "unreachable"},
		{NHRP_ERROR_PROTOCOL, "protocol-error"},
		{NHRP_ERROR_SDU_SIZE, "sdu-size-exceeded"},
		{NHRP_ERROR_INVALID_EXTENSION, "invalid-extension"},
		{NHRP_ERROR_INVALID_REPLY, "invalid-reply"},
		{NHRP_ERROR_AUTHENTICATION, "authentication-failure"},
		{NHRP_ERROR_HOP_COUNT, "hop-count-exceeded"},
		{NHRP_ERROR_VPN_MISMATCH, "vpn-mismatch"},
		{NHRP_ERROR_VPN_UNSUPPORTED, "vpn-unsupported"},
	};
	return FIND_NAME(names, code);
}
