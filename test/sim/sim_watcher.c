/*
 * Can the watcher fail? A healthy network runs for some seconds, then one node is broken on purpose, each
 * time in one way; the run must end with the words that belong to it.
 */
#include "test/sim/run.h"
#include "test/sim/world.h"

#include "core/engine/node.h"
#include "core/wire/gre.h"

#include <string.h>

struct bed {
	struct world *w;
	struct node *hub, *alice, *bob;
	struct peer *bob_at_alice, *hub_at_alice, *alice_at_hub;
};

struct sabotage {
	const char *name, *words; /* of the failure */
	void (*commit)(struct bed *b);
};

static const struct endpoint nowhere = {
	.addr = {.family = 4, .bytes = {198, 51, 100, 250}}, .port = 4754};
static const struct ip_addr any;

/* Has everything looked at, changed or not. */
static void look(struct node *n)
{
	n->invariants.sessions_seen = n->invariants.authority_seen = 0;
	node_settle(n);
}

static void send_raw(struct node *n, const struct endpoint *to, const void *data, size_t len)
{
	n->engine->peers.ops.send(n->engine->peers.ops.ctx, to, &any, 0, data, len);
	node_settle(n);
}

static struct session *session_of(struct node *n, const struct peer *p)
{
	return session_at(&n->engine->plane.sessions, p->current);
}

static struct prefix foreign(void)
{
	struct prefix p;
	prefix_parse("192.168.77.0/24", &p);
	return p;
}

/* ---- Sealing and opening -------------------------------------------------------------------- */

static void plaintext_gre(struct bed *b)
{
	uint8_t data[60] = {0x00, 0x00, 0x08, 0x00};
	send_raw(b->alice, &b->hub_at_alice->endpoint, data, sizeof data);
}

static void user_data_in_a_handshake(struct bed *b)
{
	uint8_t data[60];
	gre_handshake_write(data);
	memcpy(data + 30, INNER_MAGIC, 8);
	send_raw(b->alice, &b->hub_at_alice->endpoint, data, sizeof data);
}

static void seals_unconfirmed(struct bed *b)
{
	atomic_store(&session_of(b->alice, b->hub_at_alice)->state, SESSION_UNCONFIRMED);
	peer_send(&b->alice->engine->peers, b->hub_at_alice, GRE_PROTO_KEEPALIVE,
		(const uint8_t[8]){0}, 8, node_now(b->alice));
}

static void user_data_under_no_session_of_a_peer(struct bed *b)
{
	b->bob_at_alice->current = SESSION_NONE;
	flow_ping(b->alice, b->bob, 4, MS(10), 1);
	sim_run(b->w->sim, MS(1));
}

static struct {
	struct dgram *kept;
} record;

static bool keep_one(void *ctx, struct host *to, struct dgram *d)
{
	struct bed *b = ctx;
	if (!record.kept && to == b->bob->host && d->origin == b->alice->host &&
		gre_classify(d->data, d->len) == GRE_SEALED && (d->data[7] & 15) != 0)
		record.kept = net_copy(d);
	return true;
}

static void window_forgets(struct bed *b)
{
	b->w->net.tap = keep_one;
	b->w->net.tap_ctx = b;
	record.kept = NULL;
	flow_ping(b->alice, b->bob, 4, MS(10), 3);
	sim_run(b->w->sim, S(1));
	if (!record.kept)
		return;
	struct peer *p = peer_find(&b->bob->engine->peers, b->alice->cert.static_key);
	struct session *s = session_of(b->bob, p);
	for (unsigned i = 0; i < s->peer_lanes; i++)
		replay_init(&s->lanes[i]->window);
	struct dgram *d = record.kept;
	net_inject(b->w->internet, &d->first_src, &d->first_dst, d->data, d->len);
	sim_free(b->w->sim, d);
	sim_run(b->w->sim, S(1));
}

static void foreign_source_is_let_in(struct bed *b)
{
	struct peer *p = peer_find(&b->bob->engine->peers, b->alice->cert.static_key);
	struct cert *cert = &session_of(b->bob, p)->cert;
	cert->prefixes[cert->n_prefixes++] = foreign();
	flow_start(b->alice, b->bob, INNER_UDP, "192.168.77.1", "10.0.0.12", MS(10), 1);
	sim_run(b->w->sim, S(1));
}

/* ---- Strangers ------------------------------------------------------------------------------ */

static void talks_to_a_stranger(struct bed *b)
{
	uint8_t data[40] = {0x30, 0x00, 0x88, 0xB5};
	send_raw(b->hub, &nowhere, data, sizeof data);
}

