/*
 * Handshakes. A responder's order of checks is its defence (cheap ones first), and until the first packet
 * opens under the new keys it changes nothing but `next` of a peer.
 */
#include "core/base/err.h"
#include "core/base/pkt.h"
#include "core/peer/linklocal.h"
#include "core/peer/peer.h"

#include <string.h>

#define BURST_NS       (20 * NS_PER_S)
#define COOKIE_LIFE_NS (120 * NS_PER_S)
#define MAX_UDP        PKT_ROOM /* what a slot takes */
#define MAX_UDP_LEAST  1232     /* what a handshake message may need */
#define RESET_MIN_LEN  36
#define ANSWERS_PER_S  20 /* RESPONSEs to one INITIATION that are looked into */

static void count(struct peers *t, enum drop_reason why)
{
	t->dropped[why]++;
}

static void send_handshake(struct peers *t, const struct endpoint *to, const struct ip_addr *from,
	const uint8_t *message, size_t len)
{
	t->ops.send(t->ops.ctx, to, from, 0, message, len);
}

/* ---- Initiator ------------------------------------------------------------------------------ */

void connect_abandon(struct peers *t, struct peer *p)
{
	struct session *s = session_at(t->sessions, p->init.session);
	p->init.session = SESSION_NONE;
	p->init.active = false;
	handshake_wipe(&p->init.hs);
	if (s)
		session_end(t->sessions, s);
}

static uint8_t preferred_cipher(uint8_t ciphers)
{
	return ciphers & 4    ? AEAD_AEGIS_256
		: ciphers & 2 ? AEAD_AES_256_GCM
			      : AEAD_CHACHA20_POLY1305;
}

static uint8_t allowed_ciphers(const struct peers *t)
{
	uint8_t allowed = t->ciphers;
	if (t->trust->bundle)
		allowed &= t->trust->bundle->ciphers;
	return allowed ? allowed : 1;
}

void connect_start(struct peers *t, struct peer *p, const struct endpoint *to,
	const struct ip_addr *from, uint16_t flags, uint64_t now)
{
	struct initiation *in = &p->init;
	if (in->active || p->plain)
		return;
	struct session *s = session_new(t->sessions, 0, t->env);
	if (!s) {
		p->reason = "session table full";
		return;
	}
	s->peer = p->id;
	s->initiator = true;
	handshake_timestamp(t->stamp, t->env->wall_s(t->env->ctx), (uint32_t)(now % NS_PER_S));
	if (clock_suspect(&t->trust->clock, t->env, now))
		flags |= HANDSHAKE_CLOCK_SUSPECT;
	struct handshake_offer offer = {
		.index = s->local_index,
		.ciphers = allowed_ciphers(t) | 1,
		.preferred = preferred_cipher(allowed_ciphers(t)),
		.flags = flags,
		.max_udp = MAX_UDP,
		.lanes = t->lanes,
		.certificate = t->certificate,
		.certificate_len = (uint16_t)t->certificate_len,
	};
	memcpy(offer.timestamp, t->stamp, sizeof offer.timestamp);
	gre_handshake_write(in->message);
	in->active = true;
	in->session = s->id;
	int len = handshake_initiate(&in->hs, t->id, t->env, p->key, NULL, &offer,
		in->message + GRE_PLAIN_LEN, sizeof in->message - GRE_PLAIN_LEN);
	if (len < 0) {
		p->reason = "handshake could not be made";
		connect_abandon(t, p);
		return;
	}
	in->len = (uint16_t)(len + GRE_PLAIN_LEN);
	in->to = *to;
	in->from = *from;
	in->tries = in->n_sent = 0;
	in->until = now + BURST_NS;
	in->answers = (struct bucket){0};
	connect_resend(t, p, now);
}

static bool sent_there(const struct initiation *in, const struct endpoint *to)
{
	for (unsigned i = 0; i < in->n_sent; i++)
		if (endpoint_equal(&in->sent[i], to))
			return true;
	return false;
}

