#ifndef WARREN_CLI_PASSPHRASE_H
#define WARREN_CLI_PASSPHRASE_H

#include "core/config/pem.h"

/*
 * Passphrases come from a file that nobody else can read, from standard input ("-"), or from
 * the terminal without echo. Never from an argument or the environment, which other users can
 * see.
 */
#define PASSPHRASE_MAX     1024 /* with its NUL */
#define PASSPHRASE_MIN_LEN 8    /* of a new one */

/*
 * Reads a passphrase into out, which is the caller's to wipe. file NULL asks at the terminal,
 * for what; twice when it is a new one. 0 or ERR_SYSTEM, ERR_FORBIDDEN, ERR_MALFORMED with
 * error set.
 */
int passphrase_read(const char *file, const char *what, bool is_new, char out[PASSPHRASE_MAX],
	struct pem_error *error);

#endif
