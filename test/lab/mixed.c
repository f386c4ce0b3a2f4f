#include "mixed.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/*
 * Mixed traffic for the laboratory, all flows of a table at once: TCP and UDP on IPv4 and IPv6 with
 * odd sizes, options, fragments, segmented writes and ECN marks. Every byte follows from a seed, and
 * the receiver checks each one, and each datagram's length, DSCP, ECN, TTL, label and options, and that
 * none comes twice or late. A lost datagram is no fault: both ends tell what they counted, one line of
 * JSON each, and the caller compares.
 *
 *   mixed [options] receive                     "ready" when it listens; until SIGTERM
 *   mixed [options] send ADDRESS4 ADDRESS6      until all is received
 *
 *   -s SEED  -m MEGABYTES  -u MTU  -c (routers may mark CE)
 *   -f FLOWS (only names that begin so)  -x FLOWS (none that end so)
 *
 * Root, for raw sockets, IPv6 options, and the namespace's TCP settings.
 */
#define TOLD_MAX  3 /* faults of a flow that are told in words */
#define FLOWS_MAX 64

/* clang-format off */
const struct flow flows[] = {
	/* name, TCP, family, features, weight, min, max, group, MSS, congestion control */
	{"tcp4-bulk", true, 4, 0, 20, 1, 300000, 0, 0, NULL},
	{"tcp6-bulk", true, 6, 0, 20, 1, 300000, 0, 0, NULL},
	{"tcp4-odd", true, 4, NODELAY | NO_TIMESTAMPS, 4, 1, 5000, 0, 0, "cubic"},
	{"tcp6-odd", true, 6, NODELAY | NO_TIMESTAMPS, 4, 1, 5000, 0, 0, "cubic"},
	{"tcp4-mss", true, 4, MORE, 4, 1, 20000, 0, 536, "reno"},
	{"tcp6-mss", true, 6, MORE, 4, 1, 20000, 0, 777, "reno"},
	{"tcp4-narrow", true, 4, NARROW | MORE | NO_TIMESTAMPS, 3, 1, 100000, 0, 0, "cubic"},
	{"tcp6-narrow", true, 6, NARROW | MORE | NO_TIMESTAMPS, 3, 1, 100000, 0, 0, "cubic"},
	{"tcp4-ecn", true, 4, ECN | NEW_TOS, 8, 1, 100000, 0, 0, "cubic"},
	{"tcp6-ecn", true, 6, ECN | NEW_TOS, 8, 1, 100000, 0, 0, "cubic"},
	{"tcp4-options", true, 4, OPTIONS, 5, 1, 100000, 0, 0, "cubic"},
	/* Linux 6.18 forwards such trains only if they would fit with the longest TCP header, too. */
	{"tcp6-options", true, 6, OPTIONS, 5, 1, 100000, 0, 1260, "cubic"},
	{"tcp4-duplex", true, 4, DUPLEX | URGENT, 4, 1, 50000, 0, 0, "cubic"},
	{"tcp6-duplex", true, 6, DUPLEX | URGENT | NODELAY, 4, 1, 5000, 0, 0, "cubic"},

	{"udp4-any", false, 4, 0, 4, 0, 0, 1, 0, NULL},
	{"udp6-any", false, 6, 0, 4, 0, 0, 1, 0, NULL},
	{"udp4-tiny", false, 4, 0, 1, 0, 100, 3, 0, NULL},
	{"udp6-tiny", false, 6, 0, 1, 0, 100, 3, 0, NULL},
	{"udp4-equal", false, 4, 0, 4, 1, 0, 17, 0, NULL},
	{"udp6-equal", false, 6, 0, 4, 1, 0, 17, 0, NULL},
	{"udp4-segment", false, 4, SEGMENT, 6, 1, 0, 44, 0, NULL},
	{"udp6-segment", false, 6, SEGMENT, 6, 1, 0, 44, 0, NULL},
	{"udp4-grouped", false, 4, SEGMENT | GROUPED, 5, 1, 1000, 64, 0, NULL},
	{"udp6-grouped", false, 6, SEGMENT | GROUPED, 5, 1, 1000, 64, 0, NULL},
	{"udp4-long", false, 4, 0, 6, 1500, 65507, 1, 0, NULL},
	{"udp6-long", false, 6, 0, 6, 1500, 65507, 1, 0, NULL},
	{"udp4-longer", false, 4, NO_DF, 3, 0, 5000, 3, 0, NULL},
	{"udp6-longer", false, 6, 0, 3, 0, 5000, 3, 0, NULL},
	{"udp4-unchecked", false, 4, NO_CHECKSUM, 3, 1, 0, 11, 0, NULL},
	{"udp4-bad", false, 4, BAD_CHECKSUM, 2, 1, 0, 19, 0, NULL},
	{"udp6-bad", false, 6, BAD_CHECKSUM, 2, 1, 0, 19, 0, NULL},
	{"udp4-options", false, 4, OPTIONS, 3, 1, 0, 9, 0, NULL},
	{"udp6-options", false, 6, OPTIONS, 3, 1, 3000, 9, 0, NULL},
	{"udp6-hop", false, 6, HOP_OPTIONS, 3, 1, 0, 9, 0, NULL},
	{"udp6-labels", false, 6, LABELS, 3, 1, 0, 21, 0, NULL},
	{NULL, false, 0, 0, 0, 0, 0, 0, 0, NULL},
};
/* clang-format on */

