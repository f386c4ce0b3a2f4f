#include "core/cli/keyfile.h"

#include "core/base/err.h"
#include "core/trust/trust.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define PATH       256
#define FAST       1 /* pass */
#define FAST_KIB   8
#define PASSPHRASE "correct horse"

static char dir[] = "/tmp/warren-keyfile-XXXXXX";
static uint8_t secret[SIGN_SECRET_LEN], root_key[KEY_LEN];

static int set_up(void **state)
{
	static const uint8_t seed[KEY_LEN] = {5};
	(void)state;
	if (!mkdtemp(dir) || prim_init() != 0)
		return -1;
	prim_sign_keypair(secret, root_key, seed);
	return 0;
}

static int tear_down(void **state)
{
	char command[PATH];
	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command) == 0 ? 0 : -1;
}

static const char *in_dir(const char *name, char out[PATH])
{
	snprintf(out, PATH, "%s/%s", dir, name);
	return out;
}

static void test_open_root(void **state)
{
	uint8_t bytes[KEYFILE_ROOT_MAX], again[SIGN_SECRET_LEN];
	(void)state;

	assert_int_equal(keyfile_encode_root(secret, NULL, FAST, FAST_KIB, bytes), 34);
	assert_false(keyfile_root_sealed(bytes, 34));
	assert_int_equal(keyfile_decode_root(bytes, 34, NULL, again), 0);
	assert_memory_equal(again, secret, sizeof secret);
	for (size_t len = 0; len < 34; len++)
		assert_int_equal(keyfile_decode_root(bytes, len, NULL, again),
			len < 2 ? ERR_TRUNCATED : ERR_MALFORMED);
	assert_int_equal(keyfile_decode_root(bytes, 35, NULL, again), ERR_MALFORMED);
	bytes[0] = 2;
	assert_int_equal(keyfile_decode_root(bytes, 34, NULL, again), ERR_VERSION);
}

static void test_sealed_root(void **state)
{
	uint8_t bytes[KEYFILE_ROOT_MAX], other[KEYFILE_ROOT_MAX], again[SIGN_SECRET_LEN] = {0};
	(void)state;

	size_t len = sizeof bytes;
	assert_int_equal(keyfile_encode_root(secret, PASSPHRASE, FAST, FAST_KIB, bytes), len);
	assert_int_equal(keyfile_encode_root(secret, PASSPHRASE, FAST, FAST_KIB, other), len);
	assert_memory_not_equal(bytes + 10, other + 10, 16); /* the salt is new each time */
	assert_true(keyfile_root_sealed(bytes, len));
	assert_int_equal(keyfile_decode_root(bytes, len, PASSPHRASE, again), 0);
	assert_memory_equal(again, secret, sizeof secret);

	memset(again, 0, sizeof again);
	assert_int_equal(keyfile_decode_root(bytes, len, "correct hors", again), ERR_AUTH);
	assert_int_equal(keyfile_decode_root(bytes, len, "", again), ERR_AUTH);
	assert_int_equal(keyfile_decode_root(bytes, len, NULL, again), ERR_AUTH);
	for (size_t i = 0; i < len; i++) {
		if (i >= 2 && i < 9)
			continue; /* costs: below, since they could take hours */
		bytes[i] ^= 1;
		assert_int_not_equal(keyfile_decode_root(bytes, len, PASSPHRASE, again), 0);
		bytes[i] ^= 1;
	}
	for (size_t cut = 0; cut < len; cut++)
		assert_int_not_equal(keyfile_decode_root(bytes, cut, PASSPHRASE, again), 0);
	memset(bytes + 2, 0xff, 4);
	assert_int_equal(keyfile_decode_root(bytes, len, PASSPHRASE, again), ERR_MALFORMED);
	memset(bytes + 2, 0, 4);
	assert_int_equal(keyfile_decode_root(bytes, len, PASSPHRASE, again), ERR_MALFORMED);
	static const uint8_t untouched[SIGN_SECRET_LEN];
	assert_memory_equal(again, untouched, sizeof again);
}

