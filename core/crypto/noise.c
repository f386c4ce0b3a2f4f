#include "core/crypto/noise.h"

#include "core/base/err.h"
#include "core/crypto/hkdf.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

_Static_assert(NOISE_TAG_LEN == crypto_aead_chacha20poly1305_ietf_ABYTES, "tag");
_Static_assert(NOISE_HASH_LEN == HKDF_HASH_LEN, "one hash");

const struct noise_pattern noise_ikpsk2 = {
	.name = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2b",
	.responder_known = true,
	.n_messages = 2,
	.messages =
		{
			{NOISE_E, NOISE_ES, NOISE_S, NOISE_SS},
			{NOISE_E, NOISE_EE, NOISE_SE, NOISE_PSK},
		},
};

/* The symmetric state: Noise s.5.1 and 5.2. */

static void mix_hash(struct noise *n, const void *data, size_t len)
{
	prim_hash(n->h, sizeof n->h, NULL, 0, PRIM_PARTS({n->h, sizeof n->h}, {data, len}));
}

static void mix_key(struct noise *n, const uint8_t *input, size_t len)
{
	uint8_t out[2][HKDF_HASH_LEN];

	hkdf_derive(out[0], 2, n->ck, input, len);
	memcpy(n->ck, out[0], sizeof n->ck);
	memcpy(n->k, out[1], sizeof n->k);
	n->nonce = 0;
	n->has_key = true;
	prim_wipe(out, sizeof out);
}

static void mix_key_and_hash(struct noise *n, const uint8_t *input, size_t len)
{
	uint8_t out[3][HKDF_HASH_LEN];

	hkdf_derive(out[0], 3, n->ck, input, len);
	memcpy(n->ck, out[0], sizeof n->ck);
	mix_hash(n, out[1], sizeof out[1]);
	memcpy(n->k, out[2], sizeof n->k);
	n->nonce = 0;
	n->has_key = true;
	prim_wipe(out, sizeof out);
}

/* 32 zero bits, then the counter, little-endian: Noise s.12.3. */
static void next_nonce(struct noise *n, uint8_t nonce[12])
{
	memset(nonce, 0, 4);
	for (size_t i = 0; i < 8; i++)
		nonce[4 + i] = (uint8_t)(n->nonce >> 8 * i);
	n->nonce++;
}

static int encrypt_and_hash(struct noise *n, struct writer *w, const uint8_t *plain, size_t len)
{
	size_t total = n->has_key ? len + NOISE_TAG_LEN : len;
	uint8_t *out = write_space(w, total);

	if (!out)
		return ERR_NO_SPACE;
	if (n->has_key) {
		uint8_t nonce[12];
		next_nonce(n, nonce);
		crypto_aead_chacha20poly1305_ietf_encrypt(
			out, NULL, plain, len, n->h, sizeof n->h, NULL, nonce, n->k);
	} else if (len) {
		memcpy(out, plain, len);
	}
	mix_hash(n, out, total);
	return 0;
}

/* Reads total bytes, with the tag. out may be where they are. Returns the plaintext's length. */
static int decrypt_and_hash(struct noise *n, struct reader *r, size_t total, uint8_t *out)
{
	uint8_t h[NOISE_HASH_LEN];
	const uint8_t *in = read_bytes(r, total);

	if (!in || (n->has_key && total < NOISE_TAG_LEN))
		return ERR_TRUNCATED;
	memcpy(h, n->h, sizeof h); /* the ciphertext is hashed before it is overwritten */
	mix_hash(n, in, total);
	if (n->has_key) {
		uint8_t nonce[12];
		next_nonce(n, nonce);
		if (crypto_aead_chacha20poly1305_ietf_decrypt(
			    out, NULL, NULL, in, total, h, sizeof h, nonce, n->k) != 0)
			return ERR_AUTH;
		return (int)(total - NOISE_TAG_LEN);
	}
	if (total)
		memmove(out, in, total);
	return (int)total;
}

