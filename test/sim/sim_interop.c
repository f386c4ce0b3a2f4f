/*
 * Interop mode between engines: plaintext hub and spokes, beside a sealed network. What a foreign
 * implementation says is in sim_foreign.c.
 */
#include "core/engine/node.h"
#include "test/sim/run.h"
#include "test/sim/world.h"

#include <string.h>

#define WORD "s3cret42"

struct cloud {
	struct world *w;
	struct node *hub, *alice, *bob;
	const char *word;
	bool raw;
	uint32_t key; /* 0: none */
};

/* A section of n for this underlay address or prefix, and up to three allowed addresses or prefixes. */
static struct engine_interop *section(struct cloud *c, struct node *n, const char *name, bool hub,
	const char *underlay, const char *const *allow)
{
	struct engine_interop *s = &n->config.interop[n->config.n_interop++];
	*s = (struct engine_interop){
		.hub = hub, .raw = c->raw, .have_key = c->key != 0, .key = c->key};
	strcpy(s->name, name);
	strcpy(s->word, c->word);
	if (!prefix_parse(underlay, &s->underlay))
		SIM_FAIL(n->sim, "%s", underlay);
	for (; *allow; allow++)
		if (!prefix_parse(*allow, &s->allow[s->n_allow++]))
			SIM_FAIL(n->sim, "%s", *allow);
	return s;
}

#define ALLOW(...)                                                                                 \
	(const char *const[])                                                                      \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}

/* Spokes at 198.51.100.10 and .11 with LANs behind them; they know of no sealed hub. */
static struct cloud cloud_new(struct sim *s, const char *word, bool raw, uint32_t key)
{
	struct cloud c = {.w = world_new(s, MS(20)), .word = word, .raw = raw, .key = key};
	c.w->families = 4;
	c.hub = world_hub(c.w, "hub", "10.0.0.1/24");
	c.alice = world_spoke(c.w, "alice", "10.0.0.11/24", NAT_NONE);
	c.bob = world_spoke(c.w, "bob", "10.0.0.12/24", NAT_NONE);
	world_lan(c.w, c.bob, "192.168.12.0/24");
	section(&c, c.hub, "cloud", false, "198.51.100.0/24",
		ALLOW("10.0.0.0/24", "192.168.0.0/16"));
	for (int i = 0; i < 2; i++) {
		struct node *n = i ? c.bob : c.alice;
		section(&c, n, "hub", true, "203.0.113.1",
			ALLOW("10.0.0.1", "10.0.0.0/24", "192.168.0.0/16"));
		section(&c, n, "spokes", false, "198.51.100.0/24",
			ALLOW("10.0.0.0/24", "192.168.0.0/16"));
	}
	node_route(c.alice, "192.168.12.0/24", "10.0.0.1", ROUTE_TYPE_OVERLAY);
	node_route(c.hub, "192.168.12.0/24", "10.0.0.12", ROUTE_TYPE_OVERLAY);
	return c;
}

static void start(struct cloud *c)
{
	world_sign(c->w);
	world_start_node(c->w, c->hub);
	node_start(c->alice, NULL, 0);
	node_start(c->bob, NULL, 0);
}

static bool both_ready(struct cloud *c)
{
	return node_ready(c->alice) && node_ready(c->bob);
}

static void up(struct sim *s, struct cloud *c)
{
	start(c);
	WAIT_FOR(s, S(5), both_ready(c));
	sim_run(s, S(1));
}

/* ---- Among ourselves ------------------------------------------------------------------------ */

/*
 *   alice                hub                 bob
 *     echo       ->      relayed      ->
 *     <- Traffic Indication
 *     Resolution Request -> forwarded ->             bob knows alice from it
 *     <- Reply           <- forwarded <-             alice knows bob: the shortcut
 *     echo       -------------------->
 */
static void direct(struct sim *s, const char *word, bool raw, uint32_t key)
{
	struct cloud c = cloud_new(s, word, raw, key);
	up(s, &c);
	struct flow *f =
		flow_start(c.alice, c.bob, INNER_ECHO, "10.0.0.11", "192.168.12.7", MS(20), 200);
	sim_run(s, S(6));
	CHECK_EQ(s, f->n, 200);
	CHECK_EQ(s, flow_lost(f), 0);
	CHECK(s, node_shortcut(c.alice, "192.168.12.0/24"));
	CHECK_RANGE(s, flow_last_relayed(f), 0, S(1));
	struct peer_view v;
	CHECK(s, node_peer(c.alice, "spokes-198.51.100.11", &v));
	CHECK(s, v.plaintext && strcmp(v.cipher, "none (plaintext)") == 0);
	/* It ends with its holding time once nobody uses it, and then the member with it. */
	sim_run(s, S(1300));
	CHECK(s, !node_shortcut(c.alice, "192.168.12.0/24"));
	CHECK(s, !node_peer(c.alice, "spokes-198.51.100.11", &v));
	CHECK(s, both_ready(&c));
}

