/* Texture objects over linear memory, as far as their being made and ended. */
#include "sim.h"

#include "sim_texture.h"

#include <string.h>

SIM_EXPORT CUresult cuTexObjectCreate(CUtexObject *out, const CUDA_RESOURCE_DESC *resource,
				      const CUDA_TEXTURE_DESC *how,
				      const CUDA_RESOURCE_VIEW_DESC *view)
{
	struct sim_texture *texture;
	CUdeviceptr address;
	void *memory;

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
	/* Where kernels may read it. */
	if (cuMemHostAlloc(&memory, sizeof(*texture), 0) != CUDA_SUCCESS)
		SIM_ANSWER(CUDA_ERROR_OUT_OF_MEMORY);
	texture = memory;
	memset(texture, 0, sizeof(*texture));
	sim_tensor_set(texture->words, 0, 1, address);
	*out = (CUtexObject)(uintptr_t)texture;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuTexObjectDestroy(CUtexObject object)
{
	SIM_CALL();
	SIM_ANSWER(cuMemFreeHost((void *)(uintptr_t)object));
}
