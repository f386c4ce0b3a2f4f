#include "core/cli/when.h"

#include <stdio.h>
#include <time.h>

#define LAST_YEAR_S UINT64_C(253402300799) /* the end of the year 9999 */

uint64_t when_now(void)
{
	return (uint64_t)time(NULL);
}

const char *when_format(uint64_t unix_s, char out[WHEN_TEXT_MAX])
{
	time_t t = (time_t)unix_s;
	struct tm tm;
	if (unix_s > LAST_YEAR_S || !gmtime_r(&t, &tm) ||
		strftime(out, WHEN_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		snprintf(out, WHEN_TEXT_MAX, "@%llu", (unsigned long long)unix_s);
	return out;
}
