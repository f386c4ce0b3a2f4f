#include "mixed.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * Datagram `number` of a flow is known to both ends: its length, every byte, and how it is marked. The
 * receiver tells the sender which one it waits for, and so the sender never has more on the way than
 * queues hold.
 */
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103 /* linux/udp.h */
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#define IPV6_FLOW_INFO      11 /* linux/in6.h: IPV6_FLOWINFO, IPV6_FLOWINFO_SEND */
#define IPV6_FLOW_INFO_SEND 33
#define LABEL_MASK          0xfffff

#define TAP_LEN      68 /* the longest IPv4 header, and UDP's */
#define GROUP_MAX    64
#define GROUP_BYTES  131072
#define DATAGRAM_MAX 65535
#define NUMBER_LEN   4   /* a datagram's first bytes, when it has so many */
#define SHORT_AHEAD  500 /* how far ahead one without a number is looked for */
#define SKIP_MAX     100000
#define BATCH        16
#define BUFFER       (8 << 20)
#define WINDOW_BYTES 131072
#define WINDOW_MAX   128 /* datagrams */
#define PATIENCE_MS  200
#define PATIENCE_END 5 /* times that, at the end */
#define CONTROL_LEN  256
#define TOS_EACH     5 /* datagrams with the same */
#define TTL_EACH     7
#define LABEL_EACH   3
#define BAD_EACH     3
#define TTL_MIN      5
#define ECT_BITS     3

enum { DRAW_GROUP = 10, DRAW_LAST, DRAW_TOS, DRAW_TTL, DRAW_LABEL, DRAW_BYTES };

/* How a datagram is, or how it was found to be. */
struct shape {
	size_t len;
	uint8_t tos, ttl;
	uint32_t label; /* IPv6 */
	bool bad;       /* with a wrong checksum */
	/* Found: the options, the length of each of a group. */
	uint8_t options[8], hop_options[8];
	size_t segment;
};

static size_t longest(const struct end *e)
{
	const struct flow *f = e->flow;
	size_t header = (f->family == 4 ? 20 : 40) + options_len(f) + 8;
	return f->max ? f->max : e->run->mtu - header;
}

static void plan(const struct end *e, uint64_t number, struct shape *s)
{
	const struct flow *f = e->flow;
	uint64_t group = number / f->group, of_group = draw(e, DRAW_GROUP, group);
	bool whole = f->features & SEGMENT; /* one write, marked alike */
	memset(s, 0, sizeof *s);
	s->len = f->min + of_group % (longest(e) - f->min + 1);
	if (f->group > 1 && number % f->group == f->group - 1 && s->len > f->min)
		s->len -= draw(e, DRAW_LAST, group) % (s->len - f->min);
	s->tos = (uint8_t)draw(e, DRAW_TOS, whole ? group : number / TOS_EACH);
	s->ttl = (uint8_t)(TTL_MIN +
		draw(e, DRAW_TTL, whole ? group : number / TTL_EACH) % (256 - TTL_MIN));
	if (f->features & LABELS)
		s->label = (uint32_t)draw(e, DRAW_LABEL, number / LABEL_EACH) & LABEL_MASK;
	s->bad = f->features & BAD_CHECKSUM && number % BAD_EACH == 1;
}

static void fill(const struct end *e, uint64_t number, uint8_t *out, size_t len)
{
	stream_fill(draw(e, DRAW_BYTES, number), 0, out, len);
	for (unsigned i = 0; i < NUMBER_LEN && len >= NUMBER_LEN; i++)
		out[i] = (uint8_t)(number >> (8 * i));
}

/* ---- Receiver ------------------------------------------------------------------------------- */

/* Where whole packets to the flow's port are seen, with their headers. */
static int open_tap(const struct end *e)
{
	uint16_t port = (uint16_t)(FLOW_PORT_FIRST + e->index);
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
		BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, port, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, TAP_LEN),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
	int fd = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK, IPPROTO_UDP);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0)
		die(e, "raw socket");
	return fd;
}

/* A checksum that was left out is to be left out still. */
static void check_unchecked(struct end *e, int tap)
{
	uint8_t packet[TAP_LEN];
	while (recv(tap, packet, sizeof packet, 0) >= 0) {
		const uint8_t *udp = packet + 4 * (packet[0] & 15);
		if (udp[6] || udp[7])
			wrong(e, "a checksum that was left out has become %02x%02x", udp[6],
				udp[7]);
	}
}

