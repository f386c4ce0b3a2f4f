/* Files written by other threads: the newest wins, and nothing is missing at the end. */
#include "core/daemon/node.h"

#include "core/config/state.h"
#include "core/crypto/primitives.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct node *n;
static char lines[1024];

static void keep_line(void *ctx, enum log_level level, const char *line)
{
	(void)ctx, (void)level;
	snprintf(lines + strlen(lines), sizeof lines - strlen(lines), "%s\n", line);
}

static int setup(void **state)
{
	(void)state;
	n = calloc(1, sizeof *n);
	if (!n || uv_loop_init(&n->loop) != 0)
		return -1;
	lines[0] = '\0';
	n->env.log = keep_line;
	strcpy(n->config.node.state_directory, "/tmp/warren-save-XXXXXX");
	return mkdtemp(n->config.node.state_directory) && save_open(n) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	char path[CONFIG_PATH_MAX];
	(void)state;
	uv_run(&n->loop, UV_RUN_DEFAULT);
	save_close(n);
	int rc = uv_loop_close(&n->loop);
	for (const char *const *name = (const char *const[]){STATE_HINTS, STATE_CLOCK, NULL}; *name;
		name++) {
		snprintf(path, sizeof path, "%.200s/%s", n->config.node.state_directory, *name);
		unlink(path);
	}
	rc |= rmdir(n->config.node.state_directory); /* nothing else is there */
	free(n);
	return rc;
}

static void expect(const char *name, const char *text)
{
	struct config_errors errors = {0};
	void *data;
	int len = state_load(&n->config, name, 100, &data, &errors);
	assert_int_equal(len, (int)strlen(text));
	assert_memory_equal(data, text, strlen(text));
	free(data);
}

static void write_text(enum save_file file, const char *text)
{
	save_write(n, file, text, strlen(text));
}

static void the_newest_is_there_at_last(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++) {
		write_text(SAVE_HINTS, "one");
		write_text(SAVE_HINTS, "two, which nobody may see");
		write_text(SAVE_CLOCK, "7\n");
		write_text(SAVE_HINTS, "three");
		uv_run(&n->loop, UV_RUN_DEFAULT);
		expect(STATE_HINTS, "three");
		expect(STATE_CLOCK, "7\n");
	}
	assert_string_equal(lines, "");
}

/* Queued, in hand, or waiting: all the same when the daemon ends. */
static void nothing_is_missing_at_the_end(void **state)
{
	(void)state;
	write_text(SAVE_CLOCK, "7\n");
	write_text(SAVE_HINTS, "one");
	write_text(SAVE_HINTS, "two");
	n->stopping = true;
	write_text(SAVE_HINTS, "three");
	save_finish(n);
	expect(STATE_HINTS, "three");
	expect(STATE_CLOCK, "7\n");
	uv_run(&n->loop, UV_RUN_DEFAULT); /* what a thread still reports changes nothing */
	expect(STATE_HINTS, "three");
	expect(STATE_CLOCK, "7\n");
}

/* The same while all threads of the pool are busy with something else. */
static void sleep_a_little(uv_work_t *work)
{
	(void)work;
	usleep(200000);
}

static void nothing_waits_for_the_pool(void **state)
{
	uv_work_t busy[8];
	(void)state;
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(uv_queue_work(&n->loop, &busy[i], sleep_a_little, NULL), 0);
	write_text(SAVE_CLOCK, "8\n");
	write_text(SAVE_HINTS, "here");
	n->stopping = true;
	save_finish(n);
	expect(STATE_HINTS, "here");
	expect(STATE_CLOCK, "8\n");
	uv_run(&n->loop, UV_RUN_DEFAULT);
	expect(STATE_HINTS, "here");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_newest_is_there_at_last, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_missing_at_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_waits_for_the_pool, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
