/*
 * Copies between devices, from and to arrays, in batches, prefetches, decompressions: the
 * driver is handed them whole, but not while mappings change, and with each range that they
 * name in one home.
 */
#include "driver/driver.h"
#include "driver/export.h"
#include "hook/memcpy.h"

#include <stdlib.h>

/* At most, of one copy or decompression. */
#define RANGES_EACH 3

/* NULL where there is nothing to list, or no memory for it. */
static struct pager_range *ranges_for(size_t count)
{
	return count && pager_any_made()
		   ? calloc(count, RANGES_EACH * sizeof(struct pager_range))
		   : NULL;
}

/* Without a list of ranges they stay as they lie, or all that there is must be there. */
static CUresult begin_and_free(struct work *work, CUstream where, struct pager_range *ranges,
			       size_t count)
{
	CUresult result = ranges ? work_begin_ranges(work, where, ranges, count)
				 : work_begin_unlisted(work, where, count);

	free(ranges);
	return result;
}

static CUresult copy_begin(struct work *work, CUstream where, CUdeviceptr dst, CUdeviceptr src,
			   size_t bytes)
{
	return work_begin_ranges(work, where,
				 (struct pager_range[]){{dst, bytes}, {src, bytes}}, 2);
}

static struct pager_range range_from(CUdeviceptr start)
{
	return (struct pager_range){start, start ? ONE_HOME_REST : 0};
}

static struct pager_range operand_range(const CUmemcpy3DOperand *side)
{
	return range_from(side->type == CU_MEMCPY_OPERAND_TYPE_POINTER ? side->op.ptr.ptr : 0);
}

/* --- the bodies. Each is given the driver's function, NULL where it has none; `where` is the
 * stream as the pager knows it. What a list that is NULL means is the driver's to say. */

/* True: it went by a detour, between streams of the cards whose memory it is. What the contexts
 * are is for the driver to refuse. */
static bool peer_by_detour(CUdeviceptr dst, CUcontext to, CUdeviceptr src, CUcontext from,
			   size_t bytes, CUstream stream, CUresult *result)
{
	struct memcpy_work copy = {
	    .dst = dst, .src = src, .bytes = bytes, .work.stream = stream};

	if (!to || !from || !memcpy_is_of_other_card(dst, src))
		return false;
	*result = memcpy_begin(&copy)
		      ? real(cuMemcpyPeerAsync)(copy.dst, to, copy.src, from, bytes, stream)
		      : memcpy_in_parts(&copy);
	*result = memcpy_end(&copy, *result);
	return true;
}

static CUresult copy_peer(PFN_cuMemcpyPeer_v4000 call, CUstream where, CUdeviceptr dst,
			  CUcontext to, CUdeviceptr src, CUcontext from, size_t bytes)
{
	struct work work;
	CUresult result;

	if (!call)
		return CUDA_ERROR_NOT_FOUND;
	if (peer_by_detour(dst, to, src, from, bytes, where, &result))
		return result;
	result = copy_begin(&work, where, dst, src, bytes);
	if (result == CUDA_SUCCESS)
		result = call(pager_shown_range(dst, bytes), to, pager_shown_range(src, bytes),
			      from, bytes);
	return work_end(&work, result);
}

static CUresult copy_peer_async(PFN_cuMemcpyPeerAsync_v4000 call, CUstream where,
				CUdeviceptr dst, CUcontext to, CUdeviceptr src, CUcontext from,
				size_t bytes, CUstream stream)
{
	struct work work;
	CUresult result;

	if (!call)
		return CUDA_ERROR_NOT_FOUND;
	if (peer_by_detour(dst, to, src, from, bytes, where, &result))
		return result;
	result = copy_begin(&work, where, dst, src, bytes);
	if (result == CUDA_SUCCESS)
		result = call(pager_shown_range(dst, bytes), to, pager_shown_range(src, bytes),
			      from, bytes, stream);
	return work_end(&work, result);
}

static CUresult box_peer_begin(struct work *work, CUstream where,
			       const CUDA_MEMCPY3D_PEER *copy)
{
	return work_begin_ranges(work, where,
				 (struct pager_range[]){range_from(copy ? copy->dstDevice : 0),
							range_from(copy ? copy->srcDevice : 0)},
				 2);
}

