#include "test/platform/linux_mirror.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

struct mirror mirror;
static struct mirror fresh;

/* ---- The mirror: as simple as can be, by the key that platform.h gives --------------------- */

static struct kernel_route *find(struct mirror *m, const struct kernel_route *key)
{
	for (unsigned i = 0; i < m->n; i++) {
		struct kernel_route *r = &m->routes[i];
		if (r->table == key->table && r->metric == key->metric && r->tos == key->tos &&
			prefix_equal(&r->prefix, &key->prefix))
			return r;
	}
	return NULL;
}

static void on_reset(void *ctx)
{
	struct mirror *m = ctx;
	m->n_addresses = 0;
	m->resets++;
}

static void on_link(void *ctx, const struct kernel_link *link)
{
	((struct mirror *)ctx)->link = *link;
}

static void on_synced(void *ctx)
{
	((struct mirror *)ctx)->synced++;
}

static void on_route(void *ctx, const struct kernel_route *route, bool deleted)
{
	struct mirror *m = ctx;
	struct kernel_route *r = find(m, route);
	if (deleted) {
		assert_non_null(r);
		*r = m->routes[--m->n];
		return;
	}
	assert_true(m->n < MIRROR_MAX);
	if (!r)
		r = &m->routes[m->n++];
	*r = *route;
}

static void on_address(void *ctx, uint32_t ifindex, const struct prefix *address, bool deleted)
{
	struct mirror *m = ctx;
	unsigned i = 0;
	while (i < m->n_addresses &&
		(m->address_ifindex[i] != ifindex || !prefix_equal(&m->addresses[i], address)))
		i++;
	if (deleted) {
		if (i < m->n_addresses) {
			m->addresses[i] = m->addresses[--m->n_addresses];
			m->address_ifindex[i] = m->address_ifindex[m->n_addresses];
		}
		return;
	}
	assert_true(i < 64);
	m->addresses[i] = *address;
	m->address_ifindex[i] = ifindex;
	if (i == m->n_addresses)
		m->n_addresses++;
}

static void open_mirror(struct mirror *m)
{
	static const uint32_t tables[] = {MIRROR_TABLE, RT_TABLE_MAIN};
	struct netmon_events events = {m, on_reset, on_route, on_address, on_synced, on_link};
	*m = (struct mirror){0};
	assert_int_equal(netmon_open(&m->netmon, tables, 2, &events, lab_env()), 0);
	assert_int_equal(m->synced, 1);
}

void mirror_update(void)
{
	do
		netmon_read(mirror.netmon);
	while (recv(netmon_fd(mirror.netmon), NULL, 0, MSG_PEEK | MSG_DONTWAIT) >= 0);
}

static unsigned route_text(const struct kernel_route *r, char *out, size_t cap)
{
	char prefix[PREFIX_TEXT_MAX], gateway[ADDR_TEXT_MAX];
	return (unsigned)snprintf(out, cap,
		"%s via %s if %u table %u metric %u tos %u proto %u kind %u",
		prefix_format(&r->prefix, prefix), addr_format(&r->gateway, gateway), r->ifindex,
		r->table, r->metric, r->tos, r->protocol, r->kind);
}

/* ---- Expectations --------------------------------------------------------------------------- */

struct ip_addr mirror_addr(const char *text)
{
	struct ip_addr a = {0};
	assert_true(!text || addr_parse(text, &a));
	return a;
}

const struct kernel_route *mirror_look(const char *prefix, uint32_t table, uint32_t metric)
{
	struct kernel_route key = {.table = table, .metric = metric};
	assert_true(prefix_parse(prefix, &key.prefix));
	mirror_update();
	return find(&mirror, &key);
}

void mirror_expect(const char *prefix, uint32_t table, uint32_t metric, const char *gateway,
	const char *interface, enum route_kind kind)
{
	const struct kernel_route *r = mirror_look(prefix, table, metric);
	struct ip_addr gw = mirror_addr(gateway);
	if (!r)
		fail_msg("no %s", prefix);
	if (!addr_equal(&r->gateway, &gw) || r->kind != kind ||
		r->ifindex != (interface ? if_nametoindex(interface) : 0)) {
		char text[256];
		route_text(r, text, sizeof text);
		fail_msg("not as expected: %s", text);
	}
}

static bool same(const struct kernel_route *a, const struct kernel_route *b)
{
	char x[256], y[256];
	route_text(a, x, sizeof x);
	route_text(b, y, sizeof y);
	return strcmp(x, y) == 0;
}

void mirror_expect_true(const char *after)
{
	char text[256] = "";
	mirror_update();
	open_mirror(&fresh);
	for (unsigned i = 0; i < fresh.n; i++) {
		const struct kernel_route *have = find(&mirror, &fresh.routes[i]);
		if (have && same(have, &fresh.routes[i]))
			continue;
		route_text(&fresh.routes[i], text, sizeof text);
		fprintf(stderr, "kernel: %s\n", text);
		if (have)
			route_text(have, text, sizeof text);
		fail_msg("after %s: mirror has %s", after, have ? text : "nothing");
	}
	for (unsigned i = 0; i < mirror.n; i++) {
		if (find(&fresh, &mirror.routes[i]))
			continue;
		route_text(&mirror.routes[i], text, sizeof text);
		fail_msg("after %s: mirror still has %s", after, text);
	}
	assert_int_equal(mirror.n_addresses, fresh.n_addresses);
	netmon_close(fresh.netmon);
}

int mirror_setup(void **state)
{
	(void)state;
	for (const char *i = "ab"; *i; i++) {
		lab_run("ip link add %c0 type veth peer name %c1", *i, *i);
		/* No link-local addresses, which turn up whenever they have been checked. */
		lab_run("ip link set %c0 addrgenmode none && ip link set %c1 addrgenmode none", *i,
			*i);
		lab_run("ip link set %c0 up && ip link set %c1 up", *i, *i);
		lab_run("ip addr add 10.%d.0.1/24 dev %c0", *i - 'a' + 1, *i);
		lab_run("ip addr add fd0%d::1/64 dev %c0 nodad", *i - 'a' + 1, *i);
	}
	open_mirror(&mirror);
	return 0;
}

int mirror_teardown(void **state)
{
	(void)state;
	netmon_close(mirror.netmon);
	lab_run("ip link del a0 && ip link del b0");
	lab_run("ip route flush table %d; ip -6 route flush table %d; ip nexthop flush; "
		"ip route flush proto static; ip route flush proto boot; true",
		MIRROR_TABLE, MIRROR_TABLE);
	lab_run("ip -6 route flush proto boot; ip route flush proto 141; true");
	return 0;
}
