#include "platform/bsd/os.h"

#include <errno.h>
#include <string.h>
#include <sys/types.h>

/* From sys/ptrace.h, which not every SDK has. */
#define DENY_ATTACH 31
int ptrace(int request, pid_t pid, caddr_t address, int data);

/* CLOCK_MONOTONIC follows the wall clock's corrections; this one counts sleep and nothing else does. */
uint64_t os_now_ns(void)
{
	return os_read_clock(CLOCK_MONOTONIC_RAW);
}

uint64_t os_awake_ns(void)
{
	return os_read_clock(CLOCK_UPTIME_RAW);
}

void os_deny_tracing(const struct env *env)
{
	if (ptrace(DENY_ATTACH, 0, 0, 0) < 0)
		env_log(env, LOG_WARN, "cannot keep debuggers out: %s", strerror(errno));
}
