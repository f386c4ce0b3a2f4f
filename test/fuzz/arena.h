#ifndef WARREN_TEST_FUZZ_ARENA_H
#define WARREN_TEST_FUZZ_ARENA_H

/*
 * Memory that goes back to what it was. While the arena is open, malloc and calloc take from it (the
 * target is linked with --wrap); arena_snapshot remembers it all, and arena_restore undoes what
 * has been written and allocated since, at the cost of a copy of the few pages that runs write to. Under
 * ASan blocks stand between poisoned gaps, and a freed one is poisoned.
 *
 * Which pages those are is learnt from write faults: a page is protected until it is first written
 * to, and copied back after every run from then on. Now and then all is forgotten and learnt anew.
 */
void arena_open(void);
void arena_close(void);
void arena_snapshot(void);
void arena_restore(void);

#endif
