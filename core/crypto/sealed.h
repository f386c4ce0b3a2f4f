#ifndef WARREN_CRYPTO_SEALED_H
#define WARREN_CRYPTO_SEALED_H

#include "core/base/env.h"
#include "core/crypto/aead.h"
#include "core/wire/gre.h"

/*
 * Sealed data: one direction of a session key on the wire. No state and no lock here; who hands out
 * sequence numbers, keeps the replay windows and counts against the limits is the caller.
 *
 *   0  30 00 88 B5     GRE: Key and Sequence present
 *   4  Key             receiver's index << 4 | sender's lane
 *   8  Sequence        from 0 in every lane of every key
 *  12  ciphertext, tag           AAD = these 12 bytes, counter = lane << 56 | Sequence
 */
#define SEALED_HEADER_LEN GRE_SEALED_LEN
#define SEALED_LANES_MAX  16

/* Lives of a key, in ns from its handshake. The first has 10 % of jitter (env_jitter). */
#define SEALED_REKEY_NS           (120 * NS_PER_S) /* the session's initiator starts a handshake */
#define SEALED_REKEY_RESPONDER_NS (150 * NS_PER_S) /* the responder takes over */
#define SEALED_REJECT_NS          (180 * NS_PER_S) /* nothing is sealed or opened any more */
#define SEALED_ZERO_NS            (540 * NS_PER_S) /* since the last new key: wipe all */

/* Sequence limits of a lane, and failed opens of a key. The cipher's are in struct aead_limits. */
#define SEALED_SEQUENCE_REKEY (UINT64_C(1) << 31)
#define SEALED_SEQUENCE_STOP  ((UINT64_C(1) << 32) - (UINT64_C(1) << 13))
#define SEALED_FAILED_REKEY   (UINT64_C(1) << 35)
#define SEALED_FAILED_STOP    (UINT64_C(1) << 36)

struct sealed_header {
	uint32_t index; /* the receiver's session, 28 bits */
	uint8_t lane;   /* 0 .. 15 */
	uint32_t sequence;
};

/* Reads the header of a UDP payload. False: not sealed data (another GRE header, or too short). */
bool sealed_parse(const uint8_t *data, size_t len, struct sealed_header *out);

/*
 * Seals len bytes of plaintext to datagram, which has room for SEALED_HEADER_LEN + len + tag. plain
 * is datagram + SEALED_HEADER_LEN, in place, or does not overlap what is written. Returns the
 * datagram's length. header->index is the receiver's, 1 .. 2^28 - 1.
 */
size_t sealed_seal(const struct aead_key *key, const struct sealed_header *header,
	uint8_t *datagram, const uint8_t *plain, size_t len);

/*
 * Opens a datagram of len bytes with the header that sealed_parse found in it. plain has room for
 * the plaintext, len - SEALED_HEADER_LEN - tag; it is datagram + SEALED_HEADER_LEN, in place, or does
 * not overlap the datagram. Returns the plaintext's length, or ERR_AUTH: too short, or the tag is
 * wrong; plain holds nothing of the plaintext then.
 */
int sealed_open(const struct aead_key *key, const struct sealed_header *header, uint8_t *plain,
	const uint8_t *datagram, size_t len);

/* What the counts of a key allow. */
enum sealed_life {
	SEALED_FRESH,
	SEALED_REKEY, /* usable, but start a handshake now, whichever side we are */
	SEALED_STOP,  /* do not use it */
};

/*
 * messages and blocks: sealed under the key so far, all lanes together; sequence: the next one of
 * the lane that has come farthest.
 */
enum sealed_life sealed_life(
	const struct aead *aead, uint64_t messages, uint64_t blocks, uint64_t sequence);
/* The same for datagrams of a key that did not open. */
enum sealed_life sealed_life_failed(uint64_t failed);

#endif
