#include "test/sim/pen.h"

#include "core/crypto/cookie.h"
#include "core/engine/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void pen_free(void *ctx)
{
	struct pen *pen = ctx;
	pkt_batch_fini(&pen->batch);
	free(pen);
}

static void pen_random(void *ctx, void *out, size_t len)
{
	rng_fill(&((struct pen *)ctx)->w->sim->rng, out, len);
}

struct pen *pen_new(struct world *w, struct node *to)
{
	struct pen *pen = calloc(1, sizeof *pen);
	if (!pen || pkt_batch_init(&pen->batch, 1) != 0)
		abort();
	pen->w = w;
	pen->to = to;
	pen->env = (struct env){.ctx = pen, .random = pen_random};
	sim_defer(w->sim, pen_free, pen);
	return pen;
}

struct endpoint pen_anywhere(struct sim *s, uint8_t family)
{
	struct endpoint e = {
		.addr = {.family = family}, .port = (uint16_t)rng_between(&s->rng, 1024, 65535)};
	rng_fill(&s->rng, e.addr.bytes, family == 4 ? 4 : 16);
	e.addr.bytes[0] = family == 4 ? 100 : 0x2a;
	return e;
}

size_t pen_write(struct pen *pen, const struct endpoint *from, const uint8_t *data, size_t len,
	bool by_worker)
{
	struct sim *s = pen->w->sim;
	struct action a;
	size_t out = 0;
	struct pkt *p = pkt_reset(&pen->batch, 0);
	pen->batch.n = 1;
	memcpy(p->data, data, len);
	p->len = (uint32_t)len;
	p->remote = *from;
	if (by_worker) {
		data_from_udp(pen->to->worker, &pen->batch, node_now(pen->to));
		while (engine_drain(pen->to->engine, node_now(pen->to)))
			;
	} else {
		engine_receive(pen->to->engine, p, node_now(pen->to));
	}
	CHECK(s, p->verdict == PKT_CONSUMED || p->verdict == PKT_DROP);
	while (engine_next_action(pen->to->engine, &a)) {
		CHECK_EQ(s, a.type, ACTION_SEND);
		CHECK(s, endpoint_equal(&a.send.to, from));
		memcpy(pen->reply, a.send.data, a.send.len);
		pen->reply_len = a.send.len;
		out += a.send.len;
	}
	pen->in += len;
	pen->out += out;
	node_settle(pen->to);
	return out;
}

void pen_member(struct pen *pen, struct member *m, unsigned number, bool signed_by_ca)
{
	struct world *w = pen->w;
	struct sim *s = w->sim;
	uint8_t secret[KEY_LEN], cert_bytes[CERT_MAX];
	struct cert cert = pen->to->cert;
	rng_fill(&s->rng, secret, sizeof secret);
	handshake_identity_init(&m->id, secret, w->network_id, NULL);
	snprintf(cert.name, sizeof cert.name, "m%u", number);
	cert.role = CERT_SPOKE;
	cert.serial = 100000 + number;
	cert.n_prefixes = 0;
	cert.n_addresses = 1;
	CHECK(s, prefix_parse("10.0.0.0/8", &cert.addresses[0]));
	store_u32(cert.addresses[0].addr.bytes, 0x0a800000 + number);
	memcpy(cert.static_key, m->id.public_key, KEY_LEN);
	int len = cert_sign(&cert, w->network_id, w->root_secret, cert_bytes, sizeof cert_bytes);
	CHECK(s, len > 0);
	if (!signed_by_ca)
		cert_bytes[len - 1] ^= 1;
	struct handshake_offer offer = {.index = number + 1,
		.ciphers = 1,
		.max_udp = 1400,
		.lanes = 2,
		.certificate = cert_bytes,
		.certificate_len = (uint16_t)len};
	handshake_timestamp(offer.timestamp, sim_wall_s(s), 0);
	gre_handshake_write(m->message);
	len = handshake_initiate(&m->hs, &m->id, &pen->env, pen->to->cert.static_key, NULL, &offer,
		m->message + GRE_PLAIN_LEN, sizeof m->message - GRE_PLAIN_LEN);
	CHECK(s, len > 0);
	m->len = (size_t)len + GRE_PLAIN_LEN;
	m->at = pen_anywhere(s, 4);
}

bool pen_is_answer(const struct pen *pen, size_t out, uint8_t type)
{
	return out > GRE_PLAIN_LEN && pen->reply[GRE_PLAIN_LEN] == type;
}

bool pen_send_member(struct pen *pen, struct member *m)
{
	size_t out = pen_write(pen, &m->at, m->message, m->len, false);
	if (pen_is_answer(pen, out, MESSAGE_COOKIE)) {
		uint8_t cookie[MAC_LEN], key[KEY_LEN];
		cookie_seal_key(key, pen->to->cert.static_key);
		CHECK_EQ(pen->w->sim,
			cookie_consume(pen->reply + GRE_PLAIN_LEN, out - GRE_PLAIN_LEN, m->hs.mac1,
				key, cookie),
			0);
		cookie_stamp_mac2(m->message + GRE_PLAIN_LEN, m->len - GRE_PLAIN_LEN, cookie);
		out = pen_write(pen, &m->at, m->message, m->len, false);
	}
	return pen_is_answer(pen, out, MESSAGE_RESPONSE);
}
