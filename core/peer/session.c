#include "core/peer/session.h"

#include "core/base/err.h"

#include <stdlib.h>
#include <string.h>

#define INDEX_MAX 0x0fffffffu

int sessions_init(
	struct sessions *t, uint32_t max_sessions, uint32_t max_peers, struct epoch *epoch)
{
	uint32_t buckets = 16;
	while (buckets < max_sessions * 4)
		buckets *= 2;
	/* Most peers announce two or three lanes; the pool is what bounds the rest. */
	*t = (struct sessions){.n_slots = max_sessions,
		.bucket_mask = buckets - 1,
		.n_lanes = max_sessions * 4,
		.n_paths = max_peers,
		.epoch = epoch,
		.free_head = SESSION_NONE,
		.ended_head = SESSION_NONE};
	t->slots = calloc(max_sessions, sizeof *t->slots);
	t->buckets = calloc(buckets, sizeof *t->buckets);
	t->by_remote = calloc(buckets, sizeof *t->by_remote);
	t->lanes = calloc(t->n_lanes, sizeof *t->lanes);
	t->free_lanes = calloc(t->n_lanes, sizeof *t->free_lanes);
	t->paths = calloc(max_peers, sizeof *t->paths);
	if (!t->slots || !t->buckets || !t->by_remote || !t->lanes || !t->free_lanes || !t->paths) {
		sessions_fini(t);
		return ERR_NO_SPACE;
	}
	/* Indices are random, so that in time each page would be used: better all of them now. */
	for (uint32_t i = 0; i < buckets; i++) {
		atomic_init(&t->buckets[i], SESSION_NONE);
		t->by_remote[i] = SESSION_NONE;
	}
	for (uint32_t i = 0; i < t->n_lanes; i++)
		t->free_lanes[t->n_free_lanes++] = t->n_lanes - 1 - i;
	return 0;
}

void sessions_fini(struct sessions *t)
{
	if (t->slots)
		prim_wipe(t->slots, t->n_fresh * sizeof *t->slots);
	free(t->slots);
	free((void *)t->buckets);
	free(t->by_remote);
	free(t->lanes);
	free(t->free_lanes);
	free(t->paths);
	memset(t, 0, sizeof *t);
}

static uint32_t draw_index(const struct sessions *t, const struct env *env)
{
	for (;;) {
		uint32_t index = env_random_u32(env) & INDEX_MAX;
		if (index != 0 &&
			atomic_load_explicit(&t->buckets[index & t->bucket_mask],
				memory_order_relaxed) == SESSION_NONE)
			return index;
	}
}

int session_set_lanes(struct sessions *t, struct session *s, uint8_t peer_lanes)
{
	if (peer_lanes == 0 || peer_lanes > SEALED_LANES_MAX)
		return ERR_MALFORMED;
	if (peer_lanes > t->n_free_lanes)
		return ERR_NO_SPACE;
	for (s->peer_lanes = 0; s->peer_lanes < peer_lanes; s->peer_lanes++) {
		struct lane *lane = &t->lanes[t->free_lanes[--t->n_free_lanes]];
		s->lanes[s->peer_lanes] = lane;
		atomic_flag_clear(&lane->busy);
		replay_init(&lane->window);
	}
	return 0;
}

static struct session *take_slot(struct sessions *t)
{
	sessions_reclaim(t);
	uint32_t id = t->free_head != SESSION_NONE ? t->free_head : t->n_fresh;
	if (id == t->n_slots)
		return NULL;
	struct session *s = &t->slots[id];
	if (id == t->n_fresh)
		t->n_fresh++;
	else
		t->free_head = s->next_free;
	memset(s, 0, sizeof *s);
	s->id = id;
	return s;
}

struct session *session_new_plain(struct sessions *t)
{
	struct session *s = take_slot(t);
	if (!s)
		return NULL;
	s->plain = true;
	/* Beyond all indices, of which a packet has 28 bits: it stands in no bucket. */
	s->local_index = (INDEX_MAX + 1) | (t->plain_made++ & INDEX_MAX);
	return s;
}

