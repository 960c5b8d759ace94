/*
 * Copies that came after CUDA 13.0: passed on as they are, as those of peer_and_batch.c, but
 * not while mappings change, and with each range that they name in one home.
 */
#include "driver/driver.h"
#include "driver/export.h"
#include "hook/work.h"

#include <stdlib.h>

static CUresult with_attributes_begin(CUdeviceptr dst, CUdeviceptr src, size_t bytes,
				      CUstream stream, struct work_whole *whole)
{
	return work_begin_whole((struct pager_range[]){{dst, bytes}, {src, bytes}}, 2, stream,
				whole);
}

static struct pager_range operand(const CUmemcpy3DOperand *side)
{
	CUdeviceptr at = side->type == CU_MEMCPY_OPERAND_TYPE_POINTER ? side->op.ptr.ptr : 0;

	return (struct pager_range){at, at ? ONE_HOME_REST : 0};
}

static CUresult box_begin(const CUDA_MEMCPY3D_BATCH_OP *box, CUstream stream,
			  struct work_whole *whole)
{
	struct pager_range ranges[2] = {{0, 0}, {0, 0}};

	if (box) {
		ranges[0] = operand(&box->dst);
		ranges[1] = operand(&box->src);
	}
	return work_begin_whole(ranges, 2, stream, whole);
}

static struct pager_range fabric_operand(const CUfabricCpyOperand *side, size_t bytes)
{
	bool here = side->type == CU_FABRIC_COPY_OPERAND_TYPE_POINTER;

	return (struct pager_range){here ? side->op.ptr.ptr : 0, here ? bytes : 0};
}

/* With no memory for the list of ranges they stay as they lie, or all that there is must be
 * there. */
static CUresult fabric_begin(const CUDA_FABRIC_COPY_BATCH_OP *copies, size_t count,
			     CUstream stream, struct work_whole *whole)
{
	struct pager_range *ranges =
	    copies && count && pager_any_made() ? calloc(count, 2 * sizeof(*ranges)) : NULL;
	CUresult result;

	for (size_t i = 0; ranges && i < count; i++) {
		ranges[2 * i] = fabric_operand(&copies[i].dst, copies[i].size);
		ranges[2 * i + 1] = fabric_operand(&copies[i].src, copies[i].size);
	}
	result = ranges ? work_begin_whole(ranges, 2 * count, stream, whole)
			: work_begin_all(count, stream, whole);
	free(ranges);
	return result;
}

LT_EXPORT CUresult CUDAAPI cuMemcpyWithAttributesAsync(CUdeviceptr dst, CUdeviceptr src,
						       size_t size, CUmemcpyAttributes *attr,
						       CUstream hStream)
{
	CUresult result;
	struct work_whole whole = {0};

	if (!driver_has(cuMemcpyWithAttributesAsync))
		return CUDA_ERROR_NOT_FOUND;
	result = with_attributes_begin(dst, src, size, work_legacy(hStream), &whole);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpyWithAttributesAsync)(dst, src, size, attr, hStream);
	return work_end_whole(&whole, work_legacy(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyWithAttributesAsync_ptsz(CUdeviceptr dst, CUdeviceptr src,
							    size_t size,
							    CUmemcpyAttributes *attr,
							    CUstream hStream)
{
	CUresult result;
	struct work_whole whole = {0};

	if (!driver_has(cuMemcpyWithAttributesAsync_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	result = with_attributes_begin(dst, src, size, work_per_thread(hStream), &whole);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpyWithAttributesAsync_ptsz)(dst, src, size, attr, hStream);
	return work_end_whole(&whole, work_per_thread(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy3DWithAttributesAsync(CUDA_MEMCPY3D_BATCH_OP *op,
							 unsigned long long flags,
							 CUstream hStream)
{
	CUresult result;
	struct work_whole whole = {0};

	if (!driver_has(cuMemcpy3DWithAttributesAsync))
		return CUDA_ERROR_NOT_FOUND;
	result = box_begin(op, work_legacy(hStream), &whole);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpy3DWithAttributesAsync)(op, flags, hStream);
	return work_end_whole(&whole, work_legacy(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy3DWithAttributesAsync_ptsz(CUDA_MEMCPY3D_BATCH_OP *op,
							      unsigned long long flags,
							      CUstream hStream)
{
	CUresult result;
	struct work_whole whole = {0};

	if (!driver_has(cuMemcpy3DWithAttributesAsync_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	result = box_begin(op, work_per_thread(hStream), &whole);
	if (result == CUDA_SUCCESS)
		result = real(cuMemcpy3DWithAttributesAsync_ptsz)(op, flags, hStream);
	return work_end_whole(&whole, work_per_thread(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuFabricCpyBatchAsync(size_t numOps,
						 CUDA_FABRIC_COPY_BATCH_OP *opList,
						 unsigned long long flags, CUstream hStream)
{
	CUresult result;
	struct work_whole whole = {0};

	if (!driver_has(cuFabricCpyBatchAsync))
		return CUDA_ERROR_NOT_FOUND;
	result = fabric_begin(opList, numOps, work_legacy(hStream), &whole);
	if (result == CUDA_SUCCESS)
		result = real(cuFabricCpyBatchAsync)(numOps, opList, flags, hStream);
	return work_end_whole(&whole, work_legacy(hStream), result);
}

LT_EXPORT CUresult CUDAAPI cuFabricCpyBatchAsync_ptsz(size_t numOps,
						      CUDA_FABRIC_COPY_BATCH_OP *opList,
						      unsigned long long flags,
						      CUstream hStream)
{
	CUresult result;
	struct work_whole whole = {0};

	if (!driver_has(cuFabricCpyBatchAsync_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	result = fabric_begin(opList, numOps, work_per_thread(hStream), &whole);
	if (result == CUDA_SUCCESS)
		result = real(cuFabricCpyBatchAsync_ptsz)(numOps, opList, flags, hStream);
	return work_end_whole(&whole, work_per_thread(hStream), result);
}
