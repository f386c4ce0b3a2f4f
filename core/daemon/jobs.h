#ifndef WARREN_DAEMON_JOBS_H
#define WARREN_DAEMON_JOBS_H

#include "core/daemon/request.h"
#include "core/status/status.h"

#include <uv.h>

/*
 * Questions from request threads to the control loop, which owns all state. A request thread posts a
 * job and waits; the control loop runs it between two events and answers, at once or (a ping) later.
 * A job lives on the asker's side; it is never touched after jobs_ask has returned.
 */
struct node;

enum job_state {
	JOB_QUEUED,
	JOB_RUNNING, /* in the control loop, which will finish or park it at once */
	JOB_PARKED,  /* waits for an event */
	JOB_DONE,
};

struct job {
	/* the question */
	enum request_id id;
	struct request_query query;
	bool endpoints;          /* underlay addresses may be shown */
	struct status_walk walk; /* lists: where to go on; moved on */
	/* the answer */
	int status;              /* HTTP */
	struct status_text text; /* JSON; the asker's to free */
	/* jobs.c's */
	enum job_state state;
	uint32_t token; /* parked: what it waits for */
	struct job *next;
};

struct jobs {
	uv_mutex_t lock;
	uv_cond_t changed;
	uv_async_t *wake; /* the control loop's */
	struct job *queued, *parked;
	bool closed;
};

/* wake is borrowed. 0 or ERR_SYSTEM. */
int jobs_init(struct jobs *jobs, uv_async_t *wake);
void jobs_fini(struct jobs *jobs);
/* By a request thread: posts the job and waits. 0, ERR_BUSY (no answer in time), ERR_EXPIRED (closed). */
int jobs_ask(struct jobs *jobs, struct job *job, uint64_t timeout_ns);

/* By the control loop. The next job to run, or NULL; then job_finish or job_park must follow. */
struct job *jobs_next(struct jobs *jobs);
void jobs_finish(struct jobs *jobs, struct job *job);
/* Puts the job aside until jobs_unpark finds it by its token. */
void jobs_park(struct jobs *jobs, struct job *job, uint32_t token);
/* NULL: the asker did not wait so long. */
struct job *jobs_unpark(struct jobs *jobs, uint32_t token);
/* Nobody is answered any more; everybody who waits is told. */
void jobs_close(struct jobs *jobs);

#endif
