/*
 * Random networks with random faults, one a seed: 3 to 12 nodes behind all kinds of boxes, loss,
 * reordering, duplicates, crashes, sleep, rebindings, blocked pairs, partitions, replays. At all times
 * what flow.c and node.c watch holds; once the faults stop, everybody can talk to everybody within 30 s,
 * and from then on nothing is lost.
 */
#include "test/sim/run.h"
#include "test/sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAULTS_FOR  S(60)
#define HEAL_WITHIN S(30)
#define STEADY_FOR  S(160)

/*
 * Somebody on the wire: keeps datagrams for a while and puts them, some damaged, back on the segment of
 * their receiver, from where they came or from elsewhere.
 */
#define KEPT 32

struct wire {
	struct world *w;
	struct dgram *kept[KEPT];
};

static void inject_kept(struct wire *wire, struct host *to)
{
	struct rng *r = &wire->w->sim->rng;
	struct dgram *d = wire->kept[rng_below(r, KEPT)];
	if (!d || !iface_owns(&to->iface, &d->dst.addr))
		return;
	struct dgram *copy = net_copy(d);
	if (rng_below(r, 3) == 0)
		rng_fill(r, copy->src.addr.bytes, addr_size(copy->src.addr.family));
	if (rng_below(r, 2) == 0)
		copy->data[rng_below(r, copy->len)] ^= (uint8_t)(1 << rng_below(r, 8));
	net_inject(to->iface.segment, &copy->src, &copy->dst, copy->data, copy->len);
	free(copy);
}

static bool tap(void *ctx, struct host *to, struct dgram *d)
{
	struct wire *wire = ctx;
	struct rng *r = &wire->w->sim->rng;
	if (!d->origin)
		return true;
	if (rng_chance(r, 50000)) {
		struct dgram **slot = &wire->kept[rng_below(r, KEPT)];
		free(*slot);
		*slot = net_copy(d);
	}
	if (rng_chance(r, 50000))
		inject_kept(wire, to);
	return true;
}

static void wire_free(void *ctx)
{
	struct wire *wire = ctx;
	for (unsigned i = 0; i < KEPT; i++)
		free(wire->kept[i]);
	free(wire);
}

static void watch_wire(struct world *w)
{
	struct wire *wire = calloc(1, sizeof *wire);
	if (!wire)
		abort();
	wire->w = w;
	sim_defer(w->sim, wire_free, wire);
	w->net.tap = tap;
	w->net.tap_ctx = wire;
}

static void make_nodes(struct world *w, struct rng *r)
{
	unsigned total = (unsigned)rng_between(r, 3, 12);
	unsigned hubs = total > 4 && rng_below(r, 3) == 0 ? 2 : 1;
	char name[16], address[64];
	bool v6 = rng_below(r, 2);
	for (unsigned i = 0; i < hubs; i++) {
		snprintf(name, sizeof name, "hub%u", i + 1);
		snprintf(address, sizeof address,
			v6 ? "10.0.0.%u/24 fd00:77::%u/64" : "10.0.0.%u/24", i + 1, i + 1);
		world_hub(w, name, address);
	}
	struct node *boxed = NULL;
	for (unsigned i = hubs; i < total; i++) {
		snprintf(name, sizeof name, "s%u", i);
		snprintf(address, sizeof address,
			v6 ? "10.0.0.%u/24 fd00:77::%u/64" : "10.0.0.%u/24", 10 + i, 10 + i);
		struct node *n;
		if (boxed && rng_below(r, 5) == 0) {
			n = world_spoke_beside(w, name, address, boxed);
		} else {
			n = world_spoke(
				w, name, address, (enum nat_kind)rng_below(r, NAT_KIND_COUNT));
			if (n->nat)
				boxed = n;
		}
		n->timer_slack_ns = MS(rng_below(r, 3));
	}
}

static void make_faults(struct world *w, struct rng *r)
{
	struct segment *net = w->internet;
	net->loss_ppm = (uint32_t)rng_below(r, 100001);
	net->dup_ppm = (uint32_t)rng_below(r, 30001);
	net->reorder_ppm = (uint32_t)rng_below(r, 100001);
	net->jitter_ns = MS(rng_below(r, 10));
}

static struct node *any_node(struct world *w)
{
	return w->nodes[rng_below(&w->sim->rng, w->n_nodes)];
}

