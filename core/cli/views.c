#include "core/cli/views.h"

#include "core/cli/table.h"

#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

void views_peers(const json_t *root)
{
	static const struct column columns[] = {
		{"NAME", "name", CELL_TEXT},
		{"ROLE", "role", CELL_TEXT},
		{"ADDRESSES", "addresses", CELL_LIST},
		{"PATH", "path", CELL_TEXT},
		{"ENDPOINT", "endpoint", CELL_TEXT},
		{"CIPHER", "cipher", CELL_TEXT},
		{"RTT", "rtt_ns", CELL_DURATION},
		{"HEARD", "last_received_ns", CELL_DURATION},
		{"SENT", "tx_bytes", CELL_BYTES},
		{"RECEIVED", "rx_bytes", CELL_BYTES},
		{"REMARK", "path_reason", CELL_TEXT},
	};
	table_print(stdout, columns, COUNT(columns), json_object_get(root, "peers"));
}

void views_routes(const json_t *root)
{
	static const struct column columns[] = {
		{"PREFIX", "prefix", CELL_TEXT},
		{"VIA", "next_hops", CELL_HOPS},
		{"PEER", "peer", CELL_TEXT},
		{"TYPE", "type", CELL_TEXT},
		{"SOURCE", "source", CELL_TEXT},
		{"TABLE", "table", CELL_TEXT},
		{"METRIC", "metric", CELL_TEXT},
		{"ACTIVE", "active", CELL_FLAG},
	};
	table_print(stdout, columns, COUNT(columns), json_object_get(root, "routes"));
}

void views_nhrp(const json_t *root)
{
	static const struct column columns[] = {
		{"KIND", "kind", CELL_TEXT},
		{"PREFIX", "prefix", CELL_TEXT},
		{"PEER", "peer", CELL_TEXT},
		{"NBMA", "nbma", CELL_TEXT},
		{"STATE", "state", CELL_TEXT},
		{"CODE", "code", CELL_TEXT},
		{"EXPIRES", "expires_ns", CELL_DURATION},
		{"AGE", "age_ns", CELL_DURATION},
	};
	table_print(stdout, columns, COUNT(columns), json_object_get(root, "nhrp"));
}

static size_t print_lines(FILE *f, const char *what, const json_t *lines)
{
	for (size_t i = 0; i < json_array_size(lines); i++) {
		const char *line = json_string_value(json_array_get(lines, i));
		fprintf(f, "%s%s\n", what, line ? line : "-");
	}
	return json_array_size(lines);
}

void views_reload(const json_t *root)
{
	size_t n = print_lines(stdout, "in effect: ", json_object_get(root, "applied"));
	n += print_lines(stdout, "needs a restart: ", json_object_get(root, "needs_restart"));
	print_lines(stderr, "warning: ", json_object_get(root, "warnings"));
	n += print_lines(stderr, "", json_object_get(root, "errors"));
	if (n == 0)
		puts("nothing has changed");
}
