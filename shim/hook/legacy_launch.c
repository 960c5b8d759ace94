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
	CUresult result;
	bool begun;

	if (!driver_has(cuLaunch))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_unknown("cuLaunch", CU_STREAM_LEGACY, &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuLaunch)(f);
	return work_end(begun, CU_STREAM_LEGACY, result);
}

LT_EXPORT CUresult CUDAAPI cuLaunchGrid(CUfunction f, int grid_width, int grid_height)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuLaunchGrid))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_unknown("cuLaunchGrid", CU_STREAM_LEGACY, &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuLaunchGrid)(f, grid_width, grid_height);
	return work_end(begun, CU_STREAM_LEGACY, result);
}

LT_EXPORT CUresult CUDAAPI cuLaunchGridAsync(CUfunction f, int grid_width, int grid_height,
					     CUstream hStream)
{
	CUresult result;
	bool begun;

	if (!driver_has(cuLaunchGridAsync))
		return CUDA_ERROR_NOT_FOUND;
	result = work_begin_unknown("cuLaunchGridAsync", work_legacy(hStream), &begun);
	if (result == CUDA_SUCCESS)
		result = real(cuLaunchGridAsync)(f, grid_width, grid_height, hStream);
	return work_end(begun, work_legacy(hStream), result);
}
