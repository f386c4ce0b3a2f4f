/*
 * The NHRP codec: packets of other implementations field by field and byte by byte, what is refused
 * and how. They are also compared with tshark's decode (vectors/tshark_check.py).
 */
#include "nhrp_fixture.h"
#include "test/vectors/nhrp_same.h"

struct expected_cie {
	uint8_t code, prefix_len;
	uint16_t mtu, holding_time_s;
	const char *nbma, *proto;
};

/* exts: types in wire order; nat: NBMA address and protocol address of the last NAT CIE. */
static const struct {
	const char *name;
	enum nhrp_type type;
	uint8_t hop_count;
	uint16_t flags;
	uint32_t request_id;
	const char *src_nbma, *src_proto, *dst_proto;
	struct expected_cie cie;
	const char *exts, *auth;
	uint8_t n_responder, n_forward, n_nat;
	const char *nat;
} vectors[] = {
	/* Cisco, from tcpdump's test captures. */
	{"tcpdump/ios-registration-request", NHRP_REGISTRATION_REQUEST, 255, 0x8000, 5, "10.0.12.2",
		"192.168.0.2", "192.168.0.1", {0, 255, 1514, 30, "-", "-"}, "3 4 5 7 ", "CISCO", 0,
		0, 0, NULL},
	{"tcpdump/registration-request", NHRP_REGISTRATION_REQUEST, 255, 0x8002, 1, "169.254.100.1",
		"155.1.0.1", "155.1.0.5", {0, 32, 17912, 7200, "-", "-"}, "3 4 5 7 9 ", "NHRPAUTH",
		0, 0, 1, "169.254.100.5 155.1.0.5"},
	{"tcpdump/registration-reply", NHRP_REGISTRATION_REPLY, 255, 0x8002, 1, "169.254.100.1",
		"155.1.0.1", "155.1.0.5", {0, 32, 17912, 7200, "-", "-"}, "3 4 5 7 9 ", "NHRPAUTH",
		1, 0, 1, "169.254.100.5 155.1.0.5"},
	{"tcpdump/responder-request", NHRP_REGISTRATION_REQUEST, 255, 0x0002, 300, "155.1.79.2",
		"155.1.0.9", "155.1.0.6", {0, 32, 17912, 7200, "-", "-"}, "3 4 5 7 9 ", "NHRPAUTH",
		0, 0, 1, "6.6.6.6 155.1.0.6"},
	{"tcpdump/responder-reply", NHRP_REGISTRATION_REPLY, 255, 0x0002, 300, "155.1.79.2",
		"155.1.0.9", "155.1.0.6", {0, 32, 17912, 7200, "-", "-"}, "3 4 5 7 9 ", "NHRPAUTH",
		1, 0, 1, "6.6.6.6 155.1.0.6"},
	/* Built by hand. */
	{"synthetic/reg-req-unique-nat-auth", NHRP_REGISTRATION_REQUEST, 255, 0x8002, 1,
		"198.51.100.11", "10.255.0.11", "10.255.0.1", {0, 255, 1400, 7200, "-", "-"},
		"3 4 5 7 9 ", "NHRPAUTH", 0, 0, 1, "203.0.113.1 10.255.0.1"},
	{"synthetic/reg-reply-ok-natted", NHRP_REGISTRATION_REPLY, 255, 0x8002, 1, "198.51.100.11",
		"10.255.0.11", "10.255.0.1", {0, 255, 1400, 7200, "-", "-"}, "3 4 5 7 9 ",
		"NHRPAUTH", 1, 0, 2, "192.0.2.77 10.255.0.11"},
	{"synthetic/reg-reply-nak14", NHRP_REGISTRATION_REPLY, 255, 0x8002, 2, "198.51.100.11",
		"10.255.0.11", "10.255.0.1", {14, 255, 1400, 0, "-", "-"}, "3 4 5 7 9 ", "NHRPAUTH",
		1, 0, 0, NULL},
	{"synthetic/reg-req-nhs-unknown", NHRP_REGISTRATION_REQUEST, 1, 0x0002, 3, "198.51.100.11",
		"10.255.0.11", "10.255.0.11", {0, 32, 1400, 600, "-", "-"}, "3 4 5 9 ", NULL, 0, 0,
		1, "203.0.113.1 0.0.0.0"},
	{"synthetic/res-req", NHRP_RESOLUTION_REQUEST, 255, 0xC802, 5, "198.51.100.11",
		"10.255.0.11", "192.168.22.9", {0, 0, 1400, 7200, "-", "-"}, "3 4 5 7 9 ",
		"NHRPAUTH", 0, 0, 0, NULL},
	{"synthetic/res-req-fwd-by-hub", NHRP_RESOLUTION_REQUEST, 254, 0xC802, 5, "198.51.100.11",
		"10.255.0.11", "192.168.22.9", {0, 0, 1400, 7200, "-", "-"}, "3 4 5 7 9 ",
		"NHRPAUTH", 0, 1, 1, "192.0.2.77 10.255.0.11"},
	{"synthetic/res-reply-prefix24", NHRP_RESOLUTION_REPLY, 255, 0xE802, 5, "198.51.100.11",
		"10.255.0.11", "192.168.22.9", {0, 24, 1400, 7200, "198.51.100.22", "10.255.0.22"},
		"3 4 5 7 9 ", "NHRPAUTH", 1, 1, 0, NULL},
	{"synthetic/res-reply-nak12", NHRP_RESOLUTION_REPLY, 255, 0xC800, 6, "198.51.100.11",
		"10.255.0.11", "192.168.22.9", {12, 0, 0, 0, "-", "-"}, "3 4 5 7 ", "NHRPAUTH", 1,
		0, 0, NULL},
	{"synthetic/purge-req", NHRP_PURGE_REQUEST, 255, 0, 7, "198.51.100.11", "10.255.0.11",
		"10.255.0.1", {0, 32, 0, 0, "198.51.100.11", "10.255.0.11"}, "3 4 5 7 ", "NHRPAUTH",
		0, 0, 0, NULL},
	{"synthetic/purge-reply", NHRP_PURGE_REPLY, 255, 0, 7, "198.51.100.11", "10.255.0.11",
		"10.255.0.1", {0, 32, 0, 0, "198.51.100.11", "10.255.0.11"}, "3 4 5 7 ", "NHRPAUTH",
		1, 0, 0, NULL},
	{"synthetic/reg-req-ipv6-over-v4", NHRP_REGISTRATION_REQUEST, 255, 0x8002, 9,
		"198.51.100.11", "2001:db8:ff::11", "2001:db8:ff::1",
		{0, 255, 1400, 7200, "-", "-"}, "3 4 5 9 ", NULL, 0, 0, 0, NULL},
	{"synthetic/reg-req-v4-over-ipv6", NHRP_REGISTRATION_REQUEST, 255, 0x8002, 10,
		"2001:db8::11", "10.255.0.11", "10.255.0.1", {0, 255, 1400, 7200, "-", "-"},
		"3 4 5 9 ", NULL, 0, 0, 0, NULL},
	{"synthetic/odd-length-checksum", NHRP_REGISTRATION_REQUEST, 255, 0x8000, 11,
		"198.51.100.11", "10.255.0.11", "10.255.0.1", {0, 255, 1400, 30, "-", "-"},
		"3 4 5 7 ", "CISCO", 0, 0, 0, NULL},
	{"synthetic/subaddr-port-hdr-and-cie", NHRP_REGISTRATION_REQUEST, 255, 0x8002, 12,
		"198.51.100.11", "10.255.0.11", "10.255.0.1",
		{0, 255, 1400, 7200, "198.51.100.11", "10.255.0.11"}, "3 4 5 ", NULL, 0, 0, 0,
		NULL},
	{"synthetic/vendor-private-endpoint", NHRP_REGISTRATION_REQUEST, 255, 0x8002, 13,
		"198.51.100.11", "10.255.0.11", "10.255.0.1", {0, 255, 1400, 7200, "-", "-"},
		"3 4 5 8 ", NULL, 0, 0, 0, NULL},
	/* FRR and OpenNHRP, see test/vectors/nhrp/README.md. */
	{"packets/resolution-reply-nat", NHRP_RESOLUTION_REPLY, 64, 0xE800, 22, "10.99.0.12",
		"10.0.0.12", "192.168.21.1", {0, 24, 0, 60, "10.77.0.21", "10.0.0.21"}, "4 5 3 9 ",
		NULL, 1, 1, 1, "10.99.0.200 10.0.0.21"},
	{"packets/registration-reply-nak-prefix", NHRP_REGISTRATION_REPLY, 64, 0x0002, 679800674,
		"10.99.0.1", "10.0.0.50", "10.0.0.1", {13, 24, 0, 60, "-", "-"}, "4 5 3 9 ", NULL,
		1, 0, 1, "10.99.0.10 10.0.0.1"},
};

