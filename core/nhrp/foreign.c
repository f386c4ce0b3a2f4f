/*
 * NHRP in plaintext (docs/protocol.md section 9): what is different when the other side is no session but
 * a listed address. There is no certificate to go by, no Vendor-Private extension of ours, and no
 * handshake that would prove an answer.
 */
#include "core/nhrp/nhrp.h"

#include <string.h>

#define SPI_WORD 1 /* cleartext, as Cisco, FRR and OpenNHRP have it */

/* ---- Authentication: hop by hop --------------------------------------------------------------- */

static bool word_is_right(const struct plain_section *s, const struct nhrp_packet *packet)
{
	return s->word_len == 0 ||
		(nhrp_ext_find(packet, NHRP_EXT_AUTH) && packet->auth_spi == SPI_WORD &&
			packet->auth_len == s->word_len &&
			prim_equal(packet->auth, s->word, s->word_len));
}

bool foreign_admit(struct nhrp *n, struct peer *p, struct nhrp_packet *packet, const uint8_t *data,
	size_t len, uint64_t now)
{
	const struct plain_section *s = plain_section_of(n->peers, p);
	bool right = word_is_right(s, packet);
	nhrp_ext_remove(packet, NHRP_EXT_AUTH);
	/* Ours speaks of keys and candidates, which nobody believes who comes without a session. */
	nhrp_ext_remove(packet, NHRP_EXT_VENDOR);
	if (right || packet->type == NHRP_ERROR_INDICATION)
		return true;
	n->peers->dropped[DROP_PLAIN_AUTH]++;
	nhrp_error(n, p, NHRP_ERROR_AUTHENTICATION, 0, data, len, packet, now);
	return false;
}

/* Extension 7 behind those of types 3 to 5, and in front of all others. */
static void add_word(const struct plain_section *s, struct nhrp_packet *packet)
{
	if (nhrp_ext_add(packet, NHRP_EXT_AUTH) != 0)
		return;
	unsigned at = packet->n_exts - 1u;
	struct nhrp_ext auth = packet->exts[at];
	for (; at > 0; at--) {
		uint16_t before = packet->exts[at - 1].type;
		if (before >= NHRP_EXT_RESPONDER && before <= NHRP_EXT_REVERSE)
			break;
		packet->exts[at] = packet->exts[at - 1];
	}
	packet->exts[at] = auth;
	packet->auth_spi = SPI_WORD;
	packet->auth_len = s->word_len;
	packet->auth = (const uint8_t *)s->word;
}

void foreign_dress(const struct nhrp *n, const struct peer *p, struct nhrp_packet *packet)
{
	const struct plain_section *s = plain_section_of(n->peers, p);
	nhrp_ext_remove(packet, NHRP_EXT_VENDOR);
	nhrp_ext_remove(packet, NHRP_EXT_AUTH);
	if (packet->type == NHRP_ERROR_INDICATION) {
		packet->n_exts = 0;
		packet->have_end = false;
	} else if (s->word_len) {
		add_word(s, packet);
	} else if (packet->n_exts == 0) {
		packet->have_end = false;
	}
}

/* ---- Receiving -------------------------------------------------------------------------------- */

void foreign_receive(struct nhrp *n, const uint8_t *data, size_t len, const struct endpoint *from,
	const struct ip_addr *local, uint64_t now)
{
	struct peer *p = plain_obtain(n->peers, &from->addr, from->port == 0, now);
	if (!p) {
		n->peers->dropped[DROP_PLAIN_STRANGER]++;
		return;
	}
	plain_heard(n->peers, p, from, local);
	atomic_store_explicit(
		&n->peers->sessions->paths[p->id].last_rx_ns, now, memory_order_relaxed);
	nhrp_receive(n, p, data, len, from, now);
}

/* ---- The NAT extension ------------------------------------------------------------------------ */

/* The NBMA address of this protocol address: as seen behind a NAT, else as claimed. */
static const struct ip_addr *nbma_of(const struct nhrp_packet *packet, const struct ip_addr *proto,
	const struct ip_addr *claimed)
{
	for (unsigned i = 0; i < packet->nat.n; i++)
		if (addr_equal(&packet->nat.v[i].proto, proto) && packet->nat.v[i].nbma.family)
			return &packet->nat.v[i].nbma;
	return claimed;
}

