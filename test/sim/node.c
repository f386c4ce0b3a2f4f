#include "test/sim/node.h"

#include "core/base/err.h"
#include "core/wire/gre.h"
#include "core/wire/ip.h"
#include "test/sim/flow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPIN_LIMIT 10000 /* timer calls at one moment */

uint64_t node_now(const struct node *n)
{
	return n->sim->now + n->clock_base;
}

/* ---- Environment ---------------------------------------------------------------------------- */

static void env_random(void *ctx, void *out, size_t len)
{
	struct node *n = ctx;
	rng_fill(&n->rng, out, len);
}

static uint64_t env_wall(void *ctx)
{
	const struct node *n = ctx;
	return sim_wall_s(n->sim) + (uint64_t)n->wall_skew_s;
}

static void env_line(void *ctx, enum log_level level, const char *line)
{
	static const char *const names[] = {"ERROR", "WARN", "info", "debug"};
	const struct node *n = ctx;
	sim_trace(n->sim, "%-9s ~ %s: %s", n->name, names[level], line);
}

/* ---- Actions and timers --------------------------------------------------------------------- */

struct resolve_job {
	unsigned incarnation;
	uint32_t token;
	uint16_t port;
	bool slept;
	char host[254];
};

static void resolve_done(void *ctx, void *arg)
{
	struct node *n = ctx;
	struct resolve_job *job = arg;
	struct endpoint found[8];
	unsigned count = 0;
	bool alive = n->engine && job->incarnation == n->incarnation;
	if (alive && n->asleep) {
		/* The daemon's thread is still at it when the machine wakes, and gets no answer. */
		job->slept = true;
		sim_at(n->sim, n->sim->now + NS_PER_S / 10, resolve_done, n, job);
		return;
	}
	if (alive) {
		if (!n->broken_dns && !job->slept && n->resolve)
			count = n->resolve(n->resolve_ctx, job->host, job->port, found, 8);
		engine_resolved(n->engine, job->token, found, count, node_now(n));
		node_settle(n);
	}
	sim_free(n->sim, job);
}

static void resolve(struct node *n, const struct action *a)
{
	struct resolve_job *job = calloc(1, sizeof *job);
	if (!job)
		abort();
	job->incarnation = n->incarnation;
	job->token = a->resolve.token;
	job->port = a->resolve.port;
	snprintf(job->host, sizeof job->host, "%s", a->resolve.host);
	sim_at(n->sim, n->sim->now + n->resolve_ns, resolve_done, n, job);
}

static bool contains(const uint8_t *data, size_t len, const char *text)
{
	return memmem(data, len, text, strlen(text)) != NULL;
}

static void send_datagram(struct node *n, const struct endpoint *to, const struct ip_addr *from,
	uint8_t ttl, uint8_t tos, const uint8_t *data, size_t len, bool user)
{
	if (len > NET_DGRAM_MAX)
		SIM_FAIL(n->sim, "%s sends %zu bytes, more than a path carries", n->name, len);
	enum gre_kind kind = gre_classify(data, len);
	if (kind != GRE_SEALED && kind != GRE_HANDSHAKE) {
		invariant_plaintext(n, to, data, len);
		net_send(n->host, to, from, ttl, tos, data, len);
		return;
	}
	if (contains(data, len, INNER_MAGIC))
		SIM_FAIL(n->sim, "%s sends user data in the clear", n->name);
	invariant_departure(n, to, data, len, user);
	net_send(n->host, to, from, ttl, tos, data, len);
}

static void route_action(struct node *n, const struct action *a)
{
	char prefix[PREFIX_TEXT_MAX], gateway[ADDR_TEXT_MAX] = "on link";
	if (a->route.gateway.family)
		addr_format(&a->route.gateway, gateway);
	sim_trace(n->sim, "%-9s ~ route %s %s via %s", n->name,
		a->type == ACTION_ROUTE_ADD ? "add" : "del",
		prefix_format(&a->route.prefix, prefix), gateway);
	unsigned i = 0;
	while (i < n->n_installed && !prefix_equal(&n->installed[i].prefix, &a->route.prefix))
		i++;
	if (a->type == ACTION_ROUTE_ADD) {
		n->routes_added++;
		if (i == NODE_INSTALLED)
			SIM_FAIL(n->sim, "%s installs too many routes", n->name);
		n->n_installed += i == n->n_installed;
		n->installed[i] = (struct installed_route){a->route.prefix, a->route.gateway};
	} else if (i < n->n_installed) {
		n->routes_deleted++;
		n->installed[i] = n->installed[--n->n_installed];
	}
}

