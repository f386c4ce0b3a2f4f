/*
 * The handshake messages that have no payload, and the header of all. Byte 0 chooses:
 *
 *   0 any message: its header, written again from what was read, is the same
 *   1 a PROBE whose MAC is right but for what the input says: it is written again to the same bytes
 *   2 a RESET likewise
 *   3 a COOKIE that answers the message given: who sent that gets the cookie, a spoilt one opens nothing
 */
#include "core/crypto/cookie.h"
#include "core/crypto/message.h"
#include "core/crypto/probe.h"
#include "core/crypto/reset.h"
#include "test/fuzz/fuzz.h"

#include <string.h>

static const uint8_t key[KEY_LEN] = {7};

static void header(const uint8_t *data, size_t size)
{
	struct message_header h;
	uint8_t out[12];
	if (message_peek(data, size, &h) != 0)
		return;
	struct writer w = writer_of(out, sizeof out);
	message_write_header(&w, h.type);
	if (h.type == MESSAGE_PROBE)
		write_u32(&w, h.token_id);
	if (h.sender)
		write_u32(&w, h.sender);
	if (h.receiver)
		write_u32(&w, h.receiver);
	must(!w.failed && size >= writer_len(&w) && memcmp(out, data, writer_len(&w)) == 0);
	must(h.sender <= MESSAGE_INDEX_MAX && h.receiver <= MESSAGE_INDEX_MAX);
	must(size <= MESSAGE_INITIATION_MAX);
	must(message_peek(data, 3, &h) < 0);
}

static void probe(const uint8_t *data, size_t size)
{
	uint8_t message[MESSAGE_PROBE_LEN] = {MESSAGE_PROBE, MESSAGE_VERSION},
		again[MESSAGE_PROBE_LEN];
	struct reader r = reader_of(data, size);
	uint8_t spoil = read_u8(&r);
	struct probe p;
	if (reader_left(&r) < 12)
		return;
	read_copy(&r, message + 4, 12);
	prim_hash(message + 16, MAC_LEN, key, KEY_LEN, PRIM_PARTS({message, 16}));
	if (spoil)
		message[spoil % sizeof message] ^= (uint8_t)(1 + spoil / sizeof message);
	if (probe_open(message, sizeof message, key, &p) != 0) {
		must(spoil || message[15] > 1);
		return;
	}
	must(!spoil);
	probe_build(again, &p, key);
	must(memcmp(message, again, sizeof again) == 0);
}

static void draw(void *ctx, void *out, size_t len)
{
	struct reader *r = ctx;
	read_copy(r, out, len);
}

static void reset(const uint8_t *data, size_t size)
{
	uint8_t message[MESSAGE_RESET_LEN], token[MAC_LEN];
	struct reader r = reader_of(data, size);
	struct env env = {.ctx = &r, .random = draw};
	struct message_header h;
	uint8_t spoil = read_u8(&r);
	uint32_t index = read_u32(&r) & MESSAGE_INDEX_MAX;
	if (index == 0)
		return;
	reset_build(message, &env, key, index);
	reset_token(token, key, index);
	if (spoil)
		message[spoil % sizeof message] ^= (uint8_t)(1 + spoil / sizeof message);
	int rc = message_peek(message, sizeof message, &h);
	bool good = reset_check(message, sizeof message, token);
	must(!good || (rc == 0 && h.type == MESSAGE_RESET));
	/* Index and filler are nothing that the token could vouch for. */
	unsigned place = spoil % sizeof message;
	must(spoil && place >= 16 ? !good : true);
	must(spoil || (good && h.sender == index));
}

static void cookie(const uint8_t *data, size_t size)
{
	uint8_t message[MESSAGE_COOKIE_LEN], got[MAC_LEN], seal_key[KEY_LEN];
	struct reader r = reader_of(data, size);
	struct env env = {.ctx = &r, .random = draw};
	struct endpoint source = {.addr = {.family = 4}, .port = 1};
	struct cookie_jar jar;
	uint8_t spoil = read_u8(&r);
	read_copy(&r, source.addr.bytes, 4);
	static uint8_t answered[MESSAGE_INITIATION_MAX];
	size_t len = reader_left(&r) < sizeof answered ? reader_left(&r) : sizeof answered;
	read_copy(&r, answered, len);
	cookie_seal_key(seal_key, key);
	cookie_jar_init(&jar, &env, 0);
	if (cookie_build(&jar, &env, seal_key, answered, len, &source, message, 0) != 0)
		return;
	if (spoil)
		message[spoil % sizeof message] ^= (uint8_t)(1 + spoil / sizeof message);
	int rc = cookie_consume(
		message, sizeof message, cookie_mac1_of(answered, len), seal_key, got);
	bool covered = spoil % sizeof message < 4 || spoil % sizeof message >= 8;
	must(rc != 0 || !spoil || !covered);
	if (spoil)
		return;
	must(rc == 0);
	cookie_stamp_mac2(answered, len, got);
	must(cookie_check_mac2(&jar, &env, answered, len, &source, NS_PER_S));
	source.port++;
	must(!cookie_check_mac2(&jar, &env, answered, len, &source, NS_PER_S));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const modes[])(const uint8_t *, size_t) = {header, probe, reset, cookie};
	if (size == 0 || prim_init() != 0)
		return 0;
	modes[data[0] & 3](data + 1, size - 1);
	return 0;
}
