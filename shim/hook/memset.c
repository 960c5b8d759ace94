/*
 * Fills. Where all of the range is resident the driver fills it; what is cold or mixed is
 * filled in parts, cut where a home changes, row by row if it has rows. A fill of device memory
 * returns at once, and so do the parts.
 */
#include "driver/driver.h"
#include "driver/export.h"
#include "hook/detour.h"
#include "hook/work.h"

struct fill {
	CUdeviceptr start;
	size_t pitch;
	unsigned int unit; /* bytes of the value */
	unsigned int value;
	size_t width, height; /* units, rows */
	CUstream stream;
	bool begun, in_parts;
	bool other_card; /* it goes by a detour */
	struct pager_use use;
};

/* As many as there can be where it is more. */
static uint64_t fill_bytes(const struct fill *fill)
{
	uint64_t row, rows, all;

	if (__builtin_mul_overflow(fill->width, fill->unit, &row) ||
	    __builtin_mul_overflow(fill->height - 1, fill->pitch, &rows) ||
	    __builtin_add_overflow(row, rows, &all))
		return UINT64_MAX;
	return all;
}

static bool fill_begin(struct fill *fill)
{
	uint64_t bytes = fill_bytes(fill);
	bool ours =
	    fill->width && fill->height && pager_may_hold(fill->start) && pager_of(fill->start);
	CUdeviceptr shown = ours ? pager_shown_range(fill->start, bytes) : fill->start;
	bool cold;

	fill->use.count = 0;
	if (ours)
		pager_use_ranges(&(struct pager_range){fill->start, bytes}, 1, &fill->use);

	fill->begun = ours && work_begin();
	/* What the driver refuses, it must be asked to refuse. */
	if (shown != fill->start) {
		fill->start = shown;
		return true;
	}
	fill->other_card =
	    fill->begun && detour_needed(fill->start) && !streams_is_captured(fill->stream);
	return !fill->begun || fill->start % fill->unit ||
	       (fill->height > 1 &&
		(fill->pitch < fill->width * fill->unit || fill->pitch % fill->unit)) ||
	       (!fill->other_card && pager_same_home(fill->start, bytes, &cold) == bytes &&
		!cold);
}

static CUresult fill_part(const struct fill *fill, const struct detour *detour,
			  CUdeviceptr start, size_t bytes)
{
	if (fill->other_card)
		return detour_fill(detour, start, fill->unit, fill->value, bytes);
	if (fill->unit == 1)
		return real(cuMemsetD8Async)(start, (unsigned char)fill->value, bytes,
					     fill->stream);
	if (fill->unit == 2)
		return real(cuMemsetD16Async)(start, (unsigned short)fill->value, bytes / 2,
					      fill->stream);
	return real(cuMemsetD32Async)(start, fill->value, bytes / 4, fill->stream);
}

static CUresult fill_in_parts(struct fill *fill)
{
	CUresult result = CUDA_SUCCESS;
	struct detour detour = {0};

	if (fill->other_card) {
		result = detour_begin(&detour, fill->stream, fill->start, fill->start);
		if (result != CUDA_SUCCESS)
			return result;
	}
	fill->in_parts = true;
	for (size_t row = 0; row < fill->height; row++) {
		CUdeviceptr at = fill->start + row * fill->pitch;
		size_t left = fill->width * fill->unit;

		while (left && result == CUDA_SUCCESS) {
			bool cold;
			size_t part = pager_same_home(at, left, &cold);
			/* A graph keeps the program's own address. */
			bool own = work_needs_residence() && streams_is_captured(fill->stream);

			result = fill_part(fill, &detour, own ? at : pager_reach(at), part);
			at += part;
			left -= part;
		}
	}
	if (fill->other_card)
		detour_end(&detour, &fill->use);
	return result;
}

static CUresult fill_end(struct fill *fill, CUresult result)
{
	if (fill->begun)
		pager_used(&fill->use, fill->stream, result != CUDA_SUCCESS && !fill->in_parts);
	return work_end(fill->begun, fill->stream, result);
}

