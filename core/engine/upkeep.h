#ifndef WARREN_ENGINE_UPKEEP_H
#define WARREN_ENGINE_UPKEEP_H

#include "core/base/timer.h"
#include "core/peer/hints.h"

/*
 * What a node does slowly and for itself: it stores the hint file (peer/hints.h) and the time, looks
 * for its old peers after a start, and says in the log when its own papers run out.
 */
struct engine;

struct upkeep {
	struct timer timer;
	uint64_t time_saved;                             /* ns; 0 = not yet */
	bool bundle_expired, cert_expired, cert_expires; /* said already */
	uint8_t *saved; /* bytes of the last ACTION_SAVE_HINTS; NULL: no memory, none are stored */
	/* those who are still to be looked for, the freshest first */
	struct timer dial;
	struct hint *old;
	uint32_t n_old, next_old;
};

#define UPKEEP_TIMERS 2

void upkeep_start(struct engine *e, uint64_t now);
/* The last words: stores what has changed. */
void upkeep_stop(struct engine *e, uint64_t now);
void upkeep_fini(struct engine *e);

#endif
