#include "core/cli/keyfile.h"

#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/cli/passphrase.h"
#include "core/trust/trust.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOT_VERSION 1
#define ROOT_OPEN    0
#define ROOT_SEALED  1
#define SEALED_HEAD  (2 + 4 + 4 + PRIM_SALT_LEN + PRIM_NONCE_LEN) /* bytes before the sealed seed */
#define NETWORK_WORD "network"

_Static_assert(SEALED_HEAD + KEY_LEN + PRIM_TAG_LEN == KEYFILE_ROOT_MAX, "layout in keyfile.h");

__attribute__((format(printf, 3, 4))) static int failed(
	struct pem_error *error, int err, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(error->text, sizeof error->text, format, args);
	va_end(args);
	return err;
}

/* ---- Root key ---------------------------------------------------------------------------- */

int keyfile_encode_root(const uint8_t secret[SIGN_SECRET_LEN], const char *passphrase,
	uint32_t passes, uint32_t mem_kib, uint8_t out[KEYFILE_ROOT_MAX])
{
	struct writer w = writer_of(out, KEYFILE_ROOT_MAX);
	uint8_t key[KEY_LEN], salt[PRIM_SALT_LEN], nonce[PRIM_NONCE_LEN];

	write_u8(&w, ROOT_VERSION);
	write_u8(&w, passphrase ? ROOT_SEALED : ROOT_OPEN);
	if (!passphrase) {
		write_bytes(&w, secret, KEY_LEN);
		return (int)writer_len(&w);
	}
	prim_random(salt, sizeof salt);
	prim_random(nonce, sizeof nonce);
	int err = prim_password_key(key, passphrase, strlen(passphrase), salt, passes, mem_kib);
	if (err)
		return err;
	write_u32(&w, passes);
	write_u32(&w, mem_kib);
	write_bytes(&w, salt, sizeof salt);
	write_bytes(&w, nonce, sizeof nonce);
	prim_seal(out + SEALED_HEAD, secret, KEY_LEN, out, SEALED_HEAD, nonce, key);
	prim_wipe(key, sizeof key);
	return KEYFILE_ROOT_MAX;
}

bool keyfile_root_sealed(const uint8_t *bytes, size_t len)
{
	return len >= 2 && bytes[0] == ROOT_VERSION && bytes[1] == ROOT_SEALED;
}

static int unseal(const uint8_t *bytes, const char *passphrase, uint8_t seed[KEY_LEN])
{
	struct reader r = reader_of(bytes + 2, SEALED_HEAD - 2);
	uint32_t passes = read_u32(&r), mem_kib = read_u32(&r);
	const uint8_t *salt = read_bytes(&r, PRIM_SALT_LEN);
	const uint8_t *nonce = read_bytes(&r, PRIM_NONCE_LEN);
	uint8_t key[KEY_LEN];

	int err = prim_password_key(key, passphrase, strlen(passphrase), salt, passes, mem_kib);
	if (!err &&
		!prim_open(seed, bytes + SEALED_HEAD, KEY_LEN + PRIM_TAG_LEN, bytes, SEALED_HEAD,
			nonce, key))
		err = ERR_AUTH;
	prim_wipe(key, sizeof key);
	return err;
}

int keyfile_decode_root(
	const uint8_t *bytes, size_t len, const char *passphrase, uint8_t secret[SIGN_SECRET_LEN])
{
	uint8_t seed[KEY_LEN], public_key[KEY_LEN];
	int err = 0;

	if (len < 2)
		return ERR_TRUNCATED;
	if (bytes[0] != ROOT_VERSION || bytes[1] > ROOT_SEALED)
		return ERR_VERSION;
	bool sealed = keyfile_root_sealed(bytes, len);
	if (len != (sealed ? KEYFILE_ROOT_MAX : 2 + KEY_LEN))
		return ERR_MALFORMED;
	if (!sealed)
		memcpy(seed, bytes + 2, KEY_LEN);
	else
		err = passphrase ? unseal(bytes, passphrase, seed) : ERR_AUTH;
	if (!err)
		prim_sign_keypair(secret, public_key, seed);
	prim_wipe(seed, sizeof seed);
	return err;
}

int keyfile_write_root(const char *path, const uint8_t secret[SIGN_SECRET_LEN],
	const char *passphrase, struct pem_error *error)
{
	uint8_t bytes[KEYFILE_ROOT_MAX];
	int n = keyfile_encode_root(
		secret, passphrase, PRIM_PASSWORD_PASSES, PRIM_PASSWORD_MEM_KIB, bytes);
	int rc = n < 0 ? failed(error, n, "%s: %s, expected %d MiB of memory to seal it", path,
				 err_name(n), PRIM_PASSWORD_MEM_KIB / 1024)
		       : pem_write(path, PEM_ROOT_KEY, bytes, (size_t)n, PEM_SECRET, error);
	prim_wipe(bytes, sizeof bytes);
	return rc;
}

static int open_root(const char *path, const uint8_t *bytes, size_t len,
	const char *passphrase_file, uint8_t secret[SIGN_SECRET_LEN], struct pem_error *error)
{
	char passphrase[PASSPHRASE_MAX] = "";
	bool sealed = keyfile_root_sealed(bytes, len);
	int rc = sealed ? passphrase_read(passphrase_file, path, false, passphrase, error) : 0;
	if (rc != 0)
		return rc;
	rc = keyfile_decode_root(bytes, len, sealed ? passphrase : NULL, secret);
	prim_wipe(passphrase, sizeof passphrase);
	if (rc == ERR_AUTH)
		failed(error, rc, "%s: wrong passphrase, expected the one it was made with", path);
	else if (rc != 0)
		failed(error, rc, "%s: %s, expected a root key", path, err_name(rc));
	return rc;
}

