#include "core/nhrp/nhrp.h"

#include <string.h>

/* What a client says of itself: only what a hub observed may be called observed. */
static void clean_candidates(
	struct nhrp_packet *packet, const struct peer *nearest, const struct endpoint *from)
{
	struct nhrp_vendor *v = &packet->vendor;
	struct nhrp_candidate own[NHRP_CANDIDATES_MAX];
	unsigned kept = 0, n = 0;
	memcpy(own, v->candidates, sizeof own);
	/* Where it is now, and the proven endpoint that it may just be leaving. */
	v->candidates[kept++] =
		(struct nhrp_candidate){.kind = NHRP_CANDIDATE_SEEN, .endpoint = *from};
	if (!endpoint_equal(from, &nearest->endpoint))
		v->candidates[kept++] = (struct nhrp_candidate){
			.kind = NHRP_CANDIDATE_SEEN, .endpoint = nearest->endpoint};
	n = v->n_candidates;
	for (unsigned i = 0; i < n && kept < NHRP_CANDIDATES_MAX; i++) {
		const struct nhrp_candidate *c = &own[i];
		bool ours = c->kind == NHRP_CANDIDATE_SEEN || c->kind == NHRP_CANDIDATE_PREDICTED;
		const struct ip_addr *a = &c->endpoint.addr;
		/* A public IPv4 address counts only if it is the one that we see. */
		bool unseen = a->family == 4 && !addr_is_private(a) &&
			!addr_equal(a, &nearest->endpoint.addr) && !addr_equal(a, &from->addr);
		if (!ours && !unseen)
			v->candidates[kept++] = *c;
	}
	v->n_candidates = (uint8_t)kept;
}

static bool in_list(const struct nhrp *n, const struct nhrp_cies *list)
{
	for (unsigned i = 0; i < list->n; i++)
		if (cert_owns_address(&n->self, &list->v[i].proto))
			return true;
	return false;
}

static void negative(
	struct nhrp *n, struct peer *p, struct nhrp_packet *request, uint8_t code, uint64_t now)
{
	struct nhrp_cie cie = {.code = code};
	request->flags &= NHRP_RES_ROUTER | NHRP_RES_SOURCE_STABLE | NHRP_FLAG_NAT;
	request->cies.n = 0;
	nhrp_add_cie(request, &cie);
	n->naks_sent++;
	nhrp_make_reply(n, request, NHRP_RESOLUTION_REPLY, p);
	nhrp_ext_remove(request, NHRP_EXT_VENDOR);
	nhrp_send(n, p, request, now);
}

/* The client may ask in its own name only, with its own key, and so often. A NAK code, 0 = it may. */
static uint8_t refuse(
	struct nhrp *n, struct peer *p, const struct nhrp_packet *request, uint64_t now)
{
	if (p->cert.role & CERT_HUB)
		return 0;
	if (!cert_owns_address(&p->cert, &request->src_proto) ||
		(request->vendor.have_static_key &&
			memcmp(request->vendor.static_key, p->key, KEY_LEN) != 0))
		return NHRP_CODE_PROHIBITED;
	return bucket_take(&n->clients[p->id].requests, NS_PER_S / 10, 50, now)
		? 0
		: NHRP_CODE_NO_RESOURCES;
}

/* What is passed on makes its receiver send probes: whoever asks, so many a second. */
static bool may_order(struct nhrp *n, const struct peer *to, uint64_t now)
{
	return (to->cert.role & CERT_HUB) ||
		bucket_take(&n->clients[to->id].orders, NS_PER_S / NHRP_ORDERS_PER_S,
			NHRP_ORDERS_PER_S, now);
}

