#include "platform/bsd/mirror.h"

#include "core/base/err.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 1024
#define NONE      UINT32_MAX

/* Two routes may have one prefix: the kernel's, and that of an address of ours. No padding: hashed. */
struct key {
	struct prefix prefix;
	uint8_t local;
};

_Static_assert(sizeof(struct key) == sizeof(struct prefix) + 1, "bytes only");

static struct key key_of(const struct prefix *prefix, uint32_t table)
{
	return (struct key){.prefix = *prefix, .local = table == MIRROR_TABLE_LOCAL};
}

int mirror_init(struct mirror *m, const struct rtsock_abi *abi, const struct env *env)
{
	m->abi = abi;
	m->env = *env;
	m->cap = FIRST_CAP;
	m->free = NONE;
	m->v = calloc(m->cap, sizeof *m->v);
	if (!m->v || hashmap_init(&m->by_prefix, m->cap, sizeof(struct key), env) < 0) {
		mirror_fini(m);
		return ERR_NO_SPACE;
	}
	return 0;
}

void mirror_fini(struct mirror *m)
{
	free(m->v);
	hashmap_fini(&m->by_prefix);
	m->v = NULL;
}

/* ---- The set ---------------------------------------------------------------------------------- */

static struct mirror_entry *find(const struct mirror *m, const struct prefix *p, uint32_t table)
{
	struct key key = key_of(p, table);
	uint32_t i = hashmap_get(&m->by_prefix, &key);
	return i == HASHMAP_NONE ? NULL : &m->v[i];
}

/* Twice the room. */
static bool grow(struct mirror *m)
{
	struct hashmap larger;
	struct mirror_entry *v = realloc(m->v, 2 * (size_t)m->cap * sizeof *v);
	if (!v)
		return false;
	m->v = v;
	if (hashmap_init(&larger, 2 * m->cap, sizeof(struct key), &m->env) < 0)
		return false;
	memset(v + m->cap, 0, m->cap * sizeof *v);
	m->cap *= 2;
	for (uint32_t i = 0; i < m->n_fresh; i++) {
		struct key key = key_of(&v[i].route.prefix, v[i].route.table);
		if (v[i].used)
			hashmap_put(&larger, &key, i);
	}
	hashmap_fini(&m->by_prefix);
	m->by_prefix = larger;
	return true;
}

static struct mirror_entry *insert(struct mirror *m, const struct kernel_route *route)
{
	struct key key = key_of(&route->prefix, route->table);
	uint32_t i = m->free;
	if (i != NONE) {
		m->free = m->v[i].next;
	} else {
		if (m->n_fresh == m->cap && !grow(m))
			return NULL;
		i = m->n_fresh++;
	}
	m->v[i] = (struct mirror_entry){.used = true, .route = *route};
	hashmap_put(&m->by_prefix, &key, i);
	m->n++;
	return &m->v[i];
}

/* Of several next hops the first is told. */
static void tell(const struct mirror *m, const struct kernel_route *route)
{
	struct kernel_legs legs = {.n = 1,
		.v[0] = {.gateway = route->gateway, .ifindex = route->ifindex, .weight = 1}};
	m->events.route(m->events.ctx, route, &legs, false);
}

void mirror_tell(const struct mirror *m)
{
	for (uint32_t i = 0; i < m->n_fresh; i++)
		if (m->v[i].used)
			tell(m, &m->v[i].route);
}

static bool is_ours(const struct mirror_entry *e)
{
	return e && e->route.protocol == ROUTE_PROTOCOL_WARREN;
}

static bool same(const struct kernel_route *a, const struct kernel_route *b)
{
	return a->ifindex == b->ifindex && a->kind == b->kind && a->protocol == b->protocol &&
		addr_equal(&a->gateway, &b->gateway);
}

