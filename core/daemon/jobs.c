#include "core/daemon/jobs.h"

#include "core/base/err.h"

int jobs_init(struct jobs *jobs, uv_async_t *wake)
{
	*jobs = (struct jobs){.wake = wake};
	if (uv_mutex_init(&jobs->lock) != 0)
		return ERR_SYSTEM;
	if (uv_cond_init(&jobs->changed) != 0) {
		uv_mutex_destroy(&jobs->lock);
		return ERR_SYSTEM;
	}
	return 0;
}

void jobs_fini(struct jobs *jobs)
{
	uv_cond_destroy(&jobs->changed);
	uv_mutex_destroy(&jobs->lock);
}

/* ---- Under the lock --------------------------------------------------------------------------- */

static void append(struct job **list, struct job *job)
{
	while (*list)
		list = &(*list)->next;
	job->next = NULL;
	*list = job;
}

static void take_out(struct job **list, const struct job *job)
{
	for (; *list; list = &(*list)->next)
		if (*list == job) {
			*list = job->next;
			return;
		}
}

static void set_state(struct jobs *jobs, struct job *job, enum job_state state)
{
	job->state = state;
	uv_cond_broadcast(&jobs->changed);
}

/* ---- The asker -------------------------------------------------------------------------------- */

int jobs_ask(struct jobs *jobs, struct job *job, uint64_t timeout_ns)
{
	uint64_t deadline = uv_hrtime() + timeout_ns;
	uv_mutex_lock(&jobs->lock);
	job->state = JOB_QUEUED;
	if (!jobs->closed) {
		append(&jobs->queued, job);
		uv_async_send(jobs->wake);
	}
	while (job->state != JOB_DONE) {
		uint64_t now = uv_hrtime();
		if (job->state == JOB_RUNNING)
			uv_cond_wait(&jobs->changed, &jobs->lock);
		else if (jobs->closed || now >= deadline)
			break;
		else
			uv_cond_timedwait(&jobs->changed, &jobs->lock, deadline - now);
	}
	take_out(&jobs->queued, job);
	take_out(&jobs->parked, job);
	bool done = job->state == JOB_DONE, closed = jobs->closed;
	uv_mutex_unlock(&jobs->lock);
	return done ? 0 : closed ? ERR_EXPIRED : ERR_BUSY;
}

/* ---- The control loop ------------------------------------------------------------------------- */

struct job *jobs_next(struct jobs *jobs)
{
	uv_mutex_lock(&jobs->lock);
	struct job *job = jobs->queued;
	if (job) {
		take_out(&jobs->queued, job);
		set_state(jobs, job, JOB_RUNNING);
	}
	uv_mutex_unlock(&jobs->lock);
	return job;
}

void jobs_finish(struct jobs *jobs, struct job *job)
{
	uv_mutex_lock(&jobs->lock);
	set_state(jobs, job, JOB_DONE);
	uv_mutex_unlock(&jobs->lock);
}

void jobs_park(struct jobs *jobs, struct job *job, uint32_t token)
{
	uv_mutex_lock(&jobs->lock);
	job->token = token;
	append(&jobs->parked, job);
	set_state(jobs, job, JOB_PARKED);
	uv_mutex_unlock(&jobs->lock);
}

struct job *jobs_unpark(struct jobs *jobs, uint32_t token)
{
	uv_mutex_lock(&jobs->lock);
	struct job *job = jobs->parked;
	while (job && job->token != token)
		job = job->next;
	if (job) {
		take_out(&jobs->parked, job);
		set_state(jobs, job, JOB_RUNNING);
	}
	uv_mutex_unlock(&jobs->lock);
	return job;
}

void jobs_close(struct jobs *jobs)
{
	uv_mutex_lock(&jobs->lock);
	jobs->closed = true;
	uv_cond_broadcast(&jobs->changed);
	uv_mutex_unlock(&jobs->lock);
}
