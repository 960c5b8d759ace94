/* A window's exchange as a pipeline: while one block's copy crosses the bus, the processor
 * changes the homes of others. The pager's lock is held, a window is open. */
#ifndef LOWTIDE_EXCHANGE_H
#define LOWTIDE_EXCHANGE_H

#include "move/mover.h"

/* transit_evict() of `leaving` and transit_page_in() of `coming`, each for the other's time. A
 * block's frame is filled anew only once its home is RAM, and a block's home becomes VRAM only
 * once its copy was seen complete. Reorders both. */
void exchange_homes(struct mover *mover, uint32_t *leaving, size_t leaving_count,
		    uint32_t *coming, size_t coming_count);

#endif
