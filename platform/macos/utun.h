#ifndef WARREN_PLATFORM_MACOS_UTUN_H
#define WARREN_PLATFORM_MACOS_UTUN_H

/*
 * From headers that not every SDK has: sys/sys_domain.h, net/if_utun.h, netinet6/in6_var.h. The numbers
 * are those of xnu 11417.
 */
#include <net/if.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/ioctl.h>

#define UTUN_AF_SYS_CONTROL    2
#define UTUN_PROTOCOL          2 /* SYSPROTO_CONTROL */
#define UTUN_CONTROL           "com.apple.net.utun_control"
#define UTUN_OPTION_IFNAME     2  /* getsockopt: its name */
#define UTUN_OPTION_MAX_QUEUED 16 /* packets that wait for us to read */

struct utun_lifetime6 {
	time_t expire, preferred;
	uint32_t valid, prefer; /* seconds; all ones = for ever */
};

struct utun_alias6 {
	char name[IFNAMSIZ];
	struct sockaddr_in6 address, destination, mask;
	int flags;
	struct utun_lifetime6 lifetime;
};

#define UTUN_ADD_ADDRESS6 _IOW('i', 26, struct utun_alias6)
#define UTUN_NO_DAD       0x0020 /* IN6_IFF_NODAD */

#endif
