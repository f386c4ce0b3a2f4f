#include "core/config/pem.h"

#include "core/base/err.h"
#include "core/crypto/primitives.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define PATH 256

static char dir[] = "/tmp/warren-pem-XXXXXX";

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(dir) && prim_init() == 0 ? 0 : -1;
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

/* ---- Text */

static void test_round_trip(void **state)
{
	uint8_t data[300], again[300];
	char text[1024];
	(void)state;

	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)(i * 7);
	for (size_t len = 0; len <= sizeof data; len++) {
		int n = pem_encode(PEM_BUNDLE, data, len, text, sizeof text);
		assert_int_equal(n, strlen(text));
		assert_int_equal(pem_decode(text, (size_t)n, PEM_BUNDLE, again, sizeof again), len);
		assert_memory_equal(again, data, len);
		if (len > 0)
			assert_int_equal(pem_decode(text, (size_t)n, PEM_BUNDLE, again, len - 1),
				ERR_NO_SPACE);
		for (size_t cap = 0; cap <= (size_t)n; cap += 13)
			assert_int_equal(
				pem_encode(PEM_BUNDLE, data, len, text, cap), ERR_NO_SPACE);
	}
}

#define BEGIN   "-----BEGIN WARREN BUNDLE-----\n"
#define END     "-----END WARREN BUNDLE-----\n"
#define FULL    "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVm\n"
#define FULL_IN "0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_decode(void **state)
{
	static const struct {
		const char *text, *expected; /* NULL: an error */
		int err;
	} rows[] = {
		{BEGIN "aGVsbG8=\n" END, "hello", 0},
		{BEGIN "aGVsbG8=\n-----END WARREN BUNDLE-----", "hello", 0},
		{"-----BEGIN WARREN BUNDLE-----\r\naGVsbG8=\r\n-----END WARREN BUNDLE-----\r\n",
			"hello", 0},
		{"some text\n" BEGIN "aGVsbG8=\n" END "more text\n", "hello", 0},
		{"-----BEGIN WARREN PUBLIC KEY-----\nAAAA\n-----END WARREN PUBLIC KEY-----\n" BEGIN
		 "aGVsbG8=\n" END,
			"hello", 0},
		{BEGIN FULL END, FULL_IN, 0},
		{BEGIN FULL "aGVsbG8=\n" END, FULL_IN "hello", 0},
		{BEGIN FULL FULL END, FULL_IN FULL_IN, 0},
		{BEGIN END, "", 0},
		{"", NULL, ERR_NOT_FOUND},
		{"-----BEGIN WARREN BUNDLE----\naGVsbG8=\n" END, NULL, ERR_NOT_FOUND},
		{" " BEGIN "aGVsbG8=\n" END, NULL, ERR_NOT_FOUND},
		{BEGIN "aGVsbG8=\n", NULL, ERR_MALFORMED},
		{BEGIN "aGVsbG8=\n-----END WARREN PUBLIC KEY-----\n", NULL, ERR_MALFORMED},
		{BEGIN "aGVsbG8\n" END, NULL, ERR_MALFORMED},
		{BEGIN "aGVsbG9=\n" END, NULL, ERR_MALFORMED},
		{BEGIN "aGVs bG8=\n" END, NULL, ERR_MALFORMED},
		{BEGIN " aGVsbG8=\n" END, NULL, ERR_MALFORMED},
		{BEGIN "\naGVsbG8=\n" END, NULL, ERR_MALFORMED},
		{BEGIN "aGVs\nbG8=\n" END, NULL, ERR_MALFORMED},
		{BEGIN "aGVsbG8=\n" FULL END, NULL, ERR_MALFORMED},
		{BEGIN "AAAA" FULL END, NULL, ERR_MALFORMED},
		{BEGIN "aGV*bG8=\n" END, NULL, ERR_MALFORMED},
	};
	(void)state;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char out[128] = "";
		int n = pem_decode(
			rows[i].text, strlen(rows[i].text), PEM_BUNDLE, out, sizeof out - 1);
		int expected = rows[i].expected ? (int)strlen(rows[i].expected) : rows[i].err;
		if (n != expected || (n > 0 && memcmp(out, rows[i].expected, (size_t)n) != 0))
			fail_msg("row %zu: %d, expected %d", i, n, expected);
	}
	/* A NUL is no end of the text. */
	static const char nul[] = BEGIN "aGVs\0bG8=\n" END;
	char out[128];
	assert_int_equal(
		pem_decode(nul, sizeof nul - 1, PEM_BUNDLE, out, sizeof out), ERR_MALFORMED);
}

