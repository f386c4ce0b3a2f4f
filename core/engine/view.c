/* Views for status: copies out of the engine, one object a call. */
#include "core/engine/engine.h"

#include "core/engine/node.h"

#include <string.h>

static uint64_t value(const _Atomic uint64_t *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

void engine_view_node(const struct engine *e, struct node_view *out)
{
	*out = (struct node_view){
		.hub = e->plane.hub,
		.n_addresses = e->self.n_addresses,
		.cert_not_after = e->self.not_after,
		.bundle_number = e->trust.bundle ? e->trust.bundle->number : 0,
		.bundle_not_after = e->trust.bundle ? e->trust.bundle->not_after : 0,
		.started_ns = e->started_ns,
		.bindings = e->nhrp.n_bindings,
		.routes = e->plane.fib.routes.entries,
		.routes_max = e->plane.fib.routes.max_entries,
		.routes_left_out = e->lost_routes.n,
		.route_dumps = e->route_dumps,
		.ready = e->plane.hub || nhrp_registered(&e->nhrp),
		.relay_in_daemon = e->plane.hub &&
			!atomic_load_explicit(&e->plane.relay_kernel, memory_order_relaxed),
		.redirect = e->nhrp.config.redirect,
		.shortcut = !e->plane.hub && e->nhrp.config.shortcut,
		.ciphers = e->ciphers,
		.interop = e->plane.plain.n,
		.relay_plaintext = e->plane.plain.n && e->plane.plain.relay,
	};
	strcpy(out->name, e->self.name);
	memcpy(out->static_key, e->identity->public_key, KEY_LEN);
	memcpy(out->addresses, e->self.addresses, sizeof out->addresses);
	for (uint32_t i = 0; i < e->peers.n_fresh; i++) {
		const struct peer *p = peer_at(&e->peers, i);
		if (!p)
			continue;
		bool up = peer_has_session(p) && p->path == PATH_UP;
		out->peers++;
		out->peers_up += up;
		out->hubs += p->hub;
		out->hubs_up += p->hub && up;
		out->plaintext_peers += p->plain;
	}
	for (unsigned i = 0; i < NHRP_SHORTCUTS; i++)
		out->shortcuts += e->nhrp.shortcuts[i].used;
	const struct session *s = session_at(&e->plane.sessions,
		atomic_load_explicit(&e->plane.hub_session, memory_order_relaxed));
	const struct peer *hub = s ? peer_at(&e->peers, s->peer) : NULL;
	if (hub)
		out->public_endpoint = hub->seen;
}

bool engine_view_interop(const struct engine *e, uint32_t *cursor, struct interop_view *out)
{
	if (*cursor >= e->plane.plain.n)
		return false;
	const struct plain_section *s = &e->plane.plain.v[*cursor];
	*out = (struct interop_view){.hub = s->hub,
		.raw = s->raw,
		.have_key = s->have_key,
		.authentication = s->word_len > 0,
		.underlay = s->underlay};
	memcpy(out->name, s->name, sizeof out->name);
	for (uint32_t i = 0; i < e->peers.n_fresh; i++) {
		const struct peer *p = peer_at(&e->peers, i);
		out->members += p && p->plain && p->section == *cursor;
	}
	++*cursor;
	return true;
}

void engine_view_counters(const struct engine *e, struct data_counters *out)
{
	memset(out, 0, sizeof *out);
	for (unsigned i = 0; i <= e->n_workers; i++) {
		const struct worker_counters *c = &e->workers[i].counters;
		out->tun_rx_packets += value(&c->tun_rx_packets);
		out->tun_rx_bytes += value(&c->tun_rx_bytes);
		out->tun_tx_packets += value(&c->tun_tx_packets);
		out->tun_tx_bytes += value(&c->tun_tx_bytes);
		out->udp_rx_packets += value(&c->udp_rx_packets);
		out->udp_rx_bytes += value(&c->udp_rx_bytes);
		out->udp_tx_packets += value(&c->udp_tx_packets);
		out->udp_tx_bytes += value(&c->udp_tx_bytes);
		out->hairpin_packets += value(&c->hairpin_packets);
		out->hairpin_bytes += value(&c->hairpin_bytes);
		for (unsigned d = 0; d < DROP_COUNT; d++)
			out->dropped[d] += value(&c->dropped[d]);
	}
	for (unsigned d = 0; d < DROP_COUNT; d++)
		out->dropped[d] += e->peers.dropped[d];
}

void engine_view_multicast(const struct engine *e, struct multicast_view *out)
{
	struct data_counters counters;
	engine_view_counters(e, &counters);
	*out = (struct multicast_view){
		.rate = atomic_load_explicit(&e->plane.multicast_rate, memory_order_relaxed),
		.sent_packets = e->fanout.packets,
		.sent_copies = e->fanout.copies,
		.filtered = counters.dropped[DROP_MULTICAST_FILTERED],
		.limited = counters.dropped[DROP_MULTICAST_LIMITED],
		.n_groups = e->plane.multicast.n};
	memcpy(out->groups, e->plane.multicast.v, sizeof out->groups);
	for (unsigned i = 0; i <= e->n_workers; i++)
		out->received_packets += value(&e->workers[i].counters.multicast_rx_packets);
	for (uint32_t i = 0; i < e->peers.n_fresh; i++) {
		const struct peer *p = peer_at(&e->peers, i);
		out->receivers += p && fanout_hears(e, p);
	}
}

void engine_count_drops(struct engine *e, uint8_t reason, uint64_t n)
{
	e->peers.dropped[reason] += n;
}

static const char *path_text(const struct engine *e, const struct peer *p)
{
	if (p->path == PATH_UP)
		return "direct";
	if (p->hub || e->plane.hub)
		return "down";
	return p->init.active ? "punching" : "hub";
}

/* Who was named by a hub but cannot be reached directly: no peer, yet the answer to "why by the hub?". */
static bool view_unreached(const struct engine *e, uint32_t *cursor, struct peer_view *out)
{
	for (; *cursor - e->peers.max < NHRP_RESOLUTIONS; ++*cursor) {
		const struct resolution *r = &e->nhrp.resolutions[*cursor - e->peers.max];
		if (r->name[0] == '\0' || peer_find(&e->peers, r->peer_key) ||
			(r->state != RESOLUTION_NEGATIVE && r->state != RESOLUTION_PUNCHING))
			continue;
		bool repeated = false; /* one row a peer, however many destinations are behind it */
		for (const struct resolution *o = e->nhrp.resolutions; o < r; o++)
			repeated |= o->state == r->state && strcmp(o->name, r->name) == 0;
		if (repeated)
			continue;
		bool punching = r->state == RESOLUTION_PUNCHING;
		*out = (struct peer_view){.path_state = punching ? "punching" : "hub",
			.path_reason = punching ? "" : r->why,
			.cipher = "",
			.last_received_ns = TS_NEVER};
		strcpy(out->name, r->name);
		memcpy(out->static_key, r->peer_key, KEY_LEN);
		++*cursor;
		return true;
	}
	return false;
}

bool engine_view_peer(const struct engine *e, uint32_t *cursor, struct peer_view *out, uint64_t now)
{
	const struct peer *p = NULL;
	while (!p && *cursor < e->peers.max)
		p = peer_at(&e->peers, (*cursor)++);
	if (!p)
		return view_unreached(e, cursor, out);
	const struct path *path = &e->plane.sessions.paths[p->id];
	const struct session *s = session_at(&e->plane.sessions, p->current);
	uint64_t heard = value(&path->last_rx_ns);
	*out = (struct peer_view){
		.hub = p->hub || (p->cert.role & CERT_HUB),
		.up = s != NULL,
		.direct = s && p->path == PATH_UP,
		.path_state = path_text(e, p),
		.path_reason = p->reason,
		.endpoint = p->endpoint,
		.cipher = !s       ? ""
			: s->plain ? "none (plaintext)"
				   : s->tx.aead->name,
		.plaintext = p->plain,
		.session_age_ns = s ? now - s->created_ns : 0,
		.last_received_ns = heard ? ts_since(heard, now) : TS_NEVER,
		.rtt_ns = p->rtt_ns,
		.tx_bytes = value(&path->tx_bytes),
		.rx_bytes = value(&path->rx_bytes),
		.tx_packets = value(&path->tx_packets),
		.rx_packets = value(&path->rx_packets),
		.rekeys = p->rekeys,
	};
	strcpy(out->name, p->cert.name);
	memcpy(out->static_key, p->key, KEY_LEN);
	if (p->known) {
		out->n_addresses = p->cert.n_addresses;
		memcpy(out->addresses, p->cert.addresses, sizeof out->addresses);
	}
	return true;
}

static const char *const source_names[] = {[FIB_KERNEL] = "kernel",
	[FIB_REGISTERED] = "registered",
	[FIB_HUB] = "hub",
	[FIB_CONFIG] = "config"};
static const char *const type_names[] = {[FIB_OVERLAY] = "overlay",
	[FIB_LOCAL] = "local",
	[FIB_OTHER] = "other",
	[FIB_REJECT] = "reject"};

static void view_hops(const struct engine *e, uint32_t entry, struct route_view *out)
{
	struct route_leg legs[ROUTE_LEGS];
	out->n_hops = fib_legs_at(&e->plane.fib, entry, legs);
	for (unsigned i = 0; i < out->n_hops; i++) {
		uint32_t id = fib_neighbour(&e->plane.fib, &legs[i].gateway);
		const struct peer *p = id == FIB_NONE ? NULL : peer_at(&e->peers, id);
		out->hops[i].gateway = legs[i].gateway;
		out->hops[i].weight = legs[i].weight;
		if (p)
			strcpy(out->hops[i].peer, p->cert.name);
	}
}

bool engine_view_route(const struct engine *e, uint32_t *cursor, struct route_view *out)
{
	/* Shortcuts first, then the FIB's entries. */
	for (; *cursor < NHRP_SHORTCUTS; ++*cursor) {
		const struct shortcut *s = &e->nhrp.shortcuts[*cursor];
		const struct peer *p = s->used ? peer_at(&e->peers, s->peer) : NULL;
		if (!p)
			continue;
		*out = (struct route_view){.prefix = s->prefix,
			.source = "shortcut",
			.type = "overlay",
			.active = p->path == PATH_UP};
		strcpy(out->peer, p->cert.name);
		++*cursor;
		return true;
	}
	for (; *cursor - NHRP_SHORTCUTS < e->plane.fib.n_fresh; ++*cursor) {
		bool active = false;
		const struct fib_route *r =
			fib_route_at(&e->plane.fib, *cursor - NHRP_SHORTCUTS, &active);
		if (!r)
			continue;
		*out = (struct route_view){.prefix = r->prefix,
			.gateway = r->gateway,
			.source = source_names[r->source],
			.type = type_names[r->type],
			.table = r->table,
			.metric = r->metric,
			.active = active,
			.elsewhere = r->elsewhere};
		view_hops(e, *cursor - NHRP_SHORTCUTS, out);
		++*cursor;
		return true;
	}
	return false;
}

bool engine_view_installed(
	const struct engine *e, uint32_t *cursor, struct prefix *prefix, struct ip_addr *gateway)
{
	return nhrp_installed_at(&e->nhrp, cursor, prefix, gateway);
}

bool engine_installed(const struct engine *e, const struct prefix *prefix, struct ip_addr *gateway)
{
	return nhrp_installed(&e->nhrp, prefix, gateway);
}

static uint64_t until(uint64_t at, uint64_t now)
{
	return at == TS_NEVER ? TS_NEVER : at > now ? at - now : 0;
}

static bool view_binding(const struct engine *e, uint32_t i, struct nhrp_view *out, uint64_t now)
{
	const struct binding *b = &e->nhrp.bindings[i];
	const struct peer *p = b->used ? peer_at(&e->peers, b->peer) : NULL;
	if (!p)
		return false;
	const struct fib_route *active = fib_own(&e->plane.fib, &b->prefix);
	bool standby = active && !addr_equal(&active->gateway, &b->gateway);
	*out = (struct nhrp_view){.kind = "binding",
		.prefix = b->prefix,
		.nbma = {.addr = b->nbma_claimed, .port = p->endpoint.port},
		.state = standby ? "standby" : "registered",
		.expires_ns = until(b->expires, now),
		.age_ns = now - b->since};
	strcpy(out->peer, p->cert.name);
	return true;
}

static bool view_registration(
	const struct engine *e, uint32_t i, struct nhrp_view *out, uint64_t now)
{
	static const char *const states[] = {"idle", "pending", "registered", "nak"};
	const struct registration *r = &e->nhrp.registrations[i];
	const struct peer *p = r->peer != PEER_NONE ? peer_at(&e->peers, r->peer) : NULL;
	const struct ip_addr *own = nhrp_own_address(&e->nhrp, r->family);
	if (!p || !own)
		return false;
	*out = (struct nhrp_view){.kind = "registration",
		.prefix = prefix_host(own),
		.nbma = p->endpoint,
		.state = states[r->state],
		.code = r->code,
		.expires_ns = r->state == REGISTRATION_DONE ? until(r->expires, now) : TS_NEVER,
		.age_ns = r->since ? now - r->since : 0};
	strcpy(out->peer, p->cert.name);
	return true;
}

static bool view_resolution(const struct engine *e, uint32_t i, struct nhrp_view *out, uint64_t now)
{
	static const char *const states[] = {"", "pending", "punching", "negative"};
	const struct resolution *r = &e->nhrp.resolutions[i];
	if (r->state == RESOLUTION_FREE)
		return false;
	uint64_t end = r->timer.deadline;
	if (r->state == RESOLUTION_NEGATIVE)
		end -= r->gap; /* when it may be asked again */
	*out = (struct nhrp_view){.kind = "resolution",
		.prefix = prefix_host(&r->target),
		.state = states[r->state],
		.code = r->code,
		.expires_ns = until(end, now),
		.age_ns = now - r->started};
	strcpy(out->peer, r->name);
	return true;
}

static bool view_shortcut(const struct engine *e, uint32_t i, struct nhrp_view *out, uint64_t now)
{
	const struct shortcut *s = &e->nhrp.shortcuts[i];
	const struct peer *p = s->used ? peer_at(&e->peers, s->peer) : NULL;
	if (!p)
		return false;
	*out = (struct nhrp_view){.kind = "shortcut",
		.prefix = s->prefix,
		.nbma = p->endpoint,
		.state = p->path == PATH_UP ? "active" : "by hub",
		.expires_ns = until(s->expires, now),
		.age_ns = now - s->since};
	strcpy(out->peer, p->cert.name);
	return true;
}

static bool view_refusal(const struct engine *e, uint32_t i, struct nhrp_view *out, uint64_t now)
{
	const struct refusal *r = &e->nhrp.refusals[i];
	if (!r->code)
		return false;
	*out = (struct nhrp_view){.kind = "refused",
		.prefix = r->prefix,
		.state = "nak",
		.code = r->code,
		.expires_ns = TS_NEVER,
		.age_ns = now - r->at};
	strcpy(out->peer, r->name);
	return true;
}

static bool view_multicast(const struct engine *e, uint32_t i, struct nhrp_view *out, uint64_t now)
{
	const struct peer *p = peer_at(&e->peers, i);
	if (!p || !fanout_hears(e, p))
		return false;
	*out = (struct nhrp_view){.kind = "multicast",
		.nbma = p->endpoint,
		.state = p->hub ? "nhs" : "dynamic",
		.expires_ns = TS_NEVER,
		.age_ns = now - p->up_since};
	strcpy(out->peer, p->cert.name);
	return true;
}

bool engine_view_nhrp(const struct engine *e, uint32_t *cursor, struct nhrp_view *out, uint64_t now)
{
	const struct {
		uint32_t n;
		bool (*view)(const struct engine *, uint32_t, struct nhrp_view *, uint64_t);
	} tables[] = {
		{e->nhrp.max_bindings, view_binding},
		{sizeof e->nhrp.registrations / sizeof *e->nhrp.registrations, view_registration},
		{NHRP_RESOLUTIONS, view_resolution},
		{NHRP_SHORTCUTS, view_shortcut},
		{NHRP_REFUSALS, view_refusal},
		{e->peers.n_fresh, view_multicast},
	};
	uint32_t base = 0;
	for (unsigned t = 0; t < sizeof tables / sizeof *tables; base += tables[t++].n)
		while (*cursor < base + tables[t].n)
			if (tables[t].view(e, (*cursor)++ - base, out, now))
				return true;
	return false;
}

void engine_view_nhrp_counters(const struct engine *e, struct nhrp_counters *out)
{
	memcpy(out->in, e->nhrp.in, sizeof out->in);
	memcpy(out->out, e->nhrp.out, sizeof out->out);
	out->naks_sent = e->nhrp.naks_sent;
	out->naks_received = e->nhrp.naks_received;
}
