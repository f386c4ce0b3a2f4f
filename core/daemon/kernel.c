#include "core/daemon/node.h"

_Static_assert(ROUTE_LEGS >= KERNEL_LEGS, "the engine takes all that the kernel's mirror tells");

/* The kernel's routes and addresses on their way to the engine. */

static void on_reset(void *ctx)
{
	struct node *n = ctx;
	interface_reset(n);
	engine_addresses_reset(n->engine, os_now_ns());
	control_settle(n);
}

static enum route_type type_of(const struct kernel_route *route)
{
	switch ((enum route_kind)route->kind) {
	case ROUTE_LOCAL:
		return ROUTE_TYPE_LOCAL;
	case ROUTE_REJECT:
		return ROUTE_TYPE_REJECT;
	case ROUTE_UNICAST:
		break;
	}
	return ROUTE_TYPE_OTHER;
}

/* Of its next hops those out of our TUN: the kernel has chosen between these and others before we see a packet. */
static void add_legs(
	const struct node *n, const struct kernel_legs *legs, struct route_update *update)
{
	for (unsigned i = 0; i < legs->n; i++) {
		if (legs->v[i].ifindex != tun_ifindex(n->tun)) {
			update->elsewhere = true;
			continue;
		}
		update->legs[update->n_legs++] = (struct route_leg){
			.gateway = legs->v[i].gateway, .weight = legs->v[i].weight};
	}
	if (update->n_legs == 0) {
		update->elsewhere = false;
		return;
	}
	update->type = ROUTE_TYPE_OVERLAY;
	update->gateway = update->legs[0].gateway;
}

static void on_route(
	void *ctx, const struct kernel_route *route, const struct kernel_legs *legs, bool deleted)
{
	struct node *n = ctx;
	bool ours = route->protocol == ROUTE_PROTOCOL_WARREN;
	if (ours && deleted && route->ifindex == tun_ifindex(n->tun))
		interface_route_gone(n, &route->prefix, &route->gateway);
	struct route_update update = {
		.prefix = route->prefix,
		.gateway = route->gateway,
		.table = route->table,
		.metric = route->metric,
		.tos = route->tos,
		.type = (uint8_t)type_of(route),
	};
	if (route->kind == ROUTE_UNICAST)
		add_legs(n, legs, &update);
	/* One of ours the engine has ordered, and knows; but it may be in the place of another's. */
	engine_route(n->engine, &update, deleted || ours, os_now_ns());
	control_settle(n);
}

static void on_address(void *ctx, uint32_t ifindex, const struct prefix *address, bool deleted)
{
	struct node *n = ctx;
	if (ifindex == tun_ifindex(n->tun)) {
		interface_address(n, address, deleted);
		return;
	}
	engine_address(n->engine, &address->addr, deleted, os_now_ns());
	control_settle(n);
}

static void on_synced(void *ctx)
{
	struct node *n = ctx;
	interface_synced(n);
	engine_routes_synced(n->engine, os_now_ns());
	control_settle(n);
}

static void on_link(void *ctx, const struct kernel_link *link)
{
	struct node *n = ctx;
	if (link->ifindex != tun_ifindex(n->tun))
		return;
	interface_changed(n, link);
	control_settle(n);
}

int kernel_open(struct node *n)
{
	struct netmon_events events = {.ctx = n,
		.reset = on_reset,
		.route = on_route,
		.address = on_address,
		.synced = on_synced,
		.link = on_link};
	n->in_netmon = true;
	int rc = netmon_open(
		&n->netmon, n->config.tun.tables.v, n->config.tun.tables.n, &events, &n->env);
	n->in_netmon = false;
	return rc;
}

void kernel_tell_again(struct node *n)
{
	if (!n->netmon || !engine_routes_again(n->engine, os_now_ns()))
		return;
	n->in_netmon = true;
	netmon_tell_routes(n->netmon);
	n->in_netmon = false;
}

int kernel_read(struct node *n, bool resync)
{
	n->in_netmon = true;
	int rc = resync ? netmon_resync(n->netmon) : netmon_read(n->netmon);
	n->in_netmon = false;
	return rc;
}
