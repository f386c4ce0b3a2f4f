#include "core/trust/trust.h"

#include "core/base/err.h"
#include "core/crypto/primitives.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW UINT64_C(1000000)

static const uint8_t network_id[32] = {1, 2, 3};
static const uint8_t static_key[32] = {9};
static uint8_t root_secret[SIGN_SECRET_LEN], root_key[32];
static uint8_t issuer_secret[SIGN_SECRET_LEN], issuer_key[32];

struct fixture {
	struct trust trust;
	uint8_t bytes[CERT_MAX]; /* the certificate signed last */
	size_t len;
	struct cert out;
};

static int set_up(void **state)
{
	static const uint8_t seed1[32] = {7}, seed2[32] = {8};
	struct fixture *f = calloc(1, sizeof *f);
	if (!f || prim_init() != 0)
		return -1;
	prim_sign_keypair(root_secret, root_key, seed1);
	prim_sign_keypair(issuer_secret, issuer_key, seed2);
	trust_init(&f->trust, network_id, root_key);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	trust_fini(&f->trust);
	free(f);
	return 0;
}

static struct prefix net(const char *text)
{
	struct prefix p;
	assert_true(prefix_parse(text, &p));
	return p;
}

static struct cert spoke(void)
{
	struct cert c = {.serial = 5,
		.not_before = NOW,
		.not_after = NOW + 1000,
		.role = CERT_SPOKE,
		.name = "spoke",
		.n_addresses = 1};
	c.addresses[0] = net("10.9.0.5/24");
	memcpy(c.static_key, static_key, sizeof static_key);
	return c;
}

static void sign(struct fixture *f, struct cert c, const uint8_t *secret)
{
	int len = cert_sign(&c, network_id, secret, f->bytes, sizeof f->bytes);
	assert_true(len > 0);
	f->len = (size_t)len;
}

static int check(struct fixture *f, uint64_t now)
{
	return trust_check_cert(&f->trust, f->bytes, f->len, static_key, now, &f->out);
}

static struct bundle empty_bundle(uint64_t number)
{
	return (struct bundle){.number = number, .not_after = NOW + 5000, .ciphers = 7};
}

static struct bundle issuer_bundle(uint64_t number)
{
	struct bundle b = empty_bundle(number);
	b.n_issuers = 1;
	memcpy(b.issuers[0].key, issuer_key, 32);
	b.issuers[0].roles = CERT_SPOKE;
	b.issuers[0].max_life_s = 1000;
	b.issuers[0].n_pools = 1;
	b.issuers[0].pools[0] = net("10.9.0.0/24");
	return b;
}

static int update(struct fixture *f, const struct bundle *b, const uint8_t *secret)
{
	uint8_t bytes[4096];
	int len = bundle_sign(b, network_id, secret, bytes, sizeof bytes);
	assert_true(len > 0);
	return trust_update_bundle(&f->trust, bytes, (size_t)len);
}

static void test_root_signed(void **state)
{
	struct fixture *f = *state;
	sign(f, spoke(), root_secret);
	assert_int_equal(check(f, NOW), 0); /* without any bundle */
	assert_string_equal(f->out.name, "spoke");
	assert_memory_equal(f->out.static_key, static_key, 32);
	assert_int_equal(check(f, NOW), 0); /* from the cache */
}

static void test_validity(void **state)
{
	static const struct {
		uint64_t now;
		int expected;
	} rows[] = {
		{0, ERR_EXPIRED},
		{NOW - 901, ERR_EXPIRED},
		{NOW - 900, 0},
		{NOW, 0},
		{NOW + 1300, 0},
		{NOW + 1301, ERR_EXPIRED},
		{UINT64_MAX, ERR_EXPIRED},
	};
	struct fixture *f = *state;
	sign(f, spoke(), root_secret);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(check(f, rows[i].now), rows[i].expected);
		if (rows[i].expected == 0)
			assert_int_equal(trust_recheck(&f->trust, &f->out, rows[i].now), 0);
		else
			assert_int_equal(f->out.n_addresses, 0); /* nothing is left to be used */
	}
	/* Times at the ends of their range do not wrap. */
	struct cert c = spoke();
	c.not_before = 0;
	c.not_after = UINT64_MAX;
	sign(f, c, root_secret);
	assert_int_equal(check(f, 0), 0);
	assert_int_equal(check(f, UINT64_MAX), 0);
}

