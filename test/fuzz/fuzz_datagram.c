/*
 * Any datagram from anywhere, to a whole engine in the middle of its life: one that has sessions, waits for
 * answers, and holds punches (network.h). Byte 0: to whom, from where.
 */
#include "test/fuzz/fuzz.h"
#include "test/fuzz/network.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t datagram[NET_DGRAM];
	if (size == 0 || size - 1 > sizeof datagram)
		return 0;
	struct network *n = network_begin();
	memcpy(datagram, data + 1, size - 1);
	network_stranger(n, data[0], datagram, size - 1);
	network_end(n);
	return 0;
}
