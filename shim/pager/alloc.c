/* Allocating and freeing: components, and the frames under their blocks. */
#include "base/lock.h"
#include "pager/pager_internal.h"

#include "base/clock.h"
#include "driver/driver.h"
#include "memory/valid.h"
#include "memory/prepared_frames.h"
#include "move/overlap.h"
#include "memory/mapping.h"
#include "pager/free.h"
#include "order/worker.h"
#include "order/captures.h"
#include "order/contexts.h"
#include "order/streams.h"
#include "move/batch.h"
#include "base/settings.h"

#include <stdlib.h>
#include <string.h>

/* By overlap alone: a window would stop all work for one allocation. */
static bool make_place(struct pager *pager, const struct block *block)
{
	size_t actions;

	if (!pager->mover.overlap || captures_any() || !contexts_only_one(pager->memory.device))
		return false;
	actions = policy_make_place(pager->policy, pager->actions, PAGER_ACTIONS);
	return actions &&
	       overlap_make_place(&pager->mover, pager->actions, actions, block->size_class);
}

static bool give_frame(struct pager *pager, struct block *block)
{
	bool wanted = policy_place_on_device(pager->policy, block_bytes(block)) ||
		      make_place(pager, block);

	if (wanted)
		block->device = frame_take(&pager->memory.frames, false, block->size_class);
	if (!block->device)
		block->host = batch_host_frame(&pager->mover, block->size_class);
	if (!block->device && !block->host && !wanted)
		block->device = frame_take(&pager->memory.frames, false, block->size_class);
	return block->device || block->host;
}

static bool fill_component(struct pager *pager, const struct component *component)
{
	uint32_t *ids = pager->named.blocks;
	uint32_t done = 0;

	for (; done < component->block_count; done++) {
		ids[done] = component->first_block + done;
		if (!give_frame(pager, &pager->memory.table.blocks[ids[done]]))
			goto take_back;
	}
	if (mapping_make(&pager->memory, ids, done) == CUDA_SUCCESS)
		return true;
take_back:
	while (done--)
		block_free_frames(pager,
				  &pager->memory.table.blocks[component->first_block + done]);
	return false;
}

static void introduce(struct pager *pager, const struct component *component, uint64_t now_ns)
{
	for (uint32_t i = 0; i < component->block_count; i++) {
		uint32_t id = component->first_block + i;
		const struct block *block = &pager->memory.table.blocks[id];

		policy_block_added(pager->policy, id, block_bytes(block),
				   component_index(&pager->memory.table, component), 0,
				   atomic_load(&block->home) == HOME_DEVICE, now_ns);
	}
	if (atomic_load(&component->cold_count))
		begin_paging(pager);
}

static unsigned int largest_class(void)
{
	unsigned int c = 0;

	while (c + 1 < FRAME_CLASSES && frame_bytes(c + 1) <= settings_get()->block_bytes)
		c++;
	return c;
}

/* More than there can be at all, whatever else went: RAM need not be pinned to find that out.
 */
static bool can_fit(struct pager *pager, uint64_t bytes)
{
	uint64_t vram_bytes = memory_frames_cap_bytes(&pager->memory);

	if (bytes <= vram_bytes || bytes - vram_bytes <= pager->memory.frames.host_limit_bytes)
		return true;
	pager->memory.frames.refusal[true] = FRAME_OVER_LIMIT;
	return false;
}

/* *addresses: there were some for it. */
static struct component *component_new(struct pager *pager, uint64_t bytes, bool *addresses)
{
	struct component *component =
	    component_make(&pager->memory.table, bytes, largest_class(), pager->memory.context);

	*addresses = component != NULL;
	if (!component || fill_component(pager, component))
		return component;
	component_unmake(&pager->memory.table, component);
	return NULL;
}

static struct component *component_with_room(struct pager *pager, uint64_t bytes,
					     bool *addresses)
{
	uint64_t until_ns = clock_now_ns() + PAGER_FREED_PATIENCE_NS;
	struct component *component;

	*addresses = true;
	if (!can_fit(pager, bytes))
		return NULL;
	do
		component = component_new(pager, bytes, addresses);
	while (!component && (slab_free_empty(pager) || free_wait(pager, until_ns) ||
			      prepared_frames_wait(&pager->memory)));
	if (!component)
		return NULL;
	introduce(pager, component, clock_now_ns());
	if (prepared_frames_wanted(&pager->memory))
		worker_wake();
	return component;
}

/* NULL: there is no room for one, or no memory for its bookkeeping. */
static struct slab *slab_new(struct pager *pager, uint64_t bytes, bool *addresses)
{
	struct component *component = component_with_room(pager, SLAB_BYTES, addresses);
	struct slab *slab;

