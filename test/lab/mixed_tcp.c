#include "mixed.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_MAX     100000
#define NARROW_BYTES 20000
#define URGENT_EACH  3 /* writes */
#define TOS_EACH     16

enum { FORTH, BACK }; /* streams of a connection, and what is drawn for each */
enum { DRAW_SIZE = 2, DRAW_MORE, DRAW_READ, DRAW_TOS };

/* A TCP setting of this process's namespace, for the connections made from now on. */
static void tcp_setting(const struct end *e, const char *path, bool on)
{
	int fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, on ? "1" : "0", 1) != 1)
		die(e, path);
	close(fd);
}

static void open_stream(struct end *e)
{
	const struct flow *f = e->flow;
	open_socket(e, SOCK_STREAM);
	set_int(e, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR");
	if (f->mss)
		set_int(e, IPPROTO_TCP, TCP_MAXSEG, (int)f->mss, "TCP_MAXSEG");
	if (f->congestion)
		setsockopt(e->fd, IPPROTO_TCP, TCP_CONGESTION, f->congestion,
			(socklen_t)strlen(f->congestion));
	set_options(e);
}

void tcp_listen(struct end *e)
{
	struct sockaddr_storage at;
	open_stream(e);
	socklen_t len = address_of(e, false, &at);
	if (e->flow->features & NARROW)
		set_int(e, SOL_SOCKET, SO_RCVBUF, NARROW_BYTES, "SO_RCVBUF");
	if (bind(e->fd, (struct sockaddr *)&at, len) < 0 || listen(e->fd, 1) < 0)
		die(e, "listen");
}

void tcp_connect(struct end *e)
{
	struct sockaddr_storage to;
	tcp_setting(e, "/proc/sys/net/ipv4/tcp_timestamps", !(e->flow->features & NO_TIMESTAMPS));
	tcp_setting(e, "/proc/sys/net/ipv4/tcp_ecn", e->flow->features & ECN);
	open_stream(e);
	socklen_t len = address_of(e, true, &to);
	if (connect(e->fd, (struct sockaddr *)&to, len) < 0)
		die(e, "connect");
}

static void new_tos(const struct end *e, uint64_t number)
{
	bool v4 = e->flow->family == 4;
	set_int(e, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS,
		(int)(draw(e, DRAW_TOS, number) & 0xfc), "DSCP");
}

/* One write, or as many as it takes. */
static void send_all(struct end *e, const uint8_t *bytes, size_t len, int flags)
{
	while (len > 0) {
		ssize_t n = send(e->fd, bytes, len, flags);
		if (n < 0 && errno != EINTR)
			die(e, "send");
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
}

/* The whole stream of one way, in writes of any size. */
static void send_stream(struct end *e, uint64_t way)
{
	const struct flow *f = e->flow;
	uint64_t key = draw(e, way, 0);
	uint8_t *bytes = malloc(f->max);
	if (!bytes)
		die(e, "memory");
	for (uint64_t at = 0, number = 0; at < e->share; number++) {
		size_t len = f->min + draw(e, DRAW_SIZE, number) % (f->max - f->min + 1);
		if (len > e->share - at)
			len = (size_t)(e->share - at);
		int flags = 0;
		if (f->features & MORE && draw(e, DRAW_MORE, number) % 2)
			flags = MSG_MORE;
		if (f->features & URGENT && number % URGENT_EACH == 0)
			flags = MSG_OOB;
		if (f->features & NEW_TOS && number % TOS_EACH == 0)
			new_tos(e, number);
		stream_fill(key, at, bytes, len);
		send_all(e, bytes, len, flags);
		at += len;
	}
	free(bytes);
	shutdown(e->fd, SHUT_WR);
	e->tally.sent = e->share;
}

/* Reads a whole stream in pieces of any size. */
static void take_stream(struct end *e, uint64_t way)
{
	uint64_t key = draw(e, way, 0), at = 0;
	uint8_t *got = malloc(READ_MAX), *due = malloc(READ_MAX);
	if (!got || !due)
		die(e, "memory");
	for (uint64_t number = 0;; number++) {
		ssize_t n = recv(e->fd, got, 1 + draw(e, DRAW_READ, number) % READ_MAX, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			wrong(e, "at byte %llu: %s", (unsigned long long)at, strerror(errno));
		if (n <= 0)
			break;
		stream_fill(key, at, due, (size_t)n);
		same_bytes(e, "from byte", at, got, due, (size_t)n);
		at += (uint64_t)n;
		e->tally.bytes = at;
		e->tally.received = at;
	}
	if (at != e->share)
		wrong(e, "%llu bytes, not %llu", (unsigned long long)at,
			(unsigned long long)e->share);
	free(got);
	free(due);
}

static void *send_back(void *e)
{
	send_stream(e, BACK);
	return NULL;
}

static void *take_back(void *e)
{
	take_stream(e, BACK);
	return NULL;
}

static void prepare(struct end *e)
{
	if (e->flow->features & NODELAY)
		set_int(e, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY");
	set_int(e, SOL_SOCKET, SO_OOBINLINE, 1, "SO_OOBINLINE");
}

/* The stream of the other way in a thread of its own, if there is one. */
static bool other_way(struct end *e, void *(*work)(void *), pthread_t *thread)
{
	if (!(e->flow->features & DUPLEX))
		return false;
	if (pthread_create(thread, NULL, work, e) != 0)
		die(e, "thread");
	return true;
}

void tcp_serve(struct end *e)
{
	pthread_t other;
	int listener = e->fd;
	e->fd = accept(listener, NULL, NULL);
	if (e->fd < 0)
		die(e, "accept");
	close(listener);
	prepare(e);
	bool duplex = other_way(e, send_back, &other);
	take_stream(e, FORTH);
	if (duplex)
		pthread_join(other, NULL);
	close(e->fd);
}

void tcp_send(struct end *e)
{
	pthread_t other;
	prepare(e);
	bool duplex = other_way(e, take_back, &other);
	send_stream(e, FORTH);
	if (duplex)
		pthread_join(other, NULL);
	/* The other end closes when it has read everything. */
	uint8_t byte;
	if (!duplex && recv(e->fd, &byte, 1, 0) != 0)
		wrong(e, "the other end did not end well: %s", strerror(errno));
	close(e->fd);
}