struct session *session_new(struct sessions *t, uint8_t peer_lanes, const struct env *env)
{
	sessions_reclaim(t);
	struct session *s =
		peer_lanes > SEALED_LANES_MAX || peer_lanes > t->n_free_lanes ? NULL : take_slot(t);
	if (!s)
		return NULL;
	s->local_index = draw_index(t, env);
	if (peer_lanes)
		session_set_lanes(t, s, peer_lanes);
	/* The bucket is taken at once, so that no other session draws an index for it. */
	atomic_store_explicit(
		&t->buckets[s->local_index & t->bucket_mask], s->id, memory_order_release);
	return s;
}

void session_set_remote(struct sessions *t, struct session *s, uint32_t remote_index)
{
	uint32_t *head = &t->by_remote[remote_index & t->bucket_mask];
	s->remote_index = remote_index;
	s->next_remote = *head;
	*head = s->id;
}

struct session *session_by_remote(
	const struct sessions *t, uint32_t remote_index, const struct session *last)
{
	uint32_t entry = last ? last->next_remote : t->by_remote[remote_index & t->bucket_mask];
	while (entry != SESSION_NONE && t->slots[entry].remote_index != remote_index)
		entry = t->slots[entry].next_remote;
	return session_at(t, entry);
}

static void forget_remote(struct sessions *t, const struct session *s)
{
	uint32_t *link = &t->by_remote[s->remote_index & t->bucket_mask];
	while (*link != SESSION_NONE && *link != s->id)
		link = &t->slots[*link].next_remote;
	if (*link != SESSION_NONE)
		*link = s->next_remote;
}

void session_publish(struct sessions *t, struct session *s, enum session_state state)
{
	(void)t;
	atomic_store_explicit(&s->state, state, memory_order_release);
}

void session_end(struct sessions *t, struct session *s)
{
	if (atomic_load_explicit(&s->state, memory_order_relaxed) == SESSION_ENDED)
		return;
	atomic_store_explicit(&s->state, SESSION_ENDED, memory_order_release);
	if (!s->plain) {
		atomic_store_explicit(&t->buckets[s->local_index & t->bucket_mask], SESSION_NONE,
			memory_order_release);
		forget_remote(t, s);
	}
	s->ended_stamp = epoch_retire(t->epoch);
	s->next_free = SESSION_NONE;
	if (t->ended_head == SESSION_NONE)
		t->ended_head = s->id;
	else
		t->slots[t->ended_tail].next_free = s->id;
	t->ended_tail = s->id;
	sessions_reclaim(t);
}

static void take_back(struct sessions *t, struct session *s)
{
	uint32_t id = s->id;
	for (unsigned i = 0; i < s->peer_lanes; i++)
		t->free_lanes[t->n_free_lanes++] = (uint32_t)(s->lanes[i] - t->lanes);
	prim_wipe(s, sizeof *s);
	s->id = id;
	s->next_free = t->free_head;
	t->free_head = id;
}

void sessions_reclaim(struct sessions *t)
{
	while (t->ended_head != SESSION_NONE) {
		struct session *s = &t->slots[t->ended_head];
		if (!epoch_passed(t->epoch, s->ended_stamp))
			break;
		t->ended_head = s->next_free;
		take_back(t, s);
	}
}

struct session *session_find(const struct sessions *t, uint32_t local_index)
{
	uint32_t entry = atomic_load_explicit(
		&t->buckets[local_index & t->bucket_mask], memory_order_acquire);
	if (entry == SESSION_NONE)
		return NULL;
	struct session *s = &t->slots[entry];
	/* The state first: it makes the rest of the slot visible. */
	uint8_t state = atomic_load_explicit(&s->state, memory_order_acquire);
	if (state != SESSION_UNCONFIRMED && state != SESSION_LIVE)
		return NULL;
	return s->local_index == local_index ? s : NULL;
}

struct session *session_with_index(const struct sessions *t, uint32_t local_index)
{
	struct session *s = session_at(t,
		atomic_load_explicit(
			&t->buckets[local_index & t->bucket_mask], memory_order_relaxed));
	return s && s->local_index == local_index ? s : NULL;
}

