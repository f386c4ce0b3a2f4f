#ifndef WARREN_CRYPTO_HANDSHAKE_H
#define WARREN_CRYPTO_HANDSHAKE_H

#include "core/base/env.h"
#include "core/crypto/message.h"
#include "core/crypto/noise.h"
#include "core/crypto/primitives.h"

/*
 * The messages INITIATION and RESPONSE of protocol.md section 2, around the Noise core. The steps
 * of a responder are separate calls in the order that makes floods cheap:
 *
 *   message_peek, handshake_check_mac1, (rate limits, mac2 or COOKIE),
 *   handshake_begin   es, opens the initiator's static key      -> revoked? then handshake_wipe
 *   handshake_offer   ss, opens payload1                        -> timestamp, certificate, cipher
 *   handshake_respond e ee se psk, writes the RESPONSE
 *   handshake_traffic_keys, handshake_wipe
 *
 * and of an initiator: handshake_initiate; message_peek, handshake_check_mac1, handshake_finish;
 * handshake_traffic_keys, handshake_wipe. What a payload says is decoded here and judged by the
 * caller. Messages are opened in place: the payload's certificate is borrowed from the message.
 */
#define HANDSHAKE_TIMESTAMP_LEN   12
#define HANDSHAKE_CERTIFICATE_MAX 448
#define HANDSHAKE_ENROL_LEN       16
#define HANDSHAKE_BUILD_MAX       32
#define HANDSHAKE_LANES_MAX       16

#define HANDSHAKE_REKEY         0x0001 /* flags: there is a session, for which these are new keys */
#define HANDSHAKE_CLOCK_SUSPECT 0x0002 /* my wall clock may be wrong */
#define HANDSHAKE_AFTER_PUNCH   0x0004

/* The psk of slot psk2 and the name that payloads give it: 0 = 32 zero bytes. */
struct handshake_psk {
	uint32_t id;
	uint8_t key[KEY_LEN];
};

/* What a node is, with what follows from it. Lives in locked memory and outlives its handshakes. */
struct handshake_identity {
	uint8_t secret[KEY_LEN], public_key[KEY_LEN]; /* the static X25519 key pair */
	uint8_t network_id[KEY_LEN];
	struct handshake_psk psk;    /* the network's, or zero */
	uint8_t mac1_key[KEY_LEN];   /* of messages to us */
	uint8_t cookie_key[KEY_LEN]; /* seals COOKIEs that we send */
	uint8_t reset_key[KEY_LEN];
};

/* Derives the rest of an identity. psk may be NULL for none; its id is handshake_psk_id. */
void handshake_identity_init(struct handshake_identity *id, const uint8_t secret[KEY_LEN],
	const uint8_t network_id[KEY_LEN], const uint8_t *psk);
void handshake_identity_wipe(struct handshake_identity *id);
/* 0 for the zero psk, else the first 4 bytes of its BLAKE2b-256 (1 should they be zero). */
uint32_t handshake_psk_id(const uint8_t psk[KEY_LEN]);

/*
 * payload1. The sender fills all but psk_id and reset_token, which follow from the identity, the
 * psk and the index.
 */
struct handshake_offer {
	uint32_t index;                             /* the initiator's, random, 1 .. 2^28 - 1 */
	uint8_t timestamp[HANDSHAKE_TIMESTAMP_LEN]; /* TAI64N; memcmp orders */
	uint8_t ciphers;                            /* bits 1 << AEAD id; bit 0 is always set */
	uint8_t preferred;                          /* AEAD id, advice only */
	uint16_t flags;
	uint32_t psk_id;
	uint32_t features;
	uint16_t max_udp;             /* largest UDP payload accepted */
	uint8_t lanes;                /* 1 .. 16, lane 0 counted */
	uint8_t reset_token[MAC_LEN]; /* for index */
	const uint8_t *certificate;   /* without the static key; borrowed */
	uint16_t certificate_len;     /* <= 448; 0 only with enrol */
	bool enrol;                   /* TLV ENROL is there */
	uint8_t enrol_id[HANDSHAKE_ENROL_LEN];
	char build[HANDSHAKE_BUILD_MAX + 1]; /* "" = none; unprintable bytes come out as '?' */
};

/* payload2. The sender fills all but psk_id and reset_token. */
struct handshake_answer {
	uint32_t index;  /* the responder's, random, 1 .. 2^28 - 1 */
	uint8_t cipher;  /* the AEAD id chosen, one of those offered */
	uint8_t ciphers; /* bits: what the responder has; for status only */
	uint16_t flags;
	uint32_t psk_id;
	uint32_t features;
	uint16_t max_udp;
	uint8_t lanes;
	uint64_t unix_s; /* the responder's wall clock */
	uint8_t reset_token[MAC_LEN];
	struct endpoint seen; /* the initiator as the responder sees it; family 0 = not said */
	const uint8_t *certificate;
	uint16_t certificate_len;
	char build[HANDSHAKE_BUILD_MAX + 1]; /* sent only if it fits */
};

