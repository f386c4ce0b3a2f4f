/*
 * Messages of the routing socket: the first byte is the system, the rest a run of its messages, taken as
 * announcements or a dump by the mirror. What the mirror holds in the end it tells to be gone, once.
 */
#include "platform/bsd/mirror.h"
#include "test/fuzz/fuzz.h"

#include <string.h>

static struct mirror mirror;
static uint32_t gone; /* routes told to be deleted */

static void on_reset(void *ctx)
{
	(void)ctx;
}

static void on_route(
	void *ctx, const struct kernel_route *route, const struct kernel_legs *legs, bool deleted)
{
	struct prefix masked = prefix_masked(route->prefix);
	(void)ctx;
	must(legs->n == (deleted ? 0 : 1));
	must(addr_size(route->prefix.addr.family) != 0);
	must(route->prefix.len <= addr_bits(route->prefix.addr.family));
	must(prefix_equal(&masked, &route->prefix));
	gone += deleted;
}

static void on_address(void *ctx, uint32_t ifindex, const struct prefix *address, bool deleted)
{
	(void)ctx, (void)ifindex, (void)deleted;
	must(addr_size(address->addr.family) != 0);
	must(address->len <= addr_bits(address->addr.family));
}

static void on_link(void *ctx, const struct kernel_link *link)
{
	(void)ctx;
	must(memchr(link->name, '\0', sizeof link->name) != NULL);
}

static void name_of(void *ctx, uint32_t ifindex, char out[16])
{
	(void)ctx, (void)ifindex;
	memcpy(out, "em0", 4);
}

static void free_again(
	void *ctx, const struct prefix *prefix, const struct ip_addr *gateway, uint32_t ifindex)
{
	(void)ctx, (void)prefix, (void)gateway, (void)ifindex;
	must(false); /* nothing waits */
}

static void draw(void *ctx, void *out, size_t len)
{
	(void)ctx;
	memset(out, 1, len);
}

static void feed(const struct rtsock_abi *abi, const uint8_t *data, size_t size)
{
	struct rtsock_message message;
	size_t used;
	do {
		bool taken = rtsock_parse(abi, data, size, &used, &message);
		must(used <= size);
		must(!taken || used > 0);
		if (taken)
			mirror_take(&mirror, &message);
		data += used;
		size -= used;
	} while (used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct env env = {.random = draw};
	if (size == 0)
		return 0;
	const struct rtsock_abi *abi = data[0] & 1 ? &rtsock_freebsd : &rtsock_macos;
	memset(&mirror, 0, sizeof mirror);
	mirror.events = (struct netmon_events){.reset = on_reset,
		.route = on_route,
		.address = on_address,
		.synced = on_reset,
		.link = on_link};
	mirror.name = name_of;
	mirror.free_again = free_again;
	must(mirror_init(&mirror, abi, &env) == 0);
	if (data[0] & 2)
		mirror_dump_begin(&mirror);
	feed(abi, data + 1, size - 1);
	if (data[0] & 2)
		mirror_dump_end(&mirror);
	/* A dump without anything in it: all that was told is told to be gone. */
	uint32_t had = mirror.n;
	gone = 0;
	mirror_dump_begin(&mirror);
	mirror_dump_end(&mirror);
	must(gone == had && mirror.n == 0 && mirror.n_addresses == 0);
	mirror_fini(&mirror);
	return 0;
}
