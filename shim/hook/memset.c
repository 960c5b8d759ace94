/*
 * cuMemset*. A range that is wholly resident is the driver's to set. One that is cold or mixed
 * is set in parts, cut where the home changes, row by row if it has rows. A memset of device
 * memory returns at once, and so do its parts.
 */
#include "driver/driver.h"
#include "order/captures.h"
#include "driver/export.h"
#include "hook/detour.h"
#include "hook/work.h"

struct memset_work {
	CUdeviceptr start;
	size_t pitch;
	unsigned int unit; /* bytes of the value */
	unsigned int value;
	size_t width, height; /* units, rows */
	bool in_parts;
	bool other_card; /* it goes by a detour */
	struct work work;
};

static struct memset_work memset_rows(CUdeviceptr start, size_t pitch, unsigned int unit,
				      unsigned int value, size_t width, size_t height,
				      CUstream stream)
{
	return (struct memset_work){.start = start,
				    .pitch = pitch,
				    .unit = unit,
				    .value = value,
				    .width = width,
				    .height = height,
				    .work.stream = stream};
}

static struct memset_work memset_row(CUdeviceptr start, unsigned int unit, unsigned int value,
				     size_t count, CUstream stream)
{
	return memset_rows(start, 0, unit, value, count, 1, stream);
}

/* From the first byte to the last; UINT64_MAX where that is more than fits. */
static uint64_t memset_bytes(const struct memset_work *set)
{
	uint64_t row, rows, all;

	if (__builtin_mul_overflow(set->width, set->unit, &row) ||
	    __builtin_mul_overflow(set->height - 1, set->pitch, &rows) ||
	    __builtin_add_overflow(row, rows, &all))
		return UINT64_MAX;
	return all;
}

static bool memset_begin(struct memset_work *set)
{
	uint64_t bytes = memset_bytes(set);
	bool ours =
	    set->width && set->height && pager_may_hold(set->start) && pager_of(set->start);
	CUdeviceptr shown = ours ? pager_shown_range(set->start, bytes) : set->start;
	bool cold;

	if (ours) {
		pager_use_ranges(&(struct pager_range){set->start, bytes}, 1, &set->work.use);
		work_enter(&set->work);
	}
	/* The driver is asked for what it will refuse, so that the program gets its answer. */
	if (shown != set->start) {
		set->start = shown;
		return true;
	}
	set->other_card = set->work.inside && detour_needed(set->start) &&
			  !captures_include(set->work.stream);
	return !set->work.inside || set->start % set->unit ||
	       (set->height > 1 &&
		(set->pitch < set->width * set->unit || set->pitch % set->unit)) ||
	       (!set->other_card && pager_same_home(set->start, bytes, &cold) == bytes &&
		!cold);
}

static CUresult memset_part(const struct memset_work *set, const struct detour *detour,
			    CUdeviceptr start, size_t bytes)
{
	if (set->other_card)
		return detour_memset(detour, start, set->unit, set->value, bytes);
	if (set->unit == 1)
		return real(cuMemsetD8Async)(start, (unsigned char)set->value, bytes,
					     set->work.stream);
	if (set->unit == 2)
		return real(cuMemsetD16Async)(start, (unsigned short)set->value, bytes / 2,
					      set->work.stream);
	return real(cuMemsetD32Async)(start, set->value, bytes / 4, set->work.stream);
}

static CUresult memset_in_parts(struct memset_work *set)
{
	CUresult result = CUDA_SUCCESS;
	struct detour detour = {0};

	if (set->other_card) {
		result = detour_begin(&detour, set->work.stream, set->start, set->start);
		if (result != CUDA_SUCCESS)
			return result;
	}
	set->in_parts = true;
	for (size_t row = 0; row < set->height; row++) {
		CUdeviceptr at = set->start + row * set->pitch;
		size_t left = set->width * set->unit;

		while (left && result == CUDA_SUCCESS) {
			bool cold;
			size_t part = pager_same_home(at, left, &cold);
			/* A graph keeps the program's own address. */
			bool own = work_needs_residence() && captures_include(set->work.stream);

			result = memset_part(set, &detour, own ? at : pager_reach(at), part);
			at += part;
			left -= part;
		}
	}
	if (set->other_card)
		detour_end(&detour, &set->work.use);
	return result;
}

