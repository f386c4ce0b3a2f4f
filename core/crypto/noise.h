#ifndef WARREN_CRYPTO_NOISE_H
#define WARREN_CRYPTO_NOISE_H

#include "core/base/cursor.h"
#include "core/crypto/primitives.h"

/*
 * The Noise protocol framework, revision 34, for 25519_ChaChaPoly_BLAKE2b: the symmetric state and
 * an interpreter of message patterns that are rows of a table. Reading can stop after any token, so
 * that a responder can look at the peer's static key before it spends another DH on it. Randomness
 * is not taken from anywhere: the ephemeral secret is an input.
 *
 * HASHLEN is 64: h and ck have 64 bytes, HKDF is HMAC-BLAKE2b-512, keys are its output cut to 32.
 * Any failure (tag, zero DH, input too short, a key that is missing) wipes the state, and each
 * later call fails too.
 */
#define NOISE_HASH_LEN     64
#define NOISE_TAG_LEN      16
#define NOISE_MESSAGES_MAX 3
#define NOISE_TOKENS_MAX   6 /* with the NOISE_END */
#define NOISE_PROLOGUE_MAX 4 /* parts */

enum noise_token {
	NOISE_END, /* no more tokens: what is left of the message is its payload */
	NOISE_E,
	NOISE_S,
	NOISE_EE,
	NOISE_ES,
	NOISE_SE,
	NOISE_SS,
	NOISE_PSK,
};

struct noise_pattern {
	const char *name;     /* the full protocol name, at most 64 bytes: Noise s.5.2 */
	bool responder_known; /* pre-message "<- s": the initiator has the responder's key before */
	uint8_t n_messages;   /* the initiator writes the first, then they alternate */
	enum noise_token messages[NOISE_MESSAGES_MAX][NOISE_TOKENS_MAX];
};

/* The one pattern of the protocol: Noise_IKpsk2_25519_ChaChaPoly_BLAKE2b. */
extern const struct noise_pattern noise_ikpsk2;

struct noise {
	const struct noise_pattern *pattern; /* NULL: failed, finished or never begun */
	const uint8_t *s_secret;             /* our static key pair, borrowed for the handshake */
	const uint8_t *s_public;
	uint8_t h[NOISE_HASH_LEN]; /* after the last message: the handshake hash */
	uint8_t ck[NOISE_HASH_LEN];
	uint8_t k[KEY_LEN];
	uint8_t e_secret[KEY_LEN], e_public[KEY_LEN];
	uint8_t rs[KEY_LEN], re[KEY_LEN]; /* the peer's static and ephemeral public keys */
	uint8_t psk[KEY_LEN];
	uint64_t nonce;
	uint8_t message, token; /* where we are in the pattern */
	bool initiator, has_key, has_e, has_rs, has_re, has_psk, psk_pattern;
};

/*
 * Begins a handshake: protocol name, prologue (0 .. 4 parts in a row) and pre-messages are hashed.
 * The static key pair and the pattern are borrowed until the end of the handshake. remote_static is
 * the responder's public key for an initiator whose pattern has it as pre-message, else NULL. 0, or
 * ERR_MALFORMED when remote_static is missing.
 */
int noise_begin(struct noise *n, const struct noise_pattern *pattern, bool initiator,
	const uint8_t s_secret[KEY_LEN], const uint8_t s_public[KEY_LEN],
	const uint8_t *remote_static, const struct prim_part *prologue, size_t n_prologue);

/* The secret for our next (and only) token e: 32 fresh random bytes; fixed ones in tests. */
void noise_set_ephemeral(struct noise *n, const uint8_t secret[KEY_LEN]);
/* The key of the next psk token, forgotten with it: a second psk is set after the first is used. */
void noise_set_psk(struct noise *n, const uint8_t psk[KEY_LEN]);

/*
 * Writes the message whose turn it is, all tokens and the payload, to w. 0; ERR_NO_SPACE: w is too
 * small; ERR_AUTH: a DH gave zero; ERR_MALFORMED: not our turn, or ephemeral or psk not set.
 */
int noise_write(struct noise *n, struct writer *w, const uint8_t *payload, size_t len);

/*
 * Reads tokens of the message whose turn it is from r, through the first that equals last, or all
 * that are left for NOISE_END. The keys they bring are in rs and re. 0; ERR_TRUNCATED; ERR_AUTH: a
 * tag does not verify or a DH gave zero; ERR_MALFORMED: not their turn, or psk not set.
 */
int noise_read_tokens(struct noise *n, struct reader *r, enum noise_token last);

/*
 * Reads the tokens that are left and then the rest of r as payload, to out, which may be that very
 * memory. Returns the length of the payload (what is left of r, less a tag once there is a key), or
 * an error of noise_read_tokens. The message is finished then.
 */
int noise_read_payload(struct noise *n, struct reader *r, uint8_t *out);

/* Have all messages of the pattern passed? */
bool noise_is_done(const struct noise *n);

/*
 * Split (Noise s.5.2) after the last message: the keys for the two directions, of 32 bytes. Key
 * material is wiped; h stays. 0, or ERR_MALFORMED when the handshake is not done.
 */
int noise_split(struct noise *n, uint8_t tx[KEY_LEN], uint8_t rx[KEY_LEN]);

/* Forgets everything. */
void noise_wipe(struct noise *n);

#endif
