/* Error indications (RFC 2332 s.5.2.7): sent, passed on, received. */
#include "core/nhrp/nhrp.h"

#define QUOTE_MAX (NHRP_PACKET_MAX - 28 - 3 * 16) /* behind the longest header */

/* Whose packet it was: a reply's is the responder's. Family 0: it does not say. */
static struct ip_addr sender_of(const struct nhrp_packet *about)
{
	if (!nhrp_type_is_reply(about->type))
		return about->src_proto;
	if (about->responder.n)
		return about->responder.v[0].proto;
	return about->cies.n ? about->cies.v[0].proto : (struct ip_addr){0};
}

void nhrp_error(struct nhrp *n, struct peer *p, uint16_t code, uint16_t offset, const uint8_t *data,
	size_t len, const struct nhrp_packet *about, uint64_t now)
{
	struct nhrp_packet packet;
	if (code == NHRP_ERROR_NONE || about->type == NHRP_ERROR_INDICATION ||
		!bucket_take(&n->clients[p->id].errors, NS_PER_S, 5, now))
		return;
	struct peer *to = NULL;
	struct ip_addr sender = sender_of(about);
	/* What another hub passed on is its sender's business; a client is told itself. */
	if (n->hub && p->cert.role & CERT_HUB && sender.family)
		to = transit_towards(n, &sender);
	if (!to || to->plain != p->plain)
		to = p;
	nhrp_begin(n, &packet, NHRP_ERROR_INDICATION, to,
		about->proto_family ? about->proto_family : 4);
	packet.dst_proto = sender;
	for (unsigned i = 0; packet.dst_proto.family == 0 && i < p->cert.n_addresses; i++)
		if (p->cert.addresses[i].addr.family == packet.proto_family)
			packet.dst_proto = p->cert.addresses[i].addr;
	packet.error_code = code;
	packet.error_offset = offset;
	packet.payload = data;
	packet.payload_len = (uint16_t)(len < QUOTE_MAX ? len : QUOTE_MAX);
	nhrp_send(n, to, &packet, now);
}

bool nhrp_understood(struct nhrp *n, struct peer *p, const struct nhrp_packet *request,
	const uint8_t *data, size_t len, uint64_t now)
{
	const struct nhrp_ext *unknown = nhrp_ext_unknown(request);
	if (unknown)
		nhrp_error(n, p, NHRP_ERROR_UNRECOGNIZED_EXTENSION, unknown->offset, data, len,
			request, now);
	return !unknown;
}

/* Towards who sent the packet in error. What cannot be passed on ends here: never an error about one. */
static void pass_on(struct nhrp *n, struct peer *p, struct nhrp_packet *packet, uint64_t now)
{
	bool client = !(p->cert.role & CERT_HUB);
	struct peer *to = transit_towards(n, &packet->dst_proto);
	if (!to || to == p || to->plain != p->plain || packet->hop_count == 0 ||
		cert_owns_address(&n->self, &packet->src_proto) ||
		(client &&
			(!cert_owns_address(&p->cert, &packet->src_proto) ||
				!nhs_may_ask(n, p, now))))
		return;
	packet->hop_count--;
	nhrp_send(n, to, packet, now);
}

void error_receive(struct nhrp *n, struct peer *p, struct nhrp_packet *packet, uint64_t now)
{
	char name[64];
	struct nhrp_packet about;
	if (packet->dst_proto.family && !cert_owns_address(&n->self, &packet->dst_proto)) {
		if (n->hub)
			pass_on(n, p, packet, now);
		return;
	}
	env_log(n->env, LOG_DEBUG, "%s: NHRP error indication: %s", peer_name(p, name),
		nhrp_error_name(packet->error_code));
	if (nhrp_decode_quoted(packet->payload, packet->payload_len, &about) < 0)
		return;
	if (about.type == NHRP_RESOLUTION_REQUEST)
		resolve_error(n, p, &about, packet->error_code, now);
	else if (about.type == NHRP_REGISTRATION_REQUEST)
		nhc_error(n, p, &about, now);
}
