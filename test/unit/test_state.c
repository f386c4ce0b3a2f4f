/* Files of the state directory: whole or not at all, and never a reason not to start. */
#include "core/config/state.h"

#include "core/base/err.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct config config;
static struct config_errors errors;

static const char *path_of(const char *name, char out[CONFIG_PATH_MAX])
{
	snprintf(out, CONFIG_PATH_MAX, "%.200s/%s", config.node.state_directory, name);
	return out;
}

static int setup(void **state)
{
	(void)state;
	memset(&config, 0, sizeof config);
	memset(&errors, 0, sizeof errors);
	strcpy(config.node.state_directory, "/tmp/warren-state-XXXXXX");
	return mkdtemp(config.node.state_directory) ? 0 : -1;
}

static int teardown(void **state)
{
	char path[CONFIG_PATH_MAX];
	(void)state;
	unlink(path_of(STATE_CLOCK, path));
	unlink(path_of(STATE_HINTS, path));
	return rmdir(config.node.state_directory); /* fails if a temporary file was left behind */
}

static void write_clock(const char *text)
{
	assert_int_equal(state_save(&config, STATE_CLOCK, text, strlen(text), &errors), 0);
}

static void what_is_saved_is_loaded(void **state)
{
	static const char bytes[] = "a\0b\nc";
	char path[CONFIG_PATH_MAX];
	struct stat st;
	void *out;
	(void)state;
	assert_int_equal(state_load(&config, STATE_HINTS, 100, &out, &errors), 0);
	assert_null(out);
	assert_int_equal(errors.n, 0); /* that there is none is nothing to say */
	for (int i = 0; i < 2; i++) {  /* and again, over it */
		assert_int_equal(state_save(&config, STATE_HINTS, bytes, sizeof bytes, &errors), 0);
		assert_int_equal(
			state_load(&config, STATE_HINTS, 100, &out, &errors), (int)sizeof bytes);
		assert_memory_equal(out, bytes, sizeof bytes);
		free(out);
	}
	assert_int_equal(stat(path_of(STATE_HINTS, path), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* Larger than it can be: not ours. */
	assert_true(state_load(&config, STATE_HINTS, 3, &out, &errors) < 0);
	assert_null(out);
	assert_int_equal(errors.n, 1);
}

/* A limit on the size of files is as good as a full disk. */
static void a_failed_write_leaves_the_old_file(void **state)
{
	static char big[65536];
	struct rlimit had, small;
	void *out;
	(void)state;
	assert_int_equal(state_save(&config, STATE_HINTS, "old", 3, &errors), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &had), 0);
	small = had;
	small.rlim_cur = 4096;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	int rc = state_save(&config, STATE_HINTS, big, sizeof big, &errors);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &had), 0);
	assert_int_equal(rc, ERR_SYSTEM);
	assert_int_equal(errors.n, 1);
	assert_int_equal(state_load(&config, STATE_HINTS, 100, &out, &errors), 3);
	assert_memory_equal(out, "old", 3);
	free(out);
}

static void a_directory_that_is_not_there(void **state)
{
	(void)state;
	rmdir(config.node.state_directory);
	assert_int_equal(state_save(&config, STATE_HINTS, "x", 1, &errors), ERR_SYSTEM);
	assert_true(state_time_s(&config, &errors) > 1700000000);
	assert_int_equal(mkdir(config.node.state_directory, 0700), 0);
}

static void the_time_is_the_latest_known(void **state)
{
	static const char *const bad[] = {"", "x", "12", "12 \n", "-5\n",
		"99999999999999999999999\n", "4102444800\n4102444800\n", " 4102444800\n"};
	char text[STATE_CLOCK_TEXT_MAX];
	(void)state;
	uint64_t release = state_time_s(&config, &errors);
	assert_true(release > 1700000000); /* of the program */
	assert_int_equal(errors.n, 0);
	size_t len = state_format_time(4102444800, text);
	assert_int_equal(state_save(&config, STATE_CLOCK, text, len, &errors), 0);
	assert_int_equal(state_time_s(&config, &errors), 4102444800);
	write_clock("1000000000\n"); /* older than the program */
	assert_int_equal(state_time_s(&config, &errors), release);
	assert_int_equal(errors.n, 0);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		write_clock(bad[i]);
		assert_int_equal(state_time_s(&config, &errors), release);
	}
	assert_true(errors.n >= 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_saved_is_loaded, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_failed_write_leaves_the_old_file, setup, teardown),
		cmocka_unit_test_setup_teardown(a_directory_that_is_not_there, setup, teardown),
		cmocka_unit_test_setup_teardown(the_time_is_the_latest_known, setup, teardown),
	};
	signal(SIGXFSZ, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
