#ifndef WARREN_PEER_HINTS_H
#define WARREN_PEER_HINTS_H

#include "core/base/cursor.h"
#include "core/crypto/handshake.h"

/*
 * The hint file: whom a node had sessions with, and where, so that after a restart it can look for them
 * at once instead of waiting to be found. Hints only: nothing is believed before a handshake. No secret is
 * in it, and nothing that a handshake does not bring anew (a certificate, say).
 *
 *   "warrenh1" 8 | saved u64, unix s | count u32 | entries | MAC 16
 *   entry: static key 32 | family u8, zero u8, port u16, address 16 | timestamp 12 | expires u64, unix s
 *
 * The MAC's key comes from the node's own static key and its network: a file that was damaged, cut short,
 * or is another node's does not verify.
 */
#define HINT_SIZE      72
#define HINTS_OVERHEAD (8 + 8 + 4 + MAC_LEN)
#define HINTS_MAX      131072 /* entries, in any file */

struct hint {
	uint8_t key[KEY_LEN];
	struct endpoint at;
	uint8_t timestamp[HANDSHAKE_TIMESTAMP_LEN]; /* of its last confirmed INITIATION; zeros */
	uint64_t expires_s;                         /* unix: not worth a try after that */
};

struct hints {
	uint64_t saved_s;
	uint32_t left;         /* entries not taken yet */
	struct reader entries; /* borrowed */
};

/*
 * Looks at all of it but the MAC. ERR_TRUNCATED; ERR_VERSION: no such file, or of another version;
 * ERR_MALFORMED: an entry that cannot be (family, port, address), or more bytes than the count says.
 */
int hints_decode(const void *data, size_t len, struct hints *out);
/* The next entry; false after the last one. */
bool hints_next(struct hints *h, struct hint *out);
/* Is the file this node's, and whole? len of one that hints_decode has accepted. */
bool hints_verify(const void *data, size_t len, const struct handshake_identity *id);

/* Writing: begin, one call an entry, seal. out needs HINTS_OVERHEAD + n * HINT_SIZE bytes. */
void hints_begin(struct writer *w, uint8_t *out, size_t cap, uint64_t saved_s);
void hints_add(struct writer *w, const struct hint *hint);
/* The length, or ERR_NO_SPACE. */
int hints_seal(struct writer *w, const struct handshake_identity *id);

#endif
