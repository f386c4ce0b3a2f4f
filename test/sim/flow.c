#include "test/sim/flow.h"

#include <stdlib.h>
#include <string.h>

void traffic_init(struct traffic *t, struct sim *s)
{
	*t = (struct traffic){.sim = s};
}

void traffic_fini(struct traffic *t)
{
	for (uint32_t i = 0; i < t->n; i++) {
		free(t->flows[i]->packets);
		free(t->flows[i]);
	}
	free(t->flows);
	*t = (struct traffic){0};
}

/* ---- Receiving ------------------------------------------------------------------------------ */

static struct flow_packet *find(struct traffic *t, const struct inner *p, struct flow **flow)
{
	if (p->flow == 0 || p->flow > t->n)
		return NULL;
	*flow = t->flows[p->flow - 1];
	return p->seq < (*flow)->n ? &(*flow)->packets[p->seq] : NULL;
}

static void deliver_request(
	struct flow *f, struct flow_packet *fp, struct node *n, const struct host *origin)
{
	struct sim *s = n->sim;
	uint64_t bit = UINT64_C(1) << n->host->id;
	if (f->to && f->to != n)
		SIM_FAIL(s, "%s gets a packet from %s for %s", n->name, f->from->name, f->to->name);
	if (fp->seen & bit)
		SIM_FAIL(s, "%s gets packet %u of %s twice", n->name, (unsigned)(fp - f->packets),
			f->from->name);
	if (fp->seen == 0) {
		f->delivered++;
		fp->delivered = s->now;
		fp->direct = origin == f->from->host;
	}
	fp->seen |= bit;
}

static void deliver_reply(
	struct flow *f, struct flow_packet *fp, struct node *n, const struct host *origin)
{
	if (f->from != n)
		SIM_FAIL(n->sim, "%s gets an answer for %s", n->name, f->from->name);
	if (fp->replied)
		SIM_FAIL(n->sim, "%s gets answer %u twice", n->name, (unsigned)(fp - f->packets));
	f->replied++;
	fp->replied = n->sim->now;
	fp->reply_direct = f->to && origin == f->to->host;
}

void traffic_deliver(
	struct traffic *t, struct node *n, const struct inner *p, const struct host *origin)
{
	struct flow *f = NULL;
	if (p->flow == INNER_LOOSE)
		return;
	struct flow_packet *fp = find(t, p, &f);
	if (!fp)
		SIM_FAIL(t->sim, "%s gets a packet that nobody sent", n->name);
	bool reply = p->kind == INNER_ECHO_REPLY;
	const struct ip_addr *src = reply ? &f->dst : &f->src;
	const struct ip_addr *dst = reply ? &f->src : &f->dst;
	if (!addr_equal(src, &p->src) || !addr_equal(dst, &p->dst))
		SIM_FAIL(t->sim, "%s gets a packet with changed addresses", n->name);
	if (reply)
		deliver_reply(f, fp, n, origin);
	else
		deliver_request(f, fp, n, origin);
}

/* ---- Sending -------------------------------------------------------------------------------- */

static void send_next(void *ctx, void *arg)
{
	struct flow *f = ctx;
	(void)arg;
	if (f->stopped || (f->limit && f->n == f->limit))
		return;
	if (f->offset_ns) {
		sim_at(f->traffic->sim, f->traffic->sim->now + f->offset_ns, send_next, f, NULL);
		f->offset_ns = 0;
		return;
	}
	if (f->n == f->cap) {
		f->cap = f->cap ? f->cap * 2 : 64;
		f->packets = realloc(f->packets, f->cap * sizeof *f->packets);
		if (!f->packets)
			abort();
	}
	struct sim *s = f->traffic->sim;
	struct inner p = {.kind = f->kind, .src = f->src, .dst = f->dst, .flow = f->id};
	p.ttl = f->ttl;
	p.size = f->size;
	p.seq = f->n;
	f->packets[f->n++] = (struct flow_packet){.sent = s->now};
	uint8_t ip[INNER_MAX];
	node_send_packet(f->from, ip, inner_build(ip, &p));
	sim_at(s, s->now + f->interval_ns, send_next, f, NULL);
}

