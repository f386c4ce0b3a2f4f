#ifndef WARREN_CLI_CASTORE_H
#define WARREN_CLI_CASTORE_H

#include "core/cli/keyfile.h"
#include "core/trust/bundle.h"

/*
 * The directory of a network's root:
 *
 *   root.key   the root's secret key, sealed by a passphrase or not
 *   network    the line `network = ...` for the nodes' configs
 *   bundle     the bundle signed last: numbers go on from it, revocations stay
 *   lock       held while a bundle is changed
 *
 * Functions report their errors to stderr and return an enum cli_exit.
 */
#define CASTORE_PATH_MAX 4096

struct castore {
	const char *dir; /* borrowed */
	uint8_t network_id[KEY_LEN];
	uint8_t root_key[KEY_LEN];
	uint8_t root_id[CERT_ID_SIZE];
	uint8_t *secret;       /* SIGN_SECRET_LEN bytes, locked; NULL until castore_unlock */
	struct bundle *bundle; /* the one signed last; NULL: none yet */
	uint8_t *bytes;        /* what bundle borrows from */
	int lock;              /* file descriptor */
};

/* Makes dir when it is not there, a root key and the network line. passphrase NULL: unsealed. */
int castore_create(const char *dir, const char *name, const char *passphrase);
/* Reads network and bundle, both checked, and takes the lock. castore_close in any case. */
int castore_open(struct castore *ca, const char *dir);
/* Reads the root key, asking for its passphrase when it has one. */
int castore_unlock(struct castore *ca, const char *passphrase_file);
/*
 * Unlocks the root key, signs a bundle valid for so many days from now, saves it as the last one
 * and, when path is not NULL, there too; tells its number.
 */
int castore_sign_bundle(struct castore *ca, struct bundle *bundle, uint32_t days,
	const char *passphrase_file, const char *path);
void castore_close(struct castore *ca);

#endif