void udp_listen(struct end *e)
{
	struct sockaddr_storage at;
	open_socket(e, SOCK_DGRAM);
	set_int(e, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER, "SO_RCVBUFFORCE");
	if (e->flow->family == 4) {
		set_int(e, IPPROTO_IP, IP_RECVTOS, 1, "IP_RECVTOS");
		set_int(e, IPPROTO_IP, IP_RECVTTL, 1, "IP_RECVTTL");
		set_int(e, IPPROTO_IP, IP_RECVOPTS, 1, "IP_RECVOPTS");
	} else {
		set_int(e, IPPROTO_IPV6, IPV6_RECVTCLASS, 1, "IPV6_RECVTCLASS");
		set_int(e, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1, "IPV6_RECVHOPLIMIT");
		set_int(e, IPPROTO_IPV6, IPV6_RECVDSTOPTS, 1, "IPV6_RECVDSTOPTS");
		set_int(e, IPPROTO_IPV6, IPV6_RECVHOPOPTS, 1, "IPV6_RECVHOPOPTS");
		set_int(e, IPPROTO_IPV6, IPV6_FLOW_INFO, 1, "IPV6_FLOWINFO");
	}
	if (e->flow->features & GROUPED)
		set_int(e, IPPROTO_UDP, UDP_GRO, 1, "UDP_GRO");
	socklen_t len = address_of(e, false, &at);
	if (bind(e->fd, (struct sockaddr *)&at, len) < 0)
		die(e, "bind");
}

static void copy_options(uint8_t out[8], const struct cmsghdr *c)
{
	size_t len = c->cmsg_len - CMSG_LEN(0);
	memset(out, 0xee, 8); /* other than any that are sent */
	if (len == 8)
		memcpy(out, CMSG_DATA(c), len);
}

/* What the system tells of a datagram. */
static void found(const struct msghdr *m, size_t len, struct shape *s)
{
	memset(s, 0, sizeof *s);
	s->segment = len;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR((struct msghdr *)m, c)) {
		const uint8_t *data = CMSG_DATA(c);
		int value = 0;
		memcpy(&value, data, c->cmsg_len >= CMSG_LEN(sizeof value) ? sizeof value : 1);
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
			s->segment = (size_t)value;
		else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS)
			s->tos = data[0];
		else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL)
			s->ttl = (uint8_t)value;
		else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVOPTS)
			copy_options(s->options, c);
		else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS)
			s->tos = (uint8_t)value;
		else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT)
			s->ttl = (uint8_t)value;
		else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_FLOW_INFO)
			s->label = ntohl((uint32_t)value) & LABEL_MASK;
		else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_DSTOPTS)
			copy_options(s->options, c);
		else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPOPTS)
			copy_options(s->hop_options, c);
	}
}

static bool same_tos(const struct end *e, const struct shape *due, const struct shape *got)
{
	uint8_t ecn = due->tos & ECT_BITS;
	bool may_be_marked = e->run->marks && ecn != 0 && ecn != ECT_BITS;
	return got->tos == due->tos || (may_be_marked && got->tos == (due->tos | ECT_BITS));
}

/* Whether datagram `number` is one too short to say it that was found to be like this. */
static bool is_short(const struct end *e, uint64_t number, const uint8_t *data, size_t len,
	const struct shape *got)
{
	struct shape due;
	uint8_t bytes[NUMBER_LEN];
	int hops = e->tally.hops;
	plan(e, number, &due);
	if (due.len != len || due.bad || !same_tos(e, &due, got) ||
		(hops >= 0 && due.ttl - got->ttl != hops))
		return false;
	fill(e, number, bytes, len);
	return memcmp(data, bytes, len) == 0;
}

/* The number of a datagram; of one too short to say it, of the next one that is like it. */
static bool number_of(const struct end *e, uint64_t next, const uint8_t *data, size_t len,
	const struct shape *got, uint64_t *number)
{
	*number = next;
	if (len < NUMBER_LEN) {
		while (*number < next + SHORT_AHEAD && !is_short(e, *number, data, len, got))
			++*number;
		return *number < next + SHORT_AHEAD;
	}
	*number = 0;
	for (unsigned i = 0; i < NUMBER_LEN; i++)
		*number |= (uint64_t)data[i] << (8 * i);
	return *number < next + SKIP_MAX;
}

