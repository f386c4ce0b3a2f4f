/*
 * Trains through a real TUN device. A reflector stands for the far end: it exchanges source and
 * destination of what the kernel sends into the device, and writes it back, so that a connection from
 * 10.77.0.1 to 10.77.0.9 meets a listener of this host. Checksums stay right, as sums do not mind the order.
 */
#include "platform/platform.h"
#include "test/platform/linux_lab.h"

#include "core/wire/l4.h"
#include "core/wire/split.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define QUEUES   2
#define PORT     5000
#define MTU      1400
#define TRANSFER (1024 * 1024)
#define BATCH    (1024 * 1024)
#define OUT      2048

/* ---- A kernel that refuses trains, and one that lies ------------------------------------------ */

static bool refuse_trains;
static unsigned refusals;
static const struct virtio_net_hdr *lie; /* the header of what is read */

ssize_t __real_writev(int fd, const struct iovec *iov, int n);
ssize_t __wrap_writev(int fd, const struct iovec *iov, int n);

ssize_t __wrap_writev(int fd, const struct iovec *iov, int n)
{
	const struct virtio_net_hdr *h = iov[0].iov_base;
	if (iov[0].iov_len == sizeof *h && h->gso_type != 0)
		assert_in_range(h->hdr_len, h->csum_start + UDP_HDR_LEN, 120);
	if (refuse_trains && iov[0].iov_len == sizeof *h && h->gso_type != 0) {
		refusals++;
		errno = EINVAL;
		return -1;
	}
	return __real_writev(fd, iov, n);
}

ssize_t __real_read(int fd, void *out, size_t len);
ssize_t __wrap_read(int fd, void *out, size_t len);

ssize_t __wrap_read(int fd, void *out, size_t len)
{
	ssize_t n = __real_read(fd, out, len);
	if (n > (ssize_t)sizeof *lie && lie)
		memcpy(out, lie, sizeof *lie);
	return n;
}

/* ---- The reflector --------------------------------------------------------------------------- */

struct fixture {
	struct tun *tun;
	struct pkt_batch in, out;
	/* seen by the reflector */
	unsigned tcp_trains, udp_trains, partial, singles, trains_refused;
	uint32_t longest;  /* bytes of a packet or train */
	uint8_t tcp_flags; /* of all trains */
	bool congested;    /* marks the next long train of IPv6 */
};

static bool v6(const struct pkt *p)
{
	return p->data[0] >> 4 == 6;
}

static void exchange_addresses(struct pkt *p)
{
	uint8_t kept[16], *src = p->data + (v6(p) ? 8 : 12);
	size_t n = v6(p) ? 16 : 4;
	memcpy(kept, src, n);
	memcpy(src, src + n, n);
	memcpy(src + n, kept, n);
}

static struct pkt *add(struct pkt_batch *b, uint8_t *data, uint32_t len)
{
	assert_true(b->n < b->cap);
	struct pkt *p = &b->v[b->n++];
	*p = (struct pkt){.data = data, .len = len, .verdict = PKT_WRITE_TUN};
	return p;
}

/* The train as a chain: the headers and a segment, then a piece for each further segment. */
static void add_chain(struct pkt_batch *b, const struct pkt *train)
{
	const uint8_t *l4 = train->data + train->l4_off;
	size_t hdr_len =
		train->l4_off + (train->gso_type == PKT_UDP ? UDP_HDR_LEN : tcp_hdr_len(l4));
	uint32_t at = (uint32_t)hdr_len + train->gso_size;
	struct pkt *p = add(b, train->data, train->len < at ? train->len : at);
	uint8_t *data = p->data;
	*p = *train;
	p->data = data;
	p->len = train->len < at ? train->len : at;
	p->hdr_len = (uint16_t)hdr_len;
	p->verdict = PKT_WRITE_TUN;
	for (; at < train->len; at += train->gso_size) {
		uint32_t left = train->len - at;
		p->next = b->n;
		p = add(b, data + at, left < train->gso_size ? left : train->gso_size);
		p->verdict = PKT_MERGED;
	}
}

/* As packets, copied: one that comes out of a train lasts only until the next. */
static void add_split(struct pkt_batch *b, const struct pkt *p)
{
	struct split s;
	uint32_t len;
	assert_int_equal(split_begin(&s, p), 0);
	for (uint8_t *data; (data = split_next(&s, &len));) {
		assert_true(len <= MTU);
		struct pkt *copy = add(b, b->bytes + (size_t)b->n * PKT_SLOT, len);
		memcpy(copy->data, data, len);
	}
}

