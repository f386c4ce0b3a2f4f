#include "core/daemon/node.h"

#include "core/base/err.h"
#include "core/config/state.h"
#include "core/crypto/primitives.h"
#include "core/daemon/listen.h"
#include "core/engine/data.h"
#include "core/peer/hints.h"
#include "core/peer/linklocal.h"

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINK_LOCAL_LEN 64
#define WORKERS_AUTO   4 /* most that "auto" takes */
/* For files, the resolver and libmicrohttpd itself, besides connections. */
#define DESCRIPTORS_SPARE 12u
#define POOL_THREADS      4 /* that libuv's pool has by default */

/* ---- Environment ------------------------------------------------------------------------------ */

static void env_random_bytes(void *ctx, void *out, size_t len)
{
	(void)ctx;
	prim_random(out, len);
}

static uint64_t env_wall_s(void *ctx)
{
	(void)ctx;
	return os_wall_s();
}

static void make_env(struct node *n)
{
	log_init(&n->log);
	n->env = (struct env){.ctx = &n->log,
		.random = env_random_bytes,
		.wall_s = env_wall_s,
		.log = log_write,
		.log_wanted = log_wanted};
}

static unsigned workers_wanted(const struct config *config)
{
	if (config->udp.workers > 0)
		return config->udp.workers;
	unsigned cpus = uv_available_parallelism();
	if (cpus <= 2)
		return 1;
	return cpus - 1 < WORKERS_AUTO ? cpus - 1 : WORKERS_AUTO;
}

void node_engine_config(const struct config *config, struct engine_config *out)
{
	_Static_assert(
		CONFIG_LIST_MAX == ENGINE_MAX_PREFIXES, "every line of the config has a place");
	out->ciphers = (uint8_t)config->udp.ciphers;
	out->strict = config->node.strict;
	out->max_peers = config->limits.peers;
	out->max_routes = config->limits.routes;
	out->mtu = (uint16_t)config->tun.mtu;
	out->holding_time_s = (uint16_t)config->nhrp.holding_time_s;
	out->redirect = config->nhrp.redirect;
	out->shortcut = config->nhrp.shortcut;
	out->install_routes = config->nhrp.install_routes;
	out->relay_kernel = config->nhrp.relay_kernel;
	out->host_candidates = config->paths.host_candidates;
	out->n_prefixes = (uint8_t)config->nhrp.prefixes.n;
	out->multicast_rate = config->multicast.rate;
	out->n_groups = (uint8_t)config->multicast.groups.n;
	memcpy(out->groups, config->multicast.groups.v, sizeof out->groups);
	out->n_advertise = (uint8_t)config->nhrp.advertise.n;
	out->n_routes = (uint8_t)config->nhrp.routes.n;
	memcpy(out->prefixes, config->nhrp.prefixes.v, sizeof out->prefixes);
	memcpy(out->advertise, config->nhrp.advertise.v, sizeof out->advertise);
	memcpy(out->routes, config->nhrp.routes.v, sizeof out->routes);
}

/* At start alone: [interop] sections do not change while we run. */
static void take_interop(
	const struct config *config, const struct identity *id, struct engine_config *out)
{
	_Static_assert(CONFIG_INTEROP_MAX == ENGINE_MAX_INTEROP &&
			CONFIG_LIST_MAX == ENGINE_MAX_ALLOW &&
			CONFIG_WORD_MAX == sizeof out->interop[0].word &&
			sizeof config->interop.v[0].name == sizeof out->interop[0].name,
		"every section has a place");
	out->relay_plaintext = config->nhrp.relay_plaintext;
	out->n_interop = (uint8_t)config->interop.n;
	for (unsigned i = 0; i < config->interop.n; i++) {
		const struct config_interop *c = &config->interop.v[i];
		struct engine_interop *s = &out->interop[i];
		*s = (struct engine_interop){.hub = c->hub,
			.raw = c->raw,
			.underlay = c->underlay,
			.have_key = c->key.given,
			.key = c->key.value,
			.n_allow = (uint8_t)c->allow.n};
		memcpy(s->name, c->name, sizeof s->name);
		memcpy(s->word, id->words[i], sizeof s->word);
		memcpy(s->allow, c->allow.v, sizeof s->allow);
	}
}

static bool wants_framing(const struct config *config, bool raw)
{
	for (unsigned i = 0; i < config->interop.n; i++)
		if (config->interop.v[i].raw == raw)
			return true;
	return false;
}

/* ---- Start, in order -------------------------------------------------------------------------- */

