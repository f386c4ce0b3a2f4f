#include "core/base/pkt.h"

#include "core/base/err.h"

#include <stdlib.h>
#include <string.h>

const char *drop_name(enum drop_reason reason)
{
	static const char *const names[] = {
#define DROP_NAME(id, name) [DROP_##id] = name,
		DROP_REASONS(DROP_NAME)
#undef DROP_NAME
	};
	return reason < DROP_COUNT ? names[reason] : "unknown";
}

int pkt_batch_init(struct pkt_batch *b, uint16_t cap)
{
	*b = (struct pkt_batch){.cap = cap};
	b->v = calloc(cap, sizeof *b->v);
	b->slots = calloc(cap, PKT_SLOT);
	if (!b->v || !b->slots) {
		pkt_batch_fini(b);
		return ERR_NO_SPACE;
	}
	return 0;
}

void pkt_batch_fini(struct pkt_batch *b)
{
	free(b->v);
	free(b->slots);
	memset(b, 0, sizeof *b);
}

struct pkt *pkt_reset(struct pkt_batch *b, uint16_t i)
{
	struct pkt *p = &b->v[i];
	*p = (struct pkt){.data = b->slots + (size_t)i * PKT_SLOT + PKT_HEADROOM};
	return p;
}