static void note_sent(struct initiation *in)
{
	if (!sent_there(in, &in->to) && in->n_sent < PEER_ENDPOINTS_MAX)
		in->sent[in->n_sent++] = in->to;
}

/* The same bytes again, but for mac2: so that an answer to any copy is good. */
void connect_resend(struct peers *t, struct peer *p, uint64_t now)
{
	struct initiation *in = &p->init;
	if (now >= in->until) {
		connect_abandon(t, p);
		return;
	}
	if (now < p->cookie_until)
		cookie_stamp_mac2(
			in->message + GRE_PLAIN_LEN, (size_t)in->len - GRE_PLAIN_LEN, p->cookie);
	/* Also when there is but one: it may be another than when we began. */
	if (p->hub && in->tries > 0 && p->n_endpoints > 0 && p->path != PATH_UP) {
		p->endpoint_at = (p->endpoint_at + 1) % p->n_endpoints;
		in->to = p->endpoints[p->endpoint_at];
		in->from = (struct ip_addr){0};
	}
	uint64_t gap = (NS_PER_S / 4) << (in->tries < 4 ? in->tries : 4);
	in->tries++;
	in->next = now + env_jitter(t->env, gap, 25);
	note_sent(in);
	send_handshake(t, &in->to, &in->from, in->message, in->len);
	/* The answer wakes the peer; until then its timer does. */
	if (!timer_armed(&p->timer) || p->timer.deadline > in->next)
		timer_arm(t->timers, &p->timer, in->next);
}

/* The peer whose INITIATION this is an answer to. */
static struct peer *waiting_peer(const struct peers *t, uint32_t index)
{
	const struct session *s = session_with_index(t->sessions, index);
	struct peer *p = s ? peer_at(t, s->peer) : NULL;
	return p && p->init.active && p->init.session == s->id ? p : NULL;
}

static int fill_session(struct sessions *t, struct session *s, struct handshake *hs, uint8_t cipher,
	uint32_t remote_index, uint16_t max_udp, const uint8_t token[MAC_LEN],
	const struct cert *cert, uint64_t now)
{
	uint8_t tx[KEY_LEN], rx[KEY_LEN];
	int err = max_udp < MAX_UDP_LEAST ? ERR_MALFORMED
					  : handshake_traffic_keys(hs, cipher, tx, rx);
	if (!err)
		err = aead_key_init(&s->tx, cipher, tx);
	if (!err)
		err = aead_key_init(&s->rx, cipher, rx);
	prim_wipe(tx, sizeof tx);
	prim_wipe(rx, sizeof rx);
	session_set_remote(t, s, remote_index);
	s->peer_max_udp = max_udp;
	memcpy(s->reset_token, token, MAC_LEN);
	s->cert = *cert;
	s->link_local = linklocal_of(cert->addresses, cert->n_addresses, cert->static_key);
	s->created_ns = now;
	return err;
}

/* A key listed as a hub must show a hub's certificate, and a hub's certificate is no proof of being one. */
static int check_member(struct peers *t, const uint8_t *certificate, size_t len,
	const uint8_t key[KEY_LEN], struct cert *cert, uint64_t now)
{
	int err = trust_check_cert(
		t->trust, certificate, len, key, trust_now_s(t->trust, t->env, now), cert);
	if (!err && trust_find_hub(t->trust, key) && !(cert->role & CERT_HUB))
		err = ERR_FORBIDDEN;
	return err;
}

/* A strict node takes nobody new on the word of a bundle that has expired. */
static bool too_old(const struct peers *t, const struct peer *p, uint64_t now)
{
	return t->strict && !(p && peer_has_session(p)) &&
		trust_bundle_expired(t->trust, trust_now_s(t->trust, t->env, now));
}

