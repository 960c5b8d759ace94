/*
 * The program's own virtual memory management: physical memory on a device is charged from its
 * creation until its last handle is released and its last mapping is gone.
 */
#include "driver/driver.h"
#include "driver/export.h"
#include "account/admission.h"
#include "account/unmanaged.h"

LT_EXPORT CUresult CUDAAPI cuMemCreate(CUmemGenericAllocationHandle *handle, size_t size,
				       const CUmemAllocationProp *prop,
				       unsigned long long flags)
{
	bool charged = handle && prop && prop->location.type == CU_MEM_LOCATION_TYPE_DEVICE;
	CUresult result;
	int tries = 0;

	if (!driver_has(cuMemCreate))
		return CUDA_ERROR_NOT_FOUND;
	charged = charged && admission_in_force();
	if (charged && !admission_ask_device(prop->location.id, size))
		return CUDA_ERROR_OUT_OF_MEMORY;
	do
		result = real(cuMemCreate)(handle, size, prop, flags);
	while (charged && admission_retry(result, prop->location.id, size, &tries));
	if (charged && result == CUDA_SUCCESS)
		unmanaged_handle_created(*handle, prop->location.id, size);
	else if (charged)
		unmanaged_uncharge(prop->location.id, size);
	return result;
}

LT_EXPORT CUresult CUDAAPI cuMemRelease(CUmemGenericAllocationHandle handle)
{
	CUresult result;

	if (!driver_has(cuMemRelease))
		return CUDA_ERROR_NOT_FOUND;
	result = real(cuMemRelease)(handle);
	if (result == CUDA_SUCCESS)
		unmanaged_handle_released(handle);
	return result;
}

LT_EXPORT CUresult CUDAAPI cuMemMap(CUdeviceptr ptr, size_t size, size_t offset,
				    CUmemGenericAllocationHandle handle,
				    unsigned long long flags)
{
	CUresult result;

	if (!driver_has(cuMemMap))
		return CUDA_ERROR_NOT_FOUND;
	result = real(cuMemMap)(ptr, size, offset, handle, flags);
	if (result == CUDA_SUCCESS)
		unmanaged_mapped(ptr, size, handle);
	return result;
}

LT_EXPORT CUresult CUDAAPI cuMemUnmap(CUdeviceptr ptr, size_t size)
{
	CUresult result;

	if (!driver_has(cuMemUnmap))
		return CUDA_ERROR_NOT_FOUND;
	result = real(cuMemUnmap)(ptr, size);
	if (result == CUDA_SUCCESS)
		unmanaged_unmapped(ptr, size);
	return result;
}
