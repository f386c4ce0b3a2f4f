#include "test/sim/world.h"

#include "core/base/err.h"
#include "core/crypto/primitives.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT 4754

static void world_free(void *ctx)
{
	struct world *w = ctx;
	traffic_fini(&w->traffic);
	net_fini(&w->net);
	free(w->bundle_bytes);
	free(w);
}

struct world *world_new(struct sim *s, uint64_t rtt_ns)
{
	struct world *w = calloc(1, sizeof *w);
	if (!w)
		abort();
	sim_defer(s, world_free, w);
	w->sim = s;
	w->rtt = rtt_ns;
	net_init(&w->net, s);
	traffic_init(&w->traffic, s);
	w->internet = net_segment(&w->net, "internet", rtt_ns / 2, WORLD_HOPS);
	rng_fill(&s->rng, w->network_id, sizeof w->network_id);
	uint8_t seed[32];
	rng_fill(&s->rng, seed, sizeof seed);
	prim_sign_keypair(w->root_secret, w->root_key, seed);
	w->bundle.number = 1;
	w->bundle.not_after = SIM_WALL_START + 365 * 86400;
	w->bundle.ciphers = 7;
	w->bundle.revoked = w->revoked;
	return w;
}

/* ---- Places --------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static struct ip_addr make_addr(
	struct sim *s, const char *format, ...)
{
	char text[64];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	struct ip_addr a;
	if (!addr_parse(text, &a))
		SIM_FAIL(s, "%s is no address", text);
	return a;
}

static void give(struct world *w, struct iface *i, struct ip_addr address)
{
	if (w->families == 0 || w->families == address.family)
		iface_add(i, &address);
}

static void place_public(struct world *w, struct node *n, struct ip_addr v4, struct ip_addr v6)
{
	struct iface *i = &n->host->iface;
	iface_attach(i, &n->host->device, w->internet);
	give(w, i, v4);
	give(w, i, v6);
}

static void place_on_lan(struct world *w, struct node *n, struct segment *lan, unsigned site)
{
	struct iface *i = &n->host->iface;
	unsigned number = 10;
	for (struct iface *other = lan->ifaces; other; other = other->next)
		number += other != lan->gateway;
	iface_attach(i, &n->host->device, lan);
	give(w, i, make_addr(w->sim, "172.16.%u.%u", site, number));
	give(w, i, make_addr(w->sim, "2001:db8:100:%x::%u", site, number));
}

static struct nat *place_box(struct world *w, const char *name, unsigned site,
	const struct nat_config *config, struct segment **lan)
{
	char text[32];
	snprintf(text, sizeof text, "lan-%.20s", name);
	*lan = net_segment(&w->net, text, 0, 0);
	snprintf(text, sizeof text, "nat-%.20s", name);
	struct nat *nat = nat_new(&w->net, text, config, *lan, w->internet);
	give(w, &nat->inside, make_addr(w->sim, "172.16.%u.1", site));
	give(w, &nat->outside, make_addr(w->sim, "198.51.100.%u", 9 + site));
	if (w->families != 4)
		nat->outside.routed = (struct prefix){
			.addr = make_addr(w->sim, "2001:db8:100:%x::", site), .len = 64};
	return nat;
}

/* ---- Nodes ---------------------------------------------------------------------------------- */

static unsigned resolve(
	void *ctx, const char *host, uint16_t port, struct endpoint *out, unsigned max)
{
	struct world *w = ctx;
	struct ip_addr literal;
	if (addr_parse(host, &literal)) {
		out[0] = (struct endpoint){.addr = literal, .port = port};
		return 1;
	}
	size_t len = strcspn(host, ".");
	unsigned count = 0;
	for (unsigned i = 0; i < w->n_nodes; i++) {
		struct node *n = w->nodes[i];
		if (strlen(n->name) != len || strncmp(n->name, host, len) != 0)
			continue;
		for (unsigned k = 0; k < n->host->iface.n_addrs && count < max; k++)
			out[count++] =
				(struct endpoint){.addr = n->host->iface.addrs[k], .port = port};
	}
	return count;
}

