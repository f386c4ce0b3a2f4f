#include "core/daemon/node.h"

#include "core/base/err.h"
#include "core/config/state.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define RESOLVED_MAX 8 /* endpoints taken from one name */

/* ---- Names ------------------------------------------------------------------------------------ */

struct lookup {
	uv_getaddrinfo_t request;
	struct node *node;
	uint32_t token;
	uint16_t port;
};

static bool from_sockaddr(const struct sockaddr *sa, uint16_t port, struct endpoint *out)
{
	out->port = port;
	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)sa;
		out->addr = addr_from_bytes(4, (const uint8_t *)&in->sin_addr);
	} else if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)sa;
		out->addr = addr_from_bytes(6, (const uint8_t *)&in6->sin6_addr);
	} else {
		return false;
	}
	return addr_is_unicast(&out->addr) || addr_is_loopback(&out->addr);
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
	struct lookup *l = request->data;
	struct node *n = l->node;
	struct endpoint endpoints[RESOLVED_MAX];
	unsigned count = 0;
	for (struct addrinfo *ai = found; ai && count < RESOLVED_MAX; ai = ai->ai_next)
		if (from_sockaddr(ai->ai_addr, l->port, &endpoints[count]))
			count++;
	uv_freeaddrinfo(found);
	n->lookups--;
	if (!n->stopping) {
		if (status != 0)
			env_log(&n->env, LOG_DEBUG, "name resolution: %s", uv_strerror(status));
		engine_resolved(n->engine, l->token, endpoints, count, os_now_ns());
		control_settle(n);
	}
	free(l);
}

/* An address needs no resolver, which may be slow or away. */
static bool resolve_literal(struct node *n, const char *host, uint16_t port, uint32_t token)
{
	struct endpoint e = {.port = port};
	if (!addr_parse(host, &e.addr))
		return false;
	engine_resolved(n->engine, token, &e, 1, os_now_ns());
	return true;
}

static void resolve(struct node *n, const char *host, uint16_t port, uint32_t token)
{
	static const struct addrinfo hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM, .ai_flags = AI_ADDRCONFIG};
	if (resolve_literal(n, host, port, token))
		return;
	struct lookup *l = calloc(1, sizeof *l);
	if (l) {
		*l = (struct lookup){.node = n, .token = token, .port = port};
		l->request.data = l;
		if (uv_getaddrinfo(&n->loop, &l->request, on_resolved, host, NULL, &hints) == 0) {
			n->lookups++;
			return;
		}
		free(l);
	}
	engine_resolved(n->engine, token, NULL, 0, os_now_ns());
}

/* ---- Routes ----------------------------------------------------------------------------------- */

/* They wait: netmon cannot be asked to change routes while it is telling us about them. */
void actions_order_route(
	struct node *n, const struct prefix *prefix, const struct ip_addr *gateway, bool add)
{
	if (n->n_orders == n->cap_orders) {
		unsigned cap = n->cap_orders ? n->cap_orders * 2 : 64;
		struct route_order *grown = realloc(n->orders, cap * sizeof *grown);
		if (!grown) {
			env_log(&n->env, LOG_ERROR, "no memory: a route is not installed");
			return;
		}
		n->orders = grown;
		n->cap_orders = cap;
	}
	n->orders[n->n_orders++] =
		(struct route_order){.prefix = *prefix, .gateway = *gateway, .add = add};
}

void actions_flush_routes(struct node *n)
{
	if (n->in_netmon || !n->netmon)
		return;
	uint32_t ifindex = tun_ifindex(n->tun);
	for (unsigned i = 0; i < n->n_orders; i++) {
		const struct route_order *o = &n->orders[i];
		/* A failure is logged where it happens; the overlay works without the route. */
		if (o->add)
			route_add(n->netmon, &o->prefix, &o->gateway, ifindex, ROUTE_METRIC_WARREN);
		else
			route_delete(
				n->netmon, &o->prefix, &o->gateway, ifindex, ROUTE_METRIC_WARREN);
	}
	n->n_orders = 0;
}

/* ---- The rest --------------------------------------------------------------------------------- */

static void send_datagram(struct node *n, const struct action *a)
{
	unsigned times;
	int rc = a->send.to.port == 0 && n->ipgre
		? ipgre_send_one(
			  n->ipgre, &a->send.to.addr, &a->send.from, a->send.data, a->send.len)
		: udp_send_one(n->udp, &a->send.to, &a->send.from, a->send.ttl, a->send.data,
			  a->send.len);
	if (rc != 0 && log_limit_take(&n->send_limit, os_now_ns(), &times))
		env_log(&n->env, LOG_WARN, "%u datagrams could not be sent", times);
}

static void save_time(struct node *n, uint64_t unix_s)
{
	char text[STATE_CLOCK_TEXT_MAX];
	save_write(n, SAVE_CLOCK, text, state_format_time(unix_s, text));
}

static void finish_ping(struct node *n, const struct action *a)
{
	struct job *job = jobs_unpark(&n->jobs, a->pong.token);
	if (!job)
		return;
	char text[128];
	int len = a->pong.answered
		? snprintf(text, sizeof text, "{\"answered\":true,\"direct\":%s,\"rtt_ns\":%llu}\n",
			  a->pong.direct ? "true" : "false", (unsigned long long)a->pong.rtt_ns)
		: snprintf(text, sizeof text,
			  "{\"answered\":false,\"direct\":null,\"rtt_ns\":null}\n");
	status_text_add(&job->text, text, (size_t)len);
	job->status = 200;
	jobs_finish(&n->jobs, job);
}

static void perform(struct node *n, const struct action *a)
{
	switch (a->type) {
	case ACTION_SEND:
		send_datagram(n, a);
		break;
	case ACTION_ROUTE_ADD:
	case ACTION_ROUTE_DEL:
		actions_order_route(
			n, &a->route.prefix, &a->route.gateway, a->type == ACTION_ROUTE_ADD);
		break;
	case ACTION_RESOLVE:
		resolve(n, a->resolve.host, a->resolve.port, a->resolve.token);
		break;
	case ACTION_SAVE_BUNDLE:
		save_write(n, SAVE_BUNDLE, a->save.data, a->save.len);
		break;
	case ACTION_SAVE_HINTS:
		save_write(n, SAVE_HINTS, a->save.data, a->save.len);
		break;
	case ACTION_SAVE_TIME:
		save_time(n, a->time.unix_s);
		break;
	case ACTION_PONG:
		finish_ping(n, a);
		break;
	}
}

void actions_drain(struct node *n)
{
	struct action a;
	while (engine_next_action(n->engine, &a))
		perform(n, &a);
}
