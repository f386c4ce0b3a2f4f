#include "core/cli/args.h"
#include "core/cli/castore.h"
#include "core/cli/cli.h"
#include "core/cli/passphrase.h"
#include "core/cli/specs.h"
#include "core/trust/cert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUNDLE_DAYS 30

/* ---- ca init */

int ca_init(int argc, char **argv)
{
	enum { NAME, NO_PASSPHRASE, PASSPHRASE_FILE };
	static const struct args_option options[] = {
		{"name", 0, true}, {"no-passphrase", 0, false}, {"passphrase-file", 0, true}, {0}};
	const char *dir = NULL, *name = NULL, *file = NULL;
	bool open = false;
	struct args args = args_of(argc, argv, options);

	for (int found; (found = args_next(&args)) != ARGS_END;) {
		if (found == ARGS_BAD)
			return CLI_USAGE;
		if (found == NAME)
			name = args.value;
		else if (found == NO_PASSPHRASE)
			open = true;
		else if (found == PASSPHRASE_FILE)
			file = args.value;
		else if (dir)
			return cli_usage("'%s': expected one directory", args.value);
		else
			dir = args.value;
	}
	if (!dir || strlen(dir) > CASTORE_PATH_MAX - 32)
		return cli_usage("expected a directory");
	if (open && file)
		return cli_usage("expected --no-passphrase or --passphrase-file, not both");
	if (name && !cert_name_valid(name))
		return cli_usage("--name %s: expected 1 to %d of a-z, 0-9, '.' and '-'", name,
			CERT_NAME_MAX);

	char passphrase[PASSPHRASE_MAX];
	struct pem_error error;
	if (!open && passphrase_read(file, "the new root key", true, passphrase, &error) != 0)
		return cli_fail("%s", error.text);
	int status = castore_create(dir, name, open ? NULL : passphrase);
	prim_wipe(passphrase, sizeof passphrase);
	return status;
}

/* ---- ca bundle */

struct bundle_args {
	const char *dir, *passphrase_file, *output;
	uint32_t days, number; /* number 0: the next */
	uint8_t ciphers;       /* 0: as before */
	int psk;               /* -1: as before */
	bool hubs_given, issuers_given;
	uint8_t n_hubs, n_issuers;
	struct bundle_hub hubs[BUNDLE_HUBS_MAX];
	struct bundle_issuer issuers[BUNDLE_ISSUERS_MAX];
};

static int add_hub(struct bundle_args *out, const char *text)
{
	out->hubs_given = true;
	if (strcmp(text, "none") == 0)
		return CLI_OK;
	if (out->n_hubs == BUNDLE_HUBS_MAX)
		return cli_usage("--hub: expected at most %d", BUNDLE_HUBS_MAX);
	struct bundle_hub *hub = &out->hubs[out->n_hubs];
	if (specs_hub(text, hub) != CLI_OK)
		return CLI_USAGE;
	for (uint8_t i = 0; i < out->n_hubs; i++)
		if (strcmp(out->hubs[i].name, hub->name) == 0)
			return cli_usage(
				"--hub %s: given twice, expected one with all its keys", hub->name);
	out->n_hubs++;
	return CLI_OK;
}

static int compare_issuers(const void *a, const void *b)
{
	const struct bundle_issuer *x = a, *y = b;
	return memcmp(x->key, y->key, sizeof x->key);
}

static int add_issuer(struct bundle_args *out, const char *text)
{
	out->issuers_given = true;
	if (strcmp(text, "none") == 0)
		return CLI_OK;
	if (out->n_issuers == BUNDLE_ISSUERS_MAX)
		return cli_usage("--issuer: expected at most %d", BUNDLE_ISSUERS_MAX);
	struct bundle_issuer *issuer = &out->issuers[out->n_issuers];
	if (specs_issuer(text, issuer) != CLI_OK)
		return CLI_USAGE;
	for (uint8_t i = 0; i < out->n_issuers; i++)
		if (compare_issuers(&out->issuers[i], issuer) == 0)
			return cli_usage("--issuer: the same key twice");
	out->n_issuers++;
	return CLI_OK;
}

static int parse_psk(const char *text, int *out)
{
	*out = strcmp(text, "required") == 0 ? 1 : strcmp(text, "optional") == 0 ? 0 : -1;
	return *out >= 0 ? CLI_OK : cli_usage("--psk %s: expected required or optional", text);
}

