#include "test/ports/fake_darwin.h"

#include "test/platform/bsd_messages.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/*
 * Numbers and structures of macOS (xnu 11417), written out, since this file is compiled with Linux's headers.
 */
#define D_AF_INET         2
#define D_AF_INET6        30
#define D_PF_ROUTE        17
#define D_PF_SYSTEM       32
#define D_CONTROL         2
#define D_CTLIOCGINFO     0xc0644e03ul
#define D_SIOCSIFMTU      0x80206934ul
#define D_SIOCAIFADDR     0x8040691aul
#define D_SIOCAIFADDR_IN6 0x8080691aul
#define D_UTUN_IFNAME     2
#define D_SOL_SOCKET      0xffff
#define D_NONBLOCK        0x4
#define D_DUPFD_CLOEXEC   67
#define D_NET_RT_DUMP     1
#define D_NET_RT_IFLIST   3
#define FIRST_IFINDEX     1 /* en0, which is there from the start */
#define UTUN_IFINDEX      7
#define FDS               64
#define LISTENERS         8

struct d_msghdr {
	void *name;
	uint32_t namelen;
	struct iovec *iov;
	int32_t iovlen;
	void *control;
	uint32_t controllen;
	int32_t flags;
};

struct d_cmsghdr {
	uint32_t len;
	int32_t level, type;
};

struct fake_darwin fake_darwin;

static int error; /* macOS's errno */
static struct {
	uint8_t kind; /* what macOS calls its family; 0 = not ours */
	int other;    /* the kernel's end */
} fds[FDS];

struct address {
	uint32_t ifindex;
	struct prefix prefix;
};
static struct address addresses[32];
static unsigned n_addresses;
static bool en0_up;

/* ---- Errors and doors ------------------------------------------------------------------------- */

static int d_errno(int linux_errno)
{
	static const int map[][2] = {{EAGAIN, 35}, {EADDRINUSE, 48}, {EADDRNOTAVAIL, 49},
		{EAFNOSUPPORT, 47}, {ENETUNREACH, 51}, {EHOSTUNREACH, 65}, {EMSGSIZE, 40},
		{ECONNREFUSED, 61}, {ENOBUFS, 55}, {ENOTCONN, 57}};
	for (size_t i = 0; i < sizeof map / sizeof *map; i++)
		if (map[i][0] == linux_errno)
			return map[i][1];
	return linux_errno; /* the old ones are the same */
}

static int fail(int darwin_errno)
{
	error = darwin_errno;
	return -1;
}

static int result(long rc)
{
	if (rc < 0)
		error = d_errno(errno);
	return (int)rc;
}

int *darwin___error(void);
int *darwin___error(void)
{
	return &error;
}

/* ---- Routing sockets -------------------------------------------------------------------------- */

static void announce(struct bsd_message *m)
{
	bsd_end(m);
	for (int fd = 0; fd < FDS; fd++)
		if (fds[fd].kind == D_PF_ROUTE)
			send(fds[fd].other, m->bytes, m->len, MSG_DONTWAIT);
}

static void put_prefix(struct bsd_message *m, const struct prefix *p)
{
	char text[ADDR_TEXT_MAX];
	bsd_address(m, BSD_DST, addr_format(&p->addr, text));
}

static void route_message(struct bsd_message *m, uint8_t type, const struct fake_route *r)
{
	char text[ADDR_TEXT_MAX];
	bool host = r->prefix.len == addr_bits(r->prefix.addr.family);
	bsd_begin(m, &rtsock_macos, type, (uint16_t)r->ifindex, r->flags);
	put_prefix(m, &r->prefix);
	if (r->gateway.family)
		bsd_address(m, BSD_GATEWAY, addr_format(&r->gateway, text));
	else
		bsd_link(m, BSD_GATEWAY, (uint16_t)r->ifindex, "");
	if (!host)
		bsd_mask(m, r->prefix.addr.family, r->prefix.len);
}

static struct fake_route *find_route(const struct prefix *p)
{
	for (unsigned i = 0; i < fake_darwin.n_routes; i++)
		if (prefix_equal(&fake_darwin.routes[i].prefix, p))
			return &fake_darwin.routes[i];
	return NULL;
}

