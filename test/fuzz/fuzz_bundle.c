#include "core/trust/bundle.h"
#include "test/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

/* What decodes has one encoding, and everything in it can be found. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t again[BUNDLE_MAX];
	static struct bundle bundle;

	if (bundle_decode(data, size, &bundle) != 0)
		return 0;
	int len = bundle_encode(&bundle, again, sizeof again);
	size_t body = size - CERT_SIGNATURE_SIZE - bundle.ext_len;
	if (len < 0 || (size_t)len != body)
		abort();
	if (memcmp(again, data, body - 2) != 0)
		abort();

	static const uint8_t nobody[8];
	for (size_t i = 0; i < bundle.n_revoked_keys; i++)
		if (!bundle_revokes(&bundle, nobody, 0, bundle.revoked_keys + i * CERT_KEY_SIZE))
			abort();
	for (uint8_t i = 0; i < bundle.n_issuers; i++)
		if (bundle_find_issuer(&bundle, bundle.issuers[i].id) != &bundle.issuers[i])
			abort();
	for (uint8_t i = 0; i < bundle.n_hubs; i++)
		if (bundle_find_hub(&bundle, bundle.hubs[i].keys[0]) != &bundle.hubs[i] ||
			bundle_find_hub_name(&bundle, bundle.hubs[i].name) != &bundle.hubs[i])
			abort();
	return 0;
}
