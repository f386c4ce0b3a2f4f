#include "core/peer/peer.h"

#include <string.h>

#define SETTLE_NS (30 * NS_PER_S)
#define LOOKUP_NS (30 * NS_PER_S)
#define NAMES_NS  (10 * NS_PER_S) /* while nothing answers, names are looked up as often */

/* A token names a hub and which of its host names is being looked up. */
static uint32_t token_of(const struct peer *p, unsigned host)
{
	return p->id << 3 | host;
}

static void look_up(struct peers *t, struct peer *p, const struct bundle_hub *hub, uint64_t now)
{
	p->resolved_at = now;
	for (unsigned i = 0; i < hub->n_endpoints; i++) {
		p->resolving++;
		t->ops.resolve(
			t->ops.ctx, hub->endpoints[i].host, hub->endpoints[i].port, token_of(p, i));
	}
}

static void connect_next(struct peers *t, struct peer *p, uint64_t now)
{
	static const struct ip_addr any;
	if (p->n_endpoints == 0 || p->init.active)
		return;
	/* Never an endpoint that leads into our own overlay. */
	for (unsigned i = 0; i < p->n_endpoints; i++) {
		const struct endpoint *to = &p->endpoints[p->endpoint_at % p->n_endpoints];
		if (!t->ops.is_overlay(t->ops.ctx, &to->addr)) {
			connect_start(t, p, to, &any, 0, now);
			return;
		}
		p->endpoint_at++;
	}
	p->reason = "its route leads through the overlay";
}

void hubs_resolved(
	struct peers *t, uint32_t token, const struct endpoint *v, unsigned n, uint64_t now)
{
	char name[64];
	struct peer *p = peer_at(t, token >> 3);
	if (!p || !p->hub || p->resolving == 0)
		return;
	p->resolving--;
	for (unsigned i = 0; i < n && p->n_endpoints < PEER_ENDPOINTS_MAX; i++) {
		bool there = false;
		for (unsigned k = 0; k < p->n_endpoints; k++)
			there |= endpoint_equal(&p->endpoints[k], &v[i]);
		if (!there)
			p->endpoints[p->n_endpoints++] = v[i];
	}
	if (p->resolving == 0 && p->n_endpoints == 0) {
		bool known = p->hint.addr.family != 0;
		p->reason = "its host name does not resolve";
		env_log(t->env, LOG_WARN, "hub %s: none of its host names resolves%s",
			peer_name(p, name), known ? ": trying where it was last" : "");
		if (known)
			p->endpoints[p->n_endpoints++] = p->hint;
	}
	if (!peer_has_session(p) || p->path == PATH_SUSPENDED)
		connect_next(t, p, now);
	if (!timer_armed(&p->timer))
		peer_wake(t, p, now);
}

void hubs_retry(struct peers *t, struct peer *p, uint64_t now)
{
	const struct bundle_hub *hub = trust_find_hub(t->trust, p->key);
	if (!hub || (p->resolving && now - p->resolved_at < LOOKUP_NS))
		return;
	p->resolving = 0; /* a resolver that still has not answered does not hold us up */
	connect_next(t, p, now);
	/* Names may have moved; what is known is tried meanwhile. */
	if (now - p->resolved_at > NAMES_NS || p->n_endpoints == 0) {
		p->n_endpoints = 0;
		p->endpoint_at = 0;
		look_up(t, p, hub, now);
	}
}

void hubs_refresh(struct peers *t, struct peer *p, uint64_t now)
{
	if (now - p->resolved_at > NAMES_NS)
		hubs_retry(t, p, now);
}

static void forget_old(struct peers *t, const struct bundle *bundle, uint64_t now)
{
	for (unsigned i = 0; i < t->n_hubs; i++) {
		struct peer *p = &t->v[t->hubs[i]];
		if (p->plain || (bundle && bundle_find_hub(bundle, p->key)))
			continue;
		t->hubs[i--] = t->hubs[--t->n_hubs];
		peer_forget(t, p, "no longer a hub of this network", now);
	}
}

void hubs_update(struct peers *t, uint64_t now)
{
	const struct bundle *bundle = t->trust->bundle;
	forget_old(t, bundle, now);
	for (unsigned h = 0; bundle && h < bundle->n_hubs; h++) {
		const struct bundle_hub *hub = &bundle->hubs[h];
		for (unsigned k = 0; k < hub->n_keys; k++) {
			struct peer *p = peer_obtain(t, hub->keys[k], now);
			if (!p)
				continue; /* ourselves */
			bool is_new = !p->hub;
			p->hub = true;
			p->hub_rank = h * BUNDLE_HUB_KEYS_MAX + k;
			if (!p->known)
				memcpy(p->cert.name, hub->name, sizeof hub->name);
			if (is_new)
				t->hubs[t->n_hubs++] = p->id;
			if (is_new && hub->n_endpoints)
				look_up(t, p, hub, now);
		}
	}
}

/*
 * Is a better than b? Up before silent, then by rank; but a hub that has come back while another carried
 * the traffic is given time, since others may not have found it yet.
 */
static bool better(const struct peer *a, const struct peer *b, uint64_t now)
{
	bool a_up = a->path == PATH_UP, b_up = b->path == PATH_UP;
	if (a_up != b_up)
		return a_up;
	const struct peer *ranked = a->hub_rank < b->hub_rank ? a : b;
	const struct peer *other = ranked == a ? b : a;
	bool settled = ts_since(ranked->up_since, now) >= SETTLE_NS ||
		ranked->up_since <= other->up_since + SETTLE_NS;
	return (settled || !a_up ? ranked : other) == a;
}

/* What is meant for a sealed hub never goes to a plaintext one because that one happens to be up. */
static bool any_sealed(const struct peers *t)
{
	for (unsigned i = 0; i < t->n_hubs; i++)
		if (!t->v[t->hubs[i]].plain)
			return true;
	return false;
}

struct peer *hubs_preferred(const struct peers *t, uint32_t without, uint64_t now)
{
	struct peer *best = NULL;
	bool sealed = any_sealed(t);
	for (unsigned i = 0; i < t->n_hubs; i++) {
		struct peer *p = &t->v[t->hubs[i]];
		if (!peer_has_session(p) || p->path == PATH_NONE || (p->plain && sealed) ||
			(!p->plain && without >> p->hub_rank & 1))
			continue;
		if (!best || better(p, best, now))
			best = p;
	}
	return best;
}
