#include "core/engine/engine.h"

#include "core/base/err.h"
#include "core/engine/hooks.h"
#include "core/engine/node.h"
#include "core/wire/control.h"
#include "core/wire/gre.h"

#include <stdlib.h>
#include <string.h>

#define TURN_ACTIONS ((ACTIONS_MAX - ACTIONS_RESERVE) / 2)
#define TURN_EVENTS  32 /* of one worker; each may cause a few datagrams, and the queue is bounded */
#define STOP_BATCH   256 /* peers that are told at once: the action queue holds them */

_Static_assert((int)ROUTE_TYPE_OVERLAY == FIB_OVERLAY && (int)ROUTE_TYPE_LOCAL == FIB_LOCAL &&
		(int)ROUTE_TYPE_OTHER == FIB_OTHER && (int)ROUTE_TYPE_REJECT == FIB_REJECT,
	"the facade's route types are the FIB's");

/* ---- Coming and going ----------------------------------------------------------------------- */

static void copy_prefixes(uint8_t *n, struct prefix *out, uint8_t count, const struct prefix *v)
{
	*n = count < NHRP_PREFIX_LINES ? count : NHRP_PREFIX_LINES;
	for (unsigned i = 0; i < *n; i++)
		out[i] = prefix_masked(v[i]);
}

static struct nhrp_config nhrp_config_of(const struct engine_config *c, bool hub)
{
	struct nhrp_config n = {
		.holding_time_s = c->holding_time_s ? c->holding_time_s : 600,
		.redirect = c->redirect && hub,
		.shortcut = c->shortcut,
		.install_routes = c->install_routes,
		.host_candidates = c->host_candidates,
	};
	copy_prefixes(&n.n_prefixes, n.prefixes, c->n_prefixes, c->prefixes);
	copy_prefixes(&n.n_advertise, n.advertise, c->n_advertise, c->advertise);
	copy_prefixes(&n.n_routes, n.routes, c->n_routes, c->routes);
	return n;
}

static void describe_ciphers(struct engine *e)
{
	e->ciphers[0] = '\0';
	for (int id = AEAD_AEGIS_256; id >= 0; id--) {
		const struct aead *a = e->peers.ciphers >> id & 1 ? aead_find((uint8_t)id) : NULL;
		if (!a)
			continue;
		if (e->ciphers[0])
			strcat(e->ciphers, " ");
		strcat(e->ciphers, a->name);
	}
}

/* Who we are: the certificate must be good and belong to our key. */
static int load_identity(struct engine *e, const struct engine_config *c, uint64_t now)
{
	e->identity = prim_alloc_locked(sizeof *e->identity);
	if (!e->identity)
		return ERR_NO_SPACE;
	static const uint8_t zero[KEY_LEN];
	bool psk = !prim_equal(c->psk, zero, KEY_LEN);
	handshake_identity_init(e->identity, c->static_secret, c->network_id, psk ? c->psk : NULL);
	trust_init(&e->trust, c->network_id, c->root_key);
	clock_init(&e->trust.clock, c->time_s, now);
	int err = c->bundle ? trust_update_bundle(&e->trust, c->bundle, c->bundle_len) : 0;
	if (err) {
		env_log(&e->env, LOG_ERROR, "the bundle is refused: %s", err_name(err));
		return err;
	}
	if (c->certificate_len > sizeof e->certificate)
		return ERR_MALFORMED;
	memcpy(e->certificate, c->certificate, c->certificate_len);
	e->certificate_len = c->certificate_len;
	err = trust_check_cert(&e->trust, e->certificate, e->certificate_len,
		e->identity->public_key, trust_now_s(&e->trust, &e->env, now), &e->self);
	if (err == ERR_EXPIRED) {
		/* A wrong clock must not keep a node down: others will judge. */
		struct cert shown;
		env_log(&e->env, LOG_WARN,
			"our own certificate is not valid at this time, or the clock is wrong");
		err = cert_decode(e->certificate, e->certificate_len, &shown);
		if (!err)
			err = trust_check_cert(&e->trust, e->certificate, e->certificate_len,
				e->identity->public_key, shown.not_before, &e->self);
	}
	if (err)
		env_log(&e->env, LOG_ERROR,
			"our own certificate is refused: %s (does it belong to this key, "
			"network and bundle?)",
			err_name(err));
	return err;
}

static int make_workers(struct engine *e, const struct engine_config *c)
{
	e->n_workers = c->workers ? c->workers : 1;
	if (e->n_workers > ENGINE_MAX_WORKERS)
		return ERR_MALFORMED;
	e->workers = calloc(e->n_workers + 1, sizeof *e->workers);
	if (!e->workers)
		return ERR_NO_SPACE;
	e->control = &e->workers[e->n_workers];
	for (unsigned i = 0; i <= e->n_workers; i++) {
		uint8_t lane = i == e->n_workers ? 0 : (uint8_t)(i + 1);
		int err = worker_init(&e->workers[i], &e->plane, i, lane, &e->env);
		if (err)
			return err;
	}
	return 0;
}