static int parse_bundle_args(int argc, char **argv, struct bundle_args *out)
{
	enum { CA, HUB, ISSUER, DAYS, CIPHERS, PSK, NUMBER, PASSPHRASE_FILE, OUTPUT };
	static const struct args_option options[] = {{"ca", 0, true}, {"hub", 0, true},
		{"issuer", 0, true}, {"days", 0, true}, {"ciphers", 0, true}, {"psk", 0, true},
		{"number", 0, true}, {"passphrase-file", 0, true}, {"output", 'o', true}, {0}};
	struct args args = args_of(argc, argv, options);
	int status = CLI_OK;

	memset(out, 0, sizeof *out);
	out->days = BUNDLE_DAYS;
	out->psk = -1;
	for (int found; status == CLI_OK && (found = args_next(&args)) != ARGS_END;) {
		if (found == CA)
			out->dir = args.value;
		else if (found == HUB)
			status = add_hub(out, args.value);
		else if (found == ISSUER)
			status = add_issuer(out, args.value);
		else if (found == DAYS)
			status = specs_days(args.value, &out->days);
		else if (found == CIPHERS)
			status = specs_ciphers(args.value, &out->ciphers);
		else if (found == PSK)
			status = parse_psk(args.value, &out->psk);
		else if (found == NUMBER && !(out->number = args_number(args.value, UINT32_MAX)))
			status = cli_usage("--number %s: expected a number", args.value);
		else if (found == PASSPHRASE_FILE)
			out->passphrase_file = args.value;
		else if (found == OUTPUT)
			out->output = args.value;
		else if (found == ARGS_POSITIONAL)
			status = cli_usage("'%s': expected an option", args.value);
		else if (found == ARGS_BAD)
			status = CLI_USAGE;
	}
	return status == CLI_OK && !out->dir ? cli_usage("expected --ca DIR") : status;
}

/* Two hubs, or a hub's two keys, that are one key would reset each other's sessions. */
static int check_hub_keys(const struct bundle *b)
{
	for (uint8_t i = 0; i < b->n_hubs; i++)
		for (uint8_t j = 0; j < b->hubs[i].n_keys; j++) {
			const uint8_t *key = b->hubs[i].keys[j];
			if (bundle_find_hub(b, key) != &b->hubs[i] ||
				(j > 0 && memcmp(key, b->hubs[i].keys[0], KEY_LEN) == 0))
				return cli_usage("--hub %s: a key that is there already, expected "
						 "one of its own",
					b->hubs[i].name);
		}
	return CLI_OK;
}

/* The last bundle, or the empty one, with what the arguments change. */
static int compose(const struct castore *ca, const struct bundle_args *args, struct bundle *out)
{
	if (ca->bundle)
		*out = *ca->bundle;
	else
		*out = (struct bundle){.ciphers = SPECS_CIPHERS_ALL};
	if (args->hubs_given) {
		out->n_hubs = args->n_hubs;
		memcpy(out->hubs, args->hubs, sizeof out->hubs);
	}
	if (args->issuers_given) {
		out->n_issuers = args->n_issuers;
		memcpy(out->issuers, args->issuers, sizeof out->issuers);
		qsort(out->issuers, out->n_issuers, sizeof *out->issuers, compare_issuers);
	}
	if (args->ciphers)
		out->ciphers = args->ciphers;
	if (args->psk >= 0)
		out->flags = args->psk ? BUNDLE_PSK_REQUIRED : 0;
	if (out->n_hubs == 0 && !args->hubs_given)
		return cli_usage("no hub yet, expected --hub NAME=KEY@HOST:PORT");
	if (args->number && args->number <= out->number)
		return cli_usage("--number %u: expected more than the last bundle's, %llu",
			args->number, (unsigned long long)out->number);
	out->number = args->number ? args->number : out->number + 1;
	return check_hub_keys(out);
}

int ca_bundle(int argc, char **argv)
{
	struct castore ca;
	struct bundle_args args;
	struct bundle b;

	int status = parse_bundle_args(argc, argv, &args);
	if (status != CLI_OK)
		return status;
	status = castore_open(&ca, args.dir);
	if (status == CLI_OK)
		status = compose(&ca, &args, &b);
	if (status == CLI_OK)
		status = castore_sign_bundle(&ca, &b, args.days, args.passphrase_file, args.output);
	castore_close(&ca);
	return status;
}
