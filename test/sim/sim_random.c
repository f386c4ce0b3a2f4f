/*
 * Random networks with random faults, one a seed: 3 to 12 nodes behind all kinds of boxes, loss,
 * reordering, duplicates, damage, crashes, sleep, rebindings, blocked pairs, partitions of one and of
 * both ways, replays, wrong clocks, certificates that run out or are revoked, members that lie. At all
 * times what flow.c, node.c and invariant.c watch holds; once the faults stop, everybody can talk to
 * everybody within 20 s, from then on nothing is lost, and when all but the hubs have gone, nothing
 * of them is left.
 *
 * sim_random --seed N --shrink: what of a failing run is needed for its failure, and how it ends.
 */
#include "test/sim/forge.h"
#include "test/sim/plan.h"
#include "test/sim/run.h"
#include "test/sim/shrink.h"
#include "test/sim/stranger.h"
#include "test/sim/world.h"

#include "core/crypto/primitives.h"
#include "core/wire/gre.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAULTS_FOR  S(60)
#define HEAL_WITHIN S(20)
#define STEADY_FOR  S(160)
#define DENSE_FLOWS 6
#define DENSE_NS    MS(250)
#define SPARSE_NS   S(4)
#define FORGOTTEN   S(720) /* after a crash: its binding, its keys */

/*
 * Somebody on the wire: keeps datagrams for a while and puts them, some damaged, back on the segment of
 * their receiver, from where they came or from elsewhere.
 */
#define KEPT 32

