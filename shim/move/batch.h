/* Moving blocks between their homes, a batch at a time, in an open window. The pager's lock is
 * held. */
#ifndef LOWTIDE_BATCH_H
#define LOWTIDE_BATCH_H

#include "move/mover.h"

/* Each block is resident; those with a host frame to go to leave VRAM, copied first unless
 * their host frame still holds the same bytes. Reorders `blocks`. The device frames become
 * spare. */
void batch_move_out(struct mover *mover, uint32_t *blocks, size_t count);
/* Each block is cold; those for which there is a device frame come in. */
void batch_move_in(struct mover *mover, uint32_t *blocks, size_t count);

/* The same by steps, for pipeline.c. At most HASH_BATCH: those with a host frame to go to come
 * first, and are asked which are clean; how many. Each must then leave. */
size_t batch_begin_out(struct mover *mover, uint32_t *blocks, size_t count);
void batch_finish_out(struct mover *mover, uint32_t *blocks, size_t count);
/* Each was copied into its device frame, and the copy was seen complete: changes its home. */
void batch_finish_in(struct mover *mover, uint32_t *blocks, size_t count);
/* What landed in this window, before the gate opens: unhashed it counts as dirty. */
void batch_hash_arrived(struct mover *mover, const uint32_t *blocks, size_t count);
/* It stays cold; its device frame, which nothing may be writing, becomes spare. */
void batch_cancel_in(struct mover *mover, struct block *block);

/* A host frame of a class, if need be the kept copy of a block that is resident. NULL: none. */
struct frame *batch_host_frame(struct mover *mover, unsigned int size_class);

#endif
