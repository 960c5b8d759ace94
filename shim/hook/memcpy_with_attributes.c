/*
 * Copies with attributes, and batches over a fabric, which came after CUDA 13.0: the driver is
 * handed them whole, as those of peer_and_batch.c, but not while mappings change, and with each
 * range that they name in one home.
 */
#include "driver/driver.h"
#include "driver/export.h"
#include "hook/work.h"

#include <stdlib.h>

/* Each body is given the driver's function, NULL where it has none; `where` is the stream as
 * the pager knows it. */
static CUresult copy_row(PFN_cuMemcpyWithAttributesAsync_v13020 call, CUstream where,
			 CUdeviceptr dst, CUdeviceptr src, size_t bytes,
			 CUmemcpyAttributes *attrs, CUstream stream)
{
	struct work work;
	CUresult result;

	if (!call)
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_ranges(&work, where,
				   (struct pager_range[]){{dst, bytes}, {src, bytes}}, 2);
	if (result == CUDA_SUCCESS)
		result = call(dst, src, bytes, attrs, stream);
	return work_end(&work, result);
}

static struct pager_range operand_range(const CUmemcpy3DOperand *side)
{
	CUdeviceptr at = side->type == CU_MEMCPY_OPERAND_TYPE_POINTER ? side->op.ptr.ptr : 0;

	return (struct pager_range){at, at ? ONE_HOME_REST : 0};
}

static CUresult copy_box(PFN_cuMemcpy3DWithAttributesAsync_v13020 call, CUstream where,
			 CUDA_MEMCPY3D_BATCH_OP *box, unsigned long long flags, CUstream stream)
{
	struct pager_range ranges[2] = {{0, 0}, {0, 0}};
	struct work work;
	CUresult result;

	if (!call)
		return CUDA_ERROR_NOT_FOUND;
	if (box) {
		ranges[0] = operand_range(&box->dst);
		ranges[1] = operand_range(&box->src);
	}
	result = work_begin_ranges(&work, where, ranges, 2);
	if (result == CUDA_SUCCESS)
		result = call(box, flags, stream);
	return work_end(&work, result);
}

static struct pager_range fabric_operand_range(const CUfabricCpyOperand *side, size_t bytes)
{
	bool here = side->type == CU_FABRIC_COPY_OPERAND_TYPE_POINTER;

	return (struct pager_range){here ? side->op.ptr.ptr : 0, here ? bytes : 0};
}

/* With no memory for the list of ranges they stay as they lie, or all that there is must be
 * there. */
static CUresult fabric_begin(struct work *work, CUstream where,
			     const CUDA_FABRIC_COPY_BATCH_OP *copies, size_t count)
{
	struct pager_range *ranges =
	    copies && count && pager_any_made() ? calloc(count, 2 * sizeof(*ranges)) : NULL;
	CUresult result;

	for (size_t i = 0; ranges && i < count; i++) {
		ranges[2 * i] = fabric_operand_range(&copies[i].dst, copies[i].size);
		ranges[2 * i + 1] = fabric_operand_range(&copies[i].src, copies[i].size);
	}
	result = ranges ? work_begin_ranges(work, where, ranges, 2 * count)
			: work_begin_unlisted(work, where, count);
	free(ranges);
	return result;
}

static CUresult copy_over_fabric(PFN_cuFabricCpyBatchAsync_v13050 call, CUstream where,
				 size_t count, CUDA_FABRIC_COPY_BATCH_OP *copies,
				 unsigned long long flags, CUstream stream)
{
	struct work work;
	CUresult result;

	if (!call)
		return CUDA_ERROR_NOT_FOUND;
	result = fabric_begin(&work, where, copies, count);
	if (result == CUDA_SUCCESS)
		result = call(count, copies, flags, stream);
	return work_end(&work, result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyWithAttributesAsync(CUdeviceptr dst, CUdeviceptr src,
						       size_t size, CUmemcpyAttributes *attr,
						       CUstream hStream)
{
	return copy_row(DRIVERS(cuMemcpyWithAttributesAsync), work_legacy(hStream), dst, src,
			size, attr, hStream);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyWithAttributesAsync_ptsz(CUdeviceptr dst, CUdeviceptr src,
							    size_t size,
							    CUmemcpyAttributes *attr,
							    CUstream hStream)
{
	return copy_row(DRIVERS(cuMemcpyWithAttributesAsync_ptsz), work_per_thread(hStream),
			dst, src, size, attr, hStream);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy3DWithAttributesAsync(CUDA_MEMCPY3D_BATCH_OP *op,
							 unsigned long long flags,
							 CUstream hStream)
{
	return copy_box(DRIVERS(cuMemcpy3DWithAttributesAsync), work_legacy(hStream), op, flags,
			hStream);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy3DWithAttributesAsync_ptsz(CUDA_MEMCPY3D_BATCH_OP *op,
							      unsigned long long flags,
							      CUstream hStream)
{
	return copy_box(DRIVERS(cuMemcpy3DWithAttributesAsync_ptsz), work_per_thread(hStream),
			op, flags, hStream);
}

LT_EXPORT CUresult CUDAAPI cuFabricCpyBatchAsync(size_t numOps,
						 CUDA_FABRIC_COPY_BATCH_OP *opList,
						 unsigned long long flags, CUstream hStream)
{
	return copy_over_fabric(DRIVERS(cuFabricCpyBatchAsync), work_legacy(hStream), numOps,
				opList, flags, hStream);
}

LT_EXPORT CUresult CUDAAPI cuFabricCpyBatchAsync_ptsz(size_t numOps,
						      CUDA_FABRIC_COPY_BATCH_OP *opList,
						      unsigned long long flags,
						      CUstream hStream)
{
	return copy_over_fabric(DRIVERS(cuFabricCpyBatchAsync_ptsz), work_per_thread(hStream),
				numOps, opList, flags, hStream);
}
