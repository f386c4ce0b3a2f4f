#include "core/base/env.h"

#include <stdio.h>

void env_log(const struct env *env, enum log_level level, const char *format, ...)
{
	char line[512];
	va_list args;
	if (env->log_wanted && !env->log_wanted(env->ctx, level, format))
		return;
	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	env->log(env->ctx, level, line);
}

uint32_t env_random_u32(const struct env *env)
{
	uint32_t v;
	env->random(env->ctx, &v, sizeof v);
	return v;
}

uint64_t env_jitter(const struct env *env, uint64_t value, unsigned percent)
{
	uint64_t span = value / 100 * percent * 2 + 1;
	uint64_t r = (uint64_t)env_random_u32(env) << 32 | env_random_u32(env);
	return value - span / 2 + r % span;
}