static void dials_a_stranger(struct bed *b)
{
	peer_set_path(&b->alice->engine->peers, b->bob_at_alice, PATH_SUSPENDED, "test",
		node_now(b->alice));
	connect_start(
		&b->alice->engine->peers, b->bob_at_alice, &nowhere, &any, 0, node_now(b->alice));
	node_settle(b->alice);
}

static void probes_for_ever(struct bed *b)
{
	struct probe probe = {.token_id = 7};
	uint8_t data[GRE_PLAIN_LEN + MESSAGE_PROBE_LEN];
	gre_handshake_write(data);
	probe_build(data + GRE_PLAIN_LEN, &probe, b->w->network_id);
	for (unsigned i = 0; i < 6; i++)
		send_raw(b->alice, &nowhere, data, sizeof data);
}

static void (*real_send)(void *ctx, const struct endpoint *to, const struct ip_addr *from,
	uint8_t ttl, const void *data, size_t len);

static void send_twice(void *ctx, const struct endpoint *to, const struct ip_addr *from,
	uint8_t ttl, const void *data, size_t len)
{
	real_send(ctx, to, from, ttl, data, len);
	real_send(ctx, to, from, ttl, data, len);
}

static void answers_twice(struct bed *b)
{
	uint8_t data[40] = {0x30, 0x00, 0x88, 0xB5, 0x11, 0x22, 0x33, 0x40};
	struct endpoint to = {.addr = b->hub->host->iface.addrs[0], .port = 4754};
	real_send = b->hub->engine->peers.ops.send;
	b->hub->engine->peers.ops.send = send_twice;
	net_inject(b->w->internet, &nowhere, &to, data, sizeof data);
	sim_run(b->w->sim, S(1));
}

/* ---- Tables --------------------------------------------------------------------------------- */

static void session_of_two(struct bed *b)
{
	b->hub_at_alice->previous = b->bob_at_alice->current;
	look(b->alice);
}

static void session_lost(struct bed *b)
{
	b->bob_at_alice->current = SESSION_NONE;
	look(b->alice);
}

static void lane_lost(struct bed *b)
{
	b->alice->engine->plane.sessions.n_free_lanes--;
	look(b->alice);
}

static void peer_not_counted(struct bed *b)
{
	b->alice->engine->peers.count--;
	look(b->alice);
}

static void peer_unknown_to_the_ca(struct bed *b)
{
	b->bob_at_alice->key[3] ^= 1;
	look(b->alice);
}

static void binding_not_counted(struct bed *b)
{
	b->hub->engine->nhrp.n_bindings++;
	look(b->hub);
}

static void action_lost(struct bed *b)
{
	b->alice->engine->actions.lost = 1;
	look(b->alice);
}

static void ring_full(struct bed *b)
{
	atomic_store(&b->alice->engine->control->counters.dropped[DROP_RING_FULL], 1);
	look(b->alice);
}

/* ---- Authority ------------------------------------------------------------------------------ */

static void binds_what_is_not_its(struct bed *b)
{
	struct nhrp *t = &b->hub->engine->nhrp;
	t->bindings[t->clients[b->alice_at_hub->id].first].prefix = foreign();
	look(b->hub);
}

static void shortcut_beyond_the_certificate(struct bed *b)
{
	struct prefix p = foreign();
	shortcut_install(
		&b->alice->engine->nhrp, &p, &p.addr, b->bob_at_alice, 600, node_now(b->alice));
	look(b->alice);
}

static void shortcut_of_nobody(struct bed *b)
{
	struct prefix p = foreign();
	fib_shortcut_put(&b->alice->engine->plane.fib, &p, b->bob_at_alice->id);
	look(b->alice);
}

static void next_hop_is_nobody(struct bed *b)
{
	struct ip_addr bob = node_address(b->bob, 4);
	fib_shortcut_remove(&b->alice->engine->plane.fib, &(struct prefix){bob, 32});
	fib_neighbour_put(&b->alice->engine->plane.fib, &bob, 60);
	b->alice->engine->nhrp.shortcuts[0].used = false;
	look(b->alice);
}

static void next_hop_is_another(struct bed *b)
{
	struct ip_addr bob = node_address(b->bob, 4);
	fib_neighbour_put(&b->hub->engine->plane.fib, &bob, b->alice_at_hub->id);
	look(b->hub);
}

