#include "pager/sync_memops.h"

#include "driver/driver.h"
#include "base/lock.h"
#include "pager/one_home.h"
#include "move/overlap.h"
#include "pager/pager_internal.h"

/* How often it is tried again where another thread kept a window from being opened. */
#define TRIES 8

static void pin(struct pager *pager, const struct component *component, bool on)
{
	for (uint32_t i = 0; i < component->block_count; i++) {
		struct block *block = &pager->table.blocks[component->first_block + i];

		block->pins += on ? 1 : -1u;
		if (block->pins == (on ? 1 : 0))
			policy_block_pinned(pager->policy, component->first_block + i, on);
	}
}

/* Each block is a mapping of its own to the driver. What was done is undone after an error. */
static CUresult tell_driver(const struct pager *pager, const struct component *component,
			    bool on)
{
	const unsigned int value = on, before = !on;

	for (uint32_t i = 0; i < component->block_count; i++) {
		const struct block *blocks = &pager->table.blocks[component->first_block];
		CUresult result = real(cuPointerSetAttribute)(
		    &value, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, blocks[i].address);

		if (result == CUDA_SUCCESS)
			continue;
		while (i--)
			real(cuPointerSetAttribute)(&before, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS,
						    blocks[i].address);
		return result;
	}
	return CUDA_SUCCESS;
}

/* The lock is held. */
static CUresult set(struct pager *pager, struct component *component, bool on)
{
	const struct pager_range range = {component->start, component->bytes};
	CUresult result;

	if (component->sync_memops == on)
		return CUDA_SUCCESS;
	if (on) {
		overlap_settle_component(pager, component);
		fallback_bring_in(pager, &range);
		if (atomic_load(&component->cold_count))
			return CUDA_ERROR_OUT_OF_MEMORY;
	}
	result = tell_driver(pager, component, on);
	if (result != CUDA_SUCCESS)
		return result;
	pin(pager, component, on);
	component->sync_memops = on;
	return CUDA_SUCCESS;
}

/* The lock is held. */
static CUresult set_piece(struct pager *pager, struct component *component,
			  struct slab_piece *piece, bool on)
{
	CUresult result = CUDA_SUCCESS;

	if (slab_sync_memops_must_change(piece, on))
		result = set(pager, component, on);
	if (result == CUDA_SUCCESS)
		slab_piece_set_sync_memops(piece, on);
	return result;
}

void sync_memops_piece_freed(struct pager *pager, struct slab_piece *piece)
{
	struct component *component = component_of_slab(pager, slab_of(piece));

	/* Where the driver will not, the slab keeps its home for good. */
	set_piece(pager, component, piece, false);
}

bool sync_memops_set(CUdeviceptr address, bool on, CUresult *result)
{
	struct pager *pager = pager_of(address);
	struct component *component = NULL;

	*result = CUDA_ERROR_OUT_OF_MEMORY;
	for (int i = 0; pager && i < TRIES && *result == CUDA_ERROR_OUT_OF_MEMORY; i++) {
		struct slab_piece *piece = NULL;

		lock_take(&pager->lock);
		component = component_at(pager, address);
		if (component && component->slab)
			piece = slab_piece_at(component->slab, address);
		if (component && (component->slab ? !piece : component->parked))
			component = NULL;
		if (component)
			*result = piece ? set_piece(pager, component, piece, on)
					: set(pager, component, on);
		lock_give(&pager->lock);
		if (!component)
			return false;
	}
	return pager != NULL;
}
