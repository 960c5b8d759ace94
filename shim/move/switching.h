/*
 * The switch of a block's mapping beside the work. The driver's calls for it take the processor
 * hundreds of microseconds, so the library's own thread makes them without the pager's lock,
 * one block at a time, and the program's launches go on. Whoever needs that very block, or all
 * of them at rest, waits for those calls with the lock held; the thread does not need it to end
 * them.
 *
 * The lock is held in all of these.
 */
#ifndef LOWTIDE_SWITCHING_H
#define LOWTIDE_SWITCHING_H

#include "move/transfer.h"

/* The transfer needs only its switch: it is OUT_READY, or IN_COPY and its copy was seen
 * complete. */
void switch_here(struct mover *mover, struct transfer *transfer);

/* The same, but gives the lock back meanwhile: afterwards even the transfers may be gone. */
void switch_apart(struct mover *mover, struct transfer *transfer);

/* Waits for what is switched apart, and ends it. */
void switch_finish(struct mover *mover);

#endif
