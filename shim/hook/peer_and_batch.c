/*
 * What else gives the device work: passed on as it is, but not while mappings change, and with
 * each range that it names in one home.
 */
#include "driver/driver.h"
#include "driver/export.h"
#include "hook/memcpy.h"

#include <stdlib.h>

static struct pager_range rest_of(CUdeviceptr start)
{
	return (struct pager_range){start, start ? ONE_HOME_REST : 0};
}

/* With no memory for the list of ranges they stay as they lie, or all that there is must be
 * there. */
static CUresult begin_and_free(struct pager_range *ranges, size_t count, CUstream stream,
			       struct work_whole *whole)
{
	CUresult result = ranges ? work_begin_whole(ranges, count, stream, whole)
				 : work_begin_all(count, stream, whole);

	free(ranges);
	return result;
}

/* At most, of one copy or decompression. */
#define RANGES_EACH 3

static struct pager_range *ranges_for(size_t count)
{
	return count && pager_any_made()
		   ? calloc(count, RANGES_EACH * sizeof(struct pager_range))
		   : NULL;
}

static CUresult batch_begin(const CUdeviceptr *dsts, const CUdeviceptr *srcs,
			    const size_t *sizes, size_t count, CUstream stream,
			    struct work_whole *whole)
{
	struct pager_range *ranges;

	if (!dsts || !srcs || !sizes)
		count = 0; /* the driver's to refuse, here and below */
	ranges = ranges_for(count);

	for (size_t i = 0; ranges && i < count; i++) {
		ranges[2 * i] = (struct pager_range){dsts[i], sizes[i]};
		ranges[2 * i + 1] = (struct pager_range){srcs[i], sizes[i]};
	}
	return begin_and_free(ranges, 2 * count, stream, whole);
}

static struct pager_range operand(const CUmemcpy3DOperand *side)
{
	return rest_of(side->type == CU_MEMCPY_OPERAND_TYPE_POINTER ? side->op.ptr.ptr : 0);
}

static CUresult boxes_begin(const CUDA_MEMCPY3D_BATCH_OP *boxes, size_t count, CUstream stream,
			    struct work_whole *whole)
{
	struct pager_range *ranges;

	if (!boxes)
		count = 0;
	ranges = ranges_for(count);

	for (size_t i = 0; ranges && i < count; i++) {
		ranges[2 * i] = operand(&boxes[i].dst);
		ranges[2 * i + 1] = operand(&boxes[i].src);
	}
	return begin_and_free(ranges, 2 * count, stream, whole);
}

static CUresult decompress_begin(const CUmemDecompressParams *params, size_t count,
				 CUstream stream, struct work_whole *whole)
{
	struct pager_range *ranges;

	if (!params)
		count = 0;
	ranges = ranges_for(count);

	for (size_t i = 0; ranges && i < count; i++) {
		ranges[3 * i] =
		    (struct pager_range){(uintptr_t)params[i].dst, params[i].dstNumBytes};
		ranges[3 * i + 1] =
		    (struct pager_range){(uintptr_t)params[i].src, params[i].srcNumBytes};
		/* How many there were is written, too. */
		ranges[3 * i + 2] = (struct pager_range){(uintptr_t)params[i].dstActBytes,
							 sizeof(*params[i].dstActBytes)};
	}
	return begin_and_free(ranges, 3 * count, stream, whole);
}

/* True: it went by a detour, between streams of the cards whose memory it is. What the contexts
 * are is for the driver to refuse. */
static bool peer_by_detour(CUdeviceptr dst, CUcontext to, CUdeviceptr src, CUcontext from,
			   size_t bytes, CUstream stream, CUresult *result)
{
	struct memcpy_work copy = {.dst = dst, .src = src, .bytes = bytes, .stream = stream};

	if (!to || !from || !memcpy_is_of_other_card(dst, src))
		return false;
	*result = memcpy_begin(&copy)
		      ? real(cuMemcpyPeerAsync)(copy.dst, to, copy.src, from, bytes, stream)
		      : memcpy_in_parts(&copy);
	*result = memcpy_end(&copy, *result);
	return true;
}

