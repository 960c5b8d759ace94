/*
 * Copies and fills, every shape through one operation: a box of rows. A copy runs in slices, so
 * that under the seeded scheduler anything may happen between two of them; its engine and its
 * rate follow from where the memory is, not from the function's name.
 */
#include "copy.h"

#include "manner.h"

#include "capture.h"
#include "fault.h"
#include "managed.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SLICES 4

struct copy {
	struct sim_box box;
	size_t slice;		/* the next one */
	unsigned char staged[]; /* of a pageable source, as it was at the call */
};

/* Rows of a box count through its depth. */
static uintptr_t row_at(uintptr_t start, const struct sim_side *side, const struct sim_box *box,
			size_t row)
{
	return start + row / box->height * side->slice_pitch + row % box->height * side->pitch;
}

static void check(struct sim_op *op, const struct sim_side *side, uintptr_t start, size_t bytes,
		  bool write)
{
	uint64_t in_vram = 0, in_ram = 0;
	bool allowed;

	if (side->pageable)
		return;
	sim_lock();
	allowed = sim_accessible(side->device, start, bytes, write, &in_vram, &in_ram);
	if (allowed)
		sim_touch(op, start, bytes, write);
	if (allowed && write)
		sim_managed_written(start, bytes);
	sim_unlock();
	if (!allowed)
		sim_fault_raise();
}

static void fill(unsigned char *to, const struct sim_box *box, size_t bytes)
{
	if (box->fill_bytes == 1)
		memset(to, (int)box->fill, bytes);
	else if (box->fill_bytes == 2)
		for (size_t i = 0; i < bytes / 2; i++)
			((uint16_t *)(void *)to)[i] = (uint16_t)box->fill;
	else
		for (size_t i = 0; i < bytes / 4; i++)
			((uint32_t *)(void *)to)[i] = box->fill;
}

/* One row, or of a single row a part. */
static void move(struct sim_op *op, const struct sim_box *box, size_t row, size_t from,
		 size_t to)
{
	uintptr_t dst = row_at(box->dst.start, &box->dst, box, row) + from;
	uintptr_t src;

	if (from == to)
		return;
	check(op, &box->dst, dst, to - from, true);
	if (box->fill_bytes) {
		fill((unsigned char *)dst, box, to - from);
		return;
	}
	src = row_at(box->src.start, &box->src, box, row) + from;
	check(op, &box->src, src, to - from, false);
	memmove((void *)dst, (const void *)src, to - from);
}

static bool run(struct sim_op *op)
{
	struct copy *copy = op->data;
	const struct sim_box *box = &copy->box;
	size_t rows = box->height * box->depth, slice = copy->slice++;

	if (rows == 1) {
		size_t unit = box->fill_bytes ? box->fill_bytes : 1, units = box->width / unit;

		move(op, box, 0, units * slice / SLICES * unit,
		     units * (slice + 1) / SLICES * unit);
	} else {
		for (size_t row = rows * slice / SLICES; row < rows * (slice + 1) / SLICES;
		     row++)
			move(op, box, row, 0, box->width);
	}
	return copy->slice == SLICES;
}

static bool in_ram(const struct sim_side *side)
{
	const struct sim_region *region = sim_region_at(side->start);

	if (region && region->kind == SIM_MANAGED)
		return sim_managed_in_ram(side->start);
	return side->pageable || (region && region->host);
}

static double slower_way(void)
{
	return sim_config.d2h_rate < sim_config.h2d_rate ? sim_config.d2h_rate
							 : sim_config.h2d_rate;
}

static void price(struct sim_op *op, const struct sim_box *box)
{
	uint64_t bytes = (uint64_t)box->width * box->height * box->depth;
	bool from_ram = !box->fill_bytes && in_ram(&box->src), to_ram = in_ram(&box->dst);

	op->duration_ns = 1000; /* latency */
	if (from_ram) {
		op->engine = SIM_COPY_IN;
		op->duration_ns += (double)bytes / sim_config.h2d_rate;
		sim_count(SIM_BYTES_H2D, bytes);
	} else if (to_ram) {
		op->engine = SIM_COPY_OUT;
		op->duration_ns += (double)bytes / sim_config.d2h_rate;
		sim_count(SIM_BYTES_D2H, bytes);
	} else {
		op->duration_ns +=
		    (double)bytes * (box->fill_bytes ? 1 : 2) / sim_config.vram_rate;
		if (!box->fill_bytes && box->src.device != box->dst.device) {
			/* From card to card it goes over the bus. */
			op->engine = SIM_COPY_OUT;
			op->duration_ns += (double)bytes / slower_way();
		}
	}
}

