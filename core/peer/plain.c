#include "core/peer/plain.h"

#include "core/base/err.h"
#include "core/peer/peer.h"

#include <stdio.h>
#include <string.h>

#define PROBATION_NS (30 * NS_PER_S)
#define BIRTHS_PER_S 20
#define PAYLOAD_MAX  1400

/* ---- Sections ------------------------------------------------------------------------------- */

const struct plain_section *plain_section_for(
	const struct plain *x, const struct ip_addr *nbma, bool raw)
{
	const struct plain_section *best = NULL;
	for (unsigned i = 0; i < x->n; i++) {
		const struct plain_section *s = &x->v[i];
		if (s->raw == raw && prefix_contains(&s->underlay, nbma) &&
			(!best || s->underlay.len > best->underlay.len))
			best = s;
	}
	return best;
}

bool plain_allows(const struct plain_section *s, const struct ip_addr *a)
{
	for (unsigned i = 0; i < s->n_allow; i++)
		if (prefix_contains(&s->allow[i], a))
			return true;
	return false;
}

const struct plain_section *plain_section_of(const struct peers *t, const struct peer *p)
{
	return &t->plain->v[p->section];
}

/* ---- The certificate that a section stands for ----------------------------------------------- */

/* With the subnet length of our own addresses, so that a neighbour's address is its alone. */
static struct prefix interface_address(const struct peers *t, const struct ip_addr *a)
{
	struct prefix out = prefix_host(a);
	for (unsigned i = 0; i < t->self.n_addresses; i++)
		if (prefix_contains(&t->self.addresses[i], a))
			out.len = t->self.addresses[i].len;
	return out;
}

static void put_address(struct cert *c, const struct prefix *address)
{
	for (unsigned i = 0; i < c->n_addresses; i++)
		if (c->addresses[i].addr.family == address->addr.family) {
			c->addresses[i] = *address;
			return;
		}
	c->addresses[c->n_addresses++] = *address;
}

static void make_cert(const struct peers *t, struct peer *p)
{
	const struct plain_section *s = plain_section_of(t, p);
	char text[ADDR_TEXT_MAX];
	struct cert *c = &p->cert;
	*c = (struct cert){.role = s->hub ? CERT_HUB : CERT_SPOKE, .not_after = UINT64_MAX};
	memcpy(c->static_key, p->key, KEY_LEN);
	if (s->underlay.len == addr_bits(s->underlay.addr.family))
		snprintf(c->name, sizeof c->name, "%s", s->name);
	else
		snprintf(c->name, sizeof c->name, "%s-%s", s->name,
			addr_format(&p->endpoint.addr, text));
	for (unsigned i = 0; i < s->n_allow; i++)
		c->prefixes[c->n_prefixes++] = s->allow[i];
	/* A hub's own address of a family is the first that the section names. */
	for (unsigned i = s->n_allow; s->hub && i-- > 0;)
		if (s->allow[i].len == addr_bits(s->allow[i].addr.family)) {
			struct prefix address = interface_address(t, &s->allow[i].addr);
			put_address(c, &address);
		}
	p->known = true;
}

/* ---- Slots ------------------------------------------------------------------------------------ */

/* Workers read a slot without asking: what changes comes in a new one. False: there is none. */
static bool renew_slot(struct peers *t, struct peer *p, uint64_t now)
{
	const struct plain_section *section = plain_section_of(t, p);
	struct session *old = session_at(t->sessions, p->current);
	struct session *s = session_new_plain(t->sessions);
	if (!s)
		return false;
	s->peer = p->id;
	s->created_ns = now;
	s->peer_max_udp = PKT_ROOM;
	s->have_gre_key = section->have_key;
	s->gre_key = section->key;
	s->cert = p->cert;
	session_publish(t->sessions, s, SESSION_LIVE);
	p->current = s->id;
	if (p->path == PATH_UP)
		atomic_store_explicit(
			&t->sessions->paths[p->id].session, s->id, memory_order_release);
	if (old)
		session_end(t->sessions, old);
	t->ops.plain_member(t->ops.ctx, &p->endpoint.addr, p->id);
	return true;
}

static void fire(void *owner, struct timer *timer, uint64_t now)
{
	struct peers *t = owner;
	struct peer *p = (struct peer *)((char *)timer - offsetof(struct peer, timer));
	if (now < p->kept_until)
		timer_arm(t->timers, timer, p->kept_until);
	else
		peer_forget(
			t, p, p->ousted ? "a session ends there now" : "holding time is over", now);
}

/* ---- Members ---------------------------------------------------------------------------------- */

/* No static key: nobody knows a private key to what begins like this. */
static void key_of(const struct ip_addr *nbma, uint8_t out[KEY_LEN])
{
	memset(out, 0, KEY_LEN);
	memcpy(out, "warren plain", 12);
	out[15] = nbma->family;
	memcpy(out + 16, nbma->bytes, 16);
}

struct peer *plain_find(const struct peers *t, const struct ip_addr *nbma)
{
	uint8_t key[KEY_LEN];
	key_of(nbma, key);
	return t->plain->n ? peer_find(t, key) : NULL;
}

static bool has_session(const struct peers *t, const struct ip_addr *nbma)
{
	for (uint32_t i = 0; i < t->n_fresh; i++) {
		const struct peer *p = &t->v[i];
		if (p->used && !p->plain && peer_has_session(p) &&
			addr_equal(&p->endpoint.addr, nbma))
			return true;
	}
	return false;
}

