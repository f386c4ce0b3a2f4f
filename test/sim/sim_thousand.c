/*
 * One hub and a thousand spokes, more than the simulator's internet has hosts for: engines alone, and a
 * wire that knows nothing but delay. The hub is killed; how long until all are registered again?
 */
#include "test/sim/run.h"

#include "core/base/err.h"
#include "core/crypto/primitives.h"
#include "core/engine/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SPOKES   1000
#define PORT     4754
#define DELAY_NS (20 * NS_PER_MS) /* one way, and up to a half more */
#define S(n)     ((uint64_t)(n)*NS_PER_S)

struct cell {
	struct crowd *crowd;
	struct endpoint at;
	struct engine_config config;
	uint8_t cert[CERT_MAX];
	struct rng rng;
	struct env env;
	struct engine *engine; /* NULL: down */
	unsigned incarnation;
	uint64_t armed;
};

struct crowd {
	struct sim *s;
	struct cell cells[SPOKES + 1]; /* the hub, then the spokes */
	uint8_t network_id[32], root_key[32], root_secret[64];
	uint8_t bundle[4096];
	size_t bundle_len;
	uint8_t *file;
	size_t file_len;
	struct pkt_batch batch;
	uint64_t hub_sent;
};

struct parcel {
	struct cell *to;
	struct endpoint from;
	size_t len;
	uint8_t data[];
};

/* ---- The wire and the clock ----------------------------------------------------------------- */

static void settle(struct cell *c);

static void deliver(void *ctx, void *arg)
{
	struct crowd *w = ctx;
	struct parcel *p = arg;
	struct cell *c = p->to;
	if (c->engine) {
		struct pkt *pkt = pkt_reset(&w->batch, 0);
		memcpy(pkt->data, p->data, p->len);
		pkt->len = (uint32_t)p->len;
		pkt->remote = p->from;
		pkt->local = c->at.addr;
		engine_receive(c->engine, pkt, w->s->now);
		settle(c);
	}
	sim_free(w->s, p);
}

static struct cell *cell_at(struct crowd *w, const struct endpoint *e)
{
	unsigned number = (unsigned)e->addr.bytes[2] << 8 | e->addr.bytes[3];
	return e->addr.family == 4 && number <= SPOKES && endpoint_equal(&w->cells[number].at, e)
		? &w->cells[number]
		: NULL;
}

static void post(struct cell *from, const struct action *a)
{
	struct crowd *w = from->crowd;
	struct cell *to = cell_at(w, &a->send.to);
	w->hub_sent += from == w->cells;
	if (!to)
		return;
	struct parcel *p = malloc(sizeof *p + a->send.len);
	if (!p)
		abort();
	p->to = to;
	p->from = from->at;
	p->len = a->send.len;
	memcpy(p->data, a->send.data, a->send.len);
	sim_at(w->s, w->s->now + DELAY_NS + rng_below(&w->s->rng, DELAY_NS / 2), deliver, w, p);
}

static void tick(void *ctx, void *arg)
{
	struct cell *c = ctx;
	unsigned incarnation = *(unsigned *)arg;
	sim_free(c->crowd->s, arg);
	if (!c->engine || incarnation != c->incarnation || c->armed != c->crowd->s->now)
		return;
	c->armed = TS_NEVER;
	engine_timer(c->engine, c->crowd->s->now);
	settle(c);
}

static void perform(struct cell *c, const struct action *a)
{
	struct crowd *w = c->crowd;
	struct endpoint e;
	switch (a->type) {
	case ACTION_SEND:
		post(c, a);
		break;
	case ACTION_RESOLVE:
		e.port = a->resolve.port;
		if (addr_parse(a->resolve.host, &e.addr))
			engine_resolved(c->engine, a->resolve.token, &e, 1, w->s->now);
		break;
	case ACTION_SAVE_HINTS:
		if (c != w->cells)
			break;
		free(w->file);
		w->file = malloc(a->save.len);
		if (!w->file)
			abort();
		w->file_len = a->save.len;
		memcpy(w->file, a->save.data, a->save.len);
		break;
	case ACTION_ROUTE_ADD:
	case ACTION_ROUTE_DEL:
	case ACTION_SAVE_BUNDLE:
	case ACTION_SAVE_TIME:
	case ACTION_PONG:
		break;
	}
}

