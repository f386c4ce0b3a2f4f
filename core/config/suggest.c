#include "core/config/suggest.h"

#include <string.h>

static unsigned min2(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Optimal string alignment, with the three rows that it looks at. */
unsigned suggest_distance(const char *a, const char *b)
{
	size_t a_len = strlen(a), b_len = strlen(b);
	if (a_len > SUGGEST_WORD_MAX || b_len > SUGGEST_WORD_MAX ||
		a_len > b_len + SUGGEST_NEAR_MAX || b_len > a_len + SUGGEST_NEAR_MAX)
		return SUGGEST_FAR;

	unsigned rows[3][SUGGEST_WORD_MAX + 1];
	unsigned *before = rows[0], *above = rows[1], *row = rows[2];
	for (size_t j = 0; j <= b_len; j++)
		above[j] = (unsigned)j;
	memset(before, 0, sizeof rows[0]);

	for (size_t i = 1; i <= a_len; i++) {
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_len; j++) {
			unsigned cost = a[i - 1] != b[j - 1];
			row[j] = min2(min2(above[j] + 1, row[j - 1] + 1), above[j - 1] + cost);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = min2(row[j], before[j - 2] + 1);
		}
		unsigned *oldest = before;
		before = above;
		above = row;
		row = oldest;
	}
	return above[b_len];
}

bool suggest_near(const char *typed, unsigned distance)
{
	size_t len = strlen(typed);
	return distance <= (len < 4 ? 1u : len < 9 ? 2u : SUGGEST_NEAR_MAX);
}
