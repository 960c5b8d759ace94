/* Transfers from RAM to VRAM, beside unrelated work. */
#include "driver/driver.h"
#include "move/block_moved.h"
#include "memory/mapping.h"
#include "move/verify.h"
#include "move/transfer.h"

#include <string.h>

bool transfer_in_begin(struct mover *mover, struct transfer *transfer, bool make)
{
	struct block *block = transfer_block(mover, transfer);
	struct frame *frame;
	CUresult result;

	if (!transfer_work_is_over(mover, block))
		return false; /* a kernel may be writing it in place */
	frame = make ? frame_take(&mover->memory->frames, false, block->size_class)
		     : frame_take_spare(&mover->memory->frames, false, block->size_class);
	if (!frame)
		return false;
	transfer->frame = frame;
	transfer->state = IN_COPY;
	result = block_copy_in(mover, block, frame);
	/* The hashes have streams of their own: they may have to wait for the program's
	 * kernels, which the next copy must not; and one of what leaves must not wait for what
	 * is still to come. */
	if (result == CUDA_SUCCESS)
		result = real(cuEventRecord)(transfer->event, mover->stream_in);
	if (result == CUDA_SUCCESS)
		result = real(cuStreamWaitEvent)(mover->stream_hash_in, transfer->event, 0);
	if (result == CUDA_SUCCESS)
		result = transfer_hash_begin(mover, transfer, frame, mover->stream_hash_in);
	if (result != CUDA_SUCCESS) {
		transfer_fail(mover, transfer);
		return false;
	}
	return true;
}

void transfer_in_switch_begin(struct mover *mover, struct transfer *transfer,
			      struct mapping_change *change)
{
	struct block *block = transfer_block(mover, transfer);

	verify_block(mover, block, transfer->frame);
	block->device = transfer->frame;
	memcpy(block->hash, transfer_hash(mover, transfer), sizeof(block->hash));
	transfer->state = IN_SWITCH;
	mapping_change_begin(mover->memory, transfer->block, HOME_DEVICE, change);
}

void transfer_in_switch_end(struct mover *mover, struct transfer *transfer,
			    const struct mapping_change *change)
{
	struct block *block = transfer_block(mover, transfer);

	if (mapping_change_end(mover->memory, transfer->block, change)) {
		block->hashed = true;
		block_arrived(mover, block);
	} else {
		frame_give(&mover->memory->frames, block->device);
		block->device = NULL;
		mover->stats.failed_moves++;
	}
	transfer_end(mover, transfer);
}