/* A side that the driver knows nothing of: pageable memory, if that is what the program may
 * mean. */
static CUresult settle(struct sim_side *side, CUstream stream)
{
	const struct sim_region *region = sim_region_at(side->start);

	side->pageable = !region || region->kind == SIM_RESERVED;
	if (region && region->kind == SIM_LINEAR)
		side->device = region->device;
	else if (!side->device_named)
		side->device = stream->context->device;
	if (side->pageable && (side->must_be_device || !side->start))
		return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS;
}

static bool is_host_frame(const struct sim_side *side)
{
	const struct sim_region *region = sim_region_at(side->start);

	return region && region->kind == SIM_MAPPED && region->host;
}

/* As far as who waits for a copy is concerned: a card may treat host frames as its own memory.
 */
static bool counts_as_ram(const struct sim_side *side)
{
	return in_ram(side) && !(sim_manners.host_blocks_as_device && is_host_frame(side));
}

static bool in_pinned_ram(const struct sim_side *side)
{
	const struct sim_region *region = sim_region_at(side->start);

	return region && region->host && region->kind != SIM_MANAGED && counts_as_ram(side);
}

/* The driver API's "synchronization behavior" page. Asynchronous or not, a copy to pageable
 * memory, or from RAM to RAM, returns when it is there. Of the synchronous ones a copy within
 * the device and a fill of it return at once. */
static bool waits(const struct sim_box *box, enum sim_blocking blocking)
{
	if (box->fill_bytes)
		return blocking == SIM_SYNC && counts_as_ram(&box->dst);
	if (box->dst.pageable ||
	    ((box->src.pageable || in_pinned_ram(&box->src)) && in_pinned_ram(&box->dst)))
		return true;
	return blocking == SIM_SYNC && (counts_as_ram(&box->src) || counts_as_ram(&box->dst));
}

/* Partly in VRAM and partly in RAM? No documentation says what the driver does with such a
 * range, so nobody may count on it. */
static bool mixed(const struct sim_side *side, const struct sim_box *box, bool write)
{
	uint64_t vram_bytes = 0, ram_bytes = 0;

	if (side->pageable)
		return false;
	for (size_t row = 0; row < box->height * box->depth; row++)
		if (!sim_accessible(side->device, row_at(side->start, side, box, row),
				    box->width, write, &vram_bytes, &ram_bytes))
			return false; /* it will be an illegal access */
	return vram_bytes && ram_bytes;
}

/* Does it reach past the end of all addresses? */
static bool wraps(const struct sim_side *side, const struct sim_box *box)
{
	size_t planes, rows, all;

	return __builtin_mul_overflow(box->depth - 1, side->slice_pitch, &planes) ||
	       __builtin_mul_overflow(box->height - 1, side->pitch, &rows) ||
	       __builtin_add_overflow(planes, rows, &all) ||
	       __builtin_add_overflow(all, box->width, &all) ||
	       __builtin_add_overflow(all, side->start, &all);
}

static bool reached(const struct sim_side *side, const struct sim_box *box, bool write)
{
	uint64_t ignored;

	for (size_t row = 0; !side->pageable && row < box->height * box->depth; row++)
		if (!sim_accessible(side->device, row_at(side->start, side, box, row),
				    box->width, write, &ignored, &ignored))
			return false;
	return true;
}

/* Most of what a copy to fresh memory of the program costs is a fault for each page of 4 KiB.
 */
static void in_large_pages(const struct sim_box *box)
{
	uintptr_t start = (box->dst.start + SIM_PAGE - 1) / SIM_PAGE * SIM_PAGE;
	uintptr_t end = (box->dst.start + box->width) / SIM_PAGE * SIM_PAGE;

	if (box->dst.pageable && box->height * box->depth == 1 && start < end)
		madvise((void *)start, end - start, MADV_HUGEPAGE);
}