static void change_route(const struct fake_route *r, bool add, bool aloud)
{
	struct bsd_message m;
	struct fake_route *have = find_route(&r->prefix), gone = have ? *have : *r;
	if (add && !have)
		fake_darwin.routes[fake_darwin.n_routes++] = *r;
	else if (!add && have)
		*have = fake_darwin.routes[--fake_darwin.n_routes];
	else
		abort();
	route_message(&m, add ? RTSOCK_ROUTE_ADD : RTSOCK_ROUTE_DELETE, add ? r : &gone);
	if (aloud)
		announce(&m);
}

static struct fake_route make_route(const char *prefix, const char *gateway, uint32_t ifindex)
{
	struct fake_route r = {.ifindex = ifindex, .flags = RTSOCK_UP | RTSOCK_STATIC};
	prefix_parse(prefix, &r.prefix);
	if (gateway && addr_parse(gateway, &r.gateway))
		r.flags |= RTSOCK_GATEWAY;
	return r;
}

void fake_darwin_route(const char *prefix, const char *gateway, uint32_t ifindex, bool add)
{
	struct fake_route r = make_route(prefix, gateway, ifindex);
	change_route(&r, add, true);
}

void fake_darwin_route_silently(const char *prefix, const char *gateway, uint32_t ifindex, bool add)
{
	struct fake_route r = make_route(prefix, gateway, ifindex);
	change_route(&r, add, false);
}

static void address_message(struct bsd_message *m, const struct address *a, bool add)
{
	char text[ADDR_TEXT_MAX];
	bsd_begin(m, &rtsock_macos, add ? RTSOCK_ADDRESS_NEW : RTSOCK_ADDRESS_DELETE,
		(uint16_t)a->ifindex, 0);
	bsd_mask(m, a->prefix.addr.family, a->prefix.len);
	bsd_address(m, BSD_IFA, addr_format(&a->prefix.addr, text));
}

static void change_address(const struct address *a, bool add)
{
	struct bsd_message m;
	if (add)
		addresses[n_addresses++] = *a;
	for (unsigned i = 0; !add && i < n_addresses; i++)
		if (addr_equal(&addresses[i].prefix.addr, &a->prefix.addr)) {
			addresses[i] = addresses[--n_addresses];
			break;
		}
	address_message(&m, a, add);
	announce(&m);
}

void fake_darwin_address(uint32_t ifindex, const char *text, bool add)
{
	struct address a = {.ifindex = ifindex};
	prefix_parse(text, &a.prefix);
	change_address(&a, add);
}

static void link_message(struct bsd_message *m, uint32_t ifindex, bool up, uint32_t mtu)
{
	bsd_begin(m, &rtsock_macos, RTSOCK_LINK, (uint16_t)ifindex, up);
	memcpy(m->bytes + 24, &mtu, sizeof mtu);
}

void fake_darwin_link(uint32_t ifindex, bool up)
{
	struct bsd_message m;
	en0_up = up;
	link_message(&m, ifindex, up, 1500);
	announce(&m);
}

/* RTM_ADD and RTM_DELETE of the code under test, told to all like any other. */
static ssize_t request(const void *data, size_t len)
{
	struct rtsock_message m;
	size_t used;
	if (!rtsock_parse(&rtsock_macos, data, len, &used, &m) || used != len)
		return fail(22);
	struct fake_route r = {
		.prefix = m.prefix, .gateway = m.gateway, .ifindex = m.ifindex, .flags = m.flags};
	bool add = m.type == RTSOCK_ROUTE_ADD, there = find_route(&m.prefix) != NULL;
	if (add && fake_darwin.fail_next) {
		int code = fake_darwin.fail_next;
		fake_darwin.fail_next = 0;
		return fail(code);
	}
	if (add == there)
		return fail(add ? 17 : 3);
	change_route(&r, add, true);
	return (ssize_t)len;
}

