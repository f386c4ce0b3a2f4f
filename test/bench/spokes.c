/*
 * Many spokes in one process, against one real hub: each an engine of its own with a UDP socket of its
 * own, on an address of its own out of --from, which the system must take for local ("ip route add local
 * PREFIX dev lo"). No TUN and no routes: they join, register, keep alive and rekey. Each second, and at
 * the end (SIGTERM), a JSON line: how many have registered so far, and the datagrams in and out.
 *
 *   spokes --root FILE --network BASE64 --bundle FILE --count N --from 10.64.0.0 [--rate N]
 *
 * rate: so many begin each second. Overlay addresses are 10.77.1.1 and on, in 10.77.0.0/16.
 */
#include "core/base/cursor.h"
#include "core/base/timer.h"
#include "core/cli/keyfile.h"
#include "core/config/pem.h"
#include "core/crypto/primitives.h"
#include "core/engine/engine.h"
#include "core/trust/bundle.h"
#include "core/trust/cert.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORT      4754
#define EVENTS    256
#define PER_EVENT 8 /* datagrams of one spoke before the next has its turn */
#define OVERLAY   0x0A4D0101u
#define A_DAY     86400
#define BUFFER    (256 * 1024)

struct spoke {
	struct cloud *cloud;
	struct engine *engine;
	struct env env;
	struct timer timer;
	int fd;
	bool registered;
};

struct cloud {
	const char *root, *network, *bundle;
	struct in_addr from;
	unsigned count;
	double rate;
	uint8_t network_id[KEY_LEN], root_key[KEY_LEN], root_secret[SIGN_SECRET_LEN];
	uint8_t bundle_bytes[BUNDLE_MAX];
	size_t bundle_len;
	struct spoke *spokes;
	unsigned begun, registered; /* have begun; have registered at least once */
	uint64_t received, sent, failed;
	struct timer_heap timers;
	int epoll;
	struct pkt_batch batch;
};

static volatile sig_atomic_t stopped;

static void on_stop(int number)
{
	(void)number;
	stopped = 1;
}

static _Noreturn void fail(const char *what, const char *why)
{
	fprintf(stderr, "spokes: %s: %s\n", what, why);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* ---- A spoke's surroundings ---------------------------------------------------------------------- */

static void env_random_bytes(void *ctx, void *out, size_t len)
{
	(void)ctx;
	prim_random(out, len);
}

static uint64_t env_wall_s(void *ctx)
{
	(void)ctx;
	return (uint64_t)time(NULL);
}

/* The engine tells of a registration in its log alone. */
static void env_line(void *ctx, enum log_level level, const char *line)
{
	struct spoke *s = ctx;
	if (!s->registered && strncmp(line, "registered with hub", 19) == 0) {
		s->registered = true;
		s->cloud->registered++;
	} else if (level == LOG_ERROR) {
		fprintf(stderr, "spoke %ld: %s\n", (long)(s - s->cloud->spokes), line);
	}
}

static void send_datagram(struct spoke *s, const struct action *a)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(a->send.to.port)};
	memcpy(&to.sin_addr, a->send.to.addr.bytes, 4);
	ssize_t n = -1;
	if (a->send.to.addr.family == 4)
		n = sendto(s->fd, a->send.data, a->send.len, MSG_DONTWAIT,
			(const struct sockaddr *)&to, sizeof to);
	if (n < 0)
		s->cloud->failed++;
	else
		s->cloud->sent++;
}

static void settle(struct spoke *s, uint64_t now)
{
	struct action a;
	while (engine_next_action(s->engine, &a)) {
		struct endpoint e = {.port = a.type == ACTION_RESOLVE ? a.resolve.port : 0};
		if (a.type == ACTION_SEND)
			send_datagram(s, &a);
		else if (a.type == ACTION_RESOLVE && addr_parse(a.resolve.host, &e.addr))
			engine_resolved(s->engine, a.resolve.token, &e, 1, now);
	}
	uint64_t deadline = engine_deadline(s->engine);
	if (deadline == TS_NEVER)
		timer_disarm(&s->cloud->timers, &s->timer);
	else
		timer_arm(&s->cloud->timers, &s->timer, deadline);
}

