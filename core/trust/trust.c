#include "core/trust/trust.h"

#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/crypto/primitives.h"

#include <stdlib.h>
#include <string.h>

void trust_init(struct trust *t, const uint8_t network_id[CERT_KEY_SIZE],
	const uint8_t root_key[CERT_KEY_SIZE])
{
	memset(t, 0, sizeof *t);
	memcpy(t->network_id, network_id, CERT_KEY_SIZE);
	memcpy(t->root_key, root_key, CERT_KEY_SIZE);
	cert_issuer_id(root_key, t->root_id);
}

static void drop_bundle(struct trust *t)
{
	free(t->bundle);
	free(t->bundle_bytes);
	t->bundle = NULL;
	t->bundle_bytes = NULL;
	t->bundle_len = 0;
}

void trust_fini(struct trust *t)
{
	drop_bundle(t);
	memset(t, 0, sizeof *t);
}

int trust_update_bundle(struct trust *t, const uint8_t *bytes, size_t len)
{
	int err = 0;
	struct bundle *bundle = malloc(sizeof *bundle);
	uint8_t *copy = malloc(len ? len : 1);

	if (!bundle || !copy) {
		err = ERR_NO_SPACE;
		goto out;
	}
	memcpy(copy, bytes, len);
	err = bundle_decode(copy, len, bundle);
	if (err)
		goto out;
	/* Before the signature: hubs push what we have already on each new session. */
	if (t->bundle && bundle->number <= t->bundle->number) {
		err = ERR_DUPLICATE;
		goto out;
	}
	err = bundle_verify(copy, len, t->network_id, t->root_key);
	if (err)
		goto out;

	drop_bundle(t);
	t->bundle = bundle;
	t->bundle_bytes = copy;
	t->bundle_len = len;
	return 0;
out:
	free(bundle);
	free(copy);
	return err;
}

bool trust_bundle_expired(const struct trust *t, uint64_t wall_s)
{
	return !t->bundle ||
		(wall_s > t->bundle->not_after &&
			wall_s - t->bundle->not_after > TRUST_NOT_AFTER_LEEWAY_S);
}

/* The key that must have signed this certificate, when its issuer may give what it says. */
static int find_issuer_key(const struct trust *t, const struct cert *cert, const uint8_t **key)
{
	*key = t->root_key;
	if (memcmp(cert->issuer_id, t->root_id, CERT_ID_SIZE) == 0)
		return 0;
	const struct bundle_issuer *issuer =
		t->bundle ? bundle_find_issuer(t->bundle, cert->issuer_id) : NULL;
	if (!issuer)
		return ERR_NOT_FOUND;
	*key = issuer->key;
	return bundle_issuer_allows(issuer, cert) ? 0 : ERR_FORBIDDEN;
}

/* Written as differences, since both times come from outside and may be anything. */
static int check_validity(const struct cert *cert, uint64_t wall_s)
{
	if (wall_s < cert->not_before && cert->not_before - wall_s > TRUST_NOT_BEFORE_LEEWAY_S)
		return ERR_EXPIRED;
	if (wall_s > cert->not_after && wall_s - cert->not_after > TRUST_NOT_AFTER_LEEWAY_S)
		return ERR_EXPIRED;
	return 0;
}

static int check_policy(
	const struct trust *t, const struct cert *cert, uint64_t wall_s, const uint8_t **issuer_key)
{
	int err = find_issuer_key(t, cert, issuer_key);
	if (!err)
		err = check_validity(cert, wall_s);
	if (!err && t->bundle &&
		bundle_revokes(t->bundle, cert->issuer_id, cert->serial, cert->static_key))
		err = ERR_REVOKED;
	return err;
}

int trust_recheck(const struct trust *t, const struct cert *cert, uint64_t wall_s)
{
	const uint8_t *issuer_key;
	return check_policy(t, cert, wall_s, &issuer_key);
}

/*
 * One hash stands for fingerprint, signature and issuer key. The signature is part of it, since a
 * signature that was never verified must not pass because another one was.
 */
static int check_signature(struct trust *t, const uint8_t *bytes, size_t len,
	const struct cert *cert, const uint8_t *issuer_key)
{
	uint8_t fingerprint[32], seen[32];
	cert_fingerprint(bytes, len, cert->static_key, t->network_id, fingerprint);
	prim_hash(seen, sizeof seen, NULL, 0,
		PRIM_PARTS({fingerprint, sizeof fingerprint},
			{bytes + len - CERT_SIGNATURE_SIZE, CERT_SIGNATURE_SIZE},
			{issuer_key, CERT_KEY_SIZE}));
	uint8_t *slot = t->cache[load_u16(seen) % TRUST_CACHE];
	if (memcmp(slot, seen, sizeof seen) == 0)
		return 0;
	int err = cert_verify(bytes, len, cert, t->network_id, issuer_key);
	if (!err)
		memcpy(slot, seen, sizeof seen);
	return err;
}

int trust_check_cert(struct trust *t, const uint8_t *bytes, size_t len,
	const uint8_t static_key[CERT_KEY_SIZE], uint64_t wall_s, struct cert *out)
{
	const uint8_t *issuer_key;
	int err = cert_decode(bytes, len, out);
	if (err)
		return err;
	memcpy(out->static_key, static_key, CERT_KEY_SIZE);
	err = check_policy(t, out, wall_s, &issuer_key);
	if (!err)
		err = check_signature(t, bytes, len, out, issuer_key);
	if (err)
		memset(out, 0, sizeof *out);
	return err;
}

uint64_t trust_now_s(const struct trust *t, const struct env *env, uint64_t now)
{
	return clock_now_s(&t->clock, env, now);
}

const struct bundle_hub *trust_find_hub(
	const struct trust *t, const uint8_t static_key[CERT_KEY_SIZE])
{
	return t->bundle ? bundle_find_hub(t->bundle, static_key) : NULL;
}

int trust_parse_network(
	const char *text, uint8_t network_id[CERT_KEY_SIZE], uint8_t root_key[CERT_KEY_SIZE])
{
	uint8_t both[2 * CERT_KEY_SIZE];
	if (prim_base64_decode(both, sizeof both, text) != sizeof both)
		return ERR_MALFORMED;
	memcpy(network_id, both, CERT_KEY_SIZE);
	memcpy(root_key, both + CERT_KEY_SIZE, CERT_KEY_SIZE);
	return 0;
}

void trust_format_network(const uint8_t network_id[CERT_KEY_SIZE],
	const uint8_t root_key[CERT_KEY_SIZE], char out[TRUST_NETWORK_TEXT_MAX])
{
	uint8_t both[2 * CERT_KEY_SIZE];
	memcpy(both, network_id, CERT_KEY_SIZE);
	memcpy(both + CERT_KEY_SIZE, root_key, CERT_KEY_SIZE);
	prim_base64_encode(out, both, sizeof both);
}
