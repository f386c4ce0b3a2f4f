#ifndef WARREN_CRYPTO_RESET_H
#define WARREN_CRYPTO_RESET_H

#include "core/base/env.h"
#include "core/crypto/message.h"
#include "core/crypto/primitives.h"

/*
 * RESET tells a peer that we have lost its session, so that a restarted hub is back within a round
 * trip. The token is a MAC of our session index under a key made of our static secret alone: it
 * survives kill -9 without a file. The peer got it inside the handshake. A valid RESET makes the
 * receiver start a new handshake and nothing more.
 *
 *   0 6,1,0,0   4 index   8 random 8   16 token 16
 */

/* H(static secret, "warren reset v1"; 32). */
void reset_key(uint8_t out[KEY_LEN], const uint8_t static_secret[KEY_LEN]);
/* H(reset key, index; 16): the token of our own session index. */
void reset_token(uint8_t out[MAC_LEN], const uint8_t key[KEY_LEN], uint32_t index);

/*
 * Builds the RESET for sealed data that came with an index (Key >> 4) unknown to us. The caller
 * answers only datagrams of more than RESET_ANSWERS_OVER bytes of UDP payload with an index in 1 ..
 * 2^28 - 1, and at most one a second and source.
 */
#define RESET_ANSWERS_OVER 36
void reset_build(uint8_t out[MESSAGE_RESET_LEN], const struct env *env, const uint8_t key[KEY_LEN],
	uint32_t index);

/*
 * Does this RESET carry the token that the peer gave for that index? Constant time. The session is
 * found by message_peek's sender index and the source address.
 */
bool reset_check(const uint8_t *msg, size_t len, const uint8_t token[MAC_LEN]);

#endif
