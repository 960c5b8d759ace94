#include "move/batch.h"

#include "driver/driver.h"
#include "move/block_moved.h"
#include "memory/content_hash.h"
#include "memory/mapping.h"
#include "move/verify.h"
#include "base/settings.h"

#include <string.h>

struct frame *batch_host_frame(struct mover *mover, unsigned int size_class)
{
	struct frame *frame = frame_take(&mover->memory->frames, true, size_class);

	/* Past the budget: kept copies of resident blocks go first; their next eviction then
	 * has to copy. */
	for (uint32_t i = 0; !frame && i < mover->memory->table.block_end; i++) {
		struct block *block = &mover->memory->table.blocks[i];

		if (block->component == NO_BLOCK || block->size_class != size_class ||
		    !block->host || atomic_load(&block->home) != HOME_DEVICE || block->leaving)
			continue;
		frame = block->host;
		block->host = NULL;
		block->hashed = false;
	}
	return frame;
}

static CUresult settle(CUresult result, CUstream stream)
{
	/* Even after an error: what did start must have ended before anything is mapped anew.
	 */
	CUresult ended = real(cuStreamSynchronize)(stream);

	return result == CUDA_SUCCESS ? ended : result;
}

/* Keeps those that pass, in order, at the front. */
static size_t keep(struct mover *mover, uint32_t *blocks, size_t count,
		   bool (*passes)(struct mover *, struct block *))
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (passes(mover, &mover->memory->table.blocks[blocks[i]]))
			blocks[kept++] = blocks[i];
	return kept;
}

static bool has_host_frame(struct mover *mover, struct block *block)
{
	block->leaving = true;
	if (!block->host)
		block->host = batch_host_frame(mover, block->size_class);
	if (!block->host)
		block->leaving = false;
	return block->host != NULL;
}

/* --- out
 * -------------------------------------------------------------------------------------------------
 */

/* Asks the GPU which of the blocks are as they came in. At most HASH_BATCH. */
static void find_clean(struct mover *mover, const uint32_t *blocks, size_t count)
{
	const uint64_t *hashes;
	size_t asked = 0;

	for (size_t i = 0; i < count; i++) {
		struct block *block = &mover->memory->table.blocks[blocks[i]];

		block->clean = false;
		if (block->hashed)
			content_hash_name(mover->memory, asked++, block->device);
	}
	hashes = content_hash(mover->memory, asked, mover->stream_in);
	if (!hashes)
		return; /* unknown is dirty */
	asked = 0;
	for (size_t i = 0; i < count; i++) {
		struct block *block = &mover->memory->table.blocks[blocks[i]];

		if (!block->hashed)
			continue;
		block->clean = !memcmp(block->hash, &hashes[2 * asked], sizeof(block->hash));
		asked++;
	}
}

static void verify(struct mover *mover, const uint32_t *blocks, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct block *block = &mover->memory->table.blocks[blocks[i]];

		verify_block(mover, block, block->device);
	}
}

static CUresult copy_out(struct mover *mover, const uint32_t *blocks, size_t count)
{
	CUresult result = CUDA_SUCCESS;

	for (size_t i = 0; i < count && result == CUDA_SUCCESS; i++) {
		struct block *block = &mover->memory->table.blocks[blocks[i]];

		if (block->clean) {
			mover->stats.clean_evictions++;
			continue;
		}
		result = block_copy_out(mover, block);
	}
	return settle(result, mover->stream_out);
}

static void end_leaving(struct mover *mover, struct block *block)
{
	block->leaving = false;
	if (atomic_load(&block->home) == HOME_HOST)
		block_evicted(mover, block);
}

size_t batch_begin_out(struct mover *mover, uint32_t *blocks, size_t count)
{
	size_t leaving = keep(mover, blocks, count, has_host_frame);

	if (settings_get()->dirty == DIRTY_ALWAYS)
		for (size_t i = 0; i < leaving; i++)
			mover->memory->table.blocks[blocks[i]].hashed = false;
	find_clean(mover, blocks, leaving);
	return leaving;
}