/* Config and identity, with all that is wrong in them on stderr. */
static int read_files(struct node *n, struct identity *id)
{
	struct config_errors errors = {0}, warnings = {0};
	uint64_t wall_s = os_wall_s();
	int rc = config_load(n->config_path, &n->config, &errors);
	if (rc == 0) {
		n->time_s = state_time_s(&n->config, &warnings);
		if (wall_s < n->time_s)
			config_error(&warnings,
				"the system's clock is behind: certificates go by a later time");
		rc = identity_load(&n->config, wall_s > n->time_s ? wall_s : n->time_s, id, &errors,
			&warnings);
	}
	if (warnings.n > 0)
		fputs(warnings.text, stderr);
	if (rc != 0) {
		fputs(errors.text, stderr);
		return rc;
	}
	atomic_store(&n->log.level, (int)n->config.log.level);
	memcpy(n->certificate, id->certificate, id->certificate_len);
	n->certificate_len = id->certificate_len;
	memcpy(n->token, id->token, sizeof n->token);
	return 0;
}

/* What root owns becomes the user's; a directory of somebody else is left alone. */
static void hand_over(struct node *n, const char *path, const struct passwd *pw)
{
	struct stat st;
	if (stat(path, &st) < 0 || st.st_uid == pw->pw_uid)
		return;
	if (st.st_uid != 0 || chown(path, pw->pw_uid, pw->pw_gid) < 0)
		env_log(&n->env, LOG_WARN,
			"%s does not belong to '%s'; the newest bundle will not be "
			"saved",
			path, pw->pw_name);
}

/* The state directory belongs to the user that the daemon will be. */
static int make_state_directory(struct node *n)
{
	const char *path = n->config.node.state_directory, *user = n->config.node.user;
	struct passwd *pw = *user ? getpwnam(user) : NULL;
	if (*user && !pw) {
		env_log(&n->env, LOG_ERROR, "'user' in [node]: there is no user '%s'", user);
		return ERR_SYSTEM;
	}
	if (mkdir(path, 0750) < 0 && errno != EEXIST)
		env_log(&n->env, LOG_WARN, "%s: %s; the newest bundle will not be saved", path,
			strerror(errno));
	else if (pw)
		hand_over(n, path, pw);
	return 0;
}

static int open_tun(struct node *n, const struct identity *id)
{
	struct tun_config config = {.mtu = (uint16_t)n->config.tun.mtu,
		.queues = n->n_lanes,
		.offloads = n->config.tun.offloads};
	memcpy(config.name, n->config.tun.name, sizeof config.name);
	for (unsigned i = 0; i < id->cert.n_addresses; i++)
		config.addresses[config.n_addresses++] = id->cert.addresses[i];
	if (config.mtu >= 1280) /* what IPv6 wants at least */
		config.addresses[config.n_addresses++] =
			(struct prefix){.addr = linklocal_of(id->cert.addresses,
						id->cert.n_addresses, id->public_key),
				.len = LINK_LOCAL_LEN};
	int rc = tun_open(&n->tun, &config, &n->env);
	if (rc != 0)
		return rc;
	_Static_assert(sizeof config.addresses == sizeof n->interface.addresses, "the same list");
	memcpy(n->interface.addresses, config.addresses, sizeof config.addresses);
	n->interface.n_addresses = config.n_addresses;
	n->interface.link =
		(struct kernel_link){.ifindex = tun_ifindex(n->tun), .mtu = config.mtu, .up = true};
	strcpy(n->interface.link.name, tun_name(n->tun));
	unsigned queues = tun_queues(n->tun);
	if (queues < n->n_lanes) {
		env_log(&n->env, LOG_WARN, "the system gives %u queues: %u workers", queues,
			queues);
		n->n_lanes = queues;
	}
	return 0;
}

static int open_udp(struct node *n)
{
	struct udp_config config = {.address = n->config.udp.address,
		.port = (uint16_t)n->config.udp.port,
		.workers = n->n_lanes,
		.offloads = n->config.udp.offloads,
		.plaintext = wants_framing(&n->config, false)};
	int rc = udp_open(&n->udp, &config, &n->env);
	if (rc == 0 && wants_framing(&n->config, true))
		rc = ipgre_open(&n->ipgre, &n->config.udp.address, &n->env);
	return rc;
}

static int make_engine(struct node *n, const struct identity *id)
{
	struct engine_config *config = calloc(1, sizeof *config);
	if (!config)
		return ERR_NO_SPACE;
	node_engine_config(&n->config, config);
	take_interop(&n->config, id, config);
	memcpy(config->static_secret, id->secret, sizeof config->static_secret);
	memcpy(config->network_id, n->config.node.network, sizeof config->network_id);
	memcpy(config->root_key, n->config.node.network + 32, sizeof config->root_key);
	memcpy(config->psk, id->psk, sizeof config->psk);
	config->certificate = id->certificate;
	config->certificate_len = id->certificate_len;
	config->bundle = id->bundle;
	config->bundle_len = id->bundle_len;
	config->time_s = n->time_s;
	config->port = udp_port(n->udp);
	config->workers = (uint8_t)n->n_lanes;
	int rc = engine_new(&n->engine, config, &n->env, os_now_ns());
	prim_wipe(config, sizeof *config);
	free(config);
	return rc;
}

