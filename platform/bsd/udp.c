#include "platform/bsd/ancillary.h"

#include "core/base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * One socket a family. These systems do not spread datagrams by what is in them, so there is one data
 * worker, and its socket takes everything: handshake messages find their way to the control loop from there.
 * What the control loop sends goes by the same socket, for its port is what peers know.
 */
#define BUFFER_BYTES (8 << 20)
#define BUFFER_FEW   (256 << 10)
#define TURN_PACKETS 128
#define PORT_TRIES   32

struct udp_family {
	int fd; /* -1 = closed */
	/* IPv4's TOS and TTL belong to the socket, not to the datagram: what it has now, 0 = its own. */
	_Atomic int tos, ttl;
};

struct udp {
	struct env env;
	uint16_t port;
	unsigned poller; /* the socket's number: 1 with a worker, else 0 */
	struct udp_family v4, v6;
};

union name {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* ---- Opening ---------------------------------------------------------------------------------- */

static socklen_t put_name(union name *out, uint8_t family, const uint8_t *address, uint16_t port)
{
	memset(out, 0, sizeof *out);
	if (family == 4) {
		out->v4.sin_len = sizeof out->v4;
		out->v4.sin_family = AF_INET;
		out->v4.sin_port = htons(port);
		memcpy(&out->v4.sin_addr, address, 4);
		return sizeof out->v4;
	}
	out->v6.sin6_len = sizeof out->v6;
	out->v6.sin6_family = AF_INET6;
	out->v6.sin6_port = htons(port);
	memcpy(&out->v6.sin6_addr, address, 16);
	return sizeof out->v6;
}

static void set_buffer(int fd, int option)
{
	int size = BUFFER_BYTES;
	while (size >= BUFFER_FEW && setsockopt(fd, SOL_SOCKET, option, &size, sizeof size) < 0)
		size /= 2;
}

/* -1 with errno. */
static int open_family(struct udp *u, uint8_t family, const struct udp_config *config)
{
	union name name;
	socklen_t len = put_name(&name, family, config->address.bytes, u->port);
	int fd = socket(name.any.sa_family, SOCK_DGRAM, 0);
	if (fd < 0)
		return -1;
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
		ancillary_ask(fd, family) < 0 || bind(fd, &name.any, len) < 0 ||
		getsockname(fd, &name.any, &len) < 0) {
		int error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	set_buffer(fd, SO_RCVBUF);
	set_buffer(fd, SO_SNDBUF);
	u->port = ntohs(family == 4 ? name.v4.sin_port : name.v6.sin6_port);
	(family == 4 ? &u->v4 : &u->v6)->fd = fd;
	return 0;
}

static void close_all(struct udp *u)
{
	if (u->v4.fd >= 0)
		close(u->v4.fd);
	if (u->v6.fd >= 0)
		close(u->v6.fd);
	u->v4.fd = u->v6.fd = -1;
}

/* 0 or -1 with errno. */
static int open_families(struct udp *u, const struct udp_config *config)
{
	uint8_t only = config->address.family;
	u->port = config->port;
	if (only != 6 && open_family(u, 4, config) < 0)
		return -1;
	if (only == 4 || open_family(u, 6, config) == 0)
		return 0;
	if (only == 6 || (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL))
		return -1;
	env_log(&u->env, LOG_INFO, "udp: IPv4 only, this system has no IPv6");
	return 0;
}

int udp_open(struct udp **out, const struct udp_config *config, const struct env *env)
{
	*out = NULL;
	if (config->workers > 1)
		return ERR_UNSUPPORTED;
	struct udp *u = calloc(1, sizeof *u);
	if (!u)
		return ERR_NO_SPACE;
	u->env = *env;
	u->poller = config->workers;
	u->v4.fd = u->v6.fd = -1;
	/* A random port that is free for IPv4 may be taken for IPv6. */
	unsigned tries = config->port == 0 ? PORT_TRIES : 1;
	int result;
	while ((result = open_families(u, config)) < 0 && errno == EADDRINUSE && --tries > 0)
		close_all(u);
	if (result < 0) {
		env_log(env, LOG_ERROR, "udp: cannot open port %u: %s", config->port,
			strerror(errno));
		udp_close(u);
		return ERR_SYSTEM;
	}
	*out = u;
	return 0;
}

void udp_close(struct udp *u)
{
	if (!u)
		return;
	close_all(u);
	free(u);
}

uint16_t udp_port(const struct udp *u)
{
	return u->port;
}

uint32_t udp_offloads(const struct udp *u)
{
	(void)u;
	return 0; /* no trains here */
}

int udp_fd(const struct udp *u, unsigned socket, uint8_t family)
{
	if (socket != u->poller)
		return -1;
	return family == 6 ? u->v6.fd : u->v4.fd;
}

struct udp_losses udp_take_losses(struct udp *u)
{
	(void)u;
	return (struct udp_losses){0}; /* counted for all sockets together, in netstat -s */
}

/* ---- In --------------------------------------------------------------------------------------- */

static void get_remote(const union name *name, struct endpoint *out)
{
	if (name->any.sa_family == AF_INET) {
		out->addr = addr_v4((const uint8_t *)&name->v4.sin_addr);
		out->port = ntohs(name->v4.sin_port);
	} else {
		out->addr = addr_from_bytes(6, (const uint8_t *)&name->v6.sin6_addr);
		out->port = ntohs(name->v6.sin6_port);
	}
}

/* Besides EAGAIN: what an earlier datagram met, which reading it has cleared. */
static bool will_pass(int error)
{
	return error == EAGAIN || error == EINTR || error == ECONNREFUSED ||
		error == EHOSTUNREACH || error == ENETUNREACH || error == EHOSTDOWN ||
		error == EMSGSIZE || error == EACCES || error == EPERM || error == ENETDOWN;
}

int udp_recv(struct udp *u, unsigned socket, uint8_t family, struct pkt_batch *b)
{
	int fd = udp_fd(u, socket, family);
	unsigned most = b->cap < TURN_PACKETS ? b->cap : TURN_PACKETS;
	b->n = 0;
	while (b->n < most && (size_t)(b->n + 1) * PKT_SLOT <= b->size) {
		struct pkt *p = pkt_reset(b, b->n);
		struct ancillary control;
		union name name;
		struct iovec iov = {p->data, PKT_ROOM};
		struct msghdr msg = {.msg_name = &name,
			.msg_namelen = sizeof name,
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control.bytes,
			.msg_controllen = sizeof control.bytes};
		ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || !will_pass(errno)))
			return b->n > 0 || errno == EAGAIN ? b->n : ERR_SYSTEM;
		if (n < 0)
			continue;
		p->len = msg.msg_flags & MSG_TRUNC ? 0 : (uint32_t)n;
		get_remote(&name, &p->remote);
		ancillary_read(&msg, p);
		b->n++;
	}
	return b->n;
}

