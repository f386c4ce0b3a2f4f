/*
 * Sealed data from strangers, and the replay window. Byte 0 chooses the cipher (low 2 bits) and
 * whether the rest is a datagram, plaintext to seal, or a list of sequences.
 */
#include "core/base/cursor.h"
#include "core/crypto/primitives.h"
#include "core/crypto/replay.h"
#include "core/crypto/sealed.h"
#include "test/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static void open_datagram(const struct aead_key *key, const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);
	struct sealed_header header;

	must(copy);
	memcpy(copy, data, size);
	if (sealed_parse(copy, size, &header)) {
		must(header.index < UINT32_C(1) << 28 && header.lane < SEALED_LANES_MAX);
		must(sealed_open(key, &header, copy + SEALED_HEADER_LEN, copy, size) < 0);
	}
	free(copy);
}

static void seal_and_open(const struct aead_key *key, const uint8_t *data, size_t size)
{
	struct reader r = reader_of(data, size);
	struct sealed_header header = {0}, parsed;
	uint32_t word = read_u32(&r);
	header.index = word >> 4;
	header.lane = word & 15;
	header.sequence = read_u32(&r);
	if (r.failed)
		return;
	size_t len = reader_left(&r), room = SEALED_HEADER_LEN + len + key->aead->tag_len;
	uint8_t *datagram = malloc(room), *in_place = malloc(room), *plain = malloc(len ? len : 1);

	must(datagram && in_place && plain);
	read_copy(&r, in_place + SEALED_HEADER_LEN, len);
	size_t total = sealed_seal(key, &header, datagram, data + size - len, len);
	must(total == room);
	must(sealed_seal(key, &header, in_place, in_place + SEALED_HEADER_LEN, len) == room);
	must(memcmp(in_place, datagram, room) == 0);
	must(sealed_parse(datagram, total, &parsed));
	must(parsed.index == header.index && parsed.lane == header.lane);
	must(parsed.sequence == header.sequence);
	must(sealed_open(key, &parsed, plain, datagram, total) == (int)len);
	must(memcmp(plain, data + size - len, len) == 0);
	must(sealed_open(key, &parsed, in_place + SEALED_HEADER_LEN, in_place, total) == (int)len);
	must(memcmp(in_place + SEALED_HEADER_LEN, plain, len) == 0);
	free(plain);
	free(in_place);
	free(datagram);
}

/* Each four bytes: a sequence, small steps of the one before more likely than others. */
static void replay(const uint8_t *data, size_t size)
{
	struct reader r = reader_of(data, size);
	struct replay_window w;
	uint32_t sequence = 0;

	replay_init(&w);
	for (;;) {
		uint16_t step = read_u16(&r);
		sequence = step == 0xffff ? read_u32(&r) : sequence + (uint32_t)(int16_t)step;
		if (r.failed)
			break;
		bool fresh = replay_check(&w, sequence), newest = replay_is_newest(&w, sequence);
		must(fresh || !newest);
		must(replay_update(&w, sequence) == fresh);
		must(!replay_check(&w, sequence) && !replay_update(&w, sequence));
		must(w.top > sequence);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t secret[32] = {1};
	struct aead_key key;

	if (size == 0 || prim_init() != 0 || aead_key_init(&key, data[0] & 3, secret) != 0)
		return 0;
	switch (data[0] >> 2 & 3) {
	case 0:
		open_datagram(&key, data + 1, size - 1);
		break;
	case 1:
		seal_and_open(&key, data + 1, size - 1);
		break;
	default:
		replay(data + 1, size - 1);
	}
	return 0;
}
