#include "core/nhrp/nhrp.h"

#include <string.h>

#define GIVE_UP_NS     (15 * NS_PER_S)
#define PUNCH_NS       (10 * NS_PER_S) /* from the answer to the direct path */
#define BACKOFF_NS     (30 * NS_PER_S)
#define BACKOFF_MAX_NS (600 * NS_PER_S)

static struct resolution *find(struct nhrp *n, const struct ip_addr *target)
{
	for (unsigned i = 0; i < NHRP_RESOLUTIONS; i++)
		if (n->resolutions[i].state != RESOLUTION_FREE &&
			addr_equal(&n->resolutions[i].target, target))
			return &n->resolutions[i];
	return NULL;
}

static struct resolution *make(struct nhrp *n, const struct ip_addr *target)
{
	struct resolution *r = NULL;
	for (unsigned i = 0; i < NHRP_RESOLUTIONS && !r; i++)
		if (n->resolutions[i].state == RESOLUTION_FREE)
			r = &n->resolutions[i];
	for (unsigned i = 0; i < NHRP_RESOLUTIONS && !r; i++)
		if (n->resolutions[i].state == RESOLUTION_NEGATIVE)
			r = &n->resolutions
				     [i]; /* a refusal that is forgotten is only asked again */
	if (!r)
		return NULL;
	timer_disarm(n->timers, &r->timer);
	struct timer timer = r->timer;
	*r = (struct resolution){.target = *target, .timer = timer, .asked = PEER_NONE};
	return r;
}

static void done(struct nhrp *n, struct resolution *r)
{
	timer_disarm(n->timers, &r->timer);
	prim_wipe(r->punch_key, sizeof r->punch_key);
	r->state = RESOLUTION_FREE;
}

/* Not now: the hub goes on carrying the traffic, and we ask again later. */
static void fail(struct nhrp *n, struct resolution *r, uint8_t code, const char *why, uint64_t now)
{
	char text[ADDR_TEXT_MAX];
	r->gap = r->gap == 0                  ? BACKOFF_NS
		: r->gap * 2 > BACKOFF_MAX_NS ? BACKOFF_MAX_NS
					      : r->gap * 2;
	r->state = RESOLUTION_NEGATIVE;
	r->code = code;
	r->why = why;
	env_log(n->env, LOG_INFO, "no shortcut to %s: %s; by the hub, next try in %llu s",
		addr_format(&r->target, text), why, (unsigned long long)(r->gap / NS_PER_S));
	/* Forgotten some time after it may be asked again, so that the back-off can grow. */
	timer_arm(n->timers, &r->timer, now + r->gap * 2);
}

/* Whom to ask: the preferred hub; the peer itself when no hub is there and it is a renewal. */
static struct peer *whom(struct nhrp *n, const struct ip_addr *target, uint64_t now)
{
	struct peer *plain = foreign_hub_for(n, target);
	if (plain)
		return plain;
	struct peer *hub = hubs_preferred(n->peers, 0, now);
	if (hub && hub->path == PATH_UP)
		return hub;
	struct shortcut *s = shortcut_for(n, target);
	struct peer *p = s ? peer_at(n->peers, s->peer) : NULL;
	return p && p->path == PATH_UP ? p : hub;
}

static void send_request(struct nhrp *n, struct resolution *r, uint64_t now)
{
	struct nhrp_packet packet;
	struct peer *p = peer_at(n->peers, r->asked);
	if (!p)
		return;
	nhrp_begin(n, &packet, NHRP_RESOLUTION_REQUEST, p, r->target.family);
	packet.request_id = r->request_id;
	packet.flags =
		NHRP_RES_ROUTER | NHRP_RES_AUTHORITATIVE | NHRP_RES_SOURCE_STABLE | NHRP_FLAG_NAT;
	packet.dst_proto = r->target;
	struct nhrp_cie cie = {.prefix_len = p->plain ? addr_bits(packet.proto_family) : 0,
		.holding_time_s = n->config.holding_time_s};
	nhrp_add_cie(&packet, &cie);
	nhrp_ext_standard(&packet, false, true);
	foreign_add_ours(n, p, &packet);
	nhrp_add_candidates(n, &packet);
	packet.vendor.have_punch = true;
	packet.vendor.token_id = r->token_id;
	memcpy(packet.vendor.punch_key, r->punch_key, KEY_LEN);
	packet.vendor.have_static_key = true;
	memcpy(packet.vendor.static_key, n->peers->id->public_key, KEY_LEN);
	strcpy(packet.vendor.name, n->self.name);
	nhrp_send(n, p, &packet, now);
	timer_arm(n->timers, &r->timer, now + (NS_PER_S << (r->tries < 2 ? r->tries : 2)));
	r->tries++;
}

