#include "core/crypto/probe.h"

#include "core/base/err.h"

#include <string.h>

#define MAC_OFFSET 16 /* what is before it is covered by it */

void probe_build(
	uint8_t out[MESSAGE_PROBE_LEN], const struct probe *probe, const uint8_t key[KEY_LEN])
{
	struct writer w = writer_of(out, MESSAGE_PROBE_LEN);

	message_write_header(&w, MESSAGE_PROBE);
	write_u32(&w, probe->token_id);
	write_bytes(&w, probe->nonce, sizeof probe->nonce);
	write_u8(&w, probe->answer);
	prim_hash(write_space(&w, MAC_LEN), MAC_LEN, key, KEY_LEN, PRIM_PARTS({out, MAC_OFFSET}));
}

int probe_open(const uint8_t *msg, size_t len, const uint8_t key[KEY_LEN], struct probe *out)
{
	struct message_header header;
	uint8_t mac[MAC_LEN];

	*out = (struct probe){0};
	int rc = message_peek(msg, len, &header);
	if (rc)
		return rc;
	if (header.type != MESSAGE_PROBE)
		return ERR_MALFORMED;
	prim_hash(mac, sizeof mac, key, KEY_LEN, PRIM_PARTS({msg, MAC_OFFSET}));
	if (!prim_equal(mac, msg + MAC_OFFSET, MAC_LEN))
		return ERR_AUTH;

	struct reader r = reader_of(msg + 8, MAC_OFFSET - 8);
	uint8_t nonce[PROBE_NONCE_LEN];
	read_copy(&r, nonce, sizeof nonce);
	uint8_t direction = read_u8(&r);
	if (direction > 1)
		return ERR_MALFORMED;
	out->token_id = header.token_id;
	memcpy(out->nonce, nonce, sizeof nonce);
	out->answer = direction == 1;
	return 0;
}
