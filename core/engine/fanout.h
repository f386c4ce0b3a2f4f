#ifndef WARREN_ENGINE_FANOUT_H
#define WARREN_ENGINE_FANOUT_H

#include "core/base/pkt.h"
#include "core/route/multicast.h"

/*
 * Multicast goes to very many peers. The queue of actions has no room for ten thousand datagrams; so a
 * packet is kept here once, and sealed for some peers more whenever the queue has been emptied. In one turn
 * of the control loop only so many copies are made: others want their turn, too.
 */
#define FANOUT_MAX 128 /* packets that wait */
#define FANOUT_COPIES                                                                              \
	65536 /* to be made of them, at most: half a second; but 16 packets always wait */
#define FANOUT_LEAST 16

struct engine;
struct peer;

struct fanout {
	unsigned head, n;
	unsigned n_kind[MULTICAST_KINDS];
	unsigned left; /* copies that may be made in this turn */
	uint64_t packets, copies;
	struct fanout_packet {
		uint8_t kind; /* enum multicast_kind */
		uint16_t len;
		uint32_t next; /* peer id */
		uint64_t now;  /* when it came */
		uint8_t data[PKT_SLOT];
	} v[FANOUT_MAX];
};

/* An IP packet. ERR_NO_SPACE: too many wait, or it is too long. */
int fanout_add(
	struct engine *e, enum multicast_kind kind, const uint8_t *data, size_t len, uint64_t now);
/* A turn begins. */
void fanout_turn(struct engine *e);
/* Makes datagrams of what waits. False: nothing does, or the turn has had its share. */
bool fanout_step(struct engine *e);
/* When it wants the next turn; TS_NEVER: nothing waits. */
uint64_t fanout_deadline(const struct engine *e);
/* A spoke's multicast goes to its hubs; a hub's to hubs and to who is registered. */
bool fanout_hears(const struct engine *e, const struct peer *p);

#endif
