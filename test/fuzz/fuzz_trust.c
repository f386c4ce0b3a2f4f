/*
 * What a node believes, from people who can sign: the input is a sequence of objects that the root or an
 * issuer has signed whatever is in them.
 *
 *   { kind 1 | length 2 | bytes, the signature left out } ...
 */
#include "core/base/cursor.h"
#include "core/crypto/primitives.h"
#include "core/trust/trust.h"
#include "test/fuzz/fuzz.h"

#include <string.h>

#define WALL 1700000000

enum kind { BUNDLE, CERT_OF_ROOT, CERT_OF_ISSUER, BUNDLE_UNSIGNED, RECHECK, KINDS };

static const uint8_t network_id[KEY_LEN] = {1}, static_key[KEY_LEN] = {2};

struct signer {
	uint8_t secret[SIGN_SECRET_LEN], public_key[KEY_LEN];
};

static struct signer signer_of(uint8_t n)
{
	struct signer s;
	uint8_t seed[KEY_LEN] = {n};
	prim_sign_keypair(s.secret, s.public_key, seed);
	return s;
}

static void check_cert(struct trust *t, const struct signer *root, const struct signer *by,
	uint8_t *bytes, size_t len)
{
	struct cert cert;
	const struct bundle_issuer *issuer = NULL;
	prim_sign(bytes + len, by->secret,
		PRIM_PARTS({"warren cert v1", 15}, {network_id, KEY_LEN}, {static_key, KEY_LEN},
			{bytes, len}));
	len += SIGNATURE_LEN;
	if (trust_check_cert(t, bytes, len, static_key, WALL, &cert) != 0) {
		must(cert.name[0] == '\0');
		return;
	}
	if (by != root) {
		must(t->bundle != NULL);
		issuer = bundle_find_issuer(t->bundle, cert.issuer_id);
		must(issuer && memcmp(issuer->key, by->public_key, KEY_LEN) == 0);
		must((cert.role & ~issuer->roles) == 0);
	}
	must(cert.not_before <= WALL + TRUST_NOT_BEFORE_LEEWAY_S);
	must(cert.not_after >= WALL - TRUST_NOT_AFTER_LEEWAY_S);
	must(!t->bundle || !bundle_revokes(t->bundle, cert.issuer_id, cert.serial, static_key));
	must(trust_recheck(t, &cert, WALL) == 0);
	must(cert_name_valid(cert.name) && cert.n_addresses >= 1);
	/* Not with another key, nor with a byte changed. */
	uint8_t other[KEY_LEN] = {3};
	must(trust_check_cert(t, bytes, len, other, WALL, &cert) != 0);
	bytes[len - 1 - bytes[len - 1] % len] ^= 1;
	must(trust_check_cert(t, bytes, len, static_key, WALL, &cert) != 0);
}

static void check_bundle(
	struct trust *t, const struct signer *root, uint8_t *bytes, size_t len, bool sign)
{
	uint64_t before = t->bundle ? t->bundle->number : 0;
	bool had = t->bundle != NULL;
	if (sign)
		prim_sign(bytes + len, root->secret,
			PRIM_PARTS({"warren bundle v1", 17}, {network_id, KEY_LEN}, {bytes, len}));
	int rc = trust_update_bundle(t, bytes, len + SIGNATURE_LEN);
	must(rc != 0 || (sign && (!had || t->bundle->number > before)));
	must(rc == 0 || had == (t->bundle != NULL));
	must(rc == 0 || !had || t->bundle->number == before);
	if (rc == 0)
		must(trust_update_bundle(t, bytes, len + SIGNATURE_LEN) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct trust trust;
	static uint8_t bytes[4096 + SIGNATURE_LEN];
	struct signer root = signer_of(9), issuer = signer_of(8);
	struct reader r = reader_of(data, size);
	must(prim_init() == 0);
	/* What verified once is remembered by hash, over runs too. */
	trust_fini(&trust);
	trust_init(&trust, network_id, root.public_key);
	while (reader_left(&r) >= 3) {
		uint8_t kind = read_u8(&r) % KINDS;
		size_t len = read_u16(&r) % 4096;
		len = len < reader_left(&r) ? len : reader_left(&r);
		read_copy(&r, bytes, len);
		memset(bytes + len, 0, SIGNATURE_LEN);
		switch ((enum kind)kind) {
		case BUNDLE:
		case BUNDLE_UNSIGNED:
			check_bundle(&trust, &root, bytes, len, kind == BUNDLE);
			break;
		case CERT_OF_ROOT:
			check_cert(&trust, &root, &root, bytes, len);
			break;
		case CERT_OF_ISSUER:
			check_cert(&trust, &root, &issuer, bytes, len);
			break;
		case RECHECK:
			must(trust_bundle_expired(&trust, UINT64_MAX) || trust.bundle);
			break;
		case KINDS:
			break;
		}
	}
	trust_fini(&trust);
	return 0;
}