/* Is told, and then ours may stand in its place. */
static void drop(struct mirror *m, struct mirror_entry *e)
{
	struct mirror_entry gone = *e;
	struct key key = key_of(&e->route.prefix, e->route.table);
	uint32_t i = hashmap_remove(&m->by_prefix, &key);
	m->v[i] = (struct mirror_entry){.next = m->free};
	m->free = i;
	m->n--;
	m->events.route(m->events.ctx, &gone.route, &(struct kernel_legs){0}, true);
	if (gone.waits)
		m->free_again(m->ctx, &gone.route.prefix, &gone.our_gateway, gone.our_ifindex);
}

static void put(struct mirror *m, const struct kernel_route *told, bool replaces)
{
	struct kernel_route copy = *told, *route = &copy;
	struct mirror_entry *e = find(m, &route->prefix, route->table);
	/* Ours lead to the interface; which gateway they are for is known to us alone. */
	if (is_ours(e) && route->protocol == ROUTE_PROTOCOL_WARREN)
		route->gateway = e->route.gateway;
	if (e && e->seen && m->dumping) {
		e->twins++; /* the first of the dump is the one */
		return;
	}
	bool changed = !e || !same(&e->route, route);
	if (e && changed && !replaces && !m->dumping) {
		e->twins++;
		return;
	}
	if (!e) {
		e = insert(m, route);
		if (!e) {
			env_log(&m->env, LOG_ERROR, "out of memory for the kernel's routes");
			return;
		}
	} else {
		m->lost |= e->twins && changed && !m->dumping;
		e->route = *route;
	}
	e->seen = m->dumping;
	e->twins = m->dumping ? 0 : e->twins;
	if (changed)
		tell(m, &e->route);
}

static void take_route(struct mirror *m, const struct rtsock_message *message)
{
	struct kernel_route route;
	/* Answers to whoever asked are told to all. */
	if (message->type == RTSOCK_ROUTE_GET && !m->dumping)
		return;
	if (!rtsock_kernel_route(m->abi, message, &route))
		return;
	if (message->type != RTSOCK_ROUTE_DELETE) {
		put(m, &route, message->type == RTSOCK_ROUTE_CHANGE);
		return;
	}
	struct mirror_entry *e = find(m, &route.prefix, route.table);
	if (!e)
		return;
	m->lost |= e->twins != 0;
	if (e->twins == 0 || same(&e->route, &route))
		drop(m, e);
	else
		e->twins--;
}

/* ---- Addresses and interfaces ----------------------------------------------------------------- */

static void local_route(struct mirror *m, const struct ip_addr *address, bool deleted)
{
	struct kernel_route route = {
		.prefix = prefix_host(address), .table = MIRROR_TABLE_LOCAL, .kind = ROUTE_LOCAL};
	struct mirror_entry *e = find(m, &route.prefix, route.table);
	if (!deleted)
		put(m, &route, true);
	else if (e)
		drop(m, e);
}

static bool is_elsewhere(const struct mirror *m, const struct mirror_address *address)
{
	for (unsigned i = 0; i < m->n_addresses; i++)
		if (&m->addresses[i] != address &&
			addr_equal(&m->addresses[i].address.addr, &address->address.addr))
			return true;
	return false;
}

static void remove_address(struct mirror *m, struct mirror_address *address)
{
	struct mirror_address gone = *address;
	bool elsewhere = is_elsewhere(m, address);
	*address = m->addresses[--m->n_addresses];
	m->events.address(m->events.ctx, gone.ifindex, &gone.address, true);
	if (!elsewhere)
		local_route(m, &gone.address.addr, true);
}

static void take_address(struct mirror *m, const struct rtsock_message *message)
{
	unsigned i = 0;
	while (i < m->n_addresses &&
		(m->addresses[i].ifindex != message->ifindex ||
			!addr_equal(&m->addresses[i].address.addr, &message->prefix.addr)))
		i++;
	if (message->type == RTSOCK_ADDRESS_DELETE) {
		if (i < m->n_addresses)
			remove_address(m, &m->addresses[i]);
		return;
	}
	if (i == MIRROR_ADDRESSES) {
		env_log(&m->env, LOG_ERROR, "more than %d addresses: the rest is not looked at",
			MIRROR_ADDRESSES);
		return;
	}
	m->addresses[i] = (struct mirror_address){
		.ifindex = message->ifindex, .address = message->prefix, .seen = m->dumping};
	m->n_addresses += i == m->n_addresses;
	m->events.address(m->events.ctx, message->ifindex, &message->prefix, false);
	local_route(m, &message->prefix.addr, false);
}

