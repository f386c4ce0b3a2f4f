/*
 * Nothing is allocated after start on the packet path. The linker puts this file's functions around the
 * engine's doors and around the allocator (--wrap): what is asked of the allocator while an engine runs is
 * counted, and must be nothing, whatever the network goes through. A bundle that arrives is the exception:
 * it is kept on the heap.
 */
#include "test/sim/run.h"
#include "test/sim/world.h"

#include "core/crypto/cookie.h"
#include "core/engine/node.h"
#include "core/wire/gre.h"

#include <execinfo.h>
#include <stdlib.h>
#include <string.h>

static unsigned depth; /* engine calls that are running */
static bool armed, loud;
static uint64_t asked; /* of the allocator, inside them */

/* ---- The allocator ------------------------------------------------------------------------------- */

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static void note(void)
{
	if (!armed || depth == 0)
		return;
	asked++;
	armed = false; /* the trace may allocate */
	void *at[24];
	if (asked == 1 && loud) /* who was it? */
		backtrace_symbols_fd(at, backtrace(at, 24), 2);
	armed = true;
}

void *__wrap_malloc(size_t n)
{
	note();
	return __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	note();
	return __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	note();
	return __real_realloc(p, n);
}

/* ---- The engine's doors -------------------------------------------------------------------------- */

void __real_engine_receive(struct engine *e, struct pkt *p, uint64_t now);
void __wrap_engine_receive(struct engine *e, struct pkt *p, uint64_t now);
bool __real_engine_drain(struct engine *e, uint64_t now);
bool __wrap_engine_drain(struct engine *e, uint64_t now);
void __real_engine_timer(struct engine *e, uint64_t now);
void __wrap_engine_timer(struct engine *e, uint64_t now);
bool __real_engine_next_action(struct engine *e, struct action *out);
bool __wrap_engine_next_action(struct engine *e, struct action *out);
void __real_data_from_udp(struct worker *w, struct pkt_batch *b, uint64_t now);
void __wrap_data_from_udp(struct worker *w, struct pkt_batch *b, uint64_t now);
void __real_data_from_tun(struct worker *w, struct pkt_batch *b, uint64_t now);
void __wrap_data_from_tun(struct worker *w, struct pkt_batch *b, uint64_t now);

void __wrap_engine_receive(struct engine *e, struct pkt *p, uint64_t now)
{
	depth++;
	__real_engine_receive(e, p, now);
	depth--;
}

bool __wrap_engine_drain(struct engine *e, uint64_t now)
{
	depth++;
	bool more = __real_engine_drain(e, now);
	depth--;
	return more;
}

void __wrap_engine_timer(struct engine *e, uint64_t now)
{
	depth++;
	__real_engine_timer(e, now);
	depth--;
}

bool __wrap_engine_next_action(struct engine *e, struct action *out)
{
	depth++;
	bool got = __real_engine_next_action(e, out);
	depth--;
	return got;
}

void __wrap_data_from_udp(struct worker *w, struct pkt_batch *b, uint64_t now)
{
	depth++;
	__real_data_from_udp(w, b, now);
	depth--;
}

void __wrap_data_from_tun(struct worker *w, struct pkt_batch *b, uint64_t now)
{
	depth++;
	__real_data_from_tun(w, b, now);
	depth--;
}

/* ---- Cases --------------------------------------------------------------------------------------- */

static void begin(bool may_ask)
{
	asked = 0;
	loud = !may_ask;
	depth = 0; /* a case that failed may have left from inside */
	armed = true;
}

static void end(struct sim *s)
{
	armed = false;
	CHECK_EQ(s, asked, 0);
}

/* Does the counter count? An engine that is given a bundle keeps it on the heap. */
static void the_counter_counts(struct sim *s)
{
	struct world *w = world_new(s, MS(40));
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24");
	struct node *alice = world_spoke(w, "alice", "10.0.0.11/24", NAT_NONE);
	world_up(w);
	w->bundle.number++;
	world_sign_bundle(w);
	begin(true);
	CHECK_EQ(s, node_set_bundle(hub, w->bundle_bytes, w->bundle_len), 0);
	sim_run(s, S(1)); /* alice is sent it */
	armed = false;
	CHECK(s, asked > 0);
	CHECK(s, alice->bundles_saved > 0);
}

