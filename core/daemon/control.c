#include "core/daemon/node.h"

#include "core/base/err.h"
#include "core/daemon/verbs.h"

#include <signal.h>

/* Armed no further ahead than this: libuv's clock stops while the machine sleeps, ours does not. */
#define TIMER_MAX_NS NS_PER_S
#define SLEPT_NS     (2 * NS_PER_S)    /* by the clocks' difference: the machine has slept */
#define LATE_NS      (5 * NS_PER_S)    /* or it shows in a timer alone */
#define RETRY_NS     (100 * NS_PER_MS) /* a descriptor that failed is left alone for a while */
#define TURN_NS      NS_PER_MS /* for datagrams, before timers and the rest have their turn */

static const uint8_t families[2] = {4, 6};

static void on_udp(uv_poll_t *poll, int status, int events);
static void on_netmon(uv_poll_t *poll, int status, int events);

static void start_poll(uv_poll_t *poll, uv_poll_cb callback)
{
	uv_handle_t *handle = (uv_handle_t *)poll;
	if (poll->loop && !uv_is_active(handle) && !uv_is_closing(handle))
		uv_poll_start(poll, UV_READABLE, callback);
}

static void start_polls(struct node *n)
{
	if (n->mirror_stale)
		n->mirror_stale = kernel_read(n, true) < 0;
	n->polls_stopped = n->mirror_stale;
	for (unsigned i = 0; i < 2; i++)
		start_poll(&n->udp_poll[i], on_udp);
	start_poll(&n->netmon_poll, on_netmon);
}

/* ---- Timer ------------------------------------------------------------------------------------ */

static uint64_t asleep_ns(uint64_t now)
{
	uint64_t awake = os_awake_ns();
	return now > awake ? now - awake : 0;
}

/* Has the machine slept since we looked last? */
static void notice_sleep(struct node *n, uint64_t now)
{
	uint64_t asleep = asleep_ns(now);
	bool slept =
		asleep > n->asleep_ns + SLEPT_NS || (n->timer_due && now > n->timer_due + LATE_NS);
	n->asleep_ns = asleep;
	n->timer_due = 0;
	if (slept)
		engine_resumed(n->engine, now);
}

static void on_timer(uv_timer_t *timer)
{
	struct node *n = timer->data;
	uint64_t now = os_now_ns();
	n->timer_for = 0; /* it has fired: whatever comes, arm it again */
	notice_sleep(n, now);
	if (n->polls_stopped)
		start_polls(n);
	if (engine_deadline(n->engine) <= now)
		engine_timer(n->engine, now);
	kernel_tell_again(n);
	control_settle(n);
}

static void arm_timer(struct node *n)
{
	uint64_t deadline = engine_deadline(n->engine);
	if (deadline == n->timer_for && uv_is_active((uv_handle_t *)&n->timer))
		return; /* capped or not, it fires in time */
	uint64_t now = os_now_ns();
	uint64_t wait = deadline > now ? deadline - now : 0;
	uint64_t most = n->polls_stopped ? RETRY_NS : TIMER_MAX_NS;
	if (wait > most)
		wait = most;
	n->timer_for = deadline;
	n->timer_due = now + wait;
	uv_update_time(&n->loop);
	uv_timer_start(&n->timer, on_timer, (wait + NS_PER_MS - 1) / NS_PER_MS, 0);
}

void control_settle(struct node *n)
{
	actions_drain(n);
	actions_flush_routes(n);
	if (n->running)
		arm_timer(n);
}

/* ---- Datagrams -------------------------------------------------------------------------------- */

/* libuv stops a poll that it calls failed; one whose reads fail we stop, lest the loop turn for nothing. */
static void trouble(struct node *n, uv_poll_t *poll, const char *what)
{
	unsigned times;
	uv_poll_stop(poll);
	n->polls_stopped = true;
	n->timer_for = 0;
	if (log_limit_take(&n->receive_limit, os_now_ns(), &times))
		env_log(&n->env, LOG_WARN, "%s: reading failed %u times", what, times);
}

static void on_rest(uv_idle_t *rest);

/* As much of what was read as one turn of the loop allows; a flood of handshakes takes several. */
static void handle_datagrams(struct node *n)
{
	uint64_t began = os_now_ns(), now = began;
	for (; n->batch_at < n->batch_n && now - began < TURN_NS; now = os_now_ns()) {
		struct pkt_batch one = {.n = 1, .cap = 1, .v = &n->batch.v[n->batch_at++]};
		engine_receive(n->engine, one.v, now);
		actions_drain(n); /* before its data is overwritten */
		/* User data, where the system does not steer it to the workers. */
		udp_send(n->udp, 0, &one);
		if (n->ipgre)
			ipgre_send(n->ipgre, &one);
		tun_write(n->tun, 0, &one);
	}
	if (n->batch_at < n->batch_n)
		uv_idle_start(&n->rest, on_rest); /* the loop does not wait, but goes round */
	else
		uv_idle_stop(&n->rest);
}

