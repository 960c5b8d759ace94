#include "pager/free.h"

#include "base/clock.h"
#include "driver/driver.h"
#include "base/lock.h"
#include "move/overlap.h"
#include "memory/mapping.h"
#include "pager/pager_internal.h"
#include "order/streams.h"
#include "order/captures.h"
#include "pager/pin.h"

#include <sched.h>

static bool enter(CUcontext context)
{
	return real(cuCtxPushCurrent_v2)(context) == CUDA_SUCCESS;
}

static void leave(bool entered)
{
	if (entered)
		real(cuCtxPopCurrent_v2)(NULL);
}

/* Asking first, stream by stream, keeps the wait out of the time in which no capture can begin;
 * the driver's own call then sees to what no list of ours knows (green contexts). */
static CUresult idle_or_error(CUcontext context)
{
	CUresult result = streams_ask(context);

	return result == CUDA_SUCCESS ? real(cuCtxSynchronize)() : result;
}

CUresult free_await_idle(CUcontext context, bool *captured)
{
	CUresult result = CUDA_ERROR_NOT_READY;
	bool entered = enter(context);

	*captured = false;
	for (unsigned int polls = 0; result == CUDA_ERROR_NOT_READY && !*captured; polls++) {
		captures_hold();
		if (!captures_any()) {
			result = idle_or_error(context);
		} else if (captures_forbid()) {
			/* The driver would refuse, and spoil the capture: so be it. */
			result = real(cuCtxSynchronize)();
		} else {
			*captured = true;
			result = CUDA_SUCCESS;
		}
		captures_let();
		if (result == CUDA_ERROR_NOT_READY)
			streams_nap(polls);
	}
	leave(entered);
	return result;
}

void block_free_frames(struct pager *pager, struct block *block)
{
	frame_give(&pager->memory.frames, block->device);
	frame_give(&pager->memory.frames, block->host);
	block->device = block->host = NULL;
}

static bool empty(struct pager *pager, const struct component *component)
{
	bool all = true;

	for (uint32_t i = 0; i < component->block_count; i++) {
		struct block *block = &pager->memory.table.blocks[component->first_block + i];

		if (atomic_load(&block->home) != HOME_NONE &&
		    mapping_remove(&pager->memory, component->first_block + i) !=
			CUDA_SUCCESS) {
			all = false;
			continue;
		}
		policy_block_removed(pager->policy, component->first_block + i);
		block_free_frames(pager, block);
	}
	return all;
}

bool component_free(struct pager *pager, struct component *component)
{
	overlap_settle_component(&pager->mover, component);
	if (!empty(pager, component))
		return false;
	component_unmake(&pager->memory.table, component);
	return true;
}

void piece_free(struct pager *pager, struct slab_piece *piece)
{
	struct slab *slab = slab_of(piece);

	if (piece->sync_memops)
		pin_piece_freed(pager, piece);
	if (slab_give(&pager->memory.slabs, piece) &&
	    component_free(pager, component_of_slab(pager, slab)))
		slabs_remove(&pager->memory.slabs, slab);
}

bool slab_free_empty(struct pager *pager)
{
	struct slab *slab = slabs_empty(&pager->memory.slabs);

	if (!slab || !component_free(pager, component_of_slab(pager, slab)))
		return false;
	slabs_remove(&pager->memory.slabs, slab);
	return true;
}

void piece_free_later(struct pager *pager, struct slab_piece *piece, CUevent event)
{
	slab_park(&pager->memory.slabs, piece, event);
	atomic_fetch_add(&pager->parked_count, 1);
}

void component_free_later(struct pager *pager, struct component *component, CUevent event)
{
	component->parked = true;
	component->free_after = event;
	component->next_free = pager->parked;
	pager->parked = component_index(&pager->memory.table, component) + 1;
	atomic_fetch_add(&pager->parked_count, 1);
	/* Moving it would be for nothing. */
	for (uint32_t i = 0; i < component->block_count; i++)
		if (!pager->memory.table.blocks[component->first_block + i].pins++)
			policy_block_pinned(pager->policy, component->first_block + i, true);
}