static int build(struct engine *e, const struct engine_config *c, uint64_t now)
{
	const struct peer_ops peer_ops = hooks_of_peers(e);
	const struct nhrp_ops nhrp_ops = hooks_of_nhrp(e);
	int err = prim_init();
	if (!err)
		err = load_identity(e, c, now);
	if (!err)
		err = actions_init(&e->actions);
	if (!err)
		err = plane_init(&e->plane, c, &e->self, &e->env);
	if (!err)
		err = make_workers(e, c);
	if (!err)
		err = pkt_batch_init(&e->batch, 1);
	if (err)
		return err;
	uint32_t max_peers = e->plane.sessions.n_paths;
	err = timer_heap_init(
		&e->timers, max_peers + nhrp_timers(max_peers) + PUNCH_MAX + UPKEEP_TIMERS);
	if (!err)
		err = peers_init(&e->peers, max_peers, &e->plane.sessions, &e->plane.plain,
			e->identity, &e->trust, e->certificate, e->certificate_len, &e->self,
			&e->timers, &e->env, &peer_ops, now);
	if (err)
		return err;
	e->peers.ciphers = aead_offer() & (c->ciphers ? c->ciphers | 1 : 0xff);
	e->peers.lanes = (uint8_t)(e->n_workers + 1);
	e->peers.port = c->port;
	e->peers.strict = c->strict;
	describe_ciphers(e);
	struct nhrp_config nhrp = nhrp_config_of(c, e->plane.hub);
	return nhrp_init_node(&e->nhrp, &e->peers, &e->plane.fib, &e->self, &nhrp, &e->timers,
		&e->env, &nhrp_ops);
}

int engine_new(struct engine **out, const struct engine_config *config, const struct env *env,
	uint64_t now)
{
	struct engine *e = calloc(1, sizeof *e);
	*out = NULL;
	if (!e)
		return ERR_NO_SPACE;
	e->env = *env;
	e->started_ns = now;
	int err = build(e, config, now);
	if (err) {
		engine_free(e);
		return err;
	}
	*out = e;
	return 0;
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	upkeep_fini(e);
	nhrp_fini_node(&e->nhrp);
	peers_fini(&e->peers);
	timer_heap_fini(&e->timers);
	for (unsigned i = 0; e->workers && i <= e->n_workers; i++)
		worker_fini(&e->workers[i]);
	free(e->workers);
	plane_fini(&e->plane);
	pkt_batch_fini(&e->batch);
	actions_fini(&e->actions);
	trust_fini(&e->trust);
	if (e->identity)
		handshake_identity_wipe(e->identity);
	prim_free_locked(e->identity);
	free(e);
}

struct worker *engine_worker(struct engine *e, unsigned number)
{
	return number < e->n_workers ? &e->workers[number] : NULL;
}

void engine_start(struct engine *e, uint64_t now)
{
	hubs_update(&e->peers, now);
	plain_start(&e->peers, now);
	upkeep_start(e, now);
}

bool engine_stop(struct engine *e, uint64_t now)
{
	uint8_t reason = e->plane.hub ? CONTROL_REASON_RESTARTING : CONTROL_REASON_SHUTDOWN;
	if (e->stopped_at == 0) {
		upkeep_stop(e, now);
		nhrp_stop(&e->nhrp, now);
	}
	uint32_t end = e->stopped_at + STOP_BATCH;
	for (; e->stopped_at < end && e->stopped_at < e->peers.n_fresh; e->stopped_at++) {
		struct peer *p = peer_at(&e->peers, e->stopped_at);
		if (p && peer_has_session(p))
			frames_close(&e->peers, p, reason, now);
	}
	return e->stopped_at < e->peers.n_fresh;
}

void engine_resumed(struct engine *e, uint64_t now)
{
	env_log(&e->env, LOG_INFO, "awake again: looking for hubs and peers");
	peers_resumed(&e->peers, now);
	nhrp_addresses_changed(&e->nhrp, now);
}

void engine_reconfigure(struct engine *e, const struct engine_config *c, uint64_t now)
{
	struct nhrp_config nhrp = nhrp_config_of(c, e->plane.hub);
	atomic_store_explicit(
		&e->plane.redirect, c->redirect && e->plane.hub, memory_order_relaxed);
	atomic_store_explicit(&e->plane.shortcut, c->shortcut, memory_order_relaxed);
	atomic_store_explicit(&e->plane.relay_kernel, c->relay_kernel, memory_order_relaxed);
	atomic_store_explicit(&e->plane.multicast_rate, c->multicast_rate ? c->multicast_rate : 100,
		memory_order_relaxed);
	multicast_set(&e->plane.multicast, c->groups, c->n_groups);
	e->peers.strict = c->strict;
	nhrp_reconfigure(&e->nhrp, &nhrp, now);
}

