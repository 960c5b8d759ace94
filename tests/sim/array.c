/*
 * Arrays, as far as their being made, described and ended: texels are laid out in tiles, so
 * that one takes more VRAM than its texels need. One of a single line may be copied to and
 * from memory, and written by a kernel through a surface.
 */
#include "sim.h"

#include <stdlib.h>

#define TILE_BYTES 64
#define TILE_ROWS 128
#define TILE_PLANES 32

struct CUarray_st {
	CUDA_ARRAY3D_DESCRIPTOR desc;
	CUdeviceptr memory; /* 0: it is mapped later */
	size_t bytes;
	CUcontext context;
	struct CUarray_st *next;
};
static struct CUarray_st *arrays; /* guarded by the simulator's lock */

static size_t texel_bytes(CUarray_format format)
{
	switch ((int)format) {
	case CU_AD_FORMAT_UNSIGNED_INT8:
	case CU_AD_FORMAT_SIGNED_INT8:
		return 1;
	case CU_AD_FORMAT_UNSIGNED_INT16:
	case CU_AD_FORMAT_SIGNED_INT16:
	case CU_AD_FORMAT_HALF:
		return 2;
	case CU_AD_FORMAT_UNSIGNED_INT32:
	case CU_AD_FORMAT_SIGNED_INT32:
	case CU_AD_FORMAT_FLOAT:
		return 4;
	default:
		return 0;
	}
}

static size_t up(size_t n, size_t unit)
{
	return (n + unit - 1) / unit * unit;
}

static size_t level_bytes(const CUDA_ARRAY3D_DESCRIPTOR *desc, unsigned int level)
{
	size_t width = desc->Width >> level, height = desc->Height >> level;
	bool layers = desc->Flags & CUDA_ARRAY3D_LAYERED;
	size_t depth = layers ? desc->Depth : desc->Depth >> level;
	size_t row =
	    up((width ? width : 1) * texel_bytes(desc->Format) * desc->NumChannels, TILE_BYTES);

	return row * (height > 1 ? up(height, TILE_ROWS) : 1) *
	       (layers	    ? depth
		: depth > 1 ? up(depth, TILE_PLANES)
			    : 1);
}

static CUresult make(struct CUarray_st **out, const CUDA_ARRAY3D_DESCRIPTOR *desc,
		     unsigned int levels)
{
	struct CUarray_st *array;
	size_t bytes = 0;
	CUresult result;

	if (!out || !desc || !desc->Width || !texel_bytes(desc->Format) || !levels ||
	    (desc->NumChannels != 1 && desc->NumChannels != 2 && desc->NumChannels != 4) ||
	    desc->Width > 1 << 17 || desc->Height > 1 << 17 || desc->Depth > 1 << 14)
		return CUDA_ERROR_INVALID_VALUE;
	array = calloc(1, sizeof(*array));
	if (!array)
		return CUDA_ERROR_OUT_OF_MEMORY;
	for (unsigned int level = 0; level < levels && level < 18; level++)
		bytes += level_bytes(desc, level);
	result = desc->Flags & CUDA_ARRAY3D_DEFERRED_MAPPING
		     ? CUDA_SUCCESS
		     : sim_linear_alloc(sim_context(), bytes, &array->memory);
	if (result != CUDA_SUCCESS) {
		free(array);
		return result;
	}
	array->desc = *desc;
	array->bytes = bytes;
	array->context = sim_context();
	array->next = arrays;
	arrays = array;
	*out = array;
	return CUDA_SUCCESS;
}

static CUresult end(struct CUarray_st *array)
{
	for (struct CUarray_st **link = &arrays; *link; link = &(*link)->next) {
		if (*link != array)
			continue;
		*link = array->next;
		/* Its memory goes with its context. */
		if (array->memory && sim_context_known(array->context))
			sim_linear_free(array->memory);
		free(array);
		return CUDA_SUCCESS;
	}
	return CUDA_ERROR_INVALID_HANDLE;
}

SIM_EXPORT CUresult cuArray3DCreate_v2(CUarray *out, const CUDA_ARRAY3D_DESCRIPTOR *desc)
{
	SIM_CALL();
	SIM_ANSWER(make(out, desc, 1));
}

SIM_EXPORT CUresult cuArrayCreate_v2(CUarray *out, const CUDA_ARRAY_DESCRIPTOR *desc)
{
	SIM_CALL();
	if (!desc)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	SIM_ANSWER(make(out,
			&(CUDA_ARRAY3D_DESCRIPTOR){.Width = desc->Width,
						   .Height = desc->Height,
						   .Format = desc->Format,
						   .NumChannels = desc->NumChannels},
			1));
}

