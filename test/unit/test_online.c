/* The command is a program, not a library: what is tested of it is included. */
#include "core/cli/client.c"
#include "core/cli/table.c"

#include "core/cli/cli.h"
#include "core/cli/summary.h"
#include "core/cli/views.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

int cli_fail(const char *format, ...)
{
	(void)format;
	return CLI_FAILED;
}

static int parse(const char *text, struct client_answer *out)
{
	size_t len = strlen(text);
	char *data = malloc(len + 1);
	assert_non_null(data);
	memcpy(data, text, len + 1);
	return client_parse(data, len, out);
}

static void test_response(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int rc, status;
		const char *body;
	} rows[] = {
		{"HTTP/1.1 200 OK\r\n\r\n", 0, 200, ""},
		{"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", 0, 404, "no"},
		{"HTTP/1.0 200 OK\r\nA: b\r\n\r\n{\r\n\r\n}", 0, 200, "{\r\n\r\n}"},
		{"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
		 "3\r\nabc\r\n0A;x=y\r\n0123456789\r\n0\r\n\r\n",
			0, 200, "abc0123456789"},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding:chunked\r\n\r\n0\r\n\r\n", 0, 200, ""},
		{"HTTP/1.1 200 OK\r\nX-Transfer-Encoding: chunked\r\n\r\n0\r\n", 0, 200, "0\r\n"},
		{"", ERR_MALFORMED, 0, NULL},
		{"HTTP/1.1 200 OK\r\n", ERR_MALFORMED, 0, NULL},
		{"SSH-2.0-x\r\n\r\n", ERR_MALFORMED, 0, NULL},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", ERR_MALFORMED, 0, NULL},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", ERR_MALFORMED, 0,
			NULL},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", ERR_MALFORMED,
			0, NULL},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc\r\n",
			ERR_MALFORMED, 0, NULL},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct client_answer answer;
		assert_int_equal(parse(rows[i].text, &answer), rows[i].rc);
		if (rows[i].rc == 0) {
			assert_int_equal(answer.status, rows[i].status);
			assert_string_equal(answer.body, rows[i].body);
			assert_int_equal(answer.len, strlen(rows[i].body));
		}
		client_answer_fini(&answer);
	}
}

static void test_cells(void **state)
{
	(void)state;
	static const struct {
		enum cell kind;
		const char *json, *text;
	} rows[] = {
		{CELL_TEXT, "\"a\"", "a"},
		{CELL_TEXT, "\"\"", "-"},
		{CELL_TEXT, "null", "-"},
		{CELL_TEXT, "-7", "-7"},
		{CELL_LIST, "[]", "-"},
		{CELL_LIST, "[\"a\",\"b\"]", "a,b"},
		{CELL_HOPS, "[]", "-"},
		{CELL_HOPS, "[{\"gateway\":null,\"weight\":1}]", "-"},
		{CELL_HOPS, "[{\"gateway\":\"a\",\"weight\":3},{\"gateway\":\"b\",\"weight\":1}]",
			"a*3,b"},
		{CELL_FLAG, "true", "yes"},
		{CELL_FLAG, "null", "no"},
		{CELL_BYTES, "1023", "1023"},
		{CELL_BYTES, "1536", "1.5K"},
		{CELL_BYTES, "9223372036854775807", "8.0E"},
		{CELL_DURATION, "null", "-"},
		{CELL_DURATION, "999", "0us"},
		{CELL_DURATION, "1500000", "1.50ms"},
		{CELL_DURATION, "59900000000", "59.9s"},
		{CELL_DURATION, "60000000000", "1m00s"},
		{CELL_DURATION, "3660000000000", "1h01m"},
		{CELL_DURATION, "90000000000000", "1d01h"},
		{CELL_DATE, "0", "1970-01-01 00:00 UTC"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char text[CELL_MAX];
		json_t *value = json_loads(rows[i].json, JSON_DECODE_ANY, NULL);
		assert_non_null(value);
		assert_string_equal(table_cell(rows[i].kind, value, text), rows[i].text);
		json_decref(value);
	}
	char text[CELL_MAX], longer[1000];
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	json_t *list = json_pack("[s,s]", longer, longer);
	assert_int_equal(strlen(table_cell(CELL_LIST, list, text)), CELL_MAX - 1);
	json_decref(list);
}

static void test_table(void **state)
{
	(void)state;
	static const struct column columns[] = {
		{"NAME", "name", CELL_TEXT}, {"UP", "up", CELL_FLAG}};
	json_t *rows = json_pack("[{s:s,s:b},{s:s}]", "name", "spoke-1", "up", 1, "name", "b");
	char *out = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);
	assert_non_null(f);
	table_print(f, columns, 2, rows);
	fclose(f);
	assert_string_equal(out, "NAME     UP\nspoke-1  yes\nb        no\n");
	free(out);
	json_decref(rows);
}

/* Whatever a daemon of another version sends is shown, or a dash for it. */
static void test_odd_answers(void **state)
{
	(void)state;
	static const struct {
		void (*print)(const json_t *root);
		const char *answer, *shown;
	} rows[] = {
		{summary_print, "{\"uptime_s\": 9223372036854775807, \"warnings\": [1]}",
			"warning: -\n"},
		{views_peers, "{\"peers\": [1, {\"name\": 2, \"addresses\": [null]}]}", "2     -"},
		{views_reload, "{\"applied\": [{}]}", "in effect: -\n"},
		{views_reload, "[]", "nothing has changed\n"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		json_t *root = json_loads(rows[i].answer, 0, NULL);
		char *out = NULL;
		size_t len = 0;
		FILE *f = open_memstream(&out, &len), *before = stdout;
		assert_non_null(f);
		stdout = f;
		rows[i].print(root);
		stdout = before;
		fclose(f);
		assert_non_null(strstr(out, rows[i].shown));
		free(out);
		json_decref(root);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_response),
		cmocka_unit_test(test_cells),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_odd_answers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
