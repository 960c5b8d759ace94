/* Ways in: from RAM to VRAM, beside unrelated work. */
#include "driver/driver.h"
#include "move/block_moved.h"
#include "memory/mapping.h"
#include "move/verify.h"
#include "move/transfer.h"

#include <string.h>

bool arrive_begin(struct mover *mover, struct slot *slot, bool make)
{
	struct block *block = way_block(mover, slot);
	struct frame *frame;
	CUresult result;

	if (!way_is_over(mover, block))
		return false; /* a kernel may be writing it in place */
	frame = make ? frame_take(&mover->memory->frames, false, block->size_class)
		     : frame_take_spare(&mover->memory->frames, false, block->size_class);
	if (!frame)
		return false;
	slot->frame = frame;
	slot->way = ARRIVE_COPY;
	result = block_copy_in(mover, block, frame);
	/* The hashes have streams of their own: they may have to wait for the program's
	 * kernels, which the next copy must not; and one of what leaves must not wait for what
	 * is still to come. */
	if (result == CUDA_SUCCESS)
		result = real(cuEventRecord)(slot->event, mover->stream_in);
	if (result == CUDA_SUCCESS)
		result = real(cuStreamWaitEvent)(mover->stream_hash_in, slot->event, 0);
	if (result == CUDA_SUCCESS)
		result = way_hash_begin(mover, slot, frame, mover->stream_hash_in);
	if (result != CUDA_SUCCESS) {
		way_give_up(mover, slot);
		return false;
	}
	return true;
}

void arrive_switch_begin(struct mover *mover, struct slot *slot, struct home_change *change)
{
	struct block *block = way_block(mover, slot);

	verify_block(mover, block, slot->frame);
	block->device = slot->frame;
	memcpy(block->hash, way_hash(mover, slot), sizeof(block->hash));
	slot->way = ARRIVE_SWITCH;
	home_change_begin(mover->memory, slot->block, HOME_DEVICE, change);
}

void arrive_switch_end(struct mover *mover, struct slot *slot, const struct home_change *change)
{
	struct block *block = way_block(mover, slot);

	if (home_change_end(mover->memory, slot->block, change)) {
		block->hashed = true;
		block_arrived(mover, block);
	} else {
		frame_give(&mover->memory->frames, block->device);
		block->device = NULL;
		mover->stats.failed_moves++;
	}
	way_end(mover, slot);
}
