/*
 * As many datagrams as a tunnel carries, one datagram a packet (no UDP_SEGMENT), so that the tunnel is what
 * is measured and not a rate that somebody chose.
 *
 *   pktload receive PORT REPORT-ADDRESS REPORT-PORT        until SIGTERM
 *   pktload send ADDRESS PORT REPORT-PORT BYTES SECONDS    prints what got through as one JSON object
 *
 * Each datagram carries its number. The receiver reports what it has, beside the tunnel, and the sender
 * keeps a window of datagrams in flight: it grows while nothing is lost and shrinks when something is, as
 * TCP's does. A sender that only floods would measure how well a tunnel discards.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BURST     64 /* datagrams a system call */
#define BYTES_MAX 1472
#define BUFFER    (8 << 20)
#define TURN_NS                                                                                    \
	200000 /* between two looks: being woken for each datagram would cost more than it */
#define NS_PER_MS    1000000ull
#define NS_PER_S     1000000000ull
#define WARM_UP_NS   (300 * NS_PER_MS)
#define LOST_NS      (50 * NS_PER_MS) /* no report for so long: all that is in flight is lost */
#define WINDOW_MIN   64.0
#define WINDOW_MAX   8192.0
#define WINDOW_FIRST 256.0
#define GROWTH       16.0 /* datagrams a round trip */
#define SHRINKS_TO   0.75

/* On one machine: host order. */
struct report {
	uint64_t next;     /* one above the highest number that has come */
	uint64_t received; /* datagrams */
};

struct sender {
	int data, reports;
	size_t bytes;
	uint64_t sent, heard_ns;
	struct report told;
	uint64_t given_up; /* what lies below this number flies no more */
	double window;
	uint64_t cut; /* the window was cut for what lies below this number */
};

static volatile sig_atomic_t stopped;

static void on_stop(int number)
{
	(void)number;
	stopped = 1;
}

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "pktload: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static struct sockaddr_in endpoint(const char *address, const char *port)
{
	struct sockaddr_in e = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	if (address && inet_pton(AF_INET, address, &e.sin_addr) != 1) {
		errno = EINVAL;
		fail(address);
	}
	return e;
}

/* A socket bound to a port (address NULL), or connected to an endpoint. */
static int open_socket(const char *address, const char *port)
{
	struct sockaddr_in e = endpoint(address, port);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), size = BUFFER;
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0 ||
		(address ? connect : bind)(fd, (struct sockaddr *)&e, sizeof e) < 0)
		fail("a socket");
	return fd;
}

/* ---- Receiving --------------------------------------------------------------------------------- */

static void account(struct report *r, const uint8_t *data, size_t len)
{
	uint64_t number;
	if (len < sizeof number)
		return;
	memcpy(&number, data, sizeof number);
	r->received++;
	if (number >= r->next)
		r->next = number + 1;
}

static void receive(int fd, int reports)
{
	static uint8_t data[BURST][BYTES_MAX];
	struct mmsghdr m[BURST] = {0};
	struct iovec iov[BURST];
	struct report r = {0}, told = {0};
	struct timespec turn = {.tv_nsec = TURN_NS};
	for (unsigned i = 0; i < BURST; i++) {
		iov[i] = (struct iovec){data[i], BYTES_MAX};
		m[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
	}
	while (!stopped) {
		int n = recvmmsg(fd, m, BURST, MSG_DONTWAIT, NULL);
		for (int i = 0; i < n; i++)
			account(&r, data[i], m[i].msg_len);
		if (n == BURST)
			continue;
		/* A refused report is like a lost one: another follows. */
		if (r.received > told.received && send(reports, &r, sizeof r, 0) == sizeof r)
			told = r;
		nanosleep(&turn, NULL);
	}
}

/* ---- Sending ----------------------------------------------------------------------------------- */

static void send_burst(struct sender *s, unsigned n)
{
	static uint8_t data[BURST][BYTES_MAX];
	struct mmsghdr m[BURST];
	struct iovec iov[BURST];
	for (unsigned i = 0; i < n; i++) {
		uint64_t number = s->sent + i;
		memcpy(data[i], &number, sizeof number);
		iov[i] = (struct iovec){data[i], s->bytes};
		m[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &iov[i], .msg_iovlen = 1}};
	}
	int sent = sendmmsg(s->data, m, n, 0);
	/* What a full device refuses (ENOBUFS) counts as sent and lost. */
	s->sent += sent > 0 ? (unsigned)sent : 1;
}