static void test_root_file(void **state)
{
	char path[PATH], passphrase_path[PATH];
	uint8_t again[SIGN_SECRET_LEN];
	struct pem_error error;
	struct stat st;
	(void)state;

	in_dir("root.key", path);
	in_dir("passphrase", passphrase_path);
	assert_int_equal(keyfile_write_root(path, secret, PASSPHRASE, &error), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(keyfile_write_root(path, secret, NULL, &error), ERR_DUPLICATE);

	static const char good[] = PASSPHRASE "\n", bad[] = "wrong horse\n";
	assert_int_equal(
		pem_write_text(passphrase_path, good, sizeof good - 1, PEM_SECRET, &error), 0);
	assert_int_equal(keyfile_read_root(path, passphrase_path, again, &error), 0);
	assert_memory_equal(again, secret, sizeof secret);
	assert_int_equal(pem_write_text(passphrase_path, bad, sizeof bad - 1,
				 PEM_SECRET | PEM_REPLACE, &error),
		0);
	assert_int_equal(keyfile_read_root(path, passphrase_path, again, &error), ERR_AUTH);
	assert_non_null(strstr(error.text, "wrong passphrase"));
	assert_int_equal(chmod(passphrase_path, 0644), 0);
	assert_int_equal(keyfile_read_root(path, passphrase_path, again, &error), ERR_FORBIDDEN);
}

static void test_pair(void **state)
{
	char path[PATH], public_path[PATH], text[KEY_TEXT_SIZE];
	uint8_t key[KEY_LEN], again[KEY_LEN], private_key[KEY_LEN];
	struct pem_error error;
	(void)state;

	in_dir("node.key", path);
	in_dir("node.key.pub", public_path);
	assert_int_equal(keyfile_make_pair(path, false, key, &error), 0);
	assert_int_equal(pem_read_private_key(path, private_key, &error), 0);
	prim_dh_public(again, private_key);
	assert_memory_equal(again, key, KEY_LEN);
	assert_int_equal(keyfile_public_key(public_path, again, &error), 0);
	assert_memory_equal(again, key, KEY_LEN);
	assert_int_equal(
		keyfile_public_key(prim_base64_encode(text, key, KEY_LEN), again, &error), 0);
	assert_memory_equal(again, key, KEY_LEN);

	/* Neither half of a pair is lost by a second one, unless forced. */
	assert_int_equal(keyfile_make_pair(path, false, again, &error), ERR_DUPLICATE);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(keyfile_make_pair(path, false, again, &error), ERR_DUPLICATE);
	assert_int_not_equal(access(path, F_OK), 0);
	assert_int_equal(keyfile_make_pair(path, true, again, &error), 0);
	assert_memory_not_equal(again, key, KEY_LEN);

	assert_int_equal(keyfile_public_key(path, again, &error), ERR_NOT_FOUND);
	assert_non_null(strstr(error.text, "holds a PRIVATE KEY, expected a PUBLIC KEY"));
	assert_int_equal(keyfile_public_key("nonsense", again, &error), ERR_SYSTEM);
	assert_non_null(strstr(error.text, "neither a key nor a file"));
}

static void test_network(void **state)
{
	static const struct {
		const char *before, *after;
	} forms[] = {
		{"network = ", "\n"},
		{"network=", ""},
		{"# me\n\n[node]\nname = x\n  network =  ", " \r\nkey = y\n"},
	};
	static const uint8_t id[KEY_LEN] = {3};
	char path[PATH], value[TRUST_NETWORK_TEXT_MAX], text[512];
	uint8_t got_id[KEY_LEN], got_key[KEY_LEN];
	struct pem_error error;
	(void)state;

	in_dir("network", path);
	trust_format_network(id, root_key, value);
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		int len = snprintf(
			text, sizeof text, "%s%s%s", forms[i].before, value, forms[i].after);
		assert_int_equal(pem_write_text(path, text, (size_t)len, PEM_REPLACE, &error), 0);
		memset(got_id, 0, sizeof got_id);
		assert_int_equal(keyfile_network(path, got_id, got_key, &error), 0);
		assert_memory_equal(got_id, id, KEY_LEN);
		assert_memory_equal(got_key, root_key, KEY_LEN);
	}
	assert_int_equal(keyfile_network(value, got_id, got_key, &error), 0);
	assert_int_equal(pem_write_text(path, "\nnetwork = AAAA\n", 16, PEM_REPLACE, &error), 0);
	assert_int_equal(keyfile_network(path, got_id, got_key, &error), ERR_MALFORMED);
	assert_non_null(strstr(error.text, "network:2: not a network"));
	assert_int_equal(pem_write_text(path, "networks = AAAA\n", 16, PEM_REPLACE, &error), 0);
	assert_int_equal(keyfile_network(path, got_id, got_key, &error), ERR_NOT_FOUND);
}

static void test_check_output(void **state)
{
	char path[PATH];
	struct pem_error error;
	(void)state;

	in_dir("output", path);
	assert_int_equal(keyfile_check_output(path, PEM_CERTIFICATE, &error), 0);
	assert_int_equal(pem_write(path, PEM_CERTIFICATE, "x", 1, 0, &error), 0);
	assert_int_equal(keyfile_check_output(path, PEM_CERTIFICATE, &error), 0);
	assert_int_equal(keyfile_check_output(path, PEM_BUNDLE, &error), ERR_DUPLICATE);
	assert_int_equal(keyfile_check_output(dir, PEM_BUNDLE, &error), ERR_DUPLICATE);
	assert_int_equal(keyfile_check_output("/dev/null", PEM_BUNDLE, &error), ERR_DUPLICATE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open_root),
		cmocka_unit_test(test_sealed_root),
		cmocka_unit_test(test_root_file),
		cmocka_unit_test(test_pair),
		cmocka_unit_test(test_network),
		cmocka_unit_test(test_check_output),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
