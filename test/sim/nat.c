#include "test/sim/nat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct nat_config nat_preset(enum nat_kind kind)
{
	struct nat_config c = {.port_preserving = true, .hairpin = false};
	switch (kind) {
	case NAT_NONE:
	case NAT_KIND_COUNT:
	case NAT_FULL_CONE:
		break;
	case NAT_ADDRESS_RESTRICTED:
		c.filtering = NAT_ADDRESS_DEPENDENT;
		break;
	case NAT_PORT_RESTRICTED:
		c.filtering = NAT_ADDRESS_AND_PORT_DEPENDENT;
		c.port_preserving = false;
		break;
	case NAT_SYMMETRIC:
		c.mapping = c.filtering = NAT_ADDRESS_AND_PORT_DEPENDENT;
		c.port_preserving = false;
		break;
	case NAT_LINUX:
	case NAT_TRAP:
		/* By design symmetric; looks like a cone as long as nobody wants the same port. */
		c.mapping = c.filtering = NAT_ADDRESS_AND_PORT_DEPENDENT;
		c.conntrack_trap = kind == NAT_TRAP;
		break;
	}
	return c;
}

const char *nat_kind_name(enum nat_kind kind)
{
	static const char *const names[] = {
#define NAT_KIND_NAME(id, text) [NAT_##id] = text,
		NAT_KINDS(NAT_KIND_NAME)
#undef NAT_KIND_NAME
	};
	return kind < NAT_KIND_COUNT ? names[kind] : "?";
}

/* Do two remotes share a mapping, or a filter's pinhole, under this behaviour? */
static bool same_remote(enum nat_behaviour how, const struct endpoint *a, const struct endpoint *b)
{
	switch (how) {
	case NAT_ENDPOINT_INDEPENDENT:
		return true;
	case NAT_ADDRESS_DEPENDENT:
		return addr_equal(&a->addr, &b->addr);
	case NAT_ADDRESS_AND_PORT_DEPENDENT:
		return endpoint_equal(a, b);
	}
	return false;
}

static void expire(struct nat *nat)
{
	uint64_t now = nat->device.net->sim->now;
	for (unsigned i = 0; i < nat->n_mappings;)
		if (now - nat->mappings[i].used >= nat->config.timeout_ns)
			nat->mappings[i] = nat->mappings[--nat->n_mappings];
		else
			i++;
	for (unsigned i = 0; i < nat->n_traps;)
		if (now >= nat->traps[i].expires)
			nat->traps[i] = nat->traps[--nat->n_traps];
		else
			i++;
}

unsigned nat_count(struct nat *nat)
{
	expire(nat);
	return nat->n_mappings;
}

void nat_rebind(struct nat *nat)
{
	nat->n_mappings = nat->n_traps = 0;
	nat->config.port_preserving = false;
}

/* ---- Mappings ------------------------------------------------------------------------------- */

static struct nat_mapping *find_outbound(struct nat *nat, const struct dgram *d)
{
	for (unsigned i = 0; i < nat->n_mappings; i++) {
		struct nat_mapping *m = &nat->mappings[i];
		if (endpoint_equal(&m->inside, &d->src) &&
			same_remote(nat->config.mapping, &m->key, &d->dst))
			return m;
	}
	return NULL;
}

/* The mapping made for this very remote before one that merely shares the port. */
static struct nat_mapping *find_inbound(
	struct nat *nat, const struct endpoint *outside, const struct endpoint *remote)
{
	struct nat_mapping *any = NULL;
	for (unsigned i = 0; i < nat->n_mappings; i++) {
		struct nat_mapping *m = &nat->mappings[i];
		if (!endpoint_equal(&m->outside, outside))
			continue;
		if (same_remote(nat->config.mapping, &m->key, remote))
			return m;
		any = m;
	}
	return any;
}

static struct nat_trap *find_trap(struct nat *nat, uint16_t port, const struct endpoint *remote)
{
	for (unsigned i = 0; i < nat->n_traps; i++)
		if (nat->traps[i].port == port && endpoint_equal(&nat->traps[i].remote, remote))
			return &nat->traps[i];
	return NULL;
}

static bool port_free(
	struct nat *nat, const struct endpoint *outside, const struct endpoint *remote)
{
	if (find_trap(nat, outside->port, remote))
		return false;
	for (unsigned i = 0; i < nat->n_mappings; i++)
		if (endpoint_equal(&nat->mappings[i].outside, outside) &&
			same_remote(nat->config.mapping, &nat->mappings[i].key, remote))
			return false;
	return true;
}

static struct endpoint choose_outside(struct nat *nat, const struct dgram *d)
{
	if (d->src.addr.family == 6)
		return d->src;
	struct endpoint e = {.port = d->src.port};
	e.addr = *iface_address(&nat->outside, 4);
	if (nat->config.port_preserving && port_free(nat, &e, &d->dst))
		return e;
	do
		e.port = (uint16_t)rng_between(&nat->device.net->sim->rng, 1024, 65535);
	while (!port_free(nat, &e, &d->dst));
	return e;
}

