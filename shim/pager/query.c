/* What the hooks and the reports ask of components and blocks. */
#include "base/lock.h"
#include "pager/pager_internal.h"

/* The lock is held. */
static bool allocation_at(struct pager *pager, uint64_t address, struct pager_component *out)
{
	const struct component *component = component_at(pager, address);
	const struct slab_piece *piece;

	if (!component || component->parked)
		return false;
	if (component->slab) {
		piece = slab_piece_at(component->slab, address);
		if (piece)
			*out = (struct pager_component){.start = slab_piece_start(piece),
							.bytes = piece->bytes,
							.id = piece->id,
							.context = component->context,
							.device = pager->memory.device,
							.sync_memops = piece->sync_memops};
		return piece != NULL;
	}
	/* The last block may reach past what the program asked for. */
	if (address - component->start >= component->bytes)
		return false;
	*out = (struct pager_component){.start = component->start,
					.bytes = component->bytes,
					.id = component->id,
					.context = component->context,
					.device = pager->memory.device,
					.sync_memops = component->sync_memops};
	return true;
}

bool pager_component_at(CUdeviceptr address, struct pager_component *out)
{
	struct pager *pager = pager_of(address);
	bool found;

	if (!pager)
		return false;
	lock_take(&pager->memory.lock);
	found = allocation_at(pager, address, out);
	lock_give(&pager->memory.lock);
	return found;
}

CUdeviceptr pager_shown(CUdeviceptr address)
{
	struct pager *pager = pager_of(address);
	const struct component *component;

	if (!pager)
		return address;
	lock_take(&pager->memory.lock);
	component = component_at(pager, address);
	if (component &&
	    (component->slab ? !slab_left_bytes(component->slab, address) : component->parked))
		address = component->start + component->span_bytes;
	lock_give(&pager->memory.lock);
	return address;
}

/* What is left before the end, at most: device memory is aligned to as much. */
#define TAIL_BYTES 512

CUdeviceptr pager_shown_range(CUdeviceptr start, uint64_t bytes)
{
	struct pager *pager = pager_of(start);
	const struct component *component = pager ? component_at(pager, start) : NULL;
	uint64_t end, inside;

	if (!component)
		return start;
	end = component->start + component->bytes;
	inside = component->slab ? slab_left_bytes(component->slab, start)
		 : start < end	 ? end - start
				 : 0;
	if (bytes <= inside)
		return start;
	if (inside > TAIL_BYTES)
		inside = TAIL_BYTES - start % TAIL_BYTES;
	return component->start + component->span_bytes - inside;
}

uint64_t pager_same_home(CUdeviceptr start, uint64_t bytes, bool *cold)
{
	struct pager *pager = pager_of(start);
	uint32_t id = pager ? block_find(&pager->memory.table, start) : NO_BLOCK;
	uint64_t end = start;
	enum block_home home;

	*cold = false;
	if (id == NO_BLOCK)
		return bytes;
	home = atomic_load(&pager->memory.table.blocks[id].home);
	*cold = home == HOME_HOST;
	for (; id != NO_BLOCK && end - start < bytes;
	     id = block_find(&pager->memory.table, end)) {
		const struct block *block = &pager->memory.table.blocks[id];

		if (atomic_load(&block->home) != home)
			return end - start;
		end = block->address + block_bytes(block);
		/* The next one lies elsewhere in RAM. */
		if (*cold && pager->memory.frames.plain_host)
			break;
	}
	return end - start < bytes ? end - start : bytes;
}

CUdeviceptr pager_reach(CUdeviceptr address)
{
	struct pager *pager = pager_of(address);
	uint32_t id = pager && pager->memory.frames.plain_host
			  ? block_find(&pager->memory.table, address)
			  : NO_BLOCK;
	const struct block *block;

	if (id == NO_BLOCK)
		return address;
	block = &pager->memory.table.blocks[id];
	return atomic_load(&block->home) == HOME_HOST
		   ? block->host->alias + (address - block->address)
		   : address;
}

void pager_residency(int device, uint64_t *managed_bytes, uint64_t *cold_bytes)
{
	struct pager *pager = pager_on(device);

	*managed_bytes = *cold_bytes = 0;
	if (!pager)
		return;
	lock_take(&pager->memory.lock);
	*cold_bytes = cold_bytes_of(pager, managed_bytes);
	lock_give(&pager->memory.lock);
}

uint64_t pager_frame_bytes(int device)
{
	struct pager *pager = pager_on(device);
	uint64_t bytes;

	if (!pager)
		return 0;
	lock_take(&pager->memory.lock);
	bytes = pager->memory.frames.device_bytes;
	lock_give(&pager->memory.lock);
	return bytes;
}
