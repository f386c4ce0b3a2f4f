#include "core/nhrp/nhrp.h"

#include "core/wire/ip.h"

#include <string.h>

#define QUOTE      128
#define GAP_NS     (10 * NS_PER_S)
#define GAP_MAX_NS (600 * NS_PER_S)

/* Each (peer, destination) hears of it at most once each 10 s, ever more rarely while it does not act. */
static bool may_tell(struct nhrp *n, const struct peer *p, const struct ip_addr *dst, uint64_t now)
{
	struct {
		struct ip_addr dst;
		uint8_t zero[3];
		uint32_t peer, generation;
	} subject = {.dst = *dst, .peer = p->id, .generation = p->generation};
	uint64_t key = siphash(n->redirect_seed, &subject, sizeof subject);
	size_t at = key % NHRP_REDIRECTS;
	if (n->redirects[at].key != key || now > n->redirects[at].next + GAP_MAX_NS) {
		n->redirects[at].key = key;
		n->redirects[at].gap = GAP_NS;
	} else if (now < n->redirects[at].next) {
		return false;
	} else if (n->redirects[at].gap < GAP_MAX_NS) {
		n->redirects[at].gap *= 2;
	}
	n->redirects[at].next = now + n->redirects[at].gap;
	return true;
}

void nhrp_hairpin(struct nhrp *n, struct peer *p, const uint8_t *ip, size_t len, uint64_t now)
{
	struct nhrp_packet packet;
	struct ip_addr src, dst;
	uint8_t family = len > 0 && ip[0] >> 4 == 6 ? 6 : 4;
	if (!n->hub || !n->config.redirect || (p->cert.role & CERT_HUB) ||
		len < (family == 4 ? 20u : 40u))
		return;
	src = addr_from_bytes(family, ip + (family == 4 ? 12 : 8));
	dst = addr_from_bytes(family, ip + (family == 4 ? 16 : 24));
	/* All its destinations together as often as it may ask. */
	if (!may_tell(n, p, &dst, now) ||
		!bucket_take(&n->clients[p->id].redirects, NS_PER_S / 10, 50, now))
		return;
	nhrp_begin(n, &packet, NHRP_TRAFFIC_INDICATION, p, family);
	/* The one to be told is the source of the packet, whatever the draft's prose says. */
	packet.dst_proto = src;
	packet.payload = ip;
	packet.payload_len = (uint16_t)(len < QUOTE ? len : QUOTE);
	nhrp_send(n, p, &packet, now);
}

void redirect_receive(
	struct nhrp *n, struct peer *p, const struct nhrp_packet *packet, uint64_t now)
{
	const uint8_t *ip = packet->payload;
	if (!n->config.shortcut || n->hub || !p->hub || packet->traffic_code != 0 ||
		packet->payload_len < 20)
		return;
	uint8_t family = ip[0] >> 4 == 6 ? 6 : 4;
	if (family == 6 && packet->payload_len < 40)
		return;
	struct ip_addr dst = addr_from_bytes(family, ip + (family == 4 ? 16 : 24));
	if (p->plain && !plain_allows(plain_section_of(n->peers, p), &dst))
		return;
	if (n->ops.sent_recently(n->ops.ctx, &dst, now))
		resolve_start(n, &dst, now);
}
