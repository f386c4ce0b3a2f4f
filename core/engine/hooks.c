#include "core/engine/hooks.h"

#include "core/base/err.h"
#include "core/wire/control.h"

#include <string.h>

/* ---- What the modules below want done ------------------------------------------------------- */

static void do_send(void *ctx, const struct endpoint *to, const struct ip_addr *from, uint8_t ttl,
	const void *data, size_t len)
{
	struct engine *e = ctx;
	struct queued *a =
		len <= ACTION_DATA_MAX ? actions_add(&e->actions, ACTION_SEND, false) : NULL;
	if (!a)
		return;
	memcpy(a->data, data, len);
	a->action.send.to = *to;
	a->action.send.from = *from;
	a->action.send.ttl = ttl;
	a->action.send.data = a->data;
	a->action.send.len = len;
}

static int do_seal(void *ctx, struct session *s, uint16_t protocol, uint8_t *payload, size_t len)
{
	struct engine *e = ctx;
	return worker_seal(e->control, s, protocol, payload, len);
}

static void do_resolve(void *ctx, const char *host, uint16_t port, uint32_t token)
{
	struct engine *e = ctx;
	struct queued *a = actions_add(&e->actions, ACTION_RESOLVE, true);
	if (!a)
		return;
	strncpy((char *)a->data, host, ACTION_DATA_MAX - 1);
	a->action.resolve.host = (const char *)a->data;
	a->action.resolve.port = port;
	a->action.resolve.token = token;
}

static void do_pong(void *ctx, uint32_t token, bool answered, bool direct, uint64_t rtt_ns)
{
	struct engine *e = ctx;
	struct queued *a = actions_add(&e->actions, ACTION_PONG, true);
	if (!a)
		return;
	a->action.pong.token = token;
	a->action.pong.answered = answered;
	a->action.pong.direct = direct;
	a->action.pong.rtt_ns = rtt_ns;
}

static void do_kernel_route(
	void *ctx, const struct prefix *p, const struct ip_addr *gateway, bool add)
{
	struct engine *e = ctx;
	struct queued *a =
		actions_add(&e->actions, add ? ACTION_ROUTE_ADD : ACTION_ROUTE_DEL, true);
	if (!a) {
		env_log(&e->env, LOG_ERROR, "too many route changes at once: one is lost");
		return;
	}
	a->action.route.prefix = *p;
	a->action.route.gateway = *gateway;
}

static bool is_overlay(void *ctx, const struct ip_addr *a)
{
	struct engine *e = ctx;
	struct fib_view view = fib_snapshot(&e->plane.fib);
	struct fib_hop hop;
	return fib_lookup(&view, a, &hop) && hop.type == FIB_OVERLAY;
}

static bool sent_recently(void *ctx, const struct ip_addr *dst, uint64_t now)
{
	struct engine *e = ctx;
	for (unsigned i = 0; i < e->n_workers; i++)
		if (worker_sent_recently(&e->workers[i], dst, now))
			return true;
	return false;
}

/* ---- What the peers report ------------------------------------------------------------------ */

void hooks_publish_hub(struct engine *e, uint64_t now)
{
	struct peer *hub = hubs_preferred(&e->peers, 0, now);
	atomic_store_explicit(
		&e->plane.hub_session, hub ? hub->current : SESSION_NONE, memory_order_release);
}

static void on_up(void *ctx, struct peer *p, bool rekey, uint64_t now)
{
	struct engine *e = ctx;
	char name[64], at[ENDPOINT_TEXT_MAX];
	struct session *s = session_at(&e->plane.sessions, p->current);
	if (!p->plain)
		env_log(&e->env, rekey ? LOG_DEBUG : LOG_INFO, "%s: %s with %s, %s",
			peer_name(p, name), rekey ? "new keys" : "session",
			endpoint_format(&p->endpoint, at), s->tx.aead->name);
	hooks_publish_hub(e, now);
	nhrp_peer_up(&e->nhrp, p, rekey, now);
	if (!rekey && e->plane.hub && e->trust.bundle && !p->plain)
		frames_send_bundle(&e->peers, p, now);
}

