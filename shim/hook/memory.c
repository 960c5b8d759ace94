/*
 * Linear memory: what the program allocates on the device, charged to the ledger before the
 * driver is asked.
 */
#include "door/driver.h"
#include "door/export.h"
#include "pager/admission.h"
#include "pager/pager.h"

LT_EXPORT CUresult CUDAAPI cuMemAlloc_v2(CUdeviceptr *dptr, size_t bytesize)
{
	CUresult result;
	int device;

	if (!driver_has(cuMemAlloc_v2))
		return CUDA_ERROR_NOT_FOUND;
	switch (pager_alloc(bytesize, dptr)) {
	case PAGER_DONE:
		return CUDA_SUCCESS;
	case PAGER_REFUSED:
		return CUDA_ERROR_OUT_OF_MEMORY;
	case PAGER_DECLINED:
		break;
	}
	result = admission_ask(bytesize, &device);
	if (result != CUDA_SUCCESS)
		return result;
	result = real(cuMemAlloc_v2)(dptr, bytesize);
	return admission_settle(result, device, bytesize, result == CUDA_SUCCESS ? *dptr : 0);
}

/* The widest pitch any device asks for; the driver tells the true one only after it has
 * allocated. */
#define PITCH_BYTES 512

LT_EXPORT CUresult CUDAAPI cuMemAllocPitch_v2(CUdeviceptr *dptr, size_t *pPitch,
					      size_t WidthInBytes, size_t Height,
					      unsigned int ElementSizeBytes)
{
	size_t pitch = (WidthInBytes + PITCH_BYTES - 1) / PITCH_BYTES * PITCH_BYTES;
	size_t bytes;
	CUresult result;
	int device;

	if (!driver_has(cuMemAllocPitch_v2))
		return CUDA_ERROR_NOT_FOUND;
	if (__builtin_mul_overflow(pitch, Height, &bytes))
		return CUDA_ERROR_OUT_OF_MEMORY;
	/* An element size that the driver would refuse, it must be asked to refuse. */
	if (pPitch &&
	    (ElementSizeBytes == 4 || ElementSizeBytes == 8 || ElementSizeBytes == 16))
		switch (pager_alloc(bytes, dptr)) {
		case PAGER_DONE:
			*pPitch = pitch;
			return CUDA_SUCCESS;
		case PAGER_REFUSED:
			return CUDA_ERROR_OUT_OF_MEMORY;
		case PAGER_DECLINED:
			break;
		}
	result = admission_ask(bytes, &device);
	if (result != CUDA_SUCCESS)
		return result;
	result = real(cuMemAllocPitch_v2)(dptr, pPitch, WidthInBytes, Height, ElementSizeBytes);
	return admission_settle(result, device, bytes, result == CUDA_SUCCESS ? *dptr : 0);
}

/* Managed memory moves between the card and RAM as the driver likes; it is charged as if all of
 * it were on the card. */
LT_EXPORT CUresult CUDAAPI cuMemAllocManaged(CUdeviceptr *dptr, size_t bytesize,
					     unsigned int flags)
{
	CUresult result;
	int device;

	if (!driver_has(cuMemAllocManaged))
		return CUDA_ERROR_NOT_FOUND;
	result = admission_ask(bytesize, &device);
	if (result != CUDA_SUCCESS)
		return result;
	result = real(cuMemAllocManaged)(dptr, bytesize, flags);
	return admission_settle(result, device, bytesize, result == CUDA_SUCCESS ? *dptr : 0);
}

LT_EXPORT CUresult CUDAAPI cuMemFree_v2(CUdeviceptr dptr)
{
	CUresult result;

	if (!driver_has(cuMemFree_v2))
		return CUDA_ERROR_NOT_FOUND;
	if (pager_free(dptr, &result) != PAGER_DECLINED)
		return result;
	return admission_free(dptr, real(cuMemFree_v2));
}

LT_EXPORT CUresult CUDAAPI cuMemGetInfo_v2(size_t *free_bytes, size_t *total)
{
	CUresult result;

	if (!driver_has(cuMemGetInfo_v2))
		return CUDA_ERROR_NOT_FOUND;
	result = real(cuMemGetInfo_v2)(free_bytes, total);
	if (result == CUDA_SUCCESS)
		admission_report(free_bytes, total);
	return result;
}
