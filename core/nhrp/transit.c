#include "core/nhrp/nhrp.h"

#include "core/base/err.h"
#include "core/route/flow.h"

#include <string.h>

#define OFFSET_HOP_COUNT 9 /* of the field, for error indications */

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

/* A reply that says no, by us. */
static void negative(struct nhrp *n, struct peer *p, struct nhrp_packet *request, uint8_t code,
	const uint8_t *data, size_t len, uint64_t now)
{
	struct nhrp_cie cie = {.code = code};
	if (!nhrp_understood(n, p, request, data, len, now))
		return;
	request->flags &= NHRP_RES_ROUTER | NHRP_RES_SOURCE_STABLE | NHRP_FLAG_NAT;
	request->cies.n = 0;
	nhrp_add_cie(request, &cie);
	n->naks_sent++;
	nhrp_make_reply(n, request, NHRP_RESOLUTION_REPLY, p);
	memset(&request->vendor, 0, sizeof request->vendor);
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
	return nhs_may_ask(n, p, now) ? 0 : NHRP_CODE_NO_RESOURCES;
}

/* What is passed on makes its receiver send probes: whoever asks, so many a second. */
static bool may_order(struct nhrp *n, const struct peer *to, uint64_t now)
{
	return (to->cert.role & CERT_HUB) ||
		bucket_take(&n->clients[to->id].orders, NS_PER_S / NHRP_ORDERS_PER_S,
			NHRP_ORDERS_PER_S, now);
}

static struct peer *live_peer(const struct nhrp *n, uint32_t id)
{
	struct peer *p = id == FIB_NONE ? NULL : peer_at(n->peers, id);
	return p && peer_has_session(p) ? p : NULL;
}

struct requester {
	const struct nhrp *n;
	const struct peer *p;
};

static bool can_answer(const void *ctx, uint32_t peer)
{
	const struct requester *r = ctx;
	const struct peer *to = live_peer(r->n, peer);
	return to && to != r->p;
}

/*
 * By the route, as a packet would go; where several next hops lead there, those who send share them as flows
 * do. *ours: it leads out of this host, not into the overlay.
 */
static struct peer *routed(const struct nhrp *n, const struct peer *p, const struct ip_addr *src,
	const struct ip_addr *dst, bool *ours)
{
	struct requester requester = {.n = n, .p = p};
	struct ip_addr wanted;
	struct fib_hop hop;
	struct fib_view view = fib_snapshot(n->fib);
	bool found = fib_lookup(&view, dst, &hop);
	if (found && hop.legs != FIB_NONE)
		fib_choose(&view, dst, flow_hash_pair(n->redirect_seed, src, dst), can_answer,
			&requester, &hop, &wanted);
	*ours = found && (hop.type == FIB_LOCAL || hop.type == FIB_OTHER);
	return found && hop.type == FIB_OVERLAY ? live_peer(n, hop.peer) : NULL;
}

struct peer *transit_towards(const struct nhrp *n, const struct ip_addr *dst)
{
	bool ours;
	struct peer *client = live_peer(n, fib_neighbour(n->fib, dst));
	return client ? client : routed(n, NULL, dst, dst, &ours);
}

/*
 * One hop further, with our entry in the record of the hubs on the way. A packet with a compulsory
 * extension that we do not know is passed on and no more (RFC 2332 s.5.3).
 */
static void pass_on(struct nhrp *n, struct peer *p, struct peer *to, struct nhrp_packet *packet,
	enum nhrp_ext_type record, const uint8_t *data, size_t len, uint64_t now)
{
	int rc = 0;
	const struct ip_addr *own = nhrp_own_address(n, packet->proto_family);
	packet->hop_count--;
	if (own && nhrp_ext_find(packet, record) && !nhrp_ext_unknown(packet)) {
		struct nhrp_cie cie = nhrp_own_cie(n, packet, own, to);
		rc = nhrp_ext_add_cie(packet, record, &cie);
	}
	if (rc == 0)
		rc = nhrp_send(n, to, packet, now);
	if (rc == ERR_NO_SPACE)
		nhrp_error(n, p, NHRP_ERROR_SDU_SIZE, 0, data, len, packet, now);
}

