#include "platform/bsd/tun.h"

#include "core/base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/if_tun.h>
#include <net/if_var.h>
#include <netinet/in.h>
#include <netinet/in_var.h>
#include <netinet6/in6_var.h>
#include <netinet6/nd6.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/sockio.h>
#include <unistd.h>

/*
 * tun(4) of FreeBSD: a character device that makes its interface when it is opened. With TUNSIFMODE it is
 * of the broadcast kind, so that an address brings its subnet's route along; with TUNSIFHEAD each packet
 * has its family in front. Closing it leaves the interface behind: it is destroyed by name.
 */
#define LIFE_FOREVER UINT32_MAX

static int open_device(struct tun *tun)
{
	struct ifreq ifr = {0};
	int mode = IFF_BROADCAST | IFF_MULTICAST, on = 1;
	tun->fd = open("/dev/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (tun->fd < 0)
		return tun_complain(tun, "open /dev/tun (is if_tuntap loaded?)");
	if (ioctl(tun->fd, TUNGIFNAME, &ifr) < 0)
		return tun_complain(tun, "ask for its name");
	memcpy(tun->name, ifr.ifr_name, sizeof tun->name - 1);
	/* While it is still down. */
	if (ioctl(tun->fd, TUNSIFMODE, &mode) < 0)
		return tun_complain(tun, "make it a broadcast interface");
	if (ioctl(tun->fd, TUNSIFHEAD, &on) < 0)
		return tun_complain(tun, "ask for address families");
	return 0;
}

/* "warren%d" is the first name that is free, and "" is the system's. */
static int name_it(struct tun *tun, int fd, const char *wanted)
{
	const char *digits = strstr(wanted, "%d");
	unsigned tries = !*wanted ? 0 : digits ? 256 : 1;
	for (unsigned i = 0; i < tries; i++) {
		char name[IFNAMSIZ];
		struct ifreq ifr = {0};
		if (digits)
			snprintf(name, sizeof name, "%.*s%u%s", (int)(digits - wanted), wanted, i,
				digits + 2);
		else
			snprintf(name, sizeof name, "%s", wanted);
		memcpy(ifr.ifr_name, tun->name, sizeof ifr.ifr_name);
		ifr.ifr_data = name;
		if (ioctl(fd, SIOCSIFNAME, &ifr) == 0) {
			memcpy(tun->name, name, sizeof tun->name);
			return 0;
		}
		if (errno != EEXIST)
			break;
	}
	return tries == 0 ? 0 : tun_complain(tun, "name it (is one of that name in use?)");
}

/* No link-local address of the kernel's making, no duplicate detection, no router advertisements. */
static void set_inet6(const struct tun *tun)
{
	struct in6_ndireq request = {0};
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	if (fd < 0)
		return;
	memcpy(request.ifname, tun->name, sizeof request.ifname);
	if (ioctl(fd, SIOCGIFINFO_IN6, &request) == 0) {
		request.ndi.flags &= ~(uint32_t)(ND6_IFF_AUTO_LINKLOCAL | ND6_IFF_IFDISABLED |
			ND6_IFF_ACCEPT_RTADV);
		request.ndi.flags |= ND6_IFF_NO_DAD;
		if (ioctl(fd, SIOCSIFINFO_IN6, &request) < 0)
			tun_complain(tun, "set IPv6 flags");
	}
	close(fd);
}

/* ---- Addresses -------------------------------------------------------------------------------- */

static struct sockaddr_in sockaddr4(const uint8_t *bytes)
{
	struct sockaddr_in in = {.sin_len = sizeof in, .sin_family = AF_INET};
	memcpy(&in.sin_addr, bytes, 4);
	return in;
}

static struct sockaddr_in6 sockaddr6(const uint8_t *bytes)
{
	struct sockaddr_in6 in6 = {.sin6_len = sizeof in6, .sin6_family = AF_INET6};
	memcpy(&in6.sin6_addr, bytes, 16);
	return in6;
}

static int add4(int fd, const struct tun *tun, const struct prefix *address, const uint8_t *mask)
{
	struct in_aliasreq request = {0};
	uint8_t broadcast[4];
	for (unsigned i = 0; i < 4; i++)
		broadcast[i] = (uint8_t)(address->addr.bytes[i] | ~mask[i]);
	memcpy(request.ifra_name, tun->name, sizeof request.ifra_name);
	request.ifra_addr = sockaddr4(address->addr.bytes);
	request.ifra_broadaddr = sockaddr4(broadcast);
	request.ifra_mask = sockaddr4(mask);
	return ioctl(fd, SIOCAIFADDR, &request);
}

static int add6(int fd, const struct tun *tun, const struct prefix *address, const uint8_t *mask)
{
	struct in6_aliasreq request = {0};
	memcpy(request.ifra_name, tun->name, sizeof request.ifra_name);
	request.ifra_addr = sockaddr6(address->addr.bytes);
	request.ifra_prefixmask = sockaddr6(mask);
	request.ifra_flags = IN6_IFF_NODAD;
	request.ifra_lifetime.ia6t_vltime = request.ifra_lifetime.ia6t_pltime = LIFE_FOREVER;
	return ioctl(fd, SIOCAIFADDR_IN6, &request);
}

int tun_add_address(struct tun *tun, const struct prefix *address)
{
	uint8_t mask[16];
	char text[PREFIX_TEXT_MAX];
	bool v6 = address->addr.family == 6;
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
	tun_make_mask(address->len, mask);
	int rc = fd < 0 ? -1 : v6 ? add6(fd, tun, address, mask) : add4(fd, tun, address, mask);
	int error = errno;
	if (fd >= 0)
		close(fd);
	errno = error;
	prefix_format(address, text);
	if (rc < 0 && v6 && (errno == EAFNOSUPPORT || errno == EPROTONOSUPPORT)) {
		env_log(&tun->env, LOG_WARN, "tun %s: no address %s, IPv6 is off on this system",
			tun->name, text);
		return 0;
	}
	return rc == 0 || errno == EEXIST ? 0 : tun_complain(tun, text);
}

/* ---- Opening ---------------------------------------------------------------------------------- */

static int bring_up(const struct tun *tun, int fd)
{
	struct ifreq ifr = {0};
	memcpy(ifr.ifr_name, tun->name, sizeof ifr.ifr_name);
	if (ioctl(fd, SIOCGIFFLAGS, &ifr) < 0)
		return tun_complain(tun, "read flags");
	ifr.ifr_flags |= IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &ifr) < 0 ? tun_complain(tun, "bring up") : 0;
}