/* ---- Files */

static void test_files(void **state)
{
	char path[PATH];
	uint8_t key[PEM_KEY_SIZE] = {1, 2, 3}, again[PEM_KEY_SIZE];
	struct pem_error error;
	struct stat st;
	(void)state;

	in_dir("node.key", path);
	assert_int_equal(pem_write(path, PEM_PRIVATE_KEY, key, sizeof key, PEM_SECRET, &error), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(pem_read_private_key(path, again, &error), 0);
	assert_memory_equal(again, key, sizeof key);

	/* An existing file is replaced only when asked, and stays whole otherwise. */
	key[0] = 9;
	assert_int_equal(pem_write(path, PEM_PRIVATE_KEY, key, sizeof key, PEM_SECRET, &error),
		ERR_DUPLICATE);
	assert_non_null(strstr(error.text, "node.key: exists"));
	assert_int_equal(pem_read_private_key(path, again, &error), 0);
	assert_int_equal(again[0], 1);
	assert_int_equal(
		pem_write(path, PEM_PRIVATE_KEY, key, sizeof key, PEM_SECRET | PEM_REPLACE, &error),
		0);
	assert_int_equal(pem_read_private_key(path, again, &error), 0);
	assert_int_equal(again[0], 9);

	in_dir("public", path);
	assert_int_equal(pem_write(path, PEM_PUBLIC_KEY, key, sizeof key, 0, &error), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(pem_read_public_key(path, again, &error), 0);

	/* No temporary file is left behind. */
	char command[PATH];
	snprintf(command, sizeof command, "test $(ls -A %s | wc -l) = 2", dir);
	assert_int_equal(system(command), 0);
}

static void expect_refused(const char *path, int err, const char *words)
{
	uint8_t key[PEM_KEY_SIZE], zero[PEM_KEY_SIZE] = {0};
	struct pem_error error = {""};
	memset(key, 0xaa, sizeof key);
	assert_int_equal(pem_read_private_key(path, key, &error), err);
	if (!strstr(error.text, words) || strncmp(error.text, path, strlen(path)) != 0)
		fail_msg("'%s' does not tell of '%s'", error.text, words);
	if (key[0] != 0xaa)
		assert_memory_equal(key, zero, sizeof key);
}

static void test_permissions(void **state)
{
	static const mode_t readable[] = {0640, 0604, 0620, 0602, 0610, 0644, 0666};
	char path[PATH], link_path[PATH], sub[PATH], sub_key[PATH];
	uint8_t key[PEM_KEY_SIZE] = {1};
	struct pem_error error;
	(void)state;

	in_dir("secret.key", path);
	assert_int_equal(pem_write(path, PEM_PRIVATE_KEY, key, sizeof key, PEM_SECRET, &error), 0);
	for (size_t i = 0; i < sizeof readable / sizeof *readable; i++) {
		assert_int_equal(chmod(path, readable[i]), 0);
		expect_refused(path, ERR_FORBIDDEN, "expected 0600");
	}
	assert_int_equal(chmod(path, 0400), 0);
	assert_int_equal(pem_read_private_key(path, key, &error), 0);

	assert_int_equal(symlink(path, in_dir("link.key", link_path)), 0);
	expect_refused(link_path, ERR_FORBIDDEN, "symbolic link");
	expect_refused(dir, ERR_FORBIDDEN, "not a regular file");
	assert_int_equal(mkfifo(in_dir("fifo.key", link_path), 0600), 0);
	expect_refused(link_path, ERR_FORBIDDEN, "not a regular file"); /* and does not hang */
	expect_refused(in_dir("nothing.key", link_path), ERR_SYSTEM, "No such file");

	/* A directory that others can write to, unless it is sticky and root's, as /tmp is. */
	assert_int_equal(mkdir(in_dir("sub", sub), 0700), 0);
	in_dir("sub/secret.key", sub_key);
	assert_int_equal(
		pem_write(sub_key, PEM_PRIVATE_KEY, key, sizeof key, PEM_SECRET, &error), 0);
	assert_int_equal(chmod(sub, 0770), 0);
	expect_refused(sub_key, ERR_FORBIDDEN, "chmod go-w");
	assert_int_equal(chmod(sub, 0707), 0);
	expect_refused(sub_key, ERR_FORBIDDEN, "chmod go-w");
	assert_int_equal(chmod(sub, 01777), 0);
	if (geteuid() == 0)
		assert_int_equal(pem_read_private_key(sub_key, key, &error), 0);
	else
		expect_refused(sub_key, ERR_FORBIDDEN, "chmod go-w");
	assert_int_equal(chmod(sub, 0755), 0);
	assert_int_equal(pem_read_private_key(sub_key, key, &error), 0);
}

static void test_wrong_content(void **state)
{
	static const struct {
		const char *text;
		int err;
		const char *words;
	} rows[] = {
		{"", ERR_NOT_FOUND, "expected -----BEGIN WARREN PRIVATE KEY-----"},
		{"-----BEGIN WARREN PUBLIC KEY-----\nAAAA\n-----END WARREN PUBLIC KEY-----\n",
			ERR_NOT_FOUND, "holds a PUBLIC KEY, expected a PRIVATE KEY"},
		{"-----BEGIN WARREN PRIVATE KEY-----\nAAAA\n-----END WARREN PRIVATE KEY-----\n",
			ERR_MALFORMED, "3 bytes, expected a PRIVATE KEY of 32"},
		{"-----BEGIN WARREN PRIVATE KEY-----\nAAA\n-----END WARREN PRIVATE KEY-----\n",
			ERR_MALFORMED, "damaged"},
		{"-----BEGIN WARREN PRIVATE KEY-----\n" FULL "-----END WARREN PRIVATE KEY-----\n",
			ERR_NO_SPACE, "too long"},
	};
	char path[PATH];
	struct pem_error error;
	(void)state;

	in_dir("wrong.key", path);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(pem_write_text(path, rows[i].text, strlen(rows[i].text),
					 PEM_SECRET | PEM_REPLACE, &error),
			0);
		expect_refused(path, rows[i].err, rows[i].words);
	}
	char *huge = calloc(1, PEM_FILE_MAX);
	assert_non_null(huge);
	assert_int_equal(
		pem_write_text(path, huge, PEM_FILE_MAX, PEM_SECRET | PEM_REPLACE, &error), 0);
	free(huge);
	expect_refused(path, ERR_NO_SPACE, "too long");
}

static void test_write_errors(void **state)
{
	char path[PATH], target[PATH];
	struct pem_error error;
	(void)state;

	assert_int_equal(
		pem_write_text(in_dir("no/such/file", path), "x", 1, 0, &error), ERR_SYSTEM);
	assert_non_null(strstr(error.text, "No such file"));
	assert_int_equal(pem_write_text(dir, "x", 1, PEM_REPLACE, &error), ERR_SYSTEM);
	in_dir("a-link", path);
	assert_int_equal(symlink(in_dir("target", target), path), 0);
	assert_int_equal(pem_write_text(path, "x", 1, PEM_REPLACE, &error), ERR_SYSTEM);
	assert_non_null(strstr(error.text, "not a regular file"));
	assert_int_not_equal(access(target, F_OK), 0);
}

static void test_read_text(void **state)
{
	char path[PATH], out[8];
	struct pem_error error;
	(void)state;

	in_dir("text", path);
	assert_int_equal(pem_write_text(path, "1234567", 7, 0, &error), 0);
	assert_int_equal(pem_read_text(path, false, out, sizeof out, &error), 7);
	assert_string_equal(out, "1234567");
	assert_int_equal(pem_read_text(path, false, out, 7, &error), ERR_NO_SPACE);
	assert_int_equal(pem_read_text(path, true, out, sizeof out, &error), ERR_FORBIDDEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_permissions),
		cmocka_unit_test(test_wrong_content),
		cmocka_unit_test(test_write_errors),
		cmocka_unit_test(test_read_text),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