/* Sockets for HTTP are opened while we are root, and served when we are not. */
static int open_listeners(struct node *n, int fds[2])
{
	fds[0] = listen_unix(n->config.control.socket, n->config.control.group, &n->env);
	if (fds[0] < 0)
		return ERR_SYSTEM;
	n->listening = true;
	fds[1] = -1;
	if (n->config.http.listen.addr.family)
		fds[1] = listen_tcp(&n->config.http.listen, &n->env);
	return n->config.http.listen.addr.family && fds[1] < 0 ? ERR_SYSTEM : 0;
}

/*
 * libmicrohttpd turns in circles when accept finds no descriptor free: so it gets no more connections
 * than there are descriptors for. 0 = too few, logged.
 */
static unsigned http_connections(struct node *n)
{
	unsigned left = os_descriptors_left();
	unsigned each = left > DESCRIPTORS_SPARE ? (left - DESCRIPTORS_SPARE) / 2 : 0;
	if (each == 0)
		env_log(&n->env, LOG_ERROR,
			"too few descriptors: %u are left, at least %u are needed (ulimit -n, "
			"LimitNOFILE=)",
			left, DESCRIPTORS_SPARE + 2);
	return each < CLIENTS_MAX ? each : CLIENTS_MAX;
}

static int start_http(struct node *n, const int fds[2])
{
	unsigned connections = http_connections(n);
	if (connections == 0)
		return ERR_NO_SPACE;
	for (unsigned i = 0; i < 2; i++) {
		struct request_policy policy = {
			.unix_socket = i == 0, .listen = n->config.http.listen, .token = n->token};
		if (fds[i] >= 0 &&
			http_start(&n->http[i], fds[i], connections, &policy, &n->jobs, &n->env) !=
				0)
			return ERR_SYSTEM;
	}
	return 0;
}

static int start_lanes(struct node *n)
{
	for (unsigned i = 0; i < n->n_lanes; i++) {
		struct lane *lane = &n->lanes[i];
		*lane = (struct lane){.worker = engine_worker(n->engine, i),
			.number = i,
			.tun = n->tun,
			.udp = n->udp,
			.ipgre = n->ipgre,
			.bell = &n->bell};
		if (lane_start(lane, &n->env) != 0)
			return ERR_SYSTEM;
		n->lanes_running++;
	}
	return 0;
}

static int control_failed(struct node *n, int uv_error)
{
	env_log(&n->env, LOG_ERROR, "cannot start the control loop: %s", uv_strerror(uv_error));
	return ERR_SYSTEM;
}

/* Everything that wants to be root. */
static int open_system(struct node *n, const struct identity *id, int fds[2])
{
	n->n_lanes = workers_wanted(&n->config);
	int rc = make_state_directory(n);
	if (rc == 0)
		rc = open_tun(n, id);
	if (rc == 0)
		rc = open_udp(n);
	if (rc == 0)
		rc = make_engine(n, id);
	if (rc == 0)
		rc = kernel_open(n);
	if (rc == 0)
		rc = open_listeners(n, fds);
	if (rc == 0)
		rc = os_drop_privileges(*n->config.node.user ? n->config.node.user : NULL, &n->env);
	return rc;
}

static void wait_for_go(void *go)
{
	uv_sem_wait(go);
}

static void nothing(uv_work_t *work)
{
	(void)work;
}

static void nothing_done(uv_work_t *work, int status)
{
	(void)work, (void)status;
}

/*
 * libuv starts the threads of its pool at the first use, and aborts when it cannot. So it is tried here
 * whether as many can be had, and the pool is started right after.
 */
static int start_pool(struct node *n)
{
	uv_thread_t threads[POOL_THREADS];
	unsigned got = 0;
	uv_sem_t go;
	int rc = uv_sem_init(&go, 0);
	if (rc != 0)
		return control_failed(n, rc);
	while (got < POOL_THREADS && rc == 0) {
		rc = uv_thread_create(&threads[got], wait_for_go, &go);
		got += rc == 0;
	}
	for (unsigned i = 0; i < got; i++)
		uv_sem_post(&go);
	for (unsigned i = 0; i < got; i++)
		uv_thread_join(&threads[i]);
	uv_sem_destroy(&go);
	if (rc == 0)
		rc = uv_queue_work(&n->loop, &n->pool_start, nothing, nothing_done);
	if (rc != 0)
		env_log(&n->env, LOG_ERROR, "cannot start %d threads: %s (ulimit -u, TasksMax=)",
			POOL_THREADS, uv_strerror(rc));
	return rc == 0 ? 0 : ERR_SYSTEM;
}

