/*
 * Overlapped switches: a block changes its home while unrelated work runs, by evidence that
 * nothing running, or about to run, can touch it: launches have named it again and again, the
 * last of them and a few more are over, and it is in no graph and no table of pointers that was
 * seen. The assumption: work that reaches a block's memory names it. Anything else is switched
 * in windows. Copies run beside the program's work, through aliases.
 *
 * A block on its way can be stopped at any moment before its mapping changes; while it does,
 * whoever would stop it waits for that. The pager's lock is held in all of these.
 */
#ifndef LOWTIDE_OVERLAP_H
#define LOWTIDE_OVERLAP_H

#include "memory/block_set.h"
#include "move/mover.h"
#include "policy.h"

struct overlap;

/* NULL: out of memory. The context is current. */
struct overlap *overlap_create(void);
/* Its context is gone, or nothing is on its way. Frames of what was go back to the pool. */
void overlap_destroy(struct mover *mover);

/* The policy's actions: whichever are by evidence possible are begun. Returns how many
 * evictions are not: there a window is needed. */
size_t overlap_want(struct mover *mover, const struct policy_action *actions, size_t count);
/* A spare device frame for a new block, at the price of the first of these evictions that
 * give one without waiting for the program's work. */
bool overlap_make_place(struct mover *mover, const struct policy_action *actions, size_t count,
			unsigned int size_class);
/* One step of everything on its way. */
void overlap_step(struct mover *mover);
/* The same by a thread of its own: one piece of the driver's work at most, a switch or a frame,
 * for which the lock is given back (switching.h). Whether there was one: there may be more to
 * do at once. */
bool overlap_step_apart(struct mover *mover);
/* Are copies into VRAM queued, so that the processor has time for something else? */
bool overlap_bus_is_fed(const struct mover *mover);
/* Is anything on its way? */
bool overlap_busy(const struct mover *mover);

/* A launch is about to use the component: what of it is leaving stays, and nothing of it that
 * is not asked for arrives meanwhile. */
void overlap_hold(struct mover *mover, const struct component *component,
		  const struct block_set *asked);
/* Which of these are arriving, so that waiting for them is worth while; at most `room`. */
size_t overlap_arriving(struct mover *mover, const uint32_t *blocks, size_t count,
			uint32_t *arriving, size_t room);
/* Until when a launch may wait for what it names to arrive; in vain: it waited so long. */
uint64_t overlap_wait_until_ns(const struct mover *mover, uint64_t now_ns);
void overlap_waited_in_vain(struct mover *mover, uint64_t now_ns);
/* It needs a frame, and nothing that is leaving will make one free. */
bool overlap_hopeless(struct mover *mover, uint32_t block);

/* The block stays where it is. */
void overlap_stop(struct mover *mover, uint32_t block);
/* Stops everything on its way, and waits for the copies that run. */
void overlap_settle(struct mover *mover);
/* The same, if anything of this component is on its way. */
void overlap_settle_component(struct mover *mover, const struct component *component);

#endif