/* A default route is no reason for a shortcut, nor is anything that does not lead by the overlay. */
static bool worth_asking(struct nhrp *n, const struct ip_addr *target)
{
	struct prefix host = prefix_host(target);
	const struct fib_route *r = fib_covering(n->fib, &host);
	uint32_t id = fib_neighbour(n->fib, target);
	struct peer *neighbour = id == LPM_NONE ? NULL : peer_at(n->peers, id);
	return addr_is_unicast(target) && !cert_owns_address(&n->self, target) &&
		!(neighbour && neighbour->hub) && r && r->type == FIB_OVERLAY &&
		nhrp_own_address(n, target->family);
}

void resolve_start(struct nhrp *n, const struct ip_addr *target, uint64_t now)
{
	char text[ADDR_TEXT_MAX];
	struct resolution *r = find(n, target);
	if (n->stopping ||
		(r && (r->state == RESOLUTION_PENDING || r->state == RESOLUTION_PUNCHING)) ||
		(r && r->state == RESOLUTION_NEGATIVE && now + r->gap < r->timer.deadline))
		return;
	struct peer *p = whom(n, target, now);
	if (!p || !worth_asking(n, target))
		return;
	struct shortcut *s = shortcut_for(n, target);
	struct peer *old = s ? peer_at(n->peers, s->peer) : NULL;
	if (s && !s->refreshed && old && old->path == PATH_UP)
		return; /* traffic that was under way when the shortcut came */
	if (!r)
		r = make(n, target);
	if (!r) {
		nhrp_full(n, "resolutions", target);
		return;
	}
	r->state = RESOLUTION_PENDING;
	r->asked = p->id;
	r->tries = 0;
	r->refused_by = 0;
	r->started = now;
	r->request_id = n->next_request_id++;
	r->token_id = env_random_u32(n->env);
	n->env->random(n->env->ctx, r->punch_key, sizeof r->punch_key);
	env_log(n->env, LOG_DEBUG, "resolving %s", addr_format(target, text));
	send_request(n, r, now);
}

void resolve_fire(void *owner, struct timer *timer, uint64_t now)
{
	struct nhrp *n = owner;
	struct resolution *r =
		(struct resolution *)((char *)timer - offsetof(struct resolution, timer));
	switch (r->state) {
	case RESOLUTION_FREE:
		break;
	case RESOLUTION_PENDING:
		if (now - r->started >= GIVE_UP_NS)
			fail(n, r, 0, "no answer to the resolution request", now);
		else
			send_request(n, r, now);
		break;
	case RESOLUTION_PUNCHING:
		fail(n, r, 0, "no direct path", now);
		break;
	case RESOLUTION_NEGATIVE:
		done(n, r);
		break;
	}
}

static void install(struct nhrp *n, struct resolution *r, struct peer *p, uint64_t now)
{
	if (!cert_covers_prefix(&p->cert, &r->prefix)) {
		fail(n, r, NHRP_CODE_PROHIBITED, "its certificate does not cover the prefix", now);
		return;
	}
	shortcut_install(n, &r->prefix, &r->target, p, r->holding_time_s, now);
	done(n, r);
}

/* Punching is over: somebody proved to be who was named, on a direct path. */
void resolve_path(struct nhrp *n, struct peer *p, uint64_t now)
{
	if (p->path != PATH_UP)
		return;
	for (unsigned i = 0; i < NHRP_RESOLUTIONS; i++) {
		struct resolution *r = &n->resolutions[i];
		if (r->state == RESOLUTION_PUNCHING && memcmp(r->peer_key, p->key, KEY_LEN) == 0)
			install(n, r, p, now);
	}
}

/* The answered prefix around the target, no wider than the route that it will override. */
static bool usable_prefix(struct nhrp *n, const struct resolution *r,
	const struct nhrp_packet *reply, struct prefix *out)
{
	struct prefix host = prefix_host(&r->target);
	const struct fib_route *covering = fib_covering(n->fib, &host);
	uint8_t bits = nhrp_cie_bits(reply, &reply->cies.v[0]);
	if (!covering || covering->type != FIB_OVERLAY || bits == 0)
		return false;
	if (bits < covering->prefix.len)
		bits = covering->prefix.len;
	if (bits == 0)
		return false;
	*out = prefix_masked((struct prefix){.addr = r->target, .len = bits});
	return true;
}

static uint16_t holding_time(const struct nhrp *n, const struct nhrp_cie *cie)
{
	return cie->holding_time_s ? cie->holding_time_s : n->config.holding_time_s;
}