/* What sysctl tells: one message behind the other. */
static size_t dump(int what, uint8_t *out)
{
	struct bsd_message m;
	size_t len = 0;
#define APPEND() (bsd_end(&m), out ? memcpy(out + len, m.bytes, m.len) : NULL, len += m.len)
	if (what == D_NET_RT_DUMP) {
		for (unsigned i = 0; i < fake_darwin.n_routes; i++) {
			route_message(&m, RTSOCK_ROUTE_GET, &fake_darwin.routes[i]);
			APPEND();
		}
		return len;
	}
	link_message(&m, FIRST_IFINDEX, en0_up, 1500);
	APPEND();
	if (fake_darwin.utun.open) {
		link_message(&m, UTUN_IFINDEX, true, fake_darwin.utun.mtu);
		APPEND();
	}
	for (unsigned i = 0; i < n_addresses; i++) {
		address_message(&m, &addresses[i], true);
		APPEND();
	}
	return len;
}

int darwin_sysctl(int *mib, unsigned n, void *out, size_t *len, void *in, size_t in_len);
int darwin_sysctl(int *mib, unsigned n, void *out, size_t *len, void *in, size_t in_len)
{
	(void)in, (void)in_len;
	if (n != 6 || mib[0] != 4 || mib[1] != D_PF_ROUTE)
		return fail(2);
	size_t need = dump(mib[4], NULL);
	if (out && *len < need)
		return fail(12);
	*len = need;
	if (out)
		dump(mib[4], out);
	return 0;
}

/* ---- Descriptors ------------------------------------------------------------------------------ */

int darwin_socket(int family, int type, int protocol);
int darwin_socket(int family, int type, int protocol)
{
	int pair[2];
	(void)type;
	if (family == D_AF_INET || family == D_AF_INET6) {
		int fd = socket(family == D_AF_INET ? AF_INET : AF_INET6, SOCK_DGRAM, 0);
		if (fd >= 0)
			fds[fd].kind = (uint8_t)family;
		return result(fd);
	}
	if ((family != D_PF_SYSTEM || protocol != D_CONTROL) && family != D_PF_ROUTE)
		return fail(43);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0)
		return result(-1);
	fds[pair[0]].kind = (uint8_t)family;
	fds[pair[0]].other = pair[1];
	return pair[0];
}

int darwin__close(int fd);
int darwin__close(int fd)
{
	if (fds[fd].kind == D_PF_SYSTEM) {
		/* The device goes, and its routes and addresses with it. */
		fake_darwin.utun.open = false;
		for (unsigned i = fake_darwin.n_routes; i-- > 0;)
			if (fake_darwin.routes[i].ifindex == UTUN_IFINDEX)
				fake_darwin.routes[i] = fake_darwin.routes[--fake_darwin.n_routes];
	}
	if (fds[fd].other)
		close(fds[fd].other);
	memset(&fds[fd], 0, sizeof fds[fd]);
	return result(close(fd));
}

int darwin__fcntl(int fd, int command, long argument);
int darwin__fcntl(int fd, int command, long argument)
{
	if (command == F_SETFL)
		argument = argument & D_NONBLOCK ? O_NONBLOCK : 0;
	if (command == D_DUPFD_CLOEXEC)
		command = F_DUPFD_CLOEXEC;
	return result(fcntl(fd, command, argument));
}

int darwin__connect(int fd, const void *name, uint32_t len);
int darwin__connect(int fd, const void *name, uint32_t len)
{
	const uint8_t *ctl = name; /* len, family, u16 2, u32 id, u32 unit, 20 bytes */
	uint32_t id, unit;
	memcpy(&id, ctl + 4, 4);
	memcpy(&unit, ctl + 8, 4);
	if (fds[fd].kind != D_PF_SYSTEM || len != 32 || ctl[0] != 32 || ctl[1] != 32 ||
		ctl[2] != 2 || id != 77)
		return fail(22);
	if (unit == 9) /* utun8 is somebody else's */
		return fail(16);
	struct fake_utun *u = &fake_darwin.utun;
	u->open = true;
	u->ifindex = UTUN_IFINDEX;
	u->mtu = 1500;
	u->kernel_fd = fds[fd].other;
	snprintf(u->name, sizeof u->name, "utun%u", unit ? unit - 1 : 4);
	return 0;
}

