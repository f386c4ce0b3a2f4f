#include "core/peer/linklocal.h"

#include "core/crypto/primitives.h"

#include <string.h>

struct ip_addr linklocal_of(
	const struct prefix *addresses, unsigned n, const uint8_t static_key[32])
{
	struct ip_addr a = {.family = 6, .bytes = {0xfe, 0x80}};
	for (unsigned i = 0; i < n; i++)
		if (addresses[i].addr.family == 4) {
			memcpy(a.bytes + 8, (uint8_t[]){0x00, 0x00, 0x5e, 0xfe}, 4);
			memcpy(a.bytes + 12, addresses[i].addr.bytes, 4);
			return a;
		}
	prim_hash8(a.bytes + 8, static_key, 32);
	return a;
}
