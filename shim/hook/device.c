/*
 * Devices: what the program is told of their memory, and a primary context that takes its
 * memory with it.
 */
#include "door/driver.h"
#include "door/export.h"
#include "pager/admission.h"
#include "pager/holding.h"

LT_EXPORT CUresult CUDAAPI cuDeviceTotalMem_v2(size_t *bytes, CUdevice dev)
{
	CUresult result;

	if (!driver_has(cuDeviceTotalMem_v2))
		return CUDA_ERROR_NOT_FOUND;
	result = real(cuDeviceTotalMem_v2)(bytes, dev);
	if (result == CUDA_SUCCESS)
		*bytes = admission_report_total(dev, *bytes);
	return result;
}

/* The symbol before 11.0, which is the one the 13.0 runtime still asks for. */
LT_EXPORT CUresult CUDAAPI cuDevicePrimaryCtxReset(CUdevice dev)
{
	CUresult result;

	if (!driver_has(cuDevicePrimaryCtxReset))
		return CUDA_ERROR_NOT_FOUND;
	result = real(cuDevicePrimaryCtxReset)(dev);
	if (result == CUDA_SUCCESS)
		holding_forget_device(dev);
	return result;
}

LT_EXPORT CUresult CUDAAPI cuDevicePrimaryCtxReset_v2(CUdevice dev)
{
	CUresult result;

	if (!driver_has(cuDevicePrimaryCtxReset_v2))
		return CUDA_ERROR_NOT_FOUND;
	result = real(cuDevicePrimaryCtxReset_v2)(dev);
	if (result == CUDA_SUCCESS)
		holding_forget_device(dev);
	return result;
}
