#include "core/config/config.h"

#include "core/base/err.h"
#include "core/config/interop.h"
#include "core/config/lines.h"
#include "core/config/options.h"
#include "core/config/suggest.h"

#include <assert.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_MAX 64 /* rows of the table, at most */

struct loader {
	struct config *config;
	struct lines lines;
	unsigned seen
		[OPTIONS_MAX]; /* line of each option, 0 = not given; of interop in the last one */
};

/* ---- Messages about names that do not exist --------------------------------------------------- */

/* Appends "a, b or c" of the section names (section NULL) or of a section's keys. */
static void list_names(const char *section, char *out, size_t cap)
{
	const char *names[OPTIONS_MAX];
	unsigned n = 0;
	for (unsigned i = 0; i < option_count; i++) {
		const struct option *o = &option_table[i];
		if (section && strcmp(o->section, section) == 0)
			names[n++] = o->key;
		else if (!section &&
			(i == 0 || strcmp(o->section, option_table[i - 1].section) != 0))
			names[n++] = o->flags & OPTION_INTEROP ? "interop NAME" : o->section;
	}
	size_t len = 0;
	for (unsigned i = 0; i < n && len < cap; i++) {
		const char *before = i == 0 ? "" : i == n - 1 ? " or " : ", ";
		len += (size_t)snprintf(
			out + len, cap - len, section ? "%s%s" : "%s[%s]", before, names[i]);
	}
}

/* The section whose name is nearest, or NULL. */
static const char *nearest_section(const char *name)
{
	const char *best = NULL;
	unsigned best_distance = SUGGEST_FAR;
	for (unsigned i = 0; i < option_count; i++) {
		unsigned distance = suggest_distance(name, option_table[i].section);
		if (distance < best_distance) {
			best_distance = distance;
			best = option_table[i].section;
		}
	}
	return suggest_near(name, best_distance) ? best : NULL;
}

/* The option whose key is nearest: in this section, or the very key in another; or NULL. */
static const struct option *nearest_option(const char *section, const char *key)
{
	const struct option *best = NULL;
	unsigned best_distance = SUGGEST_FAR;
	for (unsigned i = 0; i < option_count; i++) {
		const struct option *o = &option_table[i];
		unsigned distance = suggest_distance(key, o->key);
		bool here = strcmp(o->section, section) == 0;
		if ((here || distance == 0) && distance < best_distance) {
			best_distance = distance;
			best = o;
		}
	}
	return suggest_near(key, best_distance) ? best : NULL;
}

/* Of the section that ends here, or of those that there is one of. */
static void check_required(struct loader *l, bool interop)
{
	const struct config *c = l->config;
	for (unsigned i = 0; i < option_count; i++) {
		const struct option *o = &option_table[i];
		bool each = o->flags & OPTION_INTEROP;
		if (!(o->flags & OPTION_REQUIRED) || l->seen[i] || each != interop)
			continue;
		if (!each)
			config_error(l->lines.errors, "%s: '%s' in [%s] is missing, expected %s",
				l->lines.path, o->key, o->section, o->expected);
		else if (c->interop.n > 0)
			config_error(l->lines.errors,
				"%s: '%s' in [interop %s] is missing, expected %s", l->lines.path,
				o->key, c->interop.v[c->interop.n - 1].name, o->expected);
	}
}

static bool begin_interop(struct loader *l, const char *name)
{
	char quoted[CONFIG_QUOTE_MAX];
	check_required(l, true);
	const char *expected = interop_begin(l->config, name);
	if (expected) {
		config_error(l->lines.errors, "%s:%u: [interop %s], expected %s", l->lines.path,
			l->lines.number, config_quote(name, quoted), expected);
		return false;
	}
	for (unsigned i = 0; i < option_count; i++)
		if (option_table[i].flags & OPTION_INTEROP)
			l->seen[i] = 0;
	return true;
}

static bool on_section(void *ctx, const char *name)
{
	struct loader *l = ctx;
	const char *of_interop;
	if (interop_is_section(name, &of_interop))
		return begin_interop(l, of_interop);
	if (option_section_exists(name))
		return true;
	char quoted[CONFIG_QUOTE_MAX], sections[256], hint[64] = "";
	const char *near = nearest_section(name);
	if (near)
		snprintf(hint, sizeof hint, "; did you mean [%s]?", near);
	list_names(NULL, sections, sizeof sections);
	config_error(l->lines.errors, "%s:%u: unknown section [%s], expected %s%s", l->lines.path,
		l->lines.number, config_quote(name, quoted), sections, hint);
	return false;
}

static void unknown_option(struct loader *l, const char *section, const char *key)
{
	char quoted[CONFIG_QUOTE_MAX], keys[256], hint[64] = "";
	const struct option *near = nearest_option(section, key);
	if (near && strcmp(near->section, section) == 0)
		snprintf(hint, sizeof hint, "; did you mean '%s'?", near->key);
	else if (near)
		snprintf(hint, sizeof hint, "; did you mean '%s' in [%s]?", near->key,
			near->section);
	list_names(section, keys, sizeof keys);
	config_error(l->lines.errors, "%s:%u: unknown option '%s' in [%s], expected %s%s",
		l->lines.path, l->lines.number, config_quote(key, quoted), section, keys, hint);
}