static void cut_window(struct sender *s)
{
	s->window *= SHRINKS_TO;
	if (s->window < WINDOW_MIN)
		s->window = WINDOW_MIN;
	s->cut = s->sent;
}

static void hear(struct sender *s, const struct report *r)
{
	if (r->next <= s->told.next)
		return;
	uint64_t came = r->next - s->told.next, got = r->received - s->told.received;
	s->told = *r;
	if (got >= came) {
		s->window += GROWTH * (double)came / s->window;
		if (s->window > WINDOW_MAX)
			s->window = WINDOW_MAX;
	} else if (r->next > s->cut) {
		cut_window(s);
	}
}

/* Reads the reports that are there, or waits for one. */
static void hear_reports(struct sender *s, bool wait)
{
	struct pollfd p = {.fd = s->reports, .events = POLLIN};
	struct report r;
	if (wait)
		poll(&p, 1, (int)(LOST_NS / NS_PER_MS));
	while (recv(s->reports, &r, sizeof r, MSG_DONTWAIT) == sizeof r) {
		hear(s, &r);
		s->heard_ns = now_ns();
	}
}

/* How many datagrams may be sent now. */
static uint64_t room_of(const struct sender *s)
{
	uint64_t done = s->told.next > s->given_up ? s->told.next : s->given_up;
	uint64_t flying = s->sent - done, window = (uint64_t)s->window;
	return flying < window ? window - flying : 0;
}

static void send_for(struct sender *s, uint64_t seconds)
{
	uint64_t began = now_ns(), warm_ns = 0, now;
	struct report warm = {0};
	s->heard_ns = began;
	while ((now = now_ns()) - began < seconds * NS_PER_S && !stopped) {
		if (!warm_ns && now - began >= WARM_UP_NS) {
			warm_ns = now;
			warm = s->told;
		}
		if (now - s->heard_ns > LOST_NS) {
			s->given_up = s->sent;
			s->heard_ns = now;
			cut_window(s);
		}
		uint64_t room = room_of(s);
		if (room)
			send_burst(s, room < BURST ? (unsigned)room : BURST);
		hear_reports(s, room <= BURST);
	}
	double took = (double)(now - warm_ns) / 1e9;
	uint64_t sent = s->sent;
	hear_reports(s, true);
	while (s->told.next < sent && now_ns() - now < LOST_NS)
		hear_reports(s, true);
	printf("{\"sent\": %llu, \"received\": %llu, \"per_s\": %.0f, \"window\": %.0f}\n",
		(unsigned long long)sent, (unsigned long long)s->told.received,
		warm_ns ? (double)(s->told.received - warm.received) / took : 0.0, s->window);
}

int main(int argc, char **argv)
{
	prctl(PR_SET_TIMERSLACK, 1000);
	struct sigaction stop = {.sa_handler = on_stop};
	sigaction(SIGTERM, &stop, NULL);
	if (argc == 5 && strcmp(argv[1], "receive") == 0) {
		receive(open_socket(NULL, argv[2]), open_socket(argv[3], argv[4]));
		return 0;
	}
	if (argc != 7 || strcmp(argv[1], "send") != 0) {
		fputs("usage: pktload receive PORT REPORT-ADDRESS REPORT-PORT\n"
		      "       pktload send ADDRESS PORT REPORT-PORT BYTES SECONDS\n",
			stderr);
		return 2;
	}
	struct sender s = {.data = open_socket(argv[2], argv[3]),
		.reports = open_socket(NULL, argv[4]),
		.bytes = (size_t)atoi(argv[5]),
		.window = WINDOW_FIRST};
	if (s.bytes < sizeof(uint64_t) || s.bytes > BYTES_MAX) {
		errno = EINVAL;
		fail(argv[5]);
	}
	send_for(&s, (uint64_t)atoi(argv[6]));
	return 0;
}
