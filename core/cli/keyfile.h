#ifndef WARREN_CLI_KEYFILE_H
#define WARREN_CLI_KEYFILE_H

#include "core/config/pem.h"
#include "core/crypto/primitives.h"

/*
 * The files that only the command handles: the root key, a node's key pair and the network
 * line. Errors are whole messages, as those of pem.h.
 *
 * A root key block (PEM_ROOT_KEY) holds an Ed25519 seed:
 *
 *   version 1 | 0 | seed 32
 *   version 1 | 1 | passes 4 | memory in KiB 4 | salt 16 | nonce 24 | sealed seed 32 + 16
 *
 * The second form's key is Argon2id of the passphrase; all before the sealed seed is
 * authenticated.
 */
#define KEYFILE_ROOT_MAX 98

/*
 * Seals secret (Ed25519, seed first) under a passphrase, or leaves it open when NULL. The
 * length or ERR_NO_SPACE.
 */
int keyfile_encode_root(const uint8_t secret[SIGN_SECRET_LEN], const char *passphrase,
	uint32_t passes, uint32_t mem_kib, uint8_t out[KEYFILE_ROOT_MAX]);
/* ERR_TRUNCATED, ERR_MALFORMED, ERR_VERSION, ERR_NO_SPACE (memory), ERR_AUTH: wrong passphrase. */
int keyfile_decode_root(
	const uint8_t *bytes, size_t len, const char *passphrase, uint8_t secret[SIGN_SECRET_LEN]);
/* Does it take a passphrase to decode? */
bool keyfile_root_sealed(const uint8_t *bytes, size_t len);

/* Never replaces a file. passphrase NULL: unsealed. */
int keyfile_write_root(const char *path, const uint8_t secret[SIGN_SECRET_LEN],
	const char *passphrase, struct pem_error *error);
/* Asks for the passphrase when it takes one: passphrase_read. secret is the caller's to wipe. */
int keyfile_read_root(const char *path, const char *passphrase_file,
	uint8_t secret[SIGN_SECRET_LEN], struct pem_error *error);

/*
 * Makes a node's key pair: path (0600) and path.pub. Existing files are replaced only with
 * force.
 */
int keyfile_make_pair(
	const char *path, bool force, uint8_t public_key[KEY_LEN], struct pem_error *error);
/* A public key from base64, or from a file that holds one. */
int keyfile_public_key(const char *text, uint8_t key[KEY_LEN], struct pem_error *error);

/*
 * May a block of this kind be written to path? Not where a file without such a block is: that would
 * be another file, perhaps a key.
 */
int keyfile_check_output(const char *path, const char *kind, struct pem_error *error);

/* The line `network = BASE64` among others in a file, or the BASE64 itself as text. */
int keyfile_network(const char *text, uint8_t network_id[KEY_LEN], uint8_t root_key[KEY_LEN],
	struct pem_error *error);
int keyfile_read_network(const char *path, uint8_t network_id[KEY_LEN], uint8_t root_key[KEY_LEN],
	struct pem_error *error);

#endif
