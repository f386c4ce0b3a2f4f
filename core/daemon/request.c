#include "core/daemon/request.h"

#include "core/crypto/primitives.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum argument {
	ARGUMENT_LIMIT = 1,
	ARGUMENT_AFTER = 2,
	ARGUMENT_WHO = 4,
	ARGUMENT_TIMEOUT = 8,
};

#define PAGING (ARGUMENT_LIMIT | ARGUMENT_AFTER)

static const struct route {
	const char *path;
	enum request_id id;
	enum request_method method;
	unsigned arguments; /* of enum argument */
	unsigned required;
	bool probe; /* says nothing that needs a token */
} routes[] = {
	{"/healthz", REQUEST_HEALTHZ, METHOD_GET, 0, 0, true},
	{"/readyz", REQUEST_READYZ, METHOD_GET, 0, 0, true},
	{"/api/v1/status", REQUEST_STATUS, METHOD_GET, 0, 0, false},
	{"/api/v1/peers", REQUEST_PEERS, METHOD_GET, PAGING, 0, false},
	{"/api/v1/routes", REQUEST_ROUTES, METHOD_GET, PAGING, 0, false},
	{"/api/v1/nhrp", REQUEST_NHRP, METHOD_GET, PAGING, 0, false},
	{"/api/v1/reload", REQUEST_RELOAD, METHOD_POST, 0, 0, false},
	{"/api/v1/ping", REQUEST_PING, METHOD_POST, ARGUMENT_WHO | ARGUMENT_TIMEOUT, ARGUMENT_WHO,
		false},
	{"/api/v1/rekey", REQUEST_REKEY, METHOD_POST, ARGUMENT_WHO, ARGUMENT_WHO, false},
};

static const struct route *find_route(const char *path)
{
	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
		if (strcmp(routes[i].path, path) == 0)
			return &routes[i];
	return NULL;
}

static const struct route *route_of(enum request_id id)
{
	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
		if (routes[i].id == id)
			return &routes[i];
	return NULL;
}

static enum request_method method_of(const char *method)
{
	if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
		return METHOD_GET;
	return strcmp(method, "POST") == 0 ? METHOD_POST : METHOD_OTHER;
}

/* ---- Who asks --------------------------------------------------------------------------------- */

/* "name:port", and "name" alone when the port is HTTP's own. */
static bool host_matches(const char *host, const char *name, uint16_t port)
{
	size_t len = strlen(name);
	if (strncmp(host, name, len) != 0)
		return false;
	char suffix[8];
	snprintf(suffix, sizeof suffix, ":%u", port);
	return strcmp(host + len, suffix) == 0 || (port == 80 && host[len] == '\0');
}

static bool host_allowed(const struct request_policy *policy, const char *host)
{
	static const char *const names[] = {"127.0.0.1", "localhost", "[::1]"};
	uint16_t port = policy->listen.port;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (host_matches(host, names[i], port))
			return true;
	char listen[ENDPOINT_TEXT_MAX];
	endpoint_format(&policy->listen, listen);
	*strrchr(listen, ':') = '\0';
	return host_matches(host, listen, port);
}

/* Is url, an Origin or a Referer, of the origin "http://host"? */
static bool same_origin(const char *url, const char *host)
{
	static const char scheme[] = "http://";
	size_t scheme_len = sizeof scheme - 1, host_len = strlen(host);
	if (strncmp(url, scheme, scheme_len) != 0 || strncmp(url + scheme_len, host, host_len) != 0)
		return false;
	char end = url[scheme_len + host_len];
	return end == '\0' || end == '/' || end == '?' || end == '#';
}

static bool has_token(const struct request_policy *policy, const char *authorization)
{
	static const char scheme[] = "Bearer ";
	size_t scheme_len = sizeof scheme - 1;
	if (!policy->token || !*policy->token)
		return false;
	if (!authorization || strncasecmp(authorization, scheme, scheme_len) != 0)
		return false;
	const char *shown = authorization + scheme_len;
	size_t len = strlen(policy->token);
	return strlen(shown) == len && prim_equal(shown, policy->token, len);
}

static struct request_verdict refuse(int status, const char *error)
{
	return (struct request_verdict){.status = status, .error = error};
}

