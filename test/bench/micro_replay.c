/* The replay window, which every packet that arrives asks and moves. */
#include "test/bench/micro.h"

#include "core/crypto/replay.h"

#include <stdlib.h>

struct arrivals {
	struct replay_window window;
	uint32_t next, shuffle;
};

/* A sequence's low bits changed: each block of them comes in another order, none twice. */
static void arrive(void *ctx, unsigned n)
{
	struct arrivals *a = ctx;
	/* A whole number of blocks, so that the next run begins with one. */
	for (unsigned i = 0; i < n || a->next & a->shuffle; i++) {
		uint32_t sequence = a->next++ ^ a->shuffle;
		if (!replay_check(&a->window, sequence) || !replay_update(&a->window, sequence))
			abort();
	}
}

void micro_replay(struct micro *m)
{
	static const struct {
		const char *name;
		uint32_t shuffle;
	} orders[] = {{"check and update, in order", 0}, {"check and update, backwards by 64", 63}};

	for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
		struct arrivals *a = micro_alloc(sizeof *a);
		replay_init(&a->window);
		a->shuffle = orders[i].shuffle;
		micro_add(m, &(struct micro_row){"replay", orders[i].name, 0, arrive, a});
	}
}
