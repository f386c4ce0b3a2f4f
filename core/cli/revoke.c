#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/cli/args.h"
#include "core/cli/castore.h"
#include "core/cli/cli.h"
#include "core/cli/specs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUNDLE_DAYS 30

struct revoke_args {
	const char *dir, *cert, *key, *serial, *issuer, *passphrase_file, *output;
	uint32_t days;
};

static int parse(int argc, char **argv, struct revoke_args *out)
{
	enum { CA, CERT, KEY, SERIAL, ISSUER, DAYS, PASSPHRASE_FILE, OUTPUT };
	static const struct args_option options[] = {{"ca", 0, true}, {"cert", 0, true},
		{"key", 0, true}, {"serial", 0, true}, {"issuer", 0, true}, {"days", 0, true},
		{"passphrase-file", 0, true}, {"output", 'o', true}, {0}};
	struct args args = args_of(argc, argv, options);
	const char **const texts[] = {[CA] = &out->dir,
		[CERT] = &out->cert,
		[KEY] = &out->key,
		[SERIAL] = &out->serial,
		[ISSUER] = &out->issuer,
		[DAYS] = NULL,
		[PASSPHRASE_FILE] = &out->passphrase_file,
		[OUTPUT] = &out->output};

	*out = (struct revoke_args){.days = BUNDLE_DAYS};
	for (int found; (found = args_next(&args)) != ARGS_END;) {
		if (found == ARGS_BAD)
			return CLI_USAGE;
		if (found == ARGS_POSITIONAL)
			return cli_usage("'%s': expected an option", args.value);
		if (found != DAYS)
			*texts[found] = args.value;
		else if (specs_days(args.value, &out->days) != CLI_OK)
			return CLI_USAGE;
	}
	if (!out->dir)
		return cli_usage("expected --ca DIR");
	if (!!out->cert + !!out->key + !!out->serial != 1)
		return cli_usage("expected one of --cert, --key and --serial");
	if (out->issuer && !out->serial)
		return cli_usage("--issuer: expected with --serial only");
	return CLI_OK;
}

static bool parse_hex8(const char *text, uint8_t out[8])
{
	static const char digits[] = "0123456789abcdef";
	if (strlen(text) != 16 || strspn(text, digits) != 16)
		return false;
	for (size_t i = 0; i < 8; i++)
		out[i] = (uint8_t)((strchr(digits, text[2 * i]) - digits) << 4 |
			(strchr(digits, text[2 * i + 1]) - digits));
	return true;
}

/* Is this the root's id, or that of an issuer of the last bundle? */
static bool known_issuer(const struct castore *ca, const uint8_t id[CERT_ID_SIZE])
{
	return memcmp(id, ca->root_id, CERT_ID_SIZE) == 0 || bundle_find_issuer(ca->bundle, id);
}

/* The issuer id and serial that --cert or --serial mean. */
static int find_record(const struct castore *ca, const struct revoke_args *args,
	uint8_t record[BUNDLE_REVOKED_SIZE])
{
	uint8_t bytes[CERT_MAX];
	struct pem_error error;
	struct cert cert;

	if (args->serial) {
		memcpy(record, ca->root_id, CERT_ID_SIZE);
		if (args->issuer && !parse_hex8(args->issuer, record))
			return cli_usage(
				"--issuer %s: expected 16 hexadecimal digits", args->issuer);
		if (!parse_hex8(args->serial, record + CERT_ID_SIZE))
			return cli_usage(
				"--serial %s: expected 16 hexadecimal digits", args->serial);
		return CLI_OK;
	}
	int n = pem_read(args->cert, PEM_CERTIFICATE, bytes, sizeof bytes, &error);
	if (n < 0)
		return cli_fail("%s", error.text);
	int rc = cert_decode(bytes, (size_t)n, &cert);
	if (rc != 0)
		return cli_fail("%s: %s, expected a certificate", args->cert, err_name(rc));
	if (!known_issuer(ca, cert.issuer_id))
		return cli_fail(
			"%s: of another network, expected one of %s", args->cert, args->dir);
	struct writer w = writer_of(record, BUNDLE_REVOKED_SIZE);
	write_bytes(&w, cert.issuer_id, CERT_ID_SIZE);
	write_u64(&w, cert.serial);
	return CLI_OK;
}

/*
 * A copy of n ascending records with one more in its place, for the caller to free; NULL when it is
 * there already, or without memory.
 */
static uint8_t *insert(const uint8_t *records, size_t n, size_t size, const uint8_t *record)
{
	size_t at = 0;
	while (at < n && memcmp(records + at * size, record, size) < 0)
		at++;
	if (at < n && memcmp(records + at * size, record, size) == 0)
		return NULL;
	uint8_t *out = malloc((n + 1) * size);
	if (!out)
		return NULL;
	if (at > 0)
		memcpy(out, records, at * size);
	memcpy(out + at * size, record, size);
	if (at < n)
		memcpy(out + (at + 1) * size, records + at * size, (n - at) * size);
	return out;
}

/* Adds the record to the bundle; *list is what it borrows from then on. */
static int add(
	const struct revoke_args *args, struct bundle *b, const uint8_t *record, uint8_t **list)
{
	bool key = args->key != NULL;
	size_t size = key ? CERT_KEY_SIZE : BUNDLE_REVOKED_SIZE;
	size_t max = key ? BUNDLE_REVOKED_KEYS_MAX : BUNDLE_REVOKED_MAX;
	uint16_t *n = key ? &b->n_revoked_keys : &b->n_revoked;
	const uint8_t **records = key ? &b->revoked_keys : &b->revoked;

	*list = insert(*records, *n, size, record);
	if (!*list)
		return cli_fail("already revoked by bundle %llu", (unsigned long long)b->number);
	if (*n == max)
		return cli_fail("the revocation list is full, expected at most %zu", max);
	*records = *list;
	(*n)++;
	b->number++;
	return CLI_OK;
}

static int revoke(struct castore *ca, const struct revoke_args *args)
{
	uint8_t record[CERT_KEY_SIZE], *list = NULL;
	struct pem_error error;
	struct bundle b;
	int status = CLI_OK;

	if (!ca->bundle)
		return cli_fail("%s: no bundle yet, expected 'warren ca bundle' first", args->dir);
	if (!args->key)
		status = find_record(ca, args, record);
	else if (keyfile_public_key(args->key, record, &error) != 0)
		status = cli_fail("--key %s", error.text);
	if (status != CLI_OK)
		return status;
	b = *ca->bundle;
	status = add(args, &b, record, &list);
	if (status == CLI_OK)
		status = castore_sign_bundle(
			ca, &b, args->days, args->passphrase_file, args->output);
	free(list);
	return status;
}

int ca_revoke(int argc, char **argv)
{
	struct castore ca;
	struct revoke_args args;

	int status = parse(argc, argv, &args);
	if (status != CLI_OK)
		return status;
	status = castore_open(&ca, args.dir);
	if (status == CLI_OK)
		status = revoke(&ca, &args);
	castore_close(&ca);
	return status;
}
