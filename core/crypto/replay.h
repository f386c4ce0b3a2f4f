#ifndef WARREN_CRYPTO_REPLAY_H
#define WARREN_CRYPTO_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Anti-replay window of one lane of one key: RFC 6479's ring of words, which shifts by clearing
 * whole words instead of moving bits. Of 2048 bits 1984 .. 2047 look back from the newest sequence;
 * all older ones are refused. Check before opening, update after: only what has opened may move the
 * window. No lock: the caller holds one for a run of packets.
 */
#define REPLAY_BITS  2048
#define REPLAY_WORDS (REPLAY_BITS / 64)

struct replay_window {
	uint64_t top; /* one more than the newest sequence accepted; 0 = none yet */
	uint64_t words[REPLAY_WORDS];
};

void replay_init(struct replay_window *w);
/* Not seen yet and not too old? */
bool replay_check(const struct replay_window *w, uint32_t sequence);
/* Notes a sequence whose packet has opened. False, and nothing noted, if replay_check is false. */
bool replay_update(struct replay_window *w, uint32_t sequence);
/* Newer than all accepted so far? Asked before replay_update; moves a peer's endpoint. */
bool replay_is_newest(const struct replay_window *w, uint32_t sequence);

#endif
