/* What the status views of a node say, in the forms that scenarios ask for. */
#include "test/sim/node.h"

#include "core/engine/node.h"

#include <string.h>

struct node_view node_status(const struct node *n)
{
	struct node_view v;
	memset(&v, 0, sizeof v);
	engine_view_node(n->engine, &v);
	return v;
}

struct data_counters node_counters(const struct node *n)
{
	struct data_counters c;
	memset(&c, 0, sizeof c);
	engine_view_counters(n->engine, &c);
	return c;
}

struct nhrp_counters node_nhrp_counters(const struct node *n)
{
	struct nhrp_counters c;
	memset(&c, 0, sizeof c);
	engine_view_nhrp_counters(n->engine, &c);
	return c;
}

uint64_t node_dropped(const struct node *n, enum drop_reason why)
{
	return node_counters(n).dropped[why];
}

bool node_ready(const struct node *n)
{
	return n->engine && node_status(n).ready;
}

bool node_peer(const struct node *n, const char *name, struct peer_view *out)
{
	uint32_t cursor = 0;
	struct peer_view v;
	bool found = false;
	if (!n->engine)
		return false;
	/* A peer may be listed twice while an old entry dies: the living one counts. */
	while (engine_view_peer(n->engine, &cursor, &v, node_now(n)))
		if (strcmp(v.name, name) == 0 && (!found || v.up)) {
			*out = v;
			found = true;
		}
	return found;
}

bool node_up(const struct node *n, const struct node *peer)
{
	struct peer_view v;
	return node_peer(n, peer->name, &v) && v.up;
}

bool node_direct(const struct node *n, const struct node *peer)
{
	struct peer_view v;
	return node_peer(n, peer->name, &v) && v.up && v.direct;
}

/* What n sends user data to this peer with; NULL: nothing. */
static const struct session *current_session(const struct node *n, const struct node *peer)
{
	const struct peer *p =
		n->engine ? peer_find(&n->engine->peers, peer->cert.static_key) : NULL;
	return p && p->path == PATH_UP ? session_at(&n->engine->plane.sessions, p->current) : NULL;
}

bool node_same_keys(const struct node *n, const struct node *peer)
{
	const struct session *a = current_session(n, peer), *b = current_session(peer, n);
	if (!a || !b || node_now(n) - a->created_ns < NS_PER_S ||
		node_now(peer) - b->created_ns < NS_PER_S)
		return true;
	return a->local_index == b->remote_index && a->remote_index == b->local_index;
}

static bool prefix_is(const struct node *n, const struct prefix *p, const char *text)
{
	struct prefix want;
	if (!prefix_parse(text, &want))
		SIM_FAIL(n->sim, "%s is no prefix", text);
	want = prefix_masked(want);
	return prefix_equal(p, &want);
}

bool node_nhrp(const struct node *n, const char *kind, const char *prefix, struct nhrp_view *out)
{
	uint32_t cursor = 0;
	while (n->engine && engine_view_nhrp(n->engine, &cursor, out, node_now(n)))
		if (strcmp(out->kind, kind) == 0 && (!prefix || prefix_is(n, &out->prefix, prefix)))
			return true;
	return false;
}

unsigned node_nhrp_count(const struct node *n, const char *kind)
{
	uint32_t cursor = 0;
	unsigned count = 0;
	struct nhrp_view v;
	while (n->engine && engine_view_nhrp(n->engine, &cursor, &v, node_now(n)))
		count += strcmp(v.kind, kind) == 0;
	return count;
}

bool node_shortcut(const struct node *n, const char *prefix)
{
	struct nhrp_view v;
	return node_nhrp(n, "shortcut", prefix, &v) && strcmp(v.state, "active") == 0;
}

bool node_route_view(
	const struct node *n, const char *source, const char *prefix, struct route_view *out)
{
	uint32_t cursor = 0;
	while (n->engine && engine_view_route(n->engine, &cursor, out))
		if (strcmp(out->source, source) == 0 && prefix_is(n, &out->prefix, prefix))
			return true;
	return false;
}

void node_trace(const struct node *n)
{
	char at[ENDPOINT_TEXT_MAX], prefix[PREFIX_TEXT_MAX];
	uint32_t cursor = 0;
	struct peer_view p;
	while (n->engine && engine_view_peer(n->engine, &cursor, &p, node_now(n)))
		sim_trace(n->sim, "%-9s = peer %s%s at %s: %s, %s \"%s\", heard %.3f s ago",
			n->name, p.name, p.hub ? " (hub)" : "", endpoint_format(&p.endpoint, at),
			p.up ? "up" : "down", p.path_state, p.path_reason,
			p.last_received_ns == TS_NEVER ? -1.0 : (double)p.last_received_ns / 1e9);
	struct nhrp_view v;
	cursor = 0;
	while (n->engine && engine_view_nhrp(n->engine, &cursor, &v, node_now(n)))
		sim_trace(n->sim, "%-9s = %s %s of %s: %s, code %d", n->name, v.kind,
			prefix_format(&v.prefix, prefix), v.peer, v.state, v.code);
}

static uint64_t mix(uint64_t h, const void *data, size_t len)
{
	const uint8_t *p = data;
	while (len-- > 0)
		h = (h ^ *p++) * UINT64_C(0x100000001B3);
	return h;
}

static uint64_t mix_text(uint64_t h, const char *text)
{
	return mix(h, text, strlen(text));
}

uint64_t node_digest(const struct node *n)
{
	/* Rows are summed, so that their order does not matter. */
	uint64_t sum = 0;
	uint32_t cursor = 0;
	struct peer_view p;
	while (engine_view_peer(n->engine, &cursor, &p, node_now(n))) {
		uint64_t h = mix_text(1, p.name);
		h = mix(h, p.static_key, sizeof p.static_key);
		h = mix(h, &p.up, sizeof p.up);
		h = mix(h, &p.direct, sizeof p.direct);
		h = mix(h, &p.endpoint.addr, sizeof p.endpoint.addr);
		h = mix(h, &p.endpoint.port, sizeof p.endpoint.port);
		sum += mix_text(h, p.path_state);
	}
	struct nhrp_view v;
	cursor = 0;
	while (engine_view_nhrp(n->engine, &cursor, &v, node_now(n))) {
		uint64_t h = mix_text(2, v.kind);
		h = mix(h, &v.prefix.addr, sizeof v.prefix.addr);
		h = mix(h, &v.prefix.len, 1);
		h = mix_text(mix_text(h, v.peer), v.state);
		sum += mix(h, &v.code, sizeof v.code);
	}
	struct route_view r;
	cursor = 0;
	while (engine_view_route(n->engine, &cursor, &r)) {
		uint64_t h = mix_text(3, r.source);
		h = mix(h, &r.prefix.addr, sizeof r.prefix.addr);
		h = mix(h, &r.prefix.len, 1);
		h = mix(h, &r.gateway, sizeof r.gateway);
		sum += mix(mix_text(h, r.peer), &r.active, sizeof r.active);
	}
	return sum;
}
