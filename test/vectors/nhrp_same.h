#ifndef WARREN_TEST_NHRP_SAME_H
#define WARREN_TEST_NHRP_SAME_H

#include "core/wire/nhrp.h"

#include <string.h>

/* Are two packets equal in everything that the codec carries? Borrowed bytes compare by value. */
static inline bool same_bytes(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

static inline bool same_cies(const struct nhrp_cies *a, const struct nhrp_cies *b)
{
	if (a->n != b->n)
		return false;
	for (unsigned i = 0; i < a->n; i++) {
		const struct nhrp_cie *x = &a->v[i], *y = &b->v[i];
		if (x->code != y->code || x->prefix_len != y->prefix_len || x->mtu != y->mtu ||
			x->holding_time_s != y->holding_time_s || x->preference != y->preference ||
			!addr_equal(&x->nbma, &y->nbma) || !addr_equal(&x->proto, &y->proto))
			return false;
	}
	return true;
}

static inline bool same_exts(const struct nhrp_packet *a, const struct nhrp_packet *b)
{
	if (a->n_exts != b->n_exts || a->have_end != b->have_end)
		return false;
	for (unsigned i = 0; i < a->n_exts; i++) {
		const struct nhrp_ext *x = &a->exts[i], *y = &b->exts[i];
		if (x->type != y->type || x->compulsory != y->compulsory || x->raw != y->raw ||
			!same_bytes(x->data, x->len, y->data, y->len))
			return false;
	}
	return same_cies(&a->responder, &b->responder) && same_cies(&a->forward, &b->forward) &&
		same_cies(&a->reverse, &b->reverse) && same_cies(&a->nat, &b->nat) &&
		a->auth_spi == b->auth_spi &&
		same_bytes(a->auth, a->auth_len, b->auth, b->auth_len);
}

static inline bool same_vendor(const struct nhrp_vendor *a, const struct nhrp_vendor *b)
{
	if (a->n_candidates != b->n_candidates || a->n_prefixes != b->n_prefixes ||
		a->n_others != b->n_others || a->have_punch != b->have_punch ||
		a->token_id != b->token_id || a->have_static_key != b->have_static_key ||
		memcmp(a->punch_key, b->punch_key, sizeof a->punch_key) != 0 ||
		memcmp(a->static_key, b->static_key, sizeof a->static_key) != 0 ||
		strcmp(a->name, b->name) != 0 || strcmp(a->group, b->group) != 0)
		return false;
	for (unsigned i = 0; i < a->n_candidates; i++)
		if (a->candidates[i].kind != b->candidates[i].kind ||
			!endpoint_equal(&a->candidates[i].endpoint, &b->candidates[i].endpoint))
			return false;
	for (unsigned i = 0; i < a->n_prefixes; i++)
		if (!prefix_equal(&a->prefixes[i], &b->prefixes[i]))
			return false;
	for (unsigned i = 0; i < a->n_others; i++)
		if (a->others[i].type != b->others[i].type ||
			!same_bytes(a->others[i].data, a->others[i].len, b->others[i].data,
				b->others[i].len))
			return false;
	return true;
}

static inline bool same_packet(const struct nhrp_packet *a, const struct nhrp_packet *b)
{
	return a->type == b->type && a->nbma_family == b->nbma_family &&
		a->proto_family == b->proto_family && a->hop_count == b->hop_count &&
		a->flags == b->flags && a->request_id == b->request_id &&
		addr_equal(&a->src_nbma, &b->src_nbma) &&
		addr_equal(&a->src_proto, &b->src_proto) &&
		addr_equal(&a->dst_proto, &b->dst_proto) && same_cies(&a->cies, &b->cies) &&
		a->error_code == b->error_code && a->error_offset == b->error_offset &&
		a->traffic_code == b->traffic_code &&
		same_bytes(a->payload, a->payload_len, b->payload, b->payload_len) &&
		same_exts(a, b) && same_vendor(&a->vendor, &b->vendor);
}

#endif
