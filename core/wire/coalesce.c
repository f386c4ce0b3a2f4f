#include "core/wire/coalesce.h"

#include "core/base/cursor.h"
#include "core/wire/ip.h"
#include "core/wire/l4.h"

#include <string.h>

/*
 * One pass over the batch with a small table of trains that may still grow, one a flow. A packet is
 * appended to its flow's train, or closes it and begins another. What cannot travel in a train closes
 * its flow's; where it shows no ports (fragments, options, other protocols), those of all flows between
 * its addresses. Flows are told apart by a hash, and a wrong guess only closes a train early: whether a
 * packet is appended is decided by the headers themselves. Checksums are summed only when there is a
 * train to join, so a packet without neighbours costs a look at its headers.
 */
#define OPEN_TRAINS      32
#define UDP_SEGMENTS_MAX 64 /* what Linux takes: UDP_MAX_SEGMENTS, include/linux/udp.h */

/* How much a packet shows, and whether it may travel in a train. */
enum kind {
	NO_ADDRESSES,
	NO_PORTS,
	NO_TRAIN,
	CANDIDATE,
};

struct look {
	enum kind kind;
	bool v6, udp, push;
	uint16_t l4_off, hdr_len, payload;
	uint32_t pair, flow; /* hashes: of the addresses; of ports and protocol too */
};

/* A train that may grow. Its head is an ordinary packet until it is closed. */
struct train {
	struct pkt *head, *tail;
	struct look look; /* of the head */
	unsigned count;
	uint32_t len;     /* of the whole train, headers included */
	uint16_t id;      /* IPv4 id of the last packet */
	uint16_t id_step; /* to each from the one before: 1 or 0 */
	bool push;        /* the last packet has PSH */
	bool verified;    /* the head's checksums are right */
};

struct table {
	unsigned n, victim;
	uint32_t flow[OPEN_TRAINS]; /* look.flow of each, for the search */
	struct train trains[OPEN_TRAINS];
};

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9E3779B97F4A7C15; /* 2^64 divided by the golden ratio */
	return hash ^ hash >> 32;
}

static uint32_t hash_addresses(const uint8_t *ip, bool v6)
{
	if (!v6)
		return (uint32_t)mix(0, load_native64(ip + IP4_SOURCE));
	uint64_t hash = 0;
	for (unsigned i = 0; i < 32; i += 8)
		hash = mix(hash, load_native64(ip + IP6_SOURCE + i));
	return (uint32_t)hash;
}

/* A bare IP header with all of its packet behind it, and TCP or UDP in that. */
static bool shows_ports(const struct pkt *p, bool v6, uint8_t *proto)
{
	const uint8_t *ip = p->data;
	*proto = ip[v6 ? IP6_NEXT : IP4_PROTOCOL];
	if (*proto != IP_PROTO_TCP && *proto != IP_PROTO_UDP)
		return false;
	if (v6)
		return p->len >= IP6_HDR_LEN + UDP_HDR_LEN &&
			load_u16(ip + IP6_LENGTH) == p->len - IP6_HDR_LEN;
	return ip[0] == 0x45 && p->len >= IP4_HDR_LEN + UDP_HDR_LEN &&
		load_u16(ip + IP4_LENGTH) == p->len && (load_u16(ip + IP4_FRAGMENT) & ~IP4_DF) == 0;
}

static bool tcp_may_travel(const uint8_t *tcp, size_t len)
{
	if (len < TCP_HDR_LEN || tcp_hdr_len(tcp) < TCP_HDR_LEN || tcp_hdr_len(tcp) >= len)
		return false;
	return (tcp[TCP_OFFSET] & 15) == 0 && (tcp[TCP_FLAGS] & ~TCP_PSH) == TCP_ACK;
}

static bool udp_may_travel(const uint8_t *udp, size_t len)
{
	return len > UDP_HDR_LEN && load_u16(udp + UDP_LENGTH) == len &&
		load_u16(udp + UDP_CHECKSUM) != 0;
}

