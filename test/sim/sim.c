#include "test/sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sim_event {
	uint64_t when, order;
	void (*fire)(void *ctx, void *arg);
	void *ctx, *arg;
};

struct sim_cleanup {
	struct sim_cleanup *next;
	void (*run)(void *ctx);
	void *ctx;
};

void sim_init(struct sim *s, uint64_t seed, bool trace)
{
	memset(s, 0, sizeof *s);
	s->start = s->now = 1000 * NS_PER_S;
	s->seed = seed;
	s->trace = trace;
	rng_seed(&s->rng, seed);
}

void sim_fini(struct sim *s)
{
	while (s->cleanups) {
		struct sim_cleanup *c = s->cleanups;
		s->cleanups = c->next;
		c->run(c->ctx);
		free(c);
	}
	for (uint32_t i = 0; i < s->n; i++)
		free(s->heap[i].arg);
	free(s->in_hand);
	free(s->heap);
	s->in_hand = NULL;
	s->heap = NULL;
	s->n = s->cap = 0;
}

void sim_defer(struct sim *s, void (*cleanup)(void *ctx), void *ctx)
{
	struct sim_cleanup *c = malloc(sizeof *c);
	if (!c)
		abort();
	*c = (struct sim_cleanup){.next = s->cleanups, .run = cleanup, .ctx = ctx};
	s->cleanups = c;
}

static bool before(const struct sim_event *a, const struct sim_event *b)
{
	return a->when != b->when ? a->when < b->when : a->order < b->order;
}

void sim_at(struct sim *s, uint64_t when, void (*fire)(void *ctx, void *arg), void *ctx, void *arg)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 256;
		s->heap = realloc(s->heap, s->cap * sizeof *s->heap);
		if (!s->heap)
			abort();
	}
	if (arg == s->in_hand)
		s->in_hand = NULL;
	struct sim_event e = {.when = when > s->now ? when : s->now, .order = s->order++};
	e.fire = fire;
	e.ctx = ctx;
	e.arg = arg;
	uint32_t i = s->n++;
	while (i > 0 && before(&e, &s->heap[(i - 1) / 2])) {
		s->heap[i] = s->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	s->heap[i] = e;
}

void sim_free(struct sim *s, void *arg)
{
	if (arg == s->in_hand)
		s->in_hand = NULL;
	free(arg);
}

static struct sim_event pop(struct sim *s)
{
	struct sim_event top = s->heap[0], last = s->heap[--s->n];
	uint32_t i = 0;
	for (;;) {
		uint32_t child = 2 * i + 1;
		if (child >= s->n)
			break;
		if (child + 1 < s->n && before(&s->heap[child + 1], &s->heap[child]))
			child++;
		if (!before(&s->heap[child], &last))
			break;
		s->heap[i] = s->heap[child];
		i = child;
	}
	if (s->n > 0)
		s->heap[i] = last;
	return top;
}

void sim_run_until(struct sim *s, uint64_t until)
{
	while (s->n > 0 && s->heap[0].when <= until) {
		struct sim_event e = pop(s);
		s->now = e.when;
		s->in_hand = e.arg;
		e.fire(e.ctx, e.arg);
	}
	if (until > s->now)
		s->now = until;
}

void sim_run(struct sim *s, uint64_t duration)
{
	sim_run_until(s, s->now + duration);
}

uint64_t sim_wait(struct sim *s, uint64_t limit, bool (*done)(void *ctx), void *ctx)
{
	uint64_t begin = s->now;
	while (!done(ctx)) {
		if (s->now - begin >= limit)
			return TS_NEVER;
		sim_run(s, NS_PER_MS);
	}
	return s->now - begin;
}

static double seconds(const struct sim *s)
{
	return (double)sim_elapsed(s) / 1e9;
}

void sim_trace(struct sim *s, const char *format, ...)
{
	if (!s->trace)
		return;
	va_list args;
	va_start(args, format);
	if (s->report) {
		char *line = s->report->tail[s->report->n++ % SIM_TAIL];
		size_t cap = sizeof s->report->tail[0];
		int len = snprintf(line, cap, "%13.6f  ", seconds(s));
		vsnprintf(line + len, cap - (size_t)len, format, args);
	} else {
		printf("%13.6f  ", seconds(s));
		vprintf(format, args);
		putchar('\n');
	}
	va_end(args);
}

void sim_note(struct sim *s, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	printf("     | %s: ", s->case_name);
	vprintf(format, args);
	putchar('\n');
	va_end(args);
}

void sim_fail(struct sim *s, const char *file, int line, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	if (s->report) {
		s->report->file = file;
		s->report->line = line;
		vsnprintf(s->report->text, sizeof s->report->text, format, args);
		va_end(args);
		longjmp(s->failed, 1);
	}
	printf("FAIL   %s at %.6f s, %s:%d: ", s->case_name, seconds(s), file, line);
	vprintf(format, args);
	printf("\n       again: %s --case %s --seed %llu --trace\n", s->program, s->case_name,
		(unsigned long long)s->seed);
	va_end(args);
	longjmp(s->failed, 1);
}
