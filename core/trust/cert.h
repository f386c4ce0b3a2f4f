#ifndef WARREN_TRUST_CERT_H
#define WARREN_TRUST_CERT_H

#include "core/base/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The node certificate (docs/protocol.md section 3): who a static key is, which overlay
 * addresses it has, which prefixes it may register and source. Signed by the root or by an
 * issuer of the bundle.
 *
 *   version 1 | role 1 | must-understand 2 | serial 8 | not_before 8 | not_after 8 | issuer id 8 |
 *   name (len 1, text) | addresses (n 1: family 1, plen 1, address 4 or 16) |
 *   prefixes (n 1: family 1, plen 1, ceil(plen / 8) bytes) | groups (n 1: len 1, text) |
 *   extensions (len 2: type 1, zero 1, len 2, value) | Ed25519 signature 64
 *
 * The encoding is canonical: lists ascend strictly, bytewise as encoded; host bits of prefixes
 * are zero; nothing trails. The static key is not on the wire: Noise delivers it, and the
 * signature covers it, so a certificate cannot be used with another key.
 */
#define CERT_MAX            448 /* bytes of a whole certificate, signature included */
#define CERT_SIGNATURE_SIZE 64
#define CERT_NAME_MAX       63
#define CERT_ADDRESSES_MAX  4
#define CERT_PREFIXES_MAX   16
#define CERT_GROUPS_MAX     8
#define CERT_GROUP_MAX      31
#define CERT_ID_SIZE        8 /* issuer id: first bytes of BLAKE2b-256 of the issuer's public key */
#define CERT_KEY_SIZE       32 /* static, issuer and root public keys, and the network id */

enum cert_role {
	CERT_HUB = 1,
	CERT_SPOKE = 2,
	CERT_DEFAULT = 8, /* may announce a default route, when its prefixes name one */
};

struct cert {
	uint64_t serial;
	uint64_t not_before, not_after; /* unix seconds, both inclusive */
	uint8_t role;                   /* bits of enum cert_role; hub or spoke is set */
	uint8_t issuer_id[CERT_ID_SIZE];
	uint8_t static_key[CERT_KEY_SIZE]; /* X25519 public; filled in by the caller */
	char name[CERT_NAME_MAX + 1];      /* [a-z0-9.-], NUL-terminated, not empty */
	uint8_t n_addresses, n_prefixes, n_groups;
	struct prefix addresses[CERT_ADDRESSES_MAX]; /* interface addresses: host bits kept */
	struct prefix prefixes[CERT_PREFIXES_MAX];
	char groups[CERT_GROUPS_MAX][CERT_GROUP_MAX + 1]; /* printable ASCII without blanks */
	uint16_t ext_len; /* bytes of extensions that were skipped as not ours; not encoded again */
};

/*
 * Decodes a certificate with its signature, which is not verified. static_key is left zero.
 * ERR_TRUNCATED, ERR_VERSION (version, role or must-understand bit, critical extension),
 * ERR_MALFORMED (anything not canonical, longer than CERT_MAX, or with bytes after it).
 */
int cert_decode(const void *data, size_t len, struct cert *out);
/*
 * Encodes everything but the signature; the length, or ERR_NO_SPACE (out, or more than CERT_MAX
 * with the signature), ERR_MALFORMED (a field that cert_decode would refuse).
 */
int cert_encode(const struct cert *cert, uint8_t *out, size_t cap);
/* Sorts the lists and drops duplicates, as encoding wants it. */
void cert_sort(struct cert *cert);
/*
 * Sorts the lists, sets issuer_id from the secret, encodes and signs. static_key must be set.
 * secret is an Ed25519 secret key of 64 bytes (libsodium's: seed and public key); it is
 * borrowed. The length, or as cert_encode. out needs CERT_MAX bytes to be always enough.
 */
int cert_sign(struct cert *cert, const uint8_t network_id[CERT_KEY_SIZE], const uint8_t secret[64],
	uint8_t *out, size_t cap);
/*
 * Verifies the signature of an encoded certificate that was decoded into cert, over
 * cert->static_key, which the caller has filled in. 0 or ERR_AUTH. Time, issuer and revocation
 * are trust_check_cert's.
 */
int cert_verify(const uint8_t *bytes, size_t len, const struct cert *cert,
	const uint8_t network_id[CERT_KEY_SIZE], const uint8_t issuer_key[CERT_KEY_SIZE]);
/* BLAKE2b-256 of the signed bytes (label, network, static key, certificate without signature). */
void cert_fingerprint(const uint8_t *bytes, size_t len, const uint8_t static_key[CERT_KEY_SIZE],
	const uint8_t network_id[CERT_KEY_SIZE], uint8_t out[32]);
/* The issuer id of a public key. */
void cert_issuer_id(const uint8_t issuer_key[CERT_KEY_SIZE], uint8_t out[CERT_ID_SIZE]);

/* Is a one of its addresses, exactly? */
bool cert_owns_address(const struct cert *cert, const struct ip_addr *a);
/*
 * May a spoke with this certificate send from this inner source? One of its addresses, or
 * inside its prefixes; a source in the subnet of one of its addresses must be one of its
 * addresses. IPv6 link-local sources are bound to a peer by another rule, and false here.
 */
bool cert_covers_source(const struct cert *cert, const struct ip_addr *source);
/*
 * May it register or answer for this prefix? Inside one of its prefixes, or one of its
 * addresses as /32 or /128. A default route needs CERT_DEFAULT besides.
 */
bool cert_covers_prefix(const struct cert *cert, const struct prefix *p);
bool cert_in_group(const struct cert *cert, const char *group);
/* The rules of names and groups, for those who read them from a human. */
bool cert_name_valid(const char *name);
bool cert_group_valid(const char *group);

#endif
