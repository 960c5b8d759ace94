/* Homes: which frame a block's own address is mapped to, and changing it. The pager's lock is
 * held; nothing may be running, or about to run, that touches the blocks. Where host frames are
 * plain (frame.h), a block whose home is RAM has no mapping. */
#ifndef LOWTIDE_HOME_H
#define LOWTIDE_HOME_H

#include "memory/memory.h"

/* Gives new blocks, whose frames are set, their first mapping. All adjoin and rise in address.
 */
CUresult home_map(struct memory *memory, const uint32_t *blocks, size_t count);
/* Takes the mapping away; frames stay. */
CUresult home_unmap(struct memory *memory, uint32_t block);

/* Changes the home of each block to `to`, whose frame is set. Sorts `blocks`. What could not be
 * changed keeps its old home; what could not be put back either makes the pager lost. Returns
 * how many changed. */
size_t home_switch(struct memory *memory, uint32_t *blocks, size_t count, enum block_home to);

/* The same of one block, in three parts. The second, which is the driver's work, needs no lock;
 * until the third nobody else may touch the block, its frames and its mapping. */
enum home_outcome { HOME_CHANGED, HOME_KEPT, HOME_LOST };
struct home_change {
	uint64_t address, bytes;
	CUmemGenericAllocationHandle from, to; /* 0: that home has no mapping */
	int device;
	enum block_home home; /* the new one */
	enum home_outcome outcome;
	CUresult why; /* of HOME_LOST */
};
void home_change_begin(const struct memory *memory, uint32_t block, enum block_home to,
		       struct home_change *change);
void home_change_run(struct home_change *change);
/* Whether it changed. */
bool home_change_end(struct memory *memory, uint32_t block, const struct home_change *change);

#endif
