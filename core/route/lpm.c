#include "core/route/lpm.h"

#include "core/base/cursor.h"
#include "core/base/err.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A change copies at most every node of one path. */
#define PATH_MAX_NODES 132

int lpm_init(struct lpm *t, uint32_t max_entries, struct epoch *epoch)
{
	/* n entries make at most 2n nodes; the rest is room for what waits to be reused. */
	*t = (struct lpm){.max_entries = max_entries, .epoch = epoch, .free_head = LPM_NONE};
	t->node_cap = max_entries * 4 + 4 * PATH_MAX_NODES;
	t->nodes = calloc(t->node_cap, sizeof *t->nodes);
	t->retired = calloc(t->node_cap, sizeof *t->retired);
	if (!t->nodes || !t->retired) {
		lpm_fini(t);
		return ERR_NO_SPACE;
	}
	atomic_init(&t->roots, UINT64_MAX);
	return 0;
}

void lpm_fini(struct lpm *t)
{
	free(t->nodes);
	free(t->retired);
	t->nodes = NULL;
	t->retired = NULL;
}

static unsigned bit_at(const uint8_t *bits, unsigned i)
{
	return bits[i / 8] >> (7 - i % 8) & 1;
}

/* Length of the common prefix of a and b, at most max. */
static uint8_t common_bits(const uint8_t *a, const uint8_t *b, uint8_t max)
{
	for (unsigned i = 0; i < max; i += 32) {
		uint32_t differ = load_u32(a + i / 8) ^ load_u32(b + i / 8);
		if (differ) {
			unsigned same = i + (unsigned)__builtin_clz(differ);
			return same < max ? (uint8_t)same : max;
		}
	}
	return max;
}

static void reclaim(struct lpm *t)
{
	while (t->retired_count && epoch_passed(t->epoch, t->retired[t->retired_head].stamp)) {
		uint32_t node = t->retired[t->retired_head].node;
		t->nodes[node].child[0] = t->free_head;
		t->free_head = node;
		t->retired_head = (t->retired_head + 1) % t->node_cap;
		t->retired_count--;
	}
	if (t->retired_count == 0)
		t->retired_head = 0; /* so that of a large table no more is touched than is used */
}

/*
 * Makes sure of n nodes. Live nodes never fill the pool, so what is missing waits to be reused: for as
 * long as a worker's batch lasts.
 */
static void need_free(struct lpm *t, uint32_t n)
{
	for (;;) {
		uint32_t found = t->node_cap - t->n_fresh;
		for (uint32_t i = t->free_head; i != LPM_NONE && found < n;
			i = t->nodes[i].child[0])
			found++;
		if (found >= n)
			return;
		assert(t->retired_count);
		epoch_wait(t->epoch, t->retired[t->retired_head].stamp);
		reclaim(t);
	}
}

static uint32_t take(struct lpm *t)
{
	uint32_t i = t->free_head;
	if (i == LPM_NONE) {
		assert(t->n_fresh < t->node_cap);
		return t->n_fresh++;
	}
	t->free_head = t->nodes[i].child[0];
	return i;
}

static void retire(struct lpm *t, uint32_t node, uint64_t stamp)
{
	uint32_t at = (t->retired_head + t->retired_count++) % t->node_cap;
	t->retired[at] = (struct lpm_retired){.node = node, .stamp = stamp};
}

/* The path from a root down to where a prefix stands or would stand. */
struct path {
	uint32_t node[PATH_MAX_NODES];
	unsigned n;
};

static uint32_t root_of(const struct lpm *t, uint8_t family)
{
	uint64_t roots = atomic_load_explicit(&t->roots, memory_order_relaxed);
	return (uint32_t)(family == 4 ? roots >> 32 : roots);
}

/* Copies the path above, hangs child below it and publishes; then retires what was replaced. */
static void publish(struct lpm *t, const struct path *above, const struct prefix *p, uint32_t child,
	const uint32_t *dropped, unsigned n_dropped)
{
	uint32_t below = child;
	for (unsigned i = above->n; i-- > 0;) {
		uint32_t copy = take(t);
		t->nodes[copy] = t->nodes[above->node[i]];
		t->nodes[copy].child[bit_at(p->addr.bytes, t->nodes[copy].len)] = below;
		below = copy;
	}
	uint64_t roots = atomic_load_explicit(&t->roots, memory_order_relaxed);
	if (p->addr.family == 4)
		roots = (uint64_t)below << 32 | (uint32_t)roots;
	else
		roots = (roots & 0xffffffff00000000) | below;
	atomic_store_explicit(&t->roots, roots, memory_order_release);
	uint64_t stamp = epoch_retire(t->epoch);
	for (unsigned i = 0; i < above->n; i++)
		retire(t, above->node[i], stamp);
	for (unsigned i = 0; i < n_dropped; i++)
		retire(t, dropped[i], stamp);
	reclaim(t);
}

/* Walks while nodes are strictly shorter than p and contain it; returns the node below, or NONE. */
static uint32_t descend(const struct lpm *t, const struct prefix *p, struct path *path)
{
	uint32_t at = root_of(t, p->addr.family);
	path->n = 0;
	while (at != LPM_NONE) {
		const struct lpm_node *node = &t->nodes[at];
		if (node->len >= p->len ||
			common_bits(node->bits, p->addr.bytes, node->len) < node->len)
			break;
		path->node[path->n++] = at;
		at = node->child[bit_at(p->addr.bytes, node->len)];
	}
	return at;
}

static bool is_node_of(const struct lpm_node *node, const struct prefix *p)
{
	return node->len == p->len && common_bits(node->bits, p->addr.bytes, p->len) == p->len;
}

