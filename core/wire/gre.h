#ifndef WARREN_WIRE_GRE_H
#define WARREN_WIRE_GRE_H

#include "core/base/cursor.h"

#include <stdbool.h>

/*
 * GRE headers (RFC 2784, key and sequence of RFC 2890), each of which is the start of a UDP payload
 * (RFC 8086), of a raw protocol 47 payload, or of the plaintext of a sealed packet.
 *
 *  sealed     0                   1                   2                   3
 *            |0 0 1 1 0 0 ... 0 |  ver 0 |      protocol type 0x88B5       |
 *            |                index << 4 (28 bits)               | lane (4)|
 *            |                          sequence                           |
 *            | ciphertext of { 00 00 | protocol | payload }, tag (16)      |
 *
 *  handshake  00 00 88 B6, then a message that begins with its type byte
 *  inner      00 00, protocol, payload
 */
#define GRE_UDP_PORT 4754 /* RFC 8086 s.8 */

#define GRE_PROTO_KEEPALIVE 0x0000 /* inner: 8 zero bytes follow */
#define GRE_PROTO_IPV4      0x0800
#define GRE_PROTO_NHRP      0x2001
#define GRE_PROTO_IPV6      0x86DD
#define GRE_PROTO_SEALED    0x88B5 /* outer; IEEE local experimental 1 */
#define GRE_PROTO_HANDSHAKE 0x88B6 /* outer; IEEE local experimental 2 */
#define GRE_PROTO_CONTROL   0x88B6 /* inner: control frames */

#define GRE_PLAIN_LEN     4  /* no options: handshake and inner header */
#define GRE_PLAIN_MAX     16 /* with checksum, key and sequence */
#define GRE_SEALED_LEN    12
#define GRE_TAG_LEN       16
#define GRE_SEALED_MIN    (GRE_SEALED_LEN + GRE_PLAIN_LEN + GRE_TAG_LEN)
#define GRE_HANDSHAKE_MIN (GRE_PLAIN_LEN + 4) /* type, version, 0, 0 */
#define GRE_LANES         16
#define GRE_INDEX_MAX     0x0FFFFFFFu

#define GRE_SEALED_WORD    0x300088B5u
#define GRE_HANDSHAKE_WORD 0x000088B6u

enum gre_kind {
	GRE_SEALED, /* at least GRE_SEALED_MIN bytes, header exactly as drawn above */
	GRE_HANDSHAKE, /* at least GRE_HANDSHAKE_MIN bytes; the message starts at data + GRE_PLAIN_LEN */
	GRE_PLAIN, /* another protocol; gre_plain_read has the rest to say */
	GRE_BAD, /* short, reserved bits set, version other than 0, or a half-right header of ours */
};

/* What a UDP payload or protocol 47 payload is. Looks at the first word and at len only. */
enum gre_kind gre_classify(const uint8_t *data, size_t len);

/* index: 1 .. GRE_INDEX_MAX; lane: 0 .. GRE_LANES - 1; seq: the packet's number in its lane. */
static inline void gre_sealed_write(
	uint8_t out[GRE_SEALED_LEN], uint32_t index, uint8_t lane, uint32_t seq)
{
	store_u32(out, GRE_SEALED_WORD);
	store_u32(out + 4, index << 4 | (lane & 15u));
	store_u32(out + 8, seq);
}

/* data: GRE_SEALED_LEN bytes that gre_classify called GRE_SEALED. */
static inline void gre_sealed_read(
	const uint8_t data[GRE_SEALED_LEN], uint32_t *index, uint8_t *lane, uint32_t *seq)
{
	uint32_t key = load_u32(data + 4);
	*index = key >> 4;
	*lane = key & 15u;
	*seq = load_u32(data + 8);
}

static inline void gre_handshake_write(uint8_t out[GRE_PLAIN_LEN])
{
	store_u32(out, GRE_HANDSHAKE_WORD);
}

/* The header inside a sealed packet; protocol is a GRE_PROTO_ value. */
static inline void gre_inner_write(uint8_t out[GRE_PLAIN_LEN], uint16_t protocol)
{
	store_u32(out, protocol);
}

/* False when there are fewer than GRE_PLAIN_LEN bytes or the flags are not zero. */
static inline bool gre_inner_read(const uint8_t *data, size_t len, uint16_t *protocol)
{
	if (len < GRE_PLAIN_LEN || load_u16(data) != 0)
		return false;
	*protocol = load_u16(data + 2);
	return true;
}

/* A plaintext header (interop mode). Host order. */
struct gre_plain {
	uint16_t protocol;
	bool have_checksum, have_key, have_seq;
	uint32_t key, seq; /* 0 when absent */
	uint8_t hdr_len;   /* out of gre_plain_read: where the payload starts */
};

/*
 * Reads the header of all len bytes of a packet and verifies the checksum if there is one (it covers
 * header and payload, RFC 2784 s.2.3). Bits 6 to 12 are ignored as RFC 2784 s.2.2 asks.
 * ERR_TRUNCATED; ERR_UNSUPPORTED: bits 1, 4 or 5 (routing, strict source route, recursion);
 * ERR_VERSION: version other than 0; ERR_MALFORMED: wrong checksum.
 */
int gre_plain_read(const uint8_t *data, size_t len, struct gre_plain *out);
/*
 * Writes the header to out, which has room for GRE_PLAIN_MAX bytes. Returns its length, 4, 8 or 12:
 * have_checksum is not written, since UDP and NHRP have theirs (RFC 8086 s.3.3).
 */
size_t gre_plain_write(uint8_t *out, const struct gre_plain *in);

#endif
