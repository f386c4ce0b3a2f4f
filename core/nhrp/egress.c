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

/* The request has come by way of a hub (or a direct peer): who it is for is us. */
void egress_answer(struct nhrp *n, struct peer *p, struct nhrp_packet *request, uint64_t now)
{
	struct prefix prefix;
	char name[64], text[ADDR_TEXT_MAX];
	const struct nhrp_ext *unknown = nhrp_ext_unknown(request);
	const struct ip_addr *own = nhrp_own_address(n, request->proto_family);
	if (unknown || !own) {
		nhrp_error(n, p, NHRP_ERROR_UNRECOGNIZED_EXTENSION, 0, NULL, 0, request, now);
		return;
	}
	bool ours = !n->stopping && egress_prefix(n, &request->dst_proto, &prefix);
	struct nhrp_cie cie = nhrp_own_cie(n, request, own, p);
	if (ours) {
		cie.prefix_len = prefix.len;
		start_punching(n, request, now);
	} else {
		cie = (struct nhrp_cie){.code = NHRP_CODE_PROHIBITED};
		n->naks_sent++;
		env_log(n->env, LOG_DEBUG, "%s: resolution of %s refused: not ours to answer for",
			peer_name(p, name), addr_format(&request->dst_proto, text));
	}
	request->flags =
		(uint16_t)((request->flags &
				   (NHRP_RES_ROUTER | NHRP_RES_SOURCE_STABLE | NHRP_FLAG_NAT)) |
			(ours ? NHRP_RES_AUTHORITATIVE | NHRP_RES_DEST_STABLE : 0));
	if (ours && p->plain)
		foreign_asked(n, p, request, now);
	request->cies.n = 0;
	nhrp_add_cie(request, &cie);
	request->nat.n = 0;
	if (ours)
		foreign_add_ours(n, p, request);
	nhrp_make_reply(n, request, NHRP_RESOLUTION_REPLY, p);
	nhrp_ext_add(request, NHRP_EXT_VENDOR);
	memset(&request->vendor, 0, sizeof request->vendor);
	if (ours) {
		nhrp_add_candidates(n, request);
		request->vendor.have_static_key = true;
		memcpy(request->vendor.static_key, n->peers->id->public_key, KEY_LEN);
		strcpy(request->vendor.name, n->self.name);
	}
	nhrp_send(n, p, request, now);
}
