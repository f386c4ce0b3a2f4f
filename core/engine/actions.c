#include "core/engine/actions.h"

#include "core/base/err.h"

#include <stdlib.h>
#include <string.h>

int actions_init(struct actions *q)
{
	/* Each place is written before it is read. */
	*q = (struct actions){.v = malloc(ACTIONS_MAX * sizeof *q->v)};
	return q->v ? 0 : ERR_NO_SPACE;
}

void actions_fini(struct actions *q)
{
	free(q->v);
	q->v = NULL;
}

struct queued *actions_add(struct actions *q, enum action_type type, bool reserve)
{
	/* From the start again whenever it has been drained: so the same few pages are used. */
	if (q->head == q->n)
		q->head = q->n = 0;
	if (q->n >= (reserve ? ACTIONS_MAX : ACTIONS_MAX - ACTIONS_RESERVE)) {
		q->lost++;
		return NULL;
	}
	struct queued *a = &q->v[q->n++];
	memset(&a->action, 0, sizeof a->action);
	a->action.type = type;
	return a;
}

bool actions_next(struct actions *q, struct action *out)
{
	if (q->head == q->n)
		return false;
	*out = q->v[q->head++].action;
	return true;
}
