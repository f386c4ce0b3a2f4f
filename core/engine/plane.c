#include "core/engine/plane.h"

#include "core/base/err.h"
#include "core/peer/linklocal.h"

#include <stdlib.h>
#include <string.h>

#define MAX_SHORTCUTS     1024
#define MULTICAST_PER_S   100 /* link scope: hellos and updates of routing protocols */
#define MULTICAST_BURST_S 2   /* seconds' worth at once */

static void take_sections(struct plain *out, const struct engine_config *config)
{
	_Static_assert(ENGINE_MAX_INTEROP == PLAIN_SECTIONS_MAX &&
			ENGINE_MAX_ALLOW == PLAIN_ALLOW_MAX &&
			sizeof config->interop[0].name == sizeof out->v[0].name &&
			sizeof config->interop[0].word == PLAIN_WORD_MAX + 1,
		"the facade's sections are these");
	out->relay = config->relay_plaintext;
	out->n = config->n_interop;
	for (unsigned i = 0; i < out->n; i++) {
		const struct engine_interop *c = &config->interop[i];
		struct plain_section *s = &out->v[i];
		*s = (struct plain_section){.hub = c->hub,
			.raw = c->raw,
			.have_key = c->have_key,
			.key = c->have_key ? c->key : 0,
			.underlay = prefix_masked(c->underlay),
			.n_allow = c->n_allow,
			.word_len = (uint8_t)strlen(c->word)};
		memcpy(s->name, c->name, sizeof s->name);
		memcpy(s->word, c->word, s->word_len);
		for (unsigned k = 0; k < c->n_allow; k++)
			s->allow[k] = prefix_masked(c->allow[k]);
	}
}

int plane_init(struct plane *p, const struct engine_config *config, const struct cert *self,
	const struct env *env)
{
	memset(p, 0, sizeof *p);
	epoch_init(&p->epoch);
	p->self = *self;
	p->link_local = linklocal_of(self->addresses, self->n_addresses, self->static_key);
	p->port = config->port;
	p->mtu = config->mtu;
	p->hub = (self->role & CERT_HUB) != 0;
	uint32_t max_peers = config->max_peers ? config->max_peers : p->hub ? 16384 : 1024;
	take_sections(&p->plain, config);
	uint32_t max_routes = config->max_routes ? config->max_routes : ENGINE_ROUTES;
	env->random(env->ctx, p->flow_seed, sizeof p->flow_seed);
	atomic_init(&p->relay_kernel, config->relay_kernel);
	atomic_init(&p->redirect, config->redirect && p->hub);
	atomic_init(&p->shortcut, config->shortcut);
	atomic_init(&p->hub_session, SESSION_NONE);
	atomic_init(&p->multicast_rate,
		config->multicast_rate ? config->multicast_rate : MULTICAST_PER_S);
	/* A session that is in use, the one before, the one to come. */
	int err = sessions_init(&p->sessions, max_peers * 3, max_peers, &p->epoch);
	if (!err)
		err = fib_init(&p->fib, max_routes, MAX_SHORTCUTS,
			max_peers * (CERT_ADDRESSES_MAX + 1) + MAX_SHORTCUTS, &p->epoch, env);
	if (!err && p->plain.n)
		err = lpm_init(&p->plain_members, PLAIN_MEMBERS_MAX, &p->epoch);
	if (!err)
		err = multicast_init(&p->multicast, &p->epoch);
	if (!err)
		multicast_set(&p->multicast, config->groups, config->n_groups);
	else
		plane_fini(p);
	return err;
}

struct multicast_limit plane_multicast_limit(const struct plane *p, enum multicast_kind kind)
{
	uint32_t per_s = kind == MULTICAST_LINK
		? MULTICAST_PER_S
		: atomic_load_explicit(&p->multicast_rate, memory_order_relaxed);
	return (struct multicast_limit){
		.interval_ns = NS_PER_S / per_s, .burst = per_s * MULTICAST_BURST_S};
}

void plane_fini(struct plane *p)
{
	sessions_fini(&p->sessions);
	fib_fini(&p->fib);
	lpm_fini(&p->plain_members);
	multicast_fini(&p->multicast);
}

int worker_init(
	struct worker *w, struct plane *p, unsigned number, uint8_t lane, const struct env *env)
{
	memset(w, 0, sizeof *w);
	w->plane = p;
	w->number = number;
	w->lane = lane;
	env->random(env->ctx, w->seed, sizeof w->seed);
	w->arena = calloc(1, WORKER_ARENA); /* its pages come into being when first used */
	return w->arena ? ring_init(&w->events, WORKER_EVENTS, sizeof(struct event)) : ERR_NO_SPACE;
}

void worker_fini(struct worker *w)
{
	ring_fini(&w->events);
	free(w->arena);
}
