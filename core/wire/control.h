#ifndef WARREN_WIRE_CONTROL_H
#define WARREN_WIRE_CONTROL_H

#include "core/base/cursor.h"

/*
 * Control frames: the payload of a sealed packet with inner protocol GRE_PROTO_CONTROL is one or more
 * of them, back to back.
 *
 *   type u8 | flags u8 | length u16 | body of length bytes
 *
 *   PING, PONG        echo 8, then zeros (padding)
 *   CLOSE             reason u8, text
 *   OBJECT            kind u8, id u32, offset u32, total u32, bytes (at most CONTROL_CHUNK_MAX)
 *   ACK               kind u8, id u32
 *   PATH_CHALLENGE, PATH_RESPONSE   token 8
 *   ENROL, KEM        reserved numbers, unknown here
 *
 * A frame of an unknown type is skipped, unless bit 7 of its flags says that it must be understood.
 */
#define CONTROL_HDR_LEN        4
#define CONTROL_TOKEN_LEN      8
#define CONTROL_CHUNK_MAX      1024
#define CONTROL_CLOSE_TEXT_MAX 255
#define CONTROL_OBJECT_HDR_LEN 13 /* body before the bytes */
#define CONTROL_PATH_FRAME_LEN (CONTROL_HDR_LEN + CONTROL_TOKEN_LEN)

#define CONTROL_FLAG_MUST_UNDERSTAND 0x80
#define CONTROL_FLAG_PAD_ANSWER      0x01 /* PING: pad the PONG to the PING's length */

enum control_type {
	CONTROL_PING = 1,
	CONTROL_PONG = 2,
	CONTROL_CLOSE = 3,
	CONTROL_OBJECT = 4,
	CONTROL_ACK = 5,
	CONTROL_PATH_CHALLENGE = 6,
	CONTROL_PATH_RESPONSE = 7,
	CONTROL_ENROL = 8, /* reserved */
	CONTROL_KEM = 9,   /* reserved */
};

/* Advice for logs and for how fast to come back; a receiver copes with any value. */
enum control_reason {
	CONTROL_REASON_NONE = 0,
	CONTROL_REASON_SHUTDOWN = 1,   /* going away for good */
	CONTROL_REASON_RESTARTING = 2, /* back in seconds: keep the routes for a while */
	CONTROL_REASON_IDLE = 3,       /* direct path without user data */
	CONTROL_REASON_REPLACED = 4,   /* another session with this peer took over */
	CONTROL_REASON_REVOKED = 5,
	CONTROL_REASON_EXPIRED = 6, /* certificate */
	CONTROL_REASON_POLICY = 7,
};

enum control_object_kind {
	CONTROL_OBJECT_BUNDLE = 1, /* id = low 32 bits of the bundle's number */
};

/* Pointers are borrowed: from the input after control_next, from the caller for control_write. */
struct control_frame {
	uint8_t type;  /* enum control_type */
	uint8_t flags; /* CONTROL_FLAG_ bits; unknown ones are kept */
	union {
		struct {
			uint8_t echo[CONTROL_TOKEN_LEN];
			uint16_t padding; /* zero bytes after echo */
		} ping;                   /* PING and PONG */
		struct {
			uint8_t reason;   /* enum control_reason, or anything */
			uint8_t text_len; /* longer texts are cut when read */
			const char *text; /* as sent: any bytes, no NUL at its end */
		} close;
		struct {
			uint8_t kind;               /* enum control_object_kind, or anything */
			uint32_t id, offset, total; /* bytes; offset + len <= total is checked */
			uint16_t len;               /* 1 .. CONTROL_CHUNK_MAX */
			const uint8_t *bytes;
		} object;
		struct {
			uint8_t kind;
			uint32_t id;
		} ack;
		struct {
			uint8_t token[CONTROL_TOKEN_LEN];
		} path; /* PATH_CHALLENGE and PATH_RESPONSE */
	} u;
};

/*
 * The next frame of a known type:
 *
 *	struct reader r = reader_of(payload, len);
 *	while ((rc = control_next(&r, &frame)) > 0)
 *
 * 1: *out is filled. 0: nothing is left. ERR_TRUNCATED, ERR_MALFORMED: stop, drop the rest of the packet;
 * ERR_VERSION: an unknown frame that must be understood, likewise. After an error r is at its end.
 */
int control_next(struct reader *r, struct control_frame *out);

/*
 * Appends a frame. Fails w (its sticky error) without writing anything when there is no room, or when
 * the frame breaks a bound that control_next checks.
 */
void control_write(struct writer *w, const struct control_frame *frame);
/* One frame alone: returns its length, ERR_NO_SPACE, or ERR_MALFORMED (a bound, a type). */
int control_encode(const struct control_frame *frame, void *out, size_t cap);

#endif
