#include "test/sim/forge.h"

#include "core/engine/node.h"

#include <string.h>

struct forgery {
	struct node *liar, *victim;
	const struct ip_addr *bystander;
	struct nhrp *nhrp;
	struct peer *to;
	struct rng rng;
	struct nhrp_packet packet;
	struct ip_addr address; /* the victim's */
	uint8_t quote[40];
};

static void begin(struct forgery *f, enum nhrp_type type)
{
	nhrp_begin(f->nhrp, &f->packet, type, f->to, 4);
	nhrp_ext_standard(&f->packet, false, true);
	f->packet.flags = NHRP_FLAG_NAT;
	f->packet.dst_proto = f->address;
	strcpy(f->packet.vendor.name, f->victim->cert.name);
}

static struct node *node_of_peer(const struct forgery *f, const struct peer *p)
{
	const struct net *net = f->liar->host->device.net;
	for (unsigned i = 0; i < net->n_hosts; i++) {
		struct node *m = net->hosts[i]->owner;
		if (m && m->engine && memcmp(m->cert.static_key, p->key, KEY_LEN) == 0)
			return m;
	}
	return NULL;
}

/* An address or a prefix of the victim's, something wide, or everything. */
static struct nhrp_cie foreign_cie(struct forgery *f)
{
	struct nhrp_cie cie = {.holding_time_s = 600, .proto = f->address, .prefix_len = 32};
	switch (rng_below(&f->rng, 4)) {
	case 0:
		if (f->victim->cert.n_prefixes) {
			cie.proto = f->victim->cert.prefixes[0].addr;
			cie.prefix_len = f->victim->cert.prefixes[0].len;
		}
		break;
	case 1:
		cie.prefix_len = (uint8_t)rng_between(&f->rng, 8, 31);
		break;
	case 2:
		memset(cie.proto.bytes, 0, sizeof cie.proto.bytes);
		cie.prefix_len = (uint8_t)rng_below(&f->rng, 2);
		break;
	default:
		break;
	}
	return cie;
}

static void point_at_bystander(struct forgery *f)
{
	struct nhrp_vendor *v = &f->packet.vendor;
	v->n_candidates = (uint8_t)rng_between(&f->rng, 1, NHRP_CANDIDATES_MAX);
	for (unsigned i = 0; i < v->n_candidates; i++)
		v->candidates[i] = (struct nhrp_candidate){.kind = (uint8_t)rng_below(&f->rng, 4),
			.endpoint = {.addr = f->bystander[rng_below(&f->rng, 2)],
				.port = (uint16_t)rng_between(&f->rng, 1, 65535)}};
}

static void keys(struct forgery *f, bool own)
{
	struct nhrp_vendor *v = &f->packet.vendor;
	v->have_punch = v->have_static_key = true;
	v->token_id = (uint32_t)rng_next(&f->rng);
	rng_fill(&f->rng, v->punch_key, sizeof v->punch_key);
	memcpy(v->static_key, own ? f->nhrp->peers->id->public_key : f->victim->cert.static_key,
		sizeof v->static_key);
}

static void registration_request(struct forgery *f)
{
	begin(f, NHRP_REGISTRATION_REQUEST);
	struct nhrp_cie own = {.holding_time_s = 600, .proto = f->packet.src_proto};
	struct nhrp_cie foreign = foreign_cie(f);
	if (rng_below(&f->rng, 2))
		nhrp_add_cie(&f->packet, &own);
	else
		f->packet.src_proto = f->address;
	f->packet.dst_proto = f->packet.src_proto;
	nhrp_add_cie(&f->packet, &foreign);
}

/* As an answer to what the receiver, or a node behind it, has really asked. */
static void resolution_reply(struct forgery *f)
{
	struct node *asker = rng_below(&f->rng, 2) ? node_of_peer(f, f->to) : f->victim;
	begin(f, NHRP_RESOLUTION_REPLY);
	struct nhrp_cie cie = foreign_cie(f);
	nhrp_add_cie(&f->packet, &cie);
	if (!asker || !asker->engine)
		return;
	f->packet.src_proto = node_address(asker, 4);
	const struct nhrp *n = &asker->engine->nhrp;
	for (unsigned i = 0; i < NHRP_RESOLUTIONS; i++)
		if (n->resolutions[i].state != RESOLUTION_FREE &&
			n->resolutions[i].target.family == 4) {
			f->packet.request_id = n->resolutions[i].request_id;
			f->packet.dst_proto = n->resolutions[i].target;
		}
	keys(f, rng_below(&f->rng, 3) > 0);
	point_at_bystander(f);
}

static void registration_reply(struct forgery *f)
{
	struct node *m = node_of_peer(f, f->to);
	begin(f, NHRP_REGISTRATION_REPLY);
	struct nhrp_cie cie = foreign_cie(f);
	nhrp_add_cie(&f->packet, &cie);
	if (m)
		f->packet.request_id = m->engine->nhrp.registrations[0].request_id;
	f->packet.vendor.n_prefixes = 1;
	f->packet.vendor.prefixes[0] =
		prefix_masked((struct prefix){.addr = f->address, .len = 24});
	point_at_bystander(f);
}

static void purge_request(struct forgery *f)
{
	begin(f, NHRP_PURGE_REQUEST);
	struct nhrp_cie cie = foreign_cie(f);
	if (rng_below(&f->rng, 2))
		f->packet.src_proto = f->address;
	nhrp_add_cie(&f->packet, &cie);
}

static void traffic_indication(struct forgery *f)
{
	begin(f, NHRP_TRAFFIC_INDICATION);
	f->packet.n_exts = 0;
	f->packet.have_end = false;
	f->packet.flags = 0;
	f->packet.dst_proto = f->to->cert.n_addresses ? f->to->cert.addresses[0].addr : f->address;
	f->quote[0] = 0x45;
	memcpy(f->quote + 12, f->packet.dst_proto.bytes, 4);
	memcpy(f->quote + 16, f->address.bytes, 4);
	f->packet.payload = f->quote;
	f->packet.payload_len = sizeof f->quote;
}

static void resolution_request(struct forgery *f)
{
	begin(f, NHRP_RESOLUTION_REQUEST);
	struct nhrp_cie cie = {.holding_time_s = 600};
	nhrp_add_cie(&f->packet, &cie);
	if (rng_below(&f->rng, 4) == 0)
		f->packet.src_proto = node_address(f->victim, 4);
	keys(f, rng_below(&f->rng, 4) > 0);
	point_at_bystander(f);
}

void forge(
	struct node *liar, struct node *victim, const struct ip_addr bystander[2], uint64_t chance)
{
	static void (*const kinds[])(struct forgery * f) = {registration_request, resolution_reply,
		registration_reply, purge_request, traffic_indication, resolution_request};
	struct forgery f = {.liar = liar, .victim = victim, .bystander = bystander};
	if (!liar->engine || liar->asleep || liar == victim)
		return;
	rng_seed(&f.rng, chance);
	f.nhrp = &liar->engine->nhrp;
	f.address = node_address(victim, 4);
	unsigned kind = (unsigned)rng_below(&f.rng, sizeof kinds / sizeof *kinds);
	for (uint32_t i = 0; i < liar->engine->peers.n_fresh; i++) {
		f.to = peer_at(&liar->engine->peers, i);
		if (!f.to || !peer_has_session(f.to))
			continue;
		kinds[kind](&f);
		nhrp_send(f.nhrp, f.to, &f.packet, node_now(liar));
	}
	node_settle(liar);
}