static void on_rest(uv_idle_t *rest)
{
	struct node *n = rest->data;
	handle_datagrams(n);
	control_settle(n);
}

static void on_udp(uv_poll_t *poll, int status, int events)
{
	(void)events;
	struct node *n = poll->data;
	int got = 0;
	if (n->batch_at == n->batch_n) {
		got = udp_recv(n->udp, 0, families[poll - n->udp_poll], &n->batch);
		n->batch_at = 0;
		n->batch_n = got > 0 ? (unsigned)got : 0;
		handle_datagrams(n);
	}
	if (got < 0 || status < 0)
		trouble(n, poll, "the control socket");
	control_settle(n);
}

static void on_netmon(uv_poll_t *poll, int status, int events)
{
	(void)events;
	struct node *n = poll->data;
	if (kernel_read(n, false) < 0)
		n->mirror_stale = true;
	if (status < 0 || n->mirror_stale) /* an overrun, mostly; it has just been made good */
		trouble(n, poll, "routes");
	control_settle(n);
}

/* ---- Data workers ----------------------------------------------------------------------------- */

static void check_lanes(struct node *n)
{
	unsigned errors = 0, times;
	for (unsigned i = 0; i < n->lanes_running; i++) {
		errors += atomic_exchange(&n->lanes[i].errors, 0);
		if (atomic_load(&n->lanes[i].tun_gone) && !n->stopping) {
			env_log(&n->env, LOG_ERROR, "%s has been taken away: the daemon ends",
				n->config.tun.name);
			node_stop(n, 1);
		}
	}
	if (errors > 0 && log_limit_take(&n->lane_limit, os_now_ns(), &times))
		env_log(&n->env, LOG_WARN, "data workers: reading failed");
}

static void on_bell(uv_async_t *bell)
{
	struct node *n = bell->data;
	if (n->stopping)
		return;
	if (engine_drain(n->engine, os_now_ns()))
		uv_async_send(bell);
	control_settle(n);
	check_lanes(n);
}

/* ---- Questions -------------------------------------------------------------------------------- */

static void on_jobs(uv_async_t *wake)
{
	struct node *n = wake->data;
	struct job *job;
	while (!n->stopping && (job = jobs_next(&n->jobs)))
		verbs_run(n, job);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct node *n = handle->data;
	if (number == SIGHUP)
		verbs_hangup(n);
	else if (!n->stopping)
		node_stop(n, 0);
}

/* ---- Open and close --------------------------------------------------------------------------- */

static int open_signals(struct node *n)
{
	static const int numbers[3] = {SIGTERM, SIGINT, SIGHUP};
	int rc = 0;
	for (unsigned i = 0; i < 3 && rc == 0; i++) {
		n->signals[i].data = n;
		rc = uv_signal_init(&n->loop, &n->signals[i]);
		if (rc == 0)
			rc = uv_signal_start(&n->signals[i], on_signal, numbers[i]);
	}
	return rc;
}

static int open_poll(struct node *n, uv_poll_t *poll, int fd)
{
	poll->data = n;
	return fd < 0 ? 0 : uv_poll_init(&n->loop, poll, fd);
}

int control_open(struct node *n)
{
	n->timer.data = n->bell.data = n->jobs_wake.data = n->rest.data = n;
	n->asleep_ns = asleep_ns(os_now_ns());
	int rc = open_signals(n);
	if (rc == 0)
		rc = uv_timer_init(&n->loop, &n->timer);
	if (rc == 0)
		rc = uv_async_init(&n->loop, &n->bell, on_bell);
	if (rc == 0)
		rc = uv_idle_init(&n->loop, &n->rest);
	if (rc == 0)
		rc = uv_async_init(&n->loop, &n->jobs_wake, on_jobs);
	for (unsigned i = 0; i < 2 && rc == 0; i++)
		rc = open_poll(n, &n->udp_poll[i], udp_fd(n->udp, 0, families[i]));
	if (rc == 0)
		rc = open_poll(n, &n->netmon_poll, netmon_fd(n->netmon));
	if (rc == 0)
		start_polls(n);
	return rc;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

void control_close(struct node *n)
{
	uv_walk(&n->loop, close_handle, NULL);
	if (n->lookups == 0)
		uv_run(&n->loop, UV_RUN_DEFAULT); /* the handles' ends */
	else
		uv_run(&n->loop, UV_RUN_NOWAIT);
}
