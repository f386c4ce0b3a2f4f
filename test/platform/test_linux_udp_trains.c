/* Trains through the sockets: cut by the kernel or by us, taken apart again, refused by devices. */
#include "platform/platform.h"
#include "test/platform/linux_lab.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SEND_BYTES (1024 * 1024)
#define MINUTE     UINT64_C(60000000000)

/* ---- A system that refuses trains, and what it was given -------------------------------------- */

static struct {
	int refuse; /* errno for messages that are trains; 0 = none */
	unsigned trains, singles, refused;
	uint64_t ahead_ns; /* of the clock */
} played;

uint64_t __real_os_now_ns(void);
uint64_t __wrap_os_now_ns(void);
int __real_sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags);
ssize_t __real_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags);

uint64_t __wrap_os_now_ns(void)
{
	return __real_os_now_ns() + played.ahead_ns;
}

/* Bytes of each of its datagrams, or 0 for a single one. */
static size_t step_of(const struct msghdr *msg)
{
	uint16_t step = 0;
	struct msghdr copy = *msg;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&copy); c; c = CMSG_NXTHDR(&copy, c))
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_SEGMENT)
			memcpy(&step, CMSG_DATA(c), sizeof step);
	return step;
}

static bool refuses(const struct msghdr *msg)
{
	size_t step = step_of(msg), len = msg->msg_iov->iov_len;
	if (step != 0) {
		assert_true(len > step && len <= 64 * step);
		assert_true(len <= 65507);
	}
	return step != 0 && played.refuse != 0;
}

int __wrap_sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags)
{
	unsigned good = 0;
	while (good < n && !refuses(&m[good].msg_hdr))
		good++;
	if (good == 0) {
		played.refused++;
		errno = played.refuse;
		return -1;
	}
	int sent = __real_sendmmsg(fd, m, good, flags);
	for (int i = 0; i < sent; i++)
		if (step_of(&m[i].msg_hdr) != 0)
			played.trains++;
		else
			played.singles++;
	return sent;
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	assert_false(refuses(msg)); /* what has been refused is not offered again */
	ssize_t n = __real_sendmsg(fd, msg, flags);
	if (n >= 0 && step_of(msg) != 0)
		played.trains++;
	else if (n >= 0)
		played.singles++;
	return n;
}

/* ---- Fixture --------------------------------------------------------------------------------- */

struct fixture {
	struct udp *a, *b;
	struct pkt_batch out, in;
	size_t used; /* of out.bytes */
};

static void open_both(struct fixture *f, uint32_t sender, uint32_t receiver)
{
	struct udp_config c = {.workers = 1, .offloads = sender};
	*f = (struct fixture){0};
	memset(&played, 0, sizeof played);
	assert_int_equal(pkt_batch_init_sized(&f->out, PKT_BATCH, SEND_BYTES), 0);
	assert_int_equal(pkt_batch_init(&f->in, PKT_BATCH), 0);
	assert_int_equal(udp_open(&f->a, &c, lab_env()), 0);
	c = (struct udp_config){.offloads = receiver};
	assert_int_equal(udp_open(&f->b, &c, lab_env()), 0);
	assert_int_equal(udp_offloads(f->a), sender);
	assert_int_equal(udp_offloads(f->b), receiver);
}

static void close_both(struct fixture *f)
{
	udp_close(f->a);
	udp_close(f->b);
	pkt_batch_fini(&f->out);
	pkt_batch_fini(&f->in);
}

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;
	assert_true(addr_parse(text, &a));
	return a;
}

static const char *near(uint8_t family)
{
	return family == 4 ? "10.9.0.2" : "fd09::2";
}

static const char *far(uint8_t family)
{
	return family == 4 ? "10.9.0.1" : "fd09::1";
}

static uint8_t byte_at(size_t i)
{
	return (uint8_t)(i * 31 + (i >> 8) * 7 + (i >> 16));
}

/* One more train to b: n datagrams of this size, the last shorter by `less`. */
static struct pkt *train(
	struct fixture *f, const char *to, unsigned n, unsigned size, unsigned less)
{
	struct pkt *p = pkt_place(&f->out, f->out.n++, f->used);
	p->len = n * size - less;
	p->gso_size = (uint16_t)size;
	p->remote = (struct endpoint){addr(to), udp_port(f->b)};
	p->verdict = PKT_SEND_UDP;
	for (uint32_t i = 0; i < p->len; i++)
		p->data[i] = byte_at(f->used + i);
	f->used += p->len;
	assert_true(f->used <= SEND_BYTES);
	return p;
}

