/* Arrays: never paged, but charged to the ledger for what the driver takes for them. */
#include "door/driver.h"
#include "door/export.h"
#include "pager/admission.h"
#include "pager/array_charge.h"

/* Of one channel; 0: of a format whose texels are not so simple. */
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
	case CU_AD_FORMAT_UNSIGNED_INT32:
	case CU_AD_FORMAT_SIGNED_INT32:
	case CU_AD_FORMAT_FLOAT:
		return 4;
	default:
		return 0;
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

/* The smallest tile that NVIDIA's GPUs have; drivers put several together, which is measured.
 */
#define TILE_BYTES 64
#define TILE_ROWS 8

static uint64_t texel_bytes(uint64_t width, uint64_t height, uint64_t depth,
			    CUarray_format format, unsigned int channels)
{
	uint64_t row = round_up(times(width, format_bytes(format) * channels), TILE_BYTES);
	uint64_t rows = height > 1 ? round_up(height, TILE_ROWS) : 1;

	return times(times(row, rows), depth ? depth : 1);
}

/* What is mapped later, by the program, takes nothing yet. */
static uint64_t bytes_3d(const CUDA_ARRAY3D_DESCRIPTOR *desc)
{
	if (!desc || desc->Flags & (CUDA_ARRAY3D_SPARSE | CUDA_ARRAY3D_DEFERRED_MAPPING))
		return 0;
	return texel_bytes(desc->Width, desc->Height, desc->Depth, desc->Format,
			   desc->NumChannels);
}

static CUresult destroy_array(CUdeviceptr handle)
{
	return real(cuArrayDestroy)((CUarray)(uintptr_t)handle);
}

static CUresult destroy_mipmapped(CUdeviceptr handle)
{
	return real(cuMipmappedArrayDestroy)((CUmipmappedArray)(uintptr_t)handle);
}

static CUresult made(const struct array_charge *charge, CUresult result, const CUarray *array)
{
	return array_charge_settle(
	    charge, result, result == CUDA_SUCCESS ? (uintptr_t)*array : 0, destroy_array);
}

LT_EXPORT CUresult CUDAAPI cuArrayCreate(CUarray *pHandle,
					 const CUDA_ARRAY_DESCRIPTOR_v1 *pAllocateArray)
{
	const CUDA_ARRAY_DESCRIPTOR_v1 *desc = pAllocateArray;
	struct array_charge charge;
	CUresult result;

	if (!driver_has(cuArrayCreate) || !driver_has(cuArrayDestroy))
		return CUDA_ERROR_NOT_FOUND;
	result = array_charge_ask(&charge, desc ? texel_bytes(desc->Width, desc->Height, 1,
							      desc->Format, desc->NumChannels)
						: 0);
	if (result != CUDA_SUCCESS)
		return result;
	return made(&charge, real(cuArrayCreate)(pHandle, pAllocateArray), pHandle);
}

LT_EXPORT CUresult CUDAAPI cuArrayCreate_v2(CUarray *pHandle,
					    const CUDA_ARRAY_DESCRIPTOR *pAllocateArray)
{
	const CUDA_ARRAY_DESCRIPTOR *desc = pAllocateArray;
	struct array_charge charge;
	CUresult result;

	if (!driver_has(cuArrayCreate_v2) || !driver_has(cuArrayDestroy))
		return CUDA_ERROR_NOT_FOUND;
	result = array_charge_ask(&charge, desc ? texel_bytes(desc->Width, desc->Height, 1,
							      desc->Format, desc->NumChannels)
						: 0);
	if (result != CUDA_SUCCESS)
		return result;
	return made(&charge, real(cuArrayCreate_v2)(pHandle, pAllocateArray), pHandle);
}

LT_EXPORT CUresult CUDAAPI cuArray3DCreate(CUarray *pHandle,
					   const CUDA_ARRAY3D_DESCRIPTOR_v1 *pAllocateArray)
{
	const CUDA_ARRAY3D_DESCRIPTOR_v1 *desc = pAllocateArray;
	struct array_charge charge;
	CUresult result;

	if (!driver_has(cuArray3DCreate) || !driver_has(cuArrayDestroy))
		return CUDA_ERROR_NOT_FOUND;
	result =
	    array_charge_ask(&charge, desc ? texel_bytes(desc->Width, desc->Height, desc->Depth,
							 desc->Format, desc->NumChannels)
					   : 0);
	if (result != CUDA_SUCCESS)
		return result;
	return made(&charge, real(cuArray3DCreate)(pHandle, pAllocateArray), pHandle);
}

LT_EXPORT CUresult CUDAAPI cuArray3DCreate_v2(CUarray *pHandle,
					      const CUDA_ARRAY3D_DESCRIPTOR *pAllocateArray)
{
	struct array_charge charge;
	CUresult result;

	if (!driver_has(cuArray3DCreate_v2) || !driver_has(cuArrayDestroy))
		return CUDA_ERROR_NOT_FOUND;
	result = array_charge_ask(&charge, bytes_3d(pAllocateArray));
	if (result != CUDA_SUCCESS)
		return result;
	return made(&charge, real(cuArray3DCreate_v2)(pHandle, pAllocateArray), pHandle);
}

LT_EXPORT CUresult CUDAAPI cuArrayDestroy(CUarray hArray)
{
	if (!driver_has(cuArrayDestroy))
		return CUDA_ERROR_NOT_FOUND;
	return admission_free((CUdeviceptr)(uintptr_t)hArray, destroy_array);
}

LT_EXPORT CUresult CUDAAPI cuMipmappedArrayCreate(
    CUmipmappedArray *pHandle, const CUDA_ARRAY3D_DESCRIPTOR *pMipmappedArrayDesc,
    unsigned int numMipmapLevels)
{
	struct array_charge charge;
	CUresult result;

	if (!driver_has(cuMipmappedArrayCreate) || !driver_has(cuMipmappedArrayDestroy))
		return CUDA_ERROR_NOT_FOUND;
	result = array_charge_ask(&charge, bytes_3d(pMipmappedArrayDesc));
	if (result != CUDA_SUCCESS)
		return result;
	result = real(cuMipmappedArrayCreate)(pHandle, pMipmappedArrayDesc, numMipmapLevels);
	return array_charge_settle(&charge, result,
				   result == CUDA_SUCCESS ? (uintptr_t)*pHandle : 0,
				   destroy_mipmapped);
}

LT_EXPORT CUresult CUDAAPI cuMipmappedArrayDestroy(CUmipmappedArray hMipmappedArray)
{
	if (!driver_has(cuMipmappedArrayDestroy))
		return CUDA_ERROR_NOT_FOUND;
	return admission_free((CUdeviceptr)(uintptr_t)hMipmappedArray, destroy_mipmapped);
}
