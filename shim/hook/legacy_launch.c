/*
 * Launches of before CUDA 4, which drivers still have and old programs still call. They set
 * their parameters one by one elsewhere, so what they name is not known: passed on as they are,
 * but not while mappings change.
 */
#include "driver/driver.h"
#include "driver/export.h"
#include "hook/work.h"

LT_EXPORT CUresult CUDAAPI cuLaunch(CUfunction f)
{
	struct work work;
	CUresult result;

	if (!driver_has(cuLaunch))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_unknown(&work, CU_STREAM_LEGACY, "cuLaunch");
	if (result == CUDA_SUCCESS)
		result = real(cuLaunch)(f);
	return work_end(&work, result);
}

LT_EXPORT CUresult CUDAAPI cuLaunchGrid(CUfunction f, int grid_width, int grid_height)
{
	struct work work;
	CUresult result;

	if (!driver_has(cuLaunchGrid))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_unknown(&work, CU_STREAM_LEGACY, "cuLaunchGrid");
	if (result == CUDA_SUCCESS)
		result = real(cuLaunchGrid)(f, grid_width, grid_height);
	return work_end(&work, result);
}

LT_EXPORT CUresult CUDAAPI cuLaunchGridAsync(CUfunction f, int grid_width, int grid_height,
					     CUstream hStream)
{
	struct work work;
	CUresult result;

	if (!driver_has(cuLaunchGridAsync))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_unknown(&work, work_legacy(hStream), "cuLaunchGridAsync");
	if (result == CUDA_SUCCESS)
		result = real(cuLaunchGridAsync)(f, grid_width, grid_height, hStream);
	return work_end(&work, result);
}
