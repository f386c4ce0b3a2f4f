#ifndef WARREN_TEST_LINUX_MIRROR_H
#define WARREN_TEST_LINUX_MIRROR_H

#include "platform/platform.h"
#include "test/platform/linux_lab.h"

/*
 * A mirror of the kernel's routes fed by netmon, as simple as can be, and what is expected of it.
 * The lab has two veth pairs, of which a0 and b0 are "our" interfaces:
 *
 *   a0 10.1.0.1/24 fd01::1/64 ---- a1        b0 10.2.0.1/24 fd02::1/64 ---- b1
 */
#define MIRROR_MAX   8192
#define MIRROR_TABLE 77 /* mirrored besides local and main */

struct mirror {
	struct netmon *netmon;
	unsigned n, n_addresses, resets, synced;
	struct kernel_link link; /* the last one told of */
	struct kernel_route routes[MIRROR_MAX];
	struct kernel_legs legs[MIRROR_MAX]; /* of each */
	struct prefix addresses[64];
	uint32_t address_ifindex[64];
};

extern struct mirror mirror;

/* Fixture: makes the lab and opens the mirror; removes all that again, with whatever was added. */
int mirror_setup(void **state);
int mirror_teardown(void **state);

/* Reads all announcements. */
void mirror_update(void);
/* The route under this key (tos 0), after an update. NULL = none. */
const struct kernel_route *mirror_look(const char *prefix, uint32_t table, uint32_t metric);
/* There is one, and it looks like this. gateway and interface may be NULL. */
void mirror_expect(const char *prefix, uint32_t table, uint32_t metric, const char *gateway,
	const char *interface, enum route_kind kind);
/* Its legs are these: "10.1.0.9 a0 1, 10.2.0.9 b0 3", a gateway, interface and weight each. */
void mirror_expect_legs(const char *prefix, uint32_t table, uint32_t metric, const char *legs);
/* Is the mirror, kept by announcements, what a dump says now? */
void mirror_expect_true(const char *after);
struct ip_addr mirror_addr(const char *text);

#endif
