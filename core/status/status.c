#include "core/status/status.h"

#include "core/status/objects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_FIRST 4096 /* bytes allocated first; doubled as needed */

/* ---- Text ------------------------------------------------------------------------------------- */

void status_text_add(struct status_text *t, const char *bytes, size_t len)
{
	if (t->failed)
		return;
	if (t->len + len + 1 > t->cap) {
		size_t cap = t->cap ? t->cap : TEXT_FIRST;
		while (cap < t->len + len + 1)
			cap *= 2;
		char *grown = realloc(t->text, cap);
		if (!grown) {
			t->failed = true;
			return;
		}
		t->text = grown;
		t->cap = cap;
	}
	memcpy(t->text + t->len, bytes, len);
	t->len += len;
	t->text[t->len] = '\0';
}

void status_text_fini(struct status_text *t)
{
	free(t->text);
	*t = (struct status_text){0};
}

static void add(struct status_text *t, const char *text)
{
	status_text_add(t, text, strlen(text));
}

/* Takes the object. */
static void add_json(struct status_text *t, json_t *object)
{
	char *text = object ? json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	if (text)
		add(t, text);
	else
		t->failed = true;
	free(text);
	json_decref(object);
}

/* ---- The node --------------------------------------------------------------------------------- */

void status_node_json(
	const struct engine *e, const struct status_context *context, struct status_text *out)
{
	add_json(out, object_node(e, context));
	add(out, "\n");
}

void status_ready_json(const struct engine *e, struct status_text *out, bool *ready)
{
	struct node_view view = {0};
	engine_view_node(e, &view);
	*ready = view.ready;
	add(out,
		view.ready ? "{\"ready\":true}\n"
			   : "{\"ready\":false,\"reason\":\"not registered with any hub\"}\n");
}

/* ---- Lists ------------------------------------------------------------------------------------ */

static const struct {
	const char *name;
	json_t *(*object)(
		const struct engine *e, const struct status_context *context, uint32_t *cursor);
} lists[STATUS_LISTS] = {
	[STATUS_PEERS] = {"peers", object_peer},
	[STATUS_ROUTES] = {"routes", object_route},
	[STATUS_NHRP] = {"nhrp", object_nhrp},
};

const char *status_list_name(enum status_list list)
{
	return lists[list].name;
}

struct status_walk status_walk_begin(enum status_list list, uint32_t after, uint32_t limit)
{
	return (struct status_walk){
		.list = list, .cursor = after, .left = limit ? limit : UINT32_MAX};
}

static void end_list(struct status_walk *walk, struct status_text *out, bool more)
{
	char end[48];
	if (more)
		snprintf(end, sizeof end, "],\"next\":%u}\n", walk->cursor);
	else
		snprintf(end, sizeof end, "],\"next\":null}\n");
	add(out, end);
	walk->done = true;
}

void status_page(const struct engine *e, const struct status_context *context,
	struct status_walk *walk, struct status_text *out)
{
	if (walk->done)
		return;
	if (!walk->begun) {
		add(out, "{\"");
		add(out, lists[walk->list].name);
		add(out, "\":[");
		walk->begun = true;
	}
	for (unsigned i = 0; i < STATUS_PAGE; i++) {
		if (walk->left == 0) {
			end_list(walk, out, true);
			return;
		}
		json_t *object = lists[walk->list].object(e, context, &walk->cursor);
		if (!object) {
			end_list(walk, out, false);
			return;
		}
		if (walk->comma)
			add(out, ",");
		walk->comma = true;
		walk->left--;
		add_json(out, object);
	}
}
