#include "move/block_moved.h"

#include "driver/driver.h"
#include "base/settings.h"

CUresult block_copy_out(struct pager *pager, const struct block *block)
{
	pager->stats.bytes_out += block_bytes(block);
	if (block->was_out)
		pager->stats.bytes_out_again += block_bytes(block);
	return real(cuMemcpyAsync)(block->host->alias, block->device->alias, block_bytes(block),
				   pager->stream_out);
}

CUresult block_copy_in(struct pager *pager, const struct block *block, const struct frame *to)
{
	pager->stats.bytes_in += block_bytes(block);
	return real(cuMemcpyAsync)(to->alias, block->host->alias, block_bytes(block),
				   pager->stream_in);
}

void block_evicted(struct pager *pager, struct block *block)
{
	frame_give(&pager->frames, block->device);
	block->device = NULL;
	block->hashed = false; /* a kernel may now write it in place */
	block->was_out = true;
	pager->stats.evictions++;
}

void block_arrived(struct pager *pager, struct block *block)
{
	block->named_since_in = false;
	pager->stats.page_ins++;
	if (settings_get()->dirty != DIRTY_NEVER_CLEAN)
		return;
	frame_give(&pager->frames, block->host);
	block->host = NULL;
	block->hashed = false;
}