static void check_options(struct end *e, uint64_t number, const struct shape *got)
{
	uint32_t features = e->flow->features;
	static const uint8_t none[8];
	if (e->flow->family == 4) {
		same_bytes(e, "IP options of datagram", number, got->options,
			features & OPTIONS ? ipv4_options : none, 8);
		return;
	}
	/* Their first byte is the next header. */
	same_bytes(e, "destination options of datagram", number, got->options + 1,
		(features & OPTIONS ? ipv6_options : none) + 1, 7);
	same_bytes(e, "hop-by-hop options of datagram", number, got->hop_options + 1,
		(features & HOP_OPTIONS ? ipv6_options : none) + 1, 7);
}

static void check_marks(
	struct end *e, uint64_t number, const struct shape *due, const struct shape *got)
{
	struct tally *t = &e->tally;
	t->marked += got->tos != due->tos && same_tos(e, due, got);
	if (!same_tos(e, due, got))
		wrong(e, "datagram %llu: TOS %02x, not %02x", (unsigned long long)number, got->tos,
			due->tos);
	int hops = due->ttl - got->ttl;
	if (t->hops < 0)
		t->hops = hops;
	if (hops != t->hops)
		wrong(e, "datagram %llu: TTL %u of %u, with %d routers before",
			(unsigned long long)number, got->ttl, due->ttl, t->hops);
	if (e->flow->features & LABELS && got->label != due->label)
		wrong(e, "datagram %llu: flow label %05x, not %05x", (unsigned long long)number,
			got->label, due->label);
}

/* Returns the number that is due next. */
static uint64_t take(
	struct end *e, uint64_t next, const uint8_t *data, size_t len, const struct shape *got)
{
	static __thread uint8_t bytes[DATAGRAM_MAX];
	struct tally *t = &e->tally;
	struct shape due;
	uint64_t number;
	if (!number_of(e, next, data, len, got, &number)) {
		wrong(e, "%zu bytes after datagram %llu that are none", len,
			(unsigned long long)next - 1);
		return next;
	}
	if (number < next) {
		if (t->late++ == 0)
			wrong(e, "datagram %llu after %llu", (unsigned long long)number,
				(unsigned long long)next - 1);
		return next;
	}
	plan(e, number, &due);
	t->received++;
	t->bytes += len;
	if (len != due.len) {
		wrong(e, "datagram %llu: %zu bytes, not %zu", (unsigned long long)number, len,
			due.len);
		return number + 1;
	}
	if (due.bad) {
		t->received--;
		wrong(e, "datagram %llu has arrived, with a wrong checksum",
			(unsigned long long)number);
	}
	fill(e, number, bytes, len);
	if (len > 0)
		same_bytes(e, "datagram", number, data, bytes, len);
	check_marks(e, number, &due, got);
	check_options(e, number, got);
	return number + 1;
}

