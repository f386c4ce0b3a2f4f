#include "platform/bsd/layout_checks.h"

/* The numbers of rtsock.c against macOS's headers. */
_Static_assert(RTM_VERSION == 5 && RTM_ADD == 1 && RTM_DELETE == 2 && RTM_CHANGE == 3 &&
		RTM_GET == 4 && RTM_NEWADDR == 0xC && RTM_DELADDR == 0xD && RTM_IFINFO == 0xE,
	"messages");
_Static_assert(AF_INET == 2 && AF_INET6 == 30 && AF_LINK == 18, "families");
_Static_assert(sizeof(struct rt_msghdr) == 92 && sizeof(struct ifa_msghdr) == 20 &&
		sizeof(struct if_msghdr) == 112 && sizeof(struct sockaddr_dl) == 20,
	"lengths");
_Static_assert(RTF_UP == RTSOCK_UP && RTF_GATEWAY == RTSOCK_GATEWAY && RTF_HOST == RTSOCK_HOST &&
		RTF_REJECT == RTSOCK_REJECT && RTF_STATIC == RTSOCK_STATIC &&
		RTF_BLACKHOLE == RTSOCK_BLACKHOLE && RTF_PROTO2 == RTSOCK_OURS &&
		RTF_LOCAL == RTSOCK_LOCAL && RTF_BROADCAST == RTSOCK_BROADCAST &&
		RTF_MULTICAST == 0x800000 && RTF_LLINFO == 0x400 && RTF_WASCLONED == 0x20000 &&
		RTF_IFSCOPE == 0x1000000,
	"flags");

const struct rtsock_abi *const rtsock_native = &rtsock_macos;
