#include "move/batch.h"

#include "driver/driver.h"
#include "move/block_moved.h"
#include "memory/content_hash.h"
#include "memory/mapping.h"
#include "move/verify.h"
#include "base/settings.h"

#include <string.h>

struct frame *transit_host_frame(struct pager *pager, unsigned int size_class)
{
	struct frame *frame = frame_take(&pager->frames, true, size_class);

	/* Past the budget: kept copies of resident blocks go first; their next eviction then
	 * has to copy. */
	for (uint32_t i = 0; !frame && i < pager->table.block_end; i++) {
		struct block *block = &pager->table.blocks[i];

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
static size_t keep(struct pager *pager, uint32_t *blocks, size_t count,
		   bool (*passes)(struct pager *, struct block *))
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (passes(pager, &pager->table.blocks[blocks[i]]))
			blocks[kept++] = blocks[i];
	return kept;
}

static bool has_host_frame(struct pager *pager, struct block *block)
{
	block->leaving = true;
	if (!block->host)
		block->host = transit_host_frame(pager, block->size_class);
	if (!block->host)
		block->leaving = false;
	return block->host != NULL;
}

/* --- out
 * -------------------------------------------------------------------------------------------------
 */

/* Asks the GPU which of the blocks are as they came in. At most HASH_BATCH. */
static void find_clean(struct pager *pager, const uint32_t *blocks, size_t count)
{
	const uint64_t *hashes;
	size_t asked = 0;

	for (size_t i = 0; i < count; i++) {
		struct block *block = &pager->table.blocks[blocks[i]];

		block->clean = false;
		if (block->hashed)
			content_hash_name(pager, asked++, block->device);
	}
	hashes = content_hash(pager, asked);
	if (!hashes)
		return; /* unknown is dirty */
	asked = 0;
	for (size_t i = 0; i < count; i++) {
		struct block *block = &pager->table.blocks[blocks[i]];

		if (!block->hashed)
			continue;
		block->clean = !memcmp(block->hash, &hashes[2 * asked], sizeof(block->hash));
		asked++;
	}
}

static void verify(struct pager *pager, const uint32_t *blocks, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct block *block = &pager->table.blocks[blocks[i]];

		verify_block(pager, block, block->device);
	}
}

static CUresult copy_out(struct pager *pager, const uint32_t *blocks, size_t count)
{
	CUresult result = CUDA_SUCCESS;

	for (size_t i = 0; i < count && result == CUDA_SUCCESS; i++) {
		struct block *block = &pager->table.blocks[blocks[i]];

		if (block->clean) {
			pager->stats.clean_evictions++;
			continue;
		}
		result = block_copy_out(pager, block);
	}
	return settle(result, pager->stream_out);
}

static void end_leaving(struct pager *pager, struct block *block)
{
	block->leaving = false;
	if (atomic_load(&block->home) == HOME_HOST)
		block_evicted(pager, block);
}

size_t transit_begin_leaving(struct pager *pager, uint32_t *blocks, size_t count)
{
	size_t leaving = keep(pager, blocks, count, has_host_frame);

	if (settings_get()->dirty == DIRTY_ALWAYS)
		for (size_t i = 0; i < leaving; i++)
			pager->table.blocks[blocks[i]].hashed = false;
	find_clean(pager, blocks, leaving);
	return leaving;
}

void transit_leave(struct pager *pager, uint32_t *blocks, size_t count)
{
	if (copy_out(pager, blocks, count) == CUDA_SUCCESS) {
		verify(pager, blocks, count);
		home_switch(pager, blocks, count, HOME_HOST);
	} else {
		pager->stats.failed_moves += count;
	}
	for (size_t i = 0; i < count; i++) {
		struct block *block = &pager->table.blocks[blocks[i]];

		/* It stays, and the copy may have been cut short: the host frame says nothing
		 * any more. */
		if (atomic_load(&block->home) == HOME_DEVICE && !block->clean)
			block->hashed = false;
		end_leaving(pager, block);
	}
}

void transit_evict(struct pager *pager, uint32_t *blocks, size_t count)
{
	for (size_t done = 0; done < count; done += HASH_BATCH) {
		size_t batch = count - done < HASH_BATCH ? count - done : HASH_BATCH;

		transit_leave(pager, blocks + done,
			      transit_begin_leaving(pager, blocks + done, batch));
	}
}

/* --- in
 * --------------------------------------------------------------------------------------------------
 */

static bool has_device_frame(struct pager *pager, struct block *block)
{
	block->device = frame_take(&pager->frames, false, block->size_class);
	return block->device != NULL;
}

static CUresult copy_in(struct pager *pager, const uint32_t *blocks, size_t count)
{
	CUresult result = CUDA_SUCCESS;

	for (size_t i = 0; i < count && result == CUDA_SUCCESS; i++) {
		struct block *block = &pager->table.blocks[blocks[i]];

		result = block_copy_in(pager, block, block->device);
	}
	return settle(result, pager->stream_in);
}

static bool may_be_clean(const struct block *block)
{
	return atomic_load(&block->home) == HOME_DEVICE && block->host;
}

/* What came in, so that its leaving unchanged can be seen. */
static void hash_arrivals(struct pager *pager, const uint32_t *blocks, size_t count)
{
	const uint64_t *hashes;
	size_t came = 0;

	for (size_t i = 0; i < count; i++) {
		const struct block *block = &pager->table.blocks[blocks[i]];

		if (may_be_clean(block))
			content_hash_name(pager, came++, block->device);
	}
	hashes = content_hash(pager, came);
	if (!hashes)
		return;
	came = 0;
	for (size_t i = 0; i < count; i++) {
		struct block *block = &pager->table.blocks[blocks[i]];

		if (!may_be_clean(block))
			continue;
		memcpy(block->hash, &hashes[2 * came++], sizeof(block->hash));
		block->hashed = true;
	}
}

void transit_hash_landed(struct pager *pager, const uint32_t *blocks, size_t count)
{
	if (settings_get()->dirty != DIRTY_HASH || !content_hash_can(pager))
		return;
	for (size_t done = 0; done < count; done += HASH_BATCH)
		hash_arrivals(pager, blocks + done,
			      count - done < HASH_BATCH ? count - done : HASH_BATCH);
}

void transit_give_up(struct pager *pager, struct block *block)
{
	frame_give(&pager->frames, block->device);
	block->device = NULL;
}

void transit_land(struct pager *pager, uint32_t *blocks, size_t count)
{
	verify(pager, blocks, count);
	home_switch(pager, blocks, count, HOME_DEVICE);
	for (size_t i = 0; i < count; i++) {
		struct block *block = &pager->table.blocks[blocks[i]];

		if (atomic_load(&block->home) == HOME_DEVICE)
			block_arrived(pager, block);
		else
			transit_give_up(pager, block);
	}
}

static void page_in_batch(struct pager *pager, uint32_t *blocks, size_t count)
{
	size_t coming = keep(pager, blocks, count, has_device_frame);

	if (copy_in(pager, blocks, coming) == CUDA_SUCCESS) {
		transit_land(pager, blocks, coming);
		transit_hash_landed(pager, blocks, coming);
		return;
	}
	pager->stats.failed_moves += coming;
	for (size_t i = 0; i < coming; i++)
		transit_give_up(pager, &pager->table.blocks[blocks[i]]);
}

void transit_page_in(struct pager *pager, uint32_t *blocks, size_t count)
{
	for (size_t done = 0; done < count; done += HASH_BATCH)
		page_in_batch(pager, blocks + done,
			      count - done < HASH_BATCH ? count - done : HASH_BATCH);
}
