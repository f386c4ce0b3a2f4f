/*
 * Workers and the control loop at once, to be run under ThreadSanitizer: two threads seal and open at two
 * planes, back to back, while the control loop replaces sessions, moves paths, and changes routes,
 * shortcuts and neighbours under them. A packet arrives whole, or is dropped with a reason; the same
 * datagram never arrives twice, whichever thread gets its copy.
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
#define DIRECT                                                                                     \
	1 /* the other node, at each, as a spoke; and as a hub, for what finds no direct path */
#define HUBWAY  2
#define BATCHES 600
#define LEN     200
#define COPIES  256

static struct fixture_node *nodes[2];

/* A datagram on its way to the other thread. */
struct copy {
	uint8_t to;
	uint16_t len;
	uint8_t data[LEN + 64];
};

struct thread {
	pthread_t thread;
	unsigned number;
	struct ring mailbox; /* copies for this one, from the other one */
	uint64_t sealed, arrived, broken, torn;
	_Atomic bool done;
};

static struct thread threads[WORKERS];
/* Arrivals by direction, sender, number. */
static _Atomic uint8_t arrivals[2][WORKERS][BATCHES * PKT_BATCH];

struct label {
	uint32_t number;
	uint8_t direction, sender;
};

static const char *const lan[2] = {"192.168.1.5", "192.168.2.5"};
static const char *const overlay[2] = {"10.77.0.1", "10.77.0.2"};

static void fill(struct pkt_batch *batch, uint8_t direction, uint8_t sender, uint32_t first)
{
	batch->n = PKT_BATCH;
	for (uint16_t i = 0; i < PKT_BATCH; i++) {
		struct pkt *p = pkt_reset(batch, i);
		const char *dst = i % 2 ? lan[!direction] : overlay[!direction];
		struct label label = {
			.number = first + i, .direction = direction, .sender = sender};
		fixture_packet(p, lan[direction], dst, 17, 64, LEN);
		memset(p->data + 28, (int)(first + i), LEN - 28);
		memcpy(p->data + 100, &label, sizeof label);
	}
}

/* A plaintext packet that came out: is it one of ours, as it went in? */
static void check_arrival(struct thread *t, const struct pkt *p, uint8_t direction)
{
	struct label label;
	memcpy(&label, p->data + 100, sizeof label);
	bool good = p->len == LEN && label.direction == direction && label.sender < WORKERS &&
		label.number < BATCHES * PKT_BATCH;
	for (size_t i = 28; good && i < LEN; i++)
		good = (i >= 100 && i < 100 + sizeof label) || p->data[i] == (uint8_t)label.number;
	t->broken += !good;
	t->arrived++;
	if (good)
		atomic_fetch_add(&arrivals[direction][label.sender][label.number], 1);
}

/* Every verdict has a reason, and nothing is consumed that is user data. */
static void check_verdicts(struct thread *t, const struct pkt_batch *batch)
{
	for (uint16_t i = 0; i < batch->n; i++) {
		const struct pkt *p = &batch->v[i];
		t->broken += p->verdict == PKT_CONSUMED ||
			(p->verdict == PKT_DROP && (p->drop == DROP_NONE || p->drop >= DROP_COUNT));
		if (p->verdict != PKT_SEND_UDP)
			continue;
		t->sealed++;
		/* An endpoint's parts are changed together: see move(). */
		uint8_t last = p->remote.addr.bytes[3];
		t->torn += p->remote.port != 4754 + last || p->local.bytes[3] != last;
	}
}

static void receive(struct thread *t, struct pkt_batch *in, uint8_t at, uint64_t now)
{
	data_from_udp(&nodes[at]->workers[t->number], in, now);
	for (uint16_t i = 0; i < in->n; i++)
		if (in->v[i].verdict == PKT_WRITE_TUN)
			check_arrival(t, &in->v[i], !at);
	for (uint16_t i = 0; i < in->n; i++)
		t->broken += in->v[i].verdict == PKT_SEND_UDP; /* neither of them relays */
}

