#include "test/sim/net.h"

#include "core/wire/gre.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const fate_names[] = {
#define NET_FATE_NAME(id, text) [NET_##id] = text,
	NET_FATES(NET_FATE_NAME)
#undef NET_FATE_NAME
};

void net_init(struct net *net, struct sim *sim)
{
	*net = (struct net){.sim = sim};
}

void net_fini(struct net *net)
{
	for (unsigned i = 0; i < net->n_hosts; i++)
		free(net->hosts[i]);
	while (net->segments) {
		struct segment *s = net->segments;
		net->segments = s->next;
		free(s);
	}
}

struct segment *net_segment(struct net *net, const char *name, uint64_t delay_ns, uint8_t hops)
{
	struct segment *s = calloc(1, sizeof *s);
	if (!s)
		abort();
	s->net = net;
	snprintf(s->name, sizeof s->name, "%s", name);
	s->delay_ns = delay_ns;
	s->reorder_ns = 20 * NS_PER_MS;
	s->hops = hops;
	s->next = net->segments;
	net->segments = s;
	return s;
}

void iface_attach(struct iface *i, struct device *device, struct segment *segment)
{
	i->device = device;
	i->segment = segment;
	i->next = segment->ifaces;
	segment->ifaces = i;
}

void iface_detach(struct iface *i)
{
	if (!i->segment)
		return;
	struct iface **at = &i->segment->ifaces;
	while (*at != i)
		at = &(*at)->next;
	*at = i->next;
	i->segment = NULL;
	i->n_addrs = 0;
}

void iface_add(struct iface *i, const struct ip_addr *address)
{
	if (i->n_addrs == NET_ADDRS)
		SIM_FAIL(i->device->net->sim, "too many addresses on an interface");
	i->addrs[i->n_addrs++] = *address;
}

bool iface_owns(const struct iface *i, const struct ip_addr *address)
{
	for (unsigned k = 0; k < i->n_addrs; k++)
		if (addr_equal(&i->addrs[k], address))
			return true;
	return false;
}

const struct ip_addr *iface_address(const struct iface *i, uint8_t family)
{
	for (unsigned k = 0; k < i->n_addrs; k++)
		if (i->addrs[k].family == family)
			return &i->addrs[k];
	return NULL;
}

const char *net_describe(const void *data, size_t len, char *buf, size_t cap)
{
	static const char *const types[] = {
		[1] = "INITIATION", "RESPONSE", "COOKIE", "type 4", "PROBE", "RESET"};
	const uint8_t *p = data;
	switch (gre_classify(p, len)) {
	case GRE_SEALED: {
		uint32_t index, seq;
		uint8_t lane;
		gre_sealed_read(p, &index, &lane, &seq);
		snprintf(buf, cap, "sealed %zu (index %07x lane %u seq %u)", len, index, lane, seq);
		return buf;
	}
	case GRE_HANDSHAKE:
		if (p[4] == 5 && len > 15)
			snprintf(buf, cap, "PROBE%s %zu (token %02x%02x)",
				p[4 + 15] ? " answer" : "", len, p[8], p[9]);
		else if (p[4] >= 1 && p[4] <= 6)
			snprintf(buf, cap, "%s %zu", types[p[4]], len);
		else
			snprintf(buf, cap, "handshake type %u, %zu", p[4], len);
		return buf;
	case GRE_PLAIN:
		snprintf(buf, cap, "PLAIN GRE %zu", len);
		return buf;
	case GRE_BAD:
		break;
	}
	snprintf(buf, cap, "garbage %zu", len);
	return buf;
}

