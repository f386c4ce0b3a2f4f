#include "core/nhrp/nhrp.h"

#include "core/wire/control.h"

#include <string.h>

#define METRIC        4096
#define METRIC_SILENT 8192            /* behind those of the same prefix whose clients answer */
#define LIVE_NS       (30 * NS_PER_S) /* heard of within this time: its binding is defended */

static void expire(void *owner, struct timer *timer, uint64_t now);

void nhs_init_client(struct nhrp *n, uint32_t peer)
{
	n->clients[peer].first = NHRP_NONE;
	n->clients[peer].expiry = (struct timer){.fire = expire, .owner = n};
}

bool nhs_may_ask(struct nhrp *n, const struct peer *p, uint64_t now)
{
	return bucket_take(&n->clients[p->id].requests, NS_PER_S / 10, 50, now);
}

/* ---- Bindings ------------------------------------------------------------------------------- */

static bool is_host(const struct binding *b)
{
	return b->prefix.len == addr_bits(b->prefix.addr.family) &&
		addr_equal(&b->prefix.addr, &b->gateway);
}

static struct fib_route route_of(const struct binding *b)
{
	return (struct fib_route){.prefix = b->prefix,
		.gateway = b->gateway,
		.source = FIB_REGISTERED,
		.metric = b->silent ? METRIC_SILENT : METRIC,
		.type = FIB_OVERLAY};
}

static void unbind(struct nhrp *n, struct peer *p, uint32_t *link, const char *why, uint64_t now)
{
	char name[64], text[PREFIX_TEXT_MAX];
	struct binding *b = &n->bindings[*link];
	struct prefix prefix = b->prefix, told = b->prefix;
	*link = b->next;
	b->used = false;
	n->n_bindings--;
	n->n_registered -= !is_host(b);
	if (is_host(b)) {
		fib_neighbour_remove(n->fib, &b->prefix.addr, p->id);
		/* With its address goes all that was reached by it, whoever's route that was. */
		told = (struct prefix){.addr = {.family = prefix.addr.family}};
	} else {
		struct fib_route route = route_of(b);
		fib_route_remove(n->fib, &route);
		kernel_sync(n, &prefix);
	}
	env_log(n->env, LOG_INFO, "%s: binding of %s removed: %s", peer_name(p, name),
		prefix_format(&prefix, text), why);
	if (!(p->cert.role & CERT_HUB))
		purge_told(n, p->id, &told, now);
}

void nhs_unbind(
	struct nhrp *n, struct peer *p, const struct prefix *prefix, const char *why, uint64_t now)
{
	uint32_t *link = &n->clients[p->id].first;
	while (*link != NHRP_NONE) {
		struct binding *b = &n->bindings[*link];
		if (prefix_covers(prefix, &b->prefix))
			unbind(n, p, link, why, now);
		else
			link = &b->next;
	}
}

void nhs_recheck(struct nhrp *n, struct peer *p, uint64_t now)
{
	uint32_t *link = &n->clients[p->id].first;
	while (*link != NHRP_NONE) {
		struct binding *b = &n->bindings[*link];
		if (cert_covers_prefix(&p->cert, &b->prefix))
			link = &b->next;
		else
			unbind(n, p, link, "its new certificate does not cover it", now);
	}
}

void nhs_peer_down(struct nhrp *n, struct peer *p, uint64_t now)
{
	while (n->clients[p->id].first != NHRP_NONE)
		unbind(n, p, &n->clients[p->id].first, p->reason, now);
	timer_disarm(n->timers, &n->clients[p->id].expiry);
	n->clients[p->id].have_newest[0] = n->clients[p->id].have_newest[1] = false;
}

