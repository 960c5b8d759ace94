/*
 * One-dimensional copies. Where all of both ranges is resident the driver copies at the
 * program's own addresses. What is cold or mixed is copied in parts, cut where a home changes,
 * each at the program's own address (or, where cold memory has no mapping, at the one it has in
 * RAM), with the blocking behaviour of the original.
 */
#include "hook/memcpy.h"
#include "order/captures.h"

#include "driver/driver.h"
#include "driver/export.h"
#include "hook/tensor_map.h"
#include "pager/copy_kernel.h"
#include "base/settings.h"

/* Is the address in memory that we page? The rest is the driver's business alone. */
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

#define MAPS_MOST 64

/* Tensor maps that do not show their address. */
static void look_for_maps(const unsigned char *bytes, size_t count)
{
	uint64_t addresses[MAPS_MOST];

	if (!atomic_load(&tensor_maps_remembered))
		return;
	for (size_t at = 0; at + TENSOR_MAP_BYTES <= count; at += 8) {
		/* At most one map begins at this word. */
		size_t found = tensor_maps_named(bytes + at, TENSOR_MAP_BYTES, TENSOR_MAP_BYTES,
						 addresses, MAPS_MOST);

		for (size_t i = 0; i < found; i++)
			unmapped_table(addresses[i]);
	}
}

bool memcpy_may_hold_pointers(CUdeviceptr src, uint64_t bytes)
{
	return src && bytes && bytes <= TABLE_BYTES && pager_any_made() &&
	       (settings_get()->safety == SAFETY_OVERLAP || work_needs_residence()) &&
	       memcpy_place_of(src) != MEMCPY_DEVICE;
}

void memcpy_look_for_pointers(const void *bytes, size_t count)
{
	pager_scan_table(bytes, count);
	if (work_needs_residence())
		look_for_maps(bytes, count);
}

/* True: one of the ranges ends past what was allocated. The driver is asked, to refuse it. */
static bool goes_too_far(struct memcpy_work *copy)
{
	CUdeviceptr dst = pager_shown_range(copy->dst, copy->bytes),
		    src = pager_shown_range(copy->src, copy->bytes);
	bool too_far = dst != copy->dst || src != copy->src;

	copy->dst = dst;
	copy->src = src;
	/* Nothing will have been uploaded. */
	if (too_far)
		copy->bytes = 0;
	return too_far;
}

bool memcpy_begin(struct memcpy_work *copy)
{
	const struct pager_range ranges[] = {{copy->dst, copy->bytes},
					     {copy->src, copy->bytes}};
	bool ours = copy->bytes && (is_ours(copy->dst) || is_ours(copy->src));

	if (copy->reads_host && memcpy_may_hold_pointers(copy->src, copy->bytes))
		memcpy_look_for_pointers((const void *)(uintptr_t)copy->src, copy->bytes);
	if (ours) {
		pager_use_ranges(ranges, 2, &copy->work.use);
		work_enter(&copy->work);
	}
	if (ours && goes_too_far(copy))
		return true;
	copy->other_card = copy->work.inside && memcpy_is_of_other_card(copy->dst, copy->src) &&
			   !captures_include(copy->work.stream);
	return !copy->work.inside ||
	       (!copy->other_card && all_resident(copy->dst, copy->bytes) &&
		all_resident(copy->src, copy->bytes));
}

enum memcpy_place memcpy_place_of(CUdeviceptr address)
{
	unsigned int type;

	if (is_ours(address))
		return MEMCPY_DEVICE;
	/* Host memory that the driver does not know is pageable. */
	if (real(cuPointerGetAttribute)(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, address) !=
	    CUDA_SUCCESS)
		return MEMCPY_PAGEABLE;
	return type == CU_MEMORYTYPE_HOST ? MEMCPY_PINNED : MEMCPY_DEVICE;
}

/* One side of a copy in parts. */
struct side {
	CUdeviceptr at;	 /* as the program names it */
	CUdeviceptr gpu; /* as the GPU reaches it; 0: the same, or it does not */
	enum memcpy_place place;
};

static struct side side_of(CUdeviceptr at)
{
	struct side side = {at, 0, memcpy_place_of(at)};

	if (side.place == MEMCPY_PINNED &&
	    real(cuPointerGetAttribute)(&side.gpu, CU_POINTER_ATTRIBUTE_DEVICE_POINTER, at) !=
		CUDA_SUCCESS)
		side.place = MEMCPY_PAGEABLE;
	return side;
}

