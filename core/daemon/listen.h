#ifndef WARREN_DAEMON_LISTEN_H
#define WARREN_DAEMON_LISTEN_H

#include "core/base/env.h"

/* Listening sockets for HTTP. A descriptor, or ERR_SYSTEM, logged. */

/*
 * A Unix socket of mode 0660 and, if given, of that group. One that nobody answers on is replaced; one
 * that somebody answers on is an error. Its directory is made when it is /run/warren.
 */
int listen_unix(const char *path, const char *group, const struct env *env);
/* Removes the socket's file. */
void listen_unix_remove(const char *path);
int listen_tcp(const struct endpoint *at, const struct env *env);

#endif