struct inbox {
	struct mmsghdr m[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_storage from[BATCH];
	char control[BATCH][CONTROL_LEN];
	uint8_t data[BATCH][DATAGRAM_MAX];
};

static int receive(int fd, struct inbox *in)
{
	for (unsigned i = 0; i < BATCH; i++) {
		in->iov[i] = (struct iovec){in->data[i], sizeof in->data[i]};
		in->m[i].msg_hdr = (struct msghdr){.msg_name = &in->from[i],
			.msg_namelen = sizeof in->from[i],
			.msg_iov = &in->iov[i],
			.msg_iovlen = 1,
			.msg_control = in->control[i],
			.msg_controllen = sizeof in->control[i]};
	}
	return recvmmsg(fd, in->m, BATCH, MSG_WAITFORONE, NULL);
}

void udp_serve(struct end *e)
{
	struct inbox *in = malloc(sizeof *in);
	uint64_t next = 0;
	int tap = e->flow->features & NO_CHECKSUM ? open_tap(e) : -1;
	if (!in)
		die(e, "memory");
	for (;;) {
		int n = receive(e->fd, in);
		for (int i = 0; i < n; i++) {
			struct shape got;
			size_t len = in->m[i].msg_len, at = 0;
			found(&in->m[i].msg_hdr, len, &got);
			do {
				size_t piece = len - at < got.segment ? len - at : got.segment;
				next = take(e, next, in->data[i] + at, piece, &got);
				at += piece;
			} while (at < len);
		}
		if (tap >= 0)
			check_unchecked(e, tap);
		if (n > 0)
			sendto(e->fd, &next, sizeof next, 0, (struct sockaddr *)&in->from[n - 1],
				in->m[n - 1].msg_hdr.msg_namelen);
	}
}

/* ---- Sender --------------------------------------------------------------------------------- */

struct outbox {
	struct mmsghdr m[GROUP_MAX];
	struct iovec iov[GROUP_MAX][2];
	uint8_t header[GROUP_MAX][8]; /* UDP, of a raw socket's datagrams */
	char control[GROUP_MAX][CONTROL_LEN];
	uint8_t data[GROUP_BYTES];
};

struct sender {
	struct end *e;
	struct outbox *out;
	struct sockaddr_storage to, from;
	socklen_t to_len;
	int raw; /* -1, or where BAD_CHECKSUM sends */
	uint64_t next, due;
	uint64_t last; /* behind the last one that is to arrive */
};

void udp_connect(struct end *e)
{
	struct sockaddr_storage to;
	uint32_t features = e->flow->features;
	open_socket(e, SOCK_DGRAM);
	set_int(e, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER, "SO_RCVBUFFORCE");
	set_options(e);
	if (features & NO_CHECKSUM)
		set_int(e, SOL_SOCKET, SO_NO_CHECK, 1, "SO_NO_CHECK");
	if (features & NO_DF)
		set_int(e, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT, "IP_MTU_DISCOVER");
	if (features & LABELS)
		set_int(e, IPPROTO_IPV6, IPV6_FLOW_INFO_SEND, 1, "IPV6_FLOWINFO_SEND");
	set_int(e, SOL_SOCKET, SO_SNDBUFFORCE, BUFFER, "SO_SNDBUFFORCE");
	socklen_t len = address_of(e, true, &to);
	if (connect(e->fd, (struct sockaddr *)&to, len) < 0)
		die(e, "connect");
}

static void add_control(struct msghdr *m, int level, int type, int value, size_t len)
{
	struct cmsghdr *c = (struct cmsghdr *)((char *)m->msg_control + m->msg_controllen);
	uint16_t half = (uint16_t)value;
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	if (len == sizeof half)
		memcpy(CMSG_DATA(c), &half, len);
	else
		memcpy(CMSG_DATA(c), &value, len);
	m->msg_controllen += CMSG_SPACE(len);
}

/* Message i of the outbox: how it is marked, and with segments of what length (0 = none). */
static struct msghdr *prepare(
	struct sender *s, unsigned i, const struct shape *shape, size_t segment)
{
	bool v4 = s->e->flow->family == 4;
	struct msghdr *m = &s->out->m[i].msg_hdr;
	int level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
	*m = (struct msghdr){
		.msg_iov = &s->out->iov[i][1], .msg_iovlen = 1, .msg_control = s->out->control[i]};
	memset(s->out->control[i], 0, sizeof s->out->control[i]);
	add_control(m, level, v4 ? IP_TOS : IPV6_TCLASS, shape->tos, sizeof(int));
	add_control(m, level, v4 ? IP_TTL : IPV6_HOPLIMIT, shape->ttl, sizeof(int));
	if (segment)
		add_control(m, IPPROTO_UDP, UDP_SEGMENT, (int)segment, sizeof(uint16_t));
	return m;
}

static uint32_t sum(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *bytes = data;
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	return sum;
}

static uint32_t sum_address(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET)
		return sum(0, &((const struct sockaddr_in *)a)->sin_addr, 4);
	return sum(0, &((const struct sockaddr_in6 *)a)->sin6_addr, 16);
}

static void put16(uint8_t *out, uint32_t value)
{
	out[0] = (uint8_t)(value >> 8);
	out[1] = (uint8_t)value;
}

/* A UDP header (RFC 768), with a checksum that is right or off by one. */
static void add_header(struct sender *s, unsigned i, const struct shape *shape)
{
	uint8_t *h = s->out->header[i];
	struct iovec *iov = s->out->iov[i];
	uint32_t len = (uint32_t)iov[1].iov_len + 8;
	/* The port is at the same place in both kinds of address. */
	put16(h, ntohs(((struct sockaddr_in *)&s->from)->sin_port));
	put16(h + 2, ntohs(((struct sockaddr_in *)&s->to)->sin_port));
	put16(h + 4, len);
	put16(h + 6, 0);
	uint32_t all = sum_address(&s->from) + sum_address(&s->to) + IPPROTO_UDP + len;
	all = sum(sum(all, h, 8), iov[1].iov_base, iov[1].iov_len);
	while (all >> 16)
		all = (all & 0xffff) + (all >> 16);
	all = ~all & 0xffff;
	if (shape->bad)
		all = all % 0xfff0 + 1;
	put16(h + 6, all ? all : 0xffff);
	iov[0] = (struct iovec){h, 8};
	struct msghdr *m = &s->out->m[i].msg_hdr;
	m->msg_iov = iov;
	m->msg_iovlen = 2;
}