static void test_forged(void **state)
{
	struct fixture *f = *state;
	struct cert c;

	/* Signed by a stranger, under the stranger's id and under the root's. */
	sign(f, spoke(), issuer_secret);
	assert_int_equal(check(f, NOW), ERR_NOT_FOUND);
	memcpy(f->bytes + 28, f->trust.root_id, CERT_ID_SIZE);
	assert_int_equal(check(f, NOW), ERR_AUTH);

	/* Another key's certificate; another signature than the one that is cached. */
	sign(f, spoke(), root_secret);
	assert_int_equal(check(f, NOW), 0);
	const uint8_t other[32] = {10};
	assert_int_equal(trust_check_cert(&f->trust, f->bytes, f->len, other, NOW, &c), ERR_AUTH);
	for (size_t i = 0; i < f->len; i++) {
		f->bytes[i] ^= 0x40;
		assert_int_not_equal(check(f, NOW), 0);
		f->bytes[i] ^= 0x40;
	}
	for (size_t cut = 0; cut < f->len; cut++)
		assert_int_not_equal(
			trust_check_cert(&f->trust, f->bytes, cut, static_key, NOW, &c), 0);
	assert_int_equal(check(f, NOW), 0);
}

static void test_issuer(void **state)
{
	struct fixture *f = *state;
	struct bundle b = issuer_bundle(1);

	sign(f, spoke(), issuer_secret);
	assert_int_equal(check(f, NOW), ERR_NOT_FOUND);
	assert_int_equal(update(f, &b, root_secret), 0);
	assert_int_equal(check(f, NOW), 0);

	/* Each constraint. */
	struct cert c = spoke();
	c.role = CERT_HUB;
	sign(f, c, issuer_secret);
	assert_int_equal(check(f, NOW), ERR_FORBIDDEN);
	c = spoke();
	c.not_after++;
	sign(f, c, issuer_secret);
	assert_int_equal(check(f, NOW), ERR_FORBIDDEN);
	c = spoke();
	c.addresses[0] = net("10.9.1.5/24");
	sign(f, c, issuer_secret);
	assert_int_equal(check(f, NOW), ERR_FORBIDDEN);
	c = spoke();
	c.n_prefixes = 1;
	c.prefixes[0] = net("10.0.0.0/8");
	sign(f, c, issuer_secret);
	assert_int_equal(check(f, NOW), ERR_FORBIDDEN);
	sign(f, c, root_secret); /* the root has none */
	assert_int_equal(check(f, NOW), 0);

	/* An issuer that the next bundle drops: its certificates end, cached or not. */
	sign(f, spoke(), issuer_secret);
	assert_int_equal(check(f, NOW), 0);
	c = f->out;
	b = empty_bundle(2);
	assert_int_equal(update(f, &b, root_secret), 0);
	assert_int_equal(check(f, NOW), ERR_NOT_FOUND);
	assert_int_equal(trust_recheck(&f->trust, &c, NOW), ERR_NOT_FOUND);
}

static void test_revoked(void **state)
{
	struct fixture *f = *state;
	uint8_t record[BUNDLE_REVOKED_SIZE] = {[15] = 5};
	struct bundle b = empty_bundle(1);

	sign(f, spoke(), root_secret);
	assert_int_equal(check(f, NOW), 0);
	struct cert c = f->out;
	memcpy(record, f->trust.root_id, CERT_ID_SIZE);
	b.n_revoked = 1;
	b.revoked = record;
	assert_int_equal(update(f, &b, root_secret), 0);
	assert_int_equal(check(f, NOW), ERR_REVOKED);
	assert_int_equal(trust_recheck(&f->trust, &c, NOW), ERR_REVOKED);

	c = spoke();
	c.serial = 6; /* another certificate of the same key */
	sign(f, c, root_secret);
	assert_int_equal(check(f, NOW), 0);
	b = empty_bundle(2);
	b.n_revoked_keys = 1;
	b.revoked_keys = static_key;
	assert_int_equal(update(f, &b, root_secret), 0);
	assert_int_equal(check(f, NOW), ERR_REVOKED);
}

