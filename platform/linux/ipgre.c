#include "core/base/err.h"
#include "platform/platform.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/*
 * GRE directly in IP: a raw socket a family. IPv4's hands over the IP header too, IPv6's does not; both
 * put one in front of what is sent. The kernel answers nobody with "protocol unreachable" while such a
 * socket is there.
 */
#define BUFFER_BYTES (4 * 1024 * 1024)
#define RECEIVE_MAX  64 /* packets a call */

struct ipgre {
	int fd4, fd6;
};

union name {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* Room for one address and one TOS. */
union control {
	struct cmsghdr align;
	uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int))];
};

/* ---- Open and close --------------------------------------------------------------------------- */

static socklen_t make_name(uint8_t family, const struct ip_addr *a, union name *out)
{
	memset(out, 0, sizeof *out);
	if (family == 4) {
		out->in.sin_family = AF_INET;
		memcpy(&out->in.sin_addr, a->bytes, 4); /* zero when none is given */
		return sizeof out->in;
	}
	out->in6.sin6_family = AF_INET6;
	memcpy(&out->in6.sin6_addr, a->bytes, 16);
	return sizeof out->in6;
}

static bool set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

/* Don't Fragment stays clear, as on the UDP socket. -1 with errno. */
static int open_family(uint8_t family, const struct ip_addr *address)
{
	union name name;
	socklen_t len = make_name(family, address, &name);
	int fd = socket(family == 4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
		IPPROTO_GRE);
	if (fd < 0)
		return -1;
	bool good = family == 4 ? set(fd, IPPROTO_IP, IP_PKTINFO, 1) &&
			set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)
				: set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) &&
			set(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
	if (!good || bind(fd, &name.sa, len) < 0) {
		int error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	if (!set(fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES))
		set(fd, SOL_SOCKET, SO_RCVBUF, BUFFER_BYTES);
	return fd;
}

static bool no_such_family(int error)
{
	return error == EAFNOSUPPORT || error == EADDRNOTAVAIL || error == EPROTONOSUPPORT;
}

int ipgre_open(struct ipgre **out, const struct ip_addr *address, const struct env *env)
{
	struct ipgre *g = malloc(sizeof *g);
	*out = NULL;
	if (!g)
		return ERR_NO_SPACE;
	*g = (struct ipgre){-1, -1};
	bool good = true;
	if (address->family != 6)
		good = (g->fd4 = open_family(4, address)) >= 0;
	if (good && address->family != 4)
		good = (g->fd6 = open_family(6, address)) >= 0 ||
			(address->family == 0 && no_such_family(errno));
	if (!good) {
		env_log(env, LOG_ERROR, "cannot open a raw socket for GRE: %s", strerror(errno));
		ipgre_close(g);
		return ERR_SYSTEM;
	}
	*out = g;
	return 0;
}

void ipgre_close(struct ipgre *g)
{
	if (!g)
		return;
	if (g->fd4 >= 0)
		close(g->fd4);
	if (g->fd6 >= 0)
		close(g->fd6);
	free(g);
}

int ipgre_fd(const struct ipgre *g, uint8_t family)
{
	return family == 6 ? g->fd6 : g->fd4;
}

/* ---- In --------------------------------------------------------------------------------------- */

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
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
			int tclass;
			memcpy(&tclass, CMSG_DATA(c), sizeof tclass);
			p->tos = (uint8_t)tclass;
		}
	}
}

/* Takes the IPv4 header off. False: it says what cannot be. */
static bool strip4(struct pkt *p)
{
	uint32_t len = p->len >= 20 ? (p->data[0] & 15u) * 4 : 0;
	if (len < 20 || len > p->len)
		return false;
	p->tos = p->data[1];
	p->data += len;
	p->len -= len;
	return true;
}

