/* The simulator's own parts: the clock, the network's faults, and NAT boxes as RFC 4787 names them. */
#include "test/sim/nat.h"
#include "test/sim/run.h"

#include <stdlib.h>
#include <string.h>

/*
 *   lan: a 172.16.0.10, b 172.16.0.11 --- NAT 198.51.100.1 --- internet: x, y 203.0.113.1, .2
 */
struct bed {
	struct net net;
	struct segment *lan, *internet;
	struct nat *nat;
	struct host *a, *b, *x, *y;
	unsigned got[NET_HOSTS];
	struct endpoint last_src[NET_HOSTS];
	uint8_t last_ttl[NET_HOSTS];
	struct bed_host {
		struct bed *bed;
		unsigned id;
	} hosts[NET_HOSTS];
};

static void bed_deliver(void *owner, const struct dgram *d)
{
	struct bed_host *h = owner;
	h->bed->got[h->id]++;
	h->bed->last_src[h->id] = d->src;
	h->bed->last_ttl[h->id] = d->ttl;
}

static void bed_free(void *ctx)
{
	struct bed *b = ctx;
	net_fini(&b->net);
	free(b);
}

static struct ip_addr addr(struct sim *s, const char *text)
{
	struct ip_addr a;
	CHECK(s, addr_parse(text, &a));
	return a;
}

static struct host *bed_host(
	struct bed *b, const char *name, struct segment *on, const char *v4, const char *v6)
{
	struct host *h = net_host(&b->net, name, 4754);
	b->hosts[h->id] = (struct bed_host){.bed = b, .id = h->id};
	h->owner = &b->hosts[h->id];
	h->deliver = bed_deliver;
	iface_attach(&h->iface, &h->device, on);
	struct ip_addr a4 = addr(b->net.sim, v4), a6 = addr(b->net.sim, v6);
	iface_add(&h->iface, &a4);
	iface_add(&h->iface, &a6);
	return h;
}

static struct bed *bed_new(struct sim *s, const struct nat_config *config)
{
	struct bed *b = calloc(1, sizeof *b);
	if (!b)
		abort();
	sim_defer(s, bed_free, b);
	net_init(&b->net, s);
	b->lan = net_segment(&b->net, "lan", 0, 0);
	b->internet = net_segment(&b->net, "internet", 10 * NS_PER_MS, 5);
	b->nat = nat_new(&b->net, "nat", config, b->lan, b->internet);
	struct ip_addr outside = addr(s, "198.51.100.1"), prefix = addr(s, "2001:db8:1::");
	iface_add(&b->nat->outside, &outside);
	b->nat->outside.routed = (struct prefix){.addr = prefix, .len = 64};
	b->a = bed_host(b, "a", b->lan, "172.16.0.10", "2001:db8:1::10");
	b->b = bed_host(b, "b", b->lan, "172.16.0.11", "2001:db8:1::11");
	b->x = bed_host(b, "x", b->internet, "203.0.113.1", "2001:db8:2::1");
	b->y = bed_host(b, "y", b->internet, "203.0.113.2", "2001:db8:2::2");
	return b;
}

static struct endpoint at(struct sim *s, const char *text)
{
	struct endpoint e;
	CHECK(s, endpoint_parse(text, 4754, &e));
	return e;
}

/* Sends one datagram, lets it arrive and says whether `to` got it. */
static bool send_to(struct bed *b, struct host *from, struct endpoint dst, struct host *to)
{
	unsigned before = b->got[to->id];
	net_send(from, &dst, NULL, 0, 0, "12345678", 8);
	sim_run(b->net.sim, 30 * NS_PER_MS);
	return b->got[to->id] == before + 1;
}

static bool send_text(struct bed *b, struct host *from, const char *dst, struct host *to)
{
	return send_to(b, from, at(b->net.sim, dst), to);
}

/* ---- RFC 4787 section 4.1: mapping ---------------------------------------------------------- */