static void add(struct pkt_batch *in, const uint8_t *data, size_t len)
{
	struct pkt *p = pkt_reset(in, in->n++);
	memcpy(p->data, data, len);
	p->len = (uint32_t)len;
	p->remote = (struct endpoint){.addr = {.family = 4, .bytes = {192, 0, 2, 1}}, .port = 4755};
}

/* Moves what was sealed to the other batch, as a network would; some of it to the other thread too. */
static void carry(struct thread *t, struct pkt_batch *to, const struct pkt_batch *from, uint8_t at)
{
	struct ring *other = &threads[!t->number].mailbox;
	to->n = 0;
	for (uint16_t i = 0; i < from->n; i++) {
		const struct pkt *p = &from->v[i];
		if (p->verdict != PKT_SEND_UDP)
			continue;
		struct copy *copy = i % 3 == 0 ? ring_reserve(other) : NULL;
		if (copy) {
			copy->to = at;
			copy->len = (uint16_t)p->len;
			memcpy(copy->data, p->data, p->len);
			ring_push(other);
		}
		if (!copy || i % 6) /* a third goes to both, a sixth to the other one alone */
			add(to, p->data, p->len);
	}
}

static void read_mailbox(struct thread *t, struct pkt_batch *in, uint64_t now)
{
	for (uint8_t at = 0; at < 2; at++) {
		struct copy *copy;
		in->n = 0;
		while (in->n < PKT_BATCH && (copy = ring_peek(&t->mailbox)) && copy->to == at) {
			add(in, copy->data, copy->len);
			ring_pop(&t->mailbox);
		}
		receive(t, in, at, now);
	}
}

static void *work(void *arg)
{
	struct thread *t = arg;
	struct pkt_batch out, in;
	if (pkt_batch_init(&out, PKT_BATCH) != 0 || pkt_batch_init(&in, PKT_BATCH) != 0)
		abort();
	for (uint32_t n = 0; n < BATCHES; n++) {
		uint64_t now = FIXTURE_NOW + n * 20 * NS_PER_MS;
		for (uint8_t direction = 0; direction < 2; direction++) {
			fill(&out, direction, (uint8_t)t->number, n * PKT_BATCH);
			data_from_tun(&nodes[direction]->workers[t->number], &out, now);
			check_verdicts(t, &out);
			for (int pass = 0; pass < 2; pass++) { /* the second time it is a replay */
				carry(t, &in, &out, !direction);
				receive(t, &in, !direction, now);
				read_mailbox(t, &in, now);
			}
		}
	}
	pkt_batch_fini(&out);
	pkt_batch_fini(&in);
	atomic_store(&t->done, true);
	return NULL;
}

/* ---- The control loop ------------------------------------------------------------------------- */

static void move(struct fixture_node *f, uint32_t peer, unsigned n)
{
	uint8_t last = (uint8_t)(1 + n % 200);
	struct endpoint to = {
		.addr = {.family = 4, .bytes = {192, 0, 2, last}}, .port = (uint16_t)(4754 + last)};
	struct ip_addr from = {.family = 4, .bytes = {198, 51, 100, last}};
	path_set_endpoint(&f->plane.sessions, peer, &to, &from);
}

/* New keys for both ends of a pair; what was used before goes after the new one is in use. */
static bool new_session(uint32_t peer)
{
	uint8_t keys[2][32];
	struct session *s[2], *old[2];
	for (int i = 0; i < 2; i++) {
		struct sessions *t = &nodes[i]->plane.sessions;
		/* A worker that the kernel has stopped in its batch holds slots back: then not now. */
		sessions_reclaim(t);
		if (t->n_free_lanes < SEALED_LANES_MAX)
			return false;
		fixture_random(&nodes[i]->seed, keys[i], 32);
		old[i] = session_at(t, atomic_load(&t->paths[peer].session));
	}
	for (int i = 0; i < 2; i++) {
		struct cert cert = nodes[!i]->plane.self;
		if (peer == HUBWAY)
			cert.role = CERT_HUB;
		s[i] = fixture_half(nodes[i], peer, &cert, keys[i], keys[!i], i);
	}
	for (int i = 0; i < 2; i++) {
		s[i]->remote_index = s[!i]->local_index;
		session_publish(&nodes[i]->plane.sessions, s[i], SESSION_LIVE);
	}
	for (int i = 0; i < 2; i++) {
		struct plane *plane = &nodes[i]->plane;
		atomic_store(&plane->sessions.paths[peer].session, s[i]->id);
		if (peer == HUBWAY)
			atomic_store(&plane->hub_session, s[i]->id);
		if (old[i])
			session_end(&plane->sessions, old[i]);
	}
	return true;
}

