#include "core/daemon/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define TOKEN "0123456789abcdef"

static struct request_policy tcp(const char *listen, const char *token)
{
	struct request_policy p = {.token = token};
	assert_true(endpoint_parse(listen, 8747, &p.listen));
	return p;
}

static const struct request good = {
	.method = "GET", .path = "/api/v1/status", .host = "127.0.0.1:8747"};

static void test_host(void **state)
{
	(void)state;
	static const struct {
		const char *listen, *host;
		int status;
	} rows[] = {
		{"127.0.0.1:8747", "127.0.0.1:8747", 200},
		{"127.0.0.1:8747", "localhost:8747", 200},
		{"127.0.0.1:8747", "[::1]:8747", 200},
		{"[::1]:8747", "[::1]:8747", 200},
		{"127.0.0.2:8747", "127.0.0.2:8747", 200},
		{"127.0.0.1:80", "127.0.0.1", 200},
		{"127.0.0.1:80", "localhost:80", 200},
		{"127.0.0.1:8747", NULL, 403},
		{"127.0.0.1:8747", "", 403},
		{"127.0.0.1:8747", "127.0.0.1", 403},
		{"127.0.0.1:8747", "127.0.0.1:80", 403},
		{"127.0.0.1:8747", "127.0.0.1:87470", 403},
		{"127.0.0.1:8747", "127.0.0.1:8747.", 403},
		{"127.0.0.1:8747", "127.0.0.1:08747", 403},
		{"127.0.0.1:8747", "127.0.0.2:8747", 403},
		{"127.0.0.1:8747", "evil.example:8747", 403},
		{"127.0.0.1:8747", "localhost.evil.example:8747", 403},
		{"127.0.0.1:8747", " 127.0.0.1:8747", 403},
		{"127.0.0.1:8747", "0x7f.1:8747", 403},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct request_policy p = tcp(rows[i].listen, NULL);
		struct request r = good;
		r.host = rows[i].host;
		assert_int_equal(request_check(&p, &r).status, rows[i].status);
	}
	struct request_policy p = tcp("127.0.0.1:8747", NULL);
	struct request r = good;
	r.repeated = true;
	assert_int_equal(request_check(&p, &r).status, 403);
}

static void test_origin(void **state)
{
	(void)state;
	static const struct {
		const char *url;
		int origin, referer;
	} rows[] = {
		{"http://127.0.0.1:8747", 200, 200},
		{"http://127.0.0.1:8747/", 200, 200},
		{"http://127.0.0.1:8747/page?x#y", 200, 200},
		{"http://localhost:8747", 403, 403}, /* not the Host of this request */
		{"http://127.0.0.1:87470", 403, 403},
		{"http://127.0.0.1:8747.evil.example/", 403, 403},
		{"http://127.0.0.1:8747@evil.example/", 403, 403},
		{"https://127.0.0.1:8747", 403, 403},
		{"http://evil.example/http://127.0.0.1:8747", 403, 403},
		{"null", 403, 403},
		{"", 403, 403},
	};
	struct request_policy p = tcp("127.0.0.1:8747", NULL);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct request r = good;
		r.origin = rows[i].url;
		assert_int_equal(request_check(&p, &r).status, rows[i].origin);
		r = good;
		r.referer = rows[i].url;
		assert_int_equal(request_check(&p, &r).status, rows[i].referer);
	}
}

static void test_paths_and_methods(void **state)
{
	(void)state;
	static const struct {
		const char *method, *path;
		int on_tcp, on_unix;
		enum request_id id;
	} rows[] = {
		{"GET", "/healthz", 200, 200, REQUEST_HEALTHZ},
		{"HEAD", "/readyz", 200, 200, REQUEST_READYZ},
		{"GET", "/api/v1/status", 200, 200, REQUEST_STATUS},
		{"GET", "/api/v1/peers", 200, 200, REQUEST_PEERS},
		{"GET", "/api/v1/routes", 200, 200, REQUEST_ROUTES},
		{"GET", "/api/v1/nhrp", 200, 200, REQUEST_NHRP},
		{"POST", "/api/v1/reload", 405, 200, REQUEST_RELOAD},
		{"POST", "/api/v1/ping", 405, 200, REQUEST_PING},
		{"POST", "/api/v1/rekey", 405, 200, REQUEST_REKEY},
		{"GET", "/api/v1/rekey", 405, 405, REQUEST_NONE},
		{"GET", "/api/v1/reload", 405, 405, REQUEST_NONE},
		{"GET", "/api/v1/ping", 405, 405, REQUEST_NONE},
		{"POST", "/api/v1/status", 405, 405, REQUEST_NONE},
		{"OPTIONS", "/api/v1/status", 405, 405, REQUEST_NONE},
		{"get", "/api/v1/status", 405, 405, REQUEST_NONE},
		{"DELETE", "/", 405, 404, REQUEST_NONE},
		{"GET", "/", 404, 404, REQUEST_NONE},
		{"GET", "", 404, 404, REQUEST_NONE},
		{"GET", "/api/v1/status/", 404, 404, REQUEST_NONE},
		{"GET", "/../etc/passwd", 404, 404, REQUEST_NONE},
	};
	struct request_policy on_tcp = tcp("127.0.0.1:8747", NULL);
	struct request_policy on_unix = {.unix_socket = true};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct request r = good;
		r.method = rows[i].method;
		r.path = rows[i].path;
		struct request_verdict v = request_check(&on_tcp, &r);
		assert_int_equal(v.status, rows[i].on_tcp);
		assert_true(v.status != 405 || v.allow);
		assert_false(v.endpoints);
		r.host = NULL;
		v = request_check(&on_unix, &r);
		assert_int_equal(v.status, rows[i].on_unix);
		assert_int_equal(v.id, rows[i].id);
		assert_int_equal(v.endpoints, v.status == 200);
	}
}

