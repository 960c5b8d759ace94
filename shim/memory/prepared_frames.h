/*
 * Host frames made ahead of need. The driver takes about as long to make one (0.09 ms a MiB: it
 * pins pages) as the bus to fill it; who needs one for an eviction or an allocation should find
 * it made. A few of the size that was last asked for are kept spare, within the host budget.
 *
 * The pager's lock is held in all of these.
 */
#ifndef LOWTIDE_PREPARED_FRAMES_H
#define LOWTIDE_PREPARED_FRAMES_H

#include "memory/memory.h"

/* So many bytes of spare host frames are there for what is to come; others may go. */
uint64_t prepared_frames_kept_bytes(const struct memory *memory);
/* Is one wanted? */
bool prepared_frames_wanted(const struct memory *memory);
/* Makes one. `let_go`: the lock is not held while the driver works; the pager does not end
 * meanwhile, says the caller. */
void prepared_frames_make(struct memory *memory, bool let_go);
/* True: one is being made by a thread that has let the lock go, as this did for a moment; once
 * it is spare it may be had, or released for another. */
bool prepared_frames_wait(struct memory *memory);

#endif
