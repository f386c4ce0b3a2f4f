/*
 * Keys and certificates as text files: PEM blocks, base64 keys, the network line. What decodes is written
 * again and decodes to the same; a single block in canonical form is written as it was.
 */
#include "core/config/pem.h"
#include "core/crypto/primitives.h"
#include "core/trust/trust.h"
#include "test/fuzz/fuzz.h"

#include <string.h>

#define OUT_MAX 2048

static void check_block(const char *text, size_t len, const char *kind)
{
	static uint8_t data[OUT_MAX], again[OUT_MAX];
	static char out[2 * OUT_MAX];
	int n = pem_decode(text, len, kind, data, sizeof data);
	if (n < 0)
		return;
	must((size_t)n <= sizeof data);
	int text_len = pem_encode(kind, data, (size_t)n, out, sizeof out);
	must(text_len > 0 && strlen(out) == (size_t)text_len);
	must(pem_decode(out, (size_t)text_len, kind, again, sizeof again) == n);
	must(memcmp(data, again, (size_t)n) == 0);
	must(pem_encode(kind, data, (size_t)n, out, (size_t)text_len) < 0);
	if (n > 0)
		must(pem_decode(text, len, kind, data, (size_t)n - 1) < 0);
}

static void check_words(const char *text)
{
	uint8_t key[KEY_LEN], network[KEY_LEN];
	char out[TRUST_NETWORK_TEXT_MAX];
	if (prim_key_parse(key, text) == 0)
		must(strcmp(prim_base64_encode(out, key, KEY_LEN), text) == 0);
	if (trust_parse_network(text, network, key) == 0) {
		trust_format_network(network, key, out);
		must(strcmp(out, text) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const kinds[] = {
		PEM_CERTIFICATE, PEM_BUNDLE, PEM_PRIVATE_KEY, PEM_PUBLIC_KEY, PEM_ROOT_KEY};
	char word[128];
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		check_block((const char *)data, size, kinds[i]);
	if (size < sizeof word) {
		memcpy(word, data, size);
		word[size] = '\0';
		check_words(word);
	}
	return 0;
}
