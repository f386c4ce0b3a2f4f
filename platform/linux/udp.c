#include "platform/linux/udp.h"

#include "core/base/err.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/in6.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Opening the sockets: for each family a group of 1 + workers on one port, and a program in the
 * kernel that picks the member for each datagram. A member's number in the group is its turn in
 * binding. Behind the workers' comes one more, the sink, which takes what cannot be warren's and
 * keeps nothing: a flood of such datagrams never wakes us.
 */

#define SEALED_WORD    0x300088B5 /* GRE with Key and Sequence, protocol of sealed data */
#define HANDSHAKE_WORD 0x000088B6 /* GRE without options, protocol of handshake messages */
#define VERSION_MASK   0x00FFFFFF /* of the word behind that: type, version, two zero bytes */
#define VERSION_WORD   0x00010000
#define LEAST          32 /* bytes of the shortest of all */
#define BUFFER_BYTES   (8 * 1024 * 1024)
#define BUFFER_FEW     (1024 * 1024)
#define PORT_TRIES     32
#define WORKERS_MAX    64

struct sockopt {
	int level, name, value;
};

/*
 * Destination address and TOS with every datagram. Don't Fragment stays clear: what is too long for
 * the path is fragmented, since version 1 does not discover the path's MTU.
 */
static const struct sockopt options4[] = {
	{IPPROTO_IP, IP_PKTINFO, 1},
	{IPPROTO_IP, IP_RECVTOS, 1},
	{IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT},
};

static const struct sockopt options6[] = {
	{IPPROTO_IPV6, IPV6_V6ONLY, 1},
	{IPPROTO_IPV6, IPV6_RECVPKTINFO, 1},
	{IPPROTO_IPV6, IPV6_RECVTCLASS, 1},
	{IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT},
	{IPPROTO_IPV6, IPV6_DONTFRAG, 0},
};

static int set_options(int fd, const struct sockopt *options, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (setsockopt(fd, options[i].level, options[i].name, &options[i].value,
			    sizeof options[i].value) < 0)
			return -1;
	return 0;
}

static void set_buffer(int fd, int force, int plain)
{
	int size = BUFFER_BYTES;
	if (setsockopt(fd, SOL_SOCKET, force, &size, sizeof size) < 0)
		setsockopt(
			fd, SOL_SOCKET, plain, &size, sizeof size); /* up to net.core.[rw]mem_max */
}

static socklen_t make_sockaddr(
	uint8_t family, const struct ip_addr *address, uint16_t port, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof *out);
	if (family == 4) {
		struct sockaddr_in *in = (struct sockaddr_in *)out;
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, address->bytes, 4); /* all zero when none is given */
		return sizeof *in;
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, address->bytes, 16);
	return sizeof *in6;
}

/* Lets nothing through, so nothing is queued; the kernel counts what it drops. */
static int stop_up(int fd)
{
	struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
	struct sock_fprog program = {.len = 1, .filter = code};
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

enum member {
	MEMBER_FIRST,
	MEMBER_OTHER,
	MEMBER_SINK,
};

/*
 * One bound socket, or -1 with errno. The first of a group is bound without SO_REUSEPORT, which it
 * gets afterwards: so it does not join a group that another process of this user has on the port,
 * and does not get a random port that such a group has.
 */
static int open_socket(
	uint8_t family, const struct udp_config *config, uint16_t port, enum member member)
{
	bool first = member == MEMBER_FIRST;
	struct sockaddr_storage name;
	socklen_t len = make_sockaddr(family, &config->address, port, &name);
	int on = 1;
	int fd = socket(name.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	int bad = family == 4 ? set_options(fd, options4, sizeof options4 / sizeof *options4)
			      : set_options(fd, options6, sizeof options6 / sizeof *options6);
	if (!bad && !first)
		bad = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	if (!bad && member == MEMBER_SINK)
		bad = stop_up(fd);
	if (!bad)
		bad = bind(fd, (struct sockaddr *)&name, len);
	if (!bad && first)
		bad = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	if (bad) {
		int error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	if (member != MEMBER_SINK) {
		set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
		set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
	}
	return fd;
}

/*
 * Sealed data goes to 1 + hash(Key) % workers, handshake messages to 0, all else to `rest`. The
 * program sees the UDP payload. The multiplication spreads the session's index and the lane alike.
 */
static int steer(int fd, unsigned workers, unsigned rest)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, LEAST, 0, 13),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SEALED_WORD, 0, 6),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4),
		BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, 0x9E3779B1),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 16),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, workers),
		BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 1),
		BPF_STMT(BPF_RET | BPF_A, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, HANDSHAKE_WORD, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, VERSION_MASK),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, VERSION_WORD, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, rest),
	};
	struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program);
}

static const struct udp_socket closed = {.fd4 = -1, .fd6 = -1};

static int *fd_of(struct udp *u, unsigned socket, uint8_t family)
{
	return family == 6 ? &u->sockets[socket].fd6 : &u->sockets[socket].fd4;
}

static void close_all(struct udp *u)
{
	for (unsigned i = 0; i <= u->n; i++) {
		if (u->sockets[i].fd4 >= 0)
			close(u->sockets[i].fd4);
		if (u->sockets[i].fd6 >= 0)
			close(u->sockets[i].fd6);
		u->sockets[i] = closed;
	}
}

static int learn_port(struct udp *u, int fd)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof name;
	if (getsockname(fd, (struct sockaddr *)&name, &len) < 0)
		return -1;
	u->port = ntohs(name.ss_family == AF_INET ? ((struct sockaddr_in *)&name)->sin_port
						  : ((struct sockaddr_in6 *)&name)->sin6_port);
	return 0;
}

