#include "platform/linux/udp.h"

#include "core/base/err.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

/*
 * Batches in and out. Everything a system call needs is laid out on the stack, in arrays that are
 * not cleared: only what is used is written.
 */

/* Room for a message's ancillary data: addresses, TOS, TTL, length of a train's datagrams. */
#define CONTROL_BYTES (CMSG_SPACE(sizeof(struct in6_pktinfo)) + 3 * CMSG_SPACE(sizeof(int)))

#define UDP_BATCH   64    /* messages in one system call */
#define TRAIN_MAX   64    /* datagrams in a message: UDP_MAX_SEGMENTS, include/linux/udp.h */
#define MESSAGE_MAX 65507 /* bytes of a message: 65535, less the headers of IPv4 and UDP */
#define TRAIN_SLOT  (PKT_HEADROOM + 65536 + PKT_TAILROOM) /* a received message of any length */
#define TURN_BYTES  (256 * 1024) /* received at once, about: what comes behind waits for them */
#define RETRY_NS    UINT64_C(60000000000) /* until a device is offered trains again */

union name {
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

struct control {
	_Alignas(struct cmsghdr) uint8_t bytes[CONTROL_BYTES];
};

static unsigned least(size_t a, size_t b)
{
	return (unsigned)(a < b ? a : b);
}

/* ---- In ------------------------------------------------------------------------------------- */

static void get_remote(const union name *name, struct endpoint *out)
{
	if (name->in.sin_family == AF_INET) {
		out->addr = addr_from_bytes(4, (const uint8_t *)&name->in.sin_addr);
		out->port = ntohs(name->in.sin_port);
	} else {
		out->addr = addr_from_bytes(6, (const uint8_t *)&name->in6.sin6_addr);
		out->port = ntohs(name->in6.sin6_port);
	}
}

/* Returns the length of a train's datagrams, or 0. */
static uint32_t get_control(struct msghdr *msg, struct pkt *p)
{
	int number = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;
			memcpy(&info, CMSG_DATA(c), sizeof info);
			p->local = addr_from_bytes(4, (const uint8_t *)&info.ipi_spec_dst);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;
			memcpy(&info, CMSG_DATA(c), sizeof info);
			p->local = addr_from_bytes(6, (const uint8_t *)&info.ipi6_addr);
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
			p->tos = *CMSG_DATA(c);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
			int tclass;
			memcpy(&tclass, CMSG_DATA(c), sizeof tclass);
			p->tos = (uint8_t)tclass;
		} else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
			memcpy(&number, CMSG_DATA(c), sizeof number);
		}
	}
	return number > 0 ? (uint32_t)number : 0;
}

/* Besides EAGAIN: what an earlier datagram met, which reading it has cleared. */
static bool will_pass(int error)
{
	return error == EAGAIN || error == EINTR || error == ECONNREFUSED ||
		error == EHOSTUNREACH || error == ENETUNREACH || error == EHOSTDOWN ||
		error == EMSGSIZE || error == EACCES || error == EPERM || error == EPROTO ||
		error == ENOPROTOOPT || error == ENETDOWN;
}

/* The message at this offset becomes packets, as many as b has room for. */
static void take_apart(struct udp *u, struct pkt_batch *b, size_t at, struct mmsghdr *m)
{
	struct pkt common = {0};
	uint32_t len = m->msg_hdr.msg_flags & MSG_TRUNC ? 0 : m->msg_len;
	get_remote(m->msg_hdr.msg_name, &common.remote);
	uint32_t step = get_control(&m->msg_hdr, &common), done = 0;
	if (step == 0)
		step = len;
	do {
		uint32_t n = least(len - done, step);
		if (b->n < b->cap) {
			struct pkt *p = pkt_place(b, b->n++, at + done);
			p->len = n > PKT_ROOM ? 0 : n;
			p->remote = common.remote;
			p->local = common.local;
			p->tos = common.tos;
		} else {
			u->lost++;
		}
		done += n;
	} while (done < len);
}

