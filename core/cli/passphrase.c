#include "core/cli/passphrase.h"

#include "core/base/err.h"
#include "core/crypto/primitives.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <termios.h>
#include <unistd.h>

static int failed(struct pem_error *error, int err, const char *text)
{
	snprintf(error->text, sizeof error->text, "%s", text);
	return err;
}

/*
 * Reads up to the end of the first line, which must fit. Signals that are blocked but in waiting
 * (NULL: the same as ever) end it.
 */
static int read_line(int fd, const sigset_t *waiting, char out[PASSPHRASE_MAX])
{
	size_t len = 0;
	for (;;) {
		char c;
		fd_set set;
		FD_ZERO(&set);
		FD_SET(fd, &set);
		if (waiting && pselect(fd + 1, &set, NULL, NULL, NULL, waiting) < 0)
			return ERR_SYSTEM;
		ssize_t n = read(fd, &c, 1);
		if (n < 0)
			return ERR_SYSTEM;
		if (n == 0 || c == '\n')
			break;
		if (len == PASSPHRASE_MAX - 1 || c == '\0')
			return ERR_MALFORMED;
		out[len++] = c;
	}
	if (len > 0 && out[len - 1] == '\r')
		len--;
	out[len] = '\0';
	return 0;
}

/* ---- The terminal ------------------------------------------------------------------------ */

/*
 * An interrupt must not leave the terminal without echo: it is noted, echo is restored, and it is
 * raised again. Blocked but while waiting, since one that came just before would be slept over.
 */
static const int caught_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
#define CAUGHT (sizeof caught_signals / sizeof *caught_signals)
static volatile sig_atomic_t caught;

static void note_signal(int number)
{
	caught = number;
}

static int ask(int tty, const char *prompt, char out[PASSPHRASE_MAX])
{
	struct sigaction action = {.sa_handler = note_signal}, saved[CAUGHT];
	struct termios normal, silent;
	sigset_t blocked, waiting;

	if (tcgetattr(tty, &normal) != 0)
		return ERR_SYSTEM;
	caught = 0;
	sigemptyset(&blocked);
	for (size_t i = 0; i < CAUGHT; i++)
		sigaddset(&blocked, caught_signals[i]);
	sigprocmask(SIG_BLOCK, &blocked, &waiting);
	for (size_t i = 0; i < CAUGHT; i++)
		sigaction(caught_signals[i], &action, &saved[i]);
	silent = normal;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	int rc = tcsetattr(tty, TCSAFLUSH, &silent) == 0 ? 0 : ERR_SYSTEM;
	if (rc == 0 && write(tty, prompt, strlen(prompt)) < 0)
		rc = ERR_SYSTEM;
	if (rc == 0)
		rc = read_line(tty, &waiting, out);
	tcsetattr(tty, TCSAFLUSH, &normal);
	if (write(tty, "\n", 1) < 0)
		rc = rc ? rc : ERR_SYSTEM;
	for (size_t i = 0; i < CAUGHT; i++)
		sigaction(caught_signals[i], &saved[i], NULL);
	sigprocmask(SIG_SETMASK, &waiting, NULL);
	if (caught) {
		raise(caught);
		rc = ERR_SYSTEM; /* an interrupt that somebody ignores, or a stop and continue */
	}
	return rc;
}

static int ask_new(int tty, char out[PASSPHRASE_MAX], struct pem_error *error)
{
	char again[PASSPHRASE_MAX];
	int rc = ask(tty, "The same again: ", again);
	if (rc == 0 && strcmp(out, again) != 0)
		rc = failed(error, ERR_MALFORMED, "the two passphrases differ, expected the same");
	prim_wipe(again, sizeof again);
	return rc;
}

static int read_tty(
	const char *what, bool is_new, char out[PASSPHRASE_MAX], struct pem_error *error)
{
	char prompt[256];
	int tty = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (tty < 0)
		return failed(error, ERR_SYSTEM,
			"no terminal to ask for the passphrase, expected --passphrase-file");
	snprintf(prompt, sizeof prompt, "%s for %s: ", is_new ? "New passphrase" : "Passphrase",
		what);
	failed(error, 0, "cannot read a passphrase from the terminal");
	int rc = ask(tty, prompt, out);
	if (rc == 0 && is_new)
		rc = ask_new(tty, out, error);
	close(tty);
	return rc;
}

/* ---- All of it --------------------------------------------------------------------------- */

static int read_file(const char *file, char out[PASSPHRASE_MAX], struct pem_error *error)
{
	if (strcmp(file, "-") == 0) {
		failed(error, 0, "cannot read a passphrase from the standard input");
		return read_line(STDIN_FILENO, NULL, out);
	}
	int n = pem_read_text(file, true, out, PASSPHRASE_MAX, error);
	if (n < 0)
		return n;
	out[strcspn(out, "\r\n")] = '\0';
	return 0;
}

int passphrase_read(const char *file, const char *what, bool is_new, char out[PASSPHRASE_MAX],
	struct pem_error *error)
{
	int rc = file ? read_file(file, out, error) : read_tty(what, is_new, out, error);
	if (rc == 0 && is_new && strlen(out) < PASSPHRASE_MIN_LEN) {
		snprintf(error->text, sizeof error->text,
			"the passphrase is too short, expected at least %d characters",
			PASSPHRASE_MIN_LEN);
		rc = ERR_MALFORMED;
	}
	if (rc != 0)
		prim_wipe(out, PASSPHRASE_MAX);
	return rc;
}
