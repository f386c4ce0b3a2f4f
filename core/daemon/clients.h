#ifndef WARREN_DAEMON_CLIENTS_H
#define WARREN_DAEMON_CLIENTS_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/*
 * The connections of one HTTP listener. There are few, so that nobody can use the daemon up; and whoever
 * says nothing, or does not read, must not keep others out with them: half of the connections may stay,
 * and when there is one more, the one that has been idle for longest is cut off.
 */
#define CLIENTS_MAX 16 /* with those that are being cut off */

struct client {
	bool used, cut;
	bool working; /* the control loop has been asked for it: it is not idle */
	int fd;
	uint64_t since; /* order of its last sign of life: connected, or was answered */
};

struct clients {
	uv_mutex_t lock;
	uint64_t order;
	unsigned stay; /* so many may */
	struct client v[CLIENTS_MAX];
};

/* For so many connections, at most CLIENTS_MAX. 0 or ERR_SYSTEM. */
int clients_init(struct clients *c, unsigned connections);
void clients_fini(struct clients *c);
/* A connection on fd has come. NULL: there is no room, it has been shut down. */
struct client *clients_add(struct clients *c, int fd);
/* It is about to be closed. client may be NULL. */
void clients_remove(struct clients *c, struct client *client);
/* Its request is being worked on, or has been. client may be NULL. */
void clients_work(struct clients *c, struct client *client, bool working);

#endif