static void vector_fields(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
		uint8_t data[FIXTURE_MAX];
		struct nhrp_packet p;
		size_t len = fixture_load(vectors[i].name, data);
		print_message("%s\n", vectors[i].name);
		assert_int_equal(nhrp_decode(data, len, &p), 0);
		assert_int_equal(p.type, vectors[i].type);
		assert_int_equal(p.hop_count, vectors[i].hop_count);
		assert_int_equal(p.flags, vectors[i].flags);
		assert_int_equal(p.request_id, vectors[i].request_id);
		expect_addr("source NBMA", &p.src_nbma, vectors[i].src_nbma);
		expect_addr("source", &p.src_proto, vectors[i].src_proto);
		expect_addr("destination", &p.dst_proto, vectors[i].dst_proto);
		assert_int_equal(p.cies.n, 1);
		const struct nhrp_cie *cie = &p.cies.v[0];
		assert_int_equal(cie->code, vectors[i].cie.code);
		assert_int_equal(cie->prefix_len, vectors[i].cie.prefix_len);
		assert_int_equal(cie->mtu, vectors[i].cie.mtu);
		assert_int_equal(cie->holding_time_s, vectors[i].cie.holding_time_s);
		expect_addr("CIE NBMA", &cie->nbma, vectors[i].cie.nbma);
		expect_addr("CIE protocol", &cie->proto, vectors[i].cie.proto);
		expect_exts(&p, vectors[i].exts);
		const char *auth = vectors[i].auth ? vectors[i].auth : "";
		assert_int_equal(p.auth_len, strlen(auth));
		assert_int_equal(p.auth_spi, vectors[i].auth ? 1 : 0);
		assert_true(same_bytes(p.auth, p.auth_len, (const uint8_t *)auth, strlen(auth)));
		assert_int_equal(p.responder.n, vectors[i].n_responder);
		assert_int_equal(p.forward.n, vectors[i].n_forward);
		assert_int_equal(p.reverse.n, 0);
		assert_int_equal(p.nat.n, vectors[i].n_nat);
		if (vectors[i].nat) {
			char text[128], a[ADDR_TEXT_MAX], b[ADDR_TEXT_MAX];
			const struct nhrp_cie *nat = &p.nat.v[p.nat.n - 1];
			snprintf(text, sizeof text, "%s %s", addr_format(&nat->nbma, a),
				addr_format(&nat->proto, b));
			assert_string_equal(text, vectors[i].nat);
		}
	}
}

