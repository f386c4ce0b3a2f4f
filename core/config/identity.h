#ifndef WARREN_CONFIG_IDENTITY_H
#define WARREN_CONFIG_IDENTITY_H

#include "core/config/config.h"
#include "core/trust/trust.h"

/*
 * The files that a config names: who the node is, and what it believes at start. Reading them is
 * where bad permissions, a key of another certificate, a bundle of another network and the like are
 * found, all at once, before anything has been opened.
 */
#define IDENTITY_TOKEN_MIN 16
#define IDENTITY_TOKEN_MAX 128

struct identity {
	uint8_t secret[CERT_KEY_SIZE]; /* X25519 */
	uint8_t public_key[CERT_KEY_SIZE];
	uint8_t psk[CERT_KEY_SIZE]; /* zero = none */
	struct cert cert;
	uint8_t certificate[CERT_MAX];
	size_t certificate_len;
	bool expired;    /* the certificate is not valid at this time; a wrong clock perhaps */
	uint8_t *bundle; /* the newest: the config's or the state directory's; NULL = none */
	size_t bundle_len;
	char token[IDENTITY_TOKEN_MAX + 1]; /* for HTTP; "" = none */
	char words[CONFIG_INTEROP_MAX]
		  [CONFIG_WORD_MAX]; /* authentication of each interop section */
};

/*
 * Reads and checks everything at the time wall_s (unix). 0 or ERR_MALFORMED with errors; warnings are
 * what a node can start with. In both cases identity_fini frees and wipes.
 */
int identity_load(const struct config *config, uint64_t wall_s, struct identity *out,
	struct config_errors *errors, struct config_errors *warnings);
void identity_fini(struct identity *id);
/*
 * Loads a config and all that it names, and throws it away again. Here, an expired certificate is an
 * error. 0 or ERR_MALFORMED.
 */
int identity_check(const char *config_path, uint64_t wall_s, struct config_errors *errors,
	struct config_errors *warnings);

/*
 * The newest of the config's bundle and the one saved in the state directory, verified, allocated for
 * the caller; *out is NULL when there is none. A bad or unreadable saved one is a warning. 0 or
 * ERR_MALFORMED.
 */
int identity_read_bundle(const struct config *config, uint8_t **out, size_t *out_len,
	struct config_errors *errors, struct config_errors *warnings);
/*
 * Saves a bundle in the state directory, whole or not at all; from any thread, but one at a time.
 * 0 or ERR_SYSTEM with an error.
 */
int identity_save_bundle(
	const char *directory, const uint8_t *bundle, size_t len, struct config_errors *errors);

#endif
