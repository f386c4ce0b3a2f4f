#include "core/config/pem.h"

#include "core/base/err.h"
#include "core/crypto/primitives.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BEGIN      "-----BEGIN WARREN "
#define END        "-----END WARREN "
#define DASHES     "-----"
#define LINE_TEXT  64 /* characters in a full line */
#define LINE_BYTES 48 /* and what they decode to */
#define MARKER_MAX (sizeof BEGIN + PEM_KIND_MAX + sizeof DASHES)

__attribute__((format(printf, 3, 4))) static int failed(
	struct pem_error *error, int err, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(error->text, sizeof error->text, format, args);
	va_end(args);
	return err;
}

static int system_failed(struct pem_error *error, const char *path, const char *what)
{
	return failed(error, ERR_SYSTEM, "%s: cannot %s: %s", path, what, strerror(errno));
}

/* ---- Text -------------------------------------------------------------------------------- */

struct lines {
	const char *at, *end;
};

/* The next line without its end and without blanks before that; false at the end of the text. */
static bool next_line(struct lines *lines, const char **line, size_t *len)
{
	if (lines->at == lines->end)
		return false;
	const char *newline = memchr(lines->at, '\n', (size_t)(lines->end - lines->at));
	const char *end = newline ? newline : lines->end;
	*line = lines->at;
	lines->at = newline ? newline + 1 : end;
	while (end > *line && (end[-1] == '\r' || end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*len = (size_t)(end - *line);
	return true;
}

static bool is_marker(const char *line, size_t len, const char *start, const char *kind)
{
	char marker[MARKER_MAX];
	int marker_len = snprintf(marker, sizeof marker, "%s%s" DASHES, start, kind);
	return len == (size_t)marker_len && memcmp(line, marker, len) == 0;
}

/* Decodes lines up to the END marker: full ones, and one at the end that may be shorter. */
static int decode_block(struct lines *lines, const char *kind, uint8_t *out, size_t cap)
{
	const char *line;
	char text[LINE_TEXT + 1];
	size_t len, done = 0;
	bool last = false;
	int n = 0;

	while (n >= 0 && next_line(lines, &line, &len)) {
		if (is_marker(line, len, END, kind))
			return (int)done;
		n = ERR_MALFORMED;
		if (last || len == 0 || len > LINE_TEXT)
			break;
		memcpy(text, line, len);
		text[len] = '\0';
		if (strlen(text) == len)
			n = prim_base64_decode(out + done, cap - done, text);
		prim_wipe(text, sizeof text);
		last = n != LINE_BYTES;
		done += n > 0 ? (size_t)n : 0;
	}
	return n < 0 ? n : ERR_MALFORMED; /* no END */
}

int pem_decode(const char *text, size_t len, const char *kind, void *out, size_t cap)
{
	struct lines lines = {text, text + len};
	const char *line;
	size_t line_len;

	while (next_line(&lines, &line, &line_len)) {
		if (!is_marker(line, line_len, BEGIN, kind))
			continue;
		int n = decode_block(&lines, kind, out, cap);
		if (n < 0)
			prim_wipe(out, cap);
		return n;
	}
	return ERR_NOT_FOUND;
}

int pem_encode(const char *kind, const void *data, size_t len, char *out, size_t cap)
{
	const uint8_t *bytes = data;
	int begin = snprintf(out, cap, BEGIN "%s" DASHES "\n", kind);
	if (begin < 0 || (size_t)begin >= cap)
		return ERR_NO_SPACE;
	size_t at = (size_t)begin;
	while (len > 0) {
		size_t n = len < LINE_BYTES ? len : LINE_BYTES;
		if (cap - at < LINE_TEXT + 2)
			return ERR_NO_SPACE;
		prim_base64_encode(out + at, bytes, n);
		at += strlen(out + at);
		out[at++] = '\n';
		bytes += n;
		len -= n;
	}
	int end = snprintf(out + at, cap - at, END "%s" DASHES "\n", kind);
	if (end < 0 || (size_t)end >= cap - at)
		return ERR_NO_SPACE;
	return (int)at + end;
}

/* ---- Reading files ----------------------------------------------------------------------- */

/* The directory of path, "." when it names none. */
static void directory_of(const char *path, char out[PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	int len = slash == path ? 1 : slash ? (int)(slash - path) : 0;
	snprintf(out, PATH_MAX, "%.*s", len ? len : 1, len ? path : ".");
}

/* Root could have read it anyway; a service user's file is read by root before it drops. */
static bool trusted_owner(uid_t owner)
{
	return owner == 0 || owner == geteuid() || geteuid() == 0;
}

/* Could somebody else put another file in the place of this one? */
static int check_directory(const char *path, struct pem_error *error)
{
	char directory[PATH_MAX];
	struct stat st;

	directory_of(path, directory);
	if (stat(directory, &st) != 0)
		return system_failed(error, directory, "look at the directory");
	bool sticky = (st.st_mode & S_ISVTX) && st.st_uid == 0;
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) && !sticky)
		return failed(error, ERR_FORBIDDEN,
			"%s: others can write to its directory %s (mode %04o), expected no write "
			"permission for group and others (chmod go-w %s)",
			path, directory, (unsigned)st.st_mode & 07777, directory);
	if (!trusted_owner(st.st_uid))
		return failed(error, ERR_FORBIDDEN,
			"%s: its directory %s belongs to user %u, expected root or user %u", path,
			directory, (unsigned)st.st_uid, (unsigned)geteuid());
	return 0;
}

/* Judges the open file, not the name, which may mean another file by now. */
static int check_secret(int fd, const char *path, struct pem_error *error)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return system_failed(error, path, "look at it");
	if (!S_ISREG(st.st_mode))
		return failed(error, ERR_FORBIDDEN, "%s: not a regular file, expected one", path);
	if (st.st_mode & (S_IRWXG | S_IRWXO))
		return failed(error, ERR_FORBIDDEN,
			"%s: others can read a secret (mode %04o), expected 0600 (chmod 600 %s)",
			path, (unsigned)st.st_mode & 07777, path);
	if (!trusted_owner(st.st_uid))
		return failed(error, ERR_FORBIDDEN,
			"%s: belongs to user %u, expected root or user %u", path,
			(unsigned)st.st_uid, (unsigned)geteuid());
	return check_directory(path, error);
}

