#ifndef WARREN_CRYPTO_PAYLOAD_H
#define WARREN_CRYPTO_PAYLOAD_H

#include "core/crypto/handshake.h"

/*
 * Codec of the two handshake payloads, plaintext to plain structs and back. Internal to
 * core/crypto: handshake.c seals and opens what is written and read here.
 *
 * payload1                            payload2
 *   0 TAI64N 12                         0 sender index, receiver index 8
 *  12 ciphers offered, preferred        8 cipher chosen, ciphers supported
 *  14 flags 2                          10 flags 2
 *  16 psk_id 4, features 4             12 psk_id 4, features 4
 *  24 largest UDP payload 2            20 largest UDP payload 2
 *  26 lanes, zero                      22 lanes, zero
 *  28 reset token 16                   24 unix time 8
 *  44 cert_len 2, certificate          32 reset token 16
 *     TLVs                             48 endpoint seen 20
 *                                      68 cert_len 2, certificate, TLVs
 */
#define PAYLOAD_OFFER_FIXED  46 /* bytes without certificate and TLVs */
#define PAYLOAD_ANSWER_FIXED 70

/*
 * Writes payload1, padded by a TLV to at least min bytes (up to 3 more, as a TLV header needs 4).
 * The build string is left out when it does not fit. 0; ERR_MALFORMED: the offer breaks a rule that
 * payload_read_offer checks; ERR_NO_SPACE.
 */
int payload_write_offer(struct writer *w, const struct handshake_offer *offer, size_t min);
/* out borrows from data; out->index is not touched. 0, ERR_TRUNCATED, ERR_MALFORMED. */
int payload_read_offer(const uint8_t *data, size_t len, struct handshake_offer *out);

/* receiver is the initiator's index. Errors as above. */
int payload_write_answer(
	struct writer *w, const struct handshake_answer *answer, uint32_t receiver);
/* *receiver is for the caller to compare, as out->index is, with the message's header. */
int payload_read_answer(
	const uint8_t *data, size_t len, struct handshake_answer *out, uint32_t *receiver);

#endif