/* One packet to slot i. -1: errno says why. */
static int receive(int fd, uint8_t family, struct pkt_batch *b, uint16_t i)
{
	struct pkt *p = pkt_reset(b, i);
	union name name;
	union control control;
	struct iovec iov = {p->data, PKT_ROOM};
	struct msghdr msg = {.msg_name = &name,
		.msg_namelen = sizeof name,
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof control};
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT);
	if (n < 0)
		return -1;
	p->flags = PKT_GRE;
	p->len = msg.msg_flags & MSG_TRUNC ? 0 : (uint32_t)n;
	p->remote = (struct endpoint){.addr = family == 4
			? addr_from_bytes(4, (const uint8_t *)&name.in.sin_addr)
			: addr_from_bytes(6, (const uint8_t *)&name.in6.sin6_addr)};
	get_control(&msg, p);
	if (family == 4 && !strip4(p))
		p->len = 0;
	return 0;
}

int ipgre_recv(struct ipgre *g, uint8_t family, struct pkt_batch *b)
{
	size_t slots = b->size / PKT_SLOT;
	int fd = ipgre_fd(g, family);
	b->n = 0;
	while (b->n < b->cap && b->n < slots && b->n < RECEIVE_MAX) {
		if (receive(fd, family, b, b->n) < 0) {
			bool passes = errno == EAGAIN || errno == EINTR || errno == ENETDOWN;
			return b->n > 0 || passes ? b->n : ERR_SYSTEM;
		}
		b->n++;
	}
	return b->n;
}

/* ---- Out -------------------------------------------------------------------------------------- */

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

/* 0 or -1 with errno. */
static int send_bytes(const struct ipgre *g, const struct ip_addr *to, const struct ip_addr *from,
	uint8_t tos, const void *data, size_t len)
{
	union name name;
	union control control;
	int value = tos, fd = ipgre_fd(g, to->family);
	struct iovec iov = {(void *)(uintptr_t)data, len};
	struct msghdr msg = {.msg_name = &name,
		.msg_namelen = make_name(to->family, to, &name),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control};
	if (from && from->family == to->family && !addr_is_unspecified(from))
		put_source(&msg, from);
	if (tos != 0)
		put(&msg, to->family == 4 ? IPPROTO_IP : IPPROTO_IPV6,
			to->family == 4 ? IP_TOS : IPV6_TCLASS, &value, sizeof value);
	if (msg.msg_controllen == 0)
		msg.msg_control = NULL;
	return sendmsg(fd, &msg, MSG_DONTWAIT) < 0 ? -1 : 0;
}

/* With a source of the system's choice where ours has left this host. */
static bool send_some(const struct ipgre *g, const struct ip_addr *to, const struct ip_addr *from,
	uint8_t tos, const void *data, size_t len)
{
	return send_bytes(g, to, from, tos, data, len) == 0 ||
		(from && (errno == EINVAL || errno == EADDRNOTAVAIL || errno == ENETUNREACH) &&
			send_bytes(g, to, NULL, tos, data, len) == 0);
}

static bool send_packet(const struct ipgre *g, const struct pkt *p)
{
	uint32_t step = p->gso_size ? p->gso_size : p->len;
	for (uint32_t at = 0; at < p->len; at += step) {
		uint32_t len = p->len - at < step ? p->len - at : step;
		if (!send_some(g, &p->remote.addr, &p->local, p->tos, p->data + at, len))
			return false;
	}
	return true;
}

void ipgre_send(struct ipgre *g, struct pkt_batch *b)
{
	for (uint16_t i = 0; i < b->n; i++)
		if (b->v[i].verdict == PKT_SEND_GRE && !send_packet(g, &b->v[i]))
			pkt_drop(&b->v[i], DROP_SEND_FAILED);
}

int ipgre_send_one(struct ipgre *g, const struct ip_addr *to, const struct ip_addr *from,
	const void *data, size_t len)
{
	return send_some(g, to, from, 0, data, len) ? 0 : ERR_SYSTEM;
}
