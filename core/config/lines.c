#include "core/config/lines.h"

#include <string.h>

#define BLANKS " \t\v\f"

struct line {
	const char *text;
	size_t len;
};

static struct line next_line(struct lines *l)
{
	struct line line = {.text = l->at};
	const char *newline = memchr(l->at, '\n', (size_t)(l->end - l->at));
	line.len = (size_t)((newline ? newline : l->end) - l->at);
	l->at = newline ? newline + 1 : l->end;
	l->number++;
	if (line.len > 0 && line.text[line.len - 1] == '\r')
		line.len--;
	if (l->number == 1 && line.len >= 3 && memcmp(line.text, "\xEF\xBB\xBF", 3) == 0) {
		line.text += 3;
		line.len -= 3;
	}
	return line;
}

static bool is_blank(char c)
{
	return c != '\0' && strchr(BLANKS, c);
}

static bool only_blanks(struct line line)
{
	while (line.len > 0 && is_blank(line.text[line.len - 1]))
		line.len--;
	return line.len == 0;
}

/* "[name]", and behind it at most a comment. */
static bool read_section(struct lines *l, struct line line)
{
	char name[LINES_LENGTH_MAX + 1];
	const char *close = memchr(line.text, ']', line.len);
	size_t len = close ? (size_t)(close - line.text) - 1 : 0;
	struct line rest = {close ? close + 1 : line.text, close ? line.len - len - 2 : line.len};
	while (rest.len > 0 && is_blank(*rest.text))
		rest = (struct line){rest.text + 1, rest.len - 1};
	l->in_section = false;
	l->any_section = true;
	if (!close || (rest.len > 0 && *rest.text != ';' && *rest.text != '#')) {
		config_error(l->errors, "%s:%u: not a section line, expected '[section]' alone",
			l->path, l->number);
		return false;
	}
	memcpy(name, line.text + 1, len);
	name[len] = '\0';
	l->in_section = l->section(l->ctx, name);
	return l->in_section;
}

/* May inih see this line? Reports it if not. */
static bool acceptable(struct lines *l, struct line line, int cap)
{
	const char *what = NULL;
	if (line.len > LINES_LENGTH_MAX || line.len + 2 > (size_t)cap)
		what = "the line is too long, expected at most 198 bytes";
	else if (memchr(line.text, '\0', line.len))
		what = "a NUL byte, expected text";
	else if (only_blanks(line))
		return false;
	else if (is_blank(line.text[0]))
		what = "the line begins with a blank, expected it at the margin";
	else if (line.text[0] == ';' || line.text[0] == '#')
		return false;
	else if (line.text[0] == '[')
		return read_section(l, line);
	else if (!memchr(line.text, '=', line.len))
		what = "neither a section nor an option, expected 'key = value'";
	else if (!l->any_section)
		what = "an option before the first section, expected a line '[section]' above it";
	if (what)
		config_error(l->errors, "%s:%u: %s", l->path, l->number, what);
	/* Options of a section that does not exist are not worth a message of their own. */
	return !what && l->in_section;
}

char *lines_read(char *out, int cap, void *stream)
{
	struct lines *l = stream;
	if (l->at == l->end || cap < 3)
		return NULL;
	struct line line = next_line(l);
	if (!acceptable(l, line, cap))
		line.len = 0;
	memcpy(out, line.text, line.len);
	out[line.len] = '\n';
	out[line.len + 1] = '\0';
	return out;
}
