#include "core/engine/fanout.h"

#include "core/base/err.h"
#include "core/engine/node.h"
#include "core/wire/gre.h"

#include <string.h>

#define STEP    64   /* copies, each time that the queue of actions is empty */
#define LOOK_AT 1024 /* peers, likewise */
#define TURN    256  /* copies in a turn: some 1 ms */

/* Those beyond link scope have half of the room: a stream must not keep out a hello. */
static bool is_full(const struct engine *e, enum multicast_kind kind)
{
	const struct fanout *f = &e->fanout;
	unsigned n = kind == MULTICAST_BEYOND ? f->n_kind[kind] * 2 : f->n;
	return f->n == FANOUT_MAX || n >= FANOUT_MAX ||
		(n >= FANOUT_LEAST && (uint64_t)n * e->peers.count >= FANOUT_COPIES);
}

int fanout_add(
	struct engine *e, enum multicast_kind kind, const uint8_t *data, size_t len, uint64_t now)
{
	struct fanout *f = &e->fanout;
	if (is_full(e, kind) || len > sizeof f->v[0].data)
		return ERR_NO_SPACE;
	struct fanout_packet *p = &f->v[(f->head + f->n++) % FANOUT_MAX];
	p->kind = (uint8_t)kind;
	p->len = (uint16_t)len;
	p->next = 0;
	p->now = now;
	memcpy(p->data, data, len);
	f->n_kind[kind]++;
	f->packets++;
	return 0;
}

bool fanout_hears(const struct engine *e, const struct peer *p)
{
	return p->path == PATH_UP && peer_has_session(p) &&
		(p->hub || (e->plane.hub && e->nhrp.clients[p->id].first != NHRP_NONE));
}

void fanout_turn(struct engine *e)
{
	e->fanout.left = TURN;
}

uint64_t fanout_deadline(const struct engine *e)
{
	return e->fanout.n > 0 ? e->fanout.v[e->fanout.head].now : TS_NEVER;
}

bool fanout_step(struct engine *e)
{
	struct fanout *f = &e->fanout;
	if (f->n == 0 || f->left == 0)
		return false;
	struct fanout_packet *k = &f->v[f->head];
	uint16_t protocol = k->data[0] >> 4 == 6 ? GRE_PROTO_IPV6 : GRE_PROTO_IPV4;
	unsigned copies = f->left < STEP ? f->left : STEP;
	for (unsigned seen = 0; copies > 0 && seen < LOOK_AT && k->next < e->peers.n_fresh;
		seen++, k->next++) {
		struct peer *p = peer_at(&e->peers, k->next);
		if (!p || !fanout_hears(e, p))
			continue;
		if (peer_send(&e->peers, p, protocol, k->data, k->len, k->now) == 0)
			f->copies++;
		else
			e->peers.dropped[DROP_SEND_FAILED]++;
		f->left--;
		copies--;
	}
	if (k->next >= e->peers.n_fresh) {
		f->n_kind[k->kind]--;
		f->head = (f->head + 1) % FANOUT_MAX;
		f->n--;
	}
	return true;
}
