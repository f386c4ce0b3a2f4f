#ifndef WARREN_ENGINE_ACTIONS_H
#define WARREN_ENGINE_ACTIONS_H

#include "core/engine/engine.h"

/*
 * The bounded queue of what the engine wants done. Datagrams may fill it but for a reserve, so that a
 * burst of packets never costs a route.
 */
#define ACTIONS_MAX     1024
#define ACTIONS_RESERVE 256
#define ACTION_DATA_MAX PKT_SLOT

struct actions {
	struct queued {
		struct action action;
		uint8_t data[ACTION_DATA_MAX]; /* datagram, or host name */
	} * v;
	unsigned head, n;
	uint64_t lost; /* datagrams that found it full */
};

/* ERR_NO_SPACE. */
int actions_init(struct actions *q);
void actions_fini(struct actions *q);
/* A new action at the end, to be filled; NULL when full. reserve: it may use the reserve. */
struct queued *actions_add(struct actions *q, enum action_type type, bool reserve);
bool actions_next(struct actions *q, struct action *out);

#endif
