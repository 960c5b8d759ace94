#include "pager/audit.h"

#include "memory/content_hash.h"
#include "move/overlap.h"
#include "order/streams.h"
#include "order/captures.h"
#include "order/contexts.h"
#include "move/window.h"
#include "base/settings.h"

#include <string.h>

/* Blocks that are looked through for one to hash. */
#define LOOKED_AT 4096

/* It is cold, and its component was used after it was last asked for. */
static bool is_unasked(const struct pager *pager, uint32_t id)
{
	const struct block *block = &pager->memory.table.blocks[id];
	const struct component *component;

	if (block->component == NO_BLOCK || block->transfer ||
	    atomic_load(&block->home) != HOME_HOST)
		return false;
	component = &pager->memory.table.components[block->component];
	return component->extents.count && component->used_at != pager->named.marked_in[id];
}

static uint32_t next_unasked(struct pager *pager)
{
	for (uint32_t i = 0; i < LOOKED_AT && i < pager->memory.table.block_end; i++) {
		uint32_t id = pager->audit.next++;

		if (id >= pager->memory.table.block_end)
			pager->audit.next = id = 0;
		if (is_unasked(pager, id))
			return id;
	}
	return NO_BLOCK;
}

/* Only where it is idle already, so that nobody waits. */
static bool hash_cold(struct pager *pager, uint32_t id, uint64_t hash[2])
{
	CUresult result = CUDA_ERROR_NOT_READY;
	const uint64_t *hashes;

	captures_hold();
	if (!captures_any())
		result = streams_ask(pager->memory.context);
	captures_let();
	if (result != CUDA_SUCCESS || !window_open(&pager->mover))
		return false;
	content_hash_name(&pager->memory, 0, pager->memory.table.blocks[id].host);
	hashes = content_hash(&pager->memory, 1, pager->mover.stream_in);
	window_close(&pager->mover);
	if (hashes)
		memcpy(hash, hashes, 2 * sizeof(*hash));
	return hashes != NULL;
}

static void begin(struct pager *pager)
{
	uint32_t id = next_unasked(pager);
	const struct component *component;

	if (id == NO_BLOCK || !hash_cold(pager, id, pager->audit.hash))
		return;
	component = &pager->memory.table.components[pager->memory.table.blocks[id].component];
	pager->audit.block = id;
	pager->audit.component = component->id;
	pager->audit.named_at = pager->named.marked_in[id];
	pager->audit.used_at = component->used_at;
}

void audit_step(struct pager *pager)
{
	uint32_t id = pager->audit.block;
	struct component *component;
	uint64_t hash[2];

	if (settings_get()->dirty != DIRTY_HASH || !content_hash_can(&pager->memory) ||
	    pager->memory.frames.plain_host || !contexts_only_one(pager->memory.device) ||
	    overlap_busy(&pager->mover))
		return;
	pager->audit.block = NO_BLOCK;
	if (id >= pager->memory.table.block_end || !is_unasked(pager, id)) {
		begin(pager);
		return;
	}
	component = &pager->memory.table.components[pager->memory.table.blocks[id].component];
	if (component->id != pager->audit.component ||
	    pager->named.marked_in[id] != pager->audit.named_at) {
		begin(pager);
		return;
	}
	if (component->used_at == pager->audit.used_at) {
		pager->audit.block = id; /* nothing can have changed it yet */
		return;
	}
	if (hash_cold(pager, id, hash) && memcmp(hash, pager->audit.hash, sizeof(hash)) != 0)
		extents_finish(&component->extents);
}