/* The standby takes over at once, and keeps the prefix: who comes back is behind it now. */
void nhs_peer_path(struct nhrp *n, struct peer *p)
{
	bool silent = p->path != PATH_UP;
	for (uint32_t i = n->clients[p->id].first; i != NHRP_NONE; i = n->bindings[i].next) {
		struct binding *b = &n->bindings[i];
		struct fib_route before = route_of(b);
		if (is_host(b) || b->silent == silent)
			continue;
		b->silent = silent;
		struct fib_route after = route_of(b);
		if (fib_route_put(n->fib, &after) == 0)
			fib_route_remove(n->fib, &before);
		else
			b->silent = !silent; /* no room: it stays as it is */
		kernel_sync(n, &b->prefix);
	}
}

static void arm_expiry(struct nhrp *n, struct nhs_client *c)
{
	uint64_t next = TS_NEVER;
	for (uint32_t i = c->first; i != NHRP_NONE; i = n->bindings[i].next)
		next = n->bindings[i].expires < next ? n->bindings[i].expires : next;
	if (next != TS_NEVER)
		timer_arm(n->timers, &c->expiry, next);
	else
		timer_disarm(n->timers, &c->expiry);
}

static void expire(void *owner, struct timer *timer, uint64_t now)
{
	struct nhrp *n = owner;
	struct nhs_client *c =
		(struct nhs_client *)((char *)timer - offsetof(struct nhs_client, expiry));
	struct peer *p = peer_at(n->peers, (uint32_t)(c - n->clients));
	for (uint32_t *link = &c->first; p && *link != NHRP_NONE;) {
		if (now >= n->bindings[*link].expires)
			unbind(n, p, link, "holding time is over", now);
		else
			link = &n->bindings[*link].next;
	}
	arm_expiry(n, c);
}

static struct binding *find_binding(struct nhrp *n, uint32_t peer, const struct prefix *prefix)
{
	for (uint32_t i = n->clients[peer].first; i != NHRP_NONE; i = n->bindings[i].next)
		if (prefix_equal(&n->bindings[i].prefix, prefix))
			return &n->bindings[i];
	return NULL;
}

static unsigned count_bindings(const struct nhrp *n, uint32_t peer)
{
	unsigned count = 0;
	for (uint32_t i = n->clients[peer].first; i != NHRP_NONE; i = n->bindings[i].next)
		count++;
	return count;
}

/* Clients may take half of the routes: the others are for what the kernel says. */
static bool room_for_binding(const struct nhrp *n, const struct peer *p,
	const struct prefix *prefix, const struct ip_addr *gateway)
{
	struct binding b = {.prefix = *prefix, .gateway = *gateway};
	return n->n_bindings < n->max_bindings && count_bindings(n, p->id) < NHRP_CLIENT_MAX &&
		(is_host(&b) || n->n_registered < n->fib->routes.max_entries / 2);
}

/* Code 14: another key holds the address and is alive. A dead one gives way. */
static bool held_by_another(
	struct nhrp *n, struct peer *p, const struct ip_addr *a, bool unique, uint64_t now)
{
	uint32_t id = fib_neighbour(n->fib, a);
	struct peer *other = id == LPM_NONE || id == p->id ? NULL : peer_at(n->peers, id);
	if (!other)
		return false;
	/* A certificate is more than a place in a list; within a section an address may move. */
	if (other->plain && !other->hub &&
		(!p->plain || (other->section == p->section && !unique))) {
		peer_forget(n->peers, other, "its address is another member's now", now);
		return false;
	}
	const struct path *path = &n->peers->sessions->paths[id];
	uint64_t heard = atomic_load_explicit(&path->last_rx_ns, memory_order_relaxed);
	bool reissued = strcmp(other->cert.name, p->cert.name) == 0 &&
		p->cert.not_before > other->cert.not_before;
	if (!reissued && peer_has_session(other) && other->path == PATH_UP &&
		ts_since(heard, now) < LIVE_NS) {
		liveness_ping(n->peers, other, now); /* so that a dead one is found out */
		return true;
	}
	struct prefix host = prefix_host(a);
	nhs_unbind(n, other, &host, "its address was registered by another key", now);
	if (reissued)
		peer_close(n->peers, other, CONTROL_REASON_REPLACED,
			"replaced by a new certificate", now);
	return false;
}