static int open_file(const char *path, bool secret, struct pem_error *error)
{
	/* Without O_NONBLOCK a FIFO in the place of a key would hang the start. */
	int flags = O_RDONLY | O_CLOEXEC | (secret ? O_NOFOLLOW | O_NONBLOCK : 0);
	int fd = open(path, flags);
	if (fd >= 0)
		return fd;
	/* ELOOP by POSIX, EMLINK on FreeBSD. */
	if (secret && (errno == ELOOP || errno == EMLINK))
		return failed(error, ERR_FORBIDDEN,
			"%s: a symbolic link, expected the file itself for a secret", path);
	return system_failed(error, path, "open it");
}

static int read_all(int fd, const char *path, char *out, size_t cap, struct pem_error *error)
{
	size_t done = 0;
	while (done < cap) {
		ssize_t n = read(fd, out + done, cap - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return system_failed(error, path, "read it");
		if (n == 0) {
			out[done] = '\0';
			return (int)done;
		}
		done += (size_t)n;
	}
	return failed(error, ERR_NO_SPACE, "%s: too long, expected less than %zu bytes", path, cap);
}

int pem_read_text(const char *path, bool secret, char *out, size_t cap, struct pem_error *error)
{
	int fd = open_file(path, secret, error);
	if (fd < 0)
		return fd;
	int n = secret ? check_secret(fd, path, error) : 0;
	if (n == 0)
		n = read_all(fd, path, out, cap, error);
	close(fd);
	if (n < 0 && secret)
		prim_wipe(out, cap);
	return n;
}

/* What is wrong with a text in which pem_decode found nothing to its liking. */
static int explain(const char *path, const char *kind, const char *text, int err, size_t cap,
	struct pem_error *error)
{
	if (err == ERR_NO_SPACE)
		return failed(error, err, "%s: too long, expected a %s of at most %zu bytes", path,
			kind, cap);
	if (err != ERR_NOT_FOUND)
		return failed(error, err,
			"%s: damaged, expected base64 lines of %d characters and " END "%s" DASHES,
			path, LINE_TEXT, kind);
	const char *other = strstr(text, BEGIN);
	size_t len = other ? strspn(other + strlen(BEGIN), "ABCDEFGHIJKLMNOPQRSTUVWXYZ ") : 0;
	if (len > 0 && len < PEM_KIND_MAX)
		return failed(error, err, "%s: holds a %.*s, expected a %s", path, (int)len,
			other + strlen(BEGIN), kind);
	return failed(error, err, "%s: not a key file, expected " BEGIN "%s" DASHES, path, kind);
}

static int read_block(const char *path, const char *kind, bool secret, void *out, size_t cap,
	struct pem_error *error)
{
	char *text = malloc(PEM_FILE_MAX);
	if (!text)
		return failed(error, ERR_NO_SPACE, "%s: no memory to read it", path);
	int n = pem_read_text(path, secret, text, PEM_FILE_MAX, error);
	if (n >= 0) {
		size_t len = (size_t)n;
		n = pem_decode(text, len, kind, out, cap);
		if (n < 0)
			explain(path, kind, text, n, cap, error);
	}
	prim_wipe(text, PEM_FILE_MAX);
	free(text);
	return n;
}

int pem_read(const char *path, const char *kind, void *out, size_t cap, struct pem_error *error)
{
	return read_block(path, kind, false, out, cap, error);
}

int pem_read_secret(
	const char *path, const char *kind, void *out, size_t cap, struct pem_error *error)
{
	return read_block(path, kind, true, out, cap, error);
}

static int read_key(const char *path, const char *kind, bool secret, uint8_t key[PEM_KEY_SIZE],
	struct pem_error *error)
{
	int n = read_block(path, kind, secret, key, PEM_KEY_SIZE, error);
	if (n < 0)
		return n;
	if (n != PEM_KEY_SIZE) {
		prim_wipe(key, PEM_KEY_SIZE);
		return failed(error, ERR_MALFORMED, "%s: %d bytes, expected a %s of %d", path, n,
			kind, PEM_KEY_SIZE);
	}
	return 0;
}

int pem_read_private_key(const char *path, uint8_t secret[PEM_KEY_SIZE], struct pem_error *error)
{
	return read_key(path, PEM_PRIVATE_KEY, true, secret, error);
}

int pem_read_public_key(const char *path, uint8_t key[PEM_KEY_SIZE], struct pem_error *error)
{
	return read_key(path, PEM_PUBLIC_KEY, false, key, error);
}

/* ---- Writing files ----------------------------------------------------------------------- */

static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);
		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
	return fsync(fd);
}

