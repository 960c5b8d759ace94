/* Ways out: from VRAM to RAM, beside unrelated work. */
#include "driver/driver.h"
#include "move/block_moved.h"
#include "memory/mapping.h"
#include "move/batch.h"
#include "move/verify.h"
#include "move/transfer.h"
#include "base/settings.h"

#include <string.h>

static void copy_out(struct mover *mover, struct slot *slot)
{
	struct block *block = way_block(mover, slot);
	CUresult result = block_copy_out(mover, block);

	block->hashed = false; /* stopped, it leaves some of each there */
	slot->way = LEAVE_COPY;
	if (result == CUDA_SUCCESS)
		result = real(cuEventRecord)(slot->event, mover->stream_out);
	if (result != CUDA_SUCCESS)
		way_give_up(mover, slot);
}

void leave_begin(struct mover *mover, struct slot *slot)
{
	struct block *block = way_block(mover, slot);

	/* What was begun for it before, and stopped, still has its host frame. */
	if (!way_is_over(mover, block) || block->leaving)
		return;
	/* From here on nobody may take the host frame, until way_end. */
	block->leaving = true;
	if (!block->host)
		block->host = transit_host_frame(mover, block->size_class);
	if (!block->host) {
		block->leaving = false;
		way_end(mover, slot);
	} else if (!block->hashed || settings_get()->dirty == DIRTY_ALWAYS) {
		copy_out(mover, slot);
	} else if (way_hash_begin(mover, slot, block->device, mover->stream_hash_out) !=
		   CUDA_SUCCESS) {
		slot->way = LEAVE_HASH;
		way_give_up(mover, slot);
	} else {
		slot->way = LEAVE_HASH;
	}
}

void leave_go_on(struct mover *mover, struct slot *slot)
{
	struct block *block = way_block(mover, slot);

	if (slot->way == LEAVE_COPY) {
		slot->way = LEAVE_READY;
	} else if (!memcmp(way_hash(mover, slot), block->hash, sizeof(block->hash))) {
		mover->stats.clean_evictions++;
		slot->way = LEAVE_READY;
	} else if (!block->named_since_in) {
		/* Changed by work that did not name it: from now on only in windows. */
		block->barred = true;
		way_end(mover, slot);
	} else {
		copy_out(mover, slot);
	}
}

void leave_switch_begin(struct mover *mover, struct slot *slot, struct home_change *change)
{
	struct block *block = way_block(mover, slot);

	verify_block(mover, block, block->device);
	slot->way = LEAVE_SWITCH;
	home_change_begin(mover->memory, slot->block, HOME_HOST, change);
}

void leave_switch_end(struct mover *mover, struct slot *slot, const struct home_change *change)
{
	struct block *block = way_block(mover, slot);

	if (home_change_end(mover->memory, slot->block, change)) {
		block_evicted(mover, block);
	} else {
		mover->stats.failed_moves++;
	}
	way_end(mover, slot);
}