CUresult sim_copy(struct sim_box box, CUstream handle, enum sim_blocking blocking)
{
	CUstream stream = sim_stream(handle);
	size_t bytes, staged = 0;
	struct copy *copy;
	struct sim_op *op;

	if (!stream)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!box.width || !box.height || !box.depth)
		return CUDA_SUCCESS;
	if (wraps(&box.dst, &box) || (!box.fill_bytes && wraps(&box.src, &box)))
		return CUDA_ERROR_INVALID_VALUE;
	bytes = box.width * box.height * box.depth;
	if (settle(&box.dst, stream) != CUDA_SUCCESS ||
	    (!box.fill_bytes && settle(&box.src, stream) != CUDA_SUCCESS))
		return CUDA_ERROR_INVALID_VALUE;
	if (sim_manners.host_refuses_pageable && !box.fill_bytes &&
	    ((box.src.pageable && is_host_frame(&box.dst)) ||
	     (box.dst.pageable && is_host_frame(&box.src))))
		return CUDA_ERROR_INVALID_VALUE;
	if (mixed(&box.dst, &box, true) || (!box.fill_bytes && mixed(&box.src, &box, false)))
		return CUDA_ERROR_INVALID_VALUE;
	if (!box.fill_bytes && box.src.pageable && blocking == SIM_ASYNC &&
	    reached(&box.dst, &box, true))
		staged = bytes;
	copy = calloc(1, sizeof(*copy) + staged);
	op = copy ? sim_op_new(SIM_NO_ENGINE, run, copy) : NULL;
	if (!op) {
		free(copy);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	price(op, &box);
	if (staged) {
		for (size_t row = 0; row < box.height * box.depth; row++)
			memcpy(copy->staged + row * box.width,
			       (const void *)row_at(box.src.start, &box.src, &box, row),
			       box.width);
		box.src.start = (uintptr_t)copy->staged;
		box.src.pitch = box.width;
		box.src.slice_pitch = box.width * box.height;
		sim_host_spend((double)bytes / 10); /* a processor's memcpy, near 10 GB/s */
	}
	in_large_pages(&box);
	copy->box = box;
	sim_enqueue(stream, op);
	if (waits(&box, blocking))
		return sim_wait_stream(stream);
	return CUDA_SUCCESS;
}

static struct sim_side side(uintptr_t start, bool device)
{
	return (struct sim_side){.start = start, .must_be_device = device};
}

static CUresult flat(uintptr_t dst, bool dst_device, uintptr_t src, bool src_device,
		     size_t bytes, CUstream stream, enum sim_blocking blocking)
{
	CUstream named = sim_stream_named(stream);
	struct sim_box box = {.dst = side(dst, dst_device),
			      .src = side(src, src_device),
			      .width = bytes,
			      .height = 1,
			      .depth = 1};

	if (blocking == SIM_ASYNC && sim_capturing(named)) {
		CUDA_MEMCPY3D node = {.srcMemoryType = CU_MEMORYTYPE_UNIFIED,
				      .srcDevice = src,
				      .dstMemoryType = CU_MEMORYTYPE_UNIFIED,
				      .dstDevice = dst,
				      .WidthInBytes = bytes,
				      .Height = 1,
				      .Depth = 1};

		return sim_capture_memcpy(named, &node);
	}
	if (blocking == SIM_SYNC && sim_capture_unsafe() != CUDA_SUCCESS)
		return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
	return sim_copy(box, stream, blocking);
}

SIM_EXPORT CUresult cuMemcpy(CUdeviceptr dst, CUdeviceptr src, size_t bytes)
{
	SIM_CALL();
	SIM_ANSWER(flat(dst, false, src, false, bytes, NULL, SIM_SYNC));
}

SIM_EXPORT CUresult cuMemcpyAsync(CUdeviceptr dst, CUdeviceptr src, size_t bytes,
				  CUstream stream)
{
	SIM_CALL();
	SIM_ANSWER(flat(dst, false, src, false, bytes, stream, SIM_ASYNC));
}

SIM_EXPORT CUresult cuMemcpyHtoD_v2(CUdeviceptr dst, const void *src, size_t bytes)
{
	SIM_CALL();
	SIM_ANSWER(flat(dst, true, (uintptr_t)src, false, bytes, NULL, SIM_SYNC));
}

SIM_EXPORT CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr dst, const void *src, size_t bytes,
					 CUstream stream)
{
	SIM_CALL();
	SIM_ANSWER(flat(dst, true, (uintptr_t)src, false, bytes, stream, SIM_ASYNC));
}

SIM_EXPORT CUresult cuMemcpyDtoH_v2(void *dst, CUdeviceptr src, size_t bytes)
{
	SIM_CALL();
	SIM_ANSWER(flat((uintptr_t)dst, false, src, true, bytes, NULL, SIM_SYNC));
}

SIM_EXPORT CUresult cuMemcpyDtoHAsync_v2(void *dst, CUdeviceptr src, size_t bytes,
					 CUstream stream)
{
	SIM_CALL();
	SIM_ANSWER(flat((uintptr_t)dst, false, src, true, bytes, stream, SIM_ASYNC));
}

SIM_EXPORT CUresult cuMemcpyDtoD_v2(CUdeviceptr dst, CUdeviceptr src, size_t bytes)
{
	SIM_CALL();
	SIM_ANSWER(flat(dst, true, src, true, bytes, NULL, SIM_SYNC));
}