static void send_all(struct fixture *f)
{
	udp_send(f->a, 1, &f->out);
	for (uint16_t i = 0; i < f->out.n; i++)
		assert_int_equal(f->out.v[i].verdict, PKT_SEND_UDP);
}

/* The datagrams of p arrive as they are, in a batch or several; *at = the next one of in. */
static void expect(struct fixture *f, const struct pkt *p, uint16_t *at)
{
	uint8_t family = p->remote.addr.family;
	for (uint32_t done = 0; done < p->len; (*at)++) {
		uint32_t left = p->len - done, len = left < p->gso_size ? left : p->gso_size;
		if (*at == f->in.n) {
			assert_true(lab_readable(udp_fd(f->b, 0, family)));
			assert_true(udp_recv(f->b, 0, family, &f->in) > 0);
			*at = 0;
		}
		const struct pkt *got = &f->in.v[*at];
		assert_int_equal(got->len, len);
		assert_int_equal(got->gso_size, 0);
		assert_memory_equal(got->data, p->data + done, len);
		assert_int_equal(got->tos, p->tos);
		assert_true(addr_equal(&got->local, &p->remote.addr));
		assert_int_equal(got->remote.port, udp_port(f->a));
		if (p->local.family != 0)
			assert_true(addr_equal(&got->remote.addr, &p->local));
		done += len;
	}
}

static void expect_all(struct fixture *f, uint8_t family)
{
	uint16_t at = 0;
	f->in.n = 0;
	for (uint16_t i = 0; i < f->out.n; i++)
		if (f->out.v[i].remote.addr.family == family)
			expect(f, &f->out.v[i], &at);
	assert_int_equal(at, f->in.n);
	assert_int_equal(udp_recv(f->b, 0, family, &f->in), 0);
}

static void clear(struct fixture *f)
{
	f->out.n = 0;
	f->used = 0;
}

