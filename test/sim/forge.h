#ifndef WARREN_SIM_FORGE_H
#define WARREN_SIM_FORGE_H

#include "test/sim/node.h"

/*
 * A member that lies: its engine and its sessions are real, and in them it sends NHRP packets that claim
 * what belongs to another, with whatever it would have to guess given to it. To its hubs and to
 * everybody that it has a direct session with. Nobody may believe a word.
 */
void forge(
	struct node *liar, struct node *victim, const struct ip_addr bystander[2], uint64_t chance);

#endif
