#ifndef WARREN_DAEMON_LANE_H
#define WARREN_DAEMON_LANE_H

#include "core/base/env.h"
#include "core/base/pkt.h"
#include "platform/platform.h"

#include <stdatomic.h>
#include <uv.h>

/*
 * A data worker: a thread with its own libuv loop, its own queue of the TUN and its own UDP socket (one
 * descriptor a family). Each readable descriptor gets one batch and then it is the next one's turn, so
 * neither direction starves the other. It shares nothing with the control loop but what data.h
 * publishes, a bell to ring and the error counts below.
 */
struct worker;

struct lane {
	struct worker *worker; /* the engine's, of this number */
	unsigned number;       /* TUN queue; UDP socket number + 1 */
	struct tun *tun;
	struct udp *udp;
	struct ipgre *ipgre; /* all send on it, the first reads it; NULL: there is none */
	uv_async_t *bell;    /* the control loop's: look at the rings, and at the errors below */
	_Atomic unsigned errors; /* reads that failed, since the control loop looked last */
	_Atomic bool tun_gone;   /* the device has been taken away */

	uv_thread_t thread;
	uv_loop_t loop;
	uv_async_t stop;
	uv_timer_t retry; /* a descriptor that failed is left alone for a while */
	uv_poll_t tun_poll, udp_poll[2], gre_poll[2];
	bool udp_open[2], gre_open[2]; /* IPv4, IPv6 */
	struct pkt_batch from_tun, from_udp;
};

/* Fills in and starts the thread; worker to bell are set by the caller. ERR_*, logged. */
int lane_start(struct lane *lane, const struct env *env);
/* Stops and joins the thread. */
void lane_stop(struct lane *lane);

#endif