static void mapping(struct sim *s, enum nat_behaviour how, bool same_for_port, bool same_for_addr)
{
	struct nat_config c = {.mapping = how};
	struct bed *b = bed_new(s, &c);
	CHECK(s, send_text(b, b->a, "203.0.113.1", b->x));
	struct endpoint first = b->last_src[b->x->id];
	CHECK(s, send_text(b, b->a, "203.0.113.2", b->y));
	CHECK_EQ(s, endpoint_equal(&first, &b->last_src[b->y->id]), same_for_addr);
	b->x->port = 4999;
	CHECK(s, send_text(b, b->a, "203.0.113.1:4999", b->x));
	CHECK_EQ(s, endpoint_equal(&first, &b->last_src[b->x->id]), same_for_port);
	b->x->port = 4754;
	CHECK(s, send_text(b, b->a, "203.0.113.1", b->x));
	CHECK(s, endpoint_equal(&first, &b->last_src[b->x->id]));
}

static void mapping_endpoint_independent(struct sim *s)
{
	mapping(s, NAT_ENDPOINT_INDEPENDENT, true, true);
}

static void mapping_address_dependent(struct sim *s)
{
	mapping(s, NAT_ADDRESS_DEPENDENT, true, false);
}

static void mapping_address_and_port_dependent(struct sim *s)
{
	mapping(s, NAT_ADDRESS_AND_PORT_DEPENDENT, false, false);
}

/* Section 4.2.1: port preservation; a second host wants the same port and gets another. */
static void port_preservation(struct sim *s)
{
	struct nat_config c = {.port_preserving = true};
	struct bed *b = bed_new(s, &c);
	CHECK(s, send_text(b, b->a, "203.0.113.1", b->x));
	CHECK_EQ(s, b->last_src[b->x->id].port, 4754);
	CHECK(s, send_text(b, b->b, "203.0.113.1", b->x));
	CHECK(s, b->last_src[b->x->id].port != 4754);
	CHECK(s, send_to(b, b->x, b->last_src[b->x->id], b->b));
}

/* ---- Section 5: filtering ------------------------------------------------------------------- */

static void filtering(struct sim *s, enum nat_behaviour how, bool other_port, bool other_addr)
{
	struct nat_config c = {.filtering = how, .port_preserving = true};
	struct bed *b = bed_new(s, &c);
	CHECK(s, !send_text(b, b->x, "198.51.100.1", b->a)); /* unsolicited */
	CHECK(s, send_text(b, b->a, "203.0.113.1", b->x));
	CHECK(s, send_text(b, b->x, "198.51.100.1", b->a));
	CHECK_EQ(s, send_text(b, b->y, "198.51.100.1", b->a), other_addr);
	b->x->port = 4999;
	CHECK_EQ(s, send_text(b, b->x, "198.51.100.1", b->a), other_port);
}

static void filtering_endpoint_independent(struct sim *s)
{
	filtering(s, NAT_ENDPOINT_INDEPENDENT, true, true);
}

static void filtering_address_restricted(struct sim *s)
{
	filtering(s, NAT_ADDRESS_DEPENDENT, true, false);
}

static void filtering_port_restricted(struct sim *s)
{
	filtering(s, NAT_ADDRESS_AND_PORT_DEPENDENT, false, false);
}

/* Section 4.3: a mapping lives as long as it is used, in either direction, and no longer. */
static void mapping_timeout(struct sim *s)
{
	struct nat_config c = {.port_preserving = true, .timeout_ns = 30 * NS_PER_S};
	struct bed *b = bed_new(s, &c);
	CHECK(s, send_text(b, b->a, "203.0.113.1", b->x));
	for (int i = 0; i < 4; i++) {
		sim_run(s, 20 * NS_PER_S);
		CHECK(s, send_text(b, b->x, "198.51.100.1", b->a));
	}
	sim_run(s, 31 * NS_PER_S);
	CHECK_EQ(s, nat_count(b->nat), 0);
	CHECK(s, !send_text(b, b->x, "198.51.100.1", b->a));
}