static void direct_udp(struct sim *s)
{
	direct(s, "", false, 0);
}

static void direct_udp_key_word(struct sim *s)
{
	direct(s, WORD, false, 42);
}

static void direct_gre_key_word(struct sim *s)
{
	direct(s, WORD, true, 42);
}

/* On link: the next hop itself is resolved. */
static void next_hop_is_resolved(struct sim *s)
{
	struct cloud c = cloud_new(s, WORD, false, 42);
	up(s, &c);
	struct flow *f = flow_ping(c.alice, c.bob, 4, MS(20), 200);
	sim_run(s, S(6));
	CHECK_EQ(s, flow_lost(f), 0);
	CHECK(s, node_shortcut(c.alice, "10.0.0.12/32"));
	CHECK_RANGE(s, flow_last_relayed(f), 0, S(1));
}

/* A used one is renewed by way of the hub. */
static void used_shortcut_is_renewed(struct sim *s)
{
	struct cloud c = cloud_new(s, WORD, false, 0);
	c.alice->config.holding_time_s = c.bob->config.holding_time_s = 60;
	up(s, &c);
	struct flow *f = flow_ping(c.alice, c.bob, 4, MS(200), 0);
	sim_run(s, S(400));
	flow_finish(f);
	CHECK_EQ(s, flow_lost(f), 0);
	CHECK_RANGE(s, flow_last_relayed(f), 0, S(2));
}

static void ipv6_inside_and_out(struct sim *s)
{
	struct cloud c = {.w = world_new(s, MS(20)), .word = WORD, .key = 42};
	c.w->families = 6;
	c.hub = world_hub(c.w, "hub", "fd00::1/64");
	c.alice = world_spoke(c.w, "alice", "fd00::11/64", NAT_NONE);
	c.bob = world_spoke(c.w, "bob", "fd00::12/64", NAT_NONE);
	section(&c, c.hub, "cloud", false, "2001:db8:100::/48", ALLOW("fd00::/64"));
	for (int i = 0; i < 2; i++) {
		struct node *n = i ? c.bob : c.alice;
		section(&c, n, "hub", true, "2001:db8:113::1", ALLOW("fd00::1", "fd00::/64"));
		section(&c, n, "spokes", false, "2001:db8:100::/48", ALLOW("fd00::/64"));
	}
	up(s, &c);
	struct flow *f = flow_ping(c.alice, c.bob, 6, MS(20), 200);
	sim_run(s, S(6));
	CHECK_EQ(s, flow_lost(f), 0);
	CHECK(s, node_shortcut(c.alice, "fd00::12/128"));
	CHECK_RANGE(s, flow_last_relayed(f), 0, S(1));
}

/* Found out by the next refresh, a third of the holding time on, and so is its return. */
static void hub_that_is_gone(struct sim *s)
{
	struct cloud c = cloud_new(s, WORD, false, 42);
	struct peer_view v;
	c.alice->config.holding_time_s = 60;
	up(s, &c);
	node_crash(c.hub);
	WAIT_FOR(s, S(40), node_peer(c.alice, "hub", &v) && !v.direct);
	world_start_node(c.w, c.hub);
	WAIT_FOR(s, S(6), node_peer(c.alice, "hub", &v) && v.direct);
	struct flow *f = flow_ping(c.alice, c.hub, 4, MS(50), 20);
	sim_run(s, S(2));
	CHECK_EQ(s, flow_lost(f), 0);
}

static void multicast_reaches_members(struct sim *s)
{
	struct cloud c = cloud_new(s, WORD, false, 42);
	up(s, &c);
	struct flow *f = flow_start(c.hub, NULL, INNER_UDP, "10.0.0.1", "224.0.0.5", MS(100), 10);
	sim_run(s, S(3));
	uint64_t both = UINT64_C(1) << c.alice->host->id | UINT64_C(1) << c.bob->host->id;
	for (unsigned i = 0; i < 10; i++)
		CHECK_EQ(s, f->packets[i].seen, both);
}

static void spoke_behind_nat(struct sim *s)
{
	struct cloud c = cloud_new(s, WORD, false, 42);
	/* What the box shows is listed, what is behind it is not. */
	struct node *carol = world_spoke(c.w, "carol", "10.0.0.13/24", NAT_FULL_CONE);
	section(&c, carol, "hub", true, "203.0.113.1", ALLOW("10.0.0.1", "10.0.0.0/24"));
	world_sign(c.w);
	start(&c);
	node_start(carol, NULL, 0);
	WAIT_FOR(s, S(5), node_ready(carol));
	sim_run(s, S(1));
	struct flow *f = flow_ping(c.hub, carol, 4, MS(20), 50);
	sim_run(s, S(2));
	CHECK_EQ(s, flow_lost(f), 0);
}

