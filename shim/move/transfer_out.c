/* Transfers from VRAM to RAM, beside unrelated work. */
#include "driver/driver.h"
#include "move/block_moved.h"
#include "memory/mapping.h"
#include "move/batch.h"
#include "move/verify.h"
#include "move/transfer.h"
#include "base/settings.h"

#include <string.h>

static void copy_out(struct mover *mover, struct transfer *transfer)
{
	struct block *block = transfer_block(mover, transfer);
	CUresult result = block_copy_out(mover, block);

	block->hashed = false; /* stopped, it leaves some of each there */
	transfer->state = OUT_COPY;
	if (result == CUDA_SUCCESS)
		result = real(cuEventRecord)(transfer->event, mover->stream_out);
	if (result != CUDA_SUCCESS)
		transfer_fail(mover, transfer);
}

void transfer_out_begin(struct mover *mover, struct transfer *transfer)
{
	struct block *block = transfer_block(mover, transfer);

	/* What was begun for it before, and stopped, still has its host frame. */
	if (!transfer_work_is_over(mover, block) || block->leaving)
		return;
	/* From here on nobody may take the host frame, until transfer_end. */
	block->leaving = true;
	if (!block->host)
		block->host = batch_host_frame(mover, block->size_class);
	if (!block->host) {
		block->leaving = false;
		transfer_end(mover, transfer);
	} else if (!block->hashed || settings_get()->dirty == DIRTY_ALWAYS) {
		copy_out(mover, transfer);
	} else if (transfer_hash_begin(mover, transfer, block->device,
				       mover->stream_hash_out) != CUDA_SUCCESS) {
		transfer->state = OUT_HASH;
		transfer_fail(mover, transfer);
	} else {
		transfer->state = OUT_HASH;
	}
}

void transfer_out_go_on(struct mover *mover, struct transfer *transfer)
{
	struct block *block = transfer_block(mover, transfer);

	if (transfer->state == OUT_COPY) {
		transfer->state = OUT_READY;
	} else if (!memcmp(transfer_hash(mover, transfer), block->hash, sizeof(block->hash))) {
		mover->stats.clean_evictions++;
		transfer->state = OUT_READY;
	} else if (!block->named_since_in) {
		/* Changed by work that did not name it: from now on only in windows. */
		block->barred = true;
		transfer_end(mover, transfer);
	} else {
		copy_out(mover, transfer);
	}
}

void transfer_out_switch_begin(struct mover *mover, struct transfer *transfer,
			       struct mapping_change *change)
{
	struct block *block = transfer_block(mover, transfer);

	verify_block(mover, block, block->device);
	transfer->state = OUT_SWITCH;
	mapping_change_begin(mover->memory, transfer->block, HOME_HOST, change);
}

void transfer_out_switch_end(struct mover *mover, struct transfer *transfer,
			     const struct mapping_change *change)
{
	struct block *block = transfer_block(mover, transfer);

	if (mapping_change_end(mover->memory, transfer->block, change)) {
		block_evicted(mover, block);
	} else {
		mover->stats.failed_moves++;
	}
	transfer_end(mover, transfer);
}
