#include "core/daemon/listen.h"

#include "core/base/err.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG     1024 /* a crowd that says nothing must not make others knock again */
#define RUN_DIR     "/run/warren"
#define SOCKET_MODE 0660

static int failed(const struct env *env, const char *what, const char *where, int fd)
{
	env_log(env, LOG_ERROR, "cannot %s %s: %s", what, where, strerror(errno));
	if (fd >= 0)
		close(fd);
	return ERR_SYSTEM;
}

/* A stream socket, nonblocking, closed on exec. */
static int stream_socket(int family)
{
	int fd = socket(family, SOCK_STREAM, 0);
	if (fd >= 0) {
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		fcntl(fd, F_SETFL, O_NONBLOCK);
	}
	return fd;
}

/* ---- Unix ------------------------------------------------------------------------------------- */

static void make_run_dir(const char *path)
{
	size_t len = sizeof RUN_DIR - 1;
	if (strncmp(path, RUN_DIR "/", len + 1) == 0 && !strchr(path + len + 1, '/'))
		mkdir(RUN_DIR, 0755); /* failing, bind says it */
}

/* Does somebody accept connections there? */
static bool answers(const struct sockaddr_un *sun)
{
	int fd = stream_socket(AF_UNIX);
	if (fd < 0)
		return true;
	int rc = connect(fd, (const struct sockaddr *)sun, sizeof *sun);
	bool nobody = rc < 0 && (errno == ECONNREFUSED || errno == ENOENT);
	close(fd);
	return !nobody;
}

/* Removes a socket that a daemon left behind; nothing else. */
static int remove_stale(const struct sockaddr_un *sun, const struct env *env)
{
	struct stat st;
	if (lstat(sun->sun_path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode) || answers(sun)) {
		env_log(env, LOG_ERROR, "%s: %s", sun->sun_path,
			S_ISSOCK(st.st_mode) ? "another daemon is listening there"
					     : "it is there already and no socket");
		return ERR_SYSTEM;
	}
	unlink(sun->sun_path);
	return 0;
}

static int set_group(const char *path, const char *group, const struct env *env)
{
	struct group *g = getgrnam(group);
	if (!g) {
		env_log(env, LOG_ERROR, "there is no group '%s'", group);
		return ERR_SYSTEM;
	}
	return chown(path, (uid_t)-1, g->gr_gid) < 0 ? failed(env, "give to the group", path, -1)
						     : 0;
}

int listen_unix(const char *path, const char *group, const struct env *env)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof sun.sun_path) {
		errno = ENAMETOOLONG;
		return failed(env, "listen on", path, -1);
	}
	strcpy(sun.sun_path, path);
	make_run_dir(path);
	if (remove_stale(&sun, env) < 0)
		return ERR_SYSTEM;
	int fd = stream_socket(AF_UNIX);
	if (fd < 0)
		return failed(env, "make a socket for", path, -1);
	mode_t mask = umask(0777 & ~SOCKET_MODE);
	int rc = bind(fd, (const struct sockaddr *)&sun, sizeof sun);
	int bind_errno = errno;
	umask(mask);
	errno = bind_errno;
	if (rc < 0)
		return failed(env, "listen on", path, fd);
	if (*group && set_group(path, group, env) < 0) {
		close(fd);
		return ERR_SYSTEM;
	}
	if (chmod(path, SOCKET_MODE) < 0 || listen(fd, BACKLOG) < 0)
		return failed(env, "listen on", path, fd);
	return fd;
}

void listen_unix_remove(const char *path)
{
	unlink(path);
}

/* ---- TCP -------------------------------------------------------------------------------------- */

static socklen_t to_sockaddr(const struct endpoint *at, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof *out);
	if (at->addr.family == 4) {
		struct sockaddr_in *in = (struct sockaddr_in *)out;
		in->sin_family = AF_INET;
		in->sin_port = htons(at->port);
		memcpy(&in->sin_addr, at->addr.bytes, 4);
		return sizeof *in;
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(at->port);
	memcpy(&in6->sin6_addr, at->addr.bytes, 16);
	return sizeof *in6;
}

int listen_tcp(const struct endpoint *at, const struct env *env)
{
	char where[ENDPOINT_TEXT_MAX];
	struct sockaddr_storage ss;
	socklen_t len = to_sockaddr(at, &ss);
	int one = 1;
	endpoint_format(at, where);
	int fd = stream_socket(ss.ss_family);
	if (fd < 0)
		return failed(env, "make a socket for", where, -1);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (ss.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
	if (bind(fd, (const struct sockaddr *)&ss, len) < 0 || listen(fd, BACKLOG) < 0)
		return failed(env, "listen on", where, fd);
	return fd;
}