/* Section 6: hairpinning, with the external source (REQ-9a). */
static void hairpin(struct sim *s)
{
	struct nat_config c = {.port_preserving = true, .hairpin = true};
	struct bed *b = bed_new(s, &c);
	CHECK(s, send_text(b, b->b, "203.0.113.1", b->x));
	struct endpoint outside_b = b->last_src[b->x->id];
	CHECK(s, send_to(b, b->a, outside_b, b->b));
	struct ip_addr outside = addr(s, "198.51.100.1");
	CHECK(s, addr_equal(&b->last_src[b->b->id].addr, &outside));
	b->nat->config.hairpin = false;
	CHECK(s, !send_to(b, b->a, outside_b, b->b));
	/* On the LAN itself no box is needed. */
	CHECK(s, send_text(b, b->a, "172.16.0.11", b->b));
	CHECK_EQ(s, b->last_ttl[b->b->id], NET_DEFAULT_TTL);
}

/*
 * The trap of a Linux router that lets unsolicited datagrams reach its INPUT chain: the punch that
 * comes first moves our own mapping towards that remote to another port.
 */
static void conntrack_trap(struct sim *s)
{
	struct nat_config c = nat_preset(NAT_TRAP);
	struct bed *b = bed_new(s, &c);
	CHECK(s, !send_text(b, b->x, "198.51.100.1", b->a));
	CHECK(s, send_text(b, b->a, "203.0.113.1", b->x));
	CHECK(s, b->last_src[b->x->id].port != 4754);
	CHECK(s, !send_text(b, b->x, "198.51.100.1", b->a)); /* x sends to the port it expects */
	CHECK(s, send_to(b, b->x, b->last_src[b->x->id], b->a));
	CHECK(s, send_text(b, b->a, "203.0.113.2", b->y)); /* other remotes are not affected */
	CHECK_EQ(s, b->last_src[b->y->id].port, 4754);
	/* 30 s without punches free the tuple; our mapping has gone by then too. */
	sim_run(s, 121 * NS_PER_S);
	CHECK(s, send_text(b, b->a, "203.0.113.1", b->x));
	CHECK_EQ(s, b->last_src[b->x->id].port, 4754);
}

/* A punch whose TTL dies on the way opens our box without springing the other's trap. */
static void ttl_dies_inside(struct sim *s)
{
	struct nat_config c = nat_preset(NAT_TRAP);
	struct bed *b = bed_new(s, &c);
	struct endpoint x = at(s, "203.0.113.1"), nat = at(s, "198.51.100.1");
	net_send(b->a, &x, NULL, 4, 0, "ttl 4", 5);
	sim_run(s, 30 * NS_PER_MS);
	CHECK_EQ(s, b->got[b->x->id], 0);
	CHECK_EQ(s, b->net.fates[NET_TTL], 1);
	CHECK(s, send_to(b, b->x, nat, b->a));
	CHECK_EQ(s, b->last_ttl[b->a->id], NET_DEFAULT_TTL - 5 - 1);
	net_send(b->y, &nat, NULL, 4, 0, "ttl 4", 5);
	sim_run(s, 30 * NS_PER_MS);
	CHECK_EQ(s, b->nat->n_traps, 0);
}

static void rebinding(struct sim *s)
{
	struct nat_config c = {.port_preserving = true};
	struct bed *b = bed_new(s, &c);
	CHECK(s, send_text(b, b->a, "203.0.113.1", b->x));
	nat_rebind(b->nat);
	CHECK(s, !send_text(b, b->x, "198.51.100.1", b->a));
	CHECK(s, send_text(b, b->a, "203.0.113.1", b->x));
	CHECK(s, b->last_src[b->x->id].port != 4754);
}

/* IPv6: no translation, the same filtering (RFC 6092). */
static void ipv6_firewall(struct sim *s)
{
	struct nat_config c = nat_preset(NAT_SYMMETRIC);
	struct bed *b = bed_new(s, &c);
	CHECK(s, !send_text(b, b->x, "[2001:db8:1::10]:4754", b->a));
	CHECK(s, send_text(b, b->a, "[2001:db8:2::1]:4754", b->x));
	struct ip_addr a = addr(s, "2001:db8:1::10");
	CHECK(s, addr_equal(&b->last_src[b->x->id].addr, &a));
	CHECK_EQ(s, b->last_src[b->x->id].port, 4754);
	CHECK(s, send_text(b, b->x, "[2001:db8:1::10]:4754", b->a));
	CHECK(s, !send_text(b, b->y, "[2001:db8:1::10]:4754", b->a));
}

