#include "core/crypto/sealed.h"

#include "core/base/err.h"
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

size_t sealed_seal(const struct aead_key *key, const struct sealed_header *header,
	uint8_t *datagram, const uint8_t *plain, size_t len)
{
	gre_sealed_write(datagram, header->index, header->lane, header->sequence);
	aead_seal(key, datagram + SEALED_HEADER_LEN, plain, len, datagram, counter_of(header));
	return SEALED_HEADER_LEN + len + key->aead->tag_len;
}

int sealed_open(const struct aead_key *key, const struct sealed_header *header, uint8_t *plain,
	const uint8_t *datagram, size_t len)
{
	size_t around = SEALED_HEADER_LEN + key->aead->tag_len;

	if (len < around ||
		!aead_open(key, plain, datagram + SEALED_HEADER_LEN, len - SEALED_HEADER_LEN,
			datagram, counter_of(header)))
		return ERR_AUTH;
	return (int)(len - around);
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
