#ifndef WARREN_TRUST_BUNDLE_H
#define WARREN_TRUST_BUNDLE_H

#include "core/trust/cert.h"

/*
 * The network bundle (docs/protocol.md section 3): what the root says to everybody. Who may
 * issue certificates within which limits, which hubs there are, what is revoked, which ciphers
 * are allowed.
 *
 *   format 1, zero 3 | number 8 | not_after 8 | ciphers 1 | flags 1 |
 *   issuers (n 1: key 32, roles 1, max life 4, pools (n 1: family 1, plen 1, bytes)) |
 *   hubs (n 1: name (len 1, text), keys (n 1: 32), endpoints (n 1: host (len 1, text), port 2)) |
 *   revoked certificates (n 2: issuer id 8, serial 8) | revoked static keys (n 2: 32) |
 *   extensions (len 2: type 1, zero 1, len 2, value) | Ed25519 signature 64 by the root
 *
 * Issuers and both revocation lists ascend strictly; hubs and their endpoints stand in the
 * order in which they are preferred, no name and no key twice.
 *
 * The revocation lists stay in their encoded form, borrowed from the bytes decoded, and are
 * searched in place.
 */
#define BUNDLE_MAX              (128 * 1024) /* more than all bounds together make */
#define BUNDLE_ISSUERS_MAX      16
#define BUNDLE_POOLS_MAX        16
#define BUNDLE_HUBS_MAX         16
#define BUNDLE_HUB_KEYS_MAX     2
#define BUNDLE_ENDPOINTS_MAX    4
#define BUNDLE_HOST_MAX         253
#define BUNDLE_REVOKED_MAX      4096
#define BUNDLE_REVOKED_KEYS_MAX 1024
#define BUNDLE_REVOKED_SIZE     16 /* issuer id 8, serial 8 */

enum bundle_flag {
	BUNDLE_PSK_REQUIRED = 1,
};

/* Who may sign certificates besides the root, and which. Zero pools or lifetime: none. */
struct bundle_issuer {
	uint8_t key[CERT_KEY_SIZE]; /* Ed25519 public */
	uint8_t id[CERT_ID_SIZE];   /* derived from the key */
	uint8_t roles;              /* bits of enum cert_role that it may give */
	uint32_t max_life_s;        /* not_after - not_before, at most */
	uint8_t n_pools;
	struct prefix pools[BUNDLE_POOLS_MAX]; /* every address and prefix given lies inside one */
};

struct bundle_endpoint {
	char host[BUNDLE_HOST_MAX + 1]; /* name or address, NUL-terminated; IPv6 without brackets */
	uint16_t port;
};

struct bundle_hub {
	char name[CERT_NAME_MAX + 1];
	uint8_t n_keys, n_endpoints;
	/* X25519 static keys; a second one is the next, for a rotation. */
	uint8_t keys[BUNDLE_HUB_KEYS_MAX][CERT_KEY_SIZE];
	/* None: this hub cannot be reached, it reaches the others. */
	struct bundle_endpoint endpoints[BUNDLE_ENDPOINTS_MAX];
};

struct bundle {
	uint64_t number;    /* the higher one wins */
	uint64_t not_after; /* unix seconds, inclusive */
	/* Allowed: bit 0 ChaCha20-Poly1305, 1 AES-256-GCM, 2 AEGIS-256; not zero. */
	uint8_t ciphers;
	uint8_t flags; /* bits of enum bundle_flag */
	uint8_t n_issuers, n_hubs;
	struct bundle_issuer issuers[BUNDLE_ISSUERS_MAX];
	struct bundle_hub hubs[BUNDLE_HUBS_MAX];
	uint16_t n_revoked, n_revoked_keys;
	const uint8_t *revoked; /* n_revoked * BUNDLE_REVOKED_SIZE bytes, ascending; borrowed */
	const uint8_t *revoked_keys; /* n_revoked_keys * CERT_KEY_SIZE bytes, ascending; borrowed */
	uint16_t ext_len; /* bytes of extensions skipped as not ours; not encoded again */
};

/*
 * Decodes a bundle with its signature, which is not verified. out borrows from data for as long
 * as it is used, and is some 25 KiB. ERR_TRUNCATED, ERR_VERSION, ERR_MALFORMED as cert_decode.
 */
int bundle_decode(const void *data, size_t len, struct bundle *out);
/* Encodes everything but the signature; the length, ERR_NO_SPACE or ERR_MALFORMED. */
int bundle_encode(const struct bundle *bundle, uint8_t *out, size_t cap);
/* Encodes and signs with the root's Ed25519 secret key (64 bytes); the length, or as above. */
int bundle_sign(const struct bundle *bundle, const uint8_t network_id[CERT_KEY_SIZE],
	const uint8_t root_secret[64], uint8_t *out, size_t cap);
/* Verifies the root's signature. 0 or ERR_AUTH. */
int bundle_verify(const uint8_t *bytes, size_t len, const uint8_t network_id[CERT_KEY_SIZE],
	const uint8_t root_key[CERT_KEY_SIZE]);

/* Is this certificate, or every certificate of this static key, revoked? */
bool bundle_revokes(const struct bundle *bundle, const uint8_t issuer_id[CERT_ID_SIZE],
	uint64_t serial, const uint8_t static_key[CERT_KEY_SIZE]);
/* NULL: not there. */
const struct bundle_issuer *bundle_find_issuer(
	const struct bundle *bundle, const uint8_t issuer_id[CERT_ID_SIZE]);
const struct bundle_hub *bundle_find_hub(
	const struct bundle *bundle, const uint8_t static_key[CERT_KEY_SIZE]);
const struct bundle_hub *bundle_find_hub_name(const struct bundle *bundle, const char *name);
/* Does the issuer's constraint allow this certificate? */
bool bundle_issuer_allows(const struct bundle_issuer *issuer, const struct cert *cert);
/* The rules of a host text, for those who read it from a human. */
bool bundle_host_valid(const char *host);

#endif