static void on_timer(void *owner, struct timer *t, uint64_t now)
{
	struct spoke *s = owner;
	(void)t;
	engine_timer(s->engine, now);
	settle(s, now);
}

static void on_readable(struct spoke *s, uint64_t now)
{
	for (unsigned i = 0; i < PER_EVENT; i++) {
		struct sockaddr_in from;
		socklen_t len = sizeof from;
		struct pkt *p = pkt_reset(&s->cloud->batch, 0);
		ssize_t n = recvfrom(
			s->fd, p->data, PKT_ROOM, MSG_DONTWAIT, (struct sockaddr *)&from, &len);
		if (n < 0)
			return;
		p->len = (uint32_t)n;
		p->remote.addr = addr_from_bytes(4, (const uint8_t *)&from.sin_addr);
		p->remote.port = ntohs(from.sin_port);
		s->cloud->received++;
		engine_receive(s->engine, p, now);
		settle(s, now);
	}
}

/* ---- Making them --------------------------------------------------------------------------------- */

static void open_socket(struct spoke *s, unsigned number)
{
	int size = BUFFER;
	struct sockaddr_in at = {.sin_family = AF_INET,
		.sin_port = htons(PORT),
		.sin_addr.s_addr = htonl(ntohl(s->cloud->from.s_addr) + number + 1)};
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = s};
	s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&at, sizeof at) < 0 ||
		setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) < 0 ||
		epoll_ctl(s->cloud->epoll, EPOLL_CTL_ADD, s->fd, &ev) < 0)
		fail("a socket", strerror(errno));
}

static int make_certificate(
	const struct cloud *c, unsigned number, const uint8_t key[KEY_LEN], uint8_t *out)
{
	struct cert cert = {.serial = number + 1,
		.not_before = (uint64_t)time(NULL) - A_DAY,
		.not_after = (uint64_t)time(NULL) + A_DAY,
		.role = CERT_SPOKE,
		.n_addresses = 1};
	uint8_t address[4];
	store_u32(address, OVERLAY + number);
	memcpy(cert.static_key, key, KEY_LEN);
	snprintf(cert.name, sizeof cert.name, "s%u", number);
	cert.addresses[0] = (struct prefix){.addr = addr_from_bytes(4, address), .len = 16};
	return cert_sign(&cert, c->network_id, c->root_secret, out, CERT_MAX);
}

static void make_spoke(struct cloud *c, unsigned number, uint64_t now)
{
	struct spoke *s = &c->spokes[number];
	uint8_t certificate[CERT_MAX], key[KEY_LEN];
	*s = (struct spoke){.cloud = c,
		.env = {.ctx = s,
			.random = env_random_bytes,
			.wall_s = env_wall_s,
			.log = env_line},
		.timer = {.fire = on_timer, .owner = s}};
	struct engine_config config = {.certificate = certificate,
		.bundle = c->bundle_bytes,
		.bundle_len = c->bundle_len,
		.port = PORT,
		.mtu = 1400,
		.workers = 1,
		.max_peers = 8,
		.max_routes = 16};
	prim_random(config.static_secret, KEY_LEN);
	prim_dh_public(key, config.static_secret);
	memcpy(config.network_id, c->network_id, KEY_LEN);
	memcpy(config.root_key, c->root_key, KEY_LEN);
	int len = make_certificate(c, number, key, certificate);
	config.certificate_len = len < 0 ? 0 : (size_t)len;
	if (len < 0 || engine_new(&s->engine, &config, &s->env, now) != 0)
		fail("an engine", "not made");
	engine_routes_synced(s->engine, now);
	open_socket(s, number);
}

