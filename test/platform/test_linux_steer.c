#include "platform/platform.h"
#include "test/platform/linux_lab.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * Which queue a packet comes from. Packets of any shape are put behind the device as if the kernel had
 * routed them there.
 */

#define QUEUES 4
#define FLOWS  64
#define MOVED  3500 /* ms after which the kernel by itself forgets where a flow was: 3 s */

#define MORE_FRAGMENTS 0x2000
#define DONT_FRAGMENT  0x4000

/* ---- The system call -------------------------------------------------------------------------- */

static int refusal;          /* errno of the next bpf(), or 0 */
static unsigned loads;       /* programs */
static uint32_t last_loaded; /* its number */

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

static long bpf(int command, union bpf_attr *attr)
{
	return __real_syscall(SYS_bpf, command, attr, sizeof *attr);
}

static uint32_t number_of(int program)
{
	struct bpf_prog_info info = {0};
	union bpf_attr attr = {0};
	attr.info.bpf_fd = (uint32_t)program;
	attr.info.info_len = sizeof info;
	attr.info.info = (uintptr_t)&info;
	assert_int_equal(bpf(BPF_OBJ_GET_INFO_BY_FD, &attr), 0);
	return info.id;
}

static bool is_loaded(uint32_t number)
{
	union bpf_attr attr = {.prog_id = number};
	int fd = (int)bpf(BPF_PROG_GET_FD_BY_ID, &attr);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

long __wrap_syscall(long number, ...)
{
	va_list args;
	va_start(args, number);
	long a = va_arg(args, long), b = va_arg(args, long), c = va_arg(args, long);
	va_end(args);
	if (number != SYS_bpf)
		return __real_syscall(number, a, b, c);
	loads++;
	errno = refusal;
	long fd = refusal ? -1 : __real_syscall(number, a, b, c);
	if (fd >= 0)
		last_loaded = number_of((int)fd);
	return fd;
}

/* ---- The device ------------------------------------------------------------------------------- */

static uint32_t offloads; /* all tests are run with and without */

struct fixture {
	struct tun *tun;
	struct pkt_batch batch;
	int behind; /* a packet socket */
};

static int open_tun(struct fixture *f, unsigned queues)
{
	struct tun_config c = {.name = "lab0",
		.mtu = 1400,
		.queues = queues,
		.n_addresses = 2,
		.offloads = offloads};
	assert_true(prefix_parse("10.77.0.1/24", &c.addresses[0]));
	assert_true(prefix_parse("fd77::1/64", &c.addresses[1]));
	return tun_open(&f->tun, &c, lab_env());
}

static int setup(void **state)
{
	static struct fixture f;
	loads = 0;
	assert_int_equal(pkt_batch_init(&f.batch, PKT_BATCH), 0);
	assert_int_equal(open_tun(&f, QUEUES), 0);
	f.behind = socket(AF_PACKET, SOCK_DGRAM, 0);
	assert_true(f.behind >= 0);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	tun_close(f->tun);
	pkt_batch_fini(&f->batch);
	close(f->behind);
	return 0;
}

/* ---- Packets ---------------------------------------------------------------------------------- */

struct shape {
	uint8_t family, protocol;
	uint8_t host; /* last byte of the far address */
	uint16_t source, destination;
	uint8_t options;   /* words: IPv4; IPv6: any = a destination options header of 8 bytes */
	uint16_t fragment; /* IPv4: flags and offset */
	bool reverse;      /* from there to here */
	uint8_t dress;     /* what else may differ between packets of a flow */
};

struct packet {
	uint8_t bytes[256];
	size_t len;
};

static void put16(struct packet *p, uint16_t value)
{
	p->bytes[p->len++] = (uint8_t)(value >> 8);
	p->bytes[p->len++] = (uint8_t)value;
}

static void put(struct packet *p, const void *bytes, size_t len)
{
	memcpy(p->bytes + p->len, bytes, len);
	p->len += len;
}

static void put_addresses(struct packet *p, const struct shape *s)
{
	uint8_t size = s->family == 4 ? 4 : 16;
	uint8_t near[16] = {10, 77, 0, 1}, far[16] = {10, 77, 0, s->host};
	if (s->family == 6) {
		memcpy(near, "\xfd\x77\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
		memcpy(far, near, 15);
		far[15] = s->host;
	}
	put(p, s->reverse ? far : near, size);
	put(p, s->reverse ? near : far, size);
}

static struct packet build(const struct shape *s)
{
	static const uint8_t no_operation[60] = {[0 ... 59] = 1};
	uint16_t payload = (uint16_t)(8 + 12 + s->dress);
	struct packet p = {0};
	if (s->family == 4) {
		uint16_t header = (uint16_t)(20 + 4 * s->options);
		put16(&p, (uint16_t)(0x4000 | header / 4 << 8 | s->dress));
		put16(&p, header + payload);
		put16(&p, (uint16_t)(1000 + s->dress)); /* identification */
		put16(&p, s->fragment);
		put16(&p, (uint16_t)((64 - s->dress) << 8 | s->protocol));
		put16(&p, 0);
		put_addresses(&p, s);
		put(&p, no_operation, header - 20);
		uint32_t sum = 0;
		for (size_t i = 0; i < header; i += 2)
			sum += (uint32_t)(p.bytes[i] << 8 | p.bytes[i + 1]);
		sum = (sum & 0xFFFF) + (sum >> 16);
		p.bytes[10] = (uint8_t) ~(sum >> 8);
		p.bytes[11] = (uint8_t)~sum;
	} else {
		put16(&p, (uint16_t)(0x6000 | s->dress)); /* a part of the flow label, too */
		put16(&p, s->dress);
		put16(&p, payload + (s->options ? 8 : 0));
		put16(&p,
			(uint16_t)((s->options ? IPPROTO_DSTOPTS : s->protocol) << 8 |
				(64 - s->dress)));
		put_addresses(&p, s);
		if (s->options)
			put(&p, (uint8_t[8]){s->protocol, 0, 1, 4}, 8);
	}
	put16(&p, s->reverse ? s->destination : s->source);
	put16(&p, s->reverse ? s->source : s->destination);
	put16(&p, payload); /* UDP's length */
	p.len += payload - 6;
	memset(p.bytes + p.len - 4, s->dress, 4);
	return p;
}

/* The one queue that the packet comes from. */
static unsigned pass(struct fixture *f, const struct packet *p, uint8_t family)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET,
		.sll_protocol = htons(family == 4 ? 0x0800 : 0x86DD),
		.sll_ifindex = (int)tun_ifindex(f->tun)};
	unsigned found = QUEUES;
	assert_int_equal(
		sendto(f->behind, p->bytes, p->len, 0, (struct sockaddr *)&to, sizeof to), p->len);
	for (unsigned q = 0; q < QUEUES; q++)
		while (tun_read(f->tun, q, &f->batch, SIZE_MAX) > 0)
			for (unsigned i = 0; i < f->batch.n; i++) {
				const struct pkt *got = &f->batch.v[i];
				if (got->len != p->len || memcmp(got->data, p->bytes, p->len) != 0)
					continue; /* the kernel has to say something, too */
				assert_int_equal(found, QUEUES);
				found = q;
			}
	assert_true(found < QUEUES);
	return found;
}

