#include "platform/bsd/os.h"

#include "core/base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

/* What these systems have in common. */
#define NOFILE_WANTED 10240 /* macOS takes no more: OPEN_MAX */

uint64_t os_wall_s(void)
{
	return (uint64_t)time(NULL);
}

uint64_t os_read_clock(clockid_t clock)
{
	struct timespec ts;
	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

void os_harden(const struct env *env)
{
	struct rlimit none = {0, 0}, have;
	if (setrlimit(RLIMIT_CORE, &none) < 0)
		env_log(env, LOG_WARN, "cannot switch core dumps off: %s", strerror(errno));
	os_deny_tracing(env);
	if (getrlimit(RLIMIT_NOFILE, &have) == 0 && have.rlim_cur < NOFILE_WANTED) {
		have.rlim_cur = have.rlim_max < NOFILE_WANTED ? have.rlim_max : NOFILE_WANTED;
		setrlimit(RLIMIT_NOFILE, &have);
	}
}

/*
 * Addresses and routes take root here, and there is no part of it that could be kept alone: so it is
 * kept, and status says so.
 */
int os_drop_privileges(const char *user, const struct env *env)
{
	if (user && geteuid() == 0)
		env_log(env, LOG_WARN,
			"'user = %s' is not for this system: routes and addresses take root", user);
	return 0;
}

const char *os_privileges(void)
{
	return geteuid() == 0 ? "root" : "none";
}

unsigned os_descriptors_left(void)
{
	struct rlimit have;
	int lowest = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0); /* the lowest free one */
	if (lowest < 0)
		return 0;
	close(lowest);
	if (getrlimit(RLIMIT_NOFILE, &have) < 0 || have.rlim_cur > NOFILE_WANTED)
		return NOFILE_WANTED;
	return have.rlim_cur > (rlim_t)lowest ? (unsigned)(have.rlim_cur - (rlim_t)lowest) : 0;
}

int os_peer_credentials(int fd, unsigned *uid, unsigned *gid)
{
	uid_t u;
	gid_t g;
	if (getpeereid(fd, &u, &g) < 0)
		return ERR_SYSTEM;
	*uid = u;
	*gid = g;
	return 0;
}

void os_describe(char *out, size_t cap)
{
	struct utsname u;
	if (uname(&u) < 0)
		snprintf(out, cap, "unknown");
	else
		snprintf(out, cap, "%s %s %s", u.sysname, u.release, u.machine);
}
