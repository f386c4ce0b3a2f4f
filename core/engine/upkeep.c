#include "core/engine/upkeep.h"

#include "core/base/err.h"
#include "core/engine/node.h"

#include <stdlib.h>
#include <string.h>

#define PERIOD_NS    (30 * NS_PER_S)
#define SAVE_TIME_NS (3600 * NS_PER_S)
#define HUB_HINT_S                                                                                 \
	(UINT64_C(30) * 86400) /* a hub is where it was for that long, if no name says better */
#define DIAL_NS     (5 * NS_PER_MS)
#define DIAL_BATCH  10 /* each DIAL_NS: 2,000 a second */
#define DIAL_FOR_NS (3 * NS_PER_S)

/* ---- Hints ---------------------------------------------------------------------------------- */

static bool hint_of(
	const struct engine *e, struct peer *p, uint64_t time_s, uint64_t now, struct hint *out)
{
	uint64_t until = p->hub ? now + HUB_HINT_S * NS_PER_S : 0;
	for (uint32_t i = e->nhrp.clients[p->id].first; i != NHRP_NONE;
		i = e->nhrp.bindings[i].next)
		if (e->nhrp.bindings[i].expires > until)
			until = e->nhrp.bindings[i].expires;
	if (!peer_has_session(p) || p->plain || p->endpoint.addr.family == 0 || until <= now)
		return false;
	*out = (struct hint){.at = p->endpoint, .expires_s = time_s + (until - now) / NS_PER_S};
	memcpy(out->key, p->key, sizeof out->key);
	memcpy(out->timestamp, p->timestamp, sizeof out->timestamp);
	return true;
}

static void save_hints(struct engine *e, uint64_t now)
{
	struct upkeep *u = &e->upkeep;
	size_t cap = HINTS_OVERHEAD + (size_t)e->peers.count * HINT_SIZE;
	if (!u->saved)
		return;
	uint64_t time_s = engine_time_s(e, now);
	struct hint hint;
	struct writer w;
	hints_begin(&w, u->saved, cap, time_s);
	for (uint32_t i = 0; i < e->peers.n_fresh; i++) {
		struct peer *p = peer_at(&e->peers, i);
		if (p && hint_of(e, p, time_s, now, &hint))
			hints_add(&w, &hint);
	}
	int len = hints_seal(&w, e->identity);
	struct queued *a = len < 0 ? NULL : actions_add(&e->actions, ACTION_SAVE_HINTS, true);
	if (!a)
		return; /* the next time */
	a->action.save.data = u->saved;
	a->action.save.len = (size_t)len;
	e->peers.changed = false;
}

/* Looks for somebody of before, if he has not come by himself meanwhile. */
static void dial(struct engine *e, const struct hint *hint, uint64_t now)
{
	static const struct ip_addr any;
	struct peers *t = &e->peers;
	const struct bundle *bundle = e->trust.bundle;
	if ((bundle && bundle_revokes(bundle, (const uint8_t[8]){0}, 0, hint->key)) ||
		t->ops.is_overlay(t->ops.ctx, &hint->at.addr))
		return;
	struct peer *p = peer_obtain(t, hint->key, now);
	if (!p || p->hub || peer_has_session(p) || p->init.active)
		return;
	if (memcmp(hint->timestamp, p->timestamp, sizeof p->timestamp) > 0)
		memcpy(p->timestamp, hint->timestamp, sizeof p->timestamp);
	connect_start(t, p, &hint->at, &any, 0, now);
	if (p->init.active) /* somebody else may live there by now: no whole burst */
		p->init.until = now + DIAL_FOR_NS;
	peer_wake(t, p, now);
}

static void dial_some(void *owner, struct timer *timer, uint64_t now)
{
	struct engine *e = owner;
	struct upkeep *u = &e->upkeep;
	for (unsigned i = 0; i < DIAL_BATCH && u->next_old < u->n_old; i++)
		dial(e, &u->old[u->next_old++], now);
	if (u->next_old < u->n_old) {
		timer_arm(&e->timers, timer, now + DIAL_NS);
		return;
	}
	free(u->old);
	u->old = NULL;
	u->n_old = 0;
}

static int freshest_first(const void *a, const void *b)
{
	uint64_t x = ((const struct hint *)a)->expires_s, y = ((const struct hint *)b)->expires_s;
	return x > y ? -1 : x < y;
}

