/*
 * Floods one warrend with datagrams that it must get rid of, at a paced rate: raw Ethernet frames on the
 * far end of its veth pair, with spoofed sources. Prints what it sent as one JSON object.
 *
 *   blaster KIND --device DEV --mac MAC --to ADDRESS [--port 4754] [--rate 100000] [--seconds 5]
 *           [--key BASE64] [--network BASE64] [--sniff SECONDS] [--tick MICROSECONDS]
 *
 * A stock of frames is made first, by kind (blaster_stock.c); then they go round, each with a new source.
 * IPv4 underlays only. It works in the network namespaces of the lab alone.
 */
#include "test/bench/blaster.h"

#include "core/crypto/primitives.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NETNS   "/run/netns"
#define BURST   64 /* frames a system call */
#define LATE_NS 2000000
#define SPOOFED 0xC6120000u /* 198.18.0.0/15, for benchmarks: RFC 2544 */

struct account {
	uint64_t sent, failed, bytes; /* bytes of UDP payload */
	uint64_t took_ns, late_ns;    /* the worst wait for a turn beyond its time */
	double cpu_s;
};

static volatile sig_atomic_t stopped; /* by SIGTERM: it tells what it sent up to then */

static void on_stop(int number)
{
	(void)number;
	stopped = 1;
}

static _Noreturn void usage(void)
{
	fputs("usage: blaster KIND --device DEV --mac MAC --to ADDRESS [--port N] [--rate N]\n"
	      "               [--seconds S] [--key BASE64] [--network BASE64] [--sniff S] [--tick "
	      "US]\n"
	      "kinds:",
		stderr);
	for (unsigned i = 0; i < BLASTER_KINDS; i++)
		fprintf(stderr, " %s", blaster_kind_name(i));
	fputc('\n', stderr);
	exit(2);
}

_Noreturn void blaster_fail(const char *what)
{
	fprintf(stderr, "blaster: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- Command line ------------------------------------------------------------------------------ */

static void read_options(int argc, char **argv, struct blaster *b)
{
	static const struct option options[] = {{"device", 1, 0, 'd'}, {"mac", 1, 0, 'm'},
		{"to", 1, 0, 't'}, {"port", 1, 0, 'p'}, {"rate", 1, 0, 'r'}, {"seconds", 1, 0, 's'},
		{"key", 1, 0, 'k'}, {"network", 1, 0, 'n'}, {"sniff", 1, 0, 'f'},
		{"tick", 1, 0, 'i'}, {0}};
	uint8_t network[2 * KEY_LEN];
	int o;
	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 'd':
			b->device = optarg;
			break;
		case 'm':
			if (sscanf(optarg, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &b->mac[0], &b->mac[1],
				    &b->mac[2], &b->mac[3], &b->mac[4], &b->mac[5]) != 6)
				usage();
			break;
		case 't':
			if (inet_pton(AF_INET, optarg, &b->to) != 1)
				usage();
			break;
		case 'p':
			b->port = (uint16_t)atoi(optarg);
			break;
		case 'r':
			b->rate = strtoull(optarg, NULL, 10);
			break;
		case 's':
			b->seconds = atof(optarg);
			break;
		case 'f':
			b->sniff_s = atof(optarg);
			break;
		case 'i':
			b->tick_ns = strtoull(optarg, NULL, 10) * 1000;
			break;
		case 'k':
			if (prim_key_parse(b->key, optarg) != 0)
				usage();
			break;
		case 'n':
			if (prim_base64_decode(network, sizeof network, optarg) != sizeof network)
				usage();
			memcpy(b->network_id, network, KEY_LEN);
			break;
		default:
			usage();
		}
	}
	if (optind + 1 != argc || !b->device || !b->to.s_addr || b->rate == 0)
		usage();
	b->kind = blaster_kind(argv[optind]);
	if (b->kind == BLASTER_KINDS)
		usage();
}

/* Nothing is flooded but what the lab made: namespaces whose names begin with warren-. */
static void refuse_the_machine(void)
{
	struct stat own, named;
	struct dirent *entry;
	DIR *dir = opendir(NETNS);
	if (stat("/proc/self/ns/net", &own) < 0)
		blaster_fail("/proc/self/ns/net");
	while (dir && (entry = readdir(dir))) {
		char path[sizeof NETNS + sizeof entry->d_name + 1];
		snprintf(path, sizeof path, NETNS "/%s", entry->d_name);
		if (strncmp(entry->d_name, "warren-", 7) == 0 && stat(path, &named) == 0 &&
			named.st_ino == own.st_ino && named.st_dev == own.st_dev) {
			closedir(dir);
			return;
		}
	}
	fputs("blaster: only in a network namespace of the lab\n", stderr);
	exit(1);
}