static void take_link(struct mirror *m, const struct rtsock_message *message)
{
	struct kernel_link link = {
		.ifindex = message->ifindex, .mtu = message->mtu, .up = message->up};
	unsigned i = 0;
	while (i < m->n_links && m->links[i].ifindex != message->ifindex)
		i++;
	/* Its routes come or go with it, and not all of them are announced. */
	m->lost |= !m->dumping && (i == m->n_links || m->links[i].up != message->up);
	if (i < MIRROR_LINKS) {
		m->links[i].ifindex = message->ifindex;
		m->links[i].up = message->up;
		m->n_links += i == m->n_links;
	}
	memcpy(link.name, message->name, sizeof link.name);
	if (link.name[0] == '\0')
		m->name(m->ctx, link.ifindex, link.name);
	if (link.name[0] != '\0')
		m->events.link(m->events.ctx, &link);
}

void mirror_take(struct mirror *m, const struct rtsock_message *message)
{
	switch ((enum rtsock_type)message->type) {
	case RTSOCK_ROUTE_ADD:
	case RTSOCK_ROUTE_DELETE:
	case RTSOCK_ROUTE_CHANGE:
	case RTSOCK_ROUTE_GET:
		take_route(m, message);
		break;
	case RTSOCK_ADDRESS_NEW:
	case RTSOCK_ADDRESS_DELETE:
		take_address(m, message);
		break;
	case RTSOCK_LINK:
		take_link(m, message);
		break;
	case RTSOCK_LINK_COMES_OR_GOES:
		m->lost = true;
		break;
	}
}

/* ---- Dumps ------------------------------------------------------------------------------------ */

void mirror_dump_begin(struct mirror *m)
{
	m->dumping = true;
	m->lost = false;
	m->n_links = 0;
	for (uint32_t i = 0; i < m->n_fresh; i++)
		m->v[i].seen = false;
	for (unsigned i = 0; i < m->n_addresses; i++)
		m->addresses[i].seen = false;
	m->events.reset(m->events.ctx);
}

void mirror_dump_end(struct mirror *m)
{
	m->dumping = false;
	for (unsigned i = m->n_addresses; i-- > 0;)
		if (!m->addresses[i].seen)
			remove_address(m, &m->addresses[i]);
	for (uint32_t i = 0; i < m->n_fresh; i++)
		if (m->v[i].used && !m->v[i].seen)
			drop(m, &m->v[i]);
	m->events.synced(m->events.ctx);
}

/* ---- Our own routes --------------------------------------------------------------------------- */

void mirror_order(struct mirror *m, const struct prefix *prefix, const struct ip_addr *gateway,
	uint32_t ifindex, bool added)
{
	struct mirror_entry *e = find(m, prefix, 0);
	struct ip_addr none = {0};
	struct kernel_route route = {.prefix = *prefix,
		.gateway = gateway ? *gateway : none,
		.ifindex = ifindex,
		.protocol = ROUTE_PROTOCOL_WARREN,
		.kind = ROUTE_UNICAST};
	if (is_ours(e)) {
		e->route.gateway = route.gateway;
	} else if (e) {
		e->waits = true;
		e->our_gateway = route.gateway;
		e->our_ifindex = ifindex;
	} else if (added) {
		put(m, &route, true);
	} else {
		m->lost = true; /* one is in the way that we know nothing of */
	}
}

bool mirror_forget(struct mirror *m, const struct prefix *prefix)
{
	struct mirror_entry *e = find(m, prefix, 0);
	bool waited = e && e->waits;
	if (e)
		e->waits = false;
	return waited;
}
