#include "core/trust/cert.h"
#include "test/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

/* What decodes has one encoding, and every question about it can be asked. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[CERT_MAX];
	struct cert cert;

	if (cert_decode(data, size, &cert) != 0)
		return 0;
	int len = cert_encode(&cert, again, sizeof again);
	size_t body = size - CERT_SIGNATURE_SIZE - cert.ext_len;
	if (len < 0 || (size_t)len != body)
		abort();
	if (memcmp(again, data, body - 2) != 0)
		abort();

	struct cert sorted = cert;
	cert_sort(&sorted);
	if (memcmp(&sorted, &cert, sizeof cert) != 0)
		abort();
	for (uint8_t i = 0; i < cert.n_addresses; i++) {
		struct prefix host = prefix_host(&cert.addresses[i].addr);
		if (!cert_owns_address(&cert, &cert.addresses[i].addr) ||
			!cert_covers_prefix(&cert, &host))
			abort();
	}
	for (uint8_t i = 0; i < cert.n_prefixes; i++)
		if (!cert_covers_prefix(&cert, &cert.prefixes[i]))
			abort();
	return 0;
}