static int mix_dh(struct noise *n, const uint8_t *secret, bool has_secret, const uint8_t *remote,
	bool has_remote)
{
	uint8_t shared[KEY_LEN];

	if (!has_secret || !has_remote)
		return ERR_MALFORMED;
	if (!prim_dh(shared, secret, remote))
		return ERR_AUTH; /* a key of low order; allowed by Noise s.12.1 */
	mix_key(n, shared, sizeof shared);
	prim_wipe(shared, sizeof shared);
	return 0;
}

/* The tokens that do the same in both directions. */
static int mix_token(struct noise *n, enum noise_token token)
{
	switch (token) {
	case NOISE_EE:
		return mix_dh(n, n->e_secret, n->has_e, n->re, n->has_re);
	case NOISE_ES:
		if (n->initiator)
			return mix_dh(n, n->e_secret, n->has_e, n->rs, n->has_rs);
		return mix_dh(n, n->s_secret, true, n->re, n->has_re);
	case NOISE_SE:
		if (n->initiator)
			return mix_dh(n, n->s_secret, true, n->re, n->has_re);
		return mix_dh(n, n->e_secret, n->has_e, n->rs, n->has_rs);
	case NOISE_SS:
		return mix_dh(n, n->s_secret, true, n->rs, n->has_rs);
	case NOISE_PSK:
		if (!n->has_psk)
			return ERR_MALFORMED;
		mix_key_and_hash(n, n->psk, sizeof n->psk);
		prim_wipe(n->psk, sizeof n->psk);
		n->has_psk = false;
		return 0;
	case NOISE_E:
	case NOISE_S:
	case NOISE_END:
		break;
	}
	return ERR_MALFORMED;
}

/* In psk patterns an ephemeral key is also mixed into the key: Noise s.9.2. */
static void mix_ephemeral(struct noise *n, const uint8_t e[KEY_LEN])
{
	mix_hash(n, e, KEY_LEN);
	if (n->psk_pattern)
		mix_key(n, e, KEY_LEN);
}

static int write_token(struct noise *n, struct writer *w, enum noise_token token)
{
	if (token == NOISE_E) {
		if (!n->has_e)
			return ERR_MALFORMED;
		write_bytes(w, n->e_public, KEY_LEN);
		mix_ephemeral(n, n->e_public);
		return w->failed ? ERR_NO_SPACE : 0;
	}
	if (token == NOISE_S)
		return encrypt_and_hash(n, w, n->s_public, KEY_LEN);
	return mix_token(n, token);
}

static int read_token(struct noise *n, struct reader *r, enum noise_token token)
{
	if (token == NOISE_E) {
		read_copy(r, n->re, KEY_LEN);
		n->has_re = true;
		mix_ephemeral(n, n->re);
		return r->failed ? ERR_TRUNCATED : 0;
	}
	if (token == NOISE_S) {
		int len = decrypt_and_hash(
			n, r, n->has_key ? KEY_LEN + NOISE_TAG_LEN : KEY_LEN, n->rs);
		n->has_rs = len == KEY_LEN;
		return len < 0 ? len : 0;
	}
	return mix_token(n, token);
}

static bool is_turn(const struct noise *n, bool to_write)
{
	if (!n->pattern || n->message >= n->pattern->n_messages)
		return false;
	bool ours = n->initiator == (n->message % 2 == 0);
	return ours == to_write;
}

static enum noise_token next_token(const struct noise *n)
{
	return n->pattern->messages[n->message][n->token];
}

static void next_message(struct noise *n)
{
	n->message++;
	n->token = 0;
}

/* Passes an error on, after forgetting everything. */
static int fail(struct noise *n, int err)
{
	noise_wipe(n);
	return err;
}

