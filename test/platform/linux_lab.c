#include "test/platform/linux_lab.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

char lab_log[512];

static int run(const char *format, va_list args, char *out, size_t cap)
{
	char command[1024] = "exec 2>&1; ";
	size_t len = strlen(command);
	vsnprintf(command + len, sizeof command - len, format, args);
	len = 0;
	FILE *f = popen(command, "r");
	assert_non_null(f);
	for (int c; (c = fgetc(f)) != EOF;)
		if (len + 1 < cap)
			out[len++] = (char)c;
	out[len] = '\0';
	return pclose(f);
}

int lab_try(const char *format, ...)
{
	char out[1024];
	va_list args;
	va_start(args, format);
	int status = run(format, args, out, sizeof out);
	va_end(args);
	return status;
}

void lab_run(const char *format, ...)
{
	char out[1024];
	va_list args;
	va_start(args, format);
	if (run(format, args, out, sizeof out) != 0)
		fail_msg("%s: %s", format, out);
	va_end(args);
}

bool lab_shows(const char *text, const char *format, ...)
{
	static char out[65536];
	va_list args;
	va_start(args, format);
	run(format, args, out, sizeof out);
	va_end(args);
	return strstr(out, text) != NULL;
}

bool lab_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	return poll(&p, 1, 1000) == 1;
}

int lab_enter(void)
{
	if (geteuid() != 0) {
		fprintf(stderr, "skipped: needs root\n");
		return LAB_SKIP;
	}
	if (unshare(CLONE_NEWNET) < 0) {
		fprintf(stderr, "skipped: no network namespace: %s\n", strerror(errno));
		return LAB_SKIP;
	}
	if (lab_try("ip link set lo up") != 0) {
		fprintf(stderr, "skipped: needs ip, of iproute2\n");
		return LAB_SKIP;
	}
	return 0;
}

static void random_bytes(void *ctx, void *out, size_t len)
{
	(void)ctx;
	assert_int_equal(getrandom(out, len, 0), len);
}

static uint64_t wall_s(void *ctx)
{
	(void)ctx;
	return (uint64_t)time(NULL);
}

static void keep_line(void *ctx, enum log_level level, const char *line)
{
	(void)ctx;
	(void)level;
	snprintf(lab_log, sizeof lab_log, "%s", line);
	if (getenv("LAB_VERBOSE"))
		fprintf(stderr, "log: %s\n", line);
}

const struct env *lab_env(void)
{
	static const struct env env = {.random = random_bytes, .wall_s = wall_s, .log = keep_line};
	lab_log[0] = '\0';
	return &env;
}
