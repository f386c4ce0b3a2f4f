/* RFC 2332, sections 5.2.5, 5.2.6 and 6.2: purges, and what is purged. docs/rfc2332.md names these cases. */
#include "test/sim/rfc2332.h"
#include "test/sim/run.h"

/* ---- 5.2.5, 5.2.6 Purge ------------------------------------------------------------------------- */

static void purge_reply_unless_n(struct sim *s)
{
	struct trio t = trio_new(s);
	struct nhrp_view v;
	/* Whether there was anything to purge or not. */
	struct nhrp_packet p = purge(&t, "10.0.0.77");
	p.flags = 0x0010; /* unused */
	say(t.alice, t.hub, &p);
	const struct nhrp_packet *r = heard(t.alice, NHRP_PURGE_REPLY);
	CHECK_EQ(s, r->request_id, p.request_id);
	CHECK_EQ(s, r->flags, 0);
	CHECK_EQ(s, r->cies.n, 1);
	CHECK(s, addr_equal(&r->cies.v[0].proto, &p.cies.v[0].proto));
	CHECK(s, addr_equal(&r->dst_proto, &p.dst_proto));
	CHECK_EQ(s, r->responder.n, 1);
	p = purge(&t, "10.0.0.11");
	say(t.alice, t.hub, &p);
	CHECK_EQ(s, ear_count(t.alice, NHRP_PURGE_REPLY), 2);
	CHECK(s, !node_nhrp(t.hub, "binding", "10.0.0.11/32", &v));
	p = purge(&t, "10.0.0.11");
	p.flags = NHRP_PURGE_NO_REPLY;
	say(t.alice, t.hub, &p);
	CHECK_EQ(s, ear_count(t.alice, NHRP_PURGE_REPLY), 2);
	/* Another's binding is not hers to purge. */
	p = purge(&t, "10.0.0.12");
	say(t.alice, t.hub, &p);
	CHECK(s, node_nhrp(t.hub, "binding", "10.0.0.12/32", &v));
}

static void unsolicited_purge_reply_is_ignored(struct sim *s)
{
	struct trio t = trio_new(s);
	struct nhrp_packet p = purge(&t, "10.0.0.11");
	p.type = NHRP_PURGE_REPLY;
	uint64_t before = node_digest(t.hub);
	say(t.alice, t.hub, &p);
	CHECK_EQ(s, node_digest(t.hub), before);
	CHECK_EQ(s, ear_count(t.alice, NHRP_ERROR_INDICATION), 0);
	CHECK_EQ(s, ear_count(t.alice, NHRP_PURGE_REPLY), 0);
}

/* A purge of ours: the hub's own, to who was told, with an id of its own and no more than the prefix. */
static void purged_by_bob(struct sim *s, uint8_t prefix_len)
{
	struct trio t = trio_new(s);
	struct flow *f =
		flow_start(t.alice, t.bob, INNER_ECHO, "10.0.0.11", "192.168.2.7", MS(50), 20);
	sim_run(s, S(3));
	flow_finish(f);
	CHECK(s, node_shortcut(t.alice, "192.168.2.0/24"));
	struct nhrp_packet p;
	struct nhrp_cie cie = {.prefix_len = prefix_len, .proto = addr(s, "192.168.2.0")};
	ear_begin(t.bob, t.hub, NHRP_PURGE_REQUEST, &p);
	p.dst_proto = node_address(t.hub, 4);
	nhrp_add_cie(&p, &cie);
	say(t.bob, t.hub, &p);
	CHECK(s, !node_shortcut(t.alice, "192.168.2.0/24"));
	const struct nhrp_packet *q = heard(t.alice, NHRP_PURGE_REQUEST);
	struct ip_addr hub = node_address(t.hub, 4), alice = node_address(t.alice, 4);
	CHECK(s, addr_equal(&q->src_proto, &hub));
	CHECK(s, addr_equal(&q->dst_proto, &alice));
	CHECK_EQ(s, q->cies.n, 1);
	CHECK(s, addr_equal(&q->cies.v[0].proto, &cie.proto));
	CHECK_EQ(s, q->cies.v[0].prefix_len, 24);
	CHECK_EQ(s,
		q->cies.v[0].code | q->cies.v[0].mtu | q->cies.v[0].holding_time_s |
			q->cies.v[0].preference | q->cies.v[0].nbma.family,
		0);
	CHECK_EQ(s, ear_count(t.hub, NHRP_PURGE_REPLY), 1);
	/* Once: nobody is told again of what he knows. */
	say(t.bob, t.hub, &p);
	CHECK_EQ(s, ear_count(t.alice, NHRP_PURGE_REQUEST), 1);
}

