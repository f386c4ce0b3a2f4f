#ifndef WARREN_TEST_FAKE_DARWIN_H
#define WARREN_TEST_FAKE_DARWIN_H

#include "core/base/addr.h"

/*
 * A kernel of macOS as warren's platform code meets it, on Linux: its system calls with their numbers and
 * structures, behind which a little state stands, and Linux's own UDP. macos_run.sh builds the platform with
 * macOS's headers and has its calls end here, as darwin_NAME.
 *
 * It shows that the bytes are right, the order of the calls, and what becomes of errors: not that a real
 * kernel does what this one does.
 */

/* What the code under test has made of it. */
struct fake_utun {
	bool open;
	char name[16];
	uint32_t ifindex, mtu;
	unsigned n_addresses;
	struct prefix addresses[8];
	int kernel_fd; /* packets with their header: what the device would send and receive */
};

struct fake_route {
	struct prefix prefix;
	struct ip_addr gateway; /* family 0 = by the interface */
	uint32_t ifindex, flags;
};

struct fake_darwin {
	struct fake_utun utun;
	unsigned n_routes;
	struct fake_route routes[64];
	bool tracing_denied;
	int fail_next; /* errno of macOS for the next request to add a route; 0 = none */
	bool overrun;  /* the next read of a routing socket says ENOBUFS */
};
extern struct fake_darwin fake_darwin;

void fake_darwin_reset(void);
/* Somebody else changes a route; announced. Adding one that is there is a mistake of the test's. */
void fake_darwin_route(const char *prefix, const char *gateway, uint32_t ifindex, bool add);
/* The same, unannounced: what only a dump can tell. */
void fake_darwin_route_silently(
	const char *prefix, const char *gateway, uint32_t ifindex, bool add);
void fake_darwin_address(uint32_t ifindex, const char *address, bool add);
void fake_darwin_link(uint32_t ifindex, bool up);

#endif
