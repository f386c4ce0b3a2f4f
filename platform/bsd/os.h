#ifndef WARREN_PLATFORM_BSD_OS_H
#define WARREN_PLATFORM_BSD_OS_H

#include "platform/platform.h"

#include <time.h>

/* ns */
uint64_t os_read_clock(clockid_t clock);
/* Each system's own way to keep debuggers out. Failures are logged. */
void os_deny_tracing(const struct env *env);

#endif