static CUresult memset_end(struct memset_work *set, CUresult result)
{
	work_finish(&set->work, result != CUDA_SUCCESS && !set->in_parts);
	return result;
}

static CUresult memset_end_in_parts(struct memset_work *set)
{
	return memset_end(set, memset_in_parts(set));
}

LT_EXPORT CUresult CUDAAPI cuMemsetD8_v2(CUdeviceptr dstDevice, unsigned char uc, size_t N)
{
	struct memset_work set = memset_row(dstDevice, 1, uc, N, CU_STREAM_LEGACY);

	if (!driver_has(cuMemsetD8_v2))
		return CUDA_ERROR_NOT_FOUND;
	if (!memset_begin(&set))
		return memset_end_in_parts(&set);
	return memset_end(&set, real(cuMemsetD8_v2)(set.start, uc, N));
}

LT_EXPORT CUresult CUDAAPI cuMemsetD8_v2_ptds(CUdeviceptr dstDevice, unsigned char uc, size_t N)
{
	struct memset_work set = memset_row(dstDevice, 1, uc, N, CU_STREAM_PER_THREAD);

	if (!driver_has(cuMemsetD8_v2_ptds))
		return CUDA_ERROR_NOT_FOUND;
	if (!memset_begin(&set))
		return memset_end_in_parts(&set);
	return memset_end(&set, real(cuMemsetD8_v2_ptds)(set.start, uc, N));
}

LT_EXPORT CUresult CUDAAPI cuMemsetD8Async(CUdeviceptr dstDevice, unsigned char uc, size_t N,
					   CUstream hStream)
{
	struct memset_work set = memset_row(dstDevice, 1, uc, N, work_legacy(hStream));

	if (!driver_has(cuMemsetD8Async))
		return CUDA_ERROR_NOT_FOUND;
	if (!memset_begin(&set))
		return memset_end_in_parts(&set);
	return memset_end(&set, real(cuMemsetD8Async)(set.start, uc, N, hStream));
}

