#ifndef WARREN_TEST_NHRP_RANDOM_H
#define WARREN_TEST_NHRP_RANDOM_H

#include "core/base/cursor.h"
#include "core/wire/ip.h"
#include "core/wire/nhrp.h"

#include <string.h>

/* Valid NHRP packets of every kind with fields from a seed, for round trips. */
static inline uint32_t random_u32(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*state >> 32);
}

static inline uint32_t random_below(uint64_t *state, uint32_t n)
{
	return random_u32(state) % n;
}

static inline void random_fill(uint64_t *state, void *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = (uint8_t)random_u32(state);
}

static inline struct ip_addr random_addr(uint64_t *state, uint8_t family)
{
	uint8_t bytes[16];
	random_fill(state, bytes, sizeof bytes);
	return addr_from_bytes(family, bytes);
}

static inline struct nhrp_cie random_cie(uint64_t *state, const struct nhrp_packet *p)
{
	struct nhrp_cie cie = {
		.code = (uint8_t)random_below(state, 15),
		.prefix_len = (uint8_t)random_u32(state),
		.mtu = (uint16_t)random_u32(state),
		.holding_time_s = (uint16_t)random_u32(state),
		.preference = (uint8_t)random_u32(state),
	};
	if (random_below(state, 4))
		cie.nbma = random_addr(state, p->nbma_family);
	if (random_below(state, 4))
		cie.proto = random_addr(state, p->proto_family);
	return cie;
}

static inline void random_cies(
	uint64_t *state, const struct nhrp_packet *p, struct nhrp_cies *list, uint32_t max)
{
	for (uint32_t n = random_below(state, max + 1); n > 0; n--)
		list->v[list->n++] = random_cie(state, p);
}

static inline void random_text(uint64_t *state, char *out)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789.-";
	uint32_t len = random_below(state, NHRP_NAME_MAX + 1);
	for (uint32_t i = 0; i < len; i++)
		out[i] = letters[random_below(state, sizeof letters - 1)];
}

static inline void random_vendor(uint64_t *state, struct nhrp_vendor *v)
{
	v->n_candidates = (uint8_t)random_below(state, NHRP_CANDIDATES_MAX + 1);
	for (unsigned i = 0; i < v->n_candidates; i++) {
		v->candidates[i].kind = (uint8_t)random_below(state, 5);
		v->candidates[i].endpoint.port = (uint16_t)random_u32(state);
		v->candidates[i].endpoint.addr = random_addr(state, random_below(state, 2) ? 4 : 6);
	}
	if ((v->have_punch = random_below(state, 2))) {
		v->token_id = random_u32(state);
		random_fill(state, v->punch_key, sizeof v->punch_key);
	}
	if ((v->have_static_key = random_below(state, 2)))
		random_fill(state, v->static_key, sizeof v->static_key);
	random_text(state, v->name);
	random_text(state, v->group);
	v->n_prefixes = (uint8_t)random_below(state, NHRP_PREFIXES_MAX + 1);
	for (unsigned i = 0; i < v->n_prefixes; i++) {
		uint8_t family = random_below(state, 2) ? 4 : 6;
		v->prefixes[i].addr = random_addr(state, family);
		v->prefixes[i].len = (uint8_t)random_below(state, addr_bits(family) + 1u);
		v->prefixes[i] = prefix_masked(v->prefixes[i]);
	}
}

/* bytes: room that the packet points into; at least 80 bytes. */
static inline void random_packet(
	uint64_t *state, enum nhrp_type type, struct nhrp_packet *p, uint8_t *bytes)
{
	uint8_t nbma = random_below(state, 2) ? 4 : 6, proto = random_below(state, 2) ? 4 : 6;
	nhrp_init(p, type, nbma, proto);
	p->hop_count = (uint8_t)random_u32(state);
	p->src_nbma = random_addr(state, nbma);
	p->src_proto = random_addr(state, proto);
	p->dst_proto = random_addr(state, proto);
	if (type == NHRP_ERROR_INDICATION || type == NHRP_TRAFFIC_INDICATION) {
		/* A whole IP packet: what tshark wants to see in a traffic indication. */
		p->payload = bytes;
		p->payload_len = proto == 4 ? 28 : 48;
		random_fill(state, bytes, p->payload_len);
		if (proto == 4) {
			memcpy(bytes, "\x45\x00\x00\x1c\x00\x01\x00\x00\x40\xfd\x00\x00", 12);
			store_u16(bytes + 10, ip_checksum(bytes, IP4_HDR_LEN));
		} else {
			memcpy(bytes, "\x60\x00\x00\x00\x00\x08\xfd\x40", 8);
		}
		p->error_code =
			type == NHRP_ERROR_INDICATION ? (uint16_t)random_below(state, 18) : 0;
		p->error_offset = type == NHRP_ERROR_INDICATION ? (uint16_t)random_u32(state) : 0;
	} else {
		p->flags = (uint16_t)random_u32(state);
		p->request_id = random_u32(state);
		random_cies(state, p, &p->cies, 5);
	}
	if (type == NHRP_ERROR_INDICATION || random_below(state, 8) == 0)
		return;
	bool with_auth = random_below(state, 2), with_vendor = random_below(state, 2);
	nhrp_ext_standard(p, with_auth, with_vendor);
	random_cies(state, p, &p->responder, 1);
	random_cies(state, p, &p->forward, 3);
	random_cies(state, p, &p->reverse, 3);
	random_cies(state, p, &p->nat, 2);
	if (with_auth) {
		p->auth_spi = 1;
		p->auth = bytes + 48;
		p->auth_len = 16 + (uint16_t)random_below(state, 17);
		random_fill(state, bytes + 48, 32);
	}
	if (with_vendor)
		random_vendor(state, &p->vendor);
}

#endif
