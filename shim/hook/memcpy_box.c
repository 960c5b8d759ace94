/*
 * Copies of two and three dimensions. What is not all resident is copied row by row; a side
 * that is an array has no address to cut by, and such a copy is left to the driver, with the
 * other side in one home.
 */
#include "hook/memcpy.h"
#include "order/captures.h"

#include "driver/driver.h"
#include "driver/export.h"

struct side {
	CUdeviceptr start; /* 0: an array */
	size_t pitch, slice_pitch;
	bool odd;	   /* its rows overlap: the driver's to refuse */
	CUdeviceptr shift; /* of the start that the driver is given, see pager_shown_range */
};

struct memcpy_box {
	struct side dst, src;
	size_t width, height, depth; /* bytes, rows, planes */
	bool waits; /* as a synchronous copy does where one side is host memory */
	bool in_rows, other_card;
	struct work work;
};

static struct side side_of(CUmemorytype type, CUdeviceptr device, const void *host,
			   size_t pitch, size_t plane_rows, size_t x, size_t y, size_t z,
			   const struct memcpy_box *box)
{
	CUdeviceptr start = type == CU_MEMORYTYPE_HOST ? (CUdeviceptr)(uintptr_t)host : device;
	size_t row = pitch ? pitch : x + box->width,
	       rows = plane_rows ? plane_rows : y + box->height;

	if (type == CU_MEMORYTYPE_ARRAY)
		return (struct side){0};
	return (struct side){
	    .start = start + x + y * row + z * row * rows,
	    .pitch = row,
	    .slice_pitch = row * rows,
	    .odd = (box->height > 1 || box->depth > 1) &&
		   ((row < box->width || row - box->width < x) ||
		    (box->depth > 1 && (rows < box->height || rows - box->height < y)))};
}

static struct memcpy_box box_of_2d(const CUDA_MEMCPY2D *c, CUstream stream, bool waits)
{
	struct memcpy_box box = {.width = c->WidthInBytes,
				 .height = c->Height,
				 .depth = 1,
				 .work.stream = stream,
				 .waits = waits};

	box.src = side_of(c->srcMemoryType, c->srcDevice, c->srcHost, c->srcPitch, 0,
			  c->srcXInBytes, c->srcY, 0, &box);
	box.dst = side_of(c->dstMemoryType, c->dstDevice, c->dstHost, c->dstPitch, 0,
			  c->dstXInBytes, c->dstY, 0, &box);
	return box;
}

static struct memcpy_box box_of_3d(const CUDA_MEMCPY3D *c, CUstream stream, bool waits)
{
	struct memcpy_box box = {.width = c->WidthInBytes,
				 .height = c->Height,
				 .depth = c->Depth,
				 .work.stream = stream,
				 .waits = waits};

	box.src = side_of(c->srcMemoryType, c->srcDevice, c->srcHost, c->srcPitch, c->srcHeight,
			  c->srcXInBytes, c->srcY, c->srcZ, &box);
	box.dst = side_of(c->dstMemoryType, c->dstDevice, c->dstHost, c->dstPitch, c->dstHeight,
			  c->dstXInBytes, c->dstY, c->dstZ, &box);
	return box;
}

static bool is_ours(const struct side *side)
{
	return side->start && pager_may_hold(side->start) && pager_of(side->start);
}

/* From the first byte of a side to its last; UINT64_MAX where that is more than fits. */
static uint64_t side_bytes(const struct side *side, const struct memcpy_box *box)
{
	uint64_t planes, rows, all;

	if (__builtin_mul_overflow(box->depth - 1, side->slice_pitch, &planes) ||
	    __builtin_mul_overflow(box->height - 1, side->pitch, &rows) ||
	    __builtin_add_overflow(planes, rows, &all) ||
	    __builtin_add_overflow(all, box->width, &all))
		return UINT64_MAX;
	return all;
}

static bool goes_too_far(struct side *side, const struct memcpy_box *box)
{
	if (is_ours(side))
		side->shift =
		    pager_shown_range(side->start, side_bytes(side, box)) - side->start;
	return side->shift != 0;
}

static bool all_resident(const struct side *side, const struct memcpy_box *box)
{
	uint64_t bytes = side_bytes(side, box);
	bool cold;

	return !is_ours(side) || (pager_same_home(side->start, bytes, &cold) == bytes && !cold);
}

