#include "core/crypto/replay.h"

#include <string.h>

void replay_init(struct replay_window *w)
{
	memset(w, 0, sizeof *w);
}

bool replay_is_newest(const struct replay_window *w, uint32_t sequence)
{
	return sequence >= w->top;
}

bool replay_check(const struct replay_window *w, uint32_t sequence)
{
	if (replay_is_newest(w, sequence))
		return true;
	uint64_t word = sequence / 64, newest = (w->top - 1) / 64;
	if (word + REPLAY_WORDS <= newest)
		return false;
	return !(w->words[word % REPLAY_WORDS] >> sequence % 64 & 1);
}

bool replay_update(struct replay_window *w, uint32_t sequence)
{
	if (!replay_check(w, sequence))
		return false;
	uint64_t word = sequence / 64;
	if (replay_is_newest(w, sequence)) {
		/* Words between the old and the new newest have been used a lap ago. */
		uint64_t newest = w->top ? (w->top - 1) / 64 : 0;
		uint64_t clear = word - newest < REPLAY_WORDS ? word - newest : REPLAY_WORDS;
		for (uint64_t i = 0; i < clear; i++)
			w->words[(word - i) % REPLAY_WORDS] = 0;
		w->top = (uint64_t)sequence + 1;
	}
	w->words[word % REPLAY_WORDS] |= UINT64_C(1) << sequence % 64;
	return true;
}
