#ifndef WARREN_SIM_SHRINK_H
#define WARREN_SIM_SHRINK_H

#include <stdbool.h>

#define SHRINK_PARTS 320 /* at most */

/*
 * Delta debugging (Zeller and Hildebrandt, ddmin): switches off as many of n parts as it can while
 * fails(ctx), which looks at off, stays true. No single part that is left can be done without.
 */
void shrink(bool *off, unsigned n, bool (*fails)(void *ctx), void *ctx);

#endif
