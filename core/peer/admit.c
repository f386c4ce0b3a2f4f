#include "core/peer/admit.h"

#include "core/base/err.h"
#include "core/base/hashmap.h"

#include <stdlib.h>
#include <string.h>

#define PROBES 8

_Static_assert((ADMIT_SOURCES & (ADMIT_SOURCES - 1)) == 0, "a mask");
_Static_assert((ADMIT_RESET_SOURCES & (ADMIT_RESET_SOURCES - 1)) == 0, "a mask");

/* ---- Sources -------------------------------------------------------------------------------- */

static int sources_init(struct sources *t, uint32_t n, const struct env *env)
{
	t->v = calloc(n, sizeof *t->v);
	t->mask = n - 1;
	env->random(env->ctx, t->seed, sizeof t->seed);
	return t->v ? 0 : ERR_NO_SPACE;
}

static struct ip_addr source_key(const struct ip_addr *a)
{
	struct ip_addr key = {.family = a->family};
	memcpy(key.bytes, a->bytes, a->family == 4 ? 4 : 8);
	return key;
}

static uint64_t worth(const struct source *s)
{
	return s->addr.family == 0 ? 0 : s->used + (s->member ? ADMIT_MEMBER_KEPT_NS : 0);
}

/* The place of this source: its own, or NULL and *victim the one that it may have. */
static struct source *find(
	const struct sources *t, const struct ip_addr *key, struct source **victim)
{
	uint64_t at = siphash(t->seed, key, sizeof *key);
	*victim = &t->v[at & t->mask];
	for (unsigned i = 0; i < PROBES; i++) {
		struct source *s = &t->v[(at + i) & t->mask];
		if (addr_equal(&s->addr, key))
			return s;
		if (worth(s) < worth(*victim))
			*victim = s;
	}
	return NULL;
}

static struct source *obtain(struct sources *t, const struct ip_addr *a, uint64_t now)
{
	struct ip_addr key = source_key(a);
	struct source *victim, *s = find(t, &key, &victim);
	if (!s) {
		s = victim;
		*s = (struct source){.addr = key};
	}
	s->used = now;
	return s;
}

/* ---- Decisions ------------------------------------------------------------------------------ */

int admit_init(struct admission *a, const struct env *env)
{
	*a = (struct admission){0};
	a->half_open = malloc(ADMIT_HALF_OPEN * sizeof *a->half_open);
	if (!a->half_open || sources_init(&a->initiators, ADMIT_SOURCES, env) != 0 ||
		sources_init(&a->reset_to, ADMIT_RESET_SOURCES, env) != 0) {
		admit_fini(a);
		return ERR_NO_SPACE;
	}
	for (unsigned i = 0; i < ADMIT_HALF_OPEN; i++)
		a->half_open[i] = (struct half_open){.peer = UINT32_MAX};
	return 0;
}

void admit_fini(struct admission *a)
{
	free(a->half_open);
	free(a->initiators.v);
	free(a->reset_to.v);
	*a = (struct admission){0};
}

static bool work(struct admission *a, const struct source *s, uint64_t now)
{
	return bucket_take(&a->work, NS_PER_S / ADMIT_WORK_PER_S, 500, now) ||
		(s->member && bucket_take(&a->members, NS_PER_S / ADMIT_MEMBERS_PER_S, 250, now));
}

enum admit admit_initiation(
	struct admission *a, const struct ip_addr *from, bool proven, uint64_t now)
{
	if (!proven) {
		/* Forged or not: it is counted, and leaves no trace among the sources while there are many. */
		if (!bucket_take(&a->load, NS_PER_S / ADMIT_LOAD_PER_S, 250, now))
			a->loaded_until = now + ADMIT_LOADED_NS;
		if (admit_loaded(a, now))
			return ADMIT_COOKIE;
	}
	struct source *s = obtain(&a->initiators, from, now);
	if (!proven)
		return bucket_take(&s->unproven, NS_PER_S / ADMIT_SOURCE_PER_S, 20, now) &&
				work(a, s, now)
			? ADMIT_YES
			: ADMIT_COOKIE;
	unsigned rate = s->member ? ADMIT_MEMBER_PER_S : ADMIT_SOURCE_PER_S;
	return bucket_take(&s->proven, NS_PER_S / rate, 100, now) && work(a, s, now) ? ADMIT_YES
										     : ADMIT_NO;
}

bool admit_cookie(struct admission *a, const struct ip_addr *to, uint64_t now)
{
	struct ip_addr key = source_key(to);
	struct source *victim, *s = find(&a->initiators, &key, &victim);
	return (s && s->member &&
		       bucket_take(&s->cookies, NS_PER_S / ADMIT_MEMBER_PER_S, 100, now)) ||
		bucket_take(&a->cookies, NS_PER_S / ADMIT_COOKIES_PER_S, 5000, now);
}

bool admit_reset(struct admission *a, const struct ip_addr *to, uint64_t now)
{
	/* The source's own first, so that one that repeats itself does not use up what is for all. */
	return bucket_take(&obtain(&a->reset_to, to, now)->resets, NS_PER_S, 1, now) &&
		bucket_take(&a->resets, NS_PER_S / ADMIT_RESETS_PER_S, 100, now);
}

void admit_member(struct admission *a, const struct ip_addr *from, uint64_t now)
{
	obtain(&a->initiators, from, now)->member = true;
}

void admit_half_open(struct admission *a, const struct half_open *new, struct half_open *oldest)
{
	struct half_open *at = &a->half_open[a->n_half_open++ % ADMIT_HALF_OPEN];
	*oldest = *at;
	*at = *new;
}