/*
 * Before its certificate is judged: the root names this key as a hub's, and that it holds the key is
 * proven. A clock in doubt could not tell whether the certificate is of this time.
 */
static void hear_clock(
	struct peers *t, const struct peer *p, const struct handshake_answer *answer, uint64_t now)
{
	char name[64];
	if (!trust_find_hub(t->trust, p->key) || answer->flags & HANDSHAKE_CLOCK_SUSPECT ||
		!clock_hear(&t->trust->clock, t->env, answer->unix_s, now))
		return;
	env_log(t->env, LOG_WARN,
		"the system's clock is behind: certificates go by the clock of hub %s",
		peer_name(p, name));
}

static void receive_response(struct peers *t, uint8_t *msg, size_t len, uint32_t receiver,
	const struct endpoint *from, const struct ip_addr *local, uint64_t now)
{
	struct handshake_answer answer;
	struct cert cert;
	char name[64], at[ENDPOINT_TEXT_MAX];
	struct peer *p = waiting_peer(t, receiver);
	if (!p || t->ops.is_overlay(t->ops.ctx, &from->addr)) {
		count(t, DROP_HANDSHAKE_REFUSED);
		return;
	}
	if (!handshake_check_mac1(t->id, msg, len)) {
		count(t, DROP_BAD_MAC);
		return;
	}
	/* Only who has seen our INITIATION knows the index. It may have seen mac1's key as well. */
	if (!bucket_take(&p->init.answers, NS_PER_S / ANSWERS_PER_S, ANSWERS_PER_S, now)) {
		count(t, DROP_RATE_LIMITED);
		return;
	}
	if (handshake_finish(&p->init.hs, msg, len, &answer) < 0) {
		count(t, DROP_HANDSHAKE_REFUSED);
		return;
	}
	bool proven = sent_there(&p->init, from);
	struct session *s = session_at(t->sessions, p->init.session);
	hear_clock(t, p, &answer, now);
	int err = too_old(t, p, now)
		? ERR_EXPIRED
		: check_member(t, answer.certificate, answer.certificate_len, p->key, &cert, now);
	if (!err && !(allowed_ciphers(t) >> answer.cipher & 1))
		err = ERR_FORBIDDEN;
	if (!err)
		err = session_set_lanes(t->sessions, s, answer.lanes);
	if (!err)
		err = fill_session(t->sessions, s, &p->init.hs, answer.cipher, answer.index,
			answer.max_udp, answer.reset_token, &cert, now);
	if (err) {
		env_log(t->env, LOG_WARN, "%s at %s: handshake refused here: %s %s",
			peer_name(p, name), endpoint_format(from, at),
			too_old(t, p, now) ? "bundle" : "certificate", err_name(err));
		p->reason = err_name(err);
		connect_abandon(t, p);
		return;
	}
	p->init.session = SESSION_NONE; /* the peer's now */
	connect_abandon(t, p);
	if (p->hub && answer.seen.addr.family != 0)
		p->seen = answer.seen;
	if (peer_has_session(p) && !(answer.flags & HANDSHAKE_REKEY)) {
		/* It knows of no session with us: not the life of it that we asked. */
		p->lost_us = true;
		p->lost_index = session_at(t->sessions, p->current)->local_index;
	}
	peer_install(t, p, s, from, local, proven, len, now);
}

static void receive_cookie(
	struct peers *t, const uint8_t *msg, size_t len, uint32_t receiver, uint64_t now)
{
	uint8_t seal_key[KEY_LEN];
	struct peer *p = waiting_peer(t, receiver);
	if (!p) {
		count(t, DROP_HANDSHAKE_REFUSED);
		return;
	}
	cookie_seal_key(seal_key, p->key);
	if (cookie_consume(msg, len, p->init.hs.mac1, seal_key, p->cookie) == 0)
		p->cookie_until = now + COOKIE_LIFE_NS; /* used with the next repetition */
	else
		count(t, DROP_BAD_MAC);
}

