#include "core/base/timer.h"

#include "core/base/err.h"

#include <assert.h>
#include <stdlib.h>

int timer_heap_init(struct timer_heap *h, uint32_t cap)
{
	*h = (struct timer_heap){.cap = cap};
	h->v = calloc(cap + 1, sizeof(struct timer *)); /* place 0 stays empty */
	return h->v ? 0 : ERR_NO_SPACE;
}

void timer_heap_fini(struct timer_heap *h)
{
	free(h->v);
	*h = (struct timer_heap){0};
}

static void place(struct timer_heap *h, uint32_t position, struct timer *t)
{
	h->v[position] = t;
	t->position = position;
}

static void sift_up(struct timer_heap *h, struct timer *t, uint32_t i)
{
	for (; i > 1 && h->v[i / 2]->deadline > t->deadline; i /= 2)
		place(h, i, h->v[i / 2]);
	place(h, i, t);
}

static void sift_down(struct timer_heap *h, struct timer *t, uint32_t i)
{
	for (uint32_t child; (child = i * 2) <= h->n; i = child) {
		if (child < h->n && h->v[child + 1]->deadline < h->v[child]->deadline)
			child++;
		if (h->v[child]->deadline >= t->deadline)
			break;
		place(h, i, h->v[child]);
	}
	place(h, i, t);
}

void timer_arm(struct timer_heap *h, struct timer *t, uint64_t deadline)
{
	timer_disarm(h, t);
	assert(h->n < h->cap);
	t->deadline = deadline;
	sift_up(h, t, ++h->n);
}

void timer_disarm(struct timer_heap *h, struct timer *t)
{
	if (t->position == 0)
		return;
	uint32_t hole = t->position;
	struct timer *last = h->v[h->n--];
	t->position = 0;
	if (last == t)
		return;
	if (hole > 1 && h->v[hole / 2]->deadline > last->deadline)
		sift_up(h, last, hole);
	else
		sift_down(h, last, hole);
}

uint64_t timer_next(const struct timer_heap *h)
{
	return h->n ? h->v[1]->deadline : TS_NEVER;
}

bool timer_run_one(struct timer_heap *h, uint64_t now)
{
	if (h->n == 0 || h->v[1]->deadline > now)
		return false;
	struct timer *t = h->v[1];
	timer_disarm(h, t);
	t->fire(t->owner, t, now);
	return true;
}

void timer_run(struct timer_heap *h, uint64_t now)
{
	while (timer_run_one(h, now))
		;
}
