/*
 * One-dimensional copies. Where all of both ranges is resident the driver copies at the
 * program's own addresses. What is cold or mixed is copied in parts, cut where a home changes,
 * each at the program's own address, with the blocking behaviour of the original.
 */
#include "hook/copy.h"

#include "door/driver.h"
#include "door/export.h"
#include "settings.h"

/* Nobody's memory of ours: not our business. */
static bool is_ours(CUdeviceptr address)
{
	return pager_may_hold(address) && pager_of(address);
}

static bool all_resident(CUdeviceptr start, size_t bytes)
{
	bool cold;

	return !is_ours(start) || (pager_same_home(start, bytes, &cold) == bytes && !cold);
}

/* A table of pointers is small; what is larger are tensors. */
#define TABLE_BYTES ((size_t)1 << 20)

static void look_for_pointers(const struct copy *copy)
{
	unsigned int type;

	if (settings_get()->safety != SAFETY_GRACED || copy->bytes > TABLE_BYTES ||
	    is_ours(copy->src))
		return;
	/* Host memory that the driver does not know is pageable. */
	if (real(cuPointerGetAttribute)(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, copy->src) ==
		CUDA_SUCCESS &&
	    type != CU_MEMORYTYPE_HOST)
		return;
	pager_scan_table((const void *)(uintptr_t)copy->src, copy->bytes);
}

bool copy_begin(struct copy *copy)
{
	const struct pager_range ranges[] = {{copy->dst, copy->bytes},
					     {copy->src, copy->bytes}};
	bool ours = copy->bytes && (is_ours(copy->dst) || is_ours(copy->src));

	copy->use = (struct pager_use){NULL, 0};
	if (copy->bytes && pager_any_made() && copy->reads_host)
		look_for_pointers(copy);
	if (ours)
		pager_use_ranges(ranges, 2, &copy->use);
	copy->begun = ours && work_begin();
	return !copy->begun ||
	       (all_resident(copy->dst, copy->bytes) && all_resident(copy->src, copy->bytes));
}

CUresult copy_in_parts(struct copy *copy)
{
	CUresult result = CUDA_SUCCESS;
	size_t done = 0;

	while (done < copy->bytes && result == CUDA_SUCCESS) {
		size_t left = copy->bytes - done;
		bool cold;
		uint64_t part = pager_same_home(copy->dst + done, left, &cold);

		part = pager_same_home(copy->src + done, part, &cold);
		result =
		    real(cuMemcpyAsync)(copy->dst + done, copy->src + done, part, copy->stream);
		done += part;
	}
	copy->in_parts = true;
	return result;
}

CUresult copy_end(struct copy *copy, CUresult result)
{
	bool waits =
	    copy->blocking == COPY_WAITS || (copy->blocking == COPY_WAITS_FOR_HOST &&
					     !(is_ours(copy->dst) && is_ours(copy->src)));

	if (!copy->begun)
		return result;
	pager_used(&copy->use, copy->stream, result != CUDA_SUCCESS && !copy->in_parts);
	work_end(true, copy->stream, result);
	/* Outside the gate: the wait may be long, and a window's drain waits for the parts by
	 * itself. */
	if (copy->in_parts && waits) {
		CUresult ended = real(cuStreamSynchronize)(copy->stream);

		result = result == CUDA_SUCCESS ? ended : result;
	}
	if (result == CUDA_SUCCESS && is_ours(copy->dst) && !is_ours(copy->src))
		pager_uploaded(copy->dst, copy->bytes, copy->src);
	return result;
}

