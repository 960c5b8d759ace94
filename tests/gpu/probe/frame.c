#include "frame.h"

#include <stdio.h>

static CUmemAllocationProp property(const CUmemLocation *place)
{
	return (CUmemAllocationProp){.type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = *place};
}

CUmemLocation place_device(const struct gpu *g)
{
	return (CUmemLocation){.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = g->device};
}

CUmemLocation place_nearest_node(const struct gpu *g)
{
	int node = gpu_attribute(g, ATTRIBUTE_HOST_NUMA_ID);

	/* -1: no NUMA, which is node 0 to cuMemCreate. */
	return (CUmemLocation){.type = CU_MEM_LOCATION_TYPE_HOST_NUMA,
			       .id = node < 0 ? 0 : node};
}

const char *place_name(const CUmemLocation *place)
{
	static _Thread_local char name[32];

	switch ((int)place->type) {
	case CU_MEM_LOCATION_TYPE_DEVICE:
		return "device";
	case CU_MEM_LOCATION_TYPE_HOST_NUMA:
		snprintf(name, sizeof(name), "host NUMA node %d", place->id);
		return name;
	default:
		return "host";
	}
}

CUresult frame_make(const CUmemLocation *place, size_t bytes, CUmemGenericAllocationHandle *out)
{
	CUmemAllocationProp prop = property(place);

	return cu(cuMemCreate)(out, bytes, &prop, 0);
}

static CUresult least(const CUmemLocation *place, size_t *out)
{
	CUmemAllocationProp prop = property(place);

	return cu(cuMemGetAllocationGranularity)(out, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM);
}

/* By trial: what attributes claim is not always so. */
static CUresult host_frame_trial(const CUmemLocation *place, size_t *granularity)
{
	CUmemGenericAllocationHandle frame;
	CUresult result;

	if (least(place, granularity) != CUDA_SUCCESS || !*granularity)
		*granularity = 2 * MIB;
	result = frame_make(place, *granularity, &frame);
	if (result == CUDA_SUCCESS)
		TRY(cu(cuMemRelease)(frame));
	else
		*granularity = 0;
	return result;
}

struct places places_find(const struct gpu *g)
{
	struct places p = {.of = {place_device(g), place_nearest_node(g)}};
	CUmemLocation without_node = {.type = CU_MEM_LOCATION_TYPE_HOST};

	answer_step("asking where frames can be made");
	if (!driver_has_vmm())
		answer_skipped("virtual memory management: not offered by this driver");
	if (!gpu_attribute(g, CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED))
		answer_skipped("virtual memory management: not offered by this device");
	TRY(least(&p.of[ON_DEVICE], &p.granularity[ON_DEVICE]));
	p.host_answer = host_frame_trial(&p.of[ON_HOST], &p.granularity[ON_HOST]);
	if (p.host_answer != CUDA_SUCCESS &&
	    host_frame_trial(&without_node, &p.granularity[ON_HOST]) == CUDA_SUCCESS) {
		p.of[ON_HOST] = without_node;
		p.host_answer = CUDA_SUCCESS;
	}
	return p;
}

struct places places_need_host(const struct gpu *g)
{
	struct places p = places_find(g);

	if (p.host_answer != CUDA_SUCCESS)
		answer_skipped("no host frames: %s", driver_error_name(p.host_answer));
	return p;
}

CUresult range_open(const struct gpu *g, CUdeviceptr at, size_t bytes, bool writable)
{
	CUmemAccessDesc access = {.location = place_device(g),
				  .flags = writable ? CU_MEM_ACCESS_FLAGS_PROT_READWRITE
						    : CU_MEM_ACCESS_FLAGS_PROT_READ};

	return cu(cuMemSetAccess)(at, bytes, &access, 1);
}

CUdeviceptr range_reserve(size_t bytes)
{
	CUdeviceptr at;

	TRY(cu(cuMemAddressReserve)(&at, bytes, 0, 0, 0));
	return at;
}

CUresult range_back(const struct gpu *g, CUdeviceptr at, size_t bytes,
		    const CUmemLocation *place, CUmemGenericAllocationHandle *out)
{
	CUresult result = frame_make(place, bytes, out);

	if (result == CUDA_SUCCESS)
		result = cu(cuMemMap)(at, bytes, 0, *out, 0);
	if (result == CUDA_SUCCESS)
		result = range_open(g, at, bytes, true);
	return result;
}

void blocks_make(const struct gpu *g, const struct places *places, size_t bytes, size_t count,
		 struct block *out)
{
	CUdeviceptr range = range_reserve(bytes * count);
	CUdeviceptr aliases = range_reserve(bytes * count * HOMES);

	for (size_t i = 0; i < count; i++) {
		struct block *b = &out[i];

		*b = (struct block){.at = range + i * bytes, .bytes = bytes, .key = i << 32};
		for (int home = 0; home < HOMES; home++) {
			b->alias[home] = aliases + (2 * i + (size_t)home) * bytes;
			TRY(range_back(g, b->alias[home], bytes, &places->of[home],
				       &b->frames[home]));
		}
		TRY(cu(cuMemMap)(b->at, bytes, 0, b->frames[ON_DEVICE], 0));
		TRY(cu(cuEventCreate)(&b->used, CU_EVENT_DISABLE_TIMING));
	}
	TRY(range_open(g, range, bytes * count, true));
}

CUresult block_switch(const struct gpu *g, struct block *b, enum home to,
		      unsigned long *not_ready)
{
	CUresult result = cu(cuMemUnmap)(b->at, b->bytes);

	if (result == CUDA_SUCCESS)
		result = cu(cuMemMap)(b->at, b->bytes, 0, b->frames[to], 0);
	if (result != CUDA_SUCCESS)
		return result;
	b->home = to;
	/* Drain and ask again, as the pager would; after a few times the answer stands. */
	for (int tries = 0; tries < 4; tries++) {
		result = range_open(g, b->at, b->bytes, true);
		if (result != CUDA_ERROR_NOT_READY)
			break;
		++*not_ready;
		if (cu(cuCtxSynchronize)() != CUDA_SUCCESS)
			break;
	}
	return result;
}

void block_copy(const struct block *b, enum home to, CUstream in)
{
	TRY(cu(cuMemcpyDtoDAsync_v2)(b->alias[to], b->alias[!to], b->bytes, in));
}
