/*
 * What a move means for a block and the account, whichever engine made it: the one of windows
 * (batch.h, pipeline.h) or the one beside the work (transfer.h). The pager's lock is held.
 */
#ifndef LOWTIDE_BLOCK_MOVED_H
#define LOWTIDE_BLOCK_MOVED_H

#include "move/mover.h"

/* Put the copy of all of the block into stream_out, or stream_in, and count its bytes. */
CUresult block_copy_out(struct mover *mover, const struct block *block);
CUresult block_copy_in(struct mover *mover, const struct block *block, const struct frame *to);

/* Its address was mapped to its host frame: the device frame is spare. */
void block_evicted(struct mover *mover, struct block *block);
/* Its address was mapped to its device frame, of whose content the hash may be known
 * (block->hashed). */
void block_arrived(struct mover *mover, struct block *block);

#endif