static void set_addresses(struct node *n, const char *addresses)
{
	char copy[256], *save = NULL;
	snprintf(copy, sizeof copy, "%s", addresses);
	for (char *text = strtok_r(copy, " ", &save); text; text = strtok_r(NULL, " ", &save)) {
		struct prefix p;
		if (!prefix_parse(text, &p) || n->cert.n_addresses == CERT_ADDRESSES_MAX)
			SIM_FAIL(n->sim, "%s is no address with a length", text);
		n->cert.addresses[n->cert.n_addresses++] = p;
		char host[ADDR_TEXT_MAX];
		addr_format(&p.addr, host);
		node_own(n, host);
		node_route(n, host, NULL, ROUTE_TYPE_LOCAL);
		node_route(n, text, NULL, ROUTE_TYPE_OVERLAY);
	}
}

static struct node *make_node(
	struct world *w, const char *name, const char *addresses, bool hub, uint16_t port)
{
	struct host *host = net_host(&w->net, name, port);
	struct node *n = node_new(w->sim, host, &w->traffic);
	n->hub = hub;
	n->resolve = resolve;
	n->resolve_ctx = w;
	w->nodes[w->n_nodes++] = n;
	struct engine_config *c = &n->config;
	rng_fill(&w->sim->rng, c->static_secret, sizeof c->static_secret);
	memcpy(c->network_id, w->network_id, sizeof c->network_id);
	memcpy(c->root_key, w->root_key, sizeof c->root_key);
	c->port = port;
	c->mtu = INNER_MAX;
	c->workers = 1;
	c->max_peers = 64;
	c->max_routes = 256;
	c->redirect = c->shortcut = c->install_routes = c->host_candidates = true;
	snprintf(n->cert.name, sizeof n->cert.name, "%s", name);
	n->cert.role = hub ? CERT_HUB : CERT_SPOKE;
	n->cert.serial = ++w->serial;
	n->cert.not_before = SIM_WALL_START - 3600;
	n->cert.not_after = SIM_WALL_START + 30 * 86400;
	prim_dh_public(n->cert.static_key, c->static_secret);
	set_addresses(n, addresses);
	return n;
}

/* The machine's routes on the underlay, once it has its addresses. */
static void underlay_routes(struct node *n)
{
	char text[PREFIX_TEXT_MAX];
	for (unsigned i = 0; i < n->host->iface.n_addrs; i++) {
		const struct ip_addr *a = &n->host->iface.addrs[i];
		node_route(n, addr_format(a, text), NULL, ROUTE_TYPE_LOCAL);
		struct prefix subnet = {.addr = *a, .len = a->family == 4 ? 24 : 64};
		subnet = prefix_masked(subnet);
		node_route(n, prefix_format(&subnet, text), NULL, ROUTE_TYPE_OTHER);
		struct ip_addr gateway = subnet.addr;
		gateway.bytes[addr_size(a->family) - 1] = 1;
		node_route(n, a->family == 4 ? "0.0.0.0/0" : "::/0", addr_format(&gateway, text),
			ROUTE_TYPE_OTHER);
	}
}

struct node *world_hub(struct world *w, const char *name, const char *addresses)
{
	struct node *n = make_node(w, name, addresses, true, PORT);
	unsigned number = ++w->bundle.n_hubs;
	struct bundle_hub *hub = &w->bundle.hubs[number - 1];
	place_public(w, n, make_addr(w->sim, "203.0.113.%u", number),
		make_addr(w->sim, "2001:db8:113::%u", number));
	underlay_routes(n);
	snprintf(hub->name, sizeof hub->name, "%s", name);
	hub->n_keys = 1;
	memcpy(hub->keys[0], n->cert.static_key, sizeof hub->keys[0]);
	hub->n_endpoints = 1;
	hub->endpoints[0].port = PORT;
	return n;
}

