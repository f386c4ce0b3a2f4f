#include "core/wire/control.h"
#include "core/base/err.h"

#include <string.h>

static int decode_object(struct reader *body, struct control_frame *out)
{
	out->u.object.kind = read_u8(body);
	out->u.object.id = read_u32(body);
	out->u.object.offset = read_u32(body);
	out->u.object.total = read_u32(body);
	size_t len = reader_left(body);
	if (body->failed || len == 0 || len > CONTROL_CHUNK_MAX)
		return ERR_MALFORMED;
	if (out->u.object.offset > out->u.object.total ||
		len > out->u.object.total - out->u.object.offset)
		return ERR_MALFORMED;
	out->u.object.len = (uint16_t)len;
	out->u.object.bytes = read_bytes(body, len);
	return 0;
}

/* 1: filled; 0: a type to be skipped. */
static int decode_body(struct reader *body, struct control_frame *out)
{
	size_t len = reader_left(body);
	switch (out->type) {
	case CONTROL_PING:
	case CONTROL_PONG:
		read_copy(body, out->u.ping.echo, CONTROL_TOKEN_LEN);
		out->u.ping.padding = (uint16_t)reader_left(body);
		read_bytes(body, out->u.ping.padding);
		break;
	case CONTROL_CLOSE:
		out->u.close.reason = read_u8(body);
		len = reader_left(body);
		out->u.close.text_len =
			(uint8_t)(len < CONTROL_CLOSE_TEXT_MAX ? len : CONTROL_CLOSE_TEXT_MAX);
		out->u.close.text = (const char *)read_bytes(body, len);
		break;
	case CONTROL_OBJECT:
		if (decode_object(body, out) < 0)
			return ERR_MALFORMED;
		break;
	case CONTROL_ACK:
		out->u.ack.kind = read_u8(body);
		out->u.ack.id = read_u32(body);
		break;
	case CONTROL_PATH_CHALLENGE:
	case CONTROL_PATH_RESPONSE:
		read_copy(body, out->u.path.token, CONTROL_TOKEN_LEN);
		break;
	default:
		return out->flags & CONTROL_FLAG_MUST_UNDERSTAND ? ERR_VERSION : 0;
	}
	return body->failed || reader_left(body) > 0 ? ERR_MALFORMED : 1;
}

int control_next(struct reader *r, struct control_frame *out)
{
	int rc = 0;
	while (rc == 0 && reader_left(r) > 0) {
		memset(out, 0, sizeof *out);
		out->type = read_u8(r);
		out->flags = read_u8(r);
		struct reader body = read_sub(r, read_u16(r));
		rc = r->failed ? ERR_TRUNCATED : decode_body(&body, out);
	}
	if (rc < 0)
		r->at = r->end;
	return rc;
}

/* Bytes of the body, or ERR_MALFORMED. */
static int body_len(const struct control_frame *f)
{
	switch (f->type) {
	case CONTROL_PING:
	case CONTROL_PONG:
		return f->u.ping.padding > UINT16_MAX - CONTROL_TOKEN_LEN
			? ERR_MALFORMED
			: CONTROL_TOKEN_LEN + f->u.ping.padding;
	case CONTROL_CLOSE:
		return 1 + f->u.close.text_len;
	case CONTROL_OBJECT:
		if (f->u.object.len == 0 || f->u.object.len > CONTROL_CHUNK_MAX ||
			f->u.object.offset > f->u.object.total ||
			f->u.object.len > f->u.object.total - f->u.object.offset)
			return ERR_MALFORMED;
		return CONTROL_OBJECT_HDR_LEN + f->u.object.len;
	case CONTROL_ACK:
		return 5;
	case CONTROL_PATH_CHALLENGE:
	case CONTROL_PATH_RESPONSE:
		return CONTROL_TOKEN_LEN;
	default:
		return ERR_MALFORMED;
	}
}

static void encode_body(struct writer *w, const struct control_frame *f)
{
	switch (f->type) {
	case CONTROL_PING:
	case CONTROL_PONG:
		write_bytes(w, f->u.ping.echo, CONTROL_TOKEN_LEN);
		write_zeros(w, f->u.ping.padding);
		break;
	case CONTROL_CLOSE:
		write_u8(w, f->u.close.reason);
		write_bytes(w, f->u.close.text, f->u.close.text_len);
		break;
	case CONTROL_OBJECT:
		write_u8(w, f->u.object.kind);
		write_u32(w, f->u.object.id);
		write_u32(w, f->u.object.offset);
		write_u32(w, f->u.object.total);
		write_bytes(w, f->u.object.bytes, f->u.object.len);
		break;
	case CONTROL_ACK:
		write_u8(w, f->u.ack.kind);
		write_u32(w, f->u.ack.id);
		break;
	default: /* the two path frames: body_len knows no others */
		write_bytes(w, f->u.path.token, CONTROL_TOKEN_LEN);
		break;
	}
}

void control_write(struct writer *w, const struct control_frame *frame)
{
	int len = body_len(frame);
	if (len < 0)
		w->failed = true;
	uint8_t *space = len < 0 ? NULL : write_space(w, CONTROL_HDR_LEN + (size_t)len);
	if (!space)
		return;
	struct writer part = writer_of(space, CONTROL_HDR_LEN + (size_t)len);
	write_u8(&part, frame->type);
	write_u8(&part, frame->flags);
	write_u16(&part, (uint16_t)len);
	encode_body(&part, frame);
}

int control_encode(const struct control_frame *frame, void *out, size_t cap)
{
	int len = body_len(frame);
	if (len < 0)
		return len;
	struct writer w = writer_of(out, cap);
	control_write(&w, frame);
	return w.failed ? ERR_NO_SPACE : (int)writer_len(&w);
}