static void note(struct fixture *f, const struct pkt *p)
{
	f->tcp_trains += p->gso_type == PKT_TCP;
	f->udp_trains += p->gso_type == PKT_UDP;
	f->singles += p->gso_size == 0;
	f->partial += p->flags & PKT_CSUM_PARTIAL;
	f->longest = p->len > f->longest ? p->len : f->longest;
	assert_int_equal(p->gso_size != 0, p->gso_type != PKT_PLAIN);
	assert_int_equal(p->hdr_len, 0);
	if (p->gso_size == 0)
		assert_true(p->len <= MTU);
	else
		assert_true(p->gso_size < MTU && p->flags & PKT_CSUM_PARTIAL);
	if (p->gso_type == PKT_TCP)
		f->tcp_flags |= p->data[p->l4_off + TCP_FLAGS];
	assert_true(p->l4_off <= p->len);
}

/* What the device takes goes back as it came, all else in packets. False: not of our test. */
static bool reflect(struct fixture *f, struct pkt *p)
{
	uint32_t offloads = tun_offloads(f->tun);
	uint8_t proto = p->data[v6(p) ? 6 : 9];
	if (proto != IPPROTO_TCP && proto != IPPROTO_UDP)
		return false;
	note(f, p);
	if (f->congested && v6(p) && p->len > 10 * MTU) {
		assert_true(p->data[1] & 0x30); /* ECN-capable */
		p->data[1] |= 0x30;
		f->congested = false;
	}
	exchange_addresses(p);
	uint32_t bit = p->gso_type == PKT_UDP ? TUN_COALESCE_UDP : TUN_COALESCE_TCP;
	if (p->gso_size != 0 && offloads & bit)
		add_chain(&f->out, p);
	else
		add_split(&f->out, p);
	return true;
}

/* Refused trains are written again in packets: their headers are those that came from the kernel. */
static void write_again(struct fixture *f)
{
	static uint8_t bytes[PKT_TRAIN + 64];
	struct pkt_batch again;
	assert_int_equal(pkt_batch_init(&again, OUT), 0);
	for (uint16_t i = 0; i < f->out.n; i++) {
		struct pkt train = f->out.v[i];
		if (train.verdict != PKT_WRITE_TUN)
			continue;
		train.len = 0;
		for (uint16_t at = i;; at = f->out.v[at].next) {
			memcpy(bytes + train.len, f->out.v[at].data, f->out.v[at].len);
			train.len += f->out.v[at].len;
			if (f->out.v[at].next == 0)
				break;
		}
		train.data = bytes;
		train.next = 0;
		again.n = 0;
		add_split(&again, &train);
		assert_int_equal(tun_write(f->tun, 0, &again), 0);
		f->out.v[i].verdict = PKT_CONSUMED;
	}
	pkt_batch_fini(&again);
}

/* One turn: everything that the device has. */
static void turn(struct fixture *f)
{
	for (unsigned q = 0; q < QUEUES; q++)
		while (tun_read(f->tun, q, &f->in, 256 * 1024) > 0) {
			f->out.n = 0;
			for (uint16_t i = 0; i < f->in.n; i++) {
				struct pkt *p = &f->in.v[i];
				assert_true(p->data >= f->in.bytes + PKT_HEADROOM);
				assert_true(p->data + p->len + PKT_TAILROOM <=
					f->in.bytes + f->in.size);
				if (i > 0)
					assert_true(p->data - PKT_HEADROOM >=
						p[-1].data + p[-1].len + PKT_TAILROOM);
			}
			for (uint16_t i = 0; i < f->in.n; i++)
				reflect(f, &f->in.v[i]);
			unsigned refused = tun_write(f->tun, q, &f->out), left = 0;
			for (uint16_t i = 0; i < f->out.n; i++) {
				left += f->out.v[i].verdict == PKT_WRITE_TUN;
				assert_int_not_equal(f->out.v[i].verdict, PKT_DROP);
			}
			assert_int_equal(refused, left);
			f->trains_refused += refused;
			if (refused > 0)
				write_again(f);
		}
}

/* ---- Ends ------------------------------------------------------------------------------------ */

static socklen_t name_of(const char *address, uint16_t port, struct sockaddr_storage *out)
{
	struct ip_addr a;
	assert_true(addr_parse(address, &a));
	*out = (struct sockaddr_storage){.ss_family = a.family == 4 ? AF_INET : AF_INET6};
	if (a.family == 4) {
		((struct sockaddr_in *)out)->sin_port = htons(port);
		memcpy(&((struct sockaddr_in *)out)->sin_addr, a.bytes, 4);
		return sizeof(struct sockaddr_in);
	}
	((struct sockaddr_in6 *)out)->sin6_port = htons(port);
	memcpy(&((struct sockaddr_in6 *)out)->sin6_addr, a.bytes, 16);
	return sizeof(struct sockaddr_in6);
}

