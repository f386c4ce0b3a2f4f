/* The root key's file, sealed or not: what opens is written again and opens to the same. */
#include "core/cli/keyfile.h"
#include "test/fuzz/fuzz.h"

#include <string.h>

static void check_open(const uint8_t *data, size_t size, const char *passphrase)
{
	uint8_t secret[SIGN_SECRET_LEN], again[SIGN_SECRET_LEN], out[KEYFILE_ROOT_MAX];
	if (keyfile_decode_root(data, size, passphrase, secret) != 0)
		return;
	bool sealed = keyfile_root_sealed(data, size);
	must(!sealed || passphrase);
	int len = keyfile_encode_root(secret, sealed ? passphrase : NULL, 1, 8, out);
	must(len == (int)size);
	must(sealed || memcmp(out, data, size) == 0);
	must(keyfile_decode_root(out, (size_t)len, sealed ? passphrase : NULL, again) == 0);
	must(memcmp(secret, again, sizeof secret) == 0);
	if (sealed)
		must(keyfile_decode_root(out, (size_t)len, "another", again) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t sealed[KEYFILE_ROOT_MAX], secret[SIGN_SECRET_LEN] = {0};
	check_open(data, size, NULL);
	check_open(data, size, "passphrase");
	/* A good one, with some bytes of the input over it. */
	if (size < 3 || size > 20 || keyfile_encode_root(secret, "passphrase", 1, 8, sealed) < 0)
		return 0;
	for (size_t i = 1; i < size; i++)
		sealed[(data[0] + i) % sizeof sealed] ^= data[i];
	check_open(sealed, sizeof sealed, "passphrase");
	return 0;
}
