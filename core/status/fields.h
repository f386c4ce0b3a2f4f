#ifndef WARREN_STATUS_FIELDS_H
#define WARREN_STATUS_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Members of a view struct to members of a JSON object, by a table. */
enum field_type {
	FIELD_STRING, /* char[]; "" is null */
	FIELD_TEXT,   /* const char *; NULL or "" is null */
	FIELD_BOOL,
	FIELD_INT,
	FIELD_U16,
	FIELD_U32,
	FIELD_U64,
	FIELD_TIME,     /* uint64_t; TS_NEVER is null */
	FIELD_POSITIVE, /* uint64_t; 0 is null */
	FIELD_KEY,      /* uint8_t[32], public: base64 */
	FIELD_ADDRESS,  /* struct ip_addr; family 0 is null */
	FIELD_PREFIX,
	FIELD_ENDPOINT, /* struct endpoint, underlay: left out unless endpoints may be shown */
};

struct field {
	const char *name;
	enum field_type type;
	size_t offset;
};

#define FIELD(name, type, of, member)                                                              \
	{                                                                                          \
		name, FIELD_##type, offsetof(struct of, member)                                    \
	}

/* Adds the n fields of the view to object. */
void fields_add(
	json_t *object, const struct field *fields, size_t n, const void *view, bool endpoints);

#endif