static CUresult copy_box_peer(PFN_cuMemcpy3DPeer_v4000 call, CUstream where,
			      const CUDA_MEMCPY3D_PEER *copy)
{
	struct work work;
	CUresult result;

	if (!call)
		return CUDA_ERROR_NOT_FOUND;
	result = box_peer_begin(&work, where, copy);
	if (result == CUDA_SUCCESS)
		result = call(copy);
	return work_end(&work, result);
}

static CUresult copy_box_peer_async(PFN_cuMemcpy3DPeerAsync_v4000 call, CUstream where,
				    const CUDA_MEMCPY3D_PEER *copy, CUstream stream)
{
	struct work work;
	CUresult result;

	if (!call)
		return CUDA_ERROR_NOT_FOUND;
	result = box_peer_begin(&work, where, copy);
	if (result == CUDA_SUCCESS)
		result = call(copy, stream);
	return work_end(&work, result);
}

static CUresult copy_from_array(PFN_cuMemcpyAtoD_v3020 call, CUstream where, CUdeviceptr dst,
				CUarray src, size_t offset, size_t bytes)
{
	struct work work;
	CUresult result;

	if (!call)
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_ranges(&work, where, &(struct pager_range){dst, bytes}, 1);
	if (result == CUDA_SUCCESS)
		result = call(pager_shown_range(dst, bytes), src, offset, bytes);
	return work_end(&work, result);
}

static CUresult copy_to_array(PFN_cuMemcpyDtoA_v3020 call, CUstream where, CUarray dst,
			      size_t offset, CUdeviceptr src, size_t bytes)
{
	struct work work;
	CUresult result;

	if (!call)
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_ranges(&work, where, &(struct pager_range){src, bytes}, 1);
	if (result == CUDA_SUCCESS)
		result = call(dst, offset, pager_shown_range(src, bytes), bytes);
	return work_end(&work, result);
}

static CUresult batch_begin(struct work *work, CUstream where, const CUdeviceptr *dsts,
			    const CUdeviceptr *srcs, const size_t *sizes, size_t count)
{
	struct pager_range *ranges;

	if (!dsts || !srcs || !sizes)
		count = 0;
	ranges = ranges_for(count);
	for (size_t i = 0; ranges && i < count; i++) {
		ranges[2 * i] = (struct pager_range){dsts[i], sizes[i]};
		ranges[2 * i + 1] = (struct pager_range){srcs[i], sizes[i]};
	}
	return begin_and_free(work, where, ranges, 2 * count);
}

static CUresult copy_batch(PFN_cuMemcpyBatchAsync_v12080 call, CUstream where,
			   CUdeviceptr *dsts, CUdeviceptr *srcs, size_t *sizes, size_t count,
			   CUmemcpyAttributes *attrs, size_t *attr_indices, size_t attr_count,
			   size_t *fail_index, CUstream stream)
{
	struct work work;
	CUresult result;

	if (!call)
		return CUDA_ERROR_NOT_FOUND;
	result = batch_begin(&work, where, dsts, srcs, sizes, count);
	if (result == CUDA_SUCCESS)
		result = call(dsts, srcs, sizes, count, attrs, attr_indices, attr_count,
			      fail_index, stream);
	return work_end(&work, result);
}

static CUresult copy_batch_v2(PFN_cuMemcpyBatchAsync_v13000 call, CUstream where,
			      CUdeviceptr *dsts, CUdeviceptr *srcs, size_t *sizes, size_t count,
			      CUmemcpyAttributes *attrs, size_t *attr_indices,
			      size_t attr_count, CUstream stream)
{
	struct work work;
	CUresult result;

	if (!call)
		return CUDA_ERROR_NOT_FOUND;
	result = batch_begin(&work, where, dsts, srcs, sizes, count);
	if (result == CUDA_SUCCESS)
		result =
		    call(dsts, srcs, sizes, count, attrs, attr_indices, attr_count, stream);
	return work_end(&work, result);
}

static CUresult boxes_begin(struct work *work, CUstream where,
			    const CUDA_MEMCPY3D_BATCH_OP *boxes, size_t count)
{
	struct pager_range *ranges;

	if (!boxes)
		count = 0;
	ranges = ranges_for(count);
	for (size_t i = 0; ranges && i < count; i++) {
		ranges[2 * i] = operand_range(&boxes[i].dst);
		ranges[2 * i + 1] = operand_range(&boxes[i].src);
	}
	return begin_and_free(work, where, ranges, 2 * count);
}

