#include "platform/bsd/os.h"

#include <errno.h>
#include <string.h>
#include <sys/types.h>
#include <sys/procctl.h>
#include <unistd.h>

/* There is no clock that counts sleep: timers that are late by seconds tell of it (engine.h). */
uint64_t os_now_ns(void)
{
	return os_read_clock(CLOCK_MONOTONIC);
}

uint64_t os_awake_ns(void)
{
	return os_read_clock(CLOCK_MONOTONIC);
}

/* No core dumps either. */
void os_deny_tracing(const struct env *env)
{
	int no = PROC_TRACE_CTL_DISABLE;
	if (procctl(P_PID, getpid(), PROC_TRACE_CTL, &no) < 0)
		env_log(env, LOG_WARN, "cannot keep debuggers out: %s", strerror(errno));
}