int engine_set_bundle(struct engine *e, const uint8_t *bundle, size_t len, uint64_t now)
{
	int err = trust_update_bundle(&e->trust, bundle, len);
	if (!err)
		hooks_new_bundle(e, now);
	return err;
}

uint64_t engine_time_s(const struct engine *e, uint64_t now)
{
	return trust_now_s(&e->trust, &e->env, now);
}

bool engine_clock_suspect(const struct engine *e, uint64_t now)
{
	return clock_suspect(&e->trust.clock, &e->env, now);
}

/* ---- What comes in -------------------------------------------------------------------------- */

void engine_receive(struct engine *e, struct pkt *p, uint64_t now)
{
	enum gre_kind kind = gre_classify(p->data, p->len);
	if (p->flags & PKT_GRE)
		kind = GRE_PLAIN;
	if (kind != GRE_SEALED && (kind != GRE_PLAIN || e->plane.plain.n == 0)) {
		connect_receive(&e->peers, p->data, p->len, &p->remote, &p->local, now);
		p->verdict = PKT_CONSUMED;
		return;
	}
	struct pkt_batch one = {.n = 1, .cap = 1, .v = p};
	data_from_udp(e->control, &one, now);
	engine_drain(e, now);
}

/* The session an event is about, unless its slot has another use by now. */
static struct session *session_of(struct engine *e, const struct event *ev)
{
	struct session *s = session_at(&e->plane.sessions, ev->session);
	if (!s || s->local_index != ev->local_index)
		return NULL;
	bool live = atomic_load_explicit(&s->state, memory_order_acquire) == SESSION_LIVE;
	return (s->plain && live) || session_find(&e->plane.sessions, s->local_index) ? s : NULL;
}

/* Each worker keeps to the limit; this is for all of them together. */
static void replicate(struct engine *e, const struct event *ev, uint64_t now)
{
	struct multicast_limit limit = plane_multicast_limit(&e->plane, ev->kind);
	if (!bucket_take(&e->multicast[ev->kind], limit.interval_ns, limit.burst, now) ||
		fanout_add(e, ev->kind, ev->data, ev->len, now) != 0)
		e->peers.dropped[DROP_MULTICAST_LIMITED]++;
}

static void confirmed(struct engine *e, struct session *s, const struct event *ev, uint64_t now)
{
	struct peer *p = peer_at(&e->peers, s->peer);
	if (!p || p->next != s->id)
		return;
	/* A bundle may have come since the handshake; a route into the tunnel, too. */
	if (trust_recheck(&e->trust, &s->cert, trust_now_s(&e->trust, &e->env, now)) != 0 ||
		e->peers.ops.is_overlay(e, &ev->remote.addr)) {
		p->next = SESSION_NONE;
		session_end(&e->plane.sessions, s);
		return;
	}
	memcpy(p->timestamp, p->next_timestamp, sizeof p->timestamp);
	p->response_len = 0;
	admit_member(&e->peers.admission, &ev->remote.addr, now);
	bool proven = endpoint_equal(&p->answered[0], &ev->remote) ||
		endpoint_equal(&p->answered[1], &ev->remote);
	peer_install(&e->peers, p, s, &ev->remote, &ev->local, proven, ev->len, now);
}

static void handle_event(struct engine *e, struct event *ev, uint64_t now)
{
	struct session *s = session_of(e, ev);
	struct peer *p = s ? peer_at(&e->peers, s->peer) : NULL;
	switch ((enum event_type)ev->type) {
	case EVENT_CONFIRMED:
		if (s)
			confirmed(e, s, ev, now);
		break;
	case EVENT_PACKET:
		if (p)
			liveness_heard(&e->peers, p, now);
		if (p && s->created_ns < p->run_ns)
			e->peers.dropped[DROP_REPLAY]++;
		else if (p && ev->protocol == GRE_PROTO_NHRP)
			nhrp_receive(&e->nhrp, p, ev->data, ev->len, &ev->remote, now);
		else if (p)
			frames_receive(
				&e->peers, p, ev->data, ev->len, &ev->remote, &ev->local, now);
		break;
	case EVENT_PATH:
		if (p && !(ev->asks && roam_is_beside(&e->peers, p, &ev->remote)))
			roam_challenge(&e->peers, p, &ev->remote, &ev->local, ev->len, now);
		break;
	case EVENT_PLAIN:
		foreign_receive(&e->nhrp, ev->data, ev->len, &ev->remote, &ev->local, now);
		break;
	case EVENT_UNKNOWN:
		connect_unknown(&e->peers, ev->local_index, ev->len, &ev->remote, &ev->local, now);
		break;
	case EVENT_DATAGRAM:
		connect_receive(&e->peers, ev->data, ev->len, &ev->remote, &ev->local, now);
		break;
	case EVENT_REDIRECT:
		if (p)
			nhrp_hairpin(&e->nhrp, p, ev->data, ev->len, now);
		break;
	case EVENT_MISLED:
		if (p)
			nhrp_misled(&e->nhrp, p, &ev->addr, now);
		break;
	case EVENT_RESOLVE:
		nhrp_want(&e->nhrp, &ev->addr, now);
		break;
	case EVENT_MULTICAST:
		replicate(e, ev, now);
		break;
	}
}

