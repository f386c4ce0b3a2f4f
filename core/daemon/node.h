#ifndef WARREN_DAEMON_NODE_H
#define WARREN_DAEMON_NODE_H

#include "core/config/config.h"
#include "core/config/identity.h"
#include "core/daemon/http.h"
#include "core/daemon/jobs.h"
#include "core/daemon/lane.h"
#include "core/daemon/log.h"
#include "core/daemon/save.h"
#include "core/engine/engine.h"
#include "platform/platform.h"

#include <uv.h>

/*
 * The daemon's one big object: an engine, what it moves in the system, and the control loop between
 * them. Everything here belongs to the control loop's thread; request threads come in by jobs, data
 * workers by the bell.
 *
 *   node.c     start, run, stop            control.c  the loop's events: datagrams, timer, bell, jobs
 *   actions.c  what the engine wants done  kernel.c   routes and addresses
 *   verbs.c    answers to questions        reload.c   one of them: the config anew
 *   jobs.c     questions from threads      http.c     the threads that ask
 *   lane.c     data workers                listen.c   sockets for HTTP
 *   save.c     files written by other threads
 *   interface.c  keeps addresses and routes of our interface
 */
struct route_order { /* a kernel route to add or delete, when the time is right */
	struct prefix prefix;
	struct ip_addr gateway;
	bool add;
};

/* Our interface: what it is to have, and how it is. */
struct interface {
	struct prefix addresses[8];
	bool had[8];  /* it has been there: never so where IPv6 is off */
	bool seen[8]; /* it is there */
	unsigned n_addresses;
	struct kernel_link link;
	struct bucket put_back;
	struct log_limit limit;
};

struct node {
	const char *config_path;
	struct config config;
	struct log log;
	struct env env;
	uint8_t certificate[CERT_MAX]; /* as loaded at start */
	size_t certificate_len;
	uint64_t time_s; /* unix: known at start to have passed */
	char token[IDENTITY_TOKEN_MAX + 1];
	char os_text[128];

	struct engine *engine;
	struct tun *tun;
	struct interface interface;
	struct udp *udp;
	struct ipgre *ipgre; /* NULL: no section of interop mode wants it */
	struct netmon *netmon;
	unsigned n_lanes, lanes_running;
	struct lane lanes[ENGINE_MAX_WORKERS];

	uv_loop_t loop;
	uv_signal_t signals[3];
	uv_timer_t timer;
	uint64_t timer_for; /* the engine deadline it is armed for */
	uint64_t timer_due; /* when it ought to fire */
	uint64_t asleep_ns; /* how long the machine has slept since it started */
	uv_async_t bell;    /* rung by data workers */
	uv_async_t jobs_wake;
	uv_poll_t udp_poll[2]; /* socket 0: IPv4, IPv6 */
	uv_poll_t netmon_poll;
	bool polls_stopped;         /* one of these failed: the timer starts it again */
	bool syncing;               /* between netmon's reset and synced */
	bool mirror_stale;          /* the kernel's routes must be read anew */
	struct pkt_batch batch;     /* datagrams of socket 0 */
	unsigned batch_at, batch_n; /* which of them come next */
	uv_idle_t rest;             /* runs while there are some */

	bool in_netmon; /* inside netmon_read: routes must wait */
	struct route_order *orders;
	unsigned n_orders, cap_orders;

	struct save saves[SAVE_FILES];
	unsigned n_saves;

	struct jobs jobs;
	struct http *http[2]; /* Unix socket, TCP; NULL = none */
	uint32_t ping_token;
	uv_work_t pool_start;
	unsigned lookups; /* names being resolved */
	struct log_limit send_limit, receive_limit, lane_limit, save_limit;
	bool listening; /* the Unix socket is there */
	bool running, stopping;
	int exit_status;
};

/* Runs the daemon with this config until a signal ends it. The process's exit status. */
int node_main(const char *config_path);
/* Makes the control loop end. */
void node_stop(struct node *n, int exit_status);

/* control.c: the loop's handles. uv error codes. */
int control_open(struct node *n);
void control_close(struct node *n);
/* After each engine call: does what the engine wants, then arms the timer. */
void control_settle(struct node *n);

/* actions.c */
void actions_drain(struct node *n);
void actions_order_route(
	struct node *n, const struct prefix *prefix, const struct ip_addr *gateway, bool add);
/* Adds and deletes the kernel routes that had to wait. */
void actions_flush_routes(struct node *n);

/* kernel.c: opens the mirror of the kernel's routes, which feeds the engine. ERR_*. */
int kernel_open(struct node *n);
/* Reads what has changed, or (resync) everything; control_settle must follow. ERR_SYSTEM: see netmon_read. */
int kernel_read(struct node *n, bool resync);
/* Tells the engine all routes again if it could not keep them all; control_settle must follow. */
void kernel_tell_again(struct node *n);

/* interface.c: news of our interface; control_settle must follow. */
void interface_address(struct node *n, const struct prefix *address, bool deleted);
/* All addresses will be told anew; they have been. */
void interface_reset(struct node *n);
void interface_synced(struct node *n);
void interface_route_gone(
	struct node *n, const struct prefix *prefix, const struct ip_addr *gateway);
void interface_changed(struct node *n, const struct kernel_link *link);

/* What of the config the engine wants to know; the rest of out is left. */
void node_engine_config(const struct config *config, struct engine_config *out);

#endif
