#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/*
 * Counted UDP for the laboratory: each datagram carries its number, so that the receiver knows of every
 * one that was lost, came twice, or came late. One line of JSON at the end; "last" is when the last one
 * came, s of CLOCK_MONOTONIC.
 *
 *   udpcount send ADDRESS PORT PACKETS-PER-S SECONDS BYTES    until the time is over, or SIGTERM
 *   udpcount receive PORT                                     until SIGTERM
 */
#define BURST      64
#define BYTES_MAX  1400
#define NUMBERS    (1u << 26) /* numbers that are told apart */
#define LATE       64         /* this far behind the newest counts as late */
#define NS_PER_S   1000000000ull
#define BUFFER     (8 << 20)
#define ENOUGH_ARG 7

static volatile sig_atomic_t ended;

static void on_signal(int number)
{
	(void)number;
	ended = 1;
}

static uint64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static int fail(const char *what)
{
	fprintf(stderr, "udpcount: %s: %s\n", what, strerror(errno));
	return 1;
}

static int open_socket(int option)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0), size = BUFFER;
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, option, &size, sizeof size) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Sends what is due by now. Returns the next number. */
static uint64_t send_due(int fd, uint64_t number, uint64_t due, size_t bytes, uint64_t *refused)
{
	static uint8_t data[BURST][BYTES_MAX];
	struct mmsghdr m[BURST];
	struct iovec iov[BURST];
	unsigned n = due - number < BURST ? (unsigned)(due - number) : BURST;
	for (unsigned i = 0; i < n; i++) {
		uint64_t value = number + i;
		memcpy(data[i], &value, sizeof value);
		iov[i] = (struct iovec){data[i], bytes};
		m[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &iov[i], .msg_iovlen = 1}};
	}
	int sent = sendmmsg(fd, m, n, 0);
	if (sent > 0)
		return number + (unsigned)sent;
	++*refused; /* the number is used up: it counts as lost */
	return number + 1;
}

static int run_send(char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
	double rate = atof(argv[2]), seconds = atof(argv[3]);
	size_t bytes = (size_t)atoi(argv[4]);
	int fd = open_socket(SO_SNDBUF);
	if (inet_pton(AF_INET, argv[0], &to.sin_addr) != 1 || bytes < 8 || bytes > BYTES_MAX)
		return fail("arguments");
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
		return fail("socket");
	uint64_t began = now_ns(), number = 0, refused = 0;
	for (uint64_t now = began; !ended && now - began < (uint64_t)(seconds * 1e9);
		now = now_ns()) {
		uint64_t due = (uint64_t)((double)(now - began) / 1e9 * rate) + 1;
		while (number < due && !ended)
			number = send_due(fd, number, due, bytes, &refused);
		double next = (double)began + (double)number / rate * 1e9;
		double wait = next - (double)now_ns();
		if (wait > 0)
			nanosleep(&(struct timespec){0, (long)(wait < 2e7 ? wait : 2e7)}, NULL);
	}
	printf("{\"sent\": %llu, \"refused\": %llu, \"seconds\": %.3f}\n",
		(unsigned long long)number, (unsigned long long)refused,
		(double)(now_ns() - began) / 1e9);
	return 0;
}

struct tally {
	uint8_t *seen; /* a bit a number */
	uint64_t received, twice, late, highest, last_ns, gap_ns, gap_at;
};

static void take(struct tally *t, uint64_t number, uint64_t now)
{
	number %= NUMBERS;
	uint8_t bit = (uint8_t)(1u << (number & 7));
	if (t->seen[number >> 3] & bit) {
		t->twice++;
		return;
	}
	t->seen[number >> 3] |= bit;
	if (t->received++ > 0 && now - t->last_ns > t->gap_ns) {
		t->gap_ns = now - t->last_ns;
		t->gap_at = number;
	}
	t->last_ns = now;
	if (number > t->highest)
		t->highest = number;
	else if (t->highest - number > LATE)
		t->late++;
}

static int run_receive(char **argv)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[0]))};
	static uint8_t data[BURST][BYTES_MAX];
	struct tally t = {.seen = calloc(NUMBERS / 8, 1)};
	int fd = open_socket(SO_RCVBUF);
	if (!t.seen || fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0)
		return fail("socket");
	int size = BUFFER;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
	while (!ended) {
		struct mmsghdr m[BURST];
		struct iovec iov[BURST];
		for (unsigned i = 0; i < BURST; i++) {
			iov[i] = (struct iovec){data[i], BYTES_MAX};
			m[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &iov[i], .msg_iovlen = 1}};
		}
		int n = recvmmsg(fd, m, BURST, MSG_WAITFORONE, NULL);
		uint64_t now = now_ns();
		for (int i = 0; i < n; i++) {
			uint64_t number;
			memcpy(&number, data[i], sizeof number);
			if (m[i].msg_len >= sizeof number)
				take(&t, number, now);
		}
	}
	uint64_t expected = t.received ? t.highest + 1 : 0;
	printf("{\"received\": %llu, \"missing\": %llu, \"twice\": %llu, \"late\": %llu, "
	       "\"gap_ms\": %.1f, \"gap_at\": %llu, \"last\": %.3f}\n",
		(unsigned long long)t.received, (unsigned long long)(expected - t.received),
		(unsigned long long)t.twice, (unsigned long long)t.late, (double)t.gap_ns / 1e6,
		(unsigned long long)t.gap_at, (double)t.last_ns / 1e9);
	return 0;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal};
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	if (argc == ENOUGH_ARG && strcmp(argv[1], "send") == 0)
		return run_send(argv + 2);
	if (argc == 3 && strcmp(argv[1], "receive") == 0)
		return run_receive(argv + 2);
	fputs("usage: udpcount send ADDRESS PORT PER-SECOND SECONDS BYTES | receive PORT\n",
		stderr);
	return 2;
}
