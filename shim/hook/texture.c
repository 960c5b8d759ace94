/*
 * Textures and surfaces over linear memory: a kernel reaches it through a handle, or through
 * nothing that is passed at all, and so without naming it. Such memory moves in windows only.
 */
#include "driver/driver.h"
#include "driver/export.h"
#include "pager/pager.h"

static CUresult memory_bound(CUresult result, uint64_t address)
{
	if (result == CUDA_SUCCESS && pager_may_hold(address))
		pager_bar(&address, 1);
	return result;
}

/* 0: an array, which is never paged. */
static CUdeviceptr resource_address(const CUDA_RESOURCE_DESC *resource)
{
	if (resource && resource->resType == CU_RESOURCE_TYPE_LINEAR)
		return resource->res.linear.devPtr;
	if (resource && resource->resType == CU_RESOURCE_TYPE_PITCH2D)
		return resource->res.pitch2D.devPtr;
	return 0;
}

LT_EXPORT CUresult CUDAAPI cuTexObjectCreate(CUtexObject *pTexObject,
					     const CUDA_RESOURCE_DESC *pResDesc,
					     const CUDA_TEXTURE_DESC *pTexDesc,
					     const CUDA_RESOURCE_VIEW_DESC *pResViewDesc)
{
	if (!driver_has(cuTexObjectCreate))
		return CUDA_ERROR_NOT_FOUND;
	return memory_bound(
	    real(cuTexObjectCreate)(pTexObject, pResDesc, pTexDesc, pResViewDesc),
	    resource_address(pResDesc));
}

/* The driver makes surfaces of arrays only, so far. */
LT_EXPORT CUresult CUDAAPI cuSurfObjectCreate(CUsurfObject *pSurfObject,
					      const CUDA_RESOURCE_DESC *pResDesc)
{
	if (!driver_has(cuSurfObjectCreate))
		return CUDA_ERROR_NOT_FOUND;
	return memory_bound(real(cuSurfObjectCreate)(pSurfObject, pResDesc),
			    resource_address(pResDesc));
}

LT_EXPORT CUresult CUDAAPI cuTexRefSetAddress_v2(size_t *ByteOffset, CUtexref hTexRef,
						 CUdeviceptr dptr, size_t bytes)
{
	if (!driver_has(cuTexRefSetAddress_v2))
		return CUDA_ERROR_NOT_FOUND;
	return memory_bound(real(cuTexRefSetAddress_v2)(ByteOffset, hTexRef, dptr, bytes),
			    dptr);
}

LT_EXPORT CUresult CUDAAPI cuTexRefSetAddress2D_v2(CUtexref hTexRef,
						   const CUDA_ARRAY_DESCRIPTOR *desc,
						   CUdeviceptr dptr, size_t Pitch)
{
	if (!driver_has(cuTexRefSetAddress2D_v2))
		return CUDA_ERROR_NOT_FOUND;
	return memory_bound(real(cuTexRefSetAddress2D_v2)(hTexRef, desc, dptr, Pitch), dptr);
}

LT_EXPORT CUresult CUDAAPI cuTexRefSetAddress2D_v3(CUtexref hTexRef,
						   const CUDA_ARRAY_DESCRIPTOR *desc,
						   CUdeviceptr dptr, size_t Pitch)
{
	if (!driver_has(cuTexRefSetAddress2D_v3))
		return CUDA_ERROR_NOT_FOUND;
	return memory_bound(real(cuTexRefSetAddress2D_v3)(hTexRef, desc, dptr, Pitch), dptr);
}
