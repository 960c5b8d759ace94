/*
 * Launches. What the parameters name is made known to the pager, which may move memory first;
 * then the driver launches, between work_begin and work_end.
 */
#include "driver/driver.h"
#include "driver/export.h"
#include "hook/launch_params.h"
#include "hook/work.h"

#include <stdlib.h>

/* What a launch names. */
struct launch {
	CUfunction function;
	void **params, **extra; /* as cuLaunchKernel takes them */
};

/* More than fits on the stack: PyTorch's foreach kernels name hundreds of tensors. */
static CUresult launch_name_many(struct work *work, const struct launch *launch)
{
	uint64_t *addresses = malloc(LAUNCH_PARAMS_MOST * sizeof(*addresses));
	bool unknown = true;
	size_t count = 0;
	CUresult result;

	if (addresses)
		count = launch_params_named(launch->function, launch->params, launch->extra,
					    addresses, LAUNCH_PARAMS_MOST, &unknown);
	if (unknown)
		pager_unknown_work("a kernel of unknown parameters");
	result = work_name_kernel(work, addresses, count, unknown);
	free(addresses);
	return result;
}

static CUresult launch_begin(struct work *work, CUstream stream, const struct launch *launch)
{
	uint64_t addresses[LAUNCH_PARAMS_FEW];
	bool unknown;
	size_t count;

	work_init(work, stream);
	if (!atomic_load_explicit(&pager_span, memory_order_relaxed))
		return CUDA_SUCCESS;
	count = launch_params_named(launch->function, launch->params, launch->extra, addresses,
				    LAUNCH_PARAMS_FEW, &unknown);
	if (unknown && count == LAUNCH_PARAMS_FEW)
		return launch_name_many(work, launch);
	if (unknown)
		pager_unknown_work("a kernel of unknown parameters");
	return work_name_kernel(work, addresses, count, unknown);
}

LT_EXPORT CUresult CUDAAPI cuLaunchKernel(CUfunction f, unsigned int gridDimX,
					  unsigned int gridDimY, unsigned int gridDimZ,
					  unsigned int blockDimX, unsigned int blockDimY,
					  unsigned int blockDimZ, unsigned int sharedMemBytes,
					  CUstream hStream, void **kernelParams, void **extra)
{
	const struct launch launch = {f, kernelParams, extra};
	struct work work;
	CUresult result;

	if (!driver_has(cuLaunchKernel))
		return CUDA_ERROR_NOT_FOUND;
	result = launch_begin(&work, work_legacy(hStream), &launch);
	if (result == CUDA_SUCCESS)
		result = real(cuLaunchKernel)(f, gridDimX, gridDimY, gridDimZ, blockDimX,
					      blockDimY, blockDimZ, sharedMemBytes, hStream,
					      kernelParams, extra);
	return work_end(&work, result);
}

