#ifndef WARREN_SIM_RNG_H
#define WARREN_SIM_RNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The simulator's only source of chance: xoshiro256** (Blackman and Vigna), seeded by splitmix64.
 * Not for secrets; the same seed gives the same run on every machine.
 */
struct rng {
	uint64_t s[4];
};

void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
/* 0 .. below - 1; 0 when below is 0. */
uint64_t rng_below(struct rng *r, uint64_t below);
/* low .. high, both included. */
uint64_t rng_between(struct rng *r, uint64_t low, uint64_t high);
/* True once in a million, `ppm` times. */
bool rng_chance(struct rng *r, uint32_t ppm);
void rng_fill(struct rng *r, void *out, size_t len);

#endif
