#ifndef WARREN_PLATFORM_BSD_LAYOUT_H
#define WARREN_PLATFORM_BSD_LAYOUT_H

#include "platform/bsd/rtsock.h"

/* Of the system that this is built for; its file holds the numbers of rtsock.c against the system's headers. */
extern const struct rtsock_abi *const rtsock_native;

#endif
