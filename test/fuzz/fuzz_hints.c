#include "core/peer/hints.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What decodes has as many entries as it says, all of them places, and one encoding. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t zero[KEY_LEN];
	static struct handshake_identity id;
	struct hints h;
	struct hint hint;
	struct writer w;
	uint32_t n = 0;

	if (hints_decode(data, size, &h) != 0)
		return 0;
	if (size != HINTS_OVERHEAD + (size_t)h.left * HINT_SIZE)
		abort();
	uint8_t *again = malloc(size);
	if (!again)
		abort();
	hints_begin(&w, again, size, h.saved_s);
	for (uint32_t left = h.left; hints_next(&h, &hint); n++) {
		if (n == left || hint.at.port == 0 || addr_is_multicast(&hint.at.addr))
			abort();
		hints_add(&w, &hint);
	}
	handshake_identity_init(&id, zero, zero, NULL);
	if (hints_seal(&w, &id) != (int)size || memcmp(again, data, size - MAC_LEN) != 0)
		abort();
	bool same = memcmp(again + size - MAC_LEN, data + size - MAC_LEN, MAC_LEN) == 0;
	if (hints_verify(data, size, &id) != same)
		abort();
	free(again);
	return 0;
}
