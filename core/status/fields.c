#include "core/status/fields.h"

#include "core/base/env.h"
#include "core/crypto/primitives.h"

#include <string.h>

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

/* Names come from certificates, which allow plain ASCII alone; anything else is null, not a failure. */
static json_t *text(const char *value)
{
	json_t *string = value && *value ? json_string(value) : NULL;
	return string ? string : json_null();
}

static json_t *time_or_null(const void *at, uint64_t null_value)
{
	uint64_t value;
	memcpy(&value, at, sizeof value);
	return value == null_value ? json_null() : number(value);
}

static json_t *address(const struct ip_addr *a)
{
	char buf[ADDR_TEXT_MAX];
	return a->family ? json_string(addr_format(a, buf)) : json_null();
}

static json_t *prefix(const struct prefix *p)
{
	char buf[PREFIX_TEXT_MAX];
	return p->addr.family ? json_string(prefix_format(p, buf)) : json_null();
}

static json_t *endpoint(const struct endpoint *e)
{
	char buf[ENDPOINT_TEXT_MAX];
	return e->addr.family ? json_string(endpoint_format(e, buf)) : json_null();
}

static json_t *key(const uint8_t *bytes)
{
	char buf[KEY_TEXT_SIZE];
	return json_string(prim_base64_encode(buf, bytes, KEY_LEN));
}

static json_t *value_of(enum field_type type, const void *at)
{
	switch (type) {
	case FIELD_STRING:
		return text(at);
	case FIELD_TEXT:
		return text(*(const char *const *)at);
	case FIELD_BOOL:
		return json_boolean(*(const bool *)at);
	case FIELD_INT:
		return json_integer(*(const int *)at);
	case FIELD_U16:
		return number(*(const uint16_t *)at);
	case FIELD_U32:
		return number(*(const uint32_t *)at);
	case FIELD_U64:
		return number(*(const uint64_t *)at);
	case FIELD_TIME:
		return time_or_null(at, TS_NEVER);
	case FIELD_POSITIVE:
		return time_or_null(at, 0);
	case FIELD_KEY:
		return key(at);
	case FIELD_ADDRESS:
		return address(at);
	case FIELD_PREFIX:
		return prefix(at);
	case FIELD_ENDPOINT:
		return endpoint(at);
	}
	return json_null();
}

void fields_add(
	json_t *object, const struct field *fields, size_t n, const void *view, bool endpoints)
{
	for (size_t i = 0; i < n; i++) {
		if (fields[i].type == FIELD_ENDPOINT && !endpoints)
			continue;
		json_object_set_new(object, fields[i].name,
			value_of(fields[i].type, (const char *)view + fields[i].offset));
	}
}
