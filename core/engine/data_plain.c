/*
 * The data path of interop mode: plaintext GRE from and to members (docs/protocol.md section 9). Which
 * addresses those are is published by the control loop; without sections nobody gets in here.
 */
#include "core/engine/data.h"

#include "core/engine/data_private.h"
#include "core/wire/gre.h"
#include "core/wire/ip.h"
#include "core/wire/split.h"

#include <string.h>

#define STRANGERS_PER_S   50 /* NHRP packets from listed addresses that are no members yet */
#define STRANGERS_BURST   50
#define MEMBER_NHRP_PER_S 100
#define MEMBER_NHRP_BURST 100

/* ---- In --------------------------------------------------------------------------------------- */

static struct session *member_at(const struct worker *w, const struct ip_addr *nbma)
{
	uint8_t len;
	struct lpm_view view = lpm_snapshot(&w->plane->plain_members);
	uint32_t peer = lpm_match(&view, nbma, &len);
	if (peer == LPM_NONE)
		return NULL;
	const struct sessions *t = &w->plane->sessions;
	return data_live_session(
		t, atomic_load_explicit(&t->paths[peer].session, memory_order_acquire));
}

/* NHRP from an address that has no slot yet, or whose hub has not answered: the control loop decides. */
static void from_stranger(struct worker *w, struct pkt *p, uint16_t protocol, uint64_t now)
{
	if (protocol != GRE_PROTO_NHRP)
		data_drop(w, p, DROP_PLAIN_STRANGER);
	else if (ring_room(&w->events) <= WORKER_EVENTS_KEPT)
		data_drop(w, p, DROP_RING_FULL);
	else if (!bucket_take(&w->strangers, NS_PER_S / STRANGERS_PER_S, STRANGERS_BURST, now))
		data_drop(w, p, DROP_RATE_LIMITED);
	else
		data_consume(w, EVENT_PLAIN, p, NULL, protocol);
}

/* True: user data that goes on. */
static bool from_member(struct worker *w, const struct fib_view *fib, struct session *s,
	struct pkt *p, uint16_t protocol, uint32_t *plan, uint64_t now)
{
	if (protocol == GRE_PROTO_NHRP) {
		if (bucket_take_shared(
			    &s->control, NS_PER_S / MEMBER_NHRP_PER_S, MEMBER_NHRP_BURST, now))
			data_consume(w, EVENT_PLAIN, p, s, protocol);
		else
			data_drop(w, p, DROP_RATE_LIMITED);
		return false;
	}
	if (p->len == 0 || (p->data[0] >> 4 == 6) != (protocol == GRE_PROTO_IPV6)) {
		data_drop(w, p, DROP_BAD_INNER);
		return false;
	}
	data_decide(w, fib, s, p, plan, now);
	return p->verdict == PKT_WRITE_TUN || *plan != SESSION_NONE;
}

/* Takes the GRE header off. False: dropped. */
static bool open_plain(
	struct worker *w, const struct plain_section *section, struct pkt *p, uint16_t *protocol)
{
	struct gre_plain header;
	if (gre_plain_read(p->data, p->len, &header) < 0) {
		data_drop(w, p, DROP_BAD_OUTER);
		return false;
	}
	if (header.have_key != section->have_key || header.key != section->key) {
		data_drop(w, p, DROP_PLAIN_KEY);
		return false;
	}
	if (header.protocol != GRE_PROTO_IPV4 && header.protocol != GRE_PROTO_IPV6 &&
		header.protocol != GRE_PROTO_NHRP) {
		data_drop(w, p, DROP_BAD_OUTER);
		return false;
	}
	p->data += header.hdr_len;
	p->len -= header.hdr_len;
	*protocol = header.protocol;
	return true;
}