static void deliver(struct fixture *f)
{
	send_all(f);
	expect_all(f, 4);
	expect_all(f, 6);
	clear(f);
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void lengths(uint32_t sender, uint32_t receiver)
{
	static const unsigned counts[] = {1, 2, 3, 63, 64, 65, 128, 200};
	static const unsigned sizes[] = {1, 36, 1000, 1472, PKT_ROOM};
	struct fixture f;
	open_both(&f, sender, receiver);
	for (unsigned c = 0; c < sizeof counts / sizeof *counts; c++)
		for (unsigned s = 0; s < sizeof sizes / sizeof *sizes; s++) {
			train(&f, far(4), counts[c], sizes[s], 0);
			train(&f, far(6), counts[c], sizes[s], sizes[s] / 2);
			deliver(&f);
			train(&f, far(6), counts[c], sizes[s], 0);
			train(&f, far(4), counts[c], sizes[s], sizes[s] - 1);
			deliver(&f);
		}
	assert_int_equal(played.trains > 0, (sender & UDP_SEND_TRAINS) != 0);
	assert_int_equal(udp_take_losses(f.b).full, 0);
	close_both(&f);
}

static void test_lengths(void **state)
{
	(void)state;
	for (uint32_t sender = 0; sender <= UDP_OFFLOADS; sender++)
		for (uint32_t receiver = 0; receiver <= UDP_OFFLOADS; receiver++)
			lengths(sender, receiver);
}

/* As few messages as there can be, and none with one datagram that says it were a train. */
static void test_messages(void **state)
{
	(void)state;
	struct fixture f;
	open_both(&f, UDP_OFFLOADS, UDP_OFFLOADS);
	train(&f, far(4), 1, 1000, 0);
	deliver(&f);
	assert_int_equal(played.trains, 0);
	train(&f, far(4), 65, 1000, 1);
	deliver(&f);
	assert_int_equal(played.trains, 1);
	assert_int_equal(played.singles, 1 + 1);
	train(&f, far(4), 50, 1472, 0); /* 44 of them are 64768 bytes */
	deliver(&f);
	assert_int_equal(played.trains, 1 + 2);
	train(&f, far(4), 80, 1638, 0); /* 40 of them are 65520 bytes, too many by 13 */
	deliver(&f);
	assert_int_equal(played.trains, 3 + 3);
	assert_int_equal(played.refused, 0);
	close_both(&f);
}

/* What lies one behind the other and goes the same way goes together. */
static void test_neighbours(void **state)
{
	(void)state;
	struct fixture f;
	open_both(&f, UDP_OFFLOADS, UDP_OFFLOADS);
	train(&f, far(4), 45, 1472, 0); /* 44 fit into a message */
	train(&f, far(4), 42, 1472, 0);
	train(&f, far(4), 1, 700, 0); /* the second message's last */
	train(&f, far(4), 1, 700, 0); /* it had room for one that is shorter, not for two */
	deliver(&f);
	assert_int_equal(played.trains, 2);
	assert_int_equal(played.singles, 1);
	for (unsigned i = 0; i < 70; i++)
		train(&f, far(6), 1, 100, 0)->gso_size = 0;
	send_all(&f);
	for (unsigned i = 0; i < f.out.n; i++)
		f.out.v[i].gso_size = 100; /* what expect goes by */
	expect_all(&f, 6);
	clear(&f);
	assert_int_equal(played.trains, 4);
	/* Other marks, another family, a longer one, a gap: a message of its own. */
	memset(&played, 0, sizeof played);
	train(&f, far(4), 1, 100, 0);
	train(&f, far(4), 1, 100, 0)->tos = 3;
	train(&f, far(6), 1, 100, 0)->tos = 3;
	train(&f, far(4), 1, 100, 0)->tos = 3;
	train(&f, far(4), 1, 101, 0)->tos = 3;
	f.used++;
	train(&f, far(4), 1, 101, 0)->tos = 3;
	deliver(&f);
	assert_int_equal(played.trains, 0);
	assert_int_equal(played.singles, 6);
	/* Refused together, they arrive all the same. */
	memset(&played, 0, sizeof played);
	played.refuse = EIO;
	train(&f, far(4), 3, 1000, 0);
	train(&f, far(4), 2, 1000, 1);
	deliver(&f);
	assert_int_equal(played.refused, 1);
	assert_int_equal(played.singles, 5);
	close_both(&f);
}

/* DSCP, ECN, TTL and source are each train's own. */
static void test_marks(void **state)
{
	(void)state;
	struct fixture f;
	open_both(&f, UDP_OFFLOADS, UDP_OFFLOADS);
	for (unsigned i = 0; i < 32; i++) {
		uint8_t family = i % 2 ? 6 : 4;
		struct pkt *p = train(&f, far(family), 1 + i % 5, 700, i);
		p->tos = (uint8_t)(i * 8 + i % 4);
		p->ttl = (uint8_t)i;
		p->local = addr(i % 3 ? near(family) : far(family));
	}
	deliver(&f);
	close_both(&f);
}

static void refused(int error, uint8_t family)
{
	struct fixture f;
	open_both(&f, UDP_OFFLOADS, UDP_OFFLOADS);
	played.refuse = error;
	for (unsigned i = 0; i < 3; i++) {
		struct pkt *p = train(&f, far(family), 100, 1000, 10);
		p->tos = 0x2e;
		p->local = addr(near(family));
		train(&f, far(family), 1, 1000, 0);
	}
	deliver(&f);
	assert_int_equal(played.trains, 0);
	assert_int_equal(played.refused, 6); /* the batch had been laid out */
	assert_int_equal(udp_offloads(f.a), error == EIO ? UDP_RECEIVE_TRAINS : UDP_OFFLOADS);
	train(&f, far(family), 100, 1000, 10);
	deliver(&f);
	assert_int_equal(played.refused, error == EIO ? 6 : 8);
	close_both(&f);
}

static void test_refusal(void **state)
{
	(void)state;
	for (uint8_t family = 4; family <= 6; family += 2) {
		refused(EIO, family);
		refused(EINVAL, family);
		refused(EMSGSIZE, family);
	}
}

/* A device that refuses is asked again after a minute; the other family's need not be the same one. */
static void test_again(void **state)
{
	(void)state;
	struct fixture f;
	open_both(&f, UDP_OFFLOADS, 0);
	played.refuse = EIO;
	train(&f, far(4), 20, 1000, 0);
	deliver(&f);
	assert_int_equal(udp_offloads(f.a), UDP_RECEIVE_TRAINS);
	played.refuse = 0;
	train(&f, far(4), 20, 1000, 0);
	deliver(&f);
	assert_int_equal(played.trains, 0);
	train(&f, far(6), 20, 1000, 0);
	deliver(&f);
	assert_int_equal(played.trains, 1);
	played.ahead_ns = MINUTE - MINUTE / 10;
	assert_int_equal(udp_offloads(f.a), UDP_RECEIVE_TRAINS);
	played.ahead_ns = MINUTE;
	assert_int_equal(udp_offloads(f.a), UDP_OFFLOADS);
	train(&f, far(4), 20, 1000, 0);
	deliver(&f);
	assert_int_equal(played.trains, 2);
	close_both(&f);
}

/* The path takes less than a datagram: they are fragmented, as single ones are. */
static void test_narrow_path(void **state)
{
	(void)state;
	struct fixture f;
	open_both(&f, UDP_OFFLOADS, UDP_OFFLOADS);
	lab_run("ip link add narrow type veth peer name narrower && "
		"ip link set narrower up && ip link set narrow mtu 1280 up");
	lab_run("ip route add 198.51.100.0/24 dev narrow");
	lab_run("ip -6 route add 2001:db8::/64 dev narrow");
	train(&f, "198.51.100.1", 20, 1400, 0);
	train(&f, "2001:db8::1", 20, 1400, 0);
	train(&f, "198.51.100.1", 20, 1200, 0);
	train(&f, "2001:db8::1", 20, 1200, 0);
	send_all(&f);
	assert_int_equal(played.singles, 2 * 20);
	assert_int_equal(played.trains, 2);
	assert_int_equal(udp_offloads(f.a), UDP_OFFLOADS);
	lab_run("ip link del narrow");
	close_both(&f);
}

/* A source address that this host has no longer: EINVAL, which might be about the train. */
static void test_stale_source(void **state)
{
	(void)state;
	static const char *const stale[] = {"192.0.2.77", "2001:db8::77"};
	for (unsigned i = 0; i < 2; i++) {
		struct fixture f;
		uint8_t family = i ? 6 : 4;
		open_both(&f, UDP_OFFLOADS, UDP_OFFLOADS);
		train(&f, far(family), 70, 1000, 1)->local = addr(stale[i]);
		train(&f, far(family), 70, 1000, 1);
		udp_send(f.a, 1, &f.out);
		assert_int_equal(f.out.v[0].verdict, PKT_SEND_UDP);
		memset(&f.out.v[0].local, 0, sizeof f.out.v[0].local);
		expect_all(&f, family);
		assert_int_equal(udp_offloads(f.a), UDP_OFFLOADS);
		close_both(&f);
	}
}

/* Trains that cannot be sent, among those that can. */
static void test_failures(void **state)
{
	(void)state;
	struct fixture f;
	static const char *const bad[] = {"203.0.113.1", "198.51.101.1", "2001:db8::1"};
	lab_run("ip route add unreachable 198.51.101.0/24");
	open_both(&f, UDP_OFFLOADS, UDP_OFFLOADS);
	for (unsigned i = 0; i < 3; i++) {
		train(&f, far(4), 10, 1000, 1);
		train(&f, bad[i], 10, 1000, 1);
		train(&f, far(6), 10, 1000, 1);
		train(&f, bad[i], 10, 1000, 1)->local = addr(near(bad[i][3] == '1' ? 6 : 4));
	}
	udp_send(f.a, 1, &f.out);
	for (uint16_t i = 0; i < f.out.n; i++) {
		struct pkt *p = &f.out.v[i];
		assert_int_equal(p->verdict, i % 2 ? PKT_DROP : PKT_SEND_UDP);
		if (i % 2)
			p->len = 0; /* nothing of it is expected */
	}
	expect_all(&f, 4);
	expect_all(&f, 6);
	close_both(&f);
}

/* A turn takes some 256 KiB of long trains, and more than a few datagrams of no train. */
static void test_turns(void **state)
{
	(void)state;
	struct fixture f;
	open_both(&f, UDP_OFFLOADS, UDP_OFFLOADS);
	for (unsigned i = 0; i < 14; i++)
		train(&f, far(4), 45, 1400, 0);
	send_all(&f);
	size_t bytes = 0;
	int n = udp_recv(f.b, 0, 4, &f.in);
	for (int i = 0; i < n; i++)
		bytes += f.in.v[i].len;
	assert_in_range(bytes, 128 * 1024, 320 * 1024);
	while (udp_recv(f.b, 0, 4, &f.in) > 0)
		;
	clear(&f);
	for (unsigned i = 0; i < 100; i++, f.used++)
		train(&f, far(4), 1, 1000, 0);
	send_all(&f);
	assert_true(udp_recv(f.b, 0, 4, &f.in) >= 12);
	while (udp_recv(f.b, 0, 4, &f.in) > 0)
		;
	close_both(&f);
}

/* What does not fit into the batch is lost, and counted; what is too long for a packet is empty. */
static void test_limits(void **state)
{
	(void)state;
	struct fixture f;
	open_both(&f, UDP_OFFLOADS, UDP_OFFLOADS);
	pkt_batch_fini(&f.in);
	assert_int_equal(pkt_batch_init_sized(&f.in, 10, 100000), 0);
	train(&f, far(4), 64, 1000, 1);
	train(&f, far(4), 3, 500, 1);
	send_all(&f);
	assert_int_equal(udp_recv(f.b, 0, 4, &f.in), 10);
	assert_memory_equal(f.in.v[9].data, f.out.v[0].data + 9000, 1000);
	assert_int_equal(udp_recv(f.b, 0, 4, &f.in), 3);
	assert_int_equal(f.in.v[2].len, 499);
	assert_int_equal(udp_take_losses(f.b).full, 54);
	assert_int_equal(udp_take_losses(f.b).full, 0);
	clear(&f);
	train(&f, far(4), 3, PKT_ROOM + 1, 1);
	send_all(&f);
	assert_int_equal(udp_recv(f.b, 0, 4, &f.in), 3);
	assert_int_equal(f.in.v[0].len, 0);
	assert_int_equal(f.in.v[1].len, 0);
	assert_int_equal(f.in.v[2].len, PKT_ROOM);
	/* No room for a train at all: one that comes is empty, a datagram fits. */
	pkt_batch_fini(&f.in);
	assert_int_equal(pkt_batch_init(&f.in, 2), 0);
	clear(&f);
	train(&f, far(4), 20, 1000, 0);
	f.used++; /* no neighbours */
	train(&f, far(4), 1, 1000, 0);
	send_all(&f);
	assert_int_equal(udp_recv(f.b, 0, 4, &f.in), 1);
	assert_int_equal(f.in.v[0].len, 0);
	assert_int_equal(udp_recv(f.b, 0, 4, &f.in), 1);
	assert_int_equal(f.in.v[0].len, 1000);
	close_both(&f);
}

/* Messages stay with the kernel until there is room for a whole train of each. */
static void test_room(void **state)
{
	(void)state;
	struct fixture f;
	open_both(&f, UDP_OFFLOADS, UDP_OFFLOADS);
	pkt_batch_fini(&f.in);
	assert_int_equal(pkt_batch_init_sized(&f.in, 130, SEND_BYTES), 0);
	for (unsigned i = 0; i < 5; i++) {
		train(&f, far(4), 64, 10, 0);
		f.used++; /* no neighbours */
	}
	deliver(&f);
	assert_int_equal(udp_take_losses(f.b).full, 0);
	close_both(&f);
}

/* Newer kernels send, and so on one machine deliver, trains of 128: more than is reckoned with. */
static void test_long_trains(void **state)
{
	(void)state;
	struct fixture f;
	open_both(&f, UDP_OFFLOADS, UDP_OFFLOADS);
	pkt_batch_fini(&f.in);
	assert_int_equal(pkt_batch_init_sized(&f.in, 128, SEND_BYTES), 0);
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(udp_port(f.b))};
	int fd = socket(AF_INET, SOCK_DGRAM, 0), step = 10;
	char data[1280] = {0};
	memcpy(&to.sin_addr, addr(far(4)).bytes, 4);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	assert_int_equal(setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &step, sizeof step), 0);
	if (send(fd, data, sizeof data, 0) == sizeof data) {
		assert_int_equal(send(fd, data, 0, 0), 0);
		assert_int_equal(udp_recv(f.b, 0, 4, &f.in), 128);
		assert_int_equal(udp_take_losses(f.b).full, 1); /* the empty one */
		assert_int_equal(udp_recv(f.b, 0, 4, &f.in), 0);
	}
	close(fd);
	close_both(&f);
}

/* The log tells what is in use; without offloads there is nothing to tell. */
static void test_log(void **state)
{
	(void)state;
	struct fixture f;
	open_both(&f, UDP_OFFLOADS, UDP_SEND_TRAINS);
	assert_string_equal(lab_log, "udp: offloads: gso");
	close_both(&f);
	open_both(&f, 0, 0);
	assert_string_equal(lab_log, "");
	close_both(&f);
}

int main(void)
{
	int skip = lab_enter();
	if (skip)
		return skip;
	lab_run("ip addr add 10.9.0.1/32 dev lo && ip addr add 10.9.0.2/32 dev lo");
	lab_run("ip addr add fd09::1/128 dev lo && ip addr add fd09::2/128 dev lo");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_neighbours),
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_refusal),
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_narrow_path),
		cmocka_unit_test(test_stale_source),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_long_trains),
		cmocka_unit_test(test_log),
	};
	return cmocka_run_group_tests_name("linux udp trains", tests, NULL, NULL);
}