static void trace_end(struct net *net, const struct dgram *d, enum net_fate fate, const char *where)
{
	char src[ENDPOINT_TEXT_MAX], dst[ENDPOINT_TEXT_MAX], seen[2 * ENDPOINT_TEXT_MAX + 16] = "";
	char kind[80], now_src[ENDPOINT_TEXT_MAX], now_dst[ENDPOINT_TEXT_MAX];
	if (!endpoint_equal(&d->src, &d->first_src) || !endpoint_equal(&d->dst, &d->first_dst))
		snprintf(seen, sizeof seen, " [%s > %s]", endpoint_format(&d->src, now_src),
			endpoint_format(&d->dst, now_dst));
	sim_trace(net->sim, "%-9s > %-9s %s -> %s%s  %s  +%.3f ms%s%s%s",
		d->origin ? d->origin->device.name : "(test)", where,
		endpoint_format(&d->first_src, src), endpoint_format(&d->first_dst, dst), seen,
		net_describe(d->data, d->len, kind, sizeof kind),
		(double)(net->sim->now - d->sent) / 1e6, d->copy ? " copy" : "",
		fate == NET_DELIVERED ? "" : "  ** ",
		fate == NET_DELIVERED ? "" : fate_names[fate]);
}

static void net_count(struct net *net, const struct dgram *d, enum net_fate fate, const char *where)
{
	net->fates[fate]++;
	if (net->sim->trace)
		trace_end(net, d, fate, where);
}

void net_end(struct net *net, struct dgram *d, enum net_fate fate, const char *where)
{
	net_count(net, d, fate, where);
	sim_free(net->sim, d);
}

static struct dgram *dgram_new(size_t len)
{
	struct dgram *d = malloc(sizeof *d + len); /* unlike calloc's, often one that is at hand */
	if (!d)
		abort();
	*d = (struct dgram){.len = len};
	return d;
}

struct dgram *net_copy(const struct dgram *d)
{
	struct dgram *copy = dgram_new(d->len);
	memcpy(copy, d, sizeof *d + d->len);
	return copy;
}

/* ---- Segments ------------------------------------------------------------------------------- */

static struct iface *find_owner(const struct segment *s, const struct ip_addr *dst)
{
	for (struct iface *i = s->ifaces; i; i = i->next)
		if (iface_owns(i, dst))
			return i;
	for (struct iface *i = s->ifaces; i; i = i->next)
		if (i->routed.addr.family != 0 && prefix_contains(&i->routed, dst))
			return i;
	return NULL;
}

static void arrive(void *ctx, void *arg)
{
	struct segment *s = ctx;
	struct dgram *d = arg;
	/* Looked up at arrival: an interface may have moved meanwhile. */
	struct iface *to = find_owner(s, &d->dst.addr);
	if (!to)
		to = s->gateway;
	if (!to)
		net_end(s->net, d, NET_NO_ROUTE, s->name);
	else
		to->device->receive(to->device, to, d);
}

static uint64_t transit_time(struct segment *s)
{
	struct rng *rng = &s->net->sim->rng;
	uint64_t t = s->delay_ns;
	if (s->jitter_ns)
		t += rng_below(rng, s->jitter_ns);
	if (rng_chance(rng, s->reorder_ppm))
		t += rng_below(rng, s->reorder_ns);
	return t;
}

static void carry(struct segment *s, const struct iface *from, struct dgram *d)
{
	struct sim *sim = s->net->sim;
	struct iface *to = find_owner(s, &d->dst.addr);
	if (!to && (!s->gateway || s->gateway == from)) {
		net_end(s->net, d, NET_NO_ROUTE, s->name);
		return;
	}
	if (d->ttl <= s->hops) {
		net_end(s->net, d, NET_TTL, s->name);
		return;
	}
	d->ttl = (uint8_t)(d->ttl - s->hops);
	if (rng_chance(&sim->rng, s->dup_ppm)) {
		struct dgram *copy = net_copy(d);
		copy->copy = true;
		sim_at(sim, sim->now + transit_time(s), arrive, s, copy);
	}
	if (s->corrupt_ppm && d->len > 0 && rng_chance(&sim->rng, s->corrupt_ppm)) {
		d->data[rng_below(&sim->rng, d->len)] ^= (uint8_t)(1 << rng_below(&sim->rng, 8));
		d->damaged = true;
	}
	if (rng_chance(&sim->rng, s->loss_ppm))
		net_end(s->net, d, NET_LOST, s->name);
	else
		sim_at(sim, sim->now + transit_time(s), arrive, s, d);
}

