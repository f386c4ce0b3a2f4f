#include "test/sim/run.h"

#include "core/crypto/primitives.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct options {
	uint64_t seed;
	unsigned count;
	const char *match;
	bool trace, list;
};

static bool parse_number(const char *text, uint64_t *out)
{
	char *end;
	*out = strtoull(text, &end, 0);
	return *text != '\0' && *end == '\0';
}

static bool parse(int argc, char **argv, struct options *o)
{
	for (int i = 1; i < argc; i++) {
		uint64_t v;
		if (strcmp(argv[i], "--trace") == 0)
			o->trace = true;
		else if (strcmp(argv[i], "--list") == 0)
			o->list = true;
		else if (i + 1 == argc)
			return false;
		else if (strcmp(argv[i], "--case") == 0)
			o->match = argv[++i];
		else if (strcmp(argv[i], "--seed") == 0 && parse_number(argv[i + 1], &v))
			o->seed = v, i++;
		else if (strcmp(argv[i], "--count") == 0 && parse_number(argv[i + 1], &v))
			o->count = (unsigned)v, i++;
		else
			return false;
	}
	return true;
}

/* s outlives the longjmp: it is the caller's. */
static bool run_case(struct sim *s, const struct sim_case *c)
{
	if (setjmp(s->failed))
		return false;
	c->run(s);
	return true;
}

static bool run_seed(const char *program, const struct sim_case *c, uint64_t seed, bool trace)
{
	struct sim *s = malloc(sizeof *s);
	if (!s)
		abort();
	sim_init(s, seed, trace);
	s->program = program;
	s->case_name = c->name;
	bool passed = run_case(s, c);
	sim_fini(s);
	free(s);
	fflush(stdout);
	return passed;
}

bool sim_try(const struct sim_case *c, uint64_t seed, const void *input, bool trace,
	struct sim_report *report)
{
	struct sim *s = malloc(sizeof *s);
	if (!s)
		abort();
	memset(report, 0, sizeof *report);
	sim_init(s, seed, trace);
	s->program = s->case_name = c->name;
	s->input = input;
	s->report = report;
	bool passed = run_case(s, c);
	sim_fini(s);
	free(s);
	return passed;
}

static double wall_s(void)
{
	struct timespec now;
	timespec_get(&now, TIME_UTC);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int sim_main(int argc, char **argv, const struct sim_case *cases, size_t n, unsigned default_count)
{
	struct options o = {.seed = 1, .count = default_count};
	if (!parse(argc, argv, &o)) {
		fprintf(stderr,
			"usage: %s [--seed N] [--count N] [--case TEXT] [--trace] [--list]\n",
			argv[0]);
		return 2;
	}
	if (prim_init() < 0)
		return 1;
	unsigned ran = 0, failed = 0;
	double began = wall_s();
	for (size_t i = 0; i < n; i++) {
		if (o.match && !strstr(cases[i].name, o.match))
			continue;
		if (o.list) {
			puts(cases[i].name);
			continue;
		}
		unsigned bad = 0;
		for (unsigned k = 0; k < o.count; k++)
			bad += !run_seed(argv[0], &cases[i], o.seed + k, o.trace);
		if (bad == 0)
			printf("ok     %s\n", cases[i].name);
		ran += o.count;
		failed += bad;
	}
	if (!o.list)
		printf("%u run, %u failed, seed %llu, %.0f a minute\n", ran, failed,
			(unsigned long long)o.seed, ran * 60 / (wall_s() - began + 1e-9));
	return failed > 0 || (ran == 0 && !o.list);
}
