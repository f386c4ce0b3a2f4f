#ifndef WARREN_DAEMON_VERBS_H
#define WARREN_DAEMON_VERBS_H

#include "core/daemon/node.h"

/* What request threads ask for and signals tell, done in the control loop. */

/* Answers the job, or parks it until its event comes. */
void verbs_run(struct node *n, struct job *job);
/* SIGHUP: reload, with the outcome in the log. */
void verbs_hangup(struct node *n);

/*
 * Reads the config and the bundle again and brings into effect what can be (reload.c). A wrong file
 * changes nothing. 0 or ERR_MALFORMED; the lists are filled with lines, see each.
 */
struct reload {
	struct config_errors errors; /* what is wrong with the files */
	struct config_errors warnings;
	struct config_errors applied; /* "[section] key" in effect now */
	struct config_errors restart; /* "[section] key" that need a restart */
};
int reload_run(struct node *n, struct reload *out);

#endif
