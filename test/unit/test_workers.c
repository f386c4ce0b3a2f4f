/*
 * Workers and the control loop at once, to be run under ThreadSanitizer: two threads seal at one plane
 * and open at another, while the control loop replaces sessions, moves paths and changes routes under them.
 * A packet arrives whole, or is dropped with a reason; the same datagram never arrives twice.
 */
#include "core/engine/data.h"

#include "test/unit/plane_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define WORKERS 2
#define PEER    1
#define BATCHES 1000
#define LEN     200

static struct fixture_node *a, *b;

struct result {
	pthread_t thread;
	unsigned number;
	uint64_t arrived, dropped, broken, twice;
};

static void fill(struct pkt_batch *batch, uint64_t from)
{
	batch->n = PKT_BATCH;
	for (uint16_t i = 0; i < PKT_BATCH; i++) {
		struct pkt *p = pkt_reset(batch, i);
		fixture_packet(p, "192.168.1.5", i % 2 ? "192.168.2.5" : "10.77.0.2", 17, 64, LEN);
		uint64_t id = from + i;
		memcpy(p->data + 100, &id, sizeof id);
	}
}

/* Moves what was sealed to the other batch, as a network would. */
static void carry(struct pkt_batch *to, const struct pkt_batch *from)
{
	to->n = 0;
	for (uint16_t i = 0; i < from->n; i++) {
		if (from->v[i].verdict != PKT_SEND_UDP)
			continue;
		struct pkt *p = pkt_reset(to, to->n++);
		memcpy(p->data, from->v[i].data, from->v[i].len);
		p->len = from->v[i].len;
		p->remote = from->v[i].remote;
		p->tos = from->v[i].tos;
	}
}

static void drain(struct worker *w)
{
	while (ring_peek(&w->events))
		ring_pop(&w->events);
}

static void *work(void *arg)
{
	struct result *r = arg;
	struct pkt_batch out, in;
	struct worker *wa = &a->workers[r->number], *wb = &b->workers[r->number];
	if (pkt_batch_init(&out, PKT_BATCH) != 0 || pkt_batch_init(&in, PKT_BATCH) != 0)
		abort();
	for (unsigned n = 0; n < BATCHES; n++) {
		uint64_t first = (uint64_t)n * PKT_BATCH;
		fill(&out, first);
		data_from_tun(wa, &out, FIXTURE_NOW);
		for (int pass = 0; pass < 2; pass++) { /* the second time it is a replay */
			carry(&in, &out);
			data_from_udp(wb, &in, FIXTURE_NOW);
			for (uint16_t i = 0; i < in.n; i++) {
				struct pkt *p = &in.v[i];
				uint64_t id;
				if (p->verdict != PKT_WRITE_TUN) {
					r->dropped++;
					continue;
				}
				memcpy(&id, p->data + 100, sizeof id);
				r->twice += pass;
				r->arrived++;
				r->broken += p->len != LEN || id < first ||
					id >= first + PKT_BATCH || p->data[199] != 199;
			}
		}
		drain(wa);
		drain(wb);
	}
	pkt_batch_fini(&out);
	pkt_batch_fini(&in);
	return NULL;
}

/* The old session of both ends goes after the new one is in use. */
static void new_session(void)
{
	/* A worker that the kernel has stopped in the middle of a batch holds slots back: then not now. */
	sessions_reclaim(&a->plane.sessions);
	sessions_reclaim(&b->plane.sessions);
	if (a->plane.sessions.n_free_lanes < SEALED_LANES_MAX ||
		b->plane.sessions.n_free_lanes < SEALED_LANES_MAX)
		return;
	uint32_t old_a = atomic_load(&a->plane.sessions.paths[PEER].session);
	uint32_t old_b = atomic_load(&b->plane.sessions.paths[PEER].session);
	fixture_connect(b, PEER, a, PEER);
	session_end(&a->plane.sessions, session_at(&a->plane.sessions, old_a));
	session_end(&b->plane.sessions, session_at(&b->plane.sessions, old_b));
}

static void change(unsigned n)
{
	char text[32];
	struct endpoint to = {.addr = fixture_addr("192.0.2.1"), .port = (uint16_t)(4754 + n % 2)};
	struct ip_addr any = {0};
	snprintf(text, sizeof text, "172.16.%u.0/24", n % 100);
	struct prefix p = fixture_prefix(text), lan = fixture_prefix("192.168.2.0/24");
	struct fib_route route = {.prefix = p,
		.gateway = fixture_addr("10.77.0.2"),
		.type = n % 3 ? FIB_OVERLAY : FIB_OTHER,
		.source = FIB_KERNEL};
	fib_route_put(&a->plane.fib, &route); /* refused when too much waits to be reused */
	if (n % 2)
		fib_shortcut_put(&a->plane.fib, &lan, PEER);
	else
		fib_shortcut_remove(&a->plane.fib, &lan);
	if (n % 7 == 0)
		fib_route_remove(&a->plane.fib, &route);
	path_set_endpoint(&a->plane.sessions, PEER, &to, &any);
	if (n % 5 == 0)
		new_session();
}

static void packets_arrive_whole_or_not_at_all(void **state)
{
	(void)state;
	struct result r[WORKERS] = {{.number = 0}, {.number = 1}};
	a = fixture_node(1, CERT_SPOKE, WORKERS);
	b = fixture_node(2, CERT_SPOKE, WORKERS);
	fixture_route(a, "10.77.0.0/24", NULL, FIB_OVERLAY, FIB_KERNEL);
	fixture_route(a, "192.168.2.0/24", "10.77.0.2", FIB_OVERLAY, FIB_KERNEL);
	fixture_route(b, "10.77.0.2/32", NULL, FIB_LOCAL, FIB_KERNEL);
	fixture_route(b, "192.168.2.0/24", NULL, FIB_OTHER, FIB_KERNEL);
	struct ip_addr far = fixture_addr("10.77.0.2");
	fib_neighbour_put(&a->plane.fib, &far, PEER);
	fixture_connect(b, PEER, a, PEER);
	for (unsigned i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&r[i].thread, NULL, work, &r[i]), 0);
	unsigned changes = 0;
	uint64_t messages = 0;
	while (messages < (uint64_t)WORKERS * BATCHES * PKT_BATCH) {
		change(changes++);
		sched_yield();
		messages = 0;
		for (unsigned i = 0; i < WORKERS; i++)
			messages += atomic_load(&a->workers[i].counters.tun_rx_packets);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		pthread_join(r[i].thread, NULL);
	for (unsigned i = 0; i < WORKERS; i++) {
		assert_int_equal(r[i].broken, 0);
		assert_int_equal(r[i].twice, 0);
		/* Sessions are replaced far more often than ever in life, and yet: */
		assert_true(r[i].arrived > (uint64_t)BATCHES * PKT_BATCH / 4);
	}
	assert_true(changes > 10);
	fixture_free(a);
	fixture_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_arrive_whole_or_not_at_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