SIM_EXPORT CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr dst, CUdeviceptr src, size_t bytes,
					 CUstream stream)
{
	SIM_CALL();
	SIM_ANSWER(flat(dst, true, src, true, bytes, stream, SIM_ASYNC));
}

/* --- boxes
 * --------------------------------------------------------------------------------------------------
 */

static CUresult box_of(const CUDA_MEMCPY3D *c, struct sim_box *box)
{
	struct {
		CUmemorytype type;
		CUdeviceptr device;
		const void *host;
		size_t pitch, height, x, y, z;
	} in[2] = {{c->srcMemoryType, c->srcDevice, c->srcHost, c->srcPitch, c->srcHeight,
		    c->srcXInBytes, c->srcY, c->srcZ},
		   {c->dstMemoryType, c->dstDevice, c->dstHost, c->dstPitch, c->dstHeight,
		    c->dstXInBytes, c->dstY, c->dstZ}};
	struct sim_side *out[2] = {&box->src, &box->dst};

	*box =
	    (struct sim_box){.width = c->WidthInBytes, .height = c->Height, .depth = c->Depth};
	for (int i = 0; i < 2; i++) {
		size_t pitch = in[i].pitch ? in[i].pitch : in[i].x + c->WidthInBytes;
		size_t height = in[i].height ? in[i].height : in[i].y + c->Height;
		uintptr_t start =
		    in[i].type == CU_MEMORYTYPE_HOST ? (uintptr_t)in[i].host : in[i].device;

		if (in[i].type == CU_MEMORYTYPE_ARRAY)
			return CUDA_ERROR_NOT_SUPPORTED;
		if (pitch < in[i].x + c->WidthInBytes && (c->Height > 1 || c->Depth > 1))
			return CUDA_ERROR_INVALID_VALUE;
		if (height < in[i].y + c->Height && c->Depth > 1)
			return CUDA_ERROR_INVALID_VALUE;
		*out[i] = (struct sim_side){
		    .start = start + in[i].x + in[i].y * pitch + in[i].z * pitch * height,
		    .pitch = pitch,
		    .slice_pitch = pitch * height,
		    .must_be_device = in[i].type == CU_MEMORYTYPE_DEVICE};
	}
	return CUDA_SUCCESS;
}

static CUresult boxed(const CUDA_MEMCPY3D *copy, CUstream stream, enum sim_blocking blocking)
{
	CUstream named = sim_stream_named(stream);
	struct sim_box box;
	CUresult result;

	if (!copy)
		return CUDA_ERROR_INVALID_VALUE;
	result = box_of(copy, &box);
	if (result != CUDA_SUCCESS)
		return result;
	if (blocking == SIM_ASYNC && sim_capturing(named))
		return sim_capture_memcpy(named, copy);
	if (blocking == SIM_SYNC && sim_capture_unsafe() != CUDA_SUCCESS)
		return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
	return sim_copy(box, stream, blocking);
}

static CUDA_MEMCPY3D deepened(const CUDA_MEMCPY2D *c)
{
	return (CUDA_MEMCPY3D){
	    .srcXInBytes = c->srcXInBytes,
	    .srcY = c->srcY,
	    .srcMemoryType = c->srcMemoryType,
	    .srcHost = c->srcHost,
	    .srcDevice = c->srcDevice,
	    .srcArray = c->srcArray,
	    .srcPitch = c->srcPitch,
	    .dstXInBytes = c->dstXInBytes,
	    .dstY = c->dstY,
	    .dstMemoryType = c->dstMemoryType,
	    .dstHost = c->dstHost,
	    .dstDevice = c->dstDevice,
	    .dstArray = c->dstArray,
	    .dstPitch = c->dstPitch,
	    .WidthInBytes = c->WidthInBytes,
	    .Height = c->Height,
	    .Depth = 1,
	};
}

SIM_EXPORT CUresult cuMemcpy2D_v2(const CUDA_MEMCPY2D *copy)
{
	CUDA_MEMCPY3D deep;

	SIM_CALL();
	if (!copy)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	deep = deepened(copy);
	SIM_ANSWER(boxed(&deep, NULL, SIM_SYNC));
}

SIM_EXPORT CUresult cuMemcpy2DUnaligned_v2(const CUDA_MEMCPY2D *copy)
{
	SIM_CALL();
	SIM_ANSWER(cuMemcpy2D_v2(copy));
}

SIM_EXPORT CUresult cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D *copy, CUstream stream)
{
	CUDA_MEMCPY3D deep;

	SIM_CALL();
	if (!copy)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	deep = deepened(copy);
	SIM_ANSWER(boxed(&deep, stream, SIM_ASYNC));
}