static struct peer *make(
	struct peers *t, const struct plain_section *s, const struct ip_addr *nbma, uint64_t now)
{
	uint8_t key[KEY_LEN];
	struct endpoint at = {.addr = *nbma, .port = s->raw ? 0 : GRE_UDP_PORT};
	key_of(nbma, key);
	struct peer *p = peer_obtain(t, key, now);
	if (!p)
		return NULL;
	p->plain = true;
	p->section = (uint8_t)(s - t->plain->v);
	p->hub = s->hub;
	p->hub_rank = BUNDLE_HUBS_MAX * BUNDLE_HUB_KEYS_MAX + p->section;
	p->timer.fire = fire;
	t->plain->n_members++;
	peer_set_endpoint(t, p, &at, &(struct ip_addr){0});
	make_cert(t, p);
	if (!renew_slot(t, p, now)) {
		peer_forget(t, p, "no slot is free", now);
		return NULL;
	}
	p->kept_until = s->hub ? TS_NEVER : now + PROBATION_NS;
	if (s->hub)
		t->hubs[t->n_hubs++] = p->id;
	else
		timer_arm(t->timers, &p->timer, p->kept_until);
	return p;
}

struct peer *plain_obtain(struct peers *t, const struct ip_addr *nbma, bool raw, uint64_t now)
{
	const struct plain_section *s = plain_section_for(t->plain, nbma, raw);
	struct peer *p = s ? plain_find(t, nbma) : NULL;
	if (!s || p)
		return p && !p->ousted && plain_section_of(t, p) == s ? p : NULL;
	if (s->hub || !addr_is_unicast(nbma) || t->plain->n_members >= PLAIN_MEMBERS_MAX ||
		t->plain->n_members >= t->max / 2 ||
		!bucket_take(&t->plain->births, NS_PER_S / BIRTHS_PER_S, BIRTHS_PER_S, now) ||
		has_session(t, nbma))
		return NULL;
	return make(t, s, nbma, now);
}

void plain_start(struct peers *t, uint64_t now)
{
	for (unsigned i = 0; i < t->plain->n; i++) {
		const struct plain_section *s = &t->plain->v[i];
		char text[PREFIX_TEXT_MAX];
		env_log(t->env, LOG_WARN,
			"interop %s: PLAINTEXT with %s %s (GRE in %s, %s): neither secrecy nor "
			"proof "
			"of origin",
			s->name, s->hub ? "hub" : "spoke", prefix_format(&s->underlay, text),
			s->raw ? "IP" : "UDP", s->word_len ? "authentication word" : "no word");
		struct peer *p = s->hub ? make(t, s, &s->underlay.addr, now) : NULL;
		if (p)
			t->ops.up(t->ops.ctx, p, false, now);
	}
}

void plain_accept(
	struct peers *t, struct peer *p, const struct ip_addr *proto, uint64_t until, uint64_t now)
{
	struct prefix address = interface_address(t, proto);
	if (!cert_owns_address(&p->cert, proto)) {
		put_address(&p->cert, &address);
		if (!renew_slot(t, p, now))
			return;
	}
	if (!p->hub && until > p->kept_until) {
		p->kept_until = until;
		timer_arm(t->timers, &p->timer, until);
	}
	peer_set_path(t, p, PATH_UP, "plaintext", now);
}

void plain_heard(
	struct peers *t, struct peer *p, const struct endpoint *from, const struct ip_addr *local)
{
	struct endpoint at = p->endpoint;
	if (p->natted)
		at.port = from->port;
	if (!endpoint_equal(&at, &p->endpoint) || !addr_equal(local, &p->local))
		peer_set_endpoint(t, p, &at, local);
}

void plain_set_natted(struct peers *t, struct peer *p, bool natted, const struct endpoint *from)
{
	struct endpoint at = p->endpoint;
	p->natted = natted && !plain_section_of(t, p)->raw;
	if (at.port != 0)
		at.port = p->natted ? from->port : GRE_UDP_PORT;
	peer_set_endpoint(t, p, &at, &p->local);
}

void plain_yield(struct peers *t, const struct ip_addr *nbma)
{
	struct peer *p = plain_find(t, nbma);
	char name[64];
	if (!p || p->ousted)
		return;
	env_log(t->env, LOG_WARN, "%s: a session ends there: no plaintext any more",
		peer_name(p, name));
	p->ousted = true;
	p->kept_until = 0;
	t->ops.plain_member(t->ops.ctx, nbma, PEER_NONE);
	atomic_store_explicit(
		&t->sessions->paths[p->id].session, SESSION_NONE, memory_order_release);
	timer_arm(t->timers, &p->timer, 0);
}

void plain_gone(struct peers *t, struct peer *p)
{
	t->plain->n_members--;
	t->ops.plain_member(t->ops.ctx, &p->endpoint.addr, PEER_NONE);
	for (unsigned i = 0; i < t->n_hubs; i++)
		if (t->hubs[i] == p->id) {
			t->hubs[i] = t->hubs[--t->n_hubs];
			return;
		}
}

/* ---- Sending ---------------------------------------------------------------------------------- */

int plain_send(struct peers *t, struct peer *p, uint16_t protocol, const void *payload, size_t len)
{
	uint8_t buffer[GRE_PLAIN_MAX + PAYLOAD_MAX];
	const struct session *s = session_at(t->sessions, p->current);
	if (!s || !s->plain || p->ousted)
		return ERR_NOT_FOUND;
	if (protocol != GRE_PROTO_IPV4 && protocol != GRE_PROTO_IPV6 && protocol != GRE_PROTO_NHRP)
		return ERR_UNSUPPORTED;
	if (len > PAYLOAD_MAX)
		return ERR_NO_SPACE;
	struct gre_plain header = {
		.protocol = protocol, .have_key = s->have_gre_key, .key = s->gre_key};
	size_t header_len = gre_plain_write(buffer, &header);
	memcpy(buffer + header_len, payload, len);
	t->ops.send(t->ops.ctx, &p->endpoint, &p->local, 0, buffer, header_len + len);
	return 0;
}
