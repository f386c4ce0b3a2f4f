#ifndef WARREN_DAEMON_LOG_H
#define WARREN_DAEMON_LOG_H

#include "core/base/bucket.h"
#include "core/base/env.h"

#include <stdatomic.h>

/*
 * The log: lines to stderr, which a service manager collects. With a time stamp, or, under systemd
 * (JOURNAL_STREAM), with its "<n>" priority instead. One write a line, from any thread.
 */
struct log {
	_Atomic int level; /* enum log_level: what is less important is left out */
	bool journal;
};

void log_init(struct log *log);
/* For struct env; ctx is the struct log. */
void log_write(void *ctx, enum log_level level, const char *line);

/* At most one message a minute of a trouble that may persist, with the number of times it came. */
struct log_limit {
	struct bucket bucket;
	unsigned skipped;
};
/* True: say it now; *times is how often it came since it was said last. */
bool log_limit_take(struct log_limit *limit, uint64_t now, unsigned *times);

#endif