static int bound(int type, const char *address, uint16_t port)
{
	struct sockaddr_storage name;
	int on = 1;
	socklen_t len = name_of(address, port, &name);
	int fd = socket(name.ss_family, type | SOCK_NONBLOCK, 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, len), 0);
	return fd;
}

static int towards(int fd, const char *address)
{
	struct sockaddr_storage name;
	socklen_t len = name_of(address, PORT, &name);
	return connect(fd, (struct sockaddr *)&name, len);
}

static uint8_t byte_at(size_t i)
{
	return (uint8_t)(i * 31 + (i >> 8) * 7 + (i >> 16));
}

struct stream {
	int listener, client, server; /* server -1 until it is connected */
	size_t sent, got;
};

static void push(struct stream *s)
{
	uint8_t data[65536];
	size_t n = TRANSFER - s->sent < sizeof data ? TRANSFER - s->sent : sizeof data;
	for (size_t i = 0; i < n; i++)
		data[i] = byte_at(s->sent + i);
	ssize_t done = n > 0 ? send(s->client, data, n, MSG_NOSIGNAL) : 0;
	if (done > 0)
		s->sent += (size_t)done;
}

static void pull(struct stream *s)
{
	uint8_t data[65536];
	ssize_t n;
	if (s->server < 0)
		s->server = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK);
	while (s->server >= 0 && (n = recv(s->server, data, sizeof data, 0)) > 0)
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(data[i], byte_at(s->got++));
}

/* A stream that arrives byte by byte as it was sent. */
static void transfer(struct fixture *f, const char *local, const char *remote)
{
	struct stream s = {.listener = bound(SOCK_STREAM, local, PORT),
		.client = bound(SOCK_STREAM, local, 0),
		.server = -1};
	struct pollfd fds[QUEUES + 1];
	assert_int_equal(listen(s.listener, 1), 0);
	assert_int_equal(towards(s.client, remote), -1);
	assert_int_equal(errno, EINPROGRESS);
	for (unsigned idle = 0; s.got < TRANSFER;) {
		push(&s);
		turn(f);
		pull(&s);
		for (unsigned q = 0; q < QUEUES; q++)
			fds[q] = (struct pollfd){.fd = tun_fd(f->tun, q), .events = POLLIN};
		fds[QUEUES] =
			(struct pollfd){.fd = s.client, .events = s.sent < TRANSFER ? POLLOUT : 0};
		idle = poll(fds, QUEUES + 1, 100) > 0 ? 0 : idle + 1;
		assert_true(idle < 100);
	}
	close(s.client);
	close(s.server);
	close(s.listener);
	turn(f);
}

