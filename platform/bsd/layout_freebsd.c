#include "platform/bsd/layout_checks.h"

/* The numbers of rtsock.c against FreeBSD's headers, of 64 bits. */
_Static_assert(RTM_VERSION == 5 && RTM_ADD == 1 && RTM_DELETE == 2 && RTM_CHANGE == 3 &&
		RTM_GET == 4 && RTM_NEWADDR == 0xC && RTM_DELADDR == 0xD && RTM_IFINFO == 0xE &&
		RTM_IFANNOUNCE == 0x11,
	"messages");
_Static_assert(AF_INET == 2 && AF_INET6 == 28 && AF_LINK == 18 && sizeof(long) == 8, "families");
_Static_assert(sizeof(struct rt_msghdr) == 152 && sizeof(struct ifa_msghdr) == 20 &&
		sizeof(struct if_msghdr) == 168 && sizeof(struct sockaddr_dl) == 54,
	"lengths");
_Static_assert(offsetof(struct if_announcemsghdr, ifan_index) == 4 &&
		offsetof(struct if_announcemsghdr, ifan_name) == 6 &&
		offsetof(struct if_announcemsghdr, ifan_what) == 22 && IFAN_DEPARTURE == 1,
	"if_announcemsghdr");
_Static_assert(RTF_UP == RTSOCK_UP && RTF_GATEWAY == RTSOCK_GATEWAY && RTF_HOST == RTSOCK_HOST &&
		RTF_REJECT == RTSOCK_REJECT && RTF_STATIC == RTSOCK_STATIC &&
		RTF_BLACKHOLE == RTSOCK_BLACKHOLE && RTF_PROTO2 == RTSOCK_OURS &&
		RTF_LOCAL == RTSOCK_LOCAL && RTF_BROADCAST == RTSOCK_BROADCAST &&
		RTF_MULTICAST == 0x800000 && RTF_LLDATA == 0x400,
	"flags");

const struct rtsock_abi *const rtsock_native = &rtsock_freebsd;