static void change_routes(uint8_t at, unsigned n)
{
	struct fib *f = &nodes[at]->plane.fib;
	struct prefix far = fixture_prefix(at ? "192.168.1.0/24" : "192.168.2.0/24"), p = far;
	struct ip_addr neighbour = fixture_addr(overlay[!at]);
	p.addr.bytes[2] = (uint8_t)(n % 200 + 3);
	struct fib_route route = {.prefix = p,
		.gateway = neighbour,
		.type = n % 3 ? FIB_OVERLAY : FIB_OTHER,
		.source = FIB_KERNEL};
	if (n % 4 == 0) { /* a narrower one to the same place, by the neighbour */
		route.prefix = far;
		route.prefix.len = 29;
		route.type = n % 64 ? FIB_OVERLAY : FIB_REJECT;
	}
	struct route_leg legs[] = {{neighbour, 1}, {fixture_addr("10.77.0.9"), 2}, {neighbour, 3}};
	if (n % 5 < 2)
		fib_route_put(f, &route);
	else if (n % 5 < 3) /* one of its next hops is nobody's */
		fib_route_put_legs(f, &route, legs, 3);
	else
		fib_route_remove(f, &route);
	if (n % 2)
		fib_shortcut_put(f, &far, DIRECT);
	else
		fib_shortcut_remove(f, &far);
	if (n % 11 == 0)
		fib_neighbour_remove(f, &neighbour, DIRECT);
	else
		fib_neighbour_put(f, &neighbour, DIRECT);
}

/* What workers reported must make sense; the ring is read by this thread while they write. */
static void drain(struct fixture_node *f, uint64_t *events, uint64_t *bad)
{
	for (unsigned i = 0; i < f->n_workers; i++) {
		const struct event *ev;
		for (; (ev = ring_peek(&f->workers[i].events)); ring_pop(&f->workers[i].events)) {
			bool session = ev->type == EVENT_PATH || ev->type == EVENT_PACKET;
			bool known =
				session || ev->type == EVENT_RESOLVE || ev->type == EVENT_UNKNOWN;
			*bad += !known || ev->len > PKT_SLOT ||
				(session && !session_at(&f->plane.sessions, ev->session)) ||
				(ev->type == EVENT_RESOLVE && ev->addr.family != 4);
			++*events;
		}
	}
}

/* The control loop's own packets, on lane 0 by a worker of its own. */
static void control_packet(struct pkt_batch *batch, uint8_t from)
{
	struct fixture_node *f = nodes[from], *to = nodes[!from];
	uint32_t id = atomic_load(&f->plane.sessions.paths[DIRECT].session);
	struct pkt *p = pkt_reset(batch, 0);
	uint8_t *room = p->data + SEALED_HEADER_LEN + GRE_PLAIN_LEN;
	memset(room, 0, 40);
	int len = worker_seal(&f->workers[WORKERS], session_at(&f->plane.sessions, id),
		GRE_PROTO_CONTROL, room, 40);
	assert_true(len > 0);
	p->len = (uint32_t)len;
	batch->n = 1;
	data_from_udp(&to->workers[WORKERS], batch, FIXTURE_NOW);
	assert_int_equal(p->verdict, PKT_CONSUMED);
}

