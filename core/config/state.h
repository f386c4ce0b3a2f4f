#ifndef WARREN_CONFIG_STATE_H
#define WARREN_CONFIG_STATE_H

#include "core/config/config.h"

/*
 * Files of the state directory that the daemon writes for its own next start. They are conveniences: one
 * that is missing, damaged or of another time is said and passed over.
 */
#define STATE_HINTS "registry" /* core/peer/hints.h */
#define STATE_CLOCK "clock"    /* unix seconds as text: the last time known to be good */

/* Writes a file of mode 0600, whole or not at all, synced. 0 or ERR_SYSTEM with an error. */
int state_save(const struct config *config, const char *name, const void *data, size_t len,
	struct config_errors *errors);
/*
 * Reads one of at most cap bytes, allocated for the caller, who frees *out. The length; 0: there is none;
 * or ERR_* with an error.
 */
int state_load(const struct config *config, const char *name, size_t cap, void **out,
	struct config_errors *errors);
/*
 * Unix seconds that have certainly passed: the program's release date, or the good time stored, whichever
 * is later. A clock file that cannot be read is an error, and no harm.
 */
uint64_t state_time_s(const struct config *config, struct config_errors *errors);
/* The text of a clock file; its length. */
#define STATE_CLOCK_TEXT_MAX 24
size_t state_format_time(uint64_t unix_s, char out[STATE_CLOCK_TEXT_MAX]);

#endif
