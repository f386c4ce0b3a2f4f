#ifndef WARREN_DAEMON_SAVE_H
#define WARREN_DAEMON_SAVE_H

#include "core/config/errors.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/*
 * Files of the state directory, written by libuv's threads: the control loop does not wait for a disk.
 * Of a file there is one write at a time; what comes meanwhile waits, the newest alone.
 */
struct node;

enum save_file {
	SAVE_BUNDLE,
	SAVE_HINTS,
	SAVE_CLOCK,
	SAVE_FILES,
};

struct save {
	struct node *node;
	enum save_file file;
	uv_work_t work;
	bool busy;
	uv_sem_t written;        /* a thread is through with it */
	uint8_t *data, *waiting; /* being written; what comes next */
	size_t len, waiting_len;
	int rc;
	struct config_errors errors;
};

/* 0 or a uv error code. */
int save_open(struct node *n);
/* The loop is about to end: whatever has not been written yet is written now. */
void save_finish(struct node *n);
/* After the loop has ended, for those that save_open made. */
void save_close(struct node *n);
/* data is copied. A failure is logged, at a limited rate; the old file stays. */
void save_write(struct node *n, enum save_file file, const void *data, size_t len);

#endif