/* ---- What is refused ------------------------------------------------------------------------ */

static void wrong_key(struct sim *s)
{
	struct cloud c = cloud_new(s, WORD, false, 42);
	c.alice->config.interop[0].key = 43;
	start(&c);
	sim_run(s, S(20));
	CHECK(s, !node_ready(c.alice));
	CHECK(s, node_ready(c.bob));
	CHECK(s, node_dropped(c.hub, DROP_PLAIN_KEY) > 0);
}

static void no_key_where_one_is_due(struct sim *s)
{
	struct cloud c = cloud_new(s, WORD, false, 42);
	c.alice->config.interop[0].have_key = false;
	start(&c);
	sim_run(s, S(20));
	CHECK(s, !node_ready(c.alice));
	CHECK(s, node_dropped(c.hub, DROP_PLAIN_KEY) > 0);
}

/* Error 11 comes back; what it says is not believed, and the spoke goes on asking. */
static void wrong_word(struct sim *s)
{
	struct cloud c = cloud_new(s, WORD, false, 0);
	strcpy(c.alice->config.interop[0].word, "another");
	c.bob->config.interop[0].word[0] = '\0';
	start(&c);
	sim_run(s, S(20));
	CHECK(s, !node_ready(c.alice));
	CHECK(s, !node_ready(c.bob));
	CHECK(s, node_dropped(c.hub, DROP_PLAIN_AUTH) > 5);
	CHECK(s, node_nhrp_counters(c.alice).in[NHRP_ERROR_INDICATION] > 0);
	CHECK_EQ(s, node_nhrp_count(c.hub, "binding"), 0);
}

static void unlisted_address(struct sim *s)
{
	struct cloud c = cloud_new(s, "", false, 0);
	prefix_parse("198.51.100.11", &c.hub->config.interop[0].underlay);
	start(&c);
	sim_run(s, S(20));
	CHECK(s, !node_ready(c.alice));
	CHECK(s, node_ready(c.bob));
	CHECK_EQ(s, node_nhrp_count(c.hub, "binding"), 1);
}

/* A protocol address outside `allow`, and the hub's own. */
static void address_outside(struct sim *s)
{
	struct cloud c = cloud_new(s, "", false, 0);
	struct engine_interop *at_hub = &c.hub->config.interop[0];
	at_hub->n_allow = 0;
	prefix_parse("10.0.0.12", &at_hub->allow[at_hub->n_allow++]);
	start(&c);
	sim_run(s, S(20));
	CHECK(s, !node_ready(c.alice));
	CHECK(s, node_ready(c.bob));
	CHECK(s, node_nhrp_counters(c.hub).naks_sent > 0);
	struct nhrp_view v;
	CHECK(s, node_nhrp(c.alice, "refused", NULL, &v));
	CHECK_EQ(s, v.code, NHRP_CODE_PROHIBITED);
}

/* Without a section on one side nothing plaintext is taken, and no answer comes. */
static void nothing_without_a_section(struct sim *s)
{
	struct cloud c = cloud_new(s, "", false, 0);
	c.hub->config.n_interop = 0;
	start(&c);
	sim_run(s, S(20));
	CHECK(s, !node_ready(c.alice));
	CHECK_EQ(s, node_nhrp_counters(c.hub).in[NHRP_REGISTRATION_REQUEST], 0);
	CHECK_EQ(s, c.hub->host->datagrams_out, 0);
	CHECK_EQ(s, node_status(c.hub).peers, 0);
}

/* ---- Beside a sealed network ---------------------------------------------------------------- */

/* carol has a session with the hub; alice and bob are plaintext members. */
static struct node *with_carol(struct cloud *c)
{
	struct node *carol = world_spoke(c->w, "carol", "10.0.0.13/24", NAT_PORT_RESTRICTED);
	world_sign(c->w);
	start(c);
	world_start_node(c->w, carol);
	WAIT_FOR(c->w->sim, S(10), both_ready(c) && node_ready(carol));
	sim_run(c->w->sim, S(1));
	return carol;
}

static void no_relay_by_default(struct sim *s)
{
	struct cloud c = cloud_new(s, "", false, 0);
	struct node *carol = with_carol(&c);
	struct flow *f = flow_ping(carol, c.bob, 4, MS(100), 20);
	struct flow *g = flow_ping(c.bob, carol, 4, MS(100), 20);
	sim_run(s, S(5));
	CHECK_EQ(s, f->delivered, 0);
	CHECK_EQ(s, g->delivered, 0);
	CHECK(s, node_dropped(c.hub, DROP_PLAIN_REFUSED) >= 40);
	CHECK_EQ(s, node_nhrp_count(carol, "shortcut"), 0);
	CHECK_EQ(s, node_nhrp_count(c.bob, "shortcut"), 0);
}