void batch_finish_out(struct mover *mover, uint32_t *blocks, size_t count)
{
	if (copy_out(mover, blocks, count) == CUDA_SUCCESS) {
		verify(mover, blocks, count);
		mapping_switch(mover->memory, blocks, count, HOME_HOST);
	} else {
		mover->stats.failed_moves += count;
	}
	for (size_t i = 0; i < count; i++) {
		struct block *block = &mover->memory->table.blocks[blocks[i]];

		/* It stays, and the copy may have been cut short: the host frame says nothing
		 * any more. */
		if (atomic_load(&block->home) == HOME_DEVICE && !block->clean)
			block->hashed = false;
		end_leaving(mover, block);
	}
}

void batch_move_out(struct mover *mover, uint32_t *blocks, size_t count)
{
	for (size_t done = 0; done < count; done += HASH_BATCH) {
		size_t batch = count - done < HASH_BATCH ? count - done : HASH_BATCH;

		batch_finish_out(mover, blocks + done,
				 batch_begin_out(mover, blocks + done, batch));
	}
}

/* --- in
 * --------------------------------------------------------------------------------------------------
 */

static bool has_device_frame(struct mover *mover, struct block *block)
{
	block->device = frame_take(&mover->memory->frames, false, block->size_class);
	return block->device != NULL;
}

static CUresult copy_in(struct mover *mover, const uint32_t *blocks, size_t count)
{
	CUresult result = CUDA_SUCCESS;

	for (size_t i = 0; i < count && result == CUDA_SUCCESS; i++) {
		struct block *block = &mover->memory->table.blocks[blocks[i]];

		result = block_copy_in(mover, block, block->device);
	}
	return settle(result, mover->stream_in);
}

static bool may_be_clean(const struct block *block)
{
	return atomic_load(&block->home) == HOME_DEVICE && block->host;
}

/* What came in, so that its leaving unchanged can be seen. */
static void hash_arrivals(struct mover *mover, const uint32_t *blocks, size_t count)
{
	const uint64_t *hashes;
	size_t came = 0;

	for (size_t i = 0; i < count; i++) {
		const struct block *block = &mover->memory->table.blocks[blocks[i]];

		if (may_be_clean(block))
			content_hash_name(mover->memory, came++, block->device);
	}
	hashes = content_hash(mover->memory, came, mover->stream_in);
	if (!hashes)
		return;
	came = 0;
	for (size_t i = 0; i < count; i++) {
		struct block *block = &mover->memory->table.blocks[blocks[i]];

		if (!may_be_clean(block))
			continue;
		memcpy(block->hash, &hashes[2 * came++], sizeof(block->hash));
		block->hashed = true;
	}
}

void batch_hash_arrived(struct mover *mover, const uint32_t *blocks, size_t count)
{
	if (settings_get()->dirty != DIRTY_HASH || !content_hash_can(mover->memory))
		return;
	for (size_t done = 0; done < count; done += HASH_BATCH)
		hash_arrivals(mover, blocks + done,
			      count - done < HASH_BATCH ? count - done : HASH_BATCH);
}

void batch_cancel_in(struct mover *mover, struct block *block)
{
	frame_give(&mover->memory->frames, block->device);
	block->device = NULL;
}

void batch_finish_in(struct mover *mover, uint32_t *blocks, size_t count)
{
	verify(mover, blocks, count);
	mapping_switch(mover->memory, blocks, count, HOME_DEVICE);
	for (size_t i = 0; i < count; i++) {
		struct block *block = &mover->memory->table.blocks[blocks[i]];

		if (atomic_load(&block->home) == HOME_DEVICE)
			block_arrived(mover, block);
		else
			batch_cancel_in(mover, block);
	}
}

static void page_in_batch(struct mover *mover, uint32_t *blocks, size_t count)
{
	size_t coming = keep(mover, blocks, count, has_device_frame);

	if (copy_in(mover, blocks, coming) == CUDA_SUCCESS) {
		batch_finish_in(mover, blocks, coming);
		batch_hash_arrived(mover, blocks, coming);
		return;
	}
	mover->stats.failed_moves += coming;
	for (size_t i = 0; i < coming; i++)
		batch_cancel_in(mover, &mover->memory->table.blocks[blocks[i]]);
}

void batch_move_in(struct mover *mover, uint32_t *blocks, size_t count)
{
	for (size_t done = 0; done < count; done += HASH_BATCH)
		page_in_batch(mover, blocks + done,
			      count - done < HASH_BATCH ? count - done : HASH_BATCH);
}
