#include "core/nhrp/nhrp.h"

void kernel_sync(struct nhrp *n, const struct prefix *prefix)
{
	const struct fib_route *want = n->config.install_routes ? fib_own(n->fib, prefix) : NULL;
	uint32_t i = hashmap_get(&n->installed, prefix);
	if (i == HASHMAP_NONE) {
		if (!want || n->installed.count == n->installed.max)
			return;
		for (i = 0; n->kernel[i].used; i++)
			;
		n->kernel[i].prefix = *prefix;
		n->kernel[i].used = true;
		hashmap_put(&n->installed, prefix, i);
	} else {
		if (want && addr_equal(&want->gateway, &n->kernel[i].gateway))
			return;
		n->ops.kernel_route(n->ops.ctx, prefix, &n->kernel[i].gateway, false);
		if (!want) {
			hashmap_remove(&n->installed, prefix);
			n->kernel[i].used = false;
			return;
		}
	}
	n->kernel[i].gateway = want->gateway;
	n->ops.kernel_route(n->ops.ctx, prefix, &want->gateway, true);
}

bool nhrp_installed_at(
	const struct nhrp *n, uint32_t *cursor, struct prefix *prefix, struct ip_addr *gateway)
{
	for (; *cursor < n->max_kernel; ++*cursor) {
		if (!n->kernel[*cursor].used)
			continue;
		*prefix = n->kernel[*cursor].prefix;
		*gateway = n->kernel[*cursor].gateway;
		++*cursor;
		return true;
	}
	return false;
}

bool nhrp_installed(const struct nhrp *n, const struct prefix *prefix, struct ip_addr *gateway)
{
	uint32_t i = hashmap_get(&n->installed, prefix);
	if (i == HASHMAP_NONE)
		return false;
	*gateway = n->kernel[i].gateway;
	return true;
}
