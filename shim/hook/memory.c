/*
 * Linear memory: what the program allocates on the device, charged to the ledger before the
 * driver is asked.
 */
#include "driver/driver.h"
#include "driver/export.h"
#include "account/admission.h"
#include "pager/driver_slabs.h"
#include "pager/pager.h"
#include "pager/report.h"

/* DECLINED: the driver's to make. REFUSED: *result says why. */
static enum pager_answer allocate(size_t bytes, CUdeviceptr *out, CUresult *result)
{
	enum pager_answer answer = pager_alloc(bytes, out);

	*result = answer == PAGER_REFUSED ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
	return answer == PAGER_DECLINED ? driver_slabs_alloc(bytes, out, result) : answer;
}

LT_EXPORT CUresult CUDAAPI cuMemAlloc_v2(CUdeviceptr *dptr, size_t bytesize)
{
	CUresult result;

	if (!driver_has(cuMemAlloc_v2))
		return CUDA_ERROR_NOT_FOUND;
	if (!dptr) /* here and below: the driver refuses it, whatever room there is */
		return real(cuMemAlloc_v2)(dptr, bytesize);
	return allocate(bytesize, dptr, &result) != PAGER_DECLINED
		   ? result
		   : admission_alloc(bytesize, real(cuMemAlloc_v2), dptr);
}

/* The widest pitch any device asks for; the driver tells the true one only after it has
 * allocated. */
#define PITCH_BYTES 512

LT_EXPORT CUresult CUDAAPI cuMemAllocPitch_v2(CUdeviceptr *dptr, size_t *pPitch,
					      size_t WidthInBytes, size_t Height,
					      unsigned int ElementSizeBytes)
{
	size_t pitch, bytes;
	CUresult result;
	int device, tries = 0;

	if (!driver_has(cuMemAllocPitch_v2))
		return CUDA_ERROR_NOT_FOUND;
	if (!dptr || !pPitch || __builtin_add_overflow(WidthInBytes, PITCH_BYTES - 1, &pitch) ||
	    __builtin_mul_overflow(pitch / PITCH_BYTES * PITCH_BYTES, Height, &bytes))
		return real(cuMemAllocPitch_v2)(dptr, pPitch, WidthInBytes, Height,
						ElementSizeBytes);
	pitch = pitch / PITCH_BYTES * PITCH_BYTES;
	/* Other element sizes are the driver's to refuse. */
	if ((ElementSizeBytes == 4 || ElementSizeBytes == 8 || ElementSizeBytes == 16) &&
	    allocate(bytes, dptr, &result) != PAGER_DECLINED) {
		if (result == CUDA_SUCCESS)
			*pPitch = pitch;
		return result;
	}
	result = admission_ask(bytes, &device);
	if (result != CUDA_SUCCESS)
		return result;
	do
		result = real(cuMemAllocPitch_v2)(dptr, pPitch, WidthInBytes, Height,
						  ElementSizeBytes);
	while (admission_retry(result, device, bytes, &tries));
	return admission_settle(result, device, bytes, result == CUDA_SUCCESS ? *dptr : 0);
}

/* Managed memory moves between the card and RAM as the driver likes; it is charged as if all of
 * it were on the card. */
LT_EXPORT CUresult CUDAAPI cuMemAllocManaged(CUdeviceptr *dptr, size_t bytesize,
					     unsigned int flags)
{
	CUresult result;
	int device, tries = 0;

	if (!driver_has(cuMemAllocManaged))
		return CUDA_ERROR_NOT_FOUND;
	if (!dptr)
		return real(cuMemAllocManaged)(dptr, bytesize, flags);
	result = admission_ask(bytesize, &device);
	if (result != CUDA_SUCCESS)
		return result;
	do
		result = real(cuMemAllocManaged)(dptr, bytesize, flags);
	while (admission_retry(result, device, bytesize, &tries));
	return admission_settle(result, device, bytesize, result == CUDA_SUCCESS ? *dptr : 0);
}

LT_EXPORT CUresult CUDAAPI cuMemFree_v2(CUdeviceptr dptr)
{
	CUresult result;

	if (!driver_has(cuMemFree_v2))
		return CUDA_ERROR_NOT_FOUND;
	if (pager_free(dptr, &result) != PAGER_DECLINED ||
	    driver_slabs_free(dptr, &result) != PAGER_DECLINED)
		return result;
	return admission_free(dptr, real(cuMemFree_v2));
}

LT_EXPORT CUresult CUDAAPI cuMemGetInfo_v2(size_t *free_bytes, size_t *total)
{
	size_t free_shown, total_shown;
	CUresult result;

	if (!driver_has(cuMemGetInfo_v2))
		return CUDA_ERROR_NOT_FOUND;
	/* The driver says whether either may be NULL. */
	result = real(cuMemGetInfo_v2)(free_bytes, total);
	if (result != CUDA_SUCCESS ||
	    real(cuMemGetInfo_v2)(&free_shown, &total_shown) != CUDA_SUCCESS)
		return result;
	report_memory(&free_shown, &total_shown);
	if (free_bytes)
		*free_bytes = free_shown;
	if (total)
		*total = total_shown;
	return result;
}