/* The rules of TCP; status 200 when they let the request through. */
static struct request_verdict check_tcp(
	const struct request_policy *policy, const struct request *r, const struct route *route)
{
	if (r->repeated || !r->host || !host_allowed(policy, r->host))
		return refuse(403, "the Host header is not this listener's");
	if (r->origin && !same_origin(r->origin, r->host))
		return refuse(403, "the Origin header is another site's");
	if (r->referer && !same_origin(r->referer, r->host))
		return refuse(403, "the Referer header is another site's");
	if (r->fetch_site && strcmp(r->fetch_site, "same-origin") != 0 &&
		strcmp(r->fetch_site, "none") != 0)
		return refuse(403, "another site's page asks");
	if (method_of(r->method) != METHOD_GET) {
		struct request_verdict v = refuse(405, "TCP is read only; use the Unix socket");
		v.allow = "GET, HEAD";
		return v;
	}
	bool token = has_token(policy, r->authorization);
	if (r->authorization && !token)
		return refuse(401, "the token is wrong");
	if (!token && !addr_is_loopback(&policy->listen.addr) && !(route && route->probe))
		return refuse(401, "this listener wants the token");
	return (struct request_verdict){.status = 200, .endpoints = token};
}

struct request_verdict request_check(
	const struct request_policy *policy, const struct request *request)
{
	const struct route *route = find_route(request->path);
	struct request_verdict v = {.status = 200, .endpoints = true};
	if (!policy->unix_socket)
		v = check_tcp(policy, request, route);
	if (v.status != 200)
		return v;
	if (!route)
		return refuse(404, "there is nothing at this path");
	if (route->method != method_of(request->method)) {
		v = refuse(405, "the path wants another method");
		v.allow = route->method == METHOD_POST ? "POST" : "GET, HEAD";
		return v;
	}
	v.id = route->id;
	return v;
}

/* ---- The query -------------------------------------------------------------------------------- */

static bool parse_u32(const char *text, uint32_t min, uint32_t max, uint32_t *out)
{
	uint64_t value = 0;
	size_t n = 0;
	for (; text[n] >= '0' && text[n] <= '9' && n < 11; n++)
		value = value * 10 + (uint64_t)(text[n] - '0');
	*out = (uint32_t)value;
	return n > 0 && text[n] == '\0' && value >= min && value <= max;
}

/* A node name or an address: what may stand in one, no more. */
static bool parse_who(const char *text, char out[REQUEST_WHO_MAX])
{
	size_t len = strlen(text);
	if (len == 0 || len >= REQUEST_WHO_MAX)
		return false;
	if (strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEF0123456789.-:") != len)
		return false;
	memcpy(out, text, len + 1);
	return true;
}

bool request_argument(
	struct request_query *query, enum request_id id, const char *key, const char *value)
{
	static const struct {
		const char *key;
		enum argument argument;
	} rows[] = {
		{"limit", ARGUMENT_LIMIT},
		{"after", ARGUMENT_AFTER},
		{"who", ARGUMENT_WHO},
		{"timeout_ms", ARGUMENT_TIMEOUT},
	};
	const struct route *route = route_of(id);
	unsigned argument = 0;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (strcmp(rows[i].key, key) == 0)
			argument = rows[i].argument;
	if (!route || !value || !(route->arguments & argument) || (query->given & argument))
		return false;
	query->given |= argument;
	switch ((enum argument)argument) {
	case ARGUMENT_LIMIT:
		return parse_u32(value, 1, UINT32_MAX, &query->limit);
	case ARGUMENT_AFTER:
		return parse_u32(value, 0, UINT32_MAX, &query->after);
	case ARGUMENT_WHO:
		return parse_who(value, query->who);
	case ARGUMENT_TIMEOUT:
		return parse_u32(value, 1, REQUEST_TIMEOUT_MS_MAX, &query->timeout_ms);
	}
	return false;
}

const char *request_incomplete(const struct request_query *query, enum request_id id)
{
	const struct route *route = route_of(id);
	if (route && (route->required & ~query->given))
		return "the query lacks 'who', expected a node's name or overlay address";
	return NULL;
}
