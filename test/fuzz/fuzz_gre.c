#include "core/wire/gre.h"
#include "test/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static void check_sealed(const uint8_t *data)
{
	uint32_t index, seq;
	uint8_t lane, out[GRE_SEALED_LEN];
	gre_sealed_read(data, &index, &lane, &seq);
	must(index <= GRE_INDEX_MAX && lane < GRE_LANES);
	gre_sealed_write(out, index, lane, seq);
	must(memcmp(out, data, sizeof out) == 0);
}

static void check_plain(const struct gre_plain *plain, enum gre_kind kind, size_t size)
{
	uint8_t out[GRE_PLAIN_MAX];
	struct gre_plain again;
	must(plain->hdr_len >= GRE_PLAIN_LEN && plain->hdr_len <= GRE_PLAIN_MAX);
	must(plain->hdr_len <= size);
	must(kind != GRE_SEALED || plain->protocol == GRE_PROTO_SEALED);
	size_t len = gre_plain_write(out, plain);
	must(gre_plain_read(out, len, &again) == 0 && again.hdr_len == len);
	must(again.protocol == plain->protocol && again.key == plain->key &&
		again.seq == plain->seq);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum gre_kind kind = gre_classify(data, size);
	struct gre_plain plain;
	uint16_t protocol;
	if (kind == GRE_SEALED)
		check_sealed(data);
	if (gre_plain_read(data, size, &plain) == 0)
		check_plain(&plain, kind, size);
	else
		must(kind != GRE_HANDSHAKE);
	if (gre_inner_read(data, size, &protocol)) {
		uint8_t out[GRE_PLAIN_LEN];
		gre_inner_write(out, protocol);
		must(memcmp(out, data, sizeof out) == 0);
	}
	return 0;
}
