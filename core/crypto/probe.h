#ifndef WARREN_CRYPTO_PROBE_H
#define WARREN_CRYPTO_PROBE_H

#include "core/crypto/message.h"
#include "core/crypto/primitives.h"

/*
 * PROBE, the packet that punches holes: 32 bytes, MACed with the punch key that the resolution made
 * for one pair of nodes. Its answer has the same length and goes to the source seen. Without a
 * valid MAC there is silence.
 *
 *   0 5,1,0,0   4 token_id   8 nonce 7   15 direction   16 H(punch key, bytes 0..15; 16)
 */
#define PROBE_NONCE_LEN 7

struct probe {
	uint32_t token_id;
	uint8_t nonce[PROBE_NONCE_LEN];
	bool answer; /* direction: 0 probe, 1 answer */
};

void probe_build(
	uint8_t out[MESSAGE_PROBE_LEN], const struct probe *probe, const uint8_t key[KEY_LEN]);

/*
 * Checks the MAC with the key of the token that message_peek named, then fills out. 0; ERR_AUTH;
 * ERR_MALFORMED: a direction other than 0 and 1; or an error of message_peek.
 */
int probe_open(const uint8_t *msg, size_t len, const uint8_t key[KEY_LEN], struct probe *out);

#endif
