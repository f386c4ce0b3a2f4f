#include "core/daemon/verbs.h"

#include "core/base/err.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static void finish(struct node *n, struct job *job, int status)
{
	job->status = status;
	jobs_finish(&n->jobs, job);
}

static void add(struct job *job, const char *text)
{
	status_text_add(&job->text, text, strlen(text));
}

/* Takes the object. */
static void add_json(struct job *job, json_t *object)
{
	char *text = object ? json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	if (text)
		add(job, text);
	else
		job->text.failed = true;
	add(job, "\n");
	free(text);
	json_decref(object);
}

/* ---- Views ------------------------------------------------------------------------------------ */

static void context_of(const struct node *n, const struct job *job, struct status_context *out)
{
	static const char *const down[] = {"the interface has been set down", NULL};
	static const char *const mtu[] = {"the interface's MTU is not the config's", NULL};
	const struct kernel_link *link = &n->interface.link;
	*out = (struct status_context){
		.version = WARREN_VERSION,
		.os = n->os_text,
		.privileges = os_privileges(),
		.tun = link->name,
		.port = udp_port(n->udp),
		.mtu = (uint16_t)n->config.tun.mtu,
		.workers = n->n_lanes,
		.tun_offloads = {n->config.tun.offloads, tun_offloads(n->tun)},
		.udp_offloads = {n->config.udp.offloads, udp_offloads(n->udp)},
		.now = os_now_ns(),
		.wall_s = engine_time_s(n->engine, os_now_ns()),
		.clock_suspect = engine_clock_suspect(n->engine, os_now_ns()),
		.endpoints = job->endpoints,
		.warnings = !link->up                    ? down
			: link->mtu != n->config.tun.mtu ? mtu
							 : NULL,
	};
}

static void run_healthz(struct node *n, struct job *job)
{
	/* That the control loop got here is the news. */
	add(job, "{\"ok\":true}\n");
	finish(n, job, 200);
}

static void run_readyz(struct node *n, struct job *job)
{
	bool ready;
	status_ready_json(n->engine, &job->text, &ready);
	finish(n, job, ready ? 200 : 503);
}

/* What the system has dropped before it came to us. */
static void count_losses(struct node *n)
{
	struct udp_losses losses = udp_take_losses(n->udp);
	engine_count_drops(n->engine, DROP_RECEIVE_FULL, losses.full);
	engine_count_drops(n->engine, DROP_BAD_OUTER, losses.foreign);
}

static void run_status(struct node *n, struct job *job)
{
	struct status_context context;
	count_losses(n);
	context_of(n, job, &context);
	status_node_json(n->engine, &context, &job->text);
	finish(n, job, 200);
}

static void run_list(struct node *n, struct job *job)
{
	struct status_context context;
	context_of(n, job, &context);
	status_page(n->engine, &context, &job->walk, &job->text);
	finish(n, job, 200);
}

/* ---- Verbs ------------------------------------------------------------------------------------ */

static void run_ping(struct node *n, struct job *job)
{
	uint32_t token = ++n->ping_token;
	int rc = engine_ping(
		n->engine, job->query.who, token, job->query.timeout_ms * NS_PER_MS, os_now_ns());
	if (rc == 0)
		jobs_park(&n->jobs, job, token);
	control_settle(n);
	if (rc == 0)
		return;
	char text[128];
	snprintf(text, sizeof text, "{\"error\":\"%s%s\"}\n",
		rc == ERR_NOT_FOUND ? "no such peer is known here: " : "cannot ping: ",
		rc == ERR_NOT_FOUND ? job->query.who : err_name(rc));
	add(job, text);
	finish(n, job, rc == ERR_NOT_FOUND ? 404 : 503);
}

static void run_rekey(struct node *n, struct job *job)
{
	int rc = engine_rekey(n->engine, job->query.who, os_now_ns());
	control_settle(n);
	if (rc == 0) {
		add(job, "{\"ok\":true}\n");
		finish(n, job, 200);
		return;
	}
	char text[192];
	snprintf(text, sizeof text, "{\"error\":\"%s%s\"}\n",
		rc == ERR_NOT_FOUND ? "there is no session with a peer of that name here: "
				    : "a handshake is in progress, or too many were asked for: ",
		job->query.who);
	add(job, text);
	finish(n, job, rc == ERR_NOT_FOUND ? 404 : 503);
}

static json_t *lines_json(const struct config_errors *lines)
{
	json_t *array = json_array();
	for (const char *at = lines->text; *at;) {
		size_t len = strcspn(at, "\n");
		json_array_append_new(array, json_stringn(at, len));
		at += len + (at[len] == '\n');
	}
	return array;
}

static void run_reload(struct node *n, struct job *job)
{
	struct reload *r = calloc(1, sizeof *r);
	int rc = r ? reload_run(n, r) : ERR_NO_SPACE;
	json_t *o = json_object();
	json_object_set_new(o, "ok", json_boolean(rc == 0));
	if (r) {
		json_object_set_new(o, "errors", lines_json(&r->errors));
		json_object_set_new(o, "warnings", lines_json(&r->warnings));
		json_object_set_new(o, "applied", lines_json(&r->applied));
		json_object_set_new(o, "needs_restart", lines_json(&r->restart));
	}
	free(r);
	add_json(job, o);
	env_log(&n->env, rc == 0 ? LOG_INFO : LOG_WARN,
		rc == 0 ? "reloaded" : "not reloaded: the running config is kept");
	finish(n, job, rc == 0 ? 200 : 422);
}

static void log_lines(
	struct node *n, enum log_level level, const char *what, const struct config_errors *lines)
{
	for (const char *at = lines->text; *at;) {
		size_t len = strcspn(at, "\n");
		env_log(&n->env, level, "reload: %s%.*s", what, (int)len, at);
		at += len + (at[len] == '\n');
	}
}

void verbs_hangup(struct node *n)
{
	struct reload *r = calloc(1, sizeof *r);
	if (!r || n->stopping) {
		free(r);
		return;
	}
	int rc = reload_run(n, r);
	log_lines(n, LOG_ERROR, "", &r->errors);
	log_lines(n, LOG_WARN, "", &r->warnings);
	log_lines(n, LOG_INFO, "in effect: ", &r->applied);
	log_lines(n, LOG_WARN, "needs a restart: ", &r->restart);
	env_log(&n->env, rc == 0 ? LOG_INFO : LOG_WARN,
		rc == 0 ? "reloaded" : "not reloaded: the running config is kept");
	free(r);
}

void verbs_run(struct node *n, struct job *job)
{
	switch (job->id) {
	case REQUEST_HEALTHZ:
		run_healthz(n, job);
		return;
	case REQUEST_READYZ:
		run_readyz(n, job);
		return;
	case REQUEST_STATUS:
		run_status(n, job);
		return;
	case REQUEST_PEERS:
	case REQUEST_ROUTES:
	case REQUEST_NHRP:
		run_list(n, job);
		return;
	case REQUEST_RELOAD:
		run_reload(n, job);
		return;
	case REQUEST_PING:
		run_ping(n, job);
		return;
	case REQUEST_REKEY:
		run_rekey(n, job);
		return;
	case REQUEST_NONE:
		break;
	}
	add(job, "{\"error\":\"unknown request\"}\n");
	finish(n, job, 500);
}
