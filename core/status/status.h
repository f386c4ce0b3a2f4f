#ifndef WARREN_STATUS_STATUS_H
#define WARREN_STATUS_STATUS_H

#include "core/engine/engine.h"

/*
 * What the engine lets be seen, as JSON. Names of fields are stable, snake_case, with their unit
 * (_ns, _s, _bytes); what is unknown is null. Never a secret. One object is a jansson tree at a time;
 * lists come in pages, so that no answer ever holds a whole table.
 *
 * Which fields an object has stands in tables (objects.c), one row each.
 */

/* Bits of core/base/offload.h. */
struct status_offloads {
	uint32_t wanted, in_use;
};

/* What the engine does not know about its node. Strings are borrowed. */
struct status_context {
	const char *version, *os, *privileges;
	const char *tun; /* interface name */
	uint16_t port, mtu;
	unsigned workers;
	struct status_offloads tun_offloads, udp_offloads;
	uint64_t now;                /* monotonic ns */
	uint64_t wall_s;             /* unix; by which certificates are judged */
	bool clock_suspect;          /* the system's clock is behind that */
	const char *const *warnings; /* of the daemon's own; NULL-terminated, or NULL */
	bool endpoints;              /* may underlay addresses of peers be shown? */
};

/* Text that grows; text is NUL-terminated, or NULL while empty. */
struct status_text {
	char *text;
	size_t len, cap;
	bool failed; /* out of memory: what is there is not to be used */
};
void status_text_add(struct status_text *t, const char *bytes, size_t len);
void status_text_fini(struct status_text *t);

/* Conditions of the node that its user should know of: fixed texts; the number of them. */
#define STATUS_WARNINGS 12
unsigned status_warnings(const struct node_view *view, const struct status_context *context,
	const char *out[STATUS_WARNINGS]);

/* The status object; {"ready":true} or false with a reason. */
void status_node_json(
	const struct engine *e, const struct status_context *context, struct status_text *out);
void status_ready_json(const struct engine *e, struct status_text *out, bool *ready);

enum status_list { STATUS_PEERS, STATUS_ROUTES, STATUS_NHRP, STATUS_LISTS };
/* "peers": the path's last part, and the array's name in the answer. */
const char *status_list_name(enum status_list list);

/*
 * A list is `{"peers":[` objects with commas between them `],"next":N}`; next is the cursor to go on
 * from, null at the end. STATUS_PAGE objects at most are rendered at once:
 * status_page is called until walk->done and appends each time to out.
 */
#define STATUS_PAGE 128

struct status_walk {
	enum status_list list;
	uint32_t cursor; /* where to go on; 0 = from the start */
	uint32_t left;   /* objects still wanted */
	bool begun, comma, done;
};
/* limit 0 = all. */
struct status_walk status_walk_begin(enum status_list list, uint32_t after, uint32_t limit);
void status_page(const struct engine *e, const struct status_context *context,
	struct status_walk *walk, struct status_text *out);

#endif