static void look_for_pointers(const struct memcpy_box *box)
{
	size_t rows, bytes;

	if (!box->src.start || __builtin_mul_overflow(box->height, box->depth, &rows) ||
	    __builtin_mul_overflow(rows, box->width, &bytes) ||
	    !memcpy_may_hold_pointers(box->src.start, bytes))
		return;
	for (size_t row = 0; row < rows; row++)
		memcpy_look_for_pointers(
		    (const void *)(uintptr_t)(box->src.start +
					      row / box->height * box->src.slice_pitch +
					      row % box->height * box->src.pitch),
		    box->width);
}

/* True: the driver may make the copy whole, if *result is still success. Always followed by
 * box_end. */
static bool box_begin(struct memcpy_box *box, CUresult *result)
{
	bool ours = box->width && box->height && box->depth &&
		    (is_ours(&box->dst) || is_ours(&box->src));

	bool whole = !box->dst.start || !box->src.start;

	look_for_pointers(box);
	if (ours) {
		const struct pager_range ranges[] = {
		    {box->dst.start, side_bytes(&box->dst, box)},
		    {box->src.start, side_bytes(&box->src, box)}};

		pager_use_ranges(ranges, 2, &box->work.use);
		if (whole)
			*result = work_enter_ranges(&box->work, ranges, 2);
		else
			work_enter(&box->work);
	}
	/* The driver is asked for what it will refuse, so that the program gets its answer. */
	if (ours && (goes_too_far(&box->dst, box) | goes_too_far(&box->src, box) |
		     (int)(box->dst.odd || box->src.odd)))
		return true;
	box->other_card = box->work.inside && !whole &&
			  memcpy_is_of_other_card(box->dst.start, box->src.start) &&
			  !captures_include(box->work.stream);
	return !box->work.inside || whole ||
	       (!box->other_card && all_resident(&box->dst, box) &&
		all_resident(&box->src, box));
}

static CUresult box_in_rows(struct memcpy_box *box)
{
	CUresult result = CUDA_SUCCESS;
	struct detour detour = {0};

	if (box->other_card) {
		result =
		    detour_begin(&detour, box->work.stream, box->dst.start, box->src.start);
		if (result != CUDA_SUCCESS)
			return result;
	}
	box->in_rows = true;
	for (size_t row = 0; row < box->height * box->depth && result == CUDA_SUCCESS; row++) {
		size_t z = row / box->height, y = row % box->height;
		struct memcpy_work copy = {
		    .dst = box->dst.start + z * box->dst.slice_pitch + y * box->dst.pitch,
		    .src = box->src.start + z * box->src.slice_pitch + y * box->src.pitch,
		    .bytes = box->width,
		    .work.stream = box->work.stream,
		    .detour = box->other_card ? &detour : NULL,
		};

		result = memcpy_in_parts(&copy);
	}
	if (box->other_card)
		detour_end(&detour, &box->work.use);
	return result;
}

static CUresult box_end(struct memcpy_box *box, CUresult result)
{
	if (!box->work.inside)
		return result;
	work_finish(&box->work, result != CUDA_SUCCESS && !box->in_rows);
	if (box->in_rows && box->waits && memcpy_waits(box->dst.start, box->src.start)) {
		CUresult ended = real(cuStreamSynchronize)(box->work.stream);

		result = result == CUDA_SUCCESS ? ended : result;
	}
	return result;
}

/* The copy that the driver is given: its starts are shifted where it goes too far. */
static CUDA_MEMCPY2D shown_2d(const CUDA_MEMCPY2D *copy, const struct memcpy_box *box)
{
	CUDA_MEMCPY2D shown = *copy;

	shown.dstDevice += box->dst.shift;
	shown.srcDevice += box->src.shift;
	return shown;
}

static CUDA_MEMCPY3D shown_3d(const CUDA_MEMCPY3D *copy, const struct memcpy_box *box)
{
	CUDA_MEMCPY3D shown = *copy;

	shown.dstDevice += box->dst.shift;
	shown.srcDevice += box->src.shift;
	return shown;
}

/* Each is given the driver's function, NULL where it has none, and the stream as the driver and
 * as the pager knows it. */
static CUresult box_2d(PFN_cuMemcpy2D_v3020 call, const CUDA_MEMCPY2D *copy, CUstream where)
{
	struct memcpy_box box;
	CUresult result = CUDA_SUCCESS;
	CUDA_MEMCPY2D shown;

	if (!call)
		return CUDA_ERROR_NOT_FOUND;
	if (!copy)
		return call(copy);
	box = box_of_2d(copy, where, true);
	if (!box_begin(&box, &result)) {
		result = box_in_rows(&box);
	} else if (result == CUDA_SUCCESS) {
		shown = shown_2d(copy, &box);
		result = call(&shown);
	}
	return box_end(&box, result);
}