static struct ip_addr get_sockaddr(const uint8_t *sa)
{
	return sa[1] == D_AF_INET ? addr_v4(sa + 4) : addr_from_bytes(6, sa + 8);
}

static uint8_t mask_bits(const struct ip_addr *mask)
{
	uint8_t n = 0;
	while (n < addr_bits(mask->family) && mask->bytes[n / 8] & (0x80 >> n % 8))
		n++;
	return n;
}

/* name 16, address, destination or broadcast, mask */
static int add_address(const uint8_t *r, size_t sockaddr_len)
{
	struct fake_utun *u = &fake_darwin.utun;
	if (strncmp((const char *)r, u->name, 16) != 0)
		return fail(6);
	struct ip_addr mask = get_sockaddr(r + 16 + 2 * sockaddr_len);
	struct address a = {
		.ifindex = u->ifindex, .prefix = {get_sockaddr(r + 16), mask_bits(&mask)}};
	u->addresses[u->n_addresses++] = a.prefix;
	change_address(&a, true);
	return 0;
}

int darwin_ioctl(int fd, unsigned long what, void *argument);
int darwin_ioctl(int fd, unsigned long what, void *argument)
{
	uint8_t *r = argument;
	uint32_t id = 77;
	(void)fd;
	switch (what) {
	case D_CTLIOCGINFO:
		if (strcmp((char *)r + 4, "com.apple.net.utun_control") != 0)
			return fail(2);
		memcpy(r, &id, 4);
		return 0;
	case D_SIOCSIFMTU:
		if (strcmp((char *)r, fake_darwin.utun.name) != 0)
			return fail(6);
		memcpy(&fake_darwin.utun.mtu, r + 16, 4);
		return 0;
	case D_SIOCAIFADDR:
		return add_address(r, 16);
	case D_SIOCAIFADDR_IN6:
		return add_address(r, 28);
	default:
		return fail(25);
	}
}

/* ---- Socket options and names ----------------------------------------------------------------- */

static const int options[][4] = {
	/* macOS's level and name, Linux's */
	{D_SOL_SOCKET, 0x1001, SOL_SOCKET, SO_SNDBUF},
	{D_SOL_SOCKET, 0x1002, SOL_SOCKET, SO_RCVBUF},
	{IPPROTO_IP, 3, IPPROTO_IP, IP_TOS},
	{IPPROTO_IP, 4, IPPROTO_IP, IP_TTL},
	{IPPROTO_IP, 26, IPPROTO_IP, IP_PKTINFO},
	{IPPROTO_IP, 27, IPPROTO_IP, IP_RECVTOS},
	{IPPROTO_IPV6, 27, IPPROTO_IPV6, IPV6_V6ONLY},
	{IPPROTO_IPV6, 61, IPPROTO_IPV6, IPV6_RECVPKTINFO},
	{IPPROTO_IPV6, 35, IPPROTO_IPV6, IPV6_RECVTCLASS},
	{IPPROTO_IPV6, 62, IPPROTO_IPV6, IPV6_DONTFRAG},
};

int darwin_setsockopt(int fd, int level, int name, const void *value, uint32_t len);
int darwin_setsockopt(int fd, int level, int name, const void *value, uint32_t len)
{
	if (fds[fd].kind == D_PF_SYSTEM || fds[fd].kind == D_PF_ROUTE ||
		(level == IPPROTO_IP && name == 28)) /* IP_DONTFRAG */
		return 0;
	for (size_t i = 0; i < sizeof options / sizeof *options; i++)
		if (options[i][0] == level && options[i][1] == name)
			return result(setsockopt(fd, options[i][2], options[i][3], value, len));
	return fail(42);
}

int darwin_getsockopt(int fd, int level, int name, void *value, uint32_t *len);
int darwin_getsockopt(int fd, int level, int name, void *value, uint32_t *len)
{
	if (fds[fd].kind != D_PF_SYSTEM || level != D_CONTROL || name != D_UTUN_IFNAME)
		return fail(42);
	*len = (uint32_t)strlen(fake_darwin.utun.name) + 1;
	memcpy(value, fake_darwin.utun.name, *len);
	return 0;
}