static void sort_out(struct engine *e, struct hints *hints, uint64_t now)
{
	struct upkeep *u = &e->upkeep;
	uint64_t time_s = engine_time_s(e, now);
	struct hint hint;
	while (hints_next(hints, &hint)) {
		struct peer *p = peer_find(&e->peers, hint.key);
		if (hint.expires_s < time_s)
			continue;
		if (p && p->hub)
			p->hint = hint.at;
		else if (e->plane.hub)
			u->old[u->n_old++] = hint;
	}
	qsort(u->old, u->n_old, sizeof *u->old, freshest_first);
}

int engine_load_hints(struct engine *e, const void *data, size_t len, uint64_t now)
{
	struct upkeep *u = &e->upkeep;
	struct hints hints;
	int err = hints_decode(data, len, &hints);
	if (!err && !hints_verify(data, len, e->identity))
		err = ERR_AUTH;
	if (!err && (u->old || !(u->old = calloc(hints.left + 1, sizeof *u->old))))
		err = ERR_NO_SPACE;
	if (err) {
		env_log(&e->env, LOG_WARN, "hint file: %s: peers are waited for instead",
			err_name(err));
		return err;
	}
	uint32_t total = hints.left;
	sort_out(e, &hints, now);
	env_log(&e->env, LOG_INFO, "hint file: %u peers, %u of them to look for", total, u->n_old);
	timer_arm(&e->timers, &u->dial, now);
	return (int)u->n_old;
}

/* ---- Time and papers ------------------------------------------------------------------------ */

static void save_time(struct engine *e, uint64_t now)
{
	struct upkeep *u = &e->upkeep;
	uint64_t good =
		clock_good_s(&e->trust.clock, &e->env, e->self.not_after, e->plane.hub, now);
	if (!good || (u->time_saved && now - u->time_saved < SAVE_TIME_NS))
		return;
	struct queued *a = actions_add(&e->actions, ACTION_SAVE_TIME, true);
	if (!a)
		return;
	a->action.time.unix_s = good;
	u->time_saved = now;
}

/* Says it once when it begins. */
static void say(struct engine *e, bool *said, bool holds, const char *what)
{
	if (holds && !*said)
		env_log(&e->env, LOG_WARN, "%s", what);
	*said = holds;
}

static void look_at_papers(struct engine *e, uint64_t now)
{
	struct upkeep *u = &e->upkeep;
	uint64_t time_s = engine_time_s(e, now);
	enum validity cert = clock_validity(e->self.not_after, time_s);
	say(e, &u->cert_expired, cert == VALIDITY_OVER, "our own certificate has expired");
	say(e, &u->cert_expires, cert == VALIDITY_ENDS,
		"our own certificate expires within 14 days");
	say(e, &u->bundle_expired, e->trust.bundle && trust_bundle_expired(&e->trust, time_s),
		e->peers.strict ? "the bundle has expired: new sessions are refused (strict)"
				: "the bundle has expired: going on with it");
}

void engine_save_failed(struct engine *e)
{
	e->peers.changed = true;
	e->upkeep.time_saved = 0;
}

static void upkeep_fire(void *owner, struct timer *timer, uint64_t now)
{
	struct engine *e = owner;
	if (e->peers.changed)
		save_hints(e, now);
	save_time(e, now);
	look_at_papers(e, now);
	timer_arm(&e->timers, timer, now + PERIOD_NS);
}

void upkeep_start(struct engine *e, uint64_t now)
{
	struct upkeep *u = &e->upkeep;
	u->timer = (struct timer){.fire = upkeep_fire, .owner = e};
	u->dial = (struct timer){.fire = dial_some, .owner = e};
	u->saved = malloc(HINTS_OVERHEAD + (size_t)e->peers.max * HINT_SIZE);
	look_at_papers(e, now);
	timer_arm(&e->timers, &u->timer, now + PERIOD_NS);
}

void upkeep_stop(struct engine *e, uint64_t now)
{
	save_hints(e, now);
	e->upkeep.time_saved = 0;
	save_time(e, now);
}

void upkeep_fini(struct engine *e)
{
	free(e->upkeep.saved);
	free(e->upkeep.old);
}