static void set_up_node(uint8_t i)
{
	struct fixture_node *f = nodes[i] = fixture_node(i + 1u, CERT_SPOKE, WORKERS + 1);
	char own[32];
	f->workers[WORKERS].lane = 0;
	snprintf(own, sizeof own, "%s/32", overlay[i]);
	fixture_route(f, own, NULL, FIB_LOCAL, FIB_KERNEL);
	fixture_route(f, i ? "192.168.2.0/24" : "192.168.1.0/24", NULL, FIB_OTHER, FIB_KERNEL);
	fixture_route(f, "10.77.0.0/24", NULL, FIB_OVERLAY, FIB_KERNEL);
	fixture_route(
		f, i ? "192.168.1.0/24" : "192.168.2.0/24", overlay[!i], FIB_OVERLAY, FIB_KERNEL);
	for (uint32_t peer = DIRECT; peer <= HUBWAY; peer++) {
		path_clear(&f->plane.sessions, peer);
		move(f, peer, peer);
	}
}

static uint64_t dropped(enum drop_reason why)
{
	uint64_t sum = 0;
	for (int i = 0; i < 2; i++)
		for (unsigned w = 0; w <= WORKERS; w++)
			sum += atomic_load(&nodes[i]->workers[w].counters.dropped[why]);
	return sum;
}

static bool running(void)
{
	for (unsigned i = 0; i < WORKERS; i++)
		if (!atomic_load(&threads[i].done))
			return true;
	return false;
}

static void packets_arrive_whole_or_not_at_all(void **state)
{
	(void)state;
	struct pkt_batch batch;
	uint64_t events = 0, bad = 0, replaced = 0;
	unsigned changes = 0;
	assert_int_equal(pkt_batch_init(&batch, 1), 0);
	for (uint8_t i = 0; i < 2; i++)
		set_up_node(i);
	assert_true(new_session(DIRECT) && new_session(HUBWAY));
	for (unsigned i = 0; i < WORKERS; i++) {
		threads[i].number = i;
		assert_int_equal(ring_init(&threads[i].mailbox, COPIES, sizeof(struct copy)), 0);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&threads[i].thread, NULL, work, &threads[i]), 0);
	for (; running(); changes++) {
		uint8_t at = changes % 2;
		change_routes(at, changes / 2);
		move(nodes[at], changes % 3 ? DIRECT : HUBWAY, changes);
		if (changes % 5 == 0)
			replaced += new_session(changes % 15 ? DIRECT : HUBWAY);
		control_packet(&batch, at);
		drain(nodes[at], &events, &bad);
		sched_yield();
	}
	uint64_t sealed = 0, arrived = 0, twice = 0;
	for (unsigned i = 0; i < WORKERS; i++) {
		pthread_join(threads[i].thread, NULL);
		assert_int_equal(threads[i].broken, 0);
		assert_int_equal(threads[i].torn, 0);
		sealed += threads[i].sealed;
		arrived += threads[i].arrived;
		ring_fini(&threads[i].mailbox);
	}
	for (unsigned i = 0; i < 2 * WORKERS * BATCHES * PKT_BATCH; i++)
		twice += (&arrivals[0][0][0])[i] > 1;
	assert_int_equal(twice, 0);
	assert_int_equal(bad, 0);
	/* Nothing was sealed for one peer and opened by another, or spoilt on the way. */
	static const enum drop_reason never[] = {DROP_MALFORMED, DROP_BAD_OUTER, DROP_BAD_LANE,
		DROP_BAD_TAG, DROP_BAD_SOURCE, DROP_BAD_INNER, DROP_KEY_EXPIRED, DROP_TOO_BIG};
	for (size_t i = 0; i < sizeof never / sizeof *never; i++)
		assert_int_equal(dropped(never[i]), 0);
	assert_true(dropped(DROP_REPLAY) > 0 && events > 0);
	/* Sessions are replaced far more often than ever in life, and yet: */
	assert_true(arrived > sealed / 4 && arrived > 1000);
	print_message("%u changes, %llu sessions; %llu sealed, %llu arrived, %llu of old sessions, "
		      "%llu replays, %llu events\n",
		changes, (unsigned long long)replaced, (unsigned long long)sealed,
		(unsigned long long)arrived, (unsigned long long)dropped(DROP_UNKNOWN_INDEX),
		(unsigned long long)dropped(DROP_REPLAY), (unsigned long long)events);
	pkt_batch_fini(&batch);
	fixture_free(nodes[0]);
	fixture_free(nodes[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_arrive_whole_or_not_at_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
