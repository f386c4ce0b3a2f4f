#ifndef WARREN_CONFIG_SUGGEST_H
#define WARREN_CONFIG_SUGGEST_H

#include <stdbool.h>

/*
 * "Did you mean?": the number of edits (a character put in, left out, replaced, or two neighbours
 * exchanged) between two words; SUGGEST_FAR when their lengths alone say that it is no slip.
 */
#define SUGGEST_WORD_MAX 48 /* longer words are far from everything */
#define SUGGEST_NEAR_MAX 3u /* edits; more are never a slip */
#define SUGGEST_FAR      100u

unsigned suggest_distance(const char *a, const char *b);
/* Is a distance small enough, for a word that a user typed, to be a slip? */
bool suggest_near(const char *typed, unsigned distance);

#endif
