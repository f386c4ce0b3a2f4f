#include "core/cli/online.h"

#include "core/base/err.h"
#include "core/cli/args.h"
#include "core/cli/cli.h"
#include "core/cli/client.h"
#include "core/cli/summary.h"
#include "core/cli/table.h"
#include "core/cli/views.h"
#include "core/cli/when.h"
#include "core/config/identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SOCKET_DEFAULT  "/run/warren/warren.sock"
#define PING_COUNT      4
#define PING_COUNT_MAX  1000000
#define PING_TIMEOUT_MS 2000
#define PING_INTERVAL_S 1

/* What these verbs have in common on the command line. */
struct online {
	const char *socket;
	bool json;
	const char *argument; /* the positional one, or NULL */
	uint32_t count;
};

enum online_option {
	ONLINE_JSON,
	ONLINE_SOCKET,
	ONLINE_COUNT,
};

static const struct args_option no_count[] = {
	{"json", 0, false}, {"socket", 's', true}, {NULL, 0, false}};
static const struct args_option with_count[] = {
	{"json", 0, false}, {"socket", 's', true}, {"count", 'c', true}, {NULL, 0, false}};

/* CLI_OK, or CLI_USAGE after saying why. argument: what the positional one is, NULL = there is none. */
static int parse_args(int argc, char **argv, const struct args_option *options,
	const char *argument, struct online *out)
{
	struct args args = args_of(argc, argv, options);
	*out = (struct online){.socket = SOCKET_DEFAULT, .count = PING_COUNT};
	for (int found; (found = args_next(&args)) != ARGS_END;) {
		if (found == ARGS_BAD)
			return CLI_USAGE;
		if (found == ARGS_POSITIONAL && (!argument || out->argument))
			return cli_usage("'%s' is one argument too many", args.value);
		if (found == ARGS_POSITIONAL)
			out->argument = args.value;
		else if (found == ONLINE_JSON)
			out->json = true;
		else if (found == ONLINE_SOCKET)
			out->socket = args.value;
		else
			out->count = args_number(args.value, PING_COUNT_MAX);
	}
	if (out->count == 0)
		return cli_usage("--count wants a number from 1 to %d", PING_COUNT_MAX);
	return argument && !out->argument ? cli_usage("%s is missing", argument) : CLI_OK;
}

/* ---- Asking ----------------------------------------------------------------------------------- */

/* Asks and parses; the object is the caller's. NULL after telling the user why. */
static json_t *ask(const struct online *o, const char *method, const char *target,
	struct client_answer *answer)
{
	if (client_ask(o->socket, method, target, answer) != 0)
		return NULL;
	json_error_t error;
	json_t *root = json_loadb(answer->body, answer->len, 0, &error);
	if (!root)
		cli_fail("%s: the answer is cut off or no JSON: %s", o->socket, error.text);
	return root;
}

/* Is it an answer? Else tells what the daemon says. */
static bool is_fine(const struct client_answer *answer, const json_t *root)
{
	const char *error = json_string_value(json_object_get(root, "error"));
	if (answer->status == 200)
		return true;
	cli_fail("the daemon says: %s", error ? error : "no");
	return false;
}

static int print_raw(const struct client_answer *answer)
{
	fwrite(answer->body, 1, answer->len, stdout);
	return CLI_OK;
}

/* A verb that shows what is at one path. */
static int show(int argc, char **argv, const char *target, void (*print)(const json_t *root))
{
	struct online o;
	struct client_answer answer = {0};
	int status = parse_args(argc, argv, no_count, NULL, &o);
	if (status != CLI_OK)
		return status;
	json_t *root = ask(&o, "GET", target, &answer);
	if (!root || !is_fine(&answer, root))
		status = CLI_FAILED;
	else if (o.json)
		print_raw(&answer);
	else
		print(root);
	json_decref(root);
	client_answer_fini(&answer);
	return status;
}

/* ---- What there is to see --------------------------------------------------------------------- */

int online_status(int argc, char **argv)
{
	return show(argc, argv, "/api/v1/status", summary_print);
}

int online_peers(int argc, char **argv)
{
	return show(argc, argv, "/api/v1/peers", views_peers);
}

int online_routes(int argc, char **argv)
{
	return show(argc, argv, "/api/v1/routes", views_routes);
}

int online_nhrp(int argc, char **argv)
{
	return show(argc, argv, "/api/v1/nhrp", views_nhrp);
}

/* ---- Ping ------------------------------------------------------------------------------------- */