LT_EXPORT CUresult CUDAAPI cuMemsetD8_v2(CUdeviceptr dstDevice, unsigned char uc, size_t N)
{
	struct fill fill = {dstDevice,	      0,     1,	    uc,	   N,  1,
			    CU_STREAM_LEGACY, false, false, false, {0}};
	CUresult result;

	if (!driver_has(cuMemsetD8_v2))
		return CUDA_ERROR_NOT_FOUND;
	if (fill_begin(&fill))
		result = real(cuMemsetD8_v2)(fill.start, uc, N);
	else
		result = fill_in_parts(&fill);
	return fill_end(&fill, result);
}

LT_EXPORT CUresult CUDAAPI cuMemsetD8_v2_ptds(CUdeviceptr dstDevice, unsigned char uc, size_t N)
{
	struct fill fill = {dstDevice, 0,     1,     uc, N, 1, CU_STREAM_PER_THREAD,
			    false,     false, false, {0}};
	CUresult result;

	if (!driver_has(cuMemsetD8_v2_ptds))
		return CUDA_ERROR_NOT_FOUND;
	if (fill_begin(&fill))
		result = real(cuMemsetD8_v2_ptds)(fill.start, uc, N);
	else
		result = fill_in_parts(&fill);
	return fill_end(&fill, result);
}

LT_EXPORT CUresult CUDAAPI cuMemsetD8Async(CUdeviceptr dstDevice, unsigned char uc, size_t N,
					   CUstream hStream)
{
	struct fill fill = {dstDevice, 0,     1,     uc, N, 1, work_legacy(hStream),
			    false,     false, false, {0}};
	CUresult result;

	if (!driver_has(cuMemsetD8Async))
		return CUDA_ERROR_NOT_FOUND;
	if (fill_begin(&fill))
		result = real(cuMemsetD8Async)(fill.start, uc, N, hStream);
	else
		result = fill_in_parts(&fill);
	return fill_end(&fill, result);
}

