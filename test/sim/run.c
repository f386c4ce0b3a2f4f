#include "test/sim/run.h"

#include "core/crypto/primitives.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_JOBS 64

struct options {
	uint64_t seed;
	unsigned count, jobs;
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
		else if (strcmp(argv[i], "--jobs") == 0 && parse_number(argv[i + 1], &v) &&
			v >= 1 && v <= MAX_JOBS)
			o->jobs = (unsigned)v, i++;
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

/* What the processes of one program share. */
struct work {
	_Atomic unsigned next, failed;
	_Atomic unsigned
		at[MAX_JOBS]; /* the seed's number that a job is busy with, plus 1; 0 = none */
};

/* Takes seeds until none is left. */
static void work_off(struct work *work, unsigned job, const char *program, const struct sim_case *c,
	const struct options *o)
{
	for (unsigned k; (k = atomic_fetch_add(&work->next, 1)) < o->count;) {
		atomic_store(&work->at[job], k + 1);
		if (!run_seed(program, c, o->seed + k, o->trace))
			atomic_fetch_add(&work->failed, 1);
		atomic_store(&work->at[job], 0);
	}
}

/* A process that dies takes its seed with it, and the others go on. */
static void reap(struct work *work, unsigned job, const char *program, const struct sim_case *c,
	const struct options *o, pid_t pid)
{
	int status;
	if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	printf("FAIL   %s: the process died\n       again: %s --case %s --seed %llu --trace\n",
		c->name, program, c->name,
		(unsigned long long)(o->seed + atomic_load(&work->at[job]) - 1));
	atomic_fetch_add(&work->failed, 1);
}

/* Runs a case with all seeds; how many failed. */
static unsigned run_seeds(
	struct work *work, const char *program, const struct sim_case *c, const struct options *o)
{
	pid_t pids[MAX_JOBS];
	atomic_store(&work->next, 0);
	atomic_store(&work->failed, 0);
	if (o->jobs == 1) {
		work_off(work, 0, program, c, o);
		return atomic_load(&work->failed);
	}
	fflush(stdout);
	for (unsigned i = 0; i < o->jobs; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			abort();
		if (pids[i] == 0) {
			work_off(work, i, program, c, o);
			fflush(stdout);
			_exit(0);
		}
	}
	for (unsigned i = 0; i < o->jobs; i++)
		reap(work, i, program, c, o, pids[i]);
	return atomic_load(&work->failed);
}

int sim_main(int argc, char **argv, const struct sim_case *cases, size_t n, unsigned default_count)
{
	struct options o = {.seed = 1, .count = default_count, .jobs = 1};
	if (!parse(argc, argv, &o)) {
		fprintf(stderr,
			"usage: %s [--seed N] [--count N] [--jobs N] [--case TEXT] [--trace] "
			"[--list]\n",
			argv[0]);
		return 2;
	}
	struct work *work =
		mmap(NULL, sizeof *work, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (prim_init() < 0 || work == MAP_FAILED)
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
		unsigned bad = run_seeds(work, argv[0], &cases[i], &o);
		if (bad == 0)
			printf("ok     %s\n", cases[i].name);
		ran += o.count;
		failed += bad;
	}
	munmap(work, sizeof *work);
	if (!o.list)
		printf("%u passed, %u failed, seeds %llu .. %llu, %.0f a minute\n", ran - failed,
			failed, (unsigned long long)o.seed,
			(unsigned long long)(o.seed + o.count - 1),
			ran * 60 / (wall_s() - began + 1e-9));
	return failed > 0 || (ran == 0 && !o.list);
}
