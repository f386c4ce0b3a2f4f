#ifndef WARREN_PLATFORM_LINUX_STEER_H
#define WARREN_PLATFORM_LINUX_STEER_H

/*
 * Which queue of a TUN device a packet is read from. Linux' own choice follows the queue that the flow's
 * other direction was last written to, and so moves a flow while packets of it wait in the queue before:
 * they are overtaken. A program in the kernel picks by what the packet says, and keeps nothing.
 */

/*
 * Loads the program and gives it to the device of this descriptor, all queues of it, for as long as it
 * lives. 0 or -errno: EPERM (CAP_BPF is missing, or a sandbox says no), ENOSYS (a kernel without bpf),
 * EINVAL (before Linux 4.16); the device then goes on as it was.
 */
int steer_attach(int fd);

#endif
