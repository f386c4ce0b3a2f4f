#include "core/nhrp/nhrp.h"

#include "core/base/err.h"

#include <string.h>

/* Default routes do not count: what they lead to is not behind us alone. */
static bool is_behind_us(const void *ctx, const struct fib_route *route)
{
	(void)ctx;
	return route->prefix.len > 0 && (route->type == FIB_LOCAL || route->type == FIB_OTHER);
}

bool egress_prefix(const struct nhrp *n, const struct ip_addr *target, struct prefix *out)
{
	for (uint8_t len = 1; len <= addr_bits(target->family); len++) {
		struct prefix p = prefix_masked((struct prefix){.addr = *target, .len = len});
		if (cert_covers_prefix(&n->self, &p))
			return fib_widest(n->fib, target, len, is_behind_us, NULL, out);
	}
	return false;
}

static void start_punching(struct nhrp *n, const struct nhrp_packet *request, uint64_t now)
{
	const struct nhrp_vendor *v = &request->vendor;
	struct candidate to[PUNCH_CANDIDATES];
	unsigned count = 0;
	if (!v->have_punch || !v->have_static_key ||
		memcmp(v->static_key, n->peers->id->public_key, KEY_LEN) == 0 ||
		!bucket_take(&n->punches, NS_PER_S / NHRP_ORDERS_PER_S, NHRP_ORDERS_PER_S, now))
		return;
	for (unsigned i = 0; i < v->n_candidates && i < PUNCH_CANDIDATES; i++)
		to[count++] = (struct candidate){
			.kind = v->candidates[i].kind, .endpoint = v->candidates[i].endpoint};
	count = punch_filter(n->peers, to, count);
	/* It asks by way of the hub although we think that we talk directly: does it hear us? */
	struct peer *p = peer_find(n->peers, v->static_key);
	if (p && !p->plain && p->path == PATH_UP && !p->hub && !n->hub)
		liveness_doubt(n->peers, p, now);
	punch_start(n->peers, v->token_id, v->punch_key, v->static_key, to, count, now);
}

/* Does the association outlive any change of routing? Our own addresses, and what is on our links. */
static bool is_stable(const struct nhrp *n, const struct ip_addr *target)
{
	struct prefix host = prefix_host(target);
	const struct fib_route *r = fib_covering(n->fib, &host);
	return r && (r->type == FIB_LOCAL || (r->type == FIB_OTHER && r->gateway.family == 0));
}

/* What we can say about the destination. The CIE's code: 0, or why we cannot. */
static uint8_t find_answer(
	const struct nhrp *n, const struct nhrp_packet *request, struct prefix *prefix)
{
	const struct nhrp_cie *asked = request->cies.n ? &request->cies.v[0] : NULL;
	if (n->stopping || !nhrp_own_address(n, request->proto_family) ||
		!egress_prefix(n, &request->dst_proto, prefix))
		return NHRP_CODE_PROHIBITED;
	/* Only our addresses are bound to us alone. */
	if (request->flags & NHRP_RES_UNIQUE) {
		if (!cert_owns_address(&n->self, &request->dst_proto))
			return NHRP_CODE_NOT_UNIQUE;
		*prefix = prefix_host(&request->dst_proto);
	}
	/* The widest that it will have, if it says so. */
	if (asked && !nhrp_cie_is_host(request, asked) && asked->prefix_len > prefix->len)
		*prefix = prefix_masked(
			(struct prefix){.addr = request->dst_proto, .len = asked->prefix_len});
	return NHRP_CODE_SUCCESS;
}

/* The request has come by way of a hub (or a direct peer): who it is for is us. */
void egress_answer(struct nhrp *n, struct peer *p, struct nhrp_packet *request, uint64_t now)
{
	struct prefix prefix;
	struct nhrp_cie cie = {0};
	char name[64], text[ADDR_TEXT_MAX];
	bool unique = request->flags & NHRP_RES_UNIQUE;
	uint8_t code = find_answer(n, request, &prefix);
	request->flags &= NHRP_RES_ROUTER | NHRP_RES_SOURCE_STABLE | NHRP_FLAG_NAT;
	if (code == NHRP_CODE_SUCCESS) {
		cie = nhrp_own_cie(n, request, nhrp_own_address(n, request->proto_family), p);
		cie.prefix_len = unique ? NHRP_PREFIX_HOST : prefix.len;
		request->flags |= NHRP_RES_AUTHORITATIVE | (unique ? NHRP_RES_UNIQUE : 0) |
			(is_stable(n, &request->dst_proto) ? NHRP_RES_DEST_STABLE : 0);
		start_punching(n, request, now);
		purge_remember(n, p->id, PEER_NONE, &prefix, &(struct ip_addr){0},
			now + n->config.holding_time_s * NS_PER_S);
	} else {
		cie.code = code;
		n->naks_sent++;
		env_log(n->env, LOG_DEBUG, "%s: resolution of %s refused: %s", peer_name(p, name),
			addr_format(&request->dst_proto, text), nhrp_code_name(code));
	}
	if (code == NHRP_CODE_SUCCESS && p->plain)
		foreign_asked(n, p, request, now);
	request->cies.n = 0;
	nhrp_add_cie(request, &cie);
	request->nat.n = 0;
	if (code == NHRP_CODE_SUCCESS)
		foreign_add_ours(n, p, request);
	nhrp_make_reply(n, request, NHRP_RESOLUTION_REPLY, p);
	nhrp_ext_add(request, NHRP_EXT_VENDOR);
	memset(&request->vendor, 0, sizeof request->vendor);
	if (code == NHRP_CODE_SUCCESS) {
		nhrp_add_candidates(n, request);
		request->vendor.have_static_key = true;
		memcpy(request->vendor.static_key, n->peers->id->public_key, KEY_LEN);
		strcpy(request->vendor.name, n->self.name);
	}
	nhrp_send(n, p, request, now);
}
