#ifndef WARREN_SIM_EAR_H
#define WARREN_SIM_EAR_H

#include "test/sim/world.h"

#include "core/wire/nhrp.h"

/*
 * An ear at every node's NHRP, inside the sealed sessions, and a mouth: for tests of what stands in the
 * packets themselves. Programs that use it are linked with --wrap=nhrp_receive.
 */
#define EAR_BYTES 1500
#define EAR_MAX   1024

struct heard {
	const struct node *at;
	uint64_t when;
	size_t len;
	uint8_t bytes[EAR_BYTES];
	bool lost;                 /* the node was deaf to it */
	struct nhrp_packet packet; /* borrows from bytes */
};

/* Listens to this world from now on, to all, with nothing heard yet. */
void ear_open(struct world *w);
void ear_forget(void);
/* The next `count` packets of this type do not get to the node, though they are heard. */
void ear_deafen(const struct node *at, enum nhrp_type type, unsigned count);
/* How many of this type arrived at this node; number i of them, or the last. Fails the case if there is none. */
unsigned ear_count(const struct node *at, enum nhrp_type type);
const struct heard *ear_at(const struct node *at, enum nhrp_type type, unsigned i);
const struct heard *ear_last(const struct node *at, enum nhrp_type type);

/* A packet of `from` in its session with `to`, as it is; then the network may run. */
void ear_say_bytes(struct node *from, struct node *to, const void *bytes, size_t len);
void ear_say(struct node *from, struct node *to, const struct nhrp_packet *packet);
/* Starts one: families, source and next request id of the speaker. */
void ear_begin(struct node *from, struct node *to, enum nhrp_type type, struct nhrp_packet *out);

#endif