struct node *world_spoke_behind(
	struct world *w, const char *name, const char *addresses, const struct nat_config *nat)
{
	struct node *n = make_node(w, name, addresses, false, PORT);
	unsigned site = ++w->n_sites;
	if (nat) {
		struct segment *lan;
		n->nat = place_box(w, name, site, nat, &lan);
		place_on_lan(w, n, lan, site);
	} else {
		place_public(w, n, make_addr(w->sim, "198.51.100.%u", 9 + site),
			make_addr(w->sim, "2001:db8:100:%x::10", site));
	}
	underlay_routes(n);
	return n;
}

struct node *world_spoke(
	struct world *w, const char *name, const char *addresses, enum nat_kind nat)
{
	struct nat_config config = nat_preset(nat);
	return world_spoke_behind(w, name, addresses, nat == NAT_NONE ? NULL : &config);
}

struct node *world_spoke_beside(
	struct world *w, const char *name, const char *addresses, struct node *other)
{
	uint16_t port = (uint16_t)rng_between(&w->sim->rng, 20000, 60000);
	struct node *n = make_node(w, name, addresses, false, port);
	/* The site's number is in the other's addresses, whichever family they have. */
	const struct ip_addr *a = &other->host->iface.addrs[0];
	unsigned site = a->family == 4 ? a->bytes[2] : a->bytes[7];
	n->nat = other->nat;
	place_on_lan(w, n, other->host->iface.segment, site);
	underlay_routes(n);
	return n;
}

struct nat *world_provider_nat(
	struct world *w, const struct nat_config *config, struct node **nodes, unsigned count)
{
	struct segment *access = net_segment(&w->net, "provider", 0, 2);
	struct nat *nat = nat_new(&w->net, "provider", config, access, w->internet);
	give(w, &nat->inside, make_addr(w->sim, "100.64.0.1"));
	give(w, &nat->outside, make_addr(w->sim, "198.51.100.%u", 99 + ++w->n_sites));
	for (unsigned i = 0; i < count; i++) {
		struct iface *outside = &nodes[i]->nat->outside;
		iface_detach(outside);
		iface_attach(outside, &nodes[i]->nat->device, access);
		give(w, outside, make_addr(w->sim, "100.64.0.%u", 10 + i));
	}
	return nat;
}

void world_grant(struct node *n, const char *prefix)
{
	struct prefix p;
	if (!prefix_parse(prefix, &p) || n->cert.n_prefixes == CERT_PREFIXES_MAX)
		SIM_FAIL(n->sim, "%s cannot be granted", prefix);
	n->cert.prefixes[n->cert.n_prefixes++] = prefix_masked(p);
}

void world_register(struct node *n, const char *prefix)
{
	struct prefix p;
	if (!prefix_parse(prefix, &p) || n->config.n_prefixes == ENGINE_MAX_PREFIXES)
		SIM_FAIL(n->sim, "%s cannot be registered", prefix);
	n->config.prefixes[n->config.n_prefixes++] = prefix_masked(p);
}

void world_lan(struct world *w, struct node *n, const char *prefix)
{
	(void)w;
	world_grant(n, prefix);
	node_own(n, prefix);
	node_route(n, prefix, NULL, ROUTE_TYPE_OTHER);
}

void world_renumber(struct node *n, const char *from, const char *to)
{
	struct ip_addr old;
	struct prefix fresh;
	char host[ADDR_TEXT_MAX];
	if (!addr_parse(from, &old) || !prefix_parse(to, &fresh))
		SIM_FAIL(n->sim, "%s cannot become %s", from, to);
	n->former = n->cert;
	for (unsigned i = 0; i < n->cert.n_addresses; i++)
		if (addr_equal(&n->cert.addresses[i].addr, &old))
			n->cert.addresses[i] = fresh;
	n->cert_len = 0; /* signed when it starts */
	addr_format(&fresh.addr, host);
	node_own(n, host);
	node_route(n, host, NULL, ROUTE_TYPE_LOCAL);
}

/* ---- Signing and starting ------------------------------------------------------------------- */