static int configure(struct tun *tun, const struct tun_config *config)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0)
		return tun_complain(tun, "open a socket");
	int rc = name_it(tun, fd, config->name);
	tun->ifindex = if_nametoindex(tun->name);
	if (rc == 0)
		rc = tun_set_mtu(tun, config->mtu);
	if (rc == 0)
		set_inet6(tun);
	for (unsigned i = 0; rc == 0 && i < config->n_addresses; i++)
		rc = tun_add_address(tun, &config->addresses[i]);
	if (rc == 0)
		rc = bring_up(tun, fd);
	close(fd);
	return rc;
}

int tun_open(struct tun **out, const struct tun_config *config, const struct env *env)
{
	*out = NULL;
	if (config->mtu > PKT_ROOM) {
		env_log(env, LOG_ERROR, "tun %s: MTU %u, at most %d", config->name, config->mtu,
			PKT_ROOM);
		return ERR_UNSUPPORTED;
	}
	struct tun *tun = calloc(1, sizeof *tun);
	if (!tun)
		return ERR_NO_SPACE;
	tun->env = *env;
	tun->fd = -1;
	int rc = open_device(tun);
	if (rc == 0)
		rc = configure(tun, config);
	if (rc < 0) {
		tun_close(tun);
		return rc;
	}
	*out = tun;
	return 0;
}

void tun_close(struct tun *tun)
{
	if (!tun)
		return;
	if (tun->fd >= 0) {
		struct ifreq ifr = {0};
		int fd = socket(AF_INET, SOCK_DGRAM, 0);
		close(tun->fd);
		memcpy(ifr.ifr_name, tun->name, sizeof ifr.ifr_name);
		if (fd >= 0 && tun->name[0])
			ioctl(fd, SIOCIFDESTROY, &ifr);
		if (fd >= 0)
			close(fd);
	}
	free(tun);
}
