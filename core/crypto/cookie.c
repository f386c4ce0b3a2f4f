#include "core/crypto/cookie.h"

#include "core/base/err.h"

#include <string.h>

#define NONCE_OFFSET 8
#define BOX_OFFSET   (NONCE_OFFSET + PRIM_NONCE_LEN)

_Static_assert(BOX_OFFSET + MAC_LEN + PRIM_TAG_LEN == MESSAGE_COOKIE_LEN, "layout of a COOKIE");

/* BLAKE2b-256(label of 8 bytes || static key) */
static void labelled_key(uint8_t out[KEY_LEN], const char *label, const uint8_t public_key[KEY_LEN])
{
	prim_hash(out, KEY_LEN, NULL, 0, PRIM_PARTS({label, 8}, {public_key, KEY_LEN}));
}

void cookie_mac1_key(uint8_t out[KEY_LEN], const uint8_t receiver_static[KEY_LEN])
{
	labelled_key(out, "mac1----", receiver_static);
}

void cookie_seal_key(uint8_t out[KEY_LEN], const uint8_t sender_static[KEY_LEN])
{
	labelled_key(out, "cookie--", sender_static);
}

static void mac1_of(
	uint8_t out[MAC_LEN], const uint8_t *msg, size_t len, const uint8_t key[KEY_LEN])
{
	prim_hash(out, MAC_LEN, key, KEY_LEN, PRIM_PARTS({msg, len - COOKIE_MACS_LEN}));
}

/* mac2 covers mac1 too. */
static void mac2_of(
	uint8_t out[MAC_LEN], const uint8_t *msg, size_t len, const uint8_t cookie[MAC_LEN])
{
	prim_hash(out, MAC_LEN, cookie, MAC_LEN, PRIM_PARTS({msg, len - MAC_LEN}));
}

void cookie_stamp_mac1(uint8_t *msg, size_t len, const uint8_t mac1_key[KEY_LEN])
{
	mac1_of(msg + len - COOKIE_MACS_LEN, msg, len, mac1_key);
	memset(msg + len - MAC_LEN, 0, MAC_LEN);
}

void cookie_stamp_mac2(uint8_t *msg, size_t len, const uint8_t cookie[MAC_LEN])
{
	mac2_of(msg + len - MAC_LEN, msg, len, cookie);
}

bool cookie_check_mac1(const uint8_t *msg, size_t len, const uint8_t mac1_key[KEY_LEN])
{
	uint8_t mac[MAC_LEN];

	if (len < MESSAGE_HEADER_LEN + COOKIE_MACS_LEN)
		return false;
	mac1_of(mac, msg, len, mac1_key);
	return prim_equal(mac, cookie_mac1_of(msg, len), MAC_LEN);
}

void cookie_jar_init(struct cookie_jar *jar, const struct env *env, uint64_t now)
{
	*jar = (struct cookie_jar){.since_ns = now};
	env->random(env->ctx, jar->current, sizeof jar->current);
}

void cookie_jar_wipe(struct cookie_jar *jar)
{
	prim_wipe(jar, sizeof *jar);
}

/* The previous secret's grace counts from its due end, so that a quiet hour does not revive it. */
static void rotate(struct cookie_jar *jar, const struct env *env, uint64_t now)
{
	uint64_t due = jar->since_ns + COOKIE_SECRET_LIFE_NS;

	if (now < due)
		return;
	memcpy(jar->previous, jar->current, sizeof jar->previous);
	jar->previous_until_ns = due + COOKIE_SECRET_GRACE_NS;
	env->random(env->ctx, jar->current, sizeof jar->current);
	jar->since_ns = now;
}

/* H(secret, family || address || port; 16) */
static void cookie_of(
	uint8_t out[MAC_LEN], const uint8_t secret[KEY_LEN], const struct endpoint *source)
{
	uint8_t port[2];

	store_u16(port, source->port);
	prim_hash(out, MAC_LEN, secret, KEY_LEN,
		PRIM_PARTS({&source->addr.family, 1},
			{source->addr.bytes, addr_size(source->addr.family)}, {port, sizeof port}));
}

static bool check_mac2_under(const uint8_t *msg, size_t len, const struct endpoint *source,
	const uint8_t secret[KEY_LEN])
{
	uint8_t cookie[MAC_LEN], mac[MAC_LEN];

	cookie_of(cookie, secret, source);
	mac2_of(mac, msg, len, cookie);
	bool good = prim_equal(mac, msg + len - MAC_LEN, MAC_LEN);
	prim_wipe(cookie, sizeof cookie);
	return good;
}

bool cookie_check_mac2(struct cookie_jar *jar, const struct env *env, const uint8_t *msg,
	size_t len, const struct endpoint *source, uint64_t now)
{
	static const uint8_t none[MAC_LEN];

	if (len < MESSAGE_HEADER_LEN + COOKIE_MACS_LEN)
		return false;
	/* The sender has no cookie: that costs a flooded node no hash. */
	if (prim_equal(msg + len - MAC_LEN, none, MAC_LEN))
		return false;
	rotate(jar, env, now);
	if (check_mac2_under(msg, len, source, jar->current))
		return true;
	return now < jar->previous_until_ns && check_mac2_under(msg, len, source, jar->previous);
}

int cookie_build(struct cookie_jar *jar, const struct env *env, const uint8_t seal_key[KEY_LEN],
	const uint8_t *msg, size_t len, const struct endpoint *source,
	uint8_t out[MESSAGE_COOKIE_LEN], uint64_t now)
{
	struct message_header header;
	struct writer w = writer_of(out, MESSAGE_COOKIE_LEN);
	uint8_t cookie[MAC_LEN];

	if (message_peek(msg, len, &header) != 0 || header.type != MESSAGE_INITIATION)
		return ERR_MALFORMED;
	rotate(jar, env, now);
	cookie_of(cookie, jar->current, source);
	message_write_header(&w, MESSAGE_COOKIE);
	write_u32(&w, header.sender);
	uint8_t *nonce = write_space(&w, PRIM_NONCE_LEN);
	env->random(env->ctx, nonce, PRIM_NONCE_LEN);
	prim_seal(out + BOX_OFFSET, cookie, sizeof cookie, cookie_mac1_of(msg, len), MAC_LEN, nonce,
		seal_key);
	prim_wipe(cookie, sizeof cookie);
	return 0;
}

int cookie_consume(const uint8_t *msg, size_t len, const uint8_t mac1[MAC_LEN],
	const uint8_t seal_key[KEY_LEN], uint8_t cookie[MAC_LEN])
{
	struct message_header header;

	memset(cookie, 0, MAC_LEN);
	int rc = message_peek(msg, len, &header);
	if (rc)
		return rc;
	if (header.type != MESSAGE_COOKIE)
		return ERR_MALFORMED;
	bool good = prim_open(cookie, msg + BOX_OFFSET, MAC_LEN + PRIM_TAG_LEN, mac1, MAC_LEN,
		msg + NONCE_OFFSET, seal_key);
	return good ? 0 : ERR_AUTH;
}