static CUresult box_2d_async(PFN_cuMemcpy2DAsync_v3020 call, const CUDA_MEMCPY2D *copy,
			     CUstream stream, CUstream where)
{
	struct memcpy_box box;
	CUresult result = CUDA_SUCCESS;
	CUDA_MEMCPY2D shown;

	if (!call)
		return CUDA_ERROR_NOT_FOUND;
	if (!copy)
		return call(copy, stream);
	box = box_of_2d(copy, where, false);
	if (!box_begin(&box, &result)) {
		result = box_in_rows(&box);
	} else if (result == CUDA_SUCCESS) {
		shown = shown_2d(copy, &box);
		result = call(&shown, stream);
	}
	return box_end(&box, result);
}

static CUresult box_3d(PFN_cuMemcpy3D_v3020 call, const CUDA_MEMCPY3D *copy, CUstream where)
{
	struct memcpy_box box;
	CUresult result = CUDA_SUCCESS;
	CUDA_MEMCPY3D shown;

	if (!call)
		return CUDA_ERROR_NOT_FOUND;
	if (!copy)
		return call(copy);
	box = box_of_3d(copy, where, true);
	if (!box_begin(&box, &result)) {
		result = box_in_rows(&box);
	} else if (result == CUDA_SUCCESS) {
		shown = shown_3d(copy, &box);
		result = call(&shown);
	}
	return box_end(&box, result);
}

static CUresult box_3d_async(PFN_cuMemcpy3DAsync_v3020 call, const CUDA_MEMCPY3D *copy,
			     CUstream stream, CUstream where)
{
	struct memcpy_box box;
	CUresult result = CUDA_SUCCESS;
	CUDA_MEMCPY3D shown;

	if (!call)
		return CUDA_ERROR_NOT_FOUND;
	if (!copy)
		return call(copy, stream);
	box = box_of_3d(copy, where, false);
	if (!box_begin(&box, &result)) {
		result = box_in_rows(&box);
	} else if (result == CUDA_SUCCESS) {
		shown = shown_3d(copy, &box);
		result = call(&shown, stream);
	}
	return box_end(&box, result);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy2D_v2(const CUDA_MEMCPY2D *pCopy)
{
	return box_2d(DRIVERS(cuMemcpy2D_v2), pCopy, CU_STREAM_LEGACY);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy2D_v2_ptds(const CUDA_MEMCPY2D *pCopy)
{
	return box_2d(DRIVERS(cuMemcpy2D_v2_ptds), pCopy, CU_STREAM_PER_THREAD);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy2DUnaligned_v2(const CUDA_MEMCPY2D *pCopy)
{
	return box_2d(DRIVERS(cuMemcpy2DUnaligned_v2), pCopy, CU_STREAM_LEGACY);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy2DUnaligned_v2_ptds(const CUDA_MEMCPY2D *pCopy)
{
	return box_2d(DRIVERS(cuMemcpy2DUnaligned_v2_ptds), pCopy, CU_STREAM_PER_THREAD);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy3D_v2(const CUDA_MEMCPY3D *pCopy)
{
	return box_3d(DRIVERS(cuMemcpy3D_v2), pCopy, CU_STREAM_LEGACY);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy3D_v2_ptds(const CUDA_MEMCPY3D *pCopy)
{
	return box_3d(DRIVERS(cuMemcpy3D_v2_ptds), pCopy, CU_STREAM_PER_THREAD);
}

LT_EXPORT CUresult CUDAAPI cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D *pCopy, CUstream hStream)
{
	return box_2d_async(DRIVERS(cuMemcpy2DAsync_v2), pCopy, hStream, work_legacy(hStream));
}

LT_EXPORT CUresult CUDAAPI cuMemcpy2DAsync_v2_ptsz(const CUDA_MEMCPY2D *pCopy, CUstream hStream)
{
	return box_2d_async(DRIVERS(cuMemcpy2DAsync_v2_ptsz), pCopy, hStream,
			    work_per_thread(hStream));
}

LT_EXPORT CUresult CUDAAPI cuMemcpy3DAsync_v2(const CUDA_MEMCPY3D *pCopy, CUstream hStream)
{
	return box_3d_async(DRIVERS(cuMemcpy3DAsync_v2), pCopy, hStream, work_legacy(hStream));
}

LT_EXPORT CUresult CUDAAPI cuMemcpy3DAsync_v2_ptsz(const CUDA_MEMCPY3D *pCopy, CUstream hStream)
{
	return box_3d_async(DRIVERS(cuMemcpy3DAsync_v2_ptsz), pCopy, hStream,
			    work_per_thread(hStream));
}
