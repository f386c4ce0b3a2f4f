#include "test/fake/platform_fake.h"

#include "core/base/err.h"

#include <assert.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SOCKETS_MAX 17
#define QUEUES_MAX  16
#define TABLE_MAIN  254

struct fake fake;

/* ---- Queues --------------------------------------------------------------------------------- */

struct item {
	struct item *next;
	struct fake_packet packet; /* with no more memory than its data needs */
};

/* Of a packet, as far as its data goes. */
static size_t size_of(const struct fake_packet *packet)
{
	return offsetof(struct fake_packet, data) + packet->len;
}

/* First in, first out; a byte in the pipe for each item. */
struct queue {
	int fd[2];
	struct item *first, **last;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void queue_init(struct queue *q)
{
	int rc = pipe2(q->fd, O_NONBLOCK | O_CLOEXEC);
	assert(rc == 0);
	(void)rc;
	q->first = NULL;
	q->last = &q->first;
}

static bool queue_take(struct queue *q, struct fake_packet *out)
{
	char byte;
	pthread_mutex_lock(&lock);
	struct item *item = q->first;
	if (item && read(q->fd[0], &byte, 1) == 1) {
		q->first = item->next;
		if (!q->first)
			q->last = &q->first;
		memcpy(out, &item->packet, size_of(&item->packet));
	}
	pthread_mutex_unlock(&lock);
	free(item);
	return item != NULL;
}

static void queue_put(struct queue *q, const struct fake_packet *packet)
{
	struct item *item = malloc(offsetof(struct item, packet) + size_of(packet));
	assert(item);
	item->next = NULL;
	memcpy(&item->packet, packet, size_of(packet));
	pthread_mutex_lock(&lock);
	*q->last = item;
	q->last = &item->next;
	ssize_t n = write(q->fd[1], "", 1);
	pthread_mutex_unlock(&lock);
	assert(n == 1); /* a test that feeds 64 Ki packets without anyone reading them */
	(void)n;
}

static void queue_fini(struct queue *q)
{
	struct fake_packet packet;
	while (queue_take(q, &packet))
		;
	close(q->fd[0]);
	close(q->fd[1]);
}

static bool send_fails(void)
{
	unsigned n = fake.fail_sends;
	while (n > 0)
		if (atomic_compare_exchange_weak(&fake.fail_sends, &n, n - 1))
			return true;
	return false;
}

void fake_reset(void)
{
	assert(!fake.tun && !fake.udp && !fake.netmon);
	fake = (struct fake){0};
}

/* ---- TUN ------------------------------------------------------------------------------------ */

struct tun {
	struct tun_config config;
	_Atomic uint32_t offloads; /* all that are wanted, until they are refused */
	struct queue in[QUEUES_MAX], out;
};

int tun_open(struct tun **out, const struct tun_config *config, const struct env *env)
{
	(void)env;
	*out = NULL;
	if (config->mtu > PKT_ROOM || config->queues > QUEUES_MAX)
		return ERR_UNSUPPORTED;
	struct tun *tun = fake.fail_opens ? NULL : calloc(1, sizeof *tun);
	if (!tun)
		return ERR_SYSTEM;
	tun->config = *config;
	tun->offloads = config->offloads;
	for (unsigned i = 0; i < config->queues; i++)
		queue_init(&tun->in[i]);
	queue_init(&tun->out);
	*out = fake.tun = tun;
	return 0;
}

int tun_add_address(struct tun *tun, const struct prefix *address)
{
	(void)tun, (void)address;
	return 0;
}

void tun_close(struct tun *tun)
{
	if (!tun)
		return;
	for (unsigned i = 0; i < tun->config.queues; i++)
		queue_fini(&tun->in[i]);
	queue_fini(&tun->out);
	fake.tun = NULL;
	free(tun);
}

unsigned tun_queues(const struct tun *tun)
{
	return tun->config.queues;
}

uint32_t tun_offloads(const struct tun *tun)
{
	return tun->offloads;
}

const char *tun_name(const struct tun *tun)
{
	return tun->config.name;
}

unsigned tun_ifindex(const struct tun *tun)
{
	(void)tun;
	return FAKE_IFINDEX;
}

int tun_fd(const struct tun *tun, unsigned queue)
{
	return tun->in[queue].fd[0];
}

int tun_read(struct tun *tun, unsigned queue, struct pkt_batch *b, size_t byte_budget)
{
	struct fake_packet packet;
	bool trains = tun->offloads & (TUN_TSO | TUN_USO);
	size_t bytes = 0, at = PKT_HEADROOM, room = (trains ? PKT_TRAIN : PKT_ROOM) + PKT_TAILROOM;
	for (b->n = 0; b->n < b->cap && bytes < byte_budget && at + room <= b->size; b->n++) {
		if (!queue_take(&tun->in[queue], &packet))
			break;
		struct pkt *p = pkt_place(b, b->n, at);
		memcpy(p->data, packet.data, packet.len);
		p->len = packet.len;
		p->gso_size = packet.gso_size;
		p->gso_type = packet.gso_type;
		p->flags = packet.flags;
		p->l4_off = packet.l4_off;
		p->csum_off = packet.csum_off;
		bytes += packet.len;
		at += packet.len + PKT_TAILROOM + PKT_HEADROOM;
	}
	return b->n;
}

static uint32_t kind_of(const struct pkt *p)
{
	return p->gso_size == 0 ? 0 : p->gso_type == PKT_UDP ? TUN_COALESCE_UDP : TUN_COALESCE_TCP;
}

static void write_packet(struct tun *tun, unsigned queue, const struct pkt_batch *b, uint16_t i)
{
	const struct pkt *p = &b->v[i];
	struct fake_packet packet;
	memset(&packet, 0, offsetof(struct fake_packet, data));
	packet.queue = queue;
	packet.gso_size = p->gso_size;
	packet.gso_type = p->gso_type;
	packet.flags = p->flags;
	packet.l4_off = p->l4_off;
	packet.csum_off = p->csum_off;
	do {
		p = &b->v[i];
		assert(packet.len + p->len <= sizeof packet.data);
		memcpy(packet.data + packet.len, p->data, p->len);
		packet.len += p->len;
		i = p->next;
	} while (i != 0);
	queue_put(&tun->out, &packet);
}

unsigned tun_write(struct tun *tun, unsigned queue, struct pkt_batch *b)
{
	unsigned refused = 0;
	for (uint16_t i = 0; i < b->n; i++) {
		struct pkt *p = &b->v[i];
		uint32_t kind = kind_of(p);
		if (p->verdict != PKT_WRITE_TUN)
			continue;
		if (kind != 0 && (fake.refuse_trains || !(tun->offloads & kind))) {
			tun->offloads &= ~kind;
			refused++;
		} else if ((kind == 0 && p->len > PKT_ROOM) || send_fails()) {
			pkt_drop(p, DROP_SEND_FAILED);
		} else {
			write_packet(tun, queue, b, i);
			p->verdict = PKT_CONSUMED;
		}
	}
	return refused;
}

void fake_tun_feed(struct tun *tun, unsigned queue, const void *data, size_t len)
{
	struct fake_packet packet = {.len = (uint32_t)len};
	assert(len <= PKT_ROOM);
	memcpy(packet.data, data, len);
	fake_tun_feed_train(tun, queue, &packet);
}

void fake_tun_feed_train(struct tun *tun, unsigned queue, const struct fake_packet *train)
{
	queue_put(&tun->in[queue], train);
}

bool fake_tun_take(struct tun *tun, struct fake_packet *out)
{
	return queue_take(&tun->out, out);
}

/* ---- UDP ------------------------------------------------------------------------------------ */

struct udp {
	uint16_t port;
	uint32_t offloads;
	unsigned n;
	struct queue in[SOCKETS_MAX][2], out;
	bool open[2]; /* IPv4, IPv6 */
};

int udp_open(struct udp **out, const struct udp_config *config, const struct env *env)
{
	(void)env;
	*out = NULL;
	if (config->workers >= SOCKETS_MAX)
		return ERR_UNSUPPORTED;
	struct udp *udp = fake.fail_opens ? NULL : calloc(1, sizeof *udp);
	if (!udp)
		return ERR_SYSTEM;
	udp->port = config->port ? config->port : 40000;
	udp->offloads = config->offloads;
	udp->n = 1 + config->workers;
	udp->open[0] = config->address.family != 6;
	udp->open[1] = config->address.family != 4;
	for (unsigned i = 0; i < udp->n; i++) {
		queue_init(&udp->in[i][0]);
		queue_init(&udp->in[i][1]);
	}
	queue_init(&udp->out);
	*out = fake.udp = udp;
	return 0;
}

void udp_close(struct udp *udp)
{
	if (!udp)
		return;
	for (unsigned i = 0; i < udp->n; i++) {
		queue_fini(&udp->in[i][0]);
		queue_fini(&udp->in[i][1]);
	}
	queue_fini(&udp->out);
	fake.udp = NULL;
	free(udp);
}

uint16_t udp_port(const struct udp *udp)
{
	return udp->port;
}

uint32_t udp_offloads(const struct udp *udp)
{
	return udp->offloads;
}

int udp_fd(const struct udp *udp, unsigned socket, uint8_t family)
{
	bool open = socket < udp->n && addr_size(family) && udp->open[family == 6];
	return open ? udp->in[socket][family == 6].fd[0] : -1;
}

int udp_recv(struct udp *udp, unsigned socket, uint8_t family, struct pkt_batch *b)
{
	struct fake_packet packet;
	if (udp_fd(udp, socket, family) < 0)
		return ERR_SYSTEM;
	for (b->n = 0; b->n < b->cap; b->n++) {
		if (!queue_take(&udp->in[socket][family == 6], &packet))
			break;
		struct pkt *p = pkt_reset(b, b->n);
		memcpy(p->data, packet.data, packet.len);
		p->len = packet.len;
		p->remote = packet.remote;
		p->local = packet.local;
		p->tos = packet.tos;
	}
	return b->n;
}

static bool send_datagram(struct udp *udp, struct fake_packet *packet, const void *data, size_t len)
{
	if (udp_fd(udp, packet->queue, packet->remote.addr.family) < 0 || len > PKT_ROOM ||
		send_fails())
		return false;
	packet->len = (uint32_t)len;
	memcpy(packet->data, data, len);
	queue_put(&udp->out, packet);
	return true;
}

void udp_send(struct udp *udp, unsigned socket, struct pkt_batch *b)
{
	for (uint16_t i = 0; i < b->n; i++) {
		struct pkt *p = &b->v[i];
		struct fake_packet packet = {.remote = p->remote,
			.local = p->local,
			.tos = p->tos,
			.ttl = p->ttl,
			.queue = socket};
		uint32_t step = p->gso_size ? p->gso_size : p->len;
		for (uint32_t at = 0; at < p->len && p->verdict == PKT_SEND_UDP; at += step)
			if (!send_datagram(udp, &packet, p->data + at,
				    p->len - at < step ? p->len - at : step))
				pkt_drop(p, DROP_SEND_FAILED);
	}
}

int udp_send_one(struct udp *udp, const struct endpoint *to, const struct ip_addr *from,
	uint8_t ttl, const void *data, size_t len)
{
	struct fake_packet packet = {.remote = *to, .ttl = ttl};
	if (from)
		packet.local = *from;
	return send_datagram(udp, &packet, data, len) ? 0 : ERR_SYSTEM;
}

/* Nobody here speaks GRE without UDP. */
int ipgre_open(struct ipgre **out, const struct ip_addr *address, const struct env *env)
{
	(void)address, (void)env;
	*out = NULL;
	return ERR_UNSUPPORTED;
}

void ipgre_close(struct ipgre *gre)
{
	(void)gre;
}

int ipgre_fd(const struct ipgre *gre, uint8_t family)
{
	(void)gre, (void)family;
	return -1;
}

int ipgre_recv(struct ipgre *gre, uint8_t family, struct pkt_batch *b)
{
	(void)gre, (void)family, (void)b;
	return ERR_SYSTEM;
}

void ipgre_send(struct ipgre *gre, struct pkt_batch *b)
{
	(void)gre, (void)b;
}

int ipgre_send_one(struct ipgre *gre, const struct ip_addr *to, const struct ip_addr *from,
	const void *data, size_t len)
{
	(void)gre, (void)to, (void)from, (void)data, (void)len;
	return ERR_SYSTEM;
}

struct udp_losses udp_take_losses(struct udp *udp)
{
	(void)udp;
	return (struct udp_losses){0}; /* queues without end, and nothing is foreign */
}

void fake_udp_feed(struct udp *udp, unsigned socket, const struct fake_packet *packet)
{
	assert(udp_fd(udp, socket, packet->remote.addr.family) >= 0);
	queue_put(&udp->in[socket][packet->remote.addr.family == 6], packet);
}

bool fake_udp_take(struct udp *udp, struct fake_packet *out)
{
	return queue_take(&udp->out, out);
}

/* ---- Routes and addresses ------------------------------------------------------------------- */

struct news { /* travels in a fake_packet's data */
	bool is_route, deleted;
	struct kernel_route route;
	uint32_t ifindex;
	struct prefix address;
};

_Static_assert(sizeof(struct news) <= PKT_ROOM, "news fit into a packet");

struct netmon {
	struct netmon_events events;
	struct queue news;
};

int netmon_open(struct netmon **out, const uint32_t *tables, unsigned n_tables,
	const struct netmon_events *events, const struct env *env)
{
	(void)tables, (void)n_tables, (void)env;
	struct netmon *m = fake.fail_opens ? NULL : calloc(1, sizeof *m);
	*out = m;
	if (!m)
		return ERR_SYSTEM;
	m->events = *events;
	queue_init(&m->news);
	fake.netmon = m;
	netmon_resync(m);
	return 0;
}

void netmon_close(struct netmon *m)
{
	if (!m)
		return;
	queue_fini(&m->news);
	fake.netmon = NULL;
	free(m);
}

int netmon_fd(const struct netmon *m)
{
	return m->news.fd[0];
}

static void tell_route(struct netmon *m, const struct kernel_route *route, bool deleted)
{
	struct kernel_legs legs = {.n = !deleted,
		.v = {{.gateway = route->gateway, .ifindex = route->ifindex, .weight = 1}}};
	m->events.route(m->events.ctx, route, &legs, deleted);
}

int netmon_read(struct netmon *m)
{
	struct fake_packet packet;
	struct news news;
	while (queue_take(&m->news, &packet)) {
		memcpy(&news, packet.data, sizeof news);
		if (news.is_route)
			tell_route(m, &news.route, news.deleted);
		else
			m->events.address(m->events.ctx, news.ifindex, &news.address, news.deleted);
	}
	return 0;
}

static struct kernel_route kernel_route_of(const struct fake_route *r)
{
	return (struct kernel_route){.prefix = r->prefix,
		.gateway = r->gateway,
		.ifindex = r->ifindex,
		.table = TABLE_MAIN,
		.metric = r->metric,
		.protocol = ROUTE_PROTOCOL_WARREN,
		.kind = ROUTE_UNICAST};
}

void netmon_tell_routes(struct netmon *m)
{
	for (unsigned i = 0; i < fake.n_routes; i++) {
		struct kernel_route route = kernel_route_of(&fake.routes[i]);
		tell_route(m, &route, false);
	}
}

/* All that this kernel has of its own are the routes that were installed. */
int netmon_resync(struct netmon *m)
{
	m->events.reset(m->events.ctx);
	netmon_tell_routes(m);
	m->events.synced(m->events.ctx);
	return 0;
}

static void announce(struct netmon *m, const struct news *news)
{
	struct fake_packet packet = {.len = sizeof *news};
	memcpy(packet.data, news, sizeof *news);
	queue_put(&m->news, &packet);
}

void fake_announce_route(struct netmon *m, const struct kernel_route *route, bool deleted)
{
	announce(m, &(struct news){.is_route = true, .route = *route, .deleted = deleted});
}

void fake_announce_address(
	struct netmon *m, uint32_t ifindex, const struct prefix *address, bool deleted)
{
	announce(m, &(struct news){.ifindex = ifindex, .address = *address, .deleted = deleted});
}

static struct fake_route *find_route(const struct prefix *prefix, uint32_t metric)
{
	for (unsigned i = 0; i < fake.n_routes; i++)
		if (fake.routes[i].metric == metric && prefix_equal(&fake.routes[i].prefix, prefix))
			return &fake.routes[i];
	return NULL;
}

int route_add(struct netmon *m, const struct prefix *prefix, const struct ip_addr *gateway,
	uint32_t ifindex, uint32_t metric)
{
	struct fake_route *r = find_route(prefix, metric);
	if (!r && fake.n_routes == FAKE_ROUTES)
		return ERR_SYSTEM;
	if (!r)
		r = &fake.routes[fake.n_routes++];
	*r = (struct fake_route){.prefix = *prefix, .ifindex = ifindex, .metric = metric};
	if (gateway)
		r->gateway = *gateway;
	struct kernel_route route = kernel_route_of(r);
	fake_announce_route(m, &route, false);
	return 0;
}

int route_delete(struct netmon *m, const struct prefix *prefix, const struct ip_addr *gateway,
	uint32_t ifindex, uint32_t metric)
{
	struct fake_route *r = find_route(prefix, metric);
	if (!r || r->ifindex != ifindex || (gateway && !addr_equal(gateway, &r->gateway)))
		return 0;
	struct kernel_route route = kernel_route_of(r);
	*r = fake.routes[--fake.n_routes];
	fake_announce_route(m, &route, true);
	return 0;
}

/* ---- The rest ------------------------------------------------------------------------------- */

uint64_t os_now_ns(void)
{
	return fake.now_ns;
}

uint64_t os_awake_ns(void)
{
	return fake.now_ns - fake.asleep_ns;
}

uint64_t os_wall_s(void)
{
	return fake.wall_s;
}

int os_drop_privileges(const char *user, const struct env *env)
{
	(void)user, (void)env;
	return 0;
}

void os_harden(const struct env *env)
{
	(void)env;
}

int os_peer_credentials(int fd, unsigned *uid, unsigned *gid)
{
	*uid = *gid = 0;
	return fd < 0 ? ERR_SYSTEM : 0;
}

unsigned os_descriptors_left(void)
{
	return 1000;
}

void os_describe(char *out, size_t cap)
{
	snprintf(out, cap, "Fake 1.0 memory");
}

const char *os_privileges(void)
{
	return "none";
}
