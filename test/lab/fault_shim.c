#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_net.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/*
 * Faults on demand, preloaded into a warrend of the laboratory (LD_PRELOAD). The rules lie in a file that
 * both sides map (FAULT_FILE), so that warrend.py's Faults turns them on and off while the daemon runs:
 * which call fails, with which errno, every how many calls, and how often in all. Clocks are shifted,
 * names resolved to what the test wants. What has no rule goes to the C library.
 */
enum kind { /* in warrend.py: Faults.KINDS */
	SENDMMSG,
	SENDMSG, /* of UDP */
	RECVMMSG,
	RECVMSG, /* of netlink */
	TUN_READ,
	TUN_WRITE,
	FILE_WRITE, /* to regular files but stderr; error 0 = half of it is written */
	FSYNC,      /* value = delay in ms, before an error or none */
	RENAME,
	RESOLVE, /* error = EAI_*, value = delay in ms; 0 and `address` set = that address */
	ALLOCATE,
	OPEN,      /* of files below the state directory and of the config */
	TUN_TRAIN, /* writes, like TUN_WRITE */
	UDP_TRAIN, /* by any call */
	KINDS,
};

struct rule {
	int32_t error; /* errno */
	int32_t every; /* each n-th call */
	int32_t left;  /* so many times; -1 = without end, 0 = off */
	int32_t value;
	_Atomic int64_t calls, hits;
};

struct rules {
	struct rule v[KINDS];
	int64_t realtime_s, boottime_ns; /* added to the clocks */
	char address[64];
};

_Static_assert(sizeof(struct rule) == 32, "warrend.py packs it");

static struct rules *rules;
static bool started; /* the config has been opened: main is running */

__attribute__((constructor)) static void load(void)
{
	const char *path = getenv("FAULT_FILE");
	if (!path || strcmp(program_invocation_short_name, "warrend") != 0)
		return;
	int fd = open(path, O_RDWR | O_CLOEXEC);
	void *at = fd < 0 ? MAP_FAILED
			  : mmap(NULL, sizeof *rules, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at != MAP_FAILED)
		rules = at;
	else
		fprintf(stderr, "fault_shim: cannot map %s\n", path);
	if (fd >= 0)
		close(fd);
}

/* Is it this call's turn to fail? */
static struct rule *strike(enum kind kind)
{
	struct rule *r = rules ? &rules->v[kind] : NULL;
	if (!r)
		return NULL;
	int64_t call = atomic_fetch_add(&r->calls, 1) + 1;
	if (r->left == 0 || (r->every > 1 && call % r->every != 0))
		return NULL;
	if (r->left > 0)
		r->left--;
	atomic_fetch_add(&r->hits, 1);
	return r;
}

static int fails(enum kind kind)
{
	struct rule *r = strike(kind);
	if (!r)
		return 0;
	errno = r->error;
	return -1;
}

static void pause_ms(int32_t ms)
{
	struct timespec ts = {ms / 1000, (long)(ms % 1000) * 1000000};
	nanosleep(&ts, NULL);
}

#define REAL(name)                                                                                 \
	static __typeof__(&name) real;                                                             \
	if (!real)                                                                                 \
	real = (__typeof__(&name))(uintptr_t)dlsym(RTLD_NEXT, #name)

/* ---- Sockets ---------------------------------------------------------------------------------- */

static bool is_train(const struct msghdr *msg)
{
	struct msghdr copy = *msg;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&copy); c; c = CMSG_NXTHDR(&copy, c))
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_SEGMENT)
			return true;
	return false;
}

/* Like the kernel's: what is before one that fails has been sent. */
int sendmmsg(int fd, struct mmsghdr *v, unsigned n, int flags)
{
	REAL(sendmmsg);
	if (fails(SENDMMSG))
		return -1;
	for (unsigned i = 0; i < n; i++)
		if (is_train(&v[i].msg_hdr) && fails(UDP_TRAIN))
			return i > 0 ? real(fd, v, i, flags) : -1;
	return real(fd, v, n, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	REAL(sendmsg);
	const struct sockaddr *to = msg->msg_name;
	bool udp = to && (to->sa_family == AF_INET || to->sa_family == AF_INET6);
	if (udp && (fails(SENDMSG) || (is_train(msg) && fails(UDP_TRAIN))))
		return -1;
	return real(fd, msg, flags);
}

int recvmmsg(int fd, struct mmsghdr *v, unsigned n, int flags, struct timespec *timeout)
{
	REAL(recvmmsg);
	return fails(RECVMMSG) ? -1 : real(fd, v, n, flags, timeout);
}

ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	REAL(recvmsg);
	return fails(RECVMSG) ? -1 : real(fd, msg, flags);
}

