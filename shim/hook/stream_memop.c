/*
 * Streams that wait for a value in memory, or write one: passed on, but not while mappings
 * change, and where cold memory is unmapped with what they name in VRAM. Drivers have two
 * versions of each, of the same parameters.
 */
#include "driver/driver.h"
#include "driver/export.h"
#include "hook/work.h"

#include <stdlib.h>

/* Each is given the driver's function, NULL where there is none, and the stream as the driver
 * and as the pager knows it. */
static CUresult wait_or_write_32(PFN_cuStreamWriteValue32_v11070 call, CUstream stream,
				 CUstream where, CUdeviceptr addr, cuuint32_t value,
				 unsigned int flags)
{
	struct work work;
	CUresult result;

	if (!call)
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_ranges(&work, where, &(struct pager_range){addr, 8}, 1);
	if (result == CUDA_SUCCESS)
		result = call(stream, addr, value, flags);
	return work_end(&work, result);
}

static CUresult wait_or_write_64(PFN_cuStreamWriteValue64_v11070 call, CUstream stream,
				 CUstream where, CUdeviceptr addr, cuuint64_t value,
				 unsigned int flags)
{
	struct work work;
	CUresult result;

	if (!call)
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_ranges(&work, where, &(struct pager_range){addr, 8}, 1);
	if (result == CUDA_SUCCESS)
		result = call(stream, addr, value, flags);
	return work_end(&work, result);
}

/* Waits for values in memory, and writes of them. False: what a later CUDA may have. */
static bool operation_range(const CUstreamBatchMemOpParams *operation,
			    struct pager_range *range)
{
	switch ((int)operation->operation) {
	case CU_STREAM_MEM_OP_WAIT_VALUE_32:
	case CU_STREAM_MEM_OP_WAIT_VALUE_64:
		*range = (struct pager_range){operation->waitValue.address, 8};
		return true;
	case CU_STREAM_MEM_OP_WRITE_VALUE_32:
	case CU_STREAM_MEM_OP_WRITE_VALUE_64:
		*range = (struct pager_range){operation->writeValue.address, 8};
		return true;
	case CU_STREAM_MEM_OP_FLUSH_REMOTE_WRITES:
	case CU_STREAM_MEM_OP_BARRIER:
		return true; /* of no address */
	default:
		return false;
	}
}

static CUresult memop_batch_begin(struct work *work, CUstream where,
				  const CUstreamBatchMemOpParams *operations,
				  unsigned int count)
{
	struct pager_range *ranges;
	CUresult result;

	if (!operations)
		count = 0; /* the driver's to refuse */
	ranges = count && pager_any_made() ? calloc(count, sizeof(*ranges)) : NULL;
	for (unsigned int i = 0; ranges && i < count; i++) {
		if (operation_range(&operations[i], &ranges[i]))
			continue;
		free(ranges);
		ranges = NULL;
	}
	result = ranges ? work_begin_ranges(work, where, ranges, count)
			: work_begin_unlisted(work, where, count);
	free(ranges);
	return result;
}

static CUresult memop_batch(PFN_cuStreamBatchMemOp_v11070 call, CUstream stream, CUstream where,
			    unsigned int count, CUstreamBatchMemOpParams *operations,
			    unsigned int flags)
{
	struct work work;
	CUresult result;

	if (!call)
		return CUDA_ERROR_NOT_FOUND;
	result = memop_batch_begin(&work, where, operations, count);
	if (result == CUDA_SUCCESS)
		result = call(stream, count, operations, flags);
	return work_end(&work, result);
}

/* --- as of CUDA 8 and 9 */

LT_EXPORT CUresult CUDAAPI cuStreamWriteValue32(CUstream stream, CUdeviceptr addr,
						cuuint32_t value, unsigned int flags)
{
	return wait_or_write_32(DRIVERS(cuStreamWriteValue32), stream, work_legacy(stream),
				addr, value, flags);
}

LT_EXPORT CUresult CUDAAPI cuStreamWriteValue32_ptsz(CUstream stream, CUdeviceptr addr,
						     cuuint32_t value, unsigned int flags)
{
	return wait_or_write_32(DRIVERS(cuStreamWriteValue32_ptsz), stream,
				work_per_thread(stream), addr, value, flags);
}

LT_EXPORT CUresult CUDAAPI cuStreamWriteValue64(CUstream stream, CUdeviceptr addr,
						cuuint64_t value, unsigned int flags)
{
	return wait_or_write_64(DRIVERS(cuStreamWriteValue64), stream, work_legacy(stream),
				addr, value, flags);
}

LT_EXPORT CUresult CUDAAPI cuStreamWriteValue64_ptsz(CUstream stream, CUdeviceptr addr,
						     cuuint64_t value, unsigned int flags)
{
	return wait_or_write_64(DRIVERS(cuStreamWriteValue64_ptsz), stream,
				work_per_thread(stream), addr, value, flags);
}

LT_EXPORT CUresult CUDAAPI cuStreamWaitValue32(CUstream stream, CUdeviceptr addr,
					       cuuint32_t value, unsigned int flags)
{
	return wait_or_write_32(DRIVERS(cuStreamWaitValue32), stream, work_legacy(stream), addr,
				value, flags);
}