/* No operation, router alert (RFC 2113), three times no operation. */
const uint8_t ipv4_options[8] = {0x01, 0x94, 0x04, 0x00, 0x00, 0x01, 0x01, 0x01};
/* Next header (the system's to set), length, an option for experiments to be skipped (RFC 4727). */
const uint8_t ipv6_options[8] = {0x00, 0x00, 0x1e, 0x04, 0x77, 0x61, 0x72, 0x6e};

/* Finalizer of SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

uint64_t draw(const struct end *e, uint64_t kind, uint64_t number)
{
	return mix(mix(mix(e->run->seed + e->index) + kind) + number);
}

void stream_fill(uint64_t key, uint64_t offset, uint8_t *out, size_t len)
{
	for (size_t done = 0; done < len;) {
		uint64_t word = mix(key + (offset + done) / 8);
		size_t skip = (offset + done) % 8, n = 8 - skip;
		if (n > len - done)
			n = len - done;
		memcpy(out + done, (uint8_t *)&word + skip, n);
		done += n;
	}
}

void wrong(struct end *e, const char *what, ...)
{
	if (e->tally.wrong++ >= TOLD_MAX)
		return;
	char text[200];
	va_list args;
	va_start(args, what);
	vsnprintf(text, sizeof text, what, args);
	va_end(args);
	fprintf(stderr, "%s: %s\n", e->flow->name, text);
}

bool same_bytes(struct end *e, const char *what, uint64_t number, const uint8_t *got,
	const uint8_t *due, size_t len)
{
	if (memcmp(got, due, len) == 0)
		return true;
	size_t first = 0, last = len - 1;
	while (got[first] == due[first])
		first++;
	while (got[last] == due[last])
		last--;
	wrong(e, "%s %llu: bytes %zu to %zu of %zu differ: the first is %02x, not %02x", what,
		(unsigned long long)number, first, last, len, got[first], due[first]);
	return false;
}

void die(const struct end *e, const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", e ? e->flow->name : "mixed", what, strerror(errno));
	exit(1);
}

socklen_t address_of(const struct end *e, bool to, struct sockaddr_storage *out)
{
	in_port_t port = htons((uint16_t)(FLOW_PORT_FIRST + e->index));
	memset(out, 0, sizeof *out);
	if (e->flow->family == 4) {
		struct sockaddr_in *in = (struct sockaddr_in *)out;
		*in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port};
		if (to && inet_pton(AF_INET, e->run->address4, &in->sin_addr) != 1)
			die(e, e->run->address4);
		return sizeof *in;
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
	*in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = port};
	if (to && inet_pton(AF_INET6, e->run->address6, &in6->sin6_addr) != 1)
		die(e, e->run->address6);
	return sizeof *in6;
}

void set_int(const struct end *e, int level, int option, int value, const char *what)
{
	if (setsockopt(e->fd, level, option, &value, sizeof value) < 0)
		die(e, what);
}

void open_socket(struct end *e, int type)
{
	bool v4 = e->flow->family == 4;
	e->fd = socket(v4 ? AF_INET : AF_INET6, type, 0);
	if (e->fd < 0)
		die(e, "socket");
	if (!v4)
		set_int(e, IPPROTO_IPV6, IPV6_V6ONLY, 1, "IPV6_V6ONLY");
}

void set_options(const struct end *e)
{
	bool v4 = e->flow->family == 4;
	const uint8_t *bytes = v4 ? ipv4_options : ipv6_options;
	if (e->flow->features & OPTIONS &&
		setsockopt(e->fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_OPTIONS : IPV6_DSTOPTS,
			bytes, sizeof ipv4_options) < 0)
		die(e, "options");
	if (e->flow->features & HOP_OPTIONS &&
		setsockopt(e->fd, IPPROTO_IPV6, IPV6_HOPOPTS, bytes, sizeof ipv6_options) < 0)
		die(e, "hop-by-hop options");
}

size_t options_len(const struct flow *f)
{
	size_t each = sizeof ipv4_options;
	return (f->features & OPTIONS ? each : 0) + (f->features & HOP_OPTIONS ? each : 0);
}

static double now_s(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void *send_flow(void *arg)
{
	struct end *e = arg;
	double began = now_s();
	(e->flow->tcp ? tcp_send : udp_send)(e);
	e->tally.seconds = now_s() - began;
	return NULL;
}

static void *serve_flow(void *arg)
{
	struct end *e = arg;
	(e->flow->tcp ? tcp_serve : udp_serve)(e);
	return NULL;
}

static bool chosen(const char *name, const char *only, const char *none)
{
	size_t len = strlen(name), end = strlen(none);
	if (end > 0 && len >= end && strcmp(name + len - end, none) == 0)
		return false;
	return strncmp(name, only, strlen(only)) == 0;
}

/* The ends of the flows that are to run, with their shares. Returns how many. */
static unsigned choose(const struct run *run, const char *only, const char *none, struct end *ends)
{
	unsigned n = 0, weights = 0;
	for (unsigned i = 0; flows[i].name; i++) {
		if (!chosen(flows[i].name, only, none))
			continue;
		ends[n++] = (struct end){
			.run = run, .flow = &flows[i], .index = i, .fd = -1, .tally.hops = -1};
		weights += flows[i].weight;
	}
	for (unsigned i = 0; i < n; i++)
		ends[i].share = run->bytes / weights * ends[i].flow->weight;
	return n;
}

