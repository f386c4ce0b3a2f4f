#ifndef WARREN_CRYPTO_COOKIE_H
#define WARREN_CRYPTO_COOKIE_H

#include "core/base/env.h"
#include "core/crypto/message.h"
#include "core/crypto/primitives.h"

/*
 * The two MACs that end INITIATION and RESPONSE, and the COOKIE message: WireGuard's defence of a
 * responder. mac1 shows that the sender knows our static key and costs us one hash. mac2 shows that
 * it receives what we send to its address; it is asked for under load only, by answering a COOKIE
 * instead of doing any DH. Nothing is kept per source: a cookie is a MAC of the source under a
 * secret that changes every two minutes.
 */
#define COOKIE_MACS_LEN        (2 * MAC_LEN) /* mac1 and mac2, the last bytes of the message */
#define COOKIE_SECRET_LIFE_NS  (120 * NS_PER_S)
#define COOKIE_SECRET_GRACE_NS (5 * NS_PER_S) /* the previous secret is good for so much longer */

/* BLAKE2b-256("mac1----" || static key of the message's receiver). */
void cookie_mac1_key(uint8_t out[KEY_LEN], const uint8_t receiver_static[KEY_LEN]);
/* BLAKE2b-256("cookie--" || static key of the COOKIE's sender). */
void cookie_seal_key(uint8_t out[KEY_LEN], const uint8_t sender_static[KEY_LEN]);

/*
 * Fill the MACs of a whole message of len bytes, of which the last 32 are theirs. mac1 comes first
 * and zeroes mac2; mac2 is added when a fresh cookie of the receiver is at hand. A COOKIE received
 * later may be used to stamp mac2 on the same bytes again and to send them again.
 */
void cookie_stamp_mac1(uint8_t *msg, size_t len, const uint8_t mac1_key[KEY_LEN]);
void cookie_stamp_mac2(uint8_t *msg, size_t len, const uint8_t cookie[MAC_LEN]);
/* The 16 bytes of mac1 in a message of len >= 32 bytes. */
static inline const uint8_t *cookie_mac1_of(const uint8_t *msg, size_t len)
{
	return msg + len - COOKIE_MACS_LEN;
}

/* Is mac1 right? False for anything shorter than a header and the MACs. */
bool cookie_check_mac1(const uint8_t *msg, size_t len, const uint8_t mac1_key[KEY_LEN]);

/* The responder's secrets. */
struct cookie_jar {
	uint8_t current[KEY_LEN], previous[KEY_LEN];
	uint64_t since_ns;          /* when current was drawn */
	uint64_t previous_until_ns; /* previous is good before this time; 0 = there is none */
};

void cookie_jar_init(struct cookie_jar *jar, const struct env *env, uint64_t now);
void cookie_jar_wipe(struct cookie_jar *jar);

/*
 * Is mac2 the one for a message from this source, under the current secret or one that ended less
 * than 5 s ago? Draws a new secret when its time has come.
 */
bool cookie_check_mac2(struct cookie_jar *jar, const struct env *env, const uint8_t *msg,
	size_t len, const struct endpoint *source, uint64_t now);

/*
 * Builds the COOKIE (64 bytes) that answers msg, an INITIATION with a valid mac1.
 * seal_key is that of our own static key. 0 or ERR_MALFORMED (msg is none).
 */
int cookie_build(struct cookie_jar *jar, const struct env *env, const uint8_t seal_key[KEY_LEN],
	const uint8_t *msg, size_t len, const struct endpoint *source,
	uint8_t out[MESSAGE_COOKIE_LEN], uint64_t now);

/*
 * Opens a COOKIE. mac1 is that of the message we sent (found by the COOKIE's receiver index),
 * seal_key that of the peer's static key. The cookie is good for mac2 for 120 s at most. 0;
 * ERR_AUTH; or an error of message_peek. Call it only while that message waits for its answer.
 */
int cookie_consume(const uint8_t *msg, size_t len, const uint8_t mac1[MAC_LEN],
	const uint8_t seal_key[KEY_LEN], uint8_t cookie[MAC_LEN]);

#endif
