#include "core/base/err.h"
#include "core/cli/args.h"
#include "core/cli/castore.h"
#include "core/cli/cli.h"
#include "core/cli/specs.h"
#include "core/cli/when.h"

#include <stdio.h>
#include <string.h>

#define CERT_DAYS 365

struct sign_args {
	const char *dir, *passphrase_file, *output, *key;
	uint32_t days;
	bool allow_default;
	struct cert cert; /* what the options say of it */
};

static int add_net(struct prefix *list, uint8_t *n, uint8_t max, const char *option,
	int (*parse)(const char *, struct prefix *), const char *text)
{
	if (*n == max)
		return cli_usage("--%s: expected at most %u", option, max);
	return parse(text, &list[(*n)++]);
}

static int add_group(struct cert *cert, const char *text)
{
	if (cert->n_groups == CERT_GROUPS_MAX)
		return cli_usage("--group: expected at most %d", CERT_GROUPS_MAX);
	if (!cert_group_valid(text))
		return cli_usage("--group: expected 1 to %d printable characters without blanks",
			CERT_GROUP_MAX);
	strcpy(cert->groups[cert->n_groups++], text);
	return CLI_OK;
}

static int set_name(struct cert *cert, const char *text)
{
	if (!cert_name_valid(text))
		return cli_usage("--name %s: expected 1 to %d of a-z, 0-9, '.' and '-'", text,
			CERT_NAME_MAX);
	strcpy(cert->name, text);
	return CLI_OK;
}

/*
 * The right to announce a default route is two things in a certificate: the role, and the prefix.
 * --allow-default without such a prefix means the families of the addresses.
 */
static int apply_default(struct sign_args *args)
{
	struct cert *cert = &args->cert;
	bool has = false;
	for (uint8_t i = 0; i < cert->n_prefixes; i++)
		has = has || cert->prefixes[i].len == 0;
	if (has && !args->allow_default)
		return cli_usage("--prefix with length 0: expected --allow-default too");
	if (!args->allow_default)
		return CLI_OK;
	cert->role |= CERT_DEFAULT;
	for (uint8_t i = 0; i < cert->n_addresses && !has; i++) {
		if (cert->n_prefixes == CERT_PREFIXES_MAX)
			return cli_usage("--allow-default: no room for one more prefix");
		struct prefix *p = &cert->prefixes[cert->n_prefixes++];
		*p = (struct prefix){.addr.family = cert->addresses[i].addr.family};
	}
	return CLI_OK;
}

static int check(struct sign_args *args)
{
	if (!args->dir)
		return cli_usage("expected --ca DIR");
	if (!args->cert.name[0])
		return cli_usage("expected --name NAME");
	if (!args->cert.role)
		return cli_usage("expected --role hub or spoke");
	if (args->cert.n_addresses == 0)
		return cli_usage("expected --address ADDRESS/LEN");
	if (!args->key)
		return cli_usage("expected the node's public key, as a file or as base64");
	return apply_default(args);
}