/* ---- Files and the TUN ------------------------------------------------------------------------ */

enum what { OTHER, TUN, FILE_REGULAR };

static enum what what_is(int fd)
{
	static dev_t tun;
	struct stat st;
	if (!rules || fd <= STDERR_FILENO || fstat(fd, &st) < 0)
		return OTHER;
	if (S_ISREG(st.st_mode))
		return FILE_REGULAR;
	struct stat device;
	if (!tun && stat("/dev/net/tun", &device) == 0)
		tun = device.st_rdev;
	return S_ISCHR(st.st_mode) && st.st_rdev == tun ? TUN : OTHER;
}

ssize_t read(int fd, void *out, size_t len)
{
	REAL(read);
	return what_is(fd) == TUN && fails(TUN_READ) ? -1 : real(fd, out, len);
}

ssize_t write(int fd, const void *data, size_t len)
{
	REAL(write);
	enum what what = what_is(fd);
	if (what == TUN && fails(TUN_WRITE))
		return -1;
	struct rule *r = what == FILE_REGULAR ? strike(FILE_WRITE) : NULL;
	if (!r)
		return real(fd, data, len);
	if (r->error) {
		errno = r->error;
		return -1;
	}
	return real(fd, data, len > 1 ? len / 2 : len);
}

ssize_t writev(int fd, const struct iovec *iov, int n)
{
	REAL(writev);
	const struct virtio_net_hdr *header = iov[0].iov_base;
	if (what_is(fd) != TUN)
		return real(fd, iov, n);
	bool train = iov[0].iov_len == sizeof *header && header->gso_type != 0;
	return fails(TUN_WRITE) || (train && fails(TUN_TRAIN)) ? -1 : real(fd, iov, n);
}

int fsync(int fd)
{
	REAL(fsync);
	struct rule *r = strike(FSYNC);
	if (r)
		pause_ms(r->value);
	if (!r || !r->error)
		return real(fd);
	errno = r->error;
	return -1;
}

int rename(const char *from, const char *to)
{
	REAL(rename);
	return fails(RENAME) ? -1 : real(from, to);
}

static bool open_fails(const char *path)
{
	size_t len = strlen(path);
	if (len > 4 && strcmp(path + len - 4, ".ini") == 0)
		started = true;
	else if (!strstr(path, "/state"))
		return false;
	return fails(OPEN);
}

int open(const char *path, int flags, ...)
{
	REAL(open);
	va_list args;
	va_start(args, flags);
	mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
	va_end(args);
	return open_fails(path) ? -1 : real(path, flags, mode);
}

FILE *fopen(const char *path, const char *mode)
{
	REAL(fopen);
	return open_fails(path) ? NULL : real(path, mode);
}

/* ---- Memory ----------------------------------------------------------------------------------- */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t size);

void *malloc(size_t size)
{
	return started && fails(ALLOCATE) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return started && fails(ALLOCATE) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
	return started && fails(ALLOCATE) ? NULL : __libc_realloc(old, size);
}

/* ---- Clocks and names ------------------------------------------------------------------------- */

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	REAL(clock_gettime);
	int rc = real(clock, ts);
	if (rc != 0 || !rules)
		return rc;
	if (clock == CLOCK_REALTIME) {
		ts->tv_sec += rules->realtime_s;
	} else if (clock == CLOCK_BOOTTIME) {
		int64_t ns = ts->tv_nsec + rules->boottime_ns % 1000000000;
		ts->tv_sec += rules->boottime_ns / 1000000000 + ns / 1000000000;
		ts->tv_nsec = ns % 1000000000;
	}
	return rc;
}

time_t time(time_t *out)
{
	struct timespec ts = {0};
	clock_gettime(CLOCK_REALTIME, &ts);
	if (out)
		*out = ts.tv_sec;
	return ts.tv_sec;
}

int getaddrinfo(
	const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
	REAL(getaddrinfo);
	struct rule *r = strike(RESOLVE);
	if (r)
		pause_ms(r->value);
	if (r && r->error)
		return r->error;
	return real(r && rules->address[0] ? rules->address : host, service, hints, out);
}
