#include "core/config/identity.h"
#include "core/crypto/primitives.h"
#include "core/daemon/node.h"

#include <getopt.h>
#include <stdio.h>
#include <stdbool.h>

/* warrend: reads its arguments, all else is node.c's. Exit status: 0 fine, 1 failed, 2 usage. */
enum long_option {
	OPTION_CHECK = 256,
	OPTION_VERSION,
	OPTION_FOREGROUND,
};

static const char usage[] =
	"usage: warrend [-c FILE] [--check]\n"
	"  -c, --config FILE  the config, by default " WARREN_CONFIG_PATH "\n"
	"      --check        check the config and the files it names, then exit\n"
	"      --foreground   stay in the foreground, which is what it always does\n"
	"      --version      print the version\n"
	"  -h, --help         print this\n";

static int check(const char *path)
{
	struct config_errors errors = {0}, warnings = {0};
	if (prim_init() != 0)
		return 1;
	int rc = identity_check(path, os_wall_s(), &errors, &warnings);
	fputs(warnings.text, stderr);
	fputs(errors.text, stderr);
	if (rc == 0)
		puts("OK");
	return rc == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, OPTION_CHECK},
		{"foreground", no_argument, NULL, OPTION_FOREGROUND},
		{"version", no_argument, NULL, OPTION_VERSION},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	const char *path = WARREN_CONFIG_PATH;
	bool check_only = false;
	for (int c; (c = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
		switch (c) {
		case 'c':
			path = optarg;
			break;
		case OPTION_CHECK:
			check_only = true;
			break;
		case OPTION_FOREGROUND:
			break;
		case OPTION_VERSION:
			printf("warrend " WARREN_VERSION " (libsodium %s)\n", prim_version());
			return 0;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "warrend: '%s' is one argument too many\n%s", argv[optind], usage);
		return 2;
	}
	return check_only ? check(path) : node_main(path);
}
