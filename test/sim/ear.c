#include "test/sim/ear.h"

#include "core/engine/node.h"

#include <string.h>

void __real_nhrp_receive(struct nhrp *n, struct peer *p, const uint8_t *data, size_t len,
	const struct endpoint *from, uint64_t now);
void __wrap_nhrp_receive(struct nhrp *n, struct peer *p, const uint8_t *data, size_t len,
	const struct endpoint *from, uint64_t now);

static struct {
	struct world *world;
	unsigned n;
	struct heard v[EAR_MAX];
	const struct node *deaf;
	enum nhrp_type deaf_to;
	unsigned deaf_count;
} ear;

static const struct node *whose(const struct nhrp *n)
{
	for (unsigned i = 0; ear.world && i < ear.world->n_nodes; i++) {
		const struct node *m = ear.world->nodes[i];
		if (m && m->engine && &m->engine->nhrp == n)
			return m;
	}
	return NULL;
}

void __wrap_nhrp_receive(struct nhrp *n, struct peer *p, const uint8_t *data, size_t len,
	const struct endpoint *from, uint64_t now)
{
	const struct node *at = whose(n);
	if (at && ear.n < EAR_MAX && len <= EAR_BYTES) {
		struct heard *h = &ear.v[ear.n++];
		h->at = at;
		h->when = at->sim->now;
		h->len = len;
		memcpy(h->bytes, data, len);
		nhrp_decode(h->bytes, len, &h->packet);
		h->lost = at == ear.deaf && ear.deaf_count > 0 && h->packet.type == ear.deaf_to;
		sim_trace(
			at->sim, "%s hears %s", at->name, nhrp_type_name((uint8_t)h->packet.type));
		if (h->lost) {
			ear.deaf_count--;
			return;
		}
	}
	__real_nhrp_receive(n, p, data, len, from, now);
}

static void close_ear(void *ctx)
{
	(void)ctx;
	ear.world = NULL;
}

void ear_open(struct world *w)
{
	memset(&ear, 0, sizeof ear);
	ear.world = w;
	sim_defer(w->sim, close_ear, NULL);
}

void ear_forget(void)
{
	ear.n = 0;
}

void ear_deafen(const struct node *at, enum nhrp_type type, unsigned count)
{
	ear.deaf = at;
	ear.deaf_to = type;
	ear.deaf_count = count;
}

unsigned ear_count(const struct node *at, enum nhrp_type type)
{
	unsigned count = 0;
	for (unsigned i = 0; i < ear.n; i++)
		count += ear.v[i].at == at && ear.v[i].packet.type == type;
	return count;
}

const struct heard *ear_at(const struct node *at, enum nhrp_type type, unsigned which)
{
	for (unsigned i = 0; i < ear.n; i++)
		if (ear.v[i].at == at && ear.v[i].packet.type == type && which-- == 0)
			return &ear.v[i];
	SIM_FAIL(at->sim, "%s has heard no such %s", at->name, nhrp_type_name((uint8_t)type));
}

const struct heard *ear_last(const struct node *at, enum nhrp_type type)
{
	unsigned count = ear_count(at, type);
	return ear_at(at, type, count ? count - 1 : 0);
}

static struct peer *peer_of(struct node *from, const struct node *to)
{
	struct peer *p = peer_find(&from->engine->peers, to->cert.static_key);
	if (!p)
		SIM_FAIL(from->sim, "%s does not know %s", from->name, to->name);
	return p;
}

void ear_say_bytes(struct node *from, struct node *to, const void *bytes, size_t len)
{
	CHECK_EQ(from->sim,
		peer_send(&from->engine->peers, peer_of(from, to), GRE_PROTO_NHRP, bytes, len,
			node_now(from)),
		0);
	node_settle(from);
}

void ear_say(struct node *from, struct node *to, const struct nhrp_packet *packet)
{
	uint8_t bytes[EAR_BYTES];
	int len = nhrp_encode(packet, bytes, sizeof bytes);
	if (len < 0)
		SIM_FAIL(from->sim, "the packet cannot be encoded");
	ear_say_bytes(from, to, bytes, (size_t)len);
}

void ear_begin(struct node *from, struct node *to, enum nhrp_type type, struct nhrp_packet *out)
{
	nhrp_begin(&from->engine->nhrp, out, type, peer_of(from, to), 4);
}
