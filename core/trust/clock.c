#include "core/trust/clock.h"

#define ENDS_S (UINT64_C(14) * 86400)

static uint64_t moved_on(uint64_t s, uint64_t at, uint64_t now)
{
	return s ? s + ts_since(at, now) / NS_PER_S : 0;
}

void clock_init(struct trust_clock *c, uint64_t floor_s, uint64_t now)
{
	*c = (struct trust_clock){.floor_s = floor_s, .floor_at = now};
}

enum validity clock_validity(uint64_t not_after, uint64_t time_s)
{
	return not_after < time_s             ? VALIDITY_OVER
		: not_after - time_s < ENDS_S ? VALIDITY_ENDS
					      : VALIDITY_GOOD;
}

uint64_t clock_now_s(const struct trust_clock *c, const struct env *env, uint64_t now)
{
	uint64_t wall = env->wall_s(env->ctx), floor = moved_on(c->floor_s, c->floor_at, now);
	return wall > floor ? wall : floor;
}

bool clock_suspect(const struct trust_clock *c, const struct env *env, uint64_t now)
{
	return env->wall_s(env->ctx) < clock_now_s(c, env, now);
}

bool clock_hear(struct trust_clock *c, const struct env *env, uint64_t hub_s, uint64_t now)
{
	c->heard_s = hub_s;
	c->heard_at = now;
	if (!clock_suspect(c, env, now) || hub_s <= clock_now_s(c, env, now))
		return false;
	c->floor_s = hub_s;
	c->floor_at = now;
	return true;
}

uint64_t clock_good_s(const struct trust_clock *c, const struct env *env, uint64_t limit_s,
	bool alone, uint64_t now)
{
	uint64_t good = clock_now_s(c, env, now), heard = moved_on(c->heard_s, c->heard_at, now);
	if (!heard && !(alone && !clock_suspect(c, env, now)))
		return 0;
	if (heard && heard < good)
		good = heard;
	return good <= limit_s ? good : 0;
}