/* One system call: up to n messages, to slots of this size from `at` on. Returns how many, or -1. */
static int receive(struct udp *u, int fd, struct pkt_batch *b, size_t at, size_t slot, unsigned n,
	size_t *bytes)
{
	struct mmsghdr m[UDP_BATCH];
	struct iovec iov[UDP_BATCH];
	union name names[UDP_BATCH];
	struct control controls[UDP_BATCH];
	for (unsigned i = 0; i < n; i++) {
		iov[i] = (struct iovec){b->bytes + at + i * slot + PKT_HEADROOM,
			slot - PKT_HEADROOM - PKT_TAILROOM};
		m[i].msg_hdr = (struct msghdr){.msg_name = &names[i],
			.msg_namelen = sizeof names[i],
			.msg_iov = &iov[i],
			.msg_iovlen = 1,
			.msg_control = controls[i].bytes,
			.msg_controllen = sizeof controls[i].bytes};
	}
	int got = recvmmsg(fd, m, n, MSG_DONTWAIT, NULL);
	for (int i = 0; i < got; i++) {
		take_apart(u, b, at + (size_t)i * slot + PKT_HEADROOM, &m[i]);
		*bytes += m[i].msg_len;
	}
	return got;
}

/*
 * How many messages to ask for next: what makes up a turn if they are like those before, and not more
 * than can be taken apart if each is the longest train.
 */
static unsigned ask_next(const struct pkt_batch *b, size_t slots, unsigned messages, size_t bytes)
{
	size_t typical = messages > 0 ? bytes / messages + 1 : 65536;
	size_t n = least((TURN_BYTES - bytes + typical - 1) / typical, (b->cap - b->n) / TRAIN_MAX);
	if (n == 0 && messages == 0)
		n = 1; /* of a small batch */
	return least(least(n, slots - messages), UDP_BATCH);
}

static int receive_trains(struct udp *u, int fd, struct pkt_batch *b)
{
	size_t slots = b->size / TRAIN_SLOT, slot = slots > 0 ? TRAIN_SLOT : b->size;
	size_t bytes = 0;
	unsigned messages = 0, asked = 0;
	int got = 0;
	if (slots == 0)
		slots = 1;
	while (got == (int)asked && bytes < TURN_BYTES &&
		(asked = ask_next(b, slots, messages, bytes)) > 0) {
		got = receive(u, fd, b, messages * slot, slot, asked, &bytes);
		messages += got > 0 ? (unsigned)got : 0;
	}
	return messages > 0 ? (int)messages : got;
}

int udp_recv(struct udp *u, unsigned socket, uint8_t family, struct pkt_batch *b)
{
	int fd = udp_fd(u, socket, family);
	size_t bytes = 0;
	b->n = 0;
	int n = u->offloads & UDP_RECEIVE_TRAINS
		? receive_trains(u, fd, b)
		: receive(u, fd, b, 0, PKT_SLOT, least(b->cap, UDP_BATCH), &bytes);
	if (n < 0 && !will_pass(errno))
		return ERR_SYSTEM;
	return b->n;
}

/* ---- Out ------------------------------------------------------------------------------------ */

/* Messages laid out for one sendmmsg, each with the first and the last packet that it comes from. */
struct outgoing {
	unsigned n;
	bool trains;
	uint16_t step[UDP_BATCH]; /* bytes of its datagrams, but the last, which may be shorter */
	struct mmsghdr m[UDP_BATCH];
	struct iovec iov[UDP_BATCH];
	union name names[UDP_BATCH];
	struct control controls[UDP_BATCH];
	struct pkt *from[UDP_BATCH], *to[UDP_BATCH];
};

static socklen_t put_remote(const struct endpoint *to, union name *name)
{
	if (to->addr.family == 4) {
		name->in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(to->port)};
		memcpy(&name->in.sin_addr, to->addr.bytes, 4);
		return sizeof name->in;
	}
	name->in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(to->port)};
	memcpy(&name->in6.sin6_addr, to->addr.bytes, 16);
	return sizeof name->in6;
}

static void put(struct msghdr *msg, int level, int type, const void *data, size_t size)
{
	struct cmsghdr *c = (struct cmsghdr *)((uint8_t *)msg->msg_control + msg->msg_controllen);
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(c), data, size);
	msg->msg_controllen += CMSG_SPACE(size);
}