static void test_bundle_order(void **state)
{
	struct fixture *f = *state;
	struct bundle b = empty_bundle(10);
	uint8_t bytes[512];

	assert_true(trust_bundle_expired(&f->trust, NOW));
	assert_int_equal(update(f, &b, issuer_secret), ERR_AUTH); /* only the root's word counts */
	assert_null(f->trust.bundle);
	assert_int_equal(update(f, &b, root_secret), 0);
	assert_int_equal(update(f, &b, root_secret), ERR_DUPLICATE);
	b.number = 9;
	assert_int_equal(update(f, &b, root_secret), ERR_DUPLICATE);
	b.number = 11;
	assert_int_equal(update(f, &b, issuer_secret), ERR_AUTH);
	assert_int_equal(f->trust.bundle->number, 10);
	b.not_after = 1; /* expired, yet newer */
	assert_int_equal(update(f, &b, root_secret), 0);
	assert_int_equal(f->trust.bundle->number, 11);
	assert_true(trust_bundle_expired(&f->trust, NOW));
	assert_false(trust_bundle_expired(&f->trust, 301));
	assert_true(trust_bundle_expired(&f->trust, 302));

	b.number = 12;
	int len = bundle_sign(&b, network_id, root_secret, bytes, sizeof bytes);
	assert_true(len > 0);
	for (size_t i = 0; i < (size_t)len; i++) {
		assert_int_not_equal(trust_update_bundle(&f->trust, bytes, i), 0);
		bytes[i] ^= 1;
		assert_int_not_equal(trust_update_bundle(&f->trust, bytes, (size_t)len), 0);
		bytes[i] ^= 1;
	}
	assert_int_equal(trust_update_bundle(&f->trust, bytes, (size_t)len), 0);
	assert_int_equal(f->trust.bundle_len, len);
	assert_memory_equal(f->trust.bundle_bytes, bytes, (size_t)len);
}

static void test_hubs(void **state)
{
	struct fixture *f = *state;
	struct bundle b = empty_bundle(1);

	assert_null(trust_find_hub(&f->trust, static_key));
	b.n_hubs = 1;
	b.hubs[0] = (struct bundle_hub){.name = "hub1", .n_keys = 1, .keys = {{9}}};
	assert_int_equal(update(f, &b, root_secret), 0);
	const struct bundle_hub *hub = trust_find_hub(&f->trust, static_key);
	assert_non_null(hub);
	assert_string_equal(hub->name, "hub1");
}

/* More members than the cache has room for: still right, if dearer. */
static void test_cache_overflow(void **state)
{
	struct fixture *f = *state;
	struct cert c = spoke();
	for (uint64_t i = 0; i < 3 * TRUST_CACHE; i++) {
		c.serial = i;
		sign(f, c, root_secret);
		assert_int_equal(check(f, NOW), 0);
		assert_int_equal(f->out.serial, i);
	}
}

static void test_network_text(void **state)
{
	char text[TRUST_NETWORK_TEXT_MAX];
	uint8_t id[32], key[32];
	(void)state;
	trust_format_network(network_id, root_key, text);
	assert_int_equal(strlen(text), sizeof text - 1);
	assert_int_equal(trust_parse_network(text, id, key), 0);
	assert_memory_equal(id, network_id, 32);
	assert_memory_equal(key, root_key, 32);
	text[40] = '*';
	assert_int_equal(trust_parse_network(text, id, key), ERR_MALFORMED);
	assert_int_equal(trust_parse_network("AAAA", id, key), ERR_MALFORMED);
	assert_int_equal(trust_parse_network("", id, key), ERR_MALFORMED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_root_signed),
		TEST(test_validity),
		TEST(test_forged),
		TEST(test_issuer),
		TEST(test_revoked),
		TEST(test_bundle_order),
		TEST(test_hubs),
		TEST(test_cache_overflow),
		TEST(test_network_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
