#include "managed.h"

const char *managed_not_offered(const struct gpu *g)
{
	if (!gpu_attribute(g, CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY) ||
	    !gpu_attribute(g, CU_DEVICE_ATTRIBUTE_CONCURRENT_MANAGED_ACCESS))
		return "concurrent access to managed memory: not offered by this device";
	if (!cu(cuMemAllocManaged) || !cu(cuMemRangeGetAttribute) ||
	    (!cu(cuMemAdvise) && !cu(cuMemAdvise_v2)) ||
	    (!cu(cuMemPrefetchAsync) && !cu(cuMemPrefetchAsync_v2)))
		return "advice on managed memory: not offered by this driver";
	return NULL;
}

static CUmemLocation location(const struct gpu *g, enum side side)
{
	if (side == IN_RAM)
		return (CUmemLocation){.type = CU_MEM_LOCATION_TYPE_HOST};
	return (CUmemLocation){.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = g->device};
}

CUresult managed_advise(const struct gpu *g, CUdeviceptr at, size_t bytes, CUmem_advise advice,
			enum side side)
{
	if (cu(cuMemAdvise_v2))
		return cu(cuMemAdvise_v2)(at, bytes, advice, location(g, side));
	return cu(cuMemAdvise)(at, bytes, advice, side == IN_RAM ? CU_DEVICE_CPU : g->device);
}

CUresult managed_prefetch(const struct gpu *g, CUdeviceptr at, size_t bytes, enum side to,
			  CUstream in)
{
	if (cu(cuMemPrefetchAsync_v2))
		return cu(cuMemPrefetchAsync_v2)(at, bytes, location(g, to), 0, in);
	return cu(cuMemPrefetchAsync)(at, bytes, to == IN_RAM ? CU_DEVICE_CPU : g->device, in);
}

const char *managed_last_prefetch(const struct gpu *g, CUdeviceptr at, size_t bytes)
{
	int where = CU_DEVICE_INVALID;

	TRY(cu(cuMemRangeGetAttribute)(
	    &where, sizeof(where), CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION, at, bytes));
	if (where == CU_DEVICE_INVALID)
		return "no one place";
	if (where == CU_DEVICE_CPU)
		return "RAM";
	return where == g->device ? "the card" : "another card";
}