static void put_source(struct msghdr *msg, const struct ip_addr *source)
{
	if (source->family == 4) {
		struct in_pktinfo info = {0};
		memcpy(&info.ipi_spec_dst, source->bytes, 4);
		put(msg, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
	} else {
		struct in6_pktinfo info = {0};
		memcpy(&info.ipi6_addr, source->bytes, 16);
		put(msg, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
	}
}

static bool has_source(const struct pkt *p)
{
	return p->local.family == p->remote.addr.family && !addr_is_unspecified(&p->local);
}

/*
 * Source, TOS and TTL where they differ from what the socket does by itself. step: bytes of each of
 * several datagrams. 0 for a single one, as there are devices that refuse even that.
 */
static void put_control(struct msghdr *msg, struct control *control, const struct pkt *p,
	bool source, uint16_t step)
{
	bool v4 = p->remote.addr.family == 4;
	int tos = p->tos, ttl = p->ttl;
	msg->msg_control = control->bytes;
	msg->msg_controllen = 0;
	if (source)
		put_source(msg, &p->local);
	if (tos != 0)
		put(msg, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, &tos,
			sizeof tos);
	if (ttl != 0)
		put(msg, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TTL : IPV6_HOPLIMIT, &ttl,
			sizeof ttl);
	if (step != 0)
		put(msg, IPPROTO_UDP, UDP_SEGMENT, &step, sizeof step);
	if (msg->msg_controllen == 0)
		msg->msg_control = NULL;
}

/* What the kernels say to a source address that has left this host, and to other things as well. */
static bool blames_source(int error)
{
	return error == EINVAL || error == EADDRNOTAVAIL || error == ENETUNREACH ||
		error == EHOSTUNREACH;
}

/* A message that could not be sent, for the reason in errno: with a source of the system's choice. */
static bool send_again(int fd, struct msghdr *msg, const struct pkt *p, uint16_t step)
{
	struct control control;
	if (!blames_source(errno) || !has_source(p))
		return false;
	put_control(msg, &control, p, false, step);
	return sendmsg(fd, msg, MSG_DONTWAIT) >= 0;
}

/* The message of this packet: the bytes in iov, with what it is sent with laid out in name and control. */
static struct msghdr message_of(const struct pkt *p, struct iovec *iov, uint16_t step,
	union name *name, struct control *control)
{
	struct msghdr msg = {.msg_name = name,
		.msg_namelen = put_remote(&p->remote, name),
		.msg_iov = iov,
		.msg_iovlen = 1};
	put_control(&msg, control, p, has_source(p), step);
	return msg;
}

/* Bytes of a message of datagrams of this size: as many of them as the system cuts for us. */
static uint32_t message_bytes(uint16_t step, bool trains)
{
	uint32_t n = trains && step > 0 ? least(MESSAGE_MAX / step, TRAIN_MAX) : 1;
	return n > 1 ? n * step : step;
}

static bool same_way(const struct pkt *a, const struct pkt *b)
{
	return a->tos == b->tos && a->ttl == b->ttl && endpoint_equal(&a->remote, &b->remote) &&
		addr_equal(&a->local, &b->local);
}

/*
 * How many bytes of a packet the last message can take more of: they lie behind its own, go the same way,
 * and its datagrams are full. All of the packet's are as long as the message's, or it has only
 * one, which is shorter.
 */
static uint32_t extension(const struct outgoing *o, const struct pkt *p, const uint8_t *data,
	uint32_t left, uint16_t step)
{
	if (o->n == 0 || !same_way(o->to[o->n - 1], p))
		return 0;
	const struct iovec *iov = &o->iov[o->n - 1];
	uint16_t full = o->step[o->n - 1];
	if ((const uint8_t *)iov->iov_base + iov->iov_len != data || iov->iov_len % full != 0 ||
		(step != full && (left > step || step > full)))
		return 0;
	uint32_t most = message_bytes(full, o->trains);
	return most > iov->iov_len ? least(left, most - iov->iov_len) : 0;
}

static void append(struct outgoing *o, struct pkt *p, uint8_t *data, uint32_t len, uint16_t step)
{
	unsigned i = o->n++;
	o->from[i] = p;
	o->step[i] = step;
	o->iov[i] = (struct iovec){data, len};
}

/* The message as one, with what it is sent with laid out; step 0: without a length of datagrams. */
static void lay_out(struct outgoing *o, unsigned i)
{
	uint16_t step = o->iov[i].iov_len > o->step[i] ? o->step[i] : 0;
	o->m[i].msg_hdr = message_of(o->from[i], &o->iov[i], step, &o->names[i], &o->controls[i]);
}

/* All packets of a message; others of its family do not lie between them. */
static void drop(const struct outgoing *o, unsigned i)
{
	uint8_t family = o->from[i]->remote.addr.family;
	for (struct pkt *p = o->from[i]; p <= o->to[i]; p++)
		if (p->verdict == PKT_SEND_UDP && p->remote.addr.family == family)
			pkt_drop(p, DROP_SEND_FAILED);
}

/* A train that was refused as such: at once, as datagrams. False: one of them did not go. */
static bool send_apart(int fd, const struct iovec *train, const struct pkt *p, uint16_t step)
{
	union name name;
	struct control control;
	bool all = true;
	for (size_t at = 0; at < train->iov_len; at += step) {
		struct iovec iov = {
			(uint8_t *)train->iov_base + at, least(train->iov_len - at, step)};
		struct msghdr msg = message_of(p, &iov, 0, &name, &control);
		if (sendmsg(fd, &msg, MSG_DONTWAIT) < 0)
			all &= send_again(fd, &msg, p, 0);
	}
	return all;
}

/*
 * What udp_send_skb (net/ipv4/udp.c) says to a train that would go out as datagrams. EIO: the device has
 * no checksums, or IPsec is on the way. EMSGSIZE, EINVAL in older kernels: its datagrams are longer than
 * this path takes whole, which is no other destination's matter. EINVAL may be about the source address
 * as well; then the datagrams will tell.
 */
static bool blames_train(int error)
{
	return error == EIO || error == EMSGSIZE || error == EINVAL;
}

/*
 * sendmmsg stops at the first message that fails and tells why only if that one leads. It is dropped
 * and the others go on, except when the socket is full: then all of them would fail.
 */
static void flush(struct udp *u, struct outgoing *o, int fd, uint8_t family)
{
	unsigned i;
	for (i = 0; i < o->n; i++)
		lay_out(o, i);
	i = 0;
	while (i < o->n) {
		int n = sendmmsg(fd, o->m + i, o->n - i, MSG_DONTWAIT);
		if (n > 0) {
			i += (unsigned)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN)
			break;
		bool train = o->iov[i].iov_len > o->step[i], apart = train && blames_train(errno);
		if (apart && errno == EIO)
			u->trains_again_ns[family == 6] = os_now_ns() + RETRY_NS;
		bool sent = apart
			? send_apart(fd, &o->iov[i], o->from[i], o->step[i])
			: send_again(fd, &o->m[i].msg_hdr, o->from[i], train ? o->step[i] : 0);
		if (!sent)
			drop(o, i);
		i++;
	}
	for (; i < o->n; i++)
		drop(o, i);
	o->n = 0;
}

bool udp_sends_trains(const struct udp *u, uint8_t family)
{
	uint64_t again = u->trains_again_ns[family == 6];
	return u->offloads & UDP_SEND_TRAINS && (again == 0 || os_now_ns() >= again);
}

/* One packet: to the last message as much as it takes, and the rest to new ones. */
static void put_packet(struct udp *u, struct outgoing *o, int fd, struct pkt *p)
{
	uint16_t step = p->gso_size ? p->gso_size : (uint16_t)p->len;
	for (uint32_t at = 0, n; at < p->len; at += n) {
		n = extension(o, p, p->data + at, p->len - at, step);
		if (n > 0) {
			o->iov[o->n - 1].iov_len += n;
		} else {
			if (o->n == UDP_BATCH)
				flush(u, o, fd, p->remote.addr.family);
			n = least(p->len - at, message_bytes(step, o->trains));
			append(o, p, p->data + at, n, step);
		}
		o->to[o->n - 1] = p;
	}
}

static void send_family(
	struct udp *u, unsigned socket, uint8_t family, struct pkt_batch *b, struct outgoing *o)
{
	int fd = udp_fd(u, socket, family);
	o->n = 0;
	o->trains = udp_sends_trains(u, family);
	for (uint16_t i = 0; i < b->n; i++) {
		struct pkt *p = &b->v[i];
		if (p->verdict != PKT_SEND_UDP || p->remote.addr.family != family)
			continue;
		if (fd < 0)
			pkt_drop(p, DROP_SEND_FAILED);
		else
			put_packet(u, o, fd, p);
	}
	flush(u, o, fd, family);
}

void udp_send(struct udp *u, unsigned socket, struct pkt_batch *b)
{
	struct outgoing o;
	send_family(u, socket, 4, b, &o);
	send_family(u, socket, 6, b, &o);
}

int udp_send_one(struct udp *u, const struct endpoint *to, const struct ip_addr *from, uint8_t ttl,
	const void *data, size_t len)
{
	union name name;
	struct control control;
	struct pkt p = {.remote = *to, .ttl = ttl};
	int fd = udp_fd(u, 0, to->addr.family);
	if (fd < 0)
		return ERR_SYSTEM;
	if (from)
		p.local = *from;
	struct iovec iov = {(void *)(uintptr_t)data, len};
	struct msghdr msg = message_of(&p, &iov, 0, &name, &control);
	if (sendmsg(fd, &msg, MSG_DONTWAIT) >= 0 || send_again(fd, &msg, &p, 0))
		return 0;
	return ERR_SYSTEM;
}