/* Well-formed packets come out of the encoder as they went into the decoder. */
static void vector_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
		uint8_t data[FIXTURE_MAX], out[FIXTURE_MAX];
		struct nhrp_packet p, again;
		size_t len = fixture_load(vectors[i].name, data);
		assert_int_equal(nhrp_decode(data, len, &p), 0);
		int n = nhrp_encode(&p, out, sizeof out);
		if (strstr(vectors[i].name, "subaddr")) {
			/* The subaddresses, two bytes each, are left out. */
			assert_int_equal(n, len - 4);
			assert_int_equal(nhrp_decode(out, (size_t)n, &again), 0);
			assert_true(same_packet(&p, &again));
			continue;
		}
		assert_int_equal(n, len);
		assert_memory_equal(out, data, len);
	}
}

static void vector_indications(void **state)
{
	(void)state;
	uint8_t data[FIXTURE_MAX], out[FIXTURE_MAX], quoted[FIXTURE_MAX];
	struct nhrp_packet p;
	size_t len = fixture_load("synthetic/traffic-ind", data);
	assert_int_equal(nhrp_decode(data, len, &p), 0);
	assert_int_equal(p.type, NHRP_TRAFFIC_INDICATION);
	assert_int_equal(p.traffic_code, 0);
	expect_addr("source NBMA", &p.src_nbma, "203.0.113.1");
	expect_addr("source", &p.src_proto, "10.255.0.1");
	expect_addr("destination", &p.dst_proto, "192.168.11.5");
	struct ip_addr dst = addr_v4(p.payload + 16);
	assert_int_equal(p.payload_len, 28);
	expect_addr("destination of the payload", &dst, "192.168.22.9");
	expect_exts(&p, "4 5 7 ");
	assert_int_equal(nhrp_encode(&p, out, sizeof out), len);
	assert_memory_equal(out, data, len);

	len = fixture_load("synthetic/error-ind-unreach", data);
	assert_int_equal(nhrp_decode(data, len, &p), 0);
	assert_int_equal(p.type, NHRP_ERROR_INDICATION);
	assert_int_equal(p.error_code, NHRP_ERROR_UNREACHABLE);
	assert_int_equal(p.error_offset, 0);
	expect_addr("source", &p.src_proto, "10.255.0.1");
	expect_addr("destination", &p.dst_proto, "10.255.0.11");
	assert_int_equal(p.n_exts, 0);
	size_t quoted_len = fixture_load("synthetic/res-req", quoted);
	assert_true(same_bytes(p.payload, p.payload_len, quoted, quoted_len));
	assert_int_equal(nhrp_encode(&p, out, sizeof out), len);
	assert_memory_equal(out, data, len);
}

