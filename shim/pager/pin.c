#include "pager/pin.h"

#include "base/lock.h"
#include "driver/driver.h"
#include "move/overlap.h"
#include "pager/pager_internal.h"

void pager_pin(CUdeviceptr start, uint64_t bytes, bool pin)
{
	struct pager *pager = pager_of(start);
	size_t named;

	if (!pager || !bytes)
		return;
	lock_take(&pager->memory.lock);
	block_set_begin(&pager->named);
	named =
	    block_set_add_range(&pager->named, &pager->memory.table, start, start + bytes, 0);
	for (size_t i = 0; i < named; i++) {
		struct block *block = &pager->memory.table.blocks[pager->named.blocks[i]];

		if (!pin && !block->pins)
			continue;
		/* Or what is on its way to the other home would still go there. */
		if (pin)
			overlap_stop(&pager->mover, pager->named.blocks[i]);
		block->pins += pin ? 1 : -1u;
		if (block->pins <= 1 && pin == (block->pins == 1))
			policy_block_pinned(pager->policy, pager->named.blocks[i], pin);
	}
	lock_give(&pager->memory.lock);
}

static void pin_component(struct pager *pager, const struct component *component, bool on)
{
	for (uint32_t i = 0; i < component->block_count; i++) {
		struct block *block = &pager->memory.table.blocks[component->first_block + i];

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
		const struct block *blocks =
		    &pager->memory.table.blocks[component->first_block];
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

CUresult pin_sync_memops(struct pager *pager, struct component *component, bool on)
{
	CUresult result = tell_driver(pager, component, on);

	if (result != CUDA_SUCCESS)
		return result;
	pin_component(pager, component, on);
	component->sync_memops = on;
	return CUDA_SUCCESS;
}

void pin_piece_freed(struct pager *pager, struct slab_piece *piece)
{
	struct component *component = component_of_slab(pager, slab_of(piece));

	/* Where the driver will not, the slab keeps its home for good. */
	if (slab_sync_memops_must_change(piece, false) &&
	    pin_sync_memops(pager, component, false) != CUDA_SUCCESS)
		return;
	slab_piece_set_sync_memops(piece, false);
}
