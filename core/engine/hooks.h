#ifndef WARREN_ENGINE_HOOKS_H
#define WARREN_ENGINE_HOOKS_H

#include "core/engine/node.h"

/*
 * What the modules below the engine want done (an action) or make known (a log line, and word to the
 * module next to it). Peers and NHRP know each other's structs; only here do they call each other.
 */
struct peer_ops hooks_of_peers(struct engine *e);
struct nhrp_ops hooks_of_nhrp(struct engine *e);
/* A new bundle is in force: save it, drop who is not a member any more, pass it on. */
void hooks_new_bundle(struct engine *e, uint64_t now);
/* Tells the workers which hub is the preferred one now. */
void hooks_publish_hub(struct engine *e, uint64_t now);

#endif
