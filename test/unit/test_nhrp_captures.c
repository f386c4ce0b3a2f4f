/*
 * Every NHRP packet of the captures (test/vectors/nhrp/README.md): what real implementations sent to
 * each other decodes and encodes to the same bytes, what a prober broke on purpose is refused.
 */
#include "core/wire/gre.h"
#include "nhrp_fixture.h"
#include "test/vectors/nhrp_same.h"

#include <stdlib.h>

#define LINK_ETHERNET 1
#define LINK_IPV4     228

/*
 * packets: NHRP packets in the file. refused: of them, those that do not decode. changed: those that
 * encode to other bytes: error indications, and registrations with a subaddress or with SNAP bytes.
 */
static const struct {
	const char *name;
	int packets, refused, changed;
} captures[] = {
	{"frr106-fou-auth-hub", 22, 0, 0},
	{"frr106-fou-auth-spoke11", 9, 0, 0},
	{"frr106-probe-auth-missing", 2, 0, 1},
	{"frr106-probe-auth-register", 2, 0, 0},
	{"frr106-probe-cases-auth", 164, 30, 10},
	{"frr106-probe-hop0-transit", 2, 0, 1},
	{"frr106-probe-purge", 3, 0, 0},
	{"frr106-probe-resolve", 2, 0, 0},
	{"frr84-fou-hub", 26, 0, 0},
	{"frr84-fou-key-unique-hub", 24, 0, 0},
	{"frr84-fou-key-unique-spoke11", 11, 0, 0},
	{"frr84-fou-nat-hub", 26, 0, 0},
	{"frr84-fou-spoke11", 13, 0, 0},
	{"frr84-gre-key-hub", 28, 0, 0},
	{"frr84-gre-key-spoke11", 13, 0, 0},
	{"frr84-probe-cases", 144, 34, 6},
	{"opennhrp-fou", 4, 0, 0},
	{"opennhrp-fou-auth", 8, 0, 0},
	{"opennhrp-probe-auth-missing", 1, 0, 0},
	{"opennhrp-probe-cases-auth", 138, 30, 11},
	{"opennhrp-probe-purge", 2, 0, 0},
	{"opennhrp-probe-second-unique", 2, 0, 0},
	{"opennhrp-spoke-frr84-hub", 6, 0, 0},
};

struct tally {
	int packets, refused, changed;
};

static uint32_t le32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Also from a copy of the exact size, so that a sanitizer sees a byte read too far. */
static void check_nhrp(const uint8_t *data, size_t len, struct tally *t)
{
	struct nhrp_packet p, again;
	uint8_t out[FIXTURE_MAX];
	t->packets++;
	uint8_t *copy = malloc(len + 1);
	assert_non_null(copy);
	if (len > 0)
		memcpy(copy, data, len);
	int rc = nhrp_decode(copy, len, &p);
	if (rc < 0) {
		t->refused++;
		free(copy);
		return;
	}
	int n = nhrp_encode(&p, out, sizeof out);
	assert_true(n > 0 && (size_t)n <= len);
	assert_int_equal(nhrp_decode(out, (size_t)n, &again), 0);
	assert_true(same_packet(&p, &again));
	t->changed += n != load_u16(data + 10) || memcmp(out, data, (size_t)n) != 0;
	free(copy);
}

/* One frame: IPv4, perhaps UDP, GRE; other payloads than NHRP are passed over. */
static void check_frame(const uint8_t *ip, size_t len, struct tally *t)
{
	struct ip_view v;
	struct gre_plain gre;
	uint8_t proto;
	size_t at;
	assert_int_equal(ip_peek(ip, len, &v), 0);
	assert_true(ip_transport(ip, len, &proto, &at));
	if (proto == IP_PROTO_UDP)
		at += 8;
	assert_true(at <= v.total_len);
	assert_int_equal(gre_classify(ip + at, v.total_len - at), GRE_PLAIN);
	assert_int_equal(gre_plain_read(ip + at, v.total_len - at, &gre), 0);
	at += gre.hdr_len;
	if (gre.protocol == GRE_PROTO_NHRP)
		check_nhrp(ip + at, v.total_len - at, t);
	else
		assert_int_equal(gre.protocol, GRE_PROTO_IPV4);
}

static struct tally check_capture(const char *name)
{
	static uint8_t data[65536];
	struct tally t = {0};
	char path[512];
	snprintf(path, sizeof path, TEST_VECTORS "/nhrp/%s.pcap", name);
	FILE *f = fopen(path, "rb");
	if (!f)
		fail_msg("%s", path);
	size_t len = fread(data, 1, sizeof data, f);
	fclose(f);
	assert_true(len > 24 && len < sizeof data && le32(data) == 0xa1b2c3d4);
	uint32_t link = le32(data + 20);
	assert_true(link == LINK_ETHERNET || link == LINK_IPV4);
	size_t skip = link == LINK_ETHERNET ? 14 : 0;
	for (size_t at = 24; at < len;) {
		size_t frame = le32(data + at + 8);
		at += 16;
		assert_true(at + frame <= len && frame > skip);
		check_frame(data + at + skip, frame - skip, &t);
		at += frame;
	}
	return t;
}

static void all_captures(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof captures / sizeof *captures; i++) {
		struct tally t = check_capture(captures[i].name);
		if (t.packets != captures[i].packets || t.refused != captures[i].refused ||
			t.changed != captures[i].changed)
			fail_msg("%s: %d packets, %d refused, %d changed", captures[i].name,
				t.packets, t.refused, t.changed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_captures),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