void transit_request(struct nhrp *n, struct peer *p, struct nhrp_packet *request,
	const uint8_t *data, size_t len, const struct endpoint *from, uint64_t now)
{
	struct fib_hop hop;
	struct fib_view view = fib_snapshot(n->fib);
	uint8_t code = refuse(n, p, request, now);
	if (code) {
		negative(n, p, request, code, now);
		return;
	}
	/* Whoever hears a client first says where it is: a hub, or we if it asks us directly. */
	if (!(p->cert.role & CERT_HUB) && nhrp_ext_find(request, NHRP_EXT_VENDOR))
		clean_candidates(request, p, from);
	if (!n->hub) {
		egress_answer(n, p, request, now);
		return;
	}
	bool found = fib_lookup(&view, &request->dst_proto, &hop);
	if (found && (hop.type == FIB_LOCAL || hop.type == FIB_OTHER)) {
		egress_answer(n, p, request, now);
		return;
	}
	struct peer *to = found && hop.type == FIB_OVERLAY && hop.peer != FIB_NONE
		? peer_at(n->peers, hop.peer)
		: NULL;
	if (!to || !peer_has_session(to) || to == p) {
		negative(n, p, request, NHRP_CODE_NO_BINDING, now);
		return;
	}
	if (to->plain != p->plain) { /* they can meet at this hub only */
		negative(n, p, request, NHRP_CODE_PROHIBITED, now);
		return;
	}
	foreign_add_theirs(p, request, &request->src_proto);
	if (request->hop_count <= 1) {
		nhrp_error(n, p, NHRP_ERROR_HOP_COUNT, 0, data, len, request, now);
		return;
	}
	if (in_list(n, &request->forward)) {
		nhrp_error(n, p, NHRP_ERROR_LOOP, 0, data, len, request, now);
		return;
	}
	if (!may_order(n, to, now)) {
		negative(n, p, request, NHRP_CODE_NO_RESOURCES, now);
		return;
	}
	request->hop_count--;
	const struct ip_addr *own = nhrp_own_address(n, request->proto_family);
	if (own && nhrp_ext_find(request, NHRP_EXT_FORWARD)) {
		struct nhrp_cie cie = nhrp_own_cie(n, request, own, to);
		nhrp_ext_add_cie(request, NHRP_EXT_FORWARD, &cie);
	}
	nhrp_send(n, to, request, now);
}

static bool goes_by(const void *gateway, const struct fib_route *route)
{
	return route->type == FIB_OVERLAY && addr_equal(&route->gateway, gateway);
}

bool transit_prefix(const struct nhrp *n, const struct ip_addr *target, uint8_t least_len,
	const struct ip_addr *gateway, struct prefix *out)
{
	return fib_widest(n->fib, target, least_len, goes_by, gateway, out);
}

/*
 * A positive answer: cut to what our own routes send the same way as the destination, since only what is
 * registered here, or was learnt by routing, says that a part of the prefix is somewhere else.
 */
static void narrow(struct nhrp *n, const struct peer *p, const struct peer *to,
	struct nhrp_packet *reply, uint64_t now)
{
	struct nhrp_cie *cie = &reply->cies.v[0];
	struct prefix host = prefix_host(&reply->dst_proto), prefix;
	const struct fib_route *route = fib_covering(n->fib, &host);
	uint8_t bits = nhrp_cie_bits(reply, cie);
	if (!route || !transit_prefix(n, &reply->dst_proto, bits, &route->gateway, &prefix))
		return; /* the route has just gone: so will the traffic */
	cie->prefix_len = prefix.len;
	purge_remember(
		n, to->id, p->id, &prefix, &route->gateway, now + cie->holding_time_s * NS_PER_S);
}

/* Replies go back to the requester, whose address is the source. */
void transit_reply(struct nhrp *n, struct peer *p, struct nhrp_packet *reply,
	const struct endpoint *from, uint64_t now)
{
	uint32_t id = fib_neighbour(n->fib, &reply->src_proto);
	struct peer *to = id == LPM_NONE ? NULL : peer_at(n->peers, id);
	if (!n->hub || !to || !peer_has_session(to) || to->plain != p->plain ||
		reply->hop_count <= 1 || reply->cies.n == 0 || in_list(n, &reply->reverse))
		return;
	reply->hop_count--;
	const struct ip_addr *own = nhrp_own_address(n, reply->proto_family);
	if (own && nhrp_ext_find(reply, NHRP_EXT_REVERSE)) {
		struct nhrp_cie cie = nhrp_own_cie(n, reply, own, to);
		nhrp_ext_add_cie(reply, NHRP_EXT_REVERSE, &cie);
	}
	const struct nhrp_cie *cie = &reply->cies.v[0];
	if (cie->code == NHRP_CODE_SUCCESS) {
		struct prefix prefix = prefix_masked((struct prefix){
			.addr = reply->dst_proto, .len = nhrp_cie_bits(reply, cie)});
		if (p->plain && !p->hub) {
			if (!cert_owns_address(&p->cert, nhrp_cie_proto(reply, cie)) ||
				!cert_covers_prefix(&p->cert, &prefix))
				return; /* not its own */
			foreign_add_theirs(p, reply, nhrp_cie_proto(reply, cie));
		} else if (!(p->cert.role & CERT_HUB)) {
			if (!reply->vendor.have_static_key ||
				memcmp(reply->vendor.static_key, p->key, KEY_LEN) != 0)
				return; /* it answers for somebody else */
			clean_candidates(reply, p, from);
		}
		narrow(n, p, to, reply, now);
	}
	nhrp_send(n, to, reply, now);
}