/* Datagrams sent as one train of these: they arrive one by one, the last shorter. */
static void datagrams(struct fixture *f, const char *local, const char *remote, unsigned n)
{
	static uint8_t data[64 * 1000], got[1500];
	int size = 1000, from = bound(SOCK_DGRAM, local, 0), to = bound(SOCK_DGRAM, local, PORT);
	size_t len = n * 1000 - 500;
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = byte_at(i);
	assert_int_equal(towards(from, remote), 0);
	assert_int_equal(setsockopt(from, SOL_UDP, UDP_SEGMENT, &size, sizeof size), 0);
	assert_int_equal(send(from, data, len, 0), len);
	turn(f);
	for (unsigned i = 0; i < n; i++) {
		assert_true(lab_readable(to));
		assert_int_equal(recv(to, got, sizeof got, 0), i + 1 < n ? 1000 : 500);
		assert_memory_equal(got, data + i * 1000, i + 1 < n ? 1000 : 500);
	}
	assert_int_equal(recv(to, got, sizeof got, 0), -1);
	close(from);
	close(to);
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void open_device(struct fixture *f, uint32_t offloads)
{
	struct tun_config c = {.name = "lab0",
		.mtu = MTU,
		.queues = QUEUES,
		.n_addresses = 2,
		.offloads = offloads};
	assert_true(prefix_parse("10.77.0.1/24", &c.addresses[0]));
	assert_true(prefix_parse("fd77::1/64", &c.addresses[1]));
	*f = (struct fixture){0};
	assert_int_equal(pkt_batch_init_sized(&f->in, PKT_BATCH, BATCH), 0);
	assert_int_equal(pkt_batch_init(&f->out, OUT), 0);
	assert_int_equal(tun_open(&f->tun, &c, lab_env()), 0);
	while (lab_shows("tentative", "ip -6 addr show dev lab0"))
		;
	refuse_trains = false;
	refusals = 0;
}

static void close_device(struct fixture *f)
{
	tun_close(f->tun);
	pkt_batch_fini(&f->in);
	pkt_batch_fini(&f->out);
}

/* Linux before 6.2 has no trains of UDP. */
static uint32_t system_has(void)
{
	struct fixture f;
	open_device(&f, TUN_OFFLOADS);
	uint32_t has = tun_offloads(f.tun);
	close_device(&f);
	return has;
}

static void exercise(struct fixture *f)
{
	transfer(f, "10.77.0.1", "10.77.0.9");
	transfer(f, "fd77::1", "fd77::9");
	unsigned before = f->udp_trains;
	datagrams(f, "10.77.0.1", "10.77.0.9", 60);
	datagrams(f, "fd77::1", "fd77::9", 60);
	datagrams(f, "fd77::1", "fd77::9", 2);
	assert_int_equal(f->udp_trains - before, tun_offloads(f->tun) & TUN_USO ? 3 : 0);
}

static void with(uint32_t wanted)
{
	struct fixture f;
	uint32_t expected = wanted;
	if (wanted & (TUN_TSO | TUN_USO))
		expected |= TUN_CHECKSUM;
	open_device(&f, wanted);
	uint32_t offloads = tun_offloads(f.tun);
	assert_int_equal(offloads, expected);
	exercise(&f);
	assert_int_equal(tun_offloads(f.tun), offloads);
	assert_int_equal(f.trains_refused, 0);
	assert_int_equal(f.tcp_trains > 0, (offloads & TUN_TSO) != 0);
	assert_int_equal(f.partial > 0, (offloads & TUN_CHECKSUM) != 0);
	assert_true(f.singles > 0);
	if (offloads & TUN_TSO)
		assert_in_range(f.longest, 16 * 1024, PKT_TRAIN);
	close_device(&f);
}

static void test_all(void **state)
{
	uint32_t has = system_has();
	(void)state;
	assert_true(has & TUN_TSO);
	with(has);
	assert_non_null(strstr(lab_log, "offloads: checksum tso"));
}

static void test_none(void **state)
{
	(void)state;
	with(0);
	assert_string_equal(lab_log, "");
}

static void test_each(void **state)
{
	(void)state;
	uint32_t has = system_has();
	for (uint32_t bit = 1; bit <= TUN_OFFLOADS; bit <<= 1)
		if (has & bit) {
			with(bit);
			with(has & ~bit &
				(bit == TUN_CHECKSUM ? ~(uint32_t)(TUN_TSO | TUN_USO)
						     : TUN_OFFLOADS));
		}
}

/* The far end's network is congested: CWR answers, on the first packet of a train alone. */
static void test_ecn(void **state)
{
	(void)state;
	struct fixture f;
	open_device(&f, TUN_OFFLOADS);
	f.congested = true;
	lab_run("sysctl -w net.ipv4.tcp_ecn=1");
	transfer(&f, "fd77::1", "fd77::9");
	lab_run("sysctl -w net.ipv4.tcp_ecn=2");
	assert_true(f.tcp_flags & TCP_CWR);
	close_device(&f);
}

static void refused(uint32_t gone)
{
	struct fixture f;
	open_device(&f, TUN_OFFLOADS);
	uint32_t before = tun_offloads(f.tun);
	refuse_trains = true;
	if (gone == TUN_COALESCE_TCP)
		transfer(&f, "10.77.0.1", "10.77.0.9");
	else
		datagrams(&f, "10.77.0.1", "10.77.0.9", 60);
	assert_int_equal(tun_offloads(f.tun), before & ~gone);
	assert_int_equal(refusals, 1); /* the others of its batch, too, are not tried */
	assert_true(f.trains_refused >= 1);
	refuse_trains = false;
	exercise(&f); /* it does not come back */
	assert_int_equal(tun_offloads(f.tun), before & ~gone);
	close_device(&f);
}

static void test_refusal(void **state)
{
	(void)state;
	refused(TUN_COALESCE_TCP);
	if (system_has() & TUN_COALESCE_UDP)
		refused(TUN_COALESCE_UDP);
}

/* Other errors of a train are no refusal; it is dropped. */
static void test_down(void **state)
{
	(void)state;
	struct fixture f;
	open_device(&f, TUN_OFFLOADS);
	uint32_t before = tun_offloads(f.tun);
	lab_run("ip link set lab0 down");
	struct pkt *p = add(&f.out, f.in.bytes, 20 + 20 + 3000);
	p->data[0] = 0x45;
	p->gso_type = PKT_TCP;
	p->gso_size = 1000;
	p->l4_off = 20;
	p->hdr_len = 40;
	assert_int_equal(tun_write(f.tun, 0, &f.out), 0);
	assert_int_equal(p->verdict, PKT_DROP);
	assert_int_equal(p->drop, DROP_SEND_FAILED);
	assert_int_equal(tun_offloads(f.tun), before);
	close_device(&f);
}

/* Whatever a header says of a packet stays within the packet, and is no train without a length. */
static void test_lies(void **state)
{
	(void)state;
	static const struct {
		struct virtio_net_hdr h;
		uint8_t type;
	} rows[] = {
		{{.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = UINT16_MAX}, PKT_PLAIN},
		{{.gso_type = VIRTIO_NET_HDR_GSO_TCPV4}, PKT_PLAIN},
		{{.gso_type = VIRTIO_NET_HDR_GSO_UDP, .gso_size = 1}, PKT_PLAIN},
		{{.gso_type = VIRTIO_NET_HDR_GSO_ECN, .gso_size = 1}, PKT_PLAIN},
		{{.gso_type = VIRTIO_NET_HDR_GSO_TCPV6, .gso_size = UINT16_MAX}, PKT_TCP},
		{{.hdr_len = UINT16_MAX, .csum_start = UINT16_MAX}, PKT_PLAIN},
	};
	struct fixture f;
	open_device(&f, TUN_OFFLOADS);
	for (unsigned q = 0; q < QUEUES; q++)
		while (tun_read(f.tun, q, &f.in, SIZE_MAX) > 0)
			;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		int fd = bound(SOCK_DGRAM, "10.77.0.1", 0), n = 0;
		assert_int_equal(towards(fd, "10.77.0.9"), 0);
		assert_int_equal(send(fd, "lie", 3, 0), 3);
		lie = &rows[i].h;
		for (unsigned q = 0; q < QUEUES && n == 0; q++)
			n = tun_read(f.tun, q, &f.in, SIZE_MAX);
		lie = NULL;
		assert_int_equal(n, 1);
		const struct pkt *p = &f.in.v[0];
		assert_int_equal(p->len, 31);
		assert_int_equal(p->gso_type, rows[i].type);
		assert_int_equal(p->gso_size, rows[i].type == PKT_PLAIN ? 0 : rows[i].h.gso_size);
		assert_true(p->l4_off <= p->len);
		assert_int_equal(p->hdr_len, 0);
		assert_int_equal(p->flags, rows[i].h.flags ? PKT_CSUM_PARTIAL : 0);
		close(fd);
	}
	close_device(&f);
}

