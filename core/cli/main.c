#include "core/cli/cli.h"
#include "core/cli/online.h"

#include "core/config/suggest.h"
#include "core/crypto/primitives.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* Further lines of a usage text stand below its first one. */
#define NEXT "\n         "

static const struct cli_verb verbs[] = {
	{"ca init", "DIR [--name NAME] [--no-passphrase | --passphrase-file FILE]",
		"make a network: its root key and its 'network =' line", ca_init},
	{"ca bundle",
		"--ca DIR [--hub NAME=KEY[,KEY]@HOST[:PORT][,HOST[:PORT]]]..." NEXT
		"[--issuer KEY,PREFIX[,PREFIX][,role=ROLE][,days=N]]... [--days N]" NEXT
		"[--ciphers LIST] [--psk required|optional] [--number N]" NEXT
		"[--passphrase-file FILE] [-o FILE]",
		"sign the network's bundle: hubs, issuers, ciphers, revocations", ca_bundle},
	{"ca revoke",
		"--ca DIR (--cert FILE | --key KEY | --serial HEX [--issuer HEX])" NEXT
		"[--days N] [--passphrase-file FILE] [-o FILE]",
		"revoke a certificate or a key, and sign the bundle again", ca_revoke},
	{"keygen", "[-o FILE] [--force]", "make a node's key pair, FILE (node.key) and FILE.pub",
		keygen_run},
	{"sign",
		"--ca DIR --name NAME --role hub|spoke --address ADDRESS/LEN..." NEXT
		"[--prefix PREFIX]... [--group GROUP]... [--days N] [--allow-default]" NEXT
		"[--passphrase-file FILE] [-o FILE] KEY",
		"sign a certificate for a node's public key (file or base64)", sign_run},
	{"show", "[--json] [--network FILE|BASE64] FILE",
		"print a certificate, bundle, key or network", show_run},
	{"check", "[--json] FILE", "check a config and the files it names", online_check},
	{"status", "[--json] [--socket PATH]", "what the daemon is and does", online_status},
	{"peers", "[--json] [--socket PATH]", "hubs and spokes it knows, and the paths to them",
		online_peers},
	{"routes", "[--json] [--socket PATH]", "kernel routes and shortcuts it forwards by",
		online_routes},
	{"nhrp", "[--json] [--socket PATH]", "registrations, bindings, resolutions, shortcuts",
		online_nhrp},
	{"ping", "[--json] [-c COUNT] [--socket PATH] NAME",
		"is a peer there, how far, and is the path direct?", online_ping},
	{"rekey", "[--json] [--socket PATH] NAME", "make new keys with a peer at once",
		online_rekey},
	{"reload", "[--json] [--socket PATH]", "read the config and the bundle again",
		online_reload},
};

#define VERBS (sizeof verbs / sizeof *verbs)

/* The verb that runs, for messages. */
static const struct cli_verb *current;

static void complain(const char *format, va_list args)
{
	fprintf(stderr, "warren%s%s: ", current ? " " : "", current ? current->name : "");
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

int cli_fail(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	complain(format, args);
	va_end(args);
	return CLI_FAILED;
}

int cli_usage(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	complain(format, args);
	va_end(args);
	if (current)
		fprintf(stderr, "usage: warren %s %s\n", current->name, current->usage);
	else
		fputs("'warren help' lists what there is\n", stderr);
	return CLI_USAGE;
}

/* The verb that argv starts with; *words is how many of them its name has. */
static const struct cli_verb *find_verb(int argc, char **argv, int *words)
{
	char two[64];
	snprintf(two, sizeof two, "%s %s", argv[0], argc > 1 ? argv[1] : "");
	for (size_t i = 0; i < VERBS; i++) {
		*words = strchr(verbs[i].name, ' ') ? 2 : 1;
		if (strcmp(verbs[i].name, *words == 2 ? two : argv[0]) == 0)
			return &verbs[i];
	}
	return NULL;
}

/* "ca" alone: the first word of verbs that have two. */
static bool is_first_word(const char *word)
{
	size_t len = strlen(word);
	bool found = false;
	for (size_t i = 0; i < VERBS; i++)
		found = found ||
			(strncmp(verbs[i].name, word, len) == 0 && verbs[i].name[len] == ' ');
	return found;
}

static int unknown_verb(int argc, char **argv)
{
	const char *nearest = NULL;
	unsigned best = SUGGEST_FAR;
	char typed[64];

	if (argc == 1 && is_first_word(argv[0]))
		return cli_usage("'%s': expected one more word", argv[0]);
	for (size_t i = 0; i < VERBS; i++) {
		bool two = strchr(verbs[i].name, ' ') != NULL && argc > 1;
		snprintf(
			typed, sizeof typed, "%s%s%s", argv[0], two ? " " : "", two ? argv[1] : "");
		unsigned distance = suggest_distance(typed, verbs[i].name);
		if (distance < best && suggest_near(typed, distance)) {
			best = distance;
			nearest = verbs[i].name;
		}
	}
	if (nearest)
		return cli_usage("unknown verb '%s', did you mean '%s'?", argv[0], nearest);
	return cli_usage("unknown verb '%s'", argv[0]);
}

/* The help of the verbs that start with this word, or of all. */
static void print_help(const char *word, FILE *out)
{
	size_t len = word ? strlen(word) : 0;
	fputs("usage: warren VERB ...\n\n", out);
	for (size_t i = 0; i < VERBS; i++)
		if (!word || strncmp(verbs[i].name, word, len) == 0)
			fprintf(out, "  %-10s %s\n", verbs[i].name, verbs[i].help);
	fputs("\n'warren help VERB' or 'warren VERB --help' tells how to use one.\n"
	      "Exit status: 0 fine, 1 failed, 2 wrong usage.\n",
		out);
}

static bool wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

static int run(int argc, char **argv)
{
	int words;
	bool help = strcmp(argv[0], "help") == 0 || strcmp(argv[0], "--help") == 0 ||
		strcmp(argv[0], "-h") == 0;

	if (strcmp(argv[0], "--version") == 0) {
		printf("warren " WARREN_VERSION " (libsodium %s)\n", prim_version());
		return CLI_OK;
	}
	if (help && argc == 1) {
		print_help(NULL, stdout);
		return CLI_OK;
	}
	if (help) {
		argc--;
		argv++;
	}
	current = find_verb(argc, argv, &words);
	if (!current && is_first_word(argv[0]) && (help ? argc == 1 : wants_help(argc, argv))) {
		print_help(argv[0], stdout);
		return CLI_OK;
	}
	if (!current)
		return unknown_verb(argc, argv);
	argc -= words - 1;
	argv += words - 1;
	if (!help && !wants_help(argc, argv))
		return current->run(argc, argv);
	printf("usage: warren %s %s\n\n%s\n", current->name, current->usage, current->help);
	return CLI_OK;
}

int main(int argc, char **argv)
{
	/* A core file could hold a key. */
	const struct rlimit no_core = {0, 0};
	setrlimit(RLIMIT_CORE, &no_core);

	if (prim_init() != 0)
		return cli_fail("cannot initialise libsodium");
	if (argc < 2) {
		print_help(NULL, stderr);
		return CLI_USAGE;
	}
	int status = run(argc - 1, argv + 1);
	if (fflush(stdout) != 0 && status == CLI_OK)
		status = cli_fail("cannot write to the standard output");
	return status;
}
