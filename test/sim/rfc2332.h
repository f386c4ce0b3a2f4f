#ifndef WARREN_SIM_RFC2332_H
#define WARREN_SIM_RFC2332_H

#include "test/sim/ear.h"

#include <string.h>

/* A hub and two spokes, and packets written by hand where ours would not say such things. */
struct trio {
	struct world *w;
	struct node *hub, *alice, *bob;
};

/* bob has 192.168.2.0/24, a LAN of his; alice's routing points at the hub for it. */
static inline struct trio trio_new(struct sim *s)
{
	struct trio t = {.w = world_new(s, MS(20))};
	t.w->families = 4;
	t.hub = world_hub(t.w, "hub", "10.0.0.1/24");
	t.alice = world_spoke(t.w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	t.bob = world_spoke(t.w, "bob", "10.0.0.12/24", NAT_PORT_RESTRICTED);
	t.bob->config.shortcut = false; /* he only answers */
	world_lan(t.w, t.bob, "192.168.2.0/24");
	node_route(t.alice, "192.168.2.0/24", "10.0.0.1", ROUTE_TYPE_OVERLAY);
	world_up(t.w);
	sim_run(s, S(1));
	ear_open(t.w);
	return t;
}

static inline struct ip_addr addr(struct sim *s, const char *text)
{
	struct ip_addr a;
	CHECK(s, addr_parse(text, &a));
	return a;
}

/* A Resolution Request of alice's as it would stand, id included. */
static inline struct nhrp_packet resolution(struct trio *t, const char *target)
{
	struct nhrp_packet p;
	struct nhrp_cie cie = {.holding_time_s = 600};
	ear_begin(t->alice, t->hub, NHRP_RESOLUTION_REQUEST, &p);
	p.flags = NHRP_RES_ROUTER | NHRP_RES_AUTHORITATIVE | NHRP_RES_SOURCE_STABLE | NHRP_FLAG_NAT;
	p.dst_proto = addr(t->w->sim, target);
	nhrp_add_cie(&p, &cie);
	nhrp_ext_standard(&p, false, true);
	p.vendor.have_static_key = true;
	memcpy(p.vendor.static_key, t->alice->cert.static_key, 32);
	return p;
}

static inline struct nhrp_packet registration(struct trio *t)
{
	struct nhrp_packet p;
	ear_begin(t->alice, t->hub, NHRP_REGISTRATION_REQUEST, &p);
	struct nhrp_cie cie = {.holding_time_s = 600, .prefix_len = 32, .proto = p.src_proto};
	p.dst_proto = addr(t->w->sim, "10.0.0.1");
	nhrp_add_cie(&p, &cie);
	nhrp_ext_standard(&p, false, true);
	return p;
}

static inline struct nhrp_packet purge(struct trio *t, const char *host)
{
	struct nhrp_packet p;
	struct nhrp_cie cie = {.prefix_len = 32, .proto = addr(t->w->sim, host)};
	ear_begin(t->alice, t->hub, NHRP_PURGE_REQUEST, &p);
	p.dst_proto = addr(t->w->sim, "10.0.0.1");
	nhrp_add_cie(&p, &cie);
	nhrp_ext_standard(&p, false, false);
	return p;
}

/* bob's answer to it. */
static inline struct nhrp_packet reply_of_bob(struct trio *t, const struct nhrp_packet *request)
{
	struct nhrp_packet p = *request;
	p.type = NHRP_RESOLUTION_REPLY;
	p.cies.n = 0;
	struct nhrp_cie cie = {.holding_time_s = 600, .proto = addr(t->w->sim, "10.0.0.12")};
	nhrp_add_cie(&p, &cie);
	nhrp_ext_add_cie(&p, NHRP_EXT_RESPONDER, &cie);
	memcpy(p.vendor.static_key, t->bob->cert.static_key, 32);
	return p;
}

static inline void add_unknown(struct nhrp_packet *p, bool compulsory)
{
	static const uint8_t value[] = {1, 2, 3};
	p->exts[p->n_exts++] = (struct nhrp_ext){
		.type = 0x3801, .compulsory = compulsory, .raw = true, .len = 3, .data = value};
}

static inline void say(struct node *from, struct node *to, const struct nhrp_packet *p)
{
	ear_say(from, to, p);
	sim_run(from->sim, MS(200));
}

static inline const struct nhrp_packet *heard(const struct node *at, enum nhrp_type type)
{
	return &ear_last(at, type)->packet;
}

/* The last one of this source. */
static inline const struct nhrp_packet *heard_from(
	const struct node *at, enum nhrp_type type, const struct node *who)
{
	struct ip_addr source = node_address(who, 4);
	unsigned i = ear_count(at, type);
	while (i > 0 && !addr_equal(&ear_at(at, type, i - 1)->packet.src_proto, &source))
		i--;
	return &ear_at(at, type, i ? i - 1 : 0)->packet;
}

/* Exactly one error indication has come to this node: this one. */
static inline const struct nhrp_packet *the_error(
	const struct node *at, uint16_t code, uint16_t offset)
{
	struct sim *s = at->sim;
	CHECK_EQ(s, ear_count(at, NHRP_ERROR_INDICATION), 1);
	const struct nhrp_packet *e = heard(at, NHRP_ERROR_INDICATION);
	CHECK_EQ(s, e->error_code, code);
	CHECK_EQ(s, e->error_offset, offset);
	CHECK_EQ(s, e->n_exts, 0);
	CHECK(s, !e->have_end);
	return e;
}

#endif
