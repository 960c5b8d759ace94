/*
 * Streams that wait for a value in memory, or write one: passed on, but not while mappings
 * change, and where cold memory is unmapped with what they name in VRAM.
 */
#include "door/driver.h"
#include "door/export.h"
#include "hook/work.h"

LT_EXPORT CUresult CUDAAPI cuStreamWriteValue32_v2(CUstream stream, CUdeviceptr addr,
						   cuuint32_t value, unsigned int flags)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuStreamWriteValue32_v2))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_at(addr, work_legacy(stream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuStreamWriteValue32_v2)(stream, addr, value, flags);
	return work_end(begun, work_legacy(stream), result);
}

LT_EXPORT CUresult CUDAAPI cuStreamWriteValue32_v2_ptsz(CUstream stream, CUdeviceptr addr,
							cuuint32_t value, unsigned int flags)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuStreamWriteValue32_v2_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_at(addr, work_per_thread(stream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuStreamWriteValue32_v2_ptsz)(stream, addr, value, flags);
	return work_end(begun, work_per_thread(stream), result);
}

LT_EXPORT CUresult CUDAAPI cuStreamWriteValue64_v2(CUstream stream, CUdeviceptr addr,
						   cuuint64_t value, unsigned int flags)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuStreamWriteValue64_v2))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_at(addr, work_legacy(stream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuStreamWriteValue64_v2)(stream, addr, value, flags);
	return work_end(begun, work_legacy(stream), result);
}

LT_EXPORT CUresult CUDAAPI cuStreamWriteValue64_v2_ptsz(CUstream stream, CUdeviceptr addr,
							cuuint64_t value, unsigned int flags)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuStreamWriteValue64_v2_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_at(addr, work_per_thread(stream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuStreamWriteValue64_v2_ptsz)(stream, addr, value, flags);
	return work_end(begun, work_per_thread(stream), result);
}

LT_EXPORT CUresult CUDAAPI cuStreamWaitValue32_v2(CUstream stream, CUdeviceptr addr,
						  cuuint32_t value, unsigned int flags)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuStreamWaitValue32_v2))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_at(addr, work_legacy(stream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuStreamWaitValue32_v2)(stream, addr, value, flags);
	return work_end(begun, work_legacy(stream), result);
}

LT_EXPORT CUresult CUDAAPI cuStreamWaitValue32_v2_ptsz(CUstream stream, CUdeviceptr addr,
						       cuuint32_t value, unsigned int flags)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuStreamWaitValue32_v2_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_at(addr, work_per_thread(stream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuStreamWaitValue32_v2_ptsz)(stream, addr, value, flags);
	return work_end(begun, work_per_thread(stream), result);
}

LT_EXPORT CUresult CUDAAPI cuStreamWaitValue64_v2(CUstream stream, CUdeviceptr addr,
						  cuuint64_t value, unsigned int flags)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuStreamWaitValue64_v2))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_at(addr, work_legacy(stream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuStreamWaitValue64_v2)(stream, addr, value, flags);
	return work_end(begun, work_legacy(stream), result);
}

LT_EXPORT CUresult CUDAAPI cuStreamWaitValue64_v2_ptsz(CUstream stream, CUdeviceptr addr,
						       cuuint64_t value, unsigned int flags)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuStreamWaitValue64_v2_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_at(addr, work_per_thread(stream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuStreamWaitValue64_v2_ptsz)(stream, addr, value, flags);
	return work_end(begun, work_per_thread(stream), result);
}

LT_EXPORT CUresult CUDAAPI cuStreamBatchMemOp_v2(CUstream stream, unsigned int count,
						 CUstreamBatchMemOpParams *paramArray,
						 unsigned int flags)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuStreamBatchMemOp_v2))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_unknown(work_legacy(stream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuStreamBatchMemOp_v2)(stream, count, paramArray, flags);
	return work_end(begun, work_legacy(stream), result);
}

LT_EXPORT CUresult CUDAAPI cuStreamBatchMemOp_v2_ptsz(CUstream stream, unsigned int count,
						      CUstreamBatchMemOpParams *paramArray,
						      unsigned int flags)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuStreamBatchMemOp_v2_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_unknown(work_per_thread(stream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuStreamBatchMemOp_v2_ptsz)(stream, count, paramArray, flags);
	return work_end(begun, work_per_thread(stream), result);
}
