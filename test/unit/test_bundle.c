#include "core/trust/bundle.h"

#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/crypto/primitives.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t network_id[32] = {1, 2, 3};
static uint8_t secret[SIGN_SECRET_LEN], root_key[32];

static int set_up(void **state)
{
	static const uint8_t seed[32] = {7};
	(void)state;
	if (prim_init() != 0)
		return -1;
	prim_sign_keypair(secret, root_key, seed);
	return 0;
}

static struct prefix net(const char *text)
{
	struct prefix p;
	assert_true(prefix_parse(text, &p));
	return p;
}

static const uint8_t revoked[] = {1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 5, 1, 1, 1, 1, 1, 1,
	1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 2, 2, 2, 2, 2, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0, 1};
static const uint8_t revoked_keys[96] = {[0] = 1, [32] = 2, [64] = 3};

static void fill_example(struct bundle *b)
{
	memset(b, 0, sizeof *b);
	b->number = 17;
	b->not_after = 5000;
	b->ciphers = 7;
	b->n_issuers = 2;
	b->issuers[0] = (struct bundle_issuer){.key = {5}, .roles = CERT_SPOKE, .max_life_s = 1000};
	b->issuers[0].n_pools = 2;
	b->issuers[0].pools[0] = net("10.9.0.0/24");
	b->issuers[0].pools[1] = net("2001:db8:9::/64");
	b->issuers[1] = (struct bundle_issuer){.key = {6}, .roles = CERT_HUB | CERT_SPOKE};
	b->n_hubs = 2;
	b->hubs[0] = (struct bundle_hub){
		.name = "hub-z", .n_keys = 2, .keys = {{20}, {10}}, .n_endpoints = 2};
	b->hubs[0].endpoints[0] = (struct bundle_endpoint){"hub.example.net", 4754};
	b->hubs[0].endpoints[1] = (struct bundle_endpoint){"2001:db8::1", 4754};
	b->hubs[1] = (struct bundle_hub){.name = "hub-a", .n_keys = 1, .keys = {{30}}};
	b->n_revoked = 3;
	b->revoked = revoked;
	b->n_revoked_keys = 3;
	b->revoked_keys = revoked_keys;
}

static size_t sign_example(uint8_t *out, size_t cap)
{
	struct bundle b;
	fill_example(&b);
	int len = bundle_sign(&b, network_id, secret, out, cap);
	assert_true(len > 0);
	return (size_t)len;
}

static int verify(const uint8_t *bytes, size_t len)
{
	struct bundle b;
	int err = bundle_decode(bytes, len, &b);
	return err ? err : bundle_verify(bytes, len, network_id, root_key);
}

static void test_layout(void **state)
{
	static const uint8_t hubs[] = {2, 5, 'h', 'u', 'b', '-', 'z', 2, 20};
	static const uint8_t start[] = {
		1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0x13, 0x88, 7, 0, 2, 5};
	static const uint8_t issuer_tail[] = {
		2, 0, 0, 3, 0xe8, 2, 4, 24, 10, 9, 0, 6, 64, 0x20, 1, 0xd, 0xb8, 0, 9, 0, 0};
	uint8_t bytes[2048];
	(void)state;

	size_t len = sign_example(bytes, sizeof bytes);
	assert_memory_equal(bytes, start, sizeof start);
	assert_memory_equal(bytes + sizeof start + 31, issuer_tail, sizeof issuer_tail);
	size_t at = sizeof start + 31 + sizeof issuer_tail + 32 + 6;
	assert_memory_equal(bytes + at, hubs, sizeof hubs);
	at += sizeof hubs + 31 + 32;
	assert_memory_equal(bytes + at, "\2\xfhub.example.net\x12\x92\xb", 20);
	at += 19 + 1 + 11 + 2 + 1 + 5 + 1 + 32 + 1;
	assert_memory_equal(bytes + at, "\0\3\1\1\1\1\1\1\1\1", 10);
	at += 2 + sizeof revoked;
	assert_memory_equal(bytes + at, "\0\3\1\0", 4);
	at += 2 + sizeof revoked_keys;
	assert_memory_equal(bytes + at, "\0\0", 2);
	assert_int_equal(at + 2 + 64, len);
	assert_true(prim_verify(bytes + len - 64, root_key,
		PRIM_PARTS({"warren bundle v1", 17}, {network_id, 32}, {bytes, len - 64})));
}

