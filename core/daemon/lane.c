#include "core/daemon/lane.h"

#include "core/base/err.h"
#include "core/engine/data.h"
#include "core/wire/coalesce.h"

#include <string.h>

/*
 * Read from the TUN in one turn, as udp_recv does of itself: enough for its system calls not to matter,
 * little enough for a small packet behind it not to wait for long.
 */
#define TURN_BYTES   (256 << 10)
#define TURN_PACKETS 64 /* trains counted once */
/* Any message may be a train, and needs the room of one: this is for 31 of them, in pages seldom used. */
#define UDP_ROOM (2 << 20)
#define RETRY_MS 100

static const uint8_t families[2] = {4, 6};

static void on_tun(uv_poll_t *poll, int status, int events);
static void on_udp(uv_poll_t *poll, int status, int events);
static void on_gre(uv_poll_t *poll, int status, int events);

/* Starts those that are not running. */
static void start_polls(struct lane *lane)
{
	if (!uv_is_active((uv_handle_t *)&lane->tun_poll))
		uv_poll_start(&lane->tun_poll, UV_READABLE, on_tun);
	for (unsigned i = 0; i < 2; i++)
		if (lane->udp_open[i] && !uv_is_active((uv_handle_t *)&lane->udp_poll[i]))
			uv_poll_start(&lane->udp_poll[i], UV_READABLE, on_udp);
	for (unsigned i = 0; i < 2; i++)
		if (lane->gre_open[i] && !uv_is_active((uv_handle_t *)&lane->gre_poll[i]))
			uv_poll_start(&lane->gre_poll[i], UV_READABLE, on_gre);
}

static void on_retry(uv_timer_t *timer)
{
	start_polls(timer->data);
}

/* ---- Packets ---------------------------------------------------------------------------------- */

/* Sends what the data path decided, counts what did not go, and rings when there is news. */
static void finish_batch(struct lane *lane, struct pkt_batch *b)
{
	udp_send(lane->udp, lane->number + 1, b);
	if (lane->ipgre)
		ipgre_send(lane->ipgre, b);
	uint32_t offloads = tun_offloads(lane->tun);
	coalesce(b, offloads & TUN_COALESCE_TCP, offloads & TUN_COALESCE_UDP);
	if (tun_write(lane->tun, lane->number, b) > 0) {
		coalesce_undo(b);
		tun_write(lane->tun, lane->number, b);
	}
	data_count_failed(lane->worker, b);
	if (data_wants_control(lane->worker))
		uv_async_send(lane->bell);
}

/* Leaves a descriptor that failed alone for a while; libuv has stopped a poll that it calls failed. */
static void trouble(struct lane *lane, uv_poll_t *poll)
{
	uv_poll_stop(poll);
	atomic_fetch_add(&lane->errors, 1);
	uv_async_send(lane->bell);
	if (!uv_is_active((uv_handle_t *)&lane->retry))
		uv_timer_start(&lane->retry, on_retry, RETRY_MS, 0);
}

static void on_tun(uv_poll_t *poll, int status, int events)
{
	(void)events;
	struct lane *lane = poll->data;
	int n = tun_read(lane->tun, lane->number, &lane->from_tun, TURN_BYTES);
	if (n > 0) {
		data_from_tun(lane->worker, &lane->from_tun, os_now_ns());
		finish_batch(lane, &lane->from_tun);
	}
	if (n == ERR_NOT_FOUND)
		atomic_store(&lane->tun_gone, true);
	if (n < 0 || status < 0)
		trouble(lane, poll);
}

static void on_udp(uv_poll_t *poll, int status, int events)
{
	(void)events;
	struct lane *lane = poll->data;
	uint8_t family = families[poll - lane->udp_poll];
	int n = udp_recv(lane->udp, lane->number + 1, family, &lane->from_udp);
	if (n > 0) {
		data_from_udp(lane->worker, &lane->from_udp, os_now_ns());
		finish_batch(lane, &lane->from_udp);
	}
	if (n < 0 || status < 0)
		trouble(lane, poll);
}

