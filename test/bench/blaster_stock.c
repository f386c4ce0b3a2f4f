#include "test/bench/blaster.h"

#include "core/base/env.h"
#include "core/crypto/handshake.h"
#include "core/crypto/message.h"
#include "core/wire/gre.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define INITIATIONS 64 /* different ones: each takes its maker two DH */
#define CERTIFICATE 220

static const char *const names[] = {
#define BLASTER_NAME(id, name) name,
	BLASTER_KIND_LIST(BLASTER_NAME)
#undef BLASTER_NAME
};

const char *blaster_kind_name(unsigned kind)
{
	return names[kind];
}

enum blaster_kind blaster_kind(const char *name)
{
	unsigned kind = 0;
	while (kind < BLASTER_KINDS && strcmp(names[kind], name) != 0)
		kind++;
	return (enum blaster_kind)kind;
}

/* ---- Frames ------------------------------------------------------------------------------------ */

void frame_set_source(struct frame *f, uint32_t address, uint16_t port)
{
	uint8_t *ip = f->bytes + 14;
	uint32_t sum = 0;
	store_u32(ip + 12, address);
	store_u16(ip + 20, port);
	store_u16(ip + 10, 0);
	for (unsigned i = 0; i < 20; i += 2)
		sum += load_u16(ip + i);
	sum = (sum & 0xffff) + (sum >> 16);
	store_u16(ip + 10, (uint16_t) ~(sum + (sum >> 16)));
}

/* Headers for a payload of len bytes, from nowhere in particular. */
static struct frame *add_frame(struct blaster *b, size_t len)
{
	struct frame *f = &b->stock[b->n_stock++];
	uint8_t *ip = f->bytes + 14;
	f->len = (uint16_t)(FRAME_HEADERS + len);
	memset(f->bytes, 0, FRAME_HEADERS);
	memcpy(f->bytes, b->mac, 6);
	f->bytes[6] = 0x02; /* a locally administered source */
	store_u16(f->bytes + 12, ETHERTYPE_IP);
	ip[0] = 0x45;
	store_u16(ip + 2, (uint16_t)(28 + len));
	ip[8] = 64;
	ip[9] = IPPROTO_UDP;
	memcpy(ip + 16, &b->to, 4);
	store_u16(ip + 22, b->port);
	store_u16(ip + 24, (uint16_t)(8 + len));
	frame_set_source(f, 0xC6120001u, 4754);
	return f;
}

static void make_garbage(struct blaster *b)
{
	while (b->n_stock < STOCK) {
		size_t len = 1 + blaster_random(b) % 1400;
		struct frame *f = add_frame(b, len);
		prim_random(frame_payload(f), len);
	}
}

static void make_unknown(struct blaster *b)
{
	while (b->n_stock < STOCK) {
		size_t len = GRE_SEALED_MIN + 8 + blaster_random(b) % 1300;
		struct frame *f = add_frame(b, len);
		prim_random(frame_payload(f), len);
		store_u32(frame_payload(f), GRE_SEALED_WORD);
	}
}

static void make_shapes(struct blaster *b)
{
	static const struct {
		uint8_t type;
		uint16_t len;
	} shapes[] = {{MESSAGE_RESPONSE, MESSAGE_RESPONSE_MAX},
		{MESSAGE_COOKIE, MESSAGE_COOKIE_LEN}, {MESSAGE_PROBE, MESSAGE_PROBE_LEN},
		{MESSAGE_RESET, MESSAGE_RESET_LEN}};
	while (b->n_stock < STOCK) {
		unsigned i = b->n_stock % 4;
		struct frame *f = add_frame(b, GRE_PLAIN_LEN + shapes[i].len);
		uint8_t *p = frame_payload(f);
		prim_random(p, GRE_PLAIN_LEN + shapes[i].len);
		gre_handshake_write(p);
		store_u32(p + 4, (uint32_t)shapes[i].type << 24 | 0x00010000);
		p[8] &= 0x0f; /* indices in range */
		p[12] &= 0x0f;
	}
}

/* ---- Handshakes -------------------------------------------------------------------------------- */

static void random_bytes(void *ctx, void *out, size_t len)
{
	(void)ctx;
	prim_random(out, len);
}

static uint64_t wall_s(void *ctx)
{
	(void)ctx;
	return (uint64_t)time(NULL);
}

static void log_line(void *ctx, enum log_level level, const char *line)
{
	(void)ctx;
	(void)level;
	fprintf(stderr, "blaster: %s\n", line);
}