SIM_EXPORT CUresult cuMemcpy3D_v2(const CUDA_MEMCPY3D *copy)
{
	SIM_CALL();
	SIM_ANSWER(boxed(copy, NULL, SIM_SYNC));
}

SIM_EXPORT CUresult cuMemcpy3DAsync_v2(const CUDA_MEMCPY3D *copy, CUstream stream)
{
	SIM_CALL();
	SIM_ANSWER(boxed(copy, stream, SIM_ASYNC));
}

/* --- from one context to another
 * ------------------------------------------------------------------------------ */

static CUresult between(CUDA_MEMCPY3D *copy, CUcontext to, CUcontext from, CUstream stream,
			enum sim_blocking blocking)
{
	struct sim_box box;
	CUresult result;

	if (!sim_context_known(to) || !sim_context_known(from))
		return CUDA_ERROR_INVALID_CONTEXT;
	/* A graph's node has no room for two contexts. */
	if (sim_capturing(sim_stream_named(stream)) && to->device != from->device)
		return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
	if (to->device == from->device)
		return boxed(copy, stream, blocking);
	result = box_of(copy, &box);
	if (result != CUDA_SUCCESS)
		return result;
	box.src.device = from->device;
	box.dst.device = to->device;
	box.src.device_named = box.dst.device_named = true;
	return sim_copy(box, stream, blocking);
}

static CUDA_MEMCPY3D one_row(CUdeviceptr dst, CUdeviceptr src, size_t bytes)
{
	return (CUDA_MEMCPY3D){.srcMemoryType = CU_MEMORYTYPE_DEVICE,
			       .srcDevice = src,
			       .dstMemoryType = CU_MEMORYTYPE_DEVICE,
			       .dstDevice = dst,
			       .WidthInBytes = bytes,
			       .Height = 1,
			       .Depth = 1};
}

SIM_EXPORT CUresult cuMemcpyPeer(CUdeviceptr dst, CUcontext to, CUdeviceptr src, CUcontext from,
				 size_t bytes)
{
	CUDA_MEMCPY3D row = one_row(dst, src, bytes);

	SIM_CALL();
	SIM_ANSWER(between(&row, to, from, NULL, SIM_SYNC));
}

SIM_EXPORT CUresult cuMemcpyPeerAsync(CUdeviceptr dst, CUcontext to, CUdeviceptr src,
				      CUcontext from, size_t bytes, CUstream stream)
{
	CUDA_MEMCPY3D row = one_row(dst, src, bytes);

	SIM_CALL();
	SIM_ANSWER(between(&row, to, from, stream, SIM_ASYNC));
}

/* Without its contexts, which stand between the others' fields. */
static CUDA_MEMCPY3D plain(const CUDA_MEMCPY3D_PEER *c)
{
	return (CUDA_MEMCPY3D){
	    .srcXInBytes = c->srcXInBytes,
	    .srcY = c->srcY,
	    .srcZ = c->srcZ,
	    .srcMemoryType = c->srcMemoryType,
	    .srcHost = c->srcHost,
	    .srcDevice = c->srcDevice,
	    .srcArray = c->srcArray,
	    .srcPitch = c->srcPitch,
	    .srcHeight = c->srcHeight,
	    .dstXInBytes = c->dstXInBytes,
	    .dstY = c->dstY,
	    .dstZ = c->dstZ,
	    .dstMemoryType = c->dstMemoryType,
	    .dstHost = c->dstHost,
	    .dstDevice = c->dstDevice,
	    .dstArray = c->dstArray,
	    .dstPitch = c->dstPitch,
	    .dstHeight = c->dstHeight,
	    .WidthInBytes = c->WidthInBytes,
	    .Height = c->Height,
	    .Depth = c->Depth,
	};
}

SIM_EXPORT CUresult cuMemcpy3DPeer(const CUDA_MEMCPY3D_PEER *copy)
{
	CUDA_MEMCPY3D box;

	SIM_CALL();
	if (!copy)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	box = plain(copy);
	SIM_ANSWER(between(&box, copy->dstContext, copy->srcContext, NULL, SIM_SYNC));
}

SIM_EXPORT CUresult cuMemcpy3DPeerAsync(const CUDA_MEMCPY3D_PEER *copy, CUstream stream)
{
	CUDA_MEMCPY3D box;

	SIM_CALL();
	if (!copy)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	box = plain(copy);
	SIM_ANSWER(between(&box, copy->dstContext, copy->srcContext, stream, SIM_ASYNC));
}
