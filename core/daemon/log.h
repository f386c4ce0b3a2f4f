#ifndef WARREN_DAEMON_LOG_H
#define WARREN_DAEMON_LOG_H

#include "core/base/bucket.h"
#include "core/base/env.h"

#include <stdatomic.h>

/*
 * The log: lines to stderr, which a service manager collects. With a time stamp, or, under systemd
 * (JOURNAL_STREAM), with its "<n>" priority instead. One write a line, from any thread, and none that
 * blocks: what a reader that does not read, or a stopped terminal, has no room for is lost and counted.
 */
#define LOG_KINDS 128 /* more than there are; the rest shares the last one */
#define LOG_PER_S 10  /* lines of one kind, those for debugging aside */
#define LOG_BURST 50

/* Lines of the same format. What others do to us may be worth a line, but not as many as they like. */
struct log_kind {
	const char *format;
	struct bucket bucket;
	unsigned left_out; /* since the last one that was written */
};

struct log {
	_Atomic int level; /* enum log_level: what is less important is left out */
	bool journal;
	atomic_flag busy; /* around the kinds */
	struct log_kind kinds[LOG_KINDS];
	atomic_flag writing; /* between asking for room and using it */
	unsigned lost;       /* lines, since one was written */
};

void log_init(struct log *log);
/* For struct env; ctx is the struct log. */
void log_write(void *ctx, enum log_level level, const char *line);
bool log_wanted(void *ctx, enum log_level level, const char *format);
/* The same with the time given: *left_out is how many lines are missing before this one. */
bool log_wanted_at(struct log *log, enum log_level level, const char *format, uint64_t now,
	unsigned *left_out);

/* At most one message a minute of a trouble that may persist, with the number of times it came. */
struct log_limit {
	struct bucket bucket;
	unsigned skipped;
};
/* True: say it now; *times is how often it came since it was said last. */
bool log_limit_take(struct log_limit *limit, uint64_t now, unsigned *times);

#endif