/* INITIATIONs of a stranger, whose certificate is noise, to whoever has this static key. */
static void make_initiations(struct blaster *b, const uint8_t key[KEY_LEN])
{
	static const struct env env = {.random = random_bytes, .wall_s = wall_s, .log = log_line};
	struct handshake_identity id;
	uint8_t secret[KEY_LEN], certificate[CERTIFICATE];
	uint8_t out[GRE_PLAIN_LEN + MESSAGE_INITIATION_MAX];
	gre_handshake_write(out);
	while (b->n_stock < INITIATIONS) {
		struct handshake hs;
		prim_random(secret, sizeof secret);
		prim_random(certificate, sizeof certificate);
		handshake_identity_init(&id, secret, b->network_id, NULL);
		struct handshake_offer offer = {
			.index = 1 + (uint32_t)blaster_random(b) % MESSAGE_INDEX_MAX,
			.ciphers = 7,
			.max_udp = 1920,
			.lanes = 2,
			.certificate = certificate,
			.certificate_len = sizeof certificate,
		};
		handshake_timestamp(offer.timestamp, wall_s(NULL), 0);
		int len = handshake_initiate(&hs, &id, &env, key, NULL, &offer, out + GRE_PLAIN_LEN,
			sizeof out - GRE_PLAIN_LEN);
		handshake_wipe(&hs);
		if (len < 0) {
			fputs("blaster: no INITIATION for this key\n", stderr);
			exit(1);
		}
		struct frame *f = add_frame(b, GRE_PLAIN_LEN + (size_t)len);
		memcpy(frame_payload(f), out, GRE_PLAIN_LEN + (size_t)len);
	}
}

static void make_wrong_mac1(struct blaster *b)
{
	uint8_t secret[KEY_LEN], other[KEY_LEN];
	prim_random(secret, sizeof secret);
	prim_dh_public(other, secret);
	make_initiations(b, other);
}

/* Every other one with a made-up mac2, which costs the target more to check than none. */
static void make_right_mac1(struct blaster *b)
{
	make_initiations(b, b->key);
	for (unsigned i = 0; i < b->n_stock; i += 2)
		prim_random(b->stock[i].bytes + b->stock[i].len - MAC_LEN, MAC_LEN);
}

/* ---- The tunnel's own datagrams ---------------------------------------------------------------- */

static void keep(struct blaster *b, const uint8_t *bytes, size_t len)
{
	struct sockaddr_in to = {.sin_addr = b->to};
	if (b->n_stock == STOCK || len > FRAME_MAX || len < FRAME_HEADERS + GRE_SEALED_MIN ||
		load_u16(bytes + 12) != ETHERTYPE_IP || bytes[14] != 0x45 ||
		bytes[23] != IPPROTO_UDP || memcmp(bytes + 30, &to.sin_addr, 4) != 0 ||
		load_u16(bytes + 36) != b->port ||
		load_u32(bytes + FRAME_HEADERS) != GRE_SEALED_WORD)
		return;
	struct frame *f = &b->stock[b->n_stock++];
	memcpy(f->bytes, bytes, len);
	f->len = (uint16_t)len;
	memcpy(f->bytes, b->mac, 6);
	store_u16(f->bytes + 40, 0); /* the veth pair leaves it half made */
}

static void sniff(struct blaster *b)
{
	uint8_t bytes[65536];
	struct sockaddr_ll at = {.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)b->ifindex};
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0)
		blaster_fail("sniffing");
	struct timespec now, end;
	clock_gettime(CLOCK_MONOTONIC, &end);
	double until = (double)end.tv_sec + (double)end.tv_nsec / 1e9 + b->sniff_s;
	do {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		if (poll(&p, 1, 100) > 0) {
			ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
			if (n > 0)
				keep(b, bytes, (size_t)n);
		}
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (b->n_stock < STOCK && (double)now.tv_sec + (double)now.tv_nsec / 1e9 < until);
	close(fd);
	if (b->n_stock == 0) {
		fputs("blaster: no sealed datagrams to be seen on this device\n", stderr);
		exit(1);
	}
}

static void make_wrong_tag(struct blaster *b)
{
	sniff(b);
	/* The longest alone: they cost most to open. */
	uint16_t longest = 0;
	for (unsigned i = 0; i < b->n_stock; i++)
		longest = b->stock[i].len > longest ? b->stock[i].len : longest;
	unsigned n = 0;
	for (unsigned i = 0; i < b->n_stock; i++)
		if (b->stock[i].len == longest)
			b->stock[n++] = b->stock[i];
	b->n_stock = n;
}

void blaster_make_stock(struct blaster *b)
{
	static void (*const make[])(struct blaster *) = {
		[BLASTER_GARBAGE] = make_garbage,
		[BLASTER_WRONG_MAC1] = make_wrong_mac1,
		[BLASTER_RIGHT_MAC1] = make_right_mac1,
		[BLASTER_WRONG_TAG] = make_wrong_tag,
		[BLASTER_REPLAY] = sniff,
		[BLASTER_UNKNOWN] = make_unknown,
		[BLASTER_SHAPES] = make_shapes,
	};
	b->spoof = b->kind != BLASTER_REPLAY;
	make[b->kind](b);
}
