#ifndef WARREN_BASE_ENV_H
#define WARREN_BASE_ENV_H

#include "core/base/addr.h"

#include <stdarg.h>

/*
 * What the core is given instead of reaching for it: randomness, wall clock, a log. Monotonic time is
 * always an argument, in ns, counting suspended time; deadlines are absolute.
 */
#define TS_NEVER  UINT64_MAX
#define NS_PER_S  UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

/* Time passed since `then`. Another thread's stamp may be a little later than our now: no time. */
static inline uint64_t ts_since(uint64_t then, uint64_t now)
{
	return now > then ? now - then : 0;
}

enum log_level {
	LOG_ERROR,
	LOG_WARN,
	LOG_INFO,
	LOG_DEBUG,
};

struct env {
	void *ctx;
	void (*random)(void *ctx, void *out, size_t len); /* cryptographically strong */
	uint64_t (*wall_s)(void *ctx);                    /* unix seconds */
	/* One line without newline. Never called per packet, never given a secret. */
	void (*log)(void *ctx, enum log_level level, const char *line);
	/* Is a line of this kind wanted now? Its format is what makes the kind. NULL: always. */
	bool (*log_wanted)(void *ctx, enum log_level level, const char *format);
};

__attribute__((format(printf, 3, 4))) void env_log(
	const struct env *env, enum log_level level, const char *format, ...);
uint32_t env_random_u32(const struct env *env);
/* value +- up to percent of it, for jittered timers. */
uint64_t env_jitter(const struct env *env, uint64_t value, unsigned percent);

#endif