/* Without this a crash may bring the old directory back. Best effort: not all file systems can. */
static void sync_directory(const char *path)
{
	char directory[PATH_MAX];
	directory_of(path, directory);
	int fd = open(directory, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
}

/* Gives the finished temporary file its name. A link never replaces, a rename always does. */
static int move_into_place(
	const char *temporary, const char *path, unsigned flags, struct pem_error *error)
{
	struct stat st;
	bool there = false;

	if (!(flags & PEM_REPLACE)) {
		if (link(temporary, path) == 0) {
			unlink(temporary);
			return 0;
		}
		/* A file system without hard links: look first. */
		there = errno == EEXIST || lstat(path, &st) == 0;
	}
	if (there)
		return failed(error, ERR_DUPLICATE, "%s: exists, expected a new file", path);
	/* A rename would put a file in the place of /dev/stdout, too. */
	if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return failed(error, ERR_SYSTEM,
			"%s: not a regular file, expected one or a new name", path);
	if (rename(temporary, path) != 0)
		return system_failed(error, path, "write it");
	return 0;
}

/* Makes the temporary file, mode 0600; temporary holds the path, and becomes its name. */
static int open_temporary(char temporary[PATH_MAX], size_t len, unsigned flags)
{
	if (!(flags & PEM_ONE_WRITER)) {
		strcpy(temporary + len, ".XXXXXX");
		return mkostemp(temporary, O_CLOEXEC);
	}
	strcpy(temporary + len, ".new");
	unlink(temporary);
	return open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

int pem_write_text(
	const char *path, const char *text, size_t len, unsigned flags, struct pem_error *error)
{
	char temporary[PATH_MAX];
	int n = snprintf(temporary, sizeof temporary, "%s", path);
	if (n < 0 || (size_t)n + sizeof ".XXXXXX" > sizeof temporary)
		return failed(error, ERR_SYSTEM, "%s: path too long, expected less than %d bytes",
			path, PATH_MAX - 8);
	int fd = open_temporary(temporary, (size_t)n, flags);
	if (fd < 0)
		return system_failed(error, path, "write it");
	int rc = flags & PEM_SECRET ? 0 : fchmod(fd, 0644);
	if (rc == 0)
		rc = write_all(fd, text, len);
	if (close(fd) != 0)
		rc = -1;
	rc = rc == 0 ? move_into_place(temporary, path, flags, error)
		     : system_failed(error, path, "write it");
	if (rc != 0)
		unlink(temporary);
	else
		sync_directory(path);
	return rc;
}

int pem_write(const char *path, const char *kind, const void *data, size_t len, unsigned flags,
	struct pem_error *error)
{
	size_t cap = len / LINE_BYTES * (LINE_TEXT + 1) + 256;
	char *text = malloc(cap);
	if (!text)
		return failed(error, ERR_NO_SPACE, "%s: no memory to write it", path);
	int n = pem_encode(kind, data, len, text, cap);
	int rc = n < 0 ? failed(error, n, "%s: cannot encode a %s", path, kind)
		       : pem_write_text(path, text, (size_t)n, flags, error);
	prim_wipe(text, cap);
	free(text);
	return rc;
}
