#ifndef WARREN_SIM_PEN_H
#define WARREN_SIM_PEN_H

#include "core/crypto/handshake.h"
#include "core/wire/gre.h"
#include "test/sim/world.h"

/*
 * Somebody who writes datagrams straight into a node's engine and reads what comes back at once: without
 * a network, so that hundreds of thousands of them are a matter of seconds.
 */
struct pen {
	struct world *w;
	struct node *to;
	struct pkt_batch batch;
	struct env env;
	uint8_t reply[1600]; /* the last datagram that came back */
	size_t reply_len;
	uint64_t in, out; /* bytes of UDP payload */
};

/* Freed by the simulator. */
struct pen *pen_new(struct world *w, struct node *to);
/* A random source. */
struct endpoint pen_anywhere(struct sim *s, uint8_t family);
/* One datagram in; what it made the node send at once, which is all for its source. Returns that length. */
size_t pen_write(struct pen *pen, const struct endpoint *from, const uint8_t *data, size_t len,
	bool by_worker);
/* Is the last reply, of `out` bytes, a handshake message of this type? */
bool pen_is_answer(const struct pen *pen, size_t out, uint8_t type);

/* Members are made by the thousand. */
struct member {
	struct handshake_identity id;
	struct handshake hs;
	struct endpoint at;
	uint8_t message[GRE_PLAIN_LEN + 1300];
	size_t len;
};

/* A key, a certificate of the CA (or none that holds) and an INITIATION to the pen's node. */
void pen_member(struct pen *pen, struct member *m, unsigned number, bool signed_by_ca);
/* As a member does: with mac2 once more, if it is asked for a cookie. True: answered by a RESPONSE. */
bool pen_send_member(struct pen *pen, struct member *m);

#endif
