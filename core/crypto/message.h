#ifndef WARREN_CRYPTO_MESSAGE_H
#define WARREN_CRYPTO_MESSAGE_H

#include "core/base/cursor.h"

/*
 * The header that the five handshake messages share (protocol.md section 2). A "message" everywhere
 * in core/crypto starts at the type byte, behind the GRE header 00 00 88 B6 that nothing covers.
 *
 *   0 type   1 version = 1   2 zero   3 zero   4 first index, token id or receiver index, u32
 */
#define MESSAGE_VERSION        1
#define MESSAGE_HEADER_LEN     4
#define MESSAGE_INITIATION_MIN 640
#define MESSAGE_INITIATION_MAX 1228
#define MESSAGE_RESPONSE_MAX   640
#define MESSAGE_RESPONSE_MIN   162 /* payload2 without certificate */
#define MESSAGE_COOKIE_LEN     64
#define MESSAGE_PROBE_LEN      32
#define MESSAGE_RESET_LEN      32
#define MESSAGE_INDEX_MAX      ((UINT32_C(1) << 28) - 1) /* indices are 1 .. this */

enum message_type {
	MESSAGE_INITIATION = 1,
	MESSAGE_RESPONSE = 2,
	MESSAGE_COOKIE = 3,
	MESSAGE_PROBE = 5,
	MESSAGE_RESET = 6,
};

struct message_header {
	enum message_type type;
	uint32_t sender;   /* index of the sender's session: INITIATION, RESPONSE, RESET; else 0 */
	uint32_t receiver; /* index of the receiver's session: RESPONSE, COOKIE; else 0 */
	uint32_t token_id; /* PROBE; else 0 */
};

/*
 * Looks at what needs no key: type, version, zero bytes, length for the type, indices in range. To
 * be called first; every other function of core/crypto refuses what this refuses. 0; ERR_TRUNCATED:
 * shorter than its type; ERR_VERSION; ERR_MALFORMED. Whatever fails is dropped and never answered.
 */
int message_peek(const uint8_t *msg, size_t len, struct message_header *out);

/* Writes the first four bytes of a message. */
static inline void message_write_header(struct writer *w, enum message_type type)
{
	write_u8(w, (uint8_t)type);
	write_u8(w, MESSAGE_VERSION);
	write_u16(w, 0);
}

static inline bool message_index_valid(uint32_t index)
{
	return index >= 1 && index <= MESSAGE_INDEX_MAX;
}

#endif