static struct look look_at(const struct pkt *p, bool tcp, bool udp)
{
	const uint8_t *ip = p->data;
	struct look k = {.kind = NO_ADDRESSES};
	uint8_t proto;
	k.v6 = p->len >= IP6_HDR_LEN && ip[0] >> 4 == 6;
	if (!k.v6 && (p->len < IP4_HDR_LEN || ip[0] >> 4 != 4))
		return k;
	k.kind = NO_PORTS;
	k.pair = hash_addresses(ip, k.v6);
	if (!shows_ports(p, k.v6, &proto))
		return k;
	k.kind = NO_TRAIN;
	k.udp = proto == IP_PROTO_UDP;
	k.l4_off = k.v6 ? IP6_HDR_LEN : IP4_HDR_LEN;
	const uint8_t *l4 = ip + k.l4_off;
	size_t l4_len = p->len - k.l4_off;
	k.flow = (uint32_t)mix(k.pair, (uint64_t)load_u32(l4) << 8 | proto);
	if (p->gso_size != 0 || p->flags & PKT_CSUM_PARTIAL)
		return k;
	if (k.udp ? !udp || !udp_may_travel(l4, l4_len) : !tcp || !tcp_may_travel(l4, l4_len))
		return k;
	k.kind = CANDIDATE;
	k.push = !k.udp && l4[TCP_FLAGS] & TCP_PSH;
	k.hdr_len = (uint16_t)(k.l4_off + (k.udp ? UDP_HDR_LEN : tcp_hdr_len(l4)));
	k.payload = (uint16_t)(p->len - k.hdr_len);
	return k;
}

/* The sum of the pseudo header (RFC 9293 s.3.1, RFC 8200 s.8.1). */
static uint32_t pseudo_sum(const uint8_t *ip, const struct look *k, uint32_t l4_len)
{
	uint32_t sum = l4_len + (k->udp ? IP_PROTO_UDP : IP_PROTO_TCP);
	return k->v6 ? ip_sum(sum, ip + IP6_SOURCE, 32) : ip_sum(sum, ip + IP4_SOURCE, 8);
}

static unsigned checksum_offset(bool udp)
{
	return udp ? UDP_CHECKSUM : TCP_CHECKSUM;
}

/*
 * Both checksums are right, and written the way that everybody computes them, so that they can be
 * computed again: 0xFFFF is right where 0 is, but only UDP writes it.
 */
static bool verify(const struct pkt *p, const struct look *k)
{
	const uint8_t *ip = p->data, *l4 = ip + k->l4_off;
	uint32_t l4_len = p->len - k->l4_off;
	if (!k->v6 && (ip_checksum(ip, IP4_HDR_LEN) != 0 || load_u16(ip + IP4_CHECKSUM) == 0xFFFF))
		return false;
	if (!k->udp && load_u16(l4 + TCP_CHECKSUM) == 0xFFFF)
		return false;
	return ip_sum_finish(ip_sum(pseudo_sum(ip, k, l4_len), l4, l4_len)) == 0;
}

static bool same_ip(const uint8_t *a, const uint8_t *b, bool v6)
{
	if (v6) /* version, traffic class, flow label; next header, hop limit; addresses */
		return load_u32(a) == load_u32(b) &&
			load_u16(a + IP6_NEXT) == load_u16(b + IP6_NEXT) &&
			memcmp(a + IP6_SOURCE, b + IP6_SOURCE, 32) == 0;
	/* version, header length, TOS; DF; TTL, protocol; addresses */
	return load_u16(a) == load_u16(b) &&
		load_u16(a + IP4_FRAGMENT) == load_u16(b + IP4_FRAGMENT) &&
		load_u16(a + IP4_TTL) == load_u16(b + IP4_TTL) &&
		memcmp(a + IP4_SOURCE, b + IP4_SOURCE, 8) == 0;
}

