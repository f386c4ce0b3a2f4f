#include "core/config/config.h"
#include "core/config/lines.h"
#include "core/config/options.h"
#include "core/config/suggest.h"

#include "core/base/env.h"
#include "core/base/err.h"
#include "core/base/offload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NETWORK                                                                                    \
	"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw=="
#define NODE "[node]\nkey = k\ncertificate = c\nnetwork = " NETWORK "\n" /* lines 1 to 4 */

static struct config config;
static struct config_errors errors;

static int parse(const char *text)
{
	memset(&errors, 0, sizeof errors);
	return config_parse(text, strlen(text), "/etc/w/t.ini", &config, &errors);
}

static void assert_error(const char *text, const char *expected)
{
	assert_int_equal(parse(text), ERR_MALFORMED);
	if (!strstr(errors.text, expected))
		fail_msg("got:\n%sexpected:\n%s", errors.text, expected);
}

static void test_defaults(void **state)
{
	(void)state;
	assert_int_equal(parse(NODE), 0);
	assert_int_equal(errors.n, 0);
	assert_string_equal(config.node.key, "/etc/w/k");
	assert_string_equal(config.node.state_directory, "/var/lib/warren");
	assert_int_equal(config.node.network[0], 0);
	assert_int_equal(config.node.network[63], 63);
	assert_string_equal(config.tun.name, "warren0");
	assert_int_equal(config.tun.mtu, 1400);
	assert_int_equal(config.udp.address.family, 0);
	assert_int_equal(config.udp.port, 4754);
	assert_int_equal(config.udp.workers, 0);
	assert_int_equal(config.udp.ciphers, 0);
	assert_int_equal(config.tun.offloads, TUN_OFFLOADS);
	assert_int_equal(config.udp.offloads, UDP_OFFLOADS);
	assert_int_equal(config.nhrp.holding_time_s, 600);
	assert_true(config.nhrp.redirect && config.nhrp.shortcut && config.nhrp.install_routes);
	assert_false(config.nhrp.relay_kernel);
	assert_int_equal(config.multicast.groups.n, 0);
	assert_int_equal(config.multicast.rate, 100);
	assert_true(config.paths.host_candidates);
	assert_string_equal(config.control.socket, "/run/warren/warren.sock");
	assert_int_equal(config.http.listen.addr.family, 4);
	assert_int_equal(config.http.listen.port, 8747);
	assert_int_equal(config.log.level, LOG_INFO);
}

static void test_values(void **state)
{
	(void)state;
	assert_int_equal(
		parse(NODE "psk-file = /a b/psk\nuser = warren\n"
			   "[tun]\nname = wg-7.x\nmtu = 1872\ntable = 100\ntable = 4294967295\n"
			   "offloads = tso coalesce-udp\n"
			   "[udp]\naddress = 2001:db8::1\nport=0\nworkers = 15\n"
			   "ciphers = aes-256-gcm,aegis-256 chacha20-poly1305\noffloads = none\n"
			   "[nhrp]\nredirect = no ; comment\nrelay = kernel\n"
			   "prefix = 10.1.0.0/16\nprefix = 2001:db8::/32\nroute = 0.0.0.0/0\n"
			   "[multicast]\ngroup = 239.1.0.0/16\ngroup = 224.0.0.251\n"
			   "group = ff00::/8\nrate = 5000\n"
			   "[paths]\nhost-candidates = no\n[limits]\npeers = 20000\n"
			   "[control]\nsocket = s\ngroup = adm\n[http]\nlisten = no\n[log]\nlevel "
			   "= debug\n"),
		0);
	assert_string_equal(config.node.psk_file, "/a b/psk");
	assert_string_equal(config.node.user, "warren");
	assert_string_equal(config.tun.name, "wg-7.x");
	assert_int_equal(config.tun.mtu, 1872);
	assert_int_equal(config.tun.tables.n, 2);
	assert_int_equal(config.tun.tables.v[1], UINT32_MAX);
	assert_int_equal(config.udp.address.family, 6);
	assert_int_equal(config.udp.port, 0);
	assert_int_equal(config.udp.workers, 15);
	assert_int_equal(config.udp.ciphers, 7);
	assert_int_equal(config.tun.offloads, TUN_TSO | TUN_COALESCE_UDP);
	assert_int_equal(config.udp.offloads, 0);
	assert_false(config.nhrp.redirect);
	assert_true(config.nhrp.relay_kernel);
	assert_int_equal(config.nhrp.prefixes.n, 2);
	assert_int_equal(config.nhrp.prefixes.v[1].len, 32);
	assert_int_equal(config.nhrp.routes.n, 1);
	assert_int_equal(config.multicast.groups.n, 3);
	assert_int_equal(config.multicast.groups.v[1].len, 32);
	assert_int_equal(config.multicast.rate, 5000);
	assert_false(config.paths.host_candidates);
	assert_int_equal(config.limits.peers, 20000);
	assert_string_equal(config.control.socket, "/etc/w/s");
	assert_int_equal(config.http.listen.addr.family, 0);
	assert_int_equal(config.log.level, LOG_DEBUG);
}