/* ---- Out -------------------------------------------------------------------------------------- */

/* IPv4's TOS and TTL, kept from one datagram to the next while they are the same. */
static void set_kept(int fd, int option, _Atomic int *kept, int value, int otherwise)
{
	if (*kept == value)
		return;
	int now = value == 0 ? otherwise : value;
	if (setsockopt(fd, IPPROTO_IP, option, &now, sizeof now) == 0)
		*kept = value;
}

/* 0 or an errno. */
static int send_one(struct udp_family *f, const struct pkt *p, void *data, size_t len, bool source)
{
	const int default_ttl = 64;
	struct ancillary control;
	union name name;
	const struct endpoint *to = &p->remote;
	struct iovec iov = {data, len};
	struct msghdr msg = {.msg_name = &name,
		.msg_namelen = put_name(&name, to->addr.family, to->addr.bytes, to->port),
		.msg_iov = &iov,
		.msg_iovlen = 1};
	ancillary_write(&msg, &control, p, source);
	if (to->addr.family == 4) {
		set_kept(f->fd, IP_TOS, &f->tos, p->tos, 0);
		set_kept(f->fd, IP_TTL, &f->ttl, p->ttl, default_ttl);
	}
	return sendmsg(f->fd, &msg, MSG_DONTWAIT) < 0 ? errno : 0;
}

/* With a source of the system's choice if it is the source that it does not like. */
static int send_datagram(struct udp *u, const struct pkt *p, void *data, size_t len)
{
	struct udp_family *f = p->remote.addr.family == 6 ? &u->v6 : &u->v4;
	bool source = p->local.family == p->remote.addr.family && !addr_is_unspecified(&p->local);
	int error;
	if (f->fd < 0)
		return EAFNOSUPPORT;
	do
		error = send_one(f, p, data, len, source);
	while (error == EINTR);
	if (source &&
		(error == EADDRNOTAVAIL || error == EINVAL || error == ENETUNREACH ||
			error == EHOSTUNREACH))
		error = send_one(f, p, data, len, false);
	return error;
}

void udp_send(struct udp *u, unsigned socket, struct pkt_batch *b)
{
	bool full = false; /* then the rest has no more luck */
	(void)socket;
	for (uint16_t i = 0; i < b->n; i++) {
		struct pkt *p = &b->v[i];
		if (p->verdict != PKT_SEND_UDP)
			continue;
		uint32_t step = p->gso_size ? p->gso_size : p->len, left = p->len;
		for (uint8_t *at = p->data; left > 0 && p->verdict == PKT_SEND_UDP;) {
			uint32_t n = left < step ? left : step;
			int error = full ? ENOBUFS : send_datagram(u, p, at, n);
			full |= error == ENOBUFS || error == EAGAIN;
			if (error != 0)
				pkt_drop(p, DROP_SEND_FAILED);
			at += n;
			left -= n;
		}
	}
}

int udp_send_one(struct udp *u, const struct endpoint *to, const struct ip_addr *from, uint8_t ttl,
	const void *data, size_t len)
{
	struct pkt p = {.remote = *to, .ttl = ttl};
	if (from)
		p.local = *from;
	return send_datagram(u, &p, (void *)(uintptr_t)data, len) == 0 ? 0 : ERR_SYSTEM;
}