LT_EXPORT CUresult CUDAAPI cuMemsetD8Async_ptsz(CUdeviceptr dstDevice, unsigned char uc,
						size_t N, CUstream hStream)
{
	struct memset_work set = memset_row(dstDevice, 1, uc, N, work_per_thread(hStream));

	if (!driver_has(cuMemsetD8Async_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	if (!memset_begin(&set))
		return memset_end_in_parts(&set);
	return memset_end(&set, real(cuMemsetD8Async_ptsz)(set.start, uc, N, hStream));
}

LT_EXPORT CUresult CUDAAPI cuMemsetD2D8_v2(CUdeviceptr dstDevice, size_t dstPitch,
					   unsigned char uc, size_t Width, size_t Height)
{
	struct memset_work set =
	    memset_rows(dstDevice, dstPitch, 1, uc, Width, Height, CU_STREAM_LEGACY);

	if (!driver_has(cuMemsetD2D8_v2))
		return CUDA_ERROR_NOT_FOUND;
	if (!memset_begin(&set))
		return memset_end_in_parts(&set);
	return memset_end(&set, real(cuMemsetD2D8_v2)(set.start, dstPitch, uc, Width, Height));
}

LT_EXPORT CUresult CUDAAPI cuMemsetD2D8_v2_ptds(CUdeviceptr dstDevice, size_t dstPitch,
						unsigned char uc, size_t Width, size_t Height)
{
	struct memset_work set =
	    memset_rows(dstDevice, dstPitch, 1, uc, Width, Height, CU_STREAM_PER_THREAD);

	if (!driver_has(cuMemsetD2D8_v2_ptds))
		return CUDA_ERROR_NOT_FOUND;
	if (!memset_begin(&set))
		return memset_end_in_parts(&set);
	return memset_end(&set,
			  real(cuMemsetD2D8_v2_ptds)(set.start, dstPitch, uc, Width, Height));
}

LT_EXPORT CUresult CUDAAPI cuMemsetD2D8Async(CUdeviceptr dstDevice, size_t dstPitch,
					     unsigned char uc, size_t Width, size_t Height,
					     CUstream hStream)
{
	struct memset_work set =
	    memset_rows(dstDevice, dstPitch, 1, uc, Width, Height, work_legacy(hStream));

	if (!driver_has(cuMemsetD2D8Async))
		return CUDA_ERROR_NOT_FOUND;
	if (!memset_begin(&set))
		return memset_end_in_parts(&set);
	return memset_end(
	    &set, real(cuMemsetD2D8Async)(set.start, dstPitch, uc, Width, Height, hStream));
}

LT_EXPORT CUresult CUDAAPI cuMemsetD2D8Async_ptsz(CUdeviceptr dstDevice, size_t dstPitch,
						  unsigned char uc, size_t Width, size_t Height,
						  CUstream hStream)
{
	struct memset_work set =
	    memset_rows(dstDevice, dstPitch, 1, uc, Width, Height, work_per_thread(hStream));

	if (!driver_has(cuMemsetD2D8Async_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	if (!memset_begin(&set))
		return memset_end_in_parts(&set);
	return memset_end(&set, real(cuMemsetD2D8Async_ptsz)(set.start, dstPitch, uc, Width,
							     Height, hStream));
}

LT_EXPORT CUresult CUDAAPI cuMemsetD16_v2(CUdeviceptr dstDevice, unsigned short us, size_t N)
{
	struct memset_work set = memset_row(dstDevice, 2, us, N, CU_STREAM_LEGACY);

	if (!driver_has(cuMemsetD16_v2))
		return CUDA_ERROR_NOT_FOUND;
	if (!memset_begin(&set))
		return memset_end_in_parts(&set);
	return memset_end(&set, real(cuMemsetD16_v2)(set.start, us, N));
}

LT_EXPORT CUresult CUDAAPI cuMemsetD16_v2_ptds(CUdeviceptr dstDevice, unsigned short us,
					       size_t N)
{
	struct memset_work set = memset_row(dstDevice, 2, us, N, CU_STREAM_PER_THREAD);

	if (!driver_has(cuMemsetD16_v2_ptds))
		return CUDA_ERROR_NOT_FOUND;
	if (!memset_begin(&set))
		return memset_end_in_parts(&set);
	return memset_end(&set, real(cuMemsetD16_v2_ptds)(set.start, us, N));
}

LT_EXPORT CUresult CUDAAPI cuMemsetD16Async(CUdeviceptr dstDevice, unsigned short us, size_t N,
					    CUstream hStream)
{
	struct memset_work set = memset_row(dstDevice, 2, us, N, work_legacy(hStream));

	if (!driver_has(cuMemsetD16Async))
		return CUDA_ERROR_NOT_FOUND;
	if (!memset_begin(&set))
		return memset_end_in_parts(&set);
	return memset_end(&set, real(cuMemsetD16Async)(set.start, us, N, hStream));
}

LT_EXPORT CUresult CUDAAPI cuMemsetD16Async_ptsz(CUdeviceptr dstDevice, unsigned short us,
						 size_t N, CUstream hStream)
{
	struct memset_work set = memset_row(dstDevice, 2, us, N, work_per_thread(hStream));

	if (!driver_has(cuMemsetD16Async_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	if (!memset_begin(&set))
		return memset_end_in_parts(&set);
	return memset_end(&set, real(cuMemsetD16Async_ptsz)(set.start, us, N, hStream));
}

LT_EXPORT CUresult CUDAAPI cuMemsetD2D16_v2(CUdeviceptr dstDevice, size_t dstPitch,
					    unsigned short us, size_t Width, size_t Height)
{
	struct memset_work set =
	    memset_rows(dstDevice, dstPitch, 2, us, Width, Height, CU_STREAM_LEGACY);

	if (!driver_has(cuMemsetD2D16_v2))
		return CUDA_ERROR_NOT_FOUND;
	if (!memset_begin(&set))
		return memset_end_in_parts(&set);
	return memset_end(&set, real(cuMemsetD2D16_v2)(set.start, dstPitch, us, Width, Height));
}

LT_EXPORT CUresult CUDAAPI cuMemsetD2D16_v2_ptds(CUdeviceptr dstDevice, size_t dstPitch,
						 unsigned short us, size_t Width, size_t Height)
{
	struct memset_work set =
	    memset_rows(dstDevice, dstPitch, 2, us, Width, Height, CU_STREAM_PER_THREAD);

	if (!driver_has(cuMemsetD2D16_v2_ptds))
		return CUDA_ERROR_NOT_FOUND;
	if (!memset_begin(&set))
		return memset_end_in_parts(&set);
	return memset_end(&set,
			  real(cuMemsetD2D16_v2_ptds)(set.start, dstPitch, us, Width, Height));
}

LT_EXPORT CUresult CUDAAPI cuMemsetD2D16Async(CUdeviceptr dstDevice, size_t dstPitch,
					      unsigned short us, size_t Width, size_t Height,
					      CUstream hStream)
{
	struct memset_work set =
	    memset_rows(dstDevice, dstPitch, 2, us, Width, Height, work_legacy(hStream));

	if (!driver_has(cuMemsetD2D16Async))
		return CUDA_ERROR_NOT_FOUND;
	if (!memset_begin(&set))
		return memset_end_in_parts(&set);
	return memset_end(
	    &set, real(cuMemsetD2D16Async)(set.start, dstPitch, us, Width, Height, hStream));
}

LT_EXPORT CUresult CUDAAPI cuMemsetD2D16Async_ptsz(CUdeviceptr dstDevice, size_t dstPitch,
						   unsigned short us, size_t Width,
						   size_t Height, CUstream hStream)
{
	struct memset_work set =
	    memset_rows(dstDevice, dstPitch, 2, us, Width, Height, work_per_thread(hStream));

	if (!driver_has(cuMemsetD2D16Async_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	if (!memset_begin(&set))
		return memset_end_in_parts(&set);
	return memset_end(&set, real(cuMemsetD2D16Async_ptsz)(set.start, dstPitch, us, Width,
							      Height, hStream));
}

LT_EXPORT CUresult CUDAAPI cuMemsetD32_v2(CUdeviceptr dstDevice, unsigned int ui, size_t N)
{
	struct memset_work set = memset_row(dstDevice, 4, ui, N, CU_STREAM_LEGACY);

	if (!driver_has(cuMemsetD32_v2))
		return CUDA_ERROR_NOT_FOUND;
	if (!memset_begin(&set))
		return memset_end_in_parts(&set);
	return memset_end(&set, real(cuMemsetD32_v2)(set.start, ui, N));
}

LT_EXPORT CUresult CUDAAPI cuMemsetD32_v2_ptds(CUdeviceptr dstDevice, unsigned int ui, size_t N)
{
	struct memset_work set = memset_row(dstDevice, 4, ui, N, CU_STREAM_PER_THREAD);

	if (!driver_has(cuMemsetD32_v2_ptds))
		return CUDA_ERROR_NOT_FOUND;
	if (!memset_begin(&set))
		return memset_end_in_parts(&set);
	return memset_end(&set, real(cuMemsetD32_v2_ptds)(set.start, ui, N));
}

LT_EXPORT CUresult CUDAAPI cuMemsetD32Async(CUdeviceptr dstDevice, unsigned int ui, size_t N,
					    CUstream hStream)
{
	struct memset_work set = memset_row(dstDevice, 4, ui, N, work_legacy(hStream));

	if (!driver_has(cuMemsetD32Async))
		return CUDA_ERROR_NOT_FOUND;
	if (!memset_begin(&set))
		return memset_end_in_parts(&set);
	return memset_end(&set, real(cuMemsetD32Async)(set.start, ui, N, hStream));
}

LT_EXPORT CUresult CUDAAPI cuMemsetD32Async_ptsz(CUdeviceptr dstDevice, unsigned int ui,
						 size_t N, CUstream hStream)
{
	struct memset_work set = memset_row(dstDevice, 4, ui, N, work_per_thread(hStream));

	if (!driver_has(cuMemsetD32Async_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	if (!memset_begin(&set))
		return memset_end_in_parts(&set);
	return memset_end(&set, real(cuMemsetD32Async_ptsz)(set.start, ui, N, hStream));
}

LT_EXPORT CUresult CUDAAPI cuMemsetD2D32_v2(CUdeviceptr dstDevice, size_t dstPitch,
					    unsigned int ui, size_t Width, size_t Height)
{
	struct memset_work set =
	    memset_rows(dstDevice, dstPitch, 4, ui, Width, Height, CU_STREAM_LEGACY);

	if (!driver_has(cuMemsetD2D32_v2))
		return CUDA_ERROR_NOT_FOUND;
	if (!memset_begin(&set))
		return memset_end_in_parts(&set);
	return memset_end(&set, real(cuMemsetD2D32_v2)(set.start, dstPitch, ui, Width, Height));
}

LT_EXPORT CUresult CUDAAPI cuMemsetD2D32_v2_ptds(CUdeviceptr dstDevice, size_t dstPitch,
						 unsigned int ui, size_t Width, size_t Height)
{
	struct memset_work set =
	    memset_rows(dstDevice, dstPitch, 4, ui, Width, Height, CU_STREAM_PER_THREAD);

	if (!driver_has(cuMemsetD2D32_v2_ptds))
		return CUDA_ERROR_NOT_FOUND;
	if (!memset_begin(&set))
		return memset_end_in_parts(&set);
	return memset_end(&set,
			  real(cuMemsetD2D32_v2_ptds)(set.start, dstPitch, ui, Width, Height));
}

LT_EXPORT CUresult CUDAAPI cuMemsetD2D32Async(CUdeviceptr dstDevice, size_t dstPitch,
					      unsigned int ui, size_t Width, size_t Height,
					      CUstream hStream)
{
	struct memset_work set =
	    memset_rows(dstDevice, dstPitch, 4, ui, Width, Height, work_legacy(hStream));

	if (!driver_has(cuMemsetD2D32Async))
		return CUDA_ERROR_NOT_FOUND;
	if (!memset_begin(&set))
		return memset_end_in_parts(&set);
	return memset_end(
	    &set, real(cuMemsetD2D32Async)(set.start, dstPitch, ui, Width, Height, hStream));
}

LT_EXPORT CUresult CUDAAPI cuMemsetD2D32Async_ptsz(CUdeviceptr dstDevice, size_t dstPitch,
						   unsigned int ui, size_t Width, size_t Height,
						   CUstream hStream)
{
	struct memset_work set =
	    memset_rows(dstDevice, dstPitch, 4, ui, Width, Height, work_per_thread(hStream));

	if (!driver_has(cuMemsetD2D32Async_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	if (!memset_begin(&set))
		return memset_end_in_parts(&set);
	return memset_end(&set, real(cuMemsetD2D32Async_ptsz)(set.start, dstPitch, ui, Width,
							      Height, hStream));
}