static unsigned queue_of(struct fixture *f, const struct shape *s)
{
	struct packet p = build(s);
	return pass(f, &p, s->family);
}

static void write_reverse(struct fixture *f, unsigned queue, const struct shape *s)
{
	struct shape back = *s;
	back.reverse = true;
	struct packet p = build(&back);
	pkt_reset(&f->batch, 0);
	f->batch.n = 1;
	memcpy(f->batch.v[0].data, p.bytes, p.len);
	f->batch.v[0].len = (uint32_t)p.len;
	f->batch.v[0].verdict = PKT_WRITE_TUN;
	tun_write(f->tun, queue, &f->batch);
	assert_int_equal(f->batch.v[0].verdict, PKT_CONSUMED);
}

/* A flow each number; the ports as the system deals them out, two apart. */
static struct shape flow(uint8_t family, uint8_t protocol, unsigned number)
{
	return (struct shape){.family = family,
		.protocol = protocol,
		.host = 9,
		.source = (uint16_t)(40000 + 2 * number),
		.destination = 5201};
}

static const uint8_t kinds[][2] = {
	{4, IPPROTO_UDP}, {4, IPPROTO_TCP}, {6, IPPROTO_UDP}, {6, IPPROTO_TCP}};
#define KINDS (sizeof kinds / sizeof *kinds)