static void test_token(void **state)
{
	(void)state;
	static const struct {
		const char *token, *authorization;
		int loopback, open; /* status on 127.0.0.1, and on an address that others reach */
		bool endpoints;
	} rows[] = {
		{TOKEN, NULL, 200, 401, false},
		{TOKEN, "Bearer " TOKEN, 200, 200, true},
		{TOKEN, "bearer " TOKEN, 200, 200, true},
		{TOKEN, "Bearer " TOKEN "x", 401, 401, false},
		{TOKEN, "Bearer 0123456789abcdeg", 401, 401, false},
		{TOKEN, "Bearer ", 401, 401, false},
		{TOKEN, "Basic " TOKEN, 401, 401, false},
		{TOKEN, TOKEN, 401, 401, false},
		{NULL, "Bearer ", 401, 401, false},
		{"", "Bearer ", 401, 401, false},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct request_policy p = tcp("127.0.0.1:8747", rows[i].token);
		struct request r = good;
		r.authorization = rows[i].authorization;
		struct request_verdict v = request_check(&p, &r);
		assert_int_equal(v.status, rows[i].loopback);
		assert_int_equal(v.endpoints, rows[i].endpoints);
		p = tcp("192.0.2.1:8747", rows[i].token);
		r.host = "192.0.2.1:8747";
		assert_int_equal(request_check(&p, &r).status, rows[i].open);
	}
	/* probes need none, so that a load balancer can ask */
	struct request_policy p = tcp("192.0.2.1:8747", TOKEN);
	struct request r = good;
	r.path = "/readyz";
	assert_int_equal(request_check(&p, &r).status, 200);
}

static void test_query(void **state)
{
	(void)state;
	static const struct {
		enum request_id id;
		const char *key, *value;
		bool good;
	} rows[] = {
		{REQUEST_PEERS, "limit", "1", true},
		{REQUEST_PEERS, "limit", "4294967295", true},
		{REQUEST_PEERS, "limit", "4294967296", false},
		{REQUEST_PEERS, "limit", "99999999999999999999", false},
		{REQUEST_PEERS, "limit", "0", false},
		{REQUEST_PEERS, "limit", "-1", false},
		{REQUEST_PEERS, "limit", "1 ", false},
		{REQUEST_PEERS, "limit", "", false},
		{REQUEST_PEERS, "limit", NULL, false},
		{REQUEST_PEERS, "Limit", "1", false},
		{REQUEST_NHRP, "after", "0", true},
		{REQUEST_STATUS, "limit", "1", false},
		{REQUEST_PEERS, "who", "x", false},
		{REQUEST_PING, "who", "spoke-1.example", true},
		{REQUEST_PING, "who", "2001:DB8::1", true},
		{REQUEST_PING, "who", "", false},
		{REQUEST_PING, "who", "a b", false},
		{REQUEST_PING, "who", "a\"b", false},
		{REQUEST_PING, "who",
			"0123456789012345678901234567890123456789012345678901234567890123", false},
		{REQUEST_REKEY, "who", "spoke-1.example", true},
		{REQUEST_REKEY, "timeout_ms", "10", false},
		{REQUEST_PING, "timeout_ms", "10000", true},
		{REQUEST_PING, "timeout_ms", "10001", false},
		{REQUEST_PING, "timeout_ms", "0", false},
		{REQUEST_NONE, "limit", "1", false},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct request_query q = {0};
		assert_int_equal(
			request_argument(&q, rows[i].id, rows[i].key, rows[i].value), rows[i].good);
	}
	struct request_query q = {0};
	assert_true(request_argument(&q, REQUEST_PEERS, "limit", "7"));
	assert_false(request_argument(&q, REQUEST_PEERS, "limit", "7"));
	assert_true(request_argument(&q, REQUEST_PEERS, "after", "9"));
	assert_int_equal(q.limit, 7);
	assert_int_equal(q.after, 9);
	assert_null(request_incomplete(&q, REQUEST_PEERS));
	assert_non_null(request_incomplete(&q, REQUEST_PING));
	assert_true(request_argument(&q, REQUEST_PING, "who", "hub"));
	assert_null(request_incomplete(&q, REQUEST_PING));
	assert_string_equal(q.who, "hub");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_origin),
		cmocka_unit_test(test_paths_and_methods),
		cmocka_unit_test(test_token),
		cmocka_unit_test(test_query),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
