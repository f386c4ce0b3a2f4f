#include "core/crypto/payload.h"

#include "core/base/err.h"
#include "core/crypto/aead.h"

#include <string.h>

enum payload_tlv {
	TLV_PAD = 0,
	TLV_ENROL = 1,
	TLV_BUILD = 2,
};

#define TLV_HEADER_LEN 4
#define ADDRESS_FIELD  16 /* an IPv4 address fills the first 4 bytes */

static bool lanes_valid(uint8_t lanes)
{
	return lanes >= 1 && lanes <= HANDSHAKE_LANES_MAX;
}

static int check_offer(const struct handshake_offer *offer)
{
	bool good = offer->ciphers & 1 << AEAD_CHACHA20_POLY1305 &&
		offer->preferred <= AEAD_AEGIS_256 && lanes_valid(offer->lanes) &&
		offer->certificate_len <= HANDSHAKE_CERTIFICATE_MAX &&
		(offer->certificate_len || offer->enrol);
	return good ? 0 : ERR_MALFORMED;
}

static int check_answer(const struct handshake_answer *answer)
{
	bool good = answer->cipher <= AEAD_AEGIS_256 && lanes_valid(answer->lanes) &&
		answer->certificate_len <= HANDSHAKE_CERTIFICATE_MAX;
	return good ? 0 : ERR_MALFORMED;
}

static void write_tlv_header(struct writer *w, enum payload_tlv type, size_t len)
{
	write_u8(w, (uint8_t)type);
	write_u8(w, 0);
	write_u16(w, (uint16_t)len);
}

/* Courtesy only: left out when there is no room. */
static void write_build(struct writer *w, const char *build)
{
	size_t len = strlen(build);

	if (len == 0 || w->failed || (size_t)(w->end - w->at) < TLV_HEADER_LEN + len)
		return;
	write_tlv_header(w, TLV_BUILD, len);
	write_bytes(w, build, len);
}

/* The peer's text goes to logs and status pages: nothing but printable ASCII leaves here. */
static void read_build(struct reader *value, char build[HANDSHAKE_BUILD_MAX + 1])
{
	size_t len = 0;

	while (len < HANDSHAKE_BUILD_MAX && reader_left(value) > 0) {
		char c = (char)read_u8(value);
		build[len++] = c >= ' ' && c <= '~' ? c : '?';
	}
	build[len] = '\0';
}

static void write_certificate(struct writer *w, const uint8_t *certificate, uint16_t len)
{
	write_u16(w, len);
	write_bytes(w, certificate, len);
}

static const uint8_t *read_certificate(struct reader *r, uint16_t *len)
{
	*len = read_u16(r);
	return read_bytes(r, *len);
}

static void write_endpoint(struct writer *w, const struct endpoint *e)
{
	write_u8(w, e->addr.family);
	write_u8(w, 0);
	write_u16(w, e->port);
	write_bytes(w, e->addr.bytes, ADDRESS_FIELD);
}

/* False: a family that there is not. */
static bool read_endpoint(struct reader *r, struct endpoint *out)
{
	uint8_t bytes[ADDRESS_FIELD], family = read_u8(r);

	read_u8(r);
	uint16_t port = read_u16(r);
	read_copy(r, bytes, sizeof bytes);
	*out = (struct endpoint){0};
	if (family == 0)
		return true;
	if (addr_size(family) == 0)
		return false;
	out->addr = addr_from_bytes(family, bytes);
	out->port = port;
	return true;
}

int payload_write_offer(struct writer *w, const struct handshake_offer *offer, size_t min)
{
	int rc = check_offer(offer);

	if (rc)
		return rc;
	write_bytes(w, offer->timestamp, sizeof offer->timestamp);
	write_u8(w, offer->ciphers);
	write_u8(w, offer->preferred);
	write_u16(w, offer->flags);
	write_u32(w, offer->psk_id);
	write_u32(w, offer->features);
	write_u16(w, offer->max_udp);
	write_u8(w, offer->lanes);
	write_u8(w, 0);
	write_bytes(w, offer->reset_token, sizeof offer->reset_token);
	write_certificate(w, offer->certificate, offer->certificate_len);
	if (offer->enrol) {
		write_tlv_header(w, TLV_ENROL, sizeof offer->enrol_id);
		write_bytes(w, offer->enrol_id, sizeof offer->enrol_id);
	}
	write_build(w, offer->build);
	if (writer_len(w) < min) {
		size_t short_of = min - writer_len(w);
		size_t zeros = short_of > TLV_HEADER_LEN ? short_of - TLV_HEADER_LEN : 0;
		write_tlv_header(w, TLV_PAD, zeros);
		write_zeros(w, zeros);
	}
	return w->failed ? ERR_NO_SPACE : 0;
}