/* Ports, acknowledgement, header length, window, urgent pointer, options. Flags are ACK and PSH. */
static bool same_tcp(const uint8_t *a, const uint8_t *b)
{
	return load_u32(a) == load_u32(b) && load_u32(a + TCP_ACK_NR) == load_u32(b + TCP_ACK_NR) &&
		a[TCP_OFFSET] == b[TCP_OFFSET] &&
		load_u16(a + TCP_WINDOW) == load_u16(b + TCP_WINDOW) &&
		load_u16(a + TCP_URGENT) == load_u16(b + TCP_URGENT) &&
		memcmp(a + TCP_HDR_LEN, b + TCP_HDR_LEN, tcp_hdr_len(b) - TCP_HDR_LEN) == 0;
}

/*
 * The rule of Linux's GRO (inet_gro_flush in include/net/gro.h): ids count up by one; with DF they may
 * also all be the same. The second packet of a train decides which.
 */
static bool id_follows(const struct train *t, const uint8_t *ip)
{
	uint16_t step = (uint16_t)(load_u16(ip + IP4_ID) - t->id);
	if (t->count > 1)
		return step == t->id_step;
	return step == 1 || (step == 0 && load_u16(ip + IP4_FRAGMENT) & IP4_DF);
}

static bool follows(struct train *t, const struct pkt *p, const struct look *k)
{
	const struct look *head = &t->look;
	const uint8_t *a = t->head->data, *b = p->data;
	if (k->hdr_len != head->hdr_len || k->payload > head->payload ||
		t->len + k->payload > PKT_TRAIN)
		return false;
	if (!same_ip(a, b, k->v6) || (!k->v6 && !id_follows(t, b)))
		return false;
	a += k->l4_off;
	b += k->l4_off;
	if (k->udp) {
		if (load_u32(a) != load_u32(b) || t->count == UDP_SEGMENTS_MAX)
			return false;
	} else if (!same_tcp(a, b) ||
		load_u32(b + TCP_SEQ) != load_u32(a + TCP_SEQ) + (t->len - head->hdr_len)) {
		return false;
	}
	t->verified = t->verified || verify(t->head, head);
	return t->verified && verify(p, k);
}

static void set_ip_length(uint8_t *ip, bool v6, uint32_t len)
{
	if (v6) {
		store_u16(ip + IP6_LENGTH, (uint16_t)(len - IP6_HDR_LEN));
		return;
	}
	store_u16(ip + IP4_LENGTH, (uint16_t)len);
	store_u16(ip + IP4_CHECKSUM, 0);
	store_u16(ip + IP4_CHECKSUM, ip_checksum(ip, IP4_HDR_LEN));
}

/* The head's headers become the train's. */
static void finish(const struct train *t)
{
	const struct look *k = &t->look;
	struct pkt *head = t->head;
	uint8_t *ip = head->data, *l4 = ip + k->l4_off;
	uint32_t l4_len = t->len - k->l4_off;
	if (t->count == 1)
		return;
	set_ip_length(ip, k->v6, t->len);
	if (k->udp)
		store_u16(l4 + UDP_LENGTH, (uint16_t)l4_len);
	else if (t->push)
		l4[TCP_FLAGS] |= TCP_PSH;
	head->gso_size = k->payload;
	head->gso_type = k->udp ? PKT_UDP : PKT_TCP;
	head->l4_off = k->l4_off;
	head->csum_off = (uint16_t)checksum_offset(k->udp);
	head->hdr_len = k->hdr_len;
	head->flags |= PKT_CSUM_PARTIAL;
	store_u16(l4 + head->csum_off, (uint16_t)~ip_sum_finish(pseudo_sum(ip, k, l4_len)));
}

static void close_train(struct table *open, unsigned i)
{
	finish(&open->trains[i]);
	open->n--;
	open->trains[i] = open->trains[open->n];
	open->flow[i] = open->flow[open->n];
}

static void close_pair(struct table *open, uint32_t pair)
{
	for (unsigned i = open->n; i-- > 0;)
		if (open->trains[i].look.pair == pair)
			close_train(open, i);
}

/* The train of a flow, or open->n. */
static unsigned find(const struct table *open, uint32_t flow)
{
	unsigned i = 0;
	while (i < open->n && open->flow[i] != flow)
		i++;
	return i;
}

