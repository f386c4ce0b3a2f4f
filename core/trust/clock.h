#ifndef WARREN_TRUST_CLOCK_H
#define WARREN_TRUST_CLOCK_H

#include "core/base/env.h"

/*
 * The time that certificates are judged by (docs/protocol.md section 4.2): the system's clock, unless that
 * is behind what is known for sure. Known are a floor given at start (the program's build date, the last
 * good time stored) and, while the system's clock is in doubt, what a hub says in its handshake. Floors
 * move on with monotonic time. Nothing ever pulls the time back below the system's clock.
 */
struct trust_clock {
	uint64_t floor_s;  /* unix; 0 = none */
	uint64_t floor_at; /* ns: when it was that time */
	uint64_t heard_s;  /* what a hub said last; 0 = nothing yet */
	uint64_t heard_at;
};

/* Sets the floor of the start. */
void clock_init(struct trust_clock *c, uint64_t floor_s, uint64_t now);
/* Of papers that are good until not_after (unix s): OVER after that, ENDS in the last 14 days before. */
enum validity {
	VALIDITY_GOOD,
	VALIDITY_ENDS,
	VALIDITY_OVER,
};
enum validity clock_validity(uint64_t not_after, uint64_t time_s);
/* Unix seconds. */
uint64_t clock_now_s(const struct trust_clock *c, const struct env *env, uint64_t now);
/* Is the system's clock behind what is known? */
bool clock_suspect(const struct trust_clock *c, const struct env *env, uint64_t now);
/*
 * A hub that we authenticated says that it is hub_s. True: our clock was in doubt, and goes by that from
 * now on.
 */
bool clock_hear(struct trust_clock *c, const struct env *env, uint64_t hub_s, uint64_t now);
/*
 * What may be stored as good time, as the floor of the next start; 0 = nothing. It is never later than
 * what a hub said, and never after `limit_s`, the end of our own certificate: so that a clock which was
 * wrong once cannot keep the node out for ever. alone: we are a hub and need nobody's word.
 */
uint64_t clock_good_s(const struct trust_clock *c, const struct env *env, uint64_t limit_s,
	bool alone, uint64_t now);

#endif
