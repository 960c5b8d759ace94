#include "pager/sync_memops.h"

#include "base/lock.h"
#include "pager/one_home.h"
#include "move/overlap.h"
#include "pager/pager_internal.h"
#include "pager/pin.h"

/* How often it is tried again where another thread kept a window from being opened. */
#define TRIES 8

/* The lock is held. */
static CUresult set(struct pager *pager, struct component *component, bool on)
{
	const struct pager_range range = {component->start, component->bytes};

	if (component->sync_memops == on)
		return CUDA_SUCCESS;
	if (on) {
		overlap_settle_component(&pager->mover, component);
		one_home_bring_in(pager, &range);
		if (atomic_load(&component->cold_count))
			return CUDA_ERROR_OUT_OF_MEMORY;
	}
	return pin_sync_memops(pager, component, on);
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

bool sync_memops_set(CUdeviceptr address, bool on, CUresult *result)
{
	struct pager *pager = pager_of(address);
	struct component *component = NULL;

	*result = CUDA_ERROR_OUT_OF_MEMORY;
	for (int i = 0; pager && i < TRIES && *result == CUDA_ERROR_OUT_OF_MEMORY; i++) {
		struct slab_piece *piece = NULL;

		lock_take(&pager->memory.lock);
		component = component_at(pager, address);
		if (component && component->slab)
			piece = slab_piece_at(component->slab, address);
		if (component && (component->slab ? !piece : component->parked))
			component = NULL;
		if (component)
			*result = piece ? set_piece(pager, component, piece, on)
					: set(pager, component, on);
		lock_give(&pager->memory.lock);
		if (!component)
			return false;
	}
	return pager != NULL;
}
