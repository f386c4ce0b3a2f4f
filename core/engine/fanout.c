#include "core/engine/fanout.h"

#include "core/base/err.h"
#include "core/engine/node.h"

#include <string.h>

#define STEP 64 /* peers, each time that the queue is empty */

int fanout_add(struct engine *e, uint16_t protocol, const uint8_t *data, size_t len, uint64_t now)
{
	struct fanout *f = &e->fanout;
	if (f->n == FANOUT_MAX || len > sizeof f->v[0].data)
		return ERR_NO_SPACE;
	struct fanout_packet *p = &f->v[(f->head + f->n++) % FANOUT_MAX];
	p->protocol = protocol;
	p->len = (uint16_t)len;
	p->next = 0;
	p->now = now;
	memcpy(p->data, data, len);
	return 0;
}

/* A spoke's multicast goes to its hubs; a hub's to hubs and to who is registered. */
static bool hears_multicast(const struct engine *e, const struct peer *p)
{
	return p->path == PATH_UP && peer_has_session(p) &&
		(p->hub || (e->plane.hub && e->nhrp.clients[p->id].first != NHRP_NONE));
}

bool fanout_step(struct engine *e)
{
	struct fanout *f = &e->fanout;
	if (f->n == 0)
		return false;
	struct fanout_packet *k = &f->v[f->head];
	for (unsigned sent = 0; sent < STEP && k->next < e->peers.n_fresh; k->next++) {
		struct peer *p = peer_at(&e->peers, k->next);
		if (!p || !hears_multicast(e, p))
			continue;
		peer_send(&e->peers, p, k->protocol, k->data, k->len, k->now);
		sent++;
	}
	if (k->next >= e->peers.n_fresh) {
		f->head = (f->head + 1) % FANOUT_MAX;
		f->n--;
	}
	return true;
}
