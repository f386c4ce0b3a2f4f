#include "core/cli/show.h"

#include "core/base/err.h"
#include "core/cli/args.h"
#include "core/cli/cli.h"
#include "core/cli/keyfile.h"
#include "core/cli/when.h"

#include <stdlib.h>
#include <string.h>

/* What is looked at: one file, read once, and the network to verify it against. */
struct shown {
	const char *path;
	char *text;
	size_t len;
	bool verify;
	uint8_t network_id[KEY_LEN], root_key[KEY_LEN];
	json_t *out;
	bool bad; /* a signature that does not verify */
};

static void set(struct shown *s, const char *name, json_t *value)
{
	json_object_set_new(s->out, name, value);
}

static void set_signature(struct shown *s, int rc)
{
	s->bad = rc == ERR_AUTH;
	set(s, "signature",
		json_string(rc == 0 ? "good"
				: s->bad
				? "bad"
				: "not by this network's root: its bundle may know the issuer"));
}

static int show_cert_block(struct shown *s, const uint8_t *bytes, size_t len)
{
	struct cert cert;
	uint8_t root_id[CERT_ID_SIZE], fingerprint[32];

	int rc = cert_decode(bytes, len, &cert);
	if (rc != 0)
		return cli_fail("%s: %s, expected a certificate", s->path, err_name(rc));
	s->out = show_certificate(&cert, when_now());
	/* The key is no part of a certificate; `warren sign` writes it next to it. */
	if (pem_decode(s->text, s->len, PEM_PUBLIC_KEY, cert.static_key, KEY_LEN) != KEY_LEN)
		return CLI_OK;
	set(s, "key", show_key(cert.static_key));
	if (!s->verify)
		return CLI_OK;
	cert_fingerprint(bytes, len, cert.static_key, s->network_id, fingerprint);
	set(s, "fingerprint", show_hex(fingerprint, sizeof fingerprint));
	cert_issuer_id(s->root_key, root_id);
	bool by_root = memcmp(root_id, cert.issuer_id, sizeof root_id) == 0;
	set_signature(s,
		by_root ? cert_verify(bytes, len, &cert, s->network_id, s->root_key)
			: ERR_NOT_FOUND);
	return CLI_OK;
}

static int show_bundle_block(struct shown *s, const uint8_t *bytes, size_t len)
{
	struct bundle bundle;
	int rc = bundle_decode(bytes, len, &bundle);
	if (rc != 0)
		return cli_fail("%s: %s, expected a bundle", s->path, err_name(rc));
	s->out = show_bundle(&bundle, when_now());
	if (s->verify)
		set_signature(s, bundle_verify(bytes, len, s->network_id, s->root_key));
	return CLI_OK;
}

static int show_public_block(struct shown *s, const uint8_t *bytes, size_t len)
{
	if (len != KEY_LEN)
		return cli_fail(
			"%s: %zu bytes, expected a public key of %d", s->path, len, KEY_LEN);
	s->out = json_object();
	set(s, "kind", json_string("public key"));
	set(s, "key", show_key(bytes));
	return CLI_OK;
}

/* Reads the file again, as a secret; what is shown is the public half alone. */
static int show_private_block(struct shown *s, const uint8_t *bytes, size_t len)
{
	uint8_t secret[KEY_LEN], key[KEY_LEN];
	struct pem_error error;
	(void)bytes;
	(void)len;
	if (pem_read_private_key(s->path, secret, &error) != 0)
		return cli_fail("%s", error.text);
	prim_dh_public(key, secret);
	prim_wipe(secret, sizeof secret);
	s->out = json_object();
	set(s, "kind", json_string("private key"));
	set(s, "public_key", show_key(key));
	return CLI_OK;
}