static CUresult copy_boxes(PFN_cuMemcpy3DBatchAsync_v12080 call, CUstream where, size_t count,
			   CUDA_MEMCPY3D_BATCH_OP *list, size_t *fail_index,
			   unsigned long long flags, CUstream stream)
{
	struct work work;
	CUresult result;

	if (!call)
		return CUDA_ERROR_NOT_FOUND;
	result = boxes_begin(&work, where, list, count);
	if (result == CUDA_SUCCESS)
		result = call(count, list, fail_index, flags, stream);
	return work_end(&work, result);
}

static CUresult copy_boxes_v2(PFN_cuMemcpy3DBatchAsync_v13000 call, CUstream where,
			      size_t count, CUDA_MEMCPY3D_BATCH_OP *list,
			      unsigned long long flags, CUstream stream)
{
	struct work work;
	CUresult result;

	if (!call)
		return CUDA_ERROR_NOT_FOUND;
	result = boxes_begin(&work, where, list, count);
	if (result == CUDA_SUCCESS)
		result = call(count, list, flags, stream);
	return work_end(&work, result);
}

static CUresult prefetch(PFN_cuMemPrefetchAsync_v8000 call, CUstream where, CUdeviceptr start,
			 size_t bytes, CUdevice device, CUstream stream)
{
	struct work work;
	CUresult result;

	if (!call)
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_ranges(&work, where, &(struct pager_range){start, bytes}, 1);
	if (result == CUDA_SUCCESS)
		result = call(start, bytes, device, stream);
	return work_end(&work, result);
}

static CUresult prefetch_v2(PFN_cuMemPrefetchAsync_v12020 call, CUstream where,
			    CUdeviceptr start, size_t bytes, CUmemLocation location,
			    unsigned int flags, CUstream stream)
{
	struct work work;
	CUresult result;

	if (!call)
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_ranges(&work, where, &(struct pager_range){start, bytes}, 1);
	if (result == CUDA_SUCCESS)
		result = call(start, bytes, location, flags, stream);
	return work_end(&work, result);
}

static CUresult decompress_begin(struct work *work, CUstream where,
				 const CUmemDecompressParams *params, size_t count)
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
	return begin_and_free(work, where, ranges, 3 * count);
}

static CUresult decompress(PFN_cuMemBatchDecompressAsync_v12060 call, CUstream where,
			   CUmemDecompressParams *params, size_t count, unsigned int flags,
			   size_t *error_index, CUstream stream)
{
	struct work work;
	CUresult result;

	if (!call)
		return CUDA_ERROR_NOT_FOUND;
	result = decompress_begin(&work, where, params, count);
	if (result == CUDA_SUCCESS)
		result = call(params, count, flags, error_index, stream);
	return work_end(&work, result);
}

/* --- what the program calls */

