#include "core/daemon/clients.h"

#include "core/base/err.h"

#include <string.h>
#include <sys/socket.h>

int clients_init(struct clients *c, unsigned connections)
{
	memset(c, 0, sizeof *c);
	c->stay = connections > 1 ? connections / 2 : 1;
	return uv_mutex_init(&c->lock) == 0 ? 0 : ERR_SYSTEM;
}

void clients_fini(struct clients *c)
{
	uv_mutex_destroy(&c->lock);
}

/* The peer sees its end; the thread that waits for it wakes, and closes it. */
static void cut(struct client *client)
{
	client->cut = true;
	shutdown(client->fd, SHUT_RDWR);
}

static void cut_the_most_idle(struct clients *c)
{
	struct client *most = NULL;
	unsigned staying = 0;
	for (unsigned i = 0; i < CLIENTS_MAX; i++) {
		struct client *client = &c->v[i];
		if (!client->used || client->cut)
			continue;
		staying++;
		if (!client->working && (!most || client->since < most->since))
			most = client;
	}
	if (staying > c->stay && most)
		cut(most);
}

struct client *clients_add(struct clients *c, int fd)
{
	struct client *client = NULL;
	uv_mutex_lock(&c->lock);
	for (unsigned i = 0; i < CLIENTS_MAX && !client; i++)
		if (!c->v[i].used)
			client = &c->v[i];
	if (client) {
		*client = (struct client){.used = true, .fd = fd, .since = c->order++};
		cut_the_most_idle(c);
	} else {
		shutdown(fd, SHUT_RDWR);
	}
	uv_mutex_unlock(&c->lock);
	return client;
}

void clients_remove(struct clients *c, struct client *client)
{
	uv_mutex_lock(&c->lock);
	if (client)
		client->used = false;
	uv_mutex_unlock(&c->lock);
}

void clients_work(struct clients *c, struct client *client, bool working)
{
	uv_mutex_lock(&c->lock);
	if (client) {
		client->working = working;
		client->since = c->order++;
	}
	uv_mutex_unlock(&c->lock);
}
