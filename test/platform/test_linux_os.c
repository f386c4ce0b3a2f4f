#include "platform/platform.h"
#include "test/platform/linux_lab.h"

#include "core/base/err.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* What changes the process for good is done in a child, which reports the line that failed. */
#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "child: line %d: %s\n", __LINE__, #condition);             \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static void in_child(void (*body)(void))
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		body();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void ignore_reset(void *ctx)
{
	(void)ctx;
}

static void ignore_route(
	void *ctx, const struct kernel_route *route, const struct kernel_legs *legs, bool deleted)
{
	(void)ctx, (void)route, (void)legs, (void)deleted;
}

static void ignore_address(void *ctx, uint32_t ifindex, const struct prefix *a, bool deleted)
{
	(void)ctx, (void)ifindex, (void)a, (void)deleted;
}

static void ignore_link(void *ctx, const struct kernel_link *link)
{
	(void)ctx, (void)link;
}

static const struct netmon_events ignore = {.reset = ignore_reset,
	.route = ignore_route,
	.address = ignore_address,
	.synced = ignore_reset,
	.link = ignore_link};

static bool status_has(const char *line)
{
	char text[4096];
	FILE *f = fopen("/proc/self/status", "r");
	if (!f)
		return false;
	text[fread(text, 1, sizeof text - 1, f)] = '\0';
	fclose(f);
	return strstr(text, line) != NULL;
}

static void drop_to_nobody(void)
{
	struct netmon *netmon;
	struct prefix p;
	const struct passwd *pw = getpwnam("nobody");
	CHECK(pw);
	uid_t uid = pw->pw_uid;
	CHECK(netmon_open(&netmon, NULL, 0, &ignore, lab_env()) == 0);
	CHECK(strcmp(os_privileges(), "root") == 0);
	CHECK(os_drop_privileges("nobody", lab_env()) == 0);
	CHECK(lab_log[0] == '\0');
	CHECK(strcmp(os_privileges(), "CAP_NET_ADMIN") == 0);
	CHECK(getuid() == uid && geteuid() == uid && getgroups(0, NULL) == 0);
	CHECK(setuid(0) < 0 && seteuid(0) < 0);
	CHECK(open("/etc/shadow", O_RDONLY) < 0);
	CHECK(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	CHECK(status_has("CapPrm:\t0000000000001000") && status_has("CapEff:\t0000000000001000"));
	CHECK(status_has("CapBnd:\t0000000000001000") && status_has("CapInh:\t0000000000000000"));
	/* What the daemon does at run time still works. */
	CHECK(prefix_parse("192.0.2.0/24", &p));
	CHECK(route_add(netmon, &p, NULL, 1, ROUTE_METRIC_WARREN) == 0);
	CHECK(route_delete(netmon, &p, NULL, 1, ROUTE_METRIC_WARREN) == 0);
	struct udp *udp;
	struct udp_config c = {.workers = 2};
	CHECK(udp_open(&udp, &c, lab_env()) == 0);
	int size = 0;
	socklen_t len = sizeof size;
	CHECK(getsockopt(udp_fd(udp, 0, 4), SOL_SOCKET, SO_RCVBUF, &size, &len) == 0);
	CHECK(size == 16 * 1024 * 1024); /* twice what was asked for, beyond rmem_max */
	/* A second time, now without root. */
	CHECK(os_drop_privileges("root", lab_env()) == 0);
	CHECK(geteuid() == uid);
}

static void drop_as_root(void)
{
	CHECK(os_drop_privileges(NULL, lab_env()) == 0);
	CHECK(geteuid() == 0);
	CHECK(strcmp(os_privileges(), "root with CAP_NET_ADMIN only") == 0);
}

static void drop_to_unknown(void)
{
	CHECK(os_drop_privileges("no-such-user", lab_env()) == ERR_SYSTEM);
	CHECK(strstr(lab_log, "no-such-user"));
}

static void harden(void)
{
	struct rlimit core, before, after;
	getrlimit(RLIMIT_NOFILE, &before);
	os_harden(lab_env());
	CHECK(lab_log[0] == '\0');
	CHECK(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0);
	CHECK(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	CHECK(getrlimit(RLIMIT_NOFILE, &after) == 0);
	CHECK(after.rlim_cur >= before.rlim_cur);
	CHECK(after.rlim_cur == after.rlim_max || after.rlim_cur >= 65536);
}

static void test_privileges(void **state)
{
	(void)state;
	in_child(drop_to_nobody);
	in_child(drop_as_root);
	in_child(drop_to_unknown);
	in_child(harden);
}

static void test_the_rest(void **state)
{
	(void)state;
	char text[80];
	unsigned uid = 1, gid = 1;
	int pair[2];
	uint64_t t = os_now_ns();
	assert_true(t > 0 && os_now_ns() >= t);
	assert_true(os_wall_s() > 1700000000);
	os_describe(text, sizeof text);
	assert_int_equal(strncmp(text, "Linux ", 6), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(os_peer_credentials(pair[0], &uid, &gid), 0);
	assert_int_equal(uid, getuid());
	assert_int_equal(gid, getgid());
	close(pair[0]);
	close(pair[1]);
	assert_int_equal(os_peer_credentials(pair[0], &uid, &gid), ERR_SYSTEM);
}

int main(void)
{
	int skip = lab_enter();
	if (skip)
		return skip;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_privileges),
		cmocka_unit_test(test_the_rest),
	};
	return cmocka_run_group_tests_name("linux os", tests, NULL, NULL);
}