/* In plaintext there is nothing to prove: who is named must be listed. */
static void plain_reply(struct nhrp *n, struct peer *p, struct resolution *r,
	const struct nhrp_packet *reply, uint64_t now)
{
	r->holding_time_s = holding_time(n, &reply->cies.v[0]);
	struct peer *answerer = foreign_answerer(n, p, reply, r->holding_time_s, now);
	if (!answerer || !usable_prefix(n, r, reply, &r->prefix))
		fail(n, r, 0, "the answer names nobody who is listed", now);
	else
		install(n, r, answerer, now);
}

/* By whom it was asked, or any hub, since replies are routed. In plaintext any member: it may be direct. */
static bool may_answer(const struct nhrp *n, const struct resolution *r, const struct peer *p)
{
	const struct peer *asked = peer_at(n->peers, r->asked);
	if (!asked || asked->plain != p->plain)
		return false;
	return p->plain || p->id == r->asked || p->hub;
}

/* Did we ask this, though perhaps we have the answer already? A repeated request has two. */
static bool asked(const struct nhrp *n, const struct nhrp_packet *reply)
{
	for (unsigned i = 0; i < NHRP_RESOLUTIONS; i++)
		if (n->resolutions[i].request_id == reply->request_id &&
			addr_equal(&n->resolutions[i].target, &reply->dst_proto))
			return true;
	return false;
}

void resolve_error(struct nhrp *n, struct peer *p, const struct nhrp_packet *about, uint16_t code,
	uint64_t now)
{
	struct resolution *r = find(n, &about->dst_proto);
	if (!r || r->state != RESOLUTION_PENDING || r->request_id != about->request_id ||
		!may_answer(n, r, p) || !cert_owns_address(&n->self, &about->src_proto))
		return;
	fail(n, r, NHRP_CODE_NO_RESOURCES, nhrp_error_name(code), now);
}

void resolve_reply(struct nhrp *n, struct peer *p, const struct nhrp_packet *reply,
	const uint8_t *data, size_t len, uint64_t now)
{
	struct candidate to[PUNCH_CANDIDATES];
	unsigned count = 0;
	struct resolution *r = find(n, &reply->dst_proto);
	if (!asked(n, reply))
		nhrp_error(n, p, NHRP_ERROR_INVALID_REPLY, 0, data, len, reply, now);
	if (!r || r->state != RESOLUTION_PENDING || r->request_id != reply->request_id ||
		!may_answer(n, r, p) || reply->cies.n == 0)
		return;
	const struct nhrp_cie *cie = &reply->cies.v[0];
	const struct nhrp_vendor *v = &reply->vendor;
	if (nhrp_code_is_no_binding(cie->code) && p->hub && !p->plain) {
		r->refused_by |= 1u << p->hub_rank;
		struct peer *next = hubs_preferred(n->peers, r->refused_by, now);
		if (next && next->path == PATH_UP) {
			r->asked = next->id;
			r->tries = 0;
			send_request(n, r, now);
			return;
		}
	}
	if (cie->code != NHRP_CODE_SUCCESS) {
		struct shortcut *s = shortcut_for(n, &r->target);
		n->naks_received++;
		if (s)
			shortcut_remove(n, s, "its renewal was refused", now);
		fail(n, r, cie->code, nhrp_code_name(cie->code), now);
		return;
	}
	if (p->plain) {
		plain_reply(n, p, r, reply, now);
		return;
	}
	/* A direct peer speaks for itself alone; only a hub may name another. */
	if (!v->have_static_key || memcmp(v->static_key, n->peers->id->public_key, KEY_LEN) == 0 ||
		(!p->hub && memcmp(v->static_key, p->key, KEY_LEN) != 0) ||
		!usable_prefix(n, r, reply, &r->prefix)) {
		fail(n, r, 0, "the answer names nobody to talk to", now);
		return;
	}
	if (r->refused_by && p->hub)
		shortcut_by_hub(n, &r->target, p, now);
	memcpy(r->peer_key, v->static_key, KEY_LEN);
	strcpy(r->name, v->name);
	r->holding_time_s = holding_time(n, cie);
	r->state = RESOLUTION_PUNCHING;
	timer_arm(n->timers, &r->timer, now + PUNCH_NS);
	struct peer *peer = peer_find(n->peers, r->peer_key);
	if (peer && peer->hub) {
		fail(n, r, 0, "a hub answers for it", now);
		return;
	}
	if (peer && peer->path == PATH_UP) {
		install(n, r, peer, now);
		return;
	}
	for (unsigned i = 0; i < v->n_candidates && i < PUNCH_CANDIDATES; i++)
		to[count++] = (struct candidate){
			.kind = v->candidates[i].kind, .endpoint = v->candidates[i].endpoint};
	count = punch_filter(n->peers, to, count);
	if (count == 0)
		fail(n, r, 0, "no candidate that may be probed", now);
	else
		punch_start(n->peers, r->token_id, r->punch_key, r->peer_key, to, count, now);
}
