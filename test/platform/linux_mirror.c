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

static void on_route(
	void *ctx, const struct kernel_route *route, const struct kernel_legs *legs, bool deleted)
{
	struct mirror *m = ctx;
	struct kernel_route *r = find(m, route);
	if (deleted) {
		assert_non_null(r);
		m->legs[r - m->routes] = m->legs[--m->n];
		*r = m->routes[m->n];
		assert_int_equal(legs->n, 0);
		return;
	}
	assert_true(m->n < MIRROR_MAX);
	if (!r)
		r = &m->routes[m->n++];
	*r = *route;
	m->legs[r - m->routes] = *legs;
	assert_true(legs->n > 0 && legs->n <= KERNEL_LEGS);
	assert_true(addr_equal(&legs->v[0].gateway, &route->gateway));
	assert_int_equal(legs->v[0].ifindex, route->ifindex);
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

#define TEXT_MAX 2048

static void legs_text(const struct kernel_legs *legs, char *out, size_t cap)
{
	char gateway[ADDR_TEXT_MAX], interface[IF_NAMESIZE];
	out[0] = '\0';
	for (unsigned i = 0; i < legs->n; i++) {
		size_t len = strlen(out);
		const struct kernel_leg *leg = &legs->v[i];
		const char *name = if_indextoname(leg->ifindex, interface);
		snprintf(out + len, cap - len, "%s%s %s %u", i ? ", " : "",
			addr_format(&leg->gateway, gateway), name ? name : "-", leg->weight);
	}
}

/* r is one of m's. */
static const char *route_text(
	const struct mirror *m, const struct kernel_route *r, char out[TEXT_MAX])
{
	char prefix[PREFIX_TEXT_MAX];
	int len = snprintf(out, TEXT_MAX, "%s table %u metric %u tos %u proto %u kind %u via ",
		prefix_format(&r->prefix, prefix), r->table, r->metric, r->tos, r->protocol,
		r->kind);
	legs_text(&m->legs[r - m->routes], out + len, TEXT_MAX - (size_t)len);
	return out;
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
		char text[TEXT_MAX];
		fail_msg("not as expected: %s", route_text(&mirror, r, text));
	}
}

void mirror_expect_legs(const char *prefix, uint32_t table, uint32_t metric, const char *legs)
{
	char text[TEXT_MAX] = "none";
	const struct kernel_route *r = mirror_look(prefix, table, metric);
	if (r)
		legs_text(&mirror.legs[r - mirror.routes], text, sizeof text);
	assert_string_equal(text, legs);
}

/* Of the mirror and of the fresh one. */
static bool same(const struct kernel_route *a, const struct kernel_route *b)
{
	char x[TEXT_MAX], y[TEXT_MAX];
	return strcmp(route_text(&mirror, a, x), route_text(&fresh, b, y)) == 0;
}

void mirror_expect_true(const char *after)
{
	char text[TEXT_MAX] = "";
	mirror_update();
	open_mirror(&fresh);
	for (unsigned i = 0; i < fresh.n; i++) {
		const struct kernel_route *have = find(&mirror, &fresh.routes[i]);
		if (have && same(have, &fresh.routes[i]))
			continue;
		fprintf(stderr, "kernel: %s\n", route_text(&fresh, &fresh.routes[i], text));
		if (have)
			route_text(&mirror, have, text);
		fail_msg("after %s: mirror has %s", after, have ? text : "nothing");
	}
	for (unsigned i = 0; i < mirror.n; i++) {
		if (find(&fresh, &mirror.routes[i]))
			continue;
		fail_msg("after %s: mirror still has %s", after,
			route_text(&mirror, &mirror.routes[i], text));
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
		/* Which the kernel makes no use of before it has noticed the carrier. */
		lab_run("until ip -6 route show table local | grep -q '^local fd0%d::1 '; do sleep "
			"0.01; done",
			*i - 'a' + 1);
		lab_run("until ip -4 route show | grep -q '^10.%d.0.0/24 .* %c0 '; do sleep 0.01; "
			"done; until ip link show %c0 | grep -q LOWER_UP.*state.UP; do sleep 0.01; "
			"done",
			*i - 'a' + 1, *i, *i);
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
