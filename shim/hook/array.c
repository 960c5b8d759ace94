/* Arrays: never paged, but charged to the ledger for what the driver takes for them. */
#include "driver/driver.h"
#include "driver/export.h"
#include "account/admission.h"
#include "account/arrays.h"

/* The descriptor of a flat array as one of three dimensions. CUDA 2's has members of the same
 * names. */
#define FLAT(desc)                                                                             \
	(CUDA_ARRAY3D_DESCRIPTOR)                                                              \
	{                                                                                      \
		.Width = (desc)->Width, .Height = (desc)->Height, .Format = (desc)->Format,    \
		.NumChannels = (desc)->NumChannels                                             \
	}

struct charge {
	uint64_t bytes;
	int device, tries;
};

static CUresult charge_ask(struct charge *charge, const CUDA_ARRAY3D_DESCRIPTOR *desc,
			   unsigned int levels)
{
	*charge = (struct charge){.device = -1};
	if (admission_in_force())
		charge->bytes = arrays_bytes(desc, levels);
	return admission_ask(charge->bytes, &charge->device);
}

static bool charge_again(struct charge *charge, CUresult result)
{
	return admission_retry(result, charge->device, charge->bytes, &charge->tries);
}

static CUresult charge_settle(const struct charge *charge, CUresult result, const void *handle)
{
	uintptr_t name = 0;

	if (result == CUDA_SUCCESS)
		name = *(const uintptr_t *)handle;
	return admission_settle(result, charge->device, charge->bytes, name);
}

LT_EXPORT CUresult CUDAAPI cuArrayCreate(CUarray *pHandle,
					 const CUDA_ARRAY_DESCRIPTOR_v1 *pAllocateArray)
{
	struct charge charge;
	CUresult result;

	if (!driver_has(cuArrayCreate) || !driver_has(cuArrayDestroy))
		return CUDA_ERROR_NOT_FOUND;
	result = charge_ask(&charge, pAllocateArray ? &FLAT(pAllocateArray) : NULL, 1);
	if (result != CUDA_SUCCESS)
		return result;
	do
		result = real(cuArrayCreate)(pHandle, pAllocateArray);
	while (charge_again(&charge, result));
	return charge_settle(&charge, result, pHandle);
}

LT_EXPORT CUresult CUDAAPI cuArrayCreate_v2(CUarray *pHandle,
					    const CUDA_ARRAY_DESCRIPTOR *pAllocateArray)
{
	struct charge charge;
	CUresult result;

	if (!driver_has(cuArrayCreate_v2) || !driver_has(cuArrayDestroy))
		return CUDA_ERROR_NOT_FOUND;
	result = charge_ask(&charge, pAllocateArray ? &FLAT(pAllocateArray) : NULL, 1);
	if (result != CUDA_SUCCESS)
		return result;
	do
		result = real(cuArrayCreate_v2)(pHandle, pAllocateArray);
	while (charge_again(&charge, result));
	return charge_settle(&charge, result, pHandle);
}

LT_EXPORT CUresult CUDAAPI cuArray3DCreate(CUarray *pHandle,
					   const CUDA_ARRAY3D_DESCRIPTOR_v1 *pAllocateArray)
{
	CUDA_ARRAY3D_DESCRIPTOR desc;
	struct charge charge;
	CUresult result;

	if (!driver_has(cuArray3DCreate) || !driver_has(cuArrayDestroy))
		return CUDA_ERROR_NOT_FOUND;
	if (pAllocateArray) {
		desc = FLAT(pAllocateArray);
		desc.Depth = pAllocateArray->Depth;
		desc.Flags = pAllocateArray->Flags;
	}
	result = charge_ask(&charge, pAllocateArray ? &desc : NULL, 1);
	if (result != CUDA_SUCCESS)
		return result;
	do
		result = real(cuArray3DCreate)(pHandle, pAllocateArray);
	while (charge_again(&charge, result));
	return charge_settle(&charge, result, pHandle);
}

LT_EXPORT CUresult CUDAAPI cuArray3DCreate_v2(CUarray *pHandle,
					      const CUDA_ARRAY3D_DESCRIPTOR *pAllocateArray)
{
	struct charge charge;
	CUresult result;

	if (!driver_has(cuArray3DCreate_v2) || !driver_has(cuArrayDestroy))
		return CUDA_ERROR_NOT_FOUND;
	result = charge_ask(&charge, pAllocateArray, 1);
	if (result != CUDA_SUCCESS)
		return result;
	do
		result = real(cuArray3DCreate_v2)(pHandle, pAllocateArray);
	while (charge_again(&charge, result));
	return charge_settle(&charge, result, pHandle);
}

static CUresult destroy_array(CUdeviceptr handle)
{
	return real(cuArrayDestroy)((CUarray)(uintptr_t)handle);
}

static CUresult destroy_mipmapped(CUdeviceptr handle)
{
	return real(cuMipmappedArrayDestroy)((CUmipmappedArray)(uintptr_t)handle);
}

LT_EXPORT CUresult CUDAAPI cuArrayDestroy(CUarray hArray)
{
	if (!driver_has(cuArrayDestroy))
		return CUDA_ERROR_NOT_FOUND;
	return admission_free((CUdeviceptr)(uintptr_t)hArray, destroy_array);
}

LT_EXPORT CUresult CUDAAPI cuMipmappedArrayCreate(
    CUmipmappedArray *pHandle, const CUDA_ARRAY3D_DESCRIPTOR *pMipmappedArrayDesc,
    unsigned int numMipmapLevels)
{
	struct charge charge;
	CUresult result;

	if (!driver_has(cuMipmappedArrayCreate) || !driver_has(cuMipmappedArrayDestroy))
		return CUDA_ERROR_NOT_FOUND;
	result = charge_ask(&charge, pMipmappedArrayDesc, numMipmapLevels);
	if (result != CUDA_SUCCESS)
		return result;
	do
		result =
		    real(cuMipmappedArrayCreate)(pHandle, pMipmappedArrayDesc, numMipmapLevels);
	while (charge_again(&charge, result));
	return charge_settle(&charge, result, pHandle);
}

LT_EXPORT CUresult CUDAAPI cuMipmappedArrayDestroy(CUmipmappedArray hMipmappedArray)
{
	if (!driver_has(cuMipmappedArrayDestroy))
		return CUDA_ERROR_NOT_FOUND;
	return admission_free((CUdeviceptr)(uintptr_t)hMipmappedArray, destroy_mipmapped);
}