static CUdeviceptr reached(const struct side *side, size_t done)
{
	return side->place == MEMCPY_PINNED ? side->gpu + done : pager_reach(side->at + done);
}

/* A captured copy keeps the program's own addresses: when the graph runs, memory may lie
 * elsewhere than it does now. Where neither side is pageable a kernel copies, because the pager
 * knows what kernels of a graph name; a copy that the driver makes of memory that has no
 * mapping now is the driver's to accept or refuse. */
static CUresult memcpy_captured(const struct memcpy_work *copy, const struct side *dst,
				const struct side *src, size_t done, size_t bytes)
{
	struct pager *pager = pager_of(is_ours(dst->at) ? dst->at : src->at);
	const struct copy_rows row = {(dst->place == MEMCPY_PINNED ? dst->gpu : dst->at) + done,
				      (src->place == MEMCPY_PINNED ? src->gpu : src->at) + done,
				      0,
				      0,
				      bytes,
				      1};

	if (dst->place != MEMCPY_PAGEABLE && src->place != MEMCPY_PAGEABLE &&
	    copy_kernel_can(pager))
		return copy_kernel_launch(pager, &row, copy->work.stream);
	return real(cuMemcpyAsync)(dst->at + done, src->at + done, bytes, copy->work.stream);
}

static CUresult memcpy_by_detour(const struct detour *detour, const struct side *dst,
				 const struct side *src, size_t done, size_t bytes,
				 bool ram_to_ram)
{
	struct detour_side to = {dst->at + done, reached(dst, done),
				 dst->place != MEMCPY_DEVICE},
			   from = {src->at + done, reached(src, done),
				   src->place != MEMCPY_DEVICE};

	/* Without a mapping it is reached where it lies in RAM. */
	to.host |= to.at != to.reached;
	from.host |= from.at != from.reached;
	return detour_copy(detour, &to, &from, bytes, ram_to_ram);
}

static CUresult memcpy_part(const struct memcpy_work *copy, const struct detour *detour,
			    const struct side *dst, const struct side *src, size_t done,
			    size_t bytes, bool ram_to_ram)
{
	struct pager *pager = pager_of(is_ours(dst->at) ? dst->at : src->at);
	const struct copy_rows row = {reached(dst, done), reached(src, done), 0, 0, bytes, 1};

	if (detour)
		return memcpy_by_detour(detour, dst, src, done, bytes, ram_to_ram);
	if (work_needs_residence() && captures_include(copy->work.stream))
		return memcpy_captured(copy, dst, src, done, bytes);
	if (ram_to_ram && copy_kernel_can(pager))
		return copy_kernel_launch(pager, &row, copy->work.stream);
	/* Without a mapping, the driver needs the address that memory has in RAM. */
	return real(cuMemcpyAsync)(pager_reach(dst->at + done), pager_reach(src->at + done),
				   bytes, copy->work.stream);
}

/* `detour`: NULL where there is none. */
static CUresult memcpy_each_part(const struct memcpy_work *copy, const struct detour *detour)
{
	struct side dst = side_of(copy->dst), src = side_of(copy->src);
	CUresult result = CUDA_SUCCESS;
	size_t done = 0;

	while (done < copy->bytes && result == CUDA_SUCCESS) {
		size_t left = copy->bytes - done;
		bool dst_cold, src_cold;
		uint64_t part = pager_same_home(copy->dst + done, left, &dst_cold);

		part = pager_same_home(copy->src + done, part, &src_cold);
		result = memcpy_part(copy, detour, &dst, &src, done, part,
				     (dst_cold || dst.place == MEMCPY_PINNED) &&
					 (src_cold || src.place == MEMCPY_PINNED));
		done += part;
	}
	return result;
}

CUresult memcpy_in_parts(struct memcpy_work *copy)
{
	struct detour detour;
	CUresult result;

	if (copy->other_card) {
		result = detour_begin(&detour, copy->work.stream, copy->dst, copy->src);
		if (result != CUDA_SUCCESS)
			return result;
		result = memcpy_each_part(copy, &detour);
		detour_end(&detour, &copy->work.use);
	} else {
		result = memcpy_each_part(copy, copy->detour);
	}
	copy->in_parts = true;
	return result;
}

