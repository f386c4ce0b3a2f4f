#ifndef WARREN_DAEMON_HTTP_H
#define WARREN_DAEMON_HTTP_H

#include "core/base/env.h"
#include "core/daemon/clients.h"
#include "core/daemon/jobs.h"

/*
 * HTTP on one listening socket: libmicrohttpd with a thread a connection, few connections, small
 * buffers. A request is checked (request.c), asked of the control loop as a job (jobs.c) and its
 * answer sent; a list is fetched page by page while it is being sent.
 */
struct http;

/*
 * Serves fd, which it takes, from now on, with so many connections at a time, at most CLIENTS_MAX. policy
 * is copied, its token borrowed, jobs and env borrowed. ERR_SYSTEM, logged.
 */
int http_start(struct http **out, int fd, unsigned connections, const struct request_policy *policy,
	struct jobs *jobs, const struct env *env);
/* Ends all connections and joins the threads; jobs_close must have been called. NULL is allowed. */
void http_stop(struct http *http);

#endif
