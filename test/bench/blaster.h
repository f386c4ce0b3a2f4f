#ifndef WARREN_TEST_BENCH_BLASTER_H
#define WARREN_TEST_BENCH_BLASTER_H

#include "core/base/cursor.h"
#include "core/crypto/primitives.h"

#include <netinet/in.h>

/* What blaster.c sends, by kind. */
#define BLASTER_KIND_LIST(X)                                                                       \
	X(GARBAGE, "garbage")       /* random bytes, random lengths */                             \
	X(WRONG_MAC1, "wrong-mac1") /* an INITIATION for somebody else */                          \
	X(RIGHT_MAC1, "right-mac1") /* an INITIATION for the target, by a stranger */              \
	X(WRONG_TAG, "wrong-tag")   /* the tunnel's own datagrams with another Sequence */         \
	X(REPLAY, "replay")         /* the tunnel's own datagrams again, from their own source */  \
	X(UNKNOWN, "unknown")       /* sealed data for no session: each would earn a RESET */      \
	X(SHAPES, "shapes")         /* RESPONSE, COOKIE, PROBE and RESET that nobody asked for */

enum blaster_kind {
#define BLASTER_ENUM(id, name) BLASTER_##id,
	BLASTER_KIND_LIST(BLASTER_ENUM)
#undef BLASTER_ENUM
		BLASTER_KINDS
};

#define FRAME_HEADERS (14 + 20 + 8) /* Ethernet, IPv4, UDP */
#define FRAME_MAX     1514
#define STOCK         1024

/* An Ethernet frame as it goes out; UDP without checksum, which a network card would have verified. */
struct frame {
	uint16_t len;
	uint8_t bytes[FRAME_MAX];
};

struct blaster {
	enum blaster_kind kind;
	const char *device;
	unsigned ifindex;
	uint8_t mac[6]; /* of the target */
	struct in_addr to;
	uint16_t port;
	uint64_t rate;    /* packets a second */
	uint64_t tick_ns; /* from burst to burst */
	double seconds, sniff_s;
	uint8_t key[KEY_LEN]; /* the target's static key */
	uint8_t network_id[KEY_LEN];
	bool spoof; /* a new source for each frame */
	uint64_t seed;
	unsigned n_stock, at;
	struct frame stock[STOCK];
};

_Noreturn void blaster_fail(const char *what);
const char *blaster_kind_name(unsigned kind);
/* BLASTER_KINDS: no such kind. */
enum blaster_kind blaster_kind(const char *name);
/* Fills the stock, by listening on the device for the kinds that need it. Exits on failure. */
void blaster_make_stock(struct blaster *b);

static inline uint8_t *frame_payload(struct frame *f)
{
	return f->bytes + FRAME_HEADERS;
}

/* Source address and port, with the IP checksum that follows from it. */
void frame_set_source(struct frame *f, uint32_t address, uint16_t port);

/* xorshift64*: fast, and of no use for secrets. */
static inline uint64_t blaster_random(struct blaster *b)
{
	b->seed ^= b->seed >> 12;
	b->seed ^= b->seed << 25;
	b->seed ^= b->seed >> 27;
	return b->seed * UINT64_C(0x2545F4914F6CDD1D) >> 16;
}

#endif
