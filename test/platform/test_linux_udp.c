#include "platform/platform.h"
#include "test/platform/linux_lab.h"

#include "core/base/err.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WORKERS 3

static const uint8_t handshake[8] = {0x00, 0x00, 0x88, 0xb6, 1, 1, 0, 0};

static uint32_t offloads; /* all tests are run with and without */

struct fixture {
	struct udp *a, *b; /* b is the far end, one socket */
	struct pkt_batch batch;
};

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;
	assert_true(addr_parse(text, &a));
	return a;
}

static int setup(void **state)
{
	static struct fixture f;
	struct udp_config c = {.workers = WORKERS, .offloads = offloads};
	assert_int_equal(pkt_batch_init(&f.batch, PKT_BATCH), 0);
	assert_int_equal(udp_open(&f.a, &c, lab_env()), 0);
	c.workers = 0;
	assert_int_equal(udp_open(&f.b, &c, lab_env()), 0);
	assert_string_equal(lab_log, offloads ? "udp: offloads: gso gro" : "");
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	udp_close(f->a);
	udp_close(f->b);
	pkt_batch_fini(&f->batch);
	return 0;
}

static struct endpoint at(const char *address, const struct udp *udp)
{
	return (struct endpoint){addr(address), udp_port(udp)};
}

/* A packet to be sent in slot i, which becomes the last. */
static struct pkt *packet(struct fixture *f, uint16_t i, struct endpoint to, const char *text)
{
	struct pkt *p = pkt_reset(&f->batch, i);
	p->len = (uint32_t)strlen(text);
	memcpy(p->data, text, p->len);
	p->remote = to;
	p->verdict = PKT_SEND_UDP;
	f->batch.n = (uint16_t)(i + 1);
	return p;
}

/* Receives n datagrams on b's socket, all that there are. */
static void receive(struct fixture *f, struct udp *udp, uint8_t family, int n)
{
	if (n > 0)
		assert_true(lab_readable(udp_fd(udp, 0, family)));
	assert_int_equal(udp_recv(udp, 0, family, &f->batch), n);
	assert_int_equal(f->batch.n, n);
}

static bool is(const struct pkt *p, const char *text)
{
	return p->len == strlen(text) && memcmp(p->data, text, p->len) == 0;
}

/* The socket of a that a datagram arrives at. */
static unsigned arrives(struct fixture *f, const char *address, const uint8_t *data, size_t len)
{
	struct endpoint to = at(address, f->a);
	assert_int_equal(udp_send_one(f->b, &to, NULL, 0, data, len), 0);
	unsigned where = WORKERS + 1;
	for (unsigned i = 0; i <= WORKERS; i++) {
		int n = udp_recv(f->a, i, to.addr.family, &f->batch);
		if (n > 0) {
			assert_int_equal(n, 1);
			assert_int_equal(f->batch.v[0].len, len);
			assert_int_equal(where, WORKERS + 1);
			where = i;
		}
	}
	return where;
}

static void steering(struct fixture *f, const char *address)
{
	uint8_t sealed[64] = {0x30, 0x00, 0x88, 0xb5};
	uint8_t message[64] = {0};
	unsigned hits[WORKERS + 1] = {0};
	memcpy(message, handshake, sizeof handshake);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(arrives(f, address, message, 36 + i), 0);
	assert_in_range(arrives(f, address, sealed, 32), 1, WORKERS); /* the shortest */
	for (unsigned index = 1; index <= 60; index++) {
		uint32_t key = htonl(index * 0x01234567 << 4 | index % 3);
		memcpy(sealed + 4, &key, 4);
		unsigned where = arrives(f, address, sealed, sizeof sealed);
		assert_in_range(where, 1, WORKERS);
		hits[where]++;
		sealed[11]++; /* the sequence number does not count */
		assert_int_equal(arrives(f, address, sealed, 40), where);
	}
	for (unsigned i = 1; i <= WORKERS; i++)
		assert_in_range(hits[i], 10, 30);
	/* The lanes of one session are spread as well. */
	memset(hits, 0, sizeof hits);
	for (uint8_t lane = 0; lane < 16; lane++) {
		sealed[7] = (uint8_t)((sealed[7] & 0xf0) | lane);
		hits[arrives(f, address, sealed, 40)]++;
	}
	for (unsigned i = 1; i <= WORKERS; i++)
		assert_in_range(hits[i], 2, 10);
}

static void test_steering(void **state)
{
	steering(*state, "127.0.0.1");
	steering(*state, "::1");
}