static struct nat_mapping *add_mapping(struct nat *nat, const struct dgram *d)
{
	if (nat->n_mappings == nat->cap_mappings) {
		nat->cap_mappings = nat->cap_mappings ? nat->cap_mappings * 2 : 16;
		nat->mappings = realloc(nat->mappings, nat->cap_mappings * sizeof *nat->mappings);
		if (!nat->mappings)
			abort();
	}
	struct nat_mapping m = {.inside = d->src, .outside = choose_outside(nat, d), .key = d->dst};
	nat->mappings[nat->n_mappings] = m;
	return &nat->mappings[nat->n_mappings++];
}

/* Remembers that the inside has sent to this remote. */
static void open_pinhole(struct nat_mapping *m, const struct endpoint *to, uint64_t now)
{
	unsigned oldest = 0, i = 0;
	for (; i < m->n_peers && !endpoint_equal(&m->peers[i].to, to); i++)
		if (m->peers[i].at < m->peers[oldest].at)
			oldest = i;
	if (i == m->n_peers) {
		if (m->n_peers < NAT_PEERS)
			m->n_peers++;
		else
			i = oldest;
	}
	m->peers[i].to = *to;
	m->peers[i].at = now;
}

static bool lets_in(const struct nat *nat, const struct nat_mapping *m, const struct endpoint *from)
{
	uint64_t now = nat->device.net->sim->now;
	for (unsigned i = 0; i < m->n_peers; i++)
		if (now - m->peers[i].at < nat->config.timeout_ns &&
			same_remote(nat->config.filtering, &m->peers[i].to, from))
			return true;
	return false;
}

static struct nat_mapping *map_outbound(struct nat *nat, const struct dgram *d)
{
	uint64_t now = nat->device.net->sim->now;
	struct nat_mapping *m = find_outbound(nat, d);
	if (!m)
		m = add_mapping(nat, d);
	m->used = now;
	open_pinhole(m, &d->dst, now);
	return m;
}

static void set_trap(struct nat *nat, const struct dgram *d)
{
	uint64_t expires = nat->device.net->sim->now + nat->config.trap_ns;
	struct nat_trap *t = find_trap(nat, d->dst.port, &d->src);
	if (!t) {
		if (nat->n_traps == nat->cap_traps) {
			nat->cap_traps = nat->cap_traps ? nat->cap_traps * 2 : 16;
			nat->traps = realloc(nat->traps, nat->cap_traps * sizeof *nat->traps);
			if (!nat->traps)
				abort();
		}
		t = &nat->traps[nat->n_traps++];
		*t = (struct nat_trap){.port = d->dst.port, .remote = d->src};
	}
	t->expires = expires;
}

/* ---- Datagrams ------------------------------------------------------------------------------ */

static void inbound(struct nat *nat, struct dgram *d)
{
	struct nat_mapping *m = find_inbound(nat, &d->dst, &d->src);
	if (!m || !lets_in(nat, m, &d->src)) {
		if (nat->config.conntrack_trap && d->dst.addr.family == 4)
			set_trap(nat, d);
		net_end(nat->device.net, d, NET_FILTERED, nat->device.name);
		return;
	}
	m->used = nat->device.net->sim->now;
	/* Traffic in keeps the pinhole open too, as conntrack does. */
	for (unsigned i = 0; i < m->n_peers; i++)
		if (endpoint_equal(&m->peers[i].to, &d->src))
			m->peers[i].at = m->used;
	d->dst = m->inside;
	net_forward(&nat->inside, d);
}

static void outbound(struct nat *nat, struct dgram *d)
{
	bool turns = iface_owns(&nat->outside, &d->dst.addr);
	if (turns && !nat->config.hairpin) {
		net_end(nat->device.net, d, NET_NO_HAIRPIN, nat->device.name);
		return;
	}
	d->src = map_outbound(nat, d)->outside;
	if (turns)
		inbound(nat, d);
	else
		net_forward(&nat->outside, d);
}

static void nat_receive(struct device *dev, struct iface *in, struct dgram *d)
{
	struct nat *nat = (struct nat *)dev;
	if (d->ttl <= 1) {
		net_end(dev->net, d, NET_TTL, dev->name);
		return;
	}
	d->ttl--;
	expire(nat);
	if (in == &nat->inside)
		outbound(nat, d);
	else
		inbound(nat, d);
}

static void nat_free(void *ctx)
{
	struct nat *nat = ctx;
	free(nat->mappings);
	free(nat->traps);
	free(nat);
}

struct nat *nat_new(struct net *net, const char *name, const struct nat_config *config,
	struct segment *inside, struct segment *outside)
{
	struct nat *nat = calloc(1, sizeof *nat);
	if (!nat)
		abort();
	sim_defer(net->sim, nat_free, nat);
	nat->device.net = net;
	nat->device.receive = nat_receive;
	snprintf(nat->device.name, sizeof nat->device.name, "%s", name);
	nat->config = *config;
	if (nat->config.timeout_ns == 0)
		nat->config.timeout_ns = 120 * NS_PER_S;
	if (nat->config.trap_ns == 0)
		nat->config.trap_ns = 30 * NS_PER_S;
	iface_attach(&nat->inside, &nat->device, inside);
	iface_attach(&nat->outside, &nat->device, outside);
	inside->gateway = &nat->inside;
	return nat;
}