/* Marks what is free to go. Nothing is captured meanwhile: a question would spoil a capture. */
static void find_ripe(struct pager *pager)
{
	bool entered;
	CUresult all;

	captures_hold();
	if (!captures_any()) {
		entered = enter(pager->memory.context);
		all = CUDA_ERROR_UNKNOWN; /* not asked yet */
		for (uint32_t at = pager->parked; at;) {
			struct component *component = &pager->memory.table.components[at - 1];

			if (!component->free_after && all == CUDA_ERROR_UNKNOWN)
				all = idle_or_error(pager->memory.context);
			component->ripe =
			    (component->free_after ? real(cuEventQuery)(component->free_after)
						   : all) == CUDA_SUCCESS;
			at = component->next_free;
		}
		leave(entered);
	}
	captures_let();
}

void free_mark_ripe(struct slabs *slabs, CUcontext context)
{
	CUresult all = CUDA_ERROR_UNKNOWN; /* not asked yet */
	bool entered;

	if (!slabs->parked)
		return;
	captures_hold();
	if (!captures_any()) {
		entered = enter(context);
		for (struct slab_piece *piece = slabs->parked; piece;
		     piece = piece->next_parked) {
			if (!piece->free_after && all == CUDA_ERROR_UNKNOWN)
				all = idle_or_error(context);
			piece->ripe = (piece->free_after ? real(cuEventQuery)(piece->free_after)
							 : all) == CUDA_SUCCESS;
		}
		leave(entered);
	}
	captures_let();
}

static void free_ripe_pieces(struct pager *pager, bool idle)
{
	struct slab_piece *piece;

	if (!idle)
		free_mark_ripe(&pager->memory.slabs, pager->memory.context);
	while ((piece = slabs_unpark(&pager->memory.slabs, idle))) {
		CUevent event = piece->free_after;

		atomic_fetch_sub(&pager->parked_count, 1);
		piece_free(pager, piece);
		if (event)
			real(cuEventDestroy_v2)(event);
	}
}

void free_ripe(struct pager *pager, bool idle)
{
	uint32_t *link = &pager->parked;

	free_ripe_pieces(pager, idle);
	if (!*link)
		return;
	if (!idle)
		find_ripe(pager);
	while (*link) {
		struct component *component = &pager->memory.table.components[*link - 1];
		uint32_t next = component->next_free;
		CUevent event = component->free_after;

		/* What cannot be unmapped is tried again. */
		if ((!idle && !component->ripe) || !component_free(pager, component)) {
			link = &component->next_free;
			continue;
		}
		*link = next;
		atomic_fetch_sub(&pager->parked_count, 1);
		if (event)
			real(cuEventDestroy_v2)(event);
	}
}

bool free_wait(struct pager *pager, uint64_t until_ns)
{
	CUcontext context = pager->memory.context;
	unsigned int count = atomic_load(&pager->parked_count);

	while (pager->memory.context == context && count && !captures_any()) {
		free_ripe(pager, false);
		if (atomic_load(&pager->parked_count) < count)
			return true;
		if (clock_now_ns() > until_ns)
			return false;
		/* What it waits for may be something that another thread has yet to launch. */
		lock_give(&pager->memory.lock);
		sched_yield();
		lock_take(&pager->memory.lock);
		count = atomic_load(&pager->parked_count);
	}
	return false;
}

void free_all(struct pager *pager)
{
	for (uint32_t i = 0; i < pager->memory.table.component_end; i++)
		if (pager->memory.table.components[i].bytes) {
			struct slab *slab = pager->memory.table.components[i].slab;

			empty(pager, &pager->memory.table.components[i]);
			component_unmake(&pager->memory.table,
					 &pager->memory.table.components[i]);
			if (slab)
				slabs_remove(&pager->memory.slabs, slab);
		}
	pager->parked = 0;
	atomic_store(&pager->parked_count, 0);
}