int keyfile_read_root(const char *path, const char *passphrase_file,
	uint8_t secret[SIGN_SECRET_LEN], struct pem_error *error)
{
	uint8_t bytes[KEYFILE_ROOT_MAX];
	int n = pem_read_secret(path, PEM_ROOT_KEY, bytes, sizeof bytes, error);
	if (n < 0)
		return n;
	int rc = open_root(path, bytes, (size_t)n, passphrase_file, secret, error);
	prim_wipe(bytes, sizeof bytes);
	return rc;
}

/* ---- Node keys --------------------------------------------------------------------------- */

int keyfile_make_pair(
	const char *path, bool force, uint8_t public_key[KEY_LEN], struct pem_error *error)
{
	char public_path[PATH_MAX];
	uint8_t secret[KEY_LEN];
	unsigned flags = force ? PEM_REPLACE : 0;

	int n = snprintf(public_path, sizeof public_path, "%s.pub", path);
	if (n < 0 || (size_t)n >= sizeof public_path)
		return failed(error, ERR_SYSTEM, "%s: path too long", path);
	bool there = access(path, F_OK) == 0;
	if (!force && (there || access(public_path, F_OK) == 0))
		return failed(error, ERR_DUPLICATE, "%s: exists, expected a new file (or --force)",
			there ? path : public_path);
	prim_random(secret, sizeof secret);
	prim_dh_public(public_key, secret);
	int rc = pem_write(path, PEM_PRIVATE_KEY, secret, sizeof secret, PEM_SECRET | flags, error);
	prim_wipe(secret, sizeof secret);
	if (rc == ERR_DUPLICATE)
		return failed(error, rc, "%s: exists, expected a new file (or --force)", path);
	if (rc == 0)
		rc = pem_write(
			public_path, PEM_PUBLIC_KEY, public_key, KEY_LEN, PEM_REPLACE, error);
	return rc;
}

int keyfile_public_key(const char *text, uint8_t key[KEY_LEN], struct pem_error *error)
{
	if (prim_key_parse(key, text) == 0)
		return 0;
	int rc = pem_read_public_key(text, key, error);
	if (rc == ERR_SYSTEM && access(text, F_OK) != 0)
		failed(error, rc,
			"%s: neither a key nor a file, expected 44 base64 characters or the path "
			"of "
			"a public key",
			text);
	return rc;
}

int keyfile_check_output(const char *path, const char *kind, struct pem_error *error)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return 0;
	uint8_t *bytes = malloc(PEM_FILE_MAX);
	if (!bytes)
		return failed(error, ERR_NO_SPACE, "%s: no memory to look into it", path);
	int n = S_ISREG(st.st_mode) ? pem_read(path, kind, bytes, PEM_FILE_MAX, error)
				    : ERR_NOT_FOUND;
	prim_wipe(bytes, PEM_FILE_MAX);
	free(bytes);
	if (n == ERR_NOT_FOUND)
		return failed(error, ERR_DUPLICATE,
			"%s: exists and holds no %s, expected one or a new file", path, kind);
	return 0;
}

/* ---- The network line -------------------------------------------------------------------- */

int keyfile_network(const char *text, uint8_t network_id[KEY_LEN], uint8_t root_key[KEY_LEN],
	struct pem_error *error)
{
	if (trust_parse_network(text, network_id, root_key) == 0)
		return 0;
	return keyfile_read_network(text, network_id, root_key, error);
}

/* The value of a line `network = VALUE`, trimmed in place; NULL when it is another line. */
static char *network_value(char *line)
{
	line += strspn(line, " \t");
	if (strncmp(line, NETWORK_WORD, strlen(NETWORK_WORD)) != 0)
		return NULL;
	line += strlen(NETWORK_WORD);
	line += strspn(line, " \t");
	if (*line != '=')
		return NULL;
	line++;
	line += strspn(line, " \t");
	line[strcspn(line, " \t\r")] = '\0';
	return line;
}

int keyfile_read_network(const char *path, uint8_t network_id[KEY_LEN], uint8_t root_key[KEY_LEN],
	struct pem_error *error)
{
	char *text = malloc(PEM_FILE_MAX);
	if (!text)
		return failed(error, ERR_NO_SPACE, "%s: no memory to read it", path);
	int rc = pem_read_text(path, false, text, PEM_FILE_MAX, error);
	if (rc >= 0) {
		rc = failed(error, ERR_NOT_FOUND,
			"%s: no network, expected a line 'network = ' and 88 base64 characters",
			path);
		unsigned number = 1;
		for (char *line = text, *next; line && rc != 0; line = next, number++) {
			next = strchr(line, '\n');
			if (next)
				*next++ = '\0';
			char *value = network_value(line);
			if (value)
				rc = trust_parse_network(value, network_id, root_key);
			if (value && rc != 0)
				failed(error, rc,
					"%s:%u: not a network, expected 88 base64 characters", path,
					number);
		}
	}
	free(text);
	return rc;
}