/* Errors of OpenNHRP have extensions and 16 bytes behind End, those of FRR flags and hop count 0. */
static void liberal_errors(void **state)
{
	(void)state;
	uint8_t data[FIXTURE_MAX], out[FIXTURE_MAX];
	struct nhrp_packet p;
	size_t len = fixture_load("packets/error-indication-hop-count-opennhrp", data);
	assert_int_equal(nhrp_decode(data, len, &p), 0);
	assert_int_equal(p.error_code, NHRP_ERROR_HOP_COUNT);
	assert_int_equal(p.payload_len, 88);
	expect_exts(&p, "4 7 ");
	assert_int_equal(nhrp_encode(&p, out, sizeof out), len - 16);

	len = fixture_load("packets/error-indication-auth", data);
	assert_int_equal(nhrp_decode(data, len, &p), 0);
	assert_int_equal(p.error_code, NHRP_ERROR_AUTHENTICATION);
	assert_int_equal(p.hop_count, 0);
	assert_int_equal(nhrp_encode(&p, out, sizeof out), len);
	assert_int_equal(load_u16(out + 22), 0);
}

static void trailing_bytes(void **state)
{
	(void)state;
	uint8_t data[FIXTURE_MAX];
	struct nhrp_packet p, again;
	size_t len = fixture_load("synthetic/res-req", data);
	assert_int_equal(nhrp_decode(data, len, &p), 0);
	memset(data + len, 0xA5, 40);
	assert_int_equal(nhrp_decode(data, len + 40, &again), 0);
	assert_true(same_packet(&p, &again));
}

static void truncated_everywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
		uint8_t data[FIXTURE_MAX], cut[FIXTURE_MAX];
		struct nhrp_packet p;
		size_t len = fixture_load(vectors[i].name, data);
		for (size_t n = 0; n < len; n++) {
			assert_int_equal(nhrp_decode(data, n, &p), ERR_TRUNCATED);
			assert_int_equal(p.error_code, NHRP_ERROR_NONE);
			/* The same with a length field that admits it. */
			if (n < 20)
				continue;
			memcpy(cut, data, n);
			store_u16(cut + 10, (uint16_t)n);
			fixture_fix_checksum(cut, n);
			int rc = nhrp_decode(cut, n, &p);
			assert_true(rc == ERR_TRUNCATED || rc == ERR_MALFORMED);
		}
	}
}

