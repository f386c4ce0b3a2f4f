#ifndef WARREN_PLATFORM_LINUX_TUN_H
#define WARREN_PLATFORM_LINUX_TUN_H

#include "platform/platform.h"

#define TUN_QUEUES_MAX 16

struct tun {
	struct env env;
	char name[16]; /* IFNAMSIZ */
	unsigned ifindex;
	bool vnet;                 /* a struct virtio_net_hdr in front of each packet */
	_Atomic uint32_t offloads; /* TUN_* in use; those of writing may go while packets flow */
	unsigned n;
	int fd[TUN_QUEUES_MAX];
};

#endif