enum handshake_stage {
	HANDSHAKE_NONE,    /* wiped, failed or never begun: every call fails */
	HANDSHAKE_SENT,    /* initiator: waits for the RESPONSE */
	HANDSHAKE_BEGUN,   /* responder: knows the initiator's static key */
	HANDSHAKE_OFFERED, /* responder: has read payload1 */
	HANDSHAKE_DONE,    /* traffic keys may be taken */
};

struct handshake {
	const struct handshake_identity *id; /* borrowed */
	struct noise noise;                  /* noise.rs is the peer's static key */
	enum handshake_stage stage;
	bool initiator;
	uint8_t offered; /* cipher bits of the offer */
	uint32_t local_index, remote_index;
	uint32_t psk_id;       /* of the psk in use, once known */
	uint8_t mac1[MAC_LEN]; /* of the message we sent: a COOKIE that answers it is bound to it */
	uint8_t *msg;          /* responder: the INITIATION, borrowed until payload1 is opened */
	uint16_t msg_len;      /* its length */
	uint8_t tx[KEY_LEN], rx[KEY_LEN]; /* Split's output */
};

/*
 * Writes an INITIATION to out (cap >= 640, 1228 is always enough), padded to at least 640 bytes,
 * mac1 stamped, mac2 zero: cookie_stamp_mac2 if there is a cookie. id is borrowed until the wipe;
 * psk NULL = the identity's. Returns its length; ERR_NO_SPACE; ERR_MALFORMED: an offer that breaks
 * its limits; ERR_AUTH: remote_static is of low order. On failure the handshake is wiped.
 */
int handshake_initiate(struct handshake *hs, const struct handshake_identity *id,
	const struct env *env, const uint8_t remote_static[KEY_LEN],
	const struct handshake_psk *psk, const struct handshake_offer *offer, uint8_t *out,
	size_t cap);

/* The cheap first check of an INITIATION or RESPONSE that message_peek let through. */
bool handshake_check_mac1(const struct handshake_identity *id, const uint8_t *msg, size_t len);

/*
 * Responder: e, es, opens the initiator's static key of an INITIATION. msg is borrowed until
 * handshake_offer, which writes to it, or handshake_wipe. 0; ERR_AUTH: it is not for us, not of
 * this network, or was tampered with; or an error of message_peek. On failure the handshake is
 * wiped and initiator_static is zero.
 */
int handshake_begin(struct handshake *hs, const struct handshake_identity *id, uint8_t *msg,
	size_t len, uint8_t initiator_static[KEY_LEN]);

/*
 * Responder: ss, opens payload1 in place and decodes it. out borrows from msg. 0; ERR_AUTH;
 * ERR_TRUNCATED, ERR_MALFORMED: it opened but breaks a rule of payload1. On failure the handshake
 * is wiped and out is zero.
 */
int handshake_offer(struct handshake *hs, struct handshake_offer *out);

/*
 * Responder: writes the RESPONSE, never longer than the INITIATION answered nor than 640 bytes,
 * mac1 stamped, mac2 zero. psk is the one that the offer's psk_id names, NULL = the identity's.
 * Returns its length; ERR_NO_SPACE; ERR_MALFORMED: an answer that breaks its limits, or a cipher
 * that was not offered; ERR_AUTH: zero DH, or the psk's id is not the offer's. On failure the
 * handshake is wiped.
 */
int handshake_respond(struct handshake *hs, const struct env *env, const struct handshake_psk *psk,
	const struct handshake_answer *answer, uint8_t *out, size_t cap);

/*
 * Initiator: opens a RESPONSE in place and decodes it; out borrows from msg. 0; ERR_AUTH;
 * ERR_TRUNCATED, ERR_MALFORMED: it is no answer to our INITIATION or breaks a rule of payload2; or
 * an error of message_peek. A failure changes nothing but msg and makes out zero: the handshake
 * goes on waiting, else anybody who saw the INITIATION could end it with a forged RESPONSE.
 */
int handshake_finish(struct handshake *hs, uint8_t *msg, size_t len, struct handshake_answer *out);

/*
 * The keys of a finished handshake for the chosen cipher: H(Split output of the direction, "warren
 * traffic v1" || cipher || h; 32). 0, or ERR_MALFORMED when it is not finished (keys are zero).
 */
int handshake_traffic_keys(
	const struct handshake *hs, uint8_t cipher, uint8_t tx[KEY_LEN], uint8_t rx[KEY_LEN]);

/* Forgets everything. A zeroed or wiped handshake is allowed. */
void handshake_wipe(struct handshake *hs);

/*
 * The TAI64N label for the wall clock, the low 24 bits of the ns whitened (16.8 ms steps). stamp
 * holds the last one made (zeros at first) and gets the new one, which is always greater: by the
 * least step when the clock has not moved, or was set back.
 */
void handshake_timestamp(uint8_t stamp[HANDSHAKE_TIMESTAMP_LEN], uint64_t unix_s, uint32_t ns);

#endif