static void save(uint8_t **file, size_t *file_len, const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len);
	if (!copy)
		abort();
	memcpy(copy, data, len);
	free(*file);
	*file = copy;
	*file_len = len;
}

static void act(struct node *n, const struct action *a)
{
	switch (a->type) {
	case ACTION_SEND:
		send_datagram(n, &a->send.to, &a->send.from, a->send.ttl, 0, a->send.data,
			a->send.len, false);
		break;
	case ACTION_ROUTE_ADD:
	case ACTION_ROUTE_DEL:
		route_action(n, a);
		break;
	case ACTION_RESOLVE:
		resolve(n, a);
		break;
	case ACTION_SAVE_BUNDLE:
		save(&n->saved_bundle, &n->saved_bundle_len, a->save.data, a->save.len);
		n->bundles_saved++;
		break;
	case ACTION_SAVE_HINTS:
		save(&n->saved_hints, &n->saved_hints_len, a->save.data, a->save.len);
		n->hints_saved++;
		break;
	case ACTION_SAVE_TIME:
		n->saved_time_s = a->time.unix_s;
		break;
	case ACTION_PONG:
		n->pong.count++;
		n->pong.answered = a->pong.answered;
		n->pong.direct = a->pong.direct;
		n->pong.rtt_ns = a->pong.rtt_ns;
		break;
	}
}

static void arm(struct node *n);

static void timer_event(void *ctx, void *arg)
{
	struct node *n = ctx;
	(void)arg;
	if (!n->engine || n->armed_at != n->sim->now)
		return; /* another moment was chosen since */
	n->armed_at = TS_NEVER;
	if (n->asleep)
		return;
	n->spins = n->spin_at == n->sim->now ? n->spins + 1 : 0;
	n->spin_at = n->sim->now;
	if (n->spins > SPIN_LIMIT)
		SIM_FAIL(n->sim, "%s: engine_deadline stays in the past", n->name);
	engine_timer(n->engine, node_now(n));
	node_settle(n);
}

static void arm(struct node *n)
{
	uint64_t deadline = engine_deadline(n->engine);
	if (deadline == TS_NEVER)
		return;
	uint64_t when = deadline > n->clock_base ? deadline - n->clock_base : 0;
	if (when <= n->sim->now)
		when = n->sim->now;
	else if (n->timer_slack_ns)
		when += rng_below(&n->sim->rng, n->timer_slack_ns);
	if (n->armed_at <= when)
		return;
	n->armed_at = when;
	sim_at(n->sim, when, timer_event, n, NULL);
}

void node_settle(struct node *n)
{
	struct action a;
	while (engine_drain(n->engine, node_now(n)))
		;
	while (engine_next_action(n->engine, &a))
		act(n, &a);
	invariant_step(n);
	arm(n);
}

/* ---- The TUN -------------------------------------------------------------------------------- */

struct tun_packet {
	unsigned incarnation;
	const struct host *origin; /* sender of the datagram it came in; NULL: made here */
	int kernel;                /* where the kernel's routes led when it was written */
	size_t len;
	uint8_t data[];
};

static void answer_echo(struct node *n, const struct inner *request)
{
	uint8_t out[INNER_MAX];
	struct inner reply = *request;
	reply.kind = INNER_ECHO_REPLY;
	reply.src = request->dst;
	reply.dst = request->src;
	reply.ttl = 64;
	node_send_packet(n, out, inner_build(out, &reply));
}

