#ifndef WARREN_PLATFORM_BSD_LAYOUT_CHECKS_H
#define WARREN_PLATFORM_BSD_LAYOUT_CHECKS_H

#include "platform/bsd/layout.h"

#include <net/if.h>
#include <net/if_dl.h>
#include <net/route.h>
#include <stddef.h>
#include <sys/socket.h>

/* What rtsock.c takes to be the same on every system, against the headers of the one that this is built for. */
_Static_assert(offsetof(struct rt_msghdr, rtm_index) == 4 &&
		offsetof(struct rt_msghdr, rtm_flags) == 8 &&
		offsetof(struct rt_msghdr, rtm_addrs) == 12 &&
		offsetof(struct rt_msghdr, rtm_pid) == 16 &&
		offsetof(struct rt_msghdr, rtm_seq) == 20 &&
		offsetof(struct rt_msghdr, rtm_errno) == 24,
	"rt_msghdr");
_Static_assert(offsetof(struct if_msghdr, ifm_addrs) == 4 &&
		offsetof(struct if_msghdr, ifm_flags) == 8 &&
		offsetof(struct if_msghdr, ifm_index) == 12 &&
		offsetof(struct if_msghdr, ifm_data) + offsetof(struct if_data, ifi_mtu) == 24,
	"if_msghdr");
_Static_assert(offsetof(struct ifa_msghdr, ifam_addrs) == 4 &&
		offsetof(struct ifa_msghdr, ifam_index) == 12,
	"ifa_msghdr");
_Static_assert(
	RTA_DST == 1 && RTA_GATEWAY == 2 && RTA_NETMASK == 4 && RTA_IFP == 0x10 && RTA_IFA == 0x20,
	"addresses");
_Static_assert(offsetof(struct sockaddr_dl, sdl_index) == 2 &&
		offsetof(struct sockaddr_dl, sdl_nlen) == 5 &&
		offsetof(struct sockaddr_dl, sdl_data) == 8,
	"sockaddr_dl");

#endif