static void report(const struct end *ends, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct tally *t = &ends[i].tally;
		printf("%s\"%s\": {\"sent\": %llu, \"received\": %llu, \"bytes\": %llu, \"wrong\": "
		       "%llu, "
		       "\"late\": %llu, \"marked\": %llu, \"refused\": %llu, \"seconds\": %.3f, "
		       "\"hops\": %d}",
			i ? ", " : "{", ends[i].flow->name, (unsigned long long)t->sent,
			(unsigned long long)t->received, (unsigned long long)t->bytes,
			(unsigned long long)t->wrong, (unsigned long long)t->late,
			(unsigned long long)t->marked, (unsigned long long)t->refused, t->seconds,
			t->hops);
	}
	puts("}");
}

static int run_send(struct end *ends, unsigned n)
{
	pthread_t threads[FLOWS_MAX];
	for (unsigned i = 0; i < n; i++)
		(ends[i].flow->tcp ? tcp_connect : udp_connect)(&ends[i]);
	for (unsigned i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, send_flow, &ends[i]) != 0)
			die(&ends[i], "thread");
	for (unsigned i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	report(ends, n);
	return 0;
}

/* The numbers are those of threads that still run, but by then all has come that will. */
static int run_receive(struct end *ends, unsigned n)
{
	sigset_t end;
	sigemptyset(&end);
	sigaddset(&end, SIGTERM);
	sigaddset(&end, SIGINT);
	pthread_sigmask(SIG_BLOCK, &end, NULL);
	for (unsigned i = 0; i < n; i++)
		(ends[i].flow->tcp ? tcp_listen : udp_listen)(&ends[i]);
	for (unsigned i = 0; i < n; i++) {
		pthread_t thread;
		if (pthread_create(&thread, NULL, serve_flow, &ends[i]) != 0)
			die(&ends[i], "thread");
	}
	puts("ready");
	fflush(stdout);
	int number;
	sigwait(&end, &number);
	report(ends, n);
	return 0;
}

int main(int argc, char **argv)
{
	static struct end ends[FLOWS_MAX];
	struct run run = {.seed = 1, .bytes = 50000000, .mtu = 1400};
	const char *only = "", *none = "";
	for (int option; (option = getopt(argc, argv, "s:m:u:f:x:c")) != -1;) {
		switch (option) {
		case 's':
			run.seed = strtoull(optarg, NULL, 10);
			break;
		case 'm':
			run.bytes = strtoull(optarg, NULL, 10) * 1000000;
			break;
		case 'u':
			run.mtu = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'f':
			only = optarg;
			break;
		case 'x':
			none = optarg;
			break;
		case 'c':
			run.marks = true;
			break;
		default:
			return 2;
		}
	}
	argc -= optind;
	argv += optind;
	unsigned n = choose(&run, only, none, ends);
	signal(SIGPIPE, SIG_IGN);
	if (n > 0 && argc == 1 && strcmp(argv[0], "receive") == 0)
		return run_receive(ends, n);
	if (n > 0 && argc == 3 && strcmp(argv[0], "send") == 0) {
		run.address4 = argv[1];
		run.address6 = argv[2];
		return run_send(ends, n);
	}
	fputs("usage: mixed [-s seed] [-m megabytes] [-u mtu] [-f flows] [-x flows] [-c] receive | "
	      "send ADDRESS4 ADDRESS6\n",
		stderr);
	return 2;
}
