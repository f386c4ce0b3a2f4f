#ifndef WARREN_CLI_WHEN_H
#define WARREN_CLI_WHEN_H

#include <stdint.h>

#define WHEN_DAY_S    86400
#define WHEN_TEXT_MAX 32

/* Unix seconds now. */
uint64_t when_now(void);
/* "2026-01-31T00:00:00Z"; what no calendar has as "@SECONDS". Returns out. */
const char *when_format(uint64_t unix_s, char out[WHEN_TEXT_MAX]);

#endif
