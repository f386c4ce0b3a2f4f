#ifndef WARREN_CLI_CLIENT_H
#define WARREN_CLI_CLIENT_H

#include <stddef.h>

/* A question to the daemon: one HTTP request over its Unix socket, read to the end. */
#define CLIENT_ANSWER_MAX (256 * 1024 * 1024) /* more than any list */

struct client_answer {
	int status; /* HTTP */
	char *body; /* NUL-terminated; owned */
	size_t len;
};

/*
 * method and target ("/api/v1/status") are ours and not escaped. 0, or ERR_SYSTEM, ERR_MALFORMED after
 * telling the user what to do. client_answer_fini in both cases.
 */
int client_ask(
	const char *socket, const char *method, const char *target, struct client_answer *out);
void client_answer_fini(struct client_answer *answer);
/* Takes a whole response apart; takes data, which is malloced. 0 or ERR_MALFORMED, quietly. */
int client_parse(char *data, size_t len, struct client_answer *out);

#endif