struct wire {
	struct world *w;
	struct host *bystander;
	bool active;
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

/*
 * Has nothing to do with the network; liars name it as their address. IPv4: it must have been seen by a
 * hub, so nobody believes it. IPv6: it may be probed.
 */
static void watch_bystander(const struct wire *wire, const struct dgram *d)
{
	char kind[80];
	bool probe = d->len > GRE_PLAIN_LEN && gre_classify(d->data, d->len) == GRE_HANDSHAKE &&
		d->data[GRE_PLAIN_LEN] == 5;
	/* What was damaged on the way was something else when it left. */
	if (d->origin && !d->damaged && (!probe || d->dst.addr.family == 4))
		SIM_FAIL(wire->w->sim, "%s sends to a bystander: %s", d->origin->device.name,
			net_describe(d->data, d->len, kind, sizeof kind));
}

static bool tap(void *ctx, struct host *to, struct dgram *d)
{
	struct wire *wire = ctx;
	struct rng *r = &wire->w->sim->rng;
	if (to == wire->bystander)
		watch_bystander(wire, d);
	if (!d->origin || !wire->active)
		return true;
	if (rng_chance(r, 50000)) {
		struct dgram **slot = &wire->kept[rng_below(r, KEPT)];
		free(*slot);
		*slot = net_copy(d);
	}
	if (rng_chance(r, 50000))
		inject_kept(wire, to);
	/* Withheld, to come back late or never, as long as anything may be lost. */
	if (sim_elapsed(wire->w->sim) < FAULTS_FOR && rng_chance(r, 10000)) {
		struct dgram **slot = &wire->kept[rng_below(r, KEPT)];
		free(*slot);
		*slot = net_copy(d);
		return false;
	}
	return true;
}

static void wire_free(void *ctx)
{
	struct wire *wire = ctx;
	for (unsigned i = 0; i < KEPT; i++)
		free(wire->kept[i]);
	free(wire);
}

static struct wire *watch_wire(struct world *w)
{
	struct wire *wire = calloc(1, sizeof *wire);
	if (!wire)
		abort();
	wire->w = w;
	sim_defer(w->sim, wire_free, wire);
	w->net.tap = tap;
	w->net.tap_ctx = wire;
	return wire;
}

/* ---- The network ---------------------------------------------------------------------------- */

struct bed {
	struct world *w;
	const struct plan *plan;
	struct wire *wire;
	struct node *nodes[PLAN_NODES]; /* NULL: left out */
	struct ip_addr bystander[2];
};

static void make_node(struct bed *b, unsigned i, struct node **boxed)
{
	const struct plan *p = b->plan;
	const struct plan_node *spec = &p->nodes[i];
	char name[16], address[64], lan[32];
	unsigned number = i < p->hubs ? i + 1 : 10 + i;
	plan_node_name(p, i, name);
	snprintf(address, sizeof address, p->v6 ? "10.0.0.%u/24 fd00:77::%u/64" : "10.0.0.%u/24",
		number, number);
	if (i < p->hubs) {
		struct node *hub = b->nodes[i] = world_hub(b->w, name, address);
		hub->config.n_advertise = 1;
		prefix_parse("192.168.0.0/16", &hub->config.advertise[0]);
		return;
	}
	struct node *n = b->nodes[i] = spec->beside && *boxed
		? world_spoke_beside(b->w, name, address, *boxed)
		: spec->own_box ? world_spoke_behind(b->w, name, address, &spec->box)
				: world_spoke(b->w, name, address, spec->nat);
	n->timer_slack_ns = spec->slack_ns;
	if (n->nat)
		*boxed = n;
	if (spec->lan) {
		snprintf(lan, sizeof lan, "192.168.%u.0/24", i);
		world_lan(b->w, n, lan);
	}
}

/* What it would like to have: others' LANs, addresses, everything. */
static void make_greedy(struct bed *b, struct node *liar)
{
	world_register(liar, "0.0.0.0/0");
	world_register(liar, "10.0.0.0/24");
	for (unsigned i = 0; i < b->plan->total; i++) {
		struct node *n = b->nodes[i];
		char text[32];
		if (!n || n == liar || liar->config.n_prefixes == ENGINE_MAX_PREFIXES)
			continue;
		struct ip_addr a = node_address(n, 4);
		world_register(liar, addr_format(&a, text));
		if (n->cert.n_prefixes && liar->config.n_prefixes < ENGINE_MAX_PREFIXES)
			world_register(liar, prefix_format(&n->cert.prefixes[0], text));
	}
}

static void make_bystander(struct bed *b)
{
	struct host *h = net_host(&b->w->net, "bystander", 4754);
	addr_parse("192.0.2.99", &b->bystander[0]);
	addr_parse("2001:db8:bad::99", &b->bystander[1]);
	iface_attach(&h->iface, &h->device, b->w->internet);
	iface_add(&h->iface, &b->bystander[0]);
	iface_add(&h->iface, &b->bystander[1]);
	b->wire->bystander = h;
}

static void set_weather(struct world *w, uint64_t chance)
{
	struct segment *net = w->internet;
	struct rng r;
	rng_seed(&r, chance);
	net->loss_ppm = (uint32_t)rng_below(&r, 100001);
	net->dup_ppm = (uint32_t)rng_below(&r, 30001);
	net->reorder_ppm = (uint32_t)rng_below(&r, 100001);
	net->corrupt_ppm = rng_below(&r, 2) ? (uint32_t)rng_below(&r, 30001) : 0;
	net->jitter_ns = MS(rng_below(&r, 10));
}

static void make_network(struct bed *b)
{
	const struct plan *p = b->plan;
	struct node *boxed = NULL;
	b->w->families = p->underlay;
	for (unsigned i = 0; i < p->total; i++)
		if (plan_has_node(p, i))
			make_node(b, i, &boxed);
	for (unsigned i = 0; i < p->total; i++)
		if (b->nodes[i] && p->nodes[i].hostile)
			make_greedy(b, b->nodes[i]);
	b->wire = watch_wire(b->w);
	b->wire->active = !p->off[PLAN_WIRE];
	make_bystander(b);
	if (!p->off[PLAN_WEATHER])
		set_weather(b->w, p->weather);
}

/* ---- Faults --------------------------------------------------------------------------------- */

static void renew(struct bed *b, struct node *n)
{
	n->cert.serial = ++b->w->serial;
	n->cert.not_before = sim_wall_s(b->w->sim) - 60;
	n->cert.not_after = sim_wall_s(b->w->sim) + 30 * 86400;
	n->cert_len = 0; /* signed when it starts */
}

static bool is_good(const struct bed *b, const struct node *n)
{
	return n->cert.not_after > sim_wall_s(b->w->sim);
}

/* Somebody looks after the machine: the clock is set, the certificate valid. */
static void start(struct bed *b, struct node *n)
{
	n->wall_skew_s = 0;
	if (!is_good(b, n))
		renew(b, n);
	world_start_node(b->w, n);
}

static void restart(struct bed *b, struct node *n)
{
	if (node_running(n))
		node_crash(n);
	start(b, n);
}

static void jump(struct node *n, uint64_t chance)
{
	struct rng r;
	rng_seed(&r, chance);
	int64_t by = (int64_t)rng_between(&r, 1, 900);
	if (rng_below(&r, 4) == 0)
		by = (int64_t)rng_between(&r, 86400, 10 * 365 * UINT64_C(86400));
	n->wall_skew_s = rng_below(&r, 4) == 0 ? 0 : rng_below(&r, 2) ? by : -by;
}

/* It has 5 to 20 s left, and the leeway is over. */
static void expire(struct bed *b, struct node *n, uint64_t chance)
{
	renew(b, n);
	n->cert.not_before -= 3600;
	n->cert.not_after = sim_wall_s(b->w->sim) - 300 + 5 + chance % 16;
	n->wall_skew_s = 0;
	if (node_running(n))
		node_crash(n);
	world_start_node(b->w, n);
}

static void tell_hubs(struct bed *b)
{
	for (unsigned i = 0; i < b->plan->hubs; i++)
		if (b->nodes[i] && node_running(b->nodes[i]) && !b->nodes[i]->asleep)
			node_set_bundle(b->nodes[i], b->w->bundle_bytes, b->w->bundle_len);
}

/* until: Unix time; 300 s of leeway come on top. */
static void reissue_bundle(struct bed *b, uint64_t until)
{
	b->w->bundle.not_after = until;
	b->w->bundle.number++;
	world_sign_bundle(b->w);
	tell_hubs(b);
}

static void revoke(struct bed *b, struct node *n)
{
	world_revoke(b->w, n);
	tell_hubs(b);
	renew(b, n);
	if (node_running(n))
		restart(b, n);
}

static void partition(struct world *w, uint64_t side, bool one_way)
{
	net_partition(&w->net, side);
	for (unsigned i = 0; one_way && i < w->net.n_hosts; i++)
		if (!(side >> i & 1))
			w->net.hosts[i]->blocked = 0;
}

/* Some traffic while all that goes on; nobody counts what is lost. */
static void chatter(struct node *from, struct node *to, uint64_t chance)
{
	struct rng r;
	rng_seed(&r, chance);
	uint8_t family = from->cert.n_addresses > 1 && rng_below(&r, 2) ? 6 : 4;
	struct flow *f = flow_ping(
		from, to, family, MS(rng_between(&r, 20, 400)), (uint32_t)rng_between(&r, 5, 60));
	f->size = (uint16_t)rng_between(&r, 64, INNER_MAX);
}

/* A machine comes back, and nothing that it had written down is there. */
static void wipe(struct bed *b, struct node *n)
{
	if (node_running(n))
		node_crash(n);
	free(n->saved_bundle);
	free(n->saved_hints);
	n->saved_bundle = n->saved_hints = NULL;
	n->saved_bundle_len = n->saved_hints_len = 0;
	n->saved_time_s = 0;
	start(b, n);
}

/* Somebody's routing protocol, or an administrator: the LAN of the other by the hub, explicitly. */
static void reroute(struct node *n, const struct node *other)
{
	char text[PREFIX_TEXT_MAX];
	if (n == other || n->hub || !other->cert.n_prefixes)
		return;
	prefix_format(&other->cert.prefixes[0], text);
	if (node_has_route(n, text))
		node_unroute(n, text);
	else
		node_route(n, text, "10.0.0.1", ROUTE_TYPE_OVERLAY);
}

/* UDP, multicast, fragments that must not be cut, sources that are not the sender's. */
static void odd_packets(struct node *n, struct node *other, uint64_t chance)
{
	static const char *const groups[] = {"224.0.0.5", "224.0.0.251", "239.1.2.3", "10.0.0.255",
		"255.255.255.255", "127.0.0.1", "0.0.0.0"};
	struct rng r;
	rng_seed(&r, chance);
	struct ip_addr own = node_address(n, 4), to = node_address(other, 4);
	for (unsigned i = 0; i < 30; i++) {
		struct inner p = {.kind = rng_below(&r, 2) ? INNER_UDP : INNER_ECHO, .ttl = 64};
		uint8_t ip[INNER_MAX];
		p.src = own;
		p.dst = to;
		p.size = (uint16_t)rng_between(&r, 0, INNER_MAX);
		if (rng_below(&r, 2))
			addr_parse(groups[rng_below(&r, sizeof groups / sizeof *groups)], &p.dst);
		else if (rng_below(&r, 2))
			rng_fill(
				&r, p.src.bytes, rng_below(&r, 5)); /* dropped by whoever gets it */
		else
			p.ttl = (uint8_t)rng_between(&r, 0, 2);
		p.flow = INNER_LOOSE;
		size_t len = inner_build(ip, &p);
		if (rng_below(&r, 8) == 0)
			ip[0] &= 0x3f; /* no IP packet */
		node_send_packet(n, ip, len);
	}
}

static void perform(struct bed *b, const struct act *a)
{
	struct world *w = b->w;
	struct node *n = b->nodes[a->node], *other = b->nodes[a->other];
	if (a->kind != ACT_CHATTER)
		sim_trace(w->sim, "%-9s ! %s %s", n->name, act_name(a->kind), other->name);
	switch ((enum act_kind)a->kind) {
	case ACT_POWER:
		if (node_running(n))
			node_crash(n);
		else
			start(b, n);
		break;
	case ACT_WIPE:
		wipe(b, n);
		break;
	case ACT_BUNDLE:
		reissue_bundle(b, sim_wall_s(w->sim) - 300 + 5 + a->chance % 20);
		break;
	case ACT_REROUTE:
		reroute(n, other);
		break;
	case ACT_FLOOD:
		stranger_floods(w, n, 300, MS(2), a->chance);
		break;
	case ACT_ODD:
		if (n != other)
			odd_packets(n, other, a->chance);
		break;
	case ACT_STOP:
		node_stop(n);
		break;
	case ACT_REBIND:
		if (n->nat)
			nat_rebind(n->nat);
		break;
	case ACT_BLOCK:
		if (n != other)
			net_block(n->host, other->host, !(n->host->blocked >> other->host->id & 1));
		break;
	case ACT_DEAF:
		if (n != other)
			n->host->blocked ^= UINT64_C(1) << other->host->id;
		break;
	case ACT_PARTITION:
	case ACT_ONE_WAY:
		partition(w, a->chance, a->kind == ACT_ONE_WAY);
		break;
	case ACT_WEATHER:
		net_partition(&w->net, 0);
		set_weather(w, a->chance);
		break;
	case ACT_SLEEP:
		if (n->asleep)
			node_wake(n);
		else
			node_sleep(n);
		break;
	case ACT_CLOCK:
		jump(n, a->chance);
		break;
	case ACT_EXPIRE:
		expire(b, n, a->chance);
		break;
	case ACT_RENEW:
		renew(b, n);
		restart(b, n);
		break;
	case ACT_REVOKE:
		revoke(b, n);
		break;
	case ACT_FORGE:
		forge(n, other, b->bystander, a->chance);
		break;
	case ACT_CHATTER:
		if (n != other)
			chatter(n, other, a->chance);
		break;
	case ACT_COUNT:
		break;
	}
}

/* Liars have been found out, and behave. */
static void heal(struct bed *b)
{
	struct segment *net = b->w->internet;
	struct rng *r = &b->w->sim->rng;
	net->loss_ppm = net->dup_ppm = net->reorder_ppm = net->corrupt_ppm = 0;
	net_partition(&b->w->net, 0);
	for (unsigned i = 0; i < b->plan->total; i++) {
		struct node *n = b->nodes[i];
		if (!n)
			continue;
		bool replace = b->plan->nodes[i].hostile || !is_good(b, n);
		n->config.n_prefixes = 0;
		if (!node_running(n) || replace)
			restart(b, n);
		n->wall_skew_s = (int64_t)rng_between(r, 0, 1200) - 600;
		if (n->asleep)
			node_wake(n);
	}
	reissue_bundle(b, SIM_WALL_START + 365 * 86400);
}

/* ---- The run -------------------------------------------------------------------------------- */

static void all_talk(struct sim *s, struct flow **flows, unsigned n, uint64_t from, uint64_t until)
{
	for (unsigned i = 0; i < n; i++) {
		uint32_t lost = flow_lost_between(flows[i], from, until);
		if (lost == 0)
			continue;
		node_trace(flows[i]->from);
		node_trace(flows[i]->to);
		SIM_FAIL(s,
			"%s and %s: %u packets lost of those sent after %.3f s, the last at %.3f",
			flows[i]->from->name, flows[i]->to->name, lost,
			(double)(from - s->start) / 1e9,
			(double)(flow_last_lost(flows[i], from, until) - s->start) / 1e9);
	}
}

/* Everybody with everybody, and one each with the LANs. */
static unsigned start_flows(struct bed *b, struct flow **flows)
{
	struct world *w = b->w;
	unsigned n = 0;
	for (unsigned i = 0; i < w->n_nodes; i++) {
		for (unsigned j = i + 1; j < w->n_nodes; j++)
			flows[n++] = flow_ping(w->nodes[i], w->nodes[j], 4, MS(500), 0);
		struct node *lan = w->nodes[i], *from = w->nodes[(i + 1) % w->n_nodes];
		if (!lan->cert.n_prefixes || from == lan)
			continue;
		struct flow *f = flows[n++] = flow_ping(from, lan, 4, MS(500), 0);
		f->dst = lan->cert.prefixes[0].addr;
		f->dst.bytes[3] = 7;
	}
	/* Not in step: each moment of a change of keys is to be met by somebody. */
	for (unsigned i = 0; i < n; i++)
		flows[i]->offset_ns = rng_below(&w->sim->rng, flows[i]->interval_ns);
	return n;
}

/* A few flows look closely, the others only now and then. */
static void thin_out(struct sim *s, struct flow **flows, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		flows[i]->interval_ns = rng_below(&s->rng, n) < DENSE_FLOWS
			? DENSE_NS
			: rng_between(&s->rng, SPARSE_NS / 2, SPARSE_NS * 3 / 2);
}

static bool predictable(const struct node *n)
{
	return !n->nat ||
		(n->nat->config.mapping == NAT_ENDPOINT_INDEPENDENT &&
			!n->nat->config.conntrack_trap);
}

/*
 * By IPv6 everybody's firewall opens for whom it has knocked at. By IPv4 the ports must be those that
 * the hub has seen; behind one box the LAN leads there.
 */
static bool can_be_direct(const struct bed *b, const struct node *x, const struct node *y)
{
	if (x->hub || y->hub)
		return true;
	return b->plan->underlay != 4 || x->nat == y->nat || (predictable(x) && predictable(y));
}

static void all_direct(struct bed *b, struct flow **flows, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct node *x = flows[i]->from, *y = flows[i]->to;
		if (!x->hub && !y->hub && can_be_direct(b, x, y) &&
			!(node_direct(x, y) && node_direct(y, x)))
			SIM_FAIL(b->w->sim, "%s and %s still talk by the hub", x->name, y->name);
	}
}

