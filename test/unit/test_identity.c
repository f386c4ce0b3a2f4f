#include "core/config/identity.h"

#include "core/base/err.h"
#include "core/config/pem.h"
#include "core/crypto/primitives.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define WALL UINT64_C(1700000000)
#define DAY  UINT64_C(86400)

/* A network of one spoke in a directory of its own, made anew for each test. */
static char dir[64];
static struct config config;
static struct identity id;
static struct config_errors errors, warnings;
static uint8_t network_id[32], root_key[32], root_secret[64], secret[32], public_key[32];
static uint8_t cert_bytes[CERT_MAX];

static const char *path_of(const char *name, char out[CONFIG_PATH_MAX])
{
	snprintf(out, CONFIG_PATH_MAX, "%s/%s", dir, name);
	return out;
}

static void write_pem(
	const char *name, const char *kind, const void *data, size_t len, unsigned flags)
{
	char path[CONFIG_PATH_MAX];
	struct pem_error error;
	assert_int_equal(
		pem_write(path_of(name, path), kind, data, len, flags | PEM_REPLACE, &error), 0);
}

static void write_text(const char *name, const char *text, unsigned flags)
{
	char path[CONFIG_PATH_MAX];
	struct pem_error error;
	assert_int_equal(pem_write_text(path_of(name, path), text, strlen(text),
				 flags | PEM_REPLACE, &error),
		0);
}

static void write_bundle(const char *name, uint64_t number)
{
	uint8_t bytes[1024];
	struct bundle *b = calloc(1, sizeof *b);
	assert_non_null(b);
	b->number = number;
	b->not_after = WALL + DAY;
	b->ciphers = 1;
	int len = bundle_sign(b, network_id, root_secret, bytes, sizeof bytes);
	assert_true(len > 0);
	write_pem(name, PEM_BUNDLE, bytes, (size_t)len, 0);
	free(b);
}

static void write_certificate(uint64_t not_after, uint8_t family)
{
	struct cert cert = {.serial = 1,
		.not_before = WALL - DAY,
		.not_after = not_after,
		.role = CERT_SPOKE,
		.name = "spoke",
		.n_addresses = 1,
		.n_prefixes = 1};
	prefix_parse(family == 4 ? "10.99.0.2/24" : "fd99::2/64", &cert.addresses[0]);
	prefix_parse("10.1.0.0/16", &cert.prefixes[0]);
	memcpy(cert.static_key, public_key, sizeof public_key);
	int len = cert_sign(&cert, network_id, root_secret, cert_bytes, sizeof cert_bytes);
	assert_true(len > 0);
	write_pem("crt", PEM_CERTIFICATE, cert_bytes, (size_t)len, 0);
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/test_identity.XXXXXX");
	assert_non_null(mkdtemp(dir));
	uint8_t seed[32];
	prim_random(seed, sizeof seed);
	prim_sign_keypair(root_secret, root_key, seed);
	prim_random(network_id, sizeof network_id);
	prim_random(secret, sizeof secret);
	prim_dh_public(public_key, secret);

	memset(&config, 0, sizeof config);
	memset(&errors, 0, sizeof errors);
	memset(&warnings, 0, sizeof warnings);
	memcpy(config.node.network, network_id, 32);
	memcpy(config.node.network + 32, root_key, 32);
	config.tun.mtu = 1400;
	path_of("key", config.node.key);
	path_of("crt", config.node.certificate);
	path_of("given", config.node.bundle);
	strcpy(config.node.state_directory, dir);
	write_pem("key", PEM_PRIVATE_KEY, secret, sizeof secret, PEM_SECRET);
	write_certificate(WALL + 100 * DAY, 4);
	write_bundle("given", 5);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	static const char *const names[] = {"key", "crt", "given", "bundle", "psk", "token"};
	char path[CONFIG_PATH_MAX];
	identity_fini(&id);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		unlink(path_of(names[i], path));
	return rmdir(dir);
}

static void assert_refused(const char *why)
{
	memset(&errors, 0, sizeof errors);
	assert_int_equal(identity_load(&config, WALL, &id, &errors, &warnings), ERR_MALFORMED);
	if (!strstr(errors.text, why))
		fail_msg("got: %sexpected: %s", errors.text, why);
	identity_fini(&id);
}

static void assert_good(void)
{
	memset(&errors, 0, sizeof errors);
	if (identity_load(&config, WALL, &id, &errors, &warnings) != 0)
		fail_msg("%s", errors.text);
	assert_int_equal(errors.n, 0);
}

static uint64_t bundle_number(void)
{
	struct bundle *b = malloc(sizeof *b);
	assert_non_null(b);
	assert_int_equal(bundle_decode(id.bundle, id.bundle_len, b), 0);
	uint64_t number = b->number;
	free(b);
	return number;
}

static void test_good(void **state)
{
	(void)state;
	assert_good();
	assert_int_equal(warnings.n, 0);
	assert_memory_equal(id.secret, secret, sizeof secret);
	assert_memory_equal(id.public_key, public_key, sizeof public_key);
	assert_string_equal(id.cert.name, "spoke");
	assert_false(id.expired);
	assert_int_equal(bundle_number(), 5);
	assert_string_equal(id.token, "");
}

