#ifndef WARREN_DAEMON_REQUEST_H
#define WARREN_DAEMON_REQUEST_H

#include "core/base/addr.h"

/*
 * What may be asked over HTTP, and by whom: pure checks, no sockets. A web page that the user visits
 * can send requests to 127.0.0.1; the rules here are what keeps it out (DNS rebinding, CSRF):
 *
 *  - TCP is read only; verbs that change something exist on the Unix socket alone;
 *  - over TCP the Host must be a name of this very listener, given once;
 *  - an Origin or a Referer must be of the same origin, and a browser must not say otherwise;
 *  - peers' underlay addresses need the token over TCP, and a listener that others can reach wants
 *    it for everything but the probes.
 */
enum request_method {
	METHOD_GET = 1, /* and HEAD */
	METHOD_POST = 2,
	METHOD_OTHER = 4,
};

enum request_id {
	REQUEST_NONE,
	REQUEST_HEALTHZ,
	REQUEST_READYZ,
	REQUEST_STATUS,
	REQUEST_PEERS,
	REQUEST_ROUTES,
	REQUEST_NHRP,
	REQUEST_RELOAD,
	REQUEST_PING,
	REQUEST_REKEY,
};

/* A listener. */
struct request_policy {
	bool unix_socket;       /* access is by the socket's mode; nothing below applies */
	struct endpoint listen; /* TCP: where we listen */
	const char *token;      /* NULL or "" = none: nobody has it */
};

/* A request's head. Headers: NULL = not there. */
struct request {
	const char *method, *path;
	const char *host, *origin, *referer, *authorization;
	const char *fetch_site; /* Sec-Fetch-Site: a browser says whose page asks */
	bool repeated;          /* one of these headers came more than once */
};

#define REQUEST_WHO_MAX        64
#define REQUEST_TIMEOUT_MS     2000 /* of a ping that does not say */
#define REQUEST_TIMEOUT_MS_MAX 10000

/* Arguments of the query. */
struct request_query {
	uint32_t limit; /* 0 = all */
	uint32_t after; /* 0 = from the start */
	uint32_t timeout_ms;
	char who[REQUEST_WHO_MAX]; /* "" = not given */
	unsigned given;            /* bits of the arguments seen */
};

struct request_verdict {
	int status;        /* 200, or the HTTP status to refuse with */
	const char *error; /* why refused */
	const char *allow; /* 405: the Allow header */
	enum request_id id;
	bool endpoints; /* underlay addresses may be shown */
};

/* Looks at everything but the query. */
struct request_verdict request_check(
	const struct request_policy *policy, const struct request *request);
/* Sets an argument (value NULL: "?key" alone). False: unknown for this request, repeated, or bad. */
bool request_argument(
	struct request_query *query, enum request_id id, const char *key, const char *value);
/* Has the query all that the request needs? NULL, or what is missing. */
const char *request_incomplete(const struct request_query *query, enum request_id id);

#endif