static void everyday_life(struct sim *s)
{
	struct world *w = world_new(s, MS(40));
	struct node *hub = world_hub(w, "hub", "10.0.0.1/24 fd00::1/64");
	struct node *v[4];
	static const enum nat_kind nats[4] = {
		NAT_NONE, NAT_PORT_RESTRICTED, NAT_SYMMETRIC, NAT_FULL_CONE};
	static const char *const names[4] = {"a", "b", "c", "d"};
	static const char *const addresses[4] = {"10.0.0.11/24 fd00::11/64",
		"10.0.0.12/24 fd00::12/64", "10.0.0.13/24 fd00::13/64", "10.0.0.14/24 fd00::14/64"};
	for (unsigned i = 0; i < 4; i++)
		v[i] = world_spoke(w, names[i], addresses[i], nats[i]);
	world_lan(w, v[1], "192.168.1.0/24");
	world_register(v[1], "192.168.1.0/24");
	world_up(w); /* with the bundle's way to everybody */
	sim_run(s, S(2));
	begin(false);
	/* Handshakes and registrations: b and c go and come back. */
	node_stop(v[1]);
	node_crash(v[2]);
	sim_run(s, S(1));
	armed = false; /* the start is not what is counted */
	world_start_node(w, v[1]);
	world_start_node(w, v[2]);
	armed = true;
	WAIT_FOR(s, S(10), world_ready(w));
	/* Both ways with the hub, by way of it (c), and directly: resolutions, redirects, punching, shortcuts. */
	struct flow *f[6] = {flow_ping(v[0], hub, 4, MS(10), 0),
		flow_ping(v[0], v[1], 4, MS(10), 0), flow_ping(v[2], v[1], 6, MS(10), 0),
		flow_start(v[3], v[1], INNER_ECHO, "10.0.0.14", "192.168.1.9", MS(10), 0),
		flow_start(v[0], NULL, INNER_UDP, "10.0.0.11", "224.0.0.5", MS(50), 0),
		flow_start(hub, NULL, INNER_UDP, "10.0.0.1", "224.0.0.5", MS(50), 0)};
	sim_run(s, S(5));
	CHECK(s, node_direct(v[0], v[1]));
	CHECK(s, !node_direct(v[2], v[1]) || node_nhrp_count(v[2], "shortcut"));
	/* Keys are changed; an address too; a flood and rubbish arrive; time goes on. */
	sim_run(s, S(140));
	world_move(w, v[0], "198.51.100.200");
	sim_run(s, S(20));
	struct endpoint to = {.addr = hub->host->iface.addrs[0], .port = hub->host->port};
	uint8_t data[800], key[KEY_LEN];
	cookie_mac1_key(key, hub->cert.static_key);
	for (unsigned i = 0; i < 60000; i++) {
		struct endpoint from = {.addr = {.family = 4}, .port = 4754};
		rng_fill(&s->rng, from.addr.bytes, 3);
		from.addr.bytes[0] = 100;
		rng_fill(&s->rng, data, sizeof data);
		if (i % 4 == 0) {
			gre_handshake_write(data);
			store_u32(data + 4, 0x01010000);
			store_u32(data + 8, i + 1);
			cookie_stamp_mac1(data + GRE_PLAIN_LEN, 700, key);
		} else if (i % 4 == 1) {
			gre_sealed_write(data, 1 + i, 1, i);
		} else if (i % 4 == 2) {
			gre_handshake_write(data);
			store_u32(data + 4, (1 + i % 7) << 24 | 0x010000);
		}
		net_inject(w->internet, &from, &to, data, i % 4 == 0 ? 704 : 100 + i % 700);
		if (i % 20 == 19)
			sim_run(s, MS(1));
	}
	sim_run(s, S(5));
	/* The hub dies and comes back; everybody returns by RESETs. */
	node_crash(hub);
	sim_run(s, S(1));
	armed = false;
	world_start_node(w, hub);
	armed = true;
	WAIT_FOR(s, S(30), world_ready(w) && node_up(hub, v[3]));
	sim_run(s, S(30));
	for (unsigned i = 0; i < 6; i++)
		flow_stop(f[i]);
	sim_run(s, S(400)); /* shortcuts end, direct paths are closed */
	end(s);
}

static const struct sim_case cases[] = {
	{"the-counter-counts", the_counter_counts},
	{"everyday-life", everyday_life},
};

SIM_MAIN(cases, 1)
