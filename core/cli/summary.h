#ifndef WARREN_CLI_SUMMARY_H
#define WARREN_CLI_SUMMARY_H

#include <jansson.h>

/* The status object as a screenful of text, on stdout. */
void summary_print(const json_t *status);

#endif