void transit_request(struct nhrp *n, struct peer *p, struct nhrp_packet *request,
	const uint8_t *data, size_t len, const struct endpoint *from, uint64_t now)
{
	bool ours = true;
	struct peer *to = NULL;
	uint8_t code = refuse(n, p, request, now);
	if (code) {
		negative(n, p, request, code, data, len, now);
		return;
	}
	/* Whoever hears a client first says where it is: a hub, or we if it asks us directly. */
	if (!(p->cert.role & CERT_HUB) && nhrp_ext_find(request, NHRP_EXT_VENDOR))
		clean_candidates(request, p, from);
	if (n->hub)
		to = routed(n, p, &request->src_proto, &request->dst_proto, &ours);
	if (ours) {
		if (nhrp_understood(n, p, request, data, len, now))
			egress_answer(n, p, request, now);
	} else if (!to || to == p) {
		negative(n, p, request, NHRP_CODE_NO_BINDING, data, len, now);
	} else if (to->plain != p->plain) { /* they can meet at this hub only */
		negative(n, p, request, NHRP_CODE_PROHIBITED, data, len, now);
	} else if (request->hop_count == 0) {
		nhrp_error(n, p, NHRP_ERROR_HOP_COUNT, OFFSET_HOP_COUNT, data, len, request, now);
	} else if (in_list(n, &request->forward)) {
		nhrp_error(n, p, NHRP_ERROR_LOOP, nhrp_ext_find(request, NHRP_EXT_FORWARD)->offset,
			data, len, request, now);
	} else if (!may_order(n, to, now)) {
		negative(n, p, request, NHRP_CODE_NO_RESOURCES, data, len, now);
	} else {
		foreign_add_theirs(p, request, &request->src_proto);
		pass_on(n, p, to, request, NHRP_EXT_FORWARD, data, len, now);
	}
}

/* What a client answers is about itself: with its own key, and where we see it. */
static bool clean_reply(struct peer *p, struct nhrp_packet *reply, const struct endpoint *from)
{
	const struct nhrp_cie *cie = &reply->cies.v[0];
	if (p->hub || p->cert.role & CERT_HUB || cie->code != NHRP_CODE_SUCCESS)
		return true;
	if (p->plain) {
		struct prefix prefix = prefix_masked((struct prefix){
			.addr = reply->dst_proto, .len = nhrp_cie_bits(reply, cie)});
		foreign_add_theirs(p, reply, nhrp_cie_proto(reply, cie));
		return cert_owns_address(&p->cert, nhrp_cie_proto(reply, cie)) &&
			cert_covers_prefix(&p->cert, &prefix);
	}
	if (!reply->vendor.have_static_key ||
		memcmp(reply->vendor.static_key, p->key, KEY_LEN) != 0)
		return false;
	clean_candidates(reply, p, from);
	return true;
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
	if (cie->code != NHRP_CODE_SUCCESS || nhrp_ext_unknown(reply))
		return;
	if (!route || !transit_prefix(n, &reply->dst_proto, bits, &route->gateway, &prefix))
		return; /* the route has just gone: so will the traffic */
	if (prefix.len > bits)
		cie->prefix_len = prefix.len;
	purge_remember(
		n, to->id, p->id, &prefix, &route->gateway, now + cie->holding_time_s * NS_PER_S);
}

/* Replies go back to the requester, whose address is the source: by a session of its own, or by route. */
void transit_reply(struct nhrp *n, struct peer *p, struct nhrp_packet *reply, const uint8_t *data,
	size_t len, const struct endpoint *from, uint64_t now)
{
	if (!n->hub || reply->cies.n == 0 || !clean_reply(p, reply, from))
		return;
	struct peer *to = transit_towards(n, &reply->src_proto);
	const struct nhrp_ext *looped = in_list(n, &reply->reverse)
		? nhrp_ext_find(reply, NHRP_EXT_REVERSE)
		: in_list(n, &reply->responder) ? nhrp_ext_find(reply, NHRP_EXT_RESPONDER)
						: NULL;
	if (looped) {
		nhrp_error(n, p, NHRP_ERROR_LOOP, looped->offset, data, len, reply, now);
	} else if (!to || to == p || to->plain != p->plain) {
		nhrp_error(n, p, NHRP_ERROR_UNREACHABLE, 0, data, len, reply, now);
	} else if (reply->hop_count == 0) {
		nhrp_error(n, p, NHRP_ERROR_HOP_COUNT, OFFSET_HOP_COUNT, data, len, reply, now);
	} else {
		narrow(n, p, to, reply, now);
		pass_on(n, p, to, reply, NHRP_EXT_REVERSE, data, len, now);
	}
}