/*
 * One field of synthetic/reg-req-unique-nat-auth changed. Its layout: header 0, addresses 28, CIE 40,
 * extensions 52: 3 at 52, 4 at 56, 5 at 60, 7 at 64 (12 bytes of value), 9 at 80 (one CIE), End 104.
 */
static const struct {
	const char *what;
	uint16_t offset;
	uint8_t size; /* of the value: 1 or 2 bytes */
	uint16_t value;
	int expected;
	uint16_t error_code;
} changes[] = {
	{"nothing", 9, 1, 255, 0, 0},
	{"afn 0", 0, 2, 0, ERR_UNSUPPORTED, NHRP_ERROR_PROTOCOL},
	{"afn 3 (NSAP)", 0, 2, 3, ERR_UNSUPPORTED, NHRP_ERROR_PROTOCOL},
	{"afn 15", 0, 2, 15, ERR_UNSUPPORTED, NHRP_ERROR_PROTOCOL},
	{"afn 2 with addresses of 4", 0, 2, 2, ERR_MALFORMED, NHRP_ERROR_PROTOCOL},
	{"protocol 0080 (SNAP)", 2, 2, 0x0080, ERR_UNSUPPORTED, NHRP_ERROR_PROTOCOL},
	{"protocol 0806", 2, 2, 0x0806, ERR_UNSUPPORTED, NHRP_ERROR_PROTOCOL},
	{"protocol 86DD with addresses of 4", 2, 2, 0x86DD, ERR_MALFORMED, NHRP_ERROR_PROTOCOL},
	{"SNAP bytes", 4, 2, 0xFFFF, 0, 0},
	{"hop count 0", 9, 1, 0, 0, 0},
	{"length 0", 10, 2, 0, ERR_MALFORMED, NHRP_ERROR_PROTOCOL},
	{"length 27", 10, 2, 27, ERR_MALFORMED, NHRP_ERROR_PROTOCOL},
	{"length 109", 10, 2, 109, ERR_TRUNCATED, 0},
	{"length 65535", 10, 2, 65535, ERR_TRUNCATED, 0},
	{"no extensions: they are then CIEs", 14, 2, 0, ERR_MALFORMED, NHRP_ERROR_PROTOCOL},
	{"extensions in the middle of the CIE", 14, 2, 51, ERR_TRUNCATED, NHRP_ERROR_PROTOCOL},
	{"extensions at the end of the packet", 14, 2, 108, ERR_MALFORMED, NHRP_ERROR_PROTOCOL},
	{"extensions behind the packet", 14, 2, 109, ERR_MALFORMED, NHRP_ERROR_PROTOCOL},
	{"extensions at 65535", 14, 2, 65535, ERR_MALFORMED, NHRP_ERROR_PROTOCOL},
	{"version 0 (MARS)", 16, 1, 0, ERR_VERSION, NHRP_ERROR_PROTOCOL},
	{"version 2", 16, 1, 2, ERR_VERSION, NHRP_ERROR_PROTOCOL},
	{"version 255", 16, 1, 255, ERR_VERSION, NHRP_ERROR_PROTOCOL},
	{"type 0", 17, 1, 0, ERR_UNSUPPORTED, NHRP_ERROR_PROTOCOL},
	{"type 9", 17, 1, 9, ERR_UNSUPPORTED, NHRP_ERROR_PROTOCOL},
	{"type 255", 17, 1, 255, ERR_UNSUPPORTED, NHRP_ERROR_PROTOCOL},
	{"NBMA length 0 shifts the addresses", 18, 1, 0, ERR_MALFORMED, NHRP_ERROR_PROTOCOL},
	{"NBMA length 3", 18, 1, 3, ERR_MALFORMED, NHRP_ERROR_PROTOCOL},
	{"NBMA length 63", 18, 1, 63, ERR_MALFORMED, NHRP_ERROR_PROTOCOL},
	{"NBMA type E.164", 18, 1, 0x44, 0, 0},
	{"NBMA reserved bit", 18, 1, 0x84, 0, 0},
	{"subaddress length 63", 19, 1, 63, ERR_TRUNCATED, NHRP_ERROR_PROTOCOL},
	{"source length 63", 20, 1, 63, ERR_MALFORMED, NHRP_ERROR_PROTOCOL},
	{"source length 255", 20, 1, 255, ERR_MALFORMED, NHRP_ERROR_PROTOCOL},
	{"destination length 16", 21, 1, 16, ERR_MALFORMED, NHRP_ERROR_PROTOCOL},
	{"CIE code 255", 40, 1, 255, 0, 0},
	{"CIE unused field", 42, 2, 0xFFFF, 0, 0},
	{"holding time 0", 46, 2, 0, 0, 0},
	{"holding time 65535", 46, 2, 65535, 0, 0},
	{"CIE NBMA length 4", 48, 1, 4, ERR_TRUNCATED, NHRP_ERROR_PROTOCOL},
	{"CIE NBMA length 63", 48, 1, 63, ERR_MALFORMED, NHRP_ERROR_PROTOCOL},
	{"CIE subaddress length 63", 49, 1, 63, ERR_TRUNCATED, NHRP_ERROR_PROTOCOL},
	{"CIE protocol length 63", 50, 1, 63, ERR_MALFORMED, NHRP_ERROR_PROTOCOL},
	{"CIE NBMA type bits alone", 48, 1, 0xC0, 0, 0},
	{"extension twice", 56, 2, 0x8003, ERR_DUPLICATE, NHRP_ERROR_INVALID_EXTENSION},
	{"the same unknown extension", 60, 2, 0xBFFF, 0, 0},
	{"extension past the end", 58, 2, 60, ERR_TRUNCATED, NHRP_ERROR_INVALID_EXTENSION},
	{"transit record that swallows the rest", 58, 2, 48, ERR_MALFORMED,
		NHRP_ERROR_INVALID_EXTENSION},
	{"extension of 65535", 58, 2, 65535, ERR_TRUNCATED, NHRP_ERROR_INVALID_EXTENSION},
	{"transit record that is no CIE", 58, 2, 4, ERR_TRUNCATED, NHRP_ERROR_INVALID_EXTENSION},
	{"reserved bit of an extension", 56, 2, 0xC004, 0, 0},
	{"authentication of 3 bytes", 66, 2, 3, ERR_TRUNCATED, NHRP_ERROR_INVALID_EXTENSION},
	{"NAT CIE cut", 82, 2, 19, ERR_TRUNCATED, NHRP_ERROR_INVALID_EXTENSION},
	{"NAT CIE with NBMA length 63", 92, 1, 63, ERR_MALFORMED, NHRP_ERROR_INVALID_EXTENSION},
	{"no End", 104, 2, 0x8006, ERR_TRUNCATED, NHRP_ERROR_INVALID_EXTENSION},
	{"End not compulsory", 104, 2, 0x0000, 0, 0},
	{"End with a value", 106, 2, 1, ERR_TRUNCATED, NHRP_ERROR_INVALID_EXTENSION},
};