static void test_files(void **state)
{
	(void)state;
	char path[CONFIG_PATH_MAX];
	chmod(path_of("key", path), 0644);
	assert_refused("others can read");
	chmod(path, 0600);
	unlink(path_of("crt", path));
	assert_refused("crt");
	write_certificate(WALL + 100 * DAY, 4);

	uint8_t other[32] = {1};
	write_pem("key", PEM_PRIVATE_KEY, other, sizeof other, PEM_SECRET);
	assert_refused("it is not for this key");
	write_pem("key", PEM_PRIVATE_KEY, secret, sizeof secret, PEM_SECRET);
	config.node.network[63] ^= 1;
	assert_refused("given: the signature does not verify");
}

static void test_bundles(void **state)
{
	(void)state;
	write_bundle("bundle", 6); /* saved, newer */
	assert_good();
	assert_int_equal(bundle_number(), 6);
	identity_fini(&id);
	write_bundle("bundle", 4); /* saved, older */
	assert_good();
	assert_int_equal(bundle_number(), 5);
	identity_fini(&id);

	config.node.bundle[0] = '\0'; /* a saved one is enough */
	assert_good();
	assert_int_equal(bundle_number(), 4);
	identity_fini(&id);
	write_text("bundle", "damaged", 0);
	assert_refused("'bundle' in [node] is missing");
	assert_true(warnings.n > 0);

	path_of("given", config.node.bundle); /* a damaged saved one is only a warning */
	assert_good();
	assert_int_equal(bundle_number(), 5);

	struct config_errors save = {0};
	assert_int_equal(
		identity_save_bundle(config.node.state_directory, id.bundle, id.bundle_len, &save),
		0);
	identity_fini(&id);
	config.node.bundle[0] = '\0';
	assert_good();
	assert_int_equal(bundle_number(), 5);
	assert_int_equal(
		identity_save_bundle("/nonexistent", id.bundle, id.bundle_len, &save), ERR_SYSTEM);
	assert_int_equal(save.n, 1);
}

static void test_time(void **state)
{
	(void)state;
	write_certificate(WALL - DAY / 2, 4);
	assert_good(); /* the clock may be wrong */
	assert_true(id.expired);
	assert_non_null(strstr(warnings.text, "the certificate has expired"));
	identity_fini(&id);
	write_certificate(WALL + 3 * DAY, 4);
	assert_good();
	assert_false(id.expired);
	assert_non_null(strstr(warnings.text, "expires in 3 days"));
}

static void test_config_and_certificate(void **state)
{
	(void)state;
	config.nhrp.prefixes.n = 1;
	prefix_parse("10.1.2.0/24", &config.nhrp.prefixes.v[0]);
	assert_good();
	identity_fini(&id);
	prefix_parse("10.2.0.0/24", &config.nhrp.prefixes.v[0]);
	assert_good();
	assert_non_null(strstr(warnings.text, "'prefix = 10.2.0.0/24' in [nhrp]: outside"));
	identity_fini(&id);
	config.nhrp.prefixes.n = 0;
	config.nhrp.advertise.n = 1;
	assert_good();
	assert_non_null(strstr(warnings.text, "'advertise' in [nhrp] has no effect"));
	identity_fini(&id);
	write_certificate(WALL + 100 * DAY, 6);
	config.tun.mtu = 1279;
	assert_refused("expected at least 1280");
}

static void test_secrets(void **state)
{
	(void)state;
	char text[KEY_TEXT_SIZE + 1];
	path_of("psk", config.node.psk_file);
	path_of("token", config.http.token_file);
	prim_base64_encode(text, public_key, 32);
	strcat(text, "\n");
	write_text("psk", text, PEM_SECRET);
	write_text("token", "0123456789abcdef\n", PEM_SECRET);
	assert_good();
	assert_memory_equal(id.psk, public_key, 32);
	assert_string_equal(id.token, "0123456789abcdef");
	identity_fini(&id);
	assert_string_equal(id.token, "");

	write_text("token", "0123456789 abcdef\n", PEM_SECRET);
	assert_refused("token: not a token");
	assert_null(strstr(errors.text, "0123456789"));
	write_text("token", "short\n", PEM_SECRET);
	assert_refused("token: not a token");
	write_text("token", "0123456789abcdef\n", 0);
	assert_refused("others can read");
	write_text("token", "0123456789abcdef\n", PEM_SECRET);
	write_text("psk", "AAAA", PEM_SECRET);
	assert_refused("psk: not a key");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_good, setup, teardown),
		cmocka_unit_test_setup_teardown(test_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bundles, setup, teardown),
		cmocka_unit_test_setup_teardown(test_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_config_and_certificate, setup, teardown),
		cmocka_unit_test_setup_teardown(test_secrets, setup, teardown),
	};
	return prim_init() == 0 ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