/* ---- Responder ------------------------------------------------------------------------------ */

static void answer_cookie(struct peers *t, const uint8_t *msg, size_t len,
	const struct endpoint *from, const struct ip_addr *local, uint64_t now)
{
	uint8_t out[GRE_PLAIN_LEN + MESSAGE_COOKIE_LEN];
	if (!admit_cookie(&t->admission, &from->addr, now)) {
		count(t, DROP_RATE_LIMITED);
		return;
	}
	count(t, DROP_COOKIE_ASKED);
	gre_handshake_write(out);
	if (cookie_build(&t->cookies, t->env, t->id->cookie_key, msg, len, from,
		    out + GRE_PLAIN_LEN, now) == 0)
		send_handshake(t, from, local, out, sizeof out);
}

/* Steps 2 to 4: may it cost us a DH now? */
static bool admitted(struct peers *t, const uint8_t *msg, size_t len, const struct endpoint *from,
	const struct ip_addr *local, bool *proven, uint64_t now)
{
	if (!handshake_check_mac1(t->id, msg, len)) {
		count(t, DROP_BAD_MAC);
		return false;
	}
	*proven = cookie_check_mac2(&t->cookies, t->env, msg, len, from, now);
	switch (admit_initiation(&t->admission, &from->addr, *proven, now)) {
	case ADMIT_YES:
		return true;
	case ADMIT_COOKIE:
		answer_cookie(t, msg, len, from, local, now);
		return false;
	case ADMIT_NO:
		break;
	}
	count(t, DROP_RATE_LIMITED);
	return false;
}

/* Step 8: newer than what was confirmed and than what waits, or the source has shown itself. */
static bool timestamp_allowed(struct peer *p, const uint8_t *stamp, bool proven, uint64_t now)
{
	bool newer = memcmp(stamp, p->timestamp, HANDSHAKE_TIMESTAMP_LEN) > 0 &&
		(p->next == SESSION_NONE ||
			memcmp(stamp, p->next_timestamp, HANDSHAKE_TIMESTAMP_LEN) > 0);
	return newer || (proven && bucket_take(&p->stale, NS_PER_S, 1, now));
}

/* Nobody confirmed it in time, or a newer handshake needs its place. */
static void forget_half_open(struct peers *t, const struct half_open *h, uint64_t now)
{
	struct peer *p = peer_at(t, h->peer);
	struct session *s = p && p->next == h->session ? session_at(t->sessions, p->next) : NULL;
	if (!s || s->local_index != h->index)
		return;
	p->next = SESSION_NONE;
	p->response_len = 0;
	session_end(t->sessions, s);
	peer_wake(t, p, now); /* it goes, if that was all */
}

static void note_half_open(
	struct peers *t, const struct peer *p, const struct session *s, uint64_t now)
{
	struct half_open oldest, new = {.peer = p->id, .session = s->id, .index = s->local_index};
	admit_half_open(&t->admission, &new, &oldest);
	forget_half_open(t, &oldest, now);
}

static void no_room(struct peers *t, const char *what, const struct endpoint *from)
{
	char at[ENDPOINT_TEXT_MAX];
	count(t, DROP_TABLE_FULL);
	env_log(t->env, LOG_WARN, "handshake from %s refused: the %s table is full",
		endpoint_format(from, at), what);
}