static void one_field_changed(void **state)
{
	(void)state;
	uint8_t original[FIXTURE_MAX], data[FIXTURE_MAX];
	size_t len = fixture_load("synthetic/reg-req-unique-nat-auth", original);
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		struct nhrp_packet p;
		memcpy(data, original, len);
		if (changes[i].size == 1)
			data[changes[i].offset] = (uint8_t)changes[i].value;
		else
			store_u16(data + changes[i].offset, changes[i].value);
		size_t claimed = load_u16(data + 10);
		fixture_fix_checksum(data, claimed < len ? claimed : len);
		int rc = nhrp_decode(data, len, &p);
		if (rc != changes[i].expected || p.error_code != changes[i].error_code)
			fail_msg("%s: %s, error code %u", changes[i].what, err_name(rc),
				p.error_code);
	}
}

static void extension_offsets(void **state)
{
	(void)state;
	uint8_t data[FIXTURE_MAX];
	struct nhrp_packet p;
	size_t len = fixture_load("synthetic/reg-req-unique-nat-auth", data);
	for (uint16_t offset = 1; offset < 40; offset++) {
		store_u16(data + 14, offset);
		fixture_fix_checksum(data, len);
		int rc = nhrp_decode(data, len, &p);
		assert_int_equal(rc, offset < 28 ? ERR_MALFORMED : ERR_TRUNCATED);
		assert_int_equal(p.error_code, NHRP_ERROR_PROTOCOL);
	}
}