static void assert_spread(const unsigned counts[QUEUES])
{
	for (unsigned q = 0; q < QUEUES; q++)
		if (counts[q] < FLOWS / QUEUES / 2 || counts[q] > FLOWS / QUEUES * 2)
			fail_msg("%u %u %u %u flows", counts[0], counts[1], counts[2], counts[3]);
}

/* ---- Tests ------------------------------------------------------------------------------------ */

/* Whatever else differs between them. */
static void test_one_queue(void **state)
{
	struct fixture *f = *state;
	for (unsigned k = 0; k < KINDS; k++) {
		unsigned counts[QUEUES] = {0};
		for (unsigned i = 0; i < FLOWS; i++) {
			struct shape s = flow(kinds[k][0], kinds[k][1], i);
			unsigned queue = queue_of(f, &s);
			counts[queue]++;
			for (s.dress = 1; s.dress < 8; s.dress++)
				assert_int_equal(queue_of(f, &s), queue);
			s.fragment = DONT_FRAGMENT;
			assert_int_equal(queue_of(f, &s), queue);
		}
		assert_spread(counts);
	}
}

/* Wherever the other direction is written, and however long ago. */
static void test_other_direction(void **state)
{
	struct fixture *f = *state;
	unsigned before[KINDS][FLOWS];
	for (unsigned k = 0; k < KINDS; k++)
		for (unsigned i = 0; i < FLOWS; i++) {
			struct shape s = flow(kinds[k][0], kinds[k][1], i);
			before[k][i] = queue_of(f, &s);
			for (unsigned q = 0; q < QUEUES; q++) {
				write_reverse(f, q, &s);
				assert_int_equal(queue_of(f, &s), before[k][i]);
			}
			write_reverse(f, (before[k][i] + 1) % QUEUES, &s);
		}
	usleep(MOVED * 1000);
	for (unsigned k = 0; k < KINDS; k++)
		for (unsigned i = 0; i < FLOWS; i++) {
			struct shape s = flow(kinds[k][0], kinds[k][1], i);
			assert_int_equal(queue_of(f, &s), before[k][i]);
		}
}

/* All of two hosts' from one queue: but for the first they tell no ports. */
static void test_fragments(void **state)
{
	struct fixture *f = *state;
	unsigned counts[QUEUES] = {0};
	for (unsigned i = 0; i < FLOWS; i++) {
		struct shape s = flow(4, IPPROTO_UDP, 0);
		s.host = (uint8_t)(10 + i);
		s.fragment = MORE_FRAGMENTS;
		unsigned queue = queue_of(f, &s);
		counts[queue]++;
		for (unsigned n = 1; n < 4; n++) {
			s.fragment = (uint16_t)(MORE_FRAGMENTS | 170 * n);
			s.source++;
			assert_int_equal(queue_of(f, &s), queue);
		}
		s.fragment = 170 * 4;
		assert_int_equal(queue_of(f, &s), queue);
		s.fragment = 0x1FFF;
		assert_int_equal(queue_of(f, &s), queue);
	}
	assert_spread(counts);
}

/* IPv4's are skipped: the ports are found behind them. */
static void test_options(void **state)
{
	struct fixture *f = *state;
	for (unsigned i = 0; i < FLOWS; i++) {
		struct shape s = flow(4, i % 2 ? IPPROTO_UDP : IPPROTO_TCP, i);
		unsigned queue = queue_of(f, &s);
		for (s.options = 1; s.options <= 10; s.options++)
			assert_int_equal(queue_of(f, &s), queue);
	}
}

