#include "test/sim/stranger.h"

#include "core/crypto/cookie.h"
#include "core/crypto/message.h"
#include "core/engine/node.h"
#include "core/wire/gre.h"

#include <stdlib.h>

struct flood {
	struct world *w;
	struct node *to;
	unsigned left;
	uint64_t gap_ns;
	struct rng rng;
};

/* An index in use between the node and one of its peers, when there is one: ours or theirs. */
static uint32_t some_index(struct flood *f)
{
	const struct engine *e = f->to->engine;
	uint32_t n = e ? e->plane.sessions.n_fresh : 0;
	const struct session *s =
		n ? session_at(&e->plane.sessions, (uint32_t)rng_below(&f->rng, n)) : NULL;
	if (!s || rng_below(&f->rng, 3) == 0)
		return (uint32_t)rng_between(&f->rng, 1, (1u << 28) - 1);
	return rng_below(&f->rng, 2) ? s->local_index : s->remote_index;
}

/* Anywhere, or where a peer of the node is. */
static struct endpoint some_source(struct flood *f, uint8_t family)
{
	const struct engine *e = f->to->engine;
	const struct peer *p = e && e->peers.n_fresh
		? peer_at(&e->peers, (uint32_t)rng_below(&f->rng, e->peers.n_fresh))
		: NULL;
	if (p && p->endpoint.addr.family == family && rng_below(&f->rng, 2))
		return p->endpoint;
	struct endpoint from = {.addr.family = family, .port = (uint16_t)rng_next(&f->rng)};
	rng_fill(&f->rng, from.addr.bytes, addr_size(family));
	from.addr.bytes[0] = family == 4 ? 192 : 0x20;
	return from;
}

static size_t handshake(struct flood *f, uint8_t *data, uint8_t type, size_t len)
{
	uint8_t key[KEY_LEN];
	uint8_t *message = data + GRE_PLAIN_LEN;
	gre_handshake_write(data);
	store_u32(message, (uint32_t)type << 24 | 0x010000);
	store_u32(message + 4, some_index(f));
	if (type == MESSAGE_RESPONSE)
		store_u32(message + 8, some_index(f));
	if (type == MESSAGE_INITIATION || type == MESSAGE_RESPONSE) {
		cookie_mac1_key(key, f->to->cert.static_key);
		cookie_stamp_mac1(message, len, key);
	}
	return len + GRE_PLAIN_LEN;
}

static size_t some_datagram(struct flood *f, uint8_t *data)
{
	rng_fill(&f->rng, data, NET_DGRAM_MAX);
	switch (rng_below(&f->rng, 7)) {
	case 0:
		return rng_below(&f->rng, NET_DGRAM_MAX);
	case 1:
		store_u32(data, 0x300088B5);
		store_u32(data + 4, some_index(f) << 4 | (uint32_t)rng_below(&f->rng, 3));
		return rng_between(&f->rng, 12, NET_DGRAM_MAX);
	case 2:
		return handshake(f, data, MESSAGE_INITIATION, rng_between(&f->rng, 640, 1228));
	case 3:
		return handshake(f, data, MESSAGE_RESPONSE, rng_between(&f->rng, 200, 640));
	case 4:
		return handshake(f, data, MESSAGE_COOKIE, MESSAGE_COOKIE_LEN);
	case 5:
		return handshake(f, data, MESSAGE_PROBE, MESSAGE_PROBE_LEN);
	default:
		return handshake(f, data, MESSAGE_RESET, MESSAGE_RESET_LEN);
	}
}

static void next(void *ctx, void *arg)
{
	struct flood *f = arg;
	uint8_t data[NET_DGRAM_MAX + GRE_PLAIN_LEN];
	(void)ctx;
	uint8_t family = rng_below(&f->rng, 4) ? 4 : 6;
	struct ip_addr at = world_public_address(f->to, family);
	if (at.family) {
		struct endpoint to = {.addr = at, .port = f->to->host->port};
		struct endpoint from = some_source(f, family);
		net_inject(f->w->internet, &from, &to, data, some_datagram(f, data));
	}
	if (--f->left > 0)
		sim_at(f->w->sim, f->w->sim->now + f->gap_ns, next, NULL, f);
	else
		sim_free(f->w->sim, f);
}

void stranger_floods(
	struct world *w, struct node *to, unsigned count, uint64_t gap_ns, uint64_t chance)
{
	struct flood *f = calloc(1, sizeof *f);
	if (!f)
		abort();
	*f = (struct flood){.w = w, .to = to, .left = count, .gap_ns = gap_ns};
	rng_seed(&f->rng, chance);
	sim_at(w->sim, w->sim->now, next, NULL, f);
}