bool engine_drain(struct engine *e, uint64_t now)
{
	bool more = false;
	fanout_turn(e);
	for (unsigned i = 0; i <= e->n_workers; i++) {
		struct event *ev;
		for (unsigned k = 0; k < TURN_EVENTS && (ev = ring_peek(&e->workers[i].events));
			k++) {
			handle_event(e, ev, now);
			ring_pop(&e->workers[i].events);
		}
		more = more || ring_peek(&e->workers[i].events);
	}
	nhrp_routes_changed(&e->nhrp, now);
	sessions_reclaim(&e->plane.sessions);
	return more;
}

uint64_t engine_deadline(const struct engine *e)
{
	uint64_t timer = timer_next(&e->timers), fanout = fanout_deadline(e);
	return timer < fanout ? timer : fanout;
}

void engine_timer(struct engine *e, uint64_t now)
{
	fanout_turn(e);
	/* As many as there is room for what they want done; the rest is due at once. */
	while (e->actions.n - e->actions.head < TURN_ACTIONS && timer_run_one(&e->timers, now))
		;
	hooks_publish_hub(e, now); /* one that has come back is trusted after a while */
	sessions_reclaim(&e->plane.sessions);
}

bool engine_next_action(struct engine *e, struct action *out)
{
	while (!actions_next(&e->actions, out))
		if (!fanout_step(e))
			return false;
	return true;
}

void engine_addresses_reset(struct engine *e, uint64_t now)
{
	e->peers.n_own = 0;
	nhrp_addresses_changed(&e->nhrp, now);
}

void engine_address(struct engine *e, const struct ip_addr *a, bool deleted, uint64_t now)
{
	struct peers *t = &e->peers;
	unsigned i = 0;
	while (i < t->n_own && !addr_equal(&t->own[i], a))
		i++;
	if (deleted)
		peers_forget_source(t, a);
	if (deleted && i < t->n_own)
		t->own[i] = t->own[--t->n_own];
	else if (!deleted && i == t->n_own && i < sizeof t->own / sizeof *t->own)
		t->own[t->n_own++] = *a;
	nhrp_addresses_changed(&e->nhrp, now);
}

void engine_resolved(
	struct engine *e, uint32_t token, const struct endpoint *v, unsigned n, uint64_t now)
{
	hubs_resolved(&e->peers, token, v, n, now);
}

int engine_rekey(struct engine *e, const char *who, uint64_t now)
{
	struct peer *p = peer_find_text(&e->peers, who);
	if (!p || !peer_has_session(p) || p->plain)
		return ERR_NOT_FOUND;
	if (p->init.active || !bucket_take(&p->rekeys_asked, NS_PER_S / 10, 1, now))
		return ERR_BUSY;
	connect_start(&e->peers, p, &p->endpoint, &p->local, HANDSHAKE_REKEY, now);
	return p->init.active ? 0 : ERR_BUSY;
}

int engine_ping(
	struct engine *e, const char *who, uint32_t token, uint64_t timeout_ns, uint64_t now)
{
	uint8_t frame[32];
	struct peer *p = peer_find_text(&e->peers, who);
	if (!p || !peer_has_session(p))
		return ERR_NOT_FOUND;
	if (p->user_ping)
		return ERR_BUSY;
	struct control_frame ping = {.type = CONTROL_PING};
	e->env.random(e->env.ctx, p->user_ping_echo, sizeof p->user_ping_echo);
	memcpy(ping.u.ping.echo, p->user_ping_echo, sizeof p->user_ping_echo);
	int len = control_encode(&ping, frame, sizeof frame);
	if (len < 0 || peer_send(&e->peers, p, GRE_PROTO_CONTROL, frame, (size_t)len, now) < 0)
		return ERR_NOT_FOUND;
	p->user_ping = true;
	p->user_ping_token = token;
	p->user_ping_sent = now;
	p->user_ping_until = now + timeout_ns;
	if (!timer_armed(&p->timer) || p->timer.deadline > p->user_ping_until)
		timer_arm(&e->timers, &p->timer, p->user_ping_until);
	return 0;
}