static void respond(struct peers *t, struct handshake *hs, struct peer *p,
	const struct handshake_offer *offer, const struct cert *cert, const struct endpoint *from,
	const struct ip_addr *local, uint64_t now)
{
	struct session *s = session_new(t->sessions, offer->lanes, t->env);
	if (!s) {
		no_room(t, "session", from);
		return;
	}
	s->peer = p->id;
	uint8_t cipher = aead_choose(offer->ciphers, allowed_ciphers(t));
	struct handshake_answer answer = {
		.index = s->local_index,
		.cipher = cipher,
		.ciphers = allowed_ciphers(t),
		.max_udp = MAX_UDP,
		.lanes = t->lanes,
		.flags = (uint16_t)((clock_suspect(&t->trust->clock, t->env, now)
						    ? HANDSHAKE_CLOCK_SUSPECT
						    : 0) |
			(peer_has_session(p) ? HANDSHAKE_REKEY : 0)),
		.unix_s = trust_now_s(t->trust, t->env, now),
		.seen = *from,
		.certificate = t->certificate,
		.certificate_len = (uint16_t)t->certificate_len,
	};
	uint32_t remote_index = hs->remote_index;
	int len = handshake_respond(hs, t->env, NULL, &answer, p->response + GRE_PLAIN_LEN,
		sizeof p->response - GRE_PLAIN_LEN);
	if (len < 0 ||
		fill_session(t->sessions, s, hs, cipher, remote_index, offer->max_udp,
			offer->reset_token, cert, now) < 0) {
		count(t, DROP_HANDSHAKE_REFUSED);
		session_end(t->sessions, s);
		p->response_len = 0;
		return;
	}
	struct session *waiting = session_at(t->sessions, p->next);
	if (waiting)
		session_end(t->sessions, waiting);
	gre_handshake_write(p->response);
	p->response_len = (uint16_t)(len + GRE_PLAIN_LEN);
	const struct session *current = session_at(t->sessions, p->current);
	p->next_after = current && session_heard(current) > 0 ? current->local_index : 0;
	p->next = s->id;
	p->next_until = now + HALF_OPEN_NS;
	p->next_is_new = !(offer->flags & HANDSHAKE_REKEY);
	p->answered[0] = p->answered[1] = *from;
	memcpy(p->next_timestamp, offer->timestamp, sizeof p->next_timestamp);
	session_publish(t->sessions, s, SESSION_UNCONFIRMED);
	note_half_open(t, p, s, now);
	send_handshake(t, from, local, p->response, p->response_len);
	if (!timer_armed(&p->timer) || p->timer.deadline > p->next_until)
		timer_arm(t->timers, &p->timer, p->next_until);
}

static void receive_initiation(struct peers *t, uint8_t *msg, size_t len,
	const struct endpoint *from, const struct ip_addr *local, uint64_t now)
{
	struct handshake hs;
	struct handshake_offer offer;
	struct cert cert;
	uint8_t key[KEY_LEN], mac1[MAC_LEN], copy[1232];
	char at[ENDPOINT_TEXT_MAX];
	bool proven;
	if (len > sizeof copy || !admitted(t, msg, len, from, local, &proven, now))
		return;
	memcpy(mac1, cookie_mac1_of(msg, len), sizeof mac1);
	/* The opening is in place; a COOKIE answers the bytes as they came. */
	memcpy(copy, msg, len);
	if (handshake_begin(&hs, t->id, msg, len, key) < 0) {
		count(t, DROP_HANDSHAKE_REFUSED);
		return;
	}
	struct peer *p = peer_find(t, key);
	if (p && p->next != SESSION_NONE && prim_equal(p->answered_mac1, mac1, MAC_LEN)) {
		handshake_wipe(&hs);
		p->answered[1] = *from;
		send_handshake(t, from, local, p->response, p->response_len);
		return;
	}
	int err =
		t->trust->bundle && bundle_revokes(t->trust->bundle, (const uint8_t[8]){0}, 0, key)
		? ERR_REVOKED
		: handshake_offer(&hs, &offer);
	if (!err && p && !timestamp_allowed(p, offer.timestamp, proven, now)) {
		answer_cookie(t, copy, len, from, local, now);
		handshake_wipe(&hs);
		return;
	}
	if (!err && too_old(t, p, now))
		err = ERR_EXPIRED;
	if (!err)
		err = check_member(t, offer.certificate, offer.certificate_len, key, &cert, now);
	if (!err && offer.psk_id != t->id->psk.id)
		err = ERR_FORBIDDEN;
	if (!err && !p)
		p = peer_obtain(t, key, now);
	if (!err && !p) {
		no_room(t, "peer", from);
	} else if (!err) {
		if (!p->known)
			memcpy(p->cert.name, cert.name, sizeof p->cert.name);
		memcpy(p->answered_mac1, mac1, sizeof mac1);
		respond(t, &hs, p, &offer, &cert, from, local, now);
	} else {
		count(t, DROP_HANDSHAKE_REFUSED);
		if (err != ERR_AUTH)
			env_log(t->env, LOG_WARN, "handshake from %s refused: certificate %s",
				endpoint_format(from, at), err_name(err));
	}
	handshake_wipe(&hs);
}