static socklen_t to_linux(const void *name, struct sockaddr_storage *out)
{
	const uint8_t *sa = name;
	memcpy(out, sa, sa[0]);
	out->ss_family = sa[1] == D_AF_INET ? AF_INET : AF_INET6;
	return sa[0];
}

static uint32_t to_darwin(const struct sockaddr_storage *name, void *out)
{
	bool v4 = name->ss_family == AF_INET;
	uint8_t *sa = out;
	memcpy(sa, name, v4 ? 16 : 28);
	sa[0] = v4 ? 16 : 28;
	sa[1] = v4 ? D_AF_INET : D_AF_INET6;
	return sa[0];
}

int darwin__bind(int fd, const void *name, uint32_t len);
int darwin__bind(int fd, const void *name, uint32_t len)
{
	struct sockaddr_storage n = {0};
	(void)len;
	socklen_t n_len = to_linux(name, &n);
	return result(bind(fd, (struct sockaddr *)&n, n_len));
}

int darwin__getsockname(int fd, void *name, uint32_t *len);
int darwin__getsockname(int fd, void *name, uint32_t *len)
{
	struct sockaddr_storage n;
	socklen_t n_len = sizeof n;
	int rc = getsockname(fd, (struct sockaddr *)&n, &n_len);
	if (rc == 0)
		*len = to_darwin(&n, name);
	return result(rc);
}

/* ---- Bytes ------------------------------------------------------------------------------------ */

ssize_t darwin__read(int fd, void *out, size_t len);
ssize_t darwin__read(int fd, void *out, size_t len)
{
	if (fds[fd].kind == D_PF_ROUTE && fake_darwin.overrun) {
		fake_darwin.overrun = false;
		return fail(55);
	}
	return result(read(fd, out, len));
}

ssize_t darwin__write(int fd, const void *data, size_t len);
ssize_t darwin__write(int fd, const void *data, size_t len)
{
	return fds[fd].kind == D_PF_ROUTE ? request(data, len) : result(write(fd, data, len));
}

ssize_t darwin__writev(int fd, const struct iovec *iov, int n);
ssize_t darwin__writev(int fd, const struct iovec *iov, int n)
{
	return result(writev(fd, iov, n));
}

static void put_cmsg(
	struct d_msghdr *m, size_t cap, int level, int type, const void *data, size_t len)
{
	size_t space = (sizeof(struct d_cmsghdr) + len + 3) / 4 * 4;
	if (m->controllen + space > cap)
		abort(); /* the code under test leaves too little room */
	uint8_t *at = (uint8_t *)m->control + m->controllen;
	struct d_cmsghdr c = {(uint32_t)(sizeof c + len), level, type};
	memcpy(at, &c, sizeof c);
	memcpy(at + sizeof c, data, len);
	m->controllen += (uint32_t)space;
}

ssize_t darwin__recvmsg(int fd, struct d_msghdr *d, int flags);
ssize_t darwin__recvmsg(int fd, struct d_msghdr *d, int flags)
{
	_Alignas(struct cmsghdr) char control[256];
	struct sockaddr_storage name;
	struct msghdr m = {.msg_name = &name,
		.msg_namelen = sizeof name,
		.msg_iov = d->iov,
		.msg_iovlen = (size_t)d->iovlen,
		.msg_control = control,
		.msg_controllen = sizeof control};
	ssize_t n = recvmsg(fd, &m, flags & 0x80 ? MSG_DONTWAIT : 0);
	if (n < 0)
		return result(n);
	size_t cap = d->controllen;
	d->namelen = to_darwin(&name, d->name);
	d->flags = m.msg_flags & MSG_TRUNC ? 0x10 : 0;
	d->controllen = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
			put_cmsg(d, cap, IPPROTO_IP, 26, CMSG_DATA(c), 12);
		else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS)
			put_cmsg(d, cap, IPPROTO_IP, 27, CMSG_DATA(c), 1);
		else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
			put_cmsg(d, cap, IPPROTO_IPV6, 46, CMSG_DATA(c), 20);
		else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS)
			put_cmsg(d, cap, IPPROTO_IPV6, 36, CMSG_DATA(c), 4);
	}
	return n;
}