static void bad_checksum(void **state)
{
	(void)state;
	uint8_t data[FIXTURE_MAX];
	struct nhrp_packet p;
	size_t len = fixture_load("synthetic/odd-length-checksum", data);
	for (size_t i = 0; i < len; i++) {
		data[i]++;
		int rc = nhrp_decode(data, len, &p);
		assert_true(rc < 0);
		assert_int_equal(
			p.error_code, rc == ERR_TRUNCATED ? NHRP_ERROR_NONE : NHRP_ERROR_PROTOCOL);
		data[i]--;
	}
	/* It may be one that is not to be answered. */
	data[17] = NHRP_ERROR_INDICATION;
	assert_int_equal(nhrp_decode(data, len, &p), ERR_MALFORMED);
	assert_int_equal(p.error_code, NHRP_ERROR_NONE);
	data[17] = NHRP_REGISTRATION_REQUEST;
	assert_int_equal(nhrp_decode(data, len, &p), 0);
}

/* Rows that policy decides, not the codec: they decode and show what policy needs to see. */
static void left_to_policy(void **state)
{
	(void)state;
	uint8_t data[FIXTURE_MAX];
	struct nhrp_packet p;
	struct nhrp_cie cie = {.holding_time_s = 600};
	nhrp_init(&p, NHRP_REGISTRATION_REQUEST, 4, 4);
	p.flags = NHRP_REG_UNIQUE;
	nhrp_add_cie(&p, &cie);
	nhrp_add_cie(&p, &cie); /* unique with two CIEs */
	nhrp_ext_standard(&p, false, false);
	p.exts[1].type = 0x3FFF; /* compulsory and unknown */
	p.exts[1].raw = true;
	int len = nhrp_encode(&p, data, sizeof data);
	assert_true(len > 0);
	assert_int_equal(nhrp_decode(data, (size_t)len, &p), 0);
	assert_int_equal(p.cies.n, 2);
	assert_ptr_equal(nhrp_ext_unknown(&p), &p.exts[1]);
	p.exts[1].compulsory = false;
	assert_null(nhrp_ext_unknown(&p));

	/* An error about an error: the answer code is what the sender said, never ours. */
	nhrp_init(&p, NHRP_ERROR_INDICATION, 4, 4);
	p.error_code = NHRP_ERROR_HOP_COUNT;
	len = nhrp_encode(&p, data, sizeof data);
	assert_int_equal(nhrp_decode(data, (size_t)len, &p), 0);
	assert_int_equal(p.error_code, NHRP_ERROR_HOP_COUNT);
	store_u16(data + 14, 28); /* extensions, but none there */
	fixture_fix_checksum(data, (size_t)len);
	assert_int_equal(nhrp_decode(data, (size_t)len, &p), ERR_TRUNCATED);
	assert_int_equal(p.error_code, NHRP_ERROR_NONE);
}

