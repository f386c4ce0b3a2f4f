#include "core/base/cursor.h"
#include "core/wire/ip.h"
#include "core/wire/nhrp.h"
#include "test/fuzz/fuzz.h"
#include "test/vectors/nhrp_same.h"

#include <stdlib.h>

/* A valid checksum, since a fuzzer does not find one; other bytes stay. */
static void fix_checksum(uint8_t *data, size_t size)
{
	if (size < 20)
		return;
	size_t len = load_u16(data + 10);
	if (len < 20 || len > size)
		return;
	store_u16(data + 12, 0);
	store_u16(data + 12, ip_checksum(data, len));
}

/* What decodes encodes again, to the same packet and from then on to the same bytes. */
static void check(const uint8_t *data, size_t size)
{
	static struct nhrp_packet first, second; /* too large for ASan to lay out each time */
	static uint8_t out[65535], again[65535];
	int rc = nhrp_decode(data, size, &first);
	int quoted = nhrp_decode_quoted(data, size, &second);
	must(quoted < 0 || second.type != 0);
	if (rc < 0) {
		/* Nothing is said about what may be an error indication, nor of a place outside. */
		must(first.error_code == NHRP_ERROR_NONE ||
			(data[17] != NHRP_ERROR_INDICATION && first.error_offset <= size));
		return;
	}
	/* A packet is its own quotation. */
	must(quoted == 0 && second.type == first.type && second.request_id == first.request_id &&
		addr_equal(&second.src_proto, &first.src_proto) &&
		addr_equal(&second.dst_proto, &first.dst_proto));
	for (unsigned i = 0; i < first.n_exts; i++)
		must((load_u16(data + first.exts[i].offset) & 0x3FFF) == first.exts[i].type);
	int len = nhrp_encode(&first, out, sizeof out);
	must(len > 0 && (size_t)len <= size);
	must(nhrp_decode(out, (size_t)len, &second) == 0);
	must(same_packet(&first, &second));
	must(nhrp_encode(&second, again, sizeof again) == len);
	must(memcmp(out, again, (size_t)len) == 0);
	must(nhrp_encode(&first, again, (size_t)len - 1) < 0);

	/* What a transit node does. */
	struct nhrp_cie cie = {.holding_time_s = 600, .nbma = first.src_nbma};
	nhrp_ext_remove(&first, NHRP_EXT_AUTH);
	nhrp_ext_add_cie(&first, NHRP_EXT_FORWARD, &cie);
	nhrp_ext_add_cie(&first, NHRP_EXT_REVERSE, &cie);
	len = nhrp_encode(&first, out, sizeof out);
	if (len >= 0)
		must(nhrp_decode(out, (size_t)len, &second) == 0 && same_exts(&first, &second));
	for (unsigned i = 0; i < first.cies.n; i++)
		must(nhrp_cie_bits(&first, &first.cies.v[i]) <= addr_bits(first.proto_family));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t copy[4096];
	check(data, size);
	if (size > sizeof copy)
		return 0;
	if (size > 0)
		memcpy(copy, data, size);
	fix_checksum(copy, size);
	check(copy, size);
	return 0;
}
