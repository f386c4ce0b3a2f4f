#include "core/daemon/http.h"

#include "core/base/err.h"
#include "core/daemon/clients.h"

#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define MEMORY_BYTES   16384 /* of a connection: request head and arguments */
#define TIMEOUT_S      2     /* without progress */
#define STACK_BYTES    (256 * 1024)
#define BLOCK_BYTES    8192 /* of a list, sent at once */
#define JOB_TIMEOUT_NS (3 * NS_PER_S)

struct http {
	struct MHD_Daemon *daemon;
	struct request_policy policy;
	struct jobs *jobs;
	struct env env;
	struct clients clients;
};

/* ---- Responses -------------------------------------------------------------------------------- */

static const struct {
	const char *name, *value;
} headers[] = {
	{"Content-Type", "application/json"},
	{"Content-Security-Policy",
		"default-src 'none'; script-src 'self'; style-src 'self'; "
		"connect-src 'self'; img-src 'self'"},
	{"X-Content-Type-Options", "nosniff"},
	{"Cache-Control", "no-store"},
};

/* Takes the response. */
static enum MHD_Result respond(
	struct MHD_Connection *connection, int status, struct MHD_Response *response)
{
	if (!response)
		return MHD_NO;
	for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
		MHD_add_response_header(response, headers[i].name, headers[i].value);
	enum MHD_Result rc = MHD_queue_response(connection, (unsigned)status, response);
	MHD_destroy_response(response);
	return rc;
}

/* error is a text of ours: nothing in it needs escaping. */
static enum MHD_Result respond_error(
	struct MHD_Connection *connection, int status, const char *error, const char *allow)
{
	char text[256];
	int len = snprintf(text, sizeof text, "{\"error\":\"%s\"}\n", error);
	struct MHD_Response *response =
		MHD_create_response_from_buffer((size_t)len, text, MHD_RESPMEM_MUST_COPY);
	if (response && allow)
		MHD_add_response_header(response, "Allow", allow);
	if (response && status == 401)
		MHD_add_response_header(response, "WWW-Authenticate", "Bearer");
	return respond(connection, status, response);
}

static enum MHD_Result respond_unanswered(struct MHD_Connection *connection, int rc)
{
	return respond_error(connection, 503,
		rc == ERR_EXPIRED ? "the daemon is stopping" : "the daemon is too busy to answer",
		NULL);
}

/* ---- Lists: fetched page by page -------------------------------------------------------------- */

struct stream {
	struct http *http;
	struct job job;
	size_t sent; /* of job.text */
};

static void stream_free(void *cls)
{
	struct stream *s = cls;
	status_text_fini(&s->job.text);
	free(s);
}

static int stream_next_page(struct stream *s)
{
	status_text_fini(&s->job.text);
	s->sent = 0;
	int rc = jobs_ask(s->http->jobs, &s->job, JOB_TIMEOUT_NS);
	return rc == 0 && s->job.text.failed ? ERR_NO_SPACE : rc;
}

static ssize_t stream_read(void *cls, uint64_t pos, char *buf, size_t max)
{
	(void)pos; /* MHD reads straight on */
	struct stream *s = cls;
	while (s->sent == s->job.text.len) {
		if (s->job.walk.done)
			return MHD_CONTENT_READER_END_OF_STREAM;
		if (stream_next_page(s) != 0)
			return MHD_CONTENT_READER_END_WITH_ERROR;
	}
	size_t len = s->job.text.len - s->sent;
	if (len > max)
		len = max;
	memcpy(buf, s->job.text.text + s->sent, len);
	s->sent += len;
	return (ssize_t)len;
}

