#include "platform/bsd/tun.h"

#include "core/base/err.h"
#include "platform/bsd/layout.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/sockio.h>
#include <sys/uio.h>
#include <unistd.h>

/* ---- What all systems have in common when a device is opened ---------------------------------- */

int tun_complain(const struct tun *tun, const char *what)
{
	env_log(&tun->env, LOG_ERROR, "tun %s: %s: %s", tun->name, what, strerror(errno));
	return ERR_SYSTEM;
}

int tun_set_mtu(const struct tun *tun, uint16_t mtu)
{
	struct ifreq ifr = {0};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	memcpy(ifr.ifr_name, tun->name, sizeof ifr.ifr_name);
	ifr.ifr_mtu = mtu;
	int rc = fd < 0 || ioctl(fd, SIOCSIFMTU, &ifr) < 0 ? tun_complain(tun, "set MTU") : 0;
	if (fd >= 0)
		close(fd);
	return rc;
}

int tun_add_subnet(const struct tun *tun, const struct prefix *address)
{
	uint8_t bytes[512];
	char text[PREFIX_TEXT_MAX];
	struct prefix subnet = prefix_masked(*address);
	int fd = socket(PF_ROUTE, SOCK_RAW, 0);
	size_t len = rtsock_build_route(rtsock_native, RTSOCK_ROUTE_ADD, false, 1, &subnet, NULL,
		tun->ifindex, bytes, sizeof bytes);
	int rc = 0;
	if (fd < 0 || (write(fd, bytes, len) != (ssize_t)len && errno != EEXIST))
		rc = tun_complain(tun, prefix_format(&subnet, text));
	if (fd >= 0)
		close(fd);
	return rc;
}

void tun_make_mask(uint8_t len, uint8_t out[16])
{
	memset(out, 0, 16);
	for (unsigned i = 0; i < len; i++)
		out[i / 8] |= (uint8_t)(0x80 >> i % 8);
}

unsigned tun_queues(const struct tun *tun)
{
	(void)tun;
	return 1;
}

uint32_t tun_offloads(const struct tun *tun)
{
	(void)tun;
	return 0;
}

const char *tun_name(const struct tun *tun)
{
	return tun->name;
}

unsigned tun_ifindex(const struct tun *tun)
{
	return tun->ifindex;
}

int tun_fd(const struct tun *tun, unsigned queue)
{
	(void)queue;
	return tun->fd;
}

/* ---- Packets ---------------------------------------------------------------------------------- */

/* What drivers say when the device has been destroyed under its descriptor. */
static bool says_gone(int error)
{
	return error == ENXIO || error == ENODEV || error == EBADF || error == ENOTCONN;
}

int tun_read(struct tun *tun, unsigned queue, struct pkt_batch *b, size_t byte_budget)
{
	size_t bytes = 0;
	(void)queue;
	b->n = 0;
	while (b->n < b->cap && bytes < byte_budget && (size_t)(b->n + 1) * PKT_SLOT <= b->size) {
		struct pkt *p = pkt_reset(b, b->n);
		uint8_t *start = p->data - TUN_HEADER_LEN; /* into the headroom */
		ssize_t n = read(tun->fd, start, TUN_HEADER_LEN + PKT_ROOM);
		if (n < 0 && errno == EINTR)
			continue;
		/* A device that is down has nothing to read. */
		if (n < 0 && errno != EAGAIN && errno != EHOSTDOWN && b->n == 0)
			return says_gone(errno) ? ERR_NOT_FOUND : ERR_SYSTEM;
		if (n <= TUN_HEADER_LEN)
			return b->n;
		p->len = (uint32_t)n - TUN_HEADER_LEN;
		bytes += p->len;
		b->n++;
	}
	return b->n;
}

static int write_packet(const struct tun *tun, const struct pkt *p)
{
	uint8_t header[TUN_HEADER_LEN] = {0, 0, 0, p->data[0] >> 4 == 6 ? AF_INET6 : AF_INET};
	struct iovec iov[2] = {{header, sizeof header}, {p->data, p->len}};
	ssize_t n;
	do
		n = writev(tun->fd, iov, 2);
	while (n < 0 && errno == EINTR);
	return n < 0 ? errno : 0;
}

unsigned tun_write(struct tun *tun, unsigned queue, struct pkt_batch *b)
{
	(void)queue;
	for (uint16_t i = 0; i < b->n; i++) {
		struct pkt *p = &b->v[i];
		if (p->verdict != PKT_WRITE_TUN)
			continue;
		if (p->len > 0 && write_packet(tun, p) == 0)
			p->verdict = PKT_CONSUMED;
		else
			pkt_drop(p, DROP_SEND_FAILED);
	}
	return 0; /* trains are not made where tun_offloads has no bit */
}
