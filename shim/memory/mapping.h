/* Homes: which frame a block's own address is mapped to, and changing it. The pager's lock is
 * held; nothing may be running, or about to run, that touches the blocks. Where host frames are
 * plain (frame.h), a block whose home is RAM has no mapping. */
#ifndef LOWTIDE_MAPPING_H
#define LOWTIDE_MAPPING_H

#include "memory/memory.h"

/* Gives new blocks, whose frames are set, their first mapping. All adjoin and rise in address.
 */
CUresult mapping_make(struct memory *memory, const uint32_t *blocks, size_t count);
/* Takes the mapping away; frames stay. */
CUresult mapping_remove(struct memory *memory, uint32_t block);

/* Changes the home of each block to `to`, whose frame is set. Sorts `blocks`. What could not be
 * changed keeps its old home; what could not be put back either makes the pager lost. Returns
 * how many changed. */
size_t mapping_switch(struct memory *memory, uint32_t *blocks, size_t count,
		      enum block_home to);

/* The same of one block that has a mapping in either home, in three parts. The second, which is
 * the driver's work, needs no lock; until the third nobody else may touch the block, its frames
 * and its mapping. */
enum mapping_outcome { MAPPING_CHANGED, MAPPING_KEPT, MAPPING_LOST };
struct mapping_change {
	uint64_t address, bytes;
	CUmemGenericAllocationHandle from, to;
	int device;
	enum block_home home; /* the new one */
	enum mapping_outcome outcome;
	CUresult why; /* of MAPPING_LOST */
};
void mapping_change_begin(const struct memory *memory, uint32_t block, enum block_home to,
			  struct mapping_change *change);
void mapping_change_run(struct mapping_change *change);
/* Whether it changed. */
bool mapping_change_end(struct memory *memory, uint32_t block,
			const struct mapping_change *change);

#endif
