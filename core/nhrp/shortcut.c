#include "core/nhrp/nhrp.h"

#include <string.h>

#define BY_HUB_S 90

static uint64_t last_used(const struct nhrp *n, const struct shortcut *s)
{
	return atomic_load_explicit(
		&n->peers->sessions->paths[s->peer].last_data_tx_ns, memory_order_relaxed);
}

struct shortcut *shortcut_for(struct nhrp *n, const struct ip_addr *a)
{
	struct shortcut *best = NULL;
	for (unsigned i = 0; i < NHRP_SHORTCUTS; i++) {
		struct shortcut *s = &n->shortcuts[i];
		if (s->used && prefix_contains(&s->prefix, a) &&
			(!best || s->prefix.len > best->prefix.len))
			best = s;
	}
	return best;
}

void shortcut_remove(struct nhrp *n, struct shortcut *s, const char *why, uint64_t now)
{
	char text[PREFIX_TEXT_MAX], name[64] = "";
	struct peer *p = peer_at(n->peers, s->peer);
	(void)now;
	timer_disarm(n->timers, &s->timer);
	fib_shortcut_remove(n->fib, &s->prefix);
	if (s->neighbour)
		fib_neighbour_remove(n->fib, &s->prefix.addr, s->peer);
	s->used = false;
	env_log(n->env, LOG_INFO, "shortcut %s via %s removed: %s", prefix_format(&s->prefix, text),
		p ? peer_name(p, name) : "?", why);
}

/* A way by another hub than the preferred one ends where a direct one begins. */
static void remove_by_hub(struct nhrp *n, const struct prefix *prefix, uint64_t now)
{
	for (unsigned i = 0; i < NHRP_SHORTCUTS; i++) {
		struct shortcut *s = &n->shortcuts[i];
		struct peer *p = s->used ? peer_at(n->peers, s->peer) : NULL;
		if (p && p->hub && prefix_covers(prefix, &s->prefix))
			shortcut_remove(n, s, "there is a direct path", now);
	}
}

static struct shortcut *obtain(struct nhrp *n, const struct prefix *prefix)
{
	struct shortcut *free_one = NULL;
	for (unsigned i = 0; i < NHRP_SHORTCUTS; i++) {
		struct shortcut *s = &n->shortcuts[i];
		if (s->used && prefix_equal(&s->prefix, prefix))
			return s;
		if (!s->used && !free_one)
			free_one = s;
	}
	return free_one;
}

void shortcut_install(struct nhrp *n, const struct prefix *prefix, const struct ip_addr *target,
	struct peer *p, uint16_t holding_time_s, uint64_t now)
{
	char text[PREFIX_TEXT_MAX], name[64], at[ENDPOINT_TEXT_MAX];
	const struct fib_route *covering = fib_covering(n->fib, prefix);
	if (!p->hub)
		remove_by_hub(n, prefix, now);
	struct shortcut *s = obtain(n, prefix);
	if (!s)
		nhrp_full(n, "shortcuts", target);
	if (!s || !covering)
		return;
	bool renewed = s->used && s->peer == p->id;
	if (s->used && !renewed)
		shortcut_remove(n, s, "another peer answers for it", now);
	if (!renewed) {
		if (fib_shortcut_put(n->fib, prefix, p->id) != 0)
			return;
		s->since = now;
	}
	s->used = true;
	s->prefix = *prefix;
	s->target = *target;
	s->peer = p->id;
	s->covering = *covering;
	s->refreshed = false;
	s->neighbour = prefix->len == addr_bits(prefix->addr.family) &&
		(p->hub || cert_owns_address(&p->cert, &prefix->addr));
	if (s->neighbour)
		fib_neighbour_put(n->fib, &prefix->addr, p->id);
	s->lasts = holding_time_s * NS_PER_S;
	s->expires = now + s->lasts;
	p->user_data_ns = now;
	/* Renewed at two thirds of its time, by way of the hub, if it was used. */
	timer_arm(n->timers, &s->timer, now + holding_time_s * NS_PER_S / 3 * 2);
	if (!renewed)
		env_log(n->env, LOG_INFO, "shortcut %s via %s at %s, %s",
			prefix_format(prefix, text), peer_name(p, name),
			endpoint_format(&p->endpoint, at), p->hub ? "by another hub" : "direct");
}

void shortcut_by_hub(struct nhrp *n, const struct ip_addr *target, struct peer *hub, uint64_t now)
{
	struct prefix host = prefix_host(target);
	shortcut_install(n, &host, target, hub, BY_HUB_S, now);
}

void shortcut_fire(void *owner, struct timer *timer, uint64_t now)
{
	struct nhrp *n = owner;
	struct shortcut *s = (struct shortcut *)((char *)timer - offsetof(struct shortcut, timer));
	if (now >= s->expires) {
		shortcut_remove(n, s, "holding time is over", now);
		return;
	}
	timer_arm(n->timers, &s->timer, s->expires);
	/* Used in the time since it was made or renewed? Otherwise let it end. */
	if (last_used(n, s) + s->lasts > now && last_used(n, s) > s->since) {
		s->refreshed = true;
		resolve_start(n, &s->target, now);
	}
}

/* The peer's path came, went silent, or is gone for good. */
void shortcut_peer(struct nhrp *n, struct peer *p, bool gone, uint64_t now)
{
	bool asked = false;
	for (unsigned i = 0; i < NHRP_SHORTCUTS; i++) {
		struct shortcut *s = &n->shortcuts[i];
		if (!s->used || s->peer != p->id)
			continue;
		if (gone) {
			shortcut_remove(n, s, p->reason, now);
		} else if (p->path == PATH_SUSPENDED && !asked) {
			/* It may have moved: let the hub introduce us again. */
			asked = true;
			resolve_start(n, &s->target, now);
		}
	}
}

void shortcut_recheck(struct nhrp *n, struct peer *p, uint64_t now)
{
	for (unsigned i = 0; i < NHRP_SHORTCUTS; i++) {
		struct shortcut *s = &n->shortcuts[i];
		if (s->used && s->peer == p->id && !p->hub &&
			!cert_covers_prefix(&p->cert, &s->prefix))
			shortcut_remove(n, s, "its new certificate does not cover it", now);
	}
}

/* A change of the route that a shortcut overrides takes the shortcut along. */
void shortcut_check_routes(struct nhrp *n, uint64_t now)
{
	for (unsigned i = 0; i < NHRP_SHORTCUTS; i++) {
		struct shortcut *s = &n->shortcuts[i];
		if (!s->used)
			continue;
		const struct fib_route *r = fib_covering(n->fib, &s->prefix);
		if (r && r->type == FIB_OVERLAY && prefix_equal(&r->prefix, &s->covering.prefix) &&
			addr_equal(&r->gateway, &s->covering.gateway))
			continue;
		struct ip_addr target = s->target;
		bool still_overlay = r && r->type == FIB_OVERLAY;
		bool used = last_used(n, s) > s->since;
		shortcut_remove(n, s,
			r ? "the route below it has changed" : "the route below it is gone", now);
		if (still_overlay && used)
			resolve_start(n, &target, now);
	}
}
