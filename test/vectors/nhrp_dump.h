#ifndef WARREN_TEST_NHRP_DUMP_H
#define WARREN_TEST_NHRP_DUMP_H

#include "core/wire/nhrp.h"

#include <stdio.h>

/*
 * An NHRP packet as lines of text, in the form to which tshark_check.py brings tshark's decode: field
 * by field in wire order, absent addresses as "-".
 */
static inline void dump_addr(FILE *f, const char *name, const struct ip_addr *a)
{
	char text[ADDR_TEXT_MAX];
	fprintf(f, "%s %s\n", name, a->family ? addr_format(a, text) : "-");
}

static inline void dump_hex(FILE *f, const char *name, const uint8_t *data, size_t len)
{
	fprintf(f, "%s ", name);
	for (size_t i = 0; i < len; i++)
		fprintf(f, "%02x", data[i]);
	fputc('\n', f);
}

static inline void dump_cies(FILE *f, const struct nhrp_cies *list)
{
	for (unsigned i = 0; i < list->n; i++) {
		const struct nhrp_cie *c = &list->v[i];
		fprintf(f, "cie code %u prefix %u mtu %u hold %u preference %u\n", c->code,
			c->prefix_len, c->mtu, c->holding_time_s, c->preference);
		dump_addr(f, "cie-nbma", &c->nbma);
		dump_addr(f, "cie-proto", &c->proto);
	}
}

static inline void dump_packet(FILE *f, const struct nhrp_packet *p)
{
	fprintf(f, "afn %u proto %u type %u hop %u\n", p->nbma_family, p->proto_family, p->type,
		p->hop_count);
	if (p->type == NHRP_ERROR_INDICATION)
		fprintf(f, "error %u offset %u\n", p->error_code, p->error_offset);
	else if (p->type != NHRP_TRAFFIC_INDICATION)
		fprintf(f, "flags 0x%04x id %u\n", p->flags, p->request_id);
	dump_addr(f, "src-nbma", &p->src_nbma);
	dump_addr(f, "src-proto", &p->src_proto);
	dump_addr(f, "dst-proto", &p->dst_proto);
	dump_cies(f, &p->cies);
	for (unsigned i = 0; i < p->n_exts; i++) {
		const struct nhrp_ext *ext = &p->exts[i];
		fprintf(f, "ext 0x%04x compulsory %d\n", ext->type, ext->compulsory);
		if (ext->type == NHRP_EXT_RESPONDER)
			dump_cies(f, &p->responder);
		else if (ext->type == NHRP_EXT_FORWARD)
			dump_cies(f, &p->forward);
		else if (ext->type == NHRP_EXT_REVERSE)
			dump_cies(f, &p->reverse);
		else if (ext->type == NHRP_EXT_NAT && !ext->raw)
			dump_cies(f, &p->nat);
		else if (ext->type == NHRP_EXT_AUTH) {
			fprintf(f, "spi %u\n", p->auth_spi);
			dump_hex(f, "auth", p->auth, p->auth_len);
		}
	}
	if (p->n_exts || p->have_end)
		fprintf(f, "end\n");
}

#endif
