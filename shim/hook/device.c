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

/* The primary context's name, without making one that is not there. NULL if unknown. */
static CUcontext primary_context(CUdevice dev)
{
	CUcontext context = NULL;
	unsigned int flags;
	int active = 0;

	if (!real(cuDevicePrimaryCtxGetState) || !real(cuDevicePrimaryCtxRetain) ||
	    !real(cuDevicePrimaryCtxRelease_v2) ||
	    real(cuDevicePrimaryCtxGetState)(dev, &flags, &active) != CUDA_SUCCESS || !active ||
	    real(cuDevicePrimaryCtxRetain)(&context, dev) != CUDA_SUCCESS)
		return NULL;
	real(cuDevicePrimaryCtxRelease_v2)(dev);
	return context;
}

static CUresult reset(CUresult (*driver_reset)(CUdevice), CUdevice dev)
{
	CUcontext context = primary_context(dev);
	CUresult result = driver_reset(dev);

	if (result == CUDA_SUCCESS)
		holding_forget_context((uintptr_t)context);
	return result;
}

/* The symbol before 11.0, which is the one the 13.0 runtime still asks for. */
LT_EXPORT CUresult CUDAAPI cuDevicePrimaryCtxReset(CUdevice dev)
{
	if (!driver_has(cuDevicePrimaryCtxReset))
		return CUDA_ERROR_NOT_FOUND;
	return reset(real(cuDevicePrimaryCtxReset), dev);
}

LT_EXPORT CUresult CUDAAPI cuDevicePrimaryCtxReset_v2(CUdevice dev)
{
	if (!driver_has(cuDevicePrimaryCtxReset_v2))
		return CUDA_ERROR_NOT_FOUND;
	return reset(real(cuDevicePrimaryCtxReset_v2), dev);
}

LT_EXPORT CUresult CUDAAPI cuCtxDestroy_v2(CUcontext ctx)
{
	CUresult result;

	if (!driver_has(cuCtxDestroy_v2))
		return CUDA_ERROR_NOT_FOUND;
	result = real(cuCtxDestroy_v2)(ctx);
	if (result == CUDA_SUCCESS)
		holding_forget_context((uintptr_t)ctx);
	return result;
}