/*
 * The steering, and the sink once it works: without it the kernel would spread datagrams over all
 * members. Until the sink is there, what is meant for it goes to any other.
 */
static void open_steering(struct udp *u, uint8_t family, const struct udp_config *config)
{
	int *sink = fd_of(u, u->n, family);
	if (steer(*fd_of(u, 0, family), u->n - 1, config->plaintext ? 1 : u->n) < 0) {
		env_log(&u->env, LOG_WARN,
			"udp: no steering to workers (%s): slower, with everything else as it is",
			strerror(errno));
		return;
	}
	if (config->plaintext)
		return;
	*sink = open_socket(family, config, u->port, MEMBER_SINK);
	if (*sink < 0)
		env_log(&u->env, LOG_WARN, "udp: rubbish is not dropped by the system: %s",
			strerror(errno));
}

/* All sockets of one family. 0 or -1 with errno. */
static int open_family(struct udp *u, uint8_t family, const struct udp_config *config)
{
	for (unsigned i = 0; i < u->n; i++) {
		int *fd = fd_of(u, i, family);
		*fd = open_socket(family, config, u->port, i == 0 ? MEMBER_FIRST : MEMBER_OTHER);
		if (*fd < 0 || (i == 0 && learn_port(u, *fd) < 0))
			return -1;
	}
	if (u->n > 1)
		open_steering(u, family, config);
	return 0;
}

static bool no_such_family(int error)
{
	return error == EAFNOSUPPORT || error == EADDRNOTAVAIL || error == EPROTONOSUPPORT;
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
	if (only == 6 || !no_such_family(errno))
		return -1;
	env_log(&u->env, LOG_INFO, "udp: IPv4 only, this system has no IPv6");
	return 0;
}

/* Has this socket the option, and takes it this value? Older kernels cannot tell what UDP_GRO is. */
static bool takes(int fd, int option, int value)
{
	int got = -1;
	socklen_t len = sizeof got;
	return fd < 0 ||
		(setsockopt(fd, IPPROTO_UDP, option, &value, sizeof value) == 0 &&
			getsockopt(fd, IPPROTO_UDP, option, &got, &len) == 0 && got == value);
}

/* All sockets, since they are one group, or none. UDP_SEGMENT comes with each message; 0 changes nothing. */
static bool all_take(const struct udp *u, int option, int value)
{
	bool all = true;
	for (unsigned i = 0; i < u->n; i++) {
		all &= takes(u->sockets[i].fd4, option, value);
		all &= takes(u->sockets[i].fd6, option, value);
	}
	return all;
}

static void set_offloads(struct udp *u, uint32_t wanted)
{
	char summary[OFFLOAD_SUMMARY_MAX];
	u->offloads = wanted;
	if (wanted & UDP_SEND_TRAINS && !all_take(u, UDP_SEGMENT, 0))
		u->offloads &= ~(uint32_t)UDP_SEND_TRAINS;
	if (wanted & UDP_RECEIVE_TRAINS && !all_take(u, UDP_GRO, 1)) {
		all_take(u, UDP_GRO, 0);
		u->offloads &= ~(uint32_t)UDP_RECEIVE_TRAINS;
	}
	env_log(&u->env, LOG_INFO, "udp: offloads: %s",
		offload_summary(udp_offload_words, wanted, u->offloads, summary));
}

static void report_buffer(const struct udp *u)
{
	int size = 0;
	socklen_t len = sizeof size;
	int fd = u->sockets[0].fd4 >= 0 ? u->sockets[0].fd4 : u->sockets[0].fd6;
	if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, &len) == 0 && size < BUFFER_FEW)
		env_log(&u->env, LOG_WARN,
			"udp: receive buffer of only %d KiB: raise net.core.rmem_max", size / 1024);
}

int udp_open(struct udp **out, const struct udp_config *config, const struct env *env)
{
	*out = NULL;
	if (config->workers > WORKERS_MAX)
		return ERR_UNSUPPORTED;
	unsigned n = 1 + config->workers;
	struct udp *u = calloc(1, sizeof *u + (n + 1) * sizeof *u->sockets);
	if (!u)
		return ERR_NO_SPACE;
	u->env = *env;
	u->n = n;
	for (unsigned i = 0; i <= n; i++)
		u->sockets[i] = closed;
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
	if (config->offloads != 0)
		set_offloads(u, config->offloads);
	report_buffer(u);
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
	uint32_t offloads = u->offloads;
	if (!udp_sends_trains(u, 4) || !udp_sends_trains(u, 6))
		offloads &= ~(uint32_t)UDP_SEND_TRAINS;
	return offloads;
}

int udp_fd(const struct udp *u, unsigned socket, uint8_t family)
{
	if (socket >= u->n)
		return -1;
	return family == 6 ? u->sockets[socket].fd6 : family == 4 ? u->sockets[socket].fd4 : -1;
}

/* What the kernel has dropped for this socket since we asked last; it counts in 32 bits. */
static uint32_t take_drops(int fd, uint32_t *seen)
{
	uint32_t info[SK_MEMINFO_VARS];
	socklen_t len = sizeof info;
	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) < 0 || len < sizeof info)
		return 0;
	uint32_t more = info[SK_MEMINFO_DROPS] - *seen;
	*seen = info[SK_MEMINFO_DROPS];
	return more;
}

struct udp_losses udp_take_losses(struct udp *u)
{
	struct udp_losses losses = {.full = atomic_exchange(&u->lost, 0)};
	for (unsigned i = 0; i <= u->n; i++) {
		struct udp_socket *s = &u->sockets[i];
		uint64_t more =
			(uint64_t)take_drops(s->fd4, &s->drops4) + take_drops(s->fd6, &s->drops6);
		if (i < u->n)
			losses.full += more;
		else
			losses.foreign += more;
	}
	return losses;
}