void data_plain_run(struct worker *w, const struct fib_view *fib, struct pkt_batch *b,
	unsigned from, unsigned to, uint64_t now)
{
	const struct pkt *first = &b->v[from];
	const struct plain_section *section =
		plain_section_for(&w->plane->plain, &first->remote.addr, first->flags & PKT_GRE);
	struct session *s = section ? member_at(w, &first->remote.addr) : NULL;
	uint64_t packets = 0, bytes = 0;
	for (unsigned i = from; i < to; i++) {
		struct pkt *p = &b->v[i];
		uint16_t protocol;
		if (!section) {
			data_drop(w, p, DROP_BAD_OUTER);
			continue;
		}
		if (!open_plain(w, section, p, &protocol))
			continue;
		uint32_t len = p->len;
		if (!s || !s->plain) {
			from_stranger(w, p, protocol, now);
		} else if (from_member(w, fib, s, p, protocol, &w->plan[i], now)) {
			packets++;
			bytes += len;
		}
	}
	if (packets) {
		struct path *path = &w->plane->sessions.paths[s->peer];
		atomic_store_explicit(&path->last_rx_ns, now, memory_order_relaxed);
		data_count_received(w, path, packets, bytes, now);
	}
}

bool data_plain_allows(const struct session *s, const struct ip_addr *dst)
{
	struct prefix host = prefix_host(dst);
	return !s->plain || cert_covers_prefix(&s->cert, &host);
}

/* ---- Out -------------------------------------------------------------------------------------- */

static size_t frame_one(const struct session *s, uint8_t *out, const uint8_t *ip, uint32_t len)
{
	struct gre_plain header = {
		.protocol = ip[0] >> 4 == 6 ? GRE_PROTO_IPV6 : GRE_PROTO_IPV4,
		.have_key = s->have_gre_key,
		.key = s->gre_key,
	};
	size_t header_len = gre_plain_write(out, &header);
	memcpy(out + header_len, ip, len);
	return header_len + len;
}

static size_t header_len(const struct session *s)
{
	return GRE_PLAIN_LEN + (s->have_gre_key ? 4 : 0);
}

/* The packets of a train, one behind the other; false: there is no room, or it is no train. */
static bool frame_train(struct worker *w, const struct session *s, struct pkt *p, uint8_t tos)
{
	struct split split;
	uint32_t len, n = 0;
	uint8_t *ip;
	if (split_begin(&split, p) < 0)
		return false;
	size_t size = header_len(s) + split_longest(&split);
	uint8_t *out = data_room(w, size * split_count(&split)), *at = out;
	if (!out)
		return false;
	for (; (ip = split_next(&split, &len)); n++)
		at += frame_one(s, at, ip, len);
	*p = (struct pkt){.data = out,
		.len = (uint32_t)(at - out),
		.gso_size = n > 1 ? (uint16_t)size : 0,
		.tos = tos};
	return true;
}

static bool frame_packet(struct worker *w, const struct session *s, struct pkt *p)
{
	uint8_t tos = ecn_encap(ip_tos(p->data));
	if (p->gso_size)
		return frame_train(w, s, p, tos);
	uint8_t *out = data_room(w, header_len(s) + p->len);
	if (!out)
		return false;
	size_t len = frame_one(s, out, p->data, p->len);
	*p = (struct pkt){.data = out, .len = (uint32_t)len, .tos = tos};
	return true;
}

void data_frame_run(struct worker *w, struct pkt_batch *b, unsigned from, unsigned to, uint64_t now)
{
	struct session *s = session_at(&w->plane->sessions, w->plan[from]);
	struct path *path = &w->plane->sessions.paths[s->peer];
	uint64_t packets = 0, bytes = 0, sent = 0;
	struct endpoint remote;
	struct ip_addr local;
	path_get_endpoint(&w->plane->sessions, s->peer, &remote, &local);
	for (unsigned i = from; i < to; i++) {
		struct pkt *p = &b->v[i];
		uint32_t len = p->len;
		if (!s->plain || remote.addr.family == 0 || !frame_packet(w, s, p)) {
			pkt_drop(p, DROP_SEND_FAILED); /* counted behind the I/O */
			continue;
		}
		p->verdict = remote.port == 0 ? PKT_SEND_GRE : PKT_SEND_UDP;
		p->remote = remote;
		p->local = local;
		packets++;
		bytes += len;
		sent += p->len;
	}
	data_count_sent(w, path, packets, bytes, sent, now);
}
