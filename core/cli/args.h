#ifndef WARREN_CLI_ARGS_H
#define WARREN_CLI_ARGS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A verb's arguments, by a table: options in any order and between the others, "--name VALUE",
 * "--name=VALUE", "-o VALUE"; "--" ends them. Errors are reported as usage errors.
 */
struct args_option {
	const char *name; /* without dashes; NULL ends the table */
	char letter;      /* 0 = no short form */
	bool takes_value;
};

struct args {
	int argc;
	char **argv; /* argv[0] is the verb */
	const struct args_option *options;
	int at;            /* next argument to look at */
	bool no_more;      /* "--" has been seen */
	const char *value; /* of the option or the positional argument found last */
};

enum args_found {
	ARGS_END = -1,
	ARGS_POSITIONAL = -2,
	ARGS_BAD = -3, /* reported */
};

struct args args_of(int argc, char **argv, const struct args_option *options);
/* The index in options of the next option, or an enum args_found. */
int args_next(struct args *args);

/* A decimal number from 1 to max, or 0: not one. */
uint32_t args_number(const char *text, uint32_t max);

#endif