static void test_round_trip(void **state)
{
	uint8_t bytes[2048], again[2048];
	struct bundle b;
	(void)state;

	size_t len = sign_example(bytes, sizeof bytes);
	assert_int_equal(bundle_decode(bytes, len, &b), 0);
	assert_int_equal(b.number, 17);
	assert_int_equal(b.n_hubs, 2);
	assert_string_equal(b.hubs[0].endpoints[1].host, "2001:db8::1");
	assert_int_equal(bundle_encode(&b, again, sizeof again), len - 64);
	assert_memory_equal(again, bytes, len - 64);
	for (size_t cap = 0; cap < len; cap++)
		assert_int_equal(bundle_sign(&b, network_id, secret, again, cap), ERR_NO_SPACE);
	assert_int_equal(bundle_sign(&b, network_id, secret, again, len), len);
}

static void test_tampered(void **state)
{
	uint8_t bytes[2048], other[32] = {0};
	(void)state;

	size_t len = sign_example(bytes, sizeof bytes);
	assert_int_equal(verify(bytes, len), 0);
	for (size_t i = 0; i < len; i++) {
		bytes[i] ^= (uint8_t)(1 << (i % 8));
		assert_int_not_equal(verify(bytes, len), 0);
		bytes[i] ^= (uint8_t)(1 << (i % 8));
	}
	for (size_t cut = 0; cut < len; cut++)
		assert_int_not_equal(verify(bytes, cut), 0);
	bytes[len] = 0;
	assert_int_not_equal(verify(bytes, len + 1), 0);
	assert_int_equal(bundle_verify(bytes, len, other, root_key), ERR_AUTH);
	assert_int_equal(bundle_verify(bytes, len, network_id, other), ERR_AUTH);
	assert_int_equal(bundle_verify(bytes, 63, network_id, root_key), ERR_AUTH);
}

