#include "core/cli/client.h"

#include "core/base/err.h"
#include "core/cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define TIMEOUT_S  30 /* between two pieces of an answer */
#define READ_FIRST 65536

void client_answer_fini(struct client_answer *answer)
{
	free(answer->body);
	*answer = (struct client_answer){0};
}

/* ---- The response ----------------------------------------------------------------------------- */

/* The value of a header, up to its line's end, or NULL. head ends with a line's end. */
static const char *find_header(const char *head, const char *name)
{
	size_t len = strlen(name);
	for (const char *line = strstr(head, "\r\n"); line && line[2];
		line = strstr(line + 2, "\r\n"))
		if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':')
			return line + 2 + len + 1 + strspn(line + 2 + len + 1, " \t");
	return NULL;
}

/* Joins the chunks (RFC 9112 s.7.1) in place; the new length, or ERR_MALFORMED. */
static int join_chunks(char *body, size_t len, size_t *joined)
{
	const char *at = body, *end = body + len;
	*joined = 0;
	for (;;) {
		char *after;
		unsigned long size = strtoul(at, &after, 16); /* body ends with a NUL */
		const char *data = strstr(after, "\r\n");
		if (after == at || !data)
			return ERR_MALFORMED;
		data += 2;
		if (size == 0)
			break;
		if (size > (size_t)(end - data) || (size_t)(end - data) - size < 2)
			return ERR_MALFORMED;
		memmove(body + *joined, data, size);
		*joined += size;
		at = data + size + 2;
	}
	body[*joined] = '\0';
	return 0;
}

int client_parse(char *data, size_t len, struct client_answer *out)
{
	*out = (struct client_answer){0};
	char *grown = realloc(data, len + 1);
	if (!grown) {
		free(data);
		return ERR_MALFORMED;
	}
	data = grown;
	data[len] = '\0';
	out->body = data;
	char *split = strstr(data, "\r\n\r\n");
	if (!split || sscanf(data, "HTTP/1.%*1d %3d", &out->status) != 1)
		return ERR_MALFORMED;
	split[2] = '\0';
	size_t head_len = (size_t)(split - data) + 4;
	const char *encoding = find_header(data, "Transfer-Encoding");
	bool chunked = encoding && strncasecmp(encoding, "chunked", 7) == 0;
	memmove(data, data + head_len, len - head_len + 1);
	out->len = len - head_len;
	return chunked ? join_chunks(data, out->len, &out->len) : 0;
}

/* ---- The connection --------------------------------------------------------------------------- */

static int cannot_connect(const char *socket, int error)
{
	if (error == EACCES || error == EPERM)
		cli_fail("no permission for %s: try as root, or as a member of the 'group' in "
			 "[control]",
			socket);
	else if (error == ECONNREFUSED || error == ENOENT)
		cli_fail("nobody answers on %s: is the daemon running? 'warrend -c FILE' or "
			 "'systemctl start warren' starts it, --socket names another socket",
			socket);
	else
		cli_fail("%s: %s", socket, strerror(error));
	return ERR_SYSTEM;
}

static int no_answer(const char *socket, int error)
{
	if (error == EAGAIN)
		cli_fail("%s: no answer in time", socket);
	else if (error == ECONNRESET || error == EPIPE)
		cli_fail("%s: closed without an answer: too many ask at once; try again", socket);
	else
		cli_fail("%s: %s", socket, strerror(error));
	return ERR_SYSTEM;
}

static int connect_to(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof sun.sun_path)
		return cannot_connect(path, ENAMETOOLONG);
	strcpy(sun.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0)
		return cannot_connect(path, errno);
	struct timeval timeout = {.tv_sec = TIMEOUT_S};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
	if (connect(fd, (const struct sockaddr *)&sun, sizeof sun) < 0) {
		int error = errno;
		close(fd);
		return cannot_connect(path, error);
	}
	return fd;
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ERR_SYSTEM;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Everything up to the end; malloced. */
static int read_all(int fd, char **out, size_t *len)
{
	size_t cap = READ_FIRST;
	*out = malloc(cap);
	*len = 0;
	while (*out) {
		ssize_t n = read(fd, *out + *len, cap - *len);
		if (n == 0)
			return 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ERR_SYSTEM;
		*len += (size_t)n;
		if (*len < cap)
			continue;
		cap *= 2;
		char *grown = cap <= CLIENT_ANSWER_MAX ? realloc(*out, cap) : NULL;
		if (!grown)
			return ERR_SYSTEM;
		*out = grown;
	}
	return ERR_SYSTEM;
}

int client_ask(
	const char *socket, const char *method, const char *target, struct client_answer *out)
{
	*out = (struct client_answer){0};
	char request[512];
	int request_len = snprintf(request, sizeof request,
		"%s %s HTTP/1.1\r\nHost: warren\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
		method, target);
	int fd = connect_to(socket);
	if (fd < 0)
		return fd;
	char *data = NULL;
	size_t len = 0;
	int rc = write_all(fd, request, (size_t)request_len);
	if (rc == 0)
		rc = read_all(fd, &data, &len);
	int error = errno;
	close(fd);
	if (rc == 0 && len == 0) {
		rc = ERR_SYSTEM;
		error = ECONNRESET;
	}
	if (rc != 0) {
		free(data);
		return no_answer(socket, error);
	}
	rc = client_parse(data, len, out);
	if (rc != 0)
		cli_fail("%s: the answer is no HTTP of ours; is that the daemon's socket?", socket);
	return rc;
}
