#include "platform/linux/steer.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* linux/if_tun.h, since Linux 4.16 */
#ifndef TUNSETSTEERINGEBPF
#define TUNSETSTEERINGEBPF _IOR('T', 224, int)
#endif

/* Registers. Loads want the packet in 6, put what they load, in host order, into 0, and spoil 1 to 5. */
#define LOADED   BPF_REG_0
#define ARGUMENT BPF_REG_1
#define PACKET   BPF_REG_6
#define HASH     BPF_REG_7
#define PORTS    BPF_REG_8 /* where they are */
#define FACTOR   BPF_REG_9

#define INSN(code, dst, src, skip, value)                                                          \
	{                                                                                          \
		code, dst, src, skip, value                                                        \
	}
#define SET(reg, value)     INSN(BPF_ALU64 | BPF_MOV | BPF_K, reg, 0, 0, value)
#define COPY(reg, from)     INSN(BPF_ALU64 | BPF_MOV | BPF_X, reg, from, 0, 0)
#define DO(op, reg, by)     INSN(BPF_ALU64 | op | BPF_K, reg, 0, 0, by)
#define DO_REG(op, reg, by) INSN(BPF_ALU64 | op | BPF_X, reg, by, 0, 0)
#define LOAD(size, at)      INSN(BPF_LD | BPF_ABS | size, 0, 0, 0, at)
#define LOAD_AT(size, reg)  INSN(BPF_LD | BPF_IND | size, 0, reg, 0, 0)
#define IF(op, value, skip) INSN(BPF_JMP | op | BPF_K, LOADED, 0, skip, value)
#define SKIP(skip)          INSN(BPF_JMP | BPF_JA, 0, 0, skip, 0)
#define EXIT                INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
/* One instruction in the room of two: the low half, the high half. */
#define SET_LONG(reg, low, high)                                                                   \
	INSN(BPF_LD | BPF_DW | BPF_IMM, reg, 0, 0, low), INSN(0, 0, 0, 0, high)
#define MIX DO_REG(BPF_ADD, HASH, LOADED), DO_REG(BPF_MUL, HASH, FACTOR)

#define GOLDEN_HIGH (-0x61C88647) /* 0x9E3779B97F4A7C15: 2^64 divided by the golden ratio */
#define GOLDEN_LOW  0x7F4A7C15
#define FRAGMENT    0x3FFF /* IPv4's More Fragments and offset (RFC 791 s.3.1) */

/*
 * A hash of the addresses and, of TCP and UDP that is no fragment, protocol and ports: an IPv6 packet with
 * extension headers goes by its addresses, as do all fragments, since only the first has ports. The driver
 * takes the low 16 bits modulo the number of queues: here the best mixed ones, those on top. A load from
 * behind the packet's end ends the program with 0.
 */
static const struct bpf_insn program[] = {
	COPY(PACKET, ARGUMENT),
	SET(HASH, 0),
	SET_LONG(FACTOR, GOLDEN_LOW, GOLDEN_HIGH),
	LOAD(BPF_B, 0),
	COPY(PORTS, LOADED),
	DO(BPF_RSH, LOADED, 4),
	IF(BPF_JEQ, 6, 12),
	/* IPv4 */
	DO(BPF_AND, PORTS, 0xF),
	DO(BPF_LSH, PORTS, 2), /* the header's length */
	LOAD(BPF_W, 12),
	MIX,
	LOAD(BPF_W, 16),
	MIX,
	LOAD(BPF_H, 6),
	IF(BPF_JSET, FRAGMENT, 35),
	LOAD(BPF_B, 9),
	SKIP(26),
	/* IPv6 */
	SET(PORTS, 40),
	LOAD(BPF_W, 8),
	MIX,
	LOAD(BPF_W, 12),
	MIX,
	LOAD(BPF_W, 16),
	MIX,
	LOAD(BPF_W, 20),
	MIX,
	LOAD(BPF_W, 24),
	MIX,
	LOAD(BPF_W, 28),
	MIX,
	LOAD(BPF_W, 32),
	MIX,
	LOAD(BPF_W, 36),
	MIX,
	LOAD(BPF_B, 6),
	/* The protocol is loaded. */
	IF(BPF_JEQ, IPPROTO_TCP, 1),
	IF(BPF_JNE, IPPROTO_UDP, 5),
	MIX,
	LOAD_AT(BPF_W, PORTS),
	MIX,
	/* The end: what went up comes down once more, for values that are evenly spaced. */
	COPY(LOADED, HASH),
	DO(BPF_RSH, LOADED, 32),
	MIX,
	COPY(LOADED, HASH),
	DO(BPF_RSH, LOADED, 48),
	EXIT,
};

/* The kernel's bpf(BPF_PROG_LOAD); a descriptor or -1 with errno. */
static int load(void)
{
	union bpf_attr attr;
	memset(&attr, 0, sizeof attr); /* all of it: padding that is not zero is refused */
	attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
	attr.insns = (uintptr_t)program;
	attr.insn_cnt = sizeof program / sizeof *program;
	attr.license = (uintptr_t) "ISC";
	return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr);
}

int steer_attach(int fd)
{
	int loaded = load();
	if (loaded < 0)
		return -errno;
	int error = ioctl(fd, TUNSETSTEERINGEBPF, &loaded) < 0 ? -errno : 0;
	close(loaded); /* the device has a reference of its own */
	return error;
}
