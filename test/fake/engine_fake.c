/*
 * An engine that only has views: a few fixed rows, as many peers as wanted. Included by tests of what
 * stands above the engine.
 */
#include "core/engine/engine.h"

#include <string.h>

struct engine {
	struct node_view node;
	struct data_counters counters;
	struct nhrp_counters nhrp;
	struct multicast_view multicast;
	uint32_t n_peers;
};

static struct prefix fake_prefix(const char *text)
{
	struct prefix p;
	if (!prefix_parse(text, &p))
		memset(&p, 0, sizeof p);
	return p;
}

void engine_view_node(const struct engine *e, struct node_view *out)
{
	*out = e->node;
}

void engine_view_counters(const struct engine *e, struct data_counters *out)
{
	*out = e->counters;
}

void engine_view_nhrp_counters(const struct engine *e, struct nhrp_counters *out)
{
	*out = e->nhrp;
}

void engine_view_multicast(const struct engine *e, struct multicast_view *out)
{
	*out = e->multicast;
}

/* Peer 0 is an unknown that is down, all others are up. */
/* As many sections as the node's view says there are. */
bool engine_view_interop(const struct engine *e, uint32_t *cursor, struct interop_view *out)
{
	if (*cursor >= e->node.interop)
		return false;
	++*cursor;
	*out = (struct interop_view){.name = "frr",
		.hub = true,
		.raw = true,
		.have_key = true,
		.authentication = true,
		.underlay = fake_prefix("203.0.113.2"),
		.members = 1};
	return true;
}

bool engine_view_peer(const struct engine *e, uint32_t *cursor, struct peer_view *out, uint64_t now)
{
	(void)now;
	if (*cursor >= e->n_peers)
		return false;
	uint32_t i = (*cursor)++;
	*out = (struct peer_view){.path_state = "down",
		.path_reason = "",
		.cipher = "",
		.last_received_ns = TS_NEVER};
	if (i == 0)
		return true;
	strcpy(out->name, "spoke.example");
	out->up = out->direct = true;
	out->path_state = "direct";
	out->cipher = "AES-256-GCM";
	out->n_addresses = 1;
	out->addresses[0] = fake_prefix("10.99.0.7/24");
	endpoint_parse("192.0.2.7:4754", 0, &out->endpoint);
	out->last_received_ns = 5;
	out->rtt_ns = i;
	out->tx_bytes = UINT64_C(1) << 40;
	return true;
}

bool engine_view_route(const struct engine *e, uint32_t *cursor, struct route_view *out)
{
	(void)e;
	if (*cursor >= 2)
		return false;
	uint32_t i = (*cursor)++;
	*out = (struct route_view){.prefix = fake_prefix(i ? "2001:db8::/32" : "10.0.0.0/8"),
		.source = i ? "shortcut" : "kernel",
		.type = i ? "overlay" : "other",
		.table = i ? 0 : 254,
		.metric = i ? 0 : 100,
		.active = true};
	if (i) {
		strcpy(out->peer, "spoke.example");
		return true;
	}
	addr_parse("10.99.0.1", &out->gateway);
	out->n_hops = 2;
	out->hops[0] = (struct hop_view){.gateway = out->gateway, .weight = 1};
	out->hops[1] = (struct hop_view){.weight = 3, .peer = "spoke.example"};
	addr_parse("10.99.0.2", &out->hops[1].gateway);
	return true;
}

bool engine_view_nhrp(const struct engine *e, uint32_t *cursor, struct nhrp_view *out, uint64_t now)
{
	(void)e, (void)now;
	if (*cursor >= 1)
		return false;
	(*cursor)++;
	*out = (struct nhrp_view){.kind = "binding",
		.prefix = fake_prefix("10.99.0.7/32"),
		.peer = "spoke.example",
		.state = "registered",
		.expires_ns = TS_NEVER,
		.age_ns = 9};
	endpoint_parse("[2001:db8::7]:4754", 0, &out->nbma);
	return true;
}