LT_EXPORT CUresult CUDAAPI cuLaunchKernel_ptsz(CUfunction f, unsigned int gridDimX,
					       unsigned int gridDimY, unsigned int gridDimZ,
					       unsigned int blockDimX, unsigned int blockDimY,
					       unsigned int blockDimZ,
					       unsigned int sharedMemBytes, CUstream hStream,
					       void **kernelParams, void **extra)
{
	const struct launch launch = {f, kernelParams, extra};
	struct work work;
	CUresult result;

	if (!driver_has(cuLaunchKernel_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	result = launch_begin(&work, work_per_thread(hStream), &launch);
	if (result == CUDA_SUCCESS)
		result = real(cuLaunchKernel_ptsz)(f, gridDimX, gridDimY, gridDimZ, blockDimX,
						   blockDimY, blockDimZ, sharedMemBytes,
						   hStream, kernelParams, extra);
	return work_end(&work, result);
}

LT_EXPORT CUresult CUDAAPI cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction f,
					    void **kernelParams, void **extra)
{
	const struct launch launch = {f, kernelParams, extra};
	struct work work;
	CUresult result;

	if (!driver_has(cuLaunchKernelEx))
		return CUDA_ERROR_NOT_FOUND;
	result = launch_begin(&work, work_legacy(config ? config->hStream : NULL), &launch);
	if (result == CUDA_SUCCESS)
		result = real(cuLaunchKernelEx)(config, f, kernelParams, extra);
	return work_end(&work, result);
}

LT_EXPORT CUresult CUDAAPI cuLaunchKernelEx_ptsz(const CUlaunchConfig *config, CUfunction f,
						 void **kernelParams, void **extra)
{
	const struct launch launch = {f, kernelParams, extra};
	struct work work;
	CUresult result;

	if (!driver_has(cuLaunchKernelEx_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	result = launch_begin(&work, work_per_thread(config ? config->hStream : NULL), &launch);
	if (result == CUDA_SUCCESS)
		result = real(cuLaunchKernelEx_ptsz)(config, f, kernelParams, extra);
	return work_end(&work, result);
}

LT_EXPORT CUresult CUDAAPI cuLaunchCooperativeKernel(
    CUfunction f, unsigned int gridDimX, unsigned int gridDimY, unsigned int gridDimZ,
    unsigned int blockDimX, unsigned int blockDimY, unsigned int blockDimZ,
    unsigned int sharedMemBytes, CUstream hStream, void **kernelParams)
{
	const struct launch launch = {f, kernelParams, NULL};
	struct work work;
	CUresult result;

	if (!driver_has(cuLaunchCooperativeKernel))
		return CUDA_ERROR_NOT_FOUND;
	result = launch_begin(&work, work_legacy(hStream), &launch);
	if (result == CUDA_SUCCESS)
		result = real(cuLaunchCooperativeKernel)(f, gridDimX, gridDimY, gridDimZ,
							 blockDimX, blockDimY, blockDimZ,
							 sharedMemBytes, hStream, kernelParams);
	return work_end(&work, result);
}

LT_EXPORT CUresult CUDAAPI cuLaunchCooperativeKernel_ptsz(
    CUfunction f, unsigned int gridDimX, unsigned int gridDimY, unsigned int gridDimZ,
    unsigned int blockDimX, unsigned int blockDimY, unsigned int blockDimZ,
    unsigned int sharedMemBytes, CUstream hStream, void **kernelParams)
{
	const struct launch launch = {f, kernelParams, NULL};
	struct work work;
	CUresult result;

	if (!driver_has(cuLaunchCooperativeKernel_ptsz))
		return CUDA_ERROR_NOT_FOUND;
	result = launch_begin(&work, work_per_thread(hStream), &launch);
	if (result == CUDA_SUCCESS)
		result = real(cuLaunchCooperativeKernel_ptsz)(
		    f, gridDimX, gridDimY, gridDimZ, blockDimX, blockDimY, blockDimZ,
		    sharedMemBytes, hStream, kernelParams);
	return work_end(&work, result);
}

/* One launch on each of several devices: all are named before any is launched. */
#define MULTI_DEVICES 64
#define MULTI_TRIES 16

/* Inside the gate. */
static bool all_there(const CUDA_LAUNCH_PARAMS *list, unsigned int count)
{
	uint64_t addresses[LAUNCH_PARAMS_FEW];
	bool there = true;

	for (unsigned int i = 0; i < count && there; i++) {
		bool unknown;
		size_t named = launch_params_named(list[i].function, list[i].kernelParams, NULL,
						   addresses, LAUNCH_PARAMS_FEW, &unknown);

		there =
		    unmapped_all_resident(addresses, named, unknown ? REACH_ALL : REACH_TABLED);
	}
	return there;
}

/* What each names is made known, and where cold memory is unmapped brought to VRAM; nobody
 * stays inside the gate, where the next could not wait. */
static CUresult name_each(struct work *works, const CUDA_LAUNCH_PARAMS *list,
			  unsigned int count)
{
	CUresult result = CUDA_SUCCESS;

	for (unsigned int i = 0; i < count && result == CUDA_SUCCESS; i++) {
		const struct launch launch = {list[i].function, list[i].kernelParams, NULL};

		pager_used(&works[i].use, NULL, true);
		result = launch_begin(&works[i], work_legacy(list[i].hStream), &launch);
		work_let_mappings(works[i].inside);
		works[i].inside = false;
	}
	return result;
}

/* Success: *inside the gate with all that they name, unless there is no pager. */
static CUresult multi_begin(struct work *works, const CUDA_LAUNCH_PARAMS *list,
			    unsigned int count, bool unknown, struct work *all)
{
	/* By the time the last is in VRAM, the first may have left. */
	for (int tries = 0; tries < MULTI_TRIES; tries++) {
		CUresult result = name_each(works, list, count);

		if (result != CUDA_SUCCESS)
			return result;
		if (!work_needs_residence() || unknown)
			return work_enter_kernel(all, NULL, 0, unknown);
		work_enter(all);
		if (all_there(list, count))
			return CUDA_SUCCESS;
		work_let_mappings(all->inside);
		all->inside = false;
	}
	return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
}

LT_EXPORT CUresult CUDAAPI cuLaunchCooperativeKernelMultiDevice(
    CUDA_LAUNCH_PARAMS *launchParamsList, unsigned int numDevices, unsigned int flags)
{
	unsigned int count = launchParamsList ? numDevices : 0;
	struct work *works = NULL; /* too large for a small stack */
	struct work all;
	CUresult result;
	bool unknown;

	if (!driver_has(cuLaunchCooperativeKernelMultiDevice))
		return CUDA_ERROR_NOT_FOUND;
	if (count && count <= MULTI_DEVICES)
		works = calloc(count, sizeof(*works));
	unknown = count && !works;
	if (unknown) {
		pager_unknown_work("cuLaunchCooperativeKernelMultiDevice");
		count = 0;
	}
	work_init(&all, CU_STREAM_LEGACY);
	result = multi_begin(works, launchParamsList, count, unknown, &all);
	if (result == CUDA_SUCCESS)
		result = real(cuLaunchCooperativeKernelMultiDevice)(launchParamsList,
								    numDevices, flags);
	for (unsigned int i = 0; i < count; i++)
		pager_used(&works[i].use, works[i].stream, result != CUDA_SUCCESS);
	free(works);
	return work_end(&all, result);
}
