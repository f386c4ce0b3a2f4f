#include "platform/linux/rtnl.h"
#include "platform/platform.h"

#include "core/base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/*
 * The TUN device: one descriptor a queue, bare IP packets. It lives as long as its descriptors do,
 * and its addresses and routes with it, so there is nothing to clean up after a crash. The device
 * must not exist when we open it: attaching to another process's would split its packets between
 * the two.
 */

#define QUEUES_MAX 16
#define TXQUEUELEN                                                                                 \
	1000 /* packets a queue holds for us: 10 ms of 1 Gb/s; the driver's 500 is short */

struct tun {
	struct env env;
	char name[IFNAMSIZ];
	unsigned ifindex;
	unsigned n;
	int fd[QUEUES_MAX];
};

static int complain(const struct tun *tun, const char *what, int error, const char *words)
{
	env_log(&tun->env, LOG_ERROR, "tun %s: %s: %s%s", tun->name, what, strerror(error), words);
	return ERR_SYSTEM;
}

/* One more queue; the first makes the device and learns its name. -errno. */
static int open_queue(struct tun *tun)
{
	struct ifreq ifr = {0};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	memcpy(ifr.ifr_name, tun->name, sizeof ifr.ifr_name);
	unsigned flags = IFF_TUN | IFF_NO_PI | IFF_MULTI_QUEUE | (tun->n == 0 ? IFF_TUN_EXCL : 0);
	ifr.ifr_flags = (short)flags;
	if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
		int error = errno;
		close(fd);
		return -error;
	}
	memcpy(tun->name, ifr.ifr_name, sizeof tun->name);
	tun->fd[tun->n++] = fd;
	return 0;
}

static int open_queues(struct tun *tun, unsigned wanted)
{
	int error = open_queue(tun);
	if (error == -EBUSY)
		return complain(
			tun, "open", EBUSY, " (the device exists; is it in use by another?)");
	if (error < 0)
		return complain(tun, "open /dev/net/tun", -error, "");
	while (tun->n < wanted && tun->n < QUEUES_MAX) {
		error = open_queue(tun);
		if (error < 0) {
			env_log(&tun->env, LOG_WARN, "tun %s: %u queues instead of %u: %s",
				tun->name, tun->n, wanted, strerror(-error));
			break;
		}
	}
	return 0;
}

static struct nlmsghdr *begin_link(struct tun *tun, struct rtnl_request *request, unsigned flags)
{
	struct nlmsghdr *nlh = rtnl_begin(request, RTM_NEWLINK, 0);
	struct ifinfomsg *header = mnl_nlmsg_put_extra_header(nlh, sizeof *header);
	header->ifi_index = (int)tun->ifindex;
	header->ifi_flags = header->ifi_change = flags;
	return nlh;
}

static int set_link(struct tun *tun, struct rtnl *rtnl, uint32_t mtu)
{
	struct rtnl_request request;
	struct nlmsghdr *nlh = begin_link(tun, &request, 0);
	mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
	mnl_attr_put_u32(nlh, IFLA_TXQLEN, TXQUEUELEN);
	int error = rtnl_call(rtnl, nlh, NULL, NULL);
	return error < 0 ? complain(tun, "set MTU", -error, rtnl->words) : 0;
}