static void read_options(int argc, char **argv, struct cloud *c)
{
	static const struct option options[] = {{"root", 1, 0, 'r'}, {"network", 1, 0, 'n'},
		{"bundle", 1, 0, 'b'}, {"count", 1, 0, 'c'}, {"from", 1, 0, 'f'},
		{"rate", 1, 0, 't'}, {0}};
	int o;
	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'r')
			c->root = optarg;
		else if (o == 'n')
			c->network = optarg;
		else if (o == 'b')
			c->bundle = optarg;
		else if (o == 'c')
			c->count = (unsigned)atoi(optarg);
		else if (o == 't')
			c->rate = atof(optarg);
		else if (o != 'f' || inet_pton(AF_INET, optarg, &c->from) != 1)
			exit(2);
	}
	if (!c->root || !c->network || !c->bundle || !c->count || !c->from.s_addr)
		fail("usage", "--root, --network, --bundle, --count, --from");
}

static void read_network(struct cloud *c)
{
	struct pem_error error;
	if (keyfile_network(c->network, c->network_id, c->root_key, &error) != 0 ||
		keyfile_read_root(c->root, NULL, c->root_secret, &error) != 0)
		fail("network", error.text);
	int len = pem_read(c->bundle, PEM_BUNDLE, c->bundle_bytes, sizeof c->bundle_bytes, &error);
	if (len < 0)
		fail("bundle", error.text);
	c->bundle_len = (size_t)len;
}

/* ---- Running ------------------------------------------------------------------------------------- */

static void report(const struct cloud *c, uint64_t since, uint64_t now)
{
	printf("{\"ms\": %llu, \"begun\": %u, \"registered\": %u, "
	       "\"received\": %llu, \"sent\": %llu, \"failed\": %llu}\n",
		(unsigned long long)((now - since) / NS_PER_MS), c->begun, c->registered,
		(unsigned long long)c->received, (unsigned long long)c->sent,
		(unsigned long long)c->failed);
	fflush(stdout);
}

static void begin_due(struct cloud *c, uint64_t since, uint64_t now)
{
	double due = (double)(now - since) / 1e9 * c->rate;
	while (c->begun < c->count && c->begun < due) {
		struct spoke *s = &c->spokes[c->begun++];
		engine_start(s->engine, now);
		settle(s, now);
	}
}

static int wait_ms(const struct cloud *c, uint64_t now)
{
	uint64_t next = timer_next(&c->timers);
	if (c->begun < c->count || next <= now)
		return next <= now ? 0 : 1;
	uint64_t ms = (next - now + NS_PER_MS - 1) / NS_PER_MS;
	return ms < 100 ? (int)ms : 100;
}

static void run(struct cloud *c)
{
	struct epoll_event events[EVENTS];
	uint64_t since = now_ns(), told = 0;
	bool all = false;
	while (!stopped) {
		uint64_t now = now_ns();
		begin_due(c, since, now);
		int n = epoll_wait(c->epoll, events, EVENTS, wait_ms(c, now));
		now = now_ns();
		for (int i = 0; i < n; i++)
			on_readable(events[i].data.ptr, now);
		timer_run(&c->timers, now);
		if (now - told > NS_PER_S || (!all && c->registered == c->count)) {
			all = c->registered == c->count;
			report(c, since, now);
			told = now;
		}
	}
	report(c, since, now_ns());
}

int main(int argc, char **argv)
{
	static struct cloud c = {.rate = 1e9};
	if (prim_init() != 0)
		return 1;
	read_options(argc, argv, &c);
	read_network(&c);
	signal(SIGTERM, on_stop);
	c.epoll = epoll_create1(EPOLL_CLOEXEC);
	c.spokes = calloc(c.count, sizeof *c.spokes);
	if (c.epoll < 0 || !c.spokes || timer_heap_init(&c.timers, c.count) != 0 ||
		pkt_batch_init(&c.batch, 1) != 0)
		fail("start", "no memory");
	for (unsigned i = 0; i < c.count && !stopped; i++)
		make_spoke(&c, i, now_ns());
	puts("{\"ready\": true}");
	fflush(stdout);
	run(&c);
	return 0;
}
