#ifndef WARREN_CONFIG_OPTIONS_H
#define WARREN_CONFIG_OPTIONS_H

#include "core/config/config.h"

/* The table of options. Adding one is adding a row, and a field to struct config. */
enum option_flag {
	OPTION_REQUIRED = 1,
	OPTION_LIST = 2,   /* may be repeated: the field is a count (u32) and `max` elements */
	OPTION_RELOAD = 4, /* a reload brings it into effect */
	OPTION_INTEROP =
		8, /* of each [interop NAME] section: its place is in struct config_interop */
	OPTION_SECRET = 16, /* messages do not show the value */
};

struct option {
	const char *section, *key;
	/* Parses value into a zeroed field; false: not as expected. */
	bool (*parse)(const struct option *o, const char *value, const char *path, void *field);
	size_t offset;            /* of the field in struct config, or config_interop */
	size_t size;              /* of the field, or of a list's element */
	uint32_t min, max;        /* numbers; lists: max elements; texts: unused */
	const char *const *words; /* words allowed, NULL-terminated; the value is the index */
	const char *nothing;      /* a word for "zero": auto, no, none */
	const char *preset;       /* the value when it is not given; NULL = zero */
	const char *expected;     /* "a number from 1 to 9" */
	unsigned flags;           /* of enum option_flag */
};

extern const struct option option_table[];
extern const unsigned option_count;

/* NULL: no such option. */
const struct option *option_find(const char *section, const char *key);
bool option_section_exists(const char *section);
/*
 * Parses value to where it belongs, a list's next element included. in: the struct config, or of
 * OPTION_INTEROP the struct config_interop. NULL, or what was expected.
 */
const char *option_set(const struct option *o, void *in, const char *value, const char *path);

#endif