/* Threads come after the privileges have gone: on some systems those belong to a thread. */
static int start_threads(struct node *n, const int fds[2])
{
	int rc = start_pool(n);
	if (rc != 0)
		return rc;
	rc = pkt_batch_init(&n->batch, PKT_BATCH);
	if (rc != 0)
		return rc;
	rc = control_open(n);
	if (rc != 0)
		return control_failed(n, rc);
	rc = save_open(n);
	if (rc != 0)
		return control_failed(n, rc);
	rc = jobs_init(&n->jobs, &n->jobs_wake);
	if (rc == 0)
		rc = start_lanes(n);
	if (rc == 0)
		rc = start_http(n, fds);
	return rc;
}

static int start(struct node *n)
{
	struct identity id = {0};
	int fds[2] = {-1, -1};
	int rc = read_files(n, &id);
	if (rc == 0)
		rc = open_system(n, &id, fds);
	identity_fini(&id);
	if (rc == 0)
		rc = start_threads(n, fds);
	return rc;
}

/* ---- Run and stop ----------------------------------------------------------------------------- */

static void announce(struct node *n)
{
	struct node_view view = {0};
	engine_view_node(n->engine, &view);
	os_describe(n->os_text, sizeof n->os_text);
	env_log(&n->env, LOG_INFO,
		"warrend " WARREN_VERSION ": %s %s on %s, UDP port %u, %u %s, %s",
		view.hub ? "hub" : "spoke", view.name, tun_name(n->tun), udp_port(n->udp),
		n->n_lanes, n->n_lanes == 1 ? "worker" : "workers", os_privileges());
}

/* Whom we knew before the restart. */
static void load_hints(struct node *n)
{
	struct config_errors errors = {0};
	void *data;
	size_t cap = HINTS_OVERHEAD + (size_t)HINTS_MAX * HINT_SIZE;
	int len = state_load(&n->config, STATE_HINTS, cap, &data, &errors);
	if (len < 0)
		env_log(&n->env, LOG_WARN, "%.*s", (int)strcspn(errors.text, "\n"), errors.text);
	else if (len > 0)
		engine_load_hints(n->engine, data, (size_t)len, os_now_ns());
	free(data);
}

static void run(struct node *n)
{
	n->running = true;
	announce(n);
	engine_start(n->engine, os_now_ns());
	load_hints(n);
	control_settle(n);
	uv_run(&n->loop, UV_RUN_DEFAULT); /* until node_stop */
	env_log(&n->env, LOG_INFO, "ended");
}

void node_stop(struct node *n, int exit_status)
{
	n->stopping = true;
	n->running = false;
	n->exit_status = exit_status;
	while (engine_stop(n->engine, os_now_ns()))
		control_settle(n);
	control_settle(n);
	save_finish(n);
	uv_stop(&n->loop);
}

/* Undoes whatever of start has been done, in the other order. */
static void finish(struct node *n)
{
	if (n->jobs.wake) {
		jobs_close(&n->jobs);
		for (unsigned i = 0; i < 2; i++)
			http_stop(n->http[i]);
	}
	for (unsigned i = 0; i < n->lanes_running; i++)
		lane_stop(&n->lanes[i]);
	control_close(n);
	if (n->jobs.wake)
		jobs_fini(&n->jobs);
	if (n->lookups == 0) /* else a thread may still be writing; we exit as we are */
		save_close(n);
	if (n->listening)
		listen_unix_remove(n->config.control.socket);
	pkt_batch_fini(&n->batch);
	free(n->orders);
	if (n->netmon)
		netmon_close(n->netmon);
	ipgre_close(n->ipgre);
	if (n->udp)
		udp_close(n->udp);
	if (n->tun)
		tun_close(n->tun);
	if (n->engine)
		engine_free(n->engine);
	prim_wipe(n->token, sizeof n->token);
}

int node_main(const char *config_path)
{
	struct node *n = calloc(1, sizeof *n);
	if (!n) {
		fputs("warrend: no memory\n", stderr);
		return 1;
	}
	n->config_path = config_path;
	make_env(n);
	signal(SIGPIPE, SIG_IGN);
	os_harden(&n->env);
	if (prim_init() != 0 || uv_loop_init(&n->loop) != 0) {
		env_log(&n->env, LOG_ERROR, "cannot start: no random numbers or no event loop");
		free(n);
		return 1;
	}
	bool started = start(n) == 0;
	if (started)
		run(n);
	int status = started ? n->exit_status : 1;
	finish(n);
	/* A resolver that hangs in a thread would keep us: it holds nothing that is missed. */
	if (n->lookups > 0)
		_exit(status);
	uv_loop_close(&n->loop);
	free(n);
	return status;
}
