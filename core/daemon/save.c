#include "core/daemon/save.h"

#include "core/base/err.h"
#include "core/config/state.h"
#include "core/daemon/node.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[SAVE_FILES] = {
	[SAVE_BUNDLE] = "bundle", [SAVE_HINTS] = STATE_HINTS, [SAVE_CLOCK] = STATE_CLOCK};

/* In any thread; the config's path does not change while the daemon runs. */
static int write_file(
	const struct save *s, const void *data, size_t len, struct config_errors *errors)
{
	const struct config *config = &s->node->config;
	if (s->file == SAVE_BUNDLE)
		return identity_save_bundle(config->node.state_directory, data, len, errors);
	return state_save(config, names[s->file], data, len, errors);
}

int save_open(struct node *n)
{
	for (; n->n_saves < SAVE_FILES; n->n_saves++) {
		struct save *s = &n->saves[n->n_saves];
		*s = (struct save){.node = n, .file = (enum save_file)n->n_saves};
		s->work.data = s;
		int rc = uv_sem_init(&s->written, 0);
		if (rc != 0)
			return rc;
	}
	return 0;
}

void save_close(struct node *n)
{
	while (n->n_saves > 0) {
		struct save *s = &n->saves[--n->n_saves];
		uv_sem_destroy(&s->written);
		free(s->data);
		free(s->waiting);
	}
}

static void write_now(struct save *s)
{
	s->errors = (struct config_errors){0};
	s->rc = write_file(s, s->data, s->len, &s->errors);
}

static void say_failure(const struct save *s, const char *why, unsigned times)
{
	env_log(&s->node->env, LOG_WARN, "%s is not saved, %u times: %.*s", names[s->file], times,
		(int)strcspn(why, "\n"), why);
}

static void report(struct save *s)
{
	struct node *n = s->node;
	unsigned times;
	if (s->rc == 0 && s->file == SAVE_BUNDLE)
		env_log(&n->env, LOG_INFO, "saved the newest bundle");
	if (s->rc == 0)
		return;
	if (log_limit_take(&n->save_limit, os_now_ns(), &times))
		say_failure(s, s->errors.text, times);
	if (s->file != SAVE_BUNDLE)
		engine_save_failed(n->engine);
}

static void begin(struct save *s);

static void on_work(uv_work_t *work)
{
	struct save *s = work->data;
	write_now(s);
	uv_sem_post(&s->written);
}

static void on_done(uv_work_t *work, int status)
{
	struct save *s = work->data;
	s->busy = false;
	free(s->data);
	s->data = NULL;
	if (s->node->stopping)
		return; /* save_finish has seen to the rest */
	if (status == 0) {
		uv_sem_wait(&s->written); /* it is there already */
		report(s);
	}
	s->data = s->waiting;
	s->len = s->waiting_len;
	s->waiting = NULL;
	if (s->data)
		begin(s);
}

static void begin(struct save *s)
{
	s->busy = uv_queue_work(&s->node->loop, &s->work, on_work, on_done) == 0;
	if (!s->busy) {
		write_now(s);
		report(s);
	}
}

static void write_last(struct save *s, const void *data, size_t len)
{
	struct config_errors errors = {0};
	if (write_file(s, data, len, &errors) != 0)
		say_failure(s, errors.text, 1);
}

void save_finish(struct node *n)
{
	for (unsigned i = 0; i < n->n_saves; i++) {
		struct save *s = &n->saves[i];
		bool queued = s->busy && uv_cancel((uv_req_t *)&s->work) == 0;
		if (s->busy && !queued) { /* a thread has it in hand, or is through with it */
			uv_sem_wait(&s->written);
			if (s->rc != 0)
				say_failure(s, s->errors.text, 1);
		}
		if (s->waiting)
			write_last(s, s->waiting, s->waiting_len);
		else if (queued)
			write_last(s, s->data, s->len);
		free(s->waiting);
		s->waiting = NULL;
	}
}

void save_write(struct node *n, enum save_file file, const void *data, size_t len)
{
	struct save *s = &n->saves[file];
	if (n->stopping && !s->busy) { /* nobody waits for us any more */
		write_last(s, data, len);
		return;
	}
	uint8_t *copy = malloc(len ? len : 1);
	if (!copy)
		return;
	memcpy(copy, data, len);
	uint8_t **place = s->busy ? &s->waiting : &s->data;
	free(*place);
	*place = copy;
	*(s->busy ? &s->waiting_len : &s->len) = len;
	if (!s->busy)
		begin(s);
}