static const struct CUarray_st *known(CUarray array)
{
	const struct CUarray_st *a = arrays;

	while (a && a != array)
		a = a->next;
	return a;
}

SIM_EXPORT CUresult cuArray3DGetDescriptor_v2(CUDA_ARRAY3D_DESCRIPTOR *out, CUarray array)
{
	const struct CUarray_st *a;

	SIM_CALL();
	a = known(array);
	if (!a)
		SIM_ANSWER(CUDA_ERROR_INVALID_HANDLE);
	if (!out)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	*out = a->desc;
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuArrayGetDescriptor_v2(CUDA_ARRAY_DESCRIPTOR *out, CUarray array)
{
	const struct CUarray_st *a;

	SIM_CALL();
	a = known(array);
	if (!a)
		SIM_ANSWER(CUDA_ERROR_INVALID_HANDLE);
	if (!out)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	*out = (CUDA_ARRAY_DESCRIPTOR){a->desc.Width, a->desc.Height, a->desc.Format,
				       a->desc.NumChannels};
	SIM_ANSWER(CUDA_SUCCESS);
}

SIM_EXPORT CUresult cuArrayDestroy(CUarray array)
{
	SIM_CALL();
	SIM_ANSWER(end(array));
}

SIM_EXPORT CUresult cuMipmappedArrayCreate(CUmipmappedArray *out,
					   const CUDA_ARRAY3D_DESCRIPTOR *desc,
					   unsigned int levels)
{
	struct CUarray_st *array = NULL;
	CUresult result;

	SIM_CALL();
	if (!out)
		SIM_ANSWER(CUDA_ERROR_INVALID_VALUE);
	result = make(&array, desc, levels);
	if (result == CUDA_SUCCESS)
		*out = (CUmipmappedArray)array;
	SIM_ANSWER(result);
}

SIM_EXPORT CUresult cuMipmappedArrayDestroy(CUmipmappedArray array)
{
	SIM_CALL();
	SIM_ANSWER(end((struct CUarray_st *)array));
}

/* Only of what has no memory yet: whole pages, as are then mapped. */
static CUresult needs_of(CUDA_ARRAY_MEMORY_REQUIREMENTS *out, const struct CUarray_st *a,
			 CUdevice device)
{
	if (!a)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!out || a->memory || device < 0 || device >= sim_config.devices)
		return CUDA_ERROR_INVALID_VALUE;
	*out = (CUDA_ARRAY_MEMORY_REQUIREMENTS){.size = up(a->bytes, SIM_PAGE),
						.alignment = SIM_PAGE};
	return CUDA_SUCCESS;
}

SIM_EXPORT CUresult cuArrayGetMemoryRequirements(CUDA_ARRAY_MEMORY_REQUIREMENTS *out,
						 CUarray array, CUdevice device)
{
	SIM_CALL();
	SIM_ANSWER(needs_of(out, known(array), device));
}

SIM_EXPORT CUresult cuMipmappedArrayGetMemoryRequirements(CUDA_ARRAY_MEMORY_REQUIREMENTS *out,
							  CUmipmappedArray array,
							  CUdevice device)
{
	SIM_CALL();
	SIM_ANSWER(needs_of(out, known((CUarray)array), device));
}

CUdeviceptr sim_array_memory(CUarray array)
{
	const struct CUarray_st *a = known(array);

	return a ? a->memory : 0;
}

static CUresult line_at(CUarray array, size_t offset, size_t bytes, CUdeviceptr *out)
{
	const struct CUarray_st *a = known(array);
	size_t line;

	if (!a)
		return CUDA_ERROR_INVALID_HANDLE;
	line = a->desc.Width * texel_bytes(a->desc.Format) * a->desc.NumChannels;
	if (a->desc.Height || a->desc.Depth || offset > line || bytes > line - offset)
		return CUDA_ERROR_INVALID_VALUE;
	*out = a->memory + offset;
	return CUDA_SUCCESS;
}

SIM_EXPORT CUresult cuMemcpyDtoA_v2(CUarray array, size_t offset, CUdeviceptr src, size_t bytes)
{
	CUdeviceptr dst;
	CUresult result;

	SIM_CALL();
	result = line_at(array, offset, bytes, &dst);
	SIM_ANSWER(result == CUDA_SUCCESS ? cuMemcpyDtoD_v2(dst, src, bytes) : result);
}

SIM_EXPORT CUresult cuMemcpyAtoD_v2(CUdeviceptr dst, CUarray array, size_t offset, size_t bytes)
{
	CUdeviceptr src;
	CUresult result;

	SIM_CALL();
	result = line_at(array, offset, bytes, &src);
	SIM_ANSWER(result == CUDA_SUCCESS ? cuMemcpyDtoD_v2(dst, src, bytes) : result);
}