/* Everything that an encoder's caller can get wrong is refused, and so by the decoder it uses. */
static void test_refused(void **state)
{
	static uint8_t keys_wrong[64] = {[0] = 2, [32] = 1}, keys_twice[64] = {[0] = 1, [32] = 1};
	uint8_t out[4096];
	struct bundle b;
	int row = 0;
	(void)state;

#define REFUSED(change)                                                                            \
	do {                                                                                       \
		fill_example(&b);                                                                  \
		change;                                                                            \
		row++;                                                                             \
		if (bundle_encode(&b, out, sizeof out) != ERR_MALFORMED)                           \
			fail_msg("row %d: %s", row, #change);                                      \
	} while (0)
	REFUSED(b.ciphers = 0);
	REFUSED(b.flags = 2);
	REFUSED(b.n_issuers = BUNDLE_ISSUERS_MAX + 1);
	REFUSED(b.issuers[1].key[0] = 5);
	REFUSED(b.issuers[1].key[0] = 4);
	REFUSED(b.issuers[0].roles = 4);
	REFUSED(b.issuers[0].pools[0] = net("10.9.0.1/24"));
	REFUSED(b.issuers[0].pools[0] = b.issuers[0].pools[1]);
	REFUSED(b.issuers[0].n_pools = BUNDLE_POOLS_MAX + 1);
	REFUSED(b.n_hubs = BUNDLE_HUBS_MAX + 1);
	REFUSED(strcpy(b.hubs[0].name, "hub-a"));
	REFUSED(strcpy(b.hubs[0].name, "Hub"));
	REFUSED(b.hubs[0].name[0] = '\0');
	REFUSED(b.hubs[0].n_keys = 0);
	REFUSED(b.hubs[0].n_keys = 3);
	REFUSED(b.hubs[0].keys[1][0] = 20);
	REFUSED(b.hubs[0].keys[1][0] = 30);
	REFUSED(b.hubs[0].n_endpoints = BUNDLE_ENDPOINTS_MAX + 1);
	REFUSED(b.hubs[0].endpoints[0].port = 0);
	REFUSED(b.hubs[0].endpoints[0].host[0] = '\0');
	REFUSED(strcpy(b.hubs[0].endpoints[0].host, "hub example"));
	REFUSED(strcpy(b.hubs[0].endpoints[0].host, "\x1b[2J"));
	REFUSED(b.hubs[0].endpoints[1] = b.hubs[0].endpoints[0]);
	REFUSED(b.revoked_keys = keys_wrong; b.n_revoked_keys = 2);
	REFUSED(b.revoked_keys = keys_twice; b.n_revoked_keys = 2);
	REFUSED(b.revoked = keys_twice; b.n_revoked = 4);

	size_t len = sign_example(out, sizeof out);
	static const struct {
		size_t at;
		uint8_t value;
		int expected;
	} patches[] = {
		{0, 0, ERR_VERSION},
		{0, 2, ERR_VERSION},
		{1, 1, ERR_MALFORMED},
		{3, 1, ERR_MALFORMED},
		{21, 0x80, ERR_VERSION},
	};
	for (size_t i = 0; i < sizeof patches / sizeof *patches; i++) {
		uint8_t old = out[patches[i].at];
		out[patches[i].at] = patches[i].value;
		assert_int_equal(bundle_decode(out, len, &b), patches[i].expected);
		out[patches[i].at] = old;
	}
	static uint8_t huge[BUNDLE_MAX + 1];
	assert_int_equal(bundle_decode(huge, sizeof huge, &b), ERR_MALFORMED);
}

static void test_extensions(void **state)
{
	uint8_t bytes[2048];
	struct bundle b;
	(void)state;

	size_t len = sign_example(bytes, sizeof bytes);
	struct writer w = writer_of(bytes + len - 66, 100);
	write_bytes(&w, "\0\5\1\0\0\1x", 7);
	assert_int_equal(bundle_decode(bytes, len + 5, &b), 0);
	assert_int_equal(b.ext_len, 5);
	bytes[len - 66 + 2] = 0x81;
	assert_int_equal(bundle_decode(bytes, len + 5, &b), ERR_VERSION);
	bytes[len - 66 + 2] = 1;
	assert_int_equal(bundle_decode(bytes, len + 6, &b), ERR_MALFORMED);
}

static void test_revokes(void **state)
{
	static const uint8_t issuer1[8] = {1, 1, 1, 1, 1, 1, 1, 1},
			     issuer2[8] = {2, 2, 2, 2, 2, 2, 2, 2};
	static const uint8_t key0[32] = {0}, key2[32] = {2}, key4[32] = {4};
	struct bundle b;
	(void)state;

	fill_example(&b);
	assert_true(bundle_revokes(&b, issuer1, 5, key0));
	assert_true(bundle_revokes(&b, issuer1, 256, key0));
	assert_true(bundle_revokes(&b, issuer2, 1, key0));
	assert_false(bundle_revokes(&b, issuer1, 1, key0));
	assert_false(bundle_revokes(&b, issuer2, 5, key0));
	assert_true(bundle_revokes(&b, issuer1, 1, key2));
	assert_false(bundle_revokes(&b, issuer1, 1, key4));
	b.n_revoked = b.n_revoked_keys = 0;
	assert_false(bundle_revokes(&b, issuer1, 5, key2));
}

/* Both lists at their bounds: everything in them is found, what lies between is not. */
static void test_full_lists(void **state)
{
	uint8_t *serials = calloc(BUNDLE_REVOKED_MAX + 1, BUNDLE_REVOKED_SIZE);
	uint8_t *keys = calloc(BUNDLE_REVOKED_KEYS_MAX, 32), *bytes = malloc(BUNDLE_MAX);
	uint8_t key[32] = {0};
	const uint8_t issuer[8] = {0};
	struct bundle b;
	(void)state;

	assert_true(serials && keys && bytes);
	for (size_t i = 0; i < BUNDLE_REVOKED_MAX; i++)
		store_u32(serials + i * 16 + 12, (uint32_t)(2 * i + 1));
	for (size_t i = 0; i < BUNDLE_REVOKED_KEYS_MAX; i++)
		store_u16(keys + i * 32, (uint16_t)(2 * i + 1));
	fill_example(&b);
	b.revoked = serials;
	b.n_revoked = BUNDLE_REVOKED_MAX;
	b.revoked_keys = keys;
	b.n_revoked_keys = BUNDLE_REVOKED_KEYS_MAX;
	int len = bundle_sign(&b, network_id, secret, bytes, BUNDLE_MAX);
	assert_true(len > 0);
	assert_int_equal(verify(bytes, (size_t)len), 0);
	assert_int_equal(bundle_decode(bytes, (size_t)len, &b), 0);
	for (size_t i = 0; i <= 2 * BUNDLE_REVOKED_MAX + 1; i++)
		assert_int_equal(
			bundle_revokes(&b, issuer, i, key), i % 2 && i < 2 * BUNDLE_REVOKED_MAX);
	for (size_t i = 0; i <= 2 * BUNDLE_REVOKED_KEYS_MAX + 1; i++) {
		store_u16(key, (uint16_t)i);
		assert_int_equal(bundle_revokes(&b, issuer, 0, key),
			i % 2 && i < 2 * BUNDLE_REVOKED_KEYS_MAX);
	}
	fill_example(&b);
	store_u32(serials + BUNDLE_REVOKED_MAX * 16 + 12, UINT32_MAX);
	b.revoked = serials;
	b.n_revoked = BUNDLE_REVOKED_MAX + 1;
	assert_int_equal(bundle_sign(&b, network_id, secret, bytes, BUNDLE_MAX), ERR_MALFORMED);
	free(serials);
	free(keys);
	free(bytes);
}

static void test_find(void **state)
{
	static const uint8_t second[32] = {10}, nobody[32] = {1};
	uint8_t bytes[2048], id[8];
	struct bundle b;
	(void)state;

	size_t len = sign_example(bytes, sizeof bytes);
	assert_int_equal(bundle_decode(bytes, len, &b), 0);
	assert_ptr_equal(bundle_find_hub(&b, second), &b.hubs[0]);
	assert_null(bundle_find_hub(&b, nobody));
	assert_ptr_equal(bundle_find_hub_name(&b, "hub-a"), &b.hubs[1]);
	assert_null(bundle_find_hub_name(&b, "hub"));
	cert_issuer_id(b.issuers[1].key, id);
	assert_ptr_equal(bundle_find_issuer(&b, id), &b.issuers[1]);
	id[0] ^= 1;
	assert_null(bundle_find_issuer(&b, id));
}

static void test_issuer_constraints(void **state)
{
	struct bundle b;
	struct cert c = {
		.role = CERT_SPOKE, .not_before = 100, .not_after = 1100, .n_addresses = 1};
	(void)state;

	fill_example(&b);
	const struct bundle_issuer *issuer = &b.issuers[0];
	c.addresses[0] = net("10.9.0.5/16"); /* the subnet may be wider than the pool */
	assert_true(bundle_issuer_allows(issuer, &c));
	c.not_after++;
	assert_false(bundle_issuer_allows(issuer, &c));
	c.not_after--;
	c.role = CERT_HUB;
	assert_false(bundle_issuer_allows(issuer, &c));
	c.role = CERT_SPOKE | CERT_DEFAULT;
	assert_false(bundle_issuer_allows(issuer, &c));
	c.role = CERT_SPOKE;
	c.addresses[0] = net("10.9.1.5/24");
	assert_false(bundle_issuer_allows(issuer, &c));
	c.addresses[0] = net("10.9.0.5/24");
	c.n_prefixes = 1;
	c.prefixes[0] = net("10.9.0.128/25");
	assert_true(bundle_issuer_allows(issuer, &c));
	c.prefixes[0] = net("10.9.0.0/23");
	assert_false(bundle_issuer_allows(issuer, &c));
	c.prefixes[0] = net("2001:db8:9::/64");
	assert_true(bundle_issuer_allows(issuer, &c));
	/* No pools: nothing at all. */
	c.n_prefixes = 0;
	c.not_after = c.not_before;
	assert_false(bundle_issuer_allows(&b.issuers[1], &c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_tampered),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_extensions),
		cmocka_unit_test(test_revokes),
		cmocka_unit_test(test_full_lists),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_issuer_constraints),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