/* Each bad value is reported with its line and what was expected. */
static void test_bad_values(void **state)
{
	(void)state;
	static const struct {
		const char *line, *expected;
	} rows[] = {
		{"[tun]\nmtu = 575", "t.ini:6: 'mtu = 575' in [tun], expected a number of bytes"},
		{"[tun]\nmtu = 1400x", ":6: "},
		{"[tun]\nmtu = -1", ":6: "},
		{"[tun]\nmtu =", ":6: "},
		{"[tun]\nmtu = 99999999999999999999999", ":6: "},
		{"[tun]\nname = sixteen-letters-", "at most 15 characters"},
		{"[tun]\nname = a/b", "at most 15 characters"},
		{"[tun]\ntable = 0", "number of a routing table"},
		{"[tun]\noffloads = gso", "none, or a list of checksum, tso, uso"},
		{"[tun]\noffloads = none tso", "none, or a list of checksum, tso, uso"},
		{"[udp]\noffloads =", "none, or a list of gso, gro"},
		{"[udp]\nport = 65536", "a port from 1 to 65535"},
		{"[udp]\nworkers = 16", "auto or a number from 1 to 15"},
		{"[udp]\naddress = 224.0.0.1", "an IPv4 or IPv6 address"},
		{"[udp]\nciphers = rot13", "a list of chacha20-poly1305"},
		{"[udp]\nciphers = ,", "a list of chacha20-poly1305"},
		{"[nhrp]\nredirect = true", "expected yes or no"},
		{"[nhrp]\nholding-time = 29", "from 30 to 65535"},
		{"[nhrp]\nprefix = 10.0.0.1/8", "without host bits"},
		{"[nhrp]\nprefix = 10.0.0.0/33", "without host bits"},
		{"[nhrp]\nrelay = hub", "daemon or kernel"},
		{"[multicast]\ngroup = 10.0.0.0/8", "multicast groups without host bits"},
		{"[multicast]\ngroup = 239.1.0.1/16", "multicast groups without host bits"},
		{"[multicast]\ngroup = 224.0.0.0/3", "multicast groups without host bits"},
		{"[multicast]\ngroup = ::/0", "multicast groups without host bits"},
		{"[multicast]\nrate = 0", "packets per second from 1 to 100000"},
		{"[http]\nlisten = 127.0.0.1:0", "an address and port"},
		{"[log]\nlevel = loud", "error, warning, info or debug"},
		{"[control]\ngroup = -x", "the name of a group"},
		{"[node]\npsk-file =", "the path of a pre-shared key"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char text[512];
		snprintf(text, sizeof text, NODE "%s\n", rows[i].line);
		assert_error(text, rows[i].expected);
		assert_int_equal(errors.n, 1);
	}
	assert_error(
		"[node]\nkey = k\ncertificate = c\nnetwork = AAAA\n", "t.ini:4: 'network = AAAA'");
}

static void test_names(void **state)
{
	(void)state;
	assert_error(NODE "[udp]\nprot = 1\n",
		"/etc/w/t.ini:6: unknown option 'prot' in [udp], expected address, port, "
		"workers, ciphers or offloads; did you mean 'port'?\n");
	assert_error(NODE "[udp]\nmtu = 1400\n", "; did you mean 'mtu' in [tun]?");
	assert_error(NODE "[udp]\nxyzzy = 1\n", "ciphers or offloads\n");
	assert_error(NODE "[nhpr]\nrelay = daemon\n",
		"t.ini:5: unknown section [nhpr], expected [node], ");
	assert_non_null(strstr(errors.text, "; did you mean [nhrp]?"));
	assert_int_equal(errors.n, 1); /* the option in it is not worth a second message */
	assert_error("key = k\n" NODE, "t.ini:1: an option before the first section");
	assert_error(NODE "\x1b[31m\x07 = x\n", "unknown option '?[31m?' in [node]");
}

/* What inih would silently take for something else. */
static void test_lines(void **state)
{
	(void)state;
	assert_error(NODE "user = a\n  b\n", "t.ini:6: the line begins with a blank");
	assert_error(NODE "user\n", "t.ini:5: neither a section nor an option");
	assert_error(NODE "user ; = x\n", "t.ini:5: not an option");
	assert_error(NODE "[tun\n", "t.ini:5: not a section line");
	assert_error(NODE "[tun] mtu = 3\n", "t.ini:5: not a section line");
	assert_int_equal(
		parse("\xEF\xBB\xBF" NODE "[tun] ; fine\r\n \t \r\nmtu = 1300\r\n# x\n;y"), 0);
	assert_int_equal(config.tun.mtu, 1300);

	char text[1024] = NODE "psk-file = /";
	size_t start = sizeof NODE - 1;
	for (size_t line = 190; line < 210; line++) {
		memset(text + start + 12, 'x', line - 12);
		strcpy(text + start + line, "\n");
		if (line > LINES_LENGTH_MAX)
			assert_error(
				text, "t.ini:5: the line is too long, expected at most 198 bytes");
		else
			assert_int_equal(parse(text), 0);
		if (line <= LINES_LENGTH_MAX)
			assert_int_equal(strlen(config.node.psk_file), line - 11);
	}

	static const char nul[] = NODE "user = a\0b\n";
	memset(&errors, 0, sizeof errors);
	assert_int_equal(
		config_parse(nul, sizeof nul - 1, "t.ini", &config, &errors), ERR_MALFORMED);
	assert_non_null(strstr(errors.text, "t.ini:5: a NUL byte"));
}

static void test_all_errors(void **state)
{
	(void)state;
	assert_error("[node]\nkey = k\nkey = l\n[tun]\nmtu = 1\n[http]\nlisten = 0.0.0.0:80\n",
		"t.ini:3: 'key' in [node] is given twice, expected it once; the first is in line "
		"2\n");
	assert_non_null(strstr(errors.text, "t.ini:5: 'mtu = 1'"));
	assert_non_null(strstr(errors.text, "t.ini: 'certificate' in [node] is missing"));
	assert_non_null(strstr(errors.text, "t.ini: 'network' in [node] is missing"));
	assert_non_null(strstr(errors.text, "t.ini:7: 'listen' in [http] is open to others"));
	assert_int_equal(errors.n, 5);

	char many[8192] = NODE "[nhrp]\n";
	for (unsigned i = 0; i < 200; i++)
		strcat(many, "prefix = 10.0.0.0/8\n");
	assert_error(
		many, "t.ini:22: 'prefix = 10.0.0.0/8' in [nhrp], expected no more than 16 lines");
	assert_int_equal(errors.n, 200 - CONFIG_LIST_MAX);
	char end[64];
	snprintf(end, sizeof end, "and %u more\n", errors.omitted);
	assert_string_equal(errors.text + errors.len, end);
	assert_int_equal(config.nhrp.prefixes.n, CONFIG_LIST_MAX);
}

static void test_file(void **state)
{
	(void)state;
	memset(&errors, 0, sizeof errors);
	assert_int_equal(config_load("/nonexistent/x.ini", &config, &errors), ERR_SYSTEM);
	assert_string_equal(errors.text,
		"/nonexistent/x.ini: No such file or directory, expected a config file\n");
	memset(&errors, 0, sizeof errors);
	assert_int_equal(config_load("/", &config, &errors), ERR_SYSTEM);
}

/* The examples are right, and so is what they say of the defaults. */
static void test_examples(void **state)
{
	(void)state;
	static const char *const names[] = {"hub.ini", "spoke.ini", "interop.ini"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char path[512];
		snprintf(path, sizeof path, SOURCE_DIR "/conf/%s", names[i]);
		memset(&errors, 0, sizeof errors);
		assert_int_equal(config_load(path, &config, &errors), 0);

		FILE *f = fopen(path, "r");
		assert_non_null(f);
		char text[16384] = "", line[256], head[64], section[64] = "";
		while (fgets(line, sizeof line, f)) {
			/* the options that are commented out, and twice would be wrong */
			strcat(text, line[0] == ';' ? line + 1 : line);
			snprintf(head, sizeof head, "%.*s", (int)strcspn(line, " ="), line);
			if (line[0] == '[')
				snprintf(section, sizeof section, "%.*s",
					(int)strcspn(line + 1, "]"), line + 1);
			const struct option *o =
				line[0] == ';' ? option_find(section, head + 1) : NULL;
			if (o && o->preset)
				assert_non_null(strstr(line, o->preset));
		}
		fclose(f);
		assert_int_equal(config_parse(text, strlen(text), path, &config, &errors), 0);
	}
}

/* The config that a package installs says what is missing, and nothing else is wrong with it. */
static void test_installed(void **state)
{
	(void)state;
	static const char path[] = SOURCE_DIR "/platform/linux/service/warren.ini";
	memset(&errors, 0, sizeof errors);
	assert_int_equal(config_load(path, &config, &errors), ERR_MALFORMED);
	const char *line = errors.text;
	for (unsigned i = 0; i < option_count; i++) {
		unsigned flags = option_table[i].flags;
		if (!(flags & OPTION_REQUIRED) || (flags & OPTION_INTEROP))
			continue;
		assert_non_null(strstr(line, option_table[i].key));
		assert_non_null(strstr(line, "expected"));
		line = strchr(line, '\n') + 1;
	}
	assert_string_equal(line, "");
}

static void test_diff(void **state)
{
	(void)state;
	struct config old;
	struct config_errors names = {0};
	assert_int_equal(parse(NODE), 0);
	old = config;
	assert_int_equal(parse(NODE "[udp]\nport = 5000\n[nhrp]\nroute = 10.0.0.0/8\n"), 0);
	config_diff(&old, &config, CONFIG_NEEDS_RESTART, &names);
	assert_string_equal(names.text, "[udp] port\n");
	memset(&names, 0, sizeof names);
	config_diff(&old, &config, CONFIG_RELOADABLE, &names);
	assert_string_equal(names.text, "[nhrp] route\n");
	config_adopt(&old, &config);
	assert_int_equal(old.nhrp.routes.n, 1);
	assert_int_equal(old.udp.port, 4754);
}

static void test_suggest(void **state)
{
	(void)state;
	static const struct {
		const char *a, *b;
		unsigned distance;
	} rows[] = {
		{"", "", 0},
		{"port", "port", 0},
		{"prot", "port", 1},
		{"por", "port", 1},
		{"porrt", "port", 1},
		{"pork", "port", 1},
		{"", "por", 3},
		{"", "port", SUGGEST_FAR}, /* too long to be a slip */
		{"ca", "abc", 3},
		{"holding-time", "holdingtime", 1},
		{"kitten", "sitting", 3},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(suggest_distance(rows[i].a, rows[i].b), rows[i].distance);
		assert_int_equal(suggest_distance(rows[i].b, rows[i].a), rows[i].distance);
	}
	char longer[200];
	memset(longer, 'a', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	assert_int_equal(suggest_distance(longer, "a"), SUGGEST_FAR);
	assert_true(suggest_near("prot", 1));
	assert_false(suggest_near("prot", 3));
	assert_false(suggest_near(longer, SUGGEST_FAR));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_bad_values),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_all_errors),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_installed),
		cmocka_unit_test(test_diff),
		cmocka_unit_test(test_suggest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
