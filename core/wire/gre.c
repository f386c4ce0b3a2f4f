#include "core/wire/gre.h"
#include "core/base/err.h"
#include "core/wire/ip.h"

#define FLAG_CHECKSUM 0x8000
#define FLAG_KEY      0x2000
#define FLAG_SEQ      0x1000
#define FLAGS_REFUSED 0x4C00 /* bits 1, 4, 5: of RFC 1701, or reserved */
#define VERSION_MASK  0x0007

static size_t plain_len(uint16_t flags)
{
	size_t len = GRE_PLAIN_LEN;
	if (flags & FLAG_CHECKSUM)
		len += 4;
	if (flags & FLAG_KEY)
		len += 4;
	if (flags & FLAG_SEQ)
		len += 4;
	return len;
}

enum gre_kind gre_classify(const uint8_t *data, size_t len)
{
	if (len < GRE_PLAIN_LEN)
		return GRE_BAD;
	uint32_t word = load_u32(data);
	if (word == GRE_SEALED_WORD)
		return len >= GRE_SEALED_MIN ? GRE_SEALED : GRE_BAD;
	if (word == GRE_HANDSHAKE_WORD)
		return len >= GRE_HANDSHAKE_MIN ? GRE_HANDSHAKE : GRE_BAD;
	uint16_t flags = (uint16_t)(word >> 16);
	uint16_t protocol = (uint16_t)word;
	/* Ours with other flags is nothing that we send: it must not pass for plaintext. */
	if (protocol == GRE_PROTO_SEALED || protocol == GRE_PROTO_HANDSHAKE)
		return GRE_BAD;
	if (flags & (FLAGS_REFUSED | VERSION_MASK) || len < plain_len(flags))
		return GRE_BAD;
	return GRE_PLAIN;
}

int gre_plain_read(const uint8_t *data, size_t len, struct gre_plain *out)
{
	struct reader r = reader_of(data, len);
	uint16_t flags = read_u16(&r);
	*out = (struct gre_plain){
		.protocol = read_u16(&r),
		.have_checksum = (flags & FLAG_CHECKSUM) != 0,
		.have_key = (flags & FLAG_KEY) != 0,
		.have_seq = (flags & FLAG_SEQ) != 0,
		.hdr_len = (uint8_t)plain_len(flags),
	};
	if (out->have_checksum)
		read_u32(&r);
	if (out->have_key)
		out->key = read_u32(&r);
	if (out->have_seq)
		out->seq = read_u32(&r);
	if (r.failed)
		return ERR_TRUNCATED;
	if (flags & VERSION_MASK)
		return ERR_VERSION;
	if (flags & FLAGS_REFUSED)
		return ERR_UNSUPPORTED;
	return out->have_checksum && ip_checksum(data, len) != 0 ? ERR_MALFORMED : 0;
}

size_t gre_plain_write(uint8_t *out, const struct gre_plain *in)
{
	struct writer w = writer_of(out, GRE_PLAIN_MAX);
	write_u16(&w, (uint16_t)((in->have_key ? FLAG_KEY : 0) | (in->have_seq ? FLAG_SEQ : 0)));
	write_u16(&w, in->protocol);
	if (in->have_key)
		write_u32(&w, in->key);
	if (in->have_seq)
		write_u32(&w, in->seq);
	return writer_len(&w);
}