static enum MHD_Result answer_list(struct http *http, struct MHD_Connection *connection,
	const struct job *question, enum status_list list)
{
	struct stream *s = calloc(1, sizeof *s);
	if (!s)
		return MHD_NO;
	s->http = http;
	s->job = *question;
	s->job.walk = status_walk_begin(list, question->query.after, question->query.limit);
	int rc = stream_next_page(s);
	if (rc != 0) {
		stream_free(s);
		return respond_unanswered(connection, rc);
	}
	struct MHD_Response *response = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, BLOCK_BYTES, stream_read, s, stream_free);
	if (!response)
		stream_free(s);
	return respond(connection, 200, response);
}

/* ---- Everything else -------------------------------------------------------------------------- */

static enum MHD_Result answer_one(
	struct http *http, struct MHD_Connection *connection, const struct job *question)
{
	struct job job = *question;
	uint64_t timeout = JOB_TIMEOUT_NS;
	if (job.id == REQUEST_PING)
		timeout += job.query.timeout_ms * NS_PER_MS;
	int rc = jobs_ask(http->jobs, &job, timeout);
	if (rc == 0 && job.text.failed)
		rc = ERR_NO_SPACE;
	if (rc != 0) {
		status_text_fini(&job.text);
		return respond_unanswered(connection, rc);
	}
	struct MHD_Response *response =
		MHD_create_response_from_buffer(job.text.len, job.text.text, MHD_RESPMEM_MUST_FREE);
	if (!response)
		status_text_fini(&job.text);
	return respond(connection, job.status, response);
}

static enum MHD_Result answer(
	struct http *http, struct MHD_Connection *connection, const struct job *question)
{
	switch (question->id) {
	case REQUEST_PEERS:
		return answer_list(http, connection, question, STATUS_PEERS);
	case REQUEST_ROUTES:
		return answer_list(http, connection, question, STATUS_ROUTES);
	case REQUEST_NHRP:
		return answer_list(http, connection, question, STATUS_NHRP);
	case REQUEST_NONE:
	case REQUEST_HEALTHZ:
	case REQUEST_READYZ:
	case REQUEST_STATUS:
	case REQUEST_RELOAD:
	case REQUEST_PING:
	case REQUEST_REKEY:
		break;
	}
	return answer_one(http, connection, question);
}

/* ---- Requests --------------------------------------------------------------------------------- */

static enum MHD_Result take_header(
	void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
	(void)kind;
	struct request *r = cls;
	const struct {
		const char *name;
		const char **place;
	} rows[] = {
		{"Host", &r->host},
		{"Origin", &r->origin},
		{"Referer", &r->referer},
		{"Authorization", &r->authorization},
		{"Sec-Fetch-Site", &r->fetch_site},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (strcasecmp(rows[i].name, key) != 0)
			continue;
		if (*rows[i].place)
			r->repeated = true;
		*rows[i].place = value ? value : "";
	}
	return MHD_YES;
}

struct arguments {
	struct job *job;
	bool bad;
};

static enum MHD_Result take_argument(void *cls, enum MHD_ValueKind kind, const char *key,
	size_t key_len, const char *value, size_t value_len)
{
	(void)kind;
	struct arguments *a = cls;
	/* An escaped NUL would hide what follows it. */
	bool nul = strlen(key) != key_len || (value && strlen(value) != value_len);
	if (nul || !request_argument(&a->job->query, a->job->id, key, value))
		a->bad = true;
	return MHD_YES;
}

static enum MHD_Result handle(
	struct http *http, struct MHD_Connection *connection, const char *url, const char *method)
{
	struct request request = {.method = method, .path = url};
	MHD_get_connection_values(connection, MHD_HEADER_KIND, take_header, &request);
	struct request_verdict v = request_check(&http->policy, &request);
	if (v.status != 200)
		return respond_error(connection, v.status, v.error, v.allow);

