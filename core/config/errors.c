#include "core/config/errors.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define QUOTE_KEEP  40 /* characters kept of a text that is too long */
#define OMITTED_MAX 40 /* room kept for the last line */

void config_error(struct config_errors *errors, const char *format, ...)
{
	char line[1024];
	va_list args;
	va_start(args, format);
	int len = vsnprintf(line, sizeof line, format, args);
	va_end(args);
	if (len < 0)
		return;
	size_t used = strlen(line);

	errors->n++;
	size_t room = sizeof errors->text - OMITTED_MAX;
	if (errors->omitted > 0 || errors->len + used + 2 > room) {
		errors->omitted++;
		snprintf(errors->text + errors->len, sizeof errors->text - errors->len,
			"and %u more\n", errors->omitted);
		return;
	}
	memcpy(errors->text + errors->len, line, used);
	errors->len += used;
	errors->text[errors->len++] = '\n';
	errors->text[errors->len] = '\0';
}

const char *config_quote(const char *text, char out[CONFIG_QUOTE_MAX])
{
	size_t n = 0;
	for (; text[n] && n < QUOTE_KEEP; n++)
		out[n] = text[n] < ' ' || text[n] > '~' ? '?' : text[n];
	strcpy(out + n, text[n] ? "..." : "");
	return out;
}
