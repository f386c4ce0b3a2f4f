#include "core/cli/args.h"
#include "core/cli/cli.h"
#include "core/cli/keyfile.h"

#include <stdio.h>

int keygen_run(int argc, char **argv)
{
	enum { OUTPUT, FORCE };
	static const struct args_option options[] = {
		{"output", 'o', true}, {"force", 'f', false}, {0}};
	struct args args = args_of(argc, argv, options);
	const char *path = "node.key";
	bool force = false;

	for (int found; (found = args_next(&args)) != ARGS_END;) {
		if (found == ARGS_BAD)
			return CLI_USAGE;
		if (found == ARGS_POSITIONAL)
			return cli_usage("'%s': expected an option", args.value);
		if (found == OUTPUT)
			path = args.value;
		else
			force = true;
	}

	uint8_t key[KEY_LEN];
	char text[KEY_TEXT_SIZE];
	struct pem_error error;
	if (keyfile_make_pair(path, force, key, &error) != 0)
		return cli_fail("%s", error.text);
	puts(prim_base64_encode(text, key, sizeof key));
	return CLI_OK;
}
