#include "core/crypto/message.h"

#include "core/base/err.h"

struct message_shape {
	uint16_t min, max; /* bytes; 0 = no such type */
	uint8_t n_indices; /* session indices that follow the header */
};

static const struct message_shape shapes[] = {
	[MESSAGE_INITIATION] = {MESSAGE_INITIATION_MIN, MESSAGE_INITIATION_MAX, 1},
	[MESSAGE_RESPONSE] = {MESSAGE_RESPONSE_MIN, MESSAGE_RESPONSE_MAX, 2},
	[MESSAGE_COOKIE] = {MESSAGE_COOKIE_LEN, MESSAGE_COOKIE_LEN, 1},
	[MESSAGE_PROBE] = {MESSAGE_PROBE_LEN, MESSAGE_PROBE_LEN, 0},
	[MESSAGE_RESET] = {MESSAGE_RESET_LEN, MESSAGE_RESET_LEN, 1},
};

int message_peek(const uint8_t *msg, size_t len, struct message_header *out)
{
	*out = (struct message_header){0};
	struct reader r = reader_of(msg, len);
	uint8_t type = read_u8(&r), version = read_u8(&r);
	uint16_t zero = read_u16(&r);
	uint32_t first = read_u32(&r);

	if (r.failed)
		return ERR_TRUNCATED;
	if (version != MESSAGE_VERSION)
		return ERR_VERSION;
	if (zero != 0 || type >= sizeof shapes / sizeof *shapes || shapes[type].min == 0)
		return ERR_MALFORMED;
	if (len < shapes[type].min)
		return ERR_TRUNCATED;
	if (len > shapes[type].max)
		return ERR_MALFORMED;
	uint32_t second = shapes[type].n_indices == 2 ? read_u32(&r) : 1;
	if (shapes[type].n_indices && !(message_index_valid(first) && message_index_valid(second)))
		return ERR_MALFORMED;

	out->type = (enum message_type)type;
	switch (out->type) {
	case MESSAGE_INITIATION:
	case MESSAGE_RESET:
		out->sender = first;
		break;
	case MESSAGE_RESPONSE:
		out->sender = first;
		out->receiver = second;
		break;
	case MESSAGE_COOKIE:
		out->receiver = first;
		break;
	case MESSAGE_PROBE:
		out->token_id = first;
		break;
	}
	return 0;
}