/* The field that an error indication would point at. */
static void error_offset(void **state)
{
	static const struct {
		uint16_t at, value, expected;
	} bad[] = {{0, 3, 0}, {2, 0x0806, 2}, {10, 27, 10}, {14, 27, 14}, {16, 0x0003, 16},
		{16, 0x0109, 17}, {48, 0x3F00, 52}, {56, 0x8003, 56}, {58, 60, 56}, {66, 3, 64},
		{104, 0x8006, 108}};
	(void)state;
	uint8_t original[FIXTURE_MAX], data[FIXTURE_MAX];
	struct nhrp_packet p;
	size_t len = fixture_load("synthetic/reg-req-unique-nat-auth", original);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		memcpy(data, original, len);
		store_u16(data + bad[i].at, bad[i].value);
		fixture_fix_checksum(data, len);
		assert_true(nhrp_decode(data, len, &p) < 0);
		print_message("%u: %u\n", bad[i].at, p.error_offset);
		assert_int_equal(p.error_offset, bad[i].expected);
		assert_true(p.error_code != NHRP_ERROR_NONE);
	}
	memcpy(data, original, len);
	data[13] ^= 1;
	assert_int_equal(nhrp_decode(data, len, &p), ERR_MALFORMED);
	assert_int_equal(p.error_offset, 12);
	/* The addresses are there for it when they could be read. */
	memcpy(data, original, len);
	store_u16(data + 56, 0x8003);
	fixture_fix_checksum(data, len);
	assert_int_equal(nhrp_decode(data, len, &p), ERR_DUPLICATE);
	expect_addr("source", &p.src_proto, "10.255.0.11");
	expect_addr("source NBMA", &p.src_nbma, "198.51.100.11");
	/* A packet that is fine knows where its extensions stand. */
	assert_int_equal(nhrp_decode(original, len, &p), 0);
	assert_int_equal(p.exts[0].offset, 52);
	assert_int_equal(p.exts[4].offset, 80);
}

/* Whatever stands in fields without a meaning: it is read over, and zero when it is written again. */
static void unused_fields(void **state)
{
	/* SNAP, type bits of the lengths (header, CIE), the CIE's unused field, the bit of an extension. */
	static const struct {
		uint16_t at;
		uint8_t bits;
	} unused[] = {{4, 0xFF}, {8, 0xFF}, {18, 0xC0}, {42, 0xFF}, {43, 0xFF}, {48, 0xC0},
		{49, 0xC0}, {56, 0x40}};
	(void)state;
	uint8_t original[FIXTURE_MAX], data[FIXTURE_MAX], out[FIXTURE_MAX];
	struct nhrp_packet p;
	size_t len = fixture_load("synthetic/reg-req-unique-nat-auth", original);
	memcpy(data, original, len);
	for (size_t i = 0; i < sizeof unused / sizeof *unused; i++) {
		assert_int_equal(data[unused[i].at] & unused[i].bits, 0);
		data[unused[i].at] |= unused[i].bits;
	}
	fixture_fix_checksum(data, len);
	assert_int_equal(nhrp_decode(data, len, &p), 0);
	assert_int_equal(nhrp_encode(&p, out, sizeof out), len);
	assert_memory_equal(out, original, len);
}

/* What an error indication quotes may be cut anywhere behind the addresses, and have any checksum. */
static void quoted(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
		uint8_t data[FIXTURE_MAX];
		struct nhrp_packet p, q;
		size_t len = fixture_load(vectors[i].name, data);
		assert_int_equal(nhrp_decode(data, len, &p), 0);
		size_t enough = 28u + (data[18] & 63u) + (data[19] & 63u) + data[20] + data[21];
		data[12] ^= 0xFF;
		for (size_t n = 0; n <= len; n++) {
			int rc = nhrp_decode_quoted(data, n, &q);
			assert_int_equal(rc, n < enough ? ERR_TRUNCATED : 0);
			if (rc < 0)
				continue;
			assert_int_equal(q.type, p.type);
			assert_int_equal(q.request_id, p.request_id);
			assert_true(addr_equal(&q.src_proto, &p.src_proto));
			assert_true(addr_equal(&q.dst_proto, &p.dst_proto));
			assert_int_equal(q.cies.n, 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vector_fields),
		cmocka_unit_test(vector_bytes),
		cmocka_unit_test(vector_indications),
		cmocka_unit_test(liberal_errors),
		cmocka_unit_test(trailing_bytes),
		cmocka_unit_test(truncated_everywhere),
		cmocka_unit_test(one_field_changed),
		cmocka_unit_test(extension_offsets),
		cmocka_unit_test(bad_checksum),
		cmocka_unit_test(left_to_policy),
		cmocka_unit_test(error_offset),
		cmocka_unit_test(unused_fields),
		cmocka_unit_test(quoted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
