#include "core/daemon/node.h"

#include <string.h>

/*
 * Keeps what the daemon has given its interface: addresses and routes that somebody removes, or that go
 * when the interface is set down, are put back. Down it stays until whoever set it down sets it up. Two
 * that both insist would go on for ever: so only so often.
 */
#define PUT_BACK_NS    (20 * NS_PER_MS)
#define PUT_BACK_BURST 1000

static bool may_put_back(struct node *n, const char *what)
{
	uint64_t now = os_now_ns();
	unsigned times;
	bool may = bucket_take(&n->interface.put_back, PUT_BACK_NS, PUT_BACK_BURST, now);
	if (log_limit_take(&n->interface.limit, now, &times))
		env_log(&n->env, LOG_WARN, "%s: somebody removed %s (%u times): %s",
			n->interface.link.name, what, times,
			may ? "put back" : "too often to put it back");
	return may;
}

static void order_routes(struct node *n)
{
	struct prefix prefix;
	struct ip_addr gateway;
	for (uint32_t cursor = 0; engine_view_installed(n->engine, &cursor, &prefix, &gateway);)
		actions_order_route(n, &prefix, &gateway, true);
}

/* Those that are missing. */
static void check_addresses(struct node *n)
{
	struct interface *v = &n->interface;
	char text[PREFIX_TEXT_MAX];
	bool added = false;
	for (unsigned i = 0; v->link.up && i < v->n_addresses; i++) {
		if (v->seen[i] || !v->had[i] ||
			!may_put_back(n, prefix_format(&v->addresses[i], text)))
			continue;
		/* A failure is logged where it happens. */
		v->seen[i] = tun_add_address(n->tun, &v->addresses[i]) == 0;
		added |= v->seen[i];
	}
	if (added)
		order_routes(n); /* those that had it as their source are gone, too */
}

void interface_address(struct node *n, const struct prefix *address, bool deleted)
{
	struct interface *v = &n->interface;
	for (unsigned i = 0; i < v->n_addresses; i++)
		if (prefix_equal(&v->addresses[i], address))
			v->had[i] |= v->seen[i] = !deleted;
	if (deleted && !n->syncing)
		check_addresses(n);
}

void interface_reset(struct node *n)
{
	n->syncing = true;
	memset(n->interface.seen, 0, sizeof n->interface.seen);
}

void interface_synced(struct node *n)
{
	n->syncing = false;
	check_addresses(n);
}

void interface_route_gone(
	struct node *n, const struct prefix *prefix, const struct ip_addr *gateway)
{
	struct ip_addr wanted;
	char text[PREFIX_TEXT_MAX];
	/*
	 * Down, there is no adding any; those that the engine has deleted are none of ours now, nor those
	 * whose place one by another gateway has taken.
	 */
	if (n->interface.link.up && engine_installed(n->engine, prefix, &wanted) &&
		addr_equal(&wanted, gateway) && may_put_back(n, prefix_format(prefix, text)))
		actions_order_route(n, prefix, &wanted, true);
}

void interface_changed(struct node *n, const struct kernel_link *link)
{
	struct kernel_link old = n->interface.link;
	n->interface.link = *link;
	if (strcmp(old.name, link->name) != 0)
		env_log(&n->env, LOG_WARN, "%s is now called %s", old.name, link->name);
	if (old.mtu != link->mtu && link->mtu != n->config.tun.mtu)
		env_log(&n->env, LOG_WARN,
			"%s: its MTU is now %u, the config says %u: longer packets are dropped",
			link->name, link->mtu, n->config.tun.mtu);
	if (old.up && !link->up)
		env_log(&n->env, LOG_WARN,
			"%s has been set down: nothing can be forwarded until it is set up",
			link->name);
	if (old.up || !link->up)
		return;
	env_log(&n->env, LOG_INFO, "%s is up again: addresses and routes are put back", link->name);
	if (!n->syncing)
		check_addresses(n);
	order_routes(n);
}
