#include "platform/macos/utun.h"

#include "core/base/err.h"
#include "platform/bsd/tun.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/kern_control.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * utun: a socket to a kernel control, and an interface as long as it is open. The system names it. It is
 * point-to-point, whatever the address: the subnet's route is ours to add. It has no link-local
 * address of the kernel's making.
 */
#define QUEUED       1000 /* packets; the system's own are 512 */
#define LIFE_FOREVER UINT32_MAX

/* N of "utunN"; -1 = the first free one. */
static int number_of(const char *name)
{
	char *end;
	if (strncmp(name, "utun", 4) != 0 || name[4] < '0' || name[4] > '9')
		return -1;
	long n = strtol(name + 4, &end, 10);
	return *end || n > 65535 ? -1 : (int)n;
}

static int open_control(struct tun *tun, const char *wanted)
{
	struct ctl_info info = {.ctl_name = UTUN_CONTROL};
	int option = QUEUED, n = number_of(wanted);
	socklen_t len = sizeof tun->name;
	tun->fd = socket(PF_SYSTEM, SOCK_DGRAM, UTUN_PROTOCOL);
	if (tun->fd < 0)
		return tun_complain(tun, "open a control socket");
	if (ioctl(tun->fd, CTLIOCGINFO, &info) < 0)
		return tun_complain(tun, "find " UTUN_CONTROL);
	struct sockaddr_ctl name = {.sc_len = sizeof name,
		.sc_family = AF_SYSTEM,
		.ss_sysaddr = UTUN_AF_SYS_CONTROL,
		.sc_id = info.ctl_id,
		.sc_unit = (uint32_t)(n + 1)};
	if (connect(tun->fd, (struct sockaddr *)&name, sizeof name) < 0)
		return tun_complain(tun,
			errno == EBUSY ? "open (the device exists; is it in use by another?)"
				       : "open (this takes root)");
	if (getsockopt(tun->fd, UTUN_PROTOCOL, UTUN_OPTION_IFNAME, tun->name, &len) < 0)
		return tun_complain(tun, "ask for its name");
	if (n < 0 && *wanted)
		env_log(&tun->env, LOG_INFO, "tun %s: this system names its devices itself, not %s",
			tun->name, wanted);
	setsockopt(tun->fd, UTUN_PROTOCOL, UTUN_OPTION_MAX_QUEUED, &option, sizeof option);
	if (fcntl(tun->fd, F_SETFL, O_NONBLOCK) < 0 || fcntl(tun->fd, F_SETFD, FD_CLOEXEC) < 0)
		return tun_complain(tun, "set up its descriptor");
	tun->ifindex = if_nametoindex(tun->name);
	return tun->ifindex ? 0 : tun_complain(tun, "find its index");
}

/* ---- Addresses -------------------------------------------------------------------------------- */

static void put4(struct sockaddr *out, const uint8_t *bytes)
{
	struct sockaddr_in in = {.sin_len = sizeof in, .sin_family = AF_INET};
	memcpy(&in.sin_addr, bytes, 4);
	memcpy(out, &in, sizeof in);
}

static struct sockaddr_in6 sockaddr6(const uint8_t *bytes)
{
	struct sockaddr_in6 in6 = {.sin6_len = sizeof in6, .sin6_family = AF_INET6};
	memcpy(&in6.sin6_addr, bytes, 16);
	return in6;
}

/* The far end of the point-to-point link is ourselves, for there is no one else to name. */
static int add4(int fd, const struct tun *tun, const struct prefix *address, const uint8_t *mask)
{
	struct ifaliasreq request = {0};
	memcpy(request.ifra_name, tun->name, sizeof request.ifra_name);
	put4(&request.ifra_addr, address->addr.bytes);
	put4(&request.ifra_broadaddr, address->addr.bytes);
	put4(&request.ifra_mask, mask);
	return ioctl(fd, SIOCAIFADDR, &request);
}

static int add6(int fd, const struct tun *tun, const struct prefix *address, const uint8_t *mask)
{
	struct utun_alias6 request = {.flags = UTUN_NO_DAD, /* nobody would answer */
		.lifetime = {.valid = LIFE_FOREVER, .prefer = LIFE_FOREVER}};
	memcpy(request.name, tun->name, sizeof request.name);
	request.address = sockaddr6(address->addr.bytes);
	request.mask = sockaddr6(mask);
	return ioctl(fd, UTUN_ADD_ADDRESS6, &request);
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
	if (rc < 0 && v6 && errno == EAFNOSUPPORT) {
		env_log(&tun->env, LOG_WARN, "tun %s: no address %s, IPv6 is off on this system",
			tun->name, text);
		return 0;
	}
	if (rc < 0 && errno != EEXIST)
		return tun_complain(tun, text);
	/* Link-local prefixes are on each interface as it is, and a host needs no more. */
	if ((v6 && addr_is_link_local(&address->addr)) ||
		address->len == addr_bits(address->addr.family))
		return 0;
	return tun_add_subnet(tun, address);
}

/* ---- Opening ---------------------------------------------------------------------------------- */

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
	memcpy(tun->name, config->name, sizeof tun->name - 1);
	int rc = open_control(tun, config->name);
	if (rc == 0)
		rc = tun_set_mtu(tun, config->mtu);
	for (unsigned i = 0; rc == 0 && i < config->n_addresses; i++)
		rc = tun_add_address(tun, &config->addresses[i]);
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
	if (tun->fd >= 0)
		close(tun->fd);
	free(tun);
}