int noise_begin(struct noise *n, const struct noise_pattern *pattern, bool initiator,
	const uint8_t s_secret[KEY_LEN], const uint8_t s_public[KEY_LEN],
	const uint8_t *remote_static, const struct prim_part *prologue, size_t n_prologue)
{
	size_t name_len = strlen(pattern->name);

	assert(name_len <= NOISE_HASH_LEN);
	*n = (struct noise){
		.pattern = pattern,
		.s_secret = s_secret,
		.s_public = s_public,
		.initiator = initiator,
	};
	for (size_t m = 0; m < pattern->n_messages; m++)
		for (size_t t = 0; t < NOISE_TOKENS_MAX; t++)
			n->psk_pattern |= pattern->messages[m][t] == NOISE_PSK;

	memcpy(n->h, pattern->name, name_len);
	memcpy(n->ck, n->h, sizeof n->ck);

	/* MixHash(prologue), which may be in parts. */
	struct prim_part parts[1 + NOISE_PROLOGUE_MAX] = {{n->h, sizeof n->h}};
	assert(n_prologue <= NOISE_PROLOGUE_MAX);
	for (size_t i = 0; i < n_prologue; i++)
		parts[1 + i] = prologue[i];
	prim_hash(n->h, sizeof n->h, NULL, 0, parts, 1 + n_prologue);

	/* <- s */
	if (pattern->responder_known) {
		if (initiator && !remote_static)
			return fail(n, ERR_MALFORMED);
		if (initiator) {
			memcpy(n->rs, remote_static, KEY_LEN);
			n->has_rs = true;
		}
		mix_hash(n, initiator ? n->rs : s_public, KEY_LEN);
	}
	return 0;
}

void noise_set_ephemeral(struct noise *n, const uint8_t secret[KEY_LEN])
{
	memcpy(n->e_secret, secret, KEY_LEN);
	prim_dh_public(n->e_public, n->e_secret);
	n->has_e = true;
}

void noise_set_psk(struct noise *n, const uint8_t psk[KEY_LEN])
{
	memcpy(n->psk, psk, KEY_LEN);
	n->has_psk = true;
}

int noise_write(struct noise *n, struct writer *w, const uint8_t *payload, size_t len)
{
	if (!is_turn(n, true))
		return fail(n, ERR_MALFORMED);
	for (; next_token(n) != NOISE_END; n->token++) {
		int rc = write_token(n, w, next_token(n));
		if (rc)
			return fail(n, rc);
	}
	int rc = encrypt_and_hash(n, w, payload, len);
	if (rc)
		return fail(n, rc);
	next_message(n);
	return 0;
}

int noise_read_tokens(struct noise *n, struct reader *r, enum noise_token last)
{
	if (!is_turn(n, false))
		return fail(n, ERR_MALFORMED);
	for (enum noise_token token; (token = next_token(n)) != NOISE_END;) {
		int rc = read_token(n, r, token);
		if (rc)
			return fail(n, rc);
		n->token++;
		if (token == last)
			break;
	}
	return 0;
}

int noise_read_payload(struct noise *n, struct reader *r, uint8_t *out)
{
	int rc = noise_read_tokens(n, r, NOISE_END);
	if (rc)
		return rc;
	int len = decrypt_and_hash(n, r, reader_left(r), out);
	if (len < 0)
		return fail(n, len);
	next_message(n);
	return len;
}

bool noise_is_done(const struct noise *n)
{
	return n->pattern && n->message == n->pattern->n_messages;
}

int noise_split(struct noise *n, uint8_t tx[KEY_LEN], uint8_t rx[KEY_LEN])
{
	uint8_t out[2][HKDF_HASH_LEN];

	memset(tx, 0, KEY_LEN);
	memset(rx, 0, KEY_LEN);
	if (!noise_is_done(n))
		return fail(n, ERR_MALFORMED);
	hkdf_derive(out[0], 2, n->ck, NULL, 0);
	memcpy(tx, out[n->initiator ? 0 : 1], KEY_LEN);
	memcpy(rx, out[n->initiator ? 1 : 0], KEY_LEN);
	prim_wipe(out, sizeof out);
	prim_wipe(n->ck, sizeof n->ck);
	prim_wipe(n->k, sizeof n->k);
	prim_wipe(n->e_secret, sizeof n->e_secret);
	n->pattern = NULL;
	return 0;
}

void noise_wipe(struct noise *n)
{
	prim_wipe(n, sizeof *n);
}
