#ifndef WARREN_STATUS_OBJECTS_H
#define WARREN_STATUS_OBJECTS_H

#include "core/status/status.h"

#include <jansson.h>

/* One JSON object of a list; NULL at the end of the list, or without memory. */
json_t *object_peer(const struct engine *e, const struct status_context *context, uint32_t *cursor);
json_t *object_route(
	const struct engine *e, const struct status_context *context, uint32_t *cursor);
json_t *object_nhrp(const struct engine *e, const struct status_context *context, uint32_t *cursor);
/* The status object. */
json_t *object_node(const struct engine *e, const struct status_context *context);

#endif
