#ifndef WARREN_CONFIG_ERRORS_H
#define WARREN_CONFIG_ERRORS_H

#include <stddef.h>

/*
 * A bounded list of messages, one a line, each "file:line: what, expected what". What does not fit is
 * counted and said at the end. A zeroed one is empty.
 */
#define CONFIG_ERRORS_TEXT 8192

struct config_errors {
	unsigned n;       /* messages, those left out counted */
	unsigned omitted; /* did not fit */
	size_t len;
	char text[CONFIG_ERRORS_TEXT]; /* NUL-terminated, each message ends with a newline */
};

__attribute__((format(printf, 2, 3))) void config_error(
	struct config_errors *errors, const char *format, ...);

/* A user's text made fit for a message: printable ASCII, cut at some 40 characters. Returns out. */
#define CONFIG_QUOTE_MAX 48
const char *config_quote(const char *text, char out[CONFIG_QUOTE_MAX]);

#endif
