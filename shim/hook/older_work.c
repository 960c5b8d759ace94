/*
 * Work by functions of older toolkits, which drivers still have and old programs still call:
 * passed on as it is, but not while mappings change. Launches of before CUDA 4 set their
 * parameters one by one elsewhere, so what they name is not known.
 */
#include "door/driver.h"
#include "door/export.h"
#include "hook/work.h"

LT_EXPORT CUresult CUDAAPI cuLaunch(CUfunction f)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuLaunch))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_unknown(CU_STREAM_LEGACY, &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuLaunch)(f);
	return work_end(begun, CU_STREAM_LEGACY, result);
}

LT_EXPORT CUresult CUDAAPI cuLaunchGrid(CUfunction f, int grid_width, int grid_height)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuLaunchGrid))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_unknown(CU_STREAM_LEGACY, &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuLaunchGrid)(f, grid_width, grid_height);
	return work_end(begun, CU_STREAM_LEGACY, result);
}

LT_EXPORT CUresult CUDAAPI cuLaunchGridAsync(CUfunction f, int grid_width, int grid_height,
					     CUstream hStream)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuLaunchGridAsync))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_unknown(work_legacy(hStream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuLaunchGridAsync)(f, grid_width, grid_height, hStream);
	return work_end(begun, work_legacy(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuStreamWriteValue32(CUstream stream, CUdeviceptr addr,
						cuuint32_t value, unsigned int flags)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuStreamWriteValue32))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_at(addr, work_legacy(stream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuStreamWriteValue32)(stream, addr, value, flags);
	return work_end(begun, work_legacy(stream), result);
}

LT_EXPORT CUresult CUDAAPI cuStreamWriteValue32_ptsz(CUstream stream, CUdeviceptr addr,
						     cuuint32_t value, unsigned int flags)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuStreamWriteValue32_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_at(addr, work_per_thread(stream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuStreamWriteValue32_ptsz)(stream, addr, value, flags);
	return work_end(begun, work_per_thread(stream), result);
}

LT_EXPORT CUresult CUDAAPI cuStreamWriteValue64(CUstream stream, CUdeviceptr addr,
						cuuint64_t value, unsigned int flags)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuStreamWriteValue64))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_at(addr, work_legacy(stream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuStreamWriteValue64)(stream, addr, value, flags);
	return work_end(begun, work_legacy(stream), result);
}

LT_EXPORT CUresult CUDAAPI cuStreamWriteValue64_ptsz(CUstream stream, CUdeviceptr addr,
						     cuuint64_t value, unsigned int flags)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuStreamWriteValue64_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_at(addr, work_per_thread(stream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuStreamWriteValue64_ptsz)(stream, addr, value, flags);
	return work_end(begun, work_per_thread(stream), result);
}

LT_EXPORT CUresult CUDAAPI cuStreamWaitValue32(CUstream stream, CUdeviceptr addr,
					       cuuint32_t value, unsigned int flags)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuStreamWaitValue32))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_at(addr, work_legacy(stream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuStreamWaitValue32)(stream, addr, value, flags);
	return work_end(begun, work_legacy(stream), result);
}

LT_EXPORT CUresult CUDAAPI cuStreamWaitValue32_ptsz(CUstream stream, CUdeviceptr addr,
						    cuuint32_t value, unsigned int flags)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuStreamWaitValue32_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_at(addr, work_per_thread(stream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuStreamWaitValue32_ptsz)(stream, addr, value, flags);
	return work_end(begun, work_per_thread(stream), result);
}

LT_EXPORT CUresult CUDAAPI cuStreamWaitValue64(CUstream stream, CUdeviceptr addr,
					       cuuint64_t value, unsigned int flags)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuStreamWaitValue64))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_at(addr, work_legacy(stream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuStreamWaitValue64)(stream, addr, value, flags);
	return work_end(begun, work_legacy(stream), result);
}

LT_EXPORT CUresult CUDAAPI cuStreamWaitValue64_ptsz(CUstream stream, CUdeviceptr addr,
						    cuuint64_t value, unsigned int flags)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuStreamWaitValue64_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_at(addr, work_per_thread(stream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuStreamWaitValue64_ptsz)(stream, addr, value, flags);
	return work_end(begun, work_per_thread(stream), result);
}

LT_EXPORT CUresult CUDAAPI cuStreamBatchMemOp(CUstream stream, unsigned int count,
					      CUstreamBatchMemOpParams *paramArray,
					      unsigned int flags)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuStreamBatchMemOp))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_unknown(work_legacy(stream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuStreamBatchMemOp)(stream, count, paramArray, flags);
	return work_end(begun, work_legacy(stream), result);
}

LT_EXPORT CUresult CUDAAPI cuStreamBatchMemOp_ptsz(CUstream stream, unsigned int count,
						   CUstreamBatchMemOpParams *paramArray,
						   unsigned int flags)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuStreamBatchMemOp_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_unknown(work_per_thread(stream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuStreamBatchMemOp_ptsz)(stream, count, paramArray, flags);
	return work_end(begun, work_per_thread(stream), result);
}
