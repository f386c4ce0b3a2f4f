/* What others do to us is worth a line of log, but not as many as they like. */
#include "core/daemon/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define START (1000 * NS_PER_S)

static struct log logger;

static int set_up(void **state)
{
	(void)state;
	log_init(&logger);
	logger.journal = true;
	return 0;
}

static void ten_a_second_of_a_kind(void **state)
{
	(void)state;
	static const char one[] = "%s: refused", two[] = "%s: something else";
	unsigned written = 0, missing = 0, left_out;
	for (unsigned i = 0; i < 10000; i++)
		if (log_wanted_at(&logger, LOG_WARN, one, START + i * NS_PER_MS, &left_out)) {
			written++;
			missing += left_out;
		}
	assert_in_range(written, LOG_BURST + 90, LOG_BURST + 101);
	/* Another kind has its own, and what was left out is told with the next line. */
	assert_true(log_wanted_at(&logger, LOG_WARN, two, START + 10 * NS_PER_S, &left_out));
	assert_int_equal(left_out, 0);
	assert_true(log_wanted_at(&logger, LOG_WARN, one, START + 60 * NS_PER_S, &left_out));
	assert_int_equal(written + missing + left_out, 10000);
}

static void the_level_comes_first(void **state)
{
	(void)state;
	unsigned left_out;
	assert_false(log_wanted_at(&logger, LOG_DEBUG, "x", START, &left_out));
	logger.level = LOG_DEBUG;
	for (unsigned i = 0; i < 1000; i++) /* who asked for everything gets it */
		assert_true(log_wanted_at(&logger, LOG_DEBUG, "x", START, &left_out));
	logger.level = LOG_ERROR;
	for (unsigned i = 0; i < 1000; i++) /* not counted either */
		assert_false(log_wanted_at(&logger, LOG_INFO, "y", START, &left_out));
	logger.level = LOG_INFO;
	assert_true(log_wanted_at(&logger, LOG_INFO, "y", START, &left_out));
	assert_int_equal(left_out, 0);
}

/* More kinds than there are places: those that are too many share one, and nothing breaks. */
static void kinds_are_bounded(void **state)
{
	(void)state;
	static const char formats[4 * LOG_KINDS];
	unsigned left_out, written = 0;
	for (unsigned i = 0; i < sizeof formats; i++)
		written += log_wanted_at(&logger, LOG_INFO, &formats[i], START, &left_out);
	assert_int_equal(written, LOG_KINDS - 1 + LOG_BURST);
}

/* The whole way: env_log to stderr. */
static void lines_left_out_are_counted_in_the_log(void **state)
{
	(void)state;
	const struct env env = {.ctx = &logger, .log = log_write, .log_wanted = log_wanted};
	char text[16384];
	int saved = dup(STDERR_FILENO), ends[2];
	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	for (unsigned i = 0; i < 300; i++) {
		if (i == 299)
			usleep(150000); /* a token comes back */
		env_log(&env, LOG_WARN, "flood %u", i);
	}
	dup2(saved, STDERR_FILENO);
	ssize_t len = read(ends[0], text, sizeof text - 1);
	assert_true(len > 0);
	text[len] = '\0';
	assert_non_null(strstr(text, "<4>flood 0\n"));
	assert_null(strstr(text, "flood 298\n"));
	assert_non_null(strstr(text, "lines like the next one were left out\n<4>flood 299\n"));
	close(saved);
	close(ends[0]);
	close(ends[1]);
}

#define CASE(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(ten_a_second_of_a_kind),
		CASE(the_level_comes_first),
		CASE(kinds_are_bounded),
		CASE(lines_left_out_are_counted_in_the_log),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
