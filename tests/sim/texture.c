/*
 * Texture objects and references over linear memory, and surface objects over arrays, as far as
 * their being made, bound and ended. A reference's handle stands for the texture unit that it
 * binds: the test kernels, which have none, are passed it.
 */
#include "sim.h"

#include "sim_texture.h"

#include <string.h>

#define TEXTURE_ALIGNMENT 512
#define PITCH_ALIGNMENT 32

/* Where kernels may read it. */
static CUresult make(struct sim_texture **out)
{
	void *memory;

	if (cuMemHostAlloc(&memory, sizeof(**out), 0) != CUDA_SUCCESS)
		return CUDA_ERROR_OUT_OF_MEMORY;
	memset(memory, 0, sizeof(**out));
	*out = memory;
	return CUDA_SUCCESS;
}

static CUresult make_of(unsigned long long *out, CUdeviceptr address)
{
	struct sim_texture *texture;
	CUresult result = make(&texture);

	if (result != CUDA_SUCCESS)
		return result;
	sim_tensor_set(texture->words, 0, 1, address);
	*out = (uintptr_t)texture;
	return CUDA_SUCCESS;
}

SIM_EXPORT CUresult cuTexObjectCreate(CUtexObject *out, const CUDA_RESOURCE_DESC *resource,
				      const CUDA_TEXTURE_DESC *how,
				      const CUDA_RESOURCE_VIEW_DESC *view)
{
	CUdeviceptr address;

	SIM_CALL();
	if (!out || !resource || !how || view)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	if (resource->resType == CU_RESOURCE_TYPE_LINEAR)
		address = resource->res.linear.devPtr;
	else if (resource->resType == CU_RESOURCE_TYPE_PITCH2D)
		address = resource->res.pitch2D.devPtr;
	else
		SIM_ANSWER(CUDA_ERROR_NOT_SUPPORTED);
	if (!sim_region_at(address))
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	SIM_ANSWER(make_of(out, address));
}

SIM_EXPORT CUresult cuTexObjectDestroy(CUtexObject object)
{
	SIM_CALL();
	SIM_ANSWER(cuMemFreeHost((void *)(uintptr_t)object));
}

/* Of arrays only, as the driver's. */
SIM_EXPORT CUresult cuSurfObjectCreate(CUsurfObject *out, const CUDA_RESOURCE_DESC *resource)
{
	CUdeviceptr address;

	SIM_CALL();
	if (!out || !resource || resource->resType != CU_RESOURCE_TYPE_ARRAY)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	address = sim_array_memory(resource->res.array.hArray);
	SIM_ANSWER(address ? make_of(out, address) : CUDA_ERROR_INVALID_HANDLE);
}

SIM_EXPORT CUresult cuSurfObjectDestroy(CUsurfObject object)
{
	SIM_CALL();
	SIM_ANSWER(cuMemFreeHost((void *)(uintptr_t)object));
}

/* --- references */

SIM_EXPORT CUresult cuTexRefCreate(CUtexref *out)
{
	SIM_CALL();
	SIM_ANSWER(out ? make((struct sim_texture **)out) : CUDA_ERROR_INVALID_VALUE);
}

SIM_EXPORT CUresult cuTexRefDestroy(CUtexref reference)
{
	SIM_CALL();
	SIM_ANSWER(cuMemFreeHost(reference));
}

static CUresult bind(CUtexref reference, CUdeviceptr address)
{
	if (!reference || !sim_region_at(address))
		return CUDA_ERROR_INVALID_VALUE;
	sim_tensor_set(((struct sim_texture *)reference)->words, 0, 1, address);
	return CUDA_SUCCESS;
}

/* Memory that is not aligned is bound from before its start; who does not ask how far before
 * may not bind any. */
SIM_EXPORT CUresult cuTexRefSetAddress_v2(size_t *offset, CUtexref reference,
					  CUdeviceptr address, size_t bytes)
{
	size_t beyond = address % TEXTURE_ALIGNMENT;

	SIM_CALL();
	if (!bytes || (!offset && beyond))
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	if (offset)
		*offset = beyond;
	SIM_ANSWER(bind(reference, address - beyond));
}

/* As of CUDA 3.2: without a look at how the memory is aligned. */
SIM_EXPORT CUresult cuTexRefSetAddress2D_v2(CUtexref reference,
					    const CUDA_ARRAY_DESCRIPTOR *desc,
					    CUdeviceptr address, size_t pitch)
{
	SIM_CALL();
	SIM_ANSWER(desc && pitch ? bind(reference, address) : CUDA_ERROR_INVALID_VALUE);
}

SIM_EXPORT CUresult cuTexRefSetAddress2D_v3(CUtexref reference,
					    const CUDA_ARRAY_DESCRIPTOR *desc,
					    CUdeviceptr address, size_t pitch)
{
	SIM_CALL();
	if (!desc || !pitch || address % TEXTURE_ALIGNMENT || pitch % PITCH_ALIGNMENT)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	SIM_ANSWER(bind(reference, address));
}

SIM_EXPORT CUresult cuTexRefGetAddress_v2(CUdeviceptr *out, CUtexref reference)
{
	SIM_CALL();
	if (!out || !reference)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	*out = sim_tensor_address(((struct sim_texture *)reference)->words);
	SIM_ANSWER(*out ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE);
}
