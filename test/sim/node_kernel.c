/* The emulated machine's addresses and kernel routes. */
#include "test/sim/node.h"

#include "core/base/cursor.h"

#include <string.h>

#define TABLE_MAIN  254
#define TABLE_LOCAL 255

bool node_owns(const struct node *n, const struct ip_addr *a)
{
	for (unsigned i = 0; i < n->n_own; i++)
		if (prefix_contains(&n->own[i], a))
			return true;
	return false;
}

int node_kernel_type(const struct node *n, const struct ip_addr *dst)
{
	int type = -1, best = -1;
	for (unsigned i = 0; i < n->n_routes; i++) {
		const struct route_update *r = &n->routes[i];
		if (prefix_contains(&r->prefix, dst) && r->prefix.len > best) {
			best = r->prefix.len;
			type = r->type;
		}
	}
	for (unsigned i = 0; i < n->n_installed; i++)
		if (prefix_contains(&n->installed[i].prefix, dst) &&
			n->installed[i].prefix.len > best) {
			best = n->installed[i].prefix.len;
			type = ROUTE_TYPE_OVERLAY;
		}
	return type;
}

static struct prefix parse_prefix(const struct node *n, const char *text)
{
	struct prefix p;
	if (!prefix_parse(text, &p))
		SIM_FAIL(n->sim, "%s is no prefix", text);
	return prefix_masked(p);
}

void node_own(struct node *n, const char *prefix)
{
	if (n->n_own == NODE_OWN)
		SIM_FAIL(n->sim, "%s owns too much", n->name);
	n->own[n->n_own++] = parse_prefix(n, prefix);
}

struct ip_addr node_address(const struct node *n, uint8_t family)
{
	for (unsigned i = 0; i < n->cert.n_addresses; i++)
		if (n->cert.addresses[i].addr.family == family)
			return n->cert.addresses[i].addr;
	SIM_FAIL(n->sim, "%s has no IPv%u address", n->name, family);
}

static void tell(struct node *n, const struct route_update *r, bool deleted)
{
	if (!n->engine)
		return;
	engine_route(n->engine, r, deleted, node_now(n));
	node_settle(n);
}

static void put_route(struct node *n, const struct route_update *r)
{
	unsigned i = 0;
	while (i < n->n_routes &&
		(!prefix_equal(&n->routes[i].prefix, &r->prefix) || n->routes[i].table != r->table))
		i++;
	if (i == NODE_ROUTES)
		SIM_FAIL(n->sim, "%s has too many routes", n->name);
	n->n_routes += i == n->n_routes;
	n->routes[i] = *r;
	tell(n, r, false);
}

void node_route(struct node *n, const char *prefix, const char *gateway, enum route_type type)
{
	struct route_update r = {.prefix = parse_prefix(n, prefix), .type = (uint8_t)type};
	r.table = type == ROUTE_TYPE_LOCAL ? TABLE_LOCAL : TABLE_MAIN;
	if (gateway && !addr_parse(gateway, &r.gateway))
		SIM_FAIL(n->sim, "%s is no address", gateway);
	put_route(n, &r);
}

void node_route_legs(
	struct node *n, const char *prefix, const char *const *gateways, unsigned count)
{
	struct route_update r = {
		.prefix = parse_prefix(n, prefix), .type = ROUTE_TYPE_OVERLAY, .table = TABLE_MAIN};
	for (unsigned i = 0; i < count; i++) {
		struct route_leg *leg = &r.legs[r.n_legs++];
		leg->weight = 1;
		if (!addr_parse(gateways[i], &leg->gateway))
			SIM_FAIL(n->sim, "%s is no address", gateways[i]);
	}
	r.gateway = r.legs[0].gateway;
	put_route(n, &r);
}

bool node_has_route(const struct node *n, const char *prefix)
{
	struct prefix p = parse_prefix(n, prefix);
	for (unsigned i = 0; i < n->n_routes; i++)
		if (prefix_equal(&n->routes[i].prefix, &p) && n->routes[i].table == TABLE_MAIN)
			return true;
	return false;
}

void node_unroute(struct node *n, const char *prefix)
{
	struct prefix p = parse_prefix(n, prefix);
	for (unsigned i = 0; i < n->n_routes; i++)
		if (prefix_equal(&n->routes[i].prefix, &p) && n->routes[i].table == TABLE_MAIN) {
			struct route_update r = n->routes[i];
			n->routes[i] = n->routes[--n->n_routes];
			tell(n, &r, true);
			return;
		}
	SIM_FAIL(n->sim, "%s has no route %s", n->name, prefix);
}

bool node_installed(const struct node *n, const char *prefix, const char *gateway)
{
	struct prefix p = parse_prefix(n, prefix);
	struct ip_addr g = {0};
	if (gateway && !addr_parse(gateway, &g))
		SIM_FAIL(n->sim, "%s is no address", gateway);
	for (unsigned i = 0; i < n->n_installed; i++)
		if (prefix_equal(&n->installed[i].prefix, &p) &&
			(!gateway || addr_equal(&n->installed[i].gateway, &g)))
			return true;
	return false;
}
