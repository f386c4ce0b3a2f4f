#include "core/daemon/log.h"

#include "platform/platform.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
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
	atomic_flag_clear(&log->writing);
	log->lost = 0;
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

/* The text with what goes before it and a newline, in out; its length. */
static size_t format(
	const struct log *log, enum log_level level, const char *text, char out[LINE_MAX_BYTES])
{
	char when[40];
	int len;
	if (log->journal) {
		len = snprintf(out, LINE_MAX_BYTES - 1, "<%c>%s", levels[level].priority, text);
	} else {
		stamp(when, sizeof when);
		len = snprintf(
			out, LINE_MAX_BYTES - 1, "%s %s: %s", when, levels[level].word, text);
	}
	size_t used = len < 0 ? 0 : (size_t)len;
	used = used < LINE_MAX_BYTES - 1 ? used : LINE_MAX_BYTES - 2;
	/* What comes from outside may be quoted in a line; it must not forge a second one. */
	for (size_t i = 0; i < used; i++)
		if ((unsigned char)out[i] < ' ' || out[i] == 0x7f)
			out[i] = '?';
	out[used++] = '\n';
	return used;
}

/*
 * False: there is no room. O_NONBLOCK would do, but it belongs to whoever has the same terminal or pipe
 * open as well; so a socket is told not to wait, and anything else is asked first. A pipe that says yes
 * takes a line of less than PIPE_BUF.
 */
static bool put(const char *line, size_t len)
{
	struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
	ssize_t n = send(STDERR_FILENO, line, len, MSG_DONTWAIT);
	if (n < 0 && errno == ENOTSOCK)
		n = poll(&room, 1, 0) == 1 ? write(STDERR_FILENO, line, len) : -1;
	return n == (ssize_t)len;
}

static bool put_lost(struct log *log)
{
	char text[80], line[LINE_MAX_BYTES];
	snprintf(text, sizeof text, "%u lines of the log are lost: nobody read them", log->lost);
	return put(line, format(log, LOG_WARN, text, line));
}

void log_write(void *ctx, enum log_level level, const char *text)
{
	struct log *log = ctx;
	if ((int)level > atomic_load_explicit(&log->level, memory_order_relaxed))
		return;
	char line[LINE_MAX_BYTES];
	size_t len = format(log, level, text, line);
	while (atomic_flag_test_and_set_explicit(&log->writing, memory_order_acquire))
		;
	if (log->lost > 0 && put_lost(log))
		log->lost = 0;
	if (log->lost > 0 || !put(line, len))
		log->lost++;
	atomic_flag_clear_explicit(&log->writing, memory_order_release);
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
