#include "platform/linux/udp.h"

#include "core/base/err.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

/*
 * Batches in and out. Everything a system call needs is laid out on the stack, in arrays that are
 * not cleared: only what is used is written.
 */

/* Room for a datagram's ancillary data: addresses, TOS, TTL. */
#define CONTROL_BYTES                                                                              \
	(CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(int)))

#define UDP_BATCH 64 /* datagrams in one system call */

union name {
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

struct control {
	_Alignas(struct cmsghdr) uint8_t bytes[CONTROL_BYTES];
};

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

static void get_control(struct msghdr *msg, struct pkt *p)
{
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
		}
	}
}

/* Besides EAGAIN: what an earlier datagram met, which reading it has cleared. */
static bool will_pass(int error)
{
	return error == EAGAIN || error == EINTR || error == ECONNREFUSED ||
		error == EHOSTUNREACH || error == ENETUNREACH || error == EHOSTDOWN ||
		error == EMSGSIZE || error == EACCES || error == EPERM || error == EPROTO ||
		error == ENOPROTOOPT || error == ENETDOWN;
}

int udp_recv(struct udp *u, unsigned socket, uint8_t family, struct pkt_batch *b)
{
	struct mmsghdr m[UDP_BATCH];
	struct iovec iov[UDP_BATCH];
	union name names[UDP_BATCH];
	struct control controls[UDP_BATCH];
	uint16_t cap = b->cap < UDP_BATCH ? b->cap : UDP_BATCH;
	for (uint16_t i = 0; i < cap; i++) {
		iov[i] = (struct iovec){pkt_reset(b, i)->data, PKT_ROOM};
		m[i].msg_hdr = (struct msghdr){.msg_name = &names[i],
			.msg_namelen = sizeof names[i],
			.msg_iov = &iov[i],
			.msg_iovlen = 1,
			.msg_control = controls[i].bytes,
			.msg_controllen = sizeof controls[i].bytes};
	}
	b->n = 0;
	int n = recvmmsg(udp_fd(u, socket, family), m, cap, MSG_DONTWAIT, NULL);
	if (n < 0)
		return will_pass(errno) ? 0 : ERR_SYSTEM;
	for (int i = 0; i < n; i++) {
		struct pkt *p = &b->v[i];
		bool cut = m[i].msg_hdr.msg_flags & MSG_TRUNC;
		p->len = cut ? 0 : m[i].msg_len;
		get_remote(&names[i], &p->remote);
		get_control(&m[i].msg_hdr, p);
	}
	b->n = (uint16_t)n;
	return n;
}

/* ---- Out ------------------------------------------------------------------------------------ */

/* Datagrams laid out for one sendmmsg, each with the packet that it comes from. */
struct outgoing {
	unsigned n;
	struct mmsghdr m[UDP_BATCH];
	struct iovec iov[UDP_BATCH];
	union name names[UDP_BATCH];
	struct control controls[UDP_BATCH];
	struct pkt *from[UDP_BATCH];
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

/* Source, TOS and TTL where they differ from what the socket does by itself. */
static void put_control(struct msghdr *msg, struct control *control, uint8_t family,
	const struct ip_addr *source, int tos, int ttl)
{
	bool v4 = family == 4;
	msg->msg_control = control->bytes;
	msg->msg_controllen = 0;
	if (source && source->family == family && !addr_is_unspecified(source))
		put_source(msg, source);
	if (tos != 0)
		put(msg, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, &tos,
			sizeof tos);
	if (ttl != 0)
		put(msg, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TTL : IPV6_HOPLIMIT, &ttl,
			sizeof ttl);
	if (msg->msg_controllen == 0)
		msg->msg_control = NULL;
}

/* What the kernels say to a source address that has left this host, and to other things as well. */
static bool blames_source(int error)
{
	return error == EINVAL || error == EADDRNOTAVAIL || error == ENETUNREACH ||
		error == EHOSTUNREACH;
}

/* Once more, with a source address of the system's choice. */
static bool send_without_source(
	int fd, struct msghdr *msg, const struct ip_addr *source, uint8_t family, int tos, int ttl)
{
	struct control control;
	if (!blames_source(errno) || source->family != family || addr_is_unspecified(source))
		return false;
	put_control(msg, &control, family, NULL, tos, ttl);
	return sendmsg(fd, msg, MSG_DONTWAIT) >= 0;
}

/*
 * sendmmsg stops at the first datagram that fails and tells why only if that one leads. It is
 * dropped and the others go on, except when the socket is full: then all of them would fail.
 */
static void flush(struct outgoing *o, int fd, uint8_t family)
{
	unsigned i = 0;
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
		struct pkt *p = o->from[i];
		if (!send_without_source(fd, &o->m[i].msg_hdr, &p->local, family, p->tos, p->ttl))
			pkt_drop(p, DROP_SEND_FAILED);
		i++;
	}
	for (; i < o->n; i++)
		pkt_drop(o->from[i], DROP_SEND_FAILED);
	o->n = 0;
}

static void append(struct outgoing *o, struct pkt *p, uint8_t *data, size_t len)
{
	unsigned i = o->n++;
	o->from[i] = p;
	o->iov[i] = (struct iovec){data, len};
	o->m[i].msg_hdr = (struct msghdr){.msg_name = &o->names[i],
		.msg_namelen = put_remote(&p->remote, &o->names[i]),
		.msg_iov = &o->iov[i],
		.msg_iovlen = 1};
	put_control(&o->m[i].msg_hdr, &o->controls[i], p->remote.addr.family, &p->local, p->tos,
		p->ttl);
}

static void send_family(
	struct udp *u, unsigned socket, uint8_t family, struct pkt_batch *b, struct outgoing *o)
{
	int fd = udp_fd(u, socket, family);
	o->n = 0;
	for (uint16_t i = 0; i < b->n; i++) {
		struct pkt *p = &b->v[i];
		if (p->verdict != PKT_SEND_UDP || p->remote.addr.family != family)
			continue;
		if (fd < 0) {
			pkt_drop(p, DROP_SEND_FAILED);
			continue;
		}
		/* A train goes out in pieces: its segments are datagrams already. */
		uint32_t step = p->gso_size ? p->gso_size : p->len;
		for (uint32_t at = 0; at < p->len; at += step) {
			if (o->n == UDP_BATCH)
				flush(o, fd, family);
			append(o, p, p->data + at, p->len - at < step ? p->len - at : step);
		}
	}
	flush(o, fd, family);
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
	static const struct ip_addr none;
	uint8_t family = to->addr.family;
	int fd = udp_fd(u, 0, family);
	if (fd < 0)
		return ERR_SYSTEM;
	struct iovec iov = {(void *)(uintptr_t)data, len};
	struct msghdr msg = {.msg_name = &name,
		.msg_namelen = put_remote(to, &name),
		.msg_iov = &iov,
		.msg_iovlen = 1};
	put_control(&msg, &control, family, from, 0, ttl);
	if (sendmsg(fd, &msg, MSG_DONTWAIT) >= 0)
		return 0;
	return send_without_source(fd, &msg, from ? from : &none, family, 0, ttl) ? 0 : ERR_SYSTEM;
}
