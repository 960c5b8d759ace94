/* Page tables in VRAM, where they are planted: for each device that may access memory in RAM.
 */
#include "manner.h"
#include "sim.h"

static uint64_t tables_used[SIM_DEVICES], tables_held[SIM_DEVICES]; /* guarded by the lock */

static uint64_t table_bytes(uint64_t bytes)
{
	return (uint64_t)(sim_manners.table_bytes * (double)bytes / (1 << 20));
}

static CUresult tables_take(int device, uint64_t bytes)
{
	uint64_t needed = tables_used[device] + table_bytes(bytes);

	if (needed > tables_held[device]) {
		if (sim_vram_charge(device, needed - tables_held[device]) != CUDA_SUCCESS)
			return CUDA_ERROR_OUT_OF_MEMORY;
		tables_held[device] = needed;
	}
	tables_used[device] = needed;
	return CUDA_SUCCESS;
}

static void tables_give(int device, uint64_t bytes)
{
	tables_used[device] -= table_bytes(bytes);
	if (sim_manners.tables_kept)
		return;
	sim_vram_return(device, tables_held[device] - tables_used[device]);
	tables_held[device] = tables_used[device];
}

CUresult sim_tables_follow(const struct sim_region *mapping, int device, bool accessible)
{
	uint64_t bytes = mapping->end - mapping->start;
	bool was = mapping->readable & 1u << device;

	if (!mapping->host || was == accessible)
		return CUDA_SUCCESS;
	if (accessible)
		return tables_take(device, bytes);
	tables_give(device, bytes);
	return CUDA_SUCCESS;
}