static void kernel_route_by_nobody(struct bed *b)
{
	struct prefix p = foreign();
	struct ip_addr gateway = node_address(b->bob, 4);
	gateway.bytes[3] = 99;
	b->alice->engine->nhrp.ops.kernel_route(b->alice->engine, &p, &gateway, true);
	node_settle(b->alice);
	look(b->alice);
}

static const struct sabotage sabotages[] = {
	{"plaintext-gre", "which is not listed", plaintext_gre},
	{"user-data-in-a-handshake", "in the clear", user_data_in_a_handshake},
	{"seals-unconfirmed", "under a session that is not confirmed", seals_unconfirmed},
	{"user-data-under-no-session", "without a confirmed session",
		user_data_under_no_session_of_a_peer},
	{"window-forgets", "a sealed packet twice", window_forgets},
	{"foreign-source", "accepts a packet of 192.168.77.1", foreign_source_is_let_in},
	{"talks-to-a-stranger", "has not shown itself", talks_to_a_stranger},
	{"dials-a-stranger", "INITIATIONs to", dials_a_stranger},
	{"probes-for-ever", "a probe too many", probes_for_ever},
	{"answers-twice", "bytes in answer to", answers_twice},
	{"session-of-two", "a session of hub is in state", session_of_two},
	{"session-lost", "session slot", session_lost},
	{"lane-lost", "lanes in use", lane_lost},
	{"peer-not-counted", "peers, counted as", peer_not_counted},
	{"peer-unknown", "the CA does not know", peer_unknown_to_the_ca},
	{"binding-not-counted", "bindings, counted as", binding_not_counted},
	{"action-lost", "the action queue was full", action_lost},
	{"ring-full", "a ring was full", ring_full},
	{"binds-what-is-not-its", "hub binds 192.168.77.0/24", binds_what_is_not_its},
	{"shortcut-beyond-the-certificate", "shortcut 192.168.77.0/24",
		shortcut_beyond_the_certificate},
	{"shortcut-of-nobody", "shortcuts that do not exist", shortcut_of_nobody},
	{"next-hop-is-nobody", "is nobody", next_hop_is_nobody},
	{"next-hop-is-another", "what is for", next_hop_is_another},
	{"kernel-route-by-nobody", "by nobody", kernel_route_by_nobody},
};

/* input: the sabotage, or one without commit for a run that stays whole. */
static void run_broken(struct sim *s)
{
	const struct sabotage *sabotage = s->input;
	struct bed b = {.w = world_new(s, MS(20))};
	b.w->families = 4;
	b.hub = world_hub(b.w, "hub", "10.0.0.1/24");
	b.hub->config.n_advertise = 1;
	prefix_parse("192.168.0.0/16", &b.hub->config.advertise[0]);
	b.alice = world_spoke(b.w, "alice", "10.0.0.11/24", NAT_NONE);
	b.bob = world_spoke(b.w, "bob", "10.0.0.12/24", NAT_NONE);
	world_up(b.w);
	struct flow *f = flow_ping(b.alice, b.bob, 4, MS(50), 20);
	sim_run(s, S(3));
	CHECK_EQ(s, flow_lost(f), 0);
	CHECK(s, node_direct(b.alice, b.bob));
	b.bob_at_alice = peer_find(&b.alice->engine->peers, b.bob->cert.static_key);
	b.hub_at_alice = peer_find(&b.alice->engine->peers, b.hub->cert.static_key);
	b.alice_at_hub = peer_find(&b.hub->engine->peers, b.alice->cert.static_key);
	look(b.alice);
	look(b.bob);
	look(b.hub);
	if (sabotage->commit)
		sabotage->commit(&b);
}

static void every_sabotage_is_seen(struct sim *s)
{
	static const struct sim_case broken = {"broken", run_broken};
	static const struct sabotage none = {.name = "none"};
	struct sim_report report;
	if (!sim_try(&broken, s->seed, &none, false, &report))
		SIM_FAIL(s, "a healthy network fails: %s", report.text);
	for (size_t i = 0; i < sizeof sabotages / sizeof *sabotages; i++) {
		const struct sabotage *sabotage = &sabotages[i];
		if (sim_try(&broken, s->seed, sabotage, false, &report))
			SIM_FAIL(s, "%s is not seen", sabotage->name);
		if (!strstr(report.text, sabotage->words))
			SIM_FAIL(
				s, "%s is seen as something else: %s", sabotage->name, report.text);
	}
	sim_note(
		s, "%zu ways of being broken, each one seen", sizeof sabotages / sizeof *sabotages);
}

static const struct sim_case cases[] = {
	{"every-sabotage-is-seen", every_sabotage_is_seen},
};

SIM_MAIN(cases, 1)
