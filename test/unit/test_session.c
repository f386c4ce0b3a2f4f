/* Session slots, their indices and lanes, what a key still allows, and paths read while they change. */
#include "core/base/err.h"
#include "core/peer/linklocal.h"
#include "core/peer/session.h"

#include "test/unit/plane_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define SESSIONS 12
#define PEERS    4

static struct epoch epoch;
static struct sessions t;
static uint64_t seed;
static const struct env env = {.ctx = &seed, .random = fixture_random};

static int set_up(void **state)
{
	(void)state;
	if (prim_init() != 0)
		return -1;
	epoch_init(&epoch);
	return sessions_init(&t, SESSIONS, PEERS, &epoch);
}

static int tear_down(void **state)
{
	(void)state;
	sessions_fini(&t);
	return 0;
}

static struct session *make(uint8_t lanes, enum session_state as)
{
	struct session *s = session_new(&t, lanes, &env);
	if (s && as != SESSION_FREE)
		session_publish(&t, s, as);
	return s;
}

/* RESETs are looked up by the peer's index: several peers may have chosen the same, each is found. */
static void found_by_the_peers_index(void **state)
{
	(void)state;
	struct session *s[3];
	for (unsigned i = 0; i < 3; i++) {
		s[i] = make(1, SESSION_LIVE);
		session_set_remote(&t, s[i], i < 2 ? 77 : 77 + t.bucket_mask + 1);
	}
	struct session *first = session_by_remote(&t, 77, NULL);
	struct session *second = session_by_remote(&t, 77, first);
	assert_true((first == s[0] && second == s[1]) || (first == s[1] && second == s[0]));
	assert_null(session_by_remote(&t, 77, second));
	assert_ptr_equal(session_by_remote(&t, 77 + t.bucket_mask + 1, NULL), s[2]);
	assert_null(session_by_remote(&t, 78, NULL));
	session_end(&t, s[1]);
	assert_ptr_equal(session_by_remote(&t, 77, NULL), s[0]);
	assert_null(session_by_remote(&t, 77, s[0]));
	session_end(&t, s[0]);
	session_end(&t, s[2]);
	assert_null(session_by_remote(&t, 77, NULL));
	assert_null(session_by_remote(&t, 77 + t.bucket_mask + 1, NULL));
}

static void found_by_index_while_published(void **state)
{
	(void)state;
	struct session *s = make(2, SESSION_FREE);
	uint32_t index = s->local_index;
	assert_in_range(index, 1, 0x0fffffff);
	assert_null(session_find(&t, index)); /* not published yet */
	session_publish(&t, s, SESSION_UNCONFIRMED);
	assert_ptr_equal(session_find(&t, index), s);
	session_publish(&t, s, SESSION_LIVE);
	assert_ptr_equal(session_find(&t, index), s);
	assert_ptr_equal(session_at(&t, s->id), s);
	assert_null(session_find(&t, 0));
	for (uint32_t bit = 1; bit; bit <<= 1) /* the same bucket is not enough */
		assert_null(session_find(&t, index ^ bit));
	assert_null(session_at(&t, SESSIONS));
	assert_null(session_at(&t, SESSION_NONE));
	session_end(&t, s);
	assert_null(session_find(&t, index));
}

static void slots_come_back_after_the_batch(void **state)
{
	(void)state;
	struct session *s[SESSIONS];
	for (unsigned i = 0; i < SESSIONS; i++) {
		s[i] = make(1, SESSION_LIVE);
		assert_non_null(s[i]);
		for (unsigned j = 0; j < i; j++)
			assert_true(s[j]->local_index != s[i]->local_index && s[j] != s[i]);
	}
	assert_null(make(1, SESSION_LIVE));
	epoch_enter(&epoch, 5);
	s[3]->tx.state[0] = s[7]->tx.state[0] = 0x77; /* something secret */
	session_end(&t, s[7]);
	session_end(&t, s[3]);
	session_end(&t, s[3]); /* twice is once */
	assert_null(make(1, SESSION_LIVE));
	assert_int_equal(s[3]->tx.state[0], 0x77); /* the worker may be using it */
	epoch_leave(&epoch, 5);
	sessions_reclaim(&t);
	assert_int_equal(s[3]->tx.state[0] | s[7]->tx.state[0], 0);
	struct session *again[2] = {make(1, SESSION_LIVE), make(1, SESSION_LIVE)};
	assert_true(
		(again[0] == s[3] && again[1] == s[7]) || (again[0] == s[7] && again[1] == s[3]));
	assert_null(make(1, SESSION_LIVE));
	for (unsigned i = 0; i < SESSIONS; i++)
		assert_ptr_equal(session_find(&t, s[i]->local_index), s[i]);
}