CUresult memcpy_end(struct memcpy_work *copy, CUresult result)
{
	bool waits =
	    copy->in_parts &&
	    (copy->blocking == MEMCPY_WAITS ||
	     (copy->blocking == MEMCPY_WAITS_FOR_HOST && memcpy_waits(copy->dst, copy->src)));

	if (!copy->work.inside)
		return result;
	work_finish(&copy->work, result != CUDA_SUCCESS && !copy->in_parts);
	/* Outside the gate: the wait may be long, and a window's drain waits for the parts by
	 * itself. */
	if (waits) {
		CUresult ended = real(cuStreamSynchronize)(copy->work.stream);

		result = result == CUDA_SUCCESS ? ended : result;
	}
	if (result == CUDA_SUCCESS && is_ours(copy->dst) && !is_ours(copy->src))
		pager_uploaded(copy->dst, copy->bytes, copy->src);
	return result;
}

/* --- the driver's functions: from anywhere to anywhere, up, down, within the device */

static struct memcpy_work any_copy(CUdeviceptr dst, CUdeviceptr src, size_t bytes,
				   CUstream stream, enum memcpy_blocking blocking)
{
	return (struct memcpy_work){.dst = dst,
				    .src = src,
				    .bytes = bytes,
				    .blocking = blocking,
				    .reads_host = true,
				    .work.stream = stream};
}

static struct memcpy_work upload(CUdeviceptr dst, const void *src, size_t bytes,
				 CUstream stream, enum memcpy_blocking blocking)
{
	return any_copy(dst, (CUdeviceptr)(uintptr_t)src, bytes, stream, blocking);
}

static struct memcpy_work download(void *dst, CUdeviceptr src, size_t bytes, CUstream stream,
				   enum memcpy_blocking blocking)
{
	return (struct memcpy_work){.dst = (CUdeviceptr)(uintptr_t)dst,
				    .src = src,
				    .bytes = bytes,
				    .blocking = blocking,
				    .work.stream = stream};
}

static struct memcpy_work copy_within(CUdeviceptr dst, CUdeviceptr src, size_t bytes,
				      CUstream stream)
{
	return (struct memcpy_work){.dst = dst,
				    .src = src,
				    .bytes = bytes,
				    .blocking = MEMCPY_RETURNS,
				    .work.stream = stream};
}

static CUresult memcpy_end_in_parts(struct memcpy_work *copy)
{
	return memcpy_end(copy, memcpy_in_parts(copy));
}

LT_EXPORT CUresult CUDAAPI cuMemcpy(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount)
{
	struct memcpy_work copy =
	    any_copy(dst, src, ByteCount, CU_STREAM_LEGACY, MEMCPY_WAITS_FOR_HOST);

	if (!driver_has(cuMemcpy))
		return CUDA_ERROR_NOT_FOUND;
	if (!memcpy_begin(&copy))
		return memcpy_end_in_parts(&copy);
	return memcpy_end(&copy, real(cuMemcpy)(copy.dst, copy.src, ByteCount));
}

LT_EXPORT CUresult CUDAAPI cuMemcpy_ptds(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount)
{
	struct memcpy_work copy =
	    any_copy(dst, src, ByteCount, CU_STREAM_PER_THREAD, MEMCPY_WAITS_FOR_HOST);

	if (!driver_has(cuMemcpy_ptds))
		return CUDA_ERROR_NOT_FOUND;
	if (!memcpy_begin(&copy))
		return memcpy_end_in_parts(&copy);
	return memcpy_end(&copy, real(cuMemcpy_ptds)(copy.dst, copy.src, ByteCount));
}

LT_EXPORT CUresult CUDAAPI cuMemcpyHtoD_v2(CUdeviceptr dstDevice, const void *srcHost,
					   size_t ByteCount)
{
	struct memcpy_work copy =
	    upload(dstDevice, srcHost, ByteCount, CU_STREAM_LEGACY, MEMCPY_WAITS);

	if (!driver_has(cuMemcpyHtoD_v2))
		return CUDA_ERROR_NOT_FOUND;
	if (!memcpy_begin(&copy))
		return memcpy_end_in_parts(&copy);
	return memcpy_end(&copy, real(cuMemcpyHtoD_v2)(copy.dst, srcHost, ByteCount));
}

