#ifndef WARREN_ENGINE_NODE_H
#define WARREN_ENGINE_NODE_H

#include "core/engine/actions.h"
#include "core/engine/fanout.h"
#include "core/engine/plane.h"
#include "core/engine/upkeep.h"
#include "core/nhrp/nhrp.h"

/* What is behind engine.h; shared by the files of this directory. */
struct engine {
	struct env env;
	struct plane plane;
	struct worker *workers; /* n_workers, then the control loop's own on lane 0 */
	unsigned n_workers;
	struct worker *control;
	struct peers peers;
	struct nhrp nhrp;
	struct trust trust;
	struct handshake_identity *identity; /* locked memory */
	struct timer_heap timers;
	struct actions actions;
	struct fanout fanout;
	uint8_t certificate[CERT_MAX];
	size_t certificate_len;
	struct cert self;
	struct pkt_batch batch; /* one packet: sealed data on the control socket */
	struct upkeep upkeep;
	uint32_t stopped_at; /* how far the good-byes have come: a peer id */
	uint64_t started_ns;
	struct bucket multicast[MULTICAST_KINDS];
	uint32_t route_dumps;
	struct lost_routes {
		uint32_t n;        /* kernel routes that found the table full, about */
		uint64_t retry_at; /* when they are to be told again */
		uint64_t gap;      /* until the next time; 0 = none was lost */
		bool checked;      /* none since all were told */
	} lost_routes;
	char ciphers[64];
};

#endif
