#include "core/cli/castore.h"

#include "core/base/err.h"
#include "core/cli/cli.h"
#include "core/cli/when.h"
#include "core/trust/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOT_FILE    "root.key"
#define NETWORK_FILE "network"
#define BUNDLE_FILE  "bundle"
#define LOCK_FILE    "lock"

static const char *path_of(const char *dir, const char *file, char out[CASTORE_PATH_MAX])
{
	snprintf(out, CASTORE_PATH_MAX, "%s/%s", dir, file);
	return out;
}

/* ---- A new one */

static int write_network(const char *dir, const char *name, const uint8_t network_id[KEY_LEN],
	const uint8_t root_key[KEY_LEN])
{
	char path[CASTORE_PATH_MAX], value[TRUST_NETWORK_TEXT_MAX], text[256];
	struct pem_error error;

	trust_format_network(network_id, root_key, value);
	int len = snprintf(text, sizeof text, "%s%s%snetwork = %s\n", name ? "# " : "",
		name ? name : "", name ? "\n" : "", value);
	if (pem_write_text(path_of(dir, NETWORK_FILE, path), text, (size_t)len, 0, &error) != 0)
		return cli_fail("%s", error.text);
	fputs(text, stdout);
	return CLI_OK;
}

int castore_create(const char *dir, const char *name, const char *passphrase)
{
	char path[CASTORE_PATH_MAX];
	uint8_t seed[KEY_LEN], secret[SIGN_SECRET_LEN], network_id[KEY_LEN], root_key[KEY_LEN];
	struct pem_error error;

	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return cli_fail("%s: cannot make the directory: %s", dir, strerror(errno));
	if (access(path_of(dir, NETWORK_FILE, path), F_OK) == 0)
		return cli_fail("%s: exists, expected a directory without a network", path);
	prim_random(seed, sizeof seed);
	prim_random(network_id, sizeof network_id);
	prim_sign_keypair(secret, root_key, seed);
	int rc = keyfile_write_root(path_of(dir, ROOT_FILE, path), secret, passphrase, &error);
	prim_wipe(seed, sizeof seed);
	prim_wipe(secret, sizeof secret);
	if (rc != 0)
		return cli_fail("%s", error.text);
	return write_network(dir, name, network_id, root_key);
}

/* ---- An old one */

/* Two commands at once would sign two bundles with one number. */
static int take_lock(struct castore *ca)
{
	char path[CASTORE_PATH_MAX];
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	ca->lock = open(path_of(ca->dir, LOCK_FILE, path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (ca->lock < 0 || fcntl(ca->lock, F_SETLKW, &lock) != 0)
		return cli_fail("%s: cannot lock it: %s", path, strerror(errno));
	return CLI_OK;
}

static int read_bundle(struct castore *ca)
{
	char path[CASTORE_PATH_MAX];
	struct pem_error error;

	if (access(path_of(ca->dir, BUNDLE_FILE, path), F_OK) != 0 && errno == ENOENT)
		return CLI_OK;
	ca->bytes = malloc(BUNDLE_MAX);
	ca->bundle = malloc(sizeof *ca->bundle);
	if (!ca->bytes || !ca->bundle)
		return cli_fail("%s: no memory to read it", path);
	int n = pem_read(path, PEM_BUNDLE, ca->bytes, BUNDLE_MAX, &error);
	if (n < 0)
		return cli_fail("%s", error.text);
	int rc = bundle_decode(ca->bytes, (size_t)n, ca->bundle);
	if (rc == 0)
		rc = bundle_verify(ca->bytes, (size_t)n, ca->network_id, ca->root_key);
	if (rc != 0)
		return cli_fail(
			"%s: %s, expected the last bundle of this network", path, err_name(rc));
	return CLI_OK;
}

int castore_open(struct castore *ca, const char *dir)
{
	char path[CASTORE_PATH_MAX];
	struct pem_error error;

	*ca = (struct castore){.dir = dir, .lock = -1};
	if (strlen(dir) > CASTORE_PATH_MAX - 32)
		return cli_fail("%s: path too long", dir);
	if (keyfile_read_network(
		    path_of(dir, NETWORK_FILE, path), ca->network_id, ca->root_key, &error) != 0)
		return cli_fail("%s", error.text);
	cert_issuer_id(ca->root_key, ca->root_id);
	int status = take_lock(ca);
	return status ? status : read_bundle(ca);
}

int castore_unlock(struct castore *ca, const char *passphrase_file)
{
	char path[CASTORE_PATH_MAX];
	struct pem_error error;

	ca->secret = prim_alloc_locked(SIGN_SECRET_LEN);
	if (!ca->secret)
		return cli_fail("no memory for the root key");
	if (keyfile_read_root(
		    path_of(ca->dir, ROOT_FILE, path), passphrase_file, ca->secret, &error) != 0)
		return cli_fail("%s", error.text);
	if (memcmp(ca->secret + SIGN_SECRET_LEN - KEY_LEN, ca->root_key, KEY_LEN) != 0)
		return cli_fail("%s: not the root key of %s/" NETWORK_FILE, path, ca->dir);
	return CLI_OK;
}

static int save_bundle(struct castore *ca, const uint8_t *bytes, size_t len, const char *path)
{
	char own[CASTORE_PATH_MAX];
	struct pem_error error;

	path_of(ca->dir, BUNDLE_FILE, own);
	if (path && keyfile_check_output(path, PEM_BUNDLE, &error) != 0)
		return cli_fail("%s", error.text);
	if (pem_write(own, PEM_BUNDLE, bytes, len, PEM_REPLACE, &error) != 0)
		return cli_fail("%s", error.text);
	if (path && pem_write(path, PEM_BUNDLE, bytes, len, PEM_REPLACE, &error) != 0)
		return cli_fail("%s", error.text);
	return CLI_OK;
}

int castore_sign_bundle(struct castore *ca, struct bundle *bundle, uint32_t days,
	const char *passphrase_file, const char *path)
{
	char date[WHEN_TEXT_MAX];
	uint8_t *bytes = malloc(BUNDLE_MAX);

	int status =
		bytes ? castore_unlock(ca, passphrase_file) : cli_fail("no memory for a bundle");
	if (status == CLI_OK) {
		bundle->not_after = when_now() + (uint64_t)days * WHEN_DAY_S;
		int n = bundle_sign(bundle, ca->network_id, ca->secret, bytes, BUNDLE_MAX);
		status = n < 0 ? cli_fail("cannot sign the bundle: %s", err_name(n))
			       : save_bundle(ca, bytes, (size_t)n, path);
	}
	if (status == CLI_OK)
		printf("bundle %llu, valid until %s\n", (unsigned long long)bundle->number,
			when_format(bundle->not_after, date));
	free(bytes);
	return status;
}

void castore_close(struct castore *ca)
{
	prim_free_locked(ca->secret);
	free(ca->bundle);
	free(ca->bytes);
	if (ca->lock >= 0)
		close(ca->lock);
}