static void purge_is_a_new_one(struct sim *s)
{
	purged_by_bob(s, 24);
}

/* A part of what was told, or more: all that was told goes, since nobody knows what is left of it. */
static void purge_of_a_part(struct sim *s)
{
	purged_by_bob(s, 26);
	purged_by_bob(s, 20);
}

/* What bob has as his LAN he registers nowhere: the routes of the others lead there. alice has a shortcut. */
static struct trio trio_with_routes(struct sim *s)
{
	struct trio t = {.w = world_new(s, MS(20))};
	t.w->families = 4;
	t.hub = world_hub(t.w, "hub", "10.0.0.1/24");
	t.alice = world_spoke(t.w, "alice", "10.0.0.11/24", NAT_PORT_RESTRICTED);
	t.bob = world_spoke(t.w, "bob", "10.0.0.12/24", NAT_PORT_RESTRICTED);
	world_grant(t.bob, "192.168.0.0/16");
	node_own(t.bob, "192.168.2.0/24");
	node_route(t.bob, "192.168.2.0/24", NULL, ROUTE_TYPE_OTHER);
	node_route(t.alice, "192.168.0.0/16", "10.0.0.1", ROUTE_TYPE_OVERLAY);
	node_route(t.hub, "192.168.0.0/16", "10.0.0.12", ROUTE_TYPE_OVERLAY);
	world_up(t.w);
	ear_open(t.w);
	struct flow *f =
		flow_start(t.alice, t.bob, INNER_ECHO, "10.0.0.11", "192.168.2.7", MS(50), 40);
	sim_run(s, S(3));
	flow_finish(f);
	CHECK_EQ(s, flow_lost(f), 0);
	CHECK(s, node_shortcut(t.alice, "192.168.2.0/24"));
	return t;
}

/*
 * The egress remembers what it answered: when its routing has changed it says so, although neither its
 * registration nor the requester's route says anything of that prefix.
 */
static void answer_that_changes_is_purged(struct sim *s)
{
	struct trio t = trio_with_routes(s);
	/* More than was answered, or the same by another way: nothing to say. */
	node_route(t.bob, "192.168.0.0/16", NULL, ROUTE_TYPE_OTHER);
	sim_run(s, S(1));
	CHECK_EQ(s, ear_count(t.hub, NHRP_PURGE_REQUEST), 0);
	/* A hole in it. */
	node_route(t.bob, "192.168.2.128/25", "10.0.0.1", ROUTE_TYPE_OVERLAY);
	sim_run(s, S(1));
	CHECK(s, ear_count(t.hub, NHRP_PURGE_REQUEST) == 1);
	CHECK(s, !node_shortcut(t.alice, "192.168.2.0/24"));
	struct flow *f =
		flow_start(t.alice, t.bob, INNER_ECHO, "10.0.0.11", "192.168.2.7", MS(50), 800);
	sim_run(s, S(35));
	CHECK(s, node_shortcut(t.alice, "192.168.2.0/25"));
	flow_stop(f);
	node_unroute(t.bob, "192.168.2.0/24");
	node_unroute(t.bob, "192.168.0.0/16");
	sim_run(s, S(1));
	CHECK(s, !node_shortcut(t.alice, "192.168.2.0/25"));
}

/* The address by which the prefix was reached goes: so does all that was told of it. */
static void address_takes_its_answers_along(struct sim *s)
{
	struct trio t = trio_with_routes(s);
	net_block(t.alice->host, t.bob->host, true); /* she is not to hear it from him */
	node_stop(t.bob);
	sim_run(s, MS(200));
	CHECK_EQ(s, ear_count(t.alice, NHRP_PURGE_REQUEST), 1);
	CHECK(s, !node_shortcut(t.alice, "192.168.2.0/24"));
}

static const struct sim_case cases[] = {
	{"purge-reply-unless-n", purge_reply_unless_n},
	{"unsolicited-purge-reply-is-ignored", unsolicited_purge_reply_is_ignored},
	{"purge-is-a-new-one", purge_is_a_new_one},
	{"purge-of-a-part", purge_of_a_part},
	{"answer-that-changes-is-purged", answer_that_changes_is_purged},
	{"address-takes-its-answers-along", address_takes_its_answers_along},
};

SIM_MAIN(cases, 1)