/* Spokes leave, some with a word and some without; the hubs must come out as they went in. */
static void all_leave(struct bed *b)
{
	struct world *w = b->w;
	for (unsigned i = 0; i < w->n_nodes; i++) {
		if (w->nodes[i]->hub)
			continue;
		if (rng_below(&w->sim->rng, 2))
			node_stop(w->nodes[i]);
		else
			node_crash(w->nodes[i]);
	}
	for (unsigned i = 1; i < b->plan->hubs; i++)
		if (b->nodes[i])
			node_crash(b->nodes[i]);
	sim_run(w->sim, FORGOTTEN);
	invariant_alone(b->nodes[0]);
}

static void anything(struct sim *s)
{
	struct plan *made = NULL;
	if (!s->input) {
		made = malloc(sizeof *made);
		if (!made)
			abort();
		sim_defer(s, free, made);
		plan_make(made, s->seed, FAULTS_FOR);
	}
	struct bed b = {.plan = made ? made : s->input};
	const struct plan *p = b.plan;
	b.w = world_new(s, p->rtt_ns);
	make_network(&b);
	world_start(b.w);
	for (unsigned i = 0; i < p->n_acts; i++) {
		if (!plan_has_act(p, i))
			continue;
		sim_run_until(s, s->start + p->acts[i].at);
		perform(&b, &p->acts[i]);
	}
	sim_run_until(s, s->start + FAULTS_FOR);
	sim_trace(s, "network   ! heals");
	heal(&b);

	struct flow *flows[PLAN_NODES * PLAN_NODES];
	uint64_t healed = s->now;
	unsigned n = start_flows(&b, flows);
	sim_run(s, HEAL_WITHIN);
	for (unsigned i = 0; i < b.w->n_nodes; i++)
		if (!node_ready(b.w->nodes[i]))
			SIM_FAIL(s, "%s is not ready 20 s after the faults", b.w->nodes[i]->name);
	sim_run(s, S(3));
	all_talk(s, flows, n, healed + HEAL_WITHIN, healed + HEAL_WITHIN + S(2));
	/* And nothing is lost from then on, over new keys for everybody. */
	thin_out(s, flows, n);
	sim_run(s, STEADY_FOR);
	all_talk(s, flows, n, healed + HEAL_WITHIN, s->now - S(1));
	all_direct(&b, flows, n);
	for (unsigned i = 0; i < n; i++) {
		flow_stop(flows[i]);
		if (!node_same_keys(flows[i]->from, flows[i]->to))
			SIM_FAIL(s, "%s and %s send under different keys", flows[i]->from->name,
				flows[i]->to->name);
	}
	all_leave(&b);
}