/* ---- Parsing ---------------------------------------------------------------------------------- */

static int on_option(void *ctx, const char *section, const char *key, const char *value)
{
	struct loader *l = ctx;
	const char *of_interop, *shown = section;
	bool each = interop_is_section(section, &of_interop);
	if (each)
		section = "interop";
	const struct option *o = option_find(section, key);
	if (!o) {
		unknown_option(l, section, key);
		return 1;
	}
	unsigned *seen = &l->seen[o - option_table];
	if (*seen && !(o->flags & OPTION_LIST)) {
		config_error(l->lines.errors,
			"%s:%u: '%s' in [%s] is given twice, expected it once; the first is in "
			"line %u",
			l->lines.path, l->lines.number, key, shown, *seen);
		return 1;
	}
	*seen = l->lines.number;
	void *in = each ? (void *)&l->config->interop.v[l->config->interop.n - 1] : l->config;
	const char *expected = option_set(o, in, value, l->lines.path);
	char quoted[CONFIG_QUOTE_MAX];
	if (expected && (o->flags & OPTION_SECRET))
		value = "...";
	if (expected)
		config_error(l->lines.errors, "%s:%u: '%s = %s' in [%s], expected %s",
			l->lines.path, l->lines.number, key, config_quote(value, quoted), shown,
			expected);
	return 1;
}

static void set_presets(struct loader *l)
{
	memset(l->config, 0, sizeof *l->config);
	for (unsigned i = 0; i < option_count; i++)
		if (option_table[i].preset && !(option_table[i].flags & OPTION_INTEROP))
			option_set(&option_table[i], l->config, option_table[i].preset, "");
}

/* What no single line can get wrong. */
static void check_together(struct loader *l)
{
	const struct config *c = l->config;
	if (c->http.listen.addr.family && !addr_is_loopback(&c->http.listen.addr) &&
		!c->http.token_file[0])
		config_error(l->lines.errors,
			"%s:%u: 'listen' in [http] is open to others, expected a 'token-file' with "
			"it",
			l->lines.path, l->seen[option_find("http", "listen") - option_table]);
}

int config_parse(const char *text, size_t len, const char *path, struct config *out,
	struct config_errors *errors)
{
	unsigned before = errors->n;
	struct loader l = {
		.config = out,
		.lines = {.at = text,
			.end = text + len,
			.path = path,
			.section = on_section,
			.errors = errors},
	};
	l.lines.ctx = &l;
	assert(option_count <= OPTIONS_MAX);
	set_presets(&l);
	int bad_line = ini_parse_stream(lines_read, &l.lines, on_option, &l);
	if (bad_line > 0)
		config_error(
			errors, "%s:%d: not an option, expected 'key = value'", path, bad_line);
	check_required(&l, false);
	check_required(&l, true);
	check_together(&l);
	interop_check(out, path, errors);
	return errors->n == before && bad_line == 0 ? 0 : ERR_MALFORMED;
}

int config_load(const char *path, struct config *out, struct config_errors *errors)
{
	char *text = malloc(CONFIG_FILE_MAX + 1);
	FILE *f = text ? fopen(path, "re") : NULL;
	if (!f) {
		config_error(errors, "%s: %s, expected a config file", path, strerror(errno));
		free(text);
		return ERR_SYSTEM;
	}
	int rc;
	size_t len = fread(text, 1, CONFIG_FILE_MAX + 1, f);
	if (ferror(f)) {
		config_error(errors, "%s: %s, expected a config file", path, strerror(errno));
		rc = ERR_SYSTEM;
	} else if (len > CONFIG_FILE_MAX) {
		config_error(errors, "%s: the file is too long, expected at most %d bytes", path,
			CONFIG_FILE_MAX);
		rc = ERR_MALFORMED;
	} else {
		rc = config_parse(text, len, path, out, errors);
	}
	fclose(f);
	free(text);
	return rc;
}

static size_t field_size(const struct option *o)
{
	return o->flags & OPTION_LIST ? sizeof(uint32_t) + o->max * o->size : o->size;
}

void config_diff(const struct config *a, const struct config *b, enum config_change kind,
	struct config_errors *names)
{
	for (unsigned i = 0; i < option_count; i++) {
		const struct option *o = &option_table[i];
		bool reloadable = o->flags & OPTION_RELOAD;
		if (o->flags & OPTION_INTEROP)
			continue;
		if (reloadable == (kind == CONFIG_RELOADABLE) &&
			memcmp((const char *)a + o->offset, (const char *)b + o->offset,
				field_size(o)) != 0)
			config_error(names, "[%s] %s", o->section, o->key);
	}
	if (kind == CONFIG_NEEDS_RESTART &&
		memcmp(&a->interop, &b->interop, sizeof a->interop) != 0)
		config_error(names, "[interop]");
}

void config_adopt(struct config *running, const struct config *fresh)
{
	for (unsigned i = 0; i < option_count; i++) {
		const struct option *o = &option_table[i];
		if (o->flags & OPTION_RELOAD)
			memcpy((char *)running + o->offset, (const char *)fresh + o->offset,
				field_size(o));
	}
}