static void fault(struct world *w)
{
	struct rng *r = &w->sim->rng;
	struct node *n = any_node(w), *other = any_node(w);
	switch (rng_below(r, 10)) {
	case 0:
	case 1:
		sim_trace(w->sim, "%-9s ! %s", n->name, node_running(n) ? "crashes" : "returns");
		if (node_running(n))
			node_crash(n);
		else
			world_start_node(w, n);
		break;
	case 2:
		sim_trace(w->sim, "%-9s ! stops", n->name);
		node_stop(n);
		break;
	case 3:
		if (n->nat) {
			sim_trace(w->sim, "%-9s ! box restarts", n->name);
			nat_rebind(n->nat);
		}
		break;
	case 4:
	case 5:
		if (n != other) {
			bool blocked = n->host->blocked >> other->host->id & 1;
			sim_trace(w->sim, "%-9s ! %s from %s", n->name,
				blocked ? "unblocked" : "blocked", other->name);
			net_block(n->host, other->host, !blocked);
		}
		break;
	case 6:
		sim_trace(w->sim, "network   ! partition");
		net_partition(&w->net, rng_next(r));
		break;
	case 7:
		net_partition(&w->net, 0);
		make_faults(w, r);
		break;
	case 8:
		if (n != other) {
			sim_trace(w->sim, "%-9s ! deaf to %s", n->name, other->name);
			n->host->blocked ^= UINT64_C(1) << other->host->id;
		}
		break;
	case 9:
		sim_trace(w->sim, "%-9s ! %s", n->name, n->asleep ? "wakes" : "sleeps");
		if (n->asleep)
			node_wake(n);
		else
			node_sleep(n);
		break;
	}
}

/* Some traffic while all that goes on; nobody counts what is lost. */
static void chatter(struct world *w)
{
	struct node *from = any_node(w), *to = any_node(w);
	if (from == to)
		return;
	uint8_t family = from->cert.n_addresses > 1 && rng_below(&w->sim->rng, 2) ? 6 : 4;
	struct flow *f = flow_ping(from, to, family, MS(rng_between(&w->sim->rng, 20, 400)),
		(uint32_t)rng_between(&w->sim->rng, 5, 60));
	f->size = (uint16_t)rng_between(&w->sim->rng, 64, INNER_MAX);
}

static void heal(struct world *w)
{
	struct segment *net = w->internet;
	net->loss_ppm = net->dup_ppm = net->reorder_ppm = 0;
	net_partition(&w->net, 0);
	for (unsigned i = 0; i < w->n_nodes; i++)
		if (!node_running(w->nodes[i])) {
			w->nodes[i]->wall_skew_s =
				(int64_t)rng_between(&w->sim->rng, 0, 1200) - 600;
			world_start_node(w, w->nodes[i]);
		} else if (w->nodes[i]->asleep) {
			node_wake(w->nodes[i]);
		}
}

static void all_talk(struct sim *s, struct flow **flows, unsigned n, uint64_t from, uint64_t until)
{
	for (unsigned i = 0; i < n; i++) {
		uint32_t lost = flow_lost_between(flows[i], from, until);
		if (lost == 0)
			continue;
		node_trace(flows[i]->from);
		node_trace(flows[i]->to);
		SIM_FAIL(s, "%s and %s: %u lost of %u packets sent after %.3f s",
			flows[i]->from->name, flows[i]->to->name, lost,
			(unsigned)((until - from) / flows[i]->interval_ns),
			(double)(from - s->start) / 1e9);
	}
}

static void anything(struct sim *s)
{
	struct world *w = world_new(s, MS(rng_between(&s->rng, 2, 150)));
	make_nodes(w, &s->rng);
	watch_wire(w);
	if (rng_below(&s->rng, 2))
		make_faults(w, &s->rng);
	world_start(w);
	uint64_t end = s->now + FAULTS_FOR;
	while (s->now < end) {
		sim_run(s, MS(rng_between(&s->rng, 100, 4000)));
		if (rng_below(&s->rng, 2) == 0)
			fault(w);
		chatter(w);
	}
	sim_trace(s, "network   ! heals");
	heal(w);

	struct flow *flows[NET_HOSTS * NET_HOSTS / 2];
	unsigned n = 0;
	uint64_t healed = s->now;
	for (unsigned i = 0; i < w->n_nodes; i++)
		for (unsigned j = i + 1; j < w->n_nodes; j++)
			flows[n++] = flow_ping(w->nodes[i], w->nodes[j], 4, MS(500), 0);
	sim_run(s, HEAL_WITHIN);
	for (unsigned i = 0; i < w->n_nodes; i++)
		if (!node_ready(w->nodes[i]))
			SIM_FAIL(s, "%s is not ready 30 s after the faults", w->nodes[i]->name);
	sim_run(s, S(3));
	all_talk(s, flows, n, healed + HEAL_WITHIN, healed + HEAL_WITHIN + S(2));
	/* And nothing is lost from then on, over new keys for everybody. */
	sim_run(s, STEADY_FOR);
	all_talk(s, flows, n, healed + HEAL_WITHIN, s->now - S(1));
}

static const struct sim_case cases[] = {
	{"anything", anything},
};

SIM_MAIN(cases, 200)
