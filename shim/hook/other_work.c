/*
 * What else gives the device work: passed on as it is, but not while mappings change, and with
 * each range that it names in one home.
 */
#include "door/driver.h"
#include "door/export.h"
#include "hook/copy.h"

#include <stdlib.h>

static struct pager_range rest_of(CUdeviceptr start)
{
	return (struct pager_range){start, start ? FALLBACK_REST : 0};
}

/* With no memory for the list of ranges they stay as they lie, or all that there is must be
 * there. */
static CUresult begin_and_free(struct pager_range *ranges, size_t count, CUstream stream,
			       bool *begun)
{
	CUresult result =
	    ranges ? work_begin_settled(ranges, count, stream, begun)
		   : work_begin_kernel(NULL, 0, count && pager_any_made(), stream, begun);

	free(ranges);
	return result;
}

static struct pager_range *ranges_for(size_t count)
{
	return count && pager_any_made() ? calloc(count, 2 * sizeof(struct pager_range)) : NULL;
}

static CUresult batch_begin(const CUdeviceptr *dsts, const CUdeviceptr *srcs,
			    const size_t *sizes, size_t count, CUstream stream, bool *begun)
{
	struct pager_range *ranges = dsts && srcs && sizes ? ranges_for(count) : NULL;

	for (size_t i = 0; ranges && i < count; i++) {
		ranges[2 * i] = (struct pager_range){dsts[i], sizes[i]};
		ranges[2 * i + 1] = (struct pager_range){srcs[i], sizes[i]};
	}
	return begin_and_free(ranges, 2 * count, stream, begun);
}

static struct pager_range operand(const CUmemcpy3DOperand *side)
{
	return rest_of(side->type == CU_MEMCPY_OPERAND_TYPE_POINTER ? side->op.ptr.ptr : 0);
}

static CUresult boxes_begin(const CUDA_MEMCPY3D_BATCH_OP *boxes, size_t count, CUstream stream,
			    bool *begun)
{
	struct pager_range *ranges = boxes ? ranges_for(count) : NULL;

	for (size_t i = 0; ranges && i < count; i++) {
		ranges[2 * i] = operand(&boxes[i].dst);
		ranges[2 * i + 1] = operand(&boxes[i].src);
	}
	return begin_and_free(ranges, 2 * count, stream, begun);
}

static CUresult decompress_begin(const CUmemDecompressParams *params, size_t count,
				 CUstream stream, bool *begun)
{
	struct pager_range *ranges = params ? ranges_for(count) : NULL;

	for (size_t i = 0; ranges && i < count; i++) {
		ranges[2 * i] =
		    (struct pager_range){(uintptr_t)params[i].dst, params[i].dstNumBytes};
		ranges[2 * i + 1] =
		    (struct pager_range){(uintptr_t)params[i].src, params[i].srcNumBytes};
	}
	return begin_and_free(ranges, 2 * count, stream, begun);
}

/* True: it went by a detour, between streams of the cards whose memory it is. What the contexts
 * are is for the driver to refuse. */
static bool peer_by_detour(CUdeviceptr dst, CUcontext to, CUdeviceptr src, CUcontext from,
			   size_t bytes, CUstream stream, CUresult *result)
{
	struct copy copy = {.dst = dst, .src = src, .bytes = bytes, .stream = stream};

	if (!to || !from || !copy_is_of_other_card(dst, src))
		return false;
	*result = copy_begin(&copy)
		      ? real(cuMemcpyPeerAsync)(copy.dst, to, copy.src, from, bytes, stream)
		      : copy_in_parts(&copy);
	*result = copy_end(&copy, *result);
	return true;
}

