/*
 * The HTTP server itself, over real sockets, with a control loop that answers anything: web pages that
 * want in by the browser (DNS rebinding, CSRF, smuggling), and clients that mean no good.
 */
#include "core/daemon/clients.h"
#include "core/daemon/http.h"
#include "core/daemon/listen.h"
#include "test/unit/jobs_fixture.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define PAGE (256 * 1024) /* of a list, each time that the loop is asked: it never ends */

static struct http *on_tcp, *on_unix;
static uint16_t port;
static char path[64];
static _Atomic unsigned asked; /* of the control loop */

/* ---- The daemon's side ------------------------------------------------------------------------- */

static void quiet(void *ctx, enum log_level level, const char *line)
{
	(void)ctx, (void)level, (void)line;
}

static const struct env env = {.log = quiet};

static void on_wake(uv_async_t *async)
{
	static char page[PAGE];
	struct job *job;
	(void)async;
	memset(page, ' ', sizeof page);
	while ((job = jobs_next(&jobs))) {
		asked++;
		bool list = job->id == REQUEST_PEERS;
		status_text_add(
			&job->text, list ? page : "{\"secret\":1}\n", list ? sizeof page : 13);
		job->walk.done = !list;
		job->status = 200;
		jobs_finish(&jobs, job);
	}
}

