#include "core/nhrp/nhrp.h"

#include <string.h>

#define N_REGISTRATIONS  (sizeof n->registrations / sizeof *n->registrations)
#define RETRY_FIRST_NS   (NS_PER_S / 4)
#define RETRY_MAX_NS     (4 * NS_PER_S)
#define NAK_GAP_NS       (10 * NS_PER_S)
#define NAK_GAP_MAX_NS   (600 * NS_PER_S)
#define FORBIDDEN_GAP_NS (60 * NS_PER_S)
#define PLAIN_TRIES      6               /* some 12 s without an answer */
#define RESTART_NS       (10 * NS_PER_S) /* a hub that restarts is back by then */

static void fire(void *owner, struct timer *timer, uint64_t now);

void nhc_init(struct nhrp *n)
{
	for (unsigned i = 0; i < N_REGISTRATIONS; i++)
		n->registrations[i].peer = PEER_NONE;
	n->registration_timer = (struct timer){.fire = fire, .owner = n};
}

/* What we ask for: the config's prefixes, else those of the certificate that are really here. */
static unsigned wanted_prefixes(const struct nhrp *n, uint8_t family, struct prefix *out)
{
	unsigned count = 0;
	const struct prefix *v = n->config.n_prefixes ? n->config.prefixes : n->self.prefixes;
	unsigned total = n->config.n_prefixes ? n->config.n_prefixes : n->self.n_prefixes;
	for (unsigned i = 0; i < total && count < NHRP_PREFIX_LINES; i++) {
		if (v[i].addr.family != family)
			continue;
		const struct fib_route *r = fib_covering(n->fib, &v[i]);
		bool here = r && prefix_equal(&r->prefix, &v[i]) &&
			(r->type == FIB_LOCAL || r->type == FIB_OTHER);
		if (n->config.n_prefixes || here)
			out[count++] = v[i];
	}
	return count;
}

/* The first time, or once more with the same id and contents (RFC 2332 s.5.2.0.1). */
static void send_request(struct nhrp *n, struct registration *r, uint64_t now)
{
	struct nhrp_packet packet;
	struct peer *hub = peer_at(n->peers, r->peer);
	if (!hub || !peer_has_session(hub))
		return;
	nhrp_begin(n, &packet, NHRP_REGISTRATION_REQUEST, hub, r->family);
	if (r->tries++ == 0) {
		r->n_prefixes = wanted_prefixes(n, r->family, r->prefixes);
		r->request_id = packet.request_id;
	}
	packet.request_id = r->request_id;
	packet.flags = NHRP_FLAG_NAT;
	packet.dst_proto = packet.src_proto;
	for (unsigned i = 0; i < hub->cert.n_addresses; i++)
		if (hub->cert.addresses[i].addr.family == r->family)
			packet.dst_proto = hub->cert.addresses[i].addr;
	struct nhrp_cie cie = {.prefix_len = addr_bits(r->family),
		.mtu = 0,
		.holding_time_s = n->config.holding_time_s,
		.nbma = packet.src_nbma,
		.proto = packet.src_proto};
	nhrp_add_cie(&packet, &cie);
	cie.nbma = (struct ip_addr){0};
	for (unsigned i = 0; i < r->n_prefixes; i++) {
		cie.proto = r->prefixes[i].addr;
		cie.prefix_len = r->prefixes[i].len;
		nhrp_add_cie(&packet, &cie);
	}
	if (hub->plain) {
		foreign_registration(hub, &packet);
		nhrp_send(n, hub, &packet, now);
		return;
	}
	nhrp_ext_standard(&packet, false, true);
	nhrp_add_candidates(n, &packet);
	packet.vendor.have_static_key = true;
	memcpy(packet.vendor.static_key, n->peers->id->public_key, KEY_LEN);
	strcpy(packet.vendor.name, n->self.name);
	nhrp_send(n, hub, &packet, now);
}

static void rearm(struct nhrp *n)
{
	uint64_t next = TS_NEVER;
	for (unsigned i = 0; i < N_REGISTRATIONS; i++)
		if (n->registrations[i].peer != PEER_NONE && n->registrations[i].next < next)
			next = n->registrations[i].next;
	if (next != TS_NEVER)
		timer_arm(n->timers, &n->registration_timer, next);
	else
		timer_disarm(n->timers, &n->registration_timer);
}

static void begin(struct nhrp *n, struct registration *r, uint64_t now)
{
	r->tries = 0;
	r->gap = RETRY_FIRST_NS;
	if (r->state != REGISTRATION_DONE)
		r->state = REGISTRATION_PENDING;
	send_request(n, r, now);
	r->next = now + r->gap;
	rearm(n);
}

static void forget_learned(struct nhrp *n, struct registration *r, const struct ip_addr *gateway)
{
	for (unsigned i = 0; i < r->n_learned; i++) {
		struct fib_route route = {.prefix = r->learned[i],
			.gateway = *gateway,
			.source = FIB_HUB,
			.type = FIB_OVERLAY};
		fib_route_remove(n->fib, &route);
		kernel_sync(n, &r->learned[i]);
	}
	r->n_learned = 0;
}

