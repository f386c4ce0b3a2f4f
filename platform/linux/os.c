#include "platform/platform.h"

#include "core/base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define NOFILE_WANTED 65536

/* The only capability that is kept: routes, addresses and large socket buffers need it. */
#define KEPT_CAP  CAP_NET_ADMIN
#define KEPT_MASK (1u << KEPT_CAP)

static uint64_t read_clock(clockid_t clock)
{
	struct timespec ts;
	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t os_now_ns(void)
{
	return read_clock(CLOCK_BOOTTIME);
}

uint64_t os_awake_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t os_wall_s(void)
{
	return (uint64_t)time(NULL);
}

/* As far as the hard limit allows, and further when we may raise that. */
static void raise_limit(int resource, rlim_t wanted)
{
	struct rlimit have, want = {wanted, wanted};
	if (getrlimit(resource, &have) < 0 || have.rlim_cur >= wanted)
		return;
	if (have.rlim_max > wanted)
		want.rlim_max = have.rlim_max;
	if (setrlimit(resource, &want) == 0)
		return;
	want.rlim_max = have.rlim_max;
	want.rlim_cur = have.rlim_max < wanted ? have.rlim_max : wanted;
	setrlimit(resource, &want);
}

void os_harden(const struct env *env)
{
	struct rlimit none = {0, 0};
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
		env_log(env, LOG_WARN, "cannot switch core dumps off: %s", strerror(errno));
	raise_limit(RLIMIT_NOFILE, NOFILE_WANTED);
	raise_limit(RLIMIT_MEMLOCK, RLIM_INFINITY);
}

unsigned os_descriptors_left(void)
{
	struct rlimit have;
	int lowest =
		fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0); /* the system gives the lowest free one */
	if (lowest < 0)
		return 0;
	close(lowest);
	if (getrlimit(RLIMIT_NOFILE, &have) < 0 || have.rlim_cur > NOFILE_WANTED)
		return NOFILE_WANTED;
	return have.rlim_cur > (rlim_t)lowest ? (unsigned)(have.rlim_cur - (rlim_t)lowest) : 0;
}

static int get_caps(struct __user_cap_data_struct caps[2])
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	return (int)syscall(SYS_capget, &header, caps);
}

static int set_caps(const struct __user_cap_data_struct caps[2])
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	return (int)syscall(SYS_capset, &header, caps);
}

/* Needs CAP_SETPCAP; without it no_new_privs, which follows, has to do. */
static void drop_bounding_set(void)
{
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (cap != KEPT_CAP)
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

/* The capabilities stay behind in the permitted set, to be reduced next. */
static int change_user(const struct passwd *pw)
{
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setgroups(0, NULL) < 0 ||
		setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
		setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0)
		return -1;
	return prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
}

static int reduce_caps(bool *kept)
{
	struct __user_cap_data_struct caps[2];
	if (get_caps(caps) < 0)
		return -1;
	*kept = caps[0].permitted & KEPT_MASK;
	caps[0].permitted &= KEPT_MASK;
	caps[0].effective = caps[0].permitted;
	caps[0].inheritable = 0;
	memset(&caps[1], 0, sizeof caps[1]);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* before 4.3 there are none */
	return set_caps(caps);
}

static int fail(const struct env *env, const char *what, const char *user)
{
	env_log(env, LOG_ERROR, "cannot give up root: %s %s: %s", what, user ? user : "",
		strerror(errno));
	return ERR_SYSTEM;
}

int os_drop_privileges(const char *user, const struct env *env)
{
	bool kept = false;
	const struct passwd *pw = NULL;
	if (user && geteuid() == 0) {
		errno = 0;
		pw = getpwnam(user);
		if (!pw) {
			errno = errno ? errno : ENOENT;
			return fail(env, "user", user);
		}
	} else if (user) {
		env_log(env, LOG_DEBUG, "not started as root: no change to user %s", user);
	}
	drop_bounding_set();
	if (pw && change_user(pw) < 0)
		return fail(env, "change to user", user);
	if (reduce_caps(&kept) < 0)
		return fail(env, "capset", NULL);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return fail(env, "no_new_privs", NULL);
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) /* the change of user may have set it */
		return fail(env, "core dumps", NULL);
	if (pw && pw->pw_uid != 0 && (setuid(0) == 0 || geteuid() != pw->pw_uid)) {
		errno = EPERM;
		return fail(env, "root came back as", user);
	}
	if (!kept)
		env_log(env, LOG_WARN, "without CAP_NET_ADMIN: no routes can be installed");
	return 0;
}

int os_peer_credentials(int fd, unsigned *uid, unsigned *gid)
{
	struct ucred cred;
	socklen_t len = sizeof cred;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return ERR_SYSTEM;
	*uid = cred.uid;
	*gid = cred.gid;
	return 0;
}

void os_describe(char *out, size_t cap)
{
	struct utsname u;
	if (uname(&u) < 0)
		snprintf(out, cap, "Linux");
	else
		snprintf(out, cap, "%s %s %s", u.sysname, u.release, u.machine);
}

const char *os_privileges(void)
{
	struct __user_cap_data_struct caps[2] = {0};
	get_caps(caps);
	if (caps[0].effective == 0 && caps[1].effective == 0)
		return "none";
	if (caps[0].effective == KEPT_MASK && caps[1].effective == 0)
		return geteuid() == 0 ? "root with CAP_NET_ADMIN only" : "CAP_NET_ADMIN";
	return geteuid() == 0 ? "root" : "more than CAP_NET_ADMIN";
}