/* Sends messages 0 .. n - 1. A write that is refused is given up. */
static void send_messages(struct sender *s, unsigned n)
{
	int fd = s->raw >= 0 ? s->raw : s->e->fd;
	for (unsigned done = 0; done < n;) {
		int sent = sendmmsg(fd, s->out->m + done, n - done, 0);
		if (sent < 0 && errno != ECONNREFUSED && errno != EINTR)
			die(s->e, "send");
		if (sent < 0)
			s->e->tally.refused++;
		done += sent > 0 ? (unsigned)sent : errno == ECONNREFUSED;
	}
}

/* Sends the next group. Returns its bytes. */
static size_t send_group(struct sender *s)
{
	const struct end *e = s->e;
	struct outbox *out = s->out;
	struct sockaddr_in6 labelled[GROUP_MAX];
	bool whole = e->flow->features & SEGMENT;
	size_t bytes = 0, first_len = 0;
	for (unsigned i = 0; i < e->flow->group; i++, s->next++) {
		struct shape shape;
		plan(e, s->next, &shape);
		fill(e, s->next, out->data + bytes, shape.len);
		if (i == 0)
			first_len = shape.len;
		if (!whole || i == 0) {
			out->iov[i][1] = (struct iovec){out->data + bytes, shape.len};
			struct msghdr *m = prepare(s, i, &shape, whole ? first_len : 0);
			if (s->raw >= 0)
				add_header(s, i, &shape);
			if (e->flow->features & LABELS) {
				memcpy(&labelled[i], &s->to, sizeof labelled[i]);
				labelled[i].sin6_flowinfo = htonl(shape.label);
				m->msg_name = &labelled[i];
				m->msg_namelen = sizeof labelled[i];
			}
		}
		bytes += shape.len;
		if (!shape.bad) {
			s->e->tally.sent++;
			s->last = s->next + 1;
		}
	}
	if (whole)
		out->iov[0][1].iov_len = bytes;
	send_messages(s, whole ? 1 : e->flow->group);
	return bytes;
}

/* Hears what is due; waits until it is at least `at_least`. false: nothing was heard for long. */
static bool wait_for(struct sender *s, uint64_t at_least)
{
	for (;;) {
		uint64_t due;
		ssize_t n = recv(s->e->fd, &due, sizeof due, MSG_DONTWAIT);
		if (n == sizeof due && due > s->due && due <= s->next)
			s->due = due;
		if (n >= 0)
			continue;
		if (s->due >= at_least)
			return true;
		if (poll(&(struct pollfd){.fd = s->e->fd, .events = POLLIN}, 1, PATIENCE_MS) == 0)
			return false;
	}
}

static void open_raw(struct sender *s)
{
	struct sockaddr_storage to = s->to;
	s->raw = socket(s->to.ss_family, SOCK_RAW, IPPROTO_UDP);
	((struct sockaddr_in *)&to)->sin_port = 0;
	if (s->raw < 0 || connect(s->raw, (struct sockaddr *)&to, s->to_len) < 0)
		die(s->e, "raw socket");
	shutdown(s->raw, SHUT_RD);
	int size = BUFFER;
	setsockopt(s->raw, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
}

void udp_send(struct end *e)
{
	struct sender s = {.e = e, .out = malloc(sizeof *s.out), .raw = -1};
	socklen_t from_len = sizeof s.from;
	if (!s.out)
		die(e, "memory");
	s.to_len = address_of(e, true, &s.to);
	if (getsockname(e->fd, (struct sockaddr *)&s.from, &from_len) < 0)
		die(e, "getsockname");
	if (e->flow->features & BAD_CHECKSUM)
		open_raw(&s);
	uint64_t window = WINDOW_BYTES / longest(e);
	window = window > WINDOW_MAX ? WINDOW_MAX : window;
	window = window < e->flow->group ? e->flow->group : window;
	for (uint64_t bytes = 0; bytes < e->share;) {
		bytes += send_group(&s);
		if (s.next > window && !wait_for(&s, s.next - window))
			s.due = s.next - window; /* lost */
	}
	for (unsigned i = 0; i < PATIENCE_END && !wait_for(&s, s.last); i++)
		;
	free(s.out);
}
