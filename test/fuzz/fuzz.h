#ifndef WARREN_TEST_FUZZ_H
#define WARREN_TEST_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* What libFuzzer, AFL++'s driver and replay.c call. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A truth about the code under test; a lie is a finding. */
#define must(truth) ((truth) ? (void)0 : fuzz_found(#truth, __FILE__, __LINE__))

static inline void fuzz_found(const char *truth, const char *file, int line)
{
	fprintf(stderr, "%s:%d: found: not true that %s\n", file, line, truth);
	abort();
}

#endif
