/*
 * What the `warren` command makes of the daemon's answers. Byte 0 says which verb asked; the rest is the
 * JSON, or (bit 3) a whole HTTP response with it.
 */
#include "core/cli/cli.h"
#include "core/cli/client.h"
#include "core/cli/summary.h"
#include "core/cli/views.h"
#include "test/fuzz/fuzz.h"

#include <string.h>

/* The command's own is in its main file. */
int cli_fail(const char *format, ...)
{
	(void)format;
	return CLI_FAILED;
}

static void show(uint8_t verb, const char *text, size_t len)
{
	static void (*const views[])(const json_t *) = {
		summary_print, views_peers, views_routes, views_nhrp, views_reload};
	json_error_t error;
	json_t *root = json_loadb(text, len, 0, &error);
	if (root)
		views[verb % (sizeof views / sizeof *views)](root);
	json_decref(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *nowhere;
	if (!nowhere) {
		nowhere = freopen("/dev/null", "w", stdout);
		must(nowhere != NULL);
	}
	if (size == 0)
		return 0;
	if (!(data[0] & 8)) {
		show(data[0] & 7, (const char *)data + 1, size - 1);
		return 0;
	}
	char *copy = malloc(size);
	struct client_answer answer = {0};
	must(copy != NULL);
	memcpy(copy, data + 1, size - 1);
	if (client_parse(copy, size - 1, &answer) == 0) {
		must(answer.len < size && answer.body[answer.len] == '\0');
		show(data[0] & 7, answer.body, answer.len);
	}
	client_answer_fini(&answer);
	return 0;
}