static uint8_t bind(struct nhrp *n, struct peer *p, const struct prefix *prefix,
	const struct ip_addr *gateway, const struct ip_addr *nbma, uint64_t holding_ns,
	uint64_t now)
{
	char name[64], text[PREFIX_TEXT_MAX];
	struct binding *b = find_binding(n, p->id, prefix);
	if (!b) {
		if (!room_for_binding(n, p, prefix, gateway))
			return NHRP_CODE_NO_RESOURCES;
		uint32_t i = n->binding_hint;
		while (n->bindings[i].used)
			i = (i + 1) % n->max_bindings;
		n->binding_hint = (i + 1) % n->max_bindings;
		b = &n->bindings[i];
		*b = (struct binding){.used = true,
			.prefix = *prefix,
			.gateway = *gateway,
			.peer = p->id,
			.next = n->clients[p->id].first,
			.silent = p->path != PATH_UP,
			.since = now};
		if (is_host(b)) {
			if (fib_neighbour_put(n->fib, &prefix->addr, p->id) != 0)
				b->used = false;
		} else {
			struct fib_route route = route_of(b);
			if (fib_route_put(n->fib, &route) != 0)
				b->used = false;
		}
		if (!b->used)
			return NHRP_CODE_NO_RESOURCES;
		n->clients[p->id].first = i;
		n->n_bindings++;
		n->n_registered += !is_host(b);
		if (!is_host(b))
			kernel_sync(n, prefix);
		env_log(n->env, LOG_INFO, "%s: registered %s", peer_name(p, name),
			prefix_format(prefix, text));
	}
	n->peers->changed = true;
	b->nbma_claimed = *nbma;
	b->expires = now + holding_ns;
	return NHRP_CODE_SUCCESS;
}

/* Decides about one CIE, and installs it. */
static uint8_t register_cie(struct nhrp *n, struct peer *p, const struct nhrp_packet *request,
	const struct nhrp_cie *cie, bool first, uint64_t holding_ns, uint64_t now)
{
	struct prefix prefix = prefix_masked((struct prefix){
		.addr = *nhrp_cie_proto(request, cie), .len = nhrp_cie_bits(request, cie)});
	if (first && !addr_equal(&prefix.addr, &request->src_proto))
		return NHRP_CODE_PROHIBITED;
	if (!cert_covers_prefix(&p->cert, &prefix))
		return NHRP_CODE_PROHIBITED;
	bool host = prefix.len == addr_bits(prefix.addr.family) &&
		cert_owns_address(&p->cert, &prefix.addr);
	if (p->plain && (prefix.len == 0 || cert_owns_address(&n->self, &prefix.addr)))
		return NHRP_CODE_PROHIBITED;
	if (p->plain && first)
		host = true; /* its address is what it says, inside what its section allows */
	if (host && held_by_another(n, p, &prefix.addr, request->flags & NHRP_REG_UNIQUE, now))
		return NHRP_CODE_ALREADY_REGISTERED;
	return bind(
		n, p, &prefix, &request->src_proto, nhrp_cie_nbma(request, cie), holding_ns, now);
}

/* What was registered before and is not in this request is gone. */
static void forget_others(
	struct nhrp *n, struct peer *p, uint8_t family, uint64_t expires, uint64_t now)
{
	uint32_t *link = &n->clients[p->id].first;
	while (*link != NHRP_NONE) {
		struct binding *b = &n->bindings[*link];
		if (b->prefix.addr.family == family && b->expires != expires)
			unbind(n, p, link, "no longer registered", now);
		else
			link = &b->next;
	}
}

/* A registration that was overtaken by a later one: what it says is no longer so. */
static bool overtaken(struct nhrp *n, const struct peer *p, const struct nhrp_packet *request)
{
	struct nhs_client *c = &n->clients[p->id];
	unsigned family = request->proto_family == 6;
	if (p->plain)
		return false; /* one that starts anew may count from anywhere */
	if (c->run_ns != p->run_ns)
		c->have_newest[0] = c->have_newest[1] = false;
	c->run_ns = p->run_ns;
	if (c->have_newest[family] && (int32_t)(request->request_id - c->newest[family]) < 0)
		return true;
	c->have_newest[family] = true;
	c->newest[family] = request->request_id;
	return false;
}