static void set_sysctl(const struct tun *tun, const char *key, const char *value)
{
	char path[96];
	snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/%s", tun->name, key);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		env_log(&tun->env, fd < 0 && errno == ENOENT ? LOG_DEBUG : LOG_WARN,
			"cannot write %s to %s: %s", value, path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/*
 * Before the device comes up: no link-local address of the kernel's making, which no peer could map
 * to us, and no router advertisements, by which a peer could become our default route.
 */
static int set_inet6(struct tun *tun, struct rtnl *rtnl)
{
	struct rtnl_request request;
	struct nlmsghdr *nlh = begin_link(tun, &request, 0);
	struct nlattr *spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	struct nlattr *inet6 = mnl_attr_nest_start(nlh, AF_INET6);
	mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(nlh, inet6);
	mnl_attr_nest_end(nlh, spec);
	int error = rtnl_call(rtnl, nlh, NULL, NULL);
	if (error == -EAFNOSUPPORT || error == -EOPNOTSUPP)
		return 0; /* a kernel without IPv6 */
	if (error < 0)
		return complain(tun, "switch link-local address off", -error, rtnl->words);
	set_sysctl(tun, "accept_ra", "0");
	return 0;
}

static int add_address(struct tun *tun, struct rtnl *rtnl, const struct prefix *address)
{
	struct rtnl_request request;
	char text[PREFIX_TEXT_MAX];
	const struct ip_addr *a = &address->addr;
	struct nlmsghdr *nlh = rtnl_begin(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
	struct ifaddrmsg *header = mnl_nlmsg_put_extra_header(nlh, sizeof *header);
	header->ifa_family = a->family == 6 ? AF_INET6 : AF_INET;
	header->ifa_prefixlen = address->len;
	header->ifa_flags = a->family == 6 ? IFA_F_NODAD : 0; /* nobody would answer */
	header->ifa_index = tun->ifindex;
	mnl_attr_put(nlh, IFA_LOCAL, addr_size(a->family), a->bytes);
	mnl_attr_put(nlh, IFA_ADDRESS, addr_size(a->family), a->bytes);
	int error = rtnl_call(rtnl, nlh, NULL, NULL);
	if (error == 0)
		return 0;
	prefix_format(address, text);
	if (a->family == 6 &&
		(error == -EAFNOSUPPORT || error == -EOPNOTSUPP || error == -EACCES)) {
		env_log(&tun->env, LOG_WARN, "tun %s: no address %s, IPv6 is off on this system%s",
			tun->name, text, rtnl->words);
		return 0;
	}
	return complain(tun, text, -error, rtnl->words);
}

static int configure(struct tun *tun, struct rtnl *rtnl, const struct tun_config *config)
{
	struct rtnl_request request;
	int result = set_link(tun, rtnl, config->mtu);
	if (result == 0)
		result = set_inet6(tun, rtnl);
	for (unsigned i = 0; result == 0 && i < config->n_addresses; i++)
		result = add_address(tun, rtnl, &config->addresses[i]);
	if (result < 0)
		return result;
	int error = rtnl_call(rtnl, begin_link(tun, &request, IFF_UP), NULL, NULL);
	return error < 0 ? complain(tun, "bring up", -error, rtnl->words) : 0;
}

int tun_open(struct tun **out, const struct tun_config *config, const struct env *env)
{
	struct rtnl rtnl;
	*out = NULL;
	struct tun *tun = calloc(1, sizeof *tun);
	if (!tun)
		return ERR_NO_SPACE;
	tun->env = *env;
	memcpy(tun->name, config->name, sizeof tun->name - 1);
	if (config->mtu > PKT_ROOM) {
		env_log(env, LOG_ERROR, "tun %s: MTU %u, at most %d", tun->name, config->mtu,
			PKT_ROOM);
		free(tun);
		return ERR_UNSUPPORTED;
	}
	int result = open_queues(tun, config->queues);
	if (result == 0) {
		tun->ifindex = if_nametoindex(tun->name);
		int error = rtnl_open(&rtnl);
		if (error < 0) {
			result = complain(tun, "rtnetlink", -error, "");
		} else {
			result = configure(tun, &rtnl, config);
			rtnl_close(&rtnl);
		}
	}
	if (result < 0) {
		tun_close(tun);
		return result;
	}
	*out = tun;
	return 0;
}

int tun_add_address(struct tun *tun, const struct prefix *address)
{
	struct rtnl rtnl;
	int error = rtnl_open(&rtnl);
	if (error < 0)
		return complain(tun, "rtnetlink", -error, "");
	int result = add_address(tun, &rtnl, address);
	rtnl_close(&rtnl);
	return result;
}

void tun_close(struct tun *tun)
{
	if (!tun)
		return;
	for (unsigned i = 0; i < tun->n; i++)
		close(tun->fd[i]);
	free(tun);
}

unsigned tun_queues(const struct tun *tun)
{
	return tun->n;
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
	return tun->fd[queue];
}

/* What the driver says when the device has been deleted under its descriptors. */
static bool says_gone(int error)
{
	return error == EBADFD || error == EFAULT || error == ENODEV || error == ENXIO ||
		error == EBADF;
}

int tun_read(struct tun *tun, unsigned queue, struct pkt_batch *b, size_t byte_budget)
{
	size_t bytes = 0;
	b->n = 0;
	while (b->n < b->cap && bytes < byte_budget) {
		struct pkt *p = pkt_reset(b, b->n);
		ssize_t n = read(tun->fd[queue], p->data, PKT_ROOM);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			/* What came before is delivered first; it fails again next time. */
			if (b->n > 0 || n == 0 || errno == EAGAIN)
				return b->n;
			return says_gone(errno) ? ERR_NOT_FOUND : ERR_SYSTEM;
		}
		p->len = (uint32_t)n;
		bytes += (size_t)n;
		b->n++;
	}
	return b->n;
}

unsigned tun_write(struct tun *tun, unsigned queue, struct pkt_batch *b)
{
	for (uint16_t i = 0; i < b->n; i++) {
		struct pkt *p = &b->v[i];
		if (p->verdict != PKT_WRITE_TUN)
			continue;
		ssize_t n = -1;
		if (p->gso_size == 0)
			do
				n = write(tun->fd[queue], p->data, p->len);
			while (n < 0 && errno == EINTR);
		p->verdict = PKT_CONSUMED;
		if (n < 0)
			pkt_drop(p, DROP_SEND_FAILED);
	}
	return 0;
}
