/*
 * The two handshake payloads as plaintext: byte 0 says which. What decodes is within its limits, and
 * decodes to the same after it has been written again. The form is not canonical: unknown TLVs and padding
 * are dropped, of a repeated TLV the last one counts, build strings are made printable.
 */
#include "core/crypto/payload.h"
#include "test/fuzz/fuzz.h"

#include <string.h>

#define ROOM 1024

static void check_certificate(const uint8_t *a, uint16_t a_len, const uint8_t *b, uint16_t b_len)
{
	must(a_len == b_len && a_len <= HANDSHAKE_CERTIFICATE_MAX);
	must(a_len == 0 || memcmp(a, b, a_len) == 0);
}

static void check_build(const char *a, const char *b)
{
	must(strlen(a) <= HANDSHAKE_BUILD_MAX && strcmp(a, b) == 0);
	for (; *a; a++)
		must(*a >= ' ' && *a <= '~');
}

static void offer(const uint8_t *data, size_t size)
{
	struct handshake_offer first = {0}, second = {0};
	uint8_t out[ROOM];
	if (payload_read_offer(data, size, &first) != 0)
		return;
	struct writer w = writer_of(out, sizeof out);
	must(payload_write_offer(&w, &first, 0) == 0);
	size_t len = writer_len(&w);
	must(payload_read_offer(out, len, &second) == 0);
	must(memcmp(first.timestamp, second.timestamp, sizeof first.timestamp) == 0);
	must(first.ciphers == second.ciphers && first.preferred == second.preferred);
	must(first.flags == second.flags && first.psk_id == second.psk_id);
	must(first.features == second.features && first.max_udp == second.max_udp);
	must(first.lanes == second.lanes && first.lanes >= 1);
	must(first.lanes <= HANDSHAKE_LANES_MAX && first.enrol == second.enrol);
	must(memcmp(first.reset_token, second.reset_token, MAC_LEN) == 0);
	must(memcmp(first.enrol_id, second.enrol_id, sizeof first.enrol_id) == 0);
	check_certificate(first.certificate, first.certificate_len, second.certificate,
		second.certificate_len);
	check_build(first.build, second.build);

	/* Padded, it is as long as it should be, and says the same. */
	w = writer_of(out, sizeof out);
	must(payload_write_offer(&w, &first, 600) == 0 && writer_len(&w) >= 600);
	must(payload_read_offer(out, writer_len(&w), &second) == 0);
	check_build(first.build, second.build);
	/* Without the build string, which may be left out, it does not fit into a byte less. */
	first.build[0] = '\0';
	w = writer_of(out, sizeof out);
	must(payload_write_offer(&w, &first, 0) == 0);
	w = writer_of(out, writer_len(&w) - 1);
	must(payload_write_offer(&w, &first, 0) < 0);
}

static void answer(const uint8_t *data, size_t size)
{
	struct handshake_answer first = {0}, second = {0};
	uint32_t receiver, again;
	uint8_t out[ROOM];
	if (payload_read_answer(data, size, &first, &receiver) != 0)
		return;
	struct writer w = writer_of(out, sizeof out);
	must(payload_write_answer(&w, &first, receiver) == 0);
	must(payload_read_answer(out, writer_len(&w), &second, &again) == 0);
	must(receiver == again && first.index == second.index);
	must(first.cipher == second.cipher && first.ciphers == second.ciphers);
	must(first.flags == second.flags && first.psk_id == second.psk_id);
	must(first.features == second.features && first.max_udp == second.max_udp);
	must(first.lanes == second.lanes && first.unix_s == second.unix_s);
	must(memcmp(first.reset_token, second.reset_token, MAC_LEN) == 0);
	must(endpoint_equal(&first.seen, &second.seen));
	check_certificate(first.certificate, first.certificate_len, second.certificate,
		second.certificate_len);
	check_build(first.build, second.build);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] & 1)
		answer(data + 1, size - 1);
	else
		offer(data + 1, size - 1);
	return 0;
}
