#ifndef WARREN_ENGINE_FANOUT_H
#define WARREN_ENGINE_FANOUT_H

#include "core/base/pkt.h"

/*
 * Multicast goes to very many peers. The queue of actions has no room for ten thousand datagrams; so a
 * packet is kept here once, and sealed for some peers more whenever the queue has been emptied.
 */
#define FANOUT_MAX 16 /* packets that wait */

struct engine;

struct fanout {
	unsigned head, n;
	struct fanout_packet {
		uint16_t protocol, len;
		uint32_t next; /* peer id */
		uint64_t now;  /* when it came */
		uint8_t data[PKT_SLOT];
	} v[FANOUT_MAX];
};

/* ERR_NO_SPACE: too many wait, or it is too long. */
int fanout_add(struct engine *e, uint16_t protocol, const uint8_t *data, size_t len, uint64_t now);
/* Makes datagrams of what waits. False: nothing does. */
bool fanout_step(struct engine *e);

#endif