LT_EXPORT CUresult CUDAAPI cuStreamWaitValue32_ptsz(CUstream stream, CUdeviceptr addr,
						    cuuint32_t value, unsigned int flags)
{
	return wait_or_write_32(DRIVERS(cuStreamWaitValue32_ptsz), stream,
				work_per_thread(stream), addr, value, flags);
}

LT_EXPORT CUresult CUDAAPI cuStreamWaitValue64(CUstream stream, CUdeviceptr addr,
					       cuuint64_t value, unsigned int flags)
{
	return wait_or_write_64(DRIVERS(cuStreamWaitValue64), stream, work_legacy(stream), addr,
				value, flags);
}

LT_EXPORT CUresult CUDAAPI cuStreamWaitValue64_ptsz(CUstream stream, CUdeviceptr addr,
						    cuuint64_t value, unsigned int flags)
{
	return wait_or_write_64(DRIVERS(cuStreamWaitValue64_ptsz), stream,
				work_per_thread(stream), addr, value, flags);
}

LT_EXPORT CUresult CUDAAPI cuStreamBatchMemOp(CUstream stream, unsigned int count,
					      CUstreamBatchMemOpParams *paramArray,
					      unsigned int flags)
{
	return memop_batch(DRIVERS(cuStreamBatchMemOp), stream, work_legacy(stream), count,
			   paramArray, flags);
}

LT_EXPORT CUresult CUDAAPI cuStreamBatchMemOp_ptsz(CUstream stream, unsigned int count,
						   CUstreamBatchMemOpParams *paramArray,
						   unsigned int flags)
{
	return memop_batch(DRIVERS(cuStreamBatchMemOp_ptsz), stream, work_per_thread(stream),
			   count, paramArray, flags);
}

/* --- as of CUDA 11.7 */

LT_EXPORT CUresult CUDAAPI cuStreamWriteValue32_v2(CUstream stream, CUdeviceptr addr,
						   cuuint32_t value, unsigned int flags)
{
	return wait_or_write_32(DRIVERS(cuStreamWriteValue32_v2), stream, work_legacy(stream),
				addr, value, flags);
}

LT_EXPORT CUresult CUDAAPI cuStreamWriteValue32_v2_ptsz(CUstream stream, CUdeviceptr addr,
							cuuint32_t value, unsigned int flags)
{
	return wait_or_write_32(DRIVERS(cuStreamWriteValue32_v2_ptsz), stream,
				work_per_thread(stream), addr, value, flags);
}

LT_EXPORT CUresult CUDAAPI cuStreamWriteValue64_v2(CUstream stream, CUdeviceptr addr,
						   cuuint64_t value, unsigned int flags)
{
	return wait_or_write_64(DRIVERS(cuStreamWriteValue64_v2), stream, work_legacy(stream),
				addr, value, flags);
}

LT_EXPORT CUresult CUDAAPI cuStreamWriteValue64_v2_ptsz(CUstream stream, CUdeviceptr addr,
							cuuint64_t value, unsigned int flags)
{
	return wait_or_write_64(DRIVERS(cuStreamWriteValue64_v2_ptsz), stream,
				work_per_thread(stream), addr, value, flags);
}

LT_EXPORT CUresult CUDAAPI cuStreamWaitValue32_v2(CUstream stream, CUdeviceptr addr,
						  cuuint32_t value, unsigned int flags)
{
	return wait_or_write_32(DRIVERS(cuStreamWaitValue32_v2), stream, work_legacy(stream),
				addr, value, flags);
}

LT_EXPORT CUresult CUDAAPI cuStreamWaitValue32_v2_ptsz(CUstream stream, CUdeviceptr addr,
						       cuuint32_t value, unsigned int flags)
{
	return wait_or_write_32(DRIVERS(cuStreamWaitValue32_v2_ptsz), stream,
				work_per_thread(stream), addr, value, flags);
}

LT_EXPORT CUresult CUDAAPI cuStreamWaitValue64_v2(CUstream stream, CUdeviceptr addr,
						  cuuint64_t value, unsigned int flags)
{
	return wait_or_write_64(DRIVERS(cuStreamWaitValue64_v2), stream, work_legacy(stream),
				addr, value, flags);
}

LT_EXPORT CUresult CUDAAPI cuStreamWaitValue64_v2_ptsz(CUstream stream, CUdeviceptr addr,
						       cuuint64_t value, unsigned int flags)
{
	return wait_or_write_64(DRIVERS(cuStreamWaitValue64_v2_ptsz), stream,
				work_per_thread(stream), addr, value, flags);
}

LT_EXPORT CUresult CUDAAPI cuStreamBatchMemOp_v2(CUstream stream, unsigned int count,
						 CUstreamBatchMemOpParams *paramArray,
						 unsigned int flags)
{
	return memop_batch(DRIVERS(cuStreamBatchMemOp_v2), stream, work_legacy(stream), count,
			   paramArray, flags);
}

LT_EXPORT CUresult CUDAAPI cuStreamBatchMemOp_v2_ptsz(CUstream stream, unsigned int count,
						      CUstreamBatchMemOpParams *paramArray,
						      unsigned int flags)
{
	return memop_batch(DRIVERS(cuStreamBatchMemOp_v2_ptsz), stream, work_per_thread(stream),
			   count, paramArray, flags);
}
