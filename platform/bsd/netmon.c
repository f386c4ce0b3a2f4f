#include "platform/bsd/layout.h"
#include "platform/bsd/mirror.h"

#include "core/base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysctl.h>
#include <unistd.h>

/*
 * The routing socket (route(4)): one descriptor for announcements and requests alike, and dumps by
 * sysctl. A reader that falls behind is not told so everywhere: after a burst that could have filled the
 * buffer everything is dumped anew.
 */
#define LISTEN_BUFFER (1 << 20)
#define MESSAGE_MAX   2048
#define READ_MAX      1024 /* messages a turn */
#define BURST_BYTES   (64 << 10)
#define DUMP_TRIES    4
#define DUMP_SLACK    (16 << 10) /* what may have been added since its size was asked for */

struct netmon {
	int fd;
	int32_t seq;
	struct mirror mirror;
};

static int complain(struct netmon *m, const char *what, const char *about)
{
	env_log(&m->mirror.env, LOG_ERROR, "routing socket: %s%s: %s", what, about,
		strerror(errno));
	return ERR_SYSTEM;
}

static void name_of(void *ctx, uint32_t ifindex, char out[16])
{
	char name[IF_NAMESIZE];
	(void)ctx;
	if (if_indextoname(ifindex, name))
		memcpy(out, name, IF_NAMESIZE < 16 ? IF_NAMESIZE : 16);
}

/* ---- Dumps ------------------------------------------------------------------------------------ */

static void take_all(struct netmon *m, const uint8_t *at, size_t left)
{
	struct rtsock_message message;
	size_t used;
	do {
		if (rtsock_parse(rtsock_native, at, left, &used, &message))
			mirror_take(&m->mirror, &message);
		at += used;
		left -= used;
	} while (used);
}

/* 0 or -1 with errno. */
static int dump(struct netmon *m, int what)
{
	int mib[6] = {CTL_NET, PF_ROUTE, 0, 0, what, 0};
	for (unsigned i = 0; i < DUMP_TRIES; i++) {
		size_t len;
		if (sysctl(mib, 6, NULL, &len, NULL, 0) < 0)
			return -1;
		len += DUMP_SLACK;
		uint8_t *bytes = malloc(len);
		if (!bytes)
			return -1;
		int rc = sysctl(mib, 6, bytes, &len, NULL, 0);
		if (rc == 0)
			take_all(m, bytes, len);
		free(bytes);
		if (rc == 0 || errno != ENOMEM)
			return rc;
	}
	return -1;
}

/* What was announced before: the dump knows it. */
static void drain(struct netmon *m)
{
	uint8_t bytes[MESSAGE_MAX];
	for (unsigned i = 0; i < READ_MAX; i++)
		if (read(m->fd, bytes, sizeof bytes) < 0 && errno != ENOBUFS && errno != EINTR)
			return;
}

void netmon_tell_routes(struct netmon *m)
{
	mirror_tell(&m->mirror);
}

int netmon_resync(struct netmon *m)
{
	drain(m);
	mirror_dump_begin(&m->mirror);
	if (dump(m, NET_RT_IFLIST) < 0 || dump(m, NET_RT_DUMP) < 0) {
		m->mirror.dumping = false; /* what is known stays */
		return complain(m, "cannot read routes", "");
	}
	mirror_dump_end(&m->mirror);
	return 0;
}

/* ---- Announcements ---------------------------------------------------------------------------- */

/* Bytes of a message read, 0 = no more. */
static size_t read_one(struct netmon *m)
{
	struct rtsock_message message;
	uint8_t bytes[MESSAGE_MAX];
	size_t used;
	ssize_t n = read(m->fd, bytes, sizeof bytes);
	if (n < 0 && errno == EINTR)
		return read_one(m);
	if (n < 0 && errno != EAGAIN)
		m->mirror.lost = true; /* ENOBUFS */
	if (n <= 0)
		return 0;
	if (rtsock_parse(rtsock_native, bytes, (size_t)n, &used, &message))
		mirror_take(&m->mirror, &message);
	return (size_t)n;
}

int netmon_read(struct netmon *m)
{
	size_t bytes = 0, n = 1;
	for (unsigned i = 0; i < READ_MAX && n && !m->mirror.lost; i++)
		bytes += n = read_one(m);
	return m->mirror.lost || bytes > BURST_BYTES ? netmon_resync(m) : 0;
}