LT_EXPORT CUresult CUDAAPI cuMemcpy(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount)
{
	struct copy copy = {dst,  src,	 ByteCount, CU_STREAM_LEGACY, COPY_WAITS_FOR_HOST,
			    true, false, false,	    {NULL, 0}};
	CUresult result;

	if (!driver_has(cuMemcpy))
		return CUDA_ERROR_NOT_FOUND;
	if (copy_begin(&copy))
		result = real(cuMemcpy)(dst, src, ByteCount);
	else
		result = copy_in_parts(&copy);
	return copy_end(&copy, result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy_ptds(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount)
{
	struct copy copy = {
	    dst,   src,	  ByteCount, CU_STREAM_PER_THREAD, COPY_WAITS_FOR_HOST, true,
	    false, false, {NULL, 0}};
	CUresult result;

	if (!driver_has(cuMemcpy_ptds))
		return CUDA_ERROR_NOT_FOUND;
	if (copy_begin(&copy))
		result = real(cuMemcpy_ptds)(dst, src, ByteCount);
	else
		result = copy_in_parts(&copy);
	return copy_end(&copy, result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyHtoD_v2(CUdeviceptr dstDevice, const void *srcHost,
					   size_t ByteCount)
{
	struct copy copy = {dstDevice,	(CUdeviceptr)(uintptr_t)srcHost,
			    ByteCount,	CU_STREAM_LEGACY,
			    COPY_WAITS, true,
			    false,	false,
			    {NULL, 0}};
	CUresult result;

	if (!driver_has(cuMemcpyHtoD_v2))
		return CUDA_ERROR_NOT_FOUND;
	if (copy_begin(&copy))
		result = real(cuMemcpyHtoD_v2)(dstDevice, srcHost, ByteCount);
	else
		result = copy_in_parts(&copy);
	return copy_end(&copy, result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyHtoD_v2_ptds(CUdeviceptr dstDevice, const void *srcHost,
						size_t ByteCount)
{
	struct copy copy = {dstDevice,	(CUdeviceptr)(uintptr_t)srcHost,
			    ByteCount,	CU_STREAM_PER_THREAD,
			    COPY_WAITS, true,
			    false,	false,
			    {NULL, 0}};
	CUresult result;

	if (!driver_has(cuMemcpyHtoD_v2_ptds))
		return CUDA_ERROR_NOT_FOUND;
	if (copy_begin(&copy))
		result = real(cuMemcpyHtoD_v2_ptds)(dstDevice, srcHost, ByteCount);
	else
		result = copy_in_parts(&copy);
	return copy_end(&copy, result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyDtoH_v2(void *dstHost, CUdeviceptr srcDevice,
					   size_t ByteCount)
{
	struct copy copy = {(CUdeviceptr)(uintptr_t)dstHost,
			    srcDevice,
			    ByteCount,
			    CU_STREAM_LEGACY,
			    COPY_WAITS,
			    false,
			    false,
			    false,
			    {NULL, 0}};
	CUresult result;

	if (!driver_has(cuMemcpyDtoH_v2))
		return CUDA_ERROR_NOT_FOUND;
	if (copy_begin(&copy))
		result = real(cuMemcpyDtoH_v2)(dstHost, srcDevice, ByteCount);
	else
		result = copy_in_parts(&copy);
	return copy_end(&copy, result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyDtoH_v2_ptds(void *dstHost, CUdeviceptr srcDevice,
						size_t ByteCount)
{
	struct copy copy = {(CUdeviceptr)(uintptr_t)dstHost,
			    srcDevice,
			    ByteCount,
			    CU_STREAM_PER_THREAD,
			    COPY_WAITS,
			    false,
			    false,
			    false,
			    {NULL, 0}};
	CUresult result;

	if (!driver_has(cuMemcpyDtoH_v2_ptds))
		return CUDA_ERROR_NOT_FOUND;
	if (copy_begin(&copy))
		result = real(cuMemcpyDtoH_v2_ptds)(dstHost, srcDevice, ByteCount);
	else
		result = copy_in_parts(&copy);
	return copy_end(&copy, result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyDtoD_v2(CUdeviceptr dstDevice, CUdeviceptr srcDevice,
					   size_t ByteCount)
{
	struct copy copy = {dstDevice, srcDevice, ByteCount, CU_STREAM_LEGACY, COPY_RETURNS,
			    false,     false,	  false,     {NULL, 0}};
	CUresult result;

	if (!driver_has(cuMemcpyDtoD_v2))
		return CUDA_ERROR_NOT_FOUND;
	if (copy_begin(&copy))
		result = real(cuMemcpyDtoD_v2)(dstDevice, srcDevice, ByteCount);
	else
		result = copy_in_parts(&copy);
	return copy_end(&copy, result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyDtoD_v2_ptds(CUdeviceptr dstDevice, CUdeviceptr srcDevice,
						size_t ByteCount)
{
	struct copy copy = {dstDevice,	  srcDevice, ByteCount, CU_STREAM_PER_THREAD,
			    COPY_RETURNS, false,     false,	false,
			    {NULL, 0}};
	CUresult result;

	if (!driver_has(cuMemcpyDtoD_v2_ptds))
		return CUDA_ERROR_NOT_FOUND;
	if (copy_begin(&copy))
		result = real(cuMemcpyDtoD_v2_ptds)(dstDevice, srcDevice, ByteCount);
	else
		result = copy_in_parts(&copy);
	return copy_end(&copy, result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyAsync(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount,
					 CUstream hStream)
{
	struct copy copy = {dst,   src,	  ByteCount, work_legacy(hStream), COPY_RETURNS, true,
			    false, false, {NULL, 0}};
	CUresult result;

	if (!driver_has(cuMemcpyAsync))
		return CUDA_ERROR_NOT_FOUND;
	if (copy_begin(&copy))
		result = real(cuMemcpyAsync)(dst, src, ByteCount, hStream);
	else
		result = copy_in_parts(&copy);
	return copy_end(&copy, result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyAsync_ptsz(CUdeviceptr dst, CUdeviceptr src,
					      size_t ByteCount, CUstream hStream)
{
	struct copy copy = {dst,	  src,	ByteCount, work_per_thread(hStream),
			    COPY_RETURNS, true, false,	   false,
			    {NULL, 0}};
	CUresult result;

	if (!driver_has(cuMemcpyAsync_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	if (copy_begin(&copy))
		result = real(cuMemcpyAsync_ptsz)(dst, src, ByteCount, hStream);
	else
		result = copy_in_parts(&copy);
	return copy_end(&copy, result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyHtoDAsync_v2(CUdeviceptr dstDevice, const void *srcHost,
						size_t ByteCount, CUstream hStream)
{
	struct copy copy = {dstDevice,	  (CUdeviceptr)(uintptr_t)srcHost,
			    ByteCount,	  work_legacy(hStream),
			    COPY_RETURNS, true,
			    false,	  false,
			    {NULL, 0}};
	CUresult result;

	if (!driver_has(cuMemcpyHtoDAsync_v2))
		return CUDA_ERROR_NOT_FOUND;
	if (copy_begin(&copy))
		result = real(cuMemcpyHtoDAsync_v2)(dstDevice, srcHost, ByteCount, hStream);
	else
		result = copy_in_parts(&copy);
	return copy_end(&copy, result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyHtoDAsync_v2_ptsz(CUdeviceptr dstDevice, const void *srcHost,
						     size_t ByteCount, CUstream hStream)
{
	struct copy copy = {dstDevice,	  (CUdeviceptr)(uintptr_t)srcHost,
			    ByteCount,	  work_per_thread(hStream),
			    COPY_RETURNS, true,
			    false,	  false,
			    {NULL, 0}};
	CUresult result;

	if (!driver_has(cuMemcpyHtoDAsync_v2_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	if (copy_begin(&copy))
		result =
		    real(cuMemcpyHtoDAsync_v2_ptsz)(dstDevice, srcHost, ByteCount, hStream);
	else
		result = copy_in_parts(&copy);
	return copy_end(&copy, result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyDtoHAsync_v2(void *dstHost, CUdeviceptr srcDevice,
						size_t ByteCount, CUstream hStream)
{
	struct copy copy = {(CUdeviceptr)(uintptr_t)dstHost,
			    srcDevice,
			    ByteCount,
			    work_legacy(hStream),
			    COPY_RETURNS,
			    false,
			    false,
			    false,
			    {NULL, 0}};
	CUresult result;

	if (!driver_has(cuMemcpyDtoHAsync_v2))
		return CUDA_ERROR_NOT_FOUND;
	if (copy_begin(&copy))
		result = real(cuMemcpyDtoHAsync_v2)(dstHost, srcDevice, ByteCount, hStream);
	else
		result = copy_in_parts(&copy);
	return copy_end(&copy, result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyDtoHAsync_v2_ptsz(void *dstHost, CUdeviceptr srcDevice,
						     size_t ByteCount, CUstream hStream)
{
	struct copy copy = {(CUdeviceptr)(uintptr_t)dstHost,
			    srcDevice,
			    ByteCount,
			    work_per_thread(hStream),
			    COPY_RETURNS,
			    false,
			    false,
			    false,
			    {NULL, 0}};
	CUresult result;

	if (!driver_has(cuMemcpyDtoHAsync_v2_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	if (copy_begin(&copy))
		result =
		    real(cuMemcpyDtoHAsync_v2_ptsz)(dstHost, srcDevice, ByteCount, hStream);
	else
		result = copy_in_parts(&copy);
	return copy_end(&copy, result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyDtoDAsync_v2(CUdeviceptr dstDevice, CUdeviceptr srcDevice,
						size_t ByteCount, CUstream hStream)
{
	struct copy copy = {dstDevice,	  srcDevice, ByteCount, work_legacy(hStream),
			    COPY_RETURNS, false,     false,	false,
			    {NULL, 0}};
	CUresult result;

	if (!driver_has(cuMemcpyDtoDAsync_v2))
		return CUDA_ERROR_NOT_FOUND;
	if (copy_begin(&copy))
		result = real(cuMemcpyDtoDAsync_v2)(dstDevice, srcDevice, ByteCount, hStream);
	else
		result = copy_in_parts(&copy);
	return copy_end(&copy, result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpyDtoDAsync_v2_ptsz(CUdeviceptr dstDevice,
						     CUdeviceptr srcDevice, size_t ByteCount,
						     CUstream hStream)
{
	struct copy copy = {dstDevice,	  srcDevice, ByteCount, work_per_thread(hStream),
			    COPY_RETURNS, false,     false,	false,
			    {NULL, 0}};
	CUresult result;

	if (!driver_has(cuMemcpyDtoDAsync_v2_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	if (copy_begin(&copy))
		result =
		    real(cuMemcpyDtoDAsync_v2_ptsz)(dstDevice, srcDevice, ByteCount, hStream);
	else
		result = copy_in_parts(&copy);
	return copy_end(&copy, result);
}