static void begin(struct table *open, struct pkt *p, const struct look *k)
{
	if (open->n == OPEN_TRAINS)
		close_train(open, open->victim++ % OPEN_TRAINS);
	open->flow[open->n] = k->flow;
	open->trains[open->n++] = (struct train){
		.head = p,
		.tail = p,
		.look = *k,
		.count = 1,
		.len = p->len,
		.id = load_u16(p->data + IP4_ID),
	};
}

static void append(struct train *t, struct pkt *p, uint16_t index, const struct look *k)
{
	uint16_t id = load_u16(p->data + IP4_ID);
	t->id_step = (uint16_t)(id - t->id);
	t->id = id;
	t->count++;
	t->push = k->push;
	t->len += k->payload;
	t->tail->next = index;
	t->tail = p;
	p->data += k->hdr_len;
	p->len -= k->hdr_len;
	p->next = 0;
	p->verdict = PKT_MERGED;
}

static void take(struct table *open, struct pkt *p, uint16_t index, const struct look *k)
{
	unsigned i = find(open, k->flow);
	if (i < open->n && k->kind == CANDIDATE && follows(&open->trains[i], p, k)) {
		append(&open->trains[i], p, index, k);
		if (k->push || k->payload < open->trains[i].look.payload)
			close_train(open, i);
		return;
	}
	if (i < open->n)
		close_train(open, i);
	if (k->kind == CANDIDATE && !k->push)
		begin(open, p, k);
}

void coalesce(struct pkt_batch *b, bool tcp, bool udp)
{
	struct table open;
	open.n = open.victim = 0;
	if (!tcp && !udp)
		return;
	for (uint16_t i = 0; i < b->n; i++) {
		struct pkt *p = &b->v[i];
		if (p->verdict != PKT_WRITE_TUN)
			continue;
		struct look k = look_at(p, tcp, udp);
		switch (k.kind) {
		case NO_ADDRESSES:
			break;
		case NO_PORTS:
			close_pair(&open, k.pair);
			break;
		case NO_TRAIN:
		case CANDIDATE:
			take(&open, p, i, &k);
			break;
		}
	}
	while (open.n > 0)
		close_train(&open, 0);
}

/* A head has no PSH of its own: it would have closed the train. */
static void restore_head(struct pkt *head)
{
	struct look k = {
		.v6 = head->data[0] >> 4 == 6,
		.udp = head->gso_type == PKT_UDP,
		.l4_off = head->l4_off,
	};
	uint8_t *l4 = head->data + k.l4_off;
	uint32_t l4_len = head->len - k.l4_off;
	set_ip_length(head->data, k.v6, head->len);
	if (k.udp)
		store_u16(l4 + UDP_LENGTH, (uint16_t)l4_len);
	else
		l4[TCP_FLAGS] &= (uint8_t)~TCP_PSH;
	store_u16(l4 + head->csum_off, 0);
	uint16_t checksum = ip_sum_finish(ip_sum(pseudo_sum(head->data, &k, l4_len), l4, l4_len));
	store_u16(l4 + head->csum_off, k.udp && checksum == 0 ? 0xFFFF : checksum);
	head->gso_size = 0;
	head->gso_type = PKT_PLAIN;
	head->l4_off = head->csum_off = head->hdr_len = 0;
	head->flags &= (uint8_t)~PKT_CSUM_PARTIAL;
}

void coalesce_undo(struct pkt_batch *b)
{
	for (uint16_t i = 0; i < b->n; i++) {
		struct pkt *head = &b->v[i];
		if (head->verdict != PKT_WRITE_TUN || head->gso_size == 0 || head->next == 0)
			continue;
		for (struct pkt *p = head; p->next != 0;) {
			struct pkt *piece = &b->v[p->next];
			piece->data -= head->hdr_len;
			piece->len += head->hdr_len;
			piece->verdict = PKT_WRITE_TUN;
			p->next = 0;
			p = piece;
		}
		restore_head(head);
	}
}
