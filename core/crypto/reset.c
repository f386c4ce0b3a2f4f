#include "core/crypto/reset.h"

#define TOKEN_OFFSET 16

void reset_key(uint8_t out[KEY_LEN], const uint8_t static_secret[KEY_LEN])
{
	static const char label[] = "warren reset v1";
	prim_hash(out, KEY_LEN, static_secret, KEY_LEN, PRIM_PARTS({label, sizeof label - 1}));
}

void reset_token(uint8_t out[MAC_LEN], const uint8_t key[KEY_LEN], uint32_t index)
{
	uint8_t bytes[4];

	store_u32(bytes, index);
	prim_hash(out, MAC_LEN, key, KEY_LEN, PRIM_PARTS({bytes, sizeof bytes}));
}

void reset_build(uint8_t out[MESSAGE_RESET_LEN], const struct env *env, const uint8_t key[KEY_LEN],
	uint32_t index)
{
	struct writer w = writer_of(out, MESSAGE_RESET_LEN);

	message_write_header(&w, MESSAGE_RESET);
	write_u32(&w, index);
	env->random(env->ctx, write_space(&w, 8), 8);
	reset_token(write_space(&w, MAC_LEN), key, index);
}

bool reset_check(const uint8_t *msg, size_t len, const uint8_t token[MAC_LEN])
{
	struct message_header header;

	return message_peek(msg, len, &header) == 0 && header.type == MESSAGE_RESET &&
		prim_equal(msg + TOKEN_OFFSET, token, MAC_LEN);
}