static const struct sim_case cases[] = {
	{"anything", anything},
};

/* ---- Shrinking ------------------------------------------------------------------------------ */

struct failing {
	struct plan plan;
	struct sim_report first, last;
	unsigned runs;
};

/* At the same place as the first time. */
static bool fails(void *ctx)
{
	struct failing *f = ctx;
	f->runs++;
	return !sim_try(cases, f->plan.seed, &f->plan, false, &f->last) &&
		f->last.line == f->first.line && strcmp(f->last.file, f->first.file) == 0;
}

static int shrink_seed(uint64_t seed)
{
	struct failing *f = calloc(1, sizeof *f);
	if (!f || prim_init() < 0)
		abort();
	plan_make(&f->plan, seed, FAULTS_FOR);
	if (sim_try(cases, seed, &f->plan, false, &f->first)) {
		printf("seed %llu passes\n", (unsigned long long)seed);
		free(f);
		return 0;
	}
	printf("%s:%d: %s\n", f->first.file, f->first.line, f->first.text);
	shrink(f->plan.off, sizeof f->plan.off, fails, f);
	sim_try(cases, seed, &f->plan, true, &f->last);
	printf("after %u runs this is left:\n", f->runs);
	plan_print(&f->plan);
	unsigned from = f->last.n > SIM_TAIL ? f->last.n - SIM_TAIL : 0;
	for (unsigned i = from; i < f->last.n; i++)
		puts(f->last.tail[i % SIM_TAIL]);
	printf("%s:%d: %s\n", f->last.file, f->last.line, f->last.text);
	free(f);
	return 1;
}

int main(int argc, char **argv)
{
	uint64_t seed = 1;
	bool small = false;
	for (int i = 1; i < argc; i++) {
		small |= strcmp(argv[i], "--shrink") == 0;
		if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
			seed = strtoull(argv[i + 1], NULL, 0);
	}
	return small ? shrink_seed(seed)
		     : sim_main(argc, argv, cases, sizeof cases / sizeof *cases, 100);
}