/* What may not stand in a query as it is, as %XX. */
static void escape(const char *text, char *out, size_t cap)
{
	size_t len = 0;
	for (; *text && len + 4 < cap; text++) {
		if (strchr("-._~:", *text) || (*text >= '0' && *text <= '9') ||
			(*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z'))
			out[len++] = *text;
		else
			len += (size_t)snprintf(out + len, 4, "%%%02X", (unsigned char)*text);
	}
	out[len] = '\0';
}

/* One ping: CLI_OK, with *answered; or it cannot be done. */
static int ping_once(const struct online *o, const char *target, bool *answered)
{
	struct client_answer answer = {0};
	json_t *root = ask(o, "POST", target, &answer);
	bool fine = root && is_fine(&answer, root);
	*answered = fine && json_is_true(json_object_get(root, "answered"));
	char rtt[CELL_MAX];
	if (fine && o->json)
		print_raw(&answer);
	else if (*answered)
		printf("answer from %s: %s, %s\n", o->argument,
			table_cell(CELL_DURATION, json_object_get(root, "rtt_ns"), rtt),
			json_is_true(json_object_get(root, "direct")) ? "direct" : "by the hub");
	else if (fine)
		printf("no answer from %s within %d s\n", o->argument, PING_TIMEOUT_MS / 1000);
	fflush(stdout);
	json_decref(root);
	client_answer_fini(&answer);
	return fine ? CLI_OK : CLI_FAILED;
}

int online_ping(int argc, char **argv)
{
	struct online o;
	int status =
		parse_args(argc, argv, with_count, "NAME, a node's name or overlay address,", &o);
	if (status != CLI_OK)
		return status;
	char who[256], target[384];
	escape(o.argument, who, sizeof who);
	snprintf(target, sizeof target, "/api/v1/ping?who=%s&timeout_ms=%d", who, PING_TIMEOUT_MS);

	uint32_t sent = 0, answered = 0;
	while (sent < o.count) {
		bool came;
		if (sent > 0)
			nanosleep(&(struct timespec){.tv_sec = PING_INTERVAL_S}, NULL);
		if (ping_once(&o, target, &came) != CLI_OK)
			return CLI_FAILED;
		sent++;
		answered += came;
	}
	if (!o.json)
		printf("%u sent, %u answered\n", sent, answered);
	return answered > 0 ? CLI_OK : CLI_FAILED;
}

/* ---- Rekey ------------------------------------------------------------------------------------ */

int online_rekey(int argc, char **argv)
{
	struct online o;
	struct client_answer answer = {0};
	int status =
		parse_args(argc, argv, no_count, "NAME, a node's name or overlay address,", &o);
	if (status != CLI_OK)
		return status;
	char who[256], target[384];
	escape(o.argument, who, sizeof who);
	snprintf(target, sizeof target, "/api/v1/rekey?who=%s", who);
	json_t *root = ask(&o, "POST", target, &answer);
	if (!root || !is_fine(&answer, root))
		status = CLI_FAILED;
	else if (o.json)
		print_raw(&answer);
	else
		printf("new keys with %s are being made\n", o.argument);
	json_decref(root);
	client_answer_fini(&answer);
	return status;
}

/* ---- Reload and check ------------------------------------------------------------------------- */

int online_reload(int argc, char **argv)
{
	struct online o;
	struct client_answer answer = {0};
	int status = parse_args(argc, argv, no_count, NULL, &o);
	if (status != CLI_OK)
		return status;
	json_t *root = ask(&o, "POST", "/api/v1/reload", &answer);
	bool understood = root && json_object_get(root, "ok");
	if (root && !understood)
		is_fine(&answer, root);
	else if (root && o.json)
		print_raw(&answer);
	else if (root)
		views_reload(root);
	status = understood && answer.status == 200 ? CLI_OK : CLI_FAILED;
	if (understood && status == CLI_FAILED)
		cli_fail("the running config is kept");
	json_decref(root);
	client_answer_fini(&answer);
	return status;
}

int online_check(int argc, char **argv)
{
	struct online o;
	int status = parse_args(argc, argv, no_count, "FILE, a config,", &o);
	if (status != CLI_OK)
		return status;
	struct config_errors errors = {0}, warnings = {0};
	int rc = identity_check(o.argument, when_now(), &errors, &warnings);
	if (o.json) {
		json_t *out = json_pack("{s:b, s:s, s:s}", "ok", rc == 0, "errors", errors.text,
			"warnings", warnings.text);
		json_dumpf(out, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(out);
	} else {
		fputs(warnings.text, stderr);
		fputs(errors.text, stderr);
		if (rc == 0)
			puts("OK");
	}
	return rc == 0 ? CLI_OK : CLI_FAILED;
}