/* One TLV of either payload. Unknown ones are skipped; of a repeated one the last counts. */
static int read_tlv(struct reader *r, struct handshake_offer *offer, char *build)
{
	uint8_t type = read_u8(r);

	read_u8(r);
	struct reader value = read_sub(r, read_u16(r));
	if (r->failed)
		return ERR_TRUNCATED;
	if (type == TLV_ENROL && offer) {
		if (reader_left(&value) != HANDSHAKE_ENROL_LEN)
			return ERR_MALFORMED;
		read_copy(&value, offer->enrol_id, HANDSHAKE_ENROL_LEN);
		offer->enrol = true;
	} else if (type == TLV_BUILD) {
		read_build(&value, build);
	}
	return 0;
}

int payload_read_offer(const uint8_t *data, size_t len, struct handshake_offer *out)
{
	struct reader r = reader_of(data, len);

	read_copy(&r, out->timestamp, sizeof out->timestamp);
	out->ciphers = read_u8(&r);
	out->preferred = read_u8(&r);
	out->flags = read_u16(&r);
	out->psk_id = read_u32(&r);
	out->features = read_u32(&r);
	out->max_udp = read_u16(&r);
	out->lanes = read_u8(&r);
	read_u8(&r);
	read_copy(&r, out->reset_token, sizeof out->reset_token);
	out->certificate = read_certificate(&r, &out->certificate_len);
	if (r.failed)
		return ERR_TRUNCATED;
	while (reader_left(&r) > 0) {
		int rc = read_tlv(&r, out, out->build);
		if (rc)
			return rc;
	}
	return check_offer(out);
}

int payload_write_answer(struct writer *w, const struct handshake_answer *answer, uint32_t receiver)
{
	int rc = check_answer(answer);

	if (rc)
		return rc;
	write_u32(w, answer->index);
	write_u32(w, receiver);
	write_u8(w, answer->cipher);
	write_u8(w, answer->ciphers);
	write_u16(w, answer->flags);
	write_u32(w, answer->psk_id);
	write_u32(w, answer->features);
	write_u16(w, answer->max_udp);
	write_u8(w, answer->lanes);
	write_u8(w, 0);
	write_u64(w, answer->unix_s);
	write_bytes(w, answer->reset_token, sizeof answer->reset_token);
	write_endpoint(w, &answer->seen);
	write_certificate(w, answer->certificate, answer->certificate_len);
	write_build(w, answer->build);
	return w->failed ? ERR_NO_SPACE : 0;
}

int payload_read_answer(
	const uint8_t *data, size_t len, struct handshake_answer *out, uint32_t *receiver)
{
	struct reader r = reader_of(data, len);

	out->index = read_u32(&r);
	*receiver = read_u32(&r);
	out->cipher = read_u8(&r);
	out->ciphers = read_u8(&r);
	out->flags = read_u16(&r);
	out->psk_id = read_u32(&r);
	out->features = read_u32(&r);
	out->max_udp = read_u16(&r);
	out->lanes = read_u8(&r);
	read_u8(&r);
	out->unix_s = read_u64(&r);
	read_copy(&r, out->reset_token, sizeof out->reset_token);
	bool family_known = read_endpoint(&r, &out->seen);
	out->certificate = read_certificate(&r, &out->certificate_len);
	if (r.failed)
		return ERR_TRUNCATED;
	if (!family_known)
		return ERR_MALFORMED;
	while (reader_left(&r) > 0) {
		int rc = read_tlv(&r, NULL, out->build);
		if (rc)
			return rc;
	}
	return check_answer(out);
}
