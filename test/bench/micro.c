/*
 * Times each row of micro.h:
 *
 *   warren-bench-micro [--json] [--rounds 15] [--ms 4] [WORD]
 *
 * A round takes one sample, --ms long, of every row in turn, so that what else the machine does hits
 * all alike; the figure is the median over the rounds. WORD: only rows whose theme or name has it.
 */
#include "test/bench/micro.h"

#include "core/crypto/primitives.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROWS   128
#define ROUNDS 99

struct micro {
	unsigned n;
	const char *word; /* NULL = all */
	struct timed {
		struct micro_row row;
		unsigned per_sample;
		double ns[ROUNDS];
	} timed[ROWS];
};

void micro_add(struct micro *m, const struct micro_row *row)
{
	if (m->word && !strstr(row->name, m->word) && !strstr(row->theme, m->word))
		return;
	if (m->n == ROWS)
		abort();
	m->timed[m->n++].row = *row;
}

void *micro_alloc(size_t size)
{
	/* A whole number of cache lines, as aligned_alloc wants it: keys are aligned to 16. */
	size = (size + 63) & ~(size_t)63;
	void *p = aligned_alloc(64, size);
	if (!p)
		abort();
	return memset(p, 0, size);
}

uint32_t micro_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(*state >> 32);
}

/* Nanoseconds for n operations. */
static double sample(const struct micro_row *row, unsigned n)
{
	struct timespec from, to;
	clock_gettime(CLOCK_MONOTONIC, &from);
	row->run(row->ctx, n);
	clock_gettime(CLOCK_MONOTONIC, &to);
	return (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
}

/* So many operations that a sample takes that long. */
static void calibrate(struct timed *t, double ns)
{
	double took = 0;
	for (t->per_sample = 16; (took = sample(&t->row, t->per_sample)) < ns / 4;)
		t->per_sample *= 2;
	t->per_sample = (unsigned)((double)t->per_sample * ns / took) + 1;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(double *v, unsigned n)
{
	qsort(v, n, sizeof *v, by_value);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static void print_table(struct micro *m, unsigned rounds)
{
	const char *theme = "";
	printf("libsodium %s\n", prim_version());
	for (unsigned i = 0; i < m->n; i++) {
		const struct micro_row *row = &m->timed[i].row;
		double ns = median(m->timed[i].ns, rounds);
		if (strcmp(theme, row->theme) != 0)
			printf("\n%-44s %6s %9s %8s\n", theme = row->theme, "bytes", "ns", "GB/s");
		printf("  %-42s ", row->name);
		if (row->bytes)
			printf("%6zu %9.1f %8.2f\n", row->bytes, ns, (double)row->bytes / ns);
		else
			printf("%6s %9.1f\n", "", ns);
	}
}

static void print_json(struct micro *m, unsigned rounds)
{
	json_t *rows = json_array();
	for (unsigned i = 0; i < m->n; i++) {
		const struct micro_row *row = &m->timed[i].row;
		json_array_append_new(rows,
			json_pack("{s:s, s:s, s:i, s:f}", "theme", row->theme, "name", row->name,
				"bytes", (int)row->bytes, "ns", median(m->timed[i].ns, rounds)));
	}
	json_t *out = json_pack("{s:s, s:i, s:o}", "libsodium", prim_version(), "rounds",
		(int)rounds, "rows", rows);
	json_dumpf(out, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(out);
}

static int usage(void)
{
	fputs("usage: warren-bench-micro [--json] [--rounds 1 .. 99] [--ms N] [WORD]\n", stderr);
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'},
		{"rounds", required_argument, NULL, 'r'}, {"ms", required_argument, NULL, 'm'},
		{0}};
	static struct micro m;
	unsigned rounds = 15, ms = 4;
	bool json = false;

	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (c == 'j')
			json = true;
		else if (c == 'r')
			rounds = (unsigned)atoi(optarg);
		else if (c == 'm')
			ms = (unsigned)atoi(optarg);
		else
			return usage();
	}
	if (rounds < 1 || rounds > ROUNDS || ms < 1 || argc > optind + 1)
		return usage();
	if (prim_init() != 0)
		return 1;
	m.word = argv[optind];
	micro_crypto(&m);
	micro_replay(&m);
	micro_path(&m);
	micro_route(&m);
	micro_trains(&m);
	for (unsigned i = 0; i < m.n; i++)
		calibrate(&m.timed[i], ms * 1e6);
	for (unsigned r = 0; r < rounds; r++)
		for (unsigned i = 0; i < m.n; i++) {
			struct timed *t = &m.timed[i];
			t->ns[r] = sample(&t->row, t->per_sample) / t->per_sample;
		}
	if (json)
		print_json(&m, rounds);
	else
		print_table(&m, rounds);
	return 0;
}
