/* The same as memory/valid.h of what moves: the transfers agree with their queue and with the
 * blocks. Debug builds look after each window and each transfer. The pager's lock is held. */
#ifndef LOWTIDE_MOVER_VALID_H
#define LOWTIDE_MOVER_VALID_H

#include "move/mover.h"

#ifdef LOWTIDE_DEBUG
void mover_see_valid(const struct mover *mover);
#else
static inline void mover_see_valid(const struct mover *mover)
{
	(void)mover;
}
#endif

#endif
