/* SipHash against published values and libsodium's, and the map against a slow obvious twin. */
#include "core/base/err.h"
#include "core/base/hashmap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>
#include <cmocka.h>

#define KEYS 200

static void seeded(void *ctx, void *out, size_t len)
{
	(void)ctx;
	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = (uint8_t)rand();
}

static const struct env env = {.random = seeded};

/* Appendix A of the paper and the authors' vectors.h: key 00 .. 0f, input 00, 01, 02 ... */
static void siphash_is_the_published_one(void **state)
{
	(void)state;
	static const uint64_t expected[] = {0x726fdb47dd0e0e31, 0x74f839c593dc67fd,
		0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d, 0xcf2794e0277187b7, 0x18765564cd99a68d,
		0xcbc9466e58fee3ce, 0xab0200f58b01d137, 0x93f5f5799a932462, 0x9e0082df0ba9e4b0,
		0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7, 0x751e8fbc860ee5fb, 0x14ea5627c0843d90,
		0xf723ca908e7af2ee, 0xa129ca6149be45e5};
	static const uint64_t key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
	uint8_t input[16];
	for (size_t len = 0; len < 16; len++) {
		assert_true(siphash(key, input, len) == expected[len]);
		input[len] = (uint8_t)len;
	}
}

static void siphash_agrees_with_libsodium(void **state)
{
	(void)state;
	srand(1);
	for (size_t len = 0; len < 200; len++) {
		uint8_t key[16], input[200], tag[8];
		uint64_t words[2] = {0}, expected = 0;
		seeded(NULL, key, sizeof key);
		seeded(NULL, input, sizeof input);
		crypto_shorthash_siphash24(tag, input, len, key);
		for (int i = 7; i >= 0; i--) {
			words[0] = words[0] << 8 | key[i];
			words[1] = words[1] << 8 | key[8 + i];
			expected = expected << 8 | tag[i];
		}
		assert_true(siphash(words, input, len) == expected);
	}
}

static void agrees_with_its_twin(void **state)
{
	(void)state;
	static const uint32_t key_lens[] = {4, 17, 32};
	srand(2);
	for (size_t k = 0; k < 3; k++) {
		struct hashmap m;
		uint32_t twin[KEYS], count = 0;
		memset(twin, 0xff, sizeof twin);
		assert_int_equal(hashmap_init(&m, KEYS / 2, key_lens[k], &env), 0);
		for (int step = 0; step < 50000; step++) {
			uint8_t key[32] = {0};
			uint32_t i = (uint32_t)rand() % KEYS, value = (uint32_t)rand();
			memcpy(key, &i, sizeof i);
			assert_int_equal(hashmap_get(&m, key), twin[i]);
			if (rand() % 2) {
				bool full = twin[i] == HASHMAP_NONE && count == KEYS / 2;
				assert_int_equal(
					hashmap_put(&m, key, value), full ? ERR_NO_SPACE : 0);
				count += !full && twin[i] == HASHMAP_NONE;
				twin[i] = full ? twin[i] : value;
			} else {
				assert_int_equal(hashmap_remove(&m, key), twin[i]);
				count -= twin[i] != HASHMAP_NONE;
				twin[i] = HASHMAP_NONE;
			}
			assert_int_equal(m.count, count);
		}
		hashmap_fini(&m);
	}
}

static uint32_t home_of(const struct hashmap *m, uint32_t key)
{
	return (uint32_t)siphash(m->seed, &key, sizeof key) & (m->slots - 1);
}

/* Keys chosen for one home at the table's end, so that the chain wraps; removed in every order. */
static void a_chain_survives_every_deletion(void **state)
{
	(void)state;
	static const uint8_t orders[6][3] = {
		{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	for (unsigned order = 0; order < 6; order++) {
		struct hashmap m;
		uint32_t keys[5], n = 0;
		assert_int_equal(hashmap_init(&m, 8, sizeof(uint32_t), &env), 0);
		for (uint32_t k = 0; n < 3; k++) /* three at home in the last slot */
			if (home_of(&m, k) == m.slots - 1)
				keys[n++] = k;
		for (uint32_t k = 0; n < 5; k++) /* two whose home the chain has run over */
			if (home_of(&m, k) == n - 3)
				keys[n++] = k;
		for (uint32_t i = 0; i < 5; i++)
			assert_int_equal(hashmap_put(&m, &keys[i], i), 0);
		for (unsigned removed = 0; removed < 3; removed++) {
			uint32_t gone = orders[order][removed];
			assert_int_equal(hashmap_remove(&m, &keys[gone]), gone);
			for (uint32_t i = 0; i < 5; i++) {
				bool there = true;
				for (unsigned j = 0; j <= removed; j++)
					there = there && orders[order][j] != i;
				assert_int_equal(
					hashmap_get(&m, &keys[i]), there ? i : HASHMAP_NONE);
			}
		}
		assert_int_equal(m.count, 2);
		hashmap_fini(&m);
	}
}

static void full_is_full_but_still_replaces(void **state)
{
	(void)state;
	static const uint32_t sizes[] = {0, 1, 4, 5, 100};
	for (size_t s = 0; s < 5; s++) {
		struct hashmap m;
		assert_int_equal(hashmap_init(&m, sizes[s], sizeof(uint32_t), &env), 0);
		for (uint32_t i = 0; i < sizes[s]; i++)
			assert_int_equal(hashmap_put(&m, &i, i), 0);
		uint32_t more = 1000, first = 0;
		assert_int_equal(hashmap_put(&m, &more, 1), ERR_NO_SPACE);
		assert_int_equal(hashmap_get(&m, &more), HASHMAP_NONE);
		assert_int_equal(hashmap_remove(&m, &more), HASHMAP_NONE);
		if (sizes[s]) {
			assert_int_equal(hashmap_put(&m, &first, 7), 0);
			assert_int_equal(hashmap_remove(&m, &first), 7);
			assert_int_equal(hashmap_put(&m, &more, 1), 0);
			assert_int_equal(hashmap_get(&m, &more), 1);
		}
		hashmap_fini(&m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siphash_is_the_published_one),
		cmocka_unit_test(siphash_agrees_with_libsodium),
		cmocka_unit_test(agrees_with_its_twin),
		cmocka_unit_test(a_chain_survives_every_deletion),
		cmocka_unit_test(full_is_full_but_still_replaces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
