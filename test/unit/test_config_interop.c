/* [interop NAME] sections: any number of one kind, and one secret that no message shows. */
#include "core/config/config.h"
#include "core/base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define NODE                                                                                       \
	"[node]\nkey = a.key\ncertificate = a.crt\nnetwork = "                                     \
	"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw==" \
	"\n"
#define HUB "[interop h]\nrole = hub\nunderlay = 192.0.2.1\nallow = 10.0.0.1\n"

static struct config config;
static struct config_errors errors;

static int parse(const char *text)
{
	memset(&errors, 0, sizeof errors);
	return config_parse(text, strlen(text), "x.ini", &config, &errors);
}

static void everything(void **state)
{
	(void)state;
	assert_int_equal(parse(NODE HUB "allow = 10.0.0.0/24\nkey = 4294967295\n"
					"authentication = s3cret42\nframing = gre\n"
					"[interop spokes]\nrole = spoke\nunderlay = 2001:db8::/32\n"
					"allow = 10.0.0.0/24\n[nhrp]\nrelay-plaintext = yes\n"),
		0);
	assert_int_equal(config.interop.n, 2);
	const struct config_interop *hub = &config.interop.v[0], *spokes = &config.interop.v[1];
	assert_string_equal(hub->name, "h");
	assert_true(hub->hub && hub->raw && hub->key.given && hub->key.value == UINT32_MAX);
	assert_string_equal(hub->word, "s3cret42");
	assert_int_equal(hub->allow.n, 2);
	assert_true(!spokes->hub && !spokes->raw && !spokes->key.given && !spokes->word[0]);
	assert_int_equal(spokes->underlay.len, 32);
	assert_true(config.nhrp.relay_plaintext);
}

static void none_by_default(void **state)
{
	(void)state;
	assert_int_equal(parse(NODE), 0);
	assert_int_equal(config.interop.n, 0);
	assert_false(config.nhrp.relay_plaintext);
}

static void mistakes(void **state)
{
	(void)state;
	static const struct {
		const char *text, *message;
	} rows[] = {
		{"[interop]\n", "x.ini:5: [interop ], expected [interop NAME] with a name of"},
		{"[interop A]\n", "expected [interop NAME] with a name of"},
		{"[interop sixteen-characte]\n", "expected [interop NAME] with a name of"},
		{HUB HUB, "x.ini:9: [interop h], expected each section once"},
		{"[interop h]\nrole = hub\nunderlay = 192.0.2.1\n",
			"x.ini: 'allow' in [interop h] is missing"},
		{"[interop h]\nunderlay = 192.0.2.1\nallow = 10.0.0.1\n",
			"x.ini: 'role' in [interop h] is missing, expected hub or spoke"},
		{"[interop h]\nrole = hub\nallow = 10.0.0.1\n" HUB,
			"x.ini: 'underlay' in [interop h] is missing"},
		{"[interop h]\nrole = hub\nunderlay = 192.0.2.0/24\nallow = 10.0.0.1\n",
			"expected one address since 'role = hub'"},
		{"[interop h]\nrole = hub\nunderlay = 192.0.2.1\nallow = 10.0.0.0/24\n",
			"expected the hub's own protocol address"},
		{"[interop h]\nrole = spoke\nunderlay = 192.0.2.1/24\nallow = 10.0.0.1\n",
			"x.ini:7: 'underlay = 192.0.2.1/24' in [interop h], expected"},
		{HUB "key = -1\n", "x.ini:9: 'key = -1' in [interop h], expected a GRE key"},
		{HUB "key = 4294967296\n", "expected a GRE key"},
		{HUB "framing = ipsec\n", "expected udp or gre"},
		{HUB "role = hub\n", "'role' in [interop h] is given twice"},
		{HUB "rule = hub\n", "unknown option 'rule' in [interop]"},
		{HUB "authentication = a\nauthentication-file = b\n", "expected one of them"},
		{HUB "[udp]\nport = 5000\n", "'port = 5000' in [udp], expected 4754 since"},
		{"[interip h]\n", "did you mean [interop]?"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char text[1024];
		snprintf(text, sizeof text, NODE "%s", rows[i].text);
		assert_int_equal(parse(text), ERR_MALFORMED);
		if (!strstr(errors.text, rows[i].message))
			fail_msg("%s\nis answered by\n%s", rows[i].text, errors.text);
	}
}

/* With bare GRE the UDP port is free to choose. */
static void port_matters_to_udp_alone(void **state)
{
	(void)state;
	assert_int_equal(parse(NODE HUB "framing = gre\n[udp]\nport = 5000\n"), 0);
}

static void the_word_is_not_shown(void **state)
{
	(void)state;
	assert_int_equal(parse(NODE HUB "authentication = verysecretword\n"), ERR_MALFORMED);
	assert_null(strstr(errors.text, "verysecretword"));
	assert_non_null(strstr(errors.text, "expected a word of 1 to 8 printable characters"));

	static struct config old;
	struct config_errors names = {0};
	assert_int_equal(parse(NODE HUB "authentication = one\n"), 0);
	old = config;
	assert_int_equal(parse(NODE HUB "authentication = two\n"), 0);
	config_diff(&old, &config, CONFIG_RELOADABLE, &names);
	assert_string_equal(names.text, "");
	config_diff(&old, &config, CONFIG_NEEDS_RESTART, &names);
	assert_string_equal(names.text, "[interop]\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything),
		cmocka_unit_test(none_by_default),
		cmocka_unit_test(mistakes),
		cmocka_unit_test(port_matters_to_udp_alone),
		cmocka_unit_test(the_word_is_not_shown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
