/* A window's moves as a pipeline: while one block's copy crosses the bus, the processor changes
 * the homes of others. The pager's lock is held, a window is open. */
#ifndef LOWTIDE_PIPELINE_H
#define LOWTIDE_PIPELINE_H

#include "move/mover.h"

/* batch_move_out() of `leaving` and batch_move_in() of `coming`, each for the other's time. A
 * block's frame is filled anew only once its home is RAM, and a block's home becomes VRAM only
 * once its copy was seen complete. Reorders both. */
void pipeline_run(struct mover *mover, uint32_t *leaving, size_t leaving_count,
		  uint32_t *coming, size_t coming_count);

#endif
