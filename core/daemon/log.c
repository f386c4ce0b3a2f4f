#include "core/daemon/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1200
#define LIMIT_NS       (60 * NS_PER_S)

static const struct {
	char priority; /* of syslog */
	const char *word;
} levels[] = {
	[LOG_ERROR] = {'3', "error"},
	[LOG_WARN] = {'4', "warning"},
	[LOG_INFO] = {'6', "info"},
	[LOG_DEBUG] = {'7', "debug"},
};

void log_init(struct log *log)
{
	atomic_init(&log->level, LOG_INFO);
	log->journal = getenv("JOURNAL_STREAM") != NULL;
}

static size_t stamp(char *out, size_t cap)
{
	struct timespec ts;
	struct tm tm;
	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	size_t len = strftime(out, cap, "%Y-%m-%dT%H:%M:%S", &tm);
	return len + (size_t)snprintf(out + len, cap - len, ".%03dZ", (int)(ts.tv_nsec / 1000000));
}

void log_write(void *ctx, enum log_level level, const char *line)
{
	struct log *log = ctx;
	if ((int)level > atomic_load_explicit(&log->level, memory_order_relaxed))
		return;
	char out[LINE_MAX_BYTES], when[40];
	int len;
	if (log->journal) {
		len = snprintf(out, sizeof out - 1, "<%c>%s", levels[level].priority, line);
	} else {
		stamp(when, sizeof when);
		len = snprintf(out, sizeof out - 1, "%s %s: %s", when, levels[level].word, line);
	}
	size_t used = len < 0 ? 0 : (size_t)len < sizeof out - 1 ? (size_t)len : sizeof out - 2;
	/* What comes from outside may be quoted in a line; it must not forge a second one. */
	for (size_t i = 0; i < used; i++)
		if ((unsigned char)out[i] < ' ' || out[i] == 0x7f)
			out[i] = '?';
	out[used++] = '\n';
	ssize_t written = write(STDERR_FILENO, out, used);
	(void)written; /* there is nowhere to say so */
}

bool log_limit_take(struct log_limit *limit, uint64_t now, unsigned *times)
{
	limit->skipped++;
	if (!bucket_take(&limit->bucket, LIMIT_NS, 1, now))
		return false;
	*times = limit->skipped;
	limit->skipped = 0;
	return true;
}