	if (!component)
		return NULL;
	slab = slabs_add(&pager->memory.slabs, component->start, bytes);
	if (slab)
		component->slab = slab;
	else
		component_free(pager, component);
	return slab;
}

/* The address; 0: there is no room. */
static uint64_t allocate(struct pager *pager, uint64_t bytes, bool *addresses)
{
	struct component *component;
	struct slab *slab;

	if (bytes >= settings_get()->min_bytes || !slab_serves(bytes)) {
		component = component_with_room(pager, bytes, addresses);
		return component ? component->start : 0;
	}
	slab = slabs_with_room(&pager->memory.slabs, bytes);
	if (!slab)
		slab = slab_new(pager, bytes, addresses);
	return slab
		   ? slab_take(&pager->memory.slabs, slab, bytes, pager->memory.table.next_id++)
		   : 0;
}

enum pager_answer pager_alloc(uint64_t bytes, CUdeviceptr *out)
{
	struct pager *pager;
	bool addresses = true;
	uint64_t address;

	if (!out || !bytes || bytes < settings_get()->driver_below_bytes || captures_forbid())
		return PAGER_DECLINED;
	pager = pager_here();
	if (!pager)
		return PAGER_DECLINED;
	lock_take(&pager->memory.lock);
	/* Its context may have ended meanwhile, by another thread: the driver says so. */
	if (!pager_on(pager->memory.device)) {
		lock_give(&pager->memory.lock);
		return PAGER_DECLINED;
	}
	free_ripe(pager, false);
	refresh_cap(pager);
	address = allocate(pager, bytes, &addresses);
	if (address)
		*out = address;
	else
		tell_refused(pager, bytes, addresses);
	memory_see_valid(&pager->memory);
	lock_give(&pager->memory.lock);
	return address ? PAGER_DONE : PAGER_REFUSED;
}

/* What the program may free: a component, or a piece of one. Both NULL: nothing of its own
 * begins there. */
struct to_free {
	struct component *component;
	struct slab_piece *piece;
};

static struct to_free what_to_free(struct pager *pager, uint64_t address)
{
	struct component *component = component_at(pager, address);
	struct slab_piece *piece;

	if (!component || component->parked)
		return (struct to_free){NULL, NULL};
	if (!component->slab)
		return (struct to_free){component->start == address ? component : NULL, NULL};
	piece = slab_piece_at(component->slab, address);
	return (struct to_free){NULL,
				piece && slab_piece_start(piece) == address ? piece : NULL};
}

static void free_later(struct pager *pager, struct to_free it, CUevent event)
{
	if (it.piece)
		piece_free_later(pager, it.piece, event);
	else
		component_free_later(pager, it.component, event);
}

enum pager_answer pager_free(CUdeviceptr address, CUresult *result)
{
	struct pager *pager = pager_of(address);
	struct to_free it;
	bool captured;

	if (!pager)
		return PAGER_DECLINED;
	*result = free_await_idle(pager->memory.context, &captured);
	if (*result != CUDA_SUCCESS)
		return PAGER_DONE;
	lock_take(&pager->memory.lock);
	it = what_to_free(pager, address);
	if (!it.component && !it.piece)
		*result = CUDA_ERROR_INVALID_VALUE;
	else if (captured)
		free_later(pager, it, NULL);
	else if (it.piece)
		piece_free(pager, it.piece);
	else if (!component_free(pager, it.component))
		*result = CUDA_ERROR_UNKNOWN;
	free_ripe(pager, false);
	if (pager_holds_nothing(pager))
		trim_frames(pager, true);
	memory_see_valid(&pager->memory);
	lock_give(&pager->memory.lock);
	return PAGER_DONE;
}

/* The event belongs to the calling thread's context, and may have to be asked when that has
 * gone: only our own context's end is known here. */
static bool in_own_context(const struct pager *pager)
{
	CUcontext context = NULL;

	return real(cuCtxGetCurrent)(&context) == CUDA_SUCCESS &&
	       context == pager->memory.context;
}

void pager_free_after(CUdeviceptr address, CUstream stream, CUresult *result)
{
	struct pager *pager = pager_of(address);
	struct to_free it;
	CUevent event;

	if (!in_own_context(pager)) {
		*result = real(cuStreamSynchronize)(stream);
		if (*result == CUDA_SUCCESS)
			pager_free(address, result);
		return;
	}
	event = streams_event_behind(stream, result);
	if (!event)
		return;
	lock_take(&pager->memory.lock);
	it = what_to_free(pager, address);
	if (it.component || it.piece)
		free_later(pager, it, event);
	else
		*result = CUDA_ERROR_INVALID_VALUE;
	free_ripe(pager, false);
	lock_give(&pager->memory.lock);
	if (*result != CUDA_SUCCESS)
		real(cuEventDestroy_v2)(event);
}