/* Neither sealed data nor a handshake message: dropped by the kernel, and counted. */
static void foreign(struct fixture *f, const char *address)
{
	uint8_t data[1200] = {0};
	unsigned n = 0;
	udp_take_losses(f->a);
	memcpy(data, handshake, sizeof handshake);
	for (unsigned i = 0; i < 8; i++) {
		if (i == 4)
			continue; /* the type may be any */
		data[i] ^= 0x40;
		assert_int_equal(arrives(f, address, data, sizeof data), WORKERS + 1);
		data[i] ^= 0x40;
		n++;
	}
	assert_int_equal(arrives(f, address, data, 31), WORKERS + 1);
	assert_int_equal(arrives(f, address, data, 1), WORKERS + 1);
	assert_int_equal(arrives(f, address, data, 0), WORKERS + 1);
	assert_int_equal(arrives(f, address, data, 32), 0);
	struct udp_losses losses = udp_take_losses(f->a);
	assert_int_equal(losses.foreign, n + 3);
	assert_int_equal(losses.full, 0);
	assert_int_equal(udp_take_losses(f->a).foreign, 0);
}

static void test_foreign(void **state)
{
	foreign(*state, "127.0.0.1");
	foreign(*state, "::1");
}

/* More than the buffer of a worker takes. */
static void test_overflow(void **state)
{
	struct fixture *f = *state;
	uint8_t data[PKT_ROOM] = {0x30, 0x00, 0x88, 0xb5, 0, 0, 0, 0x10};
	struct endpoint to = at("127.0.0.1", f->a);
	unsigned sent = 0, got = 0;
	for (; sent < 20000; sent++)
		assert_int_equal(udp_send_one(f->b, &to, NULL, 0, data, sizeof data), 0);
	for (unsigned i = 0; i <= WORKERS; i++)
		for (int n; (n = udp_recv(f->a, i, 4, &f->batch)) > 0;)
			got += (unsigned)n;
	assert_in_range(got, 100, sent - 1);
	assert_int_equal(udp_take_losses(f->a).full, sent - got);
}

static void test_ports(void **state)
{
	struct fixture *f = *state;
	struct udp *other;
	struct udp_config c = {.port = udp_port(f->a), .workers = WORKERS};
	assert_int_not_equal(udp_port(f->a), 0);
	assert_int_not_equal(udp_port(f->a), udp_port(f->b));
	assert_true(udp_fd(f->a, WORKERS, 4) >= 0 && udp_fd(f->a, WORKERS, 6) >= 0);
	assert_int_equal(udp_fd(f->a, WORKERS + 1, 4), -1);
	/* Another one, even of ours, must not become a member of the group. */
	assert_int_equal(udp_open(&other, &c, lab_env()), ERR_SYSTEM);
	assert_null(other);
	assert_non_null(strstr(lab_log, "in use"));
	c = (struct udp_config){.address = addr("::1"), .port = 4754, .workers = 1};
	assert_int_equal(udp_open(&other, &c, lab_env()), 0);
	assert_int_equal(udp_fd(other, 0, 4), -1);
	assert_true(udp_fd(other, 1, 6) >= 0);
	assert_int_equal(udp_port(other), 4754);
	packet(f, 0, at("127.0.0.1", f->a), "x"); /* of a family that is not open */
	udp_send(other, 0, &f->batch);
	assert_int_equal(f->batch.v[0].drop, DROP_SEND_FAILED);
	udp_close(other);
	c.address = addr("192.0.2.1"); /* not ours */
	assert_int_equal(udp_open(&other, &c, lab_env()), ERR_SYSTEM);
	assert_true(fcntl(udp_fd(f->a, 1, 6), F_GETFL) & O_NONBLOCK);
}

