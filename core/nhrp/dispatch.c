#include "core/nhrp/nhrp.h"

#include "core/base/err.h"

#include <stdlib.h>
#include <string.h>

#define MAX_KERNEL_ROUTES 16384
#define ROUTES_SETTLE_NS  (5 * NS_PER_MS) /* one look after a burst of route changes */

static void routes_fire(void *owner, struct timer *timer, uint64_t now)
{
	struct nhrp *n = owner;
	(void)timer;
	n->routes_seen = n->fib->generation;
	shortcut_check_routes(n, now);
	purge_check_routes(n, now);
	if (n->addresses_changed)
		peers_show_place(n->peers, now);
	nhc_update(n, n->addresses_changed, now);
	n->addresses_changed = false;
}

uint32_t nhrp_timers(uint32_t max_peers)
{
	return max_peers + NHRP_RESOLUTIONS + NHRP_SHORTCUTS + 2;
}

int nhrp_init_node(struct nhrp *n, struct peers *peers, struct fib *fib, const struct cert *self,
	const struct nhrp_config *config, struct timer_heap *timers, const struct env *env,
	const struct nhrp_ops *ops)
{
	memset(n, 0, sizeof *n);
	n->peers = peers;
	n->fib = fib;
	n->self = *self;
	n->config = *config;
	n->timers = timers;
	n->env = env;
	n->ops = *ops;
	n->hub = (self->role & CERT_HUB) != 0;
	n->next_request_id = env_random_u32(env);
	n->max_bindings = n->hub ? peers->max * 4 : 1;
	n->max_kernel = n->hub ? MAX_KERNEL_ROUTES : 1024;
	n->bindings = calloc(n->max_bindings, sizeof *n->bindings);
	n->clients = calloc(peers->max, sizeof *n->clients);
	n->told = calloc(NHRP_TOLD, sizeof *n->told);
	n->redirects = calloc(NHRP_REDIRECTS, sizeof *n->redirects);
	n->kernel = calloc(n->max_kernel, sizeof *n->kernel);
	if (!n->bindings || !n->clients || !n->told || !n->redirects || !n->kernel ||
		hashmap_init(&n->installed, n->max_kernel, sizeof(struct prefix), env)) {
		nhrp_fini_node(n);
		return ERR_NO_SPACE;
	}
	env->random(env->ctx, n->redirect_seed, sizeof n->redirect_seed);
	for (uint32_t i = 0; i < peers->max; i++)
		nhs_init_client(n, i);
	for (unsigned i = 0; i < NHRP_RESOLUTIONS; i++)
		n->resolutions[i].timer = (struct timer){.fire = resolve_fire, .owner = n};
	for (unsigned i = 0; i < NHRP_SHORTCUTS; i++)
		n->shortcuts[i].timer = (struct timer){.fire = shortcut_fire, .owner = n};
	n->routes_timer = (struct timer){.fire = routes_fire, .owner = n};
	nhc_init(n);
	return 0;
}

void nhrp_fini_node(struct nhrp *n)
{
	free(n->bindings);
	free(n->clients);
	free(n->told);
	free(n->redirects);
	free(n->kernel);
	hashmap_fini(&n->installed);
	n->bindings = NULL;
	n->clients = NULL;
	n->told = NULL;
	n->redirects = NULL;
	n->kernel = NULL;
}

void nhrp_reconfigure(struct nhrp *n, const struct nhrp_config *config, uint64_t now)
{
	bool active;
	nhc_config_routes(n, false);
	n->config = *config;
	nhc_config_routes(n, true);
	/* install-routes may have been switched. */
	for (uint32_t i = 0; i < n->fib->n_fresh; i++) {
		const struct fib_route *r = fib_route_at(n->fib, i, &active);
		if (r && r->source != FIB_KERNEL)
			kernel_sync(n, &r->prefix);
	}
	nhc_update(n, true, now);
}

void nhrp_full(struct nhrp *n, const char *what, const struct ip_addr *target)
{
	char text[ADDR_TEXT_MAX];
	n->peers->dropped[DROP_TABLE_FULL]++;
	env_log(n->env, LOG_WARN, "no shortcut to %s: the table of %s is full; by the hub",
		addr_format(target, text), what);
}

/* ---- Building ------------------------------------------------------------------------------- */

