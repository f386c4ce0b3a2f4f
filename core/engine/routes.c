/* The kernel's routes on their way into the FIB, and those for which there is no room. */
#include "core/engine/node.h"

#define RETRY_NS     (30 * NS_PER_S)
#define RETRY_MAX_NS (600 * NS_PER_S)

/*
 * What does not fit is not there at all: no older version of it either. The rest is told anew from time to
 * time, since what has gone meanwhile makes room.
 */
static void leave_out(struct engine *e, const struct fib_route *route, uint64_t now)
{
	struct lost_routes *lost = &e->lost_routes;
	char text[PREFIX_TEXT_MAX];
	fib_route_remove(&e->plane.fib, route);
	lost->checked = false;
	if (lost->n++ == 0 && lost->gap == 0) {
		lost->gap = RETRY_NS;
		lost->retry_at = now + lost->gap;
		env_log(&e->env, LOG_ERROR,
			"route table full: %s and others are left out (limit routes = %u)",
			prefix_format(&route->prefix, text), e->plane.fib.routes.max_entries);
	}
}

void engine_route(struct engine *e, const struct route_update *u, bool deleted, uint64_t now)
{
	struct fib_route route = {.prefix = prefix_masked(u->prefix),
		.gateway = u->gateway,
		.table = u->table,
		.metric = u->metric,
		.tos = u->tos,
		.source = FIB_KERNEL,
		.type = u->type,
		.elsewhere = u->elsewhere};
	struct route_leg only = {.gateway = u->gateway, .weight = 1};
	if (deleted) {
		if (fib_route_remove(&e->plane.fib, &route) != 0 && e->lost_routes.n)
			e->lost_routes.n--;
	} else if (fib_route_put_legs(&e->plane.fib, &route, u->n_legs ? u->legs : &only,
			   u->n_legs ? u->n_legs : 1) != 0) {
		leave_out(e, &route, now);
	}
	nhrp_routes_changed(&e->nhrp, now);
}

bool engine_routes_again(struct engine *e, uint64_t now)
{
	struct lost_routes *lost = &e->lost_routes;
	if (lost->gap == 0 || now < lost->retry_at)
		return false;
	if (lost->checked) {
		lost->gap = 0;
		env_log(&e->env, LOG_INFO, "the route table has room for all routes again");
		return false;
	}
	lost->gap = lost->gap * 2 > RETRY_MAX_NS ? RETRY_MAX_NS : lost->gap * 2;
	if (e->plane.fib.routes.entries < e->plane.fib.routes.max_entries)
		lost->gap = RETRY_NS; /* something has gone */
	lost->retry_at = now + lost->gap;
	lost->n = 0;
	lost->checked = true; /* unless one is left out again */
	return true;
}

void engine_routes_synced(struct engine *e, uint64_t now)
{
	e->route_dumps++;
	nhrp_routes_changed(&e->nhrp, now);
}