static int parse(int argc, char **argv, struct sign_args *out)
{
	enum { CA, NAME, ROLE, ADDRESS, PREFIX, GROUP, DAYS, DEFAULT, PASSPHRASE_FILE, OUTPUT };
	static const struct args_option options[] = {{"ca", 0, true}, {"name", 0, true},
		{"role", 0, true}, {"address", 0, true}, {"prefix", 0, true}, {"group", 0, true},
		{"days", 0, true}, {"allow-default", 0, false}, {"passphrase-file", 0, true},
		{"output", 'o', true}, {0}};
	struct args args = args_of(argc, argv, options);
	struct cert *cert = &out->cert;
	int status = CLI_OK;

	memset(out, 0, sizeof *out);
	out->days = CERT_DAYS;
	for (int found; status == CLI_OK && (found = args_next(&args)) != ARGS_END;) {
		if (found == ARGS_BAD)
			return CLI_USAGE;
		if (found == CA)
			out->dir = args.value;
		else if (found == NAME)
			status = set_name(cert, args.value);
		else if (found == ROLE)
			status = specs_role(args.value, &cert->role);
		else if (found == ADDRESS)
			status = add_net(cert->addresses, &cert->n_addresses, CERT_ADDRESSES_MAX,
				"address", specs_address, args.value);
		else if (found == PREFIX)
			status = add_net(cert->prefixes, &cert->n_prefixes, CERT_PREFIXES_MAX,
				"prefix", specs_prefix, args.value);
		else if (found == GROUP)
			status = add_group(cert, args.value);
		else if (found == DAYS)
			status = specs_days(args.value, &out->days);
		else if (found == DEFAULT)
			out->allow_default = true;
		else if (found == PASSPHRASE_FILE)
			out->passphrase_file = args.value;
		else if (found == OUTPUT)
			out->output = args.value;
		else if (out->key)
			status = cli_usage("'%s': expected one key", args.value);
		else
			out->key = args.value;
	}
	return status == CLI_OK ? check(out) : status;
}

/* The certificate, and the key that it is for, which it does not contain itself. */
static int write_out(const uint8_t *bytes, size_t len, const struct cert *cert, const char *path)
{
	char text[2048];
	struct pem_error error;

	int n = pem_encode(PEM_CERTIFICATE, bytes, len, text, sizeof text);
	int m = n < 0 ? n
		      : pem_encode(PEM_PUBLIC_KEY, cert->static_key, KEY_LEN, text + n,
				sizeof text - (size_t)n);
	if (m < 0)
		return cli_fail("cannot encode the certificate: %s", err_name(m));
	if (!path) {
		fputs(text, stdout);
		return CLI_OK;
	}
	if (keyfile_check_output(path, PEM_CERTIFICATE, &error) != 0)
		return cli_fail("%s", error.text);
	if (pem_write_text(path, text, (size_t)(n + m), PEM_REPLACE, &error) != 0)
		return cli_fail("%s", error.text);
	return CLI_OK;
}

static int sign(struct castore *ca, struct sign_args *args)
{
	struct cert *cert = &args->cert;
	uint8_t bytes[CERT_MAX];

	prim_random(&cert->serial, sizeof cert->serial);
	cert->not_before = when_now();
	cert->not_after = cert->not_before + (uint64_t)args->days * WHEN_DAY_S;
	if (ca->bundle && bundle_revokes(ca->bundle, ca->root_id, cert->serial, cert->static_key))
		return cli_fail("%s: this key is revoked, expected a new one", args->key);
	int status = castore_unlock(ca, args->passphrase_file);
	if (status != CLI_OK)
		return status;
	int n = cert_sign(cert, ca->network_id, ca->secret, bytes, sizeof bytes);
	if (n == ERR_NO_SPACE)
		return cli_fail(
			"the certificate is too long, expected at most %d bytes: fewer or wider "
			"prefixes, fewer groups, or a shorter name",
			CERT_MAX);
	if (n < 0)
		return cli_fail("cannot sign the certificate: %s", err_name(n));
	return write_out(bytes, (size_t)n, cert, args->output);
}

int sign_run(int argc, char **argv)
{
	static const uint8_t no_key[KEY_LEN];
	struct castore ca;
	struct sign_args args;
	struct pem_error error;

	int status = parse(argc, argv, &args);
	if (status != CLI_OK)
		return status;
	if (keyfile_public_key(args.key, args.cert.static_key, &error) != 0)
		return cli_fail("%s", error.text);
	if (memcmp(args.cert.static_key, no_key, KEY_LEN) == 0)
		return cli_fail("%s: all zero, expected a public key", args.key);
	status = castore_open(&ca, args.dir);
	if (status == CLI_OK)
		status = sign(&ca, &args);
	castore_close(&ca);
	return status;
}