/* By the addresses, every byte of which counts; so does what has no ports. */
static void test_addresses(void **state)
{
	struct fixture *f = *state;
	static const struct shape shapes[] = {
		{.family = 6, .protocol = IPPROTO_UDP, .options = 1},
		{.family = 6, .protocol = IPPROTO_FRAGMENT},
		{.family = 4, .protocol = IPPROTO_GRE},
		{.family = 6, .protocol = IPPROTO_GRE},
	};
	for (unsigned k = 0; k < sizeof shapes / sizeof *shapes; k++) {
		unsigned counts[QUEUES] = {0};
		for (unsigned i = 0; i < FLOWS; i++) {
			struct shape s = shapes[k];
			s.host = (uint8_t)(10 + i);
			unsigned queue = queue_of(f, &s);
			counts[queue]++;
			for (s.source = 1; s.source < 8; s.source++)
				assert_int_equal(queue_of(f, &s), queue);
		}
		assert_spread(counts);
		size_t first = shapes[k].family == 4 ? 12 : 8, size = 2 * (first == 12 ? 4 : 16);
		for (size_t at = first; at < first + size; at++) {
			struct packet p = build(&shapes[k]);
			unsigned seen = 0;
			for (unsigned i = 0; i < 32; i++, p.bytes[at]++)
				seen |= 1u << pass(f, &p, shapes[k].family);
			assert_int_equal(seen, (1u << QUEUES) - 1);
		}
	}
}

/* A packet that ends before what is looked at is delivered all the same. */
static void test_short(void **state)
{
	struct fixture *f = *state;
	for (unsigned k = 0; k < KINDS; k++) {
		struct shape s = flow(kinds[k][0], kinds[k][1], 0);
		struct packet p = build(&s);
		size_t ports_end = s.family == 4 ? 24 : 44;
		for (p.len = 1; p.len < ports_end; p.len++)
			assert_int_equal(pass(f, &p, s.family), 0);
	}
}

/* Without it packets come all the same, from whichever queue. */
static void test_refused(void **state)
{
	(void)state;
	struct fixture f;
	static const int errors[] = {EPERM, ENOSYS};
	assert_int_equal(pkt_batch_init(&f.batch, PKT_BATCH), 0);
	f.behind = socket(AF_PACKET, SOCK_DGRAM, 0);
	for (unsigned i = 0; i < sizeof errors / sizeof *errors; i++) {
		uint32_t wanted = offloads;
		offloads = 0; /* which has the last word */
		refusal = errors[i];
		assert_int_equal(open_tun(&f, QUEUES), 0);
		refusal = 0;
		offloads = wanted;
		assert_non_null(strstr(lab_log, "no steering to queues"));
		assert_non_null(strstr(lab_log, strerror(errors[i])));
		struct shape s = flow(4, IPPROTO_UDP, 0);
		queue_of(&f, &s);
		tun_close(f.tun);
	}
	close(f.behind);
	pkt_batch_fini(&f.batch);
}

static void test_lifetime(void **state)
{
	(void)state;
	struct fixture f;
	loads = 0;
	assert_int_equal(open_tun(&f, 1), 0);
	assert_int_equal(loads, 0); /* there is nothing to choose */
	tun_close(f.tun);
	assert_int_equal(open_tun(&f, 2), 0);
	assert_int_equal(loads, 1);
	assert_true(is_loaded(last_loaded));
	tun_close(f.tun);
	for (unsigned i = 0; i < 1000 && is_loaded(last_loaded); i++)
		usleep(1000); /* readers in the kernel may still look at it */
	assert_false(is_loaded(last_loaded));
}

int main(void)
{
	int skip = lab_enter();
	if (skip)
		return skip;
	struct fixture f;
	refusal = 0;
	if (open_tun(&f, 2) == 0)
		tun_close(f.tun);
	if (strstr(lab_log, "no steering")) {
		fprintf(stderr, "skipped: %s\n", lab_log);
		return LAB_SKIP;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_queue, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_direction, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fragments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_options, setup, teardown),
		cmocka_unit_test_setup_teardown(test_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_short, setup, teardown),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_lifetime),
	};
	int failed = cmocka_run_group_tests_name("linux steer", tests, NULL, NULL);
	offloads = TUN_OFFLOADS;
	return failed + cmocka_run_group_tests_name("linux steer, offloads", tests, NULL, NULL);
}