LT_EXPORT CUresult CUDAAPI cuMemcpyHtoD_v2_ptds(CUdeviceptr dstDevice, const void *srcHost,
						size_t ByteCount)
{
	struct memcpy_work copy =
	    upload(dstDevice, srcHost, ByteCount, CU_STREAM_PER_THREAD, MEMCPY_WAITS);

	if (!driver_has(cuMemcpyHtoD_v2_ptds))
		return CUDA_ERROR_NOT_FOUND;
	if (!memcpy_begin(&copy))
		return memcpy_end_in_parts(&copy);
	return memcpy_end(&copy, real(cuMemcpyHtoD_v2_ptds)(copy.dst, srcHost, ByteCount));
}

LT_EXPORT CUresult CUDAAPI cuMemcpyDtoH_v2(void *dstHost, CUdeviceptr srcDevice,
					   size_t ByteCount)
{
	struct memcpy_work copy =
	    download(dstHost, srcDevice, ByteCount, CU_STREAM_LEGACY, MEMCPY_WAITS);

	if (!driver_has(cuMemcpyDtoH_v2))
		return CUDA_ERROR_NOT_FOUND;
	if (!memcpy_begin(&copy))
		return memcpy_end_in_parts(&copy);
	return memcpy_end(&copy, real(cuMemcpyDtoH_v2)(dstHost, copy.src, ByteCount));
}

LT_EXPORT CUresult CUDAAPI cuMemcpyDtoH_v2_ptds(void *dstHost, CUdeviceptr srcDevice,
						size_t ByteCount)
{
	struct memcpy_work copy =
	    download(dstHost, srcDevice, ByteCount, CU_STREAM_PER_THREAD, MEMCPY_WAITS);

	if (!driver_has(cuMemcpyDtoH_v2_ptds))
		return CUDA_ERROR_NOT_FOUND;
	if (!memcpy_begin(&copy))
		return memcpy_end_in_parts(&copy);
	return memcpy_end(&copy, real(cuMemcpyDtoH_v2_ptds)(dstHost, copy.src, ByteCount));
}

LT_EXPORT CUresult CUDAAPI cuMemcpyDtoD_v2(CUdeviceptr dstDevice, CUdeviceptr srcDevice,
					   size_t ByteCount)
{
	struct memcpy_work copy =
	    copy_within(dstDevice, srcDevice, ByteCount, CU_STREAM_LEGACY);

	if (!driver_has(cuMemcpyDtoD_v2))
		return CUDA_ERROR_NOT_FOUND;
	if (!memcpy_begin(&copy))
		return memcpy_end_in_parts(&copy);
	return memcpy_end(&copy, real(cuMemcpyDtoD_v2)(copy.dst, copy.src, ByteCount));
}

LT_EXPORT CUresult CUDAAPI cuMemcpyDtoD_v2_ptds(CUdeviceptr dstDevice, CUdeviceptr srcDevice,
						size_t ByteCount)
{
	struct memcpy_work copy =
	    copy_within(dstDevice, srcDevice, ByteCount, CU_STREAM_PER_THREAD);

	if (!driver_has(cuMemcpyDtoD_v2_ptds))
		return CUDA_ERROR_NOT_FOUND;
	if (!memcpy_begin(&copy))
		return memcpy_end_in_parts(&copy);
	return memcpy_end(&copy, real(cuMemcpyDtoD_v2_ptds)(copy.dst, copy.src, ByteCount));
}

LT_EXPORT CUresult CUDAAPI cuMemcpyAsync(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount,
					 CUstream hStream)
{
	struct memcpy_work copy =
	    any_copy(dst, src, ByteCount, work_legacy(hStream), MEMCPY_RETURNS);

	if (!driver_has(cuMemcpyAsync))
		return CUDA_ERROR_NOT_FOUND;
	if (!memcpy_begin(&copy))
		return memcpy_end_in_parts(&copy);
	return memcpy_end(&copy, real(cuMemcpyAsync)(copy.dst, copy.src, ByteCount, hStream));
}

