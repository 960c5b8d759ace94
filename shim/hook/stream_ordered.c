/* Stream-ordered memory, in both stream flavours, and the pools it comes from. */
#include "driver/driver.h"
#include "driver/export.h"
#include "account/admission.h"
#include "pager/driver_slabs.h"
#include "account/ordered_free.h"
#include "pager/pager.h"
#include "account/pools.h"
#include "order/streams.h"
#include "order/captures.h"

/* True: *result is the answer. Memory of cuMemAlloc may be freed in stream order, but not by a
 * graph, which frees only what a graph allocated. */
static bool freed_by_us(CUdeviceptr dptr, CUstream stream, CUresult *result)
{
	CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;

	if (!pager_of(dptr) && !driver_slabs_hold(dptr))
		return false;
	*result = CUDA_SUCCESS;
	if (captures_any() && real(cuStreamIsCapturing))
		*result = real(cuStreamIsCapturing)(stream, &status);
	if (*result == CUDA_SUCCESS && status != CU_STREAM_CAPTURE_STATUS_NONE)
		*result = CUDA_ERROR_INVALID_VALUE;
	if (*result != CUDA_SUCCESS)
		return true;
	if (pager_of(dptr))
		pager_free_after(dptr, stream, result);
	else
		driver_slabs_free_after(dptr, stream, result);
	return true;
}

LT_EXPORT CUresult CUDAAPI cuMemAllocAsync(CUdeviceptr *dptr, size_t bytesize, CUstream hStream)
{
	CUresult result;
	struct pool_request pooled;
	int tries = 0;

	if (!driver_has(cuMemAllocAsync))
		return CUDA_ERROR_NOT_FOUND;
	if (!dptr)
		return real(cuMemAllocAsync)(dptr, bytesize, hStream);
	result = pools_ask(&pooled, NULL, bytesize);
	if (result != CUDA_SUCCESS)
		return result;
	do
		result = real(cuMemAllocAsync)(dptr, bytesize, hStream);
	while (admission_retry(result, pooled.device, bytesize, &tries));
	return pools_settle(&pooled, result, result == CUDA_SUCCESS ? *dptr : 0,
			    hStream ? hStream : CU_STREAM_LEGACY);
}

LT_EXPORT CUresult CUDAAPI cuMemAllocFromPoolAsync(CUdeviceptr *dptr, size_t bytesize,
						   CUmemoryPool pool, CUstream hStream)
{
	CUresult result;
	struct pool_request pooled;
	int tries = 0;

	if (!driver_has(cuMemAllocFromPoolAsync))
		return CUDA_ERROR_NOT_FOUND;
	if (!dptr || !pool)
		return real(cuMemAllocFromPoolAsync)(dptr, bytesize, pool, hStream);
	result = pools_ask(&pooled, pool, bytesize);
	if (result != CUDA_SUCCESS)
		return result;
	do
		result = real(cuMemAllocFromPoolAsync)(dptr, bytesize, pool, hStream);
	while (admission_retry(result, pooled.device, bytesize, &tries));
	return pools_settle(&pooled, result, result == CUDA_SUCCESS ? *dptr : 0,
			    hStream ? hStream : CU_STREAM_LEGACY);
}

LT_EXPORT CUresult CUDAAPI cuMemFreeAsync(CUdeviceptr dptr, CUstream hStream)
{
	CUstream named = hStream ? hStream : CU_STREAM_LEGACY;
	CUresult result;

	if (!driver_has(cuMemFreeAsync))
		return CUDA_ERROR_NOT_FOUND;
	return freed_by_us(dptr, named, &result)
		   ? result
		   : ordered_free(dptr, hStream, named, real(cuMemFreeAsync));
}

LT_EXPORT CUresult CUDAAPI cuMemAllocAsync_ptsz(CUdeviceptr *dptr, size_t bytesize,
						CUstream hStream)
{
	CUresult result;
	struct pool_request pooled;
	int tries = 0;

	if (!driver_has(cuMemAllocAsync_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	if (!dptr)
		return real(cuMemAllocAsync_ptsz)(dptr, bytesize, hStream);
	result = pools_ask(&pooled, NULL, bytesize);
	if (result != CUDA_SUCCESS)
		return result;
	do
		result = real(cuMemAllocAsync_ptsz)(dptr, bytesize, hStream);
	while (admission_retry(result, pooled.device, bytesize, &tries));
	return pools_settle(&pooled, result, result == CUDA_SUCCESS ? *dptr : 0,
			    hStream ? hStream : CU_STREAM_PER_THREAD);
}

LT_EXPORT CUresult CUDAAPI cuMemAllocFromPoolAsync_ptsz(CUdeviceptr *dptr, size_t bytesize,
							CUmemoryPool pool, CUstream hStream)
{
	CUresult result;
	struct pool_request pooled;
	int tries = 0;

	if (!driver_has(cuMemAllocFromPoolAsync_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	if (!dptr || !pool)
		return real(cuMemAllocFromPoolAsync_ptsz)(dptr, bytesize, pool, hStream);
	result = pools_ask(&pooled, pool, bytesize);
	if (result != CUDA_SUCCESS)
		return result;
	do
		result = real(cuMemAllocFromPoolAsync_ptsz)(dptr, bytesize, pool, hStream);
	while (admission_retry(result, pooled.device, bytesize, &tries));
	return pools_settle(&pooled, result, result == CUDA_SUCCESS ? *dptr : 0,
			    hStream ? hStream : CU_STREAM_PER_THREAD);
}

LT_EXPORT CUresult CUDAAPI cuMemFreeAsync_ptsz(CUdeviceptr dptr, CUstream hStream)
{
	CUstream named = hStream ? hStream : CU_STREAM_PER_THREAD;
	CUresult result;

	if (!driver_has(cuMemFreeAsync_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	return freed_by_us(dptr, named, &result)
		   ? result
		   : ordered_free(dptr, hStream, named, real(cuMemFreeAsync_ptsz));
}

LT_EXPORT CUresult CUDAAPI cuMemPoolTrimTo(CUmemoryPool pool, size_t minBytesToKeep)
{
	CUresult result;

	if (!driver_has(cuMemPoolTrimTo))
		return CUDA_ERROR_NOT_FOUND;
	result = real(cuMemPoolTrimTo)(pool, minBytesToKeep);
	pools_refresh();
	return result;
}

LT_EXPORT CUresult CUDAAPI cuMemPoolDestroy(CUmemoryPool pool)
{
	CUresult result;

	if (!driver_has(cuMemPoolDestroy))
		return CUDA_ERROR_NOT_FOUND;
	result = pools_destroy(pool, real(cuMemPoolDestroy));
	return result;
}