static struct flow *flow_new(
	struct node *from, struct node *to, uint64_t interval_ns, uint32_t count)
{
	struct traffic *t = from->traffic;
	struct flow *f = calloc(1, sizeof *f);
	if (!f)
		abort();
	if (t->n == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 32;
		t->flows = realloc(t->flows, t->cap * sizeof(struct flow *));
		if (!t->flows)
			abort();
	}
	t->flows[t->n++] = f;
	f->traffic = t;
	f->id = t->n;
	f->from = from;
	f->to = to;
	f->ttl = 64;
	f->interval_ns = interval_ns;
	f->limit = count;
	f->started = t->sim->now;
	/* As an event, so that the caller can still set size and ttl. */
	sim_at(t->sim, t->sim->now, send_next, f, NULL);
	return f;
}

struct flow *flow_ping(
	struct node *from, struct node *to, uint8_t family, uint64_t interval_ns, uint32_t count)
{
	struct flow *f = flow_new(from, to, interval_ns, count);
	f->kind = INNER_ECHO;
	f->src = node_address(from, family);
	f->dst = node_address(to, family);
	return f;
}

struct flow *flow_start(struct node *from, struct node *to, enum inner_kind kind, const char *src,
	const char *dst, uint64_t interval_ns, uint32_t count)
{
	struct flow *f = flow_new(from, to, interval_ns, count);
	f->kind = kind;
	if (!addr_parse(src, &f->src) || !addr_parse(dst, &f->dst))
		SIM_FAIL(from->sim, "%s or %s is no address", src, dst);
	return f;
}

void flow_stop(struct flow *f)
{
	f->stopped = true;
}

void flow_finish(struct flow *f)
{
	flow_stop(f);
	sim_run(f->traffic->sim, 2 * NS_PER_S);
}

/* ---- Asking --------------------------------------------------------------------------------- */

bool flow_packet_ok(const struct flow *f, uint32_t number)
{
	if (number >= f->n)
		return false;
	const struct flow_packet *p = &f->packets[number];
	return (f->kind == INNER_ECHO ? p->replied : p->delivered) != 0;
}

uint32_t flow_lost_between(const struct flow *f, uint64_t from, uint64_t until)
{
	uint32_t lost = 0;
	for (uint32_t i = 0; i < f->n; i++)
		if (f->packets[i].sent >= from && f->packets[i].sent < until)
			lost += !flow_packet_ok(f, i);
	return lost;
}

uint64_t flow_last_lost(const struct flow *f, uint64_t from, uint64_t until)
{
	uint64_t last = 0;
	for (uint32_t i = 0; i < f->n; i++)
		if (f->packets[i].sent >= from && f->packets[i].sent < until &&
			!flow_packet_ok(f, i))
			last = f->packets[i].sent;
	return last;
}

uint32_t flow_lost(const struct flow *f)
{
	return flow_lost_between(f, 0, TS_NEVER);
}

static bool all_direct(const struct flow *f, const struct flow_packet *p)
{
	return p->direct && (f->kind != INNER_ECHO || p->reply_direct);
}

uint64_t flow_first_direct(const struct flow *f)
{
	for (uint32_t i = 0; i < f->n; i++)
		if (flow_packet_ok(f, i) && all_direct(f, &f->packets[i]))
			return f->packets[i].sent - f->started;
	return TS_NEVER;
}

uint64_t flow_last_relayed(const struct flow *f)
{
	uint64_t last = 0;
	for (uint32_t i = 0; i < f->n; i++)
		if (flow_packet_ok(f, i) && !all_direct(f, &f->packets[i]))
			last = f->packets[i].sent - f->started;
	return last;
}

uint32_t flow_direct_since(const struct flow *f, uint64_t from)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < f->n; i++)
		if (f->packets[i].sent >= from && flow_packet_ok(f, i))
			count += all_direct(f, &f->packets[i]);
	return count;
}

uint64_t flow_rtt(const struct flow *f, uint32_t number)
{
	if (number >= f->n || f->packets[number].replied == 0)
		return TS_NEVER;
	return f->packets[number].replied - f->packets[number].sent;
}