/* A batch with room for one train at a time; and one that is smaller than a train. */
static void test_small_batches(void **state)
{
	(void)state;
	struct fixture f;
	open_device(&f, TUN_OFFLOADS);
	pkt_batch_fini(&f.in);
	assert_int_equal(pkt_batch_init_sized(&f.in, PKT_BATCH, 70000), 0);
	exercise(&f);
	pkt_batch_fini(&f.in);
	assert_int_equal(pkt_batch_init(&f.in, 2), 0);
	datagrams(&f, "10.77.0.1", "10.77.0.9", 1);
	int fd = bound(SOCK_DGRAM, "10.77.0.1", 0), size = 1000;
	assert_int_equal(towards(fd, "10.77.0.9"), 0);
	assert_int_equal(setsockopt(fd, SOL_UDP, UDP_SEGMENT, &size, sizeof size), 0);
	uint8_t data[8000] = {0};
	assert_int_equal(send(fd, data, sizeof data, 0), sizeof data);
	unsigned n = 0;
	for (unsigned q = 0; q < QUEUES; q++)
		while (tun_read(f.tun, q, &f.in, SIZE_MAX) > 0)
			for (uint16_t i = 0; i < f.in.n; i++, n++) {
				struct split s;
				assert_true(f.in.v[i].data + f.in.v[i].len + PKT_TAILROOM <=
					f.in.bytes + f.in.size);
				if (f.in.v[i].gso_size != 0)
					assert_true(split_begin(&s, &f.in.v[i]) < 0);
			}
	assert_true(n > 0);
	close(fd);
	close_device(&f);
}

int main(void)
{
	int skip = lab_enter();
	if (skip)
		return skip;
	lab_run("sysctl -w net.ipv4.tcp_congestion_control=reno"); /* no pacing: trains are long */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_each),
		cmocka_unit_test(test_ecn),
		cmocka_unit_test(test_refusal),
		cmocka_unit_test(test_down),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_small_batches),
	};
	return cmocka_run_group_tests_name("linux tun trains", tests, NULL, NULL);
}
