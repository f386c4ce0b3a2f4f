#ifndef WARREN_CONFIG_INTEROP_H
#define WARREN_CONFIG_INTEROP_H

#include "core/config/options.h"

/*
 * The [interop NAME] sections: any number of one kind, unlike all others. Their options stand in the
 * table with all others, their fields in struct config_interop.
 */

/* Does this section line name one? Then *name is its NAME, which may be wrong, or empty. */
bool interop_is_section(const char *section, const char **name);
/* Begins one. NULL, or what was expected. */
const char *interop_begin(struct config *config, const char *name);
/* What no single line can get wrong; where: the text before each message, as in "FILE". */
void interop_check(const struct config *config, const char *where, struct config_errors *errors);

#endif
