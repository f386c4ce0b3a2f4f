/* After a sleep, and when our own addresses change: nobody is to be waited for. */
#include "core/peer/peer.h"

static void redial(struct peers *t, struct peer *p, uint64_t now)
{
	static const struct ip_addr any;
	connect_abandon(t, p);
	p->resolved_at = 0; /* names may mean another place by now */
	if (!peer_has_session(p)) {
		p->retry_at = TS_NEVER;
		hubs_retry(t, p, now);
		return;
	}
	/* What is young enough goes on under the old keys meanwhile. */
	p->lost_us = true; /* as far as we know: register anew */
	connect_start(t, p, &p->endpoint, &any, HANDSHAKE_REKEY, now);
}

void peers_resumed(struct peers *t, uint64_t now)
{
	for (uint32_t i = 0; i < t->n_fresh; i++) {
		struct peer *p = peer_at(t, i);
		struct session *s = p ? session_at(t->sessions, p->current) : NULL;
		if (!p || p->plain)
			continue;
		bool hub = p->hub;
		if (s && now - s->created_ns >= SEALED_REJECT_NS) {
			p->restarting = hub; /* or rather we are */
			peer_drop(t, p, "its keys have expired in our sleep", now);
		}
		if (hub)
			redial(t, p, now);
		else if (p->used && peer_has_session(p) && !t->is_hub)
			liveness_doubt(t, p, now);
	}
}

void peers_forget_source(struct peers *t, const struct ip_addr *address)
{
	static const struct ip_addr any;
	for (uint32_t i = 0; i < t->n_fresh; i++) {
		struct peer *p = peer_at(t, i);
		if (!p)
			continue;
		if (addr_equal(&p->local, address))
			peer_set_endpoint(t, p, &p->endpoint, &any);
		if (addr_equal(&p->init.from, address))
			p->init.from = any;
		if (addr_equal(&p->challenge.from, address))
			p->challenge.from = any;
	}
}

void peers_show_place(struct peers *t, uint64_t now)
{
	for (uint32_t i = 0; !t->is_hub && i < t->n_fresh; i++) {
		struct peer *p = peer_at(t, i);
		/* Hubs see it by the registration that follows. */
		if (p && !p->hub && peer_has_session(p) && p->path == PATH_UP)
			liveness_ping(t, p, now);
	}
}
