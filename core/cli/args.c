#include "core/cli/args.h"

#include "core/cli/cli.h"
#include "core/config/suggest.h"

#include <string.h>

struct args args_of(int argc, char **argv, const struct args_option *options)
{
	return (struct args){.argc = argc, .argv = argv, .options = options, .at = 1};
}

static int find_long(const struct args_option *options, const char *name, size_t len)
{
	for (int i = 0; options[i].name; i++)
		if (strlen(options[i].name) == len && memcmp(options[i].name, name, len) == 0)
			return i;
	return ARGS_BAD;
}

static int unknown(const struct args *args, const char *argument)
{
	const char *nearest = NULL;
	unsigned best = SUGGEST_FAR;

	for (const struct args_option *o = args->options; o->name && argument[1] == '-'; o++) {
		unsigned distance = suggest_distance(argument + 2, o->name);
		if (distance < best) {
			best = distance;
			nearest = o->name;
		}
	}
	if (nearest && suggest_near(argument + 2, best))
		cli_usage("unknown option %s, did you mean --%s?", argument, nearest);
	else
		cli_usage("unknown option %s", argument);
	return ARGS_BAD;
}

static int find_option(struct args *args, const char *argument)
{
	const struct args_option *options = args->options;
	args->value = NULL;
	if (argument[1] == '-') {
		const char *name = argument + 2, *equals = strchr(name, '=');
		args->value = equals ? equals + 1 : NULL;
		return find_long(options, name, equals ? (size_t)(equals - name) : strlen(name));
	}
	for (int i = 0; options[i].name; i++)
		if (argument[1] == options[i].letter && !argument[2])
			return i;
	return ARGS_BAD;
}

int args_next(struct args *args)
{
	if (args->at >= args->argc)
		return ARGS_END;
	char *argument = args->argv[args->at++];
	if (args->no_more || argument[0] != '-' || !argument[1]) {
		args->value = argument;
		return ARGS_POSITIONAL;
	}
	if (strcmp(argument, "--") == 0) {
		args->no_more = true;
		return args_next(args);
	}
	int found = find_option(args, argument);
	if (found < 0)
		return unknown(args, argument);
	const struct args_option *option = &args->options[found];
	if (!option->takes_value && args->value) {
		cli_usage("--%s takes no value", option->name);
		return ARGS_BAD;
	}
	if (option->takes_value && !args->value) {
		if (args->at >= args->argc) {
			cli_usage("%s needs a value", argument);
			return ARGS_BAD;
		}
		args->value = args->argv[args->at++];
	}
	return found;
}

uint32_t args_number(const char *text, uint32_t max)
{
	uint64_t number = 0;
	if (!*text || strlen(text) > 10)
		return 0;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return 0;
		number = number * 10 + (uint64_t)(*text - '0');
	}
	return number <= max ? (uint32_t)number : 0;
}
