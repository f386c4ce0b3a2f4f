#ifndef WARREN_CONFIG_LINES_H
#define WARREN_CONFIG_LINES_H

#include "core/config/errors.h"

#include <stdbool.h>

/*
 * The reader that feeds inih: text in memory, one line a call, with what inih does not do. It counts
 * lines and follows sections, and refuses what inih would silently take for something else: lines over
 * LINES_LENGTH_MAX bytes (cut), NUL bytes (end), leading blanks (continuation of the value before).
 * A refused line is reported and handed on empty.
 */
#define LINES_LENGTH_MAX 198

struct lines {
	const char *at, *end;
	const char *path; /* for messages */
	unsigned number;  /* of the line handed out last, from 1 */
	/* Called for each [section] line; says whether there is such a section, and reports if not. */
	bool (*section)(void *ctx, const char *name);
	void *ctx;
	bool in_section; /* a key may stand here: the last section line was a good one */
	bool any_section;
	struct config_errors *errors;
};

/* An ini_reader; stream is a struct lines. */
char *lines_read(char *out, int cap, void *stream);

#endif
