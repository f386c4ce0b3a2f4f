#include "core/crypto/sealed.h"

#include "core/wire/gre.h"

#define COUNTER_LANE_SHIFT 56

static uint64_t counter_of(const struct sealed_header *header)
{
	return (uint64_t)header->lane << COUNTER_LANE_SHIFT | header->sequence;
}

bool sealed_parse(const uint8_t *data, size_t len, struct sealed_header *out)
{
	*out = (struct sealed_header){0};
	if (len < SEALED_HEADER_LEN || load_u32(data) != GRE_SEALED_WORD)
		return false;
	gre_sealed_read(data, &out->index, &out->lane, &out->sequence);
	return true;
}

size_t sealed_seal(
	const struct aead_key *key, const struct sealed_header *header, uint8_t *plain, size_t len)
{
	uint8_t *gre = plain - SEALED_HEADER_LEN;

	gre_sealed_write(gre, header->index, header->lane, header->sequence);
	aead_seal(key, plain, len, gre, counter_of(header));
	return SEALED_HEADER_LEN + len + key->aead->tag_len;
}

uint8_t *sealed_open(const struct aead_key *key, uint8_t *data, size_t len,
	const struct sealed_header *header, size_t *plain_len)
{
	size_t tag_len = key->aead->tag_len;

	*plain_len = 0;
	if (len < SEALED_HEADER_LEN + tag_len)
		return NULL;
	if (!aead_open(key, data + SEALED_HEADER_LEN, len - SEALED_HEADER_LEN, data,
		    counter_of(header)))
		return NULL;
	*plain_len = len - SEALED_HEADER_LEN - tag_len;
	return data + SEALED_HEADER_LEN;
}

enum sealed_life sealed_life(
	const struct aead *aead, uint64_t messages, uint64_t blocks, uint64_t sequence)
{
	const struct aead_limits *limits = &aead->limits;

	if (messages >= limits->stop_messages || blocks >= limits->stop_blocks ||
		sequence >= SEALED_SEQUENCE_STOP)
		return SEALED_STOP;
	if (messages >= limits->rekey_messages || blocks >= limits->rekey_blocks ||
		sequence >= SEALED_SEQUENCE_REKEY)
		return SEALED_REKEY;
	return SEALED_FRESH;
}

enum sealed_life sealed_life_failed(uint64_t failed)
{
	if (failed >= SEALED_FAILED_STOP)
		return SEALED_STOP;
	return failed >= SEALED_FAILED_REKEY ? SEALED_REKEY : SEALED_FRESH;
}
