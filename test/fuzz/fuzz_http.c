/*
 * The checks of an HTTP request. The input is lines: method, path, Host, Origin, Referer, Authorization,
 * then query arguments key=value; an empty line is a header that is not there. Over TCP, nothing that
 * changes anything may pass, nor anything with another Host.
 */
#include "core/daemon/request.h"
#include "test/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#define TOKEN "0123456789abcdef"
#define LINES 16

static void check_allowed(const struct request *r, struct request_verdict v)
{
	if (v.id == REQUEST_RELOAD || v.id == REQUEST_PING || v.id == REQUEST_REKEY ||
		v.id == REQUEST_NONE)
		abort();
	if (strcmp(r->host, "127.0.0.1:8747") != 0 && strcmp(r->host, "localhost:8747") != 0 &&
		strcmp(r->host, "[::1]:8747") != 0)
		abort();
	if (v.endpoints && (!r->authorization || strcmp(r->authorization + 7, TOKEN) != 0))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	char *lines[LINES] = {NULL};
	unsigned n = 0;
	for (char *at = text; at && n < LINES; n++) {
		lines[n] = at;
		at = strchr(at, '\n');
		if (at)
			*at++ = '\0';
	}

	struct request_policy policy = {.token = TOKEN};
	endpoint_parse("127.0.0.1:8747", 0, &policy.listen);
	struct request r = {.method = lines[0] ? lines[0] : "", .path = lines[1] ? lines[1] : ""};
	const char **headers[] = {&r.host, &r.origin, &r.referer, &r.authorization};
	for (unsigned i = 0; i < 4; i++)
		*headers[i] = lines[2 + i] && *lines[2 + i] ? lines[2 + i] : NULL;

	struct request_verdict v = request_check(&policy, &r);
	if (v.status == 200)
		check_allowed(&r, v);
	policy.unix_socket = true;
	v = request_check(&policy, &r);

	struct request_query query = {0};
	for (unsigned i = 6; i < n && v.status == 200; i++) {
		char *value = strchr(lines[i], '=');
		if (value)
			*value++ = '\0';
		request_argument(&query, v.id, lines[i], value);
	}
	if (memchr(query.who, '\0', sizeof query.who) == NULL || strchr(query.who, '"'))
		abort();
	request_incomplete(&query, v.id);
	free(text);
	return 0;
}
