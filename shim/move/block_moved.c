#include "move/block_moved.h"

#include "driver/driver.h"
#include "base/settings.h"

CUresult block_copy_out(struct mover *mover, const struct block *block)
{
	mover->stats.bytes_out += block_bytes(block);
	if (block->was_out)
		mover->stats.bytes_out_again += block_bytes(block);
	return real(cuMemcpyAsync)(block->host->alias, block->device->alias, block_bytes(block),
				   mover->stream_out);
}

CUresult block_copy_in(struct mover *mover, const struct block *block, const struct frame *to)
{
	mover->stats.bytes_in += block_bytes(block);
	return real(cuMemcpyAsync)(to->alias, block->host->alias, block_bytes(block),
				   mover->stream_in);
}

void block_evicted(struct mover *mover, struct block *block)
{
	frame_give(&mover->memory->frames, block->device);
	block->device = NULL;
	block->hashed = false; /* a kernel may now write it in place */
	block->was_out = true;
	mover->stats.evictions++;
}

void block_arrived(struct mover *mover, struct block *block)
{
	block->named_since_in = false;
	mover->stats.page_ins++;
	if (settings_get()->dirty != DIRTY_NEVER_CLEAN)
		return;
	frame_give(&mover->memory->frames, block->host);
	block->host = NULL;
	block->hashed = false;
}
