#ifndef WARREN_SIM_STRANGER_H
#define WARREN_SIM_STRANGER_H

#include "test/sim/world.h"

/*
 * Somebody on the Internet without a key of this network, who knows everybody's address and public key:
 * for some time he sends a node datagrams of all kinds from all places, some of them in the name of the
 * node's peers. Noise, sealed data of unknown sessions, INITIATIONs with a right mac1 and nothing behind
 * it, RESPONSEs, COOKIEs, PROBEs and RESETs for sessions that exist.
 */
void stranger_floods(
	struct world *w, struct node *to, unsigned count, uint64_t gap_ns, uint64_t chance);

#endif