void world_sign_bundle(struct world *w)
{
	for (unsigned i = 0; i < w->bundle.n_hubs; i++) {
		struct bundle_hub *hub = &w->bundle.hubs[i];
		struct node *n = NULL;
		for (unsigned k = 0; k < w->n_nodes; k++)
			if (memcmp(w->nodes[k]->cert.static_key, hub->keys[0], 32) == 0)
				n = w->nodes[k];
		if (w->named_hubs && n)
			snprintf(hub->endpoints[0].host, sizeof hub->endpoints[0].host,
				"%.60s.example", n->name);
		else if (n)
			addr_format(&n->host->iface.addrs[0], hub->endpoints[0].host);
	}
	if (!w->bundle_bytes)
		w->bundle_bytes = malloc(BUNDLE_MAX);
	if (!w->bundle_bytes)
		abort();
	int len =
		bundle_sign(&w->bundle, w->network_id, w->root_secret, w->bundle_bytes, BUNDLE_MAX);
	if (len < 0)
		SIM_FAIL(w->sim, "bundle_sign: %s", err_name(len));
	w->bundle_len = (size_t)len;
}

void world_revoke(struct world *w, const struct node *n)
{
	/* One at a time: the list must ascend. */
	uint8_t *entry = w->revoked;
	memcpy(entry, n->cert.issuer_id, CERT_ID_SIZE);
	for (int i = 0; i < 8; i++)
		entry[CERT_ID_SIZE + i] = (uint8_t)(n->cert.serial >> (56 - 8 * i));
	w->bundle.n_revoked = 1;
	w->bundle.number++;
	world_sign_bundle(w);
}

static void sign_cert(struct world *w, struct node *n)
{
	int len = cert_sign(&n->cert, w->network_id, w->root_secret, n->cert_bytes, CERT_MAX);
	if (len < 0)
		SIM_FAIL(w->sim, "cert_sign: %s", err_name(len));
	n->cert_len = (size_t)len;
}

void world_sign(struct world *w)
{
	world_sign_bundle(w);
	for (unsigned i = 0; i < w->n_nodes; i++)
		sign_cert(w, w->nodes[i]);
}

void world_start_node(struct world *w, struct node *n)
{
	if (!w->bundle_bytes)
		world_sign_bundle(w);
	if (n->cert_len == 0)
		sign_cert(w, n);
	node_start(n, n->saved_bundle ? NULL : w->bundle_bytes, w->bundle_len);
}

void world_start(struct world *w)
{
	world_sign(w);
	for (int hubs = 1; hubs >= 0; hubs--)
		for (unsigned i = 0; i < w->n_nodes; i++)
			if (w->nodes[i]->hub == (hubs == 1))
				world_start_node(w, w->nodes[i]);
}

bool world_ready(void *world)
{
	struct world *w = world;
	for (unsigned i = 0; i < w->n_nodes; i++)
		if (node_running(w->nodes[i]) && !node_ready(w->nodes[i]))
			return false;
	return true;
}

void world_up(struct world *w)
{
	world_start(w);
	if (sim_wait(w->sim, S(10), world_ready, w) == TS_NEVER)
		SIM_FAIL(w->sim, "not all spokes are registered after 10 s");
	sim_run(w->sim, S(1));
}

void world_down(struct world *w)
{
	for (unsigned i = 0; i < w->n_nodes; i++)
		node_crash(w->nodes[i]);
}

/* ---- Moving --------------------------------------------------------------------------------- */

struct ip_addr world_public_address(const struct node *n, uint8_t family)
{
	const struct iface *i = n->nat && family == 4 ? &n->nat->outside : &n->host->iface;
	const struct ip_addr *a = iface_address(i, family);
	return a ? *a : (struct ip_addr){0};
}

void world_move(struct world *w, struct node *n, const char *address)
{
	struct iface *i = &n->host->iface;
	struct ip_addr fresh = make_addr(w->sim, "%s", address);
	for (unsigned k = 0; k < i->n_addrs; k++) {
		if (i->addrs[k].family != fresh.family)
			continue;
		struct ip_addr old = i->addrs[k];
		i->addrs[k] = fresh;
		engine_address(n->engine, &old, true, node_now(n));
		node_settle(n);
		engine_address(n->engine, &fresh, false, node_now(n));
		node_settle(n);
	}
}