static void tun_event(void *ctx, void *arg)
{
	struct node *n = ctx;
	struct tun_packet *p = arg;
	struct inner in;
	const char *wrong = NULL;
	if (!n->engine || n->asleep || p->incarnation != n->incarnation)
		goto out;
	wrong = inner_parse(p->data, p->len, &in);
	if (wrong)
		SIM_FAIL(n->sim, "%s: a broken packet comes out of the TUN: %s", n->name, wrong);
	if (in.kind == INNER_ERROR) {
		n->icmp_errors++;
	} else if (addr_is_multicast(&in.dst) || node_owns(n, &in.dst)) {
		traffic_deliver(n->traffic, n, &in, p->origin);
		if (in.kind == INNER_ECHO && n->engine)
			answer_echo(n, &in);
	} else if (n->forwards) {
		if (ip_ttl_decrement(p->data))
			node_send_packet(n, p->data, p->len);
	} else if (n->hub && p->kernel == ROUTE_TYPE_OTHER) {
		/* The hub is a router, and its own routes know a way: the kernel's business. */
		n->sent_on++;
	} else {
		char dst[ADDR_TEXT_MAX];
		SIM_FAIL(n->sim, "%s gets a packet for %s", n->name, addr_format(&in.dst, dst));
	}
out:
	sim_free(n->sim, p);
}

static void tun_write(struct node *n, const struct pkt *pkt, const struct host *origin)
{
	struct ip_view ip;
	struct tun_packet *p = malloc(sizeof *p + pkt->len);
	if (!p)
		abort();
	p->incarnation = n->incarnation;
	p->origin = origin;
	p->len = pkt->len;
	p->kernel = ip_peek(pkt->data, pkt->len, &ip) < 0 ? -1 : node_kernel_type(n, &ip.dst);
	memcpy(p->data, pkt->data, pkt->len);
	sim_at(n->sim, n->sim->now, tun_event, n, p);
}

/* ---- The data path -------------------------------------------------------------------------- */

static void dispatch(struct node *n, const struct host *origin)
{
	for (unsigned i = 0; i < n->batch.n; i++) {
		struct pkt *p = &n->batch.v[i];
		if (p->verdict != PKT_DROP && (p->gso_size || p->flags & PKT_CSUM_PARTIAL))
			SIM_FAIL(n->sim, "%s: a train out of single packets", n->name);
		switch ((enum pkt_verdict)p->verdict) {
		case PKT_SEND_UDP:
		case PKT_SEND_GRE:
			send_datagram(
				n, &p->remote, &p->local, p->ttl, p->tos, p->data, p->len, true);
			break;
		case PKT_WRITE_TUN:
			tun_write(n, p, origin);
			break;
		case PKT_DROP:
			sim_trace(n->sim, "%-9s ~ drop %s", n->name,
				drop_name((enum drop_reason)p->drop));
			break;
		case PKT_CONSUMED:
		case PKT_MERGED:
			break;
		}
	}
	node_settle(n);
}

void node_send_batch(struct node *n, const uint8_t *ips, const size_t *lens, unsigned count)
{
	if (!n->engine || n->asleep || count > n->batch.cap)
		return;
	for (unsigned i = 0; i < count; i++) {
		struct pkt *p = pkt_reset(&n->batch, (uint16_t)i);
		memcpy(p->data, ips + (size_t)i * INNER_MAX, lens[i]);
		p->len = (uint32_t)lens[i];
	}
	n->batch.n = (uint16_t)count;
	data_from_tun(n->worker, &n->batch, node_now(n));
	dispatch(n, NULL);
}

void node_send_packet(struct node *n, const uint8_t *ip, size_t len)
{
	node_send_batch(n, ip, &len, 1);
}

static void deliver(void *owner, const struct dgram *d)
{
	struct node *n = owner;
	if (!n->engine || n->asleep)
		return;
	struct pkt *p = pkt_reset(&n->batch, 0);
	if (d->len > PKT_ROOM)
		return;
	memcpy(p->data, d->data, d->len);
	p->len = (uint32_t)d->len;
	p->tos = d->tos;
	p->remote = d->src;
	p->local = d->dst.addr;
	p->flags = d->dst.port == 0 ? PKT_GRE : 0;
	n->batch.n = 1;
	invariant_arrival(n, &d->src, d->data, d->len);
	bool data = gre_classify(d->data, d->len) == GRE_SEALED && (d->data[7] & 15) != 0;
	if (n->sockets == NODE_WORKER || (n->sockets == NODE_STEERED && data))
		data_from_udp(n->worker, &n->batch, node_now(n));
	else
		engine_receive(n->engine, p, node_now(n));
	invariant_verdict(n, p);
	dispatch(n, d->origin);
	invariant_arrived(n);
}

/* ---- Life ----------------------------------------------------------------------------------- */