static void metadata(struct fixture *f, const char *to, const char *source)
{
	uint8_t family = addr(to).family;
	packet(f, 0, at(to, f->b), "plain");
	struct pkt *p = packet(f, 1, at(to, f->b), "marked");
	p->tos = 0xb9; /* EF, ECT(1) */
	p->ttl = 3;
	p->local = addr(source);
	udp_send(f->a, 2, &f->batch);
	assert_int_equal(f->batch.v[1].verdict, PKT_SEND_UDP);
	receive(f, f->b, family, 2);
	struct pkt *v = f->batch.v;
	assert_true(is(&v[0], "plain") && is(&v[1], "marked"));
	assert_int_equal(v[0].tos, 0);
	assert_int_equal(v[1].tos, 0xb9);
	struct ip_addr local = addr(to), remote = addr(source);
	assert_true(addr_equal(&v[0].local, &local) && addr_equal(&v[1].local, &local));
	assert_true(addr_equal(&v[1].remote.addr, &remote));
	assert_int_equal(v[0].remote.port, udp_port(f->a));
	/* What came in is all that an answer needs. It must look like ours to get through. */
	memcpy(v[1].data, handshake, sizeof handshake);
	v[1].len = 36;
	v[1].verdict = PKT_SEND_UDP;
	v[0].verdict = PKT_DROP;
	udp_send(f->b, 0, &f->batch);
	receive(f, f->a, family, 1);
	assert_true(addr_equal(&f->batch.v[0].remote.addr, &local));
	assert_true(addr_equal(&f->batch.v[0].local, &remote));
	assert_int_equal(f->batch.v[0].tos, 0xb9);
}

static void test_metadata(void **state)
{
	metadata(*state, "10.9.0.1", "10.9.0.2");
	metadata(*state, "fd09::1", "fd09::2");
}

/* On the wire: TTL, and no Don't Fragment. */
static void test_header(void **state)
{
	struct fixture *f = *state;
	struct iphdr ip;
	int raw = socket(AF_INET, SOCK_RAW, IPPROTO_UDP);
	struct endpoint to = at("10.9.0.1", f->b);
	assert_int_equal(udp_send_one(f->a, &to, NULL, 4, "x", 1), 0);
	assert_true(lab_readable(raw));
	assert_true(recv(raw, &ip, sizeof ip, 0) >= (ssize_t)sizeof ip);
	assert_int_equal(ip.ttl, 4);
	assert_int_equal(ip.frag_off, 0);
	assert_int_equal(udp_send_one(f->a, &to, NULL, 0, "x", 1), 0);
	assert_true(recv(raw, &ip, sizeof ip, 0) >= (ssize_t)sizeof ip);
	assert_int_equal(ip.ttl, 64);
	close(raw);
	receive(f, f->b, 4, 2);
	int hops = 0, on = 1;
	socklen_t len = sizeof hops;
	int fd = udp_fd(f->b, 0, 6);
	assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof on), 0);
	to = at("fd09::1", f->b);
	assert_int_equal(udp_send_one(f->a, &to, NULL, 5, "x", 1), 0);
	char control[64];
	struct msghdr msg = {.msg_control = control, .msg_controllen = sizeof control};
	assert_true(lab_readable(fd));
	assert_int_equal(recvmsg(fd, &msg, 0), 0);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
		if (c->cmsg_type == IPV6_HOPLIMIT)
			memcpy(&hops, CMSG_DATA(c), len);
	assert_int_equal(hops, 5);
}

/* Datagrams that cannot be sent, among those that can, in both families. */
static void test_failures(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = {"203.0.113.1", "198.51.100.1", "198.51.101.1",
		"198.51.102.1", "255.255.255.255", "2001:db8::1", "fe80::1"};
	uint16_t n = 0;
	lab_run("ip route replace blackhole 198.51.100.0/24");
	lab_run("ip route replace unreachable 198.51.101.0/24");
	lab_run("ip route replace prohibit 198.51.102.0/24");
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		packet(f, n++, at("10.9.0.1", f->b), "good");
		packet(f, n++, at(bad[i], f->b), "bad");
		packet(f, n++, at("fd09::1", f->b), "good");
		packet(f, n++, at(bad[i], f->b), "bad")->local = addr("10.9.0.2");
	}
	packet(f, n++, (struct endpoint){{0}, 1}, "x")->verdict = PKT_CONSUMED;
	udp_send(f->a, 1, &f->batch);
	for (uint16_t i = 0; i + 1 < n; i++) {
		assert_int_equal(f->batch.v[i].verdict, i % 2 ? PKT_DROP : PKT_SEND_UDP);
		if (i % 2)
			assert_int_equal(f->batch.v[i].drop, DROP_SEND_FAILED);
	}
	receive(f, f->b, 4, 7);
	receive(f, f->b, 6, 7);
	struct endpoint to = at(bad[0], f->b);
	assert_int_equal(udp_send_one(f->a, &to, NULL, 0, "x", 1), ERR_SYSTEM);
}