const struct ip_addr *nhrp_own_address(const struct nhrp *n, uint8_t family)
{
	for (unsigned i = 0; i < n->self.n_addresses; i++)
		if (n->self.addresses[i].addr.family == family)
			return &n->self.addresses[i].addr;
	return NULL;
}

/* Our own underlay address as far as we know it: a claim. */
static struct ip_addr own_nbma(
	const struct nhrp *n, const struct nhrp_packet *packet, const struct peer *p)
{
	struct ip_addr a = nhrp_nbma(packet, &p->local);
	for (unsigned i = 0; a.family == 0 && i < n->peers->n_own; i++)
		if (!addr_is_link_local(&n->peers->own[i]))
			a = nhrp_nbma(packet, &n->peers->own[i]);
	return a;
}

struct nhrp_cie nhrp_own_cie(const struct nhrp *n, const struct nhrp_packet *packet,
	const struct ip_addr *proto, const struct peer *towards)
{
	return (struct nhrp_cie){
		.holding_time_s = n->config.holding_time_s,
		.nbma = own_nbma(n, packet, towards),
		.proto = *proto,
	};
}

void nhrp_begin(struct nhrp *n, struct nhrp_packet *packet, enum nhrp_type type, struct peer *p,
	uint8_t proto_family)
{
	const struct ip_addr *own = nhrp_own_address(n, proto_family);
	nhrp_init(packet, type, p->endpoint.addr.family == 6 ? 6 : 4, proto_family);
	packet->src_nbma = own_nbma(n, packet, p);
	if (own)
		packet->src_proto = *own;
	if (nhrp_type_is_request(type))
		packet->request_id = n->next_request_id++;
}

void nhrp_make_reply(
	struct nhrp *n, struct nhrp_packet *packet, enum nhrp_type type, struct peer *p)
{
	const struct ip_addr *own = nhrp_own_address(n, packet->proto_family);
	packet->type = type;
	packet->hop_count = NHRP_HOP_COUNT;
	if (own && nhrp_ext_find(packet, NHRP_EXT_RESPONDER)) {
		struct nhrp_cie cie = nhrp_own_cie(n, packet, own, p);
		packet->responder.n = 0;
		nhrp_ext_add_cie(packet, NHRP_EXT_RESPONDER, &cie);
	}
}

void nhrp_add_candidates(struct nhrp *n, struct nhrp_packet *packet)
{
	struct candidate own[PUNCH_CANDIDATES];
	unsigned count = n->config.host_candidates ? punch_candidates(n->peers, own) : 0;
	packet->vendor.n_candidates = 0;
	for (unsigned i = 0; i < count; i++)
		packet->vendor.candidates[packet->vendor.n_candidates++] =
			(struct nhrp_candidate){.kind = own[i].kind, .endpoint = own[i].endpoint};
}

int nhrp_send(struct nhrp *n, struct peer *p, const struct nhrp_packet *packet, uint64_t now)
{
	uint8_t bytes[NHRP_PACKET_MAX];
	struct nhrp_packet dressed;
	if (p->plain) {
		dressed = *packet;
		foreign_dress(n, p, &dressed);
		packet = &dressed;
	}
	int len = nhrp_encode(packet, bytes, sizeof bytes);
	if (len < 0) {
		/* A packet that others have filled is too long now and then; ours never are. */
		env_log(n->env, len == ERR_NO_SPACE ? LOG_DEBUG : LOG_ERROR,
			"NHRP %s cannot be encoded: %s", nhrp_type_name((uint8_t)packet->type),
			err_name(len));
		return len;
	}
	n->out[packet->type]++;
	return peer_send(n->peers, p, GRE_PROTO_NHRP, bytes, (size_t)len, now);
}

/* ---- Receiving ------------------------------------------------------------------------------ */

static bool is_for_us(const struct nhrp *n, const struct nhrp_packet *packet)
{
	const struct ip_addr *own = nhrp_own_address(n, packet->proto_family);
	return (own && addr_equal(own, &packet->dst_proto)) ||
		cert_owns_address(&n->self, &packet->dst_proto);
}

