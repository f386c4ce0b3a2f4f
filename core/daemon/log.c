#include "core/daemon/log.h"

#include "platform/platform.h"

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
	atomic_flag_clear(&log->busy);
	memset(log->kinds, 0, sizeof log->kinds);
}

/* ---- How much of one kind ---------------------------------------------------------------------- */

static struct log_kind *kind_of(struct log *log, const char *format)
{
	unsigned i = 0;
	while (i < LOG_KINDS - 1 && log->kinds[i].format && log->kinds[i].format != format)
		i++;
	log->kinds[i].format = format;
	return &log->kinds[i];
}

bool log_wanted_at(
	struct log *log, enum log_level level, const char *format, uint64_t now, unsigned *left_out)
{
	*left_out = 0;
	if ((int)level > atomic_load_explicit(&log->level, memory_order_relaxed))
		return false;
	if (level == LOG_DEBUG)
		return true;
	while (atomic_flag_test_and_set_explicit(&log->busy, memory_order_acquire))
		;
	struct log_kind *kind = kind_of(log, format);
	bool wanted = bucket_take(&kind->bucket, NS_PER_S / LOG_PER_S, LOG_BURST, now);
	if (wanted)
		*left_out = kind->left_out;
	kind->left_out = wanted ? 0 : kind->left_out + 1;
	atomic_flag_clear_explicit(&log->busy, memory_order_release);
	return wanted;
}

bool log_wanted(void *ctx, enum log_level level, const char *format)
{
	char line[300];
	unsigned left_out;
	if (!log_wanted_at(ctx, level, format, os_now_ns(), &left_out))
		return false;
	if (left_out > 0) {
		snprintf(line, sizeof line, "%u lines like the next one were left out", left_out);
		log_write(ctx, level, line);
	}
	return true;
}

/* ---- Lines -------------------------------------------------------------------------------------- */

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