LT_EXPORT CUresult CUDAAPI cuMemcpyAsync_ptsz(CUdeviceptr dst, CUdeviceptr src,
					      size_t ByteCount, CUstream hStream)
{
	struct memcpy_work copy =
	    any_copy(dst, src, ByteCount, work_per_thread(hStream), MEMCPY_RETURNS);

	if (!driver_has(cuMemcpyAsync_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	if (!memcpy_begin(&copy))
		return memcpy_end_in_parts(&copy);
	return memcpy_end(&copy,
			  real(cuMemcpyAsync_ptsz)(copy.dst, copy.src, ByteCount, hStream));
}

LT_EXPORT CUresult CUDAAPI cuMemcpyHtoDAsync_v2(CUdeviceptr dstDevice, const void *srcHost,
						size_t ByteCount, CUstream hStream)
{
	struct memcpy_work copy =
	    upload(dstDevice, srcHost, ByteCount, work_legacy(hStream), MEMCPY_RETURNS);

	if (!driver_has(cuMemcpyHtoDAsync_v2))
		return CUDA_ERROR_NOT_FOUND;
	if (!memcpy_begin(&copy))
		return memcpy_end_in_parts(&copy);
	return memcpy_end(&copy,
			  real(cuMemcpyHtoDAsync_v2)(copy.dst, srcHost, ByteCount, hStream));
}

LT_EXPORT CUresult CUDAAPI cuMemcpyHtoDAsync_v2_ptsz(CUdeviceptr dstDevice, const void *srcHost,
						     size_t ByteCount, CUstream hStream)
{
	struct memcpy_work copy =
	    upload(dstDevice, srcHost, ByteCount, work_per_thread(hStream), MEMCPY_RETURNS);

	if (!driver_has(cuMemcpyHtoDAsync_v2_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	if (!memcpy_begin(&copy))
		return memcpy_end_in_parts(&copy);
	return memcpy_end(
	    &copy, real(cuMemcpyHtoDAsync_v2_ptsz)(copy.dst, srcHost, ByteCount, hStream));
}

LT_EXPORT CUresult CUDAAPI cuMemcpyDtoHAsync_v2(void *dstHost, CUdeviceptr srcDevice,
						size_t ByteCount, CUstream hStream)
{
	struct memcpy_work copy =
	    download(dstHost, srcDevice, ByteCount, work_legacy(hStream), MEMCPY_RETURNS);

	if (!driver_has(cuMemcpyDtoHAsync_v2))
		return CUDA_ERROR_NOT_FOUND;
	if (!memcpy_begin(&copy))
		return memcpy_end_in_parts(&copy);
	return memcpy_end(&copy,
			  real(cuMemcpyDtoHAsync_v2)(dstHost, copy.src, ByteCount, hStream));
}

LT_EXPORT CUresult CUDAAPI cuMemcpyDtoHAsync_v2_ptsz(void *dstHost, CUdeviceptr srcDevice,
						     size_t ByteCount, CUstream hStream)
{
	struct memcpy_work copy =
	    download(dstHost, srcDevice, ByteCount, work_per_thread(hStream), MEMCPY_RETURNS);

	if (!driver_has(cuMemcpyDtoHAsync_v2_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	if (!memcpy_begin(&copy))
		return memcpy_end_in_parts(&copy);
	return memcpy_end(
	    &copy, real(cuMemcpyDtoHAsync_v2_ptsz)(dstHost, copy.src, ByteCount, hStream));
}

LT_EXPORT CUresult CUDAAPI cuMemcpyDtoDAsync_v2(CUdeviceptr dstDevice, CUdeviceptr srcDevice,
						size_t ByteCount, CUstream hStream)
{
	struct memcpy_work copy =
	    copy_within(dstDevice, srcDevice, ByteCount, work_legacy(hStream));

	if (!driver_has(cuMemcpyDtoDAsync_v2))
		return CUDA_ERROR_NOT_FOUND;
	if (!memcpy_begin(&copy))
		return memcpy_end_in_parts(&copy);
	return memcpy_end(&copy,
			  real(cuMemcpyDtoDAsync_v2)(copy.dst, copy.src, ByteCount, hStream));
}

LT_EXPORT CUresult CUDAAPI cuMemcpyDtoDAsync_v2_ptsz(CUdeviceptr dstDevice,
						     CUdeviceptr srcDevice, size_t ByteCount,
						     CUstream hStream)
{
	struct memcpy_work copy =
	    copy_within(dstDevice, srcDevice, ByteCount, work_per_thread(hStream));

	if (!driver_has(cuMemcpyDtoDAsync_v2_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	if (!memcpy_begin(&copy))
		return memcpy_end_in_parts(&copy);
	return memcpy_end(
	    &copy, real(cuMemcpyDtoDAsync_v2_ptsz)(copy.dst, copy.src, ByteCount, hStream));
}