void nhrp_receive(struct nhrp *n, struct peer *p, const uint8_t *data, size_t len,
	const struct endpoint *from, uint64_t now)
{
	struct nhrp_packet packet;
	if (nhrp_decode(data, len, &packet) < 0) {
		n->in[0]++;
		nhrp_error(n, p, packet.error_code, packet.error_offset, data, len, &packet, now);
		return;
	}
	n->in[packet.type]++;
	if (p->plain && !foreign_admit(n, p, &packet, data, len, now))
		return;
	switch (packet.type) {
	case NHRP_REGISTRATION_REQUEST:
		if (n->hub && nhrp_understood(n, p, &packet, data, len, now))
			nhs_register(n, p, &packet, from, now);
		break;
	case NHRP_REGISTRATION_REPLY:
		if (p->hub)
			nhc_reply(n, p, &packet, now);
		break;
	case NHRP_RESOLUTION_REQUEST:
		transit_request(n, p, &packet, data, len, from, now);
		break;
	case NHRP_RESOLUTION_REPLY:
		if (cert_owns_address(&n->self, &packet.src_proto))
			resolve_reply(n, p, &packet, data, len, now);
		else
			transit_reply(n, p, &packet, data, len, from, now);
		break;
	case NHRP_PURGE_REQUEST:
		if (nhrp_understood(n, p, &packet, data, len, now))
			purge_receive(n, p, &packet, now);
		break;
	case NHRP_PURGE_REPLY:
		break;
	case NHRP_ERROR_INDICATION:
		error_receive(n, p, &packet, now);
		break;
	case NHRP_TRAFFIC_INDICATION:
		if (is_for_us(n, &packet) || p->hub)
			redirect_receive(n, p, &packet, now);
		break;
	}
}

/* ---- Events --------------------------------------------------------------------------------- */

void nhrp_routes_changed(struct nhrp *n, uint64_t now)
{
	if (n->routes_seen != n->fib->generation && !timer_armed(&n->routes_timer))
		timer_arm(n->timers, &n->routes_timer, now + ROUTES_SETTLE_NS);
}

void nhrp_addresses_changed(struct nhrp *n, uint64_t now)
{
	n->addresses_changed = true;
	if (!timer_armed(&n->routes_timer))
		timer_arm(n->timers, &n->routes_timer, now + ROUTES_SETTLE_NS);
}

void nhrp_peer_up(struct nhrp *n, struct peer *p, bool rekey, uint64_t now)
{
	struct ip_addr link_local = session_at(n->peers->sessions, p->current)->link_local;
	if (n->hub)
		nhs_recheck(n, p, now);
	else
		shortcut_recheck(n, p, now);
	if (p->hub) {
		for (unsigned i = 0; i < p->cert.n_addresses; i++)
			fib_neighbour_put(n->fib, &p->cert.addresses[i].addr, p->id);
		if (!p->plain)
			fib_neighbour_put(n->fib, &link_local, p->id);
		nhc_peer_up(n, p, rekey, now);
	} else if (!n->hub) {
		fib_neighbour_put(n->fib, &link_local, p->id);
	}
}

void nhrp_peer_path(struct nhrp *n, struct peer *p, uint64_t now)
{
	if (!p->hub && !n->hub) {
		shortcut_peer(n, p, false, now);
		resolve_path(n, p, now);
	}
	if (n->hub)
		nhs_peer_path(n, p);
}

void nhrp_peer_down(struct nhrp *n, struct peer *p, uint64_t now)
{
	struct session *s = session_at(n->peers->sessions, p->current);
	/* Whatever it was until now: a new bundle may just have taken the hub's role from it. */
	nhc_peer_down(n, p, now);
	for (unsigned i = 0; i < p->cert.n_addresses; i++)
		fib_neighbour_remove(n->fib, &p->cert.addresses[i].addr, p->id);
	shortcut_peer(n, p, true, now);
	if (n->hub)
		nhs_peer_down(n, p, now);
	if (s && !s->plain)
		fib_neighbour_remove(n->fib, &s->link_local, p->id);
}

void nhrp_want(struct nhrp *n, const struct ip_addr *target, uint64_t now)
{
	if (n->config.shortcut && !n->hub)
		resolve_start(n, target, now);
}

void nhrp_stop(struct nhrp *n, uint64_t now)
{
	n->stopping = true;
	for (uint32_t i = 0; i < n->peers->n_fresh; i++) {
		struct peer *p = peer_at(n->peers, i);
		if (p && p->hub && peer_has_session(p))
			purge_own(n, p, now);
	}
}