/* ---- RESET ---------------------------------------------------------------------------------- */

void connect_unknown(struct peers *t, uint32_t index, size_t len, const struct endpoint *from,
	const struct ip_addr *local, uint64_t now)
{
	uint8_t out[GRE_PLAIN_LEN + MESSAGE_RESET_LEN];
	/* Longer than what we answer with, so that two confused nodes do not talk for ever. */
	if (len <= RESET_MIN_LEN || index == 0 || !admit_reset(&t->admission, &from->addr, now))
		return;
	gre_handshake_write(out);
	reset_build(out + GRE_PLAIN_LEN, t->env, t->id->reset_key, index);
	send_handshake(t, from, local, out, sizeof out);
}

static struct peer *peer_of_remote(struct peers *t, uint32_t index, const struct endpoint *from)
{
	for (const struct session *s = NULL; (s = session_by_remote(t->sessions, index, s));) {
		struct peer *p = peer_at(t, s->peer);
		if (p && p->current == s->id && endpoint_equal(&p->endpoint, from))
			return p;
	}
	return NULL;
}

static void receive_reset(struct peers *t, const uint8_t *msg, size_t len, uint32_t index,
	const struct endpoint *from, uint64_t now)
{
	char name[64];
	struct peer *p = peer_of_remote(t, index, from);
	if (!p || !reset_check(msg, len, session_at(t->sessions, p->current)->reset_token)) {
		count(t, DROP_HANDSHAKE_REFUSED);
		return;
	}
	if (!bucket_take(&p->resets, 5 * NS_PER_S, 1, now)) {
		count(t, DROP_RATE_LIMITED);
		return;
	}
	env_log(t->env, LOG_INFO, "%s: has lost our session (reset): new handshake",
		peer_name(p, name));
	p->lost_us = true;
	p->lost_index = session_at(t->sessions, p->current)->local_index;
	connect_abandon(t, p);
	connect_start(t, p, &p->endpoint, &p->local, 0, now);
}

void connect_receive(struct peers *t, uint8_t *data, size_t len, const struct endpoint *from,
	const struct ip_addr *local, uint64_t now)
{
	struct message_header header;
	if (gre_classify(data, len) != GRE_HANDSHAKE) {
		count(t, DROP_BAD_OUTER);
		return;
	}
	data += GRE_PLAIN_LEN;
	len -= GRE_PLAIN_LEN;
	if (message_peek(data, len, &header) < 0) {
		count(t, DROP_MALFORMED);
		return;
	}
	switch (header.type) {
	case MESSAGE_INITIATION:
		receive_initiation(t, data, len, from, local, now);
		break;
	case MESSAGE_RESPONSE:
		receive_response(t, data, len, header.receiver, from, local, now);
		break;
	case MESSAGE_COOKIE:
		receive_cookie(t, data, len, header.receiver, now);
		break;
	case MESSAGE_PROBE:
		punch_receive(t, data, len, from, local, now);
		break;
	case MESSAGE_RESET:
		receive_reset(t, data, len, header.sender, from, now);
		break;
	}
}