void path_set_endpoint(
	struct sessions *t, uint32_t peer, const struct endpoint *to, const struct ip_addr *from)
{
	struct path *p = &t->paths[peer];
	uint64_t words[5] = {
		(uint64_t)to->addr.family << 32 | (uint64_t)from->family << 16 | to->port};
	memcpy(&words[1], to->addr.bytes, 16);
	memcpy(&words[3], from->bytes, 16);
	uint32_t version = atomic_load_explicit(&p->version, memory_order_relaxed);
	atomic_store_explicit(&p->version, version + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	for (int i = 0; i < 5; i++)
		atomic_store_explicit(&p->words[i], words[i], memory_order_relaxed);
	atomic_store_explicit(&p->version, version + 2, memory_order_release);
}

void path_get_endpoint(
	const struct sessions *t, uint32_t peer, struct endpoint *to, struct ip_addr *from)
{
	const struct path *p = &t->paths[peer];
	uint64_t words[5];
	uint32_t before, after;
	do {
		before = atomic_load_explicit(&p->version, memory_order_acquire);
		for (int i = 0; i < 5; i++)
			words[i] = atomic_load_explicit(&p->words[i], memory_order_relaxed);
		atomic_thread_fence(memory_order_acquire);
		after = atomic_load_explicit(&p->version, memory_order_relaxed);
	} while (before != after || before & 1);
	to->addr.family = (uint8_t)(words[0] >> 32);
	from->family = (uint8_t)(words[0] >> 16);
	to->port = (uint16_t)words[0];
	memcpy(to->addr.bytes, &words[1], 16);
	memcpy(from->bytes, &words[3], 16);
}

void path_clear(struct sessions *t, uint32_t peer)
{
	struct path *p = &t->paths[peer];
	atomic_store_explicit(&p->session, SESSION_NONE, memory_order_release);
	path_set_endpoint(t, peer, &(struct endpoint){0}, &(struct ip_addr){0});
	_Atomic uint64_t *sums[] = {&p->last_rx_ns, &p->last_data_tx_ns, &p->last_data_rx_ns,
		&p->tx_packets, &p->tx_bytes, &p->rx_packets, &p->rx_bytes};
	for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
		atomic_store_explicit(sums[i], 0, memory_order_relaxed);
}

bool session_reserve(
	struct session *s, uint8_t lane, uint32_t n, uint64_t blocks, uint32_t *sequence)
{
	if (s->plain)
		return false; /* there is no key to it */
	const struct aead_limits *limits = &s->tx.aead->limits;
	uint64_t messages = atomic_fetch_add_explicit(&s->tx_messages, n, memory_order_relaxed) + n;
	blocks += atomic_fetch_add_explicit(&s->tx_blocks, blocks, memory_order_relaxed);
	uint32_t first = atomic_load_explicit(&s->next_sequence[lane], memory_order_relaxed);
	if (messages > limits->stop_messages || blocks > limits->stop_blocks ||
		(uint64_t)first + n > SEALED_SEQUENCE_STOP)
		return false;
	atomic_store_explicit(&s->next_sequence[lane], first + n, memory_order_relaxed);
	*sequence = first;
	return true;
}

uint64_t session_heard(const struct session *s)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < s->peer_lanes; i++) {
		struct lane *lane = s->lanes[i];
		while (atomic_flag_test_and_set_explicit(&lane->busy, memory_order_acquire))
			;
		sum += lane->window.top;
		atomic_flag_clear_explicit(&lane->busy, memory_order_release);
	}
	return sum;
}

bool session_wants_rekey(const struct session *s)
{
	uint64_t farthest = 0;
	for (int i = 0; i < SEALED_LANES_MAX; i++) {
		uint64_t next = atomic_load_explicit(&s->next_sequence[i], memory_order_relaxed);
		farthest = next > farthest ? next : farthest;
	}
	uint64_t failed = atomic_load_explicit(&s->failed_opens, memory_order_relaxed);
	return sealed_life(s->tx.aead, atomic_load_explicit(&s->tx_messages, memory_order_relaxed),
		       atomic_load_explicit(&s->tx_blocks, memory_order_relaxed),
		       farthest) != SEALED_FRESH ||
		sealed_life_failed(failed) != SEALED_FRESH;
}