static int set_up(void **state)
{
	(void)state;
	struct request_policy tcp = {.token = ""}, local = {.unix_socket = true};
	struct sockaddr_in in;
	socklen_t len = sizeof in;
	signal(SIGPIPE, SIG_IGN);
	struct rlimit files;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max < 8192 ? files.rlim_max : 8192;
	setrlimit(RLIMIT_NOFILE, &files);
	jobs_fixture_start(on_wake);
	assert_true(endpoint_parse("127.0.0.1:0", 0, &tcp.listen));
	int fd = listen_tcp(&tcp.listen, &env);
	assert_true(fd >= 0);
	getsockname(fd, (struct sockaddr *)&in, &len);
	port = tcp.listen.port = ntohs(in.sin_port);
	assert_int_equal(http_start(&on_tcp, fd, CLIENTS_MAX, &tcp, &jobs, &env), 0);
	snprintf(path, sizeof path, "/tmp/warren-http-%d", (int)getpid());
	fd = listen_unix(path, "", &env);
	assert_true(fd >= 0);
	assert_int_equal(http_start(&on_unix, fd, CLIENTS_MAX, &local, &jobs, &env), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	jobs_close(&jobs);
	http_stop(on_tcp);
	http_stop(on_unix);
	jobs_fixture_stop();
	unlink(path);
	return 0;
}

/* ---- Clients ----------------------------------------------------------------------------------- */

static int dial(bool local)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	strcpy(un.sun_path, path);
	int fd = socket(local ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	int rc = local ? connect(fd, (struct sockaddr *)&un, sizeof un)
		       : connect(fd, (struct sockaddr *)&in, sizeof in);
	if (rc == 0)
		return fd;
	close(fd);
	return -1;
}

static double now_s(void)
{
	return (double)uv_hrtime() / 1e9;
}

/* All that comes until the end, or for so long. */
static size_t read_all(int fd, char *out, size_t cap, double limit)
{
	size_t len = 0;
	double end = now_s() + limit;
	while (len + 1 < cap && now_s() < end) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		if (poll(&p, 1, (int)((end - now_s()) * 1000) + 1) <= 0)
			break;
		ssize_t n = read(fd, out + len, cap - 1 - len);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	out[len] = '\0';
	return len;
}

/* A request as its bytes are; "%" stands for the port. What came back. */
static const char *say(bool local, const char *text)
{
	static char request[70000], answer[16384];
	size_t len = 0;
	char digits[8];
	snprintf(digits, sizeof digits, "%u", port);
	for (; *text && len + 8 < sizeof request; text++)
		if (*text == '%')
			len += (size_t)sprintf(request + len, "%s", digits);
		else
			request[len++] = *text;
	int fd = dial(local);
	assert_true(fd >= 0);
	assert_int_equal(send(fd, request, len, MSG_NOSIGNAL), len);
	shutdown(fd, SHUT_WR);
	read_all(fd, answer, sizeof answer, 5);
	close(fd);
	return answer;
}

static bool served(bool local)
{
	const char *answer = say(local,
		"GET /api/v1/status HTTP/1.1\r\nHost: 127.0.0.1:%\r\n"
		"Connection: close\r\n\r\n");
	return strncmp(answer, "HTTP/1.1 200 ", 13) == 0 && strstr(answer, "secret");
}

#define SERVED_S 6 /* 2 on a machine that has nothing else to do: test/lab/lab_http.py */

/* An honest client may have to come again, but is served in time. */
static void served_in_time(bool local)
{
	double began = now_s();
	while (!served(local)) {
		if (now_s() - began > SERVED_S)
			fail_msg("not served within %d s", SERVED_S);
		usleep(20000);
	}
	assert_true(now_s() - began < SERVED_S);
}

static unsigned count_fds(void)
{
	unsigned n = 0;
	DIR *dir = opendir("/proc/self/fd");
	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* ---- R22: web pages and what they can make a browser send --------------------------------------- */

#define GET       "GET /api/v1/status HTTP/1.1\r\n"
#define GOOD      "Host: 127.0.0.1:%\r\n"
#define END       "Connection: close\r\n\r\n"
#define HOST(h)   GET "Host:" h "\r\n" END
#define WITH(h)   GET GOOD h "\r\n" END
#define METHOD(m) m " /api/v1/status HTTP/1.1\r\n" GOOD END

static const char *const refused[] = {
	/* DNS rebinding: the name is the attacker's, the address ours */
	HOST(" evil.example"), HOST(" evil.example:%"), HOST(" evil.example:80"), HOST(""),
	HOST(" "), HOST(" 127.0.0.1"), HOST(" localhost"), HOST(" [::1]"), HOST(" 127.0.0.1:80"),
	HOST(" 127.0.0.1:"), HOST(" 127.0.0.1:0%"), HOST(" 127.0.0.1:%0"), HOST(" 127.0.0.1.:%"),
	HOST(" localhost.:%"), HOST(" LOCALHOST.evil.example:%"), HOST(" localhost.evil.example:%"),
	HOST(" 127.0.0.1.evil.example:%"), HOST(" 127.0.0.1:%.evil.example"), HOST(" 127.0.0.2:%"),
	HOST(" 127.1:%"), HOST(" 0.0.0.0:%"), HOST(" 0x7f000001:%"), HOST(" 2130706433:%"),
	HOST(" 0177.0.0.1:%"), HOST(" ::1:%"), HOST(" [::ffff:127.0.0.1]:%"),
	HOST(" [0:0:0:0:0:0:0:1]:%"), HOST(" [::1%25lo]:%"), HOST(" user@127.0.0.1:%"),
	HOST(" 127.0.0.1:%@evil.example"), HOST(" 127.0.0.1:%/"), HOST(" 127.0.0.1:% evil.example"),
	HOST(" evil.example, 127.0.0.1:%"), HOST(" http://127.0.0.1:%"),
	HOST(" 127.0.0.1:%\t.evil.example"), GET END, /* no Host at all */
	GET GOOD "Host: evil.example\r\n" END, GET "Host: evil.example\r\n" GOOD END,
	GET GOOD GOOD END, /* twice the same */
	"GET /api/v1/status HTTP/1.0\r\n\r\n",
	"GET /api/v1/status HTTP/1.0\r\nHost: evil.example\r\n\r\n",
	"GET http://evil.example/api/v1/status HTTP/1.1\r\nHost: evil.example\r\n" END,
	"GET http://evil.example/api/v1/status HTTP/1.1\r\n" GOOD END,
	"GET http://127.0.0.1:%/api/v1/status HTTP/1.1\r\nHost: evil.example\r\n" END,
	"GET //evil.example/api/v1/status HTTP/1.1\r\n" GOOD END,
	GET "X-Forwarded-Host: 127.0.0.1:%\r\nHost: evil.example\r\n" END,
	GET "Host : 127.0.0.1:%\r\n" END, GET " Host: 127.0.0.1:%\r\n" END,
	/* CSRF: the right Host, somebody else's page */
	WITH("Origin: http://evil.example"), WITH("Origin: null"), WITH("Origin:"),
	WITH("Origin: https://127.0.0.1:%"), WITH("Origin: http://localhost:%"),
	WITH("Origin: http://127.0.0.1:1"), WITH("Origin: http://127.0.0.1:%.evil.example"),
	WITH("Origin: http://127.0.0.1:%@evil.example"), WITH("Origin: file://"),
	WITH("Origin: HTTP://127.0.0.1:%"), WITH("Referer: http://evil.example/"),
	WITH("Referer: http://evil.example/?http://127.0.0.1:%/"), WITH("Referer: about:blank"),
	WITH("Referer: http://127.0.0.1:%.evil.example/"),
	WITH("Origin: http://127.0.0.1:%\r\nOrigin: http://evil.example"),
	WITH("Origin: http://127.0.0.1:%\r\nReferer: http://evil.example/"),
	WITH("Sec-Fetch-Site: cross-site"), WITH("Sec-Fetch-Site: same-site"),
	WITH("Sec-Fetch-Site:"), WITH("Sec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site"),
	METHOD("POST"), METHOD("PUT"), METHOD("DELETE"), METHOD("OPTIONS"), METHOD("PATCH"),
	METHOD("TRACE"), METHOD("CONNECT"), METHOD("get"), METHOD("PROPFIND"),
	"POST /api/v1/reload HTTP/1.1\r\n" GOOD END,
	"POST /api/v1/ping?who=hub HTTP/1.1\r\n" GOOD END,
	"GET /api/v1/reload HTTP/1.1\r\n" GOOD END,
	"GET /api/v1/ping?who=hub HTTP/1.1\r\n" GOOD END, "OPTIONS * HTTP/1.1\r\n" GOOD END,
	"POST /api/v1/reload HTTP/1.1\r\n" GOOD
	"Content-Type: text/plain\r\nContent-Length: 3\r\n\r\na=b",
	"POST /api/v1/reload HTTP/1.1\r\n" GOOD "X-HTTP-Method-Override: GET\r\n" END,
	/* Smuggling: a second request hidden in a body, or behind two lengths */
	GET GOOD
	"Content-Length: 44\r\n\r\nGET /api/v1/status HTTP/1.1\r\nHost: 127.0.0.1:%\r\n\r\n",
	GET GOOD "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /api/v1/status HTTP/1.1\r\n" GOOD
		 "\r\n",
	GET GOOD "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	GET GOOD "Content-Length: 0\r\nContent-Length: 5\r\n\r\nhello",
	GET GOOD "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
	GET GOOD "Content-Length: -1\r\n\r\n",
	GET GOOD "Content-Length: 99999999999999999999\r\n\r\n",
	GET GOOD "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
	/* Paths and queries that are none */
	"GET /api/v1/status%00 HTTP/1.1\r\n" GOOD END,
	"GET /api/v1/../v1/status HTTP/1.1\r\n" GOOD END,
	"GET /api/v1/status?callback=x HTTP/1.1\r\n" GOOD END,
	"GET /API/v1/status HTTP/1.1\r\n" GOOD END, "GET api/v1/status HTTP/1.1\r\n" GOOD END,
	"GET /api/v1/status HTTP/2.0\r\n" GOOD END, "GET /api/v1/status\r\n\r\n",
	"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", /* TLS */
};

static void nothing_that_a_page_can_send_is_served(void **state)
{
	(void)state;
	size_t n = sizeof refused / sizeof *refused;
	assert_true(n >= 60);
	assert_true(served(false));
	for (size_t i = 0; i < n; i++) {
		unsigned before = asked;
		const char *answer = say(false, refused[i]);
		if (asked != before || strstr(answer, "secret") || strstr(answer, " 200 ") ||
			strcasestr(answer, "Access-Control"))
			fail_msg("served: %s\n-> %s", refused[i], answer);
	}
	printf("%zu requests, all refused\n", n);
	assert_true(served(false));
}

/* What a browser sends for our own page, and what a shell does. */
static void what_is_ours_is_served(void **state)
{
	(void)state;
	static const char *const good[] = {WITH("Accept: */*"), WITH("Origin: http://127.0.0.1:%"),
		WITH("Referer: http://127.0.0.1:%/"), WITH("Sec-Fetch-Site: same-origin"),
		WITH("Sec-Fetch-Site: none"), HOST(" localhost:%"), HOST(" [::1]:%"),
		HOST("127.0.0.1:%"), WITH("Content-Length: 0"),
		"GET /api/v1/status HTTP/1.0\r\nHost: 127.0.0.1:%\r\n\r\n"};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		const char *answer = say(false, good[i]);
		if (!strstr(answer, " 200 ") || !strstr(answer, "secret"))
			fail_msg("not served: %s\n-> %s", good[i], answer);
	}
	const char *answer = say(true, "POST /api/v1/reload HTTP/1.1\r\nHost: x\r\n" END);
	assert_non_null(strstr(answer, " 200 "));
}

/* Each request of a connection is judged for itself; a refused one does not open the way for others. */
static void pipelined_requests_are_judged_one_by_one(void **state)
{
	(void)state;
	unsigned before = asked;
	const char *answer = say(false,
		GET GOOD "\r\n" GET "Host: evil.example\r\n\r\n" GET GOOD
			 "Origin: null\r\n\r\n" GET GOOD END);
	unsigned good = 0, bad = 0;
	for (const char *at = answer; (at = strstr(at, "HTTP/1.1 ")); at += 9) {
		good += strncmp(at + 9, "200", 3) == 0;
		bad += strncmp(at + 9, "403", 3) == 0;
	}
	assert_int_equal(good, 2);
	assert_int_equal(bad, 2);
	assert_int_equal(asked - before, 2);
}

/* ---- Clients that mean no good ------------------------------------------------------------------- */

static void open_many(bool local, int *fds, unsigned n, const char *first)
{
	for (unsigned i = 0; i < n; i++) {
		fds[i] = dial(local);
		if (fds[i] >= 0 && *first)
			(void)!send(fds[i], first, strlen(first), MSG_NOSIGNAL);
	}
}

static void close_many(const int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* One by one a byte, for ever: eight of them, and sixty-four. */
static void slow_ones_do_not_keep_others_out(void **state)
{
	(void)state;
	static const char drip[] = "GET /api/v1/status HTTP/1.1\r\nX-Slow: ";
	for (int local = 0; local < 2; local++)
		for (unsigned n = 8; n <= 64; n *= 8) {
			int fds[64];
			open_many(local, fds, n, drip);
			for (unsigned round = 0; round < 10; round++) {
				for (unsigned i = 0; i < n; i++)
					if (fds[i] >= 0)
						(void)!send(fds[i], "a", 1,
							MSG_NOSIGNAL | MSG_DONTWAIT);
				served_in_time(local);
			}
			close_many(fds, n);
		}
}

/* A thousand that connect and say nothing. Few of them are kept, and few descriptors. */
static void idle_ones_do_not_keep_others_out(void **state)
{
	(void)state;
	int fds[1000];
	for (int local = 0; local < 2; local++) {
		unsigned before = count_fds();
		open_many(local, fds, 1000, "");
		served_in_time(local);
		unsigned open = 0;
		for (unsigned i = 0; i < 1000; i++)
			open += fds[i] >= 0;
		/* Both ends are ours here; the server's are as many as it may have. */
		assert_true(count_fds() <= before + open + 2 * CLIENTS_MAX + 8);
		served_in_time(local);
		close_many(fds, 1000);
	}
}

static void huge_heads_are_refused(void **state)
{
	(void)state;
	static char text[65536];
	strcpy(text, "GET /api/v1/status HTTP/1.1\r\nHost: 127.0.0.1:%\r\nX-Big: ");
	memset(text + strlen(text), 'a', 60000);
	strcat(text, "\r\n\r\n");
	for (int local = 0; local < 2; local++) {
		int fd = dial(local);
		char answer[4096];
		unsigned before = asked;
		(void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
		read_all(fd, answer, sizeof answer, 4);
		close(fd);
		assert_null(strstr(answer, " 200 "));
		assert_int_equal(asked, before);
		served_in_time(local);
	}
}

/* Lists are long; whoever does not read his own only holds himself up. */
static void readers_that_never_read(void **state)
{
	(void)state;
	char request[128];
	int fds[64];
	snprintf(request, sizeof request,
		"GET /api/v1/peers HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n", port);
	for (int local = 0; local < 2; local++) {
		open_many(local, fds, 64, request);
		for (unsigned round = 0; round < 5; round++) {
			served_in_time(local);
			usleep(100000);
		}
		close_many(fds, 64);
	}
}

/* Bodies that have no end: refused at their beginning. */
static void bodies_without_end(void **state)
{
	(void)state;
	char request[160], junk[4096] = {0};
	int fds[32];
	snprintf(request, sizeof request,
		"POST /api/v1/reload HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Length: "
		"999999999\r\n\r\n",
		port);
	for (int local = 0; local < 2; local++) {
		unsigned before = asked;
		open_many(local, fds, 32, request);
		for (unsigned round = 0; round < 20; round++) {
			for (unsigned i = 0; i < 32; i++)
				if (fds[i] >= 0)
					(void)!send(fds[i], junk, sizeof junk,
						MSG_NOSIGNAL | MSG_DONTWAIT);
			if (round % 5 == 0)
				served_in_time(local);
		}
		close_many(fds, 32);
		assert_true(asked - before < 32);
	}
}

/* They come and go: with nothing, with half a request, with a whole one whose answer nobody awaits. */
static void those_who_come_and_go(void **state)
{
	(void)state;
	char request[128];
	snprintf(request, sizeof request,
		"GET /api/v1/status HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n", port);
	usleep(300000);
	unsigned before = count_fds();
	for (unsigned i = 0; i < 3000; i++) {
		int fd = dial(i & 1);
		if (fd < 0)
			continue;
		size_t len = i % 3 == 0 ? 0 : i % 3 == 1 ? 20 : strlen(request);
		(void)!send(fd, request, len, MSG_NOSIGNAL);
		if (i % 5 == 0) { /* with a RST */
			struct linger hard = {.l_onoff = 1};
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
		} else if (i % 5 == 1) {
			shutdown(fd, SHUT_WR);
		}
		close(fd);
		if (i % 500 == 0)
			served_in_time(i & 1);
	}
	served_in_time(false);
	served_in_time(true);
	for (unsigned i = 0; i < 40 && count_fds() > before; i++)
		usleep(100000);
	assert_true(count_fds() <= before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_ours_is_served),
		cmocka_unit_test(nothing_that_a_page_can_send_is_served),
		cmocka_unit_test(pipelined_requests_are_judged_one_by_one),
		cmocka_unit_test(slow_ones_do_not_keep_others_out),
		cmocka_unit_test(idle_ones_do_not_keep_others_out),
		cmocka_unit_test(huge_heads_are_refused),
		cmocka_unit_test(readers_that_never_read),
		cmocka_unit_test(bodies_without_end),
		cmocka_unit_test(those_who_come_and_go),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
