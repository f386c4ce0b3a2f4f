#ifndef WARREN_CLI_SHOW_H
#define WARREN_CLI_SHOW_H

#include "core/trust/bundle.h"

#include <jansson.h>
#include <stdio.h>

/*
 * Trust objects as JSON, and JSON as text for humans. One description serves both, so they say
 * the same. Nothing here is given a secret.
 */
json_t *show_certificate(const struct cert *cert, uint64_t now_s);
json_t *show_bundle(const struct bundle *bundle, uint64_t now_s);
/* base64 */
json_t *show_key(const uint8_t key[32]);
json_t *show_hex(const uint8_t *data, size_t len);
/* "name: value" lines; lists of objects as indented blocks. */
void show_print(const json_t *object, FILE *out);

#endif