/* An index table four times as large as the slots finds empty buckets however often slots are reused. */
static void indices_stay_distinct_for_ever(void **state)
{
	(void)state;
	struct session *s[SESSIONS] = {0};
	srand(1);
	for (unsigned step = 0; step < 20000; step++) {
		unsigned i = (unsigned)rand() % SESSIONS;
		if (s[i]) {
			uint32_t index = s[i]->local_index;
			session_end(&t, s[i]);
			s[i] = NULL;
			assert_null(session_find(&t, index));
		} else {
			s[i] = make((uint8_t)(1 + rand() % 3), SESSION_LIVE);
			assert_non_null(s[i]);
		}
		unsigned used = 0;
		for (unsigned k = 0; k < SESSIONS; k++)
			if (s[k]) {
				assert_ptr_equal(session_find(&t, s[k]->local_index), s[k]);
				used += s[k]->peer_lanes;
			}
		assert_int_equal(t.n_free_lanes, SESSIONS * 4 - used);
	}
}

static void lanes_come_from_a_bounded_pool(void **state)
{
	(void)state;
	/* 48 lanes in all: three sessions of 16 take them, whatever the number of slots. */
	struct session *s[3];
	for (unsigned i = 0; i < 3; i++) {
		s[i] = make(SEALED_LANES_MAX, SESSION_LIVE);
		assert_non_null(s[i]);
	}
	assert_null(make(1, SESSION_LIVE));
	assert_null(make(SEALED_LANES_MAX + 1, SESSION_LIVE));
	for (unsigned i = 0; i < 3; i++)
		for (unsigned j = 0; j < SEALED_LANES_MAX * i; j++)
			assert_ptr_not_equal(s[i]->lanes[0],
				s[j / SEALED_LANES_MAX]->lanes[j % SEALED_LANES_MAX]);
	/* An initiator's session exists before it has lanes. */
	struct session *initiator = make(0, SESSION_FREE);
	assert_non_null(initiator);
	assert_int_equal(session_set_lanes(&t, initiator, 1), ERR_NO_SPACE);
	assert_true(replay_update(&s[1]->lanes[4]->window, 1000));
	session_end(&t, s[1]);
	assert_int_equal(session_set_lanes(&t, initiator, 0), ERR_MALFORMED);
	assert_int_equal(session_set_lanes(&t, initiator, 17), ERR_MALFORMED);
	assert_int_equal(session_set_lanes(&t, initiator, 16), 0);
	for (unsigned i = 0; i < SEALED_LANES_MAX; i++) /* nothing is left of its window */
		assert_true(replay_check(&initiator->lanes[i]->window, 1000));
	session_end(&t, initiator); /* never published: ended all the same */
	assert_non_null(make(16, SESSION_LIVE));
}