static uint32_t new_node(struct lpm *t, const uint8_t *bits, uint8_t len, uint32_t value)
{
	uint32_t i = take(t);
	struct prefix p = {.len = len, .addr.family = 6};
	memcpy(p.addr.bytes, bits, 16);
	p = prefix_masked(p);
	t->nodes[i] = (struct lpm_node){.len = len, .child = {LPM_NONE, LPM_NONE}, .value = value};
	memcpy(t->nodes[i].bits, p.addr.bytes, 16);
	return i;
}

int lpm_put(struct lpm *t, const struct prefix *p, uint32_t value)
{
	struct path path;
	uint32_t below = descend(t, p, &path);
	bool exact = below != LPM_NONE && is_node_of(&t->nodes[below], p);
	bool new_entry = !exact || t->nodes[below].value == LPM_NONE;
	if (new_entry && t->entries == t->max_entries)
		return ERR_NO_SPACE;
	need_free(t, path.n + 2);
	t->entries += new_entry;
	uint32_t node = new_node(t, p->addr.bytes, p->len, value);
	if (exact) {
		memcpy(t->nodes[node].child, t->nodes[below].child, sizeof t->nodes[node].child);
		publish(t, &path, p, node, &below, 1);
		return 0;
	}
	if (below != LPM_NONE) {
		const struct lpm_node *other = &t->nodes[below];
		uint8_t shorter = other->len < p->len ? other->len : p->len;
		uint8_t common = common_bits(other->bits, p->addr.bytes, shorter);
		if (common == p->len) {
			t->nodes[node].child[bit_at(other->bits, common)] = below;
		} else {
			uint32_t fork = new_node(t, p->addr.bytes, common, LPM_NONE);
			t->nodes[fork].child[bit_at(other->bits, common)] = below;
			t->nodes[fork].child[bit_at(p->addr.bytes, common)] = node;
			node = fork;
		}
	}
	publish(t, &path, p, node, NULL, 0);
	return 0;
}

uint32_t lpm_remove(struct lpm *t, const struct prefix *p)
{
	struct path path;
	uint32_t at = descend(t, p, &path);
	if (at == LPM_NONE || !is_node_of(&t->nodes[at], p) || t->nodes[at].value == LPM_NONE)
		return LPM_NONE;
	need_free(t, path.n + 1);
	struct lpm_node node = t->nodes[at];
	uint32_t dropped[2] = {at}, n_dropped = 1, child;
	t->entries--;
	if (node.child[0] != LPM_NONE && node.child[1] != LPM_NONE) {
		child = new_node(t, node.bits, node.len, LPM_NONE);
		memcpy(t->nodes[child].child, node.child, sizeof node.child);
	} else {
		child = node.child[0] != LPM_NONE ? node.child[0] : node.child[1];
		/* A fork above that keeps only its other child is not needed any more. */
		if (child == LPM_NONE && path.n &&
			t->nodes[path.node[path.n - 1]].value == LPM_NONE) {
			dropped[n_dropped++] = path.node[--path.n];
			const struct lpm_node *fork = &t->nodes[dropped[1]];
			child = fork->child[!bit_at(p->addr.bytes, fork->len)];
		}
	}
	publish(t, &path, p, child, dropped, n_dropped);
	return node.value;
}

uint32_t lpm_get(const struct lpm *t, const struct prefix *p)
{
	struct path path;
	uint32_t at = descend(t, p, &path);
	return at != LPM_NONE && is_node_of(&t->nodes[at], p) ? t->nodes[at].value : LPM_NONE;
}

uint32_t lpm_cover(const struct lpm *t, const struct prefix *p)
{
	struct path path;
	uint32_t at = descend(t, p, &path);
	if (at != LPM_NONE && is_node_of(&t->nodes[at], p) && t->nodes[at].value != LPM_NONE)
		return t->nodes[at].value;
	while (path.n)
		if (t->nodes[path.node[--path.n]].value != LPM_NONE)
			return t->nodes[path.node[path.n]].value;
	return LPM_NONE;
}

struct lpm_view lpm_snapshot(const struct lpm *t)
{
	uint64_t roots = atomic_load_explicit(&t->roots, memory_order_acquire);
	return (struct lpm_view){
		.nodes = t->nodes, .root = {(uint32_t)(roots >> 32), (uint32_t)roots}};
}

uint32_t lpm_match(const struct lpm_view *v, const struct ip_addr *a, uint8_t *len)
{
	uint32_t best = LPM_NONE;
	uint8_t width = addr_bits(a->family);
	for (uint32_t at = v->root[a->family == 6]; at != LPM_NONE;) {
		const struct lpm_node *node = &v->nodes[at];
		if (common_bits(node->bits, a->bytes, node->len) < node->len)
			break;
		if (node->value != LPM_NONE) {
			best = node->value;
			*len = node->len;
		}
		if (node->len == width)
			break;
		at = node->child[bit_at(a->bytes, node->len)];
	}
	return best;
}

void lpm_each_inside(const struct lpm *t, const struct prefix *p,
	void (*fn)(void *ctx, const struct prefix *prefix, uint32_t value), void *ctx)
{
	struct path path;
	uint32_t stack[PATH_MAX_NODES * 2];
	unsigned depth = 0;
	uint32_t top = descend(t, p, &path);
	if (top != LPM_NONE)
		stack[depth++] = top;
	while (depth) {
		const struct lpm_node *node = &t->nodes[stack[--depth]];
		struct prefix here = {.len = node->len, .addr.family = p->addr.family};
		memcpy(here.addr.bytes, node->bits, 16);
		if (!prefix_covers(p, &here))
			continue;
		if (node->value != LPM_NONE)
			fn(ctx, &here, node->value);
		for (int i = 0; i < 2; i++)
			if (node->child[i] != LPM_NONE)
				stack[depth++] = node->child[i];
	}
}
