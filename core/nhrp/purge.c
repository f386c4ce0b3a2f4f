#include "core/nhrp/nhrp.h"

#include <string.h>

void purge_remember(struct nhrp *n, uint32_t requester, uint32_t egress,
	const struct prefix *prefix, const struct ip_addr *gateway, uint64_t until)
{
	struct told *oldest = &n->told[n->n_told % NHRP_TOLD];
	for (uint32_t i = 0; i < NHRP_TOLD && i < n->n_told; i++) {
		struct told *t = &n->told[i];
		if (t->requester == requester && t->egress == egress &&
			prefix_equal(&t->prefix, prefix)) {
			t->gateway = *gateway;
			t->until = until;
			return;
		}
	}
	*oldest = (struct told){.requester = requester,
		.egress = egress,
		.prefix = *prefix,
		.gateway = *gateway,
		.until = until};
	n->n_told++;
}

static void send_purge(
	struct nhrp *n, struct peer *to, const struct prefix *prefix, uint16_t flags, uint64_t now)
{
	struct nhrp_packet packet;
	if (!peer_has_session(to))
		return;
	nhrp_begin(n, &packet, NHRP_PURGE_REQUEST, to, prefix->addr.family);
	packet.flags = flags;
	packet.dst_proto = packet.src_proto;
	for (unsigned i = 0; i < to->cert.n_addresses; i++)
		if (to->cert.addresses[i].addr.family == prefix->addr.family)
			packet.dst_proto = to->cert.addresses[i].addr;
	struct nhrp_cie cie = {.prefix_len = prefix->len, .proto = prefix->addr};
	nhrp_add_cie(&packet, &cie);
	nhrp_ext_standard(&packet, false, false);
	nhrp_send(n, to, &packet, now);
}

static void purge(struct nhrp *n, struct told *t, uint64_t now)
{
	struct peer *to = peer_at(n->peers, t->requester);
	t->until = 0;
	if (to)
		send_purge(n, to, &t->prefix, 0, now);
}

void purge_told(struct nhrp *n, uint32_t egress, const struct prefix *prefix, uint64_t now)
{
	for (uint32_t i = 0; i < NHRP_TOLD && i < n->n_told; i++) {
		struct told *t = &n->told[i];
		if (t->egress == egress && now < t->until &&
			(prefix_covers(prefix, &t->prefix) || prefix_covers(&t->prefix, prefix)))
			purge(n, t, now);
	}
}

/* If our own route is gone, the shortcut is the better way: whoever has it may keep it. */
static bool goes_elsewhere(const struct nhrp *n, const struct told *t)
{
	struct prefix whole;
	const struct fib_route *r = fib_covering(n->fib, &t->prefix);
	return r && r->prefix.len > 0 && r->type != FIB_REJECT &&
		!(transit_prefix(n, &t->prefix.addr, t->prefix.len, &t->gateway, &whole) &&
			whole.len == t->prefix.len);
}

/* What we answered for ourselves and would not answer so any more. */
static bool is_no_longer_ours(const struct nhrp *n, const struct told *t)
{
	struct prefix now;
	return !egress_prefix(n, &t->prefix.addr, &now) || now.len > t->prefix.len;
}

void purge_check_routes(struct nhrp *n, uint64_t now)
{
	for (uint32_t i = 0; i < NHRP_TOLD && i < n->n_told; i++) {
		struct told *t = &n->told[i];
		if (now < t->until &&
			(t->egress == PEER_NONE ? is_no_longer_ours : goes_elsewhere)(n, t))
			purge(n, t, now);
	}
}

/*
 * What we told of is purged when it goes, but by way of the hub that asked us, which may have been restarted since
 * then and know of nothing; or we have been. Who acts on it will tell.
 */
void nhrp_misled(struct nhrp *n, struct peer *p, const struct ip_addr *dst, uint64_t now)
{
	struct prefix host = prefix_host(dst), ours;
	char name[64], text[ADDR_TEXT_MAX];
	if (egress_prefix(n, dst, &ours))
		return;
	env_log(n->env, LOG_DEBUG, "%s: sends what is for %s here: purged", peer_name(p, name),
		addr_format(dst, text));
	send_purge(n, p, &host, 0, now);
}

/* Everything of ours, without waiting for an answer: we are leaving. */
void purge_own(struct nhrp *n, struct peer *p, uint64_t now)
{
	for (unsigned i = 0; i < n->self.n_addresses; i++) {
		struct prefix host = prefix_host(&n->self.addresses[i].addr);
		send_purge(n, p, &host, NHRP_PURGE_NO_REPLY, now);
	}
}

/* A client withdraws its own bindings; a hub what it answered for; a direct peer its shortcuts. */
void purge_receive(struct nhrp *n, struct peer *p, struct nhrp_packet *request, uint64_t now)
{
	for (unsigned i = 0; i < request->cies.n; i++) {
		struct prefix prefix = prefix_masked(
			(struct prefix){.addr = *nhrp_cie_proto(request, &request->cies.v[i]),
				.len = nhrp_cie_bits(request, &request->cies.v[i])});
		if (n->hub) {
			nhs_unbind(n, p, &prefix, "purged by its owner", now);
			/* What we passed on of it, hub or client, is purged by us in turn. */
			purge_told(n, p->id, &prefix, now);
		}
		for (unsigned k = 0; k < NHRP_SHORTCUTS; k++) {
			struct shortcut *s = &n->shortcuts[k];
			const struct peer *via = s->used ? peer_at(n->peers, s->peer) : NULL;
			if (via && via->plain == p->plain && (p->hub || via == p) &&
				(prefix_covers(&prefix, &s->prefix) ||
					prefix_covers(&s->prefix, &prefix)))
				shortcut_remove(n, s, "purged", now);
		}
	}
	if (request->flags & NHRP_PURGE_NO_REPLY)
		return;
	request->flags = 0;
	nhrp_make_reply(n, request, NHRP_PURGE_REPLY, p);
	nhrp_send(n, p, request, now);
}