static void copy_cmsgs(const struct d_msghdr *d, struct msghdr *m, char *control)
{
	static const int types[][3] = {{IPPROTO_IP, 26, IP_PKTINFO},
		{IPPROTO_IPV6, 46, IPV6_PKTINFO}, {IPPROTO_IPV6, 36, IPV6_TCLASS},
		{IPPROTO_IPV6, 47, IPV6_HOPLIMIT}};
	size_t at = 0, used = 0;
	while (at + sizeof(struct d_cmsghdr) <= d->controllen) {
		struct d_cmsghdr c;
		memcpy(&c, (uint8_t *)d->control + at, sizeof c);
		size_t len = c.len - sizeof c;
		struct cmsghdr *out = (struct cmsghdr *)(control + used);
		out->cmsg_len = CMSG_LEN(len);
		out->cmsg_level = c.level;
		out->cmsg_type = -1;
		for (size_t i = 0; i < sizeof types / sizeof *types; i++)
			if (types[i][0] == c.level && types[i][1] == c.type)
				out->cmsg_type = types[i][2];
		memcpy(CMSG_DATA(out), (uint8_t *)d->control + at + sizeof c, len);
		used += CMSG_SPACE(len);
		at += (c.len + 3) / 4 * 4;
	}
	m->msg_control = used ? control : NULL;
	m->msg_controllen = used;
}

ssize_t darwin__sendmsg(int fd, const struct d_msghdr *d, int flags);
ssize_t darwin__sendmsg(int fd, const struct d_msghdr *d, int flags)
{
	_Alignas(struct cmsghdr) char control[256] = {0};
	struct sockaddr_storage name = {0};
	struct msghdr m = {.msg_name = &name,
		.msg_namelen = to_linux(d->name, &name),
		.msg_iov = d->iov,
		.msg_iovlen = (size_t)d->iovlen};
	copy_cmsgs(d, &m, control);
	return result(sendmsg(fd, &m, flags & 0x80 ? MSG_DONTWAIT : 0));
}

/* ---- The rest --------------------------------------------------------------------------------- */

unsigned darwin_if_nametoindex(const char *name);
unsigned darwin_if_nametoindex(const char *name)
{
	return strcmp(name, fake_darwin.utun.name) == 0 ? UTUN_IFINDEX : 0;
}

char *darwin_if_indextoname(unsigned ifindex, char *out);
char *darwin_if_indextoname(unsigned ifindex, char *out)
{
	strcpy(out, ifindex == UTUN_IFINDEX ? fake_darwin.utun.name : "en0");
	return out;
}

char *darwin__strerror(int number);
char *darwin__strerror(int number)
{
	static char text[32];
	snprintf(text, sizeof text, "macOS's errno %d", number);
	return text;
}

int darwin_clock_gettime(int clock, struct timespec *out);
int darwin_clock_gettime(int clock, struct timespec *out)
{
	/* 4 = CLOCK_MONOTONIC_RAW, counts sleep; 8 = CLOCK_UPTIME_RAW, does not */
	return clock_gettime(clock == 4 ? CLOCK_BOOTTIME : clock == 8 ? CLOCK_MONOTONIC : -1, out);
}

int darwin_ptrace(int what, int pid, void *address, int data);
int darwin_ptrace(int what, int pid, void *address, int data)
{
	(void)pid, (void)address, (void)data;
	fake_darwin.tracing_denied = what == 31;
	return 0;
}

int getpeereid(int fd, uid_t *uid, gid_t *gid); /* which Linux does not have */
int getpeereid(int fd, uid_t *uid, gid_t *gid)
{
	struct ucred cred;
	socklen_t len = sizeof cred;
	int rc = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	*uid = rc == 0 ? cred.uid : 0;
	*gid = rc == 0 ? cred.gid : 0;
	return result(rc);
}

void fake_darwin_reset(void)
{
	for (int fd = 0; fd < FDS; fd++)
		if (fds[fd].kind)
			abort(); /* left open */
	memset(&fake_darwin, 0, sizeof fake_darwin);
	n_addresses = 0;
	en0_up = true;
	error = 0;
}