LT_EXPORT CUresult CUDAAPI cuMemcpyPeer(CUdeviceptr dstDevice, CUcontext dstContext,
					CUdeviceptr srcDevice, CUcontext srcContext,
					size_t ByteCount)
{
	return copy_peer(DRIVERS(cuMemcpyPeer), CU_STREAM_LEGACY, dstDevice, dstContext,
			 srcDevice, srcContext, ByteCount);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyPeer_ptds(CUdeviceptr dstDevice, CUcontext dstContext,
					     CUdeviceptr srcDevice, CUcontext srcContext,
					     size_t ByteCount)
{
	return copy_peer(DRIVERS(cuMemcpyPeer_ptds), CU_STREAM_PER_THREAD, dstDevice,
			 dstContext, srcDevice, srcContext, ByteCount);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyPeerAsync(CUdeviceptr dstDevice, CUcontext dstContext,
					     CUdeviceptr srcDevice, CUcontext srcContext,
					     size_t ByteCount, CUstream hStream)
{
	return copy_peer_async(DRIVERS(cuMemcpyPeerAsync), work_legacy(hStream), dstDevice,
			       dstContext, srcDevice, srcContext, ByteCount, hStream);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyPeerAsync_ptsz(CUdeviceptr dstDevice, CUcontext dstContext,
						  CUdeviceptr srcDevice, CUcontext srcContext,
						  size_t ByteCount, CUstream hStream)
{
	return copy_peer_async(DRIVERS(cuMemcpyPeerAsync_ptsz), work_per_thread(hStream),
			       dstDevice, dstContext, srcDevice, srcContext, ByteCount,
			       hStream);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy3DPeer(const CUDA_MEMCPY3D_PEER *pCopy)
{
	return copy_box_peer(DRIVERS(cuMemcpy3DPeer), CU_STREAM_LEGACY, pCopy);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy3DPeer_ptds(const CUDA_MEMCPY3D_PEER *pCopy)
{
	return copy_box_peer(DRIVERS(cuMemcpy3DPeer_ptds), CU_STREAM_PER_THREAD, pCopy);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy3DPeerAsync(const CUDA_MEMCPY3D_PEER *pCopy,
					       CUstream hStream)
{
	return copy_box_peer_async(DRIVERS(cuMemcpy3DPeerAsync), work_legacy(hStream), pCopy,
				   hStream);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy3DPeerAsync_ptsz(const CUDA_MEMCPY3D_PEER *pCopy,
						    CUstream hStream)
{
	return copy_box_peer_async(DRIVERS(cuMemcpy3DPeerAsync_ptsz), work_per_thread(hStream),
				   pCopy, hStream);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyAtoD_v2(CUdeviceptr dstDevice, CUarray srcArray,
					   size_t srcOffset, size_t ByteCount)
{
	return copy_from_array(DRIVERS(cuMemcpyAtoD_v2), CU_STREAM_LEGACY, dstDevice, srcArray,
			       srcOffset, ByteCount);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyAtoD_v2_ptds(CUdeviceptr dstDevice, CUarray srcArray,
						size_t srcOffset, size_t ByteCount)
{
	return copy_from_array(DRIVERS(cuMemcpyAtoD_v2_ptds), CU_STREAM_PER_THREAD, dstDevice,
			       srcArray, srcOffset, ByteCount);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyDtoA_v2(CUarray dstArray, size_t dstOffset,
					   CUdeviceptr srcDevice, size_t ByteCount)
{
	return copy_to_array(DRIVERS(cuMemcpyDtoA_v2), CU_STREAM_LEGACY, dstArray, dstOffset,
			     srcDevice, ByteCount);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyDtoA_v2_ptds(CUarray dstArray, size_t dstOffset,
						CUdeviceptr srcDevice, size_t ByteCount)
{
	return copy_to_array(DRIVERS(cuMemcpyDtoA_v2_ptds), CU_STREAM_PER_THREAD, dstArray,
			     dstOffset, srcDevice, ByteCount);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyBatchAsync(CUdeviceptr *dsts, CUdeviceptr *srcs,
					      size_t *sizes, size_t count,
					      CUmemcpyAttributes *attrs, size_t *attrIdxs,
					      size_t numAttrs, size_t *failIdx,
					      CUstream hStream)
{
	return copy_batch(DRIVERS(cuMemcpyBatchAsync), work_legacy(hStream), dsts, srcs, sizes,
			  count, attrs, attrIdxs, numAttrs, failIdx, hStream);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyBatchAsync_ptsz(CUdeviceptr *dsts, CUdeviceptr *srcs,
						   size_t *sizes, size_t count,
						   CUmemcpyAttributes *attrs, size_t *attrIdxs,
						   size_t numAttrs, size_t *failIdx,
						   CUstream hStream)
{
	return copy_batch(DRIVERS(cuMemcpyBatchAsync_ptsz), work_per_thread(hStream), dsts,
			  srcs, sizes, count, attrs, attrIdxs, numAttrs, failIdx, hStream);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyBatchAsync_v2(CUdeviceptr *dsts, CUdeviceptr *srcs,
						 size_t *sizes, size_t count,
						 CUmemcpyAttributes *attrs, size_t *attrIdxs,
						 size_t numAttrs, CUstream hStream)
{
	return copy_batch_v2(DRIVERS(cuMemcpyBatchAsync_v2), work_legacy(hStream), dsts, srcs,
			     sizes, count, attrs, attrIdxs, numAttrs, hStream);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyBatchAsync_v2_ptsz(CUdeviceptr *dsts, CUdeviceptr *srcs,
						      size_t *sizes, size_t count,
						      CUmemcpyAttributes *attrs,
						      size_t *attrIdxs, size_t numAttrs,
						      CUstream hStream)
{
	return copy_batch_v2(DRIVERS(cuMemcpyBatchAsync_v2_ptsz), work_per_thread(hStream),
			     dsts, srcs, sizes, count, attrs, attrIdxs, numAttrs, hStream);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy3DBatchAsync(size_t numParams,
						CUDA_MEMCPY3D_BATCH_OP *opList, size_t *failIdx,
						unsigned long long flags, CUstream hStream)
{
	return copy_boxes(DRIVERS(cuMemcpy3DBatchAsync), work_legacy(hStream), numParams,
			  opList, failIdx, flags, hStream);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy3DBatchAsync_ptsz(size_t numParams,
						     CUDA_MEMCPY3D_BATCH_OP *opList,
						     size_t *failIdx, unsigned long long flags,
						     CUstream hStream)
{
	return copy_boxes(DRIVERS(cuMemcpy3DBatchAsync_ptsz), work_per_thread(hStream),
			  numParams, opList, failIdx, flags, hStream);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy3DBatchAsync_v2(size_t numParams,
						   CUDA_MEMCPY3D_BATCH_OP *opList,
						   unsigned long long flags, CUstream hStream)
{
	return copy_boxes_v2(DRIVERS(cuMemcpy3DBatchAsync_v2), work_legacy(hStream), numParams,
			     opList, flags, hStream);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy3DBatchAsync_v2_ptsz(size_t numParams,
							CUDA_MEMCPY3D_BATCH_OP *opList,
							unsigned long long flags,
							CUstream hStream)
{
	return copy_boxes_v2(DRIVERS(cuMemcpy3DBatchAsync_v2_ptsz), work_per_thread(hStream),
			     numParams, opList, flags, hStream);
}

LT_EXPORT CUresult CUDAAPI cuMemPrefetchAsync(CUdeviceptr devPtr, size_t count,
					      CUdevice dstDevice, CUstream hStream)
{
	return prefetch(DRIVERS(cuMemPrefetchAsync), work_legacy(hStream), devPtr, count,
			dstDevice, hStream);
}

LT_EXPORT CUresult CUDAAPI cuMemPrefetchAsync_ptsz(CUdeviceptr devPtr, size_t count,
						   CUdevice dstDevice, CUstream hStream)
{
	return prefetch(DRIVERS(cuMemPrefetchAsync_ptsz), work_per_thread(hStream), devPtr,
			count, dstDevice, hStream);
}

LT_EXPORT CUresult CUDAAPI cuMemPrefetchAsync_v2(CUdeviceptr devPtr, size_t count,
						 CUmemLocation location, unsigned int flags,
						 CUstream hStream)
{
	return prefetch_v2(DRIVERS(cuMemPrefetchAsync_v2), work_legacy(hStream), devPtr, count,
			   location, flags, hStream);
}

LT_EXPORT CUresult CUDAAPI cuMemPrefetchAsync_v2_ptsz(CUdeviceptr devPtr, size_t count,
						      CUmemLocation location,
						      unsigned int flags, CUstream hStream)
{
	return prefetch_v2(DRIVERS(cuMemPrefetchAsync_v2_ptsz), work_per_thread(hStream),
			   devPtr, count, location, flags, hStream);
}

LT_EXPORT CUresult CUDAAPI cuMemBatchDecompressAsync(CUmemDecompressParams *paramsArray,
						     size_t count, unsigned int flags,
						     size_t *errorIndex, CUstream stream)
{
	return decompress(DRIVERS(cuMemBatchDecompressAsync), work_legacy(stream), paramsArray,
			  count, flags, errorIndex, stream);
}

LT_EXPORT CUresult CUDAAPI cuMemBatchDecompressAsync_ptsz(CUmemDecompressParams *paramsArray,
							  size_t count, unsigned int flags,
							  size_t *errorIndex, CUstream stream)
{
	return decompress(DRIVERS(cuMemBatchDecompressAsync_ptsz), work_per_thread(stream),
			  paramsArray, count, flags, errorIndex, stream);
}