static void node_free(void *ctx)
{
	struct node *n = ctx;
	engine_free(n->engine);
	invariant_fini(n);
	pkt_batch_fini(&n->batch);
	free(n->saved_bundle);
	free(n->saved_hints);
	free(n);
}

struct node *node_new(struct sim *s, struct host *host, struct traffic *traffic)
{
	struct node *n = calloc(1, sizeof *n);
	if (!n || pkt_batch_init(&n->batch, PKT_BATCH) < 0)
		abort();
	sim_defer(s, node_free, n);
	n->sim = s;
	n->host = host;
	n->traffic = traffic;
	n->name = host->device.name;
	n->env = (struct env){.ctx = n, .random = env_random, .wall_s = env_wall, .log = env_line};
	rng_seed(&n->rng, rng_next(&s->rng));
	n->resolve_ns = 2 * NS_PER_MS;
	n->armed_at = TS_NEVER;
	n->sockets = (enum node_sockets)rng_below(&n->rng, NODE_SOCKET_KINDS);
	host->owner = n;
	host->deliver = deliver;
	return n;
}

/* What netmon would tell: addresses and routes, then that it is all. */
static void tell_kernel(struct node *n)
{
	uint64_t now = node_now(n);
	engine_addresses_reset(n->engine, now);
	for (unsigned i = 0; i < n->host->iface.n_addrs; i++)
		engine_address(n->engine, &n->host->iface.addrs[i], false, now);
	for (unsigned i = 0; i < n->n_routes; i++)
		engine_route(n->engine, &n->routes[i], false, now);
	engine_routes_synced(n->engine, now);
}

void node_start(struct node *n, const uint8_t *bundle, size_t bundle_len)
{
	/* A machine that boots has another monotonic clock than the last time. */
	n->clock_base = rng_between(&n->rng, 1, 1000000) * NS_PER_S;
	n->incarnation++;
	n->armed_at = TS_NEVER;
	n->asleep = false;
	n->n_installed = 0;
	n->config.certificate = n->cert_bytes;
	n->config.certificate_len = n->cert_len;
	n->config.bundle = bundle ? bundle : n->saved_bundle;
	n->config.bundle_len = bundle ? bundle_len : n->saved_bundle_len;
	n->config.time_s = n->saved_time_s > n->build_s ? n->saved_time_s : n->build_s;
	int rc = engine_new(&n->engine, &n->config, &n->env, node_now(n));
	if (rc < 0) {
		n->engine = NULL;
		SIM_FAIL(n->sim, "%s: engine_new: %s", n->name, err_name(rc));
	}
	n->worker = engine_worker(n->engine, 0);
	invariant_start(n);
	engine_start(n->engine, node_now(n));
	if (n->saved_hints)
		engine_load_hints(n->engine, n->saved_hints, n->saved_hints_len, node_now(n));
	node_settle(n);
	tell_kernel(n);
	node_settle(n);
}

void node_stop(struct node *n)
{
	if (!n->engine)
		return;
	while (engine_stop(n->engine, node_now(n)))
		node_settle(n);
	node_settle(n);
	node_crash(n);
}

void node_crash(struct node *n)
{
	engine_free(n->engine);
	n->engine = NULL;
	n->worker = NULL;
	n->incarnation++;
}

void node_sleep(struct node *n)
{
	n->asleep = true;
}

static void notice_sleep(void *ctx, void *arg)
{
	struct node *n = ctx;
	unsigned incarnation = *(unsigned *)arg;
	free(arg);
	if (!n->engine || n->asleep || incarnation != n->incarnation)
		return;
	engine_resumed(n->engine, node_now(n));
	node_settle(n);
}

void node_wake(struct node *n)
{
	unsigned *incarnation = malloc(sizeof *incarnation);
	if (!incarnation)
		abort();
	n->asleep = false;
	n->armed_at = TS_NEVER;
	*incarnation = n->incarnation;
	/* The daemon's timer, which stood still as well, has up to this long to go. */
	sim_at(n->sim, n->sim->now + rng_below(&n->rng, NODE_NOTICE_NS), notice_sleep, n,
		incarnation);
	if (n->engine)
		node_settle(n);
}

int node_set_bundle(struct node *n, const uint8_t *bundle, size_t len)
{
	int rc = engine_set_bundle(n->engine, bundle, len, node_now(n));
	node_settle(n);
	return rc;
}
