#ifndef WARREN_CLI_CLI_H
#define WARREN_CLI_CLI_H

#include <stdbool.h>

/*
 * The `warren` command: one table row per verb (main.c), one function per verb. A verb gets its
 * own arguments (argv[0] is the verb's name) and returns an enum cli_exit. What it was asked
 * for goes to stdout, everything else to stderr. Secrets are never arguments and never printed.
 */
enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
};

struct cli_verb {
	const char *name;  /* one word, or two ("ca init") */
	const char *usage; /* what follows the name, "[--json] FILE" */
	const char *help;  /* one line */
	int (*run)(int argc, char **argv);
};

/* Offline verbs: no daemon, no network. */
int ca_init(int argc, char **argv);
int ca_bundle(int argc, char **argv);
int ca_revoke(int argc, char **argv);
int keygen_run(int argc, char **argv);
int sign_run(int argc, char **argv);
int show_run(int argc, char **argv);

/*
 * "warren VERB: message" to stderr; CLI_FAILED and CLI_USAGE respectively. The usage line
 * follows a usage error.
 */
__attribute__((format(printf, 1, 2))) int cli_fail(const char *format, ...);
__attribute__((format(printf, 1, 2))) int cli_usage(const char *format, ...);

#endif