static void a_key_allows_so_much(void **state)
{
	(void)state;
	static const uint8_t secret[32] = {1};
	static const struct aead_limits few = {10, 20, 100, 200};
	const uint32_t stop = (uint32_t)SEALED_SEQUENCE_STOP;
	static const struct {
		uint64_t messages, blocks; /* used so far */
		uint32_t next;             /* of the lane; 1: its end, 2: one before */
		uint32_t n;
		uint64_t more;
		bool allowed, rekey;
	} cases[] = {
		{0, 0, 0, 1, 1, true, false},
		{8, 0, 0, 1, 1, true, false},
		{9, 0, 0, 1, 1, true, true},
		{19, 0, 0, 1, 1, true, true},
		{20, 0, 0, 1, 1, false, true},
		{10, 0, 0, 11, 11, false, true},
		{0, 98, 0, 1, 1, true, false},
		{0, 99, 0, 1, 1, true, true},
		{0, 150, 0, 1, 50, true, true},
		{0, 150, 0, 1, 51, false, true},
		{0, 0, 1, 1, 1, false, true},
		{0, 0, 2, 1, 1, true, true},
		{0, 0, 2, 2, 2, false, true},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct session *s = make(1, SESSION_FREE);
		assert_int_equal(aead_key_init(&s->tx, AEAD_CHACHA20_POLY1305, secret), 0);
		struct aead row = *s->tx.aead;
		row.limits = few;
		s->tx.aead = &row;
		uint32_t next = cases[i].next == 1 ? stop : cases[i].next == 2 ? stop - 1 : 0;
		atomic_store(&s->next_sequence[3], next);
		atomic_store(&s->tx_messages, cases[i].messages);
		atomic_store(&s->tx_blocks, cases[i].blocks);
		uint32_t sequence = 12345;
		assert_int_equal(session_reserve(s, 3, cases[i].n, cases[i].more, &sequence),
			cases[i].allowed);
		assert_int_equal(sequence, cases[i].allowed ? next : 12345);
		assert_int_equal(atomic_load(&s->next_sequence[3]),
			cases[i].allowed ? next + cases[i].n : next);
		assert_int_equal(atomic_load(&s->next_sequence[2]), 0); /* lanes are apart */
		assert_int_equal(session_wants_rekey(s), cases[i].rekey);
		atomic_store(&s->tx_messages, 0);
		atomic_store(&s->tx_blocks, 0);
		atomic_store(&s->next_sequence[3], 0);
		assert_false(session_wants_rekey(s));
		atomic_store(&s->failed_opens, SEALED_FAILED_REKEY);
		assert_true(session_wants_rekey(s));
		session_end(&t, s);
	}
}

static void paths_hold_both_families(void **state)
{
	(void)state;
	static const char *const pairs[][2] = {{"192.0.2.1:4754", "198.51.100.1"},
		{"[2001:db8::1]:65535", "2001:db8::2"}, {"192.0.2.255:1", "0.0.0.0"}};
	for (size_t i = 0; i < 3; i++) {
		struct endpoint to, got;
		struct ip_addr from = fixture_addr(pairs[i][1]), got_from;
		assert_true(endpoint_parse(pairs[i][0], 0, &to));
		path_set_endpoint(&t, 2, &to, &from);
		path_get_endpoint(&t, 2, &got, &got_from);
		assert_true(endpoint_equal(&to, &got) && addr_equal(&from, &got_from));
	}
	struct path *p = &t.paths[2];
	atomic_store(&p->session, 1);
	atomic_store(&p->tx_bytes, 99);
	path_clear(&t, 2);
	struct endpoint to;
	struct ip_addr from;
	path_get_endpoint(&t, 2, &to, &from);
	assert_int_equal(to.addr.family | from.family | to.port, 0);
	assert_int_equal(atomic_load(&p->session), SESSION_NONE);
	assert_int_equal(atomic_load(&p->tx_bytes), 0);
}

static void link_local_addresses_follow_from_the_certificate(void **state)
{
	(void)state;
	static const uint8_t key[32] = {1, 2, 3};
	struct prefix addresses[] = {fixture_prefix("fd77::1/64"), fixture_prefix("10.77.0.11/24"),
		fixture_prefix("10.77.1.11/24")};
	struct ip_addr expected = fixture_addr("fe80::5efe:10.77.0.11");
	struct ip_addr a = linklocal_of(addresses, 3, key);
	assert_true(addr_equal(&a, &expected));
	a = linklocal_of(addresses, 1, key); /* without IPv4: from the key */
	uint8_t hash[8];
	prim_hash8(hash, key, sizeof key);
	assert_memory_equal(a.bytes, "\xfe\x80\0\0\0\0\0\0", 8);
	assert_memory_equal(a.bytes + 8, hash, 8);
	assert_true(addr_is_link_local(&a));
}