LT_EXPORT CUresult CUDAAPI cuMemsetD8Async_ptsz(CUdeviceptr dstDevice, unsigned char uc,
						size_t N, CUstream hStream)
{
	struct fill fill = {dstDevice, 0,     1,     uc, N, 1, work_per_thread(hStream),
			    false,     false, false, {0}};
	CUresult result;

	if (!driver_has(cuMemsetD8Async_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	if (fill_begin(&fill))
		result = real(cuMemsetD8Async_ptsz)(fill.start, uc, N, hStream);
	else
		result = fill_in_parts(&fill);
	return fill_end(&fill, result);
}

LT_EXPORT CUresult CUDAAPI cuMemsetD2D8_v2(CUdeviceptr dstDevice, size_t dstPitch,
					   unsigned char uc, size_t Width, size_t Height)
{
	struct fill fill = {dstDevice,	      dstPitch, 1,     uc,    Width, Height,
			    CU_STREAM_LEGACY, false,	false, false, {0}};
	CUresult result;

	if (!driver_has(cuMemsetD2D8_v2))
		return CUDA_ERROR_NOT_FOUND;
	if (fill_begin(&fill))
		result = real(cuMemsetD2D8_v2)(fill.start, dstPitch, uc, Width, Height);
	else
		result = fill_in_parts(&fill);
	return fill_end(&fill, result);
}

LT_EXPORT CUresult CUDAAPI cuMemsetD2D8_v2_ptds(CUdeviceptr dstDevice, size_t dstPitch,
						unsigned char uc, size_t Width, size_t Height)
{
	struct fill fill = {dstDevice, dstPitch, 1,	uc, Width, Height, CU_STREAM_PER_THREAD,
			    false,     false,	 false, {0}};
	CUresult result;

	if (!driver_has(cuMemsetD2D8_v2_ptds))
		return CUDA_ERROR_NOT_FOUND;
	if (fill_begin(&fill))
		result = real(cuMemsetD2D8_v2_ptds)(fill.start, dstPitch, uc, Width, Height);
	else
		result = fill_in_parts(&fill);
	return fill_end(&fill, result);
}

LT_EXPORT CUresult CUDAAPI cuMemsetD2D8Async(CUdeviceptr dstDevice, size_t dstPitch,
					     unsigned char uc, size_t Width, size_t Height,
					     CUstream hStream)
{
	struct fill fill = {dstDevice, dstPitch, 1,	uc, Width, Height, work_legacy(hStream),
			    false,     false,	 false, {0}};
	CUresult result;

	if (!driver_has(cuMemsetD2D8Async))
		return CUDA_ERROR_NOT_FOUND;
	if (fill_begin(&fill))
		result =
		    real(cuMemsetD2D8Async)(fill.start, dstPitch, uc, Width, Height, hStream);
	else
		result = fill_in_parts(&fill);
	return fill_end(&fill, result);
}

LT_EXPORT CUresult CUDAAPI cuMemsetD2D8Async_ptsz(CUdeviceptr dstDevice, size_t dstPitch,
						  unsigned char uc, size_t Width, size_t Height,
						  CUstream hStream)
{
	struct fill fill = {
	    dstDevice, dstPitch, 1,	uc, Width, Height, work_per_thread(hStream),
	    false,     false,	 false, {0}};
	CUresult result;

	if (!driver_has(cuMemsetD2D8Async_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	if (fill_begin(&fill))
		result = real(cuMemsetD2D8Async_ptsz)(fill.start, dstPitch, uc, Width, Height,
						      hStream);
	else
		result = fill_in_parts(&fill);
	return fill_end(&fill, result);
}

LT_EXPORT CUresult CUDAAPI cuMemsetD16_v2(CUdeviceptr dstDevice, unsigned short us, size_t N)
{
	struct fill fill = {dstDevice,	      0,     2,	    us,	   N,  1,
			    CU_STREAM_LEGACY, false, false, false, {0}};
	CUresult result;

	if (!driver_has(cuMemsetD16_v2))
		return CUDA_ERROR_NOT_FOUND;
	if (fill_begin(&fill))
		result = real(cuMemsetD16_v2)(fill.start, us, N);
	else
		result = fill_in_parts(&fill);
	return fill_end(&fill, result);
}

LT_EXPORT CUresult CUDAAPI cuMemsetD16_v2_ptds(CUdeviceptr dstDevice, unsigned short us,
					       size_t N)
{
	struct fill fill = {dstDevice, 0,     2,     us, N, 1, CU_STREAM_PER_THREAD,
			    false,     false, false, {0}};
	CUresult result;

	if (!driver_has(cuMemsetD16_v2_ptds))
		return CUDA_ERROR_NOT_FOUND;
	if (fill_begin(&fill))
		result = real(cuMemsetD16_v2_ptds)(fill.start, us, N);
	else
		result = fill_in_parts(&fill);
	return fill_end(&fill, result);
}

LT_EXPORT CUresult CUDAAPI cuMemsetD16Async(CUdeviceptr dstDevice, unsigned short us, size_t N,
					    CUstream hStream)
{
	struct fill fill = {dstDevice, 0,     2,     us, N, 1, work_legacy(hStream),
			    false,     false, false, {0}};
	CUresult result;

	if (!driver_has(cuMemsetD16Async))
		return CUDA_ERROR_NOT_FOUND;
	if (fill_begin(&fill))
		result = real(cuMemsetD16Async)(fill.start, us, N, hStream);
	else
		result = fill_in_parts(&fill);
	return fill_end(&fill, result);
}

LT_EXPORT CUresult CUDAAPI cuMemsetD16Async_ptsz(CUdeviceptr dstDevice, unsigned short us,
						 size_t N, CUstream hStream)
{
	struct fill fill = {dstDevice, 0,     2,     us, N, 1, work_per_thread(hStream),
			    false,     false, false, {0}};
	CUresult result;

	if (!driver_has(cuMemsetD16Async_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	if (fill_begin(&fill))
		result = real(cuMemsetD16Async_ptsz)(fill.start, us, N, hStream);
	else
		result = fill_in_parts(&fill);
	return fill_end(&fill, result);
}

LT_EXPORT CUresult CUDAAPI cuMemsetD2D16_v2(CUdeviceptr dstDevice, size_t dstPitch,
					    unsigned short us, size_t Width, size_t Height)
{
	struct fill fill = {dstDevice,	      dstPitch, 2,     us,    Width, Height,
			    CU_STREAM_LEGACY, false,	false, false, {0}};
	CUresult result;

	if (!driver_has(cuMemsetD2D16_v2))
		return CUDA_ERROR_NOT_FOUND;
	if (fill_begin(&fill))
		result = real(cuMemsetD2D16_v2)(fill.start, dstPitch, us, Width, Height);
	else
		result = fill_in_parts(&fill);
	return fill_end(&fill, result);
}

LT_EXPORT CUresult CUDAAPI cuMemsetD2D16_v2_ptds(CUdeviceptr dstDevice, size_t dstPitch,
						 unsigned short us, size_t Width, size_t Height)
{
	struct fill fill = {dstDevice, dstPitch, 2,	us, Width, Height, CU_STREAM_PER_THREAD,
			    false,     false,	 false, {0}};
	CUresult result;

	if (!driver_has(cuMemsetD2D16_v2_ptds))
		return CUDA_ERROR_NOT_FOUND;
	if (fill_begin(&fill))
		result = real(cuMemsetD2D16_v2_ptds)(fill.start, dstPitch, us, Width, Height);
	else
		result = fill_in_parts(&fill);
	return fill_end(&fill, result);
}

LT_EXPORT CUresult CUDAAPI cuMemsetD2D16Async(CUdeviceptr dstDevice, size_t dstPitch,
					      unsigned short us, size_t Width, size_t Height,
					      CUstream hStream)
{
	struct fill fill = {dstDevice, dstPitch, 2,	us, Width, Height, work_legacy(hStream),
			    false,     false,	 false, {0}};
	CUresult result;

	if (!driver_has(cuMemsetD2D16Async))
		return CUDA_ERROR_NOT_FOUND;
	if (fill_begin(&fill))
		result =
		    real(cuMemsetD2D16Async)(fill.start, dstPitch, us, Width, Height, hStream);
	else
		result = fill_in_parts(&fill);
	return fill_end(&fill, result);
}

LT_EXPORT CUresult CUDAAPI cuMemsetD2D16Async_ptsz(CUdeviceptr dstDevice, size_t dstPitch,
						   unsigned short us, size_t Width,
						   size_t Height, CUstream hStream)
{
	struct fill fill = {
	    dstDevice, dstPitch, 2,	us, Width, Height, work_per_thread(hStream),
	    false,     false,	 false, {0}};
	CUresult result;

	if (!driver_has(cuMemsetD2D16Async_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	if (fill_begin(&fill))
		result = real(cuMemsetD2D16Async_ptsz)(fill.start, dstPitch, us, Width, Height,
						       hStream);
	else
		result = fill_in_parts(&fill);
	return fill_end(&fill, result);
}

LT_EXPORT CUresult CUDAAPI cuMemsetD32_v2(CUdeviceptr dstDevice, unsigned int ui, size_t N)
{
	struct fill fill = {dstDevice,	      0,     4,	    ui,	   N,  1,
			    CU_STREAM_LEGACY, false, false, false, {0}};
	CUresult result;

	if (!driver_has(cuMemsetD32_v2))
		return CUDA_ERROR_NOT_FOUND;
	if (fill_begin(&fill))
		result = real(cuMemsetD32_v2)(fill.start, ui, N);
	else
		result = fill_in_parts(&fill);
	return fill_end(&fill, result);
}

LT_EXPORT CUresult CUDAAPI cuMemsetD32_v2_ptds(CUdeviceptr dstDevice, unsigned int ui, size_t N)
{
	struct fill fill = {dstDevice, 0,     4,     ui, N, 1, CU_STREAM_PER_THREAD,
			    false,     false, false, {0}};
	CUresult result;

	if (!driver_has(cuMemsetD32_v2_ptds))
		return CUDA_ERROR_NOT_FOUND;
	if (fill_begin(&fill))
		result = real(cuMemsetD32_v2_ptds)(fill.start, ui, N);
	else
		result = fill_in_parts(&fill);
	return fill_end(&fill, result);
}

LT_EXPORT CUresult CUDAAPI cuMemsetD32Async(CUdeviceptr dstDevice, unsigned int ui, size_t N,
					    CUstream hStream)
{
	struct fill fill = {dstDevice, 0,     4,     ui, N, 1, work_legacy(hStream),
			    false,     false, false, {0}};
	CUresult result;

	if (!driver_has(cuMemsetD32Async))
		return CUDA_ERROR_NOT_FOUND;
	if (fill_begin(&fill))
		result = real(cuMemsetD32Async)(fill.start, ui, N, hStream);
	else
		result = fill_in_parts(&fill);
	return fill_end(&fill, result);
}

LT_EXPORT CUresult CUDAAPI cuMemsetD32Async_ptsz(CUdeviceptr dstDevice, unsigned int ui,
						 size_t N, CUstream hStream)
{
	struct fill fill = {dstDevice, 0,     4,     ui, N, 1, work_per_thread(hStream),
			    false,     false, false, {0}};
	CUresult result;

	if (!driver_has(cuMemsetD32Async_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	if (fill_begin(&fill))
		result = real(cuMemsetD32Async_ptsz)(fill.start, ui, N, hStream);
	else
		result = fill_in_parts(&fill);
	return fill_end(&fill, result);
}

LT_EXPORT CUresult CUDAAPI cuMemsetD2D32_v2(CUdeviceptr dstDevice, size_t dstPitch,
					    unsigned int ui, size_t Width, size_t Height)
{
	struct fill fill = {dstDevice,	      dstPitch, 4,     ui,    Width, Height,
			    CU_STREAM_LEGACY, false,	false, false, {0}};
	CUresult result;

	if (!driver_has(cuMemsetD2D32_v2))
		return CUDA_ERROR_NOT_FOUND;
	if (fill_begin(&fill))
		result = real(cuMemsetD2D32_v2)(fill.start, dstPitch, ui, Width, Height);
	else
		result = fill_in_parts(&fill);
	return fill_end(&fill, result);
}

LT_EXPORT CUresult CUDAAPI cuMemsetD2D32_v2_ptds(CUdeviceptr dstDevice, size_t dstPitch,
						 unsigned int ui, size_t Width, size_t Height)
{
	struct fill fill = {dstDevice, dstPitch, 4,	ui, Width, Height, CU_STREAM_PER_THREAD,
			    false,     false,	 false, {0}};
	CUresult result;

	if (!driver_has(cuMemsetD2D32_v2_ptds))
		return CUDA_ERROR_NOT_FOUND;
	if (fill_begin(&fill))
		result = real(cuMemsetD2D32_v2_ptds)(fill.start, dstPitch, ui, Width, Height);
	else
		result = fill_in_parts(&fill);
	return fill_end(&fill, result);
}

LT_EXPORT CUresult CUDAAPI cuMemsetD2D32Async(CUdeviceptr dstDevice, size_t dstPitch,
					      unsigned int ui, size_t Width, size_t Height,
					      CUstream hStream)
{
	struct fill fill = {dstDevice, dstPitch, 4,	ui, Width, Height, work_legacy(hStream),
			    false,     false,	 false, {0}};
	CUresult result;

	if (!driver_has(cuMemsetD2D32Async))
		return CUDA_ERROR_NOT_FOUND;
	if (fill_begin(&fill))
		result =
		    real(cuMemsetD2D32Async)(fill.start, dstPitch, ui, Width, Height, hStream);
	else
		result = fill_in_parts(&fill);
	return fill_end(&fill, result);
}

LT_EXPORT CUresult CUDAAPI cuMemsetD2D32Async_ptsz(CUdeviceptr dstDevice, size_t dstPitch,
						   unsigned int ui, size_t Width, size_t Height,
						   CUstream hStream)
{
	struct fill fill = {
	    dstDevice, dstPitch, 4,	ui, Width, Height, work_per_thread(hStream),
	    false,     false,	 false, {0}};
	CUresult result;

	if (!driver_has(cuMemsetD2D32Async_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	if (fill_begin(&fill))
		result = real(cuMemsetD2D32Async_ptsz)(fill.start, dstPitch, ui, Width, Height,
						       hStream);
	else
		result = fill_in_parts(&fill);
	return fill_end(&fill, result);
}
