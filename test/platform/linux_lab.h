#ifndef WARREN_TEST_LINUX_LAB_H
#define WARREN_TEST_LINUX_LAB_H

#include "core/base/env.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/*
 * What the tests of the Linux platform share. Each program makes a network namespace of its own,
 * with nothing in it but a loopback interface, and does everything there.
 */

#define LAB_SKIP 77 /* exit status: not root, or no namespaces */

/* Moves this process into a new network namespace with lo up. 0, or LAB_SKIP with a word on why. */
int lab_enter(void);
/* Runs a shell command, quietly; its exit status. */
int lab_try(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, and it must succeed. */
void lab_run(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Does the command's output contain this text? */
bool lab_shows(const char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Waits up to a second for the descriptor to be readable. */
bool lab_readable(int fd);
/* An environment that logs into lab_log. */
const struct env *lab_env(void);
/* The last line logged; lab_env() clears it. */
extern char lab_log[512];

#endif