static void settle(struct cell *c)
{
	struct sim *s = c->crowd->s;
	struct action a;
	do {
		while (engine_next_action(c->engine, &a))
			perform(c, &a);
	} while (engine_drain(c->engine, s->now));
	while (engine_next_action(c->engine, &a))
		perform(c, &a);
	uint64_t when = engine_deadline(c->engine);
	when = when > s->now ? when : s->now;
	if (when == TS_NEVER || c->armed <= when)
		return;
	unsigned *incarnation = malloc(sizeof *incarnation);
	if (!incarnation)
		abort();
	*incarnation = c->incarnation;
	c->armed = when;
	sim_at(s, when, tick, c, incarnation);
}

/* ---- Who is there --------------------------------------------------------------------------- */

static void env_random(void *ctx, void *out, size_t len)
{
	struct cell *c = ctx;
	rng_fill(&c->rng, out, len);
}

static uint64_t env_wall(void *ctx)
{
	const struct cell *c = ctx;
	return sim_wall_s(c->crowd->s);
}

static void env_line(void *ctx, enum log_level level, const char *line)
{
	const struct cell *c = ctx;
	if (level <= LOG_WARN || c == c->crowd->cells)
		sim_trace(c->crowd->s, "%03u ~ %s", (unsigned)(c - c->crowd->cells), line);
}

static void make_cell(struct crowd *w, unsigned number)
{
	struct cell *c = &w->cells[number];
	struct engine_config *config = &c->config;
	bool hub = number == 0;
	struct cert cert = {.serial = number + 1,
		.not_before = SIM_WALL_START - 3600,
		.not_after = SIM_WALL_START + 86400,
		.role = hub ? CERT_HUB : CERT_SPOKE,
		.n_addresses = 1};
	c->crowd = w;
	c->armed = TS_NEVER;
	c->at = (struct endpoint){
		.addr = {.family = 4, .bytes = {198, 18, (uint8_t)(number >> 8), (uint8_t)number}},
		.port = PORT};
	rng_seed(&c->rng, rng_next(&w->s->rng));
	c->env = (struct env){.ctx = c, .random = env_random, .wall_s = env_wall, .log = env_line};
	rng_fill(&c->rng, config->static_secret, sizeof config->static_secret);
	memcpy(config->network_id, w->network_id, 32);
	memcpy(config->root_key, w->root_key, 32);
	config->port = PORT;
	config->mtu = 1400;
	config->workers = 1;
	config->max_peers = hub ? SPOKES + 16 : 8;
	config->max_routes = 64;
	prim_dh_public(cert.static_key, config->static_secret);
	snprintf(cert.name, sizeof cert.name, "n%u", number);
	cert.addresses[0] = (struct prefix){
		.addr = {.family = 4, .bytes = {10, 0, c->at.addr.bytes[2], (uint8_t)number}},
		.len = 16};
	if (cert.addresses[0].addr.bytes[3] == 0) /* not the network's own address */
		cert.addresses[0].addr.bytes[1] = 1, cert.addresses[0].len = 8;
	int len = cert_sign(&cert, w->network_id, w->root_secret, c->cert, CERT_MAX);
	if (len < 0)
		SIM_FAIL(w->s, "cert_sign: %s", err_name(len));
	config->certificate = c->cert;
	config->certificate_len = (size_t)len;
	config->bundle = w->bundle;
	if (!hub)
		return;
	struct bundle *b = calloc(1, sizeof *b);
	if (!b)
		abort();
	b->number = 1;
	b->not_after = SIM_WALL_START + 86400;
	b->ciphers = 7;
	b->n_hubs = b->hubs[0].n_keys = b->hubs[0].n_endpoints = 1;
	strcpy(b->hubs[0].name, "n0");
	memcpy(b->hubs[0].keys[0], cert.static_key, 32);
	addr_format(&c->at.addr, b->hubs[0].endpoints[0].host);
	b->hubs[0].endpoints[0].port = PORT;
	len = bundle_sign(b, w->network_id, w->root_secret, w->bundle, sizeof w->bundle);
	free(b);
	if (len < 0)
		SIM_FAIL(w->s, "bundle_sign: %s", err_name(len));
	w->bundle_len = (size_t)len;
}

