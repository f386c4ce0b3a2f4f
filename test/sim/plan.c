#include "test/sim/plan.h"

#include <stdio.h>
#include <string.h>

static const char *const act_names[] = {
#define ACT_NAME(id, text) [ACT_##id] = text,
	ACT_KINDS(ACT_NAME)
#undef ACT_NAME
};

const char *act_name(enum act_kind kind)
{
	return act_names[kind];
}

static void add(struct plan *p, struct rng *r, uint64_t at, enum act_kind kind)
{
	if (p->n_acts == PLAN_ACTS)
		return;
	struct act *a = &p->acts[p->n_acts++];
	*a = (struct act){.at = at, .kind = (uint8_t)kind, .chance = rng_next(r)};
	a->node = (uint8_t)rng_below(r, p->total);
	a->other = (uint8_t)rng_below(r, p->total);
}

static enum act_kind any_fault(struct rng *r)
{
	static const uint8_t kinds[] = {ACT_POWER, ACT_POWER, ACT_POWER, ACT_STOP, ACT_WIPE,
		ACT_BUNDLE, ACT_REROUTE, ACT_REROUTE, ACT_FLOOD, ACT_FLOOD, ACT_ODD, ACT_ODD,
		ACT_REBIND, ACT_REBIND, ACT_BLOCK, ACT_BLOCK, ACT_DEAF, ACT_DEAF, ACT_PARTITION,
		ACT_ONE_WAY, ACT_WEATHER, ACT_WEATHER, ACT_SLEEP, ACT_SLEEP, ACT_CLOCK, ACT_EXPIRE,
		ACT_RENEW, ACT_REVOKE};
	return (enum act_kind)kinds[rng_below(r, sizeof kinds)];
}

/* Mappings and filterings of all kinds, for whatever time. A mapping outlives the keepalives' 22 s. */
static struct nat_config any_box(struct rng *r)
{
	static const uint8_t timeouts_s[] = {30, 60, 120, 250};
	return (struct nat_config){.mapping = (enum nat_behaviour)rng_below(r, 3),
		.filtering = (enum nat_behaviour)rng_below(r, 3),
		.port_preserving = rng_below(r, 2),
		.hairpin = rng_below(r, 2),
		.conntrack_trap = rng_below(r, 4) == 0,
		.timeout_ns = timeouts_s[rng_below(r, sizeof timeouts_s)] * NS_PER_S};
}

static void add_forgeries(struct plan *p, struct rng *r, uint64_t duration_ns)
{
	for (unsigned i = p->hubs; i < p->total; i++) {
		unsigned count = p->nodes[i].hostile ? (unsigned)rng_between(r, 10, 30) : 0;
		while (count-- > 0 && p->n_acts < PLAN_ACTS) {
			add(p, r, rng_below(r, duration_ns), ACT_FORGE);
			p->acts[p->n_acts - 1].node = (uint8_t)i;
		}
	}
}

/* In order of time; what comes at once stays as it was made. */
static void sort_acts(struct plan *p)
{
	for (unsigned i = 1; i < p->n_acts; i++) {
		struct act a = p->acts[i];
		unsigned k = i;
		for (; k > 0 && p->acts[k - 1].at > a.at; k--)
			p->acts[k] = p->acts[k - 1];
		p->acts[k] = a;
	}
}

void plan_make(struct plan *p, uint64_t seed, uint64_t duration_ns)
{
	struct rng rng, *r = &rng;
	rng_seed(r, seed ^ UINT64_C(0x706c616e));
	memset(p, 0, sizeof *p);
	p->seed = seed;
	p->rtt_ns = rng_between(r, 2, 150) * NS_PER_MS;
	p->total = (unsigned)rng_between(r, 3, PLAN_NODES);
	p->hubs = p->total > 4 && rng_below(r, 3) == 0 ? 2 : 1;
	p->v6 = rng_below(r, 2);
	static const uint8_t underlays[] = {0, 0, 0, 4, 6};
	p->underlay = underlays[rng_below(r, sizeof underlays)];
	p->weather = rng_next(r);
	p->off[PLAN_WEATHER] = rng_below(r, 2);
	bool hostile = rng_below(r, 2);
	for (unsigned i = p->hubs; i < p->total; i++) {
		struct plan_node *n = &p->nodes[i];
		n->nat = (enum nat_kind)rng_below(r, NAT_KIND_COUNT);
		n->box = any_box(r);
		n->own_box = n->nat != NAT_NONE && rng_below(r, 2);
		n->beside = rng_below(r, 5) == 0;
		n->lan = rng_below(r, 3) == 0;
		n->hostile = hostile && rng_below(r, 4) == 0;
		n->slack_ns = rng_below(r, 3) * NS_PER_MS;
	}
	for (uint64_t at = 0; at < duration_ns; at += rng_between(r, 100, 4000) * NS_PER_MS) {
		if (rng_below(r, 2) == 0)
			add(p, r, at, any_fault(r));
		add(p, r, at, ACT_CHATTER);
	}
	add_forgeries(p, r, duration_ns);
	sort_acts(p);
}

const char *plan_node_name(const struct plan *p, unsigned node, char *buf)
{
	if (node < p->hubs)
		snprintf(buf, 16, "hub%u", node + 1);
	else
		snprintf(buf, 16, "s%u", node);
	return buf;
}

static bool has_other(enum act_kind kind)
{
	return kind == ACT_REROUTE || kind == ACT_ODD || kind == ACT_BLOCK || kind == ACT_DEAF ||
		kind == ACT_FORGE || kind == ACT_CHATTER;
}

void plan_print(const struct plan *p)
{
	char name[16], other[16];
	static const char *const behaviours[] = {
		"endpoint-independent", "address-dependent", "address-and-port-dependent"};
	printf("  seed %llu, round trip %.0f ms, underlay IPv%s, %s%s%s\n",
		(unsigned long long)p->seed, (double)p->rtt_ns / 1e6,
		p->underlay == 4           ? "4"
			: p->underlay == 6 ? "6"
					   : "4 and IPv6",
		p->v6 ? "IPv4 and IPv6 inside" : "IPv4 inside",
		p->off[PLAN_WEATHER] ? "" : ", loss from the start",
		p->off[PLAN_WIRE] ? "" : ", replays and damage on the wire");
	for (unsigned i = 0; i < p->total; i++) {
		const struct plan_node *n = &p->nodes[i];
		if (plan_has_node(p, i))
			printf("  %-5s %s%s%s%s\n", plan_node_name(p, i, name),
				i < p->hubs                  ? "public"
					: n->nat == NAT_NONE ? "no box"
							     : nat_kind_name(n->nat),
				n->beside ? ", beside" : "", n->lan ? ", a LAN" : "",
				n->hostile ? ", hostile" : "");
		if (plan_has_node(p, i) && n->own_box)
			printf("        its box: %s mapping, %s filtering, %.0f s%s%s%s\n",
				behaviours[n->box.mapping], behaviours[n->box.filtering],
				(double)n->box.timeout_ns / 1e9,
				n->box.port_preserving ? ", preserves ports" : "",
				n->box.hairpin ? ", hairpin" : "",
				n->box.conntrack_trap ? ", conntrack trap" : "");
	}
	for (unsigned i = 0; i < p->n_acts; i++) {
		const struct act *a = &p->acts[i];
		if (plan_has_act(p, i))
			printf("  %9.3f s  %-5s %s%s%s\n", (double)a->at / 1e9,
				plan_node_name(p, a->node, name), act_names[a->kind],
				has_other(a->kind) ? " " : "",
				has_other(a->kind) ? plan_node_name(p, a->other, other) : "");
	}
}