static void add_nat(
	struct nhrp_packet *packet, const struct ip_addr *nbma, const struct ip_addr *proto)
{
	struct nhrp_cie cie = {.prefix_len = addr_bits(packet->proto_family),
		.nbma = nhrp_nbma(packet, nbma),
		.proto = *proto};
	if (cie.nbma.family && nhrp_ext_find(packet, NHRP_EXT_NAT))
		nhrp_ext_add_cie(packet, NHRP_EXT_NAT, &cie);
}

void foreign_add_ours(const struct nhrp *n, const struct peer *p, struct nhrp_packet *packet)
{
	const struct ip_addr *own = nhrp_own_address(n, packet->proto_family);
	if (p->plain && own && p->seen_as.family)
		add_nat(packet, &p->seen_as, own);
}

void foreign_add_theirs(
	const struct peer *p, struct nhrp_packet *packet, const struct ip_addr *proto)
{
	if (p->plain && p->natted && packet->nat.n == 0)
		add_nat(packet, &p->endpoint.addr, proto);
}

/* ---- Registration ----------------------------------------------------------------------------- */

void foreign_registration(const struct peer *hub, struct nhrp_packet *request)
{
	request->cies.n = 1;
	request->cies.v[0].nbma = request->cies.v[0].proto = (struct ip_addr){0};
	nhrp_ext_standard(request, false, false);
	add_nat(request, &hub->endpoint.addr, &request->dst_proto);
}

bool foreign_reply(struct nhrp *n, struct peer *hub, const struct nhrp_packet *reply)
{
	static const struct ip_addr none;
	const struct ip_addr *seen = nbma_of(reply, &reply->src_proto, &none);
	hub->seen_as = addr_equal(seen, &reply->src_nbma) ? none : *seen;
	struct nhrp_cie own = nhrp_own_cie(n, reply, &reply->src_proto, hub);
	return !addr_equal(&own.nbma, &reply->src_nbma);
}

/* ---- Who stands behind an answer, or a question ------------------------------------------------ */

/* The member at nbma with this protocol address, for so long; NULL: not listed, or not allowed. */
static struct peer *meet(struct nhrp *n, const struct ip_addr *nbma, const struct ip_addr *proto,
	bool raw, uint16_t holding_time_s, uint64_t now)
{
	const struct plain_section *s = plain_section_for(n->peers->plain, nbma, raw);
	uint32_t id = fib_neighbour(n->fib, proto);
	const struct peer *holder = id == LPM_NONE ? NULL : peer_at(n->peers, id);
	if (!s || !plain_allows(s, proto) || cert_owns_address(&n->self, proto) ||
		(holder && !holder->plain))
		return NULL;
	struct peer *p = plain_obtain(n->peers, nbma, raw, now);
	if (p && !p->hub)
		plain_accept(n->peers, p, proto, now + holding_time_s * NS_PER_S, now);
	return p && p->path == PATH_UP ? p : NULL;
}

void foreign_asked(
	struct nhrp *n, const struct peer *p, const struct nhrp_packet *request, uint64_t now)
{
	const struct ip_addr *nbma = nbma_of(request, &request->src_proto, &request->src_nbma);
	if (!p->hub) /* it asks itself, and is where it is */
		nbma = &p->endpoint.addr;
	meet(n, nbma, &request->src_proto, plain_section_of(n->peers, p)->raw,
		n->config.holding_time_s, now);
}

struct peer *foreign_answerer(struct nhrp *n, const struct peer *p, const struct nhrp_packet *reply,
	uint16_t holding_time_s, uint64_t now)
{
	const struct nhrp_cie *cie = &reply->cies.v[0];
	if (!cie->proto.family || !cie->nbma.family)
		return NULL;
	struct peer *answerer = meet(n, nbma_of(reply, &cie->proto, &cie->nbma), &cie->proto,
		plain_section_of(n->peers, p)->raw, holding_time_s, now);
	return answerer && !answerer->hub ? answerer : NULL;
}

struct peer *foreign_hub_for(const struct nhrp *n, const struct ip_addr *target)
{
	struct prefix host = prefix_host(target);
	const struct fib_route *r = fib_covering(n->fib, &host);
	uint32_t id = r && r->gateway.family ? fib_neighbour(n->fib, &r->gateway) : LPM_NONE;
	struct peer *p = id == LPM_NONE ? NULL : peer_at(n->peers, id);
	return p && p->plain && p->hub && p->path == PATH_UP ? p : NULL;
}