static int show_root_block(struct shown *s, const uint8_t *bytes, size_t len)
{
	uint8_t secret[SIGN_SECRET_LEN];
	struct pem_error error;
	bool sealed = keyfile_root_sealed(bytes, len);

	s->out = json_object();
	set(s, "kind", json_string("root key"));
	set(s, "sealed", json_boolean(sealed));
	if (sealed)
		return CLI_OK;
	if (keyfile_read_root(s->path, NULL, secret, &error) != 0)
		return cli_fail("%s", error.text);
	set(s, "public_key", show_key(secret + SIGN_SECRET_LEN - KEY_LEN));
	prim_wipe(secret, sizeof secret);
	return CLI_OK;
}

static int show_network(struct shown *s)
{
	uint8_t network_id[KEY_LEN], root_key[KEY_LEN], id[CERT_ID_SIZE];
	struct pem_error error;
	if (keyfile_read_network(s->path, network_id, root_key, &error) != 0)
		return cli_fail(
			"%s: nothing that warren knows, expected a certificate, bundle, key "
			"or a line 'network ='",
			s->path);
	cert_issuer_id(root_key, id);
	s->out = json_object();
	set(s, "kind", json_string("network"));
	set(s, "network_id", show_key(network_id));
	set(s, "root_key", show_key(root_key));
	set(s, "root_id", show_hex(id, sizeof id));
	return CLI_OK;
}

/* In the order of interest: a certificate's file holds its public key too. */
static const struct {
	const char *kind;
	int (*show)(struct shown *s, const uint8_t *bytes, size_t len);
} blocks[] = {
	{PEM_CERTIFICATE, show_cert_block},
	{PEM_BUNDLE, show_bundle_block},
	{PEM_PRIVATE_KEY, show_private_block},
	{PEM_ROOT_KEY, show_root_block},
	{PEM_PUBLIC_KEY, show_public_block},
};

static int show_text(struct shown *s, uint8_t *bytes)
{
	for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
		int n = pem_decode(s->text, s->len, blocks[i].kind, bytes, PEM_FILE_MAX);
		if (n >= 0)
			return blocks[i].show(s, bytes, (size_t)n);
		if (n != ERR_NOT_FOUND)
			return cli_fail("%s: damaged, expected a %s", s->path, blocks[i].kind);
	}
	return show_network(s);
}

static int show_file(struct shown *s)
{
	struct pem_error error;
	uint8_t *bytes = malloc(PEM_FILE_MAX);
	int status = CLI_FAILED;

	s->text = malloc(PEM_FILE_MAX);
	if (!s->text || !bytes) {
		cli_fail("%s: no memory to read it", s->path);
		goto out;
	}
	int n = pem_read_text(s->path, false, s->text, PEM_FILE_MAX, &error);
	s->len = n < 0 ? 0 : (size_t)n;
	status = n < 0 ? cli_fail("%s", error.text) : show_text(s, bytes);
	prim_wipe(s->text, PEM_FILE_MAX);
	prim_wipe(bytes, PEM_FILE_MAX);
out:
	free(s->text);
	free(bytes);
	return status;
}

int show_run(int argc, char **argv)
{
	enum { JSON, NETWORK };
	static const struct args_option options[] = {{"json", 0, false}, {"network", 0, true}, {0}};
	struct args args = args_of(argc, argv, options);
	struct shown s = {0};
	struct pem_error error;
	bool json = false;

	for (int found; (found = args_next(&args)) != ARGS_END;) {
		if (found == ARGS_BAD)
			return CLI_USAGE;
		if (found == JSON) {
			json = true;
		} else if (found == NETWORK) {
			if (keyfile_network(args.value, s.network_id, s.root_key, &error) != 0)
				return cli_fail("--network %s", error.text);
			s.verify = true;
		} else if (s.path) {
			return cli_usage("'%s': expected one file", args.value);
		} else {
			s.path = args.value;
		}
	}
	if (!s.path)
		return cli_usage("expected a file");
	int status = show_file(&s);
	if (status == CLI_OK && json) {
		json_dumpf(s.out, stdout, JSON_INDENT(2));
		putchar('\n');
	} else if (status == CLI_OK) {
		show_print(s.out, stdout);
	}
	json_decref(s.out);
	return status == CLI_OK && s.bad ? CLI_FAILED : status;
}