	struct job job = {
		.id = v.id, .endpoints = v.endpoints, .query = {.timeout_ms = REQUEST_TIMEOUT_MS}};
	struct arguments arguments = {.job = &job};
	MHD_get_connection_values_n(connection, MHD_GET_ARGUMENT_KIND, take_argument, &arguments);
	if (arguments.bad)
		return respond_error(connection, 400,
			"the query has an argument that is unknown, "
			"repeated or out of range",
			NULL);
	const char *missing = request_incomplete(&job.query, job.id);
	if (missing)
		return respond_error(connection, 400, missing, NULL);
	return answer(http, connection, &job);
}

/*
 * A body has nothing to do here: it would be a way to hold a connection, or to hide a second request. Nor
 * has a header whose name is none ("Content-Length :"), which others might read in another way.
 */
static enum MHD_Result look_at_header(
	void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
	static const char token[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "!#$%&'*+-.^_`|~";
	const char **wrong = cls;
	(void)kind;
	if (strspn(key, token) != strlen(key))
		*wrong = "a header has no proper name";
	if (strcasecmp(key, "Transfer-Encoding") == 0 ||
		(strcasecmp(key, "Content-Length") == 0 && (!value || strcmp(value, "0") != 0)))
		*wrong = "no request here has a body";
	return MHD_YES;
}

static struct client *client_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	return info ? info->socket_context : NULL;
}

/*
 * MHD calls this once with the head, and once more when the request is complete, which is when it is
 * answered. A refusal at the first call ends the connection.
 */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_len,
	void **seen)
{
	(void)version, (void)upload, (void)upload_len;
	static const char mark;
	struct http *http = cls;
	if (!*seen) {
		*seen = (void *)(uintptr_t)&mark;
		const char *wrong = NULL;
		MHD_get_connection_values(connection, MHD_HEADER_KIND, look_at_header, &wrong);
		return wrong ? respond_error(connection, 400, wrong, NULL) : MHD_YES;
	}
	struct client *client = client_of(connection);
	clients_work(&http->clients, client, true);
	enum MHD_Result rc = handle(http, connection, url, method);
	clients_work(&http->clients, client, false);
	return rc;
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
	enum MHD_ConnectionNotificationCode code)
{
	struct http *http = cls;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		*context = info ? clients_add(&http->clients, info->connect_fd) : NULL;
	else
		clients_remove(&http->clients, *context);
}

/* ---- Start and stop --------------------------------------------------------------------------- */

static void on_log(void *cls, const char *format, va_list args)
{
	struct http *http = cls;
	char line[256];
	vsnprintf(line, sizeof line, format, args);
	line[strcspn(line, "\r\n")] = '\0';
	env_log(&http->env, LOG_DEBUG, "http: %s", line);
}

int http_start(struct http **out, int fd, unsigned connections, const struct request_policy *policy,
	struct jobs *jobs, const struct env *env)
{
	*out = NULL;
	struct http *http = calloc(1, sizeof *http);
	if (!http) {
		close(fd);
		return ERR_NO_SPACE;
	}
	*http = (struct http){.policy = *policy, .jobs = jobs, .env = *env};
	if (clients_init(&http->clients, connections) != 0) {
		close(fd);
		free(http);
		return ERR_SYSTEM;
	}
	unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
		MHD_USE_POLL | MHD_USE_ITC | MHD_USE_ERROR_LOG;
	http->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, http,
		MHD_OPTION_EXTERNAL_LOGGER, on_log, http, MHD_OPTION_LISTEN_SOCKET, (MHD_socket)fd,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_CONNECTION_LIMIT,
		connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_BYTES,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S, MHD_OPTION_THREAD_STACK_SIZE,
		(size_t)STACK_BYTES, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
	if (!http->daemon) {
		env_log(env, LOG_ERROR, "cannot start the HTTP server");
		close(fd);
		clients_fini(&http->clients);
		free(http);
		return ERR_SYSTEM;
	}
	*out = http;
	return 0;
}

void http_stop(struct http *http)
{
	if (!http)
		return;
	MHD_stop_daemon(http->daemon); /* closes the socket */
	clients_fini(&http->clients);
	free(http);
}