LT_EXPORT CUresult CUDAAPI cuMemcpyPeer(CUdeviceptr dstDevice, CUcontext dstContext,
					CUdeviceptr srcDevice, CUcontext srcContext,
					size_t ByteCount)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuMemcpyPeer))
		return CUDA_ERROR_NOT_FOUND;
	if (peer_by_detour(dstDevice, dstContext, srcDevice, srcContext, ByteCount,
			   CU_STREAM_LEGACY, &result))
		return result;
	pager_unknown_work();
	result = work_begin_settled(
	    (struct pager_range[]){{dstDevice, ByteCount}, {srcDevice, ByteCount}}, 2,
	    CU_STREAM_LEGACY, &begun);
	if (result == CUDA_SUCCESS)
		result =
		    real(cuMemcpyPeer)(dstDevice, dstContext, srcDevice, srcContext, ByteCount);
	return work_end(begun, CU_STREAM_LEGACY, result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyPeer_ptds(CUdeviceptr dstDevice, CUcontext dstContext,
					     CUdeviceptr srcDevice, CUcontext srcContext,
					     size_t ByteCount)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuMemcpyPeer_ptds))
		return CUDA_ERROR_NOT_FOUND;
	if (peer_by_detour(dstDevice, dstContext, srcDevice, srcContext, ByteCount,
			   CU_STREAM_PER_THREAD, &result))
		return result;
	pager_unknown_work();
	result = work_begin_settled(
	    (struct pager_range[]){{dstDevice, ByteCount}, {srcDevice, ByteCount}}, 2,
	    CU_STREAM_PER_THREAD, &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpyPeer_ptds)(dstDevice, dstContext, srcDevice, srcContext,
						 ByteCount);
	return work_end(begun, CU_STREAM_PER_THREAD, result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyPeerAsync(CUdeviceptr dstDevice, CUcontext dstContext,
					     CUdeviceptr srcDevice, CUcontext srcContext,
					     size_t ByteCount, CUstream hStream)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuMemcpyPeerAsync))
		return CUDA_ERROR_NOT_FOUND;
	if (peer_by_detour(dstDevice, dstContext, srcDevice, srcContext, ByteCount,
			   work_legacy(hStream), &result))
		return result;
	pager_unknown_work();
	result = work_begin_settled(
	    (struct pager_range[]){{dstDevice, ByteCount}, {srcDevice, ByteCount}}, 2,
	    work_legacy(hStream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpyPeerAsync)(dstDevice, dstContext, srcDevice, srcContext,
						 ByteCount, hStream);
	return work_end(begun, work_legacy(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyPeerAsync_ptsz(CUdeviceptr dstDevice, CUcontext dstContext,
						  CUdeviceptr srcDevice, CUcontext srcContext,
						  size_t ByteCount, CUstream hStream)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuMemcpyPeerAsync_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	if (peer_by_detour(dstDevice, dstContext, srcDevice, srcContext, ByteCount,
			   work_per_thread(hStream), &result))
		return result;
	pager_unknown_work();
	result = work_begin_settled(
	    (struct pager_range[]){{dstDevice, ByteCount}, {srcDevice, ByteCount}}, 2,
	    work_per_thread(hStream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpyPeerAsync_ptsz)(dstDevice, dstContext, srcDevice,
						      srcContext, ByteCount, hStream);
	return work_end(begun, work_per_thread(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy3DPeer(const CUDA_MEMCPY3D_PEER *pCopy)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuMemcpy3DPeer))
		return CUDA_ERROR_NOT_FOUND;
	pager_unknown_work();
	result =
	    work_begin_settled((struct pager_range[]){rest_of(pCopy ? pCopy->dstDevice : 0),
						      rest_of(pCopy ? pCopy->srcDevice : 0)},
			       2, CU_STREAM_LEGACY, &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpy3DPeer)(pCopy);
	return work_end(begun, CU_STREAM_LEGACY, result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy3DPeer_ptds(const CUDA_MEMCPY3D_PEER *pCopy)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuMemcpy3DPeer_ptds))
		return CUDA_ERROR_NOT_FOUND;
	pager_unknown_work();
	result =
	    work_begin_settled((struct pager_range[]){rest_of(pCopy ? pCopy->dstDevice : 0),
						      rest_of(pCopy ? pCopy->srcDevice : 0)},
			       2, CU_STREAM_PER_THREAD, &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpy3DPeer_ptds)(pCopy);
	return work_end(begun, CU_STREAM_PER_THREAD, result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy3DPeerAsync(const CUDA_MEMCPY3D_PEER *pCopy,
					       CUstream hStream)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuMemcpy3DPeerAsync))
		return CUDA_ERROR_NOT_FOUND;
	pager_unknown_work();
	result =
	    work_begin_settled((struct pager_range[]){rest_of(pCopy ? pCopy->dstDevice : 0),
						      rest_of(pCopy ? pCopy->srcDevice : 0)},
			       2, work_legacy(hStream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpy3DPeerAsync)(pCopy, hStream);
	return work_end(begun, work_legacy(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy3DPeerAsync_ptsz(const CUDA_MEMCPY3D_PEER *pCopy,
						    CUstream hStream)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuMemcpy3DPeerAsync_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	pager_unknown_work();
	result =
	    work_begin_settled((struct pager_range[]){rest_of(pCopy ? pCopy->dstDevice : 0),
						      rest_of(pCopy ? pCopy->srcDevice : 0)},
			       2, work_per_thread(hStream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpy3DPeerAsync_ptsz)(pCopy, hStream);
	return work_end(begun, work_per_thread(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyAtoD_v2(CUdeviceptr dstDevice, CUarray srcArray,
					   size_t srcOffset, size_t ByteCount)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuMemcpyAtoD_v2))
		return CUDA_ERROR_NOT_FOUND;
	pager_unknown_work();
	result = work_begin_settled(&(struct pager_range){dstDevice, ByteCount}, 1,
				    CU_STREAM_LEGACY, &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpyAtoD_v2)(dstDevice, srcArray, srcOffset, ByteCount);
	return work_end(begun, CU_STREAM_LEGACY, result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyAtoD_v2_ptds(CUdeviceptr dstDevice, CUarray srcArray,
						size_t srcOffset, size_t ByteCount)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuMemcpyAtoD_v2_ptds))
		return CUDA_ERROR_NOT_FOUND;
	pager_unknown_work();
	result = work_begin_settled(&(struct pager_range){dstDevice, ByteCount}, 1,
				    CU_STREAM_PER_THREAD, &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpyAtoD_v2_ptds)(dstDevice, srcArray, srcOffset, ByteCount);
	return work_end(begun, CU_STREAM_PER_THREAD, result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyDtoA_v2(CUarray dstArray, size_t dstOffset,
					   CUdeviceptr srcDevice, size_t ByteCount)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuMemcpyDtoA_v2))
		return CUDA_ERROR_NOT_FOUND;
	pager_unknown_work();
	result = work_begin_settled(&(struct pager_range){srcDevice, ByteCount}, 1,
				    CU_STREAM_LEGACY, &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpyDtoA_v2)(dstArray, dstOffset, srcDevice, ByteCount);
	return work_end(begun, CU_STREAM_LEGACY, result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyDtoA_v2_ptds(CUarray dstArray, size_t dstOffset,
						CUdeviceptr srcDevice, size_t ByteCount)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuMemcpyDtoA_v2_ptds))
		return CUDA_ERROR_NOT_FOUND;
	pager_unknown_work();
	result = work_begin_settled(&(struct pager_range){srcDevice, ByteCount}, 1,
				    CU_STREAM_PER_THREAD, &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpyDtoA_v2_ptds)(dstArray, dstOffset, srcDevice, ByteCount);
	return work_end(begun, CU_STREAM_PER_THREAD, result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyBatchAsync_v2(CUdeviceptr *dsts, CUdeviceptr *srcs,
						 size_t *sizes, size_t count,
						 CUmemcpyAttributes *attrs, size_t *attrIdxs,
						 size_t numAttrs, CUstream hStream)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuMemcpyBatchAsync_v2))
		return CUDA_ERROR_NOT_FOUND;
	pager_unknown_work();
	result = batch_begin(dsts, srcs, sizes, count, work_legacy(hStream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpyBatchAsync_v2)(dsts, srcs, sizes, count, attrs, attrIdxs,
						     numAttrs, hStream);
	return work_end(begun, work_legacy(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyBatchAsync_v2_ptsz(CUdeviceptr *dsts, CUdeviceptr *srcs,
						      size_t *sizes, size_t count,
						      CUmemcpyAttributes *attrs,
						      size_t *attrIdxs, size_t numAttrs,
						      CUstream hStream)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuMemcpyBatchAsync_v2_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	pager_unknown_work();
	result = batch_begin(dsts, srcs, sizes, count, work_per_thread(hStream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpyBatchAsync_v2_ptsz)(dsts, srcs, sizes, count, attrs,
							  attrIdxs, numAttrs, hStream);
	return work_end(begun, work_per_thread(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyBatchAsync(CUdeviceptr *dsts, CUdeviceptr *srcs,
					      size_t *sizes, size_t count,
					      CUmemcpyAttributes *attrs, size_t *attrIdxs,
					      size_t numAttrs, size_t *failIdx,
					      CUstream hStream)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuMemcpyBatchAsync))
		return CUDA_ERROR_NOT_FOUND;
	pager_unknown_work();
	result = batch_begin(dsts, srcs, sizes, count, work_legacy(hStream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpyBatchAsync)(dsts, srcs, sizes, count, attrs, attrIdxs,
						  numAttrs, failIdx, hStream);
	return work_end(begun, work_legacy(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyBatchAsync_ptsz(CUdeviceptr *dsts, CUdeviceptr *srcs,
						   size_t *sizes, size_t count,
						   CUmemcpyAttributes *attrs, size_t *attrIdxs,
						   size_t numAttrs, size_t *failIdx,
						   CUstream hStream)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuMemcpyBatchAsync_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	pager_unknown_work();
	result = batch_begin(dsts, srcs, sizes, count, work_per_thread(hStream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpyBatchAsync_ptsz)(dsts, srcs, sizes, count, attrs,
						       attrIdxs, numAttrs, failIdx, hStream);
	return work_end(begun, work_per_thread(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy3DBatchAsync(size_t numParams,
						CUDA_MEMCPY3D_BATCH_OP *opList, size_t *failIdx,
						unsigned long long flags, CUstream hStream)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuMemcpy3DBatchAsync))
		return CUDA_ERROR_NOT_FOUND;
	pager_unknown_work();
	result = boxes_begin(opList, numParams, work_legacy(hStream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpy3DBatchAsync)(numParams, opList, failIdx, flags, hStream);
	return work_end(begun, work_legacy(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy3DBatchAsync_ptsz(size_t numParams,
						     CUDA_MEMCPY3D_BATCH_OP *opList,
						     size_t *failIdx, unsigned long long flags,
						     CUstream hStream)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuMemcpy3DBatchAsync_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	pager_unknown_work();
	result = boxes_begin(opList, numParams, work_per_thread(hStream), &begun);
	if (result == CUDA_SUCCESS)
		result =
		    real(cuMemcpy3DBatchAsync_ptsz)(numParams, opList, failIdx, flags, hStream);
	return work_end(begun, work_per_thread(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy3DBatchAsync_v2(size_t numParams,
						   CUDA_MEMCPY3D_BATCH_OP *opList,
						   unsigned long long flags, CUstream hStream)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuMemcpy3DBatchAsync_v2))
		return CUDA_ERROR_NOT_FOUND;
	pager_unknown_work();
	result = boxes_begin(opList, numParams, work_legacy(hStream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpy3DBatchAsync_v2)(numParams, opList, flags, hStream);
	return work_end(begun, work_legacy(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy3DBatchAsync_v2_ptsz(size_t numParams,
							CUDA_MEMCPY3D_BATCH_OP *opList,
							unsigned long long flags,
							CUstream hStream)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuMemcpy3DBatchAsync_v2_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	pager_unknown_work();
	result = boxes_begin(opList, numParams, work_per_thread(hStream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpy3DBatchAsync_v2_ptsz)(numParams, opList, flags, hStream);
	return work_end(begun, work_per_thread(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemPrefetchAsync_v2(CUdeviceptr devPtr, size_t count,
						 CUmemLocation location, unsigned int flags,
						 CUstream hStream)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuMemPrefetchAsync_v2))
		return CUDA_ERROR_NOT_FOUND;
	pager_unknown_work();
	begun = work_begin();
	result = real(cuMemPrefetchAsync_v2)(devPtr, count, location, flags, hStream);
	return work_end(begun, work_legacy(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemPrefetchAsync_v2_ptsz(CUdeviceptr devPtr, size_t count,
						      CUmemLocation location,
						      unsigned int flags, CUstream hStream)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuMemPrefetchAsync_v2_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	pager_unknown_work();
	begun = work_begin();
	result = real(cuMemPrefetchAsync_v2_ptsz)(devPtr, count, location, flags, hStream);
	return work_end(begun, work_per_thread(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemBatchDecompressAsync(CUmemDecompressParams *paramsArray,
						     size_t count, unsigned int flags,
						     size_t *errorIndex, CUstream stream)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuMemBatchDecompressAsync))
		return CUDA_ERROR_NOT_FOUND;
	pager_unknown_work();
	result = decompress_begin(paramsArray, count, work_legacy(stream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuMemBatchDecompressAsync)(paramsArray, count, flags, errorIndex,
							 stream);
	return work_end(begun, work_legacy(stream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemBatchDecompressAsync_ptsz(CUmemDecompressParams *paramsArray,
							  size_t count, unsigned int flags,
							  size_t *errorIndex, CUstream stream)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuMemBatchDecompressAsync_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	pager_unknown_work();
	result = decompress_begin(paramsArray, count, work_per_thread(stream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuMemBatchDecompressAsync_ptsz)(paramsArray, count, flags,
							      errorIndex, stream);
	return work_end(begun, work_per_thread(stream), result);
}