/* ---- Sending ----------------------------------------------------------------------------------- */

static int open_device(const struct blaster *b)
{
	int on = 1;
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_ifindex = (int)b->ifindex};
	int fd = socket(AF_PACKET, SOCK_RAW, 0); /* protocol 0: it receives nothing */
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0 ||
		setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on) < 0)
		blaster_fail(b->device);
	return fd;
}

/* Sends the next n frames of the stock, n <= BURST. */
static void send_burst(struct blaster *b, int fd, unsigned n, struct account *a)
{
	struct mmsghdr m[BURST];
	struct iovec iov[BURST];
	for (unsigned i = 0; i < n; i++) {
		struct frame *f = &b->stock[b->at++ % b->n_stock];
		if (b->spoof)
			frame_set_source(f, SPOOFED | ((uint32_t)blaster_random(b) & 0x1ffff),
				(uint16_t)(1024 + blaster_random(b) % 60000));
		if (b->kind ==
			BLASTER_WRONG_TAG) /* far ahead of the window, so it must be opened */
			store_u32(frame_payload(f) + 8,
				0x40000000u | (uint32_t)blaster_random(b) >> 2);
		a->bytes += f->len - FRAME_HEADERS;
		iov[i] = (struct iovec){f->bytes, f->len};
		m[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
	}
	for (unsigned i = 0; i < n;) {
		int sent = sendmmsg(fd, m + i, n - i, 0);
		if (sent > 0) {
			a->sent += (unsigned)sent;
			i += (unsigned)sent;
		} else if (errno != EINTR) {
			a->failed++;
			i++;
		}
	}
}

/*
 * At each tick what is due by then. Time lost to other processes is made up for by at most two
 * milliseconds' worth, so that the rate is kept without a gush.
 */
static void blast(struct blaster *b, struct account *a)
{
	int fd = open_device(b);
	uint64_t start = now_ns(), next = start, end = start + (uint64_t)(b->seconds * 1e9);
	uint64_t due = 0, at;
	while (!stopped && (at = now_ns()) < end) {
		uint64_t total = (uint64_t)((double)(at - start) * (double)b->rate / 1e9);
		uint64_t most = 1 + b->rate * LATE_NS / 1000000000u;
		if (at > next && at - next > a->late_ns)
			a->late_ns = at - next;
		for (uint64_t n = total - due < most ? total - due : most; n > 0;) {
			unsigned burst = n < BURST ? (unsigned)n : BURST;
			send_burst(b, fd, burst, a);
			n -= burst;
		}
		due = total;
		next = at + b->tick_ns;
		struct timespec until = {(time_t)(next / 1000000000u), (long)(next % 1000000000u)};
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
	}
	a->took_ns = now_ns() - start;
	close(fd);
}

int main(int argc, char **argv)
{
	static struct blaster b = {
		.port = 4754, .rate = 100000, .seconds = 5, .sniff_s = 1, .tick_ns = 500000};
	struct account a = {0};
	struct rusage before, after;
	if (prim_init() != 0)
		return 1;
	read_options(argc, argv, &b);
	refuse_the_machine();
	signal(SIGTERM, on_stop);
	prim_random(&b.seed, sizeof b.seed);
	b.seed |= 1;
	b.ifindex = if_nametoindex(b.device);
	if (b.ifindex == 0)
		blaster_fail(b.device);
	blaster_make_stock(&b);
	getrusage(RUSAGE_SELF, &before);
	blast(&b, &a);
	getrusage(RUSAGE_SELF, &after);
	a.cpu_s = (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec -
			  before.ru_stime.tv_sec) +
		(double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec -
			before.ru_stime.tv_usec) /
			1e6;
	printf("{\"kind\": \"%s\", \"sent\": %llu, \"failed\": %llu, \"bytes\": %llu, "
	       "\"seconds\": %.3f, \"rate\": %.0f, \"late_ms\": %.2f, \"cpu_us\": %.3f}\n",
		blaster_kind_name(b.kind), (unsigned long long)a.sent, (unsigned long long)a.failed,
		(unsigned long long)a.bytes, (double)a.took_ns / 1e9,
		(double)a.sent * 1e9 / (double)a.took_ns, (double)a.late_ns / 1e6,
		a.sent ? a.cpu_s * 1e6 / (double)a.sent : 0);
	return a.sent == 0;
}