static struct registration *find(struct nhrp *n, uint32_t peer, uint8_t family, bool make)
{
	struct registration *free_one = NULL;
	for (unsigned i = 0; i < N_REGISTRATIONS; i++) {
		struct registration *r = &n->registrations[i];
		if (r->peer == peer && r->family == family)
			return r;
		if (r->peer == PEER_NONE && !free_one)
			free_one = r;
	}
	if (free_one && make)
		*free_one = (struct registration){.peer = peer, .family = family, .next = TS_NEVER};
	return make ? free_one : NULL;
}

/* The hub's address of this family: next hop of what it advertises. */
static const struct ip_addr *hub_address(const struct peer *hub, uint8_t family)
{
	for (unsigned i = 0; i < hub->cert.n_addresses; i++)
		if (hub->cert.addresses[i].addr.family == family)
			return &hub->cert.addresses[i].addr;
	return NULL;
}

/* The config's `route =` lines lead to every hub that we are registered with. */
static void config_routes(struct nhrp *n, const struct peer *hub, uint8_t family, bool add)
{
	const struct ip_addr *gateway = hub_address(hub, family);
	for (unsigned i = 0; gateway && i < n->config.n_routes; i++) {
		struct fib_route route = {.prefix = n->config.routes[i],
			.gateway = *gateway,
			.source = FIB_CONFIG,
			.type = FIB_OVERLAY};
		if (route.prefix.addr.family != family ||
			(hub->plain && !cert_covers_prefix(&hub->cert, &route.prefix)))
			continue;
		if (add)
			fib_route_put(n->fib, &route);
		else
			fib_route_remove(n->fib, &route);
		kernel_sync(n, &route.prefix);
	}
}

void nhc_config_routes(struct nhrp *n, bool on)
{
	for (unsigned i = 0; i < N_REGISTRATIONS; i++) {
		const struct registration *r = &n->registrations[i];
		struct peer *hub = r->peer == PEER_NONE ? NULL : peer_at(n->peers, r->peer);
		if (hub && r->state == REGISTRATION_DONE)
			config_routes(n, hub, r->family, on);
	}
}

void nhc_peer_up(struct nhrp *n, struct peer *hub, bool rekey, uint64_t now)
{
	for (uint8_t family = 4; family <= 6; family += 2) {
		if (!nhrp_own_address(n, family))
			continue;
		struct registration *r = find(n, hub->id, family, true);
		if (r && !(rekey && r->state == REGISTRATION_DONE))
			begin(n, r, now);
	}
}

static void forget(struct nhrp *n, struct registration *r, const struct peer *hub)
{
	const struct ip_addr *gateway = hub_address(hub, r->family);
	if (gateway) {
		forget_learned(n, r, gateway);
		config_routes(n, hub, r->family, false);
	}
	r->peer = PEER_NONE;
}

void nhc_peer_down(struct nhrp *n, struct peer *hub, uint64_t now)
{
	for (uint8_t family = 4; family <= 6; family += 2) {
		struct registration *r = find(n, hub->id, family, false);
		if (!r)
			continue;
		if (hub->restarting) {
			/* The routes wait for it; if it stays away, fire() removes them. */
			r->state = REGISTRATION_IDLE;
			r->next = now + RESTART_NS;
		} else {
			forget(n, r, hub);
		}
	}
	rearm(n);
}

static void fire(void *owner, struct timer *timer, uint64_t now)
{
	struct nhrp *n = owner;
	(void)timer;
	for (unsigned i = 0; i < N_REGISTRATIONS; i++) {
		struct registration *r = &n->registrations[i];
		if (r->peer == PEER_NONE || now < r->next)
			continue;
		struct peer *hub = peer_at(n->peers, r->peer);
		if (r->state == REGISTRATION_IDLE && hub && !peer_has_session(hub)) {
			forget(n, r, hub);
			continue;
		}
		if (r->state == REGISTRATION_DONE && now >= r->expires)
			r->state = REGISTRATION_PENDING;
		/* Nothing else of a plaintext hub's says that it is there. */
		if (hub && hub->plain && hub->path == PATH_UP && r->tries >= PLAIN_TRIES)
			peer_set_path(n->peers, hub, PATH_SUSPENDED,
				"no answer to the registration", now);
		send_request(n, r, now);
		r->gap = r->gap * 2 > RETRY_MAX_NS ? RETRY_MAX_NS : r->gap * 2;
		r->next = now + r->gap;
	}
	rearm(n);
}