void nhs_register(struct nhrp *n, struct peer *p, struct nhrp_packet *request,
	const struct endpoint *from, uint64_t now)
{
	const struct ip_addr *own = nhrp_own_address(n, request->proto_family);
	struct ip_addr seen = nhrp_nbma(request, &from->addr);
	if (request->cies.n == 0 || overtaken(n, p, request))
		return;
	if (p->plain)
		plain_set_natted(n->peers, p, !addr_equal(&seen, &request->src_nbma), from);
	bool misdirected = !own ||
		(!addr_equal(&request->dst_proto, own) &&
			!addr_equal(&request->dst_proto, &request->src_proto));
	uint64_t holding = request->cies.v[0].holding_time_s;
	holding = holding < NHRP_HOLDING_MIN ? NHRP_HOLDING_MIN
		: holding > NHRP_HOLDING_MAX ? NHRP_HOLDING_MAX
					     : holding;
	for (unsigned i = 0; i < request->cies.n; i++) {
		struct nhrp_cie *cie = &request->cies.v[i];
		uint8_t code = misdirected || (i > 0 && request->cies.v[0].code)
			? NHRP_CODE_PROHIBITED
			: register_cie(n, p, request, cie, i == 0, holding * NS_PER_S, now);
		if (i > 0 && request->cies.v[0].code)
			code = request->cies.v[0].code;
		cie->code = code;
		cie->holding_time_s = code ? 0 : (uint16_t)holding;
		if (code) {
			struct prefix prefix = {.addr = *nhrp_cie_proto(request, cie),
				.len = nhrp_cie_bits(request, cie)};
			refusal_note(n, p, &prefix, code, true, now);
		}
	}
	refusal_settle(n, p, request->proto_family, now);
	if (!request->cies.v[0].code) {
		forget_others(n, p, request->proto_family, now + holding * NS_PER_S, now);
		if (p->plain)
			plain_accept(
				n->peers, p, &request->src_proto, now + holding * NS_PER_S, now);
		struct session *s = session_at(n->peers->sessions, p->current);
		if (s && !s->plain)
			fib_neighbour_put(n->fib, &s->link_local, p->id);
	}
	arm_expiry(n, &n->clients[p->id]);
	request->flags &= NHRP_REG_UNIQUE | NHRP_FLAG_NAT;
	if (own && request->dst_proto.family == own->family)
		request->dst_proto = *own;
	nhrp_make_reply(n, request, NHRP_REGISTRATION_REPLY, p);
	/* The second CIE of the NAT extension: how the client looks from here. */
	if (nhrp_ext_find(request, NHRP_EXT_NAT) && !addr_equal(&seen, &request->src_nbma) &&
		seen.family) {
		struct nhrp_cie nat = {.nbma = seen,
			.proto = request->src_proto,
			.prefix_len = addr_bits(request->proto_family)};
		if (request->nat.n == 0 && own) {
			struct nhrp_cie server = {.nbma = nhrp_nbma(request, &p->local),
				.proto = *own,
				.prefix_len = addr_bits(request->proto_family)};
			nhrp_ext_add_cie(request, NHRP_EXT_NAT, &server);
		}
		nhrp_ext_add_cie(request, NHRP_EXT_NAT, &nat);
	}
	nhrp_ext_add(request, NHRP_EXT_VENDOR);
	memset(&request->vendor, 0, sizeof request->vendor);
	request->vendor.n_candidates = 1;
	request->vendor.candidates[0] =
		(struct nhrp_candidate){.kind = NHRP_CANDIDATE_SEEN, .endpoint = *from};
	strcpy(request->vendor.name, n->self.name);
	for (unsigned i = 0; i < n->config.n_advertise; i++)
		request->vendor.prefixes[request->vendor.n_prefixes++] = n->config.advertise[i];
	nhrp_send(n, p, request, now);
}
