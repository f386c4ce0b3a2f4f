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

int pkt_batch_init_sized(struct pkt_batch *b, uint16_t cap, size_t size)
{
	*b = (struct pkt_batch){.cap = cap, .size = size};
	b->v = calloc(cap, sizeof *b->v);
	b->bytes = calloc(1, size);
	if (!b->v || !b->bytes) {
		pkt_batch_fini(b);
		return ERR_NO_SPACE;
	}
	return 0;
}

int pkt_batch_init(struct pkt_batch *b, uint16_t cap)
{
	return pkt_batch_init_sized(b, cap, (size_t)cap * PKT_SLOT);
}

void pkt_batch_fini(struct pkt_batch *b)
{
	free(b->v);
	free(b->bytes);
	memset(b, 0, sizeof *b);
}

struct pkt *pkt_place(struct pkt_batch *b, uint16_t i, size_t offset)
{
	struct pkt *p = &b->v[i];
	*p = (struct pkt){.data = b->bytes + offset};
	return p;
}

struct pkt *pkt_reset(struct pkt_batch *b, uint16_t i)
{
	return pkt_place(b, i, (size_t)i * PKT_SLOT + PKT_HEADROOM);
}
