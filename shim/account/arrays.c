#include "account/arrays.h"

#include "driver/driver.h"
#include "base/lock.h"
#include "base/table.h"
#include "account/ledger.h"
#include "order/streams.h"
#include "order/captures.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct shape {
	CUDA_ARRAY3D_DESCRIPTOR desc;
	unsigned int levels;
	CUdevice device;
};

struct figure {
	struct shape shape;
	uint64_t bytes;
	bool lost;
	UT_hash_handle hh;
};

static struct figure *figures; /* guarded by lock */
static struct lock lock = LOCK(RANK_ARRAYS);

/* Of one channel. A format that is not so simple has no larger ones. */
static uint64_t format_bytes(CUarray_format format)
{
	switch ((int)format) {
	case CU_AD_FORMAT_UNSIGNED_INT8:
	case CU_AD_FORMAT_SIGNED_INT8:
		return 1;
	case CU_AD_FORMAT_UNSIGNED_INT16:
	case CU_AD_FORMAT_SIGNED_INT16:
	case CU_AD_FORMAT_HALF:
		return 2;
	default:
		return 4;
	}
}

/* Saturates: what is larger than any card is the driver's to refuse, or the cap's. */
static uint64_t times(uint64_t a, uint64_t b)
{
	uint64_t product;

	return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static uint64_t round_up(uint64_t n, uint64_t unit)
{
	return n > UINT64_MAX - unit ? UINT64_MAX / unit * unit : (n + unit - 1) / unit * unit;
}

/* The largest tile that NVIDIA's GPUs make of a line, of rows and of planes. */
#define TILE_BYTES 64
#define TILE_ROWS 128
#define TILE_PLANES 32

static uint64_t level_bytes(const CUDA_ARRAY3D_DESCRIPTOR *desc, unsigned int level)
{
	bool layers = desc->Flags & (CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_CUBEMAP);
	uint64_t width = desc->Width >> level, height = desc->Height >> level;
	uint64_t depth = layers ? desc->Depth : desc->Depth >> level;
	uint64_t row =
	    round_up(times(width ? width : 1, format_bytes(desc->Format) * desc->NumChannels),
		     TILE_BYTES);

	if (height > 1)
		row = times(row, round_up(height, TILE_ROWS));
	if (depth > 1)
		row = times(row, layers ? depth : round_up(depth, TILE_PLANES));
	return row;
}

/* More levels than 64-bit sizes have there cannot be. */
static uint64_t estimate(const CUDA_ARRAY3D_DESCRIPTOR *desc, unsigned int levels)
{
	uint64_t sum = 0;

	for (unsigned int level = 0; level < levels && level < 64; level++)
		if (__builtin_add_overflow(sum, level_bytes(desc, level), &sum))
			return UINT64_MAX;
	return sum;
}

static bool ask_plain(const CUDA_ARRAY3D_DESCRIPTOR *desc, CUdevice device,
		      CUDA_ARRAY_MEMORY_REQUIREMENTS *needs)
{
	CUarray array;
	bool told;

	if (!real(cuArray3DCreate_v2) || !real(cuArrayDestroy) ||
	    !real(cuArrayGetMemoryRequirements) ||
	    real(cuArray3DCreate_v2)(&array, desc) != CUDA_SUCCESS)
		return false;
	told = real(cuArrayGetMemoryRequirements)(needs, array, device) == CUDA_SUCCESS;
	real(cuArrayDestroy)(array);
	return told;
}

static bool ask_mipmapped(const CUDA_ARRAY3D_DESCRIPTOR *desc, unsigned int levels,
			  CUdevice device, CUDA_ARRAY_MEMORY_REQUIREMENTS *needs)
{
	CUmipmappedArray array;
	bool told;

	if (!real(cuMipmappedArrayCreate) || !real(cuMipmappedArrayDestroy) ||
	    !real(cuMipmappedArrayGetMemoryRequirements) ||
	    real(cuMipmappedArrayCreate)(&array, desc, levels) != CUDA_SUCCESS)
		return false;
	told =
	    real(cuMipmappedArrayGetMemoryRequirements)(needs, array, device) == CUDA_SUCCESS;
	real(cuMipmappedArrayDestroy)(array);
	return told;
}

/* 0: the driver does not say. */
static uint64_t ask(const struct shape *shape)
{
	CUDA_ARRAY3D_DESCRIPTOR desc = shape->desc;
	CUDA_ARRAY_MEMORY_REQUIREMENTS needs;
	bool told;

	desc.Flags |= CUDA_ARRAY3D_DEFERRED_MAPPING;
	told = shape->levels > 1 ? ask_mipmapped(&desc, shape->levels, shape->device, &needs)
				 : ask_plain(&desc, shape->device, &needs);
	return told ? needs.size : 0;
}

static uint64_t known(const struct shape *shape)
{
	struct figure *figure;
	uint64_t bytes;

	lock_take(&lock);
	HASH_FIND(hh, figures, shape, sizeof(*shape), figure);
	bytes = figure ? figure->bytes : 0;
	lock_give(&lock);
	return bytes;
}

static void remember(const struct shape *shape, uint64_t bytes)
{
	struct figure *figure = calloc(1, sizeof(*figure)), *other;

	if (!figure)
		return;
	memcpy(&figure->shape, shape, sizeof(*shape));
	figure->bytes = bytes;
	lock_take(&lock);
	HASH_FIND(hh, figures, shape, sizeof(*shape), other);
	if (other)
		figure->lost = true;
	else
		HASH_ADD(hh, figures, shape, sizeof(figure->shape), figure);
	lock_give(&lock);
	if (figure->lost)
		free(figure);
}

uint64_t arrays_bytes(const CUDA_ARRAY3D_DESCRIPTOR *desc, unsigned int levels)
{
	struct shape shape;
	uint64_t bytes, guess;

	if (!desc || desc->Flags & (CUDA_ARRAY3D_SPARSE | CUDA_ARRAY3D_DEFERRED_MAPPING))
		return 0;
	guess = estimate(desc, levels);
	/* What may share a page is not worth asking for, and the rest not in a capture, which
	 * the question would spoil. */
	if (guess < LEDGER_SMALL_BYTES || captures_any())
		return guess;
	memset(&shape, 0, sizeof(shape)); /* its padding is part of the key */
	shape.desc.Width = desc->Width;
	shape.desc.Height = desc->Height;
	shape.desc.Depth = desc->Depth;
	shape.desc.Format = desc->Format;
	shape.desc.NumChannels = desc->NumChannels;
	shape.desc.Flags = desc->Flags;
	shape.levels = levels;
	if (!real(cuCtxGetDevice) || real(cuCtxGetDevice)(&shape.device) != CUDA_SUCCESS)
		return guess;
	bytes = known(&shape);
	if (bytes)
		return bytes;
	bytes = ask(&shape);
	if (bytes)
		remember(&shape, bytes);
	return bytes ? bytes : guess;
}

void arrays_fork_prepare(void)
{
	lock_take(&lock);
}

void arrays_fork_done(void)
{
	lock_give(&lock);
}