static void on_gre(uv_poll_t *poll, int status, int events)
{
	(void)events;
	struct lane *lane = poll->data;
	int n = ipgre_recv(lane->ipgre, families[poll - lane->gre_poll], &lane->from_udp);
	if (n > 0) {
		data_from_udp(lane->worker, &lane->from_udp, os_now_ns());
		finish_batch(lane, &lane->from_udp);
	}
	if (n < 0 || status < 0)
		trouble(lane, poll);
}

/* ---- The thread ------------------------------------------------------------------------------- */

static void close_handles(struct lane *lane)
{
	uv_close((uv_handle_t *)&lane->stop, NULL);
	uv_close((uv_handle_t *)&lane->retry, NULL);
	uv_close((uv_handle_t *)&lane->tun_poll, NULL);
	for (unsigned i = 0; i < 2; i++)
		if (lane->udp_open[i])
			uv_close((uv_handle_t *)&lane->udp_poll[i], NULL);
	for (unsigned i = 0; i < 2; i++)
		if (lane->gre_open[i])
			uv_close((uv_handle_t *)&lane->gre_poll[i], NULL);
}

static void on_stop(uv_async_t *async)
{
	close_handles(async->data);
}

static void run(void *arg)
{
	struct lane *lane = arg;
	uv_run(&lane->loop, UV_RUN_DEFAULT); /* until on_stop has closed all handles */
}

static int open_handles(struct lane *lane)
{
	int rc = uv_async_init(&lane->loop, &lane->stop, on_stop);
	lane->stop.data = lane;
	if (rc == 0)
		rc = uv_timer_init(&lane->loop, &lane->retry);
	lane->retry.data = lane;
	if (rc == 0)
		rc = uv_poll_init(&lane->loop, &lane->tun_poll, tun_fd(lane->tun, lane->number));
	lane->tun_poll.data = lane;
	for (unsigned i = 0; i < 2 && rc == 0; i++) {
		int fd = udp_fd(lane->udp, lane->number + 1, families[i]);
		if (fd < 0)
			continue;
		rc = uv_poll_init(&lane->loop, &lane->udp_poll[i], fd);
		lane->udp_open[i] = rc == 0;
		lane->udp_poll[i].data = lane;
	}
	for (unsigned i = 0; i < 2 && rc == 0 && lane->ipgre && lane->number == 0; i++) {
		int fd = ipgre_fd(lane->ipgre, families[i]);
		if (fd < 0)
			continue;
		rc = uv_poll_init(&lane->loop, &lane->gre_poll[i], fd);
		lane->gre_open[i] = rc == 0;
		lane->gre_poll[i].data = lane;
	}
	return rc;
}

static void free_batches(struct lane *lane)
{
	pkt_batch_fini(&lane->from_tun);
	pkt_batch_fini(&lane->from_udp);
}

/* What is read in a turn, and a train that begins just before that much has been read. */
static int make_batches(struct lane *lane)
{
	size_t tun_size = TURN_BYTES + PKT_TRAIN + TURN_PACKETS * (PKT_HEADROOM + PKT_TAILROOM);
	int rc = pkt_batch_init_sized(&lane->from_tun, TURN_PACKETS, tun_size);
	if (rc == 0)
		rc = pkt_batch_init_sized(&lane->from_udp, PKT_BATCH, UDP_ROOM);
	if (rc != 0)
		free_batches(lane);
	return rc;
}

int lane_start(struct lane *lane, const struct env *env)
{
	int rc = make_batches(lane);
	if (rc != 0)
		return rc;
	rc = uv_loop_init(&lane->loop);
	if (rc == 0)
		rc = open_handles(lane);
	if (rc == 0) {
		start_polls(lane);
		rc = uv_thread_create(&lane->thread, run, lane);
	}
	if (rc == 0)
		return 0;
	/* The daemon ends now: what has been opened goes with it. */
	env_log(env, LOG_ERROR, "cannot start data worker %u: %s", lane->number, uv_strerror(rc));
	free_batches(lane);
	return ERR_SYSTEM;
}

void lane_stop(struct lane *lane)
{
	uv_async_send(&lane->stop);
	uv_thread_join(&lane->thread);
	uv_loop_close(&lane->loop);
	free_batches(lane);
}
