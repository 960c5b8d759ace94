/*
 * Small allocations: the driver packs them into pages of its own and says nowhere how. So what
 * they take is measured: free memory before and after, one such call at a time on all devices.
 * Owns how many pages they take now, by the context they were made in: with it they go.
 */
#ifndef LOWTIDE_SMALL_H
#define LOWTIDE_SMALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool small_is(uint64_t bytes);

/* Around a small allocation: takes a page from the ledger, of which small_allocated gives back
 * what was not needed. False: it does not fit under the cap, and small_allocated must not
 * follow. Holds a lock in between. */
bool small_allocating(int device);
void small_allocated(int device, uint64_t context);

/* Around the free of one. Holds a lock in between. */
void small_freeing(int device);
void small_freed(int device, uint64_t context);

/* Around anything else that takes what cannot be told: how much less is free, in whole pages.
 * The lock is held from the first to the last; small_keep, before the last: so much of it,
 * which is charged, is shared with small ones. */
void small_measuring(void);
uint64_t small_measured(void);
void small_keep(int device, uint64_t context, uint64_t bytes);
void small_measured_done(void);

/* Around what makes or releases memory of a known size on any device: it would be taken for a
 * small one's page, or for the lack of one. It keeps measurements out; where one is under way,
 * which may wait for the program's work, it goes on beside it, and no page is given back then.
 * small_changed() takes what small_changing() said. */
bool small_changing(void);
void small_changed(bool excluded);
/* The same for what may itself wait for the program's work, and so must keep nobody out. */
void small_releasing(void);
void small_released(void);

/* The context is gone, and its pages with it. */
void small_context_ended(uint64_t context);

void small_fork_prepare(void);
void small_fork_parent(void);
void small_fork_child(void);

#endif