/* ---- Requests --------------------------------------------------------------------------------- */

/* 0 or -1 with errno. */
static int request(struct netmon *m, enum rtsock_type type, const struct prefix *prefix,
	const struct ip_addr *gateway, uint32_t ifindex)
{
	uint8_t bytes[MESSAGE_MAX];
	size_t len = rtsock_build_route(
		rtsock_native, type, true, ++m->seq, prefix, gateway, ifindex, bytes, sizeof bytes);
	if (len == 0) {
		errno = EINVAL;
		return -1;
	}
	return write(m->fd, bytes, len) == (ssize_t)len ? 0 : -1;
}

static void free_again(
	void *ctx, const struct prefix *prefix, const struct ip_addr *gateway, uint32_t ifindex)
{
	route_add(ctx, prefix, gateway, ifindex, ROUTE_METRIC_WARREN);
}

/*
 * By the interface, whatever the gateway: a TUN has no neighbours, and a gateway that is not in its subnet
 * would be refused. Which next hop a packet takes is decided by who reads it.
 */
int route_add(struct netmon *m, const struct prefix *prefix, const struct ip_addr *gateway,
	uint32_t ifindex, uint32_t metric)
{
	char text[PREFIX_TEXT_MAX];
	(void)metric;
	int rc = request(m, RTSOCK_ROUTE_ADD, prefix, NULL, ifindex);
	if (rc < 0 && errno != EEXIST)
		return complain(m, "add ", prefix_format(prefix, text));
	mirror_order(&m->mirror, prefix, gateway, ifindex, rc == 0);
	return 0;
}

int route_delete(struct netmon *m, const struct prefix *prefix, const struct ip_addr *gateway,
	uint32_t ifindex, uint32_t metric)
{
	char text[PREFIX_TEXT_MAX];
	(void)metric, (void)gateway;
	if (mirror_forget(&m->mirror, prefix))
		return 0;
	int rc = request(m, RTSOCK_ROUTE_DELETE, prefix, NULL, ifindex);
	return rc == 0 || errno == ESRCH ? 0 : complain(m, "delete ", prefix_format(prefix, text));
}

/* ---- Opening ---------------------------------------------------------------------------------- */

static int open_socket(struct netmon *m)
{
	int size = LISTEN_BUFFER, on = 1;
	m->fd = socket(PF_ROUTE, SOCK_RAW, 0);
	if (m->fd < 0)
		return -1;
	while (size > BURST_BYTES &&
		setsockopt(m->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) < 0)
		size /= 2;
	/* Our own requests are announced to us like anybody's. */
	setsockopt(m->fd, SOL_SOCKET, SO_USELOOPBACK, &on, sizeof on);
	if (fcntl(m->fd, F_SETFL, O_NONBLOCK) < 0 || fcntl(m->fd, F_SETFD, FD_CLOEXEC) < 0)
		return -1;
	return 0;
}

int netmon_open(struct netmon **out, const uint32_t *tables, unsigned n_tables,
	const struct netmon_events *events, const struct env *env)
{
	*out = NULL;
	(void)tables;
	if (n_tables)
		env_log(env, LOG_WARN, "[tun] table is not for this system: it has one table");
	struct netmon *m = calloc(1, sizeof *m);
	if (!m)
		return ERR_NO_SPACE;
	m->mirror.events = *events;
	m->mirror.ctx = m;
	m->mirror.name = name_of;
	m->mirror.free_again = free_again;
	m->fd = -1;
	int result = mirror_init(&m->mirror, rtsock_native, env);
	if (result == 0 && open_socket(m) < 0)
		result = complain(m, "open", "");
	if (result == 0) {
		*out = m; /* the events may want it */
		result = netmon_resync(m);
	}
	if (result < 0) {
		*out = NULL;
		netmon_close(m);
	}
	return result;
}

void netmon_close(struct netmon *m)
{
	if (!m)
		return;
	if (m->fd >= 0)
		close(m->fd);
	mirror_fini(&m->mirror);
	free(m);
}

int netmon_fd(const struct netmon *m)
{
	return m->fd;
}