/* The host's firewall refuses some (EPERM). */
static void test_firewall(void **state)
{
	struct fixture *f = *state;
	if (lab_try("nft add table inet lab && nft add chain inet lab out "
		    "'{ type filter hook output priority 0; }' && "
		    "nft add rule inet lab out ip daddr 10.9.0.2 drop") != 0)
		skip();
	for (uint16_t i = 0; i < 9; i++)
		packet(f, i, at(i % 3 ? "10.9.0.1" : "10.9.0.2", f->b), "x");
	udp_send(f->a, 1, &f->batch);
	for (uint16_t i = 0; i < 9; i++)
		assert_int_equal(f->batch.v[i].verdict, i % 3 ? PKT_SEND_UDP : PKT_DROP);
	receive(f, f->b, 4, 6);
	lab_run("nft delete table inet lab");
}

/* A source address that this host has no longer. */
static void stale_source(struct fixture *f, const char *to, const char *stale)
{
	uint8_t family = addr(to).family;
	struct endpoint remote = at(to, f->b);
	struct ip_addr source = addr(stale);
	packet(f, 0, remote, "one");
	packet(f, 1, remote, "two")->local = source;
	packet(f, 2, remote, "three");
	udp_send(f->a, 1, &f->batch);
	assert_int_equal(f->batch.v[1].verdict, PKT_SEND_UDP);
	assert_int_equal(udp_send_one(f->a, &remote, &source, 9, "four", 4), 0);
	receive(f, f->b, family, 4);
	assert_true(is(&f->batch.v[1], "two") && is(&f->batch.v[2], "three"));
	assert_true(is(&f->batch.v[3], "four"));
	struct ip_addr self = addr(to);
	assert_true(addr_equal(&f->batch.v[1].remote.addr, &self));
}

static void test_stale_source(void **state)
{
	stale_source(*state, "10.9.0.1", "192.0.2.77");
	stale_source(*state, "fd09::1", "2001:db8::77");
}

static void test_sizes(void **state)
{
	struct fixture *f = *state;
	uint8_t big[PKT_ROOM + 1] = {0};
	struct endpoint to = at("10.9.0.1", f->b);
	assert_int_equal(udp_send_one(f->a, &to, NULL, 0, big, PKT_ROOM), 0);
	assert_int_equal(udp_send_one(f->a, &to, NULL, 0, big, sizeof big), 0);
	assert_int_equal(udp_send_one(f->a, &to, NULL, 0, big, 0), 0);
	receive(f, f->b, 4, 3);
	assert_int_equal(f->batch.v[0].len, PKT_ROOM);
	assert_int_equal(f->batch.v[1].len, 0); /* did not fit */
	assert_int_equal(f->batch.v[2].len, 0);
	/* A train of three, the last one shorter. */
	packet(f, 0, to, "aaaabbbbcc")->gso_size = 4;
	udp_send(f->a, 1, &f->batch);
	receive(f, f->b, 4, 3);
	assert_true(is(&f->batch.v[0], "aaaa") && is(&f->batch.v[1], "bbbb"));
	assert_true(is(&f->batch.v[2], "cc"));
}

static void test_full_batches(void **state)
{
	struct fixture *f = *state;
	unsigned got = 0;
	for (unsigned round = 0; round < 4; round++) {
		for (uint16_t i = 0; i < PKT_BATCH; i++)
			packet(f, i, at(i % 2 ? "fd09::1" : "10.9.0.1", f->b), "abcdef")->gso_size =
				2;
		udp_send(f->a, 1, &f->batch);
	}
	for (unsigned family = 4; family <= 6; family += 2)
		for (int n; (n = udp_recv(f->b, 0, (uint8_t)family, &f->batch)) > 0;)
			got += (unsigned)n;
	assert_int_equal(got, 4 * PKT_BATCH * 3);
}

int main(void)
{
	int skip = lab_enter();
	if (skip)
		return skip;
	lab_run("ip addr add 10.9.0.1/32 dev lo && ip addr add 10.9.0.2/32 dev lo");
	lab_run("ip addr add fd09::1/128 dev lo && ip addr add fd09::2/128 dev lo");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_steering, setup, teardown),
		cmocka_unit_test_setup_teardown(test_foreign, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overflow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ports, setup, teardown),
		cmocka_unit_test_setup_teardown(test_metadata, setup, teardown),
		cmocka_unit_test_setup_teardown(test_header, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
		cmocka_unit_test_setup_teardown(test_firewall, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stale_source, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sizes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_batches, setup, teardown),
	};
	int failed = cmocka_run_group_tests_name("linux udp", tests, NULL, NULL);
	offloads = UDP_OFFLOADS;
	return failed + cmocka_run_group_tests_name("linux udp, offloads", tests, NULL, NULL);
}