static void learn_routes(
	struct nhrp *n, struct registration *r, struct peer *hub, const struct nhrp_packet *reply)
{
	const struct ip_addr *gateway = hub_address(hub, r->family);
	if (!gateway)
		return;
	struct prefix old[NHRP_PREFIXES_MAX];
	unsigned n_old = r->n_learned;
	memcpy(old, r->learned, sizeof old);
	r->n_learned = 0;
	for (unsigned i = 0; i < reply->vendor.n_prefixes; i++) {
		struct fib_route route = {.prefix = reply->vendor.prefixes[i],
			.gateway = *gateway,
			.source = FIB_HUB,
			.type = FIB_OVERLAY};
		if (route.prefix.addr.family != r->family)
			continue;
		if (fib_route_put(n->fib, &route) == 0)
			r->learned[r->n_learned++] = route.prefix;
		kernel_sync(n, &route.prefix);
	}
	for (unsigned i = 0; i < n_old; i++) {
		bool still = false;
		for (unsigned k = 0; k < r->n_learned; k++)
			still |= prefix_equal(&old[i], &r->learned[k]);
		struct fib_route route = {.prefix = old[i], .gateway = *gateway, .source = FIB_HUB};
		if (!still) {
			fib_route_remove(n->fib, &route);
			kernel_sync(n, &old[i]);
		}
	}
	config_routes(n, hub, r->family, true);
}

static void refused(struct registration *r, uint8_t code, uint64_t now)
{
	bool news = r->state != REGISTRATION_REFUSED || r->code != code;
	r->state = REGISTRATION_REFUSED;
	r->tries = 0;
	r->code = code;
	r->since = news ? now : r->since;
	r->gap = code == NHRP_CODE_PROHIBITED ? FORBIDDEN_GAP_NS
		: r->gap < NAK_GAP_NS         ? NAK_GAP_NS
		: r->gap * 2 > NAK_GAP_MAX_NS ? NAK_GAP_MAX_NS
					      : r->gap * 2;
	r->next = now + r->gap;
}

void nhc_reply(struct nhrp *n, struct peer *hub, const struct nhrp_packet *reply, uint64_t now)
{
	char name[64];
	struct registration *r = find(n, hub->id, reply->proto_family, false);
	const struct ip_addr *own = nhrp_own_address(n, reply->proto_family);
	if (!r || !own || r->tries == 0 || reply->request_id != r->request_id ||
		!addr_equal(&reply->src_proto, own) || reply->cies.n == 0)
		return;
	for (unsigned i = 0; i < reply->cies.n; i++) {
		const struct nhrp_cie *cie = &reply->cies.v[i];
		struct prefix p = {
			.addr = *nhrp_cie_proto(reply, cie), .len = nhrp_cie_bits(reply, cie)};
		if (cie->code && (i == 0 || cie->code != reply->cies.v[0].code))
			refusal_note(n, hub, &p, cie->code, false, now);
	}
	refusal_settle(n, hub, reply->proto_family, now);
	for (unsigned i = 0; i < reply->vendor.n_candidates; i++)
		if (reply->vendor.candidates[i].kind == NHRP_CANDIDATE_SEEN)
			hub->seen = reply->vendor.candidates[i].endpoint;
	bool elsewhere = hub->plain && foreign_reply(n, hub, reply);
	if (reply->cies.v[0].code != NHRP_CODE_SUCCESS) {
		refused(r, reply->cies.v[0].code, now);
		rearm(n);
		return;
	}
	bool news = r->state != REGISTRATION_DONE;
	uint64_t holding = reply->cies.v[0].holding_time_s ? reply->cies.v[0].holding_time_s
							   : n->config.holding_time_s;
	r->state = REGISTRATION_DONE;
	r->code = 0;
	r->since = news ? now : r->since;
	r->tries = 0;
	r->gap = RETRY_FIRST_NS;
	r->expires = now + holding * NS_PER_S;
	r->next = elsewhere ? now + RETRY_FIRST_NS : now + holding * NS_PER_S / 3;
	if (news)
		env_log(n->env, LOG_INFO, "registered with hub %s for IPv%u, holding time %llu s",
			peer_name(hub, name), r->family, (unsigned long long)holding);
	if (hub->plain)
		peer_set_path(n->peers, hub, PATH_UP, "plaintext", now);
	learn_routes(n, r, hub, reply);
	rearm(n);
}

void nhc_error(struct nhrp *n, struct peer *hub, const struct nhrp_packet *about, uint64_t now)
{
	struct registration *r = find(n, hub->id, about->proto_family, false);
	if (!r || r->tries == 0 || about->request_id != r->request_id)
		return;
	refused(r, NHRP_CODE_NO_RESOURCES, now);
	rearm(n);
}

void nhc_update(struct nhrp *n, bool always, uint64_t now)
{
	struct prefix wanted[NHRP_PREFIX_LINES];
	for (unsigned i = 0; i < N_REGISTRATIONS; i++) {
		struct registration *r = &n->registrations[i];
		if (r->peer == PEER_NONE)
			continue;
		unsigned count = wanted_prefixes(n, r->family, wanted);
		if (always || count != r->n_prefixes ||
			memcmp(wanted, r->prefixes, count * sizeof *wanted) != 0)
			begin(n, r, now);
	}
}

bool nhrp_registered(const struct nhrp *n)
{
	for (unsigned i = 0; i < N_REGISTRATIONS; i++)
		if (n->registrations[i].peer != PEER_NONE &&
			n->registrations[i].state == REGISTRATION_DONE)
			return true;
	return false;
}
