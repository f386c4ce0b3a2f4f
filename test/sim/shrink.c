#include "test/sim/shrink.h"

/* Switches the parts of a run of `size` off, those that are still on. False: none was, or it passes. */
static bool without(
	bool *off, unsigned n, unsigned from, unsigned size, bool (*fails)(void *ctx), void *ctx)
{
	unsigned to = from + size < n ? from + size : n, changed = 0;
	bool before[SHRINK_PARTS];
	for (unsigned i = from; i < to; i++) {
		before[i - from] = off[i];
		changed += !off[i];
		off[i] = true;
	}
	if (changed > 0 && fails(ctx))
		return true;
	for (unsigned i = from; i < to; i++)
		off[i] = before[i - from];
	return false;
}

void shrink(bool *off, unsigned n, bool (*fails)(void *ctx), void *ctx)
{
	unsigned size = n / 2;
	while (size > 0) {
		bool progress = false;
		for (unsigned from = 0; from < n; from += size)
			progress |= without(off, n, from, size, fails, ctx);
		if (size > 1)
			size /= 2;
		else if (!progress)
			break;
	}
}