LT_EXPORT CUresult CUDAAPI cuMemcpyPeer(CUdeviceptr dstDevice, CUcontext dstContext,
					CUdeviceptr srcDevice, CUcontext srcContext,
					size_t ByteCount)
{
	CUresult result;
	struct work_whole whole = {0};

	if (!driver_has(cuMemcpyPeer))
		return CUDA_ERROR_NOT_FOUND;
	if (peer_by_detour(dstDevice, dstContext, srcDevice, srcContext, ByteCount,
			   CU_STREAM_LEGACY, &result))
		return result;
	result = work_begin_whole(
	    (struct pager_range[]){{dstDevice, ByteCount}, {srcDevice, ByteCount}}, 2,
	    CU_STREAM_LEGACY, &whole);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpyPeer)(pager_shown_range(dstDevice, ByteCount), dstContext,
					    pager_shown_range(srcDevice, ByteCount), srcContext,
					    ByteCount);
	return work_end_whole(&whole, CU_STREAM_LEGACY, result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyPeer_ptds(CUdeviceptr dstDevice, CUcontext dstContext,
					     CUdeviceptr srcDevice, CUcontext srcContext,
					     size_t ByteCount)
{
	CUresult result;
	struct work_whole whole = {0};

	if (!driver_has(cuMemcpyPeer_ptds))
		return CUDA_ERROR_NOT_FOUND;
	if (peer_by_detour(dstDevice, dstContext, srcDevice, srcContext, ByteCount,
			   CU_STREAM_PER_THREAD, &result))
		return result;
	result = work_begin_whole(
	    (struct pager_range[]){{dstDevice, ByteCount}, {srcDevice, ByteCount}}, 2,
	    CU_STREAM_PER_THREAD, &whole);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpyPeer_ptds)(
		    pager_shown_range(dstDevice, ByteCount), dstContext,
		    pager_shown_range(srcDevice, ByteCount), srcContext, ByteCount);
	return work_end_whole(&whole, CU_STREAM_PER_THREAD, result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyPeerAsync(CUdeviceptr dstDevice, CUcontext dstContext,
					     CUdeviceptr srcDevice, CUcontext srcContext,
					     size_t ByteCount, CUstream hStream)
{
	CUresult result;
	struct work_whole whole = {0};

	if (!driver_has(cuMemcpyPeerAsync))
		return CUDA_ERROR_NOT_FOUND;
	if (peer_by_detour(dstDevice, dstContext, srcDevice, srcContext, ByteCount,
			   work_legacy(hStream), &result))
		return result;
	result = work_begin_whole(
	    (struct pager_range[]){{dstDevice, ByteCount}, {srcDevice, ByteCount}}, 2,
	    work_legacy(hStream), &whole);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpyPeerAsync)(
		    pager_shown_range(dstDevice, ByteCount), dstContext,
		    pager_shown_range(srcDevice, ByteCount), srcContext, ByteCount, hStream);
	return work_end_whole(&whole, work_legacy(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyPeerAsync_ptsz(CUdeviceptr dstDevice, CUcontext dstContext,
						  CUdeviceptr srcDevice, CUcontext srcContext,
						  size_t ByteCount, CUstream hStream)
{
	CUresult result;
	struct work_whole whole = {0};

	if (!driver_has(cuMemcpyPeerAsync_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	if (peer_by_detour(dstDevice, dstContext, srcDevice, srcContext, ByteCount,
			   work_per_thread(hStream), &result))
		return result;
	result = work_begin_whole(
	    (struct pager_range[]){{dstDevice, ByteCount}, {srcDevice, ByteCount}}, 2,
	    work_per_thread(hStream), &whole);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpyPeerAsync_ptsz)(dstDevice, dstContext, srcDevice,
						      srcContext, ByteCount, hStream);
	return work_end_whole(&whole, work_per_thread(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy3DPeer(const CUDA_MEMCPY3D_PEER *pCopy)
{
	CUresult result;
	struct work_whole whole = {0};

	if (!driver_has(cuMemcpy3DPeer))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_whole((struct pager_range[]){rest_of(pCopy ? pCopy->dstDevice : 0),
							 rest_of(pCopy ? pCopy->srcDevice : 0)},
				  2, CU_STREAM_LEGACY, &whole);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpy3DPeer)(pCopy);
	return work_end_whole(&whole, CU_STREAM_LEGACY, result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy3DPeer_ptds(const CUDA_MEMCPY3D_PEER *pCopy)
{
	CUresult result;
	struct work_whole whole = {0};

	if (!driver_has(cuMemcpy3DPeer_ptds))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_whole((struct pager_range[]){rest_of(pCopy ? pCopy->dstDevice : 0),
							 rest_of(pCopy ? pCopy->srcDevice : 0)},
				  2, CU_STREAM_PER_THREAD, &whole);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpy3DPeer_ptds)(pCopy);
	return work_end_whole(&whole, CU_STREAM_PER_THREAD, result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy3DPeerAsync(const CUDA_MEMCPY3D_PEER *pCopy,
					       CUstream hStream)
{
	CUresult result;
	struct work_whole whole = {0};

	if (!driver_has(cuMemcpy3DPeerAsync))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_whole((struct pager_range[]){rest_of(pCopy ? pCopy->dstDevice : 0),
							 rest_of(pCopy ? pCopy->srcDevice : 0)},
				  2, work_legacy(hStream), &whole);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpy3DPeerAsync)(pCopy, hStream);
	return work_end_whole(&whole, work_legacy(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy3DPeerAsync_ptsz(const CUDA_MEMCPY3D_PEER *pCopy,
						    CUstream hStream)
{
	CUresult result;
	struct work_whole whole = {0};

	if (!driver_has(cuMemcpy3DPeerAsync_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_whole((struct pager_range[]){rest_of(pCopy ? pCopy->dstDevice : 0),
							 rest_of(pCopy ? pCopy->srcDevice : 0)},
				  2, work_per_thread(hStream), &whole);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpy3DPeerAsync_ptsz)(pCopy, hStream);
	return work_end_whole(&whole, work_per_thread(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyAtoD_v2(CUdeviceptr dstDevice, CUarray srcArray,
					   size_t srcOffset, size_t ByteCount)
{
	CUresult result;
	struct work_whole whole = {0};

	if (!driver_has(cuMemcpyAtoD_v2))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_whole(&(struct pager_range){dstDevice, ByteCount}, 1,
				  CU_STREAM_LEGACY, &whole);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpyAtoD_v2)(pager_shown_range(dstDevice, ByteCount),
					       srcArray, srcOffset, ByteCount);
	return work_end_whole(&whole, CU_STREAM_LEGACY, result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyAtoD_v2_ptds(CUdeviceptr dstDevice, CUarray srcArray,
						size_t srcOffset, size_t ByteCount)
{
	CUresult result;
	struct work_whole whole = {0};

	if (!driver_has(cuMemcpyAtoD_v2_ptds))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_whole(&(struct pager_range){dstDevice, ByteCount}, 1,
				  CU_STREAM_PER_THREAD, &whole);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpyAtoD_v2_ptds)(pager_shown_range(dstDevice, ByteCount),
						    srcArray, srcOffset, ByteCount);
	return work_end_whole(&whole, CU_STREAM_PER_THREAD, result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyDtoA_v2(CUarray dstArray, size_t dstOffset,
					   CUdeviceptr srcDevice, size_t ByteCount)
{
	CUresult result;
	struct work_whole whole = {0};

	if (!driver_has(cuMemcpyDtoA_v2))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_whole(&(struct pager_range){srcDevice, ByteCount}, 1,
				  CU_STREAM_LEGACY, &whole);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpyDtoA_v2)(
		    dstArray, dstOffset, pager_shown_range(srcDevice, ByteCount), ByteCount);
	return work_end_whole(&whole, CU_STREAM_LEGACY, result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyDtoA_v2_ptds(CUarray dstArray, size_t dstOffset,
						CUdeviceptr srcDevice, size_t ByteCount)
{
	CUresult result;
	struct work_whole whole = {0};

	if (!driver_has(cuMemcpyDtoA_v2_ptds))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_whole(&(struct pager_range){srcDevice, ByteCount}, 1,
				  CU_STREAM_PER_THREAD, &whole);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpyDtoA_v2_ptds)(
		    dstArray, dstOffset, pager_shown_range(srcDevice, ByteCount), ByteCount);
	return work_end_whole(&whole, CU_STREAM_PER_THREAD, result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyBatchAsync_v2(CUdeviceptr *dsts, CUdeviceptr *srcs,
						 size_t *sizes, size_t count,
						 CUmemcpyAttributes *attrs, size_t *attrIdxs,
						 size_t numAttrs, CUstream hStream)
{
	CUresult result;
	struct work_whole whole = {0};

	if (!driver_has(cuMemcpyBatchAsync_v2))
		return CUDA_ERROR_NOT_FOUND;
	result = batch_begin(dsts, srcs, sizes, count, work_legacy(hStream), &whole);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpyBatchAsync_v2)(dsts, srcs, sizes, count, attrs, attrIdxs,
						     numAttrs, hStream);
	return work_end_whole(&whole, work_legacy(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyBatchAsync_v2_ptsz(CUdeviceptr *dsts, CUdeviceptr *srcs,
						      size_t *sizes, size_t count,
						      CUmemcpyAttributes *attrs,
						      size_t *attrIdxs, size_t numAttrs,
						      CUstream hStream)
{
	CUresult result;
	struct work_whole whole = {0};

	if (!driver_has(cuMemcpyBatchAsync_v2_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	result = batch_begin(dsts, srcs, sizes, count, work_per_thread(hStream), &whole);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpyBatchAsync_v2_ptsz)(dsts, srcs, sizes, count, attrs,
							  attrIdxs, numAttrs, hStream);
	return work_end_whole(&whole, work_per_thread(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyBatchAsync(CUdeviceptr *dsts, CUdeviceptr *srcs,
					      size_t *sizes, size_t count,
					      CUmemcpyAttributes *attrs, size_t *attrIdxs,
					      size_t numAttrs, size_t *failIdx,
					      CUstream hStream)
{
	CUresult result;
	struct work_whole whole = {0};

	if (!driver_has(cuMemcpyBatchAsync))
		return CUDA_ERROR_NOT_FOUND;
	result = batch_begin(dsts, srcs, sizes, count, work_legacy(hStream), &whole);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpyBatchAsync)(dsts, srcs, sizes, count, attrs, attrIdxs,
						  numAttrs, failIdx, hStream);
	return work_end_whole(&whole, work_legacy(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyBatchAsync_ptsz(CUdeviceptr *dsts, CUdeviceptr *srcs,
						   size_t *sizes, size_t count,
						   CUmemcpyAttributes *attrs, size_t *attrIdxs,
						   size_t numAttrs, size_t *failIdx,
						   CUstream hStream)
{
	CUresult result;
	struct work_whole whole = {0};

	if (!driver_has(cuMemcpyBatchAsync_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	result = batch_begin(dsts, srcs, sizes, count, work_per_thread(hStream), &whole);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpyBatchAsync_ptsz)(dsts, srcs, sizes, count, attrs,
						       attrIdxs, numAttrs, failIdx, hStream);
	return work_end_whole(&whole, work_per_thread(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy3DBatchAsync(size_t numParams,
						CUDA_MEMCPY3D_BATCH_OP *opList, size_t *failIdx,
						unsigned long long flags, CUstream hStream)
{
	CUresult result;
	struct work_whole whole = {0};

	if (!driver_has(cuMemcpy3DBatchAsync))
		return CUDA_ERROR_NOT_FOUND;
	result = boxes_begin(opList, numParams, work_legacy(hStream), &whole);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpy3DBatchAsync)(numParams, opList, failIdx, flags, hStream);
	return work_end_whole(&whole, work_legacy(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy3DBatchAsync_ptsz(size_t numParams,
						     CUDA_MEMCPY3D_BATCH_OP *opList,
						     size_t *failIdx, unsigned long long flags,
						     CUstream hStream)
{
	CUresult result;
	struct work_whole whole = {0};

	if (!driver_has(cuMemcpy3DBatchAsync_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	result = boxes_begin(opList, numParams, work_per_thread(hStream), &whole);
	if (result == CUDA_SUCCESS)
		result =
		    real(cuMemcpy3DBatchAsync_ptsz)(numParams, opList, failIdx, flags, hStream);
	return work_end_whole(&whole, work_per_thread(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy3DBatchAsync_v2(size_t numParams,
						   CUDA_MEMCPY3D_BATCH_OP *opList,
						   unsigned long long flags, CUstream hStream)
{
	CUresult result;
	struct work_whole whole = {0};

	if (!driver_has(cuMemcpy3DBatchAsync_v2))
		return CUDA_ERROR_NOT_FOUND;
	result = boxes_begin(opList, numParams, work_legacy(hStream), &whole);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpy3DBatchAsync_v2)(numParams, opList, flags, hStream);
	return work_end_whole(&whole, work_legacy(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy3DBatchAsync_v2_ptsz(size_t numParams,
							CUDA_MEMCPY3D_BATCH_OP *opList,
							unsigned long long flags,
							CUstream hStream)
{
	CUresult result;
	struct work_whole whole = {0};

	if (!driver_has(cuMemcpy3DBatchAsync_v2_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	result = boxes_begin(opList, numParams, work_per_thread(hStream), &whole);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpy3DBatchAsync_v2_ptsz)(numParams, opList, flags, hStream);
	return work_end_whole(&whole, work_per_thread(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemPrefetchAsync(CUdeviceptr devPtr, size_t count,
					      CUdevice dstDevice, CUstream hStream)
{
	struct work_whole whole = {0};
	CUresult result;

	if (!driver_has(cuMemPrefetchAsync))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_whole(&(struct pager_range){devPtr, count}, 1, work_legacy(hStream),
				  &whole);
	if (result == CUDA_SUCCESS)
		result = real(cuMemPrefetchAsync)(devPtr, count, dstDevice, hStream);
	return work_end_whole(&whole, work_legacy(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemPrefetchAsync_ptsz(CUdeviceptr devPtr, size_t count,
						   CUdevice dstDevice, CUstream hStream)
{
	struct work_whole whole = {0};
	CUresult result;

	if (!driver_has(cuMemPrefetchAsync_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_whole(&(struct pager_range){devPtr, count}, 1,
				  work_per_thread(hStream), &whole);
	if (result == CUDA_SUCCESS)
		result = real(cuMemPrefetchAsync_ptsz)(devPtr, count, dstDevice, hStream);
	return work_end_whole(&whole, work_per_thread(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemPrefetchAsync_v2(CUdeviceptr devPtr, size_t count,
						 CUmemLocation location, unsigned int flags,
						 CUstream hStream)
{
	struct work_whole whole = {0};
	CUresult result;

	if (!driver_has(cuMemPrefetchAsync_v2))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_whole(&(struct pager_range){devPtr, count}, 1, work_legacy(hStream),
				  &whole);
	if (result == CUDA_SUCCESS)
		result = real(cuMemPrefetchAsync_v2)(devPtr, count, location, flags, hStream);
	return work_end_whole(&whole, work_legacy(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemPrefetchAsync_v2_ptsz(CUdeviceptr devPtr, size_t count,
						      CUmemLocation location,
						      unsigned int flags, CUstream hStream)
{
	struct work_whole whole = {0};
	CUresult result;

	if (!driver_has(cuMemPrefetchAsync_v2_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_whole(&(struct pager_range){devPtr, count}, 1,
				  work_per_thread(hStream), &whole);
	if (result == CUDA_SUCCESS)
		result =
		    real(cuMemPrefetchAsync_v2_ptsz)(devPtr, count, location, flags, hStream);
	return work_end_whole(&whole, work_per_thread(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemBatchDecompressAsync(CUmemDecompressParams *paramsArray,
						     size_t count, unsigned int flags,
						     size_t *errorIndex, CUstream stream)
{
	CUresult result;
	struct work_whole whole = {0};

	if (!driver_has(cuMemBatchDecompressAsync))
		return CUDA_ERROR_NOT_FOUND;
	result = decompress_begin(paramsArray, count, work_legacy(stream), &whole);
	if (result == CUDA_SUCCESS)
		result = real(cuMemBatchDecompressAsync)(paramsArray, count, flags, errorIndex,
							 stream);
	return work_end_whole(&whole, work_legacy(stream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemBatchDecompressAsync_ptsz(CUmemDecompressParams *paramsArray,
							  size_t count, unsigned int flags,
							  size_t *errorIndex, CUstream stream)
{
	CUresult result;
	struct work_whole whole = {0};

	if (!driver_has(cuMemBatchDecompressAsync_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	result = decompress_begin(paramsArray, count, work_per_thread(stream), &whole);
	if (result == CUDA_SUCCESS)
		result = real(cuMemBatchDecompressAsync_ptsz)(paramsArray, count, flags,
							      errorIndex, stream);
	return work_end_whole(&whole, work_per_thread(stream), result);
}
