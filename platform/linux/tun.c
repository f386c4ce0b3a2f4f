#include "platform/linux/tun.h"
#include "platform/linux/rtnl.h"
#include "platform/linux/steer.h"

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
 * The TUN device: one descriptor a queue, IP packets. It lives as long as its descriptors do,
 * and its addresses and routes with it, so there is nothing to clean up after a crash. The device
 * must not exist when we open it: attaching to another process's would split its packets between
 * the two.
 */

#define TXQUEUELEN                                                                                 \
	1000 /* packets a queue holds for us: 10 ms of 1 Gb/s; the driver's 500 is short */

/* linux/if_tun.h, since Linux 6.2 */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

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
	unsigned flags = IFF_TUN | IFF_NO_PI | IFF_MULTI_QUEUE;
	flags |= tun->vnet ? IFF_VNET_HDR : 0;
	flags |= tun->n == 0 ? IFF_TUN_EXCL : 0;
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
	while (tun->n < wanted && tun->n < TUN_QUEUES_MAX) {
		error = open_queue(tun);
		if (error < 0) {
			env_log(&tun->env, LOG_WARN, "tun %s: %u queues instead of %u: %s",
				tun->name, tun->n, wanted, strerror(-error));
			break;
		}
	}
	return 0;
}

/* So that a flow comes from one queue always. Without it that is the kernel's rule, with exceptions. */
static void steer(const struct tun *tun)
{
	int error = tun->n > 1 ? steer_attach(tun->fd[0]) : 0;
	if (error < 0)
		env_log(&tun->env, LOG_INFO,
			"tun %s: no steering to queues (%s), the system chooses", tun->name,
			strerror(-error));
}

/*
 * Tells the kernel what it may leave to us when we read, for all queues. ECN: a train whose first packet
 * alone has CWR. False: it does not know one of them.
 */
static bool ask_for(struct tun *tun, uint32_t offloads)
{
	unsigned bits = 0;
	if (offloads & TUN_CHECKSUM)
		bits |= TUN_F_CSUM;
	if (offloads & TUN_TSO)
		bits |= TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
	if (offloads & TUN_USO)
		bits |= TUN_F_USO4 | TUN_F_USO6; /* only both together */
	return ioctl(tun->fd[0], TUNSETOFFLOAD, bits) == 0;
}

/*
 * Each is tried by itself, so that one that is missing costs no other. A kernel that gives trains of UDP
 * takes them, too; trains of TCP are taken wherever there is a virtio_net_hdr.
 */
static void set_offloads(struct tun *tun, uint32_t wanted)
{
	uint32_t use = wanted;
	char summary[OFFLOAD_SUMMARY_MAX];
	if (use & (TUN_USO | TUN_COALESCE_UDP) && !ask_for(tun, TUN_CHECKSUM | TUN_USO))
		use &= ~(uint32_t)(TUN_USO | TUN_COALESCE_UDP);
	if (use & TUN_TSO && !ask_for(tun, TUN_CHECKSUM | TUN_TSO))
		use &= ~(uint32_t)TUN_TSO;
	if (use & (TUN_TSO | TUN_USO))
		use |= TUN_CHECKSUM;
	if (!ask_for(tun, use)) {
		use &= ~(uint32_t)(TUN_CHECKSUM | TUN_TSO | TUN_USO);
		ask_for(tun, 0);
	}
	tun->offloads = use;
	env_log(&tun->env, LOG_INFO, "tun %s: offloads: %s", tun->name,
		offload_summary(tun_offload_words, wanted, use, summary));
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
	tun->vnet = config->offloads != 0;
	int result = open_queues(tun, config->queues);
	if (result == 0) {
		steer(tun);
		if (tun->vnet)
			set_offloads(tun, config->offloads);
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
	return tun->offloads;
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