/* Relayed where that is allowed, but never directly: they cannot meet. */
static void relay_stays_with_the_hub(struct sim *s)
{
	struct cloud c = cloud_new(s, "", false, 0);
	c.hub->config.relay_plaintext = true;
	struct node *carol = with_carol(&c);
	struct flow *f = flow_ping(carol, c.bob, 4, MS(50), 100);
	struct flow *g = flow_ping(c.bob, carol, 4, MS(50), 100);
	sim_run(s, S(8));
	CHECK_EQ(s, flow_lost(f), 0);
	CHECK_EQ(s, flow_lost(g), 0);
	CHECK_EQ(s, flow_first_direct(f), TS_NEVER);
	CHECK_EQ(s, node_nhrp_count(carol, "shortcut"), 0);
	CHECK_EQ(s, node_nhrp_count(c.bob, "shortcut"), 0);
	CHECK_EQ(s, node_nhrp_counters(c.hub).out[NHRP_TRAFFIC_INDICATION], 0);
}

/*
 * bob gets to know the sealed hub, at the address that his section lists: from the first session on
 * nothing goes there in the clear, which the invariant watches at each datagram, both ways.
 */
static void a_session_ends_plaintext(struct sim *s)
{
	struct cloud c = cloud_new(s, "", false, 0);
	up(s, &c);
	struct flow *f = flow_ping(c.bob, c.hub, 4, MS(50), 0);
	sim_run(s, S(2));
	CHECK(s, node_set_bundle(c.bob, c.w->bundle_bytes, c.w->bundle_len) == 0);
	sim_run(s, S(10));
	flow_finish(f);
	struct peer_view v;
	CHECK(s, node_peer(c.bob, "hub", &v));
	CHECK(s, !v.plaintext && v.up && strcmp(v.cipher, "none (plaintext)") != 0);
	CHECK(s, !node_peer(c.hub, "cloud-198.51.100.11", &v));
	CHECK(s, node_peer(c.hub, "bob", &v) && !v.plaintext);
	CHECK_EQ(s, flow_lost_between(f, s->now - S(5), s->now - S(1)), 0);
}

/* The sealed hub is away; what it should carry does not go by the plaintext one. */
static void sealed_traffic_never_falls_back(struct sim *s)
{
	struct cloud c = cloud_new(s, "", false, 0);
	struct node *other = world_hub(c.w, "other", "10.0.0.2/24");
	struct node *carol = world_spoke(c.w, "carol", "10.0.0.13/24", NAT_NONE);
	c.w->bundle.hubs[0] = c.w->bundle.hubs[1]; /* the bundle names the other hub alone */
	c.w->bundle.n_hubs = 1;
	section(&c, carol, "hub", true, "203.0.113.1",
		ALLOW("10.0.0.1", "10.0.0.0/24", "192.168.0.0/16"));
	world_sign(c.w);
	node_start(c.hub, NULL, 0);
	node_start(c.bob, NULL, 0);
	world_start_node(c.w, other);
	world_start_node(c.w, carol);
	WAIT_FOR(s, S(10), node_up(carol, other) && node_ready(carol) && node_ready(c.bob));
	node_crash(other);
	sim_run(s, S(60));
	struct flow *f = flow_ping(carol, c.bob, 4, MS(100), 20);
	sim_run(s, S(5));
	CHECK_EQ(s, f->delivered, 0);
}

static const struct sim_case cases[] = {
	{"direct-udp", direct_udp},
	{"direct-udp-key-word", direct_udp_key_word},
	{"direct-gre-key-word", direct_gre_key_word},
	{"next-hop-is-resolved", next_hop_is_resolved},
	{"used-shortcut-is-renewed", used_shortcut_is_renewed},
	{"ipv6-inside-and-out", ipv6_inside_and_out},
	{"hub-that-is-gone", hub_that_is_gone},
	{"multicast-reaches-members", multicast_reaches_members},
	{"spoke-behind-nat", spoke_behind_nat},
	{"wrong-key", wrong_key},
	{"no-key-where-one-is-due", no_key_where_one_is_due},
	{"wrong-word", wrong_word},
	{"unlisted-address", unlisted_address},
	{"address-outside", address_outside},
	{"nothing-without-a-section", nothing_without_a_section},
	{"no-relay-by-default", no_relay_by_default},
	{"relay-stays-with-the-hub", relay_stays_with_the_hub},
	{"a-session-ends-plaintext", a_session_ends_plaintext},
	{"sealed-traffic-never-falls-back", sealed_traffic_never_falls_back},
};

SIM_MAIN(cases, 2)