/* ---- Threads --------------------------------------------------------------------------------- */

#define READERS 2
#define CHANGES 3000

struct readers {
	atomic_bool stop;
	_Atomic uint32_t index; /* of a published session */
	_Atomic uint64_t broken, looks, found;
	_Atomic uint32_t number;
};

/* Every number in an endpoint is the same one: a torn one shows. */
static void check_path(struct readers *r)
{
	struct endpoint to;
	struct ip_addr from;
	path_get_endpoint(&t, 1, &to, &from);
	bool whole = to.addr.family == from.family;
	for (unsigned i = 0; i < 16; i++)
		whole = whole && to.addr.bytes[i] == (uint8_t)to.port &&
			from.bytes[i] == (uint8_t)to.port;
	atomic_fetch_add(&r->broken, !whole);
}

/* In one batch a session that was found keeps all that it says. */
static void check_session(struct readers *r, unsigned number)
{
	epoch_enter(&epoch, number);
	uint32_t index = atomic_load(&r->index);
	const struct session *s = session_find(&t, index);
	for (int look = 0; s && look < 10; look++)
		atomic_fetch_add(&r->broken,
			s->local_index != index || s->remote_index != ~index ||
				s->created_ns != index || s->tx.state[511] != (uint8_t)index ||
				s->lanes[0]->window.top != index);
	atomic_fetch_add(&r->found, s != NULL);
	epoch_leave(&epoch, number);
}

static void *reader(void *arg)
{
	struct readers *r = arg;
	unsigned number = atomic_fetch_add(&r->number, 1);
	while (!atomic_load(&r->stop)) {
		check_path(r);
		check_session(r, number);
		atomic_fetch_add(&r->looks, 1);
	}
	return NULL;
}

static void set_path(unsigned n)
{
	struct endpoint to = {.addr.family = 6, .port = (uint16_t)n};
	struct ip_addr from = {.family = 6};
	memset(to.addr.bytes, (int)n, 16);
	memset(from.bytes, (int)n, 16);
	path_set_endpoint(&t, 1, &to, &from);
}

static void readers_see_whole_paths_and_sessions(void **state)
{
	(void)state;
	static struct readers r;
	pthread_t threads[READERS];
	struct session *old = NULL;
	unsigned replaced = 0;
	set_path(0);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, reader, &r), 0);
	/* However little the readers, or we, are let run: until there was something to see. */
	for (unsigned n = 0; n < CHANGES || replaced <= 100 || atomic_load(&r.found) < 100; n++) {
		set_path(n);
		struct session *s = session_new(&t, 1, &env);
		if (!s) { /* a reader has been stopped in the middle of its batch */
			sched_yield();
			continue;
		}
		s->remote_index = ~s->local_index;
		s->created_ns = s->local_index;
		s->tx.state[511] = (uint8_t)s->local_index;
		s->lanes[0]->window.top = s->local_index;
		session_publish(&t, s, SESSION_LIVE);
		atomic_store(&r.index, s->local_index);
		if (old)
			session_end(&t, old);
		old = s;
		replaced++;
		if (n % 16 == 0)
			sched_yield();
	}
	atomic_store(&r.stop, true);
	for (int i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(r.broken, 0);
	assert_true(replaced > 100);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(found_by_the_peers_index),
		CASE(found_by_index_while_published),
		CASE(slots_come_back_after_the_batch),
		CASE(indices_stay_distinct_for_ever),
		CASE(lanes_come_from_a_bounded_pool),
		CASE(a_key_allows_so_much),
		CASE(paths_hold_both_families),
		CASE(link_local_addresses_follow_from_the_certificate),
		CASE(readers_see_whole_paths_and_sessions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