/* ---- The network ---------------------------------------------------------------------------- */

static void faults_are_as_often_as_asked(struct sim *s)
{
	struct nat_config c = {0};
	struct bed *b = bed_new(s, &c);
	struct endpoint y = at(s, "203.0.113.2");
	b->internet->loss_ppm = 100000;
	b->internet->dup_ppm = 50000;
	for (int i = 0; i < 10000; i++)
		net_send(b->x, &y, NULL, 0, 0, "x", 1);
	sim_run(s, NS_PER_S);
	CHECK_RANGE(s, b->net.fates[NET_LOST], 850, 1150);
	CHECK_RANGE(s, b->got[b->y->id], 9000 + 350, 9000 + 650);
}

static void blocking_and_partition(struct sim *s)
{
	struct nat_config c = {0};
	struct bed *b = bed_new(s, &c);
	net_block(b->x, b->y, true);
	CHECK(s, !send_text(b, b->x, "203.0.113.2", b->y));
	CHECK(s, !send_text(b, b->y, "203.0.113.1", b->x));
	CHECK(s, send_text(b, b->a, "203.0.113.1", b->x));
	net_block(b->x, b->y, false);
	CHECK(s, send_text(b, b->x, "203.0.113.2", b->y));
	net_partition(&b->net, UINT64_C(1) << b->x->id);
	CHECK(s, !send_text(b, b->x, "203.0.113.2", b->y));
	CHECK(s, !send_text(b, b->a, "203.0.113.1", b->x));
	CHECK(s, send_text(b, b->a, "203.0.113.2", b->y));
	net_partition(&b->net, 0);
	CHECK(s, send_text(b, b->x, "203.0.113.2", b->y));
}

struct noted {
	struct sim *sim;
	char text[16];
};

static void note_event(void *ctx, void *arg)
{
	struct noted *noted = ctx;
	noted->text[strlen(noted->text)] = *(char *)arg;
	sim_free(noted->sim, arg);
}

static void events_run_in_order(struct sim *s)
{
	struct noted noted = {.sim = s};
	static const struct {
		unsigned at;
		char c;
	} plan[] = {{5, 'e'}, {1, 'a'}, {3, 'c'}, {3, 'd'}, {2, 'b'}, {9, 'f'}};
	for (size_t i = 0; i < sizeof plan / sizeof *plan; i++) {
		char *c = malloc(1);
		if (!c)
			abort();
		*c = plan[i].c;
		sim_at(s, s->start + plan[i].at, note_event, &noted, c);
	}
	sim_run(s, 6);
	CHECK(s, strcmp(noted.text, "abcde") == 0);
	CHECK_EQ(s, sim_elapsed(s), 6);
}

static const struct sim_case cases[] = {
	{"mapping-endpoint-independent", mapping_endpoint_independent},
	{"mapping-address-dependent", mapping_address_dependent},
	{"mapping-address-and-port-dependent", mapping_address_and_port_dependent},
	{"port-preservation", port_preservation},
	{"filtering-endpoint-independent", filtering_endpoint_independent},
	{"filtering-address-restricted", filtering_address_restricted},
	{"filtering-port-restricted", filtering_port_restricted},
	{"mapping-timeout", mapping_timeout},
	{"hairpin", hairpin},
	{"conntrack-trap", conntrack_trap},
	{"ttl-dies-inside", ttl_dies_inside},
	{"rebinding", rebinding},
	{"ipv6-firewall", ipv6_firewall},
	{"faults-are-as-often-as-asked", faults_are_as_often_as_asked},
	{"blocking-and-partition", blocking_and_partition},
	{"events-run-in-order", events_run_in_order},
};

SIM_MAIN(cases, 1)