void net_forward(struct iface *from, struct dgram *d)
{
	if (from->segment)
		carry(from->segment, from, d);
	else
		net_end(from->device->net, d, NET_NO_ROUTE, from->device->name);
}

void net_inject(struct segment *segment, const struct endpoint *from, const struct endpoint *to,
	const void *data, size_t len)
{
	struct dgram *d = dgram_new(len);
	d->src = d->first_src = *from;
	d->dst = d->first_dst = *to;
	d->sent = segment->net->sim->now;
	d->ttl = NET_DEFAULT_TTL;
	memcpy(d->data, data, len);
	carry(segment, NULL, d);
}

/* ---- Hosts ---------------------------------------------------------------------------------- */

static void host_receive(struct device *dev, struct iface *in, struct dgram *d)
{
	struct host *h = (struct host *)dev;
	struct net *net = dev->net;
	if (!iface_owns(in, &d->dst.addr)) {
		net_end(net, d, NET_NO_ROUTE, dev->name);
		return;
	}
	if (d->origin && h->blocked >> d->origin->id & 1) {
		net_end(net, d, NET_BLOCKED, dev->name);
		return;
	}
	if (net->tap && !net->tap(net->tap_ctx, h, d)) {
		net_end(net, d, NET_TAPPED, dev->name);
		return;
	}
	if (!h->up || !h->deliver || (d->dst.port != h->port && d->dst.port != 0)) {
		net_end(net, d, NET_CLOSED, dev->name);
		return;
	}
	if (d->origin && gre_classify(d->data, d->len) == GRE_SEALED)
		h->sealed_from[d->origin->id]++;
	/* The line comes before what the datagram causes. */
	net_count(net, d, NET_DELIVERED, dev->name);
	h->deliver(h->owner, d);
	sim_free(net->sim, d);
}

struct host *net_host(struct net *net, const char *name, uint16_t port)
{
	if (net->n_hosts == NET_HOSTS)
		SIM_FAIL(net->sim, "too many hosts");
	struct host *h = calloc(1, sizeof *h);
	if (!h)
		abort();
	h->device.net = net;
	h->device.receive = host_receive;
	snprintf(h->device.name, sizeof h->device.name, "%s", name);
	h->id = net->n_hosts;
	h->port = port;
	h->up = true;
	net->hosts[net->n_hosts++] = h;
	return h;
}

void net_send(struct host *h, const struct endpoint *to, const struct ip_addr *from, uint8_t ttl,
	uint8_t tos, const void *data, size_t len)
{
	const struct ip_addr *own = iface_address(&h->iface, to->addr.family);
	/* A sticky source that the host no longer has is as good as none. */
	if (from && from->family == to->addr.family && iface_owns(&h->iface, from))
		own = from;
	if (!h->up || !own)
		return;
	struct dgram *d = dgram_new(len);
	d->src = d->first_src = (struct endpoint){.addr = *own, .port = to->port ? h->port : 0};
	d->dst = d->first_dst = *to;
	d->origin = h;
	d->sent = h->device.net->sim->now;
	d->ttl = ttl ? ttl : NET_DEFAULT_TTL;
	d->tos = tos;
	memcpy(d->data, data, len);
	h->bytes_out += len;
	h->datagrams_out++;
	net_forward(&h->iface, d);
}

void net_block(struct host *a, struct host *b, bool blocked)
{
	uint64_t bit_a = UINT64_C(1) << a->id, bit_b = UINT64_C(1) << b->id;
	a->blocked = blocked ? a->blocked | bit_b : a->blocked & ~bit_b;
	b->blocked = blocked ? b->blocked | bit_a : b->blocked & ~bit_a;
}

void net_partition(struct net *net, uint64_t side)
{
	for (unsigned i = 0; i < net->n_hosts; i++) {
		bool inside = side >> i & 1;
		net->hosts[i]->blocked = side == 0 ? 0 : inside ? ~side : side;
	}
}
