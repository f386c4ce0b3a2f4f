#ifndef WARREN_TEST_PLANE_FIXTURE_H
#define WARREN_TEST_PLANE_FIXTURE_H

/*
 * Two data planes with a session between them, made without a handshake: what one seals, the other
 * opens. Everything is deterministic.
 */
#include "core/engine/plane.h"
#include "core/peer/linklocal.h"
#include "core/wire/gre.h"
#include "core/wire/ip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIXTURE_NOW (1000 * NS_PER_S)

static inline void fixture_random(void *ctx, void *out, size_t len)
{
	uint64_t *state = ctx;
	for (size_t i = 0; i < len; i++) {
		*state = *state * 6364136223846793005u + 1442695040888963407u;
		((uint8_t *)out)[i] = (uint8_t)(*state >> 33);
	}
}

static inline uint64_t fixture_wall(void *ctx)
{
	(void)ctx;
	return 1700000000;
}

static inline void fixture_log(void *ctx, enum log_level level, const char *line)
{
	(void)ctx;
	(void)level;
	(void)line;
}

struct fixture_node {
	struct plane plane;
	struct worker *workers;
	unsigned n_workers;
	uint64_t seed;
	struct env env;
};

static inline struct ip_addr fixture_addr(const char *text)
{
	struct ip_addr a;
	if (!addr_parse(text, &a))
		abort();
	return a;
}

static inline struct prefix fixture_prefix(const char *text)
{
	struct prefix p;
	if (!prefix_parse(text, &p))
		abort();
	return p;
}

/* A certificate for 10.77.0.n/24 and fd77::n/64, with prefix 192.168.n.0/24. */
static inline struct cert fixture_cert(unsigned n, uint8_t role)
{
	char text[64];
	struct cert c = {.role = role, .n_addresses = 2, .n_prefixes = 1};
	snprintf(c.name, sizeof c.name, "node%u", n);
	c.static_key[0] = (uint8_t)n;
	snprintf(text, sizeof text, "10.77.0.%u/24", n);
	c.addresses[0] = fixture_prefix(text);
	snprintf(text, sizeof text, "fd77::%u/64", n);
	c.addresses[1] = fixture_prefix(text);
	snprintf(text, sizeof text, "192.168.%u.0/24", n);
	c.prefixes[0] = fixture_prefix(text);
	return c;
}

static inline struct fixture_node *fixture_node(unsigned n, uint8_t role, unsigned n_workers)
{
	struct fixture_node *f = calloc(1, sizeof *f);
	struct engine_config config = {.port = 4754,
		.mtu = 1400,
		.max_peers = 64,
		.max_routes = 256,
		.redirect = true,
		.shortcut = true};
	struct cert self = fixture_cert(n, role);
	if (!f || prim_init() != 0)
		abort();
	f->seed = n;
	f->env = (struct env){.ctx = &f->seed,
		.random = fixture_random,
		.wall_s = fixture_wall,
		.log = fixture_log};
	f->n_workers = n_workers;
	f->workers = calloc(n_workers, sizeof *f->workers);
	if (!f->workers || plane_init(&f->plane, &config, &self, &f->env) != 0)
		abort();
	for (unsigned i = 0; i < n_workers; i++)
		if (worker_init(&f->workers[i], &f->plane, i, (uint8_t)(i + 1), &f->env) != 0)
			abort();
	return f;
}

static inline void fixture_free(struct fixture_node *f)
{
	for (unsigned i = 0; i < f->n_workers; i++)
		worker_fini(&f->workers[i]);
	plane_fini(&f->plane);
	free(f->workers);
	free(f);
}

static inline void fixture_route(struct fixture_node *f, const char *prefix, const char *gateway,
	enum fib_type type, enum fib_source source)
{
	struct fib_route r = {
		.prefix = fixture_prefix(prefix), .type = (uint8_t)type, .source = (uint8_t)source};
	if (gateway)
		r.gateway = fixture_addr(gateway);
	if (fib_route_put(&f->plane.fib, &r) != 0)
		abort();
}

static inline struct session *fixture_half(struct fixture_node *f, uint32_t peer,
	const struct cert *cert, const uint8_t tx[32], const uint8_t rx[32], bool initiator)
{
	struct session *s = session_new(&f->plane.sessions, SEALED_LANES_MAX, &f->env);
	if (!s || aead_key_init(&s->tx, AEAD_CHACHA20_POLY1305, tx) != 0 ||
		aead_key_init(&s->rx, AEAD_CHACHA20_POLY1305, rx) != 0)
		abort();
	s->peer = peer;
	s->initiator = initiator;
	s->created_ns = FIXTURE_NOW;
	s->peer_max_udp = PKT_ROOM;
	s->cert = *cert;
	s->link_local = linklocal_of(cert->addresses, cert->n_addresses, cert->static_key);
	return s;
}

static inline void fixture_use(struct fixture_node *f, struct session *s, const char *endpoint)
{
	struct endpoint to;
	struct ip_addr any = {0};
	if (!endpoint_parse(endpoint, 0, &to))
		abort();
	session_publish(&f->plane.sessions, s, SESSION_LIVE);
	path_set_endpoint(&f->plane.sessions, s->peer, &to, &any);
	atomic_store(&f->plane.sessions.paths[s->peer].session, s->id);
}

/*
 * A session between a and b; each is the other's peer `as_b` at a and `as_a` at b. Endpoints are
 * 192.0.2.PEER:4754, as the node at the other end sees them.
 */
static inline void fixture_connect(
	struct fixture_node *a, uint32_t as_b, struct fixture_node *b, uint32_t as_a)
{
	uint8_t one[32] = {1, (uint8_t)as_b}, two[32] = {2, (uint8_t)as_a};
	char text[64];
	struct session *sa = fixture_half(a, as_b, &b->plane.self, one, two, true);
	struct session *sb = fixture_half(b, as_a, &a->plane.self, two, one, false);
	sa->remote_index = sb->local_index;
	sb->remote_index = sa->local_index;
	snprintf(text, sizeof text, "192.0.2.%u:4754", as_b);
	fixture_use(a, sa, text);
	snprintf(text, sizeof text, "192.0.2.%u:4754", as_a);
	fixture_use(b, sb, text);
}

/* Writes an IPv4 or IPv6 packet of len bytes in all; payload bytes count up. */
static inline void fixture_packet(
	struct pkt *p, const char *src, const char *dst, uint8_t proto, uint8_t ttl, size_t len)
{
	struct ip_addr from = fixture_addr(src), to = fixture_addr(dst);
	uint8_t *ip = p->data;
	memset(ip, 0, len);
	if (from.family == 4) {
		ip[0] = 0x45;
		store_u16(ip + 2, (uint16_t)len);
		ip[8] = ttl;
		ip[9] = proto;
		memcpy(ip + 12, from.bytes, 4);
		memcpy(ip + 16, to.bytes, 4);
		store_u16(ip + 10, ip_checksum(ip, 20));
	} else {
		ip[0] = 0x60;
		store_u16(ip + 4, (uint16_t)(len - 40));
		ip[6] = proto;
		ip[7] = ttl;
		memcpy(ip + 8, from.bytes, 16);
		memcpy(ip + 24, to.bytes, 16);
	}
	for (size_t i = from.family == 4 ? 28 : 48; i < len; i++)
		ip[i] = (uint8_t)i;
	p->len = (uint32_t)len;
}

#endif
