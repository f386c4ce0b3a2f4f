#ifndef WARREN_CLI_VIEWS_H
#define WARREN_CLI_VIEWS_H

#include <jansson.h>

/* The daemon's answers as text on standard output. Any JSON will do: what is missing is shown as "-". */
void views_peers(const json_t *root);
void views_routes(const json_t *root);
void views_nhrp(const json_t *root);
/* What a reload brought; warnings and errors go to standard error. */
void views_reload(const json_t *root);

#endif