static void start(struct cell *c, bool with_file)
{
	struct crowd *w = c->crowd;
	c->config.bundle_len = w->bundle_len;
	c->incarnation++;
	c->armed = TS_NEVER;
	int rc = engine_new(&c->engine, &c->config, &c->env, w->s->now);
	if (rc < 0)
		SIM_FAIL(w->s, "engine_new: %s", err_name(rc));
	engine_start(c->engine, w->s->now);
	engine_routes_synced(c->engine, w->s->now);
	if (with_file)
		CHECK(w->s, engine_load_hints(c->engine, w->file, w->file_len, w->s->now) > 0);
	settle(c);
}

static void crowd_free(void *ctx)
{
	struct crowd *w = ctx;
	for (unsigned i = 0; i <= SPOKES; i++)
		engine_free(w->cells[i].engine);
	pkt_batch_fini(&w->batch);
	free(w->file);
	free(w);
}

static struct crowd *crowd_new(struct sim *s)
{
	struct crowd *w = calloc(1, sizeof *w);
	uint8_t seed[32];
	if (!w || pkt_batch_init(&w->batch, 1) < 0)
		abort();
	sim_defer(s, crowd_free, w);
	w->s = s;
	rng_fill(&s->rng, w->network_id, sizeof w->network_id);
	rng_fill(&s->rng, seed, sizeof seed);
	prim_sign_keypair(w->root_secret, w->root_key, seed);
	for (unsigned i = 0; i <= SPOKES; i++)
		make_cell(w, i);
	return w;
}

static unsigned registered(const struct crowd *w)
{
	struct node_view view = {0};
	engine_view_node(w->cells[0].engine, &view);
	return view.bindings;
}

/* ---- Cases ---------------------------------------------------------------------------------- */

static double cpu_s(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

static struct crowd *all_up(struct sim *s)
{
	struct crowd *w = crowd_new(s);
	start(&w->cells[0], false);
	for (unsigned i = 1; i <= SPOKES; i++) {
		start(&w->cells[i], false);
		sim_run(s, NS_PER_MS * 5);
	}
	sim_run(s, S(40)); /* the file is written each 30 s */
	CHECK_EQ(s, registered(w), SPOKES);
	CHECK_EQ(s, w->file_len, HINTS_OVERHEAD + SPOKES * HINT_SIZE);
	return w;
}

static void restarts(struct sim *s, bool with_file, uint64_t limit)
{
	struct crowd *w = all_up(s);
	struct cell *hub = &w->cells[0];
	engine_free(hub->engine);
	hub->engine = NULL;
	sim_run(s, NS_PER_S / 5);
	double cpu = cpu_s();
	uint64_t back = s->now, sent = w->hub_sent;
	start(hub, with_file);
	while (registered(w) < SPOKES && s->now - back < limit)
		sim_run(s, NS_PER_MS);
	sim_note(s,
		"%u of %u registered after %.2f s; %.1f datagrams each from the hub, %.0f us of "
		"CPU",
		registered(w), SPOKES, (double)(s->now - back) / 1e9,
		(double)(w->hub_sent - sent) / SPOKES, (cpu_s() - cpu) * 1e6 / SPOKES);
	CHECK_EQ(s, registered(w), SPOKES);
	sim_run(s, S(30));
	CHECK_EQ(s, registered(w), SPOKES);
	CHECK_EQ(s, hub->engine->actions.lost, 0);
}

/* All are idle. With its file the hub has them again within 3 s. */
static void hub_restarts_with_its_file(struct sim *s)
{
	restarts(s, true, S(3));
}

/* Without it within 25 s: their keepalives and PINGs meet a hub that does not know them. */
static void hub_restarts_without_a_file(struct sim *s)
{
	restarts(s, false, S(25));
}

static const struct sim_case cases[] = {
	{"hub-restarts-with-its-file", hub_restarts_with_its_file},
	{"hub-restarts-without-a-file", hub_restarts_without_a_file},
};

SIM_MAIN(cases, 1)
