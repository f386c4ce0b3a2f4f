#ifndef WARREN_CLI_ONLINE_H
#define WARREN_CLI_ONLINE_H

/* Verbs that ask the running daemon over its Unix socket; see cli.h. */
int online_status(int argc, char **argv);
int online_peers(int argc, char **argv);
int online_routes(int argc, char **argv);
int online_nhrp(int argc, char **argv);
int online_ping(int argc, char **argv);
int online_rekey(int argc, char **argv);
int online_reload(int argc, char **argv);
/* Asks nobody: reads the config and the files that it names. */
int online_check(int argc, char **argv);

#endif