static void on_path(void *ctx, struct peer *p, uint64_t now)
{
	struct engine *e = ctx;
	char name[64], at[ENDPOINT_TEXT_MAX];
	endpoint_format(&p->endpoint, at);
	if (p->path == PATH_UP && p->plain)
		env_log(&e->env, LOG_INFO, "%s: plaintext with %s", peer_name(p, name), at);
	else if (p->path == PATH_UP && p->suspended_at)
		env_log(&e->env, LOG_INFO, "%s: %s: answers again", peer_name(p, name), at);
	else if (p->path == PATH_UP && !p->hub && !e->plane.hub)
		env_log(&e->env, LOG_INFO, "%s: direct path by %s", peer_name(p, name), at);
	else if (p->path == PATH_SUSPENDED)
		env_log(&e->env, LOG_WARN, "%s: %s: %s%s", peer_name(p, name), at, p->reason,
			p->hub || e->plane.hub ? "" : "; traffic goes by the hub");
	hooks_publish_hub(e, now);
	nhrp_peer_path(&e->nhrp, p, now);
}

static void on_down(void *ctx, struct peer *p, const char *why, uint64_t now)
{
	struct engine *e = ctx;
	char name[64];
	/* Only a handshake that came to nothing: not a peer that was there. */
	if (peer_has_session(p))
		env_log(&e->env, LOG_INFO, "%s: %s ended: %s", peer_name(p, name),
			p->plain ? "plaintext" : "session", why);
	nhrp_peer_down(&e->nhrp, p, now);
	hooks_publish_hub(e, now);
}

static void apply_bundle(struct engine *e, uint64_t now)
{
	uint64_t wall = trust_now_s(&e->trust, &e->env, now), at = now;
	for (uint32_t i = 0; i < e->peers.n_fresh; i++) {
		struct peer *p = peer_at(&e->peers, i);
		if (!p || !p->known || p->plain)
			continue;
		int err = trust_recheck(&e->trust, &p->cert, wall);
		if (err == ERR_REVOKED)
			peer_close(&e->peers, p, CONTROL_REASON_REVOKED, "revoked", now);
		else if (err)
			peer_close(&e->peers, p, CONTROL_REASON_EXPIRED,
				"certificate no longer valid", now);
		else if (e->plane.hub && peer_has_session(p))
			at += frames_queue_bundle(&e->peers, p, at);
	}
	hubs_update(&e->peers, now);
	hooks_publish_hub(e, now);
}

void hooks_new_bundle(struct engine *e, uint64_t now)
{
	struct queued *a = actions_add(&e->actions, ACTION_SAVE_BUNDLE, true);
	if (a) {
		a->action.save.data = e->trust.bundle_bytes;
		a->action.save.len = e->trust.bundle_len;
	}
	apply_bundle(e, now);
}

static void on_bundle(void *ctx, uint64_t now)
{
	hooks_new_bundle(ctx, now);
}

/* In the plane's table, which workers read. Room is as much as there may be members. */
static void plain_member(void *ctx, const struct ip_addr *nbma, uint32_t peer)
{
	struct engine *e = ctx;
	struct prefix host = prefix_host(nbma);
	if (peer == PEER_NONE)
		lpm_remove(&e->plane.plain_members, &host);
	else
		lpm_put(&e->plane.plain_members, &host, peer);
}

/* ---- Tables --------------------------------------------------------------------------------- */

struct peer_ops hooks_of_peers(struct engine *e)
{
	return (struct peer_ops){
		.ctx = e,
		.send = do_send,
		.up = on_up,
		.path = on_path,
		.down = on_down,
		.resolve = do_resolve,
		.bundle = on_bundle,
		.pong = do_pong,
		.is_overlay = is_overlay,
		.seal = do_seal,
		.plain_member = plain_member,
	};
}

struct nhrp_ops hooks_of_nhrp(struct engine *e)
{
	return (struct nhrp_ops){
		.ctx = e,
		.kernel_route = do_kernel_route,
		.sent_recently = sent_recently,
	};
}
