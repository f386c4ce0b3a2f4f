#ifndef WARREN_TRUST_TRUST_H
#define WARREN_TRUST_TRUST_H

#include "core/trust/bundle.h"
#include "core/trust/cert.h"
#include "core/trust/clock.h"

/*
 * What a node believes: the network and root key pinned in its config, and the newest bundle
 * that the root signed. trust_check_cert is the one place that says whether a peer is a member.
 *
 * A signature that verified once is remembered, so that a rekey costs no Ed25519. Everything
 * else (validity, issuer, constraints, revocation) is checked each time, before the signature,
 * which is the dear part.
 */
#define TRUST_NOT_BEFORE_LEEWAY_S 900
#define TRUST_NOT_AFTER_LEEWAY_S  300
#define TRUST_CACHE               1024 /* signatures remembered */
#define TRUST_NETWORK_TEXT_MAX    89   /* base64 of network id and root key, with its NUL */

struct trust {
	uint8_t network_id[CERT_KEY_SIZE];
	uint8_t root_key[CERT_KEY_SIZE]; /* Ed25519 public */
	uint8_t root_id[CERT_ID_SIZE];
	struct bundle *bundle; /* owned; NULL until one has been accepted */
	uint8_t *bundle_bytes; /* owned; what bundle borrows from */
	size_t bundle_len;
	struct trust_clock clock;       /* without a floor until clock_init */
	uint8_t cache[TRUST_CACHE][32]; /* hashes of what verified; zero is free */
};

/* Pins the network and its root. Some 32 KiB, to be embedded or allocated by the caller. */
void trust_init(struct trust *t, const uint8_t network_id[CERT_KEY_SIZE],
	const uint8_t root_key[CERT_KEY_SIZE]);
void trust_fini(struct trust *t);

/*
 * Takes over a bundle, from a file or from a peer; bytes are copied. 0 when it is now the
 * current one. ERR_DUPLICATE: its number is not higher, nothing changes. ERR_AUTH,
 * ERR_TRUNCATED, ERR_MALFORMED, ERR_VERSION, ERR_NO_SPACE (memory). An expired bundle is
 * accepted: see trust_bundle_expired.
 */
int trust_update_bundle(struct trust *t, const uint8_t *bytes, size_t len);
/* True also when there is none. By default a node warns and goes on; a strict one refuses. */
bool trust_bundle_expired(const struct trust *t, uint64_t wall_s);

/*
 * Is the holder of static_key, which showed this certificate, a member now (unix seconds)? On
 * success out is the certificate with its static key; else it is zeroed. ERR_TRUNCATED,
 * ERR_MALFORMED, ERR_VERSION: the bytes. ERR_NOT_FOUND: neither the root nor an issuer of the
 * bundle signed it. ERR_FORBIDDEN: beyond its issuer's constraint. ERR_EXPIRED: not yet or no
 * longer valid. ERR_REVOKED. ERR_AUTH: the signature.
 */
int trust_check_cert(struct trust *t, const uint8_t *bytes, size_t len,
	const uint8_t static_key[CERT_KEY_SIZE], uint64_t wall_s, struct cert *out);
/*
 * The same checks but the signature's, for a certificate that passed before: is it still good,
 * after a new bundle or some time? 0, ERR_NOT_FOUND, ERR_FORBIDDEN, ERR_EXPIRED, ERR_REVOKED.
 */
int trust_recheck(const struct trust *t, const struct cert *cert, uint64_t wall_s);

/* The time to ask with: clock_now_s of t->clock. */
uint64_t trust_now_s(const struct trust *t, const struct env *env, uint64_t now);

/* The hub of the bundle with this static key, or NULL. Iterate t->bundle->hubs for all. */
const struct bundle_hub *trust_find_hub(
	const struct trust *t, const uint8_t static_key[CERT_KEY_SIZE]);

/* The config's `network =` value: base64 of network id and root public key. ERR_MALFORMED. */
int trust_parse_network(
	const char *text, uint8_t network_id[CERT_KEY_SIZE], uint8_t root_key[CERT_KEY_SIZE]);
void trust_format_network(const uint8_t network_id[CERT_KEY_SIZE],
	const uint8_t root_key[CERT_KEY_SIZE], char out[TRUST_NETWORK_TEXT_MAX]);

#endif
